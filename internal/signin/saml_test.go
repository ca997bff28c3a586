package signin

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

func TestSAML_SignsSomebodyInWithOneEventThatHoldsTheAnswer(t *testing.T) { // SA01
	eachConnected(t, func(t *testing.T, w *world) {
		b := w.browser()
		q := b.begin(okta)
		for _, want := range []string{`AssertionConsumerServiceURL="http://gatehouse.test/auth/saml/con_okta/acs"`, `Destination="https://okta.example/exk1/sso"`,
			`<saml:Issuer>http://gatehouse.test/auth/saml/con_okta/metadata</saml:Issuer>`} {
			if !strings.Contains(q.xml, want) {
				t.Errorf("%s is missing from %s", want, q.xml)
			}
		}
		r := w.response(q.id)
		r.Assertion.Authn[0].SessionIndex = "index-1"
		a := b.answers(okta, sign(r), q.relay)
		if a.StatusCode != http.StatusSeeOther || a.to() != "/w/acme" {
			t.Fatalf("%d to %q: %s", a.StatusCode, a.to(), a.body)
		}
		live, err := w.ListSessions(context.Background(), acme, bob)
		w.must(err)
		s := live[0]
		if len(live) != 1 || s.Method != directory.MethodSAML || s.Connection != okta || s.SessionIndex != "index-1" ||
			!s.AuthenticatedAt.Equal(w.clock.now().Add(-10*time.Second)) || !strings.HasSuffix(s.Context, "PasswordProtectedTransport") || !s.ExpiresAt.Equal(w.clock.now().Add(session.Absolute)) {
			t.Errorf("sessions: %+v", live)
		}
		all := w.events(acme, audit.SignInSucceeded, audit.SignInRefused)
		if reasons(all) != "signin.succeeded saml" || all[0].Connection != okta || all[0].Subject.ID != bob {
			t.Fatalf("events: %+v", all)
		}
		payload := string(all[0].Payload)
		for _, want := range []string{"<saml2:Assertion", s.ID, "SignatureValue>[redacted]<", `"subject":"bob@acme.test"`} {
			if !strings.Contains(payload, want) {
				t.Errorf("%s is missing from the payload %s", want, payload)
			}
		}
		if page := b.get("/w/acme"); page.StatusCode != http.StatusOK || !strings.Contains(page.body, "Single sign-on (SAML) by Okta") {
			t.Errorf("the page: %d %s", page.StatusCode, page.body)
		}
		if got := b.get("/auth/session"); !strings.Contains(got.body, `"method":"saml","connection":"con_okta"`) {
			t.Errorf("session: %s", got.body)
		}
	})
}

func TestSAML_TakesResponseSignedAndDoublySignedAnswers(t *testing.T) { // SA02
	eachConnected(t, func(t *testing.T, w *world) {
		for _, s := range []samltest.Signing{{Response: true}, {Response: true, Assertion: true}} {
			for _, style := range []samltest.Style{samltest.Okta, samltest.Entra} {
				w.browser().enters(w, func(r *samltest.Response) { r.Signing, r.Style = s, style })
			}
		}
	})
}

func TestSAML_ReplacesTheSessionOfTheBrowser(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		b := w.browser()
		b.signIn("acme", "ann@acme.test")
		b.enters(w, nil)
		if n := w.live(acme, ann); n != 0 {
			t.Errorf("%d sessions of the member before live on", n)
		}
		if got := reasons(w.events(acme, audit.SessionEnded)); got != "session.ended replaced" {
			t.Errorf("events: %s", got)
		}
	})
}

func TestSAML_MakesAMemberAtFirstSignIn(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		newcomer := func(r *samltest.Response) { about(r, "new@partner.test", "New", "Comer") }
		w.browser().enters(w, newcomer)
		w.browser().enters(w, newcomer)
		m := w.memberBy("new@partner.test")
		if m.Name != "New Comer" || m.GivenName != "New" || m.Status() != directory.StatusActive || m.Role != "rol_member" {
			t.Errorf("%+v", m)
		}
		if n := w.live(acme, m.ID); n != 2 {
			t.Errorf("%d sessions of one member", n)
		}
	})
}

