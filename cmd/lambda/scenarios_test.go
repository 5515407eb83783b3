package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"credential-relay/internal/datadogsim"
)

var update = flag.Bool("update", false, "write what the scenarios came to into their files")

func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", "6") // scenarios wait more than they work
	testscript.Main(m, map[string]func(){"bootstrap": main})
}

// TestScenarios plays the files of testdata against the real main, or against
// the binary that BOOTSTRAP names. What the commands do is told in
// CONTRIBUTING.md.
func TestScenarios(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata",
		UpdateScripts: *update,
		Setup:         setUp,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"secret":       makeSecret,
			"parameter":    makeParameter,
			"bind":         makeBinding,
			"config":       makeConfig,
			"refuse":       refuseCredential,
			"initializing": keepInitializing,
			"datadog":      scriptDatadog,
			"aws":          failAWS,
			"after":        rotateAfter,
			"invoke":       invokeFunction,
			"requests":     listRequests,
			"holds":        checkConfig,
			"log":          checkLog,
			"exits":        checkExit,
			"deliver":      deliver,
			"call":         callAWS,
			"reads":        countReads,
			"keys":         acceptKeys,
			"token":        acceptToken,
			"outcome":      checkOutcome,
			"untrusted":    serveUntrusted,
			"azure":        makeAzureApp,
			"federation":   trustAWS,
			"revoke":       revokeTokens,
			"start":        startEarly,
			"receipt":      showReceipt,
			"unbind":       deleteBinding,
			"edit":         editConfig,
			"state":        setState,
			"dates":        showDates,
			"stale":        answerStale,
		},
	})
}

func setUp(env *testscript.Env) error {
	w := newWorld()
	env.Values["world"] = w
	for name, value := range canaries {
		env.Setenv(name, value)
	}
	events, err := os.ReadDir("../../events")
	if err != nil {
		return err
	}
	for _, event := range events {
		content, err := os.ReadFile("../../events/" + event.Name())
		if err != nil {
			return err
		}
		if err := os.WriteFile(env.WorkDir+"/"+event.Name(), content, 0o600); err != nil {
			return err
		}
	}
	env.Defer(func() {
		w.close()
		if err := w.leak(); err != nil {
			env.T().Fatal(err)
		}
	})
	return nil
}

func worldOf(ts *testscript.TestScript) *world { return ts.Value("world").(*world) }

// need checks how many arguments a command has got.
func need(ts *testscript.TestScript, args []string, atLeast int, usage string) {
	if len(args) < atLeast {
		ts.Fatalf("usage: %s", usage)
	}
}

// secret [-binary|-foreign|-deleted] NAME VALUE makes a secret or rotates it.
func makeSecret(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "secret [-binary|-foreign|-deleted] NAME VALUE")
	w := worldOf(ts)
	switch args[0] {
	case "-binary":
		w.made(w.aws.PutSecretBinary(args[1], []byte(args[2])))
	case "-foreign":
		w.aws.Foreign(args[1], args[2])
	case "-deleted":
		w.aws.DeleteSecret(args[1])
	default:
		w.made(w.aws.PutSecret(args[0], args[1]))
	}
}

// parameter NAME TYPE VALUE makes a parameter or rotates it.
func makeParameter(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 3, "parameter NAME TYPE VALUE")
	worldOf(ts).aws.PutParameter(args[0], args[1], args[2])
}

// bind SOURCE CONFIG VALUE makes a binding, SOURCE being secrets/… or parameters/….
func makeBinding(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 3, "bind SOURCE CONFIG VALUE")
	worldOf(ts).aws.PutParameter("/credential-relay/"+args[0]+"/"+args[1], "String", args[2])
}

// config ID TYPE makes an integration config that holds an old credential, and
// that no receipt knows.
func makeConfig(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "config ID TYPE")
	w := worldOf(ts)
	w.configs = append(w.configs, args[0])
	w.callAWS("DeleteParameter", fmt.Sprintf(`{"Name":%q}`, receiptName(args[0])))
	w.datadog.PutConfig(datadogsim.Config{
		ID: args[0], Type: args[1], Domain: "acme.example.com", Name: "Acme", Enabled: true, State: "valid",
		Secrets: map[string]any{"api_token": "old"}, ModifiedAt: time.Now().UTC(),
	})
}

// refuse TEXT has Datadog call every credential invalid that holds TEXT, and
// quote it.
func refuseCredential(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 1, "refuse TEXT")
	worldOf(ts).datadog.Accept(func(_, _ string, secrets map[string]any) error {
		if encoded, _ := json.Marshal(secrets); strings.Contains(string(encoded), args[0]) {
			return fmt.Errorf("the source does not accept %s", encoded)
		}
		return nil
	})
}

