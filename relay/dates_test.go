package relay

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"credential-relay/internal/datadogsim"
)

// The tests play ten days, with a reconcile every few hours.
const (
	days     = 10
	interval = 4 * time.Hour
)

// dateNatures are the ways in which Datadog may treat modified_at.
var dateNatures = []struct {
	name   string
	nature func(*world) func(call) fault
}{
	{"it moves with each PATCH alone", func(*world) func(call) fault { return nil }},
	{"it is cut to whole seconds", func(*world) func(call) fault { return wholeSeconds }},
	{"it is rounded to whole seconds", func(*world) func(call) fault {
		return dated(func(date string) string {
			return `"modified_at":"` + parsed(date).Round(time.Second).Format(time.RFC3339Nano) + `"`
		}, "get", "list", "patch")
	}},
	{"it is cut to whole seconds but for the PATCH's answer", func(*world) func(call) fault { return dated(toSecond, "get", "list") }},
	{"there is none", func(*world) func(call) fault { return noDates }},
	{"there is none but in the PATCH's answer", func(*world) func(call) fault {
		return dated(func(string) string { return `"modified_at":null` }, "get", "list")
	}},
	{"it moves with each validation", movesOnValidation},
	{"it moves with each validation, in whole seconds", func(w *world) func(call) fault {
		return func(c call) fault { return chained(movesOnValidation(w)(c), wholeSeconds(c)) }
	}},
	{"it moves every hour", func(*world) func(call) fault { return everyHour(time.RFC3339Nano) }},
	{"it moves every hour, in whole seconds", func(*world) func(call) fault { return everyHour(time.RFC3339) }},
}

func parsed(date string) time.Time {
	at, _ := time.Parse(time.RFC3339Nano, date)
	return at
}

// movesOnValidation has Datadog change a config's date when it tries what that
// holds, two seconds after the PATCH.
func movesOnValidation(w *world) func(call) fault {
	return always("validate-stored", 1, first(func() {
		time.Sleep(2 * time.Second)
		w.edit("1111", func(*datadogsim.Config) {})
	}))
}

// everyHour has Datadog's own work change the date of a config every hour.
func everyHour(layout string) func(call) fault {
	return dated(func(date string) string {
		if at := time.Now().Truncate(time.Hour); at.After(parsed(date)) {
			return `"modified_at":"` + at.Add(1234*time.Microsecond).Format(layout) + `"`
		}
		return `"modified_at":"` + parsed(date).Format(layout) + `"`
	}, "get", "list", "patch")
}

// chained has both of two faults hit a request.
func chained(one, other fault) fault {
	switch {
	case one == nil:
		return other
	case other == nil:
		return one
	}
	return func(request *http.Request, serve func() *http.Response) (*http.Response, error) {
		return one(request, func() *http.Response {
			response, _ := other(request, serve)
			return response
		})
	}
}

// TestDates plays ten days of reconciles, whatever Datadog does to dates.
// Relays for the date alone come to an end, or to one a day after the first few.
// Rotations and edits still arrive.
func TestDates(t *testing.T) {
	for _, c := range dateNatures {
		for kind, given := range map[string]func(testing.TB) *world{"config": bound, "Azure": func(t testing.TB) *world { return entraBound(t, Keep) }} {
			t.Run(c.name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := given(t)
					time.Sleep(1234567 * time.Nanosecond)
					w.edit("1111", func(*datadogsim.Config) {})
					w.line.nature = c.nature(w)
					source := SecretNamed(w.inRotation())
					relays, first, worst := 0, 0, 0
					for day := range days {
						today := 0
						for range 24 * time.Hour / interval {
							time.Sleep(interval)
							w.forget()
							r := w.reconcileOne()
							if r.Failed() || w.held() != canary {
								t.Fatalf("day %d: got %s and %q held", day, encoded(t, r), w.held())
							}
							today += w.times("patch") + w.times("azure")
						}
						relays += today
						if day == 0 {
							first = today
						} else {
							worst = max(worst, today)
						}
					}
					if first > 5 || worst > 1 {
						t.Errorf("got %d relays on the first day, and up to %d a day then, want at most five, then one", first, worst)
					}
					if s := w.status(Selector{Source: source}); s.Status != StatusCurrent {
						t.Errorf("got the status %s, want current", encoded(t, s))
					}
					w.rotateTo(source, rotated)
					time.Sleep(time.Hour)
					if r := w.reconcileOne(); r.Outcome != Updated || w.held() != rotated {
						t.Errorf("a rotation: got %s and %q held", encoded(t, r), w.held())
					}
				})
			})
		}
	}
}

// TestEditsArrive has a person edit a config once a day. Wherever Datadog's dates
// show that, the next reconcile repairs it; and within a day where they move by
// themselves.
func TestEditsArrive(t *testing.T) {
	for _, c := range dateNatures {
		if c.name == "there is none" || c.name == "there is none but in the PATCH's answer" {
			continue // nothing shows it
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := bound(t)
				time.Sleep(1234567 * time.Nanosecond)
				w.edit("1111", func(*datadogsim.Config) {})
				w.line.nature = c.nature(w)
				for day := range days {
					for range 2 { // to let the receipt settle
						time.Sleep(time.Hour)
						w.reconcileOne()
					}
					time.Sleep(time.Hour)
					w.edit("1111", func(config *datadogsim.Config) {
						config.Secrets = map[string]any{"api_token": fmt.Sprint("by hand ", day)}
					})
					for hours := interval; w.held() != canary; hours += interval {
						time.Sleep(interval)
						w.reconcileOne()
						if hours > 24*time.Hour+interval {
							t.Fatalf("day %d: Datadog still holds %q", day, w.held())
						}
					}
				}
			})
		})
	}
}

// TestEditsInARow are repaired by the first reconcile after them, where Datadog's
// dates move with PATCHes alone, but for the fourth within a day of the third: then
// the date seems to move by itself. Two days without an edit end that.
func TestEditsInARow(t *testing.T) {
	const day = 24 * time.Hour
	for name, gaps := range map[string][]time.Duration{
		"three days apart":                       {3 * day, 3 * day, 3 * day, 3 * day, 3 * day, 3 * day},
		"three within a day":                     {time.Hour, time.Hour, time.Hour},
		"three within a day, and three days on":  {time.Hour, time.Hour, time.Hour, 3 * day, time.Hour, time.Hour},
		"three within a day, and the next a day": {time.Hour, time.Hour, time.Hour, day},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := settled(t, KindSecret)
				for edit, gap := range gaps {
					time.Sleep(gap)
					w.edit("1111", func(config *datadogsim.Config) { config.Secrets = map[string]any{"api_token": "by hand"} })
					time.Sleep(time.Hour)
					if r := w.reconcileOne(); r.Outcome != Updated || w.held() != canary {
						t.Errorf("edit %d: got %s and %q held", edit, encoded(t, r), w.held())
					}
				}
			})
		})
	}
}
