package saml

import "time"

// MetadataType is the media type of SAML metadata (Metadata appendix A).
const MetadataType = "application/samlmetadata+xml"

// ServiceProvider is our side of a connection. To verify, EntityID and ACS are enough; the rest is
// what Metadata tells the identity provider.
type ServiceProvider struct {
	EntityID string // our name, an absolute URI
	ACS      string // the assertion consumer service, where Responses are posted
	Name     string // for people who read the metadata; may be ""

	// ArtifactACS tells that artifacts are taken at ACS as well.
	ArtifactACS bool
	// Logout are the single logout services for Redirect and POST; none for no single logout.
	Logout []Endpoint
	// SigningCertificates are of the keys that sign requests and logout messages. While keys are
	// changed there are two: the next is published before it is used, the last until nobody
	// can hold a message of it any more.
	SigningCertificates []Certificate
	// EncryptionCertificates are of the keys that assertions may be encrypted for. An identity
	// provider takes one of them; all must be among Expectation.DecryptionKeys.
	EncryptionCertificates []Certificate
	// AuthnRequestsSigned tells that every AuthnRequest is signed.
	AuthnRequestsSigned bool
	// AllowCBC lists AES-CBC among the encryption methods; see Expectation.AllowCBC.
	AllowCBC bool
	// NameIDFormats are in the order of preference. With none, Metadata names persistent, e-mail
	// address and unspecified: a persistent name survives a change of address. Identity providers
	// are free in what they send.
	NameIDFormats []string
	// ValidUntil and CacheDuration tell how long the metadata may be kept; zero for nothing said.
	ValidUntil    time.Time
	CacheDuration time.Duration
}
