package provision_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// own is the URN of an extension.
const own = "urn:example:own:2.0:User"

// attributes defines attributes and says where they come from.
func (h *house) attributes(dir, con directory.AttributeMap, list ...directory.Attribute) {
	h.t.Helper()
	h.settle(func(tx *store.Tx, _ *directory.Config) error {
		for _, a := range list {
			tx.SaveAttribute(a)
		}
		tx.SaveAttributeMap(h.okta.Directory, dir)
		tx.SaveAttributeMap(h.conn, con)
		return nil
	})
}

// has expects the attributes of a member, written as a map prints.
func (h *house) has(id, want string) {
	h.t.Helper()
	if got := fmt.Sprint(h.member(id).Attributes); got != want {
		h.t.Errorf("%s has %s, want %s", id, got, want)
	}
}

const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

// documented says what the document of a person is.
func documented(json string) func(*provision.Person) {
	return func(p *provision.Person) { p.Document = json }
}

// count counts the events of a type about a member.
func (h *house) count(member string, typ audit.Type) (n int) {
	h.t.Helper()
	for _, e := range h.events(member) {
		if strings.HasPrefix(e, string(typ)+" ") {
			n++
		}
	}
	return n
}

func tryErr(_ provision.User, err error) error { return err }

// document is a person whose document has more.
func document(name, json string) provision.Person {
	return with(person(name), func(p *provision.Person) { p.Document = json })
}

func saying(a provision.Arrival, values map[string][]any) provision.Arrival {
	a.Said = func(name string) []any { return values[name] }
	return a
}

var badge = directory.Attribute{Name: "badge", Type: directory.AttributeInteger}

func TestAttributes_OfADirectoryAreTypedAndAWrongOneIsToldOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, plan{preset: "default"})
		h.attributes(directory.AttributeMap{"badge": {own + ":badge", "employeeNo"}, "locale": {}}, nil, badge)
		u := h.post(document("ada", `{"title":"Boss","locale":"de","`+own+`":{"badge":"0042"}}`))
		h.has(u.Member, "map[badge:42 title:Boss]")
		h.recorded(u.Member, 0, audit.SCIMUserCreated)
		put := func(doc string) { h.put(u.ID, documented(doc)) }
		put(`{"title":"Boss","` + own + `":{"badge":"forty"}}`)
		h.has(u.Member, "map[title:Boss]")
		if n := h.count(u.Member, audit.AttributeDropped); n != 1 {
			t.Errorf("%d events of a value that was left out", n)
		}
		put(`{"title":"Chief","` + own + `":{"badge":"forty"}}`)
		if n := h.count(u.Member, audit.AttributeDropped); n != 1 {
			t.Errorf("the same value is told of %d times", n)
		}
		h.has(u.Member, "map[title:Chief]")
		for _, hostile := range []string{`"a\u0000b"`, `{"deep":{"er":[]}}`, `[[1]]`, `"` + strings.Repeat("9", 20000) + `"`, `true`, `1.5`} {
			put(`{"title":"Chief","` + own + `":{"badge":` + hostile + `}}`)
			h.has(u.Member, "map[title:Chief]")
		}
		put(`{"title":"Chief","` + own + `":{"badge":7}}`)
		h.has(u.Member, "map[badge:7 title:Chief]")
	})
}

func TestAttributes_ARequiredOneIsRefusedByNameAndBarsNobodyFromLeaving(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, plan{preset: "default"})
		u := h.post(document("ada", `{"employeeNo":"1"}`))
		required := badge
		required.Required = true
		h.attributes(directory.AttributeMap{"badge": {"employeeNo"}}, directory.AttributeMap{"badge": {"no"}}, required)
		refused := func(name string, fn func() error) {
			h.t.Helper()
			h.unchanged(errs.KindInvalid, "required_missing", func() error {
				err := fn()
				if err == nil || !strings.Contains(err.Error(), "badge is required") {
					t.Errorf("%s: %v", name, err)
				}
				return err
			})
		}
		refused("absent", func() error { _, err := h.svc.CreateUser(bg, h.okta, document("bob", `{}`)); return err })
		refused("of the wrong kind", func() error {
			_, err := h.svc.CreateUser(bg, h.okta, document("bob", `{"employeeNo":"x"}`))
			return err
		})
		refused("a change", func() error { return tryErr(h.tryPut(u.ID, documented(`{}`))) })
		h.put(u.ID, documented(`{}`), active(false))
		if m := h.member(u.Member); m.In() {
			t.Error("somebody stays in for want of an attribute")
		}
		// Whoever is new by a sign-in lacks it as well; whoever is known comes in.
		h.turnedAway(saying(h.asserted("new"), map[string][]any{"no": {"x"}}), "attribute_missing", "")
		id := h.arrive(saying(h.asserted("new"), map[string][]any{"no": {"5"}}))
		h.has(id, "map[badge:5]")
		if again := h.arrive(saying(h.asserted("new"), map[string][]any{"no": {"x"}})); again != id || h.count(id, audit.AttributeDropped) != 1 {
			t.Errorf("%s, %d events", again, h.count(id, audit.AttributeDropped))
		}
	})
}

