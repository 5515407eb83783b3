package datadog_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"

	"credential-relay/datadog"
)

const canary = "canary-1X7-planted"

// sightings are the forms in which a rendering may show a part of the canary, without separators between its bytes.
var sightings = func() []string {
	part := canary[:8]
	forms := []string{part, canary[len(canary)-8:]}
	for _, before := range []string{"", "x", "xx"} { // what base64 makes of a text depends on where it stands
		encoded := base64.StdEncoding.EncodeToString([]byte(before + canary))
		forms = append(forms, encoded[4:16])
	}
	for _, verb := range []string{"%d", "%x", "%X", "%o", "0%o", "%b", "0b%b", "%X%[1]c"} {
		form := ""
		for _, b := range []byte(part) {
			form += fmt.Sprintf(verb, b)
		}
		forms = append(forms, form)
	}
	return forms
}()

var between = strings.NewReplacer(" ", "", ",", "", "\n", "", "'", "", "0x", "", "0X", "", "U+00", "", `\x`, "")

// planted reports which form of the canary an output shows.
func planted(output string) (form string, found bool) {
	joined := between.Replace(output)
	i := slices.IndexFunc(sightings, func(form string) bool { return strings.Contains(output, form) || strings.Contains(joined, form) })
	if i < 0 {
		return "", false
	}
	return sightings[i], true
}

type (
	open   struct{ Secret datadog.Secret }
	closed struct{ secret datadog.Secret }
	inside struct{ pointer *datadog.Secret }
	deep   struct{ inner map[string][]closed }
	holder struct{ any any }
	failed struct{ secret datadog.Secret }
	tagged struct {
		Secret datadog.Secret `json:"s,omitempty" xml:"s,attr"`
	}
	embedded struct{ datadog.Secret }
	masked   struct{ mask *datadog.Mask }
)

func (f failed) Error() string {
	return fmt.Sprintf("refused: %v %+v %#v %q %x", f.secret, f.secret, f.secret, f.secret, f.secret)
}

// containers returns values that hold a secret in every way that a program may.
func containers(s datadog.Secret) map[string]any {
	pointer := &s
	secrets := datadog.Secrets{"api_token": s}
	keys := datadog.Keys{API: s, Application: s, Token: s}
	mask := new(datadog.Mask)
	mask.Add(secrets)
	wrap := "relay: %w" // which vet would not let pass
	return map[string]any{
		"bare": s, "pointer": pointer, "pointer to a pointer": &pointer,
		"exported field": open{s}, "pointer to exported field": &open{s}, "tagged field": tagged{s}, "embedded": embedded{s},
		"unexported field": closed{s}, "pointer to unexported field": &closed{s}, "unexported pointer": inside{pointer},
		"slice": []datadog.Secret{s}, "slice of pointers": []*datadog.Secret{pointer}, "array": [2]datadog.Secret{s, s},
		"map value": map[string]datadog.Secret{"a": s}, "map key": map[datadog.Secret]int{s: 1}, "map of any": map[string]any{"a": s},
		"Secrets": secrets, "pointer to Secrets": &secrets, "slice of Secrets": []datadog.Secrets{secrets},
		"interface": holder{s}, "interface of a pointer": holder{pointer}, "slice of any": []any{s, pointer},
		"nested": deep{map[string][]closed{"a": {{s}}}}, "channel": make(chan datadog.Secret), "function": func() datadog.Secret { return s },
		"reflected": reflect.ValueOf(s), "reflected field": reflect.ValueOf(s).Field(0), "reflected struct": reflect.ValueOf(closed{s}),
		"error": failed{s}, "pointer to an error": &failed{s}, "error wrapped with %w": fmt.Errorf("relay: %w", failed{s}),
		"error wrapped with %v": fmt.Errorf("relay: %v", failed{s}), "errors joined": errors.Join(failed{s}, failed{s}),
		"secret in an error with %w": fmt.Errorf(wrap, s), "secret in an error with %v": fmt.Errorf("relay: %v", s),
		"Update": datadog.Update{Secrets: secrets}, "pointer to Update": &datadog.Update{Secrets: secrets},
		"settings by mistake": datadog.Update{Settings: map[string]any{"a": s}},
		"Keys":                keys, "pointer to Keys": &keys, "slice of Keys": []datadog.Keys{keys},
		"Mask": mask, "pointer to a Mask": &mask, "Mask in a field": masked{mask}, "context with a Mask": datadog.WithMask(context.Background(), mask),
		"KeySource": datadog.Fixed(keys), "Client": datadog.Client{Keys: datadog.Fixed(keys)}, "pointer to Client": &datadog.Client{Keys: datadog.Fixed(keys)},
		"group": slog.Group("g", "s", s, "t", open{s}), "attributes": []slog.Attr{slog.Any("a", s)},
	}
}

