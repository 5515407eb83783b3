package datadog

import (
	"context"
	"time"
)

const (
	// readLimit is how long the first attempt to read may take. Each later attempt
	// may take twice as long as the one before: a dead connection is given up soon,
	// and a slow answer still arrives.
	readLimit = 10 * time.Second
	// slowLimit is how long an attempt to validate or store may take if there is
	// no deadline. With one, such an attempt may take all the time that is left
	// before the reserve: Datadog asks the product's server, which may be slow.
	slowLimit = time.Minute
	// reserve is how much of its context's time a slow call leaves to the caller,
	// to look at what was done and to report. It is a quarter of the time if that
	// is less.
	reserve = 5 * time.Second
)

// callContext returns the context of a call with all of its attempts and waits.
func (o operation) callContext(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok || !o.slow {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(reserve, time.Until(deadline)/4)))
}

// attemptContext returns the context of one attempt of a call, after so many
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
