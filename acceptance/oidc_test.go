package acceptance

import (
	"crypto"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-id/gatehouse/internal/relyingparty/oidctest"
)

// TestStory_signing_in_by_oidc tells how people sign in through an IdP of OpenID Connect, over restarts, and
// how that IdP ends it.
func TestStory_signing_in_by_oidc(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		shows(t, "F16", "F17")
		idp := oidctest.New(t)
		w.must(os.WriteFile(filepath.Join(w.dir, "secret.txt"), []byte(idp.Secret+"\n"), 0o600))
		file := `workspace: acme
connections:
  - {name: oidc, provider: generic, protocol: oidc, issuer: ` + idp.Issuer + `/.well-known/openid-configuration, client_id: gatehouse, client_secret_file: secret.txt, status: active, logout: yes}
`
		got := w.mustApply(file)
		if again := w.mustApply(file); len(again.Changes) != 0 {
			t.Errorf("applied again: %v", again.Changes)
		}
		connection := got.Connections[0].ID
		login := "/auth/oidc/" + connection + "/login"
		b := w.newBrowser()
		if p := b.open(login); p.status != http.StatusOK || p.url.Path != "/w/acme" {
			t.Fatalf("the sign-in ended at %s with %d: %s", p.url, p.status, p.text)
		}
		if s := b.session(); s.Method != "oidc" || s.Member.Email != "bob@acme.test" {
			t.Errorf("the session says %+v", s)
		}

		// A restart forgets neither the session nor a sign-in under way.
		other := w.newBrowser()
		other.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		there := other.open(login).to
		w.stop()
		w.start()
		if s := b.session(); s.status != http.StatusOK {
			t.Errorf("after a restart the session is answered %d", s.status)
		}
		redirect, answer, err := idp.Answer(there.String())
		w.must(err)
		if p := other.fetch(http.MethodGet, redirect+"?"+answer.Encode()); p.to == nil || p.to.Path != "/w/acme" {
			t.Errorf("the sign-in of before the restart ends with %d: %s", p.status, p.text)
		}

		res, err := http.PostForm(w.base+"/auth/oidc/"+connection+"/backchannel-logout", url.Values{"logout_token": {idp.LogoutToken(nil)}})
		w.must(err)
		res.Body.Close()
		if s := b.session(); res.StatusCode != http.StatusOK || s.status != http.StatusUnauthorized {
			t.Errorf("the IdP's logout is answered %d, and then the session %d", res.StatusCode, s.status)
		}
		out, _, _ := w.run(nil, "export", "acme")
		if strings.Contains(out, idp.Secret) || strings.Contains(w.log.String(), idp.Secret) || !strings.Contains(out, "client_id: gatehouse") {
			t.Errorf("the secret got out, or the export has no connection: %s", out)
		}
	}, "--allow-private-networks")
}

// TestStory_an_IdP_that_wants_no_secret tells that we prove who we are by the key that our own discovery publishes.
func TestStory_an_IdP_that_wants_no_secret(t *testing.T) {
	w := newWorld(t, "", "--allow-private-networks")
	idp := oidctest.New(t)
	idp.Do(func(idp *oidctest.IdP) {
		idp.Secret = ""
		idp.Public = func(kid string) crypto.PublicKey {
			var set jose.JSONWebKeySet
			res, err := http.Get(w.base + "/oauth2/jwks")
			if err != nil {
				return nil
			}
			defer res.Body.Close()
			if json.NewDecoder(res.Body).Decode(&set) != nil || len(set.Key(kid)) == 0 {
				return nil
			}
			return set.Key(kid)[0].Key
		}
	})
	got := w.mustApply("workspace: acme\nconnections:\n  - {name: oidc, provider: generic, protocol: oidc, issuer: '" + idp.Issuer + "', client_id: gatehouse, client_auth: private_key_jwt, status: active}\n")
	b := w.newBrowser()
	if p := b.open("/auth/oidc/" + got.Connections[0].ID + "/login"); p.url.Path != "/w/acme" || b.session().Method != "oidc" {
		t.Errorf("the sign-in ended at %s with %d: %s", p.url, p.status, p.text)
	}
	if form := idp.Requests()[0].PostForm; form.Get("client_secret") != "" || strings.Count(form.Get("client_assertion"), ".") != 2 {
		t.Errorf("the token request was %v", form)
	}
}

// TestStory_an_IdP_inside_the_network_is_not_called tells that without the operator's word no address of the
// operator's network is called, whoever named it.
func TestStory_an_IdP_inside_the_network_is_not_called(t *testing.T) {
	w := newWorld(t, "")
	idp := oidctest.New(t)
	w.must(os.WriteFile(filepath.Join(w.dir, "secret.txt"), []byte(idp.Secret), 0o600))
	issuer := strings.Replace(idp.Issuer, "http://", "https://", 1)
	got := w.mustApply(`workspace: acme
connections:
  - {name: oidc, provider: generic, protocol: oidc, issuer: '` + issuer + `', client_id: gatehouse, client_secret_file: secret.txt, status: active}
`)
	p := w.newBrowser().open("/auth/oidc/" + got.Connections[0].ID + "/login")
	if p.status != http.StatusServiceUnavailable || !strings.Contains(p.text, "idp_unreachable") || strings.Contains(p.text, "127.0.0.1") {
		t.Errorf("%d: %s", p.status, p.text)
	}
	if n := idp.Asked("/.well-known/openid-configuration"); n != 0 {
		t.Errorf("it was called %d times", n)
	}
}
