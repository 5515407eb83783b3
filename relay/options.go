package relay

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"

	"credential-relay/datadog"
)

// options is the value of a binding.
type options struct {
	integrationType datadog.IntegrationType
	secrets         map[string]string
	enabled         EnabledMode
	secretARN       string
}

func parseOptions(value []byte) (options, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(value, &members); err != nil || members == nil {
		return options{}, errors.New(`the value is not a JSON object; the smallest is {"integration_type": "OKTA"}`)
	}
	parsed := options{enabled: Keep}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if err := parsed.set(name, members[name]); err != nil {
			return options{}, err
		}
	}
	if parsed.integrationType == "" {
		return options{}, errors.New("integration_type: is required, such as OKTA")
	}
	return parsed, nil
}

func (o *options) set(name string, member json.RawMessage) error {
	switch name {
	case "integration_type":
		if json.Unmarshal(member, &o.integrationType) != nil || !integrationType.MatchString(string(o.integrationType)) {
			return errors.New("integration_type: must be a type in Datadog's spelling, such as OKTA or GOOGLE_WORKSPACE")
		}
	case "secrets":
		expressions, err := expressionsIn(member)
		o.secrets = expressions
		return err
	case "enabled":
		o.enabled = "" // which null would leave as it is
		if json.Unmarshal(member, &o.enabled) != nil || !o.enabled.known() {
			return errors.New("enabled: must be keep, on, off or follow")
		}
	case "secret_arn":
		if json.Unmarshal(member, &o.secretARN) != nil || !isFullSecretARN(o.secretARN) {
			return errors.New("secret_arn: must be the secret's full ARN, with its six characters at the end")
		}
	default:
		return fmt.Errorf("%s: is not a field of a binding; those are integration_type, secrets, enabled and secret_arn", name)
	}
	return nil
}

var integrationType = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)

func isFullSecretARN(id string) bool {
	name, ok := secretNameIn(id)
	return ok && hasRandomSuffix(name)
}

// EnabledMode says what a relay does to a config's `enabled`.
type EnabledMode string

// The modes of a binding.
const (
	Keep   EnabledMode = "keep"   // never sends it
	On     EnabledMode = "on"     // asserts true
	Off    EnabledMode = "off"    // asserts false
	Follow EnabledMode = "follow" // on once a valid credential is delivered, off when the source is deleted
)

// flag returns the `enabled` that the mode wants; nil for none.
func (m EnabledMode) flag() *bool {
	switch m {
	case On, Follow:
		return aws.Bool(true)
	case Off:
		return aws.Bool(false)
	default:
		return nil
	}
}

func (m EnabledMode) known() bool { return m == Keep || m == On || m == Off || m == Follow }
