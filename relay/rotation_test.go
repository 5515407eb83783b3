package relay

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"credential-relay/internal/datadogsim"
)

const (
	token       = "7ac47c8c-f328-423b-9698-6926dd1f293e" // of the rotation
	stagedToken = canary + "-staged"
	stagedValue = `{"api_token":"` + stagedToken + `"}`
)

// beginRotation enables rotation for a secret, and begins one.
func (w *world) beginRotation(secret string) {
	w.must("secretsmanager.RotateSecret", map[string]any{
		"SecretId": secret, "ClientRequestToken": token, "RotationLambdaARN": "arn:aws:lambda:us-east-1:111122223333:function:relay",
	})
}

// rotating returns a world whose secret is in a rotation that has nothing staged
// yet. Datadog holds the current credential.
func rotating(t testing.TB) *world {
	w := settled(t, KindSecret)
	w.beginRotation(oktaSecret)
	return w
}

// staging returns a world whose secret has a new credential staged.
func staging(t testing.TB) *world {
	w := rotating(t)
	w.stage(oktaSecret, token, stagedValue)
	return w
}

// stagingEntra is staging for a secret that feeds the Azure integration.
func stagingEntra(mode EnabledMode) func(testing.TB) *world {
	return func(t testing.TB) *world {
		w := entraBound(t, mode)
		w.settle()
		w.settleOnce()
		w.beginRotation(entraSecret)
		w.stage(entraSecret, token, `{"tenant_id":"tenant-1","client_id":"client-1","client_secret":"`+stagedToken+`"}`)
		return w
	}
}

// stage puts a value into a secret, labelled AWSPENDING.
func (w *world) stage(secret, version, value string) {
	w.must("secretsmanager.PutSecretValue", map[string]any{
		"SecretId": secret, "ClientRequestToken": version, "SecretString": value, "VersionStages": []string{LabelPending},
	})
}

// labels returns which version each label of a secret is on.
func (w *world) labels(secret string) map[string]string {
	labels := map[string]string{}
	for version, on := range w.must("secretsmanager.DescribeSecret", map[string]any{"SecretId": secret}).VersionIDsToStages {
		for _, label := range on {
			labels[label] = version
		}
	}
	return labels
}

// inRotation returns the secret that is in rotation.
func (w *world) inRotation() string {
	if w.inAzure() != "" {
		return entraSecret
	}
	return oktaSecret
}

// steps are those of a rotation, in their order.
var steps = []string{"create", "set", "test", "finish"}

// step takes one step of the rotation, and looks for secrets in what it returns.
func (w *world) step(step string) ([]Result, error) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	started := time.Now()
	results, err := w.take(ctx, step)
	if took := time.Since(started); took > patience {
		w.Errorf("%s took %v, and there were %v", step, took, patience)
	}
	w.hides(encoded(w, results))
	w.hides(strings.Join(w.line.receipts(), "\n"))
	if err != nil {
		w.hides(err.Error())
		w.hides(Describe(err))
	}
	return results, err
}

func (w *world) take(ctx context.Context, step string) ([]Result, error) {
	source, _ := SecretAt(w.aws.SecretARN(w.inRotation()))
	r := Rotation{Secret: source, Token: token}
	switch step {
	case "create":
		return nil, w.engine.Create(ctx, r)
	case "set":
		return w.engine.Set(ctx, r)
	case "test":
		return w.engine.Test(ctx, r)
	default:
		return w.engine.Finish(ctx, r)
	}
}

// rotate takes steps as Secrets Manager does, which goes on only after a success.
func (w *world) rotate(steps ...string) error {
	w.Helper()
	for _, step := range steps {
		results, err := w.step(step)
		if err != nil {
			return fmt.Errorf("%s: %w", step, err)
		}
		for _, r := range results {
			if r.Failed() || r.Outcome == Pending {
				return fmt.Errorf("%s: %s", step, encoded(w, r))
			}
		}
	}
	return nil
}

