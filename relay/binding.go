package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"credential-relay/datadog"
)

// Binding says that a source feeds an integration config. It is one SSM
// parameter: its name is the rule, its value holds the options.
type Binding struct {
	Parameter string // the parameter's name
	Source    Source // Name as the parameter's name has it; ARN is the pin, if any
	ConfigID  datadog.ConfigID
	Type      datadog.IntegrationType
	Fields    []Field
	Enabled   Policy
	home      arn.ARN // of the parameter: our own account and region
	fault     error   // why the binding cannot be used
}

// Policy is what a relay does to a config's `enabled`.
type Policy string

// The policies of a binding.
const (
	Keep   Policy = "keep"   // never sends it
	On     Policy = "on"     // asserts true
	Off    Policy = "off"    // asserts false
	Follow Policy = "follow" // on once a valid credential is delivered
)

// assertion is the `enabled` to send together with a credential; nil for none.
func (p Policy) assertion() *bool {
	switch p {
	case On, Follow:
		return aws.Bool(true)
	case Off:
		return aws.Bool(false)
	default:
		return nil
	}
}

// bindings finds the bindings that a source's name leads to. Some may turn out
// to be about another source, which goes by the same name there.
func (e *Engine) bindings(ctx context.Context, source Source) ([]Binding, error) {
	under := path.Join(e.directory(source.Kind), inParameterName(source.boundAs()))
	pages := ssm.NewGetParametersByPathPaginator(e.Sources.Parameters, &ssm.GetParametersByPathInput{Path: aws.String(under)})
	var found []Binding
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		if page.Parameters == nil { // to be told from an empty list: there nothing is bound
			return nil, errors.New("GetParametersByPath: the answer holds no list of parameters")
		}
		for _, parameter := range page.Parameters {
			found = append(found, e.parseBinding(source.Kind, parameter))
		}
	}
	return found, nil
}

// directory is where the bindings of a kind of source are.
func (e *Engine) directory(kind Kind) string { return path.Join(e.BindingsPath, string(kind)+"s") }

// inParameterName writes a source's name as the name of a binding can hold it.
// Parameter Store knows letters, digits and _ . - in the levels of a name.
// https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html
func inParameterName(name string) string {
	return strings.Trim(path.Clean("/"+notInParameterName.ReplaceAllString(name, "_")), "/")
}

var notInParameterName = regexp.MustCompile(`[^A-Za-z0-9_.\-/]`)

// mismatch says why the binding is not about this source; empty when it is. Of
// a source that has yet to be read less is known, and the benefit of the doubt
// is given.
func (b Binding) mismatch(source Source) string {
	pin := b.Source.ARN
	switch {
	case pin != "" && source.ARN != "" && pin != source.ARN && !(source.typed && strings.HasPrefix(pin, source.ARN+"-")):
		return "its secret_arn pins another secret: " + pin
	case pin == "" && source.ARN != "" && !b.atHome(source.ARN):
		return "the secret is in another account or region, and this binding does not pin it with secret_arn"
	case pin == "" && source.boundAs() != b.Source.Name:
		return "the binding is named for " + b.Source.Name + "; for a name that Parameter Store cannot hold, pin the secret with secret_arn"
	}
	return ""
}

// atHome reports whether an ARN is of our own account and region.
func (b Binding) atHome(id string) bool {
	parsed, err := arn.Parse(id)
	return err == nil && parsed.AccountID == b.home.AccountID && parsed.Region == b.home.Region
}

// parseBinding reads one binding. One that cannot be read carries its fault,
// so that it reports itself and the others go on.
func (e *Engine) parseBinding(kind Kind, parameter types.Parameter) Binding {
	name := aws.ToString(parameter.Name)
	directory, config := path.Split(name)
	root := e.directory(kind) + "/"
	binding := Binding{
		Parameter: name,
		Source:    Source{Kind: kind, Name: strings.TrimSuffix(strings.TrimPrefix(directory, root), "/")},
		ConfigID:  datadog.ConfigID(config),
	}
	binding.fault = binding.parse(parameter)
	return binding
}

func (b *Binding) parse(parameter types.Parameter) (err error) {
	if b.home, err = arn.Parse(aws.ToString(parameter.ARN)); err != nil {
		return errors.New("has no ARN in the answer of Parameter Store, so our own account is not known")
	}
	if parameter.Type != types.ParameterTypeString {
		return fmt.Errorf("is of type %s; a binding is never secret: make it a String", parameter.Type)
	}
	options, err := parseOptions([]byte(aws.ToString(parameter.Value)))
	if err != nil {
		return err
	}
	b.Type, b.Enabled, b.Source.ARN = options.integrationType, options.enabled, options.secretARN
	if b.Source.ARN != "" && b.Source.Kind != Secret {
		return errors.New("secret_arn: only a secret can be pinned, and this binding reads a parameter")
	}
	b.Fields, err = fieldsFor(b.Type, options.secrets)
	return err
}

// options is the value of a binding.
type options struct {
	integrationType datadog.IntegrationType
	secrets         map[string]string
	enabled         Policy
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
		if json.Unmarshal(member, &o.secrets) != nil || o.secrets == nil {
			return errors.New("secrets: must be an object of Datadog keys and JMESPath expressions, all strings")
		}
	case "enabled":
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

func (p Policy) known() bool { return p == Keep || p == On || p == Off || p == Follow }

func isFullSecretARN(id string) bool {
	name, ok := secretNameIn(id)
	return ok && isFull(name)
}
