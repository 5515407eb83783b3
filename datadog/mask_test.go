package datadog

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

const (
	oktaToken   = "00aBcDeFgHiJkLmNoPqRsTuVwXyZ_0123456789-42"
	oddPassword = "p<a>s&s\"w\\o/r\nd\tü\u20280"
	privateKey  = "-----BEGIN PRIVATE KEY-----\nMIIEvAIBADANBgkqhkiG9w0BAQEFAASC\nBKYwggSi\nAg==\n-----END PRIVATE KEY-----\n"
)

// maskFor returns a mask for keys and secrets.
func maskFor(keys *Keys, secrets Secrets) *Mask {
	mask := &Mask{}
	mask.addKeys(keys)
	mask.Add(secrets)
	return mask
}

func TestMaskText(t *testing.T) {
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
		{"a value inside others", "got " + oktaToken, "got [secret]", keys, google},
		{"a number", "got 123456789012345", "got [secret]", keys, google},
		{"a number that was decoded", "got 987654321098", "got [secret]", keys, google},
		{"neither true nor null", "true, null and nil are words", "true, null and nil are words", keys, google},
		{"odd characters", "got " + oddPassword + "!", "got [secret]!", keys, Secrets{"a": NewSecret(oddPassword)}},
		{"odd characters as they were sent", `got p<a>s&s\"w\\o/r\nd\tü\u20280!`, "got [secret]!", keys, Secrets{"a": NewSecret(oddPassword)}},
		{"odd characters as for HTML", `got p\u003ca\u003es\u0026s\"w\\o/r\nd\tü\u20280!`, "got [secret]!", keys, Secrets{"a": NewSecret(oddPassword)}},
		{"odd characters in ASCII", `got p<a>s&s\"w\\o/r\nd\t\u00fc\u20280!`, "got [secret]!", keys, Secrets{"a": NewSecret(oddPassword)}},
		{"a pair of surrogates", `got \ud83d\ude00!`, "got [secret]!", keys, Secrets{"a": NewSecret("😀")}},
		{"line breaks made blanks", "got p<a>s&s\"w\\o/r d ü 0!", "got [secret]!", keys, Secrets{"a": NewSecret(oddPassword)}},
		{"blanks made line breaks", "got correct\nhorse\tbattery!", "got [secret]!", keys, Secrets{"a": NewSecret("correct horse battery")}},
		{"in a query", "got a+b%2Fc%3Dd%26e!", "got [secret]!", keys, Secrets{"a": NewSecret("a b/c=d&e")}},
		{"in a path, with lower case", "got a%20b%2fc=d&e!", "got [secret]!", keys, Secrets{"a": NewSecret("a b/c=d&e")}},
		{"in hex", "got " + hex.EncodeToString([]byte(oktaToken)) + "!", "got [secret]!", keys, okta},
		{"in base64", "got " + base64.StdEncoding.EncodeToString([]byte(oktaToken)) + "!", "got [secret]!", keys, okta},
		{"a short secret", "got hunter2, not hunter", "got [secret], not hunter", keys, Secrets{"a": NewSecret("hunter2")}},
		{"a short secret as it was sent", `got h"2\ or h\"2\\!`, "got [secret] or [secret]!", keys, Secrets{"a": NewSecret(`h"2\`)}},
		{"short secrets in a row", "hunter2hunter2", "[secret]", keys, Secrets{"a": NewSecret("hunter2")}},
		{"a short secret that overlaps itself", "abababa", "[secret]", keys, Secrets{"a": NewSecret("ababa")}},
		{"a short secret in base64", "aHVudGVyMg==", "[secret]g==", keys, Secrets{"a": NewSecret("hunter2")}},
		{"a short secret in base64 behind another byte", "eG9rdGE=", "eG[secret]E=", keys, Secrets{"a": NewSecret("okta")}}, // xokta
		{"a short secret in base64 behind two others", "eHlva3Rh", "eHl[secret]", keys, Secrets{"a": NewSecret("okta")}},    // xyokta
		{"a secret of three", "one two", "one two", keys, Secrets{"a": NewSecret("one")}},
		{"an empty secret", "nothing is wrong", "nothing is wrong", keys, Secrets{"a": NewSecret("")}},
		{"no secrets", "nothing is wrong", "nothing is wrong", &Keys{}, nil},
		{"an empty text", "", "", keys, okta},
		{
			"ordinary words", "data.attributes.secrets.api_token: the token is not valid, or lacks the scope okta.users.read (request 4f1c)",
			"data.attributes.secrets.api_token: the token is not valid, or lacks the scope okta.users.read (request 4f1c)", keys, okta,
		},
		{"other alphabets", "Das Token ist ungültig: 無効", "Das Token ist ungültig: 無効", keys, okta},
		{"half a character", "ļ1234567 is not ü1234567", "\uFFFD[secret] is not [secret]", keys, Secrets{"a": NewSecret("ü1234567")}},
		{"control characters", "a\x1b[2Jb\x00c", "a [2Jb c", keys, okta},
		{"a long text", strings.Repeat("ü", 301), strings.Repeat("ü", 300) + "…", keys, okta},
		{"a text just short enough", strings.Repeat("ü", 300), strings.Repeat("ü", 300), keys, okta},
		{"a secret beyond the bound", strings.Repeat("a", 290) + oktaToken, strings.Repeat("a", 290) + "[secret]", keys, okta},
		{"a secret across the bound", strings.Repeat("a", 296) + oktaToken, strings.Repeat("a", 296) + "[sec…", keys, okta},
		{"the same byte throughout", strings.Repeat("a", 5000), "[secret]", keys, Secrets{"a": NewSecret(strings.Repeat("a", 64<<10))}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := maskFor(c.keys, c.secrets).Text(c.text); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestMaskLeavesPublicValues masks texts with the values of a Google key file, and of objects that are not key files.
func TestMaskLeavesPublicValues(t *testing.T) {
	public := map[string]any{
		"type": "service_account", "project_id": "acme-siem", "client_email": "siem@acme-siem.iam.gserviceaccount.com",
		"client_id": "100000000000000000001", "auth_uri": "https://accounts.google.com/o/oauth2/auth", "token_uri": "https://oauth2.googleapis.com/token",
		"auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs", "universe_domain": "googleapis.com",
		"client_x509_cert_url": "https://www.googleapis.com/robot/v1/metadata/x509/siem%40acme-siem.iam.gserviceaccount.com",
	}
	with := func(name string, value any) map[string]any {
		file := map[string]any{name: value}
		for name, value := range public {
			file[name] = value
		}
		return file
	}
	words := fmt.Sprint("admin@example.com: ", public)
	for name, c := range map[string]struct {
		secrets      Secrets
		text, masked string
	}{
		"a key file": {
			Secrets{"service_account_json": NewSecret(with("private_key", privateKey)), "admin_email": NewSecret("admin@example.com")}, words, words,
		},
		"the id of its key": {
			Secrets{"service_account_json": NewSecret(with("private_key", privateKey))}, "MIIEvAIBADANB", "[secret]",
		},
		"another member": {
			Secrets{"a": NewSecret(map[string]any{"private_key": privateKey, "private_key_id": "0123456789abcdef"})}, "key 0123456789abcdef", "key [secret]",
		},
		"no key file": {
			Secrets{"a": NewSecret(map[string]any{"client_id": "0123456789abcdef"})}, "client 0123456789abcdef", "client [secret]",
		},
		"the client of CrowdStrike": {
			Secrets{"client_id": NewSecret("0123456789abcdef")}, "client 0123456789abcdef", "client [secret]",
		},
		"an admin's email elsewhere": {
			Secrets{"a": NewSecret(map[string]any{"admin_email": "admin@example.com"})}, "for admin@example.com", "for [secret]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := maskFor(&Keys{}, c.secrets).hide(c.text); got != c.masked {
				t.Errorf("got %q, want %q", got, c.masked)
			}
		})
	}
}

func TestMaskError(t *testing.T) {
	var mask Mask
	mask.Add(Secrets{"api_token": NewSecret(oktaToken)})
	cause := errors.New("the token " + oktaToken + " is\x1b not valid: " + strings.Repeat("a", 3000))
	got := mask.Error(cause)
	if want := "the token [secret] is  not valid: " + strings.Repeat("a", 2000-34) + "…"; got.Error() != want || !errors.Is(got, cause) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestMaskIsSharedByMany adds and masks concurrently, for the race detector.
func TestMaskIsSharedByMany(t *testing.T) {
	var mask Mask
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			secret := fmt.Sprintf("secret-%d-%s", i, oktaToken)
			mask.Add(Secrets{"api_token": NewSecret(secret)})
			if got := mask.Text("got " + secret); got != "got [secret]" {
				t.Errorf("got %q", got)
			}
		})
	}
	group.Wait()
}

// TestMaskOfALongKey counts allocations. Adding a secret must not copy it, and masking must index the text, not the
// secret.
func TestMaskOfALongKey(t *testing.T) {
	secrets := Secrets{"private_key": NewSecret(longKey())}
	var mask *Mask
	if got := testing.AllocsPerRun(10, func() { mask = maskFor(&Keys{}, secrets) }); got > 10 {
		t.Errorf("adding took %v allocations, want none for its runs", got)
	}
	if got := testing.AllocsPerRun(2, func() { mask.Text("the private key is not valid") }); got > 500 {
		t.Errorf("masking took %v allocations, want some for each encoding and none for each run", got)
	}
}

// longKey returns a key as long as a secret of Secrets Manager can be.
func longKey() string {
	line := base64.StdEncoding.EncodeToString([]byte(strings.Repeat(oktaToken, 2)[:48])) + "\n"
	return strings.Repeat(line, 64<<10/len(line))
}

func BenchmarkMaskOfALongKey(b *testing.B) {
	mask := maskFor(&Keys{}, Secrets{"private_key": NewSecret(longKey())})
	text := strings.Repeat("the private key is not valid ", 60)
	b.ReportAllocs()
	for b.Loop() {
		mask.Text(text)
	}
}

// shownRun returns eight bytes in a row of a secret that a text shows between its masks, or "".
func shownRun(text, secret string) string {
	for shown := range strings.SplitSeq(text, redacted) {
		if found := commonRun(shown, secret); found != "" {
			return found
		}
	}
	return ""
}

func commonRun(text, secret string) string {
	for i := range max(0, len(text)-shortestRun+1) {
		if strings.Contains(secret, text[i:i+shortestRun]) {
			return text[i : i+shortestRun]
		}
	}
	return ""
}

// quotes returns the ways in which a server may quote a secret between other bytes. Each has the whole quote, and the
// part of it that is the secret.
func quotes(before, secret, after string) map[string][2]string {
	found := map[string][2]string{"plain": {before + secret + after, secret}}
	add := func(name, form string) { found[name] = [2]string{before + form + after, form} }
	add("hex", hex.EncodeToString([]byte(secret)))
	add("upper hex", fmt.Sprintf("%X", secret))
	add("query", url.QueryEscape(secret))
	add("path", url.PathEscape(secret))
	add("lower query", lowered(url.QueryEscape(secret)))
	add("lower path", lowered(url.PathEscape(secret)))
	for _, escapeHTML := range []bool{true, false} {
		var text strings.Builder
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(escapeHTML)
		_ = encoder.Encode(secret)
		add(fmt.Sprint("JSON, for HTML ", escapeHTML), strings.TrimSuffix(text.String()[1:], "\"\n"))
	}
	for name, encoding := range map[string]*base64.Encoding{
		"base64": base64.StdEncoding, "raw base64": base64.RawStdEncoding, "URL base64": base64.URLEncoding, "raw URL base64": base64.RawURLEncoding,
	} {
		whole := encoding.EncodeToString([]byte(before + secret + after))
		// The characters that depend on the secret alone.
		from, to := (len(before)*8+5)/6, (len(before)+len(secret))*8/6
		found[name+" of all"] = [2]string{whole, whole[min(from, to):to]}
		add(name, encoding.EncodeToString([]byte(secret)))
	}
	return found
}

func lowered(escaped string) string {
	for i := range escaped {
		if escaped[i] == '%' {
			escaped = escaped[:i+1] + strings.ToLower(escaped[i+1:i+3]) + escaped[i+3:]
		}
	}
	return escaped
}

// FuzzMask quotes a secret whole, cut and encoded, between other words. The masked text must show no run of eight bytes
// of any form, and must keep words that share no run with the secret.
func FuzzMask(f *testing.F) {
	for _, secret := range []string{
		oktaToken, oddPassword, privateKey, "", "a", "hunter2", "12345678", "aaaaaaaaaaaaaaaaaaaaaaaa", "[secret]", "[secret][secret]x", "secret] [secret",
		"\"\\\"\\\"\\\"\\\"\\", "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09", "\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7", "üüüüüüüüüü", "😀😀😀😀", "        ", "a b\tc\nd\re\vf\fg",
		"\u2028\u2029\u202e<>&'", "the token is not valid", "a/b+c=d%e?f&g",
	} {
		for _, from := range []uint8{0, 1, 7, 200} {
			f.Add(secret, "the token ", " is not valid", from, from/2)
			f.Add(secret, "", secret, from, uint8(0))
			f.Add(secret, secret, "ļ\x80", uint8(0), from)
		}
		f.Add(secret, "x", "", uint8(0), uint8(0))
		f.Add(secret, "xy", "z", uint8(2), uint8(1))
	}
	f.Fuzz(func(t *testing.T, secret, before, after string, from, behind uint8) {
		if len(secret)+len(before)+len(after) > 2000 {
			t.Skip("for time's sake")
		}
		start := min(int(from), len(secret))
		end := max(start, len(secret)-int(behind))
		for _, value := range []any{secret, map[string]any{"a": []any{secret}}} {
			mask := maskFor(&Keys{}, Secrets{"a": NewSecret(value)})
			for name, quote := range quotes(before, secret, after) {
				got := mask.hide(quote[0])
				if run := shownRun(got, printable(quote[1])); run != "" && len(secret) >= shortestSecret {
					t.Errorf("%s: %q with secret %q is made %q, which holds %q", name, quote[0], secret, got, run)
				}
			}
			for _, text := range []string{before + secret[start:end] + after, secret + after + secret, secret + before} {
				got := mask.hide(text)
				if run := shownRun(got, printable(secret)); run != "" {
					t.Errorf("%q with secret %q is made %q, which holds %q", text, secret, got, run)
				}
				shown := mask.Text(text)
				if !utf8.ValidString(shown) || printable(shown) != shown || utf8.RuneCountInString(shown) > maxTextLength+1 {
					t.Errorf("%q with secret %q is made %q, which is not presentable", text, secret, shown)
				}
			}
			words := printable(before + after)
			if len(secret) >= shortestRun && !sharesRun(words, secret) && mask.hide(words) != words {
				t.Errorf("%q with secret %q is made %q", words, secret, mask.hide(words))
			}
		}
	})
}

// sharesRun reports whether a text has a run of a secret in any encoding.
func sharesRun(text, secret string) bool {
	for form := range forms(secret) {
		if commonRun(text, form) != "" || len(form) >= shortestSecret && len(form) < shortestRun && strings.Contains(text, form) {
			return true
		}
	}
	return false
}
