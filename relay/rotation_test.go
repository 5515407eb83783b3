package relay

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
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

const (
	token       = "7ac47c8c-f328-423b-9698-6926dd1f293e" // of the rotation
	stagedToken = canary + "-staged"
	stagedValue = `{"api_token":"` + stagedToken + `"}`
)

// rotating is a world whose secret is in a rotation that has nothing staged yet.
func rotating(t testing.TB) *world {
	w := bound(t)
	_, err := w.engine.Sources.SecretsManager.RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{
		SecretId: aws.String(oktaSecret), ClientRequestToken: aws.String(token), RotationLambdaARN: aws.String("arn:aws:lambda:us-east-1:111122223333:function:relay"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// staging is a world whose secret has a new credential staged.
func staging(t testing.TB) *world {
	w := rotating(t)
	w.stage(token, stagedValue)
	return w
}

// stage puts a value into the secret, labelled AWSPENDING.
func (w *world) stage(version, value string) {
	_, err := w.engine.Sources.SecretsManager.PutSecretValue(w.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: aws.String(oktaSecret), ClientRequestToken: aws.String(version), SecretString: aws.String(value), VersionStages: []string{LabelPending},
	})
	if err != nil {
		w.Fatal(err)
	}
}

// labels are the secret's: which version each is on.
func (w *world) labels() map[string]string {
	w.Helper()
	found, err := w.engine.Sources.describeSecret(w.Context(), SecretNamed(oktaSecret))
	if err != nil {
		w.Fatal(err)
	}
	labels := map[string]string{}
	for version, on := range found.VersionIdsToStages {
		for _, label := range on {
			labels[label] = version
		}
	}
	return labels
}

// steps are those of a rotation, in their order.
var steps = []string{"create", "set", "test", "finish"}

// step takes one step of the rotation, and looks for what may not be in what
// comes of it.
func (w *world) step(step string) ([]Result, error) {
	w.Helper()
	source, _ := SecretAt(w.aws.SecretARN(oktaSecret))
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	started := time.Now()
	outcomes, err := w.engine.take(ctx, step, Rotation{Secret: source, Token: token})
	if took := time.Since(started); took > patience {
		w.Errorf("%s took %v, and there were %v", step, took, patience)
	}
	w.hides(encoded(w, outcomes))
	if err != nil {
		w.hides(err.Error())
		w.hides(Describe(err))
	}
	return outcomes, err
}

func (e *Engine) take(ctx context.Context, step string, r Rotation) ([]Result, error) {
	switch step {
	case "create":
		return nil, e.Create(ctx, r)
	case "set":
		return e.Set(ctx, r)
	case "test":
		return e.Test(ctx, r)
	default:
		return e.Finish(ctx, r)
	}
}

// rotate takes steps as Secrets Manager does, which goes on only after one that
// came to a good end.
func (w *world) rotate(steps ...string) error {
	w.Helper()
	for _, step := range steps {
		outcomes, err := w.step(step)
		if err != nil {
			return fmt.Errorf("%s: %w", step, err)
		}
		for _, o := range outcomes {
			if o.Failed() || o.Outcome == Pending {
				return fmt.Errorf("%s: %s", step, encoded(w, o))
			}
		}
	}
	return nil
}

func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := staging(t)
		before := w.labels()[LabelCurrent]
		if err := w.rotate(steps...); err != nil {
			t.Fatal(err)
		}
		if got, want := w.labels(), map[string]string{LabelCurrent: token, LabelPending: token, "AWSPREVIOUS": before}; !maps.Equal(got, want) {
			t.Errorf("got the labels %v, want %v", got, want)
		}
		if !w.holds("1111", stagedValue) || len(w.patches()) != 1 {
			t.Errorf("got the PATCHes %q, want one, of the staged credential", w.patches())
		}
		calls := len(w.datadog.Requests())
		if err := w.rotate(steps...); err != nil || len(w.datadog.Requests()) != calls {
			t.Errorf("once more: got %v and %d calls of Datadog, want neither", err, len(w.datadog.Requests())-calls)
		}
	})
}

