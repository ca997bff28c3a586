package scimserver_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// full makes a group and puts people into it, past the protocol.
func (w *tenant) full(name string, ids []string) (id string) {
	w.t.Helper()
	id = w.do("POST", "/Groups", group(name)).want(201).str("id")
	if err := w.db.Write(context.Background(), w.id, func(tx *store.Tx) error {
		if _, err := tx.AddGroupMembers(id, ids); err != nil {
			return err
		}
		tx.TouchGroup(id)
		return tx.Record(audit.Event{Type: audit.SCIMGroupUpdated})
	}); err != nil {
		w.t.Fatal(err)
	}
	return id
}

// memberIDs are the members of a group in an answer.
func memberIDs(a *answer) (ids []string) {
	list, _ := a.body["members"].([]any)
	for _, m := range list {
		id, _ := m.(map[string]any)["value"].(string)
		ids = append(ids, id)
	}
	return ids
}

func TestALargeGroup_IsReadWholeWhateverItsSize(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		people := w.crowd(3*provision.MemberPage + 1)
		for _, n := range []int{0, 1, provision.MemberPage, provision.MemberPage + 1, 2 * provision.MemberPage, 3*provision.MemberPage + 1} {
			id := w.full("Group of "+strings.Repeat("x", n/1000)+string(rune('a'+n%7)), people[:n])
			a := w.do("GET", "/Groups/"+id, "").want(200)
			got, want := memberIDs(a), slices.Sorted(slices.Values(people[:n]))
			if !slices.Equal(got, want) {
				t.Fatalf("%d members are shown, want %d", len(got), len(want))
			}
			if a.header.Get("ETag") == "" || a.header.Get("ETag") != a.str("meta", "version") {
				t.Errorf("ETag %s beside version %s", a.header.Get("ETag"), a.str("meta", "version"))
			}
			if length := a.header.Get("Content-Length"); (length == "") != (n > provision.MemberPage) {
				t.Errorf("%d members are announced with the length %q", n, length)
			}
			put := w.do("PUT", "/Groups/"+id, strings.Replace(group("x"), `"x"`, `"`+a.str("displayName")+`"`, 1)).want(200)
			if !slices.Equal(memberIDs(put), want) {
				t.Errorf("a PUT shows %d members, want %d", len(memberIDs(put)), len(want))
			}
			w.do("PUT", "/Groups/"+id+"?excludedAttributes=members", group(a.str("displayName"))).want(200)
		}
	})
}

func TestAGroupInALargeGroup_StandsBehindThePeople(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		people := w.crowd(provision.MemberPage + 1)
		inner := w.do("POST", "/Groups", group("Inner")).want(201).str("id")
		for _, n := range []int{provision.MemberPage - 1, provision.MemberPage, provision.MemberPage + 1} {
			id := w.full("Outer "+string(rune('a'+n%7)), append(slices.Clone(people[:n]), inner))
			a := w.do("GET", "/Groups/"+id, "").want(200)
			if got, want := memberIDs(a), append(slices.Sorted(slices.Values(people[:n])), inner); !slices.Equal(got, want) {
				t.Fatalf("%d members are shown, want %d with the group at their end", len(got), len(want))
			}
			members := a.body["members"].([]any)
			if last := members[len(members)-1].(map[string]any); last["type"] != "Group" || last["display"] != "Inner" {
				t.Errorf("the group in the group is shown as %v", last)
			}
		}
	})
}

// meddler is a client that does something when the first part of an answer arrives.
type meddler struct {
	*httptest.ResponseRecorder
	once func()
}

func (m *meddler) Write(b []byte) (int, error) {
	if m.once != nil {
		once := m.once
		m.once = nil
		once()
	}
	return m.ResponseRecorder.Write(b)
}

// get asks for a group with a client that does something meanwhile.
func (w *tenant) get(id string, once func()) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", origin+"/scim/v2/Groups/"+id, nil)
	r.Header.Set("Authorization", "Bearer "+w.token)
	m := &meddler{httptest.NewRecorder(), once}
	w.server.ServeHTTP(m, r)
	return m.ResponseRecorder
}

