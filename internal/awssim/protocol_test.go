package awssim

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// An error must arrive as the SDK's type for it, because programs branch on that.
func TestErrorTypes(t *testing.T) {
	_, c := simulated(t)
	_, err := c.read("key", 0, "")
	if missing, is := errors.AsType[*types.ResourceNotFoundException](err); !is || !strings.Contains(missing.ErrorMessage(), "key") {
		t.Errorf("got %v", err)
	}
}

func TestProtocol(t *testing.T) {
	canary := "canary-5417"
	for _, test := range []struct {
		name, target, body string
		status             int
		want               string
	}{
		{"an operation of neither service", "AmazonSSM.GetSecretValue", `{}`, 400, `"UnknownOperationException"`},
		{"no operation", "", `{}`, 400, `"UnknownOperationException"`},
		{"no JSON", "secretsmanager.PutSecretValue", canary, 400, `"SerializationException"`},
		{"half a JSON", "secretsmanager.PutSecretValue", `{"SecretString":"` + canary, 400, `"SerializationException"`},
		{"JSON of another shape", "secretsmanager.PutSecretValue", `{"VersionStages":"` + canary + `"}`, 400, `"SerializationException"`},
		{"no base64", "secretsmanager.CreateSecret", `{"Name":"key","SecretBinary":"` + canary + `"}`, 400, `"SerializationException"`},
		{"an endless body", "secretsmanager.PutSecretValue", strings.Repeat(" ", maxBody+1), 413, `"RequestEntityTooLarge"`},
		{"nothing asked for", "secretsmanager.GetSecretValue", `{}`, 400, `"ResourceNotFoundException"`},
		{"an answer without members", "AmazonSSM.GetParametersByPath", `{"Path":"/"}`, 200, `{"Parameters":[]}`},
		{"a time", "secretsmanager.CreateSecret", `{"Name":"key"}`, 200, `"Name":"key"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(test.body))
			request.Header.Set("X-Amz-Target", test.target)
			recorder := httptest.NewRecorder()
			New().ServeHTTP(recorder, request)
			answer := recorder.Result()
			body, _ := io.ReadAll(answer.Body)
			if answer.StatusCode != test.status || !strings.Contains(string(body), test.want) || strings.Contains(string(body), canary) {
				t.Errorf("got %d %s, want %d with %s", answer.StatusCode, body, test.status, test.want)
			}
			if got := answer.Header.Get("Content-Type"); got != "application/x-amz-json-1.1" {
				t.Errorf("content type: got %s", got)
			}
			if !uuid.MatchString(answer.Header.Get("X-Amzn-RequestId")) {
				t.Error("no request id")
			}
		})
	}
}

// Each change of a secret must set its LastChangedDate.
func TestLastChangedDate(t *testing.T) {
	for name, change := range map[string]string{
		"PutSecretValue":           `{"SecretId":"key","SecretString":"v2"}`,
		"UpdateSecret":             `{"SecretId":"key","Description":"d"}`,
		"UpdateSecretVersionStage": `{"SecretId":"key","VersionStage":"mine","MoveToVersionId":"` + token(1) + `"}`,
		"RotateSecret":             `{"SecretId":"key","RotationLambdaARN":"arn","RotateImmediately":false}`,
		"DeleteSecret":             `{"SecretId":"key"}`,
		"RestoreSecret":            `{"SecretId":"key"}`,
		"CancelRotateSecret":       `{"SecretId":"key"}`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := New()
				post(t, sim, "secretsmanager.CreateSecret", `{"Name":"key","SecretString":"v1","ClientRequestToken":"`+token(1)+`"}`)
				post(t, sim, "secretsmanager.RotateSecret", `{"SecretId":"key","RotationLambdaARN":"arn","RotateImmediately":false}`)
				created := float64(time.Now().UnixMilli()) / 1000
				time.Sleep(90 * time.Second)
				post(t, sim, "secretsmanager."+name, change)
				answer := post(t, sim, "secretsmanager.DescribeSecret", `{"SecretId":"key"}`)
				if answer["CreatedDate"] != created || answer["LastChangedDate"] != created+90 {
					t.Errorf("got %v, changed %v, want %v and 90 s later", answer["CreatedDate"], answer["LastChangedDate"], created)
				}
			})
		})
	}
}

// post calls an operation, as in "AmazonSSM.GetParameter", without a network: virtual time stands still while a goroutine
// waits for one.
func post(t *testing.T, sim *Simulator, operation, body string) (answer map[string]any) {
	t.Helper()
	request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	request.Header.Set("X-Amz-Target", operation)
	recorder := httptest.NewRecorder()
	sim.ServeHTTP(recorder, request)
	if err := json.Unmarshal(recorder.Body.Bytes(), &answer); err != nil || recorder.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", operation, recorder.Code, recorder.Body)
	}
	return answer
}
