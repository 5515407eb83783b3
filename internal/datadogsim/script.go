package datadogsim

import (
	"encoding/json"
	"io"
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
	ContentType string        // "" means application/json
	Drop        bool          // close the connection without an answer; in process: panic(http.ErrAbortHandler)
	Delay       time.Duration // before the answer; a client that leaves gets none
	EchoRequest bool          // follow Body with the request's own body, as a server that echoes its input would
}

// script is what is scripted for one operation: some answers in order, then one for ever.
type script struct {
	next []Answer
	then Answer
}

// Script makes the next calls of op get these answers, in order, before normal service resumes. It replaces what was
// scripted for op before. A scripted answer asks for no authentication and changes nothing that is stored.
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

// scripted takes the scripted answer to a call, if there is one.
func (s *Simulator) scripted(c call) (Answer, bool) {
	answer := s.takeScripted(c.op)
	if reflect.ValueOf(answer).IsZero() {
		return Answer{}, false
	}
	if answer.Delay > 0 {
		select {
		case <-time.After(answer.Delay):
		case <-c.request.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	if answer.Drop {
		panic(http.ErrAbortHandler)
	}
	if answer.Status == 0 {
		answer.Status = http.StatusOK
	}
	if answer.EchoRequest {
		answer.Body += string(c.body)
	}
	return answer, true
}

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

// After runs hook once: when the next authenticated call of op that is not scripted has taken effect, and before its
// answer is sent. The hook may call the Simulator; one that panics with http.ErrAbortHandler loses the answer.
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
