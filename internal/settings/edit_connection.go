package settings

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml"
)

// CreateConnection makes a SAML connection, a draft that already has its addresses, with the defaults
// of the provider (one of directory.Providers). A name that is taken is a conflict, name_taken.
func (s *Service) CreateConnection(ctx context.Context, slug, name, provider string, actor audit.Party) (ConnectionView, error) {
	return s.CreateConnectionOf(ctx, slug, name, provider, directory.ProtocolSAML, actor)
}

// CreateConnectionOf is CreateConnection for either protocol.
func (s *Service) CreateConnectionOf(ctx context.Context, slug, name, provider string, protocol directory.Protocol, actor audit.Party) (ConnectionView, error) {
	var c directory.Connection
	var cfg *directory.Config
	err := s.edit(ctx, slug, actor, func(p *plan) error {
		cfg = p.after
		if err := checkName(name, connectionNames(p.after)); err != nil {
			return err
		}
		if !slices.Contains(directory.Providers(), provider) {
			return errs.Invalid("provider_unknown", "provider: expected one of %s, received %s", strings.Join(directory.Providers(), ", "), quote(provider))
		}
		if err := enough("connections", len(p.after.Connections), maxItems); err != nil {
			return err
		}
		c = directory.Connection{ID: keys.ID("con_", p.now), Name: name, Provider: provider, Protocol: protocol, Status: directory.ConnectionDraft}
		switch protocol {
		case directory.ProtocolSAML:
			side := directory.DefaultSAML(provider)
			c.SAML = &side
		case directory.ProtocolOIDC:
			side := directory.DefaultOIDC(provider)
			c.OIDC = &side
		default:
			return errs.Invalid("protocol_unknown", "protocol: expected saml or oidc, received %s", quote(string(protocol)))
		}
		p.after.Connections = append(p.after.Connections, c)
		return nil
	})
	if err != nil {
		return ConnectionView{}, err
	}
	return s.view(cfg, c), nil
}

// SetAttributes says which attributes of an assertion, or claims of an ID token, hold what; "" reads none.
func (s *Service) SetAttributes(ctx context.Context, slug, connection string, names directory.Attributes, actor audit.Party) (ConnectionView, error) {
	for _, k := range attributeKeys() {
		at := k.at(&names)
		*at = strings.TrimSpace(*at)
		if err := checkText("attributes."+k.name, *at); err != nil {
			return ConnectionView{}, err
		}
	}
	view, err := s.Connection(ctx, slug, connection)
	if err == nil && view.Protocol == directory.ProtocolOIDC {
		return s.editOIDC(ctx, slug, connection, actor, func(_ *directory.Connection, o *directory.OIDC) error {
			o.Attributes = names
			return nil
		})
	}
	return s.editSAML(ctx, slug, connection, actor, func(side *directory.SAML) { side.Attributes = names })
}

// What becomes of an answer of a SAML IdP's tile, which nobody asked for.
const (
	TileRefused   = "no"
	TileSignsIn   = "yes"
	TileConverted = convertWord // it begins a sign-in of ours
)

// SetIdPInitiated says what becomes of an answer that nobody asked for: one of TileRefused and its neighbours.
func (s *Service) SetIdPInitiated(ctx context.Context, slug, connection, tile string, actor audit.Party) (ConnectionView, error) {
	if tile != TileRefused && tile != TileSignsIn && tile != TileConverted {
		return ConnectionView{}, errs.Invalid("idp_initiated_unknown", "idp_initiated: expected yes, no or convert, received %s", quote(tile))
	}
	return s.editSAML(ctx, slug, connection, actor, func(side *directory.SAML) {
		side.IdPInitiated, side.ConvertUnasked = tile == TileSignsIn, tile == TileConverted
	})
}

// tileWord is how the apply file says it.
func tileWord(side *directory.SAML) string {
	if side.ConvertUnasked {
		return TileConverted
	}
	return yesNo(side.IdPInitiated)
}

// ConfirmConnection is an owner's word that the IdP's side of a connection is right as they have seen it
// (ConnectionView.Word): from then on owners sign in through it as well. It is a conflict, changed_meanwhile, where
// somebody has changed it since. From anybody else it is forbidden, not_an_owner.
func (s *Service) ConfirmConnection(ctx context.Context, slug, connection, seen string, actor audit.Party) (ConnectionView, error) {
	return s.editConnection(ctx, slug, connection, actor, func(p *plan, c *directory.Connection) error {
		if !p.byOwner {
			return errs.Forbidden("not_an_owner", "Only an owner can confirm a connection.")
		}
		if !c.Unconfirmed() {
			return nil
		}
		if seen != wordOf(*c) {
			return errs.Conflict("changed_meanwhile", "The connection was changed after this page was shown. Look at it as it is now, and confirm that.")
		}
		if c.OIDC != nil {
			side := *c.OIDC
			side.Unconfirmed = false
			c.OIDC = &side
			return nil
		}
		side := *c.SAML
		side.Unconfirmed = false
		c.SAML = &side
		return nil
	})
}

