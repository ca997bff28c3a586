package idpsim

import "strings"

// oidcPlaces are the paths of an OpenID provider below the IdP's own, in its vendor's shape; "" where it has no
// such place. The issuer is a path too: "/" is one that ends with a slash, as JumpCloud's does.
type oidcPlaces struct{ issuer, authorize, token, keys, userinfo, logout string }

// placesOf are those of a kind, tenant being Entra's.
func placesOf(kind Kind, tenant string) oidcPlaces {
	at := "/" + string(kind)
	below := func(prefix string, p oidcPlaces) oidcPlaces {
		for _, path := range []*string{&p.issuer, &p.authorize, &p.token, &p.keys, &p.userinfo, &p.logout} {
			if *path != "" || path == &p.issuer {
				*path = at + prefix + *path
			}
		}
		return p
	}
	switch {
	case kind.isOkta():
		return below("/oauth2/default", oidcPlaces{authorize: "/v1/authorize", token: "/v1/token", keys: "/v1/keys", userinfo: "/v1/userinfo", logout: "/v1/logout"})
	case kind.IsEntra():
		return below("/"+tenant, oidcPlaces{issuer: "/v2.0", authorize: "/oauth2/v2.0/authorize", token: "/oauth2/v2.0/token", keys: "/discovery/v2.0/keys",
			userinfo: "/oidc/userinfo", logout: "/oauth2/v2.0/logout"})
	case kind == Google:
		return below("", oidcPlaces{authorize: "/o/oauth2/v2/auth", token: "/token", keys: "/oauth2/v3/certs", userinfo: "/v1/userinfo"})
	case kind == OneLogin:
		return below("/oidc/2", oidcPlaces{authorize: "/auth", token: "/token", keys: "/certs", userinfo: "/me", logout: "/logout"})
	}
	return below("", oidcPlaces{issuer: "/", authorize: "/oauth2/auth", token: "/oauth2/token", keys: "/.well-known/jwks.json", userinfo: "/userinfo", logout: "/oauth2/sessions/logout"})
}

// oidcPlaces are those of this IdP for a simulator whose origin is base.
func (p *IdP) oidcPlaces(base string) oidcPlaces {
	tenant := ""
	if p.kind.IsEntra() {
		tenant = p.saml.tenant()
	}
	places := placesOf(p.kind, tenant)
	for _, path := range []*string{&places.issuer, &places.authorize, &places.token, &places.keys, &places.userinfo, &places.logout} {
		if *path != "" {
			*path = base + *path
		}
	}
	return places
}

// OIDCIssuer is this IdP's issuer at Options.BaseURL.
func (p *IdP) OIDCIssuer() string { return p.oidcPlaces(p.opts.BaseURL).issuer }

// Tenant is the id of Entra's tenant, "" for others.
func (p *IdP) Tenant() string {
	if !p.kind.IsEntra() {
		return ""
	}
	return p.saml.tenant()
}

// discovery is the document of this IdP. Entra's for all tenants, which many asks for, names the tenant by a
// place holder.
func (p *IdP) discovery(base string, many bool) map[string]any {
	at, s := p.oidcPlaces(base), p.OIDCSettings()
	issuer := at.issuer
	if many {
		issuer = strings.Replace(issuer, p.saml.tenant(), "{tenantid}", 1)
	}
	d := map[string]any{"issuer": issuer, "authorization_endpoint": at.authorize, "token_endpoint": at.token, "jwks_uri": at.keys, "userinfo_endpoint": at.userinfo,
		"response_types_supported": []string{"code"}, "response_modes_supported": []string{"query", "form_post"}, "grant_types_supported": []string{"authorization_code"},
		"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{s.Algorithm}, "scopes_supported": p.scopes(),
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post", "private_key_jwt"}, "code_challenge_methods_supported": []string{"S256"}}
	if p.kind.IsEntra() {
		d["subject_types_supported"] = []string{"pairwise"}
		d["http_logout_supported"], d["frontchannel_logout_supported"] = true, true
		delete(d, "code_challenge_methods_supported") // Entra takes PKCE and does not say so
	}
	if at.logout != "" {
		d["end_session_endpoint"] = at.logout
	}
	if p.kind == JumpCloud {
		d["backchannel_logout_supported"], d["backchannel_logout_session_supported"] = true, true
		d["frontchannel_logout_supported"], d["frontchannel_logout_session_supported"] = true, true
	}
	return d
}

// scopes are those that the IdP knows; a request for others is refused.
func (p *IdP) scopes() []string {
	list := []string{"openid", "email", "profile"}
	if p.kind != Google {
		list = append(list, "offline_access")
	}
	if p.kind.isOkta() || p.kind == OneLogin {
		list = append(list, "groups")
	}
	return list
}
