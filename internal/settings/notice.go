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

// JobNotice is the kind of job that tells one owner by e-mail what concerns all of them.
const JobNotice = "owner.notice"

// What owners are told of.
const (
	NoticeEmergency = "emergency" // emergency access was used
	NoticeRelaxed   = "relaxed"   // enforcement was relaxed
	NoticeResumed   = "resumed"   // it is enforced again
)

// Notice is what one owner is told, and the body of the job.
type Notice struct {
	Owner   string    `json:"owner"` // member id
	About   string    `json:"about"`
	Who     string    `json:"who,omitempty"`
	How     string    `json:"how,omitempty"`     // of emergency access: a sentence part
	Address string    `json:"address,omitempty"` // of the client
	At      time.Time `json:"at"`
	Until   time.Time `json:"until,omitzero"`
}

// TellOwners puts a notice for every owner who is in into the outbox, each a job of its own.
func TellOwners(tx *store.Tx, cfg *directory.Config, n Notice) error {
	owners, err := tx.MembersByRole(cfg.Roles.Owner().ID, maxItems)
	if err != nil {
		return err
	}
	n.At = tx.Now()
	for _, m := range owners {
		if !m.In() || m.Email == "" {
			continue
		}
		n.Owner = m.ID
		if err := jobs.Enqueue(tx, JobNotice, n, tx.Now()); err != nil {
			return err
		}
	}
	return nil
}

// NoticeHandler sends notices by mailer; nil sends none, and the event log tells of what happened.
func (s *Service) NoticeHandler(mailer jobs.Mailer) jobs.Handler {
	return jobs.Handler{Do: func(ctx context.Context, j store.Job) error {
		var n Notice
		if err := json.Unmarshal([]byte(j.Body), &n); err != nil {
			return jobs.Permanent(fmt.Errorf("read notice: %w", err))
		}
		if mailer == nil {
			return nil
		}
		var to string
		var w directory.Workspace
		err := s.DB.Read(ctx, j.Workspace, func(tx *store.Tx) error {
			cfg, err := tx.Config()
			if err != nil {
				return err
			}
			m, err := tx.Member(n.Owner)
			if err != nil {
				return err
			}
			w, to = cfg.Workspace, ""
			if m.In() {
				to = m.Email
			}
			return nil
		})
		if errs.Is(err, errs.KindNotFound) || err == nil && to == "" {
			return nil
		}
		if err != nil {
			return err
		}
		m := s.letter(w, n)
		m.To = to
		return mailer.Send(ctx, m)
	}}
}

// letter is a notice in words.
func (s *Service) letter(w directory.Workspace, n Notice) jobs.Message {
	name := strings.Join(strings.Fields(w.Name), " ")
	at := n.At.UTC().Format("2 January 2006, 15:04 MST")
	var subject, text string
	switch n.About {
	case NoticeEmergency:
		subject = "Emergency access to " + name + " was used"
		text = fmt.Sprintf("%s signed in to %s by emergency access, %s, on %s", n.Who, name, n.How, at)
		if n.Address != "" {
			text += ", from " + n.Address
		}
		text += ".\n\nIf that was not expected, sign in and end the session, then name another break-glass administrator."
	case NoticeRelaxed:
		subject = "Single sign-on is not required in " + name + " for a while"
		text = fmt.Sprintf("%s relaxed the requirement of single sign-on in %s on %s. Until %s, members whom it covers can ask for a one-time sign-in link by mail. It is required again then by itself, or at once when an owner says so.",
			n.Who, name, at, n.Until.UTC().Format("2 January 2006, 15:04 MST"))
	default:
		subject = "Single sign-on is required again in " + name
		text = fmt.Sprintf("Since %s single sign-on is required again in %s. Whoever had signed in by a mailed link is signed out.", at, name)
	}
	return jobs.Message{Subject: subject, Body: "Hello,\n\n" + text + "\n\nThe event log has the details:\n" +
		strings.TrimSuffix(s.PublicURL, "/") + "/console/" + url.PathEscape(w.Slug) + "/events\n"}
}
