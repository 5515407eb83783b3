package relay

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// patience is how long a relay of the tests below may take: enough for a call
// that hangs once to be tried again.
const patience = 30 * time.Second

// A call may fail in these ways. What the engine is told quotes what it sent
// wherever that is possible.
var (
	anyFaults = map[string]fault{
		"dropped before": func(*http.Request, func() *http.Response) (*http.Response, error) { return nil, errReset },
		"dropped after": func(_ *http.Request, serve func() *http.Response) (*http.Response, error) {
			serve()
			return nil, errReset
		},
		"dropped in the middle": func(_ *http.Request, serve func() *http.Response) (*http.Response, error) {
			response := serve()
			content, _ := io.ReadAll(response.Body)
			response.Body = io.NopCloser(io.MultiReader(strings.NewReader(string(content[:len(content)/2])), broken{}))
			return response, nil
		},
		"cut short": func(_ *http.Request, serve func() *http.Response) (*http.Response, error) {
			response := serve()
			content, _ := io.ReadAll(response.Body)
			response.Body = io.NopCloser(strings.NewReader(string(content[:len(content)/2])))
			return response, nil
		},
		"slow": func(request *http.Request, serve func() *http.Response) (*http.Response, error) {
			if !wait(request.Context(), 4*time.Second) {
				return nil, request.Context().Err()
			}
			return serve(), nil
		},
		"hang":                  hang,
		"500":                   answer(http.StatusInternalServerError, ""),
		"503 as a page":         answer(http.StatusServiceUnavailable, "<html>"+canary+"</html>", "Content-Type", "text/html"),
		"garbage":               answer(http.StatusOK, "\x00\xff]"+canary),
		"JSON of somebody else": answer(http.StatusOK, `{"status":"ok"}`),
		"a page":                answer(http.StatusOK, "<html>"+canary+"</html>", "Content-Type", "text/html"),
		"a redirect":            answer(http.StatusTemporaryRedirect, "", "Location", "https://elsewhere.example/"),
	}
	awsFaults = map[string]fault{
		"access denied": awsFault(http.StatusBadRequest, "AccessDeniedException"),
		"throttling":    awsFault(http.StatusBadRequest, "ThrottlingException"),
		"not found":     awsFault(http.StatusBadRequest, "ResourceNotFoundException"),
		"internal":      awsFault(http.StatusInternalServerError, "InternalServiceError"),
		"empty":         answer(http.StatusOK, ""),
	}
	datadogFaults = map[string]fault{
		"400": quoting(http.StatusBadRequest), "401": quoting(http.StatusUnauthorized), "403": quoting(http.StatusForbidden),
		"404": quoting(http.StatusNotFound), "405": quoting(http.StatusMethodNotAllowed), "409": quoting(http.StatusConflict),
		"422": quoting(http.StatusUnprocessableEntity), "429": quoting(http.StatusTooManyRequests, "X-RateLimit-Reset", "2"),
		"429 for an hour": quoting(http.StatusTooManyRequests, "X-RateLimit-Reset", "3600"),
		"501":             quoting(http.StatusNotImplemented), "502": quoting(http.StatusBadGateway),
	}
)

// longestLimit is how long a 429 among the faults closes a rate limit for.
const longestLimit = time.Hour + time.Minute

// asTold waits for as long as the outcome says that one should.
func asTold(o Result) {
	if o.Error != nil {
		time.Sleep(o.Error.RetryAfter)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errReset }

// quoting is an answer that quotes the request, its keys too.
func quoting(status int, header ...string) fault {
	return func(request *http.Request, _ func() *http.Response) (*http.Response, error) {
		var body []byte
		if request.Body != nil {
			body, _ = io.ReadAll(request.Body)
		}
		return answer(status, fmt.Sprintf("%s %s %s", request.Header.Get("DD-API-KEY"), request.Header.Get("DD-APPLICATION-KEY"), body), header...)(request, nil)
	}
}

// faultsOf are the ways in which a call may fail.
func faultsOf(operation string) map[string]fault {
	all := maps.Clone(anyFaults)
	switch operation {
	case "GetParametersByPath", "GetSecretValue":
		maps.Copy(all, awsFaults)
	case "get", "patch":
		all["empty"] = answer(http.StatusOK, "") // which is a yes from the others
		fallthrough
	default:
		maps.Copy(all, datadogFaults)
	}
	return all
}

// everyFault runs a test for each way in which each of these calls may fail,
// once and for good.
func everyFault(t *testing.T, calls []call, test func(t *testing.T, failing call, name string, which func(call) fault)) {
	for _, failing := range calls {
		for name, fail := range faultsOf(failing.operation) {
			for often, which := range map[string]func(call) fault{
				"once":     once(failing.operation, failing.nth, fail),
				"for good": always(failing.operation, failing.nth, fail),
			} {
				t.Run(fmt.Sprintf("%s %d/%s/%s", failing.operation, failing.nth, name, often), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { test(t, failing, name, which) })
				})
			}
		}
	}
}

