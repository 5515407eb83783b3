package handler

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"credential-relay/relay"
)

// Trigger is what an event decodes to: what to look at, and why. It never says
// what to apply: the relay looks for itself.
type Trigger struct {
	Kind          string // why, such as "Secret Label Updated"
	relay.Request        // zero when there is nothing to relay

	changed   time.Time // when the source changed, according to the event; zero if it does not say
	reconcile bool      // look at everything that is bound
	byHand    bool      // the caller reads the report, so a failed relay is no function error
	// outcome is the answer to an event that leads to no relay.
	outcome relay.Result
}

// answered reports whether the trigger has its outcome already.
func (t Trigger) answered() bool { return t.outcome.Outcome != "" }

// atTrigger is the stage before there is anything to relay.
const atTrigger relay.Stage = "trigger"

// kindUnknown is the kind of an event that no door knows.
const kindUnknown = "unknown"

// unknownEvent answers an event that we do not handle. It is ignored and not
// failed, because a retry would not help; but it fails where it comes from a
// queue, which would lose it.
func unknownEvent(which string) Trigger {
	message := bounded("this is no event that Credential Relay knows: one " + which)
	return answeredTrigger(kindUnknown, relay.Ignored, message)
}

// unknownKeys is unknownEvent for an event of which only the keys are known.
func unknownKeys(event object) Trigger {
	keys := slices.Sorted(maps.Keys(event))
	if len(keys) == 0 {
		return unknownEvent("that is empty")
	}
	return unknownEvent("with the keys " + strings.Join(keys[:min(len(keys), maxKeysNamed)], ", "))
}

// maxKeysNamed is more keys than fit into a message.
const maxKeysNamed = 50

// decodeStraight decodes an event that came by itself. It fails if the event
// asks for too much.
func decodeStraight(event object) (set triggerSet, err error) {
	full := false
	err = decodeEvent(event, 0, func(t Trigger) {
		if _, ok := set.addOrMerge(t); !ok {
			full = true
		}
	})
	if err == nil && full {
		err = &MalformedEvent{tooMany().outcome.Error.Message}
	}
	return set, err
}

// tooMany is the trigger for all that an event asks for beyond maxTriggers.
func tooMany() Trigger {
	t := answeredTrigger("malformed", relay.Failed, fmt.Sprintf("the event asks for more than %d different things at once", maxTriggers))
	t.outcome.Error.Retryable = true
	return t
}

// fromQueue returns found for events from a queue. There an unknown event fails,
// since the queue deletes what does not.
func fromQueue(found func(Trigger)) func(Trigger) {
	return func(t Trigger) {
		if t.Kind == kindUnknown {
			t.outcome.Outcome = relay.Failed
		}
		found(t)
	}
}

// malformedTrigger is a part of an event that cannot be read. It fails by
// itself, so that the other parts go on.
func malformedTrigger(err error) Trigger {
	return answeredTrigger("malformed", relay.Failed, err.Error())
}

// answeredTrigger is the trigger of an event that leads to no relay.
func answeredTrigger(kind string, outcome relay.Outcome, message string) Trigger {
	return Trigger{Kind: kind, outcome: relay.Result{
		Outcome: outcome, Error: &relay.Error{Stage: atTrigger, Message: message},
	}}
}

// bounded returns at most 200 characters of a text from outside, all of them
// printable, so that no sender can fill or forge the log.
func bounded(text string) string {
	const limit = 200
	var short strings.Builder
	n := 0
	for _, r := range text {
		if n++; n > limit {
			short.WriteRune('…')
			break
		}
		if !unicode.IsPrint(r) {
			r = unicode.ReplacementChar
		}
		short.WriteRune(r)
	}
	return short.String()
}

// MalformedEvent is the function error for an event that cannot be read.
type MalformedEvent struct{ reason string }

func (e *MalformedEvent) Error() string { return e.reason }

func malformed(format string, values ...any) error {
	return &MalformedEvent{bounded(fmt.Sprintf(format, values...))}
}
