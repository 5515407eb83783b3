package relay

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"credential-relay/internal/datadogsim"
)

// settled is a world with a source of a kind that feeds the config 1111, and
// nothing left to do: the receipt says that Datadog holds the source's version.
func settled(t testing.TB, kind Kind) *world {
	w := newWorld(t)
	w.provide(kind, canary)
	w.bind(string(kind)+"s/"+oktaSecret, "1111", okta)
	w.settle("1111")
	return w
}

// settle relays every binding, so that nothing is left to do, and forgets the
// calls. It must run in virtual time.
func (w *world) settle(ids ...string) {
	w.Helper()
	time.Sleep(1234567 * time.Nanosecond) // a date with a fraction of a second proves what it says
	results, left := w.engine.Relay(context.Background(), Request{Selector: Selector{All: true}})
	for _, r := range results {
		if r.Outcome != Updated || left > 0 {
			w.Fatalf("got %s and %d left, want updated", encoded(w, r), left)
		}
	}
	time.Sleep(time.Second)
	for _, id := range ids {
		w.config(id, func(config *datadogsim.Config) { config.Patches = 0 })
	}
	w.forget()
}

// provide gives the source of a kind this token.
func (w *world) provide(kind Kind, token string) {
	if kind == KindParameter {
		w.aws.PutParameter("/"+oktaSecret, "SecureString", `{"api_token":"`+token+`"}`)
		return
	}
	w.aws.PutSecret(oktaSecret, `{"api_token":"`+token+`"}`)
}

// remove deletes the source of a kind, a secret so that it can be restored.
func (w *world) remove(kind Kind) {
	if kind == KindSecret {
		w.aws.DeleteSecret(oktaSecret)
		return
	}
	if _, err := w.engine.Sources.ParameterStore.DeleteParameter(w.Context(), &ssm.DeleteParameterInput{Name: aws.String("/" + oktaSecret)}); err != nil {
		w.Error(err)
	}
}

// policy has the binding of a kind's source want something of `enabled`, which
// is something already.
func (w *world) policy(kind Kind, policy EnabledMode, enabled bool) {
	w.aws.PutParameter("/credential-relay/"+string(kind)+"s/"+oktaSecret+"/1111", "String", `{"integration_type":"OKTA","enabled":"`+string(policy)+`"}`)
	w.config("1111", func(config *datadogsim.Config) { config.Enabled = enabled })
}

// config changes a config behind the back of Datadog's API.
func (w *world) config(id string, change func(*datadogsim.Config)) {
	w.Helper()
	config, ok := w.datadog.Config(id)
	if !ok {
		w.Fatalf("there is no config %s", id)
	}
	change(&config)
	w.datadog.PutConfig(config)
}

// touch has a config modified now.
func (w *world) touch(id string) {
	w.config(id, func(config *datadogsim.Config) { config.ModifiedAt = time.Now() })
}

// patches are the bodies of the PATCHes that Datadog got.
func (w *world) patches() []string {
	var bodies []string
	for _, request := range w.datadog.Requests()[w.datadogBefore:] {
		if request.Operation == datadogsim.Patch {
			bodies = append(bodies, request.Body)
		}
	}
	return bodies
}

// times counts the calls of an operation.
func (w *world) times(operation string) int {
	return len(slices.DeleteFunc(w.served(), func(c call) bool { return c.operation != operation }))
}

// hides looks for what may be in no output.
func (w *world) hides(output string) {
	w.Helper()
	for _, secret := range []string{canary, canaryAPIKey, canaryAppKey, canaryAWSKey} {
		if strings.Contains(output, secret) {
			w.Errorf("an output holds %s: %s", secret, output)
		}
	}
}

// reconcile reconciles within a time, and looks for what may not be in the
// outcomes.
func (w *world) reconcile(within time.Duration) (outcomes []Result, left int) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), within)
	defer cancel()
	started := time.Now()
	outcomes, left = w.engine.Reconcile(ctx)
	if took := time.Since(started); took > within {
		w.Errorf("took %v, and there were %v", took, within)
	}
	w.hides(encoded(w, outcomes))
	return outcomes, left
}