func TestAttributes_ADirectoryComesBeforeAConnectionBeforePeople(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, plan{preset: "default"})
		tags := directory.Attribute{Name: "tags", Type: directory.AttributeList}
		h.attributes(nil, directory.AttributeMap{"department": {"dept"}, "badge": {"no"}}, badge, tags)
		u := h.post(document("ada", `{"title":"Boss"}`))
		edit := func(values map[string]string) error {
			_, err := h.svc.Edit(bg, h.owner, provision.Who(u.Member), values)
			return err
		}
		h.unchanged(errs.KindConflict, "not_yours", func() error { return edit(map[string]string{"title": "Queen"}) })
		h.unchanged(errs.KindInvalid, "attribute_invalid", func() error { return edit(map[string]string{"badge": "many"}) })
		h.ok(edit(map[string]string{"badge": "1", "tags": "a\nb, c\n"}))
		h.has(u.Member, `map[badge:1 tags:["a","b, c"] title:Boss]`)

		who := h.asserted("ada")
		if id := h.arrive(saying(who, map[string][]any{"dept": {"Sales"}, "no": {"2"}})); id != u.Member {
			t.Fatalf("arrived as %s", id)
		}
		h.has(u.Member, `map[badge:2 department:Sales tags:["a","b, c"] title:Boss]`)
		h.unchanged(errs.KindConflict, "not_yours", func() error { return edit(map[string]string{"badge": "3"}) })
		h.put(u.ID, documented(`{"title":"Boss","`+enterprise+`":{"department":"R&D"}}`))
		h.has(u.Member, `map[badge:2 department:R&D tags:["a","b, c"] title:Boss]`)
		before := len(h.events(u.Member))
		h.arrive(saying(who, map[string][]any{"dept": {"Support"}, "no": {"2"}}))
		h.has(u.Member, `map[badge:2 department:R&D tags:["a","b, c"] title:Boss]`)
		if n := len(h.events(u.Member)) - before; n != 0 {
			t.Errorf("%d events where nothing that counts changed", n)
		}
		h.put(u.ID, documented(`{"title":"Boss"}`))
		h.has(u.Member, `map[badge:2 department:Support tags:["a","b, c"] title:Boss]`)
		// What the IdP leaves out it says no more.
		h.arrive(saying(who, nil))
		h.has(u.Member, `map[tags:["a","b, c"] title:Boss]`)
		h.recorded(u.Member, 0, audit.SCIMUserCreated, audit.MemberUpdated)
		h.read(func(tx *store.Tx) error {
			e, err := tx.EventsOf(u.Member, 1)
			if err == nil && (len(e) != 1 || e[0].Type != audit.MemberUpdated || !slices.Contains(e[0].Changes, audit.Change{Field: "attributes.department", From: "Support"})) {
				t.Errorf("%+v", e)
			}
			return err
		})
	})
}

