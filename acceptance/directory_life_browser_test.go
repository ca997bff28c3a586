package acceptance

import (
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"
)

// F25, K16: an administrator runs a test sync in the console, tries it with a pilot, and enables the plan on screen.
func TestBrowser_AnAdministratorTestsADirectoryBeforeEnablingIt(t *testing.T) {
	shows(t, "F25", "F26", "K16")
	t.Parallel()
	s := newSite(t)
	s.mustApply(`workspace: acme
name: Acme Inc
preset: omniflow
owners:
  - {email: root@acme.test, password_env: ROOT_PASSWORD, break_glass: true}
role_mappings: [{group: Omniflow-Admins, role: Admin}]
directories: [{name: idp, status: draft}]
`)
	_, token := s.token("acme")
	console := s.ownerAt("acme")
	console.visit(s.base + "/console/acme/sso")
	console.wantText("main", "draft")
	console.follow(`main a[href*="/sso/directories/"]`, s.base+"/console/acme/sso/directories/")
	here := valueOf(console, "stay", chromedp.Location())
	console.wantText("#state", "is a draft")
	console.picture("console-directory-draft")
	console.follow("#test-directory", here)
	console.wantText("[role=status]", "is testing")
	console.wantText("#plan-counts", "Nobody is staged")

	group := []string{}
	for _, who := range []string{"ada@acme.test", "bob.with.a.long.name.that.goes.on@a-company-with-a-long-name.acme.test", "by.hand2@acme.test", "<script>alert(1)</script>"} {
		more := `,"displayName":"Some ` + who + `"`
		if who[0] == '<' {
			more += `,"emails":[{"value":"evil@acme.test","primary":true}]`
		}
		status, made := s.scim(token, "POST", "/Users", user(who, more))
		if status != http.StatusCreated {
			t.Fatalf("%s: %d %v", who, status, made)
		}
		id, _ := made["id"].(string)
		group = append(group, id)
	}
	s.scim(token, "POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Omniflow-Admins","members":[{"value":"`+group[0]+`"}]}`)
	s.scim(token, "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"nameless"}`)
	s.scim(token, "GET", "/Users?count=2", "")
	console.visit(here)
	console.wantText("#plan-counts", "4 created")
	console.wantText("#plan-rows", "ada@acme.test", "Admin", "<script>alert(1)</script>")
	console.wantText("#requests", "staged", "required_missing", "/scim/v2/Users")
	console.picture("console-directory-testing")

	// What was on screen is carried out, or nothing: here somebody came in between.
	console.enter("#pilot", "ada@acme.test\nnobody@acme.test")
	console.follow("#save-pilot", here)
	console.wantText("[role=status]", "pilot list was saved")
	s.wantMember("acme", "ada@acme.test", "active", "Admin")
	console.wantText("#plan-counts", "3 created", "1 members already")
	s.scim(token, "POST", "/Users", user("late@acme.test", ""))
	console.mayAnswer(http.StatusConflict)
	console.follow("#enable-directory", here+"/enable")
	console.wantText("#enable-directory-error", "has changed since the plan was shown")
	console.picture("console-directory-plan-changed")
	console.visit(here + "?outcome=stays")
	console.wantText("#plan-rows", "ada@acme.test")
	console.visit(here)
	console.follow("#enable-directory", here)
	console.wantText("[role=status]", "is enabled")
	s.wantMember("acme", "late@acme.test", "active", "Trainee")
	console.picture("console-directory-enabled")
	console.click("#disable-directory-ask")
	console.follow("#disable-directory", here)
	console.wantText("#state", "is paused")
	console.picture("console-directory-paused")
	console.enter("#heard-who", "late@acme.test")
	console.follow("#requests form button", s.base+"/console/acme/events")
	console.wantText("#events", "staged user took effect", "user created")
}
