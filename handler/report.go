package handler

import (
	"fmt"

	"credential-relay/relay"
)

// Report is what a straight invocation returns.
type Report struct {
	Outcomes []relay.Outcome `json:"outcomes"`
}

// RelayFailed is the function error for a relay that wants somebody's
// attention.
type RelayFailed struct{ summary string }

func (e *RelayFailed) Error() string { return e.summary }

// InternalError is the function error for a fault in this program.
type InternalError struct{}

func (e *InternalError) Error() string { return "internal error; the log has the stack" }

// failure sums up what went wrong in one line; nil when nothing did.
func failure(outcomes []relay.Outcome) error {
	var first relay.Outcome
	failed := 0
	for _, outcome := range outcomes {
		if outcome.Failed() {
			if failed == 0 {
				first = outcome
			}
			failed++
		}
	}
	if failed == 0 {
		return nil
	}
	which := first.Source
	if first.ConfigID != "" {
		which += " for integration config " + string(first.ConfigID)
	}
	return &RelayFailed{fmt.Sprintf("%d of %d not up to date: %s: %s at %s: %s",
		failed, len(outcomes), which, first.Verdict, first.Error.Stage, first.Error.Message)}
}