func TestRotation(t *testing.T) {
	for name, c := range map[string]struct {
		world func(testing.TB) *world
		calls []string // of Datadog, in order
	}{
		"in the config": {staging, []string{"get", "validate", "patch", "validate-stored", "get", "validate", "get", "validate"}},
		"in Azure":      {stagingEntra(Keep), []string{"get", "azure", "validate-stored", "get", "validate-stored", "get", "validate-stored"}},
		"without validation": {with(staging, (*world).withoutValidation), []string{
			"get", "validate", "patch", "validate-stored", "get", "get", "validate", "validate-stored", "get", "get", "validate", "validate-stored", "get",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := c.world(t)
				before := w.labels(w.inRotation())[LabelCurrent]
				if err := w.rotate(steps...); err != nil {
					t.Fatal(err)
				}
				if got, want := w.labels(w.inRotation()), map[string]string{LabelCurrent: token, LabelPending: token, "AWSPREVIOUS": before}; !maps.Equal(got, want) {
					t.Errorf("got the labels %v, want %v", got, want)
				}
				if w.held() != stagedToken {
					t.Errorf("Datadog holds %q", w.held())
				}
				w.isTrue(token)
				var calls []string
				for _, request := range w.datadog.Requests()[w.datadogBefore:] {
					calls = append(calls, string(request.Operation))
				}
				if calls = slices.CompactFunc(calls, func(a, b string) bool { return a == b && a != "get" }); !slices.Equal(calls, c.calls) {
					t.Errorf("got the calls %v, want %v", calls, c.calls)
				}
				w.forget()
				if err := w.rotate(steps...); err != nil || len(w.datadog.Requests()) != w.datadogBefore {
					t.Errorf("once more: got %v and the calls %v, want nothing done", err, w.served())
				}
			})
		})
	}
}

// TestRotationRules are those that hold for a step before it does anything.
func TestRotationRules(t *testing.T) {
	another := strings.Repeat("b", 36)
	bind := func(value string) func(testing.TB) *world {
		return with(staging, func(w *world) { w.bind("secrets/"+oktaSecret, "2222", value) })
	}
	unbound := func(w *world) { w.unbind("secrets/"+oktaSecret, "1111") }
	for _, c := range []struct {
		name  string
		world func(testing.TB) *world
		want  string // in the error; empty for a success
	}{
		{"rotation is not enabled", func(t testing.TB) *world {
			w := settled(t, KindSecret)
			w.stage(oktaSecret, token, stagedValue)
			return w
		}, "rotation is not enabled for " + oktaSecret},
		{"the version is current already", with(staging, func(w *world) {
			w.moveCurrent(oktaSecret, w.labels(oktaSecret)[LabelCurrent], token)
		}), ""},
		{"the version is not pending", with(staging, func(w *world) {
			w.must("secretsmanager.UpdateSecretVersionStage", map[string]any{"SecretId": oktaSecret, "VersionStage": "custom", "MoveToVersionId": token})
			w.stage(oktaSecret, another, `{"api_token":"another"}`)
		}), "version " + token + " of " + oktaSecret + " is not labelled AWSPENDING"},
		{"the version has been current", with(staging, func(w *world) {
			w.moveCurrent(oktaSecret, w.labels(oktaSecret)[LabelCurrent], token)
			w.stage(oktaSecret, another, `{"api_token":"another"}`)
			w.provide(KindSecret, "a third")
		}), "is not labelled AWSPENDING"},
		{"no permission to ask", with(staging, func(w *world) {
			w.line.failing(always("DescribeSecret", 1, awsFault(400, "AccessDeniedException")))
		}), "DescribeSecret: AccessDeniedException"},
		{"nothing is bound", with(staging, unbound), "nothing is bound to " + oktaSecret},
		{"what is bound is another secret", with(staging, func(w *world) {
			w.bind("secrets/"+oktaSecret, "1111", `{"integration_type":"OKTA","secret_arn":"`+ourSecrets+oktaSecret+`-GhIjKl"}`)
		}), "nothing is bound to " + oktaSecret},
		{"one binding does not parse", bind(`{"integration_type":"OKTA","enabled":"sometimes"}`), "/credential-relay/secrets/" + oktaSecret + "/2222: enabled: must be"},
		{"no permission to list the bindings", with(staging, func(w *world) {
			w.line.failing(always("GetParametersByPath", 1, awsFault(400, "AccessDeniedException")))
		}), "GetParametersByPath: AccessDeniedException"},
	} {
		for _, step := range steps {
			t.Run(c.name+"/"+step, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := c.world(t)
					w.datadogBefore = len(w.datadog.Requests())
					results, err := w.step(step)
					if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(Describe(err), c.want)) {
						t.Errorf("got %v, want %q", err, c.want)
					}
					if len(results) != 0 || len(w.datadog.Requests()) != w.datadogBefore || w.times("UpdateSecretVersionStage") != 0 || w.times("PutParameter") != 0 {
						t.Errorf("got %s and the calls %v, want nothing done", encoded(t, results), w.served())
					}
				})
			})
		}
	}
}

