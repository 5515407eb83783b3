package awssim

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// PutSecret gives a secret this value as AWSCURRENT, creating the secret if there is none, and returns the new version's id.
// Like the HTTP operations it moves labels and so is heard by [Simulator.OnLabelMoved], but it is no [Call] and cannot
// be made to fail. It panics where the operations would refuse: it is for tests and demonstrations, which know better.
func (s *Simulator) PutSecret(name, value string) (versionID string) {
	return s.put(name, &version{text: &value})
}

// PutSecretBinary is PutSecret for a value that is not text.
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

// SecretARN returns the ARN of the secret that has this name now, also while it is marked for deletion, and "" when none has.
func (s *Simulator) SecretARN(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sec := s.secrets[name]; sec != nil {
		return sec.arn
	}
	return ""
}

// DeleteSecret marks a secret for deletion with the usual recovery window of 30 days, in which RestoreSecret undoes it.
// It panics when there is nothing to mark.
func (s *Simulator) DeleteSecret(name string) {
	s.must(func() error {
		_, err := s.deleteSecret(&secretsmanager.DeleteSecretInput{SecretId: &name})
		return err
	})
}

// PutParameter gives a parameter of a kind (String, StringList or SecureString) a new version with this value,
// creating the parameter if there is none. It panics where Parameter Store would refuse.
func (s *Simulator) PutParameter(name, kind, value string) {
	s.must(func() error {
		_, err := s.putParameter(&ssm.PutParameterInput{
			Name: &name, Type: types.ParameterType(kind), Value: &value, Overwrite: new(true),
		})
		return err
	})
}

// Foreign gives a secret of another account or region, which is reachable by its complete ARN only, this value as
// AWSCURRENT, creating the secret if there is none. It panics when the ARN is not complete or is of this account and region.
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

func (s *Simulator) must(change func() error) {
	if err := s.transact(change); err != nil {
		panic("awssim: " + err.Error())
	}
}
