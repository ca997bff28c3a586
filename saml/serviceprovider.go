package saml

// MetadataType is the media type of SAML metadata (Metadata appendix A).
const MetadataType = "application/samlmetadata+xml"

// ServiceProvider is our side of a connection.
type ServiceProvider struct {
	EntityID string // our name, an absolute URI
	ACS      string // the assertion consumer service, where Responses are posted
	Name     string // for people who read the metadata; may be ""
}

// Metadata returns the service provider's metadata (Metadata section 2.4.4). Equal values
// give equal bytes, so that an IdP that polls it sees no change where there is none.
//
// The name identifier formats are in the order of preference: a persistent one survives a change
// of address. Identity providers are free in what they send.
func (sp ServiceProvider) Metadata() []byte {
	b := make([]byte, 0, 1536)
	b = append(b, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+`<md:EntityDescriptor`...)
	b = appendAttr(b, "xmlns:md", nsMetadata)
	b = appendAttr(b, "entityID", sp.EntityID)
	b = append(b, ">\n  <md:SPSSODescriptor"...)
	b = appendAttr(b, "AuthnRequestsSigned", "false")
	b = appendAttr(b, "WantAssertionsSigned", "true")
	b = appendAttr(b, "protocolSupportEnumeration", nsProtocol)
	b = append(b, ">\n"...)
	if sp.Name != "" {
		b = append(b, "    <md:Extensions>\n      <mdui:UIInfo"...)
		b = appendAttr(b, "xmlns:mdui", "urn:oasis:names:tc:SAML:metadata:ui")
		b = append(b, "><mdui:DisplayName"...)
		b = appendAttr(b, "xml:lang", "en")
		b = append(b, '>')
		b = appendTextOnly(b, sp.Name)
		b = append(b, "</mdui:DisplayName></mdui:UIInfo>\n    </md:Extensions>\n"...)
	}
	for _, format := range []string{FormatPersistent, FormatEmail, FormatUnspecified} {
		b = append(b, "    "...)
		b = appendElement(b, "md:NameIDFormat", format)
		b = append(b, '\n')
	}
	b = append(b, "    <md:AssertionConsumerService"...)
	b = appendAttr(b, "Binding", BindingPOST)
	b = appendAttr(b, "Location", sp.ACS)
	b = append(b, ` index="0" isDefault="true"></md:AssertionConsumerService>`+"\n"...)
	return append(b, "  </md:SPSSODescriptor>\n</md:EntityDescriptor>\n"...)
}
