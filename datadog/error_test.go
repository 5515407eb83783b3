package datadog_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"credential-relay/datadog"
)

// Shapes of error answers. Those with an origin are as recorded from Datadog's servers, or as its API's description has
// them; the others come from what may stand in between, or from nowhere.
var errorAnswers = []struct {
	name, contentType, body string
	want                    []string
}{
	{"a text", "application/json", `{"errors":["not_found(Config with ID 1 not found)"]}`, []string{"not_found(Config with ID 1 not found)"}},
	{"a text and a line break", "application/json", `{"errors":["Not found"]}` + "\n", []string{"Not found"}},
	{
		"texts", "application/json", `{"errors":["Invalid rule configuration","Query filter cannot be empty"]}`,
		[]string{"Invalid rule configuration", "Query filter cannot be empty"},
	},
	{
		"an object", "application/vnd.api+json", `{"errors":[{"status":"404","title":"Not Found","detail":"no such config"}]}`,
		[]string{"Not Found: no such config"},
	},
	{
		"an object without a status", "application/vnd.api+json", `{"errors":[{"title":"Generic Error","detail":"indicator not found"}]}`,
		[]string{"Generic Error: indicator not found"},
	},
	{"an object with a title, as a text", "text/plain", `{"errors":[{"title":"Forbidden"}]}`, []string{"Forbidden"}},
	{
		"an object with everything", "application/json",
		`{"errors":[{"id":"7","code":"E1","title":"Bad","message":"wrong","detail":"token","source":{"pointer":"/data"},"meta":{"a":1}}]}`,
		[]string{"E1: Bad: wrong: token"},
	},
	{"an object with a status that is a number", "application/json", `{"errors":[{"status":400,"code":7,"detail":"no"}]}`, []string{"no"}},
	{
		"a code", "application/json", `{"error":{"code":"InvalidArgument","message":"Invalid rule configuration","details":[{"code":"InvalidArgument"}]}}`,
		[]string{"InvalidArgument: Invalid rule configuration"},
	},
	{"a code that is a number", "application/json", `{"error":{"code":403,"message":"denied"}}`, []string{"denied"}},
	{"one text", "application/json", `{"error":"denied"}`, []string{"denied"}},
	{"texts and objects", "application/json", `{"errors":["one",{"title":"two"},"",null,3,[],{}],"error":"four"}`, []string{"one", "two", "four"}},
	{"six texts", "application/json", `{"errors":["1","2","3","4","5","6"]}`, []string{"1", "2", "3", "4", "5"}},
	{"texts behind empty ones", "application/json", `{"errors":["","","","","","",{},"7"]}`, []string{"7"}},
	{"no errors", "application/json", `{"errors":[]}`, nil},
	{"null", "application/json", `null`, nil},
	{"an empty object", "application/json", `{}`, nil},
	{"another object", "application/json", `{"status":"error"}`, nil},
	{"errors of another type", "application/json", `{"errors":{"a":"b"}}`, []string{`{"errors":{"a":"b"}}`}},
	{"a list", "application/json", `["denied"]`, []string{`["denied"]`}},
	{"truncated", "application/json", `{"errors":["Not fou`, []string{`{"errors":["Not fou`}},
	{"empty", "application/json", "", nil},
	{"blank", "text/plain", " \r\n\t ", nil},
	{"a word", "text/plain", "Forbidden", []string{"Forbidden"}},
	{"lines", "text/plain", "upstream connect error\nreset reason: overflow\n", []string{"upstream connect error"}},
	{"a word as another type", "image/png", "Forbidden", []string{"Forbidden"}},
	{"a page", "text/html", "\n<!DOCTYPE html>\n<html><h1>502 Bad Gateway</h1></html>", []string{"the answer is a page, not Datadog's JSON"}},
	{"a page as JSON", "application/json", "<html></html>", []string{"the answer is a page, not Datadog's JSON"}},
	{"XML", "application/xml", "<?xml version='1.0'?><Error/>", []string{"the answer is a page, not Datadog's JSON"}},
	{"control characters", "application/json", `{"errors":["a\u001b[2Jb\u0007\r\nc\u202ed\u0000e\u2028f"]}`, []string{"a [2Jb   c d e f"}},
	{"control characters as a text", "text/plain", "a\x1b[2Jb\x00", []string{"a [2Jb "}},
	{"other alphabets", "application/json", `{"errors":["ungültig: 無効 ✗"]}`, []string{"ungültig: 無効 ✗"}},
	{"no UTF-8", "text/plain", "a\xff\xfeb", []string{"a\uFFFD\uFFFDb"}},
	{"a long text", "application/json", `{"errors":["` + strings.Repeat("ü", 301) + `"]}`, []string{strings.Repeat("ü", 300) + "…"}},
	{"a text just short enough", "application/json", `{"errors":["` + strings.Repeat("ü", 300) + `"]}`, []string{strings.Repeat("ü", 300)}},
	{"a megabyte of JSON", "application/json", `{"errors":["` + strings.Repeat("a", 1<<20) + `"]}`, []string{`{"errors":["` + strings.Repeat("a", 288) + "…"}},
	{"a megabyte of text", "text/plain", strings.Repeat("a", 1<<20), []string{strings.Repeat("a", 300) + "…"}},
	{"a megabyte of a page", "text/html", "<" + strings.Repeat("a", 1<<20), []string{"the answer is a page, not Datadog's JSON"}},
	{"a megabyte of blanks", "text/plain", strings.Repeat(" ", 1<<20), nil},
	{"deep JSON", "application/json", `{"errors":` + strings.Repeat("[", 30_000) + strings.Repeat("]", 30_000) + `}`, []string{`{"errors":` + strings.Repeat("[", 290) + "…"}},
}

