//go:build accept

package acceptance

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// simpleSAMLphp is where Debian puts the pages of SimpleSAMLphp.
const simpleSAMLphp = "/usr/share/simplesamlphp/www"

// TestPeer_SimpleSAMLphp signs people in through the login page of an identity provider written by
// others, which has read Gatehouse's metadata itself.
func TestPeer_SimpleSAMLphp(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		idp := w.peerIdP()
		connection := idp.connect("acme", "")
		var ada member
		for _, sign := range []string{"response and assertion", "assertion", "response"} {
			idp.sign(strings.Contains(sign, "response"), strings.Contains(sign, "assertion"))
			for way, begin := range map[string]string{
				"from Gatehouse": connection.signIn(w),
				"from the tile":  idp.tile(connection, "/w/acme"),
			} {
				b := w.newBrowser()
				login := b.fetch(http.MethodGet, begin)
				if again := b.submit(login, "password", "username", "ada", "password", "wrong"); again.field("SAMLResponse") != "" {
					t.Fatalf("the IdP answers for a wrong password:\n%s", again.text)
				}
				landed := b.passOn(b.submit(idp.signIn(b, login), "SAMLResponse"))
				s := b.session()
				if s.status != http.StatusOK || s.Workspace != "acme" || s.Method != "saml" || s.Member.Email != "ada@acme.test" || s.Member.Role != "Admin" {
					t.Fatalf("%s signed, %s: the session says %+v at %s, which answered %d:\n%.2000s", sign, way, s, landed.url, landed.status, landed.text)
				}
				got := w.wantMember("acme", "ada@acme.test", "active", "Admin")
				if ada.ID == "" {
					ada = got
				}
				if got.ID != ada.ID || got.Name != "Ada Lovelace" {
					t.Errorf("%s signed, %s: signed in as %+v, before as %+v", sign, way, got, ada)
				}
			}
		}
		w.wantEvent("acme", "signin.succeeded", "")

		// The IdP's own answer, changed and repeated; the same answer untouched is the control.
		idp.sign(true, true)
		b := w.newBrowser()
		answer := idp.signIn(b, b.fetch(http.MethodGet, idp.tile(connection, "/w/acme")))
		raw, err := base64.StdEncoding.DecodeString(answer.field("SAMLResponse"))
		w.must(err)
		forged := bytes.ReplaceAll(raw, []byte("ada@acme.test"), []byte("root@acme.test"))
		if bytes.Equal(forged, raw) {
			t.Fatalf("the answer has no address:\n%s", raw)
		}
		refused := func(what, value, reason string) {
			t.Helper()
			stranger := w.newBrowser()
			if got := stranger.passOn(stranger.submit(answer, "SAMLResponse", "SAMLResponse", value)); got.status < 400 || got.status > 499 || stranger.session().status != http.StatusUnauthorized {
				t.Errorf("%s is answered %d:\n%.2000s", what, got.status, got.text)
			}
			w.wantEvent("acme", "signin.refused", reason)
		}
		refused("a forged answer", base64.StdEncoding.EncodeToString(forged), "signature_invalid")
		b.passOn(b.submit(answer, "SAMLResponse"))
		if s := b.session(); s.Member.ID != ada.ID {
			t.Fatalf("the answer that was forged is not accepted untouched: %+v", s)
		}
		refused("a repeated answer", answer.field("SAMLResponse"), "replayed")
	}, "--allow-private-networks") // the peers are on this machine
}

