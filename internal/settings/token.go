package settings

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// TokenPrefix begins every SCIM token.
const TokenPrefix = "gscim_"

// Bounds of what may be asked of a token.
const (
	// MaxOverlap is how long a replaced token may live on beside the new one.
	MaxOverlap = 7 * 24 * time.Hour
	// MinLifetime keeps a slip of the pen from making a token that has ended before it is pasted.
	MinLifetime = time.Hour
	MaxLifetime = 10 * 366 * 24 * time.Hour
	// maxLiveTokens is how many tokens of a directory live at once, through overlaps.
	maxLiveTokens = 5
	maxTokenName  = 100 // bytes
)

// TokenOptions are what a new token is to be. The zero value is a token without an end, named after its
// directory, that ends the one before it at once.
type TokenOptions struct {
	Name string // for people
	// Lifetime is when the token ends by itself, from now; 0 for never. MinLifetime to MaxLifetime.
	Lifetime time.Duration
	// Overlap is how long the token before it goes on working; at most MaxOverlap.
	Overlap time.Duration
}

func (o TokenOptions) check() error {
	switch {
	case len(o.Name) > maxTokenName || !utf8.ValidString(o.Name) || strings.ContainsFunc(o.Name, unicode.IsControl):
		return errs.Invalid("name_invalid", "A token's name has at most %d bytes, without control characters.", maxTokenName)
	case o.Lifetime != 0 && (o.Lifetime < MinLifetime || o.Lifetime > MaxLifetime):
		return errs.Invalid("lifetime_invalid", "A token lives at least an hour and at most ten years, or without end.")
	case o.Overlap < 0 || o.Overlap > MaxOverlap:
		return errs.Invalid("overlap_invalid", "The token before it can go on working for at most 7 days.")
	}
	return nil
}

// Issued is a new SCIM token. Token is shown once and stored nowhere (V10 of the seeds).
type Issued struct {
	Token     string     `json:"token"`
	BaseURL   string     `json:"base_url"`
	Workspace string     `json:"workspace"` // slug
	Directory string     `json:"directory"` // id
	ID        string     `json:"id"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	// ReplacedUntil is when the tokens before it end, where they were given an overlap.
	ReplacedUntil *time.Time `json:"replaced_until,omitempty"`
}

// TokenView is a token as it may be listed.
type TokenView struct {
	ID         string     `json:"id"`
	Directory  string     `json:"directory"` // id
	Name       string     `json:"name"`
	Hint       string     `json:"hint"`                 // last four characters
	CreatedBy  string     `json:"created_by,omitempty"` // by name
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at,omitempty"` // when it ends by itself
	LastUsedAt *time.Time `json:"last_used_at,omitempty"`
	ReplacedAt *time.Time `json:"replaced_at,omitempty"` // it may live on until ExpiresAt
	RevokedAt  *time.Time `json:"revoked_at,omitempty"`  // when it ended, by an act or by itself
	RevokedWhy string     `json:"revoked_why,omitempty"` // "replaced", "revoked" or "expired"
}

// RotateToken gives a directory, named by name or id, a new SCIM token. The one before it is dead
// from that instant (V11), or after the overlap that was asked for. While policy wants a verified
// connection and there is none the answer is forbidden, code sso_not_verified (V6, K19); while SCIM
// is not allowed for the workspace, scim_not_allowed (K21). Options out of bounds are invalid; the sixth
// living token is a conflict, too_many_tokens.
func (s *Service) RotateToken(ctx context.Context, slug, dir string, o TokenOptions, actor audit.Party) (Issued, error) {
	return s.rotate(ctx, slug, dir, o, actor, func([]store.Token) error { return nil })
}

