package handler

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	clockTolerance   = 5 * time.Minute // between the sender's clock and ours, both ways
	maxSignatures    = 10
	maxSignatureList = 2048 // characters of all signatures
)

// Signatures checks webhook deliveries that are signed as Standard Webhooks
// specifies. Both versions of the signing secret count, so that it can be
// rotated: the current one, and for a day the previous one. See
// https://www.standardwebhooks.com.
type Signatures struct {
	SecretsManager *secretsmanager.Client
	ARN            string // of the signing secret

	lock        sync.Mutex // held while the signing secret is read, so that one caller reads for all
	loaded      signingSecrets
	loadedAt    time.Time
	refreshedAt time.Time
	loadErr     error // why the last read failed
	loadErrAt   time.Time
}

// uncheckable is the error for a signature that cannot be checked now. The
// sender did nothing wrong and is answered 503, never 401.
type uncheckable struct{ error }

func (e uncheckable) Unwrap() error { return e.error }

var errNoMatch = errors.New("the signature matches no signing secret")

// verify checks a delivery, and returns its id. The error is for the log and
// not for the sender, and quotes nothing that the sender wrote. What costs
// little is checked first: a stranger gets a signature computed, or the signing
// secret read, only for headers of the right form and time.
func (s *Signatures) verify(ctx context.Context, d delivery) (id string, err error) {
	if err := checkSignatureHeaders(d.header); err != nil {
		return "", err
	}
	known, err := s.secrets(ctx)
	if err != nil {
		return "", uncheckable{err}
	}
	if err = known.check(d); err != nil {
		if known, err = s.refresh(ctx, err); err == nil {
			err = known.check(d)
		}
	}
	if err != nil {
		return "", err
	}
	return d.header.Get(standardwebhooks.HeaderWebhookID), nil
}

var (
	// deliveryID has no dot, which would let its end pass for the timestamp.
	deliveryID  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)
	unixSeconds = regexp.MustCompile(`^[1-9][0-9]{0,11}$`)
	signatureV1 = regexp.MustCompile(`^v1,[A-Za-z0-9+/]{43}=$`) // 32 bytes in base64
)

// checkSignatureHeaders makes sure that each header of a signature was sent
// once, in a form that may verify, and not long ago.
func checkSignatureHeaders(header http.Header) error {
	for _, name := range []string{
		standardwebhooks.HeaderWebhookID, standardwebhooks.HeaderWebhookTimestamp, standardwebhooks.HeaderWebhookSignature,
	} {
		if len(header.Values(name)) != 1 {
			return fmt.Errorf("the header %s must be sent exactly once", name)
		}
	}
	if !deliveryID.MatchString(header.Get(standardwebhooks.HeaderWebhookID)) {
		return fmt.Errorf("the header %s is not an id: 1 to 256 letters, digits, - and _", standardwebhooks.HeaderWebhookID)
	}
	if err := checkTimestamp(header.Get(standardwebhooks.HeaderWebhookTimestamp)); err != nil {
		return err
	}
	return checkSignatureList(header.Get(standardwebhooks.HeaderWebhookSignature))
}

func checkTimestamp(timestamp string) error {
	if !unixSeconds.MatchString(timestamp) {
		return fmt.Errorf("the header %s is not a time in seconds", standardwebhooks.HeaderWebhookTimestamp)
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	switch sentAt := time.Unix(seconds, 0); {
	case err != nil || time.Since(sentAt) > clockTolerance:
		return standardwebhooks.ErrMessageTooOld
	case time.Until(sentAt) > clockTolerance:
		return standardwebhooks.ErrMessageTooNew
	}
	return nil
}

// checkSignatureList wants a signature of the scheme that we know. A sender may
// add others, of schemes that we do not.
func checkSignatureList(list string) error {
	if len(list) > maxSignatureList {
		return fmt.Errorf("the header %s is longer than %d characters", standardwebhooks.HeaderWebhookSignature, maxSignatureList)
	}
	signatures := strings.Split(list, " ")
	switch {
	case len(signatures) > maxSignatures:
		return fmt.Errorf("there are more than %d signatures", maxSignatures)
	case slices.ContainsFunc(signatures, func(s string) bool { return strings.Count(s, ",") > 1 }):
		// A gateway may join the headers of one name with a comma.
		return fmt.Errorf("the header %s must be sent exactly once", standardwebhooks.HeaderWebhookSignature)
	case !slices.ContainsFunc(signatures, signatureV1.MatchString):
		return fmt.Errorf("the header %s holds no signature of the scheme v1", standardwebhooks.HeaderWebhookSignature)
	}
	return nil
}
