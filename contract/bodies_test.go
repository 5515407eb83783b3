package contract

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

const validate = "POST " + configs + "/validate"

// verdicts are whether the description and the simulator accept a body.
type verdicts struct {
	description, simulator bool
	why                    string
}

func judge(t *testing.T, c checker, target, body string, headers ...string) verdicts {
	t.Helper()
	x := ask(t, newSimulator(), target, body, headers...)
	if x.status != 200 && x.status != 400 {
		t.Errorf("%s %s: the simulator answered %d", target, body, x.status)
	}
	found := c.request(x)
	return verdicts{
		description: len(found) == 0,
		simulator:   x.status == 200,
		why:         fmt.Sprintf("%s %s\ndescription: %q\nsimulator: %d %s", target, body, found, x.status, x.answer),
	}
}

// TestBodies checks that the simulator refuses the bodies that the description
// refuses, in PATCH and in validation. A case says why if they differ.
func TestBodies(t *testing.T) {
	const (
		patch    = "PATCH " + configs + "/OKTA"
		complete = `{"data":{"type":"integration_config","attributes":{"integration_type":"OKTA","domain":"d","secrets":{"api_token":"t"}}}}`
	)
	without := func(part string) string { return strings.Replace(complete, part, "", 1) }
	with := func(old, replacement string) string { return strings.Replace(complete, old, replacement, 1) }
	tests := map[string]struct {
		body, target string // both targets when it is empty
		contentType  string // application/json when it is empty
		taken        bool   // by the simulator
		differs      string // why the description's verdict is the opposite
	}{
		"complete":                   {body: complete, taken: true},
		"charset":                    {body: complete, contentType: "application/json; charset=utf-8", taken: true},
		"no body":                    {body: ``},
		"cut off":                    {body: complete[:40]},
		"list":                       {body: `[]`},
		"null":                       {body: `null`},
		"no data":                    {body: `{}`},
		"no type":                    {body: without(`"type":"integration_config",`)},
		"another type":               {body: with("integration_config", "config")},
		"no attributes":              {body: `{"data":{"type":"integration_config"}}`},
		"no integration type":        {body: without(`"integration_type":"OKTA",`)},
		"unknown integration type":   {body: with("OKTA", "JAMF")},
		"no token":                   {body: without(`"api_token":"t"`)},
		"numeric token":              {body: with(`"t"`, "1")},
		"null token":                 {body: with(`"t"`, "null")},
		"one secret more":            {body: with(`"t"`, `"t","token":1`), taken: true},
		"CrowdStrike with a token":   {body: with("OKTA", "CROWDSTRIKE"), target: validate},
		"text for enabled":           {body: with(`"domain"`, `"enabled":"true","domain"`), target: patch},
		"null for name":              {body: with(`"domain"`, `"name":null,"domain"`), target: patch},
		"list for settings":          {body: with(`"domain"`, `"settings":[],"domain"`), target: patch},
		"no secrets to update":       {body: without(`,"secrets":{"api_token":"t"}`), target: patch, taken: true},
		"no secrets to validate":     {body: without(`,"secrets":{"api_token":"t"}`), target: validate},
		"no domain to update":        {body: without(`"domain":"d",`), target: patch, taken: true},
		"no domain to validate":      {body: without(`"domain":"d",`), target: validate},
		"Entra ID without secrets":   {body: `{"data":{"type":"integration_config","attributes":{"integration_type":"ENTRA_ID","domain":"d"}}}`, target: validate, taken: true},
		"text for JSON":              {body: complete, contentType: "text/plain"},
		"another integration's type": {body: `{"data":{"type":"integration_config","attributes":{"integration_type":"ENTRA_ID"}}}`, target: patch, differs: "the config's own type is not in the description"},
		"two documents":              {body: complete + `{}`, differs: "what comes after the JSON is not JSON; the checker reads only the first"},
	}
	described := newChecker(t, published(t, pinned), false)
	for name, test := range tests {
		for _, target := range []string{patch, validate} {
			if test.target != "" && test.target != target {
				continue
			}
			t.Run(name+"/"+target[:4], func(t *testing.T) {
				v := judge(t, described, target, test.body, "Content-Type: "+cmp.Or(test.contentType, "application/json"))
				if v.simulator != test.taken {
					t.Errorf("the simulator should judge the other way:\n%s", v.why)
				}
				if (v.description != v.simulator) != (test.differs != "") {
					t.Errorf("known difference: %q, but\n%s", test.differs, v.why)
				}
			})
		}
	}
}