// TestStaged waits for what is staged: createSecret until its time is over, the
// others for a moment. A token that Secrets Manager does not know is waited for
// too.
func TestStaged(t *testing.T) {
	unreadable := func(looks int) func(call) fault {
		return func(c call) fault {
			if c.operation == "GetSecretValue" && c.nth <= looks {
				return awsFault(400, "ResourceNotFoundException")
			}
			return nil
		}
	}
	unknown := func(t testing.TB) *world {
		w := settled(t, KindSecret)
		w.must("secretsmanager.RotateSecret", map[string]any{
			"SecretId": oktaSecret, "RotationLambdaARN": "arn:aws:lambda:us-east-1:111122223333:function:relay",
		})
		return w
	}
	denied := always("GetSecretValue", 1, awsFault(400, "AccessDeniedException"))
	ends := map[string]time.Duration{"create": patience - receiptTime, "set": stagedTime - stagedTime/4, "test": stagedTime - stagedTime/4, "finish": stagedTime - stagedTime/4}
	const itsTime = -1
	for _, c := range []struct {
		name  string
		world func(testing.TB) *world
		fault func(call) fault
		steps []string
		want  string
		took  time.Duration
	}{
		{"at once", staging, nil, steps, "", 0},
		{"at the second look", staging, unreadable(1), steps, "", 500 * time.Millisecond},
		{"at the third look", staging, unreadable(2), steps, "", 1500 * time.Millisecond},
		{"never", staging, unreadable(100), []string{"create", "set", "finish"}, errNotStaged.Error(), itsTime},
		{"nothing is staged", rotating, nil, []string{"create", "set", "finish"}, errNotStaged.Error(), itsTime},
		{"nothing is staged, and the rotation is a test", rotating, nil, []string{"test"}, "", itsTime},
		{"the token is not known", unknown, nil, []string{"create", "set", "finish"}, errNotStaged.Error(), itsTime},
		{"no answer", staging, always("GetSecretValue", 1, hang), steps[:1], context.DeadlineExceeded.Error(), itsTime},
		{"no permission", staging, denied, steps, "GetSecretValue: AccessDeniedException", 0},
		{"no permission after a while", staging, all(unreadable(1), denied), steps, "GetSecretValue: AccessDeniedException", 500 * time.Millisecond},
	} {
		for _, step := range c.steps {
			t.Run(c.name+"/"+step, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := c.world(t)
					w.line.failing(c.fault)
					want := c.took
					if want == itsTime {
						want = ends[step]
					}
					started := time.Now()
					results, err := w.step(step)
					if took := time.Since(started); took != want {
						t.Errorf("took %v, want %v", took, want)
					}
					if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(Describe(err), c.want)) {
						t.Errorf("got %v, want %q", err, c.want)
					}
					outcome := map[string]Outcome{"set": Updated, "test": Unchanged, "finish": Unchanged}[step]
					if err == nil && outcome != "" && (len(results) != 1 || results[0].Outcome != outcome) {
						t.Errorf("got %s, want %s", encoded(t, results), outcome)
					}
					if err != nil && len(idsOf(results, Updated)) > 0 {
						t.Errorf("got %s, want nothing updated", encoded(t, results))
					}
				})
			})
		}
	}
}

// TestCreateWaitsForAPerson has a person stage the credential while createSecret
// waits.
func TestCreateWaitsForAPerson(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := rotating(t)
		go func() {
			time.Sleep(20 * time.Second)
			w.stage(oktaSecret, token, stagedValue)
		}()
		if err := w.rotate(steps...); err != nil || w.labels(oktaSecret)[LabelCurrent] != token {
			t.Errorf("got %v", err)
		}
	})
}

