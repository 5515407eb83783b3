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
	"strconv"
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
// again, a few times, within its context's deadline. A redirect is never
// followed: it would carry the credentials to another address.
type Client struct {
	// URL is the API's address: SiteURL's or ParseURL's.
	URL *url.URL
	// Keys authenticates each call.
	Keys KeySource
	// Transport carries the requests; nil means http.DefaultTransport.
	Transport http.RoundTripper
}

// request is one call before it is authenticated.
type request struct {
	call    string // for errors
	method  string
	path    string // escaped, under the client's URL
	query   url.Values
	body    []byte
	secrets Secrets // what the body carries, to be scrubbed from the answer
}

// do carries out a request and decodes its answer into answer; a nil answer
// means that none is expected.
func (c *Client) do(ctx context.Context, req request, answer any) error {
	keys, err := c.Keys(ctx, nil)
	if err != nil {
		return fmt.Errorf("%s: Datadog's keys: %w", req.call, err)
	}
	var tries retry
	for {
		failure := c.attempt(ctx, req, keys, answer)
		if failure == nil {
			return nil
		}
		keys = c.otherKeys(ctx, keys, failure, &tries)
		if !tries.wait(ctx, failure) {
			return failure
		}
	}
}

// otherKeys asks, once a call, whether the keys that Datadog refuses have been
// replaced, and if so lets the call be tried again with the new ones.
func (c *Client) otherKeys(ctx context.Context, keys *Keys, failure *Error, tries *retry) *Keys {
	refused := failure.Status == http.StatusUnauthorized || failure.Status == http.StatusForbidden
	if !refused || tries.askedForKeys {
		return keys
	}
	tries.askedForKeys = true
	others, err := c.Keys(ctx, keys)
	if err != nil { // then Datadog's own refusal is the thing to tell
		return keys
	}
	tries.atOnce = others != keys
	return others
}

func (c *Client) attempt(ctx context.Context, req request, keys *Keys, answer any) *Error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	httpReq, err := c.newRequest(ctx, req, keys)
	if err != nil {
		return &Error{Call: req.call, Err: err}
	}
	client := http.Client{
		Transport:     c.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(httpReq)
	if err != nil {
		return noAnswer(req.call, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return refusal(req, keys, resp)
	}
	if err := decode(resp.Body, answer); err != nil {
		return &Error{Call: req.call, Status: resp.StatusCode, Retryable: true, Err: err}
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

// noAnswer tells a connection that was lost from one that can never be made.
func noAnswer(call string, err error) *Error {
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		err = wrapped.Err // the URL is in the call's name as far as it matters
	}
	var untrusted *tls.CertificateVerificationError
	return &Error{Call: call, Retryable: !errors.As(err, &untrusted), Err: err}
}

// refusal reads an answer that is not a success.
func refusal(req request, keys *Keys, resp *http.Response) *Error {
	failure := &Error{Call: req.call, Status: resp.StatusCode}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorAnswer))
	if err == nil {
		scrubber := newScrubber(keys, req.secrets)
		for _, text := range messages(body) {
			failure.Messages = append(failure.Messages, scrubber.scrub(text))
		}
		failure.Messages = presentable(failure.Messages)
	}
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		failure.Retryable = true
		failure.RateLimit = rateLimit(resp.Header)
		failure.RetryAfter = failure.RateLimit.Reset
	case resp.StatusCode >= 500 && resp.StatusCode != http.StatusNotImplemented:
		failure.Retryable = true
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		failure.Err = errors.New("redirects are not followed; check DD_SITE or DD_API_URL")
	}
	return failure
}

// rateLimit reads the headers of a 429. The reset is a number of seconds from
// now, not a time.
func rateLimit(header http.Header) RateLimit {
	seconds, err := strconv.ParseFloat(header.Get("X-RateLimit-Reset"), 64)
	if err != nil || !(seconds > 0) {
		seconds = 0
	}
	const day = 24 * 60 * 60
	reset := time.Duration(min(seconds, day) * float64(time.Second))
	return RateLimit{Name: presentable([]string{header.Get("X-RateLimit-Name")})[0], Reset: reset}
}

var errGarbled = errors.New("the answer is not what Datadog documents")

// decode reads a success's body. Even where no body is expected, one that is
// not JSON means that somebody other than Datadog has answered.
func decode(body io.Reader, answer any) error {
	content, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
	switch {
	case err != nil:
		return err
	case len(content) > maxAnswer:
		return fmt.Errorf("the answer is larger than %d bytes", maxAnswer)
	case answer == nil && len(bytes.TrimSpace(content)) == 0:
		return nil
	case !json.Valid(content) || answer != nil && json.Unmarshal(content, answer) != nil:
		return errGarbled
	}
	return nil
}