func (w *world) memberBy(address string) directory.Member {
	w.t.Helper()
	var m *directory.Member
	w.must(w.DB.Read(context.Background(), acme, func(tx *store.Tx) (err error) {
		m, err = tx.MemberByEmail(address)
		return err
	}))
	return *m
}

func TestSAML_ReadsGroupsAndTellsNoneFromUnknown(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		many := make([]string, 2000)
		for i := range many {
			many[i] = fmt.Sprintf("Group number %04d of the company", i)
		}
		claims := func() []string {
			var out []string
			w.must(w.DB.Read(context.Background(), acme, func(tx *store.Tx) error {
				found, err := tx.Claims([]string{bob})
				for _, c := range found[bob] {
					out = c.Groups
				}
				return err
			}))
			return out
		}
		set := func(values ...string) func(*samltest.Response) {
			return func(r *samltest.Response) { r.Assertion.Attributes[3].Values = values }
		}
		w.browser().enters(w, set(many...))
		if got := claims(); len(got) != 2000 {
			t.Errorf("%d groups of 2000", len(got))
		}
		last := w.events(acme, audit.SignInSucceeded)
		if p := string(last[len(last)-1].Payload); len(p) > audit.MaxPayload || len(p) < audit.MaxPayload*9/10 || !strings.Contains(p, "the XML is cut: ") {
			t.Errorf("the payload has %d bytes", len(p))
		}
		w.browser().enters(w, func(r *samltest.Response) { r.Assertion.Attributes = r.Assertion.Attributes[:3] })
		if got := claims(); len(got) != 2000 {
			t.Errorf("an absent claim changed the groups to %d", len(got))
		}
		w.browser().enters(w, func(r *samltest.Response) {
			set("Truncated")(r)
			r.Assertion.Attributes = append(r.Assertion.Attributes, saml.Attribute{Name: entraOverage, Values: []string{"https://graph.example/groups"}})
		})
		if got := claims(); len(got) != 2000 {
			t.Errorf("a truncated claim changed the groups to %d", len(got))
		}
		w.browser().enters(w, set("A", "B", "A", ""))
		if got := claims(); strings.Join(got, ",") != "A,B" {
			t.Errorf("groups: %q", got)
		}
		w.browser().enters(w, set())
		if got := claims(); got == nil || len(got) != 0 {
			t.Errorf("an empty claim left %q", got)
		}
	})
}

func TestSAML_KnowsPeopleByAnAttributeWhereTheConnectionSaysSo(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		w.reconnect(func(c *directory.Connection) { c.SAML.Attributes.Subject = "objectidentifier" })
		with := func(values ...string) func(*samltest.Response) {
			return func(r *samltest.Response) {
				r.Assertion.NameID.Format = saml.FormatTransient
				r.Assertion.Attributes = append(r.Assertion.Attributes, saml.Attribute{Name: "objectidentifier", Values: values})
			}
		}
		w.browser().enters(w, with("4711"))
		w.browser().enters(w, func(r *samltest.Response) { with("4711")(r); r.Assertion.NameID.Value = "another one" })
		if n := w.live(acme, bob); n != 2 {
			t.Errorf("%d sessions", n)
		}
		for _, values := range [][]string{nil, {"a", "b"}, {""}} {
			b := w.browser()
			q := b.begin(okta)
			r := w.response(q.id)
			with(values...)(r)
			w.wantRefused(b.answers(okta, sign(r), q.relay), "subject_missing", "subject_missing")
		}
		w.reconnect(func(c *directory.Connection) { c.SAML.Attributes.Subject = "" })
		b := w.browser()
		q := b.begin(okta)
		r := w.response(q.id)
		with("4711")(r)
		w.wantRefused(b.answers(okta, sign(r), q.relay), "subject_transient", "subject_transient")
	})
}

