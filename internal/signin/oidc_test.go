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
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty/oidctest"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

func TestOIDC_SignsInAndKeepsNoToken(t *testing.T) { // OI01
	eachOIDC(t, func(t *testing.T, w *parties) {
		w.join(acme, oidc, func(c *directory.Connection) { c.VerifiedAt = time.Time{} })
		w.person(map[string]any{"groups": []string{"Agents", "Agents", ""}, "acr": "urn:mfa", "my_password": "hunter2"})
		b := w.browser()
		a := b.entersBy(w, oidc, "continue", "/w/acme?x=1")
		if a.to() != "/w/acme?x=1" {
			t.Errorf("led to %q", a.to())
		}
		carol := w.memberBy("carol@partner.test")
		var live []store.IdPSession
		w.must(w.DB.Read(context.Background(), acme, func(tx *store.Tx) (err error) {
			if live, err = tx.SessionsOfIdP(oidc, "idp-session-of-00u-carol"); err != nil {
				return err
			}
			cfg, err := tx.Config()
			if err != nil {
				return err
			}
			if c, _ := cfg.Connection(oidc); !c.Verified() {
				t.Error("a sign-in does not prove the connection")
			}
			claims, err := tx.Claims([]string{carol.ID})
			if got := claims[carol.ID]; len(got) != 1 || len(got[0].Groups) != 1 || got[0].Groups[0] != "Agents" {
				t.Errorf("the group claims are %+v", got)
			}
			return err
		}))
		if len(live) != 1 || live[0].Member != carol.ID {
			t.Fatalf("the sessions of the IdP's session are %+v", live)
		}
		sessions, err := w.ListSessions(context.Background(), acme, carol.ID)
		w.must(err)
		if s := sessions[0]; s.Method != directory.MethodOIDC || s.Context != "urn:mfa" || s.Connection != oidc || !s.AuthenticatedAt.Equal(w.clock.now()) {
			t.Errorf("the session is %+v", s)
		}
		events := w.events(acme, audit.SignInSucceeded)
		payload := string(events[len(events)-1].Payload)
		form := w.idp.Requests()[0].PostForm
		for _, secret := range []string{form.Get("code"), form.Get("code_verifier"), w.idp.Secret, "eyJhbGciOi", "hunter2", "at_hash", `"nonce"`} {
			if strings.Contains(payload, secret) {
				t.Errorf("%q is in the event: %s", secret, payload)
			}
		}
		if !strings.Contains(payload, "carol@partner.test") || !strings.Contains(payload, `"issuer":"`+w.idp.Issuer) {
			t.Errorf("the event does not tell the claims: %s", payload)
		}
		if a := b.get("/auth/session"); a.StatusCode != http.StatusOK || !strings.Contains(a.body, `"method":"oidc"`) {
			t.Errorf("the session is shown as %s", a.body)
		}
		// The same person comes again by the same link, and not as somebody new.
		w.person(map[string]any{"email": "carol@new.test"})
		w.browser().entersBy(w, oidc)
		if again := w.memberBy("carol@new.test"); again.ID != carol.ID {
			t.Errorf("%s is another member than %s", again.ID, carol.ID)
		}
	})
}

func TestOIDC_TheSignInPageLeadsThere(t *testing.T) {
	eachOIDC(t, func(t *testing.T, w *parties) {
		if a := w.browser().get("/signin?workspace=acme&continue=%2Fw%2Facme"); !strings.Contains(a.body, `/auth/oidc/con_oidc/login?continue=%2Fw%2Facme`) {
			t.Errorf("the page does not offer it: %s", a.body)
		}
	})
}

