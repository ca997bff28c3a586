package scim_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/scim"
)

// server is a Handler over memory with one token, "good".
type server struct {
	*scim.Handler
	m         *memory
	exchanges []scim.Exchange
}

func newServer(change ...func(*scim.Handler)) *server {
	s := &server{m: newMemory()}
	s.Handler = &scim.Handler{
		BaseURL: "https://api.acme.test/scim/v2/",
		Prefix:  "/scim/v2",
		Types:   []*scim.ResourceType{scim.NewUserType(), scim.NewGroupType()},
		Backend: func(r *http.Request) (scim.Backend, error) {
			if r.Header.Get("Authorization") != "Bearer good" {
				return nil, scim.Unauthorized()
			}
			return s.m, nil
		},
		Observe: func(_ context.Context, x scim.Exchange) { s.exchanges = append(s.exchanges, x) },
	}
	for _, f := range change {
		f(s.Handler)
	}
	return s
}

// reply is an answer with its body decoded.
type reply struct {
	*httptest.ResponseRecorder
	doc map[string]any
}

// do sends one request below /scim/v2 with the token. headers are name, value pairs.
func (s *server) do(t testing.TB, method, path, body string, headers ...string) reply {
	t.Helper()
	r := httptest.NewRequest(method, "http://internal.test/scim/v2"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer good")
	if body != "" {
		r.Header.Set("Content-Type", "application/scim+json; charset=utf-8")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
		}
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	got := reply{ResponseRecorder: w}
	if w.Body.Len() > 0 {
		if ct := w.Header().Get("Content-Type"); ct != "application/scim+json" {
			t.Errorf("%s %s: Content-Type %q", method, path, ct)
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got.doc); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, w.Body)
		}
	}
	return got
}

// newRequest is do's request with a context of its own, unsent.
func newRequest(ctx context.Context, method, path, body string) (*http.Request, *httptest.ResponseRecorder) {
	r := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer good")
	return r, httptest.NewRecorder()
}

// want checks the status, and for errors the SCIM Error message with that scimType.
func (r reply) want(t testing.TB, status int, scimType ...string) reply {
	t.Helper()
	if r.Code != status {
		t.Fatalf("got %d %s, want %d", r.Code, r.Body, status)
	}
	if status >= 400 {
		kind, _ := r.doc["scimType"].(string)
		if !reflect.DeepEqual(r.doc["schemas"], []any{scim.URNError}) || r.doc["status"] != fmt.Sprint(status) || r.doc["detail"] == nil {
			t.Errorf("not a SCIM Error: %s", r.Body)
		}
		if len(scimType) > 0 && kind != scimType[0] {
			t.Errorf("got scimType %q, want %q: %s", kind, scimType[0], r.Body)
		}
	}
	return r
}

const (
	userHead  = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],`
	groupHead = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],`
	patchHead = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":`
)

func (s *server) user(t testing.TB, userName, more string) string {
	t.Helper()
	if more != "" {
		more = "," + more
	}
	r := s.do(t, "POST", "/Users", userHead+`"userName":"`+userName+`"`+more+`}`).want(t, 201)
	return r.doc["id"].(string)
}

func (s *server) group(t testing.TB, name string, members ...string) string {
	t.Helper()
	list := make([]string, 0, len(members))
	for _, m := range members {
		list = append(list, `{"value":"`+m+`"}`)
	}
	r := s.do(t, "POST", "/Groups", groupHead+`"displayName":"`+name+`","members":[`+strings.Join(list, ",")+`]}`).want(t, 201)
	return r.doc["id"].(string)
}

func (s *server) members(t testing.TB, group string) string {
	t.Helper()
	var ids []string
	list, _ := s.do(t, "GET", "/Groups/"+group, "").want(t, 200).doc["members"].([]any)
	for _, m := range list {
		ids = append(ids, m.(map[string]any)["value"].(string))
	}
	return strings.Join(ids, " ")
}

