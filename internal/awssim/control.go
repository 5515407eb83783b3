package awssim

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// PutSecret gives a secret a new version with this value and the label AWSCURRENT, and returns the version's id. It
// creates the secret if there is none.
func (s *Simulator) PutSecret(name, value string) (versionID string) {
	return s.put(name, &version{text: &value})
}

// PutSecretBinary is [Simulator.PutSecret] for a value that is not text.
func (s *Simulator) PutSecretBinary(name string, value []byte) (versionID string) {
	return s.put(name, &version{binary: append([]byte{}, value...)})
}

func (s *Simulator) put(name string, value *version) (versionID string) {
	s.must(func() error {
		if s.secrets[name] == nil {
			if _, err := s.createSecret(&secretsmanager.CreateSecretInput{Name: &name}); err != nil {
				return err
			}
		}
		out, err := s.putSecretValue(&secretsmanager.PutSecretValueInput{
			SecretId: &name, SecretString: value.text, SecretBinary: value.binary,
		})
		if err != nil {
			return err
		}
		versionID = *out.VersionId
		return nil
	})
	return versionID
}

// SecretARN returns the ARN of the secret with this name, also while it is marked for deletion, or "" if there is none.
func (s *Simulator) SecretARN(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sec := s.secrets[name]; sec != nil {
		return sec.arn
	}
	return ""
}

// DeleteSecret marks a secret for deletion with a recovery window of 30 days, in which RestoreSecret brings it back.
func (s *Simulator) DeleteSecret(name string) {
	s.must(func() error {
		_, err := s.deleteSecret(&secretsmanager.DeleteSecretInput{SecretId: &name})
		return err
	})
}

// PurgeSecret deletes a secret at once and for good. A secret created under the same name later has another ARN.
func (s *Simulator) PurgeSecret(name string) {
	s.must(func() error {
		if _, err := s.find(&name); err != nil {
			return err // which the operation would not report
		}
		_, err := s.deleteSecret(&secretsmanager.DeleteSecretInput{SecretId: &name, ForceDeleteWithoutRecovery: new(true)})
		return err
	})
}

// Foreign gives a secret of another account or region a new version with this value and the label AWSCURRENT. It
// creates the secret if there is none. Callers reach the secret by its complete ARN only.
func (s *Simulator) Foreign(arn, value string) {
	parts := completeARN.FindStringSubmatch(arn)
	s.must(func() error {
		if parts == nil || strings.HasPrefix(arn, secretARNs) {
			return refuse("ValidationException", "not the complete ARN of a secret of another account or region: %q", arn)
		}
		if s.foreign[arn] == nil {
			s.foreign[arn] = newSecret(arn, parts[1])
			s.foreign[arn].foreign = true
		}
		_, err := s.putSecretValue(&secretsmanager.PutSecretValueInput{SecretId: &arn, SecretString: &value})
		return err
	})
}

// PutParameter gives a parameter of a type (String, StringList or SecureString) a new version with this value. It creates
// the parameter if there is none.
func (s *Simulator) PutParameter(name, parameterType, value string) {
	s.must(func() error {
		_, err := s.putParameter(&ssm.PutParameterInput{
			Name: &name, Type: types.ParameterType(parameterType), Value: &value, Overwrite: new(true),
		})
		return err
	})
}

// Parameter returns a parameter's latest value, decrypted, and its version, or "" and 0 if there is no such parameter.
func (s *Simulator) Parameter(name string) (value string, version int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, _ := s.readParameter(name, new(true)) // the zero value if it fails
	return aws.ToString(found.Value), found.Version
}

// DeleteParameter deletes a parameter. A parameter created under the same name later starts at version 1.
func (s *Simulator) DeleteParameter(name string) {
	s.must(func() error {
		_, err := s.deleteParameter(&ssm.DeleteParameterInput{Name: &name})
		return err
	})
}

// LimitParameters makes PutParameter refuse, with ParameterLimitExceeded, to create a parameter when quota parameters
// exist. AWS allows 10,000 standard parameters in an account and region. A quota of 0 is none, as at the start.
func (s *Simulator) LimitParameters(quota int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parameterQuota = quota
}

// must makes a change that a test or a demonstration asks for.
func (s *Simulator) must(make func() error) {
	if err := s.change(make); err != nil {
		panic("awssim: " + err.Error())
	}
}
