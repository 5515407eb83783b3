package awssim

import (
	"regexp"
	"strings"
)

const (
	parameterARNs       = "arn:aws:ssm:" + Region + ":" + Account + ":parameter/"
	maxParameterLevels  = 15
	maxParameterNameARN = 1011 // the characters of a name and of the ARN before it
)

// The rules for names are on https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html.
// That page does not mention an empty level, as in "/a//b". The simulator refuses it, because AWS's error message says that
// a name consists of levels of letters, digits and three symbols. A program that makes such names fails here already.
var (
	parameterName = regexp.MustCompile(`^(?:/?[A-Za-z0-9_.-]+|(?:/[A-Za-z0-9_.-]+){2,})$`)
	parameterPath = regexp.MustCompile(`^(?:/|(?:/[A-Za-z0-9_.-]+)+/?)$`)
	reservedName  = regexp.MustCompile(`^/?(?i:aws|ssm)`)
)

// checkName refuses a name that no parameter can have.
func checkName(name string) error {
	if !parameterName.MatchString(name) {
		return refuse("ValidationException",
			"a parameter's name is a word, or words that each follow a /, of letters, digits and the symbols ._-: %q", name)
	}
	return nil
}

// checkNewName refuses a name that no new parameter can have.
func checkNewName(name string) error {
	switch {
	case reservedName.MatchString(name):
		return refuse("ValidationException", "a parameter's name cannot begin with aws or ssm: %q", name)
	case len(parameterARNs)+len(keyOf(name)) > maxParameterNameARN:
		return refuse("ValidationException", "a parameter's ARN has at most %d characters", maxParameterNameARN)
	case strings.Count(name, "/") > maxParameterLevels:
		return refuse("HierarchyLevelLimitExceededException", "a parameter's name has at most %d levels", maxParameterLevels)
	}
	return checkName(name)
}

// canonical returns a name as AWS stores it: /word becomes word.
func canonical(name string) string {
	if strings.Count(name, "/") == 1 {
		return keyOf(name)
	}
	return name
}

// keyOf returns a name as it is in an ARN. It is the same for word and /word, which are one parameter at AWS.
func keyOf(name string) string { return strings.TrimPrefix(name, "/") }