func TestDiscovery_HasTheStandardsShapes(t *testing.T) {
	t.Parallel()
	s := newServer()
	c := s.do(t, "GET", "/ServiceProviderConfig", "").want(t, 200).doc
	for name, want := range map[string]bool{"patch": true, "bulk": false, "filter": true, "changePassword": false, "sort": false, "etag": false} {
		if got := c[name].(map[string]any)["supported"]; got != want {
			t.Errorf("%s is %v", name, got)
		}
	}
	if c["filter"].(map[string]any)["maxResults"] != 200.0 {
		t.Errorf("filter is %v", c["filter"])
	}
	if b := c["bulk"].(map[string]any); b["maxOperations"] == nil || b["maxPayloadSize"] == nil {
		t.Errorf("bulk is %v", b)
	}
	if m := c["meta"].(map[string]any); m["location"] != "https://api.acme.test/scim/v2/ServiceProviderConfig" {
		t.Errorf("meta is %v", m)
	}
	if a := c["authenticationSchemes"].([]any)[0].(map[string]any); a["type"] != "oauthbearertoken" || a["name"] == "" || a["description"] == "" {
		t.Errorf("authenticationSchemes is %v", a)
	}

	types := s.do(t, "GET", "/ResourceTypes", "").want(t, 200).doc
	first := types["Resources"].([]any)[0].(map[string]any)
	if types["totalResults"] != 2.0 || first["endpoint"] != "/Users" || first["id"] != first["name"] || first["schemaExtensions"] == nil {
		t.Errorf("resource types: %v", types)
	}
	s.do(t, "GET", "/ResourceTypes/User", "").want(t, 200)
	s.do(t, "GET", "/ResourceTypes/Nope", "").want(t, 404)
	s.do(t, "GET", "/ResourceTypes/User/more", "").want(t, 404)
	s.do(t, "GET", "/ServiceProviderConfig/more", "").want(t, 404)
	s.do(t, "GET", "/Schemas/nope", "").want(t, 404)
	s.do(t, "GET", "/Schemas?filter=id%20eq%20%22x%22", "").want(t, 403)
	for _, urn := range []string{scim.URNUser, scim.URNGroup, scim.URNEnterpriseUser, scim.URNSchema, scim.URNResourceType, scim.URNServiceProviderConfig} {
		for _, spelt := range []string{urn, strings.ReplaceAll(urn, ":", "%3A"), strings.ToUpper(urn)} {
			if got := s.do(t, "GET", "/Schemas/"+spelt, "").want(t, 200).doc; got["id"] != urn || got["name"] == "" || got["schemas"].([]any)[0] != scim.URNSchema {
				t.Errorf("%s: %v", spelt, got)
			}
		}
	}
	for _, path := range []string{"/ServiceProviderConfig", "/ResourceTypes", "/ResourceTypes/User", "/Schemas", "/Schemas/" + scim.URNUser} {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
			if got := s.do(t, method, path, "").want(t, 405).Header().Get("Allow"); got != "GET" {
				t.Errorf("%s %s: Allow %q", method, path, got)
			}
		}
		s.do(t, "HEAD", path, "").want(t, 200)
	}
}

func TestDiscovery_PublishesWhatIsStored(t *testing.T) {
	t.Parallel()
	s := newServer()
	all := s.do(t, "GET", "/Schemas", "").want(t, 200)
	if body := all.Body.String(); strings.Contains(body, "null") || !strings.Contains(body, "User Account") || strings.Contains(body, `"password"`) {
		t.Error("Schemas has a null, a password, or no User Account")
	}
	for _, v := range all.doc["Resources"].([]any) {
		for _, a := range v.(map[string]any)["attributes"].([]any) {
			for _, key := range []string{"name", "type", "multiValued", "required", "caseExact", "mutability", "returned", "uniqueness"} {
				if _, ok := a.(map[string]any)[key]; !ok {
					t.Errorf("%v has no %s", a, key)
				}
			}
		}
	}
}

func TestRequests_NeedATokenWhateverThePath(t *testing.T) {
	t.Parallel()
	s := newServer()
	for _, path := range []string{"/Users", "/Users/1", "/Groups", "/ServiceProviderConfig", "/Schemas", "/nope", "", "/", "//Users", "/Users%2F1", "%2FUsers", "/Bulk", "/Me", "/%zz", "/Users/..%2f..", "/../x"} {
		for _, token := range []string{"", "Bearer", "Bearer wrong"} {
			u, err := url.ParseRequestURI("http://internal.test/scim/v2" + path)
			if err != nil {
				continue // no server would pass it on
			}
			r := &http.Request{Method: "GET", URL: u, Header: http.Header{"Authorization": {token}}}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code != 401 || w.Header().Get("WWW-Authenticate") == "" || !strings.Contains(w.Body.String(), `"status":"401"`) {
				t.Errorf("%q with %q: %d %s", path, token, w.Code, w.Body)
			}
		}
	}
	open := newServer(func(h *scim.Handler) { h.AnonymousDiscovery = true })
	open.do(t, "GET", "/ServiceProviderConfig", "", "Authorization", "").want(t, 200)
	open.do(t, "GET", "/Users", "", "Authorization", "").want(t, 401)
	open.do(t, "GET", "/nope", "", "Authorization", "").want(t, 401)
}

