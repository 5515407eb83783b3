package main

import (
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"credential-relay/internal/awssim"
	"credential-relay/internal/datadogsim"
)

// These are the commands of scenarios about the ways to authenticate.

// federation ORG maps the function's AWS identity to a service account of an
// organization.
func trustAWS(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 1, "federation ORG")
	w := worldOf(ts)
	w.datadog.TrustAWS(args[0], "AKIDEXAMPLE", canaries["AWS_SECRETKEY"], canaries["AWS_SESSION"], awssim.Region)
	w.datadog.IssueTokens(canaries["ISSUED"], time.Hour)
}

// revoke has Datadog refuse all tokens that it has issued so far.
func revokeTokens(ts *testscript.TestScript, _ bool, _ []string) {
	worldOf(ts).datadog.RevokeTokens()
}

// start READS starts the function without an event, and waits until it has read
// secrets so often and been given the token that it asks for, if any.
func startEarly(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 1, "start READS")
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	w := worldOf(ts)
	startFunction(ts, w)
	for patience := time.Now().Add(10 * time.Second); time.Now().Before(patience); time.Sleep(10 * time.Millisecond) {
		reads, exchanged := 0, ts.Getenv("DD_ORG_UUID") == ""
		for _, call := range w.aws.Calls() {
			if call.Operation == "GetSecretValue" {
				reads++
			}
		}
		for _, request := range w.datadog.Requests() {
			exchanged = exchanged || request.Operation == datadogsim.DelegatedToken && request.Status != 0
		}
		if reads == want && exchanged {
			return
		}
	}
	ts.Fatalf("the function has not read %d secrets, or has no token of Datadog's", want)
}
