package scimserver

import (
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/scim"
)

// compile turns a filter into a condition that indexes serve. Where exact is false the condition
// holds for more than the filter does, and each candidate has to be asked with scim.Match.
func compile(t *scim.ResourceType, f scim.Filter) (where store.Cond, exact bool) {
	switch f := f.(type) {
	case nil:
		return store.All(), true
	case scim.And:
		exact = true
		var kids []store.Cond
		for _, term := range f.Terms {
			c, ok := compile(t, term)
			exact = exact && ok
			kids = append(kids, c)
		}
		return store.And(kids...), exact
	case scim.Or:
		var kids []store.Cond
		exact = true
		for _, term := range f.Terms {
			c, ok := compile(t, term)
			exact = exact && ok
			kids = append(kids, c)
		}
		return store.Or(kids...), exact
	case scim.Compare:
		return compileCompare(t, f)
	case scim.Present:
		// Both are always there.
		if f.Path.URN == "" && f.Path.Sub == "" && (f.Path.Name == "id" || f.Path.Name == "userName" && t.Name == "User") {
			return store.All(), true
		}
	case scim.ValuePath:
		return compileValuePath(f)
	}
	return store.All(), false
}

func compileCompare(t *scim.ResourceType, f scim.Compare) (store.Cond, bool) {
	if f.Path.URN != "" {
		return store.All(), false
	}
	if f.Path.Name == "active" {
		if want, ok := f.Value.(bool); ok && t.Name == "User" && (f.Op == scim.EqualTo || f.Op == scim.NotEqual) {
			return store.ActiveIs(want == (f.Op == scim.EqualTo)), true
		}
		return store.All(), false
	}
	value, ok := f.Value.(string)
	if !ok || f.Op != scim.EqualTo {
		return store.All(), false
	}
	switch f.Path.Name + "." + f.Path.Sub {
	case "id.":
		return store.Eq(store.FieldID, value), true
	case "externalId.":
		return store.Eq(store.FieldExternalID, value), true
	case "userName.":
		return store.Eq(store.FieldUserName, directory.Fold(value)), true
	case "displayName.":
		if t.Name == "Group" {
			return store.Eq(store.FieldDisplayName, directory.Fold(value)), true
		}
	case "emails.value":
		return store.EmailEq(directory.Fold(value), ""), true
	case "members.value":
		return store.Eq(store.FieldMember, value), true
	}
	return store.All(), false
}

// compileValuePath serves emails[value eq "x"], emails[type eq "work" and value eq "x"], which
// Entra asks, and members[value eq "x"].
func compileValuePath(f scim.ValuePath) (store.Cond, bool) {
	if f.Path.URN != "" || f.Path.Sub != "" {
		return store.All(), false
	}
	terms := []scim.Filter{f.Filter}
	if and, ok := f.Filter.(scim.And); ok {
		terms = and.Terms
	}
	found := map[string]string{}
	for _, term := range terms {
		c, ok := term.(scim.Compare)
		if !ok || c.Op != scim.EqualTo {
			return partial(f.Path.Name, found), false
		}
		name := c.Path.Name
		if c.Path.Sub != "" {
			name = c.Path.Sub
		}
		value, isText := c.Value.(string)
		if _, twice := found[name]; !isText || twice || name != "value" && name != "type" {
			return partial(f.Path.Name, found), false
		}
		found[name] = value
	}
	value, ok := found["value"]
	kind, typed := found["type"]
	switch {
	case f.Path.Name == "emails" && ok && (!typed || kind != ""):
		return store.EmailEq(directory.Fold(value), directory.Fold(kind)), true
	case f.Path.Name == "members" && ok && !typed:
		return store.Eq(store.FieldMember, value), true
	}
	return partial(f.Path.Name, found), false
}

// partial narrows the candidates by what was understood.
func partial(attribute string, found map[string]string) store.Cond {
	value, ok := found["value"]
	switch {
	case ok && attribute == "emails":
		return store.EmailEq(directory.Fold(value), "")
	case ok && attribute == "members":
		return store.Eq(store.FieldMember, value)
	}
	return store.All()
}

// terms is how many comparisons a filter makes on one resource.
func terms(f scim.Filter) int {
	n := 0
	switch f := f.(type) {
	case nil:
	case scim.And:
		for _, t := range f.Terms {
			n += terms(t)
		}
	case scim.Or:
		for _, t := range f.Terms {
			n += terms(t)
		}
	case scim.Not:
		return terms(f.Term)
	case scim.ValuePath:
		return terms(f.Filter)
	default:
		return 1
	}
	return n
}

// mentions reports whether a filter looks at a top-level attribute.
func mentions(f scim.Filter, name string) bool {
	switch f := f.(type) {
	case scim.And:
		return anyMentions(f.Terms, name)
	case scim.Or:
		return anyMentions(f.Terms, name)
	case scim.Not:
		return mentions(f.Term, name)
	case scim.Compare:
		return f.Path.Name == name
	case scim.Present:
		return f.Path.Name == name
	case scim.ValuePath:
		return f.Path.Name == name
	}
	return false
}

func anyMentions(terms []scim.Filter, name string) bool {
	for _, t := range terms {
		if mentions(t, name) {
			return true
		}
	}
	return false
}
