package relay

import (
	"fmt"
	"maps"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"credential-relay/internal/datadogsim"
)

// durations is how long each operation takes. Each has another time, so that none
// is taken for another.
var durations = map[string]time.Duration{
	"DescribeSecret": 11 * time.Millisecond, "GetSecretValue": 13 * time.Millisecond, "get": 101 * time.Millisecond,
	"validate": 211 * time.Millisecond, "azure": 307 * time.Millisecond, "patch": 401 * time.Millisecond, "validate-stored": 503 * time.Millisecond,
}

// takeTheirTime has each operation take its time, and then fail as which says.
func (w *world) takeTheirTime(which func(call) fault) {
	w.line.failing(func(c call) fault {
		return func(request *http.Request, serve func() *http.Response) (*http.Response, error) {
			if !wait(request.Context(), durations[c.operation]) {
				return nil, request.Context().Err()
			}
			if which != nil && which(c) != nil {
				return which(c)(request, serve)
			}
			return serve(), nil
		}
	})
}

// TestDurations of the stages: those that were gone through, each as long as
// its calls.
func TestDurations(t *testing.T) {
	of := func(operation string, times int) time.Duration { return durations[operation] * time.Duration(times) }
	relayed := func(w *world) Result { return w.relayOne(SecretNamed(oktaSecret), time.Minute) }
	entra := func(w *world) Result { return w.relayOne(SecretNamed(entraSecret), time.Minute) }
	stepped := func(step string) func(*world) Result {
		return func(w *world) Result {
			results, err := w.step(step)
			if err != nil {
				w.Fatal(err)
			}
			return w.one(results, 0)
		}
	}
	for _, c := range []struct {
		name  string
		world func(testing.TB) *world
		given func(*world)
		do    func(*world) Result
		want  map[Stage]time.Duration
	}{
		{"a relay", bound, nil, relayed, map[Stage]time.Duration{
			AtSource: of("GetSecretValue", 1), AtConfig: of("get", 1), AtValidate: of("validate", 1), AtPatch: of("patch", 1), AtConfirm: of("validate-stored", 1),
		}},
		{"a second round adds up", bound, func(w *world) {
			w.datadog.After(datadogsim.Patch, func() { w.aws.PutSecret(oktaSecret, `{"api_token":"`+canary+`-next"}`) })
		}, relayed, map[Stage]time.Duration{
			AtSource: of("GetSecretValue", 1), AtConfig: of("get", 1), AtValidate: of("validate", 2), AtPatch: of("patch", 2), AtConfirm: of("validate-stored", 2),
		}},
		{"refused", bound, func(w *world) { w.refuse(canary) }, relayed, map[Stage]time.Duration{
			AtSource: of("GetSecretValue", 1), AtConfig: of("get", 1), AtValidate: of("validate", 1),
		}},
		{"a confirmation that asks for the state", bound, func(w *world) {
			w.datadog.Script(datadogsim.ValidateStored, refused)
		}, relayed, map[Stage]time.Duration{
			AtSource: of("GetSecretValue", 1), AtConfig: of("get", 1), AtValidate: of("validate", 1), AtPatch: of("patch", 1),
			AtConfirm: of("validate-stored", 1) + of("get", 1),
		}},
		{"a source that is slow to be read again", bound, func(w *world) {
			w.takeTheirTime(func(c call) fault { return all(once("GetSecretValue", 2, taking("GetSecretValue", time.Second)(c)))(c) })
		}, relayed, map[Stage]time.Duration{
			AtSource: of("GetSecretValue", 1), AtConfig: of("get", 1), AtValidate: of("validate", 1), AtPatch: of("patch", 1),
			AtConfirm: of("GetSecretValue", 1) + time.Second,
		}},
		{"Entra ID", func(t testing.TB) *world { return entraBound(t, Keep) }, nil, entra, map[Stage]time.Duration{
			AtSource: of("GetSecretValue", 1), AtConfig: of("get", 1), AtPut: of("azure", 1), AtConfirm: of("validate-stored", 1),
		}},
		{"Entra ID with a flag", func(t testing.TB) *world { return entraBound(t, On) }, nil, entra, map[Stage]time.Duration{
			AtSource: of("GetSecretValue", 1), AtConfig: of("get", 1), AtPut: of("azure", 1), AtPatch: of("patch", 1), AtConfirm: of("validate-stored", 1),
		}},
		{"a flag alone", bound, func(w *world) {
			w.mode(KindSecret, Off, true)
			w.refuse(canary)
		}, relayed, map[Stage]time.Duration{
			AtSource: of("GetSecretValue", 1), AtConfig: of("get", 1), AtValidate: of("validate", 1), AtPatch: of("patch", 1),
		}},
		{"a reconcile that finds nothing to do", func(t testing.TB) *world { return settled(t, KindSecret) }, nil, (*world).reconcileOne, map[Stage]time.Duration{}},
		{"a reconcile without a list", func(t testing.TB) *world { return settled(t, KindSecret) }, func(w *world) {
			w.takeTheirTime(always("list", 1, says(http.StatusConflict)))
		}, (*world).reconcileOne, map[Stage]time.Duration{AtConfig: of("get", 1)}},
		{"a reconcile that relays", bound, nil, (*world).reconcileOne, map[Stage]time.Duration{
			AtSource: of("GetSecretValue", 1), AtValidate: of("validate", 1), AtPatch: of("patch", 1), AtConfirm: of("validate-stored", 1),
		}},
		{"an invalid credential that Datadog is asked about", func(t testing.TB) *world { return settled(t, KindSecret) }, func(w *world) {
			w.config("1111", func(config *datadogsim.Config) { config.State = "invalid" })
		}, (*world).reconcileOne, map[Stage]time.Duration{AtConfirm: of("validate-stored", 1)}},
		{"the step that stores", staging, nil, stepped("set"), map[Stage]time.Duration{
			AtConfig: of("get", 1), AtValidate: of("validate", 1), AtPatch: of("patch", 1), AtConfirm: of("validate-stored", 1),
		}},
		{"the step that tests", staging, nil, stepped("test"), map[Stage]time.Duration{AtConfig: of("get", 1), AtValidate: of("validate", 1)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := c.world(t)
				w.takeTheirTime(nil)
				if c.given != nil {
					c.given(w)
				}
				r := c.do(w)
				if !maps.Equal(r.Effort.Durations, c.want) {
					t.Errorf("got %v, want %v: %s", r.Effort.Durations, c.want, encoded(t, r))
				}
				if r.Effort.Retries != 0 || r.Effort.RateLimitWait != 0 || !r.Effort.Ended.Equal(time.Now()) {
					t.Errorf("got %+v, want no retries and an end now", r.Effort)
				}
			})
		})
	}
}