func TestPaths_AreForgivenWithoutARedirect(t *testing.T) {
	t.Parallel()
	s := newServer()
	id := s.user(t, "ann", "")
	filter := "filter=" + url.QueryEscape(`userName eq "ann"`)
	for _, path := range []string{
		"/Users", "/users", "/USERS/", "//Users//", "/Users/?" + filter, "/Users?" + filter + "&aadOptscim062020", "/Users?aadOptscim062020&" + filter,
		"/?aadOptscim062020/Users", "?aadOptscim062020/Users?" + filter, "/?aadOptscim062020/Users&" + filter, "/Users?unknown=1&sortBy=nope&sortOrder=x",
	} {
		if got := s.do(t, "GET", path, "").want(t, 200).doc; got["totalResults"] != 1.0 {
			t.Errorf("%s: %v", path, got)
		}
	}
	for _, path := range []string{"/Users/" + id, "/users/" + id + "/", "//Users//" + id, "/Users/%69d-1", "/?aadOptscim062020/Users/" + id} {
		s.do(t, "GET", path, "").want(t, 200)
	}
	for _, path := range []string{"/nope", "/Users/1/2", "/Users%2F" + id, "/Users/.", "/Users/..", "/Users/%00", "/Users/%ff", "/Users/x%2Fy", "/Groups/" + id, "/User"} {
		s.do(t, "GET", path, "").want(t, 404)
	}
	for _, path := range []string{"/Bulk", "/Me", "/Me/x"} {
		for _, method := range []string{"GET", "POST"} {
			s.do(t, method, path, "").want(t, 501)
		}
	}
	if got := s.do(t, "DELETE", "/Users", "").want(t, 405).Header().Get("Allow"); got != "GET, POST" {
		t.Errorf("Allow %q", got)
	}
	if got := s.do(t, "POST", "/Users/x", "").want(t, 405).Header().Get("Allow"); got != "GET, PUT, PATCH, DELETE" {
		t.Errorf("Allow %q", got)
	}
	if !s.Claims("/scim/v2//Users") || !s.Claims("//scim/v2") || s.Claims("/scim/v3/Users") || s.Claims("/scim/v22") {
		t.Error("Claims is wrong")
	}
	s.Prefix = "/other"
	s.do(t, "GET", "/Users", "").want(t, 404)
}

func TestAnId_WithASlashInItReachesTheBackendWhole(t *testing.T) {
	t.Parallel()
	s := newServer()
	s.do(t, "GET", "/Users/a%2Fb%20c", "").want(t, 404)
	if x := s.exchanges[0]; x.ID != "a/b c" || x.Type.Name != "User" {
		t.Errorf("got %q", x.ID)
	}
}

func TestContentTypes(t *testing.T) {
	t.Parallel()
	s := newServer()
	for i, ct := range []string{"application/scim+json", "application/json", "application/json; charset=utf-8", "Application/SCIM+JSON;charset=\"UTF-8\"", "application/json; charset=iso-8859-1", ""} {
		body := fmt.Sprintf(userHead+`"userName":"u%d"}`, i)
		s.do(t, "POST", "/Users", body, "Content-Type", ct, "Accept", []string{"", "*/*", "text/html"}[i%3], "User-Agent", "").want(t, 201)
	}
	for _, ct := range []string{"text/xml", "application/x-www-form-urlencoded", "application/xml; charset=utf-8", "nonsense", ";"} {
		s.do(t, "POST", "/Users", userHead+`"userName":"x"}`, "Content-Type", ct).want(t, 415)
		s.do(t, "PATCH", "/Users/id-1", patchHead+`[]}`, "Content-Type", ct).want(t, 415)
	}
}

func TestBodies_AreLimited(t *testing.T) {
	t.Parallel()
	s := newServer(func(h *scim.Handler) { h.MaxBody = 1000 })
	big := userHead + `"userName":"` + strings.Repeat("x", 2000) + `"}`
	s.do(t, "POST", "/Users", big).want(t, 413)
	r := httptest.NewRequest("POST", "/scim/v2/Users", struct{ *strings.Reader }{strings.NewReader(big)})
	r.ContentLength = -1
	r.Header.Set("Authorization", "Bearer good")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != 413 {
		t.Errorf("chunked: %d %s", w.Code, w.Body)
	}
	r = httptest.NewRequest("POST", "/scim/v2/Users", strings.NewReader("{}"))
	r.ContentLength = 1 << 50 // must not be believed
	r.Header.Set("Authorization", "Bearer good")
	w = httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != 413 {
		t.Errorf("announced: %d %s", w.Code, w.Body)
	}
	s.do(t, "POST", "/Users", "").want(t, 400, scim.TypeInvalidSyntax)
	if s.m.last != 0 {
		t.Error("something was created")
	}
}

