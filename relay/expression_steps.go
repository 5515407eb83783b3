package relay

import "cmp"

// exprCurrent selects what the expression is applied to.
func exprCurrent(_ *evaluation, at any) (any, error) { return at, nil }

func exprConstant(value any) expression {
	return func(*evaluation, any) (any, error) { return value, nil }
}

// exprField selects the value of a name in an object.
func exprField(name string) expression {
	return func(e *evaluation, at any) (any, error) {
		object, ok := at.(*jsonObject)
		if !ok {
			return nil, nil
		}
		if object.twice[name] {
			return nil, errTwice
		}
		return object.values[name], e.take(len(name))
	}
}

// exprThen applies an expression to what another one selects.
func exprThen(first, second expression) expression {
	return func(e *evaluation, at any) (any, error) {
		at, err := e.run(first, at)
		if err != nil {
			return nil, err
		}
		return e.run(second, at)
	}
}

// exprElement selects one element of a list. A negative index counts from its
// end.
func exprElement(index int) expression {
	return func(_ *evaluation, at any) (any, error) {
		list, _ := at.([]any)
		place := index
		if index < 0 {
			place += len(list)
		}
		if place < 0 || place >= len(list) {
			return nil, nil
		}
		return list[place], nil
	}
}

// exprSlice selects the elements of a list from a start to a stop, by a step.
func exprSlice(bounds [3]*int) expression {
	return func(e *evaluation, at any) (any, error) {
		list, ok := at.([]any)
		if !ok {
			return nil, nil
		}
		selected, err := e.newList(len(list))
		if err != nil {
			return nil, err
		}
		start, stop, step := sliceOf(len(list), bounds)
		for place := start; step > 0 && place < stop || step < 0 && place > stop; place += step {
			selected = append(selected, list[place])
		}
		return selected, nil
	}
}

// sliceOf returns the places where a slice of a list begins and stops, and the
// step between two. The step is no larger than the list, so adding it is safe.
func sliceOf(length int, bounds [3]*int) (start, stop, step int) {
	step = 1
	if bounds[2] != nil {
		step = min(max(*bounds[2], -length-1), length+1)
	}
	first, last := 0, length
	if step < 0 {
		first, last = -1, length-1
	}
	place := func(bound *int, absent int) int {
		switch {
		case bound == nil:
			return absent
		case *bound < 0:
			return max(*bound+length, first)
		default:
			return min(*bound, last)
		}
	}
	if step < 0 {
		return place(bounds[0], last), place(bounds[1], first), step
	}
	return place(bounds[0], first), place(bounds[1], last), step
}

// exprFlatten joins the lists in a list to one.
func exprFlatten(e *evaluation, at any) (any, error) {
	list, ok := at.([]any)
	if !ok {
		return nil, nil
	}
	flat := []any{}
	for i := range list {
		inner, ok := list[i].([]any)
		if !ok {
			inner = list[i : i+1]
		}
		if err := e.take(stepCost + growthCost*elementCost*len(inner)); err != nil {
			return nil, err
		}
		flat = append(flat, inner...)
	}
	return flat, nil
}

// exprValues selects the values of an object, in the order of its names.
func exprValues(e *evaluation, at any) (any, error) {
	object, ok := at.(*jsonObject)
	if !ok {
		return nil, nil
	}
	if object.twice != nil {
		return nil, errTwice
	}
	values, err := e.newList(len(object.names))
	if err != nil {
		return nil, err
	}
	for _, name := range object.names {
		values = append(values, object.values[name])
	}
	return values, nil
}

// exprEach applies an expression to each element of a list, and leaves out nulls.
func exprEach(each expression) expression {
	return func(e *evaluation, at any) (any, error) {
		list, ok := at.([]any)
		if !ok {
			return nil, nil
		}
		selected, err := e.newList(len(list))
		if err != nil {
			return nil, err
		}
		for _, element := range list {
			value, err := e.run(each, element)
			if err != nil {
				return nil, err
			}
			if value != nil {
				selected = append(selected, value)
			}
		}
		return selected, nil
	}
}

// exprFilter selects the elements of a list that meet a condition.
func exprFilter(condition expression) expression {
	return exprEach(func(e *evaluation, element any) (any, error) {
		met, err := e.run(condition, element)
		if err != nil || !isTrue(met) {
			return nil, err
		}
		return element, nil
	})
}

// exprList makes a list of what expressions select. It makes null of null.
func exprList(elements []expression) expression {
	return func(e *evaluation, at any) (any, error) {
		if at == nil {
			return nil, nil
		}
		list, err := e.newList(len(elements))
		if err != nil {
			return nil, err
		}
		for _, element := range elements {
			value, err := e.run(element, at)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		return list, nil
	}
}

// exprObject makes an object of what expressions select. It makes null of null.
func exprObject(names []string, values []expression) expression {
	return func(e *evaluation, at any) (any, error) {
		if at == nil {
			return nil, nil
		}
		object, err := e.newObject(len(names))
		if err != nil {
			return nil, err
		}
		for i, name := range names {
			value, err := e.run(values[i], at)
			if err = cmp.Or(err, e.take(len(name))); err != nil {
				return nil, err
			}
			object.put(name, value)
		}
		return object, nil
	}
}

// exprLogic selects the left value if it counts as decisive, else the right one:
// true decides an or, false an and.
func exprLogic(left, right expression, decisive bool) expression {
	return func(e *evaluation, at any) (any, error) {
		value, err := e.run(left, at)
		if err != nil || isTrue(value) == decisive {
			return value, err
		}
		return e.run(right, at)
	}
}

func exprNot(of expression) expression {
	return func(e *evaluation, at any) (any, error) {
		value, err := e.run(of, at)
		return !isTrue(value), err
	}
}
