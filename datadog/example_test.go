package datadog_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"

	"credential-relay/datadog"
	"credential-relay/internal/datadogsim"
)

// simulated returns a client of a Datadog simulator with one config. A real client
// has its URL from SiteURL, and its keys from a safe place.
func simulated() (client *datadog.Client, sim *datadogsim.Simulator, closeServer func()) {
	sim = datadogsim.New()
	sim.SetKeys("api-key", "app-key")
	sim.PutConfig(datadogsim.Config{ID: "1111", Type: "OKTA", Domain: "acme.okta.com", Name: "Acme", State: "valid"})
	sim.Accept(func(_, _ string, secrets map[string]any) error {
		if secrets["api_token"] != "good" {
			return errors.New("the token is revoked")
		}
		return nil
	})
	server := httptest.NewServer(sim)
	address, err := datadog.ParseURL(server.URL)
	if err != nil {
		panic(err)
	}
	keys := datadog.Keys{API: datadog.NewSecret("api-key"), Application: datadog.NewSecret("app-key")}
	return &datadog.Client{URL: address, Keys: datadog.Fixed(keys)}, sim, server.Close
}

func ExampleClient_ListIntegrationConfigs() {
	client, _, closeServer := simulated()
	defer closeServer()

	configs, err := client.ListIntegrationConfigs(context.Background(), datadog.Okta)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, config := range configs {
		fmt.Println(config.ID, config.Type, config.Domain, config.State)
	}
	// Output: 1111 OKTA acme.okta.com valid
}

func ExampleClient_GetIntegrationConfig() {
	client, _, closeServer := simulated()
	defer closeServer()

	config, err := client.GetIntegrationConfig(context.Background(), "1111")
	fmt.Println(config.Name, config.Enabled, err)
	_, err = client.GetIntegrationConfig(context.Background(), "2222")
	fmt.Println(datadog.IsNotFound(err), err)
	// Output:
	// Acme false <nil>
	// true get integration config 2222: Datadog answered 404 Not Found: Not found
}

func ExampleClient_UpdateIntegrationConfig() {
	client, _, closeServer := simulated()
	defer closeServer()

	enabled := true
	config, err := client.UpdateIntegrationConfig(context.Background(), "1111", datadog.Update{
		Type:    datadog.Okta,
		Enabled: &enabled, // absent fields stay as they are
		Secrets: datadog.Secrets{"api_token": datadog.NewSecret("good")},
	})
	fmt.Println(config.State, config.Enabled, err)
	// Output: valid true <nil>
}

func ExampleClient_ValidateCredential() {
	client, _, closeServer := simulated()
	defer closeServer()

	for _, token := range []string{"good", "bad"} {
		candidate := datadog.Secrets{"api_token": datadog.NewSecret(token)}
		err := client.ValidateCredential(context.Background(), datadog.Okta, "acme.okta.com", candidate)
		fmt.Println(datadog.IsInvalidCredential(err), err)
	}
	// Output:
	// false <nil>
	// true validate the credential: Datadog answered 400 Bad Request: the token is revoked
}

func ExampleClient_ValidateStored() {
	client, _, closeServer := simulated()
	defer closeServer()

	err := client.ValidateStored(context.Background(), "1111") // it holds no secret yet
	fmt.Println(datadog.IsInvalidCredential(err), err)
	// Output: true validate what integration config 1111 holds: Datadog answered 400 Bad Request: the token is revoked
}

func ExampleClient_UpdateAzureIntegration() {
	client, sim, closeServer := simulated()
	defer closeServer()
	sim.PutAzureIntegration("contoso", "1111", "old")

	credential := datadog.AzureCredential{
		TenantID: datadog.NewSecret("contoso"), ClientID: datadog.NewSecret("1111"), ClientSecret: datadog.NewSecret("new"),
	}
	fmt.Println(client.UpdateAzureIntegration(context.Background(), credential))
	credential.ClientID = datadog.NewSecret("2222")
	fmt.Println(client.UpdateAzureIntegration(context.Background(), credential))
	// Output:
	// <nil>
	// update the Azure integration: Datadog answered 400 Bad Request: Azure integration not found for this tenant_name and client_id
}

// The proof is a signed call of AWS. This example shows only the answer to it.
func ExampleClient_ExchangeProof() {
	client, sim, closeServer := simulated()
	defer closeServer()
	sim.Script(datadogsim.DelegatedToken, datadogsim.Answer{
		Body: `{"data":{"type":"delegated_token","attributes":{"access_token":"short-lived","expires":"1800000000"}}}`,
	})

	keys, ends, err := client.ExchangeProof(context.Background(), datadog.Proof{Text: datadog.NewSecret("proof")})
	fmt.Println(keys.Token, ends.UTC(), err)
	// Output: [secret] 2027-01-15 08:00:00 +0000 UTC <nil>
}

// An Error has a text for people and fields for programs.
func ExampleError() {
	client, sim, closeServer := simulated()
	defer closeServer()
	sim.ScriptForever(datadogsim.Patch, datadogsim.Answer{Status: 403, Body: `{"errors":["Forbidden"]}`})

	_, err := client.UpdateIntegrationConfig(context.Background(), "1111", datadog.Update{Type: datadog.Okta})
	fmt.Println(err)
	if refusal := (*datadog.Error)(nil); errors.As(err, &refusal) {
		fmt.Println(refusal.Status, refusal.Retryable, refusal.Messages)
	}
	// Output:
	// update integration config 1111: Datadog answered 403 Forbidden: the keys lack the permission manage_integrations, or are no longer valid: Forbidden
	// 403 false [Forbidden]
}

// A Secret never shows its value, however it is printed.
func ExampleSecret() {
	token := datadog.NewSecret("good")
	fmt.Printf("%v %+v %q\n", token, datadog.Secrets{"api_token": token}, []datadog.Secret{token})
	// Output: [secret] map[api_token:[secret]] [[secret]]
}
