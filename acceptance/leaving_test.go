package acceptance

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/hostapp"
	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// deactivatedStaysOut: who was deactivated stays out of everything that let them in before, whoever
// did it, and coming back revives nothing of it (V1, V3, V19, V20, K7, A42).
func deactivatedStaysOut(t *testing.T, w *world) {
	shows(t, "V1", "V3", "V19", "V20", "K7")
	t.Run("by the IdP", func(t *testing.T) {
		t.Parallel()
		w := w.within(t)
		for _, kind := range []idpsim.Kind{idpsim.Okta, idpsim.Entra} {
			c := w.company("out-"+string(kind), kind, form{preset: "omniflow", connection: "idp_initiated: yes\n", more: seededRoles})
			c.connect()
			c.seed()
			out := c.everywhere(c.who("hoa.nguyen"))
			w.must(c.idp.Deactivate(w.ctx(), out.who))
			c.cycle()
			out.isOut("idp")
			w.must(c.idp.Reactivate(w.ctx(), out.who))
			c.cycle()
			out.isBack()
		}
	})
	t.Run("by an owner", func(t *testing.T) {
		t.Parallel()
		w := w.within(t)
		c := w.company("out-owner", idpsim.Okta, form{more: `domains: [out-owner.test]
owners:
  - {email: root@out-owner.test, password_env: ROOT_PASSWORD, break_glass: true}
  - {email: second@out-owner.test, password_env: ROOT_PASSWORD}
`})
		c.hire("second")
		out := c.everywhere(c.who("second"))
		password := func() page {
			return w.newBrowser().post(w.base+"/signin", url.Values{"workspace": {c.slug}, "email": {out.who}, "password": {ownerPassword}}, w.base)
		}
		if p := password(); p.status != http.StatusOK || p.url.Path != "/w/"+c.slug {
			t.Fatalf("by password: %d at %s", p.status, p.url)
		}
		w.gatehouse(nil, "member", "deactivate", out.who, "--workspace", c.slug)
		if p := password(); p.status != http.StatusForbidden || !strings.Contains(p.text, "account_deactivated") {
			t.Errorf("by password: %d\n%.1500s", p.status, p.text)
		}
		// Their IdP goes on to answer for them.
		for range 2 {
			b := w.newBrowser()
			c.refused(b, c.signsIn(b, c.login(), out.who), "account_deactivated", "account_deactivated")
			c.refused(b, b.deliver(c.tile(out.who)), "account_deactivated", "account_deactivated")
		}
		out.isOut("owner")
		w.gatehouse(nil, "member", "restore", out.who, "--workspace", c.slug)
		out.isBack()
	})
}

// ways are all the ways in that somebody has.
type ways struct {
	c       *company
	who     string
	member  member
	browser *browser
	tab     <-chan string
	given   given
	asked   asked // with code, a code that is not redeemed yet
	code    string
	link    string // a one-time link that nobody has used
	begun   *browser
	answers []idpsim.Posting // on their way when the end came
}

// everywhere lets somebody in by every way there is.
func (c *company) everywhere(who string) *ways {
	c.w.t.Helper()
	x := &ways{c: c, who: who, browser: c.enter(who), begun: c.w.newBrowser()}
	x.member = c.member(who)
	x.tab = x.browser.events()
	x.given = c.product.signIn(x.browser)
	if status, claims := c.product.userinfo(x.given.Access); status != http.StatusOK || claims["sub"] != x.member.ID {
		c.w.t.Fatalf("userinfo: %d %v", status, claims)
	}
	x.asked, x.code = c.product.code(x.browser)
	var link struct{ URL string }
	c.w.gatehouse(&link, "session", "link", who, "--workspace", c.slug)
	x.link = link.URL
	x.answers = []idpsim.Posting{c.answer(c.begins(x.begun, c.login()), who), c.tile(who)}
	return x
}

