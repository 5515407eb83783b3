package main

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"
)

// object is a mapping of a template, with CloudFormation's short tags in their long form: !Ref X is {"Ref": "X"}.
type object = map[string]any

func TestTemplateRefersOnlyToWhatItHas(t *testing.T) {
	for _, fault := range danglingReferences(readTemplate(t)) {
		t.Error(fault)
	}
}

func TestDanglingReferencesAreFound(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"a parameter", "!Ref Size", ""},
		{"a pseudo parameter", "!Ref AWS::Region", ""},
		{"a resource's attribute", "!GetAtt Queue.Arn", ""},
		{"text without references", "!Sub 'plain ${!Literal}'", ""},
		{"a variable of its own", "!Sub ['${Size}-${Own}', {Own: 1}]", ""},
		{"a condition", "!If [Big, 1, !Ref AWS::NoValue]", ""},
		{"one condition in another", "!If [Bigger, 1, 2]", ""},
		{"no such parameter", "!Ref Sice", "Sice"},
		{"no such pseudo parameter", "!Ref AWS::Regoin", "AWS::Regoin"},
		{"an attribute of a parameter", "!GetAtt Size.Arn", "Size"},
		{"no such name in text", "!Sub 'a:${AWS::Region}:${Sice}'", "Sice"},
		{"no such resource in text", "!Sub 'a:${Qeue.Arn}'", "Qeue"},
		{"no such attribute", "!GetAtt Queue.Arnn", "Arnn"},
		{"no such attribute in text", "!Sub 'a:${Queue.Name}'", "Name"},
		{"nothing inside a variable", "!Sub ['${Own}', {Own: !Ref Sice}]", "Sice"},
		{"no such condition", "!If [Bigg, 1, 2]", "Bigg"},
		{"nothing inside a branch", "!If [Big, !Ref Sice, 2]", "Sice"},
		{"text that lacks its !Sub", "'a:${AWS::Region}'", "!Sub"},
	} {
		t.Run(c.name, func(t *testing.T) {
			template := parseTemplate(t, `
Parameters: {Size: {Type: Number}}
Conditions: {Big: !Equals [!Ref Size, 9], Bigger: !Not [!Condition Big]}
Resources: {Queue: {Type: "AWS::SQS::Queue", Properties: {Value: `+c.value+`}}}
`)
			faults := danglingReferences(template)
			if c.want == "" && len(faults) > 0 || c.want != "" && (len(faults) != 1 || !strings.Contains(faults[0], c.want)) {
				t.Errorf("%s gives %q, want %q", c.value, faults, c.want)
			}
		})
	}
}

// danglingReferences are the references to a name that the template does not have, and the strings that were to have
// references put in but lack the !Sub that does it.
func danglingReferences(template object) []string {
	var faults []string
	check := func(section, name string) {
		known := objectAt(template, section)[name] != nil
		if section == "Parameters" { // which a !Ref finds among the resources and AWS's own parameters too
			known = known || objectAt(template, "Resources")[name] != nil || slices.Contains(pseudoParameters, name)
		}
		if !known {
			faults = append(faults, fmt.Sprintf("nothing is called %s", name))
		}
	}
	checkAttribute := func(id, name string) {
		check("Resources", id)
		kind := fmt.Sprint(at(template, "Resources", id, "Type"))
		if at(template, "Resources", id) != nil && !slices.Contains(attributes[kind], name) {
			faults = append(faults, fmt.Sprintf("no %s has %s, or these tests do not know it", kind, name))
		}
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				walk(item)
			}
		case string:
			if inText.MatchString(v) {
				faults = append(faults, fmt.Sprintf("%q lacks its !Sub", v))
			}
		case object:
			for key, value := range v {
				switch key {
				case "Ref":
					check("Parameters", fmt.Sprint(value))
				case "Fn::GetAtt":
					got := list(value)
					checkAttribute(fmt.Sprint(got[0]), fmt.Sprint(got[1:]...))
				case "Fn::If":
					check("Conditions", fmt.Sprint(list(value)[0]))
					walk(list(value)[1:])
				case "Fn::Sub":
					parts := append(list(value), object{})
					variables, _ := parts[1].(object)
					for _, match := range inText.FindAllStringSubmatch(fmt.Sprint(parts[0]), -1) {
						if name, attribute, has := strings.Cut(match[1], "."); has {
							checkAttribute(name, attribute)
						} else if variables[name] == nil {
							check("Parameters", name)
						}
					}
					walk(variables)
				case "Condition":
					if name, ok := value.(string); ok { // of a resource; a policy statement's is an object
						check("Conditions", name)
					} else {
						walk(value)
					}
				case "DependsOn":
					for _, id := range list(value) {
						check("Resources", fmt.Sprint(id))
					}
				default:
					walk(value)
				}
			}
		}
	}
	walk(template)
	return faults
}