func TestCreate_AnswersWithTheResourceAndItsPlace(t *testing.T) {
	t.Parallel()
	s := newServer()
	r := s.do(t, "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ann.lee@acme.test",
		"name":{"givenName":"Ann","familyName":"Lee"},"emails":[{"primary":true,"value":"ann.lee@acme.test","type":"work"}],
		"displayName":"Ann Lee","locale":"en-US","externalId":"00u1abcd","groups":[],"password":"r4nd0m","active":true}`,
		"X-Forwarded-Host", "evil.test", "X-Forwarded-Proto", "ftp", "Host", "evil.test", "Forwarded", "host=evil.test").want(t, 201)
	want := `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"id-1","externalId":"00u1abcd","userName":"ann.lee@acme.test","name":{"familyName":"Lee","givenName":"Ann"},"displayName":"Ann Lee","locale":"en-US","active":true,"emails":[{"value":"ann.lee@acme.test","type":"work","primary":true}],"meta":{"resourceType":"User","created":"2026-01-02T03:04:05Z","lastModified":"2026-01-02T03:04:05Z","location":"https://api.acme.test/scim/v2/Users/id-1"}}`
	if got := r.Body.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := r.Header().Get("Location"); got != "https://api.acme.test/scim/v2/Users/id-1" {
		t.Errorf("Location %q", got)
	}
	if len(s.m.warnings) != 1 || !strings.Contains(s.m.warnings[0], "password") || !reflect.DeepEqual(s.exchanges[0].Warnings, s.m.warnings) {
		t.Errorf("warnings %q, observed %q", s.m.warnings, s.exchanges[0].Warnings)
	}
	if x := s.exchanges[0]; x.Status != 201 || x.ID != "id-1" || x.Backend == nil || len(x.Body) == 0 || x.Err != nil {
		t.Errorf("observed %+v", x)
	}
}

func TestCreate_InTheNameOfEntra(t *testing.T) {
	t.Parallel()
	s := newServer()
	r := s.do(t, "POST", "/Users", userHead+`"externalId":"8a1f-oid","userName":"a@acme.test","active":true,"displayName":"A","emails":[{"primary":"true","type":"work","value":"a@acme.test"}],
		"meta":{"resourceType":"User"},"name":{"formatted":"A B"},"roles":[],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"R&D","manager":"77"}}`).want(t, 201)
	if got := r.doc["schemas"]; !reflect.DeepEqual(got, []any{scim.URNUser, scim.URNEnterpriseUser}) {
		t.Errorf("schemas %v", got)
	}
	manager := r.doc[scim.URNEnterpriseUser].(map[string]any)["manager"]
	if want := map[string]any{"value": "77", "$ref": "https://api.acme.test/scim/v2/Users/77"}; !reflect.DeepEqual(manager, want) {
		t.Errorf("manager %v", manager)
	}
	if r.doc["emails"].([]any)[0].(map[string]any)["primary"] != true {
		t.Error("primary is not a boolean")
	}
	g := s.do(t, "POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group","http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],"externalId":"gid","displayName":"Eng","meta":{"resourceType":"Group"}}`).want(t, 201)
	if got := g.doc["schemas"]; !reflect.DeepEqual(got, []any{scim.URNGroup}) {
		t.Errorf("schemas %v", got)
	}
}

func TestUniqueness_IsTheBackendsAndAnsweredAs409(t *testing.T) {
	t.Parallel()
	s := newServer()
	s.user(t, "ann@acme.test", `"emails":[{"value":"shared@acme.test"}]`)
	s.user(t, "bob@acme.test", `"emails":[{"value":"shared@acme.test"}]`)
	s.do(t, "POST", "/Users", userHead+`"userName":"ANN@acme.test"}`).want(t, 409, scim.TypeUniqueness)
	s.do(t, "PUT", "/Users/id-2", userHead+`"userName":"Ann@acme.test"}`).want(t, 409, scim.TypeUniqueness)
	s.do(t, "PATCH", "/Users/id-2", patchHead+`[{"op":"replace","path":"userName","value":"aNN@acme.test"}]}`).want(t, 409, scim.TypeUniqueness)
	if got := s.do(t, "GET", "/Users?filter=userName+eq+%22ANN%40ACME.TEST%22", "").want(t, 200).doc; got["totalResults"] != 1.0 {
		t.Errorf("got %v", got)
	}
}