// isOut sees that each of them is closed.
func (x *ways) isOut(by string) {
	w, p := x.c.w, x.c.product
	w.t.Helper()
	w.wantEnded(x.browser, x.tab)
	p.wantLogout(x.given.sid)
	if m := x.c.member(x.member.ID); m.Status != "deactivated" || !slices.Equal(m.DeactivatedBy, []string{by}) {
		w.t.Errorf("%s is %s by %v, want deactivated by %s", x.who, m.Status, m.DeactivatedBy, by)
	}
	x.nothingLives()
	for _, answer := range x.answers {
		x.c.refused(x.begun, x.begun.deliver(answer), "account_deactivated", "account_deactivated")
	}
	if _, said, code := w.run(nil, "session", "link", x.who, "--workspace", x.c.slug); code == 0 {
		w.t.Errorf("a link for somebody who is out: %s", said)
	}
}

// nothingLives sees that what they had before is worth nothing.
func (x *ways) nothingLives() {
	w, p := x.c.w, x.c.product
	w.t.Helper()
	if s := x.browser.session(); s.status != http.StatusUnauthorized {
		w.t.Errorf("the session is answered %d", s.status)
	}
	p.nobody(x.browser)
	p.worthless(x.given)
	if g := p.redeem(x.asked, x.code); g.status != http.StatusBadRequest || g.Error != "invalid_grant" {
		w.t.Errorf("a code that was given before is redeemed: %d %s", g.status, g.Error)
	}
	stranger := w.newBrowser()
	stranger.post(x.link, url.Values{}, w.base)
	if s := stranger.session(); s.status != http.StatusUnauthorized {
		w.t.Errorf("the one-time link of before lets in: %+v", s)
	}
}

// isBack sees that somebody who came back is the same member, by a new sign-in and by nothing older.
func (x *ways) isBack() {
	w := x.c.w
	w.t.Helper()
	x.nothingLives()
	b := x.c.enter(x.who)
	if m := x.c.member(x.who); m.ID != x.member.ID || m.Role != x.member.Role || m.Status != "active" {
		w.t.Errorf("came back as %+v, was %+v", m, x.member)
	}
	if g := x.c.product.signIn(b); g.sub != x.member.ID || g.sid == x.given.sid {
		w.t.Errorf("the product is told of %s in the session %s, before of %s in %s", g.sub, g.sid, x.member.ID, x.given.sid)
	}
}

// openTabIsLoggedOut: Gatehouse's own page and the product's say at that moment that it is over (V1, V3, V21).
func openTabIsLoggedOut(t *testing.T, w *world) {
	shows(t, "V1", "V3", "V21")
	s := httptest.NewUnstartedServer(nil)
	origin := "http://" + s.Listener.Addr().String()
	c := w.company("tab", idpsim.Okta, form{preset: "omniflow"})
	// The product is one that shows pages now, and the only one.
	got := w.mustApply("workspace: tab\nrole_mappings:\n  - {directory: idp, group: Omniflow-Admins, role: Admin}\napplications:\n  - {name: desk, redirect_uris: [\"" + hostapp.RedirectURI(origin) +
		"\"], backchannel_logout_uri: \"" + hostapp.BackchannelURI(origin, "tab") + "\"}\n")
	app := got.Applications[0]
	ended := make(chan hostapp.Ended, 4)
	desk, err := hostapp.New(hostapp.Options{Origin: origin, OnEnded: func(e hostapp.Ended) { ended <- e },
		Companies: []hostapp.Company{{Slug: "tab", Name: "Tab Inc", Issuer: w.base, ClientID: app.ID, ClientSecret: app.Secret}}})
	w.must(err)
	s.Config.Handler = desk.Handler()
	s.Start()
	t.Cleanup(s.Close)
	t.Cleanup(desk.Close)

	c.connect()
	c.seed()
	ann := c.who("ann.lee")
	for _, way := range []struct {
		name string
		end  func()
	}{
		{"fired in the IdP", func() { w.must(c.idp.Deactivate(w.ctx(), ann)) }},
		{"signed out by an operator", func() { w.gatehouse(nil, "session", "revoke", ann, "--workspace", "tab") }},
	} {
		w.must(c.idp.Reactivate(w.ctx(), ann))
		b := w.newBrowser()
		p := b.fetch(http.MethodGet, origin+"/signin/tab")
		p = b.fetch(http.MethodGet, p.way())
		p = b.deliver(c.answer(p.to.String(), ann))
		if p.status != http.StatusOK || !strings.HasPrefix(p.url.String(), origin) || !strings.Contains(p.text, "Admin") {
			t.Fatalf("the product is at %s with %d:\n%.2000s", p.url, p.status, p.text)
		}
		own, product := b.listen(w.base+"/auth/session/events"), b.listen(origin+"/events", "signed-in")
		begun := time.Now()
		way.end()
		acknowledged := time.Now()
		for name, told := range map[string]<-chan notice{"session.ended": own, "signed-out": product} {
			select {
			case n := <-told:
				if n.name != name {
					t.Errorf("%s: the open page got %q, want %s", way.name, n.name, name)
				}
				t.Logf("%s: %s after %d ms, %d ms after the answer", way.name, name, n.at.Sub(begun).Milliseconds(), n.at.Sub(acknowledged).Milliseconds())
			case <-time.After(atOnceIs):
				t.Fatalf("%s: no %s within %s", way.name, name, atOnceIs)
			}
		}
		e := <-ended
		if m := c.member(ann); e.Subject != m.ID {
			t.Errorf("%s: the product was told of %+v, want %s", way.name, e, m.ID)
		}
		if res := b.fetch(http.MethodGet, origin+"/me"); res.status != http.StatusUnauthorized {
			t.Errorf("%s: the product still answers %d", way.name, res.status)
		}
	}
}

