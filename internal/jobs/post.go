package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/letter"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Post sends letters. All fields are needed.
type Post struct {
	DB     *store.DB
	Mailer Mailer
	// PublicURL is the origin of links in letters that are paths of ours.
	PublicURL string
}

// Handler makes the handler of a kind of letters: write sends one, and may do nothing where the letter is no longer
// meant. One that is given up is an event. All letters share a lane: they wait for the same mail server.
func (p *Post) Handler(write func(ctx context.Context, j store.Job) error) Handler {
	return Handler{Do: write, Dead: p.undelivered, Lane: func(store.Job) string { return "" }}
}

// Send sends the letter of a job to an address. Each try of one job is the same message to its receiver.
func (p *Post) Send(ctx context.Context, j store.Job, to string, l letter.Letter) error {
	if strings.HasPrefix(l.Link, "/") {
		l.Link = p.Address(l.Link)
	}
	page, err := l.HTML()
	if err != nil {
		return Permanent(err)
	}
	return p.Mailer.Send(ctx, Message{ID: j.ID, To: to, Subject: l.Subject, Body: l.Text(), HTML: page})
}

// Address is a path of ours as an absolute address.
func (p *Post) Address(path string) string { return strings.TrimSuffix(p.PublicURL, "/") + path }

// undelivered records that a letter did not reach somebody, with what the mail server said.
func (p *Post) undelivered(ctx context.Context, j store.Job, cause error) {
	var body notice
	_ = json.Unmarshal([]byte(j.Body), &body) // what cannot be read names nobody
	reason := "mail_given_up"
	var final permanent
	if errors.As(cause, &final) {
		reason = "mail_refused"
	}
	// The job itself is kept with its cause; a failure to record is seen there.
	_ = p.DB.Write(ctx, j.Workspace, func(tx *store.Tx) error {
		to := audit.Party{Kind: "member", ID: body.Member}
		if m, err := tx.Member(body.Member); err == nil {
			to.Name = m.Email
		} else if !errs.Is(err, errs.KindNotFound) {
			return err
		}
		return tx.Record(audit.Event{Type: audit.MailUndelivered, Outcome: audit.Refused, Reason: reason, Actor: audit.Party{Kind: "system"}, Subject: to,
			Changes: []audit.Change{{Field: "letter", To: strings.TrimPrefix(j.Kind, store.MailKind)}, {Field: "answer", To: words(cause)}}})
	})
}

// maxWords is how much of what a mail server said is kept with an event, in bytes.
const maxWords = 500

// words are what a mail server said, as one short line.
func words(cause error) string {
	text := strings.Join(strings.Fields(strings.ToValidUTF8(cause.Error(), "?")), " ")
	if len(text) > maxWords {
		text = strings.ToValidUTF8(text[:maxWords], "") + "…"
	}
	return text
}

// JobNotice is the kind of letters that hold no secret and are written when they are enqueued.
const JobNotice = store.MailKind + "notice"

// notice is the body of such a job.
type notice struct {
	Member string         `json:"member"` // id
	Letter *letter.Letter `json:"letter,omitempty"`
}

// EnqueueLetter puts a letter to a member into the outbox of the transaction, by Post's handler Notices. It goes to the
// address that the member has when it is sent, and to nobody who is out by then. once names the reason of a letter that
// comes up again and again: "certificate con_1 2026-05-01 in 30 days"; of all calls with the same one, for this member,
// only the first sends. "" sends always. The letter must hold no secret: it is stored as it is. It does nothing where no
// mail can be sent, which the caller knows.
func EnqueueLetter(tx *store.Tx, member, once string, l letter.Letter) error {
	if once != "" {
		first, err := tx.OnceMail(member + " " + once)
		if err != nil || !first {
			return err
		}
	}
	return Enqueue(tx, JobNotice, notice{member, &l}, tx.Now())
}

// Notices is the handler of JobNotice.
func (p *Post) Notices() Handler {
	return p.Handler(func(ctx context.Context, j store.Job) error {
		var body notice
		if err := json.Unmarshal([]byte(j.Body), &body); err != nil || body.Letter == nil {
			return Permanent(fmt.Errorf("read letter: %w", errors.Join(err, errNoLetter)))
		}
		var to *directory.Member
		err := p.DB.Read(ctx, j.Workspace, func(tx *store.Tx) (err error) {
			to, err = tx.Member(body.Member)
			return err
		})
		switch {
		case errs.Is(err, errs.KindNotFound):
			return nil
		case err != nil:
			return err
		case !to.In() || to.Email == "":
			return nil
		}
		return p.Send(ctx, j, to.Email, *body.Letter)
	})
}

var errNoLetter = errors.New("the job holds no letter")

// ToOwners enqueues a letter for every owner of the workspace who is in, but for except.
func ToOwners(tx *store.Tx, cfg *directory.Config, except, once string, write func(letter.To) letter.Letter) error {
	owners, err := tx.MembersByRole(cfg.Roles.Owner().ID, maxTold)
	if err != nil {
		return err
	}
	for _, m := range owners {
		if m.ID == except || m.Status() != directory.StatusActive || m.Email == "" {
			continue
		}
		if err := EnqueueLetter(tx, m.ID, once, write(letter.To{Workspace: cfg.Workspace.Name, Name: m.GivenName})); err != nil {
			return err
		}
	}
	return nil
}

// maxTold is how many owners are told of something.
const maxTold = 200
