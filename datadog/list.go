package datadog

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// maxList is how many bytes of a list are read. Datadog does not divide it into
// pages.
const maxList = 64 << 20

// ListIntegrationConfigs returns the integration configs of a type, or of all
// types if it is empty, without their Settings.
// https://docs.datadoghq.com/api/latest/security-monitoring/#list-entity-context-sync-configurations
func (c *Client) ListIntegrationConfigs(ctx context.Context, only IntegrationType) (configs []IntegrationConfig, err error) {
	req := request{operation: listConfigs, call: "list integration configs", method: http.MethodGet, path: ConfigsPath}
	if only != "" {
		req.query = url.Values{"filter[integration_type]": {string(only)}}
	}
	err = c.do(ctx, req, func(body io.Reader) (err error) {
		configs, err = decodeList(body, maxList)
		return err
	})
	return configs, err
}

// decodeList reads a list of at most limit bytes as a stream, because it can have
// some megabytes.
func decodeList(body io.Reader, limit int) ([]IntegrationConfig, error) {
	source := &boundedReader{body: body, limit: limit}
	configs, err := readList(json.NewDecoder(source))
	switch reported := (*reportedError)(nil); {
	case source.err != nil: // why the JSON ends too early
		return nil, source.err
	case errors.As(err, &reported):
		return nil, err
	case err != nil || configs == nil:
		return nil, errGarbled
	}
	return configs, nil
}

// readList reads one JSON object with the list in its member "data".
func readList(decoder *json.Decoder) (configs []IntegrationConfig, err error) {
	if err := expect(decoder, json.Delim('{')); err != nil {
		return nil, err
	}
	for decoder.More() {
		name, err := decoder.Token()
		switch {
		case err != nil:
			return nil, err
		case configs == nil && strings.EqualFold(name.(string), "data"):
			configs, err = readConfigs(decoder)
		default:
			err = skipMember(decoder, name.(string))
		}
		if err != nil {
			return nil, err
		}
	}
	if err := expect(decoder, json.Delim('}')); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errGarbled
	}
	return configs, nil
}

func readConfigs(decoder *json.Decoder) ([]IntegrationConfig, error) {
	if err := expect(decoder, json.Delim('[')); err != nil {
		return nil, err
	}
	configs := []IntegrationConfig{}
	for decoder.More() {
		var next resource
		if err := decoder.Decode(&next); err != nil {
			return nil, err
		}
		if !next.isComplete() {
			return nil, errGarbled
		}
		next.Attributes.Settings = nil
		configs = append(configs, next.config())
	}
	return configs, expect(decoder, json.Delim(']'))
}

// skipMember skips a member of the answer, unless it reports errors.
func skipMember(decoder *json.Decoder, name string) error {
	var value json.RawMessage
	if err := decoder.Decode(&value); err != nil {
		return err
	}
	switch strings.ToLower(name) {
	case "data": // a second one
		return errGarbled
	case "errors", "error":
		member, err := json.Marshal(map[string]json.RawMessage{name: value})
		if err != nil {
			return err
		}
		return reportedErrors(member)
	}
	return nil
}

func expect(decoder *json.Decoder, want json.Delim) error {
	if got, err := decoder.Token(); err != nil || got != want {
		return errGarbled
	}
	return nil
}

// boundedReader reads an answer of at most limit bytes. It keeps the error that
// ended the reading.
type boundedReader struct {
	body  io.Reader
	limit int
	read  int
	err   error
}

func (r *boundedReader) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	if r.read += n; r.read > r.limit {
		err = &tooLargeError{r.limit}
	}
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}
