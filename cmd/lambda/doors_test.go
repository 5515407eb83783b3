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

// These tests look at what the template makes of what is chosen in its parameters: every door is there when it shall be,
// nobody comes in by it who may not, and the rest of the template does not miss the doors that are left out.

func TestTemplateRefusesContradictions(t *testing.T) {
	template := readTemplate(t)
	for _, choice := range choices() {
		_, refused := deploy(template, choice)
		contradicts := (choice["WebhookAuth"] == "signature") != (choice["WebhookSecretArn"] != "")
		if contradicts != (len(refused) > 0) {
			t.Fatalf("%v is refused with %q, want a refusal: %t", choice, refused, contradicts)
		}
	}
}

func TestTemplateIsWholeWhateverIsChosen(t *testing.T) {
	template := readTemplate(t)
	for _, choice := range choices() {
		deployed, refused := deploy(template, choice)
		for _, fault := range danglingReferences(deployed) {
			if refused == nil {
				t.Fatalf("with %v: %s", choice, fault)
			}
		}
	}
}

func TestTemplateLetsNobodyUseTheWebhookUnasked(t *testing.T) {
	template := readTemplate(t)
	seen := map[any]bool{}
	for _, choice := range choices() {
		deployed, refused := deploy(template, choice)
		if refused != nil {
			continue
		}
		auth, resources := choice["WebhookAuth"], objectAt(deployed, "Resources")
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
		secret := at(resources, "RelayFunction", "Properties", "Environment", "Variables", "WEBHOOK_SECRET_ARN")
		granted := grantOf(statements(resources["RelayRole"]), secret)
		for _, id := range routes {
			switch got := at(resources, id, "Properties", "AuthorizationType"); {
			case auth == "iam" && got == "AWS_IAM" && secret == nil:
			case auth == "signature" && got == "NONE" && secret != nil && slices.Equal(granted, []any{"secretsmanager:GetSecretValue"}):
			default:
				t.Fatalf("with WebhookAuth %s, %s has AuthorizationType %v, and the function the signing secret %v, with which it may %v",
					auth, id, got, secret, granted)
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
		{"which leads to", integration["IntegrationUri"], getAtt("RelayFunction")},
		{"in the format", integration["PayloadFormatVersion"], "2.0"},
		{"the API may call", at(resources, "WebhookPermission", "Properties", "FunctionName"), object{"Ref": "RelayFunction"}},
		{
			"by this route alone", at(resources, "WebhookPermission", "Properties", "SourceArn"),
			object{"Fn::Sub": "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${WebhookApi}/*/" + strings.Replace(route, " ", "", 1)},
		},
		{"what is logged goes to", at(stage, "AccessLogSettings", "DestinationArn"), getAtt("WebhookLogGroup")},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s %v, want %v", c.name, c.got, c.want)
		}
	}
	if wait, _ := integration["TimeoutInMillis"].(int); wait <= 0 || wait > 30_000 {
		t.Errorf("the gateway is to wait %d ms; it waits 30 s at most", wait)
	}
	throttles := objectAt(stage, "DefaultRouteSettings")
	for _, name := range []string{"ThrottlingRateLimit", "ThrottlingBurstLimit"} {
		if limit, _ := throttles[name].(int); limit <= 0 || limit > 10 {
			t.Errorf("%s is %v, want a low one", name, throttles[name])
		}
	}
	for _, leaked := range []string{"header", "body", "query"} {
		if format := fmt.Sprint(at(stage, "AccessLogSettings", "Format")); strings.Contains(strings.ToLower(format), leaked) {
			t.Errorf("the access log tells of the %s: %s", leaked, format)
		}
	}
}

func TestTemplateReconcilesBySchedule(t *testing.T) {
	template := readTemplate(t)
	for _, schedule := range []string{"", "rate(1 hour)"} {
		deployed, _ := deploy(template, object{"ReconcileSchedule": schedule})
		got := objectAt(deployed, "Resources", "Reconcile", "Properties")
		if schedule == "" {
			if got != nil {
				t.Error("there is a schedule, although none is wanted")
			}
			continue
		}
		target := objectAt(got, "Target")
		// With an Input, the function would take the event for one by hand, and not fail.
		if got["ScheduleExpression"] != schedule || !reflect.DeepEqual(target["Arn"], getAtt("RelayFunction")) || target["Input"] != nil {
			t.Errorf("the schedule is %v, want %s, for RelayFunction and without Input", got, schedule)
		}
		if !reflect.DeepEqual(target["RoleArn"], getAtt("ReconcileRole")) || target["RetryPolicy"] == nil {
			t.Errorf("the schedule's target is %v, want RoleArn of ReconcileRole and a RetryPolicy", target)
		}
		may := statements(at(deployed, "Resources", "ReconcileRole", "Properties", "Policies"))
		invoke, send := grantOf(may, getAtt("RelayFunction")), grantOf(may, at(target, "DeadLetterConfig", "Arn"))
		if len(may) != 2 || !slices.Equal(invoke, []any{"lambda:InvokeFunction"}) || !slices.Equal(send, []any{"sqs:SendMessage"}) {
			t.Errorf("ReconcileRole may %v, want to invoke the function and send to the dead-letter queue", may)
		}
	}
}

func TestTemplateLetsSecretsManagerRotateOnlyWhenAsked(t *testing.T) {
	template := readTemplate(t)
	const move = "secretsmanager:UpdateSecretVersionStage"
	for _, on := range []bool{false, true} {
		deployed, _ := deploy(template, object{"RotationFunction": map[bool]string{true: "on", false: "off"}[on]})
		resources := objectAt(deployed, "Resources")
		callers := 0
		for _, id := range ofType(resources, "AWS::Lambda::Permission") {
			if permission := objectAt(resources, id, "Properties"); permission["Principal"] == "secretsmanager.amazonaws.com" {
				callers++
				if permission["SourceAccount"] != account {
					t.Errorf("%s lets Secrets Manager call for any account", id)
				}
			}
		}
		moves := slices.DeleteFunc(statements(resources), func(s object) bool {
			return !slices.Contains(leaves(s["Action"]), any(move))
		})
		if want := map[bool]int{true: 1}[on]; callers != want || len(moves) != want {
			t.Errorf("with RotationFunction %t, Secrets Manager may call by %d permissions, and labels may be moved by %v", on, callers, moves)
		}
		for _, statement := range moves {
			by := at(statement, "Condition", "StringEquals", "secretsmanager:resource/AllowRotationLambdaArn")
			if !reflect.DeepEqual(by, getAtt("RelayFunction")) {
				t.Errorf("labels may be moved of secrets that are rotated by %v", by)
			}
		}
		if (at(deployed, "Outputs", "RotationFunctionArn") != nil) != on {
			t.Errorf("with RotationFunction %t, the outputs are %v", on, at(deployed, "Outputs"))
		}
	}
}

// grantOf is what the statements allow to be done with exactly this resource.
func grantOf(all []object, resource any) []any {
	var actions []any
	for _, statement := range all {
		if resource != nil && statement["Effect"] == "Allow" && reflect.DeepEqual(statement["Resource"], resource) {
			actions = append(actions, leaves(statement["Action"])...)
		}
	}
	return actions
}
