package scimserver_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// ifMatch is do under a condition.
func (w *tenant) ifMatch(version, method, path, body string) *answer {
	w.t.Helper()
	return w.under("If-Match", version, method, path, body)
}

func (w *tenant) under(header, version, method, path, body string) *answer {
	w.t.Helper()
	r := httptest.NewRequest(method, origin+"/scim/v2"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/scim+json")
	r.Header.Set("Authorization", "Bearer "+w.token)
	r.Header.Set(header, version)
	return w.send(r)
}

func (w *tenant) version(path string) string {
	w.t.Helper()
	v := w.do("GET", path, "").want(200).str("meta", "version")
	if !strings.HasPrefix(v, `W/"`) {
		w.t.Fatalf("%s has the version %q", path, v)
	}
	return v
}

func TestTwoChangesUnderOneVersion_OneIsMadeAndOneIsRefused(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "omniflow", nil)
		person := w.do("POST", "/Users", user("ann@acme.test")).want(201).str("id")
		other := w.do("POST", "/Users", user("bob@acme.test")).want(201).str("id")
		put := func(i int) (string, string) {
			return "PUT", strings.Replace(user("ann@acme.test"), `"displayName":"ann@acme.test"`, fmt.Sprintf(`"displayName":"Ann %d %d"`, i, time.Now().UnixNano()), 1)
		}
		for what, race := range map[string]struct {
			path func(round int) string
			ask  func(i int) (method, body string)
		}{
			"PUT of a user": {func(int) string { return "/Users/" + person }, put},
			"PATCH of a user": {func(int) string { return "/Users/" + person }, func(i int) (string, string) {
				return "PATCH", patch(fmt.Sprintf(`{"op":"replace","path":"title","value":"%d %d"}`, i, time.Now().UnixNano()))
			}},
			"PUT of a group": {func(round int) string {
				return "/Groups/" + w.do("POST", "/Groups", group(fmt.Sprintf("put %d", round))).want(201).str("id")
			}, func(i int) (string, string) { return "PUT", group(fmt.Sprintf("put %d %d", i, time.Now().UnixNano())) }},
			// Members are added side by side, but not under a condition.
			"PATCH of a group's members": {func(round int) string {
				return "/Groups/" + w.do("POST", "/Groups", group(fmt.Sprintf("patch %d", round))).want(201).str("id")
			}, func(i int) (string, string) {
				return "PATCH", patch(`{"op":"add","path":"members","value":[{"value":"` + []string{person, other}[i] + `"}]}`)
			}},
			"PATCH and DELETE of a group": {func(round int) string {
				return "/Groups/" + w.do("POST", "/Groups", group(fmt.Sprintf("delete %d", round))).want(201).str("id")
			}, func(i int) (string, string) {
				return []string{"PATCH", "DELETE"}[i], []string{patch(`{"op":"replace","path":"externalId","value":"x` + fmt.Sprint(time.Now().UnixNano()) + `"}`), ""}[i]
			}},
			"PATCH and DELETE of a user": {func(round int) string {
				return "/Users/" + w.do("POST", "/Users", user(fmt.Sprintf("u%d@acme.test", round))).want(201).str("id")
			}, func(i int) (string, string) {
				return []string{"PATCH", "DELETE"}[i], []string{patch(`{"op":"replace","path":"title","value":"x"}`), ""}[i]
			}},
		} {
			for round := range 8 {
				path := race.path(round)
				version := w.version(path)
				answers := make([]*answer, 2)
				gate := make(chan struct{})
				var both sync.WaitGroup
				for i := range 2 {
					method, body := race.ask(i)
					both.Go(func() {
						<-gate
						answers[i] = w.ifMatch(version, method, path, body)
					})
				}
				close(gate)
				both.Wait()
				made, refused := 0, 0
				for _, a := range answers {
					switch {
					case a.status < 300:
						made++
					case a.status == http.StatusPreconditionFailed, a.status == http.StatusNotFound && strings.Contains(what, "DELETE"):
						refused++
					}
				}
				if made != 1 || refused != 1 {
					t.Fatalf("%s: %d %s, %d %s", what, answers[0].status, answers[0].text, answers[1].status, answers[1].text)
				}
			}
		}
	})
}

