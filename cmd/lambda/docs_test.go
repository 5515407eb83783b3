package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// These tests hold the documents and the template together: a person who follows a page at night finds what it names.

func TestRunbookNamesWhatExists(t *testing.T) {
	runbook := document(t, "docs/RUNBOOK.md")
	template := readTemplate(t)
	named := 0
	for _, output := range regexp.MustCompile("[(`]out (\\w+)[)`]").FindAllStringSubmatch(runbook, -1) {
		named++
		if at(template, "Outputs", output[1]) == nil {
			t.Errorf("it asks for the output %s, which does not exist", output[1])
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
	for id := range objectAt(template, "Parameters") {
		runbook = strings.ReplaceAll(runbook, "`"+id, "`")
	}
	for _, unknown := range regexp.MustCompile("`([A-Z][a-z]+[A-Z]\\w+)=").FindAllStringSubmatch(runbook, -1) {
		t.Errorf("it names the parameter %s, which does not exist", unknown[1])
	}
}

// TestRunbookExplainsEveryWord: each outcome, stage and status of a result has a row in a table.
func TestRunbookExplainsEveryWord(t *testing.T) {
	runbook := document(t, "docs/RUNBOOK.md")
	sources, err := filepath.Glob(root + "relay/*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, path := range sources {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range regexp.MustCompile(`(?m)^\t\w+ +(Outcome|Stage|Status) *= "(\w+)"`).FindAllSubmatch(source, -1) {
			found[string(word[1])]++
			if !regexp.MustCompile("(?m)^\\| [^|]*`" + string(word[2]) + "`").MatchString(runbook) {
				t.Errorf("no table of docs/RUNBOOK.md explains the %s %s", word[1], word[2])
			}
		}
	}
	if found["Outcome"] < 7 || found["Stage"] < 8 {
		t.Errorf("found only %v", found)
	}
}

// TestRunbookCommandsAreAllowed to the person who has the policy beside it.
func TestRunbookCommandsAreAllowed(t *testing.T) {
	var policy struct {
		Statement []struct{ Action any }
	}
	if err := json.Unmarshal([]byte(document(t, "docs/on-call-policy.json")), &policy); err != nil {
		t.Fatal(err)
	}
	var may []string
	for _, statement := range policy.Statement {
		for _, action := range list(statement.Action) {
			may = append(may, fmt.Sprint(action))
		}
	}
	for _, action := range may {
		if strings.Contains(action, "*") {
			t.Errorf("the policy allows %s", action)
		}
	}
	runbook, _, _ := strings.Cut(document(t, "docs/RUNBOOK.md"), "### Roll back a release") // which takes the deployer's rights
	commands := regexp.MustCompile(`\baws ([a-z]+) ([a-z][a-z-]+)`).FindAllStringSubmatch(runbook, -1)
	if len(commands) < 12 {
		t.Errorf("found %d commands only", len(commands))
	}
	named := map[string]string{"lambda:Invoke": "lambda:InvokeFunction"} // calls that IAM names otherwise
	for _, command := range commands {
		action := command[1] + ":"
		for word := range strings.SplitSeq(command[2], "-") {
			action += strings.ToUpper(word[:1]) + word[1:]
		}
		if name := named[action]; name != "" {
			action = name
		}
		if !slices.Contains(may, action) {
			t.Errorf("docs/on-call-policy.json does not allow %s, which the runbook uses", action)
		}
	}
}

// TestRunbookAsks runs the runbook's function ask against an AWS CLI that answers as the test wants.
func TestRunbookAsks(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not on the PATH")
	}
	block := regexp.MustCompile("(?s)\n```\n(.*?)```").FindStringSubmatch(document(t, "docs/RUNBOOK.md"))[1]
	// The last argument of an invocation is the file for the answer. The event comes on standard input.
	const cli = `aws() {
	if [ "$1" = cloudformation ]; then echo "the-function"; return; fi
	[ "$4" = the-function ] || return 9
	[ "$FAULT" = CLI ] && return 255
	cat > "${@: -1}"; printf ' and more' >> "${@: -1}"; echo "${FAULT:-None}"
}
`
	const event, answer = `{"relay":{"secret":"it's"}}`, `{"relay":{"secret":"it's"}}` + "\n and more\n"
	for _, c := range []struct {
		name, fault, want string
		fails             bool
	}{
		{"an answer", "", answer, false},
		{"a function error", "Unhandled", answer, true},
		{"no answer", "CLI", "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "answer")
			command := exec.Command(bash, "-c", cli+block+`ask "$EVENT" >> "$FILE"`)
			command.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + t.TempDir(), "EVENT=" + event, "FAULT=" + c.fault, "FILE=" + file}
			if err := os.WriteFile(file, []byte("before\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			output, err := command.CombinedOutput()
			got, _ := os.ReadFile(file)
			if (err != nil) != c.fails || string(got) != "before\n"+c.want {
				t.Errorf("ask ends with %v and\n%s%s\nwant it to fail: %t, and\n%s", err, got, output, c.fails, c.want)
			}
		})
	}
}

