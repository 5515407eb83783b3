package main

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// choices are the ways to answer the template's parameters that make a difference to what it deploys.
func choices() []object {
	all := []object{{}}
	for name, values := range map[string][]string{
		"SourceParameterPrefix": {"", "/prod/"}, "KmsKeyArn": {"", "arn:aws:kms:us-east-1:" + account + ":key/1234"},
		"ReconcileSchedule": {"", "rate(1 hour)"}, "CloudTrailEvents": {"off", "on"}, "RotationFunction": {"off", "on"},
		"WebhookAuth":      {"off", "iam", "signature"},
		"WebhookSecretArn": {"", "arn:aws:secretsmanager:us-east-1:" + account + ":secret:webhook-AbCdEf"},
	} {
		var more []object
		for _, choice := range all {
			for _, value := range values {
				chosen := maps.Clone(choice)
				chosen[name] = value
				more = append(more, chosen)
			}
		}
		all = more
	}
	return all
}

// deploy is the template as CloudFormation would go about it with these parameters: without what their conditions leave
// out, and with their values put in. It is refused when an assertion of its rules does not hold.
func deploy(template, chosen object) (deployed object, refused []string) {
	d := deployment{template, object{
		"AWS::AccountId": account, "AWS::Partition": "aws", "AWS::Region": "us-east-1", "AWS::StackName": "relay",
		"AWS::StackId": "arn:aws:cloudformation:us-east-1:" + account + ":stack/relay/51af3dc0", "AWS::NoValue": noValue{},
		"DatadogCredentialsArn": "arn:aws:secretsmanager:us-east-1:" + account + ":secret:datadog-AbCdEf",
		"SourceSecretPrefix":    "prod/",
	}}
	for name := range objectAt(template, "Parameters") {
		if standard := at(template, "Parameters", name, "Default"); standard != nil && d.values[name] == nil {
			d.values[name] = standard
		}
	}
	maps.Copy(d.values, chosen)
	for name := range objectAt(template, "Rules") {
		rule := objectAt(template, "Rules", name)
		if rule["RuleCondition"] != nil && d.value(rule["RuleCondition"]) != true {
			continue
		}
		for _, assertion := range list(rule["Assertions"]) {
			if d.value(at(assertion, "Assert")) != true {
				refused = append(refused, fmt.Sprint(at(assertion, "AssertDescription")))
			}
		}
	}
	deployed = object{}
	for _, section := range []string{"Resources", "Outputs"} {
		kept := object{}
		for id, value := range objectAt(template, section) {
			value := maps.Clone(value.(object))
			if condition, ok := value["Condition"].(string); !ok || d.holds(condition) {
				delete(value, "Condition")
				kept[id] = d.value(value)
			}
		}
		deployed[section] = kept
	}
	return deployed, refused
}

type (
	deployment struct {
		template object
		values   object // of all parameters
	}
	noValue struct{}
)

func (d deployment) holds(condition string) bool {
	return d.value(at(d.template, "Conditions", condition)) == true
}

// value puts in what is known before there is any resource. References to resources stay as they are.
func (d deployment) value(v any) any {
	switch v := v.(type) {
	case []any:
		var items []any
		for _, item := range v {
			if item = d.value(item); item != (noValue{}) {
				items = append(items, item)
			}
		}
		return items
	case object:
		if len(v) == 1 {
			for function, argument := range v {
				if result := d.call(function, argument); result != nil {
					return result
				}
			}
		}
		members := object{}
		for key, member := range v {
			if member = d.value(member); member != (noValue{}) {
				members[key] = member
			}
		}
		return members
	default:
		return v
	}
}

// call is what one of CloudFormation's functions comes to, nil if that is not known before there are resources.
func (d deployment) call(function string, argument any) any {
	if branches := list(argument); function == "Fn::If" {
		if d.holds(fmt.Sprint(branches[0])) {
			return d.value(branches[1])
		}
		return d.value(branches[2])
	}
	if function == "Ref" {
		return d.values[fmt.Sprint(argument)]
	}
	if !strings.HasPrefix(function, "Fn::") || function == "Fn::GetAtt" {
		return nil
	}
	arguments := list(d.value(argument))
	switch function {
	case "Fn::Equals":
		return reflect.DeepEqual(arguments[0], arguments[1])
	case "Fn::Not":
		return arguments[0] != true
	case "Fn::Split":
		var parts []any
		for _, part := range strings.Split(fmt.Sprint(arguments[1]), fmt.Sprint(arguments[0])) {
			parts = append(parts, part)
		}
		return parts
	case "Fn::Select":
		return list(arguments[1])[arguments[0].(int)]
	case "Fn::Sub":
		variables := maps.Clone(d.values)
		if len(arguments) == 2 {
			maps.Copy(variables, arguments[1].(object))
		}
		text := inText.ReplaceAllStringFunc(fmt.Sprint(arguments[0]), func(reference string) string {
			if value := variables[inText.FindStringSubmatch(reference)[1]]; value != nil {
				return fmt.Sprint(value)
			}
			return reference
		})
		if inText.MatchString(text) {
			return object{"Fn::Sub": text}
		}
		return text
	default:
		panic("the tests do not know " + function)
	}
}

// ofType are the ids of the resources of a type, in order.
func ofType(resources object, name string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(resources)), func(id string) bool { return at(resources, id, "Type") != name })
}
