package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestTheShowIsWhatTheREADMESays(t *testing.T) {
	var shown bytes.Buffer
	if err := runLocal(t.Context(), &shown, true); err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(readme, shown.Bytes()) {
		t.Errorf("README.md does not hold what the show prints:\n%s", shown.String())
	}
}

// command is one that the invitation offers, without its comment.
var command = regexp.MustCompile(`(?m)^  curl (?:.*\\\n)*.*$`)

func TestTheCommandsItOffersWork(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("SKIPPED TIER: curl is not on the PATH")
	}
	local, err := newLocal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer local.close()
	local.set(okta, "demo-token-1")
	ctx, cancel := context.WithCancel(t.Context())
	read, written := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- local.stayUp(ctx, written)
		written.Close()
	}()
	printed := lines(read)
	invitation := until(t, printed, `my-app`)

	commands := command.FindAllString(invitation, -1)
	want := []string{`"VersionId"`, `"integration_type":"OKTA"`, `"would_send":["secrets.api_token"]`, `"outcome":"updated"`, `"VersionId"`}
	if len(commands) != len(want) {
		t.Fatalf("the invitation offers %d commands, want %d:\n%s", len(commands), len(want), invitation)
	}
	for i, text := range commands {
		shell := exec.CommandContext(ctx, "sh", "-c", text)
		shell.Dir = "../.."
		answer, err := shell.CombinedOutput()
		if err != nil || !strings.Contains(string(answer), want[i]) {
			t.Errorf("%s\nanswered %s (%v), want %s in it", text, answer, err, want[i])
		}
		switch i {
		case 0: // the event of the rotation is delivered by itself
			until(t, printed, "outcome=updated")
		case 2:
			until(t, printed, "outcome=would_update")
		case 3:
			until(t, printed, "trigger=webhook")
		case 4: // the event of this rotation asks for nothing; the next relay meets refused keys
			until(t, printed, "outcome=ignored")
			if !local.takes(t, "my-api", "my-app") || local.takes(t, demoAPIKey, demoAppKey) {
				t.Error("Datadog's own keys are not rotated")
			}
			local.aws.PutSecret(okta.secret, fmt.Sprintf(okta.format, "demo-token-after"))
			until(t, printed, "outcome=updated")
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// takes reports whether Datadog takes a pair of keys.
func (l *local) takes(t *testing.T, apiKey, appKey string) bool {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, l.datadogURL+"/api/v2/validate_keys", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("DD-API-KEY", apiKey)
	request.Header.Set("DD-APPLICATION-KEY", appKey)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// lines takes what is printed off the printer's hands, so that it never waits.
func lines(from io.Reader) <-chan string {
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(from); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	return lines
}

// until gives the lines up to one that holds a text.
func until(t *testing.T, printed <-chan string, text string) string {
	t.Helper()
	var read strings.Builder
	patience := time.After(20 * time.Second)
	for {
		select {
		case line, ok := <-printed:
			read.WriteString(line + "\n")
			if strings.Contains(line, text) {
				return read.String()
			}
			if !ok {
				t.Fatalf("the end before %q:\n%s", text, read.String())
			}
		case <-patience:
			t.Fatalf("not in time: %q; so far:\n%s", text, read.String())
		}
	}
}
