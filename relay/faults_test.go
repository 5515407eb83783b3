package relay

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"credential-relay/internal/datadogsim"
)

// patience is how long a relay of the tests below may take: enough for a call
// that hangs once to be tried again.
const patience = 30 * time.Second

// A call may fail in these ways. The answers quote what was sent wherever that is
// possible.
var (
	anyFaults = map[string]fault{
		"dropped before": reset,
		"dropped after":  lost,
		"cut short": func(_ *http.Request, serve func() *http.Response) (*http.Response, error) {
			response := serve()
			content, _ := io.ReadAll(response.Body)
			response.Body = io.NopCloser(io.MultiReader(strings.NewReader(string(content[:len(content)/2])), broken{}))
			return response, nil
		},
		"hang":           hang,
		"500":            answer(http.StatusInternalServerError, ""),
		"503 as a page":  answer(http.StatusServiceUnavailable, "<html>"+canary+"</html>", "Content-Type", "text/html"),
		"garbage":        answer(http.StatusOK, "\x00\xff]"+canary),
		"another's JSON": answer(http.StatusOK, `{"status":"ok"}`, "Content-Type", "application/json"),
		"a page":         answer(http.StatusOK, "<html>"+canary+"</html>", "Content-Type", "text/html"),
		"a redirect":     answer(http.StatusTemporaryRedirect, "", "Location", "https://elsewhere.example/"),
	}
	awsFaults = map[string]fault{
		"access denied": awsFault(http.StatusBadRequest, "AccessDeniedException"),
		"throttling":    awsFault(http.StatusBadRequest, "ThrottlingException"),
		"not found":     awsFault(http.StatusBadRequest, "ResourceNotFoundException"),
		"no parameter":  awsFault(http.StatusBadRequest, "ParameterNotFound"),
		"empty":         answer(http.StatusOK, ""),
	}
	datadogFaults = map[string]fault{
		"400": quoting(http.StatusBadRequest), "401": quoting(http.StatusUnauthorized), "403": quoting(http.StatusForbidden),
		"404": quoting(http.StatusNotFound), "405": quoting(http.StatusMethodNotAllowed), "409": quoting(http.StatusConflict),
		"422": quoting(http.StatusUnprocessableEntity), "501": quoting(http.StatusNotImplemented),
		"429":             quoting(http.StatusTooManyRequests, "X-RateLimit-Reset", "2"),
		"429 for an hour": quoting(http.StatusTooManyRequests, "X-RateLimit-Reset", "3600"),
		"400 as a page":   answer(http.StatusBadRequest, "<html>400 Request Header Or Cookie Too Large</html>", "Content-Type", "text/html"),
		"404 as a page":   answer(http.StatusNotFound, "<html>no route</html>", "Content-Type", "text/html"),
	}
)

// longestLimit is how long a 429 among the faults closes a rate limit for.
const longestLimit = time.Hour + time.Minute

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errReset }

// quoting is an answer in Datadog's own JSON that quotes the request and its keys.
func quoting(status int, header ...string) fault {
	return func(request *http.Request, _ func() *http.Response) (*http.Response, error) {
		var body []byte
		if request.Body != nil {
			body, _ = io.ReadAll(request.Body)
		}
		quote := fmt.Sprintf("%s %s %s", request.Header.Get("DD-API-KEY"), request.Header.Get("DD-APPLICATION-KEY"), body)
		content, _ := json.Marshal(map[string][]string{"errors": {quote}})
		return answer(status, string(content), append(header, "Content-Type", "application/json")...)(request, nil)
	}
}

// ofAWS reports whether a call is one of AWS, whose operations begin with a
// capital letter.
func (c call) ofAWS() bool { return 'A' <= c.operation[0] && c.operation[0] <= 'Z' }

// faultsOf returns the ways in which a call may fail.
func faultsOf(failing call) map[string]fault {
	faults := maps.Clone(anyFaults)
	if failing.ofAWS() {
		maps.Copy(faults, awsFaults)
		return faults
	}
	maps.Copy(faults, datadogFaults)
	if failing.operation == "get" || failing.operation == "patch" {
		faults["empty"] = answer(http.StatusOK, "") // a success of the other calls
	}
	return faults
}

// everyFault runs a test for each way in which each of these calls may fail, once
// and for good.
func everyFault(t *testing.T, calls []call, test func(t *testing.T, failing call, name string, which func(call) fault)) {
	for _, failing := range calls {
		for name, fail := range faultsOf(failing) {
			for often, which := range map[string]func(call) fault{
				"once":     once(failing.operation, failing.nth, fail),
				"for good": always(failing.operation, failing.nth, fail),
			} {
				t.Run(fmt.Sprintf("%v/%s/%s", failing, name, often), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) { test(t, failing, name+" "+often, which) })
				})
			}
		}
	}
}

// few are the faults that stand for the others, for a call that reads and for one
// that writes.
var few = map[bool][]string{
	false: {"dropped before", "another's JSON", "access denied", "not found", "400", "403", "404", "429 for an hour"},
	true:  {"dropped after", "hang", "another's JSON", "access denied", "400", "403", "409", "400 as a page"},
}

