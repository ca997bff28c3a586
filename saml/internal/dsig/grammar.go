package dsig

import (
	"crypto"
	"strings"

	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// Identifiers of what is done to the signed element before it is digested.
const (
	exclusive = "http://www.w3.org/2001/10/xml-exc-c14n#"
	enveloped = Namespace + "enveloped-signature"
)

// facts is what a Signature element says, its grammar checked.
type facts struct {
	signedInfo   *strictxml.Element
	infoPrefixes []string // PrefixList for SignedInfo
	method       method
	value        []byte // SignatureValue

	prefixes    []string // PrefixList for the signed element
	digest      crypto.Hash
	digestValue []byte
}

// readSignature reads the children of Signature: SignedInfo, SignatureValue, at most one KeyInfo.
func readSignature(signed, signature *strictxml.Element) (facts, error) {
	var f facts
	c, err := children(signature, "Id")
	if err != nil {
		return f, err
	}
	if f.signedInfo, err = c.take("SignedInfo"); err != nil {
		return f, err
	}
	if err := f.readSignedInfo(signed); err != nil {
		return f, err
	}
	value, err := c.take("SignatureValue")
	if err != nil {
		return f, err
	}
	if f.value, err = decoded(value, "Id"); err != nil {
		return f, err
	}
	if c.next != nil {
		keyInfo, err := c.take("KeyInfo")
		if err != nil {
			return f, err
		}
		if err := harmless(keyInfo); err != nil {
			return f, err
		}
	}
	return f, c.done()
}

// readSignedInfo reads CanonicalizationMethod, SignatureMethod and the one Reference.
func (f *facts) readSignedInfo(signed *strictxml.Element) error {
	c, err := children(f.signedInfo, "Id")
	if err != nil {
		return err
	}
	canonicalization, err := c.take("CanonicalizationMethod")
	if err != nil {
		return err
	}
	if algorithm, _ := canonicalization.Attr("Algorithm"); algorithm != exclusive {
		return refuse(ReasonAlgorithm, "canonicalisation %s, expected %s", short(algorithm), exclusive)
	}
	if f.infoPrefixes, err = prefixList(canonicalization); err != nil {
		return err
	}
	signatureMethod, err := c.take("SignatureMethod")
	if err != nil {
		return err
	}
	algorithm, err := leaf(signatureMethod)
	if err != nil {
		return err
	}
	var known bool
	if f.method, known = methodOf(algorithm); !known {
		return refuse(ReasonAlgorithm, "signature method %s is not accepted", short(algorithm))
	}
	reference, err := c.take("Reference")
	if err != nil {
		return err
	}
	if c.next != nil && c.next.Is(Namespace, "Reference") {
		return refuse(ReasonReference, "two references, expected one")
	}
	if err := f.readReference(signed, reference); err != nil {
		return err
	}
	return c.done()
}

// readReference reads Transforms, DigestMethod and DigestValue, and holds the URI against the
// ID of the signed element.
func (f *facts) readReference(signed, reference *strictxml.Element) error {
	c, err := children(reference, "Id", "URI", "Type")
	if err != nil {
		return err
	}
	id, _ := signed.Attr("ID")
	if !isIdentifier(id) {
		return refuse(ReasonReference, "<%s> has no usable ID", signed.Local)
	}
	if uri, _ := reference.Attr("URI"); uri != "#"+id {
		return refuse(ReasonReference, "the reference is to %s, expected %s", short(uri), short("#"+id))
	}
	transforms, err := c.take("Transforms")
	if err != nil {
		return err
	}
	if f.prefixes, err = readTransforms(transforms); err != nil {
		return err
	}
	digestMethod, err := c.take("DigestMethod")
	if err != nil {
		return err
	}
	algorithm, err := leaf(digestMethod)
	if err != nil {
		return err
	}
	var known bool
	if f.digest, known = digestOf(algorithm); !known {
		return refuse(ReasonAlgorithm, "digest method %s is not accepted", short(algorithm))
	}
	digestValue, err := c.take("DigestValue")
	if err != nil {
		return err
	}
	if f.digestValue, err = decoded(digestValue); err != nil {
		return err
	}
	if len(f.digestValue) != f.digest.Size() {
		return refuse(ReasonStructure, "DigestValue of %d bytes, expected %d", len(f.digestValue), f.digest.Size())
	}
	if string(f.digestValue) == string(sum(f.digest, nil)) {
		// What a canonicaliser that gave up would have produced.
		return refuse(ReasonReference, "the digest is that of nothing")
	}
	return c.done()
}

// readTransforms takes enveloped-signature followed by exclusive canonicalisation and nothing else
// (SAML 2.0 Core section 5.4.4), and returns the PrefixList of the latter.
func readTransforms(transforms *strictxml.Element) ([]string, error) {
	c, err := children(transforms)
	if err != nil {
		return nil, err
	}
	first, second := c.next, (*strictxml.Element)(nil)
	if first != nil {
		second = first.Next()
	}
	if second == nil || second.Next() != nil ||
		!first.Is(Namespace, "Transform") || !second.Is(Namespace, "Transform") {
		return nil, refuse(ReasonTransform, "expected two transforms, enveloped-signature and exclusive canonicalisation")
	}
	if algorithm, _ := first.Attr("Algorithm"); algorithm != enveloped {
		return nil, refuse(ReasonTransform, "first transform %s, expected %s", short(algorithm), enveloped)
	}
	if _, err := leaf(first); err != nil {
		return nil, err
	}
	if algorithm, _ := second.Attr("Algorithm"); algorithm != exclusive {
		return nil, refuse(ReasonTransform, "second transform %s, expected %s", short(algorithm), exclusive)
	}
	return prefixList(second)
}

// prefixList reads the InclusiveNamespaces that exclusive canonicalisation may have as a parameter
// (Exclusive XML Canonicalization 1.0 section 3). Okta and others put xs in it.
func prefixList(e *strictxml.Element) ([]string, error) {
	if err := attributes(e, "Algorithm"); err != nil {
		return nil, err
	}
	inclusive := e.First()
	if inclusive == nil {
		return nil, empty(e)
	}
	if inclusive.Next() != nil || e.StrayText() || !inclusive.Is(exclusive, "InclusiveNamespaces") {
		return nil, refuse(ReasonStructure, "<%s> holds something other than one InclusiveNamespaces", e.Local)
	}
	if err := attributes(inclusive, "PrefixList"); err != nil {
		return nil, err
	}
	list, found := inclusive.Attr("PrefixList")
	if !found {
		return nil, refuse(ReasonStructure, "InclusiveNamespaces without PrefixList")
	}
	prefixes := strings.FieldsFunc(list, func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' })
	for i, prefix := range prefixes {
		if prefix == "#default" {
			prefixes[i] = ""
		}
	}
	return prefixes, empty(inclusive)
}
