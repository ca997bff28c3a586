package saml_test

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/internal/dsig/dsigtest"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// xmlsec1 1.2 has both block ciphers, and of key transports RSA-OAEP with SHA-1.
var xmlsec1Contents = map[string]string{samltest.AES128GCM: "aes-128", samltest.AES256GCM: "aes-256", samltest.AES128CBC: "aes-128", samltest.AES256CBC: "aes-256"}

// encryptedByXmlsec1 encrypts the element at an XPath, in the place where it stands.
func encryptedByXmlsec1(t *testing.T, doc, path, content string, to *samltest.Key) string {
	t.Helper()
	dir := t.TempDir()
	template := `<xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" Type="http://www.w3.org/2001/04/xmlenc#Element">` +
		`<xenc:EncryptionMethod Algorithm="` + content + `"/><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><xenc:EncryptedKey>` +
		`<xenc:EncryptionMethod Algorithm="` + samltest.OAEPMGF1P + `"/><xenc:CipherData><xenc:CipherValue/></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo>` +
		`<xenc:CipherData><xenc:CipherValue/></xenc:CipherData></xenc:EncryptedData>`
	out, err := dsigtest.Xmlsec1(t, "--encrypt", "--pubkey-cert-pem", write(t, dir, "to.pem", to.Certificate.PEM()),
		"--session-key", xmlsec1Contents[content], "--xml-data", write(t, dir, "plain.xml", doc),
		"--node-xpath", path, write(t, dir, "template.xml", template))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func privatePEM(t *testing.T, key *samltest.Key) string {
	t.Helper()
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key.Signer))}))
}

// What xmlsec1 encrypts, around an assertion that it signed itself, we read.
func TestXmlsec1_EncryptsWhatIsRead(t *testing.T) {
	for content := range xmlsec1Contents {
		s := encryptedScene()
		s.e.AllowCBC = true
		r := s.response()
		r.Assertion.NameID.Value = "ünï <&> alice"
		doc := dsigtest.Xmlsec1Sign(t, string(r.Unsigned()), r.Assertion.ID, dsigKey(t, k1()), dsigtest.Options{PrefixList: "xs"})
		holder := strings.Replace(doc, "<saml2:Assertion ", `<saml2:EncryptedAssertion xmlns:saml2="urn:oasis:names:tc:SAML:2.0:assertion"><saml2:Assertion `, 1)
		holder = strings.Replace(holder, "</saml2:Assertion>", "</saml2:Assertion></saml2:EncryptedAssertion>", 1)
		encrypted := encryptedByXmlsec1(t, holder, `//*[@ID="`+r.Assertion.ID+`"]`, content, k1())
		if strings.Contains(encrypted, "alice") {
			t.Fatal("xmlsec1 encrypted nothing")
		}
		// CBC has to be in a signed Response.
		encrypted = dsigtest.Xmlsec1Sign(t, encrypted, r.ID, dsigKey(t, k1()), dsigtest.Options{})
		if a := s.accept(t, []byte(encrypted)); a.Subject.Value != "ünï <&> alice" || !a.AssertionSigned || a.Encryption.Key != 1 {
			t.Errorf("%s: %+v", content, a)
		}
	}
}

// Names and attributes that xmlsec1 encrypts are read inside an assertion that it signed after that.
func TestXmlsec1_EncryptsNamesAndAttributesThatAreRead(t *testing.T) { // IIP-SP16
	for _, part := range []struct{ element, holder string }{{"NameID", "EncryptedID"}, {"Attribute", "EncryptedAttribute"}} {
		for content := range xmlsec1Contents {
			s := encryptedScene()
			s.e.AllowCBC = true
			r := s.response()
			r.Assertion.NameID.Value = "ünï <&> alice"
			r.Assertion.Attributes = r.Assertion.Attributes[3:4] // the groups
			unsigned := string(r.Unsigned())
			from, to := strings.Index(unsigned, "<saml2:"+part.element+" "), strings.LastIndex(unsigned, "</saml2:"+part.element+">")+len("</saml2:>"+part.element)
			holder := unsigned[:from] + "<saml2:" + part.holder + ">" + unsigned[from:to] + "</saml2:" + part.holder + ">" + unsigned[to:]
			encrypted := encryptedByXmlsec1(t, holder, `//*[local-name()="`+part.element+`"]`, content, k1())
			doc := dsigtest.Xmlsec1Sign(t, encrypted, r.Assertion.ID, dsigKey(t, k1()), dsigtest.Options{PrefixList: "xs"})
			doc = dsigtest.Xmlsec1Sign(t, doc, r.ID, dsigKey(t, k1()), dsigtest.Options{})
			if strings.Contains(doc, "<saml2:"+part.element+" ") {
				t.Fatalf("xmlsec1 encrypted no %s", part.element)
			}
			a := s.accept(t, []byte(doc))
			if groups, _ := a.Values("groups"); a.Subject.Value != "ünï <&> alice" || len(groups) != 2 {
				t.Errorf("%s by %s: %+v", part.element, content, a)
			}
		}
	}
}

