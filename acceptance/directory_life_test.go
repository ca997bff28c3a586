package acceptance

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// planned is what directory plan prints.
type planned struct {
	Word         string
	Staged, Live int
	Counts       map[string]int
	Rows         []struct {
		ID, Outcome, Role, Email, Reason string
		UserName                         string `json:"user_name"`
		RoleReason                       string `json:"role_reason"`
	}
}

func (w *world) plan(slug string) (p planned) {
	w.t.Helper()
	w.gatehouse(&p, "directory", "plan", slug, "idp", "--limit", "1000")
	return p
}

// scimIDs are the ids of a directory's people, by userName.
func (w *world) scimIDs(token string) map[string]string {
	w.t.Helper()
	ids := map[string]string{}
	status, list := w.scim(token, http.MethodGet, "/Users?count=1000", "")
	if status != http.StatusOK {
		w.t.Fatalf("list: %d %v", status, list)
	}
	resources, _ := list["Resources"].([]any)
	for _, r := range resources {
		one, _ := r.(map[string]any)
		ids[fmt.Sprint(one["userName"])] = fmt.Sprint(one["id"])
	}
	return ids
}

// test starts a test sync and sends the whole company.
func (c *company) test(people int) {
	c.w.t.Helper()
	c.w.gatehouse(nil, "directory", "test", c.slug, "idp")
	c.connect()
	c.w.must(c.idp.TestCredentials(c.w.ctx()))
	c.w.must(c.idp.Seed(c.w.ctx(), idpsim.Company{Domain: c.slug + ".test", People: people}))
	report, err := c.idp.AssignEverybody(c.w.ctx())
	c.w.must(err)
	if len(report.Failed) > 0 {
		c.w.t.Fatalf("test sync: %s", report)
	}
}

// F25: run a test sync before enabling.
func TestStory_a_test_sync_is_shown_and_carried_out(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		shows(t, "F25", "F26")
		c := w.company("acme", idpsim.Okta, form{preset: "omniflow", more: seededRoles})
		c.test(20)
		if people := w.people("acme"); len(people) != 0 {
			t.Fatalf("a test sync made members: %+v", people)
		}
		before := w.scimIDs(c.token)
		plan := w.plan("acme")
		if len(before) != 20 || plan.Staged != 20 || plan.Counts["created"] != 20 {
			t.Fatalf("%d people, plan %+v", len(before), plan)
		}
		// Nobody of them gets in, and the log says why.
		who := w.somebodyIn(c.idp, "Omniflow-Agents").UserName
		b := w.newBrowser()
		c.refused(b, c.signsIn(b, c.login(), who), "account_not_found", "staged")
		// What moves meanwhile is in no plan that was shown before.
		w.must(c.idp.Deactivate(w.ctx(), who))
		if _, said, code := w.run(nil, "directory", "enable", "acme", "idp", "--plan", plan.Word); code == 0 || !strings.Contains(said, "has changed since the plan was shown") {
			t.Fatalf("an old plan was carried out: %s", said)
		}
		w.must(c.idp.Reactivate(w.ctx(), who))
		plan = w.plan("acme")
		w.gatehouse(nil, "directory", "enable", "acme", "idp", "--plan", plan.Word)

		after := w.scimIDs(c.token)
		for _, row := range plan.Rows {
			if after[row.UserName] != row.ID || before[row.UserName] != row.ID {
				t.Errorf("%s had the id %s, in the plan %s, and has %s", row.UserName, before[row.UserName], row.ID, after[row.UserName])
			}
			m := w.member("acme", row.UserName)
			if m.Status != "active" || m.Role != row.Role || m.RoleReason.Sentence != row.RoleReason {
				t.Errorf("%s is %s, %s (%s); the plan said %s (%s)", row.UserName, m.Status, m.Role, m.RoleReason.Sentence, row.Role, row.RoleReason)
			}
		}
		w.wantMember("acme", who, "active", "Agent")
		browser := c.enter(who)
		// From here on it is a directory as any other.
		events := browser.events()
		w.must(c.idp.Deactivate(w.ctx(), who))
		w.wantEnded(browser, events)
		if e := w.wantEvent("acme", "directory.enabled", ""); e.Actor.Kind != "operator" || len(e.Changes) == 0 {
			t.Errorf("%+v", e)
		}
	})
}

