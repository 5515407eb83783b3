package relay

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"credential-relay/internal/datadogsim"
)

// TestConfirm has Datadog in every mood after the PATCH.
func TestConfirm(t *testing.T) {
	notOffered := datadogsim.Answer{Status: http.StatusNotFound}
	for _, c := range []struct {
		name      string
		given     func(w *world)
		want      Outcome
		validated bool
		retryable bool
		took      time.Duration
	}{
		{
			name: "valid at once",
			want: Updated, validated: true,
		},
		{
			name: "valid, as far as Datadog lets us look",
			given: func(w *world) {
				w.line.failing(always("get", 1, answer(http.StatusForbidden, "")))
				w.datadog.ScriptForever(datadogsim.ValidateStored, datadogsim.Answer{Status: http.StatusForbidden})
			},
			want: Updated,
		},
		{
			name: "initializing for two looks",
			given: func(w *world) {
				w.datadog.Initializing(2)
				w.datadog.Script(datadogsim.ValidateStored, refused, refused)
			},
			want: Updated, validated: true, took: 1500 * time.Millisecond,
		},
		{
			name: "initializing for ever",
			given: func(w *world) {
				w.datadog.Initializing(1000)
				w.datadog.ScriptForever(datadogsim.ValidateStored, refused)
			},
			want: Pending, validated: true, retryable: true, took: 10 * time.Second,
		},
		{
			name: "initializing, and the config cannot be read",
			given: func(w *world) {
				w.datadog.Initializing(1000)
				w.datadog.ScriptForever(datadogsim.ValidateStored, refused)
				w.line.failing(always("get", 2, answer(http.StatusForbidden, "")))
			},
			want: Pending, validated: true, retryable: true, took: 10 * time.Second,
		},
		{
			name:  "called invalid",
			given: func(w *world) { w.datadog.Script(datadogsim.ValidateStored, refused) },
			want:  Invalid, validated: true,
		},
		{
			name: "initializing, then called invalid",
			given: func(w *world) {
				w.datadog.Initializing(1)
				w.datadog.Script(datadogsim.ValidateStored, refused, refused)
			},
			want: Invalid, validated: true, took: 500 * time.Millisecond,
		},
		{
			name:  "going by the state, which is valid",
			given: func(w *world) { w.datadog.ScriptForever(datadogsim.ValidateStored, notOffered) },
			want:  Updated,
		},
		{
			name: "going by the state, which becomes valid",
			given: func(w *world) {
				w.datadog.Initializing(2)
				w.datadog.ScriptForever(datadogsim.ValidateStored, notOffered)
			},
			want: Updated, took: 500*time.Millisecond + time.Second + 2*time.Second,
		},
		{
			name: "going by the state, which becomes invalid",
			given: func(w *world) {
				w.datadog.ScriptForever(datadogsim.Validate, notOffered)
				w.datadog.ScriptForever(datadogsim.ValidateStored, notOffered)
				w.refuse(canary)
			},
			want: Invalid, took: 500 * time.Millisecond,
		},
		{
			name: "going by the state, which stays initializing",
			given: func(w *world) {
				w.datadog.Initializing(1000)
				w.datadog.ScriptForever(datadogsim.ValidateStored, notOffered)
			},
			want: Pending, retryable: true, took: 10 * time.Second,
		},
		{
			name: "going by the state, which cannot be read",
			given: func(w *world) {
				w.datadog.Initializing(1000)
				w.datadog.ScriptForever(datadogsim.ValidateStored, notOffered)
				w.line.failing(always("get", 2, answer(http.StatusForbidden, "")))
			},
			want: Pending, took: 500 * time.Millisecond,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := bound(t)
				if c.given != nil {
					c.given(w)
				}
				started := time.Now()
				o := w.relayOne(SecretNamed(oktaSecret), time.Minute)
				if took := time.Since(started); took != c.took {
					t.Errorf("took %v, want %v", took, c.took)
				}
				if o.Outcome != c.want || o.Validated == nil || *o.Validated != c.validated {
					t.Errorf("got %s, want %s, validated %t", encoded(t, o), c.want, c.validated)
				}
				if (o.Error == nil) != (c.want == Updated) || o.Error != nil && o.Error.Stage != AtConfirm {
					t.Errorf("got the error %+v, want one at %s unless updated", o.Error, AtConfirm)
				}
				if o.Error != nil && o.Error.Retryable != c.retryable {
					t.Errorf("got retryable %t, want %t", o.Error.Retryable, c.retryable)
				}
			})
		})
	}
}

