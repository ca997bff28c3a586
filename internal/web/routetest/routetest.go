package routetest

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// Route is a pattern of net/http.ServeMux with the permission that it needs, "" for everybody who is signed in there.
type Route struct{ Pattern, Permission string }

// Visitor is somebody who asks.
type Visitor struct {
	Name string
	// Holds reports whether they have a permission. It is nil for those who have nothing to look for there: who is signed
	// out, deactivated, or somewhere else.
	Holds func(permission string) bool
	// Send asks and reports whether they were let in, whatever came of it then, and what was answered.
	Send func(method, path string) (in bool, answer string)
}

// Table is what is asked of whom.
type Table struct {
	Routes   []Route
	Visitors []Visitor
	// Address fills in a pattern's path with things that are there.
	Address func(path string) string
	// State is all that a request could change, as text. What is refused leaves it as it was.
	State func() string
}

// Run asks everything of everybody: first all that must be refused, then the rest, which may change what is there.
func (x Table) Run(t *testing.T) {
	t.Helper()
	for _, refused := range []bool{true, false} {
		for _, v := range x.Visitors {
			before := ""
			if refused {
				before = x.State()
			}
			for _, r := range x.Routes {
				may := v.Holds != nil && (r.Permission == "" || v.Holds(r.Permission))
				if may == refused {
					continue
				}
				method, path, ok := strings.Cut(r.Pattern, " ")
				if !ok {
					t.Errorf("%s takes every method", r.Pattern)
					continue
				}
				if in, answer := v.Send(method, x.Address(path)); in != may {
					t.Errorf("%s, %s (%s): let in is %v: %.600s", v.Name, r.Pattern, r.Permission, in, answer)
				}
			}
			if refused && x.State() != before {
				t.Errorf("what %s was refused has changed something", v.Name)
			}
		}
	}
}

// Mounted checks that the patterns of a mux below prefix are those of routes and of open, which need no permission,
// and no others.
func Mounted(t *testing.T, mux *http.ServeMux, prefix string, routes []Route, open ...string) {
	t.Helper()
	known := slices.Clone(open)
	for _, r := range routes {
		known = append(known, r.Pattern)
	}
	there := Patterns(mux)
	if len(there) == 0 {
		t.Fatal("the mux has no pattern: net/http keeps them elsewhere now")
	}
	for _, p := range there {
		_, path, _ := strings.Cut(p, " ")
		if strings.HasPrefix(path, prefix) && !slices.Contains(known, p) {
			t.Errorf("%s is mounted without a permission", p)
		}
	}
	for _, p := range known {
		if !slices.Contains(there, p) {
			t.Errorf("%s is not mounted", p)
		}
	}
}

// Patterns are those of a mux, sorted. net/http keeps them to itself, in the index by which it finds conflicts, and
// they are read from there.
func Patterns(mux *http.ServeMux) []string {
	seen := map[string]bool{}
	add := func(list reflect.Value) {
		for i := range list.Len() {
			if p := list.Index(i); p.Kind() == reflect.Pointer && !p.IsNil() {
				seen[p.Elem().FieldByName("str").String()] = true
			}
		}
	}
	index := reflect.ValueOf(mux).Elem().FieldByName("index")
	if !index.IsValid() {
		return nil
	}
	for each := index.FieldByName("segments").MapRange(); each.Next(); {
		add(each.Value())
	}
	add(index.FieldByName("multis"))
	var out []string
	for p := range seen {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}
