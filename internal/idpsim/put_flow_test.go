package idpsim

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// documents are the clients that write a person as a complete document.
func documents() []Kind { return []Kind{OneLogin, JumpCloud, Google, PingOne, CyberArk} }

// state is what the application has of somebody: "active", "suspended" or "gone".
func (f *fakeApp) state(who string) string {
	switch u := f.user(who); {
	case u == nil:
		return "gone"
	case truthy(u["active"]):
		return "active"
	}
	return "suspended"
}

func TestWhatBecomesOfSomebodyIsTheConnectionsToSay(t *testing.T) {
	type acts struct{ deactivated, unassigned, deleted string }
	for _, c := range []struct {
		kind Kind
		conn Connection
		want acts
	}{
		{OneLogin, Connection{}, acts{"suspended", "suspended", "suspended"}},
		{OneLogin, Connection{DeleteAction: "delete"}, acts{"suspended", "gone", "gone"}},
		{OneLogin, Connection{DeleteAction: "nothing"}, acts{"suspended", "active", "active"}},
		{OneLogin, Connection{SuspendAction: "nothing", DeleteAction: "delete"}, acts{"active", "gone", "gone"}},
		{PingOne, Connection{}, acts{"suspended", "suspended", "suspended"}},
		{PingOne, Connection{DeleteAction: "delete"}, acts{"suspended", "gone", "gone"}},
		{JumpCloud, Connection{}, acts{"suspended", "suspended", "gone"}},
		{Google, Connection{}, acts{"suspended", "suspended", "gone"}},
		{Google, Connection{SuspendAction: "nothing"}, acts{"active", "active", "gone"}},
		{Google, Connection{DeleteAction: "nothing"}, acts{"suspended", "suspended", "active"}},
		{CyberArk, Connection{}, acts{"suspended", "suspended", "suspended"}},
	} {
		p, f, _ := connected(t, c.kind, c.conn)
		ctx := t.Context()
		_, err := p.AssignEverybody(ctx)
		must(t, err)
		must(t, p.Deactivate(ctx, "ann.lee@acme.test"))
		must(t, p.Unassign(ctx, "bjork@acme.test"))
		must(t, p.Delete(ctx, "noa.levi@acme.test"))
		got := acts{f.state("ann.lee@acme.test"), f.state("bjork@acme.test"), f.state("noa.levi@acme.test")}
		if got != c.want {
			t.Errorf("%s with %+v: %+v, want %+v", c.kind, c.conn, got, c.want)
		}
		must(t, p.Reactivate(ctx, "ann.lee@acme.test"))
		must(t, p.Assign(ctx, "bjork@acme.test"))
		if f.state("ann.lee@acme.test") != "active" || f.state("bjork@acme.test") != "active" {
			t.Errorf("%s with %+v: they are not back", c.kind, c.conn)
		}
		if got := f.memberNames("Omniflow-Trainees"); c.kind.PushesGroups() && !slices.Contains(got, "bjork@acme.test") {
			t.Errorf("%s with %+v: the group was lost on the way: %v", c.kind, c.conn, got)
		}
	}
}

func TestAnActivationLeavesNothingBehind(t *testing.T) {
	p, f, _ := connected(t, JumpCloud, Connection{Attempts: 1})
	for range 3 {
		must(t, p.TestCredentials(t.Context()))
		if len(f.users)+len(f.groups) != 0 {
			t.Fatalf("left %v and %v", f.users, f.groups)
		}
	}
	for name, deny := range map[string]func(*http.Request) bool{
		"the group is refused":  func(r *http.Request) bool { return r.Method == "POST" && strings.HasSuffix(r.URL.Path, "/Groups") },
		"the update is refused": func(r *http.Request) bool { return r.Method == "PUT" },
	} {
		f.deny = func(r *http.Request) int {
			if deny(r) {
				return 400
			}
			return 0
		}
		if err := p.TestCredentials(t.Context()); statusOf(err) != 400 || len(f.users)+len(f.groups) != 0 {
			t.Errorf("%s: %v, left %v and %v", name, err, f.users, f.groups)
		}
	}
	f.deny = func(r *http.Request) int {
		if r.Method == http.MethodDelete && strings.Contains(r.URL.Path, "/Users/") {
			return http.StatusNotImplemented
		}
		return 0
	}
	must(t, p.TestCredentials(t.Context()))
	if f.state("scimtest@acme.test") != "suspended" || len(f.groups) != 0 {
		t.Errorf("without DELETE: %v and %v", f.users, f.groups)
	}
}

