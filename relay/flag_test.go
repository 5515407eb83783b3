package relay

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"credential-relay/internal/datadogsim"
)

// offAlone is the body of a PATCH that switches off, and does nothing else.
const offAlone = `{"data":{"attributes":{"enabled":false,"integration_type":"OKTA"},"type":"integration_config"}}`

// aboutOkta selects the bindings of the tests' secret.
var aboutOkta = Selector{Source: SecretNamed(oktaSecret)}

// noCredential are the ways in which no credential comes to be stored, and the
// outcome of each.
var noCredential = []struct {
	name  string
	given func(*world)
	want  Outcome
	stage Stage
	sent  int // how often the credential is, in vain
}{
	{"a secret marked for deletion", func(w *world) { w.aws.DeleteSecret(oktaSecret) }, Failed, AtSource, 0},
	{"no secret", (*world).removeForGood, Failed, AtSource, 0},
	{"a secret without a value", func(w *world) { w.removeForGood(); w.createEmpty() }, Failed, AtSource, 0},
	{"no permission to read", reading(awsFault(400, "AccessDeniedException")), Failed, AtSource, 0},
	{"a key that cannot decrypt", reading(awsFault(400, "DecryptionFailure")), Failed, AtSource, 0},
	{"throttling", reading(awsFault(400, "ThrottlingException")), Failed, AtSource, 0},
	{"an error of AWS's own", reading(awsFault(500, "InternalServiceError")), Failed, AtSource, 0},
	{"a connection lost", reading(reset), Failed, AtSource, 0},
	{"garbage", reading(answer(http.StatusOK, "]"+canary)), Failed, AtSource, 0},
	{"neither text nor JSON", func(w *world) { w.aws.PutSecretBinary(oktaSecret, []byte("\xff"+canary)) }, Failed, AtSource, 0},
	{"a key that is missing", func(w *world) { w.aws.PutSecret(oktaSecret, `{"token":"`+canary+`"}`) }, Failed, AtCredential, 0},
	{"broken JSON", func(w *world) { w.aws.PutSecret(oktaSecret, `{"api_token":"`+canary+`"`) }, Failed, AtCredential, 0},
	{"refused", func(w *world) { w.refuse(canary) }, Rejected, AtValidate, 0},
	{"a validation that fails", func(w *world) {
		w.datadog.ScriptForever(datadogsim.Validate, conflict)
	}, Failed, AtValidate, 0},
	{"refused when it is to be stored", func(w *world) { w.datadog.Script(datadogsim.Patch, refused) }, Rejected, AtPatch, 1},
}

// reading has every read of the secret's value fail.
func reading(fail fault) func(*world) {
	return func(w *world) { w.line.failing(always("GetSecretValue", 1, fail)) }
}

// TestSwitchOff works whatever is wrong with the credential, which then is not
// sent. A binding that wants its config off reports what went wrong all the same.
// A person who wants it off does not ask for the credential.
func TestSwitchOff(t *testing.T) {
	for _, c := range noCredential {
		t.Run(c.name+"/the binding wants it", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := bound(t)
				w.mode(KindSecret, Off, true)
				c.given(w)
				r := w.asked(Request{Selector: aboutOkta})
				if r.Outcome != c.want || r.Error == nil || r.Error.Stage != c.stage {
					t.Errorf("got %s, want %s at %s", encoded(t, r), c.want, c.stage)
				}
				w.isOff(r)
				if sent := w.patches(); len(sent) != c.sent+1 || sent[c.sent] != offAlone {
					t.Errorf("got the PATCHes %q, want one more than %d, of the flag alone", sent, c.sent)
				}
			})
		})
		for _, mode := range []EnabledMode{Keep, On, Follow} {
			t.Run(c.name+"/a person wants it/"+string(mode), func(t *testing.T) {
				if c.sent > 0 {
					t.Skip("no credential is sent")
				}
				synctest.Test(t, func(t *testing.T) {
					w := bound(t)
					w.mode(KindSecret, mode, true)
					c.given(w)
					r := w.asked(Request{Selector: aboutOkta, Enabled: Off})
					if r.Outcome != Updated || r.Error != nil {
						t.Errorf("got %s, want updated", encoded(t, r))
					}
					w.isOff(r)
					if sent := w.patches(); len(sent) != 1 || sent[0] != offAlone || w.reads() != 0 {
						t.Errorf("got the PATCHes %q and %d reads, want one of the flag alone and none", sent, w.reads())
					}
				})
			})
		}
	}
}

