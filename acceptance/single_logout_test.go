package acceptance

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

func TestStory_single_logout(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		t.Run("signed out at the IdP is signed out here and in the product", func(t *testing.T) { t.Parallel(); signedOutThere(t, w.within(t)) })
		t.Run("signed out here is signed out at the IdP", func(t *testing.T) { t.Parallel(); signedOutHere(t, w.within(t)) })
		t.Run("signed out in the product leads through the IdP and back", func(t *testing.T) { t.Parallel(); signedOutInTheProduct(t, w.within(t)) })
		t.Run("a logout that is not the IdP's word ends nothing", func(t *testing.T) { t.Parallel(); brokenLogouts(t, w.within(t)) })
		t.Run("an answer encrypted for our key signs in", func(t *testing.T) { t.Parallel(); encryptedSignIn(t, w.within(t)) })
	}, "--allow-private-networks") // the product is on this machine
}

// leaver is a company with single logout, and one of its people.
func (w *world) leaver(slug string, kind idpsim.Kind) (*company, string) {
	w.t.Helper()
	c := w.company(slug, kind, form{connection: "single_logout: yes\n"})
	c.seed()
	return c, c.who("ann.lee")
}

// carried takes a logout message of the IdP's to Gatehouse, from a page of the IdP and without cookies.
func (b *browser) carried(out idpsim.Carrying) page {
	b.w.t.Helper()
	if out.Form == nil {
		return b.fetch(http.MethodGet, out.URL)
	}
	form := url.Values{}
	for name, value := range out.Form {
		form.Set(name, value)
	}
	return b.post(out.URL, form, idpOrigin)
}

// heard gives the IdP what Gatehouse leads the browser to it with, by Redirect or by a form.
func (c *company) heard(p page) (*idpsim.Carrying, string) {
	c.w.t.Helper()
	if p.to != nil {
		out, said, err := c.idp.HearSAMLLogout(p.to.String())
		c.w.must(err)
		return out, said
	}
	for _, field := range []string{"SAMLRequest", "SAMLResponse"} {
		if form := p.form(field); form != nil {
			if !strings.HasPrefix(attribute(form, "action"), idpOrigin) {
				c.w.t.Errorf("the form leads to %s", attribute(form, "action"))
			}
			out, said, err := c.idp.HearSAMLLogoutForm(fields(form))
			c.w.must(err)
			return out, said
		}
	}
	c.w.t.Fatalf("%s answered %d and leads to no IdP:\n%.2000s", p.url, p.status, p.text)
	return nil, ""
}

// leaves signs a browser out on Gatehouse's page.
func (b *browser) leaves() page {
	b.w.t.Helper()
	if p := b.open("/signout"); !strings.Contains(p.text, `action="/signout"`) {
		b.w.t.Fatalf("no sign-out page: %d\n%.2000s", p.status, p.text)
	}
	return b.post(b.w.base+"/signout", url.Values{}, b.w.base)
}

func signedOutThere(t *testing.T, w *world) {
	for _, kind := range []idpsim.Kind{idpsim.Okta, idpsim.Entra} {
		for _, binding := range []string{"redirect", "post"} {
			c, ann := w.leaver("there-"+string(kind)+"-"+binding, kind)
			settings := c.idp.SAMLSettings()
			settings.LogoutBinding = binding
			settings.LogoutURL = c.w.base + "/auth/saml/" + c.connection + "/logout"
			w.must(c.idp.ConfigureSAML(settings))
			b, other := c.enter(ann), c.enter(ann)
			events := b.events()
			given := c.product.signIn(b)
			bob := c.enter(c.idp.State().People[1].UserName)
			out, err := c.idp.SAMLSignOut(ann)
			w.must(err)
			if _, said := c.heard(w.newBrowser().carried(out)); said != "Success" {
				t.Errorf("%s by %s: Gatehouse answers %q", kind, binding, said)
			}
			w.wantEnded(b, events)
			if other.session().status != http.StatusUnauthorized || bob.session().status != http.StatusOK {
				t.Errorf("%s by %s: her other session answers %d, another's %d", kind, binding, other.session().status, bob.session().status)
			}
			c.product.wantLogout(given.sid)
			c.product.worthless(given)
			if e := w.wantEvent(c.slug, "logout.received", ""); !strings.Contains(string(e.Payload), "LogoutRequest") {
				t.Errorf("the event says %s", e.Payload)
			}
			// One of two sessions, by its index.
			one, two := c.enter(ann), c.enter(ann)
			sessions := c.idp.SAMLSessions()
			out, err = c.idp.SAMLSignOut(sessions[len(sessions)-1].Index)
			w.must(err)
			if c.heard(w.newBrowser().carried(out)); two.session().status != http.StatusUnauthorized || one.session().status != http.StatusOK {
				t.Errorf("%s by %s: the session that was named answers %d, the other %d", kind, binding, two.session().status, one.session().status)
			}
		}
	}
}