// TestPeer_SimpleSAMLphpEncryptsAndChecksRequests has the same identity provider refuse requests that our key did not
// sign, and encrypt its answers for the certificate in our metadata. This one encrypts by AES-CBC and nothing else, which
// is refused before it is allowed.
func TestPeer_SimpleSAMLphpEncryptsAndChecksRequests(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		idp := w.peerIdP()
		idp.write("options.json", map[string]bool{"validate.authnrequest": true, "assertion.encryption": true, "saml20.sign.response": true, "saml20.sign.assertion": true})
		answers := func(c peerConnection) (*browser, page) {
			t.Helper()
			b := w.newBrowser()
			answer := idp.signIn(b, b.fetch(http.MethodGet, c.signIn(w)))
			raw, err := base64.StdEncoding.DecodeString(answer.field("SAMLResponse"))
			w.must(err)
			if !bytes.Contains(raw, []byte("EncryptedAssertion")) || !bytes.Contains(raw, []byte("-cbc")) || bytes.Contains(raw, []byte("ada@acme.test")) {
				t.Fatalf("the answer is not encrypted:\n%s", raw)
			}
			return b, answer
		}
		idp.more = ", sign_requests: yes, encryption: on"
		b, answer := answers(idp.connect("acme", ""))
		if got := b.passOn(b.submit(answer, "SAMLResponse")); !got.failed() || b.session().status != http.StatusUnauthorized {
			t.Errorf("AES-CBC is answered %d at %s:\n%.2000s", got.status, got.url, got.text)
		}
		w.wantEvent("acme", "signin.refused", "encryption_algorithm")
		idp.more = ", sign_requests: yes, encryption: cbc"
		connection := idp.connect("acme", "")
		b, answer = answers(connection)
		landed := b.passOn(b.submit(answer, "SAMLResponse"))
		if s := b.session(); s.status != http.StatusOK || s.Member.Email != "ada@acme.test" || s.Member.Role != "Admin" {
			t.Fatalf("the session says %+v at %s, which answered %d:\n%.2000s", s, landed.url, landed.status, landed.text)
		}

		// The IdP does check: the same request with another signature leads to no login page.
		stranger := w.newBrowser()
		stranger.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		res, err := stranger.Get(connection.signIn(w))
		w.must(err)
		w.must(res.Body.Close())
		address, err := url.Parse(res.Header.Get("Location"))
		w.must(err)
		for signed, want := range map[bool]bool{true: true, false: false} {
			q := address.Query()
			if !signed {
				q.Del("Signature")
				q.Del("SigAlg")
			}
			to := *address
			to.RawQuery = q.Encode()
			if signed {
				to.RawQuery = address.RawQuery
			}
			if got := w.newBrowser().fetch(http.MethodGet, to.String()); strings.Contains(got.text, `name="password"`) != want {
				t.Errorf("signed %t: the IdP answers %d at %s:\n%.2000s", signed, got.status, got.url, got.text)
			}
		}
	}, "--allow-private-networks") // the peers are on this machine
}

// TestPeer_SimpleSAMLphpReplacesItsKey has the same identity provider announce a new key and switch to it, and then
// replace it with no notice: where Gatehouse knows the address of its metadata nobody notices.
func TestPeer_SimpleSAMLphpReplacesItsKey(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		idp := w.peerIdP()
		connection := idp.connect("acme", "")
		enter := func(when string) {
			t.Helper()
			b := w.newBrowser()
			landed := b.passOn(b.submit(idp.signIn(b, b.fetch(http.MethodGet, connection.signIn(w))), "SAMLResponse"))
			if s := b.session(); s.status != http.StatusOK || s.Member.Email != "ada@acme.test" {
				t.Fatalf("%s: the session says %+v at %s, which answered %d:\n%.2000s", when, s, landed.url, landed.status, landed.text)
			}
		}
		enter("before")
		address := idp.base + "/saml2/idp/metadata.php"
		var k shownMetadata
		w.gatehouse(&k, "connection", "metadata", "import", "acme", "peer", "--url", address)
		w.gatehouse(&k, "connection", "metadata", "import", "acme", "peer", "--url", address, "--plan", k.Plan.Word)
		states := func() (words []string) {
			t.Helper()
			var shown shownMetadata
			w.gatehouse(&shown, "connection", "metadata", "refresh", "acme", "peer")
			for _, c := range shown.Connection.IdP.Certificates {
				words = append(words, c.State)
			}
			slices.Sort(words)
			return words
		}
		idp.writeKeyAs("next")
		if got := states(); !slices.Equal(got, []string{"active", "staged"}) {
			t.Fatalf("a key that is announced: %v", got)
		}
		enter("announced")
		for _, end := range []string{".key", ".crt"} {
			w.must(os.Rename(filepath.Join(idp.dir, "next"+end), filepath.Join(idp.dir, "idp"+end)))
		}
		enter("switched")
		if got := states(); !slices.Equal(got, []string{"active", "retiring"}) {
			t.Errorf("after the switch: %v", got)
		}
		idp.writeKey()
		enter("replaced with no notice")
		w.wantEvent("acme", "connection.idp_key.promoted", "signed_in")

		// Without the address the refusal names the certificate.
		w.gatehouse(&k, "connection", "metadata", "forget", "acme", "peer")
		print := idp.writeKey()
		b := w.newBrowser()
		if got := b.passOn(b.submit(idp.signIn(b, b.fetch(http.MethodGet, connection.signIn(w))), "SAMLResponse")); !got.failed() || b.session().status != http.StatusUnauthorized {
			t.Fatalf("an unknown key is answered %d at %s", got.status, got.url)
		}
		if e := w.wantEvent("acme", "signin.refused", "unknown_key"); !strings.Contains(string(e.Payload), print) {
			t.Errorf("the event does not name %s: %s", print, e.Payload)
		}
	}, "--allow-private-networks") // the peers are on this machine
}

