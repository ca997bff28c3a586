package dsig_test

import (
	"crypto"
	"errors"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/saml/internal/dsig"
	"github.com/gatehouse-id/gatehouse/saml/internal/dsig/dsigtest"
	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// publics returns the public keys of keys.
func publics(keys ...dsigtest.Key) []crypto.PublicKey {
	var all []crypto.PublicKey
	for _, key := range keys {
		all = append(all, key.Public())
	}
	return all
}

// reason returns the reason of a refusal, "" when there is none.
func reason(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var refusal *dsig.Error
	if !errors.As(err, &refusal) {
		t.Fatalf("not a refusal: %v", err)
	}
	if refusal.Detail == "" || len(refusal.Detail) > 500 {
		t.Errorf("refused as %s with the detail %q", refusal.Reason, refusal.Detail)
	}
	return refusal.Reason
}

// check verifies the element of that ID.
func check(t testing.TB, doc, id string, policy dsig.Policy, keys ...crypto.PublicKey) (dsig.Verified, error) {
	t.Helper()
	return dsig.Verify(dsigtest.Find(t, dsigtest.Parse(t, doc), id), keys, policy)
}

// verified returns every element of a document that verifies; none when it cannot be parsed.
func verified(doc string, keys ...crypto.PublicKey) []dsig.Verified {
	root, err := strictxml.Parse([]byte(doc), strictxml.Limits{})
	if err != nil {
		return nil
	}
	var all []dsig.Verified
	for e := range root.Descendants() {
		if v, err := dsig.Verify(e, keys, dsig.Policy{AllowSHA1: true}); err == nil {
			all = append(all, v)
		}
	}
	return all
}

// content is the canonical form of what a signature covers.
func content(v dsig.Verified, prefixes ...string) string {
	return string(strictxml.AppendCanonical(nil, v.Element(), prefixes, v.Signature()))
}

// cut takes the part from the first begin to the following end out of s.
func cut(t testing.TB, s, begin, end string) (without, part string) {
	t.Helper()
	from := strings.Index(s, begin)
	if from < 0 {
		t.Fatalf("no %s in the document", begin)
	}
	to := strings.Index(s[from:], end)
	if to < 0 {
		t.Fatalf("no %s after %s", end, begin)
	}
	to += from + len(end)
	return s[:from] + s[to:], s[from:to]
}

// textOf returns what stands in the first element of that name of XML Signature.
func textOf(t testing.TB, doc, local string) string {
	t.Helper()
	_, part := cut(t, doc, "<ds:"+local+">", "</ds:"+local+">")
	return part[len("<ds:>"+local) : len(part)-len("</ds:>"+local)]
}

// small is a signed document for tables.
func small(t testing.TB, key dsigtest.Key, o dsigtest.Options) string {
	t.Helper()
	return dsigtest.Sign(t, smallDocument, "_a", key, o)
}

const smallDocument = `<p:Response xmlns:p="urn:p" ID="_r"><a:Assertion xmlns:a="urn:a" ID="_a"><a:Subject ID="_s">alice</a:Subject></a:Assertion></p:Response>`
