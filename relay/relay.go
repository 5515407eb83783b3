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
	"sync"

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

// Relay brings every integration config that is bound to the source up to the
// source's current credential, and returns an outcome for each; one that goes
// wrong does not stop another. A dry run goes as far as validation and changes
// nothing.
func (e *Engine) Relay(ctx context.Context, source Source, dryRun bool) (outcomes []Outcome) {
	defer func() {
		if cause := recover(); cause != nil {
			outcomes = []Outcome{Outcome{Source: source.Name}.failed(AtBinding, panicked(cause))}
		}
	}()
	bindings, err := e.bindings(ctx, source)
	if err != nil {
		return []Outcome{Outcome{Source: source.Name}.failed(AtBinding, err)}
	}
	if len(bindings) == 0 {
		return []Outcome{{Source: source.Name, Verdict: Ignored}}
	}
	read := sync.OnceValues(func() (Credential, error) { return e.Sources.read(ctx, source) })
	outcomes = make([]Outcome, len(bindings))
	var group errgroup.Group
	group.SetLimit(bindingsAtOnce)
	for i, binding := range bindings {
		group.Go(func() error {
			outcomes[i] = e.relayTo(ctx, binding, source, read, dryRun)
			return nil
		})
	}
	_ = group.Wait()
	return outcomes
}

var errMoving = fmt.Errorf("the source moved to another version during each of %d rounds", maxRounds)

// relayTo relays to one binding's config, in rounds, until the version that
// Datadog holds is the current one.
func (e *Engine) relayTo(ctx context.Context, b Binding, source Source, read reader, dryRun bool) (o Outcome) {
	o = Outcome{Source: source.Name, ConfigID: b.ConfigID, Type: b.Type}
	defer func() {
		if cause := recover(); cause != nil {
			o = o.failed(AtCredential, panicked(cause))
		}
	}()
	if b.fault != nil {
		return o.failed(AtBinding, fmt.Errorf("%s: %w", b.Parameter, b.fault))
	}
	if reason := b.mismatch(source); reason != "" {
		return o.ended(Ignored, AtBinding, fmt.Errorf("%s: %s", b.Parameter, reason))
	}
	for range maxRounds {
		ended, moved := e.round(ctx, b, o, read, dryRun)
		if !moved {
			return ended
		}
		read = func() (Credential, error) { return e.Sources.read(ctx, source) }
	}
	return o.failed(AtConfirm, errMoving)
}

// round takes the credential through every stage once. It reports moved when
// the source has another version by the time Datadog holds this one.
func (e *Engine) round(ctx context.Context, b Binding, o Outcome, read reader, dryRun bool) (_ Outcome, moved bool) {
	look, stage, err := e.look(ctx, b, read)
	if err != nil {
		return o.failed(stage, err), false
	}
	if reason := b.mismatch(look.credential.Source); reason != "" {
		return o.ended(Ignored, AtBinding, fmt.Errorf("%s: %s", b.Parameter, reason)), false
	}
	o = o.with(look)
	secrets, err := look.credential.Secrets(b.Fields)
	if err != nil {
		return o.failed(AtCredential, err), false
	}
	validated, err := e.validate(ctx, b.Type, look.config, secrets)
	if err != nil {
		return o.ended(judged(err, Rejected), AtValidate, err), false
	}
	o.Validated = &validated
	if dryRun {
		o.Verdict, o.WouldSend = Unchanged, b.wouldSend(secrets)
		return o, false
	}
	patched, err := e.Datadog.UpdateIntegrationConfig(ctx, b.ConfigID, datadog.Update{
		Type: b.Type, Secrets: secrets, Enabled: b.Enabled.assertion(),
	})
	if err != nil {
		return o.ended(judged(err, Rejected), AtPatch, err), false
	}
	o.State, o.Enabled = patched.State, &patched.Enabled
	return e.confirm(ctx, b, o, look.credential)
}

// wouldSend names what the PATCH of a dry run would hold.
func (b Binding) wouldSend(secrets datadog.Secrets) []string {
	var names []string
	if b.Enabled.assertion() != nil {
		names = append(names, "enabled")
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

// panicked keeps a panic's value out of sight, unless it is the runtime's own:
// a library's may quote what it was given.
func panicked(cause any) error {
	if err, ok := cause.(runtime.Error); ok {
		return fmt.Errorf("internal error: %w", err)
	}
	return errors.New("internal error")
}
