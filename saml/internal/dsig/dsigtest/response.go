package dsigtest

import (
	"fmt"
	"strings"
)

// IDs of the elements of Response.
const (
	ResponseID  = "id32143189476142311527098"
	AssertionID = "id32143189477104331089023"
)

// Response returns an unsigned SAML response in the shape of Okta's, with five attributes and this
// many groups. With a signature over the assertion, 20 groups make about 9.5 KB.
func Response(groups int) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` +
		`<saml2p:Response xmlns:saml2p="urn:oasis:names:tc:SAML:2.0:protocol" Destination="https://id.example.com/saml/con_5fXk2mQ9/acs" ID="` + ResponseID +
		`" InResponseTo="_c7d0f4b2a58e4d1f9d2b7f0f7a3a6c11" IssueInstant="2026-11-21T12:00:00.000Z" Version="2.0" xmlns:xs="http://www.w3.org/2001/XMLSchema">` +
		issuerElement +
		`<saml2p:Status><saml2p:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></saml2p:Status>` +
		`<saml2:Assertion xmlns:saml2="urn:oasis:names:tc:SAML:2.0:assertion" ID="` + AssertionID + `" IssueInstant="2026-11-21T12:00:00.000Z" Version="2.0" xmlns:xs="http://www.w3.org/2001/XMLSchema">` +
		issuerElement +
		`<saml2:Subject><saml2:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">alice@corp.example</saml2:NameID>` +
		`<saml2:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml2:SubjectConfirmationData InResponseTo="_c7d0f4b2a58e4d1f9d2b7f0f7a3a6c11"` +
		` NotOnOrAfter="2026-11-21T12:05:00.000Z" Recipient="https://id.example.com/saml/con_5fXk2mQ9/acs"/></saml2:SubjectConfirmation></saml2:Subject>` +
		`<saml2:Conditions NotBefore="2026-11-21T11:55:00.000Z" NotOnOrAfter="2026-11-21T12:05:00.000Z"><saml2:AudienceRestriction>` +
		`<saml2:Audience>https://id.example.com/saml/con_5fXk2mQ9</saml2:Audience></saml2:AudienceRestriction></saml2:Conditions>` +
		`<saml2:AuthnStatement AuthnInstant="2026-11-21T11:58:30.000Z" SessionIndex="_c7d0f4b2a58e4d1f9d2b7f0f7a3a6c11"><saml2:AuthnContext>` +
		`<saml2:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml2:AuthnContextClassRef>` +
		`</saml2:AuthnContext></saml2:AuthnStatement><saml2:AttributeStatement>`)
	attribute(&b, "firstName", "Alice")
	attribute(&b, "lastName", "Adams & Söhne <Ltd>")
	attribute(&b, "email", "alice@corp.example")
	attribute(&b, "department", "Research")
	attribute(&b, "employeeNumber", "004711")
	var names []string
	for i := range groups {
		names = append(names, fmt.Sprintf("team-%03d-of-the-research-department", i))
	}
	attribute(&b, "groups", names...)
	b.WriteString(`</saml2:AttributeStatement></saml2:Assertion></saml2p:Response>`)
	return b.String()
}

const issuerElement = `<saml2:Issuer xmlns:saml2="urn:oasis:names:tc:SAML:2.0:assertion" Format="urn:oasis:names:tc:SAML:2.0:nameid-format:entity">` +
	`http://www.okta.com/exk1a2b3c4d5e6f7g8h9</saml2:Issuer>`

func attribute(b *strings.Builder, name string, values ...string) {
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	b.WriteString(`<saml2:Attribute Name="` + name + `" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified">`)
	for _, value := range values {
		b.WriteString(`<saml2:AttributeValue xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">` + escape.Replace(value) + `</saml2:AttributeValue>`)
	}
	b.WriteString(`</saml2:Attribute>`)
}
