package datadog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
)

// Update says what to change in an integration config. What is absent stays as it
// is.
type Update struct {
	Type     IntegrationType // the config's own; required
	Domain   *string
	Name     *string
	Enabled  *bool
	Secrets  Secrets // the complete object: Datadog does not say whether it merges
	Settings map[string]any
}

// UpdateIntegrationConfig changes an integration config and returns it as it is
// after that. Its State may be from before the change.
//
// If Datadog may have made the change without saying so, the Error is Uncertain
// and the call is not made again: GetIntegrationConfig shows what is there.
// https://docs.datadoghq.com/api/latest/security-monitoring/#update-an-entity-context-sync-configuration
func (c *Client) UpdateIntegrationConfig(ctx context.Context, id ConfigID, update Update) (IntegrationConfig, error) {
	attributes := map[string]any{"integration_type": update.Type}
	if update.Domain != nil {
		attributes["domain"] = *update.Domain
	}
	if update.Name != nil {
		attributes["name"] = *update.Name
	}
	if update.Enabled != nil {
		attributes["enabled"] = *update.Enabled
	}
	if update.Settings != nil {
		attributes["settings"] = update.Settings
	}
	req := request{
		operation: updateConfig, call: "update integration config " + string(id), method: http.MethodPatch, path: id.path(),
		judged: len(update.Secrets) > 0,
	}
	if err := req.write(attributes, update.Secrets); err != nil {
		return IntegrationConfig{}, &Error{Call: req.call, Err: err}
	}
	return c.config(ctx, req, id)
}

const resourceType = "integration_config"

// write writes the body of a request about a config.
func (r *request) write(attributes map[string]any, secrets Secrets) error {
	if len(secrets) > 0 {
		attributes["secrets"] = r.open(secrets)
	}
	return r.encode(map[string]any{"data": map[string]any{"type": resourceType, "attributes": attributes}})
}

// open returns secrets as the body has to hold them, and notes them to be masked.
// This is the only place where a credential is opened to be sent.
func (r *request) open(secrets Secrets) map[string]any {
	r.secrets = secrets
	return secrets.open()
}

func (r *request) encode(body map[string]any) (err error) {
	if r.body, err = encode(body); err != nil {
		return errors.New("the request cannot be written as JSON") // err would quote it
	}
	return nil
}

// encode writes JSON without the escapes that only HTML needs.
func encode(value any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return bytes.TrimSpace(text.Bytes()), err
}
