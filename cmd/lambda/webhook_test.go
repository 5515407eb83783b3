package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// request is what the deliver command sends through a gateway.
type request struct {
	gateway      string // http, rest or url
	vouched      bool   // by the gateway's IAM authorizer
	base64       bool
	method, path string
	header       map[string]string
	body         string
	secret, id   string // to sign with
	at           time.Time
}

// deliver [-rest|-url] [-iam] [-base64] [-sign SECRET] [-id ID] [-at OFFSET]
// [-method M] [-path P] [-header NAME:VALUE] BODY sends a webhook request, and
// puts the answer into the file reply: its status, headers and body.
func deliver(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, args, 1, "deliver [OPTIONS] BODY")
	r := request{
		gateway: "http", method: "POST", path: "/v1/relay", id: "msg_1", at: time.Now(),
		header: map[string]string{"content-type": "application/json"},
	}
	for len(args) > 1 {
		args = args[r.option(ts, args[0], args[1]):]
	}
	r.body = args[0]
	if r.secret != "" {
		ts.Check(r.sign())
	}
	event, err := json.Marshal(r.event())
	ts.Check(err)
	var answer struct {
		Status int               `json:"statusCode"`
		Header map[string]string `json:"headers"`
		Body   string            `json:"body"`
	}
	ts.Check(json.Unmarshal([]byte(serve(ts, neg, event, defaultDeadline)), &answer))
	var shown, body bytes.Buffer
	fmt.Fprintln(&shown, answer.Status, http.StatusText(answer.Status))
	for _, name := range slices.Sorted(maps.Keys(answer.Header)) {
		fmt.Fprintf(&shown, "%s: %s\n", name, answer.Header[name])
	}
	ts.Check(json.Indent(&body, []byte(answer.Body), "", "  "))
	fmt.Fprintln(&shown, body.String())
	ts.Check(os.WriteFile(ts.MkAbs("reply"), shown.Bytes(), 0o600))
	fmt.Fprint(ts.Stdout(), shown.String())
}

// option reads one option, and gives how many arguments it takes.
func (r *request) option(ts *testscript.TestScript, option, value string) int {
	switch option {
	case "-rest", "-url":
		r.gateway = option[1:]
		return 1
	case "-iam":
		r.vouched = true
		return 1
	case "-base64":
		r.base64 = true
		return 1
	case "-sign":
		r.secret = value
	case "-id":
		r.id = value
	case "-at":
		offset, err := time.ParseDuration(value)
		ts.Check(err)
		r.at = r.at.Add(offset)
	case "-method":
		r.method = value
	case "-path":
		r.path = value
	case "-header":
		name, content, _ := strings.Cut(value, ":")
		r.header[name] = content
	default:
		ts.Fatalf("deliver has no option %s", option)
	}
	return 2
}

// sign signs as Standard Webhooks has it, with nothing of the code under test.
func (r *request) sign() error {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(r.secret, "whsec_"))
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.%s", r.id, r.at.Unix(), r.body)
	r.header["webhook-id"] = r.id
	r.header["webhook-timestamp"] = fmt.Sprint(r.at.Unix())
	r.header["webhook-signature"] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	return err
}

// event is the request as the gateway has it.
func (r *request) event() map[string]any {
	body := r.body
	if r.base64 {
		body = base64.StdEncoding.EncodeToString([]byte(body))
	}
	event := map[string]any{"headers": r.header, "body": body, "isBase64Encoded": r.base64}
	caller := map[string]any{"userArn": "arn:aws:iam::111122223333:user/somebody"}
	if r.gateway == "rest" {
		multiple := map[string][]string{}
		for name, value := range r.header {
			multiple[strings.ToUpper(name)] = []string{value} // a REST API passes them on as they were sent
		}
		event["headers"], event["multiValueHeaders"] = nil, multiple
		event["httpMethod"], event["path"], event["resource"] = r.method, r.path, "/{proxy+}"
		context := map[string]any{"resourceId": "123456", "stage": "prod", "identity": map[string]any{"userArn": nil}}
		if r.vouched {
			context["identity"] = caller
		}
		event["requestContext"] = context
		return event
	}
	event["version"], event["routeKey"], event["rawPath"] = "2.0", "$default", r.path
	context := map[string]any{"http": map[string]any{"method": r.method, "path": r.path}, "stage": "$default"}
	if r.gateway == "url" {
		context["domainName"] = "abcdefghij.lambda-url.us-east-1.on.aws"
	}
	if r.vouched {
		context["authorizer"] = map[string]any{"iam": caller}
	}
	event["requestContext"] = context
	return event
}

// callAWS OPERATION JSON calls the simulator of AWS, as somebody beside the
// function would, and prints its answer.
func callAWS(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, args, 2, "call OPERATION JSON")
	answer := worldOf(ts).callAWS(args[0], args[1])
	fmt.Fprintln(ts.Stdout(), answer.Body)
	if (answer.Code != http.StatusOK) != neg {
		ts.Fatalf("AWS answered %d: %s", answer.Code, answer.Body)
	}
}

func (w *world) callAWS(operation, body string) *httptest.ResponseRecorder {
	service := "secretsmanager."
	if strings.Contains(operation, "Parameter") {
		service = "AmazonSSM."
	}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", service+operation)
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	answer := httptest.NewRecorder()
	w.aws.ServeHTTP(answer, r)
	return answer
}
