package contract

import (
	"slices"
	"strings"
	"testing"

	"credential-relay/datadog"

	"go.yaml.in/yaml/v3"
)

// TestUnchanged fails if the version that -against names changes an operation that we
// use.
func TestUnchanged(t *testing.T) {
	if *against == "" {
		t.Skip("no version is named with -against")
	}
	if found := changes(published(t, pinned), published(t, *against), used); len(found) > 0 {
		t.Errorf("from %s to %s:\n%s", pinned, *against, strings.Join(found, "\n"))
	}
}

// TestPastVersions checks that the comparison finds what is known to have changed, and
// nothing if nothing has.
func TestPastVersions(t *testing.T) {
	const attributes = "requestBody application/json.data.attributes"
	tests := map[string]struct {
		version   string
		some, all []string
	}{
		"one schema for all types": {version: "v2.62.0", some: []string{
			"PATCH " + configs + "/{integration_config_id}",
			"  - " + attributes + ".secrets additionalProperties = {}",
			"  + " + attributes + ` oneOf OKTA.secrets required has "api_token"`,
			"  + " + attributes + " oneOf SENTINELONE",
		}},
		"a schema for each type": {version: "v2.63.0", all: []string{
			"GET /api/v2/validate_keys",
			"  + security AuthZ",
			"  + security scheme AuthZ flows authorizationCode",
			`  + security scheme AuthZ flows authorizationCode authorizationUrl = "/oauth2/v1/authorize"`,
			`  + security scheme AuthZ flows authorizationCode tokenUrl = "/oauth2/v1/token"`,
			`  + security scheme AuthZ type = "oauth2"`,
			"PUT /api/v1/integration/azure",
			"  + security AuthZ",
			"  + security scheme AuthZ flows authorizationCode",
			`  + security scheme AuthZ flows authorizationCode authorizationUrl = "/oauth2/v1/authorize"`,
			`  + security scheme AuthZ flows authorizationCode tokenUrl = "/oauth2/v1/token"`,
			`  + security scheme AuthZ type = "oauth2"`,
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			found := changes(published(t, test.version), published(t, pinned), used)
			for _, line := range test.some {
				if !slices.Contains(found, line) {
					t.Errorf("not among the changes: %s", line)
				}
			}
			if test.all != nil && !slices.Equal(found, test.all) {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(found, "\n"), strings.Join(test.all, "\n"))
			}
		})
	}
}

const small = `
openapi: 3.0.0
paths:
  /api/v2/thing/{id}:
    put:
      description: Change a thing.
      parameters:
        - {in: path, name: id, required: true, schema: {type: string}}
        - {in: query, name: dry, schema: {type: boolean}}
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/Thing"}}}}
      responses:
        "200": {description: OK}
        "400": {$ref: "#/components/responses/Bad"}
      security: [{key: []}, {oauth: [write]}]
      x-permission: {permissions: [write]}
      x-unstable: Preview.
components:
  responses:
    Bad: {description: Bad, content: {application/json: {schema: {type: object}}}}
  schemas:
    Thing:
      properties:
        description: {type: string, example: text}
        kind: {type: string, enum: [A, B]}
        inner: {$ref: "#/components/schemas/Thing"}
        choice:
          discriminator: {propertyName: kind, mapping: {A: "#/components/schemas/VariantA"}}
          oneOf: [{$ref: "#/components/schemas/VariantA"}]
      required: [kind, choice]
      type: object
    VariantA: {properties: {a: {type: string}}, type: object}
    Unused: {type: string}
  securitySchemes:
    key: {type: apiKey, in: header, name: KEY}
    oauth: {type: oauth2, flows: {clientCredentials: {tokenUrl: /token, scopes: {write: Write.}}}}
servers: [{url: "https://{site}", variables: {site: {default: a, enum: [a, b]}}}]
`

