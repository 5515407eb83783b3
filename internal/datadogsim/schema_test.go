package datadogsim_test

import (
	"encoding/json"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"credential-relay/internal/datadogsim"
)

// account is a whole Google service account with some members replaced; an empty replacement takes the member out.
func account(replacements ...string) string {
	members := map[string]string{
		"type": `"service_account"`, "project_id": `"p"`, "private_key": `"k"`, "client_email": `"e"`, "token_uri": `7`,
	}
	for i := 0; i < len(replacements); i += 2 {
		members[replacements[i]] = replacements[i+1]
	}
	var parts []string
	for name, value := range members {
		if value != "" {
			parts = append(parts, `"`+name+`":`+value)
		}
	}
	return `{"service_account_json":{` + strings.Join(parts, ",") + `}}`
}

// TestSecrets holds for PATCH and for validation alike. An empty want is an acceptance.
func TestSecrets(t *testing.T) {
	const in = "data.attributes.secrets."
	tests := map[string]struct{ integrationType, secrets, want string }{
		"okta":                         {"OKTA", `{"api_token":"t"}`, ""},
		"okta, one key more":           {"OKTA", `{"api_token":"t","more":[1]}`, ""},
		"okta, empty token":            {"OKTA", `{"api_token":""}`, ""},
		"okta, no token":               {"OKTA", `{}`, in + "api_token is required"},
		"okta, another case":           {"OKTA", `{"API_TOKEN":"t"}`, in + "api_token is required"},
		"okta, number":                 {"OKTA", `{"api_token":1}`, in + "api_token must be a string"},
		"okta, null":                   {"OKTA", `{"api_token":null}`, in + "api_token must be a string"},
		"sentinelone":                  {"SENTINELONE", `{"api_token":"t"}`, ""},
		"sentinelone, no token":        {"SENTINELONE", `{"token":"t"}`, in + "api_token is required"},
		"sentinelone, object":          {"SENTINELONE", `{"api_token":{}}`, in + "api_token must be a string"},
		"crowdstrike":                  {"CROWDSTRIKE", `{"client_id":"i","client_secret":"s"}`, ""},
		"crowdstrike, no id":           {"CROWDSTRIKE", `{"client_secret":"s"}`, in + "client_id is required"},
		"crowdstrike, no secret":       {"CROWDSTRIKE", `{"client_id":"i"}`, in + "client_secret is required"},
		"crowdstrike, boolean":         {"CROWDSTRIKE", `{"client_id":"i","client_secret":true}`, in + "client_secret must be a string"},
		"google":                       {"GOOGLE_WORKSPACE", account(), ""},
		"google, admin":                {"GOOGLE_WORKSPACE", strings.Replace(account(), "{", `{"admin_email":"a",`, 1), ""},
		"google, numeric admin":        {"GOOGLE_WORKSPACE", strings.Replace(account(), "{", `{"admin_email":1,`, 1), in + "admin_email must be a string"},
		"google, only an admin":        {"GOOGLE_WORKSPACE", `{"admin_email":"a"}`, in + "service_account_json is required"},
		"google, account as text":      {"GOOGLE_WORKSPACE", `{"service_account_json":"{}"}`, in + "service_account_json must be an object"},
		"google, no type":              {"GOOGLE_WORKSPACE", account("type", ""), in + "service_account_json.type is required"},
		"google, another type":         {"GOOGLE_WORKSPACE", account("type", `"authorized_user"`), in + "service_account_json.type must be service_account"},
		"google, no project":           {"GOOGLE_WORKSPACE", account("project_id", ""), in + "service_account_json.project_id is required"},
		"google, no private key":       {"GOOGLE_WORKSPACE", account("private_key", ""), in + "service_account_json.private_key is required"},
		"google, no client email":      {"GOOGLE_WORKSPACE", account("client_email", ""), in + "service_account_json.client_email is required"},
		"google, numeric client email": {"GOOGLE_WORKSPACE", account("client_email", "1"), in + "service_account_json.client_email must be a string"},
		"entra, any keys":              {"ENTRA_ID", `{"client_secret":"s","tenant":1}`, ""},
		"entra, empty":                 {"ENTRA_ID", `{}`, ""},
		"entra, text":                  {"ENTRA_ID", `"s"`, "data.attributes.secrets must be an object"},
		"okta, null for all":           {"OKTA", `null`, "data.attributes.secrets must be an object"},
		"okta, list for all":           {"OKTA", `[]`, "data.attributes.secrets must be an object"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			body := envelope(`{"integration_type":"` + test.integrationType + `","domain":"d","secrets":` + test.secrets + `}`)
			sim := newSimulator(datadogsim.Config{ID: "c", Type: test.integrationType})
			wantRefusal(t, "validate", do(sim, "POST", base+"/validate", body), test.want)
			wantRefusal(t, "patch", do(sim, "PATCH", base+"/c", body), test.want)
			var want map[string]any
			if test.want == "" {
				_ = json.Unmarshal([]byte(test.secrets), &want)
			}
			if got, _ := sim.Config("c"); !reflect.DeepEqual(got.Secrets, want) {
				t.Errorf("stored: got %v, want %v", got.Secrets, want)
			}
		})
	}
}

