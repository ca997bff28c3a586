package idpsim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"
)

// relying is a relying party of another make, set up at an IdP.
type relying struct {
	t       *testing.T
	idp     *IdP
	ctx     context.Context
	base    string
	config  oauth2.Config
	checker *oidc.IDTokenVerifier
	op      *oidc.Provider
	told    chan string // logout tokens
	client  *http.Client
	nonce   string
}

var oidcKinds = []Kind{Okta, OktaCustom, Entra, EntraFlag, Google, OneLogin, JumpCloud}

// relyingOn sets one up, with a company of which everybody is assigned but bjork.
func relyingOn(t *testing.T, kind Kind, change func(*OIDCSettings)) *relying {
	t.Helper()
	x := openSite(t)
	s := x.s
	x.script("/api/"+string(kind)+"/seed", "")
	r := &relying{t: t, idp: s.IdP(kind), base: x.url, client: x.client, told: make(chan string, 4), nonce: "n-1"}
	s.env.BaseURL = x.url
	for _, one := range r.idp.State().People {
		if one.UserName != "bjork@acme.test" {
			must(t, r.idp.Assign(t.Context(), one.ID))
		}
	}
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { r.told <- q.FormValue("logout_token") }))
	t.Cleanup(app.Close)
	set := r.idp.OIDCSettings()
	set.RedirectURIs, set.PostLogoutURIs = []string{app.URL + "/callback"}, []string{app.URL + "/bye"}
	set.InitiateURL = app.URL + "/initiate"
	switch {
	case kind.IsEntra():
		set.FrontchannelURL = app.URL + "/front"
	case kind != Google:
		set.BackchannelURL, set.FrontchannelURL = app.URL+"/back", app.URL+"/front"
	}
	if change != nil {
		change(&set)
	}
	must(t, r.idp.ConfigureOIDC(set))
	r.ctx = oidc.ClientContext(t.Context(), x.s.env.HTTPClient)
	var err error
	r.op, err = oidc.NewProvider(r.ctx, r.idp.OIDCIssuer())
	must(t, err)
	r.config = oauth2.Config{ClientID: set.ClientID, ClientSecret: set.ClientSecret, Endpoint: r.op.Endpoint(), RedirectURL: set.RedirectURIs[0], Scopes: []string{"openid", "email", "profile"}}
	if kind.isOkta() || kind == OneLogin {
		r.config.Scopes = append(r.config.Scopes, "groups")
	}
	r.checker = r.op.Verifier(&oidc.Config{ClientID: set.ClientID, Now: r.idp.opts.Clock})
	return r
}

func (r *relying) request(verifier string, more ...oauth2.AuthCodeOption) string {
	return r.config.AuthCodeURL("state-1", append(more, oauth2.S256ChallengeOption(verifier), oidc.Nonce(r.nonce))...)
}