// TestSwitchOffInTime has a person want a config off while AWS does not answer.
func TestSwitchOffInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := bound(t)
		w.line.failing(all(always("GetSecretValue", 1, hang), always("DescribeSecret", 1, hang)))
		started := time.Now()
		r := w.asked(Request{Selector: aboutOkta, Enabled: Off})
		w.isOff(r)
		if took := time.Since(started); r.Outcome != Updated || took != 0 {
			t.Errorf("got %s after %v, want updated at once", encoded(t, r), took)
		}
	})
}

// isOff checks that the config is off, and holds what it held.
func (w *world) isOff(r Result) {
	w.Helper()
	if config, _ := w.datadog.Config("1111"); config.Enabled || r.Enabled == nil || *r.Enabled {
		w.Errorf("the config's flag is %t, and the outcome %s; want both to be off", config.Enabled, encoded(w, r))
	}
	if !w.holds("1111", `{"api_token":"old"}`) {
		w.Error("Datadog does not hold what it held")
	}
}

// TestLeftAlone has no credential come to be stored, in modes that do not turn the
// config off for that.
func TestLeftAlone(t *testing.T) {
	for _, c := range noCredential {
		for name, ask := range map[string]func(*world) Request{
			"keep": func(w *world) Request {
				w.mode(KindSecret, Keep, true)
				return Request{Selector: aboutOkta}
			},
			"on": func(w *world) Request {
				w.mode(KindSecret, On, true)
				return Request{Selector: aboutOkta}
			},
			"a person who wants it on": func(w *world) Request {
				w.mode(KindSecret, Off, true)
				return Request{Selector: aboutOkta, Enabled: On}
			},
			"a dry run": func(w *world) Request {
				w.mode(KindSecret, Off, true)
				return Request{Selector: aboutOkta, DryRun: true}
			},
			"a dry run for a person who wants it off": func(w *world) Request {
				w.mode(KindSecret, Follow, true)
				return Request{Selector: aboutOkta, Enabled: Off, DryRun: true}
			},
			"a dry run of one that follows": func(w *world) Request {
				w.mode(KindSecret, Follow, true)
				return Request{Selector: aboutOkta, DryRun: true}
			},
		} {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := bound(t)
					request := ask(w)
					c.given(w)
					r := w.asked(request)
					sent, want := w.patches(), c.sent
					if request.DryRun {
						want = 0
					} else if r.Outcome != c.want {
						t.Errorf("got %s, want %s", encoded(t, r), c.want)
					}
					if config, _ := w.datadog.Config("1111"); !config.Enabled || len(sent) != want || slices.Contains(sent, offAlone) {
						t.Errorf("got enabled %t and the PATCHes %q, want it left alone", config.Enabled, sent)
					}
				})
			})
		}
	}
}

