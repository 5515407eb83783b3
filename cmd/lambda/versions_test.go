package main

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// These tests look at what the template does with new versions of the functions.

// Whoever calls a function calls a published version of it. SAM publishes one when the template changes, but not when
// only a parameter does, and then nobody would get what was deployed. The description is what tells CloudFormation. It
// must not tell it of anything else, since Lambda publishes no version that is like the last one, and calls that an error.
func TestTemplatePublishesAVersionForEveryChangeOfAParameter(t *testing.T) {
	template := readTemplate(t)
	one, _ := deploy(template, everything())
	for id := range functions {
		published := 0
		for name, values := range answers {
			for _, value := range values {
				choice := everything()
				maps.Copy(choice, chosen(name, value))
				other, _ := deploy(template, choice)
				if objectAt(other, "Resources", id) == nil {
					continue
				}
				before, was := versionOf(one, id)
				after, is := versionOf(other, id)
				if reflect.DeepEqual(before, after) != (was == is) {
					t.Errorf("%s: with %s=%s instead of %s, the version's description goes from %q to %q, and the function from\n%v to\n%v",
						id, name, value, everything()[name], was, is, before, after)
				}
				if was != is {
					published++
				}
			}
		}
		if published < 5 {
			t.Errorf("%s: only %d of the choices make another version", id, published)
		}
	}
}

// versionOf is what Lambda keeps with a version of the function, as far as parameters choose it, and the description.
func versionOf(deployed object, id string) (kept object, description string) {
	properties := maps.Clone(objectAt(deployed, "Resources", id, "Properties"))
	description = fmt.Sprint(properties["VersionDescription"])
	for _, other := range []string{"VersionDescription", "ReservedConcurrentExecutions", "Events", "Tags", "DeploymentPreference"} {
		delete(properties, other)
	}
	return properties, description
}

// Lambda takes 256 characters.
func TestTemplateDescribesVersionsInTheSpaceThereIs(t *testing.T) {
	template := readTemplate(t)
	longest := func(name, value string) string {
		limit, _ := at(template, "Parameters", name, "MaxLength").(int)
		return value + strings.Repeat("x", limit-len(value))
	}
	const secret = "arn:aws:secretsmanager:us-east-1:" + account + ":secret:"
	choice := everything()
	for _, name := range []string{"DatadogCredentialsArn", "DatadogAppKeyArn", "WebhookSecretArn"} {
		choice[name] = longest(name, secret)
	}
	choice["BindingsPath"], choice["DatadogSite"] = longest("BindingsPath", "/"), "us2.ddog-gov.com"
	made, _ := deploy(template, choice)
	for id := range functions {
		if _, description := versionOf(made, id); len(description) < 100 || len(description) > 256 {
			t.Errorf("%s has a description of %d characters: %s", id, len(description), description)
		}
	}
}

func TestTemplateBringsAVersionBackThatCrashes(t *testing.T) {
	template := readTemplate(t)
	function := objectAt(template, "Resources", "RelayFunction", "Properties")
	alarm := objectAt(template, "Resources", "NewVersionAlarm", "Properties")
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"the deployment watches", at(function, "DeploymentPreference", "Alarms"), []any{object{"Ref": "NewVersionAlarm"}}},
		{"with the role", at(function, "DeploymentPreference", "Role"), getAtt("DeploymentRole")},
		{"the alarm counts", fmt.Sprint(alarm["Namespace"], " ", alarm["MetricName"]), "AWS/Lambda Errors"},
		{"of the new version alone", dimension(alarm, "ExecutedVersion"), object{"Fn::GetAtt": []any{"RelayFunctionVersion", "Version"}}},
		{"of the function", dimension(alarm, "FunctionName"), object{"Ref": "RelayFunction"}},
		{"by its alias", dimension(alarm, "Resource"), object{"Fn::Sub": "${RelayFunction}:live"}},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s %v, want %v", c.name, c.got, c.want)
		}
	}
	for id := range functions {
		after := list(at(template, "Resources", id, "DependsOn"))
		if id != "RelayFunction" && !slices.Contains(after, any("RelayFunction"+alias)) {
			t.Errorf("%s is deployed before the new version of RelayFunction has proven itself", id)
		}
	}
}

func dimension(metric object, name string) any {
	for _, dimension := range list(metric["Dimensions"]) {
		if at(dimension, "Name") == name {
			return at(dimension, "Value")
		}
	}
	return nil
}
