package handler

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// byIAM is a request through a gateway that has authenticated the caller, in
// one of its formats, for what is bound to the secret good.
func byIAM(format string, more object) object {
	caller := raw(map[string]string{"userArn": "arn:aws:iam::111122223333:user/deploy"})
	context := object{"identity": caller, "stage": text("prod")}
	event := object{
		"httpMethod": text("POST"), "headers": raw(map[string]string{"Content-Type": "application/json"}),
		"body": text(`{"secret":"good"}`), "isBase64Encoded": raw(false),
	}
	if format == "2.0" {
		delete(event, "httpMethod")
		context = object{"authorizer": raw(object{"iam": caller}), "http": raw(object{"method": text("POST")}), "stage": text("$default")}
	}
	maps.Copy(context, unwrap(more["requestContext"]))
	maps.Copy(event, more)
	event["requestContext"] = raw(context)
	return event
}

func unwrap(raw json.RawMessage) object {
	var members object
	_ = json.Unmarshal(raw, &members)
	return members
}

// answeredRaw is what the event is answered.
func (w *world) answeredRaw(event object) (answer response) {
	w.Helper()
	reply, err := w.invoke(w.Context(), event.String())
	if err != nil {
		w.Fatal(err)
	}
	if err := json.Unmarshal([]byte(reply), &answer); err != nil {
		w.Fatal(err)
	}
	return answer
}

