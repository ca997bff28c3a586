package acceptance

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// idpOrigin is where the simulated IdPs say that they are. Nothing listens there: a story answers
// in their place.
const idpOrigin = "https://idp.test"

// company is a workspace whose people sign in through a simulated IdP, and whose product is behind
// Gatehouse.
type company struct {
	w    *world
	slug string
	idp  *idpsim.IdP
	connection, entityID,
	metadataURL, acs string
	file    func(status, connection, more string) string
	product *product
	token   string // of the directory
}

// form is how a company differs from the usual: the preset default, an active connection.
type form struct {
	preset, policy string
	// connection are further keys of the connection, such as "idp_initiated: yes".
	connection string
	// more is the rest of the file: role_mappings, domains, owners.
	more string
	// provider is the connection's, where the kind of the IdP does not say it.
	provider string
	// alone leaves out the directory beside the connection.
	alone bool
	// draft leaves the connection as it is before anybody gave the IdP's metadata.
	draft bool
	// idp is one that exists already.
	idp *idpsim.IdP
}

// seededRoles maps groups of the simulated company, as its directory has them, to the roles of omniflow.
const seededRoles = `role_mappings:
  - {directory: idp, group: Omniflow-Admins, role: Admin}
  - {directory: idp, group: Omniflow-Supervisors, role: Supervisor}
  - {directory: idp, group: Omniflow-Agents, role: Agent}
  - {directory: idp, group: Omniflow-Trainees, role: Trainee}
`

// company makes one: its file is applied, and its IdP has read Gatehouse's metadata.
func (w *world) company(slug string, kind idpsim.Kind, f form) *company {
	w.t.Helper()
	c := &company{w: w, slug: slug, idp: f.idp}
	if c.idp == nil {
		sim := idpsim.New(idpsim.Options{BaseURL: idpOrigin})
		w.t.Cleanup(sim.Close)
		c.idp = sim.IdP(kind)
	}
	c.product = w.newProduct(slug)
	metadata, err := c.idp.SAMLMetadata()
	w.must(err)
	provider := cmp.Or(f.provider, "okta")
	if kind.IsEntra() {
		provider = "entra"
	}
	beside := "directories:\n  - {name: idp, connection: idp}\n"
	if f.alone {
		beside = ""
	}
	c.file = func(status, connection, more string) string {
		text := fmt.Sprintf("workspace: %[1]s\nname: %[1]s Inc\npreset: %[2]s\npolicy: {%[3]s}\nconnections:\n  - name: idp\n    provider: %[4]s\n    protocol: saml\n    status: %[5]s\n",
			slug, cmp.Or(f.preset, "default"), f.policy, provider, status)
		if status != "draft" {
			text += "    metadata: |\n" + indented(string(metadata), "      ")
		}
		return text + indented(connection, "    ") + beside + c.product.file() + more
	}
	status := "active"
	if f.draft {
		status = "draft"
	}
	got := w.mustApply(c.file(status, f.connection, f.more))
	at := got.Connections[0]
	c.connection, c.entityID, c.metadataURL, c.acs = at.ID, at.EntityID, at.MetadataURL, at.ACSURL
	c.product.registered(got)
	w.must(c.idp.ImportSAML(w.ctx(), c.metadataURL))
	return c
}

func indented(text, by string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) != "" {
			b.WriteString(by + strings.TrimSuffix(line, "\n") + "\n")
		}
	}
	return b.String()
}

// connect lets the IdP provision.
func (c *company) connect() {
	c.w.t.Helper()
	var base string
	base, c.token = c.w.token(c.slug)
	c.w.must(c.idp.Connect(c.w.ctx(), idpsim.Connection{BaseURL: base, Token: c.token, Attempts: 1}))
}

// seed gives the IdP its first eight people, from the chief executive to agents, and six groups, all
// assigned and, once connected, sent.
func (c *company) seed() {
	c.w.t.Helper()
	c.w.must(c.idp.Seed(c.w.ctx(), idpsim.Company{Domain: c.slug + ".test", People: 8}))
	for _, x := range c.idp.State().People {
		if c.token == "" {
			c.w.must(c.idp.Assign(c.w.ctx(), x.UserName))
		}
	}
	if c.token != "" {
		report, err := c.idp.AssignEverybody(c.w.ctx())
		c.w.must(err)
		if len(report.Failed) > 0 {
			c.w.t.Fatalf("first sync: %s", report)
		}
	}
}

// cycle sends what an Entra noted; an Okta sent it at once.
func (c *company) cycle() { c.w.t.Helper(); c.w.cycle(c.idp) }

// who is the address of somebody of the roster.
func (c *company) who(name string) string { return name + "@" + c.slug + ".test" }

