package awssim

import (
	"regexp"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

func TestControl(t *testing.T) {
	sim, c := simulated(t)
	if arn := sim.SecretARN("key"); arn != "" {
		t.Errorf("a secret that is not there has the ARN %s", arn)
	}
	first := sim.PutSecret("key", "v1")
	binary := []byte{1, 2, 3}
	second := sim.PutSecretBinary("key", binary)
	binary[0] = 9 // must not change the secret
	if arn := sim.SecretARN("key"); arn != "arn:aws:secretsmanager:us-east-1:111122223333:secret:key-AbCdEf" {
		t.Errorf("got ARN %s", arn)
	}
	if out := got(c.read("key", 0, ""))(c); *out.VersionId != second || !slices.Equal(out.SecretBinary, []byte{1, 2, 3}) {
		t.Errorf("current: got %s %v", *out.VersionId, out.SecretBinary)
	}
	if out := got(c.read("key", 0, "AWSPREVIOUS"))(c); *out.VersionId != first || *out.SecretString != "v1" {
		t.Errorf("previous: got %s", *out.VersionId)
	}
	sim.DeleteSecret("key")
	_, err := c.read("key", 0, "")
	c.wantMarked(err)
	if sim.SecretARN("key") == "" {
		t.Error("a secret marked for deletion has no ARN")
	}
	for _, value := range []string{"v1", "v2"} {
		sim.PutParameter("/app/a", "SecureString", value)
	}
	if p := got(c.parameter("/app/a", true))(c); *p.Value != "v2" || p.Version != 2 || p.Type != "SecureString" {
		t.Errorf("parameter: got %q version %d of type %s", *p.Value, p.Version, p.Type)
	}
	calls := len(sim.Calls())
	if value, version := sim.Parameter("/app/a"); value != "v2" || version != 2 {
		t.Errorf("Parameter: got %q version %d", value, version)
	}
	sim.DeleteParameter("/app/a")
	if value, version := sim.Parameter("/app/a"); value != "" || version != 0 {
		t.Errorf("Parameter after its deletion: got %q version %d", value, version)
	}
	if got := len(sim.Calls()); got != calls {
		t.Errorf("%d calls were recorded, and there were none", got-calls)
	}
}

// A secret that is purged leaves its name to another one, which has another ARN.
func TestPurgeSecret(t *testing.T) {
	sim, c := simulated(t)
	sim.PutSecret("key", "v1")
	first := sim.SecretARN("key")
	sim.PurgeSecret("key")
	_, err := c.read("key", 0, "")
	c.refused("ResourceNotFoundException", err)
	sim.PutSecret("key", "v2")
	c.wantValue("v2", "key", 0, "")
	_, err = c.read(first, 0, "")
	c.refused("ResourceNotFoundException", err)
}

func TestLimitParameters(t *testing.T) {
	sim, c := simulated(t)
	sim.LimitParameters(2)
	c.stored("/app/a", "/app/b")
	c.refused("ParameterLimitExceeded", c.store("/app/c", "v", ssm.PutParameterInput{}))
	if err := c.store("/app/a", "v", ssm.PutParameterInput{Overwrite: new(true)}); err != nil {
		t.Errorf("an existing parameter: %v", err)
	}
	sim.DeleteParameter("/app/a")
	c.stored("/app/c")
	sim.LimitParameters(0)
	c.stored("/app/d")
}

func TestControlPanics(t *testing.T) {
	for name, misuse := range map[string]func(*Simulator){
		"an empty value":                       func(sim *Simulator) { sim.PutSecret("key", "") },
		"a nil value":                          func(sim *Simulator) { sim.PutSecretBinary("key", nil) },
		"a bad secret name":                    func(sim *Simulator) { sim.PutSecret("a b", "v") },
		"no secret to delete":                  func(sim *Simulator) { sim.DeleteSecret("key") },
		"no secret to purge":                   func(sim *Simulator) { sim.PurgeSecret("key") },
		"no parameter to delete":               func(sim *Simulator) { sim.DeleteParameter("/a/b") },
		"a bad parameter name":                 func(sim *Simulator) { sim.PutParameter("a/b", "String", "v") },
		"a bad parameter type":                 func(sim *Simulator) { sim.PutParameter("/a/b", "Text", "v") },
		"a name for a foreign secret":          func(sim *Simulator) { sim.Foreign("key", "v") },
		"an ARN of our own account and region": func(sim *Simulator) { sim.Foreign(secretARNs+"key-AbCdEf", "v") },
		"a partial ARN":                        func(sim *Simulator) { sim.Foreign("arn:aws:secretsmanager:eu-west-1:111122223333:secret:key", "v") },
		"a value after a deletion":             func(sim *Simulator) { sim.PutSecret("key", "v"); sim.DeleteSecret("key"); sim.PutSecret("key", "v") },
	} {
		t.Run(name, func(t *testing.T) {
			sim := New()
			defer func() {
				if recover() == nil {
					t.Error("got no panic")
				}
				sim.PutSecret("still-usable", "v") // the panic left no lock behind
			}()
			misuse(sim)
		})
	}
}

func TestForeign(t *testing.T) {
	sim, c := simulated(t)
	arn := "arn:aws:secretsmanager:us-east-1:999999999999:secret:shared/key-Xy12Z9"
	sim.PutSecret("shared/key", "ours")
	sim.Foreign(arn, "v1")
	sim.Foreign(arn, "v2")
	c.wantValue("ours", "shared/key", 0, "")
	c.wantValue("v2", arn, 0, "")
	c.wantValue("v1", arn, 0, "AWSPREVIOUS")
	if secret := c.describe(arn); *secret.Name != "shared/key" || *secret.ARN != arn {
		t.Errorf("got %s %s", *secret.Name, *secret.ARN)
	}
	_, err := c.read(arn[:len(arn)-7], 0, "")
	c.refused("ResourceNotFoundException", err)
	if names := c.list(secretsmanager.ListSecretsInput{}); len(names) != 1 {
		t.Errorf("listed: got %v", names)
	}
	if err := c.remove(secretsmanager.DeleteSecretInput{SecretId: &arn, ForceDeleteWithoutRecovery: new(true)}); err != nil {
		t.Fatal(err)
	}
	_, err = c.read(arn, 0, "")
	c.refused("ResourceNotFoundException", err)
	c.wantValue("ours", "shared/key", 0, "")
}

func TestARNSuffix(t *testing.T) {
	sim := New()
	seen := map[string]bool{}
	for range 3 {
		sim.PutSecret("key", "v")
		arn := sim.SecretARN("key")
		if !regexp.MustCompile(`-[A-Za-z0-9]{6}$`).MatchString(arn) || seen[arn] {
			t.Errorf("ARN %s after %v", arn, seen)
		}
		seen[arn] = true
		sim.PurgeSecret("key")
	}
	if !seen[secretARNs+"key-AbCdEf"] {
		t.Errorf("the first of %v does not end in AbCdEf", seen)
	}
}
