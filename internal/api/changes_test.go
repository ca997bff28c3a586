package api

import (
	"net/http"
	"strings"
	"testing"
)

func TestChanges_SayFirstWhomTheyChangeAndAreHeldToIt(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		key := w.issue(w.acme, "root@acme.test", all()...).Key
		member := "/api/v1/members/" + w.acme.ids["member"]
		const change = `{"add_mappings":[{"group":"Pushed","role":"Agent","directory":"okta"}]}`
		said := w.do(key, "POST", "/api/v1/changes?dry_run=true", change)
		w.want(t, said, http.StatusOK, "")
		if !strings.Contains(said.body, `"members":1`) || !strings.Contains(said.body, w.acme.ids["member"]) || !strings.Contains(said.body, `"becomes":{"role":"Agent"`) {
			t.Error(said.body)
		}
		if a := w.do(key, "GET", member, ""); a.field(t, "role") != "Trainee" {
			t.Errorf("a dry run has changed somebody: %s", a.body)
		}
		// What was said is no longer what would happen.
		w.want(t, w.do(key, "POST", "/api/v1/changes", `{"policy":{"group_loss":"keep"}}`), http.StatusOK, "")
		w.want(t, w.do(key, "PUT", member+"/role", `{"role":"Supervisor"}`), http.StatusOK, "")
		w.want(t, w.do(key, "POST", "/api/v1/changes?word="+said.field(t, "word"), change), http.StatusConflict, "changed_meanwhile")
		w.want(t, w.do(key, "DELETE", member+"/role", ""), http.StatusOK, "")

		again := w.do(key, "POST", "/api/v1/changes?dry_run=true", change)
		done := w.do(key, "POST", "/api/v1/changes?word="+again.field(t, "word"), change)
		w.want(t, done, http.StatusOK, "")
		if done.body != again.body {
			t.Errorf("it was said\n%s\nand done\n%s", again.body, done.body)
		}
		if a := w.do(key, "GET", member, ""); a.field(t, "role") != "Agent" {
			t.Error(a.body)
		}
		w.want(t, w.do(key, "POST", "/api/v1/changes", change), http.StatusConflict, "mapping_taken")
		w.want(t, w.do(key, "POST", "/api/v1/changes?limit=5000", `{}`), http.StatusUnprocessableEntity, "request_invalid")
		w.want(t, w.do(key, "POST", "/api/v1/changes", `{"polcy":{}}`), http.StatusUnprocessableEntity, "request_invalid")
		w.want(t, w.do(key, "POST", "/api/v1/changes", `{"policy":{"scim_allowed":"no"}}`), http.StatusForbidden, "operator_only")

		less := w.issue(w.acme, "root@acme.test", "settings").Key
		w.want(t, w.do(less, "POST", "/api/v1/changes?dry_run=true", `{"add_mappings":[{"group":"X","role":"Admin"}]}`), http.StatusForbidden, "beyond_key")
	})
}
