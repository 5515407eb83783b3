package awssim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// staged creates a secret with version 1 current and version 2 pending.
func (c cloud) staged(name string) {
	c.Helper()
	c.create(name, "v1", 1)
	if err := c.put(name, "v2", 2, "AWSPENDING"); err != nil {
		c.Fatal(err)
	}
}

func (c cloud) moved(name, label string, from, to int) {
	c.Helper()
	if err := c.move(name, label, from, to); err != nil {
		c.Fatal(err)
	}
}

// wantVersions compares the versions that ListSecretVersionIds returns, in order.
func (c cloud) wantVersions(name string, deprecated bool, want ...int) {
	c.Helper()
	pages := secretsmanager.NewListSecretVersionIdsPaginator(c.secrets, &secretsmanager.ListSecretVersionIdsInput{
		SecretId: &name, MaxResults: aws.Int32(1), IncludeDeprecated: &deprecated,
	})
	var ids, wanted []string
	for pages.HasMorePages() {
		for _, v := range got(pages.NextPage(c.Context()))(c).Versions {
			ids = append(ids, *v.VersionId)
		}
	}
	for _, n := range want {
		wanted = append(wanted, token(n))
	}
	if !slices.Equal(ids, wanted) {
		c.Errorf("versions of %s (deprecated %t): got %v, want %v", name, deprecated, ids, wanted)
	}
}

