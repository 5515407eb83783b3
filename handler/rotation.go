package handler

import (
	"context"
	"strings"

	"credential-relay/relay"
)

// isRotationStep tells a step of Secrets Manager's rotation protocol.
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
func (o object) isRotationStep() bool { return o.has("Step", "SecretId", "ClientRequestToken") }

// RotationStepFailed is the function error for a step that could not be taken.
// Secrets Manager shows it where it tells of the rotation's failure.
type RotationStepFailed struct {
	step string
	err  error
}

func (e *RotationStepFailed) Error() string { return e.step + ": " + relay.Describe(e.err) }

// serveRotation takes one step of a staged rotation. The event's RotationToken,
// which is a secret, is not even decoded.
func (h *Handler) serveRotation(ctx context.Context, event object) (served, error) {
	step := event.text("Step")
	result := served{trigger: bounded(step)}
	secret, ok := relay.SecretAt(event.text("SecretId"))
	if !ok {
		return result, malformed("SecretId: must be the secret's full ARN")
	}
	rotation := relay.Rotation{Secret: secret, Token: event.text("ClientRequestToken")}
	var err error
	// AWS's own documentation spells the steps both ways: createSecret, create_secret.
	switch strings.ToLower(strings.ReplaceAll(step, "_", "")) {
	case "createsecret":
		err = h.Engine.Create(ctx, rotation)
	case "setsecret":
		result.Results, err = h.Engine.Set(ctx, rotation)
	case "testsecret":
		result.Results, err = h.Engine.Test(ctx, rotation)
	case "finishsecret":
		result.Results, err = h.Engine.Finish(ctx, rotation)
	default:
		return result, malformed("Step: %q is none of createSecret, setSecret, testSecret and finishSecret", step)
	}
	h.logOutcomes(ctx, Trigger{Kind: step}, result.Results)
	if err == nil {
		err = result.unfinished()
	}
	if err != nil {
		return result, &RotationStepFailed{step, err}
	}
	return result, nil
}

// unfinished is what stands in the way of the next step: unlike elsewhere, a
// credential that is not yet confirmed does too.
func (r Report) unfinished() error {
	if err := r.failure(); err != nil {
		return err
	}
	for _, outcome := range r.Results {
		if outcome.Outcome == relay.Pending {
			return &RelayFailed{r.summary(outcome)}
		}
	}
	return nil
}
