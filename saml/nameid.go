package saml

import "github.com/gatehouse-id/gatehouse/saml/internal/strictxml"

// NameID names a person (Core section 2.2.3). It has everything that single logout must give back
// as it came, and its JSON form is fit for keeping it with a session.
type NameID struct {
	Value           string `json:"value"`
	Format          string `json:"format,omitempty"`
	NameQualifier   string `json:"name_qualifier,omitempty"`
	SPNameQualifier string `json:"sp_name_qualifier,omitempty"`
	// SPProvidedID is a name that the service provider once gave to the person there. It says nothing
	// more about who it is.
	SPProvidedID string `json:"sp_provided_id,omitempty"`
}

// Same reports whether two name identifiers of one identity provider for one service provider are of one
// person: value, format and both qualifiers are equal octet by octet, after what may be left
// out was filled in. No format is FormatUnspecified (Core section 2.2.2), and the qualifiers of a
// persistent or transient name are by default the two entity IDs (Core sections 8.3.7 and 8.3.8).
func (n NameID) Same(other NameID, identityProvider, serviceProvider string) bool {
	a, b := n.filled(identityProvider, serviceProvider), other.filled(identityProvider, serviceProvider)
	return a == b && n.Value != ""
}

// filled is n with its defaults, and without what does not matter for Same.
func (n NameID) filled(identityProvider, serviceProvider string) NameID {
	n.SPProvidedID = ""
	switch n.Format {
	case "":
		n.Format = FormatUnspecified
	case FormatPersistent, FormatTransient:
		if n.NameQualifier == "" {
			n.NameQualifier = identityProvider
		}
		if n.SPNameQualifier == "" {
			n.SPNameQualifier = serviceProvider
		}
	}
	return n
}

func readNameID(e *strictxml.Element) (NameID, *Refusal) {
	value, r := textOf(e)
	return NameID{
		Value:           value,
		Format:          attr(e, "Format"),
		NameQualifier:   attr(e, "NameQualifier"),
		SPNameQualifier: attr(e, "SPNameQualifier"),
		SPProvidedID:    attr(e, "SPProvidedID"),
	}, r
}

// appendNameID writes a name identifier as it was read.
func appendNameID(b []byte, n NameID) []byte {
	b = append(b, "<saml:NameID"...)
	for _, a := range []struct{ name, value string }{
		{"Format", n.Format}, {"NameQualifier", n.NameQualifier}, {"SPNameQualifier", n.SPNameQualifier}, {"SPProvidedID", n.SPProvidedID},
	} {
		if a.value != "" {
			b = appendAttr(b, a.name, a.value)
		}
	}
	b = append(b, '>')
	b = appendTextOnly(b, n.Value)
	return append(b, "</saml:NameID>"...)
}
