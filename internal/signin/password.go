package signin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// PasswordRequest is an attempt to sign in with a password.
type PasswordRequest struct {
	Workspace string // slug, as typed
	Email     string // as typed
	Password  string
	// Emergency marks emergency access: the same gate, behind limits that strangers' failures do
	// not reach.
	Emergency bool
	// Code is a one-time password of an authenticator app, Recovery a recovery code; "" for none. The latter is
	// looked at in emergency access only.
	Code, Recovery string
	Client         Client
}

// errCredentials is the one answer for a workspace, an address and a password that are unknown or
// wrong, so that it does not tell which.
var errCredentials = errs.Unauthenticated("signin_failed", "Workspace, e-mail address or password is wrong.")

// Password signs in with a password and returns the token of the new session, which only its
// cookie holds. Errors: errs.KindLimited past the limits; errs.KindUnauthenticated, code
// "signin_failed", for anything unknown or wrong; and, once the password was proven,
// errs.KindForbidden with the true reason ("sso_required", "account_deactivated").
// Who has a second factor is asked for it then: errs.KindUnauthenticated, "code_needed" or "code_wrong".
//
// While enforcement covers the member only the break-glass administrator passes, and the session
// is marked; everywhere else emergency access is an ordinary sign-in.
func (s *Service) Password(ctx context.Context, r PasswordRequest) (token string, started *session.Session, err error) {
	r = r.tidy()
	if r.Emergency && r.Recovery != "" {
		return s.recover(ctx, r)
	}
	if err := s.admit(ctx, r); err != nil {
		return "", nil, err
	}
	found, err := s.find(ctx, r)
	if err != nil {
		return "", nil, err
	}
	if found.reason, err = s.prove(ctx, found, r.Password); err != nil {
		return "", nil, err
	}
	if found.reason != "" {
		return "", nil, s.refuseCredentials(ctx, found, r)
	}
	if err := s.admitCode(ctx, found, r.Code); err != nil {
		return "", nil, err
	}
	fresh, err := s.rehash(ctx, found.hash, r.Password)
	if err != nil {
		return "", nil, err
	}
	err = s.DB.Write(ctx, found.workspace, func(tx *store.Tx) error {
		var err error
		token, started, err = s.enterByPassword(tx, found, r, fresh)
		return err
	})
	if err != nil {
		return "", nil, fmt.Errorf("sign in: %w", err)
	}
	account, _ := r.buckets()
	// The session stands; a counter that could not be emptied empties itself in a while.
	_ = s.DB.System().ForgetAttempts(ctx, account)
	if r.Code != "" {
		_ = s.DB.System().ForgetAttempts(ctx, bucket("code", found.workspace, found.member))
	}
	return token, started, nil
}

// tidy makes one spelling of what was typed.
func (r PasswordRequest) tidy() PasswordRequest {
	r.Workspace = strings.ToLower(strings.TrimSpace(r.Workspace))
	r.Email = strings.TrimSpace(r.Email)
	return r
}

// maxTyped is the longest workspace or address that is looked up, in bytes.
const maxTyped = 254

