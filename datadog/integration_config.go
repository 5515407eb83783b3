package datadog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// ConfigsPath is where Datadog's API has the integration configs; GET lists
// them.
const ConfigsPath = "/api/v2/security_monitoring/configuration/integration_config"

const resourceType = "integration_config"

// ConfigID is the id of an integration config.
type ConfigID string

// IntegrationType is the kind of product an integration config reads from.
// Datadog may know more types than are named here.
type IntegrationType string

// The integration types of Datadog's API description.
const (
	GoogleWorkspace IntegrationType = "GOOGLE_WORKSPACE"
	Okta            IntegrationType = "OKTA"
	EntraID         IntegrationType = "ENTRA_ID"
	CrowdStrike     IntegrationType = "CROWDSTRIKE"
	SentinelOne     IntegrationType = "SENTINELONE"
)

// State is what Datadog says of the credential that an integration config
// holds. Datadog may know more states than are named here.
type State string

// The states of Datadog's API description.
const (
	Valid        State = "valid"
	Invalid      State = "invalid"
	Initializing State = "initializing"
)

// IntegrationConfig is an entity context sync configuration as Datadog answers
// it: without its secrets, which Datadog never returns.
type IntegrationConfig struct {
	ID         ConfigID
	Type       IntegrationType
	Domain     string
	Name       string
	Enabled    bool
	State      State // empty when Datadog does not say
	Settings   map[string]any
	CreatedAt  time.Time
	ModifiedAt time.Time
	// Other holds the attributes that this package does not know, or that are
	// not of the documented type, as they came.
	Other map[string]json.RawMessage
}

// UnmarshalJSON reads the `data` object of an answer.
func (c *IntegrationConfig) UnmarshalJSON(data []byte) error {
	var resource struct {
		ID         ConfigID                   `json:"id"`
		Attributes map[string]json.RawMessage `json:"attributes"`
	}
	if err := json.Unmarshal(data, &resource); err != nil {
		return err
	}
	if resource.ID == "" || resource.Attributes == nil {
		return errGarbled
	}
	*c = IntegrationConfig{ID: resource.ID, Other: resource.Attributes}
	c.take("integration_type", &c.Type)
	c.take("domain", &c.Domain)
	c.take("name", &c.Name)
	c.take("enabled", &c.Enabled)
	c.take("state", &c.State)
	c.take("settings", &c.Settings)
	c.take("created_at", &c.CreatedAt)
	c.take("modified_at", &c.ModifiedAt)
	return nil
}

func (c *IntegrationConfig) take(name string, field any) {
	if raw, ok := c.Other[name]; ok && json.Unmarshal(raw, field) == nil {
		delete(c.Other, name)
	}
}

// ListIntegrationConfigs returns the integration configs of a type, or of all
// types when it is empty.
// https://docs.datadoghq.com/api/latest/security-monitoring/#list-entity-context-sync-configurations
func (c *Client) ListIntegrationConfigs(ctx context.Context, only IntegrationType) ([]IntegrationConfig, error) {
	req := request{operation: listConfigs, call: "list integration configs", method: http.MethodGet, path: ConfigsPath}
	if only != "" {
		req.query = url.Values{"filter[integration_type]": {string(only)}}
	}
	var configs []IntegrationConfig
	err := c.do(ctx, req, func(content []byte) bool {
		var answer struct{ Data []IntegrationConfig }
		err := json.Unmarshal(content, &answer)
		configs = answer.Data
		return err == nil && configs != nil
	})
	if err != nil {
		return nil, err
	}
	return configs, nil
}

// GetIntegrationConfig returns one integration config.
// https://docs.datadoghq.com/api/latest/security-monitoring/#get-an-entity-context-sync-configuration
func (c *Client) GetIntegrationConfig(ctx context.Context, id ConfigID) (IntegrationConfig, error) {
	return c.config(ctx, request{
		operation: getConfig, call: "get integration config " + string(id), method: http.MethodGet, path: id.path(),
	}, id)
}

