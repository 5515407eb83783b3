// Package awssim is a Secrets Manager with a Parameter Store beside it, in memory, that answers the AWS SDK by the rules AWS documents.
package awssim

import (
	"slices"
	"sync"
)

// Account and Region are where everything in the simulator lives.
const (
	Account = "111122223333"
	Region  = "us-east-1"
)

// A Simulator is an http.Handler for both services, to be used as the SDK's endpoint; it is safe for concurrent use.
//
// It has no authorization: signatures are not looked at and whoever reaches it may do everything, so it belongs on a
// loopback address. Use [Simulator.Fail] for a denial. Time brings no changes: a secret marked for deletion stays so.
type Simulator struct {
	operations map[string]operation // by X-Amz-Target, fixed by New

	mu         sync.Mutex
	secrets    map[string]*secret     // by name
	foreign    map[string]*secret     // by ARN
	births     map[string]int         // how many secrets a name has had
	parameters map[string][]parameter // by name without its leading slash; the versions, oldest first
	faults     map[string][]fault     // by operation, in the order they will be answered
	calls      []Call
	moves      []LabelMove // in the change under way
	listeners  []func(LabelMove)
}

// New returns a simulator with nothing in it.
func New() *Simulator {
	s := &Simulator{
		secrets:    map[string]*secret{},
		foreign:    map[string]*secret{},
		births:     map[string]int{},
		parameters: map[string][]parameter{},
		faults:     map[string][]fault{},
	}
	s.operations = map[string]operation{
		"secretsmanager.CreateSecret":             bind(s.createSecret),
		"secretsmanager.DeleteSecret":             bind(s.deleteSecret),
		"secretsmanager.DescribeSecret":           bind(s.describeSecret),
		"secretsmanager.GetSecretValue":           bind(s.getSecretValue),
		"secretsmanager.ListSecretVersionIds":     bind(s.listSecretVersionIDs),
		"secretsmanager.ListSecrets":              bind(s.listSecrets),
		"secretsmanager.PutSecretValue":           bind(s.putSecretValue),
		"secretsmanager.RestoreSecret":            bind(s.restoreSecret),
		"secretsmanager.RotateSecret":             bind(s.rotateSecret),
		"secretsmanager.UpdateSecret":             bind(s.updateSecret),
		"secretsmanager.UpdateSecretVersionStage": bind(s.updateSecretVersionStage),
		"AmazonSSM.DeleteParameter":               bind(s.deleteParameter),
		"AmazonSSM.GetParameter":                  bind(s.getParameter),
		"AmazonSSM.GetParameters":                 bind(s.getParameters),
		"AmazonSSM.GetParametersByPath":           bind(s.getParametersByPath),
		"AmazonSSM.PutParameter":                  bind(s.putParameter),
	}
	return s
}

// Call is one request served, whatever it was answered.
type Call struct {
	Operation string // "GetSecretValue", "GetParametersByPath" ...
	Resource  string // the SecretId, Name or Path as the caller typed it; the Names of GetParameters with commas between
}

// Calls returns the requests served so far, in order.
func (s *Simulator) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Fail makes the next calls of an operation, as many as times says, fail with an HTTP status and an error type before
// they change anything. Failures asked for one after the other are answered one after the other.
func (s *Simulator) Fail(operation string, times, status int, errorType, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	failures := slices.Repeat([]fault{{status, errorType, message}}, times)
	s.faults[operation] = append(s.faults[operation], failures...)
}

// LabelMove says which version a staging label is on now.
type LabelMove struct{ ARN, Name, Label, VersionID string }

// OnLabelMoved has a function called each time a staging label moves to another version: when Secrets Manager would
// emit its "Secret Label Updated" event. So AWSPENDING, AWSPREVIOUS and the secrets of other accounts and regions
// do not count, and the first value of a secret does.
//
// The call comes when the change can be seen and no lock is held, and before the one who made the change has an
// answer: whoever waits for that answer may rely on the function having returned.
func (s *Simulator) OnLabelMoved(listener func(LabelMove)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners = append(s.listeners, listener)
}

// transact makes one change of state, whole, and announces the label moves in it.
func (s *Simulator) transact(change func() error) error {
	moves, listeners, err := s.underLock(change)
	for _, move := range moves {
		for _, listen := range listeners {
			listen(move)
		}
	}
	return err
}

func (s *Simulator) underLock(change func() error) ([]LabelMove, []func(LabelMove), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moves = nil
	err := change()
	return s.moves, s.listeners, err
}
