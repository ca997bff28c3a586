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

// asked asks for a link by mail and returns the letter that is sent, nil for none.
func (w *world) asked(box letterbox, email string) *jobs.Message {
	w.t.Helper()
	w.turn(limitWindow + time.Second) // limits are another test's
	w.must(w.AskPassword(context.Background(), "acme", email, from("192.0.2.50")))
	w.settled()
	select {
	case m := <-box.letters:
		return &m
	default:
		return nil
	}
}

func TestDuringARelaxation_CoveredMembersGetALinkThatEndsWithIt(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		box := w.mail()
		w.enforce()
		if m := w.asked(box, "bob@acme.test"); m != nil {
			t.Errorf("before: %+v", m)
		}
		until := w.relax()
		link := func() string {
			t.Helper()
			m := w.asked(box, "bob@acme.test")
			if m == nil || !strings.HasPrefix(path(t, *m), mailedPath+mailedPrefix) {
				t.Fatalf("%+v", m)
			}
			return path(t, *m)
		}
		first, b := link(), w.browser()
		if a := b.get(first); a.StatusCode != http.StatusOK || w.live(acme, bob) != 0 {
			t.Errorf("looking at it: %d", a.StatusCode)
		}
		if a := b.post(first); a.StatusCode != http.StatusSeeOther || a.to() != "/w/acme" {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		if a := b.post(first); a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "This link does not work") {
			t.Errorf("once more: %d %s", a.StatusCode, a.body)
		}
		if a := b.get("/w/acme"); a.StatusCode != http.StatusOK || !strings.Contains(a.body, "Mailed link") {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		live, err := w.ListSessions(context.Background(), acme, bob)
		w.must(err)
		if len(live) != 1 || !live[0].ExpiresAt.Equal(until) {
			t.Errorf("%+v, want the end %s", live, until)
		}
		second := link()
		// A password is still refused, break-glass is sent no such link, and a link is of its own purpose alone.
		_, err = w.as("bob@acme.test", password, "192.0.2.6")
		wantCode(t, err, "sso_required")
		if m := w.asked(box, "root@acme.test"); m != nil {
			t.Errorf("break-glass: %+v", m)
		}
		if a := b.post(resetPath+second[len(mailedPath):], "password", chosen, "again", chosen); a.StatusCode != http.StatusForbidden {
			t.Errorf("a sign-in link sets a password: %d", a.StatusCode)
		}
		w.turn(until.Sub(w.clock.now()) + time.Second)
		if w.live(acme, bob) != 0 {
			t.Error("the session outlives the relaxation")
		}
		_, _, err = w.UseMailedLink(context.Background(), second[len(mailedPath):], from("192.0.2.1"))
		wantCode(t, err, "link_invalid")
	})
}

func TestALinkOfARelaxationThatIsOver_TellsItsHolder(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		box := w.mail()
		w.enforce()
		w.relax()
		link := path(t, *w.asked(box, "bob@acme.test"))
		w.enforce() // takes the relaxation away and, unlike settings, leaves the link
		b := w.browser()
		if a := b.post(link); a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "mail_link_over") {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	})
}

func TestDuringARelaxation_AMailboxInADomainThatLapsedLetsNobodyIn(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		box := w.mail()
		w.must(w.DB.Write(context.Background(), acme, func(tx *store.Tx) error {
			tx.InsertDomainClaim("acme.test", "challenge")
			return tx.Record(audit.Event{Type: audit.DomainClaimed})
		}))
		w.enforce()
		w.relax()
		link := path(t, *w.asked(box, "bob@acme.test"))
		w.must(w.DB.Write(context.Background(), acme, func(tx *store.Tx) error {
			tx.DeleteDomain("acme.test")
			tx.SaveDomainClaim(&store.DomainClaim{Domain: "acme.test", LapsedAt: tx.Now()})
			return tx.Record(audit.Event{Type: audit.DomainLapsed})
		}))
		if m := w.asked(box, "bob@acme.test"); m != nil {
			t.Errorf("a letter to a mailbox that may be somebody else's: %+v", m)
		}
		_, _, err := w.UseMailedLink(context.Background(), link[len(mailedPath):], from("192.0.2.1"))
		wantCode(t, err, "link_invalid")
		if w.live(acme, bob) != 0 {
			t.Error("a link from before lets somebody in")
		}
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
		box := w.mail()
		live := w.freshSession("root@acme.test")
		w.enforce()
		if m := w.asked(box, "root@acme.test"); m != nil {
			t.Errorf("%+v", m)
		}
		w.turn(-limitWindow - time.Second)
		w.withFactor(live)
		if m := w.asked(box, "root@acme.test"); m == nil || !strings.HasPrefix(path(t, *m), resetPath) {
			t.Errorf("%+v", m)
		}
	})
}