func TestStory_a_test_sync_is_discarded(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		c := w.company("acme", idpsim.Okta, form{preset: "omniflow", more: seededRoles})
		c.test(8)
		ids := w.scimIDs(c.token)
		w.gatehouse(nil, "directory", "discard", "acme", "idp")
		// A draft answers no 2xx, the identity provider's own test included.
		if err := c.idp.TestCredentials(w.ctx()); err == nil {
			t.Error("the test of the connection passes against a draft")
		}
		if status, said := w.scim(c.token, http.MethodGet, "/Users", ""); status != http.StatusForbidden || !strings.Contains(fmt.Sprint(said["detail"]), "draft") {
			t.Errorf("a draft answers %d %v", status, said)
		}
		w.gatehouse(nil, "directory", "enable", "acme", "idp")
		for name, id := range ids {
			if status, _ := w.scim(c.token, http.MethodGet, "/Users/"+id, ""); status != http.StatusNotFound {
				t.Errorf("%s is still there: %d", name, status)
			}
		}
		if people := w.people("acme"); len(people) != 0 {
			t.Errorf("%+v", people)
		}
	})
}

// K16 and E10: a test user before everybody.
func TestStory_a_pilot_goes_first(t *testing.T) {
	for _, kind := range []idpsim.Kind{idpsim.OktaCustom, idpsim.Entra} {
		t.Run(string(kind), func(t *testing.T) {
			story(t, func(t *testing.T, w *world) {
				shows(t, "K16", "E10")
				c := w.company("acme", kind, form{preset: "omniflow", more: seededRoles})
				c.test(8)
				pilot := w.somebodyIn(c.idp, "Omniflow-Agents").UserName
				ids := w.scimIDs(c.token)
				w.gatehouse(nil, "directory", "pilot", "acme", "idp", "--add", strings.ToUpper(pilot))
				m := w.wantMember("acme", pilot, "active", "Agent")
				if people := w.people("acme"); len(people) != 1 {
					t.Fatalf("the pilot is %+v", people)
				}
				c.enter(pilot)
				// The pilot's groups decide, and the rest has no effect.
				w.must(c.idp.AddMembers(w.ctx(), "Omniflow-Supervisors", pilot))
				c.cycle()
				w.wantMember("acme", pilot, "active", "Supervisor")
				hired := c.hire("newcomer", "Omniflow-Admins")
				c.cycle()
				if people := w.people("acme"); len(people) != 1 {
					t.Fatalf("somebody beside the pilot: %+v", people)
				}
				plan := w.plan("acme")
				if plan.Staged != 8 || plan.Live != 1 || plan.Counts["stays"] != 1 || plan.Counts["created"] != 8 {
					t.Fatalf("%+v", plan)
				}
				w.gatehouse(nil, "directory", "enable", "acme", "idp", "--plan", plan.Word)
				w.wantMember("acme", hired, "active", "Admin")
				if again := w.member("acme", pilot); again.ID != m.ID || w.scimIDs(c.token)[pilot] != ids[pilot] {
					t.Errorf("the pilot is %s, was %s", again.ID, m.ID)
				}
			})
		})
	}
}

