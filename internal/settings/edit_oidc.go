package settings

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty"
)

// OIDCProvider is what an administrator enters of the IdP's side of an OIDC connection.
type OIDCProvider struct {
	// Issuer may be the address of the discovery document instead.
	Issuer   string
	ClientID string
	Secret   string // "" keeps what is there
	// ClientAuth is one of directory.ClientAuths.
	ClientAuth string
	// Tenants are of Entra, HostedDomains of Google; none elsewhere.
	Tenants, HostedDomains []string
}

// FindOIDCProvider asks the IdP for its discovery document, so that a slip of the pen is told at once, and
// returns to with its issuer as the IdP itself writes it. What cannot be used is invalid: issuer_invalid, or
// discovery_invalid where the document cannot be had or is another's.
func (s *Service) FindOIDCProvider(ctx context.Context, slug, connection string, to OIDCProvider) (OIDCProvider, error) {
	view, err := s.Connection(ctx, slug, connection)
	if err != nil {
		return to, err
	}
	to.Issuer = s.completeIssuer(ctx, view.Provider, to.Issuer)
	if err := checkIssuer(view.Provider, to.Issuer, s.AllowPrivate); err != nil {
		return to, errs.Invalid("issuer_invalid", "%s.", clause(err))
	}
	return to, s.tryDiscovery(ctx, to.Issuer)
}

// SetOIDCProvider says who the IdP of an OIDC connection is and who we are there; it asks nobody. What cannot be
// used is invalid: secret_invalid, client_auth_unknown or oidc_invalid. An active connection that gets to
// another issuer or client must be proven anew, and its sessions end.
func (s *Service) SetOIDCProvider(ctx context.Context, slug, connection string, to OIDCProvider, actor audit.Party) (ConnectionView, error) {
	to.ClientID, to.Secret = strings.TrimSpace(to.ClientID), strings.TrimSpace(to.Secret)
	var master *keys.Master
	var err error
	if to.Secret != "" {
		if err := checkSecret(to.Secret); err != nil {
			return ConnectionView{}, errs.Invalid("secret_invalid", "%s.", clause(err))
		}
		if master, err = s.master(ctx); err != nil {
			return ConnectionView{}, err
		}
	}
	if !slices.Contains(directory.ClientAuths(), to.ClientAuth) {
		return ConnectionView{}, errs.Invalid("client_auth_unknown", "client_auth: expected one of %s, received %s.", strings.Join(directory.ClientAuths(), ", "), quote(to.ClientAuth))
	}
	return s.editOIDC(ctx, slug, connection, actor, func(c *directory.Connection, o *directory.OIDC) error {
		to.Issuer, _ = tidyIssuer(c.Provider, to.Issuer)
		o.Issuer, o.ClientID, o.ClientAuth = to.Issuer, to.ClientID, to.ClientAuth
		o.Tenants, o.HostedDomains = noneIfEmpty(folded(to.Tenants)), noneIfEmpty(domainNames(to.HostedDomains))
		if to.Secret != "" {
			sealed, err := sealSecret(master, c.ID, o.Secret, to.Secret)
			if err != nil {
				return err
			}
			o.Secret = sealed
		}
		return nil
	})
}

// tryDiscovery reads the discovery document that sign-ins will be begun by.
func (s *Service) tryDiscovery(ctx context.Context, issuer string) error {
	if s.Metadata == nil {
		return nil
	}
	text, err := s.fetch(ctx, relyingparty.DocumentURL(issuer))
	if err == nil {
		_, err = relyingparty.ParseDocument(text, issuer)
	}
	var refusal *relyingparty.Refusal
	switch {
	case errors.As(err, &refusal):
		return errs.Invalid("discovery_invalid", "%s", refusal.Detail)
	case err != nil:
		return errs.Invalid("discovery_invalid", "The discovery document of the issuer cannot be had: %s.", clause(err))
	}
	return nil
}

func folded(list []string) []string {
	var out []string
	for _, item := range list {
		if item = directory.Fold(strings.TrimSpace(item)); item != "" && !slices.Contains(out, item) {
			out = append(out, item)
		}
	}
	return out
}

// domainNames is folded for domains: what is one stands as directory.DomainName has it.
func domainNames(list []string) []string {
	list = slices.Clone(list)
	for i, item := range list {
		if name, ok := directory.DomainName(strings.TrimSpace(item)); ok {
			list[i] = name
		}
	}
	return folded(list)
}

// OIDCOptions are the choices of an OIDC connection that an administrator has.
type OIDCOptions struct {
	Scopes       []string
	Prompt       string
	OwnCallback  bool
	FormPost     bool
	IdPInitiated bool
	Logout       bool
	UserInfo     string // one of directory.UserInfos
}

// SetOIDCOptions sets all of them.
func (s *Service) SetOIDCOptions(ctx context.Context, slug, connection string, to OIDCOptions, actor audit.Party) (ConnectionView, error) {
	for _, text := range append([]string{to.Prompt}, to.Scopes...) {
		if err := checkText("scopes", text); err != nil {
			return ConnectionView{}, err
		}
	}
	if !slices.Contains(directory.UserInfos(), to.UserInfo) {
		return ConnectionView{}, errs.Invalid("userinfo_unknown", "userinfo: expected one of %s, received %s.", strings.Join(directory.UserInfos(), ", "), quote(to.UserInfo))
	}
	return s.editOIDC(ctx, slug, connection, actor, func(_ *directory.Connection, o *directory.OIDC) error {
		o.Scopes, o.Prompt, o.OwnCallback, o.FormPost, o.IdPInitiated, o.Logout, o.UserInfo =
			noneIfEmpty(to.Scopes), strings.TrimSpace(to.Prompt), to.OwnCallback, to.FormPost, to.IdPInitiated, to.Logout, to.UserInfo
		return nil
	})
}

// editOIDC changes a copy of the OIDC side of a connection: the one that is there is shared.
func (s *Service) editOIDC(ctx context.Context, slug, connection string, actor audit.Party, fn func(*directory.Connection, *directory.OIDC) error) (ConnectionView, error) {
	return s.editConnection(ctx, slug, connection, actor, func(p *plan, c *directory.Connection) error {
		if c.Protocol != directory.ProtocolOIDC || c.OIDC == nil {
			return errs.Conflict("not_oidc", "The connection %q does not speak OpenID Connect.", c.Name)
		}
		was, side := *c, *c.OIDC
		if err := fn(c, &side); err != nil {
			return err
		}
		if reflect.DeepEqual(side, *c.OIDC) {
			return nil
		}
		if err := checkOIDC(c.Provider, side, p.allowPrivate); err != nil {
			return errs.Invalid("oidc_invalid", "%s.", clause(err))
		}
		c.OIDC = &side
		// An owner's change of one thing confirms nothing that somebody else changed before.
		if !p.byOwner && wordOf(*c) != wordOf(was) {
			side.Unconfirmed = true
		}
		if !directory.ProofHolds(was, *c) {
			c.VerifiedAt = time.Time{}
		}
		if c.Status == directory.ConnectionActive {
			if err := mayBeActive(*c, p.allowPrivate); err != nil {
				return errs.Conflict("connection_incomplete", "The connection %q is active, and nobody could sign in through it any more: %s.", c.Name, clause(err))
			}
		}
		return nil
	})
}
