package relay

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"credential-relay/datadog"
)

var renew = flag.Bool("renew", false, "download JMESPath's compliance suite and write testdata/jmespath.json")

const (
	complianceFile   = "testdata/jmespath.json"
	complianceModule = "github.com/jmespath/go-jmespath@v0.4.0"
)

// compliance is a document of JMESPath's compliance suite, and what expressions select from it.
type compliance struct {
	Given json.RawMessage  `json:"given"`
	Cases []complianceCase `json:"cases"`
}

type complianceCase struct {
	Expression string          `json:"expression"`
	Result     json.RawMessage `json:"result,omitempty"`
	Error      string          `json:"error,omitempty"`
}

func TestJMESPathCompliance(t *testing.T) {
	if *renew {
		renewCompliance(t)
	}
	var documents []compliance
	if err := json.Unmarshal(must(os.ReadFile(complianceFile)), &documents); err != nil {
		t.Fatal(err)
	}
	cases := 0
	for _, document := range documents {
		given, ok := decodeJSON(document.Given)
		if !ok {
			t.Fatalf("not JSON: %s", document.Given)
		}
		for _, c := range document.Cases {
			cases++
			t.Run(c.Expression, func(t *testing.T) { c.check(t, given) })
		}
	}
	if cases < 800 {
		t.Errorf("the suite has %d cases, and it had 862", cases)
	}
}

func (c complianceCase) check(t *testing.T, given any) {
	compiled, err := compile(c.Expression)
	if err != nil {
		if c.Error == "" {
			t.Errorf("got the fault %v, want %s", err, c.Result)
		}
		return
	}
	got, err := newEvaluation().run(compiled, given)
	switch want, _ := decodeJSON(c.Result); {
	case c.Error == "invalid-type": // of what the document holds, so it is not found before
		if err == nil {
			t.Errorf("got %s, want an error", show(got))
		}
	case c.Error != "":
		t.Errorf("got no fault, want one of kind %s", c.Error)
	case err != nil || !same(got, want):
		t.Errorf("got %s and the error %v, want %s", show(got), err, c.Result)
	}
}