// A membership change that got no answer may have been carried out, and what the IdP says afterwards must
// reach the application all the same.
func TestAMembershipThatGotNoAnswerIsSaidAgain(t *testing.T) {
	const who, group = "ann.lee@acme.test", "Engineering"
	for _, kind := range documents() {
		if !kind.PushesGroups() {
			continue
		}
		t.Run(string(kind), func(t *testing.T) {
			p, f, _ := connected(t, kind, Connection{Attempts: 1})
			ctx := t.Context()
			_, err := p.AssignEverybody(ctx)
			must(t, err)
			want := func(in bool) {
				t.Helper()
				if slices.Contains(f.memberNames(group), who) != in || len(f.memberNames(group)) < 4 {
					t.Errorf("members are %v", f.memberNames(group))
				}
			}
			silent := func(change func(context.Context, string, ...string) error) {
				t.Helper()
				f.silent(func(r *http.Request) bool { return r.Method == http.MethodPatch })
				if err := change(ctx, group, who); err == nil {
					t.Error("a change that got no answer was taken for carried out")
				}
				f.silent(nil)
			}
			silent(p.AddMembers)
			want(true)
			must(t, p.RemoveMembers(ctx, group, who))
			want(false)
			must(t, p.AddMembers(ctx, group, who))
			silent(p.RemoveMembers)
			want(false)
			must(t, p.AddMembers(ctx, group, who))
			want(true)
			if g, err := p.group(group); err != nil || len(g.App.Doubtful) != 0 || len(g.App.Members) != 5 {
				t.Errorf("%v: %+v", err, g.App)
			}
		})
	}
}

func TestSomebodyWhoIsGoneInTheApplicationIsMadeAgain(t *testing.T) {
	const who = "noa.levi@acme.test"
	for _, kind := range documents() {
		t.Run(string(kind), func(t *testing.T) {
			p, f, _ := connected(t, kind, Connection{})
			_, err := p.AssignEverybody(t.Context())
			must(t, err)
			f.users = slices.DeleteFunc(f.users, func(d doc) bool { return d["userName"] == who })
			if err := p.Change(t.Context(), who, Attributes{Title: text("Lead")}); statusOf(err) != 404 {
				t.Fatalf("got %v", err)
			}
			_, err = p.Retry(t.Context())
			must(t, err)
			if f.state(who) != "active" || kind.PushesGroups() && !slices.Contains(f.memberNames("Engineering"), who) {
				t.Errorf("%s, members %v", f.state(who), f.memberNames("Engineering"))
			}
		})
	}
}

func TestADeletionThatGotNoAnswerIsNoObstacleToTheReturn(t *testing.T) {
	const who = "bjork@acme.test"
	for _, kind := range []Kind{OneLogin, PingOne} {
		t.Run(string(kind), func(t *testing.T) {
			p, f, _ := connected(t, kind, Connection{Attempts: 1, DeleteAction: actionDelete})
			ctx := t.Context()
			_, err := p.AssignEverybody(ctx)
			must(t, err)
			f.silent(func(r *http.Request) bool { return r.Method == http.MethodDelete })
			if err := p.Unassign(ctx, who); err == nil {
				t.Error("a deletion that got no answer was taken for carried out")
			}
			f.silent(nil)
			if kind == PingOne { // the same deletion again finds nobody, which is as good
				_, err := p.Retry(ctx)
				must(t, err)
			}
			must(t, p.Assign(ctx, who))
			if f.state(who) != "active" {
				t.Errorf("they are %s", f.state(who))
			}
		})
	}
}

