package contract

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"credential-relay/internal/datadogsim"
)

// ask sends the simulator a request with the right pair of keys, or with other
// headers ("Name: value").
func ask(t *testing.T, sim *datadogsim.Simulator, target, body string, headers ...string) exchange {
	t.Helper()
	method, path, _ := strings.Cut(target, " ")
	request := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	request.Header = http.Header{"Dd-Api-Key": {"api"}, "Dd-Application-Key": {"app"}}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Set(name, value)
	}
	answer := httptest.NewRecorder()
	sim.ServeHTTP(answer, request)
	return exchange{request: request, body: []byte(body), status: answer.Code, header: answer.Header(), answer: answer.Body.Bytes()}
}

// TestAnswers checks each answer that the simulator can give.
func TestAnswers(t *testing.T) {
	const (
		one      = configs + "/OKTA"
		none     = configs + "/none"
		wrongKey = "DD-API-KEY: wrong"
		wrong    = "Authorization: Bearer wrong"
		azure    = `{"tenant_name":"tenant","client_id":"client","client_secret":"s"}`
		body     = `{"data":{"type":"integration_config","attributes":{"integration_type":"OKTA","domain":"d","secrets":{"api_token":"t"}}}}`
	)
	tests := map[string]struct {
		target, body, header string
		refuse               bool // whether credentials are not valid
		want                 int
		differs              string // why the simulator answers what the description does not know
	}{
		"list":                       {target: "GET " + configs, want: 200},
		"list, none of that type":    {target: "GET " + configs + "?filter[integration_type]=ENTRA_ID", want: 200},
		"list, wrong key":            {target: "GET " + configs, header: wrongKey, want: 403},
		"list, wrong token":          {target: "GET " + configs, header: wrong, want: 401, differs: "Datadog answers 401 to a token it does not know, everywhere"},
		"list, unknown filter":       {target: "GET " + configs + "?filter[integration_type]=JAMF", want: 400, differs: "the description forbids the request and names no status for it"},
		"list, other query":          {target: "GET " + configs + "?page=1", want: 404, differs: "so that a test notices a client that invents a query"},
		"list, other method":         {target: "PUT " + configs, want: 405, differs: "the description has no such operation, and no status for it"},
		"get":                        {target: "GET " + one, want: 200},
		"get, wrong key":             {target: "GET " + one, header: wrongKey, want: 403},
		"get, unknown":               {target: "GET " + none, want: 404},
		"get, wrong token":           {target: "GET " + one, header: wrong, want: 401, differs: "as for list"},
		"update":                     {target: "PATCH " + one, body: body, want: 200},
		"update, turns out invalid":  {target: "PATCH " + one, body: body, refuse: true, want: 200},
		"update, bad body":           {target: "PATCH " + one, body: `{}`, want: 400},
		"update, wrong key":          {target: "PATCH " + one, body: body, header: wrongKey, want: 403},
		"update, unknown":            {target: "PATCH " + none, body: body, want: 404},
		"update, wrong token":        {target: "PATCH " + one, body: body, header: wrong, want: 401, differs: "as for list"},
		"update, 1 MB":               {target: "PATCH " + one, body: strings.Repeat(" ", 1<<20) + body, want: 413, differs: "a server has a limit, and the description names none"},
		"validate":                   {target: "POST " + configs + "/validate", body: body, want: 200},
		"validate, not valid":        {target: "POST " + configs + "/validate", body: body, refuse: true, want: 400},
		"validate, bad body":         {target: "POST " + configs + "/validate", body: `{}`, want: 400},
		"validate, wrong key":        {target: "POST " + configs + "/validate", body: body, header: wrongKey, want: 403},
		"validate, wrong token":      {target: "POST " + configs + "/validate", body: body, header: wrong, want: 401, differs: "as for list"},
		"validate stored":            {target: "POST " + one + "/validate", want: 200},
		"validate stored, not valid": {target: "POST " + one + "/validate", refuse: true, want: 400},
		"validate stored, wrong key": {target: "POST " + one + "/validate", header: wrongKey, want: 403},
		"validate stored, unknown":   {target: "POST " + none + "/validate", want: 404},
		"validate stored, bad token": {target: "POST " + one + "/validate", header: wrong, want: 401, differs: "as for list"},
		"azure":                      {target: "PUT /api/v1/integration/azure", body: azure, want: 200},
		"azure, unknown":             {target: "PUT /api/v1/integration/azure", body: strings.Replace(azure, "client", "other", 2), want: 400},
		"azure, wrong key":           {target: "PUT /api/v1/integration/azure", body: azure, header: wrongKey, want: 403},
		"validate keys":              {target: "GET /api/v2/validate_keys", want: 200},
		"validate keys, wrong key":   {target: "GET /api/v2/validate_keys", header: wrongKey, want: 403},
		"validate keys, wrong token": {target: "GET /api/v2/validate_keys", header: wrong, want: 401},
	}
	described := newChecker(t, published(t, pinned), true)
	given := map[string]bool{}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			sim := newSimulator()
			sim.RemoveConfig("ENTRA_ID")
			if test.refuse {
				sim.Accept(func(string, string, map[string]any) error { return errors.New("not valid") })
			}
			x := ask(t, sim, test.target, test.body, test.header)
			if x.status != test.want {
				t.Errorf("%s: got %d %s, want %d", test.target, x.status, x.answer, test.want)
			}
			if input, err := described.input(x); err == nil {
				given[input.Route.Method+" "+input.Route.Path+" "+strconv.Itoa(x.status)] = true
			}
			found := strings.Join(described.response(x), "\n")
			switch {
			case test.differs == "" && found != "":
				t.Errorf("the description does not know:\n%s", found)
			case test.differs != "" && !strings.Contains(found, "is not described"):
				t.Errorf("no longer a difference (%s), or another one:\n%s", test.differs, found)
			}
		})
	}
	t.Run("every described status", func(t *testing.T) {
		for _, op := range used {
			responses := under(published(t, pinned)[op.api()], "paths", op.path, strings.ToLower(op.method), "responses")
			for status := range responses {
				// Only a script makes the simulator answer 429.
				if key := op.String() + " " + status; status != "429" && !given[key] {
					t.Errorf("the simulator gives no %s in this test", key)
				}
			}
		}
	})
}
