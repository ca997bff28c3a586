package store

import (
	"context"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// What a link that was sent by mail is for.
const (
	LinkInvitation = "invitation"
	LinkPassword   = "password" // to set a new one
	LinkSignIn     = "signin"   // to sign in while enforcement is relaxed
)

// MailLink is a link that was sent by mail.
type MailLink struct {
	Workspace string // id
	Member    string // id
	Purpose   string
	// Address is where it was sent, folded: it is worth nothing once the member has another.
	Address   string
	ExpiresAt time.Time
	UsedAt    time.Time // zero while it can be used
}

const insertMailLink = `
	INSERT INTO mail_link (hash, workspace_id, member_id, purpose, email_folded, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`

// InsertMailLink keeps a link that is about to be sent to a member's address, by the hash of its token.
func (tx *Tx) InsertMailLink(hash, purpose string, m *directory.Member, expires time.Time) {
	tx.later(insertMailLink, hash, tx.workspace, m.ID, purpose, directory.Fold(m.Email), micros(tx.now), micros(expires))
}

const mailLinkByHash = `SELECT workspace_id, member_id, purpose, email_folded, expires_at, used_at FROM mail_link WHERE hash = $1`

// MailLinkByHash returns a link, used and expired ones included: whether it still opens anything is asked
// under the member's lock. One that was never made is errs.KindForbidden, "link_invalid".
func (s System) MailLinkByHash(ctx context.Context, hash string) (MailLink, error) {
	var l MailLink
	var expires int64
	var used *int64
	found, err := s.one(ctx, []any{&l.Workspace, &l.Member, &l.Purpose, &l.Address, &expires, &used}, mailLinkByHash, hash)
	if err == nil && !found {
		err = ErrMailLink()
	}
	l.ExpiresAt, l.UsedAt = instant(expires), maybeInstant(used)
	return l, err
}

// ErrMailLink is the one answer to a link that opens nothing, whatever it may once have been.
func ErrMailLink() error {
	return errs.Forbidden("link_invalid", "This link does not work, or does not work any more: it was used, it has expired, it was taken back, or a newer one was sent.")
}

const useMailLink = `
	UPDATE mail_link SET used_at = $5
	WHERE  hash = $1 AND workspace_id = $2 AND member_id = $3 AND purpose = $4 AND used_at IS NULL AND expires_at > $5 RETURNING hash`

// UseMailLink consumes a link of a member. Of many who try at once one succeeds; the others get ErrMailLink.
func (tx *Tx) UseMailLink(hash, member, purpose string) error {
	var gone string
	found, err := tx.one([]any{&gone}, useMailLink, hash, tx.workspace, member, purpose, micros(tx.now))
	if err == nil && !found {
		err = ErrMailLink()
	}
	return err
}

const (
	endMailLinks   = `UPDATE mail_link SET used_at = $3 WHERE workspace_id = $1 AND member_id = $2 AND used_at IS NULL`
	endMailLinksOf = `UPDATE mail_link SET used_at = $3 WHERE workspace_id = $1 AND member_id = $2 AND used_at IS NULL AND purpose = $4`
)

// EndMailLinks makes the unused links of one purpose useless that were sent to a member.
func (tx *Tx) EndMailLinks(member, purpose string) {
	tx.later(endMailLinksOf, tx.workspace, member, micros(tx.now), purpose)
}

// Invitation is the invitation by hand of a member who has not accepted it yet.
type Invitation struct {
	Member    string // id
	By        audit.Party
	Round     int64 // counts its letters
	CreatedAt time.Time
	ExpiresAt time.Time
	SentAt    time.Time // zero until a mail server has taken the letter
}

const saveInvitation = `
	INSERT INTO invitation (workspace_id, member_id, invited_by, round, created_at, expires_at, sent_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
	ON CONFLICT (workspace_id, member_id) DO UPDATE SET invited_by = excluded.invited_by, round = excluded.round, created_at = excluded.created_at,
		expires_at = excluded.expires_at, sent_at = excluded.sent_at`

// SaveInvitation keeps the invitation of a member, in place of an earlier one.
func (tx *Tx) SaveInvitation(i Invitation) {
	tx.change("invitation")
	tx.later(saveInvitation, tx.workspace, i.Member, toJSON(i.By), i.Round, micros(i.CreatedAt), micros(i.ExpiresAt), maybeMicros(i.SentAt))
}

const invitationOf = `SELECT invited_by, round, created_at, expires_at, sent_at FROM invitation WHERE workspace_id = $1 AND member_id = $2`

// Invitation returns the invitation of a member; errs.KindNotFound, "invitation_unknown", where there is none.
func (tx *Tx) Invitation(member string) (*Invitation, error) {
	i := Invitation{Member: member}
	var by string
	var created, expires int64
	var sent *int64
	found, err := tx.one([]any{&by, &i.Round, &created, &expires, &sent}, invitationOf, tx.workspace, member)
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, errs.NotFound("invitation_unknown", "Nobody invited this member by hand, or the invitation is over.")
	}
	i.CreatedAt, i.ExpiresAt, i.SentAt = instant(created), instant(expires), maybeInstant(sent)
	return &i, parse("invitation", by, &i.By)
}

const deleteInvitation = `DELETE FROM invitation WHERE workspace_id = $1 AND member_id = $2`

// DeleteInvitation ends the invitation of a member. Its links are ended by EndMailLinks.
func (tx *Tx) DeleteInvitation(member string) { tx.later(deleteInvitation, tx.workspace, member) }

const liveInvitation = `
	SELECT member_id, email_folded FROM mail_link
	WHERE  hash = $1 AND workspace_id = $2 AND purpose = '` + LinkInvitation + `' AND used_at IS NULL AND expires_at > $3`

// LiveInvitation returns whose invitation a link is that can still be used, and to which address, folded, it was sent; ""
// for any other.
func (tx *Tx) LiveInvitation(hash string) (member, address string, err error) {
	_, err = tx.one([]any{&member, &address}, liveInvitation, hash, tx.workspace, micros(tx.now))
	return member, address, err
}
