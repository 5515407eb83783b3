package relay

import (
	"context"
	"errors"

	"credential-relay/datadog"
)

// validate has Datadog try the candidate. It reports false, and why, where
// Datadog does not offer that, or does not let us read the domain it would need.
//
// Of ENTRA_ID the call would carry no secrets, and so judge what the Azure
// integration holds already. That proves nothing about the candidate, and when
// the old one has expired it would keep the new one out.
func (e *Engine) validate(ctx context.Context, b Binding, found look, candidate datadog.Secrets) (offered bool, err error) {
	if b.inAzure {
		return false, errTriedWhenStored
	}
	if found.config == nil {
		return false, found.unread
	}
	defer timed(ctx, AtValidate)()
	err = e.Datadog.ValidateCredential(ctx, b.Type, found.config.Domain, candidate)
	return !datadog.IsNotOffered(err), err
}

var errTriedWhenStored = errors.New("an Entra ID credential is tried only once it is stored")

// judged is the verdict on an error: the one given where Datadog has judged the
// credential, and a failure where anything else went wrong.
func judged(err error, verdict Outcome) Outcome {
	if datadog.IsInvalidCredential(err) {
		return verdict
	}
	return Failed
}
