package relay

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/sync/errgroup"

	"credential-relay/datadog"
)

const (
	bindingsAtOnce = 16
	// leastShare is the least time that a binding gets while others wait for
	// their turn.
	leastShare = 10 * time.Second
	// longestShare bounds a binding's time where the context has no deadline.
	longestShare = 2 * time.Minute
	// receiptTime is kept back from the deadline to write the receipt.
	receiptTime = time.Second
)

// works returns the work of each binding.
func works(bindings []Binding) []*work {
	all := make([]*work, len(bindings))
	for i, b := range bindings {
		all[i] = newWork(b)
	}
	return all
}

// sideBySide does something with each binding, a bounded number at a time, and
// returns the results. Each is masked, and its effort is what it took. A panic
// fails that binding alone.
func sideBySide(ctx context.Context, all []*work, do func(context.Context, *work) error) []Result {
	results := make([]Result, len(all))
	var group errgroup.Group
	group.SetLimit(bindingsAtOnce)
	for i, w := range all {
		group.Go(func() error {
			ctx, cancel := share(ctx, len(all)-i)
			defer cancel()
			results[i] = w.run(ctx, do)
			return nil
		})
	}
	_ = group.Wait()
	return results
}

// run does something with one binding.
func (w *work) run(ctx context.Context, do func(context.Context, *work) error) Result {
	ctx, meter := metered(ctx)
	ctx = datadog.WithMask(ctx, &w.mask)
	func() {
		defer onPanic(w.end)
		w.end(do(ctx, w))
	}()
	w.result.Effort = meter.after(w.result.Effort)
	return w.masked()
}

// share bounds the time of a binding. While others wait, a few that hang leave
// their turn to the rest.
func share(ctx context.Context, waiting int) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	rounds := (waiting + bindingsAtOnce - 1) / bindingsAtOnce
	switch {
	case !ok:
		return context.WithTimeout(ctx, longestShare)
	case rounds <= 1:
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, max(leastShare, time.Until(deadline)/time.Duration(rounds)))
}

// withReceiptTime keeps back from the deadline what it takes to write a receipt.
func withReceiptTime(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(receiptTime, time.Until(deadline)/4)))
}

// start runs f beside its caller, and returns what waits for its end. A panic of
// f becomes the caller's, with f's stack: in a goroutine of its own no one could
// recover from it.
func start(f func()) (wait func()) {
	ended := make(chan any, 1)
	go func() {
		defer func() {
			if cause := recover(); cause != nil {
				ended <- panicked{cause, debug.Stack()}
			}
			close(ended)
		}()
		f()
	}()
	return func() {
		if cause := <-ended; cause != nil {
			panic(cause)
		}
	}
}

// panicked is a panic of another goroutine.
type panicked struct {
	cause any
	stack []byte
}

// onPanic, deferred, hands over a panic as a stop at AtInternal, with its stack.
// The text tells the panic's value only if that is the runtime's own: another may
// quote a credential.
func onPanic(handle func(error)) {
	cause := recover()
	if cause == nil {
		return
	}
	at := &stop{outcome: Failed, stage: AtInternal, cause: errors.New("internal error"), stack: debug.Stack()}
	if other, ok := cause.(panicked); ok {
		cause, at.stack = other.cause, other.stack
	}
	if fault, ok := cause.(runtime.Error); ok {
		at.cause = fmt.Errorf("internal error: %w", fault)
	}
	handle(at)
}
