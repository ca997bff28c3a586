package acceptance

import (
	"context"
	"encoding/base32"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/mailsink"
	"github.com/gatehouse-id/gatehouse/internal/store/pgtest"
)

// mailed starts a mail server for a story, and returns what tells a server of ours to use it.
func mailed(t *testing.T) (*mailsink.Sink, []string) {
	t.Helper()
	sink, err := mailsink.New(mailsink.Options{Name: "mail.test", Base: "/"})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- sink.Serve(ctx, l) }()
	t.Cleanup(func() { cancel(); <-ended })
	return sink, []string{"--mail-server", "smtp://" + l.Addr().String(), "--mail-from", "gatehouse@mail.test"}
}

// mailTo waits for a mail to somebody whose subject has those words.
func (w *world) mailTo(sink *mailsink.Sink, to, subject string) mailsink.Message {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx(), patienceForMail)
	defer cancel()
	m, err := sink.Wait(ctx, func(m mailsink.Message) bool {
		return slices.Contains(m.To, to) && strings.Contains(m.Subject, subject)
	})
	if err != nil {
		w.t.Fatalf("no mail to %s about %q: %v; there were %v", to, subject, err, sink.Messages())
	}
	return m
}

const patienceForMail = 30 * time.Second

// TestStory_enforcement tells the stories of promises F30 to F33, each on a server of its own with a mail server.
func TestStory_enforcement(t *testing.T) {
	for name, tell := range map[string]func(t *testing.T, w *world, sink *mailsink.Sink){
		"F30_all_users_and_F33_not_without_a_bypass": requiredOfAll,
		"F31_specific_domains":                       requiredByDomain,
		"F32_emergency_admin_in_an_outage":           emergencyInAnOutage,
		"passwords_by_mail":                          passwordsByMail,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, database := range []string{"sqlite", "postgres"} {
				t.Run(database, func(t *testing.T) {
					t.Parallel()
					sink, args := mailed(t)
					tell(t, newWorld(t, dsnOf(t, database), append(args, "--allow-private-networks")...), sink)
				})
			}
		})
	}
}

// owners are two owners with a password, of whom root is designated.
func owners(slug string) string {
	return "domains: [" + slug + ".test]\nowners:\n  - {email: root@" + slug + ".test, password_env: ROOT_PASSWORD, break_glass: true}\n  - {email: ann@" + slug + ".test, password_env: ROOT_PASSWORD}\n"
}

// enters signs in by the form of a page.
func (b *browser) enters(slug, email, query string, values ...string) page {
	b.w.t.Helper()
	p := b.open("/signin?workspace=" + slug + query)
	return b.submit(p, "password", append([]string{"workspace", slug, "email", email}, values...)...)
}

// plannedEnforcement is what enforcement plan and set print.
type plannedEnforcement struct {
	Missing []string
	ShutOut []struct{ Email string } `json:"shut_out"`
	Word    string
}

func (p plannedEnforcement) emails() (out []string) {
	for _, m := range p.ShutOut {
		out = append(out, m.Email)
	}
	slices.Sort(out)
	return out
}

func requiredOfAll(t *testing.T, w *world, _ *mailsink.Sink) {
	shows(t, "F30", "F33")
	// F33: without a bypass that works it is refused, by file, by verb and in the console, and says why.
	w.mustApply("workspace: bare\nowners: [{email: root@bare.test}]\n")
	if _, said, code := w.apply("workspace: bare\nenforcement: {require_sso: all}\n"); code == 0 || !strings.Contains(said, "break-glass administrator with a password") {
		t.Errorf("apply: exit %d, %s", code, said)
	}
	if _, said, code := w.run(nil, "enforcement", "set", "bare", "--require", "all"); code != 1 || !strings.Contains(said, "break-glass administrator with a password") {
		t.Errorf("set: exit %d, %s", code, said)
	}

	c := w.company("acme", idpsim.Okta, form{preset: "omniflow", more: owners("acme")})
	c.connect()
	c.seed()
	in := c.enter(c.who("ann.lee"))
	byPassword := w.newBrowser()
	byPassword.enters("acme", "ann@acme.test", "", "password", ownerPassword)
	if s := byPassword.session(); s.Method != "password" {
		t.Fatalf("%+v", s)
	}
	var plan, done plannedEnforcement
	w.gatehouse(&plan, "enforcement", "plan", "acme", "--require", "all")
	if len(plan.Missing) != 0 {
		t.Fatalf("%+v", plan)
	}
	w.gatehouse(&done, "enforcement", "set", "acme", "--require", "all", "--seen", plan.Word)
	if !slices.Equal(plan.emails(), done.emails()) {
		t.Errorf("planned %v, done %v", plan.emails(), done.emails())
	}
	if s := byPassword.session(); s.status != http.StatusUnauthorized {
		t.Errorf("the session by password goes on: %+v", s)
	}
	if s := in.session(); s.status != http.StatusOK {
		t.Errorf("the session by single sign-on ended: %+v", s)
	}
	if p := w.newBrowser().enters("acme", "ann@acme.test", "&emergency=1", "password", ownerPassword); p.status != http.StatusForbidden {
		t.Errorf("a covered password: %d", p.status)
	}
	// The same word again: the workspace is another by now.
	if _, said, code := w.run(nil, "enforcement", "set", "acme", "--require", "none", "--seen", plan.Word); code != 1 || !strings.Contains(said, "changed after this was shown") {
		t.Errorf("an old word: exit %d, %s", code, said)
	}
}

