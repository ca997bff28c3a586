package signin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Links by mail. Anybody may ask for one, for any address, and is answered alike; what is sent is decided when the mail is made, away
// from whoever asked: a link that sets a password, one that signs in while enforcement is relaxed, the word that it is single
// sign-on, or nothing.

// MailLinkValid is how long a mailed link can be used.
const MailLinkValid = 30 * time.Minute

// Limits of asking for links in a window. Past the second one the answer stays the same and nothing is sent, so that
// nobody's mailbox is filled and nobody is told anything.
const (
	mailClientLimit  = 10
	mailAddressLimit = 3
)

// JobMailLink is the kind of job that answers somebody who asked for a link.
const JobMailLink = "signin.mail_link"

// askedFor is the body of such a job: what was typed, and no secret.
type askedFor struct {
	Email string `json:"email"`
}

const (
	mailPasswordPrefix = "gpass_"
	mailSignInPrefix   = "gmail_"
	passwordPath       = "/signin/password/"
	mailSignInPath     = "/signin/mail/"
)

// MailRequest asks for a link by mail.
type MailRequest struct {
	Workspace string // slug, as typed
	Email     string // as typed
	Client    Client
}

// AskMail takes a request for a link. It returns nil for every address and workspace alike, after the same work; errs.KindLimited is
// for a client that has asked too often.
func (s *Service) AskMail(ctx context.Context, r MailRequest) error {
	typed := PasswordRequest{Workspace: r.Workspace, Email: r.Email}.tidy()
	wait, err := s.DB.System().Attempt(ctx, limitWindow, []string{bucket("mail-client", r.Client.Bucket)}, []int{mailClientLimit})
	if err != nil {
		return fmt.Errorf("count attempt: %w", err)
	}
	if wait > 0 {
		s.DB.System().RecordStranger(r.Client.Bucket, "signin.too_many_attempts", nil)
		return limited(wait)
	}
	if wait, err = s.DB.System().Attempt(ctx, limitWindow, []string{bucket("mail-address", typed.Workspace, directory.Fold(typed.Email))}, []int{mailAddressLimit}); err != nil {
		return fmt.Errorf("count attempt: %w", err)
	}
	workspace, err := s.workspace(ctx, typed.Workspace)
	if err != nil {
		return fmt.Errorf("find workspace: %w", err)
	}
	if wait > 0 || workspace == "" || !s.Mail || !lookable(typed.Email) || !directory.IsAddress(typed.Email) {
		// A commit stands for the one that would have been.
		_, err := s.DB.System().Attempt(ctx, limitWindow, []string{bucket("mail-nobody", r.Client.Bucket)}, []int{mailClientLimit})
		return err
	}
	err = s.DB.Write(ctx, workspace, func(tx *store.Tx) error { return jobs.Enqueue(tx, JobMailLink, askedFor{typed.Email}, tx.Now()) })
	if err != nil {
		return fmt.Errorf("ask for a link: %w", err)
	}
	return nil
}

// MailHandler makes and sends what was asked for. The token exists from then on, by its hash, and in the mail.
func (s *Service) MailHandler(mailer jobs.Mailer) jobs.Handler {
	return jobs.Handler{Do: func(ctx context.Context, j store.Job) error {
		var asked askedFor
		if err := json.Unmarshal([]byte(j.Body), &asked); err != nil {
			return jobs.Permanent(fmt.Errorf("read request for a link: %w", err))
		}
		var letter *jobs.Message
		err := s.DB.Write(ctx, j.Workspace, func(tx *store.Tx) (err error) {
			letter, err = s.letterFor(tx, asked.Email)
			return err
		})
		if errs.Is(err, errs.KindNotFound) || err == nil && letter == nil {
			return nil
		}
		if err != nil {
			return err
		}
		return mailer.Send(ctx, *letter)
	}}
}

// letterFor makes what somebody with that address is sent, nil for nobody.
func (s *Service) letterFor(tx *store.Tx, address string) (*jobs.Message, error) {
	m, err := tx.MemberByEmail(address)
	if err != nil {
		return nil, err
	}
	if err := tx.LockPeople([]string{m.ID}, false); err != nil {
		return nil, err
	}
	cfg, err := tx.Config()
	if err != nil {
		return nil, err
	}
	if m, err = tx.Member(m.ID); err != nil {
		return nil, err
	}
	// The address itself may have become another's meanwhile: what is sent goes to whom it is about.
	if !m.In() || directory.Fold(m.Email) != directory.Fold(address) {
		return nil, nil
	}
	if directory.MayUseMailLink(cfg, m, tx.Now()) == nil && !m.BreakGlass {
		return s.mintLink(tx, cfg, m, store.MailSignIn)
	}
	may, err := maySetByMail(tx, cfg, m)
	if err != nil {
		return nil, err
	}
	if may {
		return s.mintLink(tx, cfg, m, store.MailPassword)
	}
	return s.ssoLetter(cfg, m), nil
}