// reconcileOne is reconcile where there is one binding.
func (w *world) reconcileOne() Result {
	w.Helper()
	outcomes, left := w.reconcile(time.Minute)
	if len(outcomes) != 1 || left != 0 {
		w.Fatalf("got %d outcomes and %d left, want one and none: %s", len(outcomes), left, encoded(w, outcomes))
	}
	return outcomes[0]
}

// ofList has a fault hit the list of configs alone.
func ofList(fail fault) fault { return only("/integration_config", fail) }

// ofListOrOne has one fault hit the list of configs, and another hit what is
// asked of them one by one.
func ofListOrOne(c call, list, one fault) fault {
	if c.operation != "get" {
		return nil
	}
	return func(request *http.Request, serve func() *http.Response) (*http.Response, error) {
		if strings.HasSuffix(request.URL.Path, "/integration_config") {
			return list(request, serve)
		}
		return one(request, serve)
	}
}

// only has a fault hit the requests whose path ends so.
func only(end string, fail fault) fault {
	return func(request *http.Request, serve func() *http.Response) (*http.Response, error) {
		if strings.HasSuffix(request.URL.Path, end) {
			return fail(request, serve)
		}
		return serve(), nil
	}
}

// describing is the call that tells of a source's last change.
var describing = map[Kind]string{KindSecret: "DescribeSecret", KindParameter: "GetParameter"}

