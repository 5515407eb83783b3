package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestTemplateGrantsNothingTooWide(t *testing.T) {
	template := readTemplate(t)
	found := statements(template["Resources"])
	if len(found) == 0 {
		t.Fatal("no policy statement found")
	}
	for _, statement := range found {
		for _, fault := range tooWide(statement) {
			t.Errorf("statement %v: %s", statement["Sid"], fault)
		}
	}

	// Whoever reads the template must see every permission in it.
	if role := at(template, "Resources", "RelayFunction", "Properties", "Role"); !reflect.DeepEqual(role, getAtt("RelayRole")) {
		t.Errorf("RelayFunction's Role is %v; without one of ours, SAM attaches managed policies", role)
	}
	for id := range objectAt(template, "Resources") {
		properties := objectAt(template, "Resources", id, "Properties")
		if properties["ManagedPolicyArns"] != nil {
			t.Errorf("%s has ManagedPolicyArns", id)
		}
		if at(template, "Resources", id, "Type") == "AWS::Serverless::Function" && properties["Policies"] != nil {
			t.Errorf("%s has Policies of SAM's own", id)
		}
	}
}

func TestTemplateGrantsTheCallsThatTheCodeMakes(t *testing.T) {
	deployed, _ := deploy(readTemplate(t), object{"SourceParameterPrefix": "/prod/", "RotationFunction": "on"})
	var granted []string
	for _, statement := range statements(deployed) {
		for _, action := range leaves(statement["Action"]) {
			if call := fmt.Sprint(action); strings.HasPrefix(call, "secretsmanager:") || strings.HasPrefix(call, "ssm:") {
				granted = append(granted, call)
			}
		}
	}
	var made []string
	for _, pattern := range []string{"relay/*.go", "handler/*.go"} {
		files, err := filepath.Glob(root + pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			for _, input := range sdkInput.FindAllStringSubmatch(string(source), -1) {
				made = append(made, input[1]+":"+input[2])
			}
		}
	}
	slices.Sort(granted)
	slices.Sort(made)
	if granted, made = slices.Compact(granted), slices.Compact(made); len(made) == 0 || !slices.Equal(granted, made) {
		t.Errorf("the template grants\n%v\nthe code calls\n%v", granted, made)
	}
}

// sdkInput is what the code gives to a call of AWS: &ssm.GetParameterInput{…}.
var sdkInput = regexp.MustCompile(`\b(secretsmanager|ssm)\.(\w+)Input\{`)

func TestTemplateGrantsLogsToItsOwnGroup(t *testing.T) {
	for _, statement := range statements(readTemplate(t)["Resources"]) {
		if strings.Contains(fmt.Sprint(statement["Action"]), "logs:") && !reflect.DeepEqual(statement["Resource"], getAtt("RelayLogGroup")) {
			t.Errorf("statement %v writes logs to %v, want RelayLogGroup alone", statement["Sid"], statement["Resource"])
		}
	}
}

func TestTooWideGrantsAreFound(t *testing.T) {
	for _, c := range []struct{ name, statement, want string }{
		{"one action, one resource", `{Effect: Allow, Action: sqs:SendMessage, Resource: !GetAtt Queue.Arn}`, ""},
		{"a prefix of names", `{Effect: Allow, Action: [s:Get], Resource: !Sub 'arn:aws:s:r:1:secret:${Prefix}*'}`, ""},
		{"all below a path", `{Effect: Allow, Action: [s:Get], Resource: !Sub 'arn:aws:s:r:1:parameter${Path}/*'}`, ""},
		{"a wide denial", `{Effect: Deny, Principal: "*", Action: sqs:*, Resource: "*"}`, ""},
		{"whom the role trusts", `{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}`, ""},
		{
			"a key through one service", `{Effect: Allow, Action: kms:Decrypt, Resource: !Ref Key,
			  Condition: {StringEquals: {kms:ViaService: ssm.r.amazonaws.com}}}`, "",
		},
		{
			"a service for one of its resources", `{Effect: Allow, Principal: {Service: s}, Action: s:Send, Resource: !GetAtt Queue.Arn,
			  Condition: {ArnEquals: {aws:SourceArn: !GetAtt Rule.Arn}}}`, "",
		},
		{"every action", `{Effect: Allow, Action: "*", Resource: !GetAtt Queue.Arn}`, "action"},
		{"every action of a service", `{Effect: Allow, Action: [sqs:SendMessage, sqs:*], Resource: !GetAtt Queue.Arn}`, "action"},
		{"every action that begins so", `{Effect: Allow, Action: secretsmanager:Get*, Resource: !GetAtt S.Arn}`, "action"},
		{"an action one cannot read here", `{Effect: Allow, Action: !Ref Action, Resource: !GetAtt S.Arn}`, "action"},
		{"no action", `{Effect: Allow, Resource: !GetAtt S.Arn}`, "action"},
		{"every action but some", `{Effect: Allow, NotAction: s:Delete, Resource: !GetAtt S.Arn}`, "NotAction"},
		{"every resource", `{Effect: Allow, Action: s:Get, Resource: "*"}`, "resource"},
		{"every resource in a list", `{Effect: Allow, Action: s:Get, Resource: [!GetAtt S.Arn, "*"]}`, "resource"},
		{"every resource in a branch", `{Effect: Allow, Action: s:Get, Resource: !If [C, !GetAtt S.Arn, "*"]}`, "resource"},
		{"every resource by !Sub", `{Effect: Allow, Action: s:Get, Resource: !Sub "*"}`, "resource"},
		{"every secret", `{Effect: Allow, Action: s:Get, Resource: !Sub 'arn:${AWS::Partition}:s:r:1:secret:*'}`, "resource"},
		{"every parameter", `{Effect: Allow, Action: s:Get, Resource: 'arn:aws:ssm:r:1:parameter/*'}`, "resource"},
		{"every account", `{Effect: Allow, Action: s:Get, Resource: !Sub 'arn:aws:s:r:*:secret:${Prefix}*'}`, "resource"},
		{"a resource one cannot read here", `{Effect: Allow, Action: s:Get, Resource: !Join [":", [a, "*"]]}`, "resource"},
		{"no resource", `{Effect: Allow, Action: s:Get}`, "resource"},
		{"every resource but some", `{Effect: Allow, Action: s:Get, NotResource: !GetAtt S.Arn}`, "NotResource"},
		{"everybody", `{Effect: Allow, Principal: "*", Action: s:Get, Resource: !GetAtt S.Arn}`, "principal"},
		{"everybody with an account", `{Effect: Allow, Principal: {AWS: "*"}, Action: s:Get, Resource: !GetAtt S.Arn}`, "principal"},
		{"a key for all it encrypts", `{Effect: Allow, Action: [kms:Decrypt], Resource: !Ref Key}`, "kms:ViaService"},
		{"a service for anybody's resource", `{Effect: Allow, Principal: {Service: s}, Action: s:Send, Resource: !GetAtt S.Arn}`, "aws:SourceArn"},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := statements(parseTemplate(t, "Policies: [{Statement: [!If [C, "+c.statement+", !Ref AWS::NoValue]]}]"))
			if len(found) != 1 {
				t.Fatalf("found %d statements, want 1", len(found))
			}
			faults := tooWide(found[0])
			if c.want == "" && len(faults) > 0 || c.want != "" && !strings.Contains(strings.Join(faults, "; "), c.want) {
				t.Errorf("got faults %q, want %q", faults, c.want)
			}
		})
	}
}

