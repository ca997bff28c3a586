package acceptance

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// TestStory_signing_in tells the stories of signing in that leave the server alone, each in
// workspaces of its own, on one server per database.
func TestStory_signing_in(t *testing.T) {
	stories := map[string]func(t *testing.T, w *world){
		"tile_signs_in":                        tileSignsIn,
		"sp_initiated_signs_in":                spInitiatedSignsIn,
		"scim_first_then_saml":                 scimFirstThenSAML,
		"saml_first_then_scim":                 samlFirstThenSCIM,
		"nobody_known_is_told_so":              nobodyKnownIsToldSo,
		"deactivated_stays_out_of_everything":  deactivatedStaysOut,
		"open_tab_is_logged_out":               openTabIsLoggedOut,
		"attribute_and_role_mapping":           attributeAndRoleMapping,
		"skew_has_a_sentence_and_no_loop":      skewHasASentence,
		"draft_connection_shows_its_values":    draftShowsItsValues,
		"each_fault_is_refused_with_its_cause": eachFaultIsRefused,
		"neighbours_are_strangers":             neighboursAreStrangers,
		"switched_off_connection_ends_all":     switchedOffConnection,
		"switched_off_lets_sessions_run":       switchedOffLetsRun,
		"several_connections_in_one_workspace": severalConnections,
	}
	story(t, func(t *testing.T, w *world) {
		for name, tell := range stories {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				tell(t, w.within(t))
			})
		}
	}, "--allow-private-networks") // the product's address for logout tokens is on this machine
}

// tileSignsIn: from the IdP's dashboard into the workspace, already logged in and with the role of the
// groups (F14, F15, F27, K2). Where a preset has no tile, it is refused until it is switched on (E2).
func tileSignsIn(t *testing.T, w *world) {
	shows(t, "F14", "F15", "F27", "K2")
	c := w.company("tile-okta", idpsim.Okta, form{preset: "omniflow", more: seededRoles})
	c.connect()
	c.seed()
	ann := c.who("ann.lee")
	b := w.newBrowser()
	p := b.deliver(c.tile(ann))
	s := c.landed(b, p, ann)
	m := w.wantMember(c.slug, ann, "active", "Admin")
	if s.Member.ID != m.ID || s.Member.Role != "Admin" || !strings.Contains(p.fact("Role"), "Omniflow-Admins") {
		t.Errorf("the session says %+v and the page %q, want Admin by Omniflow-Admins", s.Member, p.fact("Role"))
	}
	if e := w.wantEvent(c.slug, "signin.succeeded", ""); e.Subject.ID != m.ID || e.Connection != c.connection || !strings.Contains(string(e.Payload), "Assertion") {
		t.Errorf("the sign-in's event: %+v", e)
	}

	// What the IdP sends along as relay state leads to a place of ours, or nowhere (A40).
	for relay, path := range map[string]string{"/w/" + c.slug: "/w/" + c.slug, "//evil.test/w/x": "/w/" + c.slug, "https://evil.test/": "/w/" + c.slug, "/\\evil.test": "/w/" + c.slug, "/signout": "/w/" + c.slug} {
		settings := c.idp.SAMLSettings()
		settings.RelayState = relay
		w.must(c.idp.ConfigureSAML(settings))
		if p := w.newBrowser().deliver(c.tile(ann)); p.status != http.StatusOK || p.url.Path != path || !strings.HasPrefix(p.url.String(), w.base) {
			t.Errorf("the relay state %q leads to %s with %d", relay, p.url, p.status)
		}
	}
	// Who is not assigned gets no answer from the IdP at all (F14).
	w.must(c.idp.Unassign(w.ctx(), c.who("zoe.mueller")))
	if _, err := c.idp.Tile(c.who("zoe.mueller")); err == nil {
		t.Error("the IdP answers for somebody who is not assigned")
	}

	e := w.company("tile-entra", idpsim.Entra, form{})
	e.connect()
	e.seed()
	who := e.who("ann.lee")
	b = w.newBrowser()
	e.refused(b, b.deliver(e.tile(who)), "unsolicited", "unsolicited")
	w.mustApply(e.file("active", "idp_initiated: yes\n", ""))
	e.landed(b, b.deliver(e.tile(who)), who)
}

