package scimserver_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/scim"
)

// waysOut are all that a directory can send to put somebody out, each with the status it gets.
var waysOut = map[string]func(w *tenant, id, name string) int{
	"Okta's PATCH":                off(`{"op":"replace","value":{"active":false}}`),
	"Entra's PATCH":               off(`{"op":"Replace","path":"active","value":"False"}`),
	"Entra's PATCH with the flag": off(`{"op":"replace","path":"active","value":false}`),
	"an add with a URN":           off(`{"op":"Add","path":"urn:ietf:params:scim:schemas:core:2.0:User:active","value":"FALSE"}`),
	"PUT": func(w *tenant, id, name string) int {
		return w.do("PUT", "/Users/"+id, strings.Replace(user(name), `"active":true`, `"active":false`, 1)).status
	},
	"DELETE": func(w *tenant, id, _ string) int { return w.do("DELETE", "/Users/"+id, "").status },
	"PATCH in bulk": func(w *tenant, id, _ string) int {
		return inBulk(w, `{"method":"PATCH","path":"/Users/`+id+`","data":`+patch(`{"op":"replace","value":{"active":false}}`)+`}`)
	},
	"DELETE in bulk": func(w *tenant, id, _ string) int { return inBulk(w, `{"method":"DELETE","path":"/Users/`+id+`"}`) },
}

func off(ops string) func(w *tenant, id, name string) int {
	return func(w *tenant, id, _ string) int { return w.do("PATCH", "/Users/"+id, patch(ops)).status }
}

func inBulk(w *tenant, operation string) int {
	statuses, _ := w.do("POST", "/Bulk", bulk(operation)).want(200).results()
	status, err := strconv.Atoi(strings.Join(statuses, " "))
	if err != nil {
		w.t.Errorf("one operation answered %v", statuses)
	}
	return status
}

// Four code paths that deactivate, one that revokes: others had that. Law 2 has one way out.
func TestEveryWayOut_EndsSessions(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "omniflow", nil)
		agents := w.do("POST", "/Groups", group("Omniflow-Agents")).want(201).str("id")
		n := 0
		for what, out := range waysOut {
			n++
			name := fmt.Sprintf("p%d@acme.test", n)
			id := w.do("POST", "/Users", user(name)).want(201).str("id")
			w.do("PATCH", "/Groups/"+agents, patch(`{"op":"add","path":"members","value":[{"value":"`+id+`"}]}`)).want(204)
			m := w.member(name)
			w.signIn(m.ID)
			if w.living(m.ID) != 1 {
				t.Fatal("no session lives")
			}
			if status := out(w, id, name); status/100 != 2 {
				t.Errorf("%s: status %d", what, status)
			}
			if now := w.member(name); now.Status() != directory.StatusDeactivated || w.living(m.ID) != 0 {
				t.Errorf("%s: %s with %d sessions", what, now.Status(), w.living(m.ID))
			}
			if strings.HasPrefix(what, "DELETE") {
				continue
			}
			// Rows of groups stay, for Entra does not send them again.
			if n := w.total("/Users", `userName eq "`+strings.ToUpper(name)+`" and active eq false`); n != 1 {
				t.Errorf("%s: the filter finds %v", what, n)
			}
			w.do("PATCH", "/Users/"+id, patch(`{"op":"Replace","path":"active","value":"True"}`)).want(200)
			if now := w.member(name); now.ID != m.ID || now.Status() != directory.StatusActive || w.role(name) != "Agent" || w.living(m.ID) != 0 {
				t.Errorf("%s and back: %+v, role %s, %d sessions", what, now, w.role(name), w.living(m.ID))
			}
		}
	})
}

// The guard runs before the write, whoever asks and however.
func TestEveryWayOut_IsClosedForTheLastOwner(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "omniflow", nil)
		id := w.do("POST", "/Users", user("root@acme.test")).want(201).str("id")
		m := w.member("root@acme.test")
		w.write(func(tx *store.Tx) error {
			cfg, err := tx.Config()
			if err != nil {
				return err
			}
			m.Role, m.ManualRole, m.WasIn = cfg.Roles.Owner().ID, cfg.Roles.Owner().ID, true
			tx.UpdateMember(m)
			return nil
		})
		for what, out := range waysOut {
			w.unchanged(what, func() {
				if status := out(w, id, "root@acme.test"); status != http.StatusForbidden {
					t.Errorf("%s: status %d, want 403", what, status)
				}
			})
			if now := w.member("root@acme.test"); now.Status() != directory.StatusActive || w.role("root@acme.test") != "Owner" {
				t.Errorf("%s: %s, %s", what, now.Status(), w.role("root@acme.test"))
			}
		}
	})
}

