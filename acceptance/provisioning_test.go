package acceptance

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// people are who seeds the IdPs in which mapped group; found by what Gatehouse says itself.
func (w *world) somebodyIn(p *idpsim.IdP, group string) idpsim.Person {
	w.t.Helper()
	state := p.State()
	count := map[string]int{}
	for _, g := range state.Groups {
		if strings.HasPrefix(g.Name, "Omniflow-") {
			for _, id := range g.Members {
				count[id]++
			}
		}
	}
	for _, g := range state.Groups {
		if g.Name != group {
			continue
		}
		for _, id := range g.Members {
			for _, x := range state.People {
				if x.ID == id && count[id] == 1 {
					return x
				}
			}
		}
	}
	w.t.Fatalf("nobody is in %s and in no other mapped group", group)
	return idpsim.Person{}
}

// provisions is the story that each client tells: a first sync, roles by group, out and back.
func provisions(t *testing.T, w *world, kind idpsim.Kind) {
	shows(t, "F2", "F19", "F20", "F22", "F27", "F28", "F36", "K5", "K6", "K8", "K23", "V1", "V2", "V3", "V13", "V18", "V19", "V21", "V23")
	shows(t, map[idpsim.Kind][]string{idpsim.Okta: {"F3"}, idpsim.OktaCustom: {"F3"}, idpsim.Entra: {"F4", "E1", "E5"}, idpsim.EntraFlag: {"F4"},
		idpsim.OneLogin: {"F6"}, idpsim.JumpCloud: {"F7"}}[kind]...)
	w.mustApply(workspace("acme", "omniflow", ""))
	p := w.seeded(kind, "acme")
	var list []member
	w.gatehouse(&list, "member", "list", "--workspace", "acme")
	active := 0
	for _, m := range list {
		if m.Status == "active" && m.Role != "Owner" {
			active++
		}
	}
	if active != 25 {
		t.Fatalf("%d active members of the directory, want 25", active)
	}
	agent := w.somebodyIn(p, "Omniflow-Agents")
	first := w.wantMember("acme", agent.UserName, "active", "Agent")
	if first.RoleReason.Group != "Omniflow-Agents" {
		t.Errorf("the reason names %+v", first.RoleReason)
	}

	w.must(p.AddMembers(w.ctx(), "Omniflow-Supervisors", agent.UserName))
	w.cycle(p)
	w.wantMember("acme", agent.UserName, "active", "Supervisor")
	w.must(p.RemoveMembers(w.ctx(), "Omniflow-Supervisors", agent.UserName))
	w.cycle(p)
	w.wantMember("acme", agent.UserName, "active", "Agent")

	b := w.signIn("acme", agent.UserName)
	if s := b.session(); s.Member.Role != "Agent" || s.Member.ID != first.ID {
		t.Errorf("session says %+v", s.Member)
	}
	events := b.events()
	w.must(p.Deactivate(w.ctx(), agent.UserName))
	w.cycle(p)
	w.wantEnded(b, events)
	out := w.wantMember("acme", agent.UserName, "deactivated", "Agent")
	if !slices.Equal(out.DeactivatedBy, []string{"idp"}) {
		t.Errorf("deactivated by %v", out.DeactivatedBy)
	}
	if _, said, code := w.run(nil, "session", "link", agent.UserName, "--workspace", "acme"); code == 0 {
		t.Errorf("a link for somebody who is out: %s", said)
	}

	w.must(p.Reactivate(w.ctx(), agent.UserName))
	w.cycle(p)
	back := w.wantMember("acme", agent.UserName, "active", "Agent")
	if back.ID != first.ID {
		t.Errorf("came back as %s, was %s", back.ID, first.ID)
	}
	if s := b.session(); s.status != http.StatusUnauthorized {
		t.Errorf("the old session lives again: %d", s.status)
	}
	w.signIn("acme", agent.UserName)

	title := "Principal"
	w.must(p.Change(w.ctx(), agent.UserName, idpsim.Attributes{Title: &title}))
	w.cycle(p)
	if m := w.member("acme", agent.UserName); m.Attributes["title"] != title {
		t.Errorf("attributes %v, want title %s", m.Attributes, title)
	}
	e := w.wantEvent("acme", "scim.user.deactivated", "")
	if len(e.Payload) == 0 || e.Subject.ID != first.ID {
		t.Errorf("the deactivation's event: %+v", e)
	}
}

func TestStory_okta_provisions(t *testing.T) {
	story(t, func(t *testing.T, w *world) { provisions(t, w, idpsim.Okta) })
}

func TestStory_okta_custom_app_puts(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		provisions(t, w, idpsim.OktaCustom)
	})
}

func TestStory_entra_deactivates(t *testing.T) {
	for _, kind := range []idpsim.Kind{idpsim.Entra, idpsim.EntraFlag} {
		t.Run(string(kind), func(t *testing.T) {
			story(t, func(t *testing.T, w *world) { provisions(t, w, kind) })
		})
	}
}