// shown is what a resource shows, without its version and last change, and these.
func (w *tenant) shown(path string) (text, version string) {
	w.t.Helper()
	a := w.do("GET", path, "")
	if a.status == 404 {
		return "gone", "gone"
	}
	meta := a.want(200).body["meta"].(map[string]any)
	version, _ = meta["version"].(string)
	if tag := a.header.Get("ETag"); tag != version {
		w.t.Errorf("%s: the ETag is %s, meta.version %s", path, tag, version)
	}
	delete(meta, "version")
	delete(meta, "lastModified")
	out, err := json.Marshal(a.body)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(out), version
}

func TestAVersion_MovesWithWhatIsShownAndWithNothingElse(t *testing.T) {
	// The clock stands still: versions move all the same.
	still := time.Now()
	storetest.EachAt(t, func() time.Time { return still }, func(t *testing.T, db *store.DB) {
		w := newHouse(t, db).workspace("acme", "omniflow", nil)
		ann := w.do("POST", "/Users", user("ann@acme.test")).want(201)
		id := ann.str("id")
		boss := w.do("POST", "/Users", user("boss@acme.test")).want(201).str("id")
		agents := w.do("POST", "/Groups", group("Omniflow-Agents")).want(201).str("id")
		tea := w.do("POST", "/Groups", group("Tea")).want(201).str("id")
		if got := w.version("/Users/" + id); got != ann.str("meta", "version") || got != ann.header.Get("ETag") {
			t.Errorf("POST says %s, GET %s", ann.str("meta", "version"), got)
		}
		paths := []string{"/Users/" + id, "/Users/" + boss, "/Groups/" + agents, "/Groups/" + tea}
		type state struct{ text, version string }
		seen := map[string]map[string]string{} // path -> version -> what it showed
		look := func() map[string]state {
			now := map[string]state{}
			for _, path := range paths {
				text, version := w.shown(path)
				now[path] = state{text, version}
				if seen[path] == nil {
					seen[path] = map[string]string{}
				}
				if was, ok := seen[path][version]; ok && was != text {
					t.Errorf("%s shows by the version %s\n%s\nand\n%s", path, version, was, text)
				}
				seen[path][version] = text
			}
			return now
		}
		before := look()
		full := strings.Replace(user("ann@acme.test"), `"active"`, `"title":"Dr","active"`, 1)
		for _, step := range []struct {
			what, method, path, body string
			moves                    []string // paths
		}{
			{"an attribute", "PATCH", paths[0], patch(`{"op":"add","path":"title","value":"Dr"}`), paths[:1]},
			{"the same attribute", "PATCH", paths[0], patch(`{"op":"add","path":"title","value":"Dr"}`), nil},
			{"the same resource", "PUT", paths[0], full, nil},
			{"a manager", "PATCH", paths[0], patch(`{"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":"` + boss + `"}`), paths[:1]},
			{"inactive", "PATCH", paths[0], patch(`{"op":"replace","path":"active","value":false}`), paths[:1]},
			{"inactive again", "PATCH", paths[0], patch(`{"op":"replace","path":"active","value":"False"}`), nil},
			{"active", "PATCH", paths[0], patch(`{"op":"replace","path":"active","value":true}`), paths[:1]},
			{"a member of a mapped group", "PATCH", paths[2], patch(`{"op":"add","path":"members","value":[{"value":"` + id + `"}]}`), []string{paths[0], paths[2]}},
			{"a member again", "PATCH", paths[2], patch(`{"op":"add","path":"members","value":[{"value":"` + id + `"}]}`), nil},
			{"a member of another", "PATCH", paths[3], patch(`{"op":"replace","path":"members","value":[{"value":"` + id + `"},{"value":"` + boss + `"}]}`), []string{paths[0], paths[1], paths[3]}},
			{"the same members", "PATCH", paths[3], patch(`{"op":"replace","path":"members","value":[{"value":"` + boss + `"},{"value":"` + id + `"}]}`), nil},
			{"a member's name", "PATCH", paths[0], patch(`{"op":"replace","path":"userName","value":"anna@acme.test"}`), []string{paths[0], paths[2], paths[3]}},
			{"a group's name", "PATCH", paths[3], patch(`{"op":"replace","path":"displayName","value":"Coffee"}`), []string{paths[0], paths[1], paths[3]}},
			{"a group's externalId and a member less", "PATCH", paths[3], patch(`{"op":"add","path":"externalId","value":"x"},{"op":"remove","path":"members[value eq \"` + id + `\"]"}`), []string{paths[0], paths[3]}},
			{"the same group", "PUT", paths[3], `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Coffee","externalId":"x"}`, nil},
			{"a mapping's name", "PATCH", paths[2], patch(`{"op":"replace","path":"displayName","value":"Omniflow-Admins"}`), []string{paths[0], paths[2]}},
			{"the manager's end", "DELETE", paths[1], "", []string{paths[0], paths[1], paths[3]}},
			{"a group's end", "DELETE", paths[2], "", []string{paths[0], paths[2]}},
		} {
			if a := w.do(step.method, step.path, step.body); a.status >= 300 {
				t.Fatalf("%s: %d %s", step.what, a.status, a.text)
			}
			after := look()
			for _, path := range paths {
				want := false
				for _, p := range step.moves {
					want = want || p == path
				}
				if shows := after[path].text != before[path].text; shows != want {
					t.Errorf("%s: that %s shows something else is %t\n%s\n%s", step.what, path, shows, before[path].text, after[path].text)
				}
				if moved := after[path].version != before[path].version; moved != want {
					t.Errorf("%s: that the version of %s moved is %t", step.what, path, moved)
				}
			}
			before = after
		}
		// Without the groups nobody knows the version, so none is told.
		if a := w.do("GET", paths[0]+"?attributes=userName", "").want(200); a.header.Get("ETag") != "" {
			t.Errorf("ETag %s", a.header.Get("ETag"))
		}
		if a := w.do("GET", paths[0]+"?excludedAttributes=groups", "").want(200); a.str("meta", "version") != before[paths[0]].version {
			t.Errorf("without the groups the version is %s, with them %s", a.str("meta", "version"), before[paths[0]].version)
		}
	})
}

