package awssim

import (
	"encoding/json"
	"reflect"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// secretReference is what the name of a parameter begins with that stands for a secret.
const secretReference = "/aws/reference/secretsmanager/"

// readSecretReference returns a secret's current value as a parameter, with the version 0. SourceResult repeats all that
// GetSecretValue returns, the value too.
// https://docs.aws.amazon.com/systems-manager/latest/userguide/integration-ps-secretsmanager.html
func (s *Simulator) readSecretReference(name string, decrypt *bool) (parameter, error) {
	if !aws.ToBool(decrypt) {
		return parameter{}, refuse("ValidationException", "a secret can be read WithDecryption only: %s", name)
	}
	secretID := strings.TrimPrefix(name, secretReference)
	secret, err := s.getSecretValue(&secretsmanager.GetSecretValueInput{SecretId: &secretID})
	if err != nil || secret.SecretString == nil {
		return parameter{}, refuse("ParameterNotFound", "there is no secret with a text for parameter %s", name)
	}
	source, err := json.Marshal(onWire(reflect.ValueOf(secret)))
	if err != nil {
		return parameter{}, err
	}
	return parameter{
		ARN: new(parameterARNs + keyOf(name)), Name: &name, Type: types.ParameterTypeSecureString, DataType: new("text"),
		Value: secret.SecretString, LastModifiedDate: secret.CreatedDate, SourceResult: new(string(source)),
	}, nil
}
