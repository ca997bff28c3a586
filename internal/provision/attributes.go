package provision

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Attributes of people. What a directory gives is read from the document that it sent, each time anew; what a
// connection asserted and what people wrote is kept beside (directory.AttributeSet). A value that cannot be taken is left out
// and told of, and keeps nobody out but for a required one.

// enterpriseUser is the extension in whose manager the store keeps no part of the document.
const enterpriseUser = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

// reading is what a directory's table finds in one resource.
func reading(cfg *directory.Config, d directory.Directory, u *store.SCIMUser) []directory.Given {
	resource := map[string]any{}
	decoder := json.NewDecoder(bytes.NewReader([]byte(u.Document)))
	decoder.UseNumber()
	if u.Document == "" || decoder.Decode(&resource) != nil {
		return nil // nothing is stored that is no JSON
	}
	resource["userName"] = u.UserName
	if u.ExternalID != "" {
		resource["externalId"] = u.ExternalID
	}
	if u.Manager != "" {
		extension, _ := resource[enterpriseUser].(map[string]any)
		extension = maps.Clone(extension)
		if extension == nil {
			extension = map[string]any{}
		}
		extension["manager"] = map[string]any{"value": u.Manager}
		resource[enterpriseUser] = extension
	}
	return directory.Ask(cfg.AttributeTable(d.Map, true), func(source string) []any {
		path, err := directory.ParseAttributePath(source)
		if err != nil {
			return nil // refused when it was set
		}
		return path.Values(resource)
	})
}

// understand reads the attributes of p out of the document, once. A person without one, who was staged, has them.
func (f *feed) understand(p *Person) {
	if p.Document == "" || p.understood {
		return
	}
	p.understood = true
	p.given = reading(f.Config, f.dir, &store.SCIMUser{UserName: p.UserName, ExternalID: p.ExternalID, Manager: p.Manager, Document: p.Document})
	p.Attributes = directory.ValuesOf(p.given)
}

// check refuses a person who lacks what the workspace requires.
func (f *feed) check(p *Person) error {
	if err := p.check(f.policy); err != nil {
		return err
	}
	f.understand(p)
	if _, sentence := directory.Lacking(p.given); sentence != "" {
		return errs.Invalid("required_missing", "%s", sentence)
	}
	return nil
}

// fill is Person.fill with the attributes as this feed reads them.
func (f *feed) fill(p *Person, m *directory.Member) []audit.Change {
	f.understand(p)
	changes := p.fill(m)
	owned := *m
	owned.Directory = f.dir.ID
	return append(changes, setAttributes(m, f.EffectiveAttributes(&owned, p.Attributes))...)
}

