package handler

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"credential-relay/internal/datadogsim"
)

// isMeasured tells what a relay or an invocation took from the other members of a
// log line.
func isMeasured(key string) bool {
	return strings.HasSuffix(key, "_ms") && key != keyDuration || key == keyRetries || key == keyTimeUsed || key == "TimeToUpdate"
}

// metrics are those of the log's lines of a kind, one line each.
func (w *world) metrics(message string) []map[string]float64 {
	w.Helper()
	var metrics []map[string]float64
	for _, line := range w.logged() {
		if line["msg"] != message {
			continue
		}
		of := map[string]float64{}
		for key, value := range line {
			if isMeasured(key) {
				of[key] = value.(float64)
			}
		}
		metrics = append(metrics, of)
	}
	return metrics
}

// slow has each call take a second whose path holds a text.
type slow struct {
	http.RoundTripper
	path string
}

func (s slow) RoundTrip(request *http.Request) (*http.Response, error) {
	if !strings.Contains(request.URL.Path, s.path) {
		return s.RoundTripper.RoundTrip(request)
	}
	select {
	case <-time.After(time.Second):
		return s.RoundTripper.RoundTrip(request)
	case <-request.Context().Done():
		return nil, request.Context().Err()
	}
}

// measuring is a world with a bound secret, in which each call of Datadog takes a
// second. What is bound there changed an hour ago, and its config before.
func measuring(t testing.TB) *world {
	w := newWorld(t)
	w.bound("good")
	w.handler.Engine.Datadog.Transport = slow{w.handler.Engine.Datadog.Transport, ""}
	w.config("good", func(config *datadogsim.Config) { config.ModifiedAt = time.Now().Add(-time.Hour) })
	time.Sleep(time.Hour)
	return w
}

// unbind removes a binding.
func (w *world) unbind(name string) {
	name = "/credential-relay/" + name
	_, err := w.handler.Engine.Sources.ParameterStore.DeleteParameter(w.Context(), &ssm.DeleteParameterInput{Name: &name})
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) config(id string, change func(*datadogsim.Config)) {
	config, _ := w.datadog.Config(id)
	change(&config)
	w.datadog.PutConfig(config)
}

// at is an event with another time: so long from now.
func at(event string, from time.Duration) string {
	return withTime(event, time.Now().Add(from).UTC().Format(time.RFC3339))
}

func withTime(event, when string) string {
	members, err := decodeObject([]byte(event))
	if err != nil {
		panic(err)
	}
	members["time"] = text(when)
	return members.String()
}

const (
	goodARN   = secrets + "good-AbCdEf"
	scheduled = `{"source":"aws.scheduler","detail-type":"Scheduled Event","detail":{}}`
)

