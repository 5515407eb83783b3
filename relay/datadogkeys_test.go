package relay

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"credential-relay/datadog"
	"credential-relay/internal/awssim"
)

const keysSecret = "datadog/keys"

func pair(api, application string) *datadog.Keys {
	return &datadog.Keys{API: datadog.NewSecret(api), Application: datadog.NewSecret(application)}
}

func bearer(token string) *datadog.Keys { return &datadog.Keys{Token: datadog.NewSecret(token)} }

func TestDatadogKeys(t *testing.T) {
	const key, token = canaryAPIKey, canaryAppKey
	for _, c := range []struct {
		name, value string
		want        *datadog.Keys
		err         string
	}{
		{"our own", `{"api_key":"` + key + `","app_key":"` + token + `"}`, pair(key, token), ""},
		{"the environment's", `{"DD_API_KEY":"` + key + `","DD_APP_KEY":"` + token + `"}`, pair(key, token), ""},
		{"of a managed secret", `{"apiKey":"` + key + `","apiKeyId":"1","appKey":"` + token + `","appKeyId":"2"}`, pair(key, token), ""},
		{"of a managed secret for admins", `{"adminApiKey":"` + key + `","adminApiKeyId":"1","adminAppKey":"` + token + `","site":"datadoghq.com"}`, pair(key, token), ""},
		{"two shapes: ours comes first", `{"api_key":"` + key + `","apiKey":"other","appKey":"other","app_key":"` + token + `"}`, pair(key, token), ""},
		{"a token", `{"token":"` + token + `"}`, bearer(token), ""},
		{"a token as plain text", token, bearer(token), ""},
		{"a token as plain text with a line break", token + "\r\n", bearer(token), ""},

		{"half of it", `{"api_key":"` + key + `"}`, nil, "the application key is missing"},
		{"the other half", `{"appKey":"` + token + `"}`, nil, "the API key is missing"},
		{"a token and a key", `{"token":"` + token + `","api_key":"` + key + `"}`, nil, "there is a bearer token and a key too"},
		{"other keys", `{"key":"` + key + `"}`, nil, "there are no Datadog keys"},
		{"an empty object", `{}`, nil, "there are no Datadog keys"},
		{"an array", `["` + key + `"]`, nil, "there are no Datadog keys"},
		{"a JSON string", `"` + token + `"`, nil, "there are no Datadog keys"},
		{"null", `null`, nil, "token: is empty in the source"},
		{"an empty key", `{"api_key":"","app_key":"` + token + `"}`, nil, "the API key is missing"},
		{"a key that is a number", `{"api_key":3141592653589793,"app_key":"` + token + `"}`, nil, "api_key: must be a string in the source"},
		{"a key with a line break", `{"api_key":"` + key + `\n","app_key":"` + token + `"}`, nil, "the API key holds a space, a line break"},
		{"a key with a space", `{"api_key":"` + key + `","app_key":" ` + token + `"}`, nil, "the application key holds a space"},
		{"a key beyond ASCII", `{"api_key":"` + key + `","app_key":"` + token + `é"}`, nil, "the application key holds a space"},
		{"two lines of text", token + "\n" + key, nil, "the bearer token holds a space, a line break"},
	} {
		for _, in := range []string{"secret", "parameter"} {
			t.Run(in+"/"+c.name, func(t *testing.T) {
				w := newWorld(t)
				id := "arn:aws:ssm:" + awssim.Region + ":" + awssim.Account + ":parameter/" + keysSecret
				w.aws.PutParameter("/"+keysSecret, "SecureString", c.value)
				if in == "secret" {
					w.aws.PutSecret(keysSecret, c.value)
					id = w.aws.SecretARN(keysSecret)
				}
				got, err := w.engine.Sources.DatadogKeys([]string{id}, "")(t.Context(), nil)
				switch {
				case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), id)):
					t.Errorf("got the error %v, want %s: … %s", err, id, c.err)
				case c.err != "" && strings.Contains(err.Error(), "canary"):
					t.Errorf("the error holds a key: %v", err)
				case c.err == "" && (err != nil || !got.Equal(c.want)):
					t.Errorf("got other keys, or the error %v", err)
				}
			})
		}
	}
}

