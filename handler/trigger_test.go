package handler

import (
	"errors"
	"strings"
	"testing"

	"credential-relay/events"
	"credential-relay/relay"
)

// decoded is where an event leads to: "batch", or what its trigger says.
func decoded(event string) (kind string, trigger Trigger, err error) {
	members, err := decodePayload([]byte(event))
	if err != nil {
		return "malformed", trigger, err
	}
	if members.isBatch() {
		return "batch", trigger, nil
	}
	set, err := decodeStraight(members)
	switch {
	case err != nil:
		return "malformed", trigger, err
	case len(set.triggers) != 1:
		return "several", trigger, nil
	}
	return set.triggers[0].Kind, set.triggers[0], nil
}

func TestKinds(t *testing.T) {
	const (
		secret    = secrets + "prod/okta-AbCdEf"
		label     = `"source":"aws.secretsmanager","detail-type":"Secret Label Updated"`
		service   = `"source":"aws.secretsmanager","detail-type":"AWS Service Event via CloudTrail"`
		resources = `"resources":["` + secret + `"]`
		current   = `"detail":{"labelUpdated":"AWSCURRENT"}`
		rotated   = `"detail":{"eventName":"RotationSucceeded","additionalEventData":{"SecretId":"` + secret + `"}}`
		record    = `{"messageId":"1","eventSource":"aws:sqs","body":"{}"}`
	)
	known, _ := relay.SecretAt(secret)
	for _, c := range []struct {
		name, event string
		kind        string
		source      relay.Source // zero when the event asks for nothing
		malformed   string       // in the error; none for an event that can be read
	}{
		{"a label's move", `{` + label + `,` + resources + `,` + current + `}`, "Secret Label Updated", known, ""},
		{"a rotation's success", `{` + service + `,"resources":[],` + rotated + `}`, "RotationSucceeded", known, ""},
		{"an envelope with a secret", `{"relay":{"secret":"prod/okta"}}`, "relay", relay.SecretNamed("prod/okta"), ""},
		{"an envelope with an ARN", `{"relay":{"secret":"` + secret + `"}}`, "relay", relay.SecretNamed(secret), ""},
		{"an envelope with a parameter", `{"relay":{"parameter":"prod/okta"}}`, "relay", relay.ParameterNamed("/prod/okta"), ""},
		{"a batch", `{"Records":[` + record + `]}`, "batch", relay.Source{}, ""},

		{"another label", `{` + label + `,` + resources + `,"detail":{"labelUpdated":"MINE"}}`, "Secret Label Updated", relay.Source{}, ""},
		{"another label in our words", `{` + label + `,` + resources + `,"detail":{"labelUpdated":"awscurrent"}}`, "Secret Label Updated", relay.Source{}, ""},
		{"a rotation's failure", `{` + service + `,"detail":{"eventName":"RotationFailed","additionalEventData":{"SecretId":"` + secret + `"}}}`, "RotationFailed", known, ""},
		{"a rotation's start", `{` + service + `,"detail":{"eventName":"RotationStarted"}}`, "AWS Service Event via CloudTrail", relay.Source{}, ""},
		{"an event of CloudTrail without a name", `{` + service + `,"detail":{}}`, "malformed", relay.Source{}, "detail.eventName is missing"},
		{"another event of Secrets Manager", `{"source":"aws.secretsmanager","detail-type":"Other","detail":{}}`, "unknown", relay.Source{}, ""},
		{"an event of another service", `{"source":"aws.s3","detail-type":"Secret Label Updated",` + resources + `,` + current + `}`, "unknown", relay.Source{}, ""},
		{"an empty event", `{}`, "unknown", relay.Source{}, ""},
		{"records of another service", `{"Records":[{"eventSource":"aws:s3"}]}`, "unknown", relay.Source{}, ""},
		{"a member that is called as a pipe's array is here", `{"[]":[` + record + `]}`, "unknown", relay.Source{}, ""},
		{"a batch of nothing", `{"Records":[]}`, "unknown", relay.Source{}, ""},
		{"records that are none", `{"Records":{"eventSource":"aws:sqs"}}`, "unknown", relay.Source{}, ""},

		{"keys in another case: Relay", `{"Relay":{"secret":"prod/okta"}}`, "unknown", relay.Source{}, ""},
		{"keys in another case: RELAY", `{"RELAY":{"secret":"prod/okta"}}`, "unknown", relay.Source{}, ""},
		{"keys in another case: detail-Type", `{"source":"aws.secretsmanager","detail-Type":"Secret Label Updated",` + resources + `,` + current + `}`, "unknown", relay.Source{}, ""},
		{"keys in another case: Source", `{"Source":"aws.secretsmanager","detail-type":"Secret Label Updated",` + resources + `,` + current + `}`, "unknown", relay.Source{}, ""},
		{"keys in another case: records", `{"records":[` + record + `]}`, "unknown", relay.Source{}, ""},
		{"keys in another case: EventSource", `{"Records":[{"messageId":"1","EventSource":"aws:sqs","body":"{}"}]}`, "unknown", relay.Source{}, ""},
		{"keys in another case: Resources", `{` + label + `,"Resources":["` + secret + `"],` + current + `}`, "malformed", relay.Source{}, "resources must hold the secret's ARN"},
		{"keys in another case: Detail", `{` + label + `,` + resources + `,"Detail":{"labelUpdated":"AWSCURRENT"}}`, "malformed", relay.Source{}, "detail is not an object"},
		{"keys in another case: LabelUpdated", `{` + label + `,` + resources + `,"detail":{"LabelUpdated":"AWSCURRENT"}}`, "malformed", relay.Source{}, "detail.labelUpdated is missing"},
		{"keys in another case: SECRETID", `{` + service + `,"detail":{"eventName":"RotationSucceeded","additionalEventData":{"SECRETID":"` + secret + `"}}}`, "malformed", relay.Source{}, "SecretId must be"},
		{"keys in another case: Secret", `{"relay":{"Secret":"prod/okta"}}`, "malformed", relay.Source{}, "relay: Secret: is not a field"},
		{"keys in another case: Dry_Run", `{"relay":{"secret":"prod/okta","Dry_Run":true}}`, "malformed", relay.Source{}, "relay: Dry_Run: is not a field"},

		{"two doors: batch and event", `{"Records":[` + record + `],` + label + `,` + resources + `,` + current + `}`, "batch", relay.Source{}, ""},
		{"two doors: batch and envelope", `{"Records":[` + record + `],"relay":{"secret":"prod/okta"}}`, "batch", relay.Source{}, ""},
		{"two doors: event and envelope", `{"relay":{"secret":"other"},` + label + `,` + resources + `,` + current + `}`, "Secret Label Updated", known, ""},
		{"two doors: half an event and envelope", `{"relay":{"secret":"prod/okta"},"detail-type":"Secret Label Updated"}`, "malformed", relay.Source{}, "and nothing beside it"},
		{"two doors: envelope in an envelope", `{"relay":{"relay":{"secret":"prod/okta"}}}`, "malformed", relay.Source{}, "relay: relay: is not a field"},
		{"a batch that only begins as one", `{"Records":[` + record + `,{"eventSource":"aws:sns"}]}`, "batch", relay.Source{}, ""},

		{"no JSON", `Secret Label Updated`, "malformed", relay.Source{}, "not a JSON object"},
		{"nothing", ``, "malformed", relay.Source{}, "not a JSON object"},
		{"null", `null`, "malformed", relay.Source{}, "not a JSON object"},
		{"an empty array", ` []`, "malformed", relay.Source{}, "not a JSON object"},
		{"half an array", `[{}`, "malformed", relay.Source{}, "not a JSON object"},
		{"arrays, nested deeply", strings.Repeat(`[`, 20_000) + strings.Repeat("]", 20_000), "malformed", relay.Source{}, "not a JSON object"},
		{"an ARN of another region's name", `{` + label + `,"resources":["arn:aws:secretsmanager:example.com/:111122223333:secret:a-AbCdEf"],` + current + `}`, "malformed", relay.Source{}, "resources[0] must be a secret's full ARN"},
		{"an ARN of a long name", `{` + label + `,"resources":["` + secrets + strings.Repeat("n", 513) + `-AbCdEf"],` + current + `}`, "malformed", relay.Source{}, "resources[0] must be a secret's full ARN"},
		{"an ARN of no account", `{` + label + `,"resources":["arn:aws:secretsmanager:us-east-1::secret:a-AbCdEf"],` + current + `}`, "malformed", relay.Source{}, "resources[0] must be a secret's full ARN"},
		{"a field twice by hand", `{"relay":{"secret":"a","secret":"b"}}`, "malformed", relay.Source{}, "relay: secret: is there twice"},
		{"a flag twice by hand", `{"relay":{"secret":"a","enabled":true,"enabled":false}}`, "malformed", relay.Source{}, "relay: enabled: is there twice"},
		{"two objects", `{"relay":{"secret":"a"}}{"relay":{"secret":"b"}}`, "malformed", relay.Source{}, "not a JSON object"},
		{"nested deeply", strings.Repeat(`{"relay":`, 20_000) + strings.Repeat("}", 20_000), "malformed", relay.Source{}, "not a JSON object"},
		{"two secrets", `{` + label + `,"resources":["` + secret + `","` + secret + `"],` + current + `}`, "malformed", relay.Source{}, "resources must hold"},
		{"half an ARN", `{` + label + `,"resources":["` + secrets + `prod/okta"],` + current + `}`, "malformed", relay.Source{}, "resources[0] must be a secret's full ARN"},
		{"a parameter's ARN", `{` + label + `,"resources":["arn:aws:ssm:us-east-1:111122223333:parameter/x-AbCdEf"],` + current + `}`, "malformed", relay.Source{}, "resources[0] must be a secret's full ARN"},
		{"an envelope that is null", `{"relay":null}`, "malformed", relay.Source{}, "must be a JSON object"},
		{"an envelope with an empty name", `{"relay":{"secret":""}}`, "malformed", relay.Source{}, "relay: secret: must be a name"},
		{"an envelope with a name that is too long", `{"relay":{"parameter":"` + strings.Repeat("n", 2049) + `"}}`, "malformed", relay.Source{}, "relay: parameter: must be a name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			kind, trigger, err := decoded(c.event)
			var fault *MalformedEvent
			switch {
			case kind != c.kind:
				t.Errorf("got the kind %q, want %q", kind, c.kind)
			case c.malformed != "" && (!errors.As(err, &fault) || !strings.Contains(err.Error(), c.malformed)):
				t.Errorf("got the error %v, want a MalformedEvent: %s", err, c.malformed)
			case c.malformed == "" && err != nil:
				t.Errorf("got the error %v", err)
			case err == nil && (trigger.Source != c.source || trigger.byHand != (kind == "relay")):
				t.Errorf("got %+v, want the source %+v", trigger, c.source)
			case err == nil && kind != "batch" && c.source == relay.Source{} && (trigger.outcome.Outcome != relay.Ignored || trigger.outcome.Error == nil):
				t.Errorf("got the outcome %+v, want ignored for a reason", trigger.outcome)
			}
		})
	}
}

// TestSamples decodes what operators are given to try the function with.
func TestSamples(t *testing.T) {
	for file, want := range map[string]struct{ kind, source string }{
		"secret-label-updated.json":      {"Secret Label Updated", "prod/okta/datadog"},
		"rotation-succeeded.json":        {"RotationSucceeded", "prod/crowdstrike/datadog"},
		"relay-dry-run.json":             {"relay", "prod/okta/datadog"},
		"put-secret-value-entra-id.json": {"PutSecretValue", "prod/entra-id/datadog"},
		"sqs-batch.json":                 {"batch", ""},
	} {
		event, err := events.Files.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		kind, trigger, err := decoded(string(event))
		if kind != want.kind || trigger.Source.Name != want.source || err != nil {
			t.Errorf("%s: got %s about %q, %v, want %s about %q", file, kind, trigger.Source.Name, err, want.kind, want.source)
		}
	}
}
