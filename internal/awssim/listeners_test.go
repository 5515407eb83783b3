package awssim

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

func TestOnLabelMoved(t *testing.T) {
	sim, c := simulated(t)
	var moves []LabelMove
	sim.OnLabelMoved(func(move LabelMove) { moves = append(moves, move) })
	var arn string
	expect := func(what string, want ...LabelMove) {
		t.Helper()
		for i := range want {
			want[i].ARN, want[i].Name = arn, "key"
		}
		if !slices.Equal(moves, want) {
			t.Errorf("%s: got %v, want %v", what, moves, want)
		}
		moves = nil
	}

	arn = c.create("key", "v1", 1)
	expect("a creation with a value", LabelMove{Label: "AWSCURRENT", VersionID: token(1)})
	if err := errors.Join(c.put("key", "v2", 2, "AWSPENDING"), c.move("key", "AWSPREVIOUS", 0, 2)); err != nil {
		t.Fatal(err)
	}
	expect("AWSPENDING and AWSPREVIOUS")
	c.moved("key", "AWSCURRENT", 1, 2)
	expect("the end of a rotation", LabelMove{Label: "AWSCURRENT", VersionID: token(2)})
	c.moved("key", "AWSCURRENT", 2, 1)
	expect("a rollback", LabelMove{Label: "AWSCURRENT", VersionID: token(1)})
	if err := errors.Join(c.put("key", "v3", 3, "mine", "AWSCURRENT"), c.put("key", "v3", 3, "mine", "AWSCURRENT")); err != nil {
		t.Fatal(err)
	}
	expect("a put, and the same again",
		LabelMove{Label: "mine", VersionID: token(3)}, LabelMove{Label: "AWSCURRENT", VersionID: token(3)})
	c.moved("key", "mine", 3, 0)
	c.refused("InvalidParameterException", c.move("key", "AWSCURRENT", 1, 2))
	sim.DeleteSecret("key")
	got(c.secrets.RestoreSecret(c.Context(), &secretsmanager.RestoreSecretInput{SecretId: new("key")}))(c)
	expect("a removal, a refused move, a deletion and a restoration")
	id := sim.PutSecret("key", "v4")
	expect("a put without HTTP", LabelMove{Label: "AWSCURRENT", VersionID: id})
	sim.Foreign("arn:aws:secretsmanager:eu-west-1:111122223333:secret:key-AbCdEf", "v1")
	expect("another region's secret")
}

// A listener that reads the secret must see the change, and the caller that made the change must find the listener done.
func TestListenerCanCallBack(t *testing.T) {
	sim, c := simulated(t)
	seen := ""
	sim.OnLabelMoved(func(move LabelMove) {
		out := got(c.read(move.ARN, 0, move.Label))(c)
		if seen = *out.SecretString; seen == "v1" {
			sim.PutSecret(move.Name, "v2")
		}
	})
	c.create("key", "v1", 1)
	if seen != "v2" {
		t.Errorf("the listener saw %q last, want v2", seen)
	}
}

// Readers, writers and listeners work at the same time: the race detector finds no race, and each read finds its label.
func TestConcurrentUse(t *testing.T) {
	sim, c := simulated(t)
	sim.PutSecret("key", "v")
	var mu sync.Mutex
	moves := 0
	sim.OnLabelMoved(func(LabelMove) { mu.Lock(); moves++; mu.Unlock() })

	const workers, rounds = 8, 10
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			for round := range rounds {
				sim.PutSecret("key", fmt.Sprintf("value %d of %d", round, worker))
				sim.PutParameter(fmt.Sprintf("/app/%d", worker), "String", "v")
				if out, err := c.read("key", 0, "AWSCURRENT"); err != nil || !slices.Contains(out.VersionStages, "AWSCURRENT") {
					t.Errorf("reading: %v", err)
				}
				if out, err := c.secrets.DescribeSecret(c.Context(), &secretsmanager.DescribeSecretInput{SecretId: new("key")}); err != nil || len(out.VersionIdsToStages) != 2 && round > 0 {
					t.Errorf("describing: %v", err)
				}
				_, _ = c.parameters.GetParametersByPath(c.Context(), &ssm.GetParametersByPathInput{Path: new("/app"), MaxResults: aws.Int32(3)})
				sim.Calls()
			}
		})
	}
	group.Wait()
	if moves != workers*rounds {
		t.Errorf("listeners got %d label moves, want %d", moves, workers*rounds)
	}
	if calls := len(sim.Calls()); calls != 3*workers*rounds {
		t.Errorf("%d calls recorded, want %d", calls, 3*workers*rounds)
	}
}