func TestAttributes_AreReadAgainForEverybodyAndAgainAfterACrash(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, plan{preset: "default"})
		const people = 300
		var first, last provision.User
		for i := range people {
			last = h.post(document(fmt.Sprintf("p%03d", i), fmt.Sprintf(`{"title":"T","employeeNo":"%d"}`, i)))
			if i == 0 {
				first = last
			}
		}
		h.arrive(saying(h.asserted("p000"), nil))
		again := func(m directory.AttributeMap) (more bool) {
			h.t.Helper()
			h.write(func(tx *store.Tx) (err error) {
				if err := tx.LockPolicy(); err != nil {
					return err
				}
				tx.SaveAttribute(badge)
				tx.SaveAttributeMap(h.okta.Directory, m)
				cfg, err := tx.Config()
				if err != nil {
					return err
				}
				if _, more, err = provision.RereadAttributes(tx, cfg, operator); err != nil {
					return err
				}
				return tx.Record(audit.Event{Type: audit.SettingsChanged, Actor: operator})
			})
			return more
		}
		if !again(directory.AttributeMap{"badge": {"employeeNo"}, "title": {}}) {
			t.Fatal("300 people are done at once")
		}
		h.has(first.Member, "map[badge:0]")
		h.has(last.Member, "map[title:T]")
		handler := h.svc.AttributesHandler()
		// step does what the outbox holds, each twice, as after a process that died before it could say that it was done.
		step := func() (done []store.Job) {
			taken, err := db.System().ClaimJobs(t.Context(), "test", 1, 1000)
			h.ok(err)
			for _, j := range taken {
				h.ok(db.System().FinishJob(t.Context(), j, "test"))
				if j.Kind == provision.JobAttributes {
					h.ok(handler.Do(bg, j))
					h.ok(handler.Do(bg, j))
					done = append(done, j)
				}
			}
			return done
		}
		was := step()
		if len(was) != 1 {
			t.Fatalf("%d jobs", len(was))
		}
		h.has(last.Member, "map[badge:299]")
		if n := h.count(last.Member, audit.MemberUpdated); n != 1 {
			t.Errorf("the change is told of %d times", n)
		}
		// A step of tables that are no more does nothing.
		again(nil)
		h.ok(handler.Do(bg, was[0]))
		h.has(last.Member, "map[badge:299]")
		step()
		h.has(last.Member, "map[title:T]")
		h.has(first.Member, "map[title:T]")
		// What was read again is what the directory's next request says.
		h.put(last.ID)
		h.has(last.Member, "map[title:T]")
	})
}

func TestAttributes_ThoseOfADirectoryThatHasGoneArePeoples(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, plan{preset: "default"})
		u := h.post(document("ada", `{"title":"Boss","locale":"de"}`))
		h.settle(func(tx *store.Tx, _ *directory.Config) error {
			tx.DeleteDirectory(h.okta.Directory)
			return provision.ForgetDirectory(tx, h.okta.Directory)
		})
		_, err := h.svc.Edit(bg, h.owner, provision.Who(u.Member), map[string]string{"title": ""})
		h.ok(err)
		h.has(u.Member, "map[locale:de]")
	})
}

func TestAttributes_WhatAConnectionSaidGoesWithItsMappingAndWithIt(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, plan{preset: "default"})
		h.attributes(nil, directory.AttributeMap{"department": {"dept"}, "badge": {"no"}}, badge)
		id := h.arrive(saying(h.asserted("ada"), map[string][]any{"dept": {"Sales"}, "no": {"1"}}))
		h.has(id, "map[badge:1 department:Sales]")
		again := func(change func(tx *store.Tx)) {
			h.t.Helper()
			h.settle(func(tx *store.Tx, _ *directory.Config) error {
				change(tx)
				cfg, err := tx.Config()
				if err == nil {
					_, _, err = provision.RereadAttributes(tx, cfg, operator)
				}
				return err
			})
		}
		again(func(tx *store.Tx) { tx.SaveAttributeMap(h.conn, directory.AttributeMap{"department": {"dept"}}) })
		h.has(id, "map[department:Sales]")
		again(func(tx *store.Tx) { tx.DeleteConnection(h.conn) })
		h.has(id, "map[]")
		if m := h.member(id); m.Asserted != nil {
			t.Errorf("left behind: %+v", m.Asserted)
		}
	})
}

func TestAttributes_AFreshIdentityHasThoseOfItsSourcesAlone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationNewIdentity))
		h.attributes(nil, nil, badge)
		u := h.post(document("ada", `{"title":"Boss"}`))
		_, err := h.svc.Edit(bg, h.owner, provision.Who(u.Member), map[string]string{"badge": "1"})
		h.ok(err)
		h.setActive(u.ID, false)
		h.setActive(u.ID, true)
		m := h.member(h.user(u.ID).Member)
		if m.ID == u.Member {
			t.Fatal("the same member came back")
		}
		h.has(m.ID, "map[title:Boss]")
		h.has(u.Member, "map[badge:1 title:Boss]")
	})
}
