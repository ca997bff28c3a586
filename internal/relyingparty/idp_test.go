package relyingparty

import (
	"context"
	"crypto"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/relyingparty/oidctest"
)

const discovery = "/.well-known/openid-configuration"

func TestADiscoveryDocument_HasToBeTheIssuersOwn(t *testing.T) { // R5, discovery-issuer-mismatch
	tr := newTrial(t)
	tr.wantIn("the document as it is")
	cases := []struct {
		why, field, reason string
		value              any
	}{
		{"another issuer", "issuer", ReasonDiscoveryIss, "https://elsewhere.test"},
		{"the issuer with a slash more", "issuer", ReasonDiscoveryIss, tr.idp.Issuer + "/"},
		{"no issuer", "issuer", ReasonDiscoveryIss, nil},
		{"no token endpoint", "token_endpoint", ReasonDiscovery, nil},
		{"an authorization endpoint that is a script", "authorization_endpoint", ReasonDiscovery, "javascript:alert(1)"},
		{"keys in a file", "jwks_uri", ReasonDiscovery, "file:///etc/passwd"},
		{"an endpoint with a password", "userinfo_endpoint", ReasonDiscovery, "https://a:b@idp.test/"},
		{"a relative endpoint", "end_session_endpoint", ReasonDiscovery, "/logout"},
	}
	for _, c := range cases {
		tr.fresh()
		tr.document(func(d map[string]any) { d[c.field] = c.value })
		tr.wantRefused(c.why, c.reason, false)
	}
	if _, err := ParseDocument([]byte(`{"issuer":"https://idp.test","authorization_endpoint":"https://idp.test/a","token_endpoint":"http://idp.test/t","jwks_uri":"https://idp.test/k"}`), "https://idp.test"); err == nil {
		t.Error("an IdP under https has the code sent in the clear")
	}
}

