package signin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Emergency access: what the break-glass administrator proves. That is the password; beside it, where they have set one up, the
// one-time password of an authenticator app; and a recovery code takes the place of either of the two.

// codeLimit is how many one-time passwords may be tried in a window by whoever has proven the password. A recovery
// code gets past it.
const codeLimit = 10

var (
	errCodeNeeded = errs.Unauthenticated("code_needed", "This account has a second factor. Enter the one-time password of your authenticator app as well, or a recovery code in its place.")
	errCodeWrong  = errs.Unauthenticated("code_wrong", "The one-time password is wrong or was used already. Wait for the next one, or use a recovery code.")
	errProofShort = errs.Unauthenticated("proof_missing", "The recovery code is right and was not used up. This account has a second factor, so that the code takes the place of one proof: enter the password or a one-time password as well.")
)

// factorPurpose binds a sealed secret to the member whose it is.
func factorPurpose(workspace, member string) string {
	return "second factor of " + workspace + " " + member
}

// openFactor returns the secret of a second factor.
func (s *Service) openFactor(workspace, member string, f *store.SecondFactor) ([]byte, error) {
	if s.Master == nil {
		return nil, errs.Unavailable("no_master_key", "The second factor cannot be read here: there is no master key. Use the password and a recovery code.")
	}
	secret, err := s.Master.Open(factorPurpose(workspace, member), f.Secret)
	if err != nil {
		return nil, errs.Unavailable("second_factor_unreadable", "The second factor cannot be read. Use the password and a recovery code.").With(err)
	}
	return secret, nil
}

// factorOf returns a break-glass administrator's second factor where it is asked for, else nil.
func factorOf(tx *store.Tx, m *directory.Member) (*store.SecondFactor, error) {
	if !m.BreakGlass {
		return nil, nil
	}
	f, err := tx.SecondFactor(m.ID)
	if err != nil || f == nil || f.ConfirmedAt.IsZero() {
		return nil, err
	}
	return f, nil
}

// proveCode uses the one-time password that was typed, under the member's lock, and says whether it was right.
func (s *Service) proveCode(tx *store.Tx, m *directory.Member, f *store.SecondFactor, typed string) (bool, error) {
	secret, err := s.openFactor(tx.Workspace(), m.ID, f)
	if err != nil {
		return false, err
	}
	step, ok := keys.VerifyTOTP(secret, typed, tx.Now())
	if !ok {
		return false, nil
	}
	return tx.UseStep(m.ID, step)
}

// admitCode counts a one-time password that comes with a proven password.
func (s *Service) admitCode(ctx context.Context, found *account, typed string) error {
	if typed == "" {
		return nil
	}
	wait, err := s.DB.System().Attempt(ctx, limitWindow, []string{bucket("code", found.workspace, found.member)}, []int{codeLimit})
	if err != nil {
		return fmt.Errorf("count attempt: %w", err)
	}
	if wait > 0 {
		return limited(wait)
	}
	return nil
}

// checkFactor is asked of a sign-in by a proven password: refusal gets its reason.
func (s *Service) checkFactor(tx *store.Tx, m *directory.Member, a attempt, typed string, refusal audit.Event) error {
	f, err := factorOf(tx, m)
	if err != nil || f == nil {
		return err
	}
	if typed == "" {
		refusal.ID, refusal.Reason = keys.ID("evt_", tx.Now()), "code_needed"
		return store.Refuse(errCodeNeeded, keepRefused(a, refusal), refusal)
	}
	ok, err := s.proveCode(tx, m, f, typed)
	if err != nil || ok {
		return err
	}
	refusal.ID, refusal.Reason = keys.ID("evt_", tx.Now()), "code_wrong"
	return store.Refuse(errCodeWrong, keepRefused(a, refusal), refusal)
}

// recover signs in with a recovery code. Nothing that strangers do delays it: a code has 100 bits, so that its attempts are not
// counted, and a wrong one is refused before a password is looked at, so that no password can be guessed by it.
func (s *Service) recover(ctx context.Context, r PasswordRequest) (token string, started *session.Session, err error) {
	hash, shaped := keys.RecoveryHash(r.Recovery)
	found, err := s.find(ctx, r)
	if err != nil {
		return "", nil, err
	}
	valid := false
	if found.workspace != "" {
		if err := s.DB.Read(ctx, found.workspace, func(tx *store.Tx) (err error) {
			valid, err = tx.RecoveryCode(found.member, hash)
			return err
		}); err != nil {
			return "", nil, fmt.Errorf("look up recovery code: %w", err)
		}
	}
	if !valid || !shaped {
		return "", nil, s.refuseRecovery(ctx, found, r)
	}
	password := false
	if r.Password != "" && found.hash != "" {
		// Only a holder of the code gets here, and guesses no password with it.
		wait, err := s.DB.System().Attempt(ctx, limitWindow, []string{bucket("recovery", found.workspace, hash)}, []int{accountLimit})
		if err != nil {
			return "", nil, fmt.Errorf("count attempt: %w", err)
		}
		if wait > 0 {
			return "", nil, limited(wait)
		}
		if password, err = s.Passwords.Verify(ctx, found.hash, r.Password); err != nil && !errors.Is(err, keys.ErrPasswordHash) {
			return "", nil, err
		}
	}
	if err := s.admitCode(ctx, found, r.Code); err != nil {
		return "", nil, err
	}
	err = s.DB.Write(ctx, found.workspace, func(tx *store.Tx) error {
		var err error
		token, started, err = s.enterByRecovery(tx, found, r, hash, password)
		return err
	})
	if err != nil {
		return "", nil, fmt.Errorf("sign in: %w", err)
	}
	return token, started, nil
}

