package provision

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// InvitationValid is how long an invitation can be accepted after it was sent last.
const InvitationValid = 7 * 24 * time.Hour

// Invitee is somebody to be invited, as typed.
type Invitee struct {
	Email      string
	Name       string // "" takes the given and family name, else the address
	GivenName  string
	FamilyName string
	// Role is the name of a role, which is then the person's by hand; "" lets groups and mappings decide.
	Role string
}

// tidy makes one spelling of what was typed.
func (i Invitee) tidy() Invitee {
	for _, at := range []*string{&i.Email, &i.Name, &i.GivenName, &i.FamilyName, &i.Role} {
		*at = strings.Join(strings.Fields(*at), " ")
	}
	i.Email = strings.ReplaceAll(i.Email, " ", "")
	return i
}

func (i Invitee) name() string {
	return cmp.Or(i.Name, strings.TrimSpace(i.GivenName+" "+i.FamilyName), i.Email)
}

// check refuses what cannot be somebody. err is errs.KindInvalid.
func (i Invitee) check() error {
	if !directory.IsAddress(i.Email) {
		return errs.Invalid("address_invalid", "Expected an e-mail address, received %q.", cut(i.Email))
	}
	for field, text := range map[string]string{"name": i.Name, "given name": i.GivenName, "family name": i.FamilyName} {
		if err := checkName(field, text); err != nil {
			return err
		}
	}
	return nil
}

// maxTypedName is the longest name that is typed, in bytes.
const maxTypedName = 256

func checkName(field, text string) error {
	if len(text) > maxTypedName {
		return errs.Invalid("too_large", "The %s has %d bytes; at most %d are accepted.", field, len(text), maxTypedName)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }) {
		return errs.Invalid("text_invalid", "The %s holds a character that is no text.", field)
	}
	return nil
}

// cut shortens what was typed for an error.
func cut(s string) string {
	if len(s) > 100 {
		return strings.ToValidUTF8(s[:100], "") + "…"
	}
	return s
}

// InviteOutcome is what an invitation does.
type InviteOutcome string

const (
	// InviteNew makes a member.
	InviteNew InviteOutcome = "new"
	// InviteAgain lets somebody in again whose invitation was taken back before they accepted it.
	InviteAgain InviteOutcome = "again"
	// InviteFresh makes a fresh member beside one who was deactivated, as policy says (reactivation: new_identity).
	InviteFresh InviteOutcome = "fresh"
)

// errNoMail says that an invitation cannot be sent.
var errNoMail = errs.Invalid("no_mail", "This server sends no mail, so nobody can be invited. Set mail-server and mail-from.")

// Invite invites somebody by hand. They are a member from now on, who takes a seat, and accept by setting a password or by
// single sign-on. Only somebody who is no member can be invited: errs.KindConflict, code "already_invited",
// "already_member", "pending_person" or "member_deactivated", beside those of law 6.
func (s *Service) Invite(ctx context.Context, scope Scope, in Invitee) (m directory.Member, outcome InviteOutcome, err error) {
	if !s.Mail {
		return m, "", errNoMail
	}
	in = in.tidy()
	err = s.DB.Write(ctx, scope.Workspace, func(tx *store.Tx) error {
		// Nobody is made beside a sign-in or a create that may concern the same person.
		if err := tx.LockPeople(nil, true); err != nil {
			return err
		}
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		h, err := handOf(tx, cfg, scope, directory.PermissionMembers)
		if err != nil {
			return refusedAct(scope, &directory.Member{Email: in.Email}, err)
		}
		c, what, err := h.invitation(tx, in)
		if err != nil {
			return refusedAct(scope, &directory.Member{Email: in.Email}, err)
		}
		m, outcome = *c.after, what
		return sendInvitation(tx, cfg, scope, c)
	})
	return m, outcome, err
}

// invitation decides what inviting somebody does. It changes nothing.
func (h hand) invitation(tx *store.Tx, in Invitee) (change, InviteOutcome, error) {
	before, err := tx.MemberByEmail(in.Email)
	if err != nil && !errs.Is(err, errs.KindNotFound) {
		return change{}, "", err
	}
	_, foreign, err := tx.Address(in.Email)
	if err != nil {
		return change{}, "", err
	}
	return h.decideInvitation(tx.Now(), in, before, foreign)
}

