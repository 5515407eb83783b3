package relay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"credential-relay/datadog"
)

// storeInAzure has Datadog store the candidate where a config of ENTRA_ID finds
// it: with an app registration of the Datadog–Azure integration. The flag goes
// to the config itself, and goes second: then the date of its PATCH tells a
// reconcile that the credential had been stored.
func (e *Engine) storeInAzure(ctx context.Context, b Binding, o Result, c candidate) (Result, bool) {
	if err := e.put(ctx, c.secrets); err != nil {
		return o.ended(judged(err, Rejected), AtPut, explained(err)), false
	}
	o.State = "" // which was the old credential's
	flag := b.Enabled.assertion()
	if flag == nil {
		return e.stateOf(ctx, b, o), true
	}
	o, err := e.patch(ctx, b, o, nil, flag)
	if err != nil { // a refusal too: the PATCH held no credential to judge
		return o.failed(AtPatch, err).masking(c.secrets), false
	}
	return o, true
}

func (e *Engine) put(ctx context.Context, secrets datadog.Secrets) error {
	defer timed(ctx, AtPut)()
	return e.Datadog.UpdateAzureIntegration(ctx, datadog.AzureCredential{
		TenantID: secrets["tenant_id"], ClientID: secrets["client_id"], ClientSecret: secrets["client_secret"],
	})
}

// stateOf reads what the answer of a PATCH would have told. Without it the
// confirmation does as well.
func (e *Engine) stateOf(ctx context.Context, b Binding, o Result) Result {
	if config, err := e.getConfig(ctx, b.ConfigID); err == nil {
		o.State, o.Enabled = config.State, &config.Enabled
	}
	return o
}

// explained adds to a refusal of the Azure integration what there is to do.
// Datadog does not document how it answers for an app registration that it does
// not know.
func explained(err error) error {
	switch {
	case datadog.IsNotFound(err):
		return fmt.Errorf("%w: Datadog's Azure integration has no app registration with this tenant_id and client_id; add it there first", err)
	case datadog.IsInvalidCredential(err):
		return fmt.Errorf("%w: does Datadog's Azure integration have an app registration with this tenant_id and client_id?", err)
	default:
		return err
	}
}

// tried notes that Datadog has judged what it holds, of a credential that it
// could not try before.
func (o Result) tried(b Binding) Result {
	if b.inAzure {
		o.Validated, o.NotValidated = aws.Bool(true), ""
	}
	return o
}

// The Azure integration tells no date, and its PUT does not move the config's
// modified_at. So unless a flag was sent after it, a reconcile cannot see whether
// the current credential has been delivered, and state valid does not tell
// either: Entra ID accepts an old client secret next to the new one, until it
// expires. To send it again is harmless, but must come to an end. So it is sent
// again for some days after the source's last change: longer than a weekend in
// any case, and longer than old and new overlap when Datadog calls it invalid.
const (
	sentAgainFor        = 3 * 24 * time.Hour
	sentAgainForInvalid = 30 * 24 * time.Hour
)

var errStaysInvalidInAzure = errors.New("stored some time ago, and Datadog calls it invalid; it is not sent again by itself: see to the client secret in Entra ID, then relay by hand")

func mayBeMissingInAzure(config *datadog.IntegrationConfig, last change) bool {
	if config.State == datadog.Invalid {
		return time.Since(last.at) < sentAgainForInvalid
	}
	return time.Since(last.at) < sentAgainFor
}

// testInAzure has Datadog try what it holds, which is the credential that
// setSecret has stored, or for a test alone the current one.
func (e *Engine) testInAzure(ctx context.Context, b Binding, o Result, c candidate) Result {
	defer timed(ctx, AtConfirm)()
	o = e.accepted(ctx, b, o).masking(c.secrets)
	if o.Outcome == Updated {
		o.Outcome = Unchanged
	}
	return o
}

// putBack gives Datadog the current credential again, when the staged one had to
// be stored to be tried, and turned out to be invalid.
func (e *Engine) putBack(ctx context.Context, b Binding, source Source, o Result) Result {
	back := e.relayTo(ctx, b, source, e.Sources.reader(source), false)
	if back.Failed() {
		o.Error.Message += "; the current credential is not in place again: " + back.Error.Message
	} else {
		o.Error.Message += "; the current credential is in place again"
	}
	return o
}
