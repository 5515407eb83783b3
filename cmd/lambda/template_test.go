package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"credential-relay/cmd/internal/environment"
	"credential-relay/datadog"
	"credential-relay/relay"
)

// These tests hold template.yaml, the Makefile and the code together: what one of them promises, the others must keep.
// queue_test.go checks the queues, policy_test.go the policies. cloudformation_test.go reads the template.

const root = "../../"

// localOnly are the variables for local use, instead of DD_SITE and DD_CREDENTIALS_ARN. Everyone who may describe a function
// could read a key in its environment.
var localOnly = []string{"DD_API_URL", "DD_API_KEY", "DD_APP_KEY", "DD_BEARER_TOKEN"}

// functions are all there are, by their ids, each with what it is for.
var functions = map[string]string{
	"RelayFunction": "Relay", "WebhookFunction": "Webhook", "ReconcileFunction": "Reconcile", "RotationFunction": "Rotation",
}

func TestTemplateHasAFunctionForEachDoor(t *testing.T) {
	template := readTemplate(t)
	resources := objectAt(template, "Resources")
	if got, want := ofType(resources, "AWS::Serverless::Function"), slices.Sorted(maps.Keys(functions)); !slices.Equal(got, want) {
		t.Fatalf("there are the functions %v, want %v", got, want)
	}
	for id, door := range functions {
		properties := objectAt(resources, id, "Properties")
		for _, c := range []struct {
			name      string
			got, want any
		}{
			{"Role", properties["Role"], getAtt(door + "Role")},
			{"LoggingConfig", properties["LoggingConfig"], object{"LogFormat": "JSON", "LogGroup": object{"Ref": "FunctionLogGroup"}}},
		} {
			if !reflect.DeepEqual(c.got, c.want) {
				t.Errorf("%s's %s is %v, want %v", id, c.name, c.got, c.want)
			}
		}
		for _, limit := range []string{"Timeout", "ReservedConcurrentExecutions", "MemorySize"} {
			if properties[limit] == nil {
				t.Errorf("%s has no %s", id, limit)
			}
		}
	}
}

func TestTemplateAndCodeNameTheSameEnvironment(t *testing.T) {
	template := readTemplate(t)
	inCode := environmentTags(t)
	inTemplate := map[string]bool{}
	for id := range functions {
		for name := range objectAt(template, "Resources", id, "Properties", "Environment", "Variables") {
			inTemplate[name] = true
		}
	}
	for name := range inTemplate {
		if slices.Contains(localOnly, name) {
			t.Errorf("template.yaml sets %s, which is for local use only", name)
		}
		if !slices.Contains(inCode, name) && name != "AWS_USE_FIPS_ENDPOINT" { // the SDK reads that
			t.Errorf("template.yaml sets %s, which no code reads", name)
		}
	}
	for _, name := range inCode {
		if !inTemplate[name] && !slices.Contains(localOnly, name) && name != "AWS_LAMBDA_LOG_FORMAT" { // Lambda sets that
			t.Errorf("the code reads %s, which template.yaml does not set", name)
		}
	}
}

// TestTemplateGivesFunctionsAnEnvironmentToStartWith: with every choice of parameters.
func TestTemplateGivesFunctionsAnEnvironmentToStartWith(t *testing.T) {
	started := 0
	for _, d := range deployed() {
		for _, id := range ofType(d.resources(), "AWS::Serverless::Function") {
			var variables []string
			for name, value := range objectAt(d.resources(), id, "Properties", "Environment", "Variables") {
				variables = append(variables, fmt.Sprintf("%s=%v", name, value))
			}
			if _, err := environment.Read(variables); err != nil {
				t.Fatalf("with %v, %s does not start with %q: %v", d.choice, id, variables, err)
			}
			started++
		}
	}
	if started < 100 {
		t.Errorf("only %d functions were started", started)
	}
}

