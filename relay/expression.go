package relay

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// The bounds of what a binding can ask for. A source holds at most 64 KiB.
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
const (
	maxExpression = 4 << 10  // bytes of one expression
	maxEvaluation = 16 << 20 // bytes that all expressions of a binding use together, for one credential
	maxSecrets    = 64 << 10 // bytes of all secrets of a binding as compact JSON, without quotes and escapes
	maxNesting    = 100      // levels of objects and lists in a secret
)

// What counts towards maxEvaluation. A step counts as memory to bound the time
// as well: maxEvaluation is about a million steps.
const (
	stepCost    = 16
	listCost    = 24
	elementCost = 16
	objectCost  = 256
	memberCost  = 64 // and the length of its name
	growthCost  = 4  // times what append makes: it leaves room, and copies
)

// An error of an expression never quotes the value.
var (
	errDoesNotApply = errors.New("its expression does not apply to what the source holds")
	errTooMuchWork  = errors.New("its expression takes too much time or memory; select the value with a simpler one")
	errTooLarge     = errors.New("makes the secrets larger than 64 KiB, which no source exceeds; select less")
	errTooDeep      = errors.New("has more than 100 levels of objects and lists; select less")
	errTwice        = errors.New("is ambiguous: the source names a key twice; keep one of them")
	errNoCharacter  = errors.New(`holds an escape that is no character, such as \ud800; correct it in the source`)
	errDigits       = errors.New("is a number that its expression computes, so its digits are not certain; store it as a string")
)

// expression is a JMESPath expression. It selects what `--query` of the AWS CLI
// selects. It returns nil for nothing.
// https://jmespath.org/specification.html
type expression func(e *evaluation, at any) (any, error)

// compile returns the expression of a text. The error says where the text is at
// fault: in its grammar, in the name of a function, or in the arguments of one.
func compile(text string) (expression, error) {
	switch {
	case len(text) > maxExpression:
		return nil, fmt.Errorf("it is longer than %d bytes", maxExpression)
	case !utf8.ValidString(text):
		return nil, errors.New(`it holds an escape that is no character, such as \ud800`)
	}
	tokens, err := tokenize(text)
	if err != nil {
		return nil, err
	}
	parser := exprParser{text: text, tokens: tokens}
	compiled := parser.expression(0)
	parser.expect(endToken)
	return compiled, parser.err
}

// mustCompile compiles an expression of this program itself.
func mustCompile(text string) expression {
	compiled, err := compile(text)
	if err != nil {
		panic(err)
	}
	return compiled
}

// evaluation bounds what the expressions of one binding do to one credential.
type evaluation struct {
	memory  int // bytes left
	secrets int // bytes left
}

func newEvaluation() *evaluation { return &evaluation{maxEvaluation, maxSecrets} }

// run is the one way to evaluate an expression, so that each step counts.
func (e *evaluation) run(x expression, at any) (any, error) {
	if err := e.take(stepCost); err != nil {
		return nil, err
	}
	return x(e, at)
}

// take counts bytes before they are used.
func (e *evaluation) take(bytes int) error {
	if e.memory -= bytes; e.memory < 0 {
		return errTooMuchWork
	}
	return nil
}

// newList returns an empty list with room for what is counted.
func (e *evaluation) newList(size int) ([]any, error) {
	if err := e.take(listCost + elementCost*size); err != nil {
		return nil, err
	}
	return make([]any, 0, size), nil
}

// newObject returns an empty object with room for what is counted.
func (e *evaluation) newObject(size int) (*jsonObject, error) {
	if err := e.take(objectCost + memberCost*size); err != nil {
		return nil, err
	}
	return newJSONObject(size), nil
}

// read counts the reading of a whole object.
func (e *evaluation) read(object *jsonObject) error {
	if object.twice != nil {
		return errTwice
	}
	return e.take(elementCost * len(object.names))
}

// plain returns a value as encoding/json has it, so that it can be sent: with
// the source's own digits, and within the bounds of what is sent.
func (e *evaluation) plain(value any, level int) (any, error) {
	if level > maxNesting {
		return nil, errTooDeep
	}
	switch value := value.(type) {
	case string:
		return value, e.send(value)
	case jsonNumber:
		if value.digits == "" {
			return nil, errDigits
		}
		return json.Number(value.digits), e.send(value.digits)
	case []any:
		return e.plainList(value, level)
	case *jsonObject:
		return e.plainObject(value, level)
	default:
		return value, e.send("null")
	}
}

func (e *evaluation) plainList(list []any, level int) (any, error) {
	if err := e.send("["); err != nil {
		return nil, err
	}
	plain := []any{}
	for _, element := range list {
		element, err := e.plain(element, level+1)
		if err = cmp.Or(err, e.send(",")); err != nil {
			return nil, err
		}
		plain = append(plain, element)
	}
	return plain, nil
}

func (e *evaluation) plainObject(object *jsonObject, level int) (any, error) {
	if object.twice != nil {
		return nil, errTwice
	}
	if err := e.send("{"); err != nil {
		return nil, err
	}
	plain := map[string]any{}
	for _, name := range object.names {
		value, err := e.plain(object.values[name], level+1)
		if err = cmp.Or(err, e.send(name), e.send(":,")); err != nil {
			return nil, err
		}
		plain[name] = value
	}
	return plain, nil
}

// send counts a text that is sent.
func (e *evaluation) send(text string) error {
	if e.secrets -= len(text); e.secrets < 0 {
		return errTooLarge
	}
	if !utf8.ValidString(text) {
		return errNoCharacter
	}
	return nil
}
