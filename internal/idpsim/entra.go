package idpsim

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
)

// The numbered steps of Entra's client that concern people.
var (
	entraTestUsers   = step{"test users", "Entra 1"}
	entraTestGroups  = step{"test groups", "Entra 1"}
	entraMatch       = step{"match user", "Entra 2"}
	entraCreate      = step{"create user", "Entra 3"}
	entraUpdate      = step{"update user", "Entra 4"}
	entraDisable     = step{"disable user", "Entra 5"}
	entraRestore     = step{"restore user", "Entra 5"}
	entraHardDelete  = step{"delete user", "Entra 6"}
	entraGroupProbed = "excludedAttributes=members&"
)

// entraMatching maps the administrator's choice to the attribute in the filter and its value.
var entraMatching = map[string]struct {
	attribute string
	value     func(profile) string
}{
	"userName":   {"userName", func(f profile) string { return f.userName }},
	"externalId": {"externalId", func(f profile) string { return f.externalID }},
	"email":      {`emails[type eq "work"].value`, func(f profile) string { return f.email }},
}

// entraTest asks for a user and a group that cannot exist; only 200 with an empty list will do.
func (p *IdP) entraTest(ctx context.Context) error {
	conn, err := p.settings()
	if err != nil {
		return err
	}
	guid := p.opts.GUID()
	for _, r := range []request{
		{step: entraTestUsers, method: http.MethodGet, path: "/Users", query: p.eqFilter(entraMatching[conn.Matching].attribute, guid)},
		{step: entraTestGroups, method: http.MethodGet, path: "/Groups", query: entraGroupProbed + p.eqFilter("displayName", guid)},
	} {
		got, err := p.send(ctx, r)
		if err != nil {
			return err
		}
		if got.body.get("totalResults") == nil || len(got.resources()) > 0 {
			return p.unusable(r, got, "a query for a random value must give an empty ListResponse")
		}
	}
	return nil
}

// entraSend brings one person to the state that the IdP has: it matches, creates, updates,
// disables, restores or deletes. verb says what was done.
func (p *IdP) entraSend(ctx context.Context, x Person, d dialect) (verb string, err error) {
	switch {
	case x.Deleted:
		return p.entraPurge(ctx, x)
	case x.App.RemoteID == "" && !x.Assigned:
		return "", nil
	case x.App.RemoteID == "":
		return p.entraMatchOrCreate(ctx, x, d)
	}
	return p.entraPatch(ctx, x, d)
}

// entraMatchOrCreate filters by the matching attribute: none is created, one is taken over and
// updated, two or more are an error for this person.
func (p *IdP) entraMatchOrCreate(ctx context.Context, x Person, d dialect) (string, error) {
	conn, err := p.settings()
	if err != nil {
		return "", err
	}
	f := p.profileOf(x)
	by := entraMatching[conn.Matching]
	r := request{step: entraMatch, method: http.MethodGet, path: "/Users", query: p.eqFilter(by.attribute, by.value(f))}
	got, err := p.send(ctx, r)
	if err != nil {
		return "", err
	}
	found := got.resources()
	switch len(found) {
	case 0:
		return "created", p.entraPost(ctx, conn, x, f)
	case 1:
		return p.entraTakeOver(ctx, x, found[0], d)
	}
	return "", p.unusable(r, got, fmt.Sprintf("%d people match %s %q", len(found), conn.Matching, by.value(f)))
}

func (p *IdP) entraTakeOver(ctx context.Context, x Person, found object, d dialect) (string, error) {
	before := readProfile(found)
	p.noteApp(x.ID, func(a *AppUser) { a.RemoteID, a.Active, a.sent = found.text("id"), before.active, &before })
	x, err := p.person(x.ID)
	if err != nil {
		return "", err
	}
	verb, err := p.entraPatch(ctx, x, d)
	if verb == "" && err == nil {
		verb = "linked"
	}
	return verb, err
}

func (p *IdP) entraPost(ctx context.Context, conn Connection, x Person, f profile) error {
	r := request{step: entraCreate, method: http.MethodPost, path: "/Users", body: entraDocument(conn, f)}
	got, err := p.send(ctx, r)
	if err != nil {
		return err
	}
	id := got.body.text("id")
	if id == "" {
		return p.unusable(r, got, "the created user has no id")
	}
	p.noteApp(x.ID, func(a *AppUser) { a.RemoteID, a.Active, a.sent = id, f.active, &f })
	return nil
}

// entraDocument is the body of a create. The custom extension's URN is not listed in schemas, and
// manager is a bare id: both are Entra's ways.
func entraDocument(conn Connection, f profile) object {
	o := object{{"schemas", []string{userSchema, enterpriseSchema}}, {"externalId", f.externalID},
		{"userName", f.userName}, {"active", f.active}}
	if f.postalCode != "" {
		o = append(o, field{"addresses", []object{{{"type", "work"}, {"postalCode", f.postalCode}}}})
	}
	o = append(o, texts("displayName", f.displayName)...)
	if f.email != "" {
		o = append(o, field{"emails", []object{{{"primary", true}, {"type", "work"}, {"value", f.email}}}})
	}
	o = append(o, field{"meta", object{{"resourceType", "User"}}})
	if name := texts("formatted", f.formatted(), "familyName", f.familyName, "givenName", f.givenName); name != nil {
		o = append(o, field{"name", name})
	}
	if f.phone != "" {
		o = append(o, field{"phoneNumbers", []object{{{"type", "mobile"}, {"value", f.phone}}}})
	}
	o = append(o, field{"roles", entraRoles(conn.RoleMapping, f.roles)})
	o = append(o, texts("title", f.title)...)
	if ext := enterprise(f, func(f profile) any { return f.manager }); ext != nil {
		o = append(o, field{enterpriseSchema, ext})
	}
	if conn.Extension != "" {
		o = withCustom(o, conn.Extension, f.custom)
	}
	return o
}

