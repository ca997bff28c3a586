package signin

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// proven marks a domain as proven by a workspace.
func (w *world) proven(workspace, domain string) {
	w.t.Helper()
	w.must(w.DB.Write(context.Background(), workspace, func(tx *store.Tx) error {
		tx.InsertDomain(domain)
		return tx.Record(audit.Event{Type: audit.SettingsChanged})
	}))
}

func identified(typed string) string { return "/signin?" + url.Values{"identifier": {typed}}.Encode() }

const oktaButton = `href="/auth/saml/con_okta/login"`

func TestSignin_AsksOneQuestionFirst(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		a := w.browser().get("/signin")
		if a.StatusCode != http.StatusOK || strings.Count(a.body, "<input") != 1 || !strings.Contains(a.body, `name="identifier"`) {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		if csp := a.Header.Get("Content-Security-Policy"); strings.Contains(a.body, `type="password"`) || !strings.Contains(csp, "form-action 'self' https: http:;") {
			t.Errorf("policy: %s", csp)
		}
	})
}

func TestSignin_FindsTheWorkspaceBySlugDomainOrAddress(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		w.proven(acme, "acme.test")
		for typed, email := range map[string]string{"acme": "", " ACME ": "", "acme.test": "", "Acme.Test": "", "bob@acme.test": "bob@acme.test", "Nobody@ACME.test": "Nobody@ACME.test"} {
			a := w.browser().get(identified(typed))
			if a.StatusCode != http.StatusOK || !strings.Contains(a.body, oktaButton) || !strings.Contains(a.body, "Continue with Okta") ||
				!strings.Contains(a.body, `name="workspace" value="acme"`) || !strings.Contains(a.body, `name="email" type="email" value="`+email+`"`) {
				t.Errorf("%q: %d %s", typed, a.StatusCode, a.body)
			}
		}
		// Whoever is known at that domain and whoever is not see the same.
		known, unknown := w.browser().get(identified("bob@acme.test")), w.browser().get(identified("xyz@acme.test"))
		if strings.ReplaceAll(known.body, "bob@", "xyz@") != unknown.body {
			t.Error("the page tells which addresses exist")
		}
		first := ""
		for _, typed := range []string{"a@nowhere.test", "a@gone.test", "a@beta.test"} {
			a := w.browser().get(identified(typed))
			page := strings.ReplaceAll(a.body, typed, "")
			if first == "" {
				first = page
			}
			if a.StatusCode != http.StatusOK || page != first || !strings.Contains(a.body, `name="workspace" value=""`) || strings.Contains(a.body, "/auth/saml/") {
				t.Errorf("%q: %d %s", typed, a.StatusCode, a.body)
			}
		}
		for _, typed := range []string{"@", "a@", "@acme.test", "a b@acme.test", "..", ".", "\x00acme", strings.Repeat("a.", 3000), "<script>"} {
			if a := w.browser().get(identified(typed)); a.StatusCode != http.StatusOK || strings.Contains(a.body, oktaButton) || strings.Contains(a.body, "<script>") {
				t.Errorf("%.20q: %d %s", typed, a.StatusCode, a.body)
			}
		}
	})
}

func TestSignin_FindsAWorkspaceByItsDomainHoweverThatIsWritten(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		w.proven(acme, "xn--mnchen-3ya.de")
		for typed, found := range map[string]bool{
			"bob@münchen.de": true, "bob@MÜNCHEN.DE": true, "bob@xn--mnchen-3ya.de": true, "bob@münchen.de.": true, "münchen.de": true, "MÜNCHEN.de.": true, "Mu\u0308nchen.de": true,
			"bob@ｍünchen.de": true, "bob@münchen\u3002de": true,
			"bob@munchen.de": false, "bob@mü\u0441hen.de": false, "bob@eu.münchen.de": false, "bob@münchen.de.evil.test": false, "a@b@münchen.de": false, "\"a@b\"@münchen.de": false,
			"bob@evil.test\uff20münchen.de": false, "bob\uff20münchen.de": false, "bob@münchen.de..": false,
		} {
			a := w.browser().get(identified(typed))
			if a.StatusCode != http.StatusOK || strings.Contains(a.body, oktaButton) != found {
				t.Errorf("%q: %d, found %v, want %v", typed, a.StatusCode, strings.Contains(a.body, oktaButton), found)
			}
		}
	})
}

