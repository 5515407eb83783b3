package datadog

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
)

// Keys authenticate a call. They are an API key with an application key, or a
// bearer token alone: a personal or service access token, or an OAuth access token.
// https://docs.datadoghq.com/api/latest/authentication/.
type Keys struct {
	API, Application Secret
	Token            Secret

	proof Secret // of the caller's identity, sent only to be exchanged for a token
}

// Check returns an error if a key is missing, superfluous or not a key.
func (k *Keys) Check() error {
	names := []string{"API key", "application key", "bearer token"}
	for i, key := range []Secret{k.API, k.Application, k.Token} {
		if text, ok := key.open().(string); ok && strings.ContainsFunc(text, notInKey) {
			return fmt.Errorf("the %s holds a space, a line break or another character that no key has", names[i])
		}
	}
	switch {
	case k.Token.IsZero() && k.API.IsZero() && k.Application.IsZero():
		return errors.New("there are no Datadog keys: give an API key with an application key, or a bearer token")
	case !k.Token.IsZero() && !(k.API.IsZero() && k.Application.IsZero()):
		return errors.New("there is a bearer token and a key too: give one or the other")
	case k.Token.IsZero() && k.Application.IsZero():
		return errors.New("the application key is missing: an API key alone may not change an integration config")
	case k.Token.IsZero() && k.API.IsZero():
		return errors.New("the API key is missing: an application key is sent together with one")
	}
	return nil
}

func notInKey(r rune) bool { return r <= ' ' || r > '~' }

// Equal reports whether k and other hold the same keys.
func (k *Keys) Equal(other *Keys) bool { return reflect.DeepEqual(k.opened(), other.opened()) }

func (k *Keys) opened() []any {
	return []any{k.API.open(), k.Application.open(), k.Token.open(), k.proof.open()}
}

func (k *Keys) authenticate(header http.Header) {
	if !k.proof.IsZero() {
		header.Set("Authorization", fmt.Sprint("Delegated ", k.proof.open()))
		header.Set("Content-Type", "application/json") // although the body is empty
		return
	}
	if !k.Token.IsZero() {
		header.Set("Authorization", fmt.Sprint("Bearer ", k.Token.open()))
		return
	}
	header.Set("DD-API-KEY", fmt.Sprint(k.API.open()))
	header.Set("DD-APPLICATION-KEY", fmt.Sprint(k.Application.open()))
}

// KeySource returns the keys for a call. The client asks it before each call, with
// refused nil. If Datadog answers 401 or 403, the client asks once more within the
// call, with the keys that it got. A source that has no other keys returns refused
// itself.
type KeySource func(ctx context.Context, refused *Keys) (*Keys, error)

// Fixed returns a source of keys that never change.
func Fixed(keys Keys) KeySource {
	return func(context.Context, *Keys) (*Keys, error) { return &keys, nil }
}
