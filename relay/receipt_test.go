package relay

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"credential-relay/internal/datadogsim"
)

const oktaBinding = bindings + "secrets/" + oktaSecret + "/1111"

// TestReceipt holds what is written after each outcome, and that it is written
// once. old and new are the versions before and after a rotation.
func TestReceipt(t *testing.T) {
	rotates := func(w *world) { w.provide(KindSecret, rotated) }
	refusing := func(w *world) { rotates(w); w.refuse(rotated) }
	ask := func(w *world) Result { return w.asked(Request{Selector: aboutOkta}) }
	event := func(w *world) Result { return w.event(SecretNamed(oktaSecret), "") }
	off := func(w *world) Result { return w.asked(Request{Selector: aboutOkta, Enabled: Off}) }
	unconfirmed := func(answers ...datadogsim.Answer) func(*world) {
		return func(w *world) { rotates(w); w.datadog.Script(datadogsim.ValidateStored, answers...) }
	}
	for _, c := range []struct {
		name    string
		given   func(*world)
		do      func(*world) Result
		want    Outcome // of the result
		version string  // old, new, or empty for none
		outcome Outcome // in the receipt
		settled bool
		refused string // old, new, or empty for none
		writes  int
	}{
		{"updated", rotates, ask, Updated, "new", Updated, true, "", 1},
		{"updated once more", func(*world) {}, ask, Updated, "old", Updated, true, "", 1},
		{"pending", func(w *world) {
			rotates(w)
			w.datadog.Initializing(1000)
			w.datadog.ScriptForever(datadogsim.ValidateStored, refused)
		}, ask, Pending, "new", Pending, true, "", 1},
		{"invalid", unconfirmed(refused), ask, Invalid, "new", Invalid, true, "", 1},
		{"rejected", refusing, ask, Rejected, "old", Updated, true, "new", 1},
		{"rejected by the PATCH", func(w *world) { rotates(w); w.datadog.Script(datadogsim.Patch, refused) }, ask, Rejected, "old", Updated, true, "new", 1},
		{"rejected, and no receipt before", func(w *world) { refusing(w); w.deleteParameter(bindings + "receipts/1111") }, ask, Rejected, "", "", false, "new", 1},
		{"accepted after it was rejected", func(w *world) { refusing(w); ask(w); w.acceptAll() }, ask, Updated, "new", Updated, true, "", 1},
		{"pending after it was rejected", func(w *world) {
			refusing(w)
			ask(w)
			w.acceptAll()
			w.datadog.Script(datadogsim.ValidateStored, conflict)
		}, ask, Pending, "new", Pending, true, "new", 1},
		{"failed", func(w *world) {
			rotates(w)
			w.datadog.Script(datadogsim.Patch, conflict)
		}, ask, Failed, "old", Updated, true, "", 0},
		{"failed at the source", func(w *world) { w.remove(KindSecret) }, ask, Failed, "old", Updated, true, "", 0},
		{"a second look that cannot be made", func(w *world) {
			rotates(w)
			w.line.failing(always("GetSecretValue", 2, awsFault(400, "ThrottlingException")))
		}, ask, Failed, "new", Updated, true, "", 1},
		{"moved during the relay", func(w *world) { w.datadog.After(datadogsim.Patch, func() { rotates(w) }) }, ask, Updated, "new", Updated, true, "", 1},
		{"moved during the relay, and rejected", func(w *world) { w.datadog.After(datadogsim.Patch, func() { refusing(w) }) }, ask, Rejected, "old", Updated, true, "new", 1},
		{"unchanged", func(*world) {}, event, Unchanged, "old", Updated, true, "", 0},
		{"a flag alone", func(w *world) { w.mode(KindSecret, On, false) }, event, Updated, "old", Updated, false, "", 1},
		{"a flag that a person wants", func(*world) {}, off, Updated, "old", Updated, false, "", 1},
		{"a flag alone that fails", func(w *world) {
			w.mode(KindSecret, On, false)
			w.datadog.Script(datadogsim.Patch, conflict)
		}, event, Failed, "old", Updated, true, "", 0},
		{"a deletion that is followed", func(w *world) { w.mode(KindSecret, Follow, true); w.remove(KindSecret) }, event, Updated, "old", Updated, false, "", 1},
		{"rejected, and turned off", func(w *world) { refusing(w); w.mode(KindSecret, Off, true) }, ask, Rejected, "old", Updated, false, "new", 1},
		{"followed without validation", func(w *world) {
			rotates(w)
			w.mode(KindSecret, Follow, false)
			w.datadog.ScriptForever(datadogsim.Validate, notOffered)
		}, ask, Updated, "new", Updated, false, "", 1},
		{"called invalid when asked", func(w *world) {
			w.config("1111", func(config *datadogsim.Config) { config.State = "invalid" })
			w.refuse(canary)
		}, event, Invalid, "old", Invalid, true, "", 1},
		{"a dry run", rotates, func(w *world) Result { return w.asked(Request{Selector: aboutOkta, DryRun: true}) }, WouldUpdate, "old", Updated, true, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := settled(t, KindSecret)
				versions := map[string]string{"old": w.current(SecretNamed(oktaSecret))}
				c.given(w)
				before := w.receipt("1111")
				fault := w.line.fault
				w.forget()
				w.line.failing(fault)
				r := c.do(w)
				if found, ok := w.aside("secretsmanager.GetSecretValue", map[string]any{"SecretId": oktaSecret}); ok {
					versions["new"] = found.VersionID
				}
				if r.Outcome != c.want || w.times("PutParameter") != c.writes {
					t.Errorf("got %s and %d receipts written, want %s and %d", encoded(t, r), w.times("PutParameter"), c.want, c.writes)
				}
				got := w.receipt("1111")
				if got == nil || got.Binding != oktaBinding || got.VersionID != versions[c.version] || got.Outcome != c.outcome || got.Settled != c.settled ||
					(got.Refused != nil) != (c.refused != "") || c.refused != "" && (got.Refused.VersionID != versions[c.refused] || got.Refused.Error == "") {
					t.Errorf("got the receipt %s, want version %s, %s, settled %t, refused %q", encoded(t, got), c.version, c.outcome, c.settled, c.refused)
				}
				config, _ := w.datadog.Config("1111")
				if c.version != "" && c.writes > 0 && !got.ModifiedAt.Equal(config.ModifiedAt) {
					t.Errorf("got the date %v, want the config's, %v", got.ModifiedAt, config.ModifiedAt)
				}
				if sent := len(w.patches()) > 0 && strings.Contains(w.patches()[0], `"secrets"`) && c.outcome == c.want; sent && time.Since(got.At) > time.Minute {
					t.Errorf("got the receipt of %v, want one of now", got.At)
				}
				if c.writes == 0 && before != nil && encoded(t, got) != encoded(t, before) {
					t.Errorf("got the receipt %s, want it as before, %s", encoded(t, got), encoded(t, before))
				}
			})
		})
	}
}

