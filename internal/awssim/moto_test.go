package awssim

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"
)

var moto = flag.Bool("moto", false, "check the rules of AWS against moto_server, which must be on the PATH")

// TestRulesOfAWSAgainstMoto checks the scenarios against moto, which is another project's simulator of AWS: a rule that moto
// follows too is probably no invention of ours. It needs Python, so `make emulate` runs it and `make test` does not.
func TestRulesOfAWSAgainstMoto(t *testing.T) {
	if !*moto {
		t.Skip("`make emulate` runs this")
	}
	endpoint := startMoto(t)
	for _, rule := range allScenarios() {
		t.Run(rule.name, func(t *testing.T) {
			if rule.moto != "" {
				t.Skip("moto " + rule.moto)
			}
			complaints, broken := tryAgainst(t, endpoint, rule)
			for tries := 1; broken != nil && tries < 5; tries++ {
				complaints, broken = tryAgainst(t, endpoint, rule)
			}
			for _, complaint := range append(complaints, broken...) {
				t.Error(complaint)
			}
		})
	}
}

// tryAgainst checks a rule against an empty moto. It returns what the rule complains about. If a connection broke, it returns
// the errors of that too: then the complaints mean nothing, because nothing says whether moto did what it was asked to do.
// On a busy machine, a connection to moto's server breaks now and then.
func tryAgainst(t *testing.T, endpoint string, rule scenario) (complaints, broken []string) {
	network := &recordingTransport{next: &http.Transport{}}
	defer network.next.CloseIdleConnections()
	notes := &recordingTB{TB: t}
	done := make(chan struct{})
	go func() { // which Fatal ends
		defer close(done)
		reset, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint+"/moto-api/reset", nil)
		if _, err := network.RoundTrip(reset); err == nil {
			rule.run(newCloud(notes, endpoint, network))
		}
	}()
	<-done
	return notes.complaints, network.broken
}

// recordingTransport reads each answer to its end, and records the errors of the network.
type recordingTransport struct {
	next   *http.Transport
	broken []string
}

func (r *recordingTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	answer, err := r.next.RoundTrip(request)
	if err == nil {
		var body []byte
		body, err = io.ReadAll(answer.Body)
		answer.Body.Close()
		answer.Body = io.NopCloser(bytes.NewReader(body))
	}
	if err != nil {
		r.broken = append(r.broken, err.Error())
		return nil, err
	}
	return answer, nil
}

// recordingTB records a test's complaints instead of failing it.
type recordingTB struct {
	testing.TB
	complaints []string
}

func (r *recordingTB) Error(args ...any) { r.complaints = append(r.complaints, fmt.Sprint(args...)) }

func (r *recordingTB) Errorf(format string, args ...any) { r.Error(fmt.Sprintf(format, args...)) }

func (r *recordingTB) Fatal(args ...any) {
	r.Error(args...)
	runtime.Goexit()
}

// startMoto returns the endpoint of a moto_server that ends with the test.
func startMoto(t *testing.T) (endpoint string) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	host, port, _ := net.SplitHostPort(address)
	free.Close()

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	server := exec.CommandContext(ctx, "moto_server", "-H", host, "-p", port)
	server.Env = append(os.Environ(), "MOTO_ACCOUNT_ID="+Account)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	for {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return "http://" + address
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("moto_server ended instead of opening its port: %v", err)
		case <-ctx.Done():
			t.Fatal("moto_server did not open its port within two minutes")
		case <-time.After(50 * time.Millisecond): // it is another process, so its port is all there is to look at
		}
	}
}
