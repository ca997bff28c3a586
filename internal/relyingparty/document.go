package relyingparty

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// documentFresh is how long a discovery document is taken for the IdP's of now.
const documentFresh = 24 * time.Hour

// Document is an IdP's discovery document (OIDC Discovery section 3), as far as it is used.
type Document struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	UserInfo      string   `json:"userinfo_endpoint"`
	Keys          string   `json:"jwks_uri"`
	EndSession    string   `json:"end_session_endpoint"`
	Pushed        string   `json:"pushed_authorization_request_endpoint"`
	PushedOnly    bool     `json:"require_pushed_authorization_requests"`
	IssInAnswer   bool     `json:"authorization_response_iss_parameter_supported"`
	Algorithms    []string `json:"id_token_signing_alg_values_supported"`
	ClientAuths   []string `json:"token_endpoint_auth_methods_supported"`
}

// wellKnown is the path of a discovery document (OIDC Discovery section 4).
const wellKnown = "/.well-known/openid-configuration"

// DocumentURL is where the discovery document of an issuer stands.
func DocumentURL(issuer string) string {
	return strings.TrimSuffix(strings.ReplaceAll(issuer, Tenant, "organizations"), "/") + wellKnown
}

// IssuerOf returns the issuer whose discovery document stands at address, and whether it is the
// address of one at all.
func IssuerOf(address string) (string, bool) { return strings.CutSuffix(address, wellKnown) }

// Discover returns the discovery document of a party's IdP. The error is a *Refusal, or that of ctx.
func (rp *RelyingParty) Discover(ctx context.Context, p Party, now time.Time) (*Document, error) {
	if p.Issuer == "" || p.ClientID == "" {
		return nil, refuse(ReasonIdPUnknown, "The connection has no issuer and client id yet.")
	}
	return rp.idp(p).document.get(ctx, now, documentFresh, func(*Document) bool { return true }, func(ctx context.Context) (*Document, error) {
		text, err := rp.fetch(ctx, DocumentURL(p.Issuer), maxDocument)
		if err != nil {
			return nil, err
		}
		return ParseDocument(text, p.Issuer)
	})
}

// ParseDocument reads a discovery document, which must be that of issuer byte for byte (section 4.3). The
// error is a *Refusal.
func ParseDocument(text []byte, issuer string) (*Document, error) {
	var d Document
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, refuse(ReasonDiscovery, "Expected a discovery document in JSON at %s.", DocumentURL(issuer)).because(err)
	}
	if d.Issuer != issuer {
		return nil, refuse(ReasonDiscoveryIss, "Expected the discovery document of the issuer %s, received that of %s.", quote(issuer), quote(d.Issuer))
	}
	plain := strings.HasPrefix(issuer, "http://")
	problems := []error{place("authorization_endpoint", d.Authorization, plain), place("token_endpoint", d.Token, plain), place("jwks_uri", d.Keys, plain)}
	for field, address := range map[string]string{"userinfo_endpoint": d.UserInfo, "end_session_endpoint": d.EndSession, "pushed_authorization_request_endpoint": d.Pushed} {
		if address != "" {
			problems = append(problems, place(field, address, plain))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, refuse(ReasonDiscovery, "The discovery document of %s cannot be used: %s.", quote(issuer), strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return &d, nil
}
