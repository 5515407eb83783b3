package datadogsim_test

import (
	"bytes"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"credential-relay/internal/datadogsim"
)

// TestNoAnswerHoldsASecret sends secrets in every place where a body, a query or a path can hold one, and looks for
// them in every byte of every answer.
func TestNoAnswerHoldsASecret(t *testing.T) {
	const token = canary + "-sent"
	targets := []string{
		"GET " + base,
		"GET " + base + "?filter[integration_type]=" + token,
		"GET " + base + "?token=" + token,
		"GET " + base + "/okta-1",
		"GET " + base + "/google-1",
		"GET " + base + "/" + token,
		"GET " + base + "/okta-1/" + token,
		"PATCH " + base + "/okta-1",
		"PATCH " + base + "/google-1",
		"PATCH " + base + "/" + token,
		"POST " + base + "/validate",
		"POST " + base + "/okta-1/validate",
		"POST " + base + "/" + token + "/validate",
		"DELETE " + base + "/okta-1",
		"GET /api/v2/validate_keys",
	}
	bodies := []string{
		token,
		`{"data":` + token,
		`{"data":"` + token + `"}`,
		`{"data":{"type":"` + token + `","attributes":{}}}`,
		envelope(`"` + token + `"`),
		envelope(`{"integration_type":"` + token + `"}`),
		envelope(`{"integration_type":"OKTA","domain":"d","secrets":"` + token + `"}`),
		envelope(`{"integration_type":"OKTA","domain":"d","secrets":{"api_token":"` + token + `","more":"` + token + `"}}`),
		envelope(`{"integration_type":"OKTA","domain":"d","secrets":{"api_token":{"` + token + `":"` + token + `"}}}`),
		envelope(`{"integration_type":"OKTA","domain":["` + token + `"],"secrets":{"api_token":"` + token + `"}}`),
		envelope(`{"integration_type":"GOOGLE_WORKSPACE","domain":"d","secrets":` + account("private_key", `"`+token+`"`) + `}`),
		envelope(`{"integration_type":"GOOGLE_WORKSPACE","domain":"d","secrets":` + account("type", `"`+token+`"`) + `}`),
		envelope(`{"integration_type":"GOOGLE_WORKSPACE","domain":"d","secrets":{"service_account_json":"` + token + `"}}`),
	}
	tooLarge := strings.Repeat(token, 1<<20/len(token)+1)
	google := datadogsim.Config{ID: "google-1", Type: "GOOGLE_WORKSPACE", Secrets: map[string]any{
		"service_account_json": map[string]any{"private_key": canary},
	}}
	refuseAll := func(string, string, map[string]any) error { return errors.New("refused") }

	for _, rule := range []func(string, string, map[string]any) error{nil, refuseAll} {
		for _, authentic := range []bool{true, false} {
			sim := newSimulator(okta(), google)
			sim.Accept(rule)
			if !authentic {
				sim.SetKeys(canary, canary)
			}
			look := func(target, body string) {
				method, path, _ := strings.Cut(target, " ")
				if got := dump(do(sim, method, path, body)); strings.Contains(got, canary) {
					t.Errorf("%s with %.90s: the answer holds the secret: %s", target, body, got)
				}
			}
			look("PATCH "+base+"/okta-1", tooLarge)
			for _, target := range targets {
				for _, body := range bodies {
					look(target, body)
				}
			}
		}
	}
}

// dump is an answer as it goes over the wire.
func dump(w *httptest.ResponseRecorder) string {
	var wire bytes.Buffer
	if err := w.Result().Write(&wire); err != nil {
		panic(err)
	}
	return wire.String()
}
