package samltest

import (
	"strings"

	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

func attrEscape(s string) string { return string(strictxml.AppendAttr(nil, s)) }
func textEscape(s string) string { return string(strictxml.AppendText(nil, s)) }

// writer writes elements with the prefixes of a style.
type writer struct {
	strings.Builder
	protocol, assertion string // prefixes with their colon
}

// open writes a start tag; attributes come in pairs, and those with an empty value are left out.
func (w *writer) open(name string, pairs ...string) {
	w.WriteString("<" + name)
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			w.WriteString(" " + pairs[i] + `="` + attrEscape(pairs[i+1]) + `"`)
		}
	}
	w.WriteString(">")
}

func (w *writer) close(name string) { w.WriteString("</" + name + ">") }

func (w *writer) text(name, text string, pairs ...string) {
	w.open(name, pairs...)
	w.WriteString(textEscape(text))
	w.close(name)
}

const (
	nsProtocol  = "urn:oasis:names:tc:SAML:2.0:protocol"
	nsAssertion = "urn:oasis:names:tc:SAML:2.0:assertion"
	nsSchema    = "http://www.w3.org/2001/XMLSchema"
	nsInstance  = "http://www.w3.org/2001/XMLSchema-instance"
)

// Unsigned returns the Response without any signature.
func (r *Response) Unsigned() []byte {
	w := &writer{protocol: "saml2p:", assertion: "saml2:"}
	declared, schema := "xmlns:saml2", nsSchema
	if r.Style == Entra {
		w.protocol, w.assertion = "samlp:", ""
		declared, schema = "xmlns", ""
	} else {
		w.WriteString(`<?xml version="1.0" encoding="UTF-8"?>`)
	}
	name := w.protocol + "Response"
	w.open(name, "xmlns:"+strings.TrimSuffix(w.protocol, ":"), nsProtocol, "Destination", r.Destination, "ID", r.ID,
		"InResponseTo", r.InResponseTo, "IssueInstant", r.IssueInstant, "Version", r.Version, "xmlns:xs", schema)
	if r.Issuer != "" {
		w.text(w.assertion+"Issuer", r.Issuer, declared, nsAssertion, "Format", r.IssuerFormat)
	}
	if r.Extensions != "" {
		w.open(w.protocol + "Extensions")
		w.WriteString(r.Extensions)
		w.close(w.protocol + "Extensions")
	}
	w.status(r.StatusCodes, r.StatusMessage)
	if r.Assertion != nil {
		w.assert(r.Assertion, declared, schema)
	}
	w.WriteString(r.Trailer)
	w.close(name)
	return []byte(w.String())
}

func (w *writer) status(codes []string, message string) {
	if len(codes) == 0 {
		return
	}
	w.open(w.protocol + "Status")
	for _, code := range codes {
		w.open(w.protocol+"StatusCode", "Value", code)
	}
	for range codes {
		w.close(w.protocol + "StatusCode")
	}
	if message != "" {
		w.text(w.protocol+"StatusMessage", message)
	}
	w.close(w.protocol + "Status")
}

func (w *writer) nameID(name string, id *saml.NameID) {
	w.text(name, id.Value, "Format", id.Format, "NameQualifier", id.NameQualifier, "SPNameQualifier", id.SPNameQualifier, "SPProvidedID", id.SPProvidedID)
}

func (w *writer) assert(a *Assertion, declared, schema string) {
	name := w.assertion + "Assertion"
	w.open(name, declared, nsAssertion, "ID", a.ID, "IssueInstant", a.IssueInstant, "Version", a.Version, "xmlns:xs", schema)
	if a.Issuer != "" {
		w.text(w.assertion+"Issuer", a.Issuer, "Format", a.IssuerFormat)
	}
	w.subject(a)
	w.conditions(a)
	if a.Advice != "" {
		w.open(w.assertion + "Advice")
		w.WriteString(a.Advice)
		w.close(w.assertion + "Advice")
	}
	for _, authn := range a.Authn {
		w.open(w.assertion+"AuthnStatement", "AuthnInstant", authn.AuthnInstant, "SessionIndex", authn.SessionIndex, "SessionNotOnOrAfter", authn.SessionNotOnOrAfter)
		w.open(w.assertion + "AuthnContext")
		if authn.Class != "" {
			w.text(w.assertion+"AuthnContextClassRef", authn.Class)
		}
		w.close(w.assertion + "AuthnContext")
		w.close(w.assertion + "AuthnStatement")
	}
	w.attributes(a, schema != "")
	w.WriteString(a.Trailer)
	w.close(name)
}

func (w *writer) subject(a *Assertion) {
	if a.NoSubject {
		return
	}
	w.open(w.assertion + "Subject")
	if id := a.NameID; id != nil {
		w.sealed("EncryptedID", a.NameIDEncryption, func(w *writer) { w.nameID(w.assertion+"NameID", id) })
	}
	for _, c := range a.Confirmations {
		w.open(w.assertion+"SubjectConfirmation", "Method", c.Method)
		if !c.NoData {
			w.open(w.assertion+"SubjectConfirmationData", "InResponseTo", c.InResponseTo, "NotBefore", c.NotBefore,
				"NotOnOrAfter", c.NotOnOrAfter, "Recipient", c.Recipient)
			w.close(w.assertion + "SubjectConfirmationData")
		}
		w.close(w.assertion + "SubjectConfirmation")
	}
	w.close(w.assertion + "Subject")
}

func (w *writer) conditions(a *Assertion) {
	if a.NoConditions {
		return
	}
	w.open(w.assertion+"Conditions", "NotBefore", a.NotBefore, "NotOnOrAfter", a.NotOnOrAfter)
	for _, audiences := range a.Audiences {
		w.open(w.assertion + "AudienceRestriction")
		for _, audience := range audiences {
			w.text(w.assertion+"Audience", audience)
		}
		w.close(w.assertion + "AudienceRestriction")
	}
	w.WriteString(a.Conditions)
	w.close(w.assertion + "Conditions")
}

// sealed writes something, encrypted when there is an encryption.
func (w *writer) sealed(holder string, e *Encryption, write func(*writer)) {
	if e == nil {
		write(w)
		return
	}
	inside := &writer{protocol: w.protocol, assertion: w.assertion}
	write(inside)
	w.WriteString(Seal(inside.String(), holder, *e))
}

func (w *writer) attributes(a *Assertion, typed bool) {
	if len(a.Attributes) == 0 {
		return
	}
	w.open(w.assertion + "AttributeStatement")
	for _, attribute := range a.Attributes {
		w.sealed("EncryptedAttribute", a.AttributeEncryption, func(w *writer) { w.attribute(attribute, typed) })
	}
	w.close(w.assertion + "AttributeStatement")
}

func (w *writer) attribute(attribute saml.Attribute, typed bool) {
	w.open(w.assertion+"Attribute", "FriendlyName", attribute.FriendlyName, "Name", attribute.Name, "NameFormat", attribute.NameFormat)
	for _, value := range attribute.Values {
		if typed {
			w.text(w.assertion+"AttributeValue", value, "xmlns:xsi", nsInstance, "xsi:type", "xs:string")
		} else {
			w.text(w.assertion+"AttributeValue", value)
		}
	}
	w.close(w.assertion + "Attribute")
}
