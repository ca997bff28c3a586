package scimserver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/scimserver"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

const origin = "https://api.gatehouse.test"

// house is a server with workspaces, spoken to over HTTP as an IdP does.
type house struct {
	t      testing.TB
	db     *store.DB
	server *scimserver.Server
}

func newHouse(t *testing.T, db *store.DB) *house {
	p := &provision.Service{DB: db}
	return &house{t: t, db: db, server: scimserver.New(scimserver.Options{DB: db, Provision: p, Origin: origin, Log: slog.New(slog.DiscardHandler)})}
}

// tenant is one workspace with one directory.
type tenant struct {
	*house
	id, directory, token string
}

// workspace makes a workspace of a preset with a verified connection, mappings of the omniflow
// groups, and an enabled directory with a token.
func (h *house) workspace(slug, preset string, change func(*directory.Policy)) *tenant {
	h.t.Helper()
	p, ok := directory.FindPreset(preset)
	if !ok {
		h.t.Fatalf("no preset %s", preset)
	}
	p.Policy.SCIMAllowed = true
	if change != nil {
		change(&p.Policy)
	}
	id := keys.ID("ws_", h.db.Now())
	dir := keys.ID("dir_", h.db.Now())
	token, hash := keys.NewToken(scimserver.TokenPrefix)
	err := h.db.Write(context.Background(), id, func(tx *store.Tx) error {
		if err := tx.InsertWorkspace(directory.Workspace{Slug: slug, Name: slug, Preset: preset, Policy: p.Policy}); err != nil {
			return err
		}
		for rank, name := range p.Roles {
			role := directory.Role{ID: keys.ID("rol_", tx.Now()), Name: name, Rank: rank}
			tx.SaveRole(role, true)
			if rank > 0 {
				tx.InsertMapping(directory.RoleMapping{ID: keys.ID("map_", tx.Now()), Match: "Omniflow-" + name + "s", Role: role.ID})
			}
		}
		tx.SaveConnection(directory.Connection{ID: keys.ID("con_", tx.Now()), Name: "okta", Provider: "okta", Protocol: directory.ProtocolSAML,
			Status: directory.ConnectionActive, VerifiedAt: tx.Now()}, true)
		tx.SaveDirectory(directory.Directory{ID: dir, Name: "okta", Status: directory.DirectoryEnabled, Mode: directory.ModeLenient}, true)
		tx.InsertToken(store.Token{ID: keys.ID("tok_", tx.Now()), Directory: dir, Name: "okta", Hint: keys.Hint(token)}, hash)
		return tx.Record(audit.Event{Type: audit.WorkspaceCreated})
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return &tenant{house: h, id: id, directory: dir, token: token}
}

// answer is a response as a client sees it.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	text   string
	body   map[string]any
}

// do sends a request; body is JSON text, "" for none.
func (w *tenant) do(method, path, body string) *answer {
	w.t.Helper()
	r := httptest.NewRequest(method, origin+"/scim/v2"+strings.ReplaceAll(path, " ", "%20"), strings.NewReader(body))
	if body == "" {
		r.Body = http.NoBody
		r.ContentLength = 0
	} else {
		r.Header.Set("Content-Type", "application/scim+json")
	}
	r.Header.Set("Authorization", "Bearer "+w.token)
	return w.send(r)
}

func (h *house) send(r *http.Request) *answer {
	h.t.Helper()
	rec := httptest.NewRecorder()
	h.server.ServeHTTP(rec, r)
	res := rec.Result()
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	a := &answer{t: h.t, status: res.StatusCode, header: res.Header, text: string(text)}
	if len(text) > 0 {
		d := json.NewDecoder(bytes.NewReader(text))
		if err := d.Decode(&a.body); err != nil {
			h.t.Fatalf("answer is not JSON: %v\n%s", err, text)
		}
	}
	return a
}

func (a *answer) want(status int) *answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, want %d: %s", a.status, status, a.text)
	}
	return a
}

func (a *answer) str(path ...string) string {
	a.t.Helper()
	var v any = a.body
	for _, key := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return ""
		}
		v = m[key]
	}
	s, _ := v.(string)
	return s
}

