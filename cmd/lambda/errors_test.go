package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/testscript"

	"credential-relay/relay"
)

// maxMessage is how many characters an error has at most, with the sign that it
// was cut.
const maxMessage = 2000 + 1

// outcome [-deadline DURATION] FILE OUTCOME [STAGE retryable|final [TEXT ...]]
// has the function serve an event about one binding, and checks what came of
// it. It is one row of a table.
func checkOutcome(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, args, 2, "outcome [-deadline DURATION] FILE OUTCOME [STAGE retryable|final [TEXT ...]]")
	deadline, args := deadlineOf(ts, args)
	text := serve(ts, neg, []byte(ts.ReadFile(args[0])), deadline)
	fmt.Fprint(ts.Stdout(), text)
	var report struct {
		Results []relay.Result `json:"outcomes"`
	}
	ts.Check(json.Unmarshal([]byte(text), &report))
	if len(report.Results) != 1 {
		ts.Fatalf("want one outcome: %s", text)
	}
	o, want := report.Results[0], args[1:]
	got := []string{string(o.Outcome)}
	if o.Error != nil {
		retryable := map[bool]string{true: "retryable", false: "final"}[o.Error.Retryable]
		got = append(got, string(o.Error.Stage), retryable)
		if length := utf8.RuneCountInString(o.Error.Message); length > maxMessage {
			ts.Fatalf("the message has %d characters", length)
		}
	}
	if told := want[:min(3, len(want))]; strings.Join(got, " ") != strings.Join(told, " ") {
		ts.Fatalf("got %s, want %s: %s", got, told, text)
	}
	for _, part := range want[min(3, len(want)):] {
		if !strings.Contains(o.Error.Message, part) {
			ts.Fatalf("the error lacks %q: %s", part, strconv.Quote(o.Error.Message))
		}
	}
}

// untrusted has Datadog's address be https, with a certificate that nobody
// vouches for.
func serveUntrusted(ts *testscript.TestScript, _ bool, _ []string) {
	w := worldOf(ts)
	server := httptest.NewUnstartedServer(w.datadog)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of every refused handshake
	server.StartTLS()
	w.servers = append(w.servers, server)
	ts.Setenv("DD_API_URL", server.URL)
}
