package signin

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// beside says which connection acme's directory stands beside, and where it stands.
func (w *world) beside(connection string, status directory.DirectoryStatus) {
	w.t.Helper()
	w.must(w.DB.Write(context.Background(), acme, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		d, _ := cfg.Directory("dir_okta")
		d.Connection, d.Status = connection, status
		tx.SaveDirectory(d, false)
		return tx.Record(audit.Event{Type: audit.DirectoryChanged})
	}))
}

// life is how long the newest session of a member may live.
func (w *world) life(member string) time.Duration {
	w.t.Helper()
	live, err := w.ListSessions(context.Background(), acme, member)
	w.must(err)
	if len(live) == 0 {
		w.t.Fatal("there is no session")
	}
	return live[0].ExpiresAt.Sub(live[0].CreatedAt)
}

func TestSession_ThroughAConnectionWhereNobodyNoticesWhoLeavesLivesTwelveHours(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		for _, c := range []struct {
			connection string
			status     directory.DirectoryStatus
			want       time.Duration
		}{
			{okta, directory.DirectoryEnabled, session.Absolute}, {"", directory.DirectoryEnabled, 12 * time.Hour}, {okta, directory.DirectoryPaused, 12 * time.Hour},
			{okta, directory.DirectoryDraft, 12 * time.Hour}, {okta, directory.DirectoryTesting, 12 * time.Hour}, {okta, directory.DirectoryEnabled, session.Absolute},
		} {
			w.beside(okta, directory.DirectoryEnabled) // so that bob is found by his directory
			w.browser().enters(w, nil)
			w.beside(c.connection, c.status)
			w.clock.turn(time.Minute)
			b := w.browser()
			b.enters(w, nil)
			if got := w.life(bob); got != c.want {
				t.Errorf("beside %q, %s: a session lives %v, want %v", c.connection, c.status, got, c.want)
			}
			if c.want != 12*time.Hour {
				continue
			}
			// Whoever uses it all the while is out after that, too.
			for range 12 {
				if a := b.get("/auth/session"); a.StatusCode != http.StatusOK {
					t.Fatalf("before its end it answers %d", a.StatusCode)
				}
				w.clock.turn(time.Hour)
				w.must(w.DB.FlushMarks(context.Background()))
			}
			if a := b.get("/auth/session"); a.StatusCode != http.StatusUnauthorized {
				t.Errorf("after twelve hours it answers %d", a.StatusCode)
			}
		}
		// What the IdP shortens more stays shorter.
		w.beside(okta, directory.DirectoryPaused)
		w.clock.turn(time.Minute)
		w.browser().enters(w, func(r *samltest.Response) {
			r.Assertion.Authn[0].SessionNotOnOrAfter = samltest.Instant(w.clock.now().Add(time.Hour))
		})
		if got := w.life(bob); got != time.Hour {
			t.Errorf("with an end of the IdP's it lives %v", got)
		}
		w.clock.turn(time.Minute)
		// A password has no directory that could notice anything, and no such end.
		w.browser().signIn("acme", "bob@acme.test")
		if got := w.life(bob); got != session.Absolute {
			t.Errorf("by password it lives %v", got)
		}
	})
}

// several connects acme to okta for acme.test, to entra for its own, and to a third without a domain.
func (w *world) several() {
	w.t.Helper()
	w.connect(acme, okta, oktaIdP(), func(c *directory.Connection) { c.Domains = []string{"acme.test"} })
	w.connect(acme, "con_entra", oktaIdP(), func(c *directory.Connection) { c.Domains = []string{"entra.test", "more.test"} })
	w.connect(acme, "con_third", oktaIdP(), nil)
	w.proven(acme, "acme.test")
	w.proven(acme, "entra.test")
	w.proven(acme, "nobodys.test")
}

// ways are the connections that a page offers, in its order.
func ways(body string) string {
	var ids []string
	for _, part := range strings.Split(body, `href="/auth/saml/`)[1:] {
		id, _, _ := strings.Cut(part, "/")
		ids = append(ids, id)
	}
	return strings.Join(ids, " ")
}

const all3 = "con_entra con_okta con_third"

