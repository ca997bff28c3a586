package signin

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// elsewhere are addresses that lead away from here, or nowhere (A40).
var elsewhere = []string{
	"", "/", "//evil.example", "///evil.example", "https://evil.example/w/acme", "https:evil.example", "http:/evil.example", `/\evil.example`, `\\evil.example`, `/w\..\evil`,
	"javascript:alert(1)", "/w/%0d%0aSet-Cookie:x=1", "/w/acme\r\nX: y", "/w/acme\x00", "/%09/evil.example", "/\t/evil.example", " /w/acme", "/w/acme#x",
	"/w/../signout", "/w/%2e%2e/signout", "/w/./x", "/w//evil.example", "/w/%2f%2fevil.example", "/w/%5c%5cevil.example", "//user@evil.example/w/", "/w", "/wide", "/consoles", "/console/../x",
	"/oauth2/authorize/", "/oauth2/token", "/oauth2/authorize%2f..", "/signout", "/signin", "/auth/saml/con_okta/login", "<script>alert(1)</script>", `/w/"><script>`, "/w/é",
	"/w/" + strings.Repeat("a", maxContinue), "/w/%zz", "?x=/w/acme", "w/acme", "@evil.example/w/", "/w/acme?x=<script>",
}

var here = []string{
	"/w/acme", "/w/acme?done=others", "/w/acme/sessions", "/console", "/console/", "/console?x=1", "/console/sso?workspace=acme",
	"/oauth2/authorize?client_id=app_1&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&state=%0d%0a%22%3E&scope=openid+email", "/oauth2/authorize",
	"/oauth2/authorize?redirect_uri=https://app.example//cb&next=../..",
}

func TestContinuePath_AllowsOwnPathsAndNothingElse(t *testing.T) {
	for _, raw := range here {
		if got, ok := ContinuePath(raw); !ok || got != raw {
			t.Errorf("%q is refused", raw)
		}
	}
	for _, raw := range elsewhere {
		if got, ok := ContinuePath(raw); ok || got != "" {
			t.Errorf("%.60q is allowed as %.60q", raw, got)
		}
	}
}

func FuzzContinuePath(f *testing.F) {
	for _, raw := range append(here, elsewhere...) {
		f.Add(raw)
	}
	base := &url.URL{Scheme: "https", Host: "gatehouse.test", Path: "/signin"}
	f.Fuzz(func(t *testing.T, raw string) {
		path, ok := ContinuePath(raw)
		if !ok {
			return
		}
		u, err := base.Parse(path)
		if err != nil || u.Host != base.Host || u.Scheme != base.Scheme || u.User != nil || path != raw {
			t.Fatalf("%q leads to %v, %v", raw, u, err)
		}
		if p := u.Path; p != "/oauth2/authorize" && p != "/console" && !strings.HasPrefix(p, "/console/") && !strings.HasPrefix(p, "/w/") {
			t.Fatalf("%q leads to %q", raw, p)
		}
	})
}

func TestRelayState_OfAnUnsolicitedAnswerLeadsNowhereElse(t *testing.T) { // A40, SA28
	eachConnected(t, func(t *testing.T, w *world) {
		w.reconnect(func(c *directory.Connection) { c.SAML.IdPInitiated = true })
		list := append([]string{"/w/beta", "/w/acme2"}, elsewhere...)
		for i, raw := range append(list, here...) {
			if i%3 != 0 && i >= 6 && i < len(list) { // the rule has its own test; these are to see that it is asked
				continue
			}
			want := "/w/acme"
			if i >= len(list) {
				want = raw
			}
			a := w.browser().answers(okta, sign(w.response("")), raw)
			if a.StatusCode != http.StatusSeeOther || a.to() != want {
				t.Errorf("%.60q: %d to %q, want %q", raw, a.StatusCode, a.to(), want)
			}
		}
	})
}

func TestContinue_IsCarriedThroughEveryWayIn(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		const to = "/oauth2/authorize?client_id=app_1&redirect_uri=https%3A%2F%2Fapp.example%2Fcb"
		q := url.Values{"continue": {to}}.Encode()
		ask := w.browser().get("/signin?" + q)
		if got := hidden(ask.body); len(got) != 2 || got[0] != "continue" || got[1] != to {
			t.Errorf("the first question: %q", got)
		}
		ways := w.browser().get("/signin?workspace=acme&" + q)
		if got := hidden(ways.body); len(got) != 2 || got[1] != to || !strings.Contains(ways.body, `href="/auth/saml/con_okta/login?continue=%2Foauth2%2Fauthorize%3Fclient_id`) {
			t.Errorf("the ways in: %q %s", got, ways.body)
		}
		if got := hidden(w.browser().get("/signin?emergency=1&" + q).body); len(got) != 4 || got[1] != to {
			t.Errorf("emergency access: %q", got)
		}
		b := w.browser()
		refused := b.post("/signin", "workspace", "acme", "email", "ann@acme.test", "password", guess, "continue", to)
		if got := hidden(refused.body); len(got) != 2 || got[1] != to {
			t.Errorf("a refused password: %q", got)
		}
		if a := b.post("/signin", "workspace", "acme", "email", "ann@acme.test", "password", password, "continue", to); a.to() != to {
			t.Errorf("password: %d to %q", a.StatusCode, a.to())
		}
		for _, bad := range elsewhere[:12] {
			b := w.browser()
			if a := b.post("/signin", "workspace", "acme", "email", "ann@acme.test", "password", password, "continue", bad); a.to() != "/w/acme" {
				t.Errorf("%q: password leads to %q", bad, a.to())
			}
			asked := b.begin(okta, "continue", bad)
			if a := b.answers(okta, sign(w.response(asked.id)), asked.relay); a.to() != "/w/acme" {
				t.Errorf("%q: SAML leads to %q", bad, a.to())
			}
		}
	})
}

func TestFormsThatLeadToAnApplication_MayEndUpThere(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		_, secret := keys.NewToken("gcs_")
		w.must(w.DB.Write(context.Background(), acme, func(tx *store.Tx) error {
			tx.InsertApplication(directory.Application{ID: "app_1", Name: "App", RedirectURIs: []string{"https://app.example:9000/cb"}}, secret)
			return tx.Record(audit.Event{Type: audit.SettingsChanged})
		}))
		policy := func(client, redirect string) string {
			to := "/oauth2/authorize?" + url.Values{"client_id": {client}, "redirect_uri": {redirect}}.Encode()
			csp := w.browser().get("/signin?" + url.Values{"workspace": {"acme"}, "continue": {to}}.Encode()).Header.Get("Content-Security-Policy")
			return section(csp, "form-action ", ";")
		}
		if got := policy("app_1", "https://app.example:9000/cb"); got != "'self' https://app.example:9000" {
			t.Errorf("form-action %s", got)
		}
		for _, redirect := range []string{"https://evil.example/cb", "https://app.example:9000/cb/", "*", "https://app.example:9000/cb; script-src *"} {
			if got := policy("app_1", redirect); got != "'self'" {
				t.Errorf("%s: form-action %s", redirect, got)
			}
		}
		if got := policy("app_2", "https://app.example:9000/cb"); got != "'self'" {
			t.Errorf("form-action %s", got)
		}
	})
}
