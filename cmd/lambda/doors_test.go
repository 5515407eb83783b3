package main

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// These tests check the template's doors against its parameters: each door exists when it was chosen, only those who may
// come in by it, and the rest of the template works without the doors that were not chosen.

func TestTemplateRefusesContradictions(t *testing.T) {
	const secret = "arn:aws:secretsmanager:us-east-1:" + account + ":secret:s-AbCdEf"
	for _, c := range []struct {
		name   string
		choice object
		want   string // of the one assertion that does not hold; empty when all do
	}{
		{"the least", chosen(), ""},
		{"everything", everything(), ""},
		{"nothing to read", chosen("SourceSecretPrefix", ""), "Set SourceSecretPrefix, SourceSecretArns"},
		{"a tag alone", chosen("SourceSecretPrefix", "", "SourceTag", "prod"), ""},
		{"parameters alone", chosen("SourceSecretPrefix", "", "SourceParameterPrefix", "/prod/"), ""},
		{"CloudTrail without secrets", chosen("SourceSecretPrefix", "", "SourceParameterPrefix", "/p", "CloudTrailEvents", "on"), "with secrets only"},
		{"rotation without secrets", chosen("SourceSecretPrefix", "", "SourceParameterArns", "a", "StagedRotation", "on"), "with secrets only"},
		{"a binding of a secret without secrets", chosen("SourceSecretPrefix", "", "SourceParameterPrefix", "/p", "BindingSecret", "prod/okta"), "with secrets only"},
		{"rotation by ARNs", chosen("SourceSecretPrefix", "", "SourceSecretArns", secret, "StagedRotation", "on"), ""},
		{"a binding", chosen("BindingSecret", "prod/okta"), ""},
		{"a binding without an id", object{"BindingSecret": "prod/okta", "BindingIntegrationType": "OKTA"}, "set all of BindingSecret"},
		{"a binding without a type", object{"BindingSecret": "prod/okta", "BindingConfigId": "1111"}, "set all of BindingSecret"},
		{"a binding without a secret", object{"BindingConfigId": "1111", "BindingIntegrationType": "OKTA"}, "set all of BindingSecret"},
		{"signatures without a secret", chosen("WebhookAuth", "signature"), "set WebhookSecretArn"},
		{"signatures", chosen("WebhookAuth", "signature", "WebhookSecretArn", secret), ""},
		{"a secret for IAM", chosen("WebhookAuth", "iam", "WebhookSecretArn", secret), "Leave WebhookSecretArn empty"},
		{"a secret without a webhook", chosen("WebhookAuth", "off", "WebhookSecretArn", secret), "Leave WebhookSecretArn empty"},
		{"an address", chosen("AlarmEmail", "siem@example.com"), ""},
		{"an address and a topic", chosen("AlarmEmail", "siem@example.com", "AlarmTopicArn", "arn:aws:sns:r:1:t"), "AlarmEmail"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, refused := deploy(readTemplate(t), c.choice)
			if c.want == "" && len(refused) > 0 || c.want != "" && (len(refused) != 1 || !strings.Contains(refused[0], c.want)) {
				t.Errorf("it is refused with %q, want %q", refused, c.want)
			}
		})
	}
}

func TestTemplateIsWholeWhateverIsChosen(t *testing.T) {
	if len(deployed()) < 100 {
		t.Fatalf("there are only %d deployments", len(deployed()))
	}
	for _, d := range deployed() {
		for _, fault := range danglingReferences(d.template) {
			t.Fatalf("with %v: %s", d.choice, fault)
		}
	}
}

