package datadog

import (
	"context"
	"io"
	"net/http"
	"sync"
)

// Warm has the keys and a connection at hand before the first call needs them,
// side by side. What goes wrong the first call will meet, and tell: nothing of
// it is told here.
func (c *Client) Warm(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() { _, _ = c.Keys(ctx, nil) })
	both.Go(func() { c.connect(ctx) })
	both.Wait()
}

// connect asks for nothing and carries no keys: only the connection is wanted,
// which stays open for the calls to come. Any answer will do. Without TLS, which
// is on this machine, there is nothing to be gained.
func (c *Client) connect(ctx context.Context) {
	if c.URL.Scheme != "https" {
		return
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, c.URL.String(), nil)
	if err != nil {
		return
	}
	request.Header.Set("User-Agent", userAgent)
	transport := c.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, maxErrorAnswer))
	_ = answer.Body.Close()
}
