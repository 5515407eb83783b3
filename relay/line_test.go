package relay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"

	"credential-relay/internal/datadogsim"
)

// call is one request: the operation's name, and how many of that name it makes.
type call struct {
	operation string
	nth       int
}

func (c call) String() string { return fmt.Sprint(c.operation, " ", c.nth) }

// line carries an instance's requests to the simulators, notes them, and fails as
// a test wants it.
type line struct {
	aws, datadog http.Handler

	lock      sync.Mutex
	counts    map[string]int // of calls, by operation
	resources []string       // "GetParameter /name", of AWS's calls
	written   []string       // the values of the receipts
	fault     func(call) fault
	nature    func(call) fault // how a simulator behaves in this test when there is no fault
}

// fault stands between a request and its simulator.
type fault func(request *http.Request, serve func() *http.Response) (*http.Response, error)

// failing starts the counts of calls again, and has the calls from now on fail as
// which says: nil is for no fault.
func (l *line) failing(which func(call) fault) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.counts, l.resources, l.fault = map[string]int{}, nil, which
}

// receipts returns the values of all receipts that the instance has written.
func (l *line) receipts() []string {
	l.lock.Lock()
	defer l.lock.Unlock()
	return slices.Clone(l.written)
}

func (l *line) RoundTrip(request *http.Request) (*http.Response, error) {
	if err := request.Context().Err(); err != nil {
		return nil, err
	}
	handler := l.datadog
	if request.Header.Get("X-Amz-Target") != "" {
		handler = l.aws
	}
	serve := func() *http.Response {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		return recorder.Result()
	}
	if fail := l.begin(request); fail != nil {
		return fail(request, serve)
	}
	return serve(), nil
}

func (l *line) begin(request *http.Request) fault {
	operation, resource, value := operationOf(request)
	l.lock.Lock()
	defer l.lock.Unlock()
	l.counts[operation]++
	if resource != "" {
		l.resources = append(l.resources, operation+" "+resource)
	}
	if operation == "PutParameter" {
		l.written = append(l.written, value)
	}
	return all(l.fault, l.nature)(call{operation, l.counts[operation]})
}

// served returns the calls since the counts began, by their operations' names.
func (l *line) served() []call {
	l.lock.Lock()
	defer l.lock.Unlock()
	var calls []call
	for _, operation := range slices.Sorted(maps.Keys(l.counts)) {
		for nth := range l.counts[operation] {
			calls = append(calls, call{operation, nth + 1})
		}
	}
	return calls
}

// times counts the calls of an operation.
func (l *line) times(operation string) int {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.counts[operation]
}

// reads counts how often a value of a source was read.
func (l *line) reads() int {
	l.lock.Lock()
	defer l.lock.Unlock()
	reads := 0
	for _, resource := range l.resources {
		if strings.HasPrefix(resource, "GetSecretValue ") ||
			strings.HasPrefix(resource, "GetParameter ") && !strings.HasPrefix(resource, "GetParameter "+bindings) {
			reads++
		}
	}
	return reads
}

// operationOf returns the name of a request's operation, and for AWS the resource
// that it names and the value that it writes.
func operationOf(request *http.Request) (operation, resource, value string) {
	if _, name, ok := strings.Cut(request.Header.Get("X-Amz-Target"), "."); ok {
		content, _ := io.ReadAll(request.Body)
		request.Body = io.NopCloser(bytes.NewReader(content))
		var input struct{ SecretID, Name, Path, Value string }
		_ = json.Unmarshal(content, &input)
		return name, input.SecretID + input.Name + input.Path, input.Value
	}
	switch path := request.URL.Path; {
	case strings.HasSuffix(path, "/delegated-token"):
		return string(datadogsim.DelegatedToken), "", ""
	case request.Method == http.MethodGet && strings.HasSuffix(path, "/integration_config"):
		return string(datadogsim.List), "", ""
	case request.Method == http.MethodGet:
		return string(datadogsim.Get), "", ""
	case request.Method == http.MethodPatch:
		return string(datadogsim.Patch), "", ""
	case request.Method == http.MethodPut:
		return string(datadogsim.Azure), "", ""
	case strings.HasSuffix(path, "/integration_config/validate"):
		return string(datadogsim.Validate), "", ""
	default:
		return string(datadogsim.ValidateStored), "", ""
	}
}