// tooWide tells what a policy statement grants beyond one action on one thing, or on the things whose names begin alike.
func tooWide(statement object) []string {
	if statement["Effect"] == "Deny" {
		return nil // the wider the better
	}
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }

	for _, key := range []string{"NotAction", "NotResource", "NotPrincipal"} {
		if statement[key] != nil {
			fault("%s grants all but what it names", key)
		}
	}
	actions := leaves(statement["Action"])
	for _, action := range actions {
		if text, ok := action.(string); !ok || strings.Contains(text, "*") {
			fault("action %v is not one action", action)
		}
	}
	if len(actions) == 0 {
		fault("it names no action")
	}
	trust := slices.Equal(actions, []any{"sts:AssumeRole"}) // a role's own trust policy, which has no Resource
	resources := leaves(statement["Resource"])
	for _, resource := range resources {
		if !narrow(resource) {
			fault("resource %v is not one thing, nor those whose names begin alike", resource)
		}
	}
	if len(resources) == 0 && !trust {
		fault("it names no resource")
	}
	principal := statement["Principal"]
	if strings.Contains(fmt.Sprint(principal), "*") {
		fault("principal %v is everybody", principal)
	}
	if at(principal, "Service") != nil && !trust && at(statement, "Condition", "ArnEquals", "aws:SourceArn") == nil {
		fault("without ArnEquals aws:SourceArn, %v may act here for anybody", principal)
	}
	if strings.Contains(fmt.Sprint(actions), "kms:") && at(statement, "Condition", "StringEquals", "kms:ViaService") == nil {
		fault("without StringEquals kms:ViaService, the key opens all that it encrypts")
	}
	return faults
}

// narrow says whether a resource is one thing, or those whose names begin alike: a star only at the end, after some of
// the name. A reference is one thing; TestTemplateParametersRefuseWhatWidensAPolicy keeps stars out of parameters.
func narrow(resource any) bool {
	if at(resource, "Ref") != nil || at(resource, "Fn::GetAtt") != nil {
		return true
	}
	if sub := list(at(resource, "Fn::Sub")); len(sub) > 0 {
		resource = sub[0]
	}
	text, ok := resource.(string)
	name := strings.TrimSuffix(text, "*")
	return ok && !strings.ContainsAny(name, "*?") && (name == text || !nameless.MatchString(name))
}

// nameless is an ARN up to where the name begins: nothing, "arn:…:secret:", "arn:…:parameter/".
var nameless = regexp.MustCompile(`(^|:|:[a-z-]+/)$`)

// statements are the policy statements anywhere below v.
func statements(v any) []object {
	var found []object
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			found = append(found, statements(item)...)
		}
	case object:
		if v["Effect"] != nil {
			return []object{v}
		}
		for _, value := range v {
			found = append(found, statements(value)...)
		}
	}
	return found
}

// leaves are the values that v may come to: the items of lists and both branches of every !If.
func leaves(v any) []any {
	if branches := list(at(v, "Fn::If")); len(branches) == 3 {
		v = branches[1:]
	}
	items, isList := v.([]any)
	if !isList {
		return list(v)
	}
	var all []any
	for _, item := range items {
		all = append(all, leaves(item)...)
	}
	return all
}

func getAtt(id string) object { return object{"Fn::GetAtt": []any{id, "Arn"}} }
