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
		if asked, err := decodeObject(event["reconcile"]); err != nil || len(asked) > 0 {
			return trigger, malformed("reconcile: must be an empty object")
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
func decodeAsk(raw json.RawMessage) (relay.Request, error) {
	var asked object
	if json.Unmarshal(raw, &asked) != nil || asked == nil {
		return relay.Request{}, malformed(`must be a JSON object, such as {"secret": "prod/okta/datadog"}`)
	}
	if key, repeated := repeatedKey(raw); repeated {
		return relay.Request{}, malformed("%s: is there twice", key)
	}
	var request relay.Request
	selectors := 0
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		selects, err := setAsk(&request, name, asked[name])
		if err != nil {
			return relay.Request{}, err
		}
		if selects {
			selectors++
		}
	}
	if selectors != 1 {
		return relay.Request{}, malformed("name what to look at by one of secret, parameter, integration_config_id and all, and by only one")
	}
	return request, nil
}

// setAsk sets one field. It reports whether that selects what to look at.
func setAsk(request *relay.Request, name string, value json.RawMessage) (selects bool, err error) {
	switch name {
	case "secret", "parameter", "integration_config_id":
		var id string
		if json.Unmarshal(value, &id) != nil || id == "" || len(id) > maxID {
			return false, malformed("%s: must be a name or an id, as a string", name)
		}
		switch name {
		case "secret":
			request.Source = relay.SecretNamed(id)
		case "parameter":
			request.Source = relay.ParameterNamed(id)
		default:
			request.ConfigID = datadog.ConfigID(id)
		}
		return true, nil
	case "all":
		if json.Unmarshal(value, &request.All) != nil || !request.All {
			return false, malformed("all: must be true, or left out")
		}
		return true, nil
	case "dry_run":
		if !isBool(value, &request.DryRun) {
			return false, malformed("dry_run: must be true or false")
		}
	case "enabled":
		var on bool
		if !isBool(value, &on) {
			return false, malformed("enabled: must be true or false")
		}
		request.Enabled = relay.Off
		if on {
			request.Enabled = relay.On
		}
	default:
		return false, malformed("%s: is not a field; those are secret, parameter, integration_config_id, all, enabled and dry_run", name)
	}
	return false, nil
}

// maxID is the length of the longest id there is, an ARN's.
const maxID = 2048

// isBool decodes true or false, and nothing that merely decodes, such as null.
func isBool(value json.RawMessage, into *bool) bool {
	*into = string(value) == "true"
	return *into || string(value) == "false"
}
