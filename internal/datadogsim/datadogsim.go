// Package datadogsim simulates Datadog's entity context sync API in memory, and the part of the Azure integration that it
// uses. It accepts what the API's public description accepts and refuses what that refuses. None of its own answers holds
// a stored secret.
package datadogsim

import (
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	configsPath = "/api/v2/security_monitoring/configuration/integration_config"
	keysPath    = "/api/v2/validate_keys"
	azurePath   = "/api/v1/integration/azure"
	typeFilter  = "filter[integration_type]"

	maxBody = 1 << 20 // sixteen times the largest value that Secrets Manager holds
)

// Simulator is Datadog as one http.Handler. It is safe for concurrent use and can be changed while it serves.
type Simulator struct {
	mu              sync.Mutex
	apiKey, appKey  string
	token           string
	configs         map[string]*stored
	azure           map[app]string // client secrets
	rule            func(integrationType, domain string, secrets map[string]any) error
	initializing    int // reads
	initializingFor time.Duration
	dates           dates
	scripts         map[Operation]script
	hooks           map[Operation][]func()
	requests        []Request
	trusted         trust
	issued          map[string]time.Time // tokens that proofs were exchanged for, and when they expire
	tokensMade      int
	tokenPrefix     string
	tokenLife       time.Duration
}

// New returns a Simulator without configs that accepts no keys until SetKeys or SetToken is called.
func New() *Simulator {
	return &Simulator{
		configs: map[string]*stored{},
		azure:   map[app]string{},
		scripts: map[Operation]script{},
		hooks:   map[Operation][]func(){},

		issued: map[string]time.Time{}, tokenPrefix: "delegated-token", tokenLife: 15 * time.Minute,
	}
}

// SetKeys replaces the accepted pair of API key and application key. An empty key is never accepted.
func (s *Simulator) SetKeys(apiKey, appKey string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apiKey, s.appKey = apiKey, appKey
}

// SetToken replaces the accepted bearer token. An empty token is never accepted.
func (s *Simulator) SetToken(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
}

// ServeHTTP answers one request.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := readBody(w, r)
	c, refusal := route(r)
	c.request, c.body = r, body
	received := s.receive(c)

	var answer Answer
	switch {
	case err != nil:
		// A body that breaks off for another reason is from a client that has left and reads no answer.
		answer = refuse(http.StatusRequestEntityTooLarge, "Request body too large")
	case refusal.Status != 0:
		answer = refusal
	default:
		answer = s.answer(c)
	}
	// Recorded before it is sent, so that a client that has the answer also finds it in Requests.
	s.answered(received, answer.Status)
	answer.send(w)
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.Body == nil { // a client's request, handed over in process
		return nil, nil
	}
	return io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
}

// call is a request, and the operation and config that its path names.
type call struct {
	request *http.Request // its body has been read
	body    []byte
	op      Operation
	id      string
}

// route returns the operation that a request asks for, or the answer to a request that asks for none.
func route(r *http.Request) (call, Answer) {
	operations, id := operationsAt(r.URL.EscapedPath())
	if operations == nil {
		return call{}, notFound()
	}
	op, ok := operations[r.Method]
	if !ok {
		answer := refuse(http.StatusMethodNotAllowed, "Method not allowed")
		answer.Header = http.Header{"Allow": {strings.Join(slices.Sorted(maps.Keys(operations)), ", ")}}
		return call{}, answer
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if op == List {
		delete(query, typeFilter)
	}
	if err != nil || len(query) > 0 {
		return call{}, notFound()
	}
	return call{op: op, id: id}, Answer{}
}

// operationsAt returns the operations of a path by method. It splits the path while that is escaped, because an id can
// contain a slash.
func operationsAt(path string) (operations map[string]Operation, id string) {
	rest, below := strings.CutPrefix(path, configsPath+"/")
	id, stored := strings.CutSuffix(rest, "/validate")
	switch {
	case path == keysPath:
		return map[string]Operation{http.MethodGet: ValidateKeys}, ""
	case path == azurePath:
		return map[string]Operation{http.MethodPut: Azure}, ""
	case path == delegatedPath:
		return map[string]Operation{http.MethodPost: DelegatedToken}, ""
	case path == configsPath:
		return map[string]Operation{http.MethodGet: List}, ""
	case path == configsPath+"/validate":
		return map[string]Operation{http.MethodPost: Validate}, ""
	case !below, id == "", strings.Contains(id, "/"):
		return nil, ""
	}
	id, _ = url.PathUnescape(id) // url.URL's EscapedPath is never badly escaped
	if stored {
		return map[string]Operation{http.MethodPost: ValidateStored}, id
	}
	return map[string]Operation{http.MethodGet: Get, http.MethodPatch: Patch}, id
}

// serve answers a call as Datadog would.
func (s *Simulator) serve(c call) Answer {
	if c.op == DelegatedToken { // which is how to authenticate
		return s.delegate(c)
	}
	if status := s.authenticate(c.request.Header); status != http.StatusOK {
		return refuse(status, http.StatusText(status))
	}
	answer := s.operate(c)
	s.runHooks(c.op)
	return answer
}

// authenticate returns the status that the keys in a request's header deserve.
func (s *Simulator) authenticate(h http.Header) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if token, ok := strings.CutPrefix(h.Get("Authorization"), "Bearer "); ok {
		if token != "" && token == s.token || time.Now().Before(s.issued[token]) {
			return http.StatusOK
		}
		return http.StatusUnauthorized
	}
	apiKey, appKey := h.Get("DD-API-KEY"), h.Get("DD-APPLICATION-KEY")
	if apiKey == "" || appKey == "" || apiKey != s.apiKey || appKey != s.appKey {
		return http.StatusForbidden
	}
	return http.StatusOK
}

func (s *Simulator) operate(c call) Answer {
	switch c.op {
	case List:
		return s.list(c)
	case Get:
		return s.get(c)
	case Patch:
		return s.patch(c)
	case Validate:
		return s.validate(c)
	case ValidateStored:
		return s.validateStored(c)
	case Azure:
		return s.updateAzure(c)
	default:
		return succeed(map[string]string{"status": "ok"})
	}
}
