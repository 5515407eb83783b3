package relay

import (
	"context"
	"fmt"

	"credential-relay/datadog"
)

// look reads what there is to know about one binding before anything is decided:
// its source's current version, the config and the receipt, side by side.
func (e *Engine) look(ctx context.Context, w *work) error {
	if w.fault != nil {
		return nil // which decide reports
	}
	config := start(func() {
		defer timed(ctx, AtConfig)()
		w.config, w.configErr = e.getConfig(ctx, w.ConfigID)
	})
	// A receipt that cannot be read is none.
	receipt := start(func() { w.receipt, _ = e.readReceipt(ctx, w.ConfigID) })
	if !w.flagOnly {
		w.lookAtSource(ctx, e.Sources)
	}
	config()
	receipt()
	if w.config != nil {
		w.see(*w.config)
	}
	if w.config == nil && !datadog.IsForbidden(w.configErr) {
		return nil // which decide reports
	}
	return e.findRival(ctx, w)
}

// lookAtSource asks AWS about the source. A work that may send the credential
// reads it at once, and asks only when the source may be deleted. Only the answer
// to that counts: Secrets Manager also says that a value is not found.
func (w *work) lookAtSource(ctx context.Context, sources Sources) {
	if w.read == nil {
		w.now, w.nowErr = sources.look(ctx, w.Source)
		return
	}
	var err error
	if w.credential, err = w.read(ctx); err == nil {
		w.now = current{id: w.credential.VersionID}
		return
	}
	w.nowErr = err
	if !isDeletion(err) {
		return
	}
	switch now, lookErr := sources.look(ctx, w.Source); {
	case now.deleted || isNotFound(lookErr):
		w.now, w.nowErr = now, lookErr
	case lookErr != nil:
		w.nowErr = fmt.Errorf("%s: %w", Describe(err), lookErr)
	default: // the source is there, so that the answer was about its value
		w.nowErr = temporary{fmt.Errorf("the source is there, but its value cannot be read: %s", Describe(err))}
	}
}

// getConfig returns the config; nil with an error when Datadog does not return
// it.
func (e *Engine) getConfig(ctx context.Context, id datadog.ConfigID) (*datadog.IntegrationConfig, error) {
	config, err := e.Datadog.GetIntegrationConfig(ctx, id)
	if err != nil {
		return nil, err
	}
	return &config, nil
}

// findRival looks for another binding of the same config, by the rule of
// everything.about, unless the receipt names this one.
func (e *Engine) findRival(ctx context.Context, w *work) error {
	if w.receipt != nil && w.receipt.Binding == w.Parameter {
		return nil
	}
	all, err := e.walk(ctx)
	if err != nil {
		return failed(AtBinding, fmt.Errorf("look for another binding of the same integration config: %w", err))
	}
	w.receipt, w.rival = all.about(w.Binding)
	return nil
}