// maySetByMail reports whether a mailbox may set a member's password: of somebody who may have one and sign in with it. Where the
// break-glass administrator's password gets past enforcement, a mailbox alone must not: only with a second factor behind it.
func maySetByMail(tx *store.Tx, cfg *directory.Config, m *directory.Member) (bool, error) {
	hash, _, err := tx.Credential(m.ID)
	if err != nil {
		return false, err
	}
	links, err := tx.IdentitiesOf(m.ID)
	if err != nil {
		return false, err
	}
	if directory.MaySignIn(cfg, m, directory.MethodPassword) != nil || !directory.MayHavePassword(m, hash != "", len(links) > 0) {
		return false, nil
	}
	if !m.BreakGlass || !cfg.Workspace.Enforcement.Covers(m.Email) {
		return true, nil
	}
	f, err := factorOf(tx, m)
	return f != nil, err
}

// mintLink makes a link, keeps its hash and writes the letter.
func (s *Service) mintLink(tx *store.Tx, cfg *directory.Config, m *directory.Member, kind store.MailKind) (*jobs.Message, error) {
	prefix, path, sent := mailPasswordPrefix, passwordPath, audit.PasswordLinkSent
	until := tx.Now().Add(MailLinkValid)
	if kind == store.MailSignIn {
		prefix, path, sent = mailSignInPrefix, mailSignInPath, audit.MailLinkSent
		if over := cfg.Workspace.Enforcement.Relaxed.Until; over.Before(until) {
			until = over
		}
	}
	token, hash := keys.NewToken(prefix)
	tx.InsertMailLink(hash, m.ID, kind, until)
	if err := tx.Record(audit.Event{Type: sent, Actor: audit.Party{Kind: "system"}, Subject: party(m)}); err != nil {
		return nil, err
	}
	name, link := oneLine(cfg.Workspace.Name), strings.TrimSuffix(s.PublicURL, "/")+path+token
	if kind == store.MailSignIn {
		return &jobs.Message{To: m.Email, Subject: "Sign in to " + name,
			Body: "Hello,\n\nthis link signs you in to " + name + ", once, within 30 minutes:\n" + link +
				"\n\nIt stands in for your organisation's sign-in, which cannot be used at the moment. If you did not ask for it, you can ignore it.\n"}, nil
	}
	return &jobs.Message{To: m.Email, Subject: "Set your password for " + name,
		Body: "Hello,\n\nwith this link you set your password for " + name + ", once, within 30 minutes:\n" + link +
			"\n\nWherever you are signed in, you will be signed out. If you did not ask for it, you can ignore it: nothing has changed.\n"}, nil
}

// ssoLetter is for people who have no password here and need none.
func (s *Service) ssoLetter(cfg *directory.Config, m *directory.Member) *jobs.Message {
	name := oneLine(cfg.Workspace.Name)
	return &jobs.Message{To: m.Email, Subject: "Signing in to " + name,
		Body: "Hello,\n\nsomebody asked for a sign-in link or a new password for you in " + name + ". You sign in there with your organisation's account, and there is no password to set:\n" +
			strings.TrimSuffix(s.PublicURL, "/") + "/signin?workspace=" + url.QueryEscape(cfg.Workspace.Slug) + "\n\nIf that was not you, you can ignore it.\n"}
}

// oneLine is a name in a letter.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// UseMailLink signs in by a mailed link while enforcement is relaxed. The session ends when the relaxation does. A link that is wrong, used,
// expired or of another kind is errs.KindForbidden, "link_invalid", and tells no more.
func (s *Service) UseMailLink(ctx context.Context, link string, c Client) (token string, started *session.Session, err error) {
	hash := keys.HashToken(link)
	workspace, member, err := s.mailed(ctx, hash, store.MailSignIn, c)
	if err != nil {
		return "", nil, err
	}
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
		attempt := attemptBy(c, directory.MethodMail)
		if err := directory.MayUseMailLink(cfg, m, tx.Now()); err != nil {
			return barred(tx, cfg, errs.As(err), attempt, audit.Event{Actor: party(m), Subject: party(m), Payload: attempt.payload()})
		}
		if _, err := tx.UseMailLink(hash, store.MailSignIn); err != nil {
			return refuseLink(err, party(m), c)
		}
		token, started, err = start(tx, cfg, m, opening{attempt: attempt, until: cfg.Workspace.Enforcement.Relaxed.Until})
		return err
	})
	if err != nil {
		return "", nil, fmt.Errorf("sign in by mailed link: %w", err)
	}
	return token, started, nil
}

// mailed finds whose a mailed link is that could be used now.
func (s *Service) mailed(ctx context.Context, hash string, kind store.MailKind, c Client) (workspace, member string, err error) {
	workspace, member, err = s.DB.System().MailLinkByHash(ctx, hash, kind)
	if errs.Is(err, errs.KindForbidden) {
		s.DB.System().RecordStranger(c.Bucket, "signin."+errs.CodeOf(err), nil)
	}
	return workspace, member, err
}

