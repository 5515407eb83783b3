package datadog

import (
	"context"
	"time"
)

const (
	// retryKeysAfter is the least time between two attempts to replace keys. A
	// missing permission gets the same 403 as a key that was rotated, so without
	// it every refused call would fetch the keys again.
	retryKeysAfter = 10 * time.Second
	// renewBefore is how long before their expiry keys are replaced, so that they
	// last through an invocation. Keys with a short life are replaced when a
	// quarter of it is left.
	renewBefore = 2 * time.Minute
)

// Cached returns a source that keeps what fetch returns: keys, and when they
// expire. The zero time means that they do not expire. The source calls fetch
// again shortly before the keys expire, and when Datadog refuses them, but then
// at most every 10 seconds. While fetch fails, keys that have not expired stay
// in use.
func Cached(fetch func(context.Context) (*Keys, time.Time, error)) KeySource {
	c := &cache{fetch: fetch, lock: make(chan struct{}, 1)}
	return func(ctx context.Context, refused *Keys) (*Keys, error) {
		// A lock that a caller can stop waiting for. Its holder may be older than
		// this invocation and frozen since, so this caller's deadline is not the
		// holder's.
		select {
		case c.lock <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		defer func() { <-c.lock }()
		return c.keys(ctx, refused)
	}
}

// cache holds keys and replaces them when they expire or are refused. Its times
// have no monotonic clock, because that may stand still while Lambda keeps the
// instance frozen between invocations.
type cache struct {
	fetch   func(context.Context) (*Keys, time.Time, error)
	lock    chan struct{}
	held    lease
	triedAt time.Time // when the last attempt to replace them began
}

// keys returns the held keys, or others if those are missing, refused or due.
func (c *cache) keys(ctx context.Context, refused *Keys) (*Keys, error) {
	first := c.held.keys == nil
	wanted := first || refused == c.held.keys || c.held.isDue()
	tooSoon := !first && !c.held.isExpired() && time.Since(c.triedAt) < retryKeysAfter
	if !wanted || tooSoon {
		return c.held.keys, nil
	}
	if !first {
		c.triedAt = time.Now().Round(0)
	}
	keys, expiresAt, err := c.fetch(ctx)
	if err != nil {
		if refused == nil && !first && !c.held.isExpired() {
			return c.held.keys, nil
		}
		return nil, err
	}
	if expiresAt.IsZero() && !first && keys.Equal(c.held.keys) {
		return c.held.keys, nil // the same pointer says that there are no other keys
	}
	c.held = newLease(keys, expiresAt)
	return keys, nil
}

// lease is keys with their expiry. Its times are zero if they do not expire.
type lease struct {
	keys               *Keys
	expiresAt, renewAt time.Time
}

func newLease(keys *Keys, expiresAt time.Time) lease {
	if expiresAt.IsZero() {
		return lease{keys: keys}
	}
	expiresAt = expiresAt.Round(0)
	return lease{keys, expiresAt, expiresAt.Add(-min(renewBefore, time.Until(expiresAt)/4))}
}

func (l lease) isDue() bool     { return !l.expiresAt.IsZero() && !time.Now().Before(l.renewAt) }
func (l lease) isExpired() bool { return !l.expiresAt.IsZero() && !time.Now().Before(l.expiresAt) }