// enterByRecovery is the part of a sign-in by recovery code that holds the member's lock.
func (s *Service) enterByRecovery(tx *store.Tx, found *account, r PasswordRequest, code string, password bool) (token string, _ *session.Session, err error) {
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
	refusal := audit.Event{Type: audit.SignInRefused, Outcome: audit.Refused, Actor: party(m), Subject: party(m), Payload: r.attempt().payload()}
	if err := directory.MaySignIn(cfg, m, directory.MethodPassword); err != nil {
		return "", nil, barred(tx, cfg, errs.As(err), r.attempt(), refusal)
	}
	hash, _, err := tx.Credential(m.ID)
	if err != nil {
		return "", nil, err
	}
	f, err := factorOf(tx, m)
	if err != nil {
		return "", nil, err
	}
	proof := "a recovery code"
	switch {
	case password && hash == found.hash:
		proof = "a password and a recovery code"
	case f == nil:
	default:
		if r.Code != "" {
			ok, err := s.proveCode(tx, m, f, r.Code)
			if err != nil {
				return "", nil, err
			}
			if ok {
				proof = "a one-time password and a recovery code"
				break
			}
		}
		refusal.ID, refusal.Reason = keys.ID("evt_", tx.Now()), "proof_missing"
		return "", nil, store.Refuse(errProofShort, keepRefused(r.attempt(), refusal), refusal)
	}
	used, err := tx.UseRecoveryCode(m.ID, code)
	if err != nil {
		return "", nil, err
	}
	if !used || !m.BreakGlass { // meanwhile
		refusal.ID, refusal.Reason, refusal.Actor = keys.ID("evt_", tx.Now()), "recovery_code_used", r.Client.stranger()
		return "", nil, store.Refuse(errCredentials, keepRefused(r.attempt(), refusal), refusal)
	}
	return s.start(tx, cfg, m, opening{attempt: r.attempt(), breakGlass: cfg.Workspace.Enforcement.Covers(m.Email), emergency: "recovery_code", proof: proof})
}

// refuseRecovery records a recovery code that is none: the first of a client in a window as an event, the others in the sum of
// strangers.
func (s *Service) refuseRecovery(ctx context.Context, found *account, r PasswordRequest) error {
	if found.workspace != "" {
		wait, err := s.DB.System().Attempt(ctx, limitWindow, []string{bucket("recovery-noted", found.workspace, r.Client.Bucket)}, []int{accountLimit})
		if err != nil {
			return fmt.Errorf("count attempt: %w", err)
		}
		if wait == 0 {
			found.reason = "recovery_code_wrong"
			return s.refuseCredentials(ctx, found, r)
		}
	}
	s.DB.System().RecordStranger(r.Client.Bucket, "signin.recovery_code_wrong", nil)
	return errCredentials
}

// NewFactor is a second factor that is being set up. It is shown once.
type NewFactor struct {
	URI  string // for an authenticator app (otpauth://)
	Text string // the secret, to be typed
	// Sealed goes through the form and back; with it nothing is kept before it is confirmed, and the factor that
	// there is stays in force.
	Sealed string
}

// factorTime is how long the setting up of a second factor may take.
const factorTime = 15 * time.Minute

// sealedFactor is what NewFactor.Sealed holds.
type sealedFactor struct {
	Secret []byte    `json:"secret"`
	Until  time.Time `json:"until"`
}

func settingPurpose(live *store.LiveSession) string {
	return "second factor being set up, " + live.Workspace + " " + live.Member.ID + " " + live.ID
}

var errNotBreakGlass = errs.Forbidden("not_break_glass", "Only the break-glass administrator sets emergency access up.")

// setsUp refuses who may not set emergency access up: all but its administrator, and a session that an identity provider
// vouches for. Whoever has the identity provider would have made themselves a way in that outlives it.
func setsUp(live *store.LiveSession) error {
	switch {
	case !live.Member.BreakGlass:
		return errNotBreakGlass
	case live.Connection != "":
		return errs.Forbidden("by_single_sign_on", "You came by single sign-on. Sign out, and in with your password: emergency access is set up without the identity provider.")
	}
	return nil
}

