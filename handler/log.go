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
	keyDuration     = "duration_ms"
	keyStackTrace   = "stack_trace"
)

// The metrics among them, which are written as CloudWatch writes names. What
// they are called there, and in what unit, cmd/lambda declares.
const (
	keyRetries          = "Retries"
	keyRateLimitWait    = "RateLimitWait"
	keySourceDuration   = "SourceDuration"
	keyConfigDuration   = "ConfigDuration"
	keyValidateDuration = "ValidateDuration"
	keyPutDuration      = "PutDuration"
	keyPatchDuration    = "PatchDuration"
	keyConfirmDuration  = "ConfirmDuration"
	keyTimeToUpdate     = "TimeToUpdate"
	keyTimeUsed         = "TimeUsed"
	keyReconciles       = "Reconciles"
	keyOldestChange     = "OldestUnreconciledChange"

	keySignatureUnavailable = "SignatureUnavailable"
)

// logOutcomes writes a line for each binding that a trigger led to.
func (h *Handler) logOutcomes(ctx context.Context, trigger Trigger, outcomes []relay.Result) {
	for _, outcome := range outcomes {
		h.Log.LogAttrs(ctx, levelOf(outcome), "relay", append(attributes(trigger, outcome), measured(trigger, outcome)...)...)
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

// durationKeys are those of the stages that take time, in their order.
var durationKeys = []struct {
	stage relay.Stage
	key   string
}{
	{relay.AtSource, keySourceDuration},
	{relay.AtConfig, keyConfigDuration},
	{relay.AtValidate, keyValidateDuration},
	{relay.AtPut, keyPutDuration},
	{relay.AtPatch, keyPatchDuration},
	{relay.AtConfirm, keyConfirmDuration},
}

// measured is what it took to come to an outcome; nothing where there was nothing
// to relay.
func measured(trigger Trigger, o relay.Result) []slog.Attr {
	var attrs []slog.Attr
	// Not when there were none: a metric that is always 0 costs as much as another.
	if o.Effort.Retries > 0 {
		attrs = append(attrs, slog.Int(keyRetries, o.Effort.Retries))
	}
	if o.Effort.RateLimitWait > 0 {
		attrs = append(attrs, slog.Int64(keyRateLimitWait, o.Effort.RateLimitWait.Milliseconds()))
	}
	for _, of := range durationKeys {
		if took, gone := o.Effort.Durations[of.stage]; gone {
			attrs = append(attrs, slog.Int64(of.key, took.Milliseconds()))
		}
	}
	if took, known := timeToUpdate(trigger, o); known {
		attrs = append(attrs, slog.Int64(keyTimeToUpdate, took.Milliseconds()))
	}
	return attrs
}

// timeToUpdate is the time from the source's change until Datadog had it. It is
// not known where nobody tells when that change was, nor where the clock of whom
// tells is ahead of ours.
func timeToUpdate(trigger Trigger, o relay.Result) (took time.Duration, known bool) {
	changed := trigger.changed
	if trigger.reconcile {
		changed = o.ChangedAt
	}
	took = o.Effort.Ended.Sub(changed)
	return took, o.Outcome == relay.Updated && !changed.IsZero() && took >= 0
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
	if served.reconciled {
		attrs = append(attrs, slog.Int(keyReconciles, 1), slog.Int64(keyOldestChange, int64(served.oldestChange().Seconds())))
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

// oldestChange is for how long Datadog has been lacking the oldest change of a
// source that a reconcile could not bring there; 0 when there is none.
func (r Report) oldestChange() (age time.Duration) {
	for _, o := range r.Results {
		if (o.Failed() || o.Outcome == relay.Pending) && !o.ChangedAt.IsZero() {
			age = max(age, time.Since(o.ChangedAt))
		}
	}
	return age
}
