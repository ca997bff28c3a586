package provision_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// letterbox is a mail server's outside.
type letterbox struct {
	letters chan jobs.Message
	refuse  bool
	down    int // tries that fail for now
}

func (b *letterbox) Send(_ context.Context, m jobs.Message) error {
	b.letters <- m
	if b.down > 0 {
		b.down--
		return errDown
	}
	if b.refuse {
		return jobs.Permanent(errors.New("550 no such user"))
	}
	return nil
}

// deliver runs the outbox until the test ends.
func deliver(t *testing.T, db *store.DB, box *letterbox) {
	t.Helper()
	inviter := &provision.Inviter{Post: &jobs.Post{DB: db, Mailer: box, PublicURL: "https://id.test"}}
	runner := &jobs.Runner{DB: db, Log: slog.New(slog.DiscardHandler), Handlers: inviter.Handlers()}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("outbox: %v", err)
		}
	})
}

func TestInvitation_IsSentOnceAndOnlyWherePolicySaysSo(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		box := &letterbox{letters: make(chan jobs.Message, 10)}
		h := build(t, db, plan{preset: "default"})
		h.svc.Mail = true
		deliver(t, db, box)
		u := h.post(with(person("ada"), func(p *provision.Person) { p.GivenName = "Ada\r\nBcc: x" }))
		letter := <-box.letters
		if letter.To != "ada@acme.test" || !strings.Contains(letter.Body, "https://id.test/signin?workspace=ws_") ||
			strings.Contains(letter.Body, "\r") || !strings.HasPrefix(letter.Body, "Hello Ada Bcc: x,") {
			t.Errorf("%+v", letter)
		}
		// Told of the outcome, then the outbox is empty: nothing is left to be sent a second time.
		h.setActive(u.ID, false)
		h.setActive(u.ID, true)
		h.setPolicy(func(p *directory.Policy) { p.InviteOnCreate = false })
		h.post(person("bob"))
		h.setPolicy(func(p *directory.Policy) { p.InviteOnCreate = true })
		h.post(with(person("eve"), active(false)))
		h.post(person("zoe"))
		if letter := <-box.letters; letter.To != "zoe@acme.test" {
			t.Errorf("a letter to %s", letter.To)
		}
	})
}

func TestInvitation_ThatTheServerRefusesIsAnEvent(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		box := &letterbox{letters: make(chan jobs.Message, 10), refuse: true}
		h := build(t, db, plan{preset: "default"})
		h.svc.Mail = true
		signals, stop := db.Subscribe()
		defer stop()
		deliver(t, db, box)
		u := h.post(person("ada"))
		<-box.letters
		for {
			if s := <-signals; s.Topic != store.TopicEvent {
				if _, err := db.Sequence(bg); err != nil {
					t.Fatal(err)
				}
			}
			var found bool
			h.read(func(tx *store.Tx) error {
				events, err := tx.EventsOf(u.Member, 10)
				for _, e := range events {
					found = found || e.Type == audit.MailUndelivered && e.Outcome == audit.Refused && e.Reason == "mail_refused"
				}
				return err
			})
			if found {
				return
			}
		}
	})
}
