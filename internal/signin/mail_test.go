package signin

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// postbox keeps what is sent.
type postbox struct{ sent []jobs.Message }

func (p *postbox) Send(_ context.Context, m jobs.Message) error {
	p.sent = append(p.sent, m)
	return nil
}

var linkInMail = regexp.MustCompile(`http://gatehouse\.test(/signin/(?:password|mail)/\S+)`)

// mailTo asks for a link and returns what the outbox then sends, and the path of the link in it.
func (w *world) mailTo(email string) (m *jobs.Message, path string) {
	w.t.Helper()
	w.Mail = true
	w.must(w.AskMail(context.Background(), MailRequest{Workspace: "acme", Email: email, Client: from("192.0.2.50")}))
	box := postbox{}
	w.must(w.MailHandler(&box).Do(context.Background(), store.Job{Workspace: acme, Body: `{"email":"` + email + `"}`}))
	w.turn(limitWindow + time.Second) // limits are another test's
	if len(box.sent) == 0 {
		return nil, ""
	}
	if found := linkInMail.FindStringSubmatch(box.sent[0].Body); found != nil {
		path = found[1]
	}
	return &box.sent[0], path
}

const newPassword = "a quite different phrase"

func TestAPasswordIsSetByMail_OnceAndEndsTheSessionsAndLinks(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, _ = w.freshSession("ann@acme.test"), w.freshSession("ann@acme.test")
		_, other := w.mailTo("ANN@acme.test")
		m, path := w.mailTo("ann@acme.test")
		if m == nil || m.To != "Ann@acme.test" || !strings.HasPrefix(path, "/signin/password/gpass_") {
			t.Fatalf("%+v", m)
		}
		w.turn(-2 * (limitWindow + time.Second))
		b := w.browser()
		for range 3 {
			if a := b.get(path); a.StatusCode != 200 { // mail scanners look at links
				t.Errorf("%d", a.StatusCode)
			}
		}
		if a := b.post(path, "password", newPassword, "again", "another"); a.StatusCode != 422 || !strings.Contains(a.body, "again-error") {
			t.Errorf("two that differ: %d", a.StatusCode)
		}
		if a := b.post(path, "password", "short", "again", "short"); a.StatusCode != 400 || !strings.Contains(a.body, "too short") {
			t.Errorf("a short one: %d %s", a.StatusCode, a.body)
		}
		if a := b.post(path, "password", newPassword, "again", newPassword); a.StatusCode != 303 || a.to() != "/signin?notice=password&workspace=acme" {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		if n := w.live(acme, ann); n != 0 {
			t.Errorf("%d sessions go on", n)
		}
		want := ""
		for name, link := range map[string]string{"used": path, "ended by it": other, "never made": "/signin/password/gpass_x", "of the other kind": strings.Replace(path, "/password/", "/mail/", 1)} {
			a := b.post(link, "password", newPassword, "again", newPassword)
			body := withoutRequest(a.body)
			if want == "" {
				want = body
			}
			if a.StatusCode != http.StatusForbidden || body != want {
				t.Errorf("a link that was %s: %d\n%s\nwant\n%s", name, a.StatusCode, body, want)
			}
		}
		if _, err := w.as("ann@acme.test", password, "192.0.2.3"); err == nil {
			t.Error("the old password works")
		}
		if _, err := w.as("ann@acme.test", newPassword, "192.0.2.4"); err != nil {
			t.Error(err)
		}
		if got := reasons(w.events(acme, audit.PasswordReset)); got != "password.reset mailed_link" {
			t.Errorf("%s", got)
		}
	})
}

func TestALinkThatHasExpired_OrWhoseMemberWentOut_SetsNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, path := w.mailTo("ann@acme.test")
		w.turn(MailLinkValid) // asking turned the clock as well
		_, err := w.SetPassword(context.Background(), path[len(passwordPath):], newPassword, from("192.0.2.1"))
		wantCode(t, err, "link_invalid")
		_, path = w.mailTo("bob@acme.test")
		w.turn(-limitWindow)
		w.deactivate(bob)
		_, err = w.SetPassword(context.Background(), path[len(passwordPath):], newPassword, from("192.0.2.1"))
		wantCode(t, err, "link_invalid")
	})
}

