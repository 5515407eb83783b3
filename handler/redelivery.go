package handler

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const (
	// firstRetryAfter doubles with each delivery: 2, 4, 8 and 16 minutes. A new
	// credential can take minutes to become active at its issuer.
	firstRetryAfter = 2 * time.Minute
	// deliveries is the queue's maxReceiveCount. After the last, the queue moves
	// the message to its dead-letter queue, without a wait.
	deliveries = 5
	// redeliveryTime bounds the call, within the margin that is kept to report in.
	redeliveryTime = 500 * time.Millisecond
	entriesPerCall = 10
)

// Redelivery sets when SQS delivers a failed message again. Without it, that is
// after the queue's visibility timeout, which must be long for Lambda's sake.
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
type Redelivery struct {
	SQS      *sqs.Client
	QueueURL string
}

// owns reports whether the queue of this ARN is the one that r may change.
func (r *Redelivery) owns(queueARN string) bool {
	name := queueARN[strings.LastIndex(queueARN, ":")+1:]
	return r != nil && name != "" && strings.HasSuffix(r.QueueURL, "/"+name)
}

// failedMessage is a message that SQS is to deliver again.
type failedMessage struct {
	receiptHandle string
	received      int // how often it was delivered, this time included
}

// retryAfter returns how long SQS hides the message: zero after its last delivery.
func (m failedMessage) retryAfter() time.Duration {
	if m.received < 1 || m.received >= deliveries {
		return 0
	}
	return firstRetryAfter << (m.received - 1)
}

// schedule sets when each message is delivered again. After an error, some
// come back after the queue's visibility timeout instead, which loses nothing.
func (r *Redelivery) schedule(ctx context.Context, failed []failedMessage) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), redeliveryTime)
	defer cancel()
	for start := 0; start < len(failed); start += entriesPerCall {
		input := &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: aws.String(r.QueueURL)}
		for i, message := range failed[start:min(start+entriesPerCall, len(failed))] {
			input.Entries = append(input.Entries, types.ChangeMessageVisibilityBatchRequestEntry{
				Id: aws.String(strconv.Itoa(i)), ReceiptHandle: aws.String(message.receiptHandle),
				VisibilityTimeout: int32(message.retryAfter().Seconds()),
			})
		}
		output, err := r.SQS.ChangeMessageVisibilityBatch(ctx, input)
		if err != nil {
			return fmt.Errorf("change the visibility of failed messages: %w", err)
		}
		if len(output.Failed) > 0 {
			return fmt.Errorf("change the visibility of failed messages: SQS refused %d, the first with %s", len(output.Failed), aws.ToString(output.Failed[0].Code))
		}
	}
	return nil
}
