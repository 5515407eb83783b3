package awssim

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

const (
	secretARNs = "arn:aws:secretsmanager:" + Region + ":" + Account + ":secret:"
	maxValue   = 65536 // bytes
)

var (
	secretName  = regexp.MustCompile(`^[A-Za-z0-9/_+=.@!-]{1,512}$`) // other AWS services use "!" in the names they give
	completeARN = regexp.MustCompile(`^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:(.+)-[A-Za-z0-9]{6}$`)
)

type secret struct {
	arn, name   string
	foreign     bool // of another account or region
	description *string
	created     time.Time
	changed     time.Time
	deleted     *time.Time // when the recovery window ends, if the secret is marked for deletion
	rotates     *bool
	function    *string // the rotation function's ARN
	rules       *types.RotationRulesType
	versions    map[string]*version // by id
	labels      labels
	earlier     labels // for each label that was moved or removed: the version before, or "" if it was on none
}

// version has no value if RotateSecret made it and nothing was put yet.
type version struct {
	created time.Time
	text    *string
	binary  []byte
}

func newSecret(arn, name string) *secret {
	now := time.Now()
	return &secret{
		arn: arn, name: name, created: now, changed: now,
		versions: map[string]*version{}, labels: labels{}, earlier: labels{},
	}
}

// nextARN returns the ARN for a new secret. Its last six characters are others than those of the secrets that had the
// same name before, as they are at AWS, where they are random.
func (s *Simulator) nextARN(name string) string {
	suffix := "AbCdEf"
	if used := s.namesUsed[name]; used > 0 {
		suffix = fmt.Sprintf("%06d", used)
	}
	return secretARNs + name + "-" + suffix
}

// find returns the secret with a name, a complete ARN or an ARN without the last seven characters.
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot.html#ARN_secretnamehyphen
func (s *Simulator) find(id *string) (*secret, error) {
	wanted := aws.ToString(id)
	if sec := s.foreign[wanted]; sec != nil {
		return sec, nil
	}
	name := strings.TrimPrefix(wanted, secretARNs)
	// AWS takes each ARN that ends in a hyphen and six characters for a complete one. It can be a partial one, because the
	// name of a secret can end like that.
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

// findInUse is find for the operations that AWS refuses while a secret is marked for deletion.
func (s *Simulator) findInUse(id *string) (*secret, error) {
	sec, err := s.find(id)
	if err == nil && sec.deleted != nil {
		return nil, refuse("InvalidRequestException", "secret %s is marked for deletion: restore it first", sec.name)
	}
	return sec, err
}

func (v *version) hasValue() bool { return v.text != nil || v.binary != nil }

func (v *version) equal(w *version) bool {
	return (v.text == nil) == (w.text == nil) && aws.ToString(v.text) == aws.ToString(w.text) && bytes.Equal(v.binary, w.binary)
}

// check refuses a value that a version cannot have. It accepts no value, which some operations allow.
func (v *version) check() error {
	if v.text != nil && v.binary != nil {
		return refuse("InvalidParameterException", "a secret's value is either SecretString or SecretBinary")
	}
	if size := len(aws.ToString(v.text)) + len(v.binary); v.hasValue() && (size == 0 || size > maxValue) {
		return refuse("ValidationException", "a secret's value has 1 to %d bytes", maxValue)
	}
	return nil
}
