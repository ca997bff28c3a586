package relyingparty

import (
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-id/gatehouse/internal/relyingparty/oidctest"
)

func TestASignIn_SucceedsByEachUsualAlgorithm(t *testing.T) { // OI01
	rsa, ps, ec := oidctest.NewRSA("rsa"), oidctest.NewRSA("ps"), oidctest.NewEC("ec")
	ps.Algorithm = jose.PS256
	for _, key := range []oidctest.Key{rsa, ps, ec} {
		tr := newTrial(t)
		tr.idp.Do(func(idp *oidctest.IdP) { idp.Keys = []oidctest.Key{key} })
		out := tr.wantIn(string(key.Algorithm))
		if out.Claims.Text("email") != "bob@acme.test" || out.Session != "idp-session-of-sub-bob" || !out.AuthTime.Equal(start) || out.Issuer != tr.idp.Issuer {
			t.Errorf("%s: %+v", key.Algorithm, out)
		}
		form := tr.idp.Requests()[0].PostForm
		if form.Get("code_verifier") == "" || form.Get("grant_type") != "authorization_code" {
			t.Errorf("the token request was %v", form)
		}
	}
	tr := newTrial(t)
	tr.idp.Do(func(idp *oidctest.IdP) { idp.Keys = []oidctest.Key{oidctest.NewEd("ed")} })
	tr.set("at_hash", nil) // it would be SHA-512's
	tr.wantIn("EdDSA")
}

// The names in brackets are those of the OpenID Foundation's modules for relying parties.
func TestAnIDToken_IsHeldAgainstWhoItIsFromAndFor(t *testing.T) {
	cases := []struct {
		why, claim string
		value      any
		reason     string
	}{
		{"another issuer (invalid-iss)", "iss", "https://elsewhere.test", ReasonIssuer},
		{"the issuer with a slash more", "iss", "SLASH", ReasonIssuer},
		{"no issuer", "iss", nil, ReasonIssuer},
		{"no subject (missing-sub)", "sub", nil, ReasonSubject},
		{"an empty subject", "sub", "", ReasonSubject},
		{"another audience (invalid-aud)", "aud", "another", ReasonAudience},
		{"no audience (missing-aud)", "aud", nil, ReasonAudience},
		{"an audience more that is not ours", "aud", []string{"gatehouse", "another"}, ReasonAudience},
		{"another authorized party", "azp", "another", ReasonParty},
		{"no nonce", "nonce", nil, ReasonNonce},
		{"another nonce (nonce-invalid)", "nonce", "another", ReasonNonce},
		{"no iat (missing-iat)", "iat", nil, ReasonIssuedAt},
		{"no exp", "exp", nil, ReasonExpired},
		{"an exp out of reach", "exp", -1e300, ReasonExpired},
		{"another at_hash (invalid-athash)", "at_hash", "AAAAAAAAAAAAAAAAAAAAAA", ReasonAccessHash},
	}
	tr := newTrial(t)
	tr.wantIn("the token as it is")
	for _, c := range cases {
		value := c.value
		if value == "SLASH" {
			value = tr.idp.Issuer + "/"
		}
		tr.set(c.claim, value)
		r := tr.wantRefused(c.why, c.reason, true)
		if c.claim != "nonce" && c.value != nil && !strings.Contains(r.Detail, "eceived") && !strings.Contains(r.Detail, "at_hash") {
			t.Errorf("%s: the detail does not say what was received: %s", c.why, r.Detail)
		}
	}
	tr.set("azp", "gatehouse")
	tr.wantIn("azp is our client id")
	tr.p.Audiences = []string{"api"}
	tr.claims(func(c map[string]any) { c["aud"], c["azp"] = []string{"gatehouse", "api"}, "gatehouse" })
	tr.wantIn("an audience more that the connection names, with azp")
	tr.set("aud", []string{"gatehouse", "api"})
	tr.wantRefused("two audiences without azp", ReasonParty, true)
}

