package handler

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"credential-relay/events"
	"credential-relay/internal/datadogsim"
	"credential-relay/relay"
)

// forms are all that AWS may put around an event before it comes here, and how
// it keeps an event that was not served.
func forms(event string) map[string]string {
	record := object{
		"version": text("1.0"), "requestContext": raw(object{"condition": text("RetriesExhausted")}), "requestPayload": json.RawMessage(event),
		"responseContext": raw(object{"functionError": text("Unhandled")}), "responsePayload": raw(object{"errorType": text("RelayFailed")}),
	}.String()
	onBus := func(record string) string {
		return object{
			"source": text("lambda"), "detail-type": text("Lambda Function Invocation Result - Failure"), "account": text("111122223333"),
			"detail": json.RawMessage(record),
		}.String()
	}
	note := func(message string) string {
		return object{"Type": text("Notification"), "TopicArn": text("arn:aws:sns:us-east-1:111122223333:t"), "Message": text(message)}.String()
	}
	topic := func(message string) string {
		return object{"Records": raw([]object{{"EventSource": text("aws:sns"), "Sns": json.RawMessage(note(message))}})}.String()
	}
	queued := object{"messageId": text("1"), "eventSource": text("aws:sqs"), "body": text(event)}.String()
	return map[string]string{
		"by itself":                          event,
		"a topic":                            topic(event),
		"a failure record":                   record,
		"a failure record by a topic":        topic(record),
		"a failure record on a bus":          onBus(record),
		"a failure record of a bus's record": onBus(strings.Replace(record, event, onBus(record), 1)),
		"a failure record of a topic":        strings.Replace(record, event, topic(event), 1),
		"a failure record of a queue":        strings.Replace(record, event, batch([2]string{"1", event}), 1),
		"a failure record of a pipe":         strings.Replace(record, event, "["+queued+"]", 1),
		"a transformer's member":             `{"event":` + event + `,"rule":"r","at":1}`,
		"a transformer's member on a bus":    onBus(strings.Replace(record, event, `{"original":`+event+`}`, 1)),
		"a pipe with a transformer":          `[` + event + `]`,
		"a pipe with a transformer's member": `[{"id":"1","body":` + event + `}]`,

		"a queue":                                  batch([2]string{"1", event}),
		"a queue of a topic":                       batch([2]string{"1", note(event)}),
		"a queue of a failure record":              batch([2]string{"1", record}),
		"a queue of a failure record by a topic":   batch([2]string{"1", note(record)}),
		"a queue of a failure record on a bus":     batch([2]string{"1", onBus(record)}),
		"a queue of a transformer's member":        batch([2]string{"1", `{"event":` + event + `}`}),
		"a queue of a failure record of a pipe":    batch([2]string{"1", strings.Replace(record, event, "["+event+"]", 1)}),
		"a queue of a pipe's array":                batch([2]string{"1", "[" + event + "]"}),
		"a FIFO queue":                             fifo([3]string{"g", "1", event}),
		"a pipe":                                   "[" + queued + "]",
		"a pipe of a topic":                        `[` + object{"messageId": text("1"), "eventSource": text("aws:sqs"), "body": text(note(event))}.String() + `]`,
		"a pipe that has parsed the body":          `[{"messageId":"1","eventSource":"aws:sqs","body":` + event + `}]`,
		"a queue of a failure record of a batch":   batch([2]string{"1", strings.Replace(record, event, batch([2]string{"2", event}), 1)}),
		"a queue of a dead-letter queue's message": batch([2]string{"1", " \n" + event + "\n"}),
	}
}

