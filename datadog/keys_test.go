package datadog_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"credential-relay/datadog"
)

// keysOf returns keys without those that are empty.
func keysOf(api, application, token string) datadog.Keys {
	var keys datadog.Keys
	for text, key := range map[*string]*datadog.Secret{&api: &keys.API, &application: &keys.Application, &token: &keys.Token} {
		if *text != "" {
			*key = datadog.NewSecret(*text)
		}
	}
	return keys
}

func TestKeysCheck(t *testing.T) {
	cases := []struct {
		name string
		keys datadog.Keys
		want string // in the error; empty for none
	}{
		{"a pair", keysOf(apiKey, appKey, ""), ""},
		{"a token", keysOf("", "", token), ""},
		{"all printable characters", keysOf("", "", "!~AZaz09-._/+="), ""},
		{"none", keysOf("", "", ""), "there are no Datadog keys"},
		{"empty texts", datadog.Keys{API: datadog.NewSecret(""), Application: datadog.NewSecret("")}, "there are no Datadog keys"},
		{"nothing sealed", datadog.Keys{Token: datadog.NewSecret(nil)}, "there are no Datadog keys"},
		{"an API key alone", keysOf(apiKey, "", ""), "the application key is missing"},
		{"an application key alone", keysOf("", appKey, ""), "the API key is missing"},
		{"a token and a pair", keysOf(apiKey, appKey, token), "a bearer token and a key too"},
		{"a token and an API key", keysOf(apiKey, "", token), "a bearer token and a key too"},
		{"a token and an application key", keysOf("", appKey, token), "a bearer token and a key too"},
		{"a line break behind an API key", keysOf(apiKey+"\n", appKey, ""), "the API key holds"},
		{"a blank in front of an application key", keysOf(apiKey, " "+appKey, ""), "the application key holds"},
		{"a carriage return in a token", keysOf("", "", "ddsat\r"+token), "the bearer token holds"},
		{"a header in a token", keysOf("", "", "a\r\nX: b"), "the bearer token holds"},
		{"only a blank", keysOf("", "", " "), "the bearer token holds"},
		{"a zero byte", keysOf("", "", "a\x00"), "the bearer token holds"},
		{"a delete", keysOf("", "", "a\x7f"), "the bearer token holds"},
		{"a letter of no key", keysOf(apiKey, appKey+"ü", ""), "the application key holds"},
		{"a blank that is none", keysOf(apiKey+"\u00a0", appKey, ""), "the API key holds"},
		{"a byte-order mark", keysOf("\ufeff"+apiKey, appKey, ""), "the API key holds"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := c.keys.Check()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if err != nil {
				wantPresentable(t, err, apiKey, appKey, token)
			}
		})
	}
}

func TestKeysEqual(t *testing.T) {
	number := datadog.Keys{API: datadog.NewSecret(json.Number("1"))}
	cases := []struct {
		name string
		a, b datadog.Keys
		want bool
	}{
		{"the same pair", keysOf(apiKey, appKey, ""), keysOf(apiKey, appKey, ""), true},
		{"the same token", keysOf("", "", token), keysOf("", "", token), true},
		{"none", datadog.Keys{}, datadog.Keys{}, true},
		{"another API key", keysOf(apiKey, appKey, ""), keysOf(apiKey+"x", appKey, ""), false},
		{"another application key", keysOf(apiKey, appKey, ""), keysOf(apiKey, appKey+"x", ""), false},
		{"another token", keysOf("", "", token), keysOf("", "", token+"x"), false},
		{"in each other's place", keysOf(apiKey, appKey, ""), keysOf(appKey, apiKey, ""), false},
		{"a pair and a token", keysOf(apiKey, appKey, ""), keysOf("", "", token), false},
		{"a text and a number", keysOf("1", "", ""), number, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := c.a.Equal(&c.b); got != c.want {
				t.Errorf("got %t, want %t", got, c.want)
			}
			if got := c.b.Equal(&c.a); got != c.want {
				t.Errorf("the other way round, got %t, want %t", got, c.want)
			}
		})
	}
}

func TestKeysAreSent(t *testing.T) {
	pair := map[string][]string{"Dd-Api-Key": {apiKey}, "Dd-Application-Key": {appKey}}
	bearer := map[string][]string{"Authorization": {"Bearer " + token}}
	cases := []struct {
		name string
		keys datadog.Keys
		want map[string][]string
	}{
		{"a pair", keysOf(apiKey, appKey, ""), pair},
		{"a token", keysOf("", "", token), bearer},
		{"a token goes before a pair", keysOf(apiKey, appKey, token), bearer},
	}
	for _, c := range cases {
		for _, call := range calls {
			virtually(t, c.name+"/"+call.name, func(t *testing.T) {
				client, line := client(reply(503, ""), reply(200, call.good))
				client.Keys = datadog.Fixed(c.keys)
				if err := call.do(t.Context(), client); err != nil {
					t.Error(err)
				}
				for i, sent := range line.sent {
					if got := authentication(sent.header); !reflect.DeepEqual(got, c.want) {
						t.Errorf("try %d: got %v, want %v", i+1, got, c.want)
					}
					if strings.Contains(sent.target, "canary") {
						t.Errorf("try %d: a key is in the URL: %s", i+1, sent.target)
					}
				}
			})
		}
	}
}

func authentication(header http.Header) map[string][]string {
	found := map[string][]string{}
	for _, name := range []string{"Authorization", "Dd-Api-Key", "Dd-Application-Key", "Cookie", "Proxy-Authorization"} {
		if values := header.Values(name); len(values) > 0 {
			found[name] = values
		}
	}
	return found
}

