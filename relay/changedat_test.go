package relay

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"credential-relay/internal/datadogsim"
)

// TestChangedAt of outcomes of a reconcile: when the source changed, where
// Datadog lacked that; and of an updated one only where that is certain.
func TestChangedAt(t *testing.T) {
	rotated := func(w *world, kind Kind) { w.provide(kind, canary+"-new") }
	unreadable := func(w *world, _ Kind) { w.line.failing(always("get", 1, answer(http.StatusForbidden, ""))) }
	refusing := func(w *world, _ Kind) { w.refuse("-new") }
	failing := func(operation string) func(*world, Kind) {
		return func(w *world, _ Kind) {
			w.line.failing(always(operation, 1, answer(http.StatusForbidden, "")))
		}
	}
	wanting := func(policy EnabledMode, enabled bool) func(*world, Kind) {
		return func(w *world, kind Kind) { w.policy(kind, policy, enabled) }
	}
	undated := func(w *world, _ Kind) {
		w.config("1111", func(config *datadogsim.Config) { config.ModifiedAt = time.Time{} })
	}
	const never, madeAt, rotatedAt = 0, time.Hour, 2 * time.Hour // since the beginning
	for _, c := range []struct {
		name  string
		given []func(*world, Kind) // when it is rotated, if it is
		want  Outcome
		at    time.Duration
	}{
		{"all as it should be", nil, Unchanged, never},
		{"the source changed", []func(*world, Kind){rotated}, Updated, rotatedAt},
		{"the source changed, and is refused", []func(*world, Kind){rotated, refusing}, Rejected, rotatedAt},
		{"the source changed, and cannot be stored", []func(*world, Kind){rotated, failing("patch")}, Failed, rotatedAt},
		{"the source changed, and is not confirmed", []func(*world, Kind){rotated, func(w *world, _ Kind) {
			w.line.failing(always("validate-stored", 1, answer(http.StatusInternalServerError, "")))
		}}, Pending, rotatedAt},
		{"the source changed, and the flag is not as wanted", []func(*world, Kind){wanting(On, false), rotated}, Updated, rotatedAt},
		{"the flag alone is not as wanted", []func(*world, Kind){wanting(On, false)}, Updated, never},
		{"the flag alone is not as wanted, and cannot be sent", []func(*world, Kind){wanting(On, false), failing("patch")}, Failed, never},
		{"the same credential is invalid", []func(*world, Kind){func(w *world, _ Kind) {
			w.config("1111", func(config *datadogsim.Config) { config.State = "invalid" })
		}}, Invalid, never},
		{"nobody can read the config", []func(*world, Kind){unreadable}, Updated, never},
		{"nobody can read the config, and it is invalid", []func(*world, Kind){unreadable, rotated, refusing}, Invalid, rotatedAt},
		{"modified nobody knows when", []func(*world, Kind){undated}, Updated, never},
		{"modified nobody knows when, and cannot be stored", []func(*world, Kind){undated, failing("patch")}, Failed, madeAt},
		{"the config is gone", []func(*world, Kind){rotated, func(w *world, _ Kind) { w.datadog.RemoveConfig("1111") }}, Failed, never},
		{"the binding does not parse", []func(*world, Kind){rotated, wanting("sometimes", true)}, Failed, never},
		{"the change cannot be asked for", []func(*world, Kind){rotated, func(w *world, kind Kind) {
			w.line.failing(always(describing[kind], 1, awsFault(400, "AccessDeniedException")))
		}}, Failed, never},
		{"deleted, and there is nothing to send", []func(*world, Kind){(*world).remove}, Failed, never},
	} {
		for _, kind := range []Kind{KindSecret, KindParameter} {
			t.Run(string(kind)+"/"+c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					beginning := time.Now()
					time.Sleep(madeAt)
					w := settled(t, kind)
					time.Sleep(rotatedAt - madeAt)
					for _, given := range c.given {
						given(w, kind)
					}
					time.Sleep(time.Minute)
					o := w.reconcileOne()
					if o.Outcome != c.want {
						t.Fatalf("got %s, want %s", encoded(t, o), c.want)
					}
					if (c.at == never) != o.ChangedAt.IsZero() || c.at != never && !o.ChangedAt.Equal(beginning.Add(c.at)) {
						t.Errorf("got %s, want %s after %s, or never for none", o.ChangedAt, c.at, beginning)
					}
				})
			})
		}
	}
}

// TestChangedAtOfADeletion which a flag follows: that is what Datadog lacked.
func TestChangedAtOfADeletion(t *testing.T) {
	for _, c := range []struct {
		name  string
		given func(*world)
		want  Outcome
		lacks bool
	}{
		{"on until then", func(*world) {}, Updated, true},
		{"on, and it stays so", func(w *world) { w.line.failing(always("patch", 1, answer(http.StatusForbidden, ""))) }, Failed, true},
		{"turned on again since", func(w *world) { w.touch("1111") }, Updated, false},
		{"off already", func(w *world) { w.policy(KindSecret, Follow, false) }, Unchanged, false},
		{"nobody can read the config", func(w *world) { w.line.failing(always("get", 1, answer(http.StatusForbidden, ""))) }, Updated, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := settled(t, KindSecret)
				w.policy(KindSecret, Follow, true)
				time.Sleep(time.Hour)
				deleted := time.Now()
				w.remove(KindSecret)
				time.Sleep(time.Minute)
				c.given(w)
				o := w.reconcileOne()
				if o.Outcome != c.want || o.ChangedAt.IsZero() == c.lacks || c.lacks && !o.ChangedAt.Equal(deleted) {
					t.Errorf("got %s, lacking what changed %s, want %s, lacking %t of %s", encoded(t, o), o.ChangedAt, c.want, c.lacks, deleted)
				}
			})
		})
	}
}

// TestChangedAtIsOfReconciles: a relay has not looked.
func TestChangedAtIsOfReconciles(t *testing.T) {
	w := bound(t)
	if o := w.relayOne(SecretNamed(oktaSecret), time.Minute); !o.ChangedAt.IsZero() {
		t.Errorf("got %s, changed %s", encoded(t, o), o.ChangedAt)
	}
}