func TestAnIdP_ThatDoesNotAnswerIsToldInGeneralWords(t *testing.T) {
	tr := newTrial(t)
	tr.idp.Do(func(idp *oidctest.IdP) {
		idp.Raw = map[string]http.HandlerFunc{discovery: func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 300<<10)) }}
	})
	contains(t, tr.wantRefused("a document of 300 KiB", ReasonUnreachable, false).Detail, "at most 262144 bytes")
	tr.now = tr.now.Add(time.Minute)
	tr.rp.HTTP = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		return nil, errors.New("dial tcp 10.1.2.3:443: connect: connection refused")
	})}
	r := tr.wantRefused("an address inside the operator's network", ReasonUnreachable, false)
	if strings.Contains(r.Detail, "10.1.2.3") || !strings.Contains(r.Error(), "10.1.2.3") {
		t.Errorf("the detail is %q, the error %q", r.Detail, r.Error())
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestADocument_IsAskedForOnceADayAndTheLastGoodOneIsKept(t *testing.T) { // R5
	tr := newTrial(t)
	tr.wantIn("the first")
	tr.now = tr.now.Add(23 * time.Hour)
	tr.wantIn("a day after")
	if n := tr.idp.Asked(discovery); n != 1 {
		t.Errorf("asked %d times in a day", n)
	}
	tr.document(func(d map[string]any) { d["issuer"] = "https://elsewhere.test" })
	for range 3 {
		tr.now = tr.now.Add(2 * time.Hour)
		tr.wantIn("with the document of before")
	}
	if n := tr.idp.Asked(discovery); n != 4 {
		t.Errorf("asked %d times, want again after each failure and its pause", n)
	}
}

func TestAKey_ThatIsNewIsFetchedAtOnceAndAFloodOfUnknownOnesAsksOnce(t *testing.T) { // R10, OI04, signing-key-rotation
	tr := newTrial(t)
	tr.wantIn("the first key")
	tr.now = tr.now.Add(time.Second)
	tr.idp.Do(func(idp *oidctest.IdP) { idp.Keys = []oidctest.Key{oidctest.NewRSA("k2")} })
	tr.wantIn("rotation just before signing")
	if n := tr.idp.Asked("/jwks"); n != 2 {
		t.Fatalf("the keys were asked for %d times", n)
	}
	before := tr.idp.Asked("/jwks")
	tr.now = tr.now.Add(61 * time.Second)
	stranger := oidctest.NewRSA("nobody's")
	d, err := tr.rp.Discover(context.Background(), tr.p, tr.now)
	if err != nil {
		t.Fatal(err)
	}
	raw := stranger.Sign(map[string]any{"sub": "x"})
	var flood sync.WaitGroup
	for i := range 1000 {
		now := tr.now.Add(time.Duration(i) * 10 * time.Millisecond)
		flood.Go(func() {
			if _, err := tr.rp.signed(context.Background(), tr.p, d, raw, []string{"JWT"}, now); err == nil {
				t.Error("an unknown key is believed")
			}
		})
	}
	flood.Wait()
	if n := tr.idp.Asked("/jwks") - before; n != 1 {
		t.Errorf("1,000 tokens with an unknown key caused %d fetches", n)
	}
	tr.wantIn("the known key meanwhile")
	tr.token(stranger.Sign)
	contains(t, tr.wantRefused("an unknown key", ReasonKeyUnknown, false).Detail, `"nobody's"`)
}

func TestAKey_IsUsedOnlyForWhatItIsFor(t *testing.T) { // R10, kid-absent-single, kid-absent-multiple
	tr := newTrial(t)
	rsa := tr.idp.Keys[0]
	keys := func(list ...oidctest.Key) {
		tr.fresh()
		tr.idp.Do(func(idp *oidctest.IdP) { idp.Keys = list })
	}
	nameless := rsa
	nameless.ID = ""
	keys(nameless)
	tr.wantIn("no kid and one key")
	keys(nameless, oidctest.NewRSA(""), oidctest.NewEC("e"))
	tr.wantIn("no kid and several keys")
	keys(rsa, oidctest.NewRSA("k1"))
	tr.wantIn("two keys under one id, the first signs")
	keys(oidctest.NewRSA("k1"), rsa)
	tr.token(rsa.Sign)
	tr.wantIn("two keys under one id, the second signed")
	for why, change := range map[string]func(k *oidctest.Key){"a key for encryption": func(k *oidctest.Key) { k.Use = "enc" }, "a key for another algorithm": func(k *oidctest.Key) { k.Named = "RS512" }} {
		other := rsa
		change(&other)
		keys(other)
		tr.wantRefused(why, ReasonKeyUnknown, false)
	}
	short := oidctest.NewRSABits("k1", 1024)
	keys(short)
	tr.token(short.Sign)
	tr.wantRefused("a key of 1,024 bits", ReasonKeyUnknown, false)
	tr.token(rsa.Sign)
	answer := func(body string) {
		tr.fresh()
		tr.idp.Do(func(idp *oidctest.IdP) {
			idp.Raw = map[string]http.HandlerFunc{"/jwks": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }}
		})
	}
	answer(`{"keys":[{"kty":"oct","kid":"k1","k":"c2VjcmV0"}]}`)
	tr.wantRefused("a key that both sides know", ReasonKeyUnknown, false)
	answer(`{"keys":[` + strings.TrimSuffix(strings.Repeat(`{"kty":"RSA"},`, 101), ",") + `]}`)
	tr.wantRefused("a hundred and one keys", ReasonKeys, false)
	answer(`{"keys":[]}` + strings.Repeat(" ", 2<<20))
	tr.wantRefused("two megabytes of keys", ReasonUnreachable, false)
	answer(`<html>`)
	tr.wantRefused("no keys", ReasonKeys, false)
}

func TestKeys_AreFetchedOnceForManyAtOnceAndKeptWhileTheIdPIsAway(t *testing.T) {
	tr := newTrial(t)
	d, err := tr.rp.Discover(context.Background(), tr.p, tr.now)
	if err != nil {
		t.Fatal(err)
	}
	raw := tr.idp.Keys[0].Sign(map[string]any{"sub": "x"})
	var many sync.WaitGroup
	for range 50 {
		many.Go(func() {
			if _, err := tr.rp.signed(context.Background(), tr.p, d, raw, []string{"JWT"}, tr.now); err != nil {
				t.Error(err)
			}
		})
	}
	many.Wait()
	if n := tr.idp.Asked("/jwks"); n != 1 {
		t.Errorf("%d fetches for 50 at once", n)
	}
	tr.idp.Do(func(idp *oidctest.IdP) {
		idp.Raw = map[string]http.HandlerFunc{"/jwks": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "down", http.StatusBadGateway) }}
	})
	for range 5 {
		tr.now = tr.now.Add(15 * time.Minute)
		tr.wantIn("with the keys of before")
	}
}

