package handler

import (
	"cmp"
	"encoding/json"
	"slices"

	"credential-relay/relay"
)

// lookAgain are CloudTrail's events after which another version may be
// AWSCURRENT, or none. After a rotation that failed, Datadog may hold the staged
// credential, and gets AWSCURRENT back.
var lookAgain = []string{
	"RotationSucceeded", "RotationFailed", "RotationAbandoned",
	"PutSecretValue", "UpdateSecret", "UpdateSecretVersionStage", "DeleteSecret", "RestoreSecret",
}

// decodeServiceEvent decodes CloudTrail's event for what Secrets Manager itself
// has done. Its resources and requestParameters are empty, and the secret's ARN
// is in additionalEventData.
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

// decodeAPICall decodes CloudTrail's event for a call of Secrets Manager. It
// names the secret as the caller typed it, and by its ARN in the answer, if the
// event holds the answer.
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
	switch {
	case name == "":
		return Trigger{}, nil, malformed("%s: detail.eventName is missing", event.text("detail-type"))
	case !slices.Contains(lookAgain, name):
		return answeredTrigger(event.text("detail-type"), relay.Ignored, bounded("CloudTrail's "+name+" changes no credential")), nil, nil
	}
	return changeIn(name, event), detail, nil
}

// namesOtherLabels reports whether a call names staging labels, and AWSCURRENT
// is not one of them.
func namesOtherLabels(asked object) bool {
	var labels []string
	if label := asked.text("versionStage"); label != "" {
		labels = []string{label}
	} else if json.Unmarshal(asked["versionStages"], &labels) != nil || len(labels) == 0 {
		return false
	}
	return !slices.Contains(labels, relay.LabelCurrent)
}
