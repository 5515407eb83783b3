package awssim

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestRulesOfAWSAgainstMoto asks somebody else's idea of AWS for a second opinion on the scenarios.
func TestRulesOfAWSAgainstMoto(t *testing.T) {
	path, err := exec.LookPath("moto_server")
	if err != nil {
		t.Skip("SKIPPED TIER: moto_server is not on the PATH, so nobody else was asked about the rules of AWS")
	}
	endpoint := startMoto(t, path)
	for _, rule := range allScenarios() {
		t.Run(rule.name, func(t *testing.T) {
			if rule.moto != "" {
				t.Skip("moto " + rule.moto)
			}
			answer, err := http.Post(endpoint+"/moto-api/reset", "", nil)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			rule.run(newCloud(t, endpoint))
		})
	}
}

// startMoto returns the endpoint of a moto_server that ends with the test.
func startMoto(t *testing.T, path string) (endpoint string) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(free.Addr().String())
	free.Close()

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	moto := exec.CommandContext(ctx, path, "-H", host, "-p", port)
	moto.Env = append(os.Environ(), "MOTO_ACCOUNT_ID="+Account)
	if err := moto.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = moto.Wait() // says only that it was killed
	})
	var dialer net.Dialer
	for ctx.Err() == nil {
		if conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, port)); err == nil {
			conn.Close()
			return "http://" + net.JoinHostPort(host, port)
		}
		time.Sleep(50 * time.Millisecond) // another process: there is nothing to wait on but its port
	}
	t.Fatal("moto_server did not open its port in time")
	return ""
}