// TestRotationRules are those that hold for a step before it does anything.
func TestRotationRules(t *testing.T) {
	bind := func(config, value string) func(testing.TB) *world {
		return func(t testing.TB) *world {
			w := staging(t)
			w.bind("secrets/"+oktaSecret, config, value)
			return w
		}
	}
	for _, c := range []struct {
		name  string
		world func(testing.TB) *world
		steps []string
		want  string // in the error; none for a success
	}{
		{"rotation is not enabled", func(t testing.TB) *world {
			w := bound(t)
			w.stage(token, stagedValue)
			return w
		}, steps, "rotation is not enabled for " + oktaSecret},
		{"the token is not known", func(t testing.TB) *world {
			w := bound(t)
			_, err := w.engine.Sources.SecretsManager.RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{
				SecretId: aws.String(oktaSecret), RotationLambdaARN: aws.String("arn:aws:lambda:us-east-1:111122223333:function:relay"),
			})
			if err != nil {
				t.Fatal(err)
			}
			return w
		}, steps, oktaSecret + " has no version " + token},
		{"the version is current already", func(t testing.TB) *world {
			w := staging(t)
			w.moveCurrent(oktaSecret, w.labels()[LabelCurrent], token)
			return w
		}, steps, ""},
		{"the version is not pending", func(t testing.TB) *world {
			w := staging(t)
			w.label("custom", token)
			w.stage(strings.Repeat("b", 36), `{"api_token":"another"}`)
			return w
		}, steps, "version " + token + " of " + oktaSecret + " is not labelled AWSPENDING"},
		{"the version has been current", func(t testing.TB) *world {
			w := staging(t)
			w.moveCurrent(oktaSecret, w.labels()[LabelCurrent], token)
			w.stage(strings.Repeat("b", 36), `{"api_token":"another"}`)
			w.aws.PutSecret(oktaSecret, `{"api_token":"a third"}`)
			return w
		}, steps, "is not labelled AWSPENDING"},
		{"no permission to ask", func(t testing.TB) *world {
			w := staging(t)
			w.aws.Fail("DescribeSecret", 1, 400, "AccessDeniedException", "as the test has it")
			return w
		}, steps, "DescribeSecret: AccessDeniedException"},
		{"nothing is bound", func(t testing.TB) *world {
			w := staging(t)
			_, err := w.engine.Sources.ParameterStore.DeleteParameter(t.Context(), &ssm.DeleteParameterInput{
				Name: aws.String("/credential-relay/secrets/" + oktaSecret + "/1111"),
			})
			if err != nil {
				t.Fatal(err)
			}
			return w
		}, steps[:3], "nothing is bound to " + oktaSecret + ": make a binding under /credential-relay/secrets"},
		{"what is bound is another secret", bind("1111", `{"integration_type":"OKTA","secret_arn":"`+ourSecrets+oktaSecret+`-GhIjKl"}`), steps[:3], "nothing is bound to " + oktaSecret},
		{"one binding does not parse", bind("2222", `{"integration_type":"OKTA","enabled":"sometimes"}`), steps[:3], "/credential-relay/secrets/" + oktaSecret + "/2222: enabled: must be"},
		{"no permission to list the bindings", func(t testing.TB) *world {
			w := staging(t)
			w.aws.Fail("GetParametersByPath", 1, 400, "AccessDeniedException", "as the test has it")
			return w
		}, steps[:3], "GetParametersByPath: AccessDeniedException"},
	} {
		for _, step := range c.steps {
			t.Run(c.name+"/"+step, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := c.world(t)
					moves := w.times("UpdateSecretVersionStage")
					outcomes, err := w.step(step)
					if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(Describe(err), c.want)) {
						t.Errorf("got %v, want %q", err, c.want)
					}
					if len(outcomes) != 0 || len(w.datadog.Requests()) != 0 || w.times("UpdateSecretVersionStage") != moves {
						t.Errorf("got %s and the calls %v, want nothing done", encoded(t, outcomes), w.served())
					}
				})
			})
		}
	}
}

// label puts a label on a version that it is not on.
func (w *world) label(label, version string) {
	_, err := w.engine.Sources.SecretsManager.UpdateSecretVersionStage(w.Context(), &secretsmanager.UpdateSecretVersionStageInput{
		SecretId: aws.String(oktaSecret), VersionStage: aws.String(label), MoveToVersionId: aws.String(version),
	})
	if err != nil {
		w.Fatal(err)
	}
}