// TestPaths has the request come through what a gateway may have before our own
// path, and by a path that is not ours.
func TestPaths(t *testing.T) {
	const ours, other = http.StatusOK, http.StatusNotFound
	context := func(members ...string) json.RawMessage {
		all := object{}
		for i := 0; i < len(members); i += 2 {
			all[members[i]] = json.RawMessage(members[i+1])
		}
		return raw(all)
	}
	v2 := func(path string) json.RawMessage {
		return context("http", `{"method":"POST","path":"`+path+`"}`, "stage", `"prod"`, "domainName", `"api.example.com"`)
	}
	parameters := func(name, value string) json.RawMessage { return raw(map[string]string{name: value}) }
	for _, c := range []struct {
		name, format string
		event        object
		status       int
	}{
		{"a function URL", "2.0", object{"routeKey": text("$default"), "rawPath": text("/v1/relay")}, ours},
		{"a function URL, another path", "2.0", object{"routeKey": text("$default"), "rawPath": text("/v1/other")}, other},
		{"a function URL, more behind the path", "2.0", object{"routeKey": text("$default"), "rawPath": text("/v1/relay/x")}, other},
		{"a function URL, more before the path", "2.0", object{"routeKey": text("$default"), "rawPath": text("/x/v1/relay")}, other},
		{"a function URL, only before the path", "2.0", object{"rawPath": text("/v1/relay")}, ours},
		{"a stage", "2.0", object{"routeKey": text("$default"), "rawPath": text("/prod/v1/relay"), "requestContext": v2("/prod/v1/relay")}, ours},
		{"another stage", "2.0", object{"routeKey": text("$default"), "rawPath": text("/test/v1/relay"), "requestContext": v2("/test/v1/relay")}, other},
		{"a stage, another path", "2.0", object{"routeKey": text("$default"), "rawPath": text("/prod/v1/other"), "requestContext": v2("/prod/v1/other")}, other},
		{"a route", "2.0", object{"routeKey": text("POST /v1/relay"), "rawPath": text("/v1/relay")}, ours},
		{"a route with a stage", "2.0", object{"routeKey": text("POST /v1/relay"), "rawPath": text("/prod/v1/relay"), "requestContext": v2("/prod/v1/relay")}, ours},
		{"a route with a mapping key", "2.0", object{"routeKey": text("POST /v1/relay"), "rawPath": text("/hooks/siem/v1/relay"), "requestContext": v2("/hooks/siem/v1/relay")}, ours},
		{"a route of any method", "2.0", object{"routeKey": text("ANY /v1/relay"), "rawPath": text("/hooks/v1/relay")}, ours},
		{"another route", "2.0", object{"routeKey": text("POST /v1/other"), "rawPath": text("/v1/relay")}, other},
		{"a greedy route with a mapping key", "2.0", object{
			"routeKey": text("ANY /{proxy+}"), "pathParameters": parameters("proxy", "v1/relay"), "rawPath": text("/hooks/v1/relay"), "requestContext": v2("/hooks/v1/relay"),
		}, ours},
		{"a greedy route, another path", "2.0", object{"routeKey": text("ANY /{proxy+}"), "pathParameters": parameters("proxy", "v1/other"), "rawPath": text("/v1/other")}, other},
		{"a greedy route, more before the path", "2.0", object{"routeKey": text("ANY /{proxy+}"), "pathParameters": parameters("proxy", "x/v1/relay"), "rawPath": text("/x/v1/relay")}, other},
		{"a greedy route behind a prefix", "2.0", object{"routeKey": text("POST /hooks/{rest+}"), "pathParameters": parameters("rest", "v1/relay"), "rawPath": text("/hooks/v1/relay")}, ours},
		{"a greedy route below v1", "2.0", object{"routeKey": text("POST /v1/{rest+}"), "pathParameters": parameters("rest", "relay"), "rawPath": text("/m/v1/relay")}, ours},
		{"a route with a parameter", "2.0", object{"routeKey": text("POST /{version}/relay"), "pathParameters": parameters("version", "v1"), "rawPath": text("/m/v1/relay")}, ours},
		{"a route with another parameter", "2.0", object{"routeKey": text("POST /{version}/relay"), "pathParameters": parameters("version", "v2"), "rawPath": text("/m/v2/relay")}, other},
		{"a catch-all behind a mapping key, which does not say where that ends", "2.0", object{"routeKey": text("$default"), "rawPath": text("/hooks/v1/relay"), "requestContext": v2("/hooks/v1/relay")}, other},
		{"$default with parameters of no route", "2.0", object{"routeKey": text("$default"), "pathParameters": parameters("proxy", "v1/relay"), "rawPath": text("/other")}, other},

		{"a REST API", "1.0", object{"resource": text("/v1/relay"), "path": text("/v1/relay")}, ours},
		{"a REST API behind a base path", "1.0", object{"resource": text("/v1/relay"), "path": text("/hooks/v1/relay"), "requestContext": context("path", `"/hooks/v1/relay"`)}, ours},
		{"an HTTP API of format 1.0 behind a stage", "1.0", object{"version": text("1.0"), "resource": text("/v1/relay"), "path": text("/prod/v1/relay")}, ours},
		{"another resource", "1.0", object{"resource": text("/v1/other"), "path": text("/v1/relay")}, other},
		{"a REST API's root", "1.0", object{"resource": text("/"), "path": text("/hooks")}, other},
		{"a proxy resource", "1.0", object{"resource": text("/{proxy+}"), "path": text("/v1/relay"), "pathParameters": parameters("proxy", "v1/relay")}, ours},
		{"a proxy resource behind a base path", "1.0", object{"resource": text("/{proxy+}"), "path": text("/hooks/v1/relay"), "pathParameters": parameters("proxy", "v1/relay")}, ours},
		{"a proxy resource, another path", "1.0", object{"resource": text("/{proxy+}"), "path": text("/v1/relay"), "pathParameters": parameters("proxy", "v1/other")}, other},
		{"a proxy resource without its parameter", "1.0", object{"resource": text("/{proxy+}"), "path": text("/v1/relay"), "pathParameters": raw(nil)}, ours},
		{"a proxy resource with a parameter of another type", "1.0", object{"resource": text("/{proxy+}"), "path": text("/v1/other"), "pathParameters": json.RawMessage(`{"proxy":7}`)}, other},
		{"a catch-all of format 1.0", "1.0", object{"resource": text("$default"), "path": text("/prod/v1/relay")}, ours},
		{"a resource that is no text", "1.0", object{"resource": raw(7), "path": text("/v1/relay")}, ours},
		{"no path", "1.0", object{}, other},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.bound("good")
			if answer := w.answeredRaw(byIAM(c.format, c.event)); answer.Status != c.status {
				t.Errorf("got %+v, want %d", answer, c.status)
			}
		})
	}
}