// TestKeysAreAskedForAgain has Datadog refuse keys, as if they were rotated while the program had them.
func TestKeysAreAskedForAgain(t *testing.T) {
	pair, other := keysOf(apiKey, appKey, ""), keysOf("", "", token)
	same := func(*datadog.Keys) (*datadog.Keys, error) { return &pair, nil }
	others := func(*datadog.Keys) (*datadog.Keys, error) { return &other, nil }
	fails := func(*datadog.Keys) (*datadog.Keys, error) {
		return nil, errors.New("access denied to the keys' secret")
	}
	refused := func(status int) answer { return reply(status, `{"errors":["Unauthorized"]}`) }
	const good = 200

	cases := []struct {
		name    string
		again   func(refused *datadog.Keys) (*datadog.Keys, error)
		answers []int
		asked   int   // how often for other keys
		tries   []int // 1 is one with the pair, 2 one with the other keys
		status  int
	}{
		{"none refused", others, []int{good}, 0, []int{1}, good},
		{"401, and there are others", others, []int{401, good}, 1, []int{1, 2}, good},
		{"403, and there are others", others, []int{403, good}, 1, []int{1, 2}, good},
		{"401, and there are none", same, []int{401}, 1, []int{1}, 401},
		{"403, and there are none", same, []int{403}, 1, []int{1}, 403},
		{"401, and to ask fails", fails, []int{401}, 1, []int{1}, 401},
		{"403, and to ask fails", fails, []int{403}, 1, []int{1}, 403},
		{"401 to the others too", others, []int{401, 401}, 1, []int{1, 2}, 401},
		{"401, then 403", others, []int{401, 403}, 1, []int{1, 2}, 403},
		{"403, then 404", others, []int{403, 404}, 1, []int{1, 2}, 404},
		{"401, then trouble", others, []int{401, 503, 503, good}, 1, []int{1, 2, 2, 2}, good},
		{"401, then trouble for ever", others, []int{401, 503, 503, 503, 503, good}, 1, []int{1, 2, 2, 2, 2}, 503},
		{"trouble, then 401", others, []int{503, 429, 401, good}, 1, []int{1, 1, 1, 2}, good},
		{"trouble, 401, trouble", others, []int{503, 503, 503, 401, good}, 1, []int{1, 1, 1, 1, 2}, good},
		{"401, trouble, 401", others, []int{401, 503, 401}, 1, []int{1, 2, 2}, 401},
		{"400", others, []int{400}, 0, []int{1}, 400},
		{"404", others, []int{404}, 0, []int{1}, 404},
		{"503 for ever", others, []int{503, 503, 503, 503}, 0, []int{1, 1, 1, 1}, 503},
	}
	for _, c := range cases {
		for _, call := range calls {
			virtually(t, c.name+"/"+call.name, func(t *testing.T) {
				var answers []answer
				for _, status := range c.answers {
					if status == good {
						answers = append(answers, reply(good, call.good))
					} else {
						answers = append(answers, refused(status))
					}
				}
				client, line := client(answers...)
				first, again := 0, 0
				client.Keys = func(_ context.Context, refused *datadog.Keys) (*datadog.Keys, error) {
					if refused == nil {
						first++
						return &pair, nil
					}
					again++
					if refused != &pair {
						t.Error("asked for others than keys that it was not given")
					}
					return c.again(refused)
				}
				err := call.do(t.Context(), client)
				if c.status == good {
					if err != nil {
						t.Errorf("got %v, want none", err)
					}
				} else if failed := failure(t, err); failed.Status != c.status || strings.Contains(err.Error(), "access denied") {
					t.Errorf("got %v, want Datadog's own %d", err, c.status)
				}
				if first != 1 || again != c.asked {
					t.Errorf("asked %d times for keys and %d times for others, want 1 and %d", first, again, c.asked)
				}
				var tries []int
				for _, sent := range line.sent {
					if len(authentication(sent.header)["Authorization"]) == 1 {
						tries = append(tries, 2)
					} else {
						tries = append(tries, 1)
					}
				}
				want := c.tries
				if doubts(call.name, c.status) {
					want = append(slices.Clone(want), want[len(want)-1])
				}
				if !slices.Equal(tries, want) {
					t.Errorf("got tries %v, want %v", tries, want)
				}
				if line.tries() > 1 && c.answers[0] < 429 && tries[1] == 2 && !line.sent[1].at.Equal(line.sent[0].at) {
					t.Errorf("waited %s before it tried the other keys", line.sent[1].at.Sub(line.sent[0].at))
				}
			})
		}
	}
}

// TestKeysAreAskedForInEachCall has a source return other keys for each call.
func TestKeysAreAskedForInEachCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, line := client(says(409))
		given := []datadog.Keys{keysOf(apiKey, appKey, ""), keysOf("", "", token)}
		client.Keys = func(ctx context.Context, refused *datadog.Keys) (*datadog.Keys, error) {
			if refused != nil || ctx.Value(t) != "the caller's" {
				t.Errorf("asked with %p and a context that is not the caller's", refused)
			}
			return &given[line.tries()], nil
		}
		ctx := context.WithValue(t.Context(), t, "the caller's")
		for range given {
			if err := get(ctx, client); err == nil {
				t.Error("got no error from a 409")
			}
		}
		if a, b := authentication(line.sent[0].header), authentication(line.sent[1].header); len(a) != 2 || len(b) != 1 {
			t.Errorf("got %v, then %v", a, b)
		}
	})
}
