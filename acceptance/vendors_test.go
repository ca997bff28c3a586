package acceptance

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// connect enters a workspace's directory at an IdP and returns the new token, the only one that works.
func (w *world) connect(p *idpsim.IdP, slug string, c idpsim.Connection) string {
	w.t.Helper()
	c.BaseURL, c.Token = w.token(slug)
	c.Attempts = 1
	w.must(p.Connect(w.ctx(), c))
	return c.Token
}

// resources is how many people and groups a SCIM list counts.
func (w *world) resources(token, path string) float64 {
	w.t.Helper()
	status, got := w.scim(token, http.MethodGet, path, "")
	n, ok := got["totalResults"].(float64)
	if status != http.StatusOK || !ok {
		w.t.Fatalf("%s: %d %v", path, status, got)
	}
	return n
}

func TestStory_clients_that_write_complete_documents_provision(t *testing.T) {
	for _, kind := range []idpsim.Kind{idpsim.OneLogin, idpsim.JumpCloud, idpsim.PingOne, idpsim.CyberArk} {
		t.Run(string(kind), func(t *testing.T) {
			story(t, func(t *testing.T, w *world) {
				provisions(t, w, kind)
			})
		})
	}
}

// deletes is what follows when somebody is deleted there: out at once, unknown afterwards, and in again
// under the same user name as soon as the IdP says so.
func deletes(w *world, p *idpsim.IdP, who string, role string, remove, again func() error) {
	w.t.Helper()
	token := w.connect(p, "acme", idpsim.Connection{DeleteAction: "delete"})
	first := w.wantMember("acme", who, "active", role)
	id := remoteID(p, who)
	b := w.signIn("acme", who)
	events := b.events()
	w.must(remove())
	w.wantEnded(b, events)
	if status, got := w.scim(token, http.MethodGet, "/Users/"+id, ""); status != http.StatusNotFound {
		w.t.Errorf("the deleted person: %d %v", status, got)
	}
	if n := w.resources(token, fmt.Sprintf(`/Users?filter=userName eq %q`, who)); n != 0 {
		w.t.Errorf("%v people are found under the deleted one's name", n)
	}
	w.wantMember("acme", first.ID, "deactivated", role)
	w.must(again())
	if now := remoteID(p, who); now == "" || now == id {
		w.t.Errorf("came back under the SCIM id %q, was %q", now, id)
	}
	w.wantMember("acme", who, "active", role)
	w.signIn("acme", who)
}

func remoteID(p *idpsim.IdP, who string) string {
	for _, x := range p.State().People {
		if x.UserName == who {
			return x.App.RemoteID
		}
	}
	return ""
}

func TestStory_deleted_by_the_directory_and_back(t *testing.T) {
	for _, kind := range []idpsim.Kind{idpsim.OneLogin, idpsim.PingOne} { // unassigning deletes, if the connection says so
		t.Run(string(kind), func(t *testing.T) {
			story(t, func(t *testing.T, w *world) {
				w.mustApply(workspace("acme", "omniflow", ""))
				p := w.seeded(kind, "acme")
				who := w.somebodyIn(p, "Omniflow-Agents").UserName
				deletes(w, p, who, "Agent", func() error { return p.Unassign(w.ctx(), who) }, func() error { return p.Assign(w.ctx(), who) })
			})
		})
	}
	for _, kind := range []idpsim.Kind{idpsim.JumpCloud, idpsim.Google} { // deleting deletes
		t.Run(string(kind), func(t *testing.T) {
			story(t, func(t *testing.T, w *world) {
				w.mustApply(workspace("acme", "default", "invite_on_create: no"))
				p := w.seeded(kind, "acme")
				who := w.somebodyIn(p, "Omniflow-Agents")
				role := w.member("acme", who.UserName).Role
				deletes(w, p, who.UserName, role, func() error { return p.Delete(w.ctx(), who.UserName) }, func() error {
					_, err := p.AddPerson(w.ctx(), idpsim.Person{UserName: who.UserName, GivenName: who.GivenName, FamilyName: who.FamilyName})
					w.must(err)
					return p.Assign(w.ctx(), who.UserName)
				})
			})
		})
	}
}

