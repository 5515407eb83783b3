package relay

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"credential-relay/datadog"
)

// leastTime is what must be left of the invocation to begin with one more
// binding.
const leastTime = 2 * time.Second

// Reconcile looks at every binding, and relays where Datadog's config is not
// what it should be: valid, not older than the source's last change, and
// enabled as the binding wants it. It returns an outcome for each binding that
// it got to, and how many were left when time ran out; when the bindings cannot
// be listed, one outcome, of no config. The order is another each time, so that
// the same ones are not always last.
func (e *Engine) Reconcile(ctx context.Context) (outcomes []Result, left int) {
	defer recovered(func(err error) { outcomes = []Result{Result{}.failed(AtBinding, err)} })
	bindings, err := e.allBindings(ctx)
	if err != nil {
		return []Result{Result{}.failed(AtBinding, err)}, 0
	}
	rand.Shuffle(len(bindings), func(i, j int) { bindings[i], bindings[j] = bindings[j], bindings[i] })
	configOf := e.configs(ctx)
	var skipped atomic.Int64
	outcomes = sideBySide(ctx, bindings, func(ctx context.Context, _ int, b Binding) Result {
		if outOfTime(ctx) {
			skipped.Add(1)
			return Result{}
		}
		return e.reconcile(ctx, b, configOf)
	})
	outcomes = slices.DeleteFunc(outcomes, func(o Result) bool { return o.Outcome == "" })
	slices.SortFunc(outcomes, func(a, b Result) int {
		return cmp.Or(strings.Compare(a.Source, b.Source), strings.Compare(string(a.ConfigID), string(b.ConfigID)))
	})
	return outcomes, int(skipped.Load())
}

func outOfTime(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) < leastTime || ctx.Err() != nil
}

// configReader gives a config, or nil for one that Datadog does not let us read.
type configReader func(context.Context, datadog.ConfigID) (*datadog.IntegrationConfig, error)

// configs gives Datadog's configs: from one list where that can be had, and
// else one by one.
func (e *Engine) configs(ctx context.Context) configReader {
	listing, cancel := halfOf(ctx)
	defer cancel()
	listed, err := e.Datadog.ListIntegrationConfigs(listing, "")
	return func(ctx context.Context, id datadog.ConfigID) (*datadog.IntegrationConfig, error) {
		if err == nil {
			for _, config := range listed {
				if strings.EqualFold(string(config.ID), string(id)) {
					return &config, nil
				}
			}
		}
		// Not in the list is not yet gone: the config's own answer decides.
		config, err := e.getConfig(ctx, id)
		switch {
		case datadog.IsForbidden(err):
			return nil, nil
		case err != nil:
			return nil, err
		}
		return &config, nil
	}
}

// halfOf leaves half of the time to what comes after.
func halfOf(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(deadline)/2)
}

func (e *Engine) reconcile(ctx context.Context, b Binding, configOf configReader) Result {
	source := b.source()
	if unfit := b.unfit(source); unfit != nil {
		return *unfit
	}
	o := b.outcome()
	config, err := configOf(ctx, b.ConfigID)
	if err != nil {
		return o.failed(AtConfig, b.ifGone(err))
	}
	if config != nil && config.Type != b.Type {
		return o.failed(AtConfig, b.wrongType(config))
	}
	if config != nil {
		o.State, o.Enabled = config.State, &config.Enabled
	}
	change, err := e.Sources.lastChange(ctx, source)
	if err != nil {
		return e.withoutCredential(ctx, b, o.failed(AtSource, err))
	}
	o.VersionID = change.version
	switch {
	case change.deleted && b.Enabled == Follow && config != nil && !config.Enabled:
		o.Outcome = Unchanged
		return o
	case change.deleted && b.Enabled == Follow:
		o.Outcome = Updated
		return e.switchOff(ctx, b, o).lacking(b, config, change)
	case change.deleted:
		return e.withoutCredential(ctx, b, o.failed(AtSource, errDeleted))
	case config == nil || b.outdated(config, change) || !b.enabledAsWanted(config):
		return e.relayTo(ctx, b, source, e.Sources.reader(source), false).lacking(b, config, change)
	}
	return o.standing(b)
}

// lacking returns o with when the source changed, if that is what Datadog may
// have lacked. Of a change that has been brought there now, it must be certain:
// where nothing tells, the same one is brought time and again, and would seem to
// have taken longer each time.
func (o Result) lacking(b Binding, config *datadog.IntegrationConfig, last change) Result {
	certain := config != nil && !config.ModifiedAt.IsZero() && !b.inAzure
	if o.Outcome == Updated && !certain || config != nil && !b.outdated(config, last) {
		return o
	}
	o.ChangedAt = last.at
	return o
}

var (
	errDeleted      = errors.New("the source is deleted, or marked to be")
	errStaysInvalid = errors.New("this is the current credential, and Datadog calls it invalid: see to it where it was issued")
)

// standing is the verdict on a config that holds the current credential: to
// send that once more would change nothing.
func (o Result) standing(b Binding) Result {
	switch o.State {
	case datadog.Invalid:
		if b.inAzure {
			return o.ended(Invalid, AtConfirm, errStaysInvalidInAzure)
		}
		return o.ended(Invalid, AtConfirm, errStaysInvalid)
	case datadog.Valid, "": // or Datadog does not say
		o.Outcome = Unchanged
		return o
	default:
		return o.unconfirmed(errNotYet)
	}
}

// outdated reports whether Datadog may lack the current credential: the source
// has changed since the config did.
func (b Binding) outdated(config *datadog.IntegrationConfig, last change) bool {
	return config.ModifiedAt.Before(last.at) && (!b.inAzure || mayBeMissingInAzure(config, last))
}

func (b Binding) enabledAsWanted(config *datadog.IntegrationConfig) bool {
	wanted := b.Enabled.assertion()
	return wanted == nil || *wanted == config.Enabled
}

// change is what happened to a source last.
type change struct {
	at      time.Time
	version string
	deleted bool
}

// lastChange asks for a source's last change without reading its value.
func (s Sources) lastChange(ctx context.Context, source Source) (change, error) {
	defer timed(ctx, AtSource)()
	if source.Kind == KindParameter {
		return s.lastParameterChange(ctx, source)
	}
	found, err := s.describe(ctx, source)
	if err != nil {
		if s.deleted(ctx, source, err) {
			return change{deleted: true}, nil
		}
		return change{}, err
	}
	last := change{at: aws.ToTime(found.LastChangedDate), deleted: found.DeletedDate != nil}
	for version, labels := range found.VersionIdsToStages {
		if slices.Contains(labels, LabelCurrent) {
			last.version = version
		}
	}
	if last.version == "" && !last.deleted {
		return change{}, errors.New("the answer names no version labelled " + LabelCurrent)
	}
	return last, nil
}

// Without decryption the answer holds a secure parameter's value encrypted.
// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html
func (s Sources) lastParameterChange(ctx context.Context, source Source) (change, error) {
	found, err := s.ParameterStore.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String(source.Name), WithDecryption: aws.Bool(false)})
	if err != nil {
		if s.deleted(ctx, source, err) {
			return change{deleted: true}, nil
		}
		return change{}, err
	}
	if found.Parameter == nil {
		return change{}, errNoParameter
	}
	return change{at: aws.ToTime(found.Parameter.LastModifiedDate), version: strconv.FormatInt(found.Parameter.Version, 10)}, nil
}
