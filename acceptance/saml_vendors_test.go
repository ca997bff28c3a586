package acceptance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// samlVendor is a yes-cell of the table of IdPs, and what that vendor's manner comes to.
type samlVendor struct {
	provider string
	kind     idpsim.Kind
	more     string // keys of the connection
	sign     string // what it signs
	nameID   string // format
	scim     bool
	tile     bool // on from the beginning
	// attributes are what its administrator was told to send, where it is not what the simulated IdP begins with.
	attributes []idpsim.AttributeStatement
}

var samlVendors = map[string]samlVendor{
	"okta":      {provider: "okta", kind: idpsim.Okta, sign: "both", nameID: "emailAddress", scim: true, tile: true},
	"entra":     {provider: "entra", kind: idpsim.Entra, sign: "assertion", nameID: "emailAddress", scim: true},
	"google":    {provider: "google", kind: idpsim.Google, sign: "response", nameID: "emailAddress", scim: true},
	"onelogin":  {provider: "onelogin", kind: idpsim.OneLogin, sign: "assertion", nameID: "emailAddress", scim: true},
	"jumpcloud": {provider: "jumpcloud", kind: idpsim.JumpCloud, sign: "assertion", nameID: "unspecified", scim: true},
	// Another one, with names of its own: a persistent NameID that says nothing and attributes by OID.
	"generic": {provider: "generic", kind: idpsim.PingOne, sign: "response", nameID: "persistent",
		more: "attributes: {email: 'urn:oid:0.9.2342.19200300.100.1.3', firstName: 'urn:oid:2.5.4.42', lastName: 'urn:oid:2.5.4.4', groups: 'urn:oid:1.3.6.1.4.1.5923.1.5.1.1'}\n",
		attributes: []idpsim.AttributeStatement{{Name: "urn:oid:0.9.2342.19200300.100.1.3", Value: "user.email"}, {Name: "urn:oid:2.5.4.42", Value: "user.firstName"},
			{Name: "urn:oid:2.5.4.4", Value: "user.lastName"}, {Name: "urn:oid:1.3.6.1.4.1.5923.1.5.1.1", Value: "user.groups"}}},
}

// guided is a guide as the command line prints it for programs.
type guided struct {
	IdP      string `json:"idp"`
	Protocol string `json:"protocol"`
	Steps    []struct {
		Fields []struct{ Name, Value, Place string }
	}
}

func (g guided) at(place string) string {
	for _, s := range g.Steps {
		for _, f := range s.Fields {
			if f.Place == place {
				return f.Value
			}
		}
	}
	return ""
}

// samlCompany makes one whose IdP is set up with nothing but what the guide of its connection says.
func (w *world) samlCompany(slug string, v samlVendor) *company {
	w.t.Helper()
	roles := "domains: [" + slug + ".test]\n"
	c := w.company(slug, v.kind, form{preset: "omniflow", provider: v.provider, alone: !v.scim, connection: v.more + "domains: [" + slug + ".test]\n", more: roles})
	var g guided
	w.gatehouse(&g, "guide", "--workspace", slug, "--connection", "idp")
	s := c.idp.SAMLSettings()
	s.ACSURL, s.Audience = g.at("acs_url"), g.at("entity_id")
	s.Sign, s.NameIDFormat = v.sign, v.nameID
	if v.attributes != nil {
		s.Attributes = v.attributes
	}
	w.must(c.idp.ConfigureSAML(s))
	if s.ACSURL != c.acs || s.Audience != c.entityID || !strings.HasPrefix(g.IdP, v.provider) || g.Protocol != "saml" {
		w.t.Fatalf("the guide %s %s says %q and %q, the connection has %q and %q", g.IdP, g.Protocol, s.ACSURL, s.Audience, c.acs, c.entityID)
	}
	if v.scim {
		c.connect()
	}
	c.seed()
	mappings := "workspace: " + slug + "\nrole_mappings:\n"
	for _, g := range c.idp.State().Groups {
		name := g.Name
		if v.kind.IsEntra() {
			name = g.ID // object ids
		}
		if role, ours := map[string]string{"Omniflow-Admins": "Admin", "Omniflow-Supervisors": "Supervisor", "Omniflow-Agents": "Agent"}[g.Name]; ours {
			mappings += fmt.Sprintf("  - {connection: idp, group: '%s', role: %s}\n", name, role)
		}
	}
	w.mustApply(mappings)
	return c
}

// inGroup is somebody in a group there.
func (c *company) inGroup(name string) string {
	c.w.t.Helper()
	for _, g := range c.idp.State().Groups {
		if g.Name != name {
			continue
		}
		for _, x := range c.idp.State().People {
			if len(g.Members) > 0 && x.ID == g.Members[0] {
				return x.UserName
			}
		}
	}
	c.w.t.Fatalf("nobody is in %s", name)
	return ""
}

