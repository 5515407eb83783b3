package relay

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// A JSON value is nil, a bool, a string, a jsonNumber, a []any or a *jsonObject.
// No value is changed once it is made, so that expressions can share its parts.

// jsonObject keeps its names in the order of the source, as the AWS CLI does.
type jsonObject struct {
	names  []string
	values map[string]any
	twice  map[string]bool // the names that the source gives more than once
}

func newJSONObject(size int) *jsonObject {
	return &jsonObject{names: make([]string, 0, size), values: make(map[string]any, size)}
}

// put sets a value. A name that is there already keeps its place.
func (o *jsonObject) put(name string, value any) {
	if _, there := o.values[name]; !there {
		o.names = append(o.names, name)
	}
	o.values[name] = value
}

// decodeJSON returns the value of a JSON text, and false if it is no JSON. A
// string with half of a surrogate pair, which is no character, becomes invalid
// UTF-8, so that it is found before it is sent.
func decodeJSON(source []byte) (any, bool) {
	if !json.Valid(source) { // which also bounds the nesting, to 10,000 levels
		return nil, false
	}
	reader := jsonReader{source, json.NewDecoder(bytes.NewReader(source))}
	reader.decoder.UseNumber()
	return reader.value(), true
}

// jsonReader reads a text that is valid.
type jsonReader struct {
	source  []byte
	decoder *json.Decoder
}

func (r jsonReader) value() any {
	start := r.decoder.InputOffset()
	token, _ := r.decoder.Token()
	switch token := token.(type) {
	case json.Delim:
		if token == '{' {
			return r.object()
		}
		return r.list()
	case json.Number:
		value, _ := token.Float64() // infinite if it is out of range; the digits are what is sent
		return jsonNumber{value, token.String()}
	case string:
		if hasHalfPair(r.source[start:r.decoder.InputOffset()]) {
			return token + "\xff"
		}
		return token
	default:
		return token
	}
}

func (r jsonReader) list() any {
	list := []any{}
	for r.decoder.More() {
		list = append(list, r.value())
	}
	_, _ = r.decoder.Token()
	return list
}

func (r jsonReader) object() any {
	object := newJSONObject(0)
	for r.decoder.More() {
		name, _ := r.value().(string)
		if _, there := object.values[name]; there {
			if object.twice == nil {
				object.twice = map[string]bool{}
			}
			object.twice[name] = true
		}
		object.put(name, r.value())
	}
	_, _ = r.decoder.Token()
	return object
}

// hasHalfPair reports whether a JSON string escapes one half of a surrogate pair
// without the other. Package encoding/json replaces it with U+FFFD.
func hasHalfPair(text []byte) bool {
	for {
		_, rest, found := bytes.Cut(text, []byte(`\`))
		switch {
		case !found:
			return false
		case rest[0] != 'u':
			text = rest[1:]
			continue
		}
		first := escaped(rest)
		text = rest[5:]
		if !utf16.IsSurrogate(first) {
			continue
		}
		if !bytes.HasPrefix(text, []byte(`\u`)) || utf16.DecodeRune(first, escaped(text[1:])) == utf8.RuneError {
			return true
		}
		text = text[6:]
	}
}

// escaped returns the code of an escape such as u00e9.
func escaped(escape []byte) rune {
	code, _ := strconv.ParseUint(string(escape[1:5]), 16, 16)
	return rune(code)
}

// kinds are types of values.
type kinds int

const (
	aNumber kinds = 1 << iota
	aString
	aBoolean
	aNull
	aList
	anObject
	listOfNumbers // an empty list is one too
	listOfStrings // likewise
	anExpression  // for a function to apply

	anything = aNumber | aString | aBoolean | aNull | aList | anObject
)

func kindOf(value any) kinds {
	switch value.(type) {
	case jsonNumber:
		return aNumber
	case string:
		return aString
	case bool:
		return aBoolean
	case []any:
		return aList
	case *jsonObject:
		return anObject
	case expression:
		return anExpression
	default:
		return aNull
	}
}

// isTrue reports whether a value counts as true: any but false, null, and an empty
// string, list or object.
func isTrue(value any) bool {
	switch value := value.(type) {
	case nil:
		return false
	case bool:
		return value
	case string:
		return value != ""
	case []any:
		return len(value) > 0
	case *jsonObject:
		return len(value.names) > 0
	default:
		return true
	}
}

// check returns an error if a value is of none of the kinds that are wanted.
func (e *evaluation) check(value any, wanted kinds) error {
	if kindOf(value)&wanted != 0 {
		return nil
	}
	list, ok := value.([]any)
	if !ok {
		return errDoesNotApply
	}
	all := aNumber | aString
	for _, element := range list {
		all &= kindOf(element)
	}
	if wanted&listOfNumbers != 0 && all&aNumber != 0 || wanted&listOfStrings != 0 && all&aString != 0 {
		return e.take(len(list))
	}
	return errDoesNotApply
}