func TestAClock_MayBeOffBy300SecondsAndNoMore(t *testing.T) { // F35
	at := func(seconds int) int64 { return start.Add(time.Duration(seconds) * time.Second).Unix() }
	cases := []struct {
		claim        string
		pass, refuse int
		reason       string
	}{
		{"exp", -300, -301, ReasonExpired},
		{"iat", 300, 301, ReasonIssuedAt},
		{"nbf", 300, 301, ReasonNotYetValid},
	}
	for _, lowered := range []time.Duration{0, time.Hour, 180 * time.Second} {
		tr := newTrial(t)
		tr.p.Skew = lowered
		for _, c := range cases {
			pass, refuse := c.pass, c.refuse
			if lowered == 180*time.Second {
				pass, refuse = pass/300*180, refuse/300*180+refuse%300
			}
			tr.set(c.claim, at(pass))
			tr.wantIn(c.claim)
			tr.set(c.claim, at(refuse))
			contains(t, tr.wantRefused(c.claim, c.reason, true).Detail, "our time is 2026-05-04T10:00:00Z")
		}
	}
}

func TestASignature_IsBelievedOnlyOfThePublishedKeyAndByAnAllowedAlgorithm(t *testing.T) { // OI02, A46
	trap, calls := elsewhere(t)
	tr := newTrial(t)
	tr.wantIn("the token as it is")
	key := tr.idp.Keys[0]
	der, err := x509.MarshalPKIXPublicKey(key.Private.Public())
	if err != nil {
		t.Fatal(err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	own := oidctest.NewRSA("k1")
	header := func(alg string) map[string]any { return map[string]any{"alg": alg, "kid": "k1", "typ": "JWT"} }
	cases := []struct {
		why, reason string
		make        func(claims map[string]any) string
	}{
		{"alg none (sig-none)", ReasonAlgorithm, func(c map[string]any) string { return oidctest.Forge(header("none"), c, nil) }},
		{"alg None", ReasonAlgorithm, func(c map[string]any) string { return oidctest.Forge(header("None"), c, nil) }},
		{"HS256 with the public key in PEM (invalid-sig-hs256)", ReasonAlgorithm, func(c map[string]any) string { return oidctest.Forge(header("HS256"), c, oidctest.HMAC(publicPEM)) }},
		{"HS256 with the public key in DER", ReasonAlgorithm, func(c map[string]any) string { return oidctest.Forge(header("HS256"), c, oidctest.HMAC(der)) }},
		{"HS256 with the client secret", ReasonAlgorithm, func(c map[string]any) string {
			return oidctest.Forge(header("HS256"), c, oidctest.HMAC([]byte(tr.idp.Secret)))
		}},
		{"another key under the same id (invalid-sig-rs256)", ReasonSignature, own.Sign},
		{"another key in the header (jwk)", ReasonSignature, func(c map[string]any) string {
			return own.SignWith(map[string]any{"typ": "JWT", "jwk": jose.JSONWebKey{Key: own.Private.Public(), KeyID: "k1"}}, c)
		}},
		{"keys elsewhere (jku, x5u)", ReasonSignature, func(c map[string]any) string {
			return own.SignWith(map[string]any{"typ": "JWT", "jku": trap, "x5u": trap}, c)
		}},
		{"a critical header that is not understood", ReasonMalformed, func(c map[string]any) string {
			return key.SignWith(map[string]any{"typ": "JWT", "crit": []string{"x"}, "x": 1}, c)
		}},
		{"the type of an access token", ReasonType, func(c map[string]any) string { return key.SignAs("at+jwt", c) }},
		{"the type of a logout token", ReasonType, func(c map[string]any) string { return key.SignAs("logout+jwt", c) }},
		{"no signature", ReasonSignature, func(c map[string]any) string { return oidctest.Forge(header("RS256"), c, nil) }},
		{"two parts", ReasonMalformed, func(c map[string]any) string { return "e30.e30" }},
		{"five parts, as encrypted tokens have", ReasonMalformed, func(c map[string]any) string { return "e30.e30.e30.e30.e30" }},
		{"JSON serialisation", ReasonMalformed, func(c map[string]any) string { return `{"payload":"e30","signatures":[]}` }},
		{"a token of half a megabyte", ReasonMalformed, func(c map[string]any) string { c["x"] = strings.Repeat("x", 400_000); return key.Sign(c) }},
	}
	for _, c := range cases {
		tr.token(c.make)
		tr.wantRefused(c.why, c.reason, false)
	}
	tr.token(func(c map[string]any) string { return key.SignAs("", c) })
	tr.wantIn("a header without typ")
	tr.p.Algorithms = []string{"ES256"}
	tr.wantRefused("an algorithm that this connection does not allow", ReasonAlgorithm, false)
	if n := calls(); n != 0 {
		t.Errorf("%d calls to an address that a token named", n)
	}
}

func TestWhenAFreshSignIn_WasAskedForAnOldOneIsRefused(t *testing.T) { // R8
	tr := newTrial(t)
	zero := 0
	tr.request.MaxAge, tr.request.Prompt = &zero, "login"
	tr.wantIn("a sign-in of now")
	tr.set("auth_time", start.Add(-301*time.Second).Unix())
	tr.wantRefused("one of 301 seconds before", ReasonAuthTime, true)
	tr.set("auth_time", nil)
	tr.wantRefused("no word of when", ReasonAuthTime, true)
	tr.set("auth_time", "yesterday")
	tr.wantRefused("a word that is no time", ReasonAuthTime, true)
	hour := 3600
	tr.request.MaxAge = &hour
	tr.set("auth_time", start.Add(-3600*time.Second).Unix())
	tr.wantIn("an hour is allowed, and an hour it is")
	tr.request.MaxAge = nil
	tr.set("auth_time", nil)
	tr.wantIn("nothing was asked for")
}

func TestAContext_ThatWasAskedForHasToBeMet(t *testing.T) { // R8
	tr := newTrial(t)
	tr.request.ACRValues = []string{"urn:mfa", "urn:phr"}
	tr.set("acr", "urn:phr")
	tr.wantIn("one of them")
	tr.set("acr", "urn:pwd")
	tr.wantRefused("another", ReasonContext, true)
	tr.set("acr", nil)
	tr.wantRefused("none", ReasonContext, true)
}

func TestEntra_TellsTenantsApart(t *testing.T) { // R13, OI05
	const home, foreign = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
	tr := newTrial(t)
	tr.p.TenantFits, tr.p.Tenants = true, []string{home}
	tr.p.Issuer = tr.idp.URL + "/" + Tenant + "/v2.0"
	tr.idp.Do(func(idp *oidctest.IdP) { idp.Issuer = tr.p.Issuer })
	iss := func(tenant string) string { return tr.idp.URL + "/" + tenant + "/v2.0" }
	tr.claims(func(c map[string]any) { c["iss"], c["tid"] = iss(home), home })
	if out := tr.wantIn("a tenant of the list, by the issuer for all"); out.Issuer != iss(home) {
		t.Errorf("the issuer is %s", out.Issuer)
	}
	tr.claims(func(c map[string]any) { c["iss"], c["tid"] = iss(home), foreign })
	tr.wantRefused("tid and iss of two tenants", ReasonTenant, true)
	tr.claims(func(c map[string]any) { c["iss"], c["tid"] = iss(foreign), foreign })
	tr.wantRefused("a tenant that is not in the list", ReasonTenant, true)
	tr.claims(func(c map[string]any) { c["iss"], c["tid"] = iss(Tenant), Tenant })
	tr.wantRefused("the template itself", ReasonTenant, true)
	tr.claims(func(c map[string]any) { c["iss"] = iss(home) })
	tr.wantRefused("no tid", ReasonTenant, true)

	tr.p.Issuer, tr.p.Tenants = iss(home), nil
	tr.idp.Do(func(idp *oidctest.IdP) { idp.Issuer = iss(home) })
	tr.claims(func(c map[string]any) { c["tid"] = home })
	tr.wantIn("the issuer of one tenant")
	tr.claims(func(c map[string]any) { c["tid"] = foreign })
	tr.wantRefused("its issuer with the tid of another", ReasonTenant, true)
}

func TestEntra_TheTenantIsFoundInEveryFormOfItsIssuer(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://login.microsoftonline.com/t-1/v2.0": "t-1",
		"https://sts.windows.net/t-1/":               "t-1",
		"https://idp.test/behind/a/prefix/t-1/v2.0":  "t-1",
		"https://idp.test":                           "",
		"https://idp.test/":                          "",
	} {
		if got := tenantOf(issuer, issuer); got != want {
			t.Errorf("the tenant of %s is %q, want %q", issuer, got, want)
		}
	}
}

func TestGoogle_IsAskedForTheDomainOfTheAccount(t *testing.T) { // R14, OI07
	tr := newTrial(t)
	tr.p.Hosted, tr.p.HostedDomains = true, []string{"acme.test"}
	tr.set("hd", "Acme.test")
	tr.wantIn("an account of the domain")
	tr.claims(func(c map[string]any) { c["hd"], c["email"] = "acme.test", "bob@acme-alias.test" })
	tr.wantIn("an account of the domain with an address of its alias")
	for why, hd := range map[string]any{"a consumer's account": nil, "another domain": "evil.test", "an empty one": "", "a list": []string{"acme.test"}, "a subdomain": "x.acme.test"} {
		tr.set("hd", hd)
		tr.wantRefused(why, ReasonHostedDomain, true)
	}
	if iss, ok := (Party{Issuer: google}).issuerOf(googleBare); !ok || iss != google {
		t.Error("Google's own short form of its issuer is not read as its issuer")
	}
	if _, ok := (Party{Issuer: "https://idp.test"}).issuerOf("idp.test"); ok {
		t.Error("somebody else's short form is read as the issuer")
	}
}

func TestATokenAnswer_ThatCannotBeUsedIsRefused(t *testing.T) {
	tr := newTrial(t)
	tr.wantIn("the answer as it is")
	said := func(change func(map[string]any)) { tr.idp.Do(func(idp *oidctest.IdP) { idp.Said = change }) }
	said(func(a map[string]any) { delete(a, "id_token") })
	tr.wantRefused("no ID token", ReasonTokenAnswer, false)
	said(func(a map[string]any) { a["token_type"] = "mac" })
	tr.wantRefused("a token of another type", ReasonTokenAnswer, false)
	said(nil)
	answer := func(fn func(w http.ResponseWriter, r *http.Request) bool) {
		tr.idp.Do(func(idp *oidctest.IdP) { idp.Exchange = fn })
	}
	answer(func(w http.ResponseWriter, _ *http.Request) bool { _, _ = w.Write([]byte("<html>")); return true })
	tr.wantRefused("no JSON", ReasonTokenAnswer, false)
	answer(func(w http.ResponseWriter, _ *http.Request) bool {
		_, _ = w.Write([]byte(`{"id_token":"` + strings.Repeat("x", 2<<20) + `"}`))
		return true
	})
	tr.wantRefused("an answer of two megabytes", ReasonUnreachable, false)
	trap, calls := elsewhere(t)
	answer(func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, trap, http.StatusTemporaryRedirect)
		return true
	})
	tr.wantRefused("a redirect, which would carry the secret along", ReasonTokenRequest, false)
	if n := calls(); n != 0 {
		t.Errorf("the secret was sent elsewhere %d times", n)
	}
	answer(nil)
	tr.p.Secret = "wrong"
	r := tr.wantRefused("the wrong secret", ReasonTokenRequest, false)
	if r.IdPError != "invalid_client" || r.IdPDescription != "no such client <b>here</b>" {
		t.Errorf("the IdP's own words are %q, %q", r.IdPError, r.IdPDescription)
	}
}

