package datadogsim

import "time"

// stored is a config, when it moved last by the clock, and how long answers show it as initializing.
type stored struct {
	Config
	movedAt           time.Time
	initializing      int // reads
	initializingUntil time.Time
}

func (c *stored) state() string {
	if c.initializing > 0 || time.Now().Before(c.initializingUntil) {
		return "initializing"
	}
	return c.State
}

// setState sets the state that follows a change of the credential. The caller holds the lock.
func (s *Simulator) setState(c *stored, state string) {
	c.State, c.initializing, c.initializingUntil = state, s.initializing, time.Now().Add(s.initializingFor)
}

// apply changes the fields that are present in change, which must have been checked.
func (c *stored) apply(change map[string]any) {
	set(&c.Domain, change, "domain")
	set(&c.Enabled, change, "enabled")
	set(&c.Name, change, "name")
	set(&c.Secrets, change, "secrets")
	set(&c.Settings, change, "settings")
	c.Patches++
	c.move(time.Now())
}

func set[T any](field *T, change map[string]any, name string) {
	if value, ok := change[name].(T); ok {
		*field = value
	}
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

// show returns a config as the answer of an operation shows it. The caller holds the lock.
func (s *Simulator) show(c *stored, op Operation) resource {
	s.moveByItself(c)
	r := resource{ID: c.ID, Type: "integration_config"}
	r.Attributes.CreatedAt = c.CreatedAt
	r.Attributes.Domain = c.Domain
	r.Attributes.Enabled = c.Enabled
	r.Attributes.IntegrationType = c.Type
	r.Attributes.ModifiedAt = s.dates.show(c.ModifiedAt, op)
	r.Attributes.Name = c.Name
	r.Attributes.Settings = c.Settings
	r.Attributes.State = c.state()
	return r
}

// read is show for an operation that counts as a read of an initializing config.
func (s *Simulator) read(c *stored, op Operation) resource {
	r := s.show(c, op)
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