var labelScenarios = []scenario{
	{name: "AWSPREVIOUS is on the version that was current before", run: func(c cloud) {
		c.create("key", "v1", 1)
		for n := 2; n <= 3; n++ {
			if err := c.put("key", fmt.Sprintf("v%d", n), n); err != nil {
				c.Fatal(err)
			}
		}
		c.wantLabels("key", map[string]int{"AWSCURRENT": 3, "AWSPREVIOUS": 2})
	}},
	{name: "a version without labels can be read by its id", run: func(c cloud) {
		c.create("key", "v1", 1)
		for n := 2; n <= 3; n++ {
			if err := c.put("key", fmt.Sprintf("v%d", n), n); err != nil {
				c.Fatal(err)
			}
		}
		c.wantValue("v1", "key", 1, "")
	}},
	{name: "a pending value does not change the current one", run: func(c cloud) {
		c.staged("key")
		c.wantLabels("key", map[string]int{"AWSCURRENT": 1, "AWSPENDING": 2})
		c.wantValue("v1", "key", 0, "")
		c.wantValue("v2", "key", 0, "AWSPENDING")
	}},
	{name: "a move of AWSCURRENT leaves AWSPENDING where it is", run: func(c cloud) {
		c.staged("key")
		c.moved("key", "AWSCURRENT", 1, 2)
		c.wantLabels("key", map[string]int{"AWSCURRENT": 2, "AWSPENDING": 2, "AWSPREVIOUS": 1})
		c.moved("key", "AWSPENDING", 2, 0)
		c.wantLabels("key", map[string]int{"AWSCURRENT": 2, "AWSPREVIOUS": 1})
	}},
	{name: "a rollback swaps AWSCURRENT and AWSPREVIOUS", moto: "still reads the version that was current", run: func(c cloud) {
		c.create("key", "v1", 1)
		if err := c.put("key", "v2", 2); err != nil {
			c.Fatal(err)
		}
		c.moved("key", "AWSCURRENT", 2, 1)
		c.wantLabels("key", map[string]int{"AWSCURRENT": 1, "AWSPREVIOUS": 2})
		c.wantValue("v1", "key", 0, "")
	}},
	{name: "a put after a move leaves one version current", moto: "leaves AWSCURRENT on two", run: func(c cloud) {
		c.staged("key")
		c.moved("key", "AWSCURRENT", 1, 2)
		if err := c.put("key", "v3", 3); err != nil {
			c.Fatal(err)
		}
		c.wantLabels("key", map[string]int{"AWSCURRENT": 3, "AWSPENDING": 2, "AWSPREVIOUS": 2})
	}},
	{name: "the first value is the current one, whatever its labels", run: func(c cloud) {
		got(c.secrets.CreateSecret(c.Context(), &secretsmanager.CreateSecretInput{Name: new("key")}))(c)
		if err := c.put("key", "v1", 1, "AWSPENDING"); err != nil {
			c.Fatal(err)
		}
		c.wantLabels("key", map[string]int{"AWSCURRENT": 1, "AWSPENDING": 1})
	}},
	{name: "a put removes its labels from other versions", run: func(c cloud) {
		c.create("key", "v1", 1)
		for n := 2; n <= 3; n++ {
			if err := c.put("key", fmt.Sprintf("v%d", n), n, "mine", "AWSPENDING"); err != nil {
				c.Fatal(err)
			}
		}
		c.wantLabels("key", map[string]int{"AWSCURRENT": 1, "AWSPENDING": 3, "mine": 3})
	}},
	{name: "a move of AWSCURRENT must say where it is now", run: func(c cloud) {
		c.staged("key")
		c.refused("InvalidParameterException", c.move("key", "AWSCURRENT", 0, 2))
		c.refused("InvalidParameterException", c.move("key", "AWSCURRENT", 2, 2))
		c.refused("InvalidParameterException", c.move("key", "AWSCURRENT", 9, 2))
		c.wantLabels("key", map[string]int{"AWSCURRENT": 1, "AWSPENDING": 2})
	}},
	{name: "a move of a custom label must say where it is now", moto: "puts it on both versions", run: func(c cloud) {
		c.staged("key")
		c.moved("key", "mine", 0, 1)
		c.refused("InvalidParameterException", c.move("key", "mine", 0, 2))
		c.moved("key", "mine", 0, 1)
		c.moved("key", "mine", 1, 2)
		c.wantLabels("key", map[string]int{"AWSCURRENT": 1, "AWSPENDING": 2, "mine": 2})
	}},
	{name: "a custom label can be removed", run: func(c cloud) {
		c.staged("key")
		c.moved("key", "mine", 0, 1)
		c.refused("InvalidParameterException", c.move("key", "mine", 2, 0))
		c.moved("key", "mine", 1, 0)
		c.wantLabels("key", map[string]int{"AWSCURRENT": 1, "AWSPENDING": 2})
	}},
	{name: "AWSCURRENT cannot be removed", moto: "removes it", run: func(c cloud) {
		c.create("key", "v1", 1)
		c.refused("InvalidParameterException", c.move("key", "AWSCURRENT", 1, 0))
		c.wantLabels("key", map[string]int{"AWSCURRENT": 1})
	}},
	{name: "a label moves only between existing versions", run: func(c cloud) {
		c.create("key", "v1", 1)
		c.refused("InvalidParameterException", c.move("key", "mine", 0, 9))
		c.refused("ResourceNotFoundException", c.move("no such secret", "mine", 0, 1))
		c.wantLabels("key", map[string]int{"AWSCURRENT": 1})
	}},
	{name: "a move must say from where or to where", moto: "answers 200", run: func(c cloud) {
		c.create("key", "v1", 1)
		c.refused("InvalidParameterException", c.move("key", "mine", 0, 0))
	}},
	{name: "a label has from 1 to 256 characters", moto: "takes any label", run: func(c cloud) {
		c.create("key", "v1", 1)
		for _, label := range []string{"", strings.Repeat("l", 257)} {
			c.refused("ValidationException", c.put("key", "v2", 2, label))
			c.refused("ValidationException", c.move("key", label, 0, 1))
		}
		c.moved("key", strings.Repeat("l", 256), 0, 1)
	}},
	{name: "a secret has at most 20 labels", moto: "has no limit", run: func(c cloud) {
		c.create("key", "v1", 1)
		for n := range 19 {
			c.moved("key", fmt.Sprintf("label-%d", n), 0, 1)
		}
		c.refused("LimitExceededException", c.move("key", "one-too-many", 0, 1))
		c.refused("LimitExceededException", c.put("key", "v2", 2, "one-too-many"))
		_, err := c.read("key", 2, "")
		c.refused("ResourceNotFoundException", err)
	}},
	{name: "versions are listed page by page, oldest first", moto: "lists all versions on one page", run: func(c cloud) {
		c.create("key", "v1", 3)
		for _, n := range []int{1, 2} {
			if err := c.put("key", "v", n); err != nil {
				c.Fatal(err)
			}
		}
		c.wantVersions("key", false, 1, 2)
		c.wantVersions("key", true, 3, 1, 2)
	}},
}
