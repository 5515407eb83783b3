package relay

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// exprToken is a part of an expression.
type exprToken struct {
	kind  string // the operator itself, or one of the kinds below
	text  string // as the expression has it
	at    int    // the byte where it begins
	value any    // of a name, a number or a literal
}

const (
	nameToken    = "a name"
	quotedToken  = "a name in quotes"
	numberToken  = "a number"
	literalToken = "a literal"
	endToken     = "the end"
)

// exprOperators are JMESPath's operators and brackets, the longer ones first.
var exprOperators = []string{
	"[?", "[]", "||", "&&", "==", "!=", "<=", ">=",
	"[", "]", "{", "}", "(", ")", ".", ",", ":", "|", "&", "<", ">", "!", "*", "@",
}

// How tightly the operators bind that begin an operand, and how tightly an
// operator must bind so that a projection applies it to each element.
const (
	bindsProjected = 10
	bindsStar      = 20
	bindsNot       = 45
)

// binds returns how tightly an operator binds to the operand before it. It
// returns 0 for what cannot follow an operand.
func binds(operator string) int {
	switch operator {
	case "|":
		return 1
	case "||":
		return 2
	case "&&":
		return 3
	case "==", "!=", "<", "<=", ">", ">=":
		return 5
	case "[]":
		return 9
	case "[?":
		return 21
	case ".":
		return 40
	case "[":
		return 55
	default:
		return 0
	}
}

const (
	asciiDigits    = "0123456789"
	nameCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_" + asciiDigits
)

// tokenize returns the tokens of an expression. The last one is the end.
func tokenize(expression string) ([]exprToken, error) {
	var tokens []exprToken
	for at := 0; at < len(expression); {
		if strings.IndexByte(" \t\r\n", expression[at]) >= 0 {
			at++
			continue
		}
		token, fault := firstToken(expression[at:])
		if fault != "" {
			return nil, faultAt(expression, at, fault)
		}
		token.at = at
		tokens = append(tokens, token)
		at += len(token.text)
	}
	return append(tokens, exprToken{kind: endToken, at: len(expression)}), nil
}

// faultAt returns an error that names a place in an expression.
func faultAt(expression string, at int, fault string) error {
	return fmt.Errorf("%s, at character %d", fault, utf8.RuneCountInString(expression[:at])+1)
}

// firstToken returns the token that a text begins with, or what is wrong there.
func firstToken(text string) (token exprToken, fault string) {
	switch first := text[0]; {
	case first == '"':
		return quotedNameIn(text)
	case first == '\'' || first == '`':
		return literalIn(text)
	case strings.IndexByte(asciiDigits, first) >= 0, first == '-' && len(text) > 1 && strings.IndexByte(asciiDigits, text[1]) >= 0:
		return numberIn(text)
	case strings.IndexByte(nameCharacters, first) >= 0:
		name := text[:spanOf(text, nameCharacters)]
		if strings.HasPrefix(text[len(name):], "-") {
			return token, quoteIt(text)
		}
		return exprToken{kind: nameToken, text: name, value: name}, ""
	}
	for _, operator := range exprOperators {
		if strings.HasPrefix(text, operator) {
			return exprToken{kind: operator, text: operator}, ""
		}
	}
	character, _ := utf8.DecodeRuneInString(text)
	return token, fmt.Sprintf("%q is not part of JMESPath; put a name that holds it in double quotes", character)
}

// spanOf returns how many of the bytes that a text begins with are among some.
func spanOf(text, some string) int {
	return len(text) - len(strings.TrimLeft(text, some))
}

// quoteIt says how to write a name that is not all letters, digits and
// underscores. JMESPath has no subtraction.
func quoteIt(text string) string {
	name := text[:spanOf(text, nameCharacters+"-")]
	return fmt.Sprintf("a name with a hyphen, or with a digit first, must be in double quotes: %q", name)
}

func numberIn(text string) (token exprToken, fault string) {
	length := 1 + spanOf(text[1:], asciiDigits)
	if spanOf(text[length:], nameCharacters) > 0 {
		return token, quoteIt(text)
	}
	value, err := strconv.Atoi(text[:length])
	if err != nil {
		return token, "the number is out of range"
	}
	return exprToken{kind: numberToken, text: text[:length], value: value}, ""
}

func quotedNameIn(text string) (token exprToken, fault string) {
	length := delimitedSpan(text)
	if length == 0 {
		return token, "the closing \" is missing"
	}
	name, _ := decodeJSON([]byte(text[:length]))
	if value, ok := name.(string); !ok || !utf8.ValidString(value) {
		return token, "the name in quotes is not a JSON string"
	}
	return exprToken{kind: quotedToken, text: text[:length], value: name}, ""
}

// literalIn reads a raw string, 'text', or a JSON value, `{"a": 1}`. A text in
// backticks that is not JSON is a string, which the AWS CLI allows too.
func literalIn(text string) (token exprToken, fault string) {
	length := delimitedSpan(text)
	if length == 0 {
		return token, fmt.Sprintf("the closing %c is missing", text[0])
	}
	delimiter := text[:1]
	token = exprToken{kind: literalToken, text: text[:length]}
	content := strings.ReplaceAll(text[1:length-1], `\`+delimiter, delimiter)
	if delimiter == "'" {
		token.value = content
		return token, ""
	}
	value, ok := decodeJSON([]byte(content))
	if !ok {
		value, ok = decodeJSON([]byte(`"` + strings.TrimLeftFunc(content, unicode.IsSpace) + `"`))
	}
	if !ok {
		return token, "the literal in backticks is not a JSON value"
	}
	token.value = value
	return token, ""
}

// delimitedSpan returns the length of a text up to the delimiter that it begins
// with, or 0 if that does not come again. A backslash escapes what follows it.
func delimitedSpan(text string) int {
	for at := 1; at < len(text); at++ {
		switch text[at] {
		case '\\':
			at++
		case text[0]:
			return at + 1
		}
	}
	return 0
}
