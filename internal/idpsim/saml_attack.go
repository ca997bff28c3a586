package idpsim

import (
	"bytes"
	"compress/flate"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"
)

// The attacks of the catalogue that an IdP, or whoever has an account at one, plays with no other key than the IdP's own.
// In all of them the signature was made by that key, and where it can be it is still good for what it was made over.
const (
	AttackXSW1              Fault = "xsw1"                 // the signed Response inside its own Signature
	AttackXSW2              Fault = "xsw2"                 // the signed Response before its Signature
	AttackXSW5              Fault = "xsw5"                 // the forged assertion has the Signature, the signed one follows without
	AttackXSW6              Fault = "xsw6"                 // the signed one inside the Signature of the forged one
	AttackXSW7              Fault = "xsw7"                 // the forged one in Extensions
	AttackXSW8              Fault = "xsw8"                 // the signed one in an Object of the Signature
	AttackWrappedStatus     Fault = "wrapped_status"       // the signed one in StatusDetail
	AttackWrappedAdvice     Fault = "wrapped_advice"       // the signed one in the Advice of the forged one
	AttackMovedSignature    Fault = "moved_signature"      // the assertion's Signature stands in the Response
	AttackChanged           Fault = "changed"              // a value that is another one than the signed one
	AttackCommentAdded      Fault = "comment_added"        // a comment lengthens the name
	AttackInstruction       Fault = "instruction"          // a processing instruction in the name
	AttackDoctypeQuotes     Fault = "doctype_quotes"       // quotes that parsers read differently
	AttackCDATA             Fault = "cdata"                // the name as a CDATA section
	AttackRelativeNamespace Fault = "relative_namespace"   // what some canonicalisers fail at
	AttackEmptyDigest       Fault = "empty_digest"         // a digest of nothing
	AttackOtherID           Fault = "other_id"             // an ID of another namespace beside the ID
	AttackSameID            Fault = "same_id"              // the Response has the ID of its assertion
	AttackAttlist           Fault = "attlist"              // a document type makes an attribute an ID
	AttackColons            Fault = "colons"               // a name with two colons
	AttackTwoReferences     Fault = "two_references"       // the first is to something else
	AttackTwoSignedInfos    Fault = "two_signed_infos"     // one of them unsigned
	AttackCommentInDigest   Fault = "comment_in_digest"    // a comment in DigestValue
	AttackEntity            Fault = "external_entity"      // an entity that is a file
	AttackLaughs            Fault = "laughs"               // entities of entities
	AttackDeep              Fault = "deep"                 // 3,000 elements within each other
	AttackWide              Fault = "wide"                 // 30,000 elements side by side
	AttackBogus             Fault = "bogus_signature"      // 1,200 attributes under a signature that is none
	AttackManyValues        Fault = "many_values"          // 2,000 values in an attribute, which must work
	AttackDeflated          Fault = "deflated"             // compressed where nothing may be
	AttackHMAC              Fault = "hmac"                 // an HMAC keyed with the public key
	AttackSHA1              Fault = "sha1"                 // signature and digest with SHA-1
	AttackSHA1Digest        Fault = "sha1_digest"          // a digest with SHA-1 under a signature with SHA-256
	AttackXSLT              Fault = "xslt"                 // a transform that is a program
	AttackExternalReference Fault = "external_reference"   // a reference to an address
	AttackWholeDocument     Fault = "empty_reference"      // a reference to the whole document
	AttackNoRequestOutside  Fault = "no_in_response_to"    // the Response names no request, its confirmation does
	AttackNoRequestInside   Fault = "unbound_subject"      // the confirmation names no request, its Response does
	AttackNoAudience        Fault = "no_audience"          // meant for anybody
	AttackNoConfirmation    Fault = "no_confirmation"      // nothing says that the bearer is the subject
	AttackDeniedMarkup      Fault = "access_denied_markup" // the IdP says no, in markup
)

