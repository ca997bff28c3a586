package signin

import (
	"context"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

const chosen = "a new horse battery"

// letterbox is a mail server's outside.
type letterbox struct{ letters chan jobs.Message }

func (b letterbox) Send(_ context.Context, m jobs.Message) error {
	b.letters <- m
	return nil
}

// mail has the letters of a world delivered, until the test ends.
func (w *world) mail() letterbox {
	w.t.Helper()
	w.people.Mail, w.Mail = true, true
	box := letterbox{make(chan jobs.Message, 100)}
	post := &jobs.Post{DB: w.DB, Mailer: box, PublicURL: w.PublicURL}
	handlers := w.Letters(post)
	handlers[jobs.JobNotice] = post.Notices()
	for kind, h := range (&provision.Inviter{Post: post}).Handlers() {
		handlers[kind] = h
	}
	runner := &jobs.Runner{DB: w.DB, Handlers: handlers, Log: slog.New(slog.DiscardHandler)}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(ctx) }()
	w.t.Cleanup(func() { stop(); w.must(<-ended) })
	return box
}

// settled waits until no letter waits.
func (w *world) settled() {
	w.t.Helper()
	for {
		next, err := w.DB.System().NextJob(context.Background())
		w.must(err)
		if next.IsZero() {
			return
		}
		select {
		case <-w.t.Context().Done():
			w.t.Fatal("letters wait")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

var mailedLink = regexp.MustCompile(`http://gatehouse\.test(/\S+)`)

// path is where the link of a letter leads.
func path(t *testing.T, m jobs.Message) string {
	t.Helper()
	found := mailedLink.FindStringSubmatch(m.Body)
	if found == nil {
		t.Fatalf("no link in %q", m.Body)
	}
	return found[1]
}

func (w *world) scope() provision.Scope { return provision.Scope{Workspace: acme, Actor: operator} }

func (w *world) invite(address, role string) directory.Member {
	w.t.Helper()
	m, _, err := w.people.Invite(context.Background(), w.scope(), provision.Invitee{Email: address, Role: role})
	w.must(err)
	return m
}

func (w *world) memberOf(id string) (m *directory.Member) {
	w.t.Helper()
	w.must(w.DB.Read(context.Background(), acme, func(tx *store.Tx) (err error) {
		m, err = tx.Member(id)
		return err
	}))
	return m
}

func TestAnInvitation_IsAcceptedOnceWithAPassword(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		box := w.mail()
		m := w.invite("ida@acme.test", "")
		link := path(t, <-box.letters)
		b := w.browser()
		for range 3 { // scanners of mail follow links
			if a := b.get(link); a.StatusCode != http.StatusOK || !strings.Contains(a.body, "Acme Inc") || !strings.Contains(a.body, "ida@acme.test") {
				t.Fatalf("%d %s", a.StatusCode, a.body)
			}
		}
		if a := b.post(link, "password", "short", "again", "short"); a.StatusCode != http.StatusBadRequest || !strings.Contains(a.body, "too short") {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		if a := b.post(link, "password", chosen, "again", "another horse battery"); a.StatusCode != http.StatusBadRequest || !strings.Contains(a.body, "not the same") {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		if a := b.post(link, "password", chosen, "again", chosen); a.StatusCode != http.StatusSeeOther || a.to() != "/w/acme" || b.cookie() == "" {
			t.Fatalf("%d to %q: %s", a.StatusCode, a.to(), a.body)
		}
		if got := w.memberOf(m.ID); got.Status() != directory.StatusActive {
			t.Errorf("status %s", got.Status())
		}
		for _, a := range []answer{b.get(link), b.post(link, "password", chosen, "again", chosen)} {
			if a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "does not work any more") {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
		}
		if _, err := w.as("ida@acme.test", chosen, "192.0.2.1"); err != nil {
			t.Errorf("the password: %v", err)
		}
		w.settled()
		got := reasons(w.events(acme, audit.MemberInvited, audit.PasswordSet, audit.MemberActivated, audit.SignInSucceeded))
		if !strings.Contains(got, "member.password_set invitation") || !strings.Contains(got, "member.activated first_sign_in") {
			t.Errorf("events: %s", got)
		}
	})
}

func TestALinkThatOpensNothing_HasOneAnswerWhateverItOnceWas(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		box := w.mail()
		letter := func(address string) (directory.Member, string) {
			m := w.invite(address, "")
			return m, path(t, <-box.letters)
		}
		b := w.browser()
		_, used := letter("used@acme.test")
		if a := w.browser().post(used, "password", chosen, "again", chosen); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		revoked, taken := letter("revoked@acme.test")
		_, err := w.people.Revoke(context.Background(), w.scope(), provision.Who(revoked.ID))
		w.must(err)
		moved, old := letter("moved@acme.test")
		_, err = w.people.Edit(context.Background(), w.scope(), provision.Who(moved.ID), map[string]string{"email": "elsewhere@acme.test"})
		w.must(err)
		out, deactivated := letter("out@acme.test")
		_, err = w.people.Deactivate(context.Background(), w.scope(), provision.Who(out.ID))
		w.must(err)
		_, err = w.people.Restore(context.Background(), w.scope(), provision.Who(out.ID))
		w.must(err)
		w.must(w.AskPassword(context.Background(), "acme", "ann@acme.test", from("192.0.2.9")))
		_, reset, _ := strings.Cut(path(t, <-box.letters), resetPath)
		_, expired := letter("late@acme.test")
		w.turn(provision.InvitationValid + time.Second)
		want := ""
		for name, link := range map[string]string{"used": used, "taken back": taken, "of an old address": old, "of somebody who was out since": deactivated, "expired": expired,
			"never made": invitationPath + "ginv_" + strings.Repeat("x", 43), "of another purpose": invitationPath + reset, "no token": invitationPath + "%00"} {
			for _, a := range []answer{b.get(link), b.post(link, "password", chosen, "again", chosen)} {
				page := withoutRequest(a.body)
				if want == "" {
					want = page
				}
				if a.StatusCode != http.StatusForbidden || page != want || !strings.Contains(page, "This link does not work") {
					t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
				}
			}
		}
	})
}

func TestOneInvitationFromManyBrowsersAtOnce_LetsOneIn(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		box := w.mail()
		w.invite("ida@acme.test", "")
		_, token, _ := strings.Cut(path(t, <-box.letters), invitationPath)
		var all sync.WaitGroup
		results := make(chan error, 10)
		for range 10 {
			all.Go(func() {
				_, _, err := w.AcceptInvitation(context.Background(), token, chosen, from("192.0.2.1"))
				results <- err
			})
		}
		all.Wait()
		close(results)
		in := 0
		for err := range results {
			switch {
			case err == nil:
				in++
			case errs.CodeOf(err) != "link_invalid":
				t.Errorf("%v", err)
			}
		}
		if in != 1 {
			t.Errorf("%d came in", in)
		}
	})
}