func TestOIDC_AStateIsThatOfOneBrowserOneConnectionAndOnce(t *testing.T) { // R2, A47, A48, A39
	eachOIDC(t, func(t *testing.T, w *parties) {
		w.join(acme, "con_second", func(c *directory.Connection) { c.OIDC.OwnCallback = true })
		w.join(beta, "con_beta", func(c *directory.Connection) { c.OIDC.OwnCallback = true })
		w.join(acme, oidc, func(c *directory.Connection) { c.OIDC.OwnCallback = true })
		own := func(id string) string { return "/auth/oidc/" + id + "/callback?" }
		b, other := w.browser(), w.browser()
		other.begins(oidc) // has a secret of its own
		_, q := w.back(b.begins(oidc))
		asked := func() int { return w.idp.Asked("/token") }

		w.wantBack(other.get(own(oidc)+q.Encode()), "state_invalid", "state_other_browser")
		w.wantBack(w.browser().get(own(oidc)+q.Encode()), "state_invalid", "state_other_browser")
		for _, foreign := range []string{"con_second", "con_beta"} {
			if a := b.get(own(foreign) + q.Encode()); a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "state_invalid") {
				t.Errorf("at %s the state is answered %d: %s", foreign, a.StatusCode, a.body)
			}
		}
		w.wantBack(b.get("/auth/oidc/callback?"+q.Encode()), "oidc_refused", "redirect_uri_mismatch")
		if n := asked(); n != 0 {
			t.Fatalf("the IdP was asked %d times for nothing", n)
		}
		if a := b.get(own(oidc) + q.Encode()); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("its own browser at its own address is answered %d: %s", a.StatusCode, a.body)
		}
		w.wantBack(b.get(own(oidc)+q.Encode()), "state_invalid", "state_unknown")
		if n := asked(); n != 1 {
			t.Errorf("the code was sent %d times", n)
		}
		for why, state := range map[string]string{"none": "", "forged": statePrefix + strings.Repeat("A", 43), "not ours": "xyz"} {
			if a := b.get("/auth/oidc/callback?code=x&state=" + state); a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "state_invalid") {
				t.Errorf("%s: %d", why, a.StatusCode)
			}
		}
		_, late := w.back(b.begins(oidc))
		w.clock.turn(oidcStateLife)
		w.wantBack(b.get(own(oidc)+late.Encode()), "state_invalid", "state_expired")
		_, twice := w.back(b.begins(oidc))
		twice.Add("state", "x")
		w.wantBack(b.get(own(oidc)+twice.Encode()), "oidc_refused", "callback_malformed")
	})
}

func TestOIDC_FiftyCallbacksWithOneStateGiveOneSession(t *testing.T) { // A37
	eachOIDC(t, func(t *testing.T, w *parties) {
		w.idp.Do(func(idp *oidctest.IdP) { idp.Again = true })
		secret, _ := keys.NewToken(browserPrefix)
		address, err := w.BeginOIDC(context.Background(), Beginning{Connection: oidc, Browser: secret}, from("192.0.2.1"))
		w.must(err)
		_, q := w.back(address)
		a := Callback{Code: q.Get("code"), State: q.Get("state"), Browser: secret, Client: from("192.0.2.1")}
		codes := make([]string, 50)
		together(len(codes), func(i int) {
			_, err := w.OIDC(context.Background(), a)
			if codes[i] = "ok"; err != nil {
				codes[i] = errs.CodeOf(err)
			}
		})
		count := map[string]int{}
		for _, code := range codes {
			count[code]++
		}
		if count["ok"] != 1 || count["state_invalid"] != len(codes)-1 {
			t.Errorf("%v", count)
		}
		if n := w.live(acme, w.memberBy("carol@partner.test").ID); n != 1 {
			t.Errorf("%d sessions", n)
		}
		if n := w.idp.Asked("/token"); n != 1 {
			t.Errorf("the code was sent %d times", n)
		}
	})
}

