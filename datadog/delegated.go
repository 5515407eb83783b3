package datadog

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// delegatedTokenLife is the life of a token that does not say when it expires.
const delegatedTokenLife = 15 * time.Minute

// Proof identifies the caller when no Datadog key is stored. It is a signed but
// unsent request to the caller's cloud provider.
type Proof struct {
	Text Secret
	// Holds is what the text is made of. It is masked too, because an answer may
	// quote the decoded proof.
	Holds Secrets
}

// ExchangeProof exchanges a proof for a token, and returns it with its expiry. The
// call is not in Datadog's published description. Datadog's own client makes it:
// https://github.com/DataDog/datadog-api-client-go/blob/master/api/datadog/delegated_auth.go
func (c *Client) ExchangeProof(ctx context.Context, proof Proof) (keys *Keys, expiresAt time.Time, err error) {
	err = c.do(ctx, request{
		operation: exchangeProof, call: "exchange the function's AWS identity for a token", method: http.MethodPost, path: "/api/v2/delegated-token",
		secrets: proof.Holds, keys: Fixed(Keys{proof: proof.Text}),
	}, whole(func(content []byte) error {
		keys, expiresAt = delegatedToken(content, time.Now())
		if keys == nil {
			return errGarbled
		}
		return nil
	}))
	return keys, expiresAt, err
}

// delegatedToken returns the token in an answer, or nil if there is none.
func delegatedToken(content []byte, now time.Time) (*Keys, time.Time) {
	var answer struct {
		Data struct {
			Attributes struct {
				AccessToken Secret `json:"access_token"`
				Expires     any    `json:"expires"`
			}
		}
	}
	if json.Unmarshal(content, &answer) != nil {
		return nil, time.Time{}
	}
	keys := &Keys{Token: answer.Data.Attributes.AccessToken}
	if keys.Check() != nil {
		return nil, time.Time{}
	}
	// Like Datadog's own client, ignore an expiry that is not seconds in a string.
	text, _ := answer.Data.Attributes.Expires.(string)
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return keys, now.Add(delegatedTokenLife)
	}
	return keys, time.Unix(seconds, 0)
}

// IsProofRejected reports whether err is Datadog's answer that it rejects the
// proof. It is false for a failure that may pass.
func IsProofRejected(err error) bool {
	answer := answerIn(err)
	return answer != nil && !answer.Retryable && answer.Status >= 400 && answer.Status < 500
}
