package datadogsim_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"credential-relay/internal/datadogsim"
)

const (
	base   = "/api/v2/security_monitoring/configuration/integration_config"
	apiKey = "the-api-key"
	appKey = "the-app-key"
	canary = "canary-8d1f"
)

// okta is the config that most tests work on.
func okta() datadogsim.Config {
	return datadogsim.Config{
		ID: "okta-1", Type: "OKTA", Domain: "acme.okta.com", Name: "Acme", State: "valid", Enabled: true,
		Settings:   map[string]any{"region": "us"},
		Secrets:    map[string]any{"api_token": canary + "-stored"},
		CreatedAt:  time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC),
		ModifiedAt: time.Date(2026, 5, 8, 12, 0, 0, 0, time.UTC),
	}
}

func newSimulator(configs ...datadogsim.Config) *datadogsim.Simulator {
	sim := datadogsim.New()
	sim.SetKeys(apiKey, appKey)
	for _, config := range configs {
		sim.PutConfig(config)
	}
	return sim
}

func request(method, target, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("DD-API-KEY", apiKey)
	r.Header.Set("DD-APPLICATION-KEY", appKey)
	r.Header.Set("Content-Type", "application/json")
	return r
}

func do(sim http.Handler, method, target, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	sim.ServeHTTP(w, request(method, target, body))
	return w
}

// envelope wraps attributes as the API wants them.
func envelope(attributes string) string {
	return `{"data":{"type":"integration_config","attributes":` + attributes + `}}`
}

func wantAnswer(t *testing.T, w *httptest.ResponseRecorder, status int, body string) {
	t.Helper()
	if got := strings.TrimSpace(w.Body.String()); w.Code != status || got != body {
		t.Errorf("got %d %s, want %d %s", w.Code, got, status, body)
	}
	if got := w.Header().Get("Content-Type"); body != "" && got != "application/json" {
		t.Errorf("Content-Type: got %q, want application/json", got)
	}
}