// TestPeer_chain has others at both ends: openid-client asks Gatehouse, Gatehouse asks SimpleSAMLphp,
// and the person who chooses the one and types a password at the other is in the application.
func TestPeer_chain(t *testing.T) {
	folder := npmInstall(t, "relying-party", "client.mjs")
	story(t, func(t *testing.T, w *world) {
		rp, idp := w.relyingParty(folder), w.peerIdP()
		rp.configure(idp.connect("acme", rp.application()).applied)
		rp.wait("discovered")
		b := w.newBrowser()
		asked := b.fetch(http.MethodGet, b.fetch(http.MethodGet, rp.url+"/login").way())
		s := rp.answer(b.passOn(b.submit(idp.signIn(b, asked), "SAMLResponse")))
		rp.wantPerson(s, w.wantMember("acme", "ada@acme.test", "active", "Admin"))

		w.gatehouse(nil, "member", "deactivate", "ada@acme.test", "--workspace", "acme")
		if out := rp.wait("logged_out"); out.Claims["sid"] != s.Claims["sid"] {
			t.Errorf("the logout token says %v, want the session of %v", out.Claims, s.Claims)
		}
		// The IdP still knows her; Gatehouse does not let her in again.
		back := b.fetch(http.MethodGet, b.fetch(http.MethodGet, rp.url+"/login").way())
		if back = b.passOn(b.submit(back, "SAMLResponse")); !back.failed() || back.fact("Code") != "account_deactivated" || b.session().status != http.StatusUnauthorized {
			t.Errorf("somebody who is out is answered %d at %s:\n%.2000s", back.status, back.url, back.text)
		}
	}, "--allow-private-networks") // the peers are on this machine
}

// peerIdP is SimpleSAMLphp in PHP's own web server, as testdata/peers/simplesamlphp sets it up.
type peerIdP struct {
	w         *world
	base, dir string
	more      string // of the connection in the apply file
}

// peerIdP starts it on localhost, which for a browser is another site than Gatehouse's 127.0.0.1.
func (w *world) peerIdP() *peerIdP {
	w.t.Helper()
	if _, err := os.Stat(simpleSAMLphp); err != nil {
		w.t.Fatalf("SimpleSAMLphp is missing, make accept installs it: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	w.must(err)
	w.must(l.Close())
	p := &peerIdP{w: w, base: "http://localhost:" + port, dir: w.t.TempDir()}
	for _, folder := range []string{"sessions", "tmp"} {
		w.must(os.Mkdir(filepath.Join(p.dir, folder), 0o700))
	}
	p.writeKey()
	p.write("people.json", map[string]any{
		"ada:analytical": map[string][]string{"uid": {"ada"}, "email": {"ada@acme.test"}, "firstName": {"Ada"}, "lastName": {"Lovelace"}, "groups": {"Engineers", "Peer-Admins"}},
	})
	p.sign(true, true)

	config, err := filepath.Abs(filepath.Join("testdata", "peers", "simplesamlphp"))
	w.must(err)
	// Notices of a PHP that is newer than SimpleSAMLphp go to the log, not into its pages.
	cmd := exec.Command("php", "-d", "display_errors=0", "-d", "error_reporting=E_ALL & ~E_DEPRECATED", "-S", "127.0.0.1:"+port, "-t", simpleSAMLphp)
	cmd.Env = append(cleanEnv(), "SIMPLESAMLPHP_CONFIG_DIR="+config, "PEER_BASE="+p.base, "PEER_DIR="+p.dir, "PEER_SALT="+rand.Text())
	said, err := cmd.StderrPipe()
	w.must(err)
	w.must(cmd.Start())
	log, started, ended := &lockedBuffer{}, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ready := false
		for lines := bufio.NewScanner(said); lines.Scan(); {
			fmt.Fprintln(log, lines.Text())
			if !ready && strings.Contains(lines.Text(), "started") {
				ready = true
				close(started)
			}
		}
		_ = cmd.Wait() // it is killed
	}()
	w.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if w.t.Failed() {
			w.t.Logf("the identity provider's log:\n%s", log.tail(4000))
		}
	})
	select {
	case <-started:
	case <-ended:
		w.t.Fatalf("the identity provider ended at once:\n%s", log)
	case <-time.After(30 * time.Second):
		w.t.Fatalf("the identity provider is not ready after 30 s:\n%s", log)
	}
	return p
}

