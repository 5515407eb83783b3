package relay

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"credential-relay/internal/datadogsim"
)

// rotations are the worlds in which a rotation has its credential staged.
var rotations = []flow{
	{name: "in the config", world: staging, enabled: true},
	{name: "in the config, on", world: with(staging, func(w *world) { w.mode(KindSecret, On, false) }), enabled: true},
	{name: "in the config, off", world: with(staging, func(w *world) { w.mode(KindSecret, Off, true) })},
	{name: "in the config, follow", world: with(staging, func(w *world) { w.mode(KindSecret, Follow, true) }), enabled: true},
	{name: "without validation", world: with(staging, (*world).withoutValidation), enabled: true},
	{name: "in Azure", world: stagingEntra(Keep), source: SecretNamed(entraSecret), enabled: true},
	{name: "in Azure, on", world: stagingEntra(On), source: SecretNamed(entraSecret), enabled: true},
}

// after returns the flow of one step after the others before it.
func (f flow) after(t testing.TB, step string) *world {
	w := f.world(t)
	if err := w.rotate(steps[:slices.Index(steps, step)]...); err != nil {
		t.Fatal(err)
	}
	w.line.failing(nil)
	return w
}

func (w *world) taking(ctx context.Context, step string) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, _ = w.take(ctx, step)
}

// TestAbandonedRotation ends after each of its steps. The next reconcile leaves
// Datadog with the credential that is AWSCURRENT.
func TestAbandonedRotation(t *testing.T) {
	for _, f := range rotations {
		for _, step := range steps {
			t.Run(f.name+"/"+step, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := f.after(t, step)
					if _, err := w.step(step); err != nil {
						t.Fatal(err)
					}
					f.repaired(w)
				})
			})
		}
	}
}

// TestPartlyStored has the instance die after one of three configs has stored what
// is staged.
func TestPartlyStored(t *testing.T) {
	for _, operation := range []string{"patch", "PutParameter"} {
		for _, given := range map[string]func(*world){"": func(*world) {}, "without validation": (*world).withoutValidation} {
			synctest.Test(t, func(t *testing.T) {
				w := with(three, given)(t)
				w.taking(w.line.dies(t.Context(), call{operation, 1}, true), "set")
				time.Sleep(time.Hour)
				w = w.instance()
				w.reconcile(time.Minute)
				for _, id := range theThree {
					if !w.holds(id, `{"api_token":"`+canary+`"}`) || w.receipt(id).VersionID != w.current(SecretNamed(oktaSecret)) {
						config, _ := w.datadog.Config(id)
						t.Errorf("%s holds %v, and the receipt is %s", id, config.Secrets, encoded(t, w.receipt(id)))
					}
				}
			})
		}
	}
}

// TestDeathsOfARotation has the instance die at each call of each step.
func TestDeathsOfARotation(t *testing.T) {
	for _, f := range rotations {
		for _, step := range steps[1:] {
			t.Run(f.name+"/"+step, func(t *testing.T) {
				calls := callsOf(t, func(t testing.TB) *world { return f.after(t, step) }, func(w *world) { w.taking(w.Context(), step) })
				for _, at := range calls {
					for when, after := range map[string]bool{"before": false, "after": true} {
						if after && !at.writes() {
							continue
						}
						t.Run(when+" "+at.String(), func(t *testing.T) {
							t.Parallel()
							synctest.Test(t, func(t *testing.T) {
								w := f.after(t, step)
								w.taking(w.line.dies(t.Context(), at, after), step)
								f.repaired(w)
							})
						})
					}
				}
			})
		}
	}
}

