package dsig

import "github.com/gatehouse-id/gatehouse/saml/internal/strictxml"

// Verified is an element whose enveloped signature was checked. Only Verify makes one; of the zero
// value every method returns the zero value.
type Verified struct {
	element   *strictxml.Element
	signature *strictxml.Element
	key       int
	sha1      bool
}

// Element returns the element whose digest was checked. Its Signature child, and nothing else in it,
// is not covered by the digest.
func (v Verified) Element() *strictxml.Element { return v.element }

// Signature returns the ds:Signature element that was checked, the direct child of Element.
func (v Verified) Signature() *strictxml.Element { return v.signature }

// Key returns the index of the key that made the signature.
func (v Verified) Key() int { return v.key }

// SHA1 reports whether the signature or its digest used SHA-1, which Policy.AllowSHA1 let through.
func (v Verified) SHA1() bool { return v.sha1 }
