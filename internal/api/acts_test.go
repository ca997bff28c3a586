package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
)

func TestActs_ByAKeyAreItsOwnersAndNameIt(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		key := w.issue(w.acme, "root@acme.test", all()...)
		n := len(w.events(w.acme))
		made := w.do(key.Key, "POST", "/api/v1/members", `{"email":"New@Acme.test","name":"Neu"}`)
		w.want(t, made, http.StatusCreated, "")
		id := made.field(t, "id")
		w.want(t, w.do(key.Key, "POST", "/api/v1/members", `{"email":"new@acme.test"}`), http.StatusConflict, "already_invited")
		member := "/api/v1/members/" + id
		for _, c := range []struct{ method, path, body, status, field string }{
			{"PATCH", member, `{"name":"Newer"}`, "Newer", "name"},
			{"PATCH", member, `{"name":"Newer"}`, "Newer", "name"},
			{"POST", member + "/resend-invitation", "", "invited", "status"},
			{"POST", member + "/deactivate", "", "deactivated", "status"},
			{"POST", member + "/deactivate", "", "deactivated", "status"},
			{"POST", member + "/restore", "", "invited", "status"},
			{"POST", member + "/restore", "", "invited", "status"},
			{"POST", member + "/revoke-invitation", "", "deactivated", "status"},
		} {
			if a := w.do(key.Key, c.method, c.path, c.body); a.status != http.StatusOK || a.field(t, c.field) != c.status || a.header.Get("ETag") == "" {
				t.Errorf("%s %s: %d %s", c.method, c.path, a.status, a.body)
			}
		}
		w.want(t, w.do(key.Key, "POST", member+"/revoke-invitation", ""), http.StatusConflict, "not_invited")
		log := w.events(w.acme)[n:]
		if len(log) < 6 {
			t.Errorf("%d events", len(log))
		}
		for _, e := range log {
			if e.Actor.Kind != "member" || e.Actor.Via != key.ID || e.Actor.Name != "root@acme.test" {
				t.Errorf("%s was done by %+v", e.Type, e.Actor)
			}
		}
		if shown := w.do(key.Key, "GET", "/api/v1/events?limit=1", ""); !strings.Contains(shown.body, `"via":"`+key.ID) {
			t.Error(shown.body)
		}
	})
}

func TestActs_OnAVersionThatIsNotTheLastChangeNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		key := w.issue(w.acme, "root@acme.test", all()...).Key
		member := "/api/v1/members/" + w.acme.ids["member"]
		seen := w.do(key, "GET", member, "").header.Get("ETag")
		w.passed.Add(int64(time.Second))
		w.want(t, w.do(key, "POST", member+"/deactivate", "", "If-Match", `W/`+seen), http.StatusPreconditionFailed, "version_changed")
		w.want(t, w.do(key, "POST", member+"/deactivate", "", "If-Match", seen), http.StatusOK, "")
		w.want(t, w.do(key, "POST", member+"/restore", "", "If-Match", seen), http.StatusPreconditionFailed, "version_changed")
		if a := w.do(key, "GET", member, ""); a.field(t, "status") != "deactivated" {
			t.Error(a.body)
		}
		policy := w.do(key, "GET", "/api/v1/policy", "").header.Get("ETag")
		w.want(t, w.do(key, "PATCH", "/api/v1/policy", `{"group_loss":"keep","scim_requires_sso":true}`, "If-Match", policy), http.StatusOK, "")
		w.want(t, w.do(key, "PATCH", "/api/v1/policy", `{"group_loss":"deactivate"}`, "If-Match", policy), http.StatusPreconditionFailed, "version_changed")
		now := w.do(key, "GET", "/api/v1/policy", "")
		if now.field(t, "group_loss") != "keep" || !strings.Contains(now.body, `"scim_requires_sso":true`) {
			t.Error(now.body)
		}
	})
}

