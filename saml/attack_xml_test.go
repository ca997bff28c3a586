package saml_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/internal/dsig/dsigtest"
)

const emptyDigest = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

func TestXMLTricks_AreRefused(t *testing.T) {
	s := newScene()
	r, doc := s.signedAs(false, true)
	s.accept(t, []byte(doc))
	root := "<saml2p:Response "
	begin := func(prolog string) string { return prolog + bare(doc) }
	for _, test := range []struct{ name, reason, attack string }{
		{"A13, a comment that cuts the name short", saml.ReasonComment, replace(t, doc, "alice@corp.example<", "alice@corp.example<!---->.evil.example<")},
		{"A14, a comment that lengthens the name", saml.ReasonComment, replace(t, doc, ">alice@", ">a<!--dmin-->lice@")},
		{"A15, a processing instruction in the name", saml.ReasonInstruction, replace(t, doc, ">alice@", "><?p not-an-?>alice@")},
		{"A16, DOCTYPE with quotes", saml.ReasonDTD, begin(`<!DOCTYPE x PUBLIC "a'b" 'c"d'>`)},
		{"A16, DOCTYPE with a comment", saml.ReasonDTD, begin(`<!DOCTYPE x [<!-- ' " > -->]>`)},
		{"A16, CDATA around the name", saml.ReasonCDATA, replace(t, doc, ">alice@corp.example<", "><![CDATA[alice@corp.example]]><")},
		{"A17, a relative namespace URI", saml.ReasonMalformed, replaceOnce(t, doc, root, root+`xmlns:q="1" `)},
		{"A18, q:ID beside ID", saml.ReasonMalformed, replaceOnce(t, doc, ` ID="`+r.Assertion.ID+`"`, ` ID="`+r.Assertion.ID+`" xmlns:q="urn:q" q:ID="`+r.Assertion.ID+`"`)},
		{"A18, Id beside ID", saml.ReasonMalformed, replaceOnce(t, doc, ` ID="`+r.ID+`"`, ` ID="`+r.ID+`" Id="`+r.Assertion.ID+`"`)},
		{"A18, id beside ID", saml.ReasonMalformed, replaceOnce(t, doc, ` ID="`+r.ID+`"`, ` ID="`+r.ID+`" id="`+r.Assertion.ID+`"`)},
		{"A18, xml:id beside ID", saml.ReasonMalformed, replaceOnce(t, doc, ` ID="`+r.ID+`"`, ` ID="`+r.ID+`" xml:id="`+r.Assertion.ID+`"`)},
		{"A18, two attributes of one name", saml.ReasonMalformed, replaceOnce(t, doc, ` ID="`+r.ID+`"`, ` ID="`+r.ID+`" ID="_other"`)},
		{"A20, ATTLIST makes an ID", saml.ReasonDTD, begin(`<!DOCTYPE saml2p:Response [<!ATTLIST saml2:Assertion AltID ID #IMPLIED>]>`)},
		{"A21, two colons", saml.ReasonMalformed, replace(t, doc, "saml2:Issuer", "saml2::Issuer")},
		{"A21, empty prefix", saml.ReasonMalformed, replaceOnce(t, doc, root, root+`:a="" `)},
		{"A21, xmlns:xmlns", saml.ReasonMalformed, replaceOnce(t, doc, root, root+`xmlns:xmlns="urn:x" `)},
		{"A21, a directive with a comment", saml.ReasonMalformed, begin(`<!x <!-- -->>`)},
		{"A21, an undeclared prefix", saml.ReasonMalformed, replaceOnce(t, doc, root, root+`nobody:x="1" `)},
		{"A24, external entity", saml.ReasonDTD, begin(`<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>`)},
		{"A24, external DTD", saml.ReasonDTD, begin(`<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">`)},
		{"A24, billion laughs", saml.ReasonDTD, begin(laughs())},
		{"A24, an entity in the name", saml.ReasonMalformed, replace(t, doc, ">alice@", ">&e;alice@")},
		{"SA08, empty DOCTYPE", saml.ReasonDTD, begin(`<!DOCTYPE saml2p:Response>`)},
		{"an element after the root", saml.ReasonMalformed, doc + "<x/>"},
		{"text after the root", saml.ReasonMalformed, doc + "x"},
		{"a comment after the root", saml.ReasonComment, doc + "<!-- x -->"},
		{"another encoding's label", saml.ReasonMalformed, begin(`<?xml version="1.0" encoding="UTF-16"?>`)},
		{"an invalid byte", saml.ReasonMalformed, replace(t, doc, ">alice@", ">\xffalice@")},
		{"a NUL", saml.ReasonMalformed, replace(t, doc, ">alice@", ">&#0;alice@")},
		{"nothing", saml.ReasonMalformed, ""},
		{"not XML", saml.ReasonMalformed, "SAMLResponse"},
		{"deflated", saml.ReasonMalformed, "\x78\x9c\x03\x00\x00\x00\x00\x01"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.attack == doc {
				t.Fatal("nothing was changed")
			}
			if refusal := s.refuse(t, []byte(test.attack), test.reason); refusal.Verified {
				t.Error("verified")
			}
		})
	}
}