func requiredByDomain(t *testing.T, w *world, _ *mailsink.Sink) {
	shows(t, "F31")
	c := w.company("acme", idpsim.Okta, form{preset: "omniflow", more: owners("acme") + "  - {email: guest@agency.test, password_env: ROOT_PASSWORD}\n"})
	c.connect()
	c.seed()
	w.gatehouse(nil, "enforcement", "set", "acme", "--require", "domains", "--domain", "acme.test")
	guest := w.newBrowser()
	guest.enters("acme", "guest@agency.test", "", "password", ownerPassword)
	if s := guest.session(); s.Method != "password" {
		t.Errorf("a guest keeps the password: %+v", s)
	}
	if p := w.newBrowser().enters("acme", "ann@acme.test", "&emergency=1", "password", ownerPassword); p.status != http.StatusForbidden {
		t.Errorf("a covered one: %d", p.status)
	}
	if _, said, code := w.run(nil, "enforcement", "plan", "acme", "--require", "domains", "--domain", "agency.test"); code != 1 || !strings.Contains(said, "proven") {
		t.Errorf("a domain that is not proven: exit %d, %s", code, said)
	}
}

var recoveryCode = regexp.MustCompile(`[0-9A-Z]{5}(?:-[0-9A-Z]{5}){3}`)

func emergencyInAnOutage(t *testing.T, w *world, sink *mailsink.Sink) {
	shows(t, "F32")
	c := w.company("acme", idpsim.Okta, form{preset: "omniflow", more: owners("acme")})
	c.connect()
	c.seed()
	c.enter(c.who("ann.lee"))

	// Before: root sets a second factor and recovery codes up.
	root := w.newBrowser()
	root.enters("acme", "root@acme.test", "", "password", ownerPassword)
	p := root.open("/console/acme/emergency")
	post := func(b *browser, path string, values url.Values) page {
		return b.post(w.base+"/console/acme/emergency/"+path, values, w.base)
	}
	codes := recoveryCode.FindAllString(post(root, "codes", url.Values{}).text, -1)
	if len(codes) != 10 {
		t.Fatalf("%d recovery codes", len(codes))
	}
	if again := recoveryCode.FindString(root.open("/console/acme/emergency").text); again != "" {
		t.Errorf("a recovery code is shown twice")
	}
	p = post(root, "factor", url.Values{})
	uri := regexp.MustCompile(`secret=([A-Z2-7]+)`).FindStringSubmatch(p.text)
	if uri == nil {
		t.Fatalf("no secret on the page: %s", p.text)
	}
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(uri[1])
	w.must(err)
	// A step of the past is confirmed with, so that the present one can be used at once.
	if p = root.submit(p, "setup", "code", keys.TOTP(secret, keys.TOTPStep(time.Now())-1)); p.status != http.StatusOK || !strings.Contains(p.text, "The second factor is on") {
		t.Fatalf("%d %s", p.status, p.text)
	}
	w.gatehouse(nil, "enforcement", "set", "acme", "--require", "all")

	// The outage: the IdP's address answers nobody. The password alone is not enough, with the app's it is.
	out := w.newBrowser()
	if p := out.enters("acme", "root@acme.test", "&emergency=1", "password", ownerPassword); p.status != http.StatusUnauthorized || !strings.Contains(p.text, "code_needed") {
		t.Errorf("without the second factor: %d", p.status)
	}
	out.enters("acme", "root@acme.test", "&emergency=1", "password", ownerPassword, "code", keys.TOTP(secret, keys.TOTPStep(time.Now())))
	if s := out.session(); s.Member.Email != "root@acme.test" {
		t.Fatalf("%+v", s)
	}
	w.wantEvent("acme", "signin.break_glass_used", "sso_enforced")
	for _, owner := range []string{"root@acme.test", "ann@acme.test"} {
		if m := w.mailTo(sink, owner, "Emergency access"); !strings.Contains(m.Text, "root@acme.test signed in") {
			t.Errorf("%s", m.Text)
		}
	}
	if p := out.open("/console/acme/sso"); !strings.Contains(p.text, "signed in by emergency access") {
		t.Error("no banner in the console")
	}

	// It relaxes; a member gets a link, comes in by it, and is out when it is required again.
	if p := post(out, "relax", url.Values{}); p.status != http.StatusOK || !strings.Contains(p.text, "not required for 24 hours") {
		t.Fatalf("%d %s", p.status, p.text)
	}
	who := c.who("ann.lee")
	b := w.newBrowser()
	b.submit(b.open("/signin/forgot"), "email", "workspace", "acme", "email", who)
	m := w.mailTo(sink, who, "Sign in to")
	link := regexp.MustCompile(`http://\S+/signin/mail/\S+`).FindString(m.Text)
	b.post(link, url.Values{}, w.base)
	if s := b.session(); s.Member.Email != who || s.Method != "mail" {
		t.Fatalf("%+v", s)
	}
	w.gatehouse(nil, "enforcement", "resume", "acme")
	if s := b.session(); s.status != http.StatusUnauthorized {
		t.Errorf("%+v", s)
	}
	w.wantEvent("acme", "enforcement.resumed", "by_hand")

	// The device is gone: a recovery code takes the place of its password, whatever strangers have tried.
	for range 12 {
		w.newBrowser().enters("acme", "root@acme.test", "&emergency=1", "password", "wrong horse battery staple")
	}
	last := w.newBrowser()
	last.enters("acme", "root@acme.test", "&emergency=1", "password", ownerPassword, "recovery", strings.ToLower(codes[3]))
	if s := last.session(); s.Member.Email != "root@acme.test" {
		t.Fatalf("%+v", s)
	}
	if p := w.newBrowser().enters("acme", "root@acme.test", "&emergency=1", "password", ownerPassword, "recovery", codes[3]); p.status != http.StatusUnauthorized {
		t.Errorf("the code again: %d", p.status)
	}
	for _, e := range w.events("acme") {
		for _, hidden := range append(codes, uri[1], link) {
			if strings.Contains(string(e.Payload), hidden) {
				t.Errorf("%s holds a secret", e.Type)
			}
		}
	}
	if strings.Contains(w.log.String(), codes[3]) || strings.Contains(w.log.String(), uri[1]) {
		t.Error("the server's log holds a secret")
	}
}

