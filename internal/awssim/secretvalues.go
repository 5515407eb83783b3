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
	if err := value.check(); err != nil {
		return nil, err
	}
	if sec := s.secrets[name]; sec != nil {
		return createAgain(sec, in.ClientRequestToken, value)
	}
	sec := newSecret(s.nextARN(name), name)
	sec.description = in.Description
	out := &secretsmanager.CreateSecretOutput{ARN: &sec.arn, Name: &sec.name}
	if value.hasValue() {
		id, err := s.store(sec, in.ClientRequestToken, value, labelCurrent)
		if err != nil {
			return nil, err
		}
		out.VersionId = &id
	}
	s.secrets[name] = sec
	s.namesUsed[name]++
	return out, nil
}

// createAgain accepts only a repetition of the request that created the secret.
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
		return nil, refuse("InvalidRequestException", "SecretString or SecretBinary is needed")
	}
	added := in.VersionStages
	if len(added) == 0 {
		added = []string{labelCurrent}
	}
	id, err := s.store(sec, in.ClientRequestToken, value, added...)
	if err != nil {
		return nil, err
	}
	return &secretsmanager.PutSecretValueOutput{
		ARN: &sec.arn, Name: &sec.name, VersionId: &id, VersionStages: sec.labels.on(id),
	}, nil
}

func (s *Simulator) updateSecret(in *secretsmanager.UpdateSecretInput) (*secretsmanager.UpdateSecretOutput, error) {
	sec, err := s.findInUse(in.SecretId)
	if err != nil {
		return nil, err
	}
	out := &secretsmanager.UpdateSecretOutput{ARN: &sec.arn, Name: &sec.name}
	if value := (&version{text: in.SecretString, binary: in.SecretBinary}); value.hasValue() {
		// Unlike PutSecretValue, AWS documents that this operation refuses a repetition.
		if sec.versions[aws.ToString(in.ClientRequestToken)] != nil {
			return nil, refuse("ResourceExistsException", "secret %s has a version with this token", sec.name)
		}
		id, err := s.store(sec, in.ClientRequestToken, value, labelCurrent)
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

// store gives a secret a version with this value and adds labels to it. It changes nothing if the token's version has the
// value already, and fails if that has another value. A version without a value, as RotateSecret makes it, gets this one.
func (s *Simulator) store(sec *secret, token *string, value *version, added ...string) (versionID string, err error) {
	if err := value.check(); err != nil {
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
	if sec.labels[labelCurrent] == "" {
		added = append([]string{labelCurrent}, added...) // AWS makes a secret's first value the current one
	}
	if err := sec.checkLabels(added...); err != nil {
		return "", err
	}
	value.created = time.Now()
	sec.versions[id] = value
	for _, label := range added {
		s.attach(sec, label, id)
	}
	sec.changed = value.created
	return id, nil
}

// newVersionID returns the token, or a new id if there is none.
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
	label := in.VersionStage
	if label == nil && in.VersionId == nil {
		label = new(labelCurrent)
	}
	seen := sec.labels
	if in.VersionId == nil {
		seen = s.seenLabels("GetSecretValue", sec, *label)
	}
	id, err := sec.choose(seen, in.VersionId, label)
	if err != nil {
		return nil, err
	}
	v := sec.versions[id]
	return &secretsmanager.GetSecretValueOutput{
		ARN: &sec.arn, Name: &sec.name, CreatedDate: &v.created,
		SecretString: v.text, SecretBinary: v.binary,
		VersionId: &id, VersionStages: seen.on(id),
	}, nil
}

// choose returns the version for an id, for a label, or for both if they agree. It refuses a version without a value.
func (sec *secret) choose(seen labels, versionID, label *string) (string, error) {
	id := aws.ToString(versionID)
	if versionID == nil {
		id = seen[*label]
	}
	if v := sec.versions[id]; v == nil || !v.hasValue() {
		return "", refuse("ResourceNotFoundException",
			"Secrets Manager can't find the specified secret value for version %q, staging label %q, of secret %s",
			aws.ToString(versionID), aws.ToString(label), sec.name)
	}
	if label != nil && seen[*label] != id {
		return "", refuse("InvalidRequestException",
			"You provided a VersionStage that is not associated to the provided VersionId: %q is not on %s", *label, id)
	}
	return id, nil
}
