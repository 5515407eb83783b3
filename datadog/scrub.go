package datadog

import "encoding/json"

// shortestEcho is how many bytes of a secret in a row count as the secret. An
// answer that quotes less, such as a token's last four characters, gives
// nothing away; one that quotes a truncated token is caught.
const shortestEcho = 8

// scrubber masks in Datadog's answers whatever a request carried that is
// secret: an error message may well quote its input.
type scrubber struct {
	echoes map[string]bool // every run of shortestEcho bytes of every secret text
	short  []string        // texts shorter than that, whole
}

func newScrubber(keys *Keys, secrets Secrets) *scrubber {
	s := &scrubber{echoes: map[string]bool{}}
	for _, key := range keys.opened() {
		s.add(key)
	}
	for _, secret := range secrets {
		s.add(secret.open())
	}
	return s
}

func (s *scrubber) add(value any) {
	switch value := value.(type) {
	case string:
		s.addText(value)
	case json.Number:
		s.addText(value.String())
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

func (s *scrubber) addText(text string) {
	if len(text) < shortestEcho {
		if text != "" {
			s.short = append(s.short, text)
		}
		return
	}
	for i := range len(text) - shortestEcho + 1 {
		s.echoes[text[i:i+shortestEcho]] = true
	}
}

func (s *scrubber) scrub(text string) string {
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
	return string(masked)
}
