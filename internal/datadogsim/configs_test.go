package datadogsim_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"credential-relay/internal/datadogsim"
)

const oktaData = `{"id":"okta-1","type":"integration_config","attributes":{` +
	`"created_at":"2026-05-01T12:00:00Z","domain":"acme.okta.com","enabled":true,"integration_type":"OKTA",` +
	`"modified_at":"2026-05-08T12:00:00Z","name":"Acme","settings":{"region":"us"},"state":"valid"}}`

func TestGet(t *testing.T) {
	t.Run("everything", func(t *testing.T) {
		wantAnswer(t, do(newSimulator(okta()), "GET", base+"/okta-1", ""), 200, `{"data":`+oktaData+`}`)
	})
	t.Run("nothing optional", func(t *testing.T) {
		sim := newSimulator(datadogsim.Config{ID: "bare", Type: "ENTRA_ID"})
		wantAnswer(t, do(sim, "GET", base+"/bare", ""), 200, `{"data":{"id":"bare","type":"integration_config",`+
			`"attributes":{"domain":"","enabled":false,"integration_type":"ENTRA_ID"}}}`)
	})
	t.Run("removed", func(t *testing.T) {
		sim := newSimulator(okta())
		sim.RemoveConfig("okta-1")
		wantAnswer(t, do(sim, "GET", base+"/okta-1", ""), 404, `{"errors":["Not found"]}`)
		if _, ok := sim.Config("okta-1"); ok {
			t.Error("Config still finds it")
		}
	})
	t.Run("settings that are not JSON", func(t *testing.T) {
		sim := newSimulator(datadogsim.Config{ID: "odd", Settings: map[string]any{"f": func() {}}})
		if w := do(sim, "GET", base+"/odd", ""); w.Code != 500 {
			t.Errorf("got %d, want 500", w.Code)
		}
	})
}

func TestList(t *testing.T) {
	sim := newSimulator(
		datadogsim.Config{ID: "z", Type: "ENTRA_ID", Domain: "default"},
		okta(),
	)
	const entraData = `{"id":"z","type":"integration_config","attributes":{"domain":"default","enabled":false,"integration_type":"ENTRA_ID"}}`
	const badFilter = `{"errors":["filter[integration_type] must be an integration type"]}`
	tests := map[string]struct {
		query  string
		status int
		body   string
	}{
		"all, by id":       {"", 200, `{"data":[` + oktaData + `,` + entraData + `]}`},
		"one type":         {"?filter[integration_type]=ENTRA_ID", 200, `{"data":[` + entraData + `]}`},
		"a type of none":   {"?filter[integration_type]=CROWDSTRIKE", 200, `{"data":[]}`},
		"an unknown type":  {"?filter[integration_type]=JAMF", 400, badFilter},
		"an empty type":    {"?filter[integration_type]=", 400, badFilter},
		"the filter twice": {"?filter[integration_type]=OKTA&filter[integration_type]=OKTA", 400, badFilter},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			wantAnswer(t, do(sim, "GET", base+test.query, ""), test.status, test.body)
		})
	}
}

