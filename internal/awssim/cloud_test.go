package awssim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"
)

// scenario is a rule of AWS's, told through the SDK, so that it can be put to more than one implementation of AWS.
type scenario struct {
	name string
	moto string // why moto does not pass, if it does not
	run  func(c cloud)
}

// cloud is a test's view of an AWS with nothing in it yet.
type cloud struct {
	*testing.T
	secrets    *secretsmanager.Client
	parameters *ssm.Client
}

func newCloud(t *testing.T, endpoint string) cloud {
	dummy := aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "none"}
	config := aws.Config{
		Region:       Region,
		BaseEndpoint: &endpoint,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return dummy, nil
		}),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}
	return cloud{t, secretsmanager.NewFromConfig(config), ssm.NewFromConfig(config)}
}

// simulated is a simulator behind a server that lives as long as the test, and the test's view of it.
func simulated(t *testing.T) (*Simulator, cloud) {
	sim := New()
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	return sim, newCloud(t, server.URL)
}

func TestRulesOfAWS(t *testing.T) {
	for _, rule := range allScenarios() {
		t.Run(rule.name, func(t *testing.T) {
			_, c := simulated(t)
			rule.run(c)
		})
	}
}

func allScenarios() []scenario {
	var all []scenario
	all = append(all, valueScenarios...)
	all = append(all, labelScenarios...)
	all = append(all, lifeScenarios...)
	return append(all, parameterScenarios...)
}

// token is the nth of many valid ClientRequestTokens.
func token(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

// got is for calls that have to succeed: c.got(call()) fails the test otherwise.
func got[Output any](out Output, err error) func(cloud) Output {
	return func(c cloud) Output {
		c.Helper()
		if err != nil {
			c.Fatal(err)
		}
		return out
	}
}

// refused fails the test unless the call was answered with this error.
func (c cloud) refused(want string, err error) {
	c.Helper()
	if failure, is := errors.AsType[smithy.APIError](err); !is || failure.ErrorCode() != want {
		c.Errorf("the call ended with %v, want a %s", err, want)
	}
}

func (c cloud) create(name, value string, n int) (arn string) {
	c.Helper()
	out := got(c.secrets.CreateSecret(c.Context(), &secretsmanager.CreateSecretInput{
		Name: &name, SecretString: &value, ClientRequestToken: new(token(n)),
	}))(c)
	return *out.ARN
}

func (c cloud) put(name, value string, n int, labels ...string) error {
	_, err := c.secrets.PutSecretValue(c.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: &name, SecretString: &value, ClientRequestToken: new(token(n)), VersionStages: labels,
	})
	return err
}

// read gets a value; a version of 0 or a label of "" is not sent.
func (c cloud) read(name string, version int, label string) (*secretsmanager.GetSecretValueOutput, error) {
	in := &secretsmanager.GetSecretValueInput{SecretId: &name}
	if version != 0 {
		in.VersionId = new(token(version))
	}
	if label != "" {
		in.VersionStage = &label
	}
	return c.secrets.GetSecretValue(c.Context(), in)
}

func (c cloud) wantValue(want, name string, version int, label string) {
	c.Helper()
	if out := got(c.read(name, version, label))(c); aws.ToString(out.SecretString) != want {
		c.Errorf("value of %s, version %d, label %q: got %q, want %q", name, version, label, aws.ToString(out.SecretString), want)
	}
}

// move sends UpdateSecretVersionStage; a version of 0 is not sent.
func (c cloud) move(name, label string, from, to int) error {
	in := &secretsmanager.UpdateSecretVersionStageInput{SecretId: &name, VersionStage: &label}
	if from != 0 {
		in.RemoveFromVersionId = new(token(from))
	}
	if to != 0 {
		in.MoveToVersionId = new(token(to))
	}
	_, err := c.secrets.UpdateSecretVersionStage(c.Context(), in)
	return err
}

func (c cloud) describe(name string) *secretsmanager.DescribeSecretOutput {
	c.Helper()
	return got(c.secrets.DescribeSecret(c.Context(), &secretsmanager.DescribeSecretInput{SecretId: &name}))(c)
}

// wantLabels compares where each label of a secret is, and fails the test when one is in two places.
func (c cloud) wantLabels(name string, want map[string]int) {
	c.Helper()
	at := map[string]string{}
	for id, labels := range c.describe(name).VersionIdsToStages {
		for _, label := range labels {
			if other, twice := at[label]; twice {
				c.Errorf("label %s is on versions %s and %s", label, other, id)
			}
			at[label] = id
		}
	}
	wanted := map[string]string{}
	for label, n := range want {
		wanted[label] = token(n)
	}
	if !maps.Equal(at, wanted) {
		c.Errorf("labels of %s: got %v, want %v", name, at, wanted)
	}
}
