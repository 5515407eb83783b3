package awssim

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// The name of a secret can be read as a parameter's, by GetParameter and GetParameters only.
func TestSecretReference(t *testing.T) {
	sim, c := simulated(t)
	const name = "/aws/reference/secretsmanager/prod/okta=1"
	id := sim.PutSecret("prod/okta=1", `{"api_token":"canary"}`)
	p := got(c.parameter(name, true))(c)
	if *p.Name != name || *p.Value != `{"api_token":"canary"}` || p.Version != 0 || p.Type != "SecureString" || p.LastModifiedDate == nil {
		t.Errorf("got %s %q version %d of type %s", *p.Name, *p.Value, p.Version, p.Type)
	}
	for _, want := range []string{"canary", id, sim.SecretARN("prod/okta=1")} {
		if !strings.Contains(aws.ToString(p.SourceResult), want) {
			t.Errorf("SourceResult has no %s: %s", want, aws.ToString(p.SourceResult))
		}
	}
	out := got(c.parameters.GetParameters(c.Context(), &ssm.GetParametersInput{
		Names: []string{name, "/aws/reference/secretsmanager/none"}, WithDecryption: new(true),
	}))(c)
	if len(out.Parameters) != 1 || len(out.InvalidParameters) != 1 {
		t.Errorf("GetParameters: got %d parameters, and %v is invalid", len(out.Parameters), out.InvalidParameters)
	}
	_, err := c.parameter(name, false)
	c.refused("ValidationException", err)
	_, err = c.parameter("/aws/reference/secretsmanager/none", true)
	c.refused("ParameterNotFound", err)
	sim.PutSecretBinary("binary", []byte{1})
	_, err = c.parameter("/aws/reference/secretsmanager/binary", true)
	c.refused("ParameterNotFound", err)
	sim.DeleteSecret("prod/okta=1")
	_, err = c.parameter(name, true)
	c.refused("ParameterNotFound", err)
	c.wantBelow("/", true)
	c.refused("ValidationException", c.store(name, "v", ssm.PutParameterInput{}))
}
