package scimserver_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/keys"
)

// Grafana's CVE-2025-41115: an externalId of "1" was the administrator.
func TestAnExternalID_IsNobodysId(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		owner := w.byHand("root@acme.test", "Owner")
		bob := w.do("POST", "/Users", user("bob@acme.test")).want(201).str("id")
		for i, external := range []string{"1", "0", "admin", owner.ID, w.member("bob@acme.test").ID, bob, w.id, w.directory, "root@acme.test"} {
			body := strings.Replace(user(fmt.Sprintf("p%d@acme.test", i)), fmt.Sprintf(`"externalId":"ext-p%d@acme.test"`, i), `"externalId":"`+external+`","id":"`+external+`"`, 1)
			made := w.do("POST", "/Users", body).want(201)
			if id := made.str("id"); id == external || id == bob || made.str("externalId") != external {
				t.Errorf("externalId %s: %s", external, made.text)
			}
			if m := w.member(fmt.Sprintf("p%d@acme.test", i)); m.ID == owner.ID || m.Role == owner.Role {
				t.Errorf("externalId %s is %+v", external, m)
			}
		}
		if m := w.member("root@acme.test"); m.ID != owner.ID || m.Directory != "" || m.Status() != directory.StatusActive {
			t.Errorf("the owner: %+v", m)
		}
	})
}

// Zitadel's CVE-2026-32130: an encoded path reached the handler and not the check of the token.
func TestEveryPath_NeedsAToken(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		id := w.do("POST", "/Users", user("ann@acme.test")).want(201).str("id")
		for _, path := range []string{"/Users", "/Users/" + id, "/Groups", "/Users/.search", "/.search", "/Bulk", "/Me", "/Schemas", "/nothing"} {
			for _, spelt := range []string{path, strings.ReplaceAll(path, "/", "//"), strings.ReplaceAll(path, "s", "%73"), strings.ReplaceAll(path, "s", "%2573"), "/." + path, "/x/.." + path,
				strings.Replace(path, "/", "%2F", 1), "/" + strings.ReplaceAll(path[1:], "/", "%2f"), strings.ToUpper(path), path + "/", path + "?aadOptscim062020"} {
				for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
					for _, authorization := range []string{"", "Bearer", "Bearer ", "Bearer gscim_wrong", "Bearer " + w.token + "x", "Basic " + w.token} {
						if a := h.raw(t, method, "/scim/v2"+spelt, authorization); a != nil && a.status != 401 && a.status != 404 || a != nil && strings.Contains(a.text, "ann@") {
							t.Errorf("%s %s with %q: %d %s", method, spelt, authorization, a.status, a.text)
						}
					}
				}
			}
		}
		w.do("GET", "/Users/"+id, "").want(200)
	})
}

func TestNobodyElsesToken_OpensADirectory(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		owner := w.byHand("root@acme.test", "Owner")
		secret, _ := keys.NewToken("gk_")
		for what, token := range map[string]string{"an owner's session": w.signIn(owner.ID), "an API key": secret, "an id": w.directory, "a workspace's id": w.id,
			"a JWT": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0.", "the token's hint": keys.Hint(w.token), "a part of the token": w.token[:20]} {
			if a := h.raw(t, "GET", "/scim/v2/Users", "Bearer "+token); a.status != 401 || a.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s: %d %s", what, a.status, a.text)
			}
		}
	})
}

// What a directory neither made nor adopted is not there for it: in no list, by no id, by no filter, under no name of another kind.
func TestADirectory_SeesAndChangesItsOwnAlone(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "omniflow", nil)
		other := w.second()
		owner := w.byHand("root@acme.test", "Owner")
		hand := w.byHand("hand@acme.test", "Agent")
		ann := other.do("POST", "/Users", user("ann@acme.test")).want(201).str("id")
		admins := other.do("POST", "/Groups", members("Omniflow-Admins", ann)).want(201).str("id")
		mine := w.do("POST", "/Users", user("me@acme.test")).want(201).str("id")
		if n := w.do("GET", "/Users", "").want(200).body["totalResults"]; n != 1.0 {
			t.Errorf("the list has %v people", n)
		}
		for _, filter := range []string{`userName eq "root@acme.test"`, `emails.value eq "hand@acme.test"`, `userName eq "ann@acme.test"`, `externalId eq "ext-ann@acme.test"`,
			`id eq "` + ann + `"`, `id eq "` + hand.ID + `"`, `groups.value eq "` + admins + `"`, `groups.display eq "Omniflow-Admins"`, `groups pr`} {
			if n := w.total("/Users", filter); n != 0 {
				t.Errorf("%s finds %v", filter, n)
			}
		}
		for _, filter := range []string{`members.value eq "` + ann + `"`, `members[value eq "` + ann + `"]`, `displayName eq "omniflow-admins"`, `id eq "` + admins + `"`} {
			if n := w.total("/Groups", filter); n != 0 {
				t.Errorf("%s finds %v", filter, n)
			}
		}
		out := patch(`{"op":"replace","value":{"active":false}}`)
		w.unchanged("what is not there", func() {
			for _, id := range []string{ann, owner.ID, hand.ID, "root@acme.test", "@all", "*", "%25", "1", "me", w.id} {
				for method, body := range map[string]string{"GET": "", "PATCH": out, "PUT": strings.Replace(user("x@acme.test"), `"active":true`, `"active":false`, 1), "DELETE": ""} {
					w.do(method, "/Users/"+id, body).want(404)
				}
			}
			for method, body := range map[string]string{"GET": "", "PATCH": patch(`{"op":"replace","path":"displayName","value":"Mine"}`), "PUT": group("Mine"), "DELETE": ""} {
				w.do(method, "/Groups/"+admins, body).want(404)
			}
		})
		// A group of the same name is a group of its own.
		own := w.do("POST", "/Groups", members("Omniflow-Admins", mine)).want(201).str("id")
		if own == admins || len(w.inGroup(own)) != 1 || len(other.inGroup(admins)) != 1 {
			t.Errorf("merged with another directory's group: %v, %v", w.inGroup(own), other.inGroup(admins))
		}
		w.do("DELETE", "/Groups/"+own, "").want(204)
		if got := other.inGroup(admins); len(got) != 1 || w.role("ann@acme.test") != "Admin" {
			t.Errorf("its deletion reached another directory's: %v, %s", got, w.role("ann@acme.test"))
		}
	})
}