// eachFault is everyFault with few faults. A fault of Datadog's is for good, since
// the client tries again; one of AWS's is of the one call. TestEveryFault has the
// others.
func eachFault(t *testing.T, calls []call, test func(t *testing.T, failing call, name string, which func(call) fault)) {
	for _, failing := range calls {
		when, often := always, " for good"
		if failing.ofAWS() {
			when, often = once, " once"
		}
		for name, fail := range faultsOf(failing) {
			if !slices.Contains(few[failing.writes()], name) {
				continue
			}
			t.Run(fmt.Sprintf("%v/%s", failing, name), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { test(t, failing, name+often, when(failing.operation, failing.nth, fail)) })
			})
		}
	}
}

// isHonest checks what results say while a call fails: updated only if Datadog
// holds that version, and an error for everything else that was to be done.
func (w *world) isHonest(results []Result, token string) {
	w.Helper()
	w.hides(encoded(w, results))
	w.hides(strings.Join(w.line.receipts(), "\n"))
	for _, r := range results {
		if r.Outcome == Updated && w.held() != token {
			w.Errorf("got updated, and Datadog holds %q: %s", w.held(), encoded(w, r))
		}
		if (r.Error == nil) != (r.Outcome == Updated) {
			w.Errorf("got %s with the error %+v", r.Outcome, r.Error)
		}
	}
}

// TestEveryFault has every call of a first relay fail in every way. Whatever
// happens, "updated" is true, nothing leaks, and once the fault has passed the
// next reconcile repairs everything.
func TestEveryFault(t *testing.T) {
	f := flows[0]
	everyFault(t, f.calls(t), func(t *testing.T, _ call, _ string, which func(call) fault) {
		w := f.world(t)
		w.line.failing(which)
		w.isHonest(f.run(t.Context(), w), canary)
		f.repairedAtOnce(w)
	})
}

// TestEachFault does the same for the other flows that send a credential.
func TestEachFault(t *testing.T) {
	for _, name := range []string{"a reconcile", "an event, off", "a relay, follow, without validation", "Entra ID, on", "a parameter"} {
		f := flows[slices.IndexFunc(flows, func(f flow) bool { return f.name == name })]
		t.Run(f.name, func(t *testing.T) {
			eachFault(t, f.calls(t), func(t *testing.T, failing call, fault string, which func(call) fault) {
				w := f.world(t)
				w.line.failing(which)
				results := f.run(t.Context(), w)
				// Another's object cannot be told from Datadog's empty one.
				if failing.operation != "azure" || fault != "another's JSON for good" {
					w.isHonest(results, rotated)
				}
				f.repairedAtOnce(w)
			})
		})
	}
}

// notAsked are the faults after which Datadog has not tried the candidate: it says
// twice that it does not offer that, or something answers that nothing is wrong.
// Then the state decides.
var notAsked = []string{
	"get/403 for good", "validate/403 for good", "validate/404 for good", "validate/405 for good", "validate/501 for good",
	"validate/another's JSON for good",
}

// TestEveryFaultOfARejection has every call fail while Datadog refuses the
// credential. Where Datadog was asked, the one that works stays.
func TestEveryFaultOfARejection(t *testing.T) {
	f := flows[0]
	f.world = with(bound, func(w *world) { w.refuse(canary) })
	eachFault(t, f.calls(t), func(t *testing.T, failing call, name string, which func(call) fault) {
		w := f.world(t)
		w.line.failing(which)
		results := f.run(t.Context(), w)
		w.hides(encoded(t, results))
		if len(results) != 1 || !results[0].Failed() {
			t.Errorf("got %s, want a failure", encoded(t, results))
		}
		if w.held() != "old" && !slices.Contains(notAsked, failing.operation+"/"+name) {
			t.Errorf("Datadog holds a credential that it would have refused: %s", encoded(t, results))
		}
		w.acceptAll()
		f.repairedAtOnce(w)
	})
}

// TestOneAnswerDoesNotSwitchValidationOff has Datadog, or a proxy, say once that
// there is no validation, or no permission to read.
func TestOneAnswerDoesNotSwitchValidationOff(t *testing.T) {
	for name, which := range map[string]func(call) fault{
		"get 403":               once("get", 1, says(http.StatusForbidden)),
		"validate 403":          once("validate", 1, says(http.StatusForbidden)),
		"validate 404":          once("validate", 1, says(http.StatusNotFound)),
		"validate 404, a page":  always("validate", 1, answer(http.StatusNotFound, "<html>no route</html>", "Content-Type", "text/html")),
		"validate 403, a proxy": always("validate", 1, answer(http.StatusForbidden, "blocked")),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := bound(t)
				w.refuse(canary)
				w.line.failing(which)
				if r := w.relayOne(SecretNamed(oktaSecret), time.Minute); w.held() != "old" {
					t.Errorf("got %s, and a credential that Datadog refuses is in place of one that works", encoded(t, r))
				}
			})
		})
	}
}