// TestSwitchOffOnlyItsOwn leaves a config alone that is not known to be the
// binding's, or that needs no PATCH, or that takes none.
func TestSwitchOffOnlyItsOwn(t *testing.T) {
	gone := func(w *world) { w.aws.DeleteSecret(oktaSecret) }
	for _, c := range []struct {
		name    string
		given   func(*world)
		want    Outcome
		stage   Stage
		patches int
	}{
		{"of another type", func(w *world) {
			w.config("1111", func(config *datadogsim.Config) { config.Type = "CROWDSTRIKE" })
		}, Failed, AtConfig, 0},
		{"none", func(w *world) { w.datadog.RemoveConfig("1111") }, Failed, AtConfig, 0},
		{"not to be read", func(w *world) { w.line.failing(always("get", 1, answer(http.StatusInternalServerError, ""))) }, Failed, AtConfig, 0},
		{"not to be read in time", func(w *world) { w.line.failing(always("get", 1, hang)) }, Failed, AtConfig, 0},
		{"of somebody else", func(w *world) {
			w.line.failing(always("get", 1, answer(http.StatusOK, `{"data":{"id":"2222","attributes":{}}}`)))
		}, Failed, AtConfig, 0},
		{"of a binding that does not parse", func(w *world) { w.mode(KindSecret, "never", true) }, Failed, AtBinding, 0},
		{"of a binding of another secret", func(w *world) {
			w.aws.PutParameter("/credential-relay/secrets/"+oktaSecret+"/1111", "String",
				`{"integration_type":"OKTA","enabled":"off","secret_arn":"`+ourSecrets+oktaSecret+`-GhIjKl"}`)
		}, Ignored, AtBinding, 0},
	} {
		for _, mode := range []EnabledMode{Off, Follow} {
			for credential, given := range map[string]func(*world){"there": func(*world) {}, "deleted": gone} {
				t.Run(c.name+"/"+string(mode)+"/"+credential, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						w := bound(t)
						w.mode(KindSecret, mode, true)
						given(w)
						c.given(w)
						source, _ := SecretAt(w.aws.SecretARN(oktaSecret))
						r := w.asked(Request{Selector: Selector{Source: source}})
						if r.Outcome != c.want || r.Error == nil || r.Error.Stage != c.stage {
							t.Errorf("got %s, want %s at %s", encoded(t, r), c.want, c.stage)
						}
						if sent := w.patches(); len(sent) != c.patches {
							t.Errorf("got the PATCHes %q, want %d", sent, c.patches)
						}
					})
				})
			}
		}
	}
}

// TestSwitchOffInVain is reported, and not called a success.
func TestSwitchOffInVain(t *testing.T) {
	for _, c := range []struct {
		name    string
		mode    EnabledMode
		given   func(*world)
		request Request
		stage   Stage
	}{
		{"off", Off, (*world).removeForGood, Request{}, AtSource},
		{"follow", Follow, (*world).removeForGood, Request{}, AtPatch},
		{"off, and the credential's PATCH failed already", Off, func(*world) {}, Request{}, AtPatch},
		{"a person's wish", On, func(*world) {}, Request{Enabled: Off}, AtPatch},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := settled(t, KindSecret)
				w.mode(KindSecret, c.mode, true)
				c.given(w)
				w.line.failing(always("patch", 1, says(http.StatusConflict)))
				c.request.Selector = aboutOkta
				r := w.asked(c.request)
				if r.Outcome != Failed || r.Error.Stage != c.stage || !strings.Contains(r.Error.Message, "409 Conflict") {
					t.Errorf("got %s, want failed at %s for the conflict", encoded(t, r), c.stage)
				}
				if sent := w.times("patch"); sent != 1 {
					t.Errorf("got %d PATCHes, want one", sent)
				}
			})
		})
	}
}

// TestSwitchedOffAlready costs no PATCH.
func TestSwitchedOffAlready(t *testing.T) {
	for name, ask := range map[string]func(*world) Result{
		"the binding wants it": func(w *world) Result {
			w.mode(KindSecret, Off, false)
			w.refuse(canary)
			return w.asked(Request{Selector: aboutOkta})
		},
		"a person wants it": func(w *world) Result {
			w.mode(KindSecret, On, false)
			return w.asked(Request{Selector: aboutOkta, Enabled: Off})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := bound(t)
				if r := ask(w); r.Outcome == Updated || len(w.patches()) != 0 {
					t.Errorf("got %s and the PATCHes %q, want none", encoded(t, r), w.patches())
				}
			})
		})
	}
}