func TestTemplateAuthenticatesWebhookCallers(t *testing.T) {
	seen := map[any]bool{}
	for _, d := range deployed() {
		auth, resources := d.choice["WebhookAuth"], d.resources()
		if auth == nil {
			auth = answers["WebhookAuth"][0]
		}
		seen[auth] = true
		routes := ofType(resources, "AWS::ApiGatewayV2::Route")
		apis := ofType(resources, "AWS::ApiGatewayV2::Api")
		if want := map[any]int{"off": 0, "iam": 1, "signature": 1}[auth]; len(apis) != want || len(routes) != want {
			t.Errorf("with WebhookAuth %s there are the APIs %v and the routes %v", auth, apis, routes)
		}
		for _, kind := range []string{"AWS::Serverless::HttpApi", "AWS::Serverless::Api", "AWS::Lambda::Url"} {
			if found := ofType(resources, kind); len(found) > 0 {
				t.Errorf("%v is a way in that this test does not know", found)
			}
		}
		// The other functions have no signing secret, and could not read it.
		var secret any
		for _, id := range ofType(resources, "AWS::Serverless::Function") {
			given := at(resources, id, "Properties", "Environment", "Variables", "WEBHOOK_SECRET_ARN")
			if id == "WebhookFunction" {
				secret = given
			} else if given != nil {
				t.Errorf("%s has the signing secret %v", id, given)
			}
		}
		may := grantOf(granted(resources, "WebhookRole"), secret)
		for _, id := range routes {
			switch got := at(resources, id, "Properties", "AuthorizationType"); {
			case auth == "iam" && got == "AWS_IAM" && secret == nil:
			case auth == "signature" && got == "NONE" && secret != nil && slices.Equal(may, []any{"secretsmanager:GetSecretValue"}):
			default:
				t.Fatalf("with WebhookAuth %s, %s has AuthorizationType %v, and the function the signing secret %v, with which it may %v",
					auth, id, got, secret, may)
			}
		}
	}
	if len(seen) != 3 {
		t.Errorf("only with %v is anything deployed", seen)
	}
}

func TestTemplateLeadsTheWebhookToTheFunction(t *testing.T) {
	source, err := os.ReadFile(root + "handler/webhook.go")
	if err != nil {
		t.Fatal(err)
	}
	path := regexp.MustCompile(`webhookPath += "(.+)"`).FindSubmatch(source)
	if path == nil {
		t.Fatal("handler/webhook.go has no webhookPath")
	}
	route := "POST " + string(path[1])
	resources := objectAt(readTemplate(t), "Resources")
	integration := objectAt(resources, "WebhookIntegration", "Properties")
	stage := objectAt(resources, "WebhookStage", "Properties")
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"the route is", at(resources, "WebhookRoute", "Properties", "RouteKey"), route},
		{"it leads to", at(resources, "WebhookRoute", "Properties", "Target"), object{"Fn::Sub": "integrations/${WebhookIntegration}"}},
		{"which leads to", integration["IntegrationUri"], getAtt("WebhookFunction")},
		{"in the format", integration["PayloadFormatVersion"], "2.0"},
		{"the API may call", at(resources, "WebhookPermission", "Properties", "FunctionName"), object{"Ref": "WebhookFunction"}},
		{
			"by this route alone", at(resources, "WebhookPermission", "Properties", "SourceArn"),
			object{"Fn::Sub": "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${WebhookApi}/*/" + strings.Replace(route, " ", "", 1)},
		},
		{"what is logged goes to", at(stage, "AccessLogSettings", "DestinationArn"), getAtt("WebhookAccessLogGroup")},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s %v, want %v", c.name, c.got, c.want)
		}
	}
	timeout, _ := at(resources, "WebhookFunction", "Properties", "Timeout").(int)
	if wait, _ := integration["TimeoutInMillis"].(int); wait > 30_000 || timeout <= 0 || wait < 1000*(timeout+1) {
		t.Errorf("the gateway is to wait %d ms, and waits 30 s at most; the function may take %d s", wait, timeout)
	}
	throttles := objectAt(stage, "DefaultRouteSettings")
	for _, name := range []string{"ThrottlingRateLimit", "ThrottlingBurstLimit"} {
		if limit, _ := throttles[name].(int); limit <= 0 || limit > 10 {
			t.Errorf("%s is %v, want a low one", name, throttles[name])
		}
	}
	format := fmt.Sprint(at(stage, "AccessLogSettings", "Format"))
	for _, leaked := range []string{"header", "body", "query"} {
		if strings.Contains(strings.ToLower(format), leaked) {
			t.Errorf("the access log holds the %s: %s", leaked, format)
		}
	}
	for _, logged := range []string{"requestTime", "identity.sourceIp", "identity.userArn", "status"} {
		if !strings.Contains(format, `"$context.`+logged+`"`) {
			t.Errorf("the access log lacks the %s: %s", logged, format)
		}
	}
}