func signedOutHere(t *testing.T, w *world) {
	c, ann := w.leaver("here", idpsim.Okta)
	b := c.enter(ann)
	p := b.leaves()
	if b.session().status != http.StatusUnauthorized {
		t.Error("the IdP is told while the session lives")
	}
	out, _ := c.heard(p)
	if len(c.idp.SAMLSessions()) != 0 {
		t.Errorf("the IdP knows %+v", c.idp.SAMLSessions())
	}
	if landed := b.carried(*out); landed.url.Path != "/signin" || !strings.Contains(landed.text, "You have signed out.") {
		t.Errorf("the answer leads to %s with %d:\n%.2000s", landed.url, landed.status, landed.text)
	}
	w.wantEvent(c.slug, "logout.answered", "")
	for fault, says := range map[idpsim.LogoutFault]string{idpsim.LogoutDenied: "you may still be signed in there", idpsim.LogoutPartial: "At other services"} {
		b := c.enter(ann)
		w.must(c.idp.SetSAMLLogoutFault(fault))
		out, _ := c.heard(b.leaves())
		if landed := b.carried(*out); !strings.Contains(landed.text, says) || b.session().status != http.StatusUnauthorized || len(b.hops) > 12 {
			t.Errorf("%s leads to %s after %v:\n%.2000s", fault, landed.url, b.hops, landed.text)
		}
	}
	for _, fault := range []idpsim.LogoutFault{idpsim.LogoutUnsigned, idpsim.LogoutWrongIssuer, idpsim.LogoutWrongKey} {
		b := c.enter(ann)
		w.must(c.idp.SetSAMLLogoutFault(fault))
		out, _ := c.heard(b.leaves())
		if landed := b.carried(*out); !landed.failed() || landed.fact("Event") == "" || b.session().status != http.StatusUnauthorized {
			t.Errorf("an answer with the fault %s leads to %s with %d:\n%.2000s", fault, landed.url, landed.status, landed.text)
		}
	}
	b = c.enter(ann)
	w.must(c.idp.SetSAMLLogoutFault(idpsim.LogoutSilent))
	if out, _ := c.heard(b.leaves()); !out.Silent || b.session().status != http.StatusUnauthorized {
		t.Errorf("an IdP that does not answer: %+v", out)
	}
	c.enter(ann)
}

func signedOutInTheProduct(t *testing.T, w *world) {
	c, ann := w.leaver("product", idpsim.Okta)
	const bye = "https://app.product.test/bye"
	w.mustApply("workspace: product\n" + strings.Replace(c.product.file(), "backchannel", fmt.Sprintf("post_logout_redirect_uris: [%q], backchannel", bye), 1))
	b := c.enter(ann)
	given := c.product.signIn(b)
	end := "/oauth2/end-session?" + url.Values{"id_token_hint": {given.ID}, "post_logout_redirect_uri": {bye}, "state": {"s 1"}}.Encode()
	out, _ := c.heard(b.open(end))
	if b.session().status != http.StatusUnauthorized {
		t.Error("the session lives while the IdP is asked")
	}
	landed := b.carried(*out)
	if landed.to == nil || landed.to.String() != bye+"?state=s+1" {
		t.Errorf("the IdP's answer leads to %v with %d:\n%.2000s", landed.to, landed.status, landed.text)
	}
	c.product.wantLogout(given.sid)
	if again := b.open(end); again.to == nil || !strings.HasPrefix(again.to.String(), bye) {
		t.Errorf("once more it leads to %v", again.to)
	}
}

