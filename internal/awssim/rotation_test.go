package awssim

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

const rotationFunction = "arn:aws:lambda:us-east-1:111122223333:function:relay"

// rotate sends RotateSecret with the nth token.
func (c cloud) rotate(name string, n int, now bool) (*secretsmanager.RotateSecretOutput, error) {
	return c.secrets.RotateSecret(c.Context(), &secretsmanager.RotateSecretInput{
		SecretId: &name, ClientRequestToken: new(token(n)), RotateImmediately: &now, RotationLambdaARN: new(rotationFunction),
	})
}

func (c cloud) cancelRotation(name string) (*secretsmanager.CancelRotateSecretOutput, error) {
	return c.secrets.CancelRotateSecret(c.Context(), &secretsmanager.CancelRotateSecretInput{SecretId: &name})
}

func (c cloud) wantRotates(name string, want bool) {
	c.Helper()
	if secret := c.describe(name); aws.ToBool(secret.RotationEnabled) != want {
		c.Errorf("%s: RotationEnabled is %v, want %t", name, secret.RotationEnabled, want)
	}
}

// wantInProgress fails the test unless the call was refused because of another rotation.
func (c cloud) wantInProgress(err error) {
	c.Helper()
	c.refused("InvalidRequestException", err)
	if err == nil || !strings.Contains(err.Error(), "A previous rotation isn't complete. That rotation will be reattempted.") {
		c.Errorf("got %v, want an error about the previous rotation", err)
	}
}

var rotationScenarios = []scenario{
	{name: "a rotation begins with a pending version that has no value", moto: "wants a function that exists", run: func(c cloud) {
		c.create("key", "v1", 1)
		c.wantRotates("key", false)
		if out := got(c.rotate("key", 2, true))(c); *out.VersionId != token(2) {
			c.Errorf("got version %s", *out.VersionId)
		}
		c.wantRotates("key", true)
		c.wantLabels("key", map[string]int{"AWSCURRENT": 1, "AWSPENDING": 2})
		for _, label := range []string{"", "AWSPENDING"} {
			_, err := c.read("key", 2, label)
			c.refused("ResourceNotFoundException", err)
		}
		c.wantVersions("key", true, 1)
		if err := c.put("key", "v2", 2, "AWSPENDING"); err != nil {
			c.Fatal(err)
		}
		c.wantValue("v2", "key", 2, "AWSPENDING")
		c.wantLabels("key", map[string]int{"AWSCURRENT": 1, "AWSPENDING": 2})
		c.wantVersions("key", true, 1, 2)
	}},
	{name: "a rotation without a token makes one", moto: "wants a function that exists", run: func(c cloud) {
		c.create("key", "v1", 1)
		out := got(c.secrets.RotateSecret(c.Context(), &secretsmanager.RotateSecretInput{
			SecretId: new("key"), RotationLambdaARN: new(rotationFunction),
		}))(c)
		if !uuid.MatchString(aws.ToString(out.VersionId)) || !slices.Equal(c.describe("key").VersionIdsToStages[*out.VersionId], []string{"AWSPENDING"}) {
			c.Errorf("got version %s of %v", aws.ToString(out.VersionId), c.describe("key").VersionIdsToStages)
		}
	}},
	{name: "no rotation begins while another one is pending, whatever its token", moto: "wants a function that exists", run: func(c cloud) {
		c.create("key", "v1", 1)
		got(c.rotate("key", 2, true))(c)
		for n := 2; n <= 3; n++ {
			_, err := c.rotate("key", n, true)
			c.wantInProgress(err)
			_, err = c.rotate("key", n, false)
			c.wantInProgress(err)
		}
		if err := c.put("key", "v2", 2, "AWSPENDING"); err != nil {
			c.Fatal(err)
		}
		_, err := c.rotate("key", 2, true)
		c.wantInProgress(err)
		c.moved("key", "AWSCURRENT", 1, 2)
		got(c.rotate("key", 3, true))(c)
		c.wantLabels("key", map[string]int{"AWSCURRENT": 2, "AWSPREVIOUS": 1, "AWSPENDING": 3})
	}},
	{name: "no rotation begins after a value was staged, with its token neither", moto: "begins one", run: func(c cloud) {
		c.staged("key")
		for n := 2; n <= 3; n++ {
			_, err := c.rotate("key", n, true)
			c.wantInProgress(err)
		}
		c.wantRotates("key", false)
		c.wantLabels("key", map[string]int{"AWSCURRENT": 1, "AWSPENDING": 2})
	}},
	{name: "removing AWSPENDING frees a stuck rotation", moto: "wants a function that exists", run: func(c cloud) {
		c.create("key", "v1", 1)
		got(c.rotate("key", 2, true))(c)
		c.moved("key", "AWSPENDING", 2, 0)
		got(c.rotate("key", 3, true))(c)
		c.wantLabels("key", map[string]int{"AWSCURRENT": 1, "AWSPENDING": 3})
	}},
	{name: "cancelling turns rotation off and leaves AWSPENDING", moto: "wants a function that exists", run: func(c cloud) {
		c.create("key", "v1", 1)
		_, err := c.cancelRotation("key")
		c.refused("InvalidRequestException", err)
		got(c.rotate("key", 2, true))(c)
		for range 2 {
			if out := got(c.cancelRotation("key"))(c); aws.ToString(out.VersionId) != token(2) {
				c.Errorf("got version %s", aws.ToString(out.VersionId))
			}
			c.wantRotates("key", false)
			c.wantLabels("key", map[string]int{"AWSCURRENT": 1, "AWSPENDING": 2})
		}
		_, err = c.rotate("key", 3, true)
		c.wantInProgress(err)
		c.moved("key", "AWSPENDING", 2, 0)
		if out := got(c.cancelRotation("key"))(c); out.VersionId != nil {
			c.Errorf("got version %s, and nothing is pending", *out.VersionId)
		}
		_, err = c.cancelRotation("no such secret")
		c.refused("ResourceNotFoundException", err)
	}},
	{name: "a rotation that is done can be repeated", moto: "wants a function that exists", run: func(c cloud) {
		c.create("key", "v1", 1)
		if out := got(c.rotate("key", 1, true))(c); *out.VersionId != token(1) {
			c.Errorf("got version %s", *out.VersionId)
		}
		c.wantLabels("key", map[string]int{"AWSCURRENT": 1})
	}},
	{name: "rotation can be turned on for later", moto: "wants a function that exists", run: func(c cloud) {
		c.create("key", "v1", 1)
		if out := got(c.rotate("key", 2, false))(c); out.VersionId != nil {
			c.Errorf("got version %s", *out.VersionId)
		}
		c.wantRotates("key", true)
		c.wantLabels("key", map[string]int{"AWSCURRENT": 1})
		c.refused("InvalidParameterException", c.move("key", "mine", 0, 2)) // there is no such version
	}},
	{name: "the first value is the current one, of a rotation too", moto: "wants a function that exists", run: func(c cloud) {
		got(c.secrets.CreateSecret(c.Context(), &secretsmanager.CreateSecretInput{Name: new("key")}))(c)
		got(c.rotate("key", 1, true))(c)
		if err := c.put("key", "v1", 1, "AWSPENDING"); err != nil {
			c.Fatal(err)
		}
		c.wantLabels("key", map[string]int{"AWSCURRENT": 1, "AWSPENDING": 1})
	}},
	{name: "rotation needs a function", moto: "rotates without", run: func(c cloud) {
		c.create("key", "v1", 1)
		_, err := c.secrets.RotateSecret(c.Context(), &secretsmanager.RotateSecretInput{SecretId: new("key")})
		c.refused("InvalidRequestException", err)
	}},
}

