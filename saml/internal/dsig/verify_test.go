package dsig_test

import (
	"crypto"
	"testing"

	"github.com/gatehouse-id/gatehouse/saml/internal/dsig"
	"github.com/gatehouse-id/gatehouse/saml/internal/dsig/dsigtest"
)

func TestXmlsec1AndWe_VerifyEachOther(t *testing.T) {
	key := dsigtest.RSA(t)
	for name, sign := range map[string]func(testing.TB, string, string, dsigtest.Key, dsigtest.Options) string{"ours": dsigtest.Sign, "xmlsec1": dsigtest.Xmlsec1Sign} {
		for _, ki := range []dsigtest.KeyInfo{0, 1, 2, 3} {
			doc := sign(t, dsigtest.Response(20), dsigtest.AssertionID, key, dsigtest.Options{PrefixList: "xs", KeyInfo: ki})
			t.Log(len(doc))
			if err := dsigtest.Xmlsec1Verify(t, doc, dsigtest.AssertionID, key); err != nil {
				t.Errorf("%s %d: xmlsec1: %v", name, ki, err)
			}
			if _, err := dsig.Verify(dsigtest.Find(t, dsigtest.Parse(t, doc), dsigtest.AssertionID), []crypto.PublicKey{key.Public()}, dsig.Policy{}); err != nil {
				t.Errorf("%s %d: %v", name, ki, err)
			}
		}
	}
}
