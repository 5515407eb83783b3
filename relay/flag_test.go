package relay

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"credential-relay/internal/datadogsim"
)

// offAlone is the body of a PATCH that switches off, and does nothing else.
const offAlone = `{"data":{"attributes":{"enabled":false,"integration_type":"OKTA"},"type":"integration_config"}}`

// removeForGood deletes the secret so that it cannot be restored.
func (w *world) removeForGood() {
	_, err := w.engine.Sources.SecretsManager.DeleteSecret(w.Context(), &secretsmanager.DeleteSecretInput{
		SecretId: aws.String(oktaSecret), ForceDeleteWithoutRecovery: aws.Bool(true),
	})
	if err != nil {
		w.Error(err)
	}
}

// asked relays as a request has it, and looks for what may not be in the
// outcome.
func (w *world) asked(request Request) Result {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), time.Minute)
	defer cancel()
	outcomes, _ := w.engine.Relay(ctx, request)
	if len(outcomes) != 1 {
		w.Fatalf("got %d outcomes, want one: %s", len(outcomes), encoded(w, outcomes))
	}
	w.hides(encoded(w, outcomes))
	return outcomes[0]
}

// noCredential are the ways in which no credential comes to be stored, and what
// each comes to.
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
	{"a connection lost", reading(anyFaults["dropped before"]), Failed, AtSource, 0},
	{"garbage", reading(answer(http.StatusOK, "]"+canary)), Failed, AtSource, 0},
	{"neither text nor JSON", func(w *world) { w.aws.PutSecretBinary(oktaSecret, []byte("\xff"+canary)) }, Failed, AtSource, 0},
	{"a key that is missing", func(w *world) { w.aws.PutSecret(oktaSecret, `{"token":"`+canary+`"}`) }, Failed, AtCredential, 0},
	{"broken JSON", func(w *world) { w.aws.PutSecret(oktaSecret, `{"api_token":"`+canary+`"`) }, Failed, AtCredential, 0},
	{"refused", func(w *world) { w.refuse(canary) }, Rejected, AtValidate, 0},
	{"not to be validated", func(w *world) {
		w.datadog.ScriptForever(datadogsim.Validate, datadogsim.Answer{Status: http.StatusConflict})
	}, Failed, AtValidate, 0},
	{"refused when it is to be stored", func(w *world) { w.datadog.Script(datadogsim.Patch, refused) }, Rejected, AtPatch, 1},
}

// reading has every read of the secret's value fail.
func reading(fail fault) func(*world) {
	return func(w *world) { w.line.failing(always("GetSecretValue", 1, fail)) }
}

// TestSwitchOff always works, however little there is to be had of the
// credential, which then is not sent. What went wrong is told all the same.
func TestSwitchOff(t *testing.T) {
	for _, c := range noCredential {
		for wish, ask := range map[string]func(*world) Request{
			"a binding's wish": func(w *world) Request {
				w.policy(KindSecret, Off, true)
				return Request{Selector: Selector{Source: SecretNamed(oktaSecret)}}
			},
			"a caller's wish": func(w *world) Request {
				w.policy(KindSecret, On, true)
				return Request{Selector: Selector{Source: SecretNamed(oktaSecret)}, Enabled: Off}
			},
		} {
			t.Run(c.name+"/"+wish, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := bound(t)
					request := ask(w)
					c.given(w)
					o := w.asked(request)
					if o.Outcome != c.want || o.Error == nil || o.Error.Stage != c.stage {
						t.Errorf("got %s, want %s at %s", encoded(t, o), c.want, c.stage)
					}
					w.isOff(o)
					sent := w.patches()
					if len(sent) != c.sent+1 || sent[c.sent] != offAlone {
						t.Errorf("got the PATCHes %q, want one more than %d, of the flag alone", sent, c.sent)
					}
				})
			})
		}
	}
}

// isOff checks that the config is, and holds what it held.
func (w *world) isOff(o Result) {
	w.Helper()
	if config, _ := w.datadog.Config("1111"); config.Enabled || o.Enabled == nil || *o.Enabled {
		w.Errorf("the config's flag is %t, and the outcome %s; want both to be off", config.Enabled, encoded(w, o))
	}
	if !w.holds("1111", `{"api_token":"old"}`) {
		w.Error("Datadog does not hold what it held")
	}
}

