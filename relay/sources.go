package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	secrettypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"credential-relay/datadog"
)

// LabelCurrent is the staging label of the version that a relay reads.
const LabelCurrent = "AWSCURRENT"

// Credential is one version of a source. Its value can be read in one way only:
// as the Datadog secrets that Select picks from it. A func shows nothing of the
// value when it is printed or logged, and cannot be marshalled.
type Credential struct {
	VersionID string
	Select    func(fields []Field) (datadog.Secrets, error)
}

// Sources reads secrets and parameters. It keeps nothing that it reads: a cache
// between a rotation and its reader is the problem that this program solves.
type Sources struct {
	SecretsManager *secretsmanager.Client
	ParameterStore *ssm.Client
}

// read returns the version of a source that is current now.
func (s Sources) read(ctx context.Context, source Source) (Credential, error) {
	if source.Kind == KindParameter {
		return s.readParameter(ctx, source)
	}
	return s.readSecret(ctx, source, &secretsmanager.GetSecretValueInput{VersionStage: aws.String(LabelCurrent)})
}

// readVersion returns the version of a source that is current now. hint is the
// version that somebody else saw as current; empty for none. Right after a label
// has moved, a read by label may still return the version before. So when it
// returns another version than hint, DescribeSecret decides, and the version is
// read by its id.
func (s Sources) readVersion(ctx context.Context, source Source, hint string) (Credential, error) {
	credential, err := s.read(ctx, source)
	if err != nil || source.Kind == KindParameter || hint == "" || hint == credential.VersionID {
		return credential, err
	}
	now, err := s.describe(ctx, source)
	if err != nil || now.id == "" || now.id == credential.VersionID {
		// Without DescribeSecret the read itself is all there is to go by.
		return credential, nil //nolint:nilerr // see above
	}
	return s.readSecret(ctx, source, &secretsmanager.GetSecretValueInput{VersionId: aws.String(now.id)})
}

// credentialReader returns a version of the source.
type credentialReader func(context.Context) (Credential, error)

// readOnce returns, for each source and hint, a reader that reads it at the first
// call and for all of its bindings.
func (s Sources) readOnce(ctx context.Context) func(source Source, hint string) credentialReader {
	type key struct {
		source Source
		hint   string
	}
	var lock sync.Mutex
	readers := map[key]credentialReader{}
	return func(source Source, hint string) credentialReader {
		lock.Lock()
		defer lock.Unlock()
		k := key{source, hint}
		if readers[k] == nil {
			once := sync.OnceValues(func() (Credential, error) { return s.readVersion(ctx, source, hint) })
			readers[k] = func(ctx context.Context) (Credential, error) {
				defer timed(ctx, AtSource)()
				return once()
			}
		}
		return readers[k]
	}
}

// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
func (s Sources) readSecret(ctx context.Context, source Source, which *secretsmanager.GetSecretValueInput) (Credential, error) {
	which.SecretId = aws.String(source.id())
	answer, err := s.SecretsManager.GetSecretValue(ctx, which, inRegionOf(source))
	if err != nil {
		return Credential{}, err
	}
	value := answer.SecretBinary // a secret has one or the other
	if answer.SecretString != nil {
		value = []byte(*answer.SecretString)
	}
	return newCredential(aws.ToString(answer.VersionId), value)
}

// inRegionOf sends a call to the region of an ARN, since Secrets Manager answers
// only for its own region.
func inRegionOf(source Source) func(*secretsmanager.Options) {
	return func(options *secretsmanager.Options) {
		if source.ARN != "" {
			options.Region = source.Region
		}
	}
}

var errNoParameter = errors.New("GetParameter: the answer has no parameter")

// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html
func (s Sources) readParameter(ctx context.Context, source Source) (Credential, error) {
	parameter, err := s.getParameter(ctx, source, true)
	if err != nil {
		return Credential{}, err
	}
	if parameter.Type == types.ParameterTypeStringList {
		return Credential{}, errors.New("the parameter is a StringList; store the credential as a SecureString")
	}
	return newCredential(versionOf(parameter), []byte(aws.ToString(parameter.Value)))
}

func (s Sources) getParameter(ctx context.Context, source Source, decrypt bool) (*types.Parameter, error) {
	answer, err := s.ParameterStore.GetParameter(ctx, &ssm.GetParameterInput{
		Name: aws.String(source.Name), WithDecryption: aws.Bool(decrypt),
	})
	switch {
	case err != nil:
		return nil, err
	case answer.Parameter == nil:
		return nil, errNoParameter
	}
	return answer.Parameter, nil
}

// versionOf returns the version id of a parameter: its number together with its
// date, since a parameter that was deleted and made again starts at 1.
func versionOf(parameter *types.Parameter) string {
	return fmt.Sprintf("%d@%s", parameter.Version, aws.ToTime(parameter.LastModifiedDate).UTC().Format("2006-01-02T15:04:05.000Z"))
}

func newCredential(version string, value []byte) (Credential, error) {
	if version == "" {
		return Credential{}, errors.New("AWS's answer names no version")
	}
	if !utf8.Valid(value) {
		return Credential{}, errors.New("the value is neither text nor JSON")
	}
	document := parse(value)
	return Credential{version, func(fields []Field) (datadog.Secrets, error) { return document.pick(fields) }}, nil
}

// current is what AWS says of a source's current version, without its value.
type current struct {
	id        string    // of the version
	changedAt time.Time // when the source changed last
	deleted   bool      // the source is marked for deletion
}

// look returns what AWS says of a source, without reading its value.
func (s Sources) look(ctx context.Context, source Source) (current, error) {
	defer timed(ctx, AtSource)()
	if source.Kind == KindSecret {
		return s.describe(ctx, source)
	}
	// Without decryption the answer holds a SecureString's value encrypted.
	parameter, err := s.getParameter(ctx, source, false)
	if err != nil {
		return current{}, err
	}
	return current{id: versionOf(parameter), changedAt: aws.ToTime(parameter.LastModifiedDate)}, nil
}

var errNoVersion = errors.New("the secret has no version labelled " + LabelCurrent + "; put a value into it")

// describe asks Secrets Manager about a secret.
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DescribeSecret.html
func (s Sources) describe(ctx context.Context, source Source) (current, error) {
	found, err := s.describeSecret(ctx, source)
	if err != nil {
		return current{}, err
	}
	now := current{id: versionLabelled(found, LabelCurrent), changedAt: aws.ToTime(found.LastChangedDate), deleted: found.DeletedDate != nil}
	if now.id == "" && !now.deleted {
		return current{}, errNoVersion
	}
	return now, nil
}

func (s Sources) describeSecret(ctx context.Context, source Source) (*secretsmanager.DescribeSecretOutput, error) {
	return s.SecretsManager.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String(source.id())}, inRegionOf(source))
}

// versionLabelled returns the version that has a staging label; empty when none
// has.
func versionLabelled(secret *secretsmanager.DescribeSecretOutput, label string) string {
	for version, labels := range secret.VersionIdsToStages {
		if slices.Contains(labels, label) {
			return version
		}
	}
	return ""
}

// isDeletion reports whether an error of a read may mean that the source is
// deleted. Secrets Manager gives the same errors for a secret that has yet to
// get its first version.
func isDeletion(err error) bool {
	var marked *secrettypes.InvalidRequestException
	return isNotFound(err) || errors.As(err, &marked)
}

// isNotFound reports whether AWS says that there is no such secret or parameter.
func isNotFound(err error) bool {
	var secret *secrettypes.ResourceNotFoundException
	var parameter *types.ParameterNotFound
	return errors.As(err, &secret) || errors.As(err, &parameter)
}
