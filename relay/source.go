package relay

import (
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

// Kind tells the two kinds of source apart.
type Kind string

// The kinds of source.
const (
	KindSecret    Kind = "secret"    // in Secrets Manager
	KindParameter Kind = "parameter" // in SSM Parameter Store
)

// Source is the secret or parameter that a binding reads.
type Source struct {
	Kind Kind
	Name string
	// ARN is a secret's; empty when the secret is known by its name, in our
	// own account and region.
	ARN string
	// Account and Region are where the source is; empty for our own.
	Account, Region string
	// typed is set when the ARN comes from a person, who may leave out its
	// random suffix.
	typed bool
}

// SecretAt is the secret with this full ARN, as AWS's own events give it.
func SecretAt(fullARN string) (source Source, ok bool) {
	name, ok := secretNameIn(fullARN)
	if !ok || !isFull(name) {
		return Source{}, false
	}
	return secretIn(fullARN, name), true
}

// SecretNamed is the secret that a person means by this id: a name in our own
// account and region, an ARN, or an ARN without its random suffix. Like Secrets
// Manager it takes what looks like that suffix for it.
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
func SecretNamed(id string) Source {
	name, ok := secretNameIn(id)
	if !ok {
		return Source{Kind: KindSecret, Name: id}
	}
	source := secretIn(id, name)
	source.typed = true
	return source
}

func secretIn(id, nameInARN string) Source {
	parsed, _ := arn.Parse(id)
	return Source{
		Kind: KindSecret, Name: randomSuffix.ReplaceAllString(nameInARN, ""), ARN: id,
		Account: parsed.AccountID, Region: parsed.Region,
	}
}

// In places a source that is known by its name in the account and region of
// the event that tells of it.
func (s Source) In(account, region string) Source {
	if s.ARN == "" {
		s.Account, s.Region = account, region
	}
	return s
}

// ParameterNamed is the parameter with this name. A name of several levels
// begins with a slash in Parameter Store, and may be given here without it.
// https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html
func ParameterNamed(name string) Source {
	if strings.Contains(name, "/") && !strings.HasPrefix(name, "/") {
		name = "/" + name
	}
	return Source{Kind: KindParameter, Name: name}
}

// randomSuffix is what Secrets Manager puts behind a secret's name in its ARN.
var randomSuffix = regexp.MustCompile(`-[A-Za-z0-9]{6}$`)

// maxSecretName bounds what strangers can have us log.
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
const maxSecretName = 512

// isFull reports whether a name in an ARN has the random suffix.
func isFull(nameInARN string) bool {
	name := randomSuffix.ReplaceAllString(nameInARN, "")
	return name != nameInARN && name != "" && len(name) <= maxSecretName
}

func secretNameIn(id string) (name string, ok bool) {
	parsed, err := arn.Parse(id)
	if err != nil || parsed.Service != "secretsmanager" {
		return "", false
	}
	return strings.CutPrefix(parsed.Resource, "secret:")
}

// boundAs is the name that a binding of the source goes by.
func (s Source) boundAs() string {
	if s.Kind == KindParameter {
		return strings.TrimPrefix(s.Name, "/")
	}
	return s.Name
}