func TestARefusalByVersion_ChangesNothingAndIsOnRecord(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "omniflow", nil)
		id := w.do("POST", "/Users", user("ann@acme.test")).want(201).str("id")
		gid := w.do("POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Omniflow-Agents","members":[{"value":"`+id+`"}]}`).want(201).str("id")
		const stale = `W/"1"`
		for _, x := range []struct{ method, path, body string }{
			{"PUT", "/Users/" + id, user("anna@acme.test")},
			{"PATCH", "/Users/" + id, patch(`{"op":"replace","path":"active","value":false}`)},
			{"DELETE", "/Users/" + id, ""},
			{"PUT", "/Groups/" + gid, group("Other")},
			{"PATCH", "/Groups/" + gid, patch(`{"op":"remove","path":"members"}`)},
			{"DELETE", "/Groups/" + gid, ""},
		} {
			before, version := w.shown(x.path)
			n := len(w.events())
			if a := w.ifMatch(stale, x.method, x.path, x.body); a.status != 412 || a.str("status") != "412" {
				t.Errorf("%s %s: %d %s", x.method, x.path, a.status, a.text)
			}
			if after, v := w.shown(x.path); after != before || v != version {
				t.Errorf("%s %s changed something:\n%s\n%s", x.method, x.path, before, after)
			}
			events := w.events()[n:]
			if len(events) != 1 || events[0].Type != "scim.request.refused" || events[0].Reason != "version_mismatch" || len(events[0].Payload) == 0 {
				t.Errorf("%s %s left %+v", x.method, x.path, events)
			}
		}
		w.under("If-None-Match", w.version("/Users/"+id), "PUT", "/Users/"+id, user("anna@acme.test")).want(412)
		w.under("If-None-Match", w.version("/Users/"+id), "GET", "/Users/"+id, "").want(304)
		w.under("If-None-Match", w.version("/Groups/"+gid), "GET", "/Groups/"+gid+"?excludedAttributes=members", "").want(304)
		w.ifMatch(`W/"1"`, "PUT", "/Users/unknown", user("x@acme.test")).want(404)
		w.ifMatch(`*`, "PATCH", "/Users/"+id, patch(`{"op":"replace","path":"title","value":"a"}`)).want(200)
		w.ifMatch(stale+", "+w.version("/Users/"+id), "PATCH", "/Users/"+id, patch(`{"op":"replace","path":"title","value":"b"}`)).want(200)
		w.ifMatch(w.version("/Groups/"+gid), "DELETE", "/Groups/"+gid, "").want(204)
		w.ifMatch(w.version("/Users/"+id), "DELETE", "/Users/"+id, "").want(204)
	})
}