// TestEveryFaultOfARotation has calls of setSecret, testSecret and finishSecret
// fail. The rotation is complete, or AWSCURRENT is where it was. One reconcile
// repairs everything, and the rotation then comes to its end.
func TestEveryFaultOfARotation(t *testing.T) {
	for _, f := range []flow{rotations[0], rotations[5]} {
		t.Run(f.name, func(t *testing.T) {
			calls := callsOf(t, f.world, func(w *world) { _ = w.rotate(steps[1:]...) })
			eachFault(t, calls, func(t *testing.T, failing call, name string, which func(call) fault) {
				w := f.world(t)
				w.line.failing(which)
				err := w.rotate(steps[1:]...)
				w.line.failing(nil)
				moved := w.labels(w.inRotation())[LabelCurrent] == token
				if err == nil && !moved {
					t.Error("got no error, and AWSCURRENT is where it was")
				}
				f.repairedAtOnce(w)
				if err := w.rotate(steps[1:]...); err != nil || w.labels(w.inRotation())[LabelCurrent] != token || w.held() != stagedToken {
					t.Errorf("once more: got %v and %q held, want the rotation complete", err, w.held())
				}
			})
		})
	}
}

// TestEveryFaultOfARefusedRotation does the same while Datadog refuses what is
// staged. That never becomes AWSCURRENT, and is not even stored where Datadog was
// asked.
func TestEveryFaultOfARefusedRotation(t *testing.T) {
	f := rotations[0]
	f.world = with(staging, func(w *world) { w.refuse(stagedToken) })
	calls := callsOf(t, f.world, func(w *world) {
		for _, step := range steps[1:] {
			_, _ = w.step(step)
		}
	})
	// These come only when a fault has kept Datadog from being asked.
	calls = append(calls, call{"patch", 1}, call{"validate-stored", 1}, call{"UpdateSecretVersionStage", 1})
	eachFault(t, calls, func(t *testing.T, failing call, name string, which func(call) fault) {
		w := f.world(t)
		w.line.failing(which)
		if strings.HasPrefix(name, "another's JSON") { // which says that the credential is valid
			_ = w.rotate(steps[1:]...)
		} else {
			for _, step := range steps[1:] { // a caller may take any step
				_, _ = w.step(step)
			}
		}
		w.line.failing(nil)
		if w.labels(oktaSecret)[LabelCurrent] == token {
			t.Error("AWSCURRENT is on a credential that Datadog refuses")
		}
		if len(w.patches()) > 0 && !slices.Contains(notAsked, failing.operation+"/"+name) {
			t.Errorf("Datadog got the PATCHes %q, and would have refused", w.patches())
		}
		f.repairedAtOnce(w)
	})
}

// TestReconcileDuringARotation comes between two steps, and puts the current
// credential back. The rotation goes on, and the event of its end brings Datadog
// up to the credential that is current then.
func TestReconcileDuringARotation(t *testing.T) {
	for _, f := range rotations {
		for _, before := range steps[1:] {
			t.Run(f.name+"/before "+before, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := f.after(t, before)
					if r := w.instance().reconcileOne(); r.Failed() || w.held() != canary {
						t.Errorf("got %s and %q held", encoded(t, r), w.held())
					}
					if err := w.rotate(steps[slices.Index(steps, before):]...); err != nil {
						t.Fatal(err)
					}
					if r := w.event(SecretNamed(w.inRotation()), token); r.Failed() || w.held() != stagedToken {
						t.Errorf("got %s and %q held", encoded(t, r), w.held())
					}
					f.repaired(w)
				})
			})
		}
	}
}

// TestAbandonedAndRevoked has the staged credential be revoked at its issuer after
// its rotation was abandoned. Reconcile has put the current one back before.
func TestAbandonedAndRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := staging(t)
		if err := w.rotate("create", "set"); err != nil {
			t.Fatal(err)
		}
		w.refuse(stagedToken)
		w.config("1111", func(config *datadogsim.Config) { config.State = "invalid" })
		time.Sleep(time.Hour)
		if r := w.reconcileOne(); r.Outcome != Updated || w.held() != canary || strings.Contains(encoded(t, r), `"invalid"`) {
			t.Errorf("got %s, want the current credential, which is valid", encoded(t, r))
		}
	})
}