var errorStatuses = []struct {
	status    int
	words     string // with what we add to them
	retryable bool
}{
	{300, "300 Multiple Choices", false},
	{304, "304 Not Modified", false},
	{400, "400 Bad Request", false},
	{401, "401 Unauthorized: Datadog does not know the keys: check them, and that DD_SITE is their site", false},
	{403, "403 Forbidden: the keys lack the permission integrations_read, or are no longer valid", false},
	{404, "404 Not Found", false},
	{405, "405 Method Not Allowed", false},
	{408, "408 Request Timeout", false},
	{409, "409 Conflict: Datadog holds something that this conflicts with, such as a change made at the same time", false},
	{413, "413 Request Entity Too Large", false},
	{422, "422 Unprocessable Entity", false},
	{429, "429 Too Many Requests", true},
	{500, "500 Internal Server Error", true},
	{501, "501 Not Implemented", false},
	{502, "502 Bad Gateway", true},
	{503, "503 Service Unavailable", true},
	{504, "504 Gateway Timeout", true},
	{520, "520", true}, // a content delivery network's own
}

func TestErrorOfEveryAnswer(t *testing.T) {
	for _, a := range errorAnswers {
		virtually(t, a.name, func(t *testing.T) {
			for _, s := range errorStatuses {
				if len(a.body) > 10_000 && s.status != 400 && s.status != 502 {
					continue // for time's sake
				}
				client, line := client(reply(s.status, a.body, "Content-Type: "+a.contentType))
				err := once(t, client, get)
				if line.tries() != 1 {
					t.Fatalf("%d: got %d tries", s.status, line.tries())
				}
				failed := failure(t, err)
				if failed.Status != s.status || failed.Retryable != s.retryable {
					t.Errorf("%d: got status %d, retryable %t, want %t", s.status, failed.Status, failed.Retryable, s.retryable)
				}
				if !reflect.DeepEqual(failed.Messages, a.want) {
					t.Errorf("%d: got messages %.400q, want %.400q", s.status, failed.Messages, a.want)
				}
				want := "get integration config " + string(configID) + ": Datadog answered " + s.words
				if len(a.want) > 0 {
					want += ": " + strings.Join(a.want, "; ")
				}
				if s.status < 400 {
					want += ": redirects are not followed; check DD_SITE or DD_API_URL"
				}
				if got := err.Error(); got != want {
					t.Errorf("%d: got  %.400q\nwant %.400q", s.status, got, want)
				}
			}
		})
	}
}

func TestErrorNamesTheCall(t *testing.T) {
	want := map[string]string{
		"ListIntegrationConfigs":  "list integration configs: ",
		"GetIntegrationConfig":    "get integration config " + string(configID) + ": ",
		"UpdateIntegrationConfig": "update integration config " + string(configID) + ": ",
		"ValidateCredential":      "validate the credential: ",
		"ValidateStored":          "validate what integration config " + string(configID) + " holds: ",
		"UpdateAzureIntegration":  "update the Azure integration: ",
	}
	for _, call := range calls {
		virtually(t, call.name, func(t *testing.T) {
			answered, _ := client(reply(404, `{"errors":["Not found"]}`))
			if got, want := call.do(t.Context(), answered).Error(), want[call.name]+"Datadog answered 404 Not Found: Not found"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			silent, _ := client(lost(errors.New("no route")))
			if got, want := call.do(t.Context(), silent).Error(), want[call.name]+"no route"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			keyless, line := client(reply(200, call.good))
			keyless.Keys = func(context.Context, *datadog.Keys) (*datadog.Keys, error) { return nil, errors.New("access denied") }
			if got, want := call.do(t.Context(), keyless).Error(), want[call.name]+"Datadog's keys: access denied"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if line.tries() != 0 {
				t.Errorf("got %d requests without keys", line.tries())
			}
		})
	}
}

