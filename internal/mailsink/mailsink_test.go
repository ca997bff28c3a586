package mailsink

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"strings"
	"testing"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// serve runs a sink on a free port and returns its address.
func serve(t *testing.T, o Options) (*Sink, string) {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s, l.Addr().String()
}

func TestMailOfARealClientIsKeptAndShown(t *testing.T) {
	s, address := serve(t, Options{Base: "/mail"})
	host, port, _ := net.SplitHostPort(address)
	var number int
	fmt.Sscan(port, &number)
	client, err := gomail.NewClient(host, gomail.WithPort(number), gomail.WithTLSPolicy(gomail.TLSOpportunistic), gomail.WithHELO("client.test"))
	if err != nil {
		t.Fatal(err)
	}
	m := gomail.NewMsg()
	for _, err := range []error{m.From("Gatehouse <no-reply@gatehouse.test>"), m.To("zoe@acme.test"), m.Cc("ann@acme.test")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	m.Subject("Zoë, you are invited to Übersetzung")
	m.SetBodyString(gomail.TypeTextPlain, "Grüße!\n.\n..two dots\nFollow http://127.0.0.1:8080/x?a=1&b=2.\n<script>alert(1)</script>\n")
	m.AddAlternativeString(gomail.TypeTextHTML, "<b>no</b>")
	if err := client.DialAndSendWithContext(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got, err := s.Wait(t.Context(), func(m Message) bool { return strings.Contains(m.Subject, "invited") })
	if err != nil {
		t.Fatal(err)
	}
	if got.Subject != "Zoë, you are invited to Übersetzung" || got.From != "no-reply@gatehouse.test" || strings.Join(got.To, " ") != "zoe@acme.test ann@acme.test" ||
		got.Hello != "client.test" || !strings.Contains(got.Text, "Grüße!\n.\n..two dots\n") {
		t.Errorf("kept %+v", got)
	}
	page := func(path string) string {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost"+path, nil))
		if w.Code != http.StatusOK {
			t.Fatalf("%s: %d", path, w.Code)
		}
		return w.Body.String()
	}
	if list := page("/mail/"); !strings.Contains(list, `id="message-1" href="/mail/message/1"`) {
		t.Error(list)
	}
	one := page("/mail/message/1")
	for _, want := range []string{`<a href="http://127.0.0.1:8080/x?a=1&amp;b=2" rel="noreferrer">`, "&lt;script&gt;", `id="to">zoe@acme.test, ann@acme.test<`} {
		if !strings.Contains(one, want) {
			t.Errorf("no %s in\n%s", want, one)
		}
	}
	var answer struct{ Messages []Message }
	if err := json.Unmarshal([]byte(page("/mail/api/messages")), &answer); err != nil || len(answer.Messages) != 1 || answer.Messages[0].ID != 1 {
		t.Errorf("%v %+v", err, answer)
	}
}

// talk sends lines and returns the code of each answer; DATA's text counts as one line.
func talk(t *testing.T, address string, lines ...string) []int {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := textproto.NewReader(bufio.NewReader(conn))
	codes := make([]int, 0, len(lines)+1)
	for i := range len(lines) + 1 {
		code, _, err := in.ReadResponse(0)
		if err != nil {
			t.Fatalf("%v after %d", err, codes)
		}
		codes = append(codes, code)
		if i < len(lines) {
			if _, err := io.WriteString(conn, lines[i]+"\r\n"); err != nil {
				t.Fatal(err)
			}
		}
	}
	return codes
}

func TestTheDialogueKeepsToTheOrderAndTheLimits(t *testing.T) {
	long := strings.Repeat("x", 100)
	for name, c := range map[string]struct {
		lines []string
		want  []int
		kept  int
	}{
		"a whole message":                    {[]string{"HELO a", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA", "Subject: x\r\n\r\nhi\r\n.", "QUIT"}, []int{220, 250, 250, 250, 354, 250, 221}, 1},
		"two in one dialogue":                {[]string{"EHLO a", "MAIL FROM:<>", "RCPT TO:<c@d>", "DATA", ".", "mail from: <a@b> size=5", "RCPT TO:<c@d>", "DATA", "."}, []int{220, 250, 250, 250, 354, 250, 250, 250, 354, 250}, 2},
		"no greeting":                        {[]string{"MAIL FROM:<a@b>"}, []int{220, 503}, 0},
		"no sender":                          {[]string{"EHLO a", "RCPT TO:<a@b>", "DATA"}, []int{220, 250, 503, 503}, 0},
		"no recipient":                       {[]string{"EHLO a", "MAIL FROM:<a@b>", "DATA"}, []int{220, 250, 250, 503}, 0},
		"a second sender":                    {[]string{"EHLO a", "MAIL FROM:<a@b>", "MAIL FROM:<a@b>"}, []int{220, 250, 250, 503}, 0},
		"reset forgets":                      {[]string{"EHLO a", "MAIL FROM:<a@b>", "RSET", "RCPT TO:<a@b>"}, []int{220, 250, 250, 250, 503}, 0},
		"a greeting forgets":                 {[]string{"EHLO a", "MAIL FROM:<a@b>", "EHLO a", "RCPT TO:<a@b>"}, []int{220, 250, 250, 250, 503}, 0},
		"too large, as announced":            {[]string{"EHLO a", "MAIL FROM:<a@b> SIZE=5000"}, []int{220, 250, 552}, 0},
		"too large, unannounced":             {[]string{"EHLO a", "MAIL FROM:<a@b>", "RCPT TO:<a@b>", "DATA", strings.Repeat(long+"\r\n", 30) + ".", "NOOP"}, []int{220, 250, 250, 250, 354, 552, 250}, 0},
		"too many recipients":                {[]string{"EHLO a", "MAIL FROM:<a@b>", "RCPT TO:<a@b>", "RCPT TO:<b@b>", "RCPT TO:<c@b>"}, []int{220, 250, 250, 250, 250, 452}, 0},
		"a command that is too long":         {[]string{"NOOP " + strings.Repeat(long, 60), "NOOP"}, []int{220, 500, 250}, 0},
		"a text line that is too long":       {[]string{"EHLO a", "MAIL FROM:<a@b>", "RCPT TO:<a@b>", "DATA", strings.Repeat(long, 11) + "\r\n.", "NOOP"}, []int{220, 250, 250, 250, 354, 500, 250}, 0},
		"a bare LF in a command":             {[]string{"NOOP\nNOOP", "NOOP"}, []int{220, 500, 250}, 0},
		"an end of bare LF, which is none":   {[]string{"EHLO a", "MAIL FROM:<a@b>", "RCPT TO:<a@b>", "DATA", "x\r\n.\nMAIL FROM:<evil@b>\r\n.", "NOOP"}, []int{220, 250, 250, 250, 354, 554, 250}, 0},
		"an end after bare LF, none as well": {[]string{"EHLO a", "MAIL FROM:<a@b>", "RCPT TO:<a@b>", "DATA", "x\n.\r\nMAIL FROM:<evil@b>\r\n.", "NOOP"}, []int{220, 250, 250, 250, 354, 554, 250}, 0},
		"what it does not have":              {[]string{"EHLO a", "AUTH PLAIN x", "STARTTLS", "EXPN x", "VRFY x", "HELP", "FROB"}, []int{220, 250, 502, 502, 502, 252, 214, 500}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s, address := serve(t, Options{MaxBytes: 2000, MaxRecipients: 2})
			if got := talk(t, address, c.lines...); fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("answers %d, want %d", got, c.want)
			}
			if n := len(s.Messages()); n != c.kept {
				t.Errorf("%d messages were kept, want %d", n, c.kept)
			}
		})
	}
}

func TestDotsAreTakenOff(t *testing.T) {
	s, address := serve(t, Options{})
	talk(t, address, "EHLO a", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA", "Subject: x\r\n\r\n..\r\n...a\r\nb.\r\n.")
	if got := s.Messages()[0].Text; got != ".\n..a\nb.\n" {
		t.Errorf("the text is %q", got)
	}
}

func TestOnlyTheLastMessagesAreKept(t *testing.T) {
	s, address := serve(t, Options{Keep: 2})
	for i := range 3 {
		talk(t, address, "EHLO a", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA", fmt.Sprintf("Subject: %d\r\n\r\n.", i))
	}
	if got := s.Messages(); len(got) != 2 || got[0].Subject != "2" || got[1].ID != 2 {
		t.Errorf("kept %+v", got)
	}
	s.Clear()
	if len(s.Messages()) != 0 {
		t.Error("not forgotten")
	}
}

func TestClientsThatMisbehaveAreSentAway(t *testing.T) {
	_, address := serve(t, Options{Patience: 50 * time.Millisecond, MaxConnections: 1})
	silent, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	first := textproto.NewReader(bufio.NewReader(silent))
	if code, _, _ := first.ReadResponse(0); code != 220 {
		t.Fatalf("greeted by %d", code)
	}
	second, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if code, _, _ := textproto.NewReader(bufio.NewReader(second)).ReadResponse(0); code != 421 && code != 220 { // the first may be gone by now
		t.Errorf("one too many is answered %d", code)
	}
	if _, err := first.ReadLine(); err == nil {
		t.Error("a client that says nothing is still there")
	}
}

func TestTooManyMistakesEndTheDialogue(t *testing.T) {
	_, address := serve(t, Options{})
	lines := make([]string, maxMistakes+1)
	for i := range lines {
		lines[i] = "FROB"
	}
	if got := talk(t, address, lines...); got[len(got)-1] != 421 {
		t.Errorf("answers %d", got)
	}
}

func TestMessagesOfEveryShapeAreRead(t *testing.T) {
	for name, c := range map[string]struct{ raw, want string }{
		"not a message":      {"nonsense", "nonsense"},
		"no plain part":      {"Content-Type: text/html\r\n\r\n<b>", "(no plain text)"},
		"base64":             {"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\naGVs\r\nbG8=\r\n", "hello"},
		"nested":             {"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A9\r\n--b--\r\n--a--\r\n", "é"},
		"bytes that are not": {"Subject: x\r\n\r\n\xff", "\ufffd"},
		"parts without end":  {"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + strings.Repeat("--a\r\nContent-Type: image/png\r\n\r\n\r\n", 500), "(no plain text)"},
	} {
		t.Run(name, func(t *testing.T) {
			m := Message{Raw: []byte(c.raw)}
			if m.read(); strings.TrimSpace(m.Text) != c.want {
				t.Errorf("text %q, want %q", m.Text, c.want)
			}
		})
	}
}

func FuzzParseCommand(f *testing.F) {
	for _, line := range []string{"EHLO a.b", "HELO [127.0.0.1]", "MAIL FROM:<>", `MAIL FROM:<"a > b"@c.d> SIZE=1 BODY=8BITMIME`, "RCPT TO:<@a,@b:c@d>",
		"rcpt to: <postmaster>", "DATA", "QUIT x", "NOOP \x00", "MAIL FROM:<a@b> FROB=1", `MAIL FROM:<"a\">`, "RCPT TO:<a@>", "AUTH PLAIN", ""} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		c, err := parseCommand(line)
		if err != nil {
			r, ok := err.(reply)
			if !ok || r.code < 500 || r.code > 599 || strings.ContainsAny(r.text, "\r\n") {
				t.Fatalf("%q is refused by %v", line, err)
			}
			return
		}
		if strings.ContainsAny(c.path+c.name, "\r\n\x00") || len(c.path) > maxPath || c.size < 0 {
			t.Fatalf("%q is read as %+v", line, c)
		}
		if (c.verb == "RCPT") && c.path == "" {
			t.Fatalf("%q has no recipient", line)
		}
		again, err := parseCommand(strings.ToLower(c.verb) + strings.TrimPrefix(line, line[:len(c.verb)]))
		if err != nil || again != c {
			t.Fatalf("%q means %+v, in small letters %+v: %v", line, c, again, err)
		}
	})
}

func FuzzDialogue(f *testing.F) {
	f.Add([]byte("EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: x\r\n\r\n..\r\n.\r\nQUIT\r\n"))
	f.Add([]byte("NOOP\n\r\r\n\r\n"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		s, err := New(Options{MaxBytes: 4096})
		if err != nil {
			t.Fatal(err)
		}
		server, client := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer server.Close()
			(&dialogue{sink: s, conn: server}).run()
		}()
		go func() { _, _ = io.Copy(io.Discard, client) }()
		_, _ = client.Write(sent) // it may be sent away before the end
		client.Close()
		<-done
		for _, m := range s.Messages() {
			if len(m.Raw) > 4096 || len(m.To) == 0 {
				t.Fatalf("kept %+v", m)
			}
		}
	})
}