// initializing N has Datadog's configs initialize for the next N reads.
func keepInitializing(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 1, "initializing N")
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	worldOf(ts).datadog.Initializing(n)
}

// datadog OPERATION [-always] [-act] [-echo] [-drop] [-slow DURATION] [-type TYPE] [-header NAME:VALUE] [-fill BYTES] STATUS [BODY]
// has Datadog answer the next call of an operation so, or all of them. With
// -act, Datadog first does what is asked. With -fill, each % of the body is that
// many bytes.
func scriptDatadog(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "datadog OPERATION [-always] [-act] [-echo] [-drop] [-slow DURATION] [-type TYPE] [-header NAME:VALUE] [-fill BYTES] STATUS [BODY]")
	w, operation := worldOf(ts), datadogsim.Operation(args[0])
	answer, always, fill := datadogsim.Answer{}, false, 1
	for args = args[1:]; len(args) > 0; args = args[1:] {
		switch args[0] {
		case "-always":
			always = true
		case "-act":
			answer.Act = true
		case "-echo":
			answer.EchoRequest = true
		case "-drop":
			answer.Drop = true
		case "-slow":
			delay, err := time.ParseDuration(args[1])
			ts.Check(err)
			answer.Delay, args = delay, args[1:]
		case "-type":
			answer.ContentType, args = args[1], args[1:]
		case "-fill":
			size, err := strconv.Atoi(args[1])
			ts.Check(err)
			fill, args = size, args[1:]
		case "-header":
			name, value, _ := strings.Cut(args[1], ":")
			if answer.Header == nil {
				answer.Header = http.Header{}
			}
			answer.Header.Set(name, value)
			args = args[1:]
		default:
			if status, err := strconv.Atoi(args[0]); err == nil {
				answer.Status = status
			} else {
				answer.Body = args[0]
			}
		}
	}
	if fill > 1 {
		answer.Body = strings.ReplaceAll(answer.Body, "%", strings.Repeat("a", fill))
	}
	if always {
		w.datadog.ScriptForever(operation, answer)
	} else {
		w.datadog.Script(operation, answer)
	}
}

// aws OPERATION TIMES STATUS ERROR has AWS fail the next calls of an operation.
func failAWS(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 4, "aws OPERATION TIMES STATUS ERROR")
	times, err := strconv.Atoi(args[1])
	ts.Check(err)
	status, err := strconv.Atoi(args[2])
	ts.Check(err)
	worldOf(ts).aws.Fail(args[0], times, status, args[3], "as the scenario has it")
}

// after OPERATION secret NAME VALUE … rotates a secret once Datadog has served
// an operation; several in a row do so after one call each.
func rotateAfter(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 4, "after OPERATION secret NAME VALUE [VALUE ...]")
	w, operation, values := worldOf(ts), datadogsim.Operation(args[0]), args[3:]
	var rotate func()
	rotate = func() {
		w.made(w.aws.PutSecret(args[2], values[0]))
		if values = values[1:]; len(values) > 0 {
			w.datadog.After(operation, rotate)
		}
	}
	w.datadog.After(operation, rotate)
}

const defaultDeadline = 20 * time.Second

// invoke [-deadline DURATION] FILE has the function serve an event, and puts
// its reply into the file reply. With ! it expects a function error.
func invokeFunction(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, args, 1, "invoke [-deadline DURATION] FILE")
	deadline, args := deadlineOf(ts, args)
	fmt.Fprint(ts.Stdout(), serve(ts, neg, []byte(ts.ReadFile(args[0])), deadline))
}

func deadlineOf(ts *testscript.TestScript, args []string) (time.Duration, []string) {
	if args[0] != "-deadline" {
		return defaultDeadline, args
	}
	deadline, err := time.ParseDuration(args[1])
	ts.Check(err)
	return deadline, args[2:]
}

// serve has the function serve an event, and gives its reply, which it also
// puts into the file reply.
func serve(ts *testscript.TestScript, neg bool, event []byte, deadline time.Duration) string {
	w := worldOf(ts)
	if w.function == nil {
		startFunction(ts, w)
	}
	answer, err := w.invoke(event, deadline)
	ts.Check(err)
	ts.Check(w.leak())
	var shown bytes.Buffer
	ts.Check(json.Indent(&shown, answer.body, "", "  "))
	text := w.named(shown.String()) + "\n"
	ts.Check(os.WriteFile(ts.MkAbs("reply"), []byte(text), 0o600))
	if answer.functionError != neg {
		ts.Fatalf("function error is %v; reply: %s\nlog: %s", answer.functionError, text, w.stdout.String())
	}
	return text
}

