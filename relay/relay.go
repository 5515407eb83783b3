// Package relay brings Datadog's integration configs up to the current
// credential of the sources that feed them.
package relay

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/sync/errgroup"

	"credential-relay/datadog"
)

const (
	maxRounds      = 3 // how often a relay starts anew because the source has moved on
	bindingsAtOnce = 8
)

// Engine relays. Its fields are set before its first use and not changed
// after; its methods may be called from many goroutines.
type Engine struct {
	Sources      Sources
	Datadog      *datadog.Client
	BindingsPath string // of the parameters that are bindings, such as /credential-relay
}

// Request says what to relay: one source, or what is bound to one config, or
// everything that is bound.
type Request struct {
	Source   Source
	ConfigID datadog.ConfigID
	All      bool

	DryRun  bool        // go as far as validation, and change nothing
	Enabled EnabledMode // On or Off instead of each binding's own policy
}

// Relay brings every integration config that the request is about up to the
// current credential of its source, and returns an outcome for each; one that
// goes wrong does not stop another.
func (e *Engine) Relay(ctx context.Context, request Request) (outcomes []Result) {
	defer recovered(func(err error) {
		outcomes = []Result{request.outcome().failed(AtBinding, err)}
	})
	bindings, err := e.requested(ctx, request)
	if err != nil {
		return []Result{request.outcome().failed(AtBinding, err)}
	}
	if len(bindings) == 0 {
		return []Result{request.outcome().ignored()}
	}
	read := e.Sources.readOnce(ctx)
	return sideBySide(ctx, bindings, func(ctx context.Context, _ int, b Binding) Result {
		source := b.sourceOf(request.Source)
		return e.relayTo(ctx, b.wanting(request.Enabled), source, read(source), request.DryRun)
	})
}

// requested finds the bindings that a request is about.
func (e *Engine) requested(ctx context.Context, request Request) ([]Binding, error) {
	if request.Source != (Source{}) {
		return e.bindings(ctx, request.Source)
	}
	all, err := e.allBindings(ctx)
	if err != nil || request.All {
		return all, err
	}
	return slices.DeleteFunc(all, func(b Binding) bool { return b.ConfigID != request.ConfigID }), nil
}

func (r Request) outcome() Result { return Result{Source: r.Source.Name, ConfigID: r.ConfigID} }

// sideBySide does something with each binding, a bounded number at a time, and
// adds what that took to the effort of its outcome.
func sideBySide(ctx context.Context, bindings []Binding, do func(ctx context.Context, i int, b Binding) Result) []Result {
	outcomes := make([]Result, len(bindings))
	var group errgroup.Group
	group.SetLimit(bindingsAtOnce)
	for i, binding := range bindings {
		group.Go(func() error {
			ctx, meter := metered(ctx)
			defer func() { outcomes[i].Effort = meter.after(outcomes[i].Effort) }()
			defer recovered(func(err error) { outcomes[i] = binding.outcome().failed(AtCredential, err) })
			outcomes[i] = do(ctx, i, binding)
			return nil
		})
	}
	_ = group.Wait()
	return outcomes
}

var errMoving = fmt.Errorf("the source moved to another version during each of %d rounds", maxRounds)

// relayTo relays to one binding's config, in rounds, until the version that
// Datadog holds is the current one.
func (e *Engine) relayTo(ctx context.Context, b Binding, source Source, read reader, dryRun bool) Result {
	if unfit := b.unfit(source); unfit != nil {
		return *unfit
	}
	o := b.outcome()
	for range maxRounds {
		ended, moved := e.round(ctx, b, o, read, dryRun)
		if !moved {
			return ended
		}
		read = e.Sources.reader(source)
	}
	return o.failed(AtConfirm, errMoving)
}

