package jobs

import (
	"crypto/tls"
	"errors"
	"net/mail"
	"strings"
	"testing"

	gomail "github.com/wneessen/go-mail"

	"github.com/gatehouse-id/gatehouse/internal/jobs/mtatest"
	"github.com/gatehouse-id/gatehouse/internal/letter"
)

// throughMTA is a Mailer that trusts the certificate of a private mail server.
func throughMTA(t *testing.T, m *mtatest.MTA, address string) *SMTP {
	t.Helper()
	s, err := NewSMTP(address, "Gatehouse <no-reply@id.test>")
	if err != nil {
		t.Fatal(err)
	}
	host, _, _ := strings.Cut(m.Address, ":")
	s.options = append(s.options, gomail.WithTLSConfig(&tls.Config{RootCAs: m.Pool(t), ServerName: host, MinVersion: tls.VersionTLS12}))
	return s
}

func TestSMTP_SpeaksWithAMailServerThatOthersWrote(t *testing.T) {
	m := mtatest.Start(t)
	s := throughMTA(t, m, m.URL())

	t.Run("it is given a letter as HTML and text, behind STARTTLS and AUTH", func(t *testing.T) {
		l := letter.Invitation(letter.To{Workspace: "Bücher \u05d3\u05df " + strings.Repeat("x", 500), Name: strings.Repeat("é", 300) + "\r\nBcc: eve@evil.test"}, "Bo",
			"https://id.test/invitation/ginv_"+strings.Repeat("a", 43), noon)
		page, err := l.HTML()
		if err != nil {
			t.Fatal(err)
		}
		long := Message{ID: "job_1", To: "ada@acme.test", Subject: l.Subject + "\r\nBcc: eve@evil.test", Body: l.Text() + strings.Repeat("y", 5000), HTML: page + strings.Repeat("z", 5000)}
		if err := s.Send(t.Context(), long); err != nil {
			t.Fatalf("%v; the server says: %s", err, m.Log())
		}
		raw := m.Wait(t, 1)[0]
		got, err := mail.ReadMessage(strings.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		h := got.Header
		if h.Get("Message-Id") != "<job_1@id.test>" || h.Get("Bcc") != "" || h.Get("Auto-Submitted") != "auto-generated" ||
			!strings.HasPrefix(h.Get("Content-Type"), "multipart/alternative") || !strings.Contains(h.Get("Received"), "esmtpsa") {
			t.Errorf("headers: %v", h)
		}
		for line := range strings.Lines(raw) {
			if len(line) > 998 {
				t.Errorf("a line of %d octets", len(line))
			}
		}
	})
	t.Run("it is given one where TLS is spoken from the start", func(t *testing.T) {
		secure := throughMTA(t, m, "smtps://"+mtatest.User+":"+mtatest.Password+"@"+m.Secure)
		if err := secure.Send(t.Context(), Message{ID: "job_2", To: "bob@acme.test", Subject: "x", Body: "x"}); err != nil {
			t.Fatalf("%v; the server says: %s", err, m.Log())
		}
		m.Wait(t, 2)
	})
	t.Run("what it refuses for good is given up with its words", func(t *testing.T) {
		err := s.Send(t.Context(), Message{To: mtatest.Refused, Subject: "x", Body: "x"})
		var final permanent
		if !errors.As(err, &final) || !strings.Contains(err.Error(), "no such mailbox") {
			t.Errorf("%v", err)
		}
	})
	t.Run("what it refuses for now is tried again", func(t *testing.T) {
		err := s.Send(t.Context(), Message{To: mtatest.Deferred, Subject: "x", Body: "x"})
		var final permanent
		if err == nil || errors.As(err, &final) || !strings.Contains(err.Error(), "come again") {
			t.Fatalf("%v", err)
		}
		m.Relent(t)
		if err := s.Send(t.Context(), Message{To: mtatest.Deferred, Subject: "x", Body: "x"}); err != nil {
			t.Error(err)
		}
	})
	t.Run("a wrong password is our fault and tried again, and is in no error", func(t *testing.T) {
		wrong := throughMTA(t, m, "smtp://gatehouse:not-the-password@"+m.Address)
		err := wrong.Send(t.Context(), Message{To: "ada@acme.test", Subject: "x", Body: "x"})
		var final permanent
		if err == nil || errors.As(err, &final) || strings.Contains(err.Error(), "not-the-password") {
			t.Errorf("%v", err)
		}
	})
	t.Run("a certificate that nobody trusts is refused, and the password is not sent", func(t *testing.T) {
		strict, err := NewSMTP(m.URL(), "no-reply@id.test")
		if err != nil {
			t.Fatal(err)
		}
		if err := strict.Send(t.Context(), Message{To: "ada@acme.test", Subject: "x", Body: "x"}); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%v", err)
		}
	})
}
