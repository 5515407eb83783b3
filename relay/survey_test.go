package relay

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"credential-relay/datadog"
	"credential-relay/internal/datadogsim"
)

// many returns a world with many bindings on several pages and nothing left to
// do: some of one secret, and some of one parameter.
func many(t testing.TB, secrets, parameters int) *world {
	w := newWorld(t)
	for kind, number := range map[Kind]int{KindSecret: secrets, KindParameter: parameters} {
		w.provide(kind, canary)
		for i := range number {
			w.bind(string(kind)+"s/"+oktaSecret, fmt.Sprintf("%s-%02d", kind, i), okta)
		}
	}
	w.settle()
	return w
}

// each returns a world with many secrets that each feed one config, and nothing
// left to do.
func each(t testing.TB, number int) *world {
	w := newWorld(t)
	for i := range number {
		w.aws.PutSecret(nth(i), `{"api_token":"`+canary+`"}`)
		w.bind("secrets/"+nth(i), fmt.Sprintf("config-%02d", i), okta)
	}
	w.settle()
	return w
}

func nth(i int) string { return fmt.Sprintf("prod/okta/%02d", i) }

// rotateEach gives each secret a new version.
func (w *world) rotateEach(number int, token string) {
	for i := range number {
		w.aws.PutSecret(nth(i), `{"api_token":"`+token+`"}`)
	}
}

// counted checks how often operations were called.
func (w *world) counted(want map[string]int) {
	w.Helper()
	for operation, times := range want {
		if got := w.times(operation); got != times {
			w.Errorf("got %d calls of %s, want %d", got, operation, times)
		}
	}
}

// idsOf returns the results' configs that have an outcome.
func idsOf(results []Result, outcome Outcome) (ids []datadog.ConfigID) {
	for _, r := range results {
		if r.Outcome == outcome {
			ids = append(ids, r.ConfigID)
		}
	}
	return ids
}

// TestReconcileMany reads all bindings and receipts in one walk, lists Datadog's
// configs once, and looks at each source once.
func TestReconcileMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := many(t, 25, 12)
		w.edit("secret-07", func(*datadogsim.Config) {})
		w.config("parameter-11", func(config *datadogsim.Config) { config.Type = "CROWDSTRIKE" })
		results, left := w.reconcile(time.Minute)
		if len(results) != 37 || left != 0 {
			t.Errorf("got %d results and %d left, want 37 and none", len(results), left)
		}
		if got := idsOf(results, Updated); !slices.Equal(got, []datadog.ConfigID{"secret-07"}) {
			t.Errorf("updated %v", got)
		}
		if got := idsOf(results, Failed); !slices.Equal(got, []datadog.ConfigID{"parameter-11"}) {
			t.Errorf("failed %v", got)
		}
		if got := len(idsOf(results, Unchanged)); got != 35 {
			t.Errorf("got %d unchanged, want 35", got)
		}
		if sorted := slices.IsSortedFunc(results, func(a, b Result) int {
			return strings.Compare(a.Source+" "+string(a.ConfigID), b.Source+" "+string(b.ConfigID))
		}); !sorted {
			t.Error("the results are in no order")
		}
		w.counted(map[string]int{
			"GetParametersByPath": 8, // 37 bindings and as many receipts
			"list":                1, "get": 0, "DescribeSecret": 1, "GetParameter": 1, "GetSecretValue": 2, "patch": 1, "PutParameter": 1,
		})
	})
}

// TestRelayAll relays everything that a person asks for, whether or not it is due.
// Each source's value is read once, and once more for each config.
func TestRelayAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := many(t, 15, 5)
		results, left := w.ask(Request{Selector: Selector{All: true}}, time.Minute)
		if got := len(idsOf(results, Updated)); got != 20 || left != 0 {
			t.Errorf("got %d updated and %d left, want 20 and none", got, left)
		}
		w.counted(map[string]int{"GetParametersByPath": 4, "list": 1, "get": 0, "DescribeSecret": 1, "GetSecretValue": 1 + 15, "patch": 20, "PutParameter": 20})
		w.forget()
		if results, _ = w.ask(Request{Selector: Selector{All: true}, DryRun: true}, time.Minute); len(idsOf(results, WouldUpdate)) != 20 || len(w.patches()) != 0 {
			t.Errorf("a dry run: got %d PATCHes and %s", len(w.patches()), encoded(t, results))
		}
	})
}

// taking has calls of an operation take their time.
func taking(operation string, d time.Duration) func(call) fault {
	return always(operation, 1, func(request *http.Request, serve func() *http.Response) (*http.Response, error) {
		if !wait(request.Context(), d) {
			return nil, request.Context().Err()
		}
		return serve(), nil
	})
}