func TestAnInvitedPerson_WhoMustUseSingleSignOnAcceptsByItAndSetsNoPassword(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		box := w.mail()
		w.enforce()
		m := w.invite("ida@else.test", "") // nobody has proven that domain
		link := path(t, <-box.letters)
		b := w.browser()
		if a := b.get(link); strings.Contains(a.body, `name="password"`) || !strings.Contains(a.body, "Join with") {
			t.Fatalf("the page: %s", a.body)
		}
		if a := b.post(link, "password", chosen, "again", chosen); a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "requires single sign-on") {
			t.Errorf("a password: %d %s", a.StatusCode, a.body)
		}
		ida := func(r *samltest.Response) { about(r, "ida@else.test", "Ida", "Rhodes") }
		w.turn(time.Second)
		// Without the invitation, an address alone is nobody (law 6).
		stranger := w.browser()
		q := stranger.begin(okta)
		r := w.response(q.id)
		ida(r)
		w.wantRefused(stranger.answers(okta, sign(r), q.relay), "address_taken", "address_taken")
		// With it, another address is not the one that was invited.
		if a := b.get(link + "?connection=" + okta); a.StatusCode != http.StatusFound || !strings.HasPrefix(a.to(), "/auth/saml/con_okta/login") {
			t.Fatalf("%d to %q", a.StatusCode, a.to())
		}
		b.enters(w, nil) // bob
		if got := w.memberOf(m.ID); got.Status() != directory.StatusInvited {
			t.Errorf("bob accepted ida's invitation: %s", got.Status())
		}
		b.enters(w, ida)
		if got := w.memberOf(m.ID); got.Status() != directory.StatusActive || w.live(acme, m.ID) != 1 {
			t.Errorf("status %s", got.Status())
		}
		if a := b.get(link); a.StatusCode != http.StatusForbidden {
			t.Errorf("the link works again: %d", a.StatusCode)
		}
		// From now on the subject is enough.
		w.browser().enters(w, func(r *samltest.Response) {
			ida(r)
			r.Assertion.ID = "_other"
		})
	})
}

func TestAnInvitationToBeAnOwner_IsNotAcceptedByAnIdPsWord(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		box := w.mail()
		m := w.invite("ida@else.test", "Owner")
		link := path(t, <-box.letters)
		b := w.browser()
		b.get(link + "?connection=" + okta)
		q := b.begin(okta)
		r := w.response(q.id)
		about(r, "ida@else.test", "Ida", "Rhodes")
		w.wantRefused(b.answers(okta, sign(r), q.relay), "address_taken", "address_taken")
		if a := b.post(link, "password", chosen, "again", chosen); a.StatusCode != http.StatusSeeOther {
			t.Errorf("by password: %d %s", a.StatusCode, a.body)
		}
		if got := w.memberOf(m.ID); got.Status() != directory.StatusActive {
			t.Errorf("status %s", got.Status())
		}
	})
}

