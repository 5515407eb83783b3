package datadog

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// ConfigsPath is the path of Datadog's integration configs. A GET lists them.
const ConfigsPath = "/api/v2/security_monitoring/configuration/integration_config"

// ConfigID is the id of an integration config.
type ConfigID string

// IntegrationType is the kind of product an integration config reads from.
// Datadog may have more types than these.
type IntegrationType string

// The integration types of Datadog's API description.
const (
	GoogleWorkspace IntegrationType = "GOOGLE_WORKSPACE"
	Okta            IntegrationType = "OKTA"
	EntraID         IntegrationType = "ENTRA_ID"
	CrowdStrike     IntegrationType = "CROWDSTRIKE"
	SentinelOne     IntegrationType = "SENTINELONE"
)

// State is what Datadog says of the credential that an integration config holds.
// Datadog may have more states than these.
type State string

// The states of Datadog's API description.
const (
	Valid        State = "valid"
	Invalid      State = "invalid"
	Initializing State = "initializing"
)

// IntegrationConfig is an entity context sync configuration, without its secrets,
// which Datadog never returns. A field is zero if the answer does not have it, or
// has it in another type than the documented one.
type IntegrationConfig struct {
	ID         ConfigID
	Type       IntegrationType
	Domain     string
	Name       string
	Enabled    bool
	State      State
	Settings   map[string]any
	CreatedAt  time.Time
	ModifiedAt time.Time
}

// GetIntegrationConfig returns one integration config.
// https://docs.datadoghq.com/api/latest/security-monitoring/#get-an-entity-context-sync-configuration
func (c *Client) GetIntegrationConfig(ctx context.Context, id ConfigID) (IntegrationConfig, error) {
	return c.config(ctx, request{
		operation: getConfig, call: "get integration config " + string(id), method: http.MethodGet, path: id.path(),
	}, id)
}

// config makes a call that is answered with the config of this id.
func (c *Client) config(ctx context.Context, req request, id ConfigID) (config IntegrationConfig, err error) {
	err = c.do(ctx, req, whole(func(content []byte) error {
		var answer struct{ Data resource }
		if json.Unmarshal(content, &answer) != nil || !answer.Data.isComplete() || !strings.EqualFold(answer.Data.ID, string(id)) {
			return errGarbled
		}
		config = answer.Data.config()
		return nil
	}))
	return config, err
}

// path escapes the id, so that it is one element of the path whatever it holds.
// That includes dots, which alone would be a step up.
func (id ConfigID) path() string {
	escaped := url.PathEscape(string(id))
	if strings.Trim(escaped, ".") == "" {
		escaped = strings.ReplaceAll(escaped, ".", "%2E")
	}
	return ConfigsPath + "/" + escaped
}

// resource is a config in an answer. Its attributes are decoded one by one, so
// that one of another type leaves the others readable.
type resource struct {
	ID         string
	Attributes *struct {
		Type       json.RawMessage `json:"integration_type"`
		Domain     json.RawMessage `json:"domain"`
		Name       json.RawMessage `json:"name"`
		Enabled    json.RawMessage `json:"enabled"`
		State      json.RawMessage `json:"state"`
		Settings   json.RawMessage `json:"settings"`
		CreatedAt  json.RawMessage `json:"created_at"`
		ModifiedAt json.RawMessage `json:"modified_at"`
	}
}

func (r resource) isComplete() bool { return r.ID != "" && r.Attributes != nil }

// The bounds of the texts in a config, in characters. The longest domain name has
// 253.
const (
	maxWord = 100
	maxName = 300
)

func (r resource) config() IntegrationConfig {
	a := r.Attributes
	return IntegrationConfig{
		ID:         ConfigID(bounded(printable(r.ID), maxWord)),
		Type:       IntegrationType(textOf(a.Type, maxWord)),
		Domain:     textOf(a.Domain, maxName),
		Name:       textOf(a.Name, maxName),
		Enabled:    valueOf[bool](a.Enabled),
		State:      State(textOf(a.State, maxWord)),
		Settings:   valueOf[map[string]any](a.Settings),
		CreatedAt:  valueOf[time.Time](a.CreatedAt),
		ModifiedAt: valueOf[time.Time](a.ModifiedAt),
	}
}

// textOf returns a text from an answer, printable and cut after so many
// characters.
func textOf(raw json.RawMessage, characters int) string {
	return bounded(printable(valueOf[string](raw)), characters)
}

// valueOf returns a value from an answer, or zero if it is of another type.
func valueOf[T any](raw json.RawMessage) (value T) {
	if json.Unmarshal(raw, &value) != nil {
		var zero T
		return zero
	}
	return value
}
