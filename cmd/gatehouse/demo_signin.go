package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/hostapp"
	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// entrance is the story of signing in to one workspace, through its IdP's pages.
type entrance struct {
	*world
	t   *tenant
	one *browser // of the admin who is fired in the end
	was productView
}

// productView is what the product says of whoever is signed in.
type productView struct {
	Company string         `json:"company"`
	Session string         `json:"session"`
	Person  hostapp.Person `json:"person"`
}

// mailTime is how long a letter may take after the sync; it takes a second on a machine that is not busy.
const mailTime = 20 * time.Second

// newcomer is somebody whom the IdP lets in before it has sent them.
const newcomer = "ana.novak"

// signInSteps is the chapter of one workspace that signs in.
func (w *world) signInSteps(t *tenant) []step {
	e, name := &entrance{world: w, t: t}, string(t.kind)+" sign-in"
	all := []step{
		{chapter: name, name: "from the product through the IdP's page", play: e.fromProduct},
		{chapter: name, name: "Gatehouse's own page says role and why", play: e.ownPage},
		{chapter: name, name: "a second sign-in asks nobody", play: e.again},
	}
	if t.kind.IsEntra() { // its preset has no tile, and its cycles leave time for somebody to come first
		all = append(all,
			step{chapter: name, name: "tile, which is switched off", play: e.tileIsOff},
			step{chapter: name, name: "somebody whom provisioning has not sent yet", play: e.justInTime})
	} else {
		all = append(all, step{chapter: name, name: "tile", play: e.tile})
	}
	if t.invites {
		all = append(all, step{chapter: name, name: "invitation by mail", play: e.invitation})
	}
	for _, f := range demonstrated(t.kind) {
		all = append(all, step{chapter: name, name: "fault " + string(f), alone: true, play: func(ctx context.Context) (string, error) { return e.fault(ctx, f) }})
	}
	return append(all,
		step{chapter: name, name: "the same answer posted twice", alone: true, play: e.postedTwice},
		step{chapter: name, name: "fired in the IdP, out of the product", play: e.fired},
		step{chapter: name, name: "back in the IdP, in again as the same", play: e.back})
}

func (e *entrance) address(who string) string { return who + "@" + e.t.slug + ".test" }

// browser opens a fresh one.
func (e *entrance) browser() (*browser, error) {
	b, err := newBrowser(e.origin, e.transport)
	if err == nil {
		e.browsers = append(e.browsers, b)
	}
	return b, err
}

// productSignIn is where the product's sign-in begins.
func (e *entrance) productSignIn() string { return e.hostOrigin + "/signin/" + e.t.slug }

// toIdP goes from an address that needs a sign-in to the IdP's page, by the button of the connection.
func (e *entrance) toIdP(ctx context.Context, b *browser, address string) (*page, error) {
	p, err := b.open(ctx, address)
	if err != nil {
		return nil, err
	}
	if p.url.Path == "/signin" {
		way := p.find(func(n *node) bool { return n.Data == "a" && strings.HasPrefix(attr(n, "href"), "/auth/saml/") })
		if way == nil {
			return nil, differs("a button of the IdP on Gatehouse's sign-in page", p)
		}
		to, err := p.url.Parse(attr(way, "href"))
		if err != nil {
			return nil, fmt.Errorf("read button: %w", err)
		}
		if p, err = b.open(ctx, to.String()); err != nil {
			return nil, err
		}
	}
	if p.status != http.StatusOK || p.id("people") == nil {
		return nil, differs("the IdP's sign-in page", p)
	}
	return p, nil
}

// choose picks a person, and what is to go wrong, on the IdP's page, and returns the page that carries the answer.
func (e *entrance) choose(ctx context.Context, b *browser, p *page, who string, f idpsim.Fault) (*page, error) {
	button := p.find(func(n *node) bool { return n.Data == "button" && attr(n, "data-user") == e.address(who) })
	if button == nil {
		return nil, differs(e.address(who)+" on the IdP's page", "nobody of that name")
	}
	if has(button, "disabled") {
		return nil, differs("a button for "+e.address(who), "one that is switched off: "+textOf(button))
	}
	p, err := b.submit(ctx, p, p.id("people"), map[string][]string{"who": {attr(button, "value")}, "fault": {string(f)}})
	if err != nil {
		return nil, err
	}
	if p.id("saml-post") == nil {
		return nil, differs("the page that carries the IdP's answer", p)
	}
	return p, nil
}

