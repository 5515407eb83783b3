package main

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// These tests hold the alarms and the code together: an alarm on a metric that nobody emits never goes off.

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

func TestTemplateHasAnAlarmForWhateverMayGoWrong(t *testing.T) {
	resources := objectAt(readTemplate(t), "Resources")
	wanted := map[string][]metric{}
	for id, outcome := range map[string]string{"RejectedAlarm": "rejected", "InvalidAlarm": "invalid"} {
		wanted[id] = []metric{{"CredentialRelay", "Relays", object{"stack": object{"Ref": "AWS::StackName"}, "outcome": outcome}}}
	}
	for id, name := range map[string]string{"TimeUsedAlarm": "TimeUsed", "ReconcileOverdueAlarm": "Reconciles"} {
		wanted[id] = []metric{{"CredentialRelay", name, object{"stack": object{"Ref": "AWS::StackName"}}}}
	}
	for _, queue := range []string{"RelayDeadLetter", "RuleDeadLetter"} {
		name := object{"Fn::GetAtt": []any{queue + "Queue", "QueueName"}}
		wanted[queue+"Alarm"] = []metric{{"AWS/SQS", "ApproximateNumberOfMessagesVisible", object{"QueueName": name}}}
	}
	waiting := object{"Fn::GetAtt": []any{"RelayQueue", "QueueName"}}
	wanted["BacklogAlarm"] = []metric{{"AWS/SQS", "ApproximateAgeOfOldestMessage", object{"QueueName": waiting}}}
	for _, name := range []string{"Errors", "Throttles"} {
		for _, function := range []string{"RelayFunction", "WebhookFunction", "ReconcileFunction", "RotationFunction"} {
			wanted[name+"Alarm"] = append(wanted[name+"Alarm"], metric{"AWS/Lambda", name, object{"FunctionName": object{"Ref": function}}})
		}
	}
	for id, metrics := range wanted {
		alarm := objectAt(resources, id, "Properties")
		if got := watchedBy(alarm); !reflect.DeepEqual(got, metrics) {
			t.Errorf("%s watches\n%v, want\n%v", id, got, metrics)
		}
		want := "notBreaching"
		if id == "ReconcileOverdueAlarm" {
			want = "breaching" // what it waits for is that nothing comes
		}
		if alarm["TreatMissingData"] != want {
			t.Errorf("%s treats missing data as %v, want %s", id, alarm["TreatMissingData"], want)
		}
	}
}

// When each goes off. What every reconcile finds again, once an hour, is one alarm: those look back for two hours.
func TestTemplateAlarmsGoOffWhenTheyShould(t *testing.T) {
	resources := objectAt(readTemplate(t), "Resources")
	want := map[string]string{
		"RejectedAlarm":         "Sum >= 1 in 1 of 24 times 300 s",
		"InvalidAlarm":          "Sum >= 1 in 1 of 24 times 300 s",
		"ErrorsAlarm":           "SUM(METRICS()) of Sum >= 1 in 1 of 24 times 300 s",
		"RelayDeadLetterAlarm":  "Maximum >= 1 in 1 of 1 times 300 s",
		"RuleDeadLetterAlarm":   "Maximum >= 1 in 1 of 1 times 300 s",
		"BacklogAlarm":          "Maximum >= 3600 in 1 of 1 times 300 s",
		"ThrottlesAlarm":        "SUM(METRICS()) of Sum >= 1 in 1 of 1 times 300 s",
		"TimeUsedAlarm":         "Maximum >= 80 in 1 of 1 times 300 s",
		"ReconcileOverdueAlarm": "Sum < 1 in all of ReconcileOverdueHours times 3600 s",
		"NewVersionAlarm":       "Sum >= 1 in 1 of 1 times 60 s",
	}
	for _, id := range ofType(resources, "AWS::CloudWatch::Alarm") {
		if got := whenItGoesOff(objectAt(resources, id, "Properties")); got != want[id] {
			t.Errorf("%s goes off at %s, want %s", id, got, want[id])
		}
		if at(resources, id, "Properties", "ActionsEnabled") != nil {
			t.Errorf("%s may be silent", id)
		}
	}
}

