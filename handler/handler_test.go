package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"credential-relay/internal/datadogsim"
	"credential-relay/relay"
)

var _ lambda.Handler = (*Handler)(nil)

// failures are the ids of the records that a batch's reply asks to have again.
func (w *world) failures(reply string, err error) string {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
	var response events.SQSEventResponse
	if err := json.Unmarshal([]byte(reply), &response); err != nil {
		w.Fatal(err)
	}
	if response.BatchItemFailures == nil {
		w.Errorf("got %s, want a list", reply)
	}
	var ids []string
	for _, failure := range response.BatchItemFailures {
		ids = append(ids, fmt.Sprintf("%q", failure.ItemIdentifier))
	}
	return strings.Join(ids, " ")
}

func (w *world) patches(config string) int {
	stored, _ := w.datadog.Config(config)
	return stored.Patches
}

func TestBatch(t *testing.T) {
	good, bad := labelUpdated(secrets+"good-AbCdEf"), labelUpdated(secrets+"bad-AbCdEf")
	another := strings.Replace(good, "AWSCURRENT", "MINE", 1)
	for _, c := range []struct {
		name     string
		records  [][2]string
		failures string
		verdicts string // of the log, sorted
		patches  int    // of the good secret's config
	}{
		{"one", [][2]string{{"1", good}}, ``, "updated", 1},
		{"one that fails", [][2]string{{"1", bad}}, `"1"`, "failed", 0},
		{"one of each", [][2]string{{"1", good}, {"2", bad}, {"3", another}, {"4", "x"}}, `"2" "4"`, "failed failed ignored updated", 1},
		{"one that is not known", [][2]string{{"1", "{}"}, {"2", good}}, `"1"`, "failed updated", 1},
		{"several that are not known", [][2]string{{"1", "{}"}, {"2", `{"a":1}`}, {"3", `{"source":"aws.s3","detail-type":"Object Created"}`}}, `"1" "2" "3"`, "failed", 0},
		{"several about one source", [][2]string{{"1", good}, {"2", good}, {"3", good}}, ``, "updated", 1},
		{"several about one source that fails", [][2]string{{"1", bad}, {"2", good}, {"3", bad}}, `"1" "3"`, "failed updated", 1},
		{"several that cannot be read", [][2]string{{"1", "x"}, {"2", "x"}}, `"1" "2"`, "failed", 0},
		{"one id twice", [][2]string{{"1", bad}, {"1", good}}, `"1"`, "failed updated", 1},
		{"one id twice, both failing", [][2]string{{"1", bad}, {"1", "x"}}, `"1" "1"`, "failed failed", 0},
		// Lambda takes an empty id for the whole batch, which is the safe side.
		{"without an id", [][2]string{{"", bad}, {"2", good}}, `""`, "failed updated", 1},
		{"by hand", [][2]string{{"1", `{"relay":{"secret":"bad"}}`}}, `"1"`, "failed", 0},
		{"a dry run beside a real one", [][2]string{{"1", `{"relay":{"secret":"good","dry_run":true}}`}, {"2", `{"relay":{"secret":"good"}}`}}, ``, "updated would_update", 1},
		{"a batch in a batch", [][2]string{{"1", batch([2]string{"2", bad})}}, `"1"`, "failed", 0},
		{"a body of nothing", [][2]string{{"1", ""}}, `"1"`, "failed", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.bound("good")
			w.bound("bad")
			w.datadog.RemoveConfig("bad")
			if got := w.failures(w.invoke(t.Context(), batch(c.records...))); got != c.failures {
				t.Errorf("got the failures %s, want %s", got, c.failures)
			}
			verdicts := strings.Fields(w.verdicts())
			slices.Sort(verdicts)
			if got := strings.Join(verdicts, " "); got != c.verdicts {
				t.Errorf("got the verdicts %s, want %s", got, c.verdicts)
			}
			if got := w.patches("good"); got != c.patches {
				t.Errorf("got %d PATCHes, want %d", got, c.patches)
			}
		})
	}
}

