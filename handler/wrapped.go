package handler

import (
	"encoding/json"
	"slices"
)

// records are those of an event; none when they are absent or something else.
func (o object) records() []object {
	var records []object
	if json.Unmarshal(o["Records"], &records) != nil {
		return nil
	}
	return records
}

// decodeRecords decodes the records of an SQS queue or an SNS topic, whichever
// way they came here.
func decodeRecords(event object, depth int) ([]Trigger, error) {
	var triggers []Trigger
	for _, record := range event.records() {
		var wrapped []byte
		switch {
		case record.text("eventSource") == "aws:sqs":
			wrapped = []byte(record.text("body"))
		case record.text("EventSource") == "aws:sns":
			wrapped = []byte(record.object("Sns").text("Message"))
		default:
			triggers = append(triggers, unknownEvent("with Records of "+record.text("eventSource")))
			continue
		}
		found, err := decodeWrapped(wrapped, depth)
		if err != nil {
			return nil, err
		}
		triggers = slices.Concat(triggers, found)
	}
	return triggers, nil
}

// isNotification tells an SNS notification as it is in a queue.
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
func (o object) isNotification() bool {
	return o.text("Type") == "Notification" && o.has("Message", "TopicArn")
}

// isFailureRecord tells the record of an invocation that failed, which Lambda
// sends to a destination: to feed it back is to try again.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
func (o object) isFailureRecord() bool {
	return o.has("requestPayload") && o.object("requestContext").has("condition")
}
