package idpsim

import (
	"context"
	"net/http"
	"strings"
)

// The numbered steps of Okta's client that concern people.
var (
	oktaTestUsers   = step{"test users", "Okta 1"}
	oktaTestGroups  = step{"test groups", "Okta 1"}
	oktaPreCheck    = step{"pre-check", "Okta 2"}
	oktaCreate      = step{"create user", "Okta 3"}
	oktaRead        = step{"read user", "Okta 4"}
	oktaUpdate      = step{"update profile", "Okta 4"}
	oktaDeactivate  = step{"deactivate user", "Okta 5"}
	oktaReactivate  = step{"reactivate user", "Okta 5"}
	oktaPassword    = step{"sync password", "Okta 6"}
	oktaImportUsers = step{"import users", "Okta 7"}
	oktaImportGroup = step{"import groups", "Okta 7"}
)

// oktaTest asks for two users and, with group push, for a page of groups.
func (p *IdP) oktaTest(ctx context.Context) error {
	conn, err := p.settings()
	if err != nil {
		return err
	}
	probes := []request{{step: oktaTestUsers, method: http.MethodGet, path: "/Users", query: "startIndex=1&count=2"}}
	if !conn.WithoutGroups {
		probes = append(probes, request{step: oktaTestGroups, method: http.MethodGet, path: "/Groups", query: "startIndex=1&count=100"})
	}
	for _, r := range probes {
		got, err := p.send(ctx, r)
		if err != nil {
			return err
		}
		if got.body.get("totalResults") == nil {
			return p.unusable(r, got, "the answer is not a ListResponse")
		}
	}
	return nil
}

// oktaProvision brings an assigned person into the application: pre-check, then create, or link
// to what was found and write the profile.
func (p *IdP) oktaProvision(ctx context.Context, x Person) error {
	conn, err := p.settings()
	if err != nil {
		return err
	}
	found, err := p.oktaFind(ctx, x)
	if err != nil {
		return err
	}
	if found == nil {
		return p.oktaPost(ctx, conn, x)
	}
	x.App.RemoteID = found.text("id")
	p.noteApp(x.ID, func(a *AppUser) { a.RemoteID = x.App.RemoteID })
	return p.oktaRestore(ctx, x, truthy(found.get("active")))
}

// oktaWithdraw puts somebody out whose create got no answer and who has left meanwhile.
func (p *IdP) oktaWithdraw(ctx context.Context, x Person) error {
	if !x.App.inDoubt {
		return nil
	}
	found, err := p.oktaFind(ctx, x)
	if err != nil || found == nil {
		return err
	}
	x.App.RemoteID = found.text("id")
	p.noteApp(x.ID, func(a *AppUser) { a.RemoteID = x.App.RemoteID })
	return p.oktaSetActive(ctx, x, false)
}

// oktaRestore makes a known person active and writes their profile. The read before the PUT is
// also how Okta sees that a PATCH took effect.
func (p *IdP) oktaRestore(ctx context.Context, x Person, active bool) error {
	if !p.kind.usesPut() && !active {
		if err := p.oktaPatchActive(ctx, x, true); err != nil {
			return err
		}
		// Whatever becomes of the profile: they are active there now.
		p.noteApp(x.ID, func(a *AppUser) { a.Active = true })
	}
	what := oktaUpdate
	if p.kind.usesPut() && !active {
		what = oktaReactivate
	}
	return p.oktaPut(ctx, x, what, func(read object) object {
		return p.oktaMerge(read, p.profileOf(x)).set("active", true)
	})
}

// oktaFind looks for the user name. 404 is taken for an empty list, as Okta does.
func (p *IdP) oktaFind(ctx context.Context, x Person) (object, error) {
	got, err := p.send(ctx, request{step: oktaPreCheck, method: http.MethodGet, path: "/Users",
		query: p.eqFilter("userName", x.UserName) + "&startIndex=1&count=100"})
	if statusOf(err) == http.StatusNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, o := range got.resources() {
		if o.text("id") != "" {
			return o, nil
		}
	}
	return nil, nil
}

func (p *IdP) oktaPost(ctx context.Context, conn Connection, x Person) error {
	r := request{step: oktaCreate, method: http.MethodPost, path: "/Users", body: p.oktaDocument(conn, p.profileOf(x))}
	got, err := p.send(ctx, r)
	if err != nil {
		return err
	}
	id := got.body.text("id")
	if id == "" {
		return p.unusable(r, got, "create new user returned empty user") // Okta's own words
	}
	p.noteApp(x.ID, func(a *AppUser) { a.RemoteID, a.Active = id, truthy(got.body.get("active")) })
	return nil
}

