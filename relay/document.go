package relay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"credential-relay/datadog"
)

// document is what a credential's value holds: decoded JSON, or plain text.
type document struct {
	json any
	text string
}

// parse never fails: a value that is not JSON is a text. So is a bare number,
// since a token may be made of digits.
func parse(value []byte) document {
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.UseNumber() // a number in a key file stays as it is written
	var decoded any
	if decoder.Decode(&decoded) == nil && !isNumber(decoded) {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			return document{json: decoded}
		}
	}
	return document{text: withoutLineBreak(string(value))}
}

func isNumber(value any) bool {
	_, ok := value.(json.Number)
	return ok
}

// withoutLineBreak drops the line break that an editor or echo leaves behind a
// plain token.
func withoutLineBreak(text string) string {
	return strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
}

// pick makes the Datadog secrets of a document. An error names the key at
// fault, and never the value.
func (d document) pick(fields []Field) (datadog.Secrets, error) {
	secrets := datadog.Secrets{}
	for _, field := range fields {
		value, err := field.find(d)
		switch {
		case err != nil:
		case value != nil:
			value, err = field.form.check(value)
		case !field.optional:
			err = d.missing()
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", field.Key, err)
		}
		if value != nil {
			secrets[field.Key] = datadog.NewSecret(value)
		}
	}
	return secrets, nil
}

func (d document) missing() error {
	if _, ok := d.json.(map[string]any); !ok {
		return errors.New("is missing from the source, which is not a JSON object")
	}
	return errors.New("is missing from the source")
}

// find gives what the field selects; nil when that is nothing.
func (f Field) find(d document) (any, error) {
	if f.whole != nil {
		if value := f.whole(d); value != nil {
			return value, nil
		}
	}
	root := d.json
	if root == nil {
		root = d.text // so that the expression @ selects it
	}
	found, err := f.expression.Search(root)
	if err != nil { // its text may quote the value
		return nil, errors.New("its expression does not apply to what the source holds")
	}
	return found, nil
}

// check refuses what is empty or of the wrong type, and gives a value the type
// that Datadog documents for its key.
func (f form) check(value any) (any, error) {
	switch f {
	case text:
		return checkText(value)
	case keyFile:
		return checkKeyFile(value)
	default:
		return checkAny(value)
	}
}

func checkAny(value any) (any, error) {
	switch value := value.(type) {
	case string:
		return checkText(value)
	case map[string]any:
		if len(value) == 0 {
			return nil, errEmpty
		}
	case []any:
		if len(value) == 0 {
			return nil, errEmpty
		}
	}
	return value, nil
}

var errEmpty = errors.New("is empty in the source")

func checkText(value any) (any, error) {
	text, ok := value.(string)
	switch {
	case !ok:
		return nil, errors.New("must be a string in the source")
	case strings.TrimSpace(text) == "":
		return nil, errEmpty
	}
	return text, nil
}

// checkKeyFile takes a Google Cloud service account key file, as an object or
// as a string of JSON.
func checkKeyFile(value any) (any, error) {
	if encoded, ok := value.(string); ok {
		value = parse([]byte(encoded)).json
	}
	file, ok := value.(map[string]any)
	if !ok {
		return nil, errors.New("must be a service account key file: a JSON object, or a string of one")
	}
	for _, key := range []string{"type", "project_id", "private_key", "client_email"} {
		if _, err := checkText(file[key]); err != nil {
			return nil, fmt.Errorf("its %s must be a string that is not empty", key)
		}
	}
	if !isKeyFile(file) {
		return nil, errors.New("its type must be service_account")
	}
	return file, nil
}

func isKeyFile(value any) bool {
	file, ok := value.(map[string]any)
	return ok && file["type"] == "service_account"
}
