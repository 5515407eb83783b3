package datadog_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"credential-relay/datadog"
)

// hang never answers.
func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// hangInBody answers, and then does not go on.
func hangInBody(r *http.Request) (*http.Response, error) {
	resp, err := reply(200, "")(r)
	resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"data":`), stuck{r.Context()}))
	return resp, err
}

type stuck struct{ context.Context }

func (s stuck) Read([]byte) (int, error) {
	<-s.Done()
	return 0, s.Err()
}

// after lets time pass before an answer.
func after(pause time.Duration, then answer) answer {
	return func(r *http.Request) (*http.Response, error) {
		time.Sleep(pause)
		return then(r)
	}
}

func limited(reset string) answer {
	return reply(429, `{"errors":["Too many requests"]}`, "X-RateLimit-Reset: "+reset, "X-RateLimit-Name: siem")
}

func TestRetry(t *testing.T) {
	type wait struct{ least, most time.Duration }
	const ms = time.Millisecond
	first, second, third := wait{500 * ms, 1000 * ms}, wait{1000 * ms, 2000 * ms}, wait{2000 * ms, 4000 * ms}
	cut := wait{10_000 * ms, 10_000 * ms} // a hanging attempt
	plus := func(a, b wait) wait { return wait{a.least + b.least, a.most + b.most} }
	good := reply(200, `{"data":`+oktaConfig+`}`)
	reset, refused := lost(syscall.ECONNRESET), lost(syscall.ECONNREFUSED)

	cases := []struct {
		name    string
		answers []answer // a last one that is good is not reached when it must not be
		waits   []wait   // between the tries
		status  int      // of the failure at the end; 200 for none, 0 for no answer
	}{
		{"good at once", []answer{good}, nil, 200},
		{"500 once", []answer{reply(500, ""), good}, []wait{first}, 200},
		{"502 twice", []answer{reply(502, ""), reply(502, ""), good}, []wait{first, second}, 200},
		{"503 three times", []answer{reply(503, ""), reply(503, ""), reply(503, ""), good}, []wait{first, second, third}, 200},
		{"504 four times", []answer{reply(504, ""), reply(504, ""), reply(504, ""), reply(504, ""), good}, []wait{first, second, third}, 504},
		{"599 for ever", []answer{reply(599, "")}, []wait{first, second, third}, 599},
		{"connection lost once", []answer{reset, good}, []wait{first}, 200},
		{"connection refused for ever", []answer{refused}, []wait{first, second, third}, 0},
		{"one of each", []answer{reset, reply(503, ""), limited("7"), good}, []wait{first, second, {7000 * ms, 9000 * ms}}, 200},
		{"429 with a reset", []answer{limited("3"), good}, []wait{{3000 * ms, 3500 * ms}}, 200},
		{"429 with a fractional reset", []answer{limited("2.25"), good}, []wait{{2250 * ms, 2750 * ms}}, 200},
		{"429 with a reset shorter than the wait", []answer{limited("0.1"), good}, []wait{first}, 200},
		{"429 with a reset of zero", []answer{limited("0"), good}, []wait{first}, 200},
		{"429 with a negative reset", []answer{limited("-60"), good}, []wait{first}, 200},
		{"429 without a reset", []answer{reply(429, ""), good}, []wait{first}, 200},
		{"429 with a word for a reset", []answer{limited("soon"), good}, []wait{first}, 200},
		{"429 for ever", []answer{limited("5")}, []wait{{5000 * ms, 5500 * ms}, {5000 * ms, 6000 * ms}, {5000 * ms, 7000 * ms}}, 429},
		{"503 with headers of a limit", []answer{reply(503, "", "X-RateLimit-Reset: 60"), good}, []wait{first}, 200},
		{"an answer of another kind once", []answer{reply(200, "<html>"), good}, []wait{first}, 200},
		{"an answer that is too large", []answer{reply(200, `{"data":"`+strings.Repeat("a", 1<<20)+`"}`)}, []wait{first, second, third}, 200},
		{"hanging once", []answer{hang, good}, []wait{plus(cut, first)}, 200},
		{"hanging in the body once", []answer{hangInBody, good}, []wait{plus(cut, first)}, 200},
		{"hanging for ever", []answer{hang}, []wait{plus(cut, first), plus(cut, second), plus(cut, third)}, 0},
		{"slow, but in time", []answer{after(9900*ms, good)}, nil, 200},
		{"500, then final", []answer{reply(500, ""), reply(404, ""), good}, []wait{first}, 404},
		{"300", []answer{reply(300, ""), good}, nil, 300},
		{"302", []answer{reply(302, "", "Location: /there"), good}, nil, 302},
		{"400", []answer{reply(400, ""), good}, nil, 400},
		{"401", []answer{reply(401, ""), good}, nil, 401},
		{"403", []answer{reply(403, ""), good}, nil, 403},
		{"404", []answer{reply(404, ""), good}, nil, 404},
		{"405", []answer{reply(405, ""), good}, nil, 405},
		{"409", []answer{reply(409, ""), good}, nil, 409},
		{"422", []answer{reply(422, ""), good}, nil, 422},
		{"501", []answer{reply(501, ""), good}, nil, 501},
	}
	for _, c := range cases {
		virtually(t, c.name, func(t *testing.T) {
			client, line := client(c.answers...)
			err := update(t.Context(), client)
			fails := c.status != 200 || c.name == "an answer that is too large"
			if fails != (err != nil) || fails && failure(t, err).Status != c.status {
				t.Errorf("got %v, want status %d", err, c.status)
			}
			if line.tries() != len(c.waits)+1 {
				t.Fatalf("got %d tries, want %d", line.tries(), len(c.waits)+1)
			}
			for i, want := range c.waits {
				if got := line.sent[i+1].at.Sub(line.sent[i].at); got < want.least || got >= want.most+1 {
					t.Errorf("wait %d: got %s, want %s to %s", i+1, got, want.least, want.most)
				}
			}
			for i, sent := range line.sent {
				if sent.body != line.sent[0].body || !strings.Contains(sent.body, apiToken) {
					t.Errorf("try %d: got body %q, want the first's: %q", i+1, sent.body, line.sent[0].body)
				}
			}
		})
	}
}

// TestRetryIsNotAllAtOnce has many callers meet one limit: they do not come back together.
func TestRetryIsNotAllAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waits := map[time.Duration]bool{}
		for range 20 {
			client, line := client(limited("3"), reply(200, `{"data":`+oktaConfig+`}`))
			if err := get(t.Context(), client); err != nil {
				t.Fatal(err)
			}
			waits[line.sent[1].at.Sub(line.sent[0].at)] = true
		}
		if len(waits) < 10 {
			t.Errorf("20 callers waited only %d different times: %v", len(waits), waits)
		}
	})
}

func TestRetryWithinTheDeadline(t *testing.T) {
	cases := []struct {
		name     string
		deadline time.Duration
		answers  []answer
		tries    int
		took     time.Duration // at most; and 0 is exactly 0
		status   int
		after    time.Duration // at least
	}{
		{"a reset just before it", 3600 * time.Millisecond, []answer{limited("3"), reply(404, "")}, 2, 3500 * time.Millisecond, 404, 0},
		{"a reset at it", 3 * time.Second, []answer{limited("3")}, 1, 0, 429, 3 * time.Second},
		{"a reset beyond it", 2 * time.Second, []answer{limited("3")}, 1, 0, 429, 3 * time.Second},
		{"a reset far beyond it", time.Minute, []answer{limited("1e300")}, 1, 0, 429, 24 * time.Hour},
		{"a reset beyond all numbers", time.Minute, []answer{limited("Inf")}, 1, 0, 429, 24 * time.Hour},
		{"a wait beyond it", 500 * time.Millisecond, []answer{reply(503, "")}, 1, 0, 503, 500 * time.Millisecond},
		{"a lost connection", 500 * time.Millisecond, []answer{lost(syscall.ECONNRESET)}, 1, 0, 0, 500 * time.Millisecond},
		{"the second wait beyond it", 1500 * time.Millisecond, []answer{reply(503, "")}, 2, time.Second, 503, time.Second},
		{"a hanging attempt beyond it", 4 * time.Second, []answer{hang}, 1, 4 * time.Second, 0, 0},
		{"an answer that hangs beyond it", 4 * time.Second, []answer{hangInBody}, 1, 4 * time.Second, 200, 0},
	}
	for _, c := range cases {
		for _, call := range calls {
			virtually(t, c.name+"/"+call.name, func(t *testing.T) {
				client, line := client(c.answers...)
				ctx, cancel := context.WithTimeout(t.Context(), c.deadline)
				defer cancel()
				started := time.Now()
				failed := failure(t, call.do(ctx, client))
				took := time.Since(started)
				if took > c.took || line.tries() != c.tries {
					t.Errorf("took %s and %d tries, want at most %s, and %d", took, line.tries(), c.took, c.tries)
				}
				if failed.Status != c.status || failed.Retryable != (c.status != 404) {
					t.Errorf("got status %d, retryable %t, want %d, %t", failed.Status, failed.Retryable, c.status, c.status != 404)
				}
				if failed.RetryAfter < c.after || c.after == 0 && failed.RetryAfter != 0 {
					t.Errorf("got RetryAfter %s, want %s or more, or 0 for 0", failed.RetryAfter, c.after)
				}
			})
		}
	}
}

func TestRetryStopsWhenCancelled(t *testing.T) {
	cases := []struct {
		name    string
		answers []answer
		at      time.Duration
		tries   int
	}{
		{"before the call", []answer{reply(503, "")}, 0, 1},
		{"in a wait", []answer{reply(503, "")}, 200 * time.Millisecond, 1},
		{"in a limit's wait", []answer{limited("3600")}, 30 * time.Minute, 1},
		{"in the second wait", []answer{reply(503, "")}, 1001 * time.Millisecond, 2},
		{"in an attempt", []answer{hang}, 200 * time.Millisecond, 1},
		{"in an answer", []answer{hangInBody}, 200 * time.Millisecond, 1},
	}
	for _, c := range cases {
		for _, call := range calls {
			virtually(t, c.name+"/"+call.name, func(t *testing.T) {
				client, line := client(c.answers...)
				ctx, cancel := context.WithCancel(t.Context())
				if c.at == 0 {
					cancel()
				} else {
					time.AfterFunc(c.at, cancel)
				}
				started := time.Now()
				err := call.do(ctx, client)
				if took := time.Since(started); err == nil || took != c.at || line.tries() > c.tries {
					t.Errorf("got %v after %s and %d tries, want an error after %s, and %d", err, took, line.tries(), c.at, c.tries)
				}
			})
		}
	}
}

// TestRetryTellsWhyItStopped lets callers tell their own deadline from Datadog's trouble.
func TestRetryTellsWhyItStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		client, _ := client(hang)
		if err := get(ctx, client); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want it to be context.DeadlineExceeded", err)
		}
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		if err := get(cancelled, client); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want it to be context.Canceled", err)
		}
		keys := func(ctx context.Context, _ *datadog.Keys) (*datadog.Keys, error) { return nil, ctx.Err() }
		client.Keys = keys
		if err := get(cancelled, client); !errors.Is(err, context.Canceled) {
			t.Errorf("with keys that could not be had, got %v, want it to be context.Canceled", err)
		}
	})
}
