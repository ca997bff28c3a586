package acceptance

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/relyingparty/oidctest"
)

// An administrator sets up an IdP of OpenID Connect by hand, and people sign in through it from another site, by a
// redirect and by a posted form, with which no browser sends cookies.
func TestBrowser_AnOIDCConnectionIsSetUpByHand(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.mustApply("workspace: acme\nname: Acme Inc\nowners:\n  - {email: root@acme.test, password_env: ROOT_PASSWORD, break_glass: true}\n")
	idp := oidctest.New(t)
	idp.Do(func(idp *oidctest.IdP) {
		idp.URL = strings.Replace(idp.URL, "127.0.0.1", "localhost", 1) // another site than ours
		idp.Issuer = idp.URL
	})
	here := s.base + "/console/acme/sso"
	console := s.ownerAt("acme")
	console.choose("#provider", "generic")
	console.choose("#protocol", "oidc")
	console.follow("#new-connection", here+"/connections/")
	console.picture("console-oidc-draft")
	if got := console.copied("callback-url"); got != s.base+"/auth/oidc/callback" {
		t.Errorf("the redirect URI to copy is %q", got)
	}
	console.enter("#issuer", "http://localhost:1/")
	console.enter("#client-id", idp.ClientID)
	console.enter("#client-secret", idp.Secret)
	console.mayAnswer(http.StatusUnprocessableEntity)
	console.mayAnswer(http.StatusBadRequest)
	console.follow("#save-oidc", here+"/connections/")
	console.wantText("#oidc-error", "discovery document")
	console.picture("console-oidc-mistake")
	console.enter("#issuer", idp.Issuer+"/.well-known/openid-configuration")
	console.enter("#client-secret", idp.Secret)
	console.follow("#save-oidc", here+"/connections/")
	if got := console.value("#issuer"); got != idp.Issuer {
		t.Errorf("the issuer is %q", got)
	}
	console.follow("#activate", here+"/connections/")
	console.picture("console-oidc-active")

	bob := newPerson(t).open(s.base + "/signin?workspace=acme")
	bob.follow(`a[href^="/auth/oidc/"]`, s.base+"/w/acme")
	bob.wantText("main", "Bob Builder")

	console.click("#options-ask")
	console.picture("console-oidc-choices")
	console.click(`input[name="form_post"]`)
	console.follow("#save-options", here+"/connections/")
	ann := newPerson(t).open(s.base + "/signin?workspace=acme")
	ann.follow(`a[href^="/auth/oidc/"]`, s.base+"/w/acme")
	ann.wantText("main", "Bob Builder")
}
