package relay

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"credential-relay/datadog"
)

const keyFileValue = `{"client_email":"e","private_key":"` + canary + `","project_id":"p","type":"service_account"}`

// mapping is a value, and what a binding makes of it.
type mapping struct {
	name  string
	value string
	want  string // the secrets that Datadog gets, as JSON; none when there is an error
	err   string
}

func TestProfiles(t *testing.T) {
	quoted := string(must(json.Marshal(keyFileValue)))
	deep := strings.Repeat(`{"a":`, 9000) + `"` + canary + `"` + strings.Repeat("}", 9000)
	deeper := strings.Repeat(`[`, 60_000) + canary
	large := canary + strings.Repeat("x", 64<<10-len(canary))

	const twice = "api_token: is ambiguous: the source names a key twice; keep one of them"
	const lineBreak = "api_token: holds a line break, and it is sent in an HTTP header; store the token alone, on one line"
	const control = "api_token: holds a control character, and it is sent in an HTTP header; store the token alone"
	const notASCII = "api_token: holds a character that is not ASCII, and it is sent in an HTTP header; copy the token from its issuer again"
	const halfPair = `api_token: holds an escape that is no character, such as \ud800; correct it in the source`

	// A token that is all there is, or one of several keys.
	tokens := []mapping{
		{"a key", `{"api_token":"` + canary + `"}`, `{"api_token":"` + canary + `"}`, ""},
		{"a key among others", `{"api_token":"` + canary + `","note":"x","n":1}`, `{"api_token":"` + canary + `"}`, ""},
		{"white space around the JSON", " \r\n\t{\"api_token\": \"" + canary + "\"}\n ", `{"api_token":"` + canary + `"}`, ""},
		{"a key twice", `{"api_token":"old","api_token":"` + canary + `"}`, "", twice},
		{"another key twice", `{"note":1,"api_token":"` + canary + `","note":2}`, `{"api_token":"` + canary + `"}`, ""},
		{"a line break in a key", `{"api_token":"` + canary + `\n"}`, "", lineBreak},
		{"a control character in a key", `{"api_token":"\u0000` + canary + `"}`, "", control},
		{"a tab in a key", `{"api_token":"` + canary + `\t"}`, "", control},
		{"a character of C1 in a key", `{"api_token":"` + canary + `\u0085"}`, "", control},
		{"a character beyond ASCII in a key", `{"api_token":"` + canary + `é"}`, "", notASCII},
		{"a zero-width space in a key", `{"api_token":"` + canary + `\u200b"}`, "", notASCII},
		{"half a pair in a key", `{"api_token":"` + canary + `\ud800"}`, "", halfPair},
		{"half a pair in another key", `{"note":"\udc00","api_token":"` + canary + `"}`, `{"api_token":"` + canary + `"}`, ""},
		{"white space around a key's value stays", `{"api_token":" ` + canary + ` "}`, `{"api_token":" ` + canary + ` "}`, ""},
		{"plain text", canary, `{"api_token":"` + canary + `"}`, ""},
		{"plain text with a line break", canary + "\n", `{"api_token":"` + canary + `"}`, ""},
		{"plain text with a line break of Windows", canary + "\r\n", `{"api_token":"` + canary + `"}`, ""},
		{"plain text with two line breaks", canary + "\n\n", "", lineBreak},
		{"plain text with two line breaks of Windows", canary + "\r\n\r\n", "", lineBreak},
		{"plain text with a line break before it", "\n" + canary, "", lineBreak},
		{"plain text with spaces keeps them", "  " + canary + " ", `{"api_token":"  ` + canary + ` "}`, ""},
		{"plain text of digits", "31415926535897932384626433", `{"api_token":"31415926535897932384626433"}`, ""},
		{"plain text of digits with a line break", "31415926535897932384626433\n", `{"api_token":"31415926535897932384626433"}`, ""},
		{"plain text that is a number to JSON", "-1.50e+07", `{"api_token":"-1.50e+07"}`, ""},
		{"plain text that begins with digits", "0123456789abcdef", `{"api_token":"0123456789abcdef"}`, ""},
		{"plain text that begins with a word of JSON", "null-" + canary, `{"api_token":"null-` + canary + `"}`, ""},
		{"plain text that HTML would escape", "<&>" + canary, `{"api_token":"<&>` + canary + `"}`, ""},
		{"plain text beyond ASCII", "ключ-" + canary, "", notASCII},
		{"plain text behind a byte-order mark", "\ufeff" + canary, "", notASCII},
		{"plain text of 64 KB", large, `{"api_token":"` + large + `"}`, ""},
		{"a key of 64 KB", `{"api_token":"` + large[len(`{"api_token":""}`):] + `"}`, `{"api_token":"` + large[len(`{"api_token":""}`):] + `"}`, ""},

		{"plain text with braces in it", "a{" + canary + "}", `{"api_token":"a{` + canary + `}"}`, ""},
		{"plain text that begins as an array", "[" + canary, `{"api_token":"[` + canary + `"}`, ""},

		{"JSON that is cut short", `{"api_token":"` + canary, "", "api_token: is missing from the source, which is not a JSON object"},
		{"JSON with something behind it", `{"api_token":"` + canary + `"}}`, "", "api_token: is missing from the source, which is not a JSON object"},
		{"JSON with a comma too many", `{"api_token":"` + canary + `",}`, "", "api_token: is missing from the source, which is not a JSON object"},
		{"JSON in other quotes", `{'api_token':'` + canary + `'}`, "", "api_token: is missing from the source, which is not a JSON object"},
		{"JSON without quotes", "{api_token:" + canary + "}", "", "api_token: is missing from the source, which is not a JSON object"},
		{"JSON that is cut short behind white space", " \t\r\n{\"api_token\":\"" + canary, "", "api_token: is missing from the source, which is not a JSON object"},
		{"JSON behind a byte-order mark", "\ufeff{\"api_token\":\"" + canary + `"}`, "", "api_token: is missing from the source, which is not a JSON object"},
		{"JSON behind a byte-order mark and white space", "\ufeff\r\n {\"api_token\":\"" + canary + `"}`, "", "api_token: is missing from the source, which is not a JSON object"},
		{"JSON behind white space and a byte-order mark", "\n\ufeff{\"api_token\":\"" + canary + `"}`, "", "api_token: is missing from the source, which is not a JSON object"},
		{"a brace", "{", "", "api_token: is missing from the source, which is not a JSON object"},

		{"nothing", "", "", "api_token: is empty in the source"},
		{"a line break", "\r\n", "", "api_token: is empty in the source"},
		{"white space", " \t\n ", "", "api_token: is empty in the source"},
		{"invisible characters", "\ufeff\u200b\u2060\u00ad\u2028\u3164\u2800\ufe0f\x00\r\n", "", "api_token: is empty in the source"},
		{"null", "null", "", "api_token: is empty in the source"},
		{"true", "true", "", "api_token: is missing from the source, which is not a JSON object"},
		{"a JSON string", `"` + canary + `"`, "", "api_token: is missing from the source, which is not a JSON object"},
		{"an array", `["` + canary + `"]`, "", "api_token: is missing from the source, which is not a JSON object"},
		{"an empty array", `[]`, "", "api_token: is missing from the source, which is not a JSON object"},
		{"an empty object", `{}`, "", "api_token: is missing from the source"},
		{"another key", `{"apiToken":"` + canary + `"}`, "", "api_token: is missing from the source"},
		{"a key in another case", `{"API_TOKEN":"` + canary + `"}`, "", "api_token: is missing from the source"},
		{"a key below", `{"okta":{"api_token":"` + canary + `"}}`, "", "api_token: is missing from the source"},
		{"a key that is null", `{"api_token":null,"note":"` + canary + `"}`, "", "api_token: is missing from the source"},
		{"a key that is empty", `{"api_token":"","note":"` + canary + `"}`, "", "api_token: is empty in the source"},
		{"a key that is white space", `{"api_token":" \n","note":"` + canary + `"}`, "", "api_token: is empty in the source"},
		{"a key of invisible characters", `{"api_token":"\ufeff\u200d\u0000","note":"` + canary + `"}`, "", "api_token: is empty in the source"},
		{"a key that is a number", `{"api_token":3141592653589793}`, "", "api_token: must be a string in the source"},
		{"a key that is false", `{"api_token":false,"note":"` + canary + `"}`, "", "api_token: must be a string in the source"},
		{"a key that is an array", `{"api_token":["` + canary + `"]}`, "", "api_token: must be a string in the source"},
		{"a key that is an object", `{"api_token":{"` + canary + `":1}}`, "", "api_token: must be a string in the source"},
		{"nested deeply", deep, "", "api_token: is missing from the source"},
		{"nested too deeply to be JSON", deeper, `{"api_token":"` + deeper + `"}`, ""},
		{"neither text nor JSON", "\xff\xfe" + canary, "", "the value is neither text nor JSON"},
	}
	keyFiles := []mapping{
		{"the file itself", keyFileValue, `{"service_account_json":` + keyFileValue + `}`, ""},
		{"the file itself, with more in it", strings.Replace(keyFileValue, "{", `{"n":12345678901234567890123,"f":1.10,"x":null,`, 1), `{"service_account_json":{"client_email":"e","f":1.10,"n":12345678901234567890123,"private_key":"` + canary + `","project_id":"p","type":"service_account","x":null}}`, ""},
		{"the file as an object", `{"service_account_json":` + keyFileValue + `,"note":"x"}`, `{"service_account_json":` + keyFileValue + `}`, ""},
		{"the file as a string", `{"service_account_json":` + quoted + `}`, `{"service_account_json":` + keyFileValue + `}`, ""},
		{"an address beside it", `{"service_account_json":` + keyFileValue + `,"admin_email":"a@example.com"}`, `{"admin_email":"a@example.com","service_account_json":` + keyFileValue + `}`, ""},
		{"an address in the file itself is an address too", strings.Replace(keyFileValue, "{", `{"admin_email":"a@example.com",`, 1), `{"admin_email":"a@example.com","service_account_json":` + strings.Replace(keyFileValue, "{", `{"admin_email":"a@example.com",`, 1) + `}`, ""},

		{"plain text", canary, "", "service_account_json: is missing from the source, which is not a JSON object"},
		{"null", "null", "", "service_account_json: is missing from the source, which is not a JSON object"},
		{"another key", `{"serviceAccountJson":` + keyFileValue + `}`, "", "service_account_json: is missing from the source"},
		{"a string that is no JSON", `{"service_account_json":"` + canary + `"}`, "", "service_account_json: must be a service account key file: a JSON object, or a string of one"},
		{"a string with something behind the JSON", `{"service_account_json":` + string(must(json.Marshal(keyFileValue+canary))) + `}`, "", "service_account_json: must be a service account key file: a JSON object, or a string of one"},
		{"a string of a string", `{"service_account_json":` + string(must(json.Marshal(quoted))) + `}`, "", "service_account_json: must be a service account key file: a JSON object, or a string of one"},
		{"an array", `{"service_account_json":[` + keyFileValue + `]}`, "", "service_account_json: must be a service account key file: a JSON object, or a string of one"},
		{"an empty object", `{"service_account_json":{},"note":"` + canary + `"}`, "", "service_account_json: its type must be a string in the source"},
		{"without a key", strings.Replace(keyFileValue, "private_key", "privateKey", 1), "", "service_account_json: its private_key must be a string in the source"},
		{"with an empty key", `{"service_account_json":{"type":"service_account","project_id":"` + canary + `","private_key":"\n"}}`, "", "service_account_json: its private_key is empty in the source"},
		{"with half a pair", strings.Replace(keyFileValue, canary, canary+`\ud800`, 1), "", `service_account_json: its private_key holds an escape that is no character, such as \ud800; correct it in the source`},
		{"with half a pair in a part of no importance", strings.Replace(keyFileValue, "{", `{"x":["\udbff"],`, 1), "", `service_account_json: holds an escape that is no character, such as \ud800; correct it in the source`},
		{"with a key twice", strings.Replace(keyFileValue, "{", `{"project_id":"other",`, 1), "", "service_account_json: is ambiguous: the source names a key twice; keep one of them"},
		{"as a string, with a key twice", `{"service_account_json":` + string(must(json.Marshal(strings.Replace(keyFileValue, "{", `{"x":1,"x":2,`, 1)))) + `}`, "", "service_account_json: is ambiguous: the source names a key twice; keep one of them"},
		{"with line breaks, which stay", strings.Replace(keyFileValue, canary, `-----\n`+canary+`\n`, 1), `{"service_account_json":` + strings.Replace(keyFileValue, canary, `-----\n`+canary+`\n`, 1) + `}`, ""},
		{"of a person", `{"service_account_json":` + strings.Replace(keyFileValue, "service_account", "authorized_user", 1) + `}`, "", "service_account_json: its type must be service_account"},
		{"an address that is a number", strings.Replace(keyFileValue, "{", `{"admin_email":3141592653589793,`, 1), "", "admin_email: must be a string in the source"},
		{"an empty address", `{"service_account_json":` + keyFileValue + `,"admin_email":""}`, "", "admin_email: is empty in the source"},
	}
	pairs := []mapping{
		{"both keys", `{"client_id":"id","client_secret":"` + canary + `","x":1}`, `{"client_id":"id","client_secret":"` + canary + `"}`, ""},
		{"a line break and more in a secret that goes into a form", `{"client_id":"id","client_secret":"` + canary + `é\n"}`, `{"client_id":"id","client_secret":"` + canary + `é\n"}`, ""},
		{"half a pair", `{"client_id":"id","client_secret":"` + canary + `\uDC00\uD834"}`, "", `client_secret: holds an escape that is no character, such as \ud800; correct it in the source`},
		{"whole pairs", `{"client_id":"\\ud800","client_secret":"` + canary + `\uD834\uDD1E\\\uFFFD"}`, `{"client_id":"\\ud800","client_secret":"` + canary + "𝄞\\\\\ufffd" + `"}`, ""},
		{"one key", `{"client_id":"` + canary + `"}`, "", "client_secret: is missing from the source"},
		{"the other key", `{"client_secret":"` + canary + `"}`, "", "client_id: is missing from the source"},
		{"plain text", canary, "", "client_id: is missing from the source, which is not a JSON object"},
		{"a number", `{"client_id":314159265358979,"client_secret":"` + canary + `"}`, "", "client_id: must be a string in the source"},
	}
	for integrationType, mappings := range map[datadog.IntegrationType][]mapping{
		datadog.Okta: tokens, datadog.SentinelOne: tokens, datadog.CrowdStrike: pairs, datadog.GoogleWorkspace: keyFiles,
	} {
		for _, m := range mappings {
			t.Run(string(integrationType)+"/"+m.name, func(t *testing.T) { m.check(t, integrationType, nil) })
		}
	}
}

