package saml

import (
	"crypto"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/saml/internal/dsig"
	"github.com/gatehouse-id/gatehouse/saml/internal/dsig/dsigtest"
)

// A10: what is read is the verified element or nothing. The outline of a Response rules these out before; the
// handle does not rely on it.
func TestCoveredBy_GivesOnlyTheOneAssertionThatIsVerified(t *testing.T) {
	key := dsigtest.RSA(t)
	handle := func(doc, id string) (signed, bool) {
		t.Helper()
		doc = dsigtest.Sign(t, doc, id, key, dsigtest.Options{})
		v, err := dsig.Verify(dsigtest.Find(t, dsigtest.Parse(t, doc), id), []crypto.PublicKey{key.Public()}, dsig.Policy{})
		if err != nil {
			t.Fatal(err)
		}
		return coveredBy(v, unsealed{})
	}
	doc := dsigtest.Response(1)
	for _, id := range []string{dsigtest.ResponseID, dsigtest.AssertionID} {
		s, ok := handle(doc, id)
		if !ok || attr(s.assertion, "ID") != dsigtest.AssertionID {
			t.Errorf("%s: %t", id, ok)
		}
	}
	from := strings.Index(doc, "<saml2:Assertion ")
	end := strings.Index(doc, "</saml2p:Response>")
	second := strings.ReplaceAll(doc[from:end], dsigtest.AssertionID, "_second")
	for name, doc := range map[string]string{
		"two assertions":       doc[:end] + second + doc[end:],
		"no assertion":         doc[:from] + doc[end:],
		"some other document":  strings.ReplaceAll(doc, "saml2p:Response", "saml2p:Other"),
		"an assertion, deeper": doc[:from] + "<x>" + doc[from:end] + "</x>" + doc[end:],
	} {
		if _, ok := handle(doc, dsigtest.ResponseID); ok {
			t.Errorf("%s: there is a handle", name)
		}
	}
	if _, ok := coveredBy(dsig.Verified{}, unsealed{}); ok {
		t.Error("there is a handle of nothing")
	}
}

// A10: there is one copy, the element whose digest was checked. What a changed copy of the message
// says is neither verified nor read.
func TestAssertion_IsReadFromTheVerifiedElementAndNoOtherCopy(t *testing.T) {
	key := dsigtest.RSA(t)
	doc := dsigtest.Sign(t, dsigtest.Response(1), dsigtest.AssertionID, key, dsigtest.Options{})
	root := dsigtest.Parse(t, doc)
	v, err := dsig.Verify(dsigtest.Find(t, root, dsigtest.AssertionID), []crypto.PublicKey{key.Public()}, dsig.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	s, ok := coveredBy(v, unsealed{})
	if !ok || s.assertion != dsigtest.Find(t, root, dsigtest.AssertionID) {
		t.Fatal("what is read is another element than the one whose digest was checked")
	}
	control, r := s.subject(&decryption{})
	if r != nil || control.name.Value != "alice@corp.example" {
		t.Fatalf("the control: %q, %v", control.name.Value, r)
	}
	evil := dsigtest.Find(t, dsigtest.Parse(t, strings.ReplaceAll(doc, "alice@corp.example", "mallory@evil.example")), dsigtest.AssertionID)
	if _, err := dsig.Verify(evil, []crypto.PublicKey{key.Public()}, dsig.Policy{}); err == nil {
		t.Error("a changed copy is verified")
	}
	if again, _ := s.subject(&decryption{}); again.name != control.name {
		t.Errorf("read again, it is %q", again.name.Value)
	}
}
