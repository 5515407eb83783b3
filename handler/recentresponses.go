package handler

import (
	"context"
	"crypto/sha256"
	"net/http"
	"sync"
)

const (
	maxResponses     = 1000
	maxResponseBytes = 4 << 20 // of all of them
)

// recentResponses remembers the responses to signed deliveries that were done,
// so that a sender that has not got the response may send again. To relay once
// more would do no harm, except to a flag that was changed in between. It
// remembers for as long as the instance lives, the newest ones only.
type recentResponses struct {
	lock  sync.Mutex
	byKey map[deliveryKey]*remembered
	done  []deliveryKey // in the order in which they were done
	bytes int
}

// deliveryKey identifies a delivery. In Standard Webhooks an id stands for one
// message. An id that comes with another body is a new request: an answer from
// memory would claim that something was done which was not.
type deliveryKey struct {
	id   string
	body [sha256.Size]byte
}

func keyOf(id string, body []byte) deliveryKey { return deliveryKey{id, sha256.Sum256(body)} }

// remembered is the response to a delivery, once answered is closed.
type remembered struct {
	answered chan struct{}
	response response
}

// once returns the response to a delivery. It calls serve only if the delivery
// is neither done nor under way; if it is under way, once waits for it, until
// the context ends.
func (r *recentResponses) once(ctx context.Context, key deliveryKey, serve func() response) response {
	entry, first := r.get(key)
	if !first {
		select {
		case <-entry.answered:
			return entry.response
		case <-ctx.Done():
			return unavailable("the same delivery is under way")
		}
	}
	entry.response = errorResponse(http.StatusInternalServerError, "internal error") // if serve panics
	defer r.put(key, entry)
	entry.response = serve()
	return entry.response
}

// get returns what is remembered of a delivery, and whether the caller is the
// first to ask for it, and so must put the response.
func (r *recentResponses) get(key deliveryKey) (entry *remembered, first bool) {
	r.lock.Lock()
	defer r.lock.Unlock()
	if entry = r.byKey[key]; entry != nil {
		return entry, false
	}
	if r.byKey == nil {
		r.byKey = map[deliveryKey]*remembered{}
	}
	entry = &remembered{answered: make(chan struct{})}
	r.byKey[key] = entry
	return entry, true
}

// put gives the response to those who wait for it. Only a success is remembered
// after that, so that a retry is really retried.
func (r *recentResponses) put(key deliveryKey, entry *remembered) {
	r.lock.Lock()
	defer r.lock.Unlock()
	close(entry.answered)
	if entry.response.Status != http.StatusOK {
		delete(r.byKey, key)
		return
	}
	r.done = append(r.done, key)
	r.bytes += len(entry.response.Body)
	for len(r.done) > maxResponses || r.bytes > maxResponseBytes {
		oldest := r.done[0]
		r.bytes -= len(r.byKey[oldest].response.Body)
		delete(r.byKey, oldest)
		r.done = r.done[1:]
	}
}
