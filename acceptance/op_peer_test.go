//go:build accept

package acceptance

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestPeer_oidc_provider signs people in, in Chromium, through the pages of an OpenID provider that others wrote: with a secret and by
// private_key_jwt, by PKCE that it demands, over changes of its keys, and out again from either side.
func TestPeer_oidc_provider(t *testing.T) {
	folder := npmInstall(t, "openid-provider", "provider.mjs")
	story(t, func(t *testing.T, w *world) {
		op := w.openidProvider(folder)
		key := op.wait("listening").Kid
		begin := func(slug string) string { return w.base + "/auth/oidc/" + op.connections[slug] + "/login" }

		// By the secret, over its own login page and its consent.
		ada := newPerson(t)
		tab := op.signIn(ada, begin("acme"), "Ada.Lovelace", w.base+"/w/acme")
		tab.wantText("main", "Ada Lovelace", "ada.lovelace@partner.test")
		w.wantMember("acme", "ada.lovelace@partner.test", "active", "Admin") // by the groups that userinfo has
		// At the connection of another workspace by the key that our own discovery publishes.
		beta := op.signIn(newPerson(t), begin("beta"), "Ada.Lovelace", w.base+"/w/beta")
		beta.wantText("main", "Ada Lovelace")

		// A new key signs at once.
		op.do(map[string]any{"rotate": true})
		rotated := op.wait("rotated").Kid
		if rotated == key {
			t.Fatal("the key did not change")
		}
		op.signIn(newPerson(t), begin("acme"), "Grace.Hopper", w.base+"/w/acme").wantText("main", "Grace Hopper")

		// She signs out here, and then there: the IdP is told which session it was, asks, and leads back.
		tab.visit(w.base + "/signout")
		tab.follow(`form[action="/signout"] button`, op.issuer+"/session/end")
		if n := w.sessions("acme", "ada.lovelace@partner.test"); n != 0 {
			t.Errorf("%d sessions are left here before the IdP was asked", n)
		}
		tab.follow(`button[value="yes"]`, w.base+"/signin")
		if told := op.wait("told"); told.Status != http.StatusOK { // though it had ended here by then
			t.Errorf("the logout token was answered %d at %s", told.Status, told.URL)
		}
		if n := w.sessions("beta", "ada.lovelace@partner.test"); n != 1 {
			t.Errorf("%d sessions at the other workspace, to whom nobody said anything", n)
		}

		// She signs out at the IdP alone: the open page here says so.
		tab = op.signIn(ada, begin("acme"), "Ada.Lovelace", w.base+"/w/acme")
		there := op.open(ada, op.issuer+"/session/end")
		there.follow(`button[value="yes"]`, op.issuer+"/session/end/success")
		if told := op.wait("told"); told.Status != http.StatusOK {
			t.Errorf("the logout token was answered %d", told.Status)
		}
		tab.see(`#main a[href^="/signin"]`)
		if n := w.sessions("acme", "ada.lovelace@partner.test"); n != 0 {
			t.Errorf("%d sessions after the IdP's word", n)
		}
		// The key before is gone from there.
		op.do(map[string]any{"forget": true})
		op.wait("forgotten")
		op.signIn(newPerson(t), begin("acme"), "Mary.Keller", w.base+"/w/acme").wantText("main", "Mary Keller")
	}, "--allow-private-networks") // the peers are on this machine
}

// sessions counts the live sessions of a member.
func (w *world) sessions(slug, who string) int {
	w.t.Helper()
	var list []struct{ ID string }
	w.gatehouse(&list, "session", "list", who, "--workspace", slug)
	return len(list)
}

// openidProvider is the program of testdata/peers/openid-provider with one client for each of two workspaces.
type openidProvider struct {
	w           *world
	issuer      string
	connections map[string]string // by workspace
	in          io.WriteCloser
	log         *lockedBuffer

	mu      sync.Mutex
	steps   []providerStep
	changed chan struct{}
}

type providerStep struct {
	Step, Kid, Path, URL, Error, Detail string
	Status                              int
}

