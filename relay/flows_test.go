package relay

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"credential-relay/internal/datadogsim"
)

// flow is one way in which something comes to be done, from a world that has it
// to do.
type flow struct {
	name    string
	world   func(testing.TB) *world
	do      func(context.Context, *world) []Result
	source  Source
	enabled bool    // what the flag is to be in the end
	accepts string  // the token that Datadog holds in the end; empty for the current version's
	ends    Outcome // of a reconcile with nothing left to do; empty for unchanged
	deleted bool    // the source is; the version cannot be asked for
}

const rotated = canary + "-rotated"

// flows are those of everything that changes Datadog, staged rotations aside.
var flows = []flow{
	{name: "a first relay", world: bound, do: relayed, enabled: true},
	{name: "a relay", world: due(Keep, true), do: relayed, enabled: true},
	{name: "an event", world: due(Keep, true), do: evented, enabled: true},
	{name: "a reconcile", world: due(Keep, true), do: reconciled, enabled: true},
	{name: "an event, on", world: due(On, false), do: evented, enabled: true},
	{name: "an event, off", world: due(Off, true), do: evented},
	{name: "an event, follow", world: due(Follow, false), do: evented, enabled: true},
	{name: "a relay, follow, without validation", world: with(due(Follow, false), (*world).withoutValidation), do: relayed, enabled: true},
	{name: "a relay, dates in whole seconds", world: natured(Keep, true, wholeSeconds), do: relayed, enabled: true},
	{name: "a relay, no dates", world: natured(On, false, noDates), do: relayed, enabled: true},
	{name: "a flag alone, on", world: flagged(On, false), do: evented, enabled: true},
	{name: "a flag alone, off", world: flagged(Off, true), do: reconciled},
	{name: "a flag alone, follow", world: flagged(Follow, false), do: evented, enabled: true},
	{name: "a deletion, follow", world: with(flagged(Follow, true), func(w *world) { w.remove(KindSecret) }), do: evented, deleted: true},
	{name: "a refusal", world: with(due(Keep, true), refusing), do: evented, enabled: true, accepts: canary, ends: Rejected},
	{name: "a refusal, off", world: with(due(Off, true), refusing), do: evented, accepts: canary, ends: Rejected},
	{name: "a parameter", world: func(t testing.TB) *world {
		w := settled(t, KindParameter)
		w.provide(KindParameter, rotated)
		return w
	}, do: func(ctx context.Context, w *world) []Result {
		return first2(w.engine.Relay(ctx, Request{Selector: Selector{Source: sourceOf(KindParameter)}, IfDue: true}))
	}, source: ParameterNamed(oktaSecret), enabled: true},
	{name: "Entra ID", world: entraDue(Keep, true), do: entraEvented, source: SecretNamed(entraSecret), enabled: true},
	{name: "Entra ID, on", world: entraDue(On, false), do: reconciled, source: SecretNamed(entraSecret), enabled: true},
	{name: "Entra ID, follow", world: entraDue(Follow, false), do: entraEvented, source: SecretNamed(entraSecret), enabled: true},
}

func first2(results []Result, _ int) []Result { return results }

func relayed(ctx context.Context, w *world) []Result {
	return first2(w.engine.Relay(ctx, Request{Selector: Selector{Source: SecretNamed(oktaSecret)}}))
}

func evented(ctx context.Context, w *world) []Result {
	return first2(w.engine.Relay(ctx, Request{Selector: Selector{Source: SecretNamed(oktaSecret)}, IfDue: true}))
}

func entraEvented(ctx context.Context, w *world) []Result {
	return first2(w.engine.Relay(ctx, Request{Selector: Selector{Source: SecretNamed(entraSecret)}, IfDue: true}))
}

func reconciled(ctx context.Context, w *world) []Result { return first2(w.engine.Reconcile(ctx)) }

// due returns a world in which Datadog holds one version, and the source has
// another one since.
func due(mode EnabledMode, enabled bool) func(testing.TB) *world {
	return with(flagged(mode, enabled), func(w *world) { w.provide(KindSecret, rotated) })
}

// flagged returns a world in which nothing is left to do but for the flag.
func flagged(mode EnabledMode, enabled bool) func(testing.TB) *world {
	return func(t testing.TB) *world {
		w := settled(t, KindSecret)
		w.mode(KindSecret, mode, enabled)
		return w
	}
}

func entraDue(mode EnabledMode, enabled bool) func(testing.TB) *world {
	return func(t testing.TB) *world {
		w := entraBound(t, mode)
		w.settle()
		w.settleOnce() // without a date, the first reconcile relays once more
		w.config("1111", func(config *datadogsim.Config) { config.Enabled = enabled })
		w.rotateEntra(rotated)
		return w
	}
}