// TestBodies has the body come in every form that a gateway might give it.
func TestBodies(t *testing.T) {
	encoded := base64.StdEncoding.EncodeToString([]byte(`{"secret":"good"}`))
	const done, unreadable, tooLarge = http.StatusOK, http.StatusBadRequest, http.StatusRequestEntityTooLarge
	spaces := func(n int) string { return `{"secret":"good"}` + strings.Repeat(" ", n-len(`{"secret":"good"}`)) }
	for _, c := range []struct {
		name         string
		body, base64 json.RawMessage
		status       int
	}{
		{"plain", text(`{"secret":"good"}`), raw(false), done},
		{"in base64", text(encoded), raw(true), done},
		{"in base64, which the gateway says in words", text(encoded), text("true"), unreadable},
		{"plain, which the gateway says in words", text(`{"secret":"good"}`), text("false"), unreadable},
		{"in base64 by a number", text(encoded), raw(1), unreadable},
		{"plain, and the gateway does not say", text(`{"secret":"good"}`), nil, done},
		{"plain, and the gateway says null", text(`{"secret":"good"}`), raw(nil), done},
		{"base64 that is none", text("*" + encoded), raw(true), unreadable},
		{"base64 that is cut off", text(encoded[:len(encoded)-2]), raw(true), unreadable},
		{"absent", nil, raw(false), unreadable},
		{"null", raw(nil), raw(false), unreadable},
		{"null, in base64", raw(nil), raw(true), unreadable},
		{"an object", json.RawMessage(`{"secret":"good"}`), raw(false), unreadable},
		{"a number", json.RawMessage(`1e999`), raw(false), unreadable},
		{"as large as may be", text(spaces(maxBody)), raw(false), done},
		{"one byte larger", text(spaces(maxBody + 1)), raw(false), tooLarge},
		{"as large as may be, in base64", text(base64.StdEncoding.EncodeToString([]byte(spaces(maxBody)))), raw(true), done},
		{"one byte larger, in base64", text(base64.StdEncoding.EncodeToString([]byte(spaces(maxBody + 1)))), raw(true), tooLarge},
		{"large, each byte escaped", json.RawMessage(`"{\"secret\":\"good\"}` + strings.Repeat(`\u0020`, maxBody-17) + `"`), raw(false), done},
		{"too large, each byte escaped", json.RawMessage(`"{\"secret\":\"good\"}` + strings.Repeat(`\u0020`, maxBody) + `"`), raw(false), tooLarge},
		{"6 MB", text(strings.Repeat("x", 6<<20)), raw(false), tooLarge},
		{"a key twice", text(`{"secret":"other","secret":"good"}`), raw(false), unreadable},
		{"a key twice, to switch off and on", text(`{"secret":"good","enabled":false,"enabled":true}`), raw(false), unreadable},
		{"nested deeply", text(`{"secret":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`), raw(false), unreadable},
		{"a huge number", text(`{"secret":1e99999}`), raw(false), unreadable},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.bound("good")
			event := byIAM("2.0", object{"rawPath": text(webhookPath), "body": c.body, "isBase64Encoded": c.base64})
			for _, key := range []string{"body", "isBase64Encoded"} {
				if event[key] == nil {
					delete(event, key)
				}
			}
			if answer := w.answeredRaw(event); answer.Status != c.status {
				t.Errorf("got %+v, want %d", answer, c.status)
			}
		})
	}
}

// TestTooLargeIsNotHashed has a stranger send much: nothing is read for it.
func TestTooLargeIsNotHashed(t *testing.T) {
	w := newWorld(t)
	w.signatures(signingSecret(1))
	answer := w.through(signed(signingKey(1), "msg_1", time.Now(), strings.Repeat("x", 6<<20)))
	if answer.Status != http.StatusRequestEntityTooLarge || len(w.aws.Calls()) > 0 || len(w.log.String()) > 500 {
		t.Errorf("got %+v after the calls %v and %s", answer, w.aws.Calls(), w.log.String())
	}
}

