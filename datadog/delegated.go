package datadog

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// delegatedTokenLife is how long a token lives that does not say so.
const delegatedTokenLife = 15 * time.Minute

// Proof shows Datadog who one is, where no key of Datadog's is stored: a request
// to one's own cloud, signed and not sent.
type Proof struct {
	Text Secret
	// Holds is what the text is made of, to be scrubbed from the answer: that
	// may quote what it has decoded.
	Holds Secrets
}

// ExchangeProof gives a short-lived token for a proof, and when it ends. It is
// not in Datadog's published description; Datadog's own client does it so:
// https://github.com/DataDog/datadog-api-client-go/blob/master/api/datadog/delegated_auth.go
func (c *Client) ExchangeProof(ctx context.Context, proof Proof) (*Keys, time.Time, error) {
	var keys *Keys
	var ends time.Time
	err := c.do(ctx, request{
		operation: exchangeProof, call: "exchange the function's AWS identity for a token", method: http.MethodPost, path: "/api/v2/delegated-token",
		secrets: proof.Holds, keys: Fixed(Keys{proof: proof.Text}),
	}, func(content []byte) bool {
		keys, ends = delegatedToken(content, time.Now())
		return keys != nil
	})
	return keys, ends, err
}

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
	// Like Datadog's own client, take what is not seconds in a string for absent.
	text, _ := answer.Data.Attributes.Expires.(string)
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return keys, now.Add(delegatedTokenLife)
	}
	return keys, time.Unix(seconds, 0)
}

// IsProofRejected reports whether err is Datadog's answer that it does not take the
// proof, rather than that it cannot be had now.
func IsProofRejected(err error) bool {
	var answer *Error
	return errors.As(err, &answer) && !answer.Retryable && answer.Status >= 400 && answer.Status < 500
}