// TestOnlyATest has nothing staged. Then the current credential is tried, and
// nothing changed.
func TestOnlyATest(t *testing.T) {
	for _, c := range []struct {
		refuse string
		want   Outcome
	}{{"no credential at all", Unchanged}, {canary, Rejected}} {
		synctest.Test(t, func(t *testing.T) {
			w := rotating(t)
			w.refuse(c.refuse)
			labels := w.labels(oktaSecret)
			results, err := w.step("test")
			if err != nil || len(results) != 1 || results[0].Outcome != c.want || results[0].VersionID != labels[LabelCurrent] {
				t.Errorf("got %s, %v, want %s for the current version", encoded(t, results), err, c.want)
			}
			if len(w.patches()) != 0 || !maps.Equal(w.labels(oktaSecret), labels) {
				t.Errorf("got the PATCHes %q and the labels %v, want nothing changed", w.patches(), w.labels(oktaSecret))
			}
		})
	}
}

// three returns a world whose secret, with a new credential staged, feeds three
// configs, each of a domain of its own.
func three(t testing.TB) *world {
	w := newWorld(t)
	w.provide(KindSecret, canary)
	for _, id := range theThree {
		w.bind("secrets/"+oktaSecret, id, okta)
		w.config(id, func(config *datadogsim.Config) { config.Domain = id + ".example.com" })
	}
	w.settle()
	w.beginRotation(oktaSecret)
	w.stage(oktaSecret, token, stagedValue)
	return w
}

var theThree = []string{"1111", "2222", "3333"}

// refuseAt has Datadog refuse what is staged for one config.
func (w *world) refuseAt(id string) {
	w.datadog.Accept(func(_, domain string, secrets map[string]any) error {
		if domain == id+".example.com" && secrets["api_token"] == stagedToken {
			return errors.New("the source does not accept " + fmt.Sprint(secrets["api_token"]))
		}
		return nil
	})
}

