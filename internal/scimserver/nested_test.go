package scimserver_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// inGroup are the members that a group shows: type and id, sorted.
func (w *tenant) inGroup(id string) []string {
	w.t.Helper()
	out := []string{}
	list, _ := w.do("GET", "/Groups/"+id, "").want(200).body["members"].([]any)
	for _, m := range list {
		member := m.(map[string]any)
		kind, value := member["type"].(string), member["value"].(string)
		if want := origin + "/scim/v2/" + kind + "s/" + value; member["$ref"] != want {
			w.t.Errorf("$ref is %v, want %s", member["$ref"], want)
		}
		out = append(out, kind+" "+value)
	}
	slices.Sort(out)
	return out
}

func (w *tenant) wantMembers(group string, want ...string) {
	w.t.Helper()
	slices.Sort(want)
	if got := w.inGroup(group); !slices.Equal(got, want) {
		w.t.Errorf("members %v, want %v", got, want)
	}
}

// RFC 7643 section 4.2 has groups in groups. What they give to people is nothing: a directory that wants a role for
// them names them.
func TestAGroupInAGroup_IsKeptAsDataAndGivesNobodyAnything(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "omniflow", nil)
		ann := w.do("POST", "/Users", user("ann@acme.test")).want(201).str("id")
		bob := w.do("POST", "/Users", user("bob@acme.test")).want(201).str("id")
		inner := w.do("POST", "/Groups", members("Interns", ann)).want(201).str("id")
		outer := w.do("POST", "/Groups", members("Omniflow-Admins", inner, bob)).want(201).str("id")
		w.wantMembers(outer, "Group "+inner, "User "+bob)
		if ann, bob := w.role("ann@acme.test"), w.role("bob@acme.test"); ann == "Admin" || bob != "Admin" {
			t.Errorf("roles: %s by a group in the mapped group, %s by the group itself", ann, bob)
		}
		for _, filter := range []string{`members.value eq "` + inner + `"`, `members[type eq "Group"]`, `members.display eq "interns"`} {
			if a := w.do("GET", "/Groups?filter="+filter, "").want(200); a.body["totalResults"] != 1.0 || !strings.Contains(a.text, outer) {
				t.Errorf("%s: %s", filter, a.text)
			}
		}
		list := w.do("GET", "/Groups", "").want(200).body["Resources"].([]any)
		for _, g := range list {
			if n := len(g.(map[string]any)["members"].([]any)); (g.(map[string]any)["id"] == outer) != (n == 2) {
				t.Errorf("in the list: %v", g)
			}
		}
		if got := w.do("GET", "/Users/"+ann, "").want(200); strings.Contains(got.text, outer) {
			t.Errorf("somebody shows a group that they are not in: %s", got.text)
		}
		// A new name is shown, under a new version.
		before := w.version("/Groups/" + outer)
		w.do("PATCH", "/Groups/"+inner, patch(`{"op":"replace","path":"displayName","value":"Trainees"}`)).want(204)
		if a := w.do("GET", "/Groups/"+outer, "").want(200); a.str("meta", "version") == before || !strings.Contains(a.text, `"display":"Trainees"`) {
			t.Errorf("after the rename of the inner group: %s, was version %s", a.text, before)
		}
		// Membership operations do not tell them from people.
		for _, s := range []struct {
			ops  string
			want []string
		}{
			{`{"op":"remove","path":"members[value eq \"` + inner + `\"]"}`, []string{"User " + bob}},
			{`{"op":"add","path":"members","value":[{"value":"` + inner + `","type":"Group"},{"value":"` + inner + `"}]}`, []string{"Group " + inner, "User " + bob}},
			{`{"op":"replace","path":"members","value":[{"value":"` + inner + `"},{"value":"` + ann + `"}]}`, []string{"Group " + inner, "User " + ann}},
			{`{"op":"Remove","path":"members","value":[{"value":"` + inner + `"}]}`, []string{"User " + ann}},
			{`{"op":"replace","path":"members","value":[{"value":"` + inner + `"}]}`, []string{"Group " + inner}},
		} {
			w.do("PATCH", "/Groups/"+outer, patch(s.ops)).want(204)
			w.wantMembers(outer, s.want...)
		}
		if role := w.role("bob@acme.test"); role == "Admin" {
			t.Errorf("bob left the mapped group and is %s", role)
		}
		// PUT of what GET returned changes nothing.
		read := w.do("GET", "/Groups/"+outer, "").want(200)
		if put := w.do("PUT", "/Groups/"+outer, read.text).want(200); put.text != read.text {
			t.Errorf("PUT of what was read:\n%s\nread:\n%s", put.text, read.text)
		}
		before = w.version("/Groups/" + outer)
		w.do("DELETE", "/Groups/"+inner, "").want(204)
		w.wantMembers(outer)
		if w.version("/Groups/"+outer) == before {
			t.Error("the outer group lost a member and kept its version")
		}
		w.do("PATCH", "/Groups/"+outer, patch(`{"op":"add","path":"members","value":[{"value":"`+inner+`"}]}`)).want(400)
	})
}

