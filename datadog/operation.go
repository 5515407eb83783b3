package datadog

import (
	"fmt"
	"net/http"
)

// operation is one operation of Datadog's API. Its calls share a rate limit and
// need the same permission.
type operation struct {
	name       string
	permission string // empty if any keys will do

	// slow says that Datadog tries or stores a credential meanwhile, which may
	// take long.
	slow bool
	// once says that a call which Datadog may have done is not made again.
	once bool
	// doubted are the statuses that count only when Datadog gives them twice. Of an
	// optional operation they say that Datadog does not offer it to these keys.
	doubted  []int
	optional bool
}

// notOffered are the statuses of an operation that Datadog does not offer.
var notOffered = []int{http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented}

// The permissions are those of Datadog's API description.
//
// Reads are safe to make again, and so are validations, which change nothing.
// The PUT of the Azure integration sets a client secret that it has set already.
// A PATCH would do the same, but it also moves modified_at, and it might undo a
// change that was made since: only the config itself shows whether the first one
// was made.
var (
	listConfigs        = operation{name: "list", permission: "integrations_read"}
	getConfig          = operation{name: "get", permission: "integrations_read", doubted: []int{http.StatusForbidden}}
	updateConfig       = operation{name: "update", permission: "manage_integrations", slow: true, once: true}
	validateCredential = operation{name: "validate", permission: "integrations_read", slow: true, doubted: notOffered, optional: true}
	validateStored     = operation{name: "validate stored", permission: "integrations_read", slow: true, doubted: notOffered, optional: true}
	updateAzure        = operation{name: "update azure", permission: "azure_configuration_edit", slow: true}
	exchangeProof      = operation{name: "exchange proof"}
	validateKeys       = operation{name: "validate keys"}
)

// meaning returns what a status says about a call, since the words of an answer
// are often as short as the status.
func (o operation) meaning(status int, fromDatadog bool) string {
	switch {
	case !fromDatadog && (status >= 400 && status < 500 || status == http.StatusNotImplemented):
		return "not in Datadog's own form, so perhaps from a proxy on the way"
	case status == http.StatusUnauthorized:
		return "Datadog does not know the keys: check them, and that DD_SITE is their site"
	case status == http.StatusForbidden && o.permission != "":
		// A revoked application key gets the same answer.
		return fmt.Sprintf("the keys lack the permission %s, or are no longer valid", o.permission)
	case status == http.StatusConflict:
		return "Datadog holds something that this conflicts with, such as a change made at the same time"
	default:
		return ""
	}
}
