package main

import (
	"encoding/json"
	"fmt"
	"maps"
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

	// Every permission must be readable in the template.
	for id := range objectAt(template, "Resources") {
		properties := objectAt(template, "Resources", id, "Properties")
		for _, policy := range leaves(properties["ManagedPolicyArns"]) {
			if name, _ := at(policy, "Ref").(string); at(template, "Resources", name, "Type") != "AWS::IAM::ManagedPolicy" && name != "AWS::NoValue" {
				t.Errorf("%s has the managed policy %v, which is not in the template", id, policy)
			}
		}
		if at(template, "Resources", id, "Type") == "AWS::Serverless::Function" && (properties["Policies"] != nil || properties["Role"] == nil) {
			t.Errorf("%s gets policies of SAM's own", id)
		}
	}
}

// What each role may do when everything is deployed. Only the rotation function may change a secret, and all functions may
// write one thing, receipts.
func TestTemplateGrantsEachRoleWhatItsDoorNeeds(t *testing.T) {
	made, refused := deploy(readTemplate(t), everything())
	if refused != nil {
		t.Fatal(refused)
	}
	relaying := "kms:Decrypt logs:CreateLogStream logs:PutLogEvents secretsmanager:DescribeSecret secretsmanager:GetSecretValue " +
		"ssm:GetParameter ssm:GetParametersByPath ssm:PutParameter xray:PutTelemetryRecords xray:PutTraceSegments"
	for role, want := range map[string]string{
		"RelayRole":     relaying + " sqs:ReceiveMessage sqs:DeleteMessage sqs:GetQueueAttributes sqs:ChangeMessageVisibility",
		"WebhookRole":   relaying,
		"ReconcileRole": relaying,
		"RotationRole":  relaying + " secretsmanager:UpdateSecretVersionStage",
		"ScheduleRole":  "lambda:InvokeFunction sqs:SendMessage",
	} {
		var may []string
		for _, statement := range granted(objectAt(made, "Resources"), role) {
			for _, action := range leaves(statement["Action"]) {
				may = append(may, fmt.Sprint(action))
			}
		}
		slices.Sort(may)
		wanted := strings.Fields(want)
		slices.Sort(wanted)
		if may = slices.Compact(may); !slices.Equal(may, wanted) {
			t.Errorf("%s may\n%v\nwant\n%v", role, may, wanted)
		}
	}
	if roles := ofType(objectAt(made, "Resources"), "AWS::IAM::Role"); len(roles) != 5 {
		t.Errorf("there are the roles %v, and not all are tested here", roles)
	}
}

