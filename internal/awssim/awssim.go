// Package awssim simulates, in memory, the AWS services that the program reads its credentials from.
package awssim

import "sync"

// Account and Region are where everything in the simulator lives.
const (
	Account = "111122223333"
	Region  = "us-east-1"
)

// A Simulator is an http.Handler that answers the AWS SDK as Secrets Manager and Parameter Store do, by the rules that AWS
// documents. Use it as the SDK's endpoint for both services. It is safe for concurrent use.
//
// A simulator checks no signatures and no permissions: use [Simulator.Fail] for a denial, and serve it on loopback only.
// Time changes nothing in it: a secret that is marked for deletion stays so.
//
// Its methods that put or delete something follow the rules of the operations. But they are no calls: [Simulator.Calls]
// does not list them, and no failure and no limit of calls applies to them. Where the operation would refuse they panic,
// because only a wrong test asks for that.
type Simulator struct {
	operations map[string]operation // by X-Amz-Target; New fills it and nothing changes it

	mu              sync.Mutex
	secrets         map[string]*secret // by name
	foreign         map[string]*secret // by ARN
	namesUsed       map[string]int     // how many secrets have had a name
	parameters      hierarchy
	parameterQuota  int                // 0 for none
	faults          map[string][]fault // by operation, in the order in which calls get them
	rates           map[string]*rate   // by operation
	staleReads      map[string]int     // by operation: how many reads still to come, -1 for all
	calls           []Call
	afterChange     []func() // what to do when the change in progress is made
	moveListeners   []func(LabelMove)
	rotateListeners []func(Rotation)
}

// New returns a simulator with nothing in it.
func New() *Simulator {
	s := &Simulator{
		secrets:    map[string]*secret{},
		foreign:    map[string]*secret{},
		namesUsed:  map[string]int{},
		parameters: hierarchy{versions: map[string][]parameter{}},
		faults:     map[string][]fault{},
		rates:      map[string]*rate{},
		staleReads: map[string]int{},
	}
	s.operations = map[string]operation{
		"secretsmanager.CancelRotateSecret":       typed(s.cancelRotateSecret),
		"secretsmanager.CreateSecret":             typed(s.createSecret),
		"secretsmanager.DeleteSecret":             typed(s.deleteSecret),
		"secretsmanager.DescribeSecret":           typed(s.describeSecret),
		"secretsmanager.GetSecretValue":           typed(s.getSecretValue),
		"secretsmanager.ListSecretVersionIds":     typed(s.listSecretVersionIDs),
		"secretsmanager.ListSecrets":              typed(s.listSecrets),
		"secretsmanager.PutSecretValue":           typed(s.putSecretValue),
		"secretsmanager.RestoreSecret":            typed(s.restoreSecret),
		"secretsmanager.RotateSecret":             typed(s.rotateSecret),
		"secretsmanager.UpdateSecret":             typed(s.updateSecret),
		"secretsmanager.UpdateSecretVersionStage": typed(s.updateSecretVersionStage),
		"AmazonSSM.DeleteParameter":               typed(s.deleteParameter),
		"AmazonSSM.GetParameter":                  typed(s.getParameter),
		"AmazonSSM.GetParameters":                 typed(s.getParameters),
		"AmazonSSM.GetParametersByPath":           typed(s.getParametersByPath),
		"AmazonSSM.PutParameter":                  typed(s.putParameter),
	}
	return s
}

// change makes one change of state as a whole. Then, without the lock, it calls the listeners that the change concerns.
func (s *Simulator) change(make func() error) error {
	after, err := s.locked(make)
	for _, do := range after {
		do()
	}
	return err
}

func (s *Simulator) locked(make func() error) ([]func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.afterChange = nil
	err := make()
	return s.afterChange, err
}