// TestStraight has an event fail the function, and an envelope get its report.
func TestStraight(t *testing.T) {
	for _, c := range []struct {
		name, event string
		reply       string
		err         any // a pointer to the wanted type's
		summary     string
	}{
		{"an event that leads to an update", labelUpdated(secrets + "good-AbCdEf"), `"outcome":"updated"`, nil, ""},
		{"an event that leads nowhere", labelUpdated(secrets + "unbound-AbCdEf"), `"outcome":"ignored"`, nil, ""},
		{"an event that fails", labelUpdated(secrets + "bad-AbCdEf"), "", new(*RelayFailed), "1 of 1 not up to date: bad for integration config bad: failed at config: "},
		{"an event that is unknown", `{"a":1}`, `"outcome":"ignored"`, nil, ""},
		{"an event of another kind of batch", `{"Records":[{"eventSource":"aws:s3"}]}`, `"outcome":"ignored"`, nil, ""},
		{"an event that half fails", labelUpdated(secrets + "half-AbCdEf"), "", new(*RelayFailed), "1 of 2 not up to date: half for integration config gone: failed at config: "},
		{"an event that cannot be read", `[`, "", new(*MalformedEvent), "the event is not a JSON object"},
		{"an envelope that leads to an update", `{"relay":{"secret":"good"}}`, `"outcome":"updated"`, nil, ""},
		{"an envelope that fails", `{"relay":{"secret":"bad"}}`, `"outcome":"failed"`, nil, ""},
		{"an envelope that cannot be read", `{"relay":{}}`, "", new(*MalformedEvent), "relay: name what to look at"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.bound("good")
			w.bound("bad")
			w.bound("half")
			w.bind("half", "gone")
			w.datadog.RemoveConfig("bad")
			w.datadog.RemoveConfig("gone")
			reply, err := w.invoke(t.Context(), c.event)
			if !strings.Contains(reply, c.reply) {
				t.Errorf("got the reply %s, want %s", reply, c.reply)
			}
			if (c.err == nil) != (err == nil) || err != nil && (!errors.As(err, c.err) || !strings.HasPrefix(err.Error(), c.summary)) {
				t.Errorf("got the error %T %v, want %T %s", err, err, c.err, c.summary)
			}
			if strings.ContainsRune(fmt.Sprint(err), '\n') {
				t.Errorf("the error has several lines: %v", err)
			}
		})
	}
}

// TestPanic has a fault of ours end no program and tell no panic's value.
func TestPanic(t *testing.T) {
	event := labelUpdated(secrets + "good-AbCdEf")
	for _, c := range []struct {
		name   string
		broken func(w *world)
	}{
		{"in the engine", func(w *world) { w.handler.Engine.Datadog = nil }},
		{"before the engine", func(w *world) { w.handler.Engine = nil }},
		{"in the transport", func(w *world) {
			w.handler.Engine.Datadog.Transport = inProcess{http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(canary) })}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.bound("good")
			c.broken(w)
			var fault *RelayFailed
			if reply, err := w.invoke(t.Context(), event); !errors.As(err, &fault) || !strings.Contains(err.Error(), "internal error") {
				t.Errorf("got %s and %v, want a RelayFailed with an internal error", reply, err)
			}
			if got := w.failures(w.invoke(t.Context(), batch([2]string{"1", event}, [2]string{"2", strings.Replace(event, "AWSCURRENT", "MINE", 1)}))); got != `"1"` {
				t.Errorf("got the failures %s, want the record's", got)
			}
		})
	}
}

// TestPanicInHandler has it hit the handler itself, where nobody else recovers.
func TestPanicInHandler(t *testing.T) {
	w := newWorld(t)
	var fault *InternalError
	if reply, err := w.invoke(panicking{t.Context()}, `{}`); !errors.As(err, &fault) || reply != "" {
		t.Errorf("got %s and %v, want an InternalError", reply, err)
	}
	lines := w.logged()
	if len(lines) != 1 || lines[0]["msg"] != "panic" || !strings.Contains(fmt.Sprint(lines[0][keyStackTrace]), "withinDeadline") {
		t.Errorf("got the log %v, want the panic's stack", lines)
	}
}

// panicking is a context that panics with a value of which nothing may be told.
type panicking struct{ context.Context }

func (panicking) Deadline() (time.Time, bool) { panic(canary) }

