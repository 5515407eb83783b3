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
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(awsTimeout)))
	if err != nil {
		exit(err)
	}
	handler := env.Handler(awsConfig, slog.New(lambdacontext.NewLogHandler()))
	go warmUp(handler.Engine.Datadog)
	lambda.Start(handler)
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

// awsTimeout limits one attempt of an AWS call, which the SDK does not limit by
// itself. The SDK's own retries suit an invocation: three attempts, with pauses
// that add up to 3 seconds at most, or to 13 if AWS asks for longer ones.
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
const awsTimeout = 5 * time.Second

// exit ends the program before it could serve anything. What it prints is in
// the function's log, and the invocation fails with Runtime.ExitError.
func exit(err error) {
	fmt.Fprintln(os.Stderr, "credential-relay: invalid configuration:")
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
