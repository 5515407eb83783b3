package environment

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"credential-relay/datadog"
)

const (
	canary       = "canary-4D1-datadog-key"
	secretARN    = "arn:aws:secretsmanager:us-east-1:111122223333:secret:datadog/keys-AbCdEf"
	orgUUID      = "01234567-89ab-cdef-0123-456789abcdef"
	parameterARN = "arn:aws:ssm:us-east-1:111122223333:parameter/datadog/keys"
)

func TestRead(t *testing.T) {
	const keys = "DD_API_KEY=" + canary + " DD_APP_KEY=" + canary
	for _, c := range []struct {
		name      string
		variables string
		problems  []string // how each line of the error begins; none when there is nothing wrong
	}{
		{"a secret", "DD_CREDENTIALS_ARN=" + secretARN, nil},
		{"a parameter", "DD_CREDENTIALS_ARN=" + parameterARN, nil},
		{"a secret of China", "DD_CREDENTIALS_ARN=arn:aws-cn:secretsmanager:cn-north-1:111122223333:secret:datadog/keys-AbCdEf", nil},
		{"two keys", keys, nil},
		{"a token", "DD_BEARER_TOKEN=" + canary, nil},
		{"keys, and an empty token", keys + " DD_BEARER_TOKEN= DD_CREDENTIALS_ARN=", nil},
		{"a list", "DD_CREDENTIALS_ARN=" + secretARN + "," + parameterARN, nil},
		{"an organization", "DD_ORG_UUID=" + orgUUID, nil},
		{"another site", "DD_SITE=us2.ddog-gov.com " + keys, nil},
		{"empty variables are as if they were not there", "DD_SITE= DD_API_URL= BINDINGS_PATH= " + keys, nil},
		{"an address instead of the site", "DD_API_URL=https://proxy.example:8443/datadog " + keys, nil},
		{"an address on loopback", "DD_API_URL=http://127.0.0.1:8080 " + keys, nil},
		{"a path of levels", "BINDINGS_PATH=/teams/security/relay " + keys, nil},
		{"variables of others", "PATH=/bin DD_ENV=prod =x y " + keys, nil},

		{"no key", "", []string{"DD_CREDENTIALS_ARN: is missing"}},
		{"an empty ARN", "DD_CREDENTIALS_ARN=", []string{"DD_CREDENTIALS_ARN: is missing"}},
		{"half the keys", "DD_API_KEY=" + canary, []string{"DD_API_KEY, DD_APP_KEY, DD_BEARER_TOKEN: the application key is missing"}},
		{"the other half", "DD_APP_KEY=" + canary, []string{"DD_API_KEY, DD_APP_KEY, DD_BEARER_TOKEN: the API key is missing"}},
		{"keys and a token", keys + " DD_BEARER_TOKEN=" + canary, []string{"DD_API_KEY with DD_APP_KEY, DD_BEARER_TOKEN: are set together"}},
		{"an ARN and keys", keys + " DD_CREDENTIALS_ARN=" + secretARN, []string{"DD_CREDENTIALS_ARN, DD_API_KEY with DD_APP_KEY: are set together"}},
		{"an ARN and half the keys", "DD_APP_KEY=" + canary + " DD_CREDENTIALS_ARN=" + secretARN, []string{"DD_CREDENTIALS_ARN, DD_API_KEY with DD_APP_KEY: are set together"}},
		{"an ARN and a token", "DD_BEARER_TOKEN=" + canary + " DD_CREDENTIALS_ARN=" + secretARN, []string{"DD_CREDENTIALS_ARN, DD_BEARER_TOKEN: are set together"}},
		{"a key with a line break", "DD_API_KEY=" + canary + "\n DD_APP_KEY=" + canary, []string{"DD_API_KEY, DD_APP_KEY, DD_BEARER_TOKEN: the API key holds a space"}},
		{"a key instead of an ARN", "DD_CREDENTIALS_ARN=" + canary, []string{"DD_CREDENTIALS_ARN: must be the ARN"}},
		{"an ARN of something else", "DD_CREDENTIALS_ARN=arn:aws:s3:::bucket/" + canary, []string{"DD_CREDENTIALS_ARN: must be the ARN"}},
		{"everything that authenticates", keys + " DD_ORG_UUID=" + orgUUID + " DD_BEARER_TOKEN=x DD_CREDENTIALS_ARN=" + secretARN, []string{"DD_CREDENTIALS_ARN, DD_ORG_UUID, DD_API_KEY with DD_APP_KEY, DD_BEARER_TOKEN: are set together"}},
		{"a list with a key in it", "DD_CREDENTIALS_ARN=" + secretARN + "," + canary, []string{"DD_CREDENTIALS_ARN: element 2 of its list must be the ARN"}},
		{"a list with nothing in it", "DD_CREDENTIALS_ARN=," + secretARN, []string{"DD_CREDENTIALS_ARN: element 1 of its list must be the ARN"}},
		{"a list of one twice", "DD_CREDENTIALS_ARN=" + secretARN + "," + secretARN, []string{"DD_CREDENTIALS_ARN: element 2 of its list is there twice"}},
		{"an organization's name", "DD_ORG_UUID=" + canary, []string{"DD_ORG_UUID: must be the UUID"}},
		{"an organization with more behind it", "DD_ORG_UUID=" + orgUUID + "\nx", []string{"DD_ORG_UUID: must be the UUID"}},
		{"a site that is none", "DD_SITE=datadog.example " + keys, []string{`DD_SITE: "datadog.example" is not a Datadog site; use one of datadoghq.com, us3.datadoghq.com`}},
		{"a site as an address", "DD_SITE=https://api.datadoghq.com " + keys, []string{"DD_SITE:"}},
		{"a site that begins as one", "DD_SITE=datadoghq.com.example " + keys, []string{"DD_SITE:"}},
		{"a site in another case", "DD_SITE=Datadoghq.com " + keys, []string{"DD_SITE:"}},
		{"an address without TLS", "DD_API_URL=http://datadog.example " + keys, []string{"DD_API_URL: must be https"}},
		{"an address that is none", "DD_API_URL=datadog.example " + keys, []string{"DD_API_URL:"}},
		{"an address with a password", "DD_API_URL=https://me:" + canary + "@datadog.example " + keys, []string{"DD_API_URL: must be https://host"}},
		{"an address with what no address has", "DD_API_URL=https://datadog.example/\x7f" + canary + " " + keys, []string{"DD_API_URL: is not a URL"}},
		{"a site and an address: both must be right", "DD_SITE=x DD_API_URL=http://y " + keys, []string{"DD_SITE:", "DD_API_URL:"}},
		{"a path without a slash", "BINDINGS_PATH=relay " + keys, []string{"BINDINGS_PATH:"}},
		{"a path with a slash behind it", "BINDINGS_PATH=/relay/ " + keys, []string{"BINDINGS_PATH:"}},
		{"a path of a slash", "BINDINGS_PATH=/ " + keys, []string{"BINDINGS_PATH:"}},
		{"a path with an empty level", "BINDINGS_PATH=/a//b " + keys, []string{"BINDINGS_PATH:"}},
		{"a path of AWS's own", "BINDINGS_PATH=/aws/relay " + keys, []string{"BINDINGS_PATH:"}},
		{"a path of Parameter Store's own", "BINDINGS_PATH=/ssm-relay " + keys, []string{"BINDINGS_PATH:"}},
		{"a stack", "STACK_NAME=Relay-2 " + keys, nil},
		{"a stack with a name that is too long", "STACK_NAME=a" + strings.Repeat("b", 128) + " " + keys, []string{"STACK_NAME:"}},
		{"a stack's id", "STACK_NAME=arn:aws:cloudformation:us-east-1:111122223333:stack/relay/51af3dc0 " + keys, []string{"STACK_NAME: must be"}},
		{
			"everything at once", "DD_SITE=x DD_API_URL=y DD_API_KEY=" + canary + " BINDINGS_PATH=z STACK_NAME=-",
			[]string{"DD_SITE:", "DD_API_URL:", "DD_API_KEY, DD_APP_KEY, DD_BEARER_TOKEN:", "BINDINGS_PATH:", "STACK_NAME:"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Read(strings.Split(c.variables, " "))
			var lines []string
			if err != nil {
				lines = strings.Split(err.Error(), "\n")
			}
			if !slices.EqualFunc(lines, c.problems, strings.HasPrefix) {
				t.Errorf("got the error %v, want lines that begin with %q", err, c.problems)
			}
			if strings.Contains(fmt.Sprint(err), canary) {
				t.Errorf("the error holds a key: %v", err)
			}
		})
	}
}