// TestFlagHidesNothing sends a flag alone to a config that was edited since the
// receipt. The receipt does not take the new date, so that the edit is noticed.
func TestFlagHidesNothing(t *testing.T) {
	for name, flag := range map[string]func(*world){
		"a person's wish": func(w *world) { w.asked(Request{Selector: aboutOkta, Enabled: Off}) },
		"a deletion": func(w *world) {
			w.mode(KindSecret, Follow, true)
			w.remove(KindSecret)
			w.event(SecretNamed(oktaSecret), "")
			w.restore()
		},
		"a credential is missing": func(w *world) {
			w.mode(KindSecret, Off, true)
			w.line.failing(once("GetSecretValue", 1, awsFault(400, "ThrottlingException")))
			w.event(SecretNamed(oktaSecret), "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := settled(t, KindSecret)
				w.edit("1111", func(config *datadogsim.Config) { config.Secrets = map[string]any{"api_token": "by hand"} })
				time.Sleep(time.Second)
				flag(w)
				if sent := w.patches(); len(sent) != 1 || sent[0] != offAlone {
					t.Fatalf("got the PATCHes %q, want the flag alone", sent)
				}
				if s := w.status(aboutOkta); s.Status != StatusChanged {
					t.Errorf("got the status %s, want changed", encoded(t, s))
				}
				time.Sleep(overlap)
				if r := w.event(SecretNamed(oktaSecret), ""); r.Outcome != Updated || w.held() != canary {
					t.Errorf("got %s and %q held, want the edit repaired", encoded(t, r), w.held())
				}
			})
		})
	}
}

