// Package datadog is a client of the part of Datadog's API that keeps entity
// context sync configurations, here called integration configs.
package datadog

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"time"
)

const (
	maxAnswer      = 1 << 20
	maxErrorAnswer = 64 << 10
	attemptTimeout = 10 * time.Second
)

// Client calls Datadog's API. Its fields are set before the first call and not
// changed after; its methods may be called from many goroutines.
//
// A call that meets a rate limit, a server error or a lost connection is tried
// again, a few times, within its context's deadline. Once a rate limit is used
// up, no call that counts towards it is sent before its reset. A redirect is
// never followed: it would carry the credentials to another address.
type Client struct {
	// URL is the API's address: SiteURL's or ParseURL's.
	URL *url.URL
	// Keys authenticates each call.
	Keys KeySource
	// Transport carries the requests; nil means http.DefaultTransport.
	Transport http.RoundTripper

	limits limits
}

// request is one call before it is authenticated.
type request struct {
	operation operation
	call      string // for errors
	method    string
	path      string // escaped, under the client's URL
	query     url.Values
	body      []byte
	secrets   Secrets   // what the body carries, to be scrubbed from the answer
	keys      KeySource // instead of the client's
}

// decoder takes the body of a success, and reports whether it is one that
// Datadog documents.
type decoder func(content []byte) bool

func (c *Client) do(ctx context.Context, req request, read decoder) error {
	source := c.Keys
	if req.keys != nil {
		source = req.keys
	}
	keys, err := source(ctx, nil)
	if err != nil {
		return &KeysError{Call: req.call, Err: err}
	}
	var tries retry
	for again := false; ; again = true {
		if closed := c.limits.wait(ctx, req); closed != nil {
			return closed
		}
		if again {
			tallyOf(ctx).retries.Add(1)
		}
		failure := c.attempt(ctx, req, keys, read)
		if failure == nil {
			return nil
		}
		keys = otherKeys(ctx, source, keys, failure, &tries)
		if !tries.wait(ctx, failure) {
			return failure
		}
	}
}

// otherKeys asks, once a call, whether the keys that Datadog refuses have been
// replaced, and if so lets the call be tried again with the new ones.
func otherKeys(ctx context.Context, source KeySource, keys *Keys, failure *Error, tries *retry) *Keys {
	refused := failure.Status == http.StatusUnauthorized || failure.Status == http.StatusForbidden
	if !refused || tries.askedForKeys {
		return keys
	}
	tries.askedForKeys = true
	others, err := source(ctx, keys)
	if err != nil { // then Datadog's own refusal is the thing to tell
		return keys
	}
	tries.atOnce = others != keys
	return others
}

func (c *Client) attempt(ctx context.Context, req request, keys *Keys, read decoder) *Error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	httpReq, err := c.newRequest(ctx, req, keys)
	if err != nil {
		return &Error{Call: req.call, Err: err}
	}
	transport := c.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	scrubber := newScrubber(keys, req.secrets)
	resp, err := transport.RoundTrip(httpReq) // http.Client would look into redirects
	if err != nil {
		return transportError(req, scrubber.scrubError(err))
	}
	defer resp.Body.Close()
	// Reading from a connection whose protocol was switched heeds no deadline.
	defer context.AfterFunc(ctx, func() { resp.Body.Close() })()
	limit := scrubber.scrub(resp.Header.Get("X-RateLimit-Name"))
	c.limits.learn(req.operation, limit, resp.StatusCode, resp.Header)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return answerError(req, resp, limit, scrubber)
	}
	if err := readSuccess(resp.Body, read); err != nil {
		return &Error{Call: req.call, Status: resp.StatusCode, Retryable: true, Err: scrubber.scrubError(err)}
	}
	return nil
}

func (c *Client) newRequest(ctx context.Context, req request, keys *Keys) (*http.Request, error) {
	target := c.URL.JoinPath(req.path)
	target.RawQuery = req.query.Encode()
	httpReq, err := http.NewRequestWithContext(ctx, req.method, target.String(), bytes.NewReader(req.body))
	if err != nil {
		return nil, err
	}
	httpReq.Header.Set("Accept", "application/json")
	httpReq.Header.Set("User-Agent", userAgent)
	if len(req.body) > 0 {
		httpReq.Header.Set("Content-Type", "application/json")
	}
	keys.authenticate(httpReq.Header)
	return httpReq, nil
}

var userAgent = fmt.Sprintf("credential-relay (go %s; os %s; arch %s)", runtime.Version(), runtime.GOOS, runtime.GOARCH)

// transportError tells a connection that was lost from one that can never be made.
func transportError(req request, err error) *Error {
	var untrusted *tls.CertificateVerificationError
	return &Error{Call: req.call, Retryable: !errors.As(err, &untrusted), Err: err}
}

// answerError reads an answer that is not a success.
func answerError(req request, resp *http.Response, limit string, scrubber *scrubber) *Error {
	failure := &Error{Call: req.call, Status: resp.StatusCode, Meaning: req.operation.meaning(resp.StatusCode)}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorAnswer))
	if err == nil {
		for _, text := range messages(body) {
			failure.Messages = append(failure.Messages, scrubber.scrub(text))
		}
	}
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		failure.Retryable = true
		failure.RateLimit = RateLimit{Name: limit, Reset: rateLimitReset(resp.Header)}
		failure.RetryAfter = failure.RateLimit.Reset
	case resp.StatusCode >= 500 && resp.StatusCode != http.StatusNotImplemented:
		failure.Retryable = true
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		failure.Err = errors.New("redirects are not followed; check DD_SITE or DD_API_URL")
	}
	return failure
}

var errGarbled = errors.New("the answer is not what Datadog documents")

// readSuccess has read judge a success's body.
func readSuccess(body io.Reader, read decoder) error {
	content, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
	switch {
	case err != nil:
		return err
	case len(content) > maxAnswer:
		return fmt.Errorf("the answer is larger than %d bytes", maxAnswer)
	case !read(content):
		return errGarbled
	}
	return nil
}

// emptyBody is the reader where no body is expected. One that is not a JSON
// object means that somebody other than Datadog has answered, and one that
// tells of errors is not a success.
func emptyBody(content []byte) bool {
	if len(bytes.TrimSpace(content)) == 0 {
		return true
	}
	var told struct{ Errors, Error any }
	return json.Unmarshal(content, &told) == nil && told.Errors == nil && told.Error == nil
}
