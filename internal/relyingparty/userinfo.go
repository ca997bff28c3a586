package relyingparty

import (
	"context"
	"net/http"
	"slices"
	"time"
)

// askUserInfo adds the claims of the userinfo endpoint that the ID token does not have. It is asked where
// the connection says so: always, or when a claim that is read is missing. What it says of the person is
// taken only with the same sub (OIDC Core section 5.3.2). An at_hash, which was checked before where there is one, is
// optional in the code flow (section 3.1.3.6) and not asked for: access and ID token came in one answer of the token
// endpoint, over TLS, so that nobody stands between them whom it could find out. oidc-provider, for one, sends none.
func (rp *RelyingParty) askUserInfo(ctx context.Context, p Party, d *Document, t *tokens, id *verified, now time.Time) error {
	out := id.outcome
	missing := slices.ContainsFunc(p.Mapped, func(name string) bool { return !out.Claims.Has(name) }) && !out.Claims.Overage()
	always := p.UserInfo == "always"
	switch {
	case p.UserInfo == "never" || !always && !missing:
		return nil
	case d.UserInfo == "" || t.Access == "":
		if always {
			return told(refuse(ReasonUserInfo, "The connection asks for userinfo, and the IdP offers none."), out.Claims)
		}
		return nil
	}
	more, err := rp.userInfo(ctx, p, d, t.Access, now)
	if err != nil {
		return told(err, out.Claims)
	}
	if sub := more.Text("sub"); sub != out.Subject {
		return told(refuse(ReasonUserInfoSub, "Expected userinfo of the subject %s, received that of %s.", quote(out.Subject), quote(more["sub"])), out.Claims)
	}
	if out.Claims.Has("email") && out.Claims.Text("email") != more.Text("email") {
		delete(more, "email_verified") // said of another address than the ID token's
	}
	for name, value := range more {
		if _, there := out.Claims[name]; !there && !slices.Contains(decisive, name) {
			out.Claims[name] = value
		}
	}
	return nil
}

// decisive are claims that only an ID token may say.
var decisive = []string{"iss", "sub", "aud", "azp", "exp", "iat", "nbf", "nonce", "tid", "oid", "hd", "sid", "acr", "amr", "auth_time", "xms_edov", "_claim_names", "_claim_sources", "hasgroups"}

func (rp *RelyingParty) userInfo(ctx context.Context, p Party, d *Document, access string, now time.Time) (Claims, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.UserInfo, nil)
	if err != nil {
		return nil, refuse(ReasonUserInfo, "userinfo_endpoint: expected a URL, received %s.", quote(d.UserInfo)).because(err)
	}
	r.Header.Set("Authorization", "Bearer "+access)
	r.Header.Set("Accept", "application/json, application/jwt")
	a, err := rp.call(r, maxUserInfo, true)
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		return nil, refuse(ReasonUserInfo, "GET %s: expected 200, received %d.", d.UserInfo, a.status)
	}
	if a.kind != "application/jwt" {
		return parseClaims(a.body)
	}
	// Signed, it names its issuer and is meant for us.
	payload, err := rp.signed(ctx, p, d, string(a.body), []string{"", "JWT"}, now)
	if err != nil {
		return nil, err
	}
	c, err := parseClaims(payload)
	if err != nil {
		return nil, err
	}
	if _, fits := p.issuerOf(c.Text("iss")); !fits {
		return nil, refuse(ReasonUserInfo, "Expected userinfo of the issuer %s, received %s.", quote(p.Issuer), quote(c["iss"]))
	}
	return c, p.audience(c)
}
