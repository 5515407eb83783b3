package relay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"credential-relay/datadog"
)

const (
	firstPause = 500 * time.Millisecond
	maxPause   = 5 * time.Second
)

var (
	errNotYet  = temporary{errors.New("stored, but Datadog has yet to say that the credential is valid")}
	errInvalid = errors.New("stored, but Datadog calls the credential invalid; check it at its issuer")
)

// confirm asks Datadog about the credential that it now holds and, side by side,
// the source for its version. It reports moved when that is another version by
// now, which is then the work's credential.
func (e *Engine) confirm(ctx context.Context, w *work) (moved bool, err error) {
	defer timed(ctx, AtConfirm)()
	var now Credential
	var sourceErr error
	second := start(func() { now, sourceErr = e.Sources.readVersion(ctx, w.Source, w.credential.VersionID) })
	err = e.awaitAccepted(ctx, w)
	second()
	switch {
	case sourceErr == nil && now.VersionID != w.credential.VersionID:
		w.credential = now
		return true, nil
	case sourceErr != nil && err == nil:
		return false, failed(AtConfirm, temporary{fmt.Errorf("stored, but the source's version could not be read once more: %w", sourceErr)})
	}
	return false, err
}

// awaitAccepted waits until Datadog accepts what it holds, as long as the context
// allows. A binding that follows its source then turns the config on.
func (e *Engine) awaitAccepted(ctx context.Context, w *work) error {
	err := e.awaitVerdict(ctx, w)
	w.result.Outcome = outcomeOf(err)
	w.took.Outcome = w.result.Outcome
	if err != nil {
		return err
	}
	return e.followOn(ctx, w)
}

// followOn turns the config on of a binding that follows its source, once Datadog
// has accepted the credential.
func (e *Engine) followOn(ctx context.Context, w *work) error {
	if w.Enabled != Follow || w.result.Enabled == nil || *w.result.Enabled {
		return nil
	}
	return e.sendFlag(ctx, w, w.Enabled.flag())
}

func (e *Engine) awaitVerdict(ctx context.Context, w *work) error {
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		err := e.tryStored(ctx, w)
		if !errors.Is(err, errNotYet) {
			return err
		}
		if !wait(ctx, pause) {
			return err
		}
	}
}

// tryStored has Datadog try what it holds, once. It returns nil when Datadog
// accepts it, a stop with errNotYet while Datadog is initializing, and what a
// relay stops with otherwise.
func (e *Engine) tryStored(ctx context.Context, w *work) error {
	answer := e.Datadog.ValidateStored(ctx, w.ConfigID)
	if w.took == nil {
		e.maskHeld(ctx, w, answer)
	}
	switch {
	case answer == nil:
		w.triedStored()
		return nil
	case !datadog.IsNotOffered(answer) && !datadog.IsInvalidCredential(answer):
		return pending(answer)
	}
	// The state of before says nothing: it may still be the old credential's.
	config, err := e.getConfig(ctx, w.ConfigID)
	if err == nil {
		w.see(*config)
	}
	if datadog.IsNotOffered(answer) {
		w.notValidated(answer)
		if err != nil {
			return pending(err)
		}
		return verdictOf(config.State)
	}
	if err == nil && config.State == datadog.Initializing {
		return pending(errNotYet)
	}
	w.triedStored()
	return &stop{outcome: Invalid, stage: AtConfirm, cause: answer}
}

// maskHeld has the current credential masked in an answer about what Datadog
// holds, which may quote it. Where the credential cannot be read, it takes
// Datadog's words out of the answer.
func (e *Engine) maskHeld(ctx context.Context, w *work, answer error) {
	var said *datadog.Error
	if !errors.As(answer, &said) || len(said.Messages) == 0 {
		return
	}
	hint := ""
	if w.receipt != nil {
		hint = w.receipt.VersionID
	}
	held, err := e.Sources.readVersion(ctx, w.Source, hint)
	if err != nil {
		said.Messages = nil
		return
	}
	secrets, err := held.Select(w.Fields)
	if err != nil {
		said.Messages = nil
		return
	}
	w.mask.Add(secrets)
}

// verdictOf returns what a state that was read after the PATCH says, where
// Datadog does not offer to try what it holds.
func verdictOf(state datadog.State) error {
	switch state {
	case datadog.Valid:
		return nil
	case datadog.Invalid:
		return &stop{outcome: Invalid, stage: AtConfirm, cause: errInvalid}
	default:
		return pending(errNotYet)
	}
}

func pending(cause error) error { return &stop{outcome: Pending, stage: AtConfirm, cause: cause} }

// triedStored notes that Datadog has tried what it holds, of a credential that it
// could not try before.
func (w *work) triedStored() {
	if _, ok := w.destination.(inAzure); ok {
		w.validated()
	}
}

// askDatadog has Datadog try what it holds, which is the current version, and
// reports what Datadog says. It sends no credential.
func (e *Engine) askDatadog(ctx context.Context, w *work) error {
	defer timed(ctx, AtConfirm)()
	err := e.tryStored(ctx, w)
	w.said = outcomeOf(err)
	w.result.Outcome = w.said
	if w.said == Updated && w.receipt.Outcome == Updated {
		w.result.Outcome = Unchanged
	}
	if err != nil {
		return err
	}
	return e.followOn(ctx, w)
}
