package relyingparty

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// verified is an ID token that was held against everything.
type verified struct {
	token   *oidc.IDToken
	outcome *Outcome
}

// signatures lets go-oidc ask our keys. What they refuse keeps its code in refused, which go-oidc would make a
// sentence of.
type signatures struct {
	verify  func(ctx context.Context, raw string) ([]byte, error)
	refused error
}

// VerifySignature is what oidc.KeySet asks for.
func (s *signatures) VerifySignature(ctx context.Context, raw string) ([]byte, error) {
	payload, err := s.verify(ctx, raw)
	s.refused = err
	return payload, err
}

// idToken verifies an ID token: its signature, and then section 3.1.3.7 of OIDC Core in its order.
func (rp *RelyingParty) idToken(ctx context.Context, p Party, d *Document, t *tokens, sent Sent, now time.Time) (*verified, error) {
	types := []string{"", "JWT"}
	if _, err := parse(t.ID, p.algorithms(d), types); err != nil {
		return nil, err
	}
	keys := &signatures{verify: func(ctx context.Context, raw string) ([]byte, error) { return rp.signed(ctx, p, d, raw, types, now) }}
	token, err := oidc.NewVerifier(p.Issuer, keys, &oidc.Config{SupportedSigningAlgs: p.algorithms(d),
		SkipIssuerCheck: true, SkipClientIDCheck: true, SkipExpiryCheck: true}).Verify(ctx, t.ID) // each is checked below, with a code
	if keys.refused != nil {
		return nil, keys.refused
	}
	if err != nil {
		return nil, refuse(ReasonMalformed, "The ID token's claims cannot be read.").because(err).unread(t.ID)
	}
	claims := Claims{}
	if err := token.Claims(&claims); err != nil {
		return nil, refuse(ReasonMalformed, "The ID token's claims cannot be read.").because(err)
	}
	v := &verified{token: token}
	if v.outcome, err = p.judge(claims, sent, now); err == nil {
		v.outcome.IDToken = t.ID
		err = v.bound(t.Access)
	}
	return v, told(err, claims)
}

// told adds to a refusal by a check of claims that the signature was good.
func told(err error, claims Claims) error {
	var r *Refusal
	if errors.As(err, &r) {
		r.Verified, r.Claims = true, claims
	}
	return err
}

// judge holds the claims of an ID token against the connection and the sign-in that it ends.
func (p Party) judge(c Claims, sent Sent, now time.Time) (*Outcome, error) {
	issuer, err := p.common(c, now)
	if err != nil {
		return nil, err
	}
	out := &Outcome{Issuer: issuer, Subject: c.Text("sub"), Claims: c, Context: c.Text("acr"), Session: c.Text("sid")}
	if out.Subject == "" {
		return nil, refuse(ReasonSubject, "Expected the claim sub as a text, received %s.", quote(c["sub"]))
	}
	if exp, given, ok := c.instant("exp"); !given || !ok {
		return nil, refuse(ReasonExpired, "Expected the claim exp as a number, received %s; our time is %s.", quote(c["exp"]), shown(now))
	} else if now.Sub(exp) > p.skew() {
		return nil, refuse(ReasonExpired, "The ID token expired at %s; our time is %s, and a difference of %s is accepted.%s", shown(exp), shown(now), p.skew(), p.clock(c, now))
	}
	if !sent.NonceHolds(c.Text("nonce")) {
		return nil, refuse(ReasonNonce, "Expected the nonce of the sign-in that was begun here, received %s.", noNonce(c))
	}
	issued, _, _ := c.instant("iat")
	out.Behind = now.Sub(issued)
	if out.AuthTime, err = p.freshness(c, sent); err != nil {
		return nil, err
	}
	if len(sent.ACRValues) > 0 && !slices.Contains(sent.ACRValues, out.Context) {
		return nil, refuse(ReasonContext, "Expected the acr to be one of %s, received %s.", quote(sent.ACRValues), quote(c["acr"]))
	}
	return out, p.hosted(c)
}

// common are the checks that ID tokens, logout tokens and signed userinfo share: who says it, to whom, when.
func (p Party) common(c Claims, now time.Time) (issuer string, err error) {
	issuer, fits := p.issuerOf(c.Text("iss"))
	switch {
	case p.TenantFits && !strings.EqualFold(c.Text("tid"), tenantOf(p.Issuer, issuer)):
		return "", refuse(ReasonTenant, "The claim tid is %s, and the issuer %s is that of another tenant.", quote(c["tid"]), quote(c["iss"]))
	case !fits && strings.Contains(p.Issuer, Tenant):
		return "", refuse(ReasonTenant, "Expected a token of one of the tenants %s, received one of the issuer %s.", quote(p.Tenants), quote(c["iss"]))
	case !fits:
		return "", refuse(ReasonIssuer, "Expected the issuer %s, received %s.", quote(p.Issuer), quote(c["iss"]))
	}
	if err := p.audience(c); err != nil {
		return "", err
	}
	issued, given, ok := c.instant("iat")
	switch {
	case !given || !ok:
		return "", refuse(ReasonIssuedAt, "Expected the claim iat as a number, received %s.", quote(c["iat"]))
	case issued.Sub(now) > p.skew():
		return "", refuse(ReasonIssuedAt, "The token was issued at %s, which is in the future: our time is %s, and a difference of %s is accepted.%s", shown(issued), shown(now), p.skew(), p.clock(c, now))
	}
	if from, given, ok := c.instant("nbf"); given && (!ok || from.Sub(now) > p.skew()) {
		return "", refuse(ReasonNotYetValid, "The token is valid from %s on; our time is %s, and a difference of %s is accepted.%s", quote(c["nbf"]), shown(now), p.skew(), p.clock(c, now))
	}
	return issuer, nil
}

