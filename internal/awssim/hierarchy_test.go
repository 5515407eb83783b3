package awssim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// TestBelow compares each page with what a search of all keys finds.
func TestBelow(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	h := hierarchy{versions: map[string][]parameter{}}
	level := func() string { return []string{"a", "b", "a-b", "B", "aa", "."}[random.IntN(6)] }
	for range 300 {
		key := level()
		for range random.IntN(4) {
			key += "/" + level()
		}
		if random.IntN(4) == 0 {
			h.remove(key)
		} else {
			h.put(key, parameter{Version: 1})
		}
	}
	if len(h.keys) != len(h.versions) || !slices.IsSorted(h.keys) || len(h.keys) < 50 {
		t.Fatalf("%d keys for %d parameters: %v", len(h.keys), len(h.versions), h.keys)
	}
	for _, path := range []string{"/", "/a", "/a/", "/a/b", "/aa", "/a/a/a", "/nothing"} {
		for _, recursive := range []bool{true, false} {
			for _, after := range append([]string{"", "a", "zzz"}, h.keys...) {
				var want []string
				for _, key := range h.keys {
					rest, under := strings.CutPrefix("/"+key, strings.TrimSuffix(path, "/")+"/")
					if under && key > after && (recursive || !strings.Contains(rest, "/")) {
						want = append(want, key)
					}
				}
				if got := slices.Collect(h.below(path, recursive, after)); !slices.Equal(got, want) {
					t.Errorf("below %s (recursive %t) after %q: got %v, want %v", path, recursive, after, got, want)
				}
			}
		}
	}
}

// TestManyParameters reads 10,000 parameters in pages of ten, and checks that a page of many costs what a page of few does.
func TestManyParameters(t *testing.T) {
	const few, many = 100, 10_000
	sim := New()
	put := func(from, to int) {
		for n := from; n < to; n++ {
			sim.PutParameter(fmt.Sprintf("/app/%d/%d", n%7, n), "String", "v")
		}
	}
	page := func(token *string) *ssm.GetParametersByPathOutput {
		out, err := sim.getParametersByPath(&ssm.GetParametersByPathInput{Path: new("/app"), Recursive: new(true), NextToken: token})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	cost := func() float64 { return testing.AllocsPerRun(10, func() { page(nil) }) }
	put(0, few)
	want := cost()
	put(few, many)
	if got := cost(); got > want+5 {
		t.Errorf("a page of %d parameters makes %.0f allocations, and one of %d makes %.0f", many, got, few, want)
	}
	seen, pages := map[string]bool{}, 1
	out := page(nil)
	for ; out.NextToken != nil && pages <= many; pages++ {
		for _, p := range out.Parameters {
			seen[*p.Name] = true
		}
		out = page(out.NextToken)
	}
	if pages != many/maxParametersInCall || len(seen)+len(out.Parameters) != many {
		t.Errorf("got %d parameters on %d pages", len(seen)+len(out.Parameters), pages)
	}
}

func BenchmarkGetParametersByPath(b *testing.B) {
	sim := New()
	for n := range 10_000 {
		sim.PutParameter(fmt.Sprintf("/app/%d/%d", n%7, n), "String", "v")
	}
	for b.Loop() {
		if _, err := sim.getParametersByPath(&ssm.GetParametersByPathInput{Path: new("/app"), Recursive: new(true)}); err != nil {
			b.Fatal(err)
		}
	}
}
