// Package relay brings Datadog's integration configs up to the current
// credential of the sources that feed them.
package relay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"credential-relay/datadog"
)

// Engine relays. Its fields are set before its first use and not changed
// after; its methods may be called from many goroutines.
type Engine struct {
	Sources      Sources
	Datadog      *datadog.Client
	BindingsPath string // of the parameters that are bindings, such as /credential-relay
}

// Selector says which bindings a request is about: those of one source, those of
// one config, or all.
type Selector struct {
	Source   Source
	ConfigID datadog.ConfigID
	All      bool
}

// Request says what to relay.
type Request struct {
	Selector

	// IfDue leaves alone what is as it should be, as events ask. Otherwise the
	// credential is sent whether or not it is due.
	IfDue bool
	// VersionID is the version that an event says is current; empty for none. It
	// is a hint: the relay reads for itself.
	VersionID string
	DryRun    bool        // go as far as validation, and change nothing
	Enabled   EnabledMode // On or Off instead of each binding's own mode

	settle bool // relay once more what is not settled, as the schedule does
}

// Relay brings every integration config that the request is about up to the
// current credential of its source. It returns a result for each binding that it
// reached, and how many bindings it left for want of time; those come first the
// next time. One binding that fails does not stop another. When the bindings
// cannot be listed, or there is none, the one result has no config.
func (e *Engine) Relay(ctx context.Context, request Request) (results []Result, left int) {
	defer onPanic(func(err error) { results = []Result{request.result(err)} })
	all, err := e.survey(ctx, request.Selector)
	if err != nil {
		return []Result{request.result(err)}, 0
	}
	read := e.Sources.readOnce(ctx)
	every := sideBySide(ctx, all.works, func(ctx context.Context, w *work) error {
		if err := w.isAbout(request.Selector); err != nil {
			return err
		}
		w.flagOnly = request.Enabled == Off
		w.read = read(w.Source, cmp.Or(w.now.id, request.VersionID))
		if err := all.complete(ctx, w); err != nil {
			return err
		}
		return e.serve(ctx, w, request)
	})
	for i, w := range all.works {
		if w.left {
			left++
		} else {
			results = append(results, every[i])
		}
	}
	slices.SortFunc(results, func(a, b Result) int {
		return cmp.Or(strings.Compare(a.Source, b.Source), strings.Compare(string(a.ConfigID), string(b.ConfigID)))
	})
	return results, left
}

// Reconcile looks at every binding and does what is due, like Relay.
func (e *Engine) Reconcile(ctx context.Context) (results []Result, left int) {
	return e.Relay(ctx, Request{Selector: Selector{All: true}, IfDue: true, settle: true})
}

// selected returns the bindings that a selector of one source or config is about.
// Those that read another source of the same name are among them.
func (e *Engine) selected(ctx context.Context, selector Selector) ([]Binding, error) {
	if selector.ConfigID != "" {
		return e.bindingsFor(ctx, selector.ConfigID)
	}
	return e.bindingsNamed(ctx, selector.Source)
}

// result returns the one result of a request that reached no binding.
func (s Selector) result(err error) Result {
	w := &work{result: Result{Source: s.Source.Name, ConfigID: s.ConfigID}}
	w.end(err)
	return w.result
}

func (s Selector) nothingBound(e *Engine) error {
	where := e.directory(KindSecret) + " and " + e.directory(KindParameter)
	if s.ConfigID == "" {
		where = e.directory(s.Source.Kind) + "/" + inParameterName(s.Source.bindingName())
	}
	return &stop{outcome: Ignored, stage: AtBinding, cause: fmt.Errorf("nothing is bound: there is no such parameter under %s", where)}
}

// serve decides what a request leads to for one binding, and does it.
func (e *Engine) serve(ctx context.Context, w *work, request Request) error {
	w.Binding = w.withEnabled(request.Enabled)
	w.result.VersionID = w.now.id
	d := decide(w.Binding, w.found, request.settle || !request.IfDue, time.Now())
	switch {
	case request.Enabled == Off:
		return e.turnOff(ctx, w, request.DryRun)
	case request.DryRun:
		return e.rehearse(ctx, w, d)
	case !request.IfDue && d.status != StatusBroken:
		d = decision{action: relayIt, status: d.status}
	}
	if request.All && d.callsDatadog() && !e.hasTurn(ctx) {
		w.left = true
		return errNoTurn
	}
	return e.act(ctx, w, d)
}

