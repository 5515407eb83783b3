package relay

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// rotationStep is one step of a staged rotation on its way: the work of each binding
// of the secret, and what stopped the step.
type rotationStep struct {
	engine    *Engine
	rotation  Rotation
	works     []*work
	orCurrent bool // try the current credential when none is staged
	err       error
}

// failed reports whether the rotation must not go on: unlike in a relay, a
// credential that Datadog has yet to accept stops it too.
func (s *rotationStep) failed() bool {
	return s.err != nil || slices.ContainsFunc(s.works, func(w *work) bool { return w.result.Failed() || w.result.Outcome == Pending })
}

// results returns the results. Those that stopped the step come first, because
// Secrets Manager shows the first one only.
func (s *rotationStep) results() []Result {
	var results []Result
	for _, elsewhere := range []bool{false, true} {
		for _, w := range s.works {
			if w.elsewhere == elsewhere {
				results = append(results, w.masked())
			}
		}
	}
	return results
}

// each does something with the works that a step is about, unless the step has
// failed already.
func (s *rotationStep) each(ctx context.Context, about func(*work) bool, do func(context.Context, *work) error) {
	if s.failed() {
		return
	}
	sideBySide(ctx, slices.DeleteFunc(slices.Clone(s.works), func(w *work) bool { return !about(w) }), do)
}

func every(*work) bool { return true }

// try has Datadog try the credential for every binding, and stores nothing.
func (s *rotationStep) try(ctx context.Context) {
	read := sync.OnceValues(func() (Credential, error) { return s.read(ctx) })
	if _, s.err = read(); s.err != nil {
		return
	}
	s.each(ctx, every, func(ctx context.Context, w *work) error {
		w.read = func(context.Context) (Credential, error) { return read() }
		if err := s.engine.look(ctx, w); err != nil {
			return err
		}
		if err := w.configProblem(w.Binding); err != nil {
			return err
		}
		w.result.Outcome = Unchanged
		err := s.engine.prepare(ctx, w)
		if outcomeOf(err) == Rejected {
			w.end(err)
			s.engine.leaveReceipt(ctx, w, decision{})
		}
		return err
	})
}

// stagedTime is how long it may take until a staged credential can be read.
const stagedTime = 3 * time.Second

func (s *rotationStep) read(ctx context.Context) (Credential, error) {
	soon, cancel := context.WithTimeout(ctx, stagedTime)
	defer cancel()
	credential, err := s.engine.awaitStaged(soon, s.rotation)
	if errors.Is(err, errNotStaged) && s.orCurrent {
		return s.engine.Sources.read(ctx, s.rotation.Secret)
	}
	return credential, err
}

// store has Datadog store the credential, and waits until Datadog accepts it.
func (s *rotationStep) store(ctx context.Context, about func(*work) bool) {
	s.each(ctx, about, func(ctx context.Context, w *work) error {
		stages, cancel := withReceiptTime(ctx)
		defer cancel()
		w.sent = true
		err := s.engine.store(stages, w)
		if err == nil {
			confirmed := timed(ctx, AtConfirm)
			err = s.engine.awaitAccepted(stages, w)
			confirmed()
		}
		w.end(err)
		s.engine.leaveReceipt(ctx, w, decision{})
		return err
	})
}

// isStored reports whether Datadog holds the staged credential, as far as the
// receipt and the config's date show.
func (s *rotationStep) isStored(w *work) bool {
	return w.took != nil || w.receipt != nil && w.receipt.VersionID == s.rotation.Token && !w.dateMoved()
}

// tryStored has Datadog try what it holds, where it could not try the candidate.
func (s *rotationStep) tryStored(ctx context.Context) {
	s.each(ctx, func(w *work) bool { return !aws.ToBool(w.result.Validated) && w.took == nil }, func(ctx context.Context, w *work) error {
		defer timed(ctx, AtConfirm)()
		return s.engine.awaitVerdict(ctx, w)
	})
}

// moveLabel makes the staged version the current one.
func (s *rotationStep) moveLabel(ctx context.Context) {
	if !s.failed() {
		s.err = s.engine.Sources.moveLabel(ctx, s.rotation)
	}
}

// putBack gives the current credential to every config that may hold the staged
// one: where this step sent it, and where the receipt says that an earlier step
// stored it.
func (s *rotationStep) putBack(ctx context.Context) {
	read := s.engine.Sources.readOnce(ctx)
	back := make([]*work, len(s.works))
	for i, w := range s.works {
		back[i] = newWork(w.Binding)
	}
	results := sideBySide(ctx, back, func(ctx context.Context, b *work) error {
		b.read = read(b.Source, "")
		w := s.works[slices.Index(back, b)]
		err := s.engine.look(ctx, b)
		if err == nil {
			err = b.configProblem(b.Binding)
		}
		if !w.sent && (b.receipt == nil || b.receipt.VersionID != s.rotation.Token) {
			return nil
		}
		b.sent = true
		if err != nil {
			return err
		}
		d := decision{action: relayIt}
		if b.nowErr != nil {
			d = decision{action: report, err: failed(AtSource, b.nowErr)}
		}
		return s.engine.act(ctx, b, d)
	})
	for i, w := range s.works {
		if back[i].sent {
			w.notePutBack(results[i])
		}
	}
}

// notePutBack adds to the result what became of the current credential.
func (w *work) notePutBack(back Result) {
	if w.result.Error == nil {
		w.elsewhere = true
		w.result.Outcome = Failed
		w.result.Error = &Error{Stage: AtConfirm, Message: "the rotation's step failed elsewhere", Retryable: true}
	}
	if back.Failed() {
		w.result.Error.Message += "; the current credential is not in place again: " + back.Error.Message
		return
	}
	w.result.Error.Message += "; the current credential is in place again"
	w.result.State, w.result.Enabled = back.State, back.Enabled
}