func TestPatchChangesOnlyWhatIsPresent(t *testing.T) {
	tests := map[string]struct {
		fields string
		want   func(*datadogsim.Config)
	}{
		"nothing":      {``, func(*datadogsim.Config) {}},
		"domain":       {`,"domain":"new.okta.com"`, func(c *datadogsim.Config) { c.Domain = "new.okta.com" }},
		"empty domain": {`,"domain":""`, func(c *datadogsim.Config) { c.Domain = "" }},
		"enabled off":  {`,"enabled":false`, func(c *datadogsim.Config) { c.Enabled = false }},
		"name":         {`,"name":"New"`, func(c *datadogsim.Config) { c.Name = "New" }},
		"settings replaced whole": {`,"settings":{"a":[1,{"b":null}]}`, func(c *datadogsim.Config) {
			c.Settings = map[string]any{"a": []any{1.0, map[string]any{"b": nil}}}
		}},
		"secrets replaced whole": {`,"secrets":{"api_token":"new","extra":1}`, func(c *datadogsim.Config) {
			c.Secrets, c.State = map[string]any{"api_token": "new", "extra": 1.0}, "valid"
		}},
		"what has no name here": {`,"colour":"red"`, func(*datadogsim.Config) {}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			before := okta()
			before.Secrets["old"], before.State = "gone", ""
			sim := newSimulator(before)
			w := do(sim, "PATCH", base+"/okta-1", envelope(`{"integration_type":"OKTA"`+test.fields+`}`))
			if w.Code != 200 {
				t.Fatalf("got %d %s, want 200", w.Code, w.Body)
			}
			got, _ := sim.Config("okta-1")
			if !got.ModifiedAt.After(before.ModifiedAt) {
				t.Errorf("modified_at did not move: %v", got.ModifiedAt)
			}
			want := before
			want.Patches, want.ModifiedAt = 1, got.ModifiedAt
			test.want(&want)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			if get := do(sim, "GET", base+"/okta-1", ""); get.Body.String() != w.Body.String() {
				t.Errorf("PATCH answered %s, but GET %s", w.Body, get.Body)
			}
		})
	}
}

func TestModifiedAtMovesWithoutTheClock(t *testing.T) {
	ahead := okta()
	ahead.ModifiedAt = time.Now().Add(time.Hour)
	sim := newSimulator(ahead)
	do(sim, "PATCH", base+"/okta-1", envelope(`{"integration_type":"OKTA"}`))
	if got, _ := sim.Config("okta-1"); !got.ModifiedAt.After(ahead.ModifiedAt) {
		t.Errorf("got %v, want later than %v", got.ModifiedAt, ahead.ModifiedAt)
	}
}

// onlyGood accepts one token in one domain, and remembers nothing else.
func onlyGood(integrationType, domain string, secrets map[string]any) error {
	if integrationType != "OKTA" || domain != "acme.okta.com" || secrets["api_token"] != "good" {
		return fmt.Errorf("%s at %s refuses the token", integrationType, domain)
	}
	return nil
}

func TestValidate(t *testing.T) {
	const refused = `{"errors":["OKTA at acme.okta.com refuses the token"]}`
	tests := map[string]struct {
		attributes string
		status     int
		body       string
	}{
		"accepted":           {`{"integration_type":"OKTA","domain":"acme.okta.com","secrets":{"api_token":"good"}}`, 200, ""},
		"refused":            {`{"integration_type":"OKTA","domain":"acme.okta.com","secrets":{"api_token":"bad"}}`, 400, refused},
		"in another domain":  {`{"integration_type":"OKTA","domain":"b","secrets":{"api_token":"good"}}`, 400, `{"errors":["OKTA at b refuses the token"]}`},
		"of no secrets":      {`{"integration_type":"ENTRA_ID","domain":"default"}`, 400, `{"errors":["ENTRA_ID at default refuses the token"]}`},
		"with other members": {`{"integration_type":"OKTA","domain":"acme.okta.com","secrets":{"api_token":"good"},"name":1}`, 200, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			sim := newSimulator(okta())
			sim.Accept(onlyGood)
			wantAnswer(t, do(sim, "POST", base+"/validate", envelope(test.attributes)), test.status, test.body)
			if got, _ := sim.Config("okta-1"); !reflect.DeepEqual(got, okta()) {
				t.Errorf("validation changed what is stored: %+v", got)
			}
		})
	}
}

func TestValidateStored(t *testing.T) {
	sim := newSimulator(okta())
	wantAnswer(t, do(sim, "POST", base+"/okta-1/validate", ""), 200, "")
	sim.Accept(onlyGood)
	wantAnswer(t, do(sim, "POST", base+"/okta-1/validate", ""), 400, `{"errors":["OKTA at acme.okta.com refuses the token"]}`)
	do(sim, "PATCH", base+"/okta-1", envelope(`{"integration_type":"OKTA","secrets":{"api_token":"good"}}`))
	wantAnswer(t, do(sim, "POST", base+"/okta-1/validate", ""), 200, "")
}

