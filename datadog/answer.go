package datadog

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// maxAnswer is how many bytes of an answer are read, except of a list. An error may
// quote a credential of 64 KiB, each byte of it escaped.
const maxAnswer = 1 << 20

// transportError returns the failure of a request that got no answer.
func (r request) transportError(err error, connection *connectionTrace) *Error {
	var untrusted *tls.CertificateVerificationError
	return &Error{
		Call: r.call, Retryable: !errors.As(err, &untrusted), Uncertain: r.operation.once && !connection.neverSent(err),
		Err: &rewordedError{presentable(err.Error()), err}, // net/http quotes an answer that is not HTTP
	}
}

// errorAnswer reads an answer that is not a success.
func (r request) errorAnswer(resp *http.Response, limit string) *Error {
	status := resp.StatusCode
	failure := &Error{Call: r.call, Status: status}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err == nil {
		failure.Messages, failure.FromDatadog = messages(body)
	}
	failure.Meaning = r.operation.meaning(status, failure.FromDatadog)
	failure.InvalidCredential = r.judged && judgesCredential(status, failure.FromDatadog, failure.Messages)
	failure.Retryable = mayPass(status, failure.FromDatadog)
	if failure.Retryable {
		failure.RetryAfter = retryAfter(resp.Header)
	}
	switch {
	case status == http.StatusTooManyRequests:
		failure.RetryAfter = max(failure.RetryAfter, rateLimitReset(resp.Header))
		failure.RateLimit = RateLimit{Name: limit, Reset: failure.RetryAfter}
	case status >= 500:
		failure.Uncertain = r.operation.once && status != http.StatusServiceUnavailable && status != http.StatusNotImplemented
	case status >= 300 && status < 400:
		failure.Err = errors.New("redirects are not followed; check DD_SITE or DD_API_URL")
	}
	return failure
}

// mayPass reports whether the same call may get another answer later. An answer
// that is not Datadog's own is about something on the way, which may pass.
func mayPass(status int, fromDatadog bool) bool {
	switch {
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusTooManyRequests:
		return true
	case status >= 500 && status != http.StatusNotImplemented:
		return true
	default:
		return status >= 400 && !fromDatadog
	}
}

// unusableAnswer returns the failure of a call whose answer has the status of a
// success and a body that the decoder rejects.
func (r request) unusableAnswer(status int, err error) *Error {
	failure := &Error{Call: r.call, Status: status, Retryable: true, Uncertain: r.operation.once}
	var large *tooLargeError
	var reported *reportedError
	switch {
	case errors.As(err, &reported):
		failure.FromDatadog, failure.Messages = true, reported.messages
		failure.Meaning = "the answer reports errors"
	case errors.As(err, &large): // it would be as large the next time
		failure.Retryable = false
		failure.Err = err
	default:
		failure.Err = &rewordedError{presentable(err.Error()), err}
	}
	return failure
}

var errGarbled = errors.New("the answer is not what Datadog documents")

// tooLargeError reports an answer of more than so many bytes.
type tooLargeError struct{ limit int }

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("the answer is larger than %d bytes", e.limit)
}

// reportedError holds Datadog's words in a success that reports errors.
type reportedError struct{ messages []string }

func (e *reportedError) Error() string { return "the answer reports errors" }

// decoder reads the body of a success. It returns an error if the body is not what
// Datadog documents for the call.
type decoder func(body io.Reader) error

// whole returns a decoder that reads a body of at most 1 MiB before it decodes it.
func whole(decode func(content []byte) error) decoder {
	return func(body io.Reader) error {
		content, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
		if err != nil {
			return err
		}
		if len(content) > maxAnswer {
			return &tooLargeError{maxAnswer}
		}
		if err := reportedErrors(content); err != nil {
			return err
		}
		return decode(content)
	}
}

// reportedErrors returns the errors that a success reports, or nil. An empty list
// reports no error.
func reportedErrors(content []byte) error {
	var members struct{ Errors, Error json.RawMessage }
	if json.Unmarshal(content, &members) != nil || isNone(members.Errors) && isNone(members.Error) {
		return nil
	}
	texts, _ := messages(content)
	return &reportedError{texts}
}

// isNone reports whether a JSON value is absent, null or an empty list.
func isNone(value json.RawMessage) bool {
	var list []json.RawMessage
	return len(value) == 0 || json.Unmarshal(value, &list) == nil && len(list) == 0
}

// noContent decodes a body that is blank or a JSON object. Nothing in the object is
// needed, but any other body is not from Datadog.
func noContent(content []byte) error {
	var object struct{}
	if len(bytes.TrimSpace(content)) > 0 && json.Unmarshal(content, &object) != nil {
		return errGarbled
	}
	return nil
}
