package relay

import (
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

// Kind says which AWS service holds a source.
type Kind string

// The kinds of source.
const (
	KindSecret    Kind = "secret"    // in Secrets Manager
	KindParameter Kind = "parameter" // in SSM Parameter Store
)

// Source is a secret or a parameter: the one that a binding reads, or the one
// that an event or a person names.
type Source struct {
	Kind Kind
	// Name is the plain name. A parameter's name of several levels begins with a
	// slash.
	Name string
	// ARN is a secret's ARN; empty when the secret is known by its name.
	ARN string
	// Account and Region say where the source is; empty for our own.
	Account, Region string
	// partial is set when a person gave the ARN and may have left out its random
	// suffix.
	partial bool
}

// SecretAt returns the secret with this full ARN, as AWS's own events give it.
// It reports false for anything else than the full ARN of a secret.
func SecretAt(fullARN string) (source Source, ok bool) {
	name, ok := secretNameIn(fullARN)
	if !ok || !hasRandomSuffix(name) {
		return Source{}, false
	}
	return secretIn(fullARN, name), true
}

// SecretNamed returns the secret that a person means by this id: a name in our
// own account and region, an ARN, or an ARN without its random suffix. Like
// Secrets Manager, it reads six characters behind a hyphen as that suffix.
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
func SecretNamed(id string) Source {
	name, ok := secretNameIn(id)
	if !ok {
		return Source{Kind: KindSecret, Name: id}
	}
	source := secretIn(id, name)
	source.partial = true
	return source
}

func secretIn(id, nameInARN string) Source {
	parsed, _ := arn.Parse(id)
	return Source{
		Kind: KindSecret, Name: randomSuffix.ReplaceAllString(nameInARN, ""), ARN: id,
		Account: parsed.AccountID, Region: parsed.Region,
	}
}

// ParameterNamed returns the parameter that a person means by this id: a name or
// an ARN. A name of several levels begins with a slash in Parameter Store, and
// may be given here without it.
// https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html
func ParameterNamed(id string) Source {
	source := Source{Kind: KindParameter, Name: id}
	if parsed, err := arn.Parse(id); err == nil && parsed.Service == "ssm" {
		if name, ok := strings.CutPrefix(parsed.Resource, "parameter/"); ok {
			source = Source{Kind: KindParameter, Name: name, Account: parsed.AccountID, Region: parsed.Region}
		}
	}
	if strings.Contains(source.Name, "/") && !strings.HasPrefix(source.Name, "/") {
		source.Name = "/" + source.Name
	}
	return source
}

// In returns the source with the account and region of the event that names it.
// An ARN has its own.
func (s Source) In(account, region string) Source {
	if s.ARN == "" {
		s.Account, s.Region = account, region
	}
	return s
}

// id returns what AWS is asked for: the ARN, or the name.
func (s Source) id() string {
	if s.ARN != "" {
		return s.ARN
	}
	return s.Name
}

// bindingName returns the name that a binding of the source has in its
// parameter's name.
func (s Source) bindingName() string {
	if s.Kind == KindParameter {
		return strings.TrimPrefix(s.Name, "/")
	}
	return s.Name
}

// randomSuffix is what Secrets Manager puts behind a secret's name in its ARN.
var randomSuffix = regexp.MustCompile(`-[A-Za-z0-9]{6}$`)

// maxSecretName is the longest name of a secret, in characters.
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
const maxSecretName = 512

// hasRandomSuffix reports whether a name in an ARN has the random suffix.
func hasRandomSuffix(nameInARN string) bool {
	name := randomSuffix.ReplaceAllString(nameInARN, "")
	return name != nameInARN && name != "" && len(name) <= maxSecretName
}

// secretNameIn returns the name in a secret's ARN, with the random suffix if the
// ARN has it. The region becomes a part of the address that AWS is called at, so
// nothing else may stand there.
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
func secretNameIn(id string) (name string, ok bool) {
	parsed, err := arn.Parse(id)
	if err != nil || parsed.Service != "secretsmanager" {
		return "", false
	}
	name, ok = strings.CutPrefix(parsed.Resource, "secret:")
	fits := onlyOf(parsed.Partition, "-") && onlyOf(parsed.Region, "-") && len(parsed.AccountID) == 12 && onlyOf(parsed.AccountID, "") &&
		onlyOf(name, "/_+=.@!-")
	return name, ok && fits
}

// onlyOf reports whether a text has letters, digits and these symbols only.
func onlyOf(text, symbols string) bool {
	for _, r := range text {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		if !letter && !strings.ContainsRune(symbols, r) {
			return false
		}
	}
	return true
}
