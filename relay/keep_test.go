package relay

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"credential-relay/datadog"
	"credential-relay/internal/awssim"
)

func TestATokenIsRenewedBeforeItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, issued := federated(t, awssim.Region)
		keys := w.engine.Datadog.Keys
		ask := func(after time.Duration, want int) *datadog.Keys {
			t.Helper()
			time.Sleep(after)
			got := must(keys(t.Context(), nil))
			if issued() != want {
				t.Errorf("got %d tokens, want %d", issued(), want)
			}
			return got
		}
		ask(0, 1)
		ask(13*time.Minute-time.Second, 1)
		second := ask(time.Second, 2)

		// While it cannot be renewed, it is good until it ends.
		w.line.failing(func(c call) fault {
			return func(*http.Request, func() *http.Response) (*http.Response, error) { return nil, errors.New("no line") }
		})
		if got := ask(14*time.Minute, 2); got != second {
			t.Error("got another token than the one that is still good")
		}
		time.Sleep(2 * time.Minute)
		if got, err := keys(t.Context(), nil); err == nil || got != nil {
			t.Errorf("got a token that has ended, or the error %v", err)
		}
		w.line.failing(nil)
		third := ask(0, 3)

		// A refused one is replaced at once, and then not for ten seconds.
		time.Sleep(keysRereadAtMostEvery)
		fourth := must(keys(t.Context(), third))
		if fourth.Equal(third) || issued() != 4 {
			t.Errorf("got the token that was refused, or %d tokens", issued())
		}
		if again := must(keys(t.Context(), fourth)); again != fourth || issued() != 4 {
			t.Errorf("got %d tokens within ten seconds", issued())
		}
		time.Sleep(keysRereadAtMostEvery)
		if again := must(keys(t.Context(), fourth)); again == fourth || issued() != 5 {
			t.Errorf("got %d tokens, want another one after ten seconds", issued())
		}
	})
}

// TestNobodyWaitsForKeysBeyondTheirTime has one caller stuck, and another with a
// deadline of its own.
func TestNobodyWaitsForKeysBeyondTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		keys := keep(func(context.Context) (lasting, error) { <-release; return lasting{keys: bearer(canary)}, nil })
		go func() { _, _ = keys(context.WithoutCancel(t.Context()), nil) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := keys(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want to be let go", err)
		}
		close(release)
		if got := must(keys(t.Context(), nil)); !got.Equal(bearer(canary)) {
			t.Error("got other keys")
		}
	})
}
