package awssim

import (
	"cmp"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

func (s *Simulator) updateSecretVersionStage(in *secretsmanager.UpdateSecretVersionStageInput) (*secretsmanager.UpdateSecretVersionStageOutput, error) {
	sec, err := s.findInUse(in.SecretId)
	if err != nil {
		return nil, err
	}
	label := aws.ToString(in.VersionStage)
	if err := sec.mayMove(label, in.RemoveFromVersionId, in.MoveToVersionId); err != nil {
		return nil, err
	}
	if in.MoveToVersionId != nil {
		s.attach(sec, label, *in.MoveToVersionId)
	} else {
		delete(sec.labels, label)
	}
	sec.changed = time.Now()
	return &secretsmanager.UpdateSecretVersionStageOutput{ARN: &sec.arn, Name: &sec.name}, nil
}

// mayMove refuses a move that does not say where the label is now: AWS wants to hear it, so that of two who move a
// label at the same time the second fails.
func (sec *secret) mayMove(label string, from, to *string) error {
	at, attached := sec.labels[label]
	switch {
	case from == nil && to == nil:
		return refuse("InvalidParameterException", "one of MoveToVersionId and RemoveFromVersionId is needed")
	case from != nil && *from != at:
		return refuse("InvalidParameterException", "staging label %s is not on version %s", label, *from)
	case to == nil && label == current:
		return refuse("InvalidParameterException", "staging label %s can be moved but not removed", label)
	case to == nil:
		return nil
	case sec.versions[*to] == nil:
		return refuse("InvalidParameterException", "secret %s has no version %s", sec.name, *to)
	case from == nil && attached && *to != at:
		return refuse("InvalidParameterException", "staging label %s is on version %s: RemoveFromVersionId must say so", label, at)
	}
	return sec.mayHave(label)
}

// rotateSecret turns rotation on and gives the rotation the version it is to fill. No function is invoked: that is for
// whoever plays Secrets Manager's part in the rotation.
func (s *Simulator) rotateSecret(in *secretsmanager.RotateSecretInput) (*secretsmanager.RotateSecretOutput, error) {
	sec, err := s.findInUse(in.SecretId)
	if err != nil {
		return nil, err
	}
	id, err := newVersionID(in.ClientRequestToken)
	if err != nil {
		return nil, err
	}
	if staged, underWay := sec.labels[pending]; underWay && staged != sec.labels[current] && staged != id {
		return nil, refuse("InvalidRequestException", "an earlier rotation of secret %s is not complete", sec.name)
	}
	if in.RotationLambdaARN == nil && sec.function == nil {
		return nil, refuse("InvalidRequestException", "secret %s has no rotation function", sec.name)
	}
	if err := sec.mayHave(pending); err != nil {
		return nil, err
	}
	sec.function = cmp.Or(in.RotationLambdaARN, sec.function)
	sec.rules = cmp.Or(in.RotationRules, sec.rules)
	sec.rotates, sec.changed = new(true), time.Now()
	out := &secretsmanager.RotateSecretOutput{ARN: &sec.arn, Name: &sec.name}
	if in.RotateImmediately != nil && !*in.RotateImmediately {
		return out, nil
	}
	if sec.versions[id] == nil {
		sec.versions[id] = &version{created: sec.changed}
		s.attach(sec, pending, id)
	}
	out.VersionId = &id
	return out, nil
}

func (s *Simulator) listSecretVersionIDs(in *secretsmanager.ListSecretVersionIdsInput) (*secretsmanager.ListSecretVersionIdsOutput, error) {
	sec, err := s.find(in.SecretId)
	if err != nil {
		return nil, err
	}
	all := []types.SecretVersionsListEntry{}
	for id, v := range sec.versions {
		if labels := sec.labelsOn(id); len(labels) > 0 || aws.ToBool(in.IncludeDeprecated) {
			all = append(all, types.SecretVersionsListEntry{VersionId: &id, CreatedDate: &v.created, VersionStages: labels})
		}
	}
	oldestFirst := func(v types.SecretVersionsListEntry) string { return age(*v.CreatedDate) + *v.VersionId }
	these, next, err := secretsPage(all, oldestFirst, in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	return &secretsmanager.ListSecretVersionIdsOutput{ARN: &sec.arn, Name: &sec.name, Versions: these, NextToken: next}, nil
}

// secretsPage is page with the limits and errors of Secrets Manager.
func secretsPage[Item any](items []Item, key func(Item) string, token *string, size *int32) ([]Item, *string, error) {
	most := 100
	if size != nil {
		most = int(*size)
	}
	if most < 1 || most > 100 {
		return nil, nil, refuse("ValidationException", "MaxResults is from 1 to 100")
	}
	these, next, ok := page(items, key, token, most)
	if !ok {
		return nil, nil, refuse("InvalidNextTokenException", "no earlier answer had this NextToken")
	}
	return these, next, nil
}

// age is a time as text that sorts as the time does.
func age(t time.Time) string { return fmt.Sprintf("%020d ", t.UnixNano()) }
