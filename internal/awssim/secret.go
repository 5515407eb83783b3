package awssim

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// The staging labels that Secrets Manager itself gives a meaning.
const (
	current  = "AWSCURRENT"
	previous = "AWSPREVIOUS"
	pending  = "AWSPENDING"
)

const (
	secretARNs = "arn:aws:secretsmanager:" + Region + ":" + Account + ":secret:"
	maxLabels  = 20
	maxValue   = 65536
)

var (
	secretName  = regexp.MustCompile(`^[A-Za-z0-9/_+=.@!-]{1,512}$`) // "!" is in the names that other services give
	completeARN = regexp.MustCompile(`^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:(.+)-[A-Za-z0-9]{6}$`)
)

type secret struct {
	arn, name   string
	foreign     bool
	description *string
	created     time.Time
	changed     time.Time
	deleted     *time.Time // when the recovery window ends, once marked for deletion
	rotates     *bool
	function    *string // the rotation function's ARN
	rules       *types.RotationRulesType
	versions    map[string]*version
	labels      map[string]string // label to version: a label cannot be on two versions
}

// version has no value while it is only the id under which a rotation will put one.
type version struct {
	created time.Time
	text    *string
	binary  []byte
}

func newSecret(arn, name string) *secret {
	now := time.Now()
	return &secret{
		arn: arn, name: name, created: now, changed: now,
		versions: map[string]*version{}, labels: map[string]string{},
	}
}

// nextARN is a new secret's ARN. Its end tells the secrets that have had one name apart, as the random end of AWS does.
func (s *Simulator) nextARN(name string) string {
	suffix := "AbCdEf"
	if earlier := s.births[name]; earlier > 0 {
		suffix = fmt.Sprintf("%06d", earlier)
	}
	return secretARNs + name + "-" + suffix
}

// find returns the secret of a name, of a complete ARN or of an ARN without its last seven characters.
func (s *Simulator) find(id *string) (*secret, error) {
	wanted := aws.ToString(id)
	if sec := s.foreign[wanted]; sec != nil {
		return sec, nil
	}
	name := strings.TrimPrefix(wanted, secretARNs)
	// AWS takes whatever ends like a complete ARN for one, also the partial ARN of a secret that is named so.
	complete := completeARN.FindStringSubmatch(wanted)
	if complete != nil {
		name = complete[1]
	}
	sec := s.secrets[name]
	if sec == nil || complete != nil && sec.arn != wanted {
		return nil, refuse("ResourceNotFoundException", "there is no secret %s", wanted)
	}
	return sec, nil
}

// findInUse is find for the operations that a deletion puts a stop to.
func (s *Simulator) findInUse(id *string) (*secret, error) {
	sec, err := s.find(id)
	if err == nil && sec.deleted != nil {
		return nil, refuse("InvalidRequestException", "secret %s is marked for deletion: restore it first", sec.name)
	}
	return sec, err
}

// attach puts a label on a version and takes it off the one that had it.
func (s *Simulator) attach(sec *secret, label, versionID string) {
	from, attached := sec.labels[label]
	if from == versionID {
		return
	}
	sec.labels[label] = versionID
	if label == current && attached {
		sec.labels[previous] = from
	}
	if label != pending && label != previous && !sec.foreign {
		s.moves = append(s.moves, LabelMove{sec.arn, sec.name, label, versionID})
	}
}

// mayHave refuses labels that cannot be added to those the secret has.
func (sec *secret) mayHave(labels ...string) error {
	all := maps.Clone(sec.labels)
	for _, label := range labels {
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

func (sec *secret) labelsOn(versionID string) []string {
	var labels []string
	for label, id := range sec.labels {
		if id == versionID {
			labels = append(labels, label)
		}
	}
	slices.Sort(labels)
	return labels
}

// labelled lists the versions that have labels; AWS does not list the others, which it may remove at any time.
func (sec *secret) labelled() map[string][]string {
	labelled := map[string][]string{}
	for _, id := range sec.labels {
		labelled[id] = sec.labelsOn(id)
	}
	return labelled
}

func (v *version) hasValue() bool { return v.text != nil || v.binary != nil }

func (v *version) equal(w *version) bool {
	return (v.text == nil) == (w.text == nil) && aws.ToString(v.text) == aws.ToString(w.text) && bytes.Equal(v.binary, w.binary)
}

// valid refuses a value that no version can hold. Having none is for the operation to judge.
func (v *version) valid() error {
	if v.text != nil && v.binary != nil {
		return refuse("InvalidParameterException", "a secret's value is either SecretString or SecretBinary")
	}
	if size := len(aws.ToString(v.text)) + len(v.binary); v.hasValue() && (size == 0 || size > maxValue) {
		return refuse("ValidationException", "a secret's value has 1 to %d bytes", maxValue)
	}
	return nil
}