// signsIn goes all the way and returns what the relying party learns; the error is its refusal.
func (r *relying) signsIn(who string) (claims map[string]any, answer Answer, err error) {
	r.t.Helper()
	verifier := oauth2.GenerateVerifier()
	answer, err = r.idp.Authorize(r.request(verifier), who)
	must(r.t, err)
	if answer.Parameters.Get("state") != "state-1" || answer.Parameters.Has("iss") {
		return nil, answer, errors.New("the answer is not to this request")
	}
	if e := answer.Parameters.Get("error"); e != "" {
		return nil, answer, errors.New(e)
	}
	token, err := r.config.Exchange(r.ctx, answer.Parameters.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		return nil, answer, err
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := r.checker.Verify(r.ctx, raw)
	if err != nil {
		return nil, answer, err
	}
	must(r.t, id.Claims(&claims))
	switch {
	case id.Nonce != r.nonce:
		return nil, answer, errors.New("nonce")
	case r.idp.kind == Google && claims["hd"] != "acme.test":
		return nil, answer, errors.New("hd")
	case claims["azp"] != nil && claims["azp"] != r.config.ClientID:
		return nil, answer, errors.New("azp")
	case id.Subject == "":
		return nil, answer, errors.New("no sub")
	case claims["iat"] == nil || id.IssuedAt.After(r.idp.opts.Clock().Add(5*time.Minute)):
		return nil, answer, errors.New("iat")
	}
	if id.AccessTokenHash != "" {
		if err := id.VerifyAccessToken(token.AccessToken); err != nil {
			return nil, answer, err
		}
	}
	info, err := r.op.UserInfo(r.ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return nil, answer, err
	}
	if info.Subject != id.Subject {
		return nil, answer, errors.New("userinfo of somebody else")
	}
	var more map[string]any
	must(r.t, info.Claims(&more))
	for name, value := range more {
		if claims[name] == nil {
			claims[name] = value
		}
	}
	return claims, answer, nil
}

const annLee = "ann.lee@acme.test"

func TestOIDC_APartyOfAnotherMakeSignsPeopleIn(t *testing.T) {
	issuers := map[Kind]string{Okta: `/okta/oauth2/default`, OktaCustom: `/okta-custom/oauth2/default`, Entra: `/entra/[0-9a-f-]{36}/v2\.0`,
		EntraFlag: `/entra-flag/[0-9a-f-]{36}/v2\.0`, Google: `/google`, OneLogin: `/onelogin/oidc/2`, JumpCloud: `/jumpcloud/`}
	for _, kind := range oidcKinds {
		t.Run(string(kind), func(t *testing.T) {
			r := relyingOn(t, kind, nil)
			c, answer, err := r.signsIn(annLee)
			must(t, err)
			x, err := r.idp.person(annLee)
			must(t, err)
			if iss, _ := c["iss"].(string); !regexp.MustCompile(`^` + regexp.QuoteMeta(r.base) + issuers[kind] + `$`).MatchString(iss) {
				t.Errorf("issuer %s", iss)
			}
			if c["email"] != annLee || c["name"] != x.DisplayName || answer.Fault != OIDCNone {
				t.Errorf("claims %v", c)
			}
			groups, _ := json.Marshal(c["groups"])
			verified := map[Kind]any{Okta: true, OktaCustom: true, Google: true, JumpCloud: true}[kind]
			if c["email_verified"] != verified {
				t.Errorf("email_verified is %v, want %v", c["email_verified"], verified)
			}
			switch {
			case kind.IsEntra():
				if c["oid"] != x.ID || c["sub"] == x.ID || c["tid"] != r.idp.Tenant() || c["preferred_username"] != annLee || c["at_hash"] != nil || strings.Contains(string(groups), "Omniflow") {
					t.Errorf("Entra says %v", c)
				}
			case kind == Google:
				if c["hd"] != "acme.test" || c["azp"] != r.config.ClientID || c["groups"] != nil || c["sid"] != nil || c["sub"] != x.ID {
					t.Errorf("Google says %v", c)
				}
			default:
				if c["sub"] != x.ID || !strings.Contains(string(groups), "Omniflow-Admins") || c["sid"] != answer.Session {
					t.Errorf("%s says %v", kind, c)
				}
			}
		})
	}
}

func TestOIDC_EveryFaultIsSeenByAPartyOfAnotherMake(t *testing.T) {
	for _, kind := range []Kind{Okta, Entra, Google} {
		r := relyingOn(t, kind, nil)
		_, _, err := r.signsIn(annLee)
		must(t, err)
		for _, f := range r.idp.OIDCFaults() {
			must(t, r.idp.SetOIDCFault(f))
			r.nonce += "x"
			_, answer, err := r.signsIn(annLee)
			if answer.Fault != f || (err == nil) != f.Works() {
				if f == OIDCReplay && answer.Fault == f && err != nil {
					continue
				}
				t.Errorf("%s %s: answered with %s, refused by %v", kind, f, answer.Fault, err)
			}
			if _, answer, err := r.signsIn(annLee); err != nil || answer.Fault != OIDCNone {
				t.Errorf("%s: after %s the next sign-in is refused: %v", kind, f, err)
			}
		}
		if err := r.idp.SetOIDCFault("x"); !errors.Is(err, ErrInvalid) {
			t.Errorf("an unknown fault: %v", err)
		}
	}
}

func TestOIDC_ARequestIsReadStrictly(t *testing.T) {
	r := relyingOn(t, Okta, nil)
	good := r.request(oauth2.GenerateVerifier())
	for change, want := range map[string]string{
		"client_id=x":                 "client_id",
		"redirect_uri=https://x/y":    "redirect_uri",
		"response_type=token":         "response_type",
		"scope=email":                 "openid",
		"scope=openid admin":          "invalid_scope",
		"state=":                      "state and nonce",
		"nonce=":                      "state and nonce",
		"code_challenge=abc":          "code_challenge",
		"code_challenge_method=plain": "code_challenge",
		"response_mode=fragment":      "response_mode",
		"max_age=soon":                "max_age",
	} {
		u, err := url.Parse(good)
		must(t, err)
		q := u.Query()
		name, value, _ := strings.Cut(change, "=")
		q.Set(name, value)
		u.RawQuery = q.Encode()
		if _, err := r.idp.Authorize(u.String(), annLee); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", change, err)
		}
	}
	if _, err := r.idp.Authorize(good+"&state=again", annLee); !errors.Is(err, ErrInvalid) {
		t.Errorf("state twice: %v", err)
	}
	for who, want := range map[string]error{"bjork@acme.test": ErrDenied, "nobody": ErrUnknown} {
		if _, err := r.idp.Authorize(good, who); !errors.Is(err, want) {
			t.Errorf("%s: %v", who, err)
		}
	}
	if a, err := r.idp.Authorize(good+"&prompt=none", annLee); err != nil || a.Parameters.Get("error") != "login_required" {
		t.Errorf("prompt=none: %v %v", a, err)
	}
	google := relyingOn(t, Google, nil)
	google.config.Scopes = append(google.config.Scopes, "groups")
	if _, err := google.idp.Authorize(google.request(oauth2.GenerateVerifier()), annLee); err == nil {
		t.Error("Google knows the scope groups")
	}
}