func TestOfManyWhoUseOneLinkAtOnce_OneSetsThePassword(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, path := w.mailTo("ann@acme.test")
		w.turn(-limitWindow)
		results := make([]error, 8)
		var wait sync.WaitGroup
		for i := range results {
			wait.Go(func() {
				_, results[i] = w.SetPassword(context.Background(), path[len(passwordPath):], newPassword, from("192.0.2.1"))
			})
		}
		wait.Wait()
		set := 0
		for _, err := range results {
			if err == nil {
				set++
			}
		}
		if set != 1 {
			t.Errorf("%d set it", set)
		}
	})
}

func TestWhoeverWasProvisioned_HasNoCredentialAndIsToldSo(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.DB.Write(context.Background(), acme, func(tx *store.Tx) error {
			for id, dir := range map[string]string{"mem_scim": "dir_okta", "mem_jit": ""} {
				tx.InsertMember(&directory.Member{ID: id, Email: id[4:] + "@acme.test", Stage: directory.StageActive, Role: "rol_member", Directory: dir})
			}
			tx.InsertIdentity(store.Identity{Connection: "con_okta", Subject: "jit", Member: "mem_jit", How: "first_sign_in"})
			return tx.Record(audit.Event{Type: audit.MemberCreated})
		}))
		for _, email := range []string{"scim@acme.test", "jit@acme.test"} {
			m, path := w.mailTo(email)
			if m == nil || path != "" || !strings.Contains(m.Body, "there is no password to set") {
				t.Errorf("%s: %+v", email, m)
			}
		}
		for _, email := range []string{"nobody@acme.test", "gone@acme.test", "pat@acme.test", "zoe@beta.test"} {
			box := postbox{}
			w.must(w.MailHandler(&box).Do(context.Background(), store.Job{Workspace: acme, Body: `{"email":"` + email + `"}`}))
			if len(box.sent) != 0 {
				t.Errorf("%s: %+v", email, box.sent)
			}
		}
	})
}

func TestAskingForALink_IsAnsweredAlikeForEveryAddress(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.Mail = true
		want := ""
		for i, c := range [][2]string{{"acme", "ann@acme.test"}, {"acme", "nobody@acme.test"}, {"nowhere", "ann@acme.test"}, {"acme", "gone@acme.test"}, {"acme", "no address"}, {"acme", "a\x00@b.test"}, {"\xff", "\xff"}} {
			b := w.browser()
			b.header.Set("X-Forwarded-For", "192.0.2."+string(rune('1'+i)))
			a := b.post("/signin/mail", "workspace", c[0], "email", c[1])
			if a.StatusCode != 303 {
				t.Fatalf("%q: %d %s", c, a.StatusCode, a.body)
			}
			body := withoutRequest(b.get(a.to()).body)
			if want == "" {
				want = body
			}
			if body != want {
				t.Errorf("%q: %s", c, body)
			}
		}
	})
}

func TestAskingForLinks_IsLimitedByClientAndQuietlyByAddress(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.Mail = true
		ask := func(client string) error {
			return w.AskMail(context.Background(), MailRequest{Workspace: "acme", Email: "ann@acme.test", Client: from(client)})
		}
		for range mailClientLimit {
			w.must(ask("192.0.2.1"))
		}
		wantCode(t, ask("192.0.2.1"), "too_many_attempts")
		w.must(ask("192.0.2.2"))
		jobs, err := w.DB.System().ClaimJobs(context.Background(), "test", time.Minute, 100)
		w.must(err)
		if got := len(jobs); got != mailAddressLimit {
			t.Errorf("%d mails wait for one address, want %d", got, mailAddressLimit)
		}
	})
}

func TestDuringARelaxation_CoveredMembersGetALinkThatEndsWithIt(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		w.enforce()
		if m, path := w.mailTo("bob@acme.test"); m == nil || path != "" {
			t.Errorf("before: %+v", m)
		}
		until := w.relax()
		_, path := w.mailTo("bob@acme.test")
		if !strings.HasPrefix(path, "/signin/mail/gmail_") {
			t.Fatalf("%s", path)
		}
		b := w.browser()
		w.turn(-limitWindow)
		if a := b.get(path); a.StatusCode != 200 || w.live(acme, bob) != 0 {
			t.Errorf("looking at it: %d", a.StatusCode)
		}
		if a := b.post(path); a.StatusCode != 303 || a.to() != "/w/acme" {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		if a := b.post(path); a.StatusCode != http.StatusForbidden {
			t.Errorf("once more: %d", a.StatusCode)
		}
		if a := b.get("/w/acme"); a.StatusCode != 200 || !strings.Contains(a.body, "Mailed link") {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		_, second := w.mailTo("bob@acme.test")
		live, err := w.ListSessions(ctx, acme, bob)
		w.must(err)
		if len(live) != 1 || !live[0].ExpiresAt.Equal(until) {
			t.Errorf("%+v, want the end %s", live, until)
		}
		// A password is still refused, and break-glass is sent no such link.
		_, err = w.as("bob@acme.test", password, "192.0.2.6")
		wantCode(t, err, "sso_required")
		if m, p := w.mailTo("root@acme.test"); p != "" {
			t.Errorf("break-glass: %+v", m)
		}
		w.turn(until.Sub(w.clock.now()) + time.Second)
		if w.live(acme, bob) != 0 {
			t.Error("the session outlives the relaxation")
		}
		_, _, err = w.UseMailLink(ctx, second[len(mailSignInPath):], from("192.0.2.1"))
		wantCode(t, err, "link_invalid")
	})
}