func user(name string) string {
	return `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"` + name + `","externalId":"ext-` + name +
		`","displayName":"` + name + `","name":{"givenName":"G","familyName":"F"},"emails":[{"value":"` + name + `","type":"work","primary":true}],"active":true}`
}

func group(name string) string {
	return `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"` + name + `"}`
}

// members is a group of these ids.
func members(name string, ids ...string) string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = `{"value":"` + id + `"}`
	}
	return strings.TrimSuffix(group(name), "}") + `,"members":[` + strings.Join(list, ",") + `]}`
}

func patch(ops string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + ops + `]}`
}

// member is the stored member with that address.
func (w *tenant) member(address string) *directory.Member {
	w.t.Helper()
	var m *directory.Member
	if err := w.db.Read(context.Background(), w.id, func(tx *store.Tx) (err error) {
		m, err = tx.MemberByEmail(address)
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	return m
}

func (w *tenant) role(address string) string {
	w.t.Helper()
	m := w.member(address)
	name := ""
	if err := w.db.Read(context.Background(), w.id, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		role, _ := cfg.Roles.ByID(m.Role)
		name = role.Name
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
	return name
}

// events returns the numbered events of the workspace.
func (w *tenant) events() []audit.Event {
	w.t.Helper()
	var out []audit.Event
	if _, err := w.db.Sequence(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	if err := w.db.Read(context.Background(), w.id, func(tx *store.Tx) (err error) {
		out, err = tx.EventsAfter(0, 10_000)
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	return out
}

func each(t *testing.T, fn func(t *testing.T, h *house)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) { fn(t, newHouse(t, db)) })
}

func TestOktaLifeCycle_CreatesDeactivatesAndBringsBackTheSameMember(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "omniflow", nil)
		w.do("GET", "/Users?startIndex=1&count=2", "").want(200)
		made := w.do("POST", "/Users", user("ann@acme.test")).want(201)
		id := made.str("id")
		if got := made.header.Get("Location"); got != origin+"/scim/v2/Users/"+id || got != made.str("meta", "location") {
			t.Errorf("Location %q, meta.location %q", got, made.str("meta", "location"))
		}
		before := w.member("ann@acme.test")
		w.do("POST", "/Groups", group("Omniflow-Agents")).want(201)
		g := w.do("GET", `/Groups?filter=displayName eq "omniflow-agents"`, "").want(200)
		gid := g.body["Resources"].([]any)[0].(map[string]any)["id"].(string)
		w.do("PATCH", "/Groups/"+gid, patch(`{"op":"add","path":"members","value":[{"value":"`+id+`"}]}`)).want(204)
		if got := w.role("ann@acme.test"); got != "Agent" {
			t.Errorf("role %q", got)
		}
		w.do("PATCH", "/Users/"+id, patch(`{"op":"replace","value":{"active":false}}`)).want(200)
		if s := w.member("ann@acme.test").Status(); s != directory.StatusDeactivated {
			t.Errorf("status %s", s)
		}
		found := w.do("GET", `/Users?filter=userName eq "ANN@acme.test"`, "").want(200)
		if n := found.body["totalResults"].(float64); n != 1 {
			t.Fatalf("totalResults %v", n)
		}
		if active := found.body["Resources"].([]any)[0].(map[string]any)["active"]; active != false {
			t.Errorf("active %v", active)
		}
		w.do("PATCH", "/Users/"+id, patch(`{"op":"Replace","path":"active","value":"True"}`)).want(200)
		after := w.member("ann@acme.test")
		if after.ID != before.ID || after.Status() != directory.StatusActive || w.role("ann@acme.test") != "Agent" {
			t.Errorf("after: %+v, role %s", after, w.role("ann@acme.test"))
		}
		w.do("DELETE", "/Users/"+id, "").want(204)
		w.do("DELETE", "/Users/"+id, "").want(404)
		again := w.do("POST", "/Users", user("ann@acme.test")).want(201)
		if again.str("id") == id || w.member("ann@acme.test").ID != before.ID {
			t.Error("a return gives a new SCIM id and the same member")
		}
	})
}

func TestEveryWriteAndEveryRefusal_IsAnEventWithItsPayload(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		body := strings.Replace(user("ann@acme.test"), `"active":true`, `"active":true,"password":"sesame-open-12345"`, 1)
		w.do("POST", "/Users", body).want(201)
		w.do("POST", "/Users", user("ann@acme.test")).want(409)
		w.do("POST", "/Users", `{"broken`).want(400)
		w.do("GET", `/Users?filter=nope eq "x"`, "").want(400)
		w.do("GET", "/Users/unknown", "").want(404)
		w.do("GET", "/Nothing", "").want(404)
		var got []string
		for _, e := range w.events() {
			if strings.Contains(string(e.Payload), "sesame") {
				t.Errorf("a password is in the log: %s", e.Payload)
			}
			if strings.HasPrefix(string(e.Type), "scim.") {
				got = append(got, string(e.Type)+" "+e.Reason)
				if len(e.Payload) == 0 {
					t.Errorf("%s has no payload", e.Type)
				}
			}
		}
		want := []string{"scim.user.created scim_create", "scim.request.refused user_name_taken", "scim.request.refused syntax_invalid",
			"scim.request.refused filter_invalid", "scim.request.refused resource_unknown", "scim.request.refused resource_unknown"}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("events:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

func TestNeighbour_SeesNothing(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		a, b := h.workspace("acme", "default", nil), h.workspace("globex", "default", nil)
		id := a.do("POST", "/Users", user("ann@acme.test")).want(201).str("id")
		gid := a.do("POST", "/Groups", group("Eng")).want(201).str("id")
		mine := b.do("POST", "/Users", user("ann@acme.test")).want(201).str("id")
		bg := b.do("POST", "/Groups", group("Eng")).want(201).str("id")
		for _, path := range []string{"/Users/" + id, "/Groups/" + gid} {
			unknown := path[:strings.LastIndex(path, "/")] + "/" + strings.Repeat("0", len(path)-strings.LastIndex(path, "/")-1)
			kind := "User"
			if strings.HasPrefix(path, "/Groups") {
				kind = "Group"
			}
			for method, body := range map[string]string{"GET": "", "DELETE": "", "PATCH": patch(`{"op":"replace","path":"displayName","value":"x"}`),
				"PUT": `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:` + kind + `"],"userName":"x@x.test","displayName":"x"}`} {
				foreign, none := b.do(method, path, body).want(404), b.do(method, unknown, body).want(404)
				if strings.ReplaceAll(foreign.text, path[strings.LastIndex(path, "/")+1:], "ID") != strings.ReplaceAll(none.text, unknown[strings.LastIndex(unknown, "/")+1:], "ID") {
					t.Errorf("%s %s: %s differs from %s", method, path, foreign.text, none.text)
				}
			}
		}
		b.do("PATCH", "/Groups/"+bg, patch(`{"op":"add","path":"members","value":[{"value":"`+mine+`"},{"value":"`+id+`"}]}`)).want(400)
		b.do("PATCH", "/Users/"+mine, patch(`{"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":"`+id+`"}`)).want(400)
		for _, filter := range []string{`id eq "` + id + `"`, `externalId eq "nope"`, `manager eq "` + id + `"`} {
			if strings.HasPrefix(filter, "manager") {
				filter = `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq "` + id + `"`
			}
			if n := b.do("GET", "/Users?filter="+filter, "").want(200).body["totalResults"].(float64); n != 0 {
				t.Errorf("%s finds %v", filter, n)
			}
		}
		if n := b.do("GET", `/Groups?filter=members.value eq "`+id+`"`, "").want(200).body["totalResults"].(float64); n != 0 {
			t.Errorf("a foreign member is found")
		}
		if got := b.do("GET", "/Groups/"+bg, "").want(200); strings.Contains(got.text, "members") {
			t.Errorf("the refused PATCH changed the group: %s", got.text)
		}
	})
}

func TestToken_OfNobodyAndReplacedAndSwitchedOff(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		for name, header := range map[string]string{"no header": "", "an empty token": "Bearer", "a wrong token": "Bearer gscim_wrong",
			"basic": "Basic dXNlcjpwYXNz", "a session token": "Bearer gses_x"} {
			r := httptest.NewRequest("GET", origin+"/scim/v2/Users", nil)
			if header != "" {
				r.Header.Set("Authorization", header)
			}
			a := h.send(r).want(401)
			if a.header.Get("WWW-Authenticate") == "" || a.str("status") != "401" {
				t.Errorf("%s: %v %s", name, a.header, a.text)
			}
		}
		for _, form := range []string{"bearer " + w.token, w.token, "Bearer  " + w.token} {
			r := httptest.NewRequest("GET", origin+"/scim/v2/Users", nil)
			r.Header.Set("Authorization", form)
			h.send(r).want(200)
		}
		if err := h.db.FlushMarks(context.Background()); err != nil {
			t.Fatal(err)
		}
		strangers, err := h.db.System().Strangers(context.Background(), h.db.Now().Add(-time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		var count int64
		for _, s := range strangers {
			count += s.Count
		}
		if count != 5 {
			t.Errorf("%d strangers on record, want 5", count)
		}
		write := func(fn func(tx *store.Tx) error) {
			t.Helper()
			if err := h.db.Write(context.Background(), w.id, func(tx *store.Tx) error {
				if err := fn(tx); err != nil {
					return err
				}
				return tx.Record(audit.Event{Type: audit.DirectoryChanged})
			}); err != nil {
				t.Fatal(err)
			}
		}
		write(func(tx *store.Tx) error {
			tx.SaveDirectory(directory.Directory{ID: w.directory, Name: "okta", Status: directory.DirectoryPaused, Mode: directory.ModeLenient}, false)
			return nil
		})
		w.do("GET", "/Users", "").want(403)
		write(func(tx *store.Tx) error {
			_, err := tx.RevokeTokens(w.directory, "", "replaced")
			return err
		})
		if a := w.do("GET", "/Users", "").want(401); strings.Contains(a.text, "replaced") {
			t.Errorf("the caller is told: %s", a.text)
		}
		events := w.events()
		last := events[len(events)-1]
		if last.Type != audit.TokenReplacedUsed || last.Changes[0].Field != "replaced_at" {
			t.Errorf("%+v", last)
		}
	})
}

func TestGroupRequest_NamingAnUnknownMemberChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "omniflow", nil)
		id := w.do("POST", "/Users", user("ann@acme.test")).want(201).str("id")
		gid := w.do("POST", "/Groups", group("Eng")).want(201).str("id")
		a := w.do("PATCH", "/Groups/"+gid, patch(`{"op":"replace","path":"displayName","value":"Renamed"},{"op":"add","path":"members","value":[{"value":"`+id+`"},{"value":"ghost"}]}`)).want(400)
		if !strings.Contains(a.str("detail"), "ghost") || a.str("scimType") != "invalidValue" {
			t.Errorf("%s", a.text)
		}
		if got := w.do("GET", "/Groups/"+gid, "").want(200); got.str("displayName") != "Eng" || strings.Contains(got.text, "members") {
			t.Errorf("%s", got.text)
		}
	})
}