// TestDeadline has Datadog answer nothing: the report is in before the time is
// up.
func TestDeadline(t *testing.T) {
	for _, c := range []struct{ within, margin time.Duration }{
		{8 * time.Second, time.Second},
		{4 * time.Second, time.Second},
		{2 * time.Second, 500 * time.Millisecond},
		{100 * time.Millisecond, 25 * time.Millisecond},
		{0, 0},
		{-time.Second, 0},
	} {
		t.Run(c.within.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.bound("good")
				w.handler.Engine.Datadog.Transport = hanging{}
				ctx, cancel := context.WithTimeout(t.Context(), c.within)
				defer cancel()
				started := time.Now()
				_, err := w.invoke(ctx, labelUpdated(secrets+"good-AbCdEf"))
				if fault := (*RelayFailed)(nil); !errors.As(err, &fault) {
					t.Errorf("got %v, want a RelayFailed", err)
				}
				if took := time.Since(started); took != max(c.within-c.margin, 0) {
					t.Errorf("took %v, want %v less %v", took, c.within, c.margin)
				}
				if lines := w.logged(); len(lines) != 2 {
					t.Errorf("got %d lines of log, want the outcome's and the invocation's", len(lines))
				}
			})
		})
	}
}

func TestNoDeadline(t *testing.T) {
	ctx, cancel := withinDeadline(t.Context())
	defer cancel()
	if deadline, ok := ctx.Deadline(); ok {
		t.Errorf("got the deadline %v, want none", deadline)
	}
}

// hanging answers nothing for as long as the caller waits.
type hanging struct{}

func (hanging) RoundTrip(request *http.Request) (*http.Response, error) {
	<-request.Context().Done()
	return nil, request.Context().Err()
}

// savedQueries go by these keys: each is a promise.
var savedQueries = []string{
	"trigger", "source", "integration_config_id", "integration_type", "outcome", "validated", "version_id", "state", "enabled",
	"dry_run", "status", "stage", "error", "retryable", "outcomes", "duration_ms", "stack_trace",
}

// TestLogKeys reads the line of each verdict. There are no other keys than the
// promised ones, and each of those is in use. Metrics are looked at by themselves.
func TestLogKeys(t *testing.T) {
	refused := datadogsim.Answer{Status: http.StatusBadRequest, Body: `{"errors":["no"]}`}
	down := datadogsim.Answer{Status: http.StatusTooManyRequests, Header: http.Header{"X-Ratelimit-Reset": {"3600"}}}
	straight := labelUpdated(secrets + "good-AbCdEf")
	const (
		always = "trigger outcome"
		bound  = always + " source integration_config_id integration_type"
		read   = bound + " version_id state enabled"
		fault  = " stage error retryable"
	)
	used := map[string]bool{}
	for _, c := range []struct {
		verdict relay.Outcome
		level   string
		given   func(w *world)
		event   string
		keys    string
	}{
		{relay.Updated, "INFO", func(*world) {}, straight, read + " validated"},
		{relay.WouldUpdate, "INFO", func(*world) {}, `{"relay":{"secret":"good","dry_run":true}}`, read + " validated dry_run status"},
		{relay.Pending, "WARN", func(w *world) { w.datadog.Script(datadogsim.ValidateStored, down) }, straight, read + " validated" + fault},
		{relay.Rejected, "ERROR", func(w *world) { w.datadog.Script(datadogsim.Validate, refused) }, straight, read + fault},
		{relay.Invalid, "ERROR", func(w *world) { w.datadog.Script(datadogsim.ValidateStored, refused) }, straight, read + " validated" + fault},
		{relay.Failed, "ERROR", func(w *world) { w.datadog.RemoveConfig("good") }, straight, bound + " version_id" + fault},
		{relay.Ignored, "INFO", func(*world) {}, labelUpdated(secrets + "unbound-AbCdEf"), always + " source" + fault},
		{relay.Ignored, "WARN", func(*world) {}, `{}`, always + fault},
	} {
		t.Run(string(c.verdict), func(t *testing.T) {
			w := newWorld(t)
			w.bound("good")
			c.given(w)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			_, _ = w.invoke(ctx, c.event)
			lines := w.logged()
			if len(lines) != 2 {
				t.Fatalf("got %d lines of log, want 2: %s", len(lines), w.log.String())
			}
			for i, want := range []string{c.keys, "trigger outcomes duration_ms"} {
				maps.DeleteFunc(lines[i], func(key string, _ any) bool {
					return isMeasured(key) || key == "Relays" || key == "stack" || key == "_aws"
				})
				if got, want := slices.Sorted(maps.Keys(lines[i])), slices.Sorted(slices.Values(append(strings.Fields(want), "time", "level", "msg"))); !slices.Equal(got, want) {
					t.Errorf("got the keys %v, want %v", got, want)
				}
				if lines[i]["level"] != c.level {
					t.Errorf("got the level %v, want %s: %v", lines[i]["level"], c.level, lines[i])
				}
				for key := range lines[i] {
					used[key] = true
				}
			}
			if lines[0]["msg"] != "relay" || lines[1]["msg"] != "invocation" || lines[0][keyOutcome] != string(c.verdict) {
				t.Errorf("got the log %v, want %s", lines, c.verdict)
			}
			if counts := fmt.Sprint(lines[1][keyOutcomes]); counts != fmt.Sprintf("map[%s:1]", c.verdict) {
				t.Errorf("got the counts %s, want one %s", counts, c.verdict)
			}
		})
	}
	w := newWorld(t)
	_, _ = w.invoke(panicking{t.Context()}, `{}`)
	for _, line := range w.logged() {
		for key := range line {
			used[key] = true
		}
	}
	for _, key := range []string{"time", "level", "msg"} {
		delete(used, key)
	}
	if got, want := slices.Sorted(maps.Keys(used)), slices.Sorted(slices.Values(savedQueries)); !slices.Equal(got, want) {
		t.Errorf("got the keys %v in all, want %v", got, want)
	}
}

