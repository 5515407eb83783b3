package main

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// answers are those to the template's parameters that make a difference to what it deploys, the first of each being what
// the others are tried with.
var answers = map[string][]string{
	"SourceSecretPrefix":    {"prod/", ""},
	"SourceSecretArns":      {"", "arn:aws:secretsmanager:us-east-1:" + account + ":secret:okta-AbCdEf,arn:aws:secretsmanager:us-east-1:444455556666:secret:b-AbCdEf"},
	"SourceParameterPrefix": {"", "/prod/"},
	"SourceParameterArns":   {"", "arn:aws:ssm:us-east-1:" + account + ":parameter/okta"},
	"SourceTag":             {"", "prod"},
	"KmsKeyArns":            {"", "arn:aws:kms:us-east-1:" + account + ":key/1234,arn:aws:kms:us-east-1:444455556666:key/5678"},
	"DatadogOrgUuid":        {"", "01234567-89ab-cdef-0123-456789abcdef"},
	"DatadogCredentialsArn": {"arn:aws:secretsmanager:us-east-1:" + account + ":secret:datadog-AbCdEf", "", twoKeys},
	"BindingsPath":          {"", "/teams/siem"},
	"BindingSecret":         {"", "prod/okta"},
	"ReconcileSchedule":     {"rate(1 hour)", "off"},
	"CloudTrailEvents":      {"off", "on"},
	"StagedRotation":        {"off", "on"},
	"WebhookAuth":           {"iam", "off", "signature"},
	"WebhookSecretArn":      {"", "arn:aws:secretsmanager:us-east-1:" + account + ":secret:webhook-AbCdEf"},
	"WebhookMayDisable":     {"off", "on"},
	"AlarmEmail":            {"", "siem@example.com"},
	"AlarmTopicArn":         {"", "arn:aws:sns:us-east-1:" + account + ":pages"},
	"RunbookUrl":            {"", "https://wiki.example/runbook"},
	"Dashboard":             {"off", "on"},
	"ReserveConcurrency":    {"off", "on"},
	"Tracing":               {"off", "on"},
	"FipsEndpoints":         {"off", "on"},
}

// twoKeys are the ARNs of a secret and a parameter that hold one Datadog key each.
const twoKeys = "arn:aws:secretsmanager:us-east-1:" + account + ":secret:api-AbCdEf,arn:aws:ssm:us-east-1:" + account + ":parameter/app"

// choices are all pairs of answers that are not the first ones, each by itself, none, and everything.
func choices() []object {
	all := []object{{}, everything()}
	names := slices.Sorted(maps.Keys(answers))
	for i, one := range names {
		for _, a := range answers[one][1:] {
			all = append(all, chosen(one, a))
			for _, other := range names[:i] {
				for _, b := range answers[other][1:] {
					all = append(all, chosen(one, a, other, b))
				}
			}
		}
	}
	return all
}

// chosen is a choice that goes with these names and values. A binding has three of them.
func chosen(pairs ...string) object {
	choice := object{}
	for i := 0; i < len(pairs); i += 2 {
		choice[pairs[i]] = pairs[i+1]
		if pairs[i] == "BindingSecret" && pairs[i+1] != "" {
			choice["BindingConfigId"], choice["BindingIntegrationType"] = "1111", "OKTA"
		}
	}
	return choice
}

// everything is the choice of all that can be had together.
func everything() object {
	return chosen("SourceSecretArns", answers["SourceSecretArns"][1], "SourceParameterPrefix", "/prod/",
		"SourceParameterArns", answers["SourceParameterArns"][1], "SourceTag", "prod", "KmsKeyArns", answers["KmsKeyArns"][1],
		"DatadogCredentialsArn", twoKeys, "BindingSecret", "prod/okta", "CloudTrailEvents", "on",
		"StagedRotation", "on", "WebhookAuth", "signature", "WebhookSecretArn", answers["WebhookSecretArn"][1],
		"WebhookMayDisable", "on", "AlarmEmail", "siem@example.com", "RunbookUrl", answers["RunbookUrl"][1], "Dashboard", "on",
		"ReserveConcurrency", "on", "Tracing", "on", "FipsEndpoints", "on")
}

// deployed are the template's deployments for all choices that are not refused, made once for all tests.
var deployed = sync.OnceValue(func() []deployment {
	template, err := loadTemplate()
	if err != nil {
		panic(err)
	}
	var all []deployment
	for _, choice := range choices() {
		if made, refused := deploy(template, choice); refused == nil {
			all = append(all, deployment{choice, made})
		}
	}
	return all
})

type deployment struct {
	choice   object
	template object
}

func (d deployment) resources() object { return objectAt(d.template, "Resources") }

// deploy is the template as CloudFormation would go about it with these parameters: without what their conditions leave
// out, and with their values put in. It is refused when an assertion of its rules does not hold.
func deploy(template, chosen object) (deployed object, refused []string) {
	d := resolver{template, object{
		"AWS::AccountId": account, "AWS::Partition": "aws", "AWS::Region": "us-east-1", "AWS::StackName": stack,
		"AWS::StackId": "arn:aws:cloudformation:us-east-1:" + account + ":stack/" + stack + "/51af3dc0", "AWS::NoValue": noValue{},
	}}
	for name, values := range answers {
		d.values[name] = values[0]
	}
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
	resolver struct {
		template object
		values   object // of all parameters
	}
	noValue struct{}
)

func (d resolver) holds(condition string) bool {
	return d.value(at(d.template, "Conditions", condition)) == true
}

// value puts in what is known before there is any resource. References to resources stay as they are.
func (d resolver) value(v any) any {
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
func (d resolver) call(function string, argument any) any {
	if branches := list(argument); function == "Fn::If" {
		if d.holds(fmt.Sprint(branches[0])) {
			return d.value(branches[1])
		}
		return d.value(branches[2])
	}
	switch function {
	case "Ref":
		return d.values[fmt.Sprint(argument)]
	case "Condition":
		if name, ok := argument.(string); ok {
			return d.holds(name)
		}
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
	case "Fn::And":
		return !slices.ContainsFunc(arguments, func(v any) bool { return v != true })
	case "Fn::Contains":
		return slices.Contains(list(arguments[0]), arguments[1])
	case "Fn::Or":
		return slices.Contains(arguments, true)
	case "Fn::Join":
		var texts []string
		for _, item := range list(arguments[1]) {
			text, known := item.(string)
			if !known { // before there are resources
				return object{function: arguments}
			}
			texts = append(texts, text)
		}
		return strings.Join(texts, fmt.Sprint(arguments[0]))
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
			switch value := variables[inText.FindStringSubmatch(reference)[1]].(type) {
			case nil:
				return reference
			case object: // not known yet
				if id := value["Ref"]; id != nil {
					return fmt.Sprintf("${%s}", id)
				}
				return fmt.Sprint(value["Fn::Sub"])
			default:
				return fmt.Sprint(value)
			}
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
