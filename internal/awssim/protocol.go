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

// maxBody lets the largest secret through with every byte of it escaped.
const maxBody = 1 << 20

// fault is an error as the protocol carries it.
type fault struct {
	status    int
	errorType string
	message   string
}

func (f fault) Error() string { return f.errorType + ": " + f.message }

// refuse is the answer to a request that its caller has to change.
func refuse(errorType, format string, details ...any) error {
	return fault{http.StatusBadRequest, errorType, fmt.Sprintf(format, details...)}
}

// operation turns a request's body into an answer's.
type operation func(body []byte) (any, error)

func bind[Input, Output any](do func(*Input) (*Output, error)) operation {
	return func(body []byte) (any, error) {
		in := new(Input)
		// The decoder's own words stay here: they may quote the body, and a secret with it.
		if json.Unmarshal(body, in) != nil {
			return nil, refuse("SerializationException", "the body is not the JSON this operation takes")
		}
		out, err := do(in)
		return wire(reflect.ValueOf(out)), err
	}
}

// ServeHTTP answers one AWS JSON 1.1 request to either service, told apart by X-Amz-Target.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := s.answer(w, r)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-RequestId", newUUID())
	if failure, failed := errors.AsType[fault](err); failed {
		w.WriteHeader(failure.status)
		answer = map[string]string{"__type": failure.errorType, "Message": failure.message}
	}
	_ = json.NewEncoder(w).Encode(answer) // fails only when the caller has gone
}

func (s *Simulator) answer(w http.ResponseWriter, r *http.Request) (answer any, err error) {
	body, incomplete := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	target := r.Header.Get("X-Amz-Target")
	_, name, _ := strings.Cut(target, ".")
	if err := s.record(Call{Operation: name, Resource: resourceIn(body)}); err != nil {
		return nil, err
	}
	if incomplete != nil {
		return nil, fault{http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "the body is over a megabyte or broke off"}
	}
	perform, known := s.operations[target]
	if !known {
		return nil, refuse("UnknownOperationException", "there is no operation %q here", target)
	}
	err = s.transact(func() error {
		answer, err = perform(body)
		return err
	})
	return answer, err
}

// record notes a call and returns the failure that waits for it, if one does.
func (s *Simulator) record(call Call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call)
	if waiting := s.faults[call.Operation]; len(waiting) > 0 {
		s.faults[call.Operation] = waiting[1:]
		return waiting[0]
	}
	return nil
}

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

// wire is an SDK output as the protocol has it: members that are not set are left out and times are seconds since the
// epoch, where encoding/json by itself would write null and RFC 3339, which the SDK refuses.
func wire(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Invalid: // what a nil pointer points to
		return nil
	case reflect.Pointer:
		return wire(v.Elem())
	case reflect.Struct:
		if t, is := v.Interface().(time.Time); is {
			return float64(t.UnixMilli()) / 1000
		}
		members := map[string]any{}
		for field, member := range v.Fields() {
			if field.IsExported() && !member.IsZero() {
				members[field.Name] = wire(member)
			}
		}
		return members
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.Struct {
			return v.Interface()
		}
		list := make([]any, v.Len())
		for i := range list {
			list[i] = wire(v.Index(i))
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