// TestSet stores in every config, or in none: if one fails after others have
// stored the credential, the current one is put back everywhere.
func TestSet(t *testing.T) {
	const times = "/2222/validate"
	for _, c := range []struct {
		name  string
		given func(*world)
		want  []Outcome // of 1111, 2222, 3333
		stage Stage     // of 2222's error
		sent  []int     // how many PATCHes each got
		holds string    // what 1111 and 3333 hold afterwards
	}{
		{"all accept", func(*world) {}, []Outcome{Updated, Updated, Updated}, "", []int{1, 1, 1}, stagedToken},
		{"one refuses", func(w *world) { w.refuseAt("2222") }, []Outcome{Unchanged, Rejected, Unchanged}, AtValidate, []int{0, 0, 0}, canary},
		{"one is not there", func(w *world) { w.datadog.RemoveConfig("2222") }, []Outcome{Unchanged, Failed, Unchanged}, AtConfig, []int{0, 0, 0}, canary},
		{"one is of another type", func(w *world) {
			w.config("2222", func(config *datadogsim.Config) { config.Type = "CROWDSTRIKE" })
		}, []Outcome{Unchanged, Failed, Unchanged}, AtConfig, []int{0, 0, 0}, canary},
		{"one wants a key that is missing", func(w *world) {
			w.aws.PutParameter(bindings+"secrets/"+oktaSecret+"/2222", "String", `{"integration_type":"OKTA","secrets":{"api_token":"okta.token"}}`)
		}, []Outcome{Unchanged, Failed, Unchanged}, AtCredential, []int{0, 0, 0}, canary},
		{"one cannot be validated now", func(w *world) {
			w.line.failing(always("get", 1, only("/2222", answer(http.StatusInternalServerError, ""))))
		}, []Outcome{Unchanged, Failed, Unchanged}, AtConfig, []int{0, 0, 0}, canary},
		{"one hits a fault of ours", func(w *world) {
			w.line.failing(once("get", 1, func(*http.Request, func() *http.Response) (*http.Response, error) { panic(canary) }))
		}, nil, AtInternal, []int{0, 0, 0}, canary},
		{"one is bound to another secret", func(w *world) {
			w.aws.PutParameter(bindings+"secrets/"+oktaSecret+"/2222", "String", `{"integration_type":"OKTA","secret_arn":"`+ourSecrets+oktaSecret+`-GhIjKl"}`)
		}, []Outcome{Updated, "", Updated}, "", []int{1, 0, 1}, stagedToken},
		{"one is bound twice", func(w *world) {
			w.aws.PutSecret("prod/okta/another", `{"api_token":"another"}`)
			w.bind("secrets/prod/okta/another", "2222", okta)
			w.deleteParameter(bindings + "receipts/2222")
		}, []Outcome{Unchanged, Failed, Unchanged}, AtBinding, []int{0, 0, 0}, canary},
		{"one takes no PATCH", func(w *world) {
			w.line.failing(always("patch", 1, only("/2222", says(http.StatusConflict))))
		}, []Outcome{Failed, Failed, Failed}, AtPatch, []int{2, 0, 2}, canary},
		{"one refuses the PATCH", func(w *world) {
			w.line.failing(always("patch", 1, only("/2222", says(http.StatusBadRequest))))
		}, []Outcome{Failed, Rejected, Failed}, AtPatch, []int{2, 0, 2}, canary},
		{"one is not confirmed", func(w *world) {
			w.datadog.Initializing(1000)
			w.line.failing(always("validate-stored", 1, only(times, says(http.StatusBadRequest))))
		}, []Outcome{Failed, Pending, Failed}, AtConfirm, []int{2, 2, 2}, canary},
		{"one is called invalid", func(w *world) {
			w.line.failing(always("validate-stored", 1, only(times, says(http.StatusBadRequest))))
		}, []Outcome{Failed, Invalid, Failed}, AtConfirm, []int{2, 2, 2}, canary},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := three(t)
				c.given(w)
				labels := w.labels(oktaSecret)
				before := w.patchesOf(theThree)
				results, err := w.step("set")
				if err != nil || c.want != nil && !slices.Equal(outcomesOf(results), c.want) {
					t.Errorf("got %s, %v, want %v", encoded(t, results), err, c.want)
				}
				failed := slices.IndexFunc(results, func(r Result) bool { return r.Error != nil && r.Error.Stage == c.stage })
				if (failed < 0) != (c.stage == "") {
					t.Errorf("got %s, want an error at %q", encoded(t, results), c.stage)
				}
				for i, sent := range w.patchesOf(theThree) {
					if sent-before[i] != c.sent[i] {
						t.Errorf("%s: got %d PATCHes, want %d", theThree[i], sent-before[i], c.sent[i])
					}
				}
				for _, id := range []string{"1111", "3333"} {
					version := labels[LabelCurrent]
					if c.holds == stagedToken {
						version = token
					}
					if !w.holds(id, `{"api_token":"`+c.holds+`"}`) || w.receipt(id).VersionID != version {
						t.Errorf("%s: got the receipt %s, want %s held", id, encoded(t, w.receipt(id)), c.holds)
					}
				}
				if !maps.Equal(w.labels(oktaSecret), labels) {
					t.Errorf("got the labels %v, want %v", w.labels(oktaSecret), labels)
				}
			})
		})
	}
}

// patchesOf returns how many PATCHes each config has taken; 0 for one that is not
// there.
func (w *world) patchesOf(ids []string) (patches []int) {
	for _, id := range ids {
		config, _ := w.datadog.Config(id)
		patches = append(patches, config.Patches)
	}
	return patches
}

// outcomesOf returns those of the configs 1111, 2222 and 3333.
func outcomesOf(results []Result) []Outcome {
	of := make([]Outcome, 3)
	for _, r := range results {
		of[slices.Index(theThree, string(r.ConfigID))] = r.Outcome
	}
	return of
}

