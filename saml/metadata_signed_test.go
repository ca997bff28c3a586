package saml_test

import (
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// signMetadata signs metadata, or the one entity in it, by that key.
func signMetadata(raw string, key *samltest.Key) string {
	return string(samltest.SignElement([]byte(raw), "_m", samltest.Signing{Key: key}))
}

func TestMetadata_SignedByThePinnedCertificateIsAcceptedAndNoOther(t *testing.T) {
	whole := strings.Replace(idpMetadata(), "<md:EntityDescriptor", `<md:EntityDescriptor ID="_m"`, 1)
	if whole == idpMetadata() {
		t.Fatal("no entity to sign")
	}
	plain := idpMetadata()[strings.Index(idpMetadata(), "<md:Entity"):]
	evil := strings.ReplaceAll(plain, "https://idp.example/a", "https://evil.example/a")
	around := `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata">` + whole[strings.Index(whole, "<md:Entity"):] + `</md:EntitiesDescriptor>`
	for name, c := range map[string]struct {
		raw string
		why string // "" for accepted
	}{
		"as a whole":                         {signMetadata(whole, k1()), ""},
		"the entity in a list":               {signMetadata(around, k1()), ""},
		"by another key":                     {signMetadata(whole, k2()), "another key than expected"},
		"not at all":                         {whole, "not signed"},
		"and changed after that":             {strings.Replace(signMetadata(whole, k1()), `Location="https://idp.example/`, `Location="https://evil.example/`, 1), "not valid"},
		"with another entity put beside it":  {strings.Replace(signMetadata(around, k1()), "</md:EntitiesDescriptor>", evil+"</md:EntitiesDescriptor>", 1), ""},
		"and the other entity is asked for":  {strings.Replace(signMetadata(around, k1()), "</md:EntitiesDescriptor>", evil+"</md:EntitiesDescriptor>", 1), "not signed"},
		"over the second of two of one name": {strings.Replace(signMetadata(around, k1()), "<md:EntityDescriptor", plain+"<md:EntityDescriptor", 1), "twice"},
	} {
		t.Run(name, func(t *testing.T) {
			asked := "https://idp.example/a"
			if strings.Contains(name, "other entity is asked") {
				asked = "https://evil.example/a"
			}
			idp, err := saml.ParseSignedMetadata([]byte(c.raw), asked, k1().Certificate, metadataNow)
			switch {
			case c.why == "" && (err != nil || idp.EntityID != asked || len(idp.Certificates) != 2):
				t.Errorf("%+v, %v", idp, err)
			case c.why != "" && (err == nil || !strings.Contains(err.Error(), c.why)):
				t.Errorf("%v, want %q", err, c.why)
			}
		})
	}
}
