package provision

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/letter"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Kinds of the jobs that tell somebody that they are a member. The body of each is an invitation.
const (
	// JobInvitation tells people whom a directory brought in. They have no password, and their letter no secret.
	JobInvitation = "mail.welcome"
	// JobByHand sends the link of an invitation by hand.
	JobByHand = "mail.invitation"
	// JobInvitationBefore is JobInvitation in the outbox of an earlier version.
	JobInvitationBefore = "member.invitation"
)

// invitation is the body of such a job.
type invitation struct {
	Member string `json:"member"`          // id
	Round  int64  `json:"round,omitempty"` // of the invitation by hand that it belongs to
}

// invite puts the invitation of a fresh member of a directory into the outbox.
func invite(tx *store.Tx, m *directory.Member) error {
	return jobs.Enqueue(tx, JobInvitation, invitation{Member: m.ID}, tx.Now())
}

// InvitationPath is where the link of an invitation leads; the token follows.
const InvitationPath = "/invitation/"

// invitationPrefix begins the token of an invitation.
const invitationPrefix = "ginv_"

// Inviter sends invitations.
type Inviter struct{ Post *jobs.Post }

// Handlers are what does invitations, by kind.
func (i *Inviter) Handlers() map[string]jobs.Handler {
	welcome := i.Post.Handler(i.welcome)
	return map[string]jobs.Handler{JobInvitation: welcome, JobInvitationBefore: welcome, JobByHand: i.Post.Handler(i.byHand)}
}

// waits reads somebody who has not come in yet, nil where that is no longer so.
func waits(tx *store.Tx, id string) (*directory.Member, *directory.Config, error) {
	cfg, err := tx.Config()
	if err != nil {
		return nil, nil, err
	}
	m, err := tx.Member(id)
	if errs.Is(err, errs.KindNotFound) || err == nil && (m.Stage != directory.StageInvited || m.Sources != 0 || m.Email == "") {
		return nil, nil, nil
	}
	return m, cfg, err
}

// welcome tells one person, unless they have come in or gone out meanwhile.
func (i *Inviter) welcome(ctx context.Context, j store.Job) error {
	var to invitation
	if err := json.Unmarshal([]byte(j.Body), &to); err != nil {
		return jobs.Permanent(fmt.Errorf("read invitation: %w", err))
	}
	var m *directory.Member
	var cfg *directory.Config
	if err := i.Post.DB.Read(ctx, j.Workspace, func(tx *store.Tx) (err error) {
		m, cfg, err = waits(tx, to.Member)
		return err
	}); err != nil || m == nil {
		return err
	}
	w := cfg.Workspace
	l := letter.Welcome(letter.To{Workspace: w.Name, Name: m.GivenName}, "/signin?workspace="+url.QueryEscape(w.Slug))
	if err := i.Post.Send(ctx, j, m.Email, l); err != nil {
		return err
	}
	return i.note(ctx, j.Workspace, m, nil)
}

// byHand sends one invitation. Its link is made now, so that it is nowhere but in the letter. A try whose letter may have
// arrived makes another link; both work, until one is used.
func (i *Inviter) byHand(ctx context.Context, j store.Job) error {
	var to invitation
	if err := json.Unmarshal([]byte(j.Body), &to); err != nil {
		return jobs.Permanent(fmt.Errorf("read invitation: %w", err))
	}
	var m *directory.Member
	var l letter.Letter
	var stands *store.Invitation
	err := i.Post.DB.Write(ctx, j.Workspace, func(tx *store.Tx) error {
		if err := tx.LockPeople([]string{to.Member}, false); err != nil {
			return err
		}
		who, cfg, err := waits(tx, to.Member)
		if m = who; err != nil || m == nil {
			return err
		}
		if stands, err = tx.Invitation(m.ID); errs.Is(err, errs.KindNotFound) || err == nil && (stands.Round != to.Round || !stands.ExpiresAt.After(tx.Now())) {
			m = nil
			return nil
		} else if err != nil {
			return err
		}
		by, err := inviterName(tx, stands.By)
		if err != nil {
			return err
		}
		token, hash := keys.NewToken(invitationPrefix)
		tx.InsertMailLink(hash, store.LinkInvitation, m, stands.ExpiresAt)
		l = letter.Invitation(letter.To{Workspace: cfg.Workspace.Name, Name: m.GivenName}, by, InvitationPath+token, stands.ExpiresAt)
		return nil
	})
	if err != nil || m == nil {
		return err
	}
	if err := i.Post.Send(ctx, j, m.Email, l); err != nil {
		return err
	}
	return i.note(ctx, j.Workspace, m, stands)
}

// inviterName is what an invitation calls who sent it; operators are not named.
func inviterName(tx *store.Tx, by audit.Party) (string, error) {
	if by.Kind != "member" {
		return "", nil
	}
	m, err := tx.Member(by.ID)
	if errs.Is(err, errs.KindNotFound) || err == nil && m.Stage == directory.StageErased {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if m.Name == "" {
		return m.Email, nil
	}
	return m.Name, nil
}

// note records that a letter was taken. stands is the invitation by hand that it was of, or nil.
func (i *Inviter) note(ctx context.Context, workspace string, m *directory.Member, stands *store.Invitation) error {
	return i.Post.DB.Write(ctx, workspace, func(tx *store.Tx) error {
		if stands != nil {
			if err := tx.LockPeople([]string{m.ID}, false); err != nil {
				return err
			}
			now, err := tx.Invitation(m.ID)
			switch {
			case err == nil && now.Round == stands.Round:
				now.SentAt = tx.Now()
				tx.SaveInvitation(*now)
			case err != nil && !errs.Is(err, errs.KindNotFound):
				return err
			}
		}
		return tx.Record(audit.Event{Type: audit.MemberInvited, Actor: audit.Party{Kind: "system"}, Subject: memberParty(m)})
	})
}
