package main

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// These tests hold the alarms and the code together: an alarm on a metric that no code emits never goes off.

func TestTemplateAlarmsWatchMetricsThatThereAre(t *testing.T) {
	for _, choice := range []object{chosen(), everything()} {
		made, _ := deploy(readTemplate(t), choice)
		resources := objectAt(made, "Resources")
		for _, id := range ofType(resources, "AWS::CloudWatch::Alarm") {
			watched := watchedBy(objectAt(resources, id, "Properties"))
			if len(watched) == 0 {
				t.Errorf("%s watches nothing", id)
			}
			for _, metric := range watched {
				for _, fault := range missing(t, resources, metric) {
					t.Errorf("%s: %s", id, fault)
				}
			}
		}
	}
}

func TestMetricsThatThereAreNoneOfAreFound(t *testing.T) {
	made, _ := deploy(readTemplate(t), chosen())
	ours := object{"stack": stack, "outcome": "rejected"}
	lambda := object{"FunctionName": object{"Ref": "RelayFunction"}}
	for _, c := range []struct {
		name       string
		metric     metric
		wantFaults int
	}{
		{"ours", metric{"CredentialRelay", "Relays", ours}, 0},
		{"Lambda's", metric{"AWS/Lambda", "Errors", lambda}, 0},
		{"another name", metric{"CredentialRelay", "Relay", ours}, 1},
		{"another namespace", metric{"CredentialRelays", "Relays", ours}, 1},
		{"another value", metric{"CredentialRelay", "Relays", object{"stack": stack, "outcome": "refused"}}, 1},
		{"another dimension", metric{"CredentialRelay", "Relays", object{"stack": stack, "verdict": "rejected"}}, 1},
		{"a dimension less", metric{"CredentialRelay", "Relays", object{"stack": stack}}, 1},
		{"a dimension more", metric{"CredentialRelay", "Relays", object{"stack": stack, "outcome": "rejected", "stage": "validate"}}, 1},
		{"another name of Lambda's", metric{"AWS/Lambda", "Error", lambda}, 1},
		{"another dimension of Lambda's", metric{"AWS/Lambda", "Errors", object{"Function": lambda["FunctionName"]}}, 1},
		{"a function that is none", metric{"AWS/Lambda", "Errors", object{"FunctionName": object{"Ref": "RelayQueue"}}}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := missing(t, objectAt(made, "Resources"), c.metric); len(got) != c.wantFaults {
				t.Errorf("got the faults %q, want %d", got, c.wantFaults)
			}
		})
	}
}

// TestTemplateAlarmsGoOffWhenTheyShould gives each alarm the values of its periods, the latest last and nil where there is no
// data. A new stack pages no one, nor does one passing fault of AWS; a fault that lasts does.
func TestTemplateAlarmsGoOffWhenTheyShould(t *testing.T) {
	made, _ := deploy(readTemplate(t), everything())
	for _, c := range []struct {
		name, alarm string
		values      []any
		want        bool
	}{
		{"a rejected credential", "CredentialAlarm", []any{1}, true},
		{"the same, until the next reconcile reports it again", "CredentialAlarm", append([]any{1}, make([]any, 12)...), true},
		{"a dead letter", "DeadLetterAlarm", []any{1}, true},
		{"no dead letter", "DeadLetterAlarm", []any{0}, false},
		{"an event that is tried for the fifth time", "BacklogAlarm", []any{40 * 60}, false},
		{"an event that waits for hours", "BacklogAlarm", []any{3 * 3600}, true},
		{"an error", "ErrorsAlarm", []any{1}, true},
		{"invocations without an error", "ErrorsAlarm", []any{0, 0}, false},
		{"one throttle", "ThrottlesAlarm", []any{1}, false},
		{"a burst of throttles over two periods", "ThrottlesAlarm", []any{0, 20, 300}, false},
		{"throttles that last", "ThrottlesAlarm", []any{1, 1, 1}, true},
		{"reconciles", "ReconcileOverdueAlarm", []any{1, 1, 1}, false},
		{"a reconcile that is late", "ReconcileOverdueAlarm", []any{1, 0, 0}, false},
		{"a new stack that has yet to reconcile", "ReconcileOverdueAlarm", []any{nil, nil, 0}, false},
		{"no reconcile", "ReconcileOverdueAlarm", []any{0, 0, 0}, true},
	} {
		t.Run(c.alarm+": "+c.name, func(t *testing.T) {
			if got := goesOff(objectAt(made, "Resources", c.alarm, "Properties"), c.values); got != c.want {
				t.Errorf("with the values %v it goes off: %t, want %t", c.values, got, c.want)
			}
		})
	}
	for _, id := range ofType(objectAt(made, "Resources"), "AWS::CloudWatch::Alarm") {
		if goesOff(objectAt(made, "Resources", id, "Properties"), nil) {
			t.Errorf("%s goes off on a new stack, where there is no data yet", id)
		}
	}
}

