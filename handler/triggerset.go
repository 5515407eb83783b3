package handler

import (
	"cmp"
	"context"
	"slices"

	"credential-relay/relay"
)

// maxTriggers bounds how many different things one event may ask for.
const maxTriggers = 200

// triggerSet holds the triggers of one event. Those that ask for the same are
// one.
type triggerSet struct {
	triggers []Trigger
	index    map[triggerKey]int // of triggers
	lastAsk  []int              // the number of the last ask that each of triggers stands for
	asks     int
}

// triggerKey tells triggers apart. The same relay, or the same answer, serves
// all triggers of one key.
type triggerKey struct {
	request   relay.Request
	reconcile bool
	outcome   relay.Outcome
	message   string
}

func (t Trigger) key() triggerKey {
	key := triggerKey{request: t.Request, reconcile: t.reconcile, outcome: t.outcome.Outcome}
	key.request.VersionID = ""                 // a hint only
	if t.answered() && t.Kind != kindUnknown { // unknown events share one line of the log
		key.message = t.outcome.Error.Message
	}
	return key
}

// addOrMerge adds a trigger, or merges it with one of the same key, and returns
// its index. It reports false if the set is full.
func (s *triggerSet) addOrMerge(t Trigger) (i int, ok bool) {
	i, known := s.index[t.key()]
	switch {
	case known:
		s.triggers[i] = s.triggers[i].merged(t)
	case len(s.triggers) == maxTriggers:
		return 0, false
	default:
		if s.index == nil {
			s.index = map[triggerKey]int{}
		}
		i = len(s.triggers)
		s.index[t.key()] = i
		s.triggers, s.lastAsk = append(s.triggers, t), append(s.lastAsk, 0)
	}
	s.asks++
	s.lastAsk[i] = s.asks
	return i, true
}

// merged returns the trigger that stands for both. Of two changes it names the
// earlier one, which Datadog has been without for longer, and of two versions the
// one that the later event says is current.
func (t Trigger) merged(other Trigger) Trigger {
	if t.changed.IsZero() || !other.changed.IsZero() && other.changed.Before(t.changed) {
		t.changed = other.changed
	}
	t.VersionID = cmp.Or(other.VersionID, t.VersionID)
	return t
}

// relaySet does what each trigger asks for, side by side, and returns each
// one's report. If one of them sets a flag they go one after the other, in the
// order of their last asks, so that the flag ends as it was asked for last.
func (h *Handler) relaySet(ctx context.Context, set triggerSet) []Report {
	if !slices.ContainsFunc(set.triggers, Trigger.setsFlag) {
		return h.relay(ctx, set.triggers)
	}
	order := make([]int, len(set.triggers))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(set.lastAsk[i], set.lastAsk[j]) })
	reports := make([]Report, len(set.triggers))
	var failed []Trigger
	for _, i := range order {
		trigger := set.triggers[i]
		if slices.ContainsFunc(failed, trigger.overtakes) {
			trigger = trigger.heldBack()
		}
		reports[i] = h.relay(ctx, []Trigger{trigger})[0]
		if reports[i].failure() != nil {
			failed = append(failed, set.triggers[i])
		}
	}
	return reports
}

// setsFlag reports whether the trigger itself says if a sync is to be on.
func (t Trigger) setsFlag() bool { return t.Enabled != "" && !t.DryRun }

// overtakes reports whether both triggers set a flag, and it may be the same
// one. A failed trigger is delivered again, and would then undo a later one.
func (t Trigger) overtakes(failed Trigger) bool {
	switch {
	case !t.setsFlag() || !failed.setsFlag():
		return false
	case t.Source.Name != "" && failed.Source.Name != "":
		return t.Source.Kind == failed.Source.Kind && t.Source.Name == failed.Source.Name
	case t.ConfigID != "" && failed.ConfigID != "":
		return t.ConfigID == failed.ConfigID
	default: // a source may feed any config
		return true
	}
}

// heldBack returns the trigger as one that fails without being tried.
func (t Trigger) heldBack() Trigger {
	held := answeredTrigger(t.Kind, relay.Failed, "not tried, because an earlier request about the same flag failed and will be delivered again")
	held.outcome.Source, held.outcome.ConfigID = t.Source.Name, t.ConfigID
	held.outcome.Error.Retryable = true
	return held
}
