package awssim

import (
	"bytes"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

var valueScenarios = []scenario{
	{name: "a secret created with a value has it as current", run: func(c cloud) {
		arn := c.create("prod/okta", "v1", 1)
		if want := regexp.MustCompile(`^` + secretARNs + `prod/okta-[A-Za-z0-9]{6}$`); !want.MatchString(arn) {
			c.Errorf("ARN %s does not match %s", arn, want)
		}
		out := got(c.read("prod/okta", 0, ""))(c)
		if *out.ARN != arn || *out.Name != "prod/okta" || *out.SecretString != "v1" || *out.VersionId != token(1) ||
			!slices.Equal(out.VersionStages, []string{"AWSCURRENT"}) || out.SecretBinary != nil {
			c.Errorf("got %s %s, version %s with %v", *out.ARN, *out.Name, *out.VersionId, out.VersionStages)
		}
		if age := time.Since(*out.CreatedDate); age < -time.Minute || age > time.Minute {
			c.Errorf("the version just made is %v old", age)
		}
	}},
	{name: "a secret created without a value has none", run: func(c cloud) {
		got(c.secrets.CreateSecret(c.Context(), &secretsmanager.CreateSecretInput{Name: new("empty"), Description: new("to fill")}))(c)
		_, err := c.read("empty", 0, "")
		c.refused("ResourceNotFoundException", err)
		c.wantLabels("empty", nil)
		if got := aws.ToString(c.describe("empty").Description); got != "to fill" {
			c.Errorf("description: got %q", got)
		}
	}},
	{name: "a name can be used once", run: func(c cloud) {
		arn := c.create("one", "v1", 1)
		again := func(value string, n int) (*secretsmanager.CreateSecretOutput, error) {
			return c.secrets.CreateSecret(c.Context(), &secretsmanager.CreateSecretInput{
				Name: new("one"), SecretString: &value, ClientRequestToken: new(token(n)),
			})
		}
		if out := got(again("v1", 1))(c); *out.ARN != arn || *out.VersionId != token(1) {
			c.Errorf("the repeated request: got %s version %s", *out.ARN, *out.VersionId)
		}
		_, err := again("v1", 2)
		c.refused("ResourceExistsException", err)
		_, err = again("v2", 1)
		c.refused("ResourceExistsException", err)
		c.wantValue("v1", "one", 0, "")
	}},
	{name: "a name has only the characters of names", moto: "takes any name", run: func(c cloud) {
		for _, name := range []string{"a b", "a:b", "ä", strings.Repeat("n", 513)} {
			_, err := c.secrets.CreateSecret(c.Context(), &secretsmanager.CreateSecretInput{Name: &name})
			c.refused("ValidationException", err)
		}
	}},
	{name: "a name may have every character of names", run: func(c cloud) {
		c.create("rds!db/A_z+9=.@-", "v1", 1)
		c.wantValue("v1", "rds!db/A_z+9=.@-", 0, "")
	}},
	{name: "a secret is found by name, complete ARN and partial ARN", run: func(c cloud) {
		arn := c.create("app/key", "v1", 1)
		for _, id := range []string{"app/key", arn, arn[:len(arn)-7]} {
			c.wantValue("v1", id, 0, "")
		}
		for _, id := range []string{
			"app/other", "app", arn[:len(arn)-6] + "zzzzzz",
			strings.Replace(arn, Region, "eu-west-1", 1), strings.Replace(arn, Account, "999999999999", 1),
		} {
			_, err := c.read(id, 0, "")
			c.refused("ResourceNotFoundException", err)
		}
	}},
	{name: "a partial ARN that looks complete is taken for complete", moto: "looks only at the name in it", run: func(c cloud) {
		arn := c.create("app-secret", "v1", 1)
		_, err := c.read(arn[:len(arn)-7], 0, "")
		c.refused("ResourceNotFoundException", err)
		c.wantValue("v1", "app-secret", 0, "")
		c.wantValue("v1", arn, 0, "")
	}},
	{name: "a binary value comes back byte for byte", run: func(c cloud) {
		value := []byte{0, 0xff, 0xfe, '\n', '"', 0x80}
		got(c.secrets.CreateSecret(c.Context(), &secretsmanager.CreateSecretInput{Name: new("bin"), SecretBinary: value}))(c)
		out := got(c.read("bin", 0, ""))(c)
		if !bytes.Equal(out.SecretBinary, value) || out.SecretString != nil {
			c.Errorf("got %x and a string %v", out.SecretBinary, out.SecretString)
		}
	}},
	{name: "a text value comes back byte for byte", run: func(c cloud) {
		value := "{\"a\": \"<&>\u2028\\\" \t\n✓\"}"
		c.create("text", value, 1)
		c.wantValue(value, "text", 0, "")
	}},
	{name: "a version is chosen by id, by label, or by both when they agree", run: func(c cloud) {
		c.create("two", "v1", 1)
		if err := c.put("two", "v2", 2); err != nil {
			c.Fatal(err)
		}
		c.wantValue("v1", "two", 1, "")
		c.wantValue("v1", "two", 0, "AWSPREVIOUS")
		c.wantValue("v1", "two", 1, "AWSPREVIOUS")
		c.wantValue("v2", "two", 2, "AWSCURRENT")
		_, err := c.read("two", 1, "AWSCURRENT")
		c.refused("InvalidRequestException", err)
		_, err = c.read("two", 3, "")
		c.refused("ResourceNotFoundException", err)
		_, err = c.read("two", 0, "AWSPENDING")
		c.refused("ResourceNotFoundException", err)
		_, err = c.read("two", 3, "AWSCURRENT")
		c.refused("ResourceNotFoundException", err)
	}},
	{name: "a value put becomes current", run: func(c cloud) {
		c.create("key", "v1", 1)
		out := got(c.secrets.PutSecretValue(c.Context(), &secretsmanager.PutSecretValueInput{
			SecretId: new("key"), SecretString: new("v2"),
		}))(c)
		if !uuid.MatchString(*out.VersionId) || !slices.Equal(out.VersionStages, []string{"AWSCURRENT"}) {
			c.Errorf("got version %s with %v", *out.VersionId, out.VersionStages)
		}
		c.wantValue("v2", "key", 0, "")
	}},
	{name: "a value put twice with one token is put once", run: func(c cloud) {
		c.create("key", "v1", 1)
		for n, value := range []string{"v2", "v3", "v2"} {
			if err := c.put("key", value, []int{2, 3, 2}[n]); err != nil {
				c.Fatal(err)
			}
		}
		c.wantLabels("key", map[string]int{"AWSCURRENT": 3, "AWSPREVIOUS": 2})
	}},
	{name: "a token stands for one value", run: func(c cloud) {
		c.create("key", "v1", 1)
		c.refused("ResourceExistsException", c.put("key", "v2", 1))
		c.wantValue("v1", "key", 0, "")
		putBinary := func(value ...byte) error {
			_, err := c.secrets.PutSecretValue(c.Context(), &secretsmanager.PutSecretValueInput{
				SecretId: new("key"), SecretBinary: value, ClientRequestToken: new(token(2)),
			})
			return err
		}
		if err := errors.Join(putBinary(1, 2), putBinary(1, 2)); err != nil {
			c.Fatal(err)
		}
		c.refused("ResourceExistsException", putBinary(1, 3))
	}},
	{name: "a token stands for one value while it is pending too", moto: "overwrites the pending value", run: func(c cloud) {
		c.staged("key")
		c.refused("ResourceExistsException", c.put("key", "other", 2, "AWSPENDING"))
		c.wantValue("v2", "key", 2, "AWSPENDING")
	}},
	{name: "a token has the length of a version id", run: func(c cloud) {
		c.create("key", "v1", 1)
		for _, token := range []string{strings.Repeat("t", 31), strings.Repeat("t", 65)} {
			_, err := c.secrets.PutSecretValue(c.Context(), &secretsmanager.PutSecretValueInput{
				SecretId: new("key"), SecretString: new("v2"), ClientRequestToken: &token,
			})
			c.refused("InvalidParameterException", err)
		}
	}},
	{name: "a value is text or binary", moto: "takes both", run: func(c cloud) {
		c.create("key", "v1", 1)
		_, err := c.secrets.PutSecretValue(c.Context(), &secretsmanager.PutSecretValueInput{
			SecretId: new("key"), SecretString: new("v2"), SecretBinary: []byte("v2"),
		})
		c.refused("InvalidParameterException", err)
	}},
	{name: "a put needs a value", run: func(c cloud) {
		c.create("key", "v1", 1)
		_, err := c.secrets.PutSecretValue(c.Context(), &secretsmanager.PutSecretValueInput{SecretId: new("key")})
		c.refused("InvalidRequestException", err)
		c.refused("ResourceNotFoundException", c.put("no such secret", "v1", 1))
	}},
	{name: "a value has from 1 to 65536 bytes", moto: "has no upper limit", run: func(c cloud) {
		c.create("key", strings.Repeat("\x00", 65536), 1)
		c.wantValue(strings.Repeat("\x00", 65536), "key", 0, "")
		c.refused("ValidationException", c.put("key", strings.Repeat("v", 65537), 2))
	}},
	{name: "an update with a value puts it", run: func(c cloud) {
		c.create("key", "v1", 1)
		out := got(c.secrets.UpdateSecret(c.Context(), &secretsmanager.UpdateSecretInput{
			SecretId: new("key"), SecretString: new("v2"), ClientRequestToken: new(token(2)),
		}))(c)
		if *out.VersionId != token(2) {
			c.Errorf("got version %s", *out.VersionId)
		}
		c.wantLabels("key", map[string]int{"AWSCURRENT": 2, "AWSPREVIOUS": 1})
	}},
	{name: "an update without a value makes no version", run: func(c cloud) {
		c.create("key", "v1", 1)
		out := got(c.secrets.UpdateSecret(c.Context(), &secretsmanager.UpdateSecretInput{
			SecretId: new("key"), Description: new("new words"),
		}))(c)
		if out.VersionId != nil || aws.ToString(c.describe("key").Description) != "new words" {
			c.Errorf("got version %v, description %v", out.VersionId, c.describe("key").Description)
		}
		c.wantLabels("key", map[string]int{"AWSCURRENT": 1})
	}},
	{name: "an update cannot be repeated", moto: "lets a repetition through", run: func(c cloud) {
		c.create("key", "v1", 1)
		_, err := c.secrets.UpdateSecret(c.Context(), &secretsmanager.UpdateSecretInput{
			SecretId: new("key"), SecretString: new("v1"), ClientRequestToken: new(token(1)),
		})
		c.refused("ResourceExistsException", err)
	}},
}

func TestLabelsAreSorted(t *testing.T) {
	_, c := simulated(t)
	c.create("key", "v1", 1)
	out := got(c.secrets.PutSecretValue(c.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: new("key"), SecretString: new("v2"), VersionStages: []string{"d", "b", "a", "c"},
	}))(c)
	if !slices.Equal(out.VersionStages, []string{"a", "b", "c", "d"}) {
		t.Errorf("got %v", out.VersionStages)
	}
}

func TestPutWithoutToken(t *testing.T) {
	sim := New()
	if first, second := sim.PutSecret("key", "same"), sim.PutSecret("key", "same"); first == second || !uuid.MatchString(first) {
		t.Errorf("versions %q and %q, want two UUIDs", first, second)
	}
}