// always has every call of an operation fail, from the nth on.
func always(operation string, nth int, fail fault) func(call) fault {
	return func(this call) fault {
		if this.operation == operation && this.nth >= nth {
			return fail
		}
		return nil
	}
}

// once has the nth call of an operation fail.
func once(operation string, nth int, fail fault) func(call) fault {
	return func(this call) fault {
		if (this == call{operation, nth}) {
			return fail
		}
		return nil
	}
}

// all has calls fail as the first of these that has a fault for them says.
func all(faults ...func(call) fault) func(call) fault {
	return func(this call) fault {
		for _, which := range faults {
			if which == nil {
				continue
			}
			if fail := which(this); fail != nil {
				return fail
			}
		}
		return nil
	}
}

// only has a fault hit the requests whose path ends so.
func only(end string, fail fault) fault {
	return func(request *http.Request, serve func() *http.Response) (*http.Response, error) {
		if strings.HasSuffix(request.URL.Path, end) {
			return fail(request, serve)
		}
		return serve(), nil
	}
}

// about has a fault hit the requests of AWS whose body holds a text.
func about(text string, fail fault) fault {
	return func(request *http.Request, serve func() *http.Response) (*http.Response, error) {
		content, _ := io.ReadAll(request.Body)
		request.Body = io.NopCloser(bytes.NewReader(content))
		if bytes.Contains(content, []byte(text)) {
			return fail(request, serve)
		}
		return serve(), nil
	}
}

// first does something before a request is served.
func first(do func()) fault {
	return func(_ *http.Request, serve func() *http.Response) (*http.Response, error) {
		do()
		return serve(), nil
	}
}

var errReset = errors.New("connection reset by peer")

// reset loses the connection before the request is served.
func reset(*http.Request, func() *http.Response) (*http.Response, error) { return nil, errReset }

// lost loses the connection after the request was served.
func lost(_ *http.Request, serve func() *http.Response) (*http.Response, error) {
	serve()
	return nil, errReset
}

// hang answers nothing for as long as the caller waits.
func hang(request *http.Request, _ func() *http.Response) (*http.Response, error) {
	<-request.Context().Done()
	return nil, request.Context().Err()
}

// answer is a fault that is an answer.
func answer(status int, body string, header ...string) fault {
	return func(request *http.Request, _ func() *http.Response) (*http.Response, error) {
		recorder := httptest.NewRecorder()
		for i := 0; i < len(header); i += 2 {
			recorder.Header().Set(header[i], header[i+1])
		}
		recorder.WriteHeader(status)
		_, _ = io.WriteString(recorder, body)
		return recorder.Result(), nil
	}
}

// says is an answer that is an error of Datadog's own.
func says(status int, header ...string) fault {
	return answer(status, `{"errors":["as the test wants it"]}`, append(header, "Content-Type", "application/json")...)
}

// awsFault is an answer that is an error of AWS.
func awsFault(status int, code string) fault {
	return answer(status, `{"__type":"`+code+`","Message":"as the test wants it"}`, "Content-Type", "application/x-amz-json-1.1")
}

// rewriting has a change made to the body of an answer.
func rewriting(change func(body string) string) fault {
	return func(_ *http.Request, serve func() *http.Response) (*http.Response, error) {
		response := serve()
		content, _ := io.ReadAll(response.Body)
		response.Body = io.NopCloser(strings.NewReader(change(string(content))))
		return response, nil
	}
}

// dies has the instance die right before or right after a call: the returned
// context ends, and nothing that is called later reaches a simulator.
func (l *line) dies(ctx context.Context, at call, after bool) context.Context {
	ctx, die := context.WithCancelCause(ctx)
	l.failing(func(this call) fault {
		if ctx.Err() != nil {
			return reset
		}
		if this != at {
			return nil
		}
		return func(_ *http.Request, serve func() *http.Response) (*http.Response, error) {
			if after {
				serve()
			}
			die(fmt.Errorf("the instance died at %v", at))
			return nil, errReset
		}
	})
	return ctx
}