// spInitiatedSignsIn: whoever says who they are is sent to their IdP and lands where they wanted to go, without a
// password of ours (F1, K2, E2); the product gets its answer by OpenID Connect.
func spInitiatedSignsIn(t *testing.T, w *world) {
	shows(t, "F1", "K2", "E2")
	for _, kind := range []idpsim.Kind{idpsim.Okta, idpsim.Entra} {
		slug := "sp-" + string(kind)
		c := w.company(slug, kind, form{preset: "omniflow", more: seededRoles + "domains: [" + slug + ".test]\n"})
		c.connect()
		c.seed()
		ann := c.who("ann.lee")

		// By workspace, by address, by a link to a page that needs a session, and from the product.
		for _, path := range []string{"/signin?workspace=" + slug, signinPage(slug), signinPage(ann), "/w/" + slug, c.login()} {
			b := w.newBrowser()
			c.landed(b, c.signsIn(b, path, ann), ann)
		}
		b := w.newBrowser()
		a := c.product.ask()
		q := c.product.back(a, c.signsIn(b, a.path, ann))
		m := w.wantMember(slug, ann, "active", "Admin")
		first := c.product.mustRedeem(a, q.Get("code"))
		c.product.says(first, m)
		if first.claims["workspace"] != slug || first.claims["email"] != ann || first.claims["email_verified"] != true || first.claims["auth_time"] == nil {
			t.Errorf("the ID token says %v", first.claims)
		}
		// The second time nobody is asked: neither the person nor the IdP.
		if second := c.product.signIn(b); second.sid != first.sid {
			t.Errorf("the second sign-in is of the session %s, the first of %s", second.sid, first.sid)
		}
		// The answer to a sign-in of one browser signs no other in: neither one that has begun nothing nor
		// one that has begun its own (A39).
		stranger, busy := w.newBrowser(), w.newBrowser()
		c.begins(busy, c.login())
		begun := w.newBrowser()
		answer := c.answer(c.begins(begun, c.login()), ann)
		c.refused(stranger, stranger.deliver(answer), "in_response_to", "in_response_to")
		c.refused(busy, busy.deliver(answer), "in_response_to", "in_response_to")
		c.landed(begun, begun.deliver(answer), ann)
		if p := stranger.open(signinPage("nobody-" + slug)); p.status != http.StatusOK || p.form("password") == nil || p.way() != "" {
			t.Errorf("an unknown workspace is answered %d:\n%.1000s", p.status, p.text)
		}
	}
}

// scimFirstThenSAML: who was provisioned signs in as the same member, whatever changes about them later (F19, F29,
// K10, V2, V4, law 6).
func scimFirstThenSAML(t *testing.T, w *world) {
	shows(t, "F19", "F29", "K10", "E5", "V2", "V4", "V18")
	for _, kind := range []idpsim.Kind{idpsim.Okta, idpsim.Entra} {
		c := w.company("scimfirst-"+string(kind), kind, form{preset: "omniflow", more: seededRoles})
		c.connect()
		c.seed()
		jose := c.who("jose.garcia")
		before := w.wantMember(c.slug, jose, "active", "Supervisor")
		people := len(w.people(c.slug))
		b := c.enter(jose)
		if s := b.session(); s.Member.ID != before.ID || s.Member.Role != "Supervisor" {
			t.Errorf("%s: signed in as %+v, was provisioned as %s", kind, s.Member, before.ID)
		}
		if n := len(w.people(c.slug)); n != people {
			t.Errorf("%s: %d people, %d before the sign-in", kind, n, people)
		}
		if e := w.wantEvent(c.slug, "identity.linked", "directory"); e.Subject.ID != before.ID {
			t.Errorf("%s: linked %+v", kind, e.Subject)
		}
		// Another address, and then another name at the IdP: the same member, by link and by directory.
		address, login := c.who("jose.marquez"), c.who("jmarquez")
		id := c.person(jose).ID
		for _, change := range []idpsim.Attributes{{Email: &address}, {UserName: &login}} {
			w.must(c.idp.Change(w.ctx(), id, change))
			c.cycle()
			in := w.newBrowser()
			p := c.signsIn(in, c.login(), id)
			if s := in.session(); p.status != http.StatusOK || s.Member.ID != before.ID || s.Member.Role != "Supervisor" {
				t.Errorf("%s: after %+v signed in as %+v at %s, was %s:\n%.1500s", kind, change, s.Member, p.url, before.ID, p.text)
			}
		}
		if n := len(w.people(c.slug)); n != people {
			t.Errorf("%s: %d people in the end, %d in the beginning", kind, n, people)
		}
	}
}

