package contract

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"
)

// The module with Datadog's API descriptions, the version that our client is written
// for, and the checksum of that version as in a go.sum.
const (
	module    = "github.com/DataDog/datadog-api-client-go/v2"
	pinned    = "v2.67.0"
	pinnedSum = "h1:fNIlvUjfCEL/wFrtXioCT+ah/o04M7475klcF97bZj0="
)

var against = flag.String("against", "", "a `version` of Datadog's Go client to compare the pinned one with")

const configs = "/api/v2/security_monitoring/configuration/integration_config"

// operation is one endpoint. Its path is written as in the description.
type operation struct{ method, path string }

func (o operation) String() string { return o.method + " " + o.path }

// api returns the description that an operation is in: "v1" or "v2".
func (o operation) api() string { return strings.Split(o.path, "/")[2] }

// used are the operations that the client calls or the simulator serves.
var used = []operation{
	{"GET", configs},
	{"GET", configs + "/{integration_config_id}"},
	{"PATCH", configs + "/{integration_config_id}"},
	{"POST", configs + "/validate"},
	{"POST", configs + "/{integration_config_id}/validate"},
	{"GET", "/api/v2/validate_keys"},
	{"PUT", "/api/v1/integration/azure"},
}

// object is a JSON object.
type object = map[string]any

// description is an OpenAPI document for each API, with the used operations and the
// components that they refer to.
type description map[string]object

var descriptions sync.Map // version → func() (description, error)

// published returns the description of a version. If it cannot be downloaded, the
// test prints that it is skipped. It fails instead if -against names that version.
func published(t *testing.T, version string) description {
	t.Helper()
	load, _ := descriptions.LoadOrStore(version, sync.OnceValues(func() (description, error) {
		directory, err := download(version)
		if unavailable := (errUnavailable{}); errors.As(err, &unavailable) && version != *against {
			fmt.Printf("SKIPPED TIER: contract with Datadog's API description %s, which cannot be had: %v\n", version, err)
		}
		if err != nil {
			return nil, err
		}
		return read(directory, used)
	}))
	d, err := load.(func() (description, error))()
	if unavailable := (errUnavailable{}); errors.As(err, &unavailable) && version != *against {
		t.Skip("SKIPPED TIER: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// errUnavailable reports that a version could not be downloaded.
type errUnavailable struct{ reason string }

func (e errUnavailable) Error() string { return e.reason }

// download returns the directory with a version of Datadog's module.
func download(version string) (string, error) {
	command := exec.Command("go", "mod", "download", "-json", module+"@"+version)
	command.Dir = os.TempDir() // outside of our module, so that its go.sum does not change
	output, failure := command.Output()
	var told struct{ Dir, Sum, Error string }
	if err := json.Unmarshal(output, &told); err != nil {
		return "", fmt.Errorf("go mod download %s: %w, and said %q", version, failure, output)
	}
	switch {
	case strings.Contains(told.Error, "SECURITY ERROR"):
		return "", errors.New(told.Error)
	case told.Error != "":
		return "", errUnavailable{strings.Join(strings.Fields(told.Error), " ")}
	case version == pinned && told.Sum != pinnedSum:
		return "", fmt.Errorf("%s@%s has the checksum %s, and had %s when it was pinned", module, version, told.Sum, pinnedSum)
	}
	return told.Dir, nil
}

// read returns the description of some operations from Datadog's module.
func read(directory string, operations []operation) (description, error) {
	d := description{}
	for _, op := range operations {
		if _, done := d[op.api()]; done {
			continue
		}
		text, err := os.ReadFile(filepath.Join(directory, ".generator", "schemas", op.api(), "openapi.yaml"))
		if err != nil {
			return nil, err
		}
		var whole object
		if err := yaml.Unmarshal(text, &whole); err != nil {
			return nil, err
		}
		d[op.api()] = excerpt(whole, operations)
	}
	return d, nil
}

// excerpt returns a document with only some operations and what they refer to. The
// whole document takes seconds to check and is not valid in Go, which does not
// support one of its regular expressions.
func excerpt(whole object, operations []operation) object {
	paths, components := object{}, object{}
	for _, op := range operations {
		item := under(whole, "paths", op.path)
		method := strings.ToLower(op.method)
		if described, ok := item[method].(object); ok {
			kept := object{method: described}
			if shared, ok := item["parameters"]; ok {
				kept["parameters"] = shared
			}
			maps.Copy(kept, under(paths, op.path))
			paths[op.path] = kept
			reach(whole, kept, components)
		}
	}
	components["securitySchemes"] = under(whole, "components", "securitySchemes")
	short := object{"paths": paths, "components": components}
	for _, key := range []string{"openapi", "info", "servers", "security"} {
		if value, ok := whole[key]; ok {
			short[key] = value
		}
	}
	return short
}

// reach adds the components that a node refers to, directly or through others.
func reach(whole object, node any, components object) {
	switch node := node.(type) {
	case object:
		for _, child := range node {
			reach(whole, child, components)
		}
	case []any:
		for _, child := range node {
			reach(whole, child, components)
		}
	case string:
		kind, name, isRef := component(node)
		if !isRef || under(components, kind, name) != nil {
			return
		}
		if found := under(whole, "components", kind, name); found != nil {
			if components[kind] == nil {
				components[kind] = object{}
			}
			components[kind].(object)[name] = found
			reach(whole, found, components)
		}
	}
}

// component splits a reference to one.
func component(ref string) (kind, name string, ok bool) {
	rest, ok := strings.CutPrefix(ref, "#/components/")
	kind, name, _ = strings.Cut(rest, "/")
	return kind, name, ok
}

// under returns an object inside another, or nil if there is none.
func under(node object, keys ...string) object {
	for _, key := range keys {
		node, _ = node[key].(object)
	}
	return node
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
