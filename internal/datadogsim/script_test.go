package datadogsim_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"credential-relay/internal/datadogsim"
)

// codes makes n GETs of the usual config and returns their status codes.
func codes(sim *datadogsim.Simulator, n int) []int {
	var got []int
	for range n {
		got = append(got, do(sim, "GET", base+"/okta-1", "").Code)
	}
	return got
}

func TestScripts(t *testing.T) {
	type script func(*datadogsim.Simulator)
	answers := func(codes ...int) []datadogsim.Answer {
		var answers []datadogsim.Answer
		for _, code := range codes {
			answers = append(answers, datadogsim.Answer{Status: code})
		}
		return answers
	}
	next := func(codes ...int) script {
		return func(s *datadogsim.Simulator) { s.Script(datadogsim.Get, answers(codes...)...) }
	}
	forever := func(code int) script {
		return func(s *datadogsim.Simulator) { s.ScriptForever(datadogsim.Get, datadogsim.Answer{Status: code}) }
	}
	tests := map[string]struct {
		scripts []script
		want    []int
	}{
		"in order, then normal service":  {[]script{next(503, 429)}, []int{503, 429, 200, 200}},
		"the zero answer lets one pass":  {[]script{next(0, 503)}, []int{200, 503, 200, 200}},
		"replaces what was left":         {[]script{next(503, 503), next(429)}, []int{429, 200, 200, 200}},
		"none":                           {[]script{next(503), next()}, []int{200, 200, 200, 200}},
		"for ever":                       {[]script{forever(500)}, []int{500, 500, 500, 500}},
		"for ever replaced by some":      {[]script{forever(500), next(429)}, []int{429, 200, 200, 200}},
		"for ever replaced by for ever":  {[]script{forever(500), forever(502)}, []int{502, 502, 502, 502}},
		"for ever ended by zero":         {[]script{forever(500), forever(0)}, []int{200, 200, 200, 200}},
		"some replaced by for ever":      {[]script{next(429), forever(500)}, []int{500, 500, 500, 500}},
		"of another operation, no touch": {[]script{func(s *datadogsim.Simulator) { s.Script(datadogsim.List, answers(500)...) }}, []int{200, 200, 200, 200}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			sim := newSimulator(okta())
			for _, script := range test.scripts {
				script(sim)
			}
			if got := codes(sim, 4); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestAnswer(t *testing.T) {
	const body = `{"data":"what was sent"}`
	tests := map[string]struct {
		answer            datadogsim.Answer
		status            int
		contentType, body string
	}{
		"status and body":       {datadogsim.Answer{Status: 502, Body: "{}"}, 502, "application/json", "{}"},
		"no status":             {datadogsim.Answer{Body: "{}"}, 200, "application/json", "{}"},
		"content type":          {datadogsim.Answer{Status: 502, Body: "<html>", ContentType: "text/html"}, 502, "text/html", "<html>"},
		"content type, headers": {datadogsim.Answer{Header: http.Header{"Content-Type": {"text/plain"}}, Body: "x"}, 200, "text/plain", "x"},
		"no body":               {datadogsim.Answer{Status: 429}, 429, "", ""},
		"echo":                  {datadogsim.Answer{Status: 400, Body: "bad: ", EchoRequest: true}, 400, "application/json", "bad: " + body},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			sim := newSimulator(okta())
			sim.Script(datadogsim.Patch, test.answer)
			w := do(sim, "PATCH", base+"/okta-1", body)
			if w.Code != test.status || w.Body.String() != test.body || w.Header().Get("Content-Type") != test.contentType {
				t.Errorf("got %d %q %q, want %d %q %q", w.Code, w.Header().Get("Content-Type"), w.Body, test.status, test.contentType, test.body)
			}
			if got := sim.Requests()[0].Status; got != test.status {
				t.Errorf("recorded status: got %d, want %d", got, test.status)
			}
		})
	}
}

func TestAnswerHeader(t *testing.T) {
	// Spelled as Datadog's documentation does, which is not Go's canonical form.
	header := map[string][]string{"X-RateLimit-Reset": {"3"}, "Warning": {"a", "b"}}
	sim := newSimulator(okta())
	sim.Script(datadogsim.Get, datadogsim.Answer{Status: 429, Header: header})
	w := do(sim, "GET", base+"/okta-1", "")
	if got := w.Header().Get("X-RateLimit-Reset"); got != "3" {
		t.Errorf("X-RateLimit-Reset: got %q, want 3", got)
	}
	if got := w.Header().Values("Warning"); !reflect.DeepEqual(got, []string{"a", "b"}) {
		t.Errorf("Warning: got %q, want a and b", got)
	}
	if got := do(sim, "GET", base+"/okta-1", "").Header(); len(got) != 1 {
		t.Errorf("an answer that is not scripted has more than its type: %v", got)
	}
}

func TestScriptedAnswerStoresNothing(t *testing.T) {
	sim := newSimulator(okta())
	sim.Script(datadogsim.Patch, datadogsim.Answer{Status: 200})
	do(sim, "PATCH", base+"/okta-1", envelope(`{"integration_type":"OKTA","name":"new","secrets":{"api_token":"new"}}`))
	if got, _ := sim.Config("okta-1"); !reflect.DeepEqual(got, okta()) {
		t.Errorf("stored: %+v", got)
	}
}

func TestScriptedAnswerNeedsNoKeys(t *testing.T) {
	sim := datadogsim.New()
	sim.Script(datadogsim.ValidateKeys, datadogsim.Answer{Status: 503})
	if w := do(sim, "GET", "/api/v2/validate_keys", ""); w.Code != 503 {
		t.Errorf("got %d, want 503", w.Code)
	}
}

// wantAbort makes a PATCH that must end without an answer.
func wantAbort(t *testing.T, sim *datadogsim.Simulator) {
	t.Helper()
	defer func() {
		if got := recover(); got != http.ErrAbortHandler {
			t.Errorf("panic: got %v, want %v", got, http.ErrAbortHandler)
		}
	}()
	do(sim, "PATCH", base+"/okta-1", envelope(`{"integration_type":"OKTA","name":"new"}`))
}

func TestDropInProcess(t *testing.T) {
	sim := newSimulator(okta())
	sim.Script(datadogsim.Patch, datadogsim.Answer{Drop: true})
	wantAbort(t, sim)
	if got, _ := sim.Config("okta-1"); got.Patches != 0 {
		t.Errorf("patches: got %d, want 0", got.Patches)
	}
}

func TestDrop(t *testing.T) {
	sim := newSimulator(okta())
	sim.Script(datadogsim.Patch, datadogsim.Answer{Drop: true})
	server := httptest.NewServer(sim)
	defer server.Close()

	patch := func() (*http.Response, error) {
		r := request("PATCH", server.URL+base+"/okta-1", envelope(`{"integration_type":"OKTA"}`))
		r.RequestURI = "" // which only a server's request has
		return server.Client().Do(r)
	}
	if answer, err := patch(); err == nil {
		t.Errorf("got %s, want a lost connection", answer.Status)
	}
	answer, err := patch()
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != 200 {
		t.Errorf("after the drop: got %s, %v, want 200", answer.Status, err)
	}
	requests := sim.Requests()
	if len(requests) != 2 || requests[0].Status != 0 || requests[1].Status != 200 {
		t.Errorf("got %+v, want a request without an answer and one with 200", requests)
	}
}

func TestAfter(t *testing.T) {
	sim := newSimulator(okta())
	patch := func(name string) *httptest.ResponseRecorder {
		return do(sim, "PATCH", base+"/okta-1", envelope(`{"integration_type":"OKTA","name":"`+name+`"}`))
	}
	var seen []string
	hook := func() {
		config, _ := sim.Config("okta-1")
		seen = append(seen, config.Name)
		if got := sim.Requests(); got[len(got)-1].Status != 0 {
			t.Error("the hook ran after the answer")
		}
		config.Name = "by the hook"
		sim.PutConfig(config)
	}
	sim.After(datadogsim.Patch, hook)

	sim.Script(datadogsim.Patch, datadogsim.Answer{Status: 503})
	patch("scripted")
	codes(sim, 1)
	sim.SetKeys("other", "other")
	patch("unauthenticated")
	sim.SetKeys(apiKey, appKey)
	if seen != nil {
		t.Fatalf("the hook ran too early: %q", seen)
	}
	w := patch("first")
	if !strings.Contains(w.Body.String(), `"name":"first"`) {
		t.Errorf("the answer shows what the hook did: %s", w.Body)
	}
	patch("second")
	if !reflect.DeepEqual(seen, []string{"first"}) {
		t.Errorf("the hook saw %q, want only first", seen)
	}
}

func TestAfterRunsAllHooksOfACallInOrder(t *testing.T) {
	sim := newSimulator(okta())
	var seen []string
	sim.After(datadogsim.Get, func() {
		seen = append(seen, "first")
		sim.After(datadogsim.Get, func() { seen = append(seen, "of the next call") })
	})
	sim.After(datadogsim.Get, func() { seen = append(seen, "second") })
	codes(sim, 1)
	if want := []string{"first", "second"}; !reflect.DeepEqual(seen, want) {
		t.Errorf("got %q, want %q", seen, want)
	}
	codes(sim, 2)
	if want := []string{"first", "second", "of the next call"}; !reflect.DeepEqual(seen, want) {
		t.Errorf("got %q, want %q", seen, want)
	}
}

func TestAfterMayLoseAnAnswer(t *testing.T) {
	sim := newSimulator(okta())
	sim.After(datadogsim.Patch, func() { panic(http.ErrAbortHandler) })
	wantAbort(t, sim)
	if got, _ := sim.Config("okta-1"); got.Name != "new" {
		t.Errorf("name: got %q, want new", got.Name)
	}
	if got := sim.Requests()[0].Status; got != 0 {
		t.Errorf("recorded status: got %d, want 0", got)
	}
}

func TestDelayedAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(okta())
		sim.Script(datadogsim.Get, datadogsim.Answer{Status: 503, Delay: time.Minute})
		started := time.Now()
		if got := codes(sim, 2); !reflect.DeepEqual(got, []int{503, 200}) || time.Since(started) != time.Minute {
			t.Errorf("got %v after %s, want 503 and 200 after a minute", got, time.Since(started))
		}
	})
}

