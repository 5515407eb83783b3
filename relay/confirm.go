package relay

import (
	"context"
	"errors"
	"time"

	"credential-relay/datadog"
)

const (
	confirmFor = 10 * time.Second // how long Datadog may go on initializing
	firstPause = 500 * time.Millisecond
)

var (
	errNotYet  = errors.New("stored, but Datadog has yet to say that the credential is valid")
	errInvalid = errors.New("stored, but Datadog calls the credential invalid")
)

// confirm asks Datadog about the credential it now holds and, side by side,
// the source for its version: it reports moved when that is another by now.
func (e *Engine) confirm(ctx context.Context, b Binding, o Result, held Credential) (_ Result, moved bool) {
	defer timed(ctx, AtConfirm)()
	var now Credential
	var err error
	done := beside(func() { now, err = e.Sources.read(ctx, held.Source) })
	o = e.accepted(ctx, b, o)
	done()
	switch {
	case err == nil:
		return o, now.VersionID != held.VersionID
	case o.Outcome != Updated:
		return o, false
	case ctx.Err() != nil:
		return o.ended(Pending, AtConfirm, err), false
	default:
		return o.failed(AtConfirm, err), false
	}
}

// accepted gives the verdict on what Datadog holds.
func (e *Engine) accepted(ctx context.Context, b Binding, o Result) Result {
	ctx, cancel := context.WithTimeout(ctx, confirmFor)
	defer cancel()
	for pause := firstPause; ; pause *= 2 {
		refusal := e.Datadog.ValidateStored(ctx, b.ConfigID)
		switch {
		case refusal == nil:
			o.Outcome = Updated
			return o.tried(b)
		case datadog.IsNotOffered(refusal):
			return e.acceptedByState(ctx, b.ConfigID, o.notValidated(refusal))
		case !datadog.IsInvalidCredential(refusal):
			return o.unconfirmed(refusal)
		}
		// While Datadog is initializing, a refusal may be none.
		if config, err := e.Datadog.GetIntegrationConfig(ctx, b.ConfigID); err == nil {
			o.State = config.State
		}
		if o.State != datadog.Initializing {
			return o.ended(Invalid, AtConfirm, refusal).tried(b)
		}
		if !wait(ctx, pause) {
			return o.unconfirmed(errNotYet)
		}
	}
}

// acceptedByState goes by the config's state alone, where Datadog does not
// offer to try what it holds. A state of invalid counts only when read anew:
// right after a PATCH it may still be the old credential's.
func (e *Engine) acceptedByState(ctx context.Context, id datadog.ConfigID, o Result) Result {
	for pause := firstPause; o.State != datadog.Valid; pause *= 2 {
		if !wait(ctx, pause) {
			return o.unconfirmed(errNotYet)
		}
		config, err := e.Datadog.GetIntegrationConfig(ctx, id)
		if err != nil {
			return o.unconfirmed(err)
		}
		o.State, o.Enabled = config.State, &config.Enabled
		if o.State == datadog.Invalid {
			return o.ended(Invalid, AtConfirm, errInvalid)
		}
	}
	o.Outcome = Updated
	return o
}

func (o Result) unconfirmed(err error) Result { return o.ended(Pending, AtConfirm, err) }

// wait reports whether the pause has passed before the context ended.
func wait(ctx context.Context, pause time.Duration) bool {
	select {
	case <-time.After(pause):
		return true
	case <-ctx.Done():
		return false
	}
}
