package saml_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/saml"
)

// Nobody but the fixtures' identity providers, whose private keys are lost, can make a message
// that says something else than the fixtures. Whatever is accepted must say just that.
func FuzzVerify(f *testing.F) {
	scenes, originals := make([]*scene, len(fixtures)), make([]*saml.Assertion, len(fixtures))
	for i, fixture := range fixtures {
		s, doc := fixture.load(f)
		scenes[i], originals[i] = s, s.accept(f, []byte(doc))
		f.Add([]byte(doc))
		f.Add([]byte(strings.Replace(doc, ">alice@", "><!-- x -->admin@", 1)))
		f.Add([]byte(signatureText.ReplaceAllString(doc, "")))
		f.Add([]byte(strings.Replace(doc, "Status>", "Status xmlns:x='urn:x'>", 1)))
	}
	f.Add([]byte(`<Response xmlns="urn:oasis:names:tc:SAML:2.0:protocol" Version="2.0" ID="a"><Status><StatusCode Value="x"/></Status></Response>`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for i, s := range scenes {
			a, refusal := s.verify(raw)
			if refusal == nil {
				sameStatement(t, originals[i], a, string(raw))
				continue
			}
			if a != nil || refusal.Reason == "" || refusal.Detail == "" {
				t.Errorf("%+v %+v", a, refusal)
			}
			if refusal.Subject != "" && refusal.Subject != originals[i].Subject.Value {
				t.Errorf("a refusal names %q", refusal.Subject)
			}
		}
	})
}

// What is accepted can be checked and is complete; the same bytes give the same.
func FuzzParseMetadata(f *testing.F) {
	for _, fixture := range fixtures {
		f.Add(readFile(f, fixture.metadata))
	}
	f.Add([]byte(idpMetadata()))
	f.Add(saml.ServiceProvider{EntityID: "a", ACS: "b", Name: "c"}.Metadata())
	f.Fuzz(func(t *testing.T, raw []byte) {
		idp, err := saml.ParseMetadata(raw, "", metadataNow)
		if err != nil {
			if !strings.HasSuffix(err.Error(), ".") {
				t.Errorf("%q is not a sentence", err)
			}
			return
		}
		if err := idp.Check(true); err != nil {
			t.Errorf("accepted and not usable: %v", err)
		}
		again, err := saml.ParseMetadata(raw, idp.EntityID, metadataNow)
		if err != nil || !reflect.DeepEqual(idp, again) {
			t.Errorf("asked for by name it differs: %v", err)
		}
	})
}
