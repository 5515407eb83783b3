package awssim

import (
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// The staging labels that Secrets Manager itself moves or looks at.
const (
	labelCurrent  = "AWSCURRENT"
	labelPrevious = "AWSPREVIOUS"
	labelPending  = "AWSPENDING"
)

const maxLabels = 20

// labels says which version each staging label of a secret is on. A label cannot be on two versions.
type labels map[string]string

// on returns the labels that are on a version, sorted.
func (l labels) on(versionID string) []string {
	var on []string
	for label, id := range l {
		if id == versionID {
			on = append(on, label)
		}
	}
	slices.Sort(on)
	return on
}

// byVersion returns the versions that have labels. AWS lists no others, and can remove those at any time.
func (l labels) byVersion() map[string][]string {
	byVersion := map[string][]string{}
	for _, id := range l {
		byVersion[id] = l.on(id)
	}
	return byVersion
}

// attach puts a label on a version, and takes it off the version that has it.
func (s *Simulator) attach(sec *secret, label, versionID string) {
	from, attached := sec.labels[label]
	if from == versionID {
		return
	}
	sec.labels[label], sec.earlier[label] = versionID, from
	if label == labelCurrent && attached {
		sec.earlier[labelPrevious] = sec.labels[labelPrevious]
		sec.labels[labelPrevious] = from
	}
	if label != labelPending && label != labelPrevious && !sec.foreign {
		tell(s, s.moveListeners, LabelMove{sec.arn, sec.name, label, versionID})
	}
}

// detach takes a label off the version that has it.
func (sec *secret) detach(label string) {
	sec.earlier[label] = sec.labels[label]
	delete(sec.labels, label)
}

// checkLabels refuses labels that cannot be added to those of the secret.
func (sec *secret) checkLabels(added ...string) error {
	all := maps.Clone(sec.labels)
	for _, label := range added {
		if label == "" || len(label) > 256 {
			return refuse("ValidationException", "a staging label has 1 to 256 characters")
		}
		all[label] = ""
	}
	if len(all) > maxLabels {
		return refuse("LimitExceededException", "a secret has at most %d staging labels", maxLabels)
	}
	return nil
}

func (s *Simulator) updateSecretVersionStage(in *secretsmanager.UpdateSecretVersionStageInput) (*secretsmanager.UpdateSecretVersionStageOutput, error) {
	sec, err := s.findInUse(in.SecretId)
	if err != nil {
		return nil, err
	}
	label := aws.ToString(in.VersionStage)
	if err := sec.checkMove(label, in.RemoveFromVersionId, in.MoveToVersionId); err != nil {
		return nil, err
	}
	if in.MoveToVersionId != nil {
		s.attach(sec, label, *in.MoveToVersionId)
	} else {
		sec.detach(label)
	}
	sec.changed = time.Now()
	return &secretsmanager.UpdateSecretVersionStageOutput{ARN: &sec.arn, Name: &sec.name}, nil
}

// checkMove refuses a move that does not say where the label is now. So, if two callers move a label at the same time,
// the second one fails.
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html
func (sec *secret) checkMove(label string, from, to *string) error {
	at, attached := sec.labels[label]
	switch {
	case from == nil && to == nil:
		return refuse("InvalidParameterException", "MoveToVersionId or RemoveFromVersionId is needed")
	case from != nil && *from != at:
		return refuse("InvalidParameterException", "staging label %s is not on version %s", label, *from)
	case to == nil && label == labelCurrent:
		return refuse("InvalidParameterException", "staging label %s can be moved but not removed", label)
	case to == nil:
		return nil
	case sec.versions[*to] == nil:
		return refuse("InvalidParameterException", "secret %s has no version %s", sec.name, *to)
	case from == nil && attached && *to != at:
		return refuse("InvalidParameterException", "staging label %s is on version %s: RemoveFromVersionId must say so", label, at)
	}
	return sec.checkLabels(label)
}