// show returns a value as to_string does.
func show(value any) string {
	text, err := newEvaluation().appendJSON(nil, value)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func same(a, b any) bool {
	equal, err := newEvaluation().equal(a, b)
	return equal && err == nil
}

func renewCompliance(t *testing.T) {
	var module struct{ Dir string }
	output, err := exec.Command("go", "mod", "download", "-json", complianceModule).Output()
	if err == nil {
		err = json.Unmarshal(output, &module)
	}
	files, _ := filepath.Glob(filepath.Join(module.Dir, "compliance", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has %d files: %v", complianceModule, len(files), err)
	}
	var all []compliance
	for _, file := range files {
		var documents []compliance
		if err := json.Unmarshal(must(os.ReadFile(file)), &documents); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, documents...)
	}
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	encoder.SetEscapeHTML(false)
	for i, document := range all {
		lines.WriteString([]string{"[", ","}[min(i, 1)])
		if err := encoder.Encode(document); err != nil {
			t.Fatal(err)
		}
	}
	lines.WriteString("]\n")
	if err := os.WriteFile(complianceFile, lines.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestExpressionsSelectWhatTheAWSCLISelects holds what the compliance suite leaves open. The results are those of
// `aws … --query`. Where that fails, or reads infinity as a number, they are those of the specification.
func TestExpressionsSelectWhatTheAWSCLISelects(t *testing.T) {
	const versions = `{"keys":[{"v":2,"at":"2024-05-01","t":"b"},{"v":10,"at":"2025-01-01","t":"c"},{"v":1.0,"at":"2023-01-01","t":"a"}]}`
	const big = `{"keys":[{"v":9007199254740993,"t":"b"},{"v":9007199254740992,"t":"a"},{"v":12345678901234567891,"t":"d"},{"v":12345678901234567890,"t":"c"}]}`
	for _, c := range []struct{ name, expression, document, want string }{
		{"equal to a number", "keys[?v == `1`].t", versions, `["a"]`},
		{"not equal to a number", "keys[?v != `10`].t", versions, `["b","a"]`},
		{"more than a number", "keys[?v > `1`].t", versions, `["b","c"]`},
		{"a number is less than none", "keys[?missing < `1`].t", versions, `[]`},
		{"a number and a string have no order", "keys[?at > `1`].t", versions, `[]`},
		{"strings in order", "keys[?at >= '2024-05-01'].t", versions, `["b","c"]`},
		{"the greatest", "max_by(keys, &v).t", versions, `"c"`},
		{"the greatest string", "max_by(keys, &at).t", versions, `"c"`},
		{"the least", "min_by(keys, &v).t", versions, `"a"`},
		{"the first of two that are equal", "[max_by(@, &v).t, min_by(@, &v).t]", `[{"v":1,"t":"a"},{"v":1.0,"t":"b"}]`, `["a","a"]`},
		{"in order", "sort_by(keys, &v)[].t", versions, `["a","b","c"]`},
		{"the order of equals stays", "sort_by(@, &v)[].t", `[{"v":2,"t":"a"},{"v":1,"t":"b"},{"v":2,"t":"c"},{"v":1.0,"t":"d"}]`, `["b","d","a","c"]`},
		{"the order of many equals stays", "sort_by(@, &length(to_string(@)))", `[10,1,11,2,12,3,13,4,14,5,15,6,16,7,17,8,18,9,19,0]`, `[1,2,3,4,5,6,7,8,9,0,10,11,12,13,14,15,16,17,18,19]`},
		{"sorting leaves the source as it is", "[sort_by(keys, &v)[0].t, keys[0].t, sort(keys[].t)[0], keys[].t | [0]]", versions, `["a","b","a","b"]`},
		{"whole numbers beyond float64, equal", "keys[?v == `9007199254740993`].t", big, `["b"]`},
		{"whole numbers beyond float64, more", "keys[?v > `12345678901234567890`].t", big, `["d"]`},
		{"whole numbers beyond float64, in order", "sort_by(keys, &v)[].t", big, `["a","b","c","d"]`},
		{"whole numbers below zero", "sort(@)", `[-9007199254740992,-9007199254740993,-12345678901234567890]`, `[-12345678901234567890,-9007199254740993,-9007199254740992]`},
		{"a whole number and a fraction", "[0] == [1]", `[9007199254740993,9007199254740992.0]`, `false`},
		{"contains a number", "contains(@, `2`)", `[1,2.0]`, `true`},
		{"contains an object", "contains(@, {a: `1.0`})", `[{"a":1}]`, `true`},
		{"an object and more", "[a == b, b == a, a != b]", `{"a":{"x":1},"b":{"x":1,"y":2}}`, `[false,false,true]`},
		{"an object in another order", "a == b", `{"a":{"x":1,"y":[2]},"b":{"y":[2.0],"x":1}}`, `true`},
		{"a string contains no number", "contains(@, '1') && contains(@, 'x')", `"1x"`, `true`},
		{"sum and type", "[sum(@) == `3.5`, type(@[0])]", `[1,2.5]`, `[true,"number"]`},
		{"the average of nothing", "avg(@)", `[]`, `null`},
		{"a padded number", "keys[?to_number(v) > `8`].t", `{"keys":[{"v":"007","t":"a"},{"v":"010","t":"b"}]}`, `["b"]`},
		{"what is no number", "[].to_number(@)", `["","-","1x","0x10","infinity","nan","1_0",null,true,[],{}]`, `[]`},
		{"values in the order of the source", "* | [0]", `{"z":"first","a":"second"}`, `"first"`},
		{"keys in the order of the source", "[keys(@), values(@)]", `{"z":1,"m":2,"a":3}`, `[["z","m","a"],[1,2,3]]`},
		{"merged, in the order of both", "merge(@, {m: `9`, b: `8`}) | [keys(@), values(@)]", `{"z":1,"m":2}`, `[["z","m","b"],[1,9,8]]`},
		{"a string in backticks", "keys[?t == `b`].v", versions, `[2]`},
		{"a string in backticks loses the white space before it", "` a b `", `{}`, `"a b "`},
		{"a raw string keeps its backslashes", `'a\\b\n\''`, `{}`, `"a\\\\b\\n'"`},
		{"a name of hyphens", `"okta-token"."2fa"`, `{"okta-token":{"2fa":"x"}}`, `"x"`},
		{"text of an object", "to_string(@)", `{"z":"é𝄞<&>","a":["\u007f\b\t/\"\\",null,true,1]}`, `"{\"z\":\"\\u00e9\\ud834\\udd1e<&>\",\"a\":[\"\\u007f\\b\\t/\\\"\\\\\",null,true,1]}"`},
		{"reversed by characters", "reverse(@)", `"a𝄞é"`, `"é𝄞a"`},
		{"length in characters", "length(@)", `"a𝄞é"`, `3`},
		{"a slice is a projection", "[:1].a", `[{"a":1},{"a":2}]`, `[1]`},
		{"a slice of an element is none", "[0][:1].a", `[[{"a":1}]]`, `null`},
		{"a slice of an element, and its first", "[0][:2][0]", `[["x","y"]]`, `"x"`},
		{"a slice of a part of an element is a projection", "[0].a[:1].b", `[{"a":[{"b":1}]}]`, `[1]`},
		{"steps beyond the list", "[@[1::9223372036854775807], @[::-9223372036854775808]]", `[1,2,3]`, `[[2],[3]]`},
		{"not binds before a dot", "!a.b", `{"a":{"b":true}}`, `null`},
		{"rounded", "[ceil(a), floor(a), ceil(b), abs(b), abs(c)]", `{"a":1.2,"b":-0.5,"c":-12345678901234567890}`, `[2,1,0,0.5,12345678901234567890]`},
		{"of a text", "starts_with(@, 'ab') && ends_with(@, 'bc')", `"abc"`, `true`},
	} {
		t.Run(c.name, func(t *testing.T) {
			document, ok := decodeJSON([]byte(c.document))
			if !ok {
				t.Fatalf("not JSON: %s", c.document)
			}
			before := show(document)
			got, err := newEvaluation().run(mustCompile(c.expression), document)
			if want, _ := decodeJSON([]byte(c.want)); err != nil || !same(got, want) || show(got) != show(want) {
				t.Errorf("got %s and the error %v, want %s", show(got), err, c.want)
			}
			if show(document) != before {
				t.Errorf("the document is now %s", show(document))
			}
		})
	}
}

// TestNumbersKeepTheirDigits: what is sent is the very text of the source.
func TestNumbersKeepTheirDigits(t *testing.T) {
	const source = `{"n":12345678901234567890,"f":1.10,"e":1E5,"small":1e-400,"large":1e400,"zero":-0,"list":[2.50,10,0.1],"o":{"x":[1.0]}}`
	const computed = "k: is a number that its expression computes, so its digits are not certain; store it as a string"
	for _, c := range []struct{ expression, want, err string }{
		{"n", "12345678901234567890", ""},
		{"f", "1.10", ""},
		{"e", "1E5", ""},
		{"[small, large, zero]", "[1e-400,1e400,-0]", ""},
		{"list[?@ > `1`]", "[2.50,10]", ""},
		{"sort(list)", "[0.1,2.50,10]", ""},
		{"max(list)", "10", ""},
		{"min_by(list, &@)", "0.1", ""},
		{"{a: f, o: o}", `{"a":1.10,"o":{"x":[1.0]}}`, ""},
		{"`1.10`", "1.10", ""},
		{"not_null(missing, `1.0`)", "1.0", ""},
		{"to_array(n)", "[12345678901234567890]", ""},
		{"to_string(o)", `"{\"x\":[1.0]}"`, ""},
		{"to_string(f)", `"1.10"`, ""},
		{"to_number('1.10')", "1.10", ""},
		{"abs(`-1.10`)", "1.10", ""},
		{"length(list)", "3", ""},
		{"sum(list[1:2])", "10", ""},
		{"ceil(f)", "2", ""},
		{"floor(n)", "12345678901234567890", ""},

		{"sum(list)", "", computed},
		{"sum([n, `1`])", "", computed},
		{"sum([`9007199254740992`, `-1`])", "", computed},
		{"sum([`-9007199254740000`, `9007199254740993`])", "", computed},
		{"sum([`9007199254740991`, `9007199254740991`, `-9007199254740991`])", "", computed},
		{"avg(list)", "", computed},
		{"to_number('007')", "", computed},
		{"to_string(avg(list))", "", computed},
		{"[[{a: avg(list)}]]", "", computed},
		{"ceil(large)", "", "k: its expression does not apply to what the source holds"},
		{"sum([large, `-1e400`])", "", "k: its expression does not apply to what the source holds"},
	} {
		t.Run(c.expression, func(t *testing.T) {
			want := ""
			if c.err == "" {
				want = `{"k":` + c.want + `}`
			}
			mapping{c.expression, source, want, c.err}.check(t, "NEWER", map[string]string{"k": c.expression})
		})
	}
}

// TestExpressionFaults are found when a binding is read. What only another dialect of JMESPath has is a fault too.
func TestExpressionFaults(t *testing.T) {
	for _, c := range []struct{ name, expression, want string }{
		{"nothing", "", "the expression ends too early, at character 1"},
		{"white space", " \n", "the expression ends too early, at character 3"},
		{"half an expression", "a[", "the expression ends too early, at character 3"},
		{"two names", "a b", `unexpected "b", at character 3`},
		{"characters, not bytes", "'é' b", `unexpected "b", at character 5`},
		{"a hyphen", "okta-token", `a name with a hyphen, or with a digit first, must be in double quotes: "okta-token", at character 1`},
		{"a hyphen and a digit", "a.okta-2", `must be in double quotes: "okta-2", at character 3`},
		{"a digit first", "a.2fa", `must be in double quotes: "2fa", at character 3`},
		{"subtraction", "a - b", `'-' is not part of JMESPath; put a name that holds it in double quotes, at character 3`},
		{"subtraction of a number", "a -1", `unexpected "-1", at character 3`},
		{"addition", "a + b", `'+' is not part of JMESPath`},
		{"division", "a / b", `'/' is not part of JMESPath`},
		{"a product", "a * b", `unexpected "*"`},
		{"the root", "$.a", `'$' is not part of JMESPath`},
		{"let", "let $a = b in $a", `'$' is not part of JMESPath`},
		{"one sign of equality", "a = b", `'=' is not part of JMESPath`},
		{"a character of another alphabet", "ключ", `'к' is not part of JMESPath`},
		{"no function", "nosuch(a)", "nosuch is not a function of JMESPath, at character 1"},
		{"a function of another dialect", "pad_left(a, `100000000`)", "pad_left is not a function of JMESPath"},
		{"a function in quotes", `"length"(a)`, `unexpected "("`},
		{"a function that is never called", "a || nosuch(b)", "nosuch is not a function"},
		{"too few arguments", "join(a)", "wrong number of arguments: join takes 2, and is given 1, at character 1"},
		{"too many arguments", "length(a, b)", "length takes 1, and is given 2"},
		{"no arguments", "not_null()", "not_null takes 1, and is given 0"},
		{"no comma", "join(a b)", `unexpected "b"`},
		{"a comma too many", "join(a, b,)", `unexpected ")"`},
		{"no &", "sort_by(a, b)", "argument 2 of sort_by must begin with &, as in &name, at character 12"},
		{"an & too many", "length(&a)", "argument 1 of length must not begin with &"},
		{"& outside of a function", "&a", `unexpected "&"`},
		{"a step of 0", "a[::0]", "the step of a slice must not be 0"},
		{"four parts of a slice", "a[1:2:3:4]", `unexpected ":"`},
		{"an index out of range", "a[99999999999999999999]", "the number is out of range"},
		{"a string that is open", "'a", "the closing ' is missing"},
		{"a name that is open", `"a`, `the closing " is missing`},
		{"a literal that is open", "`a", "the closing ` is missing"},
		{"a literal that is no JSON", "`\"a`", "the literal in backticks is not a JSON value"},
		{"a name of half a pair", `"\ud800"`, "the name in quotes is not a JSON string"},
		{"a text of half a pair", "'\xff'", `it holds an escape that is no character, such as \ud800`},
		{"too long", strings.Repeat("a", maxExpression+1), "it is longer than 4096 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := fieldsFor(datadog.Okta, map[string]string{"api_token": c.expression})
			if err == nil || !strings.HasPrefix(err.Error(), "secrets: api_token: ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if err != nil && len(err.Error()) > 700 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

// TestExpressionsOfABindingAreClear reads the member `secrets` of a binding.
func TestExpressionsOfABindingAreClear(t *testing.T) {
	const wrongType = "secrets: must be an object of Datadog keys and JMESPath expressions, all strings"
	for _, c := range []struct{ name, member, want string }{
		{"keys", `{"a":"x","b-c":"y"}`, ""},
		{"no object", `["a"]`, wrongType},
		{"null", `null`, wrongType},
		{"a number", `{"a":1}`, wrongType},
		{"null for an expression", `{"a":null}`, wrongType},
		{"a key twice", `{"a":"x","a":"y"}`, "secrets: a: is there twice; keep one of them"},
		{"an empty key", `{"":"x"}`, `secrets: "" is not a Datadog key, since it is empty or holds white space`},
		{"white space in a key", `{"api_token ":"x"}`, `secrets: "api_token " is not a Datadog key, since it is empty or holds white space`},
		{"half a pair in a key", `{"\ud800":"x"}`, `secrets: "�\xff" is not a Datadog key, since it is empty or holds white space`},
	} {
		t.Run(c.name, func(t *testing.T) {
			options, err := parseOptions([]byte(`{"integration_type":"OKTA","secrets":` + c.member + `}`))
			if got := fmt.Sprint(err); got != c.want && (c.want != "" || err != nil) {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if err == nil && (len(options.secrets) != 2 || options.secrets["b-c"] != "y") {
				t.Errorf("got %v", options.secrets)
			}
		})
	}
}
