package relay

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jmespath-community/go-jmespath/pkg/api"

	"credential-relay/datadog"
)

// keysRereadAtMostEvery bounds how often refused keys are read again: a missing
// permission is answered with the same 403 as a key that was rotated away.
const keysRereadAtMostEvery = 10 * time.Second

// keyFields find Datadog's keys under the names that are in use for them, the
// last two being those of Secrets Manager's managed Datadog secrets.
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/mes-partners.html
var keyFields = []Field{
	{Key: "api_key", form: text, optional: true, expression: api.MustCompile("api_key || DD_API_KEY || apiKey || adminApiKey")},
	{Key: "app_key", form: text, optional: true, expression: api.MustCompile("app_key || DD_APP_KEY || appKey || adminAppKey")},
	{Key: "token", form: text, optional: true, expression: api.MustCompile("token"), whole: plainText},
}

// DatadogKeys gives Datadog's own keys from the secret or parameter with this
// ARN. They are kept, and read again when Datadog refuses them.
func (s Sources) DatadogKeys(id string) datadog.KeySource {
	source := SecretNamed(id)
	if source.ARN == "" {
		source = Source{Kind: Parameter, Name: id}
	}
	var (
		lock     sync.Mutex
		kept     *datadog.Keys
		rereadAt time.Time
	)
	return func(ctx context.Context, refused *datadog.Keys) (*datadog.Keys, error) {
		lock.Lock()
		defer lock.Unlock()
		if kept != nil {
			if refused != kept || time.Since(rereadAt) < keysRereadAtMostEvery {
				return kept, nil
			}
			rereadAt = time.Now()
		}
		keys, err := s.readKeys(ctx, source)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
		if kept == nil || !keys.Equal(kept) {
			kept = keys
		}
		return kept, nil
	}
}

func (s Sources) readKeys(ctx context.Context, source Source) (*datadog.Keys, error) {
	credential, err := s.read(ctx, source)
	if err != nil {
		return nil, err
	}
	found, err := credential.Secrets(keyFields)
	if err != nil {
		return nil, err
	}
	keys := datadog.Keys{API: found["api_key"], Application: found["app_key"], Token: found["token"]}
	return &keys, keys.Check()
}