func TestExpressions(t *testing.T) {
	idp := `{"okta":{"token":"` + canary + `","n":12345678901234567890},"list":["a","` + canary + `"],"none":null,"empty":{},"flag":true}`
	for _, c := range []struct {
		key, expression string
		mapping
	}{
		{"api_token", "okta.token", mapping{"a path", idp, `{"api_token":"` + canary + `"}`, ""}},
		{"api_token", "list[1]", mapping{"an element", idp, `{"api_token":"` + canary + `"}`, ""}},
		{"api_token", "missing || okta.token", mapping{"the first that is there", idp, `{"api_token":"` + canary + `"}`, ""}},
		{"api_token", "join('-', list)", mapping{"a function", idp, `{"api_token":"a-` + canary + `"}`, ""}},
		{"admin_email", "'admin@example.com'", mapping{"a literal", idp, `{"admin_email":"admin@example.com"}`, ""}},
		{"api_token", "@", mapping{"all of a text", canary + "\n", `{"api_token":"` + canary + `"}`, ""}},
		{"api_token", "@", mapping{"all of a text of digits", "31415926535897932384\n", `{"api_token":"31415926535897932384"}`, ""}},
		{"api_token", "@", mapping{"all of a JSON string", `"` + canary + `\n"`, `{"api_token":"` + canary + `\n"}`, ""}},
		{"api_token", "[0]", mapping{"an element of an array", `["` + canary + `"]`, `{"api_token":"` + canary + `"}`, ""}},
		{"newer", "okta", mapping{"an object, for a key of which nothing is known", idp, `{"newer":{"n":12345678901234567890,"token":"` + canary + `"}}`, ""}},
		{"newer", "okta.n", mapping{"a number, for such a key", idp, `{"newer":12345678901234567890}`, ""}},
		{"newer", "flag", mapping{"a boolean, for such a key", idp, `{"newer":true}`, ""}},
		{"service_account_json", "google.key", mapping{"a key file", `{"google":{"key":` + keyFileValue + `}}`, `{"service_account_json":` + keyFileValue + `}`, ""}},

		{"api_token", "okta.password", mapping{"nothing there", idp, "", "api_token: is missing from the source"}},
		{"api_token", "none", mapping{"null there", idp, "", "api_token: is missing from the source"}},
		{"api_token", "okta.token", mapping{"a path into a text", canary, "", "api_token: is missing from the source, which is not a JSON object"}},
		{"api_token", "okta", mapping{"an object for a text", idp, "", "api_token: must be a string in the source"}},
		{"api_token", "okta.n", mapping{"a number for a text", idp, "", "api_token: must be a string in the source"}},
		{"api_token", "@", mapping{"all of null", "null", "", "api_token: is empty in the source"}},
		{"newer", "empty", mapping{"an empty object", idp, "", "newer: is empty in the source"}},
		{"newer", "list[5:]", mapping{"an empty array", idp, "", "newer: is empty in the source"}},
		{"newer", "''", mapping{"an empty text", idp, "", "newer: is empty in the source"}},
		{"api_token", "join('-', okta.token)", mapping{"a function that wants something else", idp, "", "api_token: its expression does not apply to what the source holds"}},
		{"api_token", "sum(list)", mapping{"a function of numbers", idp, "", "api_token: its expression does not apply to what the source holds"}},
		{"api_token", "sort_by(@, &token)", mapping{"a function of a list", idp, "", "api_token: its expression does not apply to what the source holds"}},
		{"api_token", "a", mapping{"a key twice", `{"a":"x","a":"` + canary + `"}`, "", "api_token: is ambiguous: the source names a key twice; keep one of them"}},
		{"api_token", "a || b", mapping{"a key twice is not nothing", `{"a":null,"a":null,"b":"` + canary + `"}`, "", "api_token: is ambiguous: the source names a key twice; keep one of them"}},
		{"api_token", "b", mapping{"beside a key that is there twice", `{"a":1,"a":2,"b":"` + canary + `"}`, `{"api_token":"` + canary + `"}`, ""}},
		{"api_token", "* | [0]", mapping{"the values of a key twice", `{"a":"` + canary + `","a":"x"}`, "", "api_token: is ambiguous: the source names a key twice; keep one of them"}},
		{"newer", "keys(@)", mapping{"the keys of a key twice", `{"a":"` + canary + `","a":"x"}`, "", "newer: is ambiguous: the source names a key twice; keep one of them"}},
		{"newer", "length(@)", mapping{"the number of a key twice", `{"a":"` + canary + `","a":"x"}`, "", "newer: is ambiguous: the source names a key twice; keep one of them"}},
		{"newer", "merge({b: 'x'}, @).b", mapping{"a key twice, merged", `{"a":"` + canary + `","a":"x"}`, "", "newer: is ambiguous: the source names a key twice; keep one of them"}},
		{"newer", "to_string(@)", mapping{"text of a key twice", `{"a":"` + canary + `","a":"x"}`, "", "newer: is ambiguous: the source names a key twice; keep one of them"}},
		{"newer", "@ == {a: 'x'}", mapping{"a key twice, compared", `{"a":"` + canary + `","a":"x"}`, "", "newer: is ambiguous: the source names a key twice; keep one of them"}},
		{"newer", "[@]", mapping{"a key twice below", `[{"a":"` + canary + `","a":"x"}]`, "", "newer: is ambiguous: the source names a key twice; keep one of them"}},
		{"newer", "to_string(@)", mapping{"text of half a pair", `["` + canary + `\ud800"]`, "", `newer: holds an escape that is no character, such as \ud800; correct it in the source`}},
		{"newer", "@", mapping{"half a pair in a name", `{"` + canary + `\ud800":1}`, "", `newer: holds an escape that is no character, such as \ud800; correct it in the source`}},
		{"newer", "reverse(@)", mapping{"half a pair, reversed", `"\ud800` + canary + `"`, "", `newer: holds an escape that is no character, such as \ud800; correct it in the source`}},
		{"newer", "`\"\\ud800\"`", mapping{"half a pair in a literal", `{}`, "", `newer: holds an escape that is no character, such as \ud800; correct it in the source`}},
		{"newer", "'\u200b'", mapping{"invisible characters", `{}`, "", "newer: is empty in the source"}},
		{"api_token", "join('\n', list)", mapping{"a line break, for a type whose issuer is not known", idp, `{"api_token":"a\n` + canary + `"}`, ""}},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t, "NEWER", map[string]string{c.key: c.expression}) })
	}
}