// switchedOffConnection: it ends its sessions, lets nobody in, and switching it on again revives none (A42, V27).
func switchedOffConnection(t *testing.T, w *world) {
	shows(t, "V27")
	c := w.company("off", idpsim.Okta, form{preset: "omniflow", more: seededRoles})
	c.connect()
	c.seed()
	x := c.everywhere(c.who("hoa.nguyen"))
	w.mustApply("workspace: off\nconnections: [{name: idp, status: disabled}]\n")
	w.wantEnded(x.browser, x.tab)
	c.product.wantLogout(x.given.sid)
	for _, answer := range x.answers {
		c.refused(x.begun, x.begun.deliver(answer), "connection_disabled", "connection_disabled")
	}
	if p := x.begun.open(c.login()); p.status != http.StatusForbidden || !strings.Contains(p.text, "connection_disabled") {
		t.Errorf("beginning: %d\n%.1500s", p.status, p.text)
	}
	if p := x.begun.open("/signin?workspace=off"); p.way() != "" {
		t.Errorf("the sign-in page offers %s", p.way())
	}
	w.mustApply("workspace: off\nconnections: [{name: idp, status: active}]\n")
	if s := x.browser.session(); s.status != http.StatusUnauthorized {
		t.Errorf("switching it on revived a session: %+v", s)
	}
	c.product.worthless(x.given)
	c.product.nobody(x.browser)
	if g := c.product.redeem(x.asked, x.code); g.status != http.StatusBadRequest {
		t.Errorf("a code of before is redeemed: %d", g.status)
	}
	if m := c.member(x.who); m.Status != "active" {
		t.Errorf("%s is %s: a switch of the connection is no deactivation", x.who, m.Status)
	}
	if b := c.enter(x.who); b.session().Member.ID != x.member.ID {
		t.Error("after switching it on somebody else signs in")
	}
}

// switchedOffLetsRun: by choice its sessions go on to their own end, until somebody ends them after all; then the product is
// told as well.
func switchedOffLetsRun(t *testing.T, w *world) {
	c := w.company("letrun", idpsim.Okta, form{preset: "omniflow", more: seededRoles})
	c.connect()
	c.seed()
	x := c.everywhere(c.who("hoa.nguyen"))
	if _, said, code := w.run(nil, "connection", "disable", "letrun", "idp"); code != 2 || !strings.Contains(said, "open-sessions") {
		t.Errorf("without a choice: exit %d: %s", code, said)
	}
	if said, _, code := w.run(nil, "connection", "disable", "letrun", "idp", "--open-sessions", "keep"); code != 0 || !strings.Contains(said, "go on to their own end") {
		t.Fatalf("exit %d: %s", code, said)
	}
	if s := x.browser.session(); s.status != http.StatusOK || s.Member.ID != x.member.ID {
		t.Errorf("the session that was to run: %+v", s)
	}
	if status, claims := c.product.userinfo(x.given.Access); status != http.StatusOK || claims["sub"] != x.member.ID {
		t.Errorf("what the product was given: %d %v", status, claims)
	}
	late := w.newBrowser()
	if p := late.open(c.login()); p.status != http.StatusForbidden || !strings.Contains(p.text, "connection_disabled") {
		t.Errorf("beginning: %d\n%.1500s", p.status, p.text)
	}
	if text, _, code := w.run(nil, "export", "letrun"); code != 0 || !strings.Contains(text, "open_sessions: keep") {
		t.Errorf("exit %d: %s", code, text)
	}
	w.gatehouse(nil, "connection", "disable", "letrun", "idp", "--open-sessions", "end")
	w.wantEnded(x.browser, x.tab)
	c.product.wantLogout(x.given.sid)
	c.product.worthless(x.given)
	w.wantEvent("letrun", "session.all_ended", "connection_disabled")
}