// Mass assignment: whatever else is sent, a directory sets what a directory may set.
func TestWhatADirectoryMayNotSet_HasNoEffect(t *testing.T) {
	const extra = `"id":"x","meta":{"created":"2001-01-01T00:00:00Z","version":"W/\"1\""},"tenantId":"t","workspace_id":"w","isAdmin":true,"is_owner":true,"role":"Owner","roles":[{"value":"Owner","primary":true}],` +
		`"entitlements":[{"value":"Owner"}],"emailVerified":true,"email_verified":true,"break_glass":true,"member_id":"m","groups":[{"value":"%s"}],"password":"sesame-open-12345"`
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "omniflow", nil)
		admins := w.do("POST", "/Groups", group("Omniflow-Admins")).want(201).str("id")
		body := strings.Replace(user("ann@acme.test"), `"active":true`, `"active":true,`+fmt.Sprintf(extra, admins), 1)
		made := w.do("POST", "/Users", body).want(201)
		id := made.str("id")
		plain := w.member("ann@acme.test")
		check := func(what string) {
			t.Helper()
			m := w.member("ann@acme.test")
			if m.ID != plain.ID || m.Role != plain.Role || m.BreakGlass || w.role("ann@acme.test") == "Owner" || w.role("ann@acme.test") == "Admin" {
				t.Errorf("%s: %+v, role %s", what, m, w.role("ann@acme.test"))
			}
			got := w.do("GET", "/Users/"+id, "").want(200)
			for _, word := range []string{"tenantId", "isAdmin", "emailVerified", "break_glass", "sesame", `"groups"`, "2001-01-01"} {
				if strings.Contains(got.text, word) {
					t.Errorf("%s: %s came back: %s", what, word, got.text)
				}
			}
			if len(w.inGroup(admins)) != 0 {
				t.Errorf("%s: joined a group by User.groups", what)
			}
		}
		check("POST")
		w.do("PUT", "/Users/"+id, body).want(200)
		check("PUT")
		for _, ops := range []string{`{"op":"replace","value":{"tenantId":"t","isAdmin":true}}`, `{"op":"add","path":"emailVerified","value":true}`, `{"op":"replace","path":"id","value":"x"}`,
			`{"op":"add","path":"groups","value":[{"value":"` + admins + `"}]}`, `{"op":"replace","path":"meta.created","value":"2001-01-01T00:00:00Z"}`, `{"op":"add","path":"role","value":"Owner"}`} {
			w.unchanged(ops, func() { w.do("PATCH", "/Users/"+id, patch(ops)).want(400) })
		}
		check("PATCH")
		w.do("PATCH", "/Users/"+id, patch(`{"op":"replace","path":"roles","value":[{"value":"Owner"}]}`)).want(200)
		check("PATCH of roles")
	})
}

// PostHog needed three tries: an address is an account, whichever way it is changed.
func TestAnAddress_IsChangedWithinOnesOwnOnly(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		theirs := h.workspace("globex", "default", nil)
		theirs.proves("globex.test")
		w := h.workspace("acme", "default", nil)
		w.proves("acme.test")
		w.do("POST", "/Users", user("bob@acme.test")).want(201)
		w.byHand("root@acme.test", "Owner")
		id := w.do("POST", "/Users", user("ann@acme.test")).want(201).str("id")
		ways := map[string]func(to string) (method, body string){
			"replace of the list": func(to string) (string, string) {
				return "PATCH", patch(`{"op":"replace","path":"emails","value":[{"value":"` + to + `","type":"work","primary":true}]}`)
			},
			"value path": func(to string) (string, string) {
				return "PATCH", patch(`{"op":"Replace","path":"emails[type eq \"work\"].value","value":"` + to + `"}`)
			},
			"without a path": func(to string) (string, string) {
				return "PATCH", patch(`{"op":"replace","value":{"emails":[{"value":"` + to + `","primary":true}]}}`)
			},
			"add of a primary one": func(to string) (string, string) {
				return "PATCH", patch(`{"op":"add","path":"emails","value":[{"value":"` + to + `","primary":true}]}`)
			},
			"PUT": func(to string) (string, string) {
				return "PUT", strings.Replace(user("ann@acme.test"), `"emails":[{"value":"ann@acme.test"`, `"emails":[{"value":"`+to+`"`, 1)
			},
		}
		for what, way := range ways {
			for to, status := range map[string]int{"ann@globex.test": 403, "bob@acme.test": 409, "BOB@acme.test": 409, "root@acme.test": 409} {
				method, body := way(to)
				w.unchanged(what+" to "+to, func() { w.do(method, "/Users/"+id, body).want(status) })
			}
			method, body := way("ann.new@acme.test")
			w.do(method, "/Users/"+id, body).want(200)
			if m := w.member("ann.new@acme.test"); m.Directory != w.directory {
				t.Errorf("%s to one's own: %+v", what, m)
			}
			w.do("PUT", "/Users/"+id, user("ann@acme.test")).want(200)
		}
	})
}
