package idpsim

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// fakeApp is a small SCIM-ish application: enough to let the clients work, and simple enough to
// be right by looking at it. It knows the PATCH forms of the clients and no others.
type fakeApp struct {
	mu     sync.Mutex
	next   int
	users  []doc
	groups []doc
	calls  []string // "METHOD target"
	deny   func(r *http.Request) int
	hangUp func(r *http.Request) bool // after the request was carried out
	schema doc                        // what it says of people; nil is fakeSchema
}

type doc map[string]any

func startFake(t *testing.T) (*fakeApp, string) {
	t.Helper()
	f := &fakeApp{}
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	return f, srv.URL + "/scim/v2"
}

func (f *fakeApp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, r.Method+" "+r.URL.RequestURI())
	if f.deny != nil {
		if status := f.deny(r); status != 0 {
			answerWith(w, status, doc{"status": fmt.Sprint(status), "detail": "the test says no"})
			return
		}
	}
	if f.hangUp != nil && f.hangUp(r) {
		w = httptest.NewRecorder()
		defer panic(http.ErrAbortHandler)
	}
	if f.discovery(w, r) {
		return
	}
	parts := strings.Split(strings.Trim(strings.TrimPrefix(r.URL.Path, "/scim/v2"), "/"), "/")
	list := &f.users
	if parts[0] == "Groups" {
		list = &f.groups
	}
	if len(parts) == 1 {
		f.collection(w, r, list)
		return
	}
	at := slices.IndexFunc(*list, func(d doc) bool { return d["id"] == parts[1] })
	if at < 0 {
		answerWith(w, 404, doc{"status": "404", "detail": "no such resource"})
		return
	}
	f.resource(w, r, list, at)
}

// fakeSchema is what the application says of people. groups is there to be refused.
const fakeSchema = `{"id":"urn:ietf:params:scim:schemas:core:2.0:User","attributes":[
	{"name":"userName","type":"string","multiValued":false,"required":true,"mutability":"readWrite"},
	{"name":"name","type":"complex","multiValued":false,"mutability":"readWrite","subAttributes":[
		{"name":"givenName","type":"string","multiValued":false,"mutability":"readWrite"},
		{"name":"familyName","type":"string","multiValued":false,"mutability":"readWrite"}]},
	{"name":"displayName","type":"string","multiValued":false,"mutability":"readWrite"},
	{"name":"title","type":"string","multiValued":false,"mutability":"readWrite"},
	{"name":"nickName","type":"string","multiValued":false,"mutability":"readWrite"},
	{"name":"userType","type":"string","multiValued":false,"mutability":"readOnly"},
	{"name":"active","type":"boolean","multiValued":false,"mutability":"readWrite"},
	{"name":"emails","type":"complex","multiValued":true,"mutability":"readWrite","subAttributes":[
		{"name":"value","type":"string","multiValued":false,"mutability":"readWrite"}]},
	{"name":"groups","type":"complex","multiValued":true,"mutability":"readOnly"}]}`

// discovery answers for everything that is neither /Users nor /Groups.
func (f *fakeApp) discovery(w http.ResponseWriter, r *http.Request) bool {
	path := strings.TrimPrefix(r.URL.Path, "/scim/v2")
	switch {
	case strings.HasPrefix(path, "/Users"), strings.HasPrefix(path, "/Groups"):
		return false
	case path == "/Schemas":
		s := f.schema
		if s == nil {
			s = readDoc(&http.Request{Body: io.NopCloser(strings.NewReader(fakeSchema))})
		}
		answerWith(w, 200, doc{"totalResults": 1, "Resources": []any{s}})
		return true
	}
	if known := regexp.MustCompile(`^/(ServiceProviderConfig$|ResourceTypes/|Schemas/)`); known.MatchString(path) {
		answerWith(w, 200, doc{"id": path})
		return true
	}
	return false
}

func (f *fakeApp) collection(w http.ResponseWriter, r *http.Request, list *[]doc) {
	if r.Method == http.MethodPost {
		d := readDoc(r)
		for _, o := range *list {
			if o["userName"] != nil && strings.EqualFold(o["userName"].(string), d["userName"].(string)) {
				answerWith(w, 409, doc{"status": "409", "scimType": "uniqueness", "detail": "userName is taken"})
				return
			}
		}
		f.next++
		d["id"] = fmt.Sprintf("r%d", f.next)
		delete(d, "password")
		*list = append(*list, d)
		answerWith(w, 201, d)
		return
	}
	found := []doc{}
	filter := regexp.MustCompile(`^(\S+(?: eq "work"\]\.value)?) (?i:eq) "(.*)"$`).FindStringSubmatch(r.URL.Query().Get("filter"))
	for _, d := range *list {
		if filter == nil || strings.EqualFold(fmt.Sprint(valueAt(d, filter[1])), filter[2]) {
			found = append(found, d)
		}
	}
	total, start, count := len(found), 1, 100
	fmt.Sscan(r.URL.Query().Get("startIndex"), &start)
	fmt.Sscan(r.URL.Query().Get("count"), &count)
	found = found[min(start-1, total):min(start-1+count, total)]
	answerWith(w, 200, doc{"totalResults": total, "startIndex": start, "itemsPerPage": len(found), "Resources": found})
}

