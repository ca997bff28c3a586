package acceptance

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// oidcCompany is a company whose people sign in by OpenID Connect at a simulated IdP that answers over HTTP.
type oidcCompany struct {
	*company
	origin string // the IdP's
}

// oidcVendor is a yes-cell of the table of IdPs, and what that vendor's manner comes to.
type oidcVendor struct {
	provider string
	kind     idpsim.Kind
	more     string // keys of the connection
	groups   bool   // its tokens name groups
	scim     bool
	asked    bool // userinfo is asked
	back     bool // it tells of ended sessions by a logout token
	front    bool // or by way of the browser
}

var oidcVendors = map[string]oidcVendor{
	"okta":      {provider: "okta", kind: idpsim.Okta, more: "callback: own, logout: yes", groups: true, scim: true, asked: true, back: true},
	"entra":     {provider: "entra", kind: idpsim.Entra, more: "response_mode: form_post", groups: true, scim: true, front: true},
	"google":    {provider: "google", kind: idpsim.Google, more: "hosted_domains: [acme.test]", scim: true},
	"onelogin":  {provider: "onelogin", kind: idpsim.OneLogin, more: "client_auth: post", groups: true, scim: true, back: true},
	"jumpcloud": {provider: "jumpcloud", kind: idpsim.JumpCloud, more: "idp_initiated: yes", groups: true, scim: true, back: true},
	"generic":   {provider: "generic", kind: idpsim.OneLogin, more: "scopes: [email, profile, groups], callback: own", groups: true, back: true},
}

