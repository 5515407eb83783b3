package relay

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"credential-relay/datadog"
)

// store has Datadog store the candidate, and the flag with it. A binding that
// follows its source turns the config on only with a credential that Datadog has
// accepted.
func (e *Engine) store(ctx context.Context, w *work) error {
	flag := w.Enabled.flag()
	if w.Enabled == Follow && !aws.ToBool(w.result.Validated) {
		flag = nil
	}
	if !w.isDated() {
		e.withdrawReceipt(ctx, w)
	}
	if err := w.destination.store(ctx, e, w, flag); err != nil {
		return err
	}
	w.took = &Receipt{Binding: w.Parameter, VersionID: w.credential.VersionID, Outcome: Pending, At: time.Now()}
	w.took.ModifiedAt, w.took.Settled = w.dateTaken()
	return nil
}

// isDated reports whether the config's date will show that the credential was
// stored.
func (w *work) isDated() bool {
	return w.destination.movesDate() && w.config != nil && !w.config.ModifiedAt.IsZero()
}

// dateTaken returns the config's date after our change, and whether that date
// alone proves that no one else's change came later.
func (w *work) dateTaken() (date time.Time, settled bool) {
	switch {
	case w.patched != nil:
		date = w.patched.ModifiedAt
	case w.config != nil:
		date = w.config.ModifiedAt
	}
	exact := hasFraction(date) && (w.config == nil || w.config.ModifiedAt.IsZero() || hasFraction(w.config.ModifiedAt))
	return date, exact && w.destination.movesDate() && !w.lookedUp
}

const (
	maxPatches    = 3 // how often a PATCH is sent that Datadog may not have taken
	patchPause    = time.Second
	maxPatchPause = 5 * time.Second
)

// patch has Datadog change secrets, flag or both in the binding's config. What is
// nil stays as it is. A PATCH that Datadog may have taken is looked up before it
// is sent again.
func (e *Engine) patch(ctx context.Context, w *work, secrets datadog.Secrets, flag *bool) error {
	defer timed(ctx, AtPatch)()
	update := datadog.Update{Type: w.Type, Secrets: secrets, Enabled: flag}
	for sent, pause := 1, patchPause; ; sent, pause = sent+1, min(2*pause, maxPatchPause) {
		patched, err := e.Datadog.UpdateIntegrationConfig(ctx, w.ConfigID, update)
		if err == nil {
			w.patched = &patched
			w.see(patched)
			return nil
		}
		if !isUncertain(err) {
			return err
		}
		config, lookErr := e.getConfig(ctx, w.ConfigID)
		if lookErr == nil && w.wasTaken(*config, update) {
			w.patched, w.lookedUp = config, true
			w.see(*config)
			return nil
		}
		if sent == maxPatches || !wait(ctx, pause) {
			return err
		}
	}
}

func isUncertain(err error) bool {
	var answer *datadog.Error
	return errors.As(err, &answer) && answer.Uncertain
}

// wasTaken reports whether a config shows that Datadog has taken an update.
func (w *work) wasTaken(config datadog.IntegrationConfig, update datadog.Update) bool {
	if update.Secrets == nil {
		return config.Enabled == *update.Enabled
	}
	before := w.config
	if w.patched != nil {
		before = w.patched
	}
	return before != nil && !config.ModifiedAt.IsZero() && !config.ModifiedAt.Equal(before.ModifiedAt)
}

// wait waits for the pause. It reports false when the context ends first.
func wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