func TestStory_jumpcloud_activates_again_and_again(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		shows(t, "F7")
		w.mustApply(workspace("acme", "omniflow", ""))
		const address = "scimtest@acme.test"
		p := w.idp(idpsim.JumpCloud, "acme") // which has tested once already
		token := w.connect(p, "acme", idpsim.Connection{})
		for range 2 {
			w.must(p.TestCredentials(w.ctx()))
			for _, path := range []string{"/Users", "/Groups"} {
				if n := w.resources(token, path); n != 0 {
					t.Errorf("the activation left %v of %s", n, path)
				}
			}
		}
		for _, m := range w.people("acme") {
			if m.Email == address && m.Status != "deactivated" {
				t.Errorf("the test user is left: %+v", m)
			}
		}
		// The name is free for somebody who is meant.
		w.create(token, address)
		w.must(p.Seed(w.ctx(), idpsim.Company{Domain: "acme.test"}))
		_, err := p.AssignEverybody(w.ctx())
		w.must(err)
		w.connect(p, "acme", idpsim.Connection{TestAddress: "another@acme.test"})
		w.must(p.TestCredentials(w.ctx())) // beside a company
		report, err := p.Sync(w.ctx())
		w.must(err)
		if len(report.ImportedUsers) != 26 {
			t.Errorf("%d people imported, want 26", len(report.ImportedUsers))
		}
	})
}

func TestStory_google_suspends_and_deletes_independently(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		shows(t, "F5")
		w.mustApply(workspace("acme", "default", "invite_on_create: no"))
		p := w.seeded(idpsim.Google, "acme")
		token := w.connect(p, "acme", idpsim.Connection{})
		if people, groups := w.resources(token, "/Users"), w.resources(token, "/Groups"); people != 25 || groups != 0 {
			t.Fatalf("%v people and %v groups, want 25 and none", people, groups)
		}
		who := w.somebodyIn(p, "Omniflow-Agents").UserName
		first := w.member("acme", who)
		b := w.signIn("acme", who)
		events := b.events()
		w.must(p.Deactivate(w.ctx(), who))
		w.wantEnded(b, events)
		w.wantMember("acme", who, "deactivated", first.Role)
		w.must(p.Reactivate(w.ctx(), who))
		if back := w.wantMember("acme", who, "active", first.Role); back.ID != first.ID {
			t.Errorf("came back as %s, was %s", back.ID, first.ID)
		}
		title := "Principal"
		w.must(p.Change(w.ctx(), who, idpsim.Attributes{Title: &title}))
		if m := w.member("acme", who); m.Attributes["title"] != title {
			t.Errorf("attributes %v, want title %s", m.Attributes, title)
		}
		// Without the suspend trigger nothing is said, and the delete comes alone.
		w.connect(p, "acme", idpsim.Connection{SuspendAction: "nothing"})
		w.must(p.Deactivate(w.ctx(), who))
		w.wantMember("acme", who, "active", first.Role)
		w.must(p.Delete(w.ctx(), who))
		w.wantMember("acme", first.ID, "deactivated", first.Role)
		// Core attributes under the URN of their schema are understood, and answered at the top level.
		token = w.connect(p, "acme", idpsim.Connection{NestCore: true})
		_, err := p.AddPerson(w.ctx(), idpsim.Person{UserName: "nested@acme.test", GivenName: "Ann", FamilyName: "Lee"})
		w.must(err)
		w.must(p.Assign(w.ctx(), "nested@acme.test"))
		status, got := w.scim(token, http.MethodGet, "/Users/"+remoteID(p, "nested@acme.test"), "")
		if status != http.StatusOK || got["userName"] != "nested@acme.test" || got["displayName"] != "Ann Lee" {
			t.Errorf("nested: %d %v", status, got)
		}
		// What the schema gives to the server alone cannot be mapped.
		w.connect(p, "acme", idpsim.Connection{Mapping: map[string]string{"title": "groups"}})
		if err := p.TestCredentials(w.ctx()); err == nil || !strings.Contains(err.Error(), "title cannot be mapped to groups") {
			t.Errorf("title mapped to groups: %v", err)
		}
	})
}