// TestStaged reads what is staged when it has come to be readable, and does not
// wait for ever.
func TestStaged(t *testing.T) {
	missing := func(looks int) func(call) fault {
		return func(c call) fault {
			if c.operation == "GetSecretValue" && c.nth <= looks {
				return awsFault(400, "ResourceNotFoundException")
			}
			return nil
		}
	}
	for _, c := range []struct {
		name  string
		world func(testing.TB) *world
		fault func(call) fault
		steps []string
		want  string
		took  time.Duration
	}{
		{"at once", staging, nil, steps[:3], "", 0},
		{"at the second look", staging, missing(1), steps[:3], "", 500 * time.Millisecond},
		{"at the third look", staging, missing(2), steps[:3], "", 1500 * time.Millisecond},
		{"never", staging, missing(100), steps[:2], errNotStaged.Error(), stagedTime},
		{"nothing is staged", rotating, nil, steps[:2], errNotStaged.Error(), stagedTime},
		{"nothing is staged, and the rotation is a test", rotating, nil, steps[2:3], "", stagedTime},
		{"no answer", staging, always("GetSecretValue", 1, hang), steps[:3], context.DeadlineExceeded.Error(), stagedTime},
		{"no permission", staging, always("GetSecretValue", 1, awsFault(400, "AccessDeniedException")), steps[:3], "GetSecretValue: AccessDeniedException", 0},
		{"no permission after a while", staging, func(c call) fault {
			if first := missing(1)(c); first != nil {
				return first
			}
			return always("GetSecretValue", 1, awsFault(400, "AccessDeniedException"))(c)
		}, steps[:3], "GetSecretValue: AccessDeniedException", 500 * time.Millisecond},
	} {
		for _, step := range c.steps {
			t.Run(c.name+"/"+step, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := c.world(t)
					w.line.failing(c.fault)
					started := time.Now()
					outcomes, err := w.step(step)
					if took := time.Since(started); took != c.took {
						t.Errorf("took %v, want %v", took, c.took)
					}
					if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(Describe(err), c.want)) {
						t.Errorf("got %v, want %q", err, c.want)
					}
					want := map[string]Outcome{"set": Updated, "test": Unchanged}[step]
					if err != nil || step == "create" {
						want = ""
					}
					if want == "" && len(outcomes) > 0 || want != "" && (len(outcomes) != 1 || outcomes[0].Outcome != want) {
						t.Errorf("got %s, want %q", encoded(t, outcomes), want)
					}
				})
			})
		}
	}
}

// TestOnlyATest has nothing staged: then the current credential is tried, and
// nothing changed.
func TestOnlyATest(t *testing.T) {
	for _, c := range []struct {
		refuse string
		want   Outcome
	}{{"no credential at all", Unchanged}, {canary, Rejected}} {
		synctest.Test(t, func(t *testing.T) {
			w := rotating(t)
			w.refuse(c.refuse)
			labels := w.labels()
			outcomes, err := w.step("test")
			if err != nil || len(outcomes) != 1 || outcomes[0].Outcome != c.want || outcomes[0].VersionID != labels[LabelCurrent] {
				t.Errorf("got %s, %v, want %s for the current version", encoded(t, outcomes), err, c.want)
			}
			if len(w.patches()) != 0 || !maps.Equal(w.labels(), labels) {
				t.Errorf("got the PATCHes %q and the labels %v, want nothing changed", w.patches(), w.labels())
			}
		})
	}
}

// three is a world whose secret, with a new credential staged, feeds three
// configs, each of a domain of its own.
func three(t testing.TB) *world {
	w := staging(t)
	w.bind("secrets/"+oktaSecret, "2222", okta)
	w.bind("secrets/"+oktaSecret, "3333", okta)
	for _, id := range []string{"1111", "2222", "3333"} {
		w.config(id, func(config *datadogsim.Config) { config.Domain = id + ".example.com" })
	}
	return w
}

// refuseAt has Datadog call what is staged invalid for one config.
func (w *world) refuseAt(id string) {
	w.datadog.Accept(func(_, domain string, secrets map[string]any) error {
		if domain == id+".example.com" && secrets["api_token"] != "old" {
			return errors.New("the source does not accept " + fmt.Sprint(secrets["api_token"]))
		}
		return nil
	})
}