// state reads the state in an answer about one config.
func state(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var answer struct {
		Data struct {
			Attributes struct {
				State string `json:"state"`
			} `json:"attributes"`
		} `json:"data"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("answer %q: %v", w.Body, err)
	}
	return answer.Data.Attributes.State
}

func TestAuthentication(t *testing.T) {
	const forbidden, unauthorized = `{"errors":["Forbidden"]}`, `{"errors":["Unauthorized"]}`
	keys := func(s *datadogsim.Simulator) { s.SetKeys("key", "app") }
	token := func(s *datadogsim.Simulator) { s.SetToken("tok") }
	tests := map[string]struct {
		accept func(*datadogsim.Simulator)
		header map[string]string
		status int
		body   string
	}{
		"the keys":                {keys, map[string]string{"DD-API-KEY": "key", "DD-APPLICATION-KEY": "app"}, 200, `{"status":"ok"}`},
		"the token":               {token, map[string]string{"Authorization": "Bearer tok"}, 200, `{"status":"ok"}`},
		"nothing":                 {keys, nil, 403, forbidden},
		"API key alone":           {keys, map[string]string{"DD-API-KEY": "key"}, 403, forbidden},
		"wrong API key":           {keys, map[string]string{"DD-API-KEY": "no", "DD-APPLICATION-KEY": "app"}, 403, forbidden},
		"wrong application key":   {keys, map[string]string{"DD-API-KEY": "key", "DD-APPLICATION-KEY": "no"}, 403, forbidden},
		"wrong token":             {token, map[string]string{"Authorization": "Bearer no"}, 401, unauthorized},
		"token when keys are set": {keys, map[string]string{"Authorization": "Bearer tok"}, 401, unauthorized},
		"not a bearer":            {token, map[string]string{"Authorization": "Basic dG9r"}, 403, forbidden},
		"keys when none are set":  {func(*datadogsim.Simulator) {}, map[string]string{"DD-API-KEY": "key", "DD-APPLICATION-KEY": "app"}, 403, forbidden},
		"empty keys, none set":    {func(*datadogsim.Simulator) {}, map[string]string{"DD-API-KEY": "", "DD-APPLICATION-KEY": ""}, 403, forbidden},
		"empty token, none set":   {func(*datadogsim.Simulator) {}, map[string]string{"Authorization": "Bearer "}, 401, unauthorized},
		"replaced keys":           {func(s *datadogsim.Simulator) { keys(s); s.SetKeys("new", "new") }, map[string]string{"DD-API-KEY": "key", "DD-APPLICATION-KEY": "app"}, 403, forbidden},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			sim := datadogsim.New()
			test.accept(sim)
			r := httptest.NewRequest("GET", "/api/v2/validate_keys", nil)
			for name, value := range test.header {
				r.Header.Set(name, value)
			}
			w := httptest.NewRecorder()
			sim.ServeHTTP(w, r)
			wantAnswer(t, w, test.status, test.body)
		})
	}
}

func TestEveryOperationNeedsKeys(t *testing.T) {
	sim := datadogsim.New()
	sim.PutConfig(okta())
	patch := envelope(`{"integration_type":"OKTA","name":"changed"}`)
	for _, r := range []*http.Request{
		request("GET", base, ""),
		request("GET", base+"/okta-1", ""),
		request("PATCH", base+"/okta-1", patch),
		request("POST", base+"/validate", patch),
		request("POST", base+"/okta-1/validate", ""),
		request("GET", "/api/v2/validate_keys", ""),
	} {
		w := httptest.NewRecorder()
		sim.ServeHTTP(w, r)
		if w.Code != 403 {
			t.Errorf("%s %s: got %d, want 403", r.Method, r.URL, w.Code)
		}
	}
	if config, _ := sim.Config("okta-1"); config.Patches != 0 || config.Name != "Acme" {
		t.Errorf("a refused PATCH was stored: %+v", config)
	}
}

func TestRouting(t *testing.T) {
	odd := okta()
	odd.ID = "a/b c"
	dots := okta()
	dots.ID = ".."
	sim := newSimulator(okta(), odd, dots)
	tests := map[string]struct {
		method, target string
		op             datadogsim.Operation
		status         int
		allow          string
	}{
		"list":                        {"GET", base, datadogsim.List, 200, ""},
		"list of a type":              {"GET", base + "?filter%5Bintegration_type%5D=OKTA", datadogsim.List, 200, ""},
		"get":                         {"GET", base + "/okta-1", datadogsim.Get, 200, ""},
		"get of an escaped id":        {"GET", base + "/a%2Fb%20c", datadogsim.Get, 200, ""},
		"get of escaped dots":         {"GET", base + "/%2E%2E", datadogsim.Get, 200, ""},
		"validate stored":             {"POST", base + "/okta-1/validate", datadogsim.ValidateStored, 200, ""},
		"validate stored, escaped id": {"POST", base + "/a%2Fb%20c/validate", datadogsim.ValidateStored, 200, ""},
		"patch of an unknown id":      {"PATCH", base + "/nobody", datadogsim.Patch, 404, ""},
		"get of an unknown id":        {"GET", base + "/nobody", datadogsim.Get, 404, ""},
		"validate of an unknown id":   {"POST", base + "/nobody/validate", datadogsim.ValidateStored, 404, ""},
		"an id with a bare slash":     {"GET", base + "/a/b%20c", "", 404, ""},
		"an empty id":                 {"GET", base + "/", "", 404, ""},
		"an empty id to validate":     {"POST", base + "//validate", "", 404, ""},
		"a longer path":               {"GET", base + "/okta-1/validate/more", "", 404, ""},
		"a path that only begins so":  {"GET", base + "s", "", 404, ""},
		"another API":                 {"GET", "/api/v2/validate", "", 404, ""},
		"unknown query of list":       {"GET", base + "?page=2", "", 404, ""},
		"unknown query of get":        {"GET", base + "/okta-1?filter[integration_type]=OKTA", "", 404, ""},
		"broken query":                {"GET", base + "?a;b", "", 404, ""},
		"create":                      {"POST", base, "", 405, "GET"},
		"delete":                      {"DELETE", base + "/okta-1", "", 405, "GET, PATCH"},
		"get of validate":             {"GET", base + "/validate", "", 405, "POST"},
		"get of a stored validate":    {"GET", base + "/okta-1/validate", "", 405, "POST"},
		"post of the keys":            {"POST", "/api/v2/validate_keys", "", 405, "GET"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := do(sim, test.method, test.target, "")
			if w.Code != test.status || w.Header().Get("Allow") != test.allow {
				t.Errorf("got %d, Allow %q, want %d, %q", w.Code, w.Header().Get("Allow"), test.status, test.allow)
			}
			if test.status == 404 {
				wantAnswer(t, w, 404, `{"errors":["Not found"]}`)
			}
			requests := sim.Requests()
			if got := requests[len(requests)-1].Operation; got != test.op {
				t.Errorf("operation: got %q, want %q", got, test.op)
			}
		})
	}
}

func TestBodyLimit(t *testing.T) {
	sim := newSimulator(okta())
	fill := func(size int) string {
		body := envelope(`{"integration_type":"OKTA","name":""}`)
		return strings.Replace(body, `""`, `"`+strings.Repeat("x", size-len(body))+`"`, 1)
	}
	if w := do(sim, "PATCH", base+"/okta-1", fill(1<<20)); w.Code != 200 {
		t.Errorf("a body of the limit: got %d, want 200", w.Code)
	}
	wantAnswer(t, do(sim, "PATCH", base+"/okta-1", fill(1<<20+1)), 413, `{"errors":["Request body too large"]}`)
	if config, _ := sim.Config("okta-1"); config.Patches != 1 {
		t.Errorf("patches: got %d, want 1", config.Patches)
	}
}

func TestRequestWithoutABodyReader(t *testing.T) {
	r := request("GET", base+"/okta-1", "")
	r.Body = nil // as in a client's request
	w := httptest.NewRecorder()
	newSimulator(okta()).ServeHTTP(w, r)
	if w.Code != 200 {
		t.Errorf("got %d, want 200", w.Code)
	}
}

func TestRequests(t *testing.T) {
	sim := newSimulator(okta())
	do(sim, "PATCH", base+"/okta%2d1", `{"data":1}`)
	do(sim, "GET", base+"?page=2", "")
	do(sim, "GET", base, "")
	got := sim.Requests()

	want := []datadogsim.Request{
		{Operation: datadogsim.Patch, Method: "PATCH", Path: base + "/okta%2d1", Body: `{"data":1}`, Status: 400},
		{Method: "GET", Path: base, Status: 404},
		{Operation: datadogsim.List, Method: "GET", Path: base, Status: 200},
	}
	for i := range want {
		want[i].Header = request("GET", "/", "").Header
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}

	got[0].Header.Set("DD-API-KEY", "changed")
	if key := sim.Requests()[0].Header.Get("DD-API-KEY"); key != apiKey {
		t.Errorf("changing a copy changed the record: %q", key)
	}
}

func TestConcurrentUse(t *testing.T) {
	sim := newSimulator(okta())
	sim.Accept(func(string, string, map[string]any) error { sim.Requests(); return nil })
	const callers = 20
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			do(sim, "PATCH", base+"/okta-1", envelope(`{"integration_type":"OKTA","secrets":{"api_token":"new"}}`))
			do(sim, "GET", base, "")
			do(sim, "POST", base+"/okta-1/validate", "")
			sim.Script(datadogsim.Get, datadogsim.Answer{Status: 503})
			sim.After(datadogsim.List, func() { sim.Config("okta-1") })
			sim.Initializing(1)
			do(sim, "GET", base+"/okta-1", "")
		})
	}
	wg.Wait()
	if config, _ := sim.Config("okta-1"); config.Patches != callers {
		t.Errorf("patches: got %d, want %d", config.Patches, callers)
	}
	if got := len(sim.Requests()); got != 4*callers {
		t.Errorf("requests: got %d, want %d", got, 4*callers)
	}
}
