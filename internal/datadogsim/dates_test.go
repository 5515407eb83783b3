package datadogsim_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"credential-relay/internal/datadogsim"
)

const patchOfAName = `{"data":{"type":"integration_config","attributes":{"integration_type":"OKTA","name":"new"}}}`

// modifiedAt reads the date in an answer about one config, or the zero time.
func modifiedAt(t *testing.T, w *httptest.ResponseRecorder) time.Time {
	t.Helper()
	var answer struct {
		Data struct {
			Attributes struct {
				ModifiedAt time.Time `json:"modified_at"`
			}
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("answer %q: %v", w.Body, err)
	}
	return answer.Data.Attributes.ModifiedAt
}

// TestModifiedAtHasAFraction has a virtual clock that shows whole seconds.
func TestModifiedAtHasAFraction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := okta()
		config.ModifiedAt = time.Now().Add(-time.Hour)
		sim := newSimulator(config)
		before := config.ModifiedAt
		for range 3 {
			got := modifiedAt(t, do(sim, "PATCH", base+"/okta-1", patchOfAName))
			if got.Nanosecond() == 0 || !got.After(before) {
				t.Errorf("got %v after %v, want a later date with a fraction", got, before)
			}
			before = got
			time.Sleep(time.Second)
		}
	})
}

func TestShowModifiedAt(t *testing.T) {
	get := func(sim *datadogsim.Simulator) *httptest.ResponseRecorder { return do(sim, "GET", base+"/okta-1", "") }
	patch := func(sim *datadogsim.Simulator) *httptest.ResponseRecorder {
		return do(sim, "PATCH", base+"/okta-1", patchOfAName)
	}
	for name, c := range map[string]struct {
		show           func(time.Time) time.Time
		by             []datadogsim.Operation
		inPatch, inGet string // how the dates are shown: whole, exact or none
	}{
		"as they are":                {nil, nil, "exact", "exact"},
		"whole seconds":              {datadogsim.WholeSeconds, nil, "whole", "whole"},
		"whole seconds in Get alone": {datadogsim.WholeSeconds, []datadogsim.Operation{datadogsim.Get, datadogsim.List}, "exact", "whole"},
		"none":                       {func(time.Time) time.Time { return time.Time{} }, nil, "none", "none"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newSimulator(okta())
				sim.ShowModifiedAt(c.show, c.by...)
				for op, at := range map[string]time.Time{c.inPatch + " in Patch": modifiedAt(t, patch(sim)), c.inGet + " in Get": modifiedAt(t, get(sim))} {
					got := "exact"
					if at.IsZero() {
						got = "none"
					} else if at.Nanosecond() == 0 {
						got = "whole"
					}
					if want := op[:len(got)]; got != want {
						t.Errorf("got %s, want %s: %v", got, op, at)
					}
				}
				if stored, _ := sim.Config("okta-1"); stored.ModifiedAt.Nanosecond() == 0 {
					t.Errorf("what is shown changed what is stored: %v", stored.ModifiedAt)
				}
			})
		})
	}
}

func TestMovesByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		current := okta()
		current.ModifiedAt = time.Now().Add(-time.Hour)
		ahead := okta()
		ahead.ID, ahead.ModifiedAt = "ahead", time.Now().Add(24*365*time.Hour)
		sim := newSimulator(current, ahead, datadogsim.Config{ID: "bare", Type: "OKTA"})
		shown := func(id string) time.Time { return modifiedAt(t, do(sim, "GET", base+"/"+id, "")) }
		sim.MovesByItself(time.Hour)
		started := time.Now()
		for _, step := range []struct {
			wait  time.Duration
			moved bool
		}{{0, false}, {59 * time.Minute, false}, {time.Minute, true}, {time.Minute, false}, {time.Hour, true}, {5 * time.Hour, true}} {
			before := map[string]time.Time{current.ID: shown(current.ID), ahead.ID: shown(ahead.ID)}
			time.Sleep(step.wait)
			for id, before := range before {
				if after := shown(id); after.After(before) != step.moved {
					t.Errorf("%s after %s: moved from %v to %v, want it to move: %t", id, time.Since(started), before, after, step.moved)
				}
			}
			if got := shown(current.ID); got.After(time.Now().Add(time.Millisecond)) {
				t.Errorf("moved to %v, and it is %v", got, time.Now())
			}
		}
		sim.MovesByItself(0)
		last := shown(current.ID)
		time.Sleep(24 * time.Hour)
		if got := shown(current.ID); got != last {
			t.Errorf("moved from %v to %v after it was ended", last, got)
		}
		if got := shown("bare"); !got.IsZero() {
			t.Errorf("a config without a date has got %v", got)
		}
	})
}

func TestMovesWithValidation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(okta())
		shown := func() time.Time { return modifiedAt(t, do(sim, "GET", base+"/okta-1", "")) }
		before := shown()
		do(sim, "POST", base+"/okta-1/validate", "")
		if got := shown(); got != before {
			t.Errorf("moved from %v to %v, and was not asked to", before, got)
		}
		sim.MovesWithValidation()
		do(sim, "POST", base+"/okta-1/validate", "")
		if got := shown(); !got.After(before) {
			t.Errorf("did not move from %v: %v", before, got)
		}
		if stored, _ := sim.Config("okta-1"); stored.Patches != 0 {
			t.Errorf("a validation counted as %d PATCHes", stored.Patches)
		}
	})
}

func TestInitializingFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(okta())
		sim.InitializingFor(time.Minute)
		get := func() string { return state(t, do(sim, "GET", base+"/okta-1", "")) }
		got := []string{get(), state(t, do(sim, "PATCH", base+"/okta-1", envelope(`{"integration_type":"OKTA","secrets":{"api_token":"new"}}`)))}
		time.Sleep(59 * time.Second)
		got = append(got, get(), state(t, do(sim, "PATCH", base+"/okta-1", patchOfAName)))
		time.Sleep(time.Second)
		got = append(got, get())
		if want := "[valid initializing initializing initializing valid]"; fmt.Sprint(got) != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// TestManyConfigs lists and changes thousands of configs.
func TestManyConfigs(t *testing.T) {
	sim := newSimulator()
	const configs = 5000
	for i := range configs {
		config := okta()
		config.ID = fmt.Sprintf("okta-%d", i)
		sim.PutConfig(config)
	}
	started := time.Now()
	for i := range 500 {
		if w := do(sim, "PATCH", fmt.Sprintf("%s/okta-%d", base, i), patchOfAName); w.Code != 200 {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
	}
	var list struct{ Data []json.RawMessage }
	if err := json.Unmarshal(do(sim, "GET", base, "").Body.Bytes(), &list); err != nil || len(list.Data) != configs {
		t.Errorf("got %d configs of %d, %v", len(list.Data), configs, err)
	}
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}