// oktaDocument is the body of a create. A random password is sent even when password sync is off.
func (p *IdP) oktaDocument(conn Connection, f profile) object {
	schemas := []string{userSchema}
	ext := enterprise(f, oktaManager)
	if ext != nil {
		schemas = append(schemas, enterpriseSchema)
	}
	if conn.Extension != "" && len(f.custom) > 0 {
		schemas = append(schemas, conn.Extension)
	}
	o := object{{"schemas", schemas}, {"userName", f.userName},
		{"name", texts("givenName", f.givenName, "familyName", f.familyName)},
		{"emails", []object{{{"primary", true}, {"value", f.email}, {"type", "work"}}}}}
	o = append(o, texts("displayName", f.displayName, "title", f.title)...)
	if f.phone != "" {
		o = append(o, field{"phoneNumbers", []object{{{"value", f.phone}, {"type", "mobile"}}}})
	}
	o = append(o, object{{"locale", "en-US"}, {"externalId", f.externalID}, {"groups", []any{}},
		{"password", p.opts.Password()}, {"active", true}}...)
	if ext != nil {
		o = append(o, field{enterpriseSchema, ext})
	}
	return withCustom(o, conn.Extension, f.custom)
}

// oktaManager writes the manager as an object with the name beside the id.
func oktaManager(f profile) any {
	return object{{"value", f.manager}, {"displayName", f.managerName}}
}

// enterprise is the enterprise extension of f, or nil when nothing is in it.
func enterprise(f profile, manager func(profile) any) object {
	ext := texts("department", f.department)
	if f.manager != "" {
		ext = append(ext, field{"manager", manager(f)})
	}
	return ext
}

// oktaPatchActive is the catalogue app's switch: no path, only active in the value.
func (p *IdP) oktaPatchActive(ctx context.Context, x Person, active bool) error {
	what := oktaDeactivate
	if active {
		what = oktaReactivate
	}
	_, err := p.send(ctx, request{step: what, method: http.MethodPatch, path: "/Users/" + x.App.RemoteID,
		body: patch(object{{"op", "replace"}, {"value", object{{"active", active}}}})})
	return err
}

// oktaPut reads the person, lets edit change the document and writes it back whole.
func (p *IdP) oktaPut(ctx context.Context, x Person, what step, edit func(object) object) error {
	path := "/Users/" + x.App.RemoteID
	read, err := p.send(ctx, request{step: oktaRead, method: http.MethodGet, path: path})
	if err != nil {
		return err
	}
	r := request{step: what, method: http.MethodPut, path: path, body: edit(read.body)}
	got, err := p.send(ctx, r)
	if err != nil {
		return err
	}
	want, told := truthy(r.body.get("active")), truthy(got.body.get("active"))
	if got.body != nil && want && !told {
		return p.unusable(r, got, "failed due to delay in reactivating remote user") // Okta's own words
	}
	p.noteApp(x.ID, func(a *AppUser) { a.Active = want })
	return nil
}

// oktaMerge writes f into the document that was read: keys keep their places, what Okta does not
// map is sent back as it came (id, meta and groups too).
func (p *IdP) oktaMerge(read object, f profile) object {
	conn, _ := p.settings()
	o := read.set("userName", f.userName)
	name := mergeText(o.child("name"), "givenName", f.givenName)
	o = o.set("name", mergeText(name, "familyName", f.familyName))
	o = o.set("emails", mergeEmail(o.get("emails"), f.email))
	if f.phone != "" || o.get("phoneNumbers") != nil {
		o = o.set("phoneNumbers", mergePhone(o.get("phoneNumbers"), f.phone))
	}
	o = mergeText(o, "displayName", f.displayName)
	o = mergeText(o, "title", f.title)
	if o.get("externalId") == nil {
		o = o.set("externalId", f.externalID)
	}
	ext := mergeText(o.child(enterpriseSchema), "department", f.department)
	switch {
	case f.manager != "":
		ext = ext.set("manager", oktaManager(f))
	case ext.get("manager") != nil:
		ext = ext.without("manager")
	}
	if len(ext) > 0 {
		o = withSchema(o, enterpriseSchema).set(enterpriseSchema, ext)
	}
	if conn.Extension != "" && len(f.custom) > 0 {
		o = withSchema(o, conn.Extension)
	}
	return withCustom(o, conn.Extension, f.custom)
}