// countedKeys are keys in a secret, with the count of its reads.
func countedKeys(t *testing.T) (*world, datadog.KeySource) {
	w := newWorld(t)
	w.aws.PutSecret(keysSecret, `{"api_key":"one","app_key":"one"}`)
	return w, w.engine.Sources.DatadogKeys([]string{w.aws.SecretARN(keysSecret)}, "")
}

func (w *world) readsBecome(want int) {
	w.Helper()
	if got := w.reads(); got != want {
		w.Errorf("got %d reads of the keys, want %d", got, want)
	}
}

func TestDatadogKeysAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, keys := countedKeys(t)
		first := must(keys(t.Context(), nil))
		for range 3 {
			if again := must(keys(t.Context(), nil)); again != first {
				t.Error("got other keys for the same")
			}
			time.Sleep(time.Hour)
		}
		w.readsBecome(1)
	})
}

// TestRefusedDatadogKeys are read again, at most once in ten seconds, and other
// keys are given out only when there are others.
func TestRefusedDatadogKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, keys := countedKeys(t)
		one := must(keys(t.Context(), nil))
		ask := func(refused, want *datadog.Keys, reads int) {
			t.Helper()
			if got := must(keys(t.Context(), refused)); !got.Equal(want) || (got == refused) != (want == refused) {
				t.Error("got other keys than wanted")
			}
			w.readsBecome(reads)
		}
		ask(one, one, 2) // they may just have been rotated
		ask(one, one, 2)
		time.Sleep(10*time.Second - time.Millisecond)
		w.aws.PutSecret(keysSecret, `{"api_key":"two","app_key":"two"}`)
		ask(one, one, 2)
		time.Sleep(time.Millisecond)
		ask(one, pair("two", "two"), 3)
		two := must(keys(t.Context(), nil))
		ask(one, two, 3) // who still has the old ones gets those that are known
		ask(two, two, 3)
		time.Sleep(10 * time.Second)
		ask(two, two, 4)
	})
}

// TestDatadogKeysCannotBeReadAgain has those that are kept stay.
func TestDatadogKeysCannotBeReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, keys := countedKeys(t)
		one := must(keys(t.Context(), nil))
		w.line.failing(once("GetSecretValue", 1, awsFault(http.StatusBadRequest, "AccessDeniedException")))
		if _, err := keys(t.Context(), one); err == nil || !strings.Contains(err.Error(), "AccessDeniedException") {
			t.Errorf("got %v, want the read's error", err)
		}
		if again := must(keys(t.Context(), nil)); again != one {
			t.Error("the keys that were there are gone")
		}
		w.readsBecome(1)
	})
}

// TestDatadogKeysThatWereNotThere are looked for again at each call.
func TestDatadogKeysThatWereNotThere(t *testing.T) {
	w := newWorld(t)
	keys := w.engine.Sources.DatadogKeys([]string{"arn:aws:secretsmanager:us-east-1:111122223333:secret:" + keysSecret + "-AbCdEf"}, "")
	for range 2 {
		if _, err := keys(t.Context(), nil); err == nil {
			t.Error("got keys that are not there")
		}
	}
	w.aws.PutSecret(keysSecret, canary)
	if got, err := keys(t.Context(), nil); err != nil || !got.Equal(bearer(canary)) {
		t.Errorf("got other keys, or the error %v", err)
	}
}

func TestDatadogKeysForMany(t *testing.T) {
	w, keys := countedKeys(t)
	together := func(refused *datadog.Keys) {
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if got, err := keys(t.Context(), refused); err != nil || !got.Equal(pair("one", "one")) {
					t.Errorf("got other keys, or the error %v", err)
				}
			})
		}
		all.Wait()
	}
	together(nil)
	w.readsBecome(1)
	together(must(keys(t.Context(), nil)))
	w.readsBecome(2)
}

