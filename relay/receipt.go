package relay

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"credential-relay/datadog"
)

// receiptsBelow is where the receipts are below the bindings path, one a config.
const receiptsBelow = "/receipts/"

// Receipt is our note of which version Datadog last took from us. It is one SSM
// parameter, holds nothing secret, and may be lost: without it the next look
// relays again, which is always safe. It never decides what is sent.
type Receipt struct {
	// Binding is the parameter's name of the binding that was relayed.
	Binding string `json:"binding"`
	// VersionID is the version that Datadog took; empty when that is not certain.
	VersionID string  `json:"version_id,omitempty"`
	Outcome   Outcome `json:"outcome,omitempty"`
	// At is when Datadog took it.
	At time.Time `json:"at,omitzero"`
	// ModifiedAt is what the config said after our change; zero when Datadog did
	// not say.
	ModifiedAt time.Time `json:"modified_at,omitzero"`
	// Settled is set when ModifiedAt proves that nobody else's change came after
	// ours, or the schedule has relayed once more since.
	Settled bool `json:"settled,omitempty"`
	// Moves counts the relays in a row that were made only because the config's
	// date had moved.
	Moves int `json:"moves,omitempty"`
	// Refused is the last version that Datadog refused, until it accepts one.
	Refused *Refused `json:"refused,omitempty"`
}

// Refused is a version that Datadog refused, and why.
type Refused struct {
	VersionID string    `json:"version_id"`
	At        time.Time `json:"at"`
	Error     string    `json:"error"`
}

// refuses reports whether Datadog refused this version.
func (r *Receipt) refuses(version string) bool {
	return r != nil && r.Refused != nil && r.Refused.VersionID == version
}

// lastAttempt returns when Datadog last took or refused a version; zero for no
// receipt.
func (r *Receipt) lastAttempt() time.Time {
	switch {
	case r == nil:
		return time.Time{}
	case r.Refused != nil && r.Refused.At.After(r.At):
		return r.Refused.At
	default:
		return r.At
	}
}

// parseReceipt returns the receipt that a parameter holds; nil when it holds
// none. What a person wrote there is read like our own.
func parseReceipt(parameter *types.Parameter) *Receipt {
	var receipt Receipt
	if json.Unmarshal([]byte(aws.ToString(parameter.Value)), &receipt) != nil || receipt.Binding == "" {
		return nil
	}
	return &receipt
}

// receiptKey returns the name of a config's receipt below the receipts.
// Datadog's ids do not depend on case, the names of parameters do.
func receiptKey(id datadog.ConfigID) string { return strings.ToLower(string(id)) }

func (e *Engine) receiptName(id datadog.ConfigID) string {
	return e.BindingsPath + receiptsBelow + receiptKey(id)
}

// readReceipt returns a config's receipt; nil when there is none. It takes at most
// half of the time that is left.
func (e *Engine) readReceipt(ctx context.Context, id datadog.ConfigID) (*Receipt, error) {
	ctx, cancel := halfOf(ctx)
	defer cancel()
	answer, err := e.Sources.ParameterStore.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String(e.receiptName(id))})
	switch {
	case isNotFound(err):
		return nil, nil
	case err != nil:
		return nil, err
	case answer.Parameter == nil:
		return nil, errNoParameter
	}
	return parseReceipt(answer.Parameter), nil
}

// writeReceipt replaces a config's receipt.
// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
func (e *Engine) writeReceipt(ctx context.Context, id datadog.ConfigID, receipt Receipt) error {
	value, err := json.Marshal(receipt)
	if err != nil {
		return err
	}
	_, err = e.Sources.ParameterStore.PutParameter(ctx, &ssm.PutParameterInput{
		Name: aws.String(e.receiptName(id)), Type: types.ParameterTypeString, Value: aws.String(string(value)), Overwrite: aws.Bool(true),
	})
	return err
}

// sameDate reports whether two dates of a config are of the same change. A date
// without a fraction of a second may have been rounded.
func sameDate(a, b time.Time) bool {
	if hasFraction(a) && hasFraction(b) {
		return a.Equal(b)
	}
	return a.Sub(b).Abs() < time.Second
}

func hasFraction(date time.Time) bool { return date.Nanosecond() != 0 }

// withdrawReceipt takes the version out of a receipt before a credential is
// stored where no date will show it. If the instance dies then, the next look
// relays again.
func (e *Engine) withdrawReceipt(ctx context.Context, w *work) {
	if w.receipt == nil || w.receipt.VersionID == "" || w.withdrawn {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, receiptTime)
	defer cancel()
	w.withdrawn = true
	without := *w.receipt
	without.VersionID, without.Settled = "", false
	if err := e.writeReceipt(ctx, w.ConfigID, without); err != nil {
		w.result.ReceiptError = Describe(err)
	}
}

// leaveReceipt writes what Datadog took or refused, once, at the end of a relay.
// That it cannot be written fails nothing.
func (e *Engine) leaveReceipt(ctx context.Context, w *work, d decision) {
	next, changed := w.nextReceipt(d, time.Now())
	if !changed {
		return
	}
	w.result.ReceiptError = ""
	if err := e.writeReceipt(ctx, w.ConfigID, next); err != nil {
		w.result.ReceiptError = Describe(err)
	}
}

// nextReceipt returns the receipt after a relay. It reports false when nothing
// has changed.
func (w *work) nextReceipt(d decision, at time.Time) (next Receipt, changed bool) {
	if w.receipt != nil {
		next = *w.receipt
	}
	switch {
	case w.took != nil:
		before := next
		next, changed = *w.took, true
		if w.took.Outcome != Updated {
			next.Refused = before.Refused
		}
		if d.settles {
			next.Settled, next.Moves = true, before.Moves
		}
		if d.moved && before.VersionID == next.VersionID {
			next.Moves = before.movesAfter(at)
			next.Settled = next.Settled || next.Moves > movesToBelieve // it is relayed once a day as it is
		}
		if w.flag != nil { // which moved the date once more
			next.ModifiedAt, next.Settled = w.patched.ModifiedAt, false
		}
	case w.flag != nil && w.receipt != nil && !w.dateMoved():
		next.ModifiedAt, next.Settled, changed = w.patched.ModifiedAt, false, true
	}
	if w.said != "" && w.said != next.Outcome {
		next.Outcome, changed = w.said, true
	}
	if w.result.Outcome == Rejected {
		next.Binding, changed = w.Parameter, true
		next.Refused = &Refused{VersionID: w.result.VersionID, At: at, Error: shortened(w.mask.Text(w.result.Error.Message))}
	}
	return next, changed
}

// maxRefusal is how many characters of a refusal a receipt keeps. A parameter holds
// 4096 bytes, and JSON writes some characters as six.
const maxRefusal = 300

func shortened(text string) string {
	if runes := []rune(text); len(runes) > maxRefusal {
		return string(runes[:maxRefusal]) + "…"
	}
	return text
}

// movesAfter returns the count of relays in a row for the date alone, with one
// more now.
func (r Receipt) movesAfter(at time.Time) int {
	if at.Sub(r.At) > movesForget {
		return 1
	}
	return r.Moves + 1
}
