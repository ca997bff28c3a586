package acceptance

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/jobs/mtatest"
	"github.com/gatehouse-id/gatehouse/internal/mailsink"
	"github.com/gatehouse-id/gatehouse/internal/store/pgtest"
)

// withMail runs fn on a fresh server on each database, with a mail server that keeps what it takes.
func withMail(t *testing.T, fn func(t *testing.T, w *world, mail *mailsink.Sink)) {
	t.Helper()
	t.Parallel()
	sink, err := mailsink.New(mailsink.Options{Keep: 5000})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- sink.Serve(t.Context(), l) }()
	t.Cleanup(func() {
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	for name, database := range map[string]func(testing.TB) string{"sqlite": func(testing.TB) string { return "" }, "postgres": pgtest.DSN} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fn(t, newWorld(t, database(t), "--mail-server", "smtp://"+l.Addr().String(), "--mail-from", "Gatehouse <no-reply@id.test>"), sink)
		})
	}
}

// letter waits for the newest letter to an address with a subject.
func (w *world) letter(sink *mailsink.Sink, to, subject string) mailsink.Message {
	w.t.Helper()
	m, err := sink.Wait(w.ctx(), func(m mailsink.Message) bool {
		return len(m.To) == 1 && m.To[0] == to && strings.Contains(m.Subject, subject)
	})
	w.must(err)
	return m
}

