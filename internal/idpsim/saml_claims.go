package idpsim

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// What Entra sends of groups: object ids, and with more than 150 only where to ask for them.
const (
	entraGroupsClaim = "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups"
	entraGroupsLink  = "http://schemas.microsoft.com/claims/groups.link"
	entraGroupsMost  = 150
)

// claims resolves expressions for one person.
type claims struct {
	p        *IdP
	settings SAMLSettings
	person   Person
	groups   []Group // all those that the person is in
}

// expressions are what an attribute's value may be, besides user.custom.KEY and a literal in
// double quotes.
var expressions = map[string]func(claims) []string{
	"user.id":          func(c claims) []string { return []string{c.person.ID} },
	"user.login":       func(c claims) []string { return []string{c.person.UserName} },
	"user.email":       func(c claims) []string { return []string{c.person.Email} },
	"user.firstName":   func(c claims) []string { return []string{c.person.GivenName} },
	"user.lastName":    func(c claims) []string { return []string{c.person.FamilyName} },
	"user.displayName": func(c claims) []string { return []string{c.person.DisplayName} },
	"user.title":       func(c claims) []string { return []string{c.person.Title} },
	"user.department":  func(c claims) []string { return []string{c.person.Department} },
	"user.mobilePhone": func(c claims) []string { return []string{c.person.Phone} },
	"user.pairwiseId":  func(c claims) []string { return []string{c.pairwise()} },
	"user.groups":      claims.groupValues,
	"tenant.id":        func(c claims) []string { return []string{c.p.saml.tenant()} },
	"tenant.issuer":    func(c claims) []string { return []string{c.p.saml.entityID()} },
}

const customPrefix = "user.custom."

// literal returns the text of an expression in double quotes.
func literal(expression string) (string, bool) {
	if len(expression) < 2 || expression[0] != '"' || !strings.HasSuffix(expression, `"`) {
		return "", false
	}
	return expression[1 : len(expression)-1], true
}

func checkExpression(expression string) error {
	if _, ok := literal(expression); ok || expressions[expression] != nil || strings.HasPrefix(expression, customPrefix) {
		return nil
	}
	return fmt.Errorf("%w: %q is not an expression; give user.email or another of the package comment's, or a text in double quotes", ErrInvalid, expression)
}

// values returns what an expression comes to, without empty values.
func (c claims) values(expression string) []string {
	var out []string
	if text, ok := literal(expression); ok {
		out = []string{text}
	} else if key, ok := strings.CutPrefix(expression, customPrefix); ok {
		out = []string{c.person.Custom[key]}
	} else if fn := expressions[expression]; fn != nil {
		out = fn(c)
	}
	return slices.DeleteFunc(out, func(v string) bool { return v == "" })
}

func (c claims) groupValues() []string {
	var out []string
	for _, g := range c.groups {
		switch {
		case c.settings.GroupFilter == "none", c.settings.GroupFilter == "starts_with" && !strings.HasPrefix(g.Name, c.settings.GroupPrefix):
		case c.settings.GroupValue == "id":
			out = append(out, g.ID)
		default:
			out = append(out, g.Name)
		}
	}
	return out
}

// pairwise is an id that no other application sees, and that says nothing.
func (c claims) pairwise() string {
	sum := sha256.Sum256([]byte(c.p.saml.entityID() + "\n" + c.settings.Audience + "\n" + c.person.ID))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// attributes resolves the attribute statements. Neither vendor sends an attribute without values.
func (c claims) attributes() []attribute {
	var out []attribute
	for _, a := range c.settings.Attributes {
		values := c.values(a.Value)
		if c.p.kind.IsEntra() && a.Value == "user.groups" && len(values) > entraGroupsMost {
			a.Name = entraGroupsLink
			values = []string{"https://graph.windows.net/" + c.p.saml.tenant() + "/users/" + c.person.ID + "/getMemberObjects"}
		}
		if len(values) > 0 {
			out = append(out, attribute{a.Name, values})
		}
	}
	return out
}

// subject returns NameID and its format. Entra follows the request's NameIDPolicy where it can,
// Okta follows its settings.
func (c claims) subject(requested string) (value, format string) {
	choice := c.settings.NameIDFormat
	if c.p.kind.IsEntra() && requested != "" {
		for _, name := range nameIDChoices {
			if nameIDFormats[name] == requested && name != "unspecified" {
				choice = name
			}
		}
	}
	expression := c.settings.NameID
	switch {
	case choice == "transient":
		return "_" + c.p.opts.randomGUID(), nameIDFormats[choice]
	case expression == "" && choice == "persistent":
		expression = "user.pairwiseId"
	case expression == "":
		expression = "user.login"
	}
	if values := c.values(expression); len(values) > 0 {
		value = values[0]
	}
	return value, nameIDFormats[choice]
}

// claimsOf collects what is known of somebody.
func (p *IdP) claimsOf(x Person, s SAMLSettings) claims {
	c := claims{p: p, settings: s, person: x}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.groups {
		if !g.Deleted && slices.Contains(g.Members, x.ID) {
			c.groups = append(c.groups, Group{ID: g.ID, Name: g.Name})
		}
	}
	return c
}