// samlFirstThenSCIM: who signed in before provisioning came is the same member afterwards, and gets
// the role of their groups then (F29, K11, E6, E7, row 7).
func samlFirstThenSCIM(t *testing.T, w *world) {
	shows(t, "F29", "K11", "E6", "E7")
	for _, kind := range []idpsim.Kind{idpsim.Okta, idpsim.Entra} {
		c := w.company("samlfirst-"+string(kind), kind, form{preset: "omniflow", more: seededRoles})
		c.seed() // and nothing is sent: there is no token yet
		hoa := c.who("hoa.nguyen")
		b := c.enter(hoa)
		first := w.wantMember(c.slug, hoa, "active", "Trainee") // the lowest, while no group is mapped for sign-ins
		if first.Directory != "" || first.Name != "Thị Hoa Nguyễn" {
			t.Errorf("%s: made as %+v", kind, first)
		}
		g := c.product.signIn(b)
		c.connect()
		report, err := c.idp.AssignEverybody(w.ctx())
		w.must(err)
		if len(report.Failed) > 0 {
			t.Fatalf("%s: first sync: %s", kind, report)
		}
		then := w.wantMember(c.slug, hoa, "active", "Agent")
		if then.ID != first.ID || then.Directory == "" {
			t.Errorf("%s: provisioned as %+v, signed in before as %s", kind, then, first.ID)
		}
		if n := len(w.people(c.slug)); n != 8 {
			t.Errorf("%s: %d people, the IdP has 8", kind, n)
		}
		// The open session goes on, with the role of now.
		if s := b.session(); s.Member.ID != first.ID || s.Member.Role != "Agent" {
			t.Errorf("%s: the session says %+v", kind, s.Member)
		}
		if status, claims := c.product.userinfo(g.Access); status != http.StatusOK || claims["sub"] != first.ID || claims["role"] != "Agent" {
			t.Errorf("%s: userinfo says %d %v", kind, status, claims)
		}
		again := c.enter(hoa)
		if s := again.session(); s.Member.ID != first.ID {
			t.Errorf("%s: signed in again as %+v", kind, s.Member)
		}
		// From now on the directory puts them out.
		events := again.events()
		w.must(c.idp.Deactivate(w.ctx(), hoa))
		c.cycle()
		w.wantEnded(again, events)
	}
}

// nobodyKnownIsToldSo: "We couldn't find your account", with the cause in the event (F34, F37).
func nobodyKnownIsToldSo(t *testing.T, w *world) {
	shows(t, "F34", "F37")
	c := w.company("unknown", idpsim.Entra, form{policy: "provision_on: scim, invite_on_create: no", more: ""})
	c.connect()
	c.seed()
	ivo := c.hire("ivo")
	b := w.newBrowser()
	p := c.signsIn(b, c.login(), ivo)
	if e := c.refused(b, p, "account_not_found", "not_provisioned"); e.Subject.Name != ivo {
		t.Errorf("the event is about %+v", e.Subject)
	}
	if !strings.Contains(p.alert(), "We couldn't find your account") {
		t.Errorf("the page says %q", p.alert())
	}
	c.cycle()
	c.landed(b, c.signsIn(b, c.login(), ivo), ivo)

	// Deleted by the directory, and still answered for by the IdP: the other cause.
	if status, got := w.scim(c.token, "DELETE", "/Users/"+c.person(c.who("zoe.mueller")).App.RemoteID, ""); status != http.StatusNoContent {
		t.Fatalf("delete: %d %v", status, got)
	}
	b = w.newBrowser()
	c.refused(b, c.signsIn(b, c.login(), c.who("zoe.mueller")), "account_not_found", "left_directory")
}