func TestWhoeverWasProvisioned_GetsNoPasswordByMailWhateverTheyHad(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		box := w.mail()
		w.must(w.DB.Write(context.Background(), acme, func(tx *store.Tx) error {
			for id, dir := range map[string]string{"mem_scim": "dir_okta", "mem_kept": "dir_okta", "mem_jit": "", "mem_new": ""} {
				tx.InsertMember(&directory.Member{ID: id, Email: id[4:] + "@acme.test", Stage: directory.StageActive, Role: "rol_member", Directory: dir})
			}
			tx.SaveCredential("mem_kept", "hash", tx.Now()) // from before the directory
			tx.InsertIdentity(store.Identity{Connection: "con_okta", Subject: "jit", Member: "mem_jit", How: "first_sign_in"})
			return tx.Record(audit.Event{Type: audit.MemberCreated})
		}))
		for _, email := range []string{"scim@acme.test", "kept@acme.test", "jit@acme.test"} {
			if m := w.asked(box, email); m != nil {
				t.Errorf("%s: %+v", email, m)
			}
		}
		m := w.asked(box, "new@acme.test") // nobody's but ours, and without one yet
		if m == nil {
			t.Fatal("no letter to who has no password yet")
		}
		// What allowed it is over: a directory takes them over before the link is used.
		w.must(w.DB.Write(context.Background(), acme, func(tx *store.Tx) error {
			taken, err := tx.Member("mem_new")
			if err != nil {
				return err
			}
			taken.Directory = "dir_okta"
			tx.UpdateMember(taken)
			return tx.Record(audit.Event{Type: audit.MemberUpdated})
		}))
		_, err := w.SetPassword(context.Background(), path(t, *m)[len(resetPath):], chosen, from("192.0.2.1"))
		wantCode(t, err, "link_invalid")
	})
}

func TestALinkByMail_EndsWithADeactivationAndWhenAnotherWasUsed(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		box := w.mail()
		link := func(email string) string {
			t.Helper()
			return path(t, *w.asked(box, email))[len(resetPath):]
		}
		late := link("ann@acme.test")
		w.turn(ResetValid)
		set := func(token string) error {
			_, err := w.SetPassword(context.Background(), token, chosen, from("192.0.2.1"))
			return err
		}
		wantCode(t, set(late), "link_invalid")
		out := link("ann@acme.test")
		_, err := w.people.Deactivate(context.Background(), w.scope(), provision.Who(ann))
		w.must(err)
		_, err = w.people.Restore(context.Background(), w.scope(), provision.Who(ann))
		w.must(err)
		wantCode(t, set(out), "link_invalid")
		one, two := link("ann@acme.test"), link("ann@acme.test")
		var wait sync.WaitGroup
		results := make([]error, 8)
		for i := range results {
			wait.Go(func() { results[i] = set(two) })
		}
		wait.Wait()
		done := 0
		for _, err := range results {
			if err == nil {
				done++
			}
		}
		if done != 1 {
			t.Errorf("%d set it", done)
		}
		wantCode(t, set(one), "link_invalid")
	})
}

func TestTheOwnPassword_IsChangedByWhoKnowsTheOldOne(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b, elsewhere := w.browser(), w.browser()
		b.signIn("acme", "ann@acme.test")
		elsewhere.signIn("acme", "ann@acme.test")
		for _, c := range []struct{ old, password, again, says string }{
			{"wrong horse battery", chosen, chosen, "present password is wrong"}, {password, "short", "short", "too short"}, {password, chosen, "other", "not the same"},
			{password, strings.Repeat("x", 2000), strings.Repeat("x", 2000), "too long"},
		} {
			if a := b.post("/w/acme/password", "old", c.old, "password", c.password, "again", c.again); a.StatusCode != http.StatusBadRequest || !strings.Contains(a.body, c.says) {
				t.Errorf("%+v: %d %s", c, a.StatusCode, a.body)
			}
		}
		if a := b.post("/w/acme/password", "old", password, "password", chosen, "again", chosen); a.StatusCode != http.StatusSeeOther || a.to() != "/w/acme?done=password" {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		if a := b.get("/w/acme"); a.StatusCode != http.StatusOK {
			t.Errorf("the session that changed it: %d", a.StatusCode)
		}
		if a := elsewhere.get("/w/acme"); a.StatusCode == http.StatusOK {
			t.Error("the other session goes on")
		}
		if a := w.browser().post("/w/acme/password", "old", chosen, "password", password, "again", password); a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.to(), "/signin") {
			t.Errorf("nobody: %d", a.StatusCode)
		}
		for range accountLimit {
			b.post("/w/acme/password", "old", guess, "password", chosen, "again", chosen)
		}
		if a := b.post("/w/acme/password", "old", chosen, "password", password, "again", password); a.StatusCode != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" {
			t.Errorf("past the limit: %d", a.StatusCode)
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
