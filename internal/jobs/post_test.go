package jobs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/letter"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// server is a mail server that does as each connection's script says.
type server struct {
	net.Listener
	mu       sync.Mutex
	sessions int
	taken    []string // Message-IDs of letters that were acknowledged or not
}

// serve answers connection n by how(n): "ok", "451 ...", "550 ..." at the recipient, "vanish" after the letter, "silent".
func serve(t *testing.T, how func(n int) string) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Listener: l}
	var open sync.WaitGroup
	t.Cleanup(func() { l.Close(); open.Wait() })
	open.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			n := s.sessions
			s.sessions++
			s.mu.Unlock()
			open.Go(func() { defer conn.Close(); s.talk(conn, how(n)) })
		}
	})
	return s
}

func (s *server) talk(conn net.Conn, how string) {
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	in := bufio.NewReader(conn)
	say := func(text string) { fmt.Fprint(conn, text+"\r\n") }
	if how == "silent" {
		_, _ = in.ReadString('\n') // until the client gives up
		return
	}
	say("220 hello")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		switch verb := strings.ToUpper(line); {
		case strings.HasPrefix(verb, "RCPT") && how[0] >= '4' && how[0] <= '5':
			say(how)
		case strings.HasPrefix(verb, "DATA"):
			say("354 go on")
			for {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				if id, ok := strings.CutPrefix(strings.TrimSpace(line), "Message-ID: "); ok {
					s.mu.Lock()
					s.taken = append(s.taken, id)
					s.mu.Unlock()
				}
				if line == ".\r\n" {
					break
				}
			}
			if how == "vanish" {
				return
			}
			say("250 taken")
		case strings.HasPrefix(verb, "QUIT"):
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func (s *server) letters() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.taken...)
}

// mailroom is a workspace with one member, and a post that sends through a server.
func mailroom(t *testing.T, db *store.DB, address string, pauses ...time.Duration) {
	t.Helper()
	if err := db.Write(t.Context(), workspace, func(tx *store.Tx) error {
		if err := tx.InsertWorkspace(directory.Workspace{Slug: "test", Name: "Test"}); err != nil {
			return err
		}
		tx.InsertMember(&directory.Member{ID: "mem_ada", Email: "ada@acme.test", Stage: directory.StageActive, Role: "r"})
		return tx.Record(audit.Event{Type: audit.MemberCreated})
	}); err != nil {
		t.Fatal(err)
	}
	s, err := NewSMTP("smtp://"+address, "Gatehouse <no-reply@id.test>")
	if err != nil {
		t.Fatal(err)
	}
	post := &Post{DB: db, Mailer: s, PublicURL: "https://id.test"}
	r := &Runner{DB: db, Handlers: map[string]Handler{JobNotice: post.Notices()}, Log: slog.New(slog.DiscardHandler), pauses: pauses}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
}

func warn(t *testing.T, db *store.DB, once string) {
	t.Helper()
	if err := db.Write(t.Context(), workspace, func(tx *store.Tx) error {
		return EnqueueLetter(tx, "mem_ada", once, letter.BreakGlassUsed(letter.To{Workspace: "Test"}, letter.Use{Who: "root@acme.test", With: "a password", At: noon}, "/x"))
	}); err != nil {
		t.Fatal(err)
	}
}

func TestLetter_OfARecurringReasonIsSentOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := serve(t, func(int) string { return "ok" })
		mailroom(t, db, s.Addr().String(), time.Millisecond)
		for range 3 {
			warn(t, db, "certificate c in 30 days")
		}
		warn(t, db, "certificate c in 7 days")
		left(t, db, nil)
		if got := s.letters(); len(got) != 2 || got[0] == got[1] {
			t.Errorf("sent %v", got)
		}
	})
}

func TestLetter_WhoseArrivalIsUncertainIsSentAgainUnderTheSameMessageID(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := serve(t, func(n int) string { return []string{"vanish", "ok"}[min(n, 1)] })
		mailroom(t, db, s.Addr().String(), time.Millisecond)
		warn(t, db, "")
		if dead := left(t, db, nil); len(dead) != 0 {
			t.Errorf("given up: %+v", dead)
		}
		got := s.letters()
		if len(got) != 2 || got[0] != got[1] || !strings.HasSuffix(got[0], "@id.test>") {
			t.Errorf("sent %v", got)
		}
	})
}

