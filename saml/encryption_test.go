package saml_test

import (
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// encryptedScene is a connection that has the decryption key K1 and, before it, an older one, K2. That
// the identity provider signs with K1 as well is a coincidence that saves time.
func encryptedScene() *scene {
	s := newScene()
	s.e.DecryptionKeys = []crypto.Decrypter{k2().Decrypter(), k1().Decrypter()}
	return s
}

// encrypted is a good Response of the scene whose assertion is signed and encrypted.
func (s *scene) encrypted(e samltest.Encryption) *samltest.Response {
	if e.For.Raw == nil {
		e.For = k1().Certificate
	}
	r := s.response()
	r.Encryption = &e
	return r
}

func TestEncryptedAssertions_AreReadInEveryAcceptedForm(t *testing.T) { // SA03, IIP-ALG04, IIP-ALG06, IIP-SP08
	for _, content := range []string{samltest.AES128GCM, samltest.AES256GCM} {
		for _, transport := range []samltest.Encryption{
			{Transport: samltest.OAEPMGF1P},
			{Transport: samltest.OAEPMGF1P, Digest: samltest.SHA1},
			{Transport: samltest.OAEPMGF1P, Digest: samltest.SHA256},
			{Transport: samltest.OAEPMGF1P, Digest: samltest.SHA256, MGF: samltest.MGF1SHA1},
			{Transport: samltest.OAEP},
			{Transport: samltest.OAEP, Digest: samltest.SHA256},
			{Transport: samltest.OAEP, Digest: samltest.SHA256, MGF: samltest.MGF1SHA1},
			{Transport: samltest.OAEP, Digest: samltest.SHA256, MGF: samltest.MGF1SHA256},
			{Transport: samltest.OAEP, Digest: samltest.SHA1, MGF: samltest.MGF1SHA256},
			{Transport: samltest.OAEP, Digest: samltest.SHA512, MGF: samltest.MGF1SHA256},
		} {
			for placement, style := range []samltest.Style{samltest.Okta, samltest.Entra, samltest.Okta} {
				e := transport
				e.Content, e.Placement = content, samltest.Placement(placement)
				for key, certificate := range []saml.Certificate{k2().Certificate, k1().Certificate} {
					s := encryptedScene()
					e.For = certificate
					r := s.encrypted(e)
					r.Style = style
					a := s.accept(t, s.idp.Sign(r))
					if a.Subject.Value != "alice@corp.example" || !a.AssertionSigned || a.ResponseSigned || len(a.Attributes) != 4 ||
						a.Encryption.Key != key || a.Encryption.CBC || !strings.HasSuffix(content, a.Encryption.Content) || !strings.HasSuffix(e.Transport, a.Encryption.Transport) {
						t.Fatalf("%+v: %+v", e, a)
					}
				}
			}
		}
	}
}

func TestEncryptedAssertions_AreCoveredByAnySignatureThatTheOthersAre(t *testing.T) {
	for _, form := range []struct {
		response, assertion bool
		require             saml.Signed
		reason              string
	}{
		{false, true, saml.SignedAny, ""},
		{true, true, saml.SignedAny, ""},
		{true, false, saml.SignedAny, ""},
		{true, false, saml.SignedResponse, ""},
		{true, true, saml.SignedBoth, ""},
		{false, false, saml.SignedAny, saml.ReasonSignatureNone}, // A11: anybody can encrypt for us
		{false, true, saml.SignedResponse, saml.ReasonSignatureNone},
		{true, false, saml.SignedBoth, saml.ReasonSignatureNone},
	} {
		s := encryptedScene()
		s.e.Require = form.require
		r := s.encrypted(samltest.Encryption{})
		r.Signing.Response, r.Signing.Assertion = form.response, form.assertion
		if raw := s.idp.Sign(r); form.reason != "" {
			s.refuse(t, raw, form.reason)
		} else if a := s.accept(t, raw); a.ResponseSigned != form.response || a.AssertionSigned != form.assertion {
			t.Errorf("%+v: %+v", form, a)
		}
	}
}

func TestEncryptedAssertions_OfStrangersAreRefused(t *testing.T) { // A11, CVE-2026-2092
	s := encryptedScene()
	attacker := samltest.NewIdP(s.idp.EntityID, kx())
	forged := attacker.Response(s.e.ServiceProvider, s.e.RequestID, s.now)
	forged.Assertion.NameID.Value = evil
	seal := func(signed bool) string {
		forged.Signing.Assertion = signed
		doc := string(attacker.Sign(forged))
		_, assertion, _ := cut(t, doc, forged.Assertion.ID)
		return samltest.Seal(assertion, "EncryptedAssertion", samltest.Encryption{For: k1().Certificate})
	}
	original, doc := s.signedAs(false, true)
	s.accept(t, []byte(doc))
	before, genuine, after := cut(t, doc, original.Assertion.ID)
	s.refuse(t, []byte(before+genuine+seal(false)+after), saml.ReasonSecondAssertion)
	s.refuse(t, []byte(before+seal(false)+genuine+after), saml.ReasonSecondAssertion)
	s.refuse(t, []byte(before+seal(false)+after), saml.ReasonSignatureNone)
	s.refuse(t, []byte(before+seal(true)+after), saml.ReasonUnknownKey)

	// In the place of another one, in a Response that the identity provider signed.
	around, doc := s.signedAs(true, false)
	s.accept(t, []byte(doc))
	before, _, after = cut(t, doc, around.Assertion.ID)
	s.refuse(t, []byte(before+seal(false)+after), saml.ReasonSignature)

	// Wrapped inside the encryption: the signed assertion of somebody, inside the attacker's.
	forged.Signing.Assertion = false
	forged.Assertion.Advice = genuine
	s.refuse(t, []byte(before+seal(false)+after), saml.ReasonSignature)
	unsigned := string(attacker.Sign(forged))
	_, wrapping, _ := cut(t, unsigned, forged.Assertion.ID)
	plain := s.response()
	plain.Signing.Assertion = false
	host := string(s.idp.Sign(plain))
	before, _, after = cut(t, host, plain.Assertion.ID)
	sealed := samltest.Seal(wrapping, "EncryptedAssertion", samltest.Encryption{For: k1().Certificate})
	s.refuse(t, []byte(before+sealed+after), saml.ReasonNestedAssertion)
}

// A3 with encryption (CVE-2026-89043): the genuine assertion is encrypted, the attacker's is in plain sight.
func TestWrapping_AroundEncryptedAssertionsIsRefused(t *testing.T) {
	s := encryptedScene()
	r := s.encrypted(samltest.Encryption{})
	doc := string(s.idp.Sign(r))
	s.accept(t, []byte(doc))
	forged := s.response()
	forged.Signing.Assertion, forged.Assertion.NameID.Value = false, evil
	unsigned := string(s.idp.Sign(forged))
	_, attack, _ := cut(t, unsigned, forged.Assertion.ID)
	holder := between(t, doc, "<sealed:EncryptedAssertion ", "</sealed:EncryptedAssertion>")
	for name, c := range map[string]struct{ old, new, reason string }{
		"before it":                {holder, attack + holder, saml.ReasonSecondAssertion},
		"after it":                 {holder, holder + attack, saml.ReasonSecondAssertion},
		"before the status":        {"<saml2p:Status>", "<saml2p:Extensions>" + attack + "</saml2p:Extensions><saml2p:Status>", saml.ReasonNestedAssertion},
		"inside it":                {"</sealed:EncryptedAssertion>", attack + "</sealed:EncryptedAssertion>", saml.ReasonNestedAssertion},
		"in the key's KeyInfo":     {"<ds:X509Data>", attack + "<ds:X509Data>", saml.ReasonNestedAssertion},
		"in place of a ciphertext": {"<xenc:EncryptedData ", attack + "<xenc:EncryptedData ", saml.ReasonNestedAssertion},
		"a second encrypted one":   {holder, holder + samltest.Seal(attack, "EncryptedAssertion", samltest.Encryption{For: k1().Certificate}), saml.ReasonSecondAssertion},
		"a signature around it":    {holder, "<Signature xmlns='http://www.w3.org/2000/09/xmldsig#'><Object>" + holder + "</Object></Signature>", saml.ReasonNestedAssertion},
	} {
		t.Run(name, func(t *testing.T) {
			changed := replaceOnce(t, doc, c.old, c.new)
			sound(t, changed)
			s.refuse(t, []byte(changed), c.reason, saml.ReasonMisplacedSignature)
		})
	}
}

func TestEncryption_OffTheListIsRefused(t *testing.T) { // SA04, IIP-ALG08
	for name, e := range map[string]samltest.Encryption{
		"AES-128-CBC":        {Content: samltest.AES128CBC},
		"AES-256-CBC":        {Content: samltest.AES256CBC},
		"triple DES":         {Content: samltest.TripleDES},
		"RSA PKCS 1.5":       {Transport: samltest.RSA15},
		"MD5 as digest":      {Digest: "http://www.w3.org/2001/04/xmldsig-more#md5"},
		"MGF1 with MD5":      {Transport: samltest.OAEP, MGF: "http://www.w3.org/2009/xmlenc11#mgf1md5"},
		"MGF1P with SHA-256": {Transport: samltest.OAEPMGF1P, MGF: samltest.MGF1SHA256},
	} {
		s := encryptedScene()
		r := s.encrypted(e)
		r.Signing.Response = true
		if refusal := s.refuse(t, s.idp.Sign(r), saml.ReasonEncryptionAlgorithm); !refusal.Verified {
			t.Errorf("%s: %+v", name, refusal)
		}
	}
}

func TestCBC_IsReadInSignedResponsesOnlyAndWhenAllowed(t *testing.T) { // SA04, IIP-ALG05, IIP-SP13
	for _, content := range []string{samltest.AES128CBC, samltest.AES256CBC} {
		for _, form := range []struct{ allowed, response, assertion, good bool }{
			{true, true, true, true}, {true, true, false, true},
			{true, false, true, false}, {false, true, true, false}, {false, false, true, false},
		} {
			s := encryptedScene()
			s.e.AllowCBC = form.allowed
			r := s.encrypted(samltest.Encryption{Content: content})
			r.Signing.Response, r.Signing.Assertion = form.response, form.assertion
			if raw := s.idp.Sign(r); !form.good {
				s.refuse(t, raw, saml.ReasonEncryptionAlgorithm)
			} else if a := s.accept(t, raw); !a.Encryption.CBC || a.Subject.Value != "alice@corp.example" {
				t.Errorf("%+v", a.Encryption)
			}
		}
	}
}

// closed is the one refusal of everything that depends on a key.
func closed(t *testing.T, s *scene, r *samltest.Response) *saml.Refusal {
	t.Helper()
	refusal := s.refuse(t, s.idp.Sign(r), saml.ReasonDecryption)
	told := *refusal
	told.ResponseID, told.AssertionID = "", "" // new each time
	return &told
}

func TestDecryption_FailsInOneWayWhateverIsWrong(t *testing.T) { // A32, A33
	for _, content := range []string{samltest.AES256GCM, samltest.AES128GCM, samltest.AES256CBC, samltest.AES128CBC} {
		s := encryptedScene()
		s.e.AllowCBC = true
		var first *saml.Refusal
		same := func(name string, e samltest.Encryption) {
			t.Helper()
			e.Content = content
			r := s.encrypted(e)
			r.Signing.Response = true
			told := closed(t, s, r)
			if first == nil {
				first = told
			}
			if !reflect.DeepEqual(first, told) {
				t.Errorf("%s, %s: %+v and not %+v", content, name, told, first)
			}
		}
		same("for somebody else", samltest.Encryption{For: kx().Certificate})
		for length := range 65 { // no panic on any of them: GO-2026-4760
			same(fmt.Sprintf("%d bytes", length), samltest.Encryption{Cipher: func(text []byte) []byte { return text[:length] }})
		}
		for last := 1; last < 256; last++ { // every other value of the byte that says how long the padding is
			if last%5 != 0 && !strings.HasSuffix(content, "256-cbc") {
				continue
			}
			same(fmt.Sprintf("last byte %d", last), samltest.Encryption{Cipher: func(text []byte) []byte {
				text[len(text)-1-16] ^= byte(last)
				return text
			}})
		}
		same("a tag of four bytes", samltest.Encryption{Cipher: func(text []byte) []byte { return text[:len(text)-12] }})
		same("no nonce", samltest.Encryption{Cipher: func(text []byte) []byte { return text[12:] }})
		same("nothing", samltest.Encryption{Cipher: func([]byte) []byte { return nil }})
	}
}

// What opens and is not one Assertion is refused like what does not open.
func TestDecryption_GivesOneAssertionOrNothing(t *testing.T) {
	s := encryptedScene()
	r, doc := s.signedAs(false, true)
	before, assertion, after := cut(t, doc, r.Assertion.ID)
	message := func(plain string) []byte {
		return []byte(before + samltest.Seal(plain, "EncryptedAssertion", samltest.Encryption{For: k1().Certificate}) + after)
	}
	s.accept(t, message(assertion))
	responseID, _ := ids(t, doc)
	for name, plain := range map[string]string{
		"nothing":                         " ",
		"no XML":                          "alice",
		"two assertions":                  assertion + strings.ReplaceAll(assertion, r.Assertion.ID, "_second"),
		"a comment":                       strings.Replace(assertion, "alice@", "ali<!-- -->ce@", 1),
		"a document type":                 "<!DOCTYPE a>" + assertion,
		"text after it":                   assertion + "x",
		"another element":                 "<x xmlns='urn:x'>" + assertion + "</x>",
		"an ID of the Response around it": strings.ReplaceAll(assertion, r.Assertion.ID, responseID),
		"a prefix that is not declared":   strings.Replace(assertion, "<saml2:Subject", "<no:Subject", 1),
		"an end of what is around it":     assertion + "</sealed:EncryptedAssertion>",
		"XML in UTF-16":                   "<?xml version='1.0' encoding='UTF-16'?>" + assertion,
	} {
		t.Run(name, func(t *testing.T) { s.refuse(t, message(plain), saml.ReasonDecryption) })
	}
}

// Prefixes that the text inside leaves to what was around it, the PrefixList's among them.
func TestDecryption_ReadsInTheNamespacesAround(t *testing.T) {
	s := encryptedScene()
	r, doc := s.signedAs(false, true)
	before, assertion, after := cut(t, doc, r.Assertion.ID)
	inherited := replaceOnce(t, assertion, ` xmlns:saml2="urn:oasis:names:tc:SAML:2.0:assertion"`, "")
	inherited = replaceOnce(t, inherited, ` xmlns:xs="http://www.w3.org/2001/XMLSchema"`, "")
	sealed := samltest.Seal(inherited, "EncryptedAssertion", samltest.Encryption{For: k1().Certificate})
	s.refuse(t, []byte(before+sealed+after), saml.ReasonDecryption) // nobody declares saml2
	declared := replaceOnce(t, sealed, "<sealed:EncryptedAssertion ", `<sealed:EncryptedAssertion xmlns:saml2="urn:oasis:names:tc:SAML:2.0:assertion" `)
	if a := s.accept(t, []byte(before+declared+after)); a.Subject.Value != "alice@corp.example" {
		t.Errorf("%+v", a)
	}
	// Bound to something else there, what is signed is not the same any more.
	changed := replaceOnce(t, declared, "xmlns:sealed=", `xmlns:xs="urn:other" xmlns:sealed=`)
	s.refuse(t, []byte(before+changed+after), saml.ReasonSignature)
}

func TestEncryptedNamesAndAttributes_AreRead(t *testing.T) { // IIP-SP16
	s := encryptedScene()
	e := &samltest.Encryption{For: k1().Certificate}
	for _, form := range []struct{ name, attribute, assertion *samltest.Encryption }{
		{e, nil, nil}, {nil, e, nil}, {e, e, nil}, {e, e, e},
	} {
		for _, style := range []samltest.Style{samltest.Okta, samltest.Entra} {
			r := s.response()
			r.Style = style
			r.Assertion.NameIDEncryption, r.Assertion.AttributeEncryption, r.Encryption = form.name, form.attribute, form.assertion
			raw := s.idp.Sign(r)
			a := s.accept(t, raw)
			if groups, _ := a.Values("groups"); a.Subject.Value != "alice@corp.example" || a.Subject.Format != saml.FormatEmail || len(groups) != 2 ||
				a.Encryption.Content != "aes256-gcm" || a.Encryption.Key != 1 {
				t.Errorf("%+v", a)
			}
			none := newScene()
			none.refuse(t, raw, saml.ReasonEncrypted)
		}
	}
	r := s.response()
	r.Assertion.NameIDEncryption = &samltest.Encryption{For: kx().Certificate}
	s.refuse(t, s.idp.Sign(r), saml.ReasonDecryption)
	// An EncryptedID holds a name, not a whole assertion (Core section 2.2.4).
	doc := string(s.idp.Sign(s.response()))
	_, assertion, _ := cut(t, doc, attrOf(t, doc, "Assertion", "ID"))
	r = s.response()
	r.Signing.Assertion = false
	unsigned := string(s.idp.Sign(r))
	from, to := strings.Index(unsigned, "<saml2:NameID"), strings.Index(unsigned, "</saml2:NameID>")+len("</saml2:NameID>")
	unsigned = unsigned[:from] + samltest.Seal(assertion, "EncryptedID", *e) + unsigned[to:]
	s.refuse(t, signElement(s, unsigned, r.Assertion.ID), saml.ReasonDecryption)
}

// attrOf returns an attribute of the first element of a local name.
func attrOf(t testing.TB, doc, local, name string) string {
	t.Helper()
	_, rest, found := strings.Cut(doc, ":"+local+" ")
	_, rest, more := strings.Cut(rest, name+`="`)
	value, _, end := strings.Cut(rest, `"`)
	if !found || !more || !end {
		t.Fatalf("no %s of %s", name, local)
	}
	return value
}

func TestEncryptedParts_AreOpenedInLimitedNumber(t *testing.T) {
	s := encryptedScene()
	r := s.response()
	r.Assertion.AttributeEncryption = &samltest.Encryption{For: k1().Certificate}
	r.Assertion.Attributes = nil
	for i := range 64 {
		r.Assertion.Attributes = append(r.Assertion.Attributes, saml.Attribute{Name: fmt.Sprint("a", i), Values: []string{"x"}})
	}
	s.accept(t, s.idp.Sign(r))
	r.Assertion.Attributes = append(r.Assertion.Attributes, saml.Attribute{Name: "one more", Values: []string{"x"}})
	s.refuse(t, s.idp.Sign(r), saml.ReasonTooLarge)
}

// counting is a key that is kept elsewhere: no more is known of it than crypto.Decrypter says.
type counting struct {
	key   *rsa.PrivateKey
	calls *int
	err   error
}

func (c counting) Public() crypto.PublicKey { return c.key.Public() }

func (c counting) Decrypt(random io.Reader, text []byte, options crypto.DecrypterOpts) ([]byte, error) {
	*c.calls++
	if _, ok := options.(*rsa.OAEPOptions); !ok {
		return nil, errors.New("only RSA-OAEP is asked for")
	}
	if c.err != nil {
		return nil, c.err
	}
	return c.key.Decrypt(random, text, options)
}

// A private key operation is what costs most in a message; strangers can write EncryptedKeys and make us
// do some, but not many. The Recipient says which to begin with.
func TestEncryptedKeys_AreTriedInLimitedNumberAndOursFirst(t *testing.T) {
	calls := 0
	s := newScene()
	s.e.DecryptionKeys = []crypto.Decrypter{counting{key: k1().Signer.(*rsa.PrivateKey), calls: &calls}}
	r := s.encrypted(samltest.Encryption{Placement: samltest.Beside, Recipient: s.e.ServiceProvider.EntityID})
	doc := string(s.idp.Sign(r))
	s.accept(t, []byte(doc))
	if calls != 1 {
		t.Errorf("%d operations for one key", calls)
	}
	from, to := strings.Index(doc, "<xenc:EncryptedKey "), strings.Index(doc, "</xenc:EncryptedKey>")+len("</xenc:EncryptedKey>")
	ours := doc[from:to]
	var others strings.Builder
	for range 100 {
		other := samltest.Seal("x", "x", samltest.Encryption{For: kx().Certificate, Placement: samltest.Beside})
		others.WriteString(other[strings.Index(other, "<xenc:EncryptedKey ") : strings.Index(other, "</xenc:EncryptedKey>")+len("</xenc:EncryptedKey>")])
	}
	calls = 0
	s.accept(t, []byte(doc[:from]+others.String()+ours+doc[to:]))
	if calls != 1 {
		t.Errorf("%d operations although one EncryptedKey says that it is for us", calls)
	}
	calls = 0
	s.refuse(t, []byte(doc[:from]+others.String()+doc[to:]), saml.ReasonDecryption)
	if calls != 2 {
		t.Errorf("%d operations for 100 EncryptedKeys", calls)
	}
	calls = 0
	s.e.DecryptionKeys = []crypto.Decrypter{counting{key: k1().Signer.(*rsa.PrivateKey), calls: &calls, err: errors.New("the vault is closed")}, k1().Decrypter()}
	if a := s.accept(t, []byte(doc)); a.Encryption.Key != 1 || calls != 1 {
		t.Error("the second key was not tried after the first failed", a.Encryption)
	}
}

// Nothing is decrypted for the sake of a message whose signature is wrong.
func TestDecryption_ComesAfterTheSignatureAround(t *testing.T) {
	calls := 0
	s := newScene()
	s.e.DecryptionKeys = []crypto.Decrypter{counting{key: k1().Signer.(*rsa.PrivateKey), calls: &calls}}
	r := s.encrypted(samltest.Encryption{})
	r.Signing.Response = true
	doc := string(s.idp.Sign(r))
	s.refuse(t, []byte(replaceOnce(t, doc, "xenc:CipherValue>", "xenc:CipherValue>AAAA")), saml.ReasonSignature)
	if calls != 0 {
		t.Error("decrypted nevertheless")
	}
	s.accept(t, []byte(doc))
}

func TestEncryptedData_OfOtherShapesIsRefused(t *testing.T) {
	s := encryptedScene()
	doc := string(s.idp.Sign(s.encrypted(samltest.Encryption{})))
	s.accept(t, []byte(doc))
	for name, change := range map[string][2]string{
		"a reference instead of a value":    {"<xenc:CipherData><xenc:CipherValue>", `<xenc:CipherData><xenc:CipherReference URI="http://127.0.0.1/"/><xenc:CipherValue>`},
		"the type of contents":              {`xmlenc#Element"`, `xmlenc#Content"`},
		"a second EncryptedData":            {"</xenc:EncryptedData>", "</xenc:EncryptedData><EncryptedData xmlns='http://www.w3.org/2001/04/xmlenc#'/>"},
		"no EncryptedKey":                   {"xenc:EncryptedKey", "xenc:OtherKey"},
		"two digests":                       {`rsa-oaep-mgf1p">`, `rsa-oaep-mgf1p"><ds:DigestMethod Algorithm="http://www.w3.org/2000/09/xmldsig#sha1"/><ds:DigestMethod Algorithm="http://www.w3.org/2000/09/xmldsig#sha1"/>`},
		"an attribute of nobody's":          {"<xenc:EncryptedData ", `<xenc:EncryptedData Origin="x" `},
		"something after the ciphertext":    {"</xenc:CipherData></xenc:EncryptedData>", "</xenc:CipherData><xenc:ReferenceList/></xenc:EncryptedData>"},
		"text":                              {"</xenc:EncryptedData>", "</xenc:EncryptedData>text"},
		"an element of another namespace":   {"</xenc:EncryptedData>", "</xenc:EncryptedData><x xmlns='urn:x'/>"},
		"something before the EncryptedKey": {"</xenc:EncryptionMethod>", "</xenc:EncryptionMethod><xenc:CarriedKeyName>x</xenc:CarriedKeyName>"},
	} {
		t.Run(name, func(t *testing.T) { s.refuse(t, []byte(replace(t, doc, change[0], change[1])), saml.ReasonStructure) })
	}
	for name, change := range map[string][2]string{
		"a label of RSA-OAEP":      {`rsa-oaep-mgf1p">`, `rsa-oaep-mgf1p"><xenc:OAEPparams>AAAA</xenc:OAEPparams>`},
		"an unknown parameter":     {`rsa-oaep-mgf1p">`, `rsa-oaep-mgf1p"><xenc:Other/>`},
		"no algorithm for the key": {` Algorithm="http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s.refuse(t, []byte(replace(t, doc, change[0], change[1])), saml.ReasonEncryptionAlgorithm)
		})
	}
	for name, change := range map[string][2]string{
		"what belongs to an EncryptedKey": {"</xenc:EncryptedKey>", `<xenc:ReferenceList><xenc:DataReference URI="#x"/></xenc:ReferenceList><xenc:CarriedKeyName>x</xenc:CarriedKeyName></xenc:EncryptedKey>`},
		"a size and no label":             {`rsa-oaep-mgf1p">`, `rsa-oaep-mgf1p"><xenc:KeySize>2048</xenc:KeySize><xenc:OAEPparams/>`},
		"no type":                         {` Type="http://www.w3.org/2001/04/xmlenc#Element"`, ""},
		"broken lines":                    {"<xenc:CipherValue>", "<xenc:CipherValue>\r\n  "},
		"ADFS's way to name a key":        {"<ds:X509Data><ds:X509Certificate>", "<ds:X509Data><ds:X509IssuerSerial><ds:X509IssuerName>CN=x</ds:X509IssuerName><ds:X509SerialNumber>1</ds:X509SerialNumber></ds:X509IssuerSerial><ds:X509Certificate>"},
	} {
		t.Run("taken: "+name, func(t *testing.T) { s.accept(t, []byte(replaceOnce(t, doc, change[0], change[1]))) })
	}
}