func wantRefusal(t *testing.T, op string, w *httptest.ResponseRecorder, want string) {
	t.Helper()
	status, body := 200, ""
	if want != "" {
		status, body = 400, `{"errors":["`+want+`"]}`
	}
	if w.Code != status || want != "" && w.Body.String() != body {
		t.Errorf("%s: got %d %s, want %d %s", op, w.Code, w.Body, status, body)
	}
}

func TestBodies(t *testing.T) {
	const types = "GOOGLE_WORKSPACE or OKTA or ENTRA_ID or CROWDSTRIKE or SENTINELONE"
	both := []string{"PATCH " + base + "/okta-1", "POST " + base + "/validate"}
	patch, validate := both[:1], both[1:]
	attributes := func(more string) string {
		return envelope(`{"integration_type":"OKTA","domain":"d","secrets":{"api_token":"t"}` + more + `}`)
	}
	tests := map[string]struct {
		calls      []string
		body, want string
	}{
		"whole":                     {both, attributes(``), ""},
		"no body":                   {both, ``, "the body must be a JSON object"},
		"cut off":                   {both, `{"data":`, "the body must be a JSON object"},
		"two documents":             {both, attributes(``) + `{}`, "the body must be a JSON object"},
		"a list":                    {both, `[]`, "the body must be a JSON object"},
		"null":                      {both, `null`, "data is required"},
		"no data":                   {both, `{}`, "data is required"},
		"data a list":               {both, `{"data":[]}`, "data must be an object"},
		"no resource type":          {both, `{"data":{"attributes":{}}}`, "data.type is required"},
		"another resource type":     {both, `{"data":{"type":"config","attributes":{}}}`, "data.type must be integration_config"},
		"no attributes":             {both, `{"data":{"type":"integration_config"}}`, "data.attributes is required"},
		"attributes null":           {both, envelope(`null`), "data.attributes must be an object"},
		"no integration type":       {both, envelope(`{"domain":"d"}`), "data.attributes.integration_type is required"},
		"numeric integration type":  {both, envelope(`{"integration_type":1}`), "data.attributes.integration_type must be a string"},
		"unknown integration type":  {both, envelope(`{"integration_type":"JAMF"}`), "data.attributes.integration_type must be " + types},
		"another's type":            {patch, envelope(`{"integration_type":"ENTRA_ID"}`), "data.attributes.integration_type must be the type of the configuration"},
		"domain a number":           {both, envelope(`{"integration_type":"OKTA","domain":1}`), "data.attributes.domain must be a string"},
		"domain null":               {both, envelope(`{"integration_type":"OKTA","domain":null}`), "data.attributes.domain must be a string"},
		"enabled a string":          {patch, attributes(`,"enabled":"true"`), "data.attributes.enabled must be a boolean"},
		"enabled null":              {patch, attributes(`,"enabled":null`), "data.attributes.enabled must be a boolean"},
		"name a boolean":            {patch, attributes(`,"name":true`), "data.attributes.name must be a string"},
		"settings a string":         {patch, attributes(`,"settings":"{}"`), "data.attributes.settings must be an object"},
		"settings a list":           {patch, attributes(`,"settings":[]`), "data.attributes.settings must be an object"},
		"only the type, patch":      {patch, envelope(`{"integration_type":"OKTA"}`), ""},
		"only the type, validate":   {validate, envelope(`{"integration_type":"OKTA"}`), "data.attributes.domain is required"},
		"no secrets":                {validate, envelope(`{"integration_type":"OKTA","domain":"d"}`), "data.attributes.secrets is required"},
		"no secrets for Entra ID":   {validate, envelope(`{"integration_type":"ENTRA_ID","domain":"d"}`), ""},
		"no domain for Entra ID":    {validate, envelope(`{"integration_type":"ENTRA_ID"}`), "data.attributes.domain is required"},
		"undescribed in validation": {validate, attributes(`,"name":true,"enabled":"x","settings":0`), ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for _, call := range test.calls {
				sim := newSimulator(okta())
				method, target, _ := strings.Cut(call, " ")
				wantRefusal(t, method, do(sim, method, target, test.body), test.want)
				if got, _ := sim.Config("okta-1"); test.want != "" && !reflect.DeepEqual(got, okta()) {
					t.Errorf("%s: a refused body changed what is stored: %+v", method, got)
				}
			}
		})
	}
}

func TestContentType(t *testing.T) {
	tests := map[string]string{
		"application/json":                "",
		"application/json; charset=utf-8": "",
		"text/plain":                      "the body must be application/json",
		"":                                "the body must be application/json",
		";":                               "the body must be application/json",
	}
	for contentType, want := range tests {
		t.Run(contentType, func(t *testing.T) {
			r := request("PATCH", base+"/okta-1", envelope(`{"integration_type":"OKTA"}`))
			r.Header.Set("Content-Type", contentType)
			w := httptest.NewRecorder()
			newSimulator(okta()).ServeHTTP(w, r)
			wantRefusal(t, "patch", w, want)
		})
	}
}
