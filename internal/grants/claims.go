package grants

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Claims are claims about a member, by name.
type Claims map[string]any

// facts are what claims need beside the session.
type facts struct {
	config *directory.Config
	groups []string
}

// readFacts reads the configuration and the names of the member's groups.
func readFacts(tx *store.Tx, live *store.LiveSession) (f facts, err error) {
	if f.config, err = tx.Config(); err != nil {
		return f, err
	}
	f.groups, err = tx.GroupNames(live.Member.ID)
	return f, err
}

// ScopeAttributes opens the claim attributes: the member's attributes that the workspace lets applications see, by name,
// each a string, a number, a boolean or a list of strings.
const ScopeAttributes = "attributes"

// userClaims are the claims about a member that a scope opens. Workspace, role and groups are always
// there: an application behind Gatehouse cannot do without them.
func userClaims(live *store.LiveSession, scope string, f facts) Claims {
	m := &live.Member
	c := Claims{"sub": m.ID, "workspace": live.Slug, "role": live.RoleName, "groups": append([]string{}, f.groups...)}
	scopes := strings.Fields(scope)
	if slices.Contains(scopes, "profile") {
		c.text("name", m.Name)
		c.text("given_name", m.GivenName)
		c.text("family_name", m.FamilyName)
	}
	if slices.Contains(scopes, ScopeAttributes) {
		c["attributes"] = f.config.HostAttributes(m)
	}
	if slices.Contains(scopes, "email") && m.Email != "" {
		c["email"] = m.Email
		// Only the proof of a domain says that its addresses are whose they seem to be (law 6).
		c["email_verified"] = slices.Contains(f.config.Domains, directory.Domain(m.Email))
	}
	return c
}

// text sets a claim unless its value is empty: absent is how OIDC says unknown (Core section 5.3.2).
func (c Claims) text(name, value string) {
	if value != "" {
		c[name] = value
	}
}

// UserInfo are the claims about the holder of an access token (OIDC Core section 5.3), read now.
func (s *Service) UserInfo(ctx context.Context, h *Holder) (Claims, error) {
	var f facts
	err := s.DB.Peek(ctx, h.Workspace, func(tx *store.Tx) (err error) {
		f, err = readFacts(tx, &h.LiveSession)
		return err
	})
	if err != nil {
		return nil, err
	}
	return userClaims(&h.LiveSession, h.Scope, f), nil
}

// idClaims are the claims of an ID token (OIDC Core section 2).
func (s *Service) idClaims(h *Holder, f facts, nonce, access string, now time.Time) Claims {
	c := userClaims(&h.LiveSession, h.Scope, f)
	c["iss"] = s.Issuer
	c["aud"] = h.Application
	c["iat"] = now.Unix()
	c["exp"] = now.Add(IDTokenLife).Unix()
	c["auth_time"] = h.AuthenticatedAt.Unix()
	c["sid"] = h.Session.ID
	c["at_hash"] = halfHash(access)
	c.text("nonce", nonce)
	c.text("acr", h.Context)
	if methods := methodsOf(&h.LiveSession); len(methods) > 0 {
		c["amr"] = methods
	}
	return c
}

// halfHash is at_hash of OIDC Core section 3.1.3.6, for algorithms that end in 256.
func halfHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// methods are the authentication methods of RFC 8176 that an IdP's authentication context names. What it
// leaves open is left open.
var methods = map[string][]string{
	"urn:oasis:names:tc:SAML:2.0:ac:classes:Password":                   {"pwd"},
	"urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport": {"pwd"},
	"urn:oasis:names:tc:SAML:2.0:ac:classes:TimeSyncToken":              {"otp"},
	"urn:oasis:names:tc:SAML:2.0:ac:classes:Smartcard":                  {"sc"},
	"urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI":               {"sc"},
	"urn:oasis:names:tc:SAML:2.0:ac:classes:Kerberos":                   {"wia"},
	"urn:federation:authentication:windows":                             {"wia"}, // Entra
	"http://schemas.microsoft.com/claims/multipleauthn":                 {"mfa"}, // Entra
	"https://refeds.org/profile/mfa":                                    {"mfa"},
}

func methodsOf(live *store.LiveSession) []string {
	if live.Method == directory.MethodPassword {
		return []string{"pwd"}
	}
	return methods[live.Context]
}

// Hint is what an ID token that comes back tells (id_token_hint).
type Hint struct {
	Subject     string
	Session     string // id
	Application string // client id
}

// ReadHint reads an ID token of ours that came back, an expired one too. Anything else, a logout token
// included, is errs.KindInvalid, "hint_invalid".
func (s *Service) ReadHint(ctx context.Context, token string) (*Hint, error) {
	invalid := errs.Invalid("hint_invalid", "The ID token that was sent as a hint is not one of ours.")
	payload, err := s.Keys.verify(ctx, typeID, token)
	if errs.Is(err, errs.KindUnavailable) {
		return nil, err
	}
	if err != nil {
		return nil, invalid.With(err)
	}
	var c struct {
		Issuer   string `json:"iss"`
		Subject  string `json:"sub"`
		Audience string `json:"aud"`
		Session  string `json:"sid"`
	}
	if err := json.Unmarshal(payload, &c); err != nil || c.Issuer != s.Issuer || c.Subject == "" || c.Audience == "" {
		return nil, invalid
	}
	return &Hint{Subject: c.Subject, Session: c.Session, Application: c.Audience}, nil
}