// TestSet stores in every config, or in none.
func TestSet(t *testing.T) {
	for _, c := range []struct {
		name  string
		given func(*world)
		want  []Outcome // of 1111, 2222, 3333
		stage Stage     // of 2222's error
		holds []bool    // which hold what is staged; nil for none
		test  []Outcome // of the next step
	}{
		{
			name: "all accept",
			want: []Outcome{Updated, Updated, Updated}, holds: []bool{true, true, true},
			test: []Outcome{Unchanged, Unchanged, Unchanged},
		},
		{
			name: "one refuses", given: func(w *world) { w.refuseAt("2222") },
			want: []Outcome{Unchanged, Rejected, Unchanged}, stage: AtValidate,
			test: []Outcome{Unchanged, Rejected, Unchanged},
		},
		{
			name: "one is not there", given: func(w *world) { w.datadog.RemoveConfig("2222") },
			want: []Outcome{Unchanged, Failed, Unchanged}, stage: AtConfig,
			test: []Outcome{Unchanged, Failed, Unchanged},
		},
		{
			name: "one is of another type", given: func(w *world) {
				w.config("2222", func(config *datadogsim.Config) { config.Type = "CROWDSTRIKE" })
			},
			want: []Outcome{Unchanged, Failed, Unchanged}, stage: AtConfig,
			test: []Outcome{Unchanged, Failed, Unchanged},
		},
		{
			name: "one wants a key that is missing", given: func(w *world) {
				w.aws.PutParameter("/credential-relay/secrets/"+oktaSecret+"/2222", "String", `{"integration_type":"OKTA","secrets":{"api_token":"okta.token"}}`)
			},
			want: []Outcome{Unchanged, Failed, Unchanged}, stage: AtCredential,
			test: []Outcome{Unchanged, Failed, Unchanged},
		},
		{
			name: "one cannot be validated now", given: func(w *world) {
				w.line.failing(always("get", 1, only("/2222", answer(http.StatusInternalServerError, ""))))
			},
			want: []Outcome{Unchanged, Failed, Unchanged}, stage: AtConfig,
			test: []Outcome{Unchanged, Failed, Unchanged},
		},
		{
			name: "one hits a fault of ours", given: func(w *world) {
				w.line.failing(always("get", 1, only("/2222", func(*http.Request, func() *http.Response) (*http.Response, error) { panic(canary) })))
			},
			want: []Outcome{Unchanged, Failed, Unchanged}, stage: AtCredential,
			test: []Outcome{Unchanged, Failed, Unchanged},
		},
		{
			name: "one is bound to another secret", given: func(w *world) {
				w.aws.PutParameter("/credential-relay/secrets/"+oktaSecret+"/2222", "String", `{"integration_type":"OKTA","secret_arn":"`+ourSecrets+oktaSecret+`-GhIjKl"}`)
			},
			want: []Outcome{Updated, "", Updated}, holds: []bool{true, false, true},
			test: []Outcome{Unchanged, "", Unchanged},
		},
		{
			name: "one takes no PATCH", given: func(w *world) {
				w.line.failing(always("patch", 1, only("/2222", answer(http.StatusConflict, canary))))
			},
			want: []Outcome{Updated, Failed, Updated}, stage: AtPatch, holds: []bool{true, false, true},
			test: []Outcome{Unchanged, Unchanged, Unchanged},
		},
		{
			name: "one refuses the PATCH", given: func(w *world) {
				w.line.failing(always("patch", 1, only("/2222", answer(http.StatusBadRequest, `{"errors":["`+canary+`"]}`))))
			},
			want: []Outcome{Updated, Rejected, Updated}, stage: AtPatch, holds: []bool{true, false, true},
			test: []Outcome{Unchanged, Unchanged, Unchanged},
		},
		{
			name: "one is not confirmed", given: func(w *world) {
				w.datadog.Initializing(1000)
				w.line.failing(always("validate-stored", 1, only("/2222/validate", answer(http.StatusBadRequest, `{"errors":["`+stagedToken+`"]}`))))
			},
			want: []Outcome{Updated, Pending, Updated}, stage: AtConfirm, holds: []bool{true, true, true},
			test: []Outcome{Unchanged, Unchanged, Unchanged},
		},
		{
			name: "one is called invalid", given: func(w *world) {
				w.line.failing(always("validate-stored", 1, only("/2222/validate", answer(http.StatusBadRequest, `{"errors":["`+stagedToken+`"]}`))))
			},
			want: []Outcome{Updated, Invalid, Updated}, stage: AtConfirm, holds: []bool{true, true, true},
			test: []Outcome{Unchanged, Unchanged, Unchanged},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := three(t)
				if c.given != nil {
					c.given(w)
				}
				labels := w.labels()
				for again := range 2 {
					outcomes, err := w.step("set")
					if err != nil || !reflect.DeepEqual(verdicts(outcomes), c.want) {
						t.Errorf("got %s, %v, want %v", encoded(t, outcomes), err, c.want)
					}
					for _, o := range outcomes {
						if o.ConfigID == "2222" && (o.Error == nil) != (c.stage == "") || o.Error != nil && o.Error.Stage != c.stage {
							t.Errorf("got %s, want an error at %q", encoded(t, o), c.stage)
						}
					}
					for i, id := range []string{"1111", "2222", "3333"} {
						config, ok := w.datadog.Config(id)
						if !ok {
							continue
						}
						patches := 0
						if c.holds != nil && c.holds[i] {
							patches = again + 1
						}
						if config.Patches != patches || w.holds(id, stagedValue) != (patches > 0) {
							t.Errorf("%s: got %d PATCHes, want %d, and the staged credential after one", id, config.Patches, patches)
						}
					}
				}
				sent := len(w.patches())
				outcomes, err := w.step("test")
				if err != nil || !reflect.DeepEqual(verdicts(outcomes), c.test) {
					t.Errorf("test: got %s, %v, want %v", encoded(t, outcomes), err, c.test)
				}
				if len(w.patches()) != sent || !maps.Equal(w.labels(), labels) {
					t.Errorf("test: got %d PATCHes more and the labels %v, want nothing changed", len(w.patches())-sent, w.labels())
				}
			})
		})
	}
}

