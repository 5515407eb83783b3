package relay

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"credential-relay/datadog"
	"credential-relay/internal/awssim"
	"credential-relay/internal/datadogsim"
)

// What is planted, and may be in no output.
const (
	canary       = "canary-5M3-the-credential"
	canaryAPIKey = "canary-4D1-datadog-apikey"
	canaryAppKey = "canary-8E2-datadog-appkey"
	canaryAWSKey = "canary-6F5-aws-secretkey"
)

const (
	oktaSecret = "prod/okta/datadog"
	okta       = `{"integration_type":"OKTA"}`
)

// world is an engine and everything around it, in this process and without a
// socket, so that its time may be synctest's.
type world struct {
	testing.TB
	aws     *awssim.Simulator
	datadog *datadogsim.Simulator
	line    *line
	engine  *Engine

	awsBefore, datadogBefore int // calls that forget has left behind
}

func newWorld(t testing.TB) *world {
	w := &world{TB: t, aws: awssim.New(), datadog: datadogsim.New()}
	w.datadog.SetKeys(canaryAPIKey, canaryAppKey)
	w.line = &line{aws: w.aws, datadog: http.StripPrefix("/base", w.datadog), counts: map[string]int{}}
	config := aws.Config{
		Region:       awssim.Region,
		BaseEndpoint: aws.String("https://aws.example"),
		Credentials:  aws.CredentialsProviderFunc(identity),
		HTTPClient:   &http.Client{Transport: w.line},
		Retryer:      func() aws.Retryer { return aws.NopRetryer{} },
	}
	w.engine = &Engine{
		Sources: Sources{SecretsManager: secretsmanager.NewFromConfig(config), ParameterStore: ssm.NewFromConfig(config)},
		Datadog: &datadog.Client{
			URL:       &url.URL{Scheme: "https", Host: "datadog.example", Path: "/base"},
			Keys:      datadog.Fixed(datadog.Keys{API: datadog.NewSecret(canaryAPIKey), Application: datadog.NewSecret(canaryAppKey)}),
			Transport: w.line,
		},
		BindingsPath: "/credential-relay",
	}
	return w
}

func identity(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: canaryAWSKey}, nil
}

// bound is a world with a secret that feeds the config 1111, which holds an
// older credential.
func bound(t testing.TB) *world {
	w := newWorld(t)
	w.aws.PutSecret(oktaSecret, `{"api_token":"`+canary+`"}`)
	w.bind("secrets/"+oktaSecret, "1111", okta)
	return w
}

// bind makes a binding and the config it is for.
func (w *world) bind(source, config, value string) {
	w.aws.PutParameter("/credential-relay/"+source+"/"+config, "String", value)
	var options struct {
		Type string `json:"integration_type"`
	}
	_ = json.Unmarshal([]byte(value), &options)
	w.datadog.PutConfig(datadogsim.Config{
		ID: config, Type: options.Type, Domain: "acme.example.com", State: "valid", Enabled: true,
		Secrets: map[string]any{"api_token": "old"},
	})
}

// forget starts the counts of calls and PATCHes again.
func (w *world) forget() {
	w.awsBefore, w.datadogBefore = len(w.aws.Calls()), len(w.datadog.Requests())
	w.line.failing(nil)
}

// receipt returns a config's receipt; nil when there is none.
func (w *world) receipt(id string) *Receipt {
	w.Helper()
	receipt, err := w.engine.readReceipt(context.Background(), datadog.ConfigID(id))
	if err != nil {
		w.Fatal(err)
	}
	return receipt
}

// relay relays a source within a time, and looks for what may not be in its
// outcomes.
func (w *world) relay(source Source, within time.Duration) []Result {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), within)
	defer cancel()
	started := time.Now()
	outcomes, _ := w.engine.Relay(ctx, Request{Selector: Selector{Source: source}})
	if took := time.Since(started); took > within {
		w.Errorf("took %v, and there were %v", took, within)
	}
	text := encoded(w, outcomes)
	for _, secret := range []string{canary, canaryAPIKey, canaryAppKey, canaryAWSKey} {
		if strings.Contains(text, secret) {
			w.Errorf("an outcome holds %s: %s", secret, text)
		}
	}
	return outcomes
}

// relayOne is relay for a source that has one binding.
func (w *world) relayOne(source Source, within time.Duration) Result {
	w.Helper()
	outcomes := w.relay(source, within)
	if len(outcomes) != 1 {
		w.Fatalf("got %d outcomes, want one: %s", len(outcomes), encoded(w, outcomes))
	}
	return outcomes[0]
}

// holds reports whether a config holds these secrets, given as JSON.
func (w *world) holds(config, secrets string) bool {
	w.Helper()
	stored, ok := w.datadog.Config(config)
	if !ok {
		w.Fatalf("there is no config %s", config)
	}
	var want map[string]any
	if err := json.Unmarshal([]byte(secrets), &want); err != nil {
		w.Fatal(err)
	}
	return reflect.DeepEqual(stored.Secrets, want)
}

// refused is Datadog's answer to a credential that it calls invalid.
var refused = datadogsim.Answer{Status: http.StatusBadRequest, Body: `{"errors":["the source does not accept it"]}`}

// refuse has Datadog call every credential invalid that holds a text.
func (w *world) refuse(text string) {
	w.datadog.Accept(func(_, _ string, secrets map[string]any) error {
		if held, _ := json.Marshal(secrets); strings.Contains(string(held), text) {
			return errors.New("the source does not accept it")
		}
		return nil
	})
}

