package datadog_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"credential-relay/datadog"
	"credential-relay/internal/datadogsim"
)

// serviceAccount is a key file like Google's: its key has line breaks, and it has members that Datadog's API description
// does not name.
const serviceAccount = `{"auth_uri":"https://accounts.google.com/o/oauth2/auth?a=1&b=<2>","client_email":"relay@acme.iam.gserviceaccount.com",` +
	`"client_id":"100000000000000000001","number":12345678901234567890,"private_key":"-----BEGIN PRIVATE KEY-----\nMIIEvAIBADANBgkqhkiG9w0BAQEF\n` +
	`-----END PRIVATE KEY-----\n","project_id":"acme","type":"service_account","universe":{"a":[1,null,true]}}`

// object decodes JSON and keeps numbers as they are written, like the values of a source.
func object(text string) map[string]any {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var decoded map[string]any
	if err := decoder.Decode(&decoded); err != nil {
		panic(err)
	}
	return decoded
}

func TestUpdateIntegrationConfigSends(t *testing.T) {
	google := datadog.Secrets{"service_account_json": datadog.NewSecret(object(serviceAccount)), "admin_email": datadog.NewSecret("admin@acme.example")}
	cases := []struct {
		name   string
		update datadog.Update
		want   string // the attributes
	}{
		{"nothing but the type", datadog.Update{Type: datadog.Okta}, `{"integration_type":"OKTA"}`},
		{"a type of the future", datadog.Update{Type: "DUO"}, `{"integration_type":"DUO"}`},
		{"enabled", datadog.Update{Type: datadog.Okta, Enabled: new(true)}, `{"enabled":true,"integration_type":"OKTA"}`},
		{"not enabled", datadog.Update{Type: datadog.Okta, Enabled: new(false)}, `{"enabled":false,"integration_type":"OKTA"}`},
		{"a domain", datadog.Update{Type: datadog.SentinelOne, Domain: new("acme.sentinelone.net")}, `{"domain":"acme.sentinelone.net","integration_type":"SENTINELONE"}`},
		{"an empty domain", datadog.Update{Type: datadog.Okta, Domain: new("")}, `{"domain":"","integration_type":"OKTA"}`},
		{"a name", datadog.Update{Type: datadog.EntraID, Name: new("Acme <&> Söhne")}, `{"integration_type":"ENTRA_ID","name":"Acme <&> Söhne"}`},
		{"an empty name", datadog.Update{Type: datadog.Okta, Name: new("")}, `{"integration_type":"OKTA","name":""}`},
		{
			"settings",
			datadog.Update{Type: datadog.Okta, Settings: map[string]any{"setting1": "value1", "n": json.Number("1.50"), "none": nil}},
			`{"integration_type":"OKTA","settings":{"n":1.50,"none":null,"setting1":"value1"}}`,
		},
		{"empty settings", datadog.Update{Type: datadog.Okta, Settings: map[string]any{}}, `{"integration_type":"OKTA","settings":{}}`},
		{
			"a secret in settings, by mistake",
			datadog.Update{Type: datadog.Okta, Settings: map[string]any{"a": datadog.NewSecret(apiToken)}},
			`{"integration_type":"OKTA","settings":{"a":"[secret]"}}`,
		},
		{"secrets", datadog.Update{Type: datadog.Okta, Secrets: oktaSecrets}, `{"integration_type":"OKTA","secrets":{"api_token":"` + apiToken + `"}}`},
		{"no secrets", datadog.Update{Type: datadog.Okta, Secrets: datadog.Secrets{}}, `{"integration_type":"OKTA"}`},
		{
			"two secrets",
			datadog.Update{Type: datadog.CrowdStrike, Secrets: datadog.Secrets{"client_secret": datadog.NewSecret("b"), "client_id": datadog.NewSecret("a")}},
			`{"integration_type":"CROWDSTRIKE","secrets":{"client_id":"a","client_secret":"b"}}`,
		},
		{
			"characters that HTML escapes",
			datadog.Update{Type: datadog.Okta, Secrets: datadog.Secrets{"api_token": datadog.NewSecret(`<a>&'"\/ü` + "\n\t\x00😀")}},
			`{"integration_type":"OKTA","secrets":{"api_token":"<a>&'\"\\/ü\n\t\u0000😀"}}`,
		},
		{
			"a service account is an object",
			datadog.Update{Type: datadog.GoogleWorkspace, Secrets: google},
			`{"integration_type":"GOOGLE_WORKSPACE","secrets":{"admin_email":"admin@acme.example","service_account_json":` + serviceAccount + `}}`,
		},
		{
			"everything",
			datadog.Update{
				Type: datadog.Okta, Domain: new("d"), Name: new("n"), Enabled: new(true), Secrets: oktaSecrets, Settings: map[string]any{"a": []any{true}},
			},
			`{"domain":"d","enabled":true,"integration_type":"OKTA","name":"n","secrets":{"api_token":"` + apiToken + `"},"settings":{"a":[true]}}`,
		},
	}
	for _, c := range cases {
		virtually(t, c.name, func(t *testing.T) {
			client, line := client(reply(200, `{"data":`+oktaConfig+`}`))
			got, err := client.UpdateIntegrationConfig(t.Context(), configID, c.update)
			if err != nil || got.ID != configID {
				t.Errorf("got %+v, %v", got, err)
			}
			want := `{"data":{"attributes":` + c.want + `,"type":"integration_config"}}`
			if body := strings.TrimSpace(line.sent[0].body); body != want {
				t.Errorf("got  %s\nwant %s", body, want)
			}
		})
	}
}

