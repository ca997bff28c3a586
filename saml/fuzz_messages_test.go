package saml_test

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"reflect"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// fixedScene is the connection of the messages in testdata/fixed: their identity provider signs with
// the key that is there, and for that key they are encrypted.
func fixedScene(t testing.TB) (*scene, saml.ArtifactResolve) {
	t.Helper()
	block, _ := pem.Decode(readFile(t, "testdata/fixed/key.pem"))
	key := must(x509.ParsePKCS8PrivateKey(block.Bytes)).(crypto.Signer)
	s := newScene()
	s.idp.Keys = []*samltest.Key{samltest.Certify(key, metadataNow, metadataNow)}
	s.e.IdentityProvider = s.idp.IdentityProvider()
	s.e.DecryptionKeys, s.e.AllowCBC = []crypto.Decrypter{s.idp.Keys[0].Decrypter()}, true
	artifact := must(saml.ParseArtifact("AAQAAKezSd9GjJda0C95vI3r6/Bhverckl6tsN16sVquNuocIACAAL/99UY="))
	return s, saml.ArtifactResolve{ID: "_resolve", Artifact: artifact}
}

// Nobody who has not the key can make an encrypted message that says something else than the stored one.
func FuzzVerifyEncrypted(f *testing.F) {
	s, _ := fixedScene(f)
	stored := readFile(f, "testdata/fixed/encrypted.xml")
	original := s.accept(f, stored)
	f.Add(stored)
	for _, change := range [][2]string{{"aes256-gcm", "aes256-cbc"}, {"rsa-oaep-mgf1p", "rsa-1_5"}, {"CipherValue>", "CipherValue>AAAA"}, {"CipherData>", "CipherReference>"}, {"xmlenc#Element", "xmlenc#Content"}} {
		f.Add([]byte(strings.ReplaceAll(string(stored), change[0], change[1])))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, refusal := s.verify(raw)
		switch {
		case refusal == nil: // some of the corpus are other messages of the same person, signed as well
			if a.Subject != original.Subject || !reflect.DeepEqual(a.Attributes, original.Attributes) {
				t.Errorf("%+v", a)
			}
		case refusal.Reason == "" || refusal.Detail == "" || refusal.Subject != "" && refusal.Subject != original.Subject.Value:
			t.Errorf("%+v", refusal)
		}
	})
}

// Nobody who has not the key can make a query that ends another session than the stored one does.
func FuzzLogoutRedirect(f *testing.F) {
	s, _ := fixedScene(f)
	stored := string(readFile(f, "testdata/fixed/logout.query"))
	original, err := saml.VerifyLogoutRequest(decoded(f, stored, nil, false), s.logout(), s.now)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(stored)
	f.Add(strings.ReplaceAll(stored, "%2B", "%2b"))
	f.Add(strings.Replace(stored, "&RelayState", "&RelayState=x&RelayState", 1))
	f.Add(strings.Replace(stored, "SAMLRequest", "SAMLResponse", 1))
	f.Add("SAMLRequest=AwA%3D&SigAlg=http%3a%2f%2fwww.w3.org%2f2000%2f09%2fxmldsig%23rsa-sha1&Signature=AAAA")
	f.Fuzz(func(t *testing.T, query string) {
		m, err := saml.DecodeRedirect(query)
		if err != nil {
			if reasonOf(t, err) == "" {
				t.Error("no reason")
			}
			return
		}
		if len(m.XML) > 64<<10 {
			t.Errorf("%d bytes", len(m.XML))
		}
		got, err := saml.VerifyLogoutRequest(m, s.logout(), s.now)
		if err == nil && (!reflect.DeepEqual(got, original) || m.RelayState != "state") {
			t.Errorf("%+v with the relay state %q", got, m.RelayState)
		}
		if _, err := saml.VerifyLogoutResponse(m, s.logout(), s.now); err == nil {
			t.Error("passes as an answer")
		}
	})
}

// Nobody who has not the key can answer with a Response that says something else than the stored one.
func FuzzVerifyArtifactResponse(f *testing.F) {
	s, asked := fixedScene(f)
	stored := readFile(f, "testdata/fixed/artifact.xml")
	original, err := saml.VerifyArtifactResponse(stored, asked, s.e, s.now)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(stored)
	for _, change := range [][2]string{{"soap:Body", "soap:Header"}, {"_resolve", "_other"}, {"<ds:Signature ", "<ds:Other "}, {"alice@", "admin@"}} {
		f.Add([]byte(strings.ReplaceAll(string(stored), change[0], change[1])))
	}
	f.Add([]byte(`<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultstring>x</faultstring></s:Fault></s:Body></s:Envelope>`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := saml.VerifyArtifactResponse(raw, asked, s.e, s.now)
		if err == nil {
			b := *a
			b.ResponseID = original.ResponseID // inside what is signed, but for nobody to say so
			if *a = b; !reflect.DeepEqual(a, original) {
				t.Errorf("%+v", a)
			}
		} else if reasonOf(t, err) == "" {
			t.Error("no reason")
		}
	})
}