// verdicts are those of the configs 1111, 2222 and 3333.
func verdicts(outcomes []Result) []Outcome {
	of := make([]Outcome, 3)
	for _, o := range outcomes {
		of[slices.Index([]string{"1111", "2222", "3333"}, string(o.ConfigID))] = o.Outcome
	}
	return of
}

// TestSetSendsTheFlag that the binding wants, and no other.
func TestSetSendsTheFlag(t *testing.T) {
	for policy, want := range map[EnabledMode]string{Keep: "", On: `"enabled":true`, Off: `"enabled":false`, Follow: `"enabled":true`} {
		w := staging(t)
		w.policy(KindSecret, policy, true)
		if _, err := w.step("set"); err != nil {
			t.Fatal(err)
		}
		sent := w.patches()
		if len(sent) != 1 || strings.Contains(sent[0], `"enabled"`) != (want != "") || !strings.Contains(sent[0], want) || !strings.Contains(sent[0], `"secrets"`) {
			t.Errorf("%s: got the PATCHes %q, want one, with %q", policy, sent, want)
		}
	}
}

// TestRefusedRotation changes no flag either, whatever the binding wants: the
// current credential is what counts until the rotation is over.
func TestRefusedRotation(t *testing.T) {
	for _, policy := range []EnabledMode{Keep, On, Off, Follow} {
		w := staging(t)
		w.policy(KindSecret, policy, true)
		w.refuse(stagedToken)
		outcomes, err := w.step("set")
		if err != nil || len(outcomes) != 1 || outcomes[0].Outcome != Rejected || len(w.patches()) != 0 {
			t.Errorf("%s: got %s, %v and the PATCHes %q, want rejected and none", policy, encoded(t, outcomes), err, w.patches())
		}
	}
}

