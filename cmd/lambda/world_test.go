package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"time"

	"credential-relay/internal/awssim"
	"credential-relay/internal/datadogsim"
)

// Each scenario plants these, and no output of any kind may hold one. None holds
// eight characters of a word that the outputs need: those would be masked there.
var canaries = map[string]string{
	"CANARY":         "canary-0Q7ofTheSource-k4wz",
	"CANARY2":        "canary-9Z3afterRotation-m8ty",
	"APIKEY":         "canary-4D1theApiKey-q7xj",
	"APPKEY":         "canary-8E2theAppKey-w3vn",
	"AWS_SECRETKEY":  "canary-6F5theAwsKey-r5bd",
	"AWS_SESSION":    "canary-3K8theAwsToken-h2pc",
	"ISSUED":         "canary-2T7issuedToken-g6ls",
	"SIGNING":        "whsec_Y2FuYXJ5LTdHNnNpZ25pbmctc2VjcmV0LW9uZQ==",
	"SIGNING2":       "whsec_Y2FuYXJ5LTVINHNpZ25pbmctc2VjcmV0LXR3bw==",
	"ROTATION_TOKEN": "e7b0a4c2-18d5-4f63-9c0e-5a2d7b8f1e21", // of events/rotation-….json
}

// world is what surrounds the function in one scenario.
type world struct {
	aws            *awssim.Simulator
	datadog        *datadogsim.Simulator
	runtime        *runtimeAPI
	servers        []*httptest.Server
	function       *exec.Cmd
	exited         chan struct{}
	stdout         *output
	stderr         *output
	replies        bytes.Buffer
	lock           sync.Mutex
	versions       []string // of secrets, in the order of their making; guarded by lock
	configs        []string // the ids of integration configs
	readsBefore    int
	requestsBefore int
	invocations    int
}

func newWorld() *world {
	w := &world{aws: awssim.New(), datadog: datadogsim.New(), runtime: newRuntimeAPI(), stdout: newOutput(), stderr: newOutput()}
	w.datadog.SetKeys(canaries["APIKEY"], canaries["APPKEY"])
	w.datadog.IssueTokens(canaries["ISSUED"], 15*time.Minute)
	return w
}

// serve puts a simulator on loopback. Datadog's is under a base path, so that
// an address put together wrongly is noticed.
func (w *world) serve(handler http.Handler) string {
	server := httptest.NewServer(handler)
	w.servers = append(w.servers, server)
	return server.URL
}

// start runs the function as Lambda would: a clean environment, and nothing of
// the machine's.
func (w *world) start(bootstrap string, settings map[string]string) error {
	aws := w.serve(w.aws)
	environment := map[string]string{
		"AWS_LAMBDA_RUNTIME_API":           w.runtime.address(),
		"AWS_LAMBDA_LOG_FORMAT":            "JSON",
		"AWS_REGION":                       awssim.Region,
		"AWS_ACCESS_KEY_ID":                "AKIDEXAMPLE",
		"AWS_SECRET_ACCESS_KEY":            canaries["AWS_SECRETKEY"],
		"AWS_SESSION_TOKEN":                canaries["AWS_SESSION"],
		"AWS_ENDPOINT_URL_SECRETS_MANAGER": aws,
		"AWS_ENDPOINT_URL_SSM":             aws,
		"AWS_EC2_METADATA_DISABLED":        "true",
		"DD_API_URL":                       w.serve(http.StripPrefix("/datadog", w.datadog)) + "/datadog",
		"DD_API_KEY":                       canaries["APIKEY"],
		"DD_APP_KEY":                       canaries["APPKEY"],
	}
	for name, value := range settings {
		environment[name] = value
	}
	w.function = exec.Command(bootstrap)
	for name, value := range environment {
		if value != "" {
			w.function.Env = append(w.function.Env, name+"="+value)
		}
	}
	w.function.Stdout, w.function.Stderr = w.stdout, w.stderr
	if err := w.function.Start(); err != nil {
		return err
	}
	w.exited = make(chan struct{})
	go func() {
		_ = w.function.Wait()
		close(w.exited)
	}()
	return nil
}

