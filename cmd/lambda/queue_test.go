package main

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"credential-relay/events"
)

func TestTemplateLeadsEventsToTheFunction(t *testing.T) {
	resources := objectAt(readTemplate(t), "Resources")
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"a secret's rule matches", at(resources, "SecretRule", "Properties", "EventPattern", "detail"), object{"labelUpdated": []any{"AWSCURRENT"}}},
		{
			"from the queue it goes", at(resources, "RelayQueueReader", "Properties", "FunctionName"),
			object{"Ref": "RelayFunction"},
		},
		{
			"so many at the same time", at(resources, "RelayQueueReader", "Properties", "ScalingConfig"),
			object{"MaximumConcurrency": object{"Ref": "RelayConcurrency"}},
		},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s %v, want %v", c.name, c.got, c.want)
		}
	}
}

func TestTemplateLetsOnlyItsRulesSend(t *testing.T) {
	for _, d := range deployed() {
		answer := func(name string) string {
			if given, ok := d.choice[name].(string); ok {
				return given
			}
			return append(slices.Clone(answers[name]), "")[0]
		}
		var want []string
		if answer("SourceSecretPrefix")+answer("SourceSecretArns")+answer("SourceTag") != "" {
			want = append(want, "SecretRule")
		}
		if answer("SourceParameterPrefix")+answer("SourceParameterArns")+answer("SourceTag") != "" {
			want = append(want, "ParameterRule")
		}
		if answer("CloudTrailEvents") == "on" {
			want = append(want, "CloudTrailRotationRule", "CloudTrailCallRule")
		}
		slices.Sort(want)
		rules := ofType(d.resources(), "AWS::Events::Rule")
		if !slices.Equal(rules, want) {
			t.Fatalf("with %v there are the rules %v, want %v", d.choice, rules, want)
		}
		for _, id := range rules {
			for _, target := range list(at(d.resources(), id, "Properties", "Targets")) {
				if target := target.(object); !reflect.DeepEqual(target["Arn"], getAtt("RelayQueue")) ||
					!reflect.DeepEqual(target["DeadLetterConfig"], any(object{"Arn": getAtt("DeadLetterQueue")})) {
					t.Fatalf("%s sends to %v, want RelayQueue, and DeadLetterQueue for what cannot be delivered", id, target)
				}
			}
		}
		for _, queue := range []string{"RelayQueue", "DeadLetterQueue"} {
			if got := senders(d.resources(), queue); !slices.Equal(got, rules) {
				t.Fatalf("with %v, %s takes from %v, want %v", d.choice, queue, got, rules)
			}
		}
	}
}

