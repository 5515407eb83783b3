package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"credential-relay/handler"
)

// gateway stands in for an API Gateway HTTP API without an authorizer: it wraps
// each request into the event that the function would get, and answers as the
// function does.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
func gateway(function *handler.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 10<<20))
		if err != nil {
			http.Error(w, "the body is larger than 10 MB", http.StatusRequestEntityTooLarge)
			return
		}
		header := map[string]string{}
		for name, values := range r.Header {
			header[strings.ToLower(name)] = strings.Join(values, ",")
		}
		event, err := json.Marshal(map[string]any{
			"version": "2.0", "routeKey": "$default", "rawPath": r.URL.Path, "headers": header,
			"body": base64.StdEncoding.EncodeToString(body), "isBase64Encoded": true,
			"requestContext": map[string]any{"stage": "$default", "http": map[string]string{"method": r.Method, "path": r.URL.Path}},
		})
		if err != nil {
			http.Error(w, "bad gateway", http.StatusBadGateway)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), invocationTime)
		defer cancel()
		reply, err := function.Invoke(ctx, event)
		var answer struct {
			StatusCode int
			Headers    map[string]string
			Body       string
		}
		if err != nil || json.Unmarshal(reply, &answer) != nil {
			http.Error(w, "bad gateway", http.StatusBadGateway)
			return
		}
		for name, value := range answer.Headers {
			w.Header().Set(name, value)
		}
		w.WriteHeader(answer.StatusCode)
		_, _ = io.WriteString(w, answer.Body+"\n")
	})
}
