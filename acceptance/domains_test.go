package acceptance

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
	"github.com/gatehouse-id/gatehouse/internal/outbound/dnstest"
	"github.com/gatehouse-id/gatehouse/internal/store/pgtest"
)

// domain is what gatehouse domain prints.
type domain struct {
	Workspace, Domain, State, By, Outcome string
	Record                                struct{ Name, Type, Value string }
}

// A company claims its domain, sets the record and proves it. From then on somebody who is a member by hand is recognised by
// their address (law 6), and whoever types an address finds the company's sign-in. When the record disappears, the owners are
// told; when it stays away, the proof lapses: nobody is locked out by that, and no stranger comes in.
func TestStory_a_domain_is_proven_by_DNS_and_lapses_without_its_record(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]func() string{"sqlite": func() string { return "" }, "postgres": func() string { return pgtest.DSN(t) }} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dns := dnstest.Start(t)
			mail := t.TempDir()
			// Days pass as seconds: a look every second, and a proof that lapses after eight of them.
			w := newWorld(t, database(), "--dns-resolver", dns.Address, "--domain-recheck", "1s", "--domain-lapse", "8s",
				"--mail-server", "folder:"+mail, "--mail-from", "Gatehouse <no-reply@gatehouse.test>")
			aDomainsLife(t, w, dns, mail)
		})
	}
}