func whenItGoesOff(alarm object) string {
	statistic, period := fmt.Sprint(alarm["Statistic"]), alarm["Period"]
	for _, one := range leaves(alarm["Metrics"]) {
		if expression := at(one, "Expression"); expression != nil {
			statistic = fmt.Sprint(expression, " of")
		}
	}
	for _, one := range leaves(alarm["Metrics"]) {
		if stat := objectAt(one, "MetricStat"); stat != nil {
			if period != nil && stat["Period"] != period {
				return "different periods"
			}
			period = stat["Period"]
		}
	}
	if strings.HasSuffix(statistic, " of") {
		statistic += " Sum"
		for _, one := range leaves(alarm["Metrics"]) {
			if stat := objectAt(one, "MetricStat"); stat != nil && stat["Stat"] != "Sum" {
				return "another statistic than Sum"
			}
		}
	}
	comparison := map[any]string{"GreaterThanOrEqualToThreshold": ">=", "LessThanThreshold": "<"}[alarm["ComparisonOperator"]]
	of, periods := alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"]
	if parameter := at(periods, "Ref"); parameter != nil {
		periods = parameter
	}
	if of == nil && periods == 1 {
		of = 1
	} else if of == nil {
		of = "all"
	}
	return fmt.Sprintf("%s %s %v in %v of %v times %v s", statistic, comparison, alarm["Threshold"], of, periods, period)
}

func TestTemplateSendsAlarmsWhereTheyAreWanted(t *testing.T) {
	for _, d := range deployed() {
		var target any
		switch email, topic := d.choice["AlarmEmail"], d.choice["AlarmTopicArn"]; {
		case topic != nil && topic != "":
			target = []any{topic}
		case email != nil && email != "":
			target = []any{object{"Ref": "AlarmTopic"}}
		}
		var alarms []any
		for _, id := range ofType(d.resources(), "AWS::CloudWatch::Alarm") {
			if id == "NewVersionAlarm" {
				continue // CodeDeploy's
			}
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

func TestTemplateAlarmsLeadToTheRunbook(t *testing.T) {
	runbook, err := os.ReadFile(root + "docs/RUNBOOK.md")
	if err != nil {
		t.Fatal(err)
	}
	resources := objectAt(readTemplate(t), "Resources")
	for _, id := range ofType(resources, "AWS::CloudWatch::Alarm") {
		text, _ := at(resources, id, "Properties", "AlarmDescription", "Fn::Sub").(string)
		if !strings.HasSuffix(text, " ${RunbookUrl}#"+strings.ToLower(id)) || len(text) > 800 { // of 1024
			t.Errorf("%s does not end in the runbook's place for it: %s", id, text)
		}
		if !regexp.MustCompile(`(?m)^#+ ` + id + `$`).Match(runbook) {
			t.Errorf("docs/RUNBOOK.md has no heading %s", id)
		}
	}
	for _, heading := range regexp.MustCompile(`(?m)^#+ (\w+Alarm)$`).FindAllStringSubmatch(string(runbook), -1) {
		if resources[heading[1]] == nil {
			t.Errorf("docs/RUNBOOK.md tells of %s, which there is none of", heading[1])
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
		[]string{"Errors", "Throttles"},
		[][]string{{"FunctionName"}, {"ExecutedVersion", "FunctionName", "Resource"}},
		"AWS::Serverless::Function",
	},
	"AWS/SQS": {
		[]string{"ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible", "ApproximateAgeOfOldestMessage"},
		[][]string{{"QueueName"}},
		"AWS::SQS::Queue",
	},
}

// missing tells why there is no such metric: of ours, one must have been emitted with these very dimensions.
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
			if kind := at(resources, id, "Type"); kind != nil && kind != known.of && kind != "AWS::Lambda::Version" {
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
