package datadog

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// blackhole carries connections to a server. After forget it swallows what its connections carry, like a firewall that
// has forgotten them. It still carries new ones.
type blackhole struct {
	address string
	dials   atomic.Int64

	mu          sync.Mutex
	connections []*connection
}

// connection is a connection from a client to the server.
type connection struct {
	in, out net.Conn
	dead    atomic.Bool
}

func (c *connection) carry(to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if !c.dead.Load() {
			_, _ = to.Write(buffer[:n])
		}
	}
}

func newBlackhole(t *testing.T, server string) *blackhole {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	hole := &blackhole{address: listener.Addr().String()}
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			hole.dials.Add(1)
			out, err := net.Dial("tcp", server)
			if err != nil {
				return
			}
			c := &connection{in: in, out: out}
			hole.mu.Lock()
			hole.connections = append(hole.connections, c)
			hole.mu.Unlock()
			go c.carry(out, in)
			go c.carry(in, out)
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		hole.each(func(c *connection) { c.in.Close(); c.out.Close() })
	})
	return hole
}

func (b *blackhole) each(do func(*connection)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.connections {
		do(c)
	}
}

func (b *blackhole) forget() { b.each(func(c *connection) { c.dead.Store(true) }) }

const oneConfig = `{"data":{"id":"1111","attributes":{"integration_type":"OKTA"}}}`

// behindBlackhole returns a client of a server that answers every request with a config. Its transport is NewTransport's
// with shorter times.
func behindBlackhole(t *testing.T, http2 bool) (*Client, *blackhole, *http.Transport) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.ProtoMajor == 2; got != http2 {
			t.Errorf("got %s", r.Proto)
		}
		_, _ = io.WriteString(w, oneConfig)
	}))
	server.EnableHTTP2 = http2
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it reports each handshake that breaks off
	server.StartTLS()
	t.Cleanup(server.Close)
	hole := newBlackhole(t, server.Listener.Addr().String())

	const ms = time.Millisecond
	transport := newTransport(patience{idle: time.Minute, connect: 10 * time.Second, silence: 200 * ms, pong: 300 * ms})
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, ServerName: "example.com"}
	t.Cleanup(transport.CloseIdleConnections)
	return &Client{
		URL: &url.URL{Scheme: "https", Host: hole.address}, Keys: Fixed(Keys{Token: NewSecret("token")}), Transport: transport,
	}, hole, transport
}

// TestDeadConnectionIsGivenUp has a connection die between two calls.
func TestDeadConnectionIsGivenUp(t *testing.T) {
	t.Parallel()
	client, hole, _ := behindBlackhole(t, true)
	get := func() error {
		_, err := client.GetIntegrationConfig(t.Context(), "1111")
		return err
	}
	if err := get(); err != nil {
		t.Fatal(err)
	}
	hole.forget()
	started := time.Now()
	if err := get(); err != nil {
		t.Errorf("got %v, want the answer over a new connection", err)
	}
	if took := time.Since(started); took > 5*time.Second || hole.dials.Load() != 2 {
		t.Errorf("took %s and %d connections, want less than an attempt may take, and 2", took, hole.dials.Load())
	}
}

// TestDeadConnectionIsNotUsedAgain has a connection die between two PATCHes, which are not repeated, and makes a third.
func TestDeadConnectionIsNotUsedAgain(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %t", http2), func(t *testing.T) {
			t.Parallel()
			client, hole, _ := behindBlackhole(t, http2)
			update := func(limit time.Duration) error {
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				_, err := client.UpdateIntegrationConfig(ctx, "1111", Update{Type: Okta})
				return err
			}
			if err := update(10 * time.Second); err != nil {
				t.Fatal(err)
			}
			hole.forget()
			if answer := answerIn(update(1500 * time.Millisecond)); answer == nil || !answer.Uncertain {
				t.Errorf("got %+v, want a failure that is uncertain", answer)
			}
			if err := update(10 * time.Second); err != nil || hole.dials.Load() != 2 {
				t.Errorf("got %v over %d connections, want success over a second one", err, hole.dials.Load())
			}
		})
	}
}

// TestConnectionsThatAreNotMade has a TLS handshake hang. The PATCH was certainly not sent then.
func TestConnectionsThatAreNotMade(t *testing.T) {
	t.Parallel()
	client, _, transport := behindBlackhole(t, true)
	var dials atomic.Int64
	transport.TLSHandshakeTimeout = 50 * time.Millisecond
	transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
		dials.Add(1)
		a, b := net.Pipe() // nothing comes back
		go func() { _, _ = io.Copy(io.Discard, b) }()
		return a, nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond) // too short for a second attempt
	defer cancel()
	_, err := client.UpdateIntegrationConfig(ctx, "1111", Update{Type: Okta})
	if answer := answerIn(err); answer == nil || answer.Uncertain || !answer.Retryable || answer.RetryAfter == 0 || dials.Load() != 1 {
		t.Errorf("got %+v after %d tries, want one that is to be made again, without doubt", answer, dials.Load())
	}
}

func TestNewTransport(t *testing.T) {
	transport := NewTransport()
	if ping := transport.HTTP2.SendPingTimeout + transport.HTTP2.PingTimeout; ping <= 0 || ping >= readLimit {
		t.Errorf("a dead connection is given up after %s, which must be before an attempt ends", ping)
	}
	if !transport.ForceAttemptHTTP2 || transport.Proxy == nil || transport == http.DefaultTransport {
		t.Errorf("got %+v, want what http.DefaultTransport has, and another transport", transport)
	}
	client := &Client{}
	if own := client.transport(); own == http.DefaultTransport || own != client.transport() {
		t.Error("a client without a transport does not have one of its own")
	}
}