// invoke has the function serve one event.
func (w *world) invoke(event []byte, deadline time.Duration) (reply, error) {
	select {
	case w.runtime.events <- invocation{event, deadline}:
	case <-w.exited:
		return reply{}, errors.New("the function has exited")
	}
	select {
	case answer := <-w.runtime.replies:
		w.replies.Write(answer.body)
		w.invocations++
		return answer, w.stdout.has(`"message":"invocation"`, w.invocations)
	case <-w.exited:
		return reply{}, errors.New("the function exited during the invocation")
	case <-time.After(deadline + 5*time.Second):
		return reply{}, errors.New("the function overran its deadline")
	}
}

func (w *world) close() {
	if w.function != nil {
		_ = w.function.Process.Kill()
		<-w.exited
	}
	w.runtime.server.CloseClientConnections()
	w.runtime.server.Close()
	for _, server := range w.servers {
		server.CloseClientConnections()
		server.Close()
	}
}

// planted are the canaries, and of the proofs of identity that Datadog has
// received what is secret: the headers, as they are sent, and the signature.
func (w *world) planted() map[string]string {
	planted := maps.Clone(canaries)
	for i, request := range w.datadog.Requests() {
		proof, ok := strings.CutPrefix(request.Header.Get("Authorization"), "Delegated ")
		if parts := strings.Split(proof, "|"); ok && len(parts) == 4 {
			headers, _ := base64.StdEncoding.DecodeString(parts[1])
			_, signature, _ := strings.Cut(string(headers), "Signature=")
			if signature == "" {
				continue
			}
			planted[fmt.Sprintf("PROOF%d", i)] = parts[1]
			planted[fmt.Sprintf("SIGNATURE%d", i)] = signature[:min(64, len(signature))]
		}
	}
	return planted
}

// leak returns an error that names the canary that an output or a receipt holds,
// plain or in base64.
func (w *world) leak() error {
	planted := w.planted()
	outputs := map[string]string{"a reply": w.replies.String(), "the log": w.stdout.String(), "stderr": w.stderr.String()}
	for _, id := range w.configs {
		outputs["the receipt of "+id] = w.receipt(id)
	}
	for name, text := range outputs {
		for canary, value := range planted {
			if strings.Contains(text, value) || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(value))) {
				return fmt.Errorf("%s holds %s:\n%s", name, canary, text)
			}
		}
	}
	return nil
}

// made takes down the id of a new version.
func (w *world) made(version string) {
	w.lock.Lock()
	defer w.lock.Unlock()
	w.versions = append(w.versions, version)
}

var (
	uuid             = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	parameterVersion = regexp.MustCompile(`([0-9]+)@` + date.String())
	date             = regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z`)
)

// named replaces what is different each time: the ids of versions, and dates.
func (w *world) named(text string) string {
	w.lock.Lock()
	defer w.lock.Unlock()
	for i, id := range w.versions {
		text = strings.ReplaceAll(text, id, fmt.Sprintf("version-%d", i+1))
	}
	text = uuid.ReplaceAllString(text, "another-version")
	text = parameterVersion.ReplaceAllString(text, "parameter-version-$1")
	return date.ReplaceAllString(text, "a-date")
}

func bootstrapPath(search func(string) (string, error)) (string, error) {
	if built := os.Getenv("BOOTSTRAP"); built != "" {
		return built, nil
	}
	return search("bootstrap")
}

// output is written to by the function while the scenario reads it.
type output struct {
	lock    sync.Mutex
	text    bytes.Buffer
	written chan struct{} // closed and replaced at each write
}

func newOutput() *output { return &output{written: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.lock.Lock()
	defer o.lock.Unlock()
	close(o.written)
	o.written = make(chan struct{})
	return o.text.Write(p)
}

func (o *output) String() string {
	text, _ := o.now()
	return text
}

func (o *output) now() (string, <-chan struct{}) {
	o.lock.Lock()
	defer o.lock.Unlock()
	return o.text.String(), o.written
}

// has waits until the output holds a text a number of times.
func (o *output) has(text string, times int) error {
	patience := time.After(5 * time.Second)
	for {
		sofar, written := o.now()
		if strings.Count(sofar, text) >= times {
			return nil
		}
		select {
		case <-written:
		case <-patience:
			return fmt.Errorf("the output lacks %q:\n%s", text, sofar)
		}
	}
}