// Who asks for a way in by an address learns what its domain says, and nothing of the person: whoever they are, page, status
// and headers are the same but for what was typed.
func TestSignin_AnswersByTheDomainAloneWhoeverHasTheAddress(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		w.must(w.DB.Write(context.Background(), acme, func(tx *store.Tx) error {
			lowest := directory.RoleReason{Source: directory.RoleByDefault}
			tx.InsertMember(&directory.Member{ID: "mem_invited", Email: "invited@acme.test", Stage: directory.StageInvited, Role: "rol_member", RoleReason: lowest})
			return tx.Record(audit.Event{Type: audit.MemberCreated})
		}))
		people := map[string]string{"member": "bob@acme.test", "owner": "Ann@acme.test", "break-glass": "root@acme.test", "pending": "pat@acme.test",
			"deactivated": "gone@acme.test", "invited": "invited@acme.test", "stranger": "nobody.at.all@acme.test", "somebody elsewhere": "zoe@acme.test"}
		same := func(when string) {
			t.Helper()
			want := ""
			for who, address := range people {
				a := w.browser().get(identified(address))
				got := fmt.Sprint(a.StatusCode, a.to(), a.Header.Get("Content-Security-Policy"), a.Header.Get("Cache-Control"), len(a.Header["Set-Cookie"]), strings.ReplaceAll(strings.ReplaceAll(a.body, url.QueryEscape(address), "WHO"), address, "WHO"))
				if want == "" {
					want = got
				}
				if got != want {
					t.Errorf("%s: the answer to the %s is another one: %s\nand not\n%s", when, who, got, want)
				}
			}
		}
		same("a domain that nobody has")
		w.proven(acme, "acme.test")
		same("a proven domain")
		w.enforce()
		same("single sign-on required")
		w.must(w.DB.Write(context.Background(), acme, func(tx *store.Tx) error {
			tx.DeleteDomain("acme.test")
			return tx.Record(audit.Event{Type: audit.DomainLapsed})
		}))
		same("a lapsed domain")
	})
}

func TestSignin_LeadsStraightToTheIdPWhereThatIsTheOnlyWay(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		w.proven(acme, "acme.test")
		w.enforce()
		to := "/console/sso"
		a := w.browser().get(identified("bob@acme.test") + "&continue=" + url.QueryEscape(to))
		if a.StatusCode != http.StatusFound || a.to() != "/auth/saml/con_okta/login?continue=%2Fconsole%2Fsso" {
			t.Errorf("%d to %q", a.StatusCode, a.to())
		}
		// Never for whoever comes from somewhere else than the question.
		for _, path := range []string{"/signin?workspace=acme", "/signin?workspace=acme&notice=signed_out", "/signin?workspace=acme&email=bob@acme.test", "/signin?workspace=acme&notice=ended",
			identified("bob@acme.test") + "&notice=signed_out", identified("bob@acme.test") + "&emergency=1"} {
			if a := w.browser().get(path); a.StatusCode != http.StatusOK || !strings.Contains(strings.ToLower(a.body), "emergency access") {
				t.Errorf("%s: %d to %q", path, a.StatusCode, a.to())
			}
		}
		page := w.browser().get("/signin?workspace=acme")
		if strings.Contains(page.body, `type="password"`) || !strings.Contains(page.body, oktaButton) || !strings.Contains(page.body, "/signin?emergency=1&amp;workspace=acme") {
			t.Errorf("page: %s", page.body)
		}
		// The break-glass administrator enters without the IdP; others are told which way is theirs.
		b := w.browser()
		if a := b.post("/signin", "workspace", "acme", "email", "root@acme.test", "password", password, "emergency", "1"); a.to() != "/w/acme" {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		if a := w.browser().post("/signin", "workspace", "acme", "email", "ann@acme.test", "password", password); a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, oktaButton) || !strings.Contains(a.body, "sso_required") {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		// With two ways there is a choice.
		w.connect(acme, "con_entra", oktaIdP(), nil)
		if a := w.browser().get(identified("bob@acme.test")); a.StatusCode != http.StatusOK || strings.Count(a.body, "Continue with ") != 2 {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	})
}

func TestSignin_OffersOnlyConnectionsThatWork(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		w.enforce()
		for _, status := range []directory.ConnectionStatus{directory.ConnectionDraft, directory.ConnectionDisabled} {
			w.reconnect(func(c *directory.Connection) { c.Status = status })
			a := w.browser().get("/signin?workspace=acme")
			if strings.Contains(a.body, oktaButton) || !strings.Contains(a.body, `type="password"`) {
				t.Errorf("%s: %s", status, a.body)
			}
		}
	})
}

func TestFreshSignIn_IsAskedForThoughSomebodyIsSignedIn(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		b := w.browser()
		b.signIn("acme", "ann@acme.test")
		a := b.get("/signin?workspace=acme&continue=/console")
		if !strings.Contains(a.body, "Go on as Ann@acme.test") || !strings.Contains(a.body, `href="/console"`) {
			t.Errorf("page: %s", a.body)
		}
		a = b.get("/signin?workspace=acme&continue=/console&fresh=1")
		if a.StatusCode != http.StatusOK || strings.Contains(a.body, "Go on as") || !strings.Contains(a.body, `href="/auth/saml/con_okta/login?continue=%2Fconsole&amp;fresh=1"`) ||
			!strings.Contains(a.body, `name="fresh" value="1"`) {
			t.Errorf("page: %s", a.body)
		}
	})
}
