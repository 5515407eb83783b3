package handler

import (
	"context"
	"encoding/json"

	"credential-relay/relay"
)

// isQuestion tells the asks that change nothing, which people and the command
// line invoke the function with:
//
//	{"status": {"secret": "prod/okta/datadog"}}
//	{"configs": {}}
//	{"check": {}}
func (o object) isQuestion() bool { return o.has("status") || o.has("configs") || o.has("check") }

// StatusReport is the reply to a status ask.
type StatusReport struct {
	Statuses []relay.BindingStatus `json:"statuses"`
	// Left is how many bindings there was no time for.
	Left int `json:"left,omitempty"`
}

// ConfigsReport is the reply to a configs ask.
type ConfigsReport struct {
	Configs []relay.ConfigStatus `json:"configs"`
}

// CheckReport is the reply to a check ask.
type CheckReport struct {
	Checks []relay.Check `json:"checks"`
}

// QuestionFailed is the function error for a question that has no answer.
type QuestionFailed struct{ err error }

func (e *QuestionFailed) Error() string { return relay.Describe(e.err) }

// serveQuestion answers an ask that changes nothing.
func (h *Handler) serveQuestion(ctx context.Context, event object) (served, error) {
	if len(event) != 1 {
		return served{trigger: "malformed"}, malformed("an envelope must hold status, configs or check, and nothing beside it")
	}
	switch {
	case event.has("status"):
		return h.serveStatus(ctx, event["status"])
	case event.has("configs"):
		result := served{trigger: "configs"}
		if err := decodeNothing("configs", event["configs"]); err != nil {
			return result, err
		}
		configs, err := h.Engine.Configs(ctx)
		if err != nil {
			return result, &QuestionFailed{err}
		}
		result.reply = ConfigsReport{configs}
		return result, nil
	default:
		result := served{trigger: "check"}
		if err := decodeNothing("check", event["check"]); err != nil {
			return result, err
		}
		result.reply = CheckReport{h.Engine.Check(ctx)}
		return result, nil
	}
}

func (h *Handler) serveStatus(ctx context.Context, raw json.RawMessage) (served, error) {
	result := served{trigger: "status"}
	var selector relay.Selector
	err := decodeFields(raw, &selector, func(name string, _ json.RawMessage) error {
		return malformed("%s: is not a field; those are secret, parameter, integration_config_id and all", name)
	})
	if err != nil {
		return result, malformed("status: %v", err)
	}
	statuses, left := h.Engine.Status(ctx, selector)
	result.reply = StatusReport{statuses, left}
	return result, nil
}

// decodeNothing refuses an ask that holds anything.
func decodeNothing(name string, raw json.RawMessage) error {
	if fields, err := decodeObject(raw); err != nil || len(fields) > 0 {
		return malformed("%s: must be an empty object", name)
	}
	return nil
}
