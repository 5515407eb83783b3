package relay

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"credential-relay/datadog"
)

// ConfigStatus is an integration config that Datadog has, and what feeds it.
type ConfigStatus struct {
	ID         datadog.ConfigID        `json:"integration_config_id"`
	Name       string                  `json:"integration_config_name,omitempty"`
	Type       datadog.IntegrationType `json:"integration_type"`
	Domain     string                  `json:"domain,omitempty"`
	Enabled    bool                    `json:"enabled"`
	State      datadog.State           `json:"state,omitempty"`
	ModifiedAt time.Time               `json:"modified_at,omitzero"`
	// Bindings are the names of the parameters that are bound to the config.
	Bindings []string `json:"bindings"`
}

// Configs returns Datadog's integration configs by name, each with the bindings
// that feed it. It changes nothing.
func (e *Engine) Configs(ctx context.Context) ([]ConfigStatus, error) {
	var all everything
	var walkErr error
	walk := start(func() { all, walkErr = e.walk(ctx) })
	listed, err := e.Datadog.ListIntegrationConfigs(ctx, "")
	walk()
	switch {
	case err != nil:
		return nil, err
	case walkErr != nil:
		return nil, walkErr
	}
	configs := make([]ConfigStatus, len(listed))
	for i, c := range listed {
		bound := all.byConfig[receiptKey(c.ID)]
		slices.Sort(bound)
		configs[i] = ConfigStatus{
			ID: c.ID, Name: c.Name, Type: c.Type, Domain: c.Domain, Enabled: c.Enabled, State: c.State, ModifiedAt: c.ModifiedAt,
			Bindings: append([]string{}, bound...),
		}
	}
	slices.SortFunc(configs, func(a, b ConfigStatus) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(string(a.ID), string(b.ID)))
	})
	return configs, nil
}
