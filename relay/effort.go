package relay

import (
	"context"
	"maps"
	"sync"
	"time"

	"credential-relay/datadog"
)

// Effort is what it took to come to an outcome.
type Effort struct {
	// Durations are those of the stages gone through. What was done again, in
	// another round, adds up. Stages that go side by side, as source and config
	// do, each count in full.
	Durations map[Stage]time.Duration
	// Retries is how often calls of Datadog were tried again, and RateLimitWait
	// how long they waited for a rate limit.
	Retries       int
	RateLimitWait time.Duration
	// Ended is when the outcome was come to; zero where there was nothing to
	// relay.
	Ended time.Time
}

// meter notes an effort while it is made, by several goroutines.
type meter struct {
	calls     datadog.Tally
	lock      sync.Mutex
	durations map[Stage]time.Duration
}

type meterKey struct{}

// metered has everything that is done with the context noted by a meter.
func metered(ctx context.Context) (context.Context, *meter) {
	m := &meter{durations: map[Stage]time.Duration{}}
	return context.WithValue(datadog.WithTally(ctx, &m.calls), meterKey{}, m), m
}

// timed begins a stage, and gives what ends it:
//
//	defer timed(ctx, AtPatch)()
func timed(ctx context.Context, stage Stage) (done func()) {
	m, ok := ctx.Value(meterKey{}).(*meter)
	if !ok {
		return func() {}
	}
	started := time.Now()
	return func() {
		m.lock.Lock()
		defer m.lock.Unlock()
		m.durations[stage] += time.Since(started)
	}
}

// after is the effort that was made before, and what the meter has noted since.
func (m *meter) after(before Effort) Effort {
	m.lock.Lock()
	defer m.lock.Unlock()
	durations := maps.Clone(m.durations) // what goes on after a panic may still note something
	for stage, took := range before.Durations {
		durations[stage] += took
	}
	return Effort{
		Durations:     durations,
		Retries:       before.Retries + m.calls.Retries(),
		RateLimitWait: before.RateLimitWait + m.calls.RateLimitWait(),
		Ended:         time.Now(),
	}
}