// TestErrorNamesThePermission tells which one is missing, for every call, with
// Datadog's own words after ours.
func TestErrorNamesThePermission(t *testing.T) {
	for _, call := range calls {
		virtually(t, call.name, func(t *testing.T) {
			permission := "integrations_read"
			switch call.name {
			case "UpdateIntegrationConfig":
				permission = "manage_integrations"
			case "UpdateAzureIntegration":
				permission = "azure_configuration_edit"
			}
			client, _ := client(reply(403, `{"errors":["Forbidden"]}`))
			err := call.do(t.Context(), client)
			if want := ": Datadog answered 403 Forbidden: the keys lack the permission " + permission + ", or are no longer valid: Forbidden"; !strings.HasSuffix(err.Error(), want) {
				t.Errorf("got %q, want it to end in %q", err, want)
			}
		})
	}
	virtually(t, "keys that were rotated", func(t *testing.T) {
		client, _ := client(reply(403, `{"errors":["Forbidden"]}`), reply(200, `{"data":`+oktaConfig+`}`))
		others := keysOf("", "", token)
		given := client.Keys
		client.Keys = func(ctx context.Context, refused *datadog.Keys) (*datadog.Keys, error) {
			if refused != nil {
				return &others, nil
			}
			return given(ctx, nil)
		}
		if err := get(t.Context(), client); err != nil {
			t.Errorf("got %v, want nothing to be said of a 403 that other keys mend", err)
		}
	})
}

func TestErrorOfARateLimit(t *testing.T) {
	const day = 24 * time.Hour
	cases := []struct {
		name, reset, limit string
		want               datadog.RateLimit
	}{
		{"integer", "17", "siem", datadog.RateLimit{Name: "siem", Reset: 17 * time.Second}},
		{"fractional", "2.5", "siem", datadog.RateLimit{Name: "siem", Reset: 2500 * time.Millisecond}},
		{"zero", "0", "siem", datadog.RateLimit{Name: "siem"}},
		{"negative", "-5", "siem", datadog.RateLimit{Name: "siem"}},
		{"a day", "86400", "", datadog.RateLimit{Reset: day}},
		{"a time", "1795000000", "", datadog.RateLimit{Reset: day}},
		{"absurd", "1e300", "", datadog.RateLimit{Reset: day}},
		{"infinite", "Inf", "", datadog.RateLimit{Reset: day}},
		{"negatively infinite", "-Inf", "", datadog.RateLimit{}},
		{"no number", "NaN", "", datadog.RateLimit{}},
		{"beyond all numbers", "1e999", "", datadog.RateLimit{}},
		{"a word", "soon", "siem", datadog.RateLimit{Name: "siem"}},
		{"missing", "", "", datadog.RateLimit{}},
		{"a hostile name", "", "a\x1b[2J" + strings.Repeat("b", 400), datadog.RateLimit{Name: "a [2J" + strings.Repeat("b", 295) + "…"}},
		{"an echo for a name", "", "of " + apiToken + " and " + apiKey, datadog.RateLimit{Name: "of [secret] and [secret]"}},
	}
	for _, c := range cases {
		virtually(t, c.name, func(t *testing.T) {
			client, _ := client(reply(429, `{"errors":["Too many requests"]}`, "X-RateLimit-Reset: "+c.reset, "X-RateLimit-Name: "+c.limit))
			failed := failure(t, once(t, client, update))
			if failed.RateLimit != c.want || !failed.Retryable || failed.RetryAfter < c.want.Reset {
				t.Errorf("got %+v, retryable %t after %s, want %+v", failed.RateLimit, failed.Retryable, failed.RetryAfter, c.want)
			}
			want := "update integration config " + string(configID) + ": Datadog answered 429 Too Many Requests"
			if c.want.Name != "" {
				want += " (rate limit " + c.want.Name + ")"
			}
			if got := failed.Error(); got != want+": Too many requests" {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	t.Run("of another status", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client, _ := client(reply(403, "", "X-RateLimit-Reset: 5", "X-RateLimit-Name: siem"))
			if failed := failure(t, get(t.Context(), client)); failed.RateLimit != (datadog.RateLimit{}) || failed.RetryAfter != 0 {
				t.Errorf("got %+v, after %s, want no limit", failed.RateLimit, failed.RetryAfter)
			}
		})
	})
}

// TestErrorOfALastTry tells a queue when to come again.
func TestErrorOfALastTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, line := client(limited("7"))
		failed := failure(t, get(t.Context(), client))
		if line.tries() != 4 || failed.RetryAfter != 7*time.Second {
			t.Errorf("got RetryAfter %s after %d tries, want 7s after 4", failed.RetryAfter, line.tries())
		}
	})
}

