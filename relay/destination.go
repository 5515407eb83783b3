package relay

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"credential-relay/datadog"
)

// destination is where a credential is stored at Datadog.
type destination interface {
	// validate has Datadog try the candidate without storing it. offered is false
	// where Datadog does not offer that; err then says why.
	validate(ctx context.Context, e *Engine, w *work) (offered bool, err error)
	// store has Datadog store the candidate, together with the flag unless that is
	// nil. It returns what a relay stops with.
	store(ctx context.Context, e *Engine, w *work, flag *bool) error
	// sends names what store sends.
	sends(secrets datadog.Secrets) []string
	// movesDate reports whether storing moves the config's modified_at.
	movesDate() bool
}

// inConfig is the integration config itself.
type inConfig struct{}

func (inConfig) movesDate() bool { return true }

func (inConfig) sends(secrets datadog.Secrets) []string {
	var names []string
	for _, key := range slices.Sorted(maps.Keys(secrets)) {
		names = append(names, "secrets."+key)
	}
	return names
}

func (inConfig) store(ctx context.Context, e *Engine, w *work, flag *bool) error {
	if err := e.patch(ctx, w, w.candidate, flag); err != nil {
		// Without a domain Datadog cannot have tried the credential.
		if w.config == nil || w.config.Domain == "" {
			return failed(AtPatch, err)
		}
		return judged(Rejected, AtPatch, w.explainNotFound(err))
	}
	return nil
}

// inAzure is an app registration of the Datadog–Azure integration, with which a
// config of type ENTRA_ID reads.
type inAzure struct{}

// movesDate is false: the Azure integration has no date, and its PUT does not
// move the config's.
func (inAzure) movesDate() bool { return false }

func (inAzure) sends(datadog.Secrets) []string { return []string{"azure.client_secret"} }

// store changes the client secret of the app registration, and then the config's
// flag. No answer to that judges the credential: Datadog tries it only later.
func (inAzure) store(ctx context.Context, e *Engine, w *work, flag *bool) error {
	if err := e.put(ctx, w.candidate); err != nil {
		return failed(AtPut, explainAzure(err))
	}
	w.result.State = "" // it was the old credential's
	if flag == nil {
		return nil
	}
	if err := e.patch(ctx, w, nil, flag); err != nil {
		return failed(AtPatch, err)
	}
	return nil
}

func (e *Engine) put(ctx context.Context, secrets datadog.Secrets) error {
	defer timed(ctx, AtPut)()
	return e.Datadog.UpdateAzureIntegration(ctx, datadog.AzureCredential{
		TenantID: secrets["tenant_id"], ClientID: secrets["client_id"], ClientSecret: secrets["client_secret"],
	})
}

// isBadRequest reports whether Datadog calls the request wrong.
func isBadRequest(err error) bool {
	var answer *datadog.Error
	return errors.As(err, &answer) && answer.FromDatadog && (answer.Status == http.StatusBadRequest || answer.Status == http.StatusUnprocessableEntity)
}

// explainAzure adds what to do to an answer of the Azure integration. Datadog
// does not document its answer for an app registration that it does not know.
func explainAzure(err error) error {
	switch {
	case datadog.IsNotFound(err):
		return fmt.Errorf("%w: Datadog's Azure integration has no app registration with this tenant_id and client_id; add it there first", err)
	case isBadRequest(err):
		return fmt.Errorf("%w: check that Datadog's Azure integration has an app registration with this tenant_id and client_id", err)
	default:
		return err
	}
}
