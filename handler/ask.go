package handler

import (
	"encoding/json"
	"maps"
	"slices"

	"credential-relay/datadog"
	"credential-relay/relay"
)

// decodeByHand decodes our own envelope, which people and schedules invoke the
// function with:
//
//	{"relay": {"secret": "prod/okta/datadog", "dry_run": true}}
//	{"reconcile": {}}
func decodeByHand(event object) (Trigger, error) {
	switch {
	case len(event) != 1:
		return Trigger{Kind: "envelope"}, malformed("an envelope must hold relay or reconcile, and nothing beside it")
	case event.has("reconcile"):
		trigger := Trigger{Kind: "reconcile", reconcile: true, byHand: true}
		if err := decodeNothing("reconcile", event["reconcile"]); err != nil {
			return trigger, err
		}
		return trigger, nil
	}
	request, err := decodeAsk(event["relay"])
	if err != nil {
		err = malformed("relay: %v", err)
	}
	return Trigger{Kind: "relay", Request: request, byHand: true}, err
}

// decodeAsk decodes what a person or another program asks to be relayed. It is
// strict, and names the field at fault.
func decodeAsk(raw json.RawMessage) (request relay.Request, err error) {
	err = decodeFields(raw, &request.Selector, func(name string, value json.RawMessage) error {
		return setOption(&request, name, value)
	})
	return request, err
}

// decodeFields decodes an object that selects what to look at by one field. It
// hands over the others.
func decodeFields(raw json.RawMessage, selector *relay.Selector, other func(name string, value json.RawMessage) error) error {
	var fields object
	if json.Unmarshal(raw, &fields) != nil || fields == nil {
		return malformed(`must be a JSON object, such as {"secret": "prod/okta/datadog"}`)
	}
	if key, repeated := repeatedKey(raw); repeated {
		return malformed("%s: is there twice", key)
	}
	selectors := 0
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		selects, err := setSelector(selector, name, fields[name])
		if err == nil && !selects {
			err = other(name, fields[name])
		}
		if err != nil {
			return err
		}
		if selects {
			selectors++
		}
	}
	if selectors != 1 {
		return malformed("name what to look at by one of secret, parameter, integration_config_id and all, and by only one")
	}
	return nil
}

// setSelector sets the field that selects what to look at. It reports false for
// every other field.
func setSelector(selector *relay.Selector, name string, value json.RawMessage) (selects bool, err error) {
	switch name {
	case "secret", "parameter", "integration_config_id":
		var id string
		if json.Unmarshal(value, &id) != nil || id == "" || len(id) > maxID {
			return false, malformed("%s: must be a name or an id, as a string", name)
		}
		switch name {
		case "secret":
			selector.Source = relay.SecretNamed(id)
		case "parameter":
			selector.Source = relay.ParameterNamed(id)
		default:
			selector.ConfigID = datadog.ConfigID(id)
		}
		return true, nil
	case "all":
		if json.Unmarshal(value, &selector.All) != nil || !selector.All {
			return false, malformed("all: must be true, or left out")
		}
		return true, nil
	}
	return false, nil
}

// setOption sets a field of a request that selects nothing.
func setOption(request *relay.Request, name string, value json.RawMessage) error {
	switch name {
	case "dry_run":
		if !isBool(value, &request.DryRun) {
			return malformed("dry_run: must be true or false")
		}
	case "enabled":
		var on bool
		if !isBool(value, &on) {
			return malformed("enabled: must be true or false")
		}
		request.Enabled = relay.Off
		if on {
			request.Enabled = relay.On
		}
	default:
		return malformed("%s: is not a field; those are secret, parameter, integration_config_id, all, enabled and dry_run", name)
	}
	return nil
}

// maxID is the length of the longest id there is, an ARN's.
const maxID = 2048

// isBool decodes true or false, and nothing that merely decodes, such as null.
func isBool(value json.RawMessage, into *bool) bool {
	*into = string(value) == "true"
	return *into || string(value) == "false"
}
