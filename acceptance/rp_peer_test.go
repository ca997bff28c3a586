//go:build accept

package acceptance

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// TestPeer_openid_client signs a provisioned person in to a host application whose relying party was
// written by others, and puts them out of it at the moment the IdP deprovisions them.
func TestPeer_openid_client(t *testing.T) {
	folder := npmInstall(t, "relying-party", "client.mjs")
	story(t, func(t *testing.T, w *world) {
		rp := w.relyingParty(folder)
		rp.configure(w.mustApply(workspace("acme", "omniflow", "") + rp.application()))
		metadata := rp.wait("discovered").Metadata
		for name, want := range map[string]any{
			"issuer": w.base, "supportsPKCE": true, "authorization_response_iss_parameter_supported": true,
			"backchannel_logout_supported": true, "backchannel_logout_session_supported": true,
		} {
			if metadata[name] != want {
				t.Errorf("discovery says %s %v, want %v", name, metadata[name], want)
			}
		}

		p := w.seeded(idpsim.Okta, "acme")
		agent := w.somebodyIn(p, "Omniflow-Agents")
		who := w.wantMember("acme", agent.UserName, "active", "Agent")
		b := w.signIn("acme", agent.UserName)

		first := rp.ask(b, http.MethodGet, "/login")
		rp.wantPerson(first, who)
		if !first.Refreshable || first.Header.Kid == "" || first.Claims["auth_time"] == nil || first.Claims["nonce"] == nil {
			t.Errorf("signed in with header %+v, refresh token %v, claims %v", first.Header, first.Refreshable, first.Claims)
		}
		sid, _ := first.Claims["sid"].(string)
		if sid == "" {
			t.Fatalf("the ID token names no session: %v", first.Claims)
		}
		if said := rp.ask(b, http.MethodGet, "/userinfo"); said.Claims["sub"] != who.ID || said.Claims["email"] != who.Email {
			t.Errorf("userinfo says %+v", said)
		}
		if said := rp.ask(b, http.MethodPost, "/introspect"); said.Claims["active"] != true || said.Claims["sub"] != who.ID {
			t.Errorf("introspection says %+v", said)
		}
		refreshed := rp.ask(b, http.MethodPost, "/refresh")
		if refreshed.Step != "refreshed" || !refreshed.Rotated || refreshed.Claims["sub"] != who.ID || refreshed.Claims["sid"] != sid {
			t.Errorf("refreshing says %+v", refreshed)
		}
		if again := rp.ask(b, http.MethodGet, "/login?prompt=none"); again.Step != "signed_in" || again.Claims["sid"] != sid {
			t.Errorf("the second sign-in says %+v, want the same session", again)
		}
		if stranger := rp.ask(w.newBrowser(), http.MethodGet, "/login?prompt=none"); stranger.Step != "refused" || stranger.Error != "login_required" {
			t.Errorf("prompt=none without a session says %+v", stranger)
		}
		if res := b.fetch(http.MethodGet, rp.url+"/login?redirect_uri="+rp.url+"/callback/elsewhere"); !res.failed() || !strings.HasPrefix(res.url.String(), w.base) {
			t.Errorf("an address that is not registered led to %s with %d, want a page of Gatehouse that refuses", res.url, res.status)
		}

		fired := time.Now()
		w.must(p.Deactivate(w.ctx(), agent.UserName))
		out := rp.wait("logged_out")
		t.Logf("out of the host application %s after the IdP began to deprovision", time.Since(fired).Round(time.Millisecond))
		if out.Claims["sid"] != sid || out.Ended != 2 || out.Header.Typ != "logout+jwt" {
			t.Errorf("the logout token %+v %v ended %d sessions, want both of %s", out.Header, out.Claims, out.Ended, sid)
		}
		if said := rp.ask(b, http.MethodGet, "/"); said.Step != "nobody" {
			t.Errorf("the host application still says %+v", said)
		}
		// What an application that ignores the logout could still do with its tokens: nothing.
		if said := rp.ask(b, http.MethodPost, "/refresh"); said.Error != "invalid_grant" {
			t.Errorf("refreshing after the end says %+v", said)
		}
		if said := rp.ask(b, http.MethodGet, "/userinfo"); said.Step != "refused" || said.Status != http.StatusUnauthorized {
			t.Errorf("userinfo after the end says %+v", said)
		}
		if said := rp.ask(b, http.MethodPost, "/introspect"); said.Claims["active"] != false {
			t.Errorf("introspection after the end says %+v", said)
		}
		if said := rp.ask(b, http.MethodGet, "/login?prompt=none"); said.Error != "login_required" {
			t.Errorf("signing in after the end says %+v", said)
		}
	}, "--allow-private-networks") // the peers are on this machine
}