// TestNoJudgement has answers with the status 400 that judge no credential. None
// is called rejected, and no receipt says that the version was refused.
func TestNoJudgement(t *testing.T) {
	page := answer(http.StatusBadRequest, "<html><head><title>400 Request Header Or Cookie Too Large</title></head></html>", "Content-Type", "text/html")
	for name, given := range map[string]func(*world){
		"a gateway's page at validate": func(w *world) { w.line.failing(always("validate", 1, page)) },
		"a gateway's page at patch":    func(w *world) { w.line.failing(always("patch", 1, page)) },
		"a config without a domain, at validate": func(w *world) {
			w.config("1111", func(config *datadogsim.Config) { config.Domain = "" })
			w.datadog.ScriptForever(datadogsim.Validate, datadogsim.Answer{Status: http.StatusBadRequest, Body: `{"errors":["input_validation_error(Field 'data.attributes.domain' is invalid: required)"]}`})
		},
		"a config that cannot be read, at patch": func(w *world) {
			w.line.failing(all(always("get", 1, says(http.StatusForbidden)), always("patch", 1, says(http.StatusBadRequest))))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := bound(t)
				given(w)
				if r := w.relayOne(SecretNamed(oktaSecret), time.Minute); r.Outcome != Failed || w.receipt("1111") != nil {
					t.Errorf("got %s and the receipt %s, want failed and none", encoded(t, r), encoded(t, w.receipt("1111")))
				}
			})
		})
	}
}

// TestUncertainPatch has Datadog take a PATCH whose answer is lost, or says
// nothing. The PATCH is looked up and not sent again.
func TestUncertainPatch(t *testing.T) {
	odd := func(body string) fault {
		return func(_ *http.Request, serve func() *http.Response) (*http.Response, error) {
			serve()
			return answer(http.StatusOK, body)(nil, nil)
		}
	}
	for name, fail := range map[string]fault{
		"the connection is lost": lost,
		"an empty answer":        odd(""),
		"no attributes":          odd(`{"data":{"id":"1111","type":"integration_config"}}`),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := bound(t)
				w.line.failing(always("patch", 1, fail))
				r := w.relayOne(SecretNamed(oktaSecret), time.Minute)
				if r.Outcome != Updated || len(w.patches()) != 1 || w.held() != canary {
					t.Errorf("got %s after %d PATCHes, want updated after one", encoded(t, r), len(w.patches()))
				}
				if receipt := w.receipt("1111"); receipt == nil || receipt.Settled {
					t.Errorf("got the receipt %s, want one that is not settled, since the date may be of another's PATCH", encoded(t, receipt))
				}
			})
		})
	}
}

// TestQuoted has Datadog quote a credential that the failing call itself does not
// carry, in the clear or in the encoding of a header.
func TestQuoted(t *testing.T) {
	quote := func(status int) fault {
		return answer(status, `{"errors":["conflicts with `+canary+`"]}`, "Content-Type", "application/json")
	}
	for name, given := range map[string]func(*world){
		"what is stored is quoted, 400": func(w *world) { w.line.failing(always("validate-stored", 1, quote(400))) },
		"what is stored is quoted, 404": func(w *world) { w.line.failing(always("validate-stored", 1, quote(404))) },
		"what is stored is quoted, 409": func(w *world) { w.line.failing(always("validate-stored", 1, quote(409))) },
		"what is stored is quoted, 500": func(w *world) { w.line.failing(always("validate-stored", 1, quote(500))) },
		"refused, then the flag's PATCH fails": func(w *world) {
			w.mode(KindSecret, Off, true)
			w.refuse(canary)
			w.line.failing(always("patch", 1, quote(409)))
		},
		"the PATCH refused, then the flag's PATCH fails": func(w *world) {
			w.mode(KindSecret, Off, true)
			w.line.failing(all(once("patch", 1, says(400)), always("patch", 2, quote(409))))
		},
		"a second round, and the config cannot be read": func(w *world) {
			w.datadog.After(datadogsim.Patch, func() { w.provide(KindSecret, "another-token-9876") })
			w.line.failing(all(always("validate", 2, quote(409)), always("get", 2, quote(409))))
		},
		"a second round, and what is stored is called invalid": func(w *world) {
			w.datadog.After(datadogsim.Patch, func() { w.provide(KindSecret, "another-token-9876") })
			w.line.failing(always("validate-stored", 2, quote(400)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := bound(t)
				given(w)
				w.relayOne(SecretNamed(oktaSecret), patience) // which looks for the canary
			})
		})
	}
	for name, quote := range map[string]string{
		"base64": "Basic Y2FuYXJ5LTVNMy1xejdMdy04V3AyeC1YdjRr",
		"hex":    "63616e6172792d354d332d717a374c772d38577032782d5876346b",
	} {
		t.Run("in "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := bound(t)
				w.line.failing(always("validate", 1, answer(400, `{"errors":["the issuer refused `+quote+`"]}`, "Content-Type", "application/json")))
				r := w.relayOne(SecretNamed(oktaSecret), time.Minute)
				if text := encoded(t, r) + strings.Join(w.line.receipts(), ""); strings.Contains(text, quote) || r.Outcome != Rejected {
					t.Errorf("got %s, want rejected without the quote", text)
				}
			})
		})
	}
}
