package relay

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"

	"credential-relay/datadog"
)

// LabelCurrent is the staging label of the version that a relay reads.
const LabelCurrent = "AWSCURRENT"

// Credential is one version of a source. What it holds can be had in one way
// only: as the Datadog secrets that fields picks from it. A func shows nothing
// of it when printed or logged, and cannot be marshalled.
type Credential struct {
	Source    Source // with the full ARN, of a secret
	VersionID string
	Select    func(fields []Field) (datadog.Secrets, error)
}

// Sources reads secrets and parameters. Nothing that it reads is kept: a cache
// between a rotation and its reader is what this program is there to end.
type Sources struct {
	SecretsManager *secretsmanager.Client
	ParameterStore *ssm.Client
}

// read fetches the version of a source that is current now.
func (s Sources) read(ctx context.Context, source Source) (Credential, error) {
	if source.Kind == KindParameter {
		return s.readParameter(ctx, source)
	}
	return s.readSecret(ctx, source, &secretsmanager.GetSecretValueInput{VersionStage: aws.String(LabelCurrent)})
}

// reader reads a source at each call.
func (s Sources) reader(source Source) reader {
	return func(ctx context.Context) (Credential, error) {
		defer timed(ctx, AtSource)()
		return s.read(ctx, source)
	}
}

// readOnce gives each source a reader that reads it at the first call, and for
// all of its bindings.
func (s Sources) readOnce(ctx context.Context) func(Source) reader {
	var lock sync.Mutex
	readers := map[Source]reader{}
	return func(source Source) reader {
		lock.Lock()
		defer lock.Unlock()
		if readers[source] == nil {
			once := sync.OnceValues(func() (Credential, error) { return s.read(ctx, source) })
			readers[source] = func(ctx context.Context) (Credential, error) {
				defer timed(ctx, AtSource)()
				return once()
			}
		}
		return readers[source]
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
	read := secretIn(aws.ToString(answer.ARN), aws.ToString(answer.Name))
	read.Name = aws.ToString(answer.Name)
	return newCredential(read, aws.ToString(answer.VersionId), value)
}

// id is what Secrets Manager is asked for.
func (s Source) id() string {
	if s.ARN != "" {
		return s.ARN
	}
	return s.Name
}

// inRegionOf sends a call to the region of an ARN, since Secrets Manager
// answers for its own region only.
func inRegionOf(source Source) func(*secretsmanager.Options) {
	return func(options *secretsmanager.Options) {
		if source.ARN != "" {
			options.Region = source.Region
		}
	}
}

var errNoParameter = errors.New("the answer holds no parameter")

// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html
func (s Sources) readParameter(ctx context.Context, source Source) (Credential, error) {
	answer, err := s.ParameterStore.GetParameter(ctx, &ssm.GetParameterInput{
		Name: aws.String(source.Name), WithDecryption: aws.Bool(true),
	})
	if err != nil {
		return Credential{}, err
	}
	if answer.Parameter == nil {
		return Credential{}, errNoParameter
	}
	if answer.Parameter.Type == types.ParameterTypeStringList {
		return Credential{}, errors.New("the parameter is a StringList; store the credential as a SecureString")
	}
	version := strconv.FormatInt(answer.Parameter.Version, 10)
	return newCredential(source, version, []byte(aws.ToString(answer.Parameter.Value)))
}

func newCredential(source Source, version string, value []byte) (Credential, error) {
	if version == "" {
		return Credential{}, errors.New("the answer names no version")
	}
	if !utf8.Valid(value) {
		return Credential{}, errors.New("the value is neither text nor JSON")
	}
	document := parse(value)
	return Credential{source, version, func(fields []Field) (datadog.Secrets, error) {
		return document.pick(fields)
	}}, nil
}

// Describe puts an error in words for an operator: of AWS's, the call and what
// AWS says of it, and nothing of how the SDK got there.
func Describe(err error) string {
	var call *smithy.OperationError
	var answer smithy.APIError
	if !errors.As(err, &call) || !errors.As(err, &answer) {
		return err.Error()
	}
	short := fmt.Sprintf("%s: %s: %s", call.OperationName, answer.ErrorCode(), answer.ErrorMessage())
	return strings.Replace(err.Error(), call.Error(), short, 1)
}