// TestSecretsThatAreNoJSON checks that they are neither sent nor quoted.
func TestSecretsThatAreNoJSON(t *testing.T) {
	for name, value := range map[string]any{
		"a number that is none": json.Number(canary), "no number": math.NaN(), "a function": func() string { return canary }, "a cycle": cycle(),
	} {
		virtually(t, name, func(t *testing.T) {
			client, line := client(reply(200, ""))
			secrets := datadog.Secrets{"api_token": datadog.NewSecret(value)}
			_, err := client.UpdateIntegrationConfig(t.Context(), configID, datadog.Update{Type: datadog.Okta, Secrets: secrets})
			for _, err := range []error{err, client.ValidateCredential(t.Context(), datadog.Okta, "d", secrets)} {
				if failed := failure(t, err); failed.Retryable || failed.Status != 0 || strings.Contains(err.Error(), canary) {
					t.Errorf("got %v, retryable %t, want a final error without the value", err, failed.Retryable)
				}
			}
			if line.tries() != 0 {
				t.Errorf("got %d requests, want none", line.tries())
			}
		})
	}
}

func cycle() any {
	list := []any{canary, nil}
	list[1] = list
	return list
}

func TestIntegrationConfigIsRead(t *testing.T) {
	at := time.Date(2026, 10, 13, 14, 15, 16, 250_000_000, time.UTC)
	word := func(length int) string { return strings.Repeat("ü", length) }
	cases := []struct {
		name, attributes string
		want             datadog.IntegrationConfig
	}{
		{"only what is required", `{"integration_type":"OKTA","domain":"acme.okta.com","enabled":true}`, datadog.IntegrationConfig{
			Type: datadog.Okta, Domain: "acme.okta.com", Enabled: true,
		}},
		{
			"everything", `{"integration_type":"CROWDSTRIKE","domain":"api.crowdstrike.com","enabled":false,"name":"Falcon","state":"valid",` +
				`"settings":{"setting1":"value1"},"created_at":"2026-10-13T14:15:16.25Z","modified_at":"2026-10-13T14:15:16.25Z"}`,
			datadog.IntegrationConfig{
				Type: datadog.CrowdStrike, Domain: "api.crowdstrike.com", Name: "Falcon", State: datadog.Valid,
				Settings: map[string]any{"setting1": "value1"}, CreatedAt: at, ModifiedAt: at,
			},
		},
		{"invalid", `{"state":"invalid"}`, datadog.IntegrationConfig{State: datadog.Invalid}},
		{"initializing", `{"state":"initializing"}`, datadog.IntegrationConfig{State: datadog.Initializing}},
		{"a type and a state of the future", `{"integration_type":"DUO","state":"degraded"}`, datadog.IntegrationConfig{Type: "DUO", State: "degraded"}},
		{"attributes of the future", `{"enabled":true,"sync_interval":{"n":12345678901234567890},"tags":["a"]}`, datadog.IntegrationConfig{Enabled: true}},
		{"nothing", `{}`, datadog.IntegrationConfig{}},
		{
			"null everywhere", `{"integration_type":null,"domain":null,"enabled":null,"name":null,"state":null,"settings":null,"created_at":null,"modified_at":null}`,
			datadog.IntegrationConfig{},
		},
		{
			"odd types everywhere", `{"integration_type":1,"domain":["a"],"enabled":"true","name":{"a":"b"},"state":3,"settings":["a"],"created_at":1795000000,"modified_at":"yesterday"}`,
			datadog.IntegrationConfig{},
		},
		{"an odd type among others", `{"domain":"d","state":{"valid":true},"name":"n"}`, datadog.IntegrationConfig{Domain: "d", Name: "n"}},
		{
			"control characters", `{"integration_type":"A\u0000B","domain":"a\nb","name":"\u001b[2Jn","state":"v\u202e"}`,
			datadog.IntegrationConfig{Type: "A B", Domain: "a b", Name: " [2Jn", State: "v "},
		},
		{
			"texts of the longest", `{"integration_type":"` + word(100) + `","domain":"` + word(300) + `","name":"` + word(300) + `","state":"` + word(100) + `"}`,
			datadog.IntegrationConfig{Type: datadog.IntegrationType(word(100)), Domain: word(300), Name: word(300), State: datadog.State(word(100))},
		},
		{
			"texts that are longer", `{"integration_type":"` + word(101) + `","domain":"` + word(301) + `","name":"` + word(9999) + `","state":"` + word(101) + `"}`,
			datadog.IntegrationConfig{Type: datadog.IntegrationType(word(100) + "…"), Domain: word(300) + "…", Name: word(300) + "…", State: datadog.State(word(100) + "…")},
		},
	}
	for _, c := range cases {
		virtually(t, c.name, func(t *testing.T) {
			c.want.ID = configID
			resource := `{"id":"` + string(configID) + `","type":"integration_config","attributes":` + c.attributes + `,"meta":{}}`
			one, _ := client(reply(200, `{"data":`+resource+`,"included":[]}`))
			got, err := one.GetIntegrationConfig(t.Context(), configID)
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("get: got  %+v, %v\nwant %+v", got, err, c.want)
			}
			got, err = one.UpdateIntegrationConfig(t.Context(), configID, datadog.Update{Type: datadog.Okta})
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("update: got  %+v, %v\nwant %+v", got, err, c.want)
			}
			c.want.Settings = nil
			many, _ := client(reply(200, `{"data":[`+oktaConfig+`,`+resource+`]}`))
			all, err := many.ListIntegrationConfigs(t.Context(), "")
			if err != nil || len(all) != 2 || !reflect.DeepEqual(all[1], c.want) {
				t.Errorf("list: got  %+v, %v\nwant %+v in the second place", all, err, c.want)
			}
		})
	}
}

