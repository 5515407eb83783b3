package handler

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
)

// delivery is one received webhook request, whichever gateway it came through.
type delivery struct {
	method, path string
	header       http.Header
	body         []byte
	// authenticated is set when the gateway has authenticated the caller.
	authenticated bool
}

// isDelivery tells an HTTP request by what only a gateway's event has: an HTTP
// API's (format 2.0) and a function URL's requestContext.http, or a REST API's
// (format 1.0) httpMethod. A load balancer's has the latter too, and is not
// served.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
func (o object) isDelivery() bool {
	context := o.object("requestContext")
	return context.has("http") || o.has("httpMethod") && context != nil && !context.has("elb")
}

// decodeDelivery reads a gateway's event. A body that cannot be decoded is left
// empty: no signature matches that.
func decodeDelivery(event object) delivery {
	context := event.object("requestContext")
	d := delivery{header: headersOf(event), authenticated: gatewayAuthenticated(context), body: []byte(event.text("body"))}
	if context.has("http") {
		d.method, d.path = context.object("http").text("method"), event.text("rawPath")
		if d.path == "/"+context.text("stage")+webhookPath { // in this format the stage may be in the path
			d.path = webhookPath
		}
	} else {
		d.method, d.path = event.text("httpMethod"), event.text("path")
	}
	if string(event["isBase64Encoded"]) == "true" {
		d.body, _ = base64.StdEncoding.DecodeString(string(d.body))
	}
	return d
}

// headersOf reads the headers, whose names come in any case. A REST API gives
// them twice, once with all that were sent under the same name.
func headersOf(event object) http.Header {
	header := http.Header{}
	for name, raw := range event.object("multiValueHeaders") {
		var values []string
		_ = json.Unmarshal(raw, &values)
		for _, value := range values {
			header.Add(name, value)
		}
	}
	if len(header) == 0 {
		single := event.object("headers")
		for name := range single {
			header.Add(name, single.text(name))
		}
	}
	return header
}

// gatewayAuthenticated reports whether the gateway's authorizer has let the caller in: by
// IAM, a JWT, or a Lambda function of the user's. Without an authorizer these
// members are absent, empty or null.
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
