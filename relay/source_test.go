package relay

import (
	"strings"
	"testing"
)

func TestSecretAt(t *testing.T) {
	for _, c := range []struct {
		name, arn string
		want      string // the secret's name; none when the ARN is not a full one of a secret
	}{
		{"a secret", "arn:aws:secretsmanager:us-east-1:111122223333:secret:prod/okta-AbCdEf", "prod/okta"},
		{"of GovCloud", "arn:aws-us-gov:secretsmanager:us-gov-west-1:111122223333:secret:prod/okta-AbCdEf", "prod/okta"},
		{"of China", "arn:aws-cn:secretsmanager:cn-north-1:111122223333:secret:prod/okta-AbCdEf", "prod/okta"},
		{"of a service of AWS", "arn:aws:secretsmanager:us-east-1:111122223333:secret:rds!db-1-AbCdEf", "rds!db-1"},
		{"with a name that looks like an ARN's end", "arn:aws:secretsmanager:us-east-1:111122223333:secret:prod/okta-AbCdEf-GhIjKl", "prod/okta-AbCdEf"},
		{"with a suffix of digits", "arn:aws:secretsmanager:us-east-1:111122223333:secret:prod/okta-012345", "prod/okta"},
		{"with the longest name", "arn:aws:secretsmanager:us-east-1:111122223333:secret:" + strings.Repeat("n", 512) + "-AbCdEf", strings.Repeat("n", 512)},

		{"nothing", "", ""},
		{"a name", "prod/okta-AbCdEf", ""},
		{"without a suffix", "arn:aws:secretsmanager:us-east-1:111122223333:secret:prod/okta", ""},
		{"with half a suffix", "arn:aws:secretsmanager:us-east-1:111122223333:secret:prod/okta-AbCdE", ""},
		{"with a suffix that is none", "arn:aws:secretsmanager:us-east-1:111122223333:secret:prod/okta-AbC_Ef", ""},
		{"with a line break behind it", "arn:aws:secretsmanager:us-east-1:111122223333:secret:prod/okta-AbCdEf\n", ""},
		{"with a suffix alone", "arn:aws:secretsmanager:us-east-1:111122223333:secret:-AbCdEf", ""},
		{"with a name that is too long", "arn:aws:secretsmanager:us-east-1:111122223333:secret:" + strings.Repeat("n", 513) + "-AbCdEf", ""},
		{"of another resource", "arn:aws:secretsmanager:us-east-1:111122223333:policy:prod/okta-AbCdEf", ""},
		{"of another service", "arn:aws:ssm:us-east-1:111122223333:secret:prod/okta-AbCdEf", ""},
		{"a parameter", "arn:aws:ssm:us-east-1:111122223333:parameter/prod/okta-AbCdEf", ""},
		{"half an ARN", "arn:aws:secretsmanager", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := Source{}
			if c.want != "" {
				part := strings.Split(c.arn, ":")
				want = Source{Kind: KindSecret, Name: c.want, ARN: c.arn, Region: part[3], Account: part[4]}
			}
			if got, ok := SecretAt(c.arn); got != want || ok != (c.want != "") {
				t.Errorf("got %+v, %t, want %+v", got, ok, want)
			}
		})
	}
}

func TestSecretNamed(t *testing.T) {
	const ours = "arn:aws:secretsmanager:us-east-1:111122223333:secret:"
	for _, c := range []struct {
		name, id string
		want     Source
	}{
		{"a name", "prod/okta", Source{Kind: KindSecret, Name: "prod/okta"}},
		{"a name that looks like an ARN's end", "prod/okta-AbCdEf", Source{Kind: KindSecret, Name: "prod/okta-AbCdEf"}},
		{"an ARN", ours + "prod/okta-AbCdEf", Source{Kind: KindSecret, Name: "prod/okta", ARN: ours + "prod/okta-AbCdEf", Account: "111122223333", Region: "us-east-1", partial: true}},
		{"an ARN without its suffix", ours + "prod/okta", Source{Kind: KindSecret, Name: "prod/okta", ARN: ours + "prod/okta", Account: "111122223333", Region: "us-east-1", partial: true}},
		{"of GovCloud", "arn:aws-us-gov:secretsmanager:us-gov-west-1:111122223333:secret:okta", Source{
			Kind: KindSecret, Name: "okta", ARN: "arn:aws-us-gov:secretsmanager:us-gov-west-1:111122223333:secret:okta", Account: "111122223333", Region: "us-gov-west-1", partial: true,
		}},
		{"of China", "arn:aws-cn:secretsmanager:cn-north-1:111122223333:secret:okta-AbCdEf", Source{
			Kind: KindSecret, Name: "okta", ARN: "arn:aws-cn:secretsmanager:cn-north-1:111122223333:secret:okta-AbCdEf", Account: "111122223333", Region: "cn-north-1", partial: true,
		}},
		{"the ARN of something else is a name that there is not", "arn:aws:ssm:us-east-1:111122223333:parameter/x", Source{
			Kind: KindSecret, Name: "arn:aws:ssm:us-east-1:111122223333:parameter/x",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := SecretNamed(c.id); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestParameterNamed(t *testing.T) {
	for _, c := range []struct{ name, given, want string }{
		{"a word", "flat", "flat"},
		{"a word with a slash", "/flat", "/flat"},
		{"levels", "/prod/okta", "/prod/okta"},
		{"levels without the first slash", "prod/okta", "/prod/okta"},
		{"dots", "../prod", "/../prod"},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := Source{Kind: KindParameter, Name: c.want}
			if got := ParameterNamed(c.given); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}
