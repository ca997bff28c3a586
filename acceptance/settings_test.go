package acceptance

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/store/pgtest"
)

func TestStory_apply_is_idempotent(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		file := workspace("acme", "omniflow", "reactivation: restore")
		first := w.mustApply(file)
		if len(first.Changes) == 0 || first.Workspace.Slug != "acme" {
			t.Fatalf("first apply: %+v", first)
		}
		seen := len(w.events("acme"))
		second := w.mustApply(file)
		if len(second.Changes) != 0 || second.Workspace.ID != first.Workspace.ID || second.Directories[0].ID != first.Directories[0].ID {
			t.Errorf("second apply: %+v", second)
		}
		if n := len(w.events("acme")); n != seen {
			t.Errorf("the second apply left %d events", n-seen)
		}
		dry := w.mustApply(strings.Replace(file, "reactivation: restore", "reactivation: new_identity", 1), "--dry-run")
		if len(dry.Changes) == 0 {
			t.Error("a dry run names no change")
		}
		if again := w.mustApply(file); len(again.Changes) != 0 {
			t.Errorf("the dry run changed something: %v", again.Changes)
		}
		exported, errOut, code := w.run(nil, "export", "acme")
		if code != 0 {
			t.Fatalf("export: %s", errOut)
		}
		if back := w.mustApply(exported); len(back.Changes) != 0 {
			t.Errorf("an export applied back changes %v\n%s", back.Changes, exported)
		}
		changed := w.mustApply(strings.Replace(file, "reactivation: restore", "reactivation: new_identity", 1))
		if len(changed.Changes) != 1 || !strings.Contains(changed.Changes[0], "reactivation") {
			t.Errorf("changes: %v", changed.Changes)
		}
	})
}

func TestStory_apply_names_every_mistake(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		cases := map[string]struct {
			file string
			want []string
		}{
			"an unknown key":           {"workspace: acme\nrole_mapings: []\n", []string{"role_mapings", "role_mappings"}},
			"a duplicate name":         {"workspace: acme\ndirectories:\n  - {name: idp}\n  - {name: IDP}\n", []string{"IDP"}},
			"a file that is not there": {"workspace: acme\nconnections:\n  - {name: idp, provider: okta, protocol: saml, metadata_file: x.xml}\n", []string{"metadata_file", "x.xml"}},
			"several mistakes at once": {"workspace: acme\npreset: omniflo\npolicy: {reactivation: maybe}\nenforcment: {require_sso: all}\n",
				[]string{"omniflo", "maybe", "enforcment", "enforcement"}},
			"not YAML":                 {"workspace: [acme\n", []string{"line"}},
			"enforcement without ways": {"workspace: acme\nenforcement: {require_sso: all}\n", []string{"verified connection", "break-glass"}},
			"the owner role mapped":    {"workspace: acme\nrole_mappings:\n  - {group: Bosses, role: Owner}\n", []string{"Owner"}},
		}
		for name, c := range cases {
			t.Run(name, func(t *testing.T) {
				_, said, code := w.apply(c.file)
				if code != 1 {
					t.Fatalf("exit %d: %s", code, said)
				}
				for _, word := range c.want {
					if !strings.Contains(said, word) {
						t.Errorf("%q is not named in: %s", word, said)
					}
				}
				if _, errOut, code := w.run(nil, "export", "acme"); code == 0 {
					t.Error("something was changed: the workspace exists")
				} else if !strings.Contains(errOut, "acme") {
					t.Errorf("export of an unknown workspace says %q", errOut)
				}
			})
		}
	})
}

func TestStory_enforcement_leaves_emergency_access(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		shows(t, "F30", "F32")
		file := strings.Replace(workspace("acme", "default", ""), "break_glass: true}", "break_glass: true}\n  - {email: second@acme.test, password_env: ROOT_PASSWORD}", 1)
		w.mustApply(file)
		signIn := func(email, password, emergency string) (*browser, int, string) {
			b := w.newBrowser()
			res, err := b.PostForm(w.base+"/signin", url.Values{"workspace": {"acme"}, "email": {email}, "password": {password}, "emergency": {emergency}})
			w.must(err)
			defer res.Body.Close()
			return b, res.StatusCode, res.Request.URL.Path
		}
		second, status, path := signIn("second@acme.test", ownerPassword, "")
		if status != http.StatusOK || path != "/w/acme" {
			t.Fatalf("password sign-in: %d at %s", status, path)
		}
		events := second.events()
		w.mustApply(file + "enforcement: {require_sso: all}\n")
		w.wantEnded(second, events)
		if _, status, _ := signIn("second@acme.test", ownerPassword, ""); status != http.StatusForbidden {
			t.Errorf("password under enforcement: %d, want 403", status)
		}
		if _, status, _ := signIn("second@acme.test", ownerPassword, "1"); status != http.StatusForbidden {
			t.Errorf("emergency access for somebody not designated: %d, want 403", status)
		}
		if _, status, path := signIn("root@acme.test", ownerPassword, "1"); status != http.StatusOK || path != "/w/acme" {
			t.Errorf("emergency access: %d at %s", status, path)
		}
		w.wantEvent("acme", "signin.break_glass_used", "")
		_, unknown, _ := signIn("nobody@acme.test", "wrong password of somebody", "")
		_, wrong, _ := signIn("root@acme.test", "wrong password of somebody", "")
		if unknown != wrong || unknown < 400 {
			t.Errorf("an unknown address answers %d, a wrong password %d", unknown, wrong)
		}
	})
}

