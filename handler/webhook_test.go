package handler

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"credential-relay/relay"
)

func TestStatus(t *testing.T) {
	outcome := func(verdict relay.Outcome, stage relay.Stage, retryable bool, after time.Duration) relay.Result {
		o := relay.Result{Outcome: verdict}
		if stage != "" {
			o.Error = &relay.Error{Stage: stage, Retryable: retryable, RetryAfter: after}
		}
		return o
	}
	var (
		updated  = outcome(relay.Updated, "", false, 0)
		pending  = outcome(relay.Pending, relay.AtConfirm, true, 0)
		ignored  = outcome(relay.Ignored, "", false, 0)
		rejected = outcome(relay.Rejected, relay.AtValidate, false, 0)
		invalid  = outcome(relay.Invalid, relay.AtConfirm, false, 0)
		keyless  = outcome(relay.Failed, relay.AtCredential, false, 0)
		failed   = outcome(relay.Failed, relay.AtPatch, false, 0)
		later    = outcome(relay.Failed, relay.AtPatch, true, 0)
		internal = outcome(relay.Failed, relay.AtInternal, false, 0)
		muchLate = outcome(relay.Failed, relay.AtPatch, true, 5*time.Minute)
	)
	for _, c := range []struct {
		name     string
		outcomes []relay.Result
		status   int
		wait     time.Duration
	}{
		{"updated", []relay.Result{updated}, 200, 0},
		{"pending", []relay.Result{pending}, 200, 0},
		{"ignored", []relay.Result{ignored}, 404, 0},
		{"none", nil, 404, 0},
		{"rejected", []relay.Result{rejected}, 422, 0},
		{"invalid", []relay.Result{invalid}, 422, 0},
		{"a key is missing", []relay.Result{keyless}, 422, 0},
		{"failed", []relay.Result{failed}, 502, 0},
		{"failed for now", []relay.Result{later}, 503, retryAfter},
		{"failed until a limit's reset", []relay.Result{later, muchLate}, 503, 5 * time.Minute},
		{"done, and failed for now", []relay.Result{updated, later}, 503, retryAfter},
		{"done, and failed for good", []relay.Result{updated, failed}, 200, 0},
		{"done, and rejected", []relay.Result{rejected, updated, ignored}, 200, 0},
		{"rejected, and failed for good", []relay.Result{rejected, failed}, 502, 0},
		{"a fault of our own", []relay.Result{internal}, 500, 0},
		{"done, and a fault of our own", []relay.Result{updated, internal}, 500, 0},
		{"failed for now, and a fault of our own", []relay.Result{later, internal}, 503, retryAfter},
	} {
		t.Run(c.name, func(t *testing.T) {
			if status, wait := statusOf(c.outcomes); status != c.status || wait != c.wait {
				t.Errorf("got %d, %v, want %d, %v", status, wait, c.status, c.wait)
			}
		})
	}
}

// delivered is the answer to a caller that the gateway has authenticated.
func (w *world) delivered(body string) response {
	w.Helper()
	return w.answered(map[string]any{
		"rawPath": webhookPath, "headers": map[string]string{"Content-Type": "application/json"}, "body": body,
		"requestContext": map[string]any{"http": map[string]string{"method": "POST"}, "authorizer": map[string]any{"lambda": map[string]any{}}},
	})
}

func (w *world) answered(event map[string]any) response {
	w.Helper()
	reply, err := w.invoke(w.Context(), string(raw(event)))
	if err != nil {
		w.Fatal(err)
	}
	var answer response
	if err := json.Unmarshal([]byte(reply), &answer); err != nil {
		w.Fatal(err)
	}
	return answer
}

func TestBodyIsBounded(t *testing.T) {
	w := newWorld(t)
	most := `{"secret":"` + strings.Repeat(" ", maxBody-len(`{"secret":""}`)) + `"}`
	if answer := w.delivered(most + " "); answer.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("one byte too many: got %+v", answer)
	}
	if answer := w.delivered(most); answer.Status != http.StatusBadRequest { // since no name is that long
		t.Errorf("as many as may be: got %+v", answer)
	}
}

// TestPanicInADelivery has a fault of ours answered: a function error would be
// the gateway's to explain.
func TestPanicInADelivery(t *testing.T) {
	w := newWorld(t)
	w.handler.Signatures = &Signatures{} // without a client
	answer := w.answered(map[string]any{
		"headers": map[string]string{
			"webhook-id": "1", "webhook-timestamp": fmt.Sprint(time.Now().Unix()), "webhook-signature": "v1," + strings.Repeat("A", 43) + "=",
		},
		"requestContext": map[string]any{"http": map[string]string{"method": "POST"}},
	})
	if answer.Status != http.StatusInternalServerError || answer.Body != `{"error":"internal error"}` {
		t.Errorf("got %+v", answer)
	}
}

// TestGatewaysOfTheLibrary reads the samples that aws-lambda-go tests itself
// with, some of which are captures.
func TestGatewaysOfTheLibrary(t *testing.T) {
	found, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-lambda-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		file, method, path string
		authenticated      bool
	}{
		{"apigw-request.json", "POST", "/hello/world", true},
		{"apigw-restapi-openapi-request.json", "POST", "/hello/world", true},
		{"apigw-v2-request-iam.json", "GET", "/my/path", true},
		{"apigw-v2-request-jwt-authorizer.json", "GET", "/my/path", true},
		{"apigw-v2-request-lambda-authorizer.json", "GET", "/my/path", true},
		{"apigw-v2-request-no-authorizer.json", "GET", "/", false},
		{"lambda-urls-request.json", "POST", "/my/path", true},
	} {
		t.Run(c.file, func(t *testing.T) {
			sample, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(found)), "events", "testdata", c.file))
			if err != nil {
				t.Fatal(err)
			}
			event, err := decodeObject(sample)
			if err != nil || !event.isDelivery() {
				t.Fatalf("%v: it is not taken for a delivery", err)
			}
			d := decodeDelivery(event)
			if d.method != c.method || d.path != c.path || d.authenticated != c.authenticated || d.bodyErr != nil {
				t.Errorf("got %s %s, authenticated %t, %v", d.method, d.path, d.authenticated, d.bodyErr)
			}
		})
	}
	for _, other := range []string{
		`{"httpMethod":"GET","path":"/","requestContext":{"elb":{"targetGroupArn":"arn"}}}`,
		`{"requestContext":{"connectionId":"a"}}`,
		`{"httpMethod":"GET"}`,
	} {
		if event, _ := decodeObject([]byte(other)); event.isDelivery() {
			t.Errorf("%s is taken for a delivery", other)
		}
	}
}