func refusing(w *world) { w.refuse(rotated) }

func with(given func(testing.TB) *world, then func(*world)) func(testing.TB) *world {
	return func(t testing.TB) *world {
		w := given(t)
		then(w)
		return w
	}
}

// natured returns a world like due's, whose simulators behave in another way.
func natured(mode EnabledMode, enabled bool, nature func(call) fault) func(testing.TB) *world {
	return func(t testing.TB) *world {
		w := settled(t, KindSecret)
		w.line.nature = nature
		w.settleOnce()
		w.settleOnce()
		w.mode(KindSecret, mode, enabled)
		w.provide(KindSecret, rotated)
		return w
	}
}

var modifiedAt = regexp.MustCompile(`"modified_at":"([^"]*)"`)

// dated has modified_at changed in the answers to some operations.
func dated(change func(string) string, operations ...string) func(call) fault {
	rewrite := rewriting(func(body string) string {
		return modifiedAt.ReplaceAllStringFunc(body, func(member string) string {
			return change(modifiedAt.FindStringSubmatch(member)[1])
		})
	})
	return func(this call) fault {
		if slices.Contains(operations, this.operation) {
			return rewrite
		}
		return nil
	}
}

// wholeSeconds has Datadog's dates in whole seconds, everywhere.
var wholeSeconds = dated(toSecond, "get", "list", "patch")

func toSecond(date string) string {
	at, _ := time.Parse(time.RFC3339Nano, date)
	return `"modified_at":"` + at.Truncate(time.Second).Format(time.RFC3339Nano) + `"`
}

// noDates has no date in Datadog's answers.
var noDates = dated(func(string) string { return `"modified_at":null` }, "get", "list", "patch")

// settleOnce has the schedule run once, so that a receipt is settled whose date
// proves little.
func (w *world) settleOnce() {
	time.Sleep(time.Hour)
	w.reconcile(time.Minute)
	w.forget()
}

// held returns the token that Datadog holds.
func (w *world) held() string {
	if token := w.inAzure(); token != "" {
		return token
	}
	config, _ := w.datadog.Config("1111")
	token, _ := config.Secrets["api_token"].(string)
	return token
}

// inOrder checks that Datadog holds what it is to hold, that the flag is as the
// binding wants it, and that the receipt is true.
func (f flow) inOrder(w *world) {
	w.Helper()
	config, _ := w.datadog.Config("1111")
	if config.Enabled != f.enabled {
		w.Errorf("enabled is %t, want %t", config.Enabled, f.enabled)
	}
	want := f.accepts
	if want == "" && f.deleted {
		want = canary
	}
	if want == "" {
		var current string
		current, want = w.version(f.of())
		w.isTrue(current)
	}
	if w.held() != want {
		w.Errorf("Datadog holds %q, want %q", w.held(), want)
	}
	if f.accepts != "" && !w.receipt("1111").refuses(w.current(f.of())) {
		w.Errorf("got the receipt %s, want it to say that the current version was refused", encoded(w, w.receipt("1111")))
	}
}

func (f flow) of() Source {
	if f.source == (Source{}) {
		return SecretNamed(oktaSecret)
	}
	return f.source
}

// repairedAtOnce has another instance reconcile with everything well. Everything is
// in order then.
func (f flow) repairedAtOnce(w *world) Result {
	w.Helper()
	time.Sleep(longestLimit)
	r := w.instance().reconcileOne()
	f.inOrder(w)
	if w.Failed() {
		w.Fatalf("the reconcile: got %s", encoded(w, r))
	}
	return r
}

// repaired is repairedAtOnce, and then holds that the second reconcile finds nothing
// to do, or settles the receipt, so that the third finds nothing.
func (f flow) repaired(w *world) {
	w.Helper()
	f.repairedAtOnce(w)
	ends := f.ends
	if ends == "" {
		ends = Unchanged
	}
	for range 2 {
		w.datadogBefore = len(w.datadog.Requests())
		r := f.repairedAtOnce(w)
		changes := slices.ContainsFunc(w.datadog.Requests()[w.datadogBefore:], func(request datadogsim.Request) bool {
			return request.Operation == datadogsim.Patch || request.Operation == datadogsim.Azure
		})
		if r.Outcome == ends && !changes {
			return
		}
	}
	w.Errorf("the third reconcile still makes the calls %v", w.datadog.Requests()[w.datadogBefore:])
}

// callsOf returns the calls that something makes in a world where all is well.
func callsOf(t *testing.T, given func(testing.TB) *world, do func(*world)) (calls []call) {
	t.Run("well", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := given(t)
			w.line.failing(nil)
			do(w)
			calls = w.served()
		})
	})
	if len(calls) == 0 {
		t.Fatal("there are no calls")
	}
	return calls
}