// attributeAndRoleMapping: names, address and groups of the assertion by the names that an administrator chose
// (F13, K1, K4); a role by SCIM groups before claims, the highest of several, owner never, and said
// why (F19, F27, F28, F36); the product reads it in the ID token.
func attributeAndRoleMapping(t *testing.T, w *world) {
	shows(t, "F13", "K1", "K4", "F19", "F27", "F28", "F36")
	claims := `role_mappings:
  - {directory: idp, group: Omniflow-Agents, role: Agent}
  - {connection: idp, group: Night Shift, role: Agent}
  - {connection: idp, group: Bosses, role: Admin}
  - {connection: idp, group: Leads, role: Supervisor}
`
	attributes := "attributes: {email: mail, firstName: vorname, lastName: nachname, groups: gruppen}\n"
	c := w.company("mapping", idpsim.Okta, form{preset: "omniflow", connection: attributes, more: claims})
	for _, g := range []string{"Night Shift", "Bosses", "Leads", "Owner"} {
		_, err := c.idp.AddGroup(w.ctx(), "", g)
		w.must(err)
	}
	settings := c.idp.SAMLSettings()
	settings.Attributes = []idpsim.AttributeStatement{{Name: "mail", Value: "user.email"}, {Name: "vorname", Value: "user.firstName"},
		{Name: "nachname", Value: "user.lastName"}, {Name: "gruppen", Value: "user.groups"}}
	w.must(c.idp.ConfigureSAML(settings))

	for _, x := range []struct {
		who    string
		groups []string
		role   string
		by     string
	}{
		{"one", []string{"Night Shift"}, "Agent", "Night Shift"},
		{"several", []string{"Night Shift", "Leads"}, "Supervisor", "Leads"},
		{"owner", []string{"Owner"}, "Trainee", ""}, // a group of that name is a group like any other
		{"none", nil, "Trainee", ""},
	} {
		who := c.hire(x.who, x.groups...)
		b := c.enter(who)
		m := w.wantMember(c.slug, who, "active", x.role)
		if m.RoleReason.Group != x.by || m.Name != strings.ToUpper(x.who[:1])+x.who[1:]+" Novák" {
			t.Errorf("%s is %+v, want the role by %q", who, m, x.by)
		}
		if !slices.Equal(slices.Sorted(slices.Values(m.Groups)), slices.Sorted(slices.Values(x.groups))) {
			t.Errorf("%s is shown in %v, want %v", who, m.Groups, x.groups)
		}
		c.product.says(c.product.signIn(b), m)
	}
	if _, said, code := w.apply(c.file("active", attributes, strings.Replace(claims, "role: Admin", "role: Owner", 1))); code != 1 || !strings.Contains(said, "Owner") {
		t.Errorf("mapping the owner role: exit %d\n%s", code, said)
	}

	// The next sign-in brings other groups; the IdP that says nothing of groups changes nothing.
	several := c.who("several")
	w.must(c.idp.RemoveMembers(w.ctx(), "Leads", several))
	c.enter(several)
	w.wantMember(c.slug, several, "active", "Agent")
	w.must(c.idp.AddMembers(w.ctx(), "Bosses", several))
	c.enter(several)
	if m := w.wantMember(c.slug, several, "active", "Admin"); !strings.Contains(m.RoleReason.Sentence, "Bosses") {
		t.Errorf("the reason is %+v", m.RoleReason)
	}
	settings.Attributes = settings.Attributes[:3]
	w.must(c.idp.ConfigureSAML(settings))
	c.enter(several)
	w.wantMember(c.slug, several, "active", "Admin")
	settings.Attributes = append(settings.Attributes, idpsim.AttributeStatement{Name: "gruppen", Value: "user.groups"})
	w.must(c.idp.ConfigureSAML(settings))

	// A group of the directory comes before every claim, also before a higher one.
	_, err := c.idp.AddGroup(w.ctx(), "", "Omniflow-Agents", several)
	w.must(err)
	c.connect()
	_, err = c.idp.AssignEverybody(w.ctx())
	w.must(err)
	b := c.enter(several)
	m := w.wantMember(c.slug, several, "active", "Agent")
	if m.RoleReason.Group != "Omniflow-Agents" {
		t.Errorf("the reason is %+v, want the directory's group", m.RoleReason)
	}
	c.product.says(c.product.signIn(b), m)
}

