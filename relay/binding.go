package relay

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"credential-relay/datadog"
)

// Binding says that a source feeds an integration config. It is one SSM
// parameter: its name is the rule, its value holds the options.
type Binding struct {
	Parameter string // the parameter's name
	// Source is what the binding reads: the pinned secret, or the secret or
	// parameter of that name, whichever secret has the name now.
	Source   Source
	ConfigID datadog.ConfigID
	Type     datadog.IntegrationType
	Fields   []Field
	Enabled  EnabledMode

	boundName   string // the source's name as the parameter's name holds it
	destination destination
	home        arn.ARN // of the parameter: our own account and region
	fault       error   // why the binding cannot be used
}

// parseBinding returns the binding that a parameter below directory is. A
// binding that does not parse carries its fault, so that it reports itself and
// the others go on.
func parseBinding(kind Kind, directory string, parameter types.Parameter) Binding {
	name := aws.ToString(parameter.Name)
	dir, config := path.Split(name)
	b := Binding{
		Parameter: name,
		ConfigID:  datadog.ConfigID(config),
		boundName: strings.TrimSuffix(strings.TrimPrefix(dir, directory+"/"), "/"),
	}
	b.Source = Source{Kind: kind, Name: b.boundName}
	if kind == KindParameter {
		b.Source = ParameterNamed(b.boundName)
	}
	b.fault = b.parse(parameter)
	return b
}

func (b *Binding) parse(parameter types.Parameter) (err error) {
	if b.home, err = arn.Parse(aws.ToString(parameter.ARN)); err != nil {
		return errors.New("the answer of Parameter Store has no ARN for this binding, so our own account is not known; try again")
	}
	if parameter.Type != types.ParameterTypeString {
		return fmt.Errorf("the parameter is of type %s; a binding is never secret: make it a String", parameter.Type)
	}
	if b.Source.Kind == KindParameter && strings.HasPrefix(b.Source.Name+"/", secretReferences) {
		return fmt.Errorf("%s is a reference to a secret; bind the secret itself, under secrets/", b.Source.Name)
	}
	options, err := parseOptions([]byte(aws.ToString(parameter.Value)))
	if err != nil {
		return err
	}
	b.Type, b.Enabled = options.integrationType, options.enabled
	if options.secretARN != "" {
		if b.Source.Kind != KindSecret {
			return errors.New("secret_arn: only a secret can be pinned, and this binding reads a parameter; delete the field")
		}
		b.Source, _ = SecretAt(options.secretARN)
	}
	b.destination = inConfig{}
	if b.Type == datadog.EntraID && options.secrets == nil {
		b.destination = inAzure{}
	}
	b.Fields, err = fieldsFor(b.Type, options.secrets)
	return err
}

// secretReferences is where Parameter Store shows secrets as parameters. They
// have no versions and no events.
// https://docs.aws.amazon.com/systems-manager/latest/userguide/integration-ps-secretsmanager.html
const secretReferences = "/aws/reference/secretsmanager/"

func (b Binding) pinned() bool { return b.Source.ARN != "" }

// mismatch returns why the binding does not read the source that an event or a
// person names; empty when it reads it.
func (b Binding) mismatch(named Source) string {
	switch {
	case b.pinned() && !b.isPinnedTo(named):
		return "its secret_arn pins another secret: " + b.Source.ARN
	case b.pinned():
		return ""
	case !b.atHome(named):
		return "the source is in another account or region; only a secret can be bound from there, pinned with secret_arn"
	case named.bindingName() != b.boundName:
		return "the binding is named for " + b.boundName + "; for a name that Parameter Store cannot hold, pin the secret with secret_arn"
	}
	return ""
}

func (b Binding) isPinnedTo(named Source) bool {
	if named.ARN == "" {
		sameHome := named.Account == "" && b.atHome(b.Source) || named.Account == b.Source.Account && named.Region == b.Source.Region
		return sameHome && named.Name == b.Source.Name
	}
	return named.ARN == b.Source.ARN || named.partial && strings.HasPrefix(b.Source.ARN, named.ARN+"-")
}

// atHome reports whether a source is in our own account and region.
func (b Binding) atHome(source Source) bool {
	return source.Account == "" || source.Account == b.home.AccountID && source.Region == b.home.Region
}

// feeds reports whether the binding is for a config. Datadog's ids do not depend
// on case.
func (b Binding) feeds(id datadog.ConfigID) bool {
	return strings.EqualFold(string(b.ConfigID), string(id))
}

// withEnabled returns the binding with another mode, or as it is for an empty
// one.
func (b Binding) withEnabled(mode EnabledMode) Binding {
	if mode != "" {
		b.Enabled = mode
	}
	return b
}
