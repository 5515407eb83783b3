package datadog

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Error reports why a call failed. Every method of Client that fails returns one,
// or a KeysError.
//
// Its texts are printable and bounded. They hold no secret that the call sent. If
// the call's context has a Mask, they may hold one, and the caller masks them.
type Error struct {
	// Call is what was attempted, such as "update integration config 1111".
	Call string
	// Status is the HTTP status of the answer, or 0 if there was none.
	Status int
	// FromDatadog reports whether the answer is Datadog's own: a JSON object with
	// its errors. A page, a text or an empty body may come from a proxy.
	FromDatadog bool
	// InvalidCredential reports whether Datadog itself tried the credential and
	// found it not valid.
	InvalidCredential bool
	// Meaning explains the status for this call, for example which permission is
	// missing. It is empty if the status says enough.
	Meaning string
	// Messages are Datadog's own words, at most 5.
	Messages []string
	// RateLimit is the limit that a 429 names, or that kept the call from being
	// sent.
	RateLimit RateLimit
	// Retryable reports whether the same call may succeed later.
	Retryable bool
	// RetryAfter is the least time to wait before that, or 0 if unknown.
	RetryAfter time.Duration
	// Uncertain reports whether Datadog may have done what was asked, although it
	// did not say so. Only UpdateIntegrationConfig sets it.
	Uncertain bool
	// Err is why there was no answer, or why it could not be used.
	Err error

	notOffered bool // Datadog said twice that it does not offer the call
}

// KeysError reports that a call was not made because there were no keys for it.
// Its Err is about the keys and does not answer the call.
type KeysError struct {
	Call string
	Err  error
}

func (e *KeysError) Error() string { return fmt.Sprintf("%s: Datadog's keys: %v", e.Call, e.Err) }

// Unwrap returns why there were no keys.
func (e *KeysError) Unwrap() error { return e.Err }

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

// Unwrap returns why there was no usable answer.
func (e *Error) Unwrap() error { return e.Err }

// mask masks the texts in an error that are not this package's own.
func (e *Error) mask(m *Mask) {
	for i, text := range e.Messages {
		e.Messages[i] = m.Text(text)
	}
	if e.Err != nil {
		e.Err = &rewordedError{m.Text(e.Err.Error()), e.Err}
	}
}

// IsInvalidCredential reports whether err says that Datadog tried the credential
// and found it not valid.
func IsInvalidCredential(err error) bool {
	answer := answerIn(err)
	return answer != nil && answer.InvalidCredential
}

// IsNotOffered reports whether err says that Datadog does not offer validation to
// these keys. Datadog itself has said so twice, about a second apart. The validation
// endpoints are in preview and need another permission than an update. Only
// ValidateCredential and ValidateStored return such an error.
func IsNotOffered(err error) bool {
	answer := answerIn(err)
	return answer != nil && answer.notOffered
}

// IsForbidden reports whether err is Datadog's answer that the keys lack a
// permission. GetIntegrationConfig returns such an error only after Datadog has
// said so twice, about a second apart.
func IsForbidden(err error) bool { return isFinal(answerIn(err), http.StatusForbidden) }

// IsNotFound reports whether err is Datadog's answer that it has no such config.
func IsNotFound(err error) bool { return isFinal(answerIn(err), http.StatusNotFound) }

func isFinal(answer *Error, status int) bool {
	return answer != nil && answer.FromDatadog && answer.Status == status && !answer.Retryable
}

// answerIn returns the Error in err, or nil. It returns nil for a KeysError, because
// an Error inside that answers another call.
func answerIn(err error) *Error {
	var answer *Error
	var keysErr *KeysError
	if errors.As(err, &keysErr) || !errors.As(err, &answer) {
		return nil
	}
	return answer
}
