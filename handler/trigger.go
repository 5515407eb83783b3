package handler

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"credential-relay/relay"
)

// Trigger is what an event decodes to: what to look at, and why. It never says
// what to apply: a relay looks for itself.
type Trigger struct {
	Kind          string // why, such as "Secret Label Updated"
	relay.Request        // zero when there is nothing to relay

	changed   time.Time // when the source did, as the event tells; zero when it does not
	reconcile bool      // look at everything that is bound
	byHand    bool      // somebody waits for the report, whatever the outcomes
	// outcome is the answer to an event that leads to no relay.
	outcome relay.Result
}

// asksForSame reports whether one relay serves both triggers.
func (t Trigger) asksForSame(other Trigger) bool {
	return t.Request == other.Request && t.reconcile == other.reconcile && !t.answered() && !other.answered()
}

// merged is the trigger that stands for both: the earlier change is the one that
// Datadog has been lacking for longer.
func (t Trigger) merged(other Trigger) Trigger {
	if t.changed.IsZero() || !other.changed.IsZero() && other.changed.Before(t.changed) {
		t.changed = other.changed
	}
	return t
}

// answered reports whether the trigger has its outcome already.
func (t Trigger) answered() bool { return t.outcome.Outcome != "" }

// atTrigger is the stage before there is anything to relay.
const atTrigger relay.Stage = "trigger"

// object is a JSON object whose members are yet to be decoded. Its keys are
// exact, where decoding into a struct would also take "RELAY" for "relay".
type object map[string]json.RawMessage

func decodeObject(raw []byte) (object, error) {
	var members object
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return nil, malformed("the event is not a JSON object")
	}
	return members, nil
}

func (o object) has(keys ...string) bool {
	for _, key := range keys {
		if _, ok := o[key]; !ok {
			return false
		}
	}
	return true
}

// text is a member that is a string; empty when it is absent or something else.
func (o object) text(key string) string {
	var text string
	_ = json.Unmarshal(o[key], &text)
	return text
}

// object is a member that is an object; empty when it is absent or something
// else.
func (o object) object(key string) object {
	var members object
	_ = json.Unmarshal(o[key], &members)
	return members
}

// maxDepth is how many envelopes an event may be in. Three are in use: a failed
// invocation's record, in it an SNS notification, in that the event.
const maxDepth = 4

// decodeEvent decodes an event, and what is wrapped in it, to triggers. Whatever
// is wrapped is an event or our own envelope: never a webhook request or a step
// of a rotation, which are who they say they are only when they come straight.
func decodeEvent(event object, depth int) ([]Trigger, error) {
	if depth > maxDepth {
		return nil, malformed("the event is wrapped more than %d times", maxDepth)
	}
	var trigger Trigger
	var err error
	switch {
	case len(event.records()) > 0:
		return decodeRecords(event, depth)
	case event.isNotification():
		return decodeWrapped([]byte(event.text("Message")), depth)
	case event.isFailureRecord():
		return decodeWrapped(event["requestPayload"], depth)
	case event.has("detail-type", "source"):
		trigger, err = decodeEventBridge(event)
	case event.has("relay") || event.has("reconcile"):
		trigger, err = decodeByHand(event)
	default:
		keys := slices.Sorted(maps.Keys(event))
		trigger = unknownEvent("with the keys " + strings.Join(keys, ", "))
	}
	return []Trigger{trigger}, err
}

func decodeWrapped(raw []byte, depth int) ([]Trigger, error) {
	event, err := decodeObject(raw)
	if err != nil {
		return nil, err
	}
	return decodeEvent(event, depth+1)
}

// unknownEvent is the trigger of an event that nobody here has asked for. It is
// told, and does not fail: to send it again would not help.
func unknownEvent(which string) Trigger {
	message := bounded("this is no event that Credential Relay knows: one " + which)
	return answeredTrigger("unknown", relay.Ignored, message)
}

// answeredTrigger is the trigger of an event that leads to no relay.
func answeredTrigger(kind string, verdict relay.Outcome, message string) Trigger {
	return Trigger{Kind: kind, outcome: relay.Result{
		Outcome: verdict, Error: &relay.Error{Stage: atTrigger, Message: message},
	}}
}

// bounded keeps what strangers send from filling the log.
func bounded(text string) string {
	const limit = 200
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	return text
}

// MalformedEvent is the function error for an event that cannot be read.
type MalformedEvent struct{ reason string }

func (e *MalformedEvent) Error() string { return e.reason }

func malformed(format string, values ...any) error {
	return &MalformedEvent{bounded(fmt.Sprintf(format, values...))}
}
