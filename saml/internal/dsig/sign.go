package dsig

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"

	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// SignatureMethod returns the identifier of the method with which SignOctets signs: RSA or ECDSA with
// SHA-256. The error says why no signature of that key would be accepted anywhere.
func SignatureMethod(key crypto.PublicKey) (string, error) {
	m, identifier := method{"rsa-sha256", pkcs1, crypto.SHA256}, more2001+"rsa-sha256"
	if _, elliptic := key.(*ecdsa.PublicKey); elliptic {
		m, identifier = method{"ecdsa-sha256", ec, crypto.SHA256}, more2001+"ecdsa-sha256"
	}
	if reason := m.unfit(key); reason != "" {
		return "", errors.New(reason)
	}
	return identifier, nil
}

// SignOctets signs octets by the method that SignatureMethod names for the signer's key.
func SignOctets(octets []byte, signer crypto.Signer) ([]byte, error) {
	value, err := signer.Sign(rand.Reader, sum(crypto.SHA256, octets), crypto.SHA256)
	if err != nil {
		return nil, err
	}
	public, elliptic := signer.Public().(*ecdsa.PublicKey)
	if !elliptic {
		return value, nil
	}
	// A crypto.Signer gives the DER form; XML Signature section 6.4.3 wants both numbers side by side.
	var numbers struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(value, &numbers); err != nil || len(rest) > 0 {
		return nil, fmt.Errorf("the signer gave no ECDSA signature: %v", err)
	}
	width := (public.Curve.Params().BitSize + 7) / 8
	if numbers.R.Sign() <= 0 || numbers.S.Sign() <= 0 || numbers.R.BitLen() > 8*width || numbers.S.BitLen() > 8*width {
		return nil, errors.New("the signer gave an ECDSA signature out of range")
	}
	return append(numbers.R.FillBytes(make([]byte, width)), numbers.S.FillBytes(make([]byte, width))...), nil
}

// Sign puts an enveloped signature over the root element of doc into it: after its Issuer, or first
// when it begins with something else (SAML 2.0 Core section 5.4, Metadata section 2.3). The root
// must have an ID. certificate, in DER form, is named in KeyInfo; nil for no KeyInfo.
func Sign(doc []byte, signer crypto.Signer, certificate []byte) ([]byte, error) {
	identifier, err := SignatureMethod(signer.Public())
	if err != nil {
		return nil, err
	}
	root, err := strictxml.Parse(doc, strictxml.Limits{Bytes: max(len(doc), 1)})
	if err != nil {
		return nil, err
	}
	id, _ := root.Attr("ID")
	if !isIdentifier(id) || root.First() == nil {
		return nil, fmt.Errorf("<%s> cannot be signed: it has no ID or no content", root.Local)
	}
	digest := sum(crypto.SHA256, strictxml.AppendCanonical(nil, root, nil, nil))
	inside := signedInfo(identifier, id, digest)
	value, err := SignOctets([]byte(`<ds:SignedInfo xmlns:ds="`+Namespace+`">`+inside+`</ds:SignedInfo>`), signer)
	if err != nil {
		return nil, err
	}
	at, end := root.First().Extent()
	if root.First().Local == "Issuer" {
		at = end
	}
	signed := make([]byte, 0, len(doc)+len(inside)+len(certificate)*3/2+1024)
	signed = append(signed, doc[:at]...)
	signed = append(signed, `<ds:Signature xmlns:ds="`+Namespace+`"><ds:SignedInfo>`+inside+`</ds:SignedInfo><ds:SignatureValue>`...)
	signed = base64.StdEncoding.AppendEncode(signed, value)
	signed = append(signed, `</ds:SignatureValue>`...)
	if certificate != nil {
		signed = append(signed, `<ds:KeyInfo><ds:X509Data><ds:X509Certificate>`...)
		signed = base64.StdEncoding.AppendEncode(signed, certificate)
		signed = append(signed, `</ds:X509Certificate></ds:X509Data></ds:KeyInfo>`...)
	}
	signed = append(signed, `</ds:Signature>`...)
	return append(signed, doc[at:]...), nil
}

// signedInfo is what SignedInfo holds, in canonical form already.
func signedInfo(identifier, id string, digest []byte) string {
	return `<ds:CanonicalizationMethod Algorithm="` + exclusive + `"></ds:CanonicalizationMethod>` +
		`<ds:SignatureMethod Algorithm="` + identifier + `"></ds:SignatureMethod>` +
		`<ds:Reference URI="#` + id + `"><ds:Transforms><ds:Transform Algorithm="` + enveloped + `"></ds:Transform>` +
		`<ds:Transform Algorithm="` + exclusive + `"></ds:Transform></ds:Transforms>` +
		`<ds:DigestMethod Algorithm="` + xmlenc + `sha256"></ds:DigestMethod>` +
		`<ds:DigestValue>` + base64.StdEncoding.EncodeToString(digest) + `</ds:DigestValue></ds:Reference>`
}
