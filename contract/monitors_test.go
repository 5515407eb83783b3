package contract

import (
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var makeMonitor = operation{"POST", "/api/v1/monitor"}

// TestMonitors checks that Datadog accepts the monitors in docs, and that the check
// finds a typing error.
func TestMonitors(t *testing.T) {
	directory, err := download(pinned)
	if unavailable := (errUnavailable{}); errors.As(err, &unavailable) {
		t.Skip("SKIPPED TIER: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	described, err := read(directory, []operation{makeMonitor})
	if err != nil {
		t.Fatal(err)
	}
	check := newChecker(t, described, true)
	files, err := filepath.Glob("../docs/datadog-monitor-*.json")
	if err != nil || len(files) != 2 {
		t.Fatalf("found the monitors %q, %v", files, err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := check.request(monitor(string(body))); len(found) > 0 {
			t.Errorf("%s: %q", file, found)
		}
		for _, part := range []string{"query alert", "thresholds", "resolve", "query\""} {
			if wrong := strings.Replace(string(body), part, "x"+part, 1); len(check.request(monitor(wrong))) == 0 {
				t.Errorf("%s is taken with x%s", file, part)
			}
		}
	}
}

func monitor(body string) exchange {
	request := httptest.NewRequest(makeMonitor.method, makeMonitor.path, nil)
	for name, value := range map[string]string{"Content-Type": "application/json", "DD-API-KEY": "key", "DD-APPLICATION-KEY": "key"} {
		request.Header.Set(name, value)
	}
	return exchange{request: request, body: []byte(body)}
}