func aDomainsLife(t *testing.T, w *world, dns *dnstest.Server, mail string) {
	c := w.company("acme", idpsim.Okta, form{preset: "omniflow", more: `owners:
  - {email: root@acme.test, password_env: ROOT_PASSWORD, break_glass: true}
  - {email: hanna@acme.test, name: Hanna by hand}
  - {email: late@acme.test, name: Late by hand}
`})
	c.hire("jit")
	c.enter(c.who("jit")) // the connection is verified
	hanna, late := c.member(c.who("hanna")), c.member(c.who("late"))
	for _, m := range []member{hanna, late} {
		w.gatehouse(nil, "member", "set-role", m.Email, "Supervisor", "--workspace", "acme")
	}
	c.hire("hanna")
	c.hire("late")
	finds := func(typed string) bool {
		p := w.newBrowser().open("/signin?identifier=" + url.QueryEscape(typed))
		// Where single sign-on is required, the page leads on to the IdP.
		return strings.HasPrefix(p.way(), w.base+c.login()) || p.to != nil && strings.HasPrefix(p.to.String(), idpOrigin)
	}
	b := w.newBrowser()
	c.refused(b, c.signsIn(b, c.login(), c.who("hanna")), "address_taken", "address_taken")
	if finds(c.who("hanna")) {
		t.Error("the sign-in page finds the company by a domain that it has not proven")
	}

	// Claimed, and not proven before the record is there.
	var claimed domain
	w.gatehouse(&claimed, "domain", "add", "--workspace", "acme", "ACME.test.")
	if claimed.State != "pending" || claimed.Record.Name != "_gatehouse-challenge.acme.test" || claimed.Record.Type != "TXT" || claimed.Record.Value == "" {
		t.Fatalf("claimed: %+v", claimed)
	}
	if _, said, code := w.run(nil, "domain", "verify", "--workspace", "acme", "acme.test"); code != 1 || !strings.Contains(said, claimed.Record.Value) || !strings.Contains(said, "there is none") {
		t.Errorf("without a record: exit %d, %s", code, said)
	}
	for _, junk := range []string{"com", "co.uk", "github.io", "gmail.com", "acme", "a@acme.test", "127.0.0.1"} {
		if _, said, code := w.run(nil, "domain", "add", "--workspace", "acme", junk); code != 1 || said == "" {
			t.Errorf("claiming %s: exit %d, %s", junk, code, said)
		}
	}
	dns.Set(claimed.Record.Name, []string{"v=spf1 -all"}, []string{claimed.Record.Value})
	var proven domain
	w.gatehouse(&proven, "domain", "verify", "--workspace", "acme", "acme.test")
	if proven.State != "proven" || proven.By != "dns" {
		t.Fatalf("proven: %+v", proven)
	}
	if !finds(c.who("hanna")) || !finds("nobody.at.all@ACME.test") || finds("hanna@eu.acme.test") {
		t.Error("the sign-in page does not find the company by its domain, or finds it by another one")
	}
	c.landed(b, c.signsIn(b, c.login(), c.who("hanna")), c.who("hanna"))
	if e := w.wantEvent("acme", "identity.linked", "domain"); e.Subject.ID != hanna.ID || c.member(c.who("hanna")).ID != hanna.ID {
		t.Errorf("linked by the domain: %+v, want %s", e, hanna.ID)
	}
	out, _, _ := w.run(nil, "export", "acme")
	if !strings.Contains(out, "domains: [acme.test]") {
		t.Errorf("the export has no domain:\n%s", out)
	}

	// One owner: a neighbour with the right record too is told that it is held, and not by whom.
	w.mustApply("workspace: beta\nname: Beta Ltd\n")
	var theirs domain
	w.gatehouse(&theirs, "domain", "add", "--workspace", "beta", "acme.test")
	dns.Set(claimed.Record.Name, []string{claimed.Record.Value}, []string{theirs.Record.Value})
	if _, said, code := w.run(nil, "domain", "verify", "--workspace", "beta", "acme.test"); code != 1 || !strings.Contains(said, "proven by another workspace") || strings.Contains(said, "acme Inc") {
		t.Errorf("a neighbour's proof: exit %d, %s", code, said)
	}
	if _, said, code := w.apply("workspace: beta\ndomains: [acme.test]\n"); code != 1 || !strings.Contains(said, "a domain has one owner") {
		t.Errorf("a neighbour's file: exit %d, %s", code, said)
	}
	var whose []domain
	w.gatehouse(&whose, "domain", "list", "--domain", "acme.test")
	if len(whose) != 2 || whose[0].Workspace != "acme" || whose[0].State != "proven" || whose[1].State != "pending" {
		t.Errorf("the operator is told %+v", whose)
	}
	w.mustApply("workspace: acme\nenforcement: {require_sso: domains, domains: [acme.test]}\n")

	// The record disappears.
	dns.Set(claimed.Record.Name)
	w.eventually("acme", "domain.record_missing")
	if !finds(c.who("hanna")) {
		t.Error("a warning took the domain away")
	}
	w.eventually("acme", "domain.lapsed")
	letters := func() (subjects string) {
		files, err := filepath.Glob(filepath.Join(mail, "*.eml"))
		w.must(err)
		for _, file := range files {
			text, err := os.ReadFile(file)
			w.must(err)
			for line := range strings.Lines(string(text)) {
				if strings.HasPrefix(line, "Subject: ") || strings.HasPrefix(line, "To: ") {
					subjects += line
				}
			}
		}
		return subjects
	}
	for late := time.After(time.Minute); !strings.Contains(letters(), "no longer proven"); {
		select {
		case <-late:
			t.Fatalf("the owners were not told: %s", letters())
		default:
		}
	}
	if got := letters(); !strings.Contains(got, "is missing") || strings.Contains(got, "hanna@") || !strings.Contains(got, "root@acme.test") {
		t.Errorf("letters: %s", got)
	}

	// Nobody is locked out: who was linked signs in, and the emergency way is open. Nobody comes in by an address alone.
	if finds(c.who("hanna")) {
		t.Error("the sign-in page still finds the company by the lapsed domain")
	}
	c.enter(c.who("hanna"))
	c.enter(c.who("jit"))
	b = w.newBrowser()
	c.refused(b, c.signsIn(b, c.login(), c.who("late")), "address_taken", "address_taken")
	b = w.newBrowser()
	if p := b.post(w.base+"/signin", url.Values{"workspace": {"acme"}, "email": {"root@acme.test"}, "password": {ownerPassword}, "emergency": {"1"}}, w.base); b.session().status != http.StatusOK {
		t.Errorf("emergency access: %d at %s", p.status, p.url)
	}
	var lapsed []domain
	w.gatehouse(&lapsed, "domain", "list", "--workspace", "acme")
	if len(lapsed) != 1 || lapsed[0].State != "lapsed" || lapsed[0].Record.Value != claimed.Record.Value {
		t.Errorf("lapsed: %+v", lapsed)
	}

	// The same record proves it again.
	dns.Set(claimed.Record.Name, []string{claimed.Record.Value})
	w.gatehouse(&proven, "domain", "verify", "--workspace", "acme", "acme.test")
	if proven.State != "proven" || !finds(c.who("hanna")) {
		t.Errorf("proven again: %+v", proven)
	}
	b = w.newBrowser()
	c.landed(b, c.signsIn(b, c.login(), c.who("late")), c.who("late"))
	w.gatehouse(nil, "domain", "remove", "--workspace", "acme", "acme.test")
	if finds(c.who("hanna")) {
		t.Error("a removed domain finds the company")
	}
	c.enter(c.who("late"))
}

// eventually waits for an event.
func (w *world) eventually(slug, kind string) event {
	w.t.Helper()
	for late := time.After(time.Minute); ; {
		for _, e := range w.events(slug) {
			if e.Type == kind {
				return e
			}
		}
		select {
		case <-late:
			w.t.Fatalf("there is no event %s after a minute", kind)
		default:
		}
	}
}
