package scim_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/scim"
)

func offering(o scim.Offers) func(*scim.Handler) {
	return func(h *scim.Handler) { h.Offers = o }
}

// names returns the userName, or else the displayName, of each resource of a list.
func (r reply) names(t testing.TB) string {
	t.Helper()
	r.want(t, 200)
	var names []string
	for _, v := range r.doc["Resources"].([]any) {
		o := v.(map[string]any)
		name := o["userName"]
		if name == nil {
			name = o["displayName"]
		}
		names = append(names, fmt.Sprint(name))
	}
	return strings.Join(names, " ")
}

func TestSort_OrdersTheWholeListBeforeItIsPaged(t *testing.T) {
	t.Parallel()
	s := newServer(offering(scim.Offers{Sort: true}))
	s.user(t, "bob", `"title":"B","emails":[{"value":"z@x"},{"value":"a@x","primary":true}]`)
	s.user(t, "Ann", `"emails":[{"value":"C@x"}]`)
	s.user(t, "cid", `"title":"A"`)
	for query, want := range map[string]string{
		"":                                         "bob Ann cid",
		"sortBy=userName":                          "Ann bob cid",
		"sortBy=USERNAME&sortOrder=Ascending":      "Ann bob cid",
		"sortby=userName&sortorder=descending":     "cid bob Ann",
		"sortBy=" + scim.URNUser + ":userName":     "Ann bob cid",
		"sortBy=title":                             "cid bob Ann",
		"sortBy=title&sortOrder=descending":        "Ann bob cid",
		"sortBy=emails":                            "bob Ann cid",
		"sortBy=emails.value&sortOrder=descending": "cid Ann bob",
		"sortBy=userName&startIndex=2&count=1":     "bob",
		"sortBy=userName&attributes=userName":      "Ann bob cid",
		"sortBy=":                                  "bob Ann cid",
		"sortOrder=descending":                     "bob Ann cid",
	} {
		if got := s.do(t, "GET", "/Users?"+query, "").names(t); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
	if q := s.m.queries[len(s.m.queries)-1]; q.Cursor != "" || q.ByCursor {
		t.Errorf("a list by index asked for %+v", q)
	}
	s.do(t, "GET", "/Users?sortBy=EMAILS&sortOrder=DESCENDING", "").want(t, 200)
	if q := s.m.queries[len(s.m.queries)-1]; *q.SortBy != (scim.AttrPath{Name: "emails", Sub: "value"}) || !q.Descending {
		t.Errorf("the backend was asked for %+v", q)
	}
	for _, query := range []string{
		"sortBy=nope", "sortBy=password", "sortBy=name", "sortBy=userName.x", "sortBy=userName%20x", "sortBy=" + scim.URNEnterpriseUser, "sortBy=urn:acme:2.0:User:x",
		"sortBy=userName&sortOrder=up", "sortOrder=", "sortBy=userName&sortBy=title", "sortBy=" + strings.Repeat("a", 5000),
	} {
		s.do(t, "GET", "/Users?"+query, "").want(t, 400, scim.TypeInvalidValue)
	}
	s.do(t, "GET", "/Groups?sortBy=members", "").want(t, 400, scim.TypeInvalidValue)
}

func TestSort_IsIgnoredWhereItIsNotOffered(t *testing.T) {
	t.Parallel()
	s := newServer()
	s.user(t, "bob", "")
	s.user(t, "ann", "")
	if got := s.do(t, "GET", "/Users?sortBy=userName&sortOrder=sideways", "").names(t); got != "bob ann" {
		t.Errorf("got %s", got)
	}
	if q := s.m.queries[0]; q.SortBy != nil || q.Descending {
		t.Errorf("the backend was asked for an order: %+v", q)
	}
}

func TestCursors_LeadThroughTheListAndEnd(t *testing.T) {
	t.Parallel()
	s := newServer(offering(scim.Offers{Cursor: true, Sort: true}))
	for i := range 7 {
		s.user(t, fmt.Sprint("u", 6-i), "")
	}
	query := "sortBy=userName&count=3&filter=" + url.QueryEscape(`userName sw "u"`)
	var seen, back string
	for next, page := "", 0; ; page++ {
		r := s.do(t, "GET", "/Users?"+query+"&cursor="+next, "")
		seen += r.names(t) + " "
		if _, has := r.doc["startIndex"]; has || r.doc["totalResults"] != 7.0 || r.doc["itemsPerPage"] != []float64{3, 3, 1}[page] {
			t.Errorf("page %d: %s", page, r.Body)
		}
		if _, has := r.doc["previousCursor"]; has != (page > 0) {
			t.Errorf("page %d: previousCursor is there: %v", page, has)
		}
		if back, _ = r.doc["previousCursor"].(string); r.doc["nextCursor"] == nil {
			break
		}
		next = r.doc["nextCursor"].(string)
	}
	if seen != "u0 u1 u2 u3 u4 u5 u6 " {
		t.Errorf("saw %s", seen)
	}
	if got := s.do(t, "GET", "/Users?"+query+"&cursor="+back, "").names(t); got != "u3 u4 u5" {
		t.Errorf("the page before the last: %s", got)
	}
	first := s.do(t, "GET", "/Users?"+query+"&cursor", "")
	c := first.doc["nextCursor"].(string)
	if got := s.do(t, "GET", "/Users?count=0&cursor=", "").names(t); got != "" {
		t.Errorf("count 0: %s", got)
	}
	if got := s.do(t, "GET", "/Users?count=-5&cursor=", "").doc["itemsPerPage"]; got != 0.0 {
		t.Errorf("count -5: %v", got)
	}
	for _, other := range []string{"sortBy=title&cursor=" + c, query + "&cursor=x" + c, query + "&cursor=%F0%9F%92%A9", query + "&cursor=a%20b", query + "&cursor=" + strings.Repeat("a", 5000), "cursor=" + c, query + "&cursor=&cursor="} {
		s.do(t, "GET", "/Users?"+other, "").want(t, 400, scim.TypeInvalidCursor)
	}
	asked := len(s.m.queries)
	for _, never := range []string{"a%20b", "a%2Fb", "%00", strings.Repeat("a", 5000)} {
		if s.do(t, "GET", "/Users?cursor="+never, "").want(t, 400, scim.TypeInvalidCursor); len(s.m.queries) > asked {
			t.Errorf("the backend was asked for %.20s", never)
		}
	}
	s.do(t, "GET", "/Users?cursor=&count=x", "").want(t, 400, scim.TypeInvalidCount)
	s.do(t, "GET", "/Users?cursor=&startIndex=1", "").want(t, 400, scim.TypeInvalidValue)
	s.m.expired = true
	s.do(t, "GET", "/Users?"+query+"&cursor="+c, "").want(t, 400, scim.TypeExpiredCursor)
}

func TestCursors_AreOnlyGivenToThoseWhoAsk(t *testing.T) {
	t.Parallel()
	s := newServer(offering(scim.Offers{Cursor: true}))
	s.user(t, "a", "")
	s.user(t, "b", "")
	r := s.do(t, "GET", "/Users?count=1", "").want(t, 200)
	if r.doc["nextCursor"] != nil || r.doc["startIndex"] != 1.0 {
		t.Errorf("got %s", r.Body)
	}
	without := newServer()
	without.user(t, "a", "")
	if r := without.do(t, "GET", "/Users?cursor=&count=1", "").want(t, 200); r.doc["startIndex"] != 1.0 || r.doc["nextCursor"] != nil {
		t.Errorf("a server without cursors: %s", r.Body)
	}
	without.do(t, "GET", "/Users?cursor=abc", "").want(t, 400, scim.TypeInvalidCursor)
}