// entraPatch sends what differs from what the application acknowledged last.
func (p *IdP) entraPatch(ctx context.Context, x Person, d dialect) (string, error) {
	conn, err := p.settings()
	if err != nil {
		return "", err
	}
	before, want := profile{active: x.App.Active}, p.profileOf(x)
	if x.App.sent != nil {
		before = *x.App.sent
	}
	if !x.inScope() {
		// Somebody out of scope is only disabled; their attributes are no longer followed.
		want, want.active = before, false
	}
	changes := entraChanges(conn, before, want)
	if (x.App.reassertion && want.active || x.App.inDoubt) && want.active == before.active {
		after := "False"
		if want.active {
			after = "True"
		}
		changes = append([]change{{path: "active", after: after}}, changes...)
	}
	if len(changes) == 0 {
		return "", nil
	}
	what, verb := entraUpdate, "updated"
	switch {
	case before.active && !want.active:
		what, verb = entraDisable, "disabled"
	case !before.active && want.active:
		what, verb = entraRestore, "restored"
	}
	_, err = p.send(ctx, request{step: what, method: http.MethodPatch, path: "/Users/" + x.App.RemoteID, body: patch(d.operations(changes)...)})
	if statusOf(err) == http.StatusNotFound {
		// The person is gone in the application: the next cycle matches and creates again.
		p.noteApp(x.ID, func(a *AppUser) { a.RemoteID, a.Active, a.sent = "", false, nil })
	}
	if inDoubt(err) {
		p.noteApp(x.ID, func(a *AppUser) { a.inDoubt = true })
	}
	if err != nil {
		return "", err
	}
	p.noteApp(x.ID, func(a *AppUser) { a.Active, a.sent, a.reassertion, a.inDoubt = want.active, &want, false, false })
	return verb, nil
}

// entraPurge sends the DELETE of a purged person, unless they were unassigned before: then none
// ever comes.
func (p *IdP) entraPurge(ctx context.Context, x Person) (string, error) {
	verb := ""
	if x.Assigned && x.App.RemoteID != "" {
		_, err := p.send(ctx, request{step: entraHardDelete, method: http.MethodDelete, path: "/Users/" + x.App.RemoteID})
		if err != nil && statusOf(err) != http.StatusNotFound {
			return "", err
		}
		verb = "deleted"
	}
	p.forgetPerson(x.ID)
	return verb, nil
}

// entraChanges lists the differences in the order of the attribute mapping.
func entraChanges(conn Connection, before, want profile) []change {
	var out []change
	for _, a := range entraAttributes {
		if b, w := a.value(before), a.value(want); b != w {
			out = append(out, change{path: a.path, multi: a.multi, before: b, after: w})
		}
	}
	if conn.Extension != "" {
		for _, k := range slices.Sorted(maps.Keys(want.custom)) {
			if b, w := before.custom[k], want.custom[k]; b != w {
				out = append(out, change{path: conn.Extension + ":" + k, before: b, after: w})
			}
		}
	}
	return append(out, roleChanges(conn.RoleMapping, before.roles, want.roles)...)
}

// entraAttributes is the attribute mapping of a new Entra application, in its order. Multi-valued
// attributes are written by path in both dialects.
var entraAttributes = []struct {
	path  string
	multi bool
	value func(profile) string
}{
	{"userName", false, func(f profile) string { return f.userName }},
	{"active", false, func(f profile) string { return entraBool(f.active) }},
	{"displayName", false, func(f profile) string { return f.displayName }},
	{"title", false, func(f profile) string { return f.title }},
	{`emails[type eq "work"].value`, true, func(f profile) string { return f.email }},
	{`phoneNumbers[type eq "mobile"].value`, true, func(f profile) string { return f.phone }},
	{`addresses[type eq "work"].postalCode`, true, func(f profile) string { return f.postalCode }},
	{"name.givenName", false, func(f profile) string { return f.givenName }},
	{"name.familyName", false, func(f profile) string { return f.familyName }},
	{"name.formatted", false, profile.formatted},
	{"externalId", false, func(f profile) string { return f.externalID }},
	{enterpriseSchema + ":department", false, func(f profile) string { return f.department }},
	{enterpriseSchema + ":manager", false, func(f profile) string { return f.manager }},
}

// entraBool is how the default dialect writes a boolean: as a capitalised string.
func entraBool(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

// readProfile reads what the application holds, so that only differences are sent.
func readProfile(o object) profile {
	name, ext := o.child("name"), o.child(enterpriseSchema)
	manager := ext.text("manager")
	if manager == "" {
		manager = ext.child("manager").text("value")
	}
	return profile{externalID: o.text("externalId"), userName: o.text("userName"), active: truthy(o.get("active")),
		givenName: name.text("givenName"), familyName: name.text("familyName"), displayName: o.text("displayName"),
		title: o.text("title"), department: ext.text("department"), manager: manager,
		email: typed(o, "emails", "work", "value"), phone: typed(o, "phoneNumbers", "mobile", "value"),
		postalCode: typed(o, "addresses", "work", "postalCode")}
}

// typed returns the sub-attribute of the element with that type.
func typed(o object, attribute, kind, sub string) string {
	list, _ := o.get(attribute).([]any)
	for _, v := range list {
		if e, ok := v.(object); ok && e.text("type") == kind {
			return e.text(sub)
		}
	}
	return ""
}