// TestReconcile has one binding, of a secret or of a parameter, and all that a
// run may find.
func TestReconcile(t *testing.T) {
	state := func(state string) func(*world, Kind) {
		return func(w *world, _ Kind) {
			w.config("1111", func(config *datadogsim.Config) { config.State = state })
		}
	}
	wanting := func(policy EnabledMode, enabled bool) func(*world, Kind) {
		return func(w *world, kind Kind) { w.policy(kind, policy, enabled) }
	}
	deleted := func(policy EnabledMode, enabled bool) func(*world, Kind) {
		return func(w *world, kind Kind) {
			w.policy(kind, policy, enabled)
			w.remove(kind)
		}
	}
	failing := func(fail fault) func(*world, Kind) {
		return func(w *world, _ Kind) { w.line.failing(always("get", 1, fail)) }
	}
	describes := func(fail fault) func(*world, Kind) {
		return func(w *world, kind Kind) { w.line.failing(always(describing[kind], 1, fail)) }
	}
	const relayed, flagged = 1, 1
	for _, c := range []struct {
		name    string
		given   func(*world, Kind)
		want    Outcome
		stage   Stage // of the error
		patches int
		enabled bool // afterwards
		detail  string
	}{
		{name: "all as it should be", want: Unchanged, enabled: true},
		{name: "the source changed", given: func(w *world, kind Kind) {
			time.Sleep(time.Second)
			w.provide(kind, canary)
		}, want: Updated, patches: relayed, enabled: true},
		{name: "modified a moment before the source", given: func(w *world, _ Kind) {
			w.config("1111", func(config *datadogsim.Config) { config.ModifiedAt = config.ModifiedAt.Add(-time.Microsecond) })
		}, want: Updated, patches: relayed, enabled: true},
		{name: "modified nobody knows when", given: func(w *world, _ Kind) {
			w.config("1111", func(config *datadogsim.Config) { config.ModifiedAt = time.Time{} })
		}, want: Updated, patches: relayed, enabled: true},

		{name: "keeps what is on", given: wanting(Keep, true), want: Unchanged, enabled: true},
		{name: "keeps what is off", given: wanting(Keep, false), want: Unchanged},
		{name: "on, and is", given: wanting(On, true), want: Unchanged, enabled: true},
		{name: "on, and is not", given: wanting(On, false), want: Updated, patches: relayed, enabled: true},
		{name: "off, and is", given: wanting(Off, false), want: Unchanged},
		{name: "off, and is not", given: wanting(Off, true), want: Updated, patches: relayed},
		{name: "follows, and is on", given: wanting(Follow, true), want: Unchanged, enabled: true},
		{name: "follows, and is off", given: wanting(Follow, false), want: Updated, patches: relayed, enabled: true},

		{name: "invalid", given: state("invalid"), want: Invalid, stage: AtConfirm, enabled: true, detail: "this is the current credential"},
		{name: "initializing", given: state("initializing"), want: Pending, stage: AtConfirm, enabled: true},
		{name: "a state of the future", given: state("degraded"), want: Pending, stage: AtConfirm, enabled: true},
		{name: "no state", given: state(""), want: Unchanged, enabled: true},

		{name: "no config", given: func(w *world, _ Kind) { w.datadog.RemoveConfig("1111") }, want: Failed, stage: AtConfig, detail: "404"},
		{name: "a config of another type", given: func(w *world, _ Kind) {
			w.config("1111", func(config *datadogsim.Config) { config.Type = "CROWDSTRIKE" })
		}, want: Failed, stage: AtConfig, enabled: true, detail: "is of type CROWDSTRIKE"},
		{name: "a config of another type, and of a source that is deleted", given: func(w *world, kind Kind) {
			deleted(Follow, true)(w, kind)
			w.config("1111", func(config *datadogsim.Config) { config.Type = "CROWDSTRIKE" })
		}, want: Failed, stage: AtConfig, enabled: true, detail: "is of type CROWDSTRIKE"},
		{name: "a binding that does not parse", given: wanting("sometimes", true), want: Failed, stage: AtBinding, enabled: true, detail: "enabled: must be"},

		{name: "deleted, keep", given: deleted(Keep, true), want: Failed, stage: AtSource, enabled: true, detail: "the source is deleted"},
		{name: "deleted, on", given: deleted(On, true), want: Failed, stage: AtSource, enabled: true, detail: "the source is deleted"},
		{name: "deleted, on and is not", given: deleted(On, false), want: Failed, stage: AtSource, detail: "the source is deleted"},
		{name: "deleted, off", given: deleted(Off, true), want: Failed, stage: AtSource, patches: flagged, detail: "the source is deleted"},
		{name: "deleted, off and is", given: deleted(Off, false), want: Failed, stage: AtSource, detail: "the source is deleted"},
		{name: "deleted, follow", given: deleted(Follow, true), want: Updated, patches: flagged},
		{name: "deleted, follow and is off", given: deleted(Follow, false), want: Unchanged},

		{name: "no configs to be read", given: failing(answer(http.StatusForbidden, "")), want: Updated, patches: relayed, enabled: true},
		{name: "no list for lack of permission", given: failing(ofList(answer(http.StatusForbidden, ""))), want: Unchanged, enabled: true},
		{name: "no list for an error of Datadog's", given: failing(ofList(answer(http.StatusInternalServerError, ""))), want: Unchanged, enabled: true},
		{name: "no list but garbage", given: failing(ofList(answer(http.StatusOK, "]"+canary))), want: Unchanged, enabled: true},
		{name: "no list but somebody else's JSON", given: failing(ofList(answer(http.StatusOK, `{"status":"ok"}`))), want: Unchanged, enabled: true},
		{name: "no list in time", given: failing(ofList(hang)), want: Unchanged, enabled: true},
		{name: "a list without it", given: failing(ofList(answer(http.StatusOK, `{"data":[]}`))), want: Unchanged, enabled: true},
		{name: "a list without it, and no permission to read it", given: func(w *world, _ Kind) {
			w.line.failing(func(c call) fault {
				return ofListOrOne(c, answer(http.StatusOK, `{"data":[]}`), answer(http.StatusForbidden, ""))
			})
		}, want: Updated, patches: relayed, enabled: true},
		{name: "no list, nor a single one", given: failing(answer(http.StatusInternalServerError, "")), want: Failed, stage: AtConfig, enabled: true},
		{name: "no list, nor a single one but garbage", given: failing(answer(http.StatusOK, canary)), want: Failed, stage: AtConfig, enabled: true},

		{name: "may not ask for the change", given: describes(awsFault(400, "AccessDeniedException")), want: Failed, stage: AtSource, enabled: true},
		{name: "is throttled", given: describes(awsFault(400, "ThrottlingException")), want: Failed, stage: AtSource, enabled: true},
		{name: "garbage for the change", given: describes(answer(http.StatusOK, "]"+canary)), want: Failed, stage: AtSource, enabled: true},
		{name: "somebody else's JSON for the change", given: describes(answer(http.StatusOK, `{"status":"ok"}`)), want: Failed, stage: AtSource, enabled: true, detail: "the answer"},
		{name: "may not ask for the change, follow", given: func(w *world, kind Kind) {
			w.policy(kind, Follow, true)
			describes(awsFault(400, "AccessDeniedException"))(w, kind)
		}, want: Failed, stage: AtSource, enabled: true},
		{name: "may not ask for the change, off", given: func(w *world, kind Kind) {
			w.policy(kind, Off, true)
			describes(awsFault(400, "AccessDeniedException"))(w, kind)
		}, want: Failed, stage: AtSource, patches: flagged},
		{name: "may not ask for the change, off and is", given: func(w *world, kind Kind) {
			w.policy(kind, Off, false)
			describes(awsFault(400, "AccessDeniedException"))(w, kind)
		}, want: Failed, stage: AtSource},
		{name: "rejected", given: func(w *world, kind Kind) {
			time.Sleep(time.Second)
			w.provide(kind, canary+"-bad")
			w.refuse("-bad")
		}, want: Rejected, stage: AtValidate, enabled: true},
	} {
		for _, kind := range []Kind{KindSecret, KindParameter} {
			t.Run(string(kind)+"/"+c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := settled(t, kind)
					if c.given != nil {
						c.given(w, kind)
					}
					o := w.reconcileOne()
					if o.Outcome != c.want || (o.Error == nil) != (c.stage == "") {
						t.Fatalf("got %s, want %s", encoded(t, o), c.want)
					}
					if o.Error != nil && (o.Error.Stage != c.stage || !strings.Contains(o.Error.Message, c.detail)) {
						t.Errorf("got %s, want an error at %s: %s", encoded(t, o), c.stage, c.detail)
					}
					if config, ok := w.datadog.Config("1111"); ok && (config.Patches != c.patches || config.Enabled != c.enabled) {
						t.Errorf("got %d PATCHes and enabled %t, want %d and %t", config.Patches, config.Enabled, c.patches, c.enabled)
					}
					if o.Outcome == Updated && c.enabled && !w.holds("1111", `{"api_token":"`+canary+`"}`) {
						t.Error("Datadog does not hold the credential")
					}
					if o.Outcome != Unchanged && o.Outcome != Updated {
						return
					}
					w.line.failing(nil)
					if o = w.reconcileOne(); o.Outcome != Unchanged {
						t.Errorf("once more: got %s, want unchanged", encoded(t, o))
					}
				})
			})
		}
	}
}