func TestStory_onelogin_templates(t *testing.T) {
	name := `"userName":"{$parameters.scimusername}","name":{"familyName":"{$user.lastname}","givenName":"{$user.firstname}"}`
	for what, template := range map[string]string{
		"with the state as a text": `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],` + name + `,"active":"{$user.status}"}`,
		"with a boolean as a text": `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],` + name + `,"emails":[{"value":"{$user.email}","type":"work","primary":"true"}]}`,
		"without schemas":          `{` + name + `,"active":"{$user.status}"}`,
		"with schemas of SCIM 1":   `{"schemas":["urn:scim:schemas:core:2.0","urn:scim:schemas:extension:enterprise:2.0"],` + name + `}`, // as in authentik's issue 11249
		"with everything unset":    `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],` + name + `,"title":"","nickName":"","profileUrl":"","emails":[{"value":"","type":"work","primary":true}],"phoneNumbers":[{"value":""}],"addresses":[{"postalCode":"","type":"work"}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"","manager":""}}`,
	} {
		t.Run(what, func(t *testing.T) {
			story(t, func(t *testing.T, w *world) {
				w.mustApply(workspace("acme", "default", "invite_on_create: no"))
				p := w.idp(idpsim.OneLogin, "acme")
				w.connect(p, "acme", idpsim.Connection{Template: template})
				_, err := p.AddPerson(w.ctx(), idpsim.Person{UserName: "ann@acme.test", GivenName: "Ann", FamilyName: "Lee"})
				w.must(err)
				w.must(p.Assign(w.ctx(), "ann@acme.test"))
				m := w.member("acme", "ann@acme.test")
				family := "Li"
				w.must(p.Change(w.ctx(), "ann@acme.test", idpsim.Attributes{FamilyName: &family}))
				if now := w.member("acme", m.ID); now.Status != "active" || !strings.Contains(now.Name, "Li") || now.Email != "ann@acme.test" {
					t.Errorf("%+v", now)
				}
				w.must(p.Deactivate(w.ctx(), "ann@acme.test"))
				if now := w.member("acme", m.ID); now.Status != "deactivated" {
					t.Errorf("after the suspension: %+v", now)
				}
			})
		})
	}
}

func TestStory_pingone_filters_and_creates_inactive(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.mustApply(workspace("acme", "default", "invite_on_create: yes"))
		p := w.idp(idpsim.PingOne, "acme")
		token := w.connect(p, "acme", idpsim.Connection{CreateInactive: true,
			UserFilter: `userName eq "%s" or (active eq true and emails[type eq "work" and value eq "%s"])`})
		_, err := p.AddPerson(w.ctx(), idpsim.Person{UserName: "ann@acme.test", GivenName: "Ann", FamilyName: "Lee"})
		w.must(err)
		w.must(p.Deactivate(w.ctx(), "ann@acme.test"))
		w.must(p.Assign(w.ctx(), "ann@acme.test"))
		status, got := w.scim(token, http.MethodGet, "/Users/"+remoteID(p, "ann@acme.test"), "")
		if status != http.StatusOK || got["active"] != false {
			t.Fatalf("made inactive: %d %v", status, got)
		}
		// Whoever may not come in is not invited; they are as soon as they may.
		first := w.member("acme", "ann@acme.test")
		if first.Status != "deactivated" {
			t.Errorf("made inactive: %+v", first)
		}
		if _, said, code := w.run(nil, "session", "link", "ann@acme.test", "--workspace", "acme"); code == 0 {
			t.Errorf("a link for somebody who was made inactive: %s", said)
		}
		w.must(p.Reactivate(w.ctx(), "ann@acme.test"))
		if m := w.member("acme", first.ID); m.Status != "invited" || len(m.DeactivatedBy) > 0 {
			t.Errorf("restored: %+v", m)
		}
		if n := w.resources(token, "/Users"); n != 1 {
			t.Errorf("%v people, want 1", n)
		}
	})
}

// Every client's load is a first sync of a company and then changes; none of its requests may be refused.
func TestStory_a_load_of_every_client_is_served(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		for _, kind := range idpsim.Kinds() {
			slug := "load-" + string(kind)
			w.mustApply(workspace(slug, "omniflow", ""))
			base, token := w.token(slug)
			r, err := idpsim.Load{Connection: idpsim.Connection{BaseURL: base, Token: token, Parallel: 4},
				People: 40, Groups: 6, Changes: 60, Imports: 2, Domain: slug + ".test"}.Run(w.ctx(), kind)
			w.must(err)
			if r.Failed > 0 || r.EndedEarly || r.Changes["profile"] != 24 || r.Changes["new"] != 6 {
				t.Errorf("%s\n%v changes %v", r, r.Errors, r.Changes)
			}
			if people := w.resources(token, "/Users"); people != 46 {
				t.Errorf("%s: %v people, want 46", kind, people)
			}
		}
	}, "--scim-rate", "none")
}