// TestRotationIsGivenAnotherSecret when it asks for what is staged: nothing is
// sent, and no step passes.
func TestRotationIsGivenAnotherSecret(t *testing.T) {
	for name, given := range map[string]string{
		"another": `{"ARN":"` + ourSecrets + `another-AbCdEf","Name":"another","VersionId":"` + token + `","SecretString":"` + canary + `"}`,
		"nobody":  `{"VersionId":"` + token + `","SecretString":"` + canary + `"}`,
	} {
		for _, step := range steps[1:3] {
			t.Run(name+"/"+step, func(t *testing.T) {
				w := staging(t)
				w.line.failing(always("GetSecretValue", 1, answer(http.StatusOK, given)))
				outcomes, err := w.step(step)
				if err == nil && (len(outcomes) != 1 || !outcomes[0].Failed()) || len(w.datadog.Requests()) > 1 {
					t.Errorf("got %s, %v and the calls %v, want a failure after no more than a look at the config", encoded(t, outcomes), err, w.served())
				}
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
		{"after somebody else did it", func(w *world) { w.moveCurrent(oktaSecret, w.labels()[LabelCurrent], token) }, "", 1},
		{"after another version became the current one", func(w *world) { w.aws.PutSecret(oktaSecret, `{"api_token":"another"}`) }, "", 1},
		{"while another version becomes the current one", func(w *world) {
			w.line.failing(once("UpdateSecretVersionStage", 1, func(_ *http.Request, serve func() *http.Response) (*http.Response, error) {
				w.aws.PutSecret(oktaSecret, `{"api_token":"another"}`)
				return serve(), nil
			}))
		}, "UpdateSecretVersionStage: InvalidParameterException", 2},
		{"and nobody hears of it", func(w *world) {
			w.line.failing(once("UpdateSecretVersionStage", 1, anyFaults["dropped after"]))
		}, "connection reset", 1},
		{"without permission at first", func(w *world) {
			w.aws.Fail("UpdateSecretVersionStage", 1, 400, "AccessDeniedException", "as the test has it")
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
				if _, err = w.step("finish"); err != nil || w.labels()[LabelCurrent] != token {
					t.Errorf("once more: got %v and the labels %v, want %s on %s", err, w.labels(), LabelCurrent, token)
				}
				if moves := w.times("UpdateSecretVersionStage"); moves != c.moves || len(w.datadog.Requests()) != 0 {
					t.Errorf("got %d moves and %d calls of Datadog, want %d and none", moves, len(w.datadog.Requests()), c.moves)
				}
			})
		})
	}
}

// rotationCalls are all that a rotation makes after its first step, which only
// reads, by the names that the line has for them.
func rotationCalls(t *testing.T, w *world) []call {
	w.line.failing(nil)
	before := len(w.served())
	_ = w.rotate(steps[1:]...)
	var calls []call
	w.line.lock.Lock()
	defer w.line.lock.Unlock()
	for _, operation := range slices.Sorted(maps.Keys(w.line.counts)) {
		for nth := range w.line.counts[operation] {
			calls = append(calls, call{operation, nth + 1})
		}
	}
	if len(calls) == 0 || len(calls) != len(w.served())-before {
		t.Fatalf("got %d calls on the line, and %d were served", len(calls), len(w.served())-before)
	}
	return calls
}

// alike are the faults that do to a call what another one does.
var alike = []string{"503 as a page", "a page", "502", "429", "dropped in the middle", "slow"}

// eachFault is everyFault for what makes many calls. Of Datadog's a fault is
// for good, since the client tries again; of AWS's it is the one call's. That
// the same call may fail in the other way too is shown by TestEveryFault.
func eachFault(t *testing.T, calls []call, test func(t *testing.T, failing call, name string, which func(call) fault)) {
	for _, failing := range calls {
		faults, when := faultsOf(failing.operation), always
		if 'A' <= failing.operation[0] && failing.operation[0] <= 'Z' { // as AWS writes its operations
			faults, when = faultsOf("GetSecretValue"), once
		}
		for name, fail := range faults {
			if slices.Contains(alike, name) {
				continue
			}
			t.Run(fmt.Sprintf("%s %d/%s", failing.operation, failing.nth, name), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { test(t, failing, name, when(failing.operation, failing.nth, fail)) })
			})
		}
	}
}

