package saml

import (
	"net/url"
	"strings"
)

// checkLocation refuses addresses to which no browser may be sent: an IdP's metadata is input,
// and "javascript:" in a Location has been script on the service provider's own pages (CVE-2023-45683).
func checkLocation(location string) (*url.URL, error) {
	for i := range len(location) {
		if location[i] <= ' ' || location[i] == '\\' || location[i] == 0x7f {
			return nil, sentencef("The address %s has a character that addresses cannot have.", quote(location))
		}
	}
	u, err := url.Parse(location)
	switch {
	case err != nil:
		return nil, sentencef("%s is not an address.", quote(location))
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, sentencef("The address %s does not begin with https.", quote(location))
	case u.Hostname() == "":
		return nil, sentencef("The address %s names no host.", quote(location))
	case u.User != nil:
		return nil, sentencef("The address %s carries a user name.", quote(location))
	case strings.Contains(location, "#"):
		return nil, sentencef("The address %s has a fragment.", quote(location))
	}
	return u, nil
}