func TestLetter_IsTriedAgainWhereTheServerIsBusyOrAwayAndGivenUpWhereItSaysNo(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		how := func(n int) string { return []string{"451 come again", "ok", "550 no such mailbox", "ok"}[min(n, 3)] }
		s := serve(t, how)
		mailroom(t, db, s.Addr().String(), time.Millisecond, time.Millisecond)
		warn(t, db, "")
		if dead := left(t, db, nil); len(dead) != 0 || len(s.letters()) != 1 {
			t.Fatalf("after 451: %+v, %v", dead, s.letters())
		}
		warn(t, db, "")
		dead := left(t, db, nil)
		if len(dead) != 1 || !strings.Contains(dead[0].LastError, "no such mailbox") || dead[0].Attempts != 1 {
			t.Fatalf("after 550: %+v", dead)
		}
		if _, err := db.Sequence(t.Context()); err != nil {
			t.Fatal(err)
		}
		told := func(of audit.Type) (found audit.Event) {
			if err := db.Read(t.Context(), workspace, func(tx *store.Tx) error {
				events, err := tx.EventsAfter(0, 100)
				for _, e := range events {
					if e.Type == of {
						found = e
					}
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
			return found
		}
		for told(audit.MailUndelivered).ID == "" { // it is recorded behind the burial
			if _, err := db.Sequence(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if e := told(audit.MailUndelivered); e.Subject.Name != "ada@acme.test" || e.Reason != "mail_refused" || !strings.Contains(fmt.Sprint(e.Changes), "no such mailbox") {
			t.Errorf("%+v", e)
		}
		list, err := Outbox(t.Context(), db, workspace, "", 10)
		if err != nil || len(list) != 1 || list[0].State != LetterGivenUp || list[0].To != "ada@acme.test" || list[0].Letter != "notice" {
			t.Fatalf("%+v, %v", list, err)
		}
		if err := RetryLetter(t.Context(), db, "ws_other", list[0].ID, audit.Party{Kind: "operator"}); !errs.Is(err, errs.KindNotFound) {
			t.Errorf("from another workspace: %v", err)
		}
		if err := RetryLetter(t.Context(), db, workspace, list[0].ID, audit.Party{Kind: "operator"}); err != nil {
			t.Fatal(err)
		}
		if dead := left(t, db, nil); len(dead) != 0 || len(s.letters()) != 2 {
			t.Errorf("after another try: %+v, %v", dead, s.letters())
		}
		if err := DiscardLetter(t.Context(), db, workspace, list[0].ID, audit.Party{Kind: "operator"}); !errs.Is(err, errs.KindNotFound) {
			t.Errorf("a letter that was sent: %v", err)
		}
	})
}

func TestLetter_ThrownAwayIsNotSent(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := serve(t, func(int) string { return "550 no" })
		mailroom(t, db, s.Addr().String())
		warn(t, db, "")
		left(t, db, nil)
		list, err := Outbox(t.Context(), db, workspace, "", 10)
		if err != nil || len(list) != 1 {
			t.Fatalf("%+v, %v", list, err)
		}
		if err := DiscardLetter(t.Context(), db, workspace, list[0].ID, audit.Party{Kind: "operator"}); err != nil {
			t.Fatal(err)
		}
		if list, err = Outbox(t.Context(), db, workspace, "", 10); err != nil || len(list) != 0 {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

func TestLetter_ToSomebodyWhoIsOutIsNotSent(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := serve(t, func(int) string { return "ok" })
		if err := db.Write(t.Context(), workspace, func(tx *store.Tx) error {
			if err := tx.InsertWorkspace(directory.Workspace{Slug: "test", Name: "Test"}); err != nil {
				return err
			}
			tx.InsertMember(&directory.Member{ID: "mem_out", Email: "out@acme.test", Stage: directory.StageActive, Sources: 1, Role: "r"})
			if err := EnqueueLetter(tx, "mem_out", "", letter.Letter{Subject: "x"}); err != nil {
				return err
			}
			return errors.Join(EnqueueLetter(tx, "mem_none", "", letter.Letter{Subject: "x"}), tx.Record(audit.Event{Type: audit.MemberCreated}))
		}); err != nil {
			t.Fatal(err)
		}
		mailer, err := NewSMTP("smtp://"+s.Addr().String(), "no-reply@id.test")
		if err != nil {
			t.Fatal(err)
		}
		post := &Post{DB: db, Mailer: mailer, PublicURL: "https://id.test"}
		start(t, db, map[string]Handler{JobNotice: post.Notices()})
		if dead := left(t, db, nil); len(dead) != 0 || len(s.letters()) != 0 {
			t.Errorf("%+v, %v", dead, s.letters())
		}
	})
}

func TestSMTP_GivesASilentServerUpInTime(t *testing.T) {
	s := serve(t, func(int) string { return "silent" })
	mailer, err := NewSMTP("smtp://"+s.Addr().String(), "no-reply@id.test")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond) // what a handler has, shorter
	defer cancel()
	began := time.Now()
	err = mailer.Send(ctx, Message{To: "ada@acme.test", Subject: "x", Body: "x"})
	var final permanent
	if err == nil || errors.As(err, &final) || time.Since(began) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}
