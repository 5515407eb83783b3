package handler

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// signedBody is a signed delivery of a body, sent just now.
func signedBody(id, body string) delivery { return signed(signingKey(1), id, time.Now(), body) }

// TestADeliveryIsServedOnce, and so is each other body under the same id.
func TestADeliveryIsServedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.bound("good")
		w.bound("other")
		w.signatures(signingSecret(1))
		const good, other = `{"secret":"good"}`, `{"secret":"other"}`
		for _, step := range []struct {
			name, id, body string
			status         int
			good, other    int // PATCHes after it
		}{
			{"the first", "msg_1", good, http.StatusOK, 1, 0},
			{"again", "msg_1", good, http.StatusOK, 1, 0},
			{"another body under its id", "msg_1", other, http.StatusOK, 1, 1},
			{"that again", "msg_1", other, http.StatusOK, 1, 1},
			{"the first body, written otherwise", "msg_1", good + " ", http.StatusOK, 2, 1},
			{"the first once more", "msg_1", good, http.StatusOK, 2, 1},
			{"another id", "msg_2", good, http.StatusOK, 3, 1},
			{"one that cannot be served", "msg_3", "{}", http.StatusBadRequest, 3, 1},
			{"that id with one that can", "msg_3", good, http.StatusOK, 4, 1},
		} {
			time.Sleep(time.Second) // a sender signs each try again
			answer := w.through(signedBody(step.id, step.body))
			if answer.Status != step.status || strings.Contains(answer.Body, `"source":"good"`) != (step.body != other && step.status == http.StatusOK) {
				t.Errorf("%s: got %+v, want %d", step.name, answer, step.status)
			}
			if g, o := w.patches("good"), w.patches("other"); g != step.good || o != step.other {
				t.Errorf("%s: got %d and %d PATCHes, want %d and %d", step.name, g, o, step.good, step.other)
			}
		}
	})
}

// TestAFailureIsNotRemembered has a sender's retry really be one.
func TestAFailureIsNotRemembered(t *testing.T) {
	w := newWorld(t)
	w.bound("good")
	w.signatures(signingSecret(1))
	w.aws.Fail("GetParametersByPath", 1, http.StatusBadRequest, "ThrottlingException", "")
	for i, want := range []int{http.StatusServiceUnavailable, http.StatusOK} {
		if answer := w.through(signedBody("msg_1", `{"secret":"good"}`)); answer.Status != want {
			t.Errorf("try %d: got %+v, want %d", i, answer, want)
		}
	}
}

// TestTheSameDeliveryUnderWay has it come again while the first is not done.
func TestTheSameDeliveryUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.bound("good")
		w.signatures(signingSecret(1))
		w.handler.Engine.Datadog.Transport = slow{w.handler.Engine.Datadog.Transport, ""}
		var group sync.WaitGroup
		var lock sync.Mutex
		bodies := map[string]int{}
		for i := range 5 {
			d := signedBody("msg_1", `{"secret":"good"}`)
			group.Go(func() {
				time.Sleep(time.Duration(i) * time.Second / 2)
				event := object{
					"rawPath": text(webhookPath), "body": text(string(d.body)), "requestContext": raw(object{"http": raw(object{"method": text("POST")})}),
					"headers": raw(map[string]string{
						"content-type": "application/json", "webhook-id": "msg_1",
						"webhook-timestamp": d.header.Get("webhook-timestamp"), "webhook-signature": d.header.Get("webhook-signature"),
					}),
				}
				reply, err := w.handler.Invoke(t.Context(), []byte(event.String()))
				lock.Lock()
				defer lock.Unlock()
				bodies[fmt.Sprint(string(reply), err)]++
			})
		}
		group.Wait()
		if len(bodies) != 1 || w.patches("good") != 1 {
			t.Errorf("got %d PATCHes and the answers %v, want one and the same", w.patches("good"), bodies)
		}
	})
}

// TestWaitingForTheSameDelivery ends with the deadline, and when the first one
// panics.
func TestWaitingForTheSameDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var recent recentResponses
		key := keyOf("msg_1", nil)
		release := make(chan struct{})
		go func() {
			defer func() { _ = recover() }()
			recent.once(t.Context(), key, func() response {
				<-release
				panic(canary)
			})
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if answer := recent.once(ctx, key, nil); answer.Status != http.StatusServiceUnavailable || answer.Header["Retry-After"] == "" {
			t.Errorf("got %+v, want it to try again", answer)
		}
		waiting := make(chan response)
		go func() { waiting <- recent.once(t.Context(), key, nil) }()
		synctest.Wait()
		close(release)
		if answer := <-waiting; answer.Status != http.StatusInternalServerError {
			t.Errorf("got %+v, want an internal error", answer)
		}
		if answer := recent.once(t.Context(), key, func() response { return response{Status: http.StatusOK} }); answer.Status != http.StatusOK {
			t.Errorf("got %+v, want it to be served", answer)
		}
	})
}

// TestMemoryOfResponsesIsBounded keeps an instance's memory from growing.
func TestMemoryOfResponsesIsBounded(t *testing.T) {
	for _, c := range []struct {
		name       string
		body       string
		puts, want int
	}{
		{"many", "", maxResponses + 5, maxResponses},
		{"large", strings.Repeat("x", maxResponseBytes/4), 20, 4},
		{"larger than all may be", strings.Repeat("x", maxResponseBytes+1), 3, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var recent recentResponses
			served := 0
			serve := func() response {
				served++
				return response{Status: http.StatusOK, Body: c.body}
			}
			for i := range c.puts {
				recent.once(t.Context(), keyOf(fmt.Sprint(i), nil), serve)
			}
			if len(recent.byKey) != c.want || len(recent.done) != c.want || recent.bytes != c.want*len(c.body) {
				t.Errorf("there are %d, %d of them, of %d bytes", len(recent.byKey), len(recent.done), recent.bytes)
			}
			for i := range c.puts { // the newest are remembered
				before := served
				if i >= c.puts-c.want {
					recent.once(t.Context(), keyOf(fmt.Sprint(i), nil), serve)
				}
				if served != before {
					t.Errorf("number %d is not remembered", i)
				}
			}
		})
	}
}
