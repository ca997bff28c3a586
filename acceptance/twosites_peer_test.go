//go:build accept

package acceptance

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"html"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty/oidctest"
	"github.com/gatehouse-id/gatehouse/internal/store/pgtest"
)

// Two sites: browsers take these for strangers to each other, as they do Gatehouse and an IdP of the real world.
const (
	ourName   = "gatehouse.house.test"
	theirName = "idp.elsewhere.test"
)

// TestPeer_nginx_between_two_sites signs people in and out, in Chromium, over TLS that nginx terminates, between two sites, so that it
// is the browser who decides which cookies go along: SAML's posted answer, OIDC's redirects and posted forms, a sign-in that the IdP
// begins, and a logout in a frame. nginx notes which requests came with cookies.
func TestPeer_nginx_between_two_sites(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]func(testing.TB) string{"sqlite": func(testing.TB) string { return "" }, "postgres": pgtest.DSN} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTwoSites(t, database(t))
			t.Run("saml_is_posted_across", s.samlIsPostedAcross)
			t.Run("oidc_leads_across", s.oidcLeadsAcross)
			t.Run("forms_of_another_site_do_nothing", s.formsOfAnotherSite)
		})
	}
}

// samlIsPostedAcross: the IdP's form arrives without a cookie of ours, the page that passes it on with both (S10, A39).
func (s *twoSites) samlIsPostedAcross(t *testing.T) {
	s = s.within(t)
	acs := "/auth/saml/" + s.saml.connection + "/acs"
	p := s.person(t)
	since := s.mark()
	tab := s.open(p, s.base+"/auth/saml/"+s.saml.connection+"/login", s.theirs+"/okta/saml/sso")
	tab.follow(userButton(s.saml.who("ann.lee")), s.base+"/w/acme")
	tab.wantText("main", "ann.lee@acme.test")
	// Two posts: by the other site's page without cookies, by ours with those that the browser had from before.
	s.wantPosts(since, acs, []passage{{"cross-site", ""}, {"same-origin", "__Host-gatehouse_browser"}})
	s.wantHostCookies(tab)

	// From the tile, which nobody asked for, with a session that is to be replaced.
	since = s.mark()
	tile := s.open(p, s.theirs+"/okta/dashboard/"+url.PathEscape(s.saml.who("ann.lee")), s.theirs+"/okta/dashboard")
	tile.follow("#tile", s.base+"/w/acme")
	tile.wantText("main", "ann.lee@acme.test")
	s.wantPosts(since, acs, []passage{{"cross-site", ""}, {"same-origin", "__Host-gatehouse_browser, __Host-gatehouse_session"}})
	if n := s.sessions("acme", "ann.lee@acme.test"); n != 1 {
		t.Errorf("%d sessions of a browser that signed in twice", n)
	}
}

// oidcLeadsAcross: a redirect brings the cookies along, a posted form does not and is passed on; the IdP begins a sign-in by a link
// and by a form; it ends one in a frame to which no cookie comes.
func (s *twoSites) oidcLeadsAcross(t *testing.T) {
	s = s.within(t)
	at := "/auth/oidc/" + s.oidc
	p := s.person(t)
	since := s.mark()
	tab := s.open(p, s.base+"/signin?workspace=globex", s.base+"/signin")
	tab.follow(`a[href^="/auth/oidc/"]`, s.base+"/w/globex")
	tab.wantText("main", "Bob Builder")
	s.wantPosts(since, "/auth/oidc/callback", []passage{{"cross-site", "__Host-gatehouse_browser"}}) // by way of the IdP
	s.wantHostCookies(tab)

	// Third-party-initiated login, by a link and by a form of the IdP's portal (OIDC Core section 4).
	for _, way := range []string{"#link", "#form button"} {
		portal := s.open(s.person(t), s.theirs+"/portal", s.theirs+"/portal")
		portal.follow(way, s.base+"/w/globex")
		portal.wantText("main", "Bob Builder")
	}

	// Logout in a frame of the IdP's page. Third-party cookies are blocked there.
	account := s.open(p, s.base+"/w/globex", s.base+"/w/globex")
	since = s.mark()
	there := p.open("about:blank")
	there.arrive(s.theirs+"/goodbye", func() { there.visit(s.theirs + "/goodbye") })
	account.wantText("#main [role=alert] h1", "You have been signed out")
	s.wantPosts(since, at+"/frontchannel-logout", []passage{{"cross-site", ""}})
	if n := s.sessions("globex", "bob@acme.test"); n != 0 {
		t.Errorf("%d sessions after the frame", n)
	}

	// The same with an answer that is posted (form_post).
	s.connectOIDC(", response_mode: form_post")
	since = s.mark()
	posted := s.open(s.person(t), s.base+"/signin?workspace=globex", s.base+"/signin")
	posted.follow(`a[href^="/auth/oidc/"]`, s.base+"/w/globex")
	posted.wantText("main", "Bob Builder")
	s.wantPosts(since, "/auth/oidc/callback", []passage{{"cross-site", ""}, {"same-origin", "__Host-gatehouse_browser"}})
}

