package awssim

import (
	"iter"
	"slices"
	"strings"
)

// maxVersions is how many versions of a parameter AWS keeps. A new version replaces the oldest one.
// https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-versions.html
const maxVersions = 100

// A hierarchy holds parameters by key, which is the name without a leading slash. It keeps the keys sorted, so that each
// page of a path costs what is on the page, however many parameters there are.
type hierarchy struct {
	versions map[string][]parameter // oldest first
	keys     []string               // sorted
}

func (h *hierarchy) put(key string, p parameter) {
	if at, exists := slices.BinarySearch(h.keys, key); !exists {
		h.keys = slices.Insert(h.keys, at, key)
	}
	all := append(h.versions[key], p)
	h.versions[key] = all[max(0, len(all)-maxVersions):]
}

func (h *hierarchy) remove(key string) {
	if at, exists := slices.BinarySearch(h.keys, key); exists {
		h.keys = slices.Delete(h.keys, at, at+1)
	}
	delete(h.versions, key)
}

// latest returns a parameter's latest version, or the zero value if there is no such parameter.
func (h *hierarchy) latest(key string) parameter {
	if versions := h.versions[key]; len(versions) > 0 {
		return versions[len(versions)-1]
	}
	return parameter{}
}

// version returns the version of a parameter with a number.
func (h *hierarchy) version(key string, number int64) (p parameter, exists bool) {
	for _, p := range h.versions[key] {
		if p.Version == number {
			return p, true
		}
	}
	return parameter{}, false
}

// below returns the keys under a path that sort after a key, in order. The path itself is not among them. Without
// recursive, neither are those with more levels than one below the path.
func (h *hierarchy) below(path string, recursive bool, after string) iter.Seq[string] {
	prefix := strings.TrimPrefix(strings.TrimSuffix(path, "/")+"/", "/")
	return func(yield func(string) bool) {
		begin, found := slices.BinarySearch(h.keys, max(prefix, after))
		if found && h.keys[begin] == after {
			begin++
		}
		for _, key := range h.keys[begin:] {
			rest, under := strings.CutPrefix(key, prefix)
			if !under {
				return
			}
			if (recursive || !strings.Contains(rest, "/")) && !yield(key) {
				return
			}
		}
	}
}