// attack is how a fault of the catalogue is made. One that has nothing but its number is made by draft itself.
type attack struct {
	number  string // in the catalogue of attacks, docs/attacks.md
	whole   bool   // the Response is signed, not the Assertion
	facts   func(a *samlFacts)
	signing func(s *signer, target string)
	// around writes the signed assertion, its Signature and the forged one.
	around func(d *draft, good parts, signature string) string
	// outside is what stands before the Status.
	outside func(d *draft, good parts, signature string) string
	// status is what stands at the end of it.
	status func(d *draft, good parts, signature string) string
	// wrap makes the document of a signed Response.
	wrap func(d *draft, response parts, signature string) string
	// text changes the finished document.
	text func(d *draft, document string) string
}

// outwards reports whether the attack is about what surrounds a signed assertion.
func (a attack) outwards() bool {
	return a.signing != nil || a.around != nil || a.outside != nil || a.status != nil || a.text != nil
}

func prolog(declaration string) func(*draft, string) string {
	return func(d *draft, document string) string {
		root := strings.Index(document, "<"+d.style.p("Response"))
		return document[:root] + declaration + document[root:]
	}
}

// named changes the name of the subject in the finished document.
func named(change func(name string) string) func(*draft, string) string {
	return func(d *draft, document string) string {
		name := ">" + xmlText(d.a.nameID) + "</"
		return strings.Replace(document, name, ">"+change(xmlText(d.a.nameID))+"</", 1)
	}
}

func extensions(inside string) func(*draft, string) string {
	return func(d *draft, document string) string {
		open := "<" + d.style.p("Status") + ">"
		return strings.Replace(document, open, el(d.style.p("Extensions"), "", inside)+open, 1)
	}
}

// inInfo puts something in front of an element of SignedInfo before that is signed.
func inInfo(element, before string) func(*signer, string) {
	return func(s *signer, _ string) {
		s.change = func(info string) string {
			name := "<" + s.style.ds(element)
			if strings.HasPrefix(element, "/") {
				name = "</" + s.style.ds(element[1:]) + ">"
			}
			return strings.Replace(info, name, strings.ReplaceAll(before, "ds:", s.style.ds(""))+name, 1)
		}
	}
}

// referring makes the reference one to something else.
func referring(uri string) func(*signer, string) {
	return func(s *signer, target string) {
		s.change = func(info string) string { return strings.Replace(info, `URI="#`+target+`"`, `URI="`+uri+`"`, 1) }
	}
}

// intoSignature puts something in front of the Signature's end tag.
func intoSignature(d *draft, signature, inside string) string {
	end := "</" + d.style.ds("Signature") + ">"
	return strings.TrimSuffix(signature, end) + inside + end
}

// forgedOne is the forged assertion, unsigned or with that Signature.
func (d *draft) forgedOne(signature string) string {
	return d.style.assertion(d.forged).with(signature)
}

// outer is a Response that says what is forged, around an assertion that says it too.
func (d *draft) outer() parts {
	a := d.forged
	a.responseID += "0"
	return d.style.response(a, d.forgedOne(""))
}

const (
	emptySHA256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	elsewhere   = `<ds:Reference URI="#_elsewhere"><ds:Transforms><ds:Transform Algorithm="` + exclusive + `"></ds:Transform></ds:Transforms>` +
		`<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></ds:DigestMethod><ds:DigestValue>` + emptySHA256 + `</ds:DigestValue></ds:Reference>`
)