// TestReceiptNeverFailsARelay has Parameter Store fail whatever is asked about the
// receipt. Datadog gets the credential all the same.
func TestReceiptNeverFailsARelay(t *testing.T) {
	faults := map[string]fault{
		"denied":    awsFault(400, "AccessDeniedException"),
		"throttled": awsFault(400, "ThrottlingException"),
		"hanging":   hang,
		"broken":    awsFault(500, "InternalServerError"),
		"lost":      reset,
		"garbage":   answer(http.StatusOK, "]"+canary),
		"empty":     answer(http.StatusOK, "{}"),
	}
	for name, fail := range faults {
		for _, operation := range []string{"GetParameter", "PutParameter"} {
			for _, f := range []flow{flows[0], flows[2], entraFlow(), undatedFlow()} {
				t.Run(operation+"/"+name+"/"+f.name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						w := f.world(t)
						w.line.failing(always(operation, 1, about("/receipts/", fail)))
						started := time.Now()
						results := f.run(t.Context(), w)
						w.hides(encoded(t, results))
						_, token := w.version(f.of())
						if len(results) != 1 || results[0].Outcome != Updated || results[0].Error != nil || w.held() != token {
							t.Errorf("got %s and %q held, want updated", encoded(t, results), w.held())
						}
						silent := name == "empty" // which is a success of PutParameter
						if len(results) == 1 && (results[0].ReceiptError != "") != (operation == "PutParameter" && !silent) {
							t.Errorf("got the receipt's error %q", results[0].ReceiptError)
						}
						if took := time.Since(started); took > patience {
							t.Errorf("took %v", took)
						}
						f.repaired(w)
					})
				})
			}
		}
	}
}

func entraFlow() flow { return flowNamed("Entra ID") }

func undatedFlow() flow { return flowNamed("a relay, no dates") }

func flowNamed(name string) flow {
	return flows[slices.IndexFunc(flows, func(f flow) bool { return f.name == name })]
}

// TestReceiptsByPeople has a person write something where a receipt is expected.
// The next reconcile leaves everything in order, and a true receipt.
func TestReceiptsByPeople(t *testing.T) {
	const version = `"version_id":"another"`
	for name, value := range map[string]string{
		"no JSON":                            "hands off",
		"null":                               "null",
		"an array":                           `["` + oktaBinding + `"]`,
		"numbers":                            `{"binding":1,"version_id":2}`,
		"no binding":                         `{` + version + `}`,
		"a binding that is gone":             `{"binding":"/credential-relay/secrets/gone/1111",` + version + `}`,
		"a binding elsewhere":                `{"binding":"/another/path",` + version + `}`,
		"a binding that is no name":          `{"binding":"/credential-relay/secrets/a b*c/1111",` + version + `}`,
		"a binding that is a directory":      `{"binding":"/credential-relay/secrets/",` + version + `}`,
		"a binding of endless length":        `{"binding":"/credential-relay/secrets/` + strings.Repeat("x", 3000) + `/1111"}`,
		"a receipt for a binding":            `{"binding":"/credential-relay/receipts/1111",` + version + `}`,
		"its binding in another case":        `{"binding":"` + strings.ToUpper(oktaBinding) + `",` + version + `}`,
		"a date that is none":                `{"binding":"` + oktaBinding + `","at":"yesterday"}`,
		"a count that is none":               `{"binding":"` + oktaBinding + `","moves":1e99}`,
		"a version of a world to come":       `{"binding":"` + oktaBinding + `",` + version + `,"at":"9999-12-31T23:59:59Z","modified_at":"9999-12-31T23:59:59Z","moves":1000000,"settled":true}`,
		"a version of long ago":              `{"binding":"` + oktaBinding + `",` + version + `,"at":"0001-01-01T00:00:01Z","modified_at":"0001-01-01T00:00:01Z","moves":-5}`,
		"the version, and an outcome of his": `{"binding":"` + oktaBinding + `","version_id":"VERSION","outcome":"fine","settled":false}`,
		"the version, never to be looked at": `{"binding":"` + oktaBinding + `","version_id":"VERSION","outcome":"updated","at":"9999-12-31T23:59:59Z","modified_at":"2000-01-01T00:00:00Z","moves":1000000,"settled":true}`,
		"a refusal that is half":             `{"binding":"` + oktaBinding + `","refused":{}}`,
		"more than we write":                 `{"binding":"` + oktaBinding + `",` + version + `,"comment":"see the wiki"}`,
	} {
		for by, look := range map[string]func(*world) Result{
			"event":     func(w *world) Result { return w.event(SecretNamed(oktaSecret), "") },
			"reconcile": (*world).reconcileOne,
			"config":    func(w *world) Result { return w.asked(Request{Selector: Selector{ConfigID: "1111"}, IfDue: true}) },
		} {
			t.Run(name+"/"+by, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := settled(t, KindSecret)
					w.edit("1111", func(config *datadogsim.Config) { config.Secrets = map[string]any{"api_token": "by hand"} })
					w.leave(strings.ReplaceAll(value, "VERSION", w.current(SecretNamed(oktaSecret))))
					w.status(aboutOkta)
					if r := look(w); r.Outcome != Updated || (w.held() != canary && !strings.Contains(value, "fine")) {
						t.Errorf("got %s and %q held, want updated", encoded(t, r), w.held())
					}
					time.Sleep(time.Hour)
					w.reconcileOne()
					if w.held() != canary {
						t.Errorf("Datadog holds %q", w.held())
					}
					w.isTrue(w.current(SecretNamed(oktaSecret)))
				})
			})
		}
	}
}