// TestFollow switches off for a source that was there and is deleted, and for
// nothing else that keeps it from being read.
func TestFollow(t *testing.T) {
	marked := func(w *world) { w.remove(KindSecret) }
	asking := func(fail fault, given func(*world)) func(*world) {
		return func(w *world) {
			given(w)
			w.line.failing(always("DescribeSecret", 1, fail))
		}
	}
	parameter := func(fail fault) func(*world) {
		return func(w *world) { w.line.failing(always("GetParameter", 1, about(`"/`+oktaSecret+`"`, fail))) }
	}
	for _, c := range []struct {
		name  string
		kind  Kind
		given func(*world)
		off   bool
	}{
		{"marked for deletion", KindSecret, marked, true},
		{"deleted", KindSecret, (*world).removeForGood, true},
		{"a parameter deleted", KindParameter, func(w *world) { w.remove(KindParameter) }, true},
		{"its config cannot be read", KindSecret, func(w *world) {
			marked(w)
			w.line.failing(always("get", 1, says(http.StatusForbidden)))
		}, true},

		{"without a value", KindSecret, func(w *world) { w.removeForGood(); w.createEmpty() }, false},
		{"no permission to read", KindSecret, reading(awsFault(400, "AccessDeniedException")), false},
		{"throttling", KindSecret, reading(awsFault(400, "ThrottlingException")), false},
		{"a key that cannot decrypt", KindSecret, reading(awsFault(400, "DecryptionFailure")), false},
		{"an error of AWS's own", KindSecret, reading(awsFault(500, "InternalServiceError")), false},
		{"no answer", KindSecret, reading(hang), false},
		{"garbage", KindSecret, reading(answer(http.StatusOK, "]"+canary)), false},
		{"called deleted, and is not", KindSecret, reading(awsFault(400, "ResourceNotFoundException")), false},
		{"called marked, and is not", KindSecret, reading(awsFault(400, "InvalidRequestException")), false},
		{"marked, and no permission to ask", KindSecret, asking(awsFault(400, "AccessDeniedException"), marked), false},
		{"marked, and throttled", KindSecret, asking(awsFault(400, "ThrottlingException"), marked), false},
		{"marked, and garbage", KindSecret, asking(answer(http.StatusOK, "]"), marked), false},
		{"marked, and another's JSON", KindSecret, asking(answer(http.StatusOK, `{"status":"ok"}`), marked), false},
		{"not found, and no permission to ask", KindSecret, asking(awsFault(400, "AccessDeniedException"), (*world).removeForGood), false},
		{"a key that is missing", KindSecret, func(w *world) { w.aws.PutSecret(oktaSecret, `{"token":"`+canary+`"}`) }, false},
		{"refused", KindSecret, func(w *world) { w.refuse(canary) }, false},
		{"a parameter without permission", KindParameter, parameter(awsFault(400, "AccessDeniedException")), false},
		{"a parameter that is throttled", KindParameter, parameter(awsFault(400, "ThrottlingException")), false},
		{"a parameter of which a version is not found", KindParameter, parameter(awsFault(400, "ParameterVersionNotFound")), false},
		{"a parameter that is a list", KindParameter, func(w *world) {
			w.remove(KindParameter)
			w.aws.PutParameter("/"+oktaSecret, "StringList", canary)
		}, false},
	} {
		for by, request := range map[string]Request{"asked": {}, "event": {IfDue: true}} {
			if by == "event" && c.name == "refused" {
				continue // an event does not send what Datadog holds already
			}
			t.Run(c.name+"/"+by, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := settled(t, c.kind)
					w.mode(c.kind, Follow, true)
					c.given(w)
					request.Selector.Source = sourceOf(c.kind)
					for _, want := range []Outcome{Updated, Unchanged} {
						r := w.asked(request)
						if config, _ := w.datadog.Config("1111"); config.Enabled == c.off || w.held() != canary {
							t.Errorf("got enabled %t and %q held", config.Enabled, w.held())
						}
						if !c.off && !r.Failed() {
							t.Errorf("got %s, want a failure", encoded(t, r))
						}
						if want == Unchanged && w.line.times("get") > 0 && strings.Contains(c.name, "config cannot") {
							want = Updated // the flag is sent once more where it cannot be read
						}
						if c.off && (r.Outcome != want || r.Error != nil) {
							t.Errorf("got %s, want %s", encoded(t, r), want)
						}
					}
					for _, body := range w.patches() {
						if body != offAlone {
							t.Errorf("got the PATCH %s, want the flag alone", body)
						}
					}
				})
			})
		}
	}
}