// TestOutOfTime begins with no more bindings than there is time for, and says how
// many that leaves.
func TestOutOfTime(t *testing.T) {
	const number = 3 * bindingsAtOnce
	slow := taking("patch", 2500*time.Millisecond)
	for _, c := range []struct {
		name   string
		within time.Duration
		fault  func(call) fault
		done   int
		left   int
	}{
		{"enough", time.Minute, slow, number, 0},
		{"enough for two rounds", 6900 * time.Millisecond, slow, 2 * bindingsAtOnce, bindingsAtOnce},
		{"enough for one", 4400 * time.Millisecond, slow, bindingsAtOnce, 2 * bindingsAtOnce},
		{"not enough to begin with", 1900 * time.Millisecond, slow, 0, number},
		{"slow sources", 20 * time.Second, taking("DescribeSecret", 3*time.Second), number, 0},
		{"slow sources, and no time after them", 6100 * time.Millisecond, taking("DescribeSecret", 1500*time.Millisecond), 0, number},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := each(t, number)
				w.rotateEach(number, rotated)
				w.line.failing(c.fault)
				results, left := w.reconcile(c.within)
				if got := len(idsOf(results, Updated)); got != c.done || len(results) != c.done || left != c.left {
					t.Errorf("got %d results, %d of them updated, and %d left, want %d and %d left", len(results), got, left, c.done, c.left)
				}
			})
		})
	}
}

// TestNoTimeAtAll reports that the bindings could not be listed.
func TestNoTimeAtAll(t *testing.T) {
	for name, c := range map[string]struct {
		within time.Duration
		fault  func(call) fault
	}{
		"none":                      {0, nil},
		"none but for the bindings": {5 * time.Second, always("GetParametersByPath", 2, hang)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := each(t, 8)
				w.line.failing(c.fault)
				results, _ := w.reconcile(c.within)
				if len(results) != 1 || results[0].Outcome != Failed || results[0].Error.Stage != AtBinding || !results[0].Error.Retryable {
					t.Errorf("got %s, want one retryable failure at %s", encoded(t, results), AtBinding)
				}
				statuses, _ := w.engine.Status(deadline(t, c.within), Selector{All: true})
				if len(statuses) != 1 || statuses[0].Status != StatusBroken || statuses[0].Error == nil || !statuses[0].Error.Retryable {
					t.Errorf("got the status %s, want one that is broken, retryable", encoded(t, statuses))
				}
			})
		})
	}
}

func deadline(t *testing.T, within time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), within)
	t.Cleanup(cancel)
	return ctx
}

// TestWithoutTheList asks for each config by itself, within the time that a list
// that hangs leaves, and says how many it did not get to.
func TestWithoutTheList(t *testing.T) {
	const number = 2 * bindingsAtOnce
	for _, c := range []struct {
		name   string
		fault  func(call) fault
		within time.Duration
		left   int
	}{
		{"the list hangs", always("list", 1, hang), 20 * time.Second, 0},
		{"the list fails", always("list", 1, says(http.StatusConflict)), 20 * time.Second, 0},
		{"the list fails, and each takes its time", all(always("list", 1, says(http.StatusConflict)), taking("get", 9*time.Second)), 10500 * time.Millisecond, bindingsAtOnce},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := each(t, number)
				w.line.failing(c.fault)
				results, left := w.reconcile(c.within)
				if got := len(idsOf(results, Unchanged)); got != number-c.left || left != c.left {
					t.Errorf("got %d unchanged and %d left, want %d and %d: %s", got, left, number-c.left, c.left, encoded(t, results))
				}
				w.line.failing(c.fault)
				statuses, left := w.engine.Status(deadline(t, c.within), Selector{All: true})
				current := slices.DeleteFunc(statuses, func(s BindingStatus) bool { return s.Status != StatusCurrent })
				if len(current) != number-c.left || left != c.left {
					t.Errorf("got the status of %d that are current and %d left, want %d and %d", len(current), left, number-c.left, c.left)
				}
			})
		})
	}
}

// TestLeftComeFirst has time for a third of the bindings, while every secret is
// rotated before each run. Three runs reach all of them.
func TestLeftComeFirst(t *testing.T) {
	const number = 3 * bindingsAtOnce
	synctest.Test(t, func(t *testing.T) {
		w := each(t, number)
		reached := map[datadog.ConfigID]bool{}
		for run := range 3 {
			time.Sleep(time.Hour)
			w.rotateEach(number, fmt.Sprint(canary, run))
			w.line.failing(taking("patch", 2500*time.Millisecond))
			results, left := w.reconcile(4400 * time.Millisecond)
			if len(results) != bindingsAtOnce || left != number-bindingsAtOnce {
				t.Errorf("got %d results and %d left, want %d and %d", len(results), left, bindingsAtOnce, number-bindingsAtOnce)
			}
			for _, id := range idsOf(results, Updated) {
				reached[id] = true
			}
		}
		if len(reached) != number {
			t.Errorf("three runs reached %d bindings, want %d", len(reached), number)
		}
	})
}