func TestTemplateRulesMatchWhatTheCodeKnows(t *testing.T) {
	const arn = "arn:aws:secretsmanager:us-east-1:" + account + ":secret:"
	const parameter = "arn:aws:ssm:us-east-1:" + account + ":parameter"
	sample := func(name string) string {
		text, err := events.Files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	label := func(name, label string) string {
		return fmt.Sprintf(`{"source": "aws.secretsmanager", "detail-type": "Secret Label Updated", "resources": [%q],
			"detail": {"name": %q, "labelUpdated": %q}}`, arn+name+"-AbCdEf", name, label)
	}
	changed := func(name, operation string) string {
		return fmt.Sprintf(`{"source": "aws.ssm", "detail-type": "Parameter Store Change", "resources": [%q],
			"detail": {"name": %q, "operation": %q}}`, parameter+"/"+strings.TrimPrefix(name, "/"), name, operation)
	}
	rotation := func(name, secret string) string {
		return fmt.Sprintf(`{"source": "aws.secretsmanager", "detail-type": "AWS Service Event via CloudTrail", "resources": [],
			"detail": {"eventName": %q, "additionalEventData": {"SecretId": %q}}}`, name, secret)
	}
	call := func(name, secret, more string) string {
		return fmt.Sprintf(`{"source": "aws.secretsmanager", "detail-type": "AWS API Call via CloudTrail", "resources": [],
			"detail": {"eventName": %q, "requestParameters": {"secretId": %q}%s}}`, name, secret, more)
	}
	const pinned = "arn:aws:secretsmanager:us-east-1:444455556666:secret:b-AbCdEf" // of answers
	prefixes := chosen("SourceParameterPrefix", "/okta", "CloudTrailEvents", "on")
	arns := chosen("SourceSecretPrefix", "", "SourceSecretArns", pinned+","+arn+"okta-AbCdEf", "SourceParameterArns", parameter+"/okta/token", "CloudTrailEvents", "on")
	tags := chosen("SourceSecretPrefix", "", "SourceTag", "prod", "CloudTrailEvents", "on")
	both := chosen("SourceSecretArns", pinned, "CloudTrailEvents", "on")
	for _, c := range []struct {
		name   string
		choice object
		event  string
		want   string
	}{
		{"the sample of a label", prefixes, sample("secret-label-updated.json"), "[SecretRule]"},
		{"the sample of a rotation", prefixes, sample("rotation-succeeded.json"), "[CloudTrailRotationRule]"},
		{"a label", prefixes, label("prod/okta", "AWSCURRENT"), "[SecretRule]"},
		{"another label", prefixes, label("prod/okta", "BLUE"), "[]"},
		{"another secret's label", prefixes, label("test/okta", "AWSCURRENT"), "[]"},
		{"a parameter", prefixes, changed("/okta/token", "Update"), "[ParameterRule]"},
		{"a parameter without a slash", prefixes, changed("okta-token", "Create"), "[ParameterRule]"},
		{"a parameter that is gone", prefixes, changed("/okta/token", "Delete"), "[ParameterRule]"},
		{"a parameter's label", prefixes, changed("/okta/token", "LabelParameterVersion"), "[]"},
		{"another parameter", prefixes, changed("/prod/okta", "Update"), "[]"},
		{"a rotation that failed", prefixes, rotation("RotationFailed", arn+"prod/okta-AbCdEf"), "[CloudTrailRotationRule]"},
		{"a rotation's start", prefixes, rotation("RotationStarted", arn+"prod/okta-AbCdEf"), "[]"},
		{"another secret's rotation", prefixes, rotation("RotationFailed", arn+"test/okta-AbCdEf"), "[]"},
		{"a call by name", prefixes, call("DeleteSecret", "prod/okta", ""), "[CloudTrailCallRule]"},
		{"a call by ARN", prefixes, call("RestoreSecret", arn+"prod/okta-AbCdEf", ""), "[CloudTrailCallRule]"},
		{"a call by a part of the ARN", prefixes, call("PutSecretValue", arn+"prod/okta", ""), "[CloudTrailCallRule]"},
		{"a call about another secret", prefixes, call("DeleteSecret", "test/okta", ""), "[]"},
		{"a call that failed", prefixes, call("DeleteSecret", "prod/okta", `, "errorCode": "AccessDenied"`), "[]"},
		{"a call that reads", prefixes, call("GetSecretValue", "prod/okta", ""), "[]"},

		{"a label, with ARNs", arns, label("okta", "AWSCURRENT"), "[SecretRule]"},
		{"a label of another account, with ARNs", arns, strings.ReplaceAll(label("b", "AWSCURRENT"), account, "444455556666"), "[SecretRule]"},
		{"another secret's label, with ARNs", arns, label("okta2", "AWSCURRENT"), "[]"},
		{"a rotation, with ARNs", arns, rotation("RotationFailed", arn+"okta-AbCdEf"), "[CloudTrailRotationRule]"},
		{"another secret's rotation, with ARNs", arns, rotation("RotationFailed", arn+"prod/okta-AbCdEf"), "[]"},
		{"a call, with ARNs: it may be by name", arns, call("DeleteSecret", "okta", ""), "[CloudTrailCallRule]"},
		{"a parameter, with ARNs", arns, changed("/okta/token", "Update"), "[ParameterRule]"},
		{"another parameter, with ARNs", arns, changed("/okta/token2", "Update"), "[]"},

		{"a label, with a tag: events know no tags", tags, label("any", "AWSCURRENT"), "[SecretRule]"},
		{"a parameter, with a tag", tags, changed("any", "Update"), "[ParameterRule]"},
		{"a label, with a prefix and ARNs", both, strings.ReplaceAll(label("b", "AWSCURRENT"), account, "444455556666"), "[SecretRule]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			deployed, _ := deploy(readTemplate(t), c.choice)
			var matched []string
			for _, id := range ofType(objectAt(deployed, "Resources"), "AWS::Events::Rule") {
				pattern := objectAt(deployed, "Resources", id, "Properties", "EventPattern")
				if matches(pattern, parseTemplate(t, strings.ReplaceAll(c.event, "\t", ""))) {
					matched = append(matched, id)
				}
			}
			if fmt.Sprint(matched) != c.want {
				t.Errorf("it is matched by %v, want %s", matched, c.want)
			}
		})
	}
}

