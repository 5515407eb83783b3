package handler

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const signingSecretARN = secrets + "signing-AbCdEf"

// signingKey is a key of 24 bytes, the fewest that will do.
func signingKey(n int) []byte { return fmt.Appendf(nil, "canary-signing-key-%05d", n) }

func signingSecret(n int) string { return "whsec_" + base64.StdEncoding.EncodeToString(signingKey(n)) }

// signature is ours, made from the specification alone.
func signature(key []byte, id, timestamp, body string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "." + body))
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func signed(key []byte, id string, at time.Time, body string) delivery {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	return delivery{body: []byte(body), header: http.Header{
		"Webhook-Id": {id}, "Webhook-Timestamp": {timestamp}, "Webhook-Signature": {signature(key, id, timestamp, body)},
	}}
}

// signatures are checked with the versions of a signing secret, the last of
// which is the current one.
func (w *world) signatures(versions ...string) *Signatures {
	for _, version := range versions {
		w.aws.PutSecret("signing", version)
	}
	w.handler.Signatures = &Signatures{SecretsManager: w.handler.Engine.Sources.SecretsManager, ARN: signingSecretARN}
	return w.handler.Signatures
}

// readings are how often the signing secret was read; of both versions at the
// same time that is once.
func (w *world) readings() int {
	calls := 0
	for _, call := range w.aws.Calls() {
		if call.Operation == "GetSecretValue" && call.Resource == signingSecretARN {
			calls++
		}
	}
	if calls%2 != 0 {
		w.Errorf("the signing secret's versions were read %d times, want both each time", calls)
	}
	return calls / 2
}

func wantVerified(t *testing.T, what string, want bool, err error) {
	t.Helper()
	if (err == nil) != want {
		t.Errorf("%s: verified is %t, want %t (%v)", what, err == nil, want, err)
	}
}

// TestStandardWebhooksVector is the one that the libraries of Standard Webhooks
// are tested with, at its own time.
func TestStandardWebhooksVector(t *testing.T) {
	const (
		secret    = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
		id        = "msg_p5jXN8AQM9LWM0D4loKWxJek"
		timestamp = 1614265330
		body      = `{"test": 2432232314}`
		want      = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	)
	key, err := base64.StdEncoding.DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	d := signed(key, id, time.Unix(timestamp, 0), body)
	if got := d.header.Get("webhook-signature"); got != want {
		t.Errorf("our own signature is %s, want %s", got, want)
	}
	for _, prefix := range []string{"", "whsec_"} {
		synctest.Test(t, func(t *testing.T) {
			signatures := newWorld(t).signatures(prefix + secret)
			time.Sleep(time.Until(time.Unix(timestamp, 0)))
			got, err := signatures.verify(t.Context(), d)
			wantVerified(t, "the vector", true, err)
			if got != id {
				t.Errorf("got the id %q, want %q", got, id)
			}
		})
	}
}

func TestSigningAgreesWithTheLibrary(t *testing.T) {
	webhook, err := standardwebhooks.NewWebhook(signingSecret(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"", "{}", "\x00\xff", "é\n", strings.Repeat("long ", 10_000)} {
		at := time.Unix(1_800_000_000, 999)
		want, err := webhook.Sign("msg_1", at, []byte(body))
		if got := signed(signingKey(1), "msg_1", at, body).header.Get("webhook-signature"); got != want || err != nil {
			t.Errorf("of %.10q our signature is %s, and the library's %s, %v", body, got, want, err)
		}
	}
}

func TestTolerance(t *testing.T) {
	for _, c := range []struct {
		at   time.Duration
		want bool
	}{
		{0, true},
		{-5 * time.Minute, true},
		{-5*time.Minute - time.Second, false},
		{-24 * time.Hour, false},
		{5 * time.Minute, true},
		{5*time.Minute + time.Second, false},
		{24 * time.Hour, false},
		{1<<63 - 1, false},
		{-1 << 63, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			signatures := w.signatures(signingSecret(1))
			_, err := signatures.verify(t.Context(), signed(signingKey(1), "msg_1", time.Now().Add(c.at), "{}"))
			wantVerified(t, fmt.Sprintf("signed at %v", c.at), c.want, err)
			if got := w.readings(); (got == 1) != c.want {
				t.Errorf("signed at %v: the signing secret was read %d times", c.at, got)
			}
		})
	}
}

