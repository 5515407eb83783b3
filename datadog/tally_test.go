package datadog_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"credential-relay/datadog"
)

func TestTally(t *testing.T) {
	const s = time.Second
	good := reply(200, goodConfig)
	const ever = time.Hour
	for _, c := range []struct {
		name        string
		answers     []answer
		deadline    time.Duration
		retries     int
		least, most time.Duration // of the wait for a rate limit
	}{
		{"good at once", []answer{good}, ever, 0, 0, 0},
		{"final at once", []answer{says(409)}, ever, 0, 0, 0},
		{"500 twice", []answer{reply(500, ""), reply(500, ""), good}, ever, 2, 0, 0},
		{"500 for ever", []answer{reply(500, "")}, ever, 3, 0, 0},
		{"429", []answer{limited("3"), good}, ever, 1, 3 * s, 3500 * time.Millisecond},
		{"429 twice", []answer{limited("3"), limited("3"), good}, ever, 2, 6 * s, 7500 * time.Millisecond},
		{"429 and 500", []answer{limited("3"), reply(500, ""), good}, ever, 2, 3 * s, 3500 * time.Millisecond},
		{"429 with a reset beyond the deadline", []answer{limited("3")}, 2 * s, 0, 0, 0},
		{"503 that closes the limit", []answer{reply(503, "", "X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 20"), good}, ever, 1, 19 * s, 20 * s},
		{
			"503 that closes the limit beyond the deadline: there is no second attempt",
			[]answer{reply(503, "", "X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 20")},
			10 * s, 0, 0, 0,
		},
	} {
		virtually(t, c.name, func(t *testing.T) {
			client, line := client(c.answers...)
			var tally datadog.Tally
			_ = within(t, client, c.deadline, func(ctx context.Context, client *datadog.Client) error {
				return get(datadog.WithTally(ctx, &tally), client)
			})
			if tally.Retries() != c.retries || line.tries() != c.retries+1 {
				t.Errorf("got %d retries of %d attempts, want %d", tally.Retries(), line.tries(), c.retries)
			}
			if got := tally.RateLimitWait(); got < c.least || got > c.most {
				t.Errorf("got a wait of %s, want %s to %s", got, c.least, c.most)
			}
		})
	}
}

// TestTallyOfOtherKeys expects that an attempt with other keys is counted.
func TestTallyOfOtherKeys(t *testing.T) {
	client, _ := client(reply(403, ""), reply(200, goodConfig))
	client.Keys = func(context.Context, *datadog.Keys) (*datadog.Keys, error) {
		return &datadog.Keys{Token: datadog.NewSecret(token)}, nil
	}
	var tally datadog.Tally
	if err := get(datadog.WithTally(t.Context(), &tally), client); err != nil {
		t.Fatal(err)
	}
	if tally.Retries() != 1 || tally.RateLimitWait() != 0 {
		t.Errorf("got %d retries and a wait of %s, want 1 and none", tally.Retries(), tally.RateLimitWait())
	}
}

// TestTallyOfManyCalls has concurrent calls wait for a closed limit. One of them
// gives up.
func TestTallyOfManyCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := client(exhausted("siem", "60", goodConfig), reply(200, goodConfig))
		if err := get(t.Context(), client); err != nil {
			t.Fatal(err)
		}
		const callers = 10
		var tally, another datadog.Tally
		ctx := datadog.WithTally(t.Context(), &tally)
		var group sync.WaitGroup
		for range callers {
			group.Go(func() { _ = get(ctx, client) })
		}
		group.Go(func() {
			ctx, cancel := context.WithCancel(datadog.WithTally(ctx, &another))
			time.AfterFunc(20*time.Second, cancel)
			_ = get(ctx, client)
		})
		group.Wait()
		if got := tally.RateLimitWait(); got < callers*60*time.Second || got > callers*(60*time.Second+500*time.Millisecond) {
			t.Errorf("%d calls waited %s, want a minute each", callers, got)
		}
		if got := another.RateLimitWait(); got != 20*time.Second {
			t.Errorf("a call that was given up after 20 s waited %s", got)
		}
		if tally.Retries() != 0 {
			t.Errorf("got %d retries, want none", tally.Retries())
		}
	})
}
