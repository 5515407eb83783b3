package datadog_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"credential-relay/datadog"
)

var proof = datadog.Proof{
	Text:  datadog.NewSecret("canary-9P1-proof"),
	Holds: datadog.Secrets{"session token": datadog.NewSecret("canary-3K8-session")},
}

func TestExchangeProof(t *testing.T) {
	answer := func(attributes string) string {
		return `{"data":{"type":"delegated_token","attributes":{` + attributes + `}}}`
	}
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // synctest's
	cases := []struct {
		name, body string
		life       time.Duration // 0 for a body that is not what Datadog answers
	}{
		{"with its end", answer(fmt.Sprintf(`"access_token":%q,"expires":"%d"`, token, start.Add(time.Hour).Unix())), time.Hour},
		{"without its end", answer(`"access_token":"` + token + `"`), 15 * time.Minute},
		{"with an end that is none", answer(`"access_token":"` + token + `","expires":"soon"`), 15 * time.Minute},
		{"with an end that is a number", answer(`"access_token":"` + token + `","expires":1}`), 0},
		{"with an end that is no text", answer(`"access_token":"` + token + `","expires":1`), 15 * time.Minute},
		{"no token", answer(`"expires":"1"`), 0},
		{"an empty token", answer(`"access_token":""`), 0},
		{"a token that is a number", answer(`"access_token":1`), 0},
		{"a token with a line break", answer(`"access_token":"a\nb"`), 0},
		{"nothing", ``, 0},
		{"a page", `<html>`, 0},
		{"an array", `[]`, 0},
	}
	for _, c := range cases {
		virtually(t, c.name, func(t *testing.T) {
			client, line := client(reply(200, c.body))
			client.Keys = nil // which an exchange is to do without
			keys, ends, err := client.ExchangeProof(t.Context(), proof)
			if c.life == 0 {
				if failed := failure(t, err); !failed.Retryable || datadog.IsProofRejected(err) {
					t.Errorf("got %v, want one that is retryable", err)
				}
				return
			}
			want := keysOf("", "", token)
			if err != nil || !keys.Equal(&want) || !ends.Equal(start.Add(c.life)) {
				t.Errorf("got other keys, or the end %v, or the error %v", ends, err)
			}
			if got := line.sent[0]; got.method != "POST" || got.target != basePath+"/api/v2/delegated-token" || got.body != "" ||
				got.header.Get("Authorization") != "Delegated canary-9P1-proof" || got.header.Get("Content-Type") != "application/json" {
				t.Errorf("got the request %+v", got)
			}
		})
	}
}

func TestExchangesThatFail(t *testing.T) {
	const body = `{"errors":["no: canary-9P1-proof canary-3K8-session"]}`
	for status, want := range map[int]struct{ rejected, retryable bool }{
		400: {true, false}, 401: {true, false}, 403: {true, false}, 404: {true, false}, 429: {false, true}, 500: {false, true}, 503: {false, true},
	} {
		virtually(t, fmt.Sprint(status), func(t *testing.T) {
			client, line := client(reply(status, body))
			client.Keys = nil
			_, _, err := client.ExchangeProof(t.Context(), proof)
			failed := failure(t, err)
			if failed.Retryable != want.retryable || datadog.IsProofRejected(err) != want.rejected || want.rejected && line.tries() != 1 {
				t.Errorf("got %v after %d tries, want retryable %t", err, line.tries(), want.retryable)
			}
			wantPresentable(t, err, "canary-9P1-proof", "canary-3K8-session")
		})
	}
}

// TestExchangesThatAProxyRefuses expects that the proof is not taken to be rejected.
func TestExchangesThatAProxyRefuses(t *testing.T) {
	for _, status := range []int{400, 403, 404, 407} {
		virtually(t, fmt.Sprint(status), func(t *testing.T) {
			client, line := client(reply(status, "<html>"))
			if _, _, err := client.ExchangeProof(t.Context(), proof); datadog.IsProofRejected(err) || !failure(t, err).Retryable || line.tries() != 4 {
				t.Errorf("got %v after %d tries, want a failure that may pass", err, line.tries())
			}
		})
	}
}

// TestKeysErrorsAreNoAnswer checks that an answer about the keys is not taken for an answer to the call.
func TestKeysErrorsAreNoAnswer(t *testing.T) {
	for _, status := range []int{400, 403, 404, 422} {
		client, _ := client(reply(200, ""))
		client.Keys = func(context.Context, *datadog.Keys) (*datadog.Keys, error) {
			return nil, &datadog.Error{Status: status}
		}
		err := get(t.Context(), client)
		var answer *datadog.Error
		if datadog.IsInvalidCredential(err) || datadog.IsForbidden(err) || datadog.IsNotOffered(err) || !errors.As(err, &answer) || answer.Status != status {
			t.Errorf("got %v, want no answer to the call, with the %d inside", err, status)
		}
	}
}

func TestWarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, line := client(reply(404, "any"))
		asked := 0
		client.Keys = func(context.Context, *datadog.Keys) (*datadog.Keys, error) {
			asked++
			return nil, errors.New("not there")
		}
		client.Warm(t.Context())
		if asked != 1 || line.tries() != 1 {
			t.Fatalf("asked %d times for keys and sent %d requests, want one of each", asked, line.tries())
		}
		if sent := line.sent[0]; sent.method != http.MethodHead || sent.target != basePath || len(authentication(sent.header)) > 0 {
			t.Errorf("got %+v, want HEAD without keys", sent)
		}
	})
}

// TestWarmWithoutTLS checks that nothing is sent to a host on this machine.
func TestWarmWithoutTLS(t *testing.T) {
	line := &line{}
	clientOf("http://127.0.0.1:1", line).Warm(t.Context())
	if line.tries() != 0 {
		t.Errorf("sent %d requests, want none", line.tries())
	}
}

// TestWarmEndsInTime has the keys and the connection hang.
func TestWarmEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := client(func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() })
		client.Keys = func(ctx context.Context, _ *datadog.Keys) (*datadog.Keys, error) { <-ctx.Done(); return nil, ctx.Err() }
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		client.Warm(ctx)
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("took %v, want 5s", took)
		}
	})
}

// TestWarmLeavesAConnection checks that the first call uses it.
func TestWarmLeavesAConnection(t *testing.T) {
	connections := make(chan struct{}, 10)
	server := listen(t, func() { connections <- struct{}{} })
	client := clientOf(server.URL+basePath, server.Client().Transport)
	client.Warm(t.Context())
	if err := get(t.Context(), client); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("got %v, want a 404", err)
	}
	if len(connections) != 1 {
		t.Errorf("made %d connections, want 1", len(connections))
	}
}

// listen returns a server that has no path. It calls connected for each new connection.
func listen(t *testing.T, connected func()) *httptest.Server {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"errors":["Not found"]}`)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connected()
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}
