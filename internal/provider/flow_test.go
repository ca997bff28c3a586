package provider_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

func TestRelyingPartyByOthers_SignsIn(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		op, err := oidc.NewProvider(ctx, w.url)
		w.must(err)
		config := oauth2.Config{ClientID: app, ClientSecret: secret, Endpoint: op.Endpoint(), RedirectURL: callback,
			Scopes: []string{oidc.ScopeOpenID, "email", "profile", oidc.ScopeOfflineAccess}}
		pkce := oauth2.GenerateVerifier()
		address := config.AuthCodeURL("state-1", oidc.Nonce("nonce-1"), oauth2.S256ChallengeOption(pkce))

		b := w.browser()
		res, _ := b.get(address)
		signin := w.location(res)
		if signin.Path != "/signin" || signin.Query().Get("workspace") != "acme" {
			t.Fatalf("nobody is signed in: %s to %s", res.Status, signin)
		}
		again := signin.Query().Get("continue")
		b.signIn(acme, ann)
		res, _ = b.get(again)
		back := w.location(res).Query()
		if back.Get("state") != "state-1" || back.Get("iss") != w.url {
			t.Fatalf("the answer is %v", back)
		}
		tokens, err := config.Exchange(ctx, back.Get("code"), oauth2.VerifierOption(pkce))
		w.must(err)
		id, err := op.Verifier(&oidc.Config{ClientID: app}).Verify(ctx, tokens.Extra("id_token").(string))
		w.must(err)
		w.must(id.VerifyAccessToken(tokens.AccessToken))
		var claims struct {
			Workspace, Role, Email, SID string
			Groups                      []string
			EmailVerified               bool  `json:"email_verified"`
			AuthTime                    int64 `json:"auth_time"`
		}
		w.must(id.Claims(&claims))
		if id.Subject != ann || id.Nonce != "nonce-1" || claims.Workspace != "acme" || claims.Role != "Member" || claims.Groups == nil ||
			claims.Email != "ann@acme.test" || claims.EmailVerified || !strings.HasPrefix(claims.SID, "ses_") || claims.AuthTime == 0 {
			t.Errorf("claims %+v of %s", claims, id.Subject)
		}
		info, err := op.UserInfo(ctx, config.TokenSource(ctx, tokens))
		w.must(err)
		if info.Subject != ann || info.Email != "ann@acme.test" {
			t.Errorf("userinfo %+v", info)
		}
		tokens.Expiry = time.Now().Add(-time.Hour)
		renewed, err := config.TokenSource(ctx, tokens).Token()
		w.must(err)
		if renewed.RefreshToken == tokens.RefreshToken || renewed.AccessToken == tokens.AccessToken {
			t.Error("refreshing gave the same tokens again")
		}
	})
}

func TestEndOfASession_EndsAllThatItGave(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b := w.browser().signIn(acme, ann)
		plain, challenge := verifier()
		_, given := w.token(app, "grant_type", "authorization_code", "code", b.code(request(challenge)), "redirect_uri", callback, "code_verifier", plain)
		access, refresh := given["access_token"].(string), given["refresh_token"].(string)
		waiting := b.code(request(challenge)) // given before, redeemed after
		if _, active := w.post("/oauth2/introspect", app, "token", access); active["active"] != true || active["sub"] != ann {
			t.Fatalf("before: %v", active)
		}
		w.must(func() error {
			_, err := w.people.Deactivate(t.Context(), provision.Scope{Workspace: acme, Actor: audit.Party{Kind: "operator"}}, func(tx *store.Tx) (*directory.Member, error) { return tx.Member(ann) })
			return err
		}())

		if status, got := w.token(app, "grant_type", "refresh_token", "refresh_token", refresh); status != 400 || got["error"] != "invalid_grant" {
			t.Errorf("refresh: %d %v", status, got)
		}
		if status, got := w.token(app, "grant_type", "authorization_code", "code", waiting, "redirect_uri", callback, "code_verifier", plain); status != 400 || got["error"] != "invalid_grant" {
			t.Errorf("a code from before: %d %v", status, got)
		}
		for _, token := range []string{access, refresh} {
			if _, got := w.post("/oauth2/introspect", app, "token", token); got["active"] != false || len(got) != 1 {
				t.Errorf("introspection: %v", got)
			}
		}
		res, _ := b.send(http.MethodGet, "/oauth2/userinfo", nil, "Authorization", "Bearer "+access)
		if res.StatusCode != 401 || !strings.Contains(res.Header.Get("WWW-Authenticate"), "invalid_token") {
			t.Errorf("userinfo: %s, %s", res.Status, res.Header.Get("WWW-Authenticate"))
		}
		res, _ = b.get("/oauth2/authorize?" + request(challenge, "prompt", "none").Encode())
		if w.location(res).Query().Get("error") != "login_required" {
			t.Errorf("silent sign-in: %s", res.Header.Get("Location"))
		}
		if token := <-w.told; strings.Count(token, ".") != 2 {
			t.Errorf("the application was told %q", token)
		}
	})
}

