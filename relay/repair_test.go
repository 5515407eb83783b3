package relay

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"credential-relay/internal/datadogsim"
)

// inOrderAgain is the flow of a world that has one binding and ends with the
// current version delivered.
func inOrderAgain(enabled bool) flow { return flow{name: "repair", enabled: enabled} }

// TestMissedRotation has no event of a rotation arrive, and somebody edit the
// config in Datadog afterwards, which makes it look newer than the rotation.
func TestMissedRotation(t *testing.T) {
	for _, kind := range []Kind{KindSecret, KindParameter} {
		synctest.Test(t, func(t *testing.T) {
			w := settled(t, kind)
			w.provide(kind, rotated)
			time.Sleep(time.Minute)
			w.edit("1111", func(config *datadogsim.Config) { config.Name = "renamed" })
			f := inOrderAgain(true)
			f.source = sourceOf(kind)
			f.repaired(w)
		})
	}
}

// TestOffHidesNoRotation has a binding want its config off, and the new credential
// fail to arrive while the flag does. The flag's PATCH moves the config's date. The
// next reconcile delivers the credential all the same.
func TestOffHidesNoRotation(t *testing.T) {
	for name, fail := range map[string]func(*world){
		"throttled once":         func(w *world) { w.line.failing(once("DescribeSecret", 1, awsFault(400, "ThrottlingException"))) },
		"its value, once":        func(w *world) { w.line.failing(once("GetSecretValue", 1, awsFault(500, "InternalServiceError"))) },
		"validation is down":     func(w *world) { w.line.failing(always("validate", 1, says(http.StatusConflict))) },
		"not active yet":         func(w *world) { w.refuse(rotated) },
		"Azure is down":          func(w *world) { w.line.failing(always("azure", 1, says(http.StatusConflict))) },
		"the receipt is denied":  func(w *world) { w.line.failing(always("PutParameter", 1, awsFault(400, "AccessDeniedException"))) },
		"the receipt is lost":    func(w *world) { w.line.failing(always("PutParameter", 1, lost)) },
		"not confirmed":          func(w *world) { w.line.failing(always("validate-stored", 1, says(http.StatusConflict))) },
		"the second look failed": func(w *world) { w.line.failing(always("GetSecretValue", 2, awsFault(400, "ThrottlingException"))) },
	} {
		for of, given := range map[string]func(testing.TB) *world{"OKTA": due(Off, true), "ENTRA_ID": entraDue(Off, true)} {
			for by, look := range map[string]func(*world){
				"event":     func(w *world) { w.event(SecretNamed(w.inRotation()), "") },
				"reconcile": func(w *world) { w.reconcileOne() },
			} {
				t.Run(name+"/"+of+"/"+by, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						w := given(t)
						fail(w)
						look(w)
						if config, _ := w.datadog.Config("1111"); config.Enabled {
							t.Error("the config is on")
						}
						w.line.failing(nil)
						w.acceptAll()
						f := inOrderAgain(false)
						f.source = SecretNamed(w.inRotation())
						f.repaired(w)
					})
				})
			}
		}
	}
}

// TestLatePatch has a slow instance store an old version after another one has
// stored the new, and then not come to its second look. Its event is not repeated.
func TestLatePatch(t *testing.T) {
	for name, nature := range map[string]func(call) fault{"exact dates": nil, "whole seconds": wholeSeconds, "no dates": noDates} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := bound(t)
				w.line.nature = nature
				w.line.failing(all(
					once("validate", 1, first(func() {
						w.provide(KindSecret, rotated)
						if r := w.instance().event(SecretNamed(oktaSecret), ""); r.Outcome != Updated {
							t.Errorf("the fast instance: got %s", encoded(t, r))
						}
					})),
					always("GetSecretValue", 2, hang),
				))
				w.event(SecretNamed(oktaSecret), "")
				if w.held() != canary {
					t.Fatalf("Datadog holds %q, want the old version", w.held())
				}
				inOrderAgain(true).repaired(w)
			})
		})
	}
}

// TestStaleRead has Secrets Manager answer with the version before, right after the
// label has moved. An event that says which version is current gets that one. What
// a relay without such a hint sends is repaired by the next reconcile.
func TestStaleRead(t *testing.T) {
	for _, c := range []struct {
		name  string
		stale int // reads
		hint  bool
		held  string
	}{
		{"the event says the version", 1, true, rotated},
		{"nothing says the version", 1, false, rotated}, // the second look does
		{"nothing says the version, and it goes on", 2, false, canary},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := settled(t, KindSecret)
				old, _ := w.version(SecretNamed(oktaSecret))
				stale := answer(http.StatusOK, fmt.Sprintf(`{"ARN":%q,"Name":%q,"VersionId":%q,"SecretString":%q}`, w.aws.SecretARN(oktaSecret), oktaSecret, old, `{"api_token":"`+canary+`"}`))
				w.provide(KindSecret, rotated)
				w.line.failing(func(c2 call) fault {
					if c2.operation == "GetSecretValue" && c2.nth <= c.stale {
						return about(LabelCurrent, stale)
					}
					return nil
				})
				request := Request{Selector: aboutOkta}
				if c.hint {
					request.VersionID = w.current(SecretNamed(oktaSecret))
				}
				if r := w.asked(request); r.Outcome != Updated || w.held() != c.held {
					t.Errorf("got %s and %q held, want %q", encoded(t, r), w.held(), c.held)
				}
				inOrderAgain(true).repairedAtOnce(w)
			})
		})
	}
}

