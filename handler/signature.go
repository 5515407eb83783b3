package handler

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"credential-relay/relay"
)

const (
	secretsRereadAtMostEvery = time.Minute
	secretsRetriedAfter      = 10 * time.Second // when they could not be read
	shortestSecret           = 24               // bytes
	maxSignatures            = 10
)

// Signatures checks deliveries that are signed as Standard Webhooks has it. The
// signing secret's current and previous versions both count, so that it can be
// rotated. See https://www.standardwebhooks.com.
type Signatures struct {
	SecretsManager *secretsmanager.Client
	ARN            string // of the signing secret

	lock      sync.Mutex
	verifiers []verifier
	readAt    time.Time
	rereadAt  time.Time
	unread    error // why they could not be read at triedAt
	triedAt   time.Time
}

// verifier checks a signature with one signing secret. A func shows nothing of
// it when printed.
type verifier func(body []byte, header http.Header) error

var errNoMatch = errors.New("the signature matches no signing secret")

// verify checks a delivery, and gives its id. What is wrong with it is for the
// log, not for the sender.
func (s *Signatures) verify(ctx context.Context, d delivery) (id string, err error) {
	if id, err = idOf(d.header); err != nil {
		return "", err
	}
	verifiers, err := s.read(ctx, &s.readAt)
	if err == nil {
		if err = matched(verifiers, d); errors.Is(err, errNoMatch) {
			if verifiers, err = s.read(ctx, &s.rereadAt); err == nil { // it may have been rotated
				err = matched(verifiers, d)
			}
		}
	}
	return id, err
}

var deliveryID = regexp.MustCompile(`^[A-Za-z0-9_\-]{1,256}$`)

// idOf makes sure that each header of the signature is there once and bounded.
// An id must not hold a dot, which would let its end pass for the timestamp.
func idOf(header http.Header) (string, error) {
	for _, name := range []string{
		standardwebhooks.HeaderWebhookID, standardwebhooks.HeaderWebhookTimestamp, standardwebhooks.HeaderWebhookSignature,
	} {
		if len(header.Values(name)) != 1 {
			return "", fmt.Errorf("the header %s must be there, and once", name)
		}
	}
	id := header.Get(standardwebhooks.HeaderWebhookID)
	if !deliveryID.MatchString(id) {
		return "", fmt.Errorf("the header %s is not an id", standardwebhooks.HeaderWebhookID)
	}
	signatures := strings.Split(header.Get(standardwebhooks.HeaderWebhookSignature), " ")
	if len(signatures) > maxSignatures {
		return "", fmt.Errorf("there are more than %d signatures", maxSignatures)
	}
	// A gateway may join the headers of one name with a comma.
	if slices.ContainsFunc(signatures, func(s string) bool { return strings.Count(s, ",") > 1 }) {
		return "", fmt.Errorf("the header %s must be there, and once", standardwebhooks.HeaderWebhookSignature)
	}
	return id, nil
}

func matched(verifiers []verifier, d delivery) error {
	for _, verify := range verifiers {
		if err := verify(d.body, d.header); !errors.Is(err, standardwebhooks.ErrNoMatchingSignature) {
			return err
		}
	}
	return errNoMatch
}

// read gives the signing secrets, and reads them when the last reading for the
// same reason, whose time is at, is old enough: neither time nor a stranger's
// wrong signatures make us read them more often than that.
func (s *Signatures) read(ctx context.Context, at *time.Time) ([]verifier, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.unread != nil && time.Since(s.triedAt) < secretsRetriedAfter {
		return nil, s.unread
	}
	if len(s.verifiers) > 0 && time.Since(*at) < secretsRereadAtMostEvery {
		return s.verifiers, nil
	}
	s.triedAt = time.Now()
	var verifiers []verifier
	for _, label := range []string{relay.LabelCurrent, "AWSPREVIOUS"} {
		found, err := s.readVersion(ctx, label)
		if err != nil {
			s.unread = fmt.Errorf("WEBHOOK_SECRET_ARN, %s: %w", label, err)
			return nil, s.unread
		}
		verifiers = append(verifiers, found...)
	}
	s.verifiers, s.unread, *at = verifiers, nil, time.Now()
	return verifiers, nil
}

// readVersion reads one version of the signing secret, which may be several
// secrets with white space between them. There need not be a previous version,
// and one that is unfit, which must not outlive its being put right, is none.
func (s *Signatures) readVersion(ctx context.Context, label string) ([]verifier, error) {
	answer, err := s.SecretsManager.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{
		SecretId: aws.String(s.ARN), VersionStage: aws.String(label),
	})
	if missing := (*types.ResourceNotFoundException)(nil); label != relay.LabelCurrent && errors.As(err, &missing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	verifiers, err := verifiersOf(aws.ToString(answer.SecretString))
	if err != nil && label != relay.LabelCurrent {
		return nil, nil
	}
	return verifiers, err
}

func verifiersOf(signingSecrets string) ([]verifier, error) {
	var verifiers []verifier
	for _, secret := range strings.Fields(signingSecrets) {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil || len(key) < shortestSecret { // the library would take an empty one
			return nil, fmt.Errorf("a signing secret must be whsec_ and at least %d random bytes in base64", shortestSecret)
		}
		webhook, err := standardwebhooks.NewWebhookRaw(key)
		if err != nil {
			return nil, err
		}
		verifiers = append(verifiers, webhook.Verify)
	}
	if len(verifiers) == 0 {
		return nil, errors.New("there is no signing secret in it")
	}
	return verifiers, nil
}
