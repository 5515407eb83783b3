package datadogsim

import (
	"maps"
	"net/http"
	"slices"
	"time"
)

// Config is one entity context sync configuration as Datadog stores it.
type Config struct {
	ID       string
	Type     string
	Domain   string
	Name     string
	State    string // valid, invalid or initializing; "" leaves it out of answers
	Enabled  bool
	Settings map[string]any
	Secrets  map[string]any // what was last stored; never in an answer

	CreatedAt  time.Time // a zero time is left out of answers
	ModifiedAt time.Time
	Patches    int // how many PATCHes it has taken
}

// PutConfig adds a config, or replaces the one with its ID.
func (s *Simulator) PutConfig(c Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.configs[c.ID] = &stored{Config: c.clone()}
}

// Config returns a deep copy of a config with the state that its next answer will show.
func (s *Simulator) Config(id string) (Config, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	config, ok := s.configs[id]
	if !ok {
		return Config{}, false
	}
	c := config.clone()
	c.State = config.state()
	return c, true
}

// RemoveConfig removes a config; its id is then unknown.
func (s *Simulator) RemoveConfig(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.configs, id)
}

// Accept sets the rule that says whether a set of secrets is valid, for validation and for the state after a PATCH.
// The text of its error becomes Datadog's message. Without a rule everything is valid.
func (s *Simulator) Accept(rule func(integrationType, domain string, secrets map[string]any) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rule = rule
}

// Initializing makes a PATCH that carries secrets answer state initializing, and so do the next n reads of its config:
// each Get of it, each List that shows it.
func (s *Simulator) Initializing(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.initializing = n
}

// judge asks the rule outside the lock, so that a rule may itself look at the Simulator.
func (s *Simulator) judge(integrationType, domain string, secrets map[string]any) error {
	s.mu.Lock()
	rule := s.rule
	s.mu.Unlock()
	if rule == nil {
		return nil
	}
	return rule(integrationType, domain, secrets)
}

func (s *Simulator) list(c call) Answer {
	wanted, filtered := c.request.URL.Query()[typeFilter]
	if filtered && (len(wanted) != 1 || !slices.Contains(integrationTypes, wanted[0])) {
		return refuse(http.StatusBadRequest, typeFilter+" must be an integration type")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []resource{}
	for _, id := range slices.Sorted(maps.Keys(s.configs)) {
		if config := s.configs[id]; !filtered || config.Type == wanted[0] {
			found = append(found, config.read())
		}
	}
	return succeed(map[string][]resource{"data": found})
}

func (s *Simulator) get(c call) Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	config, ok := s.configs[c.id]
	if !ok {
		return notFound()
	}
	return succeed(map[string]resource{"data": config.read()})
}

func (s *Simulator) patch(c call) Answer {
	before, ok := s.Config(c.id)
	if !ok {
		return notFound()
	}
	change, err := attributes(c, patchProperties)
	if err != nil {
		return refuse(http.StatusBadRequest, err.Error())
	}
	if change["integration_type"] != before.Type {
		return refuse(http.StatusBadRequest, "data.attributes.integration_type must be the type of the configuration")
	}
	state := ""
	if secrets, ok := change["secrets"].(map[string]any); ok {
		domain := before.Domain
		set(&domain, change, "domain")
		state = "valid"
		if s.judge(before.Type, domain, cloneMap(secrets)) != nil {
			state = "invalid"
		}
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	config, ok := s.configs[c.id]
	if !ok { // removed while the rule was asked
		return notFound()
	}
	config.apply(change)
	if state != "" {
		config.State, config.initializing = state, s.initializing
	}
	return succeed(map[string]resource{"data": config.resource()})
}

func (s *Simulator) validate(c call) Answer {
	candidate, err := attributes(c, validateProperties)
	if err != nil {
		return refuse(http.StatusBadRequest, err.Error())
	}
	integrationType, domain := candidate["integration_type"].(string), candidate["domain"].(string)
	secrets, given := candidate["secrets"].(map[string]any)
	if !given { // which only ENTRA_ID may do without
		return verdict(s.judgeStored(Config{Type: integrationType, Domain: domain}))
	}
	return verdict(s.judge(integrationType, domain, secrets))
}

func (s *Simulator) validateStored(c call) Answer {
	config, ok := s.Config(c.id)
	if !ok {
		return notFound()
	}
	return verdict(s.judgeStored(config))
}

func verdict(err error) Answer {
	if err != nil {
		return refuse(http.StatusBadRequest, err.Error())
	}
	return Answer{Status: http.StatusOK}
}