func TestCode_OpensOnceHoweverManyTry(t *testing.T) { // A51
	each(t, func(t *testing.T, w *world) {
		b := w.browser().signIn(acme, ann)
		plain, challenge := verifier()
		code := b.code(request(challenge))
		var mu sync.Mutex
		var got []map[string]any
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				_, given := w.token(app, "grant_type", "authorization_code", "code", code, "redirect_uri", callback, "code_verifier", plain)
				mu.Lock()
				defer mu.Unlock()
				got = append(got, given)
			})
		}
		all.Wait()
		var access []string
		for _, g := range got {
			if token, ok := g["access_token"].(string); ok {
				access = append(access, token)
			} else if g["error"] != "invalid_grant" {
				t.Errorf("refused with %v", g)
			}
		}
		if len(access) != 1 {
			t.Fatalf("%d of 20 got tokens", len(access))
		}
		// A code that comes twice was stolen from somebody: what it gave is taken back.
		if _, active := w.post("/oauth2/introspect", app, "token", access[0]); active["active"] != false {
			t.Errorf("after the replay: %v", active)
		}
	})
}

// A48, somebody else's code or a challenge that is got around, and A51, a code for another application.
func TestCode_IsBoundToItsRequest(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b := w.browser().signIn(acme, ann)
		plain, challenge := verifier()
		foreign, _ := verifier()
		for name, c := range map[string]struct {
			client string
			pairs  []string
		}{
			"A51 another application":       {other, []string{"redirect_uri", callback, "code_verifier", plain}},
			"A51 another workspace":         {their, []string{"redirect_uri", callback, "code_verifier", plain}},
			"another redirect URI":          {app, []string{"redirect_uri", callback + "?tenant=1", "code_verifier", plain}},
			"no redirect URI":               {app, []string{"code_verifier", plain}},
			"A48 another verifier":          {app, []string{"redirect_uri", callback, "code_verifier", foreign}},
			"A48 no verifier":               {app, []string{"redirect_uri", callback}},
			"A48 the challenge as verifier": {app, []string{"redirect_uri", callback, "code_verifier", challenge}},
		} {
			pairs := append([]string{"grant_type", "authorization_code", "code", b.code(request(challenge))}, c.pairs...)
			status, got := w.token(c.client, pairs...)
			if status != 400 || got["error"] != "invalid_grant" && got["error"] != "invalid_request" || got["access_token"] != nil {
				t.Errorf("%s: %d %v", name, status, got)
			}
		}
		status, got := w.token(app, "grant_type", "authorization_code", "code", b.code(request(challenge)), "redirect_uri", callback, "code_verifier", plain)
		if status != 200 || got["token_type"] != "Bearer" {
			t.Errorf("the control: %d %v", status, got)
		}
	})
}

func TestRefreshToken_ThatComesTwiceEndsTheFamily(t *testing.T) { // A51
	each(t, func(t *testing.T, w *world) {
		b := w.browser().signIn(acme, ann)
		plain, challenge := verifier()
		_, first := w.token(app, "grant_type", "authorization_code", "code", b.code(request(challenge)), "redirect_uri", callback, "code_verifier", plain)
		status, second := w.token(app, "grant_type", "refresh_token", "refresh_token", first["refresh_token"].(string))
		if status != 200 {
			t.Fatalf("%d %v", status, second)
		}
		if status, got := w.token(app, "grant_type", "refresh_token", "refresh_token", first["refresh_token"].(string)); status != 400 || got["error"] != "invalid_grant" {
			t.Errorf("the old one again: %d %v", status, got)
		}
		if status, got := w.token(app, "grant_type", "refresh_token", "refresh_token", second["refresh_token"].(string)); status != 400 || got["error"] != "invalid_grant" {
			t.Errorf("the new one afterwards: %d %v", status, got)
		}
		if _, got := w.post("/oauth2/introspect", app, "token", second["access_token"].(string)); got["active"] != false {
			t.Errorf("the access token afterwards: %v", got)
		}
	})
}

func TestRevokedToken_IsWorthNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b := w.browser().signIn(acme, ann)
		plain, challenge := verifier()
		_, given := w.token(app, "grant_type", "authorization_code", "code", b.code(request(challenge)), "redirect_uri", callback, "code_verifier", plain)
		access := given["access_token"].(string)
		if status, _ := w.post("/oauth2/revoke", other, "token", access); status != 200 {
			t.Errorf("another application's revocation: %d", status)
		}
		if _, got := w.post("/oauth2/introspect", app, "token", access); got["active"] != true {
			t.Error("another application revoked it")
		}
		for _, token := range []string{access, "gat_unknown", "nonsense"} {
			if status, _ := w.post("/oauth2/revoke", app, "token", token); status != 200 {
				t.Errorf("revoke %s: %d", token, status)
			}
		}
		if _, got := w.post("/oauth2/introspect", app, "token", access); got["active"] != false {
			t.Error("it still is worth something")
		}
		if _, got := w.post("/oauth2/introspect", their, "token", given["refresh_token"].(string)); got["active"] != false {
			t.Error("another workspace's application sees it")
		}
	})
}

