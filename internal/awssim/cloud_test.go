package awssim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"
)

// scenario checks one rule of AWS through the SDK, so that it can check other implementations of AWS too.
type scenario struct {
	name string
	moto string // what moto does instead, if it does not follow the rule
	run  func(c cloud)
}

// cloud is an AWS with nothing in it yet, as a test uses it.
type cloud struct {
	testing.TB
	secrets    *secretsmanager.Client
	parameters *ssm.Client
}

func newCloud(t testing.TB, endpoint string, transport http.RoundTripper) cloud {
	config := aws.Config{
		Region:       Region,
		BaseEndpoint: &endpoint,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "none"}, nil
		}),
		HTTPClient: &http.Client{Transport: transport},
		Retryer:    func() aws.Retryer { return aws.NopRetryer{} },
	}
	return cloud{t, secretsmanager.NewFromConfig(config), ssm.NewFromConfig(config)}
}

// simulated returns a simulator, and the cloud that it is. There is no network between the two.
func simulated(t *testing.T) (*Simulator, cloud) {
	sim := New()
	return sim, newCloud(t, "https://aws.example", inProcess{sim})
}

// inProcess calls a handler instead of a server.
type inProcess struct{ http.Handler }

func (to inProcess) RoundTrip(request *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	to.ServeHTTP(recorder, request)
	return recorder.Result(), nil
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
	all = append(all, rotationScenarios...)
	all = append(all, lifeScenarios...)
	return append(all, parameterScenarios...)
}

// token returns the nth of many valid ClientRequestTokens.
func token(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

// got is for calls that must succeed: got(call())(c) returns the output, or ends the test.
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

// wantLabels compares the version that each label of a secret is on, and fails the test if a label is on two.
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
