package acceptance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// ownerless is a workspace whose owners are named by hand later: nobody is break-glass, and who is
// made is in at once, so that they count as an owner.
func ownerless(slug string) string {
	return fmt.Sprintf(`workspace: %s
preset: default
policy: {invite_on_create: no}
connections:
  - {name: idp, provider: okta, protocol: saml, status: active, metadata_file: %s}
directories:
  - {name: idp, connection: idp}
`, slug, someIdP())
}

func user(name string, more string) string {
	return fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":%q%s}`, name, more)
}

func patch(operations string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + operations + `]}`
}

// create makes a person and returns their SCIM id.
func (w *world) create(token, name string) string {
	w.t.Helper()
	status, got := w.scim(token, "POST", "/Users", user(name, ""))
	id, _ := got["id"].(string)
	if status != http.StatusCreated || id == "" {
		w.t.Fatalf("create %s: %d %v", name, status, got)
	}
	return id
}

func TestPromise_ADirectoryCannotTakeTheLastOwnerOut(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.mustApply(ownerless("acme"))
		_, token := w.token("acme")
		const who = "ann@acme.test"
		id := w.create(token, who)
		w.gatehouse(nil, "member", "set-role", who, "Owner", "--workspace", "acme")
		before := w.member("acme", who)
		for _, c := range []struct{ name, method, body string }{
			{"a path-less PATCH", "PATCH", patch(`{"op":"replace","value":{"active":false}}`)},
			{"Entra's PATCH", "PATCH", patch(`{"op":"Replace","path":"active","value":"False"}`)},
			{"a PUT", "PUT", user(who, `,"active":false`)},
			{"a DELETE", "DELETE", ""},
			{"another address", "PATCH", patch(`{"op":"replace","path":"emails","value":[{"value":"eve@acme.test"}]}`)},
		} {
			if status, text, err := w.tryScim(token, c.method, "/Users/"+id, c.body); err != nil || status != http.StatusForbidden {
				t.Errorf("%s: %d %v %s, want 403", c.name, status, err, text)
			}
			if now := w.wantMember("acme", who, before.Status, "Owner"); now.Email != before.Email {
				t.Errorf("%s: the address is %s now", c.name, now.Email)
			}
		}
		if e := w.wantEvent("acme", "protected_member.attempt", "protected_member"); e.Subject.ID != before.ID {
			t.Errorf("the attempt is told of %+v", e.Subject)
		}
		if status, got := w.scim(token, "PATCH", "/Users/"+id, patch(`{"op":"replace","path":"title","value":"Lead"}`)); status != http.StatusOK {
			t.Errorf("another attribute: %d %v", status, got)
		}
		if m := w.member("acme", who); m.Attributes["title"] != "Lead" {
			t.Errorf("attributes: %v", m.Attributes)
		}
		// Beside a second owner the first one may go.
		w.create(token, "bob@acme.test")
		w.gatehouse(nil, "member", "set-role", "bob@acme.test", "Owner", "--workspace", "acme")
		if status, text, err := w.tryScim(token, "DELETE", "/Users/"+id, ""); err != nil || status != http.StatusNoContent {
			t.Errorf("beside another owner: %d %v %s", status, err, text)
		}
		w.wantMember("acme", who, "deactivated", "Owner")
	})
}

func TestPromise_WithoutSingleSignOnPeopleGoOutAndNotIn(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		shows(t, "V27")
		w.mustApply(workspace("acme", "omnivoo", "required_attributes: [email]"))
		_, token := w.token("acme")
		id := w.create(token, "ann@acme.test")
		w.mustApply("workspace: acme\nconnections: [{name: idp, status: disabled}]\n")

		status, got := w.scim(token, "POST", "/Users", user("bob@acme.test", ""))
		if status != http.StatusForbidden || !strings.Contains(fmt.Sprint(got["detail"]), "SSO") {
			t.Errorf("creating: %d %v, want 403 with the reason", status, got)
		}
		w.wantEvent("acme", "scim.request.refused", "sso_not_verified")
		if status, got := w.scim(token, "PATCH", "/Users/"+id, patch(`{"op":"replace","path":"title","value":"Lead"}`)); status != http.StatusOK {
			t.Errorf("updating: %d %v", status, got)
		}
		if status, got := w.scim(token, "PATCH", "/Users/"+id, patch(`{"op":"replace","value":{"active":false}}`)); status != http.StatusOK || got["active"] != false {
			t.Errorf("deactivating: %d %v", status, got)
		}
		if status, got := w.scim(token, "PATCH", "/Users/"+id, patch(`{"op":"replace","value":{"active":true}}`)); status != http.StatusForbidden {
			t.Errorf("reactivating: %d %v, want 403", status, got)
		}
		if m := w.member("acme", "ann@acme.test"); m.Status != "deactivated" {
			t.Errorf("status %s after the refused return", m.Status)
		}
	})
}