// severalConnections: two IdPs at once, chosen by domain, by link or by the person, whose links are law 6's alone.
func severalConnections(t *testing.T, w *world) {
	c := w.company("several", idpsim.Okta, form{preset: "omniflow", connection: "domains: [several.test]\n", more: seededRoles + "domains: [several.test]\n"})
	c.connect()
	c.seed()
	sim := idpsim.New(idpsim.Options{BaseURL: idpOrigin})
	t.Cleanup(sim.Close)
	other := sim.IdP(idpsim.JumpCloud)
	metadata, err := other.SAMLMetadata()
	w.must(err)
	got := w.mustApply("workspace: several\nconnections:\n  - name: Contractors\n    provider: jumpcloud\n    protocol: saml\n    status: active\n    domains: [contractor.test]\n    metadata: |\n" + indented(string(metadata), "      "))
	second := got.Connections[0]
	if second.Name != "Contractors" {
		second = got.Connections[1]
	}
	w.must(other.ImportSAML(w.ctx(), second.MetadataURL))
	add := func(who string) {
		_, err := other.AddPerson(w.ctx(), idpsim.Person{UserName: who, GivenName: "Uma", FamilyName: "Okoye"})
		w.must(err)
		w.must(other.Assign(w.ctx(), who))
	}
	const uma = "uma@contractor.test"
	add(uma)
	d := *c
	d.idp, d.connection = other, second.ID

	// By the domain, by a link, and by the person, who is shown both.
	ann := c.who("ann.lee")
	b := w.newBrowser()
	c.landed(b, c.signsIn(b, signinPage(ann), ann), ann)
	b = w.newBrowser()
	d.landed(b, d.signsIn(b, "/signin?workspace=several&email="+uma, uma), uma)
	b = w.newBrowser()
	d.landed(b, d.signsIn(b, "/signin?workspace=several&connection="+second.ID, uma), uma)
	page := w.newBrowser().open("/signin?workspace=several")
	if page.status != http.StatusOK || strings.Count(page.text, "Continue with ") != 2 || !strings.Contains(page.text, "Continue with Contractors") {
		t.Errorf("the page offers:\n%.2000s", page.text)
	}

	// Ann is at both IdPs. The domain is proven, so that she is one person; and the directory that put her in puts her out.
	add(ann)
	b = w.newBrowser()
	if s := d.landed(b, d.signsIn(b, "/auth/saml/"+second.ID+"/login", ann), ann); s.Member.ID != c.member(ann).ID {
		t.Errorf("through the other connection she is %s", s.Member.ID)
	}
	tab := b.events()
	w.must(c.idp.Deactivate(w.ctx(), ann))
	w.wantEnded(b, tab)
	w.must(c.idp.Reactivate(w.ctx(), ann))

	// Without the proof another's word about an address is not enough.
	w.mustApply("workspace: several\ndomains: []\n")
	hoa := c.who("hoa.nguyen")
	add(hoa)
	b = w.newBrowser()
	d.refused(b, d.signsIn(b, "/auth/saml/"+second.ID+"/login", hoa), "address_taken", "address_taken")

	// Switching one off leaves the other's sessions alone.
	first, contractor := c.enter(hoa), w.newBrowser()
	d.landed(contractor, d.signsIn(contractor, "/auth/saml/"+second.ID+"/login", uma), uma)
	told := contractor.events()
	w.mustApply("workspace: several\nconnections: [{name: Contractors, status: disabled}]\n")
	w.wantEnded(contractor, told)
	if s := first.session(); s.status != http.StatusOK {
		t.Errorf("the other connection's session answers %d", s.status)
	}
}