func TestOIDC_ACodeIsGoodOnceForItsOwnParty(t *testing.T) {
	r := relyingOn(t, JumpCloud, nil)
	for what, spoil := range map[string]func(c *oauth2.Config, verifier *string, spend func()){
		"twice":                 func(_ *oauth2.Config, _ *string, spend func()) { spend() },
		"with another verifier": func(_ *oauth2.Config, v *string, _ func()) { *v = oauth2.GenerateVerifier() },
		"with another address":  func(c *oauth2.Config, _ *string, _ func()) { c.RedirectURL += "/x" },
		"with a wrong secret":   func(c *oauth2.Config, _ *string, _ func()) { c.ClientSecret = "x" },
		"of another client":     func(c *oauth2.Config, _ *string, _ func()) { c.ClientID = "x" },
	} {
		verifier := oauth2.GenerateVerifier()
		a, err := r.idp.Authorize(r.request(verifier), annLee)
		must(t, err)
		config := r.config
		spoil(&config, &verifier, func() {
			_, err := r.config.Exchange(r.ctx, a.Parameters.Get("code"), oauth2.VerifierOption(verifier))
			must(t, err)
		})
		if _, err := config.Exchange(r.ctx, a.Parameters.Get("code"), oauth2.VerifierOption(verifier)); err == nil {
			t.Errorf("%s the code is redeemed", what)
		}
	}
}