func TestMeasuredRelay(t *testing.T) {
	const minute = 60_000
	stages := map[string]float64{
		"source_ms": 0, "config_ms": 1000, "validate_ms": 1000,
		"patch_ms": 1000, "confirm_ms": 1000,
	}
	with := func(key string, value float64) map[string]float64 {
		all := maps.Clone(stages)
		all[key] = value
		return all
	}
	without := func(keys ...string) map[string]float64 {
		all := maps.Clone(stages)
		for _, key := range keys {
			delete(all, key)
		}
		return all
	}
	updated := labelUpdated(goodARN)
	changed := `{"source":"aws.ssm","detail-type":"Parameter Store Change","detail":{"name":"/good","operation":"Update"}}`
	trail := func(kind, event string) string {
		return object{"source": text("aws.secretsmanager"), "detail-type": text(kind), "detail": raw(map[string]any{
			"eventName": event, "additionalEventData": map[string]string{"SecretId": goodARN}, "responseElements": map[string]string{"arn": goodARN},
		})}.String()
	}
	signed := `{"requestContext":{"http":{"method":"POST"},"authorizer":{"iam":{"userArn":"a"}}},"rawPath":"/v1/relay",` +
		`"headers":{"content-type":"application/json"},"time":"1999-12-31T00:00:00Z","body":"{\"secret\":\"good\"}"}`
	for _, c := range []struct {
		name  string
		given func(*world)
		event func() string
		want  map[string]float64
	}{
		{"a label's move", nil, func() string { return at(updated, -5*time.Second) }, with("TimeToUpdate", 9000)},
		{"a service's event", nil, func() string { return at(trail("AWS Service Event via CloudTrail", "RotationSucceeded"), -time.Minute) }, with("TimeToUpdate", minute+4000)},
		{"a call", nil, func() string { return at(trail("AWS API Call via CloudTrail", "PutSecretValue"), -time.Minute) }, with("TimeToUpdate", minute+4000)},
		{"a parameter's change", func(w *world) {
			w.aws.PutParameter("/good", "SecureString", `{"api_token":"`+canary+`"}`)
			w.aws.PutParameter("/credential-relay/parameters/good/good", "String", `{"integration_type":"OKTA"}`)
			w.unbind("secrets/good/good")
		}, func() string { return at(changed, -time.Minute) }, with("TimeToUpdate", minute+4000)},
		{"a queue's event", nil, func() string { return batch([2]string{"1", at(updated, -5*time.Second)}) }, with("TimeToUpdate", 9000)},
		{"two events about one secret, the later one first", nil, func() string {
			return batch([2]string{"1", at(updated, -5*time.Second)}, [2]string{"2", at(updated, -time.Minute)})
		}, with("TimeToUpdate", minute+4000)},
		{"two events about one secret, the earlier one first", nil, func() string {
			return batch([2]string{"1", at(updated, -time.Minute)}, [2]string{"2", at(updated, -5*time.Second)})
		}, with("TimeToUpdate", minute+4000)},
		{"two events about one secret, one without a time", nil, func() string {
			return batch([2]string{"1", updated}, [2]string{"2", at(updated, -time.Minute)}, [2]string{"3", updated})
		}, with("TimeToUpdate", minute+4000)},
		{"a clock that is a little ahead", nil, func() string { return at(updated, 4*time.Second) }, with("TimeToUpdate", 0)},
		{"a clock that is ahead", nil, func() string { return at(updated, 5*time.Second) }, stages},
		{"no time", nil, func() string { return updated }, stages},
		{"a time in words", nil, func() string { return withTime(updated, "yesterday") }, stages},
		{"no time at all", nil, func() string { return withTime(updated, "0001-01-01T00:00:00Z") }, stages},
		{"by hand", nil, func() string { return `{"relay":{"secret":"good"}}` }, stages},
		{"by hand, with a flag", nil, func() string { return `{"relay":{"secret":"good","enabled":true}}` }, stages},
		{"a webhook", nil, func() string { return signed }, stages},
		{"a dry run", nil, func() string { return `{"relay":{"secret":"good","dry_run":true}}` }, without("patch_ms", "confirm_ms")},
		{"rejected", func(w *world) {
			w.datadog.Script(datadogsim.Validate, datadogsim.Answer{Status: http.StatusBadRequest, Body: `{"errors":["no"]}`})
		}, func() string { return at(updated, -5*time.Second) }, without("patch_ms", "confirm_ms")},
		{"invalid", func(w *world) {
			w.datadog.Script(datadogsim.ValidateStored, datadogsim.Answer{Status: http.StatusBadRequest, Body: `{"errors":["no"]}`})
		}, func() string { return at(updated, -5*time.Second) }, with("confirm_ms", 2000)},
		{"a reconcile that finds a receipt", func(w *world) {
			_, _ = w.invoke(w.Context(), `{"relay":{"secret":"good"}}`)
			w.log.Reset()
			w.aws.PutSecret("good", `{"api_token":"`+canary+`-new"}`)
			time.Sleep(time.Hour)
		}, func() string { return at(scheduled, -5*time.Second) }, map[string]float64{
			"source_ms": 0, "validate_ms": 1000, "patch_ms": 1000, "confirm_ms": 1000, "TimeToUpdate": 60*minute + 4000,
		}},
		{"a reconcile without a receipt, which cannot know", nil, func() string { return scheduled }, without("config_ms")},
		{"nothing is bound", nil, func() string { return at(labelUpdated(secrets+"unbound-AbCdEf"), -time.Minute) }, map[string]float64{}},
		{"nothing is asked for", nil, func() string { return at(`{"source":"aws.s3","detail-type":"Secret Label Updated"}`, -time.Minute) }, map[string]float64{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := measuring(t)
				if c.given != nil {
					c.given(w)
				}
				_, _ = w.invoke(t.Context(), c.event())
				if got := w.metrics("relay"); len(got) != 1 || !maps.Equal(got[0], c.want) {
					t.Errorf("got %v, want %v\n%s", got, c.want, w.log.String())
				}
			})
		})
	}
}

