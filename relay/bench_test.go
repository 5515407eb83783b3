package relay

import (
	"fmt"
	"testing"
)

// BenchmarkRelay is one relay of one binding, over the simulators and without a
// socket: what it costs besides the waiting for AWS and Datadog.
func BenchmarkRelay(b *testing.B) { benchmark(b, 1) }

// BenchmarkRelayBindings is one relay of ten bindings of one source.
func BenchmarkRelayBindings(b *testing.B) { benchmark(b, 10) }

func benchmark(b *testing.B, bindings int) {
	w := newWorld(b)
	w.aws.PutSecret(oktaSecret, `{"api_token":"`+canary+`"}`)
	for i := range bindings {
		w.bind("secrets/"+oktaSecret, fmt.Sprintf("config-%d", i), okta)
	}
	source := SecretNamed(oktaSecret)
	b.ReportAllocs()
	for b.Loop() {
		outcomes, _ := w.engine.Relay(b.Context(), Request{Selector: Selector{Source: source}})
		if len(outcomes) != bindings {
			b.Fatalf("got %d outcomes, want %d", len(outcomes), bindings)
		}
		for _, o := range outcomes {
			if o.Outcome != Updated {
				b.Fatalf("got %s, want updated", encoded(b, o))
			}
		}
	}
}
