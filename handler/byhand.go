package handler

import (
	"encoding/json"
	"maps"
	"slices"

	"credential-relay/relay"
)

// decodeByHand decodes our own envelope, which people invoke the function with:
//
//	{"relay": {"secret": "prod/okta/datadog", "dry_run": true}}
//
// It names one secret, or one parameter.
func decodeByHand(event object) (Trigger, error) {
	trigger := Trigger{Kind: "relay", byHand: true}
	if len(event) != 1 {
		return trigger, malformed("relay: the envelope must hold nothing beside it")
	}
	var asked object
	if json.Unmarshal(event["relay"], &asked) != nil || asked == nil {
		return trigger, malformed(`relay: must be an object, such as {"secret": "prod/okta/datadog"}`)
	}
	var secret, parameter string
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		var err error
		switch name {
		case "secret":
			secret, err = asked.name(name)
		case "parameter":
			parameter, err = asked.name(name)
		case "dry_run":
			if json.Unmarshal(asked[name], &trigger.DryRun) != nil {
				err = malformed("relay.dry_run: must be true or false")
			}
		default:
			err = malformed("relay.%s: is not a field; those are secret, parameter and dry_run", name)
		}
		if err != nil {
			return trigger, err
		}
	}
	switch {
	case (secret == "") == (parameter == ""):
		return trigger, malformed("relay: name a secret or a parameter, and only one")
	case secret != "":
		trigger.Source = relay.SecretNamed(secret)
	default:
		trigger.Source = relay.ParameterNamed(parameter)
	}
	return trigger, nil
}

// maxName is how long a name or an ARN may be to AWS.
const maxName = 2048

func (o object) name(key string) (string, error) {
	name := o.text(key)
	if name == "" || len(name) > maxName {
		return "", malformed("relay.%s: must be a name, as a string of at most %d bytes", key, maxName)
	}
	return name, nil
}
