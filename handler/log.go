package handler

import (
	"context"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"credential-relay/relay"
)

// The keys of the log's attributes, all of them. Saved queries go by them.
const (
	keyTrigger      = "trigger"
	keySource       = "source"
	keyConfigID     = "integration_config_id"
	keyType         = "integration_type"
	keyOutcome      = "outcome"
	keyValidated    = "validated"
	keyNotValidated = "not_validated"
	keyVersionID    = "version_id"
	keyState        = "state"
	keyEnabled      = "enabled"
	keyDryRun       = "dry_run"
	keyStage        = "stage"
	keyError        = "error"
	keyRetryable    = "retryable"
	keyOutcomes     = "outcomes"
	keyLeft         = "left"
	keyDuration     = "duration_ms"
	keyStack        = "stack"
)

// logOutcomes writes a line for each binding that a trigger led to.
func (h *Handler) logOutcomes(ctx context.Context, trigger Trigger, outcomes []relay.Outcome) {
	for _, outcome := range outcomes {
		h.Log.LogAttrs(ctx, levelOf(outcome), "relay", attributes(trigger, outcome)...)
	}
}

func levelOf(outcome relay.Outcome) slog.Level {
	switch {
	case outcome.Failed():
		return slog.LevelError
	case outcome.Error != nil: // pending, or ignored for a reason
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

func attributes(trigger Trigger, o relay.Outcome) []slog.Attr {
	attrs := slices.DeleteFunc([]slog.Attr{
		slog.String(keyTrigger, trigger.Kind),
		slog.String(keySource, o.Source),
		slog.String(keyConfigID, string(o.ConfigID)),
		slog.String(keyType, string(o.Type)),
		slog.String(keyOutcome, string(o.Verdict)),
		slog.String(keyVersionID, o.VersionID),
		slog.String(keyState, string(o.State)),
	}, func(attr slog.Attr) bool { return attr.Value.String() == "" })
	if o.Validated != nil {
		attrs = append(attrs, slog.Bool(keyValidated, *o.Validated))
	}
	if o.NotValidated != "" {
		attrs = append(attrs, slog.String(keyNotValidated, o.NotValidated))
	}
	if o.Enabled != nil {
		attrs = append(attrs, slog.Bool(keyEnabled, *o.Enabled))
	}
	if trigger.DryRun {
		attrs = append(attrs, slog.Bool(keyDryRun, true))
	}
	if o.Error != nil {
		attrs = append(attrs, slog.String(keyStage, string(o.Error.Stage)),
			slog.String(keyError, o.Error.Message), slog.Bool(keyRetryable, o.Error.Retryable))
	}
	return attrs
}

// logPanic writes the stack of a panic, while that is being recovered from, but
// not its cause: that may quote a credential.
func (h *Handler) logPanic(ctx context.Context) {
	h.Log.ErrorContext(ctx, "panic", keyStack, string(debug.Stack()))
}

// logInvocation writes the line that sums up an invocation: how many relays
// came to which outcome.
func (h *Handler) logInvocation(ctx context.Context, started time.Time, served served, err error) {
	level := slog.LevelInfo
	if err != nil {
		level = slog.LevelError
	}
	counts := map[relay.Verdict]int{}
	for _, outcome := range served.Outcomes {
		counts[outcome.Verdict]++
		level = max(level, levelOf(outcome))
	}
	attrs := []slog.Attr{
		slog.String(keyTrigger, served.trigger),
		slog.Any(keyOutcomes, counts),
		slog.Int64(keyDuration, time.Since(started).Milliseconds()),
	}
	if served.Left > 0 {
		attrs = append(attrs, slog.Int(keyLeft, served.Left))
	}
	h.Log.LogAttrs(ctx, level, "invocation", attrs...)
}
