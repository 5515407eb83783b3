package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"credential-relay/events"
	"credential-relay/handler"
	"credential-relay/internal/awssim"
)

// stayUp keeps the parts running until the context ends, delivers the event of
// every label move, and logs what comes of it.
func (l *local) stayUp(ctx context.Context, out io.Writer) error {
	log := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
	function := l.newHandler(log)
	functionURL, functionErr := l.serve(ctx, invokeDoor(function))
	webhookURL, webhookErr := l.serve(ctx, gateway(function))
	if err := errors.Join(functionErr, webhookErr); err != nil {
		return err
	}
	signed, err := sign(`{"secret": "prod/okta/datadog"}`, time.Now())
	if err != nil {
		return err
	}
	moves := make(chan awssim.LabelMove, 100)
	l.aws.OnLabelMoved(func(move awssim.LabelMove) {
		select {
		case moves <- move:
		case <-ctx.Done():
		}
	})
	fmt.Fprintf(out, invitation, l.awsURL, l.datadogURL, functionURL, demoAPIKey, demoAppKey, webhookURL, signed, datadogKeys)
	for {
		select {
		case move := <-moves:
			deliver(ctx, function, move)
		case <-ctx.Done():
			fmt.Fprintln(out)
			return nil
		}
	}
}

const invitation = `
It all stays up until Ctrl-C:

  Secrets Manager, Parameter Store   %[1]s
  Datadog                            %[2]s
  the function, to be invoked        %[3]s
  its webhook                        %[6]s

To try in another terminal (what comes of it is logged here):

  # Rotate a secret. A token with "refused" in it is refused.
  curl -s %[1]s \
    -H 'X-Amz-Target: secretsmanager.PutSecretValue' \
    -H 'Content-Type: application/x-amz-json-1.1' \
    -d '{"SecretId": "prod/okta/datadog", "SecretString": "my-token"}'

  # See what Datadog has. It never returns secrets.
  curl -s -H 'DD-API-KEY: %[4]s' -H 'DD-APPLICATION-KEY: %[5]s' \
    %[2]s/api/v2/security_monitoring/configuration/integration_config

  # Invoke the function, as the AWS command line would.
  curl -s -d @events/relay-dry-run.json \
    %[3]s/2015-03-31/functions/relay/invocations

  # Deliver to the webhook. The signature is good for five minutes.
  curl -s %[6]s/v1/relay -H 'Content-Type: application/json' \
%[7]s

  # Rotate Datadog's own keys, after which only these are taken (also by the
  # command that shows what Datadog has). The next relay reads them anew.
  curl -s %[1]s \
    -H 'X-Amz-Target: secretsmanager.PutSecretValue' \
    -H 'Content-Type: application/x-amz-json-1.1' \
    -d '{"SecretId": "%[8]s", "SecretString": "{\"api_key\":\"my-api\",\"app_key\":\"my-app\"}"}'

`

// sign gives the rest of a curl command that delivers a body, signed as
// Standard Webhooks has it.
func sign(body string, at time.Time) (string, error) {
	webhook, err := standardwebhooks.NewWebhook(demoSigningSecret)
	if err != nil {
		return "", err
	}
	id := fmt.Sprintf("msg_%d", at.Unix())
	signature, err := webhook.Sign(id, at, []byte(body))
	return fmt.Sprintf("    -H 'webhook-id: %s' -H 'webhook-timestamp: %d' \\\n    -H 'webhook-signature: %s' \\\n    -d '%s'",
		id, at.Unix(), signature, body), err
}

func withoutTime(_ []string, attr slog.Attr) slog.Attr {
	if attr.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return attr
}

// invocationTime is the function's timeout in template.yaml.
const invocationTime = time.Minute

// deliver feeds the handler the event of a label move, as EventBridge would.
func deliver(ctx context.Context, function *handler.Handler, move awssim.LabelMove) {
	event, err := labelUpdated(move)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, invocationTime)
		defer cancel()
		_, err = function.Invoke(ctx, event)
	}
	if err != nil {
		function.Log.ErrorContext(ctx, err.Error(), "errorType", errorType(err))
	}
}

// labelUpdated makes the event of a label move from the sample.
func labelUpdated(move awssim.LabelMove) ([]byte, error) {
	sample, err := events.Files.ReadFile("secret-label-updated.json")
	if err != nil {
		return nil, err
	}
	var event map[string]any
	if err := json.Unmarshal(sample, &event); err != nil {
		return nil, err
	}
	event["time"] = time.Now().UTC().Format(time.RFC3339)
	event["resources"] = []string{move.ARN}
	event["detail"] = map[string]string{"name": move.Name, "labelUpdated": move.Label, "versionId": move.VersionID}
	return json.Marshal(event)
}

// invokeDoor answers like Lambda's Invoke, synchronously.
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
func invokeDoor(function *handler.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /2015-03-31/functions/{name}/invocations", func(w http.ResponseWriter, r *http.Request) {
		event, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 6<<20))
		if err != nil {
			http.Error(w, "the event is larger than 6 MB", http.StatusRequestEntityTooLarge)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), invocationTime)
		defer cancel()
		reply, err := function.Invoke(ctx, event)
		if err != nil {
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
			reply, _ = json.Marshal(map[string]string{"errorMessage": err.Error(), "errorType": errorType(err)})
		}
		_, _ = w.Write(append(reply, '\n'))
	})
	return mux
}

// errorType is the name that Lambda would report.
func errorType(err error) string { return reflect.Indirect(reflect.ValueOf(err)).Type().Name() }
