package relay

import (
	"context"
	"slices"
	"strings"
	"time"

	"credential-relay/datadog"
)

// Status is the one word for how a binding stands now.
type Status string

// The statuses.
const (
	StatusCurrent  Status = "current"  // Datadog holds the current version and accepts it
	StatusBehind   Status = "behind"   // the source has a newer version than Datadog
	StatusRejected Status = "rejected" // Datadog refused the current version; it holds an older one
	StatusInvalid  Status = "invalid"  // Datadog holds the current version and calls it invalid
	StatusPending  Status = "pending"  // stored, Datadog is still initializing
	StatusChanged  Status = "changed"  // the config was changed in Datadog since the receipt
	StatusUnknown  Status = "unknown"  // there is no receipt yet
	StatusBroken   Status = "broken"   // the binding, its source or its config cannot be used
)

// BindingStatus is how a binding stands, and what was read to find that out.
type BindingStatus struct {
	Binding    string                  `json:"binding,omitempty"` // the parameter's name
	SourceKind Kind                    `json:"source_kind,omitempty"`
	Source     string                  `json:"source,omitempty"`
	ConfigID   datadog.ConfigID        `json:"integration_config_id,omitempty"`
	ConfigName string                  `json:"integration_config_name,omitempty"`
	Type       datadog.IntegrationType `json:"integration_type,omitempty"`
	Status     Status                  `json:"status"`
	// Wants is what the binding says about the config's flag.
	Wants EnabledMode `json:"binding_enabled,omitempty"`
	// VersionID is the source's current version, and ChangedAt when the source
	// changed last.
	VersionID string    `json:"version_id,omitempty"`
	ChangedAt time.Time `json:"changed_at,omitzero"`
	// State, Enabled and ModifiedAt are Datadog's.
	State      datadog.State `json:"state,omitempty"`
	Enabled    *bool         `json:"enabled,omitempty"`
	ModifiedAt time.Time     `json:"modified_at,omitzero"`
	Receipt    *Receipt      `json:"receipt,omitempty"`
	Error      *Error        `json:"error,omitempty"`
}

// Status returns how each binding stands that a selector is about, by the name of
// its parameter, and how many bindings it left for want of time. It changes
// nothing, and reads and sends no credential. When the bindings cannot be listed,
// or there is none, the one status has no binding, and its error says why.
func (e *Engine) Status(ctx context.Context, selector Selector) (statuses []BindingStatus, left int) {
	defer onPanic(func(err error) { statuses = []BindingStatus{newWork(Binding{}).standing(selector.result(err))} })
	all, err := e.survey(ctx, selector)
	if err != nil {
		return []BindingStatus{newWork(Binding{}).standing(selector.result(err))}, 0
	}
	results := sideBySide(ctx, all.works, func(ctx context.Context, w *work) error {
		if err := all.complete(ctx, w); err != nil {
			return err
		}
		if err := w.isAbout(selector); err != nil {
			return err
		}
		d := decide(w.Binding, w.found, true, time.Now())
		w.status = d.status
		return d.err
	})
	for i, w := range all.works {
		if w.left {
			left++
		} else {
			statuses = append(statuses, w.standing(results[i]))
		}
	}
	slices.SortFunc(statuses, func(a, b BindingStatus) int { return strings.Compare(a.Binding, b.Binding) })
	return statuses, left
}

// standing returns how the binding stands, from what was read about it.
func (w *work) standing(result Result) BindingStatus {
	s := BindingStatus{
		Binding: w.Parameter, SourceKind: w.Source.Kind, Source: result.Source, ConfigID: result.ConfigID, Type: w.Type,
		Status: w.status, Wants: w.Enabled, VersionID: w.now.id, ChangedAt: w.now.changedAt, Receipt: w.receipt, Error: result.Error,
	}
	if s.Status == "" {
		s.Status = StatusBroken
	}
	if w.config != nil {
		s.ConfigName, s.State, s.Enabled, s.ModifiedAt = w.config.Name, w.config.State, &w.config.Enabled, w.config.ModifiedAt
	}
	return s
}