// TestDocumentsLinkWhatThereIs: every link inside the documents leads somewhere.
func TestDocumentsLinkWhatThereIs(t *testing.T) {
	links := 0
	for _, name := range []string{"README.md", "docs/RUNBOOK.md", "docs/cost.md", "ARCHITECTURE.md", "CONTRIBUTING.md"} {
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

// TestDocumentsNameParametersThatThereAre, with values that the template accepts.
func TestDocumentsNameParametersThatThereAre(t *testing.T) {
	parameters := objectAt(readTemplate(t), "Parameters")
	choices := regexp.MustCompile(`\b([A-Z][a-z]+[A-Za-z]*)=([\w-]+)`)
	ofTheCLI := []string{"Id", "Arn", "RoleArn", "AutomaticallyAfterDays", "AttributeKey", "AttributeValue"}
	settings := document(t, "samconfig.toml")
	for _, name := range []string{"README.md", "docs/RUNBOOK.md", "docs/cost.md", "samconfig.toml"} {
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

// TestCostCountsTheAlarms: CloudWatch charges for each metric of an alarm.
// https://aws.amazon.com/cloudwatch/pricing/
func TestCostCountsTheAlarms(t *testing.T) {
	charged := func(choice object) (alarms, metrics int) {
		made, _ := deploy(readTemplate(t), choice)
		resources := objectAt(made, "Resources")
		for _, id := range ofType(resources, "AWS::CloudWatch::Alarm") {
			alarms++
			metrics += len(watchedBy(objectAt(resources, id, "Properties")))
		}
		return alarms, metrics
	}
	cost := document(t, "docs/cost.md")
	alarms, metrics := charged(chosen())
	row := fmt.Sprintf("| CloudWatch alarms | %d alarm metrics in %d alarms | 0.10 for each alarm metric | %.2f |", metrics, alarms, 0.1*float64(metrics))
	if !strings.Contains(cost, row) {
		t.Errorf("docs/cost.md lacks the row\n%s", row)
	}
	for name, value := range map[string]string{"StagedRotation": "on", "WebhookAuth": "off", "ReconcileSchedule": "off"} {
		_, changed := charged(chosen(name, value))
		if row := fmt.Sprintf("| `%s=%s` | %+.2f |", name, value, 0.1*float64(changed-metrics)); !strings.Contains(cost, row) {
			t.Errorf("docs/cost.md lacks the row\n%s", row)
		}
	}
	sum := 0.0
	table, _, _ := strings.Cut(cost, "| **sum** |")
	for _, line := range regexp.MustCompile(`(?m)^\|.*\| ([0-9.]+) \|$`).FindAllStringSubmatch(table, -1) {
		amount, _ := strconv.ParseFloat(line[1], 64)
		sum += amount
	}
	if want := fmt.Sprintf("| **sum** | | | **%.2f** |", sum); !strings.Contains(cost, want) || sum > 2 {
		t.Errorf("docs/cost.md lacks the row\n%s", want)
	}
}

// TestMonitorsFindTheStack by the tag that each deployment gives it.
func TestMonitorsFindTheStack(t *testing.T) {
	settings := document(t, "samconfig.toml")
	tags := regexp.MustCompile(`(?m)^tags = "(\w+)=([\w-]+)"$`).FindAllStringSubmatch(settings, -1)
	if deployments := strings.Count(settings, ".deploy.parameters]"); len(tags) != deployments {
		t.Fatalf("%d of %d deployments have a tag", len(tags), deployments)
	}
	for _, name := range []string{"docs/datadog-monitor-dead-letters.json", "docs/datadog-monitor-errors.json"} {
		var monitor struct{ Query, Message string }
		if err := json.Unmarshal([]byte(document(t, name)), &monitor); err != nil {
			t.Fatal(err)
		}
		for _, tag := range tags {
			if !strings.Contains(monitor.Query, tag[1]+":"+tag[2]) {
				t.Errorf("%s does not look for the tag %s: %s", name, tag[0], monitor.Query)
			}
		}
		alarm := regexp.MustCompile(`\w+Alarm`).FindString(monitor.Message)
		if at(readTemplate(t), "Resources", alarm) == nil {
			t.Errorf("%s leads to %q in the runbook, which does not exist", name, alarm)
		}
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
