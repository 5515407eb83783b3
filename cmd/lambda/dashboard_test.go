package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// These tests hold the dashboard, the saved queries and the code together.

func TestTemplateDashboardShowsWhatThereIs(t *testing.T) {
	for _, choice := range []object{chosen("Dashboard", "on"), chosen("Dashboard", "on", "WebhookAuth", "off", "ReconcileSchedule", "off"), everything()} {
		made, _ := deploy(readTemplate(t), choice)
		resources := objectAt(made, "Resources")
		body := dashboard(t, resources)
		if len(body.Widgets) < 5 {
			t.Errorf("the dashboard has %d parts only", len(body.Widgets))
		}
		shown := map[string]bool{}
		for i, widget := range body.Widgets {
			title := widget.Properties.Title
			if widget.X+widget.Width > 24 || widget.Width <= 0 || widget.Height <= 0 || title == "" {
				t.Errorf("part %d, %q, does not fit", i, title)
			}
			for _, other := range body.Widgets[:i] {
				if widget.overlaps(other) {
					t.Errorf("%q lies on %q", title, other.Properties.Title)
				}
			}
			for _, m := range widget.metrics() {
				for _, fault := range missing(t, resources, m) {
					t.Errorf("%q: %s", title, fault)
				}
			}
			for _, arn := range widget.Properties.Alarms {
				id := strings.TrimSuffix(strings.TrimPrefix(arn, "${"), ".Arn}")
				if at(resources, id, "Type") != "AWS::CloudWatch::Alarm" {
					t.Errorf("%q shows %s, which is no alarm", title, arn)
				}
				shown[id] = true
			}
			checkQuery(t, title, widget.Properties.Query)
		}
		for _, id := range ofType(resources, "AWS::CloudWatch::Alarm") {
			if !shown[id] {
				t.Errorf("the dashboard does not show %s", id)
			}
		}
	}
}

func TestTemplateQueriesAskForWhatIsLogged(t *testing.T) {
	made, _ := deploy(readTemplate(t), everything())
	resources := objectAt(made, "Resources")
	queries := ofType(resources, "AWS::Logs::QueryDefinition")
	if len(queries) < 5 {
		t.Errorf("there are the queries %v only", queries)
	}
	if text := fmt.Sprint(at(resources, "FailuresQuery", "Properties", "QueryString")); !strings.Contains(text, `level = "ERROR"`) {
		t.Errorf("FailuresQuery does not ask for failures: %s", text)
	}
	for _, id := range queries {
		properties := objectAt(resources, id, "Properties")
		checkQuery(t, id, fmt.Sprint(properties["QueryString"]))
		if groups := list(properties["LogGroupNames"]); !reflect.DeepEqual(groups, list(at(resources, "RelayFunction", "Properties", "LoggingConfig", "LogGroup"))) {
			t.Errorf("%s looks into %v, which is not the functions' log group", id, groups)
		}
		if !strings.HasPrefix(fmt.Sprint(properties["Name"]), stack+"/") {
			t.Errorf("%s is called %v, which does not name the stack", id, properties["Name"])
		}
	}
}

func TestQueriesForWhatIsNotLoggedAreFound(t *testing.T) {
	for _, c := range []struct{ query, want string }{
		{`fields @timestamp, source | filter message = "relay" and level = "ERROR" | sort @timestamp desc | limit 5`, "[]"},
		{`stats latest(outcome) as last, pct(source_ms, 95) by source | sort last asc`, "[]"},
		{`fields sauce`, "[sauce]"},
		{`stats latest(out_come) as last by source`, "[out_come]"},
		{`filter message = "sauce" and sauce like /relay/`, "[sauce]"},
	} {
		if got := fmt.Sprint(unknownFields(t, c.query)); got != c.want {
			t.Errorf("of %s, got %s, want %s", c.query, got, c.want)
		}
	}
}

type (
	dashboardBody struct {
		Start   string
		Widgets []widget
	}
	widget struct {
		Type                string
		X, Y, Width, Height int
		Properties          struct {
			Title, View, Region, Stat, Query string
			Stacked                          bool
			Period                           int
			YAxis                            map[string]any
			Metrics                          [][]any
			Alarms                           []string
		}
	}
)

// dashboard decodes the body strictly: CloudWatch takes a member that it does not know, and shows nothing of it.
func dashboard(t *testing.T, resources object) dashboardBody {
	t.Helper()
	text, _ := at(resources, "StackDashboard", "Properties", "DashboardBody", "Fn::Sub").(string)
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	var body dashboardBody
	if err := decoder.Decode(&body); err != nil {
		t.Fatalf("the dashboard's body is not right: %v\n%s", err, text)
	}
	return body
}

func (w widget) overlaps(other widget) bool {
	return w.X < other.X+other.Width && other.X < w.X+w.Width && w.Y < other.Y+other.Height && other.Y < w.Y+w.Height
}

// metrics are those of the widget.
func (w widget) metrics() []metric {
	var all []metric
	for _, row := range w.Properties.Metrics {
		m := metric{fmt.Sprint(row[0]), fmt.Sprint(row[1]), object{}}
		for i := 2; i+1 < len(row); i += 2 {
			m.dimensions[fmt.Sprint(row[i])] = row[i+1]
		}
		all = append(all, m)
	}
	return all
}

func checkQuery(t *testing.T, name, query string) {
	t.Helper()
	if unknown := unknownFields(t, query); len(unknown) > 0 {
		t.Errorf("%s: nothing logs %v: %s", name, unknown, query)
	}
}

// unknownFields are the words of a query that are neither its language's, nor its own names, nor members of a log line.
func unknownFields(t *testing.T, query string) []string {
	t.Helper()
	known := append(logKeys(t), strings.Fields("message level fields filter stats sort limit by as asc desc and or not like in SOURCE "+
		"latest max sum count pct ispresent")...)
	for _, emitted := range emittedMetrics(t) {
		known = append(known, emitted.name)
	}
	for _, named := range regexp.MustCompile(`\bas (\w+)`).FindAllStringSubmatch(query, -1) {
		known = append(known, named[1])
	}
	bare := regexp.MustCompile(`"[^"]*"|'[^']*'|/[^/]*/|@\w+|\b\d+\b`).ReplaceAllString(query, " ")
	var unknown []string
	for _, word := range regexp.MustCompile(`\w+`).FindAllString(bare, -1) {
		if !slices.Contains(known, word) {
			unknown = append(unknown, word)
		}
	}
	return unknown
}

// logKeys are the keys of the log's attributes, from the code.
func logKeys(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), root+"handler/log.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "key") || len(spec.Values) != 1 {
			return true
		}
		if literal, ok := spec.Values[0].(*ast.BasicLit); ok {
			key, _ := strconv.Unquote(literal.Value)
			keys = append(keys, key)
		}
		return true
	})
	return keys
}
