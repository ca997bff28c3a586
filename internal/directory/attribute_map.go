package directory

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// AttributeMap says where a directory or a connection has the values of attributes: for each, by name, its sources in
// the order in which they are asked. An empty list switches an attribute off that a directory would give by default. Of
// a directory a source is an AttributePath, of a connection the name of a SAML attribute or of a claim.
type AttributeMap map[string][]string

// AttributeRow is one line of a table of mappings.
type AttributeRow struct {
	Attribute Attribute
	Sources   []string
	Default   bool // nobody changed it
}

// AttributeTable is the table of a directory as it works: its own lines over those that every directory has. Lines
// without sources are left out.
func (c *Config) AttributeTable(own AttributeMap, ofDirectory bool) []AttributeRow {
	var out []AttributeRow
	for _, a := range c.AllAttributes() {
		row := AttributeRow{Attribute: a}
		set := false
		row.Sources, set = own.of(a.Name)
		if !set && ofDirectory {
			row.Sources, row.Default = defaultSources(a.Name), true
		}
		if len(row.Sources) > 0 {
			out = append(out, row)
		}
	}
	return out
}

func (m AttributeMap) of(name string) ([]string, bool) {
	if list, ok := m[name]; ok {
		return list, true
	}
	for key, list := range m {
		if strings.EqualFold(key, name) {
			return list, true
		}
	}
	return nil, false
}

func defaultSources(name string) []string {
	for _, b := range builtIns {
		if strings.EqualFold(b.name, name) {
			return []string{b.path}
		}
	}
	return nil
}

// Same reports whether two maps say the same.
func (m AttributeMap) Same(other AttributeMap) bool {
	return maps.EqualFunc(m, other, func(a, b []string) bool { return slices.Equal(a, b) })
}

// CheckAttributeMap returns m with the names as the attributes are spelt, or what is wrong with it: wrong is a clause, at
// the attribute that it is about. sealed are names that leave in no answer (Config.SealedNames).
func (c *Config) CheckAttributeMap(m AttributeMap, ofDirectory bool) (out AttributeMap, at, wrong string) {
	out = AttributeMap{}
	sealed := c.SealedNames()
	for _, name := range slices.Sorted(maps.Keys(m)) {
		a, ok := c.Attribute(name)
		if !ok {
			return nil, name, fmt.Sprintf("there is no attribute %s; define it first", Shown(name))
		}
		if _, twice := out[a.Name]; twice {
			return nil, name, fmt.Sprintf("%s is there twice; letter case makes no difference", Shown(name))
		}
		list := []string{}
		for _, source := range m[name] {
			if source = strings.TrimSpace(source); source == "" {
				continue
			}
			if why := checkSource(source, ofDirectory, sealed); why != "" {
				return nil, name, why
			}
			if !slices.Contains(list, source) {
				list = append(list, source)
			}
		}
		if len(list) > MaxAttributeSource {
			return nil, name, fmt.Sprintf("expected at most %d sources, received %d", MaxAttributeSource, len(list))
		}
		if usual := defaultSources(a.Name); ofDirectory && slices.Equal(list, usual) || !ofDirectory && len(list) == 0 || ofDirectory && usual == nil && len(list) == 0 {
			continue // says nothing
		}
		out[a.Name] = list
	}
	if len(out) == 0 {
		out = nil
	}
	return out, "", ""
}

func checkSource(source string, ofDirectory bool, sealed []string) string {
	if !ofDirectory {
		if len(source) > maxPath || badText(source) != "" {
			return fmt.Sprintf("expected the name of an attribute or claim of at most %d bytes without control characters", maxPath)
		}
		return ""
	}
	p, err := ParseAttributePath(source)
	if err != nil {
		return err.Error()
	}
	if slices.ContainsFunc(sealed, func(s string) bool { return strings.EqualFold(s, p.Attribute) || strings.EqualFold(s, p.Sub) }) {
		return fmt.Sprintf("%s is never returned, so that it cannot be shown or handed on", Shown(source))
	}
	return ""
}

// Given is what one source has for one attribute.
type Given struct {
	Attribute Attribute
	Value     string // as kept, "" for none
	Source    string // where Value is from
	Dropped   []DroppedValue
}

// DroppedValue is a value that is not taken, and why, as a clause.
type DroppedValue struct {
	Source string
	Value  string // shortened
	Why    string
}

// Ask reads a table: of each attribute the first source that has a value of its type. ask returns what a source has. One
// entry is returned for each line.
func Ask(table []AttributeRow, ask func(source string) []any) []Given {
	out := make([]Given, 0, len(table))
	total := 0
	for _, row := range table {
		g := Given{Attribute: row.Attribute}
		for _, source := range row.Sources {
			raw := ask(source)
			value, wrong := row.Attribute.Read(raw)
			if wrong == "" && total+len(value) > MaxAttributesTotal {
				wrong = fmt.Sprintf("all values together have more than %d bytes", MaxAttributesTotal)
			}
			if wrong != "" {
				g.Dropped = append(g.Dropped, DroppedValue{source, RawText(raw), wrong})
				continue
			}
			if value != "" {
				g.Value, g.Source = value, source
				total += len(value)
				break
			}
		}
		out = append(out, g)
	}
	return out
}