// attributes are those that the template asks for, by the types that have them.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
var attributes = map[string][]string{
	"AWS::ApiGatewayV2::Api":    {"ApiEndpoint"},
	"AWS::CloudWatch::Alarm":    {"Arn"},
	"AWS::Events::Rule":         {"Arn"},
	"AWS::IAM::Role":            {"Arn"},
	"AWS::Logs::LogGroup":       {"Arn"},
	"AWS::SQS::Queue":           {"Arn", "QueueName"},
	"AWS::Serverless::Function": {"Arn"},
}

// inText is a reference in the text of a !Sub. A "${!" stays in the text as it is.
var inText = regexp.MustCompile(`\$\{([^!}][^}]*)\}`)

var pseudoParameters = []string{
	"AWS::AccountId", "AWS::NoValue", "AWS::NotificationARNs", "AWS::Partition", "AWS::Region", "AWS::StackId",
	"AWS::StackName", "AWS::URLSuffix",
}

const account = "111122223333" // that the template is deployed in by deploy

func readTemplate(t *testing.T) object {
	t.Helper()
	template, err := loadTemplate()
	if err != nil {
		t.Fatal(err)
	}
	return template
}

// loadTemplate reads it once for all tests, none of which may change it.
var loadTemplate = sync.OnceValues(func() (object, error) {
	text, err := os.ReadFile(root + "template.yaml")
	if err != nil {
		return nil, err
	}
	template, err := parsed(string(text))
	if err != nil {
		return nil, err
	}
	return expanded(template), nil
})

// expanded does to a template what SAM does, as far as these tests need it: each function gets the properties that all
// functions share.
func expanded(template object) object {
	for _, resource := range objectAt(template, "Resources") {
		if at(resource, "Type") == "AWS::Serverless::Function" {
			function := resource.(object)
			function["Properties"] = merged(objectAt(template, "Globals", "Function"), objectAt(function, "Properties"))
		}
	}
	return template
}

func merged(below, above object) object {
	all := maps.Clone(below)
	for key, value := range above {
		if deeper, ok := value.(object); ok && objectAt(all, key) != nil {
			value = merged(objectAt(all, key), deeper)
		}
		all[key] = value
	}
	return all
}

func parseTemplate(t *testing.T, text string) object {
	t.Helper()
	template, err := parsed(text)
	if err != nil {
		t.Fatal(err)
	}
	return template
}

func parsed(text string) (object, error) {
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(text), &document); err != nil {
		return nil, err
	}
	value, err := plain(document.Content[0])
	template, ok := value.(object)
	if err == nil && !ok {
		err = fmt.Errorf("the template is a %T, not an object", value)
	}
	return template, err
}

// plain turns a YAML node into objects, lists and scalars.
func plain(n *yaml.Node) (any, error) {
	name, short := strings.CutPrefix(n.Tag, "!")
	if !short || strings.HasPrefix(name, "!") { // two of them are YAML's own types
		return untagged(n)
	}
	value, err := untagged(n)
	switch text, isText := value.(string); {
	case name == "Ref" || name == "Condition":
	case name == "GetAtt" && isText:
		id, attribute, _ := strings.Cut(text, ".")
		name, value = "Fn::GetAtt", []any{id, attribute}
	default:
		name = "Fn::" + name
	}
	return object{name: value}, err
}

func untagged(n *yaml.Node) (any, error) {
	switch n.Kind {
	case yaml.MappingNode:
		m := object{}
		for i := 0; i < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if _, twice := m[key]; twice {
				return nil, fmt.Errorf("line %d: %s a second time", n.Content[i].Line, key)
			}
			value, err := plain(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			m[key] = value
		}
		return m, nil
	case yaml.SequenceNode:
		var items []any
		for _, item := range n.Content {
			value, err := plain(item)
			if err != nil {
				return nil, err
			}
			items = append(items, value)
		}
		return items, nil
	case yaml.ScalarNode:
		if !strings.HasPrefix(n.Tag, "!!") {
			return n.Value, nil
		}
		var value any
		err := n.Decode(&value)
		return value, err
	default:
		return nil, fmt.Errorf("line %d: CloudFormation takes no aliases", n.Line)
	}
}

// at is what stands at a path of keys, nil when nothing does.
func at(v any, path ...string) any {
	for _, key := range path {
		m, _ := v.(object)
		v = m[key]
	}
	return v
}

func objectAt(v any, path ...string) object {
	m, _ := at(v, path...).(object)
	return m
}

// list is a list, or one value standing for a list of it, which CloudFormation and IAM allow in many places.
func list(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return slices.Clone(v)
	default:
		return []any{v}
	}
}