// TestEffortIsOfItsBinding has one of many bindings wait for a rate limit, and
// another be tried again.
func TestEffortIsOfItsBinding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := bound(t)
		for i := range 8 {
			w.bind("secrets/"+oktaSecret, fmt.Sprintf("config-%d", i), okta)
		}
		w.line.failing(func(c call) fault {
			switch c {
			case call{"patch", 3}:
				return says(http.StatusTooManyRequests, "X-RateLimit-Reset", "3")
			case call{"validate-stored", 5}:
				return answer(http.StatusServiceUnavailable, "")
			}
			return nil
		})
		started, waited, again := time.Now(), 0, 0
		for _, r := range w.relay(SecretNamed(oktaSecret), time.Minute) {
			effort := r.Effort
			switch {
			case effort.RateLimitWait > 0:
				waited++
				if effort.RateLimitWait < 3*time.Second || effort.RateLimitWait > 3500*time.Millisecond {
					t.Errorf("got %+v, want a wait of 3 s", effort)
				}
				if effort.Durations[AtPatch] != effort.RateLimitWait || effort.Ended.Sub(started) < 3*time.Second {
					t.Errorf("got %+v, want the wait to be of the PATCH", effort)
				}
			case effort.Retries == 0 && !effort.Ended.Equal(started):
				t.Errorf("got %+v, want it to have ended before the others", effort)
			}
			again += effort.Retries
		}
		if waited == 0 || again != 2 {
			t.Errorf("%d bindings waited, and %d calls were tried again; want one at least, and two", waited, again)
		}
	})
}

// TestEffortOfRotation adds up what the storing took and what went before.
func TestEffortOfRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := staging(t)
		w.line.failing(func(c call) fault {
			if c == (call{"validate", 1}) || c == (call{"patch", 1}) {
				return says(http.StatusTooManyRequests, "X-RateLimit-Reset", "3")
			}
			return nil
		})
		results, err := w.step("set")
		effort := w.one(results, 0).Effort
		if err != nil || effort.Retries != 2 || effort.RateLimitWait < 6*time.Second || effort.RateLimitWait > 7*time.Second {
			t.Errorf("got %+v, want two retries after 3 s each", effort)
		}
	})
}
