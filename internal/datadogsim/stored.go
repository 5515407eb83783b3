package datadogsim

import "time"

// stored is a config, and how many more reads will find it initializing.
type stored struct {
	Config
	initializing int
}

func (c *stored) state() string {
	if c.initializing > 0 {
		return "initializing"
	}
	return c.State
}

// apply changes the fields that are present in change, which must have been checked.
func (c *stored) apply(change map[string]any) {
	set(&c.Domain, change, "domain")
	set(&c.Enabled, change, "enabled")
	set(&c.Name, change, "name")
	set(&c.Secrets, change, "secrets")
	set(&c.Settings, change, "settings")
	c.Patches++
	// Clients tell a change by modified_at, so it moves even when the clock did not.
	c.ModifiedAt = latest(time.Now().UTC(), c.ModifiedAt.Add(time.Microsecond))
}

func set[T any](field *T, change map[string]any, name string) {
	if value, ok := change[name].(T); ok {
		*field = value
	}
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// resource is a config as answers show it. It has no place for secrets.
type resource struct {
	ID         string `json:"id"`
	Type       string `json:"type"`
	Attributes struct {
		CreatedAt       time.Time      `json:"created_at,omitzero"`
		Domain          string         `json:"domain"`
		Enabled         bool           `json:"enabled"`
		IntegrationType string         `json:"integration_type"`
		ModifiedAt      time.Time      `json:"modified_at,omitzero"`
		Name            string         `json:"name,omitempty"`
		Settings        map[string]any `json:"settings,omitzero"`
		State           string         `json:"state,omitempty"`
	} `json:"attributes"`
}

func (c *stored) resource() resource {
	r := resource{ID: c.ID, Type: "integration_config"}
	r.Attributes.CreatedAt = c.CreatedAt
	r.Attributes.Domain = c.Domain
	r.Attributes.Enabled = c.Enabled
	r.Attributes.IntegrationType = c.Type
	r.Attributes.ModifiedAt = c.ModifiedAt
	r.Attributes.Name = c.Name
	r.Attributes.Settings = c.Settings
	r.Attributes.State = c.state()
	return r
}

// read is resource for an operation that counts towards the end of initializing.
func (c *stored) read() resource {
	r := c.resource()
	c.initializing = max(0, c.initializing-1)
	return r
}

func (c Config) clone() Config {
	c.Settings = cloneMap(c.Settings)
	c.Secrets = cloneMap(c.Secrets)
	return c
}

func cloneMap(m map[string]any) map[string]any {
	if m == nil {
		return nil
	}
	clone := make(map[string]any, len(m))
	for name, value := range m {
		clone[name] = cloneJSON(value)
	}
	return clone
}

func cloneJSON(value any) any {
	switch value := value.(type) {
	case map[string]any:
		return cloneMap(value)
	case []any:
		clone := make([]any, len(value))
		for i, item := range value {
			clone[i] = cloneJSON(item)
		}
		return clone
	default:
		return value
	}
}