// knownDifferences are the damages that only one of the two refuses, and why.
var knownDifferences = map[string]string{
	`\.service_account_json\.type (text|empty text)$`: "the description says in words only that it must be service_account",
	`^ENTRA_ID \w+ data\.attributes\.secrets (null|text|empty text|number|boolean|list)$`: "the description " +
		"knows no secrets for ENTRA_ID since v2.63.0; the simulator still asks for an object",
	`(update \S+\.setting1|\.token_uri) null$`: "a schema without a type allows null in OpenAPI, and not in the checker",
}

// TestDamagedBodies removes or replaces each member of a complete body, for each type
// and call, and expects the same verdict of both.
func TestDamagedBodies(t *testing.T) {
	described := newChecker(t, published(t, pinned), false)
	damages := map[string]string{
		"missing": "", "null": `null`, "text": `"x"`, "empty text": `""`, "number": `1`, "boolean": `true`, "list": `[]`, "object": `{}`,
	}
	verdict, met := map[bool]int{}, map[string]bool{}
	for kind, secrets := range secretsOf {
		attributes := object{
			"integration_type": kind, "domain": "d", "name": "n", "enabled": true,
			"settings": object{"setting1": "a"}, "secrets": secrets,
		}
		if secrets == nil {
			attributes["secrets"] = object{"any": "s"}
		}
		whole := object{"data": object{"type": "integration_config", "attributes": attributes}}
		for call, target := range map[string]string{"update": "PATCH " + configs + "/" + string(kind), "validate": validate} {
			for _, place := range places(whole) {
				for damage, replacement := range damages {
					name := fmt.Sprint(kind, " ", call, " ", strings.Join(place, "."), " ", damage)
					v := judge(t, described, target, damaged(t, whole, place, replacement))
					verdict[v.simulator]++
					known := knownDifference(name)
					met[known] = true
					if (v.description != v.simulator) != (known != "") {
						t.Errorf("%s: known difference: %q, but\n%s", name, knownDifferences[known], v.why)
					}
				}
			}
		}
	}
	for known, why := range knownDifferences {
		if !met[known] {
			t.Errorf("no damage is %s (%s)", known, why)
		}
	}
	if verdict[false] < 500 || verdict[true] < 200 {
		t.Errorf("%d bodies were refused and %d taken: too few to show anything", verdict[false], verdict[true])
	}
}

func knownDifference(name string) string {
	for known := range knownDifferences {
		if regexp.MustCompile(known).MatchString(name) {
			return known
		}
	}
	return ""
}

// places returns the paths of all members of an object and of the objects in it.
func places(node object) [][]string {
	var found [][]string
	for key, child := range node {
		found = append(found, []string{key})
		if inner, ok := child.(object); ok {
			for _, place := range places(inner) {
				found = append(found, append([]string{key}, place...))
			}
		}
	}
	return found
}

// damaged returns an object as JSON with the member at a place replaced, or removed
// if the replacement is empty.
func damaged(t *testing.T, whole object, place []string, replacement string) string {
	t.Helper()
	encoded, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	var copied object
	if err := json.Unmarshal(encoded, &copied); err != nil {
		t.Fatal(err)
	}
	at, last := under(copied, place[:len(place)-1]...), place[len(place)-1]
	if delete(at, last); replacement != "" {
		at[last] = json.RawMessage(replacement)
	}
	encoded, err = json.Marshal(copied)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}
