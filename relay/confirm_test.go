package relay

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"credential-relay/internal/datadogsim"
)

// TestConfirm has Datadog say anything after the PATCH. Pending waits as long as
// the deadline allows, less the time to write the receipt.
func TestConfirm(t *testing.T) {
	const within, asLongAsMayBe = time.Minute, time.Minute - receiptTime
	for _, c := range []struct {
		name      string
		given     func(w *world)
		want      Outcome
		validated bool
		retryable bool
		atLeast   time.Duration
	}{
		{
			name: "valid at once",
			want: Updated, validated: true,
		},
		{
			name: "initializing for two looks",
			given: func(w *world) {
				w.datadog.Initializing(2)
				w.datadog.Script(datadogsim.ValidateStored, refused, refused)
			},
			want: Updated, validated: true, atLeast: 3 * firstPause,
		},
		{
			name: "initializing for ever",
			given: func(w *world) {
				w.datadog.Initializing(1000)
				w.datadog.ScriptForever(datadogsim.ValidateStored, refused)
			},
			want: Pending, validated: true, retryable: true, atLeast: asLongAsMayBe,
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
			want: Invalid, validated: true, atLeast: firstPause,
		},
		{
			name:  "by its state, valid",
			given: func(w *world) { w.datadog.ScriptForever(datadogsim.ValidateStored, notOffered) },
			want:  Updated,
		},
		{
			name: "by its state, which becomes valid",
			given: func(w *world) {
				w.datadog.Initializing(2)
				w.datadog.ScriptForever(datadogsim.ValidateStored, notOffered)
			},
			want: Updated, atLeast: 3 * firstPause,
		},
		{
			name: "by its state, invalid",
			given: func(w *world) {
				w.withoutValidation()
				w.refuse(canary)
			},
			want: Invalid,
		},
		{
			name: "by its state, which stays initializing",
			given: func(w *world) {
				w.datadog.Initializing(1000)
				w.datadog.ScriptForever(datadogsim.ValidateStored, notOffered)
			},
			want: Pending, retryable: true, atLeast: asLongAsMayBe,
		},
		{
			name: "by its state, of which Datadog says nothing",
			given: func(w *world) {
				w.datadog.ScriptForever(datadogsim.ValidateStored, notOffered)
				w.line.failing(always("get", 2, rewriting(func(body string) string { return strings.Replace(body, `"state":"valid"`, `"other":"valid"`, 1) })))
			},
			want: Pending, retryable: true, atLeast: asLongAsMayBe,
		},
		{
			name: "by its state, which cannot be read",
			given: func(w *world) {
				w.datadog.ScriptForever(datadogsim.ValidateStored, notOffered)
				w.line.failing(always("get", 2, says(http.StatusForbidden)))
			},
			want: Pending,
		},
		{
			name: "not at all: Datadog lets us read nothing",
			given: func(w *world) {
				w.line.failing(all(always("get", 1, says(http.StatusForbidden)), always("validate-stored", 1, says(http.StatusForbidden))))
			},
			want: Pending,
		},
		{
			name: "nothing: the call fails",
			given: func(w *world) {
				w.line.failing(always("validate-stored", 1, says(http.StatusConflict)))
			},
			want: Pending, validated: true,
		},
		{
			name: "nothing: a proxy answers",
			given: func(w *world) {
				w.line.failing(always("validate-stored", 1, answer(http.StatusBadRequest, "<html>Bad Request</html>", "Content-Type", "text/html")))
			},
			want: Pending, validated: true, retryable: true,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := bound(t)
				if c.given != nil {
					c.given(w)
				}
				started := time.Now()
				r := w.relayOne(SecretNamed(oktaSecret), within)
				if took := time.Since(started); took < c.atLeast || took > c.atLeast && c.atLeast == asLongAsMayBe {
					t.Errorf("took %v, want %v", took, c.atLeast)
				}
				if r.Outcome != c.want || r.Validated == nil || *r.Validated != c.validated {
					t.Errorf("got %s, want %s, validated %t", encoded(t, r), c.want, c.validated)
				}
				if (r.Error == nil) != (c.want == Updated) || r.Error != nil && (r.Error.Stage != AtConfirm || r.Error.Retryable != c.retryable) {
					t.Errorf("got %s, want an error at %s unless updated, retryable %t", encoded(t, r), AtConfirm, c.retryable)
				}
				if receipt := w.receipt("1111"); receipt == nil || receipt.Outcome != c.want || receipt.VersionID != r.VersionID {
					t.Errorf("got the receipt %s, want %s of version %s", encoded(t, receipt), c.want, r.VersionID)
				}
			})
		})
	}
}

// TestStaleState has the PATCH answer with the state from before it. Where
// validation is not offered, that is no proof.
func TestStaleState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := bound(t)
		w.refuse(canary)
		w.withoutValidation()
		w.line.failing(always("patch", 1, rewriting(func(body string) string { return strings.Replace(body, `"state":"invalid"`, `"state":"valid"`, 1) })))
		if r := w.relayOne(SecretNamed(oktaSecret), time.Minute); r.Outcome != Invalid {
			t.Errorf("got %s, want invalid", encoded(t, r))
		}
	})
}

