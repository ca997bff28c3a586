package saml_test

import (
	"cmp"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// The eight signature wrappings follow SAMLRaider's XSWHelpers, each with fresh identifiers for the
// copies, so that no duplicate ID stops them before their time.

// wrapping makes an attack out of a good message.
type wrapping struct {
	name      string
	reason    string
	responses bool // wraps the signed Response, not the signed Assertion
	mutate    func(t *testing.T, r *samltest.Response, doc string) string
}

// unsignedCopy is the element without its signature.
func unsignedCopy(t *testing.T, element, id string) string {
	before, _, after := cutSignature(t, element, id)
	return before + after
}

// evilCopy is the element as the attacker wants it: without a signature, with another ID and name.
func evilCopy(t *testing.T, element, id string) string {
	return evilKeepingSignature(t, unsignedCopy(t, element, id), id)
}

// evilKeepingSignature is the same with the signature left in.
func evilKeepingSignature(t *testing.T, element, id string) string {
	element = replaceOnce(t, element, ` ID="`+id+`"`, ` ID="_evil`+id+`"`)
	return replace(t, element, ">alice@corp.example</saml2:NameID>", ">"+evil+"</saml2:NameID>")
}

// bare is an element of the document without an XML declaration before it.
func bare(doc string) string {
	_, rest, found := strings.Cut(doc, "?>")
	if !found {
		return doc
	}
	return rest
}

// renamed gives the assertion inside a copy of a Response an ID of its own.
func renamed(t *testing.T, doc, id string) string {
	return replace(t, doc, ` ID="`+id+`"`, ` ID="_copy`+id+`"`)
}

var wrappings = []wrapping{
	{"XSW1, the signed Response inside its own Signature", saml.ReasonNestedAssertion, true, func(t *testing.T, r *samltest.Response, doc string) string {
		original := unsignedCopy(t, bare(doc), r.ID)
		outer := renamed(t, evilKeepingSignature(t, doc, r.ID), r.Assertion.ID)
		return replaceOnce(t, outer, "</ds:Signature>", original+"</ds:Signature>")
	}},
	{"XSW2, the signed Response before the Signature", saml.ReasonNestedAssertion, true, func(t *testing.T, r *samltest.Response, doc string) string {
		original := unsignedCopy(t, bare(doc), r.ID)
		outer := renamed(t, evilKeepingSignature(t, doc, r.ID), r.Assertion.ID)
		return replaceOnce(t, outer, "<ds:Signature ", original+"<ds:Signature ")
	}},
	{"XSW3, an evil Assertion before the signed one", saml.ReasonSecondAssertion, false, func(t *testing.T, r *samltest.Response, doc string) string {
		before, signed, after := cut(t, doc, r.Assertion.ID)
		return before + evilCopy(t, signed, r.Assertion.ID) + signed + after
	}},
	{"XSW3 reversed, an evil Assertion after the signed one", saml.ReasonSecondAssertion, false, func(t *testing.T, r *samltest.Response, doc string) string {
		before, signed, after := cut(t, doc, r.Assertion.ID)
		return before + signed + evilCopy(t, signed, r.Assertion.ID) + after
	}},
	{"XSW4, an evil Assertion around the signed one", saml.ReasonNestedAssertion, false, func(t *testing.T, r *samltest.Response, doc string) string {
		before, signed, after := cut(t, doc, r.Assertion.ID)
		return before + replaceOnce(t, evilCopy(t, signed, r.Assertion.ID), "</saml2:Assertion>", signed+"</saml2:Assertion>") + after
	}},
	{"XSW5, the Signature in the evil Assertion, the original after it", saml.ReasonSecondAssertion, false, func(t *testing.T, r *samltest.Response, doc string) string {
		before, signed, after := cut(t, doc, r.Assertion.ID)
		return before + evilKeepingSignature(t, signed, r.Assertion.ID) + unsignedCopy(t, signed, r.Assertion.ID) + after
	}},
	{"XSW6, the original inside the evil Assertion's Signature", saml.ReasonNestedAssertion, false, func(t *testing.T, r *samltest.Response, doc string) string {
		before, signed, after := cut(t, doc, r.Assertion.ID)
		original := unsignedCopy(t, signed, r.Assertion.ID)
		return before + replaceOnce(t, evilKeepingSignature(t, signed, r.Assertion.ID), "</ds:Signature>", original+"</ds:Signature>") + after
	}},
	{"XSW7, an evil Assertion in Extensions", saml.ReasonNestedAssertion, false, func(t *testing.T, r *samltest.Response, doc string) string {
		_, signed, _ := cut(t, doc, r.Assertion.ID)
		return replaceOnce(t, doc, "<saml2p:Status>", "<saml2p:Extensions>"+evilCopy(t, signed, r.Assertion.ID)+"</saml2p:Extensions><saml2p:Status>")
	}},
	{"XSW8, the original in an Object of the evil Assertion's Signature", saml.ReasonNestedAssertion, false, func(t *testing.T, r *samltest.Response, doc string) string {
		before, signed, after := cut(t, doc, r.Assertion.ID)
		original := unsignedCopy(t, signed, r.Assertion.ID)
		return before + replaceOnce(t, evilKeepingSignature(t, signed, r.Assertion.ID), "</ds:Signature>", "<ds:Object>"+original+"</ds:Object></ds:Signature>") + after
	}},
	{"A9, the original in StatusDetail, its Signature in the evil Assertion", saml.ReasonNestedAssertion, false, func(t *testing.T, r *samltest.Response, doc string) string {
		before, signed, after := cut(t, doc, r.Assertion.ID)
		before = replaceOnce(t, before, "</saml2p:Status>", "<saml2p:StatusDetail>"+unsignedCopy(t, signed, r.Assertion.ID)+"</saml2p:StatusDetail></saml2p:Status>")
		return before + evilKeepingSignature(t, signed, r.Assertion.ID) + after
	}},
	{"A9, the signed original in the Advice of an evil Assertion", saml.ReasonNestedAssertion, false, func(t *testing.T, r *samltest.Response, doc string) string {
		before, signed, after := cut(t, doc, r.Assertion.ID)
		return before + replaceOnce(t, evilCopy(t, signed, r.Assertion.ID), "<saml2:AuthnStatement", "<saml2:Advice>"+signed+"</saml2:Advice><saml2:AuthnStatement") + after
	}},
	{"A9, a second Signature in Extensions", saml.ReasonMisplacedSignature, false, func(t *testing.T, r *samltest.Response, doc string) string {
		_, signature, _ := cutSignature(t, doc, r.Assertion.ID)
		return replaceOnce(t, doc, "<saml2p:Status>", "<saml2p:Extensions>"+signature+"</saml2p:Extensions><saml2p:Status>")
	}},
	{"A9, the Signature as a grandchild, in the Subject", saml.ReasonMisplacedSignature, false, func(t *testing.T, r *samltest.Response, doc string) string {
		before, signature, after := cutSignature(t, doc, r.Assertion.ID)
		return before + replaceOnce(t, after, "<saml2:Subject>", "<saml2:Subject>"+signature)
	}},
	{"A9, the Assertion's Signature moved to the Response", saml.ReasonReference, false, func(t *testing.T, r *samltest.Response, doc string) string {
		before, signature, after := cutSignature(t, doc, r.Assertion.ID)
		return replaceOnce(t, before+after, "<saml2p:Status>", signature+"<saml2p:Status>")
	}},
	{"A9, two Signatures in the Assertion", saml.ReasonMisplacedSignature, false, func(t *testing.T, r *samltest.Response, doc string) string {
		before, signature, after := cutSignature(t, doc, r.Assertion.ID)
		return before + signature + signature + after
	}},
	{"A9, a reference and a digest in the Signature's KeyInfo", saml.ReasonSignature, false, func(t *testing.T, r *samltest.Response, doc string) string {
		_, signature, _ := cutSignature(t, doc, r.Assertion.ID)
		_, rest, _ := strings.Cut(signature, "<ds:SignedInfo>")
		info, _, _ := strings.Cut(rest, "</ds:SignedInfo>")
		return replaceOnce(t, doc, "</ds:KeyInfo>", info+"</ds:KeyInfo>")
	}},
}

func TestWrapping_IsRefusedWhateverIsSigned(t *testing.T) {
	for _, w := range wrappings {
		for _, both := range []bool{false, true} {
			name := w.name
			if both {
				name += ", both signed"
			}
			t.Run(name, func(t *testing.T) {
				s := newScene()
				r, doc := s.signedAs(w.responses || both, !w.responses || both)
				s.accept(t, []byte(doc))
				if both && !w.responses {
					// The Response's signature would be in the way: whoever changes something below it
					// has to take it out.
					before, _, after := cutSignature(t, doc, r.ID)
					doc = before + after
				}
				attack := w.mutate(t, r, doc)
				sound(t, attack)
				if attack == doc {
					t.Fatal("nothing was changed")
				}
				refusal := s.refuse(t, []byte(attack), w.reason)
				if refusal.Verified || refusal.Subject != "" {
					t.Errorf("the refusal believes the message: %+v", refusal)
				}
			})
		}
	}
}

func TestWrapping_WithEqualIDsIsRefused(t *testing.T) { // A7 and A19
	s := newScene()
	r, doc := s.signedAs(false, true)
	s.accept(t, []byte(doc))
	before, signed, after := cut(t, doc, r.Assertion.ID)
	twin := replace(t, evilCopy(t, signed, r.Assertion.ID), ` ID="_evil`, ` ID="`)
	for name, attack := range map[string]string{
		"before the signed one": before + twin + signed + after,
		"in Extensions":         replaceOnce(t, doc, "<saml2p:Status>", "<saml2p:Extensions>"+twin+"</saml2p:Extensions><saml2p:Status>"),
		"the Response has it":   replaceOnce(t, doc, ` ID="`+r.ID+`"`, ` ID="`+r.Assertion.ID+`"`),
		"the Signature has it":  replaceOnce(t, doc, "<ds:Signature ", `<ds:Signature Id="`+r.Assertion.ID+`" `),
	} {
		t.Run(name, func(t *testing.T) { s.refuse(t, []byte(attack), saml.ReasonDuplicateID) })
	}
}

func TestForeignElements_AreRefusedWhereTheSchemaHasNone(t *testing.T) {
	s := newScene()
	_, doc := s.signedAs(false, true)
	s.accept(t, []byte(doc))
	reasons := map[string]string{"an encrypted assertion as well": saml.ReasonSecondAssertion, "an encrypted one in Extensions": saml.ReasonNestedAssertion,
		"a Response in Extensions": saml.ReasonNestedAssertion}
	for name, attack := range map[string]string{
		"after the assertion":             replaceOnce(t, doc, "</saml2p:Response>", `<x:y xmlns:x="urn:x"/></saml2p:Response>`),
		"with a rebound prefix":           replaceOnce(t, doc, "</saml2p:Response>", `<saml2:Assertion xmlns:saml2="urn:x"/></saml2p:Response>`),
		"before the status":               replaceOnce(t, doc, "<saml2p:Status>", `<x:y xmlns:x="urn:x"/><saml2p:Status>`),
		"a second status":                 replaceOnce(t, doc, "</saml2p:Status>", `</saml2p:Status><saml2p:Status><saml2p:StatusCode Value="x"/></saml2p:Status>`),
		"text in the Response":            replaceOnce(t, doc, "<saml2p:Status>", "text<saml2p:Status>"),
		"text in the Status":              replaceOnce(t, doc, "</saml2p:Status>", "text</saml2p:Status>"),
		"an element in the Status":        replaceOnce(t, doc, "</saml2p:Status>", `<saml2p:StatusDetail/><saml2p:StatusCode Value="x"/></saml2p:Status>`),
		"no Status":                       replaceOnce(t, doc, `<saml2p:Status><saml2p:StatusCode Value="`+samltest.Success+`"></saml2p:StatusCode></saml2p:Status>`, ""),
		"a SAML 1.1 assertion as well":    replaceOnce(t, doc, "</saml2p:Response>", `<Assertion xmlns="urn:oasis:names:tc:SAML:1.0:assertion"/></saml2p:Response>`),
		"an encrypted assertion as well":  replaceOnce(t, doc, "</saml2p:Response>", `<saml2:EncryptedAssertion xmlns:saml2="urn:oasis:names:tc:SAML:2.0:assertion"/></saml2p:Response>`),
		"an encrypted one in Extensions":  replaceOnce(t, doc, "<saml2p:Status>", `<saml2p:Extensions><saml2:EncryptedAssertion xmlns:saml2="urn:oasis:names:tc:SAML:2.0:assertion"/></saml2p:Extensions><saml2p:Status>`),
		"a Response in Extensions":        replaceOnce(t, doc, "<saml2p:Status>", `<saml2p:Extensions><saml2p:Response/></saml2p:Extensions><saml2p:Status>`),
		"Signature of another namespace":  replaceOnce(t, doc, "<saml2p:Status>", `<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig"/><saml2p:Status>`),
		"the Response has no assertion":   string(withoutAssertion(s)),
		"Issuer with an element (joined)": replaceOnce(t, doc, "http://www.okta.com/", `http://www.okta<saml2:x></saml2:x>.com/`),
	} {
		t.Run(name, func(t *testing.T) {
			sound(t, attack)
			s.refuse(t, []byte(attack), cmp.Or(reasons[name], saml.ReasonStructure))
		})
	}
}

func withoutAssertion(s *scene) []byte {
	r := s.response()
	r.Assertion = nil
	r.Signing.Response = true
	return s.idp.Sign(r)
}

// A11: whoever can encrypt to us need not be the identity provider.
func TestEncryptedAssertion_IsRefusedAsSuch(t *testing.T) {
	s := newScene()
	encrypted := `<saml2:EncryptedAssertion xmlns:saml2="urn:oasis:names:tc:SAML:2.0:assertion"></saml2:EncryptedAssertion>`
	r := s.response()
	r.Assertion, r.Trailer = nil, encrypted
	refusal := s.refuse(t, s.idp.Sign(r), saml.ReasonEncrypted)
	if refusal.Verified {
		t.Error("nothing was signed, and yet it is verified")
	}
	r.Signing.Response = true
	if refusal := s.refuse(t, s.idp.Sign(r), saml.ReasonEncrypted); !refusal.Verified {
		t.Error("the signed Response was not verified")
	}
}