// TestEveryFault has every call of a relay fail in every way. Whatever happens,
// "updated" is true, nothing leaks, and once the fault has passed the next look
// repairs everything.
func TestEveryFault(t *testing.T) {
	const current = `{"api_token":"` + canary + `"}`
	well := bound(t)
	well.relay(SecretNamed(oktaSecret), patience)
	everyFault(t, well.served(), func(t *testing.T, _ call, _ string, which func(call) fault) {
		w := bound(t)
		w.line.failing(which)
		o := w.relayOne(SecretNamed(oktaSecret), patience)
		if o.Outcome == Updated && !w.holds("1111", current) {
			t.Errorf("got updated, and Datadog does not hold the current credential: %s", encoded(t, o))
		}
		if (o.Error == nil) != (o.Outcome == Updated) {
			t.Errorf("got %s with the error %+v", o.Outcome, o.Error)
		}
		w.line.failing(nil)
		asTold(o)
		if o = w.relayOne(SecretNamed(oktaSecret), patience); o.Outcome != Updated || !w.holds("1111", current) {
			t.Errorf("after the fault: got %s, want updated, and Datadog to hold the current credential", encoded(t, o))
		}
	})
}

// TestEveryFaultOfARejection does the same while Datadog calls the credential
// invalid: where it has been asked, the one that works stays.
func TestEveryFaultOfARejection(t *testing.T) {
	// These say that validation is not to be had, or that there is nothing
	// wrong; then the PATCH's state decides.
	notAsked := map[string]bool{
		"get/403":      true,
		"validate/403": true, "validate/404": true, "validate/405": true, "validate/501": true,
		"validate/JSON of somebody else": true,
	}
	rejecting := func(t *testing.T) *world {
		w := bound(t)
		w.refuse(canary)
		return w
	}
	well := rejecting(t)
	well.relay(SecretNamed(oktaSecret), patience)
	everyFault(t, well.served(), func(t *testing.T, failing call, name string, which func(call) fault) {
		w := rejecting(t)
		w.line.failing(which)
		o := w.relayOne(SecretNamed(oktaSecret), patience)
		if !o.Failed() {
			t.Errorf("got %s, want a failure", encoded(t, o))
		}
		if !w.holds("1111", `{"api_token":"old"}`) && !notAsked[failing.operation+"/"+name] {
			t.Errorf("Datadog holds a credential that it would have refused: %s", encoded(t, o))
		}
		w.line.failing(nil)
		asTold(o)
		w.refuse("no credential at all")
		if o = w.relayOne(SecretNamed(oktaSecret), patience); o.Outcome != Updated {
			t.Errorf("once Datadog accepts it: got %s, want updated", encoded(t, o))
		}
	})
}

// TestStoredCredentialIsQuoted has Datadog quote what it holds, which the
// request for its opinion does not carry.
func TestStoredCredentialIsQuoted(t *testing.T) {
	for _, status := range []int{400, 404, 409, 500} {
		synctest.Test(t, func(t *testing.T) {
			w := bound(t)
			w.line.failing(always("validate-stored", 1, answer(status, `{"errors":["invalid: `+canary+`"]}`)))
			w.relayOne(SecretNamed(oktaSecret), patience)
		})
	}
}

// TestPanic has a fault of ours hit a relay anywhere: the program does not end,
// and the panic's value, which may quote anything, is not told.
func TestPanic(t *testing.T) {
	well := bound(t)
	well.relay(SecretNamed(oktaSecret), patience)
	for _, in := range well.served() {
		t.Run(fmt.Sprint(in.operation, " ", in.nth), func(t *testing.T) {
			w := bound(t)
			w.line.failing(once(in.operation, in.nth, func(*http.Request, func() *http.Response) (*http.Response, error) {
				panic(errors.New(canary))
			}))
			o := w.relayOne(SecretNamed(oktaSecret), patience)
			if o.Outcome != Failed || o.Error.Message != "internal error" {
				t.Errorf("got %s, want failed: internal error", encoded(t, o))
			}
		})
	}
}

// TestPanicStopsNoOther has it hit one binding of two.
func TestPanicStopsNoOther(t *testing.T) {
	w := bound(t)
	w.bind("secrets/"+oktaSecret, "2222", okta)
	w.line.failing(once("patch", 1, func(*http.Request, func() *http.Response) (*http.Response, error) {
		var nothing []byte
		return nil, fmt.Errorf("%d", nothing[len(canary)]) // a panic of the runtime's own, which says what was wrong
	}))
	outcomes := w.relay(SecretNamed(oktaSecret), patience)
	if len(outcomes) != 2 {
		t.Fatalf("got %s, want two outcomes", encoded(t, outcomes))
	}
	failed, updated := outcomes[0], outcomes[1]
	if failed.Outcome == Updated {
		failed, updated = updated, failed
	}
	if updated.Outcome != Updated || failed.Outcome != Failed || !strings.Contains(failed.Error.Message, "index out of range") {
		t.Errorf("got %s, want one updated, and one failed for an index out of range", encoded(t, outcomes))
	}
}