func TestMembers_EntraAndOktaForms(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "omniflow", nil)
		ids := map[string]string{}
		for _, n := range []string{"a", "b", "c", "d"} {
			ids[n] = w.do("POST", "/Users", user(n+"@acme.test")).want(201).str("id")
		}
		gid := w.do("POST", "/Groups", strings.Replace(group("Eng"), "}", `,"members":[{"value":"`+ids["a"]+`"},{"value":"`+ids["b"]+`"},{"value":"`+ids["c"]+`"}]}`, 1)).want(201).str("id")
		steps := []struct{ ops, want string }{
			{`{"op":"Remove","path":"members","value":[{"$ref":null,"value":"` + ids["b"] + `"}]}`, "ac"},
			{`{"op":"remove","path":"members[value eq \"` + ids["a"] + `\"]"}`, "c"},
			{`{"op":"Add","path":"members","value":[{"$ref":null,"value":"` + ids["d"] + `"}]},{"op":"add","path":"members","value":[{"value":"` + ids["d"] + `"}]}`, "cd"},
			{`{"op":"remove","path":"members","value":[{"value":"` + ids["a"] + `"}]}`, "cd"},
			{`{"op":"replace","value":{"id":"` + gid + `","displayName":"Engineering"}}`, "cd"},
			{`{"op":"replace","path":"members","value":[{"value":"` + ids["a"] + `"},{"value":"` + ids["d"] + `"}]}`, "ad"},
			{`{"op":"replace","path":"members","value":[]}`, ""},
		}
		for _, s := range steps {
			w.do("PATCH", "/Groups/"+gid, patch(s.ops)).want(204)
			got := ""
			members, _ := w.do("GET", "/Groups/"+gid, "").want(200).body["members"].([]any)
			for n, id := range map[string]string{"a": ids["a"], "b": ids["b"], "c": ids["c"], "d": ids["d"]} {
				for _, m := range members {
					if m.(map[string]any)["value"] == id {
						got += n
					}
				}
			}
			if len(got) != len(s.want) || strings.Trim(got, s.want) != "" {
				t.Errorf("after %s: members %q, want %q", s.ops, got, s.want)
			}
		}
	})
}

