package saml_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/saml"
)

func TestManyGroups_AreAllRead(t *testing.T) { // SA26, A26
	s := newScene()
	var groups []string
	for i := range 2000 {
		groups = append(groups, fmt.Sprintf("team-%04d-%s", i, strings.Repeat("x", 26)))
	}
	long := strings.Repeat("ä", 128) // 256 bytes
	r := s.response()
	r.Assertion.Attributes = []saml.Attribute{{Name: "groups", Values: groups}, {Name: "title", Values: []string{long}}}
	for _, response := range []bool{false, true} {
		r.Signing.Response, r.Signing.Assertion = response, !response
		a := s.accept(t, s.idp.Sign(r))
		if got, ok := a.Values("groups"); !ok || !slices.Equal(got, groups) {
			t.Errorf("%d groups", len(got))
		}
		if got, _ := a.Values("title"); !slices.Equal(got, []string{long}) {
			t.Errorf("title %q", got)
		}
	}
	t.Run("one Attribute for each, as Keycloak does", func(t *testing.T) {
		r.Assertion.Attributes = nil
		for _, group := range groups {
			r.Assertion.Attributes = append(r.Assertion.Attributes, saml.Attribute{Name: "groups", Values: []string{group}})
		}
		if got, _ := s.accept(t, s.idp.Sign(r)).Values("groups"); !slices.Equal(got, groups) {
			t.Errorf("%d groups", len(got))
		}
	})
}

func TestAttributes_AreReadByNameAndOnlyAsText(t *testing.T) {
	s := newScene()
	r := s.response()
	r.Assertion.Attributes = []saml.Attribute{
		{Name: "mail", FriendlyName: "groups", NameFormat: "urn:x", Values: []string{"a@x.example"}},
		{Name: "empty"},
		{Name: "blank", Values: []string{"", " two  spaces "}},
	}
	r.Assertion.Trailer = `<saml2:AttributeStatement><saml2:Attribute Name="targeted">` +
		`<saml2:AttributeValue><saml2:NameID>opaque</saml2:NameID></saml2:AttributeValue>` +
		`<saml2:AttributeValue>ad<saml2:x></saml2:x>min</saml2:AttributeValue>` +
		`<saml2:AttributeValue xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/>` +
		`<saml2:AttributeValue>plain</saml2:AttributeValue></saml2:Attribute></saml2:AttributeStatement>`
	a := s.accept(t, s.idp.Sign(r))
	for _, test := range []struct {
		name string
		want []string
		ok   bool
	}{
		{"mail", []string{"a@x.example"}, true},
		{"groups", nil, false}, // a FriendlyName is for people (IIP-SP11)
		{"empty", []string{}, true},
		{"blank", []string{"", " two  spaces "}, true},
		{"targeted", []string{"", "plain"}, true},
		{"absent", nil, false},
	} {
		got, ok := a.Values(test.name)
		if ok != test.ok || !slices.Equal(got, test.want) || (got == nil) != (test.want == nil) {
			t.Errorf("%s: %q, %t", test.name, got, ok)
		}
	}
	if _ = append(a.Attributes[2].Values, "more"); !slices.Equal(a.Attributes[3].Values, []string{"", "plain"}) {
		t.Error("to append to one attribute's values changes another's")
	}
	if a.Attributes[0].FriendlyName != "groups" || a.Attributes[0].NameFormat != "urn:x" {
		t.Errorf("%+v", a.Attributes[0])
	}
	for name, trailer := range map[string]string{
		"no Name":            `<saml2:AttributeStatement><saml2:Attribute><saml2:AttributeValue>x</saml2:AttributeValue></saml2:Attribute></saml2:AttributeStatement>`,
		"text in Attribute":  `<saml2:AttributeStatement><saml2:Attribute Name="x">text</saml2:Attribute></saml2:AttributeStatement>`,
		"foreign child":      `<saml2:AttributeStatement><saml2:Attribute Name="x"><x:y xmlns:x="urn:x"/></saml2:Attribute></saml2:AttributeStatement>`,
		"foreign statement":  `<x:Statement xmlns:x="urn:x"/>`,
		"Subject at the end": `<saml2:Subject><saml2:NameID>admin</saml2:NameID></saml2:Subject>`,
	} {
		t.Run(name, func(t *testing.T) {
			r.Assertion.Trailer = trailer
			s.refuse(t, s.idp.Sign(r), saml.ReasonStructure)
		})
	}
	t.Run("an encrypted one", func(t *testing.T) {
		r.Assertion.Trailer = `<saml2:AttributeStatement><saml2:EncryptedAttribute/></saml2:AttributeStatement>`
		s.refuse(t, s.idp.Sign(r), saml.ReasonEncrypted)
	})
}

func TestNameID_MayBeMissing(t *testing.T) {
	s := newScene()
	r := s.response()
	for _, name := range []*saml.NameID{nil, {Value: "", Format: saml.FormatTransient}} {
		r.Assertion.NameID = name
		if a := s.accept(t, s.idp.Sign(r)); a.HasSubject || a.Subject.Value != "" {
			t.Errorf("%+v", a.Subject)
		}
	}
	r.Assertion.NameID = &saml.NameID{Value: " Ünï\r\n<&> ", Format: "urn:x", NameQualifier: `"q"`, SPNameQualifier: "s\tp"}
	if a := s.accept(t, s.idp.Sign(r)); a.Subject != *r.Assertion.NameID {
		t.Errorf("%+v", a.Subject)
	}
}

func TestNameID_OfElementsOrEncryptedIsRefused(t *testing.T) {
	s := newScene()
	r, _ := s.signedAs(false, false)
	unsigned := string(r.Unsigned())
	for _, test := range []struct{ name, old, new, reason string }{
		{"an element inside", ">alice@corp", ">alice<saml2:x></saml2:x>@corp", saml.ReasonStructure},
		{"a BaseID", "saml2:NameID", "saml2:BaseID", saml.ReasonStructure},
		{"an EncryptedID", "saml2:NameID", "saml2:EncryptedID", saml.ReasonEncrypted},
		{"two NameIDs", "<saml2:SubjectConfirmation ", "<saml2:NameID>admin</saml2:NameID><saml2:SubjectConfirmation ", saml.ReasonStructure},
		{"a NameID after the confirmation", "</saml2:Subject>", "<saml2:NameID>admin</saml2:NameID></saml2:Subject>", saml.ReasonStructure},
	} {
		t.Run(test.name, func(t *testing.T) {
			doc := replace(t, unsigned, test.old, test.new)
			s.refuse(t, signElement(s, doc, r.Assertion.ID), test.reason)
		})
	}
	s.accept(t, signElement(s, unsigned, r.Assertion.ID))
}
