package scimserver_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// resources are those of an answer.
func (a *answer) resources() []map[string]any {
	list, _ := a.body["Resources"].([]any)
	out := make([]map[string]any, len(list))
	for i, r := range list {
		out[i] = r.(map[string]any)
	}
	return out
}

func namesOf(list []map[string]any, attribute string) []string {
	out := make([]string, len(list))
	for i, r := range list {
		out[i], _ = r[attribute].(string)
	}
	return out
}

// byIndex reads a whole list by page numbers, byCursor by cursors; query is what else is asked. between is
// called after each page.
func (w *tenant) byIndex(path, query string, count int) (all []map[string]any) {
	w.t.Helper()
	for start := 1; ; {
		a := w.do("GET", fmt.Sprintf("%s?startIndex=%d&count=%d&%s", path, start, count, query), "").want(200)
		page := a.resources()
		if all = append(all, page...); len(page) == 0 || len(all) == int(a.body["totalResults"].(float64)) {
			return all
		}
		start += len(page)
	}
}

func (w *tenant) byCursor(path, query string, count int, between func(page []map[string]any)) (all []map[string]any) {
	w.t.Helper()
	for next := ""; ; {
		a := w.do("GET", fmt.Sprintf("%s?cursor=%s&count=%d&%s", path, next, count, query), "").want(200)
		all = append(all, a.resources()...)
		if between != nil {
			between(a.resources())
		}
		if next = a.str("nextCursor"); next == "" {
			return all
		}
	}
}

func titled(name, title string) string {
	if title == "" {
		return user(name)
	}
	return strings.Replace(user(name), `"active"`, `"title":"`+title+`","active"`, 1)
}

func TestASortedList_ComesInThatOrderByIndexAndByCursor(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		titles := map[string]string{"d": "Zoo", "B": "apple", "a": "", "C": "Apple", "e": "", "F": "middle"}
		for name, title := range titles {
			w.do("POST", "/Users", titled(name+"@x.test", title)).want(201)
			w.do("POST", "/Groups", group(name)).want(201)
		}
		w.do("POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"g@x.test","emails":[{"value":"A0@x.test","type":"home"},{"value":"z@x.test","type":"work","primary":true}]}`).want(201)
		ids := func(list []map[string]any) []string { return namesOf(list, "id") }
		for query, want := range map[string][]string{
			"sortBy=userName":                        {"a", "B", "C", "d", "e", "F", "g"},
			"sortBy=USERNAME&sortOrder=descending":   {"g", "F", "e", "d", "C", "B", "a"},
			"sortBy=externalId":                      {"B", "C", "F", "a", "d", "e", "g"},
			"sortBy=externalId&sortOrder=descending": {"g", "e", "d", "a", "F", "C", "B"},
			"sortBy=emails":                          {"a", "B", "C", "d", "e", "F", "g"},
			"sortBy=userName&filter=" + url.QueryEscape(`userName co "@" and not (title pr)`):                     {"a", "e", "g"},
			"sortBy=userName&filter=" + url.QueryEscape(`userName eq "F@x.test" or externalId eq "ext-C@x.test"`): {"C", "F"},
			"sortBy=title&filter=" + url.QueryEscape(`title pr and title ne "apple"`):                             {"F", "d"},
		} {
			got := w.byIndex("/Users", query, 2)
			for i := range want {
				if name := strings.TrimSuffix(namesOf(got, "userName")[i], "@x.test"); name != want[i] {
					t.Fatalf("%s: %v, want %v", query, namesOf(got, "userName"), want)
				}
			}
			if len(got) != len(want) {
				t.Errorf("%s: %d, want %d", query, len(got), len(want))
			}
			if c := w.byCursor("/Users", query, 2, nil); !slices.Equal(ids(c), ids(got)) {
				t.Errorf("%s: by cursor %v, by index %v", query, ids(c), ids(got))
			}
		}
		// Who has no title comes last, and first in descending order; equal titles keep one order.
		up, down := w.byIndex("/Users", "sortBy=title", 3), w.byCursor("/Users", "sortBy=title&sortOrder=descending", 3, nil)
		if got := namesOf(up, "title"); !slices.Equal([]string{strings.ToLower(got[0]), strings.ToLower(got[1])}, []string{"apple", "apple"}) || !slices.Equal(got[2:], []string{"middle", "Zoo", "", "", ""}) {
			t.Errorf("ascending: %q", got)
		}
		if got := namesOf(down, "title"); !slices.Equal(got[:5], []string{"", "", "", "Zoo", "middle"}) {
			t.Errorf("descending: %q", got)
		}
		for _, query := range []string{"", "sortBy=id", "sortBy=meta.created", "sortBy=meta.lastModified", "sortBy=displayName", "sortBy=title&sortOrder=descending", "sortBy=name.familyName"} {
			if a, b := w.byIndex("/Users", query, 3), w.byCursor("/Users", query, 3, nil); !slices.Equal(ids(a), ids(b)) || len(a) != 7 {
				t.Errorf("%q: by index %v, by cursor %v", query, ids(a), ids(b))
			}
		}
		if got := namesOf(w.byCursor("/Groups", "sortBy=displayName&excludedAttributes=members", 4, nil), "displayName"); !slices.Equal(got, []string{"a", "B", "C", "d", "e", "F"}) {
			t.Errorf("groups: %v", got)
		}
	})
}

