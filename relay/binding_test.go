package relay

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
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
	synctest.Test(t, func(t *testing.T) {
		w := bound(t)
		for i := range 24 {
			w.bind("secrets/"+oktaSecret, fmt.Sprintf("more-%02d", i), okta)
		}
		w.settle()
		results := w.relay(SecretNamed(oktaSecret), time.Minute)
		if len(results) != 25 || len(w.patches()) != 25 {
			t.Errorf("got %d results and %d PATCHes, want 25 of each", len(results), len(w.patches()))
		}
		for _, r := range results {
			if r.Outcome != Updated {
				t.Errorf("got %s, want updated", encoded(t, r))
			}
		}
		if pages := w.times("GetParametersByPath"); pages != 3 || w.reads() != 26 {
			t.Errorf("got %d pages of bindings and %d reads, want 3, and one read for all with one more for each", pages, w.reads())
		}
	})
}

// TestHalfTheBindings are not relayed when the other half cannot be listed: the
// next look has all of them.
func TestHalfTheBindings(t *testing.T) {
	w := bound(t)
	for i := range 12 {
		w.bind("secrets/"+oktaSecret, fmt.Sprintf("more-%02d", i), okta)
	}
	w.line.failing(once("GetParametersByPath", 2, awsFault(500, "InternalServerError")))
	r := w.relayOne(SecretNamed(oktaSecret), time.Minute)
	if r.Outcome != Failed || r.Error.Stage != AtBinding || !r.Error.Retryable {
		t.Errorf("got %s, want a retryable failure at %s", encoded(t, r), AtBinding)
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

// TestForeignSecret holds that a binding reads a secret of another account or
// region only if it pins that secret. Without a pin nothing is read at all: the
// sender of an event could name any region there.
func TestForeignSecret(t *testing.T) {
	const foreign = "arn:aws:secretsmanager:eu-west-1:999988887777:secret:prod/okta-GhIjKl"
	source, _ := SecretAt(foreign)
	w := newWorld(t)
	w.aws.Foreign(foreign, `{"api_token":"`+canary+`"}`)
	w.aws.PutSecret("prod/okta", `{"api_token":"another"}`)
	w.bind("secrets/prod/okta", "1111", `{"integration_type":"OKTA"}`)
	if r := w.relayOne(source, time.Minute); r.Outcome != Ignored || len(w.served()) != 1 {
		t.Errorf("without a pin: got %s after the calls %v, want ignored after a look at the bindings", encoded(t, r), w.served())
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
	if r := w.relayOne(source, time.Minute); r.Outcome != Updated || !w.holds("1111", `{"api_token":"`+canary+`"}`) {
		t.Errorf("with a pin: got %s, want updated", encoded(t, r))
	}
}

// TestReadByName has an event name a secret by its ARN, which was deleted and made
// again since. A binding without a pin reads whichever secret has the name now.
func TestReadByName(t *testing.T) {
	w := bound(t)
	before, _ := SecretAt(w.aws.SecretARN(oktaSecret))
	w.removeForGood()
	w.provide(KindSecret, canary+"-again")
	if w.aws.SecretARN(oktaSecret) == before.ARN {
		t.Fatal("the secret has the same ARN again")
	}
	if r := w.event(before, ""); r.Outcome != Updated || !w.holds("1111", `{"api_token":"`+canary+`-again"}`) {
		t.Errorf("got %s, want the credential of the secret that has the name now", encoded(t, r))
	}
}

// TestReferenceToASecret is no source: it has no versions and no events.
func TestReferenceToASecret(t *testing.T) {
	w := newWorld(t)
	w.provide(KindSecret, canary)
	w.bind("parameters/aws/reference/secretsmanager/"+oktaSecret, "1111", okta)
	r := w.relayOne(ParameterNamed("/aws/reference/secretsmanager/"+oktaSecret), time.Minute)
	if r.Outcome != Failed || r.Error.Stage != AtBinding || !strings.Contains(r.Error.Message, "bind the secret itself") || w.reads() != 0 {
		t.Errorf("got %s after %d reads, want failed at %s after none", encoded(t, r), w.reads(), AtBinding)
	}
}

// TestConfigByID finds a config's bindings however the letters of its id are
// written.
func TestConfigByID(t *testing.T) {
	for _, receipt := range []bool{false, true} {
		t.Run(fmt.Sprintf("with a receipt %t", receipt), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.provide(KindSecret, canary)
				w.bind("secrets/"+oktaSecret, "abcd", okta)
				if receipt {
					w.settle()
				}
				if r := w.asked(Request{Selector: Selector{ConfigID: "ABCD"}}); r.Outcome != Updated {
					t.Errorf("got %s, want updated", encoded(t, r))
				}
				if r := w.asked(Request{Selector: Selector{ConfigID: "another"}}); r.Outcome != Ignored {
					t.Errorf("another config: got %s, want ignored", encoded(t, r))
				}
			})
		})
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

// TestEnabled sends what the binding's mode says, and nothing of its own.
func TestEnabled(t *testing.T) {
	for _, c := range []struct {
		mode        EnabledMode
		before, now bool
	}{
		{Keep, true, true},
		{Keep, false, false},
		{On, false, true},
		{Off, true, false},
		{Follow, false, true},
	} {
		t.Run(fmt.Sprintf("%s from %t", c.mode, c.before), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := bound(t)
				w.mode(KindSecret, c.mode, c.before)
				r := w.relayOne(SecretNamed(oktaSecret), time.Minute)
				stored, _ := w.datadog.Config("1111")
				if r.Outcome != Updated || stored.Enabled != c.now || r.Enabled == nil || *r.Enabled != c.now {
					t.Errorf("got %s and enabled %t, want updated and %t", encoded(t, r), stored.Enabled, c.now)
				}
				for _, request := range w.datadog.Requests() {
					if sends := strings.Contains(request.Body, `"enabled"`); sends != (c.mode != Keep && request.Method == "PATCH") {
						t.Errorf("%s %s sends enabled: %t", request.Method, request.Path, sends)
					}
				}
			})
		})
	}
}