func TestStory_owner_put_out_stays_out(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.mustApply(workspace("acme", "omniflow", ""))
		p := w.seeded(idpsim.OktaCustom, "acme")
		who := w.somebodyIn(p, "Omniflow-Agents").UserName
		b := w.signIn("acme", who)
		events := b.events()
		w.gatehouse(nil, "member", "deactivate", who, "--workspace", "acme")
		w.wantEnded(b, events)
		// Okta's custom applications send active:true in every PUT.
		title := "Still here"
		w.must(p.Change(w.ctx(), who, idpsim.Attributes{Title: &title}))
		m := w.wantMember("acme", who, "deactivated", "Agent")
		if !slices.Equal(m.DeactivatedBy, []string{"owner"}) || m.Attributes["title"] != title {
			t.Errorf("%+v", m)
		}
		w.must(p.Deactivate(w.ctx(), who))
		w.must(p.Reactivate(w.ctx(), who))
		if m := w.wantMember("acme", who, "deactivated", "Agent"); !slices.Equal(m.DeactivatedBy, []string{"owner"}) {
			t.Errorf("after out and in by the IdP: %v", m.DeactivatedBy)
		}
		w.gatehouse(nil, "member", "restore", who, "--workspace", "acme")
		if again := w.wantMember("acme", who, "active", "Agent"); again.ID != m.ID {
			t.Errorf("restored as %s, was %s", again.ID, m.ID)
		}
	})
}

func TestStory_new_identity_reactivates(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		shows(t, "K9", "K7", "K18", "K10")
		w.mustApply(workspace("acme", "omni", "scim_allowed: yes"))
		p := w.seeded(idpsim.Okta, "acme")
		who := w.somebodyIn(p, "Omniflow-Agents").UserName
		old := w.wantMember("acme", who, "active", "Organization Member")
		w.gatehouse(nil, "member", "set-role", who, "Organization Admin", "--workspace", "acme")
		w.must(p.Deactivate(w.ctx(), who))
		w.must(p.Reactivate(w.ctx(), who))
		fresh := w.wantMember("acme", who, "active", "Organization Member")
		if fresh.ID == old.ID {
			t.Error("the same member came back under new_identity")
		}
		history := w.wantMember("acme", old.ID, "deactivated", "Organization Admin")
		if !slices.Equal(history.DeactivatedBy, []string{"idp"}) {
			t.Errorf("history: %+v", history)
		}
		if len(fresh.Groups) == 0 {
			t.Error("the fresh member is in no group: the resource keeps its group rows")
		}
	})
}

func TestStory_group_loss_and_return(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		shows(t, "F21")
		w.mustApply(workspace("acme", "omniflow", ""))
		p := w.seeded(idpsim.Entra, "acme")
		agent := w.somebodyIn(p, "Omniflow-Agents").UserName
		before := w.wantMember("acme", agent, "active", "Agent")
		b := w.signIn("acme", agent)
		events := b.events()
		w.must(p.RemoveMembers(w.ctx(), "Omniflow-Agents", agent))
		w.cycle(p)
		w.wantEnded(b, events)
		if m := w.member("acme", agent); !slices.Equal(m.DeactivatedBy, []string{"group_loss"}) {
			t.Fatalf("deactivated by %v", m.DeactivatedBy)
		}
		w.must(p.AddMembers(w.ctx(), "Omniflow-Trainees", agent))
		w.cycle(p)
		if m := w.wantMember("acme", agent, "active", "Trainee"); m.ID != before.ID {
			t.Errorf("came back as %s, was %s", m.ID, before.ID)
		}
		// A rename that takes a group out of its mapping puts nobody out.
		w.must(p.RenameGroup(w.ctx(), "Omniflow-Trainees", "Apprentices"))
		w.cycle(p)
		w.wantMember("acme", agent, "active", "Trainee")
	})
}

