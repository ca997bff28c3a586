package console

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty/oidctest"
)

// outside lets a world speak with an IdP of OIDC.
func (w *world) outside(idp *oidctest.IdP) {
	w.t.Helper()
	idp.Now = w.db.Now
	master, err := keys.NewMaster(make([]byte, keys.MasterBytes))
	w.must(err)
	w.settings.Master = func(context.Context) (*keys.Master, error) { return master, nil }
	w.signin.Master, w.signin.Outside = master, &relyingparty.RelyingParty{HTTP: http.DefaultClient}
	w.settings.Metadata = func(_ context.Context, address string) ([]byte, error) {
		res, err := http.Get(address)
		if err != nil {
			return nil, err
		}
		defer res.Body.Close()
		return io.ReadAll(res.Body)
	}
}

func TestOIDC_IsSetUpByHandAndProvenByASignIn(t *testing.T) {
	each(t, "default", func(t *testing.T, w *world) {
		idp := oidctest.New(t)
		w.outside(idp)
		b := w.as("owner@acme.test")
		page := b.done(b.page("/console/acme/sso"), "new-connection", "provider", "generic", "protocol", "oidc")
		if got := page.value(t, "callback-url"); got != w.server.URL+"/auth/oidc/callback" {
			t.Errorf("the redirect URI to copy is %q", got)
		}
		if !strings.Contains(page.body, `<button id="activate" disabled>`) {
			t.Error("a connection without an IdP can be switched on")
		}
		good := []string{"issuer", idp.Issuer, "client_id", idp.ClientID, "client_secret", idp.Secret, "client_auth", "basic"}
		for typed, want := range map[string]string{"https://nobody.invalid": "discovery document of the issuer cannot be had", "nonsense": "expected an https URL", idp.Issuer + "/sub": "Expected the discovery document of the issuer"} {
			a := b.press(page, "save-oidc", append(good[:len(good):len(good)], "issuer", typed)...)
			if a.StatusCode < 400 || !strings.Contains(a.text(t, "oidc-error"), want) || strings.Contains(a.body, idp.Secret) {
				t.Errorf("%s: %d: %s", typed, a.StatusCode, a.body)
			}
		}
		page = b.done(page, "save-oidc", append(good, "issuer", idp.Issuer+"/.well-known/openid-configuration")...)
		if got := page.value(t, "issuer"); got != idp.Issuer {
			t.Errorf("the address of the document became the issuer %q", got)
		}
		if strings.Contains(page.body, idp.Secret) || !strings.Contains(page.text(t, "secret-state"), "One is kept") {
			t.Errorf("the page shows the secret, or not that there is one: %s", page.body)
		}
		page = b.done(page, "activate")
		page = b.done(page, "save-options", "scopes", "email profile groups", "userinfo", "auto", "prompt", "", "form_post", "")
		if got := page.value(t, "scopes"); got != "email profile groups" {
			t.Errorf("the scopes are %q", got)
		}
		login := strings.Split(strings.Split(page.body, `id="test-sign-in" href="`)[1], `"`)[0]
		there := w.as("").get(login)
		if there.StatusCode != http.StatusFound {
			t.Fatalf("the test sign-in answered %d: %s", there.StatusCode, there.body)
		}
		guest := w.as("")
		redirect, q, err := idp.Answer(guest.get(login).Header.Get("Location"))
		w.must(err)
		u, err := url.Parse(redirect)
		w.must(err)
		if a := guest.get(u.Path + "?" + q.Encode()); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("the sign-in answered %d: %s", a.StatusCode, a.body)
		}
		if page = b.page("/console/acme/sso"); !strings.Contains(page.body, `data-word="Verified"`) {
			t.Errorf("the sign-in has not proven the connection: %s", page.body)
		}
		setup := w.setup()
		if o := setup.Connections[0].OIDC; !o.HasSecret || o.ClientID != idp.ClientID || o.UserInfo != "auto" {
			t.Errorf("the settings are %+v", o)
		}
		for _, e := range w.events() {
			if strings.Contains(string(e.Payload), idp.Secret) {
				t.Error("the secret is in the event log")
			}
			for _, c := range e.Changes {
				if strings.Contains(c.From+c.To, idp.Secret) {
					t.Error("the secret is in a change")
				}
			}
		}
	})
}