func TestOIDC_AnAnswerOfAnotherIdPIsRefusedBeforeTheTokenRequest(t *testing.T) { // R4, A47, RFC 9207
	eachOIDC(t, func(t *testing.T, w *parties) {
		b := w.browser()
		path, q := w.back(b.begins(oidc))
		q.Set("iss", "https://elsewhere.test")
		w.wantBack(b.get(path+"?"+q.Encode()), "oidc_refused", "iss_mismatch")
		q.Del("code")
		q.Set("error", "access_denied")
		w.wantBack(b.get(path+"?"+q.Encode()), "oidc_refused", "iss_mismatch")
		q = url.Values{"state": q["state"], "code": {"x"}, "iss": {w.idp.Issuer + "/"}}
		w.wantBack(b.get(path+"?"+q.Encode()), "oidc_refused", "iss_mismatch")

		w.idp.Do(func(idp *oidctest.IdP) {
			idp.Document = func(d map[string]any) { d["authorization_response_iss_parameter_supported"] = true }
		})
		w.Outside = &relyingparty.RelyingParty{HTTP: w.Outside.HTTP}
		path, q = w.back(b.begins(oidc))
		without := url.Values{"state": q["state"], "code": q["code"]}
		w.wantBack(b.get(path+"?"+without.Encode()), "oidc_refused", "iss_missing")
		if n := w.idp.Asked("/token"); n != 0 {
			t.Fatalf("the IdP was asked %d times", n)
		}
		if a := b.get(path + "?" + q.Encode()); a.StatusCode != http.StatusSeeOther {
			t.Errorf("the right iss is answered %d: %s", a.StatusCode, a.body)
		}
	})
}

func TestOIDC_WhatTheIdPSaysNoToIsShownAsText(t *testing.T) { // R21, A53
	eachOIDC(t, func(t *testing.T, w *parties) {
		b := w.browser()
		path, q := w.back(b.begins(oidc))
		said := url.Values{"state": q["state"], "error": {"access_denied"}, "error_description": {`<script>alert(1)</script> not assigned`}, "error_uri": {"https://evil.test/"}}
		a := b.get(path + "?" + said.Encode())
		w.wantBack(a, "idp_error", "idp_error")
		if !strings.Contains(a.body, "access_denied") || !strings.Contains(a.body, "&lt;script&gt;alert(1)&lt;/script&gt; not assigned") || strings.Contains(a.body, "evil.test") {
			t.Errorf("the page is %s", a.body)
		}
		if _, p := w.oidcRefused(a); p.Refusal.IdPError != "access_denied" {
			t.Errorf("the event has %+v", p.Refusal)
		}
		// The state is used up by it, and at the address of all connections nobody knows any more whose it was.
		if a := b.get(path + "?" + q.Encode()); a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "state_invalid") {
			t.Errorf("the same state once more is answered %d", a.StatusCode)
		}
		path, q = w.back(b.begins(oidc))
		w.wantBack(b.get(path+"?state="+q.Get("state")), "oidc_refused", "code_missing")
	})
}

func TestOIDC_ARefusalIsUniformUntilTheSignatureIsVerified(t *testing.T) {
	eachOIDC(t, func(t *testing.T, w *parties) {
		stranger := oidctest.NewRSA("k1")
		b := w.browser()
		b.entersBy(w, oidc)
		w.idp.Do(func(idp *oidctest.IdP) { idp.Token = stranger.Sign })
		a := w.browser().tries(w, oidc)
		w.wantBack(a, "oidc_refused", relyingparty.ReasonSignature)
		if strings.Contains(a.body, "For your administrator") {
			t.Errorf("a stranger is told the detail: %s", a.body)
		}
		if _, p := w.oidcRefused(a); !strings.Contains(string(p.Claims), "carol@partner.test") || p.Subject != "" {
			t.Errorf("the event has the claims %s of %q", p.Claims, p.Subject)
		}
		w.idp.Do(func(idp *oidctest.IdP) {
			idp.Token, idp.Claims = nil, func(c map[string]any) { c["aud"] = "another<b>" }
		})
		a = w.browser().tries(w, oidc)
		w.wantBack(a, relyingparty.ReasonAudience, relyingparty.ReasonAudience)
		if !strings.Contains(a.body, "Expected the audience &#34;gatehouse&#34;, received") || strings.Contains(a.body, "another<b>") {
			t.Errorf("the administrator is not told what was expected: %s", a.body)
		}
		w.idp.Do(func(idp *oidctest.IdP) {
			idp.Claims = nil
			idp.Exchange = func(rw http.ResponseWriter, _ *http.Request) bool {
				rw.WriteHeader(http.StatusUnauthorized)
				_, _ = rw.Write([]byte(`{"error":"invalid_client"}`))
				return true
			}
		})
		a = w.browser().tries(w, oidc)
		w.wantBack(a, "oidc_refused", relyingparty.ReasonTokenRequest)
		if _, p := w.oidcRefused(a); p.Refusal.IdPError != "invalid_client" || !strings.Contains(p.Refusal.Detail, "client secret") {
			t.Errorf("the event has %+v", p.Refusal)
		}
	})
}

