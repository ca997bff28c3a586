package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// documented is an operation as the document that programs read has it.
type documented struct {
	method, path, id, scope string
	body                    bool
}

// document reads the routes from the document that is served.
func (w *world) document() (ops []documented) {
	w.t.Helper()
	a := w.do("", "GET", "/api/openapi.json", "")
	var doc struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]struct {
			OperationID string                `json:"operationId"`
			Security    []map[string][]string `json:"security"`
			RequestBody any                   `json:"requestBody"`
			Responses   map[string]any        `json:"responses"`
		} `json:"paths"`
	}
	if err := json.Unmarshal([]byte(a.body), &doc); err != nil || a.status != http.StatusOK || doc.OpenAPI != "3.1.0" {
		w.t.Fatalf("%d %v %.200s", a.status, err, a.body)
	}
	for path, item := range doc.Paths {
		for method, op := range item {
			if len(op.Security) != 1 {
				w.t.Errorf("%s %s says nothing of who may", method, path)
				continue
			}
			scopes, ok := op.Security[0][keyScheme]
			if !ok || len(scopes) > 1 || op.Responses["default"] == nil {
				w.t.Errorf("%s %s: security %v", method, path, op.Security)
			}
			o := documented{method: strings.ToUpper(method), path: path, id: op.OperationID, body: op.RequestBody != nil}
			if len(scopes) == 1 {
				o.scope = scopes[0]
			} else if op.OperationID != "whoami" {
				w.t.Errorf("%s %s needs no scope", method, path)
			}
			ops = append(ops, o)
		}
	}
	slices.SortFunc(ops, func(a, b documented) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	return ops
}

// bodies are what a route with a body accepts.
var bodies = map[string]string{
	"invite-member": `{"email":"fresh@acme.test"}`, "edit-member": `{"name":"Other"}`, "set-role": `{"role":"Trainee"}`,
	"create-team": `{"name":"Day shift"}`, "rename-team": `{"name":"Late shift"}`, "add-role-mapping": `{"group":"Others","role":"Trainee"}`, "change-policy": `{"group_loss":"keep"}`,
	"change-rules": `{"policy":{"group_loss":"keep"}}`,
}

func filled(path string, ids map[string]string) string {
	for name, id := range ids {
		path = strings.ReplaceAll(path, "{"+name+"}", id)
	}
	return path
}

func TestRoutes_OpenToTheirOwnScopeAlone(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ops := w.document()
		if len(ops) < 30 {
			t.Fatalf("%d routes are documented", len(ops))
		}
		nobody := map[string]string{}
		for name := range w.acme.ids {
			nobody[name] = name + "_of_nobody" // so that what is let in changes nothing
		}
		for _, scope := range all() {
			key := w.issue(w.acme, "root@acme.test", scope).Key
			for _, op := range ops {
				if strings.Contains(filled(op.path, nobody), "{") {
					t.Fatalf("the test knows no id for %s", op.path)
				}
				if op.body && bodies[op.id] == "" {
					t.Fatalf("the test knows no body for %s", op.id)
				}
				a := w.do(key, op.method, filled(op.path, nobody), bodies[op.id])
				opens := op.scope == "" || directory.Grants(scope, op.scope)
				if refused := a.status == http.StatusForbidden && a.code() == "scope_missing"; refused == opens {
					t.Errorf("%s %s with the scope %s: %d %s", op.method, op.path, scope, a.status, a.body)
				}
				if a.status >= 500 {
					t.Errorf("%s %s: %d %s", op.method, op.path, a.status, a.body)
				}
			}
		}
		for _, op := range ops {
			for _, key := range []string{"", "gk_" + strings.Repeat("x", 43), "gscim_x", strings.Repeat("gk_", 200)} {
				a := w.do(key, op.method, filled(op.path, nobody), bodies[op.id], "Cookie", "gatehouse_session=gses_x; api_key="+key)
				w.want(t, a, http.StatusUnauthorized, "api_key_invalid")
			}
		}
	})
}

func TestRoutes_WhatTheOwnersRoleDoesNotAllowNoScopeOpens(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		key := w.issue(w.acme, "other@acme.test", all()...).Key
		w.want(t, w.do(key, "GET", "/api/v1/members", ""), http.StatusOK, "")
		w.write(w.acme, func(tx *store.Tx) error { // the owner is made a trainee
			m, err := tx.Member(w.acme.other)
			if err != nil {
				return err
			}
			cfg, err := tx.Config()
			if err != nil {
				return err
			}
			m.Role, m.ManualRole = cfg.Roles.Lowest().ID, cfg.Roles.Lowest().ID
			tx.UpdateMember(m)
			return tx.Record(audit.Event{Type: audit.MemberRoleChanged, Subject: audit.Party{Kind: "member", ID: m.ID}})
		})
		for _, op := range w.document() {
			a := w.do(key, op.method, filled(op.path, w.acme.ids), bodies[op.id])
			if op.id == "whoami" {
				if w.want(t, a, http.StatusOK, ""); !strings.Contains(a.body, `"allowed":[]`) {
					t.Error(a.body)
				}
				continue
			}
			w.want(t, a, http.StatusForbidden, "permission_missing")
		}
	})
}

// An id of another workspace is answered exactly as one that never was, on every route and for each id in it (law 1).
func TestRoutes_AnswerANeighboursIdAsAnUnknownOne(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		key := w.issue(w.acme, "root@acme.test", all()...).Key
		before := len(w.events(w.beta))
		tried := 0
		for _, op := range w.document() {
			for name, theirs := range w.beta.ids {
				if !strings.Contains(op.path, "{"+name+"}") {
					continue
				}
				tried++
				ask := func(id string) string {
					ids := maps.Clone(w.acme.ids)
					ids[name] = id
					a := w.do(key, op.method, filled(op.path, ids), bodies[op.id])
					if a.status != http.StatusNotFound {
						t.Errorf("%s %s with another %s: %d %s", op.method, op.path, name, a.status, a.body)
					}
					p := Problem{}
					_ = json.Unmarshal([]byte(a.body), &p)
					p.RequestID = ""
					text, _ := json.Marshal(p)
					return strings.ReplaceAll(string(text), id, "ID")
				}
				unknown := theirs[:len(theirs)-1] + "!"
				if a, b := ask(theirs), ask(unknown); a != b {
					t.Errorf("%s %s tells a neighbour's %s:\n%s\n%s", op.method, op.path, name, a, b)
				}
			}
		}
		if tried < 20 {
			t.Errorf("only %d routes with an id", tried)
		}
		if after := len(w.events(w.beta)); after != before {
			t.Errorf("the neighbour's log grew by %d", after-before)
		}
		for _, query := range []string{"/api/v1/events?limit=200&subject=" + w.beta.ids["member"], "/api/v1/members?email=ann@beta.test",
			"/api/v1/members?cursor=" + cursor(memberCursor, w.beta.ids["member"]), "/api/v1/events?cursor=" + cursor(eventCursor, "1000")} {
			if a := w.do(key, "GET", query, ""); a.status != http.StatusOK || strings.Contains(a.body, "beta") {
				t.Errorf("%s: %d %s", query, a.status, a.body)
			}
		}
	})
}
