package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// fifo is a batch of a FIFO queue's records: each a group, an id and a body.
func fifo(records ...[3]string) string {
	var all []object
	for _, record := range records {
		all = append(all, object{
			"messageId": text(record[1]), "body": text(record[2]), "eventSource": text("aws:sqs"),
			"eventSourceARN": text("arn:aws:sqs:us-east-1:111122223333:relay.fifo"), "attributes": raw(map[string]string{"MessageGroupId": record[0]}),
		})
	}
	return object{"Records": raw(all)}.String()
}

func TestFIFO(t *testing.T) {
	good, bad, other := labelUpdated(goodARN), labelUpdated(secrets+"bad-AbCdEf"), labelUpdated(secrets+"other-AbCdEf")
	for _, c := range []struct {
		name     string
		records  [][3]string
		failures string
		done     string // whose configs got the credential
	}{
		{"nothing fails", [][3]string{{"a", "1", good}, {"a", "2", other}}, ``, "good other"},
		{"the first fails", [][3]string{{"a", "1", bad}, {"a", "2", good}, {"a", "3", other}}, `"1" "2" "3"`, ""},
		{"one in the middle fails", [][3]string{{"a", "1", good}, {"a", "2", bad}, {"a", "3", other}}, `"2" "3"`, "good"},
		{"one of another group fails", [][3]string{{"a", "1", bad}, {"b", "2", good}, {"a", "3", other}}, `"1" "3"`, "good"},
		{"one that cannot be read", [][3]string{{"a", "1", "x"}, {"a", "2", good}}, `"1" "2"`, ""},
		{"one that is not known", [][3]string{{"a", "1", "{}"}, {"a", "2", good}, {"b", "3", other}}, `"1" "2"`, "other"},
		{"the last fails", [][3]string{{"a", "1", good}, {"a", "2", other}, {"a", "3", bad}}, `"3"`, "good other"},
		{"the same twice", [][3]string{{"a", "1", good}, {"a", "2", good}}, ``, "good"},
		{"of no group", [][3]string{{"", "1", bad}, {"", "2", good}}, `"1" "2"`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			for _, name := range []string{"good", "bad", "other"} {
				w.bound(name)
			}
			w.datadog.RemoveConfig("bad")
			if got := w.failures(w.invoke(t.Context(), fifo(c.records...))); got != c.failures {
				t.Errorf("got the failures %s, want %s", got, c.failures)
			}
			var done []string
			for _, name := range []string{"good", "other"} {
				if w.patches(name) > 0 {
					done = append(done, name)
				}
			}
			if got := strings.Join(done, " "); got != c.done {
				t.Errorf("got %q done, want %q", got, c.done)
			}
		})
	}
}

// TestGroupsOfOtherQueues: a queue may have groups without being a FIFO queue.
func TestGroupsOfOtherQueues(t *testing.T) {
	w := newWorld(t)
	w.bound("good")
	event := strings.ReplaceAll(fifo([3]string{"a", "1", "x"}, [3]string{"a", "2", labelUpdated(goodARN)}), "relay.fifo", "relay")
	if got := w.failures(w.invoke(t.Context(), event)); got != `"1"` {
		t.Errorf("got the failures %s, want the first's alone", got)
	}
}

