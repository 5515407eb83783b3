package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// LabelPending is the staging label of the version that a rotation makes.
const LabelPending = "AWSPENDING"

// Rotation is a staged rotation: a new credential has the label AWSPENDING, and
// Secrets Manager calls for the steps that make it the current one. Every step
// may be repeated, in any order. A credential that Datadog refuses never becomes
// the current one, and a step that fails after something was stored puts the
// current credential back.
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
type Rotation struct {
	Secret Source
	Token  string // the client request token, which is the new version's id
}

// Create waits until a credential is staged, as long as the context allows. It
// also checks that the secret's bindings can be used. It changes nothing.
func (e *Engine) Create(ctx context.Context, r Rotation) error {
	switch state, err := e.state(ctx, r); {
	case err != nil:
		return err
	case state == rotationDone:
		return nil
	}
	if _, err := e.rotated(ctx, r); err != nil {
		return err
	}
	_, err := e.awaitStaged(ctx, r)
	return err
}

// Set has Datadog store the staged credential in every bound config. If Datadog
// refuses it for one of them, none gets it. What cannot be tried before it is
// stored goes first, so that its refusal too keeps the others as they are.
func (e *Engine) Set(ctx context.Context, r Rotation) ([]Result, error) {
	return e.step(ctx, r, func(ctx context.Context, s *rotationStep) {
		s.try(ctx)
		s.store(ctx, func(w *work) bool { return !aws.ToBool(w.result.Validated) })
		s.store(ctx, func(w *work) bool { return !w.sent })
	})
}

// Test has Datadog try the staged credential once more. A rotation that is only a
// test may have none staged: then Test tries the current one. It stores nothing,
// unless it puts the current credential back.
func (e *Engine) Test(ctx context.Context, r Rotation) ([]Result, error) {
	return e.step(ctx, r, func(ctx context.Context, s *rotationStep) {
		s.orCurrent = true
		s.try(ctx)
		s.tryStored(ctx)
	})
}

// Finish has Datadog try the staged credential once more, and makes its version
// the current one. What can be tried only once it is stored is stored first.
func (e *Engine) Finish(ctx context.Context, r Rotation) ([]Result, error) {
	return e.step(ctx, r, func(ctx context.Context, s *rotationStep) {
		s.try(ctx)
		s.store(ctx, func(w *work) bool { return !aws.ToBool(w.result.Validated) && !s.isStored(w) })
		s.tryStored(ctx)
		s.moveLabel(ctx)
	})
}

// step takes one step of a rotation that is not over yet, and puts the current
// credential back when it fails.
func (e *Engine) step(ctx context.Context, r Rotation, take func(context.Context, *rotationStep)) ([]Result, error) {
	switch state, err := e.state(ctx, r); {
	case err != nil:
		return nil, err
	case state == rotationDone:
		return nil, nil
	}
	bindings, err := e.rotated(ctx, r)
	if err != nil {
		return nil, err
	}
	s := &rotationStep{engine: e, rotation: r, works: works(bindings)}
	stages, cancel := withPutBackTime(ctx)
	defer cancel()
	take(stages, s)
	if s.failed() {
		s.putBack(ctx)
	}
	return s.results(), s.err
}

// withPutBackTime keeps back from the deadline what it takes to put the current
// credential back.
func withPutBackTime(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(putBackTime, time.Until(deadline)/3)))
}

const putBackTime = 10 * time.Second

// rotated returns the bindings of the secret. One that cannot be used stops the
// rotation, since its config would be left behind.
func (e *Engine) rotated(ctx context.Context, r Rotation) ([]Binding, error) {
	found, err := e.bindingsNamed(ctx, r.Secret)
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
		return nil, fmt.Errorf("nothing is bound to %s; make a binding under %s", r.Secret.Name, e.directory(KindSecret))
	}
	return bound, nil
}

var errNotStaged = errors.New("no credential is staged: put the new credential into the secret under the version id that RotateSecret returned, " +
	"with PutSecretValue, that id as ClientRequestToken and the staging label " + LabelPending)

const maxStagedPause = 5 * time.Second

// awaitStaged returns the staged credential once it is there. It returns
// errNotStaged when the context's time, less what it takes to report, ends first.
func (e *Engine) awaitStaged(ctx context.Context, r Rotation) (Credential, error) {
	ctx, cancel := withReceiptTime(ctx)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, maxStagedPause) {
		credential, err := e.Sources.readSecret(ctx, r.Secret, &secretsmanager.GetSecretValueInput{
			VersionId: aws.String(r.Token), VersionStage: aws.String(LabelPending),
		})
		if !isNotFound(err) {
			return credential, err
		}
		if !wait(ctx, pause) {
			return Credential{}, errNotStaged
		}
	}
}

// rotationState says how far a rotation is.
type rotationState int

const (
	rotationUnderWay rotationState = iota
	rotationDone                   // the version is the current one
)

// state checks the rules that hold for every step, and returns how far the
// rotation is.
func (e *Engine) state(ctx context.Context, r Rotation) (rotationState, error) {
	found, err := e.Sources.describeSecret(ctx, r.Secret)
	if err != nil {
		return rotationUnderWay, err
	}
	labels, known := found.VersionIdsToStages[r.Token]
	switch {
	case !aws.ToBool(found.RotationEnabled):
		return rotationUnderWay, fmt.Errorf("rotation is not enabled for %s", r.Secret.Name)
	case slices.Contains(labels, LabelCurrent):
		return rotationDone, nil
	case known && !slices.Contains(labels, LabelPending):
		return rotationUnderWay, fmt.Errorf("version %s of %s is not labelled %s", r.Token, r.Secret.Name, LabelPending)
	}
	return rotationUnderWay, nil // a version that is not known yet may still get its value
}

// moveLabel makes the staged version the current one.
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html
func (s Sources) moveLabel(ctx context.Context, r Rotation) error {
	found, err := s.describeSecret(ctx, r.Secret)
	if err != nil {
		return err
	}
	move := &secretsmanager.UpdateSecretVersionStageInput{
		SecretId: aws.String(r.Secret.ARN), VersionStage: aws.String(LabelCurrent), MoveToVersionId: aws.String(r.Token),
	}
	if now := versionLabelled(found, LabelCurrent); now != "" {
		move.RemoveFromVersionId = aws.String(now)
	}
	moved, err := s.SecretsManager.UpdateSecretVersionStage(ctx, move, inRegionOf(r.Secret))
	if err == nil && moved.ARN == nil {
		err = errors.New("UpdateSecretVersionStage: the answer names no secret")
	}
	return err
}
