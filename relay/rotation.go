package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	secrettypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

const (
	pending = "AWSPENDING"
	// stagedFor is how long it may take a staged version to be readable.
	stagedFor = 3 * time.Second
)

// Rotation is a staged rotation: somebody has put a new credential in place
// with the label AWSPENDING, and Secrets Manager calls for the steps that make
// it the current one. Every step may be repeated.
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
type Rotation struct {
	Secret Source
	Token  string // the client request token, which is the new version's id
}

// Create makes sure of everything that the later steps need, before anything
// changes: a staged credential, and bindings to send it by.
func (e *Engine) Create(ctx context.Context, r Rotation) error {
	if done, err := e.check(ctx, r); done || err != nil {
		return err
	}
	if _, err := e.rotated(ctx, r); err != nil {
		return err
	}
	_, err := e.staged(ctx, r)
	return err
}

// Set has Datadog store the staged credential in every bound config. If one of
// them refuses it, none gets it. What cannot be tried before it is stored goes
// first, so that its refusal too keeps the others as they are.
func (e *Engine) Set(ctx context.Context, r Rotation) ([]Result, error) {
	bindings, outcomes, candidates, err := e.tryStaged(ctx, r, e.staged)
	for _, inAzure := range []bool{true, false} {
		if err != nil || slices.ContainsFunc(outcomes, Result.Failed) {
			break
		}
		outcomes = sideBySide(ctx, bindings, func(ctx context.Context, i int, b Binding) Result {
			if b.inAzure != inAzure {
				return outcomes[i]
			}
			return e.set(ctx, b, r.Secret, outcomes[i], candidates[i])
		})
	}
	return outcomes, err
}

func (e *Engine) set(ctx context.Context, b Binding, source Source, o Result, c candidate) Result {
	o, ok := e.store(ctx, b, o, c)
	if !ok {
		return o
	}
	confirmed := timed(ctx, AtConfirm)
	o = e.accepted(ctx, b, o).masking(c.secrets)
	confirmed()
	if b.inAzure && o.Outcome == Invalid {
		return e.putBack(ctx, b, source, o)
	}
	return o
}

// Test has Datadog try the staged credential, and changes nothing. A rotation
// that is only a test may have none staged: then the current one is tried.
func (e *Engine) Test(ctx context.Context, r Rotation) ([]Result, error) {
	bindings, outcomes, candidates, err := e.tryStaged(ctx, r, func(ctx context.Context, r Rotation) (Credential, error) {
		staged, err := e.staged(ctx, r)
		if errors.Is(err, errNotStaged) {
			return e.Sources.read(ctx, r.Secret)
		}
		return staged, err
	})
	return sideBySide(ctx, bindings, func(ctx context.Context, i int, b Binding) Result {
		if o := outcomes[i]; !b.inAzure || o.Outcome != Unchanged {
			return o
		}
		return e.testInAzure(ctx, b, outcomes[i], candidates[i])
	}), err
}

// tryStaged takes a credential through all that changes nothing, for every
// binding of the secret. It returns nothing when the rotation is over already.
func (e *Engine) tryStaged(ctx context.Context, r Rotation, read func(context.Context, Rotation) (Credential, error)) ([]Binding, []Result, []candidate, error) {
	if done, err := e.check(ctx, r); done || err != nil {
		return nil, nil, nil, err
	}
	bindings, err := e.rotated(ctx, r)
	if err != nil {
		return nil, nil, nil, err
	}
	credential, err := read(ctx, r)
	if err != nil {
		return nil, nil, nil, err
	}
	candidates := make([]candidate, len(bindings))
	outcomes := sideBySide(ctx, bindings, func(ctx context.Context, i int, b Binding) Result {
		o, candidate, ok := e.prepare(ctx, b, b.outcome(), func(context.Context) (Credential, error) { return credential, nil })
		switch {
		case ok:
			o.Outcome, candidates[i] = Unchanged, candidate
		case !o.Failed(): // what was read is of another secret: no step may pass for that
			o.Outcome = Failed
		}
		return o
	})
	return bindings, outcomes, candidates, nil
}

// rotated finds the bindings of the secret. One that cannot be used stops the
// rotation, since its config would be left behind.
func (e *Engine) rotated(ctx context.Context, r Rotation) ([]Binding, error) {
	found, err := e.bindings(ctx, r.Secret)
	if err != nil {
		return nil, err
	}
	var bound []Binding
	for _, b := range found {
		if b.fault != nil {
			return nil, fmt.Errorf("%s: %w", b.Parameter, b.fault)
		}
		if b.mismatch(r.Secret) == "" {
			bound = append(bound, b)
		}
	}
	if len(bound) == 0 {
		return nil, fmt.Errorf("nothing is bound to %s: make a binding under %s", r.Secret.Name, e.directory(KindSecret))
	}
	return bound, nil
}

var errNotStaged = errors.New("no credential is staged: put it into the secret with PutSecretValue, labelled " + pending +
	", and rotate with the same client request token")

// staged reads the credential that is staged. Right after it was put there it
// may not be readable for a moment.
func (e *Engine) staged(ctx context.Context, r Rotation) (Credential, error) {
	ctx, cancel := context.WithTimeout(ctx, stagedFor)
	defer cancel()
	for pause := firstPause; ; pause *= 2 {
		credential, err := e.Sources.readSecret(ctx, r.Secret, &secretsmanager.GetSecretValueInput{
			VersionId: aws.String(r.Token), VersionStage: aws.String(pending),
		})
		if missing := (*secrettypes.ResourceNotFoundException)(nil); !errors.As(err, &missing) {
			return credential, err
		}
		if !wait(ctx, pause) {
			return Credential{}, errNotStaged
		}
	}
}

// Finish makes the staged version the current one.
func (e *Engine) Finish(ctx context.Context, r Rotation) error {
	done, err := e.check(ctx, r)
	if done || err != nil {
		return err
	}
	found, err := e.Sources.describe(ctx, r.Secret)
	if err != nil {
		return err
	}
	move := &secretsmanager.UpdateSecretVersionStageInput{
		SecretId: aws.String(r.Secret.ARN), VersionStage: aws.String(LabelCurrent), MoveToVersionId: aws.String(r.Token),
	}
	for version, labels := range found.VersionIdsToStages {
		if slices.Contains(labels, LabelCurrent) {
			move.RemoveFromVersionId = aws.String(version)
		}
	}
	moved, err := e.Sources.SecretsManager.UpdateSecretVersionStage(ctx, move, inRegionOf(r.Secret))
	if err == nil && moved.ARN == nil {
		err = errors.New("UpdateSecretVersionStage: the answer names no secret")
	}
	return err
}

// check applies the rules that hold for every step. It reports done when the
// version is the current one already.
func (e *Engine) check(ctx context.Context, r Rotation) (done bool, err error) {
	found, err := e.Sources.describe(ctx, r.Secret)
	if err != nil {
		return false, err
	}
	labels, known := found.VersionIdsToStages[r.Token]
	switch {
	case !aws.ToBool(found.RotationEnabled):
		return false, fmt.Errorf("rotation is not enabled for %s", r.Secret.Name)
	case !known:
		return false, fmt.Errorf("%s has no version %s", r.Secret.Name, r.Token)
	case slices.Contains(labels, LabelCurrent):
		return true, nil
	case !slices.Contains(labels, pending):
		return false, fmt.Errorf("version %s of %s is not labelled %s", r.Token, r.Secret.Name, pending)
	}
	return false, nil
}
