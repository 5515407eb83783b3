package handler

import (
	"cmp"
	"encoding/json"
	"slices"

	"credential-relay/relay"
)

// lookAgain are the events of CloudTrail after which AWSCURRENT, or whether
// there is one, may be another. After a rotation that has come to nothing,
// Datadog may hold what was staged, and gets AWSCURRENT back.
var lookAgain = []string{
	"RotationSucceeded", "RotationFailed", "RotationAbandoned",
	"PutSecretValue", "UpdateSecret", "UpdateSecretVersionStage", "DeleteSecret", "RestoreSecret",
}

// decodeServiceEvent decodes what Secrets Manager itself has done, as CloudTrail
// tells it: then resources and requestParameters are empty, and the secret's
// ARN is in additionalEventData.
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/cloudtrail_log_entries.html
func decodeServiceEvent(event object) (Trigger, error) {
	trigger, detail, err := decodeCloudTrail(event)
	if err != nil || trigger.answered() {
		return trigger, err
	}
	data := detail.object("additionalEventData")
	id := cmp.Or(data.text("SecretId"), data.text("secretId"), detail.object("serviceEventDetails").text("secretId"))
	return trigger.about(id, "detail.additionalEventData.SecretId")
}

// decodeAPICall decodes what somebody has done by calling Secrets Manager, as
// CloudTrail tells it. The secret is named as the caller typed it, and in the
// answer, if that is told, by its ARN.
// https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
func decodeAPICall(event object) (Trigger, error) {
	trigger, detail, err := decodeCloudTrail(event)
	if err != nil || trigger.answered() {
		return trigger, err
	}
	asked, answered := detail.object("requestParameters"), detail.object("responseElements")
	switch {
	case detail.text("errorCode") != "":
		return answeredTrigger(trigger.Kind, relay.Ignored, bounded("the call failed: "+detail.text("errorCode"))), nil
	case namesOtherLabels(asked):
		return answeredTrigger(trigger.Kind, relay.Ignored, "the call did not move AWSCURRENT"), nil
	}
	if id := cmp.Or(answered.text("arn"), answered.text("aRN"), answered.text("ARN")); id != "" {
		return trigger.about(id, "detail.responseElements.arn")
	}
	id := asked.text("secretId")
	if id == "" || len(id) > maxID {
		return trigger, malformed("%s: detail.requestParameters.secretId is missing", trigger.Kind)
	}
	trigger.Source = relay.SecretNamed(id).In(event.text("account"), event.text("region"))
	return trigger, nil
}

func decodeCloudTrail(event object) (Trigger, object, error) {
	detail, err := detailOf(event)
	if err != nil {
		return Trigger{}, nil, err
	}
	name := detail.text("eventName")
	if !slices.Contains(lookAgain, name) {
		return unknownEvent("of aws.secretsmanager, CloudTrail's " + name), nil, nil
	}
	return changeTold(name, event), detail, nil
}

// namesOtherLabels reports whether a call has named the labels it is about, and
// AWSCURRENT is not one of them.
func namesOtherLabels(asked object) bool {
	var labels []string
	if label := asked.text("versionStage"); label != "" {
		labels = []string{label}
	} else if json.Unmarshal(asked["versionStages"], &labels) != nil || len(labels) == 0 {
		return false
	}
	return !slices.Contains(labels, relay.LabelCurrent)
}