func brokenLogouts(t *testing.T, w *world) {
	c, ann := w.leaver("broken", idpsim.Okta)
	out, b := idpsim.Carrying{}, c.enter(ann)
	var err error
	if out, err = c.idp.SAMLSignOut(ann); err != nil { // the control, and one to replay
		t.Fatal(err)
	}
	c.heard(w.newBrowser().carried(out))
	if b.session().status != http.StatusUnauthorized {
		t.Fatal("a good logout ends nothing")
	}
	refused := map[idpsim.LogoutFault]string{idpsim.LogoutUnsigned: "signature_missing", idpsim.LogoutWrongKey: "unknown_key", idpsim.LogoutWrongIssuer: "issuer",
		idpsim.LogoutReplay: "replayed", idpsim.LogoutExpired: "expired", idpsim.LogoutElsewhere: "destination",
		idpsim.LogoutNoAlgorithm: "signature_missing", idpsim.LogoutReencoded: "unknown_key", idpsim.LogoutBomb: "too_large"}
	redirectOnly := []idpsim.LogoutFault{idpsim.LogoutReplay, idpsim.LogoutNoAlgorithm, idpsim.LogoutReencoded}
	for _, binding := range []string{"redirect", "post"} {
		settings := c.idp.SAMLSettings()
		settings.LogoutBinding = binding
		w.must(c.idp.ConfigureSAML(settings))
		for _, fault := range idpsim.LogoutFaults() {
			reason, wrong := refused[fault]
			if !wrong && fault != idpsim.LogoutOther && fault != idpsim.LogoutUnknownIndex || binding == "post" && slices.Contains(redirectOnly, fault) {
				continue
			}
			if fault == idpsim.LogoutBomb && binding == "post" {
				reason = "malformed" // nothing is inflated there
			}
			b := c.enter(ann)
			w.must(c.idp.SetSAMLLogoutFault(fault))
			out, err := c.idp.SAMLSignOut(ann)
			w.must(err)
			landed := w.newBrowser().carried(out)
			if b.session().status != http.StatusOK {
				t.Errorf("%s by %s has ended the session", fault, binding)
			}
			if !wrong { // right in itself, and about nobody who is here
				if landed.to == nil && landed.form("SAMLResponse") == nil {
					t.Errorf("%s by %s is answered %d:\n%.2000s", fault, binding, landed.status, landed.text)
				}
				continue
			}
			if !landed.failed() || landed.to != nil || landed.fact("Event") == "" {
				t.Errorf("%s by %s is answered %d:\n%.2000s", fault, binding, landed.status, landed.text)
			}
			if !slices.ContainsFunc(w.events(c.slug), func(e event) bool {
				return e.ID == landed.fact("Event") && e.Type == "logout.refused" && e.Reason == reason && e.Outcome == "refused"
			}) {
				t.Errorf("%s by %s: no event %s says %s", fault, binding, landed.fact("Event"), reason)
			}
		}
	}
}

