package relay

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"credential-relay/datadog"
)

// TestNothingShows prints, logs and encodes in every way whatever holds a
// credential or a key.
func TestNothingShows(t *testing.T) {
	w := bound(t)
	w.aws.PutSecret("plain", canary)
	credential := must(w.engine.Sources.read(t.Context(), SecretNamed(oktaSecret)))
	plain := must(w.engine.Sources.read(t.Context(), SecretNamed("plain")))
	secrets := must(credential.Select(profiles[datadog.Okta]))
	bindings, err := w.engine.bindingsNamed(t.Context(), SecretNamed(oktaSecret))
	if err != nil || len(bindings) != 1 {
		t.Fatalf("got %d bindings, %v", len(bindings), err)
	}
	keys := w.engine.Sources.DatadogKeys([]string{w.aws.SecretARN("plain")}, "")
	_ = must(keys(t.Context(), nil))

	var wanted []string
	for _, secret := range []string{canary, canaryAPIKey, canaryAppKey, canaryAWSKey} {
		wanted = append(wanted, appearances(secret)...)
	}
	for name, value := range map[string]any{
		"Credential": credential, "Credential of text": plain, "work": &work{credential: credential, candidate: secrets}, "Secrets": secrets, "Secret": secrets["api_token"],
		"Binding": bindings[0], "Engine": w.engine, "Sources": w.engine.Sources, "Client": w.engine.Datadog, "KeySource": keys,
	} {
		t.Run(name, func(t *testing.T) {
			for container, held := range map[string]any{
				"alone": value, "pointer": &value, "slice": []any{value}, "map": map[string]any{"k": value},
				"field": struct{ Held any }{value}, "hidden field": struct{ held any }{value},
				"error": fmt.Errorf("with %v", value),
			} {
				for _, text := range printed(held) {
					for _, form := range wanted {
						if strings.Contains(text, form) {
							t.Errorf("%s: %s shows in %s", container, form, text)
						}
					}
				}
			}
		})
	}
}

// appearances is a secret as it would look when printed.
func appearances(secret string) []string {
	raw := []byte(secret)
	return []string{
		secret, fmt.Sprintf("%x", raw), fmt.Sprintf("%X", raw), fmt.Sprintf("% x", raw), base64.StdEncoding.EncodeToString(raw),
		strings.Trim(fmt.Sprintf("%d", raw), "[]"), strings.Trim(fmt.Sprintf("%c", raw), "[]"), strings.Trim(fmt.Sprintf("%o", raw), "[]"),
		strings.Trim(fmt.Sprintf("%b", raw), "[]"), strings.Trim(fmt.Sprintf("%U", raw), "[]"),
	}
}

// printed is a value in every form in which a program puts out values.
func printed(value any) []string {
	var texts []string
	for _, verb := range strings.Fields("%v %+v %#v %s %q %x %X %#x %d %c %U %e %t %p %T %b %o %08.3f %w") {
		texts = append(texts, fmt.Sprintf(verb, value))
	}
	texts = append(texts, fmt.Sprint(value), fmt.Sprintln(value))
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)} {
		logger := slog.New(handler)
		logger.Info("value", "value", value)
		logger.With("value", value).WithGroup("group").Info("value", slog.Group("group", "value", value))
	}
	encoded, err := json.Marshal(value)
	return append(texts, log.String(), string(encoded), fmt.Sprint(err))
}
