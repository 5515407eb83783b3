package awssim

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

func (s *Simulator) createSecret(in *secretsmanager.CreateSecretInput) (*secretsmanager.CreateSecretOutput, error) {
	name := aws.ToString(in.Name)
	if !secretName.MatchString(name) {
		return nil, refuse("ValidationException", "a secret's name has 1 to 512 letters, digits and characters of /_+=.@!-")
	}
	value := &version{text: in.SecretString, binary: in.SecretBinary}
	if err := value.valid(); err != nil {
		return nil, err
	}
	if sec := s.secrets[name]; sec != nil {
		return createAgain(sec, in.ClientRequestToken, value)
	}
	sec := newSecret(s.nextARN(name), name)
	sec.description = in.Description
	out := &secretsmanager.CreateSecretOutput{ARN: &sec.arn, Name: &sec.name}
	if value.hasValue() {
		id, err := s.store(sec, in.ClientRequestToken, value, current)
		if err != nil {
			return nil, err
		}
		out.VersionId = &id
	}
	s.secrets[name] = sec
	s.births[name]++
	return out, nil
}

// createAgain lets a repeated request through, and no other.
func createAgain(sec *secret, token *string, value *version) (*secretsmanager.CreateSecretOutput, error) {
	if sec.deleted != nil {
		return nil, refuse("InvalidRequestException", "a secret %s exists and is marked for deletion", sec.name)
	}
	if known := sec.versions[aws.ToString(token)]; known == nil || !known.equal(value) {
		return nil, refuse("ResourceExistsException", "a secret %s exists", sec.name)
	}
	return &secretsmanager.CreateSecretOutput{ARN: &sec.arn, Name: &sec.name, VersionId: token}, nil
}

func (s *Simulator) putSecretValue(in *secretsmanager.PutSecretValueInput) (*secretsmanager.PutSecretValueOutput, error) {
	sec, err := s.findInUse(in.SecretId)
	if err != nil {
		return nil, err
	}
	value := &version{text: in.SecretString, binary: in.SecretBinary}
	if !value.hasValue() {
		return nil, refuse("InvalidRequestException", "one of SecretString and SecretBinary is needed")
	}
	labels := in.VersionStages
	if len(labels) == 0 {
		labels = []string{current}
	}
	id, err := s.store(sec, in.ClientRequestToken, value, labels...)
	if err != nil {
		return nil, err
	}
	return &secretsmanager.PutSecretValueOutput{
		ARN: &sec.arn, Name: &sec.name, VersionId: &id, VersionStages: sec.labelsOn(id),
	}, nil
}

func (s *Simulator) updateSecret(in *secretsmanager.UpdateSecretInput) (*secretsmanager.UpdateSecretOutput, error) {
	sec, err := s.findInUse(in.SecretId)
	if err != nil {
		return nil, err
	}
	out := &secretsmanager.UpdateSecretOutput{ARN: &sec.arn, Name: &sec.name}
	if value := (&version{text: in.SecretString, binary: in.SecretBinary}); value.hasValue() {
		// Unlike PutSecretValue, this operation is documented to take no repetition for an answer.
		if sec.versions[aws.ToString(in.ClientRequestToken)] != nil {
			return nil, refuse("ResourceExistsException", "secret %s has a version of this token", sec.name)
		}
		id, err := s.store(sec, in.ClientRequestToken, value, current)
		if err != nil {
			return nil, err
		}
		out.VersionId = &id
	}
	if in.Description != nil {
		sec.description = in.Description
	}
	sec.changed = time.Now()
	return out, nil
}

// store gives a secret a version with this value and these labels, or nothing new when the token's version is that already.
func (s *Simulator) store(sec *secret, token *string, value *version, labels ...string) (versionID string, err error) {
	if err := value.valid(); err != nil {
		return "", err
	}
	id, err := newVersionID(token)
	if err != nil {
		return "", err
	}
	if known := sec.versions[id]; known != nil && known.hasValue() {
		if !known.equal(value) {
			return "", refuse("ResourceExistsException", "version %s of secret %s has another value", id, sec.name)
		}
		return id, nil
	}
	if len(sec.versions) == 0 {
		labels = append([]string{current}, labels...) // AWS does not leave a secret with values and none that is current
	}
	if err := sec.mayHave(labels...); err != nil {
		return "", err
	}
	value.created = time.Now()
	sec.versions[id] = value
	for _, label := range labels {
		s.attach(sec, label, id)
	}
	sec.changed = value.created
	return id, nil
}

func newVersionID(token *string) (string, error) {
	if token == nil {
		return newUUID(), nil
	}
	if len(*token) < 32 || len(*token) > 64 {
		return "", refuse("InvalidParameterException", "a ClientRequestToken has 32 to 64 characters")
	}
	return *token, nil
}

func (s *Simulator) getSecretValue(in *secretsmanager.GetSecretValueInput) (*secretsmanager.GetSecretValueOutput, error) {
	sec, err := s.findInUse(in.SecretId)
	if err != nil {
		return nil, err
	}
	id, err := sec.choose(in.VersionId, in.VersionStage)
	if err != nil {
		return nil, err
	}
	v := sec.versions[id]
	return &secretsmanager.GetSecretValueOutput{
		ARN: &sec.arn, Name: &sec.name, CreatedDate: &v.created,
		SecretString: v.text, SecretBinary: v.binary,
		VersionId: &id, VersionStages: sec.labelsOn(id),
	}, nil
}

// choose returns the version with a value that an id, a label, both or neither stand for.
func (sec *secret) choose(versionID, label *string) (string, error) {
	if versionID == nil && label == nil {
		label = new(current)
	}
	id := aws.ToString(versionID)
	if versionID == nil {
		id = sec.labels[*label]
	}
	if v := sec.versions[id]; v == nil || !v.hasValue() {
		return "", refuse("ResourceNotFoundException", "secret %s has no value for version %q, staging label %q",
			sec.name, aws.ToString(versionID), aws.ToString(label))
	}
	if label != nil && sec.labels[*label] != id {
		return "", refuse("InvalidRequestException", "staging label %q is not on version %s of secret %s", *label, id, sec.name)
	}
	return id, nil
}
