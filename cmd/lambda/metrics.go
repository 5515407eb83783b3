package main

import (
	"context"
	"log/slog"

	"credential-relay/datadog"
	"credential-relay/relay"
)

// metrics has CloudWatch take what is measured on the log's lines for metrics, in
// its embedded metric format: that takes no call and no permission.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
type metrics struct {
	slog.Handler
	stack string // whose metrics they are: there may be two in one account
}

const namespace = "CredentialRelay"

// units are those of every metric there is. A line's member of another name is
// none.
var units = map[string]string{
	// By outcome and integration type: how many relays there were and, of those
	// that had a credential to try, how many Datadog did not offer to try.
	"Relays":       "Count",
	"NotValidated": "Count",

	// Of a relay.
	"Retries":          "Count",
	"RateLimitWait":    "Milliseconds",
	"SourceDuration":   "Milliseconds",
	"ConfigDuration":   "Milliseconds",
	"ValidateDuration": "Milliseconds",
	"PutDuration":      "Milliseconds",
	"PatchDuration":    "Milliseconds",
	"ConfirmDuration":  "Milliseconds",
	"TimeToUpdate":     "Milliseconds",

	// Of an invocation.
	"TimeUsed":                 "Percent",
	"Reconciles":               "Count",
	"OldestUnreconciledChange": "Seconds",

	// Of a webhook delivery whose signature could not be checked.
	"SignatureUnavailable": "Count",
}

func (m metrics) Handle(ctx context.Context, line slog.Record) error {
	var directives []directive
	var counts []slog.Attr
	switch line.Message {
	case "relay":
		directives, counts = relayed(line)
	case "invocation", "signature unavailable":
		directives = measured(line)
	}
	if len(directives) > 0 {
		line = line.Clone()
		line.AddAttrs(counts...)
		line.AddAttrs(slog.String("stack", m.stack), slog.Any("_aws", metadata{line.Time.UnixMilli(), directives}))
	}
	return m.Handler.Handle(ctx, line)
}

func (m metrics) WithAttrs(attrs []slog.Attr) slog.Handler {
	return metrics{m.Handler.WithAttrs(attrs), m.stack}
}

func (m metrics) WithGroup(name string) slog.Handler {
	return metrics{m.Handler.WithGroup(name), m.stack}
}

// metadata tells CloudWatch which of a line's members are metrics.
type metadata struct {
	Timestamp         int64
	CloudWatchMetrics []directive
}

// directive names metrics, and the members that are their dimensions, in sets of
// which each makes a metric of its own. So no dimension is an id, or anything else
// that has no end of values.
type directive struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []definition
}

type definition struct{ Name, Unit string }

// relayed counts a relay, by what came of it, next to what it took. A dry run is
// none.
func relayed(line slog.Record) (_ []directive, counts []slog.Attr) {
	by := [][]string{{"stack", "outcome"}}
	counts = []slog.Attr{slog.Int("Relays", 1)}
	dryRun := false
	line.Attrs(func(attr slog.Attr) bool {
		switch attr.Key {
		case "integration_type":
			if relay.HasProfile(datadog.IntegrationType(attr.Value.String())) {
				by = append(by, []string{"stack", "outcome", "integration_type"})
			}
		case "validated":
			notValidated := 0
			if !attr.Value.Bool() {
				notValidated = 1
			}
			counts = append(counts, slog.Int("NotValidated", notValidated))
		case "dry_run":
			dryRun = true
		}
		return true
	})
	if dryRun {
		return nil, nil
	}
	return append([]directive{{namespace, by, metricsOf(counts)}}, measured(line)...), counts
}

// measured names the metrics that are on the line already.
func measured(line slog.Record) []directive {
	var attrs []slog.Attr
	line.Attrs(func(attr slog.Attr) bool {
		attrs = append(attrs, attr)
		return true
	})
	found := metricsOf(attrs)
	if len(found) == 0 {
		return nil
	}
	return []directive{{namespace, [][]string{{"stack"}}, found}}
}

func metricsOf(attrs []slog.Attr) []definition {
	var found []definition
	for _, attr := range attrs {
		if unit, ok := units[attr.Key]; ok {
			found = append(found, definition{attr.Key, unit})
		}
	}
	return found
}