// waitEvent waits for an event that follows a letter.
func (w *world) waitEvent(slug, typ string) {
	w.t.Helper()
	for {
		for _, e := range w.events(slug) {
			if e.Type == typ {
				return
			}
		}
		select {
		case <-w.ctx().Done():
			w.t.Fatalf("no event %s", typ)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

var linkInLetter = regexp.MustCompile(`http://[0-9.:]+/\S+`)

// visit is a browser's answer to a form of a page.
func (b *browser) visit(method, address string, form url.Values) (int, string) {
	b.w.t.Helper()
	req, err := http.NewRequestWithContext(b.w.ctx(), method, address, strings.NewReader(form.Encode()))
	b.w.must(err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := b.Do(req)
	b.w.must(err)
	defer res.Body.Close()
	var body bytes.Buffer
	_, err = body.ReadFrom(res.Body)
	b.w.must(err)
	return res.StatusCode, body.String()
}

const chosen = "a new horse battery"

func password() url.Values { return url.Values{"password": {chosen}, "again": {chosen}} }

// TestStory_members_by_hand invites somebody by mail, lets them accept, puts them out and lets them in again.
func TestStory_members_by_hand(t *testing.T) {
	withMail(t, func(t *testing.T, w *world, mail *mailsink.Sink) {
		shows(t, "F40", "K18")
		slug := "hand" + w.address[strings.LastIndexByte(w.address, ':')+1:]
		w.mustApply(workspace(slug, "default", ""))
		ada := "ada@" + slug + ".test"
		w.gatehouse(nil, "member", "invite", ada, "--workspace", slug, "--role", "Admin", "--name", "Ada Lovelace")
		invited := w.wantMember(slug, ada, "invited", "Admin")
		link := linkInLetter.FindString(w.letter(mail, ada, "invited").Text)
		w.gatehouse(nil, "member", "resend", ada, "--workspace", slug)
		again := link
		for again == link { // the second letter comes when the first is long there
			again = linkInLetter.FindString(w.letter(mail, ada, "invited").Text)
		}
		b := w.newBrowser()
		if status, _ := b.visit("GET", link, nil); status != http.StatusForbidden {
			t.Errorf("the first link is answered %d after the second was sent", status)
		}
		if status, body := b.visit("POST", again, password()); status != http.StatusOK {
			t.Fatalf("accepting: %d %s", status, body)
		}
		if s := b.session(); s.Member.ID != invited.ID || s.Member.Role != "Admin" {
			t.Fatalf("the session: %+v", s)
		}
		w.gatehouse(nil, "team", "create", "Support", "--workspace", slug)
		w.gatehouse(nil, "team", "add", "support", ada, "--workspace", slug)
		if s := b.session(); fmt.Sprint(s.Member.Groups) != "[Support]" || s.Member.Role != "Admin" {
			t.Errorf("in a team: %+v", s)
		}
		ended := b.events()
		w.gatehouse(nil, "member", "deactivate", ada, "--workspace", slug)
		w.wantEnded(b, ended)
		w.gatehouse(nil, "member", "restore", ada, "--workspace", slug)
		w.wantMember(slug, ada, "active", "Admin")
		status, body := w.newBrowser().visit("POST", w.base+"/signin", url.Values{"workspace": {slug}, "email": {ada}, "password": {chosen}})
		if status != http.StatusOK {
			t.Errorf("with the password after the return: %d %s", status, body)
		}
		for _, e := range w.events(slug) {
			if strings.Contains(fmt.Sprint(e), "ginv_") {
				t.Errorf("a link is in the log: %+v", e)
			}
		}
		if strings.Contains(w.log.String(), "ginv_") {
			t.Error("a link is in the server's log")
		}
	})
}

// TestStory_a_list_of_a_thousand invites from a file what its plan said, with the server killed in between.
func TestStory_a_list_of_a_thousand(t *testing.T) {
	withMail(t, func(t *testing.T, w *world, mail *mailsink.Sink) {
		shows(t, "F40")
		slug := "list" + w.address[strings.LastIndexByte(w.address, ':')+1:]
		w.mustApply(workspace(slug, "default", ""))
		var csv strings.Builder
		csv.WriteString("\xef\xbb\xbfE-Mail;Name;Role\r\n")
		for i := range 1000 {
			fmt.Fprintf(&csv, "p%d@%s.test;\"Person\n%d\";\r\n", i, slug, i)
		}
		fmt.Fprintf(&csv, "root@%s.test;;\r\nP7@%s.test;;\r\n=cmd;;\r\n", slug, slug)
		file := filepath.Join(t.TempDir(), "people.csv")
		w.must(os.WriteFile(file, []byte(csv.String()), 0o600))
		type list struct {
			State, Word string
			Done        int
			Counts      map[string]int
			Rows        []struct{ Outcome string }
		}
		var plan, now list
		w.gatehouse(&plan, "member", "import", file, "--workspace", slug)
		if fmt.Sprint(plan.Counts) != "map[duplicate:1 here:1 invalid:1 new:1000]" || len(plan.Rows) != 1003 || len(w.people(slug)) != 1 {
			t.Fatalf("planned %v of %d rows; %d people", plan.Counts, len(plan.Rows), len(w.people(slug)))
		}
		if _, stderr, code := w.run(nil, "member", "import", "--workspace", slug, "--start", "0000"); code != 1 || !strings.Contains(stderr, "Look at the plan again") {
			t.Errorf("another word: %d %s", code, stderr)
		}
		w.gatehouse(&now, "member", "import", "--workspace", slug, "--start", plan.Word)
		w.kill()
		w.start()
		for now.State != "done" {
			w.gatehouse(&now, "member", "import", "--workspace", slug)
			select {
			case <-t.Context().Done():
				t.Fatalf("the list is %+v", now)
			case <-time.After(50 * time.Millisecond):
			}
		}
		if now.Done != 1000 || len(w.people(slug)) != 1001 {
			t.Errorf("%d invited, %d people", now.Done, len(w.people(slug)))
		}
		w.letter(mail, fmt.Sprintf("p999@%s.test", slug), "invited")
	})
}

// TestStory_a_directory_invites sends one letter for an account that a directory makes, however often it says so.
func TestStory_a_directory_invites(t *testing.T) {
	withMail(t, func(t *testing.T, w *world, mail *mailsink.Sink) {
		shows(t, "V17")
		slug := "told" + w.address[strings.LastIndexByte(w.address, ':')+1:]
		w.mustApply(workspace(slug, "omnivoo", "scim_requires_sso: no"))
		_, token := w.token(slug)
		who := "ann@" + slug + ".test"
		status, got := w.scim(token, "POST", "/Users", user(who, `,"displayName":"Ann","emails":[{"value":"`+who+`","primary":true}]`))
		if status != http.StatusCreated {
			t.Fatalf("%d %v", status, got)
		}
		w.scim(token, "POST", "/Users", user(who, `,"displayName":"Ann","emails":[{"value":"`+who+`","primary":true}]`))
		letter := w.letter(mail, who, "access")
		if !strings.Contains(letter.Text, "/signin?workspace="+slug) || strings.Contains(letter.Text, "ginv_") || !bytes.Contains(letter.Raw, []byte("text/html")) {
			t.Errorf("the letter: %s", letter.Raw)
		}
		w.waitEvent(slug, "member.invited")
		n := 0
		for _, m := range mail.Messages() {
			if m.To[0] == who {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d letters", n)
		}
	})
}

// TestStory_a_mail_server_that_others_wrote sends through Exim, behind STARTTLS and AUTH, and shows what it refuses.
func TestStory_a_mail_server_that_others_wrote(t *testing.T) {
	m := mtatest.Start(t)
	t.Setenv("SSL_CERT_FILE", m.CA) // the server that the story starts trusts it
	w := newWorld(t, "", "--mail-server", m.URL(), "--mail-from", "Gatehouse <no-reply@id.test>")
	w.mustApply(workspace("acme", "default", ""))
	w.gatehouse(nil, "member", "invite", "ada@acme.test", "--workspace", "acme")
	letter := m.Wait(t, 1)[0]
	if !strings.Contains(letter, "esmtpsa") || !strings.Contains(letter, "multipart/alternative") || !strings.Contains(letter, "/invitation/ginv_") {
		t.Errorf("the letter: %s", letter)
	}
	w.gatehouse(nil, "member", "invite", mtatest.Refused, "--workspace", "acme")
	w.waitEvent("acme", "mail.undelivered")
	var letters []struct {
		ID, To, State string
		LastError     string `json:"last_error"`
	}
	w.gatehouse(&letters, "mail", "list", "--workspace", "acme")
	if len(letters) != 1 || letters[0].State != "given_up" || letters[0].To != mtatest.Refused || !strings.Contains(letters[0].LastError, "no such mailbox") {
		t.Fatalf("letters: %+v", letters)
	}
	w.gatehouse(nil, "mail", "discard", letters[0].ID, "--workspace", "acme")
	if strings.Contains(w.log.String(), mtatest.Password) || strings.Contains(w.log.String(), "ginv_") {
		t.Error("a secret is in the server's log")
	}
}