func TestStory_neighbour_sees_nothing(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		shows(t, "V12")
		w.mustApply(workspace("acme", "omniflow", ""))
		w.mustApply(workspace("globex", "omniflow", ""))
		p := w.seeded(idpsim.Okta, "acme")
		_, token := w.token("globex")
		for _, path := range []string{"/Users", "/Groups", `/Users?filter=active eq true`, `/Groups?filter=displayName eq "Omniflow-Agents"`} {
			status, got := w.scim(token, "GET", path, "")
			if status != 200 || got["totalResults"] != 0.0 {
				t.Errorf("%s: %d, %v", path, status, got)
			}
		}
		mine := `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"me@globex.test"}`
		status, me := w.scim(token, "POST", "/Users", mine)
		if status != 201 {
			t.Fatalf("create: %d %v", status, me)
		}
		_, group := w.scim(token, "POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Eng"}`)
		for _, x := range p.State().People[:3] {
			id := x.App.RemoteID
			for method, body := range map[string]string{"GET": "", "DELETE": "", "PUT": mine,
				"PATCH": `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","value":{"active":false}}]}`} {
				status, foreign, err := w.tryScim(token, method, "/Users/"+id, body)
				w.must(err)
				unknownStatus, unknown, err := w.tryScim(token, method, "/Users/00000000-0000-4000-8000-000000000000", body)
				w.must(err)
				if status != 404 || unknownStatus != 404 || strings.ReplaceAll(foreign, id, "ID") != strings.ReplaceAll(unknown, "00000000-0000-4000-8000-000000000000", "ID") {
					t.Errorf("%s of a neighbour's id: %d %s; of an unknown one: %d %s", method, status, foreign, unknownStatus, unknown)
				}
			}
			add := fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"add","path":"members","value":[{"value":%q}]}]}`, id)
			if status, got := w.scim(token, "PATCH", "/Groups/"+group["id"].(string), add); status != 400 {
				t.Errorf("a neighbour's person as member: %d %v", status, got)
			}
			manager := fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":%q}]}`, id)
			if status, got := w.scim(token, "PATCH", "/Users/"+me["id"].(string), manager); status != 400 {
				t.Errorf("a neighbour's person as manager: %d %v", status, got)
			}
		}
		// Nothing of it reached the neighbour's log or people.
		for _, e := range w.events("acme") {
			if strings.Contains(string(e.Payload), "globex") {
				t.Errorf("an event of the neighbour: %s", e.Payload)
			}
		}
		// A browser of one workspace is nobody in the other.
		b := w.signIn("acme", p.State().People[0].UserName)
		b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		res, err := b.Get(w.base + "/w/globex")
		w.must(err)
		res.Body.Close()
		if res.StatusCode == http.StatusOK {
			t.Error("/w/globex answers a member of acme")
		}
	})
}

func TestStory_last_owner_stays(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		shows(t, "F32")
		w.mustApply(workspace("acme", "omniflow", ""))
		p := w.seeded(idpsim.Okta, "acme")
		who := w.somebodyIn(p, "Omniflow-Agents").UserName
		// Somebody of the directory becomes an owner by hand; the break-glass one stays beside.
		w.gatehouse(nil, "member", "set-role", who, "Owner", "--workspace", "acme")
		if _, said, code := w.run(nil, "member", "deactivate", "root@acme.test", "--workspace", "acme"); code != 1 {
			t.Errorf("the break-glass administrator was deactivated: %s", said)
		}
		// Beside the break-glass owner the directory may take its own person out.
		w.must(p.Deactivate(w.ctx(), who))
		w.wantMember("acme", who, "deactivated", "Owner")
		w.must(p.Reactivate(w.ctx(), who))
		w.wantMember("acme", "root@acme.test", "active", "Owner")
		if _, said, code := w.run(nil, "member", "set-role", "root@acme.test", "Agent", "--workspace", "acme"); code != 1 {
			t.Errorf("the break-glass administrator was demoted: %s", said)
		}
		e := w.wantEvent("acme", "member.change.refused", "protected_member")
		if e.Outcome != "refused" {
			t.Errorf("%+v", e)
		}
	})
}

func TestStory_killed_server_keeps_what_it_acknowledged(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.mustApply(workspace("acme", "omniflow", ""))
		_, token := w.token("acme")
		var mu sync.Mutex
		acknowledged := map[string]bool{} // userName -> active
		var acks atomic.Int64
		enough := make(chan struct{})
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				for n := range 400 {
					name := fmt.Sprintf("p%d-%d@acme.test", i, n)
					body := fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":%q,"active":true}`, name)
					status, text, err := w.tryScim(token, "POST", "/Users", body)
					if err != nil {
						return // killed
					}
					if status != 201 {
						t.Errorf("create %s: %d %s", name, status, text)
						return
					}
					mu.Lock()
					acknowledged[name] = true
					mu.Unlock()
					if acks.Add(1) == 150 {
						close(enough)
					}
				}
			})
		}
		select {
		case <-enough:
		case <-time.After(time.Minute):
			t.Fatal("150 creates took more than a minute")
		}
		w.kill()
		wg.Wait()
		w.start()
		missing := 0
		for name := range acknowledged {
			status, got := w.scim(token, "GET", fmt.Sprintf(`/Users?filter=userName eq %q`, name), "")
			if status != 200 || got["totalResults"] != 1.0 {
				missing++
			}
		}
		if missing > 0 {
			t.Errorf("%d of %d acknowledged people are gone after kill -9", missing, len(acknowledged))
		}
		// Each has its event too, and numbers have no gap.
		created := 0
		for i, e := range w.events("acme") {
			if e.Seq != int64(i+1) {
				t.Fatalf("event %d has number %d", i+1, e.Seq)
			}
			if e.Type == "scim.user.created" {
				created++
			}
		}
		if created < len(acknowledged) {
			t.Errorf("%d events of creation for %d acknowledged people", created, len(acknowledged))
		}
	})
}