// TestLeftAlone has no credential come to be stored, and nobody who wants the
// config off for that.
func TestLeftAlone(t *testing.T) {
	for _, c := range noCredential {
		for name, ask := range map[string]func(*world) Request{
			"keep": func(w *world) Request {
				w.policy(KindSecret, Keep, true)
				return Request{Selector: Selector{Source: SecretNamed(oktaSecret)}}
			},
			"on": func(w *world) Request {
				w.policy(KindSecret, On, true)
				return Request{Selector: Selector{Source: SecretNamed(oktaSecret)}}
			},
			"a caller who wants it on": func(w *world) Request {
				w.policy(KindSecret, Off, true)
				return Request{Selector: Selector{Source: SecretNamed(oktaSecret)}, Enabled: On}
			},
			"a dry run": func(w *world) Request {
				w.policy(KindSecret, Off, true)
				return Request{Selector: Selector{Source: SecretNamed(oktaSecret)}, DryRun: true}
			},
			"a dry run for a caller who wants it off": func(w *world) Request {
				w.policy(KindSecret, Follow, true)
				return Request{Selector: Selector{Source: SecretNamed(oktaSecret)}, Enabled: Off, DryRun: true}
			},
			"a dry run of one that follows": func(w *world) Request {
				w.policy(KindSecret, Follow, true)
				return Request{Selector: Selector{Source: SecretNamed(oktaSecret)}, DryRun: true}
			},
		} {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := bound(t)
					request := ask(w)
					c.given(w)
					o := w.asked(request)
					sent, want := w.patches(), c.sent
					if request.DryRun {
						want = 0
					} else if o.Outcome != c.want {
						t.Errorf("got %s, want %s", encoded(t, o), c.want)
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
		{"of a binding that does not parse", func(w *world) { w.policy(KindSecret, "never", true) }, Failed, AtBinding, 0},
		{"of a binding of another secret", func(w *world) {
			w.aws.PutParameter("/credential-relay/secrets/"+oktaSecret+"/1111", "String",
				`{"integration_type":"OKTA","enabled":"off","secret_arn":"`+ourSecrets+oktaSecret+`-GhIjKl"}`)
		}, Ignored, AtBinding, 0},
	} {
		for _, policy := range []EnabledMode{Off, Follow} {
			for credential, given := range map[string]func(*world){"there": func(*world) {}, "deleted": gone} {
				t.Run(c.name+"/"+string(policy)+"/"+credential, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						w := bound(t)
						w.policy(KindSecret, policy, true)
						given(w)
						c.given(w)
						source, _ := SecretAt(w.aws.SecretARN(oktaSecret))
						o := w.asked(Request{Selector: Selector{Source: source}})
						if o.Outcome != c.want || o.Error == nil || o.Error.Stage != c.stage {
							t.Errorf("got %s, want %s at %s", encoded(t, o), c.want, c.stage)
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

// TestSwitchOffInVain is told, and not called a success.
func TestSwitchOffInVain(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy EnabledMode
		given  func(*world)
		sent   int
	}{
		{"off", Off, func(w *world) { w.removeForGood() }, 1},
		{"follow", Follow, func(w *world) { w.removeForGood() }, 1},
		{"off, and the credential's PATCH failed already", Off, func(*world) {}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := bound(t)
				w.policy(KindSecret, c.policy, true)
				c.given(w)
				w.datadog.ScriptForever(datadogsim.Patch, datadogsim.Answer{Status: http.StatusConflict})
				o := w.asked(Request{Selector: Selector{Source: SecretNamed(oktaSecret)}})
				if o.Outcome != Failed || o.Error.Stage != AtPatch {
					t.Errorf("got %s, want failed at %s", encoded(t, o), AtPatch)
				}
				if sent := w.patches(); len(sent) != c.sent {
					t.Errorf("got the PATCHes %q, want %d", sent, c.sent)
				}
			})
		})
	}
}

// TestSwitchedOffAlready costs no PATCH, which would only have the config look
// as if it had been brought up to date.
func TestSwitchedOffAlready(t *testing.T) {
	w := bound(t)
	w.policy(KindSecret, Off, false)
	w.refuse(canary)
	if o := w.asked(Request{Selector: Selector{Source: SecretNamed(oktaSecret)}}); o.Outcome != Rejected || len(w.patches()) != 0 {
		t.Errorf("got %s and the PATCHes %q, want rejected and none", encoded(t, o), w.patches())
	}
}

// TestFollow switches off for a source that is deleted, and for nothing else
// that keeps it from being read.
func TestFollow(t *testing.T) {
	describing := func(fail fault, given func(*world)) func(*world) {
		return func(w *world) {
			given(w)
			w.line.failing(always("DescribeSecret", 1, fail))
		}
	}
	marked := func(w *world) { w.aws.DeleteSecret(oktaSecret) }
	for _, c := range []struct {
		name  string
		kind  Kind
		given func(*world)
		off   bool
	}{
		{"marked for deletion", KindSecret, marked, true},
		{"deleted", KindSecret, (*world).removeForGood, true},
		{"a parameter deleted", KindParameter, func(w *world) { w.remove(KindParameter) }, true},
		{"its config not to be read", KindSecret, func(w *world) {
			marked(w)
			w.line.failing(always("get", 1, answer(http.StatusForbidden, "")))
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
		{"marked, and no permission to ask", KindSecret, describing(awsFault(400, "AccessDeniedException"), marked), false},
		{"marked, and throttled", KindSecret, describing(awsFault(400, "ThrottlingException"), marked), false},
		{"marked, and garbage", KindSecret, describing(answer(http.StatusOK, "]"), marked), false},
		{"marked, and somebody else's JSON", KindSecret, describing(answer(http.StatusOK, `{"status":"ok"}`), marked), false},
		{"a key that is missing", KindSecret, func(w *world) { w.aws.PutSecret(oktaSecret, `{"token":"`+canary+`"}`) }, false},
		{"refused", KindSecret, func(w *world) { w.refuse(canary) }, false},
		{"a parameter without permission", KindParameter, func(w *world) { w.line.failing(always("GetParameter", 1, awsFault(400, "AccessDeniedException"))) }, false},
		{"a parameter that is throttled", KindParameter, func(w *world) { w.line.failing(always("GetParameter", 1, awsFault(400, "ThrottlingException"))) }, false},
		{"a parameter of which a version is not found", KindParameter, func(w *world) { w.line.failing(always("GetParameter", 1, awsFault(400, "ParameterVersionNotFound"))) }, false},
		{"a parameter that is a list", KindParameter, func(w *world) {
			w.remove(KindParameter)
			w.aws.PutParameter("/"+oktaSecret, "StringList", canary)
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := settled(t, c.kind)
				w.policy(c.kind, Follow, true)
				c.given(w)
				source := SecretNamed(oktaSecret)
				if c.kind == KindParameter {
					source = ParameterNamed(oktaSecret)
				}
				for range 2 { // what is off stays off, and what is not is not at the second look
					o := w.asked(Request{Selector: Selector{Source: source}})
					if c.off {
						if o.Outcome != Updated || o.Error != nil {
							t.Errorf("got %s, want updated", encoded(t, o))
						}
						w.isOff(o)
						continue
					}
					if config, _ := w.datadog.Config("1111"); !o.Failed() || !config.Enabled || len(w.patches()) != 0 {
						t.Errorf("got %s, enabled %t and the PATCHes %q, want a failure and nothing else", encoded(t, o), config.Enabled, w.patches())
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

// TestFollowBack switches on again when the source is restored, or there is
// another one of its name, with the credential in the same PATCH.
func TestFollowBack(t *testing.T) {
	restore := func(w *world) {
		if _, err := w.engine.Sources.SecretsManager.RestoreSecret(w.Context(), &secretsmanager.RestoreSecretInput{SecretId: aws.String(oktaSecret)}); err != nil {
			w.Error(err)
		}
	}
	for name, again := range map[string]func(*world){
		"restored": restore,
		"another one": func(w *world) {
			w.removeForGood()
			w.provide(KindSecret, canary)
		},
	} {
		for by, look := range map[string]func(*world) Result{
			"relay":     func(w *world) Result { return w.asked(Request{Selector: Selector{Source: SecretNamed(oktaSecret)}}) },
			"reconcile": (*world).reconcileOne,
		} {
			t.Run(name+"/"+by, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := settled(t, KindSecret)
					w.policy(KindSecret, Follow, true)
					w.aws.DeleteSecret(oktaSecret)
					w.isOff(look(w))
					time.Sleep(time.Hour)
					again(w)
					o := look(w)
					if config, _ := w.datadog.Config("1111"); o.Outcome != Updated || !config.Enabled || !w.holds("1111", `{"api_token":"`+canary+`"}`) {
						t.Errorf("got %s, want updated, on, and with the credential", encoded(t, o))
					}
					sent := w.patches()
					if len(sent) != 2 || !strings.Contains(sent[1], `"enabled":true`) || !strings.Contains(sent[1], `"secrets"`) {
						t.Errorf("got the PATCHes %q, want off, then on with the credential", sent)
					}
				})
			})
		}
	}
}

// TestFollowThePin looks at the secret that the binding pins, and not at the
// one of that name which a request asks for.
func TestFollowThePin(t *testing.T) {
	w := bound(t)
	pinned := w.aws.SecretARN(oktaSecret)
	w.bind("secrets/"+oktaSecret, "1111", `{"integration_type":"OKTA","enabled":"follow","secret_arn":"`+pinned+`"}`)
	w.removeForGood()
	w.aws.PutSecret(oktaSecret, `{"api_token":"another"}`)
	another, _ := SecretAt(w.aws.SecretARN(oktaSecret))
	if o := w.asked(Request{Selector: Selector{Source: another}}); o.Outcome != Ignored || len(w.patches()) != 0 {
		t.Errorf("got %s and the PATCHes %q, want ignored and none", encoded(t, o), w.patches())
	}
	o := w.asked(Request{Selector: Selector{ConfigID: "1111"}})
	if o.Outcome != Updated {
		t.Errorf("got %s, want updated", encoded(t, o))
	}
	w.isOff(o)
}
