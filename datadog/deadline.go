package datadog

import (
	"context"
	"time"
)

const (
	// readLimit is how long the first attempt to read can take. Each later attempt
	// can take twice as long as the one before: a dead connection is given up soon,
	// and a slow answer still arrives.
	readLimit = 10 * time.Second
	// slowLimit is how long an attempt to validate or store can take if there is no
	// deadline. Datadog asks the product's server meanwhile, which may be slow. With
	// a deadline the limit is what it leaves, less the reserve.
	slowLimit = time.Minute
	// reserve is how much time before the deadline a slow call ends, so that its
	// caller can look at what was done and report. It is a quarter of the time that
	// is left, if that is less.
	reserve = 5 * time.Second
)

// callContext returns the context for all attempts and waits of a call.
func (o operation) callContext(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok || !o.slow {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(reserve, time.Until(deadline)/4)))
}

// attemptContext returns the context for one attempt of a call, after so many
// attempts before it.
func (o operation) attemptContext(ctx context.Context, before int) (context.Context, context.CancelFunc) {
	_, ok := ctx.Deadline()
	switch {
	case !o.slow:
		return context.WithTimeout(ctx, readLimit<<before)
	case !ok:
		return context.WithTimeout(ctx, slowLimit)
	default:
		return context.WithCancel(ctx)
	}
}
