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

// limits are the rate limits that a Client has met, shared by all its calls.
// Which limit an operation counts towards is learned from Datadog's answers to
// it, so there are never more limits than operations.
type limits struct {
	lock sync.Mutex
	of   map[operation]*limit
}

// limit is one of Datadog's rate limits, or, while Datadog has not named one,
// an operation's own.
type limit struct {
	name        string
	closedUntil time.Time
}

// learn takes from an answer which limit the operation counts towards, and
// that it is used up: after a 429, and after any answer that leaves nothing. A
// limit that is closed stays so until its reset, since an answer that says
// otherwise may be from before.
func (l *limits) learn(of operation, name string, status int, header http.Header) {
	l.lock.Lock()
	defer l.lock.Unlock()
	known := l.of[of]
	if known == nil || name != "" && name != known.name {
		known = l.called(name)
		if l.of == nil {
			l.of = map[operation]*limit{}
		}
		l.of[of] = known
	}
	if status != http.StatusTooManyRequests && !nothingRemains(header) {
		return
	}
	// Without the monotonic clock, which may stand still while Lambda keeps the
	// instance frozen between invocations.
	until := time.Now().Round(0).Add(max(rateLimitReset(header), firstBackoff))
	if until.After(known.closedUntil) {
		known.closedUntil = until
	}
}

// called finds a limit by its name. Those without one are each by itself.
func (l *limits) called(name string) *limit {
	for _, known := range l.of {
		if name != "" && known.name == name {
			return known
		}
	}
	return &limit{name: name}
}

// closed gives the limit of an operation, its Reset being 0 unless it is used up.
func (l *limits) closed(of operation) RateLimit {
	l.lock.Lock()
	defer l.lock.Unlock()
	known := l.of[of]
	if known == nil {
		return RateLimit{}
	}
	return RateLimit{Name: known.name, Reset: max(0, time.Until(known.closedUntil))}
}

// wait lets the time pass until the limit of an operation has been reset. When
// the context's deadline comes first, it returns at once what to tell.
func (l *limits) wait(ctx context.Context, req request) *Error {
	for {
		limit := l.closed(req.operation)
		if limit.Reset == 0 {
			return nil
		}
		// Those who wait shall not all go at once: the first answer may close the
		// limit again.
		if !sleepForLimit(ctx, limit.Reset+rand.N(firstBackoff)) {
			return &Error{
				Call: req.call, RateLimit: limit, Retryable: true, RetryAfter: limit.Reset,
				Err: &usedUp{limit.Reset, ctx.Err()},
			}
		}
	}
}

// usedUp is why a call was not sent.
type usedUp struct {
	left  time.Duration
	cause error // what ended the wait; nil when it was not begun
}

func (e *usedUp) Error() string {
	return fmt.Sprintf("not sent, since the limit is used up for another %s", e.left.Round(time.Second))
}

func (e *usedUp) Unwrap() error { return e.cause }

// rateLimitReset reads the header of that name: a number of seconds from now,
// not a time.
func rateLimitReset(header http.Header) time.Duration {
	seconds, err := strconv.ParseFloat(header.Get("X-RateLimit-Reset"), 64)
	if err != nil || !(seconds > 0) {
		seconds = 0
	}
	const day = 24 * 60 * 60
	return time.Duration(min(seconds, day) * float64(time.Second))
}

func nothingRemains(header http.Header) bool {
	remaining, err := strconv.ParseFloat(header.Get("X-RateLimit-Remaining"), 64)
	return err == nil && remaining <= 0
}