// round takes the credential through every stage once. It reports moved when
// the source had another version by the time Datadog held this one.
func (e *Engine) round(ctx context.Context, b Binding, o Result, read reader, dryRun bool) (_ Result, moved bool) {
	o, candidate, ok := e.prepare(ctx, b, o, read)
	switch {
	case dryRun && ok:
		o.Outcome, o.WouldSend = Unchanged, b.wouldSend(candidate.secrets)
		return o, false
	case dryRun:
		return o, false
	case !ok:
		return e.withoutCredential(ctx, b, o), false
	}
	if o, ok = e.store(ctx, b, o, candidate); !ok {
		return e.withoutCredential(ctx, b, o), false
	}
	o, moved = e.confirm(ctx, b, o, candidate.credential)
	return o.masking(candidate.secrets), moved
}

// candidate is a credential that is ready to be stored.
type candidate struct {
	credential Credential
	secrets    datadog.Secrets
}

// prepare takes the credential as far as it goes without changing anything. It
// reports false when that is the end.
func (e *Engine) prepare(ctx context.Context, b Binding, o Result, read reader) (Result, candidate, bool) {
	look, stage, err := e.look(ctx, b, read)
	if err != nil {
		return o.failed(stage, err), candidate{}, false
	}
	if unfit := b.unfit(look.credential.Source); unfit != nil {
		return *unfit, candidate{}, false
	}
	o = o.with(look)
	secrets, err := look.credential.Select(b.Fields)
	if err != nil {
		return o.failed(AtCredential, err), candidate{}, false
	}
	offered, err := e.validate(ctx, b, look, secrets)
	switch {
	case !offered:
		o = o.notValidated(err)
	case err != nil:
		return o.ended(judged(err, Rejected), AtValidate, err), candidate{}, false
	default:
		o.Validated = aws.Bool(true)
	}
	return o, candidate{look.credential, secrets}, true
}

// store has Datadog store the candidate, and the flag with it.
func (e *Engine) store(ctx context.Context, b Binding, o Result, c candidate) (Result, bool) {
	if b.inAzure {
		return e.storeInAzure(ctx, b, o, c)
	}
	o, err := e.patch(ctx, b, o, c.secrets, b.Enabled.assertion())
	if err != nil {
		return o.ended(judged(err, Rejected), AtPatch, b.ifGone(err)), false
	}
	return o, true
}

// patch has Datadog change secrets, flag or both in the binding's config. What
// is nil stays as it is.
func (e *Engine) patch(ctx context.Context, b Binding, o Result, secrets datadog.Secrets, enabled *bool) (Result, error) {
	defer timed(ctx, AtPatch)()
	patched, err := e.Datadog.UpdateIntegrationConfig(ctx, b.ConfigID, datadog.Update{Type: b.Type, Secrets: secrets, Enabled: enabled})
	if err != nil {
		return o, err
	}
	o.State, o.Enabled = patched.State, &patched.Enabled
	return o, nil
}

// wouldSend names what a relay would send.
func (b Binding) wouldSend(secrets datadog.Secrets) []string {
	var names []string
	if b.Enabled.assertion() != nil {
		names = append(names, "enabled")
	}
	if b.inAzure {
		return append(names, "azure.client_secret")
	}
	for _, key := range slices.Sorted(maps.Keys(secrets)) {
		names = append(names, "secrets."+key)
	}
	return names
}

// beside runs f while its caller goes on, until that calls done. A panic of f
// becomes the caller's: in a goroutine of its own nobody could recover from it,
// and the program would end with the panic's value in its log.
func beside(f func()) (done func()) {
	ended := make(chan any, 1)
	go func() {
		defer func() { ended <- recover() }()
		f()
	}()
	return func() {
		if cause := <-ended; cause != nil {
			panic(cause)
		}
	}
}

// recovered, deferred, hands over a panic as an error. Of the panic's value it
// tells nothing, unless that is the runtime's own: a library's may quote what it
// was given.
func recovered(handle func(error)) {
	switch cause := recover().(type) {
	case nil:
	case runtime.Error:
		handle(fmt.Errorf("internal error: %w", cause))
	default:
		handle(errors.New("internal error"))
	}
}
