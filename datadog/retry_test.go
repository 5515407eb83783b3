package datadog_test

import (
	"context"
	"errors"
	"io"
	"net"
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

// hangInBody answers and hangs before the end of the body.
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

// after waits before an answer.
func after(pause time.Duration, then answer) answer {
	return func(r *http.Request) (*http.Response, error) {
		time.Sleep(pause)
		return then(r)
	}
}

func limited(reset string) answer {
	return reply(429, `{"errors":["Too many requests"]}`, "X-RateLimit-Reset: "+reset, "X-RateLimit-Name: siem")
}

// asking answers with a status and a Retry-After.
func asking(status int, wait string) answer {
	return reply(status, `{"errors":["later"]}`, "Retry-After: "+wait)
}

func TestRetry(t *testing.T) {
	type wait struct{ least, most time.Duration }
	const ms = time.Millisecond
	first, second, third := wait{500 * ms, 1000 * ms}, wait{1000 * ms, 2000 * ms}, wait{2000 * ms, 4000 * ms}
	good := reply(200, `{}`)
	reset, refused := lost(syscall.ECONNRESET), lost(syscall.ECONNREFUSED)

	cases := []struct {
		name    string
		answers []answer // a last one that is good is not reached when it must not be
		waits   []wait   // between the tries
		status  int      // of the failure at the end; 200 for none, 0 for no answer
	}{
		{"good at once", []answer{good}, nil, 200},
		{"408 once", []answer{says(408), good}, []wait{first}, 200},
		{"425 once", []answer{says(425), good}, []wait{first}, 200},
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
		{"429 with a reset that is a point in time", []answer{limited("1795000000"), good}, []wait{{5 * 60_000 * ms, 5*60_000*ms + 500*ms}}, 200},
		{"503 with headers of a limit", []answer{reply(503, "", "X-RateLimit-Reset: 60"), good}, []wait{first}, 200},
		{"503 with a Retry-After", []answer{asking(503, "20"), good}, []wait{{20_000 * ms, 20_500 * ms}}, 200},
		{"429 with a Retry-After", []answer{asking(429, "20"), good}, []wait{{20_000 * ms, 20_500 * ms}}, 200},
		{"408 with a Retry-After", []answer{asking(408, "20"), good}, []wait{{20_000 * ms, 20_500 * ms}}, 200},
		{"503 with a Retry-After shorter than the wait", []answer{asking(503, "0"), good}, []wait{first}, 200},
		{"503 with a Retry-After that is a word", []answer{asking(503, "soon"), good}, []wait{first}, 200},
		{"503 with a Retry-After of a day", []answer{asking(503, "86400"), good}, []wait{{5 * 60_000 * ms, 5*60_000*ms + 500*ms}}, 200},
		{"503 with a date", []answer{asking(503, "Sat, 01 Jan 2000 00:00:20 GMT"), good}, []wait{{20_000 * ms, 20_500 * ms}}, 200}, // synctest begins in 2000
		{"503 with a date in the past", []answer{asking(503, "Fri, 31 Dec 1999 00:00:20 GMT"), good}, []wait{first}, 200},
		{"a 429 with both", []answer{reply(429, "", "Retry-After: 20", "X-RateLimit-Reset: 3"), good}, []wait{{20_000 * ms, 20_500 * ms}}, 200},
		{"an answer of another kind once", []answer{reply(200, "<html>"), good}, []wait{first}, 200},
		{"a success that reports errors once", []answer{reply(200, `{"errors":["busy"]}`), good}, []wait{first}, 200},
		{"a page with a 404 once", []answer{reply(404, "<html>"), good}, []wait{first}, 200},
		{"a page with a 400 for ever", []answer{reply(400, "<html>")}, []wait{first, second, third}, 400},
		{"an empty 403 once", []answer{reply(403, ""), good}, []wait{first}, 200},
		{"500, then final", []answer{reply(500, ""), says(404), good}, []wait{first}, 404},
		{"300", []answer{says(300), good}, nil, 300},
		{"302", []answer{reply(302, "", "Location: /there"), good}, nil, 302},
		{"400", []answer{says(400), good}, nil, 400},
		{"401", []answer{says(401), good}, nil, 401},
		{"403", []answer{says(403), good}, nil, 403},
		{"404", []answer{says(404), good}, nil, 404},
		{"405", []answer{says(405), good}, nil, 405},
		{"409", []answer{says(409), good}, nil, 409},
		{"422", []answer{says(422), good}, nil, 422},
		{"501", []answer{says(501), good}, nil, 501},
	}
	for _, c := range cases {
		virtually(t, c.name, func(t *testing.T) {
			client, line := client(c.answers...)
			err := updateAzure(t.Context(), client)
			if fails := c.status != 200; fails != (err != nil) || fails && failure(t, err).Status != c.status {
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

// TestAnswersTooLargeAreNotFetchedAgain answers each call with more than it reads, except the list.
func TestAnswersTooLargeAreNotFetchedAgain(t *testing.T) {
	for _, call := range calls {
		virtually(t, call.name, func(t *testing.T) {
			client, line := client(reply(200, strings.Repeat(" ", 1<<20+1)+call.good))
			if call.name == "ListIntegrationConfigs" {
				if err := call.do(t.Context(), client); err != nil {
					t.Errorf("a list of a megabyte: %v", err)
				}
				return
			}
			failed := failure(t, call.do(t.Context(), client))
			if failed.Retryable || line.tries() != 1 || !strings.Contains(failed.Error(), "larger than") {
				t.Errorf("got %v, retryable %t, after %d tries, want it to be final after one", failed, failed.Retryable, line.tries())
			}
		})
	}
}

// TestRetryIsNotAllAtOnce has many callers meet one limit. They must not return together.
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

// TestRetryWithinTheDeadline gives slow calls a third more time, because they leave a quarter of it.
func TestRetryWithinTheDeadline(t *testing.T) {
	cases := []struct {
		name     string
		deadline time.Duration
		answers  []answer
		tries    int
		took     time.Duration // at most; and 0 is exactly 0
		status   int
		after    time.Duration // at least
		doubtful bool          // whether a PATCH may have been taken, and so is not to be sent again
	}{
		{"a reset just before it", 3600 * time.Millisecond, []answer{limited("3"), says(409)}, 2, 3500 * time.Millisecond, 409, 0, false},
		{"a reset at it", 3 * time.Second, []answer{limited("3")}, 1, 0, 429, 3 * time.Second, false},
		{"a reset beyond it", 2 * time.Second, []answer{limited("3")}, 1, 0, 429, 3 * time.Second, false},
		{"a reset far beyond it", time.Minute, []answer{limited("1e300")}, 1, 0, 429, 5 * time.Minute, false},
		{"a reset beyond all numbers", time.Minute, []answer{limited("Inf")}, 1, 0, 429, 5 * time.Minute, false},
		{"a Retry-After beyond it", 2 * time.Second, []answer{asking(503, "3")}, 1, 0, 503, 3 * time.Second, false},
		{"a wait beyond it", 500 * time.Millisecond, []answer{reply(503, "")}, 1, 0, 503, 500 * time.Millisecond, false},
		{"a lost connection", 500 * time.Millisecond, []answer{lost(syscall.ECONNRESET)}, 1, 0, 0, 500 * time.Millisecond, true},
		{"the second wait beyond it", 1500 * time.Millisecond, []answer{reply(503, "")}, 2, time.Second, 503, time.Second, false},
		{"a hanging attempt beyond it", 4 * time.Second, []answer{hang}, 1, 4 * time.Second, 0, 0, true},
		{"an answer that hangs beyond it", 4 * time.Second, []answer{hangInBody}, 1, 4 * time.Second, 200, 0, true},
	}
	for _, c := range cases {
		for _, call := range calls {
			virtually(t, c.name+"/"+call.name, func(t *testing.T) {
				deadline, after := c.deadline, c.after
				if isSlow(call.name) {
					deadline = deadline * 4 / 3
				}
				uncertain := c.doubtful && call.name == "UpdateIntegrationConfig"
				if uncertain {
					after = 0
				}
				client, line := client(c.answers...)
				started := time.Now()
				failed := failure(t, within(t, client, deadline, call.do))
				took := time.Since(started)
				if took > c.took || line.tries() != c.tries {
					t.Errorf("took %s and %d tries, want at most %s, and %d", took, line.tries(), c.took, c.tries)
				}
				if failed.Status != c.status || failed.Retryable != (c.status != 409) || failed.Uncertain != uncertain {
					t.Errorf("got %+v, want status %d, retryable %t, uncertain %t", failed, c.status, c.status != 409, uncertain)
				}
				if failed.RetryAfter < after || after == 0 && failed.RetryAfter != 0 {
					t.Errorf("got RetryAfter %s, want %s or more, or 0 for 0", failed.RetryAfter, after)
				}
			})
		}
	}
}

// isSlow reports whether a method has Datadog try or store a credential.
func isSlow(call string) bool {
	switch call {
	case "ValidateCredential", "ValidateStored", "UpdateIntegrationConfig", "UpdateAzureIntegration":
		return true
	}
	return false
}

// TestSlowAnswersAreWaitedFor has two slow calls within one deadline.
func TestSlowAnswersAreWaitedFor(t *testing.T) {
	for _, pause := range []time.Duration{12 * time.Second, 25 * time.Second} {
		for _, second := range calls {
			if !isSlow(second.name) {
				continue
			}
			virtually(t, pause.String()+"/"+second.name, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 59*time.Second)
				defer cancel()
				client, line := client(after(pause, reply(200, "")), after(pause, reply(200, second.good)))
				if err := validate(ctx, client); err != nil {
					t.Errorf("validate: %v", err)
				}
				if err := second.do(ctx, client); err != nil || line.tries() != 2 {
					t.Errorf("got %v after %d tries, want success after 2", err, line.tries())
				}
			})
		}
	}
}

// TestAttemptsThatHang checks that attempts end in time for what the caller does next.
func TestAttemptsThatHang(t *testing.T) {
	const s, ever = time.Second, time.Hour
	for _, call := range calls {
		attempt, left := map[time.Duration]time.Duration{ever: 10 * s, 59 * s: 10 * s, 4 * s: 4 * s}, map[time.Duration]time.Duration{}
		if isSlow(call.name) {
			attempt = map[time.Duration]time.Duration{59 * s: 54 * s, 16 * s: 12 * s, 4 * s: 3 * s}
			left = map[time.Duration]time.Duration{59 * s: 5 * s, 16 * s: 4 * s, 4 * s: s}
		}
		for deadline, want := range attempt {
			virtually(t, call.name+" within "+deadline.String(), func(t *testing.T) {
				client, line := client(hang)
				started := time.Now()
				err := within(t, client, deadline, call.do)
				if !errors.Is(err, context.DeadlineExceeded) || !failure(t, err).Retryable {
					t.Errorf("got %v, want a retryable context.DeadlineExceeded", err)
				}
				if line.tries() > 1 {
					if waited := line.sent[1].at.Sub(started); waited < want || waited > want+s {
						t.Errorf("tried again after %s, want %s and a little", waited, want)
					}
				} else if took := time.Since(started); took != want {
					t.Errorf("took %s, want %s", took, want)
				}
				if took := time.Since(started); took > deadline-left[deadline] {
					t.Errorf("took %s of %s, want %s to be left", took, deadline, left[deadline])
				}
			})
		}
		virtually(t, call.name+" without a deadline", func(t *testing.T) {
			limit := 10 * s
			if isSlow(call.name) {
				limit = time.Minute
			}
			client, line := client(hang, reply(200, call.good))
			started := time.Now()
			err := call.do(t.Context(), client)
			if call.name == "UpdateIntegrationConfig" {
				if took := time.Since(started); took != limit || !failure(t, err).Uncertain {
					t.Errorf("got %v after %s, want it to be uncertain after %s", err, took, limit)
				}
			} else if waited := line.sent[1].at.Sub(started); err != nil || waited < limit || waited > limit+s {
				t.Errorf("got %v, and a second try after %s, want success, and %s", err, waited, limit)
			}
		})
	}
}

// TestUpdatesAreNotRepeatedInDoubt has answers to a PATCH that Datadog may have taken, or cannot have taken.
func TestUpdatesAreNotRepeatedInDoubt(t *testing.T) {
	dial := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("i/o timeout")}
	good := reply(200, goodConfig)
	cases := []struct {
		name     string
		answer   answer
		doubtful bool
		status   int
	}{
		{"no answer in time", hang, true, 0},
		{"no more of the answer in time", hangInBody, true, 200},
		{"a lost connection", lost(syscall.ECONNRESET), true, 0},
		{"a connection that ends", lost(io.EOF), true, 0},
		{"500", reply(500, ""), true, 500},
		{"500 in Datadog's words", says(500), true, 500},
		{"502", reply(502, "<html>"), true, 502},
		{"504", reply(504, ""), true, 504},
		{"520", reply(520, ""), true, 520},
		{"a success without a body", reply(200, ""), true, 200},
		{"a success that is a page", reply(200, "<html>"), true, 200},
		{"a success about another config", reply(200, strings.Replace(goodConfig, "1111", "9999", 1)), true, 200},
		{"a success that reports errors", reply(200, `{"errors":["Internal error"]}`), true, 200},
		{"429", limited("1"), false, 429},
		{"503", reply(503, ""), false, 503},
		{"408", reply(408, ""), false, 408},
		{"425", says(425), false, 425},
		{"a page with a 403", reply(403, "<html>"), false, 403},
		{"a refused connection", lost(syscall.ECONNREFUSED), false, 0},
		{"no connection in time", lost(dial), false, 0},
	}
	for _, c := range cases {
		virtually(t, c.name, func(t *testing.T) {
			client, line := client(c.answer, good)
			err := within(t, client, 59*time.Second, update)
			if !c.doubtful {
				if err != nil || line.tries() != 2 {
					t.Errorf("got %v after %d tries, want success after 2", err, line.tries())
				}
				return
			}
			failed := failure(t, err)
			if !failed.Uncertain || !failed.Retryable || failed.Status != c.status || line.tries() != 1 {
				t.Errorf("got %+v after %d tries, want it to be uncertain after one", failed, line.tries())
			}
		})
	}
	for _, c := range []struct {
		name  string
		first answer
	}{{"a final answer", says(400)}, {"a redirect", reply(307, "")}, {"not implemented", says(501)}} {
		virtually(t, c.name, func(t *testing.T) {
			client, line := client(c.first, good)
			if failed := failure(t, update(t.Context(), client)); failed.Uncertain || line.tries() != 1 {
				t.Errorf("got %+v after %d tries, want a certain failure after one", failed, line.tries())
			}
		})
	}
	virtually(t, "a limit that is used up", func(t *testing.T) {
		client, line := client(exhausted("siem", "60", goodConfig))
		_ = update(t.Context(), client)
		if failed := failure(t, within(t, client, 10*time.Second, update)); failed.Uncertain || line.tries() != 1 {
			t.Errorf("got %+v after %d tries, want a call that was certainly not made", failed, line.tries()-1)
		}
	})
	virtually(t, "a context that has ended", func(t *testing.T) {
		client, line := client(good)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := update(ctx, client)
		if failed := failure(t, err); failed.Uncertain || line.tries() != 0 || !errors.Is(err, context.Canceled) {
			t.Errorf("got %+v after %d tries, want a call that was certainly not made", failed, line.tries())
		}
	})
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
		{"in a limit's wait", []answer{limited("240")}, 2 * time.Minute, 1},
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

// TestRetryReportsWhyItStopped checks that a caller can recognize its own deadline.
func TestRetryReportsWhyItStopped(t *testing.T) {
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