func TestInvalidBodies_NameTheProblemAndChangeNothing(t *testing.T) {
	t.Parallel()
	s := newServer()
	s.do(t, "POST", "/Users", `{"title":"a"}`).want(t, 400, scim.TypeInvalidSyntax)
	s.do(t, "POST", "/Users", `userName=a`).want(t, 400, scim.TypeInvalidSyntax)
	s.do(t, "POST", "/Users", userHead+`"title":"a"}`).want(t, 400, scim.TypeInvalidValue)
	s.do(t, "POST", "/Users", userHead+`"userName":""}`).want(t, 400, scim.TypeInvalidValue)
	s.do(t, "POST", "/Users", userHead+`"userName":"a","USERNAME":"b"}`).want(t, 400, scim.TypeInvalidSyntax)
	s.do(t, "PUT", "/Users/1", userHead+`"title":"a"}`).want(t, 400, scim.TypeInvalidValue)
	s.do(t, "PUT", "/Users/1", userHead+`"userName":"a"}`).want(t, 404)
	s.do(t, "PATCH", "/Users/1", patchHead+`[]}`).want(t, 404)
	s.do(t, "DELETE", "/Users/1", "").want(t, 404)
	if s.m.last != 0 {
		t.Error("something was created")
	}
}

func TestPaging(t *testing.T) {
	t.Parallel()
	s := newServer()
	for i := range 2 {
		s.user(t, fmt.Sprint("u", i), "")
	}
	cases := []struct {
		query        string
		start, items float64
	}{
		{"", 1, 2}, {"startIndex=0&count=2", 1, 2}, {"startIndex=-3", 1, 2}, {"startIndex=1&count=0", 1, 0}, {"count=-1", 1, 0}, {"count=100000", 1, 2},
		{"startIndex=101&count=100", 101, 0}, {"startIndex=2&count=1", 2, 1}, {"count=99999999999999999999", 1, 2}, {"startIndex=-99999999999999999999", 1, 2},
		{"STARTINDEX=2", 2, 1},
	}
	for _, c := range cases {
		got := s.do(t, "GET", "/Users?"+c.query, "").want(t, 200).doc
		list := got["Resources"].([]any)
		if got["totalResults"] != 2.0 || got["startIndex"] != c.start || got["itemsPerPage"] != c.items || float64(len(list)) != c.items || got["schemas"].([]any)[0] != scim.URNListResponse {
			t.Errorf("%s: %v", c.query, got)
		}
	}
	for _, q := range []string{"startIndex=x", "count=1.5", "count=", "count=1&count=2", "startIndex=%zz"} {
		s.do(t, "GET", "/Users?"+q, "").want(t, 400, scim.TypeInvalidValue)
	}
	if got := s.do(t, "GET", `/Users?filter=userName+eq+"5f2c0f8e-0000"`, "").want(t, 200); !strings.Contains(got.Body.String(), `"totalResults":0,"startIndex":1,"itemsPerPage":0,"Resources":[]`) {
		t.Errorf("no match: %s", got.Body)
	}
}

func TestPaging_WalksMeetEverybodyOnce(t *testing.T) {
	t.Parallel()
	s := newServer()
	for i := range 250 {
		s.user(t, fmt.Sprint("u", i), "")
	}
	for _, count := range []int{3, 100, 1000} {
		seen := map[string]bool{}
		for start := 1; ; {
			page := s.do(t, "GET", fmt.Sprintf("/Users?startIndex=%d&count=%d", start, count), "").want(t, 200).doc
			items := int(page["itemsPerPage"].(float64))
			if items == 0 || items > 200 {
				if items > 200 {
					t.Errorf("a page of %d", items)
				}
				break
			}
			for _, u := range page["Resources"].([]any) {
				id := u.(map[string]any)["id"].(string)
				if seen[id] {
					t.Errorf("count %d: %s twice", count, id)
				}
				seen[id] = true
			}
			start += items
		}
		if len(seen) != 250 {
			t.Errorf("count %d: saw %d", count, len(seen))
		}
	}
}

