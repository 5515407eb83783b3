package awssim

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

func (s *Simulator) describeSecret(in *secretsmanager.DescribeSecretInput) (*secretsmanager.DescribeSecretOutput, error) {
	sec, err := s.find(in.SecretId)
	if err != nil {
		return nil, err
	}
	return &secretsmanager.DescribeSecretOutput{
		ARN: &sec.arn, Name: &sec.name, Description: sec.description,
		CreatedDate: &sec.created, LastChangedDate: &sec.changed, DeletedDate: sec.deleted,
		RotationEnabled: sec.rotates, RotationLambdaARN: sec.function, RotationRules: sec.rules,
		VersionIdsToStages: s.seenLabels("DescribeSecret", sec, "").byVersion(),
	}, nil
}

func (s *Simulator) deleteSecret(in *secretsmanager.DeleteSecretInput) (*secretsmanager.DeleteSecretOutput, error) {
	now := time.Now()
	if aws.ToBool(in.ForceDeleteWithoutRecovery) {
		return s.deleteForever(in, now)
	}
	days := int64(30)
	if in.RecoveryWindowInDays != nil {
		days = *in.RecoveryWindowInDays
	}
	if days < 7 || days > 30 {
		return nil, refuse("InvalidParameterException", "RecoveryWindowInDays is from 7 to 30")
	}
	sec, err := s.findInUse(in.SecretId)
	if err != nil {
		return nil, err
	}
	sec.changed, sec.deleted = now, new(now.AddDate(0, 0, int(days)))
	return &secretsmanager.DeleteSecretOutput{ARN: &sec.arn, Name: &sec.name, DeletionDate: sec.deleted}, nil
}

// deleteForever succeeds also if there is no such secret, as AWS documents.
func (s *Simulator) deleteForever(in *secretsmanager.DeleteSecretInput, now time.Time) (*secretsmanager.DeleteSecretOutput, error) {
	if in.RecoveryWindowInDays != nil {
		return nil, refuse("InvalidParameterException", "a deletion without recovery has no RecoveryWindowInDays")
	}
	out := &secretsmanager.DeleteSecretOutput{Name: in.SecretId, DeletionDate: &now}
	if sec, err := s.find(in.SecretId); err == nil {
		out.ARN, out.Name = &sec.arn, &sec.name
		if sec.foreign {
			delete(s.foreign, sec.arn)
		} else {
			delete(s.secrets, sec.name)
		}
	}
	return out, nil
}

func (s *Simulator) restoreSecret(in *secretsmanager.RestoreSecretInput) (*secretsmanager.RestoreSecretOutput, error) {
	sec, err := s.find(in.SecretId)
	if err != nil {
		return nil, err
	}
	sec.changed, sec.deleted = time.Now(), nil
	return &secretsmanager.RestoreSecretOutput{ARN: &sec.arn, Name: &sec.name}, nil
}
