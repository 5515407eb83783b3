package datadog

import (
	"context"
	"net/http"
)

const azurePath = "/api/v1/integration/azure"

// AzureCredential is the credential of an app registration in the Datadog–Azure
// integration. An integration config of type ENTRA_ID has no secrets of its own
// and reads with this one.
type AzureCredential struct {
	TenantID, ClientID Secret // which app registration
	ClientSecret       Secret // its new client secret
}

// UpdateAzureIntegration changes the client secret of the app registration with
// this tenant and client. Nothing else is sent, so nothing else of it changes. An
// app registration that Datadog does not have is not created.
//
// That Datadog stores the client secret does not mean that it has tried it.
// https://docs.datadoghq.com/api/latest/azure-integration/#update-an-azure-integration
func (c *Client) UpdateAzureIntegration(ctx context.Context, credential AzureCredential) error {
	req := request{
		operation: updateAzure, call: "update the Azure integration", method: http.MethodPut, path: azurePath, judged: true,
	}
	err := req.encode(req.open(Secrets{
		"tenant_name": credential.TenantID, "client_id": credential.ClientID, "client_secret": credential.ClientSecret,
	}))
	if err != nil {
		return &Error{Call: req.call, Err: err}
	}
	return c.do(ctx, req, whole(noContent))
}
