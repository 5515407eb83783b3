package relay

import (
	"context"

	"credential-relay/datadog"
)

// validate has Datadog try the candidate. It reports false, and Datadog's
// answer, where Datadog does not offer that, or does not let us read the domain
// it would need.
func (e *Engine) validate(ctx context.Context, kind datadog.IntegrationType, found look, candidate datadog.Secrets) (offered bool, err error) {
	if found.config == nil {
		return false, found.unread
	}
	err = e.Datadog.ValidateCredential(ctx, kind, found.config.Domain, candidate)
	return !datadog.IsNotOffered(err), err
}

// judged is the verdict on an error: the one given where Datadog has judged the
// credential, and a failure where anything else went wrong.
func judged(err error, verdict Verdict) Verdict {
	if datadog.IsRefusal(err) {
		return verdict
	}
	return Failed
}
