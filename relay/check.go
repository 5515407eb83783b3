package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"credential-relay/datadog"
)

// Answer says whether this function can do what a check is about.
type Answer string

// The answers.
const (
	Yes     Answer = "yes"
	No      Answer = "no"
	Unknown Answer = "unknown" // nothing short of a change would show it
)

// Check is one thing that this function needs, and whether it has it.
type Check struct {
	Name   string `json:"name"`
	Answer Answer `json:"answer"`
	// Detail is what was found, or what to do.
	Detail string `json:"detail,omitempty"`
}

// Check returns what this function can and cannot do: Datadog's keys and each
// permission, the bindings path, the sources and the receipts. It changes
// nothing, neither at AWS nor at Datadog.
func (e *Engine) Check(ctx context.Context) (checks []Check) {
	defer onPanic(func(err error) { checks = append(checks, Check{"this function", No, Describe(err)}) })
	var mask datadog.Mask
	ctx = datadog.WithMask(ctx, &mask)
	var all survey
	var surveyErr error
	walk := start(func() { all, surveyErr = e.surveyAll(ctx) })
	checks = append(checks, check("Datadog keys", e.Datadog.ValidateKeys(ctx), "Datadog accepts them"))
	walk()
	if surveyErr != nil {
		return append(checks, check("bindings path", surveyErr, ""))
	}
	slices.SortFunc(all.works, func(a, b *work) int { return strings.Compare(a.Parameter, b.Parameter) })
	checks = append(checks,
		check("Datadog permission integrations_read", all.listErr, fmt.Sprintf("Datadog lists %d integration configs", all.listed)),
		lastStored("Datadog permission manage_integrations", all.works, inConfig{}),
	)
	if azure := lastStored("Datadog permission azure_configuration_edit", all.works, inAzure{}); azure.Detail != "" {
		checks = append(checks, azure)
	}
	checks = append(checks, e.checkBindings(all.works)...)
	checks = append(checks, e.checkSources(ctx, all.works)...)
	checks = append(checks, e.checkReceipts(ctx, all.works))
	for i := range checks {
		checks[i].Detail = maskedMessage(&mask, checks[i].Detail)
	}
	return checks
}

// check returns yes with a detail for no error, and no with the error otherwise.
func check(name string, err error, detail string) Check {
	if err != nil {
		return Check{name, No, Describe(err)}
	}
	return Check{name, Yes, detail}
}

// lastStored answers from the receipts whether a permission to store is there.
// Datadog offers no way to ask that changes nothing.
func lastStored(name string, all []*work, where destination) Check {
	var last time.Time
	bound := false
	for _, w := range all {
		if w.destination != where {
			continue
		}
		bound = true
		if w.receipt != nil && w.receipt.VersionID != "" && w.receipt.At.After(last) {
			last = w.receipt.At
		}
	}
	switch {
	case !bound && where == inAzure{}:
		return Check{Name: name}
	case last.IsZero():
		return Check{name, Unknown, "Datadog offers no way to ask without a change, and no receipt shows one; relay a binding to find out"}
	}
	return Check{name, Yes, "Datadog took a credential at " + last.UTC().Format(time.RFC3339)}
}

// checkBindings returns one check for the path, and one for each binding that
// cannot be used.
func (e *Engine) checkBindings(all []*work) []Check {
	checks := []Check{{"bindings path", Yes, fmt.Sprintf("%d bindings under %s", len(all), e.BindingsPath)}}
	for _, w := range all {
		if w.fault != nil {
			checks = append(checks, Check{"binding " + w.Parameter, No, Describe(w.fault)})
		} else if w.rival != "" {
			checks = append(checks, Check{"binding " + w.Parameter, No, w.rival + " is bound to the same integration config; delete one of the two"})
		}
	}
	return checks
}

// checkSources returns one check for all sources, and one for each that cannot be
// described or read. The values that it reads go nowhere.
func (e *Engine) checkSources(ctx context.Context, all []*work) []Check {
	sources := map[Source]bool{}
	var distinct []*work
	for _, w := range all {
		if w.fault == nil && !sources[w.Source] {
			sources[w.Source] = true
			distinct = append(distinct, newWork(w.Binding))
			distinct[len(distinct)-1].found = w.found
		}
	}
	readable, left := 0, 0
	var checks []Check
	for i, result := range sideBySide(ctx, distinct, func(ctx context.Context, w *work) error { return e.tryReading(ctx, w) }) {
		switch {
		case distinct[i].left:
			left++
		case result.Error != nil:
			checks = append(checks, Check{"source " + result.Source, No, result.Error.Message})
		default:
			readable++
		}
	}
	total := Check{"sources", Yes, fmt.Sprintf("%d of %d can be read", readable, len(distinct))}
	switch {
	case len(checks) > 0:
		total.Answer = No
	case left > 0:
		total.Answer = Unknown
	}
	if left > 0 {
		total.Detail += fmt.Sprintf("; there was no time for %d", left)
	}
	return append([]Check{total}, checks...)
}

func (e *Engine) tryReading(ctx context.Context, w *work) error {
	switch {
	case !e.hasTurn(ctx):
		w.left = true
		return errNoTurn
	case w.nowErr != nil:
		return failed(AtSource, w.nowErr)
	case w.now.deleted:
		return failed(AtSource, errSourceDeleted)
	}
	if _, err := e.Sources.read(ctx, w.Source); err != nil {
		return failed(AtSource, err)
	}
	return nil
}

// checkReceipts asks to make a receipt that is there already. Parameter Store
// refuses that, and says whether the role may write receipts at all.
func (e *Engine) checkReceipts(ctx context.Context, all []*work) Check {
	const name = "receipts"
	for _, w := range all {
		if w.receipt == nil {
			continue
		}
		_, err := e.Sources.ParameterStore.PutParameter(ctx, &ssm.PutParameterInput{
			Name: aws.String(e.receiptName(w.ConfigID)), Type: types.ParameterTypeString, Value: aws.String("{}"), Overwrite: aws.Bool(false),
		})
		if exists := (*types.ParameterAlreadyExists)(nil); errors.As(err, &exists) {
			return Check{name, Yes, "the function may write below " + e.BindingsPath + receiptsBelow}
		}
		return check(name, err, "")
	}
	return Check{name, Unknown, "there is no receipt yet; relay a binding to find out"}
}
