package datadog_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"credential-relay/datadog"
)

// The secrets that the calls of these tests send. No error may hold them.
const (
	apiKey   = "canary-4D1-datadog-apikey"
	appKey   = "canary-8E2-datadog-appkey"
	token    = "canary-7B9-datadog-token"
	apiToken = "canary-5M3-00aBcDeFgHiJkLm"
)

const (
	configID = datadog.ConfigID("11111111-2222-3333-4444-555555555555")
	// All clients here have a base path, so that a test fails if a path is absolute by mistake.
	basePath    = "/base/path"
	configsPath = basePath + "/api/v2/security_monitoring/configuration/integration_config"
	oktaConfig  = `{"id":"11111111-2222-3333-4444-555555555555","type":"integration_config","attributes":` +
		`{"integration_type":"OKTA","domain":"acme.okta.com","enabled":true}}`
)

var oktaSecrets = datadog.Secrets{"api_token": datadog.NewSecret(apiToken)}

// answersNothing reports whether a method's success has no body or an empty object.
func answersNothing(call string) bool {
	return call == "ValidateCredential" || call == "ValidateStored" || call == "UpdateAzureIntegration"
}

// doubts reports whether a method repeats its call after Datadog's own answer with this status.
func doubts(call string, status int) bool {
	switch call {
	case "ValidateCredential", "ValidateStored":
		return status == 403 || status == 404 || status == 405 || status == 501
	case "GetIntegrationConfig":
		return status == 403
	}
	return false
}

// calls are the methods of Client, each with the answer of a success and the credential that it sends.
var calls = []struct {
	name, good, carries string
	do                  func(context.Context, *datadog.Client) error
}{
	{"ListIntegrationConfigs", `{"data":[` + oktaConfig + `]}`, "", func(ctx context.Context, c *datadog.Client) error {
		_, err := c.ListIntegrationConfigs(ctx, datadog.Okta)
		return err
	}},
	{"GetIntegrationConfig", `{"data":` + oktaConfig + `}`, "", get},
	{"UpdateIntegrationConfig", `{"data":` + oktaConfig + `}`, apiToken, update},
	{"ValidateCredential", "", apiToken, func(ctx context.Context, c *datadog.Client) error {
		return c.ValidateCredential(ctx, datadog.Okta, "acme.okta.com", oktaSecrets)
	}},
	{"ValidateStored", "", "", func(ctx context.Context, c *datadog.Client) error { return c.ValidateStored(ctx, configID) }},
	{"UpdateAzureIntegration", "{}", apiToken, updateAzure},
	{"ValidateKeys", `{"status":"ok"}`, "", func(ctx context.Context, c *datadog.Client) error { return c.ValidateKeys(ctx) }},
}

func get(ctx context.Context, c *datadog.Client) error {
	_, err := c.GetIntegrationConfig(ctx, configID)
	return err
}

func update(ctx context.Context, c *datadog.Client) error {
	_, err := c.UpdateIntegrationConfig(ctx, configID, datadog.Update{Type: datadog.Okta, Secrets: oktaSecrets})
	return err
}

// line carries requests in process. Each of its answers is for one request, and the last is for all that follow.
type line struct {
	answers []answer

	mu   sync.Mutex
	sent []sent
}

type answer func(*http.Request) (*http.Response, error)

// sent is a request as it would go over the wire.
type sent struct {
	method, target string // target: the escaped path and the query
	header         http.Header
	body           string
	at             time.Time
}

func (l *line) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body.Close()
	}
	l.mu.Lock()
	l.sent = append(l.sent, sent{r.Method, r.URL.RequestURI(), r.Header.Clone(), string(body), time.Now()})
	next := l.answers[min(len(l.sent), len(l.answers))-1]
	l.mu.Unlock()
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return next(r)
}

// tries returns how many requests were sent.
func (l *line) tries() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.sent)
}

