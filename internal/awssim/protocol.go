package awssim

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"
)

// maxBody is enough for the largest secret with every byte of it escaped.
const maxBody = 1 << 20

// fault is an error as the protocol transports it.
type fault struct {
	status    int
	errorType string
	message   string
}

// Error implements the interface error.
func (f fault) Error() string { return f.errorType + ": " + f.message }

// refuse returns the error for a request that is wrong.
func refuse(errorType, format string, details ...any) error {
	return fault{http.StatusBadRequest, errorType, fmt.Sprintf(format, details...)}
}

// operation turns a request's body into an answer's.
type operation func(body []byte) (any, error)

// typed makes an operation of a function that has the SDK's input and output.
func typed[Input, Output any](do func(*Input) (*Output, error)) operation {
	return func(body []byte) (any, error) {
		in := new(Input)
		// The decoder's error stays here, because it can quote the body and so a secret.
		if json.Unmarshal(body, in) != nil {
			return nil, refuse("SerializationException", "the body is not the JSON that this operation takes")
		}
		out, err := do(in)
		return onWire(reflect.ValueOf(out)), err
	}
}

// ServeHTTP answers one AWS JSON 1.1 request. Its X-Amz-Target names the service and the operation.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := s.answer(w, r)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-RequestId", newUUID())
	if failure, failed := errors.AsType[fault](err); failed {
		w.WriteHeader(failure.status)
		answer = map[string]string{"__type": failure.errorType, "Message": failure.message}
	}
	_ = json.NewEncoder(w).Encode(answer) // fails only if the caller has gone
}

func (s *Simulator) answer(w http.ResponseWriter, r *http.Request) (answer any, err error) {
	body, incomplete := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	target := r.Header.Get("X-Amz-Target")
	_, name, _ := strings.Cut(target, ".")
	if err := s.begin(Call{Operation: name, Resource: resourceIn(body)}); err != nil {
		return nil, err
	}
	if incomplete != nil {
		return nil, fault{http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "the body is over a megabyte or incomplete"}
	}
	perform, known := s.operations[target]
	if !known {
		return nil, refuse("UnknownOperationException", "the simulator has no operation %q", target)
	}
	err = s.change(func() error {
		answer, err = perform(body)
		return err
	})
	return answer, err
}

// resourceIn returns what a request's body names, or "" if it names nothing.
func resourceIn(body []byte) string {
	var named struct {
		SecretID string `json:"SecretId"`
		Name     string
		Path     string
		Names    []string
	}
	_ = json.Unmarshal(body, &named) // a body that is not JSON names nothing
	return cmp.Or(named.SecretID, named.Name, named.Path, strings.Join(named.Names, ","))
}

// onWire returns an SDK output as the protocol wants it: without the members that are not set, and with times as seconds
// since the epoch to the millisecond. encoding/json by itself writes null and RFC 3339, which the SDK refuses.
// https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
func onWire(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Invalid: // what a nil pointer points to
		return nil
	case reflect.Pointer:
		return onWire(v.Elem())
	case reflect.Struct:
		if t, is := v.Interface().(time.Time); is {
			return float64(t.UnixMilli()) / 1000
		}
		members := map[string]any{}
		for field, member := range v.Fields() {
			if field.IsExported() && !member.IsZero() {
				members[field.Name] = onWire(member)
			}
		}
		return members
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.Struct {
			return v.Interface()
		}
		list := make([]any, v.Len())
		for i := range list {
			list[i] = onWire(v.Index(i))
		}
		return list
	default:
		return v.Interface()
	}
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, by its contract
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
