package relay

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"credential-relay/internal/awssim"
)

const ourSecrets = "arn:aws:secretsmanager:" + awssim.Region + ":" + awssim.Account + ":secret:"

// TestManyBindings relays a source that feeds more configs than a page of
// bindings holds.
func TestManyBindings(t *testing.T) {
	w := bound(t)
	for i := range 24 {
		w.bind("secrets/"+oktaSecret, fmt.Sprintf("more-%02d", i), okta)
	}
	outcomes := w.relay(SecretNamed(oktaSecret), time.Minute)
	if len(outcomes) != 25 {
		t.Errorf("got %d outcomes, want 25", len(outcomes))
	}
	for _, o := range outcomes {
		if o.Outcome != Updated {
			t.Errorf("got %s, want updated", encoded(t, o))
		}
		if stored, _ := w.datadog.Config(string(o.ConfigID)); stored.Patches != 1 {
			t.Errorf("%s: got %d PATCHes, want one", o.ConfigID, stored.Patches)
		}
	}
	pages := 0
	for _, call := range w.aws.Calls() {
		if call.Operation == "GetParametersByPath" {
			pages++
		}
	}
	if pages != 3 || w.reads() != 26 {
		t.Errorf("got %d pages of bindings and %d reads, want 3, and one read for all with one more for each", pages, w.reads())
	}
}

// TestHalfTheBindings are not relayed when the other half cannot be listed: the
// next look has all of them.
func TestHalfTheBindings(t *testing.T) {
	w := bound(t)
	for i := range 12 {
		w.bind("secrets/"+oktaSecret, fmt.Sprintf("more-%02d", i), okta)
	}
	w.line.failing(once("GetParametersByPath", 2, awsFault(500, "InternalServerError")))
	o := w.relayOne(SecretNamed(oktaSecret), time.Minute)
	if o.Outcome != Failed || o.Error.Stage != AtBinding || !o.Error.Retryable {
		t.Errorf("got %s, want a retryable failure at %s", encoded(t, o), AtBinding)
	}
}

// TestWhereBindingsAre looks for the bindings of a source, whatever its name
// is made of, and never outside the directory of its kind.
func TestWhereBindingsAre(t *testing.T) {
	for _, c := range []struct {
		name   string
		source Source
		want   string
	}{
		{"a name of levels", SecretNamed("prod/okta/datadog"), "secrets/prod/okta/datadog"},
		{"a flat name", SecretNamed("okta"), "secrets/okta"},
		{"an ARN", SecretNamed(ourSecrets + "prod/okta-AbCdEf"), "secrets/prod/okta"},
		{"every symbol of a secret's name", SecretNamed("a/b_c+d=e.f@g-h!i"), "secrets/a/b_c_d_e.f_g-h_i"},
		{"a symbol of no name", SecretNamed("a b:c*d%2F\x00"), "secrets/a_b_c_d_2F_"},
		{"beyond ASCII", SecretNamed("schlüssel"), "secrets/schl_ssel"},
		{"a leading slash", SecretNamed("/prod/okta"), "secrets/prod/okta"},
		{"slashes everywhere", SecretNamed("//prod///okta//"), "secrets/prod/okta"},
		{"a way up", SecretNamed("../parameters/okta"), "secrets/parameters/okta"},
		{"a long way up", SecretNamed("a/../../../../etc"), "secrets/etc"},
		{"a step that is none", SecretNamed("./a/./b"), "secrets/a/b"},
		{"dots that are no steps", SecretNamed(".../a..b"), "secrets/.../a..b"},
		{"only a way up", SecretNamed(".."), "secrets"},
		{"a parameter of levels", ParameterNamed("/prod/okta"), "parameters/prod/okta"},
		{"a flat parameter", ParameterNamed("okta"), "parameters/okta"},
		{"a parameter's way up", ParameterNamed("/../secrets/okta"), "parameters/secrets/okta"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.relay(c.source, time.Minute)
			want := []awssim.Call{{Operation: "GetParametersByPath", Resource: "/credential-relay/" + c.want}}
			if got := w.aws.Calls(); !slices.Equal(got, want) {
				t.Errorf("got the calls %v, want %v", got, want)
			}
		})
	}
}

