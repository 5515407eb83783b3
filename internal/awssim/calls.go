package awssim

import (
	"net/http"
	"slices"
	"time"
)

// A Call is one request that the simulator received, whatever it answered.
type Call struct {
	Operation string // "GetSecretValue", "GetParametersByPath" ...
	Resource  string // the SecretId, Name or Path as the caller sent it, or the Names of GetParameters with commas between
}

// Calls returns the requests received so far, in order.
func (s *Simulator) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Fail makes the next calls of an operation, as many as times says, fail with an HTTP status and an error type before
// they change anything. A second Fail for the same operation begins where the first one ends.
func (s *Simulator) Fail(operation string, times, status int, errorType, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	failures := slices.Repeat([]fault{{status, errorType, message}}, times)
	s.faults[operation] = append(s.faults[operation], failures...)
}

// Throttle refuses, with a ThrottlingException, each call of an operation that comes when perSecond calls were accepted
// within the last second. A perSecond of 0 ends it.
func (s *Simulator) Throttle(operation string, perSecond int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if perSecond == 0 {
		delete(s.rates, operation)
		return
	}
	s.rates[operation] = &rate{perSecond: perSecond}
}

// A rate is a limit for the calls of one operation.
type rate struct {
	perSecond int
	accepted  []time.Time // within the last second, oldest first
}

// check refuses a call that exceeds the limit.
func (r *rate) check(now time.Time) error {
	r.accepted = slices.DeleteFunc(r.accepted, func(at time.Time) bool { return now.Sub(at) >= time.Second })
	if len(r.accepted) >= r.perSecond {
		return fault{http.StatusBadRequest, "ThrottlingException", "Rate exceeded"}
	}
	r.accepted = append(r.accepted, now)
	return nil
}

// begin notes a call. It returns the error that Fail or Throttle wants for it.
func (s *Simulator) begin(call Call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call)
	if waiting := s.faults[call.Operation]; len(waiting) > 0 {
		s.faults[call.Operation] = waiting[1:]
		return waiting[0]
	}
	if limit := s.rates[call.Operation]; limit != nil {
		return limit.check(time.Now())
	}
	return nil
}
