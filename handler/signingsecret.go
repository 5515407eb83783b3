package handler

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"credential-relay/relay"
)

const (
	secretsKeptFor    = time.Minute
	loadRetriedAfter  = time.Second // bounds the calls while AWS fails
	previousCountsFor = 24 * time.Hour
	shortestSecret    = 24 // bytes
	maxSecrets        = 10 // in one version
)

// signingSecrets are what both versions of the signing secret hold.
type signingSecrets struct {
	current, previous []verifier
	// previousUntil is when the previous version stops counting, so that a
	// leaked signing secret ends. AWS does not say when the label moved. We
	// count from the current version's CreatedDate, which is never later: it is
	// the same unless the version was staged first. Counting from the previous
	// version would end it at once, and a label that is moved back to an older
	// version ends the newer one at once, which is the safe side.
	// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
	previousUntil time.Time
	previousErr   error // why the previous version could not be read
}

// verifier checks a signature with one signing secret. A func shows nothing of
// it when printed.
type verifier func(body []byte, header http.Header) error

// check computes one signature for each signing secret, at most 20. Whether the
// time is right has been checked before.
func (s signingSecrets) check(d delivery) error {
	verifiers := s.current
	previousCounts := time.Now().Before(s.previousUntil)
	if previousCounts {
		verifiers = slices.Concat(s.current, s.previous)
	}
	for _, verify := range verifiers {
		if verify(d.body, d.header) == nil {
			return nil
		}
	}
	if previousCounts && s.previousErr != nil { // it may be signed with that one
		return uncheckable{s.previousErr}
	}
	return errNoMatch
}

// secrets returns the signing secrets, as they were at most a minute ago.
func (s *Signatures) secrets(ctx context.Context) (signingSecrets, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if now().Sub(s.loadedAt) < secretsKeptFor {
		return s.loaded, nil
	}
	return s.load(ctx)
}

// refresh reads the signing secrets again after a signature did not match,
// since they may have been rotated. It does so once a minute at most, so that
// wrong signatures cost few calls; before that it returns mismatch. A previous
// version that could not be read is worth another try every second.
func (s *Signatures) refresh(ctx context.Context, mismatch error) (signingSecrets, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	wait := secretsKeptFor
	if s.loaded.previousErr != nil {
		wait = loadRetriedAfter
	}
	if now().Sub(s.refreshedAt) < wait {
		return signingSecrets{}, mismatch
	}
	found, err := s.load(ctx)
	if err != nil {
		return signingSecrets{}, uncheckable{err}
	}
	s.refreshedAt = now()
	return found, nil
}

// load reads the signing secrets. A failure is an answer for a second only: the
// next delivery after that tries again.
func (s *Signatures) load(ctx context.Context) (signingSecrets, error) {
	if s.loadErr != nil && now().Sub(s.loadErrAt) < loadRetriedAfter {
		return signingSecrets{}, s.loadErr
	}
	found, err := s.read(ctx)
	s.loadErr, s.loadErrAt = err, now()
	if err == nil {
		s.loaded, s.loadedAt = found, now()
	}
	return found, err
}

// now is without the monotonic clock, which may stand still while Lambda keeps
// the instance frozen between invocations.
func now() time.Time { return time.Now().Round(0) }

func (s *Signatures) read(ctx context.Context) (found signingSecrets, err error) {
	current, createdAt, err := s.readVersion(ctx, relay.LabelCurrent)
	if err != nil {
		return signingSecrets{}, err
	}
	found = signingSecrets{current: current, previousUntil: createdAt.Add(previousCountsFor)}
	if now().Before(found.previousUntil) {
		found.previous, found.previousErr = s.readPrevious(ctx)
	}
	return found, nil
}

// readPrevious reads the previous version, which need not be there. One that
// does not parse is ignored, so that fixing a bad secret takes effect at once.
func (s *Signatures) readPrevious(ctx context.Context) ([]verifier, error) {
	previous, _, err := s.readVersion(ctx, "AWSPREVIOUS")
	missing, unusable := (*types.ResourceNotFoundException)(nil), (*unusableSecret)(nil)
	if errors.As(err, &missing) || errors.As(err, &unusable) {
		return nil, nil
	}
	return previous, err
}

// readVersion reads the version with a staging label, and when it was created.
func (s *Signatures) readVersion(ctx context.Context, label string) (_ []verifier, createdAt time.Time, err error) {
	answer, err := s.SecretsManager.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{
		SecretId: aws.String(s.ARN), VersionStage: aws.String(label),
	})
	var verifiers []verifier
	if err == nil {
		verifiers, err = verifiersOf(aws.ToString(answer.SecretString))
		createdAt = aws.ToTime(answer.CreatedDate)
	}
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("WEBHOOK_SECRET_ARN, %s: %w", label, err)
	}
	return verifiers, createdAt, nil
}

// unusableSecret is the error for a version that was read and cannot be used.
type unusableSecret struct{ reason string }

func (e *unusableSecret) Error() string { return e.reason }

// verifiersOf parses a version of the signing secret: several secrets, with
// white space between them.
func verifiersOf(version string) ([]verifier, error) {
	secrets := strings.Fields(version)
	switch {
	case len(secrets) == 0:
		return nil, &unusableSecret{"there is no signing secret in it"}
	case len(secrets) > maxSecrets:
		return nil, &unusableSecret{fmt.Sprintf("there are more than %d signing secrets in it", maxSecrets)}
	}
	var verifiers []verifier
	for _, secret := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil || len(key) < shortestSecret { // the library would take an empty one
			return nil, &unusableSecret{fmt.Sprintf("a signing secret must be whsec_ and at least %d random bytes in base64", shortestSecret)}
		}
		webhook, err := standardwebhooks.NewWebhookRaw(key)
		if err != nil {
			return nil, &unusableSecret{"the signing secret cannot be used"}
		}
		verifiers = append(verifiers, webhook.VerifyIgnoringTimestamp)
	}
	return verifiers, nil
}
