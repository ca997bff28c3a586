package acceptance

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// A directory names people who are here already: made by hand, by a first sign-in, by another directory.

// met is what adoption list prints.
type met struct {
	ID, State, Reason, Seen string
	Directory, Member       struct{ ID, Name, Email string }
}

func (c *company) adoptions(state string) (list []met) {
	c.w.t.Helper()
	c.w.gatehouse(&list, "adoption", "list", c.slug, "--state", state)
	return list
}

// waits expects that one meeting waits, of that member, and returns it.
func (c *company) waits(m member, reason string) met {
	c.w.t.Helper()
	list := c.adoptions("waiting")
	if len(list) != 1 || list[0].Member.ID != m.ID || list[0].Reason != reason {
		c.w.t.Fatalf("what waits is %+v, want %s by %s", list, m.Email, reason)
	}
	return list[0]
}

// sent is what the IdP's administrator sees of an act that was sent to the application: "" where all is well.
func (c *company) sent(err error) string {
	c.w.t.Helper()
	if c.idp.Kind().IsEntra() {
		c.w.must(err)
		return failures(c.idp.Sync(c.w.ctx()))
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func (c *company) retried() string { return failures(c.idp.Retry(c.w.ctx())) }

func failures(report idpsim.Report, err error) string {
	switch {
	case len(report.Failed) > 0:
		return report.Failed[0].Error
	case err != nil:
		return err.Error()
	}
	return ""
}

// assigned adds somebody to the IdP and assigns them.
func (c *company) assigned(name, given string) string {
	c.w.t.Helper()
	_, err := c.idp.AddPerson(c.w.ctx(), idpsim.Person{UserName: c.who(name), GivenName: given, FamilyName: "Novák"})
	c.w.must(err)
	return c.sent(c.idp.Assign(c.w.ctx(), c.who(name)))
}

func adoptsByDecision(t *testing.T, w *world, kind idpsim.Kind) {
	c := w.company("acme", kind, form{preset: "omniflow", more: seededRoles + `owners:
  - {email: root@acme.test, password_env: ROOT_PASSWORD, break_glass: true}
  - {email: hanna@acme.test, name: Hanna by hand}
`})
	w.gatehouse(nil, "member", "set-role", c.who("hanna"), "Supervisor", "--workspace", "acme")
	w.mustApply("workspace: acme\ndirectories: [{name: idp}, {name: other}]\n")
	// By a first sign-in through the directory's own connection: one person, and nobody is asked.
	c.hire("jit")
	c.enter(c.who("jit"))
	first := c.member(c.who("jit"))
	c.connect()
	if refusal := failures(c.idp.AssignEverybody(w.ctx())); refusal != "" {
		t.Errorf("somebody who signed in first: %s", refusal)
	}
	if m := c.member(c.who("jit")); m.ID != first.ID || first.Directory != "" || m.Directory == "" {
		t.Errorf("who signed in first is %+v, was %+v", m, first)
	}

	// By hand, and no domain is proven.
	hanna := c.member(c.who("hanna"))
	by := w.signIn("acme", hanna.Email)
	const place = "Settings → SSO & SCIM → Waiting for a decision"
	if refusal := c.assigned("hanna", "Hannah"); !strings.Contains(refusal, "409") || !strings.Contains(refusal, place) {
		t.Fatalf("the IdP's administrator sees %q", refusal)
	}
	if now := c.member(hanna.ID); now.Name != hanna.Name || now.Directory != "" || now.Status != "active" {
		t.Errorf("an undecided meeting changed the member: %+v", now)
	}
	w.gatehouse(nil, "adoption", "refuse", "acme", c.waits(hanna, "domain_unproven").ID)
	if refusal := c.retried(); !strings.Contains(refusal, "409") {
		t.Errorf("after the refusal the IdP's administrator sees %q", refusal)
	}
	w.gatehouse(nil, "adoption", "allow", "acme", c.adoptions("refused")[0].ID)
	if refusal := c.retried(); refusal != "" {
		t.Fatalf("after the decision the IdP's administrator sees %q", refusal)
	}
	adopted := w.wantMember("acme", hanna.ID, "active", "Supervisor")
	if adopted.Email != hanna.Email || !strings.HasPrefix(adopted.Name, "Hannah") || adopted.Directory == "" || by.session().status != http.StatusOK {
		t.Errorf("the adopted member is %+v, the session %+v", adopted, by.session())
	}
	// From here on the directory has the person, with one resource.
	title := "Lead"
	if refusal := c.sent(c.idp.Change(w.ctx(), hanna.Email, idpsim.Attributes{Title: &title})); refusal != "" {
		t.Errorf("an update after the adoption: %s", refusal)
	}
	if m := c.member(hanna.ID); m.Attributes["title"] != title {
		t.Errorf("attributes %v", m.Attributes)
	}

	// By another directory.
	var issued struct{ Token string }
	w.gatehouse(&issued, "scim-token", "rotate", "acme", "other")
	theirs := w.create(issued.Token, c.who("olga"))
	olga := c.member(c.who("olga"))
	if refusal := c.assigned("olga", "Olga"); !strings.Contains(refusal, "409") {
		t.Fatalf("another directory's member: %q", refusal)
	}
	w.gatehouse(nil, "adoption", "allow", "acme", c.waits(olga, "other_directory").ID)
	if refusal := c.retried(); refusal != "" {
		t.Fatalf("after the decision: %q", refusal)
	}
	for _, method := range []string{"DELETE", "GET"} {
		if status, text, err := w.tryScim(issued.Token, method, "/Users/"+theirs, ""); err != nil || status != http.StatusNotFound {
			t.Errorf("%s by the directory that had them: %d %v %s", method, status, err, text)
		}
	}
	if m := w.wantMember("acme", olga.ID, "active", "Trainee"); m.Directory == olga.Directory {
		t.Errorf("the member is still of %s", m.Directory)
	}

	// An owner is never the directory's.
	if refusal := c.assigned("root", "Mallory"); !strings.Contains(refusal, "409") || strings.Contains(refusal, place) {
		t.Errorf("an owner: %q", refusal)
	}
	if list := c.adoptions("waiting"); len(list) != 0 {
		t.Errorf("what waits is %+v", list)
	}

	// Taken back, also after the directory put the person out.
	w.must(c.idp.Deactivate(w.ctx(), hanna.Email))
	c.cycleQuietly()
	w.wantMember("acme", hanna.ID, "deactivated", "Supervisor")
	w.gatehouse(nil, "adoption", "undo", "acme", hanna.ID)
	back := w.wantMember("acme", hanna.ID, "active", "Supervisor")
	if back.Name != hanna.Name || back.Directory != "" || len(back.Attributes) != 0 || !slices.Equal(back.Groups, hanna.Groups) {
		t.Errorf("taken back the member is %+v, was %+v", back, hanna)
	}
	if status, got := w.scim(c.token, "GET", `/Users?filter=userName eq "`+hanna.Email+`"`, ""); status != http.StatusOK || got["totalResults"] != 0.0 {
		t.Errorf("the directory still finds %v", got)
	}
	for _, typ := range []string{"adoption.waiting", "adoption.refused", "adoption.allowed", "adoption.undone"} {
		w.wantEvent("acme", typ, "")
	}
}

// cycleQuietly runs Entra's cycle, in which others may have failed.
func (c *company) cycleQuietly() {
	if c.idp.Kind().IsEntra() {
		_, _ = c.idp.Sync(c.w.ctx())
	}
}

func TestStory_people_who_are_here_are_adopted_by_decision(t *testing.T) {
	for _, kind := range []idpsim.Kind{idpsim.Okta, idpsim.OktaCustom, idpsim.Entra, idpsim.EntraFlag} {
		t.Run(string(kind), func(t *testing.T) {
			story(t, func(t *testing.T, w *world) { adoptsByDecision(t, w, kind) })
		})
	}
}

func TestStory_people_of_a_proven_domain_are_adopted_at_once(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		c := w.company("acme", idpsim.Entra, form{preset: "omniflow", more: `domains: [acme.test]
owners:
  - {email: root@acme.test, password_env: ROOT_PASSWORD, break_glass: true}
  - {email: hanna@acme.test, name: Hanna by hand}
`})
		w.gatehouse(nil, "member", "set-role", c.who("hanna"), "Supervisor", "--workspace", "acme")
		hanna := c.member(c.who("hanna"))
		c.connect()
		if refusal := c.assigned("hanna", "Hannah"); refusal != "" {
			t.Fatalf("the IdP's administrator sees %q", refusal)
		}
		if m := w.wantMember("acme", hanna.ID, "active", "Supervisor"); m.Directory == "" {
			t.Errorf("the member is %+v", m)
		}
		if list := c.adoptions("adopted"); len(list) != 1 || list[0].Reason != "domain" {
			t.Errorf("the adoption is %+v", list)
		}
	})
}
