package datadog

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"syscall"
	"time"
)

// NewTransport returns a transport that notices when a connection no longer
// carries anything, for example because a firewall has forgotten it while Lambda
// kept the instance frozen. Such a connection loses what is sent, without an
// error, for as long as somebody waits.
//
// Over HTTP/2 a silent connection is pinged after 5 seconds and closed after 3
// more. HTTP/1.1 has no ping: there a connection is closed when an attempt runs
// out of time. In either case a connection is not used after 30 idle seconds, and
// a new one that takes longer than 5 seconds fails.
func NewTransport() *http.Transport {
	return newTransport(patience{idle: 30 * time.Second, connect: 5 * time.Second, silence: 5 * time.Second, pong: 3 * time.Second})
}

// patience is how long a transport waits.
type patience struct {
	idle    time.Duration // before it closes a connection that is not used
	connect time.Duration // for a connection, and then for its TLS handshake
	silence time.Duration // before it sends a ping
	pong    time.Duration // for the answer to a ping
}

func newTransport(p patience) *http.Transport {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = (&net.Dialer{Timeout: p.connect}).DialContext
	transport.TLSHandshakeTimeout = p.connect
	transport.IdleConnTimeout = p.idle
	transport.HTTP2 = &http.HTTP2Config{SendPingTimeout: p.silence, PingTimeout: p.pong}
	return transport
}

func (c *Client) transport() http.RoundTripper {
	if c.Transport != nil {
		return c.Transport
	}
	c.makeOwn.Do(func() { c.own = NewTransport() })
	return c.own
}

// sending notes whether a request has got a connection.
type sending struct{ wanted, got atomic.Bool }

func (s *sending) traced(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { s.wanted.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { s.got.Store(true) },
	})
}

// neverSent reports whether a request that failed with err is known not to have
// left: there was no connection for it.
func (s *sending) neverSent(err error) bool {
	var operation *net.OpError
	return s.wanted.Load() && !s.got.Load() || errors.Is(err, syscall.ECONNREFUSED) ||
		errors.As(err, &operation) && operation.Op == "dial"
}
