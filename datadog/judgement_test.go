package datadog

import "testing"

func TestJudgesCredential(t *testing.T) {
	cases := []struct {
		name        string
		status      int
		fromDatadog bool
		messages    []string
		want        bool
	}{
		{"a token that is not valid", 400, true, []string{"Invalid credentials"}, true},
		{"with another status", 422, true, []string{"Invalid credentials"}, true},
		{"with a status that judges nothing", 403, true, []string{"Invalid credentials"}, false},
		{"not from Datadog", 400, false, []string{"Invalid credentials"}, false},
		{"no words", 400, true, nil, true},
		{"a field of the credential", 400, true, []string{"input_validation_error(Field 'data.attributes.secrets.api_token' is invalid: required)"}, true},
		{"a field of the key file", 400, true, []string{"Bad (/data/attributes/secrets/service_account_json/project_id)"}, true},
		{"a domain in passing", 400, true, []string{"OKTA at acme.okta.com refuses the token for this domain"}, true},
		{"a token for a domain", 400, true, []string{"the token for the domain acme.okta.com is invalid"}, true},
		{"Google's words", 400, true, []string{"invalid_grant: Invalid grant: account not found"}, true},
		{"Google's words about delegation", 400, true, []string{"Domain-wide delegation is missing domain-wide scopes"}, true},
		{"advice", 400, true, []string{"Invalid credentials. Check them and try again."}, true},
		{"Entra ID's words", 400, true, []string{"AADSTS7000215: Invalid client secret provided"}, true},
		{"the expected product", 400, true, []string{"InvalidArgument: unauthorized_client"}, true},

		{"no domain", 400, true, []string{"input_validation_error(Field 'data.attributes.domain' is invalid: required)"}, false},
		{"no domain, in the simulator's words", 400, true, []string{"data.attributes.domain is required"}, false},
		{"a pointer to the domain", 400, true, []string{"Invalid attribute: must be a host name (/data/attributes/domain)"}, false},
		{"a target", 400, true, []string{"InvalidArgument: Invalid: must be set (domain)"}, false},
		{"a domain that is not valid", 422, true, []string{"Invalid domain: https://acme.okta.com"}, false},
		{"a domain at the beginning", 400, true, []string{"Domain must not be empty"}, false},
		{"another field", 400, true, []string{"data.attributes.integration_type must be the type of the configuration"}, false},
		{"the resource", 400, true, []string{"data.type must be integration_config"}, false},
		{"the body", 400, true, []string{"the body must be a JSON object"}, false},
		{"an integration that is not there", 400, true, []string{"Azure Integration not yet installed"}, false},
		{"an app registration that is not there", 400, true, []string{"Azure integration not found for this tenant_name and client_id"}, false},
		{"an account that is not there", 400, true, []string{"AWS Account Id is not integrated with this Datadog account"}, false},
		{"a config that is not there", 400, true, []string{"not_found(Integration config with ID 1 not found)"}, false},
		{"a product that could not be asked", 400, true, []string{"Could not reach acme.okta.com: connection refused"}, false},
		{"a product that is slow", 400, true, []string{"context deadline exceeded (Client.Timeout exceeded while awaiting headers)"}, false},
		{"one fault among several", 400, true, []string{"Invalid credentials", "Field 'data.attributes.domain' is invalid"}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := judgesCredential(c.status, c.fromDatadog, c.messages); got != c.want {
				t.Errorf("got %t, want %t", got, c.want)
			}
		})
	}
}