// SetPassword sets a password by a mailed link. Every session and every other link of the member ends with it. A password that cannot be one
// is errs.KindInvalid and leaves the link; a link that is wrong, used, expired or of another kind is errs.KindForbidden, "link_invalid".
func (s *Service) SetPassword(ctx context.Context, link, password string, c Client) (slug string, err error) {
	hash := keys.HashToken(link)
	workspace, member, err := s.mailed(ctx, hash, store.MailPassword, c)
	if err != nil {
		return "", err
	}
	fresh, err := s.hash(ctx, password)
	if err != nil {
		return "", err
	}
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
		may, err := maySetByMail(tx, cfg, m)
		if err != nil {
			return err
		}
		if _, err := tx.UseMailLink(hash, store.MailPassword); err != nil {
			return refuseLink(err, party(m), c)
		}
		// What allowed it when the mail was sent may be over.
		if !may {
			return refuseLink(store.ErrLinkInvalid(), party(m), c)
		}
		slug = cfg.Workspace.Slug
		// Nobody has signed in with it yet: it is not proven.
		return savePassword(tx, m, fresh, time.Time{}, "", audit.Event{Type: audit.PasswordReset, Actor: party(m), Reason: "mailed_link", Payload: attemptBy(c, directory.MethodPassword).payload()})
	})
	if err != nil {
		return "", fmt.Errorf("set password: %w", err)
	}
	return slug, nil
}

// hash makes the hash of a new password, or errs.KindInvalid with what is wrong with it.
func (s *Service) hash(ctx context.Context, password string) (string, error) {
	if err := keys.CheckPassword(password); err != nil {
		return "", errs.Invalid("password_unfit", "%s", err.Error())
	}
	return s.Passwords.Hash(ctx, password)
}

// savePassword sets a member's password under their lock. Their sessions but except, and their links, end with it.
func savePassword(tx *store.Tx, m *directory.Member, hash string, proven time.Time, except string, e audit.Event) error {
	tx.SaveCredential(m.ID, hash, proven)
	tx.EndLinks(m.ID)
	ended, err := tx.EndSessions(m.ID, except, "password_changed", false)
	if err != nil {
		return err
	}
	e.Subject = party(m)
	if len(ended) > 0 {
		e.Changes = append(e.Changes, audit.Change{Field: "sessions_ended", To: fmt.Sprint(len(ended))})
	}
	return tx.Record(e)
}

// ChangePassword changes the password of a session's member, who knows the old one. Their other sessions end. A wrong old password is
// errs.KindInvalid, "password_wrong"; past the limits it is errs.KindLimited.
func (s *Service) ChangePassword(ctx context.Context, live *store.LiveSession, old, password string, c Client) error {
	wait, err := s.DB.System().Attempt(ctx, limitWindow, []string{bucket("change", live.Workspace, live.Member.ID)}, []int{accountLimit})
	if err != nil {
		return fmt.Errorf("count attempt: %w", err)
	}
	if wait > 0 {
		return limited(wait)
	}
	var had string
	err = s.DB.Read(ctx, live.Workspace, func(tx *store.Tx) (err error) {
		had, _, err = tx.Credential(live.Member.ID)
		return err
	})
	if err != nil {
		return fmt.Errorf("change password: %w", err)
	}
	if had == "" {
		return errs.Invalid("no_password", "You have no password here: you sign in with your organisation's account.")
	}
	ok, err := s.Passwords.Verify(ctx, had, old)
	if err != nil {
		return err
	}
	if !ok {
		return errs.Invalid("password_wrong", "The present password is wrong.")
	}
	fresh, err := s.hash(ctx, password)
	if err != nil {
		return err
	}
	err = s.DB.Write(ctx, live.Workspace, func(tx *store.Tx) error {
		if err := tx.LockPeople([]string{live.Member.ID}, false); err != nil {
			return err
		}
		m, err := tx.Member(live.Member.ID)
		if err != nil {
			return err
		}
		now, _, err := tx.Credential(m.ID)
		if err != nil {
			return err
		}
		own, err := tx.Sessions(m.ID)
		if err != nil {
			return err
		}
		if now != had || !m.In() || !holds(own, live.ID) {
			return errs.Conflict("changed_meanwhile", "Your password or your session was changed meanwhile. Nothing was done.")
		}
		return savePassword(tx, m, fresh, tx.Now(), live.ID, audit.Event{Type: audit.PasswordChanged, Actor: party(m), Payload: attemptBy(c, directory.MethodPassword).payload()})
	})
	if err != nil {
		return fmt.Errorf("change password: %w", err)
	}
	_ = s.DB.System().ForgetAttempts(ctx, bucket("change", live.Workspace, live.Member.ID))
	return nil
}

func holds(list []session.Session, id string) bool {
	for _, s := range list {
		if s.ID == id {
			return true
		}
	}
	return false
}
