package awssim

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
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
		t.Error("changing the returned calls changed the simulator's")
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

func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := New()
		sim.Throttle("PutParameter", 2)
		put := func() string {
			request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"Name":"/app/a","Value":"v","Type":"String","Overwrite":true}`))
			request.Header.Set("X-Amz-Target", "AmazonSSM.PutParameter")
			answer := httptest.NewRecorder()
			sim.ServeHTTP(answer, request)
			if strings.Contains(answer.Body.String(), "ThrottlingException") != (answer.Code == http.StatusBadRequest) {
				t.Errorf("got %d %s", answer.Code, answer.Body)
			}
			return http.StatusText(answer.Code)
		}
		for i, step := range []struct {
			after time.Duration
			want  string
		}{
			{0, "OK"},
			{600 * time.Millisecond, "OK"},
			{100 * time.Millisecond, "Bad Request"},
			{300 * time.Millisecond, "OK"}, // the first one was a second ago, and a refused call does not count
			{100 * time.Millisecond, "Bad Request"},
			{10 * time.Second, "OK"},
		} {
			time.Sleep(step.after)
			if got := put(); got != step.want {
				t.Errorf("call %d: got %s, want %s", i, got, step.want)
			}
		}
		sim.PutParameter("/app/a", "String", "v") // no call
		put()
		post(t, sim, "AmazonSSM.GetParameter", `{"Name":"/app/a"}`) // another operation
		sim.Throttle("PutParameter", 0)
		for range 3 {
			if got := put(); got != "OK" {
				t.Errorf("without a limit: got %s", got)
			}
		}
		if _, version := sim.Parameter("/app/a"); version != 9 {
			t.Errorf("got version %d, want 9: a call that is refused changes nothing", version)
		}
	})
}
