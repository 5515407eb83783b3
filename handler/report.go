package handler

import (
	"cmp"
	"fmt"
	"slices"

	"credential-relay/relay"
)

// Report is what a straight invocation returns.
type Report struct {
	Results []relay.Result `json:"outcomes"`
	// Left is how many bindings there was no time for.
	Left int `json:"left,omitempty"`
}

func joined(reports []Report) Report {
	var all Report
	for _, report := range reports {
		all.Results = slices.Concat(all.Results, report.Results)
		all.Left += report.Left
	}
	return all
}

// RelayFailed is the function error for a relay that wants somebody's
// attention.
type RelayFailed struct{ summary string }

func (e *RelayFailed) Error() string { return e.summary }

// ReconcileIncomplete is the function error for a reconcile that ran out of
// time, so that it is run again.
type ReconcileIncomplete struct{ left int }

func (e *ReconcileIncomplete) Error() string {
	return fmt.Sprintf("there was no time for %d of the bindings", e.left)
}

// InternalError is the function error for a fault in this program.
type InternalError struct{}

func (e *InternalError) Error() string { return "internal error; the log has the stack" }

// failure sums up what went wrong in one line; nil when nothing did.
func (r Report) failure() error {
	first := slices.IndexFunc(r.Results, relay.Result.Failed)
	switch {
	case first >= 0:
		return &RelayFailed{r.summary(r.Results[first])}
	case r.Left > 0:
		return &ReconcileIncomplete{r.Left}
	default:
		return nil
	}
}

func (r Report) summary(first relay.Result) string {
	failed := 0
	for _, outcome := range r.Results {
		if outcome.Failed() {
			failed++
		}
	}
	which := cmp.Or(first.Source, "the event")
	if first.ConfigID != "" {
		which += " for integration config " + string(first.ConfigID)
	}
	return fmt.Sprintf("%d of %d not up to date: %s: %s at %s: %s",
		failed, len(r.Results), which, first.Outcome, first.Error.Stage, first.Error.Message)
}