// formsOfAnotherSite: a page of another site has the browser of somebody who is signed in post our forms; none of them does anything.
func (s *twoSites) formsOfAnotherSite(t *testing.T) {
	s = s.within(t)
	p := s.person(t)
	s.open(p, s.base+"/auth/saml/"+s.saml.connection+"/login", s.theirs+"/okta/saml/sso").follow(userButton(s.saml.who("ann.lee")), s.base+"/w/acme")
	before := s.sessions("acme", "ann.lee@acme.test")
	for _, form := range []string{"signout", "end-others", "signin"} {
		since := s.mark()
		evil := p.open("about:blank")
		evil.mayAnswer(http.StatusForbidden)
		evil.arrive(s.theirs+"/evil", func() { evil.visit(s.theirs + "/evil") })
		evil.follow("#"+form+" button", s.base)
		if got := s.passages(since, ""); len(got) == 0 || got[0].cookies != "" {
			t.Errorf("%s: the requests were %v", form, got)
		}
		if n := s.sessions("acme", "ann.lee@acme.test"); n != before {
			t.Errorf("%s: %d sessions, before %d", form, n, before)
		}
	}
}

// twoSites are Gatehouse at one site and IdPs at another, both behind one nginx.
type twoSites struct {
	*world
	theirs string // origin of the IdPs
	saml   *company
	oidc   string // connection
	idp    *oidctest.IdP
	log    string // nginx's, a line for each request
	root   context.Context
}

// authority is a CA made for the tests, with a certificate for both names. Chromium takes its key and no other.
var authority = sync.OnceValues(func() (made struct{ chain, key, pin string }, err error) {
	keys := make([]*ecdsa.PrivateKey, 2)
	for i := range keys {
		if keys[i], err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return made, err
		}
	}
	from, until := time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Acceptance"}, NotBefore: from, NotAfter: until, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: ourName}, DNSNames: []string{ourName, theirName}, NotBefore: from, NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, keys[0].Public(), keys[0])
	if err != nil {
		return made, err
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, keys[1].Public(), keys[0])
	if err != nil {
		return made, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(keys[1])
	if err != nil {
		return made, err
	}
	public, err := x509.MarshalPKIXPublicKey(keys[0].Public())
	if err != nil {
		return made, err
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	sum := sha256.Sum256(public)
	made.chain, made.key, made.pin = block("CERTIFICATE", leafDER)+block("CERTIFICATE", caDER), block("PRIVATE KEY", private), base64.StdEncoding.EncodeToString(sum[:])
	return made, nil
})

// chromiumOfTwoSites finds both names on this machine, takes the tests' CA, and blocks third-party cookies.
var chromiumOfTwoSites = sync.OnceValues(func() (context.Context, error) {
	ca, err := authority()
	if err != nil {
		return nil, err
	}
	return startChromium(chromedp.Flag("host-resolver-rules", "MAP "+ourName+" 127.0.0.1, MAP "+theirName+" 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.Flag("ignore-certificate-errors-spki-list", ca.pin), chromedp.Flag("test-third-party-cookie-phaseout", true))
})

func newTwoSites(t *testing.T, database string) *twoSites {
	t.Helper()
	root, err := chromiumOfTwoSites()
	if err != nil {
		t.Fatal(err)
	}
	free := func() (net.Listener, string) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l, l.Addr().String()
	}
	outer, front := free()
	door, address := free()
	sims, idps := free()
	for _, l := range []net.Listener{outer, door} {
		_ = l.Close() // others listen there
	}
	_, port, _ := net.SplitHostPort(front)
	s := &twoSites{theirs: "https://" + theirName + ":" + port, root: root}

	sim := idpsim.New(idpsim.Options{BaseURL: s.theirs})
	t.Cleanup(sim.Close)
	serveUntilEnd(t, sims, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.TLS = &tls.ConnectionState{} // which is nginx's
		sim.Handler().ServeHTTP(w, r)
	}))
	s.idp = oidctest.New(t)
	s.world = newWorldBehind(t, database, address, "https://"+ourName+":"+port, "--allow-private-networks", "--trusted-proxies", "127.0.0.1/32")
	s.nginx(front, address, idps, strings.TrimPrefix(s.idp.URL, "http://"))

	okta := sim.IdP(idpsim.Okta)
	s.saml = &company{w: s.world, slug: "acme", idp: okta}
	metadata, err := okta.SAMLMetadata()
	s.must(err)
	applied := s.mustApply("workspace: acme\nname: Acme Inc\nconnections:\n  - name: idp\n    provider: okta\n    protocol: saml\n    status: active\n    metadata: |\n" + indented(string(metadata), "      ")).Connections[0]
	s.saml.connection = applied.ID
	settings := okta.SAMLSettings()
	settings.ACSURL, settings.Audience = applied.ACSURL, applied.EntityID
	s.must(okta.ConfigureSAML(settings))
	s.saml.seed()

	s.must(os.WriteFile(filepath.Join(s.dir, "secret.txt"), []byte(s.idp.Secret), 0o600))
	s.idp.Do(func(idp *oidctest.IdP) {
		// Gatehouse finds it where it listens, browsers at its own name.
		idp.Document = func(d map[string]any) {
			d["authorization_endpoint"], d["end_session_endpoint"] = s.theirs+"/authorize", s.theirs+"/goodbye"
		}
	})
	s.oidc = s.connectOIDC("")
	s.pages()
	return s
}