// RawText is what a source gave, for people: short, without control characters.
func RawText(raw []any) string {
	const items, most = 5, 200
	var texts []string
	for i, v := range raw {
		if i == items {
			texts = append(texts, fmt.Sprintf("and %d more", len(raw)-items))
			break
		}
		text, wrong := textOf(v)
		if wrong != "" {
			text = toJSON(v)
		}
		if len(text) > most {
			text = text[:most] + "..."
		}
		texts = append(texts, strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029 {
				return ' '
			}
			return r
		}, strings.ToValidUTF8(text, "")))
	}
	return strings.Join(texts, ", ")
}

// ValuesOf are the values among what was given, by name; nil for none.
func ValuesOf(given []Given) map[string]string {
	var out map[string]string
	for _, g := range given {
		if g.Value != "" {
			if out == nil {
				out = map[string]string{}
			}
			out[g.Attribute.Name] = g.Value
		}
	}
	return out
}

// Lacking returns the first required attribute of the table that nothing was given for, and why in a sentence; "" for none.
func Lacking(given []Given) (name, sentence string) {
	for _, g := range given {
		if !g.Attribute.Required || g.Value != "" {
			continue
		}
		if len(g.Dropped) > 0 {
			d := g.Dropped[0]
			return g.Attribute.Name, fmt.Sprintf("%s is required by this workspace, and its value at %s cannot be taken: %s.", g.Attribute.Name, d.Source, d.Why)
		}
		return g.Attribute.Name, fmt.Sprintf("%s is required by this workspace and was not given. Map it in the IdP.", g.Attribute.Name)
	}
	return "", ""
}

// AttributeSet is what one source beside the directory last said of a member.
type AttributeSet struct {
	From   string            `json:"from"` // id of a connection; "" for people
	Values map[string]string `json:"values,omitempty"`
}

// Asserts returns what a source said.
func (m *Member) Asserts(from string) map[string]string {
	for _, s := range m.Asserted {
		if s.From == from {
			return s.Values
		}
	}
	return nil
}

// Assert replaces what a source said of m; keep has it remembered even where it said nothing. Connections come first, the
// one heard last before the others. The list is not written into: others may share it.
func (m *Member) Assert(from string, values map[string]string, keep bool) {
	rest := slices.DeleteFunc(slices.Clone(m.Asserted), func(s AttributeSet) bool { return s.From == from })
	switch set := (AttributeSet{From: from, Values: values}); {
	case len(values) == 0 && !keep:
	case from == "":
		rest = append(rest, set)
	default:
		rest = slices.Insert(rest, 0, set)
	}
	const most = 20 // connections heard
	if len(rest) > most {
		rest = slices.Delete(rest, most-1, len(rest)-1)
	}
	if len(rest) == 0 {
		rest = nil
	}
	m.Asserted = rest
}

// AttributeOwner says which source has the say over an attribute of m: the directory that owns m and maps it, else the
// connection heard last that does. Both are "" where people have it.
func (c *Config) AttributeOwner(m *Member, name string) (directoryID, connectionID string) {
	if d, ok := c.Directory(m.Directory); ok && m.Directory != "" && c.maps(d.Map, true, name) {
		return d.ID, ""
	}
	for _, s := range m.Asserted {
		if con, ok := c.Connection(s.From); ok && s.From != "" && c.maps(con.Map, false, name) {
			return "", con.ID
		}
	}
	return "", ""
}

func (c *Config) maps(own AttributeMap, ofDirectory bool, name string) bool {
	list, set := own.of(name)
	if !set && ofDirectory {
		list = defaultSources(name)
	}
	return len(list) > 0
}

// EffectiveAttributes puts together what is known of a member: the directory's value comes first, then that of the
// connection heard last, then what people wrote where no source has the say. It is nil where there is nothing.
func (c *Config) EffectiveAttributes(m *Member, ofDirectory map[string]string) map[string]string {
	if len(ofDirectory) == 0 && len(m.Asserted) == 0 {
		return nil
	}
	var out map[string]string
	for _, a := range c.AllAttributes() {
		if value := c.effective(m, a, ofDirectory); value != "" {
			if out == nil {
				out = map[string]string{}
			}
			out[a.Name] = value
		}
	}
	return out
}

func (c *Config) effective(m *Member, a Attribute, ofDirectory map[string]string) string {
	if value := ofDirectory[a.Name]; value != "" {
		return value
	}
	for _, s := range m.Asserted {
		con, ok := c.Connection(s.From)
		if value := s.Values[a.Name]; value != "" && ok && s.From != "" && c.maps(con.Map, false, a.Name) && a.Holds(value) {
			return value
		}
	}
	if dir, con := c.AttributeOwner(m, a.Name); dir != "" || con != "" {
		return ""
	}
	if value := m.Asserts("")[a.Name]; a.Holds(value) {
		return value
	}
	return ""
}