// TestVersionCannotBeRead has the second look at the source's version fail: no
// relay is called updated that may be of yesterday.
func TestVersionCannotBeRead(t *testing.T) {
	for _, c := range []struct {
		name      string
		fault     fault
		retryable bool
	}{
		{"access denied", awsFault(http.StatusBadRequest, "AccessDeniedException"), false},
		{"throttled", awsFault(http.StatusBadRequest, "ThrottlingException"), true},
		{"deleted meanwhile", awsFault(http.StatusBadRequest, "InvalidRequestException"), false},
		{"garbled", answer(http.StatusOK, `{"SecretString": "`+canary), true},
		{"without a version", answer(http.StatusOK, `{"SecretString": "`+canary+`"}`), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := bound(t)
				w.line.failing(once("GetSecretValue", 2, c.fault))
				o := w.relayOne(SecretNamed(oktaSecret), time.Minute)
				if o.Outcome != Failed || o.Error.Stage != AtConfirm || o.Error.Retryable != c.retryable {
					t.Errorf("got %s, want failed at %s, retryable %t", encoded(t, o), AtConfirm, c.retryable)
				}
				if !w.holds("1111", `{"api_token":"`+canary+`"}`) {
					t.Error("Datadog does not hold the credential")
				}
			})
		})
	}
}

// TestVersionCannotBeReadEither has a verdict that is worse already stay.
func TestVersionCannotBeReadEither(t *testing.T) {
	w := bound(t)
	w.datadog.Script(datadogsim.ValidateStored, refused)
	w.line.failing(once("GetSecretValue", 2, awsFault(http.StatusBadRequest, "AccessDeniedException")))
	if o := w.relayOne(SecretNamed(oktaSecret), time.Minute); o.Outcome != Invalid {
		t.Errorf("got %s, want invalid", encoded(t, o))
	}
}

// TestDeadline has the time run out at each stage. relay itself checks that no
// time is spent beyond the deadline.
func TestDeadline(t *testing.T) {
	for _, c := range []struct {
		hangs     call
		want      Outcome
		stage     Stage
		newStored bool
	}{
		{call{"GetParametersByPath", 1}, Failed, AtBinding, false},
		{call{"GetSecretValue", 1}, Failed, AtSource, false},
		{call{"get", 1}, Failed, AtConfig, false},
		{call{"validate", 1}, Failed, AtValidate, false},
		{call{"patch", 1}, Failed, AtPatch, false},
		{call{"validate-stored", 1}, Pending, AtConfirm, true},
		{call{"GetSecretValue", 2}, Pending, AtConfirm, true},
	} {
		for _, within := range []time.Duration{0, time.Millisecond, 3 * time.Second, 19 * time.Second, 45 * time.Second} {
			t.Run(fmt.Sprintf("%s in %v", c.hangs.operation, within), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := bound(t)
					w.line.failing(always(c.hangs.operation, c.hangs.nth, hang))
					o := w.relayOne(SecretNamed(oktaSecret), within)
					want, stage := c.want, c.stage
					if within == 0 {
						want, stage = Failed, AtBinding
					}
					if o.Outcome != want || o.Error.Stage != stage || !o.Error.Retryable {
						t.Errorf("got %s, want %s at %s, retryable", encoded(t, o), want, stage)
					}
					if got := w.holds("1111", `{"api_token":"`+canary+`"}`); got != (c.newStored && within > 0) {
						t.Errorf("Datadog holds the credential: %t", got)
					}
				})
			})
		}
	}
}

