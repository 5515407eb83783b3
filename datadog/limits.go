package datadog

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// RateLimit is one of Datadog's rate limits, as the X-RateLimit headers describe
// it. https://docs.datadoghq.com/api/latest/rate-limits/
type RateLimit struct {
	Name  string
	Reset time.Duration // from the answer on, at most 5 minutes
}

// limits are the rate limits that a Client has met. All its calls share them.
// Datadog's answers say which limit an operation counts towards, so there are
// never more limits than operations.
type limits struct {
	mu          sync.Mutex
	byOperation map[string]*limit // by the operation's name
}

// limit is one of Datadog's rate limits. Until Datadog has named it, it is the
// limit of one operation.
type limit struct {
	name        string
	closedUntil time.Time
}

// observe notes which limit the operation counts towards, and whether it is used
// up: after a 429, and after an answer that leaves nothing of it. A limit stays
// closed until its reset, because an answer that says otherwise may be older. It
// returns the limit's name.
func (l *limits) observe(op operation, resp *http.Response, mask *Mask) (name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	current := l.byOperation[op.name]
	if name = resp.Header.Get("X-RateLimit-Name"); name != "" && (current == nil || name != current.name) {
		name = mask.Text(name) // it may quote the call's secrets and is kept after the call
	}
	if current == nil || name != "" && name != current.name {
		current = l.named(name)
		if l.byOperation == nil {
			l.byOperation = map[string]*limit{}
		}
		l.byOperation[op.name] = current
	}
	if resp.StatusCode != http.StatusTooManyRequests && !nothingRemains(resp.Header) {
		return name
	}
	// Without the monotonic clock, which may stand still while Lambda keeps the
	// instance frozen between invocations.
	wait := max(rateLimitReset(resp.Header), retryAfter(resp.Header), firstBackoff)
	if until := time.Now().Round(0).Add(wait); until.After(current.closedUntil) {
		current.closedUntil = until
	}
	return name
}

// named returns the limit of this name. A limit without a name is a new one.
func (l *limits) named(name string) *limit {
	for _, known := range l.byOperation {
		if name != "" && known.name == name {
			return known
		}
	}
	return &limit{name: name}
}

// current returns the limit of an operation. Its Reset is 0 if the limit is open.
func (l *limits) current(op operation) RateLimit {
	l.mu.Lock()
	defer l.mu.Unlock()
	limit := l.byOperation[op.name]
	if limit == nil {
		return RateLimit{}
	}
	return RateLimit{Name: limit.name, Reset: max(0, time.Until(limit.closedUntil))}
}

// longest returns the longest time for which a limit stays closed, or 0.
func (l *limits) longest() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	var longest time.Duration
	for _, limit := range l.byOperation {
		longest = max(longest, time.Until(limit.closedUntil))
	}
	return longest
}

// wait waits until the limit of an operation has been reset. If the context's
// deadline comes first, it returns the failure at once.
func (l *limits) wait(ctx context.Context, req request) *Error {
	for {
		limit := l.current(req.operation)
		if limit.Reset == 0 {
			return nil
		}
		// Random, so that waiting calls are not sent together: the first answer may
		// close the limit again.
		if !sleepForLimit(ctx, limit.Reset+rand.N(firstBackoff)) {
			return &Error{
				Call: req.call, RateLimit: limit, Retryable: true, RetryAfter: limit.Reset,
				Err: &limitError{limit.Reset, ctx.Err()},
			}
		}
	}
}

// limitError reports that a call was not sent because a limit is used up.
type limitError struct {
	left  time.Duration
	cause error // why the wait ended, or nil if it did not begin
}

func (e *limitError) Error() string {
	return fmt.Sprintf("not sent, because the limit is used up for another %s", e.left.Round(time.Second))
}

func (e *limitError) Unwrap() error { return e.cause }

// nothingRemains reports whether an answer says that a limit is used up.
func nothingRemains(header http.Header) bool {
	remaining, err := strconv.ParseFloat(header.Get("X-RateLimit-Remaining"), 64)
	return err == nil && remaining <= 0
}