// RotateTokenOnce is RotateToken for a form that may be sent twice: last is the id of the newest token
// that its reader saw, living or dead, "" for none. Once there is a newer one the answer is a
// conflict, token_already_made, and the newer one goes on working.
func (s *Service) RotateTokenOnce(ctx context.Context, slug, dir, last string, o TokenOptions, actor audit.Party) (Issued, error) {
	return s.rotate(ctx, slug, dir, o, actor, func(had []store.Token) error {
		newest := ""
		if len(had) > 0 {
			newest = had[len(had)-1].ID
		}
		if newest != last {
			return errs.Conflict("token_already_made", "This form was sent before, or somebody else made a token meanwhile; a token is shown once. If you did not copy it, generate another.")
		}
		return nil
	})
}

func (s *Service) rotate(ctx context.Context, slug, dir string, o TokenOptions, actor audit.Party, may func(had []store.Token) error) (Issued, error) {
	if err := o.check(); err != nil {
		return Issued{}, err
	}
	plain, hash := keys.NewToken(TokenPrefix)
	var issued Issued
	err := s.onDirectory(ctx, slug, dir, func(tx *store.Tx, cfg *directory.Config, d directory.Directory) error {
		t := store.Token{ID: keys.ID("tok_", tx.Now()), Directory: d.ID, Name: cmp.Or(o.Name, d.Name), Hint: keys.Hint(plain), CreatedBy: cmp.Or(actor.Name, actor.ID)}
		if o.Lifetime > 0 {
			t.ExpiresAt = tx.Now().Add(o.Lifetime)
		}
		e := audit.Event{Type: audit.TokenRotated, Actor: actor, Directory: d.ID, Subject: audit.Party{Kind: "token", ID: t.ID, Name: t.Name}}
		if err := mayIssue(cfg, d); err != nil {
			e.Outcome, e.Reason, e.Subject = audit.Refused, errs.CodeOf(err), audit.Party{Kind: "directory", ID: d.ID, Name: d.Name}
			return store.Refuse(err, nil, e)
		}
		had, err := tx.Tokens(d.ID)
		if err != nil {
			return err
		}
		if err := may(had); err != nil {
			return err
		}
		until, err := supersede(tx, d, had, o.Overlap, &e)
		if err != nil {
			return err
		}
		tx.InsertToken(t, hash)
		if !t.ExpiresAt.IsZero() {
			e.Changes = append(e.Changes, audit.Change{Field: "expires_at", To: t.ExpiresAt.Format(time.RFC3339)})
		}
		issued = Issued{Token: plain, BaseURL: s.SCIMBaseURL(), Workspace: slug, Directory: d.ID, ID: t.ID, ExpiresAt: maybe(t.ExpiresAt), ReplacedUntil: maybe(until)}
		return tx.Record(e)
	})
	if err != nil {
		return Issued{}, err
	}
	return issued, nil
}