// peerConnection is a connection of Gatehouse to the IdP.
type peerConnection struct {
	id, entityID string
	applied      applied
}

func (c peerConnection) signIn(w *world) string { return w.base + "/auth/saml/" + c.id + "/login" }

// connect introduces the two to each other as two administrators do: a draft shows Gatehouse's
// metadata, the IdP reads it, and the IdP's metadata makes the connection active.
func (p *peerIdP) connect(slug, more string) peerConnection {
	w := p.w
	w.t.Helper()
	file := func(connection string) string {
		return fmt.Sprintf(`workspace: %[1]s
name: %[1]s Inc
domains: [%[1]s.test]
owners:
  - {email: root@%[1]s.test, password_env: ROOT_PASSWORD, break_glass: true}
role_mappings:
  - {connection: peer, group: Peer-Admins, role: Admin}
connections:
  - {name: peer, provider: generic, protocol: saml, %[2]s}
%[3]s`, slug, connection, more)
	}
	applied := w.mustApply(file("status: draft" + p.more))
	draft := applied.Connections[0]
	w.must(os.WriteFile(filepath.Join(p.dir, "sp.xml"), p.get(draft.MetadataURL), 0o600))
	w.must(os.WriteFile(filepath.Join(w.dir, "idp.xml"), p.get(p.base+"/saml2/idp/metadata.php"), 0o600))
	w.mustApply(file("status: active, metadata_file: idp.xml, idp_initiated: yes, " +
		"attributes: {email: email, firstName: firstName, lastName: lastName, groups: groups}" + p.more))
	return peerConnection{id: draft.ID, entityID: draft.EntityID, applied: applied}
}

func (p *peerIdP) get(address string) []byte {
	p.w.t.Helper()
	res, err := http.Get(address)
	p.w.must(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	p.w.must(err)
	if res.StatusCode != http.StatusOK {
		p.w.t.Fatalf("%s: %s\n%s", address, res.Status, text)
	}
	return text
}

// sign says what the IdP signs from now on.
func (p *peerIdP) sign(response, assertion bool) {
	p.w.t.Helper()
	p.write("options.json", map[string]bool{"saml20.sign.response": response, "saml20.sign.assertion": assertion})
}

// tile is the address that the IdP's portal has for the application.
func (p *peerIdP) tile(c peerConnection, relayState string) string {
	return p.base + "/saml2/idp/SSOService.php?" + url.Values{"spentityid": {c.entityID}, "RelayState": {relayState}}.Encode()
}

// signIn fills in the IdP's login page and returns the page that posts the answer.
func (p *peerIdP) signIn(b *browser, login page) page {
	p.w.t.Helper()
	if !strings.HasPrefix(login.url.String(), p.base) {
		p.w.t.Fatalf("at %s with %d, want the IdP's login page:\n%.2000s", login.url, login.status, login.text)
	}
	answer := b.submit(login, "password", "username", "ada", "password", "analytical")
	if answer.field("SAMLResponse") == "" {
		p.w.t.Fatalf("the IdP does not sign in, %d at %s:\n%s", answer.status, answer.url, answer.text)
	}
	return answer
}

func (p *peerIdP) write(name string, value any) {
	p.w.t.Helper()
	text, err := json.Marshal(value)
	p.w.must(err)
	p.w.must(os.WriteFile(filepath.Join(p.dir, name), text, 0o600))
}

func (p *peerIdP) writeKey() string { return p.writeKeyAs("idp") }

// writeKeyAs makes a key of that name and returns the fingerprint of its certificate.
func (p *peerIdP) writeKeyAs(name string) string {
	p.w.t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	p.w.must(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "peer"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	p.w.must(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	p.w.must(err)
	for file, block := range map[string]*pem.Block{name + ".key": {Type: "PRIVATE KEY", Bytes: private}, name + ".crt": {Type: "CERTIFICATE", Bytes: certificate}} {
		p.w.must(os.WriteFile(filepath.Join(p.dir, file), pem.EncodeToMemory(block), 0o600))
	}
	return fmt.Sprintf("%x", sha256.Sum256(certificate))
}

// field is the value of a field of the page, "" when there is none.
func (p page) field(name string) string {
	form := p.form(name)
	if form == nil {
		return ""
	}
	return fields(form).Get(name)
}
