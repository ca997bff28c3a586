package guide

import (
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// The protocols, which are the columns of the table.
const (
	SAML = "saml"
	OIDC = "oidc"
	SCIM = "scim"
)

// Protocols lists the columns in order.
func Protocols() []string { return []string{SAML, OIDC, SCIM} }

// IdP is a row of the table.
type IdP struct {
	Name  string `json:"name"`  // "okta", "generic-saml"
	Title string `json:"title"` // "Okta"
	// Provider is the preset of a connection: "generic" for both rows of that kind.
	Provider string `json:"provider"`
	// Protocols are its yes-cells.
	Protocols []string `json:"protocols"`
}

// IdPs lists the rows in the order of the table.
func IdPs() []IdP {
	all := []string{SAML, OIDC, SCIM}
	return []IdP{
		{"okta", "Okta", "okta", all},
		{"entra", "Microsoft Entra ID", "entra", all},
		{"google", "Google Workspace", "google", all},
		{"onelogin", "OneLogin", "onelogin", all},
		{"jumpcloud", "JumpCloud", "jumpcloud", all},
		{"generic-saml", "Generic SAML 2.0", directory.Generic, []string{SAML}},
		{"generic-oidc", "Generic OpenID Connect", directory.Generic, []string{OIDC}},
	}
}

// Guide is how one protocol is set up at one IdP.
type Guide struct {
	IdP      string `json:"idp"`      // name of the row
	Protocol string `json:"protocol"` // one of Protocols
	Title    string `json:"title"`
	// Needs is what somebody has to have before they begin.
	Needs []string `json:"needs"`
	Steps []Step   `json:"steps"`
	// Bring is what to bring back to Gatehouse.
	Bring []Find `json:"bring"`
	// Groups says how the IdP sends groups.
	Groups   string   `json:"groups"`
	Warnings []string `json:"warnings"`
}

// Step is one stop in the IdP's console.
type Step struct {
	Do     string  `json:"do"` // one or two sentences
	Fields []Field `json:"fields,omitempty"`
}

// Field is a field of the IdP's console, in its words.
type Field struct {
	Name string `json:"name"`
	// Value is what to enter, or with Choose what to choose.
	Value  string `json:"value"`
	Choose bool   `json:"choose,omitempty"`
	Note   string `json:"note,omitempty"`
	// Place is the first of our values in it, "" for none.
	Place string `json:"place,omitempty"`
}

// Find is something that the IdP shows and Gatehouse asks for.
type Find struct {
	What  string `json:"what"`
	Where string `json:"where"`
	Note  string `json:"note,omitempty"`
}

// ID names the guide in addresses and file names: "okta-saml", and "generic-saml" for the one of that row.
func (g Guide) ID() string {
	if strings.HasSuffix(g.IdP, "-"+g.Protocol) {
		return g.IdP
	}
	return g.IdP + "-" + g.Protocol
}

func enter(name, value, note string) Field {
	return Field{Name: name, Value: value, Note: note, Place: firstPlace(value)}
}

func choose(name, value, note string) Field {
	return Field{Name: name, Value: value, Note: note, Choose: true}
}

// All lists the guides in the order of the table.
func All() []Guide {
	return []Guide{oktaSAML(), oktaOIDC(), oktaSCIM(), entraSAML(), entraOIDC(), entraSCIM(), googleSAML(), googleOIDC(), googleSCIM(),
		oneloginSAML(), oneloginOIDC(), oneloginSCIM(), jumpcloudSAML(), jumpcloudOIDC(), jumpcloudSCIM(), genericSAML(), genericOIDC()}
}

// Lookup finds the guide of a row, or of a provider, and a protocol. "generic" means the row that has the protocol. A row
// that there is not is errs.KindNotFound, guide_unknown; a cell that is not offered is errs.KindInvalid, not_offered.
func Lookup(idp, protocol string) (Guide, error) {
	idp, protocol = strings.ToLower(strings.TrimSpace(idp)), strings.ToLower(strings.TrimSpace(protocol))
	if !slices.Contains(Protocols(), protocol) {
		return Guide{}, errs.Invalid("protocol_unknown", "Expected one of the protocols %s, received %q.", strings.Join(Protocols(), ", "), protocol)
	}
	if idp == directory.Generic {
		if protocol == SCIM {
			return Guide{}, errs.Invalid("not_offered", "Neither generic SAML 2.0 nor generic OpenID Connect offers SCIM. Choose the provider that the IdP is.")
		}
		idp += "-" + protocol
	}
	for _, g := range All() {
		if g.IdP == idp && g.Protocol == protocol {
			return g, nil
		}
	}
	for _, row := range IdPs() {
		if row.Name == idp {
			return Guide{}, errs.Invalid("not_offered", "%s does not offer %s; it offers %s.", row.Title, strings.ToUpper(protocol), strings.ToUpper(strings.Join(row.Protocols, ", ")))
		}
	}
	var names []string
	for _, row := range IdPs() {
		names = append(names, row.Name)
	}
	return Guide{}, errs.NotFound("guide_unknown", "There is no guide for %q. There are guides for %s.", idp, strings.Join(names, ", "))
}

// TokenWord is what the IdP calls our token; "" in guides of other protocols.
func (g Guide) TokenWord() string {
	for _, s := range g.Steps {
		for _, f := range s.Fields {
			if f.Value == theToken {
				return f.Name
			}
		}
	}
	return ""
}

// theToken stands for what Gatehouse shows once.
const theToken = "the token"

// tested is said of every sign-in.
const tested = "Assign one test user first and sign in as them; assign everybody when that works."
