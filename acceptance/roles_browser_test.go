package acceptance

import (
	"net/http"
	"testing"
)

// An owner makes a role in the browser; meanwhile the command line renames another, and the owner is told.
func TestBrowser_AnOwnerEditsRoles(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.mustApply("workspace: acme\nname: Acme Inc\npreset: omniflow\nowners:\n  - {email: root@acme.test, password_env: ROOT_PASSWORD, break_glass: true}\nrole_mappings:\n  - {group: Omniflow-Agents, role: Agent}\n")
	console := s.ownerAt("acme")
	here := s.base + "/console/acme/permissions"
	console.visit(here)
	console.enter("#role-name", "Night shift of the support desk in Olomouc")
	console.follow("#add-role", here)
	console.wantText("main", "Night shift of the support desk in Olomouc", "Nothing in the console", "Omniflow-Agents gives Agent")
	var all []struct{ ID, Name string }
	s.gatehouse(&all, "role", "list", "--workspace", "acme")
	night, agent := all[4].ID, all[3].ID
	for _, summary := range []string{"#allow-" + night + "-ask", "#name-" + night + "-ask", "#remove-" + agent + "-ask"} {
		console.click(summary)
	}
	console.picture("console-permissions")
	if out, errOut, code := s.run(nil, "role", "rename", "Agent", "Operator", "--workspace", "acme"); code != 0 {
		t.Fatalf("%s %s", out, errOut)
	}
	console.mayAnswer(http.StatusConflict)
	console.enter("#name-of-"+night, "Late shift")
	console.follow("#name-"+night, here+"/"+night+"/rename")
	console.wantText("main", "Changed meanwhile", "Late shift", "Operator")
	console.picture("console-changed-meanwhile")
	console.visit(here)
	console.wantText("main", "Night shift of the support desk in Olomouc", "Operator")
}
