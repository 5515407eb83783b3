// Command relay is the operator's command line, and the program's local run.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := &cobra.Command{
		Use:          "relay",
		Short:        "Credential Relay: a rotated credential reaches Datadog, proven valid",
		SilenceUsage: true,
	}
	root.AddCommand(localCommand())
	if root.ExecuteContext(ctx) != nil {
		os.Exit(1)
	}
}
