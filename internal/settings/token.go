package settings

import (
	"context"
	"fmt"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// TokenPrefix begins every SCIM token.
const TokenPrefix = "gscim_"

// Issued is a new SCIM token. Token is shown once and stored nowhere (V10 of the seeds).
type Issued struct {
	Token     string `json:"token"`
	BaseURL   string `json:"base_url"`
	Workspace string `json:"workspace"` // slug
	Directory string `json:"directory"` // id
}

// TokenView is a token as it may be listed.
type TokenView struct {
	ID         string     `json:"id"`
	Directory  string     `json:"directory"` // id
	Name       string     `json:"name"`
	Hint       string     `json:"hint"` // last four characters
	CreatedAt  time.Time  `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty"`
	RevokedAt  *time.Time `json:"revoked_at,omitempty"`
	RevokedWhy string     `json:"revoked_why,omitempty"` // "replaced" or "revoked"
}

// RotateToken gives a directory, named by name or id, a new SCIM token. The one before it is dead
// from that instant (V11). name is for people; "" is the directory's. While policy wants a verified
// connection and there is none the answer is forbidden, code sso_not_verified (V6, K19); while SCIM
// is not allowed for the workspace, scim_not_allowed (K21).
func (s *Service) RotateToken(ctx context.Context, slug, dir, name string, actor audit.Party) (Issued, error) {
	return s.rotate(ctx, slug, dir, name, actor, func([]store.Token) error { return nil })
}

// RotateTokenOnce is RotateToken for a form that may be sent twice: last is the id of the newest token
// that its reader saw, living or dead, "" for none. Once there is a newer one the answer is a
// conflict, token_already_made, and the newer one goes on working.
func (s *Service) RotateTokenOnce(ctx context.Context, slug, dir, last string, actor audit.Party) (Issued, error) {
	return s.rotate(ctx, slug, dir, "", actor, func(had []store.Token) error {
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

func (s *Service) rotate(ctx context.Context, slug, dir, name string, actor audit.Party, may func(had []store.Token) error) (Issued, error) {
	plain, hash := keys.NewToken(TokenPrefix)
	issued := Issued{Token: plain, BaseURL: s.SCIMBaseURL(), Workspace: slug}
	err := s.onDirectory(ctx, slug, dir, func(tx *store.Tx, cfg *directory.Config, d directory.Directory) error {
		t := store.Token{ID: keys.ID("tok_", tx.Now()), Directory: d.ID, Name: name, Hint: keys.Hint(plain)}
		if t.Name == "" {
			t.Name = d.Name
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
		replaced, err := tx.RevokeTokens(d.ID, "", "replaced")
		if err != nil {
			return err
		}
		tx.InsertToken(t, hash)
		issued.Directory = d.ID
		e.Changes = []audit.Change{{Field: "replaced", To: fmt.Sprint(replaced)}}
		return tx.Record(e)
	})
	if err != nil {
		return Issued{}, err
	}
	return issued, nil
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
	return TokenView{ID: t.ID, Directory: t.Directory, Name: t.Name, Hint: t.Hint, CreatedAt: t.CreatedAt,
		LastUsedAt: maybe(t.LastUsedAt), RevokedAt: maybe(t.RevokedAt), RevokedWhy: t.RevokedWhy}
}

// RevokeToken ends the live token of a directory with that id, or any live one for "". Where there
// is none the answer is not found.
func (s *Service) RevokeToken(ctx context.Context, slug, dir, id string, actor audit.Party) error {
	return s.onDirectory(ctx, slug, dir, func(tx *store.Tx, _ *directory.Config, d directory.Directory) error {
		tokens, err := tx.Tokens(d.ID)
		if err != nil {
			return err
		}
		ended := 0
		for _, t := range tokens {
			if !t.RevokedAt.IsZero() || id != "" && t.ID != id {
				continue
			}
			if _, err := tx.RevokeTokens(d.ID, t.ID, "revoked"); err != nil {
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
		return nil
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
		return d, errs.NotFound("directory_unknown", "The workspace %q has no directory %q%s.",
			cfg.Workspace.Slug, nameOrID, didYouMean(nameOrID, directoryNames(cfg)))
	}
	return d, nil
}

func maybe(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