// TestStory_signing_in_by_saml_at has one story for each IdP of the table (F3 to F8).
func TestStory_signing_in_by_saml_at(t *testing.T) {
	for name, v := range samlVendors {
		t.Run(name, func(t *testing.T) {
			story(t, func(t *testing.T, w *world) {
				shows(t, map[string]string{"okta": "F3", "entra": "F4", "google": "F5", "onelogin": "F6", "jumpcloud": "F7", "generic": "F8"}[name], "F10")
				v.signsIn(w.samlCompany("acme", v))
			})
		})
	}
}

func (v samlVendor) signsIn(c *company) {
	t, w := c.w.t, c.w
	t.Helper()
	admin, agent := c.inGroup("Omniflow-Admins"), c.inGroup("Omniflow-Agents")
	var before member
	if v.scim {
		before = c.member(admin)
	}
	// By the address on the first page: the domain leads to the connection.
	b := w.newBrowser()
	s := c.landed(b, c.signsIn(b, signinPage(admin), admin), admin)
	m := w.wantMember(c.slug, admin, "active", "Admin")
	if v.scim && m.ID != before.ID || s.Member.ID != m.ID || s.Connection != c.connection {
		t.Errorf("the sign-in made %s by %s, want the provisioned %s", s.Member.ID, s.Connection, before.ID)
	}
	x := c.person(admin)
	if m.Name != x.DisplayName && m.Name != x.GivenName+" "+x.FamilyName {
		t.Errorf("the name is %q, the IdP has %+v", m.Name, x)
	}
	life := 7 * 24 * time.Hour
	if !v.scim {
		life = 12 * time.Hour // nobody would notice
	}
	if got := s.Expires.Sub(s.Created); got != life {
		t.Errorf("the session lives %v, want %v", got, life)
	}
	v.warns(c)
	// By a link that names the connection, and the way back.
	linked := w.newBrowser()
	c.landed(linked, c.signsIn(linked, "/signin?"+url.Values{"workspace": {c.slug}, "connection": {c.connection}}.Encode(), agent), agent)
	if got := c.member(agent).Role; got == "Admin" {
		t.Errorf("an agent is %s", got)
	}
	// By the tile where it is on.
	tiled := w.newBrowser()
	if p := tiled.deliver(c.tile(agent)); v.tile {
		c.landed(tiled, p, agent)
	} else {
		c.refused(tiled, p, "unsolicited", "unsolicited")
		w.mustApply("workspace: " + c.slug + "\nconnections:\n  - {name: idp, idp_initiated: yes}\n")
		c.landed(tiled, tiled.deliver(c.tile(agent)), agent)
	}
	// Another key is nobody's, whatever name it gives itself.
	w.must(c.idp.SetSAMLFault(idpsim.FaultWrongKey))
	wrong := w.newBrowser()
	c.refused(wrong, c.signsIn(wrong, c.login(), agent), "saml_refused", "unknown_key")
	v.leaves(c, agent, tiled)
}

// warns sees that a connection where nobody notices who leaves says so.
func (v samlVendor) warns(c *company) {
	w := c.w
	w.t.Helper()
	said, _, code := w.run(nil, "connection", "show", c.slug, "idp")
	if warned := strings.Contains(said, "Leavers are not noticed"); code != 0 || warned == v.scim {
		w.t.Errorf("connection show warns: %v\n%s", warned, said)
	}
	var list []struct {
		LeaversNoticed bool `json:"leavers_noticed"`
	}
	w.gatehouse(&list, "connection", "list", c.slug)
	if len(list) != 1 || list[0].LeaversNoticed != v.scim {
		w.t.Errorf("connection list says %+v", list)
	}
}

// leaves: whoever the IdP's provisioning puts out is out at once; where there is none they may stay until the session ends.
func (v samlVendor) leaves(c *company, who string, b *browser) {
	w := c.w
	w.t.Helper()
	if !v.scim {
		w.must(c.idp.Unassign(w.ctx(), who))
		if s := b.session(); s.status != http.StatusOK {
			w.t.Errorf("nobody has said that they left, and the session answers %d", s.status)
		}
		return
	}
	told := b.events()
	w.must(c.idp.Deactivate(w.ctx(), who))
	c.cycle()
	w.wantEnded(b, told)
	w.wantMember(c.slug, who, "deactivated", c.member(who).Role)
	w.must(c.idp.Reactivate(w.ctx(), who))
	c.cycle()
	c.enter(who)
}

// TestStory_entra_links_to_too_many_groups: of more than 150 groups Entra's assertion has a link in their place. Nobody
// follows it, and nobody's role changes.
func TestStory_entra_links_to_too_many_groups(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		c := w.samlCompany("acme", samlVendors["entra"])
		admin := c.inGroup("Omniflow-Admins")
		c.enter(admin)
		w.wantMember(c.slug, admin, "active", "Admin")
		for i := range 151 {
			_, err := c.idp.AddGroup(w.ctx(), "", fmt.Sprintf("Team %d", i), admin)
			w.must(err)
		}
		c.enter(admin)
		w.wantMember(c.slug, admin, "active", "Admin")
	})
}