func TestOIDC_ClientAuthenticationIsTheOneThatIsSet(t *testing.T) {
	for how, styles := range map[string]map[oauth2.AuthStyle]bool{
		"secret":          {oauth2.AuthStyleInHeader: true, oauth2.AuthStyleInParams: true},
		"basic":           {oauth2.AuthStyleInHeader: true, oauth2.AuthStyleInParams: false},
		"post":            {oauth2.AuthStyleInHeader: false, oauth2.AuthStyleInParams: true},
		"private_key_jwt": {oauth2.AuthStyleInHeader: false, oauth2.AuthStyleInParams: false},
	} {
		key, err := newOIDCKey("ES256")
		must(t, err)
		keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			respond(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.public(Okta)}})
		}))
		t.Cleanup(keys.Close)
		r := relyingOn(t, OneLogin, func(s *OIDCSettings) { s.ClientAuth, s.KeysURL = how, keys.URL })
		for style, works := range styles {
			r.config.Endpoint.AuthStyle = style
			if _, _, err := r.signsIn(annLee); (err == nil) != works {
				t.Errorf("%s with style %d: %v", how, style, err)
			}
		}
		if how != "private_key_jwt" {
			continue
		}
		for audience, works := range map[string]bool{r.idp.OIDCIssuer(): true, "https://another.example": false} {
			verifier := oauth2.GenerateVerifier()
			a, err := r.idp.Authorize(r.request(verifier), annLee)
			must(t, err)
			assertion, err := key.sign("JWT", map[string]any{"iss": r.config.ClientID, "sub": r.config.ClientID, "aud": audience, "jti": "1", "exp": r.idp.opts.Clock().Add(time.Minute).Unix()}, false, false)
			must(t, err)
			config := r.config
			config.ClientSecret, config.Endpoint.AuthStyle = "", oauth2.AuthStyleInParams
			_, err = config.Exchange(r.ctx, a.Parameters.Get("code"), oauth2.VerifierOption(verifier), oauth2.SetAuthURLParam("client_assertion", assertion),
				oauth2.SetAuthURLParam("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"))
			if (err == nil) != works {
				t.Errorf("an assertion for %s: %v", audience, err)
			}
		}
	}
}

func TestOIDC_KeysAreRotatedUnderEveryAlgorithm(t *testing.T) {
	for _, algorithm := range oidcAlgorithmChoices {
		r := relyingOn(t, OneLogin, func(s *OIDCSettings) { s.Algorithm = algorithm })
		r.checker = r.op.Verifier(&oidc.Config{ClientID: r.config.ClientID, Now: r.idp.opts.Clock, SupportedSigningAlgs: []string{algorithm}})
		verifier := oauth2.GenerateVerifier()
		before, err := r.idp.Authorize(r.request(verifier), annLee)
		must(t, err)
		token, err := r.config.Exchange(r.ctx, before.Parameters.Get("code"), oauth2.VerifierOption(verifier))
		must(t, err)
		old, _ := token.Extra("id_token").(string)
		for i, want := range []int{2, 2, 1} {
			must(t, r.idp.RotateKey(i == 2))
			if set, err := r.idp.publicKeys(); err != nil || len(set.Keys) != want {
				t.Errorf("%s: rotation %d leaves %d keys, want %d (%v)", algorithm, i+1, len(set.Keys), want, err)
			}
			if _, _, err := r.signsIn(annLee); err != nil {
				t.Errorf("%s: after rotation %d: %v", algorithm, i+1, err)
			}
			fresh := r.op.VerifierContext(r.ctx, &oidc.Config{ClientID: r.config.ClientID, Now: r.idp.opts.Clock, SupportedSigningAlgs: []string{algorithm}})
			if _, err := fresh.Verify(r.ctx, old); i == 0 && err != nil {
				t.Errorf("%s: the token of before the first rotation: %v", algorithm, err)
			}
		}
	}
}

func TestOIDC_EntraSpeaksForAllTenantsAndOfTooManyGroups(t *testing.T) {
	r := relyingOn(t, Entra, nil)
	var d map[string]any
	res, err := r.client.Get(r.base + "/entra/organizations/v2.0" + wellKnownOIDC)
	must(t, err)
	defer res.Body.Close()
	must(t, json.NewDecoder(res.Body).Decode(&d))
	if d["issuer"] != r.base+"/entra/{tenantid}/v2.0" {
		t.Errorf("organizations: %v", d["issuer"])
	}
	if res, err := r.client.Get(r.base + "/entra/00000000-0000-0000-0000-000000000000/v2.0" + wellKnownOIDC); err != nil || res.Body.Close() != nil || res.StatusCode != http.StatusBadRequest {
		t.Errorf("another tenant: %v %v", res, err)
	}
	for i := range entraOIDCGroupsMost + 1 {
		_, err := r.idp.AddGroup(t.Context(), "", fmt.Sprintf("Team %d", i), annLee)
		must(t, err)
	}
	c, _, err := r.signsIn(annLee)
	must(t, err)
	if names, _ := c["_claim_names"].(map[string]any); c["groups"] != nil || names["groups"] != "src1" || c["_claim_sources"] == nil {
		t.Errorf("with many groups: %v", c)
	}
}

