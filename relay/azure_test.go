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

// entraBound returns a world with a secret that feeds an app registration of the
// Azure integration, and the config 1111 that reads with it. There is no receipt
// yet.
func entraBound(t testing.TB, mode EnabledMode) *world {
	w := newWorld(t)
	w.rotateEntra(canary)
	w.datadog.PutAzureIntegration("tenant-1", "client-1", "old")
	w.bind("secrets/"+entraSecret, "1111", fmt.Sprintf(`{"integration_type":"ENTRA_ID","enabled":%q}`, mode))
	return w
}

func (w *world) rotateEntra(clientSecret string) {
	w.aws.PutSecret(entraSecret, `{"tenant_id":"tenant-1","client_id":"client-1","client_secret":"`+clientSecret+`"}`)
}

// inAzure returns the client secret of the app registration; empty when there is
// no app registration.
func (w *world) inAzure() string {
	held, _ := w.datadog.AzureSecret("tenant-1", "client-1")
	return held
}

// TestOneRelayToAzure stores the credential in the Azure integration, and sends
// the config nothing but its flag. A flag that follows is turned on only once
// Datadog has accepted what it holds.
func TestOneRelayToAzure(t *testing.T) {
	for _, c := range []struct {
		mode    EnabledMode
		enabled bool // before
		want    []string
	}{
		{Keep, true, []string{"get", "azure", "validate-stored"}},
		{Keep, false, []string{"get", "azure", "validate-stored"}},
		{On, false, []string{"get", "azure", "patch", "validate-stored"}},
		{Off, true, []string{"get", "azure", "patch", "validate-stored"}},
		{Follow, true, []string{"get", "azure", "validate-stored"}},
		{Follow, false, []string{"get", "azure", "validate-stored", "patch"}},
	} {
		t.Run(fmt.Sprintf("%s from %t", c.mode, c.enabled), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := entraBound(t, c.mode)
				w.config("1111", func(config *datadogsim.Config) { config.Enabled = c.enabled })
				on := c.enabled
				if c.mode != Keep {
					on = c.mode != Off
				}
				r := w.relayOne(SecretNamed(entraSecret), time.Minute)
				if r.Outcome != Updated || !*r.Validated || r.NotValidated != "" || *r.Enabled != on {
					t.Errorf("got %s, want updated, validated, and enabled %t", encoded(t, r), on)
				}
				if config, _ := w.datadog.Config("1111"); w.inAzure() != canary || !w.holds("1111", `{"api_token":"old"}`) || config.Enabled != on {
					t.Errorf("got %q in Azure and enabled %t, want the credential there and %t", w.inAzure(), config.Enabled, on)
				}
				var got []string
				for _, request := range w.datadog.Requests() {
					got = append(got, string(request.Operation))
					if request.Operation == datadogsim.Patch && strings.Contains(request.Body, "secret") {
						t.Errorf("the PATCH holds %s", request.Body)
					}
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("got the calls %v, want %v", got, c.want)
				}
			})
		})
	}
}

// TestAzureRefusals holds that no answer to the PUT judges the credential: Datadog
// does not try it then.
func TestAzureRefusals(t *testing.T) {
	const which = "has an app registration with this tenant_id and client_id"
	for _, c := range []struct {
		status int
		says   string
	}{
		{http.StatusBadRequest, which},
		{http.StatusUnprocessableEntity, which},
		{http.StatusForbidden, "azure_configuration_edit"},
		{http.StatusNotFound, "has no app registration with this tenant_id and client_id; add it there first"},
		{http.StatusConflict, "409 Conflict"},
	} {
		for _, mode := range []EnabledMode{Keep, Off} {
			t.Run(fmt.Sprint(c.status, " ", mode), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := entraBound(t, mode)
					w.line.failing(always("azure", 1, quoting(c.status)))
					r := w.relayOne(SecretNamed(entraSecret), time.Minute)
					if r.Outcome != Failed || r.Error.Stage != AtPut || r.Error.Retryable || *r.Validated || !strings.Contains(r.Error.Message, c.says) {
						t.Errorf("got %s, want failed at %s: %s", encoded(t, r), AtPut, c.says)
					}
					if config, _ := w.datadog.Config("1111"); config.Enabled != (mode == Keep) || w.inAzure() != "old" {
						t.Errorf("got enabled %t and %q in Azure", config.Enabled, w.inAzure())
					}
					if receipt := w.receipt("1111"); receipt != nil {
						t.Errorf("got the receipt %s, want none", encoded(t, receipt))
					}
				})
			})
		}
	}
}

func TestConfirmOfAzure(t *testing.T) {
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
		// The config's state from before the client secret changed proves nothing.
		{"not offered, and unknown since", func(w *world) {
			w.datadog.ScriptForever(datadogsim.ValidateStored, notOffered)
			w.line.failing(always("get", 2, says(http.StatusForbidden)))
		}, Pending, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := entraBound(t, Keep)
				c.given(w)
				r := w.relayOne(SecretNamed(entraSecret), time.Minute)
				if r.Outcome != c.want || *r.Validated != c.validated {
					t.Errorf("got %s, want %s, validated %t", encoded(t, r), c.want, c.validated)
				}
			})
		})
	}
}

// TestAzureOfAnExpiredCredential has Datadog hold a credential that is invalid by
// now. That keeps no good one out.
func TestAzureOfAnExpiredCredential(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := entraBound(t, Keep)
		w.refuse("old")
		if r := w.relayOne(SecretNamed(entraSecret), time.Minute); r.Outcome != Updated {
			t.Errorf("got %s, want updated", encoded(t, r))
		}
	})
}