func TestOIDC_APostedAnswerIsPassedOnSoThatCookiesCome(t *testing.T) { // S10, form_post
	eachOIDC(t, func(t *testing.T, w *parties) {
		w.join(acme, oidc, func(c *directory.Connection) { c.OIDC.FormPost = true })
		b := w.browser()
		address := b.begins(oidc)
		if !strings.Contains(address, "response_mode=form_post") {
			t.Errorf("the request is %s", address)
		}
		path, q := w.back(address)
		bare := w.browser() // the cookies of b do not come along with another site's form
		bare.header.Set("Sec-Fetch-Site", "cross-site")
		a := bare.post(path, "code", q.Get("code"), "state", q.Get("state"))
		if a.StatusCode != http.StatusOK || !strings.Contains(a.body, `name="passed_on" value="1"`) || !strings.Contains(a.body, `value="`+q.Get("code")+`"`) {
			t.Fatalf("the answer is %d: %s", a.StatusCode, a.body)
		}
		if a := b.post(path, "code", q.Get("code"), "state", q.Get("state"), "passed_on", "1"); a.StatusCode != http.StatusSeeOther {
			t.Errorf("passed on it is answered %d: %s", a.StatusCode, a.body)
		}
		path, q = w.back(b.begins(oidc))
		w.wantBack(bare.post(path, "code", q.Get("code"), "state", q.Get("state"), "passed_on", "1"), "state_invalid", "state_other_browser")
	})
}

func TestOIDC_AnUnverifiedAddressLinksToNobody(t *testing.T) { // R15, A49, A50
	eachOIDC(t, func(t *testing.T, w *parties) {
		w.proveDomain("acme.test")
		claim := func(sub, email string, verified any) {
			w.person(map[string]any{"sub": sub, "email": email, "email_verified": verified})
		}
		claim("u-bob", "bob@acme.test", true)
		w.browser().entersBy(w, oidc)
		if n := w.live(acme, bob); n != 1 {
			t.Fatalf("a verified address in a proven domain gives bob %d sessions", n)
		}
		for i, verified := range []any{nil, false, "true", "true ", 1, "false"} {
			claim(fmt.Sprint("u-", i), "bob@acme.test", verified)
			w.wantBack(w.browser().tries(w, oidc), "address_taken", "address_taken")
			claim(fmt.Sprint("v-", i), "nobody@acme.test", verified)
			w.wantBack(w.browser().tries(w, oidc), "email_unverified", "email_unverified")
		}
		if n := w.live(acme, bob); n != 1 {
			t.Errorf("bob has %d sessions", n)
		}
		claim("u-new", "new@partner.test", nil)
		w.browser().entersBy(w, oidc)
		m := w.memberBy("new@partner.test")
		w.must(w.DB.Read(context.Background(), acme, func(tx *store.Tx) error {
			links, err := tx.IdentitiesOf(m.ID)
			if len(links) != 1 || links[0].Email != "" {
				t.Errorf("the link remembers an address that nobody verified: %+v", links)
			}
			return err
		}))
		claim("u-new", "bob@acme.test", nil) // renamed by whoever may there
		w.browser().entersBy(w, oidc)
		if again := w.memberBy("new@partner.test"); again.ID != m.ID {
			t.Error("an unverified address was taken over")
		}
	})
}

// oidc-provider, for one, has the address at userinfo and sends no at_hash, which the code flow may do without.
func TestOIDC_TheAddressAtUserInfoCountsForTheSameSubjectAlone(t *testing.T) { // R9, R11
	eachOIDC(t, func(t *testing.T, w *parties) {
		w.idp.Do(func(idp *oidctest.IdP) {
			idp.Thin = true
			idp.Claims = func(c map[string]any) { delete(c, "at_hash") }
		})
		w.browser().entersBy(w, oidc)
		w.idp.Do(func(idp *oidctest.IdP) {
			idp.UserInfo = func(c map[string]any) any { c["sub"] = "somebody else"; return c }
		})
		a := w.browser().tries(w, oidc)
		w.wantBack(a, relyingparty.ReasonUserInfoSub, relyingparty.ReasonUserInfoSub)
	})
}