// draftShowsItsValues: an administrator has all that the IdP asks for before anything is known of the IdP (F11, F12, K14,
// K19), and a draft signs nobody in.
func draftShowsItsValues(t *testing.T, w *world) {
	shows(t, "F11", "F12", "K14", "K19", "E8")
	c := w.company("draft", idpsim.Okta, form{draft: true})
	if c.acs != w.base+"/auth/saml/"+c.connection+"/acs" || c.entityID != c.metadataURL || c.metadataURL != w.base+"/auth/saml/"+c.connection+"/metadata" {
		t.Errorf("apply prints %+v", c)
	}
	b := w.newBrowser()
	metadata := b.fetch(http.MethodGet, c.metadataURL)
	if metadata.status != http.StatusOK || metadata.header.Get("Content-Type") != "application/samlmetadata+xml" {
		t.Errorf("metadata: %d %s", metadata.status, metadata.header.Get("Content-Type"))
	}
	// The IdP has read it, with the values that apply printed.
	if s := c.idp.SAMLSettings(); s.ACSURL != c.acs || s.Audience != c.entityID {
		t.Errorf("the IdP read %q and %q", s.ACSURL, s.Audience)
	}
	var shown json.RawMessage
	w.gatehouse(&shown, "connection", "show", c.slug, "idp")
	for _, value := range []string{c.metadataURL, c.acs, `"draft"`, `"firstName"`} {
		if !strings.Contains(string(shown), value) {
			t.Errorf("connection show does not say %s: %s", value, shown)
		}
	}
	c.seed()
	ann := c.who("ann.lee")
	wantCode := func(p page, status int, code string) {
		t.Helper()
		if p.status != status || !strings.Contains(p.text, code) {
			t.Errorf("%s answers %d, want %d with %s:\n%.1500s", p.url, p.status, status, code, p.text)
		}
	}
	wantCode(b.open(c.login()), http.StatusForbidden, "connection_draft")
	if p := b.open("/signin?workspace=" + c.slug); p.way() != "" {
		t.Errorf("the sign-in page offers a draft: %s", p.way())
	}
	c.refused(b, b.deliver(c.tile(ann)), "saml_refused", "idp_unknown")
	// Also with the IdP's metadata a draft lets nobody in, and says so once the signature is verified.
	known := strings.Replace(c.file("active", "", ""), "status: active", "status: draft", 1)
	w.mustApply(known)
	c.refused(b, b.deliver(c.tile(ann)), "connection_draft", "connection_draft")
	w.mustApply(c.file("active", "", ""))
	c.landed(b, b.deliver(c.tile(ann)), ann)
	if again := b.fetch(http.MethodGet, c.metadataURL); again.text != metadata.text {
		t.Errorf("metadata has changed:\n%s\n%s", metadata.text, again.text)
	}
	wantCode(b.open("/auth/saml/con_00000000000000000000000000/metadata"), http.StatusNotFound, "")
}
