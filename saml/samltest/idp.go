package samltest

import (
	"encoding/base64"
	"strings"

	"github.com/gatehouse-id/gatehouse/saml"
)

// IdP is an identity provider. Its fields can be changed.
type IdP struct {
	EntityID string
	SSO      string // where AuthnRequests go
	SLO      string // where logout messages go; "" for no single logout
	// Resolver is the service that resolves artifacts, of index 0; "" for none.
	Resolver string
	// Keys are the signing keys that its metadata names; the first signs.
	Keys []*Key
}

// NewIdP makes an identity provider with those keys, or with a new one. Its single sign-on service
// is at the host of the entity ID or, where that is no https address, at idp.example.
func NewIdP(entityID string, keys ...*Key) *IdP {
	if len(keys) == 0 {
		keys = []*Key{NewKey()}
	}
	sso := "https://idp.example/sso"
	if strings.HasPrefix(entityID, "https://") {
		sso = strings.TrimSuffix(entityID, "/") + "/sso"
	}
	return &IdP{EntityID: entityID, SSO: sso, Keys: keys}
}

// IdentityProvider is what a service provider knows after reading the metadata.
func (idp *IdP) IdentityProvider() saml.IdentityProvider {
	known := saml.IdentityProvider{EntityID: idp.EntityID, SSO: []saml.Endpoint{
		{Binding: saml.BindingRedirect, Location: idp.SSO}, {Binding: saml.BindingPOST, Location: idp.SSO}}}
	if idp.SLO != "" {
		known.SLO = []saml.Endpoint{{Binding: saml.BindingRedirect, Location: idp.SLO}, {Binding: saml.BindingPOST, Location: idp.SLO}}
	}
	if idp.Resolver != "" {
		known.ArtifactResolution = []saml.Endpoint{{Binding: saml.BindingSOAP, Location: idp.Resolver}}
	}
	for _, key := range idp.Keys {
		known.Certificates = append(known.Certificates, key.Certificate)
	}
	return known
}

// Metadata returns the identity provider's metadata.
func (idp *IdP) Metadata() []byte {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="` + attrEscape(idp.EntityID) + `">` +
		`<md:IDPSSODescriptor WantAuthnRequestsSigned="false" protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">`)
	for _, key := range idp.Keys {
		b.WriteString(`<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>` +
			base64.StdEncoding.EncodeToString(key.Certificate.Raw) + `</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`)
	}
	if idp.Resolver != "" {
		b.WriteString(`<md:ArtifactResolutionService Binding="` + saml.BindingSOAP + `" Location="` + attrEscape(idp.Resolver) + `" index="0"/>`)
	}
	for _, binding := range []string{saml.BindingPOST, saml.BindingRedirect} {
		if idp.SLO != "" {
			b.WriteString(`<md:SingleLogoutService Binding="` + binding + `" Location="` + attrEscape(idp.SLO) + `"/>`)
		}
	}
	b.WriteString(`<md:NameIDFormat>` + saml.FormatEmail + `</md:NameIDFormat>`)
	for _, binding := range []string{saml.BindingPOST, saml.BindingRedirect} {
		b.WriteString(`<md:SingleSignOnService Binding="` + binding + `" Location="` + attrEscape(idp.SSO) + `"/>`)
	}
	b.WriteString(`</md:IDPSSODescriptor></md:EntityDescriptor>`)
	return []byte(b.String())
}

// Encode returns a message as the form field SAMLResponse carries it.
func Encode(message []byte) string { return base64.StdEncoding.EncodeToString(message) }