func TestStateAfterPatch(t *testing.T) {
	tests := map[string]struct {
		before, fields, want string
	}{
		"good secrets":                 {"invalid", `,"secrets":{"api_token":"good"}`, "valid"},
		"bad secrets":                  {"valid", `,"secrets":{"api_token":"bad"}`, "invalid"},
		"good secrets, another domain": {"valid", `,"secrets":{"api_token":"good"},"domain":"b"`, "invalid"},
		"no secrets":                   {"invalid", `,"enabled":true`, "invalid"},
		"no secrets, no state":         {"", `,"enabled":true`, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			config := okta()
			config.State = test.before
			sim := newSimulator(config)
			sim.Accept(onlyGood)
			w := do(sim, "PATCH", base+"/okta-1", envelope(`{"integration_type":"OKTA"`+test.fields+`}`))
			if got := state(t, w); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestInitializing(t *testing.T) {
	sim := newSimulator(okta())
	sim.Initializing(2)
	patch := func(fields string) string {
		t.Helper()
		return state(t, do(sim, "PATCH", base+"/okta-1", envelope(`{"integration_type":"OKTA"`+fields+`}`)))
	}
	get := func() string { return state(t, do(sim, "GET", base+"/okta-1", "")) }
	stored := func() string { c, _ := sim.Config("okta-1"); return c.State }

	got := []string{get(), patch(`,"secrets":{"api_token":"new"}`), stored(), get(), patch(`,"name":"n"`)}
	if !strings.Contains(do(sim, "GET", base, "").Body.String(), `"state":"initializing"`) {
		t.Error("List does not show the second read as initializing")
	}
	got = append(got, stored(), get(), patch(`,"name":"m"`))
	want := []string{"valid", "initializing", "initializing", "initializing", "initializing", "valid", "valid", "valid"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRuleMayUseTheSimulator(t *testing.T) {
	sim := newSimulator(okta())
	sim.Accept(func(string, string, map[string]any) error {
		sim.RemoveConfig("okta-1")
		return errors.New("gone")
	})
	w := do(sim, "PATCH", base+"/okta-1", envelope(`{"integration_type":"OKTA","secrets":{"api_token":"new"}}`))
	wantAnswer(t, w, 404, `{"errors":["Not found"]}`)
}

func TestConfigsAreCopies(t *testing.T) {
	nested := func() map[string]any { return map[string]any{"list": []any{map[string]any{"a": "b"}}} }
	spoil := func(m map[string]any) { m["list"].([]any)[0].(map[string]any)["a"] = "spoiled" }
	put := datadogsim.Config{ID: "c", Type: "OKTA", Settings: nested(), Secrets: nested()}
	sim := newSimulator(put)
	spoil(put.Settings)
	spoil(put.Secrets)
	got, _ := sim.Config("c")
	spoil(got.Settings)
	spoil(got.Secrets)
	sim.Accept(func(_, _ string, secrets map[string]any) error { spoil(secrets); return nil })
	do(sim, "POST", base+"/c/validate", "")
	if got, _ := sim.Config("c"); !reflect.DeepEqual(got.Settings, nested()) || !reflect.DeepEqual(got.Secrets, nested()) {
		t.Errorf("a change elsewhere reached the Simulator: %+v", got)
	}

	sim.Accept(func(_, _ string, secrets map[string]any) error { secrets["api_token"] = "spoiled"; return nil })
	do(sim, "PATCH", base+"/c", envelope(`{"integration_type":"OKTA","secrets":{"api_token":"new"}}`))
	if got, _ := sim.Config("c"); got.Secrets["api_token"] != "new" {
		t.Errorf("the rule changed what is stored: %+v", got.Secrets)
	}
}