func TestChooser_ShowsTheConnectionOfTheDomainElseThoseWithoutOne(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		w.several()
		for path, want := range map[string]string{
			identified("bob@acme.test"): okta, identified("BOB@Acme.Test"): okta, identified("acme.test"): okta, identified("x@entra.test"): "con_entra",
			identified("x@nobodys.test"):                   "con_third",
			identified("acme"):                             all3,
			"/signin?workspace=acme":                       all3,
			"/signin?workspace=acme&email=x@more.test":     "con_entra", // unproven: within its own workspace it leads there
			identified("x@more.test"):                      "",          // and from the first page nowhere
			"/signin?workspace=acme&email=x@elsewhere.com": "con_third",
			"/signin?workspace=acme&email=nonsense":        all3,
			"/signin?workspace=beta&email=bob@acme.test":   "",
		} {
			a := w.browser().get(path)
			if a.StatusCode != http.StatusOK || ways(a.body) != want {
				t.Errorf("%s: %d offers %q, want %q", path, a.StatusCode, ways(a.body), want)
			}
			if narrowed := want != all3 && want != ""; narrowed != strings.Contains(a.body, `id="all-ways" href="/signin?workspace=acme"`) {
				t.Errorf("%s: the way to all of them: %s", path, a.body)
			}
			if len(a.Header.Values("Set-Cookie")) != 0 {
				t.Errorf("%s: the page remembers something: %v", path, a.Header.Values("Set-Cookie"))
			}
		}
		// A refused password keeps to the same.
		if a := w.browser().post("/signin", "workspace", "acme", "email", "bob@acme.test", "password", guess); ways(a.body) != okta {
			t.Errorf("%d offers %q", a.StatusCode, ways(a.body))
		}
		// Where single sign-on is required the domain's own is the only way, and is taken at once.
		w.enforce()
		if a := w.browser().get(identified("bob@acme.test") + "&continue=/console"); a.StatusCode != http.StatusFound || a.to() != "/auth/saml/con_okta/login?continue=%2Fconsole" {
			t.Errorf("%d to %q", a.StatusCode, a.to())
		}
		// A connection that does not work claims nobody: what is left is shown.
		w.reconnect(func(c *directory.Connection) { c.Status = directory.ConnectionDisabled })
		if a := w.browser().get("/signin?workspace=acme&email=bob@acme.test"); ways(a.body) != "con_third" {
			t.Errorf("%q", ways(a.body))
		}
	})
}

func TestChooser_AnswersByTheDomainAloneAndTellsNoAddress(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		w.several()
		same := func(path string) {
			t.Helper()
			want := ""
			for _, who := range []string{"bob", "ann", "gone", "pat", "root", "nobody"} {
				a := w.browser().get(strings.ReplaceAll(path, "WHO", who))
				body := strings.ReplaceAll(a.body, who+"@", "WHO@")
				if want == "" {
					want = body
				}
				if a.StatusCode != http.StatusOK || body != want {
					t.Errorf("%s of %s: %d differs", path, who, a.StatusCode)
				}
			}
		}
		same(strings.ReplaceAll(identified("WHO@acme.test"), "%40", "@"))
		same("/signin?workspace=acme&email=WHO@acme.test")
		// A neighbour that claims the domain for its connection leads nobody away.
		w.connect(beta, "con_beta", oktaIdP(), func(c *directory.Connection) { c.Domains = []string{"acme.test", "entra.test"} })
		if a := w.browser().get(identified("bob@acme.test")); ways(a.body) != okta {
			t.Errorf("%q", ways(a.body))
		}
	})
}