// TestErrorOfAnAnswerCutOff keeps the status of an error whose body breaks off.
func TestErrorOfAnAnswerCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cut := func(r *http.Request) (*http.Response, error) {
			resp, err := reply(403, "")(r)
			resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"errors":["No`), broken{}))
			return resp, err
		}
		client, _ := client(cut)
		if failed := failure(t, get(t.Context(), client)); failed.Status != 403 || failed.Retryable || failed.Messages != nil {
			t.Errorf("got %+v, want a bare 403", failed)
		}
	})
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestErrorHoldsNoSecret has every method meet answers that quote all that was sent.
func TestErrorHoldsNoSecret(t *testing.T) {
	echo := func(status int, format string) answer {
		return func(r *http.Request) (*http.Response, error) {
			quoted := fmt.Sprintf("%s %s %s %s", apiToken, r.Header.Get("DD-API-KEY"), r.Header.Get("DD-APPLICATION-KEY"), r.Header.Get("Authorization"))
			return reply(status, fmt.Sprintf(format, quoted))(r)
		}
	}
	keys := map[string]datadog.Keys{
		"a pair of keys": {API: datadog.NewSecret(apiKey), Application: datadog.NewSecret(appKey)},
		"a token":        {Token: datadog.NewSecret(token)},
	}
	for name, keys := range keys {
		for _, call := range calls {
			virtually(t, name+"/"+call.name, func(t *testing.T) {
				for _, status := range []int{200, 302, 400, 401, 429, 500} {
					for _, format := range []string{`{"errors":["%s"]}`, `{"errors":[{"detail":"%s"}]}`, `{"error":{"message":"%s"}}`, "%s", "<%s", `{"errors":["%s`, `{"data":"%s"}`} {
						client, _ := client(echo(status, format))
						client.Keys = datadog.Fixed(keys)
						err := once(t, client, call.do)
						if err == nil && status == 200 && answersNothing(call.name) && strings.HasPrefix(format, `{"data"`) {
							continue // an answer of which nothing is read
						}
						wantPresentable(t, err, apiKey, appKey, token, call.carries)
					}
				}
			})
		}
	}
	t.Run("the keys that others replaced", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client, _ := client(reply(401, `{"errors":["`+apiKey+`"]}`), reply(401, `{"errors":["`+token+`"]}`))
			first := &datadog.Keys{API: datadog.NewSecret(apiKey), Application: datadog.NewSecret(appKey)}
			client.Keys = func(_ context.Context, refused *datadog.Keys) (*datadog.Keys, error) {
				if refused == nil {
					return first, nil
				}
				return &datadog.Keys{Token: datadog.NewSecret(token)}, nil
			}
			wantPresentable(t, get(t.Context(), client), apiKey, appKey, token)
		})
	})
}

func TestErrorKinds(t *testing.T) {
	type kinds struct{ refusal, forbidden, notOffered bool }
	cases := []struct {
		name string
		err  error
		want kinds
	}{
		{"nil", nil, kinds{}},
		{"another error", errors.New("403 Forbidden"), kinds{}},
		{"no answer", &datadog.Error{}, kinds{}},
		{"200", &datadog.Error{Status: 200}, kinds{}},
		{"302", &datadog.Error{Status: 302}, kinds{}},
		{"400", &datadog.Error{Status: 400}, kinds{refusal: true}},
		{"401", &datadog.Error{Status: 401}, kinds{}},
		{"403", &datadog.Error{Status: 403}, kinds{forbidden: true, notOffered: true}},
		{"404", &datadog.Error{Status: 404}, kinds{notOffered: true}},
		{"405", &datadog.Error{Status: 405}, kinds{notOffered: true}},
		{"409", &datadog.Error{Status: 409}, kinds{}},
		{"422", &datadog.Error{Status: 422}, kinds{refusal: true}},
		{"429", &datadog.Error{Status: 429}, kinds{}},
		{"500", &datadog.Error{Status: 500}, kinds{}},
		{"501", &datadog.Error{Status: 501}, kinds{notOffered: true}},
		{"503", &datadog.Error{Status: 503}, kinds{}},
		{"wrapped", fmt.Errorf("binding x: %w", &datadog.Error{Status: 403}), kinds{forbidden: true, notOffered: true}},
		{"joined", errors.Join(errors.New("a"), &datadog.Error{Status: 400}), kinds{refusal: true}},
		{"only quoted", fmt.Errorf("binding x: %v", &datadog.Error{Status: 400}), kinds{}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := (kinds{datadog.IsInvalidCredential(c.err), datadog.IsForbidden(c.err), datadog.IsNotOffered(c.err)}); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}
