package datadog

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
)

// Sites are Datadog's sites. The API of each is at https://api.{site}.
// https://docs.datadoghq.com/getting_started/site/.
var Sites = []string{
	"datadoghq.com", "us3.datadoghq.com", "us5.datadoghq.com", "ap1.datadoghq.com", "ap2.datadoghq.com",
	"uk1.datadoghq.com", "datadoghq.eu", "ddog-gov.com", "us2.ddog-gov.com",
}

// SiteURL returns the address of a site's API. It returns an error for a site that
// is not among Sites, because credentials are sent there.
func SiteURL(site string) (*url.URL, error) {
	if !slices.Contains(Sites, site) {
		return nil, fmt.Errorf("%q is not a Datadog site; use one of %s", site, strings.Join(Sites, ", "))
	}
	return &url.URL{Scheme: "https", Host: "api." + site}, nil
}

// ParseURL parses an address that is used instead of a site's API, such as a
// private link or a proxy. The address must be https, or http to a loopback host,
// and can have a base path.
func ParseURL(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, errors.New("is not a URL")
	case u.Hostname() == "" || u.User != nil || strings.ContainsAny(address, "?#"):
		return nil, errors.New("must be https://host, with a port and a base path if need be, and nothing else")
	case u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()):
		return u, nil
	default:
		return nil, errors.New("must be https, or http to a loopback host")
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
