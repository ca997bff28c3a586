package strictxml

import (
	"strings"
	"testing"
)

// around is a document in which something was encrypted, and the element that holds it.
func around(t *testing.T) *Element {
	t.Helper()
	root, err := Parse([]byte(`<p:Response xmlns:p="urn:p" xmlns="urn:default" xmlns:xs="urn:xs" ID="outer"><a:Holder xmlns:a="urn:a" xmlns:xs="urn:nearer"><gone/></a:Holder></p:Response>`), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return root.First()
}

func TestParseWithin_TakesPrefixesFromAround(t *testing.T) {
	within, err := ParseWithin([]byte(`<a:Assertion ID="inner"><Plain/><p:In xs:type="x"/></a:Assertion>`), around(t), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	plain := within.First()
	if within.Space != "urn:a" || plain.Space != "urn:default" || plain.Next().Space != "urn:p" || plain.Next().Attrs[0].Space != "urn:nearer" {
		t.Errorf("%q %q %q %+v", within.Space, plain.Space, plain.Next().Space, plain.Next().Attrs)
	}
	if within.Parent.Local != "Holder" || within.Parent.First() != within || within.Next() != nil {
		t.Error("the root does not stand in a place of its own")
	}
	want := `<a:Assertion xmlns:a="urn:a" xmlns:xs="urn:nearer" ID="inner"><Plain xmlns="urn:default"></Plain><p:In xmlns:p="urn:p" xs:type="x"></p:In></a:Assertion>`
	if got := string(AppendCanonical(nil, within, []string{"xs"}, nil)); got != want {
		t.Errorf("canonical:\n%s\nwant\n%s", got, want)
	}
}

func TestParseWithin_RefusesWhatParseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"a prefix of nobody":              `<b:Assertion/>`,
		"two roots":                       `<a:Assertion/><a:Assertion/>`,
		"an end of the holder":            `<a:Assertion/></a:Holder>`,
		"a comment":                       `<a:Assertion><!-- --></a:Assertion>`,
		"nothing":                         ``,
		"an ID of the document around":    `<a:Assertion ID="outer"/>`,
		"an Id of it, differently called": `<a:Assertion xmlns:x="urn:x" x:id="outer"/>`,
	} {
		if _, err := ParseWithin([]byte(text), around(t), Limits{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestParseWithin_WorksInsideWhatWasReadWithin(t *testing.T) {
	first, err := ParseWithin([]byte(`<a:Assertion ID="first"><EncryptedID xmlns:q="urn:q"/></a:Assertion>`), around(t), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	holder := first.First()
	second, err := ParseWithin([]byte(`<q:NameID><p:x/></q:NameID>`), holder, Limits{})
	if err != nil || second.Space != "urn:q" || second.First().Space != "urn:p" {
		t.Fatal(second, err)
	}
	for _, id := range []string{"outer", "first"} {
		if _, err := ParseWithin([]byte(`<q:NameID ID="`+id+`"/>`), holder, Limits{}); err == nil || !strings.Contains(err.Error(), "ID") {
			t.Errorf("an ID of two documents, %s: %v", id, err)
		}
	}
}