func TestALargeGroup_IsShownAsItWasAtOneMoment(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		people := slices.Sorted(slices.Values(w.crowd(2*provision.MemberPage + 10)))
		last, others := people[len(people)-1], people[:len(people)-1]
		id := w.full("Everybody", others)
		before := w.do("GET", "/Groups/"+id+"?excludedAttributes=members", "").want(200)
		got := w.get(id, func() {
			// While the first part is on its way, the last ones change.
			w.do("PATCH", "/Groups/"+id, patch(`{"op":"add","path":"members","value":[{"value":"`+last+`"}]}`)).want(204)
			w.do("PATCH", "/Groups/"+id, patch(`{"op":"remove","path":"members[value eq \"`+others[len(others)-1]+`\"]"}`)).want(204)
			w.do("PATCH", "/Groups/"+id, patch(`{"op":"replace","path":"displayName","value":"Nobody"}`)).want(204)
		})
		text := got.Body.String()
		if strings.Contains(text, last) || !strings.Contains(text, others[len(others)-1]) || strings.Count(text, `"$ref"`) != len(others) {
			t.Errorf("what changed while the answer was under way shows in it: %d members", strings.Count(text, `"$ref"`))
		}
		if got.Header().Get("ETag") != before.header.Get("ETag") || !strings.Contains(text, `"Everybody"`) {
			t.Errorf("the members are of version %s, the answer says %s", before.header.Get("ETag"), got.Header().Get("ETag"))
		}
		if now := w.do("GET", "/Groups/"+id, "").want(200); now.header.Get("ETag") == before.header.Get("ETag") || !slices.Contains(memberIDs(now), last) {
			t.Error("the next answer does not show the change")
		}
	})
}

func TestALargeGroup_ThatCannotBeReadToItsEndIsNoWholeAnswer(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		id := w.full("Everybody", w.crowd(4*provision.MemberPage))
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			w.server.ServeHTTP(&cutting{rw, cancel}, r.WithContext(ctx))
		}))
		defer server.Close()
		r, err := http.NewRequest("GET", server.URL+"/scim/v2/Groups/"+id, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+w.token)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			return // cut before anything arrived
		}
		defer res.Body.Close()
		if text, err := io.ReadAll(res.Body); err == nil {
			t.Errorf("%d bytes that look whole", len(text))
		}
		// The room and the connection are given back.
		for range 5 {
			w.do("GET", "/Groups/"+id, "").want(200)
		}
	})
}

// cutting ends the request's context with the first part: the next page cannot be read.
type cutting struct {
	http.ResponseWriter
	cut func()
}

func (c *cutting) Write(b []byte) (int, error) {
	c.cut()
	return c.ResponseWriter.Write(b)
}

func TestManySlowReaders_LeaveConnectionsToTheOthers(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		// Three directories read a large group each, as slowly as they like.
		taken, release := make(chan struct{}), make(chan struct{})
		done := make(chan struct{})
		var tenants []*tenant
		for _, slug := range []string{"a1", "b2", "c3"} {
			w := h.workspace(slug, "default", nil)
			tenants = append(tenants, w)
			id := w.full("Everybody", w.crowd(provision.MemberPage+1))
			go func() {
				w.get(id, func() { taken <- struct{}{}; <-release })
				done <- struct{}{}
			}()
			<-taken
		}
		w := h.workspace("d4", "default", nil)
		id := w.full("Everybody", w.crowd(provision.MemberPage+1))
		for range 50 {
			w.do("GET", "/Users?count=1", "").want(200)
			w.do("GET", "/Groups/"+id+"?excludedAttributes=members", "").want(200)
			tenants[0].do("GET", "/Groups?count=1&excludedAttributes=members", "").want(200)
		}
		// A fourth one waits for its turn and gets it.
		fourth := make(chan struct{})
		go func() {
			if got := w.get(id, nil); got.Code != 200 || strings.Count(got.Body.String(), `"$ref"`) != provision.MemberPage+1 {
				t.Errorf("the fourth one gets %d", got.Code)
			}
			close(fourth)
		}()
		select {
		case <-fourth:
			t.Error("a fourth reading began beside three")
		case release <- struct{}{}:
		}
		<-fourth
		release <- struct{}{}
		release <- struct{}{}
		for range 3 {
			<-done
		}
	})
}

func TestALargeGroup_IsNotReadWhereItsMembersAreNotAskedFor(t *testing.T) {
	for name, open := range map[string]func(testing.TB) store.Driver{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &asked{Driver: open(t)}
			h := newHouse(t, storetest.Open(t, a, nil))
			w := h.workspace("acme", "default", nil)
			people := w.crowd(provision.MemberPage + 2)
			id := w.full("Everybody", people[1:])
			before := a.reads
			add := patch(`{"op":"add","path":"members","value":[{"value":"` + people[0] + `"}]}`)
			w.do("PATCH", "/Groups/"+id, add).want(204)
			w.do("PATCH", "/Groups/"+id+"?attributes=displayName", add).want(200)
			w.do("PATCH", "/Groups/"+id+"?excludedAttributes=members", patch(`{"op":"replace","path":"displayName","value":"All"}`)).want(200)
			w.do("PUT", "/Groups/"+id+"?excludedAttributes=members", group("Everybody")).want(200)
			w.do("GET", "/Groups/"+id+"?excludedAttributes=members", "").want(200)
			w.do("GET", "/Groups?excludedAttributes=members", "").want(200)
			if a.reads != before || a.count("group_member") != 0 {
				t.Errorf("members are read %d times", a.reads-before+a.count("group_member"))
			}
			w.do("GET", "/Groups/"+id, "").want(200)
			if a.reads == before {
				t.Error("the reading of members is not seen")
			}
		})
	}
}
