package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestMakefileBuildsForTheArchitectureAskedFor: sam build runs these targets with its own environment and ARTIFACTS_DIR.
func TestMakefileBuildsForTheArchitectureAskedFor(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("make is not on the PATH")
	}
	const refused = `type Architecture=arm64 or Architecture=x86_64`
	for _, c := range []struct{ name, target, environment, argument, want string }{
		{name: "not at all", target: "build-RelayFunction", want: "GOARCH=arm64 "},
		{name: "in the environment", target: "build-WebhookFunction", environment: "Architecture=x86_64", want: "GOARCH=amd64 "},
		{name: "as an argument", target: "build-ReconcileFunction", argument: "Architecture=x86_64", want: "GOARCH=amd64 "},
		{name: "as the default", target: "build-RotationFunction", argument: "Architecture=arm64", want: "GOARCH=arm64 "},
		{name: "in a variable of Go's", target: "build-RelayFunction", environment: "GOARCH=amd64", want: "GOARCH=arm64 "},
		{name: "in a word of Go's", target: "build-RelayFunction", environment: "Architecture=amd64", want: refused},
		{name: "in no word", target: "build-RelayFunction", environment: "Architecture=", want: refused},
	} {
		t.Run(c.name, func(t *testing.T) {
			command := exec.Command("make", "--dry-run", c.target, c.argument)
			if c.argument == "" {
				command.Args = command.Args[:3]
			}
			command.Dir = root
			// Not ours: a make that runs this test puts its own variables there.
			command.Env = []string{"PATH=" + os.Getenv("PATH"), "ARTIFACTS_DIR=out", c.environment}
			output, err := command.CombinedOutput()
			if !strings.Contains(string(output), c.want) || (err != nil) != (c.want == refused) {
				t.Errorf("make %s: %v\n%s\nwant %q", c.target, err, output, c.want)
			}
		})
	}
}
