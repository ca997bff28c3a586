package settings

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gatehouse-id/gatehouse/internal/directory"
)

// attributePart is a definition of an attribute in the file.
type attributePart struct {
	line int
	path string
	is   directory.Attribute
}

// mapPart is the table of a directory or connection in the file.
type mapPart struct {
	line int
	path string
	is   directory.AttributeMap
}

// off switches an attribute off that a directory would give by default.
const off = "none"

// peopleAttributes reads the attributes of people.
func (r *reader) peopleAttributes(n *yaml.Node) *[]attributePart {
	nodes, ok := r.list(n, "attributes", directory.MaxAttributes)
	if !ok {
		return nil
	}
	out, first := []attributePart{}, map[string]int{}
	for i, n := range nodes {
		path := indexed("attributes", i)
		parts, ok := r.object(n, path, []string{"name", "label", "type", "choices", "required", "visible"})
		if !ok {
			continue
		}
		p := attributePart{line: n.Line, path: path, is: directory.Attribute{Type: directory.AttributeString}}
		r.optional(parts["name"], path+".name", &p.is.Name)
		r.optional(parts["label"], path+".label", &p.is.Label)
		if t := oneOf(r, parts["type"], path+".type", directory.AttributeTypes()...); t != nil {
			p.is.Type = *t
		}
		p.is.Choices = r.canonical(parts["choices"], path+".choices")
		p.is.Required = r.yes(parts["required"], path+".required")
		if n := parts["visible"]; n != nil {
			p.is.Hidden = !r.yes(n, path+".visible")
		}
		if at, wrong := directory.CheckAttribute(p.is); wrong != "" {
			r.add(n.Line, "%s.%s: %s", path, at, wrong)
		}
		if before := first[directory.Fold(p.is.Name)]; before > 0 && p.is.Name != "" {
			r.add(n.Line, "%s.name: %s is given twice, first in line %d; letter case makes no difference", path, quote(p.is.Name), before)
		}
		first[directory.Fold(p.is.Name)] = n.Line
		out = append(out, p)
	}
	return &out
}

// attributeMap reads a table: for each attribute a source, a list of them, or none.
func (r *reader) attributeMap(n *yaml.Node, path string) *mapPart {
	if n == nil {
		return nil
	}
	var names []string
	if n.Kind == yaml.MappingNode {
		for i := 0; i < len(n.Content); i += 2 {
			names = append(names, n.Content[i].Value)
		}
	}
	parts, ok := r.object(n, path, names)
	if !ok {
		return nil
	}
	if most := directory.MaxAttributes + 20; len(parts) > most {
		r.add(n.Line, "%s: expected at most %d attributes, received %d", path, most, len(parts))
		return nil
	}
	out := &mapPart{n.Line, path, directory.AttributeMap{}}
	for name, value := range parts {
		at := join(path, clip(name))
		sources := []string{}
		switch {
		case value.Kind == yaml.SequenceNode:
			lines, ok := r.texts(value, at)
			if !ok {
				continue
			}
			for _, l := range lines {
				sources = append(sources, l.text)
			}
		default:
			s, ok := r.text(value, at)
			if !ok {
				continue
			}
			if s != off {
				sources = append(sources, s)
			}
		}
		out.is[name] = sources
	}
	return out
}

// peopleAttributes makes the definitions what the file says; the list is exact.
func (p *plan) peopleAttributes() {
	if p.file.attributes != nil {
		p.after.Attributes = nil
		for _, part := range *p.file.attributes {
			p.after.Attributes = append(p.after.Attributes, plainAttribute(part.is))
		}
		sortAttributes(p.after.Attributes)
	}
	for _, part := range orNothing(p.file.directories) {
		if d, ok := findDirectory(p.after, part.name); ok && part.attributeMap != nil {
			p.table(part.attributeMap, true, func(m directory.AttributeMap) {
				i := slices.IndexFunc(p.after.Directories, func(o directory.Directory) bool { return o.ID == d.ID })
				p.after.Directories[i].Map = m
			})
		}
	}
	for _, part := range orNothing(p.file.connections) {
		if c, ok := findConnection(p.after, part.name); ok && part.attributeMap != nil {
			p.table(part.attributeMap, false, func(m directory.AttributeMap) {
				i := slices.IndexFunc(p.after.Connections, func(o directory.Connection) bool { return o.ID == c.ID })
				p.after.Connections[i].Map = m
			})
		}
	}
	p.tablesHold()
}

func orNothing[T any](list *[]T) []T {
	if list == nil {
		return nil
	}
	return *list
}

func (p *plan) table(part *mapPart, ofDirectory bool, set func(directory.AttributeMap)) {
	m, at, wrong := p.after.CheckAttributeMap(part.is, ofDirectory)
	if wrong != "" {
		p.add(part.line, "%s.%s: %s", part.path, clip(at), wrong)
		return
	}
	set(m)
}

