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
	maxParameterValue   = 4096 // of the standard tier, the only one here
	maxParametersInCall = 10
)

// parameter is one version of a parameter, its value in clear.
type parameter = types.Parameter

func (s *Simulator) putParameter(in *ssm.PutParameterInput) (*ssm.PutParameterOutput, error) {
	name := canonical(aws.ToString(in.Name))
	if err := checkNewName(name); err != nil {
		return nil, err
	}
	if size := len(aws.ToString(in.Value)); size == 0 || size > maxParameterValue {
		return nil, refuse("ValidationException", "a standard parameter's value has 1 to %d bytes", maxParameterValue)
	}
	versions, kind := s.parameters[key(name)], in.Type
	if len(versions) > 0 {
		if !aws.ToBool(in.Overwrite) {
			return nil, refuse("ParameterAlreadyExists", "parameter %s exists and Overwrite is not set", name)
		}
		kind = cmp.Or(kind, versions[0].Type)
	}
	if !slices.Contains(kind.Values(), kind) {
		return nil, refuse("ValidationException", "a parameter's type is one of %v", kind.Values())
	}
	latest := parameter{
		ARN: new(parameterARNs + key(name)), Name: &name, Type: kind, Value: in.Value, Version: int64(len(versions) + 1),
		DataType: new(cmp.Or(aws.ToString(in.DataType), "text")), LastModifiedDate: new(time.Now()),
	}
	s.parameters[key(name)] = append(versions, latest)
	return &ssm.PutParameterOutput{Version: latest.Version, Tier: types.ParameterTierStandard}, nil
}

func (s *Simulator) getParameter(in *ssm.GetParameterInput) (*ssm.GetParameterOutput, error) {
	found, err := s.read(aws.ToString(in.Name), in.WithDecryption)
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
		if found, err := s.read(name, in.WithDecryption); err == nil {
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
	switch {
	case !parameterPath.MatchString(path):
		return nil, refuse("ValidationException", "a path begins with / and consists of the levels of parameter names: %q", path)
	case size < 1 || size > maxParametersInCall:
		return nil, refuse("ValidationException", "MaxResults is from 1 to %d", maxParametersInCall)
	case len(in.ParameterFilters) > 0:
		return nil, refuse("ValidationException", "the simulator knows no ParameterFilters")
	}
	found := []parameter{}
	for name, versions := range s.parameters {
		if below(path, name, aws.ToBool(in.Recursive)) {
			found = append(found, shown(versions[len(versions)-1], in.WithDecryption))
		}
	}
	these, next, ok := page(found, func(p parameter) string { return key(*p.Name) }, in.NextToken, size)
	if !ok {
		return nil, refuse("InvalidNextToken", "no earlier answer had this NextToken")
	}
	return &ssm.GetParametersByPathOutput{Parameters: these, NextToken: next}, nil
}

func (s *Simulator) deleteParameter(in *ssm.DeleteParameterInput) (*ssm.DeleteParameterOutput, error) {
	name := aws.ToString(in.Name)
	if err := checkName(name); err != nil {
		return nil, err
	}
	if s.parameters[key(name)] == nil {
		return nil, refuse("ParameterNotFound", "there is no parameter %s", name)
	}
	delete(s.parameters, key(name))
	return &ssm.DeleteParameterOutput{}, nil
}

// read returns the parameter of a name or an ARN, in its latest version or in the one selected by ":" and a number.
func (s *Simulator) read(reference string, decrypt *bool) (parameter, error) {
	if name, is := strings.CutPrefix(reference, parameterARNs); is {
		reference = "/" + name
	}
	name, selector, selected := strings.Cut(reference, ":")
	if err := checkName(name); err != nil {
		return parameter{}, err
	}
	versions := s.parameters[key(name)]
	if len(versions) == 0 {
		return parameter{}, refuse("ParameterNotFound", "there is no parameter %s", name)
	}
	if !selected {
		return shown(versions[len(versions)-1], decrypt), nil
	}
	number, err := strconv.Atoi(selector) // a label selects nothing: no operation here sets one
	if err != nil || number < 1 || number > len(versions) {
		return parameter{}, refuse("ParameterVersionNotFound", "parameter %s has no version %s", name, selector)
	}
	found := versions[number-1]
	found.Selector = new(":" + selector)
	return shown(found, decrypt), nil
}

// shown is a parameter as a caller gets it who may have forgotten WithDecryption: what stands in for a SecureString
// then looks like what KMS makes, so that nobody takes it for the value, and cannot be turned back into it.
func shown(p parameter, decrypt *bool) parameter {
	if p.Type == types.ParameterTypeSecureString && !aws.ToBool(decrypt) {
		digest := sha256.Sum256(fmt.Appendf(nil, "%s:%d:%s", *p.ARN, p.Version, *p.Value))
		p.Value = new("AQICAH" + base64.StdEncoding.EncodeToString(digest[:]))
	}
	return p
}
