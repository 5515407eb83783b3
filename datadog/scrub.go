package datadog

import (
	"encoding/json"
	"strings"
)

// shortestEcho is how many bytes of a secret in a row count as the secret. An
// answer that quotes less, such as a token's last four characters, gives
// nothing away; one that quotes a truncated token is caught.
const shortestEcho = 8

// shortestText is the least that a text must have to be masked. To mask less
// would take ordinary letters out of ordinary words.
const shortestText = 4

// noSecret is the type in every Google key file. To mask it would make Datadog's
// own service_account_json unreadable where that is at fault.
const noSecret = "service_account"

// scrubber masks in Datadog's answers whatever a request carried that is
// secret: an error message may well quote its input.
type scrubber struct {
	keys    *Keys
	secrets Secrets

	echoes map[string]bool // every run of shortestEcho bytes of every secret text; nil until there is a text to mask
	short  []string        // texts shorter than that, whole
}

func newScrubber(keys *Keys, secrets Secrets) *scrubber {
	return &scrubber{keys: keys, secrets: secrets}
}

// collect takes the secrets apart. Few answers quote anything, so that is left
// until one does.
func (s *scrubber) collect() {
	s.echoes = map[string]bool{}
	for _, key := range s.keys.opened() {
		s.add(key)
	}
	for _, secret := range s.secrets {
		s.add(secret.open())
	}
}

// Mask takes out of a text whatever of the secrets it quotes: Datadog may quote
// what it holds, in the answer to a call that carried none of it.
func (s Secrets) Mask(text string) string { return newScrubber(&Keys{}, s).mask(printable(text)) }

func (s *scrubber) add(value any) {
	switch value := value.(type) {
	case string:
		if value != noSecret {
			s.addText(value)
			s.addEncoded(value) // as in a quote of the whole request
		}
	case json.Number, float64:
		s.addEncoded(value)
	case []any:
		for _, element := range value {
			s.add(element)
		}
	case map[string]any:
		for _, element := range value {
			s.add(element)
		}
	}
}

func (s *scrubber) addEncoded(value any) {
	if encoded, err := encode(value); err == nil {
		s.addText(strings.TrimSuffix(strings.TrimPrefix(string(encoded), `"`), `"`))
	}
}

func (s *scrubber) addText(text string) {
	text = printable(text) // since it is looked for in what is printable
	if len(text) < shortestEcho {
		if len(text) >= shortestText {
			s.short = append(s.short, text)
		}
		return
	}
	for i := range len(text) - shortestEcho + 1 {
		s.echoes[text[i:i+shortestEcho]] = true
	}
}

// scrub makes a text presentable: without secrets, printable and not too long.
func (s *scrubber) scrub(text string) string {
	return bounded(s.mask(printable(text)))
}

// scrubError does the same to the text of an error. Those of net/http quote an
// answer that is not HTTP.
func (s *scrubber) scrubError(err error) error { return scrubbed{s.scrub(err.Error()), err} }

type scrubbed struct {
	text string
	err  error
}

func (e scrubbed) Error() string { return e.text }
func (e scrubbed) Unwrap() error { return e.err }

func (s *scrubber) mask(text string) string {
	if text == "" {
		return ""
	}
	if s.echoes == nil {
		s.collect()
	}
	secret := make([]bool, len(text))
	mark := func(from, length int) {
		for i := range length {
			secret[from+i] = true
		}
	}
	for i := range len(text) {
		if i+shortestEcho <= len(text) && s.echoes[text[i:i+shortestEcho]] {
			mark(i, shortestEcho)
		}
		for _, short := range s.short {
			if len(text)-i >= len(short) && text[i:i+len(short)] == short {
				mark(i, len(short))
			}
		}
	}
	masked := make([]byte, 0, len(text))
	for i := range len(text) {
		switch {
		case !secret[i]:
			masked = append(masked, text[i])
		case i == 0 || !secret[i-1]:
			masked = append(masked, redacted...)
		}
	}
	return strings.ToValidUTF8(string(masked), "\uFFFD") // since a mask may begin within a character
}
