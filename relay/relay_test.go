package relay

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"credential-relay/internal/datadogsim"
)

// TestOneRelay holds what a relay costs, and that an event about what Datadog
// holds already costs reads alone.
func TestOneRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := bound(t)
		w.settle()
		if r := w.relayOne(SecretNamed(oktaSecret), time.Minute); r.Outcome != Updated || r.Error != nil || !*r.Validated {
			t.Errorf("got %s, want updated", encoded(t, r))
		}
		look := []call{{"GetParameter", 1}, {"GetParametersByPath", 1}, {"GetSecretValue", 1}}
		want := append(slices.Clone(look), []call{{"GetSecretValue", 2}, {"PutParameter", 1}, {"get", 1}, {"patch", 1}, {"validate", 1}, {"validate-stored", 1}}...)
		if got := w.served(); !slices.Equal(got, want) {
			t.Errorf("got the calls %v, want %v", got, want)
		}
		w.forget()
		if r := w.event(SecretNamed(oktaSecret), w.current(SecretNamed(oktaSecret))); r.Outcome != Unchanged || r.Error != nil {
			t.Errorf("an event: got %s, want unchanged", encoded(t, r))
		}
		if got, want := w.served(), append(look, call{"get", 1}); !slices.Equal(got, want) {
			t.Errorf("an event: got the calls %v, want %v", got, want)
		}
	})
}

// TestWithoutReceipt has the first relay of a binding look for another binding of
// the same config, among all bindings.
func TestWithoutReceipt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := bound(t)
		for i := range 24 {
			w.bind("secrets/another", fmt.Sprintf("config-%02d", i), okta)
		}
		if r := w.event(SecretNamed(oktaSecret), ""); r.Outcome != Updated {
			t.Errorf("got %s, want updated", encoded(t, r))
		}
		if got := w.times("GetParametersByPath"); got != 1+3 {
			t.Errorf("got %d pages, want one of the source's bindings and three of all", got)
		}
		w.isTrue(w.current(SecretNamed(oktaSecret)))
	})
}

// TestDryRun goes as far as validation, says how the binding stands, and changes
// nothing, not even the receipt.
func TestDryRun(t *testing.T) {
	for _, c := range []struct {
		name   string
		given  func(*world)
		want   Outcome
		status Status
		sends  []string
	}{
		{"current", func(*world) {}, WouldUpdate, StatusCurrent, []string{"secrets.api_token"}},
		{"behind", func(w *world) { w.provide(KindSecret, canary+"-new") }, WouldUpdate, StatusBehind, []string{"secrets.api_token"}},
		{"behind, and with a flag", func(w *world) {
			w.provide(KindSecret, canary+"-new")
			w.mode(KindSecret, On, false)
		}, WouldUpdate, StatusBehind, []string{"enabled", "secrets.api_token"}},
		{"edited in Datadog", func(w *world) { w.edit("1111", func(*datadogsim.Config) {}) }, WouldUpdate, StatusChanged, []string{"secrets.api_token"}},
		{"refused", func(w *world) {
			w.provide(KindSecret, canary+"-bad")
			w.refuse("-bad")
		}, Rejected, StatusBehind, nil},
		{"deleted", func(w *world) { w.remove(KindSecret) }, Failed, StatusBroken, nil},
		{"deleted, and the flag follows", func(w *world) {
			w.mode(KindSecret, Follow, true)
			w.remove(KindSecret)
		}, WouldUpdate, StatusBroken, []string{"enabled"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := settled(t, KindSecret)
				c.given(w)
				before := *w.receipt("1111")
				r := w.asked(Request{Selector: Selector{Source: SecretNamed(oktaSecret)}, DryRun: true})
				if r.Outcome != c.want || r.Status != c.status || !slices.Equal(r.WouldSend, c.sends) {
					t.Errorf("got %s, want %s, %s, and %v sent", encoded(t, r), c.want, c.status, c.sends)
				}
				if len(w.patches()) != 0 || w.times("PutParameter") != 0 || *w.receipt("1111") != before {
					t.Errorf("got the calls %v, want nothing changed", w.served())
				}
			})
		})
	}
}

