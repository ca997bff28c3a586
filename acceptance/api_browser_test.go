package acceptance

import (
	"strings"
	"testing"
)

// An administrator makes an API key in a browser, a program uses it, and the administrator ends it.
func TestBrowser_AnAPIKeyIsMadeShownOnceAndRevoked(t *testing.T) {
	s := &site{world: newWorld(t, "")}
	const one = "workspace: acme\nname: Acme Inc\npreset: default\nowners:\n  - {email: root@acme.test, password_env: ROOT_PASSWORD, break_glass: true}\n"
	s.mustApply(one)
	console := s.ownerAt("acme")
	s.mustApply(one + "  - {email: a.second.owner.with.a.long.name@a-company-with-a-long-name.acme.test}\n")
	s.gatehouse(nil, "api-key", "create", "a.second.owner.with.a.long.name@a-company-with-a-long-name.acme.test", "--workspace", "acme", "--name", "nightly export of everything there is", "--scope", "members:read,teams:read,audit:read,settings:read")
	here := s.base + "/console/acme/api-keys"
	console.visit(here)
	console.enter("#key-name", "reporting")
	console.click(`[id="scope-members:read"]`)
	console.picture("console-api-keys")
	console.click("#create-api-key")
	console.wantText("#api-key-once", "shown this once")
	key := console.value("#api-key")
	console.picture("console-api-key-once")
	if status, me := s.call(key, "GET", "/v1/whoami", ""); status != 200 || me["workspace"] != "acme" {
		t.Fatalf("%d %v", status, me)
	}
	console.visit(here)
	if text := console.see("main"); strings.Contains(text, key) {
		t.Error("the key is shown again")
	}
	console.click("#own-keys summary")
	console.follow("#own-keys button.danger", here)
	console.wantText("#own-keys", "revoked")
	if status, _ := s.call(key, "GET", "/v1/whoami", ""); status != 401 {
		t.Errorf("the revoked key is answered %d", status)
	}
	console.visit(s.base + "/api/docs")
	console.wantText("main", "/api/v1/members")
	console.picture("api-docs")
}
