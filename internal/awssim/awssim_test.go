package awssim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

func TestCalls(t *testing.T) {
	sim, c := simulated(t)
	sim.PutSecret("key", "v1")
	sim.Fail("DescribeSecret", 1, 400, "AccessDeniedException", "no")

	_, _ = c.read("key", 0, "")
	_, _ = c.secrets.DescribeSecret(c.Context(), &secretsmanager.DescribeSecretInput{SecretId: new(sim.SecretARN("key"))})
	_, _ = c.secrets.GetRandomPassword(c.Context(), &secretsmanager.GetRandomPasswordInput{})
	_, _ = c.parameters.GetParametersByPath(c.Context(), &ssm.GetParametersByPathInput{Path: new("/app")})
	_, _ = c.parameters.GetParameters(c.Context(), &ssm.GetParametersInput{Names: []string{"/a/b", "/c/d"}})
	_, _ = c.parameter("/no/such", false)

	want := []Call{
		{"GetSecretValue", "key"},
		{"DescribeSecret", sim.SecretARN("key")},
		{"GetRandomPassword", ""},
		{"GetParametersByPath", "/app"},
		{"GetParameters", "/a/b,/c/d"},
		{"GetParameter", "/no/such"},
	}
	got := sim.Calls()
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	got[0] = Call{}
	if sim.Calls()[0] == got[0] {
		t.Error("a change of the calls returned is a change of the simulator's")
	}
}

func TestFail(t *testing.T) {
	sim, c := simulated(t)
	id := sim.PutSecret("key", "v1")
	sim.Fail("GetSecretValue", 2, 400, "AccessDeniedException", "not for you")
	sim.Fail("GetSecretValue", 1, 500, "InternalServiceError", "oh")
	sim.Fail("PutSecretValue", 1, 400, "ThrottlingException", "slower")
	sim.Fail("DescribeSecret", 0, 500, "InternalServiceError", "never")

	for _, want := range []struct {
		code   string
		status int
	}{{"AccessDeniedException", 400}, {"AccessDeniedException", 400}, {"InternalServiceError", 500}} {
		_, err := c.read("key", 0, "")
		c.refused(want.code, err)
		if answer, is := errors.AsType[*smithyhttp.ResponseError](err); !is || answer.HTTPStatusCode() != want.status {
			t.Errorf("got %v, want status %d", err, want.status)
		}
	}
	c.wantValue("v1", "key", 0, "")

	c.refused("ThrottlingException", c.put("key", "v2", 2))
	if out := got(c.read("key", 0, ""))(c); *out.VersionId != id {
		t.Error("a call that failed changed the secret")
	}
	c.describe("key")
}

// An error has to arrive as the SDK's own type of it, which is what programs branch on.
func TestErrorTypes(t *testing.T) {
	_, c := simulated(t)
	_, err := c.read("key", 0, "")
	if missing, is := errors.AsType[*types.ResourceNotFoundException](err); !is || !strings.Contains(missing.ErrorMessage(), "key") {
		t.Errorf("got %v", err)
	}
}

func TestOnLabelMoved(t *testing.T) {
	sim, c := simulated(t)
	var moves []LabelMove
	sim.OnLabelMoved(func(move LabelMove) { moves = append(moves, move) })
	var arn string
	expect := func(what string, want ...LabelMove) {
		t.Helper()
		for i := range want {
			want[i].ARN, want[i].Name = arn, "key"
		}
		if !slices.Equal(moves, want) {
			t.Errorf("%s: got %v, want %v", what, moves, want)
		}
		moves = nil
	}

	arn = c.create("key", "v1", 1)
	expect("a creation with a value", LabelMove{Label: "AWSCURRENT", VersionID: token(1)})
	if err := errors.Join(c.put("key", "v2", 2, "AWSPENDING"), c.move("key", "AWSPREVIOUS", 0, 2)); err != nil {
		t.Fatal(err)
	}
	expect("AWSPENDING and AWSPREVIOUS")
	c.moved("key", "AWSCURRENT", 1, 2)
	expect("a rotation's end", LabelMove{Label: "AWSCURRENT", VersionID: token(2)})
	c.moved("key", "AWSCURRENT", 2, 1)
	expect("a roll-back", LabelMove{Label: "AWSCURRENT", VersionID: token(1)})
	if err := errors.Join(c.put("key", "v3", 3, "mine", "AWSCURRENT"), c.put("key", "v3", 3, "mine", "AWSCURRENT")); err != nil {
		t.Fatal(err)
	}
	expect("a put, and the same again",
		LabelMove{Label: "mine", VersionID: token(3)}, LabelMove{Label: "AWSCURRENT", VersionID: token(3)})
	c.moved("key", "mine", 3, 0)
	c.refused("InvalidParameterException", c.move("key", "AWSCURRENT", 1, 2))
	sim.DeleteSecret("key")
	got(c.secrets.RestoreSecret(c.Context(), &secretsmanager.RestoreSecretInput{SecretId: new("key")}))(c)
	expect("a removal, a refusal, a deletion and a restoration")
	id := sim.PutSecret("key", "v4")
	expect("a put without HTTP", LabelMove{Label: "AWSCURRENT", VersionID: id})
	sim.Foreign("arn:aws:secretsmanager:eu-west-1:111122223333:secret:key-AbCdEf", "v1")
	expect("another region's secret")
}