// client returns a client whose requests get these answers, and the line that carries them.
func client(answers ...answer) (*datadog.Client, *line) {
	l := &line{answers: answers}
	return clientOf("https://api.example"+basePath, l), l
}

func clientOf(address string, transport http.RoundTripper) *datadog.Client {
	u, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	keys := datadog.Keys{API: datadog.NewSecret(apiKey), Application: datadog.NewSecret(appKey)}
	return &datadog.Client{URL: u, Keys: datadog.Fixed(keys), Transport: transport}
}

// reply answers with a status, a body and headers in the form "Name: value".
func reply(status int, body string, headers ...string) answer {
	return func(r *http.Request) (*http.Response, error) {
		header := http.Header{}
		for _, field := range headers {
			name, value, _ := strings.Cut(field, ": ")
			header.Set(name, value)
		}
		return &http.Response{
			StatusCode: status, Header: header, Request: r,
			Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
		}, nil
	}
}

// says answers as Datadog does: with its own JSON.
func says(status int) answer { return reply(status, `{"errors":["Datadog says so"]}`) }

func lost(err error) answer {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

// virtually runs a test in virtual time.
func virtually(t *testing.T, name string, test func(*testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

// failure returns the package's own error in err. It ends the test if there is none.
func failure(t *testing.T, err error) *datadog.Error {
	t.Helper()
	var failed *datadog.Error
	if !errors.As(err, &failed) {
		t.Fatalf("got %v, want a *datadog.Error", err)
	}
	return failed
}

// once makes a call that has no time for a second attempt.
func once(t *testing.T, c *datadog.Client, do func(context.Context, *datadog.Client) error) error {
	return do(soon{t.Context()}, c)
}

// soon has a deadline that is always nearer than the shortest wait and never comes, so that an attempt can be slow.
type soon struct{ context.Context }

func (soon) Deadline() (time.Time, bool) { return time.Now().Add(499 * time.Millisecond), true }

func TestClientSends(t *testing.T) {
	type request struct{ method, target, body string }
	cases := []struct {
		name string
		do   func(context.Context, *datadog.Client) error
		want request
	}{
		{"list all", func(ctx context.Context, c *datadog.Client) error {
			_, err := c.ListIntegrationConfigs(ctx, "")
			return err
		}, request{"GET", configsPath, ""}},
		{"list a type", func(ctx context.Context, c *datadog.Client) error {
			_, err := c.ListIntegrationConfigs(ctx, datadog.Okta)
			return err
		}, request{"GET", configsPath + "?filter%5Bintegration_type%5D=OKTA", ""}},
		{"list a type with characters of a query", func(ctx context.Context, c *datadog.Client) error {
			_, err := c.ListIntegrationConfigs(ctx, "A&b=c #ü")
			return err
		}, request{"GET", configsPath + "?filter%5Bintegration_type%5D=A%26b%3Dc+%23%C3%BC", ""}},
		{"get", get, request{"GET", configsPath + "/" + string(configID), ""}},
		{"update", update, request{
			"PATCH", configsPath + "/" + string(configID),
			`{"data":{"attributes":{"integration_type":"OKTA","secrets":{"api_token":"` + apiToken + `"}},"type":"integration_config"}}`,
		}},
		{"validate a credential", func(ctx context.Context, c *datadog.Client) error {
			return c.ValidateCredential(ctx, datadog.Okta, "acme.okta.com", oktaSecrets)
		}, request{
			"POST", configsPath + "/validate", `{"data":{"attributes":{"domain":"acme.okta.com","integration_type":"OKTA",` +
				`"secrets":{"api_token":"` + apiToken + `"}},"type":"integration_config"}}`,
		}},
		{"validate no credential", func(ctx context.Context, c *datadog.Client) error {
			return c.ValidateCredential(ctx, datadog.EntraID, "default", nil)
		}, request{
			"POST", configsPath + "/validate",
			`{"data":{"attributes":{"domain":"default","integration_type":"ENTRA_ID"},"type":"integration_config"}}`,
		}},
		{"validate what is stored", func(ctx context.Context, c *datadog.Client) error {
			return c.ValidateStored(ctx, configID)
		}, request{"POST", configsPath + "/" + string(configID) + "/validate", ""}},
		{"validate the keys", func(ctx context.Context, c *datadog.Client) error {
			return c.ValidateKeys(ctx)
		}, request{"GET", basePath + "/api/v2/validate_keys", ""}},
	}
	for _, c := range cases {
		virtually(t, c.name, func(t *testing.T) {
			client, line := client(says(400))
			if err := c.do(t.Context(), client); err == nil {
				t.Error("got no error from a 400")
			}
			if line.tries() != 1 {
				t.Fatalf("got %d requests, want 1", line.tries())
			}
			got := line.sent[0]
			if got := (request{got.method, got.target, strings.TrimSpace(got.body)}); got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
			want := http.Header{
				"Accept": {"application/json"}, "User-Agent": got.header["User-Agent"], "Dd-Api-Key": {apiKey}, "Dd-Application-Key": {appKey},
			}
			if c.want.body != "" {
				want["Content-Type"] = []string{"application/json"}
			}
			if !reflect.DeepEqual(got.header, want) {
				t.Errorf("got headers  %v\nwant headers %v", got.header, want)
			}
			if agent := got.header.Get("User-Agent"); !regexp.MustCompile(`^credential-relay \(go go1\.\S+; os \w+; arch \w+\)$`).MatchString(agent) {
				t.Errorf("got User-Agent %q", agent)
			}
		})
	}
}

func TestClientEscapesIDs(t *testing.T) {
	var targets []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		targets = append(targets, r.Method+" "+r.RequestURI)
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"errors":["no"]}`)
	}))
	defer server.Close()
	client := clientOf(server.URL+basePath, server.Client().Transport)

	cases := []struct{ id, want string }{
		{"abc-123_~", "abc-123_~"},
		{"a/b c", "a%2Fb%20c"},
		{".", "%2E"},
		{"..", "%2E%2E"},
		{"...", "%2E%2E%2E"},
		{"a..b", "a..b"},
		{"../validate", "..%2Fvalidate"},
		{"a/../../b", "a%2F..%2F..%2Fb"},
		{"%2F", "%252F"},
		{"%2E%2E", "%252E%252E"},
		{"%zz", "%25zz"},
		{"ü", "%C3%BC"},
		{"\xff", "%FF"},
		{"a?b=c#d", "a%3Fb=c%23d"},
		{`a\b`, "a%5Cb"},
		{"a\r\nHost: b", "a%0D%0AHost:%20b"},
	}
	for _, c := range cases {
		t.Run(c.id, func(t *testing.T) {
			targets = nil
			id := datadog.ConfigID(c.id)
			_, getErr := client.GetIntegrationConfig(t.Context(), id)
			_, updateErr := client.UpdateIntegrationConfig(t.Context(), id, datadog.Update{Type: datadog.Okta})
			validateErr := client.ValidateStored(t.Context(), id)
			for _, err := range []error{getErr, updateErr, validateErr} {
				if status := failure(t, err).Status; status != http.StatusBadRequest {
					t.Errorf("got status %d, want 400: %v", status, err)
				}
			}
			path := configsPath + "/" + c.want
			if want := []string{"GET " + path, "PATCH " + path, "POST " + path + "/validate"}; !reflect.DeepEqual(targets, want) {
				t.Errorf("got  %q\nwant %q", targets, want)
			}
		})
	}
}

func TestClientKeepsItsBasePath(t *testing.T) {
	const path = "/api/v2/security_monitoring/configuration/integration_config/x"
	cases := []struct{ name, address, want string }{
		{"none", "https://api.example", path},
		{"root", "https://api.example/", path},
		{"one", "https://api.example/datadog", "/datadog" + path},
		{"with a slash behind", "https://api.example/datadog/", "/datadog" + path},
		{"escaped", "https://api.example/a%2Fb/%C3%BC", "/a%2Fb/%C3%BC" + path},
		{"to be escaped", "https://api.example/a b/ü", "/a%20b/%C3%BC" + path},
	}
	for _, c := range cases {
		virtually(t, c.name, func(t *testing.T) {
			line := &line{answers: []answer{says(404)}}
			client := clientOf(c.address, line)
			before := client.URL.String()
			if _, err := client.GetIntegrationConfig(t.Context(), "x"); err == nil {
				t.Error("got no error from a 404")
			}
			if got := line.sent[0].target; got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if after := client.URL.String(); after != before {
				t.Errorf("the call changed the client's URL from %s to %s", before, after)
			}
		})
	}
}

func TestClientServesManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, call := range calls {
			client, line := client(reply(503, ""), reply(429, "", "X-RateLimit-Reset: 1"), reply(200, call.good))
			var group sync.WaitGroup
			for range 20 {
				group.Go(func() {
					if err := call.do(t.Context(), client); err != nil {
						t.Errorf("%s: %v", call.name, err)
					}
				})
			}
			group.Wait()
			if line.tries() != 22 {
				t.Errorf("%s: got %d requests, want 22", call.name, line.tries())
			}
		}
	})
}

// TestClientFollowsNoRedirect counts the requests that reach a second server, where a redirect would take the keys.
func TestClientFollowsNoRedirect(t *testing.T) {
	var reached atomic.Int64
	second := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer second.Close()
	var status, tries atomic.Int64
	var location atomic.Value
	first := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		tries.Add(1)
		if to := location.Load().(string); to != "" {
			w.Header().Set("Location", to)
		}
		w.WriteHeader(int(status.Load()))
	}))
	defer first.Close()
	client := clientOf(first.URL+basePath, first.Client().Transport)

	locations := []struct{ name, to string }{
		{"another server", second.URL + "/there"},
		{"the same server", "/there"},
		{"a page of its own", "https://login.example/?from=" + apiToken},
		{"no location", ""},
		{"no URL", "http://[" + apiToken},
		{"no scheme of ours", "gopher://there"},
	}
	for _, l := range locations {
		for _, s := range []int{300, 301, 302, 303, 304, 307, 308} {
			t.Run(fmt.Sprintf("%s/%d", l.name, s), func(t *testing.T) {
				location.Store(l.to)
				status.Store(int64(s))
				tries.Store(0)
				err := once(t, client, update)
				failed := failure(t, err)
				if failed.Status != s || failed.Retryable {
					t.Errorf("got status %d, retryable %t, want %d, false", failed.Status, failed.Retryable, s)
				}
				if failed.Uncertain {
					t.Error("the redirect of a PATCH leaves doubt")
				}
				if want := "redirects are not followed; check DD_SITE or DD_API_URL"; !strings.HasSuffix(err.Error(), want) {
					t.Errorf("got %q, want it to end in %q", err, want)
				}
				if strings.Contains(err.Error(), apiToken) {
					t.Errorf("the error quotes the location: %v", err)
				}
				if tries.Load() != 1 {
					t.Errorf("got %d tries, want 1", tries.Load())
				}
			})
		}
	}
	if reached.Load() != 0 {
		t.Errorf("the second server saw %d requests", reached.Load())
	}
}

func TestClientTrustsNoStranger(t *testing.T) {
	var reached atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reached.Add(1)
		_, _ = io.WriteString(w, `{"data":`+oktaConfig+`}`)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it reports every refused handshake
	server.StartTLS()
	defer server.Close()

	if err := get(t.Context(), clientOf(server.URL, server.Client().Transport)); err != nil {
		t.Errorf("with its certificate trusted, got %v", err)
	}
	reached.Store(0)
	strangers := []struct {
		name      string
		transport *http.Transport
	}{
		{"unknown authority", &http.Transport{}},
		{"another name", &http.Transport{TLSClientConfig: &tls.Config{
			RootCAs: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, ServerName: "api.datadoghq.com",
		}}},
	}
	for _, s := range strangers {
		t.Run(s.name, func(t *testing.T) {
			defer s.transport.CloseIdleConnections()
			failed := failure(t, once(t, clientOf(server.URL, s.transport), get))
			if failed.Status != 0 || failed.Retryable || failed.RetryAfter != 0 {
				t.Errorf("got %+v, want no status, and not retryable", failed)
			}
			if !strings.Contains(failed.Error(), "certificate") || strings.Contains(failed.Error(), server.URL) {
				t.Errorf("got %q, want it to tell of the certificate, and no URL", failed)
			}
		})
	}
	if reached.Load() != 0 {
		t.Errorf("the server saw %d requests", reached.Load())
	}
}

// TestClientLosesConnections loses real connections, and checks what the errors permit a caller to do and that they
// quote no secret.
func TestClientLosesConnections(t *testing.T) {
	const echo = apiToken + " " + apiKey
	cases := []struct {
		name string
		say  string // what the server sends, once it has read something
		is   error
	}{
		{"closed without an answer", "", io.EOF},
		{"reset", "RST", syscall.ECONNRESET},
		{"cut off in the status", "HTTP/1.1 2", nil},
		{"cut off in the header", "HTTP/1.1 200 OK\r\nContent-", nil},
		{"cut off in the body", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"data\":", io.ErrUnexpectedEOF},
		{"cut off in a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n{\"data\":", io.ErrUnexpectedEOF},
		{"no HTTP, and an echo", "you said " + echo + "\r\n\r\n", nil},
		{"an echo for a status", "HTTP/1.1 " + echo + "\r\n\r\n", nil},
		{"an echo for a header", "HTTP/1.1 200 OK\r\n" + echo + "\r\n\r\n", nil},
		{"a long echo for a header", "HTTP/1.1 200 OK\r\n" + strings.Repeat("no colon ", 10_000) + echo + "\r\n\r\n", nil},
		{"an echo for a trailer", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n0\r\n" + echo + "\r\n\r\n", nil},
		{"control characters", "HTTP/1.1 200 OK\r\n\x1b[2J\a no header\r\n\r\n", nil},
		{"no TLS", "", nil},
	}
	for _, c := range cases {
		for _, call := range calls {
			t.Run(c.name+"/"+call.name, func(t *testing.T) {
				t.Parallel()
				address := rawServer(t, c.say)
				if c.name == "no TLS" {
					address = strings.Replace(address, "http:", "https:", 1)
				}
				transport := &http.Transport{DisableKeepAlives: true}
				err := once(t, clientOf(address, transport), call.do)
				failed := failure(t, err)
				uncertain := call.name == "UpdateIntegrationConfig" && c.name != "no TLS" // whose handshake comes first
				if !failed.Retryable || failed.Uncertain != uncertain || !uncertain && failed.RetryAfter < 500*time.Millisecond {
					t.Errorf("got %+v, want it to be retryable after 0.5s or more, or uncertain", failed)
				}
				if c.is != nil && !errors.Is(err, c.is) {
					t.Errorf("got %v, want it to be %v", err, c.is)
				}
				wantPresentable(t, err, apiKey, call.carries)
			})
		}
	}
	t.Run("refused", func(t *testing.T) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listener.Close()
		for _, call := range calls {
			err = once(t, clientOf("http://"+listener.Addr().String(), &http.Transport{}), call.do)
			failed := failure(t, err)
			if !failed.Retryable || failed.Uncertain || failed.RetryAfter == 0 || failed.Status != 0 || !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("%s: got %+v, want a retryable ECONNREFUSED", call.name, failed)
			}
		}
	})
}

// TestClientBehindAProxy has a proxy refuse to connect. The request was certainly not sent then, and no error quotes the
// proxy's password.
func TestClientBehindAProxy(t *testing.T) {
	var connects atomic.Int64
	var seen atomic.Value
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		connects.Add(1)
		seen.Store(fmt.Sprint(r.Method, r.Header))
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer proxy.Close()
	address, err := url.Parse(strings.Replace(proxy.URL, "http://", "http://me:canary-5N2-proxy@", 1))
	if err != nil {
		t.Fatal(err)
	}
	transport := datadog.NewTransport()
	transport.Proxy = http.ProxyURL(address)
	err = once(t, clientOf("https://api.example", transport), update)
	if failed := failure(t, err); failed.Uncertain || !failed.Retryable || failed.RetryAfter == 0 || connects.Load() != 1 {
		t.Errorf("got %+v after %d tries, want one that is to be made again, without doubt", failed, connects.Load())
	}
	if got := seen.Load().(string); !strings.HasPrefix(got, "CONNECT") || strings.Contains(got, "canary-4D1") || strings.Contains(err.Error(), "canary-5N2") {
		t.Errorf("the proxy got %s, and the error is %v", got, err)
	}
}

// TestClientReplacesClosedConnections has the server close an idle connection. A PATCH then either gets another one, or
// fails in doubt: it is never sent twice.
func TestClientReplacesClosedConnections(t *testing.T) {
	var patches atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		patches.Add(1)
		_, _ = io.WriteString(w, goodConfig)
	}))
	defer server.Close()
	client := clientOf(server.URL+basePath, datadog.NewTransport())
	for range 20 {
		if err := update(t.Context(), client); err != nil && !failure(t, err).Uncertain {
			t.Errorf("got %v", err)
		}
		server.CloseClientConnections()
	}
	if got := patches.Load(); got > 20 {
		t.Errorf("20 PATCHes were sent %d times", got)
	}
}

// rawServer reads a request, writes a text and closes the connection.
func rawServer(t *testing.T, say string) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			// Read the request to its end, because closing earlier would reset the connection.
			request, err := http.ReadRequest(bufio.NewReader(conn))
			if err == nil {
				_, _ = io.Copy(io.Discard, request.Body)
			}
			if say == "RST" {
				_ = conn.(*net.TCPConn).SetLinger(0)
			} else {
				_, _ = io.WriteString(conn, say)
			}
			conn.Close()
		}
	}()
	return "http://" + listener.Addr().String()
}

// wantPresentable checks what holds for every error of this package: its text is bounded, has no control characters and
// holds none of the secrets.
func wantPresentable(t *testing.T, err error, secrets ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("got no error")
	}
	text := err.Error()
	if utf8.RuneCountInString(text) > 5*300+500 {
		t.Errorf("the error is %d bytes long: %.200s…", len(text), text)
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
		t.Errorf("the error has a character at %d that is not printable: %q", i, text)
	}
	for _, secret := range secrets {
		if secret != "" && strings.Contains(text, secret) {
			t.Errorf("the error holds %s: %s", secret, text)
		}
	}
}

// TestClientLeavesASwitchedProtocol has a server that switches protocols and then sends nothing. net/http heeds no
// deadline when it reads from such a connection.
func TestClientLeavesASwitchedProtocol(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: silence\r\n\r\n")
	}()
	done := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	go func() { done <- get(ctx, clientOf("http://"+listener.Addr().String(), &http.Transport{})) }()
	select {
	case err := <-done:
		if failed := failure(t, err); failed.Status != http.StatusSwitchingProtocols || failed.Retryable {
			t.Errorf("got %+v, want a 101 that is not retryable", failed)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the call outlived its deadline")
	}
}

// FuzzAnswer has every method read any two answers. None makes it panic, and it reports success only for a success.
func FuzzAnswer(f *testing.F) {
	for _, body := range []string{
		"", " ", "{}", "[]", "null", `""`, "0", "{", "<html>", "\x00", "\xff\xfe", `{"data":null}`, `{"data":[]}`, `{"data":{}}`,
		`{"data":[null]}`, `{"data":[{}]}`, `{"data":` + oktaConfig + `}`, `{"data":[` + oktaConfig + `]}`,
		`{"data":` + oktaConfig + `,"data":5}`, `{"data":[` + oktaConfig + `],"data":5}`, `{"data":` + oktaConfig + `,"data":{"id":""}}`,
		`{"data":{"id":"` + string(configID) + `"}}`, `{"data":{"id":"another","attributes":{}}}`, `{"data":` + oktaConfig + `} trailing`,
		`{"errors":["no"]}`, `{"errors":[{"title":"no","detail":"\u0000"}]}`, `{"errors":{}}`, `{"errors":[[[[]]]]}`, `{"error":{"code":3,"message":"no"}}`,
		`{"errors":` + strings.Repeat("[", 12_000), strings.Repeat(`{"data":`, 12_000), strings.Repeat("a", 3000), "\u202e\u2028\x1b[2J",
	} {
		f.Add(uint16(200), uint16(200), body, "{}", "1")
		if len(body) > 10_000 {
			continue // for time's sake
		}
		f.Add(uint16(503), uint16(204), body, `{"errors":[],"data":`+body+`}`, "-1")
		f.Add(uint16(429), uint16(200), body, body, "9e99")
		f.Add(uint16(400), uint16(200), body, "", "")
		f.Add(uint16(302), uint16(200), body, "", "NaN")
	}
	f.Fuzz(func(t *testing.T, status, then uint16, body, thenBody, reset string) {
		first := answered{100 + int(status-100)%900, body}
		second := answered{100 + int(then-100)%900, thenBody}
		synctest.Test(t, func(t *testing.T) {
			for _, call := range calls {
				headers := []string{"X-RateLimit-Reset: " + reset, "X-RateLimit-Name: " + body}
				client, line := client(reply(first.status, first.body, headers...), reply(second.status, second.body, headers...))
				err := call.do(t.Context(), client)
				last := first
				if line.tries() > 1 {
					last = second
				}
				if err == nil {
					if why := last.notASuccess(call.name); why != "" {
						t.Errorf("%s reports success, but %s: %d %q, then %d %q", call.name, why, first.status, first.body, second.status, second.body)
					}
					continue
				}
				wantPresentable(t, err)
				if got := failure(t, err).Status; got != last.status {
					t.Errorf("%s: got status %d, want %d", call.name, got, last.status)
				}
			}
		})
	})
}

type answered struct {
	status int
	body   string
}

// notASuccess returns why an answer is not a success of a call, or "" if it is one.
func (a answered) notASuccess(call string) string {
	if a.status < 200 || a.status > 299 {
		return "the status is none"
	}
	var object struct {
		Errors, Error any
		Status        string
	}
	err := json.Unmarshal([]byte(a.body), &object)
	for _, reported := range []any{object.Errors, object.Error} {
		if list, isList := reported.([]any); reported != nil && (!isList || len(list) > 0) {
			return "the answer reports errors"
		}
	}
	switch {
	case answersNothing(call) && strings.TrimSpace(a.body) == "":
		return ""
	case answersNothing(call) && err != nil, call == "ValidateKeys" && err != nil:
		return "the answer is not the object that it should be"
	case call == "ValidateKeys" && object.Status != "ok":
		return "the status is not ok"
	case answersNothing(call), call == "ValidateKeys":
		return ""
	}
	type config struct {
		ID         string
		Attributes map[string]any
	}
	var one struct{ Data config }
	var all struct{ Data []config }
	if call == "ListIntegrationConfigs" {
		if err = json.Unmarshal([]byte(a.body), &all); all.Data == nil {
			return "there is no list"
		}
	} else {
		err = json.Unmarshal([]byte(a.body), &one)
		all.Data = []config{one.Data}
		if !strings.EqualFold(one.Data.ID, string(configID)) {
			return "it is not of the config"
		}
	}
	if err != nil {
		return err.Error()
	}
	for _, config := range all.Data {
		if config.ID == "" || config.Attributes == nil {
			return "a config has no id or no attributes"
		}
	}
	return ""
}
