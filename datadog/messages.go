package datadog

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode"
)

const (
	maxMessages      = 5
	maxMessageLength = 2000 // in characters, before masking
)

// messages returns the texts in the body of an error, and whether the body is
// Datadog's own. Datadog uses three shapes, sometimes within one family of
// endpoints: a list of texts, a list of JSON:API objects, and an object with a code.
// The content type does not matter, because Datadog also sends JSON as text/plain.
func messages(body []byte) (texts []string, fromDatadog bool) {
	var shapes struct {
		Errors []json.RawMessage
		Error  json.RawMessage
	}
	if json.Unmarshal(body, &shapes) != nil {
		return plainMessage(body), false
	}
	for _, raw := range shapes.Errors {
		texts = append(texts, message(raw))
	}
	fromDatadog = slices.ContainsFunc(texts, func(text string) bool { return text != "" })
	if text := message(shapes.Error); text != "" {
		texts = append(texts, text)
		fromDatadog = fromDatadog || shapes.Error[0] == '{' // a text there is not Datadog's
	}
	texts = slices.DeleteFunc(texts, func(text string) bool { return text == "" })
	texts = texts[:min(len(texts), maxMessages)]
	for i, text := range texts {
		texts[i] = presentable(text)
	}
	return texts, fromDatadog
}

// message returns the text of one error, or "" if it has none.
func message(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var object struct {
		Title, Detail, Code, Message string
		Source                       struct{ Pointer string }
		Details                      []struct{ Message, Target string }
	}
	_ = json.Unmarshal(raw, &object) // the other members are read even if one has another type
	parts := []string{object.Code, object.Title, object.Message, object.Detail}
	for _, detail := range object.Details {
		parts = append(parts, located(detail.Message, detail.Target))
	}
	parts = slices.DeleteFunc(parts, func(part string) bool { return part == "" })
	return located(strings.Join(parts, ": "), object.Source.Pointer)
}

// located returns a text and the place in the request that it is about.
func located(text, place string) string {
	if text == "" || place == "" {
		return text
	}
	return text + " (" + place + ")"
}

// plainMessage returns the first line of a body that is not Datadog's JSON.
func plainMessage(body []byte) []string {
	text := strings.TrimSpace(string(body))
	switch {
	case text == "":
		return nil
	case strings.HasPrefix(text, "<"):
		return []string{"the answer is a page, not Datadog's JSON"}
	default:
		first, _, _ := strings.Cut(text, "\n")
		return []string{presentable(first)}
	}
}

// presentable returns a text that is not this package's own, bounded and printable.
// It is not masked.
func presentable(text string) string { return printable(bounded(text, maxMessageLength)) }

// printable returns a text with blanks in place of control characters.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
}

// bounded returns a text cut after so many characters.
func bounded(text string, characters int) string {
	count := 0
	for i := range text {
		if count == characters {
			return text[:i] + "…"
		}
		count++
	}
	return text
}