func TestTwoConnections_ShareNothingOfOneIssuer(t *testing.T) {
	tr := newTrial(t)
	tr.wantIn("the first connection")
	tr.p.Key = "con_2"
	tr.wantIn("the second")
	if n := tr.idp.Asked("/jwks"); n != 2 {
		t.Errorf("the keys were asked for %d times by two connections", n)
	}
}

func TestUserInfo_AddsWhatTheIDTokenLacksAndOverridesNothing(t *testing.T) { // R11, scope-userinfo-claims
	tr := newTrial(t)
	tr.wantIn("everything is in the ID token")
	if n := tr.idp.Asked("/userinfo"); n != 0 {
		t.Errorf("userinfo was asked %d times for nothing", n)
	}
	tr.idp.Do(func(idp *oidctest.IdP) {
		idp.Thin = true
		idp.UserInfo = func(c map[string]any) any {
			c["tid"], c["hd"], c["xms_edov"], c["iss"] = "x", "evil.test", true, "https://elsewhere.test"
			return c
		}
	})
	out := tr.wantIn("a thin ID token")
	if out.Claims.Text("email") != "bob@acme.test" || !out.Claims.True("email_verified") {
		t.Errorf("userinfo is not heard: %v", out.Claims)
	}
	if out.Claims.Has("tid") || out.Claims.Has("hd") || out.Claims.Has("xms_edov") || out.Claims.Text("iss") != tr.idp.Issuer {
		t.Errorf("userinfo decides what only the ID token may: %v", out.Claims)
	}
	answer := func(fn func(c map[string]any) any) { tr.idp.Do(func(idp *oidctest.IdP) { idp.UserInfo = fn }) }
	answer(func(c map[string]any) any { c["sub"] = "sub-ann"; return c })
	tr.wantRefused("another subject (userinfo-invalid-sub)", ReasonUserInfoSub, true)
	answer(func(c map[string]any) any { delete(c, "sub"); return c })
	tr.wantRefused("no subject", ReasonUserInfoSub, true)
	signed := func(key oidctest.Key, change func(c map[string]any)) func(c map[string]any) any {
		return func(c map[string]any) any {
			c["iss"], c["aud"] = tr.idp.Issuer, tr.idp.ClientID
			change(c)
			return key.Sign(c)
		}
	}
	answer(signed(tr.idp.Keys[0], func(map[string]any) {}))
	tr.wantIn("signed")
	answer(signed(oidctest.NewRSA("k1"), func(map[string]any) {}))
	tr.wantRefused("signed by another", ReasonSignature, true)
	answer(signed(tr.idp.Keys[0], func(c map[string]any) { c["aud"] = "another" }))
	tr.wantRefused("signed for another", ReasonAudience, true)
	answer(nil)
	tr.set("at_hash", nil)
	if out := tr.wantIn("without at_hash, which the code flow does not need"); !out.Claims.Has("email") {
		t.Errorf("userinfo of the same subject is not heard: %v", out.Claims)
	}
	tr.p.UserInfo = "always"
	tr.wantIn("always asked, without at_hash")
	answer(func(c map[string]any) any { c["sub"] = "sub-ann"; return c })
	tr.wantRefused("another subject, without at_hash", ReasonUserInfoSub, true)
	tr.set("at_hash", "AAAAAAAAAAAAAAAAAAAAAA")
	answer(nil)
	tr.wantRefused("the at_hash of another access token", ReasonAccessHash, true)
	tr.claims(func(c map[string]any) {
		c["email"] = "ann@another.example"
		delete(c, "email_verified")
	})
	if out := tr.wantIn("an address of the ID token and another one at userinfo"); out.Claims.Text("email") != "ann@another.example" || out.Claims.Has("email_verified") {
		t.Errorf("what userinfo says of one address counts for another: %v", out.Claims)
	}
	tr.set("email", nil)
	tr.set("at_hash", nil)
	tr.p.UserInfo = "never"
	tr.wantIn("never asked")
	if n := tr.idp.Asked("/userinfo"); n != 10 {
		t.Errorf("userinfo was asked %d times", n)
	}
}