func TestLink_NamesAConnectionOfItsWorkspaceAndNoOther(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		w.several()
		w.connect(beta, "con_beta", oktaIdP(), nil)
		link := func(workspace, connection, more string) string {
			return "/signin?" + url.Values{"workspace": {workspace}, "connection": {connection}}.Encode() + more
		}
		for path, to := range map[string]string{
			link("acme", "con_entra", ""):                         "/auth/saml/con_entra/login",
			link("ACME", okta, "&email=x@entra.test"):             "/auth/saml/con_okta/login", // the link says more than the domain
			link("acme", okta, "&continue=/console/acme&fresh=1"): "/auth/saml/con_okta/login?continue=%2Fconsole%2Facme&fresh=1",
			link("acme", okta, "&continue=https://evil.test/"):    "/auth/saml/con_okta/login",
			link("acme", okta, "&identifier=acme"):                "/auth/saml/con_okta/login",
		} {
			if a := w.browser().get(path); a.StatusCode != http.StatusFound || a.to() != to {
				t.Errorf("%s: %d to %q, want %q", path, a.StatusCode, a.to(), to)
			}
		}
		// Another workspace's id is as unknown as none, and after a refusal or a sign-out nothing begins by itself.
		plain := w.browser().get("/signin?workspace=acme").body
		for _, connection := range []string{"con_beta", "con_nobody", "Okta", "../con_okta", "<script>alert(1)</script>", "\x00", strings.Repeat("x", 9000)} {
			if a := w.browser().get(link("acme", connection, "")); a.StatusCode != http.StatusOK || a.body != plain {
				t.Errorf("%.30q: %d differs from the page without it", connection, a.StatusCode)
			}
		}
		for _, more := range []string{"&notice=signed_out", "&notice=ended", "&notice=x", "&emergency=1"} {
			if a := w.browser().get(link("acme", okta, more)); a.StatusCode != http.StatusOK {
				t.Errorf("%s: %d to %q", more, a.StatusCode, a.to())
			}
		}
		if a := w.browser().get(link("", okta, "")); a.StatusCode != http.StatusOK || ways(a.body) != "" {
			t.Errorf("without a workspace: %d %q", a.StatusCode, ways(a.body))
		}
		w.reconnect(func(c *directory.Connection) { c.Status = directory.ConnectionDisabled })
		if a := w.browser().get(link("acme", okta, "")); a.StatusCode != http.StatusOK || ways(a.body) != "con_entra con_third" {
			t.Errorf("a disabled one: %d %q", a.StatusCode, ways(a.body))
		}
	})
}

func TestChooser_KeepsItsOrder(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		w.several()
		for i := range 3 {
			w.reconnect(func(c *directory.Connection) { c.Name = fmt.Sprint("Renamed ", i) })
			if got := ways(w.browser().get("/signin?workspace=acme").body); got != all3 {
				t.Errorf("%q", got)
			}
		}
	})
}

func TestDisabledConnection_ThatLetsItsSessionsRunLetsNobodyIn(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		admin := &settings.Service{DB: w.DB, PublicURL: w.PublicURL}
		who := audit.Party{Kind: "operator", Name: "test"}
		disable := func(keep bool) {
			t.Helper()
			_, err := admin.DisableConnection(context.Background(), "acme", okta, keep, who)
			w.must(err)
		}
		b, late := w.browser(), w.browser()
		b.enters(w, nil)
		q := late.begin(okta)
		disable(true)
		if a := b.get("/auth/session"); a.StatusCode != http.StatusOK {
			t.Errorf("the session that was to run answers %d", a.StatusCode)
		}
		if a := b.get("/w/acme"); a.StatusCode != http.StatusOK {
			t.Errorf("its page answers %d", a.StatusCode)
		}
		w.wantRefused(late.answers(okta, sign(w.response(q.id)), q.relay), "connection_disabled", "connection_disabled")
		if a := late.get("/auth/saml/con_okta/login"); a.StatusCode != http.StatusForbidden {
			t.Errorf("beginning answers %d", a.StatusCode)
		}
		// It still has its own end, and its member's.
		w.clock.turn(session.Idle)
		if a := b.get("/auth/session"); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("an idle one answers %d", a.StatusCode)
		}
		_, err := admin.ActivateConnection(context.Background(), "acme", okta, who)
		w.must(err)
		b.enters(w, nil)
		disable(true)
		disable(false)
		if a := b.get("/auth/session"); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("one that was ended after all answers %d", a.StatusCode)
		}
	})
}

func TestDisabling_RacingSignInsLeavesNoSessionWhereTheyWereToEnd(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		admin := &settings.Service{DB: w.DB, PublicURL: w.PublicURL}
		who := audit.Party{Kind: "operator", Name: "test"}
		for range 10 {
			w.connect(acme, okta, oktaIdP(), func(c *directory.Connection) { c.SAML.IdPInitiated, c.SessionsRun = true, false })
			responses := make([]string, 4)
			for i := range responses {
				responses[i] = sign(w.response(""))
			}
			together(len(responses)+2, func(i int) {
				if i >= len(responses) { // once to end them and once to let them run, in either order
					if _, err := admin.DisableConnection(context.Background(), "acme", okta, i > len(responses), who); err != nil {
						t.Error(err)
					}
					return
				}
				_, _ = w.SAML(context.Background(), Answer{Connection: okta, Response: responses[i], Client: from(fmt.Sprintf("192.0.2.%d", i))}) // in or refused
			})
			if n := w.live(acme, bob); n != 0 {
				t.Fatalf("%d sessions outlived the word to end them", n)
			}
		}
	})
}
