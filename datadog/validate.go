package datadog

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
)

// ValidateCredential asks Datadog to try a credential with the product at a
// domain, without storing it. It returns nil if the credential is valid, an error
// for IsInvalidCredential if it is not, and one for IsNotOffered if Datadog does
// not try it.
// https://docs.datadoghq.com/api/latest/security-monitoring/#validate-entity-context-sync-credentials
func (c *Client) ValidateCredential(ctx context.Context, integrationType IntegrationType, domain string, secrets Secrets) error {
	req := request{
		operation: validateCredential, call: "validate the credential", method: http.MethodPost, path: ConfigsPath + "/validate",
		judged: true,
	}
	if err := req.write(map[string]any{"integration_type": integrationType, "domain": domain}, secrets); err != nil {
		return &Error{Call: req.call, Err: err}
	}
	return c.do(ctx, req, whole(noContent))
}

// ValidateStored asks Datadog to try the credential that an integration config
// holds. It returns the same errors as ValidateCredential.
// https://docs.datadoghq.com/api/latest/security-monitoring/#validate-an-entity-context-sync-configuration
func (c *Client) ValidateStored(ctx context.Context, id ConfigID) error {
	call := "validate what integration config " + string(id) + " holds"
	if id == "" { // its path would be another operation's
		return &Error{Call: call, Err: errors.New("the id is empty")}
	}
	return c.do(ctx, request{
		operation: validateStored, call: call, method: http.MethodPost, path: id.path() + "/validate", judged: true,
	}, whole(noContent))
}

// ValidateKeys asks Datadog whether the client's own keys are valid. It returns
// nil if they are. It does not say what they permit.
// https://docs.datadoghq.com/api/latest/key-management/#validate-api-and-application-keys
func (c *Client) ValidateKeys(ctx context.Context) error {
	return c.do(ctx, request{
		operation: validateKeys, call: "validate the Datadog keys", method: http.MethodGet, path: "/api/v2/validate_keys",
	}, whole(func(content []byte) error {
		var answer struct{ Status string }
		if json.Unmarshal(content, &answer) != nil || answer.Status != "ok" {
			return errGarbled
		}
		return nil
	}))
}
