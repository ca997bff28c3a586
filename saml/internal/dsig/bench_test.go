package dsig_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/saml/internal/dsig"
	"github.com/gatehouse-id/gatehouse/saml/internal/dsig/dsigtest"
	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// message is a signed response to measure with.
type message struct {
	name   string
	raw    []byte
	signed []string // IDs of the signed elements
}

// messages are what reading a sign-in costs: an ordinary one, one with both elements signed, and
// one of somebody with 150 groups.
func messages(tb testing.TB, key dsigtest.Key) []message {
	o := dsigtest.Options{PrefixList: "xs"}
	assertion := dsigtest.Sign(tb, dsigtest.Response(20), dsigtest.AssertionID, key, o)
	both := dsigtest.Sign(tb, assertion, dsigtest.ResponseID, key, o)
	groups := dsigtest.Sign(tb, dsigtest.Response(150), dsigtest.AssertionID, key, o)
	one := []string{dsigtest.AssertionID}
	return []message{
		{"assertion", []byte(assertion), one},
		{"both", []byte(both), []string{dsigtest.ResponseID, dsigtest.AssertionID}},
		{"g150", []byte(groups), one},
	}
}

// limit returns the work that nobody can do without: hashing the canonical bytes and one RSA
// verification for each signature.
func limit(tb testing.TB, m message, key dsigtest.Key) func() bool {
	type part struct{ info, element, value []byte }
	var parts []part
	root := dsigtest.Parse(tb, string(m.raw))
	for _, id := range m.signed {
		e := dsigtest.Find(tb, root, id)
		var signature *strictxml.Element
		for child := range e.Elements() {
			if child.Is(dsig.Namespace, "Signature") {
				signature = child
			}
		}
		text, err := signature.First().Next().OnlyText()
		if err != nil {
			tb.Fatal(err)
		}
		value, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			tb.Fatal(err)
		}
		parts = append(parts, part{
			strictxml.AppendCanonical(nil, signature.First(), nil, nil),
			strictxml.AppendCanonical(nil, e, []string{"xs"}, signature), value,
		})
	}
	public := key.Public().(*rsa.PublicKey)
	return func() bool {
		for _, p := range parts {
			sum := sha256.Sum256(p.info)
			sha256.Sum256(p.element)
			if rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], p.value) != nil {
				return false
			}
		}
		return true
	}
}

// verify reads a message and checks its signatures.
func verify(m message, keys []crypto.PublicKey) error {
	root, err := strictxml.Parse(m.raw, strictxml.Limits{})
	if err != nil {
		return err
	}
	for _, id := range m.signed {
		e := root
		for own, _ := e.Attr("ID"); own != id; own, _ = e.Attr("ID") {
			if e = e.Next(); e == nil {
				e = root.First()
			}
		}
		if _, err := dsig.Verify(e, keys, dsig.Policy{}); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkVerify reads and verifies. x_raw is the time against the limit, measured in between.
func BenchmarkVerify(b *testing.B) {
	key := dsigtest.RSA(b)
	keys := []crypto.PublicKey{key.Public()}
	for _, m := range messages(b, key) {
		raw := limit(b, m, key)
		b.Run(m.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(m.raw)))
			var spent time.Duration
			for b.Loop() {
				if err := verify(m, keys); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				began := time.Now()
				if !raw() {
					b.Fatal("the limit does not verify")
				}
				spent += time.Since(began)
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed())/float64(spent), "x_raw")
		})
	}
}

// BenchmarkParse reads without verifying.
func BenchmarkParse(b *testing.B) {
	for _, m := range messages(b, dsigtest.RSA(b)) {
		b.Run(m.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(m.raw)))
			for b.Loop() {
				if _, err := strictxml.Parse(m.raw, strictxml.Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestVerify_AllocatesLittle holds what does not depend on the machine.
func TestVerify_AllocatesLittle(t *testing.T) {
	key := dsigtest.RSA(t)
	keys := []crypto.PublicKey{key.Public()}
	for _, m := range messages(t, key) {
		allocations := testing.AllocsPerRun(20, func() {
			if err := verify(m, keys); err != nil {
				t.Error(err)
			}
		})
		if allocations > 100 {
			t.Errorf("%s: %.0f allocations, at most 100 are meant", m.name, allocations)
		}
		if first := m.name == "assertion"; first && (len(m.raw) < 9000 || len(m.raw) > 10_500) {
			t.Errorf("%s: %d bytes, the figures are for about 9.5 KB", m.name, len(m.raw))
		}
	}
	if !strings.Contains(string(messages(t, key)[2].raw), "team-149") {
		t.Error("the third message does not have 150 groups")
	}
}
