package handler

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	lambdaevents "github.com/aws/aws-lambda-go/events"

	"credential-relay/events"
	"credential-relay/relay"
)

// discriminators are the keys by which an event's door is told.
var discriminators = []string{
	"Step", "SecretId", "ClientRequestToken", "Records", "requestContext", "httpMethod",
	"Type", "requestPayload", "detail-type", "source", "relay", "reconcile",
}

// theDoor says, of an event's exact keys alone, which one door is its.
func theDoor(event []byte) string {
	var members map[string]json.RawMessage
	var records []json.RawMessage
	if json.Unmarshal(event, &records) == nil && len(records) > 0 {
		members = map[string]json.RawMessage{"Records": event} // of a pipe
	} else if json.Unmarshal(event, &members) != nil || members == nil {
		return "none"
	}
	has := func(in map[string]json.RawMessage, keys ...string) bool {
		return !slices.ContainsFunc(keys, func(key string) bool { _, ok := in[key]; return !ok })
	}
	var first, context map[string]json.RawMessage
	var from string
	if json.Unmarshal(members["Records"], &records) == nil && len(records) > 0 && json.Unmarshal(records[0], &first) == nil {
		_ = json.Unmarshal(first["eventSource"], &from)
	}
	if json.Unmarshal(members["requestContext"], &context) != nil {
		context = nil
	}
	switch {
	case has(members, "Step", "SecretId", "ClientRequestToken"):
		return "rotation"
	case from == "aws:sqs":
		return "batch"
	case has(context, "http"), has(members, "httpMethod") && context != nil && !has(context, "elb"):
		return "webhook"
	default:
		return "straight"
	}
}

// checkDoor has the handler serve an event, and checks that it came to its door
// and to no other, by what only that door leaves behind.
func checkDoor(t *testing.T, event []byte) {
	t.Helper()
	w := newWorld(t)
	w.bound("prod/okta/datadog")
	served, err := w.handler.serve(t.Context(), event)
	var step *RotationStepFailed
	var unread *MalformedEvent
	var door string
	answer, answered := served.reply.(response)
	_, reported := served.reply.(Report)
	switch {
	case answered && served.trigger == "webhook" && err == nil:
		door = "webhook"
	case served.trigger == "SQS" && (err == nil || errors.As(err, &unread)):
		door = "batch"
	case reported:
		door = "straight"
	case errors.As(err, &step):
		door = "rotation"
	case errors.As(err, &unread) && theDoor(event) == "rotation":
		door = "rotation" // its Step, SecretId or token cannot be read
	case errors.As(err, &unread) && served.trigger == "malformed":
		door = "straight"
	case errors.As(err, &unread) && served.trigger == "":
		door = "none"
	}
	if want := theDoor(event); door != want {
		t.Errorf("got the door %q, want %q: %+v, %v\n%s", door, want, served, err, event)
	}
	for _, call := range w.aws.Calls() {
		if door == "none" || door == "rotation" && call.Operation != "DescribeSecret" {
			t.Errorf("the door %s called for %s of %s", door, call.Operation, call.Resource)
		}
	}
	if log := w.log.String(); strings.Contains(log, "panic") {
		t.Errorf("it panicked: %s", log)
	}
	if answer.Status == http.StatusUnauthorized && len(w.aws.Calls()) > 0 {
		t.Errorf("an unauthorized caller made us call for %v", w.aws.Calls())
	}
	checkExactKeys(t, event)
}

// checkExactKeys has the handler serve the event with its discriminators in
// another case: then it has none.
func checkExactKeys(t *testing.T, event []byte) {
	t.Helper()
	members, err := decodeObject(event)
	if err != nil {
		return
	}
	for _, key := range discriminators {
		if value, ok := members[key]; ok {
			delete(members, key)
			members[swapCase(key)] = value
		}
	}
	if members.kept() != nil { // a member of any name may hold a whole event
		return
	}
	w := newWorld(t)
	w.bound("prod/okta/datadog")
	served, err := w.handler.serve(t.Context(), []byte(members.String()))
	if served.trigger != "unknown" || err != nil || len(w.aws.Calls()) > 0 {
		t.Errorf("with other keys it is served as %q, %v, calling for %v: %s", served.trigger, err, w.aws.Calls(), members)
	}
}