// deliver takes the IdP's answer to Gatehouse, by way of the page that posts it once more from our own
// site where there is one.
func (e *entrance) deliver(ctx context.Context, b *browser, p *page) (*page, error) {
	p, err := b.submit(ctx, p, p.id("saml-post"), nil)
	if err != nil {
		return nil, err
	}
	if again := p.find(func(n *node) bool { return n.Data == "form" && has(n, "data-onward") }); again != nil {
		p, err = b.submit(ctx, p, again, nil)
	}
	if err == nil {
		for _, value := range b.cookies() {
			e.wire.secret(value)
		}
	}
	return p, err
}

// signIn is all of it, from an address that needs a sign-in.
func (e *entrance) signIn(ctx context.Context, b *browser, address, who string, f idpsim.Fault) (*page, error) {
	p, err := e.toIdP(ctx, b, address)
	if err != nil {
		return nil, err
	}
	if p, err = e.choose(ctx, b, p, who, f); err != nil {
		return nil, err
	}
	return e.deliver(ctx, b, p)
}

// product asks the product who is signed in; nobody has no session.
func (e *entrance) product(ctx context.Context, b *browser) (status int, v productView, err error) {
	res, err := b.get(ctx, e.hostOrigin, "/me")
	if err != nil {
		return 0, v, err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusOK {
		if err := json.NewDecoder(io.LimitReader(res.Body, maxPage)).Decode(&v); err != nil {
			return res.StatusCode, v, fmt.Errorf("read the product's answer: %w", err)
		}
	}
	return res.StatusCode, v, nil
}

// inProduct sees that the product's open page is shown, with what Gatehouse's own verbs say of the person.
func (e *entrance) inProduct(ctx context.Context, b *browser, p *page, who string) (productView, error) {
	if p.status != http.StatusOK || p.id("member") == nil {
		return productView{}, differs("the product's open page", p)
	}
	_, v, err := e.product(ctx, b)
	if err != nil {
		return v, err
	}
	m, err := call[memberView](ctx, e.operator, "member.show", memberArgs{e.t.slug, e.address(who)})
	if err != nil {
		return v, err
	}
	groups := slices.Sorted(slices.Values(v.Person.Groups))
	for _, c := range []struct{ what, want, got string }{
		{"the member", m.ID, v.Person.Subject}, {"the address", e.address(who), strings.ToLower(v.Person.Email)}, {"the workspace", e.t.slug, v.Person.Workspace},
		{"the role", m.Role, v.Person.Role}, {"the role on the page", m.Role, p.says("member-role")}, {"the name on the page", v.Person.Name, p.says("member-name")},
	} {
		if err := same(c.what, c.want, c.got); err != nil {
			return v, err
		}
	}
	if want := personOf(m).groups; len(want) > 0 && !slices.Equal(slices.Sorted(slices.Values(want)), groups) {
		return v, differs("the groups "+strings.Join(want, ", "), strings.Join(groups, ", "))
	}
	return v, nil
}

// fromProduct signs the admin in, from the product's button.
func (e *entrance) fromProduct(ctx context.Context) (detail string, err error) {
	if e.one, err = e.browser(); err != nil {
		return "", err
	}
	p, err := e.signIn(ctx, e.one, e.productSignIn(), fired, idpsim.FaultNone)
	if err != nil {
		return "", err
	}
	if e.was, err = e.inProduct(ctx, e.one, p, fired); err != nil {
		return "", err
	}
	if err := same("the role from the groups", "Admin", e.was.Person.Role); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s is %s in the product, by OpenID Connect, in %d groups", e.was.Person.Name, e.was.Person.Role, len(e.was.Person.Groups)), nil
}

// ownPage looks at Gatehouse's own page in the same browser.
func (e *entrance) ownPage(ctx context.Context) (string, error) {
	p, err := e.one.open(ctx, e.origin+"/w/"+e.t.slug)
	if err != nil {
		return "", err
	}
	return e.landed(p, "Admin", "Omniflow-Admins")
}

// landed sees that Gatehouse's own page shows a role and the group that gave it.
func (e *entrance) landed(p *page, role, group string) (string, error) {
	said := p.fact("Role")
	if p.status != http.StatusOK || p.url.Path != "/w/"+e.t.slug {
		return "", differs("the page /w/"+e.t.slug, p)
	}
	if !strings.HasPrefix(said, role) || !strings.Contains(said, group) {
		return "", differs(role+" by "+group, said)
	}
	return said, nil
}

// again leaves the product alone and comes back: Gatehouse knows the browser.
func (e *entrance) again(ctx context.Context) (string, error) {
	before := e.was.Session
	p, err := e.one.open(ctx, e.productSignIn())
	if err != nil {
		return "", err
	}
	v, err := e.inProduct(ctx, e.one, p, fired)
	if err != nil {
		return "", err
	}
	return "straight back into the product", same("the session", before, v.Session)
}

// fromTile presses the tile on the person's dashboard at the IdP.
func (e *entrance) fromTile(ctx context.Context, b *browser, who string, f idpsim.Fault) (*page, error) {
	p, err := b.open(ctx, e.idpOrigin+"/"+string(e.t.kind)+"/dashboard/"+e.address(who))
	if err != nil {
		return nil, err
	}
	tile := p.id("apps")
	if tile == nil {
		return nil, differs("a tile on the dashboard", p)
	}
	if p, err = b.submit(ctx, p, tile, map[string][]string{"fault": {string(f)}}); err != nil {
		return nil, err
	}
	return e.deliver(ctx, b, p)
}

func (e *entrance) tile(ctx context.Context) (string, error) {
	b, err := e.browser()
	if err != nil {
		return "", err
	}
	p, err := e.fromTile(ctx, b, "ann.lee", idpsim.FaultNone)
	if err != nil {
		return "", err
	}
	said, err := e.landed(p, "Admin", "Omniflow-Admins")
	return "ann.lee lands at " + p.url.Path + ": " + said, err
}

// tileIsOff: by its preset Entra's people begin at the product, and an answer that nobody asked for
// is refused with that reason.
func (e *entrance) tileIsOff(ctx context.Context) (string, error) {
	b, err := e.browser()
	if err != nil {
		return "", err
	}
	p, err := e.fromTile(ctx, b, "ann.lee", idpsim.FaultNone)
	if err != nil {
		return "", err
	}
	return e.refused(ctx, b, p, "unsolicited", "unsolicited")
}

// justInTime lets somebody sign in whom the IdP has, and has not sent yet, and then sends them.
func (e *entrance) justInTime(ctx context.Context) (string, error) {
	if _, err := e.t.idp.AddPerson(ctx, idpsim.Person{UserName: e.address(newcomer), GivenName: "Ana", FamilyName: "Novák"}); err != nil {
		return "", err
	}
	if err := e.t.idp.Assign(ctx, e.address(newcomer)); err != nil {
		return "", err
	}
	if err := e.t.idp.AddMembers(ctx, "Omniflow-Agents", e.address(newcomer)); err != nil {
		return "", err
	}
	b, err := e.browser()
	if err != nil {
		return "", err
	}
	p, err := e.signIn(ctx, b, e.productSignIn(), newcomer, idpsim.FaultNone)
	if err != nil {
		return "", err
	}
	first, err := e.inProduct(ctx, b, p, newcomer)
	if err != nil {
		return "", err
	}
	if _, err := e.t.idp.Sync(ctx); err != nil {
		return "", err
	}
	if _, err := e.agree(ctx, e.t); err != nil {
		return "", err
	}
	status, then, err := e.product(ctx, b)
	if err != nil {
		return "", err
	}
	if err := same("the product to be answered", http.StatusOK, status); err != nil {
		return "", err
	}
	if err := same("the member", first.Person.Subject, then.Person.Subject); err != nil {
		return "", err
	}
	if err := same("the role from the groups", "Agent", then.Person.Role); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s came as %s; the next cycle made the same member %s", first.Person.Name, first.Person.Role, then.Person.Role), nil
}

// invitation looks into the mail server for the letter to somebody whom the directory brought.
func (e *entrance) invitation(ctx context.Context) (string, error) {
	to := e.address("noa.levi")
	within, cancel := context.WithTimeout(ctx, mailTime)
	defer cancel()
	m, err := e.mail.Wait(within, mailTo(to))
	if err != nil {
		return "", differs("a letter to "+to, "none within "+mailTime.String())
	}
	if !strings.Contains(m.Text, e.origin+"/signin?workspace="+e.t.slug) {
		return "", differs("a link to sign in at "+e.t.slug, m.Text)
	}
	for _, m := range e.mail.Messages() {
		for _, to := range m.To {
			if t := e.tenant(strings.TrimSuffix(to[strings.LastIndex(to, "@")+1:], ".test")); t == nil || !t.invites {
				return "", differs("no mail where the policy wants none", "one to "+to)
			}
		}
	}
	return fmt.Sprintf("%q to %s", m.Subject, to), nil
}
