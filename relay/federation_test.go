package relay

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"sort"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"credential-relay/internal/awssim"
	"credential-relay/internal/datadogsim"
)

const (
	org           = "01234567-89ab-cdef-0123-456789abcdef"
	canarySession = "canary-3K8-aws-sessiontoken"
	canaryIssued  = "canary-2T7-datadog-issued"
)

// federated is a world whose engine has no key of Datadog's, and the simulator's
// count of the tokens that it has issued.
func federated(t testing.TB, region string) (*world, func() int) {
	w := bound(t)
	w.datadog.SetKeys("", "")
	w.datadog.IssueTokens(canaryIssued, 15*time.Minute)
	w.datadog.TrustAWS(org, "AKIDEXAMPLE", canaryAWSKey, canarySession, region)
	w.engine.Datadog.Keys = Federation{OrgUUID: org, Region: region, Credentials: role(canarySession), Datadog: w.engine.Datadog}.Keys()
	return w, func() (issued int) {
		for _, request := range w.datadog.Requests() {
			if request.Operation == datadogsim.DelegatedToken && request.Status == http.StatusOK {
				issued++
			}
		}
		return issued
	}
}

func role(session string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: canaryAWSKey, SessionToken: session}, nil
	})
}

// TestTheProofIsWhatAWSAndDatadogExpect looks at what is sent with eyes of its
// own: nothing here is of the code under test, of the SDK or of the simulator.
func TestTheProofIsWhatAWSAndDatadogExpect(t *testing.T) {
	for region, want := range map[string]struct{ url, signedFor string }{
		"us-east-1":      {"https://sts.us-east-1.amazonaws.com", "us-east-1"},
		"eu-central-1":   {"https://sts.eu-central-1.amazonaws.com", "eu-central-1"},
		"us-gov-west-1":  {"https://sts.us-gov-west-1.amazonaws.com", "us-gov-west-1"},
		"cn-northwest-1": {"https://sts.cn-northwest-1.amazonaws.com.cn", "cn-northwest-1"},
		"":               {"https://sts.amazonaws.com", "us-east-1"},
	} {
		t.Run(region, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, _ := federated(t, region)
				if o := w.relayOne(SecretNamed(oktaSecret), time.Minute); o.Outcome != Updated {
					t.Fatalf("got %s, want updated", encoded(t, o))
				}
				for _, request := range w.datadog.Requests() {
					if request.Operation != datadogsim.DelegatedToken {
						if got := request.Header.Get("Authorization"); got != "Bearer "+canaryIssued+"-1" || request.Header.Get("DD-API-KEY") != "" {
							t.Errorf("%s is authenticated by %q", request.Path, got)
						}
						continue
					}
					if request.Method != "POST" || request.Path != "/api/v2/delegated-token" || request.Body != "" || request.Header.Get("Content-Type") != "application/json" {
						t.Errorf("got the exchange %s %s %q %v", request.Method, request.Path, request.Body, request.Header)
					}
					verifyProof(t, request.Header.Get("Authorization"), want.url, want.signedFor)
				}
			})
		})
	}
}

func verifyProof(t *testing.T, header, stsURL, region string) {
	t.Helper()
	parts := strings.Split(strings.TrimPrefix(header, "Delegated "), "|")
	if len(parts) != 4 || !strings.HasPrefix(header, "Delegated ") {
		t.Fatalf("the proof has %d parts, want 4", len(parts))
	}
	decode := func(text string) string {
		plain, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return string(plain)
	}
	body, address := decode(parts[0]), decode(parts[3])
	if body != "Action=GetCallerIdentity&Version=2011-06-15" || parts[2] != "POST" || address != stsURL {
		t.Errorf("it is %s %s %q, want POST %s", parts[2], address, body, stsURL)
	}
	var headers map[string][]string
	if err := json.Unmarshal([]byte(decode(parts[1])), &headers); err != nil {
		t.Fatal(err)
	}
	signature := headers["Authorization"]
	delete(headers, "Authorization")
	now := time.Now().UTC()
	want := map[string][]string{
		"Content-Length": {"43"}, "Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"},
		"host": {strings.TrimPrefix(stsURL, "https://")}, "User-Agent": headers["User-Agent"], "X-Amz-Date": {now.Format("20060102T150405Z")},
		"X-Amz-Security-Token": {canarySession}, "x-ddog-org-id": {org},
	}
	if !reflect.DeepEqual(headers, want) || len(headers["User-Agent"]) != 1 {
		t.Errorf("got the headers  %v\nwant the headers %v", headers, want)
	}
	delete(headers, "User-Agent")
	plain := map[string]string{}
	for name, values := range headers {
		plain[strings.ToLower(name)] = values[0]
	}
	made := signV4(canaryAWSKey, now, region, "sts", "POST", "", plain, body)
	full := "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/" + now.Format("20060102") + "/" + region + "/sts/aws4_request, " +
		"SignedHeaders=content-length;content-type;host;x-amz-date;x-amz-security-token;x-ddog-org-id, Signature=" + made
	if len(signature) != 1 || signature[0] != full {
		t.Errorf("got the signature  %v\nwant the signature %s", signature, full)
	}
}