// openidProvider introduces the two to each other: drafts show our addresses, the provider is started with them, and its issuer makes the
// connections active.
func (w *world) openidProvider(folder string) *openidProvider {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	port := l.Addr().(*net.TCPAddr).Port
	w.must(l.Close())
	op := &openidProvider{w: w, issuer: fmt.Sprintf("http://localhost:%d", port), connections: map[string]string{}, log: &lockedBuffer{}, changed: make(chan struct{})}
	w.must(os.WriteFile(filepath.Join(w.dir, "secret.txt"), []byte("s3cret:of/the=peer"), 0o600))
	file := func(slug, more string) string {
		auth := "client_secret_file: secret.txt"
		if slug == "beta" {
			auth = "client_auth: private_key_jwt"
		}
		return "workspace: " + slug + "\nrole_mappings:\n  - {connection: peer, group: Peer-Admins, role: Admin}\nconnections:\n  - {name: peer, provider: generic, protocol: oidc, client_id: " + slug + ", " + auth + more + "}\n"
	}
	var clients []map[string]any
	for _, slug := range []string{"acme", "beta"} {
		id := w.mustApply(file(slug, ", status: draft")).Connections[0].ID
		op.connections[slug] = id
		client := map[string]any{"client_id": slug, "redirect_uris": []string{w.base + "/auth/oidc/callback"}, "post_logout_redirect_uris": []string{w.base + "/signin"},
			"backchannel_logout_uri": w.base + "/auth/oidc/" + id + "/backchannel-logout", "backchannel_logout_session_required": true,
			"client_secret": "s3cret:of/the=peer", "token_endpoint_auth_method": "client_secret_basic"}
		if slug == "beta" {
			delete(client, "client_secret")
			client["token_endpoint_auth_method"], client["jwks_uri"] = "private_key_jwt", w.base+"/oauth2/jwks"
		}
		clients = append(clients, client)
	}
	op.start(folder)
	op.do(map[string]any{"issuer": op.issuer, "port": port, "clients": clients, "conform": false})
	op.wait("listening", true)
	for slug := range op.connections {
		w.mustApply(file(slug, ", status: active, logout: yes, issuer: '"+op.issuer+"'"))
	}
	return op
}

// start runs the program by the Node.js of its own folder; it ends when its input is closed, so with the tests at the latest.
func (op *openidProvider) start(folder string) {
	w := op.w
	w.t.Helper()
	arch := map[string]string{"amd64": "x64"}[runtime.GOARCH]
	if arch == "" {
		arch = runtime.GOARCH
	}
	cmd := exec.Command(filepath.Join(folder, "node_modules", "node-linux-"+arch, "bin", "node"), "provider.mjs")
	cmd.Dir, cmd.Stderr = folder, op.log
	var err error
	op.in, err = cmd.StdinPipe()
	w.must(err)
	out, err := cmd.StdoutPipe()
	w.must(err)
	w.must(cmd.Start())
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			fmt.Fprintln(op.log, lines.Text())
			var s providerStep
			if json.Unmarshal(lines.Bytes(), &s) == nil {
				op.note(s)
			}
		}
		op.note(providerStep{Step: "ended"})
	}()
	w.t.Cleanup(func() {
		_ = op.in.Close()
		<-read
		if err := cmd.Wait(); err != nil {
			w.t.Errorf("the OpenID provider ended with %v", err)
		}
		if w.t.Failed() {
			w.t.Logf("the OpenID provider said:\n%s", op.log.tail(4000))
		}
	})
}

func (op *openidProvider) note(s providerStep) {
	op.mu.Lock()
	defer op.mu.Unlock()
	op.steps = append(op.steps, s)
	close(op.changed)
	op.changed = make(chan struct{})
}

// do sends a command.
func (op *openidProvider) do(command any) {
	op.w.t.Helper()
	op.w.must(json.NewEncoder(op.in).Encode(command))
}

// wait returns the first step of that name and takes it out; with keep it stays for the next who asks.
func (op *openidProvider) wait(name string, keep ...bool) providerStep {
	op.w.t.Helper()
	late := time.After(30 * time.Second)
	for {
		op.mu.Lock()
		i := slices.IndexFunc(op.steps, func(s providerStep) bool { return s.Step == name || s.Step == "ended" || s.Step == "failed" })
		var s providerStep
		if i >= 0 {
			if s = op.steps[i]; len(keep) == 0 {
				op.steps = slices.Delete(op.steps, i, i+1)
			}
		}
		changed := op.changed
		op.mu.Unlock()
		switch {
		case i >= 0 && s.Step == name:
			return s
		case i >= 0:
			op.w.t.Fatalf("the OpenID provider %s before it said %s: %s", s.Step, name, s.Error)
		}
		select {
		case <-changed:
		case <-late:
			op.w.t.Fatalf("the OpenID provider did not say %s within 30 s", name)
		}
	}
}

// open opens a tab at an address that ends up at the provider. Its pages ask for a font and an icon that are not there.
func (op *openidProvider) open(p *person, address string) *tab {
	p.t.Helper()
	tab := p.open("about:blank")
	tab.mayAnswer(http.StatusNotFound)
	tab.mu.Lock()
	tab.excused = append(tab.excused, "fonts.googleapis.com")
	tab.mu.Unlock()
	tab.arrive(op.issuer, func() { tab.visit(address) })
	return tab
}

// signIn signs somebody in by the pages of the provider, and wants to end at where.
func (op *openidProvider) signIn(p *person, address, who, where string) *tab {
	p.t.Helper()
	tab := op.open(p, address)
	tab.enter(`input[name="login"]`, strings.ToLower(who))
	tab.enter(`input[name="password"]`, "anything")
	tab.follow(`button[type="submit"]`, op.issuer+"/interaction")
	tab.follow(`button[type="submit"]`, where)
	return tab
}
