package datadog

import (
	"fmt"
	"net/http"
)

// operation is one of Datadog's operations: its calls share a rate limit and
// need the same permission.
type operation struct {
	name, permission string
}

// The permissions are those of Datadog's API description.
var (
	listConfigs        = operation{"list", "integrations_read"}
	getConfig          = operation{"get", "integrations_read"}
	updateConfig       = operation{"update", "manage_integrations"}
	validateCredential = operation{"validate", "integrations_read"}
	validateStored     = operation{"validate stored", "integrations_read"}
	exchangeProof      = operation{"exchange proof", ""}
	updateAzure        = operation{"update azure", "azure_configuration_edit"}
)

// meaning is what a status says about a call of the operation, where Datadog's
// own words tend to be as short as the status.
func (o operation) meaning(status int) string {
	switch {
	case status == http.StatusUnauthorized:
		return "Datadog does not know the keys: check them, and that DD_SITE is their site"
	case status == http.StatusForbidden && o.permission != "":
		// An application key that was revoked gets the same answer.
		return fmt.Sprintf("the keys lack the permission %s, or are no longer valid", o.permission)
	case status == http.StatusConflict:
		return "Datadog holds something that this conflicts with, such as a change made at the same time"
	default:
		return ""
	}
}
