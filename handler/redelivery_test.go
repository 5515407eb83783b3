package handler

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

func TestRedelivery(t *testing.T) {
	const queue = "https://sqs.us-east-1.amazonaws.com/111122223333/relay"
	for _, c := range []struct {
		name     string
		received []int
		answer   string
		want     []string // each entry's receipt handle and timeout, by call
		fails    bool
	}{
		{"every delivery", []int{1, 2, 3, 4, 5, 6}, `{}`, []string{"h0 120 h1 240 h2 480 h3 960 h4 0 h5 0"}, false},
		{"no count", []int{0}, `{}`, []string{"h0 0"}, false},
		{"more than one call takes", make([]int, 12), `{}`, []string{"h0 0 h1 0 h2 0 h3 0 h4 0 h5 0 h6 0 h7 0 h8 0 h9 0", "h10 0 h11 0"}, false},
		{"none", nil, `{}`, nil, false},
		{"one is refused", []int{1}, `{"Failed":[{"Id":"0","Code":"ReceiptHandleIsInvalid","SenderFault":true}]}`, []string{"h0 120"}, true},
		{"SQS is not there", []int{1}, "", []string{"h0 120"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var call struct {
					QueueURL string `json:"QueueUrl"`
					Entries  []struct {
						ReceiptHandle     string
						VisibilityTimeout int
					}
				}
				_ = json.NewDecoder(r.Body).Decode(&call)
				var entries []string
				for _, entry := range call.Entries {
					entries = append(entries, fmt.Sprint(entry.ReceiptHandle, " ", entry.VisibilityTimeout))
				}
				got = append(got, strings.Join(entries, " "))
				if target := r.Header.Get("X-Amz-Target"); target != "AmazonSQS.ChangeMessageVisibilityBatch" || call.QueueURL != queue {
					t.Errorf("it calls %s of %s", target, call.QueueURL)
				}
				if c.answer == "" {
					w.WriteHeader(http.StatusForbidden)
				}
				_, _ = io.WriteString(w, c.answer)
			}))
			defer server.Close()
			r := &Redelivery{QueueURL: queue, SQS: sqs.New(sqs.Options{Region: "us-east-1", BaseEndpoint: aws.String(server.URL)})}
			var failed []failedMessage
			for i, received := range c.received {
				failed = append(failed, failedMessage{fmt.Sprint("h", i), received})
			}
			if err := r.schedule(t.Context(), failed); (err != nil) != c.fails {
				t.Errorf("got the error %v, want one: %t", err, c.fails)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("it asked for\n%q, want\n%q", got, c.want)
			}
		})
	}
}

func TestRedeliveryOwnsItsQueueOnly(t *testing.T) {
	r := &Redelivery{QueueURL: "https://sqs.us-east-1.amazonaws.com/111122223333/relay"}
	for arn, want := range map[string]bool{
		"arn:aws:sqs:us-east-1:111122223333:relay": true, "arn:aws:sqs:us-east-1:111122223333:lay": false, "": false, "relay": true,
	} {
		if got := r.owns(arn); got != want {
			t.Errorf("it owns %q: %t, want %t", arn, got, want)
		}
	}
	if (*Redelivery)(nil).owns("relay") {
		t.Error("nothing owns a queue")
	}
}