func TestSAML_ShortensTheSessionAsTheIdPAsks(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		b := w.browser()
		b.enters(w, func(r *samltest.Response) {
			r.Assertion.Authn[0].SessionNotOnOrAfter = samltest.Instant(w.clock.now().Add(time.Hour))
		})
		w.turn(59 * minute)
		if got := b.get("/auth/session").StatusCode; got != http.StatusOK {
			t.Errorf("a minute before: %d", got)
		}
		w.turn(minute)
		if got := b.get("/auth/session").StatusCode; got != http.StatusUnauthorized {
			t.Errorf("at the end: %d", got)
		}
		w.browser().enters(w, func(r *samltest.Response) {
			r.Assertion.Authn[0].SessionNotOnOrAfter = samltest.Instant(w.clock.now().Add(365 * 24 * time.Hour))
		})
		live, err := w.ListSessions(context.Background(), acme, bob)
		w.must(err)
		if !live[0].ExpiresAt.Equal(w.clock.now().Add(session.Absolute)) {
			t.Errorf("expires at %s", live[0].ExpiresAt)
		}
	})
}

func TestSAML_FirstSignInProvesAnActiveConnection(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		w.reconnect(func(c *directory.Connection) { c.VerifiedAt = time.Time{} })
		w.browser().enters(w, nil)
		w.browser().enters(w, nil)
		cfg, err := w.config(context.Background(), acme)
		w.must(err)
		if c, _ := cfg.Connection(okta); !c.Verified() || c.SAML.EntityID == "" {
			t.Errorf("%+v", c)
		}
		if got := reasons(w.events(acme, audit.ConnectionVerified)); got != "connection.verified " {
			t.Errorf("events: %q", got)
		}
	})
}

func TestMetadata_IsThereFromDraftOnAndForSAMLOnly(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.DB.Write(context.Background(), acme, func(tx *store.Tx) error {
			tx.SaveConnection(directory.Connection{ID: "con_draft", Name: "Draft", Provider: "generic", Protocol: directory.ProtocolSAML, Status: directory.ConnectionDraft}, true)
			tx.SaveConnection(directory.Connection{ID: "con_oidc", Name: "OIDC", Provider: "generic", Protocol: directory.ProtocolOIDC, Status: directory.ConnectionActive}, true)
			return tx.Record(audit.Event{Type: audit.ConnectionCreated})
		}))
		first, again := w.browser().get("/auth/saml/con_draft/metadata"), w.browser().get("/auth/saml/con_draft/metadata")
		if first.StatusCode != http.StatusOK || first.body != again.body || first.Header.Get("Content-Type") != "application/samlmetadata+xml" || first.Header.Get("Cache-Control") != "public, max-age=300" {
			t.Errorf("%d %v %s", first.StatusCode, first.Header, first.body)
		}
		for _, want := range []string{`entityID="http://gatehouse.test/auth/saml/con_draft/metadata"`, `Location="http://gatehouse.test/auth/saml/con_draft/acs"`} {
			if !strings.Contains(first.body, want) {
				t.Errorf("%s is missing from %s", want, first.body)
			}
		}
		for _, path := range []string{"/metadata", "/login"} {
			unknown := w.browser().get("/auth/saml/con_nowhere" + path)
			for _, id := range []string{"con_oidc", "%00", strings.Repeat("x", 4000)} {
				a := w.browser().get("/auth/saml/" + id + path)
				if a.StatusCode != http.StatusNotFound || withoutRequest(a.body) != withoutRequest(unknown.body) {
					t.Errorf("%s of %.20s: %d %s", path, id, a.StatusCode, a.body)
				}
			}
		}
		if a := w.browser().answers("con_oidc", "x", ""); a.StatusCode != http.StatusNotFound {
			t.Errorf("acs: %d", a.StatusCode)
		}
	})
}