// V26 to V29: what was last heard, and whether the word about somebody arrived.
func TestStory_what_was_heard_of_the_identity_provider(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		shows(t, "V26", "V28", "V29", "K17", "E11")
		w.mustApply(workspace("acme", "omniflow", ""))
		var r struct {
			Status   string
			Findings []string
			Day      struct{ Created, Refused, Reads, Deactivated int } `json:"last_24_hours"`
			Requests []struct{ Method, Path, Outcome, Reason string }
		}
		says := func(part string) {
			t.Helper()
			w.gatehouse(&r, "directory", "show", "acme", "idp")
			if !strings.Contains(strings.Join(r.Findings, "\n"), part) {
				t.Errorf("the findings do not say %q: %q", part, r.Findings)
			}
		}
		says("no living token")
		_, old := w.token("acme")
		says("Nothing was heard")
		_, token := w.token("acme")
		w.scim(old, http.MethodGet, "/Users?count=1", "")
		says(`was replaced on`)
		w.scim(token, http.MethodGet, "/Users?count=1", "")
		says("has created nobody")
		if status, said := w.scim(token, http.MethodPost, "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ada@acme.test","externalId":"x1"}`); status != http.StatusCreated {
			t.Fatalf("%d %v", status, said)
		}
		w.scim(token, http.MethodPost, "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"nameless","password":"hush"}`)
		w.gatehouse(&r, "directory", "show", "acme", "idp")
		if r.Day.Created != 1 || r.Day.Refused != 1 || r.Day.Reads != 1 || len(r.Requests) < 3 {
			t.Errorf("%+v", r)
		}
		out, _, _ := w.run(nil, "directory", "show", "acme", "idp", "--bodies")
		if !strings.Contains(out, "nameless") || strings.Contains(out, "hush") {
			t.Errorf("the bodies are not shown redacted:\n%s", out)
		}
		for who, want := range map[string]string{"x1": "arrived", "nameless": "was refused (required_missing)", "nobody@acme.test": "never named this person"} {
			if out, _, _ := w.run(nil, "directory", "show", "acme", "idp", "--person", who); !strings.Contains(out, want) {
				t.Errorf("of %s it says\n%s", who, out)
			}
		}
	})
}

// Enabling is one transaction: whatever moment the process dies at, everybody is a member or nobody is.
func TestStory_a_kill_while_enabling_leaves_all_or_nobody(t *testing.T) {
	const people = 150
	story(t, func(t *testing.T, w *world) {
		w.mustApply(strings.Replace(workspace("acme", "omniflow", ""), "connection: idp}", "connection: idp, status: testing}", 1))
		_, token := w.token("acme")
		var operations []string
		for i := range people {
			operations = append(operations, fmt.Sprintf(`{"method":"POST","path":"/Users","bulkId":"b%d","data":%s}`, i, user(fmt.Sprintf("person%d@acme.test", i), "")))
		}
		if status, said := w.scim(token, http.MethodPost, "/Bulk", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[`+strings.Join(operations, ",")+`]}`); status != http.StatusOK {
			t.Fatalf("%d %v", status, said)
		}
		ids := w.scimIDs(token)
		word := w.plan("acme").Word
		turned := false
		for wait := 5 * time.Millisecond; !turned && wait < 10*time.Second; wait *= 2 {
			done := make(chan int, 1)
			go func() {
				_, _, code := w.run(nil, "directory", "enable", "acme", "idp", "--plan", word)
				done <- code
			}()
			select {
			case <-done:
			case <-time.After(wait):
			}
			w.kill()
			<-done
			w.start()
			var r struct {
				Status         string
				People, Staged int
			}
			w.gatehouse(&r, "directory", "show", "acme", "idp")
			turned = r.Status == "enabled"
			if turned && (r.People != people || r.Staged != 0) || !turned && (r.People != 0 || r.Staged != people || r.Status != "testing") {
				t.Fatalf("after a kill it is %+v", r)
			}
			if !turned && w.plan("acme").Word != word {
				t.Fatal("after a kill the plan is another")
			}
		}
		if again := w.scimIDs(token); !turned || len(again) != people || again["person7@acme.test"] != ids["person7@acme.test"] {
			t.Errorf("enabled %v, %d people", turned, len(again))
		}
	})
}