func TestANewPassword_IsSetByMailOnceAndSignsOutEverywhere(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		box := w.mail()
		old := w.browser()
		old.signIn("acme", "ann@acme.test")
		b := w.browser()
		if a := b.get("/signin?workspace=acme"); !strings.Contains(a.body, `id="forgot"`) {
			t.Fatalf("the sign-in page has no way: %s", a.body)
		}
		if a := b.post(forgotPath, "workspace", "ACME", "email", " ann@acme.test "); a.StatusCode != http.StatusOK || !strings.Contains(a.body, `id="sent"`) {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		link := path(t, <-box.letters)
		if a := b.get(link); a.StatusCode != http.StatusOK || !strings.Contains(a.body, "Ann@acme.test") {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		if a := b.post(link, "password", chosen, "again", chosen); a.StatusCode != http.StatusSeeOther || a.to() != "/signin?notice=password_set&workspace=acme" || b.cookie() != "" {
			t.Fatalf("%d to %q: %s", a.StatusCode, a.to(), a.body)
		}
		if w.live(acme, ann) != 0 {
			t.Error("an old session lives")
		}
		if a := b.post(link, "password", password, "again", password); a.StatusCode != http.StatusForbidden {
			t.Errorf("twice: %d", a.StatusCode)
		}
		if _, err := w.as("ann@acme.test", password, "192.0.2.1"); err == nil {
			t.Error("the old password works")
		}
		if _, err := w.as("ann@acme.test", chosen, "192.0.2.1"); err != nil {
			t.Error(err)
		}
	})
}

func TestAskingForANewPassword_TellsNothingAndWritesOnlyToWhomItIsOfUse(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		box := w.mail()
		w.must(w.DB.Write(context.Background(), acme, func(tx *store.Tx) error {
			m, err := tx.Member(bob)
			if err != nil {
				return err
			}
			m.Directory = "dir_okta" // F1: whom a directory owns has no password
			tx.UpdateMember(m)
			return tx.Record(audit.Event{Type: audit.MemberUpdated})
		}))
		want := ""
		for i, who := range [][2]string{{"acme", "ann@acme.test"}, {"acme", "nobody@acme.test"}, {"acme", "gone@acme.test"}, {"acme", "pat@acme.test"}, {"acme", "bob@acme.test"},
			{"none", "ann@acme.test"}, {"acme", "zoe@beta.test"}, {"acme", "no address"}} {
			b := w.browser()
			b.header.Set("X-Forwarded-For", "198.51.100."+string(rune('1'+i)))
			a := b.post(forgotPath, "workspace", who[0], "email", who[1])
			page := withoutRequest(a.body)
			if want == "" {
				want = page
			}
			if a.StatusCode != http.StatusOK || page != want {
				t.Errorf("%v: %d %s", who, a.StatusCode, a.body)
			}
		}
		w.settled()
		close(box.letters)
		for m := range box.letters {
			if m.To != "Ann@acme.test" {
				t.Errorf("a letter to %s", m.To)
			}
		}
	})
}

func TestAskingForANewPassword_IsLimitedForAnAccountSilentlyAndForAClientOpenly(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		box := w.mail()
		for i := range askedByClient + 1 {
			err := w.AskPassword(context.Background(), "acme", "ann@acme.test", from("192.0.2.1"))
			if limited := errs.Is(err, errs.KindLimited); limited != (i >= askedByClient) || err != nil && !limited {
				t.Errorf("try %d: %v", i, err)
			}
		}
		w.settled()
		if n := len(box.letters); n != askedOfAccount {
			t.Errorf("%d letters", n)
		}
	})
}

func TestTheBreakGlassAdministrator_SetsNoPasswordByMailPastSingleSignOnAndEachUseIsToldToEveryOwner(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		box := w.mail()
		w.enforce()
		w.must(w.AskPassword(context.Background(), "acme", "root@acme.test", from("192.0.2.1")))
		w.settled()
		if len(box.letters) != 0 {
			t.Fatalf("a letter: %+v", <-box.letters)
		}
		_, _, err := w.Password(context.Background(), PasswordRequest{Workspace: "acme", Email: "root@acme.test", Password: password, Emergency: true, Client: from("192.0.2.7")})
		w.must(err)
		to := map[string]bool{}
		for range 2 {
			m := <-box.letters
			to[m.To] = true
			if !strings.Contains(m.Subject, "Emergency access") || !strings.Contains(m.Body, "192.0.2.7") || !strings.Contains(path(t, m), "/console/acme/events/evt_") {
				t.Errorf("%+v", m)
			}
		}
		if !to["root@acme.test"] || !to["Ann@acme.test"] {
			t.Errorf("told %v", to)
		}
	})
}

func TestASignInLinkByMail_IsMadeWhenItIsSentAndIsInNoJob(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.Mail = true
		w.must(w.MailLink(context.Background(), acme, bob, operator))
		wantCode(t, w.MailLink(context.Background(), acme, gone, operator), "account_deactivated")
		w.must(w.DB.Read(context.Background(), acme, func(tx *store.Tx) error {
			letters, err := tx.Letters("", 10)
			if len(letters) != 1 || strings.Contains(letters[0].Body, linkPrefix) || letters[0].Member != bob {
				t.Errorf("%+v", letters)
			}
			return err
		}))
		box := w.mail()
		b := w.browser()
		if a := b.post(path(t, <-box.letters)); a.StatusCode != http.StatusSeeOther || w.live(acme, bob) != 1 {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	})
}