// TestStaleReadForGood has every read by the label be of the version before. A
// reconcile asks for the version itself.
func TestStaleReadForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := settled(t, KindSecret)
		old, _ := w.version(SecretNamed(oktaSecret))
		w.provide(KindSecret, rotated)
		w.line.nature = always("GetSecretValue", 1, about(LabelCurrent, answer(http.StatusOK, fmt.Sprintf(`{"VersionId":%q,"SecretString":%q}`, old, `{"api_token":"`+canary+`"}`))))
		inOrderAgain(true).repaired(w)
	})
}

// TestMadeAgain has a parameter be deleted and made again, which starts its number
// at 1: during a relay, and between two looks.
func TestMadeAgain(t *testing.T) {
	again := func(w *world) {
		time.Sleep(time.Millisecond) // AWS's dates have no more digits
		w.remove(KindParameter)
		w.provide(KindParameter, rotated)
	}
	t.Run("during a relay", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := settled(t, KindParameter)
			w.datadog.After(datadogsim.Patch, func() { again(w) })
			if r := w.relayOne(ParameterNamed(oktaSecret), time.Minute); r.Outcome != Updated || w.held() != rotated {
				t.Errorf("got %s and %q held, want the parameter that is there now", encoded(t, r), w.held())
			}
		})
	})
	t.Run("between two looks", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := settled(t, KindParameter)
			again(w)
			if s := w.status(Selector{Source: ParameterNamed(oktaSecret)}); s.Status != StatusBehind {
				t.Errorf("got the status %s, want behind", encoded(t, s))
			}
			f := inOrderAgain(true)
			f.source = ParameterNamed(oktaSecret)
			f.repaired(w)
		})
	})
}

// TestRollback moves AWSCURRENT back to the version before, which is a new version
// like any other. One that Datadog refused and that is then rolled back leaves the
// one that works.
func TestRollback(t *testing.T) {
	for name, refuses := range map[string]bool{"accepted": false, "refused": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := settled(t, KindSecret)
				old := w.current(SecretNamed(oktaSecret))
				w.provide(KindSecret, rotated)
				if refuses {
					w.refuse(rotated)
				}
				w.event(SecretNamed(oktaSecret), "")
				w.moveCurrent(oktaSecret, w.current(SecretNamed(oktaSecret)), old)
				w.forget()
				r := w.event(SecretNamed(oktaSecret), old)
				want := Updated
				if refuses {
					want = Unchanged
				}
				if r.Outcome != want || w.held() != canary {
					t.Errorf("got %s and %q held, want %s", encoded(t, r), w.held(), want)
				}
				inOrderAgain(true).repaired(w)
			})
		})
	}
}

// TestStorm has every secret's event arrive ten times, in any order, at several
// instances at once. No config gets more than two PATCHes.
func TestStorm(t *testing.T) {
	const secrets, duplicates, instances = 50, 10, 2
	synctest.Test(t, func(t *testing.T) {
		w := each(t, secrets)
		w.rotateEach(secrets, rotated)
		for i := range secrets {
			w.config(fmt.Sprintf("config-%02d", i), func(config *datadogsim.Config) { config.Patches = 0 })
		}
		events := make(chan int)
		var running sync.WaitGroup
		for range instances {
			one := w.instance()
			one.line.nature = func(c call) fault { // everything takes its time
				return taking(c.operation, 10*time.Millisecond)(c)
			}
			running.Go(func() {
				for i := range events {
					source := SecretNamed(nth(i))
					if r := one.event(source, one.current(source)); r.Failed() {
						t.Errorf("got %s", encoded(t, r))
					}
				}
			})
		}
		for _, i := range inAnyOrder(secrets, duplicates) {
			events <- i
		}
		close(events)
		running.Wait()
		var sent []int
		for i := range secrets {
			config, _ := w.datadog.Config(fmt.Sprintf("config-%02d", i))
			sent = append(sent, config.Patches)
			if config.Secrets["api_token"] != rotated {
				t.Errorf("config-%02d holds %v", i, config.Secrets)
			}
		}
		if most := slices.Max(sent); most > 2 {
			t.Errorf("got up to %d PATCHes a config, want at most two: %v", most, sent)
		}
	})
}

// inAnyOrder returns each of the first numbers as often as is said, some in a row.
func inAnyOrder(number, times int) (order []int) {
	for round := range times {
		for i := range number {
			order = append(order, (i*7+round*(i%2))%number)
		}
	}
	slices.Sort(order[:len(order)/2]) // of the first half, all of one secret come together
	return order
}
