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

	// slow is true if Datadog tries or stores a credential during the call.
	slow bool
	// once is true if a call that Datadog may have done is not repeated.
	once bool
	// doubted are the statuses that count only when Datadog gives them twice. If the
	// operation is optional, they say that Datadog does not offer it to these keys.
	doubted  []int
	optional bool
	// aboutKeys is true if the call only asks whether the keys are valid.
	aboutKeys bool
}

// notOffered are the statuses of an operation that Datadog does not offer.
var notOffered = []int{http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented}

// The permissions are those of Datadog's API description.
//
// Reads and validations are safe to repeat, because they change nothing. So is the
// PUT of the Azure integration, because it sets what it has set before. A PATCH also
// moves modified_at, and a repeated one can undo a change that another client made
// in between. Only the config shows whether the first one was made.
var (
	listConfigs        = operation{name: "list", permission: "integrations_read"}
	getConfig          = operation{name: "get", permission: "integrations_read", doubted: []int{http.StatusForbidden}}
	updateConfig       = operation{name: "update", permission: "manage_integrations", slow: true, once: true}
	validateCredential = operation{name: "validate", permission: "integrations_read", slow: true, doubted: notOffered, optional: true}
	validateStored     = operation{name: "validate stored", permission: "integrations_read", slow: true, doubted: notOffered, optional: true}
	updateAzure        = operation{name: "update azure", permission: "azure_configuration_edit", slow: true}
	exchangeProof      = operation{name: "exchange proof"}
	validateKeys       = operation{name: "validate keys", aboutKeys: true}
)

// meaning returns what a status says about a call. The words of an answer often say
// no more than the status.
func (o operation) meaning(status int, fromDatadog bool) string {
	switch {
	case !fromDatadog && (status >= 400 && status < 500 || status == http.StatusNotImplemented):
		return "the answer is not in Datadog's form and may come from a proxy on the way"
	case status == http.StatusUnauthorized, status == http.StatusForbidden && o.aboutKeys:
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