// TestTimeToUpdateIsOfItsBinding: what another takes longer is not counted.
func TestTimeToUpdateIsOfItsBinding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.bound("good")
		w.bind("good", "slower")
		w.datadog.PutConfig(datadogsim.Config{ID: "slower", Type: "OKTA", Domain: "acme.example.com", State: "valid"})
		w.handler.Engine.Datadog.Transport = slow{w.handler.Engine.Datadog.Transport, "/slower"}
		_, _ = w.invoke(t.Context(), at(labelUpdated(goodARN), -time.Minute))
		got := map[any]any{}
		for _, line := range w.logged() {
			if line["msg"] == "relay" {
				got[line[keyConfigID]] = line["TimeToUpdate"]
			}
		}
		if want := (map[any]any{"good": 60_000.0, "slower": 63_000.0}); !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// TestMeasuredRateLimit has one call wait for a rate limit.
func TestMeasuredRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := measuring(t)
		w.datadog.Script(datadogsim.Patch, datadogsim.Answer{Status: http.StatusTooManyRequests, Header: http.Header{"X-Ratelimit-Reset": {"3"}}})
		_, _ = w.invoke(t.Context(), labelUpdated(goodARN))
		got := w.metrics("relay")[0]
		if wait := got["rate_limit_wait_ms"]; got["retries"] != 1 || wait < 3000 || wait > 3500 || got["patch_ms"] != 2000+wait {
			t.Errorf("got %v, want one retry after 3 s", got)
		}
	})
}

// TestMeasuredPut is of Entra ID, whose credential goes to Azure.
func TestMeasuredPut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := measuring(t)
		w.aws.PutSecret("good", `{"tenant_id":"t","client_id":"c","client_secret":"`+canary+`"}`)
		w.aws.PutParameter("/credential-relay/secrets/good/good", "String", `{"integration_type":"ENTRA_ID"}`)
		w.datadog.PutAzureIntegration("t", "c", "old")
		w.config("good", func(config *datadogsim.Config) { config.Type = "ENTRA_ID" })
		_, _ = w.invoke(t.Context(), labelUpdated(goodARN))
		want := map[string]float64{"source_ms": 0, "config_ms": 1000, "put_ms": 1000, "confirm_ms": 1000}
		if got := w.metrics("relay"); len(got) != 1 || !maps.Equal(got[0], want) {
			t.Errorf("got %v, want %v\n%s", got, want, w.log.String())
		}
	})
}

func TestTimeUsed(t *testing.T) {
	for _, c := range []struct {
		name   string
		within time.Duration // 0 for no deadline
		hangs  bool
		want   map[string]float64
	}{
		{"no deadline", 0, false, map[string]float64{}},
		{"a part", time.Minute, false, map[string]float64{"time_used_percent": 6}},
		{"all but what it takes to report", 20 * time.Second, true, map[string]float64{"time_used_percent": 95}},
		{"none was left", -time.Second, false, map[string]float64{"time_used_percent": 100}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := measuring(t)
				if c.hangs {
					w.handler.Engine.Datadog.Transport = hanging{}
				}
				ctx, cancel := t.Context(), func() {}
				if c.within != 0 {
					ctx, cancel = context.WithTimeout(ctx, c.within)
				}
				defer cancel()
				_, _ = w.invoke(ctx, labelUpdated(goodARN))
				if got := w.metrics("invocation"); len(got) != 1 || !maps.Equal(got[0], c.want) {
					t.Errorf("got %v, want %v", got, c.want)
				}
			})
		})
	}
}
