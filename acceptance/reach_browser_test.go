package acceptance

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// An administrator sets three connections up beside each other by their guides, says who is led where, and disables one
// by choice; a person chooses.
func TestBrowser_SeveralConnectionsAreSetUpByTheirGuides(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	sim := idpsim.New(idpsim.Options{BaseURL: idpOrigin})
	t.Cleanup(sim.Close)
	s.mustApply("workspace: acme\nname: Acme Inc\ndomains: [acme.test]\nowners:\n  - {email: root@acme.test, password_env: ROOT_PASSWORD, break_glass: true}\n")
	console := s.ownerAt("acme")
	file := "workspace: acme\nconnections:\n"
	for name, kind := range map[string]idpsim.Kind{"okta": idpsim.Okta, "entra": idpsim.Entra, "google": idpsim.Google} {
		metadata, err := sim.IdP(kind).SAMLMetadata()
		s.must(err)
		path := filepath.Join(s.dir, name+".xml")
		s.must(os.WriteFile(path, metadata, 0o600))
		file += fmt.Sprintf("  - {name: %s, provider: %s, protocol: saml, status: active, metadata_file: %s}\n", strings.ToUpper(name[:1])+name[1:], name, path)
	}
	got := s.mustApply(file + "directories:\n  - {name: Entra, connection: Entra}\n")
	page := map[string]string{}
	for _, c := range got.Connections {
		page[c.Name] = s.base + "/console/acme/sso/connections/" + c.ID
	}
	console.visit(s.base + "/console/acme/sso")
	console.picture("console-sso-three")

	console.visit(page["Okta"])
	console.wantText("#values", "takes no metadata URL", "Single sign-on URL", "Attribute Statements: email", "Assign one test user first")
	console.wantText("#leavers", "Leavers are not noticed")
	console.picture("console-guide-okta")
	if got := console.copied("acs-url"); got != strings.Replace(page["Okta"], "/console/acme/sso/connections/", "/auth/saml/", 1)+"/acs" {
		t.Errorf("the address to copy is %q", got)
	}
	console.enter("#domains", "acme.test, acme.example")
	console.follow("#save-domains", page["Okta"])
	console.wantText("#domains-unproven", "acme.example")
	console.visit(page["Google"])
	console.picture("console-guide-google")

	console.visit(page["Entra"])
	if n := console.count("#leavers"); n != 0 {
		t.Error("a connection beside a directory warns")
	}
	console.enter("#domains", "acme.test")
	console.mayAnswer(409)
	console.follow("#save-domains", page["Entra"])
	console.wantText("#domains-error", `"Okta"`)
	console.picture("console-domains-mistake")
	console.follow("#scim a", s.base+"/console/acme/sso/directories/")
	console.wantText("#guide", "cycles of 20 to 40 minutes", "Provision on demand", "Tenant URL")
	console.picture("console-guide-entra-scim")

	person := newPerson(t).open(s.base + "/signin?workspace=acme")
	person.picture("signin-chooser")
	if n := person.count(`a[href^="/auth/saml/"]`); n != 3 {
		t.Errorf("%d connections to choose from", n)
	}
	person.visit(s.base + "/signin?identifier=ann%40acme.test")
	person.picture("signin-domain")
	if n := person.count(`a[href^="/auth/saml/"]`); n != 1 {
		t.Errorf("%d connections for a domain that one has", n)
	}
	person.follow("#all-ways", s.base+"/signin")
	if n := person.count(`a[href^="/auth/saml/"]`); n != 3 {
		t.Errorf("%d connections of all", n)
	}

	console.visit(page["Okta"])
	console.click("#disable-ask")
	console.wantText("#end", "What becomes of the sessions", "sign everybody out at once", "let sessions run to their end")
	console.picture("console-disable-asks")
	console.follow("#disable-keep", page["Okta"])
	console.wantText("#open-sessions", "go on to their own end")
	console.picture("console-disabled-kept")
	console.follow("#disable", page["Okta"])
	if n := console.count("#open-sessions"); n != 0 {
		t.Error("what has ended is still said to go on")
	}
}