// Read, change and write the whole list again, and whoever came in between is lost: others had that.
func TestFiftyRequestsAtOnceOnOneGroup_LoseNobody(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "omniflow", nil)
		const workers = 50
		ids := make([]string, workers)
		for i := range ids {
			ids[i] = w.do("POST", "/Users", user(fmt.Sprintf("p%d@acme.test", i))).want(201).str("id")
		}
		g := w.do("POST", "/Groups", members("Omniflow-Agents", ids[:10]...)).want(201).str("id")
		var want []string
		statuses := make([]int, workers)
		start := make(chan struct{})
		var wg sync.WaitGroup
		for i := range ids {
			ops := patch(`{"op":"Add","path":"members","value":[{"value":"` + ids[i] + `"}]}`)
			switch {
			case i < 5: // Entra's way out, and Okta's
				ops = patch(`{"op":"Remove","path":"members","value":[{"value":"` + ids[i] + `"}]}`)
			case i < 10:
				ops = patch(`{"op":"remove","path":"members[value eq \"` + ids[i] + `\"]"}`)
			default:
				want = append(want, "User "+ids[i])
			}
			wg.Go(func() {
				<-start
				statuses[i] = w.do("PATCH", "/Groups/"+g, ops).status
			})
		}
		close(start)
		wg.Wait()
		if n := len(slices.DeleteFunc(statuses, func(s int) bool { return s == http.StatusNoContent })); n > 0 {
			t.Errorf("%d requests did not answer 204", n)
		}
		w.wantMembers(g, want...)
		for i := range ids {
			if role := w.role(fmt.Sprintf("p%d@acme.test", i)); (role == "Agent") != (i >= 10) {
				t.Errorf("person %d is %s", i, role)
			}
		}
	})
}

func TestTwentyPostsAtOnce_MakeOnePerson(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		count := map[int]int{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i := range 20 {
			name := "ann@acme.test"
			if i%2 == 1 {
				name = "Ann@Acme.test"
			}
			wg.Go(func() {
				<-start
				a := w.do("POST", "/Users", user(name))
				mu.Lock()
				defer mu.Unlock()
				if count[a.status]++; a.status == 409 && a.str("scimType") != "uniqueness" {
					t.Errorf("%s", a.text)
				}
			})
		}
		close(start)
		wg.Wait()
		if count[201] != 1 || count[409] != 19 || w.total("/Users", `userName eq "ANN@acme.test"`) != 1 {
			t.Errorf("statuses %v", count)
		}
		// Beside the address of an account, others may be shared.
		second := strings.Replace(user("bob@acme.test"), `"emails":[`, `"emails":[{"value":"team@acme.test","type":"other"},`, 1)
		w.do("POST", "/Users", second).want(201)
		w.do("POST", "/Users", strings.ReplaceAll(second, "bob@", "cid@")).want(201)
	})
}

// A group that is answered 200 has the members that it was sent; what cannot be is refused.
func TestAGroupOfPendingPeople_HasThemAll(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "omniflow", func(p *directory.Policy) { p.ProvisionOn = directory.ProvisionFirstLogin })
		ann := w.do("POST", "/Users", user("ann@acme.test")).want(201).str("id")
		bob := w.do("POST", "/Users", user("bob@acme.test")).want(201).str("id")
		if s := w.member("ann@acme.test").Status(); s != directory.StatusPending {
			t.Fatalf("ann is %s", s)
		}
		g := w.do("POST", "/Groups", group("Omniflow-Agents")).want(201).str("id")
		w.do("PUT", "/Groups/"+g, members("Omniflow-Agents", ann, bob)).want(200)
		w.wantMembers(g, "User "+ann, "User "+bob)
		w.do("PATCH", "/Groups/"+g, patch(`{"op":"replace","path":"members","value":[]}`)).want(204)
		w.wantMembers(g)
		w.unchanged("a member without a value", func() {
			a := w.do("PUT", "/Groups/"+g, strings.TrimSuffix(group("Omniflow-Agents"), "}")+`,"members":[{}]}`).want(400)
			if a.str("scimType") != "invalidValue" {
				t.Errorf("%s", a.text)
			}
		})
		w.do("PATCH", "/Groups/"+g, patch(`{"op":"add","path":"members","value":[{"value":"`+ann+`","display":"Ann"}]}`)).want(204) // without a type
		w.wantMembers(g, "User "+ann)
	})
}

