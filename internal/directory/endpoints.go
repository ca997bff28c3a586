package directory

import "strings"

// SAMLPlaces are our addresses of one SAML connection, as its IdP and its people use them.
type SAMLPlaces struct {
	EntityID string // our name at that IdP: the address of the metadata
	Metadata string
	ACS      string // where the IdP's answers are posted
	Login    string // where a sign-in begins
	Logout   string // where logout messages come, by Redirect and POST
}

// SAMLEndpoints returns the addresses of the connection with that id on the origin publicURL. They
// depend on nothing else, so that they are the same for as long as the connection exists.
func SAMLEndpoints(publicURL, connection string) SAMLPlaces {
	base := strings.TrimRight(publicURL, "/") + "/auth/saml/" + connection
	return SAMLPlaces{EntityID: base + "/metadata", Metadata: base + "/metadata", ACS: base + "/acs", Login: base + "/login", Logout: base + "/logout"}
}
