package relay

import (
	"errors"
	"fmt"
	"time"

	"credential-relay/datadog"
)

// found is what was read about one binding, side by side, before anything is
// decided.
type found struct {
	rival     string // the parameter's name of another binding of the config; empty for none
	config    *datadog.IntegrationConfig
	configErr error // why config is nil
	now       current
	nowErr    error    // why now is not known
	receipt   *Receipt // nil for none
}

// action is what a look leads to.
type action int

const (
	report     action = iota // the error; nothing can be done
	switchOff                // send the flag alone: off, since the source is deleted
	relayIt                  // send the credential
	sendFlag                 // send the flag alone, as the binding wants it
	askDatadog               // have Datadog validate what it holds
	leaveAlone               // everything is as it should be
)

// decision is an action and its reason.
type decision struct {
	action action
	// status is how the binding stands, in one word.
	status Status
	// moved is set when a relay has no other reason than the config's date.
	moved bool
	// settles is set when a relay only confirms a receipt whose date proves little.
	settles bool
	err     error // of report
}

// callsDatadog reports whether the action takes calls of Datadog.
func (d decision) callsDatadog() bool { return d.action != report && d.action != leaveAlone }

var (
	errSourceDeleted = errors.New("the source is deleted, or marked for deletion; restore it, or delete the binding")
	errNoSource      = errors.New("there is no such secret or parameter; check the binding: its parameter's name, or its secret_arn")
)

// decide returns what to do about a binding, from what was read about it. It
// reads and sends nothing itself. scheduled is set for a reconcile, which alone
// settles receipts and acts on dates of a moment ago. The rows stand in the order
// of their precedence.
func decide(b Binding, f found, scheduled bool, at time.Time) decision {
	if d, unusable := f.unusable(b); unusable {
		return d
	}
	wanted := f.wantedFlag(b)
	switch {
	case f.receipt == nil:
		return decision{action: relayIt, status: StatusUnknown}
	case f.receipt.refuses(f.now.id) && f.receipt.VersionID != f.now.id:
		return decision{action: relayIt, status: StatusRejected}
	case f.receipt.VersionID == "":
		return decision{action: relayIt, status: StatusUnknown}
	case f.receipt.VersionID != f.now.id:
		return decision{action: relayIt, status: StatusBehind}
	case f.dateMoved() && !f.receipt.movesByItself(at) && (scheduled || !f.receipt.isFresh(at)):
		return decision{action: relayIt, status: StatusChanged, moved: true}
	case !f.receipt.Settled && scheduled:
		return decision{action: relayIt, status: f.standing(), settles: true}
	case wanted != nil && f.config != nil && *wanted != f.config.Enabled:
		return decision{action: sendFlag, status: f.standing()}
	case f.standing() != StatusCurrent:
		return decision{action: askDatadog, status: f.standing()}
	}
	return decision{action: leaveAlone, status: StatusCurrent}
}

// unusable decides about a binding whose config or source cannot be used.
func (f found) unusable(b Binding) (decision, bool) {
	switch err := f.configProblem(b); {
	case err != nil:
		return decision{action: report, status: StatusBroken, err: err}, true
	case f.sourceDeleted(b) && b.Enabled == Follow:
		if f.config != nil && !f.config.Enabled {
			return decision{action: leaveAlone, status: StatusBroken, err: failed(AtSource, errSourceDeleted)}, true
		}
		return decision{action: switchOff, status: StatusBroken, err: failed(AtSource, errSourceDeleted)}, true
	case f.sourceDeleted(b):
		return decision{action: report, status: StatusBroken, err: failed(AtSource, errSourceDeleted)}, true
	case isNotFound(f.nowErr):
		return decision{action: report, status: StatusBroken, err: failed(AtSource, fmt.Errorf("%w: %w", errNoSource, f.nowErr))}, true
	case f.nowErr != nil:
		return decision{action: report, status: StatusBroken, err: failed(AtSource, f.nowErr)}, true
	}
	return decision{}, false
}

// configProblem returns why the binding's config cannot be used. A config that
// Datadog does not let us read can still be changed.
func (f found) configProblem(b Binding) error {
	switch {
	case b.fault != nil:
		return failed(AtBinding, fmt.Errorf("%s: %w", b.Parameter, b.fault))
	case f.rival != "":
		return failed(AtBinding, fmt.Errorf("%s: %s is bound to the same integration config; delete one of the two", b.Parameter, f.rival))
	case f.config == nil && !datadog.IsForbidden(f.configErr):
		return failed(AtConfig, b.explainNotFound(f.configErr))
	case f.config != nil && f.config.Type != b.Type:
		return failed(AtConfig, fmt.Errorf("integration_type: %s says %s, but integration config %s is of type %s; correct the binding",
			b.Parameter, b.Type, b.ConfigID, f.config.Type))
	}
	return nil
}

// explainNotFound adds what to do to Datadog's answer that it has no such
// config.
func (b Binding) explainNotFound(err error) error {
	if !datadog.IsNotFound(err) {
		return err
	}
	return fmt.Errorf("%s names an integration config that Datadog does not have; GET %s lists those that it has: %w",
		b.Parameter, datadog.ConfigsPath, err)
}

// sourceDeleted reports whether a source that once was there is gone, or marked
// for deletion. A source that no receipt of this binding knows may be a mistyped
// name.
func (f found) sourceDeleted(b Binding) bool {
	if f.now.deleted {
		return true
	}
	return isNotFound(f.nowErr) && f.receipt != nil && f.receipt.Binding == b.Parameter
}

// wantedFlag returns what the config's flag should be; nil when the binding does
// not say.
func (f found) wantedFlag(b Binding) *bool {
	if b.Enabled == Follow && f.standing() != StatusCurrent {
		return nil // Datadog has yet to accept the credential
	}
	return b.Enabled.flag()
}

// dateMoved reports whether the config has changed since our receipt. Without a
// date on either side the version alone decides.
func (f found) dateMoved() bool {
	if f.config == nil || f.config.ModifiedAt.IsZero() || f.receipt.ModifiedAt.IsZero() {
		return false
	}
	return !sameDate(f.config.ModifiedAt, f.receipt.ModifiedAt)
}

const (
	movesToBelieve = 3              // relays in a row after which a date seems to move by itself
	movesPause     = 24 * time.Hour // how often such a config is relayed then
	movesForget    = 2 * movesPause // without a move for so long, the count starts again
)

// movesByItself reports whether the config's date seems to move without anyone's
// change, so that it is no reason to relay now.
func (r *Receipt) movesByItself(at time.Time) bool {
	return r.Moves >= movesToBelieve && at.Sub(r.At).Abs() < movesPause
}

// overlap is how long relays of duplicate events may go side by side.
const overlap = 2 * time.Minute

// isFresh reports whether a relay of the same version may still go on elsewhere, so
// that the config's date may be its. Duplicate events would otherwise relay in turns.
func (r *Receipt) isFresh(at time.Time) bool { return at.Sub(r.At).Abs() < overlap }

// standing returns how a config stands that holds the current version.
func (f found) standing() Status {
	state := datadog.State("")
	if f.config != nil {
		state = f.config.State
	}
	switch {
	case state == datadog.Invalid, f.receipt != nil && f.receipt.Outcome == Invalid:
		return StatusInvalid
	case state != datadog.Valid && state != "", f.receipt != nil && f.receipt.Outcome != Updated:
		return StatusPending
	}
	return StatusCurrent
}
