package relay

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"credential-relay/datadog"
	"credential-relay/internal/awssim"
	"credential-relay/internal/datadogsim"
)

// The secrets of the tests. None may be in any output.
const (
	canary       = "canary-5M3-qz7Lw-8Wp2x-Xv4k"
	canaryAPIKey = "canary-4D1-datadog-apikey"
	canaryAppKey = "canary-8E2-datadog-appkey"
	canaryAWSKey = "canary-6F5-aws-secretkey"
)

const (
	oktaSecret  = "prod/okta/datadog"
	okta        = `{"integration_type":"OKTA"}`
	entraSecret = "prod/entra-id/datadog"
	bindings    = "/credential-relay/"
)

// world is an engine and everything around it. It runs in this process and opens
// no socket, so that its time may be synctest's.
type world struct {
	testing.TB
	aws     *awssim.Simulator
	datadog *datadogsim.Simulator
	line    *line
	engine  *Engine

	bound         map[string]string // the config of each binding
	datadogBefore int               // how many requests Datadog got before the last forget
}

func newWorld(t testing.TB) *world {
	w := &world{TB: t, aws: awssim.New(), datadog: datadogsim.New(), bound: map[string]string{}}
	w.datadog.SetKeys(canaryAPIKey, canaryAppKey)
	return w.instance()
}

// instance returns the same world as another instance of the function meets it:
// with an engine and a line of its own.
func (w *world) instance() *world {
	other := *w
	other.line = &line{aws: w.aws, datadog: http.StripPrefix("/base", w.datadog), counts: map[string]int{}}
	if w.line != nil {
		other.line.nature = w.line.nature
	}
	config := aws.Config{
		Region:       awssim.Region,
		BaseEndpoint: aws.String("https://aws.example"),
		Credentials:  aws.CredentialsProviderFunc(identity),
		HTTPClient:   &http.Client{Transport: other.line},
		Retryer:      func() aws.Retryer { return aws.NopRetryer{} },
	}
	other.engine = &Engine{
		Sources: Sources{SecretsManager: secretsmanager.NewFromConfig(config), ParameterStore: ssm.NewFromConfig(config)},
		Datadog: &datadog.Client{
			URL:       &url.URL{Scheme: "https", Host: "datadog.example", Path: "/base"},
			Keys:      datadog.Fixed(datadog.Keys{API: datadog.NewSecret(canaryAPIKey), Application: datadog.NewSecret(canaryAppKey)}),
			Transport: other.line,
		},
		BindingsPath: "/credential-relay",
	}
	return &other
}

func identity(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: canaryAWSKey}, nil
}

// bound returns a world with a secret that feeds the config 1111, which holds an
// older credential. There is no receipt yet.
func bound(t testing.TB) *world {
	w := newWorld(t)
	w.provide(KindSecret, canary)
	w.bind("secrets/"+oktaSecret, "1111", okta)
	return w
}

// settled returns a world with a source of a kind that feeds the config 1111, and
// nothing left to do: the receipt says that Datadog holds the source's version.
func settled(t testing.TB, kind Kind) *world {
	w := newWorld(t)
	w.provide(kind, canary)
	w.bind(string(kind)+"s/"+oktaSecret, "1111", okta)
	w.settle()
	return w
}

// settle leaves the world as a relay of every binding would, so that nothing is
// left to do, and forgets the calls. It must run in virtual time.
func (w *world) settle() {
	w.Helper()
	time.Sleep(1234567 * time.Nanosecond) // a date with a fraction of a second proves what it says
	for name, id := range w.bound {
		kind, source, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(name, bindings), "/"+id), "s/")
		version, token := w.version(Source{Kind: Kind(kind), Name: source}.asParameter())
		receipt := Receipt{Binding: name, VersionID: version, Outcome: Updated, At: time.Now(), ModifiedAt: time.Now(), Settled: true}
		w.edit(id, func(config *datadogsim.Config) {
			config.Secrets = map[string]any{"api_token": token}
			if config.Type == string(datadog.EntraID) {
				w.datadog.PutAzureIntegration("tenant-1", "client-1", token)
				config.Secrets, receipt.Settled = map[string]any{"api_token": "old"}, false
			}
		})
		w.aws.PutParameter(bindings+"receipts/"+strings.ToLower(id), "String", encoded(w, receipt))
	}
	time.Sleep(time.Second)
	w.forget()
}