// TestReconcileReadsNoValue when there is nothing to do.
func TestReconcileReadsNoValue(t *testing.T) {
	for kind, want := range map[Kind][]call{
		KindSecret:    {{"GetParametersByPath", 1}, {"GetParametersByPath", 2}, {"DescribeSecret", 1}, {"list", 1}},
		KindParameter: {{"GetParametersByPath", 1}, {"GetParametersByPath", 2}, {"GetParameter", 1}, {"list", 1}},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := settled(t, kind)
			w.line.failing(always("GetParameter", 1, func(request *http.Request, serve func() *http.Response) (*http.Response, error) {
				body := string(must(io.ReadAll(request.Body)))
				if !strings.Contains(body, `"WithDecryption":false`) {
					t.Errorf("a parameter is asked for with %s, so its value would be decrypted", body)
				}
				request.Body = io.NopCloser(strings.NewReader(body))
				return serve(), nil
			}))
			if o := w.reconcileOne(); o.Outcome != Unchanged || o.VersionID == "" || o.State != "valid" || o.Enabled == nil || !*o.Enabled {
				t.Errorf("got %s, want unchanged, with version, state and flag", encoded(t, o))
			}
			if got := w.served(); !slices.Equal(got, want) {
				t.Errorf("got the calls %v, want %v", got, want)
			}
		})
	}
}

