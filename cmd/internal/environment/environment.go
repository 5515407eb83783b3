// Package environment turns the program's environment variables into the
// handler that they describe.
package environment

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/caarlos0/env/v11"

	"credential-relay/datadog"
	"credential-relay/handler"
	"credential-relay/relay"
)

// Environment is what the variables say, once it has been found to make sense.
type Environment struct {
	Site           string         `env:"DD_SITE"`
	APIURL         string         `env:"DD_API_URL"`
	CredentialsARN string         `env:"DD_CREDENTIALS_ARN"`
	OrgUUID        string         `env:"DD_ORG_UUID"`
	APIKey         datadog.Secret `env:"DD_API_KEY"`
	AppKey         datadog.Secret `env:"DD_APP_KEY"`
	BearerToken    datadog.Secret `env:"DD_BEARER_TOKEN"`
	BindingsPath   string         `env:"BINDINGS_PATH" envDefault:"/credential-relay"`
	WebhookSecret  string         `env:"WEBHOOK_SECRET_ARN"`
	// Stack tells the metrics of one stack from those of another.
	Stack string `env:"STACK_NAME" envDefault:"credential-relay"`
	// LogFormat is Lambda's. CloudWatch reads metrics from lines of JSON only.
	LogFormat string `env:"AWS_LAMBDA_LOG_FORMAT"`
	// WebhookMayDisable lets the webhook turn syncs off.
	WebhookMayDisable bool `env:"WEBHOOK_MAY_DISABLE"`
	// RelayQueueURL is the queue whose failed messages the function delays.
	RelayQueueURL string `env:"RELAY_QUEUE_URL"`

	datadogURL *url.URL
}

// Read reads the variables, given as name=value. It reports all problems at
// once, each by the name of its variable.
func Read(variables []string) (Environment, error) {
	var e Environment
	if err := env.ParseWithOptions(&e, env.Options{Environment: env.ToMap(variables)}); err != nil {
		return e, err
	}
	return e, errors.Join(e.readSite(), e.readURL(), e.checkKeys(), e.checkBindingsPath(), e.checkWebhookSecret(), e.checkStack())
}

func (e *Environment) readSite() (err error) {
	// Another address than a site's says nothing of the site.
	if e.Site == "" && e.APIURL == "" {
		e.Site = datadog.Sites[0]
	}
	if e.Site == "" {
		return nil
	}
	if e.datadogURL, err = datadog.SiteURL(e.Site); err != nil {
		return fmt.Errorf("DD_SITE: %w", err)
	}
	return nil
}

// readURL lets DD_API_URL replace the site's address.
func (e *Environment) readURL() (err error) {
	if e.APIURL == "" {
		return nil
	}
	if e.datadogURL, err = datadog.ParseURL(e.APIURL); err != nil {
		return fmt.Errorf("DD_API_URL: %w", err)
	}
	return nil
}

var (
	parameterPath = regexp.MustCompile(`^(/[A-Za-z0-9_.\-]+)+$`)
	reserved      = regexp.MustCompile(`(?i)^/(aws|ssm)`) // by Parameter Store
)

func (e Environment) checkBindingsPath() error {
	if !parameterPath.MatchString(e.BindingsPath) || reserved.MatchString(e.BindingsPath) {
		return fmt.Errorf("BINDINGS_PATH: %q must be a parameter path such as /credential-relay, with no slash at its end and not beginning with /aws or /ssm", e.BindingsPath)
	}
	return nil
}

func (e Environment) checkWebhookSecret() error {
	if _, ok := relay.SecretAt(e.WebhookSecret); e.WebhookSecret != "" && !ok {
		return errors.New("WEBHOOK_SECRET_ARN: must be the full ARN of a Secrets Manager secret, with its six characters at the end")
	}
	return nil
}

// https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html
var stackName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,127}$`)

// checkStack takes what CloudFormation does. What CloudWatch cannot take as a
// dimension, it would drop every metric for, and say nothing.
func (e Environment) checkStack() error {
	if !stackName.MatchString(e.Stack) {
		return errors.New("STACK_NAME: must be a CloudFormation stack's name: a letter, and then letters, digits and hyphens")
	}
	return nil
}

// Handler builds the clients and the handler over them.
func (e Environment) Handler(config aws.Config, log *slog.Logger) *handler.Handler {
	sources := relay.Sources{SecretsManager: secretsmanager.NewFromConfig(config), ParameterStore: ssm.NewFromConfig(config)}
	client := &datadog.Client{URL: e.datadogURL}
	client.Keys = e.keySource(sources, config, client)
	var signatures *handler.Signatures
	if e.WebhookSecret != "" {
		signatures = &handler.Signatures{SecretsManager: sources.SecretsManager, ARN: e.WebhookSecret}
	}
	stack := ""
	if e.LogFormat == "JSON" {
		stack = e.Stack
	}
	var redelivery *handler.Redelivery
	if e.RelayQueueURL != "" {
		redelivery = &handler.Redelivery{SQS: sqs.NewFromConfig(config), QueueURL: e.RelayQueueURL}
	}
	return &handler.Handler{
		Log:               log,
		Stack:             stack,
		Signatures:        signatures,
		WebhookMayDisable: e.WebhookMayDisable,
		Redelivery:        redelivery,
		Engine: &relay.Engine{
			Sources:      sources,
			Datadog:      client,
			BindingsPath: e.BindingsPath,
		},
	}
}
