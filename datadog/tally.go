package datadog

import (
	"context"
	"sync/atomic"
	"time"
)

// Tally counts what calls waited for. The zero Tally is ready to use. A Tally is
// safe for concurrent use.
type Tally struct {
	retries       atomic.Int64
	rateLimitWait atomic.Int64 // in nanoseconds
}

// Retries returns how many attempts followed the first of their call, including
// those with other keys.
func (t *Tally) Retries() int { return int(t.retries.Load()) }

// RateLimitWait returns how long calls waited for a rate limit: before they were
// sent, and after a 429. Concurrent waits are summed.
func (t *Tally) RateLimitWait() time.Duration { return time.Duration(t.rateLimitWait.Load()) }

type tallyKey struct{}

// WithTally returns a context whose calls count in t, also if they fail.
func WithTally(ctx context.Context, t *Tally) context.Context {
	return context.WithValue(ctx, tallyKey{}, t)
}

// tallyOf returns the context's tally, or a new one.
func tallyOf(ctx context.Context) *Tally {
	if t, ok := ctx.Value(tallyKey{}).(*Tally); ok {
		return t
	}
	return &Tally{}
}

// sleepForLimit is a sleep that counts as a wait for a rate limit.
func sleepForLimit(ctx context.Context, pause time.Duration) bool {
	defer func(started time.Time) {
		tallyOf(ctx).rateLimitWait.Add(int64(time.Since(started)))
	}(time.Now())
	return sleep(ctx, pause)
}