func TestTemplateOffersTheSitesThatTheCodeAccepts(t *testing.T) {
	var offered []string
	for _, site := range list(at(readTemplate(t), "Parameters", "DatadogSite", "AllowedValues")) {
		offered = append(offered, fmt.Sprint(site))
	}
	accepted := slices.Clone(datadog.Sites)
	slices.Sort(offered)
	slices.Sort(accepted)
	if !slices.Equal(offered, accepted) {
		t.Errorf("DatadogSite allows\n%v\nthe code accepts\n%v", offered, accepted)
	}
}

func TestTemplateOffersTheIntegrationTypesThatTheCodeKnows(t *testing.T) {
	var offered []string
	for _, name := range list(at(readTemplate(t), "Parameters", "BindingIntegrationType", "AllowedValues")) {
		if name != "" {
			offered = append(offered, fmt.Sprint(name))
		}
	}
	var known []string
	source := document(t, "datadog/integration_config.go")
	for _, constant := range regexp.MustCompile(`(?m)^\t\w+ +IntegrationType = "(\w+)"`).FindAllStringSubmatch(source, -1) {
		known = append(known, constant[1])
		if !relay.HasProfile(datadog.IntegrationType(constant[1])) {
			t.Errorf("a binding to %s needs secrets, which the template's first binding does not have", constant[1])
		}
	}
	slices.Sort(offered)
	slices.Sort(known)
	if len(known) == 0 || !slices.Equal(offered, known) {
		t.Errorf("BindingIntegrationType allows\n%v\nthe code knows\n%v", offered, known)
	}
}

func TestTemplateRunsWhatTheMakefileBuilds(t *testing.T) {
	template := readTemplate(t)
	makefile, err := os.ReadFile(root + "Makefile")
	if err != nil {
		t.Fatal(err)
	}
	rule := regexp.MustCompile(`(?m)^(build-\w+(?: build-\w+)*):.*\n((?:\t.*\n)+)`).FindSubmatch(makefile)
	if rule == nil {
		t.Fatal("the Makefile has no rule for what sam build calls")
	}
	for id := range functions {
		function := at(template, "Resources", id)
		for _, c := range []struct {
			name      string
			got, want any
		}{
			{"Handler", at(function, "Properties", "Handler"), "bootstrap"},
			{"Runtime", at(function, "Properties", "Runtime"), "provided.al2023"},
			{"Architectures", at(function, "Properties", "Architectures"), []any{object{"Ref": "Architecture"}}},
			{"CodeUri", at(function, "Properties", "CodeUri"), "."},
			{"BuildMethod", at(function, "Metadata", "BuildMethod"), "makefile"},
		} {
			if !reflect.DeepEqual(c.got, c.want) {
				t.Errorf("%s's %s is %v, want %v", id, c.name, c.got, c.want)
			}
		}
		if !slices.Contains(strings.Fields(string(rule[1])), "build-"+id) {
			t.Errorf("the Makefile has no target build-%s, which sam build calls", id)
		}
	}
	for _, want := range []string{
		"CGO_ENABLED=0", "GOOS=linux", "GOARCH=", "-trimpath", "-tags lambda.norpc",
		`-o "$(ARTIFACTS_DIR)/bootstrap" ./cmd/lambda` + "\n",
	} {
		if !strings.Contains(string(rule[2]), want) {
			t.Errorf("the recipe lacks %q:\n%s", want, rule[2])
		}
	}
	standard, _ := at(template, "Parameters", "Architecture", "Default").(string)
	if !regexp.MustCompile(`(?m)^Architecture \?= ` + standard + `$`).Match(makefile) {
		t.Errorf("the Makefile does not build for %s by default, and the template expects that", standard)
	}
}

