package contract

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// checker compares requests and answers with a description.
type checker map[string]routers.Router // by API

// newChecker returns a checker of a description as it is published, or, if exact, of
// one that allows no properties but those it names. Published schemas allow any, so
// they do not find a typing error in an optional property.
func newChecker(t *testing.T, published description, exact bool) checker {
	t.Helper()
	c := checker{}
	for api, document := range published {
		content := any(document)
		if exact {
			content = closed(document)
		}
		encoded, err := json.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := openapi3.NewLoader().LoadFromData(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if err := doc.Validate(t.Context(), openapi3.DisableExamplesValidation()); err != nil {
			t.Fatal(err)
		}
		doc.Servers = nil // so that any address will do
		if c[api], err = gorillamux.NewRouter(doc); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// closed returns a copy of a document whose schemas allow no additional properties
// unless they say so.
func closed(node any) any {
	switch node := node.(type) {
	case object:
		copied := object{}
		for key, child := range node {
			copied[key] = closed(child)
		}
		_, hasProperties := node["properties"].(object)
		if _, says := node["additionalProperties"]; hasProperties && !says {
			copied["additionalProperties"] = false
		}
		return copied
	case []any:
		copied := make([]any, len(node))
		for i, child := range node {
			copied[i] = closed(child)
		}
		return copied
	default:
		return node
	}
}

// exchange is a request and its answer.
type exchange struct {
	request *http.Request // its body has been read
	body    []byte

	status int
	header http.Header
	answer []byte
}

// request returns what the description does not allow in a request.
func (c checker) request(x exchange) []string {
	input, err := c.input(x)
	if err != nil {
		return []string{err.Error()}
	}
	found := problems("", openapi3filter.ValidateRequest(x.request.Context(), input))
	for name := range input.QueryParams {
		if input.Route.Operation.Parameters.GetByInAndName("query", name) == nil {
			found = append(found, "query "+name+": is not described")
		}
	}
	return named(input.Route, "request", found)
}

// response returns what the description does not allow in an answer.
func (c checker) response(x exchange) []string {
	input, err := c.input(x)
	if err != nil {
		return []string{err.Error()}
	}
	about := fmt.Sprint("answer ", x.status)
	described := input.Route.Operation.Responses.Status(x.status)
	switch {
	case described == nil:
		return named(input.Route, about, []string{"is not described"})
	case len(described.Value.Content) == 0 && len(x.answer) > 0:
		return named(input.Route, about, []string{"has a body, and none is described"})
	}
	return named(input.Route, about, problems("", openapi3filter.ValidateResponse(x.request.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input,
		Status:                 x.status,
		Header:                 x.header,
		Body:                   io.NopCloser(bytes.NewReader(x.answer)),
		Options:                options,
	})))
}

func (c checker) input(x exchange) (*openapi3filter.RequestValidationInput, error) {
	request := x.request.Clone(x.request.Context())
	request.Body = io.NopCloser(bytes.NewReader(x.body))
	request.ContentLength = int64(len(x.body))
	elements := strings.SplitN(request.URL.Path, "/", 4)
	if len(elements) < 4 || c[elements[2]] == nil {
		return nil, fmt.Errorf("%s %s: is in no API we use", request.Method, request.URL.Path)
	}
	route, parameters, err := c[elements[2]].FindRoute(request)
	if err != nil {
		return nil, fmt.Errorf("%s %s: is not described, or not in the list of what we use", request.Method, request.URL.EscapedPath())
	}
	return &openapi3filter.RequestValidationInput{
		Request: request, PathParams: parameters, Route: route, QueryParams: request.URL.Query(), Options: options,
	}, nil
}

var options = &openapi3filter.Options{
	MultiError: true, RejectWhenRequestBodyNotSpecified: true, SkipSettingDefaults: true, AuthenticationFunc: authenticated,
}

// authenticated reports whether a request has the header that a security scheme
// asks for.
func authenticated(_ context.Context, input *openapi3filter.AuthenticationInput) error {
	header := input.RequestValidationInput.Request.Header
	switch scheme := input.SecurityScheme; {
	case scheme.Type == "apiKey" && scheme.In == "header" && header.Get(scheme.Name) != "":
		return nil
	case scheme.Type == "oauth2" && strings.HasPrefix(header.Get("Authorization"), "Bearer "):
		return nil
	}
	return errors.New(input.SecuritySchemeName + " is not sent")
}

func named(route *routers.Route, about string, found []string) []string {
	var lines []string
	for _, problem := range found {
		lines = append(lines, fmt.Sprintf("%s %s: %s: %s", route.Method, route.Path, about, problem))
	}
	return lines
}

// problems returns one line for each wrong field that an error reports. No line
// quotes a value.
func problems(where string, err error) []string {
	switch err := err.(type) {
	case nil:
		return nil
	case openapi3.MultiError:
		var found []string
		for _, one := range err {
			found = append(found, problems(where, one)...)
		}
		return found
	case *openapi3filter.RequestError:
		where = "body"
		if err.Parameter != nil {
			where = err.Parameter.In + " " + err.Parameter.Name
		}
		if err.Err == nil {
			return []string{where + ": " + err.Reason}
		}
	case *openapi3filter.ResponseError:
		where = "body"
		if err.Err == nil {
			return []string{where + ": " + err.Reason}
		}
	case *openapi3.SchemaError:
		if err.Origin == nil {
			return []string{strings.TrimSpace(where+" "+strings.Join(err.JSONPointer(), ".")) + ": " + err.Reason}
		}
	}
	if inner := errors.Unwrap(err); inner != nil {
		return problems(where, inner)
	}
	return []string{strings.TrimPrefix(where+": ", ": ") + err.Error()}
}
