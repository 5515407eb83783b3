package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"credential-relay/internal/datadogsim"
	"credential-relay/relay"
)

const (
	stack       = "siem-7f3e" // whose metrics they are, and what is deployed in these tests
	unknownType = "TYPE_OF_THE_FUTURE"
)

// units are the metrics that there are, and their units.
var units = map[string]string{"Relays": "Count", "TimeToUpdate": "Milliseconds", "SignatureUnavailable": "Count"}

// metadata is the _aws member of a line.
type metadata struct {
	Timestamp         int64
	CloudWatchMetrics []directive
}

type directive struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []definition
}

type definition struct{ Name, Unit string }

// emitted is a metric that the function has emitted, with one set of dimensions.
type emitted struct {
	namespace, name, unit string
	dimensions            map[string]string
}

// emittedMetrics are the metrics that the function emits over events that bring
// about every outcome, each once.
func emittedMetrics(t *testing.T) []emitted {
	t.Helper()
	return metricsIn(metricLines(t))
}

func metricsIn(lines []logLine) []emitted {
	seen := map[string]emitted{}
	for _, line := range lines {
		for _, directive := range line.metadata.CloudWatchMetrics {
			for _, set := range directive.Dimensions {
				for _, metric := range directive.Metrics {
					one := emitted{directive.Namespace, metric.Name, metric.Unit, map[string]string{}}
					for _, name := range set {
						one.dimensions[name], _ = line.members[name].(string)
					}
					seen[fmt.Sprint(one)] = one
				}
			}
		}
	}
	var metrics []emitted
	for _, key := range slices.Sorted(maps.Keys(seen)) {
		metrics = append(metrics, seen[key])
	}
	return metrics
}

// logLine is a line of the log, and what is in its _aws, if it has one.
type logLine struct {
	members  map[string]any
	metadata metadata
}

func (l logLine) text(name string) string {
	text, _ := l.members[name].(string)
	return text
}

// metricLines are the lines of the log that are metrics.
func metricLines(t *testing.T) []logLine {
	t.Helper()
	return slices.DeleteFunc(slices.Clone(playedLines(t)), func(l logLine) bool { return l.members["_aws"] == nil })
}

