package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// These tests hold the documents and the template together: whoever follows a page at night finds what it names.

func TestRunbookNamesWhatThereIs(t *testing.T) {
	runbook := document(t, "docs/RUNBOOK.md")
	template := readTemplate(t)
	named := 0
	for _, output := range regexp.MustCompile("[(`]out (\\w+)[)`]").FindAllStringSubmatch(runbook, -1) {
		named++
		if at(template, "Outputs", output[1]) == nil {
			t.Errorf("it asks for the output %s, which there is none of", output[1])
		}
	}
	if named < 5 {
		t.Errorf("it names %d outputs only", named)
	}
	resources := objectAt(template, "Resources")
	for _, id := range ofType(resources, "AWS::Logs::QueryDefinition") {
		name, _ := at(resources, id, "Properties", "Name", "Fn::Sub").(string)
		_, name, _ = strings.Cut(name, "/")
		if !strings.Contains(runbook, "`"+name+"`") {
			t.Errorf("it does not name the query %q", name)
		}
	}
	// Saved queries are not to be found by another name.
	for _, query := range regexp.MustCompile("quer(?:y|ies) `([^`]+)`").FindAllStringSubmatch(runbook, -1) {
		if !slices.ContainsFunc(ofType(resources, "AWS::Logs::QueryDefinition"), func(id string) bool {
			return at(resources, id, "Properties", "Name", "Fn::Sub") == "${AWS::StackName}/"+query[1]
		}) {
			t.Errorf("it names the query %q, which there is none of", query[1])
		}
	}
}

func TestRunbookExplainsEveryOutcomeAndStage(t *testing.T) {
	runbook := document(t, "docs/RUNBOOK.md")
	source, err := os.ReadFile(root + "relay/result.go")
	if err != nil {
		t.Fatal(err)
	}
	words := regexp.MustCompile(`(?m)^\t\w+ +(Outcome|Stage) *= "(\w+)"`).FindAllSubmatch(source, -1)
	if len(words) != 15 {
		t.Errorf("found %d verdicts and stages, want 15", len(words))
	}
	for _, word := range words {
		if name := string(word[2]); string(word[1]) == "Outcome" && !strings.Contains(runbook, "\n### "+name+"\n") || !strings.Contains(runbook, name) {
			t.Errorf("docs/RUNBOOK.md does not explain the %s %s", word[1], name)
		}
	}
}

// Every link inside the documents leads somewhere.
func TestDocumentsLinkWhatThereIs(t *testing.T) {
	links := 0
	for _, name := range []string{"README.md", "docs/RUNBOOK.md", "ARCHITECTURE.md", "CONTRIBUTING.md"} {
		for _, link := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(document(t, name), -1) {
			target, anchor, _ := strings.Cut(link[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			links++
			path := name
			if target != "" {
				path = filepath.Join(filepath.Dir(name), target)
			}
			if anchor == "" {
				document(t, path)
			} else if !slices.Contains(anchors(document(t, path)), anchor) {
				t.Errorf("%s links %s, which is not there", name, link[1])
			}
		}
	}
	if links < 20 {
		t.Errorf("found %d links only", links)
	}
}

// anchors are what a document's headings can be linked by.
func anchors(text string) []string {
	var all []string
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		kept := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		all = append(all, strings.ReplaceAll(kept, " ", "-"))
	}
	return all
}

// What the README has one type into a deployment is a parameter, and a value that it takes.
func TestDocumentsNameParametersThatThereAre(t *testing.T) {
	parameters := objectAt(readTemplate(t), "Parameters")
	choices := regexp.MustCompile(`\b([A-Z][a-z]+[A-Za-z]*)=([\w-]+)`)
	ofTheCLI := []string{"Id", "Arn", "RoleArn", "AutomaticallyAfterDays"}
	settings := document(t, "samconfig.toml")
	for _, name := range []string{"README.md", "docs/RUNBOOK.md", "samconfig.toml"} {
		for _, choice := range choices.FindAllStringSubmatch(document(t, name), -1) {
			parameter, _ := parameters[choice[1]].(object)
			allowed := list(parameter["AllowedValues"])
			taken := slices.ContainsFunc(allowed, func(value any) bool { return fmt.Sprint(value) == choice[2] })
			if !slices.Contains(ofTheCLI, choice[1]) && (parameter == nil || len(allowed) > 0 && !taken) {
				t.Errorf("%s has %s, which the template does not take", name, choice[0])
			}
		}
	}
	if regexp.MustCompile(`\d{12}|arn:aws`).MatchString(settings) {
		t.Error("samconfig.toml holds something of an account")
	}
	if !strings.Contains(settings, "\n[default.deploy.parameters]") || !strings.Contains(settings, "\n[prod.deploy.parameters]") {
		t.Error("samconfig.toml lacks the environment default or prod")
	}
}

func document(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(root + path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The README's table has every metric with its unit.
func TestDocumentsTellEveryMetric(t *testing.T) {
	written := map[string]string{"count": "Count", "ms": "Milliseconds", "s": "Seconds", "percent": "Percent"}
	told := map[string]string{}
	_, table, _ := strings.Cut(document(t, "README.md"), "| metric | unit |")
	table, _, _ = strings.Cut(table, "\n\n")
	for _, row := range regexp.MustCompile("(?m)^\\| (`[A-Z]\\w+`(?:, `[A-Z]\\w+`)*) \\| ([a-z, ]+) \\|").FindAllStringSubmatch(table, -1) {
		names, unitsOf := strings.Split(row[1], ", "), strings.Split(row[2], ", ")
		for i, name := range names {
			told[strings.Trim(name, "`")] = written[unitsOf[min(i, len(unitsOf)-1)]]
		}
	}
	if !maps.Equal(told, units) {
		t.Errorf("the README tells of %v, and there are %v", told, units)
	}
}
