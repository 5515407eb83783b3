package handler

import (
	"context"
	"errors"
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
	keyStatus       = "status"
	keyReceiptError = "receipt_error"
	keyState        = "state"
	keyEnabled      = "enabled"
	keyDryRun       = "dry_run"
	keyStage        = "stage"
	keyError        = "error"
	keyRetryable    = "retryable"
	keyOutcomes     = "outcomes"
	keyLeft         = "left"
	keyStackTrace   = "stack_trace"

	keyDuration      = "duration_ms"
	keyTimeUsed      = "time_used_percent"
	keyRetries       = "retries"
	keyRateLimitWait = "rate_limit_wait_ms"
	keySourceTime    = "source_ms"
	keyConfigTime    = "config_ms"
	keyValidateTime  = "validate_ms"
	keyPutTime       = "put_ms"
	keyPatchTime     = "patch_ms"
	keyConfirmTime   = "confirm_ms"
)

// logOutcomes writes a line for each binding that a trigger led to.
func (h *Handler) logOutcomes(ctx context.Context, trigger Trigger, outcomes []relay.Result) {
	for _, outcome := range outcomes {
		attrs := append(attributes(trigger, outcome), effortAttrs(outcome.Effort)...)
		h.Log.LogAttrs(ctx, levelOf(outcome), "relay", h.withMetrics(attrs, relayMetrics(trigger, outcome))...)
	}
}

func levelOf(outcome relay.Result) slog.Level {
	switch {
	case outcome.Failed():
		return slog.LevelError
	case outcome.Outcome == relay.Ignored && outcome.Error.Stage == relay.AtBinding: // nothing is bound, as for most secrets
		return slog.LevelInfo
	case outcome.Error != nil, outcome.ReceiptError != "":
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

func attributes(trigger Trigger, o relay.Result) []slog.Attr {
	attrs := slices.DeleteFunc([]slog.Attr{
		slog.String(keyTrigger, trigger.Kind),
		slog.String(keySource, o.Source),
		slog.String(keyConfigID, string(o.ConfigID)),
		slog.String(keyType, string(o.Type)),
		slog.String(keyOutcome, string(o.Outcome)),
		slog.String(keyVersionID, o.VersionID),
		slog.String(keyState, string(o.State)),
		slog.String(keyStatus, string(o.Status)),
		slog.String(keyReceiptError, o.ReceiptError),
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
		if o.Error.Stack != "" {
			attrs = append(attrs, slog.String(keyStackTrace, o.Error.Stack))
		}
	}
	return attrs
}

// timeKeys are the keys of the stages that take time, in their order.
var timeKeys = []struct {
	stage relay.Stage
	key   string
}{
	{relay.AtSource, keySourceTime},
	{relay.AtConfig, keyConfigTime},
	{relay.AtValidate, keyValidateTime},
	{relay.AtPut, keyPutTime},
	{relay.AtPatch, keyPatchTime},
	{relay.AtConfirm, keyConfirmTime},
}

// effortAttrs returns what a relay took, in milliseconds a stage.
func effortAttrs(effort relay.Effort) []slog.Attr {
	var attrs []slog.Attr
	if effort.Retries > 0 {
		attrs = append(attrs, slog.Int(keyRetries, effort.Retries))
	}
	if effort.RateLimitWait > 0 {
		attrs = append(attrs, slog.Int64(keyRateLimitWait, effort.RateLimitWait.Milliseconds()))
	}
	for _, of := range timeKeys {
		if took, gone := effort.Durations[of.stage]; gone {
			attrs = append(attrs, slog.Int64(of.key, took.Milliseconds()))
		}
	}
	return attrs
}

// logPanic writes the stack of a panic, while that is being recovered from, but
// not its cause: that may quote a credential.
func (h *Handler) logPanic(ctx context.Context) {
	h.Log.ErrorContext(ctx, "panic", keyStackTrace, string(debug.Stack()))
}

// logInvocation writes the line that sums up an invocation: how many relays
// came to which outcome. The context is Lambda's own, with its deadline.
func (h *Handler) logInvocation(ctx context.Context, started time.Time, served served, err error) {
	level := slog.LevelInfo
	if err != nil {
		level = slog.LevelError
	}
	counts := map[relay.Outcome]int{}
	for _, outcome := range served.Results {
		counts[outcome.Outcome]++
		level = max(level, levelOf(outcome))
	}
	attrs := []slog.Attr{
		slog.String(keyTrigger, served.trigger),
		slog.Any(keyOutcomes, counts),
		slog.Int64(keyDuration, time.Since(started).Milliseconds()),
	}
	if reported := (*RelayFailed)(nil); err != nil && !errors.As(err, &reported) { // those have lines of their own
		attrs = append(attrs, slog.String(keyError, err.Error()))
	}
	if served.Left > 0 {
		attrs = append(attrs, slog.Int(keyLeft, served.Left))
	}
	if percent, limited := timeUsed(ctx, started); limited {
		attrs = append(attrs, slog.Int64(keyTimeUsed, percent))
	}
	h.Log.LogAttrs(ctx, level, "invocation", attrs...)
}

// timeUsed is how much an invocation has used of the time that Lambda gave it, in
// percent.
func timeUsed(ctx context.Context, started time.Time) (percent int64, limited bool) {
	deadline, limited := ctx.Deadline()
	had := deadline.Sub(started)
	if had <= 0 {
		return 100, limited
	}
	return min(100, int64(100*time.Since(started)/had)), limited
}