func laughs() string {
	var b strings.Builder
	b.WriteString(`<!DOCTYPE lolz [<!ENTITY l0 "lol">`)
	for i := range 9 {
		fmt.Fprintf(&b, `<!ENTITY l%d "%s">`, i+1, strings.Repeat(fmt.Sprintf("&l%d;", i), 10))
	}
	return b.String() + "]>"
}

// A17: where a canonicaliser gives up, the digest is that of nothing.
func TestDigestOfNothing_IsRefused(t *testing.T) {
	s := newScene()
	r, _ := s.signedAs(false, false)
	unsigned := string(r.Unsigned())
	doc := dsigtest.Sign(t, unsigned, r.Assertion.ID, dsigKey(t, k1()), dsigtest.Options{PrefixList: "xs"})
	s.accept(t, []byte(doc))
	attack := dsigtest.Sign(t, unsigned, r.Assertion.ID, dsigKey(t, k1()), dsigtest.Options{PrefixList: "xs", Template: func(signature string) string {
		before, rest, _ := strings.Cut(signature, "<ds:DigestValue>")
		_, after, _ := strings.Cut(rest, "</ds:DigestValue>")
		return before + "<ds:DigestValue>" + emptyDigest + "</ds:DigestValue>" + after
	}})
	sound(t, attack)
	s.refuse(t, []byte(attack), saml.ReasonReference)
}

// What fits into the limits is taken, at the cost that its size justifies.
func TestManyDeclarations_CostNoMoreThanTheirSize(t *testing.T) {
	s := newScene()
	r := s.response()
	r.Assertion.Advice = declared(60, 60)
	r.Signing.Response = true
	doc := s.idp.Sign(r)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s.accept(t, doc)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
		t.Errorf("%d bytes were allocated for %d", used, len(doc))
	}
}

// declared nests elements that each declare namespaces.
func declared(depth, each int) string {
	var b strings.Builder
	for i := range depth - 3 {
		b.WriteString("<a")
		for j := range each {
			fmt.Fprintf(&b, ` xmlns:p%d_%d="urn:p"`, i, j)
		}
		b.WriteString(">")
	}
	return b.String() + strings.Repeat("</a>", depth-3)
}

// flood is a message that is to cost its reader more than its sender.
type flood struct {
	name, attack, reason string
}

// floods makes them from a good message.
func floods(t testing.TB, s *scene, doc string) []flood {
	inside := func(flood string) string {
		return replaceOnce(t, doc, "<saml2p:Status>", "<saml2p:Extensions>"+flood+"</saml2p:Extensions><saml2p:Status>")
	}
	var attributes, declarations strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&attributes, ` a%d=""`, i)
		fmt.Fprintf(&declarations, ` xmlns:p%d="urn:p"`, i%50_000)
	}
	return []flood{
		{"100,000 nested elements", inside(strings.Repeat("<a>", 100_000) + strings.Repeat("</a>", 100_000)), saml.ReasonTooLarge},
		{"a million siblings", inside(strings.Repeat("<a/>", 1_000_000)), saml.ReasonTooLarge},
		{"100,000 siblings", inside(strings.Repeat("<a/>", 100_000)), saml.ReasonTooLarge},
		{"100,000 attributes", inside("<a" + attributes.String() + "/>"), saml.ReasonTooLarge},
		{"50,000 namespace declarations", inside("<a" + declarations.String()[:500_000] + "/>"), saml.ReasonTooLarge},
		{"5 MiB of text", inside(strings.Repeat("x", 5<<20)), saml.ReasonTooLarge},
		{"1 MiB of start tags", strings.Repeat("<saml2p:Response>", 1<<16), saml.ReasonTooLarge},
		{"A26, 1,200 attributes and a bogus signature", replace(t, withAttributes(s, 1200), "alice@", "mallory@"), saml.ReasonSignature},
	}
}

// A25 and A26: what a message may cost is bounded before anything is known about it. Bytes are
// counted, not time, so that a busy machine changes nothing; how far the reader comes is counted in
// strictxml, and BenchmarkFloods has the time.
func TestFloods_AreRefusedAtSmallCost(t *testing.T) {
	s := newScene()
	_, doc := s.signedAs(false, true)
	s.accept(t, []byte(doc))
	s.accept(t, []byte(withAttributes(s, 1200)))
	for _, f := range floods(t, s, doc) {
		t.Run(f.name, func(t *testing.T) {
			var before, after runtime.MemStats
			raw := []byte(f.attack)
			runtime.ReadMemStats(&before)
			s.refuse(t, raw, f.reason)
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
				t.Errorf("%d bytes were allocated for %d", used, len(raw))
			}
		})
	}
}

// BenchmarkFloods says how long refusing A25 and A26 takes; 20 ms of CPU are allowed.
func BenchmarkFloods(b *testing.B) {
	s := newScene()
	_, doc := s.signedAs(false, true)
	for _, f := range floods(b, s, doc) {
		b.Run(f.name, func(b *testing.B) {
			raw := []byte(f.attack)
			b.ReportAllocs()
			for b.Loop() {
				s.refuse(b, raw, f.reason)
			}
		})
	}
}

func withAttributes(s *scene, n int) string {
	r := s.response()
	one := r.Assertion.Attributes[0]
	for range n {
		r.Assertion.Attributes = append(r.Assertion.Attributes, one)
	}
	return string(s.idp.Sign(r))
}