func TestSessionOfAnotherWorkspace_OpensNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b := w.browser().signIn(beta, zoe)
		_, challenge := verifier()
		res, _ := b.get("/oauth2/authorize?" + request(challenge).Encode())
		if at := w.location(res); at.Path != "/signin" || at.Query().Get("workspace") != "acme" {
			t.Errorf("%s to %s", res.Status, at)
		}
		if b.code(request(challenge, "client_id", their)) == "" {
			t.Error("the control: their own application")
		}
	})
}

func TestFreshProof_IsAskedForOnceAndNeverAgain(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b := w.browser().signIn(acme, ann)
		_, challenge := verifier()
		for _, pairs := range [][]string{{"prompt", "login"}, {"max_age", "0", "prompt", "login"}, {"prompt", "login", "login_hint", "ann@acme.test"}} {
			res, _ := b.get("/oauth2/authorize?" + request(challenge, pairs...).Encode())
			at := w.location(res)
			if at.Path != "/signin" || at.Query().Get("fresh") != "1" {
				t.Fatalf("%v: %s to %s", pairs, res.Status, at)
			}
			again, err := url.Parse(at.Query().Get("continue"))
			w.must(err)
			if again.Query().Has("prompt") {
				t.Errorf("%v: it would be asked again: %s", pairs, again)
			}
			// Without a new sign-in the mark alone opens nothing, and asks nothing: no loop.
			future := again.Query()
			future.Set("gatehouse_since", "99999999999")
			res, _ = b.get("/oauth2/authorize?" + future.Encode())
			if got := w.location(res).Query().Get("error"); got != "login_required" {
				t.Errorf("%v: back without a sign-in: %q, %s", pairs, got, w.location(res))
			}
			// A little patience: the session must have begun in the second of the mark or later.
			b.signIn(acme, ann)
			res, _ = b.get(again.String())
			if w.location(res).Query().Get("code") == "" {
				t.Errorf("%v: after signing in: %s to %s", pairs, res.Status, w.location(res))
			}
		}
	})
}

func TestApplicationSignsOut_WithItsIDToken(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b := w.browser().signIn(acme, ann)
		plain, challenge := verifier()
		_, given := w.token(app, "grant_type", "authorization_code", "code", b.code(request(challenge)), "redirect_uri", callback, "code_verifier", plain)
		hint := given["id_token"].(string)
		end := func(b *browser, q url.Values) (*http.Response, string) {
			return b.get("/oauth2/end-session?" + q.Encode())
		}

		for name, q := range map[string]url.Values{
			"a foreign address":        {"id_token_hint": {hint}, "post_logout_redirect_uri": {"https://evil.test/"}},
			"an address with more":     {"id_token_hint": {hint}, "post_logout_redirect_uri": {goodbye + "?x=1"}},
			"a modified hint":          {"id_token_hint": {hint[:len(hint)-8] + "AAAAAAAA"}, "post_logout_redirect_uri": {goodbye}},
			"another application's id": {"id_token_hint": {hint}, "client_id": {other}, "post_logout_redirect_uri": {goodbye}},
		} {
			if res, _ := end(b, q); res.StatusCode != 400 {
				t.Errorf("%s: %s to %s", name, res.Status, res.Header.Get("Location"))
			}
		}
		for name, q := range map[string]url.Values{"no hint": {"post_logout_redirect_uri": {goodbye}}, "nothing": {}} {
			if res, _ := end(b, q); res.Header.Get("Location") != "/signout" {
				t.Errorf("%s: %s to %s", name, res.Status, res.Header.Get("Location"))
			}
		}
		elsewhere := w.browser().signIn(acme, ann)
		if res, _ := end(elsewhere, url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {goodbye}}); res.Header.Get("Location") != "/signout" {
			t.Errorf("the hint of another session: %s to %s", res.Status, res.Header.Get("Location"))
		}
		if res, _ := b.get("/auth/session"); res.StatusCode != 200 {
			t.Fatal("a refused sign-out ended the session")
		}

		res, _ := end(b, url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {goodbye}, "state": {"s 1"}})
		if res.Header.Get("Location") != goodbye+"?state=s+1" {
			t.Errorf("sign-out: %s to %s", res.Status, res.Header.Get("Location"))
		}
		if res, _ := b.get("/auth/session"); res.StatusCode != 401 {
			t.Error("the session lives on")
		}
		<-w.told
		if res, _ := end(b, url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {goodbye}}); res.Header.Get("Location") != goodbye {
			t.Errorf("twice: %s to %s", res.Status, res.Header.Get("Location"))
		}
	})
}

func TestDiscovery_SaysWhatWorks(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		op, err := oidc.NewProvider(t.Context(), w.url)
		w.must(err)
		var doc struct {
			Response   []string `json:"response_types_supported"`
			Challenges []string `json:"code_challenge_methods_supported"`
			Iss        bool     `json:"authorization_response_iss_parameter_supported"`
			Logout     bool     `json:"backchannel_logout_supported"`
		}
		w.must(op.Claims(&doc))
		if !slices.Equal(doc.Response, []string{"code"}) || !slices.Equal(doc.Challenges, []string{"S256"}) || !doc.Iss || !doc.Logout {
			t.Errorf("%+v", doc)
		}
	})
}
