package main

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path"
	"strings"
	"testing"
	"time"

	"credential-relay/events"
	"credential-relay/internal/awssim"
	"credential-relay/internal/datadogsim"
)

// TestTemplateGrantsWhatEachFunctionCalls starts each function with the environment that the template gives it, has it
// serve what comes in by its door, and holds every call of AWS that it makes to what its role may. policy_test.go sees to
// it that the roles may do no more than that.
func TestTemplateGrantsWhatEachFunctionCalls(t *testing.T) {
	bootstrap, err := bootstrapPath(exec.LookPath)
	if err != nil {
		t.Fatal(err)
	}
	for door, serve := range map[string]func(*testing.T, *world){
		"Relay": func(t *testing.T, w *world) {
			w.mustInvoke(t, sampleEvent(t, "secret-label-updated.json"))
			w.mustInvoke(t, sampleEvent(t, "parameter-store-change.json"))
			w.aws.DeleteSecret("prod/okta/datadog") // then it is described, to be sure
			w.mustInvoke(t, sampleEvent(t, "delete-secret.json"))
		},
		"Webhook": func(t *testing.T, w *world) {
			r := request{
				gateway: "http", method: "POST", path: "/v1/relay", id: "msg_1", at: time.Now(), secret: canaries["SIGNING"],
				header: map[string]string{"content-type": "application/json"}, body: `{"all": true}`,
			}
			if err := r.sign(); err != nil {
				t.Fatal(err)
			}
			event, _ := json.Marshal(r.event())
			if answer := w.mustInvoke(t, event); !strings.Contains(string(answer), `"statusCode":200`) {
				t.Errorf("the webhook answered %s", answer)
			}
		},
		"Reconcile": func(t *testing.T, w *world) { w.mustInvoke(t, sampleEvent(t, "scheduled-scheduler.json")) },
		"Rotation": func(t *testing.T, w *world) {
			for _, step := range []string{"create", "set", "test", "finish"} {
				w.mustInvoke(t, sampleEvent(t, "rotation-"+step+"-secret.json"))
			}
		},
	} {
		t.Run(door, func(t *testing.T) {
			w, settings, role := asDeployed(t, door)
			defer w.close()
			before := len(w.aws.Calls())
			if err := w.start(bootstrap, settings); err != nil {
				t.Fatal(err)
			}
			serve(t, w)
			calls := w.aws.Calls()[before:]
			for _, call := range calls {
				if action, resource := inIAM(w, call); !allowed(role, action, resource) {
					t.Errorf("%sRole may not %s of %s", door, action, resource)
				}
			}
			if len(calls) < 5 {
				t.Errorf("it made the calls %v only", calls)
			}
			if err := w.leak(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestGrantsThatAreMissingAreFound(t *testing.T) {
	role := []object{
		{"Effect": "Allow", "Action": []any{"s:Get", "s:Describe"}, "Resource": "arn:aws:s:r:1:secret:prod/*"},
		{"Effect": "Deny", "Action": "s:*", "Resource": "arn:aws:s:r:1:secret:prod/*"},
		{"Effect": "Allow", "Action": "s:Put", "Resource": []any{"arn:aws:s:r:1:a", "arn:aws:s:r:1:b"}},
	}
	for _, c := range []struct {
		action, resource string
		want             bool
	}{
		{"s:Get", "arn:aws:s:r:1:secret:prod/a-AbCdEf", true},
		{"s:Put", "arn:aws:s:r:1:b", true},
		{"s:Get", "arn:aws:s:r:1:secret:test/a-AbCdEf", false},
		{"s:Put", "arn:aws:s:r:1:secret:prod/a-AbCdEf", false},
		{"s:Put", "arn:aws:s:r:1:bc", false},
	} {
		if got := allowed(role, c.action, c.resource); got != c.want {
			t.Errorf("%s of %s is allowed: %t, want %t", c.action, c.resource, got, c.want)
		}
	}
}

// asDeployed is a world in which everything is bound, the environment of a function that was deployed there, and what its
// role is granted.
func asDeployed(t *testing.T, door string) (*world, map[string]string, []object) {
	t.Helper()
	w := newWorld()
	credential := fmt.Sprintf(`{"api_token":%q}`, canaries["CANARY"])
	w.aws.PutSecret("prod/okta/datadog", credential)
	w.aws.PutParameter("/prod/sentinelone/datadog", "SecureString", credential)
	w.aws.PutSecret("datadog/keys", fmt.Sprintf(`{"api_key":%q,"app_key":%q}`, canaries["APIKEY"], canaries["APPKEY"]))
	w.aws.PutSecret("webhook", canaries["SIGNING"])
	w.aws.PutParameter("/"+stack+"/secrets/prod/okta/datadog/1111", "String", `{"integration_type":"OKTA","enabled":"follow"}`)
	w.datadog.PutConfig(datadogsim.Config{ID: "1111", Type: "OKTA", Domain: "acme.example.com", State: "valid", ModifiedAt: time.Now().Add(-time.Hour)})
	w.datadog.PutConfig(datadogsim.Config{ID: "2222", Type: "SENTINELONE", Domain: "acme.example.com", State: "valid", ModifiedAt: time.Now().Add(-time.Hour)})
	w.aws.PutParameter("/"+stack+"/parameters/prod/sentinelone/datadog/2222", "String", `{"integration_type":"SENTINELONE"}`)
	for _, call := range [][2]string{
		{"RotateSecret", `{"SecretId":"prod/okta/datadog","RotationLambdaARN":"arn:aws:lambda:us-east-1:111122223333:function:relay","RotationRules":{"AutomaticallyAfterDays":30},"RotateImmediately":false}`},
		{"PutSecretValue", `{"SecretId":"prod/okta/datadog","ClientRequestToken":"0d5e6a8c-93a1-4d1b-8a0f-6f1c2b3d4e21","SecretString":"{\"api_token\":\"` + canaries["CANARY2"] + `\"}","VersionStages":["AWSPENDING"]}`},
	} {
		if answer := w.callAWS(call[0], call[1]); answer.Code != 200 {
			t.Fatalf("%s: %s", call[0], answer.Body)
		}
	}
	made, refused := deploy(readTemplate(t), chosen("SourceParameterPrefix", "/prod/", "CloudTrailEvents", "on", "StagedRotation", "on",
		"DatadogCredentialsArn", w.aws.SecretARN("datadog/keys"), "WebhookAuth", "signature", "WebhookSecretArn", w.aws.SecretARN("webhook")))
	if refused != nil {
		t.Fatal(refused)
	}
	resources := objectAt(made, "Resources")
	settings := map[string]string{"DD_API_KEY": "", "DD_APP_KEY": ""} // those of the other scenarios
	for name, value := range objectAt(resources, door+"Function", "Properties", "Environment", "Variables") {
		settings[name] = fmt.Sprint(value)
	}
	return w, settings, granted(resources, door+"Role")
}

func (w *world) mustInvoke(t *testing.T, event []byte) []byte {
	t.Helper()
	answer, err := w.invoke(event, defaultDeadline)
	if err != nil || answer.functionError {
		t.Errorf("it answered %s, %v", answer.body, err)
	}
	return answer.body
}

func sampleEvent(t *testing.T, name string) []byte {
	t.Helper()
	event, err := events.Files.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return event
}

// inIAM is what a policy calls a call and what it is about.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html
func inIAM(w *world, call awssim.Call) (action, resource string) {
	switch {
	case strings.Contains(call.Operation, "Parameter") && strings.HasPrefix(call.Resource, "arn:"):
		return "ssm:" + call.Operation, call.Resource
	case strings.Contains(call.Operation, "Parameter"):
		return "ssm:" + call.Operation, "arn:aws:ssm:" + awssim.Region + ":" + awssim.Account + ":parameter" + path.Clean("/"+call.Resource)
	case strings.HasPrefix(call.Resource, "arn:"):
		return "secretsmanager:" + call.Operation, call.Resource
	default:
		return "secretsmanager:" + call.Operation, w.aws.SecretARN(call.Resource)
	}
}

// allowed is IAM's matching, as far as the template uses it: of conditions nothing is known here.
func allowed(role []object, action, resource string) bool {
	for _, statement := range role {
		for _, granted := range leaves(statement["Action"]) {
			for _, pattern := range leaves(statement["Resource"]) {
				text := fmt.Sprint(pattern)
				prefix, star := strings.CutSuffix(text, "*")
				if statement["Effect"] == "Allow" && granted == action && (text == resource || star && strings.HasPrefix(resource, prefix)) {
					return true
				}
			}
		}
	}
	return false
}