func TestSigningSecretIsRotated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		signatures := w.signatures(signingSecret(1))
		by := func(n int) error {
			_, err := signatures.verify(t.Context(), signed(signingKey(n), "msg_1", time.Now(), "{}"))
			return err
		}
		wantVerified(t, "the only version", true, by(1))
		w.aws.PutSecret("signing", signingSecret(2))
		wantVerified(t, "the previous version", true, by(1))
		wantVerified(t, "the current version, not read before", true, by(2))
		wantVerified(t, "the previous version, once more", true, by(1))

		// A mismatch makes us read again at most once a minute.
		w.aws.PutSecret("signing", signingSecret(3))
		wantVerified(t, "the current version, too soon", false, by(3))
		time.Sleep(time.Minute)
		wantVerified(t, "the current version, later", true, by(3))
		wantVerified(t, "the previous version, later", true, by(2))
		wantVerified(t, "one before that", false, by(1))

		// Several in one version count as well.
		w.aws.PutSecret("signing", signingSecret(4)+"\n"+signingSecret(5)+" ")
		time.Sleep(time.Minute)
		for n, want := range map[int]bool{2: false, 3: true, 4: true, 5: true} {
			wantVerified(t, fmt.Sprintf("signing secret %d", n), want, by(n))
		}
	})
}

func TestSigningSecretIsReadSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		signatures := w.signatures(signingSecret(1))
		for _, step := range []struct {
			what     string
			after    time.Duration
			key      int
			times    int
			readings int
		}{
			{"the first", 0, 1, 1, 1},
			{"many more", 0, 1, 100, 0},
			{"a moment before the minute is over", time.Minute - 1, 1, 1, 0},
			{"when it is over", 1, 1, 100, 1},
			{"a stranger's", 0, 9, 1, 1},
			{"many of a stranger's", 0, 9, 100, 0},
			{"ours among them", 0, 1, 1, 0},
			{"a stranger's, a moment before the minute is over", time.Minute - 1, 9, 1, 0},
			{"a stranger's, when it is over", 1, 9, 100, 2},
		} {
			time.Sleep(step.after)
			before := w.readings()
			for range step.times {
				_, err := signatures.verify(t.Context(), signed(signingKey(step.key), "msg_1", time.Now(), "{}"))
				wantVerified(t, step.what, step.key == 1, err)
			}
			if got := w.readings() - before; got != step.readings {
				t.Errorf("%s: the signing secret was read %d times, want %d", step.what, got, step.readings)
			}
		}
	})
}

