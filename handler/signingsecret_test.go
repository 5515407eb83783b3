package handler

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"credential-relay/relay"
)

// failing fails the calls of GetSecretValue for a staging label.
type failing struct {
	http.RoundTripper
	label, errorType string
}

func (f *failing) RoundTrip(request *http.Request) (*http.Response, error) {
	sent, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	request.Body = io.NopCloser(bytes.NewReader(sent))
	if f.errorType == "" || !bytes.Contains(sent, []byte(`"VersionStage":"`+f.label+`"`)) {
		return f.RoundTripper.RoundTrip(request)
	}
	answer := fmt.Sprintf(`{"__type":%q,"Message":"as the test has it"}`, f.errorType)
	return &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(answer)), Request: request}, nil
}

// failLabel has reading a staging label fail from now on; "" ends that.
func (w *world) failLabel(label, errorType string) {
	if w.line == nil {
		w.line = &failing{RoundTripper: inProcess{w.aws}}
		w.awsClient.Transport = w.line
	}
	w.line.label, w.line.errorType = label, errorType
}

func (w *world) wantAnswer(what string, d delivery, status int) {
	w.Helper()
	answer := w.through(d)
	if answer.Status != status {
		w.Errorf("%s: got %+v, want %d\n%s", what, answer, status, w.log.String())
	}
	unavailable := strings.Contains(w.log.String(), `"SignatureUnavailable":1`)
	if loud := unavailable && strings.Contains(w.log.String(), `"level":"ERROR"`); loud != (status == http.StatusServiceUnavailable) {
		w.Errorf("%s: want an error and the metric for 503 only: %s", what, w.log.String())
	}
	if again := answer.Header["Retry-After"]; (again != "") != (status == http.StatusServiceUnavailable) {
		w.Errorf("%s: got Retry-After %q", what, again)
	}
}

const (
	authenticated = http.StatusNotFound // since what it asks for is not bound
	wrong         = http.StatusUnauthorized
	cannotCheck   = http.StatusServiceUnavailable
)

// by is a delivery signed just now.
func by(n int) delivery {
	return signed(signingKey(n), "msg_1", time.Now(), `{"secret":"unbound"}`)
}

func TestUnusableSigningSecrets(t *testing.T) {
	ofBytes := func(n int) string {
		return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", n)))
	}
	const of = "WEBHOOK_SECRET_ARN, AWSCURRENT: "
	for _, c := range []struct{ name, secret, fault string }{
		{"23 bytes", ofBytes(23), of + "a signing secret must be whsec_ and at least 24 random bytes in base64"},
		{"no bytes", "whsec_", of + "a signing secret must be"},
		{"white space", " \n", of + "there is no signing secret in it"},
		{"not base64", "whsec_" + canary + "-and-more-of-it", of + "a signing secret must be"},
		{"base64 for addresses", "whsec_" + strings.Repeat("_-", 20), of + "a signing secret must be"},
		{"a good one and a short one", signingSecret(1) + " " + ofBytes(3), of + "a signing secret must be"},
		{"eleven", strings.Repeat(signingSecret(1)+"\n", 11), of + "there are more than 10 signing secrets in it"},
		{"JSON", `{"secret":"` + canary + `"}`, of + "a signing secret must be"},
		{"an asymmetric one", "whsk_" + strings.Repeat("A", 88), of + "a signing secret must be"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.signatures(c.secret)
			for _, key := range [][]byte{nil, signingKey(1), []byte("kkk"), []byte(strings.Repeat("k", 23))} {
				w.wantAnswer("signed", signed(key, "msg_1", time.Now(), "{}"), cannotCheck)
				if !strings.Contains(w.log.String(), c.fault) {
					t.Errorf("the log lacks %q: %s", c.fault, w.log.String())
				}
			}
		})
	}
	t.Run("binary", func(t *testing.T) {
		w := newWorld(t)
		w.aws.PutSecretBinary("signing", signingKey(1))
		w.signatures()
		w.wantAnswer("binary", by(1), cannotCheck)
	})
	t.Run("none", func(t *testing.T) {
		w := newWorld(t)
		w.signatures()
		w.wantAnswer("none", by(1), cannotCheck)
	})
	t.Run("marked for deletion", func(t *testing.T) {
		w := newWorld(t)
		w.signatures(signingSecret(1))
		w.aws.DeleteSecret("signing")
		w.wantAnswer("deleted", by(1), cannotCheck)
	})
	t.Run("one that has been put right", func(t *testing.T) {
		w := newWorld(t)
		w.signatures(ofBytes(3), signingSecret(1))
		w.wantAnswer("the current version", by(1), authenticated)
		w.wantAnswer("the previous one", signed([]byte("kkk"), "msg_1", time.Now(), "{}"), wrong)
	})
	t.Run("24 bytes", func(t *testing.T) {
		w := newWorld(t)
		w.signatures(ofBytes(24))
		w.wantAnswer("24 bytes", signed([]byte(strings.Repeat("k", 24)), "msg_1", time.Now(), `{"secret":"unbound"}`), authenticated)
	})
}

