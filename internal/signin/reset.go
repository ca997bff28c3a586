package signin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/letter"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Kinds of letters of this room.
const (
	JobPassword = store.MailKind + "password"
	JobLink     = store.MailKind + "link"
)

const (
	// ResetValid is how long a link that sets a new password can be used.
	ResetValid = time.Hour
	// resetPrefix begins the token of such a link.
	resetPrefix = "grst_"
	// Letters that may be asked for within a window: for one account, and by one client.
	askedOfAccount = 3
	askedByClient  = 10
)

// EndedPassword is why sessions end when a password is set anew.
const EndedPassword = "password_changed"

// wanted is the body of a JobPassword. Whether anybody has that address is found out when the letter is written, so that
// who asks cannot tell by the time that the answer takes.
type wanted struct {
	Member  string `json:"member,omitempty"` // never set: no member is known yet
	Email   string `json:"email"`
	Address string `json:"address"` // of who asked
}

// AskPassword has a letter sent to somebody who has a password and may use it, with which to set a new one. It does
// the same, and says the same, for everybody else. errs.KindLimited for a client that asks too often.
func (s *Service) AskPassword(ctx context.Context, workspace, email string, c Client) error {
	r := PasswordRequest{Workspace: workspace, Email: email, Client: c}.tidy()
	wait, err := s.DB.System().Attempt(ctx, limitWindow, []string{bucket("ask-client", c.Bucket)}, []int{askedByClient})
	if err == nil && wait > 0 {
		s.DB.System().RecordStranger(c.Bucket, "signin.too_many_attempts", nil)
		return limited(wait)
	}
	if err == nil {
		// Past the limit of an account nothing is sent, and nothing is told.
		wait, err = s.DB.System().Attempt(ctx, limitWindow, []string{bucket("ask-account", r.Workspace, directory.Fold(r.Email))}, []int{askedOfAccount})
	}
	if err != nil {
		return fmt.Errorf("count attempt: %w", err)
	}
	id, err := s.workspace(ctx, r.Workspace)
	if err != nil {
		return fmt.Errorf("find workspace: %w", err)
	}
	if id == "" || wait > 0 || !lookable(r.Email) || !directory.IsAddress(r.Email) {
		s.DB.System().RecordStranger(c.Bucket, "signin.password_asked", nil)
		return nil
	}
	return s.DB.Write(ctx, id, func(tx *store.Tx) error {
		return jobs.Enqueue(tx, JobPassword, wanted{Email: r.Email, Address: c.address()}, tx.Now())
	})
}

// mayReset reports whether somebody may set a new password by mail. The break-glass administrator of a workspace that
// requires single sign-on may not: whoever reads their mail would get past it. An operator can let them in.
func mayReset(cfg *directory.Config, m *directory.Member, hash string) bool {
	return hash != "" && m.Directory == "" && m.Stage == directory.StageActive && directory.MaySignIn(cfg, m, directory.MethodPassword) == nil &&
		!(m.BreakGlass && cfg.Workspace.Enforcement.Covers(m.Email))
}

// Letters are the handlers of this room's letters, by kind.
func (s *Service) Letters(post *jobs.Post) map[string]jobs.Handler {
	return map[string]jobs.Handler{
		JobPassword: post.Handler(func(ctx context.Context, j store.Job) error { return s.sendReset(ctx, post, j) }),
		JobLink:     post.Handler(func(ctx context.Context, j store.Job) error { return s.sendLink(ctx, post, j) }),
	}
}

// sendReset writes the letter that was asked for, to whoever may have it. Its link is made now, so that it is nowhere
// but in the letter.
func (s *Service) sendReset(ctx context.Context, post *jobs.Post, j store.Job) error {
	var to wanted
	if err := json.Unmarshal([]byte(j.Body), &to); err != nil {
		return jobs.Permanent(fmt.Errorf("read letter: %w", err))
	}
	var l *letter.Letter
	var address string
	err := s.DB.Write(ctx, j.Workspace, func(tx *store.Tx) error {
		l = nil
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		e := audit.Event{Type: audit.PasswordAsked, Actor: audit.Party{Kind: "stranger", Name: to.Address}, Subject: audit.Party{Kind: "stranger", Name: to.Email}}
		m, err := tx.MemberByEmail(to.Email)
		switch {
		case errs.Is(err, errs.KindNotFound):
			e.Outcome, e.Reason = audit.Refused, "account_unknown"
			return recordOnce(tx, j, e)
		case err != nil:
			return err
		}
		e.Subject = party(m)
		hash, _, err := tx.Credential(m.ID)
		if err != nil {
			return err
		}
		if !mayReset(cfg, m, hash) {
			e.Outcome, e.Reason = audit.Refused, "no_password"
			return recordOnce(tx, j, e)
		}
		token, hash := keys.NewToken(resetPrefix)
		expires := tx.Now().Add(ResetValid)
		tx.InsertMailLink(hash, store.LinkPassword, m, expires)
		written := letter.PasswordReset(letter.To{Workspace: cfg.Workspace.Name, Name: m.GivenName}, resetPath+token, expires)
		l, address = &written, m.Email
		return recordOnce(tx, j, e)
	})
	if err != nil || l == nil {
		return err
	}
	return post.Send(ctx, j, address, *l)
}