// relax relaxes enforcement as settings does.
func (w *world) relax() (until time.Time) {
	w.t.Helper()
	w.must(w.DB.Write(context.Background(), acme, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		until = tx.Now().Add(directory.RelaxFor)
		c := cfg.Workspace
		c.Enforcement.Relaxed = &directory.Relaxation{Since: tx.Now(), Until: until, By: root}
		if err := tx.UpdateWorkspace(c); err != nil {
			return err
		}
		return tx.Record(audit.Event{Type: audit.EnforcementRelaxed})
	}))
	return until
}

func TestWhereAMailboxWouldGetPastEnforcement_ASecondFactorMustStandBehindIt(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		live := w.freshSession("root@acme.test")
		w.enforce()
		if m, path := w.mailTo("root@acme.test"); path != "" {
			t.Errorf("%+v", m)
		}
		w.turn(-limitWindow)
		w.withFactor(live)
		if _, path := w.mailTo("root@acme.test"); !strings.HasPrefix(path, passwordPath) {
			t.Errorf("%q", path)
		}
	})
}

func TestTheOwnPassword_IsChangedByWhoKnowsTheOldOne(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b, elsewhere := w.browser(), w.browser()
		b.signIn("acme", "ann@acme.test")
		elsewhere.signIn("acme", "ann@acme.test")
		for _, c := range []struct{ old, password, again, field string }{
			{"wrong horse battery", newPassword, newPassword, "old"}, {password, "short", "short", "password"}, {password, newPassword, "other", "again"},
			{password, strings.Repeat("x", 2000), strings.Repeat("x", 2000), "password"},
		} {
			if a := b.post("/w/acme/password", "old", c.old, "password", c.password, "again", c.again); a.StatusCode < 400 || a.StatusCode >= 500 || !strings.Contains(a.body, `id="`+c.field+`-error"`) {
				t.Errorf("%+v: %d", c, a.StatusCode)
			}
		}
		if a := b.post("/w/acme/password", "old", password, "password", newPassword, "again", newPassword); a.StatusCode != 303 || a.to() != "/w/acme?done=password" {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		if a := b.get("/w/acme"); a.StatusCode != 200 {
			t.Errorf("the session that changed it: %d", a.StatusCode)
		}
		if a := elsewhere.get("/w/acme"); a.StatusCode == 200 {
			t.Error("the other session goes on")
		}
		if a := w.browser().post("/w/acme/password", "old", newPassword, "password", password, "again", password); a.StatusCode != 303 || !strings.HasPrefix(a.to(), "/signin") {
			t.Errorf("nobody: %d", a.StatusCode)
		}
		for range accountLimit {
			b.post("/w/acme/password", "old", guess, "password", newPassword, "again", newPassword)
		}
		if a := b.post("/w/acme/password", "old", newPassword, "password", password, "again", password); a.StatusCode != 429 || a.Header.Get("Retry-After") == "" {
			t.Errorf("past the limit: %d", a.StatusCode)
		}
	})
}

func TestADeactivation_EndsMailedLinks(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, path := w.mailTo("ann@acme.test")
		w.turn(-limitWindow)
		scope := provision.Scope{Workspace: acme, Actor: operator}
		_, err := w.people.Deactivate(context.Background(), scope, provision.Who(ann))
		w.must(err)
		_, err = w.people.Restore(context.Background(), scope, provision.Who(ann))
		w.must(err)
		_, err = w.SetPassword(context.Background(), path[len(passwordPath):], newPassword, from("192.0.2.1"))
		wantCode(t, err, "link_invalid")
	})
}
