package datadog_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"credential-relay/datadog"
)

// datadogAnswers are bodies as recorded from Datadog's servers or described by its API. The content type does not matter.
var datadogAnswers = []errorAnswer{
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
		[]string{"E1: Bad: wrong: token (/data)"},
	},
	{"an object with a status that is a number", "application/json", `{"errors":[{"status":400,"code":7,"detail":"no"}]}`, []string{"no"}},
	{
		"a code", "application/json", `{"error":{"code":"InvalidArgument","message":"Invalid rule configuration","details":[{"code":"InvalidArgument"}]}}`,
		[]string{"InvalidArgument: Invalid rule configuration"},
	},
	{"a code that is a number", "application/json", `{"error":{"code":403,"message":"denied"}}`, []string{"denied"}},
	{
		"a code with details", "application/json",
		`{"error":{"code":"InvalidArgument","message":"Invalid","details":[{"message":"must be set","target":"domain"},{"message":"again"},{"target":"x"}]}}`,
		[]string{"InvalidArgument: Invalid: must be set (domain): again"},
	},
	{"texts and objects", "application/json", `{"errors":["one",{"title":"two"},"",null,3,[],{}],"error":"four"}`, []string{"one", "two", "four"}},
	{"six texts", "application/json", `{"errors":["1","2","3","4","5","6"]}`, []string{"1", "2", "3", "4", "5"}},
	{"texts behind empty ones", "application/json", `{"errors":["","","","","","",{},"7"]}`, []string{"7"}},
	{"control characters", "application/json", `{"errors":["a\u001b[2Jb\u0007\r\nc\u202ed\u0000e\u2028f"]}`, []string{"a [2Jb   c d e f"}},
	{"other alphabets", "application/json", `{"errors":["ungültig: 無効 ✗"]}`, []string{"ungültig: 無効 ✗"}},
	{"a long text", "application/json", `{"errors":["` + strings.Repeat("ü", 301) + `"]}`, []string{strings.Repeat("ü", 300) + "…"}},
	{"a text just short enough", "application/json", `{"errors":["` + strings.Repeat("ü", 300) + `"]}`, []string{strings.Repeat("ü", 300)}},
}

// otherAnswers are bodies that do not come from Datadog.
var otherAnswers = []errorAnswer{
	{"one text", "application/json", `{"error":"denied"}`, []string{"denied"}},
	{"another member", "application/json", `{"message":"Forbidden"}`, nil},
	{"no errors", "application/json", `{"errors":[]}`, nil},
	{"an error of nothing", "application/json", `{"errors":[{}],"error":{}}`, nil},
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
	{"control characters as a text", "text/plain", "a\x1b[2Jb\x00", []string{"a [2Jb "}},
	{"no UTF-8", "text/plain", "a\xff\xfeb", []string{"a\uFFFD\uFFFDb"}},
	{"a megabyte of JSON", "application/json", `{"errors":["` + strings.Repeat("a", 1<<20) + `"]}`, []string{`{"errors":["` + strings.Repeat("a", 288) + "…"}},
	{"a megabyte of text", "text/plain", strings.Repeat("a", 1<<20), []string{strings.Repeat("a", 300) + "…"}},
	{"a megabyte of a page", "text/html", "<" + strings.Repeat("a", 1<<20), []string{"the answer is a page, not Datadog's JSON"}},
	{"a megabyte of blanks", "text/plain", strings.Repeat(" ", 1<<20), nil},
	{"deep JSON", "application/json", `{"errors":` + strings.Repeat("[", 30_000) + strings.Repeat("]", 30_000) + `}`, []string{`{"errors":` + strings.Repeat("[", 290) + "…"}},
}

type errorAnswer struct {
	name, contentType, body string
	want                    []string
}

