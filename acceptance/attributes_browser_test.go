package acceptance

import (
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// An administrator defines an attribute, tries a mapping on somebody, saves it, and writes by hand what nobody gives.
func TestBrowser_AttributesAreDefinedMappedAndTriedFirst(t *testing.T) {
	s := &site{world: newWorld(t, "")}
	c := s.company("acme", idpsim.Okta, form{more: "owners:\n  - {email: root@acme.test, password_env: ROOT_PASSWORD, break_glass: true}\n" + ownAttributes})
	c.connect()
	c.hire("ada")
	title := "Head of the Department of Rather Long Titles and of Everything Else"
	s.must(c.idp.Change(s.ctx(), c.who("ada"), idpsim.Attributes{Title: &title}))
	c.enter(c.who("ada"))
	here := s.base + "/console/acme/"
	console := s.ownerWho("acme")
	console.visit(here + "attributes")
	console.enter("#attribute-name", "email")
	console.mayAnswer(400)
	console.click("#define-attribute")
	console.wantText("#define-attribute-error", "means something else")
	console.enter("#attribute-name", "badgeNumber")
	console.enter("#attribute-label", "Badge number")
	console.choose("#attribute-type", "integer")
	console.follow("#define-attribute", here+"attributes")
	console.wantText("[role=status]", "The attribute is there")
	console.picture("console-attributes")
	console.follow("#tables tbody tr:first-child a", here+"attributes/from/directory/")
	console.enter("#map-badgeNumber", "title")
	console.enter("#map-costCentre", "nickName\ntitle")
	console.enter("#preview-who", c.who("ada"))
	console.click("#preview")
	console.wantText("#preview-lines", "expected a whole number")
	console.wantText("#preview-lines", "changes")
	console.picture("console-attributes-preview")
	console.follow("#save-map", here+"attributes/from/directory/")
	console.wantText("[role=status]", "The mapping was saved")
	ada := c.member(c.who("ada"))
	if ada.Attributes["costCentre"] != title {
		t.Errorf("%v", ada.Attributes)
	}
	console.visit(here + "members/" + ada.ID)
	console.enter("#edit-salary", "12.50")
	console.choose("#edit-shift", "late")
	console.follow("#save-member", here+"members/")
	if ada = c.member(c.who("ada")); ada.Attributes["salary"] != "12.5" || ada.Attributes["shift"] != "late" {
		t.Errorf("%v", ada.Attributes)
	}
	console.picture("console-member-attributes")
	console.visit(here + "attributes/from/connection/" + c.connection)
	console.enter("#map-department", "no such attribute")
	console.click("#preview")
	console.see("#previewed")
	console.picture("console-attributes-message")
	var link struct{ URL string }
	s.gatehouse(&link, "session", "link", "--workspace", "acme", c.who("ada"))
	own := newPerson(t).open(link.URL)
	own.follow("form button", s.base+"/w/acme")
	own.wantText("main", title)
	own.picture("account-attributes")
}
