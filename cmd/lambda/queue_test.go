package main

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
)

func TestTemplateLeadsRotationsToTheFunction(t *testing.T) {
	resources := objectAt(readTemplate(t), "Resources")
	target := objectAt(list(at(resources, "RotationRule", "Properties", "Targets"))[0])
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"the rule matches", at(resources, "RotationRule", "Properties", "EventPattern"), object{
			"source":      []any{"aws.secretsmanager"},
			"detail-type": []any{"Secret Label Updated"},
			"detail": object{
				"labelUpdated": []any{"AWSCURRENT"},
				"name":         []any{object{"prefix": object{"Ref": "SourceSecretPrefix"}}},
			},
		}},
		{"the rule sends to", target["Arn"], getAtt("RelayQueue")},
		{"what the rule cannot send goes to", at(target, "DeadLetterConfig", "Arn"), getAtt("RelayDeadLetterQueue")},
		{"RelayQueue takes from", sender(resources, "RelayQueuePolicy"), getAtt("RotationRule")},
		{"RelayDeadLetterQueue takes from", sender(resources, "RelayDeadLetterQueuePolicy"), getAtt("RotationRule")},
		{
			"the function reads", at(resources, "RelayFunction", "Properties", "Events", "Rotations", "Properties", "Queue"),
			getAtt("RelayQueue"),
		},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s %v, want %v", c.name, c.got, c.want)
		}
	}
}

func TestTemplateLosesNoEvent(t *testing.T) {
	template := readTemplate(t)
	timeout, _ := at(template, "Resources", "RelayFunction", "Properties", "Timeout").(int)
	queue := objectAt(template, "Resources", "RelayQueue", "Properties")

	if visibility, _ := queue["VisibilityTimeout"].(int); timeout == 0 || visibility < 6*timeout {
		t.Errorf("VisibilityTimeout is %d, want at least six times the function's Timeout of %d", visibility, timeout)
	}
	if got, want := queue["RedrivePolicy"], any(object{
		"deadLetterTargetArn": object{"Fn::GetAtt": []any{"RelayDeadLetterQueue", "Arn"}}, "maxReceiveCount": 5,
	}); !reflect.DeepEqual(got, want) {
		t.Errorf("RelayQueue's RedrivePolicy is %v, want %v", got, want)
	}
	if got := at(template, "Resources", "RelayDeadLetterQueue", "DeletionPolicy"); got != "Retain" {
		t.Errorf("RelayDeadLetterQueue's DeletionPolicy is %v, want Retain", got)
	}

	// RelayQueue's name is written out twice, since the two queues cannot refer to each other.
	name := list(at(queue, "QueueName", "Fn::Sub"))
	allowed := list(at(template, "Resources", "RelayDeadLetterQueue", "Properties", "RedriveAllowPolicy", "sourceQueueArns"))
	if len(name) != 2 || len(allowed) != 1 {
		t.Fatalf("QueueName is %v and sourceQueueArns are %v, want one !Sub each, with variables", name, allowed)
	}
	const arn = "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:"
	if want := any(object{"Fn::Sub": []any{arn + fmt.Sprint(name[0]), name[1]}}); !reflect.DeepEqual(allowed[0], want) {
		t.Errorf("RelayDeadLetterQueue takes messages from\n%v, want\n%v", allowed[0], want)
	}

	sources := objectAt(template, "Resources", "RelayFunction", "Properties", "Events")
	if len(sources) == 0 {
		t.Error("RelayFunction has no event source")
	}
	for id := range sources {
		if got := at(sources, id, "Properties", "FunctionResponseTypes"); !reflect.DeepEqual(got, []any{"ReportBatchItemFailures"}) {
			t.Errorf("event source %s has FunctionResponseTypes %v; without ReportBatchItemFailures a failed record is lost", id, got)
		}
	}
}

func TestTemplateGuardsEveryQueue(t *testing.T) {
	template := readTemplate(t)
	queues := 0
	for id := range objectAt(template, "Resources") {
		if at(template, "Resources", id, "Type") != "AWS::SQS::Queue" {
			continue
		}
		queues++
		properties := objectAt(template, "Resources", id, "Properties")
		if properties["SqsManagedSseEnabled"] != true && properties["KmsMasterKeyId"] == nil {
			t.Errorf("%s is not encrypted", id)
		}
		if !refusesPlainHTTP(template, id) {
			t.Errorf("%s may be used without TLS", id)
		}
	}
	if queues != 2 {
		t.Errorf("found %d queues, want the queue and its dead-letter queue", queues)
	}
}

// sender is the one resource that a queue's policy lets EventBridge send for.
func sender(resources object, policy string) any {
	for _, statement := range statements(resources[policy]) {
		if statement["Effect"] == "Allow" && at(statement, "Principal", "Service") == "events.amazonaws.com" {
			return at(statement, "Condition", "ArnEquals", "aws:SourceArn")
		}
	}
	return nil
}

// refusesPlainHTTP says whether a policy of the queue denies everybody everything without TLS.
func refusesPlainHTTP(template object, queue string) bool {
	for id := range objectAt(template, "Resources") {
		policy := objectAt(template, "Resources", id, "Properties")
		if !slices.ContainsFunc(list(policy["Queues"]), func(q any) bool { return at(q, "Ref") == queue }) {
			continue
		}
		for _, statement := range statements(policy) {
			delete(statement, "Sid")
			if reflect.DeepEqual(statement, object{
				"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": getAtt(queue),
				"Condition": object{"Bool": object{"aws:SecureTransport": "false"}},
			}) {
				return true
			}
		}
	}
	return false
}