// swapCase swaps the case of a key's first letter.
func swapCase(key string) string {
	if first := key[:1]; first == strings.ToUpper(first) {
		return strings.ToLower(first) + key[1:]
	}
	return strings.ToUpper(key[:1]) + key[1:]
}

func samples(t testing.TB) map[string]object {
	files, err := events.Files.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	samples := map[string]object{}
	for _, file := range files {
		content, err := events.Files.ReadFile(file.Name())
		if err != nil {
			t.Fatal(err)
		}
		if content[0] == '[' { // of a pipe
			continue
		}
		if samples[file.Name()], err = decodeObject(content); err != nil {
			t.Fatal(err)
		}
	}
	return samples
}

// TestOneDoor puts each two samples into one event, which has one door.
func TestOneDoor(t *testing.T) {
	doors := map[string]int{}
	all := samples(t)
	for name, sample := range all {
		t.Run(name, func(t *testing.T) {
			doors[theDoor([]byte(sample.String()))]++
			checkDoor(t, []byte(sample.String()))
			for _, other := range all {
				both := maps.Clone(other)
				maps.Copy(both, sample)
				checkDoor(t, []byte(both.String()))
			}
		})
	}
	if len(doors) != 4 {
		t.Errorf("the samples are for the doors %v, want all four", doors)
	}
}

// TestNoDoorIsReachedThroughAnother wraps what must come straight. It reaches no
// door then, and a queue keeps it.
func TestNoDoorIsReachedThroughAnother(t *testing.T) {
	for name, sample := range samples(t) {
		door := theDoor([]byte(sample.String()))
		if door != "rotation" && door != "webhook" {
			continue
		}
		note := object{"Type": text("Notification"), "TopicArn": text("arn"), "Message": text(sample.String())}
		topic := object{"Records": raw([]object{{"EventSource": text("aws:sns"), "Sns": raw(note)}})}
		failed := object{"requestContext": raw(object{"condition": text("RetriesExhausted")}), "requestPayload": raw(sample)}
		bus := object{"source": text("lambda"), "detail-type": text("Lambda Function Invocation Result - Failure"), "detail": raw(failed)}
		queue := batch([2]string{"1", sample.String()})
		for wrapping, c := range map[string]struct {
			event string
			want  relay.Outcome
		}{
			"a topic":                       {topic.String(), relay.Ignored},
			"a failure record":              {failed.String(), relay.Ignored},
			"a failure record on a bus":     {bus.String(), relay.Ignored},
			"a notification":                {note.String(), relay.Ignored},
			"a member":                      {object{"event": raw(sample)}.String(), relay.Ignored},
			"a queue":                       {queue, relay.Failed},
			"a pipe":                        {"[" + sample.String() + "]", relay.Failed},
			"a topic in a queue":            {batch([2]string{"1", note.String()}), relay.Failed},
			"a failure record in a queue":   {batch([2]string{"1", failed.String()}), relay.Failed},
			"a batch in a failure record":   {object{"requestContext": failed["requestContext"], "requestPayload": json.RawMessage(queue)}.String(), relay.Failed},
			"a pipe in a failure record":    {object{"requestContext": failed["requestContext"], "requestPayload": json.RawMessage("[" + sample.String() + "]")}.String(), relay.Failed},
			"a member of a record in queue": {batch([2]string{"1", object{"event": raw(sample)}.String()}), relay.Failed},
		} {
			w := newWorld(t)
			w.bound("prod/okta/datadog")
			served, err := w.handler.serve(t.Context(), []byte(c.event))
			if len(served.Results) != 1 || served.Results[0].Outcome != c.want || err != nil && c.want != relay.Failed {
				t.Errorf("%s in %s came to %+v, %v, want it %s", name, wrapping, served, err, c.want)
			}
			if batch, ok := served.reply.(lambdaevents.SQSEventResponse); ok && len(batch.BatchItemFailures) != 1 {
				t.Errorf("%s in %s is gone from the queue", name, wrapping)
			}
			if calls := w.aws.Calls(); len(calls) > 0 || len(w.datadog.Requests()) > 0 {
				t.Errorf("%s in %s made us call for %v", name, wrapping, calls)
			}
		}
	}
}