// startFunction starts the function with the settings that the scenario has
// made with env; an empty one takes a default away.
func startFunction(ts *testscript.TestScript, w *world) {
	path, err := bootstrapPath(func(name string) (string, error) {
		return exec.LookPath(ts.Getenv("PATH") + "/" + name)
	})
	if err != nil {
		path = "bootstrap"
	}
	settings := map[string]string{}
	for _, name := range []string{"DD_SITE", "DD_API_URL", "DD_API_KEY", "DD_APP_KEY", "DD_BEARER_TOKEN", "DD_CREDENTIALS_ARN", "DD_ORG_UUID", "BINDINGS_PATH", "WEBHOOK_SECRET_ARN", "WEBHOOK_MAY_DISABLE", "STACK_NAME"} {
		if value := ts.Getenv(name); value != "" {
			settings[name] = strings.TrimPrefix(value, "unset")
		}
	}
	ts.Check(w.start(path, settings))
}

// keys API APPLICATION has Datadog accept another pair of keys.
func acceptKeys(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "keys API APPLICATION")
	worldOf(ts).datadog.SetKeys(args[0], args[1])
}

// token TOKEN has Datadog accept a bearer token.
func acceptToken(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 1, "token TOKEN")
	worldOf(ts).datadog.SetToken(args[0])
}

// reads N|reset checks how often a secret's value was read since the reset.
func countReads(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 1, "reads N|reset")
	w, reads := worldOf(ts), 0
	for _, call := range w.aws.Calls() {
		if call.Operation == "GetSecretValue" {
			reads++
		}
	}
	if args[0] == "reset" {
		w.readsBefore = reads
	} else if want, err := strconv.Atoi(args[0]); err != nil || reads-w.readsBefore != want {
		ts.Fatalf("secrets were read %d times, want %s", reads-w.readsBefore, args[0])
	}
}

// requests [reset] puts what Datadog has received since the reset into the file
// requests: method, path below the configs, and status.
// What opens a connection is left out: it comes at a time of its own.
func listRequests(ts *testscript.TestScript, _ bool, args []string) {
	w := worldOf(ts)
	received := w.datadog.Requests()
	if len(args) > 0 {
		w.requestsBefore = len(received)
	}
	var text strings.Builder
	for _, request := range received[w.requestsBefore:] {
		_, path, below := strings.Cut(request.Path, "/integration_config")
		if !below {
			path = request.Path
		}
		fmt.Fprintf(&text, "%s %s %d\n", request.Method, path, request.Status)
	}
	ts.Check(os.WriteFile(ts.MkAbs("requests"), []byte(text.String()), 0o600))
}

// azure [-holds] TENANT CLIENT SECRET makes an app registration that Datadog's
// Azure integration knows, or checks the client secret that it holds.
func makeAzureApp(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, args, 3, "azure [-holds] TENANT CLIENT SECRET")
	w := worldOf(ts)
	if args[0] != "-holds" {
		w.datadog.PutAzureIntegration(args[0], args[1], args[2])
		return
	}
	need(ts, args, 4, "azure -holds TENANT CLIENT SECRET")
	if held, ok := w.datadog.AzureSecret(args[1], args[2]); (ok && held == args[3]) == neg {
		ts.Fatalf("the app registration is there: %t, and holds %q", ok, held)
	}
}

// holds ID JSON checks the secrets that Datadog has stored in a config.
func checkConfig(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, args, 2, "holds ID SECRETS|enabled|disabled")
	stored, ok := worldOf(ts).datadog.Config(args[0])
	if !ok {
		ts.Fatalf("there is no config %s", args[0])
	}
	var same bool
	switch args[1] {
	case "enabled", "disabled":
		same = stored.Enabled == (args[1] == "enabled")
	default:
		var want map[string]any
		ts.Check(json.Unmarshal([]byte(args[1]), &want))
		same = reflect.DeepEqual(stored.Secrets, want)
	}
	if same == neg {
		ts.Fatalf("config %s holds %v, enabled %v", args[0], stored.Secrets, stored.Enabled)
	}
}

// log PATTERN checks that a line of the function's log matches.
func checkLog(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, args, 1, "log PATTERN")
	w := worldOf(ts)
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	if text := w.stdout.String(); pattern.MatchString(w.named(text)) == neg {
		ts.Fatalf("log: %s", text)
	}
}

// exits TEXT … checks that the function does not start, and says each TEXT.
func checkExit(ts *testscript.TestScript, _ bool, args []string) {
	w := worldOf(ts)
	startFunction(ts, w)
	select {
	case <-w.exited:
	case <-time.After(10 * time.Second):
		ts.Fatalf("the function has started")
	}
	for _, text := range args {
		if !strings.Contains(w.stderr.String(), text) {
			ts.Fatalf("stderr lacks %q:\n%s", text, w.stderr.String())
		}
	}
}
