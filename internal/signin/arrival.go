package signin

import (
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/saml"
)

// maxClaims is how many groups of one assertion are read; more count as unknown. Entra stops at 150.
const maxClaims = 10_000

// entraOverage is what Entra sends in place of the groups of somebody who is in more than 150.
const entraOverage = "http://schemas.microsoft.com/claims/groups.link"

// arrivalOf reads who came out of a verified assertion, by the attribute names of the connection.
func arrivalOf(a *saml.Assertion, c directory.Connection) (provision.Arrival, error) {
	names := c.SAML.Attributes
	who := provision.Arrival{Connection: c.ID, Method: directory.MethodSAML}
	var err error
	if who.Subject, who.Shown, err = subject(a, names.Subject); err != nil {
		return provision.Arrival{}, err
	}
	who.Email = first(a, names.Email)
	if who.Email == "" && a.HasSubject && a.Subject.Format == saml.FormatEmail {
		who.Email = short(a.Subject.Value)
	}
	who.Name, who.GivenName, who.FamilyName = first(a, names.Name), first(a, names.FirstName), first(a, names.LastName)
	if who.Name == "" {
		who.Name = strings.TrimSpace(who.GivenName + " " + who.FamilyName)
	}
	who.Groups, who.GroupsKnown = groups(a, names)
	who.Said = saidBy(a)
	return who, nil
}

// subject returns the key under which a person is known at a connection, and its value alone. The
// key holds everything that tells two people apart, each part where it cannot be taken for another.
func subject(a *saml.Assertion, attribute string) (key, shown string, err error) {
	var parts []string
	switch {
	case attribute != "":
		values, _ := a.Values(attribute)
		if len(values) != 1 || values[0] == "" {
			return "", "", errs.Forbidden(saml.ReasonSubject, "Your identity provider's answer does not say who you are: one value of the attribute %q was expected, and there are %d.", attribute, len(values))
		}
		shown, parts = values[0], []string{"attribute", attribute, values[0]}
	case !a.HasSubject:
		return "", "", errs.Forbidden(saml.ReasonSubject, "Your identity provider's answer does not say who you are: it has no NameID.")
	case a.Subject.Format == saml.FormatTransient:
		return "", "", errs.Forbidden("subject_transient", "Your identity provider names you by a new name at each sign-in (a transient NameID). The administrator has to send a lasting one, or to name an attribute as subject.")
	default:
		n := a.Subject
		shown, parts = n.Value, []string{"nameid", n.Format, n.NameQualifier, n.SPNameQualifier, n.Value}
	}
	key, err = subjectKey(parts)
	return key, shown, err
}

// first returns the first value of an attribute, "" where there is none or it is too long to be one.
func first(a *saml.Assertion, name string) string {
	if name == "" {
		return ""
	}
	if values, _ := a.Values(name); len(values) > 0 {
		return short(values[0])
	}
	return ""
}

// groups returns what the IdP says of the person's groups, each once. An absent or truncated claim
// is not known, and an empty one means none.
func groups(a *saml.Assertion, names directory.Attributes) (list []string, known bool) {
	if names.Groups == "" {
		return nil, false
	}
	values, known := a.Values(names.Groups)
	values = names.Parted(values)
	if _, truncated := a.Values(entraOverage); truncated || !known || len(values) > maxClaims {
		return nil, false
	}
	return distinct(values), true
}

// saidBy reads attributes of an assertion by their names.
func saidBy(a *saml.Assertion) func(string) []any {
	return func(name string) (out []any) {
		values, _ := a.Values(name)
		for _, v := range values {
			out = append(out, v)
		}
		return out
	}
}
