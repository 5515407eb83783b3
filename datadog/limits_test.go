package datadog_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"credential-relay/datadog"
)

// exhausted answers with a success that uses a limit up.
func exhausted(name, reset, body string) answer {
	return reply(200, body, "X-RateLimit-Name: "+name, "X-RateLimit-Remaining: 0", "X-RateLimit-Reset: "+reset)
}

const goodConfig = `{"data":` + oktaConfig + `}`

func validate(ctx context.Context, c *datadog.Client) error {
	return c.ValidateCredential(ctx, datadog.Okta, "acme.okta.com", oktaSecrets)
}

// within makes a call with a deadline.
func within(t *testing.T, c *datadog.Client, limit time.Duration, do func(context.Context, *datadog.Client) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	return do(ctx, c)
}

func TestLimitsCloseUntilTheirReset(t *testing.T) {
	cases := []struct {
		name        string
		first       answer
		least, most time.Duration // of the second call's wait
	}{
		{"429", limited("60"), time.Minute, time.Minute + 500*time.Millisecond},
		{"429 without a reset", reply(429, "", "X-RateLimit-Name: siem"), 500 * time.Millisecond, time.Second},
		{"429 without a name", reply(429, "", "X-RateLimit-Reset: 60"), time.Minute, time.Minute + 500*time.Millisecond},
		{"429 with a word for a reset", limited("soon"), 500 * time.Millisecond, time.Second},
		{"nothing remains", exhausted("siem", "60", goodConfig), time.Minute, time.Minute + 500*time.Millisecond},
		{"nothing remains, with a fraction", exhausted("siem", "2.5", goodConfig), 2500 * time.Millisecond, 3 * time.Second},
		{"nothing remains of a 409", reply(409, `{"errors":["no"]}`, "X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 60"), time.Minute, time.Minute + 500*time.Millisecond},
		{"less than nothing remains", reply(200, goodConfig, "X-RateLimit-Remaining: -1", "X-RateLimit-Reset: 60"), time.Minute, time.Minute + 500*time.Millisecond},
		{"nothing remains, who knows until when", reply(200, goodConfig, "X-RateLimit-Remaining: 0"), 500 * time.Millisecond, time.Second},
		{"something remains", reply(200, goodConfig, "X-RateLimit-Remaining: 1", "X-RateLimit-Reset: 60"), 0, 0},
		{"a word remains", reply(200, goodConfig, "X-RateLimit-Remaining: none", "X-RateLimit-Reset: 60"), 0, 0},
		{"no limit", reply(200, goodConfig), 0, 0},
		{"503 with a reset", reply(503, "", "X-RateLimit-Reset: 60"), 0, 0},
	}
	for _, c := range cases {
		virtually(t, c.name, func(t *testing.T) {
			client, line := client(c.first, reply(200, goodConfig))
			_ = within(t, client, 400*time.Millisecond, get) // too short to try again
			if line.tries() != 1 {
				t.Fatalf("got %d tries, want 1", line.tries())
			}
			started := time.Now()
			if err := get(t.Context(), client); err != nil {
				t.Error(err)
			}
			if waited := time.Since(started); waited < c.least || waited > c.most {
				t.Errorf("waited %s, want %s to %s", waited, c.least, c.most)
			}
		})
	}
}

// TestLimitsReportTheirReset has a call whose deadline comes before the reset.
func TestLimitsReportTheirReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, line := client(exhausted("siem", "240", goodConfig))
		if err := get(t.Context(), client); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		started := time.Now()
		failed := failure(t, within(t, client, time.Minute, get))
		if took := time.Since(started); took != 0 || line.tries() != 1 {
			t.Errorf("took %s and %d tries, want none", took, line.tries()-1)
		}
		left := 3 * time.Minute
		want := datadog.RateLimit{Name: "siem", Reset: left}
		if failed.RateLimit != want || failed.RetryAfter != left || !failed.Retryable || failed.Status != 0 {
			t.Errorf("got %+v, want %+v, to be tried again after %s", failed, want, left)
		}
		text := "get integration config " + string(configID) + " (rate limit siem): not sent, because the limit is used up for another 3m0s"
		if failed.Error() != text {
			t.Errorf("got  %s\nwant %s", failed, text)
		}
		if datadog.IsInvalidCredential(failed) || datadog.IsForbidden(failed) || datadog.IsNotOffered(failed) {
			t.Error("a call that was not sent is taken for an answer")
		}
	})
}

