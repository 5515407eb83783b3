package relay

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"credential-relay/datadog"
)

// keyFields find Datadog's keys under the names that are in use for them, the
// last two being those of Secrets Manager's managed Datadog secrets. Only the
// one for admins says what site its keys are for.
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/mes-partners.html
var keyFields = []Field{
	{Key: "api_key", form: text, optional: true, expression: mustCompile("api_key || DD_API_KEY || apiKey || adminApiKey")},
	{Key: "app_key", form: text, optional: true, expression: mustCompile("app_key || DD_APP_KEY || appKey || adminAppKey")},
	{Key: "token", form: text, optional: true, expression: mustCompile("token"), whole: plainText},
	{Key: "site", form: text, optional: true, expression: mustCompile("site")},
}

// DatadogKeys gives Datadog's own keys from the secrets or parameters with these
// ARNs, which together hold what is needed. They are kept, and read again when
// Datadog refuses them. A site, if it is not empty, is the one they shall be for.
func (s Sources) DatadogKeys(ids []string, site string) datadog.KeySource {
	return datadog.Cached(func(ctx context.Context) (*datadog.Keys, time.Time, error) {
		keys, err := s.readKeys(ctx, ids, site)
		return keys, time.Time{}, err
	})
}

func (s Sources) readKeys(ctx context.Context, ids []string, site string) (*datadog.Keys, error) {
	found := make([]datadog.Secrets, len(ids))
	reading, readingCtx := errgroup.WithContext(ctx)
	for i, id := range ids {
		reading.Go(func() (err error) {
			if found[i], err = s.keysIn(readingCtx, id); err != nil {
				return fmt.Errorf("%s: %w", id, err)
			}
			return nil
		})
	}
	if err := reading.Wait(); err != nil {
		return nil, err
	}
	all, err := merge(ids, found)
	if err != nil {
		return nil, err
	}
	keys := &datadog.Keys{API: all["api_key"], Application: all["app_key"], Token: all["token"]}
	if err = keys.Check(); err == nil {
		err = checkSite(all["site"], site)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(ids, ", "), err)
	}
	return keys, nil
}

func (s Sources) keysIn(ctx context.Context, id string) (datadog.Secrets, error) {
	source := SecretNamed(id)
	if source.ARN == "" {
		source = Source{Kind: KindParameter, Name: id}
	}
	credential, err := s.read(ctx, source)
	if err != nil {
		return nil, err
	}
	return credential.Select(keyFields)
}

// merge puts together what was found. Of two values for one key nobody can say
// which is meant.
func merge(ids []string, found []datadog.Secrets) (datadog.Secrets, error) {
	all, from := datadog.Secrets{}, map[string]string{}
	for i, id := range ids {
		for _, field := range keyFields {
			value, ok := found[i][field.Key]
			if !ok {
				continue
			}
			if earlier, twice := all[field.Key]; twice && !value.Equal(earlier) {
				return nil, fmt.Errorf("%s: is one thing in %s and another in %s; keep it in one of them", field.Key, from[field.Key], id)
			}
			all[field.Key], from[field.Key] = value, id
		}
	}
	return all, nil
}

// checkSite refuses keys that say they are for another site than the one that is
// called: it would answer each call that they are not valid, as if they had been
// rotated away. To call the site that they name instead would let whoever may
// write the secret choose where credentials are sent.
func checkSite(found datadog.Secret, site string) error {
	if found.IsZero() || site == "" || found.Equal(datadog.NewSecret(site)) {
		return nil
	}
	for _, known := range datadog.Sites {
		if found.Equal(datadog.NewSecret(known)) {
			return fmt.Errorf("site: the keys are for %s, and DD_SITE is %s: set DD_SITE to their site, or give keys of this one", known, site)
		}
	}
	return fmt.Errorf("site: the keys are for another site than DD_SITE, which is %s; what they name is none of Datadog's", site)
}
