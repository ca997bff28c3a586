package idpsim

// dialect is how Entra writes a PATCH: capitalised with string booleans, or as
// ?aadOptscim062020 makes it.
type dialect struct{ flag bool }

// dialect returns the dialect of scheduled cycles. On-demand provisioning always uses the
// default one, since the flag has no effect there: one customer can send both.
func (k Kind) dialect() dialect { return dialect{flag: k == EntraFlag} }

// change is one attribute that differs. value overrides before and after for values that are not
// strings. An empty after clears the attribute.
type change struct {
	path          string
	multi         bool
	before, after string
	value         any
	verb          string // "add" or "replace" when fixed, else derived
	lower         bool   // Microsoft documents this one in lower case for both dialects
}

// op is the operation's name: Entra adds where it believes there is nothing.
func (c change) op() string {
	switch {
	case c.verb != "":
		return c.verb
	case c.after == "" && c.value == nil:
		return "remove"
	case c.before == "":
		return "add"
	}
	return "replace"
}

func (d dialect) name(op string) string {
	if d.flag {
		return op
	}
	return map[string]string{"add": "Add", "replace": "Replace", "remove": "Remove"}[op]
}

// operations writes the changes: by default one operation each; with the flag, replaced
// single-valued attributes share one path-less operation at the end, with dotted and URN keys.
func (d dialect) operations(changes []change) []object {
	var ops []object
	var together object
	for _, c := range changes {
		op := object{{"op", dialect{d.flag || c.lower}.name(c.op())}, {"path", c.path}}
		switch {
		case c.op() == "remove":
			ops = append(ops, op)
		case c.value != nil:
			ops = append(ops, append(op, field{"value", c.value}))
		case d.flag && c.path == "active":
			ops = append(ops, append(op, field{"value", c.after == "True"}))
		case d.flag && c.op() == "replace" && !c.multi:
			together = append(together, field{c.path, c.after})
		default:
			ops = append(ops, append(op, field{"value", c.after}))
		}
	}
	if together != nil {
		ops = append(ops, object{{"op", "replace"}, {"value", together}})
	}
	return ops
}

// The ways in which an Entra administrator can map app roles (expressions
// SingleAppRoleAssignment, AppRoleAssignmentsComplex, AssertiveAppRoleAssignmentsComplex).
const (
	rolesSingle    = "single"
	rolesComplex   = "complex"
	rolesAssertive = "assertive"
)

// appRoleType is the type that Entra gives to every app role.
const appRoleType = "WindowsAzureActiveDirectoryRole"

// entraRoles is the roles list of a create, or of an assertive replace.
func entraRoles(mapping string, roles []AppRole) []object {
	out := []object{}
	for i, r := range roles {
		switch {
		case mapping == rolesSingle && i == 0:
			out = append(out, object{{"primary", true}, {"type", appRoleType}, {"value", r.Value}})
		case mapping == rolesComplex || mapping == rolesAssertive:
			out = append(out, object{{"primary", false}, {"type", appRoleType}, {"display", r.DisplayName}, {"value", r.Value}})
		}
	}
	return out
}

// roleChanges is the PATCH side, whose shapes differ from the create's. The complex form only
// adds, so that roles taken away in Entra stay in the application; the assertive form replaces.
func roleChanges(mapping string, before, want []AppRole) []change {
	switch mapping {
	case rolesSingle:
		b, w := firstRole(before), firstRole(want)
		if b != w {
			return []change{{path: `roles[primary eq "True"].value`, multi: true, before: b, after: w}}
		}
	case rolesComplex:
		if added := rolesNotIn(want, before); len(added) > 0 {
			return []change{{path: "roles", value: nestedRoles(added), verb: "add"}}
		}
	case rolesAssertive:
		if len(rolesNotIn(want, before))+len(rolesNotIn(before, want)) > 0 {
			return []change{{path: "roles", value: entraRoles(mapping, want), verb: "replace", lower: true}}
		}
	}
	return nil
}

// nestedRoles writes each role as JSON inside a string.
func nestedRoles(roles []AppRole) []object {
	var out []object
	for _, r := range roles {
		text := encode(object{{"id", r.ID}, {"value", r.Value}, {"displayName", r.DisplayName}})
		out = append(out, object{{"value", string(text)}})
	}
	return out
}

func firstRole(roles []AppRole) string {
	if len(roles) == 0 {
		return ""
	}
	return roles[0].Value
}

func rolesNotIn(a, b []AppRole) []AppRole {
	var out []AppRole
	for _, r := range a {
		found := false
		for _, s := range b {
			found = found || r == s
		}
		if !found {
			out = append(out, r)
		}
	}
	return out
}