// TestForms has each of them be served, and has a failure be seen: by a function
// error, or by the record that is delivered again.
func TestForms(t *testing.T) {
	for _, event := range []string{
		labelUpdated(goodARN), `{"source":"aws.secretsmanager","detail-type":"AWS Service Event via CloudTrail","detail":{"eventName":"RotationSucceeded","additionalEventData":{"SecretId":"` + goodARN + `"}}}`,
		scheduled, strings.Replace(scheduled, "{}", `"{}"`, 1),
	} {
		for form, wrapped := range forms(event) {
			if strings.Contains(form, "member") && strings.Contains(event, `"{}"`) { // the Scheduler has no transformers
				continue
			}
			w := newWorld(t)
			w.bound("good")
			w.config("good", func(config *datadogsim.Config) { config.ModifiedAt = time.Now().Add(-time.Hour) })
			if reply, err := w.invoke(t.Context(), wrapped); err != nil || strings.Contains(reply, "itemIdentifier") || w.patches("good") != 1 {
				t.Errorf("%s in %s: got %s, %v after %d PATCHes", event, form, reply, err, w.patches("good"))
			}
			w.datadog.RemoveConfig("good")
			if reply, err := w.invoke(t.Context(), wrapped); err == nil && !strings.Contains(reply, `{"itemIdentifier":"1"}`) {
				t.Errorf("%s that fails in %s: got %s, want an error", event, form, reply)
			}
		}
	}
}

// TestAsksInEnvelopes: the report of what is wrapped has no reader, so a failure
// is an error there.
func TestAsksInEnvelopes(t *testing.T) {
	for form, wrapped := range forms(`{"relay":{"secret":"good"}}`) {
		if strings.Contains(form, "member") { // only an event is looked for there
			continue
		}
		w := newWorld(t)
		w.bound("good")
		if reply, err := w.invoke(t.Context(), wrapped); err != nil || strings.Contains(reply, "itemIdentifier") || w.patches("good") != 1 {
			t.Errorf("in %s: got %s, %v after %d PATCHes", form, reply, err, w.patches("good"))
		}
		w.datadog.RemoveConfig("good")
		if reply, err := w.invoke(t.Context(), wrapped); form != "by itself" && err == nil && !strings.Contains(reply, "itemIdentifier") {
			t.Errorf("one that fails in %s: got %s, want an error", form, reply)
		}
	}
}

// TestWhatATransformerKeeps looks for one event in the members, and only there.
func TestWhatATransformerKeeps(t *testing.T) {
	event := labelUpdated(goodARN)
	for _, c := range []struct {
		name, event string
		want        relay.Outcome
	}{
		{"one member", `{"event":` + event + `}`, relay.Updated},
		{"beside others", `{"a":1,"b":{"c":{}},"event":` + event + `,"d":null}`, relay.Updated},
		{"two events", `{"a":` + event + `,"b":` + event + `}`, relay.Ignored},
		{"in a text", `{"event":` + string(text(event)) + `}`, relay.Ignored},
		{"two levels below", `{"a":{"b":` + event + `}}`, relay.Ignored},
		{"without a detail", `{"event":{"source":"aws.events","detail-type":"Scheduled Event"}}`, relay.Ignored},
		{"with a text for a detail", `{"event":{"source":"aws.events","detail-type":"Scheduled Event","detail":"{}"}}`, relay.Ignored},
		{"a notification", `{"event":{"Type":"Notification","TopicArn":"arn","Message":"{\"relay\":{\"secret\":\"good\"}}"}}`, relay.Ignored},
		{"an ask", `{"event":{"relay":{"secret":"good"}}}`, relay.Ignored},
		{"in a webhook request", `{"requestContext":{},"headers":` + event + `}`, relay.Ignored},
		{"in a load balancer's request", `{"httpMethod":"POST","body":` + event + `}`, relay.Ignored},
		{"in a custom event", `{"source":"acme","detail-type":"Forwarded","detail":` + event + `}`, relay.Ignored},
		{"among many members", `{"event":` + event + strings.Repeat(`,"a":1`, 10) + manyMembers(60) + `}`, relay.Ignored},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.bound("good")
			reply, err := w.invoke(t.Context(), c.event)
			if !strings.Contains(reply, fmt.Sprintf(`"outcome":%q`, c.want)) || err != nil {
				t.Errorf("got %s, %v, want %s", reply, err, c.want)
			}
		})
	}
}

