package acceptance

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty/oidctest"
)

// fifty is how often an answer is posted at once.
const fifty = 50

// TestStory_one_answer_posted_fifty_times_at_two_servers_signs_in_once: two processes share a database on PostgreSQL, one has it to
// itself on SQLite; an answer of either protocol counts once among them (A37).
func TestStory_one_answer_posted_fifty_times_at_two_servers_signs_in_once(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		doors := []string{w.base}
		if w.database != "" {
			doors = append(doors, w.second())
		}
		for name, a := range w.answerers() {
			first := a.fresh()
			if statuses := first.posted(doors, fifty, nil); statuses[http.StatusSeeOther] != 1 || statuses[http.StatusForbidden] != fifty-1 {
				t.Errorf("%s: answered %v by %d servers, want one sign-in", name, statuses, len(doors))
			}
			if n := a.sessions(); n != 1 {
				t.Errorf("%s: %d sessions", name, n)
			}
			again := first.posted(doors, len(doors), nil)
			if again[http.StatusForbidden] != len(doors) || a.sessions() != 1 {
				t.Errorf("%s: afterwards answered %v, and %d sessions", name, again, a.sessions())
			}
		}
	}, "--allow-private-networks")
}

// TestStory_a_killed_server_forgets_no_answer: the server is killed as by a power cut while the fifty are on their way. What was
// acknowledged holds, and of all that come afterwards no more than one signs in, however often (A37, SA23, law 10).
func TestStory_a_killed_server_forgets_no_answer(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		for name, a := range w.answerers() {
			for round := range 3 {
				before := a.sessions()
				answer := a.fresh()
				signedIn := make(chan struct{})
				var once sync.Once
				killed := make(chan struct{})
				go func() {
					defer close(killed)
					select {
					case <-signedIn: // at the first that is answered, with the others under way
					case <-time.After(time.Minute):
					}
					_ = w.process.Process.Kill() // kill -9
				}()
				statuses := answer.posted([]string{w.base}, fifty, func() { once.Do(func() { close(signedIn) }) })
				<-killed
				w.kill()
				w.start()
				acknowledged := statuses[http.StatusSeeOther]
				after := answer.posted([]string{w.base}, fifty, nil)
				total := a.sessions() - before
				if acknowledged > 1 || acknowledged+after[http.StatusSeeOther] > 1 || total > 1 || total < acknowledged {
					t.Errorf("%s, round %d: %v before the kill and %v after it, and %d sessions", name, round, statuses, after, total)
				}
				if after[http.StatusForbidden]+after[http.StatusSeeOther] != fifty {
					t.Errorf("%s, round %d: after the kill answered %v", name, round, after)
				}
				// The control: the next answer counts.
				if again := a.fresh().posted([]string{w.base}, 1, nil); again[http.StatusSeeOther] != 1 {
					t.Errorf("%s, round %d: a fresh answer is answered %v", name, round, again)
				}
			}
		}
	}, "--allow-private-networks")
}

// answerer is an IdP that has somebody sign in.
type answerer struct {
	w        *world
	slug     string
	sessions func() int
	fresh    func() answered
}

// answered is an answer on its way, in the hands of a browser that began.
type answered struct {
	b            *browser
	method, path string
	form         url.Values
}

// answerers are one IdP of each protocol.
func (w *world) answerers() map[string]answerer {
	w.t.Helper()
	c := w.company("saml", idpsim.Okta, form{more: "domains: [saml.test]\n"})
	c.seed()
	ann := c.who("ann.lee")

	idp := oidctest.New(w.t)
	idp.Do(func(idp *oidctest.IdP) { idp.Again = true }) // it is not the IdP who keeps a second sign-in from happening
	w.must(os.WriteFile(filepath.Join(w.dir, "oidc.secret"), []byte(idp.Secret), 0o600))
	got := w.mustApply("workspace: oidc\nconnections:\n  - {name: oidc, provider: generic, protocol: oidc, issuer: '" + idp.Issuer + "', client_id: gatehouse, client_secret_file: oidc.secret, status: active}\n")
	login := "/auth/oidc/" + got.Connections[0].ID + "/login"

	live := func(slug, who string) func() int {
		return func() int {
			var list []struct{ ID string }
			if _, said, code := w.run(nil, "member", "show", who, "--workspace", slug); code != 0 {
				if strings.Contains(said, "no member") {
					return 0
				}
				w.t.Fatalf("member show %s: %s", who, said)
			}
			w.gatehouse(&list, "session", "list", who, "--workspace", slug)
			return len(list)
		}
	}
	return map[string]answerer{
		"SAML": {w, "saml", live("saml", ann), func() answered {
			b := w.newBrowser()
			p := c.answer(c.begins(b, c.login()), ann)
			form := p.Form()
			form.Set("passed_on", "1") // by way of Gatehouse's own page, so that the cookies come along
			return answered{b, http.MethodPost, "/auth/saml/" + c.connection + "/acs", form}
		}},
		"OIDC": {w, "oidc", live("oidc", "bob@acme.test"), func() answered {
			b := w.newBrowser()
			b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			there := b.open(login)
			if there.to == nil {
				w.t.Fatalf("%s leads nowhere: %d %s", login, there.status, there.text)
			}
			redirect, q, err := idp.Answer(there.to.String())
			w.must(err)
			return answered{b, http.MethodGet, strings.TrimPrefix(redirect, w.base) + "?" + q.Encode(), nil}
		}},
	}
}

// posted sends an answer n times at once, by turns to each server, with the cookies of its browser, and counts the statuses; what got
// no answer is counted under 0. heard is called at each answer.
func (a answered) posted(doors []string, n int, heard func()) map[int]int {
	w := a.b.w
	w.t.Helper()
	at, err := url.Parse(w.base)
	w.must(err)
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	var mu sync.Mutex
	statuses := map[int]int{}
	ready := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		r, err := http.NewRequestWithContext(w.ctx(), a.method, doors[i%len(doors)]+a.path, strings.NewReader(a.form.Encode()))
		w.must(err)
		if a.method == http.MethodPost {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		for _, cookie := range a.b.Jar.Cookies(at) {
			r.AddCookie(cookie)
		}
		all.Go(func() {
			<-ready
			status := 0
			if res, err := client.Do(r); err == nil {
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				status = res.StatusCode
			}
			if heard != nil {
				heard()
			}
			mu.Lock()
			defer mu.Unlock()
			statuses[status]++
		})
	}
	close(ready)
	all.Wait()
	return statuses
}
