package awssim

import (
	"context"
	"flag"
	"net"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
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
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			reset(t, client, endpoint)
			rule.run(newCloud(t, endpoint, client, retryDroppedConnections))
		})
	}
}

// retryDroppedConnections returns a retryer that repeats a call if its connection broke, and reports every answer. moto's
// server closes the connection when it has answered, and can do so before the client has read all of an error's answer. A
// call that moto refused changed nothing, so it can be repeated.
func retryDroppedConnections() aws.Retryer {
	return retry.NewStandard(func(options *retry.StandardOptions) {
		options.MaxAttempts = 5
		options.Retryables = []retry.IsErrorRetryable{retry.RetryableConnectionError{}}
	})
}

// reset empties moto.
func reset(t *testing.T, client *http.Client, endpoint string) {
	t.Helper()
	var problem error
	for range 5 {
		answer, err := client.Post(endpoint+"/moto-api/reset", "", nil)
		if problem = err; err == nil {
			answer.Body.Close()
			return
		}
	}
	t.Fatalf("moto could not be reset: %v", problem)
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