// tenantOf is the tenant in an issuer of Entra's form: what stands for it in a template, otherwise the last part of
// the path but for the version. Entra's own issuers have it as the first as well; one behind a prefix has not.
func tenantOf(template, issuer string) string {
	before, after, found := strings.Cut(template, Tenant)
	if found {
		return strings.TrimSuffix(strings.TrimPrefix(issuer, before), after)
	}
	_, path, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(issuer, "https://"), "http://"), "/")
	path = strings.TrimSuffix(strings.TrimSuffix(path, "/"), "/v2.0")
	return path[strings.LastIndexByte(path, '/')+1:]
}

func (p Party) audience(c Claims) error {
	audience, known := c.List("aud")
	if !known || !slices.Contains(audience, p.ClientID) {
		return refuse(ReasonAudience, "Expected the audience %s, received %s.", quote(p.ClientID), quote(c["aud"]))
	}
	for _, other := range audience {
		if other != p.ClientID && !slices.Contains(p.Audiences, other) {
			return refuse(ReasonAudience, "Expected no audience but %s, received %s. Others have to be named in the connection.", quote(append([]string{p.ClientID}, p.Audiences...)), quote(c["aud"]))
		}
	}
	switch party := c.Text("azp"); {
	case c.Has("azp") && party != p.ClientID:
		return refuse(ReasonParty, "Expected the authorized party %s, received %s.", quote(p.ClientID), quote(c["azp"]))
	case len(audience) > 1 && party == "":
		return refuse(ReasonParty, "The token is for %d audiences, and does not say by azp to whom it was given.", len(audience))
	}
	return nil
}

// freshness returns auth_time, which must be there and young enough where that was asked for.
func (p Party) freshness(c Claims, sent Sent) (time.Time, error) {
	at, given, ok := c.instant("auth_time")
	if given && !ok {
		return time.Time{}, refuse(ReasonAuthTime, "Expected the claim auth_time as a number, received %s.", quote(c["auth_time"]))
	}
	if sent.MaxAge == nil {
		return at, nil
	}
	age := time.Duration(*sent.MaxAge) * time.Second
	switch {
	case !given:
		return at, refuse(ReasonAuthTime, "Expected the claim auth_time, since a sign-in not older than %s was asked for; there is none.", age)
	case at.Before(sent.At.Add(-age - p.skew())):
		return at, refuse(ReasonAuthTime, "Expected a sign-in at the IdP not older than %s, received one of %s; the IdP did not ask again.", age, shown(at))
	}
	return at, nil
}

// hosted is Google's check: hd says that an account belongs to a Workspace domain, and one without is anybody's.
func (p Party) hosted(c Claims) error {
	if !p.Hosted {
		return nil
	}
	same := p.SameDomain
	if same == nil {
		same = strings.EqualFold
	}
	if hd := c.Text("hd"); hd == "" || !slices.ContainsFunc(p.HostedDomains, func(d string) bool { return same(d, hd) }) {
		return refuse(ReasonHostedDomain, "Expected an account of the Google Workspace domain %s, received hd %s.", quote(p.HostedDomains), quote(c["hd"]))
	}
	return nil
}

// bound checks at_hash where there is one (section 3.1.3.8).
func (v *verified) bound(access string) error {
	if v.token.AccessTokenHash == "" {
		if v.outcome.Claims.Has("at_hash") {
			return refuse(ReasonAccessHash, "Expected at_hash as a text, received %s.", quote(v.outcome.Claims["at_hash"]))
		}
		return nil
	}
	if access == "" || v.token.VerifyAccessToken(access) != nil {
		return refuse(ReasonAccessHash, "The at_hash of the ID token is not that of the access token that came with it.")
	}
	return nil
}

// clock says how far the IdP's clock is off, by the instant at which it says that it made the token.
func (p Party) clock(c Claims, now time.Time) string {
	issued, given, ok := c.instant("iat")
	if !given || !ok {
		return ""
	}
	off := issued.Sub(now).Round(time.Second)
	switch {
	case off > 5*time.Second:
		return " By its iat the IdP's clock is " + off.String() + " ahead."
	case off < -5*time.Second:
		return " By its iat it was made " + (-off).String() + " ago, or the IdP's clock is behind."
	}
	return ""
}

func shown(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func noNonce(c Claims) string {
	if c.Has("nonce") {
		return "another"
	}
	return "none"
}
