package signin

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty/oidctest"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

const backchannel = "/auth/oidc/con_oidc/backchannel-logout"

func TestBackchannelLogout_EndsWhatItNamesOnce(t *testing.T) { // R19, OI09, rp-backchannel-rpinitlogout
	eachOIDC(t, func(t *testing.T, w *parties) {
		b, idp := w.browser(), w.browser()
		b.entersBy(w, oidc)
		carol := w.memberBy("carol@partner.test").ID
		refused := func(why, token, code string) {
			t.Helper()
			a := idp.post(backchannel, "logout_token", token)
			if a.StatusCode != http.StatusBadRequest || !strings.Contains(a.body, code) || a.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %d, %q: %s", why, a.StatusCode, a.Header.Get("Cache-Control"), a.body)
			}
			if n := w.live(acme, carol); n != 1 {
				t.Fatalf("%s: carol has %d sessions", why, n)
			}
		}
		with := func(name string, value any) string {
			return w.idp.LogoutToken(func(c map[string]any) { c[name] = value })
		}
		refused("with a nonce", with("nonce", "x"), "logout_nonce_present")
		refused("without its event", with("events", map[string]any{}), "logout_event_missing")
		refused("for another client", with("aud", "another"), "audience_mismatch")
		refused("of another issuer", with("iss", "https://elsewhere.test"), "issuer_mismatch")
		refused("by another key", oidctest.NewRSA("k1").SignAs("logout+jwt", map[string]any{}), "logout_token_refused")
		refused("alg none", oidctest.Forge(map[string]any{"alg": "none"}, map[string]any{"sub": "x"}, nil), "logout_token_refused")
		refused("a session that is not of this connection", with("sid", "of another connection"), "session_unknown")
		refused("a subject whom nobody knows", with("sub", "somebody"), "session_unknown")
		refused("none", "", "logout_token_refused")
		if a := idp.post(backchannel); a.StatusCode != http.StatusBadRequest {
			t.Errorf("without the field it is answered %d", a.StatusCode)
		}
		if all := w.events(acme, audit.LogoutRefused); len(all) != 9 || !strings.Contains(reasons(all), "logout_nonce_present") {
			t.Errorf("%d refusals are recorded: %s", len(all), reasons(all))
		}
		token := w.idp.LogoutToken(nil)
		if a := idp.post(backchannel, "logout_token", token); a.StatusCode != http.StatusOK || a.body != "" || a.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("the answer is %d: %s", a.StatusCode, a.body)
		}
		if n := w.live(acme, carol); n != 0 {
			t.Errorf("carol has %d sessions", n)
		}
		if a := b.get("/auth/session"); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("her browser is answered %d", a.StatusCode)
		}
		b.entersBy(w, oidc)
		refused("the same once more", token, "replayed")
		if a := idp.post(backchannel, "logout_token", w.idp.LogoutToken(func(c map[string]any) { delete(c, "sid") })); a.StatusCode != http.StatusOK || w.live(acme, carol) != 0 {
			t.Errorf("by sub alone it is answered %d: %s", a.StatusCode, a.body)
		}
		if a := idp.post(backchannel, "logout_token", w.idp.LogoutToken(nil)); a.StatusCode != http.StatusOK {
			t.Errorf("of a session that has ended it is answered %d: %s", a.StatusCode, a.body)
		}
		if a := idp.post("/auth/oidc/con_nobody/backchannel-logout", "logout_token", token); a.StatusCode != http.StatusNotFound {
			t.Errorf("at an unknown connection it is answered %d", a.StatusCode)
		}
	})
}

func TestBackchannelLogout_ReachesNoOtherConnection(t *testing.T) {
	eachOIDC(t, func(t *testing.T, w *parties) {
		w.join(acme, "con_second", nil)
		w.browser().entersBy(w, "con_second")
		carol := w.memberBy("carol@partner.test").ID
		if a := w.browser().post(backchannel, "logout_token", w.idp.LogoutToken(nil)); a.StatusCode != http.StatusBadRequest || w.live(acme, carol) != 1 {
			t.Errorf("the first connection's word is answered %d and leaves %d sessions of the second", a.StatusCode, w.live(acme, carol))
		}
	})
}

