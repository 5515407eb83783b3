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

// NewTransport returns a transport that gives up dead connections. A connection is
// dead if it loses what is sent without an error, for example because a firewall
// forgot it while Lambda kept the instance frozen.
//
// Over HTTP/2, a connection that is silent for 5 seconds is pinged, and closed if
// no answer comes within 3 seconds. HTTP/1.1 has no ping, so a dead connection is
// closed when the attempt that uses it runs out of time. A connection that was idle
// for 30 seconds is not used again. Making one may take 5 seconds, and its TLS
// handshake another 5.
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

// connectionTrace notes whether a request has got a connection.
type connectionTrace struct{ wanted, got atomic.Bool }

func (t *connectionTrace) context(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { t.wanted.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { t.got.Store(true) },
	})
}

// neverSent reports whether a request that failed with err certainly was not sent,
// because there was no connection for it.
func (t *connectionTrace) neverSent(err error) bool {
	var operation *net.OpError
	return t.wanted.Load() && !t.got.Load() || errors.Is(err, syscall.ECONNREFUSED) ||
		errors.As(err, &operation) && operation.Op == "dial"
}
