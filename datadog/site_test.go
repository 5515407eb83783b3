package datadog_test

import (
	"strings"
	"testing"

	"credential-relay/datadog"
)

func TestSiteURL(t *testing.T) {
	// As in https://docs.datadoghq.com/getting_started/site/.
	want := map[string]string{
		"datadoghq.com":     "https://api.datadoghq.com",
		"us3.datadoghq.com": "https://api.us3.datadoghq.com",
		"us5.datadoghq.com": "https://api.us5.datadoghq.com",
		"ap1.datadoghq.com": "https://api.ap1.datadoghq.com",
		"ap2.datadoghq.com": "https://api.ap2.datadoghq.com",
		"uk1.datadoghq.com": "https://api.uk1.datadoghq.com",
		"datadoghq.eu":      "https://api.datadoghq.eu",
		"ddog-gov.com":      "https://api.ddog-gov.com",
		"us2.ddog-gov.com":  "https://api.us2.ddog-gov.com",
	}
	if len(datadog.Sites) != len(want) {
		t.Errorf("got %d sites, want %d", len(datadog.Sites), len(want))
	}
	for site, want := range want {
		t.Run(site, func(t *testing.T) {
			got, err := datadog.SiteURL(site)
			if err != nil || got.String() != want {
				t.Errorf("got %v, %v, want %s", got, err, want)
			}
			if parsed, err := datadog.ParseURL(want); err != nil || parsed.String() != want {
				t.Errorf("as an address, got %v, %v, want %s", parsed, err, want)
			}
		})
	}
}

func TestSiteURLRefuses(t *testing.T) {
	for _, site := range []string{
		"", " ", "datadoghq", "datadoghq.com ", "DATADOGHQ.COM", "api.datadoghq.com", "https://datadoghq.com", "us1.datadoghq.com", "us4.datadoghq.com",
		"datadoghq.com.evil.example", "evil.example", "evil.example/datadoghq.com", "datadoghq.com@evil.example", "datadoghq.com:444", "datadoghq.com/x",
	} {
		t.Run(site, func(t *testing.T) {
			got, err := datadog.SiteURL(site)
			if err == nil {
				t.Fatalf("got %s, want an error", got)
			}
			for _, known := range datadog.Sites {
				if !strings.Contains(err.Error(), " "+known) {
					t.Errorf("the error lacks %s: %v", known, err)
				}
			}
		})
	}
}

func TestParseURL(t *testing.T) {
	cases := []struct{ name, address, err string }{
		{"https", "https://api.datadoghq.com", ""},
		{"a port", "https://proxy.example:8443", ""},
		{"a base path", "https://proxy.example/datadog/v1", ""},
		{"a slash", "https://proxy.example/", ""},
		{"an escaped base path", "https://proxy.example/a%2Fb", ""},
		{"an address of numbers", "https://10.0.0.1", ""},
		{"an address of version 6", "https://[2001:db8::1]:8443", ""},
		{"http to 127.0.0.1", "http://127.0.0.1:8080", ""},
		{"http to 127.9.9.9", "http://127.9.9.9/base", ""},
		{"http to [::1]", "http://[::1]:8080/base", ""},
		{"http to localhost", "http://localhost:8080", ""},

		{"http elsewhere", "http://api.datadoghq.com", "loopback"},
		{"http to an address of numbers", "http://10.0.0.1", "loopback"},
		{"http to 0.0.0.0", "http://0.0.0.0", "loopback"},
		{"http to a name like a loopback's", "http://localhost.evil.example", "loopback"},
		{"http to numbers in a name", "http://127.0.0.1.evil.example", "loopback"},
		{"http to a name with a loopback behind", "http://evil.example:80/127.0.0.1", "loopback"},
		{"another scheme", "ftp://127.0.0.1", "https"},
		{"a file", "file:///etc/passwd", "https://host"},
		{"userinfo", "https://user:pass@proxy.example", "https://host"},
		{"a user", "https://user@proxy.example", "https://host"},
		{"a loopback for a user", "http://127.0.0.1@evil.example", "https://host"},
		{"a query", "https://proxy.example?a=b", "https://host"},
		{"an empty query", "https://proxy.example?", "https://host"},
		{"a fragment", "https://proxy.example#a", "https://host"},
		{"an empty fragment", "https://proxy.example/#", "https://host"},
		{"no scheme", "proxy.example", "https://host"},
		{"no scheme but slashes", "//proxy.example", "https"},
		{"a scheme in the place of a host", "localhost:8080", "https://host"},
		{"no host", "https:///path", "https://host"},
		{"only a port", "https://:8443", "https://host"},
		{"opaque", "https:proxy.example", "https://host"},
		{"empty", "", "https://host"},
		{"a blank in front", " https://proxy.example", "not a URL"},
		{"a line break behind", "https://proxy.example\n", "not a URL"},
		{"a bad escape", "https://proxy.example/%zz", "not a URL"},
		{"a bad address of version 6", "https://[::1", "not a URL"},
		{"a bad port", "https://proxy.example:port", "not a URL"},
		{"a secret by mistake", apiToken + ":\x00", "not a URL"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := datadog.ParseURL(c.address)
			if c.err == "" {
				if err != nil || got.String() != c.address {
					t.Errorf("got %v, %v, want %s", got, err, c.address)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Fatalf("got %v, %v, want an error with %q", got, err, c.err)
			}
			if c.address != "" && strings.Contains(err.Error(), c.address) {
				t.Errorf("the error quotes the address, which may hold a password: %v", err)
			}
		})
	}
}
