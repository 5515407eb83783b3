package datadog

import (
	"net/http"
	"slices"
	"strings"
)

// judgesCredential reports whether an answer says that Datadog tried the
// credential and found it not valid. Datadog has no code for that: it answers 400
// or 422, and does so for faults of the request too. So this is every 400 or 422
// in Datadog's own words, unless the words name another fault.
func judgesCredential(status int, fromDatadog bool, messages []string) bool {
	judged := status == http.StatusBadRequest || status == http.StatusUnprocessableEntity
	return judged && fromDatadog && !slices.ContainsFunc(messages, namesAnotherFault)
}

// otherFaults are words, in lower case, of answers that judge no credential.
var otherFaults = []string{
	// another field of the request
	"attributes.domain", "attributes.enabled", "attributes.integration_type", "attributes.name", "attributes.settings",
	"attributes/domain", "attributes/enabled", "attributes/integration_type", "attributes/name", "attributes/settings",
	"data.type", "data.id", "data/type", "data/id", "data is required", "attributes is required",
	"'domain'", `"domain"`, "(domain)", "field domain", "invalid domain", "missing domain", "unknown domain",
	"integration_type",
	// the request as a whole
	"request body", "body must be", "invalid json", "malformed json", "malformed request", "content type", "content-type",
	// something that Datadog does not have: "Azure Integration not yet installed"
	"not installed", "not yet installed", "not integrated", "integration not found", "configuration not found", "config not found",
	"not_found(",
	// the product's server, which Datadog could not ask
	"timeout", "timed out", "no such host", "could not resolve", "could not reach", "could not connect", "unable to resolve",
	"unable to reach", "unable to connect", "connection refused", "connection reset", "temporarily unavailable", "rate limit", "too many requests",
}

// namesAnotherFault reports whether a message of Datadog's is about something
// else than the credential.
func namesAnotherFault(message string) bool {
	message = strings.ReplaceAll(strings.ToLower(message), "domain-wide", "") // a right of a Google credential
	return strings.HasPrefix(message, "domain ") || strings.HasPrefix(message, "the domain ") ||
		slices.ContainsFunc(otherFaults, func(words string) bool { return strings.Contains(message, words) })
}