// run does it within the tests' patience.
func (f flow) run(ctx context.Context, w *world) []Result {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return f.do(ctx, w)
}

func (f flow) calls(t *testing.T) []call {
	return callsOf(t, f.world, func(w *world) { f.run(w.Context(), w) })
}

// TestFlows holds that each flow ends in order when all is well, by itself.
func TestFlows(t *testing.T) {
	for _, f := range flows {
		t.Run(f.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := f.world(t)
				results := f.run(t.Context(), w)
				if len(results) != 1 || results[0].Outcome == Failed || results[0].ReceiptError != "" {
					t.Errorf("got %s", encoded(t, results))
				}
				f.inOrder(w)
				f.repaired(w)
			})
		})
	}
}

// TestSettled holds that the tests' settled worlds are what a relay leaves.
func TestSettled(t *testing.T) {
	for name, given := range map[string]func(testing.TB) *world{
		"a secret": bound,
		"a parameter": func(t testing.TB) *world {
			w := newWorld(t)
			w.provide(KindParameter, canary)
			w.bind("parameters/"+oktaSecret, "1111", okta)
			return w
		},
		"Entra ID": func(t testing.TB) *world { return entraBound(t, Keep) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := given(t)
				w.config("1111", func(config *datadogsim.Config) { config.ModifiedAt = time.Now() })
				time.Sleep(1234567 * time.Nanosecond)
				reconciled(t.Context(), w)
				left, held := *w.receipt("1111"), w.held()
				w.settle()
				want := *w.receipt("1111")
				want.At, want.ModifiedAt, want.Settled = left.At, left.ModifiedAt, left.Settled
				if left != want || held != w.held() {
					t.Errorf("a relay leaves %s and %q held, settle %s and %q", encoded(t, left), held, encoded(t, want), w.held())
				}
			})
		})
	}
}

// writes reports whether a call changes something. To die right after another one
// is to die right before the next.
func (c call) writes() bool {
	return slices.Contains([]string{"patch", "azure", "PutParameter", "UpdateSecretVersionStage"}, c.operation)
}

// TestDeaths has the instance die right before each call of each flow, and right
// after each that writes. One reconcile puts everything in order.
func TestDeaths(t *testing.T) {
	for _, f := range flows {
		t.Run(f.name, func(t *testing.T) {
			for _, at := range f.calls(t) {
				for when, after := range map[string]bool{"before": false, "after": true} {
					if after && !at.writes() {
						continue
					}
					t.Run(when+" "+at.String(), func(t *testing.T) {
						t.Parallel()
						synctest.Test(t, func(t *testing.T) {
							w := f.world(t)
							f.run(w.line.dies(t.Context(), at, after), w)
							f.repaired(w)
						})
					})
				}
			}
		})
	}
}

// TestTwoInstances has one instance stop before each of its calls, until another
// one has relayed a newer version. Then the first goes on, or dies.
func TestTwoInstances(t *testing.T) {
	for _, f := range flows {
		if f.accepts != "" || f.deleted {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			for _, at := range f.calls(t) {
				for _, then := range []string{"goes on", "dies before", "dies after"} {
					if then != "goes on" && !at.writes() && at.operation != "validate-stored" {
						continue
					}
					t.Run(at.String()+" "+then, func(t *testing.T) {
						t.Parallel()
						synctest.Test(t, func(t *testing.T) {
							w := f.world(t)
							second := w.instance()
							ctx := w.interrupted(t.Context(), at, then, func() {
								second.rotateTo(f.of(), rotated+"-again")
								f.run(t.Context(), second)
							})
							f.run(ctx, w)
							f.repaired(w)
						})
					})
				}
			}
		})
	}
}

// interrupted has the instance stop before a call until something is done. Then it
// goes on, or dies right before or right after that call.
func (w *world) interrupted(ctx context.Context, at call, then string, do func()) context.Context {
	dies := func(call) fault { return nil }
	if then != "goes on" {
		ctx = w.line.dies(ctx, at, then == "dies after")
		dies = w.line.fault
	}
	w.line.failing(func(this call) fault {
		fail := dies(this)
		if this != at {
			return fail
		}
		return func(request *http.Request, serve func() *http.Response) (*http.Response, error) {
			do()
			if fail == nil {
				return serve(), nil
			}
			return fail(request, serve)
		}
	})
	return ctx
}

// rotateTo gives any of the tests' sources a new version.
func (w *world) rotateTo(source Source, token string) {
	if source.Name == entraSecret {
		w.rotateEntra(token)
		return
	}
	w.provide(source.Kind, token)
}
