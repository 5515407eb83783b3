package relay

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// sendFlag sends the flag alone.
func (e *Engine) sendFlag(ctx context.Context, w *work, flag *bool) error {
	if err := e.patch(ctx, w, nil, flag); err != nil {
		return failed(AtPatch, w.explainNotFound(err))
	}
	w.flag = flag
	w.result.Outcome = Updated
	return nil
}

// turnOff turns a config off because a person asked for it. That must work
// whatever is wrong with the source.
func (e *Engine) turnOff(ctx context.Context, w *work, dryRun bool) error {
	d := decision{action: sendFlag, status: StatusCurrent}
	switch problem := w.configProblem(w.Binding); {
	case problem != nil:
		return problem
	case w.config != nil && !w.config.Enabled:
		d.action = leaveAlone
	case dryRun:
		w.result.Outcome, w.result.WouldSend = WouldUpdate, []string{"enabled"}
		return nil
	}
	return e.act(ctx, w, d)
}

// enforceOff turns a config off that its binding wants off although its
// credential could not be stored. It returns the error that the relay stopped
// with.
func (e *Engine) enforceOff(ctx context.Context, w *work, err error) error {
	var at *stop
	if !errors.As(err, &at) || w.Enabled != Off || w.result.Enabled != nil && !*w.result.Enabled {
		return err
	}
	switch at.stage {
	case AtSource, AtCredential, AtValidate, AtPut:
	case AtPatch:
		if at.outcome == Failed { // another PATCH would fail as well
			return err
		}
	default: // the config may not be the binding's, or it holds the credential and the flag
		return err
	}
	if flagErr := e.patch(ctx, w, nil, aws.Bool(false)); flagErr != nil {
		at.cause = fmt.Errorf("%w; and the sync could not be turned off: %w", at.cause, flagErr)
		return err
	}
	w.flag = aws.Bool(false)
	return err
}
