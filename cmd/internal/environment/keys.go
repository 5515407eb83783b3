package environment

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"credential-relay/datadog"
	"credential-relay/relay"
)

// checkKeys makes sure that there is one way to authenticate, and only one.
func (e Environment) checkKeys() error {
	var ways []string
	for _, way := range []struct {
		name string
		set  bool
	}{
		{"DD_CREDENTIALS_ARN", e.CredentialsARN != ""},
		{"DD_ORG_UUID", e.OrgUUID != ""},
		{"DD_API_KEY with DD_APP_KEY", !e.APIKey.IsZero() || !e.AppKey.IsZero()},
		{"DD_BEARER_TOKEN", !e.BearerToken.IsZero()},
	} {
		if way.set {
			ways = append(ways, way.name)
		}
	}
	switch {
	case len(ways) > 1:
		return fmt.Errorf("%s: are set together; choose one way to authenticate", strings.Join(ways, ", "))
	case len(ways) == 0:
		return errors.New("DD_CREDENTIALS_ARN: is missing; set it to the ARN of the secret that holds Datadog's keys, or set DD_ORG_UUID to do without keys (or, for local use, DD_API_KEY and DD_APP_KEY, or DD_BEARER_TOKEN)")
	case e.CredentialsARN != "":
		return checkARNs(e.credentialsARNs())
	case e.OrgUUID != "":
		return checkUUID(e.OrgUUID)
	}
	if err := e.keys().Check(); err != nil {
		return fmt.Errorf("DD_API_KEY, DD_APP_KEY, DD_BEARER_TOKEN: %w", err)
	}
	return nil
}

// credentialsARNs is one ARN, or those of secrets that hold one key each. No ARN
// has a comma or a space in it.
func (e Environment) credentialsARNs() []string {
	ids := strings.Split(e.CredentialsARN, ",")
	for i := range ids {
		ids[i] = strings.TrimSpace(ids[i])
	}
	return ids
}

// checkARNs tells an element by its place: it may be a key by mistake.
func checkARNs(ids []string) error {
	for i, id := range ids {
		place := ""
		if len(ids) > 1 {
			place = fmt.Sprintf("element %d of its list ", i+1)
		}
		parsed, err := arn.Parse(id)
		if err != nil || parsed.Service != "secretsmanager" && parsed.Service != "ssm" {
			return fmt.Errorf("DD_CREDENTIALS_ARN: %smust be the ARN of a Secrets Manager secret or an SSM parameter", place)
		}
		if slices.Contains(ids[:i], id) {
			return fmt.Errorf("DD_CREDENTIALS_ARN: %sis there twice", place)
		}
	}
	return nil
}

var uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

func checkUUID(id string) error {
	if !uuid.MatchString(id) {
		return errors.New("DD_ORG_UUID: must be the UUID of a Datadog organization, such as 01234567-89ab-cdef-0123-456789abcdef")
	}
	return nil
}

func (e Environment) keys() *datadog.Keys {
	return &datadog.Keys{API: e.APIKey, Application: e.AppKey, Token: e.BearerToken}
}

// keySource is where the client's keys come from. The client itself exchanges
// proofs for tokens.
func (e Environment) keySource(sources relay.Sources, config aws.Config, client *datadog.Client) datadog.KeySource {
	switch {
	case e.CredentialsARN != "":
		return sources.DatadogKeys(e.credentialsARNs(), e.Site)
	case e.OrgUUID != "":
		federation := relay.Federation{OrgUUID: e.OrgUUID, Region: config.Region, Credentials: config.Credentials, Datadog: client}
		return federation.Keys()
	default:
		return datadog.Fixed(*e.keys())
	}
}