// TestFollowNeverThere never switches off for a source that this binding's receipt
// does not know: its name may be mistyped.
func TestFollowNeverThere(t *testing.T) {
	const follow = `{"integration_type":"OKTA","enabled":"follow"}`
	for name, given := range map[string]func(*world) Source{
		"a mistyped name": func(w *world) Source {
			w.bind("secrets/prod/okta/datadgo", "1111", follow)
			return SecretNamed("prod/okta/datadgo")
		},
		"a secret's name that begins with a slash": func(w *world) Source {
			w.aws.PutSecret("/"+oktaSecret, `{"api_token":"`+canary+`"}`)
			w.bind("secrets/"+oktaSecret, "1111", follow)
			return SecretNamed(oktaSecret)
		},
		"a mistyped parameter": func(w *world) Source {
			w.bind("parameters/prod/okta/datadgo", "1111", follow)
			return ParameterNamed("/prod/okta/datadgo")
		},
		"a mistyped pin": func(w *world) Source {
			w.bind("secrets/"+oktaSecret, "1111", `{"integration_type":"OKTA","enabled":"follow","secret_arn":"`+ourSecrets+oktaSecret+`-QqQqQq"}`)
			source, _ := SecretAt(ourSecrets + oktaSecret + "-QqQqQq")
			return source
		},
		"a receipt of another binding": func(w *world) Source {
			w.provide(KindSecret, canary)
			w.bind("secrets/"+oktaSecret, "1111", follow)
			w.settle()
			w.unbind("secrets/"+oktaSecret, "1111")
			w.bind("secrets/prod/okta/datadgo", "1111", follow)
			return SecretNamed("prod/okta/datadgo")
		},
		"a receipt that says only that a version was refused, of another binding": func(w *world) Source {
			w.bind("secrets/prod/okta/datadgo", "1111", follow)
			w.leave(`{"binding":"/credential-relay/secrets/prod/okta/datadog/1111","refused":{"version_id":"1","at":"2000-01-01T00:00:00Z","error":"no"}}`)
			return SecretNamed("prod/okta/datadgo")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				source := given(w)
				w.forget()
				for _, request := range []Request{
					{Selector: Selector{Source: source}},
					{Selector: Selector{Source: source}, IfDue: true},
					{Selector: Selector{ConfigID: "1111"}},
					{Selector: Selector{All: true}, IfDue: true, settle: true},
				} {
					r := w.asked(request)
					if r.Outcome != Failed || r.Error.Stage != AtSource || !strings.Contains(r.Error.Message, errNoSource.Error()) {
						t.Errorf("got %s, want failed at %s: %v", encoded(t, r), AtSource, errNoSource)
					}
				}
				if config, _ := w.datadog.Config("1111"); !config.Enabled || len(w.patches()) != 0 {
					t.Errorf("got enabled %t and the PATCHes %q, want it left on", config.Enabled, w.patches())
				}
				if s := w.status(Selector{ConfigID: "1111"}); s.Status != StatusBroken || s.Error == nil {
					t.Errorf("got the status %s, want broken", encoded(t, s))
				}
			})
		})
	}
}