func FuzzClaims(f *testing.F) {
	f.Add([]byte(`{"iss":"https://idp.test","sub":"x","aud":["gatehouse","y"],"azp":"gatehouse","iat":1,"exp":1e10,"groups":["a"],"_claim_names":{"groups":"src1"}}`))
	f.Add([]byte(`{"aud":1,"iat":"x","exp":-1e309,"events":{"http://schemas.openid.net/event/backchannel-logout":{}},"a":{"b":{"c":1}}}`))
	f.Add([]byte(`null`))
	p := Party{Issuer: "https://idp.test", ClientID: "gatehouse", TenantFits: true, Hosted: true}
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, err := parseClaims(payload)
		if err != nil {
			return
		}
		sent := Sent{NonceHolds: func(n string) bool { return n != "" }, ACRValues: []string{"x"}}
		if out, err := p.judge(c, sent, start); err == nil && (out.Subject == "" || c.Text("iss") != p.Issuer) {
			t.Errorf("accepted %s", payload)
		}
		if l, err := p.logout(c, start); err == nil && (l.ID == "" || c.Has("nonce")) {
			t.Errorf("logged out by %s", payload)
		}
		c.List("groups")
		c.Overage()
		c.True("a.b.c")
	})
}

func FuzzToken(f *testing.F) {
	f.Add("e30.e30.e30")
	f.Add(oidctest.Forge(map[string]any{"alg": "RS256", "kid": "k", "jwk": map[string]any{"kty": "RSA"}}, map[string]any{"a": 1}, nil))
	f.Fuzz(func(t *testing.T, raw string) {
		if jws, err := parse(raw, []string{"RS256", "ES256"}, []string{"", "JWT"}); err == nil {
			if a := jws.Signatures[0].Protected.Algorithm; a != "RS256" && a != "ES256" {
				t.Errorf("the algorithm %s was let through", a)
			}
		}
	})
}