func TestSecretIsNotShown(t *testing.T) {
	values := map[string]any{
		"text":   canary,
		"object": map[string]any{"private_key": canary, canary: "a key", "list": []any{canary}},
		"list":   []any{canary, map[string]any{"a": canary}},
		"bytes":  []byte(canary),
	}
	renderings := map[string]func(any) string{
		"json.Marshal":       func(v any) string { return marshalled(json.Marshal(v)) },
		"json.MarshalIndent": func(v any) string { return marshalled(json.MarshalIndent(v, "", "  ")) },
		"xml.Marshal":        func(v any) string { return marshalled(xml.Marshal(v)) },
		"gob": func(v any) string {
			var b bytes.Buffer
			err := gob.NewEncoder(&b).Encode(v)
			return marshalled(b.Bytes(), err)
		},
		"html/template": func(v any) string {
			var b bytes.Buffer
			err := template.Must(template.New("").Parse(`<a href="{{.}}" onclick="f({{.}})">{{.}}{{printf "%#v" .}}</a>`)).Execute(&b, v)
			return marshalled(b.Bytes(), err)
		},
		"slog as JSON": func(v any) string {
			var b bytes.Buffer
			logAll(slog.New(slog.NewJSONHandler(&b, nil)), v)
			return b.String()
		},
		"slog as text": func(v any) string {
			var b bytes.Buffer
			logAll(slog.New(slog.NewTextHandler(&b, nil)), v)
			return b.String()
		},
		"panic": func(v any) (text string) {
			defer func() { text = fmt.Sprint(recover()) }()
			panic(v)
		},
	}
	for _, verb := range "vsqdxXtepTUbcoOEfFgGw" {
		for _, flags := range []string{"", "+", "#", "+#", "-040.30"} {
			format := "%" + flags + string(verb)
			renderings[format] = func(v any) string { return fmt.Errorf(format, v).Error() }
		}
	}
	for _, mistake := range []string{"", "%", "%!", "%z", "%*d", "%[2]v", "%[1]v %[1]d"} {
		renderings[mistake] = func(v any) string { return fmt.Sprintf(mistake, v) }
	}

	for shape, value := range values {
		for name, container := range containers(datadog.NewSecret(value)) {
			t.Run(shape+"/"+name, func(t *testing.T) {
				for how, render := range renderings {
					output := render(container)
					if form, found := planted(output); found {
						t.Errorf("%s shows %q: %.300s", how, form, output)
					}
				}
			})
		}
	}
}

func marshalled(output []byte, err error) string { return fmt.Sprint(string(output), " ", err) }

func logAll(log *slog.Logger, v any) {
	log.Info("a", "v", v)
	log.With("v", v).WithGroup("g").Error("b", slog.Any("v", v), slog.Group("h", "v", v))
	log.Warn(fmt.Sprint(v), v) // an odd number of arguments
}

// TestSecretIsSearchedFor checks the search itself: it finds a value that is not a Secret.
func TestSecretIsSearchedFor(t *testing.T) {
	text, raw := canary, []byte(canary)
	for _, output := range []string{
		fmt.Sprint(text), fmt.Sprintf("%q", text), fmt.Sprintf("%x", text), fmt.Sprintf("%X", text), fmt.Sprintf("% x", text),
		fmt.Sprint(raw), fmt.Sprintf("%d", raw), fmt.Sprintf("%o", raw), fmt.Sprintf("%b", raw), fmt.Sprintf("%U", raw), fmt.Sprintf("%#U", raw), fmt.Sprintf("%q", raw), fmt.Sprintf("%#o", raw), fmt.Sprintf("%#b", raw), fmt.Sprintf("%c", raw),
		fmt.Sprintf("%#v", raw), fmt.Sprintf("%#x", raw), fmt.Sprintf("%v", []rune(text)), marshalled(json.Marshal(raw)), marshalled(json.Marshal(text)),
		base64.StdEncoding.EncodeToString([]byte("{" + text)), base64.URLEncoding.EncodeToString([]byte("{}" + text)),
	} {
		if _, found := planted(output); !found {
			t.Errorf("not found in %s", output)
		}
	}
}