// TestFollowBack switches on again when the source is restored, or there is
// another one of its name, and Datadog holds its credential then.
func TestFollowBack(t *testing.T) {
	for name, again := range map[string]func(*world){
		"restored": (*world).restore,
		"another one": func(w *world) {
			w.removeForGood()
			w.provide(KindSecret, canary+"-again")
		},
	} {
		for by, look := range map[string]func(*world) Result{
			"relay":     func(w *world) Result { return w.asked(Request{Selector: aboutOkta}) },
			"event":     func(w *world) Result { return w.event(SecretNamed(oktaSecret), "") },
			"reconcile": (*world).reconcileOne,
		} {
			t.Run(name+"/"+by, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := settled(t, KindSecret)
					w.mode(KindSecret, Follow, true)
					w.remove(KindSecret)
					if r := look(w); r.Outcome != Updated || *r.Enabled {
						t.Errorf("got %s, want updated and off", encoded(t, r))
					}
					time.Sleep(time.Hour)
					again(w)
					r := look(w)
					_, token := w.version(SecretNamed(oktaSecret))
					if config, _ := w.datadog.Config("1111"); r.Outcome != Updated || !config.Enabled || w.held() != token {
						t.Errorf("got %s, enabled %t and %q held, want updated, on, and %q", encoded(t, r), config.Enabled, w.held(), token)
					}
					if sent := w.patches(); len(sent) != 2 || sent[0] != offAlone {
						t.Errorf("got the PATCHes %q, want off, then one more", sent)
					}
				})
			})
		}
	}
}

// TestFollowTurnsOnOnlyWhatIsValid has Datadog call what it holds invalid, or not
// yet valid: the config stays off.
func TestFollowTurnsOnOnlyWhatIsValid(t *testing.T) {
	for name, given := range map[string]func(*world){
		"refused": func(w *world) { w.refuse(canary) },
		"invalid, and validation is not offered": func(w *world) {
			w.withoutValidation()
			w.refuse(canary)
		},
		"initializing, and validation is not offered": func(w *world) {
			w.withoutValidation()
			w.datadog.Initializing(1000)
		},
		"called invalid once it is stored": func(w *world) {
			w.datadog.ScriptForever(datadogsim.Validate, notOffered)
			w.datadog.ScriptForever(datadogsim.ValidateStored, refused)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := bound(t)
				w.mode(KindSecret, Follow, false)
				given(w)
				for range 3 {
					if config, _ := w.datadog.Config("1111"); config.Enabled {
						t.Fatal("the config is on")
					}
					w.reconcileOne()
					time.Sleep(time.Hour)
				}
			})
		})
	}
}

// TestFollowSendsTheFlag with the credential when Datadog has validated that, and
// alone, after the confirmation, when Datadog has not.
func TestFollowSendsTheFlag(t *testing.T) {
	for _, validated := range []bool{true, false} {
		t.Run(fmt.Sprintf("validated %t", validated), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := bound(t)
				w.mode(KindSecret, Follow, false)
				want := []bool{true}
				if !validated {
					w.datadog.ScriptForever(datadogsim.Validate, notOffered)
					want = []bool{false, true}
				}
				if r := w.asked(Request{Selector: aboutOkta}); r.Outcome != Updated || !*r.Enabled {
					t.Errorf("got %s, want updated and on", encoded(t, r))
				}
				var got []bool
				for _, body := range w.patches() {
					got = append(got, strings.Contains(body, `"enabled":true`))
				}
				if !slices.Equal(got, want) {
					t.Errorf("got the PATCHes %q, want the flag in %v", w.patches(), want)
				}
			})
		})
	}
}

// TestFollowThePin looks at the secret that the binding pins, and not at the one
// of that name which a request asks for.
func TestFollowThePin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.provide(KindSecret, canary)
		w.bind("secrets/"+oktaSecret, "1111", `{"integration_type":"OKTA","enabled":"follow","secret_arn":"`+w.aws.SecretARN(oktaSecret)+`"}`)
		w.settle()
		w.removeForGood()
		w.provide(KindSecret, canary+"-another")
		another, _ := SecretAt(w.aws.SecretARN(oktaSecret))
		if r := w.asked(Request{Selector: Selector{Source: another}}); r.Outcome != Ignored || len(w.patches()) != 0 {
			t.Errorf("got %s and the PATCHes %q, want ignored and none", encoded(t, r), w.patches())
		}
		r := w.asked(Request{Selector: Selector{ConfigID: "1111"}})
		if config, _ := w.datadog.Config("1111"); r.Outcome != Updated || config.Enabled || w.held() != canary {
			t.Errorf("got %s, want updated and off", encoded(t, r))
		}
	})
}