func TestFilters_SelectOrFailAndNeverReturnEverybody(t *testing.T) {
	t.Parallel()
	s := newServer()
	a := s.user(t, "Ann@acme.test", `"externalId":"E1","emails":[{"type":"work","value":"ann@acme.test"},{"type":"home","value":"x@home.test"}]`)
	b := s.user(t, "bob@acme.test", `"externalId":"e1","active":false,"emails":[{"type":"home","value":"ann@acme.test"}]`)
	g := s.group(t, "Eng", a)
	s.group(t, "Ops", b)
	get := func(path, filter string) reply { return s.do(t, "GET", path+"?filter="+url.QueryEscape(filter), "") }
	for filter, want := range map[string]string{
		`userName eq "ann@ACME.test"`: a, `externalId eq "E1"`: a, `externalId eq "e1"`: b, `id eq "` + b + `"`: b,
		`emails.value eq "x@home.test"`: a, `emails[type eq "work"].value eq "ann@acme.test"`: a, `emails[type eq "home" and value eq "ann@acme.test"]`: b,
		`active eq false`: b, `userName eq "zzz" or active eq true and not (title pr)`: a, `userName co "%"`: "", `userName sw "_nn"`: "",
	} {
		var ids []string
		for _, u := range get("/Users", filter).want(t, 200).doc["Resources"].([]any) {
			ids = append(ids, u.(map[string]any)["id"].(string))
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%s: got %s, want %s", filter, got, want)
		}
	}
	for _, filter := range []string{`displayName eq "eng"`, `members.value eq "` + a + `"`, `members eq "` + a + `"`, `id eq "` + g + `" and members eq "` + a + `"`, `members[value eq "` + a + `"]`} {
		if got := get("/Groups", filter).want(t, 200).doc; got["totalResults"] != 1.0 || got["Resources"].([]any)[0].(map[string]any)["id"] != g {
			t.Errorf("%s: %v", filter, got)
		}
	}
	for _, filter := range []string{`userName`, `userName eq`, `foo eq "1"`, `active gt true`, `userName eq 'x'`, ``, strings.Repeat("(", 200), `userName eq "` + strings.Repeat("x", 10_000) + `"`, `members eq "x"`} {
		get("/Users", filter).want(t, 400, scim.TypeInvalidFilter)
	}
	get("/Users", `password eq "x"`).want(t, 403, scim.TypeSensitive)
	s.do(t, "GET", `/Users?filter=userName%20eq%20"a";x=%zz`, "").want(t, 400, scim.TypeInvalidFilter)
	s.do(t, "GET", `/Users?filter=title+pr&filter=userName+pr`, "").want(t, 400, scim.TypeInvalidFilter)
	if got := s.do(t, "GET", `/Users?Filter=userName+eq+"nobody"`, "").want(t, 200).doc; got["totalResults"] != 0.0 {
		t.Errorf("Filter in capitals was ignored: %v", got)
	}
}

func TestProjection(t *testing.T) {
	t.Parallel()
	s := newServer()
	id := s.user(t, "ann", `"title":"T","name":{"givenName":"G","familyName":"F"},"emails":[{"value":"a","type":"work"}],"`+scim.URNEnterpriseUser+`":{"department":"D","division":"V"}`)
	ent := scim.URNEnterpriseUser
	cases := []struct{ query, want string }{
		{"attributes=userName", `schemas id userName`},
		{"attributes=USERNAME,%20Title", `schemas id userName title`},
		{"attributes=userName&attributes=title", `schemas id userName title`},
		{"attributes=urn:ietf:params:scim:schemas:core:2.0:User:title", `schemas id title`},
		{"attributes=" + ent, `schemas id ` + ent + `{division department}`},
		{"attributes=" + ent + ":division", `schemas id ` + ent + `{division}`},
		{"attributes=name.givenName", `schemas id name{givenName}`},
		{"attributes=name.givenName,name", `schemas id name{familyName givenName}`},
		{"attributes=userName,title)", `schemas id userName`},
		{"attributes=emails%5Btype+eq+%22work,title,x%22%5D", `schemas id emails[value type]`},
		{"attributes=emails.value", `schemas id emails[value]`},
		{"attributes=nope", `schemas id`},
		{"attributes=password", `schemas id`},
		{"attributes=meta.location", `schemas id meta{location}`},
		{"attributes=", `schemas id userName name{familyName givenName} title active emails[value type] ` + ent + `{division department} meta{resourceType created lastModified location}`},
		{"excludedAttributes=emails,name,meta,active," + ent, `schemas id userName title`},
		{"excludedAttributes=id,schemas,name.familyName,emails.type,meta,active," + ent + ":division,title", `schemas id userName name{givenName} emails[value] ` + ent + `{department}`},
	}
	for _, c := range cases {
		one := s.do(t, "GET", "/Users/"+id+"?"+c.query, "").want(t, 200)
		if got := outline(t, one.Body.Bytes()); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.query, got, c.want)
		}
		list := s.do(t, "GET", "/Users?"+c.query, "").want(t, 200)
		if !strings.Contains(list.Body.String(), one.Body.String()) {
			t.Errorf("%s: the list differs: %s", c.query, list.Body)
		}
	}
	for _, path := range []string{"/Users", "/Users/" + id} {
		s.do(t, "GET", path+"?attributes=id&excludedAttributes=id", "").want(t, 400, scim.TypeInvalidValue)
	}
	for method, path := range map[string]string{"PUT": "/Users/" + id, "POST": "/Users"} {
		r := s.do(t, method, path+"?attributes=title", userHead+`"userName":"`+method+`","title":"x"}`)
		if got := outline(t, r.Body.Bytes()); got != "schemas id title" || s.m.wanted.Wants("userName") {
			t.Errorf("%s: %s", method, got)
		}
	}
}