// asParameter returns the parameter that a binding of this name reads; a secret as
// it is.
func (s Source) asParameter() Source {
	if s.Kind == KindParameter {
		return ParameterNamed(s.Name)
	}
	return s
}

// bind makes a binding and the config that it is for.
func (w *world) bind(source, id, value string) {
	w.aws.PutParameter(bindings+source+"/"+id, "String", value)
	w.bound[bindings+source+"/"+id] = id
	var options struct {
		Type string `json:"integration_type"`
	}
	_ = json.Unmarshal([]byte(value), &options)
	w.datadog.PutConfig(datadogsim.Config{
		ID: id, Type: options.Type, Domain: "acme.example.com", State: "valid", Enabled: true,
		Secrets: map[string]any{"api_token": "old"},
	})
}

// unbind deletes a binding.
func (w *world) unbind(source, id string) {
	w.deleteParameter(bindings + source + "/" + id)
	delete(w.bound, bindings+source+"/"+id)
}

// mode gives the binding of the config 1111 a mode, and the config a flag.
func (w *world) mode(kind Kind, mode EnabledMode, enabled bool) {
	w.aws.PutParameter(bindings+string(kind)+"s/"+oktaSecret+"/1111", "String", `{"integration_type":"OKTA","enabled":"`+string(mode)+`"}`)
	w.config("1111", func(config *datadogsim.Config) { config.Enabled = enabled })
}

// sourceOf returns the source that the tests have of a kind.
func sourceOf(kind Kind) Source {
	if kind == KindParameter {
		return ParameterNamed(oktaSecret)
	}
	return SecretNamed(oktaSecret)
}

// provide gives the source of a kind a new version with this token.
func (w *world) provide(kind Kind, token string) {
	if kind == KindParameter {
		w.aws.PutParameter("/"+oktaSecret, "SecureString", `{"api_token":"`+token+`"}`)
		return
	}
	w.aws.PutSecret(oktaSecret, `{"api_token":"`+token+`"}`)
}

// remove deletes the source of a kind. A secret can then still be restored.
func (w *world) remove(kind Kind) {
	if kind == KindParameter {
		w.deleteParameter("/" + oktaSecret)
		return
	}
	w.aws.DeleteSecret(oktaSecret)
}

// removeForGood deletes the secret so that it cannot be restored.
func (w *world) removeForGood() {
	w.must("secretsmanager.DeleteSecret", map[string]any{"SecretId": oktaSecret, "ForceDeleteWithoutRecovery": true})
}

// createEmpty makes a secret that has yet to get its first version.
func (w *world) createEmpty() {
	w.must("secretsmanager.CreateSecret", map[string]any{"Name": oktaSecret})
}

// restore takes back the deletion of the secret.
func (w *world) restore() {
	w.must("secretsmanager.RestoreSecret", map[string]any{"SecretId": oktaSecret})
}

// moveCurrent moves AWSCURRENT from one version to another.
func (w *world) moveCurrent(secret, from, to string) {
	w.must("secretsmanager.UpdateSecretVersionStage", map[string]any{
		"SecretId": secret, "VersionStage": LabelCurrent, "RemoveFromVersionId": from, "MoveToVersionId": to,
	})
}

func (w *world) deleteParameter(name string) {
	w.must("AmazonSSM.DeleteParameter", map[string]any{"Name": name})
}

// awsAnswer is what the tests read of AWS's answers.
type awsAnswer struct {
	SecretString       string
	VersionID          string
	VersionIDsToStages map[string][]string
	Parameter          *struct {
		Value            string
		Version          int64
		LastModifiedDate float64 // in seconds
	}
	Message string
}

// aside calls AWS as a person does: no fault of the line hits the call. It reports
// whether the call succeeded.
func (w *world) aside(target string, input map[string]any) (got awsAnswer, ok bool) {
	w.Helper()
	request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(encoded(w, input)))
	request.Header.Set("X-Amz-Target", target)
	recorder := httptest.NewRecorder()
	w.aws.ServeHTTP(recorder, request)
	if err := json.Unmarshal(recorder.Body.Bytes(), &got); err != nil {
		w.Fatalf("%s: %v", target, err)
	}
	return got, recorder.Code == http.StatusOK
}

// must is aside for a call that has to succeed.
func (w *world) must(target string, input map[string]any) awsAnswer {
	w.Helper()
	got, ok := w.aside(target, input)
	if !ok {
		w.Fatalf("%s: %s", target, got.Message)
	}
	return got
}

