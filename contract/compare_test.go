package contract

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// changes returns how two descriptions differ in the operations we use: the name of
// each that differs, followed by what was removed, with a "-", and what was added,
// with a "+".
func changes(before, after description, operations []operation) []string {
	var lines []string
	tell := func(heading string, difference []string) {
		if len(difference) > 0 {
			lines = append(append(lines, heading), difference...)
		}
	}
	for _, op := range operations {
		tell(op.String(), difference(outline(before[op.api()], op), outline(after[op.api()], op)))
	}
	for _, api := range sortedKeys(before) {
		tell("all of "+api, difference(servers(before[api]), servers(after[api])))
	}
	return lines
}

func difference(before, after map[string]bool) []string {
	var lines []string
	for line := range before {
		if !after[line] {
			lines = append(lines, "  - "+line)
		}
	}
	for line := range after {
		if !before[line] {
			lines = append(lines, "  + "+line)
		}
	}
	slices.SortFunc(lines, func(a, b string) int { return cmp.Or(cmp.Compare(a[4:], b[4:]), cmp.Compare(b[2], a[2])) })
	return lines
}

// outline returns an operation as lines that can be understood by themselves. It
// follows all references. It ignores the order of lists, texts for people, examples
// and the names of components.
func outline(document object, op operation) map[string]bool {
	o := outliner{document: document, lines: map[string]bool{}}
	described := maps.Clone(under(document, "paths", op.path, strings.ToLower(op.method)))
	if described == nil {
		return o.lines
	}
	o.lines["described"] = true
	if shared, ok := under(document, "paths", op.path)["parameters"]; ok {
		o.add("parameters", shared, "parameters")
	}
	if described["security"] == nil {
		described["security"] = document["security"]
	}
	o.add("", described, "")
	requirements, _ := described["security"].([]any)
	for _, requirement := range requirements {
		for _, scheme := range sortedKeys(requirement.(object)) {
			o.add("security scheme "+scheme, under(document, "components", "securitySchemes", scheme), "")
		}
	}
	return o.lines
}

// servers returns the addresses of an API as lines.
func servers(document object) map[string]bool {
	o := outliner{document: document, lines: map[string]bool{}}
	o.add("servers", document["servers"], "servers")
	return o.lines
}

type outliner struct {
	document object
	lines    map[string]bool
	open     []string // the references being followed
}

// holdsNames are the keywords whose object has names as keys, not keywords.
var holdsNames = map[string]bool{
	"properties": true, "responses": true, "content": true, "headers": true, "mapping": true, "variables": true, "flows": true,
}

// forPeople reports whether a keyword changes nothing in a request or answer.
func forPeople(keyword string) bool {
	switch keyword {
	case "description", "summary", "example", "examples", "externalDocs", "tags", "operationId", "title", "scopes", "deprecated":
		return true
	}
	return strings.HasPrefix(keyword, "x-") && keyword != "x-permission" && keyword != "x-unstable"
}

// add adds the lines of a node at a place under a keyword.
func (o *outliner) add(place string, node any, keyword string) {
	switch node := node.(type) {
	case object:
		o.addObject(place, node, keyword)
	case []any:
		for i, element := range node {
			if label, ok := o.label(element, i); ok {
				o.lines[place+" "+label] = true
				o.add(place+" "+label, element, "")
			} else {
				o.lines[place+" has "+text(element)] = true
			}
		}
	default:
		o.lines[place+" = "+text(node)] = true
	}
}

func (o *outliner) addObject(place string, node object, keyword string) {
	if ref, ok := node["$ref"].(string); ok {
		o.follow(place, ref, keyword)
		return
	}
	if len(node) == 0 {
		o.lines[place+" = {}"] = true
	}
	mapping := under(node, "discriminator", "mapping")
	for key, child := range node {
		next := strings.TrimSpace(place + " " + key)
		switch {
		case holdsNames[keyword]:
			if keyword == "properties" {
				next = place + "." + key
			}
			o.lines[next] = true // it may have nothing but texts for people
			if keyword == "mapping" {
				continue
			}
			o.add(next, child, "")
		case forPeople(key):
		case key == "x-unstable":
			o.lines[next] = true
		case key == "oneOf" && mapping != nil:
			o.addVariants(next, child, mapping)
		case key == "schema" || key == "content" || key == "properties":
			o.add(place, child, key)
		default:
			o.add(next, child, key)
		}
	}
}

// addVariants adds schemas by the values that select them.
func (o *outliner) addVariants(place string, variants any, mapping object) {
	for value, ref := range mapping {
		o.lines[place+" "+value] = true
		o.add(place+" "+value, object{"$ref": ref}, "")
	}
	for i, variant := range variants.([]any) {
		ref, _ := variant.(object)["$ref"]
		if !slices.Contains(slices.Collect(maps.Values(mapping)), ref) {
			o.add(place+" "+strconv.Itoa(i), variant, "")
		}
	}
}

func (o *outliner) follow(place, ref, keyword string) {
	if slices.Contains(o.open, ref) {
		o.lines[place+" is again what it is in"] = true
		return
	}
	o.open = append(o.open, ref)
	o.add(place, o.resolve(ref), keyword)
	o.open = o.open[:len(o.open)-1]
}

func (o *outliner) resolve(ref string) object {
	kind, name, _ := component(ref)
	return under(o.document, "components", kind, name)
}

// label returns a name for an object in a list, and whether the element is an
// object. An object without a name is labelled with its index.
func (o *outliner) label(element any, index int) (string, bool) {
	node, ok := element.(object)
	if !ok {
		return "", false
	}
	if ref, ok := node["$ref"].(string); ok {
		node = o.resolve(ref)
	}
	if name, ok := node["name"].(string); ok {
		return fmt.Sprint(name), true
	}
	for scheme := range node {
		if under(o.document, "components", "securitySchemes", scheme) != nil {
			return strings.Join(sortedKeys(node), " and "), true
		}
	}
	return strconv.Itoa(index), true
}

func text(value any) string {
	encoded, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(encoded)
}