// TestSecretShowsThatItIsOne checks that the reader of a log sees that there was a secret.
func TestSecretShowsThatItIsOne(t *testing.T) {
	s := datadog.NewSecret(canary)
	var asJSON, asText bytes.Buffer
	slog.New(slog.NewJSONHandler(&asJSON, nil)).Info("a", "s", s, "in", open{s})
	slog.New(slog.NewTextHandler(&asText, nil)).Info("a", "s", s)
	cases := []struct{ name, got, want string }{
		{"%v", fmt.Sprintf("%v", s), "[secret]"},
		{"%#v", fmt.Sprintf("%#v", s), "[secret]"},
		{"%d", fmt.Sprintf("%d", s), "[secret]"},
		{"%T", fmt.Sprintf("%T", s), "datadog.Secret"},
		{"nothing", fmt.Sprint(datadog.Secret{}), "[secret]"},
		{"Secrets", fmt.Sprint(datadog.Secrets{"api_token": s}), "map[api_token:[secret]]"},
		{"Keys", fmt.Sprint(datadog.Keys{}), "{[secret] [secret] [secret] {<nil>}}"},
		{"an error", fmt.Errorf("relay: %v", s).Error(), "relay: [secret]"},
		{"JSON", marshalled(json.Marshal(open{s})), `{"Secret":"[secret]"} <nil>`},
		{"JSON key", marshalled(json.Marshal(map[datadog.Secret]int{s: 1})), `{"[secret]":1} <nil>`},
		{"XML", marshalled(xml.Marshal(open{s})), "<open><Secret>[secret]</Secret></open> <nil>"},
		{"XML attribute", marshalled(xml.Marshal(tagged{s})), `<tagged s="[secret]"></tagged> <nil>`},
		{"slog to any handler", slog.AnyValue(s).Resolve().Kind().String(), "String"},
		{"slog as JSON", asJSON.String()[strings.Index(asJSON.String(), `"s"`):], `"s":"[secret]","in":{"Secret":"[secret]"}}` + "\n"},
		{"slog as text", asText.String()[strings.Index(asText.String(), "s="):], "s=[secret]\n"},
	}
	for _, c := range cases {
		if c.name == "slog as text" {
			c.got = c.got[strings.LastIndex(c.got, "s="):]
		}
		if c.got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, c.got, c.want)
		}
	}
}

func TestSecretIsZero(t *testing.T) {
	pointer := new(datadog.Secret)
	cases := []struct {
		name   string
		secret datadog.Secret
		want   bool
	}{
		{"the zero value", datadog.Secret{}, true},
		{"new", *pointer, true},
		{"nil", datadog.NewSecret(nil), true},
		{"an empty text", datadog.NewSecret(""), true},
		{"a blank", datadog.NewSecret(" "), false},
		{"a text", datadog.NewSecret("a"), false},
		{"zero", datadog.NewSecret(json.Number("0")), false},
		{"false", datadog.NewSecret(false), false},
		{"an object", datadog.NewSecret(map[string]any{}), false},
		{"a list", datadog.NewSecret([]any{}), false},
	}
	for _, c := range cases {
		if got := c.secret.IsZero(); got != c.want {
			t.Errorf("%s: got %t, want %t", c.name, got, c.want)
		}
	}
}

// TestSecretFromText reads secrets like a library that reads the environment.
func TestSecretFromText(t *testing.T) {
	var fromText, fromJSON datadog.Secret
	if err := fromText.UnmarshalText([]byte(apiKey)); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(`"`+apiKey+`"`), &fromJSON); err != nil {
		t.Fatal(err)
	}
	want := datadog.Keys{API: datadog.NewSecret(apiKey)}
	for _, got := range []datadog.Secret{fromText, fromJSON} {
		if keys := (&datadog.Keys{API: got}); !keys.Equal(&want) {
			t.Error("the secret is not the text it was read from")
		}
	}
	var into struct{ S datadog.Secret }
	err := json.Unmarshal([]byte(`{"S":{"a":"`+canary+`"}}`), &into)
	if err == nil {
		t.Fatal("got no error for an object")
	}
	if _, found := planted(err.Error()); found {
		t.Errorf("the error shows it: %v", err)
	}
}