func TestTemplateAsksCloudTrailForWhatTheCodeKnows(t *testing.T) {
	var asked []string
	resources := objectAt(readTemplate(t), "Resources")
	for id := range resources {
		for _, name := range list(at(resources, id, "Properties", "EventPattern", "detail", "eventName")) {
			asked = append(asked, fmt.Sprint(name))
		}
	}
	known := stringsOf(t, "handler/cloudtrail.go", "lookAgain")
	slices.Sort(asked)
	slices.Sort(known)
	if len(known) == 0 || !slices.Equal(asked, known) {
		t.Errorf("the rules ask for\n%v\nthe code looks again after\n%v", asked, known)
	}
}

func TestTemplateLosesNoEvent(t *testing.T) {
	template := readTemplate(t)
	timeout, _ := at(template, "Resources", "RelayFunction", "Properties", "Timeout").(int)
	queue := objectAt(template, "Resources", "RelayQueue", "Properties")

	if visibility, _ := queue["VisibilityTimeout"].(int); timeout == 0 || visibility < 6*timeout {
		t.Errorf("VisibilityTimeout is %d, want at least six times the function's Timeout of %d", visibility, timeout)
	}
	if got := at(queue, "RedrivePolicy", "deadLetterTargetArn"); !reflect.DeepEqual(got, any(getAtt("DeadLetterQueue"))) {
		t.Errorf("RelayQueue gives up to %v", got)
	}

	// RelayQueue's name is written out twice, since the two queues cannot refer to each other.
	name := list(at(queue, "QueueName", "Fn::Sub"))
	allowed := list(at(template, "Resources", "DeadLetterQueue", "Properties", "RedriveAllowPolicy", "sourceQueueArns"))
	if len(name) != 2 || len(allowed) != 1 {
		t.Fatalf("QueueName is %v and sourceQueueArns are %v, want one !Sub each, with variables", name, allowed)
	}
	const arn = "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:"
	if want := any(object{"Fn::Sub": []any{arn + fmt.Sprint(name[0]), name[1]}}); !reflect.DeepEqual(allowed[0], want) {
		t.Errorf("DeadLetterQueue takes messages from\n%v, want\n%v", allowed[0], want)
	}

	reader := objectAt(template, "Resources", "RelayQueueReader", "Properties")
	if !reflect.DeepEqual(reader["EventSourceArn"], any(getAtt("RelayQueue"))) {
		t.Errorf("RelayQueueReader reads %v", reader["EventSourceArn"])
	}
	if got := reader["FunctionResponseTypes"]; !reflect.DeepEqual(got, []any{"ReportBatchItemFailures"}) {
		t.Errorf("RelayQueueReader has FunctionResponseTypes %v; without ReportBatchItemFailures a failed record is lost", got)
	}
}

