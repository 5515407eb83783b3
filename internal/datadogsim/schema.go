package datadogsim

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"slices"
	"strings"
)

const (
	aString  = "a string"
	aBoolean = "a boolean"
	anObject = "an object"
)

// property is the description of one property of a JSON object. An object can have other properties with any value,
// because no schema of the description forbids them.
type property struct {
	name       string
	kind       string // aString, aBoolean or anObject
	required   bool
	oneOf      []string   // the only strings allowed; nil allows all
	properties []property // of an object
}

var integrationTypes = []string{"GOOGLE_WORKSPACE", "OKTA", "ENTRA_ID", "CROWDSTRIKE", "SENTINELONE"}

// envelope is the outer part of the bodies of all operations and types.
var envelope = []property{
	{name: "data", kind: anObject, required: true, properties: []property{
		{name: "type", kind: aString, required: true, oneOf: []string{"integration_config"}},
		{name: "attributes", kind: anObject, required: true, properties: []property{
			{name: "integration_type", kind: aString, required: true, oneOf: integrationTypes},
		}},
	}},
}

// secretsOf holds the properties of each type's secrets. ENTRA_ID has none and accepts any object.
var secretsOf = map[string][]property{
	"GOOGLE_WORKSPACE": {
		{name: "admin_email", kind: aString},
		{name: "service_account_json", kind: anObject, required: true, properties: []property{
			{name: "type", kind: aString, required: true, oneOf: []string{"service_account"}},
			{name: "project_id", kind: aString, required: true},
			{name: "private_key", kind: aString, required: true},
			{name: "client_email", kind: aString, required: true},
		}},
	},
	"OKTA": {
		{name: "api_token", kind: aString, required: true},
	},
	"CROWDSTRIKE": {
		{name: "client_id", kind: aString, required: true},
		{name: "client_secret", kind: aString, required: true},
	},
	"SENTINELONE": {
		{name: "api_token", kind: aString, required: true},
	},
}

func patchProperties(integrationType string) []property {
	return []property{
		{name: "domain", kind: aString},
		{name: "enabled", kind: aBoolean},
		{name: "name", kind: aString},
		{name: "secrets", kind: anObject, properties: secretsOf[integrationType]},
		{name: "settings", kind: anObject},
	}
}

func validateProperties(integrationType string) []property {
	secrets := secretsOf[integrationType]
	return []property{
		{name: "domain", kind: aString, required: true},
		{name: "secrets", kind: anObject, required: secrets != nil, properties: secrets},
	}
}

// attributes returns the attributes in the body of a call, after it has checked them.
func attributes(c call, properties func(integrationType string) []property) (map[string]any, error) {
	body, err := document(c)
	if err != nil {
		return nil, err
	}
	if err := check("", body, envelope); err != nil {
		return nil, err
	}
	found := body["data"].(map[string]any)["attributes"].(map[string]any)
	err = check("data.attributes.", found, properties(found["integration_type"].(string)))
	return found, err
}

// document returns the body of a call.
func document(c call) (map[string]any, error) {
	contentType, _, err := mime.ParseMediaType(c.request.Header.Get("Content-Type"))
	if err != nil || contentType != "application/json" {
		return nil, errors.New("the body must be application/json")
	}
	var body map[string]any
	if json.Unmarshal(c.body, &body) != nil { // its error would quote the body
		return nil, errors.New("the body must be a JSON object")
	}
	return body, nil
}

// check returns an error for the first property that is missing or wrong. The error names the place and not the value,
// which may be a secret.
func check(place string, object map[string]any, properties []property) error {
	for _, p := range properties {
		value, present := object[p.name]
		switch {
		case !present && p.required:
			return fmt.Errorf("%s%s is required", place, p.name)
		case !present:
			continue
		case kindOf(value) != p.kind:
			return fmt.Errorf("%s%s must be %s", place, p.name, p.kind)
		case p.oneOf != nil && !slices.Contains(p.oneOf, value.(string)):
			return fmt.Errorf("%s%s must be %s", place, p.name, strings.Join(p.oneOf, " or "))
		case p.kind == anObject:
			if err := check(place+p.name+".", value.(map[string]any), p.properties); err != nil {
				return err
			}
		}
	}
	return nil
}

func kindOf(value any) string {
	switch value.(type) {
	case string:
		return aString
	case bool:
		return aBoolean
	case map[string]any:
		return anObject
	default:
		return "something else"
	}
}
