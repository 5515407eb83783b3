package relay

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"

	"credential-relay/datadog"
)

// Describe returns an error in words for an operator. For an error of AWS that
// is the call and AWS's own words, without the steps of the SDK.
func Describe(err error) string {
	var call *smithy.OperationError
	var answer smithy.APIError
	if !errors.As(err, &call) || !errors.As(err, &answer) {
		return err.Error()
	}
	short := fmt.Sprintf("%s: %s: %s", call.OperationName, answer.ErrorCode(), answer.ErrorMessage())
	return strings.Replace(err.Error(), call.Error(), short, 1)
}

// temporary is an error that passes by itself.
type temporary struct{ error }

func (t temporary) Unwrap() error { return t.error }

// retryable reports whether the same relay may succeed later although no one has
// changed anything.
func retryable(err error) bool {
	if answer := (*datadog.Error)(nil); errors.As(err, &answer) {
		return answer.Retryable
	}
	if garbled := (*smithy.DeserializationError)(nil); errors.As(err, &garbled) {
		return true
	}
	if passing := (temporary{}); errors.As(err, &passing) {
		return true
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		retry.IsErrorRetryables(retry.DefaultRetryables).IsErrorRetryable(err) == aws.TrueTernary ||
		retry.IsErrorThrottles(retry.DefaultThrottles).IsErrorThrottle(err) == aws.TrueTernary
}

// retryAfter returns the least time to wait before a retry; 0 when unknown.
func retryAfter(err error) time.Duration {
	if answer := (*datadog.Error)(nil); errors.As(err, &answer) {
		return answer.RetryAfter
	}
	return 0
}
