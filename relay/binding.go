package relay

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
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
	Enabled   EnabledMode
	inAzure   bool    // the credential goes to the Datadog–Azure integration
	home      arn.ARN // of the parameter: our own account and region
	fault     error   // why the binding cannot be used
}

// bindings finds the bindings that a source's name leads to. Some may turn out
// to be about another source, which goes by the same name there.
func (e *Engine) bindings(ctx context.Context, source Source) ([]Binding, error) {
	under := path.Join(e.directory(source.Kind), inParameterName(source.boundAs()))
	return e.bindingsUnder(ctx, source.Kind, &ssm.GetParametersByPathInput{Path: aws.String(under)})
}

// allBindings finds every binding there is.
func (e *Engine) allBindings(ctx context.Context) ([]Binding, error) {
	var all []Binding
	for _, kind := range []Kind{KindSecret, KindParameter} {
		found, err := e.bindingsUnder(ctx, kind, &ssm.GetParametersByPathInput{
			Path: aws.String(e.directory(kind)), Recursive: aws.Bool(true),
		})
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func (e *Engine) bindingsUnder(ctx context.Context, kind Kind, under *ssm.GetParametersByPathInput) ([]Binding, error) {
	var found []Binding
	pages := ssm.NewGetParametersByPathPaginator(e.Sources.ParameterStore, under)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		if page.Parameters == nil { // to be told from an empty list: there nothing is bound
			return nil, errors.New("GetParametersByPath: the answer holds no list of parameters")
		}
		for _, parameter := range page.Parameters {
			found = append(found, e.parseBinding(kind, parameter))
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

// outcome is the beginning of what comes of the binding.
func (b Binding) outcome() Result {
	return Result{Source: b.source().Name, ConfigID: b.ConfigID, Type: b.Type}
}

// source is the one that the binding names by itself, without an event.
func (b Binding) source() Source {
	switch {
	case b.Source.ARN != "":
		pinned, _ := SecretAt(b.Source.ARN)
		return pinned
	case b.Source.Kind == KindParameter:
		return ParameterNamed(b.Source.Name)
	default:
		return b.Source
	}
}

// sourceOf is the one to look at when an event tells of source: the binding's
// own for no source, and its pin for one elsewhere that is not fully named,
// since Secrets Manager finds only secrets of our own by less than a full ARN.
func (b Binding) sourceOf(source Source) Source {
	own := b.source()
	partly := source.ARN == "" || source.typed
	elsewhere := !b.atHome(source) && own.Account == source.Account && own.Region == source.Region
	if source == (Source{}) || partly && elsewhere {
		return own
	}
	return source
}

// wanting puts a policy in the place of the binding's own, unless it is empty.
func (b Binding) wanting(policy EnabledMode) Binding {
	if policy != "" {
		b.Enabled = policy
	}
	return b
}

// unfit is the outcome for a binding that cannot be used for a source; nil when
// it can.
func (b Binding) unfit(source Source) *Result {
	var o Result
	if b.fault != nil {
		o = b.outcome().failed(AtBinding, fmt.Errorf("%s: %w", b.Parameter, b.fault))
	} else if reason := b.mismatch(source); reason != "" {
		o = b.outcome().ended(Ignored, AtBinding, fmt.Errorf("%s: %s", b.Parameter, reason))
	} else {
		return nil
	}
	return &o
}

// mismatch says why the binding is not about this source; empty when it is. Of
// a source that has yet to be read less is known, and the benefit of the doubt
// is given.
func (b Binding) mismatch(source Source) string {
	pin := b.Source.ARN
	switch {
	case pin != "" && source.ARN != "" && pin != source.ARN && !(source.typed && strings.HasPrefix(pin, source.ARN+"-")),
		pin != "" && source.ARN == "" && !b.atHome(source):
		return "its secret_arn pins another secret: " + pin
	case pin == "" && !b.atHome(source):
		return "the source is in another account or region; only a secret can be bound from there, pinned with secret_arn"
	case pin == "" && source.boundAs() != b.Source.Name:
		return "the binding is named for " + b.Source.Name + "; for a name that Parameter Store cannot hold, pin the secret with secret_arn"
	}
	return ""
}

// atHome reports whether a source is of our own account and region.
func (b Binding) atHome(source Source) bool {
	return source.Account == "" || source.Account == b.home.AccountID && source.Region == b.home.Region
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
	b.inAzure = b.Type == datadog.EntraID && options.secrets == nil
	if b.Source.ARN != "" && b.Source.Kind != KindSecret {
		return errors.New("secret_arn: only a secret can be pinned, and this binding reads a parameter")
	}
	b.Fields, err = fieldsFor(b.Type, options.secrets)
	return err
}
