package relyingparty

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// MaxSkew is how far an IdP's clock may be off: 300 s pass, 301 s do not.
const MaxSkew = 300 * time.Second

// Party is one connection as the protocol sees it.
type Party struct {
	// Key names the connection: what is learnt of its IdP is kept under it and used for no other.
	Key    string
	Issuer string // byte for byte; with Tenant in it, one for each of Tenants
	// Tenants are the values that the claim tid may have, where Issuer holds Tenant.
	Tenants []string
	// TenantFits demands that the claim tid is the tenant in iss (Entra).
	TenantFits bool
	// HostedDomains are the values that the claim hd may have; Hosted demands one of them (Google).
	HostedDomains []string
	// SameDomain compares two of them; nil is letter case aside.
	SameDomain func(a, b string) bool
	Hosted     bool

	ClientID   string
	Secret     string
	ClientAuth string // "basic", "post" or "private_key_jwt"
	// Assert signs the claims of a client assertion, for private_key_jwt.
	Assert func(ctx context.Context, claims map[string]any) (string, error)

	Algorithms []string // that may sign; none for Usual as far as the IdP announces them
	Usual      []string
	Audiences  []string      // beside ClientID
	Skew       time.Duration // zero is MaxSkew
	// UserInfo is "auto", "always" or "never"; Mapped are the claims that "auto" asks userinfo for.
	UserInfo string
	Mapped   []string
}

// Tenant stands in an issuer for the tenant, as Entra's discovery document writes it.
const Tenant = "{tenantid}"

// google says its issuer without the scheme at times, and has for as long as there is OIDC.
const google, googleBare = "https://accounts.google.com", "accounts.google.com"

func (p Party) skew() time.Duration {
	if p.Skew <= 0 || p.Skew > MaxSkew {
		return MaxSkew
	}
	return p.Skew
}

// issuers are the names that the IdP may have for itself.
func (p Party) issuers() []string {
	if !strings.Contains(p.Issuer, Tenant) {
		return []string{p.Issuer}
	}
	var out []string
	for _, tenant := range p.Tenants {
		out = append(out, strings.ReplaceAll(p.Issuer, Tenant, tenant))
	}
	return out
}

// IssuerFits reports whether iss, as it stands in an address, is the party's IdP (RFC 9207 section 2.4).
func (p Party) IssuerFits(iss string) bool { return slices.Contains(p.issuers(), iss) }

// issuerOf returns the party's name for the issuer of a token.
func (p Party) issuerOf(iss string) (string, bool) {
	if iss == googleBare && p.Issuer == google {
		iss = google
	}
	return iss, slices.Contains(p.issuers(), iss)
}

// algorithms are those that a token of the IdP may be signed with.
func (p Party) algorithms(d *Document) []string {
	if len(p.Algorithms) > 0 {
		return p.Algorithms
	}
	announced := d.Algorithms
	if len(announced) == 0 {
		announced = []string{"RS256"}
	}
	return slices.DeleteFunc(slices.Clone(p.Usual), func(a string) bool { return !slices.Contains(announced, a) })
}

// RelyingParty speaks with IdPs. HTTP is needed. It is safe for concurrent use and must not be copied.
type RelyingParty struct {
	// HTTP makes the calls. It decides which addresses may be called, and how long a call may take.
	HTTP *http.Client

	mu    sync.Mutex
	known map[string]*idp
}

// maxKnown bounds for how many IdPs something is kept; past it everything is learnt again.
const maxKnown = 10_000

// idp is what is known of one connection's IdP.
type idp struct {
	document cached[*Document]
	keys     cached[keySet]
}

func (rp *RelyingParty) idp(p Party) *idp {
	key := p.Key + "\x00" + p.Issuer
	rp.mu.Lock()
	defer rp.mu.Unlock()
	found := rp.known[key]
	if found == nil {
		if rp.known == nil || len(rp.known) >= maxKnown {
			rp.known = map[string]*idp{}
		}
		found = &idp{}
		rp.known[key] = found
	}
	return found
}
