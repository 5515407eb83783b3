package awssim

import (
	"cmp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// rotateSecret turns rotation on and begins one: it makes the version that the rotation is to fill, without a value, and
// puts AWSPENDING on it.
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html
func (s *Simulator) rotateSecret(in *secretsmanager.RotateSecretInput) (*secretsmanager.RotateSecretOutput, error) {
	sec, err := s.findInUse(in.SecretId)
	if err != nil {
		return nil, err
	}
	id, err := newVersionID(in.ClientRequestToken)
	if err != nil {
		return nil, err
	}
	if err := sec.checkRotation(in); err != nil {
		return nil, err
	}
	sec.function = cmp.Or(in.RotationLambdaARN, sec.function)
	sec.rules = cmp.Or(in.RotationRules, sec.rules)
	sec.rotates, sec.changed = new(true), time.Now()
	out := &secretsmanager.RotateSecretOutput{ARN: &sec.arn, Name: &sec.name}
	if id == sec.labels[labelCurrent] { // the rotation with this token is done
		out.VersionId = &id
		return out, nil
	}
	if sec.versions[id] == nil {
		sec.versions[id] = &version{created: sec.changed}
	}
	s.attach(sec, labelPending, id)
	testOnly := in.RotateImmediately != nil && !*in.RotateImmediately
	tell(s, s.rotateListeners, Rotation{ARN: sec.arn, Name: sec.name, Token: id, TestOnly: testOnly})
	if testOnly {
		s.afterChange = append(s.afterChange, func() { s.endTest(sec, id) })
		return out, nil
	}
	out.VersionId = &id
	return out, nil
}

// checkRotation refuses a rotation while AWSPENDING is on a version that is not the current one, whatever the token.
func (sec *secret) checkRotation(in *secretsmanager.RotateSecretInput) error {
	if staged, is := sec.labels[labelPending]; is && staged != sec.labels[labelCurrent] {
		return refuse("InvalidRequestException", "A previous rotation isn't complete. That rotation will be reattempted.")
	}
	if in.RotationLambdaARN == nil && sec.function == nil {
		return refuse("InvalidRequestException", "secret %s has no rotation function", sec.name)
	}
	return sec.checkLabels(labelPending)
}

// endTest ends a rotation that only tested the rotation function: the version made for it goes, with its label.
func (s *Simulator) endTest(sec *secret, versionID string) {
	_ = s.change(func() error {
		if sec.labels[labelPending] == versionID {
			sec.detach(labelPending)
		}
		if v := sec.versions[versionID]; v != nil && !v.hasValue() {
			delete(sec.versions, versionID)
		}
		return nil
	})
}

// cancelRotateSecret turns rotation off. As at AWS, AWSPENDING stays where it is: the caller has to remove it.
func (s *Simulator) cancelRotateSecret(in *secretsmanager.CancelRotateSecretInput) (*secretsmanager.CancelRotateSecretOutput, error) {
	sec, err := s.findInUse(in.SecretId)
	if err != nil {
		return nil, err
	}
	if sec.function == nil {
		return nil, refuse("InvalidRequestException", "secret %s has no rotation function", sec.name)
	}
	sec.rotates, sec.changed = new(false), time.Now()
	out := &secretsmanager.CancelRotateSecretOutput{ARN: &sec.arn, Name: &sec.name}
	if staged := sec.labels[labelPending]; staged != "" && staged != sec.labels[labelCurrent] {
		out.VersionId = aws.String(staged)
	}
	return out, nil
}