// TestCannotCheckIsNotWrong has a version of the signing secret be unreadable.
func TestCannotCheckIsNotWrong(t *testing.T) {
	for _, fault := range []string{"ThrottlingException", "AccessDeniedException", "DecryptionFailure", "InvalidRequestException", "InternalServiceError"} {
		t.Run("AWSCURRENT, "+fault, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.signatures(signingSecret(1), signingSecret(2))
				w.failLabel(relay.LabelCurrent, fault)
				w.wantAnswer("by the current one", by(2), cannotCheck)
				w.wantAnswer("by the previous one", by(1), cannotCheck)
				w.wantAnswer("by none", by(9), cannotCheck)
				if !strings.Contains(w.log.String(), "WEBHOOK_SECRET_ARN, AWSCURRENT: GetSecretValue: "+fault) {
					t.Errorf("the log does not say why: %s", w.log.String())
				}
				w.failLabel("", "")
				time.Sleep(time.Second)
				w.wantAnswer("a second later", by(2), authenticated)
			})
		})
		t.Run("AWSPREVIOUS, "+fault, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.signatures(signingSecret(1), signingSecret(2))
				w.failLabel("AWSPREVIOUS", fault)
				w.wantAnswer("by the current one", by(2), authenticated)
				w.wantAnswer("by the previous one", by(1), cannotCheck)
				w.wantAnswer("by the current one still", by(2), authenticated)
				w.failLabel("", "")
				time.Sleep(time.Second)
				w.wantAnswer("by the previous one, a second later", by(1), authenticated)
				w.wantAnswer("by none", by(9), wrong)
			})
		})
	}
	t.Run("AWSPREVIOUS, and it does not count any more", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.signatures(signingSecret(1), signingSecret(2))
			w.failLabel("AWSPREVIOUS", "DecryptionFailure")
			time.Sleep(24 * time.Hour)
			w.wantAnswer("by the current one", by(2), authenticated)
			w.wantAnswer("by the previous one", by(1), wrong)
		})
	})
	t.Run("a wrong signature does not spoil what is known", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.signatures(signingSecret(1))
			w.wantAnswer("the first", by(1), authenticated)
			w.failLabel(relay.LabelCurrent, "ThrottlingException")
			w.wantAnswer("by none", by(9), cannotCheck)
			w.wantAnswer("by the current one", by(1), authenticated)
		})
	})
}

// TestFailuresCostLittle: however many deliveries there are, the signing secret
// is tried once a second.
func TestFailuresCostLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.signatures(signingSecret(1))
		w.aws.Fail("GetSecretValue", 3, http.StatusBadRequest, "ThrottlingException", "")
		for range 3 {
			var group sync.WaitGroup
			for range 20 {
				group.Go(func() {
					if _, err := w.handler.Signatures.verify(t.Context(), by(1)); !errors.As(err, new(uncheckable)) {
						t.Errorf("got %v, want it uncheckable", err)
					}
				})
			}
			group.Wait()
			time.Sleep(time.Second)
		}
		if got := len(w.aws.Calls()); got != 3 {
			t.Errorf("got %d calls, want one a second: %v", got, w.aws.Calls())
		}
		w.wantAnswer("when it can be read", by(1), authenticated)
	})
}

// TestPreviousSigningSecretEnds a day after the rotation, at the instant.
func TestPreviousSigningSecretEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.signatures(signingSecret(1))
		time.Sleep(100 * time.Hour)
		w.wantAnswer("a lone version of any age", by(1), authenticated)
		w.signatures(signingSecret(2))
		w.wantAnswer("the rotation is noticed", by(2), authenticated)
		time.Sleep(24*time.Hour - time.Second)
		w.wantAnswer("the previous one, within a day", by(1), authenticated)
		time.Sleep(time.Second)
		w.wantAnswer("the previous one, after a day", by(1), wrong)
		w.wantAnswer("the current one, after a day", by(2), authenticated)
		before := len(w.aws.Calls())
		time.Sleep(time.Minute)
		w.wantAnswer("the current one, later", by(2), authenticated)
		if got := len(w.aws.Calls()) - before; got != 2 { // AWSCURRENT, and what is bound
			t.Errorf("got %d calls, want the previous version not to be read any more", got)
		}
	})
}

// TestLabelThatIsMovedBack ends the version that was moved away from.
func TestLabelThatIsMovedBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first := w.aws.PutSecret("signing", signingSecret(1))
		time.Sleep(48 * time.Hour)
		second := w.aws.PutSecret("signing", signingSecret(2))
		w.signatures()
		w.wantAnswer("the newer one", by(2), authenticated)
		w.moveLabel("signing", second, first)
		time.Sleep(time.Minute)
		w.wantAnswer("the older one", by(1), authenticated)
		w.wantAnswer("the newer one", by(2), wrong)
	})
}
