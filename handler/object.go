package handler

import (
	"bytes"
	"encoding/json"
	"iter"
)

// object is a JSON object whose members are yet to be decoded. Its keys are
// exact, where decoding into a struct would also take "RELAY" for "relay". Of a
// key that is there twice, the last counts, at every level and for every door.
type object map[string]json.RawMessage

func decodeObject(raw []byte) (object, error) {
	var members object
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return nil, malformed("the event is not a JSON object")
	}
	return members, nil
}

// pipeRecords is the member that stands for a bare array.
const pipeRecords = "[]"

// decodePayload decodes what an invocation or a message holds: an object, or the
// bare array of records that EventBridge Pipes sends.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-batching-concurrency.html
func decodePayload(raw []byte) (object, error) {
	if array := bytes.TrimLeft(raw, " \t\r\n"); len(array) > 0 && array[0] == '[' {
		event := object{pipeRecords: raw}
		if !json.Valid(raw) || event.first(pipeRecords) == nil {
			return nil, malformed("the event is not a JSON object, nor an array of records")
		}
		return event, nil
	}
	event, err := decodeObject(raw)
	delete(event, pipeRecords) // no event has such a member of its own
	return event, err
}

func (o object) has(keys ...string) bool {
	for _, key := range keys {
		if _, ok := o[key]; !ok {
			return false
		}
	}
	return true
}

// text returns a member that is a string; "" if it is absent or something else.
func (o object) text(key string) string {
	var text string
	_ = json.Unmarshal(o[key], &text)
	return text
}

// object returns a member that is an object; nil if it is absent or something
// else.
func (o object) object(key string) object {
	var members object
	_ = json.Unmarshal(o[key], &members)
	return members
}

// elements returns the elements of a member that is an array, and none if it is
// absent or something else. It decodes one at a time: an event may have millions.
func (o object) elements(key string) iter.Seq[json.RawMessage] {
	return func(yield func(json.RawMessage) bool) {
		decoder := json.NewDecoder(bytes.NewReader(o[key]))
		if start, err := decoder.Token(); err != nil || start != json.Delim('[') {
			return
		}
		for decoder.More() {
			var element json.RawMessage
			if decoder.Decode(&element) != nil || !yield(element) {
				return
			}
		}
	}
}

// first returns the first element of a member that is an array; nil if there is
// none.
func (o object) first(key string) json.RawMessage {
	for element := range o.elements(key) {
		return element
	}
	return nil
}

// records is the member that holds an event's records.
func (o object) records() string {
	if o.has(pipeRecords) {
		return pipeRecords
	}
	return "Records"
}

// repeatedKey returns a key that a JSON object has twice. Somewhere else the
// first might count, so an ask must not say two things.
func repeatedKey(raw []byte) (key string, repeated bool) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return "", false
	}
	seen := map[string]bool{}
	for decoder.More() {
		token, err := decoder.Token()
		key, _ = token.(string)
		var value json.RawMessage
		if err != nil || seen[key] || decoder.Decode(&value) != nil {
			return key, err == nil
		}
		seen[key] = true
	}
	return "", false
}