func TestStory_bad_scim_requests_change_nothing(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.mustApply(workspace("acme", "default", ""))
		_, token := w.token("acme")
		const user = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ann@acme.test"}`
		cases := []struct {
			name, token, method, path, body string
			status                          int
			reason                          string
		}{
			{"no token", "", "GET", "/Users", "", 401, ""},
			{"a wrong token", "gscim_wrong", "POST", "/Users", user, 401, ""},
			{"broken JSON", token, "POST", "/Users", `{"userName":`, 400, "syntax_invalid"},
			{"a key twice in other letter case", token, "POST", "/Users", strings.Replace(user, "}", `,"USERNAME":"eve@acme.test"}`, 1), 400, "syntax_invalid"},
			{"an unknown path", token, "GET", "/Persons", "", 404, "resource_unknown"},
			{"an unknown filter attribute", token, "GET", `/Users?filter=shoeSize eq "9"`, "", 400, "filter_invalid"},
			{"200 nested brackets", token, "GET", "/Users?filter=" + strings.Repeat("(", 200) + "active eq true" + strings.Repeat(")", 200), "", 400, "filter_invalid"},
			{"a body of 10 MiB", token, "POST", "/Users", strings.Replace(user, "ann@", strings.Repeat("a", 10<<20)+"@", 1), 413, "body_too_large"},
			{"an id of nobody", token, "PATCH", "/Users/nobody", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[]}`, 404, "resource_unknown"},
			{"an unknown member", token, "POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Eng","members":[{"value":"nobody"}]}`, 400, "member_unknown"},
			{"a method that is none", token, "PUT", "/Users", user, 405, "method_not_allowed"},
		}
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				before := len(w.events("acme"))
				status, text, err := w.tryScim(c.token, c.method, c.path, c.body)
				if err != nil && c.status == 413 {
					return // the server may close before it has read 10 MiB
				}
				w.must(err)
				if status != c.status || !strings.Contains(text, "urn:ietf:params:scim:api:messages:2.0:Error") {
					t.Errorf("status %d, want %d: %s", status, c.status, text)
				}
				events := w.events("acme")
				if c.reason == "" {
					return
				}
				if len(events) != before+1 || events[before].Reason != c.reason || events[before].Outcome != "refused" {
					t.Errorf("events: %d before, %d after, last %+v; want one more with reason %s", before, len(events), events[len(events)-1], c.reason)
				}
			})
		}
		if _, got := w.scim(token, "GET", "/Users", ""); got["totalResults"] != 0.0 {
			t.Errorf("somebody was made: %v", got)
		}
		if _, got := w.scim(token, "GET", "/Groups", ""); got["totalResults"] != 0.0 {
			t.Errorf("a group was made: %v", got)
		}
	})
}

func TestStory_replaced_token_is_dead_at_once(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		shows(t, "V10", "V11", "V26")
		w.mustApply(workspace("acme", "omnivoo", ""))
		_, old := w.token("acme")
		_, fresh := w.token("acme")
		if status, _ := w.scim(old, "GET", "/Users", ""); status != 401 {
			t.Errorf("the replaced token answers %d", status)
		}
		if status, _ := w.scim(fresh, "GET", "/Users", ""); status != 200 {
			t.Errorf("the new token answers %d", status)
		}
		w.wantEvent("acme", "scim_token.replaced_token_used", "token_replaced")
		// No token is anywhere but with who was shown it.
		for _, name := range []string{"gatehouse.db", "gatehouse.db-wal"} {
			bytes, err := os.ReadFile(filepath.Join(w.dir, name))
			if err == nil && (strings.Contains(string(bytes), old) || strings.Contains(string(bytes), fresh)) {
				t.Errorf("a token stands in %s", name)
			}
		}
		if strings.Contains(w.log.String(), old) || strings.Contains(w.log.String(), fresh) {
			t.Error("a token stands in the server's log")
		}
	})
}

func TestStory_unreachable_database_is_said_at_start(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, binary: path, dir: t.TempDir(), database: "postgres://gatehouse:very-secret@127.0.0.1:1/none?connect_timeout=2"}
	out, errOut, code := w.run(nil, "serve", "--listen", "127.0.0.1:0")
	if code != 1 || !strings.Contains(errOut, "127.0.0.1") || strings.Contains(out+errOut, "very-secret") {
		t.Errorf("exit %d, out %q, err %q", code, out, errOut)
	}
}

func TestStory_database_that_goes_away_and_comes_back(t *testing.T) {
	cluster, err := pgtest.Start(pgtest.Options{Fsync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cluster.Stop() })
	dsn, _, err := cluster.CreateDatabase(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, dsn)
	w.mustApply(workspace("acme", "default", ""))
	_, token := w.token("acme")
	const user = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"%s@acme.test"}`
	if status, got := w.scim(token, "POST", "/Users", strings.Replace(user, "%s", "ann", 1)); status != 201 {
		t.Fatalf("%d %v", status, got)
	}
	if err := cluster.Kill(); err != nil {
		t.Fatal(err)
	}
	status, text, err := w.tryScim(token, "POST", "/Users", strings.Replace(user, "%s", "bob", 1))
	w.must(err)
	if status != 503 {
		t.Errorf("without its database the server answers %d: %s", status, text)
	}
	if err := cluster.Restart(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		status, text, err = w.tryScim(token, "POST", "/Users", strings.Replace(user, "%s", "bob", 1))
		w.must(err)
		if status == 201 {
			break
		}
		if status != 503 || time.Now().After(deadline) {
			t.Fatalf("after the database is back: %d %s", status, text)
		}
	}
	if _, got := w.scim(token, "GET", "/Users", ""); got["totalResults"] != 2.0 {
		t.Errorf("people: %v", got["totalResults"])
	}
}
