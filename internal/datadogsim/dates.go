package datadogsim

import (
	"slices"
	"time"
)

// dates are the ways in which modified_at may differ from the time of the last change. Datadog does not document it.
type dates struct {
	withValidation bool          // it moves when what is stored is validated
	every          time.Duration // it moves by itself
	since          time.Time     // when every was set
	shown          func(time.Time) time.Time
	shownBy        []Operation // nil for all
}

// MovesWithValidation makes each validation of a stored credential move the config's modified_at.
func (s *Simulator) MovesWithValidation() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dates.withValidation = true
}

// MovesByItself makes the modified_at of all configs that have one move at this interval from now on, as if each sync
// moved it. 0 ends that.
func (s *Simulator) MovesByItself(interval time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, config := range s.configs {
		s.moveByItself(config)
	}
	s.dates.every, s.dates.since = interval, time.Now()
}

// ShowModifiedAt makes the answers of these operations, or of all that show a config, show what show returns for a
// config's modified_at. For example:
//
//	WholeSeconds                                           without a fraction
//	func(t time.Time) time.Time { return t.Round(time.Hour) }
//	func(time.Time) time.Time { return time.Time{} }       not at all
//
// It replaces what was set before. A nil show shows the date as it is stored.
func (s *Simulator) ShowModifiedAt(show func(time.Time) time.Time, by ...Operation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dates.shown, s.dates.shownBy = show, by
}

// WholeSeconds cuts the fraction of a second off, for ShowModifiedAt.
func WholeSeconds(t time.Time) time.Time { return t.Truncate(time.Second) }

// show returns a config's modified_at as the answer of an operation shows it.
func (d dates) show(modifiedAt time.Time, op Operation) time.Time {
	if d.shown == nil || len(d.shownBy) > 0 && !slices.Contains(d.shownBy, op) {
		return modifiedAt
	}
	return d.shown(modifiedAt)
}

// moveByItself moves a config's modified_at if it is time. The caller holds the lock.
func (s *Simulator) moveByItself(config *stored) {
	if s.dates.every <= 0 || config.ModifiedAt.IsZero() {
		return
	}
	last := latest(config.movedAt, s.dates.since)
	if times := time.Since(last) / s.dates.every; times > 0 {
		config.move(last.Add(times * s.dates.every))
	}
}

// move sets a config's modified_at to a time by the clock. A date ahead of the clock moves too, because a client
// recognizes a change by it.
func (c *stored) move(now time.Time) {
	c.movedAt = now
	c.ModifiedAt = withFraction(latest(now.UTC().Truncate(time.Microsecond), c.ModifiedAt.Add(time.Microsecond)))
}

// withFraction returns a time that is not a whole second. By a test's virtual clock most times would be, and by a real
// one hardly any.
func withFraction(t time.Time) time.Time {
	if t.Nanosecond() == 0 {
		return t.Add(time.Microsecond)
	}
	return t
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
