package acceptance

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/jobs/mtatest"
	"github.com/gatehouse-id/gatehouse/internal/mailsink"
)

// An administrator manages people and teams in a browser; who is invited accepts in another.
func TestBrowser_PeopleAndTeamsAreManagedByHand(t *testing.T) {
	sink, err := mailsink.New(mailsink.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = sink.Serve(t.Context(), l) }()
	s := &site{world: newWorld(t, "", "--mail-server", "smtp://"+l.Addr().String(), "--mail-from", "Gatehouse <no-reply@id.test>")}
	s.mustApply("workspace: acme\nname: Acme Inc\npreset: default\nowners:\n  - {email: root@acme.test, password_env: ROOT_PASSWORD, break_glass: true}\ndirectories: [{name: idp}]\npolicy: {scim_requires_sso: no}\n")
	_, token := s.token("acme")
	s.create(token, "bob.of.the.directory@acme.test")
	here := s.base + "/console/acme/"
	console := s.ownerAt("acme")
	console.visit(here + "members")
	console.enter("#invite-email", "ada.lovelace.with.a.long.name@a-company-with-a-long-name.acme.test")
	console.enter("#invite-name", "עדה Lovelace")
	console.choose("#invite-role", "Admin")
	console.follow("#invite", here+"members/")
	console.wantText("[role=status]", "on its way")
	letter := s.letter(sink, "ada.lovelace.with.a.long.name@a-company-with-a-long-name.acme.test", "invited")
	console.picture("console-member-invited")
	console.visit(here + "members")
	console.picture("console-members")
	var bob member
	s.gatehouse(&bob, "member", "show", "bob.of.the.directory@acme.test", "--workspace", "acme")
	console.visit(here + "members/" + bob.ID)
	console.picture("console-member-of-directory")

	guest := newPerson(t).open(linkInLetter.FindString(letter.Text))
	guest.picture("invitation")
	guest.enter("#password", chosen)
	guest.enter("#again", chosen)
	guest.follow("#accept", s.base+"/w/acme")
	gone := newPerson(t).open(s.base + "/signin")
	gone.mayAnswer(403)
	gone.visit(linkInLetter.FindString(letter.Text))
	gone.wantText("#link-invalid", "does not work any more")
	gone.picture("invitation-dead")
	forgot := newPerson(t).open(s.base + "/signin/forgot?workspace=acme")
	forgot.picture("forgot")
	forgot.enter("#email", "root@acme.test")
	forgot.click("#ask")
	forgot.wantText("#sent", "on its way")
	forgot.picture("forgot-sent")
	reset := newPerson(t).open(linkInLetter.FindString(s.letter(sink, "root@acme.test", "password").Text))
	reset.picture("new-password")

	console.visit(here + "teams")
	console.enter("#team-name", "Support of a name that is rather long for a team")
	console.follow("#create-team", here+"teams/")
	console.enter("#team-who", "bob.of.the.directory@acme.test")
	console.follow("#add-to-team", here+"teams/")
	console.picture("console-team")
	console.visit(here + "teams")
	console.picture("console-teams")

	var csv strings.Builder
	csv.WriteString("email,name,role\n")
	for i := range 8 {
		fmt.Fprintf(&csv, "person.%d@a-company-with-a-long-name.acme.test,Person %d,\n", i, i)
	}
	csv.WriteString("root@acme.test,Root,\n=1+1,x,\nperson.1@a-company-with-a-long-name.acme.test,again,\n")
	file := filepath.Join(t.TempDir(), "people.csv")
	s.must(os.WriteFile(file, []byte(csv.String()), 0o600))
	s.gatehouse(nil, "member", "import", file, "--workspace", "acme")
	console.visit(here + "imports")
	console.picture("console-imports")
	console.follow("#imports a", here+"imports/")
	console.picture("console-import")
	console.visit(here + "mail")
	console.picture("console-mail-empty")
}

// What a mail server refused is shown with its words.
func TestBrowser_ALetterThatWasRefusedIsShown(t *testing.T) {
	m := mtatest.Start(t)
	t.Setenv("SSL_CERT_FILE", m.CA)
	s := &site{world: newWorld(t, "", "--mail-server", m.URL(), "--mail-from", "Gatehouse <no-reply@id.test>")}
	s.mustApply("workspace: acme\nname: Acme Inc\npreset: default\nowners:\n  - {email: root@acme.test, password_env: ROOT_PASSWORD, break_glass: true}\n")
	s.gatehouse(nil, "member", "invite", mtatest.Refused, "--workspace", "acme")
	s.waitEvent("acme", "mail.undelivered")
	console := s.ownerAt("acme")
	console.visit(s.base + "/console/acme/members")
	console.wantText("#letters-given-up", "could not be sent")
	console.picture("console-members-undelivered")
	console.visit(s.base + "/console/acme/mail")
	console.wantText("#letters", "no such mailbox")
	console.picture("console-mail")
}
