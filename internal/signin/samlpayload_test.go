package signin

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/saml"
)

func TestPayload_MasksSignaturesAndNothingElse(t *testing.T) {
	for in, want := range map[string]string{
		`<ds:SignatureValue>abc=</ds:SignatureValue><a>b</a>`:                     `<ds:SignatureValue>[redacted]</ds:SignatureValue><a>b</a>`,
		"<SignatureValue\n Id='x'>a\nb</SignatureValue>":                          "<SignatureValue\n Id='x'>[redacted]</SignatureValue>",
		`<x><SignatureValue>one</SignatureValue><SignatureValue>two`:              `<x><SignatureValue>[redacted]</SignatureValue><SignatureValue>[redacted]`,
		`<DigestValue>abc=</DigestValue>`:                                         `<DigestValue>abc=</DigestValue>`,
		`<SignatureValue/><a>b</a>`:                                               `<SignatureValue/><a>b</a>`,
		`SignatureValue`:                                                          `SignatureValue`,
		`<SignatureValue></SignatureValue> `:                                      `<SignatureValue></SignatureValue> `,
		`<a SignatureValue="x"><b>c</b></a>`:                                      `<a SignatureValue="x"><b>c</b></a>`,
		`<SignatureValue a="x>y">abc=</SignatureValue>`:                           `<SignatureValue a="x>[redacted]</SignatureValue>`,
		"<p:SignatureValue>\r\nabc\r\n</p:SignatureValue>\n<q>SignatureValue</q>": "<p:SignatureValue>[redacted]</p:SignatureValue>\n<q>SignatureValue</q>",
	} {
		if got := string(maskSignatures([]byte(in))); got != want {
			t.Errorf("%q gives %q, want %q", in, got, want)
		}
	}
}

func FuzzPayload(f *testing.F) {
	f.Add([]byte("<a>"), "detail", "AAAA")
	f.Add([]byte(strings.Repeat("\x01\"\\<\u2028", 30_000)), strings.Repeat("\x02", 3000), "")
	f.Add([]byte(strings.Repeat("<SignatureValue>QUJD</SignatureValue>", 4000)), "\xff", "x")
	f.Fuzz(func(t *testing.T, raw []byte, detail, response string) {
		r := &received{Answer: Answer{Response: response}, raw: raw}
		out := r.payload("", &told{code: "x", refusal: &saml.Refusal{Detail: detail, StatusMessage: detail, Issuer: detail, Subject: detail, StatusCode: detail, ResponseID: detail, AssertionID: detail}}, false)
		if !json.Valid(out) || len(out) > audit.MaxPayload {
			t.Fatalf("%d bytes, valid %v", len(out), json.Valid(out))
		}
		var p samlPayload
		if err := json.Unmarshal(out, &p); err != nil {
			t.Fatal(err)
		}
		if len(raw) > 0 && len(raw) < 1000 && len(p.XML) == 0 {
			t.Fatal("the XML is missing")
		}
	})
}
