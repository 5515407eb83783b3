package datadog

import (
	"fmt"
	"io"
	"log/slog"
	"reflect"
)

const redacted = "[secret]"

// Secret holds a value that must not leak: a text, or any JSON value. It shows as
// "[secret]" however it is printed, logged or marshalled, alone or inside another
// value. Only this package can read it: to write a request body, to authenticate a
// request, to compare two secrets, and to mask a text.
//
// The value is behind a pointer because fmt cannot call methods on unexported
// fields. There it prints what it finds, which is then an address.
type Secret struct{ value *any }

// NewSecret returns a Secret that holds a value: a string, or what encoding/json
// decodes to.
func NewSecret(value any) Secret { return Secret{&value} }

// IsZero reports whether s holds nothing or an empty text.
func (s Secret) IsZero() bool { return s.open() == nil || s.open() == "" }

// Format redacts s under every verb of fmt.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue redacts s in slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON redacts s in JSON.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText redacts s in every other text encoding.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText sets s to a text, so that a Secret can be read from the
// environment.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}

// Equal reports whether s and other hold the same.
func (s Secret) Equal(other Secret) bool { return reflect.DeepEqual(s.open(), other.open()) }

func (s Secret) open() any {
	if s.value == nil {
		return nil
	}
	return *s.value
}

// Secrets is the `secrets` object of an integration config. Its keys are public,
// its values are not.
type Secrets map[string]Secret

func (s Secrets) open() map[string]any {
	opened := make(map[string]any, len(s))
	for key, secret := range s {
		opened[key] = secret.open()
	}
	return opened
}