// goesOff is how CloudWatch evaluates an alarm whose latest periods have these values: of the last N, M must breach.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
func goesOff(alarm object, values []any) bool {
	periods := alarm["EvaluationPeriods"].(int)
	needed, some := alarm["DatapointsToAlarm"].(int)
	if !some {
		needed = periods
	}
	breaching := 0
	for i := range periods {
		value, known := 0, false
		if at := len(values) - 1 - i; at >= 0 {
			value, known = values[at].(int)
		}
		threshold := alarm["Threshold"].(int)
		breaches := value >= threshold
		if alarm["ComparisonOperator"] == "LessThanThreshold" {
			breaches = value < threshold
		}
		if !known {
			breaches = alarm["TreatMissingData"] == "breaching"
		}
		if breaches {
			breaching++
		}
	}
	return breaching >= needed
}

func TestTemplateSendsAlarmsWhereTheyAreWanted(t *testing.T) {
	for _, d := range deployed() {
		target := any([]any(nil))
		switch email, topic := d.choice["AlarmEmail"], d.choice["AlarmTopicArn"]; {
		case topic != nil && topic != "":
			target = []any{topic}
		case email != nil && email != "":
			target = []any{object{"Ref": "AlarmTopic"}}
		}
		var alarms []any
		for _, id := range ofType(d.resources(), "AWS::CloudWatch::Alarm") {
			alarms = append(alarms, getAtt(id))
			for _, actions := range []string{"AlarmActions", "OKActions"} {
				if got := at(d.resources(), id, "Properties", actions); !reflect.DeepEqual(got, target) {
					t.Fatalf("with %v, %s has the %s %v, want %v", d.choice, id, actions, got, target)
				}
			}
		}
		if at(d.resources(), "AlarmTopic") == nil {
			continue
		}
		topic := object{"Ref": "AlarmTopic"}
		if got, want := at(d.resources(), "AlarmTopic", "Properties", "Subscription"), []any{
			object{"Protocol": "email", "Endpoint": d.choice["AlarmEmail"]},
		}; !reflect.DeepEqual(got, any(want)) {
			t.Fatalf("with %v, the topic's subscriptions are %v", d.choice, got)
		}
		policy := list(at(d.resources(), "AlarmTopicPolicy", "Properties", "PolicyDocument", "Statement"))
		publishers := list(at(policy[0], "Condition", "ArnEquals", "aws:SourceArn"))
		slices.SortFunc(publishers, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		if want := []any{
			object{
				"Sid": "OnlyOurAlarmsPublish", "Effect": "Allow", "Principal": object{"Service": "cloudwatch.amazonaws.com"},
				"Action": "sns:Publish", "Resource": topic,
				"Condition": object{"ArnEquals": object{"aws:SourceArn": at(policy[0], "Condition", "ArnEquals", "aws:SourceArn")}, "StringEquals": object{"aws:SourceAccount": account}},
			},
			object{
				"Sid": "NothingWithoutTLS", "Effect": "Deny", "Principal": "*", "Action": "sns:Publish", "Resource": topic,
				"Condition": object{"Bool": object{"aws:SecureTransport": "false"}},
			},
		}; !reflect.DeepEqual(policy, want) || !reflect.DeepEqual(publishers, alarms) {
			t.Fatalf("with %v, the topic's policy is %v", d.choice, policy)
		}
	}
}

// TestTemplateAlarmsLeadToTheRunbook: to its section, if its address was given. Without it, no alarm names an address.
func TestTemplateAlarmsLeadToTheRunbook(t *testing.T) {
	runbook := document(t, "docs/RUNBOOK.md")
	const address = "https://wiki.example/runbook"
	for url, want := range map[string]string{"": "", address: " Runbook: " + address + "#"} {
		made, _ := deploy(readTemplate(t), chosen("RunbookUrl", url))
		resources := objectAt(made, "Resources")
		alarms := ofType(resources, "AWS::CloudWatch::Alarm")
		for _, id := range alarms {
			text, _ := at(resources, id, "Properties", "AlarmDescription").(string)
			if want != "" {
				want = want[:strings.Index(want, "#")+1] + strings.ToLower(id)
			}
			if !strings.HasSuffix(text, want) || want == "" && strings.Contains(text, "unbook") || len(text) > 1024 {
				t.Errorf("with RunbookUrl %q, %s has a text of %d characters that does not end in %q: %s", url, id, len(text), want, text)
			}
			if !regexp.MustCompile(`(?m)^#+ ` + id + `$`).MatchString(runbook) {
				t.Errorf("docs/RUNBOOK.md has no heading %s", id)
			}
		}
		for _, heading := range regexp.MustCompile(`(?m)^#+ (\w+Alarm)$`).FindAllStringSubmatch(runbook, -1) {
			if !slices.Contains(alarms, heading[1]) {
				t.Errorf("docs/RUNBOOK.md explains %s, which does not exist", heading[1])
			}
		}
	}
}

// metric is one that an alarm or the dashboard is about.
type metric struct {
	namespace, name string
	dimensions      object
}

// watchedBy are the metrics of an alarm: one, or those that it sums up.
func watchedBy(alarm object) []metric {
	var all []metric
	for _, one := range append(leaves(alarm["Metrics"]), object{"MetricStat": object{"Metric": alarm}}) {
		stat := objectAt(one, "MetricStat", "Metric")
		if stat["MetricName"] == nil {
			continue
		}
		found := metric{fmt.Sprint(stat["Namespace"]), fmt.Sprint(stat["MetricName"]), object{}}
		for _, dimension := range list(stat["Dimensions"]) {
			found.dimensions[fmt.Sprint(at(dimension, "Name"))] = at(dimension, "Value")
		}
		all = append(all, found)
	}
	return all
}

// awsMetrics are AWS's own that the template may use, with the dimensions that they can be had by, and what those name.
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
var awsMetrics = map[string]struct {
	names      []string
	dimensions [][]string
	of         string
}{
	"AWS/Lambda": {
		[]string{"Errors", "Throttles", "Invocations"},
		[][]string{{"FunctionName"}},
		"AWS::Serverless::Function",
	},
	"AWS/SQS": {
		[]string{"ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible", "ApproximateAgeOfOldestMessage"},
		[][]string{{"QueueName"}},
		"AWS::SQS::Queue",
	},
}

// missing returns why there is no such metric. A metric of ours must have been emitted with exactly these dimensions.
func missing(t *testing.T, resources object, m metric) []string {
	t.Helper()
	names := slices.Sorted(maps.Keys(m.dimensions))
	if known, aws := awsMetrics[m.namespace]; aws {
		var faults []string
		if !slices.Contains(known.names, m.name) || !slices.ContainsFunc(known.dimensions, func(d []string) bool { return slices.Equal(d, names) }) {
			faults = append(faults, fmt.Sprintf("AWS has no %v", m))
		}
		for _, value := range m.dimensions {
			id := fmt.Sprint(append(list(at(value, "Fn::GetAtt")), at(value, "Ref"))[0])
			if text, ok := value.(string); ok && inText.MatchString(text) {
				id, _, _ = strings.Cut(inText.FindStringSubmatch(text)[1], ".")
			}
			if kind := at(resources, id, "Type"); kind != nil && kind != known.of {
				faults = append(faults, fmt.Sprintf("%v is about %s, a %v", m, id, kind))
			}
		}
		return faults
	}
	for _, emitted := range emittedMetrics(t) {
		if emitted.namespace != m.namespace || emitted.name != m.name || len(emitted.dimensions) != len(names) {
			continue
		}
		if !slices.ContainsFunc(names, func(name string) bool { return m.dimensions[name] != any(emitted.dimensions[name]) }) {
			return nil
		}
	}
	return []string{fmt.Sprintf("nothing emits %v", m)}
}