// A role is what the workspace's own mapping makes of a group: it outlives every change of the group but its name's.
func TestAMapping_OutlivesTheGroupsChanges(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "omniflow", nil)
		ann := w.do("POST", "/Users", user("ann@acme.test")).want(201).str("id")
		g := w.do("POST", "/Groups", members("Omniflow-Admins", ann)).want(201).str("id")
		role := func(want string) {
			t.Helper()
			if got := w.role("ann@acme.test"); got != want {
				t.Errorf("role %s, want %s", got, want)
			}
		}
		role("Admin")
		w.do("PUT", "/Groups/"+g, strings.Replace(members("Omniflow-Admins", ann), `{"schemas"`, `{"externalId":"x","schemas"`, 1)).want(200)
		role("Admin")
		w.do("PATCH", "/Groups/"+g, patch(`{"op":"replace","path":"externalId","value":"y"}`)).want(204)
		role("Admin")
		// A rename re-evaluates those who stay, both ways.
		w.do("PATCH", "/Groups/"+g, patch(`{"op":"replace","value":{"id":"`+g+`","displayName":"Tea"}}`)).want(204)
		role("Trainee")
		w.do("PATCH", "/Groups/"+g, patch(`{"op":"replace","path":"displayName","value":["omniflow-ADMINS"]}`)).want(204)
		role("Admin")
		w.wantMembers(g, "User "+ann)
	})
}

func TestARequestOfEveryShape_Works(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		w.do("POST", "/Users", user("ann@acme.test")).want(201)
		for _, path := range []string{"/Users/", "//Users", "/users?aadOptscim062020", "/?aadOptscim062020/Users", "/Users/?startIndex=1&count=100", "/USERS", "/Users?unknown=1"} {
			if a := w.do("GET", path, "").want(200); a.body["totalResults"] != 1.0 {
				t.Errorf("%s: %s", path, a.text)
			}
		}
		for i, kind := range []string{"application/scim+json", "application/json", "application/json; charset=utf-8", ""} {
			r := httptest.NewRequest("POST", origin+"/scim/v2/Users", strings.NewReader(user(fmt.Sprintf("p%d@acme.test", i))))
			r.Header = http.Header{"Authorization": {"Bearer " + w.token}, "X-Forwarded-Host": {"evil.test"}, "X-Forwarded-Proto": {"ftp"}, "Forwarded": {"host=evil.test"}}
			r.Host = "evil.test"
			if kind != "" {
				r.Header.Set("Content-Type", kind)
			}
			a := w.send(r).want(201)
			if at := a.header.Get("Location"); !strings.HasPrefix(at, origin+"/scim/v2/Users/") || at != a.str("meta", "location") || strings.Contains(a.text, "evil") {
				t.Errorf("%q: Location %q in %s", kind, at, a.text)
			}
			if got := a.header.Get("Content-Type"); got != "application/scim+json" {
				t.Errorf("Content-Type %q", got)
			}
		}
		if a := w.do("GET", `/Users?filter=userName eq "5f2c0f8e-7a36-4e5b-9d3c-0123456789ab"`, "").want(200); !strings.Contains(a.text, `"totalResults":0`) || !strings.Contains(a.text, `"itemsPerPage":0`) || !strings.Contains(a.text, `"Resources":[]`) {
			t.Errorf("Entra's test of the connection: %s", a.text)
		}
		w.do("GET", "/Users?attributes=id&excludedAttributes=id", "").want(400)
		w.do("GET", `/Users?filter=password eq "x"`, "").want(403)
		w.do("GET", "/Users?sortBy=password", "").want(400)
		w.do("GET", "/Users?sortBy=nope", "").want(400)
		w.do("POST", "/Users", strings.Replace(user("bob@acme.test"), `"userName"`, `"USERNAME":"x","userName"`, 1)).want(400)
	})
}

