package datadog

import (
	"context"
	"math/rand/v2"
	"net/http"
	"time"
)

const (
	maxAttempts  = 4
	firstBackoff = 500 * time.Millisecond
)

// retry is what one call remembers from one attempt to the next. To repeat any
// of this package's calls is safe: they read, or they set what was already
// asked for.
type retry struct {
	attempts     int
	askedForKeys bool
	atOnce       bool // other keys are at hand: try them without a wait
}

// wait lets the time pass until the next attempt. It reports false, at once,
// when there shall be none: the failure is final, the attempts are used up, or
// the deadline would pass first.
func (r *retry) wait(ctx context.Context, failure *Error) bool {
	if r.atOnce {
		r.atOnce = false
		return true
	}
	r.attempts++
	if !failure.Retryable || r.attempts >= maxAttempts || ctx.Err() != nil {
		return false
	}
	pause := firstBackoff << (r.attempts - 1)
	pause = max(pause, failure.RateLimit.Reset) + rand.N(pause) // after a limit's reset, not all at once
	failure.RetryAfter = pause
	if failure.Status == http.StatusTooManyRequests {
		return sleepForLimit(ctx, pause)
	}
	return sleep(ctx, pause)
}

// sleep reports whether the pause has passed. A pause that would outlast the
// context's deadline is not begun.
func sleep(ctx context.Context, pause time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= pause {
		return false
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
