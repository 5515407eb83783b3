package relay

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"credential-relay/datadog"
)

const (
	// leastTime is what must be left of the invocation to begin with one more
	// binding.
	leastTime     = 2 * time.Second
	sourcesAtOnce = 16
)

// survey is what is to be looked at, with what could be read about all of it
// together.
type survey struct {
	works []*work
	// complete reads what is missing about one binding.
	complete func(context.Context, *work) error

	listed  int   // how many configs Datadog lists
	listErr error // why it does not
}

// survey returns the work of each binding that a selector is about.
func (e *Engine) survey(ctx context.Context, selector Selector) (survey, error) {
	if selector.All {
		return e.surveyAll(ctx)
	}
	bindings, err := e.selected(ctx, selector)
	switch {
	case err != nil:
		return survey{}, failed(AtBinding, err)
	case len(bindings) == 0:
		return survey{}, selector.nothingBound(e)
	}
	return survey{works: works(bindings), complete: e.look}, nil
}

// surveyAll reads every binding and receipt in one walk, and beside it Datadog's
// list of configs; then it asks AWS once about each source. The bindings that
// were attempted longest ago come first.
func (e *Engine) surveyAll(ctx context.Context) (survey, error) {
	var configs listed
	list := start(func() { configs = e.list(ctx) })
	all, err := e.walk(ctx)
	list()
	if err != nil {
		return survey{}, failed(AtBinding, err)
	}
	s := survey{works: works(all.bindings), listed: len(configs.configs), listErr: configs.err}
	for _, w := range s.works {
		w.receipt, w.rival = all.about(w.Binding)
	}
	e.lookAtSources(ctx, s.works)
	rand.Shuffle(len(s.works), func(i, j int) { s.works[i], s.works[j] = s.works[j], s.works[i] })
	slices.SortStableFunc(s.works, func(a, b *work) int { return a.receipt.lastAttempt().Compare(b.receipt.lastAttempt()) })
	s.complete = func(ctx context.Context, w *work) error { return e.completeConfig(ctx, w, configs) }
	return s, nil
}

// listed are Datadog's configs by receiptKey, or why Datadog does not list them.
type listed struct {
	configs map[string]*datadog.IntegrationConfig
	err     error
}

// list returns Datadog's configs, within half of the time that is left.
func (e *Engine) list(ctx context.Context) listed {
	ctx, cancel := halfOf(ctx)
	defer cancel()
	configs, err := e.Datadog.ListIntegrationConfigs(ctx, "")
	found := listed{map[string]*datadog.IntegrationConfig{}, err}
	for i := range configs {
		found.configs[receiptKey(configs[i].ID)] = &configs[i]
	}
	return found
}

// halfOf leaves half of the time to what comes after.
func halfOf(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(deadline)/2)
}

// lookAtSources asks AWS about the source of each binding, once for all bindings
// of the source. A source that does not answer leaves half of the time.
func (e *Engine) lookAtSources(ctx context.Context, all []*work) {
	bySource := map[Source][]*work{}
	for _, w := range all {
		if w.fault == nil {
			bySource[w.Source] = append(bySource[w.Source], w)
		}
	}
	var group errgroup.Group
	group.SetLimit(sourcesAtOnce)
	for source, bound := range bySource {
		group.Go(func() error {
			tell := func(now current, err error) {
				for _, w := range bound {
					w.now, w.nowErr = now, err
				}
			}
			defer onPanic(func(err error) { tell(current{}, err) })
			ctx, cancel := halfOf(ctx)
			defer cancel()
			tell(e.Sources.look(ctx, source))
			return nil
		})
	}
	_ = group.Wait()
}

// completeConfig gives the work its config: from the list, or asked for by
// itself. A config that is not in the list is not yet gone: its own answer
// decides. It leaves the binding when there is no time to ask.
func (e *Engine) completeConfig(ctx context.Context, w *work, configs listed) error {
	w.config, w.configErr = configs.configs[receiptKey(w.ConfigID)], configs.err
	switch {
	case w.config != nil:
		w.see(*w.config)
		return nil
	case w.fault != nil, datadog.IsForbidden(configs.err):
		return nil
	case !e.hasTurn(ctx):
		w.left = true
		return errNoTurn
	}
	defer timed(ctx, AtConfig)()
	w.config, w.configErr = e.getConfig(ctx, w.ConfigID)
	if w.config != nil {
		w.see(*w.config)
	}
	return nil
}

// hasTurn reports whether one more binding can be relayed to its end: time is
// left, and no limit of Datadog stays closed for longer than that.
func (e *Engine) hasTurn(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	if ctx.Err() != nil {
		return false
	}
	return !ok || time.Until(deadline) >= leastTime+e.Datadog.LimitReset()
}