func TestTemplateRolesTrustOneServiceEach(t *testing.T) {
	made, _ := deploy(readTemplate(t), everything())
	resources := objectAt(made, "Resources")
	inAccount := object{"aws:SourceAccount": account}
	group := object{"aws:SourceArn": "arn:aws:scheduler:us-east-1:" + account + ":schedule-group/default"}
	for _, role := range ofType(resources, "AWS::IAM::Role") {
		want := object{"Effect": "Allow", "Principal": object{"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
		if role == "ScheduleRole" {
			want["Principal"] = object{"Service": "scheduler.amazonaws.com"}
			want["Condition"] = object{"StringEquals": inAccount, "ArnEquals": group}
		}
		got := at(resources, role, "Properties", "AssumeRolePolicyDocument", "Statement")
		if !reflect.DeepEqual(got, any([]any{want})) {
			t.Errorf("%s is trusted to\n%v, want\n%v", role, got, want)
		}
	}
}

// The functions can be called through the template's doors only.
func TestTemplateLimitsWhoCalls(t *testing.T) {
	made, _ := deploy(readTemplate(t), everything())
	resources := objectAt(made, "Resources")
	want := map[string]object{
		"WebhookPermission": {
			"FunctionName": object{"Ref": "WebhookFunction"}, "Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com",
			"SourceArn": object{"Fn::Sub": "arn:aws:execute-api:us-east-1:" + account + ":${WebhookApi}/*/POST/v1/relay"},
		},
		"RotationPermission": {
			"FunctionName": object{"Ref": "RotationFunction"}, "Action": "lambda:InvokeFunction", "Principal": "secretsmanager.amazonaws.com",
			"SourceAccount": account,
		},
	}
	if got := ofType(resources, "AWS::Lambda::Permission"); !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
		t.Errorf("the permissions to call are %v", got)
	}
	for id, permission := range want {
		if got := objectAt(resources, id, "Properties"); !reflect.DeepEqual(got, permission) {
			t.Errorf("%s is\n%v, want\n%v", id, got, permission)
		}
	}
	for id := range functions {
		for _, door := range []string{"FunctionUrlConfig", "Events"} {
			if at(resources, id, "Properties", door) != nil {
				t.Errorf("%s has %s", id, door)
			}
		}
	}
}

// TestTemplateReadsItsOwnBindingsOnly: not those of a stack whose name begins alike, and it writes receipts only.
func TestTemplateReadsItsOwnBindingsOnly(t *testing.T) {
	for path, want := range map[string]string{"": "/" + stack, "/teams/siem": "/teams/siem"} {
		arn := "arn:aws:ssm:us-east-1:" + account + ":parameter" + want
		made, _ := deploy(readTemplate(t), chosen("BindingsPath", path))
		for _, function := range functions {
			role := granted(objectAt(made, "Resources"), function+"Role")
			if at(made, "Resources", function+"Role") == nil {
				continue
			}
			for _, c := range []struct {
				action, resource string
				want             bool
			}{
				{"ssm:GetParametersByPath", arn, true},
				{"ssm:GetParametersByPath", arn + "/secrets/prod/okta", true},
				{"ssm:GetParametersByPath", arn + "-2/secrets", false},
				{"ssm:GetParameter", arn + "/receipts/1111", true},
				{"ssm:GetParameter", arn + "-2/receipts/1111", false},
				{"ssm:PutParameter", arn + "/receipts/1111", true},
				{"ssm:PutParameter", arn + "/secrets/prod/okta/1111", false},
				{"ssm:PutParameter", arn + "/receipts", false},
				{"ssm:PutParameter", arn + "-2/receipts/1111", false},
			} {
				if got := allowed(role, c.action, c.resource); got != c.want {
					t.Errorf("with BindingsPath %q, %sRole may %s of %s: %t, want %t", path, function, c.action, c.resource, got, c.want)
				}
			}
		}
	}
}

// An event pattern may have 2,048 characters and a managed policy 6,144, spaces aside.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
func TestTemplateListsFitWhereTheyGo(t *testing.T) {
	template := readTemplate(t)
	full := func(name, one string) string {
		limit, _ := at(template, "Parameters", name, "MaxLength").(int)
		return strings.TrimSuffix(strings.Repeat(one+",", limit/(len(one)+1)), ",")
	}
	const secret = "arn:aws-us-gov:secretsmanager:us-gov-west-1:" + account + ":secret:prod/okta-AbCdEf"
	choice := everything()
	choice["SourceSecretArns"] = full("SourceSecretArns", secret)
	choice["SourceParameterArns"] = full("SourceParameterArns", "arn:aws-us-gov:ssm:us-gov-west-1:"+account+":parameter/prod/okta")
	choice["KmsKeyArns"] = full("KmsKeyArns", "arn:aws-us-gov:kms:us-gov-west-1:"+account+":key/1234abcd-12ab-34cd-56ef-1234567890ab")
	for _, alone := range []bool{false, true} {
		if alone { // then the lists are in the patterns too
			choice["SourceSecretPrefix"], choice["SourceParameterPrefix"], choice["SourceTag"] = "", "", ""
		} else {
			choice["SourceSecretPrefix"], choice["SourceParameterPrefix"] = strings.Repeat("x", 256), "/"+strings.Repeat("x", 1023)
		}
		made, refused := deploy(template, choice)
		if refused != nil {
			t.Fatal(refused)
		}
		resources := objectAt(made, "Resources")
		for _, id := range ofType(resources, "AWS::Events::Rule") {
			if size := sizeOf(t, at(resources, id, "Properties", "EventPattern")); size > 2048 {
				t.Errorf("%s has a pattern of %d characters", id, size)
			}
		}
		for _, id := range ofType(resources, "AWS::IAM::ManagedPolicy") {
			if size := sizeOf(t, at(resources, id, "Properties", "PolicyDocument")); size > 6144 {
				t.Errorf("%s has %d characters", id, size)
			}
		}
	}
}

func sizeOf(t *testing.T, v any) int {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return len(text)
}

// TestTemplateGrantsOnlyTheSourcesThatAreNamed in the parameters, whichever of them names it.
func TestTemplateGrantsOnlyTheSourcesThatAreNamed(t *testing.T) {
	const secret = "arn:aws:secretsmanager:us-east-1:" + account + ":secret:"
	const parameter = "arn:aws:ssm:us-east-1:" + account + ":parameter/"
	two := answers["SourceSecretArns"][1]
	for _, c := range []struct {
		name    string
		choice  object
		secrets []any
		tag     any
		params  []any
	}{
		{"a prefix", chosen(), []any{secret + "prod/*"}, nil, nil},
		{"ARNs", chosen("SourceSecretPrefix", "", "SourceSecretArns", two), list(listed(two)), nil, nil},
		{"a tag", chosen("SourceSecretPrefix", "", "SourceTag", "prod"), []any{secret + "*"}, "prod", []any{parameter + "*"}},
		{"a prefix and ARNs", chosen("SourceSecretArns", two), append([]any{secret + "prod/*"}, list(listed(two))...), nil, nil},
		{"parameters", chosen("SourceSecretPrefix", "", "SourceParameterPrefix", "/prod/"), nil, nil, []any{parameter + "prod/*"}},
		{"ARNs of parameters", chosen("SourceSecretPrefix", "", "SourceParameterArns", parameter+"a"), nil, nil, []any{parameter + "a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			choice := maps.Clone(c.choice)
			choice["DatadogCredentialsArn"], choice["DatadogOrgUuid"] = "", answers["DatadogOrgUuid"][1]
			made, refused := deploy(readTemplate(t), choice)
			if refused != nil {
				t.Fatal(refused)
			}
			var secrets, params []any
			for _, statement := range granted(objectAt(made, "Resources"), "RelayRole") {
				actions := fmt.Sprint(statement["Action"])
				of := list(statement["Resource"])
				switch {
				case strings.Contains(actions, "secretsmanager:"):
					secrets = append(secrets, of...)
				case actions == "ssm:GetParameter":
					params = append(params, of...)
				default:
					continue
				}
				if tag := at(statement, "Condition", "StringEquals", sourceTag); tag != c.tag {
					t.Errorf("%v may be read with the tag %v, want %v", of, tag, c.tag)
				}
			}
			if !reflect.DeepEqual(secrets, c.secrets) || !reflect.DeepEqual(params, c.params) {
				t.Errorf("the secrets that may be read are %v, the parameters %v, want %v and %v", secrets, params, c.secrets, c.params)
			}
		})
	}
}

func listed(text string) []any {
	var items []any
	for _, item := range strings.Split(text, ",") {
		items = append(items, item)
	}
	return items
}

// granted returns the statements of a role, from all its policies.
func granted(resources object, role string) []object {
	found := statements(at(resources, role, "Properties", "Policies"))
	for _, policy := range list(at(resources, role, "Properties", "ManagedPolicyArns")) {
		found = append(found, statements(resources[fmt.Sprint(at(policy, "Ref"))])...)
	}
	for _, id := range ofType(resources, "AWS::IAM::RolePolicy") {
		if at(resources, id, "Properties", "RoleName", "Ref") == role {
			found = append(found, statements(resources[id])...)
		}
	}
	return found
}

func TestTemplateGrantsTheCallsThatTheCodeMakes(t *testing.T) {
	deployed, _ := deploy(readTemplate(t), everything())
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

func TestTooWideGrantsAreFound(t *testing.T) {
	for _, c := range []struct{ name, statement, want string }{
		{"one action, one resource", `{Effect: Allow, Action: sqs:SendMessage, Resource: !GetAtt Queue.Arn}`, ""},
		{"a prefix of names", `{Effect: Allow, Action: [s:Get], Resource: !Sub 'arn:aws:s:r:1:secret:${Prefix}*'}`, ""},
		{"all below a path", `{Effect: Allow, Action: [s:Get], Resource: !Sub 'arn:aws:s:r:1:parameter${Path}/*'}`, ""},
		{"a wide denial", `{Effect: Deny, Principal: "*", Action: sqs:*, Resource: "*"}`, ""},
		{"a role's trust", `{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}`, ""},
		{
			"a key through one service", `{Effect: Allow, Action: kms:Decrypt, Resource: !Split [",", !Ref Keys],
			  Condition: {StringLike: {kms:ViaService: [ssm.*.amazonaws.com]}}}`, "",
		},
		{
			"a key through every service", `{Effect: Allow, Action: kms:Decrypt, Resource: !Ref Key,
			  Condition: {StringLike: {kms:ViaService: [ssm.*.amazonaws.com, "*.amazonaws.com"]}}}`, "kms:ViaService",
		},
		{
			"what has a tag", `{Effect: Allow, Action: s:Get, Resource: !Sub 'arn:aws:s:r:1:secret:*',
			  Condition: {StringEquals: {aws:ResourceTag/credential-relay: !Ref Tag}}}`, "",
		},
		{
			"what has any tag", `{Effect: Allow, Action: s:Get, Resource: !Sub 'arn:aws:s:r:1:secret:*',
			  Condition: {StringLike: {aws:ResourceTag/credential-relay: "*"}}}`, "resource",
		},
		{
			"everything that has a tag", `{Effect: Allow, Action: s:Get, Resource: "*",
			  Condition: {StringEquals: {aws:ResourceTag/credential-relay: !Ref Tag}}}`, "resource",
		},
		{"where one cannot name a thing", `{Effect: Allow, Action: [xray:PutTraceSegments], Resource: "*"}`, ""},
		{"where one cannot, and where one can", `{Effect: Allow, Action: [xray:PutTraceSegments, s:Get], Resource: "*"}`, "resource"},
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
		{"everyone", `{Effect: Allow, Principal: "*", Action: s:Get, Resource: !GetAtt S.Arn}`, "principal"},
		{"everyone with an account", `{Effect: Allow, Principal: {AWS: "*"}, Action: s:Get, Resource: !GetAtt S.Arn}`, "principal"},
		{"a key for all it encrypts", `{Effect: Allow, Action: [kms:Decrypt], Resource: !Ref Key}`, "kms:ViaService"},
		{"what a text splits to", `{Effect: Allow, Action: s:Get, Resource: !Split [",", "a,*"]}`, "resource"},
		{"a list and a prefix", `{Effect: Allow, Action: s:Get, Resource: !Split [",", !Join [",", [!If [C, !Sub 'arn:aws:s:r:1:secret:${P}*', !Ref AWS::NoValue], !Ref List]]]}`, ""},
		{"a list and everything", `{Effect: Allow, Action: s:Get, Resource: !Split [",", !Join [",", [!Ref List, !If [C, "*", !Ref AWS::NoValue]]]]}`, "resource"},
		{"a service for any resource", `{Effect: Allow, Principal: {Service: s}, Action: s:Send, Resource: !GetAtt S.Arn}`, "aws:SourceArn"},
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

// tooWide returns what a policy statement grants beyond one action on one resource, or on resources whose names begin alike.
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
		if !narrow(resource) && !unnameable(actions, resource) && !tagged(statement, resource) {
			fault("resource %v is not one thing, nor those whose names begin alike", resource)
		}
	}
	if len(resources) == 0 && !trust {
		fault("it names no resource")
	}
	principal := statement["Principal"]
	if strings.Contains(fmt.Sprint(principal), "*") {
		fault("principal %v is everyone", principal)
	}
	if at(principal, "Service") != nil && !trust && at(statement, "Condition", "ArnEquals", "aws:SourceArn") == nil {
		fault("without ArnEquals aws:SourceArn, %v may act here for any resource", principal)
	}
	through := list(at(statement, "Condition", "StringLike", "kms:ViaService"))
	if strings.Contains(fmt.Sprint(actions), "kms:") && (len(through) == 0 || slices.ContainsFunc(through, func(service any) bool {
		return service != "secretsmanager.*.amazonaws.com" && service != "ssm.*.amazonaws.com"
	})) {
		fault("without kms:ViaService of the two stores alone, the key opens all that it encrypts")
	}
	return faults
}

const sourceTag = "aws:ResourceTag/credential-relay"

// tagged says whether a resource is all of one kind in this account and region, of which a statement grants those with
// one tag.
func tagged(statement object, resource any) bool {
	text, _ := at(resource, "Fn::Sub").(string)
	return at(statement, "Condition", "StringEquals", sourceTag, "Ref") != nil && strings.HasPrefix(text, "arn:") && strings.Count(text, "*") == 1
}

// unnameable reports whether AWS accepts no other resource than "*" for all these actions.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html
func unnameable(actions []any, resource any) bool {
	return resource == "*" && len(actions) > 0 && !slices.ContainsFunc(actions, func(action any) bool {
		return action != "xray:PutTraceSegments" && action != "xray:PutTelemetryRecords"
	})
}

// narrow says whether a resource is one thing, or those whose names begin alike: a star only at the end, after some of
// the name. A reference is one thing; TestTemplateParametersRefuseWhatWidensAPolicy keeps stars out of parameters.
func narrow(resource any) bool {
	if parts := list(at(resource, "Fn::Split")); len(parts) == 2 {
		joined := list(at(parts[1], "Fn::Join"))
		if len(joined) != 2 {
			return at(parts[1], "Ref") != nil
		}
		return !slices.ContainsFunc(leaves(joined[1]), func(item any) bool { return !narrow(item) })
	}
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

// leaves returns the values that v can have: the items of lists and both branches of every !If.
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