// TestReceiptOfAnotherType has a person make the receipt a SecureString. It is
// read as no receipt.
func TestReceiptOfAnotherType(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := settled(t, KindSecret)
		w.deleteParameter(bindings + "receipts/1111")
		w.aws.PutParameter(bindings+"receipts/1111", "SecureString", `{"binding":"`+oktaBinding+`"}`)
		for _, look := range []func() Result{w.reconcileOne, func() Result { return w.event(SecretNamed(oktaSecret), "") }} {
			if r := look(); r.Failed() {
				t.Errorf("got %s", encoded(t, r))
			}
		}
	})
}

// TestReceiptName is the config's id in lower case, whatever Datadog and the
// binding write. Parameter Store tells cases apart.
func TestReceiptName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.provide(KindSecret, canary)
		w.bind("secrets/"+oktaSecret, "ABcd", okta)
		w.event(SecretNamed(oktaSecret), "")
		name := bindings + "receipts/abcd"
		if !slices.Contains(w.line.resources, "GetParameter "+name) || !slices.Contains(w.line.resources, "PutParameter "+name) {
			t.Errorf("got the calls %q, want the receipt read and written as %s", w.line.resources, name)
		}
		if r := w.event(SecretNamed(oktaSecret), ""); r.Outcome != Unchanged {
			t.Errorf("got %s, want unchanged", encoded(t, r))
		}
	})
}

// TestReceiptOfALongRefusal has Datadog give long reasons, full of signs that JSON
// writes as six. A parameter holds 4096 bytes.
func TestReceiptOfALongRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := settled(t, KindSecret)
		w.provide(KindSecret, rotated)
		reason := strings.Repeat("<", 400)
		content, _ := json.Marshal(map[string][]string{"errors": {reason, reason, reason, reason, reason}})
		w.line.failing(always("validate", 1, answer(http.StatusBadRequest, string(content), "Content-Type", "application/json")))
		r := w.event(SecretNamed(oktaSecret), "")
		if r.Outcome != Rejected || r.ReceiptError != "" || !w.receipt("1111").refuses(r.VersionID) {
			t.Errorf("got %s and the receipt %s, want it to say what was refused", encoded(t, r), encoded(t, w.receipt("1111")))
		}
	})
}

// TestReceiptIsWithdrawn before a credential is stored where no date shows it, and
// only there. That is done once, also when the label moves and there is a second
// round.
func TestReceiptIsWithdrawn(t *testing.T) {
	for _, c := range []struct {
		name   string
		flow   flow
		before string // the call that it has to come before; empty for never
	}{
		{"in Azure", entraFlow(), "azure"},
		{"in a config without a date", undatedFlow(), "patch"},
		{"in a config with a date", flows[2], ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := c.flow.world(t)
				old := w.receipt("1111")
				w.line.failing(once(c.before, 1, first(func() {
					if got := w.receipt("1111"); got == nil || got.VersionID != "" || got.Settled || got.Binding != old.Binding {
						t.Errorf("before %s: got the receipt %s, want one without a version", c.before, encoded(t, got))
					}
					w.rotateTo(c.flow.of(), rotated+"-again")
				})))
				c.flow.run(t.Context(), w)
				want := 1
				if c.before != "" {
					want = 2
				}
				if got := w.times("PutParameter"); got != want {
					t.Errorf("got %d receipts written, want %d", got, want)
				}
			})
		})
	}
}

// TestDeathBeforeARollback has the instance die, and AWSCURRENT move back to the
// version that the receipt names. Datadog may hold the other one.
func TestDeathBeforeARollback(t *testing.T) {
	for _, f := range []flow{flows[2], entraFlow(), undatedFlow(), flowNamed("a relay, dates in whole seconds")} {
		for _, at := range f.calls(t) {
			if !at.writes() {
				continue
			}
			for when, after := range map[string]bool{"before": false, "after": true} {
				t.Run(f.name+"/"+when+" "+at.String(), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						w := f.world(t)
						old := w.receipt("1111").VersionID
						f.run(w.line.dies(t.Context(), at, after), w)
						w.moveCurrent(f.of().Name, w.current(f.of()), old)
						f.repaired(w)
					})
				})
			}
		}
	}
}
