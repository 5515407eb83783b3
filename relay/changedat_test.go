package relay

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"credential-relay/internal/datadogsim"
)

// TestChangedAt has a reconcile say since when Datadog lacks a change: only if the
// receipt shows that it does.
func TestChangedAt(t *testing.T) {
	rotated := func(w *world, kind Kind) { w.provide(kind, canary+"-new") }
	failing := func(operation string) func(*world, Kind) {
		return func(w *world, _ Kind) { w.line.failing(always(operation, 1, says(http.StatusForbidden))) }
	}
	wanting := func(mode EnabledMode, enabled bool) func(*world, Kind) {
		return func(w *world, kind Kind) { w.mode(kind, mode, enabled) }
	}
	for _, c := range []struct {
		name  string
		given []func(*world, Kind) // when it is rotated, if it is
		want  Outcome
		lacks bool
	}{
		{"all as it should be", nil, Unchanged, false},
		{"the source changed", []func(*world, Kind){rotated}, Updated, true},
		{"the source changed, and is refused", []func(*world, Kind){rotated, func(w *world, _ Kind) { w.refuse("-new") }}, Rejected, true},
		{"the source changed, and cannot be stored", []func(*world, Kind){rotated, failing("patch")}, Failed, true},
		{"the source changed, and is not confirmed", []func(*world, Kind){rotated, func(w *world, _ Kind) {
			w.line.failing(always("validate-stored", 1, says(http.StatusConflict)))
		}}, Pending, true},
		{"the source changed, and the flag is not as wanted", []func(*world, Kind){wanting(On, false), rotated}, Updated, true},
		{"the flag alone is not as wanted", []func(*world, Kind){wanting(On, false)}, Updated, false},
		{"the flag alone is not as wanted, and cannot be sent", []func(*world, Kind){wanting(On, false), failing("patch")}, Failed, false},
		{"the same credential is invalid", []func(*world, Kind){func(w *world, _ Kind) {
			w.refuse(canary)
			w.config("1111", func(config *datadogsim.Config) { config.State = "invalid" })
		}}, Invalid, false},
		{"edited in Datadog", []func(*world, Kind){func(w *world, _ Kind) { w.edit("1111", func(*datadogsim.Config) {}) }}, Updated, false},
		{"no receipt", []func(*world, Kind){rotated, func(w *world, _ Kind) { w.deleteParameter(bindings + "receipts/1111") }}, Updated, false},
		{"the config is gone", []func(*world, Kind){rotated, func(w *world, _ Kind) { w.datadog.RemoveConfig("1111") }}, Failed, false},
		{"the binding does not parse", []func(*world, Kind){rotated, wanting("sometimes", true)}, Failed, false},
		{"the source cannot be looked at", []func(*world, Kind){rotated, func(w *world, kind Kind) {
			w.line.failing(always(looking[kind], 1, awsFault(400, "AccessDeniedException")))
		}}, Failed, false},
		{"deleted", []func(*world, Kind){(*world).remove}, Failed, false},
	} {
		for _, kind := range []Kind{KindSecret, KindParameter} {
			t.Run(string(kind)+"/"+c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := settled(t, kind)
					time.Sleep(time.Hour)
					w.millisecond()
					at := time.Now()
					for _, given := range c.given {
						given(w, kind)
					}
					time.Sleep(time.Minute)
					r := w.reconcileOne()
					if r.Outcome != c.want {
						t.Fatalf("got %s, want %s", encoded(t, r), c.want)
					}
					if c.lacks && !r.ChangedAt.Equal(at) || !c.lacks && !r.ChangedAt.IsZero() {
						t.Errorf("got %s, want %s if Datadog lacks a change: %t", r.ChangedAt, at, c.lacks)
					}
				})
			})
		}
	}
}

// millisecond waits for the next whole millisecond, since AWS's dates have no more
// digits.
func (w *world) millisecond() {
	time.Sleep(time.Until(time.Now().Truncate(time.Millisecond).Add(time.Millisecond)))
}

// TestChangedAtIsOfReconciles holds that a relay that an event or a person asks for
// says nothing: it has not asked when the source changed.
func TestChangedAtIsOfReconciles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := settled(t, KindSecret)
		w.provide(KindSecret, canary+"-new")
		if r := w.event(SecretNamed(oktaSecret), ""); r.Outcome != Updated || !r.ChangedAt.IsZero() {
			t.Errorf("got %s, changed %s", encoded(t, r), r.ChangedAt)
		}
	})
}
