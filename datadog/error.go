package datadog

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Error says why a call came to nothing. Every method of Client returns one,
// unless the call's keys could not be had.
type Error struct {
	// Call is what was attempted, for people: "update integration config 1111".
	Call string
	// Status is the HTTP status of Datadog's answer; 0 when there was none.
	Status int
	// Meaning is what the status says about this call, where that is more than
	// its name: which permission is missing, what to check.
	Meaning string
	// Messages are Datadog's own words, bounded, and scrubbed of every secret
	// that the request carried.
	Messages []string
	// RateLimit is the limit that a 429 names, or on account of which the call was
	// not sent.
	RateLimit RateLimit
	// Retryable tells that the same call may succeed later.
	Retryable bool
	// RetryAfter is the least time to let pass before that; 0 when unknown.
	RetryAfter time.Duration
	// Err is why there was no answer, or none that could be used. Its text is
	// bounded and scrubbed likewise.
	Err error
}

// KeysError says that a call was not made, since there were no keys for it.
// What Err holds is about the keys, and no answer to the call.
type KeysError struct {
	Call string
	Err  error
}

func (e *KeysError) Error() string { return fmt.Sprintf("%s: Datadog's keys: %v", e.Call, e.Err) }

// Unwrap gives why there were no keys.
func (e *KeysError) Unwrap() error { return e.Err }

// RateLimit is a limit as Datadog reports it in the X-RateLimit headers.
// See https://docs.datadoghq.com/api/latest/rate-limits/.
type RateLimit struct {
	Name  string
	Reset time.Duration // from the answer on
}

func (e *Error) Error() string {
	var text strings.Builder
	text.WriteString(e.Call)
	if e.Status != 0 {
		text.WriteString(strings.TrimSpace(fmt.Sprintf(": Datadog answered %d %s", e.Status, http.StatusText(e.Status))))
	}
	if e.RateLimit.Name != "" {
		fmt.Fprintf(&text, " (rate limit %s)", e.RateLimit.Name)
	}
	if e.Meaning != "" {
		fmt.Fprintf(&text, ": %s", e.Meaning)
	}
	if len(e.Messages) > 0 {
		fmt.Fprintf(&text, ": %s", strings.Join(e.Messages, "; "))
	}
	if e.Err != nil {
		fmt.Fprintf(&text, ": %v", e.Err)
	}
	return text.String()
}

// Unwrap gives why there was no answer.
func (e *Error) Unwrap() error { return e.Err }

const (
	maxMessages      = 5
	maxMessageLength = 300
)

// messages finds Datadog's words in an error body. Three shapes are in use,
// sometimes within one family of endpoints: a list of strings, a list of
// JSON:API objects, and one object with a code. Proxies on the way answer with
// pages of their own.
func messages(body []byte) []string {
	var shapes struct {
		Errors []json.RawMessage `json:"errors"`
		Error  json.RawMessage   `json:"error"`
	}
	if json.Unmarshal(body, &shapes) != nil {
		return plainMessage(body)
	}
	var found []string
	for _, raw := range append(shapes.Errors, shapes.Error) {
		if text := message(raw); text != "" && len(found) < maxMessages {
			found = append(found, text)
		}
	}
	return found
}

func message(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var object struct{ Title, Detail, Code, Message string }
	_ = json.Unmarshal(raw, &object) // a member of another type keeps none of the others from being read
	parts := []string{object.Code, object.Title, object.Message, object.Detail}
	return strings.Join(nonEmpty(parts), ": ")
}

func nonEmpty(parts []string) []string {
	var kept []string
	for _, part := range parts {
		if part != "" {
			kept = append(kept, part)
		}
	}
	return kept
}

func plainMessage(body []byte) []string {
	text := strings.TrimSpace(string(body))
	switch {
	case text == "":
		return nil
	case strings.HasPrefix(text, "<"):
		return []string{"the answer is a page, not Datadog's JSON"}
	default:
		first, _, _ := strings.Cut(text, "\n")
		return []string{first}
	}
}

// printable takes out what a terminal would obey.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
}

func bounded(text string) string {
	if runes := []rune(text); len(runes) > maxMessageLength {
		return string(runes[:maxMessageLength]) + "…"
	}
	return text
}

// IsInvalidCredential reports whether err is Datadog's judgement of what was sent: of a
// credential, that it is not valid.
func IsInvalidCredential(err error) bool {
	return hasStatus(err, http.StatusBadRequest, http.StatusUnprocessableEntity)
}

// IsForbidden reports whether err says that the keys lack a permission, which
// for reading and validating is integrations_read.
func IsForbidden(err error) bool { return hasStatus(err, http.StatusForbidden) }

// IsNotFound reports whether err says that there is no such config.
func IsNotFound(err error) bool { return hasStatus(err, http.StatusNotFound) }

// IsNotOffered reports whether err says that a validation endpoint is not to be
// had: those are in preview, and need a permission that storing does not.
func IsNotOffered(err error) bool {
	return hasStatus(err, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented)
}

func hasStatus(err error, statuses ...int) bool {
	var answer *Error
	if unmade := (*KeysError)(nil); errors.As(err, &unmade) { // what it wraps is the answer to another call
		return false
	}
	return errors.As(err, &answer) && slices.Contains(statuses, answer.Status)
}
