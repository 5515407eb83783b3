package awssim

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

const (
	maxParameterValue   = 4096 // bytes, in the standard tier; the simulator has no other tier
	maxParametersInCall = 10
)

// parameter is one version of a parameter. Its value is not encrypted.
type parameter = types.Parameter

func (s *Simulator) putParameter(in *ssm.PutParameterInput) (*ssm.PutParameterOutput, error) {
	name := canonical(aws.ToString(in.Name))
	if err := checkNewName(name); err != nil {
		return nil, err
	}
	if size := len(aws.ToString(in.Value)); size == 0 || size > maxParameterValue {
		return nil, refuse("ValidationException", "a standard parameter's value has 1 to %d bytes", maxParameterValue)
	}
	latest := s.parameters.latest(keyOf(name))
	switch exists := latest.Version > 0; {
	case exists && !aws.ToBool(in.Overwrite):
		return nil, refuse("ParameterAlreadyExists", "parameter %s exists and Overwrite is not set", name)
	case !exists && s.parameterQuota > 0 && len(s.parameters.keys) >= s.parameterQuota:
		return nil, refuse("ParameterLimitExceeded", "the account has %d parameters, which is its quota", s.parameterQuota)
	}
	parameterType := cmp.Or(in.Type, latest.Type)
	if !slices.Contains(parameterType.Values(), parameterType) {
		return nil, refuse("ValidationException", "a new parameter's type is one of %v", parameterType.Values())
	}
	s.parameters.put(keyOf(name), parameter{
		ARN: new(parameterARNs + keyOf(name)), Name: &name, Type: parameterType, Value: in.Value, Version: latest.Version + 1,
		DataType: new(cmp.Or(aws.ToString(in.DataType), "text")), LastModifiedDate: new(time.Now()),
	})
	return &ssm.PutParameterOutput{Version: latest.Version + 1, Tier: types.ParameterTierStandard}, nil
}

func (s *Simulator) getParameter(in *ssm.GetParameterInput) (*ssm.GetParameterOutput, error) {
	found, err := s.readParameter(aws.ToString(in.Name), in.WithDecryption)
	if err != nil {
		return nil, err
	}
	return &ssm.GetParameterOutput{Parameter: &found}, nil
}

func (s *Simulator) getParameters(in *ssm.GetParametersInput) (*ssm.GetParametersOutput, error) {
	if len(in.Names) == 0 || len(in.Names) > maxParametersInCall {
		return nil, refuse("ValidationException", "Names has 1 to %d members", maxParametersInCall)
	}
	out := &ssm.GetParametersOutput{Parameters: []parameter{}, InvalidParameters: []string{}}
	for i, name := range in.Names {
		if slices.Contains(in.Names[:i], name) {
			return nil, refuse("ValidationException", "Names has %s twice", name)
		}
		if found, err := s.readParameter(name, in.WithDecryption); err == nil {
			out.Parameters = append(out.Parameters, found)
		} else {
			out.InvalidParameters = append(out.InvalidParameters, name)
		}
	}
	slices.SortFunc(out.Parameters, func(a, b parameter) int { return cmp.Compare(*a.Name, *b.Name) })
	return out, nil
}

func (s *Simulator) getParametersByPath(in *ssm.GetParametersByPathInput) (*ssm.GetParametersByPathOutput, error) {
	path, size := aws.ToString(in.Path), maxParametersInCall
	if in.MaxResults != nil {
		size = int(*in.MaxResults)
	}
	last, ok := decodeToken(in.NextToken)
	switch {
	case !parameterPath.MatchString(path):
		return nil, refuse("ValidationException", "a path begins with / and consists of the levels of parameter names: %q", path)
	case size < 1 || size > maxParametersInCall:
		return nil, refuse("ValidationException", "MaxResults is from 1 to %d", maxParametersInCall)
	case len(in.ParameterFilters) > 0:
		return nil, refuse("ValidationException", "the simulator has no ParameterFilters")
	case !ok:
		return nil, refuse("InvalidNextToken", "no earlier answer had this NextToken")
	}
	out := &ssm.GetParametersByPathOutput{Parameters: []parameter{}}
	for key := range s.parameters.below(path, aws.ToBool(in.Recursive), last) {
		if len(out.Parameters) == size {
			out.NextToken = encodeToken(last)
			break
		}
		out.Parameters = append(out.Parameters, withDecryption(s.parameters.latest(key), in.WithDecryption))
		last = key
	}
	return out, nil
}

func (s *Simulator) deleteParameter(in *ssm.DeleteParameterInput) (*ssm.DeleteParameterOutput, error) {
	name := aws.ToString(in.Name)
	if err := checkName(name); err != nil {
		return nil, err
	}
	if s.parameters.latest(keyOf(name)).Version == 0 {
		return nil, refuse("ParameterNotFound", "there is no parameter %s", name)
	}
	s.parameters.remove(keyOf(name))
	return &ssm.DeleteParameterOutput{}, nil
}

// readParameter returns the parameter with a name or an ARN: its latest version, or the version whose number follows a
// colon.
func (s *Simulator) readParameter(reference string, decrypt *bool) (parameter, error) {
	if name, is := strings.CutPrefix(reference, parameterARNs); is {
		reference = "/" + name
	}
	if _, is := strings.CutPrefix(reference, secretReference); is {
		return s.readSecretReference(reference, decrypt)
	}
	name, selector, selected := strings.Cut(reference, ":")
	if err := checkName(name); err != nil {
		return parameter{}, err
	}
	found := s.parameters.latest(keyOf(name))
	if found.Version == 0 {
		return parameter{}, refuse("ParameterNotFound", "there is no parameter %s", name)
	}
	if selected {
		number, _ := strconv.ParseInt(selector, 10, 64) // a label selects nothing, because no operation here sets one
		var exists bool
		if found, exists = s.parameters.version(keyOf(name), number); !exists {
			return parameter{}, refuse("ParameterVersionNotFound", "parameter %s has no version %s", name, selector)
		}
		found.Selector = new(":" + selector)
	}
	return withDecryption(found, decrypt), nil
}

// withDecryption returns a parameter as a caller sees it. Without WithDecryption a SecureString's value looks like KMS's
// ciphertext: a caller who forgot it cannot take it for the real value, and cannot find the real value in it.
func withDecryption(p parameter, decrypt *bool) parameter {
	if p.Type == types.ParameterTypeSecureString && !aws.ToBool(decrypt) {
		digest := sha256.Sum256(fmt.Appendf(nil, "%s:%d:%s", *p.ARN, p.Version, *p.Value))
		p.Value = new("AQICAH" + base64.StdEncoding.EncodeToString(digest[:]))
	}
	return p
}