// outline lists the names in a document in order, in a shape that is easy to compare.
func outline(t testing.TB, doc []byte) string {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(doc)))
	var names func() string
	names = func() string {
		tok, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		switch tok {
		case json.Delim('{'):
			var keys []string
			for d.More() {
				key, _ := d.Token()
				keys = append(keys, key.(string)+names())
			}
			_, _ = d.Token()
			return "{" + strings.Join(keys, " ") + "}"
		case json.Delim('['):
			inner := ""
			for d.More() {
				inner = names()
			}
			_, _ = d.Token()
			if inner == "" {
				return ""
			}
			return "[" + strings.Trim(inner, "{}") + "]"
		}
		return ""
	}
	return strings.TrimSuffix(strings.TrimPrefix(names(), "{"), "}")
}

func TestProjection_TellsTheBackendWhatToLoad(t *testing.T) {
	t.Parallel()
	s := newServer()
	s.group(t, "Eng")
	for query, want := range map[string]bool{"": true, "excludedAttributes=members": false, "excludedAttributes=MEMBERS.display": true, "attributes=displayName": false, "attributes=members.value": true, "attributes=urn:ietf:params:scim:schemas:core:2.0:Group:members": true} {
		for _, path := range []string{"/Groups", "/Groups/id-1"} {
			s.do(t, "GET", path+"?"+query, "").want(t, 200)
			if got := s.m.wanted.Wants("members"); got != want {
				t.Errorf("%s: Wants is %v", query, got)
			}
		}
	}
	var zero scim.Projection
	if !zero.Wants("members") || zero.Explicit() {
		t.Error("the zero Projection wants everything")
	}
	p, _ := scim.NewProjection(scim.NewUserType(), nil, []string{scim.URNEnterpriseUser, "groups"})
	if p.Wants(scim.URNEnterpriseUser+":manager") || p.Wants(scim.URNEnterpriseUser) || p.Wants("groups") || !p.Wants("emails.value") || p.Wants("password") || !p.Wants("id") {
		t.Error("Wants is wrong for extensions")
	}
}

func TestGroups_KeepTheirMembersUnlessTold(t *testing.T) {
	t.Parallel()
	s := newServer()
	a, b, c, d := s.user(t, "a", ""), s.user(t, "b", ""), s.user(t, "c", ""), s.user(t, "d", "")
	g := s.group(t, "Eng", a, b, c)
	all := strings.Join([]string{a, b, c}, " ")
	patch := func(ops string) reply { return s.do(t, "PATCH", "/Groups/"+g, patchHead+ops+`}`) }
	step := func(name string, r reply, status int, want string) {
		t.Helper()
		r.want(t, status)
		if got := s.members(t, g); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
		if status == 204 && r.Body.Len() > 0 {
			t.Errorf("%s: a body with 204", name)
		}
	}
	step("rename by Okta", patch(`[{"op":"replace","value":{"id":"`+g+`","displayName":"Engineering"}}]`), 204, all)
	step("rename with another id", patch(`[{"op":"replace","value":{"id":"x","displayName":"Eng"}}]`), 204, all)
	step("externalId", patch(`[{"op":"Replace","path":"externalId","value":["x"]},{"op":"Replace","path":"displayName","value":["P"]}]`), 204, all)
	step("unknown", patch(`[{"op":"replace","path":"nope","value":[]}]`), 400, all)
	step("unknown member", patch(`[{"op":"add","path":"members","value":[{"value":"stranger"}]}]`), 400, all)
	step("half understood", patch(`[{"op":"remove","path":"members","value":[{"value":"`+a+`"}]},{"op":"replace","path":"nope","value":1}]`), 400, all)
	step("PUT without members", s.do(t, "PUT", "/Groups/"+g, groupHead+`"displayName":"Put"}`), 200, all)
	step("Entra removes b", patch(`[{"op":"Remove","path":"members","value":[{"$ref":null,"value":"`+b+`"}]}]`), 204, a+" "+c)
	step("filtered remove of a", patch(`[{"op":"remove","path":"members[value eq \"`+a+`\"]"}]`), 204, c)
	step("d added twice", patch(`[{"op":"Add","path":"members","value":[{"value":"`+d+`"}]},{"op":"add","path":"members","value":[{"value":"`+d+`"}]}]`), 204, c+" "+d)
	step("a stranger removed", patch(`[{"op":"remove","path":"members[value eq \"`+a+`\"]"}]`), 204, c+" "+d)
	step("PUT of a full list", s.do(t, "PUT", "/Groups/"+g, groupHead+`"displayName":"Put","members":[{"value":"`+b+`"},{"value":"`+a+`"}]}`), 200, b+" "+a)
	step("PUT of an empty list", s.do(t, "PUT", "/Groups/"+g, groupHead+`"displayName":"Put","members":[]}`), 200, "")
	step("add again", patch(`[{"op":"add","value":{"members":[{"value":"`+a+`"}]}}]`), 204, a)
	step("replace with none", patch(`[{"op":"replace","path":"members","value":[]}]`), 204, "")
	step("replace with all", patch(`[{"op":"replace","path":"members","value":[{"value":"`+a+`"},{"value":"`+b+`"}]}]`), 204, a+" "+b)
	step("remove all", patch(`[{"op":"remove","path":"members"}]`), 204, "")
	if s.do(t, "GET", "/Groups/"+g, "").doc["displayName"] != "Put" {
		t.Error("the name changed")
	}
	for _, q := range []string{"attributes=displayName", "excludedAttributes=members"} {
		r := s.do(t, "PATCH", "/Groups/"+g+"?"+q, patchHead+`[{"op":"replace","path":"displayName","value":"Q"}]}`).want(t, 200)
		if r.doc["displayName"] != "Q" || r.doc["members"] != nil || s.m.wanted.Wants("members") || !s.m.patches[len(s.m.patches)-1].Return {
			t.Errorf("%s: %v", q, r.doc)
		}
	}
}

