package awssim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// store sends PutParameter with in. The type is String if in has none.
func (c cloud) store(name, value string, in ssm.PutParameterInput) error {
	in.Name, in.Value = &name, &value
	if in.Type == "" {
		in.Type = types.ParameterTypeString
	}
	_, err := c.parameters.PutParameter(c.Context(), &in)
	return err
}

func (c cloud) stored(names ...string) {
	c.Helper()
	for _, name := range names {
		if err := c.store(name, "value of "+name, ssm.PutParameterInput{}); err != nil {
			c.Fatal(err)
		}
	}
}

func (c cloud) parameter(name string, decrypt bool) (types.Parameter, error) {
	out, err := c.parameters.GetParameter(c.Context(), &ssm.GetParameterInput{Name: &name, WithDecryption: &decrypt})
	if err != nil {
		return types.Parameter{}, err
	}
	return *out.Parameter, nil
}

// wantBelow compares the names that GetParametersByPath returns, in any order, because AWS promises none.
func (c cloud) wantBelow(path string, recursive bool, want ...string) {
	c.Helper()
	pages := ssm.NewGetParametersByPathPaginator(c.parameters, &ssm.GetParametersByPathInput{Path: &path, Recursive: &recursive})
	var names []string
	for pages.HasMorePages() {
		for _, p := range got(pages.NextPage(c.Context()))(c).Parameters {
			names = append(names, *p.Name)
		}
	}
	slices.Sort(names)
	slices.Sort(want)
	if !slices.Equal(names, want) {
		c.Errorf("below %s (recursive %t): got %v, want %v", path, recursive, names, want)
	}
}

