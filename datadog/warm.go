package datadog

import (
	"context"
	"io"
	"net/http"
	"sync"
)

// Warm fetches the keys and opens a connection concurrently, so that the first call
// finds both. It does not report errors: the first call meets and reports
// them.
func (c *Client) Warm(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() { _, _ = c.Keys(ctx, nil) })
	both.Go(func() { c.connect(ctx) })
	both.Wait()
}

// connect sends a request without keys, only for the connection, which stays open
// for the calls that follow. Any answer will do. An address without TLS is on this
// machine, where a connection takes no time.
func (c *Client) connect(ctx context.Context) {
	if c.URL.Scheme != "https" {
		return
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, c.URL.String(), nil)
	if err != nil {
		return
	}
	req.Header.Set("User-Agent", userAgent)
	resp, err := c.transport().RoundTrip(req)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	_ = resp.Body.Close()
}