// TestBodyIsNoEvent has a caller who is let in send each sample.
func TestBodyIsNoEvent(t *testing.T) {
	for name, sample := range samples(t) {
		w := newWorld(t)
		w.bound("prod/okta/datadog")
		served, err := w.handler.serve(t.Context(), []byte(object{
			"rawPath": text(webhookPath), "body": text(sample.String()), "headers": raw(map[string]string{"content-type": "application/json"}),
			"requestContext": json.RawMessage(`{"http":{"method":"POST"},"authorizer":{"iam":{"userArn":"arn"}}}`),
		}.String()))
		answer, _ := served.reply.(response)
		if answer.Status != http.StatusBadRequest || err != nil || len(w.aws.Calls()) > 0 {
			t.Errorf("the body %s was answered %+v, %v, calling for %v", name, answer, err, w.aws.Calls())
		}
	}
}

// FuzzDoors takes any event there is.
func FuzzDoors(f *testing.F) {
	for _, sample := range samples(f) {
		f.Add([]byte(sample.String()))
	}
	for _, seed := range []string{
		"", "null", "[]", "{}", "7", `"Step"`, "\xff", `{"Step":null,"SecretId":null,"ClientRequestToken":null}`,
		`{"Records":[null]}`, `{"Records":null}`, `{"Records":[{"eventSource":"aws:sqs"}]}`, `{"Records":[{"eventSource":"aws:sqs","body":7}]}`,
		`{"Records":[{"EventSource":"aws:sns","Sns":7}]}`, `{"requestContext":null,"httpMethod":null}`, `{"requestContext":{"http":null}}`,
		`{"requestContext":{"elb":{}},"httpMethod":"GET"}`, `{"requestContext":{"http":{}},"isBase64Encoded":true,"body":"*"}`,
		`{"requestContext":{"http":{},"authorizer":{"lambda":{}}},"headers":{"":""},"body":null}`, `{"requestContext":{"condition":1},"requestPayload":null}`,
		`{"Type":"Notification","TopicArn":"","Message":7}`, `{"relay":{"all":true}}`, `{"reconcile":{},"relay":{}}`,
		strings.Repeat(`{"requestPayload":`, 9_000) + "{}" + strings.Repeat("}", 9_000),
		"[null]", "[[]]", `[{"relay":{"all":true}}]`, ` [{"eventSource":"aws:sqs","messageId":"1","body":{"reconcile":{}}}]`, strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000),
		`{"Records":[{"eventSource":"aws:sqs","messageId":7,"attributes":7,"eventSourceARN":"q.fifo"},null]}`, `{"Records":[[]]}`, `{"Records":"x"}`,
		`{"source":"lambda","detail-type":"Lambda Function Invocation Result - Failure","detail":{"requestContext":{"condition":1},"requestPayload":[{}]}}`,
		`{"event":{"source":"aws.events","detail-type":"Scheduled Event","detail":{}},"at":1e400}`, `{"a":{"Type":"Notification","TopicArn":1,"Message":"{}"}}`,
		`{"requestContext":{"http":{"method":"POST"}},"routeKey":"POST /{a+}/{","pathParameters":{"a":7},"isBase64Encoded":"true","body":{}}`,
		`{"requestContext":{"identity":{}},"httpMethod":"POST","resource":"/{proxy+}","pathParameters":{"proxy":"v1/relay"},"multiValueHeaders":{"a":[7],"webhook-id":null}}`,
		`{"Step":"createSecret","Step":"setSecret","SecretId":"` + secrets + `a-AbCdEf","ClientRequestToken":"00000000-0000-4000-8000-000000000000"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, event []byte) { checkDoor(t, event) })
}

// FuzzQueue has any text be in a queue. It is delivered again unless it was
// understood, which a line of the log says then.
func FuzzQueue(f *testing.F) {
	for _, sample := range samples(f) {
		f.Add(sample.String())
	}
	for _, seed := range []string{"", "{}", "[]", "7", "null", `"x"`, `{"source":"aws.s3","detail-type":"Object Created"}`, `{"reconcile":{}}`, `[{},{}]`, `{"[]":1}`, `{"[]":[]}`, `{"Records":[]}`, `{"Records":[{"eventSource":"aws:sqs"}]}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		w := newWorld(t)
		w.boundTo("prod/okta/datadog", "1111")
		again := w.failures(w.invoke(t.Context(), batch([2]string{"1", body})))
		lines, failed := 0, false
		for _, line := range w.logged() {
			if line["msg"] == "relay" {
				lines++
				failed = failed || line["level"] == "ERROR"
				if again == "" && line[keyTrigger] == kindUnknown {
					t.Errorf("what is not known is gone from the queue: %q", body)
				}
			}
		}
		if (again != "") != failed || lines == 0 && !strings.Contains(body, "reconcile") && !strings.Contains(body, "Scheduled") && !strings.Contains(body, `"all"`) {
			t.Errorf("it is delivered again: %q, with %d lines of the log, %t: %q", again, lines, failed, body)
		}
	})
}

