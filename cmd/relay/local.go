package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/spf13/cobra"

	"credential-relay/cmd/internal/environment"
	"credential-relay/handler"
	"credential-relay/internal/awssim"
	"credential-relay/internal/datadogsim"
)

func localCommand() *cobra.Command {
	var once bool
	command := &cobra.Command{
		Use:   "local",
		Short: "Run the whole program on this machine, against simulators of AWS and Datadog",
		Long: `Run the whole program on this machine: the function's own handler against
simulators of Secrets Manager, Parameter Store and Datadog, on loopback. It
rotates a secret of each type, shows what came of it, and stays up to be tried
by hand until Ctrl-C. It needs no account and no network.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return runLocal(command.Context(), command.OutOrStdout(), once)
		},
	}
	command.Flags().BoolVar(&once, "once", false, "end after the show")
	return command
}

func runLocal(ctx context.Context, out io.Writer, once bool) error {
	local, err := newLocal(ctx)
	if err != nil {
		return err
	}
	defer local.close()
	if err := local.show(ctx, out); err != nil || once {
		return err
	}
	return local.stayUp(ctx, out)
}

// What the simulator of Datadog takes for its keys.
const (
	demoAPIKey = "demo-api"
	demoAppKey = "demo-app"

	// datadogKeys is the secret that holds them.
	datadogKeys = "demo/datadog-keys"
)

// What deliveries to the webhook are signed with.
const (
	webhookSecret     = "demo/webhook"
	demoSigningSecret = "whsec_ZGVtby1zaWduaW5nLXNlY3JldC0yNC1ieXRlcw=="
)

// local is everything that a local run is made of.
type local struct {
	aws        *awssim.Simulator
	datadog    *datadogsim.Simulator
	awsURL     string
	datadogURL string
	servers    []*http.Server
	// newHandler is the function's handler, with a log of the caller's choice.
	newHandler func(*slog.Logger) *handler.Handler
}

func newLocal(ctx context.Context) (*local, error) {
	l := &local{aws: awssim.New(), datadog: datadogsim.New()}
	var awsErr, datadogErr error
	l.awsURL, awsErr = l.serve(ctx, l.aws)
	l.datadogURL, datadogErr = l.serve(ctx, l.datadog)
	if err := errors.Join(awsErr, datadogErr); err != nil {
		l.close()
		return nil, err
	}
	config := aws.Config{
		Region:       awssim.Region,
		BaseEndpoint: aws.String(l.awsURL),
		Credentials:  credentials.NewStaticCredentialsProvider("demo", "demo", ""),
	}
	l.aws.OnLabelMoved(l.rotateDatadogKeys(ctx, secretsmanager.NewFromConfig(config)))
	l.aws.PutSecret(datadogKeys, fmt.Sprintf(`{"api_key":%q,"app_key":%q}`, demoAPIKey, demoAppKey))
	l.datadog.Accept(refuseMarked)
	l.aws.PutSecret(webhookSecret, demoSigningSecret)
	env, err := environment.Read([]string{
		"DD_API_URL=" + l.datadogURL, "DD_CREDENTIALS_ARN=" + l.aws.SecretARN(datadogKeys),
		"WEBHOOK_SECRET_ARN=" + l.aws.SecretARN(webhookSecret),
	})
	if err != nil {
		l.close()
		return nil, err
	}
	l.newHandler = func(log *slog.Logger) *handler.Handler { return env.Handler(config, log) }
	return l, nil
}

// rotateDatadogKeys has Datadog take the keys that are in their secret now, and
// the former ones no longer, as if somebody had rotated both together.
func (l *local) rotateDatadogKeys(ctx context.Context, secrets *secretsmanager.Client) func(awssim.LabelMove) {
	return func(move awssim.LabelMove) {
		if move.Name != datadogKeys {
			return
		}
		var keys struct {
			API string `json:"api_key"`
			App string `json:"app_key"`
		}
		current, err := secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &move.ARN})
		if err == nil && json.Unmarshal([]byte(aws.ToString(current.SecretString)), &keys) == nil {
			l.datadog.SetKeys(keys.API, keys.App)
		}
	}
}

// refusedMark is what makes the simulator of Datadog refuse a credential.
const refusedMark = "refused"

func refuseMarked(integrationType, _ string, secrets map[string]any) error {
	if strings.Contains(fmt.Sprint(secrets), refusedMark) {
		return fmt.Errorf("%s: token revoked", integrationType)
	}
	return nil
}

// serve puts a part on a free port of loopback.
func (l *local) serve(ctx context.Context, part http.Handler) (url string, err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: part}
	l.servers = append(l.servers, server)
	go func() { _ = server.Serve(listener) }()
	return "http://" + listener.Addr().String(), nil
}

func (l *local) close() {
	for _, server := range l.servers {
		_ = server.Close()
	}
}