// Update says what to change in an integration config. What is absent stays as
// it is.
type Update struct {
	Type     IntegrationType // the config's own; required
	Domain   *string
	Name     *string
	Enabled  *bool
	Secrets  Secrets // the complete object: Datadog does not say whether it merges
	Settings map[string]any
}

// UpdateIntegrationConfig changes an integration config and returns it as it
// is then. Its State may be from before the change.
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
	req := request{operation: updateConfig, call: "update integration config " + string(id), method: http.MethodPatch, path: id.path()}
	if err := req.write(attributes, update.Secrets); err != nil {
		return IntegrationConfig{}, &Error{Call: req.call, Err: err}
	}
	return c.config(ctx, req, id)
}

// ValidateCredential asks Datadog to try a credential against the product at
// domain, without storing it. No error means that it is valid; an Error with
// status 400 that it is not.
// https://docs.datadoghq.com/api/latest/security-monitoring/#validate-entity-context-sync-credentials
func (c *Client) ValidateCredential(ctx context.Context, kind IntegrationType, domain string, secrets Secrets) error {
	req := request{operation: validateCredential, call: "validate the credential", method: http.MethodPost, path: ConfigsPath + "/validate"}
	if err := req.write(map[string]any{"integration_type": kind, "domain": domain}, secrets); err != nil {
		return &Error{Call: req.call, Err: err}
	}
	return c.do(ctx, req, emptyBody)
}

// ValidateStored asks Datadog to try the credential that an integration config
// holds. No error means that it is valid; an Error with status 400 that it is
// not.
// https://docs.datadoghq.com/api/latest/security-monitoring/#validate-an-entity-context-sync-configuration
func (c *Client) ValidateStored(ctx context.Context, id ConfigID) error {
	call := "validate what integration config " + string(id) + " holds"
	if id == "" { // whose path would be another operation's
		return &Error{Call: call, Err: errors.New("the id is empty")}
	}
	return c.do(ctx, request{operation: validateStored, call: call, method: http.MethodPost, path: id.path() + "/validate"}, emptyBody)
}

func (c *Client) config(ctx context.Context, req request, id ConfigID) (IntegrationConfig, error) {
	var config IntegrationConfig
	err := c.do(ctx, req, func(content []byte) bool {
		var answer struct{ Data IntegrationConfig }
		err := json.Unmarshal(content, &answer)
		config = answer.Data
		return err == nil && config.ID != "" && strings.EqualFold(string(config.ID), string(id))
	})
	if err != nil {
		return IntegrationConfig{}, err
	}
	return config, nil
}

// path escapes the id, so that whatever it holds is one element of the path:
// its dots too where they alone would be a step up.
func (id ConfigID) path() string {
	escaped := url.PathEscape(string(id))
	if strings.Trim(escaped, ".") == "" {
		escaped = strings.ReplaceAll(escaped, ".", "%2E")
	}
	return ConfigsPath + "/" + escaped
}

// write sets the body.
func (r *request) write(attributes map[string]any, secrets Secrets) error {
	if len(secrets) > 0 {
		attributes["secrets"] = r.open(secrets)
	}
	return r.encode(map[string]any{"data": map[string]any{"type": resourceType, "attributes": attributes}})
}

// open gives secrets as the body has to hold them, and has the answer scrubbed
// of them. This is where a credential is opened, and the only place.
func (r *request) open(secrets Secrets) map[string]any {
	r.secrets = secrets
	return secrets.open()
}

func (r *request) encode(body map[string]any) (err error) {
	if r.body, err = encode(body); err != nil {
		return errors.New("the request cannot be written as JSON")
	}
	return nil
}

// encode writes JSON without the escapes that are for HTML only.
func encode(value any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return bytes.TrimSpace(text.Bytes()), err
}