// TestTemplateNamesTheGatewaysLogGroup: another beginning makes API Gateway edit the account's resource policy for logs.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-and-resource-policy.html
func TestTemplateNamesTheGatewaysLogGroup(t *testing.T) {
	made, _ := deploy(readTemplate(t), everything())
	group := at(made, "Resources", "WebhookStage", "Properties", "AccessLogSettings", "DestinationArn")
	id := fmt.Sprint(append(list(at(group, "Fn::GetAtt")), "nothing")[0])
	if name, _ := at(made, "Resources", id, "Properties", "LogGroupName").(string); !strings.HasPrefix(name, "/aws/vendedlogs/") {
		t.Errorf("the gateway logs to %s, whose name is %q", id, name)
	}
}

// TestTemplateCanBeDeployedTwice: a resource with a fixed name cannot exist twice, and one that outlives its stack must not
// be in the way of the next.
func TestTemplateCanBeDeployedTwice(t *testing.T) {
	const guid = "51af3dc0" // of the stack's id
	for _, d := range deployed() {
		for id, resource := range d.resources() {
			for _, property := range []string{
				"FunctionName", "RoleName", "ManagedPolicyName", "TopicName", "AlarmName", "LogGroupName", "QueueName",
				"DashboardName", "Name",
			} {
				name := at(resource, "Properties", property)
				if at(resource, "Type") == "AWS::SSM::Parameter" && d.choice["BindingsPath"] != nil {
					continue // chosen by the user
				}
				text, fixed := name.(string)
				if fixed && !strings.Contains(text, stack) && !strings.Contains(text, guid) ||
					fixed && at(resource, "DeletionPolicy") == "Retain" && !strings.Contains(text, guid) {
					t.Fatalf("with %v, %s has the %s %s", d.choice, id, property, text)
				}
			}
		}
	}
}

// https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/serverless-sam-template-publishing-applications-metadata-properties.html
func TestTemplateCanBePublished(t *testing.T) {
	published := objectAt(readTemplate(t), "Metadata", "AWS::ServerlessRepo::Application")
	for name, pattern := range map[string]string{
		"Name":            `^[a-zA-Z0-9-]{1,140}$`,
		"Description":     `^.{1,256}$`,
		"Author":          `^[a-z0-9](-?[a-z0-9])*$`,
		"SpdxLicenseId":   `^Apache-2\.0$`,
		"SemanticVersion": `^\d+\.\d+\.\d+$`,
	} {
		if text, _ := published[name].(string); !regexp.MustCompile(pattern).MatchString(text) {
			t.Errorf("%s is %q, which does not match %s", name, text, pattern)
		}
	}
	for _, name := range []string{"LicenseUrl", "ReadmeUrl"} {
		document(t, fmt.Sprint(published[name]))
	}
	if labels := list(published["Labels"]); len(labels) == 0 || len(labels) > 10 {
		t.Errorf("Labels are %v, want one to ten", labels)
	}
}

func TestTemplateExplainsItsParameters(t *testing.T) {
	template := readTemplate(t)
	var grouped []string
	for _, group := range list(at(template, "Metadata", "AWS::CloudFormation::Interface", "ParameterGroups")) {
		for _, name := range list(at(group, "Parameters")) {
			grouped = append(grouped, fmt.Sprint(name))
		}
	}
	slices.Sort(grouped)
	if names := slices.Sorted(maps.Keys(objectAt(template, "Parameters"))); !slices.Equal(grouped, names) {
		t.Errorf("the parameters are\n%v\nof which are grouped\n%v", names, grouped)
	}
	for name := range objectAt(template, "Parameters") {
		for _, member := range []string{"Description", "Default"} {
			if at(template, "Parameters", name, member) == nil {
				t.Errorf("%s has no %s", name, member)
			}
		}
	}
}

