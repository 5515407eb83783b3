// Package datadog calls the part of Datadog's API that keeps entity context sync
// configurations, here called integration configs.
package datadog

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"sync"
	"time"
)

// Client calls Datadog's API. Set its fields before the first call and do not
// change them after it. Its methods are safe for concurrent use.
//
// A call that meets a rate limit, a server error or a lost connection is made
// again, up to three times, within its context's deadline. UpdateIntegrationConfig
// is the exception: it is not repeated when Datadog may have made the change. While
// a rate limit is used up, no call that counts towards it is sent. Redirects are not
// followed, because they would carry the credentials to another address.
//
// An attempt to read can take 10 seconds. An attempt to validate or store a
// credential can take the time that is left before the context's deadline, except
// the last 5 seconds. Without a deadline it can take a minute.
type Client struct {
	// URL is the API's address, as SiteURL or ParseURL returns it.
	URL *url.URL
	// Keys authenticates each call.
	Keys KeySource
	// Transport carries the requests. If it is nil, the client uses a transport of
	// its own, made by NewTransport.
	Transport http.RoundTripper

	limits  limits
	own     http.RoundTripper // made when it is needed first
	makeOwn sync.Once
}

// LimitReset returns how long the longest of the rate limits that are used up now
// stays closed, or 0 if none is. A call that counts towards a closed limit waits
// for its reset, or fails if its deadline comes first.
func (c *Client) LimitReset() time.Duration { return c.limits.longest() }

// request is one call, not yet authenticated.
type request struct {
	operation operation
	call      string // for errors
	method    string
	path      string // escaped, below the client's URL
	query     url.Values
	body      []byte
	secrets   Secrets   // the credential in the body, to be masked in errors
	judged    bool      // whether Datadog tries a credential, so that a 400 may be about it
	keys      KeySource // instead of the client's
}

// do makes a call. It returns nil once decode has accepted an answer.
func (c *Client) do(ctx context.Context, req request, decode decoder) error {
	ctx, cancel := req.operation.callContext(ctx)
	defer cancel()
	source := c.Keys
	if req.keys != nil {
		source = req.keys
	}
	keys, err := source(ctx, nil)
	if err != nil {
		return &KeysError{Call: req.call, Err: err}
	}
	mask, shared := maskOf(ctx)
	failure := c.attempts(ctx, req, source, keys, mask, decode)
	if failure == nil {
		return nil
	}
	if !shared {
		failure.mask(mask)
	}
	return failure
}

// attempts makes a call as often as it takes, and returns its last failure.
func (c *Client) attempts(ctx context.Context, req request, source KeySource, keys *Keys, mask *Mask, decode decoder) *Error {
	mask.Add(req.secrets)
	var state retry
	for again := false; ; again = true {
		if closed := c.limits.wait(ctx, req); closed != nil {
			return closed
		}
		if again {
			tallyOf(ctx).retries.Add(1)
		}
		mask.addKeys(keys)
		failure := c.attempt(ctx, req, keys, mask, decode, state.attempts)
		if failure == nil {
			return nil
		}
		keys = state.otherKeys(ctx, source, keys, failure)
		if !state.again(ctx, req.operation, failure) {
			return failure
		}
	}
}

// attempt sends a request and reads the answer, after so many attempts before it.
func (c *Client) attempt(ctx context.Context, req request, keys *Keys, mask *Mask, decode decoder, before int) *Error {
	ctx, cancel := req.operation.attemptContext(ctx, before)
	defer cancel()
	if ctx.Err() != nil {
		return &Error{Call: req.call, Retryable: true, Err: ctx.Err()}
	}
	var connection connectionTrace
	httpReq, err := c.newRequest(connection.context(ctx), req, keys)
	if err != nil {
		return &Error{Call: req.call, Err: err}
	}
	resp, err := c.transport().RoundTrip(httpReq) // http.Client would parse redirects
	if err != nil {
		return req.transportError(err, &connection)
	}
	defer resp.Body.Close()
	// Reading from a connection whose protocol was switched heeds no deadline.
	defer context.AfterFunc(ctx, func() { resp.Body.Close() })()
	limit := c.limits.observe(req.operation, resp, mask)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return req.errorAnswer(resp, limit)
	}
	if err := decode(resp.Body); err != nil {
		return req.unusableAnswer(resp.StatusCode, err)
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
