package relay

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"credential-relay/internal/datadogsim"
)

const entraSecret = "prod/entra-id/datadog"

// entraBound is a world with a secret that feeds an app registration of the
// Azure integration, and the config 1111 that reads with it.
func entraBound(t testing.TB, enabled EnabledMode) *world {
	w := newWorld(t)
	w.rotateEntra(canary)
	w.datadog.PutAzureIntegration("tenant-1", "client-1", "old")
	w.bind("secrets/"+entraSecret, "1111", fmt.Sprintf(`{"integration_type":"ENTRA_ID","enabled":%q}`, enabled))
	return w
}

func (w *world) rotateEntra(clientSecret string) {
	w.aws.PutSecret(entraSecret, `{"tenant_id":"tenant-1","client_id":"client-1","client_secret":"`+clientSecret+`"}`)
}

func (w *world) inAzure() string {
	held, _ := w.datadog.AzureSecret("tenant-1", "client-1")
	return held
}

func TestOneRelayToAzure(t *testing.T) {
	for _, c := range []struct {
		enabled EnabledMode
		then    string
	}{{Keep, "get"}, {On, "patch"}, {Off, "patch"}, {Follow, "patch"}} {
		t.Run(string(c.enabled), func(t *testing.T) {
			w := entraBound(t, c.enabled)
			o := w.relayOne(SecretNamed(entraSecret), time.Minute)
			if o.Outcome != Updated || !*o.Validated || o.State != "valid" || *o.Enabled != (c.enabled != Off) {
				t.Errorf("got %s, want updated, validated", encoded(t, o))
			}
			if w.inAzure() != canary || !w.holds("1111", `{"api_token":"old"}`) {
				t.Error("want the Azure integration to hold the credential, and the config what it held")
			}
			var got []string
			for _, request := range w.datadog.Requests() {
				got = append(got, string(request.Operation))
				if request.Operation == datadogsim.Patch && strings.Contains(request.Body, "secret") {
					t.Errorf("the PATCH holds %s", request.Body)
				}
			}
			if want := []string{"get", "azure", c.then, "validate-stored"}; !slices.Equal(got, want) {
				t.Errorf("got the calls %v, want %v", got, want)
			}
		})
	}
}

// TestEveryFaultOfAzure is TestEveryFault for what is stored in Azure.
func TestEveryFaultOfAzure(t *testing.T) {
	for _, enabled := range []EnabledMode{Keep, On} {
		well := entraBound(t, enabled)
		well.relay(SecretNamed(entraSecret), patience)
		everyFault(t, well.served(), func(t *testing.T, failing call, name string, which func(call) fault) {
			w := entraBound(t, enabled)
			w.line.failing(which)
			o := w.relayOne(SecretNamed(entraSecret), patience)
			// A stranger's object cannot be told from Datadog's empty one.
			strange := failing.operation == "azure" && (name == "JSON of somebody else")
			if o.Outcome == Updated && w.inAzure() != canary && !strange {
				t.Errorf("got updated, and Datadog does not hold the current credential: %s", encoded(t, o))
			}
			if (o.Error == nil) != (o.Outcome == Updated) {
				t.Errorf("got %s with the error %+v", o.Outcome, o.Error)
			}
			w.line.failing(nil)
			time.Sleep(longestLimit)
			if o = w.relayOne(SecretNamed(entraSecret), patience); o.Outcome != Updated || w.inAzure() != canary {
				t.Errorf("after the fault: got %s, want updated, and Datadog to hold the current credential", encoded(t, o))
			}
		})
	}
}

func TestAzureRefusals(t *testing.T) {
	for _, c := range []struct {
		status int
		want   Outcome
		says   string
	}{
		{http.StatusBadRequest, Rejected, "does Datadog's Azure integration have an app registration with this tenant_id and client_id?"},
		{http.StatusUnprocessableEntity, Rejected, "does Datadog's Azure integration have an app registration with this tenant_id and client_id?"},
		{http.StatusForbidden, Failed, "the keys lack the permission azure_configuration_edit"},
		{http.StatusNotFound, Failed, "has no app registration with this tenant_id and client_id; add it there first"},
		{http.StatusConflict, Failed, "Datadog answered 409 Conflict"},
	} {
		for _, enabled := range []EnabledMode{Keep, Off} {
			t.Run(fmt.Sprint(c.status, " ", enabled), func(t *testing.T) {
				w := entraBound(t, enabled)
				w.datadog.ScriptForever(datadogsim.Azure, datadogsim.Answer{Status: c.status, EchoRequest: true, Body: "no "})
				o := w.relayOne(SecretNamed(entraSecret), time.Minute)
				if o.Outcome != c.want || o.Error.Stage != AtPut || o.Error.Retryable || *o.Validated || !strings.Contains(o.Error.Message, c.says) {
					t.Errorf("got %s, want %s at %s: %s", encoded(t, o), c.want, AtPut, c.says)
				}
				if stored, _ := w.datadog.Config("1111"); stored.Enabled != (enabled == Keep) || w.inAzure() != "old" {
					t.Errorf("got enabled %t and %q in Azure", stored.Enabled, w.inAzure())
				}
			})
		}
	}
}

func TestConfirmOfAzure(t *testing.T) {
	notOffered := datadogsim.Answer{Status: http.StatusNotFound}
	for _, c := range []struct {
		name      string
		given     func(w *world)
		want      Outcome
		validated bool
	}{
		{"valid", func(*world) {}, Updated, true},
		{"invalid", func(w *world) { w.refuse(canary) }, Invalid, true},
		{"initializing for ever", func(w *world) {
			w.datadog.Initializing(1000)
			w.datadog.ScriptForever(datadogsim.ValidateStored, refused)
		}, Pending, false},
		{"not offered, valid", func(w *world) { w.datadog.ScriptForever(datadogsim.ValidateStored, notOffered) }, Updated, false},
		{"not offered, invalid", func(w *world) {
			w.datadog.ScriptForever(datadogsim.ValidateStored, notOffered)
			w.refuse(canary)
		}, Invalid, false},
		// What the config said before the client secret changed is not believed.
		{"not offered, and unknown since", func(w *world) {
			w.datadog.ScriptForever(datadogsim.ValidateStored, notOffered)
			w.line.failing(always("get", 2, answer(http.StatusForbidden, "")))
		}, Pending, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := entraBound(t, Keep)
				c.given(w)
				o := w.relayOne(SecretNamed(entraSecret), time.Minute)
				if o.Outcome != c.want || *o.Validated != c.validated {
					t.Errorf("got %s, want %s, validated %t", encoded(t, o), c.want, c.validated)
				}
			})
		})
	}
}

// TestAzureOfAnExpiredCredential: the old one being invalid keeps no good one
// out, since it is not asked about.
func TestAzureOfAnExpiredCredential(t *testing.T) {
	w := entraBound(t, Keep)
	w.refuse("old")
	if o := w.relayOne(SecretNamed(entraSecret), time.Minute); o.Outcome != Updated {
		t.Errorf("got %s, want updated", encoded(t, o))
	}
}