// BeginFactor makes a second factor for the break-glass administrator of a session, who is to confirm it.
func (s *Service) BeginFactor(ctx context.Context, live *store.LiveSession) (NewFactor, error) {
	if err := setsUp(live); err != nil {
		return NewFactor{}, err
	}
	if s.Master == nil {
		return NewFactor{}, errs.Unavailable("no_master_key", "A second factor cannot be kept: there is no master key.")
	}
	secret := keys.NewTOTPSecret()
	body, err := json.Marshal(sealedFactor{secret, s.now().Add(factorTime)})
	if err != nil {
		return NewFactor{}, fmt.Errorf("set second factor up: %w", err)
	}
	sealed, err := s.Master.Seal(settingPurpose(live), body)
	if err != nil {
		return NewFactor{}, fmt.Errorf("set second factor up: %w", err)
	}
	return s.shownFactor(live, secret, sealed), nil
}

func (s *Service) shownFactor(live *store.LiveSession, secret []byte, sealed string) NewFactor {
	return NewFactor{URI: keys.TOTPURI("Gatehouse "+live.Slug, live.Member.Email, secret), Text: keys.TOTPText(secret), Sealed: sealed}
}

// ConfirmFactor keeps a second factor whose one-time password was typed, in place of the one that there was. Where the password is
// wrong it is errs.KindInvalid, code_wrong, and the factor is returned to be shown once more.
func (s *Service) ConfirmFactor(ctx context.Context, live *store.LiveSession, sealed, typed string) (NewFactor, error) {
	if err := setsUp(live); err != nil {
		return NewFactor{}, err
	}
	if s.Master == nil {
		return NewFactor{}, errNotBreakGlass
	}
	body, err := s.Master.Open(settingPurpose(live), sealed)
	var f sealedFactor
	if err != nil || json.Unmarshal(body, &f) != nil || s.now().After(f.Until) {
		return NewFactor{}, errs.Conflict("setup_over", "Setting this second factor up took too long. Begin again.")
	}
	step, ok := keys.VerifyTOTP(f.Secret, typed, s.now())
	if !ok {
		return s.shownFactor(live, f.Secret, sealed), errs.Invalid("code_wrong", "The one-time password is wrong. Enter the six digits that your app shows now.")
	}
	kept, err := s.Master.Seal(factorPurpose(live.Workspace, live.Member.ID), f.Secret)
	if err != nil {
		return NewFactor{}, fmt.Errorf("keep second factor: %w", err)
	}
	return NewFactor{}, s.ofBreakGlass(ctx, live, func(tx *store.Tx, m *directory.Member) error {
		tx.SaveSecondFactor(m.ID, kept)
		if _, err := tx.UseStep(m.ID, step); err != nil {
			return err
		}
		if err := tx.RenewSessions([]string{m.ID}, session.RenewedFactor); err != nil {
			return err
		}
		return tx.Record(audit.Event{Type: audit.SecondFactorSet, Actor: party(m), Subject: party(m)})
	})
}

// RemoveFactor takes the second factor away.
func (s *Service) RemoveFactor(ctx context.Context, live *store.LiveSession) error {
	return s.ofBreakGlass(ctx, live, func(tx *store.Tx, m *directory.Member) error {
		f, err := tx.SecondFactor(m.ID)
		if err != nil || f == nil {
			return err
		}
		tx.DropSecondFactor(m.ID)
		if err := tx.RenewSessions([]string{m.ID}, session.RenewedFactor); err != nil {
			return err
		}
		return tx.Record(audit.Event{Type: audit.SecondFactorRemoved, Actor: party(m), Subject: party(m)})
	})
}

// recoveryCodes is how many there are at a time.
const recoveryCodes = 10

// MakeRecoveryCodes gives the break-glass administrator fresh recovery codes. They are returned once; those that there were are worth
// nothing any more.
func (s *Service) MakeRecoveryCodes(ctx context.Context, live *store.LiveSession) (codes []string, err error) {
	var hashes []string
	for range recoveryCodes {
		code, hash := keys.NewRecoveryCode()
		codes, hashes = append(codes, code), append(hashes, hash)
	}
	err = s.ofBreakGlass(ctx, live, func(tx *store.Tx, m *directory.Member) error {
		tx.SaveRecoveryCodes(m.ID, hashes)
		return tx.Record(audit.Event{Type: audit.RecoveryCodesMade, Actor: party(m), Subject: party(m), Changes: []audit.Change{{Field: "codes", To: fmt.Sprint(recoveryCodes)}}})
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

// ofBreakGlass runs fn for the member of a session, who must be the break-glass administrator now and not only when they came.
func (s *Service) ofBreakGlass(ctx context.Context, live *store.LiveSession, fn func(tx *store.Tx, m *directory.Member) error) error {
	if err := setsUp(live); err != nil {
		return err
	}
	return s.DB.Write(ctx, live.Workspace, func(tx *store.Tx) error {
		if err := tx.LockPeople([]string{live.Member.ID}, false); err != nil {
			return err
		}
		m, err := tx.Member(live.Member.ID)
		if err != nil {
			return err
		}
		if !m.BreakGlass || !m.In() {
			return errNotBreakGlass
		}
		return fn(tx, m)
	})
}