func TestMembers_AreShownWithTheirPlace(t *testing.T) {
	t.Parallel()
	s := newServer()
	a := s.user(t, "a", "")
	g := s.group(t, "Eng", a)
	list := s.do(t, "GET", "/Groups/"+g, "").doc["members"].([]any)
	if want := map[string]any{"value": a, "$ref": "https://api.acme.test/scim/v2/Users/" + a}; !reflect.DeepEqual(list[0], want) {
		t.Errorf("got %v", list[0])
	}
}

func TestUsers_ArePatchedWithABody(t *testing.T) {
	t.Parallel()
	s := newServer()
	id := s.user(t, "ann", `"title":"T"`)
	r := s.do(t, "PATCH", "/Users/"+id, patchHead+`[{"op":"replace","value":{"active":false}}]}`).want(t, 200)
	if r.doc["active"] != false || r.doc["title"] != "T" || r.doc["userName"] != "ann" {
		t.Errorf("got %v", r.doc)
	}
	if got := s.do(t, "GET", `/Users?filter=userName+eq+"ann"`, "").doc["Resources"].([]any)[0].(map[string]any)["active"]; got != false {
		t.Errorf("active is %v", got)
	}
	s.do(t, "PATCH", "/Users/"+id, patchHead+`[{"op":"replace","value":{"password":"n3w"}}]}`).want(t, 200)
	if len(s.m.warnings) != 1 || len(s.m.patches[1].Ops) != 0 {
		t.Errorf("warnings %q, operations %v", s.m.warnings, s.m.patches[1].Ops)
	}
	put := s.do(t, "PUT", "/Users/"+id, userHead+`"userName":"ann"}`).want(t, 200)
	if put.doc["active"] != false || put.doc["title"] != nil {
		t.Errorf("a PUT without active: %v", put.doc)
	}
	s.do(t, "DELETE", "/Users/"+id, "").want(t, 204)
	s.do(t, "GET", "/Users/"+id, "").want(t, 404)
	s.do(t, "DELETE", "/Users/"+id, "").want(t, 404)
	s.user(t, "ann", "")
}

func TestErrors_ShowNothingOfTheInside(t *testing.T) {
	t.Parallel()
	s := newServer()
	secret := errors.New("dial tcp 10.0.0.7: password s3cret")
	s.m.fail = fmt.Errorf("load: %w", secret)
	r := s.do(t, "GET", "/Users/1", "").want(t, 500)
	if strings.Contains(r.Body.String(), "s3cret") || !errors.Is(s.exchanges[0].Err, secret) {
		t.Errorf("%s, observed %v", r.Body, s.exchanges[0].Err)
	}
	s.m.fail = &scim.Error{Status: 429, Detail: "Slow down.", RetryAfter: 3}
	if got := s.do(t, "GET", "/Users/1", "").want(t, 429).Header().Get("Retry-After"); got != "3" {
		t.Errorf("Retry-After %q", got)
	}
	s.m.fail = &scim.Error{Detail: "An Error without a status."}
	s.do(t, "GET", "/Users/1", "").want(t, 500)
	s.m.fail = fmt.Errorf("query: %w", context.DeadlineExceeded)
	s.do(t, "GET", "/Users/1", "").want(t, 503)
	s.m.fail = fmt.Errorf("wrapped: %w", scim.Errorf(403, "", "The last owner stays."))
	s.do(t, "GET", "/Users/1", "").want(t, 403, "")
}
