package settings

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// JobDomainNotice is the kind of job that tells one owner by e-mail that a domain's record is missing, or that it lapsed.
const JobDomainNotice = "domain.notice"

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
func (n *DomainNotifier) Handler() jobs.Handler { return jobs.Handler{Do: n.send} }

// send sends one letter, unless the owner is none any more or the record has come back.
func (n *DomainNotifier) send(ctx context.Context, j store.Job) error {
	var notice domainNotice
	if err := json.Unmarshal([]byte(j.Body), &notice); err != nil {
		return jobs.Permanent(fmt.Errorf("read notice: %w", err))
	}
	var letter *jobs.Message
	err := n.DB.Read(ctx, j.Workspace, func(tx *store.Tx) error {
		letter = nil
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
			letter = n.letter(&cfg.Workspace, m, c, notice)
		}
		return nil
	})
	if errs.Is(err, errs.KindNotFound) {
		return nil
	}
	if err != nil || letter == nil {
		return err
	}
	return n.Mailer.Send(ctx, *letter)
}

func (n *DomainNotifier) letter(w *directory.Workspace, m *directory.Member, c *store.DomainClaim, notice domainNotice) *jobs.Message {
	shown, name := directory.ShownDomain(c.Domain), strings.Join(strings.Fields(w.Name), " ")
	page := strings.TrimSuffix(n.PublicURL, "/") + "/console/" + url.PathEscape(w.Slug) + "/domains"
	record := "  name   " + directory.ChallengeName(c.Domain) + "\n  type   TXT\n  value  " + c.Challenge + "\n"
	day := func(t time.Time) string { return t.UTC().Format("2 January 2006") }
	if notice.What == noticeLapsed {
		return &jobs.Message{To: m.Email, Subject: "The domain " + shown + " is no longer proven for " + name,
			Body: "Hello,\n\nthe DNS record by which " + name + " had proven the domain " + shown + " has been missing since " + day(notice.Since) + ", and the domain is no longer proven.\n\n" +
				"Everybody can sign in as before, and whoever had to use single sign-on still must. But nobody is linked by an address in that domain any more, " +
				"the sign-in page does not find the workspace by it, and another workspace may prove it.\n\nTo prove it again, set this record and press “Check now”:\n\n" + record + "\n" + page + "\n"}
	}
	return &jobs.Message{To: m.Email, Subject: "The DNS record of " + shown + " is missing",
		Body: "Hello,\n\nthe DNS record by which " + name + " has proven the domain " + shown + " was not found. Nothing has changed yet. If it stays away, the domain is no longer proven from about " +
			day(notice.LapsesAt) + " on.\n\nSet this record again:\n\n" + record + "\nWhere the domain stands:\n" + page + "\n"}
}