// TestEnvironmentDoesNotShow prints and logs it whole.
func TestEnvironmentDoesNotShow(t *testing.T) {
	e, err := Read([]string{"DD_API_KEY=" + canary, "DD_APP_KEY=" + canary})
	if err != nil {
		t.Fatal(err)
	}
	var shown bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		fmt.Fprintf(&shown, verb, e)
		fmt.Fprintf(&shown, verb, &e)
	}
	slog.New(slog.NewJSONHandler(&shown, nil)).Info("environment", "environment", e)
	slog.New(slog.NewTextHandler(&shown, nil)).Info("environment", "environment", e)
	encoded, err := json.Marshal(e)
	if strings.Contains(shown.String(), canary) || strings.Contains(shown.String(), fmt.Sprintf("%x", canary)) || bytes.Contains(encoded, []byte(canary)) || err != nil {
		t.Errorf("a key shows: %s %s, %v", shown.String(), encoded, err)
	}
}

func TestHandler(t *testing.T) {
	const keys = "DD_API_KEY=" + canary + " DD_APP_KEY=" + canary
	for _, c := range []struct{ name, variables, url, bindings, stack string }{
		{"what is there without asking", keys, "https://api.datadoghq.com", "/credential-relay", "credential-relay"},
		{"empty variables", "DD_SITE= DD_API_URL= BINDINGS_PATH= STACK_NAME= " + keys, "https://api.datadoghq.com", "/credential-relay", "credential-relay"},
		{"a site", "DD_SITE=datadoghq.eu " + keys, "https://api.datadoghq.eu", "/credential-relay", "credential-relay"},
		{"an address replaces the site", "DD_SITE=datadoghq.eu DD_API_URL=https://proxy.example/base " + keys, "https://proxy.example/base", "/credential-relay", "credential-relay"},
		{"a path", "BINDINGS_PATH=/relay " + keys, "https://api.datadoghq.com", "/relay", "credential-relay"},
		{"a stack", "STACK_NAME=relay-2 " + keys, "https://api.datadoghq.com", "/credential-relay", "relay-2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, err := Read(strings.Split(c.variables, " "))
			if err != nil {
				t.Fatal(err)
			}
			log := slog.New(slog.DiscardHandler)
			h := e.Handler(aws.Config{}, log)
			if got := h.Engine.Datadog.URL.String(); got != c.url {
				t.Errorf("got the address %s, want %s", got, c.url)
			}
			if got := h.Engine.BindingsPath; got != c.bindings {
				t.Errorf("got the bindings' path %s, want %s", got, c.bindings)
			}
			if e.Stack != c.stack {
				t.Errorf("got the stack %s, want %s", e.Stack, c.stack)
			}
			if h.Log != log || h.Engine.Sources.SecretsManager == nil || h.Engine.Sources.ParameterStore == nil {
				t.Error("the handler lacks a part")
			}
		})
	}
}