// editSAML changes a copy of the SAML side of a connection: the one that is there is shared.
func (s *Service) editSAML(ctx context.Context, slug, connection string, actor audit.Party, fn func(*directory.SAML)) (ConnectionView, error) {
	return s.trySAML(ctx, slug, connection, actor, func(_ *plan, _ *directory.Connection, side *directory.SAML) error {
		fn(side)
		return nil
	})
}

// trySAML is editSAML by a function that may refuse. It changes side and leaves the connection alone.
func (s *Service) trySAML(ctx context.Context, slug, connection string, actor audit.Party, fn func(*plan, *directory.Connection, *directory.SAML) error) (ConnectionView, error) {
	return s.editConnection(ctx, slug, connection, actor, func(p *plan, c *directory.Connection) error {
		if c.Protocol != directory.ProtocolSAML || c.SAML == nil {
			return errs.Conflict("not_saml", "The connection %q does not speak SAML.", c.Name)
		}
		was, side := *c, *c.SAML
		if err := fn(p, c, &side); err != nil || reflect.DeepEqual(side, *c.SAML) {
			return err
		}
		// An owner's change of one thing confirms nothing that somebody else changed before.
		c.SAML = &side
		if !p.byOwner && wordOf(*c) != wordOf(was) {
			side.Unconfirmed = true
		}
		if !directory.ProofHolds(was, *c) {
			c.VerifiedAt = time.Time{}
		}
		return nil
	})
}

// wordOf is a digest of whom a connection believes, and what: the IdP, its keys or who we are there, what an answer
// must show, and the attribute names. Our own keys are no part of it: nobody is believed because of them.
func wordOf(c directory.Connection) string {
	var believed []any
	switch {
	case c.SAML != nil:
		believed = []any{c.SAML.EntityID, c.SAML.Certificates, c.SAML.MetadataURL, c.SAML.MetadataSigner, c.SAML.Attributes, c.SAML.Encryption == "cbc", c.SAML.SHA1Until, c.SAML.ForceAuthn, c.SAML.AuthnContexts}
	case c.OIDC != nil:
		o := c.OIDC
		believed = []any{o.Issuer, o.ClientID, o.Audiences, o.Tenants, o.HostedDomains, o.Algorithms, o.Attributes}
	}
	text, _ := json.Marshal(believed) // strings and bytes, which always encode
	return keys.HashToken(string(text))
}

// ActivateConnection lets people sign in through a connection. While the IdP is not known the answer
// is a conflict, connection_incomplete. An administrator's activation proves nothing: the connection
// counts as verified from its first sign-in (ConnectionProven), or if it was proven as it is before.
func (s *Service) ActivateConnection(ctx context.Context, slug, connection string, actor audit.Party) (ConnectionView, error) {
	return s.editConnection(ctx, slug, connection, actor, func(p *plan, c *directory.Connection) error {
		if c.Status == directory.ConnectionActive {
			return nil
		}
		if c.Protocol == directory.ProtocolSAML && !c.SAML.Known() {
			return errs.Conflict("connection_incomplete", "The connection %q cannot be activated yet: import the IdP's metadata first.", c.Name)
		}
		if err := mayBeActive(*c, p.allowPrivate); err != nil {
			return errs.Conflict("connection_incomplete", "The connection %q cannot be activated: %s.", c.Name, clause(err))
		}
		c.Status, c.SessionsRun = directory.ConnectionActive, false
		return nil
	})
}

// DisableConnection switches a connection off. By choice the sessions that came through it end, in the same transaction
// and with them what applications have of them, or go on to their own end (keep). One that was disabled and lets them run
// can be told to end them. A draft is a conflict, connection_draft: nobody signs in through it. It is forbidden,
// would_lock_out, while enforcement stands on it (law 7).
func (s *Service) DisableConnection(ctx context.Context, slug, connection string, keep bool, actor audit.Party) (ConnectionView, error) {
	return s.editConnection(ctx, slug, connection, actor, func(_ *plan, c *directory.Connection) error {
		if c.Status == directory.ConnectionDraft {
			return errs.Conflict("connection_draft", "The connection %q is a draft: nobody signs in through it, so that there is nothing to disable.", c.Name)
		}
		c.Status, c.SessionsRun = directory.ConnectionDisabled, keep
		return nil
	})
}