// supersede ends the tokens that live, at once or after the overlap, and notes it in e. The instant is
// when the last of them ends, zero where none lives on.
func supersede(tx *store.Tx, d directory.Directory, had []store.Token, overlap time.Duration, e *audit.Event) (time.Time, error) {
	if overlap == 0 {
		replaced, err := tx.RevokeTokens(d.ID, "", store.TokenReplaced)
		e.Changes = append(e.Changes, audit.Change{Field: "replaced", To: fmt.Sprint(replaced)})
		return time.Time{}, err
	}
	until := tx.Now().Add(overlap)
	var last time.Time
	living := 0
	for _, t := range had {
		if !t.Live() {
			continue
		}
		living++
		if end := t.ExpiresAt; !end.IsZero() && end.Before(until) {
			last = latest(last, end)
		} else {
			last = until
		}
	}
	if living >= maxLiveTokens {
		return last, errs.Conflict("too_many_tokens", "The directory %q has %d living tokens. Revoke one, or replace them all at once by rotating without an overlap.", d.Name, living)
	}
	replaced, err := tx.RetireTokens(d.ID, until)
	e.Changes = append(e.Changes, audit.Change{Field: "replaced", To: fmt.Sprint(replaced)})
	if living > 0 {
		e.Changes = append(e.Changes, audit.Change{Field: "replaced_until", To: last.Format(time.RFC3339)})
	}
	return last, err
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func mayIssue(cfg *directory.Config, d directory.Directory) error {
	policy := cfg.PolicyFor(d.ID)
	if !policy.SCIMAllowed {
		return errs.Forbidden("scim_not_allowed", "SCIM is not switched on for this workspace (policy scim_allowed). An operator can switch it on.")
	}
	if policy.SCIMRequiresSSO && !cfg.HasVerifiedConnection() {
		return errs.Forbidden("sso_not_verified",
			"This workspace needs an active, verified SSO connection before it gets a SCIM token, and has none: provisioned people would have no way to sign in.")
	}
	return nil
}

// ListTokens lists the tokens of a directory, dead ones included, oldest first.
func (s *Service) ListTokens(ctx context.Context, slug, dir string) ([]TokenView, error) {
	id, cfg, err := s.Workspace(ctx, slug)
	if err != nil {
		return nil, err
	}
	d, err := directoryOf(cfg, dir)
	if err != nil {
		return nil, err
	}
	out := []TokenView{}
	err = s.DB.Read(ctx, id, func(tx *store.Tx) error {
		tokens, err := tx.Tokens(d.ID)
		for _, t := range tokens {
			out = append(out, viewToken(t))
		}
		return err
	})
	return out, err
}

func viewToken(t store.Token) TokenView {
	return TokenView{ID: t.ID, Directory: t.Directory, Name: t.Name, Hint: t.Hint, CreatedBy: t.CreatedBy, CreatedAt: t.CreatedAt, ExpiresAt: maybe(t.ExpiresAt),
		LastUsedAt: maybe(t.LastUsedAt), ReplacedAt: maybe(t.ReplacedAt), RevokedAt: maybe(t.RevokedAt), RevokedWhy: t.RevokedWhy}
}

// RevokeToken ends the live token of a directory with that id, or any live one for "". Where there
// is none the answer is not found.
func (s *Service) RevokeToken(ctx context.Context, slug, dir, id string, actor audit.Party) error {
	return s.onDirectory(ctx, slug, dir, func(tx *store.Tx, cfg *directory.Config, d directory.Directory) error {
		tokens, err := tx.Tokens(d.ID)
		if err != nil {
			return err
		}
		ended := 0
		for _, t := range tokens {
			if !t.Live() || id != "" && t.ID != id {
				continue
			}
			if _, err := tx.RevokeTokens(d.ID, t.ID, store.TokenRevoked); err != nil {
				return err
			}
			if err := tx.Record(audit.Event{Type: audit.TokenRevoked, Actor: actor, Directory: d.ID,
				Subject: audit.Party{Kind: "token", ID: t.ID, Name: t.Name}}); err != nil {
				return err
			}
			ended++
		}
		if ended == 0 {
			return errs.NotFound("token_unknown", "The directory %q has no such live token.", d.Name)
		}
		return shortenUnheard(tx, cfg, d, actor)
	})
}

// onDirectory runs fn in one transaction that holds the configuration.
func (s *Service) onDirectory(ctx context.Context, slug, dir string, fn func(*store.Tx, *directory.Config, directory.Directory) error) error {
	id, err := s.DB.System().WorkspaceBySlug(ctx, slug)
	if err != nil {
		return err
	}
	return s.DB.Write(ctx, id, func(tx *store.Tx) error {
		if err := tx.LockPolicy(); err != nil {
			return err
		}
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		d, err := directoryOf(cfg, dir)
		if err != nil {
			return err
		}
		return fn(tx, cfg, d)
	})
}

func directoryOf(cfg *directory.Config, nameOrID string) (directory.Directory, error) {
	d, ok := findDirectory(cfg, nameOrID)
	if !ok {
		return d, errs.NotFound("directory_unknown", "The workspace %q has no directory %q%s",
			cfg.Workspace.Slug, nameOrID, orMeant(nameOrID, directoryNames(cfg)))
	}
	return d, nil
}

func maybe(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
