package signin

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// LinkValid is how long a one-time sign-in link can be used.
const LinkValid = 10 * time.Minute

// linkPrefix begins the token of a one-time link.
const linkPrefix = "glink_"

// linkPath is where links lead; the token follows.
const linkPath = "/signin/link/"

// MakeLink makes a one-time sign-in link for a member of workspace (both ids), as an act of
// actor that is recorded. With ownerOnly the member must have the owner role, else
// errs.KindForbidden, code "not_an_owner". People who are out are refused with the sentence of
// the source. The link is shown once: only its hash is kept.
func (s *Service) MakeLink(ctx context.Context, workspace, member string, ownerOnly bool, actor audit.Party) (url string, expires time.Time, err error) {
	err = s.DB.Write(ctx, workspace, func(tx *store.Tx) error {
		if err := tx.LockPeople([]string{member}, false); err != nil {
			return err
		}
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		m, err := tx.Member(member)
		if err != nil {
			return err
		}
		made := audit.Event{Type: audit.SignInLinkMade, Actor: actor, Subject: party(m)}
		if err := mayHaveLink(cfg, m, ownerOnly); err != nil {
			made.Outcome, made.Reason = audit.Refused, errs.CodeOf(err)
			return store.Refuse(err, nil, made)
		}
		token, hash := keys.NewToken(linkPrefix)
		expires = tx.Now().Add(LinkValid)
		url = strings.TrimSuffix(s.PublicURL, "/") + linkPath + token
		tx.InsertLink(hash, m.ID, expires)
		return tx.Record(made)
	})
	if err != nil {
		return "", time.Time{}, fmt.Errorf("make link: %w", err)
	}
	return url, expires, nil
}

func mayHaveLink(cfg *directory.Config, m *directory.Member, ownerOnly bool) error {
	if err := directory.MaySignIn(cfg, m, directory.MethodLink); err != nil {
		return err
	}
	if ownerOnly && m.Role != cfg.Roles.Owner().ID {
		return errs.Forbidden("not_an_owner", "%s does not have the role %s.", m.Email, cfg.Roles.Owner().Name)
	}
	return nil
}

// UseLink consumes the link with that token and returns the token of the new session. Of many
// who try at once one succeeds. A link that was used, has expired or was never made is
// errs.KindForbidden, code "link_invalid".
func (s *Service) UseLink(ctx context.Context, link string, c Client) (token string, started *session.Session, err error) {
	hash := keys.HashToken(link)
	workspace, member, err := s.DB.System().LinkByHash(ctx, hash)
	if errs.Is(err, errs.KindForbidden) {
		s.DB.System().RecordStranger(c.Bucket, "signin."+errs.CodeOf(err), nil)
	}
	if err != nil {
		return "", nil, err
	}
	// Only for links that exist: nobody guesses 256 bits, but whoever holds an old link could fill
	// the workspace's log with its refusals.
	wait, err := s.DB.System().Attempt(ctx, limitWindow, []string{bucket("link", hash)}, []int{linkLimit})
	if err != nil {
		return "", nil, fmt.Errorf("count attempt: %w", err)
	}
	if wait > 0 {
		s.DB.System().RecordStranger(c.Bucket, "signin.too_many_attempts", nil)
		return "", nil, limited(wait)
	}
	err = s.DB.Write(ctx, workspace, func(tx *store.Tx) error {
		var err error
		token, started, err = s.enterByLink(tx, member, hash, c)
		return err
	})
	if err != nil {
		return "", nil, fmt.Errorf("sign in by link: %w", err)
	}
	return token, started, nil
}

// enterByLink is the part of a sign-in by link that holds the member's lock. The lock is taken
// before the link's row is touched: a deactivation holds the one and then ends the other, and
// each would wait for the other.
func (s *Service) enterByLink(tx *store.Tx, member, hash string, c Client) (token string, _ *session.Session, err error) {
	if err := tx.LockPeople([]string{member}, false); err != nil {
		return "", nil, err
	}
	cfg, err := tx.Config()
	if err != nil {
		return "", nil, err
	}
	m, err := tx.Member(member)
	if err != nil {
		return "", nil, err
	}
	// First whether they may: who was put out since the link was looked at is told why, although
	// that ended the link as well.
	if err := directory.MaySignIn(cfg, m, directory.MethodLink); err != nil {
		return "", nil, barred(tx, cfg, errs.As(err), attemptBy(c, directory.MethodLink), audit.Event{Actor: party(m), Subject: party(m), Payload: attemptBy(c, directory.MethodLink).payload()})
	}
	if _, err := tx.UseLink(hash); err != nil {
		return "", nil, refuseLink(err, party(m), c, directory.MethodLink)
	}
	return s.start(tx, cfg, m, opening{attempt: attemptBy(c, directory.MethodLink)})
}

// refuseLink makes a refusal of err with its event, and leaves errors that are not one alone.
func refuseLink(err error, subject audit.Party, c Client, method directory.Method) error {
	if !errs.Is(err, errs.KindForbidden) {
		return err
	}
	a := attemptBy(c, method)
	e := audit.Event{Type: audit.SignInRefused, Outcome: audit.Refused, Reason: errs.CodeOf(err), Actor: c.stranger(), Subject: subject, Payload: a.payload()}
	return store.Refuse(err, func(tx *store.Tx) error {
		e.ID = tx.EventID()
		tx.EndAttempt(refusedAttempt(a, e, tx.Now()))
		return nil
	}, e)
}