// version returns a source's current version, and the token in it.
func (w *world) version(source Source) (id, token string) {
	w.Helper()
	var text string
	if source.Kind == KindParameter {
		found := w.must("AmazonSSM.GetParameter", map[string]any{"Name": source.Name, "WithDecryption": true}).Parameter
		changed := time.UnixMilli(int64(math.Round(found.LastModifiedDate * 1000)))
		id, text = versionOf(&types.Parameter{Version: found.Version, LastModifiedDate: &changed}), found.Value
	} else {
		found := w.must("secretsmanager.GetSecretValue", map[string]any{"SecretId": source.Name})
		id, text = found.VersionID, found.SecretString
	}
	var members struct {
		APIToken     string `json:"api_token"`
		ClientSecret string `json:"client_secret"`
	}
	if err := json.Unmarshal([]byte(text), &members); err != nil {
		w.Fatal(err)
	}
	return id, members.APIToken + members.ClientSecret
}

// current returns the id of a source's current version.
func (w *world) current(source Source) string {
	w.Helper()
	id, _ := w.version(source)
	return id
}

// config changes a config without a call of Datadog's API. Its date stays.
func (w *world) config(id string, change func(*datadogsim.Config)) {
	w.Helper()
	config, ok := w.datadog.Config(id)
	if !ok {
		w.Fatalf("there is no config %s", id)
	}
	change(&config)
	w.datadog.PutConfig(config)
}

// edit has a person change a config in Datadog.
func (w *world) edit(id string, change func(*datadogsim.Config)) {
	w.Helper()
	w.config(id, func(config *datadogsim.Config) {
		config.ModifiedAt = time.Now()
		change(config)
	})
}

// holds reports whether a config holds these secrets, given as JSON.
func (w *world) holds(id, secrets string) bool {
	w.Helper()
	stored, ok := w.datadog.Config(id)
	if !ok {
		w.Fatalf("there is no config %s", id)
	}
	var want map[string]any
	if err := json.Unmarshal([]byte(secrets), &want); err != nil {
		w.Fatal(err)
	}
	return reflect.DeepEqual(stored.Secrets, want)
}

// refused is Datadog's answer that a credential is invalid.
var refused = datadogsim.Answer{Status: http.StatusBadRequest, Body: `{"errors":["the source does not accept it"]}`}

// notOffered is Datadog's answer that it does not offer to validate.
var notOffered = datadogsim.Answer{Status: http.StatusNotFound, Body: `{"errors":["Not found"]}`}

// withoutValidation has Datadog offer no validation.
func (w *world) withoutValidation() {
	w.datadog.ScriptForever(datadogsim.Validate, notOffered)
	w.datadog.ScriptForever(datadogsim.ValidateStored, notOffered)
}

// conflict is Datadog's answer that something stands against a call.
var conflict = datadogsim.Answer{Status: http.StatusConflict, Body: `{"errors":["conflict"]}`}

// refuse has Datadog refuse every credential that holds a text, and quote it.
func (w *world) refuse(text string) {
	w.datadog.Accept(func(_, _ string, secrets map[string]any) error {
		if held, _ := json.Marshal(secrets); strings.Contains(string(held), text) {
			return fmt.Errorf("the source does not accept %s", held)
		}
		return nil
	})
}

// acceptAll has Datadog accept every credential.
func (w *world) acceptAll() { w.datadog.Accept(nil) }

// forget starts the counts of calls and PATCHes again, and ends the faults.
func (w *world) forget() {
	w.datadogBefore = len(w.datadog.Requests())
	w.line.failing(nil)
}

// relay relays a source within a time, and looks for secrets in the results.
func (w *world) relay(source Source, within time.Duration) []Result {
	w.Helper()
	results, _ := w.ask(Request{Selector: Selector{Source: source}}, within)
	return results
}

// relayOne is relay for a source that has one binding.
func (w *world) relayOne(source Source, within time.Duration) Result {
	w.Helper()
	return w.one(w.relay(source, within), 0)
}

// asked does what a request says within a minute. It wants one result.
func (w *world) asked(request Request) Result {
	w.Helper()
	return w.one(w.ask(request, time.Minute))
}

// event is what an event about a source leads to. version is what the event says
// is current; empty for none. It wants one result.
func (w *world) event(source Source, version string) Result {
	w.Helper()
	return w.asked(Request{Selector: Selector{Source: source}, IfDue: true, VersionID: version})
}