// TestSetSendsTheFlag that the binding wants, and no other.
func TestSetSendsTheFlag(t *testing.T) {
	for mode, want := range map[EnabledMode]string{Keep: "", On: `"enabled":true`, Off: `"enabled":false`, Follow: `"enabled":true`} {
		synctest.Test(t, func(t *testing.T) {
			w := staging(t)
			w.mode(KindSecret, mode, true)
			if _, err := w.step("set"); err != nil {
				t.Fatal(err)
			}
			sent := w.patches()
			if len(sent) != 1 || strings.Contains(sent[0], `"enabled"`) != (want != "") || !strings.Contains(sent[0], want) || !strings.Contains(sent[0], `"secrets"`) {
				t.Errorf("%s: got the PATCHes %q, want one, with %q", mode, sent, want)
			}
		})
	}
}

// TestRefusedRotation stores nothing and changes no flag, whatever the binding
// wants: the current credential counts until the rotation is over. Whoever calls
// which step, the credential does not become the current one.
func TestRefusedRotation(t *testing.T) {
	for _, mode := range []EnabledMode{Keep, On, Off, Follow} {
		for _, step := range steps[1:] {
			t.Run(string(mode)+"/"+step, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := staging(t)
					before := w.labels(oktaSecret)
					w.mode(KindSecret, mode, true)
					w.refuse(stagedToken)
					results, err := w.step(step)
					if err != nil || len(results) != 1 || results[0].Outcome != Rejected || len(w.patches()) != 0 {
						t.Errorf("got %s, %v and the PATCHes %q, want rejected and none", encoded(t, results), err, w.patches())
					}
					if !maps.Equal(w.labels(oktaSecret), before) || w.held() != canary {
						t.Errorf("got the labels %v and %q held", w.labels(oktaSecret), w.held())
					}
					if receipt := w.receipt("1111"); receipt.VersionID != before[LabelCurrent] || !receipt.refuses(token) {
						t.Errorf("got the receipt %s, want it to say that %s was refused", encoded(t, receipt), token)
					}
				})
			})
		}
	}
}

// TestRefusedAfterItWasStored has Datadog offer no validation, and refuse what is
// staged once it is stored. It does not become the current one, and the current
// one is in place again.
func TestRefusedAfterItWasStored(t *testing.T) {
	for name, given := range map[string]func(testing.TB) *world{"in the config": with(staging, (*world).withoutValidation), "in Azure": stagingEntra(Keep)} {
		for _, step := range steps[1:] {
			t.Run(name+"/"+step, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := given(t)
					before := w.labels(w.inRotation())
					if err := w.rotate(steps[:slices.Index(steps, step)]...); err != nil {
						t.Fatal(err)
					}
					w.refuse(stagedToken)
					w.config("1111", func(config *datadogsim.Config) { // as Datadog finds out
						if w.held() == stagedToken {
							config.State = "invalid"
						}
					})
					results, err := w.step(step)
					if err != nil || len(results) != 1 || results[0].Outcome != Invalid || !strings.Contains(results[0].Error.Message, "the current credential is in place again") {
						t.Errorf("got %s, %v, want invalid, and the current one in place", encoded(t, results), err)
					}
					if !maps.Equal(w.labels(w.inRotation()), before) || w.held() != canary {
						t.Errorf("got the labels %v and %q held", w.labels(w.inRotation()), w.held())
					}
					w.isTrue(before[LabelCurrent])
					w.acceptAll()
					if err := w.rotate(steps...); err != nil || w.labels(w.inRotation())[LabelCurrent] != token {
						t.Errorf("once it is accepted, got %v", err)
					}
				})
			})
		}
	}
}