// TestNamesThatMeet has sources whose bindings are in one place, or seem to be:
// a binding is about one of them, and the others' values go nowhere.
func TestNamesThatMeet(t *testing.T) {
	const value = `{"api_token":"%s of %s"}`
	pinned := func(arn string) string { return `{"integration_type":"OKTA","secret_arn":"` + arn + `"}` }
	for _, c := range []struct {
		name    string
		feeds   string // the secret that the config 1111 is fed from
		binding string
		options string
		others  []string
	}{
		{"a secret named as another's ARN ends", "prod/okta", "prod/okta", okta, []string{"prod/okta-AbCdEf", "prod/okta-AbCdEf-AbCdEf"}},
		{"the same, the other way", "prod/okta-AbCdEf", "prod/okta-AbCdEf", okta, []string{"prod/okta", "prod/okta-AbCdEf-AbCdEf"}},
		{"the same, pinned", "prod/okta-AbCdEf", "prod/okta-AbCdEf", pinned(ourSecrets + "prod/okta-AbCdEf-AbCdEf"), []string{"prod/okta"}},
		{"names that begin alike", "prod/okta", "prod/okta", okta, []string{"prod/okta-datadog", "prod", "prod/okta/datadog", "prod/okta/1111"}},
		{"names that begin alike, pinned", "prod/okta-datadog", "prod/okta-datadog", pinned(ourSecrets + "prod/okta-datadog-AbCdEf"), []string{"prod/okta"}},
		{"names that Parameter Store cannot hold", "prod/okta_1", "prod/okta_1", okta, []string{"prod/okta+1", "prod/okta=1", "prod/okta!1", "prod/okta@1"}},
		{"names that Parameter Store cannot hold, pinned", "prod/okta+1", "prod/okta_1", pinned(ourSecrets + "prod/okta+1-AbCdEf"), []string{"prod/okta_1", "prod/okta=1"}},
		{"names with a way up", "prod/okta", "prod/okta", okta, []string{"prod/x/../okta", "../secrets/prod/okta", "prod/./okta"}},
		{"names with slashes", "prod/okta", "prod/okta", okta, []string{"/prod/okta", "prod//okta", "prod/okta/"}},
		{"names in another case", "prod/okta", "prod/okta", okta, []string{"prod/Okta", "PROD/OKTA"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.bind("secrets/"+c.binding, "1111", c.options)
			for _, name := range append(c.others, c.feeds) {
				w.aws.PutSecret(name, fmt.Sprintf(value, canary, name))
			}
			for _, name := range append(c.others, c.feeds) {
				full := w.aws.SecretARN(name)
				sent, _ := SecretAt(full)
				partial := strings.TrimSuffix(full, full[len(full)-7:])
				for _, source := range []Source{SecretNamed(name), SecretNamed(full), SecretNamed(partial), sent} {
					w.relay(source, time.Minute)
					if !w.holds("1111", `{"api_token":"old"}`) && !w.holds("1111", fmt.Sprintf(value, canary, c.feeds)) {
						stored, _ := w.datadog.Config("1111")
						t.Errorf("by %+v Datadog got %v", source, stored.Secrets)
					}
				}
			}
			if !w.holds("1111", fmt.Sprintf(value, canary, c.feeds)) {
				t.Errorf("Datadog did not get the credential of %s", c.feeds)
			}
		})
	}
}

// TestForeignSecret is read by its full ARN and in its own region, for a binding
// that pins it, and not even read for one that does not: whoever sends an event
// could name any region there.
func TestForeignSecret(t *testing.T) {
	const foreign = "arn:aws:secretsmanager:eu-west-1:999988887777:secret:prod/okta-GhIjKl"
	source, _ := SecretAt(foreign)
	w := newWorld(t)
	w.aws.Foreign(foreign, `{"api_token":"`+canary+`"}`)
	w.bind("secrets/prod/okta", "1111", `{"integration_type":"OKTA"}`)
	if o := w.relayOne(source, time.Minute); o.Outcome != Ignored || w.reads() != 0 {
		t.Errorf("without a pin: got %s after %d reads, want ignored after none", encoded(t, o), w.reads())
	}
	w.bind("secrets/prod/okta", "1111", `{"integration_type":"OKTA","secret_arn":"`+foreign+`"}`)
	w.line.failing(func(this call) fault {
		return func(request *http.Request, serve func() *http.Response) (*http.Response, error) {
			here := strings.Contains(request.Header.Get("Authorization"), "/eu-west-1/secretsmanager/")
			if here != (this.operation == "GetSecretValue") {
				t.Errorf("%s is signed as %s", this.operation, request.Header.Get("Authorization"))
			}
			return serve(), nil
		}
	})
	if o := w.relayOne(source, time.Minute); o.Outcome != Updated || !w.holds("1111", `{"api_token":"`+canary+`"}`) {
		t.Errorf("with a pin: got %s, want updated", encoded(t, o))
	}
}