func TestLogin_RefusesAConnectionThatNobodyCanUse(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		for code, change := range map[string]func(*directory.Connection){
			"connection_draft":    func(c *directory.Connection) { c.Status = directory.ConnectionDraft },
			"connection_disabled": func(c *directory.Connection) { c.Status = directory.ConnectionDisabled },
			"idp_unknown": func(c *directory.Connection) {
				c.Status, c.SAML = directory.ConnectionActive, &directory.SAML{}
			},
		} {
			w.connect(acme, okta, oktaIdP(), change)
			a := w.browser().get("/auth/saml/con_okta/login")
			if a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, code) || len(a.Header.Values("Set-Cookie")) != 0 {
				t.Errorf("%s: %d %s", code, a.StatusCode, a.body)
			}
			w.wantItsEvent(a, code)
		}
		// Anybody may ask, and nobody fills the log by it.
		b, before := w.browser(), len(w.events(acme, audit.SignInRefused))
		for range strangerEvents + 5 {
			if a := b.get("/auth/saml/con_okta/login"); a.StatusCode != http.StatusForbidden {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
		}
		if n := len(w.events(acme, audit.SignInRefused)); n > strangerEvents {
			t.Errorf("%d events of one client, %d of them before, at most %d are meant", n, before, strangerEvents)
		}
	})
}

func TestLogin_PostsTheRequestWhereTheIdPHasNoRedirect(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		w.reconnect(func(c *directory.Connection) {
			c.SAML.SSO = []directory.Endpoint{{Binding: saml.BindingPOST, Location: "https://okta.example/post?a=1&b=2"}}
		})
		a := w.browser().get("/auth/saml/con_okta/login")
		if a.StatusCode != http.StatusOK || !strings.Contains(a.body, `action="https://okta.example/post?a=1&amp;b=2"`) || !strings.Contains(a.body, `name="SAMLRequest"`) ||
			!strings.Contains(a.body, `name="RelayState" value="grs_`) || !strings.Contains(a.body, "<button") || !strings.Contains(a.body, `src="/assets/onward.js?v=`) {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		if csp := a.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' https://okta.example;") {
			t.Errorf("policy: %s", csp)
		}
	})
}

func TestLogin_IsBoundedForOneClient(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		w.fill("begin", beginLimit)
		a := w.browser().get("/auth/saml/con_okta/login")
		if a.StatusCode != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	})
}

// fill counts n attempts of the test's own client.
func (w *world) fill(kind string, n int) {
	w.t.Helper()
	name := bucket(kind, from("127.0.0.1").Bucket)
	names, limits := make([]string, n), make([]int, n)
	for i := range names {
		names[i], limits[i] = name, n
	}
	_, err := w.DB.System().Attempt(context.Background(), limitWindow, names, limits)
	w.must(err)
}

func TestFreshSignIn_AsksTheIdPForAProofNow(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		b := w.browser()
		q := b.begin(okta, "fresh", "1", "continue", "/console/sso")
		if !strings.Contains(q.xml, `ForceAuthn="true"`) {
			t.Errorf("request: %s", q.xml)
		}
		stale := w.response(q.id)
		stale.Assertion.Authn[0].AuthnInstant = samltest.Instant(w.clock.now().Add(-time.Hour))
		w.wantRefused(b.answers(okta, sign(stale), q.relay), "authn_instant", "authn_instant")
		a := b.answers(okta, sign(w.response(q.id)), q.relay)
		if a.to() != "/console/sso" {
			t.Errorf("%d to %q: %s", a.StatusCode, a.to(), a.body)
		}
	})
}

func TestDirectoryPerson_SignsInAndStaysThatPerson(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		b := w.browser()
		b.enters(w, nil)
		w.must(w.DB.Read(context.Background(), acme, func(tx *store.Tx) error {
			links, err := tx.IdentitiesOf(bob)
			if len(links) != 1 || links[0].Connection != okta || links[0].Shown != "bob@acme.test" || links[0].Subject != `["nameid","`+saml.FormatEmail+`","","","bob@acme.test"]` {
				t.Errorf("links: %+v", links)
			}
			return err
		}))
		_, err := w.people.Deactivate(context.Background(), provision.Scope{Workspace: acme, Actor: operator}, provision.Who(bob))
		w.must(err)
		if got := b.get("/auth/session").StatusCode; got != http.StatusUnauthorized {
			t.Errorf("after the deactivation: %d", got)
		}
	})
}