func TestGroups_ThatAreElsewhereAreNeverFetchedFromThere(t *testing.T) { // R12, OI08
	trap, calls := elsewhere(t)
	tr := newTrial(t)
	tr.p.Mapped = []string{"email", "groups"}
	tr.claims(func(c map[string]any) {
		c["_claim_names"], c["_claim_sources"] = map[string]any{"groups": "src1"}, map[string]any{"src1": map[string]any{"endpoint": trap, "access_token": "x"}}
	})
	out := tr.wantIn("the ID token names a place for the groups")
	if _, known := out.Claims.List("groups"); known || !out.Claims.Overage() {
		t.Error("the overage is not seen")
	}
	if n := calls() + tr.idp.Asked("/userinfo"); n != 0 {
		t.Errorf("%d calls", n)
	}
}

func TestWeAreTheClient_ByEachMethod(t *testing.T) { // R16
	tr := newTrial(t)
	tr.wantIn("basic, with what RFC 6749 has to be encoded for")
	if _, ok := tr.idp.Requests()[0].PostForm["client_secret"]; ok {
		t.Error("the secret is sent twice")
	}
	tr.p.ClientAuth = "post"
	tr.wantIn("post")
	key := oidctest.NewRSA("ours")
	tr.idp.Do(func(idp *oidctest.IdP) { idp.Public = func(string) crypto.PublicKey { return key.Private.Public() } })
	tr.p.ClientAuth, tr.p.Secret = "private_key_jwt", ""
	tr.p.Assert = func(_ context.Context, claims map[string]any) (string, error) { return key.Sign(claims), nil }
	tr.wantIn("private_key_jwt")
	form := tr.idp.Requests()[2].PostForm
	if form.Get("client_secret") != "" || form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
		t.Errorf("the token request is %v", form)
	}
	tr.p.Assert = nil
	tr.wantRefused("no key of ours", ReasonIdPUnknown, false)
}

func TestARequest_IsPushedWhereTheIdPTakesNoOther(t *testing.T) { // R17
	tr := newTrial(t)
	tr.document(func(d map[string]any) { d["require_pushed_authorization_requests"] = true })
	address, err := tr.rp.AuthorizationURL(context.Background(), tr.p, Request{RedirectURI: "https://x.test/cb", State: "s", Nonce: "n", Verifier: NewSecret()}, tr.now)
	if err != nil || strings.Contains(address, "nonce") || !strings.Contains(address, "request_uri=") {
		t.Errorf("%v: %s", err, address)
	}
	tr.wantIn("a pushed request")
	tr.p.Secret = "wrong"
	tr.wantRefused("a pushed request with the wrong secret", ReasonPushed, false)
}

func TestARequest_AsksForWhatTheConnectionWants(t *testing.T) { // R1, R3
	tr := newTrial(t)
	tr.document(func(d map[string]any) { d["authorization_endpoint"] = tr.idp.URL + "/authorize?tenant=a&state=theirs" })
	age := 60
	r := Request{RedirectURI: "https://x.test/cb", State: "our-state", Nonce: "our-nonce", Verifier: "our-verifier-our-verifier-our-verifier-our-v", Scopes: []string{"email"},
		Prompt: "login", MaxAge: &age, ACRValues: []string{"urn:mfa"}, LoginHint: "a&b@c.test", Domain: "acme.test", FormPost: true}
	address, err := tr.rp.AuthorizationURL(context.Background(), tr.p, r, tr.now)
	if err != nil {
		t.Fatal(err)
	}
	contains(t, address, "tenant=a", "state=our-state", "nonce=our-nonce", "response_type=code", "code_challenge_method=S256", "prompt=login", "max_age=60", "acr_values=urn%3Amfa",
		"essential", "login_hint=a%26b%40c.test", "hd=acme.test", "response_mode=form_post", "scope=openid+email")
	for _, part := range []string{"theirs", "our-verifier"} {
		if strings.Contains(address, part) {
			t.Errorf("%q is in %s", part, address)
		}
	}
	if one, other := NewSecret(), NewSecret(); one == other || len(one) < 43 {
		t.Error("a verifier is no secret of its own")
	}
}

