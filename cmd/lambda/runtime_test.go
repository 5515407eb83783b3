package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"
)

// runtimeAPI stands in for the Lambda service: it hands events to the function
// and takes its replies.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
type runtimeAPI struct {
	server  *httptest.Server
	events  chan invocation
	replies chan reply
}

type invocation struct {
	event    []byte
	deadline time.Duration
}

type reply struct {
	functionError bool
	body          []byte
}

func newRuntimeAPI() *runtimeAPI {
	api := &runtimeAPI{events: make(chan invocation), replies: make(chan reply, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", api.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", api.take(false))
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", api.take(true))
	api.server = httptest.NewServer(mux)
	return api
}

func (api *runtimeAPI) address() string { return strings.TrimPrefix(api.server.URL, "http://") }

func (api *runtimeAPI) next(w http.ResponseWriter, r *http.Request) {
	select {
	case invocation := <-api.events:
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", "8f507cfc-xmpl-4697-b07a-ac58fc914c95")
		w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:111122223333:function:relay")
		w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(invocation.deadline).UnixMilli()))
		_, _ = w.Write(invocation.event)
	case <-r.Context().Done():
	}
}

func (api *runtimeAPI) take(functionError bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
		api.replies <- reply{functionError, body}
	}
}
