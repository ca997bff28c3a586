package acceptance

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// TestStory_signing_in_outlives_the_server tells the stories of signing in for which the server is
// killed, one after the other on one server per database.
func TestStory_signing_in_outlives_the_server(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		c := w.company("acme", idpsim.Okta, form{preset: "omniflow", more: seededRoles})
		c.connect()
		c.seed()
		for _, s := range []struct {
			name string
			tell func(t *testing.T, c *company)
		}{
			{"replay_is_refused", replayIsRefused},
			{"acknowledged_session_survives", acknowledgedSessionSurvives},
			{"logout_is_sent_after_a_restart", logoutIsSentLater},
			{"rotated_keys_keep_old_tokens_good", rotatedKeys},
		} {
			t.Run(s.name, func(t *testing.T) {
				// The stories of one server share it, also when one has it killed.
				w.t = t
				s.tell(t, c)
			})
		}
		w.t = t
	}, "--allow-private-networks")
}

// again kills the server and starts it.
func (w *world) again() {
	w.t.Helper()
	w.kill()
	w.start()
}

// replayIsRefused: an answer counts once, whoever posts it where and when: again, in another browser, after a
// sign-out, fifty times at once, after a restart, and at a second server of the same database (A37, F38).
func replayIsRefused(t *testing.T, c *company) {
	w, ann := c.w, c.who("ann.lee")
	tile := c.tile(ann)
	b := w.newBrowser()
	c.landed(b, b.deliver(tile), ann)
	c.turnedAway(b.deliver(tile), "replayed", "replayed")
	stranger := w.newBrowser()
	c.refused(stranger, stranger.deliver(tile), "replayed", "replayed")
	if s := b.session(); s.status != http.StatusOK {
		t.Errorf("a replay ended the session of whom it was stolen from: %d", s.status)
	}
	b.post(w.base+"/signout", url.Values{}, w.base)
	c.refused(b, b.deliver(tile), "replayed", "replayed")

	// One that was asked for is worth nothing beside the sign-in that asked.
	request := c.begins(b, c.login())
	solicited := c.answer(request, ann)
	c.landed(b, b.deliver(solicited), ann)
	c.turnedAway(b.deliver(solicited), "replayed", "replayed")
	c.refused(stranger, stranger.deliver(solicited), "replayed", "replayed")

	doors := []string{w.base}
	if w.database != "" {
		doors = append(doors, w.second())
	}
	for name, answer := range map[string]idpsim.Posting{"a tile's": c.tile(ann), "a request's": c.answer(c.begins(b, c.login()), ann)} {
		if n := w.atOnce(b, answer, doors, 50); n != 1 {
			t.Errorf("%s answer, posted 50 times at once to %d servers, signed in %d times", name, len(doors), n)
		}
		// At each server afterwards, also where it was not accepted.
		for _, door := range doors {
			for range 2 {
				if n := w.atOnce(b, answer, []string{door}, 1); n != 0 {
					t.Errorf("%s answer signs in once more at %s", name, door)
				}
			}
		}
	}

	late, begun := c.tile(ann), w.newBrowser()
	c.landed(stranger, stranger.deliver(late), ann)
	open := c.answer(c.begins(begun, c.login()), ann) // begun before the restart, finished after it
	w.again()
	other := w.newBrowser()
	for _, answer := range []idpsim.Posting{tile, late} {
		c.refused(other, other.deliver(answer), "replayed", "replayed")
	}
	c.refused(other, other.deliver(solicited), "replayed", "replayed")
	c.landed(begun, begun.deliver(open), ann)
	c.turnedAway(begun.deliver(open), "replayed", "replayed")
}