func TestGroupsInACircle_DoNoHarm(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "omniflow", nil)
		ann := w.do("POST", "/Users", user("ann@acme.test")).want(201).str("id")
		a := w.do("POST", "/Groups", members("Omniflow-Agents", ann)).want(201).str("id")
		b := w.do("POST", "/Groups", members("Omniflow-Admins", a)).want(201).str("id")
		for _, id := range []string{b, a} { // a circle of two, then one of one
			w.do("PATCH", "/Groups/"+a, patch(`{"op":"add","path":"members","value":[{"value":"`+id+`"}]}`)).want(204)
		}
		w.wantMembers(a, "User "+ann, "Group "+a, "Group "+b)
		if role := w.role("ann@acme.test"); role != "Agent" {
			t.Errorf("role %s, want that of her own group", role)
		}
		w.do("PATCH", "/Groups/"+b, patch(`{"op":"replace","path":"displayName","value":"Elsewhere"}`)).want(204)
		w.do("PATCH", "/Users/"+ann, patch(`{"op":"replace","path":"active","value":false}`)).want(200)
		w.do("PATCH", "/Users/"+ann, patch(`{"op":"replace","path":"active","value":true}`)).want(200)
		w.do("DELETE", "/Groups/"+a, "").want(204)
		w.wantMembers(b)
		// Bulk resolves a circle by itself (RFC 7644 section 3.7.1).
		statuses, ids := w.do("POST", "/Bulk", bulk(
			`{"method":"POST","path":"/Groups","bulkId":"x","data":`+members("X", "bulkId:y")+`}`,
			`{"method":"POST","path":"/Groups","bulkId":"y","data":`+members("Y", "bulkId:x")+`}`)).want(200).results()
		wantStatuses(t, statuses, "201", "201")
		w.wantMembers(ids[0], "Group "+ids[1])
		w.wantMembers(ids[1], "Group "+ids[0])
	})
}

func TestAGroupOfSomebodyElse_IsNoMember(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w, other := h.workspace("acme", "default", nil), h.workspace("globex", "default", nil)
		mine := w.do("POST", "/Groups", group("Mine")).want(201).str("id")
		theirs := other.do("POST", "/Groups", group("Theirs")).want(201).str("id")
		add := func(id string) *answer {
			return w.do("PATCH", "/Groups/"+mine, patch(`{"op":"add","path":"members","value":[{"value":"`+id+`"}]}`)).want(400)
		}
		nobody := "grp_" + strings.Repeat("0", len(theirs)-4)
		foreign, unknown := add(theirs), add(nobody)
		if foreign.str("scimType") != "invalidValue" || strings.ReplaceAll(foreign.text, theirs, "ID") != strings.ReplaceAll(unknown.text, nobody, "ID") {
			t.Errorf("%s differs from %s", foreign.text, unknown.text)
		}
		w.do("POST", "/Groups", members("New", theirs)).want(400)
		w.do("PUT", "/Groups/"+mine, members("Mine", theirs)).want(400)
		w.wantMembers(mine)
	})
}

// A row that names a deleted group would come back to life in nobody's answer, but there is to be none.
func TestAGroupDeletedBesideItsJoining_LeavesNoMember(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		outer := w.do("POST", "/Groups", group("Outer")).want(201).str("id")
		for round := range 6 {
			inner := w.do("POST", "/Groups", group(fmt.Sprint("Inner ", round))).want(201).str("id")
			var wg sync.WaitGroup
			start := make(chan struct{})
			for _, ask := range []func() *answer{
				func() *answer {
					return w.do("PATCH", "/Groups/"+outer, patch(`{"op":"add","path":"members","value":[{"value":"`+inner+`"}]}`))
				},
				func() *answer {
					return w.do("PATCH", "/Groups/"+inner, patch(`{"op":"replace","path":"members","value":[{"value":"`+outer+`"}]}`))
				},
				func() *answer { return w.do("DELETE", "/Groups/"+inner, "") },
			} {
				wg.Go(func() {
					<-start
					if a := ask(); a.status != 204 && a.status != 400 && a.status != 404 {
						t.Errorf("status %d: %s", a.status, a.text)
					}
				})
			}
			close(start)
			wg.Wait()
			w.wantMembers(outer)
			if a := w.do("GET", `/Groups?filter=members.value eq "`+inner+`"`, "").want(http.StatusOK); a.body["totalResults"] != 0.0 {
				t.Errorf("a deleted group is a member still: %s", a.text)
			}
		}
	})
}