func TestOIDC_TheEndOfASessionIsTold(t *testing.T) {
	r := relyingOn(t, JumpCloud, nil)
	_, first, err := r.signsIn(annLee)
	must(t, err)
	_, second, err := r.signsIn(annLee)
	must(t, err)
	read := func() map[string]any {
		token := <-r.told
		signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
		must(t, err)
		set, err := r.idp.publicKeys()
		must(t, err)
		payload, err := signed.Verify(set.Keys[0].Key)
		must(t, err)
		var c map[string]any
		must(t, json.Unmarshal(payload, &c))
		return c
	}
	out, err := r.idp.SignOut(t.Context(), first.Session)
	must(t, err)
	if c := read(); !out.Told || c["sid"] != first.Session || c["sub"] == nil || c["nonce"] != nil || c["events"] == nil {
		t.Errorf("one session: %v %v", out, c)
	}
	if u, err := url.Parse(out.Frames[0]); err != nil || u.Query().Get("sid") != first.Session || u.Query().Get("iss") != r.idp.OIDCIssuer() {
		t.Errorf("frames %v", out.Frames)
	}
	if left := r.idp.OIDCSessions(); len(left) != 1 || left[0].ID != second.Session {
		t.Errorf("left are %v", left)
	}
	_, err = r.idp.SignOut(t.Context(), annLee)
	must(t, err)
	if c := read(); c["sid"] != nil || c["sub"] == nil {
		t.Errorf("everything of somebody: %v", c)
	}
	if _, err := r.idp.SignOut(t.Context(), first.Session); !errors.Is(err, ErrUnknown) {
		t.Errorf("a session that has ended: %v", err)
	}
	google := relyingOn(t, Google, nil)
	set := google.idp.OIDCSettings()
	set.BackchannelURL = "https://app.test/back"
	if err := google.idp.ConfigureOIDC(set); !errors.Is(err, ErrNotOffered) {
		t.Errorf("Google tells: %v", err)
	}
}

func TestOIDC_TheApplicationSignsOut(t *testing.T) {
	r := relyingOn(t, Okta, nil)
	verifier := oauth2.GenerateVerifier()
	a, err := r.idp.Authorize(r.request(verifier), annLee)
	must(t, err)
	token, err := r.config.Exchange(r.ctx, a.Parameters.Get("code"), oauth2.VerifierOption(verifier))
	must(t, err)
	hint, _ := token.Extra("id_token").(string)
	out := r.idp.oidcPlaces(r.base).logout
	ask := func(q url.Values) (int, string) {
		res, err := r.client.Get(out + "?" + q.Encode())
		must(t, err)
		defer res.Body.Close()
		return res.StatusCode, res.Header.Get("Location")
	}
	back := r.idp.OIDCSettings().PostLogoutURIs[0]
	for what, q := range map[string]url.Values{"elsewhere": {"id_token_hint": {hint}, "post_logout_redirect_uri": {"https://evil.example/"}},
		"without a hint": {"post_logout_redirect_uri": {back}}, "with a forged hint": {"id_token_hint": {hint[:len(hint)-8] + "AAAAAAAA"}}} {
		if status, to := ask(q); status != http.StatusBadRequest || to != "" {
			t.Errorf("%s: %d %s", what, status, to)
		}
	}
	if len(r.idp.OIDCSessions()) != 1 {
		t.Error("a refused sign-out ended the session")
	}
	if status, to := ask(url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {back}, "state": {"s"}}); status != http.StatusSeeOther || to != back+"?state=s" || len(r.idp.OIDCSessions()) != 0 {
		t.Errorf("%d %s, %v", status, to, r.idp.OIDCSessions())
	}
}