// lookable reports whether s can be in the database at all. PostgreSQL refuses what is not text.
func lookable(s string) bool {
	return s != "" && len(s) <= maxTyped && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

func (r PasswordRequest) attempt() attempt {
	a := attemptBy(r.Client, directory.MethodPassword)
	a.Emergency = r.Emergency
	if directory.IsAddress(r.Email) {
		a.Email = r.Email
	}
	return a
}

// subject is whom an attempt was about while that is only what was typed.
func (r PasswordRequest) subject() audit.Party {
	return audit.Party{Kind: "stranger", Name: r.attempt().Email}
}

// account is what an attempt led to. reason says why it cannot pass, as the event tells it, or "".
type account struct {
	workspace string // id, "" where there is none of that name
	member    string // id, "" where nobody has that address
	email     string
	hash      string // "" where the member has no password
	reason    string
}

// workspace returns the id of a workspace, "" where there is none of that slug.
func (s *Service) workspace(ctx context.Context, slug string) (string, error) {
	if !lookable(slug) {
		return "", nil
	}
	id, err := s.DB.System().WorkspaceBySlug(ctx, slug)
	if errs.Is(err, errs.KindNotFound) {
		return "", nil
	}
	return id, err
}

// find looks the account up. Not finding it is no error: the answer must not come sooner.
func (s *Service) find(ctx context.Context, r PasswordRequest) (*account, error) {
	found := &account{reason: "workspace_unknown"}
	var err error
	if found.workspace, err = s.workspace(ctx, r.Workspace); err != nil {
		return nil, fmt.Errorf("find workspace: %w", err)
	}
	if found.workspace == "" {
		return found, nil
	}
	found.reason = "account_unknown"
	if !lookable(r.Email) {
		return found, nil
	}
	err = s.DB.Read(ctx, found.workspace, func(tx *store.Tx) error {
		m, err := tx.MemberByEmail(r.Email)
		if errs.Is(err, errs.KindNotFound) {
			return nil
		} else if err != nil {
			return err
		}
		found.member, found.email, found.reason = m.ID, m.Email, "no_password"
		if found.hash, _, err = tx.Credential(m.ID); found.hash != "" {
			found.reason = ""
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find account: %w", err)
	}
	return found, nil
}

// prove does the work of one password check whatever was found, and returns why the attempt
// cannot pass, or "".
func (s *Service) prove(ctx context.Context, found *account, password string) (reason string, err error) {
	if found.reason != "" {
		return found.reason, s.Passwords.DummyVerify(ctx, password)
	}
	ok, err := s.Passwords.Verify(ctx, found.hash, password)
	switch {
	case errors.Is(err, keys.ErrPasswordHash):
		return "password_unreadable", s.Passwords.DummyVerify(ctx, password)
	case err != nil:
		return "", err
	case !ok:
		return "password_wrong", nil
	}
	return "", nil
}

// rehash returns a hash by today's parameters where hash is not one, else "".
func (s *Service) rehash(ctx context.Context, hash, password string) (string, error) {
	if !keys.NeedsRehash(hash) {
		return "", nil
	}
	fresh, err := s.Passwords.Hash(ctx, password)
	var unfit *keys.PasswordError
	if errors.As(err, &unfit) {
		return "", nil // it was set under other rules and goes on until it is changed
	}
	return fresh, err
}

// enterByPassword is the part of a password sign-in that holds the member's lock. Whatever was
// read before it is read again.
func (s *Service) enterByPassword(tx *store.Tx, found *account, r PasswordRequest, fresh string) (token string, _ *session.Session, err error) {
	if err := tx.LockPeople([]string{found.member}, false); err != nil {
		return "", nil, err
	}
	cfg, err := tx.Config()
	if err != nil {
		return "", nil, err
	}
	m, err := tx.Member(found.member)
	if err != nil {
		return "", nil, err
	}
	hash, _, err := tx.Credential(m.ID)
	if err != nil {
		return "", nil, err
	}
	refusal := audit.Event{Type: audit.SignInRefused, Outcome: audit.Refused, Actor: party(m), Subject: party(m), Payload: r.attempt().payload()}
	if hash != found.hash {
		refusal.Reason, refusal.Actor = "password_changed", r.Client.stranger()
		refusal.ID = keys.ID("evt_", tx.Now())
		return "", nil, store.Refuse(errCredentials, keepRefused(r.attempt(), refusal), refusal)
	}
	if why := directory.MaySignIn(cfg, m, directory.MethodPassword); why != nil {
		if still, err := stranded(tx, cfg, m, why); err != nil {
			return "", nil, err
		} else if !still {
			return "", nil, barred(tx, cfg, errs.As(why), r.attempt(), refusal)
		}
	}
	if err := s.checkFactor(tx, m, r.attempt(), r.Code, refusal); err != nil {
		return "", nil, err
	}
	if fresh != "" {
		tx.SaveCredential(m.ID, fresh, tx.Now())
	}
	tx.ProveCredential(m.ID)
	o := opening{attempt: r.attempt(), breakGlass: m.BreakGlass && cfg.Workspace.Enforcement.Covers(m.Email), proof: "a password"}
	if r.Code != "" {
		o.proof = "a password and a one-time password"
	}
	return s.start(tx, cfg, m, o)
}

// stranded reports whether a member whom why refuses a password may use it all the same (directory.Config.Stranded).
func stranded(tx *store.Tx, cfg *directory.Config, m *directory.Member, why error) (bool, error) {
	if errs.CodeOf(why) != "sso_required" {
		return false, nil
	}
	linked, err := tx.ConnectionsOf([]string{m.ID})
	if err != nil {
		return false, err
	}
	over, err := lapsed(tx, m)
	if err != nil {
		return false, err
	}
	return cfg.Stranded(m, linked[m.ID], over), nil
}

// lapsed reports whether the workspace's proof of the domain of a member's address has ended by itself.
func lapsed(tx *store.Tx, m *directory.Member) (bool, error) {
	claim, err := tx.DomainClaim(directory.Domain(m.Email))
	if errs.Is(err, errs.KindNotFound) {
		return false, nil
	}
	return err == nil && !claim.LapsedAt.IsZero(), err
}

// refuseCredentials records an attempt that proved nothing and returns the one answer to it.
func (s *Service) refuseCredentials(ctx context.Context, found *account, r PasswordRequest) error {
	if found.workspace == "" {
		sample, err := json.Marshal(map[string]string{"workspace": cut(r.Workspace, maxTyped)})
		if err != nil {
			return fmt.Errorf("record stranger: %w", err)
		}
		s.DB.System().RecordStranger(r.Client.Bucket, "signin."+found.reason, sample)
		return errCredentials
	}
	subject := r.subject()
	if found.member != "" {
		subject = audit.Party{Kind: "member", ID: found.member, Name: found.email}
	}
	e := audit.Event{ID: keys.ID("evt_", s.now()), Reason: found.reason, Actor: r.Client.stranger(), Subject: subject, Payload: r.attempt().payload()}
	trace := refusedAttempt(r.attempt(), e, s.now())
	if err := s.recordRefusal(ctx, found.workspace, e, &trace); err != nil {
		return err
	}
	return errCredentials
}

// recordRefusal records a refused sign-in, also when the client did not wait for the answer: who
// guesses must not leave without a trace by hanging up.
func (s *Service) recordRefusal(ctx context.Context, workspace string, e audit.Event, trace *store.Attempt) error {
	e.Type, e.Outcome = audit.SignInRefused, audit.Refused
	if err := s.DB.Write(context.WithoutCancel(ctx), workspace, func(tx *store.Tx) error {
		if trace != nil {
			tx.EndAttempt(*trace)
		}
		return tx.Record(e)
	}); err != nil {
		return fmt.Errorf("record refusal: %w", err)
	}
	return nil
}
