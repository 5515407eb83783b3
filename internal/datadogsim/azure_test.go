package datadogsim_test

import (
	"errors"
	"strings"
	"testing"

	"credential-relay/internal/datadogsim"
)

const azure = "/api/v1/integration/azure"

func entra() datadogsim.Config {
	return datadogsim.Config{ID: "entra-1", Type: "ENTRA_ID", Domain: "default", State: "valid", Enabled: true}
}

func TestAzure(t *testing.T) {
	const known = `{"tenant_name":"t","client_id":"c"`
	tests := map[string]struct {
		body   string
		status int
		answer string
		holds  string
	}{
		"a new client secret":    {known + `,"client_secret":"new"}`, 200, `{}`, "new"},
		"no client secret":       {known + `}`, 200, `{}`, "old"},
		"what has no name here":  {known + `,"client_secret":"new","automute":true}`, 200, `{}`, "new"},
		"another tenant":         {`{"tenant_name":"u","client_id":"c","client_secret":"new"}`, 400, "Azure integration not found for this tenant_name and client_id", "old"},
		"another client":         {`{"tenant_name":"t","client_id":"d","client_secret":"new"}`, 400, "Azure integration not found for this tenant_name and client_id", "old"},
		"no tenant":              {`{"client_id":"c","client_secret":"new"}`, 400, "tenant_name is required", "old"},
		"no client":              {`{"tenant_name":"t","client_secret":"new"}`, 400, "client_id is required", "old"},
		"a client secret of two": {known + `,"client_secret":["new"]}`, 400, "client_secret must be a string", "old"},
		"a resource":             {envelope(`{}`), 400, "tenant_name is required", "old"},
		"a list":                 {`[]`, 400, "the body must be a JSON object", "old"},
		"nothing":                {``, 400, "the body must be a JSON object", "old"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			sim := newSimulator()
			sim.PutAzureIntegration("t", "c", "old")
			if test.status != 200 {
				test.answer = `{"errors":["` + test.answer + `"]}`
			}
			wantAnswer(t, do(sim, "PUT", azure, test.body), test.status, test.answer)
			if held, ok := sim.AzureSecret("t", "c"); !ok || held != test.holds {
				t.Errorf("holds %q, want %q", held, test.holds)
			}
			for _, other := range [][2]string{{"u", "c"}, {"t", "d"}} {
				if _, ok := sim.AzureSecret(other[0], other[1]); ok {
					t.Errorf("%s was created", other)
				}
			}
		})
	}
}

func TestAzureThatIsNotInstalled(t *testing.T) {
	w := do(newSimulator(), "PUT", azure, `{"tenant_name":"t","client_id":"c","client_secret":"new"}`)
	wantAnswer(t, w, 400, `{"errors":["Azure Integration not yet installed"]}`)
}

func TestEntraIDIsJudgedByTheAzureIntegration(t *testing.T) {
	const validate = base + "/entra-1/validate"
	sim := newSimulator(entra(), okta())
	sim.PutAzureIntegration("t", "c", "good")
	sim.Accept(func(_, _ string, secrets map[string]any) error {
		if secrets["client_secret"] != "good" {
			return errors.New("expired")
		}
		return nil
	})
	put := func(secret string) {
		if w := do(sim, "PUT", azure, `{"tenant_name":"t","client_id":"c","client_secret":"`+secret+`"}`); w.Code != 200 {
			t.Fatalf("PUT: got %d %s", w.Code, w.Body)
		}
	}
	want := func(status int, answer, inState string) {
		t.Helper()
		wantAnswer(t, do(sim, "POST", validate, ""), status, answer)
		wantAnswer(t, do(sim, "POST", base+"/validate", envelope(`{"integration_type":"ENTRA_ID","domain":"default"}`)), status, answer)
		if got := state(t, do(sim, "GET", base+"/entra-1", "")); got != inState {
			t.Errorf("state: got %s, want %s", got, inState)
		}
	}
	want(200, "", "valid")
	put("bad")
	want(400, `{"errors":["expired"]}`, "invalid")
	sim.Initializing(1)
	put("good")
	want(200, "", "initializing")
	want(200, "", "valid")

	if config, _ := sim.Config("entra-1"); config.Patches != 0 || !config.ModifiedAt.IsZero() {
		t.Errorf("the PUT moved the config: %+v", config)
	}
	if config, _ := sim.Config("okta-1"); config.State != "valid" {
		t.Errorf("the PUT moved a config of another type to %s", config.State)
	}
	sim.PutAzureIntegration("t", "another", "bad")
	want(400, `{"errors":["expired"]}`, "valid") // until something reviews it
}

func TestAzureNeedsKeysAndCanBeScripted(t *testing.T) {
	const body = `{"tenant_name":"t","client_id":"c","client_secret":"` + canary + `"}`
	sim := newSimulator()
	sim.PutAzureIntegration("t", "c", "old")
	sim.Script(datadogsim.Azure, datadogsim.Answer{Status: 429})
	wantAnswer(t, do(sim, "PUT", azure, body), 429, "")
	sim.SetKeys("other", "other")
	wantAnswer(t, do(sim, "PUT", azure, body), 403, `{"errors":["Forbidden"]}`)
	wantAnswer(t, do(sim, "GET", azure, ""), 405, `{"errors":["Method not allowed"]}`)
	if held, _ := sim.AzureSecret("t", "c"); held != "old" {
		t.Errorf("holds %q, want old", held)
	}
	sim.SetKeys(apiKey, appKey)
	if got := dump(do(sim, "PUT", azure, body)); strings.Contains(got, canary) {
		t.Errorf("the answer holds the secret: %s", got)
	}
	if got := sim.Requests()[0].Operation; got != datadogsim.Azure {
		t.Errorf("operation: got %q", got)
	}
}