// through has the delivery come through an HTTP API.
func (w *world) through(d delivery) (answer response) {
	w.Helper()
	headers := map[string]string{"content-type": "application/json"}
	for name, values := range d.header {
		headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	return w.answered(map[string]any{
		"version": "2.0", "rawPath": webhookPath, "headers": headers, "body": string(d.body),
		"requestContext": map[string]any{"http": map[string]string{"method": "POST"}},
	})
}

// TestSignatureHeaders has the headers come as gateways give them.
func TestSignatureHeaders(t *testing.T) {
	const body = `{"secret":"prod/okta"}`
	now := time.Now()
	timestamp := strconv.FormatInt(now.Unix(), 10)
	good := signature(signingKey(1), "msg_1", timestamp, body)
	bad := signature(signingKey(2), "msg_1", timestamp, body)
	headers := func(more ...string) map[string]string {
		all := map[string]string{"webhook-id": "msg_1", "webhook-timestamp": timestamp, "webhook-signature": good}
		for i := 0; i < len(more); i += 2 {
			all[more[i]] = more[i+1]
		}
		maps.DeleteFunc(all, func(_, value string) bool { return value == "absent" })
		return all
	}
	id := func(id string) map[string]string {
		return headers("webhook-id", id, "webhook-signature", signature(signingKey(1), id, timestamp, body))
	}
	signatures := func(all ...string) map[string]string {
		return headers("webhook-signature", strings.Join(all, " "))
	}
	for _, c := range []struct {
		name    string
		headers map[string]string
		want    bool
	}{
		{"as they should be", headers(), true},
		{"in another case", map[string]string{"Webhook-ID": "msg_1", "WEBHOOK-TIMESTAMP": timestamp, "webhook-Signature": good}, true},
		{"a good signature after a bad one", signatures(bad, good), true},
		{"a good signature after one of another kind", signatures("v1a,AAAA", "v9", good), true},
		{"ten signatures", signatures(append(slices.Repeat([]string{bad}, 9), good)...), true},
		{"eleven signatures", signatures(append(slices.Repeat([]string{bad}, 10), good)...), false},
		{"eleven signatures, the first good", signatures(append([]string{good}, slices.Repeat([]string{bad}, 10)...)...), false},
		{"many spaces", headers("webhook-signature", strings.Repeat(" ", 100_000)+good), false},
		{"no good signature", signatures(bad, bad), false},
		{"a signature without its kind", headers("webhook-signature", strings.TrimPrefix(good, "v1,")), false},
		{"a signature of another kind", headers("webhook-signature", strings.Replace(good, "v1", "v1a", 1)), false},
		{"two signatures with a comma between", headers("webhook-signature", good+","+bad), false},
		{"an empty signature", headers("webhook-signature", "v1,"), false},
		{"no signature", headers("webhook-signature", "absent"), false},
		{"no id", headers("webhook-id", "absent"), false},
		{"no timestamp", headers("webhook-timestamp", "absent"), false},
		{"an empty id", id(""), false},
		{"two ids with a comma between", id("msg_1,msg_2"), false},
		{"an id with a dot", id("msg.1"), false},
		{"an id with the timestamp's beginning", id("msg_1." + timestamp), false},
		{"an id with a line break", id("msg_1\n"), false},
		{"an id of 256 characters", id(strings.Repeat("i", 256)), true},
		{"an id of 257 characters", id(strings.Repeat("i", 257)), false},
		{"two timestamps with a comma between", headers("webhook-timestamp", timestamp+","+timestamp), false},
		{"a timestamp with a fraction", headers("webhook-timestamp", timestamp+".0"), false},
		{"a timestamp of words", headers("webhook-timestamp", now.UTC().Format(time.RFC3339)), false},
		{"a timestamp without end", headers("webhook-timestamp", strings.Repeat("9", 10_000)), false},
		{"a timestamp with a sign", headers("webhook-timestamp", "+"+timestamp), false},
		{"a timestamp with a zero before it", headers("webhook-timestamp", "0"+timestamp), false},
		{"a timestamp with a space", headers("webhook-timestamp", " "+timestamp), false},
		{"a timestamp of 13 digits", headers("webhook-timestamp", timestamp+"000"), false},
		{"a long list of signatures", signatures("v9,"+strings.Repeat("A", 2048), good), false},
		{"only signatures of other kinds", signatures("v1a,AAAA", "v2,"+strings.TrimPrefix(good, "v1,")), false},
		{"a short signature", headers("webhook-signature", good[:40]), false},
		{"one twice, in two cases", headers("Webhook-Id", "msg_1"), false},
		{"Svix's names", map[string]string{"svix-id": "msg_1", "svix-timestamp": timestamp, "svix-signature": good}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			lists := map[string][]string{}
			for name, value := range c.headers {
				lists[name] = []string{value}
			}
			for gateway, event := range map[string]object{
				"HTTP API": {"headers": raw(c.headers), "requestContext": raw(object{"http": raw(object{})})},
				"REST API": {"headers": raw(c.headers), "multiValueHeaders": raw(lists), "requestContext": raw(object{})},
			} {
				event["body"] = text(body)
				_, err := w.signatures(signingSecret(1)).verify(t.Context(), decodeDelivery(event))
				wantVerified(t, gateway, c.want, err)
			}
		})
	}
	t.Run("one twice", func(t *testing.T) {
		// A REST API gives the last as the header.
		lists := map[string][]string{"webhook-id": {"msg_1", "msg_1"}, "webhook-timestamp": {timestamp}, "webhook-signature": {good}}
		_, err := newWorld(t).signatures(signingSecret(1)).verify(t.Context(), decodeDelivery(object{
			"headers": raw(headers()), "multiValueHeaders": raw(lists), "body": text(body), "requestContext": raw(object{}),
		}))
		wantVerified(t, "REST API", false, err)
	})
}

