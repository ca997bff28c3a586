package scimserver_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/scimserver"
)

// listOf is a list of members as Okta sends one.
func listOf(ids []string, name string) string {
	var b strings.Builder
	b.WriteByte('[')
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"value":"` + id + `","display":"` + name + `"}`)
	}
	return b.String() + "]"
}

func TestAWholeListOfMembersAboveAMegabyte_IsComparedAndNotWrittenAnew(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		const n = 3_000
		w := h.workspace("acme", "default", nil)
		people := w.crowd(n + 2)
		id := w.full("Everybody", people[:n])
		name := strings.Repeat("n", 320)
		whole := `{"op":"replace","path":"members","value":` + listOf(slices.Concat(people[2:n], people[n:]), name) + `}`
		if len(whole) <= 1<<20 {
			t.Fatalf("%d bytes", len(whole))
		}
		w.do("PATCH", "/Groups/"+id, patch(whole)).want(204)
		changed := w.events()
		last := changed[len(changed)-1]
		if last.Changes[0].To != "2" || last.Changes[1].To != "2" {
			t.Errorf("changes: %+v, want 2 added and 2 removed", last.Changes)
		}
		w.do("PATCH", "/Groups/"+id, patch(whole)).want(204)
		if again := w.events(); again[len(again)-1].Reason != "no_change" {
			t.Errorf("the same list again: %+v", again[len(again)-1])
		}
		if got := memberIDs(w.do("GET", "/Groups/"+id, "").want(200)); len(got) != n || slices.Contains(got, people[0]) || !slices.Contains(got, people[n]) {
			t.Errorf("%d members", len(got))
		}
	})
}

// waiting is a body that waits before it ends.
type waiting struct {
	text    *strings.Reader
	arrived chan struct{}
	release chan struct{}
}

func (b *waiting) Read(p []byte) (int, error) {
	if b.arrived != nil {
		close(b.arrived)
		b.arrived = nil
		<-b.release
	}
	return b.text.Read(p)
}

func TestLargeBodies_AreFewAtOnceAndHinderNobodyElse(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		send := func(w *tenant, size int, announced bool, body *waiting) int {
			text := `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"` + w.directory + `","members":[]` + strings.Repeat(" ", size) + `}`
			body.text = strings.NewReader(text)
			r := httptest.NewRequest("POST", origin+"/scim/v2/Groups", body)
			r.ContentLength = -1
			if announced {
				r.ContentLength = int64(len(text))
			}
			r.Header.Set("Authorization", "Bearer "+w.token)
			return h.send(r).status
		}
		const size = 1<<20 + 1 // the least that is large: the third waits ten seconds at most while two are read
		release, done := make(chan struct{}), make(chan int)
		tenants := []*tenant{h.workspace("a1", "default", nil), h.workspace("b2", "default", nil), h.workspace("c3", "default", nil)}
		for _, w := range tenants[:2] {
			arrived := make(chan struct{})
			go func() { done <- send(w, size, true, &waiting{arrived: arrived, release: release}) }()
			<-arrived
		}
		for _, w := range tenants[:2] {
			w.do("POST", "/Users", user("ann@x.test")).want(201)
		}
		if got := send(tenants[0], size, false, &waiting{}); got != http.StatusRequestEntityTooLarge {
			t.Errorf("a large body of unknown length: %d", got)
		}
		// The third waits for its turn, and not for ever: as little as can be happens meanwhile.
		third := make(chan struct{})
		go func() { done <- send(tenants[2], size, true, &waiting{arrived: third, release: release}) }()
		tenants[2].do("POST", "/Users", user("ann@x.test")).want(201)
		select {
		case <-third:
			t.Error("a third large body is read beside two")
		default:
		}
		close(release)
		for range 3 {
			if got := <-done; got != http.StatusCreated {
				t.Errorf("a large body: %d", got)
			}
		}
		if got := send(tenants[0], scimserver.MaxBody, true, &waiting{}); got != http.StatusRequestEntityTooLarge {
			t.Errorf("a body above all limits: %d", got)
		}
	})
}