func TestRoundTrip_APutOfWhatGetReturnedChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "omniflow", nil)
		boss := w.do("POST", "/Users", user("boss@acme.test")).want(201).str("id")
		body := `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
			"userName":"ann@acme.test","externalId":"o1","active":true,"displayName":"Ann","name":{"givenName":"Ann","familyName":"Lee"},"title":"Dr",
			"emails":[{"primary":"true","type":"work","value":"ann@acme.test"},{"type":"home","value":"ann@home.test"}],
			"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"R&D","manager":"` + boss + `"}}`
		made := w.do("POST", "/Users", body).want(201)
		gid := w.do("POST", "/Groups", group("Eng")).want(201).str("id")
		w.do("PATCH", "/Groups/"+gid, patch(`{"op":"add","path":"members","value":[{"value":"`+made.str("id")+`"}]}`)).want(204)
		read := w.do("GET", "/Users/"+made.str("id"), "").want(200)
		put := w.do("PUT", "/Users/"+made.str("id"), read.text).want(200)
		if put.text != read.text {
			t.Errorf("PUT of what was read:\n%s\nread:\n%s", put.text, read.text)
		}
		if m := w.member("ann@acme.test"); m.Attributes["department"] != "R&D" || m.Attributes["title"] != "Dr" {
			t.Errorf("attributes %v", m.Attributes)
		}
		for _, filter := range []string{`emails[type eq "work"].value eq "ANN@acme.test"`, `emails.value eq "ann@home.test"`, `emails[type eq "home" and value eq "ann@home.test"]`,
			`externalId eq "o1"`, `id eq "` + made.str("id") + `"`, `title eq "dr" and active eq true`, `groups.value eq "` + gid + `"`, `userName sw "ann"`,
			`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq "` + boss + `"`, `not (userName eq "boss@acme.test")`} {
			a := w.do("GET", "/Users?filter="+filter, "").want(200)
			if n := a.body["totalResults"].(float64); n != 1 || !strings.Contains(a.text, made.str("id")) {
				t.Errorf("%s: %v results", filter, n)
			}
		}
		w.do("DELETE", "/Users/"+boss, "").want(204)
		if got := w.do("GET", "/Users/"+made.str("id"), "").want(200); strings.Contains(got.text, boss) {
			t.Errorf("a deleted manager is still named: %s", got.text)
		}
	})
}

func TestPeopleWithoutAnAddress_MayBeMany(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", func(p *directory.Policy) { p.RequiredAttributes = nil })
		for _, name := range []string{"ann", "bob"} {
			w.do("POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"`+name+`"}`).want(201)
		}
		id := w.do("POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"cy"}`).want(201).str("id")
		w.do("PATCH", "/Users/"+id, patch(`{"op":"replace","value":{"active":false}}`)).want(200)
		w.do("PATCH", "/Users/"+id, patch(`{"op":"replace","value":{"active":true}}`)).want(200)
	})
}
