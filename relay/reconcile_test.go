package relay

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"credential-relay/internal/datadogsim"
)

// looking is the call that tells a source's current version without its value.
var looking = map[Kind]string{KindSecret: "DescribeSecret", KindParameter: "GetParameter"}

// TestReconcile has one binding, of a secret or of a parameter, and everything
// that a reconcile may find. Where nothing is wrong it settles within two more.
func TestReconcile(t *testing.T) {
	state := func(state string) func(*world, Kind) {
		return func(w *world, _ Kind) {
			w.config("1111", func(config *datadogsim.Config) { config.State = state })
		}
	}
	wanting := func(mode EnabledMode, enabled bool) func(*world, Kind) {
		return func(w *world, kind Kind) { w.mode(kind, mode, enabled) }
	}
	deleted := func(mode EnabledMode, enabled bool) func(*world, Kind) {
		return func(w *world, kind Kind) {
			w.mode(kind, mode, enabled)
			w.remove(kind)
		}
	}
	failing := func(operation string, fail fault) func(*world, Kind) {
		return func(w *world, _ Kind) { w.line.failing(always(operation, 1, fail)) }
	}
	unlisted := func(fail fault) func(*world, Kind) {
		return func(w *world, _ Kind) { w.line.failing(all(always("list", 1, fail), always("get", 1, fail))) }
	}
	looks := func(fail fault) func(*world, Kind) {
		return func(w *world, kind Kind) { w.line.failing(always(looking[kind], 1, fail)) }
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
		{name: "edited in Datadog", given: func(w *world, _ Kind) { w.edit("1111", func(*datadogsim.Config) {}) }, want: Updated, patches: relayed, enabled: true},
		{name: "edited a moment ago", given: func(w *world, _ Kind) {
			w.config("1111", func(config *datadogsim.Config) { config.ModifiedAt = config.ModifiedAt.Add(time.Microsecond) })
		}, want: Updated, patches: relayed, enabled: true},
		{name: "without a date", given: func(w *world, _ Kind) {
			w.config("1111", func(config *datadogsim.Config) { config.ModifiedAt = time.Time{} })
		}, want: Unchanged, enabled: true},
		{name: "without a receipt", given: func(w *world, _ Kind) { w.deleteParameter(bindings + "receipts/1111") }, want: Updated, patches: relayed, enabled: true},

		{name: "keeps what is on", given: wanting(Keep, true), want: Unchanged, enabled: true},
		{name: "keeps what is off", given: wanting(Keep, false), want: Unchanged},
		{name: "on, and is", given: wanting(On, true), want: Unchanged, enabled: true},
		{name: "on, and is not", given: wanting(On, false), want: Updated, patches: flagged, enabled: true},
		{name: "off, and is", given: wanting(Off, false), want: Unchanged},
		{name: "off, and is not", given: wanting(Off, true), want: Updated, patches: flagged},
		{name: "follows, and is on", given: wanting(Follow, true), want: Unchanged, enabled: true},
		{name: "follows, and is off", given: wanting(Follow, false), want: Updated, patches: flagged, enabled: true},

		{name: "invalid, and Datadog says so when asked", given: func(w *world, _ Kind) {
			w.refuse(canary)
			w.config("1111", func(config *datadogsim.Config) { config.State = "invalid" })
		}, want: Invalid, stage: AtConfirm, enabled: true, detail: "the source does not accept"},
		{name: "invalid, and valid when asked", given: state("invalid"), want: Unchanged, enabled: true},
		{name: "initializing, and valid when asked", given: state("initializing"), want: Unchanged, enabled: true},
		{name: "initializing, and Datadog cannot say yet", given: func(w *world, kind Kind) {
			state("initializing")(w, kind)
			w.datadog.ScriptForever(datadogsim.ValidateStored, refused)
		}, want: Pending, stage: AtConfirm, enabled: true},
		{name: "a state of the future", given: state("degraded"), want: Unchanged, enabled: true},
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

		{name: "no configs can be read", given: unlisted(says(http.StatusForbidden)), want: Unchanged, enabled: true},
		{name: "no configs can be read, and the source changed", given: func(w *world, kind Kind) {
			w.provide(kind, canary)
			time.Sleep(time.Second)
			unlisted(says(http.StatusForbidden))(w, kind)
		}, want: Updated, patches: relayed, enabled: true},
		{name: "no list for lack of permission", given: failing("list", says(http.StatusForbidden)), want: Unchanged, enabled: true},
		{name: "no list for an error of Datadog's", given: failing("list", says(http.StatusInternalServerError)), want: Unchanged, enabled: true},
		{name: "no list but garbage", given: failing("list", answer(http.StatusOK, "]"+canary)), want: Unchanged, enabled: true},
		{name: "no list but another's JSON", given: failing("list", answer(http.StatusOK, `{"status":"ok"}`)), want: Unchanged, enabled: true},
		{name: "no list in time", given: failing("list", hang), want: Unchanged, enabled: true},
		{name: "a list without it", given: failing("list", answer(http.StatusOK, `{"data":[]}`)), want: Unchanged, enabled: true},
		{name: "a list without it, and no permission to read it", given: func(w *world, _ Kind) {
			w.line.failing(all(always("list", 1, answer(http.StatusOK, `{"data":[]}`)), always("get", 1, says(http.StatusForbidden))))
		}, want: Unchanged, enabled: true},
		{name: "no list, nor a single one", given: unlisted(says(http.StatusInternalServerError)), want: Failed, stage: AtConfig, enabled: true},
		{name: "no list, nor a single one but garbage", given: unlisted(answer(http.StatusOK, canary)), want: Failed, stage: AtConfig, enabled: true},

		{name: "may not look at the source", given: looks(awsFault(400, "AccessDeniedException")), want: Failed, stage: AtSource, enabled: true},
		{name: "is throttled", given: looks(awsFault(400, "ThrottlingException")), want: Failed, stage: AtSource, enabled: true},
		{name: "garbage for the source", given: looks(answer(http.StatusOK, "]"+canary)), want: Failed, stage: AtSource, enabled: true},
		{name: "another's JSON for the source", given: looks(answer(http.StatusOK, `{"status":"ok"}`)), want: Failed, stage: AtSource, enabled: true},
		{name: "may not look at the source, follow", given: func(w *world, kind Kind) {
			w.mode(kind, Follow, true)
			looks(awsFault(400, "AccessDeniedException"))(w, kind)
		}, want: Failed, stage: AtSource, enabled: true},
		{name: "may not look at the source, off", given: func(w *world, kind Kind) {
			w.mode(kind, Off, true)
			looks(awsFault(400, "AccessDeniedException"))(w, kind)
		}, want: Failed, stage: AtSource, patches: flagged},
		{name: "may not look at the source, off and is", given: func(w *world, kind Kind) {
			w.mode(kind, Off, false)
			looks(awsFault(400, "AccessDeniedException"))(w, kind)
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
					r := w.reconcileOne()
					if r.Outcome != c.want || (r.Error == nil) != (c.stage == "") {
						t.Fatalf("got %s, want %s", encoded(t, r), c.want)
					}
					if r.Error != nil && (r.Error.Stage != c.stage || !strings.Contains(r.Error.Message, c.detail)) {
						t.Errorf("got %s, want an error at %s: %s", encoded(t, r), c.stage, c.detail)
					}
					if config, ok := w.datadog.Config("1111"); ok && (len(w.patches()) != c.patches || config.Enabled != c.enabled) {
						t.Errorf("got the PATCHes %q and enabled %t, want %d and %t", w.patches(), config.Enabled, c.patches, c.enabled)
					}
					if r.Outcome == Updated && c.enabled && !w.holds("1111", `{"api_token":"`+canary+`"}`) {
						t.Error("Datadog does not hold the credential")
					}
					if r.Outcome != Unchanged && r.Outcome != Updated {
						return
					}
					w.line.failing(nil)
					time.Sleep(time.Hour)
					w.reconcileOne() // which may settle the receipt
					if r = w.reconcileOne(); r.Outcome != Unchanged {
						t.Errorf("once more: got %s, want unchanged", encoded(t, r))
					}
				})
			})
		}
	}
}

