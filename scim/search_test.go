package scim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/scim"
)

const searchHead = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]`

// query sends the same list as GET and as POST to .search, and wants one answer.
func (s *server) query(t testing.TB, path, params string) reply {
	t.Helper()
	v, err := url.ParseQuery(params)
	if err != nil {
		t.Fatal(err)
	}
	body := searchHead
	for name, values := range v {
		var member any = values[0]
		switch name {
		case "startIndex", "count":
			member = json.Number(values[0])
		case "attributes", "excludedAttributes":
			member = strings.Split(values[0], ",")
		}
		text, _ := json.Marshal(member)
		body += fmt.Sprintf(",%q:%s", name, text)
	}
	get := s.do(t, "GET", path+"?"+params, "")
	post := s.do(t, "POST", path+"/.search", body+"}")
	if get.Code != post.Code || get.Body.String() != post.Body.String() {
		t.Errorf("%s?%s:\nGET  %d %s\nPOST %d %s", path, params, get.Code, get.Body, post.Code, post.Body)
	}
	return get
}

// people makes two users and two groups.
func people(t testing.TB, o scim.Offers) *server {
	s := newServer(offering(o))
	a := s.user(t, "dora", `"displayName":"M","title":"T"`)
	s.user(t, "Ann", `"displayName":"b","active":false`)
	s.group(t, "Cats", a)
	s.group(t, "apes")
	return s
}

func TestSearch_AnswersAsTheListDoes(t *testing.T) {
	t.Parallel()
	s := people(t, scim.Offers{Sort: true, Cursor: true})
	for params, want := range map[string]string{
		"":                          "dora Ann",
		"filter=title+pr":           "dora",
		"sortBy=userName":           "Ann dora",
		"startIndex=2&count=1":      "Ann",
		"cursor=&count=1":           "dora",
		"attributes=userName,title": "dora Ann",
		"excludedAttributes=title":  "dora Ann",
		"sortBy=title&sortOrder=descending&attributes=userName": "Ann dora",
	} {
		if got := s.query(t, "/Users", params).names(t); got != want {
			t.Errorf("%s: got %s, want %s", params, got, want)
		}
	}
	for params, kind := range map[string]string{
		"filter=nope+pr": scim.TypeInvalidFilter, "sortBy=password": scim.TypeInvalidValue, "count=1.5": scim.TypeInvalidValue, "cursor=&count=1e2": scim.TypeInvalidCount,
		"attributes=id&excludedAttributes=id": scim.TypeInvalidValue, "cursor=x": scim.TypeInvalidCursor, "sortOrder=up": scim.TypeInvalidValue, "filter=": scim.TypeInvalidFilter,
	} {
		s.query(t, "/Users", params).want(t, 400, kind)
	}
	if got := s.do(t, "POST", "/users/.SEARCH/?aadOptscim062020", `{"SCHEMAS":["`+strings.ToUpper(scim.URNSearchRequest)+`"],"Filter":"title pr","attributes":"userName","count":null,"sortBy":null,"unknown":{}}`).names(t); got != "dora" {
		t.Errorf("spelt otherwise: %s", got)
	}
}

func TestSearch_RefusesWhatIsNoSearch(t *testing.T) {
	t.Parallel()
	s := people(t, scim.Offers{})
	for body, kind := range map[string]string{
		``: scim.TypeInvalidSyntax, `[]`: scim.TypeInvalidSyntax, `{}`: scim.TypeInvalidSyntax, `{"schemas":[]}`: scim.TypeInvalidSyntax, `{"schemas":"x"}`: scim.TypeInvalidSyntax,
		`{"schemas":["` + scim.URNListResponse + `"]}`: scim.TypeInvalidSyntax,
		searchHead + `,"filter":"a","FILTER":"b"}`:     scim.TypeInvalidSyntax,
		searchHead + `,"filter":7}`:                    scim.TypeInvalidFilter,
		searchHead + `,"filter":["title pr"]}`:         scim.TypeInvalidFilter,
		searchHead + `,"sortBy":7}`:                    scim.TypeInvalidValue,
		searchHead + `,"count":"7"}`:                   scim.TypeInvalidValue,
		searchHead + `,"startIndex":true}`:             scim.TypeInvalidValue,
		searchHead + `,"attributes":{}}`:               scim.TypeInvalidValue,
		searchHead + `,"excludedAttributes":[1]}`:      scim.TypeInvalidValue,
	} {
		for _, path := range []string{"/.search", "/Users/.search"} {
			s.do(t, "POST", path, body).want(t, 400, kind)
		}
	}
	s.do(t, "POST", "/Users/.search?filter=title+pr", searchHead+`}`).want(t, 400, scim.TypeInvalidFilter)
	s.do(t, "POST", "/.search", searchHead+`}`, "Content-Type", "text/xml").want(t, 415)
	s.MaxBody = 100
	s.do(t, "POST", "/.search", searchHead+`,"filter":"`+strings.Repeat("x", 100)+`"}`).want(t, 413)
}

func TestSearchAndRoot_TakeTheirMethodsAndNoOther(t *testing.T) {
	t.Parallel()
	s := people(t, scim.Offers{})
	for path, allow := range map[string]string{"/.search": "POST", "/Users/.search": "POST", "/": "GET", "": "GET"} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
			if method == allow || allow == "GET" && method == "HEAD" {
				continue
			}
			if got := s.do(t, method, path, "").want(t, 405).Header().Get("Allow"); got != allow {
				t.Errorf("%s %s: Allow %q", method, path, got)
			}
		}
	}
	s.do(t, "HEAD", "/", "").want(t, 200)
	for _, path := range []string{"/.search/x", "/Users/.search/x"} {
		s.do(t, "POST", path, searchHead+"}").want(t, 404)
	}
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		s.do(t, method, "/Me", "").want(t, 501)
		s.do(t, method, "/Bulk", "").want(t, 501)
	}
}

func TestRoot_ListsTheTypesOneBehindTheOther(t *testing.T) {
	t.Parallel()
	s := people(t, scim.Offers{Sort: true})
	for params, want := range map[string]string{
		"":                       "dora Ann Cats apes",
		"count=3":                "dora Ann Cats",
		"startIndex=2&count=2":   "Ann Cats",
		"startIndex=3":           "Cats apes",
		"startIndex=4&count=100": "apes",
		"startIndex=5":           "",
		"count=0":                "",
		"startIndex=-1&count=1":  "dora",
		"attributes=userName,displayName&excludedAttributes=": "dora Ann Cats apes",
		"sortBy=displayName":                             "apes Ann Cats dora",
		"sortBy=displayName&sortOrder=descending":        "dora Cats Ann apes",
		"sortBy=displayName&startIndex=2&count=2":        "Ann Cats",
		"sortBy=displayName&count=0":                     "",
		"sortBy=displayName&attributes=userName,members": "<nil> Ann <nil> dora",
		"sortBy=userName":                                "Ann dora Cats apes",
		"sortBy=userName&sortOrder=descending":           "Cats apes dora Ann",
		"sortBy=userName&startIndex=9":                   "",
	} {
		r := s.query(t, "", params)
		if got := r.names(t); got != want || r.doc["totalResults"] != 4.0 {
			t.Errorf("%s: got %s of %v, want %s", params, got, r.doc["totalResults"], want)
		}
		if strings.Contains(params, "attributes=userName,members") && strings.Contains(r.Body.String(), "displayName") {
			t.Errorf("what it is sorted by is shown unasked: %s", r.Body)
		}
	}
	s.query(t, "", "sortBy=nope").want(t, 400, scim.TypeInvalidValue)
	s.query(t, "", "sortBy=password").want(t, 400, scim.TypeInvalidValue)
	s.query(t, "", "attributes=id&excludedAttributes=id").want(t, 400, scim.TypeInvalidValue)
	s.query(t, "", fmt.Sprintf("sortBy=displayName&startIndex=%d&count=100", scim.MaxMerged-98)).want(t, 400, scim.TypeTooMany)
	s.query(t, "", fmt.Sprintf("sortBy=displayName&startIndex=%d&count=100", scim.MaxMerged-99)).want(t, 200)
	if x := s.exchanges[len(s.exchanges)-1]; x.Type != nil || x.ID != "" || x.Request.Method != http.MethodPost || len(x.Body) == 0 {
		t.Errorf("observed %+v", x)
	}
}

func TestRoot_WhatATypeLacksHoldsNoValueThere(t *testing.T) {
	t.Parallel()
	s := people(t, scim.Offers{})
	for filter, want := range map[string]string{
		`title pr`: "dora", `members pr`: "Cats", `members.value eq "id-1"`: "Cats", `members[value eq "id-1"]`: "Cats", `displayName sw "a"`: "apes",
		`userName eq "ann" or displayName eq "CATS"`: "Ann Cats", `userName pr and members pr`: "", `not (userName pr)`: "Cats apes", `not (members pr)`: "dora Ann apes",
		`userName ne "dora"`: "Ann Cats apes", `userName eq null`: "Cats apes", `members ne null`: "Cats", `emails[type eq "work"].value eq "x" or id pr`: "dora Ann Cats apes",
		`meta.resourceType eq "Group"`: "Cats apes", `(meta.resourceType eq User) or (meta.resourceType eq "Group" and members pr)`: "dora Ann Cats",
		`meta.resourceType pr and active eq false`: "Ann", `meta.resourceType eq "Device"`: "", scim.URNUser + `:title pr`: "dora", scim.URNEnterpriseUser + `:department ne "x"`: "dora Ann Cats apes",
		`not (meta.resourceType eq "User" or displayName eq "Cats")`: "apes", `title pr and (displayName eq "M" or displayName eq "Cats")`: "dora",
	} {
		if got := s.query(t, "", "filter="+url.QueryEscape(filter)).names(t); got != want {
			t.Errorf("%s: got %s, want %s", filter, got, want)
		}
	}
	for _, filter := range []string{`nope eq "x"`, `title`, `active gt true`, `members eq`, `userName pr or nope pr`, strings.Repeat("(", 50), strings.Repeat("x", 10_000), `title pr or ` + strings.Repeat(`members pr or `, 100) + `title pr`} {
		s.query(t, "", "filter="+url.QueryEscape(filter)).want(t, 400, scim.TypeInvalidFilter)
	}
	s.query(t, "", "filter="+url.QueryEscape(`password eq "x"`)).want(t, 403, scim.TypeSensitive)
}

func TestRoot_CursorsLeadThroughAllTypes(t *testing.T) {
	t.Parallel()
	s := people(t, scim.Offers{Cursor: true, Sort: true})
	for _, c := range []struct {
		params, want string
		pages        int
	}{
		{"count=1", "dora Ann Cats apes", 4}, {"count=2", "dora Ann Cats apes", 2}, {"count=3", "dora Ann Cats apes", 2}, {"count=100", "dora Ann Cats apes", 1},
		{"count=1&filter=members+pr", "Cats", 1}, {"count=2&filter=userName+pr", "dora Ann", 1}, {"count=0", "", 1},
	} {
		var seen []string
		pages, next := 0, ""
		for done := false; !done && pages < 10; pages++ {
			r := s.query(t, "", c.params+"&cursor="+url.QueryEscape(next))
			if got := r.names(t); got != "" {
				seen = append(seen, got)
			}
			next, done = "", r.doc["nextCursor"] == nil
			if !done {
				next = r.doc["nextCursor"].(string)
			}
		}
		if got := strings.Join(seen, " "); got != c.want || pages != c.pages {
			t.Errorf("%s: got %s in %d pages, want %s in %d", c.params, got, pages, c.want, c.pages)
		}
	}
	for _, cursor := range []string{"x", "7.", "-1.", "1.x", ".", "0", "99999999999999999999."} {
		s.query(t, "", "cursor="+cursor).want(t, 400, scim.TypeInvalidCursor)
	}
	s.query(t, "", "cursor=&sortBy=displayName").want(t, 400, scim.TypeInvalidValue)
}

func TestRoot_ASortedWalkOverManyMeetsEverybodyOnce(t *testing.T) {
	t.Parallel()
	s := newServer(offering(scim.Offers{Sort: true}))
	for i := range 450 {
		s.user(t, fmt.Sprintf("u%03d", i*7%450), fmt.Sprintf(`"displayName":"n%03d"`, i*7%450))
	}
	s.group(t, "n225a")
	var seen []string
	for start := 1; start <= 451; start += 130 {
		got := s.do(t, "GET", fmt.Sprintf("/?sortBy=displayName&attributes=displayName&count=130&startIndex=%d", start), "").names(t)
		seen = append(seen, strings.Fields(got)...)
	}
	if len(seen) != 451 || seen[0] != "n000" || seen[226] != "n225a" || seen[450] != "n449" {
		t.Errorf("saw %d: %v", len(seen), seen)
	}
}

func TestRoot_AsksForWhatItSortsByAndForPagesOfAUsualSize(t *testing.T) {
	t.Parallel()
	s := people(t, scim.Offers{Sort: true})
	for i := range 250 {
		s.user(t, fmt.Sprint("u", i), "")
	}
	for _, params := range []string{"attributes=userName", "excludedAttributes=displayName", "attributes=userName,displayName", ""} {
		s.m.queries = nil
		s.query(t, "", "sortBy=displayName&startIndex=900&"+params).want(t, 200)
		for _, q := range s.m.queries {
			if !q.Projection.Wants("displayName") || q.Count > scim.MaxCount || q.SortBy == nil {
				t.Errorf("%s: the backend was asked for %+v", params, q)
			}
		}
	}
}

func TestRoot_AnExtensionOfOneTypeIsNoOpenExtensionOfAnother(t *testing.T) {
	t.Parallel()
	const acme = "urn:acme:2.0:User"
	s := newServer(func(h *scim.Handler) {
		h.Types[0] = scim.NewUserType(scim.Extension{Schema: &scim.Schema{ID: acme, Name: "Acme", Attributes: []*scim.Attribute{{Name: "level", Type: scim.Integer}}}})
	})
	s.user(t, "low", `"`+acme+`":{"level":9}`)
	s.user(t, "high", `"`+acme+`":{"level":10}`)
	s.group(t, "Eng")
	for filter, want := range map[string]string{acme + ":level gt 9": "high", acme + ":level pr": "low high", "not (" + acme + ":level pr)": "Eng"} {
		if got := s.query(t, "", "filter="+url.QueryEscape(filter)).names(t); got != want {
			t.Errorf("%s: got %s, want %s", filter, got, want)
		}
	}
}

func FuzzSearch(f *testing.F) {
	f.Add([]byte(searchHead + `,"filter":"userName eq \"a\" or members pr","attributes":["userName"],"sortBy":"displayName","sortOrder":"descending","startIndex":1,"count":10}`))
	f.Add([]byte(searchHead + `,"cursor":"0.1.abc","count":1,"excludedAttributes":["members","emails.type"]}`))
	f.Add([]byte(searchHead + `,"filter":"not (meta.resourceType eq \"User\") and emails[type eq \"work\"].value sw \"x\""}`))
	f.Add([]byte(`{"schemas":[],"count":1e9}`))
	s := people(f, scim.Offers{Sort: true, Cursor: true})
	s.Observe = nil
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, path := range []string{"/.search", "/Users/.search", "/Groups/.search"} {
			r := s.do(t, "POST", path, string(body), "Content-Type", "application/json")
			if r.Code != 200 && r.Code != 400 && r.Code != 403 {
				t.Fatalf("%d %s", r.Code, r.Body)
			}
			if r.Code == 200 && r.doc["totalResults"].(float64) > 4 {
				t.Fatalf("more than there are: %s", r.Body)
			}
		}
		s.m.queries = nil
	})
}
