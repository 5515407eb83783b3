package main

import (
	"slices"
	"testing"
)

// TestTemplateHasOneWayToAuthenticate, and grants to read the keys that were named and no others.
func TestTemplateHasOneWayToAuthenticate(t *testing.T) {
	const (
		secret    = "arn:aws:secretsmanager:us-east-1:" + account + ":secret:datadog/api-AbCdEf"
		parameter = "arn:aws:ssm:us-east-1:" + account + ":parameter/datadog/app"
		org       = "01234567-89ab-cdef-0123-456789abcdef"
	)
	for _, c := range []struct {
		name, keys, org, partition string
		deployed                   bool
		reads                      []string
	}{
		{"nothing", "", "", "aws", false, nil},
		{"a secret", secret, "", "aws", true, []string{secret}},
		{"a parameter", parameter, "", "aws", true, []string{parameter}},
		{"both", secret + "," + parameter, "", "aws", true, []string{secret, parameter}},
		{"a secret in GovCloud", secret, "", "aws-us-gov", true, []string{secret}},
		{"an organization", "", org, "aws", true, nil},
		{"an organization and a secret", secret, org, "aws", false, nil},
		{"an organization in GovCloud", "", org, "aws-us-gov", false, nil},
		{"an organization in China", "", org, "aws-cn", false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			choice := object{"DatadogCredentialsArn": c.keys, "DatadogOrgUuid": c.org, "AWS::Partition": c.partition}
			made, refused := deploy(readTemplate(t), choice)
			if (len(refused) == 0) != c.deployed {
				t.Fatalf("it is refused with %q, want it deployed: %t", refused, c.deployed)
			}
			if !c.deployed {
				return
			}
			for _, fault := range danglingReferences(made) {
				t.Error(fault)
			}
			variables := objectAt(made, "Resources", "RelayFunction", "Properties", "Environment", "Variables")
			for name, want := range map[string]string{"DD_CREDENTIALS_ARN": c.keys, "DD_ORG_UUID": c.org} {
				if got, _ := variables[name].(string); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			if mapped := at(made, "Outputs", "RolesToMap"); (mapped != nil) != (c.org != "") {
				t.Errorf("the roles to map are %v", mapped)
			}
			role := granted(objectAt(made, "Resources"), "RelayRole")
			for resource, action := range map[string]string{secret: "secretsmanager:GetSecretValue", parameter: "ssm:GetParameter"} {
				if got, want := allowed(role, action, resource), slices.Contains(c.reads, resource); got != want {
					t.Errorf("the function may %s of %s: %t, want %t", action, resource, got, want)
				}
			}
		})
	}
}