// decideInvitation is the rule of invitations, for one person and for the rows of a list alike. before is the member who has
// the address and is not deactivated, else the newest, nil for none; foreign says that another workspace has proven its
// domain.
func (h hand) decideInvitation(now time.Time, in Invitee, before *directory.Member, foreign bool) (change, InviteOutcome, error) {
	if err := in.check(); err != nil {
		return change{}, "", err
	}
	manual := ""
	if in.Role != "" {
		role, ok := h.cfg.Roles.ByName(in.Role)
		if !ok {
			return change{}, "", errs.Invalid("role_unknown", "There is no role %q. The roles are %s.", cut(in.Role), strings.Join(h.cfg.Roles.Names(), ", "))
		}
		if err := h.gives(role.ID); err != nil {
			return change{}, "", err
		}
		manual = role.ID
	}
	m, outcome := before, InviteAgain
	switch {
	case before != nil && before.Sources == 0:
		return change{}, "", isHere(before)
	case before != nil && before.Stage == directory.StageInvited && before.Directory == "":
		if err := h.over(before.Role); err != nil {
			return change{}, "", err
		}
	case before != nil && h.cfg.Workspace.Policy.Reactivation == directory.ReactivationRestore:
		return change{}, "", errs.Conflict("member_deactivated",
			"%s was a member and is deactivated. Restore them: they come back with their role and their data.", before.Email)
	default:
		m, outcome = &directory.Member{ID: keys.ID("mem_", now), CreatedAt: now}, InviteNew
		if before != nil {
			m.Replaces, outcome = before.ID, InviteFresh
		}
	}
	if err := allowed(store.AddressFacts{Foreign: foreign}, in.Email, "", true); err != nil {
		return change{}, "", err
	}
	c := edit(m, "invited")
	if outcome != InviteAgain {
		c.before = directory.Member{}
	}
	m.Email, m.Name, m.GivenName, m.FamilyName = in.Email, in.name(), in.GivenName, in.FamilyName
	m.Stage, m.Sources, m.ManualRole = directory.StageInvited, 0, manual
	decide(h.cfg, m, nil, now)
	if err := h.makes(m.Role); err != nil {
		return change{}, "", err
	}
	return c, outcome, nil
}

// isHere is why somebody cannot be invited who is here.
func isHere(m *directory.Member) error {
	switch m.Stage {
	case directory.StageInvited:
		return errs.Conflict("already_invited", "%s is invited already. Send the invitation again instead.", m.Email)
	case directory.StagePending:
		return errs.Conflict("pending_person", "%s was named by a directory and becomes a member at the first sign-in.", m.Email)
	default:
		return errs.Conflict("already_member", "%s is a member already.", m.Email)
	}
}

// sendInvitation carries out what invitation decided.
func sendInvitation(tx *store.Tx, cfg *directory.Config, scope Scope, c change) error {
	if err := save(tx, cfg, scope, c); err != nil {
		return err
	}
	return postInvitation(tx, scope, c.after, 1)
}

// postInvitation writes the invitation of m down and enqueues its letter. Links of earlier rounds are worth nothing from
// now on.
func postInvitation(tx *store.Tx, scope Scope, m *directory.Member, round int64) error {
	tx.EndMailLinks(m.ID, store.LinkInvitation)
	tx.SaveInvitation(store.Invitation{Member: m.ID, By: scope.Actor, Round: round, CreatedAt: tx.Now(), ExpiresAt: tx.Now().Add(InvitationValid)})
	return jobs.Enqueue(tx, JobByHand, invitation{Member: m.ID, Round: round}, tx.Now())
}

// Resend sends the invitation of somebody again who has not come in yet; earlier links end. People whom a directory
// invited are told again as it told them.
func (s *Service) Resend(ctx context.Context, scope Scope, find func(*store.Tx) (*directory.Member, error)) (directory.Member, error) {
	var done directory.Member
	if !s.Mail {
		return done, errNoMail
	}
	err := s.act(ctx, scope, find, func(tx *store.Tx, _ *directory.Config, m *directory.Member) error {
		if m.Stage != directory.StageInvited || m.Sources != 0 {
			return errs.Conflict("not_invited", "%s does not wait for an invitation: the status is %s.", m.Email, m.Status())
		}
		done = *m
		if err := tx.Record(scope.event(audit.InvitationResent, memberParty(m))); err != nil {
			return err
		}
		if m.Directory != "" {
			return invite(tx, m)
		}
		round := int64(0)
		switch before, err := tx.Invitation(m.ID); {
		case err == nil:
			round = before.Round
		case !errs.Is(err, errs.KindNotFound):
			return err
		}
		return postInvitation(tx, scope, m, round+1)
	})
	return done, err
}

// Revoke takes back the invitation of somebody who has not accepted it: they are out, and can be invited again.
func (s *Service) Revoke(ctx context.Context, scope Scope, find func(*store.Tx) (*directory.Member, error)) (directory.Member, error) {
	var done directory.Member
	err := s.act(ctx, scope, find, func(tx *store.Tx, cfg *directory.Config, m *directory.Member) error {
		if m.Stage != directory.StageInvited || m.Sources != 0 {
			return errs.Conflict("not_invited", "%s has no invitation to take back: the status is %s.", m.Email, m.Status())
		}
		if m.Directory != "" {
			return errs.Conflict("directory_owns", "%s was brought in by a directory. Take them out there, or deactivate them here.", m.Email)
		}
		if err := tx.Record(scope.event(audit.InvitationRevoked, memberParty(m))); err != nil {
			return err
		}
		c := edit(m, "owner")
		m.Sources = m.Sources.With(directory.SourceOwner)
		done = *m
		return save(tx, cfg, scope, c)
	})
	return done, err
}

// Accept completes what a link of an invitation began, inside the transaction that starts the session: the password, where
// one was set, is kept, and the link is worth nothing any more. The caller has consumed the link, holds the member's lock
// and has asked directory.MaySignIn. People whom a directory owns have no password (errs.KindForbidden,
// "sso_required").
func Accept(tx *store.Tx, m *directory.Member, passwordHash string) error {
	if m.Directory != "" {
		return errs.Forbidden("sso_required", "Your organisation's directory manages this account. Sign in with your organisation's account.")
	}
	tx.SaveCredential(m.ID, passwordHash, tx.Now())
	return tx.Record(audit.Event{Type: audit.PasswordSet, Reason: store.LinkInvitation, Actor: memberParty(m), Subject: memberParty(m)})
}
