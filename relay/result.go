package relay

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"

	"credential-relay/datadog"
)

// Outcome is the one word for what a relay came to.
type Outcome string

// The verdicts.
const (
	Updated   Outcome = "updated"   // Datadog holds the current version and accepts it
	Pending   Outcome = "pending"   // stored, not yet confirmed within the time there was
	Unchanged Outcome = "unchanged" // nothing was changed
	Rejected  Outcome = "rejected"  // Datadog refused the candidate; the old credential is still in place
	Invalid   Outcome = "invalid"   // Datadog stored it and then called it invalid
	Failed    Outcome = "failed"    // did not get there
	Ignored   Outcome = "ignored"   // nothing is bound to the source, or nothing was asked for
)

// Result is what a relay came to, for one binding. Its JSON is what a caller
// is answered; fields that do not apply are absent.
type Result struct {
	Source   string                  `json:"source,omitempty"`
	ConfigID datadog.ConfigID        `json:"integration_config_id,omitempty"`
	Type     datadog.IntegrationType `json:"integration_type,omitempty"`
	Outcome  Outcome                 `json:"outcome"`
	// Validated is true when Datadog has tried the credential everywhere that
	// it offers to, and false when it does not offer to, or has yet to.
	Validated *bool `json:"validated,omitempty"`
	// NotValidated is why it is false: Datadog's answer where it did not offer
	// to, which names the permission that is missing.
	NotValidated string        `json:"not_validated,omitempty"`
	VersionID    string        `json:"version_id,omitempty"`
	State        datadog.State `json:"state,omitempty"`
	Enabled      *bool         `json:"enabled,omitempty"`
	// WouldSend is, of a dry run, what a relay would send, by name.
	WouldSend []string `json:"would_send,omitempty"`
	Error     *Error   `json:"error,omitempty"`
	// Effort is what it took to come to this.
	Effort Effort `json:"-"`
	// ChangedAt is, of a reconcile, when the source changed last, where Datadog
	// lacked that change. It is zero of an updated outcome unless Datadog is
	// known to have lacked it.
	ChangedAt time.Time `json:"-"`
}

// Failed reports whether the outcome wants somebody's attention.
func (o Result) Failed() bool {
	return o.Outcome == Rejected || o.Outcome == Invalid || o.Outcome == Failed
}

// Stage is a step of a relay.
type Stage string

// The stages, in their order.
const (
	AtBinding    Stage = "binding"    // finding and reading the bindings
	AtSource     Stage = "source"     // fetching the credential
	AtCredential Stage = "credential" // making Datadog secrets of it
	AtConfig     Stage = "config"     // getting the integration config
	AtValidate   Stage = "validate"   // trying the candidate
	AtPut        Stage = "put"        // storing it in the Azure integration
	AtPatch      Stage = "patch"      // storing it
	AtConfirm    Stage = "confirm"    // trying what is stored
)

// Error says where and why a relay did not come to a good end, in words for an
// operator. It never holds a credential.
type Error struct {
	Stage     Stage  `json:"stage"`
	Message   string `json:"message"`
	Retryable bool   `json:"retryable"`
	// RetryAfter is the least time to let pass before that; 0 when unknown.
	RetryAfter time.Duration `json:"-"`

	cause error
}

// with returns o with what a look found.
func (o Result) with(found look) Result {
	o.VersionID = found.credential.VersionID
	if found.config != nil {
		o.State, o.Enabled = found.config.State, &found.config.Enabled
	}
	return o
}

// ended returns o with a verdict, and the error that led to it.
func (o Result) ended(verdict Outcome, stage Stage, err error) Result {
	o.Outcome = verdict
	o.Error = &Error{Stage: stage, Message: Describe(err), Retryable: retryable(err), cause: err}
	if refusal := (*datadog.Error)(nil); errors.As(err, &refusal) {
		o.Error.RetryAfter = refusal.RetryAfter
	}
	return o
}

// masking takes out of the error whatever it quotes of the secrets.
func (o Result) masking(secrets datadog.Secrets) Result {
	mask := &datadog.Mask{}
	mask.Add(secrets)
	o.NotValidated = mask.Text(o.NotValidated)
	if o.Error != nil {
		o.Error.Message = mask.Text(o.Error.Message)
	}
	return o
}

// notValidated returns o with Datadog's first answer that it does not offer to
// try the credential.
func (o Result) notValidated(answer error) Result {
	o.Validated = aws.Bool(false)
	if o.NotValidated == "" {
		o.NotValidated = Describe(answer)
	}
	return o
}

func (o Result) ignored() Result {
	o.Outcome = Ignored
	return o
}

func (o Result) failed(stage Stage, err error) Result { return o.ended(Failed, stage, err) }

// retryable reports whether the same relay may succeed later, with nobody
// having changed anything.
func retryable(err error) bool {
	if refusal := (*datadog.Error)(nil); errors.As(err, &refusal) {
		return refusal.Retryable
	}
	if garbled := (*smithy.DeserializationError)(nil); errors.As(err, &garbled) {
		return true
	}
	return errors.Is(err, errMoving) || errors.Is(err, errNotYet) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		retry.IsErrorRetryables(retry.DefaultRetryables).IsErrorRetryable(err) == aws.TrueTernary ||
		retry.IsErrorThrottles(retry.DefaultThrottles).IsErrorThrottle(err) == aws.TrueTernary
}
