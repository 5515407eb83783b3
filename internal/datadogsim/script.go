package datadogsim

import (
	"cmp"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"time"
)

// Operation names what a script or a hook applies to.
type Operation string

// The operations served. Every other path or query is answered 404, every other method 405.
const (
	List           Operation = "list"            // GET …/integration_config
	Get            Operation = "get"             // GET …/integration_config/{id}
	Patch          Operation = "patch"           // PATCH …/integration_config/{id}
	Validate       Operation = "validate"        // POST …/integration_config/validate
	ValidateStored Operation = "validate-stored" // POST …/integration_config/{id}/validate
	Azure          Operation = "azure"           // PUT /api/v1/integration/azure
	ValidateKeys   Operation = "validate-keys"   // GET /api/v2/validate_keys
	DelegatedToken Operation = "delegated-token" // POST /api/v2/delegated-token
)

// Answer is a scripted answer. The zero Answer stands for normal service, so that a script can let calls pass.
type Answer struct {
	Status      int // 0 means 200
	Header      http.Header
	Body        string
	ContentType string // "" means application/json
	Drop        bool   // close the connection without an answer; in process: panic(http.ErrAbortHandler)
	// Delay is how long the answer takes, by the clock that the test runs on. A client that leaves gets none.
	Delay       time.Duration
	EchoRequest bool // follow Body with the request's own body, as a server that echoes its input would
	// Act has the call served first, as without a script: also a call that then gets no answer, or another one. Unless
	// Status, Body, Drop or EchoRequest say otherwise, the call's own answer follows, with Header added.
	Act bool
}

// script is what is scripted for one operation: some answers in order, then one for ever.
type script struct {
	next []Answer
	then Answer
}

// Script makes the next calls of op get these answers, in order, before normal service resumes. It replaces the script
// that op had before. An answer without Act asks for no authentication and changes nothing that is stored.
func (s *Simulator) Script(op Operation, answers ...Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scripts[op] = script{next: slices.Clone(answers)}
}

// ScriptForever makes every call of op get this answer until Script or ScriptForever replaces it; the zero Answer
// brings normal service back.
func (s *Simulator) ScriptForever(op Operation, answer Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scripts[op] = script{then: answer}
}

// answer answers a call as scripted if its operation is, else as Datadog would.
func (s *Simulator) answer(c call) Answer {
	scripted := s.takeScripted(c.op)
	if reflect.ValueOf(scripted).IsZero() {
		return s.serve(c)
	}
	var own Answer
	if scripted.Act {
		own = s.serve(c)
	}
	if scripted.Delay > 0 {
		select {
		case <-time.After(scripted.Delay):
		case <-c.request.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	switch {
	case scripted.Drop:
		panic(http.ErrAbortHandler)
	case scripted.Act && scripted.Status == 0 && scripted.Body == "" && !scripted.EchoRequest:
		own.Header = withHeader(own.Header, scripted.Header)
		return own
	case scripted.EchoRequest:
		scripted.Body += string(c.body)
	}
	scripted.Status = cmp.Or(scripted.Status, http.StatusOK)
	return scripted
}

func withHeader(header, more http.Header) http.Header {
	joined := http.Header{}
	maps.Copy(joined, header)
	maps.Copy(joined, more)
	return joined
}

// takeScripted takes the next answer that is scripted for an operation. It returns the zero Answer for normal service.
func (s *Simulator) takeScripted(op Operation) Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	script := s.scripts[op]
	if len(script.next) == 0 {
		return script.then
	}
	answer := script.next[0]
	script.next = script.next[1:]
	s.scripts[op] = script
	return answer
}

// After runs hook once: when the next authenticated call of op that is served has taken effect, and before its answer is
// sent. The hook may call the Simulator. If it panics with http.ErrAbortHandler, the answer is lost.
func (s *Simulator) After(op Operation, hook func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks[op] = append(s.hooks[op], hook)
}

func (s *Simulator) runHooks(op Operation) {
	s.mu.Lock()
	hooks := s.hooks[op]
	delete(s.hooks, op)
	s.mu.Unlock()
	for _, hook := range hooks {
		hook()
	}
}

func (a Answer) send(w http.ResponseWriter) {
	header := w.Header()
	for name, values := range a.Header {
		header[http.CanonicalHeaderKey(name)] = values
	}
	switch {
	case a.ContentType != "":
		header.Set("Content-Type", a.ContentType)
	case a.Body != "" && header.Get("Content-Type") == "":
		header.Set("Content-Type", "application/json")
	}
	w.WriteHeader(a.Status)
	_, _ = io.WriteString(w, a.Body) // fails only for a client that left
}

// succeed answers 200 with value as JSON.
func succeed(value any) Answer {
	body, err := json.Marshal(value)
	if err != nil { // settings that a test put in, and that are not JSON
		return refuse(http.StatusInternalServerError, err.Error())
	}
	return Answer{Status: http.StatusOK, Body: string(body)}
}

func refuse(status int, message string) Answer {
	answer := succeed(map[string][]string{"errors": {message}})
	answer.Status = status
	return answer
}

func notFound() Answer {
	return refuse(http.StatusNotFound, "Not found")
}