func (s *twoSites) connectOIDC(more string) string {
	s.t.Helper()
	return s.mustApply("workspace: globex\nname: Globex\nconnections:\n  - {name: oidc, provider: generic, protocol: oidc, issuer: '" + s.idp.Issuer +
		"', client_id: gatehouse, client_secret_file: secret.txt, status: active, idp_initiated: yes" + more + "}\n").Connections[0].ID
}

// pages are those of the other site: a portal, a goodbye with a frame, and one that means ill.
func (s *twoSites) pages() {
	page := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprint(w, "<!doctype html><html lang=en><title>IdP</title><link rel=icon href=data:,><h1>IdP</h1>", body)
		}
	}
	at := s.base + "/auth/oidc/" + s.oidc
	q := url.Values{"iss": {s.idp.Issuer}, "target_link_uri": {s.base + "/w/globex"}}
	ended := url.Values{"iss": {s.idp.Issuer}, "sid": {"idp-session-of-sub-bob"}}
	form := func(id, action string, fields ...string) string {
		text := `<form id="` + id + `" method="post" action="` + html.EscapeString(s.base+action) + `">`
		for i := 0; i < len(fields); i += 2 {
			text += `<input type="hidden" name="` + fields[i] + `" value="` + html.EscapeString(fields[i+1]) + `">`
		}
		return text + "<button>Press</button></form>"
	}
	s.idp.Do(func(idp *oidctest.IdP) {
		idp.Raw = map[string]http.HandlerFunc{
			"/portal": page(`<a id="link" href="` + html.EscapeString(at+"/initiate?"+q.Encode()) + `">Globex</a>` +
				form("form", "/auth/oidc/"+s.oidc+"/initiate", "iss", s.idp.Issuer, "target_link_uri", s.base+"/w/globex")),
			"/goodbye": page(`<iframe src="` + html.EscapeString(at+"/frontchannel-logout?"+ended.Encode()) + `"></iframe>`),
			"/evil": page(form("signout", "/signout") + form("end-others", "/w/acme/sessions/end-others") +
				form("signin", "/signin", "workspace", "acme", "email", "root@acme.test", "password", ownerPassword)),
		}
	})
}