// TestEveryFaultOfARotation has every call of setSecret, testSecret and
// finishSecret fail in every way.
// Either the rotation is complete, or AWSCURRENT is where it was; then a look
// has Datadog hold that, and another rotation comes to its end.
func TestEveryFaultOfARotation(t *testing.T) {
	const before = `{"api_token":"` + canary + `"}`
	eachFault(t, rotationCalls(t, staging(t)), func(t *testing.T, _ call, _ string, which func(call) fault) {
		w := staging(t)
		w.line.failing(which)
		err := w.rotate(steps[1:]...)
		w.line.failing(nil)
		time.Sleep(longestLimit)
		moved := w.labels()[LabelCurrent] == token
		if err == nil && !moved {
			t.Error("got no error, and AWSCURRENT is where it was")
		}
		if moved && !w.holds("1111", stagedValue) {
			t.Errorf("got %v, and Datadog does not hold what is AWSCURRENT now", err)
		}
		if !moved && !w.holds("1111", `{"api_token":"old"}`) {
			if o := w.relayOne(SecretNamed(oktaSecret), patience); o.Outcome != Updated || !w.holds("1111", before) {
				t.Errorf("the look: got %s, want Datadog to hold what is AWSCURRENT", encoded(t, o))
			}
		}
		if err := w.rotate(steps[1:]...); err != nil || w.labels()[LabelCurrent] != token || !w.holds("1111", stagedValue) {
			t.Errorf("once more: got %v, want the rotation complete", err)
		}
	})
}

// TestEveryFaultOfARefusedRotation does the same while Datadog refuses what is
// staged: that never becomes AWSCURRENT, and is not even stored where Datadog
// has been asked.
func TestEveryFaultOfARefusedRotation(t *testing.T) {
	notAsked := map[string]bool{ // see TestEveryFaultOfARejection
		"get/403":      true,
		"validate/403": true, "validate/404": true, "validate/405": true, "validate/501": true,
		"validate/JSON of somebody else": true,
	}
	refusing := func(t *testing.T) *world {
		w := staging(t)
		w.refuse(stagedToken)
		return w
	}
	calls := rotationCalls(t, refusing(t))
	// These come only when a fault has kept Datadog from being asked.
	calls = append(calls, call{"patch", 1}, call{"validate-stored", 1}, call{"UpdateSecretVersionStage", 1})
	eachFault(t, calls, func(t *testing.T, failing call, name string, which func(call) fault) {
		w := refusing(t)
		w.line.failing(which)
		if err := w.rotate(steps[1:]...); err == nil {
			t.Error("got no error")
		}
		w.line.failing(nil)
		if w.labels()[LabelCurrent] == token {
			t.Error("AWSCURRENT is on a credential that Datadog refuses")
		}
		if !w.holds("1111", `{"api_token":"old"}`) && !notAsked[failing.operation+"/"+name] {
			t.Error("Datadog holds a credential that it would have refused")
		}
		if w.holds("1111", `{"api_token":"old"}`) {
			return
		}
		if o := w.relayOne(SecretNamed(oktaSecret), patience); o.Outcome != Updated || !w.holds("1111", `{"api_token":"`+canary+`"}`) {
			t.Errorf("the look: got %s, want Datadog to hold what is AWSCURRENT", encoded(t, o))
		}
	})
}

// TestRotationWithoutValidation has Datadog offer none of it, and refuse what
// is staged once it is stored: that does not become AWSCURRENT.
func TestRotationWithoutValidation(t *testing.T) {
	for _, status := range []int{403, 404, 405, 501} {
		synctest.Test(t, func(t *testing.T) {
			w := staging(t)
			w.refuse(stagedToken)
			before := w.labels()[LabelCurrent]
			w.datadog.ScriptForever(datadogsim.Validate, datadogsim.Answer{Status: status})
			w.datadog.ScriptForever(datadogsim.ValidateStored, datadogsim.Answer{Status: status})
			if err := w.rotate(steps...); err == nil || !strings.Contains(err.Error(), "set:") || w.labels()[LabelCurrent] != before {
				t.Errorf("%d: got %v and the labels %v, want setSecret to fail", status, err, w.labels())
			}
			w.refuse("no credential at all")
			if err := w.rotate(steps...); err != nil || w.labels()[LabelCurrent] != token {
				t.Errorf("%d: once it is accepted, got %v", status, err)
			}
		})
	}
}