// TestReconcileFindsNoValue is told that a secret has no current version: its
// config is not called fine.
func TestReconcileFindsNoValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.createEmpty()
		w.bind("secrets/"+oktaSecret, "1111", okta)
		w.touch("1111")
		o := w.reconcileOne()
		if o.Outcome != Failed || o.Error.Stage != AtSource || len(w.patches()) != 0 {
			t.Errorf("got %s, want failed at %s", encoded(t, o), AtSource)
		}
	})
}

// createEmpty makes a secret that has yet to get its first version.
func (w *world) createEmpty() {
	if _, err := w.engine.Sources.SecretsManager.CreateSecret(w.Context(), &secretsmanager.CreateSecretInput{Name: aws.String(oktaSecret)}); err != nil {
		w.Error(err)
	}
}

// TestReconcileInvalid reports what is invalid as long as it is, and leaves it
// alone: to send it once more would change nothing. A new version is sent.
func TestReconcileInvalid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := settled(t, KindSecret)
		w.config("1111", func(config *datadogsim.Config) { config.State = "invalid" })
		for range 10 {
			if o := w.reconcileOne(); o.Outcome != Invalid || o.Error.Stage != AtConfirm {
				t.Errorf("got %s, want invalid", encoded(t, o))
			}
			time.Sleep(time.Hour)
		}
		if w.reads() != 0 || len(w.patches()) != 0 {
			t.Errorf("got %d reads and the PATCHes %q, want none", w.reads(), w.patches())
		}
		w.provide(KindSecret, canary+"-new")
		if o := w.reconcileOne(); o.Outcome != Updated || !w.holds("1111", `{"api_token":"`+canary+`-new"}`) {
			t.Errorf("got %s, want the new version delivered", encoded(t, o))
		}
	})
}

// TestReconcileTellsConfigsByID however their letters are written.
func TestReconcileTellsConfigsByID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := settled(t, KindSecret)
		w.bind("secrets/"+oktaSecret, "ABCD", okta)
		w.touch("ABCD")
		w.line.failing(func(c call) fault {
			return ofListOrOne(c, func(_ *http.Request, serve func() *http.Response) (*http.Response, error) {
				list := string(must(io.ReadAll(serve().Body)))
				return answer(http.StatusOK, strings.ReplaceAll(list, "ABCD", "abcd"))(nil, nil)
			}, answer(http.StatusNotFound, ""))
		})
		outcomes, _ := w.reconcile(time.Minute)
		if len(outcomes) != 2 || outcomes[0].Outcome != Unchanged || outcomes[1].Outcome != Unchanged {
			t.Errorf("got %s, want two unchanged", encoded(t, outcomes))
		}
	})
}

// many is a world with many bindings of both kinds, on several pages, and
// nothing left to do.
func many(t testing.TB, secrets, parameters int) *world {
	w := newWorld(t)
	for kind, number := range map[Kind]int{KindSecret: secrets, KindParameter: parameters} {
		w.provide(kind, canary)
		for i := range number {
			id := fmt.Sprintf("%s-%02d", kind, i)
			w.bind(string(kind)+"s/"+oktaSecret, id, okta)
			w.touch(id)
		}
	}
	return w
}

func TestReconcileMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := many(t, 25, 12)
		w.config("secret-07", func(config *datadogsim.Config) { config.ModifiedAt = time.Time{} })
		w.config("parameter-11", func(config *datadogsim.Config) { config.Type = "CROWDSTRIKE" })
		outcomes, left := w.reconcile(time.Minute)
		if len(outcomes) != 37 || left != 0 {
			t.Errorf("got %d outcomes and %d left, want 37 and none", len(outcomes), left)
		}
		seen := map[string]bool{}
		for _, o := range outcomes {
			want := Unchanged
			switch o.ConfigID {
			case "secret-07":
				want = Updated
			case "parameter-11":
				want = Failed
			}
			if o.Outcome != want {
				t.Errorf("got %s, want %s", encoded(t, o), want)
			}
			seen[string(o.ConfigID)] = true
		}
		if len(seen) != 37 {
			t.Errorf("got outcomes of %d configs, want 37", len(seen))
		}
		if sorted := slices.IsSortedFunc(outcomes, func(a, b Result) int {
			return strings.Compare(a.Source+" "+string(a.ConfigID), b.Source+" "+string(b.ConfigID))
		}); !sorted {
			t.Error("the outcomes are in no order")
		}
		for operation, want := range map[string]int{
			"GetParametersByPath": 3 + 2, "list": 1, "get": 1, "DescribeSecret": 25, "GetParameter": 11, "GetSecretValue": 2, "patch": 1,
		} {
			if got := w.times(operation); got != want {
				t.Errorf("got %d calls of %s, want %d", got, operation, want)
			}
		}
	})
}

// slow takes a second.
func slow(request *http.Request, serve func() *http.Response) (*http.Response, error) {
	if !wait(request.Context(), time.Second) {
		return nil, request.Context().Err()
	}
	return serve(), nil
}

// TestReconcileOutOfTime begins with no more bindings than there is time for,
// and says how many that leaves.
func TestReconcileOutOfTime(t *testing.T) {
	for _, c := range []struct {
		name         string
		within       time.Duration
		fault        func(call) fault
		begun        int
		want         Outcome
		took         time.Duration
		notEvenBegun bool
	}{
		{name: "enough", within: time.Minute, fault: always("DescribeSecret", 1, slow), begun: 40, want: Unchanged, took: 5 * time.Second},
		{name: "enough for three rounds", within: 4500 * time.Millisecond, fault: always("DescribeSecret", 1, slow), begun: 3 * bindingsAtOnce, want: Unchanged, took: 3 * time.Second},
		{name: "enough for one", within: 2 * time.Second, fault: always("DescribeSecret", 1, slow), begun: bindingsAtOnce, want: Unchanged, took: time.Second},
		{name: "not enough to begin with", within: 1999 * time.Millisecond, begun: 0},
		{name: "enough, and then all hangs", within: 10 * time.Second, fault: always("DescribeSecret", 1, hang), begun: bindingsAtOnce, want: Failed, took: 10 * time.Second},
		{name: "the list hangs, for half of it", within: 10 * time.Second, fault: always("get", 1, ofList(hang)), begun: 40, want: Unchanged, took: 5 * time.Second},
		{name: "none", within: 0, notEvenBegun: true},
		{name: "none but for the bindings", within: 5 * time.Second, fault: always("GetParametersByPath", 3, hang), took: 5 * time.Second, notEvenBegun: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := many(t, 40, 0)
				w.line.failing(c.fault)
				started := time.Now()
				outcomes, left := w.reconcile(c.within)
				if took := time.Since(started); took != c.took {
					t.Errorf("took %v, want %v", took, c.took)
				}
				if c.notEvenBegun {
					if len(outcomes) != 1 || outcomes[0].Outcome != Failed || outcomes[0].Error.Stage != AtBinding || !outcomes[0].Error.Retryable {
						t.Errorf("got %s, want one retryable failure at %s", encoded(t, outcomes), AtBinding)
					}
					return
				}
				if len(outcomes) != c.begun || left != 40-c.begun {
					t.Errorf("got %d outcomes and %d left, want %d and %d", len(outcomes), left, c.begun, 40-c.begun)
				}
				for _, o := range outcomes {
					if o.Outcome != c.want || o.Error != nil && !o.Error.Retryable {
						t.Errorf("got %s, want %s", encoded(t, o), c.want)
					}
				}
			})
		})
	}
}