// TestClosedLimit begins with nothing that a closed rate limit will not let end.
func TestClosedLimit(t *testing.T) {
	const number = 3 * bindingsAtOnce
	synctest.Test(t, func(t *testing.T) {
		w := each(t, number)
		w.rotateEach(number, rotated)
		w.line.failing(always("patch", 1, says(http.StatusTooManyRequests, "X-RateLimit-Reset", "300", "X-RateLimit-Name", "updates")))
		results, left := w.reconcile(time.Minute)
		if len(results)+left != number || left < number-bindingsAtOnce || len(idsOf(results, Failed)) != len(results) {
			t.Errorf("got %d results and %d left, want at most %d failed and the rest left", len(results), left, bindingsAtOnce)
		}
		if sent := w.times("patch"); sent > bindingsAtOnce {
			t.Errorf("got %d PATCHes, want at most %d", sent, bindingsAtOnce)
		}
	})
}

// TestThoseThatHang leave their turn to the rest.
func TestThoseThatHang(t *testing.T) {
	const number, hanging = 40, 16
	slowOnes := func(operation string) func(call) fault {
		return func(this call) fault {
			if this.operation != operation {
				return nil
			}
			return func(request *http.Request, serve func() *http.Response) (*http.Response, error) {
				for i := range hanging {
					if strings.HasSuffix(request.URL.Path, fmt.Sprintf("/config-%02d", i)) {
						return hang(request, serve)
					}
				}
				return serve(), nil
			}
		}
	}
	t.Run("of many sources", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := each(t, number)
			w.rotateEach(number, rotated)
			w.line.failing(slowOnes("patch"))
			results, left := w.reconcile(time.Minute)
			if got := len(idsOf(results, Updated)); got != number-hanging || left != 0 {
				t.Errorf("got %d updated and %d left, want %d and none", got, left, number-hanging)
			}
		})
	})
	for _, configs := range []int{hanging + 4, number} {
		t.Run(fmt.Sprintf("of one source with %d", configs), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.provide(KindSecret, canary)
				for i := range configs {
					w.bind("secrets/"+oktaSecret, fmt.Sprintf("config-%02d", i), okta)
				}
				w.line.failing(slowOnes("get"))
				if got := len(idsOf(w.relay(SecretNamed(oktaSecret), time.Minute), Updated)); got != configs-hanging {
					t.Errorf("got %d updated, want %d", got, configs-hanging)
				}
			})
		})
	}
	t.Run("a source that hangs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := each(t, number)
			w.rotateEach(number, rotated)
			w.line.failing(always("DescribeSecret", 1, about(nth(7), hang)))
			results, left := w.reconcile(time.Minute)
			if got := len(idsOf(results, Updated)); got != number-1 || left != 0 {
				t.Errorf("got %d updated and %d left, want all but one and none", got, left)
			}
		})
	})
}

// TestReconcileWithoutDeadline comes to an end too.
func TestReconcileWithoutDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := many(t, 20, 20)
		if results, left := w.engine.Reconcile(t.Context()); len(idsOf(results, Unchanged)) != 40 || left != 0 {
			t.Errorf("got %d results and %d left, want 40 and none", len(results), left)
		}
	})
}

// TestReconcilePanic has a fault of ours hit one source, which stops no other, or
// what comes before all of them.
func TestReconcilePanic(t *testing.T) {
	panics := func(*http.Request, func() *http.Response) (*http.Response, error) { panic(canary) }
	for _, c := range []struct {
		in      call
		results int
	}{
		{call{"DescribeSecret", 2}, 12},
		{call{"list", 1}, 1},
		{call{"GetParametersByPath", 2}, 1},
	} {
		t.Run(c.in.operation, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := each(t, 12)
				w.line.failing(once(c.in.operation, c.in.nth, panics))
				results, left := w.reconcile(time.Minute)
				if len(results) != c.results || len(idsOf(results, Unchanged)) != c.results-1 || left != 0 {
					t.Errorf("got %s and %d left, want %d, of which one failed", encoded(t, results), left, c.results)
				}
				for _, r := range results {
					if r.Outcome == Failed && (r.Error.Stage != AtInternal || r.Error.Message != "internal error" || r.Error.Stack == "") {
						t.Errorf("got %s, want failed at %s: internal error", encoded(t, r), AtInternal)
					}
				}
			})
		})
	}
}
