// Package handler holds the doors of the Lambda function: raw event in, reply
// out. Each door decodes its events to triggers; what follows is the same for
// all of them.
package handler

import (
	"context"
	"encoding/json"
	"log/slog"
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
	// Stack tells the metrics of one stack from those of another. Without it the
	// log holds no metrics.
	Stack string
	// WebhookMayDisable lets deliveries turn a sync off.
	WebhookMayDisable bool
	// Redelivery delays the messages of the queue that failed; nil leaves that to
	// the queue.
	Redelivery *Redelivery
	// Signatures checks webhook deliveries that no gateway vouches for; nil
	// when there shall be none.
	Signatures *Signatures

	recent recentResponses
}

// Invoke serves one invocation: it decodes the event, relays what it asks for
// and replies. An error is a function error; its type's name is what Lambda
// reports as errorType.
func (h *Handler) Invoke(ctx context.Context, event []byte) (reply []byte, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			h.logPanic(ctx)
			reply, err = nil, &InternalError{}
		}
	}()
	started := time.Now()
	within, cancel := withinDeadline(ctx)
	defer cancel()
	served, err := h.serve(within, event)
	h.logInvocation(ctx, started, served, err)
	if err != nil {
		return nil, err
	}
	return json.Marshal(served.reply)
}

// served is what became of an invocation.
type served struct {
	trigger string
	Report  // of everything that was relayed, once
	reply   any
}

// serve finds the event's door. Events are told apart by the keys they have and
// never by trying to decode them: most shapes decode into most others.
func (h *Handler) serve(ctx context.Context, raw []byte) (served, error) {
	event, err := decodePayload(raw)
	switch {
	case err != nil:
		return served{}, err
	case event.isRotationStep():
		return h.serveRotation(ctx, event)
	case event.isBatch():
		return h.serveBatch(ctx, event)
	case event.isDelivery():
		return h.serveDelivery(ctx, event), nil
	case event.isQuestion():
		return h.serveQuestion(ctx, event)
	default:
		return h.serveStraight(ctx, event)
	}
}

// serveStraight serves an event that has come by itself: from EventBridge, a
// topic, a failed invocation's record or by hand.
func (h *Handler) serveStraight(ctx context.Context, event object) (served, error) {
	set, err := decodeStraight(event)
	if err != nil {
		return served{trigger: "malformed"}, err
	}
	triggers := set.triggers
	report := joined(h.relaySet(ctx, set))
	result := served{trigger: kindOf(triggers), Report: report, reply: report}
	if len(triggers) == 1 && triggers[0].byHand {
		return result, nil
	}
	return result, report.failure()
}

func kindOf(triggers []Trigger) string {
	if len(triggers) == 1 {
		return triggers[0].Kind
	}
	return "several"
}

// relay does what each trigger asks for, side by side, and returns each one's
// report.
func (h *Handler) relay(ctx context.Context, triggers []Trigger) []Report {
	reports := make([]Report, len(triggers))
	var group errgroup.Group
	group.SetLimit(sourcesAtOnce)
	for i, trigger := range triggers {
		group.Go(func() error {
			reports[i] = h.relayOne(ctx, trigger)
			h.logOutcomes(ctx, trigger, reports[i].Results)
			return nil
		})
	}
	_ = group.Wait()
	return reports
}

func (h *Handler) relayOne(ctx context.Context, trigger Trigger) Report {
	switch {
	case trigger.answered():
		return Report{Results: []relay.Result{trigger.outcome}}
	case trigger.reconcile:
		results, left := h.Engine.Reconcile(ctx)
		return Report{Results: results, Left: left}
	default:
		results, left := h.Engine.Relay(ctx, trigger.Request)
		return Report{Results: results, Left: left}
	}
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
