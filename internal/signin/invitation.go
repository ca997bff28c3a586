package signin

import (
	"context"
	"fmt"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Invited is a standing invitation, as whoever holds its link is shown it.
type Invited struct {
	Slug, Workspace string // the workspace's names
	Email           string // whom it is for
	ExpiresAt       time.Time
	// Connections are the ways of single sign-on that are there.
	Connections []directory.Connection
	// Password says that the person may set a password: no directory owns them, and no single sign-on is required of them.
	Password bool
}

// mailed is a link that was sent by mail and still opens something, with whom it was sent to.
type mailed struct {
	store.MailLink
	hash   string
	cfg    *directory.Config
	member *directory.Member
}

// opens reads what a link opens, now. Whatever is wrong with it has one answer, store.ErrMailLink.
func opens(tx *store.Tx, l store.MailLink, hash string) (*mailed, error) {
	cfg, err := tx.Config()
	if err != nil {
		return nil, err
	}
	m, err := tx.Member(l.Member)
	switch {
	case errs.Is(err, errs.KindNotFound):
		return nil, store.ErrMailLink()
	case err != nil:
		return nil, err
	case !l.UsedAt.IsZero(), !l.ExpiresAt.After(tx.Now()), directory.Fold(m.Email) != l.Address, m.Sources != 0, m.Stage == directory.StageErased,
		l.Purpose == store.LinkInvitation && m.Stage != directory.StageInvited:
		return nil, store.ErrMailLink()
	}
	return &mailed{l, hash, cfg, m}, nil
}

// mailLink looks a link up, by its token and purpose. One that was never made is summed up with its sender.
func (s *Service) mailLink(ctx context.Context, token, purpose string, c Client) (store.MailLink, string, error) {
	hash := keys.HashToken(token)
	l, err := s.DB.System().MailLinkByHash(ctx, hash)
	if err == nil && l.Purpose != purpose {
		err = store.ErrMailLink()
	}
	if errs.Is(err, errs.KindForbidden) {
		s.DB.System().RecordStranger(c.Bucket, "signin."+errs.CodeOf(err), nil)
	}
	return l, hash, err
}

// Invitation shows what the link with that token opens and uses nothing up: scanners of mail follow links.
func (s *Service) Invitation(ctx context.Context, token string, c Client) (*Invited, error) {
	l, hash, err := s.mailLink(ctx, token, store.LinkInvitation, c)
	if err != nil {
		return nil, err
	}
	var found *mailed
	if err := s.DB.Read(ctx, l.Workspace, func(tx *store.Tx) error {
		found, err = opens(tx, l, hash)
		return err
	}); err != nil {
		return nil, err
	}
	return found.invited(), nil
}

func (f *mailed) invited() *Invited {
	i := &Invited{Slug: f.cfg.Workspace.Slug, Workspace: f.cfg.Workspace.Name, Email: f.member.Email, ExpiresAt: f.ExpiresAt}
	for _, c := range f.cfg.Connections {
		if usable(c) == nil {
			i.Connections = append(i.Connections, c)
		}
	}
	i.Password = f.member.Directory == "" && directory.MaySignIn(f.cfg, f.member, directory.MethodPassword) == nil
	return i
}

// AcceptInvitation sets the password of an invited person and signs them in: the link is used up, and of many who try at
// once one succeeds. A link that opens nothing is errs.KindForbidden, "link_invalid"; who must use single sign-on is
// told so ("sso_required") and keeps the link.
func (s *Service) AcceptInvitation(ctx context.Context, token, password string, c Client) (session string, started *session.Session, err error) {
	l, hash, fresh, err := s.useMail(ctx, token, store.LinkInvitation, password, c)
	if err != nil {
		return "", nil, err
	}
	err = s.DB.Write(ctx, l.Workspace, func(tx *store.Tx) error {
		if err := tx.LockPeople([]string{l.Member}, false); err != nil {
			return err
		}
		f, err := opens(tx, l, hash)
		if err != nil {
			return refuseMailed(err, l, c)
		}
		if err := directory.MaySignIn(f.cfg, f.member, directory.MethodPassword); err != nil {
			return refuseMailed(err, l, c)
		}
		if err := tx.UseMailLink(hash, f.member.ID, store.LinkInvitation); err != nil {
			return refuseMailed(err, l, c)
		}
		if err := provision.Accept(tx, f.member, fresh); err != nil {
			return refuseMailed(err, l, c)
		}
		session, started, err = s.start(tx, f.cfg, f.member, opening{attempt: attemptBy(c, directory.MethodPassword)})
		return err
	})
	if err != nil {
		return "", nil, fmt.Errorf("accept invitation: %w", err)
	}
	return session, started, nil
}

// triedLink is what comes before a link is used: it is there, and there were not too many tries of it.
func (s *Service) triedLink(ctx context.Context, token, purpose string, c Client) (l store.MailLink, hash string, err error) {
	if l, hash, err = s.mailLink(ctx, token, purpose, c); err != nil {
		return l, "", err
	}
	wait, err := s.DB.System().Attempt(ctx, limitWindow, []string{bucket("link", hash)}, []int{linkLimit})
	if err != nil {
		return l, "", fmt.Errorf("count attempt: %w", err)
	}
	if wait > 0 {
		s.DB.System().RecordStranger(c.Bucket, "signin.too_many_attempts", nil)
		return l, "", limited(wait)
	}
	return l, hash, nil
}

// useMail is triedLink for a link that is used with a new password. It is hashed here, outside the transaction.
func (s *Service) useMail(ctx context.Context, token, purpose, password string, c Client) (l store.MailLink, hash, fresh string, err error) {
	if l, hash, err = s.triedLink(ctx, token, purpose, c); err != nil {
		return l, "", "", err
	}
	fresh, err = s.newPassword(ctx, password)
	return l, hash, fresh, err
}

// refuseMailed makes a refusal of err with its event, and leaves errors that are not one alone.
func refuseMailed(err error, l store.MailLink, c Client) error {
	if !errs.Is(err, errs.KindForbidden) {
		return err
	}
	return store.Refuse(err, nil, audit.Event{Type: audit.SignInRefused, Outcome: audit.Refused, Reason: errs.CodeOf(err),
		Actor: c.stranger(), Subject: audit.Party{Kind: "member", ID: l.Member}, Payload: attemptBy(c, directory.MethodLink).payload()})
}