// moveCurrent moves AWSCURRENT from one version to another.
func (w *world) moveCurrent(secret, from, to string) {
	_, err := w.engine.Sources.SecretsManager.UpdateSecretVersionStage(w.Context(), &secretsmanager.UpdateSecretVersionStageInput{
		SecretId: &secret, VersionStage: aws.String(LabelCurrent), RemoveFromVersionId: &from, MoveToVersionId: &to,
	})
	if err != nil {
		w.Error(err)
	}
}

// reads counts how often values have been read.
func (w *world) reads() int {
	reads := 0
	for _, call := range w.aws.Calls()[w.awsBefore:] {
		if call.Operation == "GetSecretValue" || call.Operation == "GetParameter" && !strings.Contains(call.Resource, "/receipts/") {
			reads++
		}
	}
	return reads
}

func encoded(t testing.TB, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// call is one request to a simulator: the operation's name there, and how many
// of that name it makes.
type call struct {
	operation string
	nth       int
}

// line carries requests to the simulators, and fails as a test has it.
type line struct {
	aws, datadog http.Handler

	lock   sync.Mutex
	counts map[string]int   // of calls, by operation
	fault  func(call) fault // nil for no fault
}

// fault stands between a request and the one who would serve it.
type fault func(request *http.Request, serve func() *http.Response) (*http.Response, error)

// failing has the calls from now on fail as which says: nil is for no fault.
func (l *line) failing(which func(call) fault) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.counts, l.fault = map[string]int{}, which
}

func (l *line) begin(request *http.Request) fault {
	l.lock.Lock()
	defer l.lock.Unlock()
	operation := operationOf(request)
	l.counts[operation]++
	if l.fault == nil {
		return nil
	}
	return l.fault(call{operation, l.counts[operation]})
}

func (l *line) RoundTrip(request *http.Request) (*http.Response, error) {
	if err := request.Context().Err(); err != nil {
		return nil, err
	}
	handler := l.datadog
	if request.Header.Get("X-Amz-Target") != "" {
		handler = l.aws
	}
	serve := func() *http.Response {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		return recorder.Result()
	}
	if fail := l.begin(request); fail != nil {
		return fail(request, serve)
	}
	return serve(), nil
}

// operationOf gives a request the name that its simulator has for it.
func operationOf(request *http.Request) string {
	if _, name, ok := strings.Cut(request.Header.Get("X-Amz-Target"), "."); ok {
		return name
	}
	switch path := request.URL.Path; {
	case strings.HasSuffix(path, "/delegated-token"):
		return string(datadogsim.DelegatedToken)
	case request.Method == http.MethodGet:
		return string(datadogsim.Get)
	case request.Method == http.MethodPatch:
		return string(datadogsim.Patch)
	case request.Method == http.MethodPut:
		return string(datadogsim.Azure)
	case strings.HasSuffix(path, "/integration_config/validate"):
		return string(datadogsim.Validate)
	default:
		return string(datadogsim.ValidateStored)
	}
}

var errReset = errors.New("connection reset by peer")

// hang answers nothing for as long as the caller waits.
func hang(request *http.Request, _ func() *http.Response) (*http.Response, error) {
	<-request.Context().Done()
	return nil, request.Context().Err()
}

// answer is a fault that is an answer.
func answer(status int, body string, header ...string) fault {
	return func(request *http.Request, _ func() *http.Response) (*http.Response, error) {
		recorder := httptest.NewRecorder()
		for i := 0; i < len(header); i += 2 {
			recorder.Header().Set(header[i], header[i+1])
		}
		recorder.WriteHeader(status)
		_, _ = io.WriteString(recorder, body)
		return recorder.Result(), nil
	}
}

// awsFault is an answer that is an error of AWS.
func awsFault(status int, code string) fault {
	return answer(status, `{"__type":"`+code+`","Message":"as the test has it"}`, "Content-Type", "application/x-amz-json-1.1")
}

// always has every call of an operation fail, from the nth on.
func always(operation string, nth int, fail fault) func(call) fault {
	return func(this call) fault {
		if this.operation == operation && this.nth >= nth {
			return fail
		}
		return nil
	}
}

// once has the nth call of an operation fail.
func once(operation string, nth int, fail fault) func(call) fault {
	return func(this call) fault {
		if (this == call{operation, nth}) {
			return fail
		}
		return nil
	}
}

// served lists the calls that the simulators have noted, AWS's first.
func (w *world) served() []call {
	var operations []string
	for _, call := range w.aws.Calls()[w.awsBefore:] {
		operations = append(operations, call.Operation)
	}
	for _, request := range w.datadog.Requests()[w.datadogBefore:] {
		operations = append(operations, string(request.Operation))
	}
	var calls []call
	counts := map[string]int{}
	for _, operation := range operations {
		counts[operation]++
		calls = append(calls, call{operation, counts[operation]})
	}
	return calls
}

func TestOneRelay(t *testing.T) {
	w := bound(t)
	w.relayOne(SecretNamed(oktaSecret), time.Minute)
	w.forget()
	if o := w.relayOne(SecretNamed(oktaSecret), time.Minute); o.Outcome != Updated || o.Error != nil {
		t.Errorf("got %s, want updated", encoded(t, o))
	}
	want := []call{
		{"GetParametersByPath", 1},
		{"GetSecretValue", 1},
		{"GetSecretValue", 2},
		{"PutParameter", 1},
		{"get", 1},
		{"validate", 1},
		{"patch", 1},
		{"validate-stored", 1},
	}
	got := slices.DeleteFunc(w.served(), func(c call) bool { return c.operation == "GetParameter" })
	if !slices.Equal(got, want) {
		t.Errorf("got the calls %v, want %v", got, want)
	}
}
