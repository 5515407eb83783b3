package handler

import (
	"encoding/json"

	"credential-relay/relay"
)

const secretsManager = "aws.secretsmanager"

// decodeEventBridge decodes an event as EventBridge delivers it.
// https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html
func decodeEventBridge(event object) (Trigger, error) {
	source, kind := event.text("source"), event.text("detail-type")
	switch {
	case source == secretsManager && kind == "Secret Label Updated":
		return decodeLabelUpdated(event)
	case source == secretsManager && kind == "AWS Service Event via CloudTrail":
		return decodeServiceEvent(event)
	default:
		return unknownEvent("of " + source + ", " + kind), nil
	}
}

// decodeLabelUpdated decodes Secrets Manager's own event for a staging label
// that has moved to another version, which needs no CloudTrail.
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/monitoring-eventbridge.html
func decodeLabelUpdated(event object) (Trigger, error) {
	trigger := Trigger{Kind: event.text("detail-type")}
	detail, err := detailOf(event)
	if err != nil {
		return trigger, err
	}
	switch label := detail.text("labelUpdated"); label {
	case "AWSCURRENT":
	case "":
		return trigger, malformed("%s: detail.labelUpdated is missing", trigger.Kind)
	default:
		return nothing(trigger.Kind, relay.Ignored, bounded("no relay reads the staging label "+label)), nil
	}
	var resources []string
	if json.Unmarshal(event["resources"], &resources) != nil || len(resources) != 1 {
		return trigger, malformed("%s: resources must hold the secret's ARN", trigger.Kind)
	}
	return trigger.about(resources[0], "resources[0]")
}

// decodeServiceEvent decodes what Secrets Manager itself has done, as CloudTrail
// tells it: then resources and requestParameters are empty, and the secret's
// ARN is in additionalEventData.
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/cloudtrail_log_entries.html
func decodeServiceEvent(event object) (Trigger, error) {
	detail, err := detailOf(event)
	if err != nil {
		return Trigger{}, err
	}
	trigger := Trigger{Kind: detail.text("eventName")}
	if trigger.Kind != "RotationSucceeded" {
		return unknownEvent("of " + secretsManager + ", CloudTrail's " + trigger.Kind), nil
	}
	var data object
	_ = json.Unmarshal(detail["additionalEventData"], &data)
	return trigger.about(data.text("SecretId"), "detail.additionalEventData.SecretId")
}

func detailOf(event object) (object, error) {
	var detail object
	if json.Unmarshal(event["detail"], &detail) != nil || detail == nil {
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