var parameterScenarios = []scenario{
	{name: "a parameter comes back complete", run: func(c cloud) {
		for name, kind := range map[string]types.ParameterType{"/app/text": "String", "word": "StringList", "/app/secret": "SecureString"} {
			if err := c.store(name, "one,two", ssm.PutParameterInput{Type: kind}); err != nil {
				c.Fatal(err)
			}
			p := got(c.parameter(name, true))(c)
			if *p.Name != name || *p.Value != "one,two" || p.Type != kind || p.Version != 1 || aws.ToString(p.DataType) != "text" ||
				*p.ARN != "arn:aws:ssm:us-east-1:111122223333:parameter/"+strings.TrimPrefix(name, "/") {
				c.Errorf("got %s %s version %d %s %s", *p.Name, p.Type, p.Version, aws.ToString(p.DataType), *p.ARN)
			}
			if age := time.Since(*p.LastModifiedDate); age < -time.Minute || age > time.Minute {
				c.Errorf("the parameter just made is %v old", age)
			}
		}
	}},
	{name: "a parameter is overwritten on request", run: func(c cloud) {
		c.stored("/app/a")
		c.refused("ParameterAlreadyExists", c.store("/app/a", "new", ssm.PutParameterInput{}))
		out := got(c.parameters.PutParameter(c.Context(), &ssm.PutParameterInput{
			Name: new("/app/a"), Value: new("new"), Overwrite: new(true),
		}))(c)
		if p := got(c.parameter("/app/a", false))(c); out.Version != 2 || p.Version != 2 || *p.Value != "new" || p.Type != "String" {
			c.Errorf("got version %d, then %d %q of type %s", out.Version, p.Version, *p.Value, p.Type)
		}
	}},
	{name: "an overwritten parameter keeps its type, or gets the one that is sent", run: func(c cloud) {
		for _, want := range []types.ParameterType{"SecureString", "String"} {
			for _, sent := range []types.ParameterType{want, ""} {
				if _, err := c.parameters.PutParameter(c.Context(), &ssm.PutParameterInput{
					Name: new("/app/a"), Value: new("v"), Type: sent, Overwrite: new(true),
				}); err != nil {
					c.Fatal(err)
				}
				if p := got(c.parameter("/app/a", true))(c); p.Type != want {
					c.Errorf("sent type %q: got %s, want %s", sent, p.Type, want)
				}
			}
		}
	}},
	{name: "a parameter has its latest hundred versions", run: func(c cloud) {
		for n := range 102 {
			if err := c.store("/app/a", fmt.Sprintf("v%d", n+1), ssm.PutParameterInput{Overwrite: new(true)}); err != nil {
				c.Fatal(err)
			}
		}
		if p := got(c.parameter("/app/a", false))(c); p.Version != 102 || *p.Value != "v102" {
			c.Errorf("got version %d %q", p.Version, *p.Value)
		}
		_, err := c.parameter("/app/a:2", false)
		c.refused("ParameterVersionNotFound", err)
		if p := got(c.parameter("/app/a:3", false))(c); *p.Value != "v3" {
			c.Errorf("version 3: got %q", *p.Value)
		}
	}},
	{name: "a parameter is created with a type", run: func(c cloud) {
		_, err := c.parameters.PutParameter(c.Context(), &ssm.PutParameterInput{Name: new("/app/a"), Value: new("v")})
		c.refused("ValidationException", err)
		c.refused("ValidationException", c.store("/app/a", "v", ssm.PutParameterInput{Type: "Text"}))
		_, err = c.parameter("/app/a", false)
		c.refused("ParameterNotFound", err)
	}},
	{name: "a version is selected by its number", moto: "leaves out the selector", run: func(c cloud) {
		c.stored("/app/a")
		if err := c.store("/app/a", "new", ssm.PutParameterInput{Overwrite: new(true)}); err != nil {
			c.Fatal(err)
		}
		p := got(c.parameter("/app/a:1", false))(c)
		if *p.Name != "/app/a" || *p.Value != "value of /app/a" || p.Version != 1 || aws.ToString(p.Selector) != ":1" {
			c.Errorf("got %s %q version %d selected by %q", *p.Name, *p.Value, p.Version, aws.ToString(p.Selector))
		}
		_, err := c.parameter("/app/a:3", false)
		c.refused("ParameterVersionNotFound", err)
		_, err = c.parameter("/app/b:1", false)
		c.refused("ParameterNotFound", err)
	}},
	{name: "a version is not selected by a label it does not have", moto: "knows no such parameter then", run: func(c cloud) {
		c.stored("/app/a")
		_, err := c.parameter("/app/a:release", false)
		c.refused("ParameterVersionNotFound", err)
	}},
	{name: "a parameter is found by its ARN", run: func(c cloud) {
		c.stored("/app/a", "word")
		for _, name := range []string{"/app/a", "word"} {
			arn := *got(c.parameter(name, false))(c).ARN
			if p := got(c.parameter(arn, false))(c); *p.Name != name {
				c.Errorf("got %s, want %s", *p.Name, name)
			}
		}
		if p := got(c.parameter("arn:aws:ssm:us-east-1:111122223333:parameter/app/a:1", false))(c); *p.Name != "/app/a" || p.Version != 1 {
			c.Errorf("got %s version %d", *p.Name, p.Version)
		}
	}},
	{name: "a secure string comes decrypted only on request", moto: "returns it unencrypted after a prefix", run: func(c cloud) {
		if err := c.store("/app/secret", "canary", ssm.PutParameterInput{Type: types.ParameterTypeSecureString}); err != nil {
			c.Fatal(err)
		}
		if p := got(c.parameter("/app/secret", true))(c); *p.Value != "canary" {
			c.Errorf("decrypted: got %q", *p.Value)
		}
		values := []string{*got(c.parameter("/app/secret", false))(c).Value}
		values = append(values, *got(c.parameters.GetParameters(c.Context(), &ssm.GetParametersInput{Names: []string{"/app/secret"}}))(c).Parameters[0].Value)
		values = append(values, *got(c.parameters.GetParametersByPath(c.Context(), &ssm.GetParametersByPathInput{Path: new("/app")}))(c).Parameters[0].Value)
		for _, value := range values {
			if strings.Contains(value, "canary") || !strings.HasPrefix(value, "AQICAH") {
				c.Errorf("not decrypted: got %q", value)
			}
		}
	}},
	{name: "several parameters come sorted by name", moto: "answers in any order", run: func(c cloud) {
		c.stored("/b", "/a/b", "/c/d")
		out := got(c.parameters.GetParameters(c.Context(), &ssm.GetParametersInput{
			Names: []string{"/c/d", "/no/such", "/a/b", "/a/b:7"},
		}))(c)
		var names []string
		for _, p := range out.Parameters {
			names = append(names, *p.Name)
		}
		if !slices.Equal(names, []string{"/a/b", "/c/d"}) {
			c.Errorf("got %v", names)
		}
		slices.Sort(out.InvalidParameters)
		if !slices.Equal(out.InvalidParameters, []string{"/a/b:7", "/no/such"}) {
			c.Errorf("invalid: got %v", out.InvalidParameters)
		}
	}},
	{name: "at most ten parameters come at once", run: func(c cloud) {
		var names []string
		for n := range 11 {
			names = append(names, fmt.Sprintf("/app/%d", n))
		}
		_, err := c.parameters.GetParameters(c.Context(), &ssm.GetParametersInput{Names: names})
		c.refused("ValidationException", err)
		out := got(c.parameters.GetParameters(c.Context(), &ssm.GetParametersInput{Names: names[:10]}))(c)
		if len(out.InvalidParameters) != 10 {
			c.Errorf("invalid: got %v", out.InvalidParameters)
		}
	}},
	{name: "a name cannot be there twice", moto: "accepts it", run: func(c cloud) {
		_, err := c.parameters.GetParameters(c.Context(), &ssm.GetParametersInput{Names: []string{"/a/b", "/a/b"}})
		c.refused("ValidationException", err)
	}},
	{name: "a path returns the parameters below it", run: func(c cloud) {
		c.stored("/app", "/app/a", "/app/b", "/app/b/deep", "/app/c/deep/er", "/apple/a", "/other/app/a", "word")
		c.wantBelow("/app", false, "/app/a", "/app/b")
		c.wantBelow("/app/", false, "/app/a", "/app/b")
		c.wantBelow("/app", true, "/app/a", "/app/b", "/app/b/deep", "/app/c/deep/er")
		c.wantBelow("/app/b/deep", true)
		c.wantBelow("/nothing", true)
	}},
	{name: "the root returns parameters without a path", moto: "keeps the leading slash of a name without a path", run: func(c cloud) {
		c.stored("/app", "/app/a", "word")
		c.wantBelow("/", false, "app", "word")
		c.wantBelow("/", true, "app", "/app/a", "word")
	}},
	{name: "a path comes page by page, sorted by name", moto: "does not sort", run: func(c cloud) {
		var want, names []string
		for n := range 23 {
			want = append(want, fmt.Sprintf("/app/%02d", n))
			c.stored(fmt.Sprintf("/app/%02d", 22-n))
		}
		var token *string
		for _, size := range []int{10, 10, 3} {
			out := got(c.parameters.GetParametersByPath(c.Context(), &ssm.GetParametersByPathInput{Path: new("/app"), NextToken: token}))(c)
			if len(out.Parameters) != size {
				c.Errorf("got a page of %d, want %d", len(out.Parameters), size)
			}
			for _, p := range out.Parameters {
				names = append(names, *p.Name)
			}
			token = out.NextToken
		}
		if token != nil || !slices.Equal(names, want) {
			c.Errorf("got %v and then token %v, want %v", names, token, want)
		}
	}},
	{name: "a full last page has no token", moto: "has one after every full page", run: func(c cloud) {
		c.stored("/app/a", "/app/b")
		out := got(c.parameters.GetParametersByPath(c.Context(), &ssm.GetParametersByPathInput{Path: new("/app"), MaxResults: aws.Int32(2)}))(c)
		if len(out.Parameters) != 2 || out.NextToken != nil {
			c.Errorf("got %d parameters and token %v", len(out.Parameters), out.NextToken)
		}
	}},
	{name: "a deletion between two pages hides nothing", moto: "counts positions", run: func(c cloud) {
		c.stored("/app/a", "/app/b", "/app/c")
		in := &ssm.GetParametersByPathInput{Path: new("/app"), MaxResults: aws.Int32(1)}
		in.NextToken = got(c.parameters.GetParametersByPath(c.Context(), in))(c).NextToken
		got(c.parameters.DeleteParameter(c.Context(), &ssm.DeleteParameterInput{Name: new("/app/a")}))(c)
		if out := got(c.parameters.GetParametersByPath(c.Context(), in))(c); *out.Parameters[0].Name != "/app/b" {
			c.Errorf("got %s, want /app/b", *out.Parameters[0].Name)
		}
	}},
	{name: "a path begins with a slash", moto: "has no rules for paths", run: func(c cloud) {
		for _, path := range []string{"app", "", "/app//a", "/app a", "//"} {
			_, err := c.parameters.GetParametersByPath(c.Context(), &ssm.GetParametersByPathInput{Path: &path})
			c.refused("ValidationException", err)
		}
	}},
	{name: "a page has at most ten parameters", run: func(c cloud) {
		_, err := c.parameters.GetParametersByPath(c.Context(), &ssm.GetParametersByPathInput{Path: new("/"), MaxResults: aws.Int32(11)})
		c.refused("ValidationException", err)
	}},
	{name: "a path refuses an unknown token and a filter", moto: "fails with 500, or filters", run: func(c cloud) {
		_, err := c.parameters.GetParametersByPath(c.Context(), &ssm.GetParametersByPathInput{Path: new("/"), NextToken: new("not a token")})
		c.refused("InvalidNextToken", err)
		_, err = c.parameters.GetParametersByPath(c.Context(), &ssm.GetParametersByPathInput{
			Path: new("/"), ParameterFilters: []types.ParameterStringFilter{{Key: new("Type"), Values: []string{"String"}}},
		})
		c.refused("ValidationException", err)
	}},
	{name: "a name cannot begin with aws or ssm", run: func(c cloud) {
		for _, name := range []string{"awsThing", "SSM-thing", "/ssm/thing"} {
			c.refused("ValidationException", c.store(name, "v", ssm.PutParameterInput{}))
		}
	}},
	{name: "a name has only the characters and levels of names", moto: "accepts any name", run: func(c cloud) {
		for _, name := range []string{"a b", "a@b", "a:b", "ä", "/", "a/b", "/a//b", "//a", "/a/", strings.Repeat("n", 967)} {
			c.refused("ValidationException", c.store(name, "v", ssm.PutParameterInput{}))
		}
		c.stored(strings.Repeat("n", 966), "/A_z/0.9-")
		c.refused("HierarchyLevelLimitExceededException", c.store(strings.Repeat("/l", 16), "v", ssm.PutParameterInput{}))
		c.stored(strings.Repeat("/l", 15))
		_, err := c.parameter("no path/to it", false)
		c.refused("ValidationException", err)
	}},
	{name: "a word is one parameter with and without a slash", moto: "keeps two parameters", run: func(c cloud) {
		c.stored("/word")
		c.refused("ParameterAlreadyExists", c.store("word", "other", ssm.PutParameterInput{}))
		for _, name := range []string{"word", "/word"} {
			if p := got(c.parameter(name, false))(c); *p.Name != "word" {
				c.Errorf("got %s, want word", *p.Name)
			}
		}
	}},
	{name: "a standard parameter has from 1 to 4096 bytes", moto: "has no upper limit", run: func(c cloud) {
		c.refused("ValidationException", c.store("/a/b", "", ssm.PutParameterInput{}))
		c.refused("ValidationException", c.store("/a/b", strings.Repeat("v", 4097), ssm.PutParameterInput{}))
		if err := c.store("/a/b", strings.Repeat("v", 4096), ssm.PutParameterInput{}); err != nil {
			c.Error(err)
		}
	}},
	{name: "a deleted parameter is gone with its versions", run: func(c cloud) {
		c.stored("/app/a")
		if err := c.store("/app/a", "new", ssm.PutParameterInput{Overwrite: new(true)}); err != nil {
			c.Fatal(err)
		}
		got(c.parameters.DeleteParameter(c.Context(), &ssm.DeleteParameterInput{Name: new("/app/a")}))(c)
		_, err := c.parameter("/app/a", false)
		c.refused("ParameterNotFound", err)
		_, err = c.parameters.DeleteParameter(c.Context(), &ssm.DeleteParameterInput{Name: new("/app/a")})
		c.refused("ParameterNotFound", err)
		c.stored("/app/a")
		if p := got(c.parameter("/app/a", false))(c); p.Version != 1 {
			c.Errorf("the new parameter begins with version %d", p.Version)
		}
	}},
}

