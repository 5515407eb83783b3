package relay

import (
	"cmp"
	"slices"
)

func (e *evaluation) sort(arguments []any) (any, error) {
	list := arguments[0].([]any)
	return e.sorted(list, list)
}

func (e *evaluation) sortBy(arguments []any) (any, error) {
	list := arguments[0].([]any)
	keys, err := e.keysBy(list, arguments[1])
	if err != nil {
		return nil, err
	}
	return e.sorted(list, keys)
}

func (e *evaluation) max(arguments []any) (any, error) {
	list := arguments[0].([]any)
	return e.extreme(list, list, 1)
}

func (e *evaluation) min(arguments []any) (any, error) {
	list := arguments[0].([]any)
	return e.extreme(list, list, -1)
}

func (e *evaluation) maxBy(arguments []any) (any, error) { return e.extremeBy(arguments, 1) }
func (e *evaluation) minBy(arguments []any) (any, error) { return e.extremeBy(arguments, -1) }

func (e *evaluation) extremeBy(arguments []any, sign int) (any, error) {
	list := arguments[0].([]any)
	keys, err := e.keysBy(list, arguments[1])
	if err != nil {
		return nil, err
	}
	return e.extreme(list, keys, sign)
}

// keysBy returns what an expression selects from each element. All of them must
// be numbers, or all of them strings.
func (e *evaluation) keysBy(list []any, by any) ([]any, error) {
	keys, err := e.apply(by.(expression), list)
	if err != nil {
		return nil, err
	}
	return keys, e.check(keys, listOfNumbers|listOfStrings)
}

// sorted returns a list in the order of its keys. Elements with equal keys keep
// their order.
func (e *evaluation) sorted(list, keys []any) (any, error) {
	type keyed struct{ key, element any }
	if err := e.take(2 * elementCost * len(list)); err != nil {
		return nil, err
	}
	pairs := make([]keyed, len(list))
	for i := range list {
		pairs[i] = keyed{keys[i], list[i]}
	}
	var fault error
	slices.SortStableFunc(pairs, func(a, b keyed) (order int) {
		if fault == nil { // else the sort ends soon, as if all were equal
			order, _, fault = e.order(a.key, b.key)
		}
		return order
	})
	sorted, err := e.newList(len(list))
	if err = cmp.Or(fault, err); err != nil {
		return nil, err
	}
	for _, pair := range pairs {
		sorted = append(sorted, pair.element)
	}
	return sorted, nil
}

// extreme returns the first element with the greatest key, or with the least one
// if the sign is negative. It returns nil for an empty list.
func (e *evaluation) extreme(list, keys []any, sign int) (any, error) {
	if len(list) == 0 {
		return nil, nil
	}
	best := 0
	for i := range list {
		order, _, err := e.order(keys[i], keys[best])
		if err != nil {
			return nil, err
		}
		if order*sign > 0 {
			best = i
		}
	}
	return list[best], nil
}

// exprCompare compares what two expressions select. It selects null if they have
// no order.
func exprCompare(operator string, left, right expression) expression {
	return func(e *evaluation, at any) (any, error) {
		a, err := e.run(left, at)
		if err != nil {
			return nil, err
		}
		b, err := e.run(right, at)
		if err != nil {
			return nil, err
		}
		if operator == "==" || operator == "!=" {
			equal, err := e.equal(a, b)
			return equal == (operator == "=="), err
		}
		order, ok, err := e.order(a, b)
		if err != nil || !ok {
			return nil, err
		}
		switch operator {
		case "<":
			return order < 0, nil
		case "<=":
			return order <= 0, nil
		case ">":
			return order > 0, nil
		default:
			return order >= 0, nil
		}
	}
}

// equal reports whether two values are the same JSON value.
func (e *evaluation) equal(a, b any) (bool, error) {
	if err := e.take(stepCost); err != nil {
		return false, err
	}
	switch a := a.(type) {
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false, nil
		}
		for i := range a {
			if equal, err := e.equal(a[i], b[i]); !equal {
				return false, err
			}
		}
		return true, nil
	case *jsonObject:
		b, ok := b.(*jsonObject)
		if !ok || len(a.names) != len(b.names) {
			return false, nil
		}
		return e.equalObjects(a, b)
	default:
		order, ok, err := e.order(a, b)
		return err == nil && (a == b || ok && order == 0), err
	}
}

func (e *evaluation) equalObjects(a, b *jsonObject) (bool, error) {
	if err := cmp.Or(e.read(a), e.read(b)); err != nil {
		return false, err
	}
	for _, name := range a.names {
		value, ok := b.values[name]
		if err := e.take(len(name)); err != nil || !ok {
			return false, err
		}
		if equal, err := e.equal(a.values[name], value); !equal {
			return false, err
		}
	}
	return true, nil
}

// order compares two numbers, or two strings by their characters, as the AWS CLI
// does. It returns false for anything else.
func (e *evaluation) order(a, b any) (order int, ok bool, err error) {
	err = e.take(stepCost)
	switch a := a.(type) {
	case string:
		if b, ok := b.(string); ok {
			return cmp.Compare(a, b), true, cmp.Or(err, e.take(min(len(a), len(b))))
		}
	case jsonNumber:
		if b, ok := b.(jsonNumber); ok {
			return a.compare(b), true, cmp.Or(err, e.take(len(a.digits)+len(b.digits)))
		}
	}
	return 0, false, err
}