// SetConnectionDomains says whose people the sign-in page leads to a connection: those of these mail domains. It proves
// nothing. A domain that another connection has is a conflict, domain_claimed.
func (s *Service) SetConnectionDomains(ctx context.Context, slug, connection string, domains []string, actor audit.Party) (ConnectionView, error) {
	var clean []string
	for _, d := range domains {
		if d = strings.TrimSpace(d); d == "" {
			continue
		}
		name, ok := directory.DomainName(d)
		if !ok {
			return ConnectionView{}, errs.Invalid("domains_invalid", "domains: expected domains such as acme.test, received %s", quote(d))
		}
		clean = append(clean, name)
	}
	clean = cleanDomains(clean)
	if len(clean) > maxConnectionDomains {
		return ConnectionView{}, errs.Invalid("domains_invalid", "domains: expected at most %d, received %d", maxConnectionDomains, len(clean))
	}
	return s.editConnection(ctx, slug, connection, actor, func(p *plan, c *directory.Connection) error {
		for _, d := range clean {
			if other, ok := p.after.ConnectionOfDomain(d); ok && other.ID != c.ID {
				return errs.Conflict("domain_claimed", "The domain %s is the connection %q's already. Take it away there first.", d, other.Name)
			}
		}
		c.Domains = clean
		return nil
	})
}

// RenameConnection gives a connection another name. Its id, and with it every address, stays.
func (s *Service) RenameConnection(ctx context.Context, slug, connection, name string, actor audit.Party) (ConnectionView, error) {
	id, err := s.DB.System().WorkspaceBySlug(ctx, slug)
	if err != nil {
		return ConnectionView{}, err
	}
	var c directory.Connection
	var cfg *directory.Config
	err = s.DB.Write(ctx, id, func(tx *store.Tx) error {
		if err := tx.LockPolicy(); err != nil {
			return err
		}
		var err error
		if cfg, err = tx.Config(); err != nil {
			return err
		}
		if c, err = connectionOf(cfg, connection); err != nil || c.Name == name {
			return err
		}
		others := slices.DeleteFunc(connectionNames(cfg), func(n string) bool { return n == c.Name })
		if err := checkName(name, others); err != nil {
			return err
		}
		was := c.Name
		c.Name = name
		tx.SaveConnection(c, false)
		return tx.Record(audit.Event{Type: audit.ConnectionChanged, Actor: actor, Connection: c.ID,
			Subject: audit.Party{Kind: "connection", ID: c.ID, Name: name}, Changes: []audit.Change{{Field: "name", From: was, To: name}}})
	})
	if err != nil {
		return ConnectionView{}, err
	}
	return s.view(cfg, c), nil
}

// DeleteConnection removes a connection with its sign-in links, its group claims, their mappings and
// its sessions. It is a conflict, connection_in_use, while a directory names it, and forbidden,
// would_lock_out, while enforcement stands on it (law 7).
func (s *Service) DeleteConnection(ctx context.Context, slug, connection string, actor audit.Party) error {
	return s.edit(ctx, slug, actor, func(p *plan) error {
		c, err := connectionOf(p.after, connection)
		if err != nil {
			return err
		}
		for _, d := range p.after.Directories {
			if d.Connection == c.ID {
				return errs.Conflict("connection_in_use", "The connection %q cannot be removed while the directory %q names it.", c.Name, d.Name)
			}
		}
		p.after.Connections = slices.DeleteFunc(p.after.Connections, func(other directory.Connection) bool { return other.ID == c.ID })
		p.dropOrphans()
		return nil
	})
}

// Check is what can be told of a connection without signing in.
type Check struct {
	Connection ConnectionView `json:"connection"`
	// OK is false where nobody could sign in.
	OK bool `json:"ok"`
	// Findings are sentences, the causes first; empty where there is nothing to say.
	Findings []string `json:"findings"`
}

// TestConnection looks at a connection as it is stored: is the IdP known, is it switched on, when do
// its certificates expire. It calls nobody.
func (s *Service) TestConnection(ctx context.Context, slug, nameOrID string) (Check, error) {
	_, cfg, err := s.Workspace(ctx, slug)
	if err != nil {
		return Check{}, err
	}
	c, err := connectionOf(cfg, nameOrID)
	if err != nil {
		return Check{}, err
	}
	out := Check{Connection: s.view(cfg, c), OK: true, Findings: []string{}}
	if err := mayBeActive(c, s.AllowPrivate); err != nil {
		out.OK = false
		out.Findings = append(out.Findings, err.Error())
	}
	if c.Status != directory.ConnectionActive {
		out.OK = false
		out.Findings = append(out.Findings, "the connection is "+string(c.Status)+" and signs nobody in")
	} else if !c.Verified() {
		out.Findings = append(out.Findings, "nobody has signed in through it yet, so it does not count as verified")
	}
	for _, cert := range IdentityProvider(c.SAML).Certificates {
		out.Findings = append(out.Findings, expiry(cert, s.DB.Now())...)
	}
	return out, nil
}

// soon is how long before its end a certificate is worth a word.
const soon = 30 * 24 * time.Hour

func expiry(c saml.Certificate, now time.Time) []string {
	day := c.NotAfter.UTC().Format(time.DateOnly)
	switch {
	case now.After(c.NotAfter):
		return []string{"the certificate " + c.Subject + " expired on " + day + "; its key is accepted all the same, and the IdP will probably replace it"}
	case now.Add(soon).After(c.NotAfter):
		return []string{"the certificate " + c.Subject + " expires on " + day + "; import the IdP's metadata again when it has a new one"}
	}
	return nil
}
