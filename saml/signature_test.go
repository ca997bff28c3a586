package saml

import (
	"crypto"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/saml/internal/dsig"
	"github.com/gatehouse-id/gatehouse/saml/internal/dsig/dsigtest"
)

// The outline of a Response rules these out before; the handle does not rely on it.
func TestCoveredBy_GivesOnlyTheOneAssertionThatIsVerified(t *testing.T) {
	key := dsigtest.RSA(t)
	handle := func(doc, id string) (signed, bool) {
		t.Helper()
		doc = dsigtest.Sign(t, doc, id, key, dsigtest.Options{})
		v, err := dsig.Verify(dsigtest.Find(t, dsigtest.Parse(t, doc), id), []crypto.PublicKey{key.Public()}, dsig.Policy{})
		if err != nil {
			t.Fatal(err)
		}
		return coveredBy(v)
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
	if _, ok := coveredBy(dsig.Verified{}); ok {
		t.Error("there is a handle of nothing")
	}
}
