package handler

import (
	"encoding/json"
	"slices"
	"time"

	"credential-relay/relay"
)

// decodeEventBridge decodes an event as EventBridge delivers it.
// https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html
func decodeEventBridge(event object) (Trigger, error) {
	switch source, kind := event.text("source"), event.text("detail-type"); {
	case kind == "Scheduled Event" && (source == "aws.events" || source == "aws.scheduler"):
		return Trigger{Kind: kind, reconcile: true}, nil // its detail may be an object or a string of one
	case source == "aws.secretsmanager" && kind == "Secret Label Updated":
		return decodeLabelUpdated(event)
	case source == "aws.secretsmanager" && kind == "AWS Service Event via CloudTrail":
		return decodeServiceEvent(event)
	case source == "aws.secretsmanager" && kind == "AWS API Call via CloudTrail":
		return decodeAPICall(event)
	case source == "aws.ssm" && kind == "Parameter Store Change":
		return decodeParameterChange(event)
	default:
		return unknownEvent("of " + source + ", " + kind), nil
	}
}

// decodeLabelUpdated decodes Secrets Manager's own event for a staging label
// that has moved to another version, which needs no CloudTrail.
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/monitoring-eventbridge.html
func decodeLabelUpdated(event object) (Trigger, error) {
	trigger := changeIn(event.text("detail-type"), event)
	detail, err := detailOf(event)
	if err != nil {
		return trigger, err
	}
	switch label := detail.text("labelUpdated"); label {
	case relay.LabelCurrent:
	case "":
		return trigger, malformed("%s: detail.labelUpdated is missing", trigger.Kind)
	default:
		return answeredTrigger(trigger.Kind, relay.Ignored, bounded("no relay reads the staging label "+label)), nil
	}
	var resources []string
	if json.Unmarshal(event["resources"], &resources) != nil || len(resources) != 1 {
		return trigger, malformed("%s: resources must hold the secret's ARN", trigger.Kind)
	}
	if version := detail.text("versionId"); len(version) <= maxVersionID {
		trigger.VersionID = version
	}
	return trigger.about(resources[0], "resources[0]")
}

// maxVersionID is the length of the longest id of a secret's version.
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
const maxVersionID = 64

// decodeParameterChange decodes Parameter Store's own event. It names no
// version.
// https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-cwe.html
func decodeParameterChange(event object) (Trigger, error) {
	trigger := changeIn(event.text("detail-type"), event)
	detail, err := detailOf(event)
	if err != nil {
		return trigger, err
	}
	name, operation := detail.text("name"), detail.text("operation")
	switch {
	case name == "" || len(name) > maxID:
		return trigger, malformed("%s: detail.name must be a parameter's name", trigger.Kind)
	case !slices.Contains([]string{"Create", "Update", "Delete"}, operation):
		return answeredTrigger(trigger.Kind, relay.Ignored, bounded("the operation "+operation+" changes no value")), nil
	}
	trigger.Source = relay.ParameterNamed(name).In(event.text("account"), event.text("region"))
	return trigger, nil
}

// changeIn returns the trigger of an event that reports a change of a source,
// with the time of the change. An event without a legible time is relayed too.
func changeIn(kind string, event object) Trigger {
	changed, _ := time.Parse(time.RFC3339, event.text("time"))
	return Trigger{Kind: kind, changed: changed, Request: relay.Request{IfDue: true}}
}

func detailOf(event object) (object, error) {
	detail := event.object("detail")
	if detail == nil {
		return nil, malformed("%s: detail is not an object", event.text("detail-type"))
	}
	return detail, nil
}

// about points the trigger to the secret whose full ARN was found in field.
func (t Trigger) about(secretARN, field string) (Trigger, error) {
	source, ok := relay.SecretAt(secretARN)
	if !ok {
		return t, malformed("%s: %s must be a secret's full ARN", t.Kind, field)
	}
	t.Source = source
	return t, nil
}