// TestIDsAreBounded lists a config with a long id.
func TestIDsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := client(reply(200, `{"data":[{"id":"a\nb`+strings.Repeat("c", 200)+`","attributes":{}}]}`))
		got, err := client.ListIntegrationConfigs(t.Context(), "")
		if want := datadog.ConfigID("a b" + strings.Repeat("c", 97) + "…"); err != nil || len(got) != 1 || got[0].ID != want {
			t.Errorf("got %+v, %v, want the id %s", got, err, want)
		}
	})
}

// TestLongLists has Datadog list thousands of configs with long settings, and checks what is kept of them.
func TestLongLists(t *testing.T) {
	const configs = 4000
	one := strings.Replace(oktaConfig, `"enabled":true`, `"enabled":true,"settings":{"a":"`+strings.Repeat("x", 3000)+`"},"more":["`+strings.Repeat("y", 1000)+`"]`, 1)
	list := `{"data":[` + strings.Repeat(one+",", configs-1) + one + `],"errors":[]}`
	synctest.Test(t, func(t *testing.T) {
		client, line := client(reply(200, list))
		got, err := client.ListIntegrationConfigs(t.Context(), "")
		if err != nil || len(got) != configs || line.tries() != 1 {
			t.Fatalf("got %d configs of %d, %v, after %d tries", len(got), configs, err, line.tries())
		}
		want := datadog.IntegrationConfig{ID: configID, Type: datadog.Okta, Domain: "acme.okta.com", Enabled: true}
		for _, config := range got {
			if !reflect.DeepEqual(config, want) {
				t.Fatalf("got %+v, want %+v", config, want)
			}
		}
	})
}

