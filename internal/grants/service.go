package grants

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Lifetimes. Whatever ends first holds, and nothing outlives its session.
const (
	CodeLife    = 60 * time.Second
	AccessLife  = 10 * time.Minute
	IDTokenLife = 5 * time.Minute
)

// Prefixes of what is given out.
const (
	CodePrefix    = "gac_"
	AccessPrefix  = "gat_"
	RefreshPrefix = "grt_"
)

// Scopes are what an application may ask for; others are left out of what is granted.
func Scopes() []string {
	return []string{"openid", "profile", "email", ScopeAttributes, "offline_access"}
}

// Error is a refusal in the words of OAuth 2.0 (RFC 6749 section 5.2).
type Error struct {
	Code    string // "invalid_grant", "invalid_request", "invalid_scope", "invalid_client", "access_denied"
	Message string // a sentence for error_description
	Reason  string // the true cause as a code, for the log and never for the answer
}

func (e *Error) Error() string { return e.Message }

// Service gives and takes back. All fields but HTTP and Now are needed.
type Service struct {
	DB     *store.DB
	Keys   *KeyRing
	Issuer string           // the provider's name for itself: the public URL, without a slash at its end
	HTTP   *http.Client     // for back-channel logout
	Now    func() time.Time // default DB.Now
}

// AuthorizeRequest is what an authorization request asks for, as far as it is kept.
type AuthorizeRequest struct {
	RedirectURI string // one that the client has registered
	Scope       string // separated by spaces; must hold "openid"
	Nonce       string
	Challenge   string // PKCE, S256
}

// Tokens is the answer to a redemption or a refresh.
type Tokens struct {
	Access    string
	ID        string // JWT
	Refresh   string // "" without the scope offline_access
	ExpiresIn time.Duration
	Scope     string
}

// Holder is what an access token leads to.
type Holder = store.GrantHolder

// Introspection is the answer of RFC 7662 section 2.2.
type Introspection struct {
	Active    bool   `json:"active"`
	Scope     string `json:"scope,omitempty"`
	ClientID  string `json:"client_id,omitempty"`
	TokenType string `json:"token_type,omitempty"`
	Subject   string `json:"sub,omitempty"`
	Username  string `json:"username,omitempty"`
	Issuer    string `json:"iss,omitempty"`
	ExpiresAt int64  `json:"exp,omitempty"` // seconds since 1970
	IssuedAt  int64  `json:"iat,omitempty"`
	Session   string `json:"sid,omitempty"`
	Workspace string `json:"workspace,omitempty"` // slug
	Role      string `json:"role,omitempty"`
}

func (s *Service) now() time.Time {
	if s.Now != nil {
		return s.Now().UTC()
	}
	return s.DB.Now()
}

// Access returns whom an access token stands for, now. One that is worth nothing, for whatever
// cause, is store.ErrNoSession. It is one statement, and nothing is remembered.
func (s *Service) Access(ctx context.Context, token string) (*Holder, error) {
	if !strings.HasPrefix(token, AccessPrefix) {
		return nil, store.ErrNoSession
	}
	return s.DB.HolderByAccess(ctx, keys.HashToken(token), s.now())
}

// Introspect tells a client what a token is worth now (RFC 7662): access tokens of its workspace, and its own
// refresh tokens. Every other token is not active, whatever the cause. A public client, which
// proves nothing, is refused with "invalid_client".
func (s *Service) Introspect(ctx context.Context, client *store.Client, token string) (Introspection, error) {
	if client.Public {
		return Introspection{}, &Error{Code: "invalid_client", Message: "A public client cannot introspect tokens.", Reason: "public_client"}
	}
	h, kind, err := s.holder(ctx, client, token)
	if errs.Is(err, errs.KindUnauthenticated) {
		return Introspection{}, nil
	}
	if err != nil {
		return Introspection{}, fmt.Errorf("introspect: %w", err)
	}
	return Introspection{Active: true, Scope: h.Scope, ClientID: h.Application, TokenType: kind, Subject: h.LiveSession.Member.ID,
		Username: h.LiveSession.Member.Email, Issuer: s.Issuer, ExpiresAt: h.ExpiresAt.Unix(), IssuedAt: h.IssuedAt.Unix(),
		Session: h.Session.ID, Workspace: h.Slug, Role: h.RoleName}, nil
}

// holder finds the holder of a token that a client may ask about.
func (s *Service) holder(ctx context.Context, client *store.Client, token string) (h *Holder, kind string, err error) {
	switch {
	case strings.HasPrefix(token, AccessPrefix):
		h, err = s.DB.HolderByAccess(ctx, keys.HashToken(token), s.now())
		kind = "Bearer"
	case strings.HasPrefix(token, RefreshPrefix):
		h, err = s.DB.HolderByRefresh(ctx, keys.HashToken(token), s.now())
		if err == nil && h.Application != client.ID {
			err = store.ErrNoSession
		}
	default:
		err = store.ErrNoSession
	}
	if err == nil && h.Workspace != client.Workspace {
		err = store.ErrNoSession
	}
	return h, kind, err
}

// Revoke makes a client's own token worth nothing (RFC 7009): an access token alone, a refresh token
// with everything of its grant. A token that is unknown or another client's is passed over without a word.
func (s *Service) Revoke(ctx context.Context, client *store.Client, token string) error {
	hash := keys.HashToken(token)
	err := s.DB.Write(ctx, client.Workspace, func(tx *store.Tx) error {
		if strings.HasPrefix(token, AccessPrefix) {
			tx.RevokeAccess(hash, client.ID)
			return nil
		}
		grant, _, err := tx.GrantOfRefresh(hash, client.ID)
		if errs.Is(err, errs.KindNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = tx.EndGrant(grant, "revoked")
		return err
	})
	if err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	return nil
}
