package contract

import (
	"net/http"
	"strings"
	"testing"
)

// TestChecker shows that the checker finds what is wrong and says where.
func TestChecker(t *testing.T) {
	const one = configs + "/11111111-2222-3333-4444-555555555555"
	const config = `{"data":{"id":"1","type":"integration_config","attributes":{"domain":"d","enabled":true,"integration_type":"OKTA"}}}`
	const okta = `{"data":{"type":"integration_config","attributes":{"integration_type":"OKTA","secrets":{"api_token":"t"}}}}`
	tests := map[string]struct {
		request string // method and target
		body    string
		header  string // other than what a right request has: "Name: value"
		status  int
		answer  string
		want    string // the one problem; "" for none
	}{
		"right":                       {request: "PATCH " + one, body: okta, status: 200, answer: config},
		"escaped id":                  {request: "GET " + configs + "/a%2Fb", status: 200, answer: config},
		"another path":                {request: "GET /api/v2/monitor", want: "is not described"},
		"another API":                 {request: "GET /api/v9/monitor", want: "is in no API we use"},
		"another method":              {request: "PUT " + one, body: okta, want: "is not described"},
		"a query of its own":          {request: "GET " + configs + "?filter[type]=OKTA", want: "request: query filter[type]: is not described"},
		"an unknown filter":           {request: "GET " + configs + "?filter[integration_type]=JAMF", want: "query filter[integration_type]: value is not one of the allowed"},
		"half a pair of keys":         {request: "GET " + one, header: "DD-APPLICATION-KEY: ", want: "appKeyAuth is not sent"},
		"no body":                     {request: "PATCH " + one, want: "request: body: value is required"},
		"a body where none is":        {request: "POST " + one + "/validate", body: `{}`, want: "request: body: request body not allowed"},
		"another content type":        {request: "PATCH " + one, body: okta, header: "Content-Type: text/plain", want: `header Content-Type has unexpected value "text/plain"`},
		"a property less":             {request: "PATCH " + one, body: strings.Replace(okta, `"integration_type":"OKTA",`, "", 1), want: "body data.attributes: "},
		"an unknown property":         {request: "PATCH " + one, body: strings.Replace(okta, "secrets", "secret", 1), want: `body data.attributes: property "secret" is unsupported`},
		"an unknown secret":           {request: "PATCH " + one, body: strings.Replace(okta, `"t"`, `"t","token":1`, 1), want: `request: body data.attributes.secrets: property "token" is unsupported`},
		"a type without secrets":      {request: "PATCH " + one, body: strings.Replace(okta, "OKTA", "ENTRA_ID", 1), want: `body data.attributes: property "secrets" is unsupported`},
		"an unknown type":             {request: "PATCH " + one, body: strings.Replace(okta, "OKTA", "JAMF", 1), want: "body data.attributes: "},
		"a number for a token":        {request: "PATCH " + one, body: strings.Replace(okta, `"t"`, "1", 1), want: "body data.attributes.secrets.api_token: value must be a string"},
		"an undescribed status":       {request: "GET " + one, status: 418, answer: `{}`, want: "answer 418: is not described"},
		"an answer that lacks":        {request: "GET " + one, status: 200, answer: strings.Replace(config, `"domain":"d",`, "", 1), want: `answer 200: body data.attributes.domain: property "domain" is missing`},
		"an answer that has too much": {request: "GET " + one, status: 200, answer: strings.Replace(config, `"domain"`, `"secrets":{},"domain"`, 1), want: `answer 200: body data.attributes: property "secrets" is unsupported`},
		"an unknown state":            {request: "GET " + one, status: 200, answer: strings.Replace(config, `"domain"`, `"state":"odd","domain"`, 1), want: "answer 200: body data.attributes.state: value is not one of"},
		"an error of another shape":   {request: "GET " + one, status: 404, answer: `{"errors":[{"title":"Not found"}]}`, want: "answer 404: body errors.0: value must be a string"},
		"a body where none is told":   {request: "POST " + one + "/validate", status: 200, answer: `{}`, want: "answer 200: has a body, and none is described"},
	}
	exact := newChecker(t, published(t, pinned), true)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			method, target, _ := strings.Cut(test.request, " ")
			request, err := http.NewRequestWithContext(t.Context(), method, "https://api.datadoghq.com"+target, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header = http.Header{"Dd-Api-Key": {"k"}, "Dd-Application-Key": {"k"}, "Content-Type": {"application/json"}}
			if key, value, ok := strings.Cut(test.header, ": "); ok {
				request.Header.Set(key, value)
			}
			x := exchange{
				request: request, body: []byte(test.body),
				status: test.status, answer: []byte(test.answer), header: http.Header{"Content-Type": {"application/json"}},
			}
			found := exact.request(x)
			if x.status != 0 {
				found = append(found, exact.response(x)...)
			}
			switch got := strings.Join(found, "\n"); {
			case test.want == "" && got != "":
				t.Errorf("got %s, want nothing", got)
			case test.want != "" && (len(found) != 1 || !strings.Contains(got, test.want)):
				t.Errorf("got:\n%s\nwant one line with:\n%s", got, test.want)
			}
		})
	}
}
