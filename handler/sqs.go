package handler

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/aws/aws-lambda-go/events"

	"credential-relay/relay"
)

// isBatch reports whether the event is a batch from an SQS queue.
func (o object) isBatch() bool {
	records := o.records()
	return len(records) > 0 && records[0].text("eventSource") == "aws:sqs"
}

// serveBatch serves the events that a queue holds, several about one source
// with one relay, and replies with the records to be delivered again.
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
func (h *Handler) serveBatch(ctx context.Context, members object) (served, error) {
	batch := served{trigger: "SQS"}
	var records []events.SQSMessage
	if err := json.Unmarshal(members["Records"], &records); err != nil {
		return batch, malformed("Records: are not those of an SQS batch")
	}
	var asked []Trigger
	which := make([][]int, len(records)) // of asked, for each record
	for i, record := range records {
		for _, trigger := range decodeBody(record.Body) {
			var at int
			asked, at = appended(asked, trigger)
			which[i] = append(which[i], at)
		}
	}
	reports := h.relay(ctx, asked)
	response := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for i, record := range records {
		again := slices.ContainsFunc(which[i], func(at int) bool { return reports[at].failure() != nil })
		if again {
			response.BatchItemFailures = append(response.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: record.MessageId})
		}
	}
	batch.Report, batch.reply = joined(reports), response
	return batch, nil
}

// appended adds a trigger, to one that is there already if that serves both, and
// tells at which index it is.
func appended(asked []Trigger, trigger Trigger) ([]Trigger, int) {
	if i := slices.IndexFunc(asked, trigger.asksForSame); i >= 0 {
		asked[i] = asked[i].merged(trigger)
		return asked, i
	}
	return append(asked, trigger), len(asked)
}

// decodeBody decodes a record's event. One that cannot be read becomes a
// trigger that fails by itself, so that the others go on.
func decodeBody(body string) []Trigger {
	triggers, err := decodeWrapped([]byte(body), 0)
	if err != nil {
		return []Trigger{answeredTrigger("malformed", relay.Failed, err.Error())}
	}
	return triggers
}