func TestFrontchannelLogout_EndsOnlyTheSessionThatIssAndSidName(t *testing.T) { // R19
	eachOIDC(t, func(t *testing.T, w *parties) {
		b := w.browser()
		b.entersBy(w, oidc)
		carol := w.memberBy("carol@partner.test").ID
		at := func(iss, sid string) string {
			return "/auth/oidc/con_oidc/frontchannel-logout?" + url.Values{"iss": {iss}, "sid": {sid}}.Encode()
		}
		for why, address := range map[string]string{"another issuer": at("https://elsewhere.test", "idp-session-of-00u-carol"), "another session": at(w.idp.Issuer, "idp-session-of-00u-bob"),
			"no session": at(w.idp.Issuer, ""), "a part of it": at(w.idp.Issuer, "idp-session-of-")} {
			a := b.get(address)
			if a.StatusCode != http.StatusOK || a.body != "" || w.live(acme, carol) != 1 {
				t.Errorf("%s: %d, %d sessions", why, a.StatusCode, w.live(acme, carol))
			}
			if csp := a.Header.Get("Content-Security-Policy"); csp != "default-src 'none'" {
				t.Errorf("%s: the answer must be allowed in the IdP's frame, and may do nothing: %s", why, csp)
			}
		}
		frame := w.browser() // no cookie comes along into a frame of another site
		if a := frame.get(at(w.idp.Issuer, "idp-session-of-00u-carol")); a.StatusCode != http.StatusOK || w.live(acme, carol) != 0 {
			t.Errorf("%d, %d sessions", a.StatusCode, w.live(acme, carol))
		}
		w.idp.Do(func(idp *oidctest.IdP) { idp.Claims = func(c map[string]any) { c["sid"] = "7" } })
		b = w.browser()
		b.entersBy(w, oidc)
		if frame.get(at(w.idp.Issuer, "7")); w.live(acme, carol) != 1 {
			t.Error("a session was ended by a name that anybody guesses")
		}
		if b.get(at(w.idp.Issuer, "7")); w.live(acme, carol) != 0 {
			t.Error("the browser's own session was not ended")
		}
	})
}

func TestSignOut_GoesOnToTheIdPWhereTheConnectionWantsIt(t *testing.T) { // R19
	eachOIDC(t, func(t *testing.T, w *parties) {
		b := w.browser()
		b.entersBy(w, oidc)
		if a := b.post("/signout"); !strings.HasPrefix(a.to(), "/signin?") {
			t.Errorf("without the choice it leads to %q", a.to())
		}
		w.join(acme, oidc, func(c *directory.Connection) { c.OIDC.Logout = true })
		b.entersBy(w, oidc)
		if a := b.get("/signout"); !strings.Contains(a.Header.Get("Content-Security-Policy"), w.idp.URL) {
			t.Errorf("the form may not end up at the IdP: %s", a.Header.Get("Content-Security-Policy"))
		}
		a := b.post("/signout")
		u, err := url.Parse(a.to())
		w.must(err)
		q := u.Query()
		if !strings.HasPrefix(a.to(), w.idp.URL+"/logout?") || q.Get("client_id") != "gatehouse" || q.Get("post_logout_redirect_uri") != w.PublicURL+"/signin" ||
			q.Get("state") == "" || strings.Count(q.Get("id_token_hint"), ".") != 2 {
			t.Errorf("it leads to %q", a.to())
		}
		if n := w.live(acme, w.memberBy("carol@partner.test").ID); n != 0 {
			t.Errorf("%d sessions are left here", n)
		}
		w.must(w.DB.Read(context.Background(), acme, func(tx *store.Tx) error {
			ended, err := tx.SessionsOfIdP(oidc, "idp-session-of-00u-carol")
			if err != nil || len(ended) != 2 {
				t.Fatalf("%+v, %v", ended, err)
			}
			for _, one := range ended {
				if kept, err := tx.IDToken(one.ID); err != nil || kept != "" {
					t.Errorf("the ID token outlives its session: %q, %v", kept, err)
				}
			}
			return nil
		}))
	})
}
