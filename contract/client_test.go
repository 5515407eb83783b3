package contract

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"credential-relay/datadog"
	"credential-relay/internal/datadogsim"
)

// secretsOf is what each integration type is sent.
var secretsOf = map[datadog.IntegrationType]map[string]any{
	datadog.Okta:        {"api_token": "t"},
	datadog.SentinelOne: {"api_token": "t"},
	datadog.CrowdStrike: {"client_id": "i", "client_secret": "s"},
	datadog.GoogleWorkspace: {"admin_email": "a@example.com", "service_account_json": map[string]any{
		"type": "service_account", "project_id": "p", "private_key": "k", "client_email": "e", "token_uri": "u",
	}},
	datadog.EntraID: nil,
}

// newSimulator returns a simulator with one config of each type, whose id is the
// type, and two more.
func newSimulator() *datadogsim.Simulator {
	sim := datadogsim.New()
	sim.SetKeys("api", "app")
	sim.SetToken("token")
	for kind := range secretsOf {
		sim.PutConfig(datadogsim.Config{
			ID: string(kind), Type: string(kind), Domain: "example.com", Name: "n", State: "valid", Enabled: true,
			Settings: map[string]any{"setting1": "value1"}, CreatedAt: time.Unix(1, 0).UTC(), ModifiedAt: time.Unix(2, 0).UTC(),
		})
	}
	sim.PutAzureIntegration("tenant", "client", "old")
	sim.PutConfig(datadogsim.Config{ID: "a/b c", Type: "OKTA"}) // and nothing that is optional
	sim.PutConfig(datadogsim.Config{ID: "..", Type: "OKTA", State: "invalid", Settings: map[string]any{}})
	return sim
}

// recorder is a transport that checks what it carries.
type recorder struct {
	checker  checker
	statuses []int
	problems []string
}

func (r *recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	x := exchange{request: request.Clone(request.Context()), body: body}
	r.problems = append(r.problems, r.checker.request(x)...)
	request.Body = io.NopCloser(bytes.NewReader(body))
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	x.status, x.header = response.StatusCode, response.Header
	if x.answer, err = io.ReadAll(response.Body); err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(x.answer))
	r.problems = append(r.problems, r.checker.response(x)...)
	r.statuses = append(r.statuses, x.status)
	return response, nil
}

