package provision

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// JobInvitation is the kind of job that tells a new member by e-mail that they are one.
const JobInvitation = "member.invitation"

// invitation is the body of such a job.
type invitation struct {
	Member string `json:"member"` // id
}

// invite puts the invitation of a fresh member into the outbox.
func invite(tx *store.Tx, m *directory.Member) error {
	return jobs.Enqueue(tx, JobInvitation, invitation{m.ID}, tx.Now())
}

// Inviter sends invitations. All fields are needed.
type Inviter struct {
	DB        *store.DB
	Mailer    jobs.Mailer
	PublicURL string
}

// Handler is what does invitations.
func (i *Inviter) Handler() jobs.Handler {
	return jobs.Handler{Do: i.send, Dead: i.dead}
}

// send sends one invitation, unless the person has come in or gone out meanwhile.
func (i *Inviter) send(ctx context.Context, j store.Job) error {
	var to invitation
	if err := json.Unmarshal([]byte(j.Body), &to); err != nil {
		return jobs.Permanent(fmt.Errorf("read invitation: %w", err))
	}
	var m *directory.Member
	var w directory.Workspace
	err := i.DB.Read(ctx, j.Workspace, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		w = cfg.Workspace
		m, err = tx.Member(to.Member)
		return err
	})
	switch {
	case errs.Is(err, errs.KindNotFound):
		return nil
	case err != nil:
		return err
	case m.Stage != directory.StageInvited || m.Sources != 0 || m.Email == "":
		return nil
	}
	if err := i.Mailer.Send(ctx, i.letter(w, m)); err != nil {
		return err
	}
	return i.note(ctx, j.Workspace, m, audit.OK, "")
}

// letter has no password step: the link leads to the workspace's own way of signing in.
func (i *Inviter) letter(w directory.Workspace, m *directory.Member) jobs.Message {
	hello := "Hello"
	if m.GivenName != "" {
		hello += " " + oneLine(m.GivenName)
	}
	link := strings.TrimSuffix(i.PublicURL, "/") + "/signin?workspace=" + url.QueryEscape(w.Slug)
	return jobs.Message{
		To:      m.Email,
		Subject: "You now have access to " + oneLine(w.Name),
		Body: hello + ",\n\nyour organisation gave you access to " + oneLine(w.Name) + ".\n\nSign in here, with your organisation's account:\n" + link +
			"\n\nThere is no password to set. If you did not expect this message, you can ignore it.\n",
	}
}

// oneLine is a name in a letter: what an IdP wrote makes no further lines.
func oneLine(s string) string {
	return strings.Join(strings.Fields(s), " ")
}

// dead records that a person could not be told.
func (i *Inviter) dead(ctx context.Context, j store.Job, _ error) {
	var to invitation
	if err := json.Unmarshal([]byte(j.Body), &to); err != nil {
		return
	}
	// The job itself is kept with its cause; a failure to record is seen there.
	_ = i.note(ctx, j.Workspace, &directory.Member{ID: to.Member}, audit.Refused, "mail_refused")
}

func (i *Inviter) note(ctx context.Context, workspace string, m *directory.Member, outcome audit.Outcome, reason string) error {
	return i.DB.Write(ctx, workspace, func(tx *store.Tx) error {
		return tx.Record(audit.Event{Type: audit.MemberInvited, Outcome: outcome, Reason: reason, Actor: audit.Party{Kind: "system"}, Subject: memberParty(m)})
	})
}
