package saml

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"slices"

	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// readKeys reads the certificates of signing keys: a KeyDescriptor without use is for signing
// as well (Metadata section 2.4.1.1; where that was overlooked, signatures went unchecked:
// CVE-2026-16443). Several certificates with one key count as one.
func readKeys(role *strictxml.Element) (certificates []Certificate, ignored []string) {
	for descriptor := range role.Elements() {
		if !descriptor.Is(nsMetadata, "KeyDescriptor") {
			continue
		}
		if use, has := descriptor.Attr("use"); has && use != "signing" {
			continue
		}
		for data := range descriptor.Descendants() {
			if !data.Is(nsSignature, "X509Data") {
				continue
			}
			found, problems := readX509Data(data)
			ignored = append(ignored, problems...)
			for _, certificate := range found {
				if !slices.ContainsFunc(certificates, certificate.sameKey) {
					certificates = append(certificates, certificate)
				}
			}
		}
	}
	return certificates, ignored
}

// readX509Data reads the certificates of one X509Data, which are either keys side by side or a
// key's certificate and those that vouch for it. The latter's keys sign certificates, not
// messages, and are left out.
func readX509Data(data *strictxml.Element) (certificates []Certificate, ignored []string) {
	for e := range data.Elements() {
		if !e.Is(nsSignature, "X509Certificate") {
			continue
		}
		text, err := e.OnlyText()
		if err != nil {
			ignored = append(ignored, "A signing certificate holds elements.")
			continue
		}
		certificate, err := ParseCertificate([]byte(text))
		if err != nil {
			ignored = append(ignored, err.Error())
			continue
		}
		certificates = append(certificates, certificate)
	}
	all := slices.Clone(certificates)
	certificates = slices.DeleteFunc(certificates, func(c Certificate) bool {
		return slices.ContainsFunc(all, c.issued)
	})
	return certificates, ignored
}

// issued reports whether c vouches for another certificate with another key.
func (c Certificate) issued(other Certificate) bool {
	if c.sameKey(other) {
		return false
	}
	issuer, err := x509.ParseCertificate(c.Raw)
	if err != nil || !issuer.IsCA {
		return false
	}
	subject, err := x509.ParseCertificate(other.Raw)
	return err == nil && bytes.Equal(subject.RawIssuer, issuer.RawSubject) &&
		issuer.CheckSignature(subject.SignatureAlgorithm, subject.RawTBSCertificate, subject.Signature) == nil
}

// sameKey reports whether two certificates hold one key.
func (c Certificate) sameKey(other Certificate) bool {
	key, ok := c.PublicKey().(interface{ Equal(crypto.PublicKey) bool })
	return ok && key.Equal(other.PublicKey())
}