// The table of IdPs, F3 to F9 of the seeds: every yes-cell has a story, every no-cell is refused.
func TestStory_each_yes_cell_has_a_story_and_each_no_cell_is_refused(t *testing.T) {
	story(t, tableOfIdPs)
}

func tableOfIdPs(t *testing.T, w *world) {
	shows(t, "F8", "F9", "F10", "K15", "K25", "K29", "E9")
	// The stories of provisioning, by the client that they tell of.
	provisioning := map[string]func(*testing.T){"okta": TestStory_okta_provisions, "entra": TestStory_entra_deactivates, "google": TestStory_google_suspends_and_deletes_independently,
		"onelogin": TestStory_clients_that_write_complete_documents_provision, "jumpcloud": TestStory_jumpcloud_activates_again_and_again}
	told := map[string]func(provider string) bool{
		"saml": func(p string) bool { _, ok := samlVendors[p]; return ok && samlVendors[p].provider == p },
		"oidc": func(p string) bool { _, ok := oidcVendors[p]; return ok && oidcVendors[p].provider == p },
		"scim": func(p string) bool { return provisioning[p] != nil },
	}
	w.mustApply("workspace: acme\n")
	table := []struct {
		row, provider string
		yes           []string
	}{
		{"Okta", "okta", []string{"saml", "oidc", "scim"}}, {"Azure AD / Entra ID", "entra", []string{"saml", "oidc", "scim"}},
		{"Google Workspace", "google", []string{"saml", "oidc", "scim"}}, {"OneLogin", "onelogin", []string{"saml", "oidc", "scim"}},
		{"JumpCloud", "jumpcloud", []string{"saml", "oidc", "scim"}}, {"Generic SAML 2.0", "generic-saml", []string{"saml"}}, {"Generic OIDC", "generic-oidc", []string{"oidc"}},
	}
	yes, no := 0, 0
	for _, row := range table {
		provider, _, _ := strings.Cut(row.provider, "-")
		for _, protocol := range []string{"saml", "oidc", "scim"} {
			_, said, code := w.run(nil, "guide", row.provider, protocol)
			if slices.Contains(row.yes, protocol) {
				yes++
				if code != 0 || !told[protocol](provider) {
					t.Errorf("%s by %s: there is a story: %v; its guide exits %d: %s", row.row, protocol, told[protocol](provider), code, said)
				}
				continue
			}
			no++
			if code != 1 || !strings.Contains(said, "does not offer "+strings.ToUpper(protocol)) {
				t.Errorf("%s by %s: the guide exits %d: %s", row.row, protocol, code, said)
			}
			// And nothing that makes one does.
			file := "workspace: acme\nconnections: [{name: " + row.provider + ", provider: generic, protocol: " + row.yes[0] + "}]\n"
			w.mustApply(file)
			if protocol == "scim" {
				file += "directories: [{name: feed, connection: " + row.provider + "}]\n"
			} else {
				file = strings.Replace(file, "protocol: "+row.yes[0], "protocol: "+protocol, 1)
			}
			if _, said, code := w.apply(file); code != 1 || !strings.Contains(said, "generic ") || !strings.Contains(said, "offers") {
				t.Errorf("%s by %s: apply exits %d: %s", row.row, protocol, code, said)
			}
		}
	}
	if yes != 17 || no != 4 {
		t.Errorf("%d yes-cells and %d no-cells", yes, no)
	}
	// The texts for machines have the same table.
	b := w.newBrowser()
	index := b.open("/llms.txt")
	if index.status != http.StatusOK || strings.Count(index.text, "/llms/") != 17 || !strings.HasPrefix(index.header.Get("Content-Type"), "text/plain") {
		t.Errorf("%d %s\n%s", index.status, index.header.Get("Content-Type"), index.text)
	}
	for _, path := range []string{"/llms/generic-saml-scim.txt", "/llms/okta.txt", "/llms/../console", "/llms/%2e%2e"} {
		if p := b.open(path); p.status == http.StatusOK && strings.HasPrefix(p.header.Get("Content-Type"), "text/plain") {
			t.Errorf("%s is answered %d", path, p.status)
		}
	}
	for id, wants := range map[string][]string{
		"entra-scim": {"20 to 40 minutes", "Provision on demand", w.base + "/scim/v2", "Application Administrator"}, "entra-saml": {"Application Administrator", "test user"},
		"okta-saml": {"An Okta administrator", "test user", "takes no metadata URL"}, "okta-scim": {"An Okta administrator", "within minutes", "Pushing a group creates nobody"},
		"okta-oidc": {w.base + "/auth/oidc/callback"},
	} {
		for _, want := range wants {
			if p := b.open("/llms/" + id + ".txt"); p.status != http.StatusOK || !strings.Contains(p.text, want) {
				t.Errorf("%s does not say %q: %d\n%s", id, want, p.status, p.text)
			}
		}
	}
	var all []json.RawMessage
	w.gatehouse(&all, "guide")
	if len(all) != 7 {
		t.Errorf("%d rows", len(all))
	}
}
