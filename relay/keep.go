package relay

import (
	"context"
	"time"

	"credential-relay/datadog"
)

const (
	// keysRereadAtMostEvery bounds how often refused keys are had anew: a missing
	// permission is answered with the same 403 as a key that was rotated away.
	keysRereadAtMostEvery = 10 * time.Second
	// renewBefore is how long before their end keys are renewed, so that they
	// last through an invocation. Of those that live shortly it is a quarter.
	renewBefore = 2 * time.Minute
)

// lasting are keys and when they end; a zero time is never.
type lasting struct {
	keys *datadog.Keys
	ends time.Time
	due  time.Time // when to renew them
}

func (l *lasting) isDue() bool   { return !l.ends.IsZero() && !time.Now().Before(l.due) }
func (l *lasting) isEnded() bool { return !l.ends.IsZero() && !time.Now().Before(l.ends) }

// keeper keeps keys, and has others in their place when they end or are refused.
type keeper struct {
	get     func(context.Context) (lasting, error)
	turn    chan struct{} // a lock that one may give up waiting for
	kept    lasting
	askedAt time.Time // when it was last tried to replace them
}

func keep(get func(context.Context) (lasting, error)) datadog.KeySource {
	k := &keeper{get: get, turn: make(chan struct{}, 1)}
	return func(ctx context.Context, refused *datadog.Keys) (*datadog.Keys, error) {
		// Who has the turn may have begun before the invocation did, and have
		// been frozen since: its time is not this caller's.
		select {
		case k.turn <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		defer func() { <-k.turn }()
		return k.keys(ctx, refused)
	}
}

func (k *keeper) keys(ctx context.Context, refused *datadog.Keys) (*datadog.Keys, error) {
	first := k.kept.keys == nil
	wanted := first || refused == k.kept.keys || k.kept.isDue()
	tooSoon := !first && !k.kept.isEnded() && time.Since(k.askedAt) < keysRereadAtMostEvery
	if !wanted || tooSoon {
		return k.kept.keys, nil
	}
	if !first {
		k.askedAt = time.Now()
	}
	found, err := k.get(ctx)
	if err != nil {
		if refused == nil && !first && !k.kept.isEnded() { // they are still good
			return k.kept.keys, nil
		}
		return nil, err
	}
	if found.ends.IsZero() && !first && found.keys.Equal(k.kept.keys) {
		return k.kept.keys, nil // so that they are known to be the same
	}
	found.due = found.ends.Add(-min(renewBefore, time.Until(found.ends)/4))
	k.kept = found
	return found.keys, nil
}
