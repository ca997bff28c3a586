package saml

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/gatehouse-id/gatehouse/saml/internal/xenc"
)

// Metadata returns the service provider's metadata (Metadata section 2.4.4). Equal values
// give equal bytes, so that an IdP that polls it sees no change where there is none.
func (sp ServiceProvider) Metadata() []byte {
	return append([]byte(`<?xml version="1.0" encoding="UTF-8"?>`+"\n"), sp.descriptor("")...)
}

// SignedMetadata is Metadata with a signature, for those who are told its key by another way. With an
// RSA key, equal values give equal bytes. The error is a sentence.
func (sp ServiceProvider) SignedMetadata(key SigningKey) ([]byte, error) {
	sum := sha256.Sum256(sp.descriptor(""))
	signed, err := key.signXML(sp.descriptor("_" + hex.EncodeToString(sum[:20])))
	if err != nil {
		return nil, err
	}
	return append([]byte(`<?xml version="1.0" encoding="UTF-8"?>`+"\n"), signed...), nil
}

// descriptor writes EntityDescriptor, with that ID unless it is "".
func (sp ServiceProvider) descriptor(id string) []byte {
	b := make([]byte, 0, 4096)
	b = append(b, `<md:EntityDescriptor`...)
	b = appendAttr(b, "xmlns:md", nsMetadata)
	if id != "" {
		b = appendAttr(b, "ID", id)
	}
	if sp.CacheDuration > 0 {
		b = appendAttr(b, "cacheDuration", fmt.Sprintf("PT%dS", int64(sp.CacheDuration/time.Second)))
	}
	b = appendAttr(b, "entityID", sp.EntityID)
	if !sp.ValidUntil.IsZero() {
		b = appendAttr(b, "validUntil", formatInstant(sp.ValidUntil))
	}
	b = append(b, ">\n  <md:SPSSODescriptor"...)
	b = appendAttr(b, "AuthnRequestsSigned", fmt.Sprint(sp.AuthnRequestsSigned))
	b = appendAttr(b, "WantAssertionsSigned", "true")
	b = appendAttr(b, "protocolSupportEnumeration", nsProtocol)
	b = append(b, ">\n"...)
	b = sp.appendExtensions(b)
	for _, certificate := range sp.SigningCertificates {
		b = appendKey(b, "signing", certificate, nil)
	}
	for _, certificate := range sp.EncryptionCertificates {
		b = appendKey(b, "encryption", certificate, sp.encryptionMethods())
	}
	b = sp.appendServices(b)
	return append(b, "  </md:SPSSODescriptor>\n</md:EntityDescriptor>\n"...)
}

// Algorithms that our metadata lists (SAML 2.0 Metadata Profile for Algorithm Support section 2): what
// is accepted of others, best first where strength differs. SHA-1 is not, even where it is
// tolerated for a time.
var (
	digestMethods = []string{
		"http://www.w3.org/2001/04/xmlenc#sha256",
		"http://www.w3.org/2001/04/xmldsig-more#sha384",
		"http://www.w3.org/2001/04/xmlenc#sha512",
	}
	signingMethods = []string{
		"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
		"http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
		"http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
		"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
		"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
		"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512",
	}
)

// appendExtensions writes the name for people and the algorithms.
func (sp ServiceProvider) appendExtensions(b []byte) []byte {
	b = append(b, "    <md:Extensions>\n"...)
	for _, method := range digestMethods {
		b = appendAlgorithm(append(b, "      "...), "alg:DigestMethod", method)
	}
	for _, method := range signingMethods {
		b = appendAlgorithm(append(b, "      "...), "alg:SigningMethod", method)
	}
	if sp.Name != "" {
		b = append(b, "      <mdui:UIInfo"...)
		b = appendAttr(b, "xmlns:mdui", "urn:oasis:names:tc:SAML:metadata:ui")
		b = append(b, "><mdui:DisplayName"...)
		b = appendAttr(b, "xml:lang", "en")
		b = append(b, '>')
		b = appendTextOnly(b, sp.Name)
		b = append(b, "</mdui:DisplayName></mdui:UIInfo>\n"...)
	}
	return append(b, "    </md:Extensions>\n"...)
}

func appendAlgorithm(b []byte, element, identifier string) []byte {
	b = append(b, '<')
	b = append(b, element...)
	if element != "md:EncryptionMethod" {
		b = appendAttr(b, "xmlns:alg", "urn:oasis:names:tc:SAML:metadata:algsupport")
	}
	b = appendAttr(b, "Algorithm", identifier)
	b = append(b, "></"...)
	b = append(b, element...)
	return append(b, ">\n"...)
}

// encryptionMethods are what can be opened, best first: Shibboleth takes the first that it knows.
func (sp ServiceProvider) encryptionMethods() []string {
	methods := []string{xenc.AES256GCM, xenc.AES128GCM}
	if sp.AllowCBC {
		methods = append(methods, xenc.AES256CBC, xenc.AES128CBC)
	}
	return append(methods, xenc.OAEP, xenc.OAEPMGF1P)
}

// appendKey writes a KeyDescriptor.
func appendKey(b []byte, use string, certificate Certificate, methods []string) []byte {
	b = append(b, "    <md:KeyDescriptor"...)
	b = appendAttr(b, "use", use)
	b = append(b, "><ds:KeyInfo"...)
	b = appendAttr(b, "xmlns:ds", nsSignature)
	b = append(b, "><ds:X509Data><ds:X509Certificate>"...)
	b = base64.StdEncoding.AppendEncode(b, certificate.Raw)
	b = append(b, "</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"...)
	if len(methods) > 0 {
		b = append(b, '\n')
	}
	for _, method := range methods {
		b = appendAlgorithm(append(b, "      "...), "md:EncryptionMethod", method)
	}
	if len(methods) > 0 {
		b = append(b, "    "...)
	}
	return append(b, "</md:KeyDescriptor>\n"...)
}

// appendServices writes what the schema has after the keys, in its order.
func (sp ServiceProvider) appendServices(b []byte) []byte {
	for _, service := range sp.Logout {
		b = append(b, "    <md:SingleLogoutService"...)
		b = appendAttr(b, "Binding", service.Binding)
		b = appendAttr(b, "Location", service.Location)
		if service.ResponseLocation != "" {
			b = appendAttr(b, "ResponseLocation", service.ResponseLocation)
		}
		b = append(b, "></md:SingleLogoutService>\n"...)
	}
	formats := sp.NameIDFormats
	if len(formats) == 0 {
		formats = []string{FormatPersistent, FormatEmail, FormatUnspecified}
	}
	for _, format := range formats {
		b = append(b, "    "...)
		b = appendElement(b, "md:NameIDFormat", format)
		b = append(b, '\n')
	}
	b = append(b, "    <md:AssertionConsumerService"...)
	b = appendAttr(b, "Binding", BindingPOST)
	b = appendAttr(b, "Location", sp.ACS)
	b = append(b, ` index="0" isDefault="true"></md:AssertionConsumerService>`+"\n"...)
	if sp.ArtifactACS {
		b = append(b, "    <md:AssertionConsumerService"...)
		b = appendAttr(b, "Binding", BindingArtifact)
		b = appendAttr(b, "Location", sp.ACS)
		b = append(b, ` index="1"></md:AssertionConsumerService>`+"\n"...)
	}
	return b
}