// hire adds somebody to the IdP and assigns them, in groups.
func (c *company) hire(name string, groups ...string) string {
	c.w.t.Helper()
	_, err := c.idp.AddPerson(c.w.ctx(), idpsim.Person{UserName: c.who(name), GivenName: strings.ToUpper(name[:1]) + name[1:], FamilyName: "Novák"})
	c.w.must(err)
	for _, g := range groups {
		c.w.must(c.idp.AddMembers(c.w.ctx(), g, c.who(name)))
	}
	c.w.must(c.idp.Assign(c.w.ctx(), c.who(name)))
	return c.who(name)
}

// person is somebody as the IdP knows them.
func (c *company) person(who string) idpsim.Person {
	c.w.t.Helper()
	for _, x := range c.idp.State().People {
		if x.UserName == who {
			return x
		}
	}
	c.w.t.Fatalf("the IdP does not know %s", who)
	return idpsim.Person{}
}

func (c *company) member(who string) member { c.w.t.Helper(); return c.w.member(c.slug, who) }

// tile is what the IdP posts when somebody presses the tile.
func (c *company) tile(who string) idpsim.Posting {
	c.w.t.Helper()
	p, err := c.idp.Tile(who)
	c.w.must(err)
	return p
}

// login is where a sign-in through the connection begins.
func (c *company) login() string { return "/auth/saml/" + c.connection + "/login" }

// begins goes from a path of Gatehouse, by the button of the connection where there is a page first, to the IdP, and
// returns the address there that carries the request.
func (c *company) begins(b *browser, path string) string {
	b.w.t.Helper()
	p := b.open(path)
	if p.to == nil && p.way() != "" {
		p = b.fetch(http.MethodGet, p.way())
	}
	if p.to == nil || !strings.HasPrefix(p.to.String(), idpOrigin) {
		b.w.t.Fatalf("%s leads to %s with %d, want the IdP:\n%.2000s", path, p.url, p.status, p.text)
	}
	return p.to.String()
}

// answer is the IdP's answer to a request, for somebody who has signed in there.
func (c *company) answer(request, who string) idpsim.Posting {
	c.w.t.Helper()
	p, err := c.idp.SignInAs(request, who)
	c.w.must(err)
	return p
}

// signsIn signs somebody in from a path of Gatehouse, in a browser, and returns where they land.
func (c *company) signsIn(b *browser, path, who string) page {
	b.w.t.Helper()
	return b.deliver(c.answer(c.begins(b, path), who))
}

// enter signs somebody in, who must land on the workspace's page, and returns the browser.
func (c *company) enter(who string) *browser {
	c.w.t.Helper()
	b := c.w.newBrowser()
	c.landed(b, c.signsIn(b, c.login(), who), who)
	return b
}

// landed sees that somebody is on the workspace's page with a session by SAML.
func (c *company) landed(b *browser, p page, who string) session {
	c.w.t.Helper()
	s := b.session()
	if p.status != http.StatusOK || p.url.Path != "/w/"+c.slug || s.status != http.StatusOK || s.Workspace != c.slug || s.Method != "saml" || s.Member.Email != who {
		c.w.t.Fatalf("%s landed at %s with %d and the session %+v:\n%.2000s", who, p.url, p.status, s, p.text)
	}
	return s
}

// refused sees that a sign-in ended on a page of refusal with that code, that the event which the
// page names has the reason, and that the browser is nobody's.
func (c *company) refused(b *browser, p page, code, reason string) event {
	c.w.t.Helper()
	e := c.turnedAway(p, code, reason)
	if s := b.session(); s.status != http.StatusUnauthorized {
		c.w.t.Errorf("after the refusal %s somebody is signed in: %+v", reason, s)
	}
	return e
}

func (c *company) turnedAway(p page, code, reason string) event {
	c.w.t.Helper()
	if !p.failed() || p.fact("Code") != code {
		c.w.t.Fatalf("the answer is %d at %s with the code %q, want a refusal with %s:\n%.3000s", p.status, p.url, p.fact("Code"), code, p.text)
	}
	// Nothing on the page begins again by itself.
	if strings.Contains(p.text, "http-equiv") || strings.Contains(p.text, "<script") || p.header.Get("Refresh") != "" {
		c.w.t.Errorf("the page of the refusal may begin again by itself:\n%s", p.text)
	}
	id := p.fact("Event")
	for _, e := range c.w.events(c.slug) {
		if e.ID != id {
			continue
		}
		if e.Type != "signin.refused" || e.Outcome != "refused" || e.Reason != reason || e.Connection != c.connection || len(e.Payload) == 0 {
			c.w.t.Errorf("the refusal's event is %s %s %q of %s with %d bytes of payload, want signin.refused by %s", e.Type, e.Outcome, e.Reason, e.Connection, len(e.Payload), reason)
		}
		return e
	}
	c.w.t.Fatalf("the page of the refusal names the event %q, which is not in the log", id)
	return event{}
}

// signinPage is the address of the sign-in page for somebody who says who they are.
func signinPage(identifier string) string {
	return "/signin?" + url.Values{"identifier": {identifier}}.Encode()
}
