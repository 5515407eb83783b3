// Package handler holds the doors of the Lambda function: raw event in, reply
// out. Each door decodes its events to triggers; what follows is the same for
// all of them.
package handler

import (
	"context"
	"encoding/json"
	"log/slog"
	"runtime/debug"
	"time"

	"golang.org/x/sync/errgroup"

	"credential-relay/relay"
)

const (
	sourcesAtOnce = 4
	reportMargin  = time.Second // kept back from the deadline, to report in
)

// Handler serves the function's invocations. It implements aws-lambda-go's
// lambda.Handler. Its fields are set before its first use and not changed
// after.
type Handler struct {
	Engine *relay.Engine
	Log    *slog.Logger
}

// Invoke serves one invocation: it decodes the event, relays what it asks for
// and replies. An error is a function error; its type's name is what Lambda
// reports as errorType.
func (h *Handler) Invoke(ctx context.Context, event []byte) (reply []byte, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			// The stack, but not the cause itself: that may quote a credential.
			h.Log.ErrorContext(ctx, "panic", keyStack, string(debug.Stack()))
			reply, err = nil, &InternalError{}
		}
	}()
	ctx, cancel := withinDeadline(ctx)
	defer cancel()
	started := time.Now()
	served, err := h.serve(ctx, event)
	h.logInvocation(ctx, started, served, err)
	if err != nil {
		return nil, err
	}
	return json.Marshal(served.reply)
}

// served is what became of an invocation.
type served struct {
	trigger  string
	outcomes []relay.Outcome // of everything that was relayed, once
	reply    any
}

// serve finds the event's door. Events are told apart by the keys they have and
// never by trying to decode them: most shapes decode into most others.
func (h *Handler) serve(ctx context.Context, event []byte) (served, error) {
	members, err := decodeObject(event)
	if err != nil {
		return served{}, err
	}
	if members.isBatch() {
		return h.serveBatch(ctx, members)
	}
	return h.serveOne(ctx, members)
}

// serveOne serves an event that has come straight, from EventBridge or by hand.
func (h *Handler) serveOne(ctx context.Context, members object) (served, error) {
	trigger, err := decodeTrigger(members)
	if err != nil {
		return served{trigger: trigger.Kind}, err
	}
	outcomes := h.relay(ctx, []Trigger{trigger})[0]
	if !trigger.byHand {
		err = failure(outcomes)
	}
	return served{trigger.Kind, outcomes, Report{outcomes}}, err
}

// relay relays what each trigger asks for, side by side, and returns each
// one's outcomes.
func (h *Handler) relay(ctx context.Context, triggers []Trigger) [][]relay.Outcome {
	outcomes := make([][]relay.Outcome, len(triggers))
	var group errgroup.Group
	group.SetLimit(sourcesAtOnce)
	for i, trigger := range triggers {
		group.Go(func() error {
			outcomes[i] = h.relayOne(ctx, trigger)
			h.logOutcomes(ctx, trigger, outcomes[i])
			return nil
		})
	}
	_ = group.Wait()
	return outcomes
}

func (h *Handler) relayOne(ctx context.Context, trigger Trigger) []relay.Outcome {
	if trigger.asksForNothing() {
		return []relay.Outcome{trigger.outcome}
	}
	return h.Engine.Relay(ctx, trigger.Source, trigger.DryRun)
}

// withinDeadline keeps back from the invocation's deadline what it takes to
// report.
func withinDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	margin := min(reportMargin, time.Until(deadline)/4)
	return context.WithDeadline(ctx, deadline.Add(-margin))
}
