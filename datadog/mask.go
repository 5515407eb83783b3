package datadog

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
)

const (
	// shortestRun is how many bytes of a secret in a row are masked. A text that
	// quotes fewer, such as a token's last four characters, gives nothing away.
	shortestRun = 8
	// shortestSecret is the length of the shortest secret that is masked. A secret
	// of 4 to 7 bytes is masked only where the text has all of it, because fewer
	// bytes occur in ordinary words.
	shortestSecret = 4

	maxTextLength  = 300  // of what Text returns, in characters
	maxErrorLength = 2000 // of what Error returns: it may hold several messages
)

// Mask hides secrets in texts, for example in an error message that quotes its
// input. The zero Mask is ready to use. A Mask is safe for concurrent use.
//
// A Mask hides each run of 8 bytes of a secret, whether the text has it as it is,
// escaped for JSON or for a URL, in hex, or in base64.
type Mask struct {
	mu sync.Mutex
	// secrets is a pointer so that fmt prints an address where it cannot call
	// Format: for a Mask in an unexported field.
	secrets *map[string]bool
}

// Format redacts m under every verb of fmt.
func (m *Mask) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// Add makes the mask hide the values of secrets. Public values stay readable:
// admin_email, and the members of a Google key file that say whose key it is and
// where it is used.
func (m *Mask) Add(secrets Secrets) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, secret := range secrets {
		if name != "admin_email" {
			m.add(secret.open())
		}
	}
}

// addKeys makes the mask hide Datadog's own keys.
func (m *Mask) addKeys(keys *Keys) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.add(keys.opened())
}

// publicMembers are the members of a Google key file that are not secret.
var publicMembers = []string{
	"type", "project_id", "client_email", "client_id", "auth_uri", "token_uri",
	"auth_provider_x509_cert_url", "client_x509_cert_url", "universe_domain",
}

// add adds a text, a number, or each value in a list or an object.
func (m *Mask) add(value any) {
	switch value := value.(type) {
	case string:
		m.addText(value)
	case json.Number:
		m.addText(value.String())
	case float64:
		encoded, _ := encode(value) // infinity has no text
		m.addText(string(encoded))
	case []any:
		for _, element := range value {
			m.add(element)
		}
	case map[string]any:
		_, isKeyFile := value["private_key"]
		for name, member := range value {
			if !isKeyFile || !slices.Contains(publicMembers, name) {
				m.add(member)
			}
		}
	}
}

func (m *Mask) addText(text string) {
	if len(text) < shortestSecret {
		return
	}
	if m.secrets == nil {
		m.secrets = &map[string]bool{}
	}
	(*m.secrets)[text] = true
}

// Text returns text with "[secret]" in place of each secret and a blank in place
// of each control character, cut after 300 characters.
func (m *Mask) Text(text string) string { return bounded(m.hide(text), maxTextLength) }

// Error returns an error that wraps err. Its text is err's, changed as by Text,
// but cut after 2,000 characters.
func (m *Mask) Error(err error) error {
	return &rewordedError{bounded(m.hide(err.Error()), maxErrorLength), err}
}

// rewordedError is an error with another text.
type rewordedError struct {
	text string
	err  error
}

func (e *rewordedError) Error() string { return e.text }
func (e *rewordedError) Unwrap() error { return e.err }

// hide masks a text of any length.
func (m *Mask) hide(text string) string {
	text = printable(text)
	if len(text) < shortestSecret {
		return text
	}
	found := newSearch(text)
	for _, secret := range m.texts() {
		for form := range forms(secret) {
			found.mark(form)
		}
	}
	return found.masked()
}

// texts returns the secrets so far.
func (m *Mask) texts() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.secrets == nil {
		return nil
	}
	return slices.Collect(maps.Keys(*m.secrets))
}

type maskKey struct{}

// WithMask returns a context whose calls add to m the keys and credentials that
// they send. Their errors are not masked: the caller masks what it reports with
// all that m holds by then. Without a Mask, each call masks its own error.
func WithMask(ctx context.Context, m *Mask) context.Context {
	return context.WithValue(ctx, maskKey{}, m)
}

// maskOf returns the context's mask and true, or a new one and false.
func maskOf(ctx context.Context) (mask *Mask, shared bool) {
	if m, ok := ctx.Value(maskKey{}).(*Mask); ok {
		return m, true
	}
	return &Mask{}, false
}