func (f *fakeApp) resource(w http.ResponseWriter, r *http.Request, list *[]doc, at int) {
	switch r.Method {
	case http.MethodGet:
		answerWith(w, 200, (*list)[at])
	case http.MethodDelete:
		*list = slices.Delete(*list, at, at+1)
		w.WriteHeader(204)
	case http.MethodPut:
		d := readDoc(r)
		d["id"] = (*list)[at]["id"] // several clients leave it out
		(*list)[at] = d
		answerWith(w, 200, (*list)[at])
	case http.MethodPatch:
		for _, o := range readDoc(r)["Operations"].([]any) {
			patchDoc((*list)[at], o.(map[string]any))
		}
		w.WriteHeader(204)
	}
}

// patchDoc applies one operation in any of the clients' forms.
func patchDoc(d doc, op map[string]any) {
	name, path := strings.ToLower(op["op"].(string)), ""
	if op["path"] != nil {
		path = op["path"].(string)
	}
	one := regexp.MustCompile(`^members\[value eq "(.*)"\]$`).FindStringSubmatch(path)
	switch {
	case path == "":
		for k, v := range op["value"].(map[string]any) {
			setAt(d, k, v)
		}
	case one != nil:
		d["members"] = membersWithout(d, []any{map[string]any{"value": one[1]}})
	case path == "members" && name == "remove":
		d["members"] = membersWithout(d, op["value"].([]any))
	case path == "members" && name == "add":
		d["members"] = append(membersWithout(d, op["value"].([]any)), op["value"].([]any)...)
	case name == "remove":
		setAt(d, path, nil)
	default:
		setAt(d, path, op["value"])
	}
}

func membersWithout(d doc, gone []any) []any {
	list, _ := d["members"].([]any)
	return slices.DeleteFunc(slices.Clone(list), func(m any) bool {
		return slices.ContainsFunc(gone, func(g any) bool { return g.(map[string]any)["value"] == m.(map[string]any)["value"] })
	})
}

// setAt and valueAt know "a", "a.b", "urn:...:a" and `a[type eq "work"].value`.
func setAt(d map[string]any, path string, v any) {
	if s, ok := v.(string); ok && path == "active" {
		v = strings.EqualFold(s, "true")
	}
	if kind := regexp.MustCompile(`^(\w+)\[type eq "(\w+)"\]\.(\w+)$`).FindStringSubmatch(path); kind != nil {
		list, _ := d[kind[1]].([]any)
		for _, e := range list {
			if e.(map[string]any)["type"] == kind[2] {
				e.(map[string]any)[kind[3]] = v
				return
			}
		}
		d[kind[1]] = append(list, map[string]any{"type": kind[2], kind[3]: v})
		return
	}
	parent, key := splitPath(path)
	if parent != "" {
		child, _ := d[parent].(map[string]any)
		if child == nil {
			child = map[string]any{}
			d[parent] = child
		}
		d = child
	}
	if d[key] = v; v == nil {
		delete(d, key)
	}
}

func valueAt(d doc, path string) any {
	if path == `emails[type eq "work"].value` {
		list, _ := d["emails"].([]any)
		for _, e := range list {
			return e.(map[string]any)["value"]
		}
		return nil
	}
	return d[path]
}

func splitPath(path string) (parent, key string) {
	sep := "."
	if strings.HasPrefix(path, "urn:") {
		sep = ":"
	}
	if i := strings.LastIndex(path, sep); i >= 0 {
		return path[:i], path[i+1:]
	}
	return "", path
}

func readDoc(r *http.Request) doc {
	var d doc
	if err := json.NewDecoder(r.Body).Decode(&d); err != nil {
		return doc{}
	}
	return d
}

func answerWith(w http.ResponseWriter, status int, d doc) {
	w.Header().Set("Content-Type", "application/scim+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(d)
}

// silent has the application hang up on what fn names; nil ends that.
func (f *fakeApp) silent(fn func(*http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hangUp = fn
}

// user returns a copy of the application's user of that name, or nil.
func (f *fakeApp) user(userName string) doc { return f.find(f.users, "userName", userName) }

// group returns a copy of the application's group of that name, or nil.
func (f *fakeApp) group(name string) doc { return f.find(f.groups, "displayName", name) }

func (f *fakeApp) find(list []doc, key, value string) doc {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range list {
		if d[key] == value {
			var out doc
			data, _ := json.Marshal(d)
			_ = json.Unmarshal(data, &out)
			return out
		}
	}
	return nil
}

// memberNames are the user names of a group's members, sorted.
func (f *fakeApp) memberNames(name string) []string {
	g := f.group(name)
	f.mu.Lock()
	defer f.mu.Unlock()
	names := []string{}
	list, _ := g["members"].([]any)
	for _, m := range list {
		for _, u := range f.users {
			if u["id"] == m.(map[string]any)["value"] {
				names = append(names, u["userName"].(string))
			}
		}
	}
	slices.Sort(names)
	return names
}

func (f *fakeApp) since(n int) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls[n:])
}
