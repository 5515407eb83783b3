package relay

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"credential-relay/datadog"
)

// Field is one key of a config's Datadog secrets, and where in the source its
// value is found.
type Field struct {
	Key        string
	expression expression
	form       form
	optional   bool
	// whole, if it is set, takes the source's whole value for this key. It returns
	// nil to leave the key to the expression.
	whole func(document) any
}

// form is the type that Datadog documents for a key's value.
type form int

const (
	unknown    form = iota // a key that this program does not know
	text                   // a string
	headerText             // a string that the issuer expects in an HTTP header
	keyFile                // a Google Cloud service account key file
)

// formOf returns the form of a key that Datadog documents in the description of
// its API. Okta and SentinelOne take their token in the header Authorization.
// https://docs.datadoghq.com/api/latest/security-monitoring/#update-an-entity-context-sync-configuration
func formOf(integrationType datadog.IntegrationType, key string) form {
	switch key {
	case "api_token":
		if integrationType == datadog.Okta || integrationType == datadog.SentinelOne {
			return headerText
		}
		return text
	case "client_id", "client_secret", "admin_email":
		return text
	case "service_account_json":
		return keyFile
	default:
		return unknown
	}
}

// profiles say what is sent for a type when its binding does not.
var profiles = map[datadog.IntegrationType][]Field{
	datadog.Okta:        {{Key: "api_token", expression: exprField("api_token"), form: headerText, whole: plainText}},
	datadog.SentinelOne: {{Key: "api_token", expression: exprField("api_token"), form: headerText, whole: plainText}},
	datadog.CrowdStrike: {textField("client_id"), textField("client_secret")},
	datadog.GoogleWorkspace: {
		{Key: "service_account_json", expression: exprField("service_account_json"), form: keyFile, whole: keyFileItself},
		{Key: "admin_email", expression: exprField("admin_email"), form: text, optional: true},
	},
	// for the Azure integration, see azure.go
	datadog.EntraID: {textField("tenant_id"), textField("client_id"), textField("client_secret")},
}

// HasProfile reports whether this program knows a type by itself. A binding can
// name any type that it does not know, and then has its own expressions.
func HasProfile(integrationType datadog.IntegrationType) bool {
	_, ok := profiles[integrationType]
	return ok
}

func textField(key string) Field {
	return Field{Key: key, expression: exprField(key), form: text}
}

// plainText takes a text for a token, but not JSON that is broken.
func plainText(d document) any {
	if d.json != nil || strings.HasPrefix(strings.TrimLeft(d.text, " \t\r\n\uFEFF"), "{") {
		return nil
	}
	return d.text
}

func keyFileItself(d document) any {
	if isKeyFile(d.json) {
		return d.json
	}
	return nil
}

var errNoExpressions = errors.New("secrets: must be an object of Datadog keys and JMESPath expressions, all strings")

// expressionsIn returns the expression of each Datadog key, as a binding has them.
func expressionsIn(secrets []byte) (map[string]string, error) {
	decoded, _ := decodeJSON(secrets)
	object, ok := decoded.(*jsonObject)
	if !ok {
		return nil, errNoExpressions
	}
	expressions := map[string]string{}
	for _, key := range object.names {
		if object.twice[key] {
			return nil, fmt.Errorf("secrets: %s: is there twice; keep one of them", key)
		}
		if key == "" || !utf8.ValidString(key) || strings.ContainsFunc(key, isInvisible) {
			return nil, fmt.Errorf("secrets: %q is not a Datadog key, since it is empty or holds white space", key)
		}
		if expressions[key], ok = object.values[key].(string); !ok {
			return nil, errNoExpressions
		}
	}
	return expressions, nil
}

// fieldsFor returns the fields of a binding: those that it names, or its type's
// profile if it names none.
func fieldsFor(integrationType datadog.IntegrationType, expressions map[string]string) ([]Field, error) {
	if expressions == nil {
		return profileOf(integrationType)
	}
	if len(expressions) == 0 {
		return nil, errors.New("secrets: is empty; leave it out for the type's own, or name a key and its expression")
	}
	var fields []Field
	for _, key := range slices.Sorted(maps.Keys(expressions)) {
		compiled, err := compile(expressions[key])
		if err != nil {
			return nil, fmt.Errorf("secrets: %s: %.200q is not a JMESPath expression: %w", key, expressions[key], err)
		}
		fields = append(fields, Field{Key: key, expression: compiled, form: formOf(integrationType, key)})
	}
	return fields, nil
}

func profileOf(integrationType datadog.IntegrationType) ([]Field, error) {
	fields, ok := profiles[integrationType]
	if !ok {
		return nil, fmt.Errorf("secrets: is required for %s, a type that has no profile here; name its keys and their expressions", integrationType)
	}
	return fields, nil
}
