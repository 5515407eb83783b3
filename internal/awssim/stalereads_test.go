package awssim

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestStaleValues(t *testing.T) {
	sim, c := simulated(t)
	c.create("key", "v1", 1)
	sim.Stale("GetSecretValue", 2)
	c.wantValue("v1", "key", 0, "") // nothing has moved: exact, and not counted
	if err := c.put("key", "v2", 2); err != nil {
		t.Fatal(err)
	}
	c.wantValue("v2", "key", 2, "")
	c.wantValue("v2", "key", 2, "AWSCURRENT")
	out := got(c.read("key", 0, "AWSCURRENT"))(c)
	if *out.SecretString != "v1" || *out.VersionId != token(1) || !slices.Equal(out.VersionStages, []string{"AWSCURRENT"}) {
		t.Errorf("a stale read: got %q, version %s with %v, want v1", *out.SecretString, *out.VersionId, out.VersionStages)
	}
	c.wantLabels("key", map[string]int{"AWSCURRENT": 2, "AWSPREVIOUS": 1})
	c.wantValue("v1", "key", 0, "")
	c.wantValue("v2", "key", 0, "")

	sim.Stale("GetSecretValue", -1)
	for range 5 {
		c.wantValue("v1", "key", 0, "")
	}
	sim.Stale("GetSecretValue", 0)
	c.wantValue("v2", "key", 0, "")
}

// Of a rotation that was just staged, a stale read by AWSPENDING sees nothing.
func TestStalePendingValue(t *testing.T) {
	sim, c := simulated(t)
	c.staged("key")
	sim.Stale("GetSecretValue", 1)
	c.wantValue("v1", "key", 0, "") // AWSCURRENT has not moved
	_, err := c.read("key", 0, "AWSPENDING")
	c.refused("ResourceNotFoundException", err)
	c.wantValue("v2", "key", 0, "AWSPENDING")
	c.moved("key", "AWSPENDING", 2, 0)
	sim.Stale("GetSecretValue", 1)
	c.wantValue("v2", "key", 0, "AWSPENDING")
	_, err = c.read("key", 0, "AWSPENDING")
	c.refused("ResourceNotFoundException", err)
}

func TestStaleDescriptions(t *testing.T) {
	sim, c := simulated(t)
	c.staged("key")
	c.moved("key", "AWSCURRENT", 1, 2)
	sim.Stale("DescribeSecret", 1)
	c.wantValue("v2", "key", 0, "") // only descriptions are stale
	got := c.describe("key").VersionIdsToStages
	if want := map[string][]string{token(1): {"AWSCURRENT"}}; !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("a stale description: got %v, want %v", got, want)
	}
	c.wantLabels("key", map[string]int{"AWSCURRENT": 2, "AWSPENDING": 2, "AWSPREVIOUS": 1})
}

// A stale read sees a deletion, and a new secret under the same name.
func TestStaleReadsSeeDeletions(t *testing.T) {
	sim, c := simulated(t)
	sim.PutSecret("key", "v1")
	sim.PutSecret("key", "v2")
	sim.Stale("GetSecretValue", -1)
	sim.Stale("DescribeSecret", -1)
	sim.DeleteSecret("key")
	_, err := c.read("key", 0, "")
	c.wantMarked(err)
	if c.describe("key").DeletedDate == nil {
		t.Error("a stale description has no DeletedDate")
	}
	sim.PurgeSecret("key")
	c.create("key", "v3", 1)
	c.wantValue("v3", "key", 0, "")
	c.wantLabels("key", map[string]int{"AWSCURRENT": 1})
}

func TestStalePanics(t *testing.T) {
	defer func() {
		if problem, _ := recover().(string); !strings.Contains(problem, "GetParameter") {
			t.Errorf("got the panic %q, want one that names the operation", problem)
		}
	}()
	New().Stale("GetParameter", 1)
}