func TestHeadersOf(t *testing.T) {
	many := slices.Repeat([]string{"application/json"}, 500)
	for _, c := range []struct {
		name  string
		event object
		want  string // of Content-Type, with spaces between
	}{
		{"one", object{"headers": raw(map[string]string{"content-type": "a"})}, "a"},
		{"in another case", object{"headers": raw(map[string]string{"CONTENT-Type": "a"})}, "a"},
		{"none", object{"headers": raw(nil)}, ""},
		{"no object", object{"headers": raw([]string{"content-type"})}, ""},
		{"two, in two cases", object{"headers": raw(map[string]string{"content-type": "a", "Content-Type": "a"})}, "a a"},
		{"a number", object{"headers": json.RawMessage(`{"content-type":7}`)}, ""},
		{"of a REST API", object{"headers": raw(map[string]string{"Content-Type": "b"}), "multiValueHeaders": raw(map[string][]string{"Content-Type": {"a", "b"}})}, "a b"},
		{"of a REST API, null", object{"headers": raw(map[string]string{"Content-Type": "b"}), "multiValueHeaders": raw(nil)}, "b"},
		{"of a REST API, not a list", object{"multiValueHeaders": json.RawMessage(`{"Content-Type":"a"}`)}, ""},
		{"of a REST API, one of them a number", object{"multiValueHeaders": json.RawMessage(`{"Content-Type":["a",7]}`)}, ""},
		{"of a REST API, very many", object{"multiValueHeaders": raw(map[string][]string{"Content-Type": many})}, strings.Join(many, " ")},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := decodeDelivery(c.event)
			if got := strings.Join(d.header.Values("content-type"), " "); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if d.isJSON() {
				t.Errorf("%q is taken for JSON", c.want)
			}
		})
	}
	extra := decodeDelivery(object{"headers": raw(map[string]string{"x-other": strings.Repeat("x", 100), "content-type": "application/json; charset=utf-8"})})
	if len(extra.header) != 1 || !extra.isJSON() {
		t.Errorf("got the headers %v, want the content type alone", extra.header)
	}
}

// TestAuthorizers keeps what each authorizer of each gateway leaves behind, and
// what is left where there is none. Only a caller whom one has let in is served.
func TestAuthorizers(t *testing.T) {
	const in, out, contextless = "in", "out", "contextless"
	for _, c := range []struct{ name, context, want string }{
		{"REST API, IAM", `{"identity":{"userArn":"arn:aws:iam::111122223333:user/u"}}`, in},
		{"REST API, IAM by an assumed role", `{"identity":{"userArn":"arn:aws:sts::111122223333:assumed-role/r/s","caller":"AROA:s"}}`, in},
		{"REST API, Cognito", `{"authorizer":{"claims":{"sub":"s","email":"e"}}}`, in},
		{"REST API, Lambda by token or request", `{"authorizer":{"principalId":"p","integrationLatency":5}}`, in},
		{"REST API, Lambda with a context", `{"authorizer":{"principalId":"p","tenant":"t","integrationLatency":5}}`, in},
		{"HTTP API 1.0, IAM", `{"identity":{"userArn":"arn:aws:sts::111122223333:assumed-role/r/s","sourceIp":"s"}}`, in},
		{"HTTP API 1.0, JWT", `{"authorizer":{"claims":{"sub":"s"},"scopes":["relay"]}}`, in},
		{"HTTP API 1.0, Lambda with an IAM policy", `{"authorizer":{"principalId":"p","tenant":"t"}}`, in},
		{"HTTP API 2.0, IAM", `{"authorizer":{"iam":{"userArn":"arn:aws:sts::111122223333:assumed-role/r/s","callerId":"AROA:s"}}}`, in},
		{"HTTP API 2.0, JWT", `{"authorizer":{"jwt":{"claims":{"sub":"s"},"scopes":null}}}`, in},
		{"HTTP API 2.0, Lambda with a simple answer and a context", `{"authorizer":{"lambda":{"tenant":"t"}}}`, in},
		{"HTTP API 2.0, Lambda with an IAM policy and a context", `{"authorizer":{"lambda":{"key":true,"n":7}}}`, in},
		{"HTTP API 2.0, Lambda with an empty context", `{"authorizer":{"lambda":{}}}`, in},
		{"function URL, IAM", `{"authorizer":{"iam":{"userArn":"arn:aws:iam::111122223333:user/u","userId":"AIDA"}}}`, in},

		{"HTTP API 2.0, Lambda without a context", `{"authorizer":{"lambda":null}}`, contextless},
		{"HTTP API 2.0, Lambda with a text", `{"authorizer":{"lambda":"x"}}`, contextless},
		{"HTTP API 2.0, Lambda with a list", `{"authorizer":{"lambda":[{"tenant":"t"}]}}`, contextless},
		{"HTTP API 2.0, Lambda with true", `{"authorizer":{"lambda":true}}`, contextless},

		{"no authorizer", `{}`, out},
		{"no authorizer, null", `{"authorizer":null}`, out},
		{"no authorizer, empty", `{"authorizer":{}}`, out},
		{"HTTP API 1.0 without one", `{"authorizer":{"claims":null,"scopes":null}}`, out},
		{"HTTP API 1.0, Lambda without a principal", `{"authorizer":{"tenant":"t"}}`, out},
		{"REST API without one", `{"authorizer":{"integrationLatency":5}}`, out},
		{"REST API, an API key, which says which customer and not who", `{"identity":{"userArn":null,"apiKey":"k","apiKeyId":"i","sourceIp":"s"}}`, out},
		{"REST API, a principal that is a number", `{"authorizer":{"principalId":7}}`, out},
		{"REST API, an empty principal", `{"authorizer":{"principalId":""}}`, out},
		{"REST API, claims that are a text", `{"authorizer":{"claims":"sub"}}`, out},
		{"IAM, empty", `{"authorizer":{"iam":{}}}`, out},
		{"IAM, null", `{"authorizer":{"iam":null}}`, out},
		{"IAM, an empty user", `{"authorizer":{"iam":{"userArn":""}}}`, out},
		{"JWT, no claims", `{"authorizer":{"jwt":{"claims":{}}}}`, out},
		{"JWT, null", `{"authorizer":{"jwt":null}}`, out},
		{"JWT, claims that are a list", `{"authorizer":{"jwt":{"claims":["sub"]}}}`, out},
		{"another case", `{"Authorizer":{"iam":{"userArn":"arn"}},"identity":{"UserArn":"arn"}}`, out},
		{"a text", `{"authorizer":"iam"}`, out},
		{"a list", `{"authorizer":[{"iam":{"userArn":"arn"}}]}`, out},
		{"a certificate of the caller", `{"authentication":{"clientCert":{"subjectDN":"CN=x"}}}`, out},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, format := range []string{"1.0", "2.0"} {
				w := newWorld(t)
				event := object{
					"httpMethod": text("POST"), "resource": text(webhookPath), "body": text(`{"secret":"unbound"}`),
					"headers": raw(map[string]string{"content-type": "application/json"}),
				}
				context := unwrap(json.RawMessage(c.context))
				if format == "2.0" {
					event = object{"routeKey": text("POST " + webhookPath), "body": event["body"], "headers": event["headers"]}
					context["http"] = raw(map[string]string{"method": "POST"})
				}
				event["requestContext"] = raw(context)
				answer := w.answeredRaw(event)
				log := w.log.String()
				if got := answer.Status != http.StatusUnauthorized; got != (c.want == in) {
					t.Errorf("%s: got %+v, want it to be %s", format, answer, c.want)
				}
				if got := strings.Contains(log, "have the authorizer return a context"); got != (c.want == contextless) {
					t.Errorf("%s: the log is %s", format, log)
				}
			}
		})
	}
}

