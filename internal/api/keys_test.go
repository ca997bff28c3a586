package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

func TestKeys_OfADeactivatedOwnerAreRefusedAtTheNextRequestAndNoReturnRevivesThem(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		scope := provision.Scope{Workspace: w.acme.workspace, Actor: operator}
		key := w.issue(w.acme, "other@acme.test", "members:read")
		w.want(t, w.do(key.Key, "GET", "/api/v1/members", ""), http.StatusOK, "")
		_, err := w.provision.Deactivate(t.Context(), scope, provision.Who(w.acme.other))
		w.must(err)
		w.want(t, w.do(key.Key, "GET", "/api/v1/members", ""), http.StatusUnauthorized, "api_key_invalid")
		_, err = w.provision.Restore(t.Context(), scope, provision.Who(w.acme.other))
		w.must(err)
		w.want(t, w.do(key.Key, "GET", "/api/v1/members", ""), http.StatusUnauthorized, "api_key_invalid")
		var ended, used int
		for _, e := range w.events(w.acme) {
			switch {
			case e.Type == audit.APIKeyRevoked && e.Subject.ID == key.ID && e.Reason == store.KeyOwnerGone:
				ended++
			case e.Type == audit.APIKeyRefused && e.Subject.ID == key.ID:
				used++
			}
		}
		if ended != 1 || used != 2 {
			t.Errorf("%d events of the end, %d of its use afterwards", ended, used)
		}
	})
}

// A binary that knows no keys puts somebody out and leaves the keys: they do not work then, and whoever lets them in again
// finds them ended.
func TestKeys_LeftByAnEarlierBinaryDieWithTheReturn(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		key := w.issue(w.acme, "other@acme.test", "members:read")
		w.write(w.acme, func(tx *store.Tx) error {
			m, err := tx.Member(w.acme.other)
			if err != nil {
				return err
			}
			m.Sources = 4
			tx.UpdateMember(m)
			return tx.Record(audit.Event{Type: audit.MemberDeactivated, Subject: audit.Party{Kind: "member", ID: m.ID}})
		})
		w.want(t, w.do(key.Key, "GET", "/api/v1/whoami", ""), http.StatusUnauthorized, "api_key_invalid")
		_, err := w.provision.Restore(t.Context(), provision.Scope{Workspace: w.acme.workspace, Actor: operator}, provision.Who(w.acme.other))
		w.must(err)
		w.want(t, w.do(key.Key, "GET", "/api/v1/whoami", ""), http.StatusUnauthorized, "api_key_invalid")
	})
}

func TestKeys_MadeWhileTheirOwnerIsPutOutAreDeadAfterwards(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		var all sync.WaitGroup
		made := make(chan string, 8)
		for range cap(made) {
			all.Go(func() {
				k, err := w.settings.CreateAPIKey(context.Background(), "acme", provision.Who(w.acme.other), settings.KeyOptions{Name: "n", Scopes: []string{"members"}}, operator)
				if err == nil {
					made <- k.Key
				} else if errs.CodeOf(err) != "owner_not_active" {
					t.Error(err)
				}
			})
		}
		all.Go(func() {
			if _, err := w.provision.Deactivate(context.Background(), provision.Scope{Workspace: w.acme.workspace, Actor: operator}, provision.Who(w.acme.other)); err != nil {
				t.Error(err)
			}
		})
		all.Wait()
		close(made)
		for key := range made {
			w.want(t, w.do(key, "GET", "/api/v1/whoami", ""), http.StatusUnauthorized, "api_key_invalid")
		}
		list, err := w.settings.ListAPIKeys(t.Context(), "acme", w.acme.other, "", operator)
		if w.must(err); slices.ContainsFunc(list, func(k settings.APIKeyView) bool { return k.RevokedAt == nil }) {
			t.Errorf("a key outlives its owner: %+v", list)
		}
	})
}

