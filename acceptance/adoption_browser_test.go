package acceptance

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// An owner decides in the console what a directory met, and takes one adoption back.
func TestBrowser_AnOwnerDecidesWhatADirectoryMet(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.mustApply(`workspace: acme
name: Acme Inc
preset: omniflow
owners:
  - {email: root@acme.test, password_env: ROOT_PASSWORD, break_glass: true}
  - {email: hanna.by.hand@acme.test, name: Hanna Novák}
  - {email: otto.of.a.company.with.a.long.name@a-company-with-a-long-name.acme.test, name: Otto}
directories: [{name: idp}, {name: other}]
`)
	names := func(token, who string, more string) int {
		status, _ := s.scim(token, "POST", "/Users", user(who, fmt.Sprintf(`,"externalId":"00u-%s","displayName":"Hannah of Okta"%s`, who, more)))
		return status
	}
	const hanna, otto = "hanna.by.hand@acme.test", "otto.of.a.company.with.a.long.name@a-company-with-a-long-name.acme.test"
	s.gatehouse(nil, "member", "set-role", hanna, "Supervisor", "--workspace", "acme")
	s.gatehouse(nil, "member", "set-role", otto, "Agent", "--workspace", "acme")
	_, token := s.token("acme")
	var other struct{ Token string }
	s.gatehouse(&other, "scim-token", "rotate", "acme", "other")
	s.create(other.Token, "olga@acme.test")
	for who, more := range map[string]string{hanna: "", otto: `,"active":false`, "olga@acme.test": ""} {
		if status := names(token, who, more); status != http.StatusConflict {
			t.Fatalf("naming %s answered %d", who, status)
		}
	}
	here := s.base + "/console/acme/sso/waiting"
	console := s.ownerAt("acme")
	console.visit(s.base + "/console/acme/sso")
	console.wantText("#waiting-count", "3")
	console.picture("console-sso-waiting")
	console.follow("#waiting", here)
	console.wantText("main", "Hanna Novák", "Hannah of Okta", "allowing it deactivates the member", "can no longer deactivate them")
	console.picture("console-waiting")

	var list []met
	s.gatehouse(&list, "adoption", "list", "acme")
	ids := map[string]string{}
	for _, a := range list {
		ids[a.Member.Email] = a.ID
	}
	console.follow("#refuse-"+ids[otto], here)
	console.wantText("[role=status]", "It is refused")
	console.follow("#allow-"+ids[hanna], here)
	console.wantText("[role=status]", "It is allowed")
	if status := names(token, hanna, ""); status != http.StatusCreated {
		t.Fatalf("naming them after the decision answered %d", status)
	}
	console.visit(here)
	console.wantText("#adopted", hanna, "It was allowed.")
	console.wantText("#decided", "refused")
	console.click("#undo-" + ids[hanna] + "-ask")
	console.picture("console-waiting-decided")
	console.follow("#undo-"+ids[hanna], here)
	console.wantText("[role=status]", "as they were before")
	if m := s.wantMember("acme", hanna, "active", "Supervisor"); m.Name != "Hanna Novák" || m.Directory != "" {
		t.Errorf("the member is %+v", m)
	}
	console.visit(s.base + "/console/acme/events")
	console.wantText("main", "Adoption: undone", "Adoption: allowed", "Adoption: refused", "Adoption: waits for a decision")
	if e := s.wantEvent("acme", "adoption.allowed", ""); e.Actor.Kind != "member" || !strings.HasPrefix(e.Actor.Name, "root@") {
		t.Errorf("the decision is %+v", e)
	}
}