// nginx puts both sites behind TLS, and notes of each request where it came from and which cookies it brought.
func (s *twoSites) nginx(front, gatehouse, idps, oidc string) {
	s.t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		path = "/usr/sbin/nginx" // which is in the path of nobody but root
	}
	ca, err := authority()
	s.must(err)
	dir := s.t.TempDir()
	s.log = filepath.Join(dir, "access.log")
	for name, text := range map[string]string{"chain.pem": ca.chain, "key.pem": ca.key} {
		s.must(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	user := ""
	if os.Getuid() == 0 {
		user = "user root;"
	}
	proxy := func(to string) string {
		return "proxy_pass http://" + to + "; proxy_http_version 1.1; proxy_set_header Connection ''; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto https; proxy_buffering off; proxy_read_timeout 1h;"
	}
	config := user + `daemon off; worker_processes 1; pid ` + dir + `/nginx.pid; error_log stderr notice;
events {}
http {
  log_format seen '$host|$request_method|$uri|$http_sec_fetch_site|$http_cookie';
  access_log ` + s.log + ` seen;
  client_body_temp_path ` + dir + `/body; proxy_temp_path ` + dir + `/proxy; fastcgi_temp_path ` + dir + `/f; uwsgi_temp_path ` + dir + `/u; scgi_temp_path ` + dir + `/s;
  ssl_certificate ` + dir + `/chain.pem; ssl_certificate_key ` + dir + `/key.pem;
  server { listen ` + front + ` ssl; server_name ` + ourName + `; location / { ` + proxy(gatehouse) + ` } }
  server { listen ` + front + ` ssl; server_name ` + theirName + `;
    location ~ ^/(authorize|portal|goodbye|evil)$ { ` + proxy(oidc) + ` }
    location / { ` + proxy(idps) + ` } }
}
`
	s.must(os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(config), 0o600))
	cmd := exec.Command(path, "-p", dir, "-c", filepath.Join(dir, "nginx.conf"), "-e", "stderr")
	said, err := cmd.StderrPipe()
	s.must(err)
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("start nginx, which make accept installs: %v", err)
	}
	log, started, ended := &lockedBuffer{}, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ready := false
		for lines := bufio.NewScanner(said); lines.Scan(); {
			fmt.Fprintln(log, lines.Text())
			if !ready && strings.Contains(lines.Text(), "start worker process ") {
				ready = true
				close(started)
			}
		}
		_ = cmd.Wait() // it is told to quit
	}()
	s.t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		<-ended
		if s.t.Failed() {
			s.t.Logf("nginx said:\n%s", log.tail(2000))
		}
	})
	select {
	case <-started:
	case <-ended:
		s.t.Fatalf("nginx ended at once:\n%s", log)
	case <-time.After(30 * time.Second):
		s.t.Fatalf("nginx is not ready after 30 s:\n%s", log)
	}
}

func (s *twoSites) within(t *testing.T) *twoSites {
	inner := *s
	inner.world = s.world.within(t)
	return &inner
}

func (s *twoSites) person(t *testing.T) *person {
	t.Helper()
	return newPersonIn(t, s.root)
}

// open opens a tab at an address that ends up at where.
func (s *twoSites) open(p *person, address, where string) *tab {
	p.t.Helper()
	tab := p.open("about:blank")
	tab.arrive(where, func() { tab.visit(address) })
	return tab
}

// ours are the cookies that tell who it is.
var ours = []string{"__Host-gatehouse_browser", "__Host-gatehouse_session"}

// passage is a request as nginx saw it: where the browser says that it comes from, and which of our cookies it brought.
type passage struct{ site, cookies string }

// mark is how far nginx's log goes.
func (s *twoSites) mark() int {
	s.t.Helper()
	text, err := os.ReadFile(s.log)
	s.must(err)
	return len(text)
}

// passages are the requests to a path of Gatehouse since a mark; "" is for what is posted anywhere.
func (s *twoSites) passages(since int, path string) (list []passage) {
	s.t.Helper()
	text, err := os.ReadFile(s.log)
	s.must(err)
	for line := range strings.Lines(string(text[since:])) {
		f := strings.SplitN(strings.TrimSpace(line), "|", 5)
		if len(f) != 5 || f[0] != ourName || path != "" && f[2] != path || path == "" && f[1] != http.MethodPost {
			continue
		}
		var names []string
		for _, cookie := range strings.Split(f[4], "; ") {
			if name, _, _ := strings.Cut(cookie, "="); slices.Contains(ours, name) {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		list = append(list, passage{f[3], strings.Join(names, ", ")})
	}
	return list
}

func (s *twoSites) wantPosts(since int, path string, want []passage) {
	s.t.Helper()
	if got := s.passages(since, path); !slices.Equal(got, want) {
		s.t.Errorf("%s was asked for by %q, want %q", path, got, want)
	}
}

// wantHostCookies holds that every cookie of ours is bound to this host and to TLS, out of reach of scripts and of other sites' posts.
func (s *twoSites) wantHostCookies(b *tab) {
	s.t.Helper()
	got := valueOf(b, "list cookies", chromedp.Action[network.GetCookiesResult](func(ctx context.Context, target *chromedp.Target) (network.GetCookiesResult, error) {
		return cdp.Call(ctx, target, network.GetCookies, network.GetCookiesParams{URLs: []string{s.base + "/", s.base + "/auth/"}})
	}))
	var names []string
	for _, c := range got.Cookies {
		names = append(names, c.Name)
		if !strings.HasPrefix(c.Name, "__Host-") || !c.HTTPOnly || !c.Secure || c.SameSite != network.CookieSameSiteLax || c.Path != "/" || c.Domain != ourName {
			s.t.Errorf("the cookie %+v", c)
		}
	}
	for _, name := range ours {
		if !slices.Contains(names, name) {
			s.t.Errorf("no %s among %q", name, names)
		}
	}
}