func TestAnswersThatAreSuccesses(t *testing.T) {
	upper := strings.ReplaceAll(oktaConfig, "1111", "aaaa")
	for _, status := range []int{200, 201, 202} {
		virtually(t, fmt.Sprint(status), func(t *testing.T) {
			empty, _ := client(reply(status, `{"data":[]}`))
			if got, err := empty.ListIntegrationConfigs(t.Context(), datadog.Okta); err != nil || got == nil || len(got) != 0 {
				t.Errorf("an empty list: got %v, %v", got, err)
			}
			other, _ := client(reply(status, `{"data":`+upper+`}`))
			if got, err := other.GetIntegrationConfig(t.Context(), "AAAAaaaa-2222-3333-4444-555555555555"); err != nil || got.Domain != "acme.okta.com" {
				t.Errorf("an id in other letters: got %v, %v", got, err)
			}
		})
	}
	for name, answer := range map[string]answer{
		"200": reply(200, ""), "204": reply(204, ""), "202": reply(202, ""), "blank": reply(200, " \r\n"), "an empty object": reply(200, "{}"),
		"an object": reply(200, `{"data":{"valid":true}}`), "no errors": reply(200, `{"errors":null}`), "an empty list of errors": reply(200, `{"errors":[],"error":null}`), "a page without a word": reply(200, "", "Content-Type: text/html"),
		"a megabyte": reply(200, strings.Repeat(" ", 1<<20)),
	} {
		virtually(t, "validate: "+name, func(t *testing.T) {
			client, line := client(answer)
			if err := client.ValidateStored(t.Context(), configID); err != nil {
				t.Errorf("stored: %v", err)
			}
			if err := client.ValidateCredential(t.Context(), datadog.Okta, "d", oktaSecrets); err != nil {
				t.Errorf("a credential: %v", err)
			}
			if line.tries() != 2 {
				t.Errorf("got %d requests, want 2", line.tries())
			}
		})
	}
}

func TestAnswersThatAreNot(t *testing.T) {
	const page = "<!DOCTYPE html><html>Please log in</html>"
	one := func(data string) string { return `{"data":` + data + `}` }
	config := []struct{ name, body string }{
		{"empty", ""},
		{"a page", page},
		{"truncated", `{"data":{"id":"` + string(configID) + `","attr`},
		{"more behind it", one(oktaConfig) + "}"},
		{"null", "null"},
		{"a text", `"ok"`},
		{"a list", "[]"},
		{"an empty object", "{}"},
		{"no data", `{"meta":{}}`},
		{"data null", one("null")},
		{"data a text", one(`"ok"`)},
		{"data a list", one("[" + oktaConfig + "]")},
		{"data empty", one("{}")},
		{"no id", one(`{"attributes":{"enabled":true}}`)},
		{"an empty id", one(`{"id":"","attributes":{}}`)},
		{"an id of another type", one(`{"id":11111111,"attributes":{}}`)},
		{"another id", one(`{"id":"99999999-2222-3333-4444-555555555555","attributes":{}}`)},
		{"a longer id", one(`{"id":"` + string(configID) + `0","attributes":{}}`)},
		{"no attributes", one(`{"id":"` + string(configID) + `"}`)},
		{"attributes null", one(`{"id":"` + string(configID) + `","attributes":null}`)},
		{"attributes a list", one(`{"id":"` + string(configID) + `","attributes":[]}`)},
	}
	list := []struct{ name, body string }{
		{"empty", ""},
		{"a page", page},
		{"truncated", `{"data":[` + oktaConfig},
		{"null", "null"},
		{"a bare list", "[]"},
		{"an empty object", "{}"},
		{"data null", one("null")},
		{"data an object", one("{}")},
		{"data a config", one(oktaConfig)},
		{"null among them", one("[" + oktaConfig + ",null]")},
		{"an empty object among them", one("[{}," + oktaConfig + "]")},
		{"one without an id", one("[" + oktaConfig + `,{"attributes":{}}]`)},
		{"one without attributes", one(`[{"id":"a"}]`)},
		{"a second list", `{"data":[],"Data":[` + oktaConfig + `]}`},
		{"more behind it", one("[]") + "{}"},
		{"a comma too many", one("[" + oktaConfig + ",]")},
		{"an id of another type", one(`[{"id":1,"attributes":{}}]`)},
	}
	verdict := []struct{ name, body string }{
		{"a page", page},
		{"a word", "OK"},
		{"truncated", "{"},
		{"a text", `"ok"`},
		{"a list", "[]"},
		{"true", "true"},
	}
	keys := append(verdict[:len(verdict):len(verdict)], []struct{ name, body string }{
		{"empty", ""},
		{"an empty object", "{}"},
		{"another status", `{"status":"error"}`},
		{"a status of another type", `{"status":true}`},
	}...)
	bodies := map[string][]struct{ name, body string }{
		"ListIntegrationConfigs": list, "GetIntegrationConfig": config, "UpdateIntegrationConfig": config,
		"ValidateCredential": verdict, "ValidateStored": verdict, "UpdateAzureIntegration": verdict, "ValidateKeys": keys,
	}
	virtually(t, "nothing of a config without an id", func(t *testing.T) {
		client, _ := client(reply(200, "{}"))
		if config, err := client.GetIntegrationConfig(t.Context(), ""); err == nil {
			t.Errorf("got %+v, want an error", config)
		}
	})
	for _, call := range calls {
		for _, c := range bodies[call.name] {
			virtually(t, call.name+"/"+c.name, func(t *testing.T) {
				bad, line := client(reply(201, c.body))
				failed := failure(t, once(t, bad, call.do))
				if failed.Status != 201 || !failed.Retryable || failed.FromDatadog || line.tries() != 1 {
					t.Errorf("got %+v after %d tries, want a 201 that is to be tried again", failed, line.tries())
				}
				if want := "answer is"; !strings.Contains(failed.Error(), want) {
					t.Errorf("got %q, want it to say what the %s", failed, want)
				}
				if datadog.IsInvalidCredential(failed) || datadog.IsNotOffered(failed) {
					t.Errorf("%v counts as Datadog's word", failed)
				}
			})
		}
	}
}

