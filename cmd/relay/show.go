package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"credential-relay/events"
	"credential-relay/internal/datadogsim"
)

// demo is a secret of the show, with its binding and its integration config.
type demo struct {
	secret   string
	kind     string
	configID string
	domain   string
	format   string // of the secret's value, around a token
}

var (
	okta        = demo{"prod/okta/datadog", "OKTA", "11111111-1111-4111-8111-111111111111", "acme.okta.com", `{"api_token":%q}`}
	crowdstrike = demo{
		"prod/crowdstrike/datadog", "CROWDSTRIKE", "22222222-2222-4222-8222-222222222222", "api.crowdstrike.com",
		`{"client_id":"demo","client_secret":%q}`,
	}
	googleWorkspace = demo{
		"prod/google-workspace/datadog", "GOOGLE_WORKSPACE", "33333333-3333-4333-8333-333333333333", "acme.example.com",
		`{"admin_email":"admin@acme.example.com","service_account_json":{"type":"service_account","project_id":"demo","client_email":"demo@acme.example.com","private_key":%q}}`,
	}
	sentinelOne = demo{"prod/sentinelone/datadog", "SENTINELONE", "44444444-4444-4444-8444-444444444444", "acme.sentinelone.net", `%s`}
	entraID     = demo{
		"prod/entra-id/datadog", "ENTRA_ID", "55555555-5555-4555-8555-555555555555", "default",
		`{"tenant_id":"demo-tenant","client_id":"demo-client","client_secret":%q}`,
	}
)

// step is a part of the show: secrets are rotated to a token, and the event
// that tells of it is fed to the handler.
type step struct {
	event   string // of package events
	rotates []demo
	token   string
	want    string // the outcome
}

var steps = []step{
	{"secret-label-updated.json", []demo{okta}, "demo-token-2", "updated"},
	{"rotation-succeeded.json", []demo{crowdstrike}, "demo-token-2", "updated"},
	{"sqs-batch.json", []demo{googleWorkspace, sentinelOne}, "demo-token-2", "updated"},
	{"put-secret-value-entra-id.json", []demo{entraID}, "demo-token-2", "updated"},
	{"secret-label-updated.json", []demo{okta}, "demo-token-3-" + refusedMark, "rejected"},
	{"relay-dry-run.json", []demo{okta}, "demo-token-4", "would_update"},
	// No event arrives for this rotation. The schedule finds it.
	{"scheduled-scheduler.json", []demo{crowdstrike}, "demo-token-3", "updated"},
}

// show rotates the secrets one after another and prints what came of it. It
// returns an error when that is not what it should be.
func (l *local) show(ctx context.Context, out io.Writer) error {
	for _, demo := range []demo{okta, crowdstrike, googleWorkspace, sentinelOne, entraID} {
		l.set(demo, "demo-token-1")
	}
	fmt.Fprint(out, `Credential Relay on this machine: the function's own handler, with simulators
of Secrets Manager, Parameter Store and Datadog on loopback.

A secret rotates, its event arrives (a file of events/), and Datadog gets the
new credential:

`)
	var log bytes.Buffer
	handler := l.newHandler(slog.New(slog.NewJSONHandler(&log, nil)))
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SOURCE\tTYPE\tOUTCOME\tDATADOG HOLDS")
	var wrong []string
	var told []line
	for _, step := range steps {
		for _, demo := range step.rotates {
			l.aws.PutSecret(demo.secret, fmt.Sprintf(demo.format, step.token))
		}
		event, err := events.Files.ReadFile(step.event)
		if err != nil {
			return err
		}
		invocation, cancel := context.WithTimeout(ctx, time.Minute)
		_, _ = handler.Invoke(invocation, event) // what came of it is in the log
		cancel()
		for _, line := range relayLines(&log) {
			if !slices.ContainsFunc(step.rotates, func(d demo) bool { return d.secret == line.Source }) {
				continue
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", line.Source, line.Type, line.Result, l.held(line.ConfigID, step.token))
			told = append(told, line)
			if line.Result != step.want {
				wrong = append(wrong, fmt.Sprintf("%s: %s, want %s: %s", line.Source, line.Result, step.want, line.Error))
			}
		}
	}
	_ = table.Flush()
	if len(wrong) > 0 {
		return fmt.Errorf("the show went wrong: %s", strings.Join(wrong, "; "))
	}
	rejected := told[slices.IndexFunc(told, func(l line) bool { return l.Result == "rejected" })]
	fmt.Fprintf(out, `
Rejected: the candidate was tried before it was stored, and
  %s
so the old credential is still in place. Would update: that was a dry run.
The last row is a rotation whose event never arrived: the schedule found it.
`, rejected.Error)
	return nil
}

// set puts a demo's secret, binding and integration config in place, the config
// holding the secret's first credential.
func (l *local) set(d demo, token string) {
	value := fmt.Sprintf(d.format, token)
	l.aws.PutSecret(d.secret, value)
	l.aws.PutParameter("/credential-relay/secrets/"+d.secret+"/"+d.configID, "String", fmt.Sprintf(`{"integration_type":%q}`, d.kind))
	config := datadogsim.Config{ID: d.configID, Type: d.kind, Domain: d.domain, Name: "Demo " + d.kind, Enabled: true, State: "valid"}
	if d.kind == entraID.kind {
		l.datadog.PutAzureIntegration("demo-tenant", "demo-client", token)
	} else {
		config.Secrets = map[string]any{"demo": value}
	}
	l.datadog.PutConfig(config)
}

// held tells which credential Datadog holds for a config by now: in the config,
// or for Entra ID in the Azure integration.
func (l *local) held(configID, token string) string {
	config, _ := l.datadog.Config(configID)
	stored, _ := json.Marshal(config.Secrets)
	if configID == entraID.configID {
		secret, _ := l.datadog.AzureSecret("demo-tenant", "demo-client")
		stored = []byte(secret)
	}
	if bytes.Contains(stored, []byte(token)) {
		return "the new credential"
	}
	return "the old credential"
}

// line is what the handler logs of one binding.
type line struct {
	Message  string `json:"msg"`
	Source   string `json:"source"`
	Type     string `json:"integration_type"`
	ConfigID string `json:"integration_config_id"`
	Result   string `json:"outcome"`
	Error    string `json:"error"`
}

// relayLines takes the lines about bindings out of the log.
func relayLines(log *bytes.Buffer) []line {
	var lines []line
	for decoder := json.NewDecoder(log); ; {
		var next line
		if decoder.Decode(&next) != nil {
			break
		}
		if next.Message == "relay" {
			lines = append(lines, next)
		}
	}
	slices.SortFunc(lines, func(a, b line) int { return strings.Compare(a.Source, b.Source) })
	return lines
}