func TestPromise_ANeighboursIdsInFiltersAreUnknownIds(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.mustApply(workspace("acme", "default", ""))
		w.mustApply(workspace("globex", "default", ""))
		_, theirs := w.token("acme")
		_, mine := w.token("globex")
		boss, id := w.create(theirs, "boss@acme.test"), w.create(theirs, "ann@acme.test")
		const manager = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"
		if status, got := w.scim(theirs, "PATCH", "/Users/"+id, patch(fmt.Sprintf(`{"op":"add","path":%q,"value":%q}`, manager, boss))); status != http.StatusOK {
			t.Fatalf("manager: %d %v", status, got)
		}
		status, group := w.scim(theirs, "POST", "/Groups", fmt.Sprintf(
			`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Eng","externalId":"g","members":[{"value":%q}]}`, id))
		if status != http.StatusCreated {
			t.Fatalf("group: %d %v", status, group)
		}
		for _, filter := range []string{
			`/Users?filter=id eq "` + id + `"`,
			`/Users?filter=` + manager + `.value eq "` + boss + `"`,
			`/Users?filter=groups.value eq "` + group["id"].(string) + `"`,
			`/Users?filter=not (id eq "` + id + `")`,
			`/Groups?filter=members eq "` + id + `"`,
			`/Groups?filter=members[value eq "` + id + `"]`,
			`/Groups?filter=id eq "` + group["id"].(string) + `" and members eq "` + id + `"`,
			`/Groups?filter=externalId eq "g"`,
		} {
			want := 1.0
			if status, got := w.scim(theirs, "GET", filter, ""); status != http.StatusOK || got["totalResults"] != want {
				t.Errorf("%s to its own: %d %v, want %v", filter, status, got["totalResults"], want)
			}
			if status, got := w.scim(mine, "GET", filter, ""); status != http.StatusOK || got["totalResults"] != 0.0 {
				t.Errorf("%s to the neighbour: %d %v", filter, status, got)
			}
		}
	})
}

func TestPromise_WhoHasNoTokenLeavesATraceThatDoesNotGrow(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.mustApply(workspace("acme", "default", ""))
		for range 20 {
			if status, _ := w.scim("", "GET", "/Users", ""); status != http.StatusUnauthorized {
				t.Fatalf("without a token: %d", status)
			}
			if status, _ := w.scim("gscim_wrong", "POST", "/Users", user("eve@acme.test", "")); status != http.StatusUnauthorized {
				t.Fatalf("with a wrong token: %d", status)
			}
		}
		// Sums are written in batches.
		counts := map[string]string{}
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
			out, said, code := w.run(nil, "audit", "export")
			if code != 0 {
				t.Fatalf("audit export: %s", said)
			}
			clear(counts)
			lines := 0
			for d := json.NewDecoder(strings.NewReader(out)); d.More(); {
				var e event
				w.must(d.Decode(&e))
				if e.Type != "stranger.refused" {
					continue
				}
				lines++
				if e.Workspace != "" || strings.Contains(string(e.Payload), "gscim_wrong") {
					t.Errorf("a stranger's event: %+v", e)
				}
				for _, c := range e.Changes {
					if c.Field == "count" {
						counts[e.Reason] = c.To
					}
				}
			}
			if counts["scim.token_missing"] == "20" && counts["scim.token_unknown"] == "20" {
				return
			}
			if lines > 4 { // two reasons, and the hour may turn
				t.Fatalf("%d lines for two kinds of refusal", lines)
			}
		}
		t.Errorf("counts: %v, want 20 of each", counts)
	})
}