func TestPolicy_TheOperatorsSwitchIsNotAKeys(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		key := w.issue(w.acme, "root@acme.test", "settings").Key
		w.want(t, w.do(key, "PATCH", "/api/v1/policy", `{"scim_allowed":false}`), http.StatusUnprocessableEntity, "request_invalid")
		w.want(t, w.do(key, "PATCH", "/api/v1/policy", `{"required_attributes":["email","shoe size"]}`), http.StatusBadRequest, "policy_invalid")
		w.want(t, w.do(key, "PATCH", "/api/v1/policy", `{"group_loss":"maybe"}`), http.StatusUnprocessableEntity, "request_invalid")
		w.want(t, w.do(key, "PATCH", "/api/v1/policy", `{"adoption":"refuse"}`), http.StatusOK, "") // an owner's key
	})
}

func TestTeamsMappingsAndSessions_AreMadeAndEnded(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		key := w.issue(w.acme, "root@acme.test", all()...).Key
		made := w.do(key, "POST", "/api/v1/teams", `{"name":"Days"}`)
		w.want(t, made, http.StatusCreated, "")
		team := "/api/v1/teams/" + made.field(t, "id")
		w.want(t, w.do(key, "POST", "/api/v1/teams", `{"name":"dAYS"}`), http.StatusConflict, "name_taken")
		for range 2 {
			w.want(t, w.do(key, "PUT", team+"/members/"+w.acme.ids["member"], ""), http.StatusNoContent, "")
		}
		if a := w.do(key, "GET", team, ""); !strings.Contains(a.body, "ann@acme.test") || !strings.Contains(a.body, `"size":1`) {
			t.Error(a.body)
		}
		if a := w.do(key, "PATCH", team, `{"name":"Nights"}`); a.field(t, "name") != "Nights" || a.status != http.StatusOK {
			t.Error(a.body)
		}
		for range 2 {
			w.want(t, w.do(key, "DELETE", team+"/members/"+w.acme.ids["member"], ""), http.StatusNoContent, "")
		}
		w.want(t, w.do(key, "DELETE", team, ""), http.StatusNoContent, "")
		w.want(t, w.do(key, "DELETE", team, ""), http.StatusNotFound, "team_unknown")

		if a := w.do(key, "GET", "/api/v1/groups/"+w.acme.ids["group"], ""); !strings.Contains(a.body, w.acme.ids["member"]) || a.field(t, "directory") != w.acme.ids["directory"] {
			t.Error(a.body)
		}
		if a := w.do(key, "GET", "/api/v1/groups", ""); strings.Contains(a.body, "Night shift") || !strings.Contains(a.body, "Pushed") {
			t.Error(a.body)
		}

		mapping := w.do(key, "POST", "/api/v1/role-mappings", `{"group":"Pushed","role":"Agent","directory":"okta"}`)
		w.want(t, mapping, http.StatusCreated, "")
		w.want(t, w.do(key, "POST", "/api/v1/role-mappings", `{"group":"Pushed","role":"Agent","directory":"okta"}`), http.StatusConflict, "mapping_taken")
		w.want(t, w.do(key, "POST", "/api/v1/role-mappings", `{"group":"Pushed","role":"Owner"}`), http.StatusBadRequest, "owner_role")
		if a := w.do(key, "GET", "/api/v1/members/"+w.acme.ids["member"], ""); a.field(t, "role") != "Agent" || !strings.Contains(a.body, `"source":"mapping"`) {
			t.Error(a.body)
		}
		w.want(t, w.do(key, "DELETE", "/api/v1/role-mappings/"+mapping.field(t, "id"), ""), http.StatusNoContent, "")
		if a := w.do(key, "GET", "/api/v1/members/"+w.acme.ids["member"], ""); a.field(t, "role") != "Trainee" {
			t.Error(a.body)
		}

		sessions := "/api/v1/members/" + w.acme.ids["member"] + "/sessions"
		if a := w.do(key, "GET", sessions, ""); !strings.Contains(a.body, w.acme.ids["session"]) {
			t.Error(a.body)
		}
		w.want(t, w.do(key, "DELETE", "/api/v1/members/"+w.acme.other+"/sessions/"+w.acme.ids["session"], ""), http.StatusNotFound, "session_unknown")
		w.want(t, w.do(key, "DELETE", sessions+"/"+w.acme.ids["session"], ""), http.StatusNoContent, "")
		if a := w.do(key, "DELETE", sessions, ""); a.body != `{"ended":0}`+"\n" {
			t.Error(a.body)
		}
	})
}