// TestTemplateBatchesFitDatadogsRateLimit: when everything rotates at once, the batches that run side by side share 50 calls a
// minute, and each must finish within the function's time. Otherwise its messages count as failed, and end as dead letters.
func TestTemplateBatchesFitDatadogsRateLimit(t *testing.T) {
	const (
		callsPerMinute = 50
		callsPerRelay  = 4 // get the config, validate, store, validate what is stored
		reserve        = 1.5
	)
	template := readTemplate(t)
	timeout, _ := at(template, "Resources", "RelayFunction", "Properties", "Timeout").(int)
	batch, _ := at(template, "Resources", "RelayQueueReader", "Properties", "BatchSize").(int)
	atOnce, _ := at(template, "Parameters", "RelayConcurrency", "Default").(int)
	seconds := 60 * float64(batch*atOnce*callsPerRelay) / callsPerMinute
	if batch == 0 || atOnce == 0 || float64(timeout) < reserve*seconds {
		t.Errorf("%d batches of %d take %.0f s at Datadog's rate limit, and RelayFunction has %d s", atOnce, batch, seconds, timeout)
	}
}

// TestTemplateKeepsWhatWaits: a dead letter outlives the stack and the queue that it comes from, and no parameter can turn
// off a rule or the queue's reader.
func TestTemplateKeepsWhatWaits(t *testing.T) {
	resources := objectAt(readTemplate(t), "Resources")
	queue, letters := objectAt(resources, "RelayQueue", "Properties"), objectAt(resources, "DeadLetterQueue")
	waits, _ := queue["MessageRetentionPeriod"].(int)
	if kept, _ := at(letters, "Properties", "MessageRetentionPeriod").(int); kept <= waits {
		t.Errorf("a dead letter is kept for %d s, and may be %d s old when it comes", kept, waits)
	}
	if letters["DeletionPolicy"] != "Retain" || letters["UpdateReplacePolicy"] != "Retain" {
		t.Error("the dead-letter queue goes with the stack")
	}
	for id := range resources {
		for _, off := range []string{"State", "Enabled"} {
			if value := at(resources, id, "Properties", off); value != nil {
				t.Errorf("%s may be turned off: its %s is %v", id, off, value)
			}
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

// senders are the resources that a queue's policies let EventBridge send for. Whatever else they allow is in there too.
func senders(resources object, queue string) []string {
	var all []string
	for _, statement := range statements(resources) {
		if statement["Effect"] != "Allow" || statement["Principal"] == nil || !reflect.DeepEqual(statement["Resource"], getAtt(queue)) {
			continue
		}
		sources := list(at(statement, "Condition", "ArnEquals", "aws:SourceArn"))
		if !reflect.DeepEqual(statement["Principal"], object{"Service": "events.amazonaws.com"}) || len(sources) == 0 ||
			statement["Action"] != "sqs:SendMessage" || at(statement, "Condition", "StringEquals", "aws:SourceAccount") != account {
			all = append(all, fmt.Sprint(statement))
		}
		for _, source := range sources {
			all = append(all, fmt.Sprint(append(list(at(source, "Fn::GetAtt")), source)[0]))
		}
	}
	slices.Sort(all)
	return all
}

// matches is EventBridge's matching, as far as the template uses it: an event matches when each member of the pattern has
// one of the values that its list holds.
func matches(pattern, event object) bool {
	for key, want := range pattern {
		got, present := event[key]
		if nested, ok := want.(object); ok {
			if !matches(nested, objectAt(got)) {
				return false
			}
			continue
		}
		one := func(want any) bool {
			if prefix, ok := at(want, "prefix").(string); ok {
				return slices.ContainsFunc(list(got), func(v any) bool { return strings.HasPrefix(fmt.Sprint(v), prefix) })
			}
			if exists, ok := at(want, "exists").(bool); ok {
				return exists == present
			}
			return slices.Contains(list(got), want)
		}
		if !slices.ContainsFunc(list(want), one) {
			return false
		}
	}
	return true
}

// refusesPlainHTTP reports whether a policy of the queue denies everything without TLS.
func refusesPlainHTTP(template object, queue string) bool {
	for id := range objectAt(template, "Resources") {
		policy := objectAt(template, "Resources", id, "Properties")
		if !slices.ContainsFunc(list(policy["Queues"]), func(q any) bool { return at(q, "Ref") == queue }) {
			continue
		}
		for _, statement := range statements(policy) {
			statement = maps.Clone(statement)
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