// setAttributes changes the attributes of m and returns what changed.
func setAttributes(m *directory.Member, to map[string]string) []audit.Change {
	if maps.Equal(m.Attributes, to) {
		return nil
	}
	names := slices.Collect(maps.Keys(to))
	for name := range m.Attributes {
		if _, ok := to[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var changes []audit.Change
	for _, name := range names {
		if m.Attributes[name] != to[name] {
			changes = append(changes, audit.Change{Field: "attributes." + name, From: m.Attributes[name], To: to[name]})
		}
	}
	m.Attributes = to
	return changes
}

// tellDropped records the values of given that could not be taken, but for those that had lacked the same before.
func tellDropped(tx *store.Tx, scope Scope, who audit.Party, given, before []directory.Given) error {
	told := map[directory.DroppedValue]bool{}
	for _, g := range before {
		for _, d := range g.Dropped {
			told[d] = true
		}
	}
	var changes []audit.Change
	for _, g := range given {
		for _, d := range g.Dropped {
			if !told[d] {
				changes = append(changes, audit.Change{Field: "attributes." + g.Attribute.Name, From: d.Source, To: "not taken: " + d.Why})
			}
		}
	}
	if len(changes) == 0 {
		return nil
	}
	scope.Payload = nil
	e := scope.event(audit.AttributeDropped, who, changes...)
	e.Reason = "value_not_taken"
	return tx.Record(e)
}

// droppedBefore is what a resource was told of already; it is asked only where something is dropped now.
func (f *feed) droppedBefore(p Person, was *store.SCIMUser) []directory.Given {
	if !slices.ContainsFunc(p.given, func(g directory.Given) bool { return len(g.Dropped) > 0 }) {
		return nil
	}
	return reading(f.Config, f.dir, was)
}

// readStaged reads the attributes of staged people anew as they become members: the table may have changed since they came.
func (f *feed) readStaged(tx *store.Tx, scope Scope, outcomes []outcome) error {
	if f.dir.Map == nil && len(f.Attributes) == 0 {
		return nil
	}
	ids := make([]string, len(outcomes))
	for i, o := range outcomes {
		ids[i] = o.staged.ID
	}
	list, err := tx.SCIMUsers(f.dir.ID, ids)
	if err != nil {
		return err
	}
	byID := make(map[string]*store.SCIMUser, len(list))
	for i := range list {
		byID[list[i].ID] = &list[i]
	}
	for _, o := range outcomes {
		u := byID[o.staged.ID]
		if u == nil {
			continue
		}
		given := reading(f.Config, f.dir, u)
		m := o.change.after
		m.Attributes = f.EffectiveAttributes(m, directory.ValuesOf(given))
		if err := tellDropped(tx, scope, memberParty(m), given, nil); err != nil {
			return err
		}
	}
	return nil
}

// asserted reads what an arrival's message has for the table of its connection.
func asserted(cfg *directory.Config, a Arrival) []directory.Given {
	con, ok := cfg.Connection(a.Connection)
	if !ok || a.Said == nil {
		return nil
	}
	return directory.Ask(cfg.AttributeTable(con.Map, false), a.Said)
}

// hearAttributes keeps what a connection asserts of the attributes of m, who is held, and returns what changes by it.
func hearAttributes(tx *store.Tx, cfg *directory.Config, m *directory.Member, a Arrival, given []directory.Given) ([]audit.Change, error) {
	if len(given) == 0 {
		return nil, nil // the connection says nothing of any
	}
	had := m.Asserted
	m.Assert(a.Connection, directory.ValuesOf(given), true)
	if reflect.DeepEqual(had, m.Asserted) {
		return nil, nil
	}
	var resources []store.SCIMUser
	if m.Directory != "" {
		var err error
		if resources, err = tx.SCIMUsersOfMember(m.ID); err != nil {
			return nil, err
		}
	}
	return reckonAttributes(cfg, m, had, resources), nil
}

// resourceOf is the resource by which the directory that owns m speaks of them: the one that stands, else the last; nil
// where it has none.
func resourceOf(m *directory.Member, resources []store.SCIMUser) (found *store.SCIMUser) {
	for i := range resources {
		if u := &resources[i]; m.Directory != "" && u.Directory == m.Directory && (found == nil || u.RetiredAt.IsZero() || !found.RetiredAt.IsZero()) {
			found = u
		}
	}
	return found
}

// reckonAttributes puts the attributes of m together again and returns what changes. had is what was asserted of them before.
func reckonAttributes(cfg *directory.Config, m *directory.Member, had []directory.AttributeSet, resources []store.SCIMUser) []audit.Change {
	d, ok := cfg.Directory(m.Directory)
	if u := resourceOf(m, resources); ok && u != nil {
		return setAttributes(m, cfg.EffectiveAttributes(m, directory.ValuesOf(reading(cfg, d, u))))
	}
	// What is left of a directory that has gone belongs to people from here on.
	by := maps.Clone(m.Asserts(""))
	for name, value := range m.Attributes {
		a, ok := cfg.Attribute(name)
		if dir, con := cfg.AttributeOwner(m, name); !ok || dir != "" || con != "" || by[a.Name] != "" || !a.Holds(value) {
			continue
		}
		if slices.ContainsFunc(had, func(s directory.AttributeSet) bool { return s.Values[name] == value }) {
			continue // it goes with the connection, or the mapping, that gave it
		}
		if by == nil {
			by = map[string]string{}
		}
		by[a.Name] = value
	}
	m.Assert("", by, false)
	return setAttributes(m, cfg.EffectiveAttributes(m, nil))
}

// prune takes out of what was asserted of m all that no attribute, connection or mapping of today has a place for.
func prune(cfg *directory.Config, m *directory.Member) {
	for _, set := range slices.Clone(m.Asserted) {
		con, ok := cfg.Connection(set.From)
		if set.From != "" && !ok {
			m.Asserted = slices.DeleteFunc(slices.Clone(m.Asserted), func(s directory.AttributeSet) bool { return s.From == set.From })
			continue
		}
		var kept map[string]string
		mapped := map[string]bool{}
		for _, row := range cfg.AttributeTable(con.Map, false) {
			mapped[row.Attribute.Name] = true
		}
		for name, value := range set.Values {
			if a, ok := cfg.Attribute(name); ok && a.Holds(value) && (set.From == "" || mapped[a.Name]) {
				if kept == nil {
					kept = map[string]string{}
				}
				kept[a.Name] = value
			}
		}
		if maps.Equal(kept, set.Values) {
			continue
		}
		m.Asserted = slices.Clone(m.Asserted)
		i := slices.IndexFunc(m.Asserted, func(s directory.AttributeSet) bool { return s.From == set.From })
		m.Asserted[i].Values = kept
	}
	m.Asserted = slices.DeleteFunc(m.Asserted, func(s directory.AttributeSet) bool { return s.From == "" && len(s.Values) == 0 })
	if len(m.Asserted) == 0 {
		m.Asserted = nil
	}
}

// writtenValue reads what people typed for an attribute: items of a list on lines of their own, or as a JSON array.
func writtenValue(a directory.Attribute, text string) (string, error) {
	given := []any{text}
	if a.Type == directory.AttributeList {
		given = nil
		var list []string
		if !strings.HasPrefix(strings.TrimSpace(text), "[") || json.Unmarshal([]byte(text), &list) != nil {
			list = strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
		}
		for _, item := range list {
			given = append(given, item)
		}
	}
	value, wrong := a.Read(given)
	if wrong != "" {
		return "", errs.Invalid("attribute_invalid", "%s: %s", a.Title(), wrong)
	}
	return value, nil
}

// Reading is what a directory's table finds in one of its resources.
func Reading(cfg *directory.Config, d directory.Directory, u *store.SCIMUser) []directory.Given {
	return reading(cfg, d, u)
}

// ResourceOf is the resource by which the directory that owns m speaks of them; nil where it has none.
func ResourceOf(m *directory.Member, resources []store.SCIMUser) *store.SCIMUser {
	return resourceOf(m, resources)
}

// Supposing returns m as they would be had the connection asserted what is given. Nothing is written.
func Supposing(tx *store.Tx, cfg *directory.Config, m *directory.Member, connection string, given []directory.Given) (*directory.Member, error) {
	after := *m
	after.Assert(connection, directory.ValuesOf(given), true)
	resources, err := tx.SCIMUsersOfMember(m.ID)
	if err != nil {
		return nil, err
	}
	reckonAttributes(cfg, &after, m.Asserted, resources)
	return &after, nil
}
