package relay

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"

	"credential-relay/datadog"
)

// work is one binding on its way through the stages: what was read about it,
// what Datadog took, and the result.
type work struct {
	Binding
	found

	read       credentialReader
	credential Credential      // the version that is to be sent; zero until it is read
	candidate  datadog.Secrets // what Datadog gets of it

	patched   *datadog.IntegrationConfig // the config after our last PATCH
	lookedUp  bool                       // patched is not the PATCH's own answer
	took      *Receipt                   // of the version that Datadog took last; nil when it took none
	withdrawn bool                       // the receipt no longer names a version
	flagOnly  bool                       // only the flag is asked for, whatever the source is
	sent      bool                       // a step of a rotation has sent the credential
	elsewhere bool                       // the rotation's step failed for another binding only
	flag      *bool                      // what was sent alone; nil when nothing was
	said      Outcome                    // what Datadog said of the version it holds, asked without a PATCH
	status    Status                     // how the binding stood when it was looked at
	left      bool                       // for want of time
	mask      datadog.Mask
	result    Result
}

func newWork(b Binding) *work {
	return &work{Binding: b, result: Result{Source: b.Source.Name, ConfigID: b.ConfigID, Type: b.Type}}
}

// readCredential reads the version that is to be sent, unless that is done.
func (w *work) readCredential(ctx context.Context) (err error) {
	if w.credential.Select != nil {
		return nil
	}
	if w.credential, err = w.read(ctx); err != nil {
		return failed(AtSource, err)
	}
	return nil
}

// stop ends a relay before all its stages are done.
type stop struct {
	outcome Outcome
	stage   Stage
	cause   error
	stack   []byte // of a panic
}

func (s *stop) Error() string {
	return string(s.outcome) + " at " + string(s.stage) + ": " + s.cause.Error()
}
func (s *stop) Unwrap() error { return s.cause }

// failed stops a relay that did not get there. What has stopped it already stays
// as it is.
func failed(stage Stage, cause error) error {
	if at := (*stop)(nil); errors.As(cause, &at) {
		return at
	}
	return &stop{outcome: Failed, stage: stage, cause: cause}
}

// judged stops a relay at Datadog's answer: with the outcome if Datadog judged
// the credential, and as failed for anything else.
func judged(outcome Outcome, stage Stage, answer error) error {
	if !datadog.IsInvalidCredential(answer) {
		outcome = Failed
	}
	return &stop{outcome: outcome, stage: stage, cause: answer}
}

// outcomeOf returns the outcome that an error of the stages stands for; Updated
// for none.
func outcomeOf(err error) Outcome {
	var at *stop
	switch {
	case err == nil:
		return Updated
	case errors.As(err, &at):
		return at.outcome
	default:
		return Failed
	}
}

// end puts what stopped the relay into the result.
func (w *work) end(err error) {
	if err == nil {
		return
	}
	var at *stop
	if !errors.As(err, &at) {
		at = &stop{outcome: Failed, stage: AtInternal, cause: err}
	}
	w.result.Outcome = at.outcome
	w.result.Error = &Error{
		Stage: at.stage, Message: Describe(at.cause), Retryable: retryable(at.cause), RetryAfter: retryAfter(at.cause), Stack: string(at.stack),
	}
}

// masked takes out of the result everything secret that the relay touched. It is
// called once, when the result leaves the engine.
func (w *work) masked() Result {
	w.result.NotValidated = maskedMessage(&w.mask, w.result.NotValidated)
	w.result.ReceiptError = maskedMessage(&w.mask, w.result.ReceiptError)
	if w.result.Error != nil {
		w.result.Error.Message = maskedMessage(&w.mask, w.result.Error.Message)
	}
	return w.result
}

// maskedMessage returns the text of an error with each secret masked. It keeps
// 2,000 characters, because several messages may be joined in it.
func maskedMessage(mask *datadog.Mask, text string) string {
	return mask.Error(errors.New(text)).Error()
}

// notValidated notes Datadog's first answer that it does not offer to try the
// credential.
func (w *work) notValidated(answer error) {
	w.result.Validated = aws.Bool(false)
	if w.result.NotValidated == "" {
		w.result.NotValidated = Describe(answer)
	}
}

// validated notes that Datadog has tried the credential.
func (w *work) validated() { w.result.Validated, w.result.NotValidated = aws.Bool(true), "" }

// see notes what Datadog says of the config now.
func (w *work) see(config datadog.IntegrationConfig) {
	w.result.State, w.result.Enabled = config.State, aws.Bool(config.Enabled)
}
