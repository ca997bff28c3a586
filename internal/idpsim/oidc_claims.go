package idpsim

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"maps"
	"strings"
	"time"
)

// entraOIDCGroupsMost is how many groups a JWT of Entra's has; of more it says only where to ask.
const entraOIDCGroupsMost = 200

// halfHash is at_hash of an access token under a SHA-256 algorithm (OIDC Core section 3.1.3.6). That of EdDSA with
// Ed25519 would be by SHA-512.
func halfHash(access string) string {
	sum := sha256.Sum256([]byte(access))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// idClaims are those of a good ID token for a grant.
func (p *IdP) idClaims(g *grant, access string, now time.Time) map[string]any {
	c := p.personClaims(g)
	if g.settings.Thin {
		maps.DeleteFunc(c, func(name string, _ any) bool {
			return name != "sub" && name != "name" && name != "preferred_username"
		})
	}
	maps.Copy(c, map[string]any{"iss": p.oidcPlaces(g.base).issuer, "aud": g.settings.ClientID, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "nonce": g.nonce})
	if g.maxAge || !p.kind.IsEntra() && p.kind != Google {
		c["auth_time"] = now.Unix()
	}
	if p.kind != Google {
		c["sid"] = g.session
	}
	switch {
	case p.kind.isOkta():
		maps.Copy(c, map[string]any{"ver": 1, "jti": "ID." + p.opts.randomText(43), "amr": []string{"pwd"}, "idp": "00o" + p.tenantText(17)})
	case p.kind.IsEntra():
		maps.Copy(c, map[string]any{"ver": "2.0", "nbf": now.Unix(), "rh": "1." + p.opts.randomText(40), "uti": p.opts.randomText(22)})
	case p.kind == Google:
		c["azp"] = g.settings.ClientID
	case p.kind == JumpCloud:
		c["jti"], c["rat"] = p.opts.randomGUID(), now.Unix()
	}
	if !p.kind.IsEntra() && g.settings.Algorithm != "EdDSA" {
		c["at_hash"] = halfHash(access) // Entra's has none with a code
	}
	return c
}

// personClaims is what the IdP says of somebody, in its vendor's manner and as far as the scopes go.
func (p *IdP) personClaims(g *grant) map[string]any {
	x, s := g.person, g.settings
	c := map[string]any{"sub": p.oidcSubject(x)}
	if g.scopes["profile"] {
		c["name"], c["preferred_username"] = x.DisplayName, x.UserName
		if !p.kind.IsEntra() {
			c["given_name"], c["family_name"] = x.GivenName, x.FamilyName
		}
		if p.kind == Google {
			delete(c, "preferred_username")
		}
	}
	if g.scopes["email"] && x.Email != "" {
		c["email"] = x.Email
		switch {
		case p.kind.IsEntra():
			if s.MailVerified {
				c["xms_edov"] = true
			}
		case p.kind != OneLogin || s.MailVerified:
			c["email_verified"] = s.MailVerified
		}
	}
	if p.kind.IsEntra() {
		c["oid"], c["tid"] = x.ID, p.saml.tenant()
	}
	if p.kind == Google && s.HostedDomain != "" {
		c["hd"] = s.HostedDomain
	}
	if s.GroupsClaim != "" && (g.scopes["groups"] || !p.kind.isOkta() && p.kind != OneLogin) {
		p.groupClaims(c, g)
	}
	return c
}

// groupClaims adds the groups. Entra leaves the claim out for somebody in none.
func (p *IdP) groupClaims(c map[string]any, g *grant) {
	values := p.claimsOf(g.person, SAMLSettings{GroupFilter: g.settings.GroupFilter, GroupPrefix: g.settings.GroupPrefix, GroupValue: g.settings.GroupValue}).groupValues()
	switch {
	case p.kind.IsEntra() && len(values) > entraOIDCGroupsMost:
		c["_claim_names"] = map[string]string{"groups": "src1"}
		c["_claim_sources"] = map[string]any{"src1": map[string]string{
			"endpoint": fmt.Sprintf("https://graph.windows.net/%s/users/%s/getMemberObjects", p.saml.tenant(), g.person.ID)}}
	case p.kind.IsEntra() && len(values) == 0:
	case values == nil:
		c[g.settings.GroupsClaim] = []string{}
	default:
		c[g.settings.GroupsClaim] = values
	}
}

// oidcSubject is sub: Entra's is another one for each application, the others' is the person's id.
func (p *IdP) oidcSubject(x Person) string {
	if p.kind.IsEntra() {
		sum := sha256.Sum256([]byte(p.saml.tenant() + "\n" + p.OIDCSettings().ClientID + "\n" + x.ID))
		return base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return x.ID
}

// otherIssuer is that of another organisation at the same vendor.
func (p *IdP) otherIssuer(own any) string {
	text := fmt.Sprint(own)
	if p.kind.IsEntra() {
		return strings.Replace(text, p.saml.tenant(), p.opts.randomGUID(), 1)
	}
	return strings.Replace(text, "://", "://another-", 1)
}

// tenantText is n letters that stay the same for this organisation.
func (p *IdP) tenantText(n int) string {
	h := fnv.New128a()
	_, _ = h.Write([]byte(p.OIDCSettings().ClientID)) // a hash takes everything
	return hex.EncodeToString(h.Sum(nil))[:n]
}