// A listener that looks for itself has to find the change, by HTTP too, and the change's author to find the listener done.
func TestOnLabelMovedMayCallBack(t *testing.T) {
	sim, c := simulated(t)
	seen := ""
	sim.OnLabelMoved(func(move LabelMove) {
		out := got(c.read(move.ARN, 0, move.Label))(c)
		if seen = *out.SecretString; seen == "v1" {
			sim.PutSecret(move.Name, "v2")
		}
	})
	c.create("key", "v1", 1)
	if seen != "v2" {
		t.Errorf("the listener saw %q last, want v2", seen)
	}
}

func TestDoors(t *testing.T) {
	sim, c := simulated(t)
	if arn := sim.SecretARN("key"); arn != "" {
		t.Errorf("a secret that is not there has the ARN %s", arn)
	}
	first := sim.PutSecret("key", "v1")
	binary := []byte{1, 2, 3}
	second := sim.PutSecretBinary("key", binary)
	binary[0] = 9 // the caller's from here on
	if arn := sim.SecretARN("key"); arn != "arn:aws:secretsmanager:us-east-1:111122223333:secret:key-AbCdEf" {
		t.Errorf("got ARN %s", arn)
	}
	if out := got(c.read("key", 0, ""))(c); *out.VersionId != second || !slices.Equal(out.SecretBinary, []byte{1, 2, 3}) {
		t.Errorf("current: got %s %v", *out.VersionId, out.SecretBinary)
	}
	if out := got(c.read("key", 0, "AWSPREVIOUS"))(c); *out.VersionId != first || *out.SecretString != "v1" {
		t.Errorf("previous: got %s", *out.VersionId)
	}
	sim.DeleteSecret("key")
	_, err := c.read("key", 0, "")
	c.wantMarked(err)
	if sim.SecretARN("key") == "" {
		t.Error("a secret marked for deletion has no ARN")
	}
	for _, value := range []string{"v1", "v2"} {
		sim.PutParameter("/app/a", "SecureString", value)
	}
	if p := got(c.parameter("/app/a", true))(c); *p.Value != "v2" || p.Version != 2 || p.Type != "SecureString" {
		t.Errorf("parameter: got %q version %d of type %s", *p.Value, p.Version, p.Type)
	}
}

func TestDoorsPanic(t *testing.T) {
	for name, misuse := range map[string]func(*Simulator){
		"an empty value":          func(sim *Simulator) { sim.PutSecret("key", "") },
		"a nil value":             func(sim *Simulator) { sim.PutSecretBinary("key", nil) },
		"a bad secret name":       func(sim *Simulator) { sim.PutSecret("a b", "v") },
		"no secret to delete":     func(sim *Simulator) { sim.DeleteSecret("key") },
		"a bad parameter name":    func(sim *Simulator) { sim.PutParameter("a/b", "String", "v") },
		"a bad parameter type":    func(sim *Simulator) { sim.PutParameter("/a/b", "Text", "v") },
		"a name for a foreigner":  func(sim *Simulator) { sim.Foreign("key", "v") },
		"an own ARN":              func(sim *Simulator) { sim.Foreign(secretARNs+"key-AbCdEf", "v") },
		"an ARN without its end":  func(sim *Simulator) { sim.Foreign("arn:aws:secretsmanager:eu-west-1:111122223333:secret:key", "v") },
		"a value after a removal": func(sim *Simulator) { sim.PutSecret("key", "v"); sim.DeleteSecret("key"); sim.PutSecret("key", "v") },
	} {
		t.Run(name, func(t *testing.T) {
			sim := New()
			defer func() {
				if recover() == nil {
					t.Error("it went through")
				}
				sim.PutSecret("still-usable", "v") // the panic left no lock behind
			}()
			misuse(sim)
		})
	}
}

func TestForeign(t *testing.T) {
	sim, c := simulated(t)
	arn := "arn:aws:secretsmanager:us-east-1:999999999999:secret:shared/key-Xy12Z9"
	sim.PutSecret("shared/key", "ours")
	sim.Foreign(arn, "v1")
	sim.Foreign(arn, "v2")
	c.wantValue("ours", "shared/key", 0, "")
	c.wantValue("v2", arn, 0, "")
	c.wantValue("v1", arn, 0, "AWSPREVIOUS")
	if secret := c.describe(arn); *secret.Name != "shared/key" || *secret.ARN != arn {
		t.Errorf("got %s %s", *secret.Name, *secret.ARN)
	}
	_, err := c.read(arn[:len(arn)-7], 0, "")
	c.refused("ResourceNotFoundException", err)
	if names := c.list(secretsmanager.ListSecretsInput{}); len(names) != 1 {
		t.Errorf("listed: got %v", names)
	}
	if err := c.remove(secretsmanager.DeleteSecretInput{SecretId: &arn, ForceDeleteWithoutRecovery: new(true)}); err != nil {
		t.Fatal(err)
	}
	_, err = c.read(arn, 0, "")
	c.refused("ResourceNotFoundException", err)
	c.wantValue("ours", "shared/key", 0, "")
}