// TestRateLimitBeyondTheDeadline is not waited for.
func TestRateLimitBeyondTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := bound(t)
		w.line.failing(always("patch", 1, answer(http.StatusTooManyRequests, "", "X-RateLimit-Reset", "30")))
		started := time.Now()
		o := w.relayOne(SecretNamed(oktaSecret), 20*time.Second)
		if took := time.Since(started); o.Outcome != Failed || !o.Error.Retryable || took != 0 {
			t.Errorf("got %s after %v, want a retryable failure at once", encoded(t, o), took)
		}
	})
}

// TestMoved has the label move to another version while Datadog is given one.
func TestMoved(t *testing.T) {
	for _, c := range []struct {
		moves, patches int
		want           Outcome
	}{
		{0, 1, Updated},
		{1, 2, Updated},
		{2, 3, Updated},
		{3, 3, Failed},
		{10, 3, Failed},
	} {
		t.Run(fmt.Sprintf("%d times", c.moves), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := bound(t)
				var rotate func()
				version, left := "", c.moves
				rotate = func() {
					if left > 0 {
						left--
						version = w.aws.PutSecret(oktaSecret, fmt.Sprintf(`{"api_token":"%s-%d"}`, canary, c.moves-left))
						w.datadog.After(datadogsim.Patch, rotate)
					}
				}
				w.datadog.After(datadogsim.Patch, rotate)
				o := w.relayOne(SecretNamed(oktaSecret), time.Minute)
				if stored, _ := w.datadog.Config("1111"); stored.Patches != c.patches {
					t.Errorf("got %d PATCHes, want %d", stored.Patches, c.patches)
				}
				if o.Outcome != c.want {
					t.Errorf("got %s, want %s", encoded(t, o), c.want)
				}
				switch {
				case o.Outcome == Updated && version != "":
					if o.VersionID != version || !w.holds("1111", fmt.Sprintf(`{"api_token":"%s-%d"}`, canary, c.moves)) {
						t.Errorf("got version %s, want %s, and Datadog to hold it", o.VersionID, version)
					}
				case o.Outcome == Failed && (o.Error.Stage != AtConfirm || !o.Error.Retryable):
					t.Errorf("got %+v, want a retryable error at %s", o.Error, AtConfirm)
				}
			})
		})
	}
}

// TestMovedBack has AWSCURRENT go back to the version before it, which is a
// move like any other.
func TestMovedBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := bound(t)
		old := w.relayOne(SecretNamed(oktaSecret), time.Minute).VersionID
		bad := w.aws.PutSecret(oktaSecret, `{"api_token":"`+canary+`-bad"}`)
		w.datadog.After(datadogsim.Patch, func() { w.moveCurrent(oktaSecret, bad, old) })
		o := w.relayOne(SecretNamed(oktaSecret), time.Minute)
		if o.Outcome != Updated || o.VersionID != old || !w.holds("1111", `{"api_token":"`+canary+`"}`) {
			t.Errorf("got %s, want updated to version %s", encoded(t, o), old)
		}
	})
}

// TestMovedToTheRejected has the credential rejected in the second round: then
// Datadog keeps what the first round gave it.
func TestMovedToTheRejected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := bound(t)
		w.refuse("bad")
		w.datadog.After(datadogsim.Patch, func() { w.aws.PutSecret(oktaSecret, `{"api_token":"`+canary+`-bad"}`) })
		o := w.relayOne(SecretNamed(oktaSecret), time.Minute)
		if o.Outcome != Rejected || !w.holds("1111", `{"api_token":"`+canary+`"}`) {
			t.Errorf("got %s, want rejected, and Datadog to hold the version before", encoded(t, o))
		}
	})
}