// proveDomain says that acme has proven a domain.
func (w *world) proveDomain(domain string) {
	w.t.Helper()
	w.must(w.DB.Write(context.Background(), acme, func(tx *store.Tx) error {
		tx.InsertDomain(domain)
		return tx.Record(audit.Event{Type: audit.SettingsChanged})
	}))
}

func TestOIDC_EntraIsReadByItsOwnRules(t *testing.T) { // R13, OI05, OI08
	const tenant = "11111111-1111-1111-1111-111111111111"
	eachOIDC(t, func(t *testing.T, w *parties) {
		issuer := w.idp.URL + "/" + tenant + "/v2.0"
		w.idp.Do(func(idp *oidctest.IdP) { idp.Issuer = issuer })
		w.join(acme, oidc, func(c *directory.Connection) {
			o := directory.DefaultOIDC("entra")
			o.Issuer, o.ClientID, o.Secret = issuer, w.idp.ClientID, c.OIDC.Secret
			c.Provider, c.OIDC = "entra", &o
		})
		w.proveDomain("acme.test")
		w.person(map[string]any{"oid": "oid-bob", "tid": tenant, "email": "bob@acme.test", "email_verified": true, "groups": []string{"g-1"}})
		// email_verified is nothing of Entra's: whoever is asked there can send it.
		w.wantBack(w.browser().tries(w, oidc), "address_taken", "address_taken")
		w.person(map[string]any{"xms_edov": true})
		w.browser().entersBy(w, oidc)
		if n := w.live(acme, bob); n != 1 {
			t.Fatalf("bob has %d sessions", n)
		}
		w.person(map[string]any{"sub": "another pairwise sub", "groups": nil, "_claim_names": map[string]any{"groups": "src1"}, "_claim_sources": map[string]any{"src1": map[string]any{"endpoint": "http://127.0.0.1:1/x"}}})
		w.browser().entersBy(w, oidc)
		told := ""
		for _, e := range w.events(acme, audit.SignInSucceeded) {
			told += string(e.Payload)
		}
		if strings.Count(told, "groups_overage") != 1 {
			t.Errorf("the overage is not told once: %s", told)
		}
		w.must(w.DB.Read(context.Background(), acme, func(tx *store.Tx) error {
			claims, err := tx.Claims([]string{bob})
			if got := claims[bob]; len(got) != 1 || len(got[0].Groups) != 1 || got[0].Groups[0] != "g-1" {
				t.Errorf("groups that are unknown have changed what was known: %+v", got)
			}
			return err
		}))
		w.person(map[string]any{"tid": "22222222-2222-2222-2222-222222222222"})
		w.wantBack(w.browser().tries(w, oidc), relyingparty.ReasonTenant, relyingparty.ReasonTenant)
	})
}

func TestOIDC_AConnectionThatIsSwitchedOffOrChangedSignsNobodyIn(t *testing.T) { // A42, SA33
	eachOIDC(t, func(t *testing.T, w *parties) {
		b := w.browser()
		path, q := w.back(b.begins(oidc))
		w.join(acme, oidc, func(c *directory.Connection) { c.Status = directory.ConnectionDisabled })
		w.wantBack(b.get(path+"?"+q.Encode()), "connection_disabled", "connection_disabled")
		if a := b.get("/auth/oidc/con_oidc/login"); a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "connection_disabled") {
			t.Errorf("login is answered %d: %s", a.StatusCode, a.body)
		}
		w.join(acme, oidc, func(c *directory.Connection) { c.Status = directory.ConnectionActive })
		path, q = w.back(b.begins(oidc))
		w.join(acme, oidc, func(c *directory.Connection) { c.OIDC.ClientID = "another" })
		w.wantBack(b.get(path+"?"+q.Encode()), "state_invalid", "connection_changed")
		w.join(acme, oidc, func(c *directory.Connection) { c.OIDC.ClientID = w.idp.ClientID })

		b.entersBy(w, oidc)
		carol := w.memberBy("carol@partner.test")
		w.deactivate(carol.ID)
		w.wantBack(w.browser().tries(w, oidc), "account_deactivated", "account_deactivated")
		if n := w.live(acme, carol.ID); n != 0 {
			t.Errorf("carol has %d sessions", n)
		}
	})
}

