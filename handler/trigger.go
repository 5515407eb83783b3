package handler

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"credential-relay/relay"
)

// Trigger is what an event decodes to: which source to look at, and why. It
// never says what to apply: a relay looks for itself.
type Trigger struct {
	Kind   string       // why, such as "Secret Label Updated"
	Source relay.Source // zero when the event asks for nothing
	DryRun bool

	byHand bool // somebody waits for the report, whatever the outcomes
	// outcome is the answer to an event that asks for nothing.
	outcome relay.Outcome
}

func (t Trigger) asksForNothing() bool { return t.Source == relay.Source{} }

// asksForSame reports whether one relay serves both triggers.
func (t Trigger) asksForSame(other Trigger) bool {
	return !t.asksForNothing() && t.Source == other.Source && t.DryRun == other.DryRun
}

// atTrigger is the stage before there is anything to relay.
const atTrigger relay.Stage = "trigger"

// object is a JSON object whose members are yet to be decoded. Its keys are
// exact, where decoding into a struct would also take "RELAY" for "relay".
type object map[string]json.RawMessage

func decodeObject(raw []byte) (object, error) {
	var members object
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return nil, &MalformedEvent{"the event is not a JSON object"}
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

// decodeTrigger decodes one event that is about one source.
func decodeTrigger(members object) (Trigger, error) {
	switch {
	case members.has("detail-type", "source"):
		return decodeEventBridge(members)
	case members.has("relay"):
		return decodeByHand(members)
	default:
		keys := slices.Sorted(maps.Keys(members))
		return unknownEvent("with the keys " + strings.Join(keys, ", ")), nil
	}
}

// unknownEvent is the trigger of an event that nobody here has asked for. It is
// told, and does not fail: to send it again would not help.
func unknownEvent(which string) Trigger {
	message := bounded("this is no event that Credential Relay knows: one " + which)
	return nothing("unknown", relay.Ignored, message)
}

// nothing is the trigger of an event that leads to no relay.
func nothing(kind string, verdict relay.Verdict, message string) Trigger {
	return Trigger{Kind: kind, outcome: relay.Outcome{
		Verdict: verdict, Error: &relay.Error{Stage: atTrigger, Message: message},
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