func TestTemplateParametersRefuseWhatWidensAPolicy(t *testing.T) {
	const secret = "arn:aws:secretsmanager:us-east-1:111122223333:secret:"
	const parameter = "arn:aws:ssm:us-east-1:111122223333:parameter"
	cases := map[string]struct{ accept, refuse []string }{
		"DatadogCredentialsArn": {
			accept: []string{
				"", secret + "datadog/keys-AbCdEf", "arn:aws-us-gov:ssm:us-gov-west-1:111122223333:parameter/datadog/keys",
				secret + "a-AbCdEf," + secret + "b-AbCdEf", secret + "a-AbCdEf,arn:aws:ssm:us-east-1:111122223333:parameter/b",
			},
			refuse: []string{
				"*", "datadog/keys", secret + "*", secret + "datadog/keys", secret + "datadog/key?-AbCdEf", "ddapp_0123456789",
				"arn:aws:ssm:us-east-1:111122223333:parameter/*", "arn:aws:s3:::bucket", "x" + secret + "k-AbCdEf",
				secret + "a-AbCdEf,*", secret + "a-AbCdEf, " + secret + "b-AbCdEf", secret + "a-AbCdEf,",
				secret + "a-AbCdEf," + secret + "b-AbCdEf," + secret + "c-AbCdEf",
			},
		},
		"DatadogOrgUuid": {
			accept: []string{"", "01234567-89ab-cdef-0123-456789abcdef"},
			refuse: []string{"*", "acme", "01234567-89ab-cdef-0123-456789abcde*", "01234567-89ab-cdef-0123-456789abcdef "},
		},
		"SourceSecretPrefix": {accept: []string{"", "prod/", "rds!db", "a+b=c@d."}, refuse: []string{"*", "prod/*", "${aws:username}"}},
		"SourceSecretArns": {
			accept: []string{"", secret + "a-AbCdEf", secret + "a-AbCdEf," + secret + "b-AbCdEf"},
			refuse: []string{"*", secret + "*", secret + "a", secret + "a-AbCdEf," + secret + "*", secret + "a-AbCdEf, " + secret + "b-AbCdEf", secret + "a-AbCdEf,"},
		},
		"SourceParameterArns": {
			accept: []string{"", parameter + "/a", parameter + "/a," + parameter + "/b"},
			refuse: []string{"*", parameter + "/*", parameter + "/", parameter + "/a,*", parameter + "/a, " + parameter + "/b", secret + "a-AbCdEf"},
		},
		"SourceTag":       {accept: []string{"", "prod", "team:siem"}, refuse: []string{"*", "prod*", "${aws:username}", "a?"}},
		"BindingSecret":   {accept: []string{"", "prod/okta/datadog", "okta"}, refuse: []string{"/prod", "prod/", "a//b", "rds!db", "*", secret + "a-AbCdEf"}},
		"BindingConfigId": {accept: []string{"", "11111111-2222-3333-4444-555555555555"}, refuse: []string{"a/b", "*", "a b"}},
		"EventBusName":    {accept: []string{"default", "siem", "aws.partner/x/1"}, refuse: []string{"", "*", "arn:aws:events:us-east-1:111122223333:event-bus/siem"}},
		"AlarmEmail":      {accept: []string{"", "siem@example.com"}, refuse: []string{"siem", "a@b", "a@b.c d@e.f"}},
		"AlarmTopicArn": {
			accept: []string{"", "arn:aws:sns:us-east-1:111122223333:pages"},
			refuse: []string{"*", "pages", "arn:aws:sns:us-east-1:111122223333:*", "arn:aws:sqs:us-east-1:111122223333:pages"},
		},
		"RunbookUrl":            {accept: []string{"", "https://wiki.example/runbook?page=1"}, refuse: []string{"docs/RUNBOOK.md", "a b", "https://wiki.example/#top"}},
		"SourceParameterPrefix": {accept: []string{"", "/prod/", "/okta"}, refuse: []string{"/", "*", "/*", "prod", "/prod/*"}},
		"KmsKeyArns": {
			accept: []string{
				"", "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
				"arn:aws:kms:us-east-1:111122223333:key/a,arn:aws:kms:us-east-1:444455556666:key/b",
				"arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab",
			},
			refuse: []string{"*", "arn:aws:kms:us-east-1:111122223333:key/*", "arn:aws:kms:us-east-1:111122223333:alias/relay"},
		},
		"ReconcileSchedule": {
			accept: []string{"off", "rate(1 hour)", "rate(30 minutes)", "cron(0/15 * * * ? *)", "cron(0 6 ? * MON-FRI *)"},
			refuse: []string{"", "hourly", "offrate(1 hour)", "rate(0 hours)", "rate(1 second)", "rate(1 hour) ", "cron()", "at(2026-11-20T10:00:00)"},
		},
		"WebhookSecretArn": {
			accept: []string{"", secret + "relay/webhook-AbCdEf"},
			refuse: []string{
				"*", secret + "*", secret + "relay/webhook", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
				"arn:aws:ssm:us-east-1:111122223333:parameter/webhook",
			},
		},
		"BindingsPath": {accept: []string{"", "/credential-relay", "/a/b_c.d"}, refuse: []string{"/", "*", "/*", "a", "/a/", "//a", "/aws/relay", "/SSM-relay"}},
	}
	for name, value := range objectAt(readTemplate(t), "Parameters") {
		parameter, _ := value.(object)
		if parameter["AllowedValues"] != nil || parameter["Type"] == "Number" {
			continue // which have no room for a star
		}
		c, tested := cases[name]
		if !tested {
			t.Errorf("parameter %s has neither AllowedValues nor a case here", name)
			continue
		}
		pattern, _ := parameter["AllowedPattern"].(string)
		allowed, err := allows(pattern)
		if pattern == "" || err != nil {
			t.Errorf("%s has AllowedPattern %q: %v", name, pattern, err)
			continue
		}
		for _, value := range c.accept {
			if !allowed(value) {
				t.Errorf("%s refuses %q", name, value)
			}
		}
		for _, value := range c.refuse {
			if allowed(value) {
				t.Errorf("%s accepts %q", name, value)
			}
		}
		if parameter["ConstraintDescription"] == nil {
			t.Errorf("%s does not say what to type", name)
		}
	}
}