// TestReconcileWithoutDeadline comes to an end too.
func TestReconcileWithoutDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := many(t, 20, 20)
		if outcomes, left := w.engine.Reconcile(t.Context()); len(outcomes) != 40 || left != 0 {
			t.Errorf("got %d outcomes and %d left, want 40 and none", len(outcomes), left)
		}
	})
}

// TestReconcileReachesEveryBinding in runs that have time for a third of them.
// By chance one is left out of 100 of those once in 10^16 times.
func TestReconcileReachesEveryBinding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := many(t, 3*bindingsAtOnce, 0)
		w.line.failing(always("DescribeSecret", 1, slow))
		reached := map[string]bool{}
		for range 100 {
			outcomes, left := w.reconcile(2500 * time.Millisecond)
			if len(outcomes) != bindingsAtOnce || left != 2*bindingsAtOnce {
				t.Fatalf("got %d outcomes and %d left, want %d and %d", len(outcomes), left, bindingsAtOnce, 2*bindingsAtOnce)
			}
			for _, o := range outcomes {
				reached[string(o.ConfigID)] = true
			}
			if len(reached) == 3*bindingsAtOnce {
				return
			}
		}
		t.Errorf("100 runs reached %d bindings, want %d", len(reached), 3*bindingsAtOnce)
	})
}

// TestReconcilePanic has a fault of ours hit one binding, which stops no other,
// or what comes before all of them.
func TestReconcilePanic(t *testing.T) {
	panics := func(*http.Request, func() *http.Response) (*http.Response, error) { panic(canary) }
	for _, c := range []struct {
		in       call
		outcomes int
	}{
		{call{"DescribeSecret", 2}, 12},
		{call{"GetParameter", 1}, 12},
		{call{"get", 1}, 1},
		{call{"GetParametersByPath", 2}, 1},
	} {
		t.Run(c.in.operation, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := many(t, 8, 4)
				w.line.failing(once(c.in.operation, c.in.nth, panics))
				outcomes, left := w.reconcile(time.Minute)
				failed := 0
				for _, o := range outcomes {
					if o.Outcome == Failed && o.Error.Message == "internal error" {
						failed++
					} else if o.Outcome != Unchanged {
						t.Errorf("got %s, want unchanged", encoded(t, o))
					}
				}
				if len(outcomes) != c.outcomes || failed != 1 || left != 0 {
					t.Errorf("got %d outcomes, of which %d failed, and %d left; want %d, one, none", len(outcomes), failed, left, c.outcomes)
				}
			})
		})
	}
}

// TestEveryFaultOfReconcile has every call fail in every way while the source
// has moved on: the next run brings Datadog up to it, if that one did not.
func TestEveryFaultOfReconcile(t *testing.T) {
	const now = `{"api_token":"` + canary + `-new"}`
	// The first get is the list. Of the relay that follows, TestEveryFault has the rest.
	calls := []call{{"GetParametersByPath", 1}, {"GetParametersByPath", 2}, {"DescribeSecret", 1}, {"get", 1}, {"get", 2}, {"patch", 1}}
	eachFault(t, calls, func(t *testing.T, _ call, _ string, which func(call) fault) {
		w := settled(t, KindSecret)
		time.Sleep(time.Second)
		w.provide(KindSecret, canary+"-new")
		w.line.failing(which)
		outcomes, _ := w.reconcile(patience)
		for _, o := range outcomes {
			if o.Outcome == Unchanged || o.Outcome == Updated && !w.holds("1111", now) {
				t.Errorf("got %s, and Datadog does not hold the current credential", encoded(t, o))
			}
		}
		w.line.failing(nil)
		time.Sleep(longestLimit)
		if o := w.reconcileOne(); o.Outcome != Updated && o.Outcome != Unchanged || !w.holds("1111", now) {
			t.Errorf("after the fault: got %s, want Datadog to hold the current credential", encoded(t, o))
		}
	})
}