func TestARNSuffix(t *testing.T) {
	sim, c := simulated(t)
	seen := map[string]bool{}
	for range 3 {
		sim.PutSecret("key", "v")
		arn := sim.SecretARN("key")
		if !regexp.MustCompile(`-[A-Za-z0-9]{6}$`).MatchString(arn) || seen[arn] {
			t.Errorf("ARN %s after %v", arn, seen)
		}
		seen[arn] = true
		if err := c.remove(secretsmanager.DeleteSecretInput{SecretId: new("key"), ForceDeleteWithoutRecovery: new(true)}); err != nil {
			t.Fatal(err)
		}
	}
	if !seen[secretARNs+"key-AbCdEf"] {
		t.Errorf("the first of %v does not end in AbCdEf", seen)
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

// LastChangedDate is what tells a reconciliation that there is something to look at, so every change has to move it.
func TestLastChangedDate(t *testing.T) {
	for name, change := range map[string]string{
		"PutSecretValue":           `{"SecretId":"key","SecretString":"v2"}`,
		"UpdateSecret":             `{"SecretId":"key","Description":"d"}`,
		"UpdateSecretVersionStage": `{"SecretId":"key","VersionStage":"mine","MoveToVersionId":"` + token(1) + `"}`,
		"RotateSecret":             `{"SecretId":"key","RotationLambdaARN":"arn","RotateImmediately":false}`,
		"DeleteSecret":             `{"SecretId":"key"}`,
		"RestoreSecret":            `{"SecretId":"key"}`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := New()
				post(t, sim, "CreateSecret", `{"Name":"key","SecretString":"v1","ClientRequestToken":"`+token(1)+`"}`)
				created := float64(time.Now().UnixMilli()) / 1000
				time.Sleep(90 * time.Second)
				post(t, sim, name, change)
				answer := post(t, sim, "DescribeSecret", `{"SecretId":"key"}`)
				if answer["CreatedDate"] != created || answer["LastChangedDate"] != created+90 {
					t.Errorf("got %v, changed %v, want %v and 90 s later", answer["CreatedDate"], answer["LastChangedDate"], created)
				}
			})
		})
	}
}

// post calls Secrets Manager without a network, which virtual time cannot be waited for on.
func post(t *testing.T, sim *Simulator, operation, body string) (answer map[string]any) {
	t.Helper()
	request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	request.Header.Set("X-Amz-Target", "secretsmanager."+operation)
	recorder := httptest.NewRecorder()
	sim.ServeHTTP(recorder, request)
	if err := json.Unmarshal(recorder.Body.Bytes(), &answer); err != nil || recorder.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", operation, recorder.Code, recorder.Body)
	}
	return answer
}

// Readers, writers and listeners at the same time: the race detector is the judge, and no label is ever seen nowhere.
func TestConcurrentUse(t *testing.T) {
	sim, c := simulated(t)
	sim.PutSecret("key", "v")
	var mu sync.Mutex
	moves := 0
	sim.OnLabelMoved(func(LabelMove) { mu.Lock(); moves++; mu.Unlock() })

	const workers, rounds = 8, 10
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			for round := range rounds {
				sim.PutSecret("key", fmt.Sprintf("value %d of %d", round, worker))
				sim.PutParameter(fmt.Sprintf("/app/%d", worker), "String", "v")
				if out, err := c.read("key", 0, "AWSCURRENT"); err != nil || !slices.Contains(out.VersionStages, "AWSCURRENT") {
					t.Errorf("reading: %v", err)
				}
				if out, err := c.secrets.DescribeSecret(c.Context(), &secretsmanager.DescribeSecretInput{SecretId: new("key")}); err != nil || len(out.VersionIdsToStages) != 2 && round > 0 {
					t.Errorf("describing: %v", err)
				}
				_, _ = c.parameters.GetParametersByPath(c.Context(), &ssm.GetParametersByPathInput{Path: new("/app"), MaxResults: aws.Int32(3)})
				sim.Calls()
			}
		})
	}
	group.Wait()
	if moves != workers*rounds {
		t.Errorf("%d label moves heard, want %d", moves, workers*rounds)
	}
	if calls := len(sim.Calls()); calls != 3*workers*rounds {
		t.Errorf("%d calls recorded, want %d", calls, 3*workers*rounds)
	}
}
