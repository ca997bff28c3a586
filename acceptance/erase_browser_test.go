package acceptance

import "testing"

// An owner sets how long sessions live, ends those of a member, and erases them; each page is looked at.
func TestBrowser_SessionsAndErasing(t *testing.T) {
	s := &site{world: newWorld(t, "")}
	s.mustApply("workspace: acme\nname: Acme Inc\npreset: default\nowners:\n  - {email: root@acme.test, password_env: ROOT_PASSWORD, break_glass: true}\ndirectories: [{name: idp}]\npolicy: {scim_requires_sso: no, invite_on_create: no}\n")
	_, token := s.token("acme")
	s.create(token, "ada.lovelace.with.a.long.name@a-company-with-a-long-name.acme.test")
	ada := s.signIn("acme", "ada.lovelace.with.a.long.name@a-company-with-a-long-name.acme.test")
	s.signIn("acme", "ada.lovelace.with.a.long.name@a-company-with-a-long-name.acme.test")
	here := s.base + "/console/acme/"
	console, other := s.ownerAt("acme"), s.ownerAt("acme")

	console.visit(here + "sessions")
	console.choose("#session-idle", "30m")
	console.choose("#session-life", "8h")
	console.follow("#save-sessions", here+"sessions?done=session-times")
	console.wantText("[role=status]", "saved")
	console.picture("console-sessions")
	console.visit(s.base + "/w/acme")
	console.wantText("#session-life", "30m without use")
	console.picture("account-sessions")

	member := here + "members/" + ada.session().Member.ID
	console.visit(member)
	console.wantText("#sessions", "One-time link")
	console.picture("console-member-sessions")
	console.follow("#end-sessions", member+"?done=sessions-ended")
	if got := ada.session().status; got != 401 {
		t.Errorf("their session: %d", got)
	}
	console.click("#deactivate-ask")
	console.follow("#deactivate", member+"?done=member-deactivated")
	console.click("#erase-ask")
	console.picture("console-member-erase")
	console.mayAnswer(400)
	console.enter("#erase-confirm", "somebody@else.test")
	console.click("#erase")
	console.wantText("#erase-error", "Nothing was done")
	console.enter("#erase-confirm", "ada.lovelace.with.a.long.name@a-company-with-a-long-name.acme.test")
	console.follow("#erase", member+"?done=member-erased")
	console.wantText("#member-status", "erased")
	console.picture("console-member-erased")

	console.visit(s.base + "/w/acme")
	console.follow("#end-all", s.base+"/signin")
	other.visit(s.base + "/signin")
	if got := other.see("h1"); got == "Your account" {
		t.Error("the other browser is signed in still")
	}
}