// TestFlagEndsAsAskedForLast has one batch switch a sync off and on. It is done
// many times, since what happens side by side may come out right once.
func TestFlagEndsAsAskedForLast(t *testing.T) {
	const (
		on      = `{"relay":{"secret":"good","enabled":true}}`
		off     = `{"relay":{"secret":"good","enabled":false}}`
		onByID  = `{"relay":{"integration_config_id":"good","enabled":true}}`
		offAll  = `{"relay":{"all":true,"enabled":false}}`
		onByARN = `{"relay":{"secret":"` + goodARN + `","enabled":true}}`
		dryOff  = `{"relay":{"secret":"good","enabled":false,"dry_run":true}}`
	)
	for _, c := range []struct {
		name   string
		bodies []string
		want   bool
	}{
		{"off, on", []string{off, on}, true},
		{"on, off", []string{on, off}, false},
		{"off, on, off", []string{off, on, off}, false},
		{"on, off, on, on", []string{on, off, on, on}, true},
		{"off, on by the config's id", []string{off, onByID}, true},
		{"off for all, on by ARN", []string{offAll, onByARN}, true},
		{"on by the config's id, off for all", []string{onByID, offAll}, false},
		{"on, off in a dry run", []string{on, dryOff}, true},
		{"off, and an event that does not say", []string{off, labelUpdated(goodARN)}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 5 {
				var records [][2]string
				var inTurn [][3]string
				var piped []json.RawMessage
				for i, body := range c.bodies {
					records = append(records, [2]string{fmt.Sprint(i), body})
					inTurn = append(inTurn, [3]string{fmt.Sprint(i), fmt.Sprint(i), body})
					piped = append(piped, json.RawMessage(body))
				}
				for through, event := range map[string]string{
					"a queue": batch(records...), "a FIFO queue": fifo(inTurn...), "a pipe": string(raw(piped)),
				} {
					w := newWorld(t)
					w.bound("good")
					if reply, err := w.invoke(t.Context(), event); err != nil || strings.Contains(reply, "itemIdentifier") {
						t.Errorf("through %s: got %s, %v", through, reply, err)
					}
					if config, _ := w.datadog.Config("good"); config.Enabled != c.want {
						t.Errorf("through %s: it is enabled: %t, want %t", through, config.Enabled, c.want)
					}
				}
			}
		})
	}
}

