package awssim

import (
	"cmp"
	"encoding/hex"
	"slices"
)

// page returns the items that follow a token, in the order of their keys and at most size of them, with the token of
// the next page if there is one. A token holds the last key given, so what is added or removed between two pages makes
// no other item come twice or not at all. Anything else than a token is not ok.
func page[Item any](items []Item, key func(Item) string, token *string, size int) (these []Item, next *string, ok bool) {
	slices.SortFunc(items, func(a, b Item) int { return cmp.Compare(key(a), key(b)) })
	if token != nil {
		last, err := hex.DecodeString(*token)
		if err != nil {
			return nil, nil, false
		}
		items = slices.DeleteFunc(items, func(item Item) bool { return key(item) <= string(last) })
	}
	if len(items) > size {
		items = items[:size]
		next = new(hex.EncodeToString([]byte(key(items[size-1]))))
	}
	return items, next, true
}
