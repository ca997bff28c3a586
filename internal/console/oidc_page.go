package console

import (
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// clientAuths, userInfos and prompts are choices of an OIDC connection in words.
var (
	clientAuths = []choice{{"basic", "In the header (client_secret_basic)"}, {"post", "In the form (client_secret_post)"},
		{"private_key_jwt", "No secret: signed with our key (private_key_jwt)"}}
	userInfos = []choice{{"auto", "When the ID token lacks what is read"}, {"always", "Always"}, {"never", "Never"}}
	prompts   = []choice{{"", "As the identity provider decides"}, {"login", "Ask for credentials each time"}, {"select_account", "Let people choose an account"}, {"consent", "Ask for consent each time"}}
)

// ClientAuths, UserInfos and Prompts are for the page.
func (connectionData) ClientAuths() []choice { return clientAuths }

// UserInfos are the choices of when userinfo is asked.
func (connectionData) UserInfos() []choice { return userInfos }

// Prompts are the choices of what the IdP is to ask for.
func (connectionData) Prompts() []choice { return prompts }

// Field is what a field of the OIDC forms shows: what was typed, else what is kept.
func (d connectionData) Field(name string) string {
	if typed, ok := d.Typed[name]; ok {
		return typed
	}
	o := d.OIDC
	return map[string]string{"issuer": o.Issuer, "client-id": o.ClientID, "client-auth": o.ClientAuth, "tenants": strings.Join(o.Tenants, ", "),
		"hosted-domains": strings.Join(o.HostedDomains, ", "), "scopes": strings.Join(o.Scopes, " ")}[name]
}

// setOIDC saves who the IdP is and who we are there.
func (d *Door) setOIDC(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	// What belongs into the body alone: a secret in an address would end up in histories and logs.
	posted := v.r.PostForm
	to := settings.OIDCProvider{Issuer: strings.TrimSpace(form.Get("issuer")), ClientID: form.Get("client_id"), Secret: posted.Get("client_secret"),
		ClientAuth: form.Get("client_auth"), Tenants: strings.Split(form.Get("tenants"), ","), HostedDomains: strings.Split(form.Get("hosted_domains"), ",")}
	typed := map[string]string{"issuer": to.Issuer, "client-id": to.ClientID, "client-auth": to.ClientAuth, "tenants": form.Get("tenants"), "hosted-domains": form.Get("hosted_domains")}
	c, err := v.connection(v.r.PathValue("connection"))
	if err != nil {
		return err
	}
	to, err = d.Settings.FindOIDCProvider(v.r.Context(), v.live.Slug, c.ID, to)
	if forTheForm(err) {
		return d.showConnection(v, c, told{field: "oidc", err: err, typed: typed}, nil)
	}
	if err != nil {
		return err
	}
	// Who answered may have taken long over it.
	if v, err = d.again(v, directory.PermissionSettings); v == nil || err != nil {
		return err
	}
	return d.onConnection(v, "oidc", "oidc", typed, func(id string) error {
		_, err := d.Settings.SetOIDCProvider(v.r.Context(), v.live.Slug, id, to, v.actor)
		return err
	})
}

// setOptions saves the choices of an OIDC connection.
func (d *Door) setOptions(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	on := func(name string) bool { return form.Get(name) == "1" }
	to := settings.OIDCOptions{Scopes: strings.Fields(form.Get("scopes")), Prompt: form.Get("prompt"), OwnCallback: on("own_callback"), FormPost: on("form_post"),
		IdPInitiated: on("idp_initiated"), Logout: on("logout"), UserInfo: form.Get("userinfo")}
	return d.onConnection(v, "options", "options", map[string]string{"scopes": form.Get("scopes")}, func(id string) error {
		_, err := d.Settings.SetOIDCOptions(v.r.Context(), v.live.Slug, id, to, v.actor)
		return err
	})
}

// protocolOf is the protocol that a form asks for.
func protocolOf(form string) directory.Protocol {
	if form == "" {
		return directory.ProtocolSAML
	}
	return directory.Protocol(form)
}
