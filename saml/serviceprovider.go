package saml

// MetadataType is the media type of SAML metadata (RFC 3023 registration in Metadata section 4.1.1).
const MetadataType = "application/samlmetadata+xml"

// ServiceProvider is our side of a connection.
type ServiceProvider struct {
	EntityID string // our name, an absolute URI
	ACS      string // the assertion consumer service, where Responses are posted
	Name     string // for people who read the metadata; may be ""
}

// Metadata returns the service provider's metadata. Equal values give equal bytes.
func (sp ServiceProvider) Metadata() []byte { return nil }