func TestLists_AreWalkedPageByPageAndNobodyIsLost(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		key := w.issue(w.acme, "root@acme.test", all()...).Key
		for i := range 7 {
			w.want(t, w.do(key, "POST", "/api/v1/members", fmt.Sprintf(`{"email":"p%d@acme.test"}`, i)), http.StatusCreated, "")
			w.want(t, w.do(key, "POST", "/api/v1/teams", fmt.Sprintf(`{"name":"Team %d"}`, i)), http.StatusCreated, "")
			w.passed.Add(int64(time.Millisecond))
		}
		_ = w.events(w.acme)
		for path, want := range map[string]int{"/members?limit=3": 10, "/members?limit=1&status=invited": 8, "/members?limit=2&role=owner": 2, "/members?limit=1&email=P3@acme.test": 1,
			"/teams?limit=3": 8, "/groups?limit=1": 1, "/events?limit=7": len(w.events(w.acme)), "/events?limit=5&subject=" + w.acme.ids["member"]: 2} {
			got, pages := map[string]bool{}, 0
			for next := ""; ; pages++ {
				a := w.do(key, "GET", "/api/v1"+path+"&cursor="+next, "")
				w.want(t, a, http.StatusOK, "")
				var page map[string]json.RawMessage
				if err := json.Unmarshal([]byte(a.body), &page); err != nil || pages > 100 {
					t.Fatalf("%s: %v after %d pages", path, err, pages)
				}
				var rows []struct{ ID string }
				for name, raw := range page {
					if name != "next" {
						_ = json.Unmarshal(raw, &rows)
					}
				}
				for _, r := range rows {
					if got[r.ID] {
						t.Errorf("%s: %s comes twice", path, r.ID)
					}
					got[r.ID] = true
				}
				if next = a.field(t, "next"); next == "" {
					break
				}
			}
			if len(got) < want || path != "/events?limit=5&subject="+w.acme.ids["member"] && len(got) != want {
				t.Errorf("%s: %d, want %d", path, len(got), want)
			}
		}
		// Followed from the beginning, in order, without a gap.
		var followed []int64
		for after := int64(0); ; {
			a := w.do(key, "GET", fmt.Sprintf("/api/v1/events?limit=6&after=%d", after), "")
			var page EventPage
			if err := json.Unmarshal([]byte(a.body), &page); err != nil {
				t.Fatal(err)
			}
			if len(page.Events) == 0 {
				break
			}
			for _, e := range page.Events {
				followed = append(followed, e.Seq)
			}
			after = followed[len(followed)-1]
		}
		if !slices.IsSorted(followed) || len(followed) != len(w.events(w.acme)) || followed[0] != 1 || followed[len(followed)-1] != int64(len(followed)) {
			t.Errorf("followed %v", followed)
		}
		event := w.do(key, "GET", "/api/v1/events/"+w.acme.ids["event"], "")
		if event.field(t, "type") != string(audit.SignInLinkMade) || !strings.Contains(event.body, `"payload":{"a":1}`) {
			t.Error(event.body)
		}
	})
}