// oidcCompany makes one: its eight people are at the IdP and, where the vendor provisions, here.
func (w *world) oidcCompany(slug string, v oidcVendor) *oidcCompany {
	w.t.Helper()
	server := httptest.NewUnstartedServer(nil)
	c := &oidcCompany{company: &company{w: w, slug: slug}, origin: strings.Replace("http://"+server.Listener.Addr().String(), "127.0.0.1", "localhost", 1)} // another site than ours
	sim := idpsim.New(idpsim.Options{BaseURL: c.origin})
	server.Config.Handler = sim.Handler()
	server.Start()
	w.t.Cleanup(sim.Close)
	w.t.Cleanup(server.Close)
	c.idp = sim.IdP(v.kind)
	w.must(c.idp.Seed(w.ctx(), idpsim.Company{Domain: slug + ".test", People: 8}))
	state, err := c.idp.OIDC()
	w.must(err)
	secret := filepath.Join(w.dir, slug+"-secret.txt")
	w.must(os.WriteFile(secret, []byte(state.Settings.ClientSecret), 0o600))
	text := fmt.Sprintf("workspace: %s\npreset: omniflow\nconnections:\n  - {name: idp, provider: %s, protocol: oidc, status: active, issuer: '%s', client_id: '%s', client_secret_file: %s, %s}\n",
		slug, v.provider, state.DiscoveryURL, state.Settings.ClientID, secret, v.more) // the discovery URL, as people paste it
	if v.scim {
		text += "directories:\n  - {name: idp, connection: idp}\n"
	}
	if v.groups {
		text += "role_mappings:\n"
		for _, g := range c.idp.State().Groups {
			name := g.Name
			if v.kind.IsEntra() {
				name = g.ID
			}
			if role, ours := map[string]string{"Omniflow-Admins": "Admin", "Omniflow-Supervisors": "Supervisor", "Omniflow-Agents": "Agent"}[g.Name]; ours {
				text += fmt.Sprintf("  - {connection: idp, group: '%s', role: %s}\n", name, role)
			}
		}
	}
	c.connection = w.mustApply(text).Connections[0].ID
	here := w.base + "/auth/oidc/" + c.connection
	s := state.Settings
	s.RedirectURIs, s.PostLogoutURIs, s.InitiateURL, s.TargetURL = []string{w.base + "/auth/oidc/callback", here + "/callback"}, []string{w.base + "/signin"}, here+"/initiate", w.base+"/w/"+slug
	if v.back {
		s.BackchannelURL = here + "/backchannel-logout"
	}
	if v.front {
		s.FrontchannelURL = here + "/frontchannel-logout"
	}
	if v.provider == "google" {
		s.HostedDomain = "acme.test"
	}
	w.must(c.idp.ConfigureOIDC(s))
	if v.scim {
		c.connect()
	}
	if _, err := c.idp.AssignEverybody(w.ctx()); err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (c *oidcCompany) login() string { return "/auth/oidc/" + c.connection + "/login" }

// atIdP goes from a path of Gatehouse to the IdP's sign-in page, and returns it.
func (c *oidcCompany) atIdP(b *browser, path string) page {
	b.w.t.Helper()
	p := b.open(path)
	if p.status != http.StatusOK || !strings.HasPrefix(p.url.String(), c.origin) {
		b.w.t.Fatalf("%s leads to %s with %d, want the IdP:\n%.2000s", path, p.url, p.status, p.text)
	}
	return p
}

// chooses presses somebody's button on the IdP's page, and the button of the page that posts the answer where
// there is one.
func (c *oidcCompany) chooses(b *browser, p page, who string) page {
	b.w.t.Helper()
	p = b.submit(p, "request", "who", c.person(who).ID)
	if strings.HasPrefix(p.url.String(), c.origin) && p.form("state") != nil {
		p = b.passOn(b.submit(p, "state"))
	}
	return p
}

func (c *oidcCompany) signsIn(b *browser, path, who string) page {
	b.w.t.Helper()
	return c.chooses(b, c.atIdP(b, path), who)
}

// enter signs somebody in, who must land on the workspace's page.
func (c *oidcCompany) enter(who string) *browser {
	c.w.t.Helper()
	b := c.w.newBrowser()
	c.landed(b, c.signsIn(b, c.login(), who), who)
	return b
}

func (c *oidcCompany) landed(b *browser, p page, who string) session {
	c.w.t.Helper()
	s := b.session()
	if p.status != http.StatusOK || p.url.Path != "/w/"+c.slug || s.Workspace != c.slug || s.Method != "oidc" || s.Member.Email != who {
		c.w.t.Fatalf("%s landed at %s with %d and the session %+v:\n%.3000s", who, p.url, p.status, s, p.text)
	}
	return s
}

// TestStory_signing_in_by_oidc_at has one story for each IdP of the table (F3 to F7, F9).
func TestStory_signing_in_by_oidc_at(t *testing.T) {
	for name, v := range oidcVendors {
		t.Run(name, func(t *testing.T) {
			story(t, func(t *testing.T, w *world) {
				shows(t, map[string]string{"okta": "F3", "entra": "F4", "google": "F5", "onelogin": "F6", "jumpcloud": "F7", "generic": "F9"}[name], "F16", "F17")
				v.signsIn(w.oidcCompany("acme", v))
			}, "--allow-private-networks")
		})
	}
}

func (v oidcVendor) signsIn(c *oidcCompany) {
	t, w := c.w.t, c.w
	t.Helper()
	admin, agent := c.inGroup("Omniflow-Admins"), c.inGroup("Omniflow-Agents")
	var before member
	if v.scim {
		before = c.member(admin)
	}
	c.enter(agent)
	b := c.enter(admin)
	m := c.member(admin)
	if v.scim && m.ID != before.ID {
		t.Errorf("the sign-in made %s, want the provisioned %s", m.ID, before.ID)
	}
	if v.groups && (m.Role != "Admin" || c.member(agent).Role == "Admin") || !v.groups && m.Role == "Admin" {
		t.Errorf("the role by claims is %s (%s), groups %v", m.Role, m.RoleReason.Sentence, m.Groups)
	}
	v.rotates(c, admin)
	v.endsSessions(c, admin, agent)
	v.begins(c, admin)
	if s := b.session(); s.status != http.StatusOK && !v.back {
		t.Errorf("the first session is answered %d", s.status)
	}
	if v.scim {
		v.leaves(c, agent)
	}
	w.wantMember(c.slug, admin, "active", m.Role)
}

// rotates: the IdP changes its key in the middle of traffic, and nobody is turned away.
func (v oidcVendor) rotates(c *oidcCompany, who string) {
	c.w.t.Helper()
	const each = 4
	var wg sync.WaitGroup
	turned := make(chan struct{})
	one := func() {
		b := c.w.newBrowser()
		if p := c.signsIn(b, c.login(), who); p.status != http.StatusOK || p.url.Path != "/w/"+c.slug {
			c.w.t.Errorf("during the rotation a sign-in ended at %s with %d, %s", p.url, p.status, p.fact("Code"))
		}
	}
	for range each {
		wg.Go(one)
		wg.Go(func() { <-turned; one() })
	}
	err := c.idp.RotateKey(false)
	close(turned)
	wg.Wait()
	c.w.must(err)
}

// endsSessions: the IdP's word ends exactly the session that it names.
func (v oidcVendor) endsSessions(c *oidcCompany, who, other string) {
	t, w := c.w.t, c.w
	t.Helper()
	first, bystander := c.enter(who), c.enter(other)
	sessions := c.idp.OIDCSessions()
	named := sessions[len(sessions)-2].ID
	second := c.enter(who)
	told := first.events()
	out, err := c.idp.SignOut(w.ctx(), named)
	w.must(err)
	if out.Told != v.back || (len(out.Frames) == 1) != v.front {
		t.Errorf("the end was told: %+v", out)
	}
	for _, frame := range out.Frames {
		if p := w.newBrowser().fetch(http.MethodGet, frame); p.status != http.StatusOK {
			t.Errorf("the frame is answered %d", p.status)
		}
	}
	if v.back || v.front {
		w.wantEnded(first, told)
		w.wantEvent(c.slug, "session.ended", "ended_by_idp")
	}
	for _, b := range []*browser{second, bystander} {
		if s := b.session(); s.status != http.StatusOK {
			t.Errorf("another session is answered %d after that", s.status)
		}
	}
}

// begins: the tile of the IdP leads in where that is on.
func (v oidcVendor) begins(c *oidcCompany, who string) {
	c.w.t.Helper()
	to, err := c.idp.OIDCTile(who)
	c.w.must(err)
	b := c.w.newBrowser()
	p := b.fetch(http.MethodGet, to)
	if on := v.provider == "okta" || strings.Contains(v.more, "idp_initiated"); !on {
		c.turnedAway(p, "unsolicited", "unsolicited")
		return
	}
	c.landed(b, c.chooses(b, p, who), who)
}

// leaves: whoever the IdP's provisioning puts out is out at once, also with an answer of the IdP in hand.
func (v oidcVendor) leaves(c *oidcCompany, who string) {
	w := c.w
	w.t.Helper()
	b := c.enter(who)
	told := b.events()
	late := w.newBrowser()
	late.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	request := late.open(c.login()).to
	answer, err := c.idp.Authorize(request.String(), who)
	w.must(err)
	w.must(c.idp.Deactivate(w.ctx(), who))
	c.cycle()
	w.wantEnded(b, told)
	p := late.give(answer)
	c.turnedAway(p, "account_deactivated", "account_deactivated")
	w.must(c.idp.Reactivate(w.ctx(), who))
	c.cycle()
	c.enter(who)
}

// give takes an answer of a simulated OpenID provider to Gatehouse.
func (b *browser) give(a idpsim.Answer) page {
	b.w.t.Helper()
	if a.FormPost {
		return b.passOn(b.post(a.RedirectURI, a.Parameters, idpOrigin))
	}
	return b.fetch(http.MethodGet, a.URL())
}

// TestStory_each_fault_of_an_openid_provider_is_refused: with its own cause in the log; what anybody could have
// sent is told to nobody.
func TestStory_each_fault_of_an_openid_provider_is_refused(t *testing.T) {
	for _, name := range []string{"okta", "entra", "google"} {
		t.Run(name, func(t *testing.T) {
			story(t, func(t *testing.T, w *world) { oidcVendors[name].faults(w.oidcCompany("acme", oidcVendors[name])) }, "--allow-private-networks")
		})
	}
}

// compactJWT is a token as it is sent: random words of an IdP may begin as one does.
var compactJWT = regexp.MustCompile(`eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.`)

func (v oidcVendor) faults(c *oidcCompany) {
	t, w := c.w.t, c.w
	t.Helper()
	const secret = "oidc_refused"
	told := func(reason string) saidAs { return saidAs{reason, reason} }
	foreign := told("issuer_mismatch")
	if v.kind.IsEntra() {
		foreign = told("tenant_not_allowed")
	}
	want := map[idpsim.OIDCFault]saidAs{
		idpsim.OIDCExpired: told("token_expired"), idpsim.OIDCClockAhead7m: told("iat_invalid"), idpsim.OIDCNoIssuedAt: told("iat_invalid"),
		idpsim.OIDCWrongNonce: told("nonce_mismatch"), idpsim.OIDCNoNonce: told("nonce_mismatch"), idpsim.OIDCOldToken: told("nonce_mismatch"),
		idpsim.OIDCWrongAudience: told("audience_mismatch"), idpsim.OIDCWrongParty: told("azp_mismatch"), idpsim.OIDCWrongIssuer: foreign,
		idpsim.OIDCNoSubject: told("sub_missing"), idpsim.OIDCWrongHash: told("at_hash_mismatch"),
		idpsim.OIDCUnsigned: {secret, "jwt_algorithm"}, idpsim.OIDCSymmetric: {secret, "jwt_algorithm"}, idpsim.OIDCWrongKey: {secret, "jwt_signature"},
		idpsim.OIDCUnknownKey: {secret, "jwt_key_unknown"}, idpsim.OIDCKeyInHeader: {secret, "jwt_signature"},
		idpsim.OIDCKeyAddress: {secret, "jwt_key_unknown"}, idpsim.OIDCCritical: {secret, "jwt_malformed"}, idpsim.OIDCEncrypted: {secret, "jwt_malformed"},
		idpsim.OIDCDenied: told("idp_error"), idpsim.OIDCOtherIdP: {secret, "iss_mismatch"}, idpsim.OIDCSpentCode: {secret, "token_refused"},
		idpsim.OIDCNoToken: {secret, "token_malformed"}, idpsim.OIDCReplay: {"state_invalid", "state_unknown"}, idpsim.OIDCOtherState: {"state_invalid", "state_none"},
		idpsim.OIDCConsumer: told("hd_not_allowed"), idpsim.OIDCOtherDomain: told("hd_not_allowed"),
		idpsim.OIDCOtherUserInfo: told("userinfo_sub_mismatch"),
	}
	who := c.inGroup("Omniflow-Agents")
	c.enter(who)
	for _, f := range c.idp.OIDCFaults() {
		as, known := want[f]
		if !known && !f.Works() {
			t.Errorf("nobody has said what the fault %s comes to", f)
			continue
		}
		w.must(c.idp.SetOIDCFault(f))
		if f.Works() || f == idpsim.OIDCOtherUserInfo && !v.asked {
			c.enter(who)
			continue
		}
		b := w.newBrowser()
		p := c.signsIn(b, c.login(), who)
		if as.code == "state_invalid" && !strings.Contains(v.more, "callback: own") {
			// At the address of all connections there is no workspace in whose log it belongs.
			if p.fact("Code") != as.code || b.session().status != http.StatusUnauthorized {
				t.Errorf("%s: answered %d with the code %q", f, p.status, p.fact("Code"))
			}
			continue
		}
		e := c.refused(b, p, as.code, as.reason)
		if as.code == secret && p.find(isElement("details")) != nil {
			t.Errorf("%s: a stranger is told more than the code:\n%s", f, p.text)
		}
		if compactJWT.Match(e.Payload) || strings.Contains(string(e.Payload), c.idp.OIDCSettings().ClientSecret) {
			t.Errorf("%s: the event keeps a token or the secret: %s", f, e.Payload)
		}
		c.enter(who) // the same without the fault
	}
}

// TestStory_entra_names_too_many_groups: of more than 200 groups Entra says only where to ask. Nobody calls there, and
// nobody's role changes.
func TestStory_entra_names_too_many_groups(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		c := w.oidcCompany("acme", oidcVendors["entra"])
		admin := c.inGroup("Omniflow-Admins")
		c.enter(admin)
		w.wantMember(c.slug, admin, "active", "Admin")
		for i := range 201 {
			_, err := c.idp.AddGroup(w.ctx(), "", fmt.Sprintf("Team %d", i), admin)
			w.must(err)
		}
		c.enter(admin)
		w.wantMember(c.slug, admin, "active", "Admin")
		noted := false
		for _, e := range w.events(c.slug) {
			noted = noted || strings.Contains(string(e.Payload), "groups_overage")
		}
		if !noted {
			t.Error("no event says that the groups were left out")
		}
	}, "--allow-private-networks")
}

// TestStory_signing_out_at_the_openid_provider: whoever signs out here is signed out there, and comes back.
func TestStory_signing_out_at_the_openid_provider(t *testing.T) {
	w := newWorld(t, "", "--allow-private-networks")
	c := w.oidcCompany("acme", oidcVendors["okta"])
	b := c.enter(c.inGroup("Omniflow-Agents"))
	if n := len(c.idp.OIDCSessions()); n != 1 {
		t.Fatalf("%d sessions at the IdP", n)
	}
	p := b.post(w.base+"/signout", url.Values{}, w.base)
	if p.status != http.StatusOK || p.url.Path != "/signin" || len(c.idp.OIDCSessions()) != 0 || b.session().status != http.StatusUnauthorized {
		t.Errorf("the sign-out ended at %s with %d; %d sessions are left at the IdP", p.url, p.status, len(c.idp.OIDCSessions()))
	}
}