func playedLines(t *testing.T) []logLine {
	t.Helper()
	lines, err := played()
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// played has the real main serve what brings about every outcome, once, and gives
// its log.
var played = sync.OnceValues(func() ([]logLine, error) { return play(scenes) })

func play(scenes []scene) ([]logLine, error) {
	path, err := bootstrapPath(exec.LookPath)
	if err != nil {
		return nil, err
	}
	w := newWorld()
	defer w.close()
	if err := w.start(path, map[string]string{"STACK_NAME": stack, "WEBHOOK_SECRET_ARN": "arn:aws:secretsmanager:us-east-1:111122223333:secret:none-AbCdEf"}); err != nil {
		return nil, err
	}
	for _, scene := range scenes {
		scene.given(w)
		before := len(w.stdout.String())
		if _, err := w.invoke([]byte(scene.event()), defaultDeadline); err != nil {
			return nil, fmt.Errorf("%s: %w", scene.name, err)
		}
		if log := w.stdout.String()[before:]; scene.want != "" && !strings.Contains(log, fmt.Sprintf(`"outcome":%q`, scene.want)) {
			return nil, fmt.Errorf("%s: want %s, got %s", scene.name, scene.want, log)
		}
	}
	if err := w.leak(); err != nil {
		return nil, err
	}
	return linesOf(w.stdout.String())
}

func linesOf(log string) ([]logLine, error) {
	var lines []logLine
	for text := range strings.Lines(log) {
		var line logLine
		var metrics struct {
			AWS metadata `json:"_aws"`
		}
		if err := json.Unmarshal([]byte(text), &line.members); err != nil {
			return nil, fmt.Errorf("%w: %s", err, text)
		}
		if err := json.Unmarshal([]byte(text), &metrics); err != nil {
			return nil, fmt.Errorf("%w: %s", err, text)
		}
		line.metadata = metrics.AWS
		lines = append(lines, line)
	}
	return lines, nil
}

type scene struct {
	name  string
	given func(*world)
	event func() string
	want  relay.Outcome // empty where there is nothing to relay
}

// scenes bring about every outcome, one after another in one world.
var scenes = []scene{
	{"updated", func(w *world) { w.bindType("okta", "OKTA") }, moved("okta"), relay.Updated},
	{"updated, not validated", func(w *world) {
		w.rotate("okta")
		w.datadog.ScriptForever(datadogsim.Validate, datadogsim.Answer{Status: http.StatusNotFound, Body: `{"errors":["Not found"]}`})
	}, moved("okta"), relay.Updated},
	{"a dry run that is not validated", nothing, literally(`{"relay":{"secret":"okta","dry_run":true}}`), relay.WouldUpdate},
	{"retried", func(w *world) {
		w.datadog.ScriptForever(datadogsim.Validate, datadogsim.Answer{})
		w.rotate("okta")
		w.datadog.Script(datadogsim.Get, datadogsim.Answer{Status: http.StatusServiceUnavailable})
	}, moved("okta"), relay.Updated},
	{"unchanged", nothing, moved("okta"), relay.Unchanged},
	{"a dry run", nothing, literally(`{"relay":{"secret":"okta","dry_run":true}}`), relay.WouldUpdate},
	{"rejected", func(w *world) {
		w.rotate("okta")
		w.datadog.Script(datadogsim.Validate, datadogsim.Answer{Status: http.StatusBadRequest, Body: `{"errors":["refused"]}`})
	}, moved("okta"), relay.Rejected},
	{"invalid", func(w *world) {
		w.datadog.Script(datadogsim.ValidateStored, datadogsim.Answer{Status: http.StatusBadRequest, Body: `{"errors":["refused"]}`})
	}, moved("okta"), relay.Invalid},
	{"failed", func(w *world) {
		w.rotate("okta")
		w.datadog.Script(datadogsim.Patch, datadogsim.Answer{Status: http.StatusConflict, Body: `{"errors":["conflict"]}`})
	}, moved("okta"), relay.Failed},
	{"failed, of no binding", func(w *world) {
		w.aws.Fail("GetParametersByPath", 1, http.StatusBadRequest, "AccessDeniedException", "as the test has it")
	}, moved("okta"), relay.Failed},
	{"failed, of no type", func(w *world) {
		w.aws.PutParameter("/credential-relay/secrets/broken/broken", "String", `{"integration_type":7}`)
	}, moved("broken"), relay.Failed},
	{"ignored", nothing, moved("unbound"), relay.Ignored},
	{"an unknown event", nothing, literally(`{"source":"aws.s3","detail-type":"Object Created"}`), relay.Ignored},
	{"Entra ID", func(w *world) {
		w.datadog.PutAzureIntegration("tenant", "client", "old")
		w.bindType("entra", "ENTRA_ID")
	}, moved("entra"), relay.Updated},
	{"a type that nobody knows yet", func(w *world) { w.bindType("future", unknownType) }, moved("future"), relay.Failed},
	{"a reconcile", func(w *world) {
		for _, name := range []string{"google", "crowdstrike", "sentinelone"} {
			w.bindType(name, map[string]string{"google": "GOOGLE_WORKSPACE", "crowdstrike": "CROWDSTRIKE", "sentinelone": "SENTINELONE"}[name])
		}
	}, literally(`{"reconcile":{}}`), relay.Updated},
	{"a reconcile that lists nothing", func(w *world) {
		w.aws.Fail("GetParametersByPath", 1, http.StatusBadRequest, "AccessDeniedException", "as the test has it")
	}, literally(`{"reconcile":{}}`), relay.Failed},
	{"a signature that cannot be checked", nothing, func() string {
		signed := request{gateway: "http", method: "POST", path: "/v1/relay", id: "1", at: time.Now(), header: map[string]string{}, secret: canaries["SIGNING"]}
		_ = signed.sign()
		event, _ := json.Marshal(signed.event())
		return string(event)
	}, ""},
	{"pending, and from here on", func(w *world) { // for as long as the function heeds the limit
		w.rotate("okta")
		w.datadog.Script(datadogsim.ValidateStored, datadogsim.Answer{Status: http.StatusTooManyRequests, Header: http.Header{"X-Ratelimit-Reset": {"3600"}}})
	}, moved("okta"), relay.Pending},
}

func nothing(*world) {}

func literally(event string) func() string { return func() string { return event } }

// moved is the event of a secret's label that has just moved.
func moved(secret string) func() string {
	return func() string {
		return fmt.Sprintf(`{"source":"aws.secretsmanager","detail-type":"Secret Label Updated","time":%q,"resources":[%q],"detail":{"labelUpdated":"AWSCURRENT"}}`,
			time.Now().Add(-time.Second).UTC().Format(time.RFC3339), "arn:aws:secretsmanager:us-east-1:111122223333:secret:"+secret+"-AbCdEf")
	}
}

// rotate gives a secret of bindType another value.
func (w *world) rotate(name string) {
	w.aws.PutSecret(name, fmt.Sprintf(`{"api_token":"%s-%d"}`, canaries["CANARY"], time.Now().UnixNano()))
}

// bindType makes a secret with everything that any type needs, and an older
// config of a type that it feeds.
func (w *world) bindType(name, integrationType string) {
	w.aws.PutSecret(name, fmt.Sprintf(`{"api_token":%[1]q,"client_id":"client","client_secret":%[1]q,"tenant_id":"tenant",`+
		`"service_account_json":{"type":"service_account","client_email":"a@b.example","project_id":"acme","private_key":%[1]q}}`, canaries["CANARY"]))
	binding := fmt.Sprintf(`{"integration_type":%q,"enabled":"on"}`, integrationType)
	if integrationType == unknownType {
		binding = fmt.Sprintf(`{"integration_type":%q,"secrets":{"api_token":"api_token"}}`, integrationType)
	}
	w.aws.PutParameter("/credential-relay/secrets/"+name+"/"+name, "String", binding)
	w.datadog.PutConfig(datadogsim.Config{
		ID: name, Type: integrationType, Domain: "acme.example.com", State: "valid", ModifiedAt: time.Now().Add(-time.Hour),
	})
}

// TestMetricsAreOfTheFormat holds each line to the format's published schema, and
// to what that cannot say.
func TestMetricsAreOfTheFormat(t *testing.T) {
	schema := formatSchema(t)
	for _, line := range metricLines(t) {
		if err := schema.Validate(line.members); err != nil {
			t.Errorf("%v: %v", line.members, err)
		}
		if at := time.UnixMilli(line.metadata.Timestamp); time.Since(at).Abs() > 5*time.Minute {
			t.Errorf("the timestamp is %s", at)
		}
		for _, directive := range line.metadata.CloudWatchMetrics {
			if len(directive.Metrics) == 0 {
				t.Errorf("a directive without a metric: %v", line.members)
			}
			for _, name := range slices.Concat(directive.Dimensions...) {
				if line.text(name) == "" {
					t.Errorf("the dimension %s is no text: %v", name, line.members)
				}
			}
			for _, metric := range directive.Metrics {
				if _, ok := line.members[metric.Name].(float64); !ok {
					t.Errorf("the metric %s is no number: %v", metric.Name, line.members)
				}
			}
		}
	}
}

func formatSchema(t *testing.T) *jsonschema.Resolved {
	t.Helper()
	content, err := os.ReadFile("testdata/embedded-metric-format.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema jsonschema.Schema
	if err := json.Unmarshal(content, &schema); err != nil {
		t.Fatal(err)
	}
	resolved, err := schema.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return resolved
}

// TestFormatSchema knows a wrong line when it sees one.
func TestFormatSchema(t *testing.T) {
	schema := formatSchema(t)
	const good = `{"_aws":{"Timestamp":1574109732004,"CloudWatchMetrics":[{"Namespace":"N","Dimensions":[["stack"]],"Metrics":[{"Name":"Relays","Unit":"Count"}]}]}}`
	for name, with := range map[string][2]string{
		"no _aws":                   {`"_aws"`, `"aws"`},
		"no time":                   {`"Timestamp":1574109732004,`, ``},
		"a time in words":           {`1574109732004`, `"now"`},
		"no namespace":              {`"Namespace":"N",`, ``},
		"an empty namespace":        {`"N"`, `""`},
		"no dimensions":             {`"Dimensions":[["stack"]],`, ``},
		"dimensions without a set":  {`[["stack"]]`, `[]`},
		"dimensions that are one":   {`[["stack"]]`, `["stack"]`},
		"too many dimensions":       {`["stack"]`, `["` + strings.Join(strings.Split(strings.Repeat("a", 31), ""), `1","`) + `"]`},
		"a unit of our own":         {`"Count"`, `"ms"`},
		"a metric without a name":   {`"Name":"Relays",`, ``},
		"a member of nobody's":      {`"Unit"`, `"unit"`},
		"a metric that is its name": {`{"Name":"Relays","Unit":"Count"}`, `"Relays"`},
	} {
		var line any
		if err := json.Unmarshal([]byte(strings.Replace(good, with[0], with[1], 1)), &line); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if schema.Validate(line) == nil {
			t.Errorf("%s: is taken for right", name)
		}
	}
	var line any
	if err := json.Unmarshal([]byte(good), &line); err != nil || schema.Validate(line) != nil {
		t.Errorf("what is right is not: %v", schema.Validate(line))
	}
}

// TestMetricsAreThoseOfTheTable: each of them, with its unit, and nothing else.
func TestMetricsAreThoseOfTheTable(t *testing.T) {
	got := map[string]string{}
	for _, metric := range emittedMetrics(t) {
		if metric.namespace != "CredentialRelay" {
			t.Errorf("%v is of another namespace", metric)
		}
		got[metric.name] = metric.unit
	}
	if !maps.Equal(got, units) {
		t.Errorf("got %v, want %v", got, units)
	}
}

// TestDimensionsAreBounded: what each may be is known beforehand, whatever is
// bound, named or sent.
func TestDimensionsAreBounded(t *testing.T) {
	counted := []string{"failed", "invalid", "pending", "rejected", "updated"}
	seen := map[string]bool{}
	for _, metric := range emittedMetrics(t) {
		want := []string{"stack"}
		if metric.name == "Relays" {
			want = []string{"outcome", "stack"}
		}
		if got := slices.Sorted(maps.Keys(metric.dimensions)); !slices.Equal(got, want) {
			t.Errorf("%s has the dimensions %v, want %v", metric.name, got, want)
		}
		if metric.dimensions["stack"] != stack {
			t.Errorf("%s is of the stack %q", metric.name, metric.dimensions["stack"])
		}
		if outcome := metric.dimensions["outcome"]; outcome != "" {
			seen[outcome] = true
		}
	}
	if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, counted) {
		t.Errorf("relays are counted by the outcomes %v, want %v", got, counted)
	}
}

// TestAQuietHourCostsNothing: CloudWatch charges for each hour in which it gets a
// metric. When nothing has rotated, it gets none, whatever is bound.
func TestAQuietHourCostsNothing(t *testing.T) {
	bound := func(w *world) {
		for i, integrationType := range []string{"OKTA", "GOOGLE_WORKSPACE", "CROWDSTRIKE", "SENTINELONE", "OKTA"} {
			w.bindType(fmt.Sprint("quiet-", i), integrationType)
		}
	}
	reconcile := literally(`{"reconcile":{}}`)
	lines, err := play([]scene{
		{"the first reconcile relays", bound, reconcile, relay.Updated},
		{"a quiet one", nothing, reconcile, relay.Unchanged},
	})
	if err != nil {
		t.Fatal(err)
	}
	invocations := 0
	for _, line := range lines {
		if line.text("message") == "invocation" {
			invocations++
		} else if invocations == 1 && line.members["_aws"] != nil {
			t.Errorf("the quiet reconcile has a metric: %v", line.members)
		}
	}
}

// TestRelaysAreCounted once each, unless nothing was done.
func TestRelaysAreCounted(t *testing.T) {
	seen := map[bool]int{}
	for _, line := range playedLines(t) {
		if line.text("message") != "relay" {
			continue
		}
		counted := !slices.Contains([]string{"unchanged", "ignored", "would_update"}, line.text("outcome")) && line.members["dry_run"] != true
		seen[counted]++
		if (line.members["Relays"] == 1.0) != counted {
			t.Errorf("got %v relays, want it counted: %t: %v", line.members["Relays"], counted, line.members)
		}
	}
	if seen[true] == 0 || seen[false] == 0 {
		t.Errorf("saw %v, want lines that count and lines that do not", seen)
	}
}
