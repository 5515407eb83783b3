package relay

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jmespath-community/go-jmespath/pkg/api"

	"credential-relay/datadog"
)

// Field is one key of a config's Datadog secrets, and where in the source its
// value is found.
type Field struct {
	Key        string
	expression api.JMESPath
	form       form
	optional   bool
	// whole, where it is set, takes the source's whole value for this key, or
	// gives nil to leave it to the expression.
	whole func(document) any
}

// form is the type that Datadog documents for a key's value.
type form int

const (
	unknown form = iota // a key that this program does not know
	text
	keyFile
)

// forms are the keys that Datadog documents, in the description of its API.
// https://docs.datadoghq.com/api/latest/security-monitoring/#update-an-entity-context-sync-configuration
var forms = map[string]form{
	"api_token": text, "client_id": text, "client_secret": text, "admin_email": text,
	"service_account_json": keyFile,
}

// profiles say what is sent for a type when its binding does not.
var profiles = map[datadog.IntegrationType][]Field{
	datadog.Okta:        {profileField("api_token", plainText)},
	datadog.SentinelOne: {profileField("api_token", plainText)},
	datadog.CrowdStrike: {profileField("client_id", nil), profileField("client_secret", nil)},
	datadog.GoogleWorkspace: {
		profileField("service_account_json", keyFileItself),
		{Key: "admin_email", expression: api.MustCompile("admin_email"), form: text, optional: true},
	},
	datadog.EntraID: { // for the Azure integration, see azure.go
		{Key: "tenant_id", expression: api.MustCompile("tenant_id"), form: text},
		profileField("client_id", nil), profileField("client_secret", nil),
	},
}

// HasProfile reports whether this program knows a type by itself. Of types that it
// does not know, a binding may name any.
func HasProfile(of datadog.IntegrationType) bool {
	_, ok := profiles[of]
	return ok
}

func profileField(key string, whole func(document) any) Field {
	return Field{Key: key, expression: api.MustCompile(key), form: forms[key], whole: whole}
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

// fieldsFor gives the fields of a binding: those it spells out, or its type's
// profile.
func fieldsFor(kind datadog.IntegrationType, expressions map[string]string) ([]Field, error) {
	if expressions == nil {
		return profileOf(kind)
	}
	if len(expressions) == 0 {
		return nil, errors.New("secrets: is empty; leave it out for the type's own, or name a key and its expression")
	}
	var fields []Field
	for _, key := range slices.Sorted(maps.Keys(expressions)) {
		compiled, err := api.Compile(expressions[key])
		if err != nil {
			return nil, fmt.Errorf("secrets: %s: %q is not a JMESPath expression: %w", key, expressions[key], err)
		}
		fields = append(fields, Field{Key: key, expression: compiled, form: forms[key]})
	}
	return fields, nil
}

func profileOf(kind datadog.IntegrationType) ([]Field, error) {
	fields, ok := profiles[kind]
	if !ok {
		return nil, fmt.Errorf("secrets: is required for %s, a type that has no profile here; name its keys and their expressions", kind)
	}
	return fields, nil
}