// JumpCloud's activation makes a person and a group and deletes both, again and again.
func TestAnActivation_CanBeRepeated(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		seen := map[string]bool{}
		for range 3 {
			id := w.do("POST", "/Users", user("scimtest@acme.test")).want(201).str("id")
			g := w.do("POST", "/Groups", members("scimtest", id)).want(201).str("id")
			w.do("PUT", "/Users/"+id, strings.Replace(user("scimtest@acme.test"), `"displayName":"scimtest@acme.test"`, `"displayName":"Test"`, 1)).want(200)
			w.do("PATCH", "/Groups/"+g, patch(`{"op":"remove","path":"members","value":[{"value":"`+id+`"}]}`)).want(204)
			w.do("DELETE", "/Groups/"+g, "").want(204)
			w.do("DELETE", "/Users/"+id, "").want(204)
			w.do("GET", "/Users/"+id, "").want(404)
			w.do("DELETE", "/Users/"+id, "").want(404)
			if seen[id] || seen[g] {
				t.Errorf("an id came twice: %s, %s", id, g)
			}
			seen[id], seen[g] = true, true
		}
		if n := w.total("/Users", `userName sw "scimtest"`) + w.total("/Groups", `displayName sw "scimtest"`); n != 0 {
			t.Errorf("%v are left", n)
		}
	})
}

// What OneLogin was seen to send names the schemas of SCIM 1, or none.
func TestOneLoginsTemplate_IsUnderstoodWithAWarningAndStrictlyRefused(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", func(p *directory.Policy) { p.RequiredAttributes = nil })
		id := w.do("POST", "/Users", user("ann.lee@acme.test")).want(201).str("id")
		for _, fixture := range []string{"4_update_user_by_seen_template.http", "4_update_user_by_own_template.http"} {
			text, err := os.ReadFile(filepath.Join("..", "idpsim", "testdata", "onelogin", fixture))
			if err != nil {
				t.Fatal(err)
			}
			_, body, _ := strings.Cut(string(text), "\n\n")
			w.inMode(directory.ModeStrict).unchanged("strict", func() {
				// Its boolean as a text would be refused as well.
				if a := w.do("PUT", "/Users/"+id, strings.ReplaceAll(body, `"true"`, "true")).want(400); a.str("scimType") != scim.TypeInvalidSyntax {
					t.Errorf("%s", a.text)
				}
			})
			a := w.inMode(directory.ModeLenient).do("PUT", "/Users/"+id, body).want(200)
			if a.str("name", "familyName") != "Lee" || a.body["schemas"].([]any)[0] != scim.URNUser {
				t.Errorf("%s: %s", fixture, a.text)
			}
			events := w.events()
			if last := string(events[len(events)-1].Payload); !strings.Contains(last, "which its") {
				t.Errorf("%s: the event has no warning: %s", fixture, last)
			}
		}
	})
}

