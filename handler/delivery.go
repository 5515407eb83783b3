package handler

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// delivery is one received webhook request, whichever gateway it came through.
type delivery struct {
	method, path string
	header       http.Header // the headers that are looked at, and no others
	body         []byte
	bodyErr      *requestError // why the body cannot be used; nil if it can
	// authenticated is set if the gateway has authenticated the caller.
	authenticated bool
	// contextless is set if the gateway's authorizer has let the caller in and
	// returned no context, which is no proof of that.
	contextless bool
}

var (
	errBodyTooLarge   = &requestError{http.StatusRequestEntityTooLarge, "the body is larger than 64 KiB"}
	errBodyUnreadable = &requestError{http.StatusBadRequest, "the body cannot be decoded: it must be a string, in base64 if isBase64Encoded is true"}
)

// isDelivery tells an HTTP request by what only a gateway's event has: an HTTP
// API's (format 2.0) and a function URL's requestContext.http, or a REST API's
// (format 1.0) httpMethod. A load balancer's has the latter too, and is not
// served.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
func (o object) isDelivery() bool {
	context := o.object("requestContext")
	return context.has("http") || o.has("httpMethod") && context != nil && !context.has("elb")
}

// decodeDelivery reads a gateway's event.
func decodeDelivery(event object) delivery {
	context := event.object("requestContext")
	d := delivery{
		method: event.text("httpMethod"), path: pathOf(event, context), header: headersOf(event),
		authenticated: gatewayAuthenticated(context),
	}
	if context.has("http") {
		d.method = context.object("http").text("method")
	}
	d.contextless = !d.authenticated && context.object("authorizer").has("lambda")
	d.body, d.bodyErr = bodyOf(event)
	return d
}

// pathOf returns the path that the gateway has matched, without what stands
// before it for the gateway's own use: a stage, or the base path of a custom
// domain.
func pathOf(event, context object) string {
	route := event.text("resource") // format 1.0
	if context.has("http") {
		_, route, _ = strings.Cut(event.text("routeKey"), " ") // such as POST /v1/relay
	}
	if strings.HasPrefix(route, "/") {
		if path, ok := matchedPath(route, event.object("pathParameters")); ok {
			return path
		}
	}
	// The route is $default, which matches every path: only the stage is known.
	for _, path := range []string{event.text("path"), event.text("rawPath"), context.object("http").text("path")} {
		if path == webhookPath || path == "/"+context.text("stage")+webhookPath {
			return webhookPath
		}
	}
	return cmp.Or(event.text("path"), event.text("rawPath"))
}

// matchedPath puts the parameters of a route into it. What a greedy one has
// matched may be the whole path, wherever the route is: /hooks/{proxy+}. It
// reports false if a parameter is missing.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
func matchedPath(route string, parameters object) (path string, ok bool) {
	segments := strings.Split(route, "/")
	for i, segment := range segments {
		name, isParameter := strings.CutPrefix(segment, "{")
		if !isParameter {
			continue
		}
		name, greedy := strings.CutSuffix(strings.TrimSuffix(name, "}"), "+")
		segments[i] = parameters.text(name)
		switch {
		case segments[i] == "":
			return "", false
		case greedy && "/"+segments[i] == webhookPath:
			return webhookPath, true
		}
	}
	return strings.Join(segments, "/"), true
}

// headersLookedAt are the only ones that are decoded.
var headersLookedAt = []string{
	"Content-Type", http.CanonicalHeaderKey(standardwebhooks.HeaderWebhookID),
	http.CanonicalHeaderKey(standardwebhooks.HeaderWebhookTimestamp), http.CanonicalHeaderKey(standardwebhooks.HeaderWebhookSignature),
}

// headersOf reads the headers, whose names come in any case. A REST API gives
// them twice, once with all that were sent under the same name. A value that is
// no string counts as none.
func headersOf(event object) http.Header {
	header := http.Header{}
	for name, raw := range event.object("multiValueHeaders") {
		var values []string
		if name = http.CanonicalHeaderKey(name); slices.Contains(headersLookedAt, name) && json.Unmarshal(raw, &values) == nil {
			header[name] = append(header[name], values...)
		}
	}
	if len(header) > 0 {
		return header
	}
	for name, raw := range event.object("headers") {
		var value string
		if name = http.CanonicalHeaderKey(name); slices.Contains(headersLookedAt, name) && json.Unmarshal(raw, &value) == nil {
			header.Add(name, value)
		}
	}
	return header
}

// maxRawBody is how long a body of 64 KiB may be in JSON: 6 bytes for each byte
// of it, as in \u0000, and the quotes.
const maxRawBody = 6*maxBody + 2

// bodyOf decodes the body, which may be absent. One that is too large is not
// decoded.
func bodyOf(event object) ([]byte, *requestError) {
	var body []byte
	var text *string
	raw := event["body"]
	switch {
	case raw == nil:
		return nil, nil
	case len(raw) > maxRawBody:
		return nil, errBodyTooLarge
	case json.Unmarshal(raw, &text) != nil:
		return nil, errBodyUnreadable
	case text != nil:
		body = []byte(*text)
	}
	switch string(event["isBase64Encoded"]) {
	case "true":
		if len(body) > base64.StdEncoding.EncodedLen(maxBody) {
			return nil, errBodyTooLarge
		}
		decoded, err := base64.StdEncoding.DecodeString(string(body))
		if err != nil {
			return nil, errBodyUnreadable
		}
		body = decoded
	case "false", "null", "":
	default:
		return nil, errBodyUnreadable
	}
	if len(body) > maxBody {
		return nil, errBodyTooLarge
	}
	return body, nil
}

// gatewayAuthenticated reports whether the gateway's authorizer has let the
// caller in: IAM, a JWT, or a Lambda function of the user's. Without an
// authorizer these members are absent, empty or null. A Lambda authorizer that
// returns no context leaves null too, which proves nothing.
func gatewayAuthenticated(context object) bool {
	authorizer := context.object("authorizer")
	switch {
	case context.object("identity").text("userArn") != "", authorizer.text("principalId") != "": // REST API
		return true
	case len(authorizer.object("claims")) > 0: // REST API, Cognito
		return true
	case authorizer.object("iam").text("userArn") != "", len(authorizer.object("jwt").object("claims")) > 0:
		return true
	default:
		return authorizer.object("lambda") != nil
	}
}
