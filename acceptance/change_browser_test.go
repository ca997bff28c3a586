package acceptance

import (
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// An administrator opens the overview, and changes a mapping and the policy, having seen first whom that changes.
func TestBrowser_AnAdministratorSeesWhomAChangeWouldChange(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.mustApply("workspace: acme\nname: Acme Inc\npreset: omniflow\nowners:\n  - {email: root@acme.test, password_env: ROOT_PASSWORD, break_glass: true}\n")
	console := s.ownerAt("acme")
	s.mustApply(workspace("acme", "omniflow", ""))
	p := s.seeded(idpsim.Okta, "acme")
	home := s.base + "/console/acme"
	console.visit(home)
	console.wantText("#attention", "What needs attention")
	console.wantText("#seats", "26")
	console.picture("console-overview")

	// A group that is there and gives no role yet.
	console.visit(home + "/roles")
	group := ""
	for _, g := range p.State().Groups {
		if !strings.HasPrefix(g.Name, "Omniflow-") && len(g.Members) > 0 {
			group = g.Name
		}
	}
	if group == "" {
		group = "Omniflow-Agents"
		console.follow(`[aria-label="Remove the mapping of Omniflow-Agents"]`, home+"/changes")
	} else {
		console.enter("#mapping-group", group)
		console.pick("#mapping-role", "Admin")
		console.follow("#add-mapping", home+"/changes")
	}
	console.wantText("#affected", "change")
	console.picture("console-change-mapping")
	console.follow("#save-change", home+"/roles")
	console.wantText("[role=status]", "The role mappings were saved")

	console.visit(home + "/policy")
	console.picture("console-policy")
	console.choose("#policy-role_source", "default_role")
	console.choose("#policy-group_loss", "keep")
	console.follow("#save-policy", home+"/changes")
	console.wantText("#affected", "change at once")
	console.wantText("main", "role_source")
	console.picture("console-change-policy")
	console.follow("#save-change", home+"/policy")
	console.wantText("[role=status]", "The policy was saved")
}
