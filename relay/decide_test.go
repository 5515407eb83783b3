package relay

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"credential-relay/datadog"
)

// situation is everything that a decision is made from.
type situation struct {
	Binding
	found
	scheduled bool
	at        time.Time
}

var (
	changedDate = time.Date(2000, 1, 2, 3, 4, 5, 600_000_000, time.UTC)
	notFound    = &ssmtypes.ParameterNotFound{}
	errDenied   = errors.New("AccessDeniedException")
)

// inOrder returns a situation in which there is nothing to do.
func inOrder(to destination, kind datadog.IntegrationType) situation {
	const parameter = "/credential-relay/secrets/prod/okta/1111"
	return situation{
		Binding: Binding{Parameter: parameter, ConfigID: "1111", Type: kind, Enabled: Keep, destination: to},
		found: found{
			config:  &datadog.IntegrationConfig{Type: kind, State: datadog.Valid, Enabled: true, ModifiedAt: changedDate},
			now:     current{id: "v2"},
			receipt: &Receipt{Binding: parameter, VersionID: "v2", Outcome: Updated, At: changedDate, ModifiedAt: changedDate, Settled: true},
		},
		at: changedDate.Add(time.Hour),
	}
}

func (s situation) decide() decision { return decide(s.Binding, s.found, s.scheduled, s.at) }

// is reports whether a decision is the wanted one. Of the error only a part of its
// text is wanted.
func (d decision) is(want decision) bool {
	if (d.err == nil) != (want.err == nil) || d.err != nil && !strings.Contains(d.err.Error(), want.err.Error()) {
		return false
	}
	d.err, want.err = nil, nil
	return d == want
}

var withError = errors.New

// rows are those of the decision, in the order of their precedence. The last row is
// that of nothing to do.
var rows = []struct {
	name  string
	given func(*situation)
	want  decision
}{
	{"the binding is unusable", func(s *situation) { s.fault = errors.New("enabled: must be") }, decision{action: report, status: StatusBroken, err: withError("failed at binding: /credential-relay/secrets/prod/okta/1111: enabled: must be")}},
	{"bound twice", func(s *situation) { s.rival = "another" }, decision{action: report, status: StatusBroken, err: withError("another is bound to the same integration config")}},
	{"the config is missing", func(s *situation) { s.config, s.configErr = nil, answered(http.StatusNotFound) }, decision{action: report, status: StatusBroken, err: withError("failed at config")}},
	{"the config cannot be read", func(s *situation) { s.config, s.configErr = nil, answered(http.StatusInternalServerError) }, decision{action: report, status: StatusBroken, err: withError("failed at config")}},
	{"the config is of another type", func(s *situation) { s.config.Type = "CROWDSTRIKE" }, decision{action: report, status: StatusBroken, err: withError("is of type CROWDSTRIKE")}},
	{"the source is marked for deletion", func(s *situation) { s.now.deleted = true }, decision{action: report, status: StatusBroken, err: errSourceDeleted}},
	{"the source was never seen", func(s *situation) { s.nowErr, s.receipt = notFound, nil }, decision{action: report, status: StatusBroken, err: errNoSource}},
	{"the source is unreadable", func(s *situation) { s.nowErr = errDenied }, decision{action: report, status: StatusBroken, err: withError("failed at source: AccessDeniedException")}},
	{"no receipt", func(s *situation) { s.receipt = nil }, decision{action: relayIt, status: StatusUnknown}},
	{"the current version was refused", func(s *situation) {
		s.receipt.VersionID, s.receipt.Refused = "v1", &Refused{VersionID: s.now.id}
	}, decision{action: relayIt, status: StatusRejected}},
	{"the receipt has no version", func(s *situation) { s.receipt.VersionID = "" }, decision{action: relayIt, status: StatusUnknown}},
	{"another version", func(s *situation) { s.now.id = "v3" }, decision{action: relayIt, status: StatusBehind}},
	{"the config was changed since", func(s *situation) { s.config.ModifiedAt = changedDate.Add(time.Minute) }, decision{action: relayIt, status: StatusChanged, moved: true}},
	{"not settled, and this is the schedule", func(s *situation) { s.receipt.Settled, s.scheduled = false, true }, decision{action: relayIt, status: StatusCurrent, settles: true}},
	{"the flag is wrong", func(s *situation) { s.Enabled, s.config.Enabled = On, false }, decision{action: sendFlag, status: StatusCurrent}},
	{"the state is not valid", func(s *situation) { s.config.State = datadog.Invalid }, decision{action: askDatadog, status: StatusInvalid}},
	{"nothing to do", func(*situation) {}, decision{action: leaveAlone, status: StatusCurrent}},
}

