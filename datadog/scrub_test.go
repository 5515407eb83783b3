package datadog

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	oktaToken   = "00aBcDeFgHiJkLmNoPqRsTuVwXyZ_0123456789-42"
	oddPassword = "p<a>s&s\"w\\o/r\nd\tü\u20280"
	privateKey  = "-----BEGIN PRIVATE KEY-----\nMIIEvAIBADANBgkqhkiG9w0BAQEFAASC\nBKYwggSi\nAg==\n-----END PRIVATE KEY-----\n"
)

func TestScrub(t *testing.T) {
	keys := &Keys{API: NewSecret("0123456789abcdef0123456789abcdef"), Application: NewSecret("fedcba98765432100123456789abcdef01234567")}
	bearer := &Keys{Token: NewSecret("ddsat_AbCdEfGhIjKlMnOp")}
	google := Secrets{"service_account_json": NewSecret(map[string]any{
		"type": "service_account", "private_key": privateKey, "nested": []any{map[string]any{"deeper": oktaToken}},
		"number": json.Number("123456789012345"), "float": 987654321098.0, "yes": true, "none": nil,
	})}
	okta := Secrets{"api_token": NewSecret(oktaToken)}
	escaped := func(text string) string {
		encoded, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		return string(encoded[1 : len(encoded)-1])
	}

	cases := []struct {
		name, text, want string
		keys             *Keys
		secrets          Secrets
	}{
		{"the whole", oktaToken, "[secret]", keys, okta},
		{"in the middle", "token '" + oktaToken + "' is not valid", "token '[secret]' is not valid", keys, okta},
		{"glued to words", "token" + oktaToken + "expired", "token[secret]expired", keys, okta},
		{"twice", oktaToken + " or " + oktaToken, "[secret] or [secret]", keys, okta},
		{"twice in a row", oktaToken + oktaToken, "[secret]", keys, okta},
		{"its first half", "token 00aBcDeFgHiJkLmNoPqRs… is not valid", "token [secret]… is not valid", keys, okta},
		{"its last half", "token …0123456789-42 is not valid", "token …[secret] is not valid", keys, okta},
		{"its first eight", "token 00aBcDeF...", "token [secret]...", keys, okta},
		{"its first and last eight", "00aBcDeF…56789-42", "[secret]…[secret]", keys, okta},
		{"its last four", "token ending in 9-42", "token ending in 9-42", keys, okta},
		{"its first seven", "token 00aBcDe...", "token 00aBcDe...", keys, okta},
		{"the API key", "key 0123456789abcdef0123456789abcdef", "key [secret]", keys, nil},
		{"a part of the API key", "key 89abcdef01234567", "key [secret]", keys, nil},
		{"the application key", "key fedcba98765432100123456789abcdef01234567", "key [secret]", keys, nil},
		{"the token", "Authorization: Bearer ddsat_AbCdEfGhIjKlMnOp", "Authorization: Bearer [secret]", bearer, nil},
		{"all at once", "0123456789abcdef " + oktaToken, "[secret] [secret]", keys, okta},
		{"a private key", "bad key: " + privateKey + "!", "bad key: [secret]!", keys, google},
		{"a line of a private key", "bad key: 'MIIEvAIBADANBgkqhkiG9w0BAQEFAASC'", "bad key: '[secret]'", keys, google},
		{"a private key as in JSON", "bad key: " + escaped(privateKey) + "!", "bad key: [secret]!", keys, google},
		{"what every key file has", "service_account_json: must be one", "service_account_json: must be one", keys, google},
		{"what lies deep", "got " + oktaToken, "got [secret]", keys, google},
		{"a number", "got 123456789012345", "got [secret]", keys, google},
		{"a number that was decoded", "got 987654321098", "got [secret]", keys, google},
		{"neither true nor null", "true, null and nil are words", "true, null and nil are words", keys, google},
		{"odd characters", "got " + oddPassword + "!", "got [secret]!", keys, Secrets{"a": NewSecret(oddPassword)}},
		{"odd characters as they were sent", `got p<a>s&s\"w\\o/r\nd\tü\u20280!`, "got [secret]!", keys, Secrets{"a": NewSecret(oddPassword)}},
		{"line breaks made blanks", "got p<a>s&s\"w\\o/r d ü 0!", "got [secret]!", keys, Secrets{"a": NewSecret(oddPassword)}},
		{"blanks made line breaks", "got correct\nhorse\tbattery!", "got [secret]!", keys, Secrets{"a": NewSecret("correct horse battery")}},
		{"a short secret", "got hunter2, not hunter", "got [secret], not hunter", keys, Secrets{"a": NewSecret("hunter2")}},
		{"a short secret as it was sent", `got h"2\ or h\"2\\!`, "got [secret] or [secret]!", keys, Secrets{"a": NewSecret(`h"2\`)}},
		{"short secrets in a row", "hunter2hunter2", "[secret]", keys, Secrets{"a": NewSecret("hunter2")}},
		{"an empty secret", "nothing is wrong", "nothing is wrong", keys, Secrets{"a": NewSecret("")}},
		{"nothing", "nothing is wrong", "nothing is wrong", &Keys{}, nil},
		{"nothing in nothing", "", "", keys, okta},
		{
			"ordinary words", "data.attributes.secrets.api_token: the token is not valid, or lacks the scope okta.users.read (request 4f1c)",
			"data.attributes.secrets.api_token: the token is not valid, or lacks the scope okta.users.read (request 4f1c)", keys, okta,
		},
		{"other alphabets", "Das Token ist ungültig: 無効", "Das Token ist ungültig: 無効", keys, okta},
		{"half a character", "ļ1234567 is not ü1234567", "\uFFFD[secret] is not [secret]", keys, Secrets{"a": NewSecret("ü1234567")}},
		{"a secret beyond the length", strings.Repeat("a", 290) + oktaToken, strings.Repeat("a", 290) + "[secret]", keys, okta},
		{"a secret across the length", strings.Repeat("a", 296) + oktaToken, strings.Repeat("a", 296) + "[sec…", keys, okta},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := newScrubber(c.keys, c.secrets).scrub(c.text); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestSecretsMask(t *testing.T) {
	long := strings.Repeat("a", 2*maxMessageLength)
	cases := []struct {
		name, text, want string
		secrets          Secrets
	}{
		{"a quote", "domain " + oktaToken + ".example\n", "domain [secret].example ", Secrets{"api_token": NewSecret(oktaToken)}},
		{"half a character", "ļ1234567", "\uFFFD[secret]", Secrets{"a": NewSecret("ü1234567")}},
		{"a long text", long, long, Secrets{"api_token": NewSecret(oktaToken)}},
		{"no secrets", oktaToken, oktaToken, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := c.secrets.Mask(c.text); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestRefusalIsScrubbed has each shape of an error answer quote a credential, and all of what was sent.
func TestRefusalIsScrubbed(t *testing.T) {
	keys := &Keys{API: NewSecret("0123456789abcdef0123456789abcdef"), Application: NewSecret("fedcba98765432100123456789abcdef01234567")}
	credentials := map[string]string{"a token": oktaToken, "an odd password": oddPassword, "a private key": privateKey}
	shapes := map[string]func(quote string) any{
		"a text": func(quote string) any { return map[string]any{"errors": []any{"got " + quote}} },
		"texts":  func(quote string) any { return map[string]any{"errors": []any{"bad", quote, quote + quote}} },
		"an object": func(quote string) any {
			return map[string]any{"errors": []any{map[string]any{"title": quote, "detail": quote}}}
		},
		"a code": func(quote string) any {
			return map[string]any{"error": map[string]any{"code": quote, "message": quote}}
		},
		"not one of our": func(quote string) any { return map[string]any{"errors": map[string]any{"got": quote}} },
		"a list":         func(quote string) any { return []any{quote} },
	}
	for name, credential := range credentials {
		req := request{call: "update", method: http.MethodPatch}
		if err := req.write(map[string]any{"integration_type": Okta}, Secrets{"api_token": NewSecret(map[string]any{"deep": credential})}); err != nil {
			t.Fatal(err)
		}
		quotes := map[string]string{"the credential": credential, "the body": string(req.body), "twice in a body": strings.TrimSpace(string(req.body)) + string(req.body)}
		check := func(t *testing.T, body string) {
			t.Helper()
			header := http.Header{"X-Ratelimit-Name": {credential}}
			for _, status := range []int{400, 429} {
				client := Client{URL: &url.URL{Scheme: "https", Host: "api.example"}, Transport: answers(func() *http.Response {
					return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body))}
				})}
				failed := client.attempt(t.Context(), req, keys, emptyBody)
				if run := shownRun(failed.Error(), credential); run != "" {
					t.Errorf("%q\nmade of %q\nholds %q", failed, body, run)
				}
			}
		}
		for quoted, quote := range quotes {
			t.Run(name+"/"+quoted, func(t *testing.T) {
				check(t, quote)
				check(t, url.QueryEscape("sent: ")+quote)
				for shape, body := range shapes {
					encoded, err := json.Marshal(body(quote))
					if err != nil {
						t.Fatal(shape, err)
					}
					check(t, string(encoded))
					check(t, string(encoded[:len(encoded)-3])) // truncated
				}
			})
		}
	}
}

// shownRun finds eight bytes in a row of the secret in what a text shows between its masks.
func shownRun(text, secret string) string {
	for shown := range strings.SplitSeq(text, redacted) {
		if found := run(shown, secret); found != "" {
			return found
		}
	}
	return ""
}

func run(text, secret string) string {
	for i := range max(0, len(text)-shortestEcho+1) {
		if strings.Contains(secret, text[i:i+shortestEcho]) {
			return text[i : i+shortestEcho]
		}
	}
	return ""
}

// FuzzScrub quotes a secret whole, cut and encoded, amid other words: no run of eight of its bytes is left, and where
// the words have nothing of it they are left alone.
func FuzzScrub(f *testing.F) {
	for _, secret := range []string{
		oktaToken, oddPassword, privateKey, "", "a", "hunter2", "12345678", "aaaaaaaaaaaaaaaaaaaaaaaa", "[secret]", "[secret][secret]x", "secret] [secret",
		"\"\\\"\\\"\\\"\\\"\\", "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09", "\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7", "üüüüüüüüüü", "😀😀😀😀", "        ", "a b\tc\nd\re\vf\fg",
		"\u2028\u2029\u202e<>&'", "the token is not valid",
	} {
		for _, from := range []uint8{0, 1, 7, 200} {
			f.Add(secret, "the token ", " is not valid", from, from/2)
			f.Add(secret, "", secret, from, uint8(0))
			f.Add(secret, secret, "ļ\x80", uint8(0), from)
		}
	}
	f.Fuzz(func(t *testing.T, secret, before, after string, from, behind uint8) {
		start := min(int(from), len(secret))
		end := max(start, len(secret)-int(behind))
		for _, value := range []any{secret, map[string]any{"a": []any{secret}}} {
			s := newScrubber(&Keys{}, Secrets{"a": NewSecret(value)})
			encoded, err := encode(secret)
			if err != nil {
				t.Fatal(err)
			}
			for _, quote := range []string{secret, secret[start:end], string(encoded), secret + after + secret} {
				for _, text := range []string{before + quote + after, quote, quote + before, strings.ToValidUTF8(before+quote+after, "\uFFFD")} {
					got := s.mask(printable(text))
					if run := shownRun(got, secret); run != "" {
						t.Errorf("%q with secret %q is made %q, which holds %q", text, secret, got, run)
					}
					shown := s.scrub(text)
					if !utf8.ValidString(shown) || printable(shown) != shown || utf8.RuneCountInString(shown) > maxMessageLength+1 {
						t.Errorf("%q with secret %q is made %q, which is not presentable", text, secret, shown)
					}
				}
			}
			words, hidden := printable(before+after), printable(secret)
			if len(hidden) >= shortestEcho && run(words, hidden) == "" && run(words, string(encoded)) == "" && s.mask(words) != words {
				t.Errorf("%q with secret %q is made %q", words, secret, s.mask(words))
			}
		}
	})
}

// answers is a transport that gives the same answer to every request.
type answers func() *http.Response

func (a answers) RoundTrip(*http.Request) (*http.Response, error) { return a(), nil }