// refusal is what Java's expressions have, which CloudFormation's are, and Go's lack: at the beginning, what must not follow.
var refusal = regexp.MustCompile(`^\^\(\?!((?:[^()]|\([^()]*\))*)\)`)

// allows is how CloudFormation matches a value: as a whole, anchors or not.
func allows(pattern string) (func(value string) bool, error) {
	refused := regexp.MustCompile(`$^`)
	if found := refusal.FindStringSubmatch(pattern); found != nil {
		pattern, refused = strings.TrimPrefix(pattern, found[0]), regexp.MustCompile(`^(?:`+found[1]+`)`)
	}
	allowed, err := regexp.Compile(`^(?:` + pattern + `)$`)
	return func(value string) bool {
		return allowed.MatchString(value) && (value == "" || !refused.MatchString(value))
	}, err
}

// environmentTags are the names that the code reads, from its `env:"NAME"` struct tags.
func environmentTags(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), root+"cmd/internal/environment/environment.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	ast.Inspect(file, func(n ast.Node) bool {
		if field, ok := n.(*ast.Field); ok && field.Tag != nil {
			tag, _ := strconv.Unquote(field.Tag.Value)
			if name, _, _ := strings.Cut(reflect.StructTag(tag).Get("env"), ","); name != "" {
				names = append(names, name)
			}
		}
		return true
	})
	return names
}

// stringsOf are the strings in the value of a variable of the code.
func stringsOf(t *testing.T, path, variable string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), root+path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	ast.Inspect(file, func(n ast.Node) bool {
		if value, ok := n.(*ast.ValueSpec); ok && value.Names[0].Name != variable {
			return false
		}
		if text, ok := n.(*ast.BasicLit); ok && text.Kind == token.STRING {
			unquoted, _ := strconv.Unquote(text.Value)
			found = append(found, unquoted)
		}
		_, function := n.(*ast.FuncDecl)
		_, imported := n.(*ast.ImportSpec)
		return !function && !imported
	})
	return found
}
