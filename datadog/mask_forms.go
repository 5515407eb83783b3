package datadog

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"net/url"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// encodings return the forms of a secret that an answer may have. What they
// return is printable, since it is searched for in a printable text.
var encodings = []func(secret string) string{
	printable,
	func(secret string) string { return printable(inJSON(secret)) },
	func(secret string) string { return printable(inHTML(secret)) },
	func(secret string) string { return printable(inASCII(secret)) },
	url.QueryEscape,
	url.PathEscape,
	func(secret string) string { return lowerEscapes(url.QueryEscape(secret)) },
	func(secret string) string { return lowerEscapes(url.PathEscape(secret)) },
	func(secret string) string { return hex.EncodeToString([]byte(secret)) },
	func(secret string) string { return strings.ToUpper(hex.EncodeToString([]byte(secret))) },
	func(secret string) string { return inBase64(base64.RawStdEncoding, secret, 0) },
	func(secret string) string { return inBase64(base64.RawStdEncoding, secret, 1) },
	func(secret string) string { return inBase64(base64.RawStdEncoding, secret, 2) },
	func(secret string) string { return inBase64(base64.RawURLEncoding, secret, 0) },
	func(secret string) string { return inBase64(base64.RawURLEncoding, secret, 1) },
	func(secret string) string { return inBase64(base64.RawURLEncoding, secret, 2) },
}

// forms yields a secret in each encoding that changes it, and as it is. It makes
// one form at a time, because a form of a key file can have some hundred kilobytes.
func forms(secret string) iter.Seq[string] {
	return func(yield func(string) bool) {
		plain := encodings[0](secret)
		if !yield(plain) {
			return
		}
		for _, encoded := range encodings[1:] {
			if form := encoded(secret); form != plain && !yield(form) {
				return
			}
		}
	}
}

// inJSON returns a text as the JSON of a request has it.
func inJSON(text string) string {
	encoded, _ := encode(text) // a string always has a JSON form
	return string(encoded[1 : len(encoded)-1])
}

// inHTML returns a text as JSON that can be a part of HTML, which is what
// encoding/json makes of it.
func inHTML(text string) string {
	encoded, _ := json.Marshal(text)
	return string(encoded[1 : len(encoded)-1])
}

// inASCII returns a text as JSON without other characters, which is what many
// languages make of it.
func inASCII(text string) string {
	var ascii strings.Builder
	for _, r := range inJSON(text) {
		switch {
		case r < utf8.RuneSelf:
			ascii.WriteRune(r)
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&ascii, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&ascii, `\u%04x`, r)
		}
	}
	return ascii.String()
}

// lowerEscapes writes a URL's escapes with lower case digits.
func lowerEscapes(escaped string) string {
	lower := []byte(escaped)
	for i := 0; i+2 < len(lower); i++ {
		if lower[i] == '%' {
			lower[i+1] |= 0x20 // which changes no digit
			lower[i+2] |= 0x20
		}
	}
	return string(lower)
}

// inBase64 returns what base64 makes of a secret that stands behind 0, 1 or 2
// other bytes, modulo 3. The characters that depend on its neighbours are left
// out.
func inBase64(encoding *base64.Encoding, secret string, behind int) string {
	encoded := encoding.EncodeToString([]byte("\x00\x00"[:behind] + secret))
	return encoded[(8*behind+5)/6 : 8*(behind+len(secret))/6]
}