func TestKeys_EndByThemselvesAndByHandAndAreNowhereToBeFound(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		key := w.issue(w.acme, "root@acme.test", all()...)
		list := w.do(key.Key, "GET", "/api/v1/api-keys", "")
		if !strings.Contains(list.body, key.ID) || !strings.Contains(list.body, key.Hint) {
			t.Error(list.body)
		}
		for _, path := range []string{"/api/v1/whoami", "/api/v1/api-keys", "/api/v1/events?limit=200", "/api/openapi.json", "/api/docs"} {
			if a := w.do(key.Key, "GET", path, ""); a.status != http.StatusOK || strings.Contains(a.body, key.Key) {
				t.Errorf("%s: %d %s", path, a.status, a.body)
			}
		}
		other := w.issue(w.acme, "other@acme.test", "members")
		w.want(t, w.do(key.Key, "DELETE", "/api/v1/api-keys/"+other.ID, ""), http.StatusNoContent, "")
		w.want(t, w.do(key.Key, "DELETE", "/api/v1/api-keys/"+other.ID, ""), http.StatusConflict, "api_key_ended")
		w.want(t, w.do(other.Key, "GET", "/api/v1/whoami", ""), http.StatusUnauthorized, "api_key_invalid")
		w.passed.Add(int64(settings.DefaultKeyLifetime) - int64(time.Second))
		w.want(t, w.do(key.Key, "GET", "/api/v1/whoami", ""), http.StatusOK, "")
		w.passed.Add(int64(time.Second))
		w.want(t, w.do(key.Key, "GET", "/api/v1/whoami", ""), http.StatusUnauthorized, "api_key_invalid")
		w.logMu.Lock()
		defer w.logMu.Unlock()
		if text := w.log.String(); strings.Contains(text, key.Key) || !strings.Contains(text, "api_key="+key.ID) {
			t.Error("the request log has the key, or does not name it")
		}
		for _, e := range w.events(w.acme) {
			if text, _ := json.Marshal(e); strings.Contains(string(text), key.Key) {
				t.Errorf("%s", text)
			}
		}
	})
}

func TestKeys_GiveNobodyWhatTheyDoNotHave(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		people := w.issue(w.acme, "root@acme.test", "members").Key
		w.want(t, w.do(people, "POST", "/api/v1/members", `{"email":"a@acme.test","role":"Trainee"}`), http.StatusForbidden, "scope_missing")
		w.want(t, w.do(people, "PATCH", "/api/v1/members/"+w.acme.other, `{"email":"thief@evil.test"}`), http.StatusForbidden, "beyond_key")
		roles := w.issue(w.acme, "root@acme.test", "members", "roles").Key
		w.want(t, w.do(people, "POST", "/api/v1/members/"+w.acme.other+"/deactivate", ""), http.StatusOK, "")
		w.want(t, w.do(people, "POST", "/api/v1/members/"+w.acme.other+"/restore", ""), http.StatusForbidden, "beyond_key")
		_, err := w.provision.Restore(t.Context(), provision.Scope{Workspace: w.acme.workspace, Actor: operator}, provision.Who(w.acme.other))
		w.must(err)
		w.want(t, w.do(roles, "POST", "/api/v1/members", `{"email":"a@acme.test","role":" ownER "}`), http.StatusForbidden, "beyond_key")
		w.want(t, w.do(roles, "PUT", "/api/v1/members/"+w.acme.ids["member"]+"/role", `{"role":"Admin"}`), http.StatusForbidden, "beyond_key")
		w.want(t, w.do(roles, "PUT", "/api/v1/members/"+w.acme.ids["member"]+"/role", `{"role":"Trainee"}`), http.StatusOK, "")
		// A name is nobody's way in.
		w.want(t, w.do(people, "PATCH", "/api/v1/members/"+w.acme.other, `{"name":"Somebody"}`), http.StatusOK, "")
		most := w.issue(w.acme, "root@acme.test", slices.DeleteFunc(all(), func(s string) bool { return s == "sessions" })...).Key
		w.want(t, w.do(most, "PATCH", "/api/v1/members/"+w.acme.other, `{"email":"thief@evil.test"}`), http.StatusForbidden, "beyond_key")
		if m := w.do(most, "GET", "/api/v1/members/"+w.acme.other, ""); m.field(t, "email") != "other@acme.test" {
			t.Error(m.body)
		}
	})
}

