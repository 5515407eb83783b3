package datadog

import (
	"context"
	"sync/atomic"
	"time"
)

// Tally counts what calls had to wait for. Its zero value is ready, and many
// goroutines may add to it and read it.
type Tally struct {
	retries       atomic.Int64
	rateLimitWait atomic.Int64 // in nanoseconds
}

// Retries is how many attempts were made after the first of their call, those
// with other keys included.
func (t *Tally) Retries() int { return int(t.retries.Load()) }

// RateLimitWait is how long calls have waited for a rate limit: before they were
// sent, and after a 429. What calls waited side by side adds up.
func (t *Tally) RateLimitWait() time.Duration { return time.Duration(t.rateLimitWait.Load()) }

type tallyKey struct{}

// WithTally has the calls that are made with the context add to a tally,
// whatever comes of them.
func WithTally(ctx context.Context, t *Tally) context.Context {
	return context.WithValue(ctx, tallyKey{}, t)
}

// tallyOf gives the context's tally, or one that nobody reads.
func tallyOf(ctx context.Context) *Tally {
	if t, ok := ctx.Value(tallyKey{}).(*Tally); ok {
		return t
	}
	return &Tally{}
}

// sleepForLimit is a sleep for the sake of a rate limit, which is tallied.
func sleepForLimit(ctx context.Context, pause time.Duration) bool {
	defer func(started time.Time) {
		tallyOf(ctx).rateLimitWait.Add(int64(time.Since(started)))
	}(time.Now())
	return sleep(ctx, pause)
}
