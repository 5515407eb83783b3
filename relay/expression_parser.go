package relay

import (
	"fmt"
	"slices"
)

// exprParser is a top-down operator precedence parser for JMESPath's grammar,
// with the precedences of the reference implementation. It keeps the first fault
// and then sees only the end, so its methods return no error.
// https://jmespath.org/specification.html#grammar
type exprParser struct {
	text    string
	tokens  []exprToken // the last one is the end
	err     error
	indexed bool // whether an index was read just now
}

func (p *exprParser) peek() string { return p.tokens[0].kind }

func (p *exprParser) next() exprToken {
	token := p.tokens[0]
	if token.kind != endToken {
		p.tokens, p.indexed = p.tokens[1:], false
	}
	return token
}

// accept skips the next token if it is of a kind, and reports whether it is.
func (p *exprParser) accept(kind string) bool {
	if p.err != nil || p.peek() != kind {
		return false
	}
	p.next()
	return true
}

func (p *exprParser) expect(kinds ...string) exprToken {
	token := p.next()
	if !slices.Contains(kinds, token.kind) {
		p.unexpected(token)
	}
	return token
}

func (p *exprParser) unexpected(token exprToken) {
	fault := fmt.Sprintf("unexpected %q", token.text)
	if token.kind == endToken {
		fault = "the expression ends too early"
	}
	p.fail(token, fault)
}

func (p *exprParser) fail(token exprToken, fault string) {
	if p.err == nil {
		p.err = faultAt(p.text, token.at, fault)
	}
	p.tokens = p.tokens[len(p.tokens)-1:]
}

// expression reads an operand and the operators after it that bind more tightly
// than the one before it.
func (p *exprParser) expression(before int) expression {
	left := p.operand(p.next())
	for before < binds(p.peek()) {
		indexed := p.indexed
		if operator := p.next().kind; operator == "[" && p.atIndex() {
			left = exprThen(left, p.index(indexed))
		} else {
			left = p.operation(left, operator)
		}
	}
	return left
}

func (p *exprParser) operand(token exprToken) expression {
	switch token.kind {
	case nameToken, quotedToken:
		if token.kind == nameToken && p.accept("(") {
			return p.call(token)
		}
		return exprField(token.value.(string))
	case literalToken:
		return exprConstant(token.value)
	case "@":
		return exprCurrent
	case "*":
		return exprThen(exprValues, exprEach(p.projected(bindsStar)))
	case "!":
		return exprNot(p.expression(bindsNot))
	case "(":
		inner := p.expression(0)
		p.expect(")")
		return inner
	case "[":
		return p.bracket()
	case "{":
		return p.members()
	case "[]", "[?":
		return p.operation(exprCurrent, token.kind)
	default:
		p.unexpected(token)
		return nil
	}
}

// operation reads the rest of an operation on an operand.
func (p *exprParser) operation(left expression, operator string) expression {
	switch power := binds(operator); operator {
	case ".":
		if p.accept("*") {
			return exprThen(left, exprThen(exprValues, exprEach(p.projected(power))))
		}
		return exprThen(left, p.afterDot(power))
	case "|":
		return exprThen(left, p.expression(power))
	case "||":
		return exprLogic(left, p.expression(power), true)
	case "&&":
		return exprLogic(left, p.expression(power), false)
	case "[]":
		return exprThen(left, exprThen(exprFlatten, exprEach(p.projected(power))))
	case "[?":
		condition := p.expression(0)
		p.expect("]")
		return exprThen(left, exprThen(exprFilter(condition), exprEach(p.projected(power))))
	case "[":
		p.expect("*")
		p.expect("]")
		return exprThen(left, exprEach(p.projected(bindsStar)))
	default:
		return exprCompare(operator, left, p.expression(power))
	}
}

// projected reads what a projection applies to each element.
func (p *exprParser) projected(before int) expression {
	switch {
	case binds(p.peek()) < bindsProjected:
		return exprCurrent
	case p.accept("."):
		return p.afterDot(before)
	default:
		return p.expression(before)
	}
}

func (p *exprParser) afterDot(before int) expression {
	switch p.peek() {
	case nameToken, quotedToken, "*":
		return p.expression(before)
	case "{":
		p.next()
		return p.members()
	default:
		p.expect("[")
		return p.elements()
	}
}

// bracket reads an operand that begins with a bracket.
func (p *exprParser) bracket() expression {
	switch {
	case p.atIndex():
		return p.index(false)
	case p.peek() == "*" && p.tokens[1].kind == "]":
		return p.operation(exprCurrent, "[")
	default:
		return p.elements()
	}
}

func (p *exprParser) atIndex() bool { return p.peek() == numberToken || p.peek() == ":" }

// index reads 1] or start:stop:step]. A slice is a projection, but one that
// follows an index is not: so it is in the AWS CLI.
func (p *exprParser) index(follows bool) expression {
	var bounds [3]*int
	for colons := 0; p.err == nil; {
		if p.peek() == numberToken {
			bound := p.next().value.(int)
			bounds[colons] = &bound
		}
		switch end := p.expect("]", ":"); {
		case end.kind == ":" && colons < 2:
			colons++
		case end.kind == ":":
			p.unexpected(end)
		case colons == 0:
			p.indexed = true
			return exprElement(*bounds[0])
		case bounds[2] != nil && *bounds[2] == 0:
			p.fail(end, "the step of a slice must not be 0")
		case follows:
			p.indexed = true
			return exprSlice(bounds)
		default:
			return exprThen(exprSlice(bounds), exprEach(p.projected(bindsStar)))
		}
	}
	return nil
}

// elements reads a, b] of a list.
func (p *exprParser) elements() expression {
	var elements []expression
	for p.err == nil {
		elements = append(elements, p.expression(0))
		if p.accept("]") {
			return exprList(elements)
		}
		p.expect(",")
	}
	return nil
}

// members reads a: x, b: y} of an object.
func (p *exprParser) members() expression {
	var names []string
	var values []expression
	for p.err == nil {
		name, _ := p.expect(nameToken, quotedToken).value.(string)
		p.expect(":")
		names, values = append(names, name), append(values, p.expression(0))
		if p.accept("}") {
			return exprObject(names, values)
		}
		p.expect(",")
	}
	return nil
}