// TestTwoKinds keeps secrets and parameters of one name apart.
func TestTwoKinds(t *testing.T) {
	w := newWorld(t)
	w.aws.PutSecret("prod/okta", `{"api_token":"the secret"}`)
	w.aws.PutParameter("/prod/okta", "SecureString", `{"api_token":"the parameter"}`)
	w.bind("secrets/prod/okta", "1111", okta)
	w.bind("parameters/prod/okta", "2222", okta)
	w.relay(SecretNamed("prod/okta"), time.Minute)
	w.relay(ParameterNamed("prod/okta"), time.Minute)
	if !w.holds("1111", `{"api_token":"the secret"}`) || !w.holds("2222", `{"api_token":"the parameter"}`) {
		t.Error("a config got what the other is bound to")
	}
}

func TestMismatch(t *testing.T) {
	const (
		name   = "prod/okta"
		full   = ourSecrets + name + "-AbCdEf"
		typed  = true
		sent   = false
		theirs = "arn:aws:secretsmanager:us-east-1:999988887777:secret:prod/okta-AbCdEf"
		abroad = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/okta-AbCdEf"
	)
	known := func(name, arn string, typed bool) Source {
		source := secretIn(arn, name)
		source.Name, source.partial = name, typed
		return source
	}
	for _, c := range []struct {
		name   string
		bound  string // what the binding is named for
		pin    string
		source Source
		want   string // in the reason; none for a match
	}{
		{"by name", name, "", SecretNamed(name), ""},
		{"by ARN", name, "", known(name, full, sent), ""},
		{"by an ARN that a person gave", name, "", known(name, full, typed), ""},
		{"by half an ARN", name, "", known(name, ourSecrets+name, typed), ""},
		{"by another name", "prod_okta", "", SecretNamed("prod+okta"), "the binding is named for prod_okta"},
		{"by another name's ARN", "prod_okta", "", known("prod+okta", ourSecrets+"prod+okta-AbCdEf", sent), "the binding is named for prod_okta"},
		{"of another account", name, "", known(name, theirs, sent), "another account or region"},
		{"of another account, by a person", name, "", known(name, theirs, typed), "another account or region"},
		{"of another region", name, "", known(name, abroad, sent), "another account or region"},

		{"pinned", name, full, known(name, full, sent), ""},
		{"pinned, by name: the ARN is known when it has been read", name, full, SecretNamed(name), ""},
		{"pinned, under another name", "prod_okta", full, known("prod+okta", full, sent), ""},
		{"pinned, by half an ARN", name, full, known(name, ourSecrets+name, typed), ""},
		{"pinned, of another account", name, theirs, known(name, theirs, sent), ""},
		{"pinned to another account", name, theirs, known(name, full, sent), "pins another secret: " + theirs},
		{"pinned to another region", name, abroad, known(name, full, sent), "pins another secret: " + abroad},
		{"pinned to a secret of that name that is gone", name, ourSecrets + name + "-GhIjKl", known(name, full, sent), "pins another secret"},
		{"pinned to the ARN with more behind it", name, full + "-GhIjKl", known(name, full, sent), "pins another secret"},
		{"pinned in another case", name, strings.Replace(full, "okta", "Okta", 1), known(name, full, sent), "pins another secret"},
		{"pinned to a name that begins alike", name, ourSecrets + "prod/okta2-AbCdEf", known(name, ourSecrets+name, typed), "pins another secret"},
		{"an event's half an ARN is no ARN", name, full, known(name, ourSecrets+name, sent), "pins another secret"},

		{"a parameter", "prod/okta", "", ParameterNamed("/prod/okta"), ""},
		{"a flat parameter", "okta", "", ParameterNamed("okta"), ""},
		{"another parameter", "prod/okta", "", ParameterNamed("/prod/okta_"), "the binding is named for prod/okta"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := Binding{
				Source: Source{Kind: c.source.Kind, Name: c.bound}, boundName: c.bound,
				home: arn.ARN{AccountID: awssim.Account, Region: awssim.Region},
			}
			if c.pin != "" {
				b.Source, _ = SecretAt(c.pin)
			}
			got := b.mismatch(c.source)
			if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestRefusedBindings are those that the scenarios of cmd/lambda do not show.
func TestRefusedBindings(t *testing.T) {
	fine := types.Parameter{
		Name: aws.String("/credential-relay/secrets/prod/okta/1111"), Type: types.ParameterTypeString,
		ARN: aws.String("arn:aws:ssm:us-east-1:111122223333:parameter/credential-relay/secrets/prod/okta/1111"), Value: aws.String(okta),
	}
	for _, c := range []struct {
		name   string
		kind   Kind
		change func(*types.Parameter)
		want   string
	}{
		{"none of them", KindSecret, func(*types.Parameter) {}, ""},
		{"without an ARN", KindSecret, func(p *types.Parameter) { p.ARN = nil }, "has no ARN"},
		{"a list", KindSecret, func(p *types.Parameter) { p.Type = types.ParameterTypeStringList }, "is of type StringList"},
		{"without a value", KindSecret, func(p *types.Parameter) { p.Value = nil }, "is not a JSON object"},
		{"an array", KindSecret, value(`["OKTA"]`), "is not a JSON object"},
		{"null", KindSecret, value(`null`), "is not a JSON object"},
		{"something behind it", KindSecret, value(okta + "x"), "is not a JSON object"},
		{"a type that is a number", KindSecret, value(`{"integration_type":1}`), "integration_type: must be"},
		{"a type that is null", KindSecret, value(`{"integration_type":null}`), "integration_type: must be"},
		{"a type with a line break", KindSecret, value(`{"integration_type":"OKTA\n"}`), "integration_type: must be"},
		{"secrets that are null", KindSecret, value(`{"integration_type":"OKTA","secrets":null}`), "secrets: must be"},
		{"secrets that are numbers", KindSecret, value(`{"integration_type":"OKTA","secrets":{"api_token":1}}`), "secrets: must be"},
		{"enabled in another case", KindSecret, value(`{"integration_type":"OKTA","enabled":"On"}`), "enabled: must be"},
		{"a pin that is half an ARN", KindSecret, value(`{"integration_type":"OKTA","secret_arn":"` + ourSecrets + `prod/okta"}`), "secret_arn: must be"},
		{"a pin that is a parameter's ARN", KindSecret, value(`{"integration_type":"OKTA","secret_arn":"arn:aws:ssm:us-east-1:111122223333:parameter/x-AbCdEf"}`), "secret_arn: must be"},
		{"a pin of a parameter", KindParameter, value(`{"integration_type":"OKTA","secret_arn":"` + ourSecrets + `prod/okta-AbCdEf"}`), "secret_arn: only a secret can be pinned"},
	} {
		t.Run(c.name, func(t *testing.T) {
			parameter := fine
			c.change(&parameter)
			got := parseBinding(c.kind, "/credential-relay/"+string(c.kind)+"s", parameter)
			if c.want == "" && got.fault != nil || c.want != "" && (got.fault == nil || !strings.Contains(got.fault.Error(), c.want)) {
				t.Errorf("got the fault %v, want %q", got.fault, c.want)
			}
			if got.Parameter != *fine.Name || got.ConfigID != "1111" {
				t.Errorf("got %s and %s, so a fault would not say whose it is", got.Parameter, got.ConfigID)
			}
		})
	}
}

func value(text string) func(*types.Parameter) {
	return func(p *types.Parameter) { p.Value = &text }
}

// TestEnabled sends what the binding's policy says, and nothing of its own.
func TestEnabled(t *testing.T) {
	for _, c := range []struct {
		policy      string
		before, now bool
	}{
		{"keep", true, true},
		{"keep", false, false},
		{"on", false, true},
		{"off", true, false},
		{"follow", false, true},
	} {
		t.Run(fmt.Sprintf("%s from %t", c.policy, c.before), func(t *testing.T) {
			w := bound(t)
			w.bind("secrets/"+oktaSecret, "1111", `{"integration_type":"OKTA","enabled":"`+c.policy+`"}`)
			config, _ := w.datadog.Config("1111")
			config.Enabled = c.before
			w.datadog.PutConfig(config)
			o := w.relayOne(SecretNamed(oktaSecret), time.Minute)
			stored, _ := w.datadog.Config("1111")
			if o.Outcome != Updated || stored.Enabled != c.now || o.Enabled == nil || *o.Enabled != c.now {
				t.Errorf("got %s and enabled %t, want updated and %t", encoded(t, o), stored.Enabled, c.now)
			}
			for _, request := range w.datadog.Requests() {
				if sends := strings.Contains(request.Body, `"enabled"`); sends != (c.policy != "keep" && request.Method == "PATCH") {
					t.Errorf("%s %s sends enabled: %t", request.Method, request.Path, sends)
				}
			}
		})
	}
}