// TestSuccessesThatReportErrors expects a failure with Datadog's words.
func TestSuccessesThatReportErrors(t *testing.T) {
	for _, call := range calls {
		whole := strings.TrimSuffix(strings.TrimPrefix(call.good, "{"), "}")
		if whole != "" {
			whole = "," + whole
		}
		for _, c := range []struct {
			name, errors string
			want         []string
		}{
			{"texts", `"errors":["Invalid credentials","again"]`, []string{"Invalid credentials", "again"}},
			{"an object", `"errors":[{"title":"Bad","detail":"token"}]`, []string{"Bad: token"}},
			{"a code", `"error":{"code":"InvalidArgument"}`, []string{"InvalidArgument"}},
			{"a text", `"error":"denied"`, []string{"denied"}},
			{"nothing in them", `"errors":[null]`, nil},
		} {
			virtually(t, call.name+"/"+c.name, func(t *testing.T) {
				client, _ := client(reply(200, "{"+c.errors+whole+"}"))
				err := call.do(t.Context(), client)
				failed := failure(t, err)
				if failed.Status != 200 || !failed.Retryable || !slices.Equal(failed.Messages, c.want) {
					t.Errorf("got %+v, want the messages %q", failed, c.want)
				}
				if datadog.IsInvalidCredential(err) || datadog.IsNotOffered(err) || !strings.Contains(err.Error(), "the answer reports errors") {
					t.Errorf("%v is taken for a judgement, or does not say what is wrong", err)
				}
			})
		}
	}
}

// TestAnswersDoNotMix has an answer that is good except at its end, followed by an empty one.
func TestAnswersDoNotMix(t *testing.T) {
	for _, call := range calls[:3] {
		virtually(t, call.name, func(t *testing.T) {
			garbled := strings.TrimSuffix(call.good, "}") + `,"data":5}`
			for _, then := range []string{"{}", "null", `{"data":null}`, ""} {
				client, _ := client(reply(200, garbled), reply(200, then))
				if err := call.do(t.Context(), client); err == nil {
					t.Errorf("got a success from %s, then %s", garbled, then)
				}
			}
			client, _ := client(reply(200, garbled))
			configs, _ := client.ListIntegrationConfigs(t.Context(), "")
			config, _ := client.GetIntegrationConfig(t.Context(), configID)
			if configs != nil || !reflect.DeepEqual(config, datadog.IntegrationConfig{}) {
				t.Errorf("got %+v and %+v beside an error", configs, config)
			}
		})
	}
}

