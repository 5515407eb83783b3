package relay

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	secrettypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// withoutCredential sees to a config's flag where no credential came to be
// stored: to turn a sync off must always work, and a binding that follows its
// source turns it off when that is deleted.
func (e *Engine) withoutCredential(ctx context.Context, b Binding, o Result) Result {
	switch {
	case o.Error == nil, o.Error.Stage == AtBinding, o.Error.Stage == AtConfig: // not known to be the binding's config
		return o
	case o.Error.Stage == AtPatch && o.Outcome == Failed: // another PATCH would fail as well
		return o
	case b.Enabled == Off && (o.Enabled == nil || *o.Enabled):
		return e.switchOff(ctx, b, o)
	case b.Enabled == Follow && o.Error.Stage == AtSource && e.Sources.deleted(ctx, b.source(), o.Error.cause):
		o.Outcome, o.Error = Updated, nil
		return e.switchOff(ctx, b, o)
	default:
		return o
	}
}

// switchOff sends the flag alone.
func (e *Engine) switchOff(ctx context.Context, b Binding, o Result) Result {
	o, err := e.patch(ctx, b, o, nil, aws.Bool(false))
	if err != nil {
		return o.failed(AtPatch, err)
	}
	return o
}

// deleted reports whether a source that could not be read is gone, or marked to
// be. Secrets Manager's errors alone do not tell: they are the same for a
// secret that has yet to get its first version.
func (s Sources) deleted(ctx context.Context, source Source, cause error) bool {
	if notFound := (*ssmtypes.ParameterNotFound)(nil); errors.As(cause, &notFound) {
		return true
	}
	var missing *secrettypes.ResourceNotFoundException
	var unfit *secrettypes.InvalidRequestException
	if !errors.As(cause, &missing) && !errors.As(cause, &unfit) {
		return false
	}
	found, err := s.describe(ctx, source)
	return errors.As(err, &missing) || err == nil && found.DeletedDate != nil
}

// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DescribeSecret.html
func (s Sources) describe(ctx context.Context, source Source) (*secretsmanager.DescribeSecretOutput, error) {
	return s.SecretsManager.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String(source.id())}, inRegionOf(source))
}
