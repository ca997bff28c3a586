package acceptance

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// pushed is a group as an IdP knows it.
func pushed(t *testing.T, p *idpsim.IdP, name string) idpsim.Group {
	t.Helper()
	for _, g := range p.State().Groups {
		if g.Name == name {
			return g
		}
	}
	t.Fatalf("the IdP has no group %s", name)
	return idpsim.Group{}
}

// makeGroup makes a group by SCIM and returns its id.
func (w *world) makeGroup(token, name string) string {
	w.t.Helper()
	status, got := w.scim(token, http.MethodPost, "/Groups", fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":%q}`, name))
	id, _ := got["id"].(string)
	if status != http.StatusCreated || id == "" {
		w.t.Fatalf("group %s: %d %v", name, status, got)
	}
	return id
}

// Okta's enhanced group push links a group of its own to one that the directory has (K13): found by its name, or
// chosen from the list under another name. Seeds say that Omni does not offer it; Gatehouse does.
func TestStory_okta_links_groups_that_are_there(t *testing.T) {
	shows(t, "K13", "K26")
	for _, kind := range []idpsim.Kind{idpsim.Okta, idpsim.OktaCustom} {
		t.Run(string(kind), func(t *testing.T) {
			story(t, func(t *testing.T, w *world) { links(t, w, kind) })
		})
	}
}

func links(t *testing.T, w *world, kind idpsim.Kind) {
	const second = "\ndirectories:\n  - {name: idp, connection: idp}\n  - {name: other, connection: idp}\n"
	w.mustApply(strings.Replace(workspace("acme", "omniflow", ""), "\ndirectories:\n  - {name: idp, connection: idp}", second, 1))
	p := w.idp(kind, "acme")
	w.must(p.Seed(w.ctx(), idpsim.Company{Domain: "acme.test"}))
	token := w.connect(p, "acme", idpsim.Connection{})
	var list struct{ Token string }
	w.gatehouse(&list, "scim-token", "rotate", "acme", "other")
	// What was there before: a group of that name, one of another, and one of another directory.
	agents, legacy := w.makeGroup(token, "Omniflow-Agents"), w.makeGroup(token, "Helpdesk 2019")
	foreign := w.makeGroup(list.Token, "Omniflow-Supervisors")
	_, err := p.AssignEverybody(w.ctx()) // pushes every group that the company pushes
	w.must(err)
	g := pushed(t, p, "Omniflow-Agents")
	if g.App.RemoteID != agents || !g.App.Linked {
		t.Fatalf("the group of that name was not linked: %+v", g.App)
	}
	if g := pushed(t, p, "Omniflow-Supervisors"); g.App.Linked || g.App.RemoteID == "" || g.App.RemoteID == foreign {
		t.Errorf("linked to another directory's group: %+v", g.App)
	}
	agent := w.somebodyIn(p, "Omniflow-Agents").UserName
	first := w.wantMember("acme", agent, "active", "Agent")

	// Unlinked and left, the group stays as it is; chosen again under another name, it follows its new link.
	w.must(p.UnlinkGroup(w.ctx(), "Omniflow-Agents", false))
	w.wantMember("acme", agent, "active", "Agent")
	w.must(p.LinkGroup(w.ctx(), "Omniflow-Agents", "Omniflow-Agents"))
	w.must(p.UnlinkGroup(w.ctx(), "Omniflow-Admins", true))
	admin := w.somebodyIn(p, "Omniflow-Admins").UserName
	if m := w.member("acme", admin); m.Role == "Admin" || m.Status != "active" {
		t.Errorf("after the deletion of their group: %+v, want somebody active with the lowest role", m)
	}
	w.must(p.LinkGroup(w.ctx(), "Omniflow-Admins", "Helpdesk 2019"))
	if g := pushed(t, p, "Omniflow-Admins"); g.App.RemoteID != legacy || !g.App.Linked {
		t.Fatalf("the group that was chosen was not linked: %+v", g.App)
	}
	w.wantMember("acme", admin, "active", "Admin")
	status, got := w.scim(token, http.MethodGet, "/Groups/"+legacy, "")
	members, _ := got["members"].([]any)
	if status != http.StatusOK || got["displayName"] != "Omniflow-Admins" || len(members) != len(pushed(t, p, "Omniflow-Admins").Members) {
		t.Errorf("the linked group: %d %v", status, got)
	}
	// From then on it is like any pushed group.
	w.must(p.AddMembers(w.ctx(), "Omniflow-Admins", agent))
	w.wantMember("acme", agent, "active", "Admin")
	w.must(p.RemoveMembers(w.ctx(), "Omniflow-Admins", agent))
	if m := w.wantMember("acme", agent, "active", "Agent"); m.ID != first.ID || slices.Contains(m.Groups, "Omniflow-Admins") {
		t.Errorf("%+v", m)
	}
	w.must(p.PushNow(w.ctx(), "Omniflow-Admins"))
	// What the other directory has was neither found, renamed nor emptied.
	if status, got := w.scim(list.Token, http.MethodGet, "/Groups/"+foreign, ""); status != http.StatusOK || got["displayName"] != "Omniflow-Supervisors" {
		t.Errorf("the other directory's group: %d %v", status, got)
	}
	if status, _ := w.scim(token, http.MethodGet, "/Groups/"+foreign, ""); status != http.StatusNotFound {
		t.Errorf("the other directory's group is shown: %d", status)
	}
}
