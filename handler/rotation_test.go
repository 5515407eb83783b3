package handler

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

const rotationSecret = "00000000-0000-4000-8000-the-rotation-token" // the event's own, which is secret

// TestRotationStepsAreChecked before anything is read, and the log says why.
func TestRotationStepsAreChecked(t *testing.T) {
	const token = "0d5e6a8c-93a1-4d1b-8a0f-6f1c2b3d4e21"
	long := strings.Repeat("long ", 50_000)
	for _, c := range []struct{ name, step, secret, token, malformed string }{
		{"as it should be", "createSecret", goodARN, token, ""},
		{"in the other spelling", "finish_secret", goodARN, token, ""},
		{"the shortest token", "setSecret", goodARN, strings.Repeat("a", 32), ""},
		{"the longest token", "testSecret", goodARN, strings.Repeat("A", 64), ""},
		{"no step", "", goodARN, token, `Step: "" is none of`},
		{"another step", "explodeSecret", goodARN, token, `Step: "explodeSecret" is none of`},
		{"a long step", long, goodARN, token, `Step: "long long`},
		{"a step of two lines", "create\nSecret", goodARN, token, `is none of`},
		{"a name", "createSecret", "good", token, "createSecret: SecretId: must be the secret's full ARN"},
		{"an ARN without its end", "createSecret", secrets + "good", token, "SecretId: must be"},
		{"another service's ARN", "setSecret", "arn:aws:ssm:us-east-1:111122223333:secret:good-AbCdEf", token, "setSecret: SecretId: must be"},
		{"an ARN whose region is an address", "setSecret", "arn:aws:secretsmanager:evil.example/#:111122223333:secret:good-AbCdEf", token, "SecretId: must be"},
		{"a long ARN", "setSecret", secrets + long + "-AbCdEf", token, "SecretId: must be"},
		{"no token", "testSecret", goodARN, "", "testSecret: ClientRequestToken: must have 32 to 64"},
		{"a short token", "testSecret", goodARN, strings.Repeat("a", 31), "ClientRequestToken: must have"},
		{"a long token", "testSecret", goodARN, strings.Repeat("a", 65), "ClientRequestToken: must have"},
		{"a token of other characters", "testSecret", goodARN, token[:35] + "_", "ClientRequestToken: must have"},
		{"a token with a line break", "testSecret", goodARN, token + "\n", "ClientRequestToken: must have"},
		{"a token of 250 kB", "finishSecret", goodARN, long, "finishSecret: ClientRequestToken: must have"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.bound("good")
			_, err := w.invoke(t.Context(), object{
				"Step": text(c.step), "SecretId": text(c.secret), "ClientRequestToken": text(c.token), "RotationToken": text(rotationSecret),
			}.String())
			if strings.Contains(w.log.String()+fmt.Sprint(err), rotationSecret) {
				t.Errorf("the rotation token is told: %v, %s", err, w.log.String())
			}
			if c.malformed == "" {
				if !errors.As(err, new(*RotationStepFailed)) { // rotation is not enabled
					t.Errorf("got %v, want a RotationStepFailed", err)
				}
				return
			}
			if !errors.As(err, new(*MalformedEvent)) || !strings.Contains(err.Error(), c.malformed) {
				t.Errorf("got %v, want a MalformedEvent: %s", err, c.malformed)
			}
			if calls := w.aws.Calls(); len(calls) > 0 {
				t.Errorf("it called for %v", calls)
			}
			lines := w.logged()
			if got := fmt.Sprint(lines[len(lines)-1][keyError]); got != err.Error() || len(lines) != 1 {
				t.Errorf("got the log %v, want the error %v", lines, err)
			}
		})
	}
	t.Run("members of other types", func(t *testing.T) {
		w := newWorld(t)
		_, err := w.invoke(t.Context(), `{"Step":["createSecret"],"SecretId":{},"ClientRequestToken":7,"RotationToken":[{}]}`)
		if !errors.As(err, new(*MalformedEvent)) {
			t.Errorf("got %v, want a MalformedEvent", err)
		}
	})
}

// TestMalformedEventsSayWhy on their log line, at the level of an error.
func TestMalformedEventsSayWhy(t *testing.T) {
	const label = `{"source":"aws.secretsmanager","detail-type":"Secret Label Updated","detail":{"labelUpdated":"AWSCURRENT"},"resources":[`
	for _, c := range []struct{ event, why string }{
		{`[`, "not a JSON object"},
		{`null`, "not a JSON object"},
		{label + `]}`, "Secret Label Updated: resources must hold"},
		{label + `"prod/okta"]}`, "resources[0] must be a secret's full ARN"},
		{`{"relay":{"secret":"a","color":1}}`, "relay: color: is not a field"},
		{`{"relay":{"secret":"a","co\nlor\u001b[2J":1}}`, "is not a field"},
		{`{"Step":"x","SecretId":"y","ClientRequestToken":"z"}`, `Step: "x" is none of`},
		{batch([2]string{"1", label + `]}`}), "Secret Label Updated: resources must hold"},
		{`{"Records":[{"EventSource":"aws:sns","Sns":{"Message":"no"}}]}`, "not a JSON object"},
		{`[` + label + `]}]`, "Secret Label Updated: resources must hold"},
	} {
		w := newWorld(t)
		_, err := w.invoke(t.Context(), c.event)
		if strings.ContainsAny(fmt.Sprint(err), "\n\x1b") {
			t.Errorf("%s: the error is not printable: %q", c.event, err)
		}
		found := false
		for _, line := range w.logged() {
			found = found || line["level"] == "ERROR" && strings.Contains(fmt.Sprint(line[keyError]), c.why)
		}
		if !found {
			t.Errorf("%s: the log lacks %q: %s", c.event, c.why, w.log.String())
		}
	}
}
