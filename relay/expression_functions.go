package relay

import (
	"fmt"
	"slices"
	"unicode/utf8"
)

// exprFunction is one of JMESPath's functions.
// https://jmespath.org/specification.html#built-in-functions
type exprFunction struct {
	name    string
	takes   []kinds // what it takes as each argument
	repeats bool    // the last argument can come again
	apply   func(e *evaluation, arguments []any) (any, error)
}

var exprFunctions = [...]exprFunction{
	{"abs", []kinds{aNumber}, false, (*evaluation).abs},
	{"avg", []kinds{listOfNumbers}, false, (*evaluation).avg},
	{"ceil", []kinds{aNumber}, false, (*evaluation).ceil},
	{"contains", []kinds{aList | aString, anything}, false, (*evaluation).contains},
	{"ends_with", []kinds{aString, aString}, false, (*evaluation).endsWith},
	{"floor", []kinds{aNumber}, false, (*evaluation).floor},
	{"join", []kinds{aString, listOfStrings}, false, (*evaluation).join},
	{"keys", []kinds{anObject}, false, (*evaluation).keys},
	{"length", []kinds{aString | aList | anObject}, false, (*evaluation).length},
	{"map", []kinds{anExpression, aList}, false, (*evaluation).mapped},
	{"max", []kinds{listOfNumbers | listOfStrings}, false, (*evaluation).max},
	{"max_by", []kinds{aList, anExpression}, false, (*evaluation).maxBy},
	{"merge", []kinds{anObject}, true, (*evaluation).merge},
	{"min", []kinds{listOfNumbers | listOfStrings}, false, (*evaluation).min},
	{"min_by", []kinds{aList, anExpression}, false, (*evaluation).minBy},
	{"not_null", []kinds{anything}, true, (*evaluation).notNull},
	{"reverse", []kinds{aString | aList}, false, (*evaluation).reverse},
	{"sort", []kinds{listOfNumbers | listOfStrings}, false, (*evaluation).sort},
	{"sort_by", []kinds{aList, anExpression}, false, (*evaluation).sortBy},
	{"starts_with", []kinds{aString, aString}, false, (*evaluation).startsWith},
	{"sum", []kinds{listOfNumbers}, false, (*evaluation).sum},
	{"to_array", []kinds{anything}, false, (*evaluation).toArray},
	{"to_number", []kinds{anything}, false, (*evaluation).toNumber},
	{"to_string", []kinds{anything}, false, (*evaluation).toString},
	{"type", []kinds{anything}, false, (*evaluation).typeOf},
	{"values", []kinds{anObject}, false, (*evaluation).values},
}

// call reads the arguments of a function. Its name and their number are checked
// here, what they select when the function is applied.
func (p *exprParser) call(name exprToken) expression {
	i := slices.IndexFunc(exprFunctions[:], func(f exprFunction) bool { return f.name == name.text })
	if i < 0 {
		p.fail(name, name.text+" is not a function of JMESPath")
		return nil
	}
	function := exprFunctions[i]
	var arguments []expression
	for p.err == nil && !p.accept(")") {
		if len(arguments) > 0 {
			p.expect(",")
		}
		arguments = append(arguments, p.argument(function, len(arguments)))
	}
	if wanted, given := len(function.takes), len(arguments); given < wanted || given > wanted && !function.repeats {
		p.fail(name, fmt.Sprintf("wrong number of arguments: %s takes %d, and is given %d", function.name, wanted, given))
	}
	return exprCall(function, arguments)
}

// argument reads the argument at a place. An expression that a function applies
// itself begins with &.
func (p *exprParser) argument(of exprFunction, place int) expression {
	first := p.tokens[0]
	isExpression := p.accept("&")
	argument := p.expression(0)
	switch wanted := of.takesAt(place) == anExpression; {
	case wanted && !isExpression:
		p.fail(first, fmt.Sprintf("argument %d of %s must begin with &, as in &name", place+1, of.name))
	case isExpression && !wanted:
		p.fail(first, fmt.Sprintf("argument %d of %s must not begin with &", place+1, of.name))
	case isExpression:
		return exprConstant(argument)
	}
	return argument
}

// takesAt returns what a function takes as the argument at a place.
func (f exprFunction) takesAt(place int) kinds {
	return f.takes[min(place, len(f.takes)-1)]
}

// exprCall applies a function to what its arguments select.
func exprCall(f exprFunction, arguments []expression) expression {
	return func(e *evaluation, at any) (any, error) {
		values, err := e.newList(len(arguments))
		if err != nil {
			return nil, err
		}
		for i, argument := range arguments {
			value, err := e.run(argument, at)
			if err != nil {
				return nil, err
			}
			if err := e.check(value, f.takesAt(i)); err != nil {
				return nil, err
			}
			values = append(values, value)
		}
		return f.apply(e, values)
	}
}

func (e *evaluation) keys(arguments []any) (any, error) {
	object := arguments[0].(*jsonObject)
	names, err := e.newList(len(object.names))
	if err != nil {
		return nil, err
	}
	for _, name := range object.names {
		names = append(names, name)
	}
	return names, e.read(object)
}

func (e *evaluation) values(arguments []any) (any, error) { return exprValues(e, arguments[0]) }

func (e *evaluation) length(arguments []any) (any, error) {
	switch value := arguments[0].(type) {
	case string:
		return wholeNumber(float64(utf8.RuneCountInString(value))), e.take(len(value))
	case []any:
		return wholeNumber(float64(len(value))), nil
	default:
		object := value.(*jsonObject)
		return wholeNumber(float64(len(object.names))), e.read(object)
	}
}

func (e *evaluation) mapped(arguments []any) (any, error) {
	return e.apply(arguments[0].(expression), arguments[1].([]any))
}

// apply returns what an expression selects from each element, null included.
func (e *evaluation) apply(each expression, list []any) ([]any, error) {
	values, err := e.newList(len(list))
	if err != nil {
		return nil, err
	}
	for _, element := range list {
		value, err := e.run(each, element)
		if err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	return values, nil
}

func (e *evaluation) merge(arguments []any) (any, error) {
	size := 0
	for _, argument := range arguments {
		size += len(argument.(*jsonObject).names)
	}
	merged, err := e.newObject(size)
	if err != nil {
		return nil, err
	}
	for _, argument := range arguments {
		object := argument.(*jsonObject)
		if err := e.read(object); err != nil {
			return nil, err
		}
		for _, name := range object.names {
			if err := e.take(len(name)); err != nil {
				return nil, err
			}
			merged.put(name, object.values[name])
		}
	}
	return merged, nil
}

func (e *evaluation) notNull(arguments []any) (any, error) {
	for _, argument := range arguments {
		if argument != nil {
			return argument, nil
		}
	}
	return nil, nil
}

func (e *evaluation) toArray(arguments []any) (any, error) {
	if kindOf(arguments[0]) == aList {
		return arguments[0], nil
	}
	return arguments, nil
}

func (e *evaluation) typeOf(arguments []any) (any, error) {
	switch kindOf(arguments[0]) {
	case aNumber:
		return "number", nil
	case aString:
		return "string", nil
	case aBoolean:
		return "boolean", nil
	case aList:
		return "array", nil
	case anObject:
		return "object", nil
	default:
		return "null", nil
	}
}
