package datadogsim

import (
	"net/http"
	"slices"
)

// Request is one request received, for tests to look at.
type Request struct {
	Operation Operation // "" for one that names no operation
	Method    string
	Path      string // as escaped on the wire, without the query
	Header    http.Header
	Body      string
	Status    int // of the answer; 0 before it is sent, and for a dropped connection
}

// Requests returns copies of all requests received, in the order of their arrival.
func (s *Simulator) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	requests := slices.Clone(s.requests)
	for i := range requests {
		requests[i].Header = requests[i].Header.Clone()
	}
	return requests
}

// receive records a request and returns its index in Requests.
func (s *Simulator) receive(c call) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, Request{
		Operation: c.op,
		Method:    c.request.Method,
		Path:      c.request.URL.EscapedPath(),
		Header:    c.request.Header.Clone(),
		Body:      string(c.body),
	})
	return len(s.requests) - 1
}

func (s *Simulator) answered(received, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests[received].Status = status
}
