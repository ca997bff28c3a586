package grants

import (
	"context"
	"errors"
	"net/http"
	"time"

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
func Scopes() []string { return []string{"openid", "profile", "email", "offline_access"} }

// Error is a refusal in the words of OAuth 2.0 (RFC 6749 section 5.2).
type Error struct {
	Code    string // "invalid_grant", "invalid_client", "invalid_scope", "unauthorized_client"
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

var errNotYet = errors.New("grants: not there yet")

// Authorize gives a code for a session to a client. The caller has checked both and that the
// redirect URI is the client's.
func (s *Service) Authorize(ctx context.Context, live *store.LiveSession, client *store.Client, req AuthorizeRequest) (code string, err error) {
	return "", errNotYet
}

// Redeem turns a code into tokens, once.
func (s *Service) Redeem(ctx context.Context, client *store.Client, code, redirectURI, verifier string) (Tokens, error) {
	return Tokens{}, errNotYet
}

// Refresh turns a refresh token into new tokens, once.
func (s *Service) Refresh(ctx context.Context, client *store.Client, token string) (Tokens, error) {
	return Tokens{}, errNotYet
}

// Access returns whom an access token stands for, now. One that is worth nothing, for whatever
// cause, is store.ErrNoSession.
func (s *Service) Access(ctx context.Context, token string) (*Holder, error) { return nil, errNotYet }

// UserInfo are the claims about the holder of an access token.
func (s *Service) UserInfo(ctx context.Context, h *Holder) (Claims, error) { return nil, errNotYet }

// Introspect tells a client of the workspace what a token is worth.
func (s *Service) Introspect(ctx context.Context, client *store.Client, token string) (Introspection, error) {
	return Introspection{}, errNotYet
}

// Revoke makes a client's own token worth nothing. Unknown tokens and those of others are passed over.
func (s *Service) Revoke(ctx context.Context, client *store.Client, token string) error {
	return errNotYet
}

// EndExpired ends sessions that have run out and gave something to applications, so that these
// are told. It is called every half minute or so.
func (s *Service) EndExpired(ctx context.Context) error { return errNotYet }

// Claims are claims about a member, by name.
type Claims map[string]any
