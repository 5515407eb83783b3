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

	"credential-relay/datadog"
)

// These tests hold template.yaml, the Makefile and the code together: what one of them promises, the others must keep.
// Its queues are in queue_test.go, its policies in policy_test.go, and how it is read in cloudformation_test.go.

const root = "../../"

// localOnly are the variables that stand for DD_SITE and DD_CREDENTIALS_ARN on somebody's own machine. A key in a
// function's environment could be read by everybody who may describe the function.
var localOnly = []string{"DD_API_URL", "DD_API_KEY", "DD_APP_KEY", "DD_BEARER_TOKEN"}

func TestTemplateAndCodeNameTheSameEnvironment(t *testing.T) {
	template := readTemplate(t)
	variables := objectAt(template, "Resources", "RelayFunction", "Properties", "Environment", "Variables")
	inTemplate := slices.Collect(maps.Keys(variables))
	inCode := environmentTags(t)
	for _, name := range inTemplate {
		if slices.Contains(localOnly, name) {
			t.Errorf("template.yaml sets %s, which is for local use only", name)
		}
		if !slices.Contains(inCode, name) {
			t.Errorf("template.yaml sets %s, which no code reads", name)
		}
	}
	for _, name := range inCode {
		if !slices.Contains(inTemplate, name) && !slices.Contains(localOnly, name) {
			t.Errorf("the code reads %s, which template.yaml does not set", name)
		}
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

func TestTemplateRunsWhatTheMakefileBuilds(t *testing.T) {
	const id = "RelayFunction"
	function := at(readTemplate(t), "Resources", id)
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"Handler", at(function, "Properties", "Handler"), "bootstrap"},
		{"Runtime", at(function, "Properties", "Runtime"), "provided.al2023"},
		{"Architectures", at(function, "Properties", "Architectures"), []any{"arm64"}},
		{"CodeUri", at(function, "Properties", "CodeUri"), "."},
		{"BuildMethod", at(function, "Metadata", "BuildMethod"), "makefile"},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s is %v, want %v", c.name, c.got, c.want)
		}
	}

	makefile, err := os.ReadFile(root + "Makefile")
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?m)^ARCH := arm64$`).Match(makefile) {
		t.Error("the Makefile does not build for arm64")
	}
	recipe := regexp.MustCompile(`(?m)^build-` + id + `:.*\n((?:\t.*\n)+)`).FindSubmatch(makefile)
	if recipe == nil {
		t.Fatalf("the Makefile has no target build-%s, which sam build calls", id)
	}
	for _, want := range []string{
		"CGO_ENABLED=0", "GOOS=linux", "GOARCH=$(ARCH)", "-trimpath", "-tags lambda.norpc",
		`-o "$(ARTIFACTS_DIR)/bootstrap" ./cmd/lambda` + "\n",
	} {
		if !strings.Contains(string(recipe[1]), want) {
			t.Errorf("build-%s lacks %q:\n%s", id, want, recipe[1])
		}
	}
}

func TestTemplateKeepsTheLogs(t *testing.T) {
	template := readTemplate(t)
	logging := objectAt(template, "Resources", "RelayFunction", "Properties", "LoggingConfig")
	if want := (object{"LogFormat": "JSON", "LogGroup": object{"Ref": "RelayLogGroup"}}); !reflect.DeepEqual(logging, want) {
		t.Errorf("RelayFunction's LoggingConfig is %v, want %v", logging, want)
	}
	for id := range objectAt(template, "Resources") {
		group := objectAt(template, "Resources", id)
		if group["Type"] == "AWS::Logs::LogGroup" && (at(group, "Properties", "RetentionInDays") == nil || group["DeletionPolicy"] != "Retain") {
			t.Errorf("%s is %v, want RetentionInDays and DeletionPolicy: Retain", id, group)
		}
	}
}

func TestTemplateParametersRefuseWhatWidensAPolicy(t *testing.T) {
	const secret = "arn:aws:secretsmanager:us-east-1:111122223333:secret:"
	cases := map[string]struct{ accept, refuse []string }{
		"DatadogCredentialsArn": {
			accept: []string{
				"", secret + "datadog/keys-AbCdEf", "arn:aws-us-gov:ssm:us-gov-west-1:111122223333:parameter/datadog/keys",
			},
			refuse: []string{
				"*", "datadog/keys", secret + "*", secret + "datadog/keys", secret + "datadog/key?-AbCdEf",
				"arn:aws:ssm:us-east-1:111122223333:parameter/*", "arn:aws:s3:::bucket", "x" + secret + "k-AbCdEf",
				secret + "a-AbCdEf," + secret + "b-AbCdEf",
			},
		},
		"DatadogAppKeyArn": {
			accept: []string{"", secret + "datadog/app-AbCdEf", "arn:aws:ssm:us-east-1:111122223333:parameter/datadog/app"},
			refuse: []string{"*", "ddapp_0123456789", secret + "*", secret + "datadog/app", "arn:aws:s3:::bucket"},
		},
		"DatadogOrgUuid": {
			accept: []string{"", "01234567-89ab-cdef-0123-456789abcdef"},
			refuse: []string{"*", "acme", "01234567-89ab-cdef-0123-456789abcde*", "01234567-89ab-cdef-0123-456789abcdef "},
		},
		"SourceSecretPrefix":    {accept: []string{"prod/", "rds!db", "a+b=c@d."}, refuse: []string{"", "*", "prod/*", "${aws:username}"}},
		"SourceParameterPrefix": {accept: []string{"", "/prod/", "/okta"}, refuse: []string{"/", "*", "/*", "prod", "/prod/*"}},
		"KmsKeyArn": {
			accept: []string{
				"", "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
				"arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab",
			},
			refuse: []string{"*", "arn:aws:kms:us-east-1:111122223333:key/*", "arn:aws:kms:us-east-1:111122223333:alias/relay"},
		},
		"ReconcileSchedule": {
			accept: []string{"", "rate(1 hour)", "rate(30 minutes)", "cron(0/15 * * * ? *)", "cron(0 6 ? * MON-FRI *)"},
			refuse: []string{"hourly", "rate(0 hours)", "rate(1 second)", "rate(1 hour) ", "cron()", "at(2026-11-20T10:00:00)"},
		},
		"WebhookSecretArn": {
			accept: []string{"", secret + "relay/webhook-AbCdEf"},
			refuse: []string{
				"*", secret + "*", secret + "relay/webhook", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
				"arn:aws:ssm:us-east-1:111122223333:parameter/webhook",
			},
		},
		"BindingsPath": {accept: []string{"/credential-relay", "/a/b_c.d"}, refuse: []string{"", "/", "*", "/*", "a", "/a/", "//a"}},
	}
	for name, value := range objectAt(readTemplate(t), "Parameters") {
		parameter, _ := value.(object)
		if parameter["AllowedValues"] != nil {
			continue // a list has no room for a star
		}
		c, tested := cases[name]
		if !tested {
			t.Errorf("parameter %s has neither AllowedValues nor a case here", name)
			continue
		}
		pattern, _ := parameter["AllowedPattern"].(string)
		// CloudFormation matches the whole value, and so does this, anchors or not.
		allowed, err := regexp.Compile(`^(?:` + pattern + `)$`)
		if pattern == "" || err != nil {
			t.Errorf("%s has AllowedPattern %q: %v", name, pattern, err)
			continue
		}
		for _, value := range c.accept {
			if !allowed.MatchString(value) {
				t.Errorf("%s refuses %q", name, value)
			}
		}
		for _, value := range c.refuse {
			if allowed.MatchString(value) {
				t.Errorf("%s accepts %q", name, value)
			}
		}
		if parameter["ConstraintDescription"] == nil {
			t.Errorf("%s does not say what to type", name)
		}
	}
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