func TestRequests_ThatCannotBeUnderstoodAreRefusedAndNameWhat(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		key := w.issue(w.acme, "root@acme.test", all()...).Key
		n := len(w.events(w.acme))
		for _, c := range []struct {
			method, path, body string
			status             int
			code               string
		}{
			{"GET", "/members?limit=0", "", 422, "request_invalid"},
			{"GET", "/members?limit=100000", "", 422, "request_invalid"},
			{"GET", "/members?sort=name", "", 422, "request_invalid"},
			{"GET", "/members?status=here", "", 422, "request_invalid"},
			{"GET", "/members?role=Nobody", "", 400, "role_unknown"},
			{"GET", "/members?cursor=%00", "", 400, "cursor_invalid"},
			{"GET", "/members?cursor=" + cursor(teamCursor, "x"), "", 400, "cursor_invalid"},
			{"GET", "/members/ann@acme.test", "", 404, "member_unknown"},
			{"GET", "/members/" + strings.Repeat("m", 200), "", 422, "request_invalid"},
			{"POST", "/members", "", 400, "request_invalid"},
			{"POST", "/members", "{", 400, "request_invalid"},
			{"POST", "/members", "null", 422, "request_invalid"},
			{"POST", "/members", `{"email":"a@acme.test","ROLE":"Owner"}`, 403, "beyond_key"}, // letter case hides nothing
			{"POST", "/members", `{"email":"a@acme.test","owner":true}`, 422, "request_invalid"},
			{"POST", "/members", `{"email":"nobody"}`, 400, "address_invalid"},
			{"POST", "/members", `{"email":"a@acme.test","name":"` + strings.Repeat("x", maxBody) + `"}`, 413, "body_too_large"},
			{"POST", "/members", strings.Repeat("[", 20000), 400, "request_invalid"},
			{"PUT", "/members/" + w.acme.ids["member"] + "/role", `{"role":"Boss"}`, 400, "role_unknown"},
			{"POST", "/members/" + w.acme.ids["member"] + "/erase", "", 404, "no_such_page"},
			{"DELETE", "/members", "", 405, "method_not_allowed"},
			{"GET", "/events?after=1&type=member.created", "", 400, "after_stands_alone"},
			{"GET", "", "", 404, "no_such_page"},
		} {
			a := w.do(key, c.method, "/api/v1"+c.path, c.body)
			if w.want(t, a, c.status, c.code); a.header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s %s is answered as %s", c.method, c.path, a.header.Get("Content-Type"))
			}
		}
		w.want(t, w.do(key, "POST", "/api/v1/members", `{"email":"a@acme.test"}`, "Content-Type", "text/plain"), http.StatusUnsupportedMediaType, "media_type_unsupported")
		if grown := len(w.events(w.acme)) - n; grown != 0 {
			t.Errorf("%d events of requests that were not understood", grown)
		}
	})
}

func TestDocs_AreOnePageOfOurOwn(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a := w.do("", "GET", "/api/docs", "")
		if a.status != http.StatusOK || !strings.Contains(a.header.Get("Content-Security-Policy"), "default-src") || strings.Contains(a.body, "<script") {
			t.Errorf("%d %v", a.status, a.header)
		}
		for _, op := range w.document() {
			if !strings.Contains(a.body, `id="`+op.id+`"`) || !strings.Contains(a.body, op.method+" "+op.path) {
				t.Errorf("the page leaves %s out", op.id)
			}
		}
		for _, at := range strings.Split(a.body, `href="`)[1:] {
			if !strings.HasPrefix(at, "/") && !strings.HasPrefix(at, "#") {
				t.Errorf("the page leads elsewhere: %.60s", at)
			}
		}
	})
}

func TestRate_OfOneOwnersKeysIsLimitedAndNobodyElses(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.door.limits = newBuckets(1, 3)
		one, two := w.issue(w.acme, "root@acme.test", "members").Key, w.issue(w.acme, "root@acme.test", "teams").Key
		for range 3 {
			w.want(t, w.do(one, "GET", "/api/v1/whoami", ""), http.StatusOK, "")
		}
		a := w.do(two, "GET", "/api/v1/whoami", "")
		if w.want(t, a, http.StatusTooManyRequests, "too_many_requests"); a.header.Get("Retry-After") != "1" {
			t.Error(a.header)
		}
		w.want(t, w.do(w.issue(w.acme, "other@acme.test", "members").Key, "GET", "/api/v1/whoami", ""), http.StatusOK, "")
		w.passed.Add(int64(time.Second))
		w.want(t, w.do(one, "GET", "/api/v1/whoami", ""), http.StatusOK, "")
	})
}
