package idpsim

import (
	"encoding/base64"
	"strings"
	"time"
	"unicode/utf8"
)

// Everything here is written as exclusive canonical XML would have it (sorted attributes, each
// namespace declared where it is first used, no empty-element tags), so that signing needs no
// canonicaliser. Only finish shortens empty elements, which makes the document as vendors send it.

// Namespaces of SAML.
const (
	nsProtocol  = "urn:oasis:names:tc:SAML:2.0:protocol"
	nsAssertion = "urn:oasis:names:tc:SAML:2.0:assertion"
	nsMetadata  = "urn:oasis:names:tc:SAML:2.0:metadata"
	nsXS        = "http://www.w3.org/2001/XMLSchema"
	nsXSI       = "http://www.w3.org/2001/XMLSchema-instance"

	bindingPOST     = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
	bindingRedirect = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
	statusPrefix    = "urn:oasis:names:tc:SAML:2.0:status:"
	entityFormat    = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"
)

// el writes an element; attributes is what attrs returns.
func el(name, attributes string, children ...string) string {
	return "<" + name + attributes + ">" + strings.Join(children, "") + "</" + name + ">"
}

// attrs writes names and values by turns, those with an empty value not at all. The caller gives
// them in canonical order.
func attrs(pairs ...string) string {
	var b strings.Builder
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			b.WriteString(" " + pairs[i] + `="` + attrEscaper.Replace(legal(pairs[i+1])) + `"`)
		}
	}
	return b.String()
}

