package relay

import (
	"context"
	"fmt"

	"credential-relay/datadog"
)

// look is what there is to know before anything is sent: the credential and
// the config it is for.
type look struct {
	credential Credential
	config     *datadog.IntegrationConfig // nil where Datadog does not let us read it
	unread     error                      // then Datadog's answer
}

// reader gives the credential that is current.
type reader func(context.Context) (Credential, error)

// look fetches the credential and the config side by side.
func (e *Engine) look(ctx context.Context, b Binding, read reader) (look, Stage, error) {
	var config datadog.IntegrationConfig
	var configErr error
	done := beside(func() { config, configErr = e.getConfig(ctx, b.ConfigID) })
	credential, err := read(ctx)
	done()
	switch {
	case configErr == nil && config.Type != b.Type:
		return look{}, AtConfig, b.wrongType(&config)
	case configErr != nil && !datadog.IsForbidden(configErr): // told first: without a config there is no flag to see to
		return look{}, AtConfig, b.ifGone(configErr)
	case err != nil:
		return look{}, AtSource, err
	case configErr != nil:
		return look{credential, nil, configErr}, "", nil
	}
	return look{credential, &config, nil}, "", nil
}

func (e *Engine) getConfig(ctx context.Context, id datadog.ConfigID) (datadog.IntegrationConfig, error) {
	defer timed(ctx, AtConfig)()
	return e.Datadog.GetIntegrationConfig(ctx, id)
}

// ifGone says of an answer that there is no such config what that means here.
func (b Binding) ifGone(err error) error {
	if !datadog.IsNotFound(err) {
		return err
	}
	return fmt.Errorf("%s names an integration config that Datadog does not have; GET %s lists those that it has: %w",
		b.Parameter, datadog.ConfigsPath, err)
}

func (b Binding) wrongType(config *datadog.IntegrationConfig) error {
	return fmt.Errorf("integration_type: %s says %s, but integration config %s is of type %s", b.Parameter, b.Type, b.ConfigID, config.Type)
}
