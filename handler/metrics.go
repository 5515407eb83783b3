package handler

import (
	"log/slog"
	"time"

	"credential-relay/relay"
)

// namespace is the CloudWatch namespace of every metric.
const namespace = "CredentialRelay"

// metric is one metric on a line of the log.
type metric struct {
	name, unit string
	value      int64
	byOutcome  bool // the line's outcome is a dimension
}

// withMetrics returns a line's attributes with metrics among them, in
// CloudWatch's embedded metric format: that takes no call and no permission.
// Every metric has the dimension stack. No dimension is an id, or anything else
// with no end of values, because each value is a metric of its own, and costs.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
func (h *Handler) withMetrics(attrs []slog.Attr, metrics []metric) []slog.Attr {
	if h.Stack == "" || len(metrics) == 0 {
		return attrs
	}
	var directives []directive
	for _, m := range metrics {
		dimensions := []string{"stack"}
		if m.byOutcome {
			dimensions = append(dimensions, keyOutcome)
		}
		attrs = append(attrs, slog.Int64(m.name, m.value))
		directives = append(directives, directive{namespace, [][]string{dimensions}, []definition{{m.name, m.unit}}})
	}
	return append(attrs, slog.String("stack", h.Stack), slog.Any("_aws", metadata{time.Now().UnixMilli(), directives}))
}

// metadata says which of a line's members are metrics.
type metadata struct {
	Timestamp         int64
	CloudWatchMetrics []directive
}

type directive struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []definition
}

type definition struct{ Name, Unit string }

// relayMetrics returns the metrics of a relay. A dry run and a relay that found
// nothing to do have none, so that a quiet hour costs nothing.
func relayMetrics(trigger Trigger, r relay.Result) []metric {
	switch r.Outcome {
	case relay.Unchanged, relay.Ignored, relay.WouldUpdate:
		return nil
	}
	if trigger.DryRun {
		return nil
	}
	metrics := []metric{{name: "Relays", unit: "Count", value: 1, byOutcome: true}}
	if took, known := timeToUpdate(trigger, r); known {
		metrics = append(metrics, metric{name: "TimeToUpdate", unit: "Milliseconds", value: took.Milliseconds()})
	}
	return metrics
}

// timeToUpdate returns the time from the source's change until Datadog had it. It
// is unknown if the event names no time, or a time ahead of our clock.
func timeToUpdate(trigger Trigger, r relay.Result) (took time.Duration, known bool) {
	changed := trigger.changed
	if trigger.reconcile {
		changed = r.ChangedAt
	}
	took = r.Effort.Ended.Sub(changed)
	return took, r.Outcome == relay.Updated && !changed.IsZero() && took >= 0
}

// signatureUnavailable is the metric of a delivery whose signature could not be
// checked.
var signatureUnavailable = []metric{{name: "SignatureUnavailable", unit: "Count", value: 1}}