// TestLimitReset looks at the longest of two limits until both are open again.
func TestLimitReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := client(exhausted("reads", "60", goodConfig), exhausted("writes", "100", goodConfig), reply(200, ""))
		want := func(want time.Duration) {
			t.Helper()
			if got := client.LimitReset(); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
		want(0)
		for _, do := range []func(context.Context, *datadog.Client) error{get, update, validate} {
			if err := do(t.Context(), client); err != nil {
				t.Fatal(err)
			}
		}
		want(100 * time.Second)
		time.Sleep(99 * time.Second)
		want(time.Second)
		time.Sleep(time.Second)
		want(0)
	})
}

// TestLimitsOpenAgain has answers with a reset of absurd length.
func TestLimitsOpenAgain(t *testing.T) {
	absurd := fmt.Sprintf("X-RateLimit-Reset: %d", time.Now().Unix()) // a point in time, where seconds are meant
	for name, first := range map[string]answer{
		"429": reply(429, "", absurd), "nothing remains": reply(200, goodConfig, "X-RateLimit-Remaining: 0", absurd), "Retry-After": reply(429, "", "Retry-After: 86400"),
	} {
		virtually(t, name, func(t *testing.T) {
			client, line := client(first, reply(200, goodConfig))
			_ = within(t, client, time.Minute, get)
			if err := within(t, client, 4*time.Minute, get); err == nil || line.tries() != 1 {
				t.Errorf("got %v after %d tries, want the limit to be closed", err, line.tries())
			}
			time.Sleep(5 * time.Minute)
			if err := within(t, client, time.Second, get); err != nil {
				t.Errorf("got %v after five minutes", err)
			}
		})
	}
}

// TestLimitsAreLearned has two operations share a limit, and a third one with its own.
func TestLimitsAreLearned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		of := map[string]string{"GET": "reads", "POST": "reads", "PATCH": "writes"}
		remaining := "10"
		c := clientOfAnswer(func(r *http.Request) (*http.Response, error) {
			body := goodConfig
			if r.Method == "POST" {
				body = ""
			}
			return reply(200, body, "X-RateLimit-Name: "+of[r.Method], "X-RateLimit-Remaining: "+remaining, "X-RateLimit-Reset: 3600")(r)
		})
		for _, do := range []func(context.Context, *datadog.Client) error{get, validate, update} {
			if err := do(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		remaining = "0"
		if err := get(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		remaining = "10"
		for name, do := range map[string]func(context.Context, *datadog.Client) error{"get": get, "validate": validate} {
			if err := within(t, c, time.Second, do); err == nil || !strings.Contains(err.Error(), "rate limit reads") {
				t.Errorf("%s: got %v, want it to wait for its limit", name, err)
			}
		}
		if err := within(t, c, time.Second, update); err != nil {
			t.Errorf("another limit: got %v", err)
		}
		// An operation moves to another limit when Datadog says so.
		time.Sleep(2 * time.Hour)
		of["POST"] = "writes"
		if err := validate(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		remaining = "0"
		if err := update(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if err := within(t, c, time.Second, validate); err == nil || !strings.Contains(err.Error(), "rate limit writes") {
			t.Errorf("moved: got %v, want it to wait for its limit", err)
		}
		if err := within(t, c, time.Second, get); err != nil {
			t.Errorf("left behind: got %v", err)
		}
	})
}

// TestLimitsWithoutANameAreApart expects that an operation does not wait for another's limit.
func TestLimitsWithoutANameAreApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		apart, _ := client(reply(429, "", "X-RateLimit-Reset: 3600"), reply(200, goodConfig))
		_ = within(t, apart, time.Second, get)
		for range 2 {
			if err := within(t, apart, time.Second, update); err != nil {
				t.Errorf("got %v from another operation", err)
			}
		}
		// A 429 without a name is about the limit that was named before.
		client, _ := client(reply(200, goodConfig, "X-RateLimit-Name: siem"), reply(200, goodConfig, "X-RateLimit-Name: siem"), reply(429, "", "X-RateLimit-Reset: 3600"))
		_, _, _ = get(t.Context(), client), update(t.Context(), client), within(t, client, time.Second, get)
		if err := within(t, client, time.Second, update); err == nil || !strings.Contains(err.Error(), "rate limit siem") {
			t.Errorf("got %v, want it to wait for the limit that is shared", err)
		}
	})
}