func TestAWalkByCursor_NeitherRepeatsNorLosesAnybody(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		for n, query := range []string{"", "sortBy=userName", "sortBy=externalId&sortOrder=descending", "sortBy=title", "filter=" + url.QueryEscape(`userName co "@"`),
			"sortBy=title&sortOrder=descending&filter=" + url.QueryEscape(`displayName pr`)} {
			stay := map[string]bool{}
			var queue []string // ids of those who leave while they are walked over
			for i := range 18 {
				id := w.do("POST", "/Users", titled(fmt.Sprintf("%c%d-%d@x.test", 'a'+i*7%26, n, i), []string{"", "x", "y"}[i%3])).want(201).str("id")
				if i%3 == 0 {
					queue = append(queue, id)
				} else {
					stay[id] = true
				}
			}
			seen, pages := map[string]int{}, 0
			for _, r := range w.byCursor("/Users", query, 4, func(page []map[string]any) {
				if pages++; pages > 20 {
					t.Fatalf("%q: no end of pages", query)
				}
				for _, name := range []string{"0", "zz"} {
					if pages < 8 {
						w.do("POST", "/Users", titled(fmt.Sprintf("%s-%d-%d@x.test", name, n, pages), "x")).want(201)
					}
				}
				// The last page is empty where those behind the one before have left.
				if n := len(page); n > 0 && !stay[page[n-1]["id"].(string)] {
					w.do("DELETE", "/Users/"+page[n-1]["id"].(string), "")
				}
				if len(queue) > 0 {
					w.do("DELETE", "/Users/"+queue[0], "")
					queue = queue[1:]
				}
			}) {
				seen[r["id"].(string)]++
			}
			for id := range stay {
				if seen[id] != 1 {
					t.Errorf("%q: somebody comes %d times", query, seen[id])
				}
			}
			for _, times := range seen {
				if times > 1 {
					t.Errorf("%q: somebody comes %d times", query, times)
				}
			}
			for _, r := range w.byIndex("/Users", "", 200) {
				w.do("DELETE", "/Users/"+r["id"].(string), "")
			}
		}
	})
}

func TestACursor_IsGoodForItsOwnQueryAlone(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w, other := h.workspace("acme", "default", nil), h.workspace("globex", "default", nil)
		for i := range 5 {
			w.do("POST", "/Users", user(fmt.Sprintf("u%d@x.test", i))).want(201)
			other.do("POST", "/Users", user(fmt.Sprintf("mine%d@x.test", i))).want(201)
			w.do("POST", "/Groups", group(fmt.Sprintf("g%d", i))).want(201)
		}
		first := w.do("GET", "/Users?cursor&count=2&sortBy=userName", "").want(200)
		next := first.str("nextCursor")
		if first.body["totalResults"] != 5.0 || len(first.resources()) != 2 || next == "" {
			t.Fatalf("%s", first.text)
		}
		w.do("GET", "/Users?sortBy=userName&count=1&attributes=userName&cursor="+next, "").want(200)
		for what, ask := range map[string]func() *answer{
			"another order":     func() *answer { return w.do("GET", "/Users?sortBy=userName&sortOrder=descending&cursor="+next, "") },
			"no order":          func() *answer { return w.do("GET", "/Users?cursor="+next, "") },
			"another filter":    func() *answer { return w.do("GET", "/Users?sortBy=userName&filter=active+eq+true&cursor="+next, "") },
			"another type":      func() *answer { return w.do("GET", "/Groups?sortBy=displayName&cursor="+next, "") },
			"another directory": func() *answer { return other.do("GET", "/Users?sortBy=userName&cursor="+next, "") },
			"nonsense":          func() *answer { return w.do("GET", "/Users?sortBy=userName&cursor=nonsense", "") },
			"half a cursor":     func() *answer { return w.do("GET", "/Users?sortBy=userName&cursor="+next[:len(next)/2], "") },
		} {
			if a := ask(); a.status != 400 || a.str("scimType") != "invalidCursor" {
				t.Errorf("%s: %d %s", what, a.status, a.text)
			}
		}
		events := other.events()
		if last := events[len(events)-1]; last.Type != "scim.request.refused" || last.Reason != "cursor_invalid" {
			t.Errorf("another directory's cursor leaves %s %s", last.Type, last.Reason)
		}
		// Whoever writes their own place in it reads another page of their own directory.
		text, err := base64.RawURLEncoding.DecodeString(next)
		if err != nil {
			t.Fatal(err)
		}
		for _, place := range []string{`{}`, `{"t":""}`, `{"t":"mine0@x.test"}`, `{"s":-7}`, `{"s":7,"t":"u1@x.test"}`, `{"t":"a\u0000b"}`, `{"a":-1,"i":"' OR 1=1 --"}`} {
			var c map[string]json.RawMessage
			if err := json.Unmarshal(text, &c); err != nil {
				t.Fatal(err)
			}
			c["p"] = json.RawMessage(place)
			forged, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			a := w.do("GET", "/Users?sortBy=userName&cursor="+base64.RawURLEncoding.EncodeToString(forged), "").want(200)
			for _, name := range namesOf(a.resources(), "userName") {
				if !strings.HasPrefix(name, "u") {
					t.Errorf("%s shows %s", place, name)
				}
			}
		}
	})
}