// tablesHold refuses tables that what else changes has made wrong: an attribute is gone, or is never returned now.
func (p *plan) tablesHold() {
	if len(p.list) == 0 {
		if wrong := wrongTable(p.after); wrong != "" {
			p.add(0, "%s", wrong)
		}
	}
}

func wrongTable(cfg *directory.Config) string {
	for _, d := range cfg.Directories {
		if _, at, wrong := cfg.CheckAttributeMap(d.Map, true); wrong != "" {
			return fmt.Sprintf("directories.%s.attribute_map.%s: %s", d.Name, at, wrong)
		}
	}
	for _, c := range cfg.Connections {
		if _, at, wrong := cfg.CheckAttributeMap(c.Map, false); wrong != "" {
			return fmt.Sprintf("connections.%s.attribute_map.%s: %s", c.Name, at, wrong)
		}
	}
	return ""
}

// plainAttribute is a definition as it is kept.
func plainAttribute(a directory.Attribute) directory.Attribute {
	a.BuiltIn = false
	if len(a.Choices) == 0 {
		a.Choices = nil
	}
	return a
}

func sortAttributes(list []directory.Attribute) {
	slices.SortFunc(list, func(a, b directory.Attribute) int { return strings.Compare(a.Name, b.Name) })
}

// peopleAttributes puts the definitions and the tables.
func (s state) peopleAttributes(c *directory.Config) {
	for _, a := range c.Attributes {
		words := []string{string(a.Type)}
		if len(a.Choices) > 0 {
			words = append(words, "choices "+fmt.Sprintf("%q", a.Choices))
		}
		if a.Required {
			words = append(words, "required")
		}
		if a.Hidden {
			words = append(words, "not visible")
		}
		if a.Label != "" {
			words = append(words, strconv.Quote(a.Label))
		}
		s["attributes["+a.Name+"]"] = strings.Join(words, ", ")
	}
	for _, d := range c.Directories {
		s.table("directories."+d.Name, d.Map)
	}
	for _, con := range c.Connections {
		s.table("connections."+con.Name, con.Map)
	}
}

func (s state) table(at string, m directory.AttributeMap) {
	for name, sources := range m {
		text := strings.Join(sources, ", ")
		if len(sources) == 0 {
			text = off
		}
		s[at+".attribute_map."+name] = text
	}
}

// writeAttributes saves the definitions and tables that differ, and reads people's attributes again where they do.
func (a *apply) writeAttributes() {
	had := a.had()
	name := func(at directory.Attribute) string { return directory.Fold(at.Name) }
	eachGone(had.Attributes, a.after.Attributes, name, func(at directory.Attribute) { a.tx.DeleteAttribute(at.Name) })
	eachSaved(had.Attributes, a.after.Attributes, name, func(at directory.Attribute, _ bool) { a.tx.SaveAttribute(at) })
	for _, d := range a.after.Directories {
		if was, _ := had.Directory(d.ID); !was.Map.Same(d.Map) {
			a.tx.SaveAttributeMap(d.ID, d.Map)
		}
	}
	for _, c := range a.after.Connections {
		if was, _ := had.Connection(c.ID); !was.Map.Same(c.Map) {
			a.tx.SaveAttributeMap(c.ID, c.Map)
		}
	}
}

type exportedPeopleAttribute struct {
	Name     string   `yaml:"name"`
	Label    string   `yaml:"label,omitempty"`
	Type     string   `yaml:"type"`
	Choices  []string `yaml:"choices,omitempty,flow"`
	Required bool     `yaml:"required,omitempty"`
	Visible  bool     `yaml:"visible"`
}

func exportPeopleAttributes(list []directory.Attribute) []exportedPeopleAttribute {
	out := make([]exportedPeopleAttribute, len(list))
	for i, a := range list {
		out[i] = exportedPeopleAttribute{a.Name, a.Label, string(a.Type), a.Choices, a.Required, !a.Hidden}
	}
	return out
}

// exportMap is the table of a directory or connection; it is written empty as well, for the file is exact.
func exportMap(m directory.AttributeMap) *yaml.Node {
	out := &yaml.Node{Kind: yaml.MappingNode}
	if len(m) == 0 {
		out.Style = yaml.FlowStyle
	}
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		var value *yaml.Node
		switch sources := m[name]; len(sources) {
		case 0:
			value = plainText(off)
		case 1:
			value = &yaml.Node{}
			value.SetString(sources[0])
			if sources[0] == off {
				value = flowList(sources)
			}
		default:
			value = flowList(sources)
		}
		out.Content = append(out.Content, plainText(name), value)
	}
	return out
}