// TestMuchIsSent has strangers send long texts wherever an event has one.
// invoke itself checks that no output is long.
func TestMuchIsSent(t *testing.T) {
	long := strings.Repeat("long ", 50_000)
	arn := secrets + strings.Repeat("n", 100_000) + "-AbCdEf"
	event := func(source, kind string, detail any) string {
		return object{"source": text(source), "detail-type": text(kind), "resources": raw([]string{arn}), "detail": raw(detail)}.String()
	}
	many := map[string]int{}
	for i := range 10_000 {
		many[fmt.Sprintf("key %d", i)] = i
	}
	for name, sent := range map[string]string{
		"a source":             event(long, "Secret Label Updated", nil),
		"a kind":               event("aws.secretsmanager", long, nil),
		"a label":              event("aws.secretsmanager", "Secret Label Updated", map[string]string{"labelUpdated": long}),
		"an ARN":               event("aws.secretsmanager", "Secret Label Updated", map[string]string{"labelUpdated": "AWSCURRENT"}),
		"an ARN of CloudTrail": event("aws.secretsmanager", "AWS Service Event via CloudTrail", map[string]any{"eventName": "RotationSucceeded", "additionalEventData": map[string]string{"SecretId": arn}}),
		"a CloudTrail event":   event("aws.secretsmanager", "AWS Service Event via CloudTrail", map[string]string{"eventName": long}),
		"a key":                string(raw(map[string]int{long: 1})),
		"keys":                 string(raw(many)),
		"a secret by hand":     string(raw(map[string]any{"relay": map[string]string{"secret": long}})),
		"a parameter by hand":  string(raw(map[string]any{"relay": map[string]string{"parameter": "/" + long}})),
		"a field by hand":      string(raw(map[string]any{"relay": map[string]string{long: "x"}})),
		"no JSON":              long,
		"depth":                strings.Repeat(`{"a":`, 50_000),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			_, _ = w.invoke(t.Context(), sent)
			_, _ = w.invoke(t.Context(), batch([2]string{"1", sent}))
		})
	}
}

// TestTriggerSaysWhy there was an invocation.
func TestTriggerSaysWhy(t *testing.T) {
	w := newWorld(t)
	w.bound("good")
	for event, want := range map[string]string{
		labelUpdated(secrets + "good-AbCdEf"): "Secret Label Updated",
		`{"relay":{"secret":"good"}}`:         "relay",
		batch([2]string{"1", "{}"}):           "SQS",
		`{}`:                                  "unknown",
	} {
		_, _ = w.invoke(t.Context(), event)
		lines := w.logged()
		if got := lines[len(lines)-1][keyTrigger]; got != want {
			t.Errorf("got the trigger %v, want %s", got, want)
		}
	}
}