// FuzzStranger sends what an unauthenticated caller may choose. The answer is
// always the same, and the log is short and quotes none of it.
func FuzzStranger(f *testing.F) {
	f.Add("POST", "/v1/relay", "msg_1", "1700000000", "v1,AAAA", "application/json", "{}", false)
	f.Add("GET", "/"+strings.Repeat("p", 9_000), strings.Repeat("i", 9_000), strings.Repeat("9", 9_000), strings.Repeat("v1,AAAA ", 2_000), "", strings.Repeat("b", 70_000), false)
	f.Add("\n", "\x1b[2J", "a.b", "-1", "v1,"+strings.Repeat("A", 43)+"=", "\x00", "*", true)
	f.Fuzz(func(t *testing.T, method, path, id, timestamp, signature, contentType, body string, encoded bool) {
		w := newWorld(t)
		w.signatures(signingSecret(1))
		event := object{
			"rawPath": text(path), "routeKey": text(method + " " + path), "body": text(body), "isBase64Encoded": raw(encoded),
			"headers": raw(map[string]string{
				"content-type": contentType, "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature, path: body,
			}),
			"requestContext": raw(map[string]any{"http": map[string]string{"method": method, "path": path, "sourceIp": path, "userAgent": body}}),
		}
		reply, err := w.invoke(t.Context(), event.String())
		if err != nil || !strings.HasPrefix(reply, `{"statusCode":401,`) && !strings.HasPrefix(reply, `{"statusCode":413,`) {
			t.Errorf("got %s, %v, want 401, or 413", reply, err)
		}
		if got := len(w.log.String()); got > 600 {
			t.Errorf("the log is %d bytes long: %s", got, w.log.String())
		}
		for _, sent := range []string{method, path, id, timestamp, signature, contentType, body} {
			if len(sent) > 24 && strings.Contains(w.log.String()+reply, sent[:24]) {
				t.Errorf("the log quotes %.24q: %s", sent, w.log.String())
			}
		}
		for _, call := range w.aws.Calls() {
			if call.Operation != "GetSecretValue" || call.Resource != signingSecretARN {
				t.Errorf("a stranger made us call for %v", call)
			}
		}
	})
}