func encryptedSignIn(t *testing.T, w *world) {
	for _, kind := range []idpsim.Kind{idpsim.Okta, idpsim.Entra} {
		c := w.company("sealed-"+string(kind), kind, form{connection: "encryption: on\n"})
		c.seed()
		ann := c.who("ann.lee")
		settings := c.idp.SAMLSettings()
		if settings.Encrypt != "on" || len(settings.EncryptionCertificates) != 1 {
			t.Fatalf("%s does not encrypt: %+v", kind, settings)
		}
		c.enter(ann)
		if e := w.wantEvent(c.slug, "signin.succeeded", ""); !strings.Contains(string(e.Payload), "the assertion was encrypted with") {
			t.Errorf("%s: the event says %.600s", kind, e.Payload)
		}
		for wrong, reason := range map[string]string{"cbc": "encryption_algorithm", "old_key": "decryption"} {
			settings.Encrypt = wrong
			w.must(c.idp.ConfigureSAML(settings))
			b := w.newBrowser()
			if p := c.signsIn(b, c.login(), ann); !p.failed() || b.session().status != http.StatusUnauthorized {
				t.Errorf("%s, %s: answered %d", kind, wrong, p.status)
			}
			w.wantEvent(c.slug, "signin.refused", reason)
		}
	}
}

// TestStory_artifact has the IdP's answer fetched and not carried by the browser.
func TestStory_artifact(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		server := httptest.NewUnstartedServer(nil)
		sim := idpsim.New(idpsim.Options{BaseURL: "http://" + server.Listener.Addr().String()})
		server.Config.Handler = sim.Handler()
		server.Start()
		t.Cleanup(func() { server.Close(); sim.Close() })
		c := w.company("fetched", idpsim.Okta, form{idp: sim.IdP(idpsim.Okta), connection: "artifact: yes\nencryption: on\n"})
		c.seed()
		ann := c.who("ann.lee")
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			b := w.newBrowser()
			asked := b.open(c.login()) // the IdP's page, which listens here
			answer := c.answer(asked.url.String(), ann)
			if answer.Artifact == "" || answer.SAMLResponse != "" {
				t.Fatalf("the IdP does not answer by artifact: %+v", answer)
			}
			landed := page{}
			if method == http.MethodGet {
				landed = b.fetch(http.MethodGet, answer.ACS+"?"+answer.Form().Encode())
			} else {
				landed = b.deliver(answer)
			}
			c.landed(b, landed, ann)
			again := w.newBrowser()
			if p := again.fetch(http.MethodGet, answer.ACS+"?"+answer.Form().Encode()); !p.failed() || again.session().status != http.StatusUnauthorized {
				t.Errorf("the artifact signs in a second browser: %d", p.status)
			}
		}
		b := w.newBrowser()
		answer := c.answer(b.open(c.login()).url.String(), ann)
		server.Close()
		if p := b.fetch(http.MethodGet, answer.ACS+"?"+answer.Form().Encode()); p.status != http.StatusServiceUnavailable || b.session().status != http.StatusUnauthorized {
			t.Errorf("an IdP that is not reached: %d\n%.2000s", p.status, p.text)
		}
		w.wantEvent(c.slug, "signin.refused", "artifact_unresolved")
	}, "--allow-private-networks") // the IdP is on this machine
}

// TestStory_logout_over_a_restart kills the server between our logout request and its answer, and after a logout of the IdP's.
func TestStory_logout_over_a_restart(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		c, ann := w.leaver("acme", idpsim.Okta)
		b, other := c.enter(ann), c.enter(ann)
		p := b.leaves()
		w.kill()
		w.start()
		out, _ := c.heard(p)
		if landed := b.carried(*out); !strings.Contains(landed.text, "You have signed out.") || b.session().status != http.StatusUnauthorized {
			t.Errorf("after a restart the answer leads to %s with %d:\n%.2000s", landed.url, landed.status, landed.text)
		}
		if again := b.carried(*out); !again.failed() {
			t.Errorf("the answer counts twice: %d at %s", again.status, again.url)
		}
		gone, err := c.idp.SAMLSignOut(ann)
		w.must(err)
		c.heard(w.newBrowser().carried(gone))
		if other.session().status != http.StatusUnauthorized {
			t.Error("the other session lives")
		}
		w.kill()
		w.start()
		back := c.enter(ann)
		if again := w.newBrowser().carried(gone); !again.failed() || back.session().status != http.StatusOK {
			t.Errorf("a restart has forgotten a logout: %d", again.status)
		}
		if other.session().status != http.StatusUnauthorized {
			t.Error("a session that the IdP has ended is back after a restart")
		}
	})
}
