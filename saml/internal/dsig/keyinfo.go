package dsig

import "github.com/gatehouse-id/gatehouse/saml/internal/strictxml"

// namespace11 is XML Signature 1.1's, which brought elliptic curves.
const namespace11 = "http://www.w3.org/2009/xmldsig11#"

// harmless checks that KeyInfo holds hints about a key and nothing else. The hints are not read:
// keys are known beforehand, and a certificate in the message is the sender's word. What is not a
// hint is refused because a copy of the signed element can hide there.
func harmless(keyInfo *strictxml.Element) error {
	for e := range keyInfo.Descendants() {
		if e != keyInfo && !hint(e) {
			return refuse(ReasonStructure, "<%s> inside KeyInfo", short(e.Local))
		}
	}
	return nil
}

// hint reports whether e is an element of those that XML Signature sections 4.5.1 to 4.5.4 define.
func hint(e *strictxml.Element) bool {
	switch e.Space {
	case Namespace:
		switch e.Local {
		case "KeyName",
			"KeyValue", "RSAKeyValue", "Modulus", "Exponent",
			"DSAKeyValue", "P", "Q", "G", "Y", "J", "Seed", "PgenCounter",
			"X509Data", "X509IssuerSerial", "X509IssuerName", "X509SerialNumber",
			"X509SKI", "X509SubjectName", "X509Certificate", "X509CRL":
			return true
		}
	case namespace11:
		switch e.Local {
		case "ECKeyValue", "NamedCurve", "PublicKey", "DEREncodedKeyValue", "X509Digest":
			return true
		}
	}
	return false
}