// TestLimitsStayClosed has an answer arrive after a 429 that is newer.
func TestLimitsStayClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := after(time.Second, reply(200, goodConfig, "X-RateLimit-Name: siem", "X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 2"))
		client, line := client(late, limited("3600"), reply(200, goodConfig))
		var group sync.WaitGroup
		group.Go(func() {
			if err := get(t.Context(), client); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		_ = within(t, client, time.Second, get)
		group.Wait()
		if err := within(t, client, time.Minute, get); err == nil || line.tries() != 2 {
			t.Errorf("got %v after %d tries, want the limit to be closed", err, line.tries())
		}
	})
}

// TestLimitsHoldAllCalls has many calls wait. None is sent before the reset, they
// are not sent together, and when the first ones use the limit up again, the others
// wait again.
func TestLimitsHoldAllCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const period, perPeriod, callers = 10 * time.Second, 5, 20
		var lock sync.Mutex
		var sent []time.Duration
		var refused atomic.Int64
		used, began, epoch := 0, time.Now(), time.Now()
		client := clientOfAnswer(func(r *http.Request) (*http.Response, error) {
			lock.Lock()
			defer lock.Unlock()
			sent = append(sent, time.Since(epoch))
			if time.Since(began) >= period {
				used, began = 0, began.Add(time.Since(began).Truncate(period))
			}
			reset := fmt.Sprintf("X-RateLimit-Reset: %f", (period - time.Since(began)).Seconds())
			if used++; used > perPeriod {
				refused.Add(1)
				return reply(429, "", "X-RateLimit-Name: siem", reset)(r)
			}
			return reply(200, goodConfig, "X-RateLimit-Name: siem", fmt.Sprintf("X-RateLimit-Remaining: %d", perPeriod-used), reset)(r)
		})
		var group sync.WaitGroup
		for range perPeriod { // they use up the first period
			if err := get(t.Context(), client); err != nil {
				t.Fatal(err)
			}
		}
		for range callers {
			group.Go(func() {
				if err := get(t.Context(), client); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if refused.Load() != 0 || len(sent) != perPeriod+callers {
			t.Errorf("got %d refusals of %d calls, want none of %d", refused.Load(), len(sent), perPeriod+callers)
		}
		waited := sent[perPeriod:]
		if first := slices.Min(waited); first < period {
			t.Errorf("one was sent after %s, before the reset", first)
		}
		if times := len(slices.Compact(slices.Sorted(slices.Values(waited)))); times < callers/2 {
			t.Errorf("%d callers went at only %d different times", callers, times)
		}
	})
}

func TestLimitsWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, line := client(exhausted("siem", "3600", goodConfig))
		if err := get(t.Context(), client); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, cancel)
		started := time.Now()
		err := get(ctx, client)
		if took := time.Since(started); took != time.Minute || line.tries() != 1 {
			t.Errorf("took %s and %d tries, want a minute and none", took, line.tries()-1)
		}
		if !errors.Is(err, context.Canceled) || !failure(t, err).Retryable {
			t.Errorf("got %v, want it to be context.Canceled, and retryable", err)
		}
	})
}

// TestLimitsOfATriedCall has the limit close between two attempts of a call.
func TestLimitsOfATriedCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, line := client(reply(503, "", "X-RateLimit-Name: siem", "X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 20"), reply(200, goodConfig))
		if err := get(t.Context(), client); err != nil {
			t.Fatal(err)
		}
		if waited := line.sent[1].at.Sub(line.sent[0].at); waited < 20*time.Second || waited > 21*time.Second {
			t.Errorf("waited %s, want 20s", waited)
		}
	})
}

func clientOfAnswer(a answer) *datadog.Client {
	client, _ := client(a)
	return client
}