var attacks = map[Fault]attack{
	AttackXSW1: {number: "A1", whole: true, wrap: func(d *draft, r parts, signature string) string {
		return d.outer().with(intoSignature(d, signature, r.with("")))
	}},
	AttackXSW2: {number: "A2", whole: true, wrap: func(d *draft, r parts, signature string) string { return d.outer().with(r.with("") + signature) }},
	FaultWrapped: {number: "A3", around: func(d *draft, good parts, signature string) string {
		return d.forgedOne("") + good.with(signature)
	}},
	FaultWrappedAround: {number: "A4", around: func(d *draft, good parts, signature string) string {
		forged := d.style.assertion(d.forged)
		end := strings.LastIndex(forged.tail, "</")
		return forged.head + forged.tail[:end] + good.with(signature) + forged.tail[end:]
	}},
	AttackXSW5: {number: "A5", around: func(d *draft, good parts, signature string) string { return d.forgedOne(signature) + good.with("") }},
	AttackXSW6: {number: "A6", around: func(d *draft, good parts, signature string) string {
		return d.forgedOne(intoSignature(d, signature, good.with("")))
	}},
	AttackXSW7: {number: "A7", outside: func(d *draft, _ parts, _ string) string { return el(d.style.p("Extensions"), "", d.forgedOne("")) }},
	AttackXSW8: {number: "A8", around: func(d *draft, good parts, signature string) string {
		return d.forgedOne(intoSignature(d, signature, el(d.style.ds("Object"), "", good.with(""))))
	}},
	AttackWrappedStatus: {number: "A9", around: func(d *draft, _ parts, signature string) string { return d.forgedOne(signature) },
		status: func(d *draft, good parts, _ string) string { return el(d.style.p("StatusDetail"), "", good.with("")) }},
	AttackWrappedAdvice: {number: "A9", around: func(d *draft, good parts, signature string) string {
		end := "</" + d.style.a("Conditions") + ">"
		return strings.Replace(d.forgedOne(""), end, end+el(d.style.a("Advice"), "", good.with(signature)), 1)
	}},
	AttackMovedSignature: {number: "A9", around: func(_ *draft, good parts, _ string) string { return good.with("") },
		outside: func(_ *draft, _ parts, signature string) string { return signature }},
	AttackChanged: {number: "A10", text: named(func(name string) string { return " " + name })},
	FaultComment:  {number: "A13"}, FaultDTD: {number: "A16"}, FaultUnsigned: {number: "A12"}, FaultWrongKey: {number: "A28"},
	FaultReplay: {number: "A37"}, FaultOtherRequest: {number: "A38"}, FaultNoConditions: {number: "A41"}, FaultExpired: {number: "A41"},
	FaultClockAhead7m: {number: "A41"}, FaultWrongIssuer: {number: "A35"}, FaultWrongAudience: {number: "A34"}, FaultWrongRecipient: {number: "A34"},
	AttackCommentAdded:      {number: "A14", text: named(func(name string) string { return name + "<!--.victim.example-->" })},
	AttackInstruction:       {number: "A15", text: named(func(name string) string { return "<?p not-an-?>" + name })},
	AttackDoctypeQuotes:     {number: "A16", text: prolog(`<!DOCTYPE x PUBLIC "a'b" 'c"d'>`)},
	AttackCDATA:             {number: "A16", text: named(func(name string) string { return "<![CDATA[" + name + "]]>" })},
	AttackRelativeNamespace: {number: "A17", text: func(d *draft, document string) string { return inRoot(d, document, ` xmlns:q="1"`) }},
	AttackEmptyDigest: {number: "A17", signing: func(s *signer, _ string) {
		s.change = func(info string) string {
			open, end := "<"+s.style.ds("DigestValue")+">", "</"+s.style.ds("DigestValue")+">"
			before, rest, _ := strings.Cut(info, open)
			_, after, _ := strings.Cut(rest, end)
			return before + open + emptySHA256 + end + after
		}
	}},
	AttackOtherID: {number: "A18", text: func(d *draft, document string) string {
		return inRoot(d, document, ` xmlns:q="urn:q" q:ID="`+d.a.assertionID+`"`)
	}},
	AttackSameID: {number: "A19", facts: func(a *samlFacts) { a.responseID = a.assertionID }},
	AttackAttlist: {number: "A20", text: func(d *draft, document string) string {
		return prolog("<!DOCTYPE "+d.style.p("Response")+" [<!ATTLIST "+d.style.a("Assertion")+" AltID ID #IMPLIED>]>")(d, document)
	}},
	AttackColons:        {number: "A21", text: extensions(`<q::x xmlns:q="urn:q"></q::x>`)},
	AttackTwoReferences: {number: "A22", signing: inInfo("Reference", elsewhere)},
	AttackTwoSignedInfos: {number: "A23", text: func(d *draft, document string) string {
		open, end := "<"+d.style.ds("SignedInfo")+">", "</"+d.style.ds("SignedInfo")+">"
		before, rest, _ := strings.Cut(document, open)
		info, after, _ := strings.Cut(rest, end)
		return before + open + info + end + open + info + end + after
	}},
	AttackCommentInDigest: {number: "A23", text: func(d *draft, document string) string {
		end := "</" + d.style.ds("DigestValue") + ">"
		return strings.Replace(document, end, "<!-- -->"+end, 1)
	}},
	AttackEntity: {number: "A24", text: prolog(`<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>`)},
	AttackLaughs: {number: "A24", text: prolog(laughs())},
	AttackDeep:   {number: "A25", text: extensions(`<q:x xmlns:q="urn:q">` + strings.Repeat("<q:x>", 3000) + strings.Repeat("</q:x>", 3000) + `</q:x>`)},
	AttackWide:   {number: "A25", text: extensions(`<q:x xmlns:q="urn:q">` + strings.Repeat("<q:x/>", 21_000) + `</q:x>`)},
	AttackBogus: {number: "A26", facts: func(a *samlFacts) {
		for i := range 1200 {
			a.attributes = append(a.attributes, attribute{fmt.Sprintf("a%d", i), []string{"x"}})
		}
	}, text: func(d *draft, document string) string {
		open := "<" + d.style.ds("SignatureValue") + ">"
		return strings.Replace(document, open, open+"AAAA", 1)
	}},
	AttackManyValues: {number: "A26", facts: func(a *samlFacts) {
		many := attribute{name: "memberOf"}
		for i := range 2000 {
			many.values = append(many.values, fmt.Sprintf("Team %d", i))
		}
		a.attributes = append(a.attributes, many)
	}},
	AttackDeflated: {number: "A27", text: func(_ *draft, document string) string {
		var b bytes.Buffer
		w, _ := flate.NewWriter(&b, flate.BestCompression) // the level is one
		_, _ = w.Write([]byte(document))                   // a buffer takes everything
		_ = w.Close()
		return b.String()
	}},
	AttackHMAC: {number: "A29", signing: func(s *signer, _ string) {
		s.alg.signature = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
		s.value = func(info string) ([]byte, error) {
			der, err := x509.MarshalPKIXPublicKey(s.key.private.Public())
			if err != nil {
				return nil, fmt.Errorf("encode public key: %w", err)
			}
			mac := hmac.New(sha256.New, der)
			mac.Write([]byte(info))
			return mac.Sum(nil), nil
		}
	}},
	AttackSHA1:              {number: "A30", signing: func(s *signer, _ string) { s.alg = algorithms["rsa-sha1"] }},
	AttackSHA1Digest:        {number: "A30", signing: func(s *signer, _ string) { s.digest = algorithms["rsa-sha1"] }},
	AttackXSLT:              {number: "A31", signing: inInfo("/Transforms", `<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"></ds:Transform>`)},
	AttackExternalReference: {number: "A31", signing: referring("http://127.0.0.1:1/x")},
	AttackWholeDocument:     {number: "A31", signing: referring("")},
	AttackNoRequestOutside:  {number: "A38", facts: func(a *samlFacts) { a.unasked.response = true }},
	AttackNoRequestInside:   {number: "A38", facts: func(a *samlFacts) { a.unasked.confirmation = true }},
	AttackNoAudience:        {number: "A41", facts: func(a *samlFacts) { a.audience = "" }},
	AttackNoConfirmation:    {number: "A41", facts: func(a *samlFacts) { a.withoutConfirmation = true }},
	AttackDeniedMarkup:      {number: "A53"},
}

func inRoot(d *draft, document, attribute string) string {
	root := "<" + d.style.p("Response")
	return strings.Replace(document, root, root+attribute, 1)
}

// laughs is a document type whose entities would be a thousand million letters.
func laughs() string {
	var b strings.Builder
	b.WriteString(`<!DOCTYPE x [<!ENTITY a0 "ha">`)
	for i := 1; i < 30; i++ {
		fmt.Fprintf(&b, `<!ENTITY a%d "&a%d;&a%d;">`, i, i-1, i-1)
	}
	return b.String() + "]>"
}

// postEncoded is the base64 of the POST binding, which nothing may be compressed in.
func postEncoded(document string) string { return base64.StdEncoding.EncodeToString([]byte(document)) }
