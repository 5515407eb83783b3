package main

import (
	"context"
	"log/slog"
)

// metrics makes each line about a binding a metric too, in CloudWatch's embedded
// metric format: that takes no call and no permission. Relays counts them by
// outcome and integration type, NotValidated those whose credential Datadog did
// not offer to try.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
type metrics struct{ slog.Handler }

func (m metrics) Handle(ctx context.Context, line slog.Record) error {
	if line.Message == "relay" {
		line = line.Clone()
		line.AddAttrs(metricsOf(line)...)
	}
	return m.Handler.Handle(ctx, line)
}

func (m metrics) WithAttrs(attrs []slog.Attr) slog.Handler {
	return metrics{m.Handler.WithAttrs(attrs)}
}

func (m metrics) WithGroup(name string) slog.Handler { return metrics{m.Handler.WithGroup(name)} }

// metricsOf tells CloudWatch which members of the line are metrics, and which
// are their dimensions: never an id, since each value of one is a metric of its
// own.
func metricsOf(line slog.Record) []slog.Attr {
	dimensions := []string{"outcome"}
	notValidated := 0
	line.Attrs(func(attr slog.Attr) bool {
		switch {
		case attr.Key == "integration_type":
			dimensions = append(dimensions, attr.Key)
		case attr.Key == "validated" && !attr.Value.Bool():
			notValidated = 1
		}
		return true
	})
	directive := map[string]any{
		"Namespace":  "CredentialRelay",
		"Dimensions": [][]string{dimensions},
		"Metrics":    []map[string]string{{"Name": "Relays", "Unit": "Count"}, {"Name": "NotValidated", "Unit": "Count"}},
	}
	return []slog.Attr{
		slog.Int("Relays", 1),
		slog.Int("NotValidated", notValidated),
		slog.Any("_aws", map[string]any{"Timestamp": line.Time.UnixMilli(), "CloudWatchMetrics": []any{directive}}),
	}
}
