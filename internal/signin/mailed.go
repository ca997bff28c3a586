package signin

import (
	"context"
	"fmt"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// UseMailedLink signs in by a link that was sent while enforcement is relaxed, once. The session ends when the relaxation does. A
// link that opens nothing is errs.KindForbidden, "link_invalid"; where it still would and the relaxation is over, its holder is told
// so ("mail_link_over").
func (s *Service) UseMailedLink(ctx context.Context, link string, c Client) (token string, started *session.Session, err error) {
	l, hash, err := s.triedLink(ctx, link, store.LinkSignIn, c)
	if err != nil {
		return "", nil, err
	}
	whose := audit.Party{Kind: "member", ID: l.Member}
	err = s.DB.Write(ctx, l.Workspace, func(tx *store.Tx) error {
		if err := tx.LockPeople([]string{l.Member}, false); err != nil {
			return err
		}
		f, err := opens(tx, l, hash)
		if err != nil {
			return refuseLink(err, whose, c, directory.MethodMail)
		}
		attempt := attemptBy(c, directory.MethodMail)
		if err := directory.MayUseMailLink(f.cfg, f.member, tx.Now()); err != nil {
			return barred(tx, f.cfg, errs.As(err), attempt, audit.Event{Actor: party(f.member), Subject: party(f.member), Payload: attempt.payload()})
		}
		// The designation may have come to them since.
		if f.member.BreakGlass {
			return refuseLink(store.ErrMailLink(), whose, c, directory.MethodMail)
		}
		// The domain may have lapsed since.
		if lost, err := lostMailbox(tx, f.cfg, f.member); err != nil {
			return err
		} else if lost {
			return refuseLink(store.ErrMailLink(), whose, c, directory.MethodMail)
		}
		if err := tx.UseMailLink(hash, f.member.ID, store.LinkSignIn); err != nil {
			return refuseLink(err, whose, c, directory.MethodMail)
		}
		token, started, err = s.start(tx, f.cfg, f.member, opening{attempt: attempt, until: f.cfg.Workspace.Enforcement.Relaxed.Until})
		return err
	})
	if err != nil {
		return "", nil, fmt.Errorf("sign in by mailed link: %w", err)
	}
	return token, started, nil
}
