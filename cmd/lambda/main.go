// Command lambda is the Lambda function: it reads its environment and serves
// invocations.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"

	"credential-relay/cmd/internal/environment"
	"credential-relay/datadog"
)

func main() {
	env, err := environment.Read(os.Environ())
	if err != nil {
		exit(err)
	}
	awsConfig, err := config.LoadDefaultConfig(context.Background(),
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(awsTimeout)), config.WithRetryer(patience))
	if err != nil {
		exit(err)
	}
	handler := env.Handler(awsConfig, slog.New(logHandler(env.Stack)))
	go warmUp(handler.Engine.Datadog)
	lambda.Start(handler)
}

// logHandler is Lambda's own, whose lines are metrics where they are JSON, as
// the template has it.
func logHandler(stack string) slog.Handler {
	if os.Getenv("AWS_LAMBDA_LOG_FORMAT") == "JSON" {
		return metrics{lambdacontext.NewLogHandler(), stack}
	}
	return lambdacontext.NewLogHandler()
}

// warmUp has ready what the first invocation would otherwise wait for: Datadog's
// keys and a connection. Lambda does not wait for it, nor does an event that is
// there before.
func warmUp(client *datadog.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), warmUpTime)
	defer cancel()
	client.Warm(ctx)
}

// warmUpTime is half of what Lambda gives a function to begin in.
const warmUpTime = 5 * time.Second

// What the SDK would wait by default, an invocation may not have.
const (
	awsTimeout = 5 * time.Second // for one attempt
	awsBackoff = time.Second     // between two
)

func patience() aws.Retryer {
	return retry.NewStandard(func(options *retry.StandardOptions) { options.MaxBackoff = awsBackoff })
}

// exit ends the program before it could serve anything. What it prints is in
// the function's log, and the invocation fails with Runtime.ExitError.
func exit(err error) {
	fmt.Fprintln(os.Stderr, "credential-relay: the environment is not right:")
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