// mergeText sets a text. Emptied ones become "" where the application has a value, and are not
// invented where it has none.
func mergeText(o object, key, value string) object {
	if value == "" && o.get(key) == nil {
		return o
	}
	return o.set(key, value)
}

// mergeEmail replaces the primary address, or the only one, and keeps the others.
func mergeEmail(v any, email string) any {
	list, _ := v.([]any)
	at := -1
	for i, e := range list {
		o, ok := e.(object)
		if ok && (truthy(o.get("primary")) || at < 0) {
			at = i
		}
	}
	if at < 0 {
		return []any{object{{"primary", true}, {"value", email}, {"type", "work"}}}
	}
	list[at] = list[at].(object).set("value", email) // at names an object, see above
	return list
}

// mergePhone replaces, adds or takes away the mobile number and keeps the others.
func mergePhone(v any, phone string) any {
	list, _ := v.([]any)
	out := []any{}
	for _, e := range list {
		if o, ok := e.(object); !ok || o.text("type") != "mobile" {
			out = append(out, e)
		}
	}
	if phone != "" {
		out = append(out, object{{"value", phone}, {"type", "mobile"}})
	}
	return out
}

func withSchema(o object, urn string) object {
	list, _ := o.get("schemas").([]any)
	for _, s := range list {
		if s, ok := s.(string); ok && strings.EqualFold(s, urn) {
			return o
		}
	}
	return o.set("schemas", append(list, urn))
}

// oktaSetActive deactivates or reactivates somebody whom the application knows.
func (p *IdP) oktaSetActive(ctx context.Context, x Person, active bool) error {
	if active {
		return p.oktaRestore(ctx, x, false)
	}
	if p.kind.usesPut() {
		return p.oktaPut(ctx, x, oktaDeactivate, func(read object) object { return read.set("active", false) })
	}
	if err := p.oktaPatchActive(ctx, x, false); err != nil {
		return err
	}
	p.noteApp(x.ID, func(a *AppUser) { a.Active = false })
	return nil
}

// oktaPage is the page size of Okta's import.
const oktaPage = "100"

// oktaImport pages through /Users and /Groups until totalResults are read.
func (p *IdP) oktaImport(ctx context.Context) (Report, error) {
	report := Report{IdP: p.kind}
	conn, err := p.settings()
	if err != nil {
		return report, err
	}
	users, err := p.readPages(ctx, oktaImportUsers, "/Users", conn.ImportPastEnd)
	if err != nil {
		return report, err
	}
	report.ImportedUsers = importedUsers(users)
	if conn.WithoutGroups {
		return report, nil
	}
	groups, err := p.readPages(ctx, oktaImportGroup, "/Groups", conn.ImportPastEnd)
	report.ImportedGroups = importedGroups(groups)
	return report, err
}

func importedUsers(list []object) (out []Imported) {
	for _, o := range list {
		out = append(out, Imported{o.text("id"), o.text("userName"), truthy(o.get("active"))})
	}
	return out
}

func importedGroups(list []object) (out []Imported) {
	for _, o := range list {
		out = append(out, Imported{o.text("id"), o.text("displayName"), true})
	}
	return out
}

// readPages pages through a list until totalResults are read.
func (p *IdP) readPages(ctx context.Context, what step, path string, pastEnd bool) ([]object, error) {
	var all []object
	for {
		start := len(all) + 1
		r := request{step: what, method: http.MethodGet, path: path, query: "startIndex=" + itoa(start) + "&count=" + oktaPage}
		got, err := p.send(ctx, r)
		if err != nil {
			return all, err
		}
		total, page := number(got.body.get("totalResults")), got.resources()
		all = append(all, page...)
		switch {
		case len(all) >= total && !pastEnd:
			return all, nil
		case len(all) >= total:
			return all, p.oktaPastEnd(ctx, what, path, start)
		case len(page) == 0:
			return all, p.unusable(r, got, "an empty page before totalResults was reached")
		}
	}
}

// oktaPastEnd asks for the page after the last one; the only right answer is an empty list.
func (p *IdP) oktaPastEnd(ctx context.Context, what step, path string, start int) error {
	r := request{step: what, method: http.MethodGet, path: path, query: "startIndex=" + itoa(start+100) + "&count=" + oktaPage}
	got, err := p.send(ctx, r)
	if err == nil && (len(got.resources()) > 0 || number(got.body.get("itemsPerPage")) != 0) {
		err = p.unusable(r, got, "a page beyond the end is not empty")
	}
	return err
}
