package relay

import (
	"context"
	"errors"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"credential-relay/datadog"
)

// bindingsNamed returns the bindings that have the source's name. Some may read
// another source of the same name.
func (e *Engine) bindingsNamed(ctx context.Context, source Source) ([]Binding, error) {
	directory := e.directory(source.Kind)
	var found []Binding
	err := e.eachParameter(ctx, path.Join(directory, inParameterName(source.bindingName())), false, func(parameter types.Parameter) {
		found = append(found, parseBinding(source.Kind, directory, parameter))
	})
	return found, err
}

// everything is what one walk over the bindings path finds.
type everything struct {
	bindings []Binding
	byConfig map[string][]string // the names of a config's bindings, by receiptKey
	receipts map[string]*Receipt // by receiptKey
}

// walk returns every binding and every receipt. It takes one call for every ten
// of them.
func (e *Engine) walk(ctx context.Context) (everything, error) {
	all := everything{byConfig: map[string][]string{}, receipts: map[string]*Receipt{}}
	receipts := e.BindingsPath + receiptsBelow
	err := e.eachParameter(ctx, e.BindingsPath, true, func(parameter types.Parameter) {
		name := aws.ToString(parameter.Name)
		if key, ok := strings.CutPrefix(name, receipts); ok {
			if receipt := parseReceipt(&parameter); receipt != nil {
				all.receipts[key] = receipt
			}
			return
		}
		for _, kind := range []Kind{KindSecret, KindParameter} {
			if directory := e.directory(kind); strings.HasPrefix(name, directory+"/") {
				b := parseBinding(kind, directory, parameter)
				all.bindings = append(all.bindings, b)
				all.byConfig[receiptKey(b.ConfigID)] = append(all.byConfig[receiptKey(b.ConfigID)], name)
			}
		}
	})
	return all, err
}

// about returns a binding's receipt, nil for none, and the parameter's name of
// another binding of the same config, empty for none. Of two, the one that the
// receipt names goes on; without a receipt neither does. A receipt of a binding
// that is gone says nothing about this one's source.
func (a everything) about(b Binding) (receipt *Receipt, rival string) {
	key := receiptKey(b.ConfigID)
	bound := a.byConfig[key]
	if receipt = a.receipts[key]; receipt != nil && receipt.Binding == b.Parameter {
		return receipt, ""
	}
	if receipt != nil && slices.Contains(bound, receipt.Binding) {
		return nil, receipt.Binding
	}
	for _, other := range bound {
		if other != b.Parameter {
			return nil, other
		}
	}
	return nil, ""
}

// bindingsFor returns the bindings that feed a config: the one that the config's
// receipt names, which takes two calls, or else what a walk finds.
func (e *Engine) bindingsFor(ctx context.Context, id datadog.ConfigID) ([]Binding, error) {
	if receipt, err := e.readReceipt(ctx, id); err == nil && receipt != nil {
		if b, err := e.bindingAt(ctx, receipt.Binding); err == nil && b != nil && b.feeds(id) {
			return []Binding{*b}, nil
		}
	}
	all, err := e.walk(ctx)
	var found []Binding
	for _, b := range all.bindings {
		if b.feeds(id) {
			found = append(found, b)
		}
	}
	return found, err
}

// bindingAt returns the binding that a parameter is; nil when there is no such
// parameter, or it is no binding.
func (e *Engine) bindingAt(ctx context.Context, name string) (*Binding, error) {
	for _, kind := range []Kind{KindSecret, KindParameter} {
		directory := e.directory(kind)
		if !strings.HasPrefix(name, directory+"/") {
			continue
		}
		answer, err := e.Sources.ParameterStore.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String(name)})
		switch {
		case isNotFound(err):
			return nil, nil
		case err != nil:
			return nil, err
		case answer.Parameter == nil:
			return nil, errNoParameter
		}
		b := parseBinding(kind, directory, *answer.Parameter)
		return &b, nil
	}
	return nil, nil
}

// eachParameter calls do for every parameter below a path. It returns an error
// when one page of the list cannot be read.
// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParametersByPath.html
func (e *Engine) eachParameter(ctx context.Context, below string, recursive bool, do func(types.Parameter)) error {
	pages := ssm.NewGetParametersByPathPaginator(e.Sources.ParameterStore, &ssm.GetParametersByPathInput{
		Path: aws.String(below), Recursive: aws.Bool(recursive),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		if page.Parameters == nil { // an empty list would say that nothing is bound
			return errors.New("GetParametersByPath: the answer has no list of parameters")
		}
		for _, parameter := range page.Parameters {
			do(parameter)
		}
	}
	return nil
}

// directory returns the path of the bindings of a kind of source.
func (e *Engine) directory(kind Kind) string { return path.Join(e.BindingsPath, string(kind)+"s") }

// inParameterName returns a source's name as the name of a binding can hold it.
// The levels of a parameter's name are made of letters, digits and _ . -
// https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html
func inParameterName(name string) string {
	return strings.Trim(path.Clean("/"+notInParameterName.ReplaceAllString(name, "_")), "/")
}

var notInParameterName = regexp.MustCompile(`[^A-Za-z0-9_.\-/]`)
