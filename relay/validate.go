package relay

import (
	"context"

	"credential-relay/datadog"
)

// validate has Datadog try the candidate. It reports false where Datadog does
// not offer that, or does not let us read the domain it would need.
//
// Of ENTRA_ID the call would carry no secrets, and so judge what the Azure
// integration holds already. That proves nothing about the candidate, and when
// the old one has expired it would keep the new one out.
func (e *Engine) validate(ctx context.Context, b Binding, config *datadog.IntegrationConfig, candidate datadog.Secrets) (offered bool, err error) {
	if config == nil || b.inAzure {
		return false, nil
	}
	err = e.Datadog.ValidateCredential(ctx, b.Type, config.Domain, candidate)
	if datadog.IsNotOffered(err) {
		return false, nil
	}
	return true, err
}

// judged is the verdict on an error: the one given where Datadog has judged the
// credential, and a failure where anything else went wrong.
func judged(err error, verdict Verdict) Verdict {
	if datadog.IsRefusal(err) {
		return verdict
	}
	return Failed
}