// TestPutBack has testSecret or finishSecret fail after setSecret stored what is
// staged: the current credential is in place again, and the result says so.
func TestPutBack(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps []string // that fail
		given func(*world)
		back  bool
	}{
		{"refused by now", []string{"test", "finish"}, func(w *world) { w.refuse(stagedToken) }, true},
		{"cannot be validated", []string{"test", "finish"}, func(w *world) { w.line.failing(once("validate", 1, says(http.StatusConflict))) }, true},
		{"the label cannot be moved", []string{"finish"}, func(w *world) {
			w.line.failing(always("UpdateSecretVersionStage", 1, awsFault(400, "AccessDeniedException")))
		}, true},
		{"the label cannot be moved in time", []string{"finish"}, func(w *world) { w.line.failing(always("UpdateSecretVersionStage", 1, hang)) }, true},
		{"a fault of ours", []string{"test", "finish"}, func(w *world) {
			w.line.failing(once("validate", 1, func(*http.Request, func() *http.Response) (*http.Response, error) { panic(canary) }))
		}, true},
		{"nothing can be sent", []string{"test", "finish"}, func(w *world) {
			w.refuse(stagedToken)
			w.line.failing(always("patch", 1, says(http.StatusConflict)))
		}, false},
		{"the config cannot be read any more", []string{"test", "finish"}, func(w *world) {
			w.line.failing(always("get", 1, says(http.StatusConflict)))
		}, false},
	} {
		for _, step := range c.steps {
			t.Run(c.name+"/"+step, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := staging(t)
					before := w.labels(oktaSecret)
					if err := w.rotate(steps[:slices.Index(steps, step)]...); err != nil || w.held() != stagedToken {
						t.Fatal(err)
					}
					c.given(w)
					results, err := w.step(step)
					if len(results) != 1 || !results[0].Failed() && err == nil {
						t.Fatalf("got %s, %v, want a failure", encoded(t, results), err)
					}
					says := "the current credential is in place again"
					if !c.back {
						says = "the current credential is not in place again"
					}
					if (w.held() == canary) != c.back || results[0].Error == nil || !strings.Contains(results[0].Error.Message, says) {
						t.Errorf("got %s and %q held, want it to say %q", encoded(t, results), w.held(), says)
					}
					if c.back {
						w.isTrue(before[LabelCurrent])
					}
					if !maps.Equal(w.labels(oktaSecret), before) {
						t.Errorf("got the labels %v, want %v", w.labels(oktaSecret), before)
					}
				})
			})
		}
	}
}

// TestFinish moves the label from wherever it is, once.
func TestFinish(t *testing.T) {
	for _, c := range []struct {
		name  string
		given func(*world)
		err   string // of the first attempt
		moves int    // that were tried, in two attempts
	}{
		{"once", func(*world) {}, "", 1},
		{"after a person did it", func(w *world) { w.moveCurrent(oktaSecret, w.labels(oktaSecret)[LabelCurrent], token) }, "", 0},
		{"after another version became the current one", func(w *world) { w.provide(KindSecret, "another") }, "", 1},
		{"while another version becomes the current one", func(w *world) {
			w.line.failing(once("UpdateSecretVersionStage", 1, first(func() { w.provide(KindSecret, "another") })))
		}, "UpdateSecretVersionStage: InvalidParameterException", 2},
		{"and the answer is lost", func(w *world) {
			w.line.failing(once("UpdateSecretVersionStage", 1, lost))
		}, "connection reset", 1},
		{"without permission at first", func(w *world) {
			w.line.failing(once("UpdateSecretVersionStage", 1, awsFault(400, "AccessDeniedException")))
		}, "UpdateSecretVersionStage: AccessDeniedException", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := staging(t)
				c.given(w)
				_, err := w.step("finish")
				if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(Describe(err), c.err)) {
					t.Errorf("got %v, want %q", err, c.err)
				}
				if _, err = w.step("finish"); err != nil || w.labels(oktaSecret)[LabelCurrent] != token {
					t.Errorf("once more: got %v and the labels %v, want %s on %s", err, w.labels(oktaSecret), LabelCurrent, token)
				}
				if moves := w.times("UpdateSecretVersionStage"); moves != c.moves {
					t.Errorf("got %d moves, want %d", moves, c.moves)
				}
			})
		})
	}
}

// TestRotationWaitsForDatadog has Datadog take fifteen seconds to accept what it
// was given.
func TestRotationWaitsForDatadog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := staging(t)
		var patched time.Time
		initializing := func() bool { return !patched.IsZero() && time.Since(patched) < 15*time.Second }
		w.line.failing(func(c call) fault {
			switch {
			case c.operation == "patch":
				return first(func() { patched = time.Now() })
			case c.operation == "validate-stored" && initializing():
				return says(http.StatusBadRequest)
			case c.operation == "get" && initializing():
				return rewriting(func(body string) string { return strings.Replace(body, `"state":"valid"`, `"state":"initializing"`, 1) })
			}
			return nil
		})
		if err := w.rotate(steps...); err != nil {
			t.Errorf("got %v", err)
		}
	})
}
