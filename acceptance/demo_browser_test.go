package acceptance

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// demo is "gatehouse demo" as a process of its own, with the addresses that it prints.
type demo struct {
	*world    // speaks to its server by the verbs
	Gatehouse string
	IdPs      string
	Product   string
	Mail      string
	Start     string
	Member    string
	DataDir   string `json:"data_dir"`
}

func startDemo(t *testing.T) *demo {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "demo", "--listen", "127.0.0.1:0", "--output", "json")
	cmd.Env = cleanEnv()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	log := &lockedBuffer{}
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d := &demo{}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGINT) // it may have ended by itself
		late := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
		defer late.Stop()
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Logf("the demonstration ended with %v and said:\n%s", err, log.tail(4000))
		}
		if strings.Contains(log.String(), "DATA RACE") {
			t.Errorf("data race in the demonstration:\n%s", log.tail(6000))
		}
	})
	if err := json.NewDecoder(stdout).Decode(d); err != nil {
		t.Fatalf("the demonstration printed no JSON: %v\n%s", err, log.tail(4000))
	}
	d.world = &world{t: t, binary: path, dir: d.DataDir, base: d.Gatehouse, log: log}
	return d
}

// What the demonstration promises to whoever clicks through it, at both IdPs' pages.
func TestBrowser_TheDemonstrationInChromium(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	t.Run("whoever is fired in the IdP is told by every open page", func(t *testing.T) { t.Parallel(); d.firing(t) })
	t.Run("the tile signs in, and a sign-out ends it everywhere", func(t *testing.T) { t.Parallel(); d.tile(t) })
	t.Run("every page works without script", func(t *testing.T) { t.Parallel(); d.withoutScript(t) })
	t.Run("a broken answer is refused with its reason and nothing starts again", func(t *testing.T) { t.Parallel(); d.broken(t) })
}

// firing: F16, F19, F26 and V21 of the guides. Sign-in begins at the product, the sessions end at the IdP.
func (d *demo) firing(t *testing.T) {
	start := newPerson(t).open(d.Start)
	start.picture("start")
	zoe := newPerson(t)
	product := zoe.open(d.Product)
	product.picture("product-home")
	product.follow("#sign-in-acme", d.Gatehouse+"/signin")
	product.picture("signin-acme")
	product.follow(connectionButton, d.IdPs+"/okta/saml/sso")
	product.picture("idp-okta-signin")
	product.enter("#search", "zoë")
	product.follow("#search ~ button, label:has(#search) + button", d.IdPs+"/okta/saml/sso")
	before := product.seen()
	product.follow(userButton(d.Member), d.Product+"/")
	if n := product.asked(before, "POST", "/acs"); n != 2 {
		t.Errorf("the answer was posted %d times, want 2: from the IdP's site without our cookie, and once more from our own", n)
	}
	product.wantText("#member-role", "Admin")
	product.wantText("#member-groups", "Omniflow-Admins")
	product.wantText("#member-name", "Zoë Müller")
	product.see("#live[data-state=listening]")
	product.picture("product")
	zoe.wantCookies(product, d.Gatehouse)

	account := zoe.open(d.Gatehouse + "/w/acme")
	account.wantText("main", "Admin", "Omniflow-Admins", d.Member)
	account.picture("account")

	productAt, accountAt := product.seen(), account.seen()
	start.click("#fire")
	account.wantText("#main [role=alert] h1", "You have been signed out")
	product.wantText("#ended h1", "You were signed out")
	if ms := product.see("#ended-ms"); strings.Trim(ms, "0123456789.") != "" {
		t.Errorf("the product's page measures %q ms", ms)
	}
	start.wantText("#measure-text", "ms from the IdP's request until the open page said so")
	t.Logf("%s; the account's page said: %s", start.see("#measure-text"), account.see("[data-sentence]"))
	product.wantStill(productAt)
	account.wantStill(accountAt)
	product.picture("product-ended")
	account.picture("account-ended")
	start.picture("start-fired")

	account.follow("#main a.button", d.Gatehouse+"/signin")
	account.follow(connectionButton, d.IdPs+"/okta/saml/sso")
	account.see(userButton(d.Member) + "[disabled]")
	account.picture("idp-okta-deactivated")

	start.click("#rehire")
	start.see("#fire")
	account.visit(d.Gatehouse + "/signin?workspace=acme")
	account.follow(connectionButton, d.IdPs+"/okta/saml/sso")
	account.follow(userButton(d.Member), d.Gatehouse+"/w/acme")
	account.wantText("main", "Admin")
}

// tile: F15 of the guides, and sign-out from the product.
func (d *demo) tile(t *testing.T) {
	jose := newPerson(t)
	account := jose.open(d.IdPs + "/okta/dashboard/jose.garcia@acme.test")
	account.picture("idp-okta-dashboard")
	account.follow("#tile", d.Gatehouse+"/w/acme")
	account.wantText("main", "Supervisor", "Omniflow-Supervisors", "this one", "by okta")

	product := jose.open(d.Product + "/signin/acme")
	if n := product.asked([2]int{}, "GET", "/saml/sso"); n > 0 {
		t.Errorf("the IdP was asked again, though there was a session")
	}
	product.wantText("#member-role", "Supervisor")
	at := account.seen()
	product.follow("#sign-out", d.Product+"/signed-out")
	product.picture("product-signed-out")
	account.wantText("#main [role=alert] h1", "You have been signed out")
	account.wantStill(at)
}

