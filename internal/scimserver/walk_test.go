package scimserver_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/scimserver"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// walk reads a list by numbers as an IdP does: on behind what it got, until the total is reached. between is called
// after each page with its number.
func (w *tenant) walk(path, query string, count int, between func(page int)) (ids []string) {
	w.t.Helper()
	for start, page := 1, 1; ; page++ {
		a := w.do("GET", fmt.Sprintf("%s?startIndex=%d&count=%d&%s", path, start, count, query), "").want(200)
		got := namesOf(a.resources(), "id")
		if a.body["itemsPerPage"] != float64(len(got)) || a.body["startIndex"] != float64(start) {
			w.t.Errorf("page %d: %d resources, startIndex %v, itemsPerPage %v", page, len(got), a.body["startIndex"], a.body["itemsPerPage"])
		}
		ids, start = append(ids, got...), start+len(got)
		if total := int(a.body["totalResults"].(float64)); start > total || len(got) == 0 {
			if start != total+1 {
				w.t.Errorf("%s: the last page ends at %d and tells a total of %d", query, start-1, total)
			}
			return ids
		}
		if page > 100 {
			w.t.Fatalf("%s: no end of pages", query)
		}
		if between != nil {
			between(page)
		}
	}
}

// The ids of named acceptance cases are those of the reference on SCIM.

func TestAC17_PagesByNumberAreWhatTheStandardSays(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		for i := range 2 {
			w.do("POST", "/Users", user(fmt.Sprintf("u%d@x.test", i))).want(201)
		}
		for query, want := range map[string][3]float64{ // totalResults, startIndex, itemsPerPage
			"startIndex=0&count=2":    {2, 1, 2},
			"startIndex=-3":           {2, 1, 2},
			"startIndex=1&count=0":    {2, 1, 0},
			"count=-1":                {2, 1, 0},
			"count=100000":            {2, 1, 2},
			"startIndex=101":          {2, 101, 0},
			"startIndex=2&count=1":    {2, 2, 1},
			"startIndex=3&count=1":    {2, 3, 0},
			"startIndex=2147483648":   {2, 2147483647, 0},
			"startIndex=2&count=0":    {2, 2, 0},
			"startindex=2&COUNT=1000": {2, 2, 1},
		} {
			a := w.do("GET", "/Users?"+query, "").want(200)
			if got := [3]float64{a.body["totalResults"].(float64), a.body["startIndex"].(float64), a.body["itemsPerPage"].(float64)}; got != want || len(a.resources()) != int(want[2]) {
				t.Errorf("%s: %v with %d resources, want %v", query, got, len(a.resources()), want)
			}
		}
		if a := w.do("GET", "/Users?startIndex=x", "").want(400); a.str("scimType") != "invalidValue" {
			t.Errorf("startIndex=x: %s", a.text)
		}
	})
}

func TestAC18_AWalkByNumbersNeitherRepeatsNorLosesAnybody(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		w.crowd(250)
		titles := url.QueryEscape(`title pr`)
		for n, query := range []string{"", "sortBy=userName", "sortBy=userName&sortOrder=descending", "sortBy=externalId", "sortBy=id", "filter=active+eq+true",
			"filter=" + titles, "sortBy=title", "sortBy=title&sortOrder=descending&filter=" + titles} {
			all := w.walk("/Users", "", 200, nil)
			gone, page := map[string]bool{}, 0
			got := w.walk("/Users", query, 100, func(int) {
				page++
				// Of those who have been shown, of those who are to come, and new ones.
				order := w.order(query)
				for i := range 5 {
					for _, at := range []int{i * 7, len(order) - 1 - i*3} {
						if id := order[at]; !gone[id] && i < 3 {
							gone[id] = true
							w.do("DELETE", "/Users/"+id, "").want(204)
						}
					}
					name := fmt.Sprintf("%s%d-%d-%d@x.test", []string{"a", "q", "z"}[i%3], n, page, i)
					w.do("POST", "/Users", titled(name, "T")).want(201)
				}
			})
			seen := map[string]int{}
			for _, id := range got {
				if seen[id]++; seen[id] > 1 {
					t.Errorf("%q: somebody comes twice", query)
				}
			}
			for _, id := range all {
				if !gone[id] && seen[id] != 1 {
					t.Errorf("%q: somebody who was there throughout comes %d times", query, seen[id])
				}
			}
		}
	})
}