// TestPlantedChanges makes one change at a time in a small document.
func TestPlantedChanges(t *testing.T) {
	const body = "requestBody application/json"
	tests := map[string]struct {
		was, becomes string
		want         []string
	}{
		"nothing":             {"", "", nil},
		"a text for people":   {"Change a thing.", "Alter a thing.", nil},
		"an example":          {"example: text", "example: words", nil},
		"the notice of x-":    {"x-unstable: Preview.", "x-unstable: In preview.", nil},
		"the order of a list": {"[kind, choice]", "[choice, kind]", nil},
		"order of parameters": {
			"        - {in: path, name: id, required: true, schema: {type: string}}\n        - {in: query, name: dry, schema: {type: boolean}}",
			"        - {in: query, name: dry, schema: {type: boolean}}\n        - {in: path, name: id, required: true, schema: {type: string}}", nil,
		},
		"a component's name":    {"VariantA", "VariantOne", nil},
		"an unused component":   {"Unused: {type: string}", "Unused: {type: number}", nil},
		"a scope's description": {"{write: Write.}", "{write: Write things., read: Read.}", nil},
		"the path":              {"/thing/", "/things/", []string{"  - described"}},
		"the method":            {"put:", "post:", []string{"  - described"}},
		"no preview any more":   {"      x-unstable: Preview.\n", "", []string{"  - x-unstable"}},
		"a permission":          {"permissions: [write]", "permissions: [admin]", []string{`  - x-permission permissions has "write"`, `  + x-permission permissions has "admin"`}},
		"a scope":               {"oauth: [write]", "oauth: [admin]", []string{`  - security oauth oauth has "write"`, `  + security oauth oauth has "admin"`}},
		"a header":              {"name: KEY", "name: DD", []string{`  - security scheme key name = "KEY"`, `  + security scheme key name = "DD"`}},
		"a parameter":           {"name: dry,", "name: dry, required: true,", []string{"  + parameters dry required = true"}},
		"a parameter's type":    {"{type: boolean}", "{type: string}", []string{`  - parameters dry type = "boolean"`, `  + parameters dry type = "string"`}},
		"one status less":       {`        "200": {description: OK}` + "\n", "", []string{"  - responses 200"}},
		"a status's body":       {"schema: {type: object}", "schema: {type: array}", []string{`  - responses 400 application/json type = "object"`, `  + responses 400 application/json type = "array"`}},
		"one requirement more":  {"[kind, choice]", "[kind, choice, inner]", []string{"  + " + body + ` required has "inner"`}},
		"one value more":        {"enum: [A, B]", "enum: [A, B, C]", []string{"  + " + body + `.kind enum has "C"`}},
		"a property that is named like a text": {
			"description: {type: string", "description: {type: number", []string{"  - " + body + `.description type = "string"`, "  + " + body + `.description type = "number"`},
		},
		"a variant's property": {"{a: {type: string}}", "{b: {}}", []string{"  - " + body + ".choice oneOf A.a", "  + " + body + ".choice oneOf A.b"}},
		"a variant's value":    {"mapping: {A:", "mapping: {B:", []string{"  - " + body + ".choice discriminator mapping A", "  + " + body + ".choice oneOf B.a"}},
		"a site":               {"enum: [a, b]", "enum: [a]", []string{`  - servers 0 variables site enum has "b"`}},
	}
	operations := []operation{{"PUT", "/api/v2/thing/{id}"}}
	parse := func(text string) description {
		var whole object
		if err := yaml.Unmarshal([]byte(text), &whole); err != nil {
			t.Fatal(err)
		}
		return description{"v2": excerpt(whole, operations)}
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(small, test.was) {
				t.Fatalf("%q is not in the document", test.was)
			}
			found := changes(parse(small), parse(strings.ReplaceAll(small, test.was, test.becomes)), operations)
			if len(test.want) == 0 && len(found) > 0 {
				t.Errorf("got changes:\n%s", strings.Join(found, "\n"))
			}
			for _, line := range test.want {
				if !slices.Contains(found, line) {
					t.Errorf("not told: %s\ngot:\n%s", line, strings.Join(found, "\n"))
				}
			}
		})
	}
}

// TestSites compares the client's sites with the published ones. Credentials are sent
// to no other site.
func TestSites(t *testing.T) {
	addresses, _ := published(t, pinned)["v2"]["servers"].([]any)
	if len(addresses) == 0 {
		t.Fatal("the description names no servers")
	}
	described, _ := under(addresses[0].(object), "variables", "site")["enum"].([]any)
	for _, site := range described {
		if !slices.Contains(datadog.Sites, site.(string)) {
			t.Errorf("the client does not know the site %s", site)
		}
	}
	for _, site := range datadog.Sites {
		if !slices.Contains(described, any(site)) {
			t.Errorf("the description does not know the site %s", site)
		}
	}
}
