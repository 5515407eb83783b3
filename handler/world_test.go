package handler

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"credential-relay/datadog"
	"credential-relay/internal/awssim"
	"credential-relay/internal/datadogsim"
	"credential-relay/relay"
)

const (
	canary  = "canary-5M3-the-credential"
	secrets = "arn:aws:secretsmanager:" + awssim.Region + ":" + awssim.Account + ":secret:"
)

// world is a handler and everything around it, in this process and without a
// socket, so that its time may be synctest's.
type world struct {
	testing.TB
	aws     *awssim.Simulator
	datadog *datadogsim.Simulator
	handler *Handler
	log     lockedBuffer

	awsClient *http.Client // by which the handler calls AWS
	line      *failing
}

func newWorld(t testing.TB) *world {
	w := &world{TB: t, aws: awssim.New(), datadog: datadogsim.New()}
	w.datadog.SetKeys(canary, canary)
	w.awsClient = &http.Client{Transport: inProcess{w.aws}}
	config := aws.Config{
		Region:       awssim.Region,
		BaseEndpoint: aws.String("https://aws.example"),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: canary}, nil
		}),
		HTTPClient: w.awsClient,
		Retryer:    func() aws.Retryer { return aws.NopRetryer{} },
	}
	w.handler = &Handler{
		Log:   slog.New(slog.NewJSONHandler(&w.log, nil)),
		Stack: "siem", WebhookMayDisable: true,
		Engine: &relay.Engine{
			Sources: relay.Sources{SecretsManager: secretsmanager.NewFromConfig(config), ParameterStore: ssm.NewFromConfig(config)},
			Datadog: &datadog.Client{
				URL:       &url.URL{Scheme: "https", Host: "datadog.example"},
				Keys:      datadog.Fixed(datadog.Keys{API: datadog.NewSecret(canary), Application: datadog.NewSecret(canary)}),
				Transport: inProcess{w.datadog},
			},
			BindingsPath: "/credential-relay",
		},
	}
	return w
}

// inProcess carries requests to a handler.
type inProcess struct{ http.Handler }

func (to inProcess) RoundTrip(request *http.Request) (*http.Response, error) {
	if err := request.Context().Err(); err != nil {
		return nil, err
	}
	recorder := httptest.NewRecorder()
	to.ServeHTTP(recorder, request)
	return recorder.Result(), nil
}

// bound makes a secret, and a config of the same name that it feeds.
func (w *world) bound(name string) { w.boundTo(name, name) }

func (w *world) boundTo(secret, config string) {
	w.aws.PutSecret(secret, `{"api_token":"`+canary+`"}`)
	w.datadog.PutConfig(datadogsim.Config{ID: config, Type: "OKTA", Domain: "acme.example.com", State: "valid", Enabled: true})
	w.bind(secret, config)
}

func (w *world) bind(secret, config string) {
	w.aws.PutParameter("/credential-relay/secrets/"+secret+"/"+config, "String", `{"integration_type":"OKTA"}`)
}

// moveLabel moves a secret's AWSCURRENT, as a person would.
func (w *world) moveLabel(secret, from, to string) {
	w.Helper()
	_, err := w.handler.Engine.Sources.SecretsManager.UpdateSecretVersionStage(w.Context(), &secretsmanager.UpdateSecretVersionStageInput{
		SecretId: &secret, VersionStage: aws.String(relay.LabelCurrent), RemoveFromVersionId: &from, MoveToVersionId: &to,
	})
	if err != nil {
		w.Fatal(err)
	}
}

// invoke has the handler serve an event. Neither reply nor log may hold a
// credential or be longer than a page, whatever was sent.
func (w *world) invoke(ctx context.Context, event string) (reply string, err error) {
	w.Helper()
	w.log.Reset()
	raw, err := w.handler.Invoke(ctx, []byte(event))
	reply = string(raw)
	for what, text := range map[string]string{"reply": reply, "error": fmt.Sprint(err), "log": w.log.String()} {
		if strings.Contains(text, canary) {
			w.Errorf("the %s holds a credential: %s", what, text)
		}
		if len(text) > 8<<10 {
			w.Errorf("the %s is %d bytes long: %.200s…", what, len(text), text)
		}
	}
	return reply, err
}

// logged are the lines of the log.
func (w *world) logged() []map[string]any {
	w.Helper()
	var lines []map[string]any
	for decoder := json.NewDecoder(strings.NewReader(w.log.String())); decoder.More(); {
		var line map[string]any
		if err := decoder.Decode(&line); err != nil {
			w.Fatal(err)
		}
		lines = append(lines, line)
	}
	return lines
}

// verdicts are those of the log, in its order.
func (w *world) verdicts() string {
	w.Helper()
	var words []string
	for _, line := range w.logged() {
		if word, ok := line[keyOutcome].(string); ok {
			words = append(words, word)
		}
	}
	return strings.Join(words, " ")
}

// labelUpdated is the event of a secret's label move.
func labelUpdated(secretARN string) string {
	return object{
		"source": text("aws.secretsmanager"), "detail-type": text("Secret Label Updated"),
		"resources": raw([]string{secretARN}), "detail": raw(map[string]string{"labelUpdated": "AWSCURRENT"}),
	}.String()
}

// batch is an SQS batch of records, each an id and a body.
func batch(records ...[2]string) string {
	var event events.SQSEvent
	for _, record := range records {
		event.Records = append(event.Records, events.SQSMessage{MessageId: record[0], Body: record[1], EventSource: "aws:sqs"})
	}
	return string(raw(event))
}

func raw(value any) json.RawMessage {
	encoded, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return encoded
}

func text(value string) json.RawMessage { return raw(value) }

func (o object) String() string { return string(raw(o)) }

// lockedBuffer is written to by many goroutines.
type lockedBuffer struct {
	lock sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.lock.Lock()
	defer b.lock.Unlock()
	return b.Buffer.Write(p)
}
