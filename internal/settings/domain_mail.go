package settings

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/letter"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// JobDomainNotice is the kind of job that tells one owner by e-mail that a domain's record is missing, or that it lapsed.
const JobDomainNotice = store.MailKind + "domain"

const (
	noticeMissing = "missing"
	noticeLapsed  = "lapsed"
)

// domainNotice is the body of such a job.
type domainNotice struct {
	Domain   string    `json:"domain"`
	What     string    `json:"what"`
	Member   string    `json:"member"` // id
	Since    time.Time `json:"since"`
	LapsesAt time.Time `json:"lapses_at,omitzero"`
}

// tell puts a letter for each owner into the outbox; each is sent, and tried again, for itself.
func (d *domainCheck) tell(what string) error {
	if !d.Mail {
		return nil
	}
	owners, err := d.tx.MembersByRole(d.cfg.Roles.Owner().ID, 4*maxTold)
	if err != nil {
		return err
	}
	c, told := d.claim, 0
	for _, m := range owners {
		if !m.In() || m.Email == "" || told == maxTold {
			continue
		}
		told++
		n := domainNotice{Domain: c.Domain, What: what, Member: m.ID, Since: c.MissingSince}
		if what == noticeMissing {
			n.LapsesAt = d.tx.Now().Add(d.lapseAfter() - c.Missing)
		}
		if err := jobs.Enqueue(d.tx, JobDomainNotice, n, d.tx.Now()); err != nil {
			return err
		}
	}
	return nil
}

// DomainNotifier sends those letters. All fields are needed.
type DomainNotifier struct {
	DB        *store.DB
	Mailer    jobs.Mailer
	PublicURL string
}

// Handler is what does such jobs.
func (n *DomainNotifier) Handler() jobs.Handler { return n.post().Handler(n.send) }

func (n *DomainNotifier) post() *jobs.Post {
	return &jobs.Post{DB: n.DB, Mailer: n.Mailer, PublicURL: n.PublicURL}
}

// send sends one letter, unless the owner is none any more or the record has come back.
func (n *DomainNotifier) send(ctx context.Context, j store.Job) error {
	var notice domainNotice
	if err := json.Unmarshal([]byte(j.Body), &notice); err != nil {
		return jobs.Permanent(fmt.Errorf("read notice: %w", err))
	}
	var written *letter.Letter
	var to string
	err := n.DB.Read(ctx, j.Workspace, func(tx *store.Tx) error {
		written = nil
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		m, err := tx.Member(notice.Member)
		if err != nil {
			return err
		}
		c, err := tx.DomainClaim(notice.Domain)
		if err != nil {
			return err
		}
		stands := !c.MissingSince.IsZero() && notice.What == noticeMissing || !c.LapsedAt.IsZero() && notice.What == noticeLapsed
		if stands && m.In() && m.Role == cfg.Roles.Owner().ID && m.Email != "" {
			written, to = domainLetter(&cfg.Workspace, m, c, notice), m.Email
		}
		return nil
	})
	if errs.Is(err, errs.KindNotFound) {
		return nil
	}
	if err != nil || written == nil {
		return err
	}
	return n.post().Send(ctx, j, to, *written)
}

func domainLetter(w *directory.Workspace, m *directory.Member, c *store.DomainClaim, notice domainNotice) *letter.Letter {
	shown, name := letter.Name(directory.ShownDomain(c.Domain)), letter.Name(w.Name)
	day := func(t time.Time) string { return t.UTC().Format("2 January 2006") }
	l := &letter.Letter{Workspace: name, Hello: letter.Name(m.GivenName), Button: "Look at the domain", Link: "/console/" + url.PathEscape(w.Slug) + "/domains",
		After: []string{"Name of the record: " + directory.ChallengeName(c.Domain), "Type: TXT", "Value: " + c.Challenge}, Why: "Every owner of the workspace gets this."}
	if notice.What == noticeLapsed {
		l.Subject = "The domain " + shown + " is no longer proven for " + name
		l.Lines = []string{"The DNS record by which " + name + " had proven the domain " + shown + " has been missing since " + day(notice.Since) + ", and the domain is no longer proven.",
			"Everybody can sign in as before, and whoever had to use single sign-on still must. But nobody is linked by an address in that domain any more, the sign-in page does not find the workspace by it, and another workspace may prove it.",
			"To prove it again, set the record that is shown below and press “Check now”."}
		return l
	}
	l.Subject = "The DNS record of " + shown + " is missing"
	l.Lines = []string{"The DNS record by which " + name + " has proven the domain " + shown + " was not found. Nothing has changed yet. If it stays away, the domain is no longer proven from about " + day(notice.LapsesAt) + " on.",
		"Set the record that is shown below again."}
	return l
}