func manyMembers(n int) string {
	var members strings.Builder
	for i := range n {
		fmt.Fprintf(&members, `,"member %d":1`, i)
	}
	return members.String()
}

// TestRecordsFailByThemselves has one record of several be no event.
func TestRecordsFailByThemselves(t *testing.T) {
	w := newWorld(t)
	w.bound("good")
	event := `{"requestContext":{"condition":"RetriesExhausted"},"requestPayload":` + batch([2]string{"1", "x"}, [2]string{"2", labelUpdated(goodARN)}) + `}`
	_, err := w.invoke(t.Context(), event)
	if !errors.As(err, new(*RelayFailed)) || w.verdicts() != "failed updated" && w.verdicts() != "updated failed" {
		t.Errorf("got %v with the outcomes %s", err, w.verdicts())
	}
}

// TestManyRecords sends as much as an event may hold. It takes little time and
// memory, and one line of the log.
func TestManyRecords(t *testing.T) {
	distinct := func(n int) string {
		var records strings.Builder
		for i := range n {
			fmt.Fprintf(&records, `{"eventSource":"aws:s3","key %d":1},`, i)
		}
		return `{"Records":[` + records.String() + `{}]}`
	}
	nested := batch([2]string{"1", batch([2]string{"1", `{"Records":[` + strings.Repeat("{},", 29_000) + `{}]}`})})
	var asks []json.RawMessage
	for i := range 2 * maxTriggers {
		asks = append(asks, json.RawMessage(labelUpdated(fmt.Sprintf("%sunbound-%d-AbCdEf", secrets, i))))
	}
	for _, c := range []struct {
		name, event string
		lines       int
		fails       bool
	}{
		{"20,000 that are not known", `{"Records":[` + strings.Repeat(`{"eventSource":"aws:s3"},`, 20_000) + `{}]}`, 2, false},
		{"20,000 that are not known, each in its way", distinct(20_000), 2, false},
		{"4 MB of the shortest", `{"Records":[` + strings.Repeat("{},", 4<<20/3) + `{}]}`, 1, true},
		{"null", `{"Records":[` + strings.Repeat("null,", 1000) + `null]}`, 2, true},
		{"4 MB of the shortest, from a pipe", `[` + strings.Repeat("{},", 4<<20/3) + `{}]`, 1, true},
		{"many in a queue in a queue", nested, 2, false},
		{"more different things than one event may ask for", string(raw(asks)), 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			started := time.Now()
			reply, err := w.invoke(t.Context(), c.event)
			runtime.ReadMemStats(&after)
			if lines := strings.Count(w.log.String(), "\n"); lines != c.lines || (err != nil) != c.fails {
				t.Errorf("got %d lines, %s and %v: %s", lines, reply, err, w.log.String())
			}
			if took := time.Since(started); took > 20*time.Second { // many times of what it takes
				t.Errorf("it took %v", took)
			}
			if grown := (after.TotalAlloc - before.TotalAlloc) >> 20; grown > 1024 {
				t.Errorf("it allocated %d MB", grown)
			}
			if len(w.aws.Calls()) > 0 {
				t.Errorf("it called %d times", len(w.aws.Calls()))
			}
		})
	}
}

// TestRecordSamples serves the samples of what was not served before.
func TestRecordSamples(t *testing.T) {
	for file, batched := range map[string]bool{
		"failure-record.json": false, "failure-event.json": false, "transformed-event.json": false,
		"pipe.json": true, "sqs-fifo.json": true, "dead-letter-queue.json": true,
	} {
		sample, err := events.Files.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t)
		w.boundTo("prod/okta/datadog", "1111")
		reply, err := w.invoke(t.Context(), string(sample))
		if err != nil || strings.Contains(reply, "batchItemFailures") != batched || strings.Contains(reply, "itemIdentifier") || w.patches("1111") == 0 {
			t.Errorf("%s: got %s, %v after %d PATCHes", file, reply, err, w.patches("1111"))
		}
	}
}
