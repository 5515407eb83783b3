package relay

import (
	"context"
	"errors"

	"credential-relay/datadog"
)

// validate has Datadog try the candidate, and stops the relay when Datadog
// refuses it. Where Datadog does not offer to try it, the relay goes on.
func (e *Engine) validate(ctx context.Context, w *work) error {
	w.result.Validated, w.result.NotValidated = nil, ""
	offered, err := w.destination.validate(ctx, e, w)
	switch {
	case !offered:
		w.notValidated(err)
		return nil
	case err != nil:
		return judged(Rejected, AtValidate, err)
	}
	w.validated()
	return nil
}

var errNoDomain = errors.New("the integration config has no domain, which Datadog needs to try a credential; set its domain in Datadog")

// validate has Datadog try the candidate for the config's domain. It reports
// false, and why, where Datadog does not offer that, or does not let us read the
// domain.
func (inConfig) validate(ctx context.Context, e *Engine, w *work) (offered bool, err error) {
	switch {
	case w.config == nil:
		return false, w.configErr
	case w.config.Domain == "":
		return true, errNoDomain
	}
	defer timed(ctx, AtValidate)()
	err = e.Datadog.ValidateCredential(ctx, w.Type, w.config.Domain, w.candidate)
	return !datadog.IsNotOffered(err), err
}

var errTriedWhenStored = errors.New("an Entra ID credential is tried only once it is stored")

// validate does not call Datadog. For ENTRA_ID the call carries no secrets and
// would judge the credential already stored: that says nothing about the
// candidate, and would keep it out once the stored one has expired.
func (inAzure) validate(context.Context, *Engine, *work) (offered bool, err error) {
	return false, errTriedWhenStored
}
