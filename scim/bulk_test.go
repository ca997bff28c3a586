package scim_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/scim"
)

const bulkHead = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],`

// bulkServer offers bulk and versions.
func bulkServer(change ...func(*scim.Handler)) *server {
	return newServer(append([]func(*scim.Handler){func(h *scim.Handler) {
		h.Bulk, h.Offers.ETag = &scim.BulkLimits{}, true
	}}, change...)...)
}

func (s *server) bulk(t testing.TB, operations ...string) []map[string]any {
	t.Helper()
	return s.bulkUntil(t, 0, operations...)
}

// bulkUntil sends operations with failOnErrors and returns their results.
func (s *server) bulkUntil(t testing.TB, failOnErrors int, operations ...string) []map[string]any {
	t.Helper()
	head := bulkHead
	if failOnErrors > 0 {
		head += fmt.Sprintf(`"failOnErrors":%d,`, failOnErrors)
	}
	r := s.do(t, "POST", "/Bulk", head+`"Operations":[`+strings.Join(operations, ",")+`]}`).want(t, 200)
	if !reflect.DeepEqual(r.doc["schemas"], []any{scim.URNBulkResponse}) {
		t.Errorf("schemas: %s", r.Body)
	}
	var out []map[string]any
	for _, v := range r.doc["Operations"].([]any) {
		out = append(out, v.(map[string]any))
	}
	return out
}

// statuses are those of the results, with the scimType of the failed.
func statuses(results []map[string]any) string {
	var out []string
	for _, r := range results {
		s := fmt.Sprint(r["status"])
		if e, _ := r["response"].(map[string]any); e != nil {
			if !reflect.DeepEqual(e["schemas"], []any{scim.URNError}) || e["status"] != r["status"] {
				s += " without a SCIM Error"
			}
			if kind, _ := e["scimType"].(string); kind != "" {
				s += kind
			}
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

func postUser(bulkID, name, more string) string {
	if more != "" {
		more = "," + more
	}
	return `{"method":"POST","path":"/Users","bulkId":"` + bulkID + `","data":` + userHead + `"userName":"` + name + `"` + more + `}}`
}

func postGroup(bulkID, name string, members ...string) string {
	list := make([]string, len(members))
	for i, m := range members {
		list[i] = `{"type":"User","value":"` + m + `"}`
	}
	return `{"method":"post","path":"/Groups","bulkId":"` + bulkID + `","data":` + groupHead + `"displayName":"` + name + `","members":[` + strings.Join(list, ",") + `]}}`
}

func manager(id string) string {
	return `"` + scim.URNEnterpriseUser + `":{"department":"D","manager":{"value":"` + id + `"}}`
}

// managerOf returns the id of a user's manager.
func (s *server) managerOf(t testing.TB, id string) any {
	t.Helper()
	ext, _ := s.do(t, "GET", "/Users/"+id, "").want(t, 200).doc[scim.URNEnterpriseUser].(map[string]any)
	m, _ := ext["manager"].(map[string]any)
	return m["value"]
}

func TestBulk_AnswersEachOperationInTheOrderOfTheRequest(t *testing.T) {
	t.Parallel()
	s := bulkServer()
	kept := s.user(t, "kept", "")
	got := s.bulk(t,
		postGroup("g", "Eng", "bulkId:a", "bulkId:b", kept),
		postUser("a", "ann", ""),
		postUser("b", "bob", ""),
		`{"method":"PUT","path":"/Users/`+kept+`","version":"W/\"1\"","data":`+userHead+`"userName":"kept","title":"T"}}`,
		`{"method":"PATCH","path":"/Groups/bulkId:g","bulkId":"p","data":`+patchHead+`[{"op":"remove","path":"members[value eq \"bulkId:b\"]"}]}}`,
		`{"method":"DELETE","path":"/Users/bulkId:b"}`,
	)
	base := "https://api.acme.test/scim/v2"
	want := []map[string]any{
		{"method": "POST", "bulkId": "g", "version": `W/"1"`, "location": base + "/Groups/id-4", "status": "201"},
		{"method": "POST", "bulkId": "a", "version": `W/"1"`, "location": base + "/Users/id-2", "status": "201"},
		{"method": "POST", "bulkId": "b", "version": `W/"1"`, "location": base + "/Users/id-3", "status": "201"},
		{"method": "PUT", "version": `W/"2"`, "location": base + "/Users/" + kept, "status": "200"},
		{"method": "PATCH", "bulkId": "p", "version": `W/"2"`, "location": base + "/Groups/id-4", "status": "204"},
		{"method": "DELETE", "location": base + "/Users/id-3", "status": "204"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if got := s.members(t, "id-4"); got != "id-2 "+kept {
		t.Errorf("members %s", got)
	}
}

func TestBulk_ReferencesAreResolvedWhereverAnIdMayStand(t *testing.T) {
	t.Parallel()
	s := bulkServer()
	g := s.group(t, "Old")
	u := s.user(t, "old", "")
	patchUser := func(ops string) string {
		return `{"method":"PATCH","path":"/Users/` + u + `","data":` + patchHead + ops + `}}`
	}
	patchGroup := func(ops string) string {
		return `{"method":"PATCH","path":"/Groups/` + g + `","data":` + patchHead + ops + `}}`
	}
	ent := scim.URNEnterpriseUser
	for name, operation := range map[string]string{
		"a bare manager":                 patchUser(`[{"op":"Add","path":"` + ent + `:manager","value":"bulkId:x"}]`),
		"a manager":                      patchUser(`[{"op":"add","path":"` + ent + `:manager","value":{"value":"bulkId:x"}}]`),
		"the value of a manager":         patchUser(`[{"op":"replace","path":"` + ent + `:manager.value","value":"bulkId:x"}]`),
		"a key of a patch without path":  patchUser(`[{"op":"replace","value":{"` + ent + `:manager":"bulkId:x"}}]`),
		"an extension of such a patch":   patchUser(`[{"op":"replace","value":{"` + ent + `":{"manager":{"value":"bulkId:x"}}}}]`),
		"an extension by path":           patchUser(`[{"op":"replace","path":"` + ent + `","value":{"manager":{"value":"bulkId:x"}}}]`),
		"a PUT":                          `{"method":"PUT","path":"/Users/` + u + `","data":` + userHead + `"userName":"old",` + manager("bulkId:x") + `}}`,
		"members of a patch":             patchGroup(`[{"op":"add","path":"members","value":[{"value":"bulkId:x"}]}]`),
		"members of one without a path":  patchGroup(`[{"op":"add","value":{"members":[{"value":"BULKID:x"}]}}]`),
		"one member without a list":      patchGroup(`[{"op":"add","path":"MEMBERS","value":{"VALUE":"bulkId:x"}}]`),
		"the path of a change":           `{"method":"PATCH","path":"/Users/bulkId:x","data":` + patchHead + `[{"op":"replace","path":"` + ent + `:manager","value":"bulkId:x"}]}}`,
		"the path under the base URL":    `{"method":"PATCH","path":"https://api.acme.test/scim/v2/Users/bulkId:x?attributes=id","data":` + patchHead + `[{"op":"replace","path":"` + ent + `:manager","value":"bulkId:x"}]}}`,
		"a path without its first slash": `{"method":"PATCH","path":"Users/bulkId:x/","data":` + patchHead + `[{"op":"replace","path":"` + ent + `:manager","value":"bulkId:x"}]}}`,
	} {
		got := s.bulk(t, operation, postUser("x", "x", ""))
		if st := statuses(got); st != "200 201" && st != "204 201" {
			t.Errorf("%s: %s %v", name, st, got)
			continue
		}
		x := strings.TrimPrefix(got[1]["location"].(string), "https://api.acme.test/scim/v2/Users/")
		if m := s.members(t, g); m != x && s.managerOf(t, u) != x && s.managerOf(t, x) != x {
			t.Errorf("%s: members %q, manager %v, want %s", name, m, s.managerOf(t, u), x)
		}
		s.do(t, "DELETE", "/Users/"+x, "").want(t, 204)
		s.do(t, "PATCH", "/Groups/"+g, patchHead+`[{"op":"remove","path":"members"}]}`).want(t, 204)
		s.do(t, "PUT", "/Users/"+u, userHead+`"userName":"old"}`).want(t, 200)
	}
	if st := statuses(s.bulk(t, postUser("r", "r", `"groups":[{"value":"bulkId:nobody"}]`))); st != "201" {
		t.Errorf("a reference that is read-only, and so ignored: %s", st)
	}
	s.bulk(t, postUser("t", "t", `"title":"bulkId:t","emails":[{"value":"bulkId:t"}]`))
	if r := s.do(t, "GET", `/Users?filter=userName+eq+"t"`, "").want(t, 200); strings.Count(r.Body.String(), "bulkId:t") != 2 {
		t.Errorf("what is no id was resolved: %s", r.Body)
	}
}

func TestBulk_CirclesAreClosed(t *testing.T) {
	t.Parallel()
	s := bulkServer()
	got := s.bulk(t, postUser("a", "ann", manager("bulkId:b")), postUser("b", "bob", manager("bulkId:c")), postUser("c", "cid", manager("bulkId:a")), postUser("d", "dan", manager("bulkId:d")))
	if st := statuses(got); st != "201 201 201 201" {
		t.Fatal(st, got)
	}
	ids := map[string]string{}
	for _, r := range got {
		ids[r["bulkId"].(string)] = r["location"].(string)[len("https://api.acme.test/scim/v2/Users/"):]
	}
	for of, want := range map[string]string{"a": "b", "b": "c", "c": "a", "d": "d"} {
		if m := s.managerOf(t, ids[of]); m != ids[want] {
			t.Errorf("the manager of %s is %v, want %s", of, m, ids[want])
		}
		if r := s.do(t, "GET", "/Users/"+ids[of], ""); r.doc[scim.URNEnterpriseUser].(map[string]any)["department"] != "D" {
			t.Errorf("the rest of the extension is lost: %s", r.Body)
		}
	}
	for _, r := range got {
		if v := s.do(t, "GET", "/Users/"+ids[r["bulkId"].(string)], "").Header().Get("ETag"); r["version"] != v {
			t.Errorf("%v has version %s", r, v)
		}
	}
}

func TestBulk_ACircleThatCannotBeClosedIsToldWhereItIs(t *testing.T) {
	t.Parallel()
	s := bulkServer()
	s.user(t, "taken", "")
	got := s.bulk(t, postUser("a", "ann", manager("bulkId:b")), postUser("b", "taken", manager("bulkId:a")), postUser("c", "cid", ""))
	if st := statuses(got); st != "409 409uniqueness 201" {
		t.Error(st, got)
	}
	// a waits for b, which is created first, without its manager, and fails; so a has nothing to refer to.
	if r := s.do(t, "GET", "/Users", "").names(t); r != "taken cid" {
		t.Errorf("there are %s", r)
	}
	got = s.bulk(t, postUser("a", "taken", manager("bulkId:b")), postUser("b", "bob", manager("bulkId:a")))
	if st := statuses(got); st != "409uniqueness 409" || got[1]["location"] == nil || !strings.Contains(fmt.Sprint(got[1]["response"]), "created without "+scim.URNEnterpriseUser+":manager") {
		t.Error(st, got)
	}
}

func TestBulk_WhatCannotBeResolvedFailsAlone(t *testing.T) {
	t.Parallel()
	s := bulkServer()
	got := s.bulk(t,
		postUser("a", "ann", manager("bulkId:nobody")),
		postUser("b", "", ""),
		postGroup("g", "Eng", "bulkId:b"),
		`{"method":"DELETE","path":"/Users/bulkId:nobody"}`,
		`{"method":"DELETE","path":"/Users/bulkId:b"}`,
		`{"method":"PATCH","path":"/Users/bulkId:q","bulkId":"q","data":`+patchHead+`[]}}`,
		postUser("z", "zoe", ""),
		postGroup("h", "Half", "bulkId:h", "bulkId:nobody"),
	)
	if st := statuses(got); st != "400invalidValue 400invalidValue 409 400invalidValue 409 409 201 400invalidValue" {
		t.Error(st, got)
	}
	if got := s.do(t, "GET", "/", "").names(t); got != "zoe" {
		t.Errorf("there are %s", got)
	}
}

func TestBulk_OneOperationsFaultIsItsOwn(t *testing.T) {
	t.Parallel()
	s := bulkServer()
	id := s.user(t, "old", "")
	data := userHead + `"userName":"x"}`
	for name, c := range map[string]struct{ operation, want string }{
		"no object":                 {`7`, "400invalidSyntax"},
		"no method":                 {`{"path":"/Users","data":` + data + `}`, "400invalidSyntax"},
		"a method that reads":       {`{"method":"GET","path":"/Users"}`, "400invalidSyntax"},
		"a method of another type":  {`{"method":1,"path":"/Users"}`, "400invalidSyntax"},
		"POST without bulkId":       {`{"method":"POST","path":"/Users","data":` + data + `}`, "400invalidSyntax"},
		"POST without data":         {`{"method":"POST","bulkId":"1","path":"/Users"}`, "400invalidSyntax"},
		"data that is text":         {`{"method":"POST","bulkId":"1","path":"/Users","data":"{}"}`, "400invalidSyntax"},
		"a version of another type": {`{"method":"DELETE","path":"/Users/` + id + `","version":1}`, "400invalidSyntax"},
		"no path":                   {`{"method":"DELETE"}`, "400invalidPath"},
		"a path that is none":       {`{"method":"DELETE","path":"/Users/%zz"}`, "400invalidPath"},
		"a bulk in a bulk":          {`{"method":"POST","bulkId":"1","path":"/Bulk","data":` + bulkHead + `"Operations":[]}}`, "400invalidPath"},
		"a bulk in disguise":        {`{"method":"POST","bulkId":"1","path":"/?aadOptscim062020/%42ulk","data":` + bulkHead + `"Operations":[]}}`, "400invalidPath"},
		"a search":                  {`{"method":"POST","bulkId":"1","path":"/Users/.search","data":` + searchHead + `}}`, "400invalidPath"},
		"discovery":                 {`{"method":"PUT","path":"/Schemas","data":{}}`, "400invalidPath"},
		"a path elsewhere":          {`{"method":"DELETE","path":"/../../admin"}`, "404"},
		"another host":              {`{"method":"DELETE","path":"//evil.test/Users/` + id + `"}`, "404"},
		"an unknown type":           {`{"method":"POST","bulkId":"1","path":"/Devices","data":{}}`, "404"},
		"a method for no list":      {`{"method":"DELETE","path":"/Users"}`, "405"},
		"a method for no resource":  {`{"method":"POST","bulkId":"1","path":"/Users/` + id + `","data":` + data + `}`, "405"},
		"an old version":            {`{"method":"DELETE","path":"/Users/` + id + `","version":"W/\"9\""}`, "412"},
		"a body without schemas":    {`{"method":"PUT","path":"/Users/` + id + `","data":{"title":"x"}}`, "400invalidSyntax"},
		"an id of nobody":           {`{"method":"DELETE","path":"/Users/none"}`, "404"},
	} {
		n := s.m.last
		if got := s.bulk(t, c.operation, `{"method":"DELETE","path":"/Users/none"}`); statuses(got) != c.want+" 404" || s.m.last != n {
			t.Errorf("%s: got %v, want %s", name, got, c.want)
		}
	}
	got := s.bulk(t, `{"method":"DELETE","path":"/Users/none"}`, `{"method":"PUT","path":"/Users/`+id+`","data":{}}`, postUser("1", "", ""))
	if got[0]["location"] == nil || got[1]["location"] == nil || got[2]["location"] != nil {
		t.Errorf("each failure but that of a POST has a location: %v", got)
	}
}

func TestBulk_RefusesAWholeRequestBeforeAnythingIsDone(t *testing.T) {
	t.Parallel()
	s := bulkServer(func(h *scim.Handler) { h.Bulk = &scim.BulkLimits{MaxOperations: 2, MaxPayloadSize: 2000} })
	a, b, c := postUser("a", "a", ""), postUser("b", "b", ""), postUser("c", "c", "")
	for body, kind := range map[string]string{
		``: scim.TypeInvalidSyntax, `{}`: scim.TypeInvalidSyntax, `{"schemas":["` + scim.URNBulkResponse + `"],"Operations":[` + a + `]}`: scim.TypeInvalidSyntax,
		bulkHead + `"Operations":` + a + `}`:                                      scim.TypeInvalidSyntax,
		bulkHead + `"failOnErrors":0,"Operations":[` + a + `]}`:                   scim.TypeInvalidValue,
		bulkHead + `"failOnErrors":"1","Operations":[` + a + `]}`:                 scim.TypeInvalidValue,
		bulkHead + `"Operations":[` + a + `,` + postUser("a", "other", "") + `]}`: scim.TypeInvalidValue,
	} {
		s.do(t, "POST", "/Bulk", body).want(t, 400, kind)
	}
	if r := s.do(t, "POST", "/Bulk", bulkHead+`"Operations":[`+a+`,`+b+`,`+c+`]}`).want(t, 413, ""); !strings.Contains(r.Body.String(), "maxOperations is 2") {
		t.Errorf("got %s", r.Body)
	}
	big := bulkHead + `"Operations":[` + a + `,` + postUser("b", strings.Repeat("b", 2000), "") + `]}`
	for _, length := range []int64{int64(len(big)), -1} { // announced, and not
		r, w := newRequest(t.Context(), "POST", "/scim/v2/Bulk", big)
		r.ContentLength = length
		if s.ServeHTTP(w, r); w.Code != 413 || !strings.Contains(w.Body.String(), "maxPayloadSize, which is 2000") {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	}
	s.do(t, "POST", "/Bulk", bulkHead+`"Operations":[]}`, "Content-Type", "text/xml").want(t, 415)
	for _, method := range []string{"GET", "PUT", "PATCH", "DELETE"} {
		if got := s.do(t, method, "/Bulk", "").want(t, 405).Header().Get("Allow"); got != "POST" {
			t.Errorf("Allow %q", got)
		}
	}
	s.do(t, "POST", "/Bulk/x", "").want(t, 404)
	if s.m.last != 0 {
		t.Error("something was created")
	}
	s.do(t, "POST", "/Bulk", bulkHead+`"Operations":[]}`).want(t, 200)
}

func TestBulk_FailOnErrorsEndsTheRequest(t *testing.T) {
	t.Parallel()
	for limit, want := range map[int]string{0: "201 400invalidValue 201 404 201", 1: "201 400invalidValue", 2: "201 400invalidValue 201 404", 3: "201 400invalidValue 201 404 201"} {
		s := bulkServer()
		got := s.bulkUntil(t, limit, postUser("a", "a", ""), postUser("b", "", ""), postUser("c", "c", ""), `{"method":"DELETE","path":"/Users/none"}`, postUser("d", "d", ""))
		if st := statuses(got); st != want {
			t.Errorf("failOnErrors %d: got %s, want %s", limit, st, want)
		}
	}
	s := bulkServer()
	got := s.bulkUntil(t, 1, postGroup("g", "Eng", "bulkId:x", "bulkId:y"), postUser("x", "", ""), postUser("y", "y", ""))
	if st := statuses(got); st != "400invalidValue" || got[0]["bulkId"] != "x" || s.m.last != 0 {
		t.Errorf("a group whose member failed: %v", got)
	}
}

func TestBulk_LeavesATraceOfEachOperation(t *testing.T) {
	t.Parallel()
	var asked []*http.Request
	s := bulkServer()
	backend := s.Backend
	s.Backend = func(r *http.Request) (scim.Backend, error) {
		asked = append(asked, r)
		return backend(r)
	}
	s.bulk(t, postGroup("g", "Eng", "bulkId:a"), postUser("a", "ann", `"password":"s3cret"`), `{"method":"DELETE","path":"/Users/none","version":"W/\"1\""}`)
	var trace []string
	for _, x := range s.exchanges {
		trace = append(trace, fmt.Sprint(x.Request.Method, " ", x.Request.URL.Path, " ", x.Status, " ", x.ID, " ", scim.InBulk(x.Request.Context())))
	}
	want := []string{"POST /scim/v2/Users 201 id-1 true", "POST /scim/v2/Groups 201 id-2 true", "DELETE /scim/v2/Users/none 404 none true", "POST /scim/v2/Bulk 200  false"}
	if !reflect.DeepEqual(trace, want) {
		t.Errorf("got  %q\nwant %q", trace, want)
	}
	if x := s.exchanges[0]; len(x.Warnings) != 1 || x.Type.Name != "User" || x.Err != nil || x.Request.Header.Get("Authorization") != "Bearer good" {
		t.Errorf("a single request would have said: %+v", x)
	}
	if x := s.exchanges[1]; !strings.Contains(string(x.Body), `"value":"id-1"`) || strings.Contains(string(x.Body), "bulkId") {
		t.Errorf("the body is %s", x.Body)
	}
	if x := s.exchanges[2]; x.Err == nil || x.Request.Header.Get("If-Match") != `W/"1"` || x.Request.RequestURI != "/scim/v2/Users/none" {
		t.Errorf("got %+v", x)
	}
	if x := s.exchanges[3]; !strings.Contains(string(x.Body), `"bulkId":"g"`) || x.Type != nil {
		t.Errorf("the request itself: %+v", x)
	}
	if len(asked) != 4 || scim.InBulk(asked[0].Context()) || !scim.InBulk(asked[1].Context()) {
		t.Errorf("the backend was asked for %d times", len(asked))
	}
}

func TestBulk_WhatCouldNotBeResolvedLeavesItsTrace(t *testing.T) {
	t.Parallel()
	s := bulkServer()
	s.bulk(t, postUser("a", "ann", manager("bulkId:nobody")))
	if x := s.exchanges[0]; x.Status != 400 || x.Err == nil || x.Backend == nil || !strings.Contains(string(x.Body), "bulkId:nobody") {
		t.Errorf("got %+v", x)
	}
}

func TestBulk_ConditionsOfTheRequestAreNotThoseOfItsOperations(t *testing.T) {
	t.Parallel()
	s := bulkServer()
	id := s.user(t, "ann", "")
	r := s.do(t, "POST", "/Bulk", bulkHead+`"Operations":[{"method":"DELETE","path":"/Users/`+id+`"}]}`, "If-Match", `"9"`, "If-None-Match", "*").want(t, 200)
	if !strings.Contains(r.Body.String(), `"status":"204"`) {
		t.Errorf("got %s", r.Body)
	}
}

func TestBulk_StopsWithItsRequest(t *testing.T) {
	t.Parallel()
	s := bulkServer()
	ctx, cancel := context.WithCancel(context.Background())
	s.Observe = func(context.Context, scim.Exchange) { cancel() }
	r, w := newRequest(ctx, "POST", "/scim/v2/Bulk", bulkHead+`"Operations":[`+postUser("a", "a", "")+`,`+postUser("b", "b", "")+`,`+postUser("c", "c", "")+`]}`)
	s.ServeHTTP(w, r)
	var doc struct{ Operations []map[string]any }
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || statuses(doc.Operations) != "201 503 503" || s.m.last != 1 {
		t.Errorf("%v: %s", err, w.Body)
	}
}

func TestBulk_ALongChainTheWrongWayRound(t *testing.T) {
	t.Parallel()
	s := bulkServer()
	var operations []string
	for i := range 1000 {
		operations = append(operations, postUser(fmt.Sprint(i), fmt.Sprint("u", i), manager(fmt.Sprint("bulkId:", (i+1)%1000))))
	}
	if st := statuses(s.bulk(t, operations...)); st != strings.TrimSpace(strings.Repeat("201 ", 1000)) {
		t.Error(st)
	}
	if m := s.managerOf(t, "id-1"); m != "id-1000" {
		t.Errorf("the manager of the first is %v", m)
	}
}

func FuzzBulk(f *testing.F) {
	f.Add([]byte(bulkHead + `"failOnErrors":1,"Operations":[` + postUser("a", "ann", manager("bulkId:b")) + `,` + postUser("b", "bob", manager("bulkId:a")) + `]}`))
	f.Add([]byte(bulkHead + `"Operations":[` + postGroup("g", "Eng", "bulkId:a", "bulkId:g") + `,` + postUser("a", "ann", "") + `,{"method":"DELETE","path":"/Users/bulkId:a"}]}`))
	f.Add([]byte(bulkHead + `"Operations":[{"method":"PATCH","path":"/Groups/bulkId:g?attributes=id","bulkId":"p","version":"*","data":` + patchHead + `[{"op":"remove","path":"members[value eq \"bulkId:p\"]"},{"op":"add","value":{"members":["bulkId:x"]}}]}}]}`))
	f.Add([]byte(bulkHead + `"Operations":[{"method":"PUT","path":"/Users/%62ulkId:a","bulkId":"a","data":{}},7,{"method":"POST","path":"/Bulk","bulkId":"n","data":{}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		s := bulkServer(func(h *scim.Handler) { h.Bulk.MaxOperations = 20 })
		r := s.do(t, "POST", "/Bulk", string(body), "Content-Type", "application/json")
		if r.Code != 200 && r.Code != 400 && r.Code != 413 {
			t.Fatalf("%d %s", r.Code, r.Body)
		}
		if r.Code != 200 && s.m.last > 0 {
			t.Fatalf("%d, and something was created", r.Code)
		}
		if r.Code == 200 && len(r.doc["Operations"].([]any)) > 20 {
			t.Fatalf("too many results: %s", r.Body)
		}
		if strings.Contains(r.Body.String(), `"status":"500"`) {
			t.Fatalf("an error of ours: %s", r.Body)
		}
	})
}