// order is a whole list as it is now, past the memory of walks.
func (w *tenant) order(query string) (ids []string) {
	w.t.Helper()
	for _, r := range w.byCursor("/Users", query, 200, nil) {
		ids = append(ids, r["id"].(string))
	}
	return ids
}

func TestAWalkByNumbers_OverGroupsIsWholeThoughPagesAreCut(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		people := w.crowd(11_000)
		var want []string
		for i := range 5 {
			want = append(want, w.full(fmt.Sprintf("g%d", i), people[:2_200*(i+1)]))
		}
		if got := w.walk("/Groups", "", 100, nil); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
			t.Errorf("groups %v, want %v", got, want)
		}
	})
}

// asked is a driver that notes its reading statements.
type asked struct {
	store.Driver
	mu      sync.Mutex
	queries []string
	reads   int // transactions that read
}

func (a *asked) Read(ctx context.Context, fn func(store.Conn) error) error {
	a.mu.Lock()
	a.reads++
	a.mu.Unlock()
	return a.Driver.Read(ctx, fn)
}

func (a *asked) Query(ctx context.Context, query string, args ...any) (store.Rows, error) {
	a.mu.Lock()
	a.queries = append(a.queries, query)
	a.mu.Unlock()
	return a.Driver.Query(ctx, query, args...)
}

func (a *asked) count(part string) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, q := range a.queries {
		if strings.Contains(q, part) {
			n++
		}
	}
	return n
}

func TestAWalkByNumbers_CountsOnceAndSkipsNothing(t *testing.T) {
	for name, open := range map[string]func(testing.TB) store.Driver{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &asked{Driver: open(t)}
			h := newHouse(t, storetest.Open(t, a, nil))
			w := h.workspace("acme", "default", nil)
			w.crowd(95)
			a.queries = nil
			all := w.walk("/Users", "", 10, nil)
			if len(all) != 95 {
				t.Errorf("%d people", len(all))
			}
			if counts, offsets := a.count("COUNT(*)"), a.count("OFFSET"); counts != 1 || offsets != 0 {
				t.Errorf("ten pages count %d times and pass over rows %d times, want 1 and 0", counts, offsets)
			}
			// Where nothing is remembered, the number says where a page is.
			a.queries = nil
			h.server = scimserver.New(scimserver.Options{DB: h.db, Provision: &provision.Service{DB: h.db}, Origin: origin, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
			first := w.do("GET", "/Users?startIndex=41&count=10", "").want(200)
			if got := namesOf(first.resources(), "id"); !slices.Equal(got, all[40:50]) || first.body["totalResults"] != 95.0 {
				t.Errorf("from 41: %v", got)
			}
			if got := namesOf(w.do("GET", "/Users?startIndex=51&count=10", "").want(200).resources(), "id"); !slices.Equal(got, all[50:60]) {
				t.Errorf("from 51: %v", got)
			}
			if counts, offsets := a.count("COUNT(*)"), a.count("OFFSET"); counts != 1 || offsets != 1 {
				t.Errorf("two pages of another node count %d times and pass over rows %d times, want 1 and 1", counts, offsets)
			}
		})
	}
}

func TestTheMemoryOfWalks_IsOfOneListOfOneDirectory(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w, other := h.workspace("acme", "default", nil), h.workspace("globex", "default", nil)
		w.crowd(30)
		other.crowd(12)
		order, byName := w.order(""), w.order("sortBy=userName")
		w.do("GET", "/Users?startIndex=1&count=10", "").want(200)
		for query, want := range map[string]string{
			"startIndex=11&count=10&sortBy=userName&sortOrder=descending": byName[19],
			"startIndex=11&count=10&filter=title+pr":                      order[10],
			"startIndex=12&count=10":                                      order[11],
			"startIndex=11&count=5&sortBy=userName":                       byName[10],
		} {
			if got := namesOf(w.do("GET", "/Users?"+query, "").want(200).resources(), "id"); got[0] != want {
				t.Errorf("%s begins with %s, want %s", query, got[0], want)
			}
		}
		if a := other.do("GET", "/Users?startIndex=11&count=10", "").want(200); len(a.resources()) != 2 || a.body["totalResults"] != 12.0 {
			t.Errorf("the other directory: %s", a.text)
		}
		if a := w.do("GET", "/Groups?startIndex=11&count=10", "").want(200); len(a.resources()) != 0 || a.body["totalResults"] != 0.0 {
			t.Errorf("the groups: %s", a.text)
		}
	})
}