// recordOnce records what a job does at its first try.
func recordOnce(tx *store.Tx, j store.Job, e audit.Event) error {
	if j.Attempts > 1 {
		return nil
	}
	return tx.Record(e)
}

// SetPassword sets the password of whoever holds a link for that, once, and signs them out everywhere. It signs nobody
// in: they prove the new password by using it. slug is the workspace's. A link that opens nothing is
// errs.KindForbidden, "link_invalid".
func (s *Service) SetPassword(ctx context.Context, token, password string, c Client) (slug string, err error) {
	l, hash, fresh, err := s.useMail(ctx, token, store.LinkPassword, password, c)
	if err != nil {
		return "", err
	}
	err = s.DB.Write(ctx, l.Workspace, func(tx *store.Tx) error {
		if err := tx.LockPeople([]string{l.Member}, false); err != nil {
			return err
		}
		f, err := opens(tx, l, hash)
		if err != nil {
			return refuseMailed(err, l, c)
		}
		before, _, err := tx.Credential(f.member.ID)
		if err != nil {
			return err
		}
		if !mayReset(f.cfg, f.member, before) {
			return refuseMailed(store.ErrMailLink(), l, c)
		}
		if err := tx.UseMailLink(hash, f.member.ID, store.LinkPassword); err != nil {
			return refuseMailed(err, l, c)
		}
		slug = f.cfg.Workspace.Slug
		tx.EndLinks(f.member.ID) // whoever else holds one is not to get in with it
		tx.SaveCredential(f.member.ID, fresh, time.Time{})
		if _, err := tx.EndSessions(f.member.ID, "", EndedPassword, false); err != nil {
			return err
		}
		return tx.Record(audit.Event{Type: audit.PasswordSet, Reason: store.LinkPassword, Actor: party(f.member), Subject: party(f.member),
			Payload: attemptBy(c, directory.MethodLink).payload()})
	})
	if err != nil {
		return "", fmt.Errorf("set password: %w", err)
	}
	return slug, nil
}

// resetStands reports whose password the link with that token can set now, and uses nothing up.
func (s *Service) resetStands(ctx context.Context, token string, c Client) (email string, err error) {
	l, hash, err := s.mailLink(ctx, token, store.LinkPassword, c)
	if err != nil {
		return "", err
	}
	err = s.DB.Read(ctx, l.Workspace, func(tx *store.Tx) error {
		f, err := opens(tx, l, hash)
		if err == nil {
			email = f.member.Email
		}
		return err
	})
	return email, err
}

// newPassword hashes a password that somebody chose. One that cannot be kept is errs.KindInvalid with its own code.
func (s *Service) newPassword(ctx context.Context, password string) (string, error) {
	hash, err := s.Passwords.Hash(ctx, password)
	var unfit *keys.PasswordError
	if errors.As(err, &unfit) {
		return "", errs.Invalid(unfit.Code, "%s", unfit.Message)
	}
	return hash, err
}

// linkLetter is the body of a JobLink.
type linkLetter struct {
	Member string      `json:"member"` // id
	By     audit.Party `json:"by"`
}

// MailLink has a one-time sign-in link sent to a member, as an act of actor. It is made when the letter is written,
// and lasts from then on as long as any. Errors are those of MakeLink.
func (s *Service) MailLink(ctx context.Context, workspace, member string, actor audit.Party) error {
	if !s.Mail {
		return errs.Invalid("no_mail", "This server sends no mail. Set mail-server and mail-from, or print the link.")
	}
	return s.DB.Write(ctx, workspace, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		m, err := tx.Member(member)
		if err != nil {
			return err
		}
		if err := mayHaveLink(cfg, m, false); err != nil {
			e := audit.Event{Type: audit.SignInLinkMade, Actor: actor, Subject: party(m), Outcome: audit.Refused, Reason: errs.CodeOf(err)}
			return store.Refuse(err, nil, e)
		}
		return jobs.Enqueue(tx, JobLink, linkLetter{m.ID, actor}, tx.Now())
	})
}

func (s *Service) sendLink(ctx context.Context, post *jobs.Post, j store.Job) error {
	var to linkLetter
	if err := json.Unmarshal([]byte(j.Body), &to); err != nil {
		return jobs.Permanent(fmt.Errorf("read letter: %w", err))
	}
	var m *directory.Member
	var name string
	err := s.DB.Read(ctx, j.Workspace, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		name = cfg.Workspace.Name
		m, err = tx.Member(to.Member)
		return err
	})
	if errs.Is(err, errs.KindNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	url, expires, err := s.MakeLink(ctx, j.Workspace, m.ID, false, to.By)
	if errs.Is(err, errs.KindForbidden) {
		return nil // they went out meanwhile, which is on record
	} else if err != nil {
		return err
	}
	path := strings.TrimPrefix(url, strings.TrimSuffix(s.PublicURL, "/"))
	return post.Send(ctx, j, m.Email, letter.SignInLink(letter.To{Workspace: name, Name: m.GivenName}, path, expires))
}
