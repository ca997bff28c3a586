package acceptance

import (
	"net/http"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// An owner requires single sign-on with its preview, prepares emergency access, uses it, and relaxes.
func TestBrowser_EnforcementAndEmergencyAccess(t *testing.T) {
	t.Parallel()
	sink, args := mailed(t)
	_ = sink
	w := newWorld(t, "", append(args, "--allow-private-networks")...)
	c := w.company("acme", idpsim.Okta, form{preset: "omniflow", more: owners("acme") + "  - {email: a.guest.with.a.long.name@agency.example, password_env: ROOT_PASSWORD}\n"})
	c.connect()
	c.seed()
	console := newPerson(t).open(w.base + "/signin?workspace=acme")
	console.picture("signin-with-mail")
	console.enter("#email", "root@acme.test")
	console.enter("#password", ownerPassword)
	console.follow(`form[method="post"] button`, w.base+"/w/acme")
	console.visit(w.base + "/w/acme/password")
	console.picture("change-password")
	here := w.base + "/console/acme"
	console.visit(here + "/emergency")
	console.picture("emergency-fresh")
	console.follow("#make-codes", here+"/emergency/codes")
	console.picture("emergency-codes")
	console.visit(here + "/emergency")
	console.follow("#begin-factor", here+"/emergency/factor")
	console.picture("emergency-factor")
	console.enter("#code", "000 00")
	console.mayAnswer(http.StatusBadRequest)
	console.follow("#confirm-factor", here+"/emergency/factor/confirm")
	console.wantText("#code-error", "is wrong")
	console.visit(here + "/enforcement")
	console.picture("enforcement-none")
	console.click("#require-all")
	console.follow("#plan", here+"/enforcement")
	console.wantText("#shut-out-people", "a.guest.with.a.long.name@agency.example")
	console.picture("enforcement-plan")
	console.follow("#set-enforcement", here+"/enforcement")
	console.wantText("#now", "everybody")
	console.picture("enforcement-all")

	b := newPerson(t).open(w.base + "/signin?workspace=acme&emergency=1")
	b.picture("signin-emergency")
	b.enter("#email", "root@acme.test")
	b.enter("#password", ownerPassword)
	b.follow(`form[method="post"] button`, w.base+"/w/acme")
	b.visit(here + "/emergency")
	b.picture("emergency-in-use")
	b.follow("#relax", here+"/emergency")
	b.see("#relaxed")
	b.picture("emergency-relaxed")
	b.follow("#resume", here+"/emergency")
	b.see("#relax")

	m := newPerson(t).open(w.base + "/signin?workspace=acme")
	m.picture("signin-required")
	m.follow("#mail-link", w.base+"/signin/forgot?workspace=acme")
	m.picture("mail-ask")
	m.enter("#email", "somebody@acme.test")
	m.follow("#ask", w.base+"/signin/forgot")
	m.see("#sent")
	m.picture("mail-sent")
}
