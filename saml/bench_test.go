package saml_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/internal/dsig"
	"github.com/gatehouse-id/gatehouse/saml/internal/dsig/dsigtest"
	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// benchScene is the connection that dsigtest.Response is for.
func benchScene(key dsigtest.Key) *scene {
	certificate := must(saml.ParseCertificate(key.Certificate.Raw))
	return &scene{now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), e: saml.Expectation{
		ServiceProvider:  saml.ServiceProvider{EntityID: "https://id.example.com/saml/con_5fXk2mQ9", ACS: "https://id.example.com/saml/con_5fXk2mQ9/acs"},
		IdentityProvider: saml.IdentityProvider{EntityID: "http://www.okta.com/exk1a2b3c4d5e6f7g8h9", Certificates: []saml.Certificate{certificate}},
		RequestID:        "_c7d0f4b2a58e4d1f9d2b7f0f7a3a6c11",
	}}
}

// benchMessage is a message to measure with, and the IDs of its signed elements.
type benchMessage struct {
	name   string
	raw    []byte
	signed []string
}

// benchMessages are an ordinary sign-in of 9.5 KB, one with both parts signed, and one with 150 groups.
func benchMessages(tb testing.TB, key dsigtest.Key) []benchMessage {
	o := dsigtest.Options{PrefixList: "xs"}
	assertion := dsigtest.Sign(tb, dsigtest.Response(20), dsigtest.AssertionID, key, o)
	both := dsigtest.Sign(tb, assertion, dsigtest.ResponseID, key, o)
	groups := dsigtest.Sign(tb, dsigtest.Response(150), dsigtest.AssertionID, key, o)
	one := []string{dsigtest.AssertionID}
	return []benchMessage{
		{"assertion", []byte(assertion), one},
		{"both", []byte(both), []string{dsigtest.ResponseID, dsigtest.AssertionID}},
		{"g150", []byte(groups), one},
	}
}

// rawLimit is what nobody can do without: for each signature, hashing the canonical bytes and
// one RSA verification.
func rawLimit(tb testing.TB, m benchMessage, key dsigtest.Key) func() {
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
		value := must(base64.StdEncoding.DecodeString(must(signature.First().Next().OnlyText())))
		parts = append(parts, part{strictxml.AppendCanonical(nil, signature.First(), nil, nil),
			strictxml.AppendCanonical(nil, e, []string{"xs"}, signature), value})
	}
	public := key.Public().(*rsa.PublicKey)
	return func() {
		for _, p := range parts {
			sum := sha256.Sum256(p.info)
			sha256.Sum256(p.element)
			if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], p.value); err != nil {
				tb.Fatal(err)
			}
		}
	}
}

// BenchmarkVerifyResponse is everything from the decoded bytes to the Assertion. x_raw is the time
// against the limit, which is measured in between, so that both see the same machine.
func BenchmarkVerifyResponse(b *testing.B) {
	key := dsigtest.RSA(b)
	benchmarkVerify(b, key, benchMessages(b, key))
}

// BenchmarkVerifyGroups is the same by the number of groups. The time must grow with it and no faster.
func BenchmarkVerifyGroups(b *testing.B) {
	key := dsigtest.RSA(b)
	var list []benchMessage
	for _, groups := range []int{0, 150, 500, 1000, 2000} {
		doc := dsigtest.Sign(b, dsigtest.Response(groups), dsigtest.AssertionID, key, dsigtest.Options{PrefixList: "xs"})
		list = append(list, benchMessage{fmt.Sprintf("groups%d", groups), []byte(doc), []string{dsigtest.AssertionID}})
	}
	benchmarkVerify(b, key, list)
}

func benchmarkVerify(b *testing.B, key dsigtest.Key, list []benchMessage) {
	s := benchScene(key)
	for _, m := range list {
		b.Run(fmt.Sprintf("%s/%d", m.name, len(m.raw)), func(b *testing.B) {
			s.accept(b, m.raw)
			limit := rawLimit(b, m, key)
			var spent time.Duration
			b.ReportAllocs()
			for b.Loop() {
				if _, err := saml.Verify(m.raw, s.e, s.now); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				from := time.Now()
				limit()
				spent += time.Since(from)
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed())/float64(spent), "x_raw")
		})
	}
}

// The promise is 100 allocations for an ordinary sign-in. Counts do not depend on the machine's load.
func TestVerify_AllocatesLittle(t *testing.T) {
	key := dsigtest.RSA(t)
	s := benchScene(key)
	for _, m := range benchMessages(t, key) {
		count := testing.AllocsPerRun(10, func() {
			if _, err := saml.Verify(m.raw, s.e, s.now); err != nil {
				t.Fatal(err)
			}
		})
		if count > 100 {
			t.Errorf("%s: %v allocations", m.name, count)
		}
	}
}

// What a message costs grows with its groups and no faster: steps of the reader are counted by what they allocate, not timed.
func TestVerify_CostGrowsWithTheGroupsAndNoFaster(t *testing.T) {
	key := dsigtest.RSA(t)
	s := benchScene(key)
	bytesFor := func(groups int) float64 {
		raw := []byte(dsigtest.Sign(t, dsigtest.Response(groups), dsigtest.AssertionID, key, dsigtest.Options{PrefixList: "xs"}))
		s.accept(t, raw)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 10 {
			s.accept(t, raw)
		}
		runtime.ReadMemStats(&after)
		return float64(after.TotalAlloc - before.TotalAlloc)
	}
	none, few, many := bytesFor(0), bytesFor(500), bytesFor(2000)
	if ratio := (many - none) / (few - none); ratio > 4*1.25 { // room for the steps in which memory grows
		t.Errorf("2,000 groups cost %.2f times what 500 do: %.0f, %.0f and %.0f bytes in ten", ratio, none, few, many)
	}
}

func BenchmarkRedirectURL(b *testing.B) {
	r := plainRequest()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.RedirectURL("state"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseMetadata(b *testing.B) {
	raw := readFile(b, fixtures[1].metadata)
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, err := saml.ParseMetadata(raw, "", metadataNow); err != nil {
			b.Fatal(err)
		}
	}
}