// TestSimulatorTakesAll makes every call over a real connection. The simulator accepts only what the public description
// of Datadog's API accepts.
func TestSimulatorTakesAll(t *testing.T) {
	secrets := map[datadog.IntegrationType]datadog.Secrets{
		datadog.GoogleWorkspace: {"service_account_json": datadog.NewSecret(object(serviceAccount)), "admin_email": datadog.NewSecret("admin@acme.example")},
		datadog.Okta:            oktaSecrets,
		datadog.EntraID:         nil,
		datadog.CrowdStrike:     {"client_id": datadog.NewSecret("0123456789abcdef"), "client_secret": datadog.NewSecret(apiToken)},
		datadog.SentinelOne:     {"api_token": datadog.NewSecret(apiToken)},
	}
	sim := datadogsim.New()
	sim.SetKeys(apiKey, appKey)
	sim.SetToken(token)
	server := httptest.NewServer(http.StripPrefix(basePath, sim))
	defer server.Close()

	for kind, secrets := range secrets {
		for name, keys := range map[string]datadog.Keys{"a pair of keys": keysOf(apiKey, appKey, ""), "a token": keysOf("", "", token)} {
			t.Run(string(kind)+" with "+name, func(t *testing.T) {
				id := datadog.ConfigID("a/b ü%2F?#" + string(kind))
				sim.PutConfig(datadogsim.Config{ID: string(id), Type: string(kind), Domain: "acme.example", State: "invalid"})
				sim.Accept(nil)
				client := clientOf(server.URL+basePath, server.Client().Transport)
				client.Keys = datadog.Fixed(keys)
				ctx := t.Context()

				config, err := client.GetIntegrationConfig(ctx, id)
				if err != nil || config.Type != kind || config.State != datadog.Invalid || config.Domain != "acme.example" {
					t.Fatalf("get: got %+v, %v", config, err)
				}
				if err := client.ValidateCredential(ctx, kind, config.Domain, secrets); err != nil {
					t.Errorf("validate a credential: %v", err)
				}
				update := datadog.Update{Type: kind, Secrets: secrets, Enabled: new(true), Name: new("n"), Settings: map[string]any{"a": "b"}}
				updated, err := client.UpdateIntegrationConfig(ctx, id, update)
				if err != nil || !updated.Enabled || updated.Name != "n" || !updated.ModifiedAt.After(config.ModifiedAt) {
					t.Errorf("update: got %+v, %v", updated, err)
				}
				if stored, _ := sim.Config(string(id)); len(stored.Secrets) != len(secrets) || stored.Patches != 1 {
					t.Errorf("stored: got %d secrets in %d updates, want %d in 1", len(stored.Secrets), stored.Patches, len(secrets))
				}
				if err := client.ValidateStored(ctx, id); err != nil {
					t.Errorf("validate what is stored: %v", err)
				}
				if err := client.ValidateKeys(ctx); err != nil {
					t.Errorf("validate the keys: %v", err)
				}
				if all, err := client.ListIntegrationConfigs(ctx, kind); err != nil || len(all) != 1 || all[0].ID != id {
					t.Errorf("list: got %+v, %v", all, err)
				}
				if all, err := client.ListIntegrationConfigs(ctx, ""); err != nil || len(all) == 0 {
					t.Errorf("list all: got %+v, %v", all, err)
				}

				sim.Accept(func(string, string, map[string]any) error { return errors.New("Invalid credentials") })
				for _, err := range []error{client.ValidateCredential(ctx, kind, "d", secrets), client.ValidateStored(ctx, id)} {
					if !datadog.IsInvalidCredential(err) || !strings.HasSuffix(err.Error(), "Datadog answered 400 Bad Request: Invalid credentials") {
						t.Errorf("validate what is refused: got %v", err)
					}
				}
				if _, err := client.GetIntegrationConfig(ctx, "unknown"); failure(t, err).Status != http.StatusNotFound {
					t.Errorf("get what is unknown: got %v", err)
				}
				client.Keys = datadog.Fixed(keysOf(apiKey, "another", ""))
				if _, err := client.ListIntegrationConfigs(ctx, ""); !datadog.IsForbidden(err) {
					t.Errorf("list with another key: got %v", err)
				}
				if err := client.ValidateKeys(ctx); !datadog.IsForbidden(err) {
					t.Errorf("validate another key: got %v", err)
				}
			})
		}
	}
}

// TestValidateStoredWithoutID expects that nothing is sent, because the path without
// an id is another operation's.
func TestValidateStoredWithoutID(t *testing.T) {
	client, line := client(reply(200, ""))
	if err := client.ValidateStored(t.Context(), ""); err == nil || line.tries() != 0 {
		t.Errorf("got %v after %d tries, want an error and none", err, line.tries())
	}
}