// TestReconcileReadsNoValue when there is nothing to do.
func TestReconcileReadsNoValue(t *testing.T) {
	for kind, want := range map[Kind][]call{
		KindSecret:    {{"DescribeSecret", 1}, {"GetParametersByPath", 1}, {"list", 1}},
		KindParameter: {{"GetParameter", 1}, {"GetParametersByPath", 1}, {"list", 1}},
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
			if r := w.reconcileOne(); r.Outcome != Unchanged || r.VersionID == "" || r.State != "valid" || r.Enabled == nil || !*r.Enabled {
				t.Errorf("got %s, want unchanged, with version, state and flag", encoded(t, r))
			}
			if got := w.served(); !slices.Equal(got, want) {
				t.Errorf("got the calls %v, want %v", got, want)
			}
		})
	}
}

// TestReconcileFindsNoValue has a secret without a current version. Its config is
// not called fine.
func TestReconcileFindsNoValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.createEmpty()
		w.bind("secrets/"+oktaSecret, "1111", okta)
		r := w.reconcileOne()
		if r.Outcome != Failed || r.Error.Stage != AtSource || len(w.patches()) != 0 {
			t.Errorf("got %s, want failed at %s", encoded(t, r), AtSource)
		}
	})
}

// TestReconcileInvalid reports what is invalid as long as it is, and sends it no
// more: that would change nothing. It reads it only to mask it, since Datadog may
// quote it. It notices when Datadog accepts it after all, and sends a new version.
func TestReconcileInvalid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := settled(t, KindSecret)
		w.config("1111", func(config *datadogsim.Config) { config.State = "invalid" })
		w.refuse(canary)
		for range 10 {
			if r := w.reconcileOne(); r.Outcome != Invalid || r.Error.Stage != AtConfirm {
				t.Errorf("got %s, want invalid", encoded(t, r))
			}
			time.Sleep(time.Hour)
		}
		if w.reads() != 10 || len(w.patches()) != 0 || w.times("PutParameter") != 1 || w.receipt("1111").Outcome != Invalid {
			t.Errorf("got the calls %v and the receipt %s, want one read an answer, no PATCH, and the receipt written once", w.served(), encoded(t, w.receipt("1111")))
		}
		w.acceptAll()
		w.config("1111", func(config *datadogsim.Config) { config.State = "valid" })
		for _, want := range []Outcome{Updated, Unchanged} {
			if r := w.reconcileOne(); r.Outcome != want || len(w.patches()) != 0 {
				t.Errorf("accepted after all: got %s, want %s and no PATCH", encoded(t, r), want)
			}
		}
		w.provide(KindSecret, canary+"-new")
		if r := w.reconcileOne(); r.Outcome != Updated || w.held() != canary+"-new" {
			t.Errorf("got %s, want the new version delivered", encoded(t, r))
		}
	})
}

// TestReconcileTellsConfigsByID however their letters are written, and asks for
// none by itself that is in the list.
func TestReconcileTellsConfigsByID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.provide(KindSecret, canary)
		w.bind("secrets/"+oktaSecret, "ABCD", okta)
		w.settle()
		w.line.failing(always("list", 1, rewriting(func(body string) string { return strings.ReplaceAll(body, "ABCD", "abcd") })))
		if r := w.reconcileOne(); r.Outcome != Unchanged || w.times("get") != 0 {
			t.Errorf("got %s and the calls %v, want unchanged without a get", encoded(t, r), w.served())
		}
	})
}