func TestOIDC_ABrowserSignsInAtThePage(t *testing.T) {
	for _, mode := range []string{"query", "form_post"} {
		r := relyingOn(t, Okta, nil)
		at := r.request(oauth2.GenerateVerifier(), oauth2.SetAuthURLParam("response_mode", mode), oauth2.SetAuthURLParam("login_hint", annLee))
		res, err := r.client.Get(at)
		must(t, err)
		page, _ := io.ReadAll(res.Body)
		res.Body.Close()
		x, _ := r.idp.person(annLee)
		if res.StatusCode != http.StatusOK || !strings.Contains(string(page), `id="who-`+x.ID+`"`) || strings.Contains(string(page), `data-user="zoe.mueller@acme.test"`) ||
			!strings.Contains(res.Header.Get("Content-Security-Policy"), "form-action http: https:") {
			t.Fatalf("%d: %s", res.StatusCode, page)
		}
		u, _ := url.Parse(at)
		res, err = r.client.PostForm(r.idp.oidcPlaces(r.base).authorize+"/as", url.Values{"request": {u.RawQuery}, "who": {x.ID}, "fault": {"none"}})
		must(t, err)
		page, _ = io.ReadAll(res.Body)
		res.Body.Close()
		switch to := res.Header.Get("Location"); {
		case mode == "query" && (res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, r.config.RedirectURL+"?") || !strings.Contains(to, "code=")):
			t.Errorf("%d %s", res.StatusCode, to)
		case mode == "form_post" && (res.StatusCode != http.StatusOK || !strings.Contains(string(page), `id="oidc-post"`) || !strings.Contains(string(page), `name="code"`)):
			t.Errorf("%d %s", res.StatusCode, page)
		}
		// The pages of the administrator, and the tile.
		for path, want := range map[string]string{"/okta/oidc": `id="issuer"`, "/okta/dashboard/" + x.ID: `id="oidc-tile"`, "/api/okta/oidc": `"discovery_url"`} {
			res, err := r.client.Get(r.base + path)
			must(t, err)
			page, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if res.StatusCode != http.StatusOK || !strings.Contains(string(page), want) {
				t.Errorf("%s: %d without %s:\n%s", path, res.StatusCode, want, page)
			}
		}
		res, err = r.client.PostForm(r.base+"/okta/oidc/tile", url.Values{"who": {x.ID}})
		must(t, err)
		res.Body.Close()
		if to, _ := r.idp.OIDCTile(annLee); res.Header.Get("Location") != to || !strings.Contains(to, "/initiate?iss=") {
			t.Errorf("the tile leads to %s, want %s", res.Header.Get("Location"), to)
		}
	}
}

func TestOIDC_AScriptSetsItUp(t *testing.T) {
	x := openSite(t)
	x.script("/api/onelogin/seed", "", "/api/onelogin/oidc", `{"redirect_uris":["https://app.test/cb"],"algorithm":"ES256"}`, "/api/onelogin/oidc/fault", `{"fault":"alg_none"}`,
		"/api/onelogin/oidc/rotate-key", `{"immediate":true}`)
	if s := x.s.IdP(OneLogin).OIDCSettings(); s.Algorithm != "ES256" || s.GroupsClaim != "groups" || s.ClientSecret == "" {
		t.Errorf("%+v", s)
	}
	for path, bad := range map[string]string{"": `{"redirect_uris":["ftp://x"]}`, "/fault": `{"fault":"consumer_account"}`, "/tile": `{"who":"ann.lee@acme.test"}`, "/authorize": `{"url":"https://x/","who":"x"}`,
		"/sign-out": `{"which":"x"}`} {
		if status, body := x.post("/api/onelogin/oidc"+path, bad); status < 400 || status > 499 {
			t.Errorf("%s %s: %d %s", path, bad, status, body)
		}
	}
	if status, _ := x.post("/api/pingone/oidc", `{}`); status != http.StatusNotFound && status != http.StatusMethodNotAllowed {
		t.Errorf("PingOne has an OpenID side: %d", status)
	}
}
