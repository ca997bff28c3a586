package saml_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/internal/dsig"
	"github.com/gatehouse-id/gatehouse/saml/internal/dsig/dsigtest"
	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// The keys of the acceptance cases: K1 is the connection's, K2 its next, KX an attacker's.
var (
	k1 = sync.OnceValue(samltest.NewKey)
	k2 = sync.OnceValue(samltest.NewKey)
	kx = sync.OnceValue(samltest.NewKey)
)

// evil is whom attackers want to be.
const evil = "admin@corp.example"

// scene is one connection with a request pending.
type scene struct {
	idp *samltest.IdP
	now time.Time
	e   saml.Expectation
}

func newScene() *scene {
	idp := samltest.NewIdP("http://www.okta.com/exk1a2b3c4d5e6f7g8h9", k1())
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	return &scene{idp: idp, now: now, e: saml.Expectation{
		ServiceProvider: saml.ServiceProvider{
			EntityID: "https://id.example.com/auth/saml/con_a1/metadata",
			ACS:      "https://id.example.com/auth/saml/con_a1/acs",
		},
		IdentityProvider: idp.IdentityProvider(),
		RequestID:        "_c7d0f4b2a58e4d1f9d2b7f0f7a3a6c11",
		RequestedAt:      now.Add(-30 * time.Second),
	}}
}

// response is a good one for the scene.
func (s *scene) response() *samltest.Response {
	return s.idp.Response(s.e.ServiceProvider, s.e.RequestID, s.now)
}

// signedAs returns a good message with those signatures.
func (s *scene) signedAs(response, assertion bool) (*samltest.Response, string) {
	r := s.response()
	r.Signing.Response, r.Signing.Assertion = response, assertion
	return r, string(s.idp.Sign(r))
}

// verify is saml.Verify in the scene.
func (s *scene) verify(raw []byte) (*saml.Assertion, *saml.Refusal) {
	a, err := saml.Verify(raw, s.e, s.now)
	if err == nil {
		return a, nil
	}
	var refusal *saml.Refusal
	if !errors.As(err, &refusal) {
		panic("an error that is no Refusal: " + err.Error())
	}
	return a, refusal
}

// accept wants a message to be accepted.
func (s *scene) accept(t testing.TB, raw []byte) *saml.Assertion {
	t.Helper()
	a, refusal := s.verify(raw)
	if refusal != nil {
		t.Fatalf("refused: %v", refusal)
	}
	return a
}

// refuse wants a message to be refused for one of the reasons.
func (s *scene) refuse(t testing.TB, raw []byte, reasons ...string) *saml.Refusal {
	t.Helper()
	a, refusal := s.verify(raw)
	if refusal == nil {
		t.Fatalf("accepted for %q; expected a refusal: %v", a.Subject.Value, reasons)
	}
	if a != nil {
		t.Fatal("a refusal came with an assertion")
	}
	for _, reason := range reasons {
		if refusal.Reason == reason {
			return refusal
		}
	}
	t.Fatalf("refused as %q (%s), expected %v", refusal.Reason, refusal.Detail, reasons)
	return nil
}

// dsigKey is a key as dsigtest wants it.
func dsigKey(t testing.TB, key *samltest.Key) dsigtest.Key {
	t.Helper()
	return dsigtest.Key{Signer: key.Signer, Certificate: parseX509(t, key.Certificate.Raw)}
}

// cut returns the text of the element with that ID, and what stands before and after it.
func cut(t testing.TB, doc, id string) (before, element, after string) {
	t.Helper()
	start, end := dsigtest.Find(t, dsigtest.Parse(t, doc), id).Extent()
	return doc[:start], doc[start:end], doc[end:]
}

// cutSignature returns the text of the signature that is a child of the element with that ID.
func cutSignature(t testing.TB, doc, id string) (before, signature, after string) {
	t.Helper()
	for child := range dsigtest.Find(t, dsigtest.Parse(t, doc), id).Elements() {
		if child.Is(dsig.Namespace, "Signature") {
			start, end := child.Extent()
			return doc[:start], doc[start:end], doc[end:]
		}
	}
	t.Fatalf("%s is not signed", id)
	return
}

// replace changes a text that must be there.
func replace(t testing.TB, doc, old, new string) string {
	t.Helper()
	if !strings.Contains(doc, old) {
		t.Fatalf("%q is not in the document", old)
	}
	return strings.ReplaceAll(doc, old, new)
}

// replaceOnce is replace for the first place only.
func replaceOnce(t testing.TB, doc, old, new string) string {
	t.Helper()
	if !strings.Contains(doc, old) {
		t.Fatalf("%q is not in the document", old)
	}
	return strings.Replace(doc, old, new, 1)
}

// sound fails when a document is refused by the parser already: an attack that must be stopped
// by the upper floors has to get there.
func sound(t testing.TB, doc string) {
	t.Helper()
	if _, err := strictxml.Parse([]byte(doc), strictxml.Limits{}); err != nil {
		t.Fatalf("the attack is not even XML: %v", err)
	}
}

// signElement signs an element of any document with the connection's key.
func signElement(s *scene, doc, id string) []byte {
	return samltest.SignElement([]byte(doc), id, samltest.Signing{Key: s.idp.Keys[0]})
}
