package awssim

import (
	"regexp"
	"strings"
)

const (
	parameterARNs       = "arn:aws:ssm:" + Region + ":" + Account + ":parameter/"
	maxParameterLevels  = 15
	maxParameterNameARN = 1011 // a name is counted with the ARN before it
)

// What names may be is on https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html.
// An empty level, as in "/a//b", is not spoken of there. It is refused here because AWS's own error message calls a
// name levels made of letters, digits and three symbols: a program that makes such names should find out here.
var (
	parameterName = regexp.MustCompile(`^(?:/?[A-Za-z0-9_.-]+|(?:/[A-Za-z0-9_.-]+){2,})$`)
	parameterPath = regexp.MustCompile(`^(?:/|(?:/[A-Za-z0-9_.-]+)+/?)$`)
	reservedName  = regexp.MustCompile(`^/?(?i:aws|ssm)`)
)

func checkName(name string) error {
	if !parameterName.MatchString(name) {
		return refuse("ValidationException",
			"a parameter's name is a word, or words that each follow a /, of letters, digits and the symbols ._-: %q", name)
	}
	return nil
}

func checkNewName(name string) error {
	switch {
	case reservedName.MatchString(name):
		return refuse("ValidationException", "a parameter's name cannot begin with aws or ssm: %q", name)
	case len(parameterARNs)+len(key(name)) > maxParameterNameARN:
		return refuse("ValidationException", "a parameter's ARN has at most %d characters", maxParameterNameARN)
	case strings.Count(name, "/") > maxParameterLevels:
		return refuse("HierarchyLevelLimitExceededException", "a parameter's name has at most %d levels", maxParameterLevels)
	}
	return checkName(name)
}

// canonical is a name as AWS keeps it: /word is word.
func canonical(name string) string {
	if strings.Count(name, "/") == 1 {
		return key(name)
	}
	return name
}

// key is what a name has in its ARN, the same for word and /word, which AWS takes for one parameter.
func key(name string) string { return strings.TrimPrefix(name, "/") }

// below reports whether the parameter of a key is under a path, at any depth or directly.
func below(path, key string, recursive bool) bool {
	rest, under := strings.CutPrefix("/"+key, strings.TrimSuffix(path, "/")+"/")
	return under && (recursive || !strings.Contains(rest, "/"))
}
