package relay

import (
	"time"

	"credential-relay/datadog"
)

// Outcome is the one word for how a relay ended.
type Outcome string

// The outcomes.
const (
	Updated     Outcome = "updated"      // Datadog holds the current version and accepts it
	Pending     Outcome = "pending"      // stored, not confirmed within the time budget
	Unchanged   Outcome = "unchanged"    // everything is as it should be; nothing was sent
	WouldUpdate Outcome = "would_update" // dry run: Datadog accepts the candidate
	Rejected    Outcome = "rejected"     // Datadog refused the candidate; the old credential is still in place
	Invalid     Outcome = "invalid"      // Datadog stored it and then called it invalid
	Failed      Outcome = "failed"       // did not get there
	Ignored     Outcome = "ignored"      // nothing is bound to the source, or the event asks for nothing
)

// Result is everything reported about one binding. Its JSON is what a caller
// gets; fields that do not apply are absent.
type Result struct {
	Source   string                  `json:"source,omitempty"`
	ConfigID datadog.ConfigID        `json:"integration_config_id,omitempty"`
	Type     datadog.IntegrationType `json:"integration_type,omitempty"`
	Outcome  Outcome                 `json:"outcome"`
	// Status is how the binding stood before a dry run.
	Status Status `json:"status,omitempty"`
	// Validated is true when Datadog has tried the credential everywhere that it
	// offers to, and false when it does not offer to, or could not try it yet.
	Validated *bool `json:"validated,omitempty"`
	// NotValidated is why Validated is false: Datadog's answer, which names the
	// permission that is missing.
	NotValidated string        `json:"not_validated,omitempty"`
	VersionID    string        `json:"version_id,omitempty"`
	State        datadog.State `json:"state,omitempty"`
	Enabled      *bool         `json:"enabled,omitempty"`
	// WouldSend names what a relay would send; of a dry run.
	WouldSend []string `json:"would_send,omitempty"`
	// ReceiptError is why the receipt could not be written. That fails nothing:
	// the next look relays again.
	ReceiptError string `json:"receipt_error,omitempty"`
	Error        *Error `json:"error,omitempty"`

	// Effort is what the relay took.
	Effort Effort `json:"-"`
	// ChangedAt is when the source changed last, if Datadog lacked that change;
	// zero when Datadog lacked nothing, or when that is not certain.
	ChangedAt time.Time `json:"-"`
}

// Failed reports whether a person has to look at the result.
func (r Result) Failed() bool {
	return r.Outcome == Rejected || r.Outcome == Invalid || r.Outcome == Failed
}

// Stage is a step of a relay.
type Stage string

// The stages, in their order.
const (
	AtBinding    Stage = "binding"    // finding and reading the bindings
	AtSource     Stage = "source"     // reading the credential
	AtCredential Stage = "credential" // making Datadog secrets of it
	AtConfig     Stage = "config"     // getting the integration config
	AtValidate   Stage = "validate"   // trying the candidate
	AtPut        Stage = "put"        // storing it in the Azure integration
	AtPatch      Stage = "patch"      // storing it, the flag, or both
	AtConfirm    Stage = "confirm"    // trying what is stored
	AtInternal   Stage = "internal"   // a fault of this program
)

// Error says where and why a relay failed, in words for an operator. It never
// holds a credential.
type Error struct {
	Stage   Stage  `json:"stage"`
	Message string `json:"message"`
	// Retryable is set when the same relay may succeed later although no one has
	// changed anything.
	Retryable bool `json:"retryable"`
	// RetryAfter is the least time to wait before that; 0 when unknown.
	RetryAfter time.Duration `json:"-"`
	// Stack is the stack of a panic; empty for every other error.
	Stack string `json:"-"`
}
