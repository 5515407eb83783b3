package awssim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

func (c cloud) remove(in secretsmanager.DeleteSecretInput) error {
	_, err := c.secrets.DeleteSecret(c.Context(), &in)
	return err
}

func (c cloud) list(in secretsmanager.ListSecretsInput) (names []string) {
	c.Helper()
	pages := secretsmanager.NewListSecretsPaginator(c.secrets, &in)
	for pages.HasMorePages() {
		for _, secret := range got(pages.NextPage(c.Context()))(c).SecretList {
			names = append(names, *secret.Name)
		}
	}
	return names
}

// wantMarked fails the test unless the call was refused because of the deletion.
func (c cloud) wantMarked(err error) {
	c.Helper()
	c.refused("InvalidRequestException", err)
	if err != nil && !strings.Contains(err.Error(), "marked for deletion") {
		c.Errorf("the error does not speak of the deletion: %v", err)
	}
}

var lifeScenarios = []scenario{
	{name: "a secret marked for deletion cannot be read until it is restored", run: func(c cloud) {
		c.create("key", "v1", 1)
		if err := c.remove(secretsmanager.DeleteSecretInput{SecretId: new("key"), RecoveryWindowInDays: aws.Int64(7)}); err != nil {
			c.Fatal(err)
		}
		_, err := c.read("key", 0, "")
		c.refused("InvalidRequestException", err)
		if until := c.describe("key").DeletedDate; until == nil || time.Until(*until).Round(time.Hour) != 7*24*time.Hour {
			c.Errorf("DeletedDate is %v, want it in a week", until)
		}
		got(c.secrets.RestoreSecret(c.Context(), &secretsmanager.RestoreSecretInput{SecretId: new("key")}))(c)
		c.wantValue("v1", "key", 0, "")
		if until := c.describe("key").DeletedDate; until != nil {
			c.Errorf("DeletedDate is %v after the restoration", until)
		}
	}},
	{name: "a secret marked for deletion cannot be changed", moto: "says so in other words, or changes it", run: func(c cloud) {
		c.staged("key")
		if err := c.remove(secretsmanager.DeleteSecretInput{SecretId: new("key")}); err != nil {
			c.Fatal(err)
		}
		_, err := c.read("key", 0, "")
		c.wantMarked(err)
		c.wantMarked(c.put("key", "v3", 3))
		c.wantMarked(c.move("key", "AWSCURRENT", 1, 2))
		c.wantMarked(c.remove(secretsmanager.DeleteSecretInput{SecretId: new("key")}))
		_, err = c.secrets.UpdateSecret(c.Context(), &secretsmanager.UpdateSecretInput{SecretId: new("key"), Description: new("d")})
		c.wantMarked(err)
		_, err = c.rotate("key", 3, true)
		c.wantMarked(err)
		_, err = c.secrets.CreateSecret(c.Context(), &secretsmanager.CreateSecretInput{Name: new("key")})
		c.wantMarked(err)
		c.wantLabels("key", map[string]int{"AWSCURRENT": 1, "AWSPENDING": 2})
	}},
	{name: "a recovery window has from 7 to 30 days", run: func(c cloud) {
		c.create("key", "v1", 1)
		for _, days := range []int64{6, 31} {
			c.refused("InvalidParameterException", c.remove(secretsmanager.DeleteSecretInput{SecretId: new("key"), RecoveryWindowInDays: &days}))
		}
		c.refused("InvalidParameterException", c.remove(secretsmanager.DeleteSecretInput{
			SecretId: new("key"), RecoveryWindowInDays: aws.Int64(7), ForceDeleteWithoutRecovery: new(true),
		}))
		c.refused("ResourceNotFoundException", c.remove(secretsmanager.DeleteSecretInput{SecretId: new("no such secret")}))
		c.wantValue("v1", "key", 0, "")
	}},
	{name: "a deletion without recovery frees the name", run: func(c cloud) {
		first := c.create("key", "v1", 1)
		for range 2 { // the second has nothing to delete, and succeeds
			if err := c.remove(secretsmanager.DeleteSecretInput{SecretId: new("key"), ForceDeleteWithoutRecovery: new(true)}); err != nil {
				c.Fatal(err)
			}
		}
		_, err := c.read("key", 0, "")
		c.refused("ResourceNotFoundException", err)
		_, err = c.secrets.RestoreSecret(c.Context(), &secretsmanager.RestoreSecretInput{SecretId: new("key")})
		c.refused("ResourceNotFoundException", err)
		second := c.create("key", "v2", 2)
		if first == second {
			c.Errorf("both secrets have the ARN %s", first)
		}
		c.wantValue("v2", "key", 0, "")
	}},
	{name: "an ARN is not inherited", run: func(c cloud) {
		first := c.create("key", "v1", 1)
		if err := c.remove(secretsmanager.DeleteSecretInput{SecretId: new("key"), ForceDeleteWithoutRecovery: new(true)}); err != nil {
			c.Fatal(err)
		}
		second := c.create("key", "v2", 2)
		_, err := c.read(first, 0, "")
		c.refused("ResourceNotFoundException", err)
		c.wantValue("v2", second, 0, "")
		c.wantValue("v2", second[:len(second)-7], 0, "")
	}},
	{name: "secrets are listed page by page, oldest first", run: func(c cloud) {
		var want []string
		for n := range 5 {
			want = append(want, fmt.Sprintf("secret-%d", 5-n))
			c.create(want[n], "v", n)
		}
		if got := c.list(secretsmanager.ListSecretsInput{MaxResults: aws.Int32(2)}); !slices.Equal(got, want) {
			c.Errorf("got %v, want %v", got, want)
		}
	}},
	{name: "a list has secrets marked for deletion on request", run: func(c cloud) {
		c.create("stays", "v1", 1)
		c.create("goes", "v1", 2)
		if err := c.remove(secretsmanager.DeleteSecretInput{SecretId: new("goes")}); err != nil {
			c.Fatal(err)
		}
		if got := c.list(secretsmanager.ListSecretsInput{}); !slices.Equal(got, []string{"stays"}) {
			c.Errorf("got %v", got)
		}
		if got := c.list(secretsmanager.ListSecretsInput{IncludePlannedDeletion: new(true)}); !slices.Equal(got, []string{"stays", "goes"}) {
			c.Errorf("with those marked for deletion: got %v", got)
		}
	}},
	{name: "a list refuses what it does not understand", moto: "fails with 500, or answers 200", run: func(c cloud) {
		for want, in := range map[string]secretsmanager.ListSecretsInput{
			"InvalidNextTokenException": {NextToken: new("not a token")},
			"ValidationException":       {MaxResults: aws.Int32(101)},
			"InvalidParameterException": {SortOrder: "desc"},
		} {
			_, err := c.secrets.ListSecrets(c.Context(), &in)
			c.refused(want, err)
		}
	}},
}
