package datadog_test

import (
	"context"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"credential-relay/datadog"
	"credential-relay/internal/datadogsim"
)

const azurePath = basePath + "/api/v1/integration/azure"

var azureCredential = datadog.AzureCredential{
	TenantID: datadog.NewSecret("tenant-1"), ClientID: datadog.NewSecret("client-1"), ClientSecret: datadog.NewSecret(apiToken),
}

func updateAzure(ctx context.Context, c *datadog.Client) error {
	return c.UpdateAzureIntegration(ctx, azureCredential)
}

func TestUpdateAzureIntegrationSends(t *testing.T) {
	client, line := client(reply(200, `{}`))
	if err := updateAzure(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	if line.tries() != 1 || line.sent[0].method != "PUT" || line.sent[0].target != azurePath {
		t.Fatalf("got %+v, want one PUT %s", line.sent, azurePath)
	}
	want := map[string]any{"tenant_name": "tenant-1", "client_id": "client-1", "client_secret": apiToken}
	if got := object(line.sent[0].body); !reflect.DeepEqual(got, want) {
		t.Errorf("got the body %v, want exactly %v", got, want)
	}
}

func TestUpdateAzureIntegrationIsAnswered(t *testing.T) {
	cases := []struct {
		name   string
		answer answer
		want   string // the error without the call; empty for none
		tries  int
	}{
		{"an empty object", reply(200, `{}`), "", 1},
		{"nothing", reply(204, ""), "", 1},
		{"errors in a success", reply(200, `{"errors":["no"]}`), ": Datadog answered 200 OK: the answer reports errors: no", 4},
		{"a page", reply(200, "<html>"), ": Datadog answered 200 OK: the answer is not what Datadog documents", 4},
		{"a refusal", reply(400, `{"errors":["Invalid client secret"]}`), ": Datadog answered 400 Bad Request: Invalid client secret", 1},
		{"a missing permission", reply(403, `{"errors":["Forbidden"]}`), ": Datadog answered 403 Forbidden: the keys lack the permission azure_configuration_edit, or are no longer valid: Forbidden", 1},
		{"an unknown one", reply(404, `{"errors":["Not found"]}`), ": Datadog answered 404 Not Found: Not found", 1},
		{"a server error", reply(503, ""), ": Datadog answered 503 Service Unavailable", 4},
		{"an echo", reply(400, `{"errors":["tenant-1 client-1 `+apiToken+`"]}`), ": Datadog answered 400 Bad Request: [secret] [secret] [secret]", 1},
	}
	for _, c := range cases {
		virtually(t, c.name, func(t *testing.T) {
			client, line := client(c.answer)
			err := once(t, client, updateAzure)
			if c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != "update the Azure integration"+c.want) {
				t.Errorf("got %v, want …%s", err, c.want)
			}
			if tries := line.tries(); tries > c.tries {
				t.Errorf("got %d tries, want %d at most", tries, c.tries)
			}
		})
	}
}

func TestAzureCredentialThatIsNoJSON(t *testing.T) {
	client, line := client(reply(200, `{}`))
	credential := azureCredential
	credential.ClientSecret = datadog.NewSecret(func() {})
	if err := client.UpdateAzureIntegration(t.Context(), credential); err == nil || line.tries() != 0 {
		t.Errorf("got %v after %d requests, want an error before any", err, line.tries())
	}
}

func TestUpdateAzureIntegrationCreatesNone(t *testing.T) {
	sim := datadogsim.New()
	sim.SetKeys(apiKey, appKey)
	server := httptest.NewServer(sim)
	defer server.Close()
	client := clientOf(server.URL, server.Client().Transport)
	for _, want := range []string{"Azure Integration not yet installed", "Azure integration not found"} {
		if err := updateAzure(t.Context(), client); err == nil || datadog.IsInvalidCredential(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q, and no judgement of the credential", err, want)
		}
		sim.PutAzureIntegration("tenant-1", "another", "old")
	}
	if _, ok := sim.AzureSecret("tenant-1", "client-1"); ok {
		t.Error("it was created")
	}
	sim.PutAzureIntegration("tenant-1", "client-1", "old")
	if err := updateAzure(t.Context(), client); err != nil {
		t.Error(err)
	}
	if held, _ := sim.AzureSecret("tenant-1", "client-1"); held != apiToken {
		t.Errorf("Datadog holds %q", held)
	}
}