// crowd puts people into the directory who have a title, past the protocol.
func (w *tenant) crowd(n int) (ids []string) {
	w.t.Helper()
	if err := w.db.Write(context.Background(), w.id, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		ids = nil
		for i := range n {
			name := fmt.Sprintf("p%06d@x.test", i)
			m := &directory.Member{ID: keys.ID("mem_", tx.Now()), Email: name, Stage: directory.StageActive, Role: cfg.Roles.Lowest().ID, Directory: w.directory}
			u := &store.SCIMUser{ID: keys.UUID(), Directory: w.directory, Member: m.ID, UserName: name, ExternalID: fmt.Sprintf("x%d", i), Active: true, Document: `{"title":"T"}`}
			tx.InsertMember(m)
			tx.InsertSCIMUser(u)
			ids = append(ids, u.ID)
		}
		return tx.Record(audit.Event{Type: audit.SCIMUserCreated})
	}); err != nil {
		w.t.Fatal(err)
	}
	return ids
}

func TestAnOrderThatNoIndexGives_IsRefusedForTooMany(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		w.crowd(store.MaxCandidates + 1)
		for _, order := range []string{"title", "meta.lastModified"} {
			a := w.do("GET", "/Users?count=1&sortBy="+order, "").want(400)
			if a.str("scimType") != "tooMany" || !strings.Contains(a.str("detail"), "userName") {
				t.Errorf("%s: %s", order, a.text)
			}
		}
		for _, order := range []string{"userName", "externalId", "id", "meta.created"} {
			if a := w.do("GET", "/Users?count=1&sortBy="+order, "").want(200); a.body["totalResults"] != 10_001.0 {
				t.Errorf("%s: %v", order, a.body["totalResults"])
			}
		}
		w.do("GET", `/Users?sortBy=title&filter=userName eq "p000001@x.test"`, "").want(200)
	})
}
func TestDiscovery_OffersWhatThereIs(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		spc := w.do("GET", "/ServiceProviderConfig", "").want(200)
		for _, name := range []string{"sort", "etag"} {
			if m, _ := spc.body[name].(map[string]any); m["supported"] != true {
				t.Errorf("%s: %v", name, spc.body[name])
			}
		}
		if m, _ := spc.body["pagination"].(map[string]any); m["cursor"] != true || m["index"] != true || m["defaultPaginationMethod"] != "index" {
			t.Errorf("pagination: %v", spc.body["pagination"])
		}
	})
}

func TestASearch_IsInTheRequestLogLikeAnyRead(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		w.do("POST", "/Users", user("ann@acme.test")).want(201)
		w.do("POST", "/Users/.search", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],"sortBy":"userName","cursor":""}`).want(200)
		if err := h.db.FlushMarks(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := h.db.Read(context.Background(), w.id, func(tx *store.Tx) error {
			reads, err := tx.Reads(w.directory, 100)
			if len(reads) != 1 || reads[0].Method != "POST" || reads[0].Results != 1 || !strings.HasSuffix(reads[0].Path, "/Users/.search") {
				t.Errorf("%+v", reads)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	})
}