// A version has the time at which it was put, to the millisecond. A parameter that is created again starts at version 1.
func TestLastModifiedDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := New()
		want := func(version float64, exact time.Time) {
			t.Helper()
			p, _ := post(t, sim, "AmazonSSM.GetParameter", `{"Name":"/app/a"}`)["Parameter"].(map[string]any)
			if p["Version"] != version || p["LastModifiedDate"] != float64(exact.UnixMilli())/1000 {
				t.Errorf("got version %v of %v, want %v of %v", p["Version"], p["LastModifiedDate"], version, exact)
			}
		}
		time.Sleep(1234567890 * time.Nanosecond)
		for version := range 2 {
			time.Sleep(7 * time.Millisecond)
			sim.PutParameter("/app/a", "String", "v")
			want(float64(version+1), time.Now())
		}
		put := time.Now()
		time.Sleep(time.Hour)
		want(2, put)
		sim.DeleteParameter("/app/a")
		sim.PutParameter("/app/a", "String", "v")
		want(1, time.Now())
	})
}

// The SDK must get the same millisecond that the simulator sent.
func TestLastModifiedDateThroughTheSDK(t *testing.T) {
	sim, c := simulated(t)
	before := time.Now().Truncate(time.Millisecond)
	sim.PutParameter("/app/a", "String", "v")
	after := time.Now()
	at := *got(c.parameter("/app/a", false))(c).LastModifiedDate
	if at.Before(before) || at.After(after) || !at.Equal(at.Truncate(time.Millisecond)) {
		t.Errorf("got %v, want a whole millisecond from %v to %v", at, before, after)
	}
}