// TestPanic has a fault of ours hit a relay anywhere. The program does not end.
// The panic's value may quote anything, so it is not reported.
func TestPanic(t *testing.T) {
	for _, in := range callsOf(t, func(t testing.TB) *world { return settled(t, KindSecret) }, func(w *world) { w.relayOne(SecretNamed(oktaSecret), patience) }) {
		t.Run(fmt.Sprint(in.operation, " ", in.nth), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := settled(t, KindSecret)
				w.line.failing(once(in.operation, in.nth, func(*http.Request, func() *http.Response) (*http.Response, error) {
					panic(errors.New(canary))
				}))
				r := w.relayOne(SecretNamed(oktaSecret), patience)
				if r.Outcome != Failed || r.Error.Stage != AtInternal || r.Error.Message != "internal error" || r.Error.Retryable {
					t.Errorf("got %s, want failed at %s: internal error", encoded(t, r), AtInternal)
				}
				if r.Error != nil && !strings.Contains(r.Error.Stack, "relay_test.go") {
					t.Errorf("got the stack %q, want it to name where the panic was", r.Error.Stack)
				}
				w.line.failing(nil)
				if r := w.reconcileOne(); r.Failed() || !w.holds("1111", `{"api_token":"`+canary+`"}`) {
					t.Errorf("the next reconcile: got %s", encoded(t, r))
				}
			})
		})
	}
}

// TestPanicStopsNoOther has it hit one binding of two.
func TestPanicStopsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := bound(t)
		w.bind("secrets/"+oktaSecret, "2222", okta)
		w.line.failing(always("patch", 1, only("/2222", func(*http.Request, func() *http.Response) (*http.Response, error) {
			var nothing []byte
			return nil, fmt.Errorf("%d", nothing[len(canary)]) // a panic of the runtime's own, which says what was wrong
		})))
		results := w.relay(SecretNamed(oktaSecret), patience)
		if len(results) != 2 || results[0].Outcome != Updated || results[1].Outcome != Failed || !strings.Contains(results[1].Error.Message, "index out of range") {
			t.Errorf("got %s, want one updated, and one failed for an index out of range", encoded(t, results))
		}
	})
}

// TestHostileAnswers has Datadog answer with a state and a type that are long and
// hold what a terminal obeys.
func TestHostileAnswers(t *testing.T) {
	for name, given := range map[string]func(*world){
		"a state": func(w *world) {
			w.config("1111", func(config *datadogsim.Config) { config.State = strings.Repeat("x", 900_000) + "\x1b[2J" })
			w.line.failing(always("patch", 1, says(http.StatusConflict)))
		},
		"a type": func(w *world) {
			w.line.failing(always("get", 1, answer(http.StatusOK, `{"data":{"id":"1111","attributes":{"integration_type":"`+strings.Repeat("y", 900_000)+`"}}}`)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := bound(t)
				given(w)
				if text := encoded(t, w.relayOne(SecretNamed(oktaSecret), time.Minute)); len(text) > 10_000 || strings.Contains(text, `\u001b`) {
					t.Errorf("got a result of %d bytes: %.200s", len(text), text)
				}
			})
		})
	}
}

// TestSlowDatadog takes longer to try a credential or to store it than most calls
// do: that is no fault, and a PATCH that was taken is not sent again.
func TestSlowDatadog(t *testing.T) {
	for _, operation := range []string{"get", "validate", "patch", "validate-stored"} {
		t.Run(operation, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := bound(t)
				w.line.failing(always(operation, 1, func(request *http.Request, serve func() *http.Response) (*http.Response, error) {
					served := serve() // Datadog acts, whether or not its answer is waited for
					if !wait(request.Context(), 12*time.Second) {
						return nil, request.Context().Err()
					}
					return served, nil
				}))
				r := w.relayOne(SecretNamed(oktaSecret), 59*time.Second)
				calls := 1
				if operation == "get" { // a read is given up after 10 s, and then has longer
					calls = 2
				}
				if r.Outcome != Updated || w.times(operation) != calls {
					t.Errorf("got %s after %d calls, want updated after %d", encoded(t, r), w.times(operation), calls)
				}
			})
		})
	}
}
