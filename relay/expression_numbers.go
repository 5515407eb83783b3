package relay

import (
	"cmp"
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// jsonNumber is a number and its digits, as the source writes them. A computed
// number has digits only if they are certain.
type jsonNumber struct {
	value  float64
	digits string
}

// wholeNumber returns a computed number that has no fraction.
func wholeNumber(value float64) jsonNumber {
	return jsonNumber{value, strconv.FormatFloat(value+0, 'f', 0, 64)} // adding 0 makes 0 of -0
}

func (n jsonNumber) isWhole() bool {
	return n.digits != "" && !strings.ContainsAny(n.digits, ".eE")
}

// compare compares whole numbers by all of their digits, and others as float64
// holds them. From 2^53 on, two whole numbers can be the same float64.
func (n jsonNumber) compare(other jsonNumber) int {
	order := cmp.Compare(n.value, other.value)
	if order != 0 || math.Abs(n.value) < 1<<53 {
		return order
	}
	a, b := n.allDigits(), other.allDigits()
	order = cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
	if n.value < 0 {
		return -order
	}
	return order
}

// allDigits returns the digits of a number of 2^53 or more, without an exponent.
func (n jsonNumber) allDigits() string {
	if n.isWhole() {
		return n.digits
	}
	return wholeNumber(n.value).digits
}

func (e *evaluation) abs(arguments []any) (any, error) {
	number := arguments[0].(jsonNumber)
	return jsonNumber{math.Abs(number.value), strings.TrimPrefix(number.digits, "-")}, nil
}

func (e *evaluation) ceil(arguments []any) (any, error)  { return rounded(arguments[0], math.Ceil) }
func (e *evaluation) floor(arguments []any) (any, error) { return rounded(arguments[0], math.Floor) }

func rounded(value any, round func(float64) float64) (any, error) {
	switch number := value.(jsonNumber); {
	case number.isWhole():
		return number, nil
	case math.IsInf(number.value, 0):
		return nil, errDoesNotApply
	default:
		return wholeNumber(round(number.value)), nil
	}
}

// sum returns a number with digits if it adds whole numbers, and neither they
// nor their sums are so large that float64 rounds them.
func (e *evaluation) sum(arguments []any) (any, error) {
	total, exact := 0.0, true
	for _, element := range arguments[0].([]any) {
		number := element.(jsonNumber)
		total += number.value
		exact = exact && number.isWhole() && math.Abs(number.value) < 1<<53 && math.Abs(total) < 1<<53
	}
	switch {
	case math.IsNaN(total):
		return nil, errDoesNotApply
	case exact:
		return wholeNumber(total), nil
	default:
		return jsonNumber{value: total}, nil
	}
}

func (e *evaluation) avg(arguments []any) (any, error) {
	count := len(arguments[0].([]any))
	total, err := e.sum(arguments)
	if err != nil || count == 0 {
		return nil, err
	}
	return jsonNumber{value: total.(jsonNumber).value / float64(count)}, nil
}

// toNumber reads a decimal number, and makes null of any other text. It keeps
// digits that are a number in JSON too, which 007 is not.
func (e *evaluation) toNumber(arguments []any) (any, error) {
	text, ok := arguments[0].(string)
	if !ok {
		if kindOf(arguments[0]) == aNumber {
			return arguments[0], nil
		}
		return nil, nil
	}
	if err := e.take(len(text)); err != nil {
		return nil, err
	}
	text = strings.TrimSpace(text)
	if strings.Trim(text, asciiDigits+"+-.eE") != "" { // such as infinity, which ParseFloat reads
		return nil, nil
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil && !math.IsInf(value, 0) {
		return nil, nil
	}
	number := jsonNumber{value: value}
	if json.Valid([]byte(text)) {
		number.digits = text
	}
	return number, nil
}