// The listener of a rotation can play all steps of the rotation function.
func TestOnRotate(t *testing.T) {
	sim, c := simulated(t)
	arn := c.create("key", "v1", 1)
	var rotations []Rotation
	sim.OnRotate(func(r Rotation) {
		rotations = append(rotations, r)
		_, err := c.read(r.ARN, 2, "AWSPENDING")
		c.refused("ResourceNotFoundException", err)
		if err := c.put(r.ARN, "v2", 2, "AWSPENDING"); err != nil {
			t.Fatal(err)
		}
		c.moved(r.ARN, "AWSCURRENT", 1, 2)
	})
	got(c.rotate("key", 2, true))(c)
	if want := []Rotation{{ARN: arn, Name: "key", Token: token(2)}}; !slices.Equal(rotations, want) {
		t.Errorf("got %v, want %v", rotations, want)
	}
	c.wantValue("v2", "key", 0, "")
}

// A rotation that only tests has its pending version while the listeners run, and not after.
func TestOnRotateTestOnly(t *testing.T) {
	sim, c := simulated(t)
	arn := c.create("key", "v1", 1)
	calls := 0
	sim.OnRotate(func(r Rotation) {
		calls++
		if want := (Rotation{ARN: arn, Name: "key", Token: token(2), TestOnly: true}); r != want {
			t.Errorf("got %v, want %v", r, want)
		}
		c.wantLabels("key", map[string]int{"AWSCURRENT": 1, "AWSPENDING": 2})
		_, err := c.read("key", 2, "")
		c.refused("ResourceNotFoundException", err)
	})
	for range 2 {
		got(c.rotate("key", 2, false))(c)
		c.wantLabels("key", map[string]int{"AWSCURRENT": 1})
	}
	_, err := c.rotate("no such secret", 2, false)
	c.refused("ResourceNotFoundException", err)
	if calls != 2 {
		t.Errorf("got %d rotations, want 2", calls)
	}
}