// TestVersionCannotBeRead has the second look at the source's version fail. No
// relay is then called updated, because the version may be an old one.
func TestVersionCannotBeRead(t *testing.T) {
	for name, fault := range map[string]fault{
		"access denied":     awsFault(http.StatusBadRequest, "AccessDeniedException"),
		"throttled":         awsFault(http.StatusBadRequest, "ThrottlingException"),
		"deleted meanwhile": awsFault(http.StatusBadRequest, "InvalidRequestException"),
		"garbled":           answer(http.StatusOK, `{"SecretString": "`+canary),
		"without a version": answer(http.StatusOK, `{"SecretString": "`+canary+`"}`),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := bound(t)
				w.line.failing(once("GetSecretValue", 2, fault))
				r := w.relayOne(SecretNamed(oktaSecret), time.Minute)
				if r.Outcome != Failed || r.Error.Stage != AtConfirm || !r.Error.Retryable {
					t.Errorf("got %s, want failed at %s, retryable", encoded(t, r), AtConfirm)
				}
				if !w.holds("1111", `{"api_token":"`+canary+`"}`) {
					t.Error("Datadog does not hold the credential")
				}
			})
		})
	}
}

// TestVersionCannotBeReadEither has Datadog call the credential invalid, which
// stays the outcome.
func TestVersionCannotBeReadEither(t *testing.T) {
	w := bound(t)
	w.datadog.Script(datadogsim.ValidateStored, refused)
	w.line.failing(once("GetSecretValue", 2, awsFault(http.StatusBadRequest, "AccessDeniedException")))
	if r := w.relayOne(SecretNamed(oktaSecret), time.Minute); r.Outcome != Invalid {
		t.Errorf("got %s, want invalid", encoded(t, r))
	}
}

// TestDeadline has the time run out at each stage. ask itself checks that no time
// is spent beyond the deadline.
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
		{call{"GetSecretValue", 2}, Failed, AtConfirm, true},
	} {
		for _, within := range []time.Duration{0, time.Millisecond, 3 * time.Second, 19 * time.Second, 45 * time.Second} {
			t.Run(fmt.Sprintf("%v in %v", c.hangs, within), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := settled(t, KindSecret)
					w.provide(KindSecret, rotated)
					w.line.failing(always(c.hangs.operation, c.hangs.nth, hang))
					r := w.relayOne(SecretNamed(oktaSecret), within)
					want, stage := c.want, c.stage
					if within == 0 {
						want, stage = Failed, AtBinding
					}
					if r.Outcome != want || r.Error.Stage != stage || !r.Error.Retryable {
						t.Errorf("got %s, want %s at %s, retryable", encoded(t, r), want, stage)
					}
					stored := c.newStored && within > 0
					if got := w.held() == rotated; got != stored {
						t.Errorf("Datadog holds the credential: %t", got)
					}
					if receipt := w.receipt("1111"); stored && receipt.VersionID != r.VersionID {
						t.Errorf("got the receipt %s, want one of version %s", encoded(t, receipt), r.VersionID)
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
		w.line.failing(always("patch", 1, says(http.StatusTooManyRequests, "X-RateLimit-Reset", "30")))
		started := time.Now()
		r := w.relayOne(SecretNamed(oktaSecret), 20*time.Second)
		if took := time.Since(started); r.Outcome != Failed || !r.Error.Retryable || took != 0 {
			t.Errorf("got %s after %v, want a retryable failure at once", encoded(t, r), took)
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
				r := w.relayOne(SecretNamed(oktaSecret), time.Minute)
				if stored, _ := w.datadog.Config("1111"); stored.Patches != c.patches {
					t.Errorf("got %d PATCHes, want %d", stored.Patches, c.patches)
				}
				if r.Outcome != c.want {
					t.Errorf("got %s, want %s", encoded(t, r), c.want)
				}
				switch {
				case r.Outcome == Updated && version != "":
					if r.VersionID != version || !w.holds("1111", fmt.Sprintf(`{"api_token":"%s-%d"}`, canary, c.moves)) {
						t.Errorf("got version %s, want %s, and Datadog to hold it", r.VersionID, version)
					}
				case r.Outcome == Failed && (r.Error.Stage != AtConfirm || !r.Error.Retryable):
					t.Errorf("got %+v, want a retryable error at %s", r.Error, AtConfirm)
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
		r := w.relayOne(SecretNamed(oktaSecret), time.Minute)
		if r.Outcome != Updated || r.VersionID != old || !w.holds("1111", `{"api_token":"`+canary+`"}`) {
			t.Errorf("got %s, want updated to version %s", encoded(t, r), old)
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
		r := w.relayOne(SecretNamed(oktaSecret), time.Minute)
		if r.Outcome != Rejected || !w.holds("1111", `{"api_token":"`+canary+`"}`) {
			t.Errorf("got %s, want rejected, and Datadog to hold the version before", encoded(t, r))
		}
	})
}
