package datadogsim

import (
	"maps"
	"net/http"
	"slices"
)

// app names an app registration of the Datadog–Azure integration.
type app struct{ tenant, client string }

// entraID is the integration type whose configs read with the app registrations of the Azure integration.
const entraID = "ENTRA_ID"

var azureProperties = []property{
	{name: "tenant_name", kind: aString, required: true},
	{name: "client_id", kind: aString, required: true},
	{name: "client_secret", kind: aString},
}

// PutAzureIntegration adds an app registration, or replaces the client secret of the one with this tenant and client.
// Without any, the Azure integration is not installed, and says so.
func (s *Simulator) PutAzureIntegration(tenant, client, secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.azure[app{tenant, client}] = secret
}

// AzureSecret returns the client secret that is stored for an app registration, or false if there is no such one.
func (s *Simulator) AzureSecret(tenant, client string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	secret, ok := s.azure[app{tenant, client}]
	return secret, ok
}

// updateAzure changes the client secret of an app registration, and creates none. Like Datadog it does not try what it
// stores. The state of the configs shows whether it is valid. Their modified_at does not move.
func (s *Simulator) updateAzure(c call) Answer {
	change, err := document(c)
	if err == nil {
		err = check("", change, azureProperties)
	}
	if err != nil {
		return refuse(http.StatusBadRequest, err.Error())
	}
	if !s.hasApps() {
		return refuse(http.StatusBadRequest, "Azure Integration not yet installed")
	}
	named := app{change["tenant_name"].(string), change["client_id"].(string)}
	if _, ok := s.AzureSecret(named.tenant, named.client); !ok {
		return refuse(http.StatusBadRequest, "Azure integration not found for this tenant_name and client_id")
	}
	if secret, ok := change["client_secret"].(string); ok {
		s.PutAzureIntegration(named.tenant, named.client, secret)
		s.reviewAzure()
	}
	return succeed(struct{}{})
}

func (s *Simulator) hasApps() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.azure) > 0
}

// reviewAzure sets the state of every config that reads with the app registrations.
func (s *Simulator) reviewAzure() {
	for _, id := range s.configsOf(entraID) {
		config, _ := s.Config(id)
		state := "valid"
		if s.judgeStored(config) != nil {
			state = "invalid"
		}
		s.mu.Lock()
		if stored, ok := s.configs[id]; ok {
			s.setState(stored, state)
		}
		s.mu.Unlock()
	}
}

func (s *Simulator) configsOf(integrationType string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for id, config := range s.configs {
		if config.Type == integrationType {
			ids = append(ids, id)
		}
	}
	return ids
}

// judgeStored asks the rule about the credential that a config reads with: its own secrets or, for ENTRA_ID, every app
// registration.
func (s *Simulator) judgeStored(c Config) error {
	s.mu.Lock()
	apps := maps.Clone(s.azure)
	s.mu.Unlock()
	if c.Type != entraID || len(apps) == 0 {
		return s.judge(c.Type, c.Domain, c.Secrets)
	}
	for _, secret := range slices.Sorted(maps.Values(apps)) {
		if err := s.judge(c.Type, c.Domain, map[string]any{"client_secret": secret}); err != nil {
			return err
		}
	}
	return nil
}