// TestGatewayDoesNotReachThroughHeaders has a caller send the members of an
// event as headers and parameters.
func TestGatewayDoesNotReachThroughHeaders(t *testing.T) {
	w := newWorld(t)
	w.bound("good")
	members := raw(map[string]string{
		"source": "aws.events", "detail-type": "Scheduled Event", "detail": "{}", "relay": `{"all":true}`, "Step": "createSecret",
		"SecretId": goodARN, "ClientRequestToken": "00000000-0000-4000-8000-000000000000", "requestContext": "{}",
	})
	for _, event := range []object{
		{"headers": members, "queryStringParameters": members, "requestContext": raw(object{"http": raw(object{})})},
		{"headers": members, "queryStringParameters": members, "httpMethod": text("POST"), "requestContext": raw(object{"elb": raw(object{})})},
		{"headers": members, "body": text(members2), "requestContext": raw(object{"connectionId": text("c")})},
	} {
		_, _ = w.invoke(t.Context(), event.String())
		if calls := w.aws.Calls(); len(calls) > 0 || len(w.datadog.Requests()) > 0 {
			t.Errorf("%s made us call for %v", event, calls)
		}
		_ = w.failures(w.invoke(t.Context(), batch([2]string{"1", event.String()})))
		if calls := w.aws.Calls(); len(calls) > 0 || len(w.datadog.Requests()) > 0 {
			t.Errorf("in a queue, %s made us call for %v", event, calls)
		}
	}
}

const members2 = `{"source":"aws.events","detail-type":"Scheduled Event","detail":{}}`
