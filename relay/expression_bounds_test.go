package relay

import (
	"encoding/json"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// Documents of about 64 KB, the most that a source holds.
var (
	manyNumbers = "[" + strings.Repeat("1,", 32_000) + "1]"
	manyObjects = "[" + strings.Repeat("{},", 21_000) + "{}]"
	manyTexts   = `["` + strings.Repeat(`a","`, 16_000) + `"]`
	longText    = `["` + strings.Repeat("x", 65_000) + `"]`
	longNumber  = "[" + strings.Repeat("9", 65_000) + "]"
	longNumbers = "[" + strings.Repeat(strings.Repeat("9", 1000)+",", 64) + "1]"
	longName    = `[{"` + strings.Repeat("x", 65_000) + `":1}]`
	escapes     = `["` + strings.Repeat(`\"`, 32_000) + `"]`
)

// TestExpressionsAreBounded evaluates what would take all memory, or forever. An error never has the value in it.
func TestExpressionsAreBounded(t *testing.T) {
	const work = "k: its expression takes too much time or memory; select the value with a simpler one"
	const large = "k: makes the secrets larger than 64 KiB, which no source exceeds; select less"
	const deep = "k: has more than 100 levels of objects and lists; select less"
	twice := func(times int) string { return strings.Repeat("[@,@][] | ", times) } // a list of as many elements again
	for _, c := range []struct{ name, expression, document, want string }{
		{"a list of lists of itself", "@" + strings.Repeat(" | [@,@]", 40), `"x"`, large},
		{"objects of itself", "@" + strings.Repeat(" | {a:@,b:@}", 40), `"x"`, large},
		{"a list twice as long", twice(300) + "@", `["x"]`, work},
		{"a long list twice as long", twice(300) + "@", manyNumbers, work},
		{"an object of each", twice(1) + "[*].{a:@,b:@}", manyObjects, work},
		{"objects merged with each", twice(1) + "[*].merge({a:@},@)", manyObjects, work},
		{"a long name merged with each", twice(12) + "[*].merge(@,@)", longName, work},
		{"a long glue", "join(to_string(@), @)", manyTexts, work},
		{"a long text again and again", "join(@[0], " + twice(9) + "@)", longText, work},
		{"a long text twice", "[@, @]", longText, large},
		{"escapes of escapes", strings.Repeat("to_string([", 60) + "@" + strings.Repeat("])", 60), escapes, work},
		{"text of a list of lists", "@" + strings.Repeat(" | [@,@]", 40) + " | to_string(@)", `"x"`, work},
		{"a list mapped again and again", strings.Repeat("map(&[@,@], @) | ", 200) + "@", manyNumbers, work},
		{"maps in maps", strings.Repeat("map(&", 100) + "@" + strings.Repeat(", [@,@])", 100), `1`, work},
		{"many steps for each", "[?" + strings.Repeat("a||", 1000) + "a]", manyNumbers, work},
		{"slices of slices", strings.Repeat("[::-1] | ", 450) + "@", manyNumbers, work},
		{"projections", strings.Repeat("[@] | [*] | ", 300) + "@", manyNumbers, deep},
		{"a text reversed", strings.Repeat("[*].reverse(@)|", 270) + "@", longText, work},
		{"a sorted list twice as long", twice(2) + "sort_by(@, &to_string(@))", manyNumbers, work},
		{"long texts in order", twice(10) + "sort(@)", longText, work},
		{"long numbers in order", twice(8) + "sort(@)", longNumbers, work},
		{"the greatest of long numbers", twice(9) + "max(@)", longNumber, work},
		{"long texts compared", twice(15) + "[?@ == @]", longText, work},
		{"long texts that begin with themselves", twice(15) + "[?starts_with(@, @)]", longText, work},
		{"long texts that end with themselves", twice(15) + "[?ends_with(@, @)]", longText, work},
		{"long texts that hold themselves", twice(15) + "[?contains(@, @)]", longText, work},
		{"long texts counted", twice(15) + "[*].length(@)", longText, work},
		{"long texts that are numbers", twice(15) + "[*].to_number(@)", `["` + strings.Repeat("1", 65_000) + `"]`, work},
		{"long names", `[*]."` + strings.Repeat("x", 3500) + `"`, manyObjects, work},
		{"a list many times in one list", "[" + strings.Repeat("@,", 1000) + "@][]", manyNumbers, work},
		{"a list reversed again and again", strings.Repeat("reverse(@) | ", 300) + "@", manyNumbers, work},
		{"sums of a long list", "[@] | " + twice(15) + "[*].sum(@)", manyNumbers, work},
		{"empty lists compared", strings.Repeat("[@,@] | ", 40) + "[0] == [1]", `[]`, work},
		{"lists of lists compared", strings.Repeat("[@,@] | ", 40) + "[0] == [1]", `1`, work},
		{"lists of lists searched", strings.Repeat("[@,@] | ", 40) + "contains(@, @[1])", `1`, work},
		{"objects of objects compared", strings.Repeat("{a:@,b:@} | ", 40) + "a == b", `1`, work},
		{"lists in lists", strings.Repeat("[", 2000) + "@" + strings.Repeat("]", 2000), `1`, deep},
		{"lists in lists compared", strings.Repeat("[", 1000) + "@" + strings.Repeat("]", 1000) + " == @", `1`, ""},
		{"a document of lists in lists", "@", strings.Repeat("[", 9999) + "1" + strings.Repeat("]", 9999), deep},
		{"parentheses", strings.Repeat("(", 2000) + "length(@)" + strings.Repeat(")", 2000), manyNumbers, ""},
		{"nots", strings.Repeat("!", 4000) + "@", manyNumbers, ""},
		{"functions in functions", strings.Repeat("abs(", 800) + "`1`" + strings.Repeat(")", 800), `1`, ""},
		{"a long document in order", "sort(@) | length(@)", manyNumbers, ""},
		{"all of a long document", "@", longText, ""},
		{"text of a long document", "to_string(@)", manyNumbers, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			fields, err := fieldsFor("NEWER", map[string]string{"k": c.expression})
			if err != nil {
				t.Fatal(err)
			}
			document := parse([]byte(c.document))
			var before, after runtime.MemStats
			start := time.Now()
			runtime.ReadMemStats(&before)
			_, err = document.pick(fields)
			runtime.ReadMemStats(&after)
			if got := errorText(err); got != c.want {
				t.Errorf("got the error %.200q, want %q", got, c.want)
			}
			if allocated := (after.TotalAlloc - before.TotalAlloc) >> 20; allocated > 64 {
				t.Errorf("it allocated %d MiB", allocated)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestExpressionsOfABindingShareTheirBounds: many keys together get no more than one.
func TestExpressionsOfABindingShareTheirBounds(t *testing.T) {
	for _, c := range []struct{ name, expression, want string }{
		{"size", "[0]", "c: makes the secrets larger than 64 KiB, which no source exceeds; select less"},
		{"work", strings.Repeat("[join('', @)] | ", 100) + "length(@)", "c: its expression takes too much time or memory; select the value with a simpler one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			document := parse([]byte(`["` + strings.Repeat("x", 30_000) + `", "` + strings.Repeat("x", 35_000) + `"]`))
			for keys, want := range map[string]string{"a": "", "ab": "", "abc": c.want} {
				expressions := map[string]string{}
				for _, key := range keys {
					expressions[string(key)] = c.expression
				}
				fields := must(fieldsFor("NEWER", expressions))
				for range 2 { // and nothing is left of them for the next credential
					if _, err := document.pick(fields); errorText(err) != want {
						t.Errorf("%s: got the error %q, want %q", keys, errorText(err), want)
					}
				}
			}
		})
	}
}

// FuzzExpressions: whatever an expression and a document are, what is sent stays within the bounds, and errors are
// those that quote nothing.
func FuzzExpressions(f *testing.F) {
	for _, expression := range []string{
		"a.b[0]", "[*].a", "* | [0]", "a[?b > `1`].c[]", "sort_by(@, &a)[-1]", "max_by(@, &to_string(@))", "{a: @, \"b c\": [@, 'x']}",
		"@ | [@,@][] | [@,@][]", "join(to_string(@), [to_string(@), 'x'])", "to_number(to_string(@)) == `1e5`", "!a && b || !c",
		"merge(@, {a: keys(@)})", "[::-2][1:2]", "reverse(sort(@))", "not_null(a, sum(@), avg(@))", "map(&[@], values(@))", "`\"\\ud800\"`", "a-b",
	} {
		for _, document := range []string{
			`{"a":{"b":["` + canary + `",1.10]},"c":null}`, `[{"a":2,"b":[1]},{"a":1e400}]`, `{"a":1,"a":2}`, `["\ud800","\ud834\udd1e"]`, canary,
		} {
			f.Add(expression, []byte(document))
		}
	}
	errs := []error{errDoesNotApply, errTooMuchWork, errTooLarge, errTooDeep, errTwice, errNoCharacter, errDigits, errEmpty}
	f.Fuzz(func(t *testing.T, expression string, value []byte) {
		fields, err := fieldsFor("NEWER", map[string]string{"k": expression})
		if err != nil {
			return
		}
		document := parse(value)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		secrets, err := document.pick(fields)
		runtime.ReadMemStats(&after)
		if allocated := (after.TotalAlloc - before.TotalAlloc) >> 20; allocated > 64 {
			t.Errorf("it allocated %d MiB", allocated)
		}
		if err != nil {
			known := slices.ContainsFunc(errs, func(known error) bool { return errors.Is(err, known) })
			if !known && err.Error() != "k: "+document.missing().Error() {
				t.Errorf("an error of its own: %v", err)
			}
			return
		}
		text := sent(t, secrets)
		if !json.Valid([]byte(text)) || len(text) > 6*maxSecrets+100 {
			t.Errorf("Datadog would get %d bytes: %.200q", len(text), text)
		}
	})
}
