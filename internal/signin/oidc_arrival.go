package signin

import (
	"encoding/json"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty"
)

// arrivalOfClaims reads who came out of verified claims, by the claim names of the connection. The notes are for
// the event.
func arrivalOfClaims(o *relyingparty.Outcome, c directory.Connection) (provision.Arrival, []string, error) {
	names, claims := c.OIDC.Attributes, o.Claims
	who := provision.Arrival{Connection: c.ID, Method: directory.MethodOIDC}
	notes := slices.Clone(o.Notes)
	who.Shown = o.Subject
	parts := []string{"oidc", o.Issuer, o.Subject}
	if names.Subject != "" {
		if who.Shown = claims.Text(names.Subject); who.Shown == "" {
			return who, notes, errs.Forbidden(relyingparty.ReasonSubject, "Your identity provider's answer does not say who you are: expected the claim %q as a text.", names.Subject)
		}
		parts = []string{"oidc claim", o.Issuer, names.Subject, who.Shown}
	}
	var err error
	if who.Subject, err = subjectKey(parts); err != nil {
		return who, notes, err
	}
	text := func(name string) string {
		if name == "" {
			return ""
		}
		return short(claims.Text(name))
	}
	if address := text(names.Email); verifiedAddress(claims, c.Provider) {
		who.Email = address
	} else if address != "" {
		who.Unverified = address
		notes = append(notes, "the address is not said to be verified, so it links to nobody")
	}
	who.Said = claims.Values
	who.Name, who.GivenName, who.FamilyName = text(names.Name), text(names.FirstName), text(names.LastName)
	if names.Groups == "" {
		return who, notes, nil
	}
	values, known := claims.List(names.Groups)
	if claims.Overage() {
		known = false
		notes = append(notes, "groups_overage: the identity provider left the groups out because there are too many; nobody's role changes by that. Narrow them there to the groups assigned to the application.")
	}
	if values = names.Parted(values); len(values) > maxClaims {
		known = false
	}
	who.Groups, who.GroupsKnown = distinct(values), known
	if !known {
		who.Groups = nil
	}
	return who, notes, nil
}

// subjectKey is the key under which a person is known at a connection: everything that tells two people apart,
// each part where it cannot be taken for another.
func subjectKey(parts []string) (string, error) {
	encoded, err := json.Marshal(parts)
	if err != nil {
		return "", err
	}
	if len(encoded) > maxShort {
		return "", errs.Forbidden("subject_too_long", "Your identity provider names you by a name of %d bytes, which is too long.", len(parts[len(parts)-1]))
	}
	return string(encoded), nil
}

// verifiedAddress reports whether the IdP says that the address is the person's. Absent, null, a text or a
// number is no. Entra has no email_verified: anybody's administrator sets the claim email, and only xms_edov says that the
// domain's owner was asked. Its documents have it as true, 1 and "1" alike.
func verifiedAddress(c relyingparty.Claims, provider string) bool {
	if provider == "entra" {
		return slices.Contains([]string{`true`, `1`, `"1"`, `"true"`}, string(c["xms_edov"]))
	}
	return c.True("email_verified")
}

// distinct returns groups, each once, without those that cannot be the name of one.
func distinct(values []string) []string {
	seen := make(map[string]bool, len(values))
	list := make([]string, 0, len(values))
	for _, v := range values {
		if v != "" && len(v) <= maxShort && !seen[v] {
			seen[v] = true
			list = append(list, v)
		}
	}
	return list
}
