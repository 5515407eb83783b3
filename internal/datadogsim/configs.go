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
	s.moveByItself(config)
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

// Accept sets the rule that decides whether secrets are valid, for validation and for the state after a PATCH. The text
// of its error becomes Datadog's message. Without a rule all secrets are valid.
func (s *Simulator) Accept(rule func(integrationType, domain string, secrets map[string]any) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rule = rule
}

// Initializing makes a PATCH that carries secrets, and the next n reads of its config, show state initializing. A read is
// a Get of it, or a List that shows it.
func (s *Simulator) Initializing(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.initializing = n
}

// InitializingFor makes a PATCH that carries secrets, and every answer about its config for so long, show state
// initializing.
func (s *Simulator) InitializingFor(duration time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.initializingFor = duration
}

// judge asks the rule outside the lock, so that a rule can look at the Simulator.
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
			found = append(found, s.read(config, c.op))
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
	return succeed(map[string]resource{"data": s.read(config, c.op)})
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
	if !ok { // it was removed while the rule was asked
		return notFound()
	}
	config.apply(change)
	if state != "" {
		s.setState(config, state)
	}
	return succeed(map[string]resource{"data": s.show(config, c.op)})
}

func (s *Simulator) validate(c call) Answer {
	candidate, err := attributes(c, validateProperties)
	if err != nil {
		return refuse(http.StatusBadRequest, err.Error())
	}
	integrationType, domain := candidate["integration_type"].(string), candidate["domain"].(string)
	secrets, given := candidate["secrets"].(map[string]any)
	if !given { // which is allowed for ENTRA_ID alone
		return verdict(s.judgeStored(Config{Type: integrationType, Domain: domain}))
	}
	return verdict(s.judge(integrationType, domain, secrets))
}

func (s *Simulator) validateStored(c call) Answer {
	config, ok := s.Config(c.id)
	if !ok {
		return notFound()
	}
	err := s.judgeStored(config)
	s.mu.Lock()
	defer s.mu.Unlock()
	if stored, ok := s.configs[c.id]; ok && s.dates.withValidation {
		stored.move(time.Now())
	}
	return verdict(err)
}

func verdict(err error) Answer {
	if err != nil {
		return refuse(http.StatusBadRequest, err.Error())
	}
	return Answer{Status: http.StatusOK}
}