var errorStatuses = []struct {
	status    int
	words     string // with what we add to them if they are Datadog's
	retryable bool
}{
	{300, "300 Multiple Choices", false},
	{304, "304 Not Modified", false},
	{400, "400 Bad Request", false},
	{401, "401 Unauthorized: Datadog does not know the keys: check them, and that DD_SITE is their site", false},
	{403, "403 Forbidden: the keys lack the permission integrations_read, or are no longer valid", false},
	{404, "404 Not Found", false},
	{405, "405 Method Not Allowed", false},
	{408, "408 Request Timeout", true},
	{409, "409 Conflict: Datadog holds something that this conflicts with, such as a change made at the same time", false},
	{413, "413 Request Entity Too Large", false},
	{422, "422 Unprocessable Entity", false},
	{425, "425 Too Early", true},
	{429, "429 Too Many Requests", true},
	{500, "500 Internal Server Error", true},
	{501, "501 Not Implemented", false},
	{502, "502 Bad Gateway", true},
	{503, "503 Service Unavailable", true},
	{504, "504 Gateway Timeout", true},
	{520, "520", true}, // a content delivery network's own
}

func TestErrorOfEveryAnswer(t *testing.T) {
	check := func(a errorAnswer, fromDatadog bool) {
		virtually(t, a.name, func(t *testing.T) {
			for _, s := range errorStatuses {
				if len(a.body) > 10_000 && s.status != 400 && s.status != 502 {
					continue // for time's sake
				}
				client, line := client(reply(s.status, a.body, "Content-Type: "+a.contentType))
				err := once(t, client, list)
				if line.tries() != 1 {
					t.Fatalf("%d: got %d tries", s.status, line.tries())
				}
				failed := failure(t, err)
				retryable := s.retryable || !fromDatadog && s.status >= 400
				if failed.Status != s.status || failed.Retryable != retryable || failed.FromDatadog != fromDatadog || failed.InvalidCredential {
					t.Errorf("%d: got %+v, want retryable %t, from Datadog %t, and no judgement", s.status, failed, retryable, fromDatadog)
				}
				if !slices.Equal(failed.Messages, a.want) {
					t.Errorf("%d: got messages %.400q, want %.400q", s.status, failed.Messages, a.want)
				}
				want := "list integration configs: Datadog answered " + s.words
				if !fromDatadog && s.status >= 400 && (s.status < 500 || s.status == 501) {
					name, _, _ := strings.Cut(s.words, ":")
					want = "list integration configs: Datadog answered " + name + ": the answer is not in Datadog's form and may come from a proxy on the way"
				}
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
	for _, a := range datadogAnswers {
		check(a, true)
	}
	for _, a := range otherAnswers {
		check(a, false)
	}
}

func list(ctx context.Context, c *datadog.Client) error {
	_, err := c.ListIntegrationConfigs(ctx, "")
	return err
}

func TestErrorNamesTheCall(t *testing.T) {
	want := map[string]string{
		"ListIntegrationConfigs":  "list integration configs: ",
		"GetIntegrationConfig":    "get integration config " + string(configID) + ": ",
		"UpdateIntegrationConfig": "update integration config " + string(configID) + ": ",
		"ValidateCredential":      "validate the credential: ",
		"ValidateStored":          "validate what integration config " + string(configID) + " holds: ",
		"UpdateAzureIntegration":  "update the Azure integration: ",
		"ValidateKeys":            "validate the Datadog keys: ",
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

// TestErrorNamesThePermission expects the permission that is missing, and then Datadog's own words.
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
			if call.name == "ValidateKeys" { // which any keys permit
				if want := ": Datadog does not know the keys: check them, and that DD_SITE is their site: Forbidden"; !strings.HasSuffix(err.Error(), want) {
					t.Errorf("got %q, want it to end in %q", err, want)
				}
				return
			}
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
	const longest = 5 * time.Minute
	cases := []struct {
		name, reset, limit string
		want               datadog.RateLimit
	}{
		{"integer", "17", "siem", datadog.RateLimit{Name: "siem", Reset: 17 * time.Second}},
		{"fractional", "2.5", "siem", datadog.RateLimit{Name: "siem", Reset: 2500 * time.Millisecond}},
		{"zero", "0", "siem", datadog.RateLimit{Name: "siem"}},
		{"negative", "-5", "siem", datadog.RateLimit{Name: "siem"}},
		{"a day", "86400", "", datadog.RateLimit{Reset: longest}},
		{"a point in time", "1795000000", "", datadog.RateLimit{Reset: longest}},
		{"absurd", "1e300", "", datadog.RateLimit{Reset: longest}},
		{"infinite", "Inf", "", datadog.RateLimit{Reset: longest}},
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

// TestErrorOfALastTry expects the time after which a queue can try again.
func TestErrorOfALastTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, line := client(limited("7"))
		failed := failure(t, get(t.Context(), client))
		if line.tries() != 4 || failed.RetryAfter != 7*time.Second {
			t.Errorf("got RetryAfter %s after %d tries, want 7s after 4", failed.RetryAfter, line.tries())
		}
	})
}

// TestErrorOfAnAnswerCutOff expects the status of an error whose body breaks off.
func TestErrorOfAnAnswerCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cut := func(r *http.Request) (*http.Response, error) {
			resp, err := reply(403, "")(r)
			resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"errors":["No`), broken{}))
			return resp, err
		}
		client, _ := client(cut)
		if failed := failure(t, get(t.Context(), client)); failed.Status != 403 || failed.FromDatadog || !failed.Retryable || failed.Messages != nil {
			t.Errorf("got %+v, want a 403 that may pass", failed)
		}
	})
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestErrorHoldsNoSecret has answers quote everything that a call sends.
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

// TestErrorKinds gives each call each answer, every time.
func TestErrorKinds(t *testing.T) {
	type kinds struct{ invalid, notOffered, forbidden, notFound bool }
	judging := func(call string) bool {
		return call != "ListIntegrationConfigs" && call != "GetIntegrationConfig" && call != "ValidateKeys"
	}
	validating := func(call string) bool { return call == "ValidateCredential" || call == "ValidateStored" }
	for _, call := range calls {
		for status, want := range map[int]kinds{
			200: {}, 302: {}, 401: {}, 409: {}, 429: {}, 500: {}, 503: {},
			400: {invalid: judging(call.name)},
			422: {invalid: judging(call.name)},
			403: {notOffered: validating(call.name), forbidden: true},
			404: {notOffered: validating(call.name), notFound: true},
			405: {notOffered: validating(call.name)},
			501: {notOffered: validating(call.name)},
		} {
			for shape, body := range map[string]string{
				"Datadog's": `{"errors":["Datadog says so"]}`, "an object": `{"errors":[{"title":"No"}]}`, "a code": `{"error":{"code":"InvalidArgument"}}`,
				"a page": "<html>", "a text": "Bad Request", "empty": "", "another object": `{"message":"Forbidden"}`, "a broken one": `{"errors":["no`,
			} {
				virtually(t, fmt.Sprintf("%s/%d/%s", call.name, status, shape), func(t *testing.T) {
					want := want
					if !strings.Contains("Datadog's, an object, a code", shape) {
						want = kinds{}
					}
					client, _ := client(reply(status, body))
					err := call.do(t.Context(), client)
					for _, err := range []error{err, fmt.Errorf("binding x: %w", err), errors.Join(errors.New("a"), err)} {
						got := kinds{datadog.IsInvalidCredential(err), datadog.IsNotOffered(err), datadog.IsForbidden(err), datadog.IsNotFound(err)}
						if got != want {
							t.Errorf("%v: got %+v, want %+v", err, got, want)
						}
					}
				})
			}
		}
	}
	for name, err := range map[string]error{
		"nil": nil, "another error": errors.New("403 Forbidden"), "no answer": &datadog.Error{}, "a bare 400": &datadog.Error{Status: 400},
		"a bare 403": &datadog.Error{Status: 403}, "a bare 404": &datadog.Error{Status: 404},
		"only quoted": fmt.Errorf("binding x: %v", &datadog.Error{Status: 400, FromDatadog: true, InvalidCredential: true}),
	} {
		if datadog.IsInvalidCredential(err) || datadog.IsNotOffered(err) || datadog.IsForbidden(err) || datadog.IsNotFound(err) {
			t.Errorf("%s: is taken for Datadog's word", name)
		}
	}
}

// TestUpdatesOfAFlagJudgeNoCredential has Datadog refuse an update that sends no credential.
func TestUpdatesOfAFlagJudgeNoCredential(t *testing.T) {
	client, _ := client(says(400))
	_, err := client.UpdateIntegrationConfig(t.Context(), configID, datadog.Update{Type: datadog.Okta, Enabled: new(true)})
	if datadog.IsInvalidCredential(err) {
		t.Errorf("%v is taken for a judgement", err)
	}
}

// TestDoubtedAnswers has Datadog refuse a call once, and then answer in different ways.
func TestDoubtedAnswers(t *testing.T) {
	type outcome struct{ ok, notOffered, forbidden bool }
	page := reply(404, "<html>")
	for _, call := range calls {
		if !doubts(call.name, 403) {
			continue
		}
		isGet := call.name == "GetIntegrationConfig"
		for name, c := range map[string]struct {
			then  []answer
			want  outcome
			tries int
		}{
			"then success":         {[]answer{reply(200, call.good)}, outcome{ok: true}, 2},
			"the same":             {[]answer{says(403)}, outcome{notOffered: !isGet, forbidden: true}, 2},
			"another such answer":  {[]answer{says(404)}, outcome{notOffered: !isGet}, 2},
			"a page, then success": {[]answer{page, reply(200, call.good)}, outcome{ok: true}, 3},
			"pages":                {[]answer{page}, outcome{}, 5},
			"trouble, then again":  {[]answer{reply(503, ""), says(403)}, outcome{notOffered: !isGet, forbidden: true}, 3},
			"a judgement":          {[]answer{says(400)}, outcome{}, 2},
		} {
			virtually(t, call.name+"/"+name, func(t *testing.T) {
				client, line := client(append([]answer{says(403)}, c.then...)...)
				err := call.do(t.Context(), client)
				if got := (outcome{err == nil, datadog.IsNotOffered(err), datadog.IsForbidden(err)}); got != c.want || line.tries() != c.tries {
					t.Errorf("got %+v after %d tries, want %+v after %d: %v", got, line.tries(), c.want, c.tries, err)
				}
				if pause := line.sent[1].at.Sub(line.sent[0].at); pause != time.Second {
					t.Errorf("asked again after %s, want a second", pause)
				}
				if err != nil && (c.want.notOffered || c.want.forbidden) && failure(t, err).Retryable {
					t.Errorf("%v is not final", err)
				}
			})
		}
		virtually(t, call.name+"/no time to ask again", func(t *testing.T) {
			client, line := client(says(403))
			err := within(t, client, 900*time.Millisecond, call.do)
			failed := failure(t, err)
			if datadog.IsNotOffered(err) || datadog.IsForbidden(err) || !failed.Retryable || failed.RetryAfter != time.Second || line.tries() != 1 {
				t.Errorf("got %+v after %d tries, want a failure that may pass", failed, line.tries())
			}
		})
	}
}

// TestMaskOfAContext checks that its calls leave their errors for the caller to mask, with the secrets of all calls.
func TestMaskOfAContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mask datadog.Mask
		ctx := datadog.WithMask(t.Context(), &mask)
		client, _ := client(reply(400, `{"errors":["`+strings.Repeat("a", 1000)+apiToken+`"]}`, "X-RateLimit-Name: "+apiToken), reply(401, `{"errors":["`+apiKey+" "+appKey+" "+apiToken+`"]}`))
		err := validate(ctx, client)
		if !strings.HasSuffix(err.Error(), apiToken) {
			t.Errorf("got %v, want an error that is not masked", err)
		}
		wantPresentable(t, mask.Error(err), apiToken, apiKey, appKey)
		if text := mask.Error(err).Error(); !strings.HasSuffix(text, "aaa[secret]") || !datadog.IsInvalidCredential(mask.Error(err)) {
			t.Errorf("got %s, want all of it, masked", text)
		}
		// A later call without the credential may quote it.
		if got, want := mask.Text(failure(t, get(ctx, client)).Messages[0]), "[secret] [secret] [secret]"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}