// reconcile reconciles within a time.
func (w *world) reconcile(within time.Duration) (results []Result, left int) {
	w.Helper()
	return w.ask(Request{Selector: Selector{All: true}, IfDue: true, settle: true}, within)
}

// reconcileOne is reconcile where there is one binding.
func (w *world) reconcileOne() Result {
	w.Helper()
	return w.one(w.reconcile(time.Minute))
}

// ask does what a request says within a time, and looks for secrets in whatever
// comes of it.
func (w *world) ask(request Request, within time.Duration) (results []Result, left int) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), within)
	defer cancel()
	started := time.Now()
	if request.settle {
		results, left = w.engine.Reconcile(ctx)
	} else {
		results, left = w.engine.Relay(ctx, request)
	}
	if took := time.Since(started); took > within {
		w.Errorf("took %v, and there were %v", took, within)
	}
	w.hides(encoded(w, results))
	w.hides(strings.Join(w.line.receipts(), "\n"))
	return results, left
}

// one returns the one result.
func (w *world) one(results []Result, left int) Result {
	w.Helper()
	if len(results) != 1 || left != 0 {
		w.Fatalf("got %d results and %d left, want one and none: %s", len(results), left, encoded(w, results))
	}
	return results[0]
}

// status returns how the config 1111 stands, and checks that nothing was changed
// and no value read.
func (w *world) status(selector Selector) BindingStatus {
	w.Helper()
	w.forget()
	ctx, cancel := context.WithTimeout(w.Context(), time.Minute)
	defer cancel()
	statuses, left := w.engine.Status(ctx, selector)
	if len(statuses) != 1 || left != 0 {
		w.Fatalf("got %d statuses and %d left, want one and none: %s", len(statuses), left, encoded(w, statuses))
	}
	w.hides(encoded(w, statuses))
	for _, c := range w.served() {
		if slices.Contains([]string{"GetSecretValue", "PutParameter", "patch", "azure", "validate", "validate-stored"}, c.operation) {
			w.Errorf("status made the call %v", c)
		}
	}
	return statuses[0]
}

// hides looks for secrets in an output.
func (w *world) hides(output string) {
	w.Helper()
	for _, secret := range []string{canary, canaryAPIKey, canaryAppKey, canaryAWSKey} {
		if strings.Contains(output, secret) {
			w.Errorf("an output holds %s: %s", secret, output)
		}
	}
}

// receipt returns a config's receipt; nil when there is none.
func (w *world) receipt(id string) *Receipt {
	w.Helper()
	found, ok := w.aside("AmazonSSM.GetParameter", map[string]any{"Name": bindings + "receipts/" + strings.ToLower(id)})
	if !ok {
		return nil
	}
	return parseReceipt(&types.Parameter{Value: &found.Parameter.Value})
}

// leave writes a receipt of the config 1111 as a person would.
func (w *world) leave(value string) { w.aws.PutParameter(bindings+"receipts/1111", "String", value) }

// isTrue checks that the receipt of the config 1111 says what is so: Datadog took
// this version of the source, and the config has not changed since.
func (w *world) isTrue(version string) {
	w.Helper()
	receipt := w.receipt("1111")
	config, _ := w.datadog.Config("1111")
	switch {
	case receipt == nil || receipt.VersionID != version || receipt.Outcome != Updated:
		w.Errorf("got the receipt %s, want version %s, updated", encoded(w, receipt), version)
	case !receipt.ModifiedAt.IsZero() && !sameDate(receipt.ModifiedAt, config.ModifiedAt):
		w.Errorf("the receipt says %v, and the config was modified at %v", receipt.ModifiedAt, config.ModifiedAt)
	}
}

// patches returns the bodies of the PATCHes that Datadog got.
func (w *world) patches() []string {
	var bodies []string
	for _, request := range w.datadog.Requests()[w.datadogBefore:] {
		if request.Operation == datadogsim.Patch {
			bodies = append(bodies, request.Body)
		}
	}
	return bodies
}

// times counts the calls of an operation.
func (w *world) times(operation string) int { return w.line.times(operation) }

// served lists the instance's calls, by their operations' names.
func (w *world) served() []call { return w.line.served() }

// reads counts how often the instance has read a value of a source.
func (w *world) reads() int { return w.line.reads() }

func encoded(t testing.TB, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
