package strictxml

import (
	"bytes"
	"testing"
)

// FuzzParse holds for every document: no panic, the same answer twice, and of accepted ones a
// canonical form that is accepted again and is its own canonical form.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`<?xml version="1.0" encoding="UTF-8"?><a/>`,
		"\uFEFF<a xmlns='urn:d' xmlns:p=\"urn:p\" p:x='1' x='&#13;\t\"'>t&amp;\r\n<p:b xmlns=''/>tail</a>",
		`<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_1"><Issuer xmlns="urn:oasis:names:tc:SAML:2.0:assertion">x</Issuer></samlp:Response>`,
		`<a><!-- --></a>`, `<a><![CDATA[x]]></a>`, `<!DOCTYPE a><a/>`, `<a><?p x?></a>`,
		`<x::a xmlns:x="urn:x"/>`, `<a :b=""/>`, `<a ID="1"><b id="1"/></a>`, `<a xmlns:q="1"/>`, `<a>&#xD800;</a>`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		limits := Limits{Depth: 20, Nodes: 500}
		kept := bytes.Clone(raw)
		root, err := Parse(raw, limits)
		if err != nil {
			if root != nil || err.(*SyntaxError).Reason == "" {
				t.Fatalf("refused as %v, with %v", err, root)
			}
			return
		}
		every := root.doc.prefixes
		for _, prefixes := range [][]string{nil, every} {
			once := AppendCanonical(nil, root, prefixes, nil)
			if !bytes.Equal(raw, kept) {
				t.Fatal("the document was changed")
			}
			again, err := Parse(once, Limits{Bytes: 1 << 30, Depth: 20, Nodes: 500, Attributes: 1 << 20})
			if err != nil {
				t.Fatalf("canonical form refused: %v\n%q\n%q", err, raw, once)
			}
			if twice := AppendCanonical(nil, again, prefixes, nil); !bytes.Equal(once, twice) {
				t.Fatalf("%q\nbecame\n%q\nthen\n%q", raw, once, twice)
			}
		}
	})
}
