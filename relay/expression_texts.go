package relay

import (
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

func (e *evaluation) contains(arguments []any) (any, error) {
	if text, ok := arguments[0].(string); ok {
		part, ok := arguments[1].(string)
		return ok && strings.Contains(text, part), e.take(len(text) + len(part))
	}
	for _, element := range arguments[0].([]any) {
		if equal, err := e.equal(element, arguments[1]); equal || err != nil {
			return equal, err
		}
	}
	return false, nil
}

func (e *evaluation) startsWith(arguments []any) (any, error) {
	text, part := arguments[0].(string), arguments[1].(string)
	return strings.HasPrefix(text, part), e.take(len(part))
}

func (e *evaluation) endsWith(arguments []any) (any, error) {
	text, part := arguments[0].(string), arguments[1].(string)
	return strings.HasSuffix(text, part), e.take(len(part))
}

func (e *evaluation) join(arguments []any) (any, error) {
	glue, list := arguments[0].(string), arguments[1].([]any)
	size := 0
	for _, element := range list {
		size += len(element.(string)) + len(glue)
	}
	if err := e.take(size + elementCost*len(list)); err != nil {
		return nil, err
	}
	texts := make([]string, len(list))
	for i, element := range list {
		texts[i] = element.(string)
	}
	return strings.Join(texts, glue), nil
}

func (e *evaluation) reverse(arguments []any) (any, error) {
	if text, ok := arguments[0].(string); ok {
		return reversed(text), e.take(len(text))
	}
	list := arguments[0].([]any)
	result, err := e.newList(len(list))
	if err != nil {
		return nil, err
	}
	for i := range list {
		result = append(result, list[len(list)-1-i])
	}
	return result, nil
}

// reversed returns the characters of a text from the last to the first.
func reversed(text string) string {
	result := make([]byte, 0, len(text))
	for len(text) > 0 {
		_, size := utf8.DecodeLastRuneInString(text)
		result = append(result, text[len(text)-size:]...)
		text = text[:len(text)-size]
	}
	return string(result)
}

func (e *evaluation) toString(arguments []any) (any, error) {
	if kindOf(arguments[0]) == aString {
		return arguments[0], nil
	}
	text, err := e.appendJSON(nil, arguments[0])
	return string(text), err
}

// appendJSON appends the compact JSON of a value, as the AWS CLI writes it, but
// with the digits of the source.
func (e *evaluation) appendJSON(to []byte, value any) (_ []byte, err error) {
	if err = e.take(stepCost); err != nil {
		return nil, err
	}
	switch value := value.(type) {
	case nil:
		return append(to, "null"...), nil
	case string:
		return e.appendQuoted(to, value)
	case jsonNumber:
		if value.digits == "" {
			return nil, errDigits
		}
		return append(to, value.digits...), e.take(len(value.digits))
	case []any:
		return e.appendList(to, value)
	case *jsonObject:
		return e.appendObject(to, value)
	default:
		return fmt.Append(to, value), nil // true or false
	}
}

func (e *evaluation) appendList(to []byte, list []any) (_ []byte, err error) {
	to = append(to, '[')
	for i, element := range list {
		if i > 0 {
			to = append(to, ',')
		}
		if to, err = e.appendJSON(to, element); err != nil {
			return nil, err
		}
	}
	return append(to, ']'), nil
}

func (e *evaluation) appendObject(to []byte, object *jsonObject) (_ []byte, err error) {
	to = append(to, '{')
	for i, name := range object.names {
		if i > 0 {
			to = append(to, ',')
		}
		if to, err = e.appendQuoted(to, name); err != nil {
			return nil, err
		}
		if to, err = e.appendJSON(append(to, ':'), object.values[name]); err != nil {
			return nil, err
		}
	}
	return append(to, '}'), e.read(object)
}

// appendQuoted appends a JSON string, and escapes all that is not ASCII. It keeps
// invalid UTF-8, which is refused before it is sent.
func (e *evaluation) appendQuoted(to []byte, text string) ([]byte, error) {
	before := len(to)
	to = append(to, '"')
	for at, size := 0, 0; at < len(text); at += size {
		var character rune
		character, size = utf8.DecodeRuneInString(text[at:])
		const short, letters = "\b\t\n\f\r\"\\", `btnfr"\`
		switch i := strings.IndexRune(short, character); {
		case character == utf8.RuneError && size == 1:
			to = append(to, text[at])
		case i >= 0:
			to = append(to, '\\', letters[i])
		case ' ' <= character && character <= '~':
			to = append(to, text[at])
		default:
			for _, unit := range utf16.Encode([]rune{character}) {
				to = fmt.Appendf(to, `\u%04x`, unit)
			}
		}
	}
	to = append(to, '"')
	return to, e.take(growthCost * (len(to) - before))
}
