package datadog

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestListsThatAreTooLarge reads lists around a small limit.
func TestListsThatAreTooLarge(t *testing.T) {
	const list = `{"data":[{"id":"1111","attributes":{"settings":{"a":"b"}}},{"id":"2222","attributes":{}}]}`
	for name, c := range map[string]struct {
		body  string
		limit int
		large bool
	}{
		"as large as the limit": {list, len(list), false},
		"a byte larger":         {list, len(list) - 1, true},
		"blanks in front":       {strings.Repeat(" ", 1<<20) + list, 1 << 20, true},
		"blanks behind":         {list + strings.Repeat(" ", 1<<20), 1 << 20, true},
	} {
		t.Run(name, func(t *testing.T) {
			configs, err := decodeList(io.NopCloser(strings.NewReader(c.body)), c.limit)
			var large *tooLargeError
			if errors.As(err, &large) != c.large || !c.large && (err != nil || len(configs) != 2) || c.large && configs != nil {
				t.Errorf("got %+v, %v, want it to be too large: %t", configs, err, c.large)
			}
			req := request{operation: listConfigs}
			if c.large && req.unusableAnswer(http.StatusOK, err).Retryable {
				t.Error("it would be fetched again")
			}
		})
	}
}
