package handler

import (
	"context"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"strconv"
	"time"

	"credential-relay/relay"
)

const (
	webhookPath = "/v1/relay"
	maxBody     = 64 << 10
	retryAfter  = 30 * time.Second // where nobody says how long
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
		h.Log.WarnContext(ctx, "unauthorized", keyError, relay.Describe(err))
		result.reply = errorResponse(http.StatusUnauthorized, "unauthorized")
		return result
	}
	if again, ok := h.answers.find(id); ok {
		result.reply = again
		return result
	}
	report, answer := h.deliver(ctx, d)
	if answer.Status == http.StatusOK { // else the sender's next try shall be one
		h.answers.keep(id, answer)
	}
	result.Report, result.reply = report, answer
	return result
}

// authenticate makes sure that somebody vouches for the caller. It gives the
// delivery's id when that is a signature.
func (h *Handler) authenticate(ctx context.Context, d delivery) (id string, err error) {
	switch {
	case d.authenticated:
		return "", nil
	case h.Signatures == nil:
		return "", errors.New("the gateway has not authenticated the caller, and WEBHOOK_SECRET_ARN is not set")
	default:
		return h.Signatures.verify(ctx, d)
	}
}

// deliver serves the request of a caller who may make it.
func (h *Handler) deliver(ctx context.Context, d delivery) (Report, response) {
	contentType, _, _ := mime.ParseMediaType(d.header.Get("Content-Type"))
	switch {
	case d.path != webhookPath:
		return Report{}, errorResponse(http.StatusNotFound, "there is only POST "+webhookPath)
	case d.method != http.MethodPost:
		answer := errorResponse(http.StatusMethodNotAllowed, "use POST")
		answer.Header["Allow"] = http.MethodPost
		return Report{}, answer
	case len(d.body) > maxBody:
		return Report{}, errorResponse(http.StatusRequestEntityTooLarge, "the body is larger than 64 KiB")
	case contentType != "application/json":
		return Report{}, errorResponse(http.StatusUnsupportedMediaType, "Content-Type: must be application/json")
	}
	request, err := decodeAsk(d.body)
	if err != nil {
		return Report{}, errorResponse(http.StatusBadRequest, err.Error())
	}
	report := h.relay(ctx, []Trigger{{Kind: "webhook", Request: request}})[0]
	return report, answerTo(report.Results)
}

func errorResponse(status int, reason string) response {
	return answer(status, map[string]string{"error": reason})
}

func answer(status int, body any) response {
	encoded, _ := json.Marshal(body) // of strings and outcomes, which can always be
	return response{status, map[string]string{"Content-Type": "application/json"}, string(encoded)}
}

// answerTo answers with the outcomes, under the status that tells a sender
// whether to send again.
func answerTo(outcomes []relay.Result) response {
	status, wait := statusOf(outcomes)
	response := answer(status, Report{Results: outcomes})
	if status == http.StatusServiceUnavailable {
		response.Header["Retry-After"] = strconv.Itoa(int(wait.Round(time.Second).Seconds()))
	}
	return response
}

// statusOf is 503 when to send again would help; else 200 when anything has
// been done, and the outcomes tell of the rest; else what is the matter.
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
	case internal > 0:
		return http.StatusInternalServerError, 0
	case wait > 0:
		return http.StatusServiceUnavailable, wait
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