// Escaping of Canonical XML 1.0 section 2.3.
var (
	textEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", "&#xD;")
	attrEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", `"`, "&quot;", "\t", "&#x9;", "\n", "&#xA;", "\r", "&#xD;")
)

func xmlText(s string) string { return textEscaper.Replace(legal(s)) }

// legal replaces what XML 1.0 cannot hold (section 2.2).
func legal(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return utf8.RuneError
		}
		return r
	}, s)
}

// instant writes xs:dateTime as both vendors do.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// style is how a vendor writes SAML.
type style struct {
	p, a, ds   func(string) string // names of protocol, assertion and signature elements
	okta       bool                // types on values, formats on names, wrapped base64
	prefixList string
}

func styleOf(kind Kind) style {
	prefixed := func(prefix string) func(string) string { return func(n string) string { return prefix + n } }
	if kind.IsEntra() {
		return style{p: prefixed("samlp:"), a: prefixed(""), ds: prefixed("")}
	}
	return style{p: prefixed("saml2p:"), a: prefixed("saml2:"), ds: prefixed("ds:"), okta: true, prefixList: "xs"}
}

// declare writes the declaration of the namespace that name's prefix stands for.
func declare(name func(string) string, ns string) string {
	prefix := strings.TrimSuffix(name(""), ":")
	if prefix == "" {
		return attrs("xmlns", ns)
	}
	return attrs("xmlns:"+prefix, ns)
}

func (s style) dsDeclaration() string { return declare(s.ds, nsSignature) }

// base64 comes in lines of 76 from Okta and in one line from Entra.
func (s style) base64(data []byte) string {
	out := base64.StdEncoding.EncodeToString(data)
	if !s.okta {
		return out
	}
	var b strings.Builder
	for len(out) > 76 {
		b.WriteString(out[:76] + "\n")
		out = out[76:]
	}
	return b.String() + out
}

// samlFacts are what a response says.
type samlFacts struct {
	responseID, assertionID      string
	inResponseTo                 string // "" when nobody asked
	destination, recipient       string
	issuer, audience             string
	nameID, nameIDFormat         string
	attributes                   []attribute
	issued                       time.Time
	withoutConditions            bool
	withoutConfirmation          bool
	unasked                      struct{ response, confirmation bool } // names no request there
	status, subStatus, statusMsg string                                // last part of the URNs; subStatus and message may be empty
}

// attribute is an attribute with its values.
type attribute struct {
	name   string
	values []string
}

// Lifetimes: Okta's assertions live five minutes either way, Entra's an hour.
func (s style) lifetime() (before, after time.Duration) {
	if s.okta {
		return 5 * time.Minute, 5 * time.Minute
	}
	return 5 * time.Minute, time.Hour
}

// parts is an element that is to be signed: a Signature goes between head and tail.
type parts struct{ id, head, tail string }

func (p parts) with(signature string) string { return p.head + signature + p.tail }

// assertion writes the Assertion up to where its Signature goes, and from there.
func (s style) assertion(a samlFacts) parts {
	declarations := declare(s.a, nsAssertion)
	format := ""
	if s.okta {
		declarations += attrs("xmlns:xs", nsXS)
		format = entityFormat
	}
	head := "<" + s.a("Assertion") + declarations + attrs("ID", a.assertionID, "IssueInstant", instant(a.issued), "Version", "2.0") + ">" +
		el(s.a("Issuer"), attrs("Format", format), xmlText(a.issuer))
	before, after := s.lifetime()
	end := instant(a.issued.Add(after))
	confirmation := ""
	if !a.withoutConfirmation {
		asked := a.inResponseTo
		if a.unasked.confirmation {
			asked = ""
		}
		confirmation = el(s.a("SubjectConfirmation"), attrs("Method", "urn:oasis:names:tc:SAML:2.0:cm:bearer"),
			el(s.a("SubjectConfirmationData"), attrs("InResponseTo", asked, "NotOnOrAfter", end, "Recipient", a.recipient)))
	}
	tail := el(s.a("Subject"), "", el(s.a("NameID"), attrs("Format", a.nameIDFormat), xmlText(a.nameID)), confirmation)
	if !a.withoutConditions {
		restriction := ""
		if a.audience != "" {
			restriction = el(s.a("AudienceRestriction"), "", el(s.a("Audience"), "", xmlText(a.audience)))
		}
		tail += el(s.a("Conditions"), attrs("NotBefore", instant(a.issued.Add(-before)), "NotOnOrAfter", end), restriction)
	}
	if s.okta {
		tail += s.authn(a) + s.statement(a)
	} else {
		tail += s.statement(a) + s.authn(a)
	}
	return parts{a.assertionID, head, tail + "</" + s.a("Assertion") + ">"}
}

// index is what the session is called: Okta takes the request's ID where there is one, others the assertion's.
func (s style) index(a samlFacts) string {
	if s.okta && a.inResponseTo != "" {
		return a.inResponseTo
	}
	return a.assertionID
}

func (s style) authn(a samlFacts) string {
	class, session := "urn:oasis:names:tc:SAML:2.0:ac:classes:Password", s.index(a)
	if s.okta {
		class = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
	}
	return el(s.a("AuthnStatement"), attrs("AuthnInstant", instant(a.issued), "SessionIndex", session),
		el(s.a("AuthnContext"), "", el(s.a("AuthnContextClassRef"), "", class)))
}

func (s style) statement(a samlFacts) string {
	if len(a.attributes) == 0 {
		return ""
	}
	format, typed := "", ""
	if s.okta {
		format = "urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified"
		typed = attrs("xmlns:xsi", nsXSI, "xsi:type", "xs:string")
	}
	var b strings.Builder
	for _, x := range a.attributes {
		var values strings.Builder
		for _, v := range x.values {
			values.WriteString(el(s.a("AttributeValue"), typed, xmlText(v)))
		}
		b.WriteString(el(s.a("Attribute"), attrs("Name", x.name, "NameFormat", format), values.String()))
	}
	return el(s.a("AttributeStatement"), "", b.String())
}

// response writes the Response around the assertions, which may be none.
func (s style) response(a samlFacts, assertions string) parts {
	format := ""
	if s.okta {
		format = entityFormat
	}
	asked := a.inResponseTo
	if a.unasked.response {
		asked = ""
	}
	head := "<" + s.p("Response") + declare(s.p, nsProtocol) + attrs("Destination", a.destination, "ID", a.responseID,
		"InResponseTo", asked, "IssueInstant", instant(a.issued), "Version", "2.0") + ">" +
		el(s.a("Issuer"), declare(s.a, nsAssertion)+attrs("Format", format), xmlText(a.issuer))
	sub, message := "", ""
	if a.subStatus != "" {
		sub = el(s.p("StatusCode"), attrs("Value", statusPrefix+a.subStatus))
	}
	if a.statusMsg != "" {
		message = el(s.p("StatusMessage"), "", xmlText(a.statusMsg))
	}
	tail := el(s.p("Status"), "", el(s.p("StatusCode"), attrs("Value", statusPrefix+a.status), sub), message) +
		assertions + "</" + s.p("Response") + ">"
	return parts{a.responseID, head, tail}
}

// finish turns canonical XML into the document that is sent: empty elements in their short form,
// which canonicalises to what was signed, and Okta's XML declaration.
func (s style) finish(canonical string) string {
	var b strings.Builder
	if s.okta {
		b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>`)
	}
	for {
		at := strings.Index(canonical, "></")
		if at < 0 {
			break
		}
		open := strings.LastIndexByte(canonical[:at], '<')
		name, _, _ := strings.Cut(canonical[open+1:at], " ")
		if end := "></" + name + ">"; strings.HasPrefix(canonical[at:], end) {
			b.WriteString(canonical[:at] + "/>")
			canonical = canonical[at+len(end):]
			continue
		}
		b.WriteString(canonical[:at+1])
		canonical = canonical[at+1:]
	}
	return b.String() + canonical
}
