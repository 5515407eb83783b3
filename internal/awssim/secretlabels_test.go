package awssim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// staged makes a secret with version 1 current and version 2 pending.
func (c cloud) staged(name string) {
	c.Helper()
	c.create(name, "v1", 1)
	if err := c.put(name, "v2", 2, "AWSPENDING"); err != nil {
		c.Fatal(err)
	}
}

func (c cloud) moved(name, label string, from, to int) {
	c.Helper()
	if err := c.move(name, label, from, to); err != nil {
		c.Fatal(err)
	}
}

func (c cloud) rotate(name string, n int, now bool) (*secretsmanager.RotateSecretOutput, error) {
	return c.secrets.RotateSecret(c.Context(), &secretsmanager.RotateSecretInput{
		SecretId: &name, ClientRequestToken: new(token(n)), RotateImmediately: &now,
		RotationLambdaARN: new("arn:aws:lambda:us-east-1:111122223333:function:relay"),
	})
}

var labelScenarios = []scenario{
	{name: "previous is the version that was current last", run: func(c cloud) {
		c.create("key", "v1", 1)
		for n := 2; n <= 3; n++ {
			if err := c.put("key", fmt.Sprintf("v%d", n), n); err != nil {
				c.Fatal(err)
			}
		}
		c.wantLabels("key", map[string]int{"AWSCURRENT": 3, "AWSPREVIOUS": 2})
	}},
	{name: "a version without labels can be read by its id", run: func(c cloud) {
		c.create("key", "v1", 1)
		for n := 2; n <= 3; n++ {
			if err := c.put("key", fmt.Sprintf("v%d", n), n); err != nil {
				c.Fatal(err)
			}
		}
		c.wantValue("v1", "key", 1, "")
	}},
	{name: "a pending value leaves the current one alone", run: func(c cloud) {
		c.staged("key")
		c.wantLabels("key", map[string]int{"AWSCURRENT": 1, "AWSPENDING": 2})
		c.wantValue("v1", "key", 0, "")
		c.wantValue("v2", "key", 0, "AWSPENDING")
	}},
	{name: "finishing a rotation moves current and leaves pending where it is", run: func(c cloud) {
		c.staged("key")
		c.moved("key", "AWSCURRENT", 1, 2)
		c.wantLabels("key", map[string]int{"AWSCURRENT": 2, "AWSPENDING": 2, "AWSPREVIOUS": 1})
		c.moved("key", "AWSPENDING", 2, 0)
		c.wantLabels("key", map[string]int{"AWSCURRENT": 2, "AWSPREVIOUS": 1})
	}},
	{name: "a roll-back swaps current and previous", moto: "goes on reading the version that was current", run: func(c cloud) {
		c.create("key", "v1", 1)
		if err := c.put("key", "v2", 2); err != nil {
			c.Fatal(err)
		}
		c.moved("key", "AWSCURRENT", 2, 1)
		c.wantLabels("key", map[string]int{"AWSCURRENT": 1, "AWSPREVIOUS": 2})
		c.wantValue("v1", "key", 0, "")
	}},
	{name: "a put after a move leaves one version current", moto: "leaves AWSCURRENT on two", run: func(c cloud) {
		c.staged("key")
		c.moved("key", "AWSCURRENT", 1, 2)
		if err := c.put("key", "v3", 3); err != nil {
			c.Fatal(err)
		}
		c.wantLabels("key", map[string]int{"AWSCURRENT": 3, "AWSPENDING": 2, "AWSPREVIOUS": 2})
	}},
	{name: "the first value is current whatever its labels", run: func(c cloud) {
		got(c.secrets.CreateSecret(c.Context(), &secretsmanager.CreateSecretInput{Name: new("key")}))(c)
		if err := c.put("key", "v1", 1, "AWSPENDING"); err != nil {
			c.Fatal(err)
		}
		c.wantLabels("key", map[string]int{"AWSCURRENT": 1, "AWSPENDING": 1})
	}},
	{name: "a put takes its labels off other versions", run: func(c cloud) {
		c.create("key", "v1", 1)
		for n := 2; n <= 3; n++ {
			if err := c.put("key", fmt.Sprintf("v%d", n), n, "mine", "AWSPENDING"); err != nil {
				c.Fatal(err)
			}
		}
		c.wantLabels("key", map[string]int{"AWSCURRENT": 1, "AWSPENDING": 3, "mine": 3})
	}},
	{name: "current moves only for who knows where it is", run: func(c cloud) {
		c.staged("key")
		c.refused("InvalidParameterException", c.move("key", "AWSCURRENT", 0, 2))
		c.refused("InvalidParameterException", c.move("key", "AWSCURRENT", 2, 2))
		c.refused("InvalidParameterException", c.move("key", "AWSCURRENT", 9, 2))
		c.wantLabels("key", map[string]int{"AWSCURRENT": 1, "AWSPENDING": 2})
	}},
	{name: "a label of one's own moves only for who knows where it is", moto: "puts it on both versions", run: func(c cloud) {
		c.staged("key")
		c.moved("key", "mine", 0, 1)
		c.refused("InvalidParameterException", c.move("key", "mine", 0, 2))
		c.moved("key", "mine", 0, 1)
		c.moved("key", "mine", 1, 2)
		c.wantLabels("key", map[string]int{"AWSCURRENT": 1, "AWSPENDING": 2, "mine": 2})
	}},
	{name: "a label of one's own can be taken off", run: func(c cloud) {
		c.staged("key")
		c.moved("key", "mine", 0, 1)
		c.refused("InvalidParameterException", c.move("key", "mine", 2, 0))
		c.moved("key", "mine", 1, 0)
		c.wantLabels("key", map[string]int{"AWSCURRENT": 1, "AWSPENDING": 2})
	}},
	{name: "current cannot be taken off", moto: "takes it off", run: func(c cloud) {
		c.create("key", "v1", 1)
		c.refused("InvalidParameterException", c.move("key", "AWSCURRENT", 1, 0))
		c.wantLabels("key", map[string]int{"AWSCURRENT": 1})
	}},
	{name: "a label moves only between versions there are", run: func(c cloud) {
		c.create("key", "v1", 1)
		c.refused("InvalidParameterException", c.move("key", "mine", 0, 9))
		c.refused("ResourceNotFoundException", c.move("no such secret", "mine", 0, 1))
		c.wantLabels("key", map[string]int{"AWSCURRENT": 1})
	}},
	{name: "a label moves somewhere", moto: "answers 200", run: func(c cloud) {
		c.create("key", "v1", 1)
		c.refused("InvalidParameterException", c.move("key", "mine", 0, 0))
	}},
	{name: "a label has from 1 to 256 characters", moto: "takes any label", run: func(c cloud) {
		c.create("key", "v1", 1)
		for _, label := range []string{"", strings.Repeat("l", 257)} {
			c.refused("ValidationException", c.put("key", "v2", 2, label))
			c.refused("ValidationException", c.move("key", label, 0, 1))
		}
		c.moved("key", strings.Repeat("l", 256), 0, 1)
	}},
	{name: "a secret has at most 20 labels", moto: "has no limit", run: func(c cloud) {
		c.create("key", "v1", 1)
		for n := range 19 {
			c.moved("key", fmt.Sprintf("label-%d", n), 0, 1)
		}
		c.refused("LimitExceededException", c.move("key", "one-too-many", 0, 1))
		c.refused("LimitExceededException", c.put("key", "v2", 2, "one-too-many"))
		_, err := c.read("key", 2, "")
		c.refused("ResourceNotFoundException", err)
	}},
	{name: "a rotation begins with a pending version that has no value", moto: "wants a function that exists", run: func(c cloud) {
		c.create("key", "v1", 1)
		for range 2 { // the second is a repetition
			if out := got(c.rotate("key", 2, true))(c); *out.VersionId != token(2) {
				c.Errorf("got version %s", *out.VersionId)
			}
		}
		c.wantLabels("key", map[string]int{"AWSCURRENT": 1, "AWSPENDING": 2})
		_, err := c.read("key", 2, "AWSPENDING")
		c.refused("ResourceNotFoundException", err)
		if err := c.put("key", "v2", 2, "AWSPENDING"); err != nil {
			c.Fatal(err)
		}
		c.wantValue("v2", "key", 2, "AWSPENDING")
		if secret := c.describe("key"); !aws.ToBool(secret.RotationEnabled) || secret.RotationLambdaARN == nil {
			c.Error("the secret does not say that it rotates")
		}
	}},
	{name: "a rotation under way lets no other begin", moto: "wants a function that exists", run: func(c cloud) {
		c.staged("key")
		_, err := c.rotate("key", 3, true)
		c.refused("InvalidRequestException", err)
		c.moved("key", "AWSCURRENT", 1, 2)
		got(c.rotate("key", 3, true))(c)
	}},
	{name: "rotation can be turned on for later", moto: "wants a function that exists", run: func(c cloud) {
		c.create("key", "v1", 1)
		if enabled := c.describe("key").RotationEnabled; aws.ToBool(enabled) {
			c.Error("a new secret says that it rotates")
		}
		got(c.rotate("key", 2, false))(c)
		c.wantLabels("key", map[string]int{"AWSCURRENT": 1})
		if !aws.ToBool(c.describe("key").RotationEnabled) {
			c.Error("the secret does not say that it rotates")
		}
	}},
	{name: "rotation needs a function", moto: "rotates without", run: func(c cloud) {
		c.create("key", "v1", 1)
		_, err := c.secrets.RotateSecret(c.Context(), &secretsmanager.RotateSecretInput{SecretId: new("key")})
		c.refused("InvalidRequestException", err)
	}},
	{name: "versions are listed page by page, oldest first", moto: "lists all versions on one page", run: func(c cloud) {
		c.create("key", "v1", 3)
		for _, n := range []int{1, 2} {
			if err := c.put("key", "v", n); err != nil {
				c.Fatal(err)
			}
		}
		list := func(deprecated bool) (ids []string) {
			pages := secretsmanager.NewListSecretVersionIdsPaginator(c.secrets, &secretsmanager.ListSecretVersionIdsInput{
				SecretId: new("key"), MaxResults: aws.Int32(1), IncludeDeprecated: &deprecated,
			})
			for pages.HasMorePages() {
				for _, v := range got(pages.NextPage(c.Context()))(c).Versions {
					ids = append(ids, *v.VersionId)
				}
			}
			return ids
		}
		if got := list(false); !slices.Equal(got, []string{token(1), token(2)}) {
			c.Errorf("versions with labels: got %v", got)
		}
		if got := list(true); !slices.Equal(got, []string{token(3), token(1), token(2)}) {
			c.Errorf("all versions: got %v", got)
		}
	}},
}