func TestKeys_GiveNobodyByTheRulesWhatTheyDoNotHave(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		roles := w.issue(w.acme, "root@acme.test", "members", "roles").Key
		rules := w.issue(w.acme, "root@acme.test", "settings").Key
		ann := w.acme.ids["member"]
		w.must(w.settings.SetRolePermissions(t.Context(), "acme", "Agent", []string{"audit:read"}, operator))
		_, err := w.settings.AddRoleMapping(t.Context(), "acme", settings.NewMapping{Match: "Pushed", Role: "Agent"}, operator)
		w.must(err)
		_, err = w.provision.SetRole(t.Context(), provision.Scope{Workspace: w.acme.workspace, Actor: operator}, provision.Who(ann), "Trainee")
		w.must(err)
		w.want(t, w.do(roles, "DELETE", "/api/v1/members/"+ann+"/role", ""), http.StatusForbidden, "beyond_key")
		w.want(t, w.do(rules, "PATCH", "/api/v1/policy", `{"role_source":"default_role"}`), http.StatusForbidden, "beyond_key")
		w.want(t, w.do(rules, "POST", "/api/v1/changes", `{"policy":{"role_source":"default_role"}}`), http.StatusForbidden, "beyond_key")
		w.want(t, w.do(rules, "PATCH", "/api/v1/policy", `{"role_source":"mapping","group_loss":"keep"}`), http.StatusOK, "")
		w.must(w.settings.SetRolePermissions(t.Context(), "acme", "Trainee", []string{"audit:read"}, operator))
		w.want(t, w.do(roles, "POST", "/api/v1/members", `{"email":"two@acme.test"}`), http.StatusForbidden, "beyond_key")
	})
}

func TestCreateAPIKey_IsForOneselfWithThePermissionAndNoScopeAboveTheRole(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		admin := func() (id string) {
			w.write(w.acme, func(tx *store.Tx) error {
				cfg, err := tx.Config()
				if err != nil {
					return err
				}
				role, _ := cfg.Roles.ByName("Admin")
				role.Permissions = []string{"members", "api_keys"}
				tx.SaveRole(role, false)
				m, err := tx.MemberByEmail("ann@acme.test")
				if err != nil {
					return err
				}
				m.Stage, m.Role, m.ManualRole, id = "active", role.ID, role.ID, m.ID
				tx.UpdateMember(m)
				return tx.Record(audit.Event{Type: audit.SettingsChanged, Subject: audit.Party{Kind: "workspace"}})
			})
			return id
		}()
		self := audit.Party{Kind: "member", ID: admin}
		for name, c := range map[string]struct {
			owner  string
			scopes []string
			actor  audit.Party
			code   string
		}{
			"their own":                {admin, []string{"members:read", "members"}, self, ""},
			"a scope above the role":   {admin, []string{"members", "settings:read"}, self, "scope_above_role"},
			"somebody else's":          {w.acme.other, []string{"members"}, self, "not_your_key"},
			"by a key":                 {admin, []string{"members"}, audit.Party{Kind: "member", ID: admin, Via: "key_1"}, "made_by_people"},
			"an operator, above":       {admin, []string{"audit:read"}, operator, "scope_above_role"},
			"of a neighbour":           {w.beta.other, []string{"members"}, operator, "member_unknown"},
			"by a neighbour":           {w.beta.other, []string{"members"}, audit.Party{Kind: "member", ID: w.beta.other}, "member_unknown"},
			"by a neighbour for ours":  {admin, []string{"members"}, audit.Party{Kind: "member", ID: w.beta.other}, "not_a_member"},
			"everything":               {w.acme.other, []string{"all"}, operator, "scope_unknown"},
			"nothing":                  {w.acme.other, nil, operator, "scopes_missing"},
			"somebody who is not here": {"mem_nobody", []string{"members"}, operator, "member_unknown"},
		} {
			_, err := w.settings.CreateAPIKey(ctx, "acme", provision.Who(c.owner), settings.KeyOptions{Name: "n", Scopes: c.scopes}, c.actor)
			if code := errs.CodeOf(err); err == nil && c.code != "" || err != nil && code != c.code {
				t.Errorf("%s: %v, want %s", name, err, c.code)
			}
		}
		// The role loses a permission: the key loses it with the next request, whatever its scopes.
		k, err := w.settings.CreateAPIKey(ctx, "acme", provision.Who(admin), settings.KeyOptions{Name: "n", Scopes: []string{"members"}}, self)
		w.must(err)
		w.want(t, w.do(k.Key, "GET", "/api/v1/members", ""), http.StatusOK, "")
		w.write(w.acme, func(tx *store.Tx) error {
			cfg, err := tx.Config()
			if err != nil {
				return err
			}
			role, _ := cfg.Roles.ByName("Admin")
			role.Permissions = []string{"members:read"}
			tx.SaveRole(role, false)
			return tx.Record(audit.Event{Type: audit.SettingsChanged, Subject: audit.Party{Kind: "workspace"}})
		})
		w.want(t, w.do(k.Key, "GET", "/api/v1/members", ""), http.StatusOK, "")
		w.want(t, w.do(k.Key, "POST", "/api/v1/members/"+admin+"/deactivate", ""), http.StatusForbidden, "permission_missing")
	})
}
