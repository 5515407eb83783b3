package relay

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"credential-relay/datadog"
)

// document is what a credential's value holds: a JSON value, or plain text.
type document struct {
	json any // nil for plain text, and for null
	text string
}

// parse returns the document of a value that is valid UTF-8. A value that is not
// JSON is plain text. So is a bare number, since a token can consist of digits.
func parse(value []byte) document {
	decoded, ok := decodeJSON(value)
	if _, isNumber := decoded.(jsonNumber); ok && !isNumber {
		return document{json: decoded}
	}
	return document{text: withoutLineBreak(string(value))}
}

// withoutLineBreak drops the line break that an editor or echo adds to a plain
// token.
func withoutLineBreak(text string) string {
	return strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
}

// pick returns the Datadog secrets of a document. An error names the key at
// fault, and never the value. All fields together have the bounds of one
// evaluation.
func (d document) pick(fields []Field) (datadog.Secrets, error) {
	secrets := datadog.Secrets{}
	evaluation := newEvaluation()
	for _, field := range fields {
		value, err := field.find(evaluation, d)
		if err == nil && value != nil {
			value, err = evaluation.plain(value, 1)
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

// find returns the value that a field selects. It is nil if the field is optional
// and selects nothing.
func (f Field) find(e *evaluation, d document) (value any, err error) {
	if f.whole != nil {
		value = f.whole(d)
	}
	if value == nil {
		value, err = e.run(f.expression, d.root())
	}
	switch {
	case err != nil:
		return nil, err
	case value != nil:
		return f.form.check(value)
	case f.optional:
		return nil, nil
	default:
		return nil, d.missing()
	}
}

// root returns what expressions are applied to. Null is an empty text.
func (d document) root() any {
	if d.json == nil {
		return d.text
	}
	return d.json
}

func (d document) missing() error {
	if _, ok := d.json.(*jsonObject); !ok {
		return errors.New("is missing from the source, which is not a JSON object")
	}
	return errors.New("is missing from the source")
}

// check refuses a value that is empty or of the wrong type. It returns the value
// in the type that Datadog documents for its key.
func (f form) check(value any) (any, error) {
	switch f {
	case text:
		return checkText(value)
	case headerText:
		return checkHeaderText(value)
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
	case *jsonObject:
		if len(value.names) == 0 {
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
	case !utf8.ValidString(text):
		return nil, errNoCharacter
	case strings.TrimFunc(text, isInvisible) == "":
		return nil, errEmpty
	}
	return text, nil
}

// isInvisible reports whether a character leaves no mark: white space, control and
// format characters, byte order marks and fillers.
func isInvisible(character rune) bool {
	return !unicode.IsGraphic(character) || unicode.IsSpace(character) || character == '\u2800' || // a Braille pattern without dots
		unicode.In(character, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// checkHeaderText takes a text that its issuer expects in an HTTP header.
// https://www.rfc-editor.org/rfc/rfc9110#name-field-values
func checkHeaderText(value any) (any, error) {
	if _, err := checkText(value); err != nil {
		return nil, err
	}
	for _, character := range value.(string) {
		switch {
		case character == '\n' || character == '\r':
			return nil, errors.New("holds a line break, and it is sent in an HTTP header; store the token alone, on one line")
		case unicode.IsControl(character):
			return nil, errors.New("holds a control character, and it is sent in an HTTP header; store the token alone")
		case character > unicode.MaxASCII:
			return nil, errors.New("holds a character that is not ASCII, and it is sent in an HTTP header; copy the token from its issuer again")
		}
	}
	return value, nil
}

// checkKeyFile takes a Google Cloud service account key file, as an object or
// as a string of JSON.
func checkKeyFile(value any) (any, error) {
	if encoded, ok := value.(string); ok {
		value = parse([]byte(encoded)).json
	}
	file, ok := value.(*jsonObject)
	if !ok {
		return nil, errors.New("must be a service account key file: a JSON object, or a string of one")
	}
	for _, key := range []string{"type", "project_id", "private_key", "client_email"} {
		if _, err := checkText(file.values[key]); err != nil {
			return nil, fmt.Errorf("its %s %w", key, err)
		}
	}
	if !isKeyFile(file) {
		return nil, errors.New("its type must be service_account")
	}
	return file, nil
}

func isKeyFile(value any) bool {
	file, ok := value.(*jsonObject)
	return ok && file.values["type"] == "service_account"
}