// signV4 is AWS's Signature Version 4, of a call to the root of a service, with
// all headers signed.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
func signV4(secret string, at time.Time, region, service, method, query string, headers map[string]string, body string) string {
	sum := func(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }
	mac := func(key, text string) string {
		h := hmac.New(sha256.New, []byte(key))
		h.Write([]byte(text))
		return string(h.Sum(nil))
	}
	var names []string
	for name := range headers {
		names = append(names, name)
	}
	sort.Strings(names)
	var lines string
	for _, name := range names {
		lines += name + ":" + headers[name] + "\n"
	}
	canonical := method + "\n/\n" + query + "\n" + lines + "\n" + strings.Join(names, ";") + "\n" + sum(body)
	day := at.Format("20060102")
	scope := day + "/" + region + "/" + service + "/aws4_request"
	key := mac(mac(mac(mac("AWS4"+secret, day), region), service), "aws4_request")
	return hex.EncodeToString([]byte(mac(key, "AWS4-HMAC-SHA256\n"+at.Format("20060102T150405Z")+"\n"+scope+"\n"+sum(canonical))))
}

// TestTheVerifierAgreesWithAWS has it sign the example of AWS's documentation.
func TestTheVerifierAgreesWithAWS(t *testing.T) {
	const want = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
	at := time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
	got := signV4("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", at, "us-east-1", "iam", "GET", url.Values{"Action": {"ListUsers"}, "Version": {"2010-05-08"}}.Encode(),
		map[string]string{"content-type": "application/x-www-form-urlencoded; charset=utf-8", "host": "iam.amazonaws.com", "x-amz-date": "20150830T123600Z"}, "")
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestTokensThatCannotBeHad fail the relay, whatever Datadog answers: it is no
// answer to the call that the token is for.
func TestTokensThatCannotBeHad(t *testing.T) {
	for status, wants := range map[int]struct {
		retryable bool
		text      string
	}{
		400: {false, "DD_ORG_UUID: the organization " + org + " does not take"}, 401: {false, "DD_ORG_UUID: the organization " + org + " does not take"},
		403: {false, "DD_ORG_UUID: the organization " + org + " does not take"}, 404: {false, "DD_ORG_UUID: the organization " + org + " does not take"},
		422: {false, "DD_ORG_UUID: the organization " + org + " does not take"}, 405: {false, "persona mapping"}, 501: {false, "501"},
		429: {true, "429"}, 500: {true, "500"}, 503: {true, "503"}, 302: {false, "redirects are not followed"},
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, _ := federated(t, awssim.Region)
				w.datadog.ScriptForever(datadogsim.DelegatedToken, datadogsim.Answer{Status: status, Body: `{"errors":["` + canarySession + `"]}`})
				o := w.relayOne(SecretNamed(oktaSecret), time.Minute)
				if o.Outcome != Failed || o.Error.Stage != AtConfig || o.Error.Retryable != wants.retryable || !strings.Contains(o.Error.Message, wants.text) {
					t.Errorf("got %s, want failed at the config, retryable %t, and %q", encoded(t, o), wants.retryable, wants.text)
				}
				if strings.Contains(encoded(t, o), canarySession) || !w.holds("1111", `{"api_token":"old"}`) {
					t.Errorf("the session token is out, or the credential in: %s", encoded(t, o))
				}
			})
		})
	}
}

// TestNoErrorHoldsTheProof has Datadog quote all that it has been sent, encoded
// and decoded.
func TestNoErrorHoldsTheProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := federated(t, awssim.Region)
		var quoted string
		w.line.failing(func(call) fault {
			return func(request *http.Request, serve func() *http.Response) (*http.Response, error) {
				quoted = request.Header.Get("Authorization")
				parts := append(strings.Split(quoted, "|"), "", "", "")
				headers, _ := base64.StdEncoding.DecodeString(parts[1])
				w.datadog.Script(datadogsim.DelegatedToken, datadogsim.Answer{Status: 403, ContentType: "text/plain", Body: string(headers[:200]) + parts[1][:40] + string(headers[200:])})
				return serve(), nil
			}
		})
		_, err := w.engine.Datadog.Keys(t.Context(), nil)
		if err == nil || quoted == "" {
			t.Fatalf("got %v after %q", err, quoted)
		}
		for _, secret := range []string{canarySession[:12], canaryAWSKey[:12], "Signature=", strings.Split(quoted, "|")[1][:12]} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error holds %q: %v", secret, err)
			}
		}
	})
}

func TestOnlyARoleHasAProof(t *testing.T) {
	broken := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, errors.New("none there") })
	for want, provider := range map[string]aws.CredentialsProvider{"no session token": role(""), "the function's AWS credentials: none there": broken} {
		_, err := Federation{OrgUUID: org, Region: awssim.Region, Credentials: provider}.Keys()(t.Context(), nil)
		if err == nil || !regexp.MustCompile(want).MatchString(err.Error()) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