// badRequests are asked of a house that has a person {id}, another {other} and a group {g}; none may change anything.
var badRequests = []struct {
	method, path, body string
	status             int
}{
	{"POST", "/Users", `{"title":"x"}`, 400}, {"POST", "/Users", `{`, 400}, {"POST", "/Users", user(""), 400}, {"POST", "/Users", user("ANN@acme.test"), 409},
	{"PUT", "/Users/{id}", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"title":"x"}`, 400}, {"PUT", "/Users/none", user("x@acme.test"), 404},
	{"PUT", "/Users/{id}", user("bob@acme.test"), 409}, {"PATCH", "/Users/{id}", patch(`{"op":"remove"}`), 400}, {"PATCH", "/Users/{id}", patch(`{"op":"remove","path":"userName"}`), 400},
	{"PATCH", "/Users/{id}", patch(`{"op":"replace","path":"title","value":"x"},{"op":"replace","path":"id","value":"x"}`), 400},
	{"PATCH", "/Users/{id}", patch(`{"op":"replace","path":"title","value":"x"},{"op":"add","path":"emails[","value":"x"}`), 400},
	{"PATCH", "/Users/{id}", patch(`{"op":"add","path":"title","value":"x"},{"op":"move","path":"title"}`), 400}, {"PATCH", "/Users/{id}", patch(`{"op":"add","path":"nope","value":"x"}`), 400},
	{"PATCH", "/Users/{id}", patch(`{"op":"replace","value":{"active":"maybe"}}`), 400}, {"PATCH", "/Users/{id}", patch(`{"op":"replace","path":"active","value":"yes"}`), 400},
	{"POST", "/Groups", group("ENG"), 409}, {"POST", "/Groups", group(""), 400}, {"PUT", "/Groups/{g}", members("Eng", "none"), 400},
	{"PATCH", "/Groups/{g}", patch(`{"op":"replace","path":"displayName","value":"X"},{"op":"add","path":"members","value":[{"value":"none"}]}`), 400},
	{"PATCH", "/Groups/{g}", patch(`{"op":"replace","path":"nope","value":[]}`), 400}, {"PATCH", "/Groups/{g}", patch(`{"op":"add","path":"members","value":[{"value":"{id}"}]},{"op":"replace","path":"id","value":"x"}`), 400},
	{"PATCH", "/Groups/{g}", patch(`{"op":"remove","path":"members[display eq \"ann\"]"}`), 400}, {"DELETE", "/Groups/none", "", 404}, {"DELETE", "/Users/none", "", 404}, {"DELETE", "/Users", "", 405},
	{"POST", "/Users/.search", `{"schemas":[],"filter":"userName pr"}`, 400}, {"POST", "/Bulk", `{"schemas":[]}`, 400}, {"GET", "/Users?filter=userName", "", 400}, {"POST", "/Schemas", `{}`, 405},
	{"PATCH", "/Users/{id}", patch(`{"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":{"value":"none"}}`), 400},
}

func TestARefusedRequest_ChangesNothingInEitherMode(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "omniflow", nil)
		id := w.do("POST", "/Users", user("ann@acme.test")).want(201).str("id")
		other := w.do("POST", "/Users", user("bob@acme.test")).want(201).str("id")
		g := w.do("POST", "/Groups", members("Eng", other)).want(201).str("id")
		fill := strings.NewReplacer("{id}", id, "{other}", other, "{g}", g)
		for _, mode := range []directory.Mode{directory.ModeLenient, directory.ModeStrict} {
			w.inMode(mode)
			for _, r := range badRequests {
				w.unchanged(string(mode)+" "+r.method+" "+r.path+" "+r.body, func() {
					a := w.do(r.method, fill.Replace(r.path), fill.Replace(r.body))
					if a.status != r.status || a.str("status") != fmt.Sprint(r.status) {
						t.Errorf("%s %s %s %s: %d %s, want %d", mode, r.method, r.path, r.body, a.status, a.text, r.status)
					}
				})
			}
		}
	})
}

// Asked twice, replace, remove and adding members do what they did once, and a request that changes nothing keeps the version.
func TestARequestAskedTwice_IsAskedOnce(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "omniflow", nil)
		id := w.do("POST", "/Users", user("ann@acme.test")).want(201).str("id")
		bob := w.do("POST", "/Users", user("bob@acme.test")).want(201).str("id")
		g := w.do("POST", "/Groups", members("Omniflow-Agents", id)).want(201).str("id")
		user := []string{`{"op":"replace","path":"title","value":"%s"}`, `{"op":"remove","path":"title"}`, `{"op":"replace","path":"name.familyName","value":"%s"}`, `{"op":"replace","value":{"active":false}}`,
			`{"op":"Replace","path":"active","value":"True"}`, `{"op":"Replace","path":"phoneNumbers[type eq \"mobile\"].value","value":"%s"}`, `{"op":"remove","path":"phoneNumbers[type eq \"mobile\"]"}`,
			`{"op":"replace","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":"` + bob + `"}`, `{"op":"remove","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"}`}
		group := []string{`{"op":"add","path":"members","value":[{"value":"` + bob + `"}]}`, `{"op":"Remove","path":"members","value":[{"value":"` + bob + `"}]}`, `{"op":"replace","path":"members","value":[{"value":"` + id + `"}]}`,
			`{"op":"replace","value":{"id":"` + g + `","displayName":"Omniflow-%s"}}`, `{"op":"remove","path":"members[value eq \"` + id + `\"]"}`, `{"op":"replace","path":"members","value":[]}`}
		rapid.Check(t, func(r *rapid.T) {
			ops, path := user, "/Users/"+id
			if rapid.Bool().Draw(r, "group") {
				ops, path = group, "/Groups/"+g
			}
			body := patch(strings.ReplaceAll(rapid.SampledFrom(ops).Draw(r, "operation"), "%s", rapid.SampledFrom([]string{"Agents", "Admins", "Tea"}).Draw(r, "value")))
			w.do("PATCH", path, body)
			version := w.version(path)
			w.unchanged("the second "+body, func() { w.do("PATCH", path, body) })
			if now := w.version(path); now != version {
				r.Errorf("%s moved the version from %s to %s", body, version, now)
			}
			read := w.do("GET", path, "").want(200)
			if put := w.do("PUT", path, read.text).want(200); put.text != read.text {
				r.Errorf("PUT of what was read:\n%s\nread:\n%s", put.text, read.text)
			}
		})
	})
}