// atOnce posts an answer n times at once, by turns to each of the servers, with the cookies of a browser, and
// returns how many sign-ins came of it.
func (w *world) atOnce(b *browser, answer idpsim.Posting, doors []string, n int) (signedIn int) {
	w.t.Helper()
	at, err := url.Parse(answer.ACS)
	w.must(err)
	form := answer.Form()
	form.Set("passed_on", "1") // by way of Gatehouse's own page, so that the cookies come along
	client := &http.Client{Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	statuses := make([]int, n)
	ready := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		r, err := http.NewRequestWithContext(w.ctx(), http.MethodPost, doors[i%len(doors)]+at.Path, strings.NewReader(form.Encode()))
		w.must(err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, cookie := range b.Jar.Cookies(at) {
			r.AddCookie(cookie)
		}
		wg.Go(func() {
			<-ready
			res, err := client.Do(r)
			if err != nil {
				w.t.Error(err)
				return
			}
			res.Body.Close()
			statuses[i] = res.StatusCode
		})
	}
	close(ready)
	wg.Wait()
	for _, status := range statuses {
		switch {
		case status == http.StatusSeeOther:
			signedIn++
		case status < 400 || status > 499:
			w.t.Errorf("an answer that counted before is answered %d", status)
		}
	}
	return signedIn
}

// second starts another server of the same database under the same public URL, and returns where it listens.
func (w *world) second() string {
	w.t.Helper()
	key, err := os.ReadFile(filepath.Join(w.dir, "master.key"))
	w.must(err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	other := &world{t: w.t, binary: w.binary, dir: w.t.TempDir(), database: w.database, address: l.Addr().String(), base: w.base, args: w.args, log: &lockedBuffer{}}
	w.must(l.Close())
	w.must(os.WriteFile(filepath.Join(other.dir, "master.key"), key, 0o600))
	other.start()
	w.t.Cleanup(func() {
		other.stop()
		if w.t.Failed() || strings.Contains(other.log.String(), "DATA RACE") {
			w.t.Errorf("the second server's log:\n%s", other.log.tail(4000))
		}
	})
	return "http://" + other.address
}

// acknowledgedSessionSurvives: whoever was told that they are in is in after a power cut, and so is what the
// product was given; whoever was put out stays out (law 10).
func acknowledgedSessionSurvives(t *testing.T, c *company) {
	w, hoa, li := c.w, c.who("hoa.nguyen"), c.who("li.xiaolong")
	in := c.everywhere(hoa)
	out := c.everywhere(li)
	w.must(c.idp.Deactivate(w.ctx(), li))
	c.product.wantLogout(out.given.sid)
	w.again()
	if s := in.browser.session(); s.status != http.StatusOK || s.Member.ID != in.member.ID {
		t.Errorf("an acknowledged session after kill -9: %+v", s)
	}
	if status, claims := c.product.userinfo(in.given.Access); status != http.StatusOK || claims["sub"] != in.member.ID {
		t.Errorf("userinfo after kill -9: %d %v", status, claims)
	}
	c.product.mustRedeem(in.asked, in.code)
	next := c.product.refresh(in.given.Refresh)
	if next.status != http.StatusOK {
		t.Errorf("a refresh after kill -9: %d %s", next.status, next.Error)
	}
	c.landed(in.begun, in.begun.deliver(in.answers[0]), hoa)
	out.nothingLives()
	c.refused(out.begun, out.begun.deliver(out.answers[0]), "account_deactivated", "account_deactivated")
	w.must(c.idp.Reactivate(w.ctx(), li))
}

// logoutIsSentLater: the word to the product that a session has ended is part of the deactivation; it is sent when
// there is a server again, and until the product takes it (V3, V21).
func logoutIsSentLater(t *testing.T, c *company) {
	w, hoa := c.w, c.who("hoa.nguyen")
	g := c.product.signIn(c.enter(hoa))
	w.kill()
	w.gatehouse(nil, "member", "deactivate", hoa, "--workspace", c.slug)
	w.start()
	l := c.product.wantLogout(g.sid)
	if l.Subject != g.sub {
		t.Errorf("the logout token is about %s, want %s", l.Subject, g.sub)
	}
	c.product.worthless(g)
	w.gatehouse(nil, "member", "restore", hoa, "--workspace", c.slug)

	// The product is down at that moment.
	g = c.product.signIn(c.enter(hoa))
	c.product.down.Store(true)
	w.gatehouse(nil, "member", "deactivate", hoa, "--workspace", c.slug)
	c.product.worthless(g)
	<-c.product.turned
	if os.Getenv("GATEHOUSE_ACCEPT") == "1" {
		// A server that is killed while it calls leaves the call to another, once its lease is over.
		<-c.product.turned
		w.again()
	}
	c.product.down.Store(false)
	late := time.Now()
	c.product.wantLogout(g.sid)
	t.Logf("the product took it %s after it was back", time.Since(late).Round(time.Millisecond))
	w.gatehouse(nil, "member", "restore", hoa, "--workspace", c.slug)
}

// rotatedKeys: a new signing key is published beside the one that signs, and what was signed before stays good,
// also over a restart.
func rotatedKeys(t *testing.T, c *company) {
	w, hoa := c.w, c.who("hoa.nguyen")
	b := c.enter(hoa)
	before := c.product.signIn(b)
	published := func() (ids []string) {
		var set struct {
			Keys []struct{ Kid, Alg, Use, D string }
		}
		r, err := http.NewRequestWithContext(w.ctx(), http.MethodGet, w.base+"/oauth2/jwks", nil)
		w.must(err)
		if status := w.decode(r, &set); status != http.StatusOK {
			t.Fatalf("/oauth2/jwks: %d", status)
		}
		for _, k := range set.Keys {
			if k.D != "" || k.Alg != "RS256" || k.Use != "sig" {
				t.Errorf("a published key: %+v", k)
			}
			ids = append(ids, k.Kid)
		}
		return ids
	}
	old := published()
	if len(old) != 1 {
		t.Fatalf("the keys before are %v, want one", old)
	}
	var rotated struct {
		ID       string
		ActiveAt time.Time `json:"active_at"`
	}
	w.gatehouse(&rotated, "keys", "rotate")
	if until := time.Until(rotated.ActiveAt); until < 23*time.Hour || until > 25*time.Hour {
		t.Errorf("the new key signs in %s, want a day", until)
	}
	both := func() {
		t.Helper()
		if now := published(); len(now) != 2 || !strings.Contains(fmt.Sprint(now), old[0]) || !strings.Contains(fmt.Sprint(now), rotated.ID) {
			t.Errorf("the keys now are %v, want %s and %s", now, old[0], rotated.ID)
		}
		if _, err := c.product.verify(before.ID); err != nil {
			t.Errorf("an ID token of before: %v", err)
		}
		next := c.product.signIn(b)
		var head struct{ Kid string }
		w.must(json.Unmarshal(headerOf(t, next.ID), &head))
		if head.Kid != old[0] {
			t.Errorf("signed by %s at once, before applications can know it", head.Kid)
		}
	}
	both()
	w.again()
	both()
}
