package datadog

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"time"
)

const (
	maxAttempts  = 4
	firstBackoff = 500 * time.Millisecond
	// confirmAfter is how long after a doubted answer the call is made again.
	confirmAfter = time.Second
	// maxWait is the longest wait that an answer can ask for. A longer one is likely
	// a mistake, such as a point in time instead of seconds. A call that comes too
	// early costs one request.
	maxWait = 5 * time.Minute
)

// retry is what a call remembers from one attempt to the next.
type retry struct {
	attempts     int
	askedForKeys bool
	haveOthers   bool // other keys are ready to be tried
	doubted      bool // Datadog has given a doubted answer
}

// otherKeys returns the keys for the next attempt. If Datadog refuses keys, it asks
// their source once a call whether they have been replaced.
func (r *retry) otherKeys(ctx context.Context, source KeySource, keys *Keys, failure *Error) *Keys {
	refused := failure.Status == http.StatusUnauthorized || failure.Status == http.StatusForbidden
	if !refused || r.askedForKeys {
		return keys
	}
	r.askedForKeys = true
	others, err := source(ctx, keys)
	if err != nil { // report Datadog's answer instead
		return keys
	}
	r.haveOthers = others != keys
	return others
}

// again waits for the next attempt. It returns false at once if the failure is
// final, if Datadog may have done what was asked, if the attempts are used up, or if
// the deadline comes first. It records the wait it chose in failure.RetryAfter.
func (r *retry) again(ctx context.Context, op operation, failure *Error) bool {
	switch {
	case r.haveOthers:
		r.haveOthers = false
		return true
	case failure.FromDatadog && slices.Contains(op.doubted, failure.Status):
		return r.confirm(ctx, op, failure)
	}
	r.attempts++
	if !failure.Retryable || failure.Uncertain || r.attempts >= maxAttempts || ctx.Err() != nil {
		return false
	}
	backoff := firstBackoff << (r.attempts - 1)
	// Random, so that callers that met the same limit do not return together.
	failure.RetryAfter = max(backoff, failure.RetryAfter) + rand.N(backoff)
	if failure.Status == http.StatusTooManyRequests {
		return sleepForLimit(ctx, failure.RetryAfter)
	}
	return sleep(ctx, failure.RetryAfter)
}

// confirm waits for a second attempt after a doubted answer. One of Datadog's
// servers may refuse what the others offer, for example during a deployment. An
// answer that there is no time to confirm is a failure that may pass.
func (r *retry) confirm(ctx context.Context, op operation, failure *Error) bool {
	if r.doubted {
		failure.notOffered = op.optional
		return false
	}
	r.doubted = true
	failure.Retryable, failure.RetryAfter = true, confirmAfter
	return sleep(ctx, confirmAfter)
}

// retryAfter returns the wait that an answer asks for with Retry-After, in
// seconds or until a date.
// https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
func retryAfter(header http.Header) time.Duration {
	value := header.Get("Retry-After")
	if at, err := http.ParseTime(value); err == nil {
		return min(max(0, time.Until(at)), maxWait)
	}
	return seconds(value)
}

// rateLimitReset returns how long from now a rate limit is used up.
// https://docs.datadoghq.com/api/latest/rate-limits/
func rateLimitReset(header http.Header) time.Duration {
	return seconds(header.Get("X-RateLimit-Reset"))
}

// seconds parses a number of seconds. It returns 0 for any other text.
func seconds(text string) time.Duration {
	number, err := strconv.ParseFloat(text, 64)
	if err != nil || !(number > 0) {
		return 0
	}
	return time.Duration(min(number, maxWait.Seconds()) * float64(time.Second))
}

// sleep reports whether the pause has passed. It returns false at once if the
// pause would outlast the context's deadline.
func sleep(ctx context.Context, pause time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= pause {
		return false
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