// TestAnswersThatAct has PATCHes take effect whatever the answer is.
func TestAnswersThatAct(t *testing.T) {
	body := envelope(`{"integration_type":"OKTA","name":"new"}`)
	own := `"name":"new"`
	tests := map[string]struct {
		answer       datadogsim.Answer
		status       int // 0 for a connection that is dropped
		body, header string
		took         time.Duration
	}{
		"its own answer":             {datadogsim.Answer{Act: true}, 200, own, "", 0},
		"its own answer, and slow":   {datadogsim.Answer{Act: true, Delay: 25 * time.Second}, 200, own, "", 25 * time.Second},
		"its own answer, and more":   {datadogsim.Answer{Act: true, Header: http.Header{"X-RateLimit-Reset": {"3"}}}, 200, own, "3", 0},
		"another status":             {datadogsim.Answer{Act: true, Status: 504}, 504, "", "", 0},
		"another body":               {datadogsim.Answer{Act: true, Body: "<html>"}, 200, "<html>", "", 0},
		"no answer":                  {datadogsim.Answer{Act: true, Drop: true}, 0, "", "", 0},
		"no answer, after some time": {datadogsim.Answer{Act: true, Drop: true, Delay: time.Minute}, 0, "", "", time.Minute},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newSimulator(okta())
				sim.Script(datadogsim.Patch, test.answer)
				started := time.Now()
				func() {
					defer func() {
						if got := recover(); (got == http.ErrAbortHandler) != (test.status == 0) {
							t.Errorf("panic: got %v", got)
						}
					}()
					w := do(sim, "PATCH", base+"/okta-1", body)
					if w.Code != test.status || !strings.Contains(w.Body.String(), test.body) || w.Header().Get("X-RateLimit-Reset") != test.header {
						t.Errorf("got %d %v %s, want %d %s", w.Code, w.Header(), w.Body, test.status, test.body)
					}
				}()
				if took := time.Since(started); took != test.took {
					t.Errorf("took %s, want %s", took, test.took)
				}
				if config, _ := sim.Config("okta-1"); config.Name != "new" || config.Patches != 1 {
					t.Errorf("the PATCH was not taken once: %+v", config)
				}
			})
		})
	}
	t.Run("not without keys", func(t *testing.T) {
		sim := newSimulator(okta())
		sim.SetKeys("other", "other")
		sim.Script(datadogsim.Patch, datadogsim.Answer{Act: true})
		wantAnswer(t, do(sim, "PATCH", base+"/okta-1", body), 403, `{"errors":["Forbidden"]}`)
	})
	t.Run("a client that leaves", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			sim := newSimulator(okta())
			sim.Script(datadogsim.Patch, datadogsim.Answer{Act: true, Delay: time.Hour})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			func() {
				defer func() { _ = recover() }()
				sim.ServeHTTP(httptest.NewRecorder(), request("PATCH", base+"/okta-1", body).WithContext(ctx))
			}()
			if config, _ := sim.Config("okta-1"); config.Name != "new" {
				t.Errorf("the PATCH was not taken: %+v", config)
			}
		})
	})
}
