package datadog_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"credential-relay/datadog"
)

// issuer makes a new token in each fetch, or fails with err.
type issuer struct {
	life    time.Duration // 0 for tokens that do not expire
	fetches int
	same    bool
	err     error
}

func (i *issuer) fetch(context.Context) (*datadog.Keys, time.Time, error) {
	if i.err != nil {
		return nil, time.Time{}, i.err
	}
	i.fetches++
	keys := keysOf("", "", fmt.Sprintf("token-%d", i.fetches))
	if i.same {
		keys = keysOf("", "", "token")
	}
	if i.life == 0 {
		return &keys, time.Time{}, nil
	}
	return &keys, time.Now().Add(i.life), nil
}

// TestCachedKeysAreRenewed follows one token after another, in virtual time.
func TestCachedKeysAreRenewed(t *testing.T) {
	for name, c := range map[string]struct{ life, renewed time.Duration }{
		"a long life":  {15 * time.Minute, 13 * time.Minute},
		"a short life": {4 * time.Minute, 3 * time.Minute},
	} {
		virtually(t, name, func(t *testing.T) {
			from := &issuer{life: c.life}
			source := datadog.Cached(from.fetch)
			get := func(wantFetches int) *datadog.Keys {
				t.Helper()
				keys, err := source(t.Context(), nil)
				if err != nil || from.fetches != wantFetches {
					t.Fatalf("got %d fetches and the error %v, want %d fetches", from.fetches, err, wantFetches)
				}
				return keys
			}
			first := get(1)
			time.Sleep(c.renewed - time.Second)
			if get(1) != first {
				t.Error("got other keys before they were due")
			}
			time.Sleep(time.Second)
			second := get(2)

			// Keys that cannot be renewed stay in use until they expire.
			from.err = errors.New("no connection")
			time.Sleep(c.life - time.Second)
			if get(2) != second {
				t.Error("got other keys than those that have not expired")
			}
			time.Sleep(time.Second)
			if keys, err := source(t.Context(), nil); !errors.Is(err, from.err) || keys != nil {
				t.Errorf("got expired keys, or the error %v, want %v", err, from.err)
			}
			from.err = nil
			get(3)
		})
	}
}

// TestCachedKeysAreReplacedWhenRefused expects it at once the first time, and then at most every 10 seconds.
func TestCachedKeysAreReplacedWhenRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := &issuer{}
		source := datadog.Cached(from.fetch)
		var held *datadog.Keys
		for _, step := range []struct {
			wait    time.Duration
			refused bool
			fetches int
		}{
			{0, false, 1},
			{time.Hour, false, 1},
			{0, true, 2},
			{0, true, 2},
			{10*time.Second - 1, true, 2},
			{1, true, 3},
			{time.Hour, false, 3},
		} {
			time.Sleep(step.wait)
			var refused *datadog.Keys
			if step.refused {
				refused = held
			}
			keys, err := source(t.Context(), refused)
			if err != nil || from.fetches != step.fetches {
				t.Errorf("%+v: got %d fetches and the error %v", step, from.fetches, err)
			}
			held = keys
		}
	})
}

// TestCachedKeysThatAreTheSame checks that they keep their address, by which a client knows that there are no others.
func TestCachedKeysThatAreTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := &issuer{same: true}
		source := datadog.Cached(from.fetch)
		held, err := source(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := source(t.Context(), held); again != held || err != nil || from.fetches != 2 {
			t.Errorf("got other keys, or the error %v, after %d fetches, want the same after 2", err, from.fetches)
		}
		time.Sleep(time.Minute)
		from.err = errors.New("access denied")
		if keys, err := source(t.Context(), held); !errors.Is(err, from.err) || keys != nil {
			t.Errorf("got refused keys, or the error %v, want %v", err, from.err)
		}
	})
}

// TestCachedKeysDoNotBlock has one caller that hangs and another with its own deadline.
func TestCachedKeysDoNotBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		want := keysOf("", "", token)
		source := datadog.Cached(func(context.Context) (*datadog.Keys, time.Time, error) {
			<-release
			return &want, time.Time{}, nil
		})
		go func() { _, _ = source(context.WithoutCancel(t.Context()), nil) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := source(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want context.DeadlineExceeded", err)
		}
		close(release)
		if got, err := source(t.Context(), nil); got != &want || err != nil {
			t.Errorf("got other keys, or the error %v", err)
		}
	})
}