// TestFlagIsNotOvertaken has the first of two flags fail: then it is delivered
// again, and would undo the second one if that had been done.
func TestFlagIsNotOvertaken(t *testing.T) {
	off := func(which string) string { return `{"relay":{` + which + `,"enabled":false}}` }
	on := func(which string) string { return `{"relay":{` + which + `,"enabled":true}}` }
	const good, bad, other, config = `"secret":"good"`, `"secret":"bad"`, `"secret":"other"`, `"integration_config_id":"other"`
	for _, c := range []struct {
		name     string
		bodies   [2]string
		failures string
	}{
		{"the same source", [2]string{off(bad), on(bad)}, `"1" "2"`},
		{"another source", [2]string{off(bad), on(good)}, `"1"`},
		{"a config, which it may feed", [2]string{off(bad), on(config)}, `"1" "2"`},
		{"a source, which may feed it", [2]string{off(`"integration_config_id":"bad"`), on(good)}, `"1" "2"`},
		{"another config", [2]string{off(`"integration_config_id":"bad"`), on(config)}, `"1"`},
		{"everything", [2]string{off(bad), on(`"all":true`)}, `"1" "2"`},
		{"no flag", [2]string{off(bad), `{"relay":{` + good + `}}`}, `"1"`},
		{"a parameter of that name", [2]string{off(bad), on(`"parameter":"bad"`)}, `"1"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			for _, name := range []string{"good", "bad", "other"} {
				w.bound(name)
			}
			w.datadog.RemoveConfig("bad")
			got := w.failures(w.invoke(t.Context(), batch([2]string{"1", c.bodies[0]}, [2]string{"2", c.bodies[1]})))
			if got != c.failures {
				t.Errorf("got the failures %s, want %s\n%s", got, c.failures, w.log.String())
			}
		})
	}
}

// TestBatchIsBounded sends more than one invocation may do: what is too much is
// delivered again, and one line says so.
func TestBatchIsBounded(t *testing.T) {
	w := newWorld(t)
	w.bound("good")
	var records [][2]string
	for i := range 3 * maxTriggers {
		records = append(records, [2]string{fmt.Sprint(i), labelUpdated(fmt.Sprintf("%sunbound-%d-AbCdEf", secrets, i))})
	}
	for i := range 1000 { // of things that were asked for already
		records = append(records, [2]string{fmt.Sprint("again ", i), labelUpdated(fmt.Sprintf("%sunbound-%d-AbCdEf", secrets, i%maxTriggers))})
	}
	reply, err := w.handler.Invoke(t.Context(), []byte(batch(records...)))
	if got := strings.Count(w.failures(string(reply), err), `"`) / 2; got != 2*maxTriggers {
		t.Errorf("%d records are delivered again, want %d", got, 2*maxTriggers)
	}
	if got := strings.Count(w.log.String(), `"level":"ERROR","msg":"relay"`); got != 1 {
		t.Errorf("got %d lines about it, want one", got)
	}
	if got := len(w.aws.Calls()); got != maxTriggers {
		t.Errorf("got %d calls, want one for each of %d", got, maxTriggers)
	}
	t.Run("more records than SQS delivers", func(t *testing.T) {
		event := `{"Records":[` + strings.Repeat(`{"eventSource":"aws:sqs","messageId":"1","body":"{}"},`, maxRecords) + `{}]}`
		if _, err := w.invoke(t.Context(), event); !errors.As(err, new(*MalformedEvent)) {
			t.Errorf("got %v, want a MalformedEvent", err)
		}
	})
}

// TestRecordsOfOddForms has a record lack what SQS gives it. What cannot be told
// apart brings the whole batch back.
func TestRecordsOfOddForms(t *testing.T) {
	good := string(text(labelUpdated(goodARN)))
	for _, c := range []struct{ name, record, failures string }{
		{"a body that a pipe has parsed", `{"messageId":"2","eventSource":"aws:sqs","body":` + labelUpdated(goodARN) + `}`, ``},
		{"a body that is null", `{"messageId":"2","eventSource":"aws:sqs","body":null}`, `"2"`},
		{"no body", `{"messageId":"2","eventSource":"aws:sqs"}`, `"2"`},
		{"a body that is a number", `{"messageId":"2","eventSource":"aws:sqs","body":1e999}`, `"2"`},
		{"no id", `{"eventSource":"aws:sqs","body":"x"}`, `""`},
		{"an id that is a number", `{"messageId":2,"eventSource":"aws:sqs","body":"x"}`, `""`},
		{"null", `null`, `""`},
		{"a list", `[]`, `""`},
		{"another source", `{"messageId":"2","eventSource":"aws:s3"}`, `"2"`},
		{"a key twice", `{"messageId":"1","messageId":"2","eventSource":"aws:sqs","body":"x"}`, `"2"`},
		{"a body of nesting", `{"messageId":"2","eventSource":"aws:sqs","body":` + string(text(strings.Repeat("[", 20_000))) + `}`, `"2"`},
		{"a body that is an array", `{"messageId":"2","eventSource":"aws:sqs","body":` + string(text("["+labelUpdated(goodARN)+"]")) + `}`, ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.bound("good")
			records := `[{"messageId":"1","eventSource":"aws:sqs","body":` + good + `},` + c.record + `]`
			for form, event := range map[string]string{"Records": `{"Records":` + records + `}`, "a pipe": records} {
				if got := w.failures(w.invoke(t.Context(), event)); got != c.failures {
					t.Errorf("as %s: got the failures %s, want %s", form, got, c.failures)
				}
			}
		})
	}
}

// TestQueueIsServedWithinTheDeadline: what there is no time for comes back.
func TestQueueIsServedWithinTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, name := range []string{"good", "other"} {
			w.bound(name)
		}
		w.handler.Engine.Datadog.Transport = slow{inProcess{http.Handler(w.datadog)}, ""}
		ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
		defer cancel()
		event := fifo([3]string{"a", "1", labelUpdated(goodARN)}, [3]string{"b", "2", labelUpdated(secrets + "other-AbCdEf")})
		started := time.Now()
		if got := w.failures(w.invoke(ctx, event)); got != `"2"` {
			t.Errorf("got the failures %s, want the second's", got)
		}
		if took := time.Since(started); took > 5*time.Second {
			t.Errorf("took %v", took)
		}
	})
}