func TestOIDC_AnIdPThatIsAwayIsToldAndAnotherWayIsOffered(t *testing.T) {
	eachOIDC(t, func(t *testing.T, w *parties) {
		w.join(acme, "con_gone", func(c *directory.Connection) { c.OIDC.Issuer = "http://127.0.0.1:1" })
		a := w.browser().get("/auth/oidc/con_gone/login?continue=/w/acme")
		if a.StatusCode != http.StatusServiceUnavailable || !strings.Contains(a.body, "idp_unreachable") || !strings.Contains(a.body, "Go to sign-in") || a.to() != "" {
			t.Errorf("the answer is %d: %s", a.StatusCode, a.body)
		}
		if e, p := w.oidcRefused(a); e.Reason != "idp_unreachable" || p.Refusal == nil || strings.Contains(a.body, "127.0.0.1") {
			t.Errorf("the event is %s, the page %s", e.Payload, a.body)
		}
	})
}

func TestOIDC_AFreshSignInIsAskedForAndHeldOnReturn(t *testing.T) { // R8
	eachOIDC(t, func(t *testing.T, w *parties) {
		b := w.browser()
		if address := b.begins(oidc, "fresh", "1"); !strings.Contains(address, "prompt=login") || !strings.Contains(address, "max_age=0") {
			t.Errorf("the request is %s", address)
		}
		b.entersBy(w, oidc, "fresh", "1")
		old := w.clock.now().Add(-2 * time.Hour).Unix()
		w.idp.Do(func(idp *oidctest.IdP) { idp.Claims = func(c map[string]any) { c["auth_time"] = old } })
		w.browser().entersBy(w, oidc)
		w.wantBack(w.browser().tries(w, oidc, "fresh", "1"), relyingparty.ReasonAuthTime, relyingparty.ReasonAuthTime)
	})
}

func TestOIDC_TheTileBeginsASignInWhereThatIsAllowed(t *testing.T) { // R20
	eachOIDC(t, func(t *testing.T, w *parties) {
		at := "/auth/oidc/con_oidc/initiate?"
		q := url.Values{"iss": {w.idp.Issuer}, "login_hint": {"carol"}, "target_link_uri": {w.PublicURL + "/w/acme"}}
		b := w.browser()
		w.wantBack(b.get(at+q.Encode()), "unsolicited", "unsolicited")
		w.join(acme, oidc, func(c *directory.Connection) { c.OIDC.IdPInitiated = true })
		a := b.get(at + q.Encode())
		if a.StatusCode != http.StatusFound || !strings.Contains(a.to(), "login_hint=carol") {
			t.Fatalf("the answer is %d to %q: %s", a.StatusCode, a.to(), a.body)
		}
		path, back := w.back(a.to())
		if a := b.get(path + "?" + back.Encode()); a.to() != "/w/acme" {
			t.Errorf("led to %q", a.to())
		}
		posted := w.browser()
		posted.header.Set("Sec-Fetch-Site", "cross-site")
		if a := posted.post("/auth/oidc/con_oidc/initiate", "iss", w.idp.Issuer); a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.to(), at+"iss=") {
			t.Errorf("a posted one is answered %d to %q", a.StatusCode, a.to())
		}
		for _, target := range []string{"https://evil.test/", "//evil.test", `/\evil.test`, "javascript:alert(1)", w.PublicURL + "@evil.test/", "/auth/saml/x"} {
			q.Set("target_link_uri", target)
			b := w.browser()
			path, back := w.back(b.get(at + q.Encode()).to())
			if a := b.get(path + "?" + back.Encode()); a.to() != "/w/acme" {
				t.Errorf("%s: led to %q", target, a.to())
			}
		}
		q.Set("iss", "https://elsewhere.test")
		w.wantBack(b.get(at+q.Encode()), "issuer_mismatch", "issuer_mismatch")
	})
}