func TestALogoutToken_IsBelievedOnlyAsSuch(t *testing.T) { // R19, OI09
	tr := newTrial(t)
	judge := func(change func(map[string]any)) (*Logout, error) {
		return tr.rp.LogoutToken(context.Background(), tr.p, tr.idp.LogoutToken(change), tr.now)
	}
	l, err := judge(nil)
	if err != nil || l.Subject != "sub-bob" || l.Session != "idp-session-of-sub-bob" || l.ID == "" {
		t.Fatalf("%+v, %v", l, err)
	}
	without := func(name string) func(map[string]any) { return func(c map[string]any) { delete(c, name) } }
	with := func(name string, value any) func(map[string]any) { return func(c map[string]any) { c[name] = value } }
	for _, c := range []struct {
		why, reason string
		change      func(map[string]any)
	}{
		{"a nonce (with-nonce)", ReasonLogoutNonce, with("nonce", "x")},
		{"a nonce that is null", ReasonLogoutNonce, with("nonce", nil)},
		{"no event (no-event)", ReasonLogoutEvent, without("events")},
		{"another event (wrong-event)", ReasonLogoutEvent, with("events", map[string]any{"https://other": map[string]any{}})},
		{"the event as a text", ReasonLogoutEvent, with("events", map[string]any{logoutEvent: "yes"})},
		{"another audience (wrong-aud)", ReasonAudience, with("aud", "another")},
		{"another issuer (wrong-iss)", ReasonIssuer, with("iss", "https://elsewhere.test")},
		{"no jti", ReasonLogoutID, without("jti")},
		{"neither sub nor sid", ReasonLogoutSubject, func(c map[string]any) { delete(c, "sub"); delete(c, "sid") }},
		{"no iat", ReasonIssuedAt, without("iat")},
		{"one of ten minutes ago", ReasonExpired, with("iat", start.Add(-10*time.Minute).Unix())},
		{"an exp that is over", ReasonExpired, with("exp", start.Add(-301*time.Second).Unix())},
	} {
		_, err := judge(c.change)
		tr.refused(err, c.why, c.reason, true)
	}
	for _, name := range []string{"sub", "sid", "exp"} {
		if _, err := judge(without(name)); err != nil {
			t.Errorf("without %s: %v", name, err)
		}
	}
	claims := map[string]any{"iss": tr.idp.Issuer, "aud": tr.idp.ClientID, "iat": start.Unix(), "jti": "1", "sub": "x", "events": map[string]any{logoutEvent: map[string]any{}}}
	for why, raw := range map[string]string{
		"alg none (alg-none)":    oidctest.Forge(map[string]any{"alg": "none"}, claims, nil),
		"HS256 (wrong-alg)":      oidctest.Forge(map[string]any{"alg": "HS256"}, claims, oidctest.HMAC([]byte(tr.idp.Secret))),
		"an access token's type": tr.idp.Keys[0].SignAs("at+jwt", claims),
		"another's key":          oidctest.NewRSA("k1").SignAs("logout+jwt", claims),
	} {
		_, err := tr.rp.LogoutToken(context.Background(), tr.p, raw, tr.now)
		if err == nil {
			t.Errorf("%s: believed", why)
		}
	}
}

func TestEmailVerified_IsTheJSONValueTrueAlone(t *testing.T) { // R15, A49
	for text, want := range map[string]bool{`true`: true, `"true"`: false, `"true "`: false, `1`: false, `0`: false, `null`: false, `false`: false, `"false"`: false, `[true]`: false} {
		c, err := parseClaims([]byte(`{"email_verified":` + text + `}`))
		if err != nil || c.True("email_verified") != want {
			t.Errorf("%s: %v, %v", text, c.True("email_verified"), err)
		}
	}
	if (Claims{}).True("email_verified") {
		t.Error("an absent claim is true")
	}
}

func TestAClaim_IsFoundByNameBeforePath(t *testing.T) {
	c, err := parseClaims([]byte(`{"realm":{"roles":["a","b"]},"https://acme.test/groups":"one","https://acme":{"test/groups":["x"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if list, known := c.List("realm.roles"); !known || len(list) != 2 {
		t.Errorf("%v", list)
	}
	if list, known := c.List("https://acme.test/groups"); !known || len(list) != 1 || list[0] != "one" {
		t.Errorf("%v", list)
	}
	if _, known := c.List("realm"); known {
		t.Error("an object is a list")
	}
}