// TestDatadogKeysRotated has a relay meet keys that were rotated away.
func TestDatadogKeysRotated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := bound(t)
		w.aws.PutSecret(keysSecret, `{"api_key":"one","app_key":"one"}`)
		w.datadog.SetKeys("one", "one")
		w.engine.Datadog.Keys = w.engine.Sources.DatadogKeys([]string{w.aws.SecretARN(keysSecret)}, "")
		for _, rotated := range []string{"one", "two", "three"} {
			w.aws.PutSecret(keysSecret, `{"api_key":"`+rotated+`","app_key":"`+rotated+`"}`)
			w.datadog.SetKeys(rotated, rotated)
			if o := w.relayOne(SecretNamed(oktaSecret), time.Minute); o.Outcome != Updated || !*o.Validated {
				t.Errorf("got %s, want updated and validated", encoded(t, o))
			}
			time.Sleep(10 * time.Second)
		}
	})
}

// TestDatadogKeysOfSeveralSources puts together what they hold.
func TestDatadogKeysOfSeveralSources(t *testing.T) {
	const api, app = `{"apiKey":"` + canaryAPIKey + `"}`, `{"appKey":"` + canaryAppKey + `"}`
	both := pair(canaryAPIKey, canaryAppKey)
	for _, c := range []struct {
		name   string
		values []string
		site   string
		want   *datadog.Keys
		err    string
	}{
		{"a key in each", []string{api, app}, "", both, ""},
		{"the other way round", []string{app, api}, "", both, ""},
		{"the same key in both", []string{`{"api_key":"` + canaryAPIKey + `","app_key":"` + canaryAppKey + `"}`, api}, "", both, ""},
		{"another key in the second", []string{api, `{"api_key":"canary-other"}`, app}, "", nil, "api_key: is one thing in arn:aws:secretsmanager:us-east-1:111122223333:secret:keys/0-AbCdEf and another in arn:aws:secretsmanager:us-east-1:111122223333:secret:keys/1-AbCdEf"},
		{"two tokens", []string{"canary-one", `{"token":"canary-two"}`}, "", nil, "token: is one thing in"},
		{"two API keys", []string{api, api}, "", nil, "keys/0-AbCdEf, arn:aws:secretsmanager:us-east-1:111122223333:secret:keys/1-AbCdEf: the application key is missing"},
		{"a key and plain text", []string{api, canaryAppKey}, "", nil, "there is a bearer token and a key too"},
		{"a key that is none", []string{api, `{"appKey":1}`}, "", nil, "keys/1-AbCdEf: app_key: must be a string"},
		{"their site", []string{`{"adminApiKey":"` + canaryAPIKey + `","adminAppKey":"` + canaryAppKey + `","site":"datadoghq.eu"}`}, "datadoghq.eu", both, ""},
		{"any site", []string{`{"adminApiKey":"` + canaryAPIKey + `","adminAppKey":"` + canaryAppKey + `","site":"datadoghq.eu"}`}, "", both, ""},
		{"another site", []string{`{"site":"datadoghq.eu"}`, api, app}, "datadoghq.com", nil, "site: the keys are for datadoghq.eu, and DD_SITE is datadoghq.com"},
		{"a site that is none", []string{`{"site":"canary"}`, api, app}, "datadoghq.com", nil, "what they name is none of Datadog's"},
		{"two sites", []string{`{"site":"datadoghq.eu"}`, `{"site":"datadoghq.com"}`, api, app}, "datadoghq.eu", nil, "site: is one thing in"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			var ids []string
			for i, value := range c.values {
				name := "keys/" + strconv.Itoa(i)
				w.aws.PutSecret(name, value)
				ids = append(ids, w.aws.SecretARN(name))
			}
			got, err := w.engine.Sources.DatadogKeys(ids, c.site)(t.Context(), nil)
			switch {
			case c.err == "" && (err != nil || !got.Equal(c.want)):
				t.Errorf("got other keys, or the error %v", err)
			case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "canary")):
				t.Errorf("got %v, want %s", err, c.err)
			}
		})
	}
}
