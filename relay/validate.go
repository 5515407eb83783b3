package relay

import (
	"context"

	"credential-relay/datadog"
)

// validate has Datadog try the candidate. It reports false where Datadog does
// not offer that, or does not let us read the domain it would need.
func (e *Engine) validate(ctx context.Context, kind datadog.IntegrationType, config *datadog.IntegrationConfig, candidate datadog.Secrets) (offered bool, err error) {
	if config == nil {
		return false, nil
	}
	err = e.Datadog.ValidateCredential(ctx, kind, config.Domain, candidate)
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
