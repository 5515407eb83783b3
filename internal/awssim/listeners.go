package awssim

// A LabelMove says which version of a secret a staging label has moved to.
type LabelMove struct{ ARN, Name, Label, VersionID string }

// OnLabelMoved makes the simulator call listener each time a staging label moves to another version, if Secrets Manager
// emits its "Secret Label Updated" event then. So it reports the first value of a secret, and does not report AWSPENDING,
// AWSPREVIOUS and the secrets of other accounts and regions.
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/monitoring-eventbridge.html
//
// The simulator calls listener when the change is visible and no lock is held, and answers the request that made the
// change when listener has returned.
func (s *Simulator) OnLabelMoved(listener func(LabelMove)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moveListeners = append(s.moveListeners, listener)
}

// A Rotation is one rotation that RotateSecret has begun.
type Rotation struct {
	ARN, Name string
	Token     string // the id of the version that AWSPENDING is on, which is the rotation function's ClientRequestToken
	TestOnly  bool   // whether RotateImmediately was false: then Secrets Manager runs the step testSecret and no other
}

// OnRotate makes the simulator call listener for each rotation that RotateSecret begins. The simulator runs no rotation
// function: listener plays Secrets Manager's part, and runs the function's steps.
//
// A rotation that is TestOnly has a version for as long as the listeners run; then the simulator removes it, as Secrets
// Manager does after testSecret. Unlike Secrets Manager, the simulator answers RotateSecret when listener has returned.
func (s *Simulator) OnRotate(listener func(Rotation)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rotateListeners = append(s.rotateListeners, listener)
}

// tell makes the listeners hear of something once the change in progress is made.
func tell[Event any](s *Simulator, listeners []func(Event), event Event) {
	for _, listener := range listeners {
		s.afterChange = append(s.afterChange, func() { listener(event) })
	}
}
