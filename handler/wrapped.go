package handler

import "encoding/json"

// maxDepth is how many envelopes an event may be in. Three are in use: a failed
// invocation's record, in it an SNS notification, in that the event.
const maxDepth = 4

// decodeEvent decodes an event, and what is wrapped in it, and passes each
// trigger to found. Whatever is wrapped is an event or our own envelope, and
// never a webhook request or a rotation step: those are trusted only when the
// function is invoked with them directly.
func decodeEvent(event object, depth int, found func(Trigger)) error {
	if depth > maxDepth {
		return malformed("the event is wrapped more than %d times", maxDepth)
	}
	var trigger Trigger
	var err error
	switch {
	case event.first(pipeRecords) != nil:
		return decodeRecords(event, depth, fromQueue(found))
	case event.first("Records") != nil:
		return decodeRecords(event, depth, found)
	case event.isNotification():
		return decodeWrapped([]byte(event.text("Message")), depth, found)
	case event.isFailureRecord():
		return decodeWrapped(event["requestPayload"], depth, found)
	case event.isFailureEvent():
		return decodeWrapped(event["detail"], depth, found)
	case event.has("detail-type", "source"):
		trigger, err = decodeEventBridge(event)
	case event.has("relay") || event.has("reconcile"):
		trigger, err = decodeByHand(event)
	default:
		if kept := event.kept(); kept != nil {
			return decodeWrapped(kept, depth, found)
		}
		trigger = unknownKeys(event)
	}
	if err == nil {
		found(trigger)
	}
	return err
}

// decodeWrapped decodes what an envelope holds. The sender of an envelope does
// not read the report, so there a failed relay is always a function error.
func decodeWrapped(raw []byte, depth int, found func(Trigger)) error {
	event, err := decodePayload(raw)
	if err != nil {
		return err
	}
	return decodeEvent(event, depth+1, func(t Trigger) {
		t.byHand = false
		found(t)
	})
}

// manyRecords is more than any service sends at once: three times what SQS does.
const manyRecords = 3 * maxRecords

// decodeRecords decodes the records of a queue, a topic or a pipe, however they
// came here. A record that cannot be read fails by itself.
func decodeRecords(event object, depth int, found func(Trigger)) error {
	n := 0
	for element := range event.elements(event.records()) {
		if n++; n > manyRecords {
			return malformed("the event holds more than %d records", manyRecords)
		}
		if err := decodeRecord(element, depth, found); err != nil {
			found(malformedTrigger(err))
		}
	}
	return nil
}

func decodeRecord(element json.RawMessage, depth int, found func(Trigger)) error {
	record, err := decodeObject(element)
	if err != nil {
		return err
	}
	switch service := record.text("eventSource"); {
	case service == "aws:sqs":
		return decodeWrapped(record.body(), depth, fromQueue(found))
	case record.text("EventSource") == "aws:sns":
		return decodeWrapped([]byte(record.object("Sns").text("Message")), depth, found)
	case service != "":
		found(unknownEvent("with Records of " + service))
		return nil
	default: // what a pipe's transformer has left of a record
		return decodeWrapped(element, depth, found)
	}
}

// body returns the body of an SQS record. A pipe's transformer may have parsed
// it.
func (o object) body() []byte {
	if text := o.text("body"); text != "" {
		return []byte(text)
	}
	return o["body"]
}

// isNotification reports whether the object is an SNS notification, as a queue
// holds it.
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
func (o object) isNotification() bool {
	return o.text("Type") == "Notification" && o.has("Message", "TopicArn")
}

// isFailureRecord reports whether the object is the record of a failed
// invocation, which Lambda sends to a destination. To feed it back is to try
// again.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
func (o object) isFailureRecord() bool {
	return o.has("requestPayload") && o.object("requestContext").has("condition")
}

// isFailureEvent reports whether the object is an event whose detail is such a
// record: Lambda's destination is an event bus then.
func (o object) isFailureEvent() bool {
	return o.text("source") == "lambda" && o.text("detail-type") == "Lambda Function Invocation Result - Failure" &&
		o.object("detail").isFailureRecord()
}

// maxMembers bounds an event that an input transformer has made.
const maxMembers = 50

// kept returns the event that an input transformer has kept whole in one of the
// members; nil if there is none, or more than one. Members of a webhook request
// or a rotation step do not count, since a stranger may have chosen them: also
// where a request comes by a way that we do not know, its headers and parameters
// have no object for a detail.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
func (o object) kept() (kept json.RawMessage) {
	if o.isRotationStep() || o.has("requestContext") || o.has("httpMethod") || len(o) > maxMembers {
		return nil
	}
	for key, raw := range o {
		if member := o.object(key); !member.has("detail-type", "source") || member.object("detail") == nil {
			continue
		}
		if kept != nil {
			return nil
		}
		kept = raw
	}
	return kept
}