// TestStrangersCostLittle has strangers send what they like: for headers of a
// wrong form nothing is read and no signature is computed, and for others a
// bounded number are.
func TestStrangersCostLittle(t *testing.T) {
	computed := 0
	counting := slices.Repeat([]verifier{func([]byte, http.Header) error {
		computed++
		return errNoMatch
	}}, maxSecrets)
	fresh := &Signatures{
		loaded:      signingSecrets{current: counting, previous: counting, previousUntil: time.Now().Add(time.Hour)},
		loadedAt:    now(),
		refreshedAt: now(),
	}
	good := signed(signingKey(1), "msg_1", time.Now(), "{}")
	for _, c := range []struct {
		name, header, value string
		most                int
	}{
		{"the right form", "Webhook-Id", "msg_1", 2 * maxSecrets},
		{"ten signatures", "Webhook-Signature", strings.TrimSpace(strings.Repeat(good.header.Get("Webhook-Signature")+" ", 10)), 2 * maxSecrets},
		{"eleven signatures", "Webhook-Signature", strings.Repeat(good.header.Get("Webhook-Signature")+" ", 11), 0},
		{"no id", "Webhook-Id", "", 0},
		{"an old timestamp", "Webhook-Timestamp", "1600000000", 0},
		{"a timestamp of words", "Webhook-Timestamp", "now", 0},
		{"a signature that is none", "Webhook-Signature", "v1,no", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			computed = 0
			d := delivery{body: good.body, header: good.header.Clone()}
			d.header.Set(c.header, c.value)
			if _, err := fresh.verify(t.Context(), d); err == nil || computed != c.most {
				t.Errorf("got %v after %d signatures, want an error after %d", err, computed, c.most)
			}
		})
	}
}

// FuzzChangedByte changes one byte of what was signed, or of the signature.
func FuzzChangedByte(f *testing.F) {
	f.Add(`{"secret":"prod/okta"}`, "msg_1", uint8(0), uint16(3), uint8(1))
	f.Add("", "msg_1", uint8(1), uint16(4), uint8('1'^'.'))
	f.Add("{}", "a-b", uint8(2), uint16(0), uint8('1'^'+'))
	f.Add("{}", "a", uint8(2), uint16(9), uint8(1))
	f.Add("{}", "a", uint8(3), uint16(2), uint8(','^' '))
	f.Add("{}", "a", uint8(3), uint16(46), uint8('='^' '))
	f.Fuzz(func(t *testing.T, body, id string, part uint8, at uint16, by uint8) {
		d := signed(signingKey(1), id, time.Now(), body)
		verify := func() error {
			verifiers, err := verifiersOf(signingSecret(1))
			if err != nil {
				t.Fatal(err)
			}
			known := &Signatures{loaded: signingSecrets{current: verifiers}, loadedAt: time.Now(), refreshedAt: time.Now()}
			_, err = known.verify(t.Context(), d)
			return err
		}
		wantVerified(t, "as it was signed", deliveryID.MatchString(id), verify())
		changed := func(text string) string {
			if text == "" || by == 0 {
				t.Skip("nothing to change")
			}
			bytes := []byte(text)
			bytes[int(at)%len(bytes)] ^= by
			return string(bytes)
		}
		if part %= 4; part == 0 {
			d.body = []byte(changed(body))
		} else {
			name := []string{"", "Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"}[part]
			d.header.Set(name, changed(d.header.Get(name)))
		}
		wantVerified(t, fmt.Sprintf("changed to %q, %v", d.body, d.header), false, verify())
	})
}
