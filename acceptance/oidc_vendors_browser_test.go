package acceptance

import (
	"testing"
)

// People sign in by OpenID Connect at the pages of the simulated IdPs, which stand at another site: by a redirect
// (Okta), by a posted form (Entra), and from the tile.
func TestBrowser_TheSimulatedOpenIDProvidersSignPeopleIn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, name := range []string{"okta", "entra"} {
		v := oidcVendors[name]
		c := s.oidcCompany(name, v)
		who := c.inGroup("Omniflow-Agents")
		settings := newPerson(t).open(c.origin + "/" + name + "/oidc")
		settings.picture("idpsim-oidc-" + name)
		person := newPerson(t).open(s.base + "/auth/oidc/" + c.connection + "/login")
		person.picture("idpsim-oidc-signin-" + name)
		person.follow(`button[data-user="`+who+`"]`, s.base+"/w/"+name)
		person.wantText("main", c.person(who).DisplayName)
		if name == "okta" {
			tile := newPerson(t).open(c.origin + "/okta/dashboard/" + c.person(who).ID)
			tile.picture("idpsim-oidc-dashboard")
			tile.follow("#oidc-tile", c.origin+"/okta/oauth2/default/v1/authorize")
			tile.follow(`button[data-user="`+who+`"]`, s.base+"/w/okta")
		}
		settings = newPerson(t).open(c.origin + "/" + name + "/oidc")
		settings.wantText("#sessions", who)
		settings.picture("idpsim-oidc-used-" + name)
	}
}