// relyingParty is the program of testdata/peers/relying-party; what it prints arrives in steps.
type relyingParty struct {
	w     *world
	url   string
	in    io.WriteCloser
	steps chan step
	log   *lockedBuffer
}

// step is a line that the program prints, and the body of its answers.
type step struct {
	Step, URL            string
	Metadata, Claims     map[string]any
	Header               struct{ Alg, Kid, Typ string }
	Refreshable, Rotated bool
	Ended                int
	Error, Code, Message string
	Status               int
}

// npmInstall copies a program of testdata/peers and installs its pinned parts beside it.
func npmInstall(t *testing.T, peer, program string) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{program, "package.json", "package-lock.json"} {
		text, err := os.ReadFile(filepath.Join("testdata", "peers", peer, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci (make accept installs what it needs): %v\n%s", err, out)
	}
	return folder
}

// relyingParty starts the program; it ends when its input is closed, so with the tests at the latest.
func (w *world) relyingParty(folder string) *relyingParty {
	w.t.Helper()
	cmd := exec.Command("node", "client.mjs")
	cmd.Dir = folder
	in, err := cmd.StdinPipe()
	w.must(err)
	out, err := cmd.StdoutPipe()
	w.must(err)
	rp := &relyingParty{w: w, in: in, steps: make(chan step, 256), log: &lockedBuffer{}}
	cmd.Stderr = rp.log
	w.must(cmd.Start())
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(rp.steps)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			fmt.Fprintln(rp.log, lines.Text())
			var s step
			if json.Unmarshal(lines.Bytes(), &s) == nil {
				rp.steps <- s
			}
		}
	}()
	w.t.Cleanup(func() {
		_ = in.Close()
		<-read
		if err := cmd.Wait(); err != nil {
			w.t.Errorf("the relying party ended with %v", err)
		}
		if w.t.Failed() {
			w.t.Logf("the relying party said:\n%s", rp.log.tail(4000))
		}
	})
	rp.url = rp.wait("listening").URL
	return rp
}

// application is the part of a workspace's file that registers the program.
func (rp *relyingParty) application() string {
	return fmt.Sprintf("applications:\n  - {name: app, redirect_uris: [%[1]s/callback], backchannel_logout_uri: %[1]s/logout}\n", rp.url)
}

// configure tells the program its client as apply printed it.
func (rp *relyingParty) configure(got applied) {
	rp.w.t.Helper()
	if len(got.Applications) != 1 || got.Applications[0].Secret == "" {
		rp.w.t.Fatalf("apply printed no application with its secret: %+v", got.Applications)
	}
	rp.w.must(json.NewEncoder(rp.in).Encode(map[string]string{
		"issuer": rp.w.base, "client_id": got.Applications[0].ID, "client_secret": got.Applications[0].Secret,
	}))
}

// wait returns the next line of that step.
func (rp *relyingParty) wait(name string) step {
	rp.w.t.Helper()
	late := time.After(30 * time.Second)
	for {
		select {
		case s, ok := <-rp.steps:
			switch {
			case !ok:
				rp.w.t.Fatalf("the relying party ended before it said %s", name)
			case s.Step == name:
				return s
			case s.Step == "logout_refused" || s.Step == "refused" && name == "discovered":
				rp.w.t.Fatalf("the relying party refused: %+v", s)
			}
		case <-late:
			rp.w.t.Fatalf("the relying party did not say %s within 30 s", name)
		}
	}
}

// ask sends a request of a browser that must end at the program, and returns its answer.
func (rp *relyingParty) ask(b *browser, method, path string) step {
	rp.w.t.Helper()
	return rp.answer(b.fetch(method, rp.url+path))
}

func (rp *relyingParty) answer(p page) step {
	rp.w.t.Helper()
	var s step
	if !strings.HasPrefix(p.url.String(), rp.url) || json.Unmarshal([]byte(p.text), &s) != nil {
		rp.w.t.Fatalf("the way to the host application ended at %s with %d:\n%.2000s", p.url, p.status, p.text)
	}
	return s
}

// wantPerson checks who the ID token says has signed in.
func (rp *relyingParty) wantPerson(s step, who member) {
	rp.w.t.Helper()
	var groups []string
	list, _ := s.Claims["groups"].([]any)
	for _, g := range list {
		groups = append(groups, fmt.Sprint(g))
	}
	slices.Sort(groups)
	want := slices.Sorted(slices.Values(who.Groups))
	c := s.Claims
	if s.Step != "signed_in" || c["sub"] != who.ID || c["email"] != who.Email || c["workspace"] != "acme" || c["role"] != who.Role || !slices.Equal(groups, want) {
		rp.w.t.Fatalf("signing in says %+v, want %+v", s, who)
	}
}