func (m mapping) check(t *testing.T, integrationType datadog.IntegrationType, expressions map[string]string) {
	got, err := mapped(t, integrationType, expressions, []byte(m.value))
	if m.err == "" && err != nil || m.err != "" && (err == nil || err.Error() != m.err) {
		t.Fatalf("got the error %v, want %q", err, m.err)
	}
	if err != nil && strings.Contains(err.Error(), canary) {
		t.Errorf("the error holds the value: %v", err)
	}
	if got != m.want {
		t.Errorf("got %.300s, want %.300s", got, m.want)
	}
}

// mapped is what Datadog gets of a value, as JSON.
func mapped(t testing.TB, integrationType datadog.IntegrationType, expressions map[string]string, value []byte) (string, error) {
	t.Helper()
	fields, err := fieldsFor(integrationType, expressions)
	if err != nil {
		t.Fatal(err)
	}
	credential, err := newCredential("1", value)
	if err != nil {
		return "", err
	}
	secrets, err := credential.Select(fields)
	if err != nil {
		return "", err
	}
	return sent(t, secrets), nil
}

// sent has a client write secrets, which is the only way to see them.
func sent(t testing.TB, secrets datadog.Secrets) string {
	t.Helper()
	var body struct {
		Data struct {
			Attributes struct{ Secrets json.RawMessage }
		}
	}
	client := datadog.Client{
		URL:  &url.URL{Scheme: "https", Host: "datadog.example"},
		Keys: datadog.Fixed(datadog.Keys{}),
		Transport: roundTrip(func(request *http.Request) (*http.Response, error) {
			content, err := io.ReadAll(request.Body)
			if err == nil {
				err = json.Unmarshal(content, &body)
			}
			return httptest.NewRecorder().Result(), err
		}),
	}
	if err := client.ValidateCredential(t.Context(), datadog.Okta, "", secrets); err != nil {
		t.Fatal(err)
	}
	return string(body.Data.Attributes.Secrets)
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// TestExpressionsOfABinding are checked when the binding is read, and not when
// a credential has come.
func TestExpressionsOfABinding(t *testing.T) {
	for _, c := range []struct {
		name        string
		expressions map[string]string
		want        string
	}{
		{"no expression", map[string]string{"api_token": ""}, `secrets: api_token: "" is not a JMESPath expression`},
		{"half an expression", map[string]string{"api_token": "a["}, `secrets: api_token: "a[" is not a JMESPath expression`},
		{"one of two", map[string]string{"a": "a", "b": "a b"}, `secrets: b: "a b" is not a JMESPath expression`},
		{"none", map[string]string{}, "secrets: is empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := fieldsFor(datadog.Okta, c.expressions); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// causes are all that may be wrong with a value. Since there is no other error,
// none can quote it.
var causes = []string{
	"is missing from the source", "is missing from the source, which is not a JSON object",
	"is empty in the source", "must be a string in the source",
	"must be a service account key file: a JSON object, or a string of one", "its type must be service_account",
	"holds a line break, and it is sent in an HTTP header; store the token alone, on one line",
	"holds a control character, and it is sent in an HTTP header; store the token alone",
	"holds a character that is not ASCII, and it is sent in an HTTP header; copy the token from its issuer again",
	errDoesNotApply.Error(), errTooMuchWork.Error(), errTooLarge.Error(), errTooDeep.Error(), errTwice.Error(), errNoCharacter.Error(), errDigits.Error(),
}

// partOfKeyFile begins a cause that is about a part of a key file.
var partOfKeyFile = regexp.MustCompile(`^its (type|project_id|private_key|client_email) `)

func FuzzProfiles(f *testing.F) {
	for _, seed := range []string{
		"", "null", "true", "31415", "-0e1", canary, canary + "\r\n", `"` + canary + `"`, `["` + canary + `"]`, "{", "{}}", "\ufeff{}",
		`{"api_token":"` + canary + `"}`, `{"api_token":3}`, `{"api_token":""}`, `{"client_id":"a","client_secret":{}}`,
		`{"client_id":"a","client_secret":"` + canary + `"}`, keyFileValue, `{"service_account_json":` + keyFileValue + `}`,
		`{"service_account_json":"{\"type\":\"service_account\"}","admin_email":[]}`, `{"a":{"b":[1,{"c":"` + canary + `"}]}}`,
		"\xff", "\u2028\x00", `{"api_token":"\ud800"}`, strings.Repeat("[", 20_000),
	} {
		f.Add([]byte(seed))
	}
	explicit := map[string]string{"first": "a.b[0]", "all": "@", "keys": "keys(@)", "text": "to_string(@)", "api_token": "a || api_token"}
	f.Fuzz(func(t *testing.T, value []byte) {
		for _, integrationType := range []datadog.IntegrationType{datadog.Okta, datadog.CrowdStrike, datadog.GoogleWorkspace, "NEWER"} {
			expressions := explicit
			if integrationType != "NEWER" {
				expressions = nil
			}
			text, err := mapped(t, integrationType, expressions, value)
			if err != nil {
				if key, cause, keyed := strings.Cut(err.Error(), ": "); err.Error() != "the value is neither text nor JSON" &&
					(!keyed || !slices.Contains(causes, cause) && !slices.Contains(causes, partOfKeyFile.ReplaceAllString(cause, "")) || !knownKey(integrationType, expressions, key)) {
					t.Errorf("%s: an error of its own for this value: %v", integrationType, err)
				}
				continue
			}
			var got map[string]any
			if err := json.Unmarshal([]byte(text), &got); err != nil {
				t.Fatalf("%s: Datadog would get %q: %v", integrationType, text, err)
			}
			for key := range got {
				if !knownKey(integrationType, expressions, key) {
					t.Errorf("%s: Datadog would get the key %q", integrationType, key)
				}
			}
		}
	})
}

func knownKey(integrationType datadog.IntegrationType, expressions map[string]string, key string) bool {
	fields := must(fieldsFor(integrationType, expressions))
	return slices.ContainsFunc(fields, func(field Field) bool { return field.Key == key })
}