func TestTemplateReconcilesBySchedule(t *testing.T) {
	template := readTemplate(t)
	for _, schedule := range []string{"off", "rate(1 hour)"} {
		deployed, _ := deploy(template, object{"ReconcileSchedule": schedule})
		got := objectAt(deployed, "Resources", "Reconcile", "Properties")
		if schedule == "off" {
			if got != nil {
				t.Error("there is a schedule, although none is wanted")
			}
			continue
		}
		target := objectAt(got, "Target")
		// With an Input, the function would take the event for one by hand, and not fail.
		if got["ScheduleExpression"] != schedule || !reflect.DeepEqual(target["Arn"], any(getAtt("ReconcileFunction"))) || target["Input"] != nil {
			t.Errorf("the schedule is %v, want %s, for ReconcileFunction and without Input", got, schedule)
		}
		if !reflect.DeepEqual(target["RoleArn"], getAtt("ScheduleRole")) || target["RetryPolicy"] == nil {
			t.Errorf("the schedule's target is %v, want RoleArn of ScheduleRole and a RetryPolicy", target)
		}
		may := granted(objectAt(deployed, "Resources"), "ScheduleRole")
		invoke, send := grantOf(may, getAtt("ReconcileFunction")), grantOf(may, getAtt("DeadLetterQueue"))
		if len(may) != 2 || !slices.Equal(invoke, []any{"lambda:InvokeFunction"}) || !slices.Equal(send, []any{"sqs:SendMessage"}) {
			t.Errorf("ScheduleRole may %v, want to invoke the function and send to the dead-letter queue", may)
		}
	}
}

func TestTemplateLetsSecretsManagerRotateOnlyWhenAsked(t *testing.T) {
	const move = "secretsmanager:UpdateSecretVersionStage"
	for _, d := range deployed() {
		on := d.choice["StagedRotation"] == "on"
		callers := 0
		for _, id := range ofType(d.resources(), "AWS::Lambda::Permission") {
			permission := objectAt(d.resources(), id, "Properties")
			if permission["Principal"] != "secretsmanager.amazonaws.com" {
				continue
			}
			callers++
			if permission["SourceAccount"] != account || !reflect.DeepEqual(permission["FunctionName"], object{"Ref": "RotationFunction"}) {
				t.Errorf("%s lets Secrets Manager call %v, for %v", id, permission["FunctionName"], permission["SourceAccount"])
			}
		}
		movers := 0
		for _, role := range ofType(d.resources(), "AWS::IAM::Role") {
			for _, statement := range granted(d.resources(), role) {
				if !slices.Contains(leaves(statement["Action"]), any(move)) {
					continue
				}
				movers++
				only := objectAt(statement, "Condition", "StringEquals")
				rotatedBy, label := only["secretsmanager:resource/AllowRotationLambdaArn"], only["secretsmanager:VersionStage"]
				if role != "RotationRole" || !reflect.DeepEqual(rotatedBy, any(getAtt("RotationFunction"))) || label != "AWSCURRENT" {
					t.Errorf("%s may move the label %v, of secrets that are rotated by %v", role, label, rotatedBy)
				}
			}
		}
		if (callers == 1) != on || (movers > 0) != on {
			t.Fatalf("with %v, Secrets Manager may call by %d permissions, and labels may be moved by %d statements", d.choice, callers, movers)
		}
		if (at(d.template, "Outputs", "RotationFunctionArn") != nil) != on {
			t.Errorf("with %v, the outputs are %v", d.choice, at(d.template, "Outputs"))
		}
	}
}

// grantOf returns the actions that the statements allow on exactly this resource.
func grantOf(all []object, resource any) []any {
	var actions []any
	for _, statement := range all {
		if resource != nil && statement["Effect"] == "Allow" && reflect.DeepEqual(statement["Resource"], resource) {
			actions = append(actions, leaves(statement["Action"])...)
		}
	}
	return actions
}