func answered(status int) error { return &datadog.Error{Status: status, FromDatadog: true} }

// destinations are the ones that a binding may have. The decision is the same.
var destinations = map[datadog.IntegrationType]destination{datadog.Okta: inConfig{}, datadog.EntraID: inAzure{}}

// TestDecideRows holds each row by itself, and each against every row below it.
func TestDecideRows(t *testing.T) {
	for kind, to := range destinations {
		for i, row := range rows {
			for _, below := range rows[i:] {
				t.Run(string(kind)+"/"+row.name+"/and "+below.name, func(t *testing.T) {
					s := inOrder(to, kind)
					below.given(&s)
					row.given(&s)
					want := row.want
					if want.status == StatusCurrent && below.name == "the state is not valid" {
						want.status = StatusInvalid // which a row further up does not change
					}
					if got := s.decide(); !got.is(want) {
						t.Errorf("got %+v, want %+v", got, want)
					}
				})
			}
		}
	}
}

// TestDecide has what the rows leave open.
func TestDecide(t *testing.T) {
	forbidden := func(s *situation) { s.config, s.configErr = nil, answered(http.StatusForbidden) }
	deleted := func(s *situation) { s.nowErr = notFound }
	mode := func(mode EnabledMode, enabled bool) func(*situation) {
		return func(s *situation) { s.Enabled, s.config.Enabled = mode, enabled }
	}
	state := func(state datadog.State) func(*situation) { return func(s *situation) { s.config.State = state } }
	outcome := func(outcome Outcome) func(*situation) { return func(s *situation) { s.receipt.Outcome = outcome } }
	unsettled := func(s *situation) { s.receipt.Settled = false }
	scheduled := func(s *situation) { s.scheduled = true }
	edited := func(s *situation) { s.config.ModifiedAt = changedDate.Add(time.Minute) }
	dates := func(config, receipt time.Time) func(*situation) {
		return func(s *situation) { s.config.ModifiedAt, s.receipt.ModifiedAt = config, receipt }
	}
	moves := func(count int, age time.Duration) func(*situation) {
		return func(s *situation) {
			s.receipt.Moves, s.at = count, s.receipt.At.Add(age)
			edited(s)
		}
	}
	const day = 24 * time.Hour
	var (
		nothing  = decision{action: leaveAlone, status: StatusCurrent}
		changed  = decision{action: relayIt, status: StatusChanged, moved: true}
		gone     = decision{action: report, status: StatusBroken, err: errSourceDeleted}
		off      = decision{action: switchOff, status: StatusBroken, err: errSourceDeleted}
		flag     = decision{action: sendFlag, status: StatusCurrent}
		settling = decision{action: relayIt, status: StatusCurrent, settles: true}
	)
	for _, c := range []struct {
		name  string
		given []func(*situation)
		want  decision
	}{
		{"deleted: follow", []func(*situation){mode(Follow, true), deleted}, off},
		{"deleted: follow, and it is off", []func(*situation){mode(Follow, false), deleted}, decision{action: leaveAlone, status: StatusBroken, err: errSourceDeleted}},
		{"deleted: follow, and the config cannot be read", []func(*situation){mode(Follow, true), deleted, forbidden}, off},
		{"deleted: keep", []func(*situation){mode(Keep, true), deleted}, gone},
		{"deleted: on", []func(*situation){mode(On, false), deleted}, gone},
		{"deleted: off", []func(*situation){mode(Off, true), deleted}, gone},
		{"deleted: follow, and only a refusal is known", []func(*situation){mode(Follow, true), deleted, func(s *situation) {
			*s.receipt = Receipt{Binding: s.Parameter, Refused: &Refused{VersionID: "v1"}}
		}}, off},
		{"deleted: follow, with a receipt of another binding", []func(*situation){mode(Follow, true), deleted, func(s *situation) {
			s.receipt.Binding = "another"
		}}, decision{action: report, status: StatusBroken, err: errNoSource}},
		{"marked: follow", []func(*situation){mode(Follow, true), func(s *situation) { s.now = current{deleted: true} }}, off},
		{"marked: follow, without a receipt", []func(*situation){mode(Follow, true), func(s *situation) { s.now, s.receipt = current{deleted: true}, nil }}, off},
		{"unreadable: follow", []func(*situation){mode(Follow, true), func(s *situation) { s.nowErr = errDenied }}, decision{action: report, status: StatusBroken, err: errDenied}},

		{"the config may not be read, and all is well", []func(*situation){forbidden}, nothing},
		{"the config may not be read, and a flag is wanted", []func(*situation){mode(On, false), forbidden}, nothing},
		{"the config may not be read, and a version is new", []func(*situation){forbidden, func(s *situation) { s.now.id = "v3" }}, decision{action: relayIt, status: StatusBehind}},
		{"the config may not be read, and the receipt says pending", []func(*situation){forbidden, outcome(Pending)}, decision{action: askDatadog, status: StatusPending}},

		{"no date in Datadog's answer", []func(*situation){dates(time.Time{}, changedDate)}, nothing},
		{"no date in the receipt", []func(*situation){dates(changedDate, time.Time{})}, nothing},
		{"no date at all, and a version is new", []func(*situation){dates(time.Time{}, time.Time{}), func(s *situation) { s.now.id = "v3" }}, decision{action: relayIt, status: StatusBehind}},
		{"dates a microsecond apart", []func(*situation){dates(changedDate.Add(time.Microsecond), changedDate)}, changed},
		{"an earlier date", []func(*situation){dates(changedDate.Add(-time.Minute), changedDate)}, changed},
		{"the same date in whole seconds", []func(*situation){dates(changedDate.Truncate(time.Second), changedDate.Truncate(time.Second))}, nothing},
		{"a date that was cut to whole seconds", []func(*situation){dates(changedDate.Truncate(time.Second), changedDate)}, nothing},
		{"a date that was rounded", []func(*situation){dates(changedDate.Round(time.Second), changedDate)}, nothing},
		{"the next whole second", []func(*situation){dates(changedDate.Truncate(time.Second).Add(time.Second), changedDate.Truncate(time.Second))}, changed},

		{"changed right after the relay, and this is an event", []func(*situation){moves(0, overlap-time.Second)}, nothing},
		{"changed right after the relay, and this is the schedule", []func(*situation){moves(0, overlap-time.Second), scheduled}, changed},
		{"changed right after the relay, and the flag is wrong", []func(*situation){moves(0, overlap-time.Second), mode(On, false)}, flag},
		{"changed after the relay", []func(*situation){moves(0, overlap)}, changed},

		{"moved twice in a row", []func(*situation){moves(2, time.Hour)}, changed},
		{"moved three times", []func(*situation){moves(3, time.Hour)}, nothing},
		{"moved three times, the last a day ago", []func(*situation){moves(3, day)}, changed},
		{"moved four times", []func(*situation){moves(4, day-time.Second)}, nothing},
		{"moved four times, the last a day ago", []func(*situation){moves(4, day)}, changed},
		{"moved three times, and a version is new", []func(*situation){moves(3, time.Hour), func(s *situation) { s.now.id = "v3" }}, decision{action: relayIt, status: StatusBehind}},
		{"moved three times, and not settled", []func(*situation){moves(3, time.Hour), unsettled, scheduled}, settling},
		{"moved three times, and the flag is wrong", []func(*situation){moves(3, time.Hour), mode(Off, true)}, flag},

		{"not settled, and this is an event", []func(*situation){unsettled}, nothing},
		{"not settled, and invalid", []func(*situation){unsettled, scheduled, state(datadog.Invalid)}, decision{action: relayIt, status: StatusInvalid, settles: true}},
		{"settled, and this is the schedule", []func(*situation){scheduled}, nothing},

		{"keep, and it is off", []func(*situation){mode(Keep, false)}, nothing},
		{"on, and it is", []func(*situation){mode(On, true)}, nothing},
		{"on, and it is off", []func(*situation){mode(On, false)}, flag},
		{"on, it is off, and invalid", []func(*situation){mode(On, false), state(datadog.Invalid)}, decision{action: sendFlag, status: StatusInvalid}},
		{"off, and it is", []func(*situation){mode(Off, false)}, nothing},
		{"off, and it is on", []func(*situation){mode(Off, true)}, flag},
		{"follow, and it is on", []func(*situation){mode(Follow, true)}, nothing},
		{"follow, and it is off", []func(*situation){mode(Follow, false)}, flag},
		{"follow, off, and invalid", []func(*situation){mode(Follow, false), state(datadog.Invalid)}, decision{action: askDatadog, status: StatusInvalid}},
		{"follow, off, and initializing", []func(*situation){mode(Follow, false), state(datadog.Initializing)}, decision{action: askDatadog, status: StatusPending}},
		{"follow, off, and the receipt says pending", []func(*situation){mode(Follow, false), outcome(Pending)}, decision{action: askDatadog, status: StatusPending}},

		{"initializing", []func(*situation){state(datadog.Initializing)}, decision{action: askDatadog, status: StatusPending}},
		{"a state of the future", []func(*situation){state("degraded")}, decision{action: askDatadog, status: StatusPending}},
		{"no state", []func(*situation){state("")}, nothing},
		{"valid, and the receipt says pending", []func(*situation){outcome(Pending)}, decision{action: askDatadog, status: StatusPending}},
		{"valid, and the receipt says invalid", []func(*situation){outcome(Invalid)}, decision{action: askDatadog, status: StatusInvalid}},
		{"no state, and the receipt says invalid", []func(*situation){state(""), outcome(Invalid)}, decision{action: askDatadog, status: StatusInvalid}},
		{"a receipt that says nonsense", []func(*situation){outcome("fine")}, decision{action: askDatadog, status: StatusPending}},

		{"another version was refused", []func(*situation){func(s *situation) { s.receipt.Refused = &Refused{VersionID: "v1"} }}, nothing},
		{"a version that was refused, and is new again", []func(*situation){func(s *situation) {
			s.receipt.Refused, s.now.id = &Refused{VersionID: "v1"}, "v1"
		}}, decision{action: relayIt, status: StatusRejected}},
		{"refused at first, and pending by now", []func(*situation){outcome(Pending), func(s *situation) {
			s.receipt.Refused = &Refused{VersionID: "v2"}
		}}, decision{action: askDatadog, status: StatusPending}},
		{"refused at first, and invalid by now", []func(*situation){outcome(Invalid), func(s *situation) {
			s.receipt.Refused = &Refused{VersionID: "v2"}
		}}, decision{action: askDatadog, status: StatusInvalid}},
	} {
		for kind, to := range destinations {
			t.Run(string(kind)+"/"+c.name, func(t *testing.T) {
				s := inOrder(to, kind)
				for _, given := range c.given {
					given(&s)
				}
				if got := s.decide(); !got.is(c.want) {
					t.Errorf("got %+v, want %+v", got, c.want)
				}
			})
		}
	}
}

// TestCallsDatadog holds which actions take time that may be missing.
func TestCallsDatadog(t *testing.T) {
	for action, want := range map[action]bool{report: false, leaveAlone: false, switchOff: true, relayIt: true, sendFlag: true, askDatadog: true} {
		if got := (decision{action: action}).callsDatadog(); got != want {
			t.Errorf("action %d: got %t, want %t", action, got, want)
		}
	}
}