// TestKeys has the handler's client send the keys of each way to authenticate.
func TestKeys(t *testing.T) {
	const pair = canary + " " + canary + " "
	stored := fmt.Sprintf(`{"api_key":%q,"app_key":%q}`, canary, canary)
	for _, c := range []struct{ name, variables, want, reads string }{
		{"two keys", "DD_API_KEY=" + canary + " DD_APP_KEY=" + canary, pair, ""},
		{"a token", "DD_BEARER_TOKEN=" + canary, "  Bearer " + canary, ""},
		{"a secret", "DD_CREDENTIALS_ARN=" + secretARN, pair, "secretsmanager.GetSecretValue " + secretARN},
		{"no key", "DD_ORG_UUID=" + orgUUID, "  Bearer " + canary + "-issued", ""},
		{"a parameter", "DD_CREDENTIALS_ARN=" + parameterARN, pair, "AmazonSSM.GetParameter " + parameterARN},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got, reads string
			datadogAPI := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.Header.Get("Authorization"), "Delegated ") {
					_, _ = io.WriteString(w, `{"data":{"attributes":{"access_token":"`+canary+`-issued"}}}`)
					return
				}
				got = r.Header.Get("DD-API-KEY") + " " + r.Header.Get("DD-APPLICATION-KEY") + " " + r.Header.Get("Authorization")
				_, _ = io.WriteString(w, `{"data":[]}`)
			}))
			defer datadogAPI.Close()
			awsAPI := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var asked struct{ SecretID, Name string }
				_ = json.NewDecoder(r.Body).Decode(&asked)
				reads = r.Header.Get("X-Amz-Target") + " " + asked.SecretID + asked.Name
				answer := map[string]any{
					"Name": "datadog/keys", "ARN": secretARN, "VersionId": "1", "SecretString": stored,
					"Parameter": map[string]any{"Name": "/datadog/keys", "Type": "SecureString", "Version": 1, "Value": stored},
				}
				_ = json.NewEncoder(w).Encode(answer)
			}))
			defer awsAPI.Close()

			e, err := Read(append(strings.Split(c.variables, " "), "DD_API_URL="+datadogAPI.URL+"/base"))
			if err != nil {
				t.Fatal(err)
			}
			engine := e.Handler(aws.Config{Region: "us-east-1", BaseEndpoint: &awsAPI.URL, Credentials: aws.CredentialsProviderFunc(identity)}, slog.New(slog.DiscardHandler)).Engine
			if _, err := engine.Datadog.ListIntegrationConfigs(t.Context(), datadog.Okta); err != nil {
				t.Fatal(err)
			}
			if got != c.want || reads != c.reads {
				t.Errorf("got the keys %q after reading %q, want %q after %q", got, reads, c.want, c.reads)
			}
		})
	}
}

func identity(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: canary, SessionToken: canary}, nil
}
