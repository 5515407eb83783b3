package awssim

import "maps"

// Stale makes the next reads of an operation, as many as times says, return what was true before each staging label moved
// last: Secrets Manager is eventually consistent. A negative times makes all reads stale, and 0 makes them exact again.
//
// The operation is GetSecretValue or DescribeSecret. A read by version id is always exact. So is a read of the first value
// that a secret has, because AWSCURRENT was nowhere before; another label was on no version then. An exact read does not
// count.
func (s *Simulator) Stale(operation string, times int) {
	if operation != "GetSecretValue" && operation != "DescribeSecret" {
		panic("awssim: " + operation + " has no stale reads")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.staleReads[operation] = times
}

// seenLabels returns a secret's labels as a read by an operation sees them, and counts the read if it is stale. The read is
// of one label, or of all labels if label is "".
func (s *Simulator) seenLabels(operation string, sec *secret, label string) labels {
	seen := maps.Clone(sec.labels)
	moved := false
	for earlier, versionID := range sec.earlier {
		switch {
		case versionID != "":
			seen[earlier] = versionID
		case earlier == labelCurrent:
			continue // the first value of a secret
		default:
			delete(seen, earlier)
		}
		moved = moved || label == "" || label == earlier
	}
	if s.staleReads[operation] == 0 || !moved {
		return sec.labels
	}
	s.staleReads[operation]-- // below zero it never ends
	return seen
}
