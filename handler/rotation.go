package handler

import (
	"cmp"
	"context"
	"regexp"
	"strings"

	"credential-relay/relay"
)

// isRotationStep tells a step of Secrets Manager's rotation protocol.
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
func (o object) isRotationStep() bool { return o.has("Step", "SecretId", "ClientRequestToken") }

// RotationStepFailed is the function error for a rotation step that failed.
// Secrets Manager shows it where it reports the rotation's failure.
type RotationStepFailed struct {
	step string
	err  error
}

func (e *RotationStepFailed) Error() string { return e.step + ": " + relay.Describe(e.err) }

// rotationSteps are the steps by their names without underscores, in lower
// case: AWS's own documentation spells them createSecret and create_secret.
var rotationSteps = map[string]string{
	"createsecret": "createSecret", "setsecret": "setSecret", "testsecret": "testSecret", "finishsecret": "finishSecret",
}

// rotationToken is the form of a client request token.
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html
var rotationToken = regexp.MustCompile(`^[A-Za-z0-9-]{32,64}$`)

// decodeRotation checks a step before anything is read. The event's
// RotationToken, which is a secret, is not even decoded.
func decodeRotation(event object) (step string, r relay.Rotation, err error) {
	step, ok := rotationSteps[strings.ToLower(strings.ReplaceAll(event.text("Step"), "_", ""))]
	if !ok {
		return "", r, malformed("Step: %q is none of createSecret, setSecret, testSecret and finishSecret", event.text("Step"))
	}
	if r.Secret, ok = relay.SecretAt(event.text("SecretId")); !ok {
		return step, r, malformed("%s: SecretId: must be the secret's full ARN", step)
	}
	if r.Token = event.text("ClientRequestToken"); !rotationToken.MatchString(r.Token) {
		return step, r, malformed("%s: ClientRequestToken: must have 32 to 64 letters, digits and -", step)
	}
	return step, r, nil
}

// serveRotation takes one step of a staged rotation.
func (h *Handler) serveRotation(ctx context.Context, event object) (served, error) {
	step, rotation, err := decodeRotation(event)
	result := served{trigger: cmp.Or(step, "malformed")}
	if err != nil {
		return result, err
	}
	switch step {
	case "createSecret":
		err = h.Engine.Create(ctx, rotation)
	case "setSecret":
		result.Results, err = h.Engine.Set(ctx, rotation)
	case "testSecret":
		result.Results, err = h.Engine.Test(ctx, rotation)
	case "finishSecret":
		result.Results, err = h.Engine.Finish(ctx, rotation)
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

// unfinished returns what stands in the way of the next step. Unlike elsewhere,
// that includes a credential that is not yet confirmed.
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