// withoutScript: forms that go on by themselves have a button.
func (d *demo) withoutScript(t *testing.T) {
	b := newPerson(t).open(d.Gatehouse + "/signin")
	b.withoutScript()
	b.picture("signin")
	b.enter("#identifier", "acme")
	b.follow("form button", d.Gatehouse+"/signin")
	b.click("summary")
	b.follow("details a.button", d.Gatehouse+"/signin")
	b.picture("signin-emergency")
	b.follow("p.actions a", d.Gatehouse+"/signin")
	b.follow(connectionButton, d.IdPs+"/okta/saml/sso")
	b.follow(userButton("siobhan.obrien@acme.test"), d.IdPs+"/okta/saml/sso/as")
	b.picture("idp-okta-post")
	b.follow("#continue", d.Gatehouse+"/auth/saml/")
	b.picture("signin-onward")
	b.follow("form button", d.Gatehouse+"/w/acme")
	b.wantText("main", "Siobhán O'Brien", "Agent")
	b.visit(d.Gatehouse + "/signout")
	b.picture("signout")
	b.follow("form button", d.Gatehouse+"/signin")
}

// broken: what an Entra's switch breaks, after its people have been provisioned by the start page. The
// truth is told once a signature is verified, and not before: neither to an answer without one nor to the
// IdP's own refusal, which has none. The script of the demonstration plays all faults.
func (d *demo) broken(t *testing.T) {
	start := newPerson(t).open(d.Start)
	start.click("#sync")
	start.wantText("#sync-result", "25 people and 6 groups")
	start.do("wait for an invitation", chromedp.WaitVisible(chromedp.Search(`//ol[@id="events"]//code[text()="member.invited"]`)))
	start.follow("#link-mail", d.Mail)
	start.picture("mail")
	start.follow("#messages a", d.Mail)
	start.picture("mail-message")

	b := newPerson(t).open(d.Gatehouse + "/signin")
	b.enter("#identifier", "globex")
	b.follow("form button", d.Gatehouse+"/signin")
	b.follow(connectionButton, d.IdPs+"/entra/saml/sso")
	b.picture("idp-entra-signin")
	b.mayAnswer(403)
	for i, fault := range []struct{ name, says string }{
		{"clock_ahead_7m", "ahead of this server's clock; up to 5 min is accepted"},
		{"unsigned", "was not accepted"},
		{"denied", "was not accepted"},
	} {
		if i > 0 {
			b.follow("p.actions a.button", d.Gatehouse+"/signin")
			b.follow(connectionButton, d.IdPs+"/entra/saml/sso")
		}
		b.breaks(fault.name)
		before := b.seen()
		b.follow(userButton("ann.lee@globex.test"), d.Gatehouse+"/auth/saml/")
		b.wantText("h1", "Sign-in refused")
		b.wantText("[role=alert]", fault.says)
		b.picture("signin-refused-" + fault.name)
		if posts := b.asked(before, "POST", "/acs"); posts != 2 {
			t.Errorf("%s: the answer was posted %d times, want 2", fault.name, posts)
		}
		at := b.seen()
		shown := b.see("dd:nth-of-type(2) code")
		e := d.within(t).newest("globex", "signin.refused")
		if e.ID != shown {
			t.Errorf("%s: the page names the event %s, and the newest refusal is %s %s", fault.name, shown, e.ID, e.Reason)
		}
		b.wantStill(at)
		if n := b.count("#main script"); n > 0 {
			t.Errorf("%s: the refusal runs script", fault.name)
		}
	}

	b.follow("p.actions a.button", d.Gatehouse+"/signin")
	b.follow(connectionButton, d.IdPs+"/entra/saml/sso")
	b.breaks("clock_ahead_4m")
	b.follow(userButton("ann.lee@globex.test"), d.Gatehouse+"/w/globex")
	b.wantText("main", "Ann Lee", "Admin", "by entra")
}

// breaks sets what goes wrong, on an IdP's sign-in page.
func (b *tab) breaks(fault string) {
	b.t.Helper()
	if b.count("details.break[open]") == 0 {
		b.click("details.break summary")
	}
	b.choose("#fault", fault)
}

// newest is the newest event of a type.
func (w *world) newest(slug, typ string) event {
	w.t.Helper()
	events := w.events(slug)
	for _, e := range slices.Backward(events) {
		if e.Type == typ {
			return e
		}
	}
	w.t.Fatalf("no event %s among %d", typ, len(events))
	return event{}
}

// connectionButton is the first connection on Gatehouse's sign-in page.
const connectionButton = `a[href^="/auth/saml/"]`

// userButton is somebody on an IdP's sign-in page.
func userButton(user string) string { return fmt.Sprintf("button[data-user=%q]", user) }

// wantCookies holds that Gatehouse's cookies are out of script's reach and of other sites' posts.
func (p *person) wantCookies(b *tab, origin string) {
	p.t.Helper()
	got := valueOf(b, "list cookies", chromedp.Action[network.GetCookiesResult](func(ctx context.Context, target *chromedp.Target) (network.GetCookiesResult, error) {
		return cdp.Call(ctx, target, network.GetCookies, network.GetCookiesParams{URLs: []string{origin + "/", origin + "/auth/"}})
	}))
	if len(got.Cookies) == 0 {
		p.t.Error("Gatehouse has set no cookie")
	}
	for _, c := range got.Cookies {
		if !c.HTTPOnly || c.SameSite != network.CookieSameSiteLax {
			p.t.Errorf("cookie %s: HttpOnly %t, SameSite %q", c.Name, c.HTTPOnly, c.SameSite)
		}
	}
}

// withoutScript makes the tab one that runs no script.
func (b *tab) withoutScript() {
	b.t.Helper()
	b.do("switch script off", chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
	b.noScript = true
}
