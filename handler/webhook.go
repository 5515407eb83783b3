package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"time"

	"credential-relay/relay"
)

const (
	webhookPath = "/v1/relay"
	maxBody     = 64 << 10
	retryAfter  = 30 * time.Second // unless something says how long
	// answerWithin is less than the 30 seconds that an HTTP API waits.
	answerWithin = 28 * time.Second
)

// response is what a gateway is answered: the same in each of its formats.
type response struct {
	Status int               `json:"statusCode"`
	Header map[string]string `json:"headers"`
	Body   string            `json:"body"`
}

// serveDelivery serves a webhook request. It always has a response: a function
// error would reach the sender as a bare 502.
func (h *Handler) serveDelivery(ctx context.Context, event object) (result served) {
	result = served{trigger: "webhook"}
	defer func() {
		if cause := recover(); cause != nil {
			h.logPanic(ctx)
			result.reply = errorResponse(http.StatusInternalServerError, "internal error")
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	d := decodeDelivery(event)
	id, err := h.authenticate(ctx, d)
	if err != nil {
		result.reply = h.turnAway(ctx, err)
		return result
	}
	request, refused := requestOf(d)
	switch {
	case refused != nil:
		result.reply = h.refuse(ctx, refused)
	case request.Enabled == relay.Off && !h.WebhookMayDisable:
		result.reply = h.refuse(ctx, errMayNotDisable)
	case id == "":
		result.Report, result.reply = h.deliver(ctx, request)
	default:
		result.reply = h.recent.once(ctx, keyOf(id, d.body), func() (answer response) {
			result.Report, answer = h.deliver(ctx, request)
			return answer
		})
	}
	return result
}

// authenticate makes sure that the gateway or a signature says who the caller
// is. It returns the delivery's id if it is signed.
func (h *Handler) authenticate(ctx context.Context, d delivery) (id string, err error) {
	switch {
	case d.authenticated:
		return "", nil
	case h.Signatures == nil:
		err = errors.New("the gateway has not authenticated the caller, and WEBHOOK_SECRET_ARN is not set")
	case d.bodyErr != nil:
		err = d.bodyErr
	default:
		id, err = h.Signatures.verify(ctx, d)
	}
	if err != nil && d.contextless {
		err = fmt.Errorf("%w; %w", err, errContextless)
	}
	return id, err
}

var errContextless = errors.New("the gateway's Lambda authorizer returned no context, so it does not count: have the authorizer return a context")

// turnAway answers a caller who is not authenticated. The answer does not say
// why; the log does, and quotes nothing that the caller sent.
func (h *Handler) turnAway(ctx context.Context, err error) response {
	reason := []slog.Attr{slog.String(keyError, relay.Describe(err))}
	switch {
	case errors.As(err, new(uncheckable)):
		h.Log.LogAttrs(ctx, slog.LevelError, "signature unavailable", h.withMetrics(reason, signatureUnavailable)...)
		return unavailable("the signature cannot be checked now")
	case errors.Is(err, errBodyTooLarge):
		return h.refuse(ctx, errBodyTooLarge)
	default:
		h.Log.LogAttrs(ctx, slog.LevelWarn, "unauthorized", reason...)
		return errorResponse(http.StatusUnauthorized, "unauthorized")
	}
}

// requestError is why a request is not served, and the status that says so.
type requestError struct {
	status int
	reason string
}

func (e *requestError) Error() string { return e.reason }

// refuse answers a request that is not served. The answer and the log say why.
func (h *Handler) refuse(ctx context.Context, err *requestError) response {
	h.Log.WarnContext(ctx, "refused", keyError, err.reason)
	answer := errorResponse(err.status, err.reason)
	if err.status == http.StatusMethodNotAllowed {
		answer.Header["Allow"] = http.MethodPost
	}
	return answer
}

var errMayNotDisable = &requestError{http.StatusForbidden, "enabled: the webhook may not turn a sync off; set WebhookMayDisable in the stack to allow that"}

// requestOf decodes what an authenticated caller asks for.
func requestOf(d delivery) (relay.Request, *requestError) {
	switch {
	case d.path != webhookPath:
		return relay.Request{}, &requestError{http.StatusNotFound, "there is only POST " + webhookPath}
	case d.method != http.MethodPost:
		return relay.Request{}, &requestError{http.StatusMethodNotAllowed, "use POST"}
	case d.bodyErr != nil:
		return relay.Request{}, d.bodyErr
	case !d.isJSON():
		return relay.Request{}, &requestError{http.StatusUnsupportedMediaType, "Content-Type: must be application/json"}
	}
	request, err := decodeAsk(d.body)
	if err != nil {
		return relay.Request{}, &requestError{http.StatusBadRequest, err.Error()}
	}
	return request, nil
}

// isJSON reports whether the delivery has one content type, and that is JSON.
func (d delivery) isJSON() bool {
	types := d.header.Values("Content-Type")
	if len(types) != 1 {
		return false
	}
	contentType, _, _ := mime.ParseMediaType(types[0])
	return contentType == "application/json"
}

// deliver relays what a delivery asks for.
func (h *Handler) deliver(ctx context.Context, request relay.Request) (Report, response) {
	report := h.relay(ctx, []Trigger{{Kind: "webhook", Request: request}})[0]
	return report, answerTo(report.Results)
}

func errorResponse(status int, reason string) response {
	return answer(status, map[string]string{"error": reason})
}

// unavailable is the response that has a sender try again.
func unavailable(reason string) response {
	return errorResponse(http.StatusServiceUnavailable, reason).after(retryAfter)
}

// after returns the response with a Retry-After header.
func (r response) after(wait time.Duration) response {
	r.Header["Retry-After"] = strconv.Itoa(int(wait.Round(time.Second).Seconds()))
	return r
}

func answer(status int, body any) response {
	encoded, _ := json.Marshal(body) // of strings and outcomes, which can always be
	return response{status, map[string]string{"Content-Type": "application/json"}, string(encoded)}
}

// answerTo answers with the outcomes, under the status that tells a sender
// whether to send again.
func answerTo(outcomes []relay.Result) response {
	status, wait := statusOf(outcomes)
	answer := answer(status, Report{Results: outcomes})
	if status == http.StatusServiceUnavailable {
		return answer.after(wait)
	}
	return answer
}

// statusOf returns 503 if to send again would help; else 500 for a fault of our
// own; else 200 if anything was done, where the outcomes report the rest; else
// what went wrong.
func statusOf(outcomes []relay.Result) (status int, wait time.Duration) {
	done, refused, failed, internal := 0, 0, 0, 0
	for _, outcome := range outcomes {
		switch {
		case outcome.Failed() && outcome.Error.Stage == relay.AtInternal:
			internal++
		case outcome.Failed() && outcome.Error.Retryable:
			wait = max(wait, outcome.Error.RetryAfter, retryAfter)
		case outcome.Outcome == relay.Rejected, outcome.Outcome == relay.Invalid,
			outcome.Failed() && outcome.Error.Stage == relay.AtCredential:
			refused++
		case outcome.Failed():
			failed++
		case outcome.Outcome != relay.Ignored:
			done++
		}
	}
	switch {
	case wait > 0:
		return http.StatusServiceUnavailable, wait
	case internal > 0:
		return http.StatusInternalServerError, 0
	case done > 0:
		return http.StatusOK, 0
	case failed > 0:
		return http.StatusBadGateway, 0
	case refused > 0:
		return http.StatusUnprocessableEntity, 0
	default:
		return http.StatusNotFound, 0
	}
}