// What samltest encrypts, xmlsec1 reads, so that our tests do not only agree with themselves.
func TestXmlsec1_ReadsWhatTheTestsEncrypt(t *testing.T) {
	for content := range xmlsec1Contents {
		for _, placement := range []samltest.Placement{samltest.InKeyInfo, samltest.Retrieved} {
			s := encryptedScene()
			r := s.encrypted(samltest.Encryption{Content: content, Placement: placement})
			doc := string(s.idp.Sign(r))
			dir := t.TempDir()
			plain, err := dsigtest.Xmlsec1(t, "--decrypt", "--privkey-pem", write(t, dir, "key.pem", privatePEM(t, k1())),
				"--id-attr:Id", "http://www.w3.org/2001/04/xmlenc#:EncryptedKey", write(t, dir, "in.xml", doc))
			if err != nil {
				t.Errorf("%s: %v", content, err)
				continue
			}
			if !strings.Contains(plain, ">alice@corp.example</saml2:NameID>") {
				t.Errorf("%s: %s", content, plain)
			}
		}
	}
}

// RSA-OAEP with two different hashes, which xmlsec1 1.2 does not know, made by OpenSSL: the content
// keys 000102...0f, encrypted to testdata/fixed/key.pem by
// openssl pkeyutl -encrypt -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:... -pkeyopt rsa_mgf1_md:...
func TestOpenSSLsKeys_AreUnwrapped(t *testing.T) {
	block, _ := pem.Decode(readFile(t, "testdata/fixed/key.pem"))
	key := must(x509.ParsePKCS8PrivateKey(block.Bytes)).(crypto.Signer)
	certified := samltest.Certify(key, metadataNow, metadataNow)
	for name, e := range map[string]samltest.Encryption{
		"sha256-sha1":   {Transport: samltest.OAEPMGF1P, Digest: samltest.SHA256},
		"sha256-sha256": {Transport: samltest.OAEP, Digest: samltest.SHA256, MGF: samltest.MGF1SHA256},
		"sha1-sha256":   {Transport: samltest.OAEP, MGF: samltest.MGF1SHA256},
		"sha512-sha1":   {Transport: samltest.OAEP, Digest: samltest.SHA512, MGF: samltest.MGF1SHA1},
	} {
		s := newScene()
		s.e.DecryptionKeys = []crypto.Decrypter{certified.Decrypter()}
		e.For, e.Content, e.Secret = certified.Certificate, samltest.AES128GCM, []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
		r := s.response()
		r.Encryption = &e
		doc := string(s.idp.Sign(r))
		s.accept(t, []byte(doc))
		from := strings.Index(doc, "<xenc:CipherValue>") + len("<xenc:CipherValue>") // the key's comes first
		to := from + strings.Index(doc[from:], "<")
		theirs := base64.StdEncoding.EncodeToString(readFile(t, "testdata/fixed/oaep-"+name))
		a := s.accept(t, []byte(doc[:from]+theirs+doc[to:]))
		if a.Subject.Value != "alice@corp.example" || a.Encryption != (saml.Encryption{Content: "aes128-gcm", Transport: a.Encryption.Transport}) {
			t.Errorf("%s: %+v", name, a.Encryption)
		}
	}
}