func TestAnswersThatContradictAreErrors(t *testing.T) {
	for name, c := range map[string]struct {
		kind   Kind
		answer string
		want   string
	}{
		"two people of one name":              {OneLogin, `{"totalResults":2,"Resources":[{"id":"1"},{"id":"2"}]}`, "2 people match"},
		"somebody without an id":              {PingOne, `{"totalResults":1,"Resources":[{"userName":"x"}]}`, "no id"},
		"attributes under their schema's URN": {Google, `{"totalResults":1,"Resources":[{"id":"1","` + userSchema + `":{"userName":"x"}}]}`, "top level"},
	} {
		t.Run(name, func(t *testing.T) {
			p, _, _ := scripted(t, c.kind, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(c.answer)) })
			must(t, p.Seed(t.Context(), Company{}))
			if err := p.Assign(t.Context(), "ann.lee@acme.test"); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	t.Run("another state than the one asked for", func(t *testing.T) {
		p, _, _ := scripted(t, JumpCloud, func(w http.ResponseWriter, _ *http.Request) {
			answerWith(w, 200, doc{"totalResults": 1, "Resources": []any{doc{"id": "1", "active": false}}})
		}, func(w http.ResponseWriter, _ *http.Request) { answerWith(w, 200, doc{"id": "1", "active": false}) })
		must(t, p.Seed(t.Context(), Company{}))
		if err := p.Assign(t.Context(), "ann.lee@acme.test"); err == nil || !strings.Contains(err.Error(), "active is false, want true") {
			t.Errorf("got %v", err)
		}
	})
}

func TestGoogleMapsOnlyWhatTheSchemaAllows(t *testing.T) {
	for name, c := range map[string]struct {
		mapping map[string]string
		edit    func(schema string) string
		want    string
	}{
		"a good choice":                    {map[string]string{"title": "nickName"}, nil, ""},
		"what the server alone may write":  {map[string]string{"title": "userType"}, nil, "title cannot be mapped to userType: the schema says that it is readOnly"},
		"an attribute of another type":     {map[string]string{"title": "active"}, nil, "title cannot be mapped to active: the schema says that it is boolean"},
		"one text into a list":             {map[string]string{"title": "emails.value"}, nil, "multi-valued true"},
		"an attribute that is not there":   {map[string]string{"title": "shoeSize"}, nil, "no such attribute"},
		"userName taken out":               {map[string]string{"userName": ""}, nil, "userName is required and nothing is mapped to it"},
		"a userName that nobody may write": {nil, func(s string) string { return strings.Replace(s, "readWrite", "readOnly", 1) }, "userName cannot be mapped"},
		"a required attribute without source": {nil, func(s string) string {
			return strings.Replace(s, `"name":"nickName"`, `"name":"nickName","required":true`, 1)
		}, "nickName is required"},
		"a state that is a text": {nil, func(s string) string { return strings.Replace(s, `"type":"boolean"`, `"type":"string"`, 1) }, "active cannot be mapped"},
		"a title that is a list is left out": {nil, func(s string) string {
			return strings.Replace(s, `"title","type":"string","multiValued":false`, `"title","type":"string","multiValued":true`, 1)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			text := fakeSchema
			if c.edit != nil {
				if text = c.edit(fakeSchema); text == fakeSchema {
					t.Fatal("the edit changes nothing")
				}
			}
			var s doc
			must(t, json.Unmarshal([]byte(text), &s))
			p, f, _ := connected(t, Google, Connection{Mapping: c.mapping})
			f.schema = s
			err := p.TestCredentials(t.Context())
			if c.want == "" {
				must(t, err)
				must(t, p.Assign(t.Context(), "ann.lee@acme.test"))
				u := f.user("ann.lee@acme.test")
				if u["nickName"] != nil != (c.mapping != nil) || u["title"] != nil {
					t.Errorf("sent %v", u)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if err := p.Assign(t.Context(), "ann.lee@acme.test"); err == nil || len(f.users) > 0 {
				t.Errorf("somebody was sent without a mapping: %v", err)
			}
		})
	}
}

func TestSettingsOfDocumentsThatMakeNoSenseAreRefused(t *testing.T) {
	s, _ := quiet(t)
	for _, c := range []struct {
		kind Kind
		conn Connection
	}{
		{OneLogin, Connection{SuspendAction: "delete"}}, {OneLogin, Connection{DeleteAction: "forget"}},
		{OneLogin, Connection{Template: `{"name":{}}`}}, {OneLogin, Connection{Template: `{`}}, {OneLogin, Connection{Template: `[]`}},
		{PingOne, Connection{UserFilter: `userName eq "x"`}}, {Google, Connection{Mapping: map[string]string{"shoe": "title"}}},
	} {
		c.conn.BaseURL, c.conn.Token = "http://app.test/", "x"
		if err := s.IdP(c.kind).Connect(t.Context(), c.conn); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s with %+v: %v", c.kind, c.conn, err)
		}
	}
}