// newClient returns a client of a simulator, and the recorder between them.
func newClient(t *testing.T, sim *datadogsim.Simulator, keys datadog.Keys, c checker) (*datadog.Client, *recorder) {
	t.Helper()
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	address, err := datadog.ParseURL(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{checker: c}
	return &datadog.Client{URL: address, Keys: datadog.Fixed(keys), Transport: r}, r
}

var (
	pair   = datadog.Keys{API: datadog.NewSecret("api"), Application: datadog.NewSecret("app")}
	bearer = datadog.Keys{Token: datadog.NewSecret("token")}
)

// call is a call of the client's method.
type call struct {
	name, method string
	do           func(ctx context.Context, c *datadog.Client) error
	differs      string // why the description does not know the request's secrets
}

// calls returns all calls of the client that make different requests.
func calls() []call {
	list := []call{
		listCall("all", ""), getCall("a/b c"), getCall(".."),
		{name: "azure", method: "UpdateAzureIntegration", do: func(ctx context.Context, c *datadog.Client) error {
			return c.UpdateAzureIntegration(ctx, datadog.AzureCredential{
				TenantID: datadog.NewSecret("tenant"), ClientID: datadog.NewSecret("client"), ClientSecret: datadog.NewSecret("s"),
			})
		}},
		{name: "stored, odd id", method: "ValidateStored", do: storedCall("a/b c")},
		{name: "keys", method: "ValidateKeys", do: func(ctx context.Context, c *datadog.Client) error { return c.ValidateKeys(ctx) }},
	}
	for _, kind := range slices.Sorted(maps.Keys(secretsOf)) {
		list = append(list, listCall(string(kind), kind), getCall(datadog.ConfigID(kind)))
		list = append(list, call{name: "stored " + string(kind), method: "ValidateStored", do: storedCall(datadog.ConfigID(kind))})
		list = append(list, validateCall(string(kind), kind, seal(secretsOf[kind])))
		list = append(list, updateCalls(kind)...)
	}
	entra := datadog.Secrets{"client_secret": datadog.NewSecret("s")}
	for _, explicit := range []call{
		validateCall("ENTRA_ID with secrets", datadog.EntraID, entra),
		updateCall("ENTRA_ID with secrets", datadog.EntraID, datadog.Update{Secrets: entra}),
	} {
		explicit.differs = "a binding may name secrets for ENTRA_ID, as Datadog described them before v2.63.0"
		list = append(list, explicit)
	}
	return list
}

func listCall(name string, only datadog.IntegrationType) call {
	return call{name: "list " + name, method: "ListIntegrationConfigs", do: func(ctx context.Context, c *datadog.Client) error {
		found, err := c.ListIntegrationConfigs(ctx, only)
		if err == nil && len(found) == 0 {
			return fmt.Errorf("list %s: found nothing", only)
		}
		return err
	}}
}

func getCall(id datadog.ConfigID) call {
	return call{name: "get " + string(id), method: "GetIntegrationConfig", do: func(ctx context.Context, c *datadog.Client) error {
		_, err := c.GetIntegrationConfig(ctx, id)
		return err
	}}
}

func storedCall(id datadog.ConfigID) func(context.Context, *datadog.Client) error {
	return func(ctx context.Context, c *datadog.Client) error { return c.ValidateStored(ctx, id) }
}

func validateCall(name string, kind datadog.IntegrationType, secrets datadog.Secrets) call {
	return call{name: "validate " + name, method: "ValidateCredential", do: func(ctx context.Context, c *datadog.Client) error {
		return c.ValidateCredential(ctx, kind, "example.com", secrets)
	}}
}

// updateCalls returns a call for each combination of the fields of an Update.
func updateCalls(kind datadog.IntegrationType) []call {
	on, off, name, domain := true, false, "new", "new.example.com"
	fields := []struct {
		name string
		set  func(*datadog.Update)
	}{
		{"domain", func(u *datadog.Update) { u.Domain = &domain }},
		{"name", func(u *datadog.Update) { u.Name = &name }},
		{"on", func(u *datadog.Update) { u.Enabled = &on }},
		{"off", func(u *datadog.Update) { u.Enabled = &off }},
		{"secrets", func(u *datadog.Update) { u.Secrets = seal(secretsOf[kind]) }},
		{"settings", func(u *datadog.Update) { u.Settings = map[string]any{"setting1": "value2"} }},
		{"empty settings", func(u *datadog.Update) { u.Settings = map[string]any{} }},
	}
	var list []call
	for chosen := range 1 << len(fields) {
		update, names := datadog.Update{}, []string{string(kind)}
		for i, field := range fields {
			if chosen&(1<<i) != 0 {
				field.set(&update)
				names = append(names, field.name)
			}
		}
		list = append(list, updateCall(strings.Join(names, "+"), kind, update))
	}
	return list
}

func updateCall(name string, kind datadog.IntegrationType, update datadog.Update) call {
	update.Type = kind
	return call{name: "update " + name, method: "UpdateIntegrationConfig", do: func(ctx context.Context, c *datadog.Client) error {
		_, err := c.UpdateIntegrationConfig(ctx, datadog.ConfigID(kind), update)
		return err
	}}
}

func seal(values map[string]any) datadog.Secrets {
	sealed := datadog.Secrets{}
	for key, value := range values {
		sealed[key] = datadog.NewSecret(value)
	}
	return sealed
}

// undescribed are the client's methods that the description does not cover, and why.
var undescribed = map[string]string{
	"ExchangeProof": "Datadog's own client makes this call, and its description does not have it",
	"Warm":          "it opens a connection and asks for nothing",
	"LimitReset":    "it sends nothing",
}

// TestClient makes every call with each kind of keys, and checks each request and
// each answer.
func TestClient(t *testing.T) {
	exact := newChecker(t, published(t, pinned), true)
	driven := map[string]bool{}
	for keyName, keys := range map[string]datadog.Keys{"pair of keys": pair, "bearer token": bearer} {
		client, recorded := newClient(t, newSimulator(), keys, exact)
		for _, call := range calls() {
			driven[call.method] = true
			t.Run(keyName+"/"+call.name, func(t *testing.T) {
				recorded.problems = nil
				if err := call.do(t.Context(), client); err != nil {
					t.Error(err)
				}
				found := strings.Join(recorded.problems, "\n")
				switch {
				case call.differs == "" && found != "":
					t.Errorf("the description does not know:\n%s", found)
				case call.differs != "" && !strings.HasSuffix(found, `body data.attributes: property "secrets" is unsupported`):
					t.Errorf("no longer a difference (%s), or another one:\n%s", call.differs, found)
				}
			})
		}
	}
	for method := range reflect.TypeFor[*datadog.Client]().Methods() {
		if !driven[method.Name] && undescribed[method.Name] == "" {
			t.Errorf("no call drives the client's %s", method.Name)
		}
	}
}
