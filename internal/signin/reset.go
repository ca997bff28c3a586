package signin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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
	// MailedSignInValid is how long a link by mail can sign in while enforcement is relaxed.
	MailedSignInValid = 30 * time.Minute
	// resetPrefix and mailedPrefix begin the tokens of such links.
	resetPrefix  = "grst_"
	mailedPrefix = "gmail_"
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

// AskPassword has a letter sent to somebody with which they get in again: one that signs in while enforcement that covers
// them is relaxed, else one that sets a new password, where they may have one. It does
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
		// A commit stands for the one that would have been: the answer comes no sooner.
		if _, err := s.DB.System().Attempt(ctx, limitWindow, []string{bucket("ask-nobody", c.Bucket)}, []int{askedByClient}); err != nil {
			return fmt.Errorf("count attempt: %w", err)
		}
		return nil
	}
	return s.DB.Write(ctx, id, func(tx *store.Tx) error {
		return jobs.Enqueue(tx, JobPassword, wanted{Email: r.Email, Address: c.address()}, tx.Now())
	})
}

// mayReset reports whether a mailbox may set somebody's password: of a member who may have one and sign in with it. Where the
// break-glass administrator's password gets past single sign-on a mailbox alone must not: whoever reads their mail would.
// Only with a second factor behind it may they; without, an operator can let them in.
func mayReset(tx *store.Tx, cfg *directory.Config, m *directory.Member) (bool, error) {
	if m.Stage != directory.StageActive || directory.MaySignIn(cfg, m, directory.MethodPassword) != nil {
		return false, nil
	}
	hash, _, err := tx.Credential(m.ID)
	if err != nil {
		return false, err
	}
	links, err := tx.IdentitiesOf(m.ID)
	if err != nil {
		return false, err
	}
	if !directory.MayHavePassword(m, hash != "", len(links) > 0) {
		return false, nil
	}
	if !m.BreakGlass || !cfg.Workspace.Enforcement.Covers(m.Email) {
		return true, nil
	}
	f, err := factorOf(tx, m)
	return f != nil, err
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
	err := s.DB.Write(ctx, j.Workspace, func(tx *store.Tx) (err error) {
		l, address, err = letterFor(tx, j, to)
		return err
	})
	if err != nil || l == nil {
		return err
	}
	return post.Send(ctx, j, address, *l)
}

// letterFor makes the letter that somebody asked for with its link, nil where there is none for them.
func letterFor(tx *store.Tx, j store.Job, to wanted) (*letter.Letter, string, error) {
	e := audit.Event{Type: audit.PasswordAsked, Actor: audit.Party{Kind: "stranger", Name: to.Address}, Subject: audit.Party{Kind: "stranger", Name: to.Email}}
	refused := func(reason string) (*letter.Letter, string, error) {
		e.Outcome, e.Reason = audit.Refused, reason
		return nil, "", recordOnce(tx, j, e)
	}
	m, err := tx.MemberByEmail(to.Email)
	if errs.Is(err, errs.KindNotFound) {
		return refused("account_unknown")
	} else if err != nil {
		return nil, "", err
	}
	// Their lock, so that no link is made beside a deactivation that ends all links.
	if err := tx.LockPeople([]string{m.ID}, false); err != nil {
		return nil, "", err
	}
	if m, err = tx.Member(m.ID); err != nil {
		return nil, "", err
	}
	if directory.Fold(m.Email) != directory.Fold(to.Email) { // meanwhile it is another's
		return refused("account_unknown")
	}
	cfg, err := tx.Config()
	if err != nil {
		return nil, "", err
	}
	e.Subject = party(m)
	whom := letter.To{Workspace: cfg.Workspace.Name, Name: m.GivenName}
	if !m.BreakGlass && directory.MayUseMailLink(cfg, m, tx.Now()) == nil {
		if lost, err := lostMailbox(tx, cfg, m); err != nil {
			return nil, "", err
		} else if lost {
			return refused("domain_not_proven")
		}
		expires := tx.Now().Add(MailedSignInValid)
		if over := cfg.Workspace.Enforcement.Relaxed.Until; over.Before(expires) {
			expires = over
		}
		token, hash := keys.NewToken(mailedPrefix)
		tx.InsertMailLink(hash, store.LinkSignIn, m, expires)
		l := letter.MailedSignIn(whom, mailedPath+token, expires)
		e.Type = audit.MailLinkSent
		return &l, m.Email, recordOnce(tx, j, e)
	}
	may, err := mayReset(tx, cfg, m)
	if err != nil {
		return nil, "", err
	}
	if !may {
		return refused("no_password")
	}
	expires := tx.Now().Add(ResetValid)
	token, hash := keys.NewToken(resetPrefix)
	tx.InsertMailLink(hash, store.LinkPassword, m, expires)
	l := letter.PasswordReset(whom, resetPath+token, expires)
	return &l, m.Email, recordOnce(tx, j, e)
}

// lostMailbox reports whether a member's mailbox may be somebody else's by now: the workspace had proven its domain and has not any
// more. Such a mailbox alone lets nobody in past single sign-on; a guest's never was the workspace's, and stays as good as it was.
func lostMailbox(tx *store.Tx, cfg *directory.Config, m *directory.Member) (bool, error) {
	domain := directory.Domain(m.Email)
	if slices.Contains(cfg.Domains, domain) {
		return false, nil
	}
	if slices.Contains(cfg.Unproven(cfg.Workspace.Enforcement), domain) {
		return true, nil
	}
	return lapsed(tx, m)
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
		may, err := mayReset(tx, f.cfg, f.member)
		if err != nil {
			return err
		}
		if !may {
			return refuseMailed(store.ErrMailLink(), l, c)
		}
		if err := tx.UseMailLink(hash, f.member.ID, store.LinkPassword); err != nil {
			return refuseMailed(err, l, c)
		}
		slug = f.cfg.Workspace.Slug
		// Nobody has signed in with it yet: it is not proven.
		return savePassword(tx, f.member, fresh, time.Time{}, "", audit.Event{Type: audit.PasswordSet, Reason: store.LinkPassword, Actor: party(f.member),
			Payload: attemptBy(c, directory.MethodMail).payload()})
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
