package handler

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"credential-relay/relay"
)

// maxRecords is the most that SQS delivers in one batch.
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
const maxRecords = 10_000

// queuedRecord is one record of an SQS batch.
type queuedRecord struct {
	id    string
	group string // of a FIFO queue
	fifo  bool
	queue string // its ARN
	body  []byte
	failedMessage
}

// isBatch reports whether the event is a batch from an SQS queue.
func (o object) isBatch() bool {
	first, err := decodeObject(o.first(o.records()))
	return err == nil && first.text("eventSource") == "aws:sqs"
}

// serveBatch serves the events that a queue holds, and replies with the records
// to be delivered again: those that failed, and those that were not understood.
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
func (h *Handler) serveBatch(ctx context.Context, event object) (served, error) {
	batch := served{trigger: "SQS"}
	records, err := queuedRecords(event)
	if err != nil {
		return batch, err
	}
	serve := h.relayRecords
	if records[0].fifo {
		serve = h.relayInTurn
	}
	report, again := serve(ctx, records)
	response := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	var failed []failedMessage
	for i, record := range records {
		if again[i] {
			response.BatchItemFailures = append(response.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: record.id})
			failed = append(failed, record.failedMessage)
		}
	}
	batch.Report, batch.reply = report, response
	if h.Redelivery.owns(records[0].queue) && !records[0].fifo {
		if err := h.Redelivery.schedule(ctx, failed); err != nil {
			h.Log.WarnContext(ctx, "redelivery", keyError, relay.Describe(err))
		}
	}
	return batch, nil
}

// receiveCount returns how often SQS has delivered a record, this time included;
// 0 if the record does not say.
func receiveCount(record object) int {
	count, _ := strconv.Atoi(record.object("attributes").text("ApproximateReceiveCount"))
	return count
}

// queuedRecords decodes all of a record but its body. A record without an id
// has the empty one, by which Lambda delivers the whole batch again.
func queuedRecords(event object) ([]queuedRecord, error) {
	var records []queuedRecord
	for element := range event.elements(event.records()) {
		if len(records) == maxRecords {
			return nil, malformed("Records: there are more than %d", maxRecords)
		}
		record, _ := decodeObject(element)
		records = append(records, queuedRecord{
			id:    record.text("messageId"),
			group: record.object("attributes").text("MessageGroupId"),
			fifo:  strings.HasSuffix(record.text("eventSourceARN"), ".fifo"), // other queues have groups too
			queue: record.text("eventSourceARN"),
			body:  record.body(),

			failedMessage: failedMessage{record.text("receiptHandle"), receiveCount(record)},
		})
	}
	return records, nil
}

// relayInTurn serves the records of a FIFO queue one after the other. The first
// record of a group that fails, and those behind it, are delivered again.
func (h *Handler) relayInTurn(ctx context.Context, records []queuedRecord) (all Report, again []bool) {
	stopped := map[string]bool{}
	var reports []Report
	for i, record := range records {
		if !stopped[record.group] {
			report, failed := h.relayRecords(ctx, records[i:i+1])
			reports = append(reports, report)
			stopped[record.group] = failed[0]
		}
		again = append(again, stopped[record.group])
	}
	return joined(reports), again
}

// relayRecords serves records side by side, those about one source with one
// relay. It returns which of them are to be delivered again.
func (h *Handler) relayRecords(ctx context.Context, records []queuedRecord) (all Report, again []bool) {
	var set triggerSet
	again = make([]bool, len(records))
	triggersOf := make([][]int, len(records)) // of set, for each record
	for i, record := range records {
		record.decode(func(t Trigger) {
			at, ok := set.addOrMerge(t)
			if !ok {
				again[i] = true
			} else if !slices.Contains(triggersOf[i], at) {
				triggersOf[i] = append(triggersOf[i], at)
			}
		})
	}
	full := slices.Contains(again, true)
	reports := h.relaySet(ctx, set)
	for i := range records {
		again[i] = again[i] || slices.ContainsFunc(triggersOf[i], func(at int) bool { return reports[at].failure() != nil })
	}
	if full {
		reports = append(reports, h.relay(ctx, []Trigger{tooMany()})...)
	}
	return joined(reports), again
}

// decode decodes a record's event. An event that cannot be read, or is not
// known, fails: otherwise the queue would lose it.
func (r queuedRecord) decode(found func(Trigger)) {
	if err := decodeWrapped(r.body, 0, fromQueue(found)); err != nil {
		found(malformedTrigger(err))
	}
}