func passwordsByMail(t *testing.T, w *world, sink *mailsink.Sink) {
	shows(t, "F1")
	c := w.company("acme", idpsim.Okta, form{preset: "omniflow", more: owners("acme")})
	c.connect()
	c.seed()
	ask := func(email string) {
		b := w.newBrowser()
		if p := b.submit(b.open("/signin/forgot"), "email", "workspace", "acme", "email", email); !strings.Contains(p.text, "a letter is on its way") {
			t.Errorf("%s: %d %s", email, p.status, p.text)
		}
	}
	ask("nobody@acme.test")
	w.waitEvent("acme", "member.password_asked")
	w.wantEvent("acme", "member.password_asked", "account_unknown")
	ask("ann@acme.test")
	ask(c.who("ann.lee")) // provisioned: no credential at all (F1)
	m := w.mailTo(sink, "ann@acme.test", "Set a new password")
	link := regexp.MustCompile(`http://\S+/signin/password/\S+`).FindString(m.Text)
	elsewhere := w.newBrowser()
	elsewhere.enters("acme", "ann@acme.test", "", "password", ownerPassword)
	b := w.newBrowser()
	p := b.submit(b.fetch(http.MethodGet, link), "again", "password", "four words of her own", "again", "four words of her own")
	if !strings.Contains(p.text, "The password is set") {
		t.Fatalf("%d %s", p.status, p.text)
	}
	if s := elsewhere.session(); s.status != http.StatusUnauthorized {
		t.Errorf("the other session goes on: %+v", s)
	}
	if p := b.fetch(http.MethodGet, link); p.status != http.StatusForbidden {
		t.Errorf("the link again: %d", p.status)
	}
	b.enters("acme", "ann@acme.test", "", "password", "four words of her own")
	if s := b.session(); s.Member.Email != "ann@acme.test" {
		t.Errorf("%+v", s)
	}
	// The outbox has settled the other question by now, or does within the wait.
	for late := time.After(patienceForMail); !slices.ContainsFunc(w.events("acme"), func(e event) bool { return e.Type == "member.password_asked" && e.Reason == "no_password" }); {
		select {
		case <-late:
			t.Fatal("nobody refused the provisioned one")
		case <-time.After(50 * time.Millisecond):
		}
	}
	for _, m := range sink.Messages() {
		if !slices.Contains(m.To, "ann@acme.test") {
			t.Errorf("a letter to %v: %s", m.To, m.Subject)
		}
	}
}

// dsnOf is a database of a kind, "" for SQLite.
func dsnOf(t *testing.T, database string) string {
	if database == "sqlite" {
		return ""
	}
	return pgtest.DSN(t)
}
