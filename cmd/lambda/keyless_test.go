package main

import (
	"fmt"
	"testing"
)

// TestTemplateHasOneWayToAuthenticate, and grants to read what that takes and no more.
func TestTemplateHasOneWayToAuthenticate(t *testing.T) {
	const (
		secret    = "arn:aws:secretsmanager:us-east-1:" + account + ":secret:datadog/api-AbCdEf"
		parameter = "arn:aws:ssm:us-east-1:" + account + ":parameter/datadog/app"
		org       = "01234567-89ab-cdef-0123-456789abcdef"
		get       = "secretsmanager:GetSecretValue"
	)
	for _, c := range []struct {
		keys, app, org string
		deployed       bool
		arns           any
	}{
		{"", "", "", false, nil},
		{secret, "", "", true, secret},
		{parameter, "", "", true, parameter},
		{secret, parameter, "", true, secret + "," + parameter},
		{parameter, secret, "", true, parameter + "," + secret},
		{"", "", org, true, nil},
		{secret, "", org, false, nil},
		{"", parameter, org, false, nil},
		{"", parameter, "", false, nil},
		{secret, parameter, org, false, nil},
	} {
		chosen := object{"DatadogCredentialsArn": c.keys, "DatadogAppKeyArn": c.app, "DatadogOrgUuid": c.org}
		deployed, refused := deploy(readTemplate(t), chosen)
		if (len(refused) == 0) != c.deployed {
			t.Errorf("%v is refused with %q, want it deployed: %t", chosen, refused, c.deployed)
		}
		if !c.deployed {
			continue
		}
		for _, fault := range danglingReferences(deployed) {
			t.Errorf("%v: %s", chosen, fault)
		}
		variables := objectAt(deployed, "Resources", "RelayFunction", "Properties", "Environment", "Variables")
		var wantOrg any
		if c.org != "" {
			wantOrg = c.org
		}
		if variables["DD_CREDENTIALS_ARN"] != c.arns || variables["DD_ORG_UUID"] != wantOrg {
			t.Errorf("%v makes of it %v", chosen, variables)
		}
		if mapped := at(deployed, "Outputs", "RolesToMap"); (mapped != nil) != (c.org != "") {
			t.Errorf("%v: the role to map is %v", chosen, mapped)
		}
		role := granted(objectAt(deployed, "Resources"), "RelayRole")
		reads := 0
		for resource, want := range map[string]string{secret: get, parameter: "ssm:GetParameter"} {
			may := grantOf(role, resource)
			if named := c.keys == resource || c.app == resource; named != (fmt.Sprint(may) == "["+want+"]") || !named && len(may) > 0 {
				t.Errorf("%v: the function may %v of %s", chosen, may, resource)
			}
			reads += len(may)
		}
		if c.org != "" && reads > 0 {
			t.Errorf("%v: it may read keys that there are none of", chosen)
		}
	}
}