// isAbout stops the work of a binding that reads another source than the one
// selected.
func (w *work) isAbout(selector Selector) error {
	if selector.Source == (Source{}) || w.fault != nil {
		return nil
	}
	if reason := w.mismatch(selector.Source); reason != "" {
		return &stop{outcome: Ignored, stage: AtBinding, cause: fmt.Errorf("%s: %s", w.Parameter, reason)}
	}
	return nil
}

// errNoTurn ends the work of a binding that is left for the next time.
var errNoTurn = errors.New("left for want of time")

// act does what was decided, and leaves a receipt.
func (e *Engine) act(ctx context.Context, w *work, d decision) error {
	stages, cancel := withReceiptTime(ctx)
	defer cancel()
	err := e.do(stages, w, d)
	err = e.enforceOff(stages, w, err)
	w.end(err)
	e.leaveReceipt(ctx, w, d)
	w.noteLacked(d)
	return nil
}

// noteLacked notes when the source changed, if Datadog lacked that change. What
// Datadog has now it lacked for certain only if the receipt said so.
func (w *work) noteLacked(d decision) {
	switch d.status {
	case StatusBehind, StatusRejected:
		w.result.ChangedAt = w.now.changedAt
	case StatusUnknown:
		if w.result.Outcome != Updated {
			w.result.ChangedAt = w.now.changedAt
		}
	}
}

func (e *Engine) do(ctx context.Context, w *work, d decision) error {
	switch d.action {
	case report:
		return d.err
	case switchOff:
		return e.sendFlag(ctx, w, aws.Bool(false))
	case relayIt:
		return e.relayRounds(ctx, w)
	case sendFlag:
		if err := e.sendFlag(ctx, w, w.Enabled.flag()); err != nil || d.status == StatusCurrent {
			return err
		}
		return e.askDatadog(ctx, w)
	case askDatadog:
		return e.askDatadog(ctx, w)
	default:
		w.result.Outcome = Unchanged
		return nil
	}
}

const maxRounds = 3 // how often a relay starts over because the source has moved on

var errMoving = temporary{fmt.Errorf("the source moved to another version during each of %d rounds", maxRounds)}

// relayRounds relays to one binding's config, in rounds, until the version that
// Datadog holds is the current one.
func (e *Engine) relayRounds(ctx context.Context, w *work) error {
	if err := w.readCredential(ctx); err != nil {
		return err
	}
	for range maxRounds {
		if err := e.prepare(ctx, w); err != nil {
			return err
		}
		if err := e.store(ctx, w); err != nil {
			return err
		}
		moved, err := e.confirm(ctx, w)
		if err != nil || !moved {
			return err
		}
	}
	return failed(AtConfirm, errMoving)
}

// prepare takes the credential as far as it goes without changing anything: it
// picks what is sent, and has Datadog try it.
func (e *Engine) prepare(ctx context.Context, w *work) (err error) {
	w.result.VersionID = w.credential.VersionID
	if w.candidate, err = w.credential.Select(w.Fields); err != nil {
		return failed(AtCredential, err)
	}
	w.mask.Add(w.candidate)
	return e.validate(ctx, w)
}

// rehearse does what a relay would do, as far as it changes nothing.
func (e *Engine) rehearse(ctx context.Context, w *work, d decision) error {
	w.result.Status = d.status
	switch d.action {
	case report:
		return d.err
	case switchOff:
		w.result.Outcome, w.result.WouldSend = WouldUpdate, []string{"enabled"}
		return nil
	}
	if err := w.readCredential(ctx); err != nil {
		return err
	}
	if err := e.prepare(ctx, w); err != nil {
		return err
	}
	w.result.Outcome = WouldUpdate
	if w.Enabled.flag() != nil {
		w.result.WouldSend = []string{"enabled"}
	}
	w.result.WouldSend = append(w.result.WouldSend, w.destination.sends(w.candidate)...)
	return nil
}
