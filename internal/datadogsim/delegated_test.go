package datadogsim

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

var mapped = trust{"01234567-89ab-cdef-0123-456789abcdef", "AKIDEXAMPLE", "secret", "session", "eu-west-1"}

// exchange sends a proof that is signed by trust's own rules, after a change to its parts.
func exchange(t *testing.T, s *Simulator, change func(headers map[string][]string, parts []string)) *httptest.ResponseRecorder {
	t.Helper()
	at := time.Now().UTC()
	headers := map[string][]string{
		"Content-Length": {"43"}, "Content-Type": {formType}, "host": {mapped.host()}, "X-Amz-Date": {at.Format(amzTime)},
		"X-Amz-Security-Token": {mapped.sessionToken}, "x-ddog-org-id": {mapped.orgUUID},
	}
	parts := []string{identityCall, "", "POST", "https://" + mapped.host()}
	change(headers, parts)
	if headers["Authorization"] == nil {
		values := map[string]string{}
		for name, value := range headers {
			values[strings.ToLower(name)] = value[0]
		}
		headers["Authorization"] = []string{"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/" + at.Format("20060102") + "/eu-west-1/sts/aws4_request, SignedHeaders=" +
			strings.Join(signedHeaders, ";") + ", Signature=" + mapped.signature(values, at)}
	}
	encoded, _ := json.Marshal(headers)
	for i, text := range []string{parts[0], string(encoded), "", parts[3]} {
		if i != 2 {
			parts[i] = base64.StdEncoding.EncodeToString([]byte(text))
		}
	}
	request := httptest.NewRequest(http.MethodPost, delegatedPath, nil)
	request.Header.Set("Authorization", "Delegated "+strings.Join(parts, "|"))
	request.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	s.ServeHTTP(recorder, request)
	return recorder
}

func TestProofsAreChecked(t *testing.T) {
	s := New()
	s.TrustAWS(mapped.orgUUID, mapped.accessKeyID, mapped.secretAccessKey, mapped.sessionToken, mapped.region)
	for name, c := range map[string]struct {
		change func(headers map[string][]string, parts []string)
		status int
	}{
		"as it should be":         {func(map[string][]string, []string) {}, 200},
		"another organization":    {func(h map[string][]string, _ []string) { h["x-ddog-org-id"] = []string{"1"} }, 403},
		"no organization":         {func(h map[string][]string, _ []string) { h["x-ddog-org-id"] = []string{""} }, 403},
		"another session":         {func(h map[string][]string, _ []string) { h["X-Amz-Security-Token"] = []string{"x"} }, 403},
		"another host":            {func(h map[string][]string, _ []string) { h["host"] = []string{"sts.amazonaws.com"} }, 403},
		"another type":            {func(h map[string][]string, _ []string) { h["Content-Type"] = []string{"text/plain"} }, 403},
		"of yesterday":            {func(h map[string][]string, _ []string) { h["X-Amz-Date"] = []string{"20060102T150405Z"} }, 403},
		"a header twice":          {func(h map[string][]string, _ []string) { h["host"] = append(h["host"], "x") }, 403},
		"a broken signature":      {func(h map[string][]string, _ []string) { h["Authorization"] = []string{"AWS4-HMAC-SHA256"} }, 403},
		"another call":            {func(_ map[string][]string, p []string) { p[0] = "Action=AssumeRole&Version=2011-06-15" }, 403},
		"another method":          {func(_ map[string][]string, p []string) { p[2] = "GET" }, 403},
		"an address of strangers": {func(_ map[string][]string, p []string) { p[3] = "https://sts.example" }, 403},
		"no TLS":                  {func(_ map[string][]string, p []string) { p[3] = mapped.host() }, 403},
	} {
		t.Run(name, func(t *testing.T) {
			if got := exchange(t, s, c.change); got.Code != c.status {
				t.Errorf("got %d %s, want %d", got.Code, got.Body, c.status)
			}
		})
	}
	s.TrustAWS(mapped.orgUUID, mapped.accessKeyID, "another secret", mapped.sessionToken, mapped.region)
	if got := exchange(t, s, func(map[string][]string, []string) {}); got.Code != 403 || !strings.Contains(got.Body.String(), "signature") {
		t.Errorf("got %d %s for the signature of another secret", got.Code, got.Body)
	}
}

func TestIssuedTokensEnd(t *testing.T) {
	s := New()
	s.TrustAWS(mapped.orgUUID, mapped.accessKeyID, mapped.secretAccessKey, mapped.sessionToken, mapped.region)
	call := func(token string) int {
		request := httptest.NewRequest(http.MethodGet, keysPath, nil)
		request.Header.Set("Authorization", "Bearer "+token)
		recorder := httptest.NewRecorder()
		s.ServeHTTP(recorder, request)
		return recorder.Code
	}
	issue := func() string {
		var answer struct {
			Data struct {
				Attributes struct {
					Token string `json:"access_token"`
				}
			}
		}
		_ = json.Unmarshal(exchange(t, s, func(map[string][]string, []string) {}).Body.Bytes(), &answer)
		return answer.Data.Attributes.Token
	}
	if token := issue(); token == "" || call(token) != 200 || call(token+"x") != 401 || call("") != 401 {
		t.Errorf("the token %q is not accepted, or another one is", token)
	}
	token := issue()
	s.RevokeTokens()
	if call(token) != 401 {
		t.Error("a revoked token is accepted")
	}
	s.IssueTokens("short", -time.Second)
	if token := issue(); !strings.HasPrefix(token, "short") || call(token) != 401 {
		t.Errorf("%q has ended and is accepted", token)
	}
}
