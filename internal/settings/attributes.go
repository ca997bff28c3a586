package settings

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// AttributeView is an attribute of people for a page or another program.
type AttributeView struct {
	Name     string   `json:"name"`
	Label    string   `json:"label"`
	Type     string   `json:"type"`
	Choices  []string `json:"choices,omitempty"`
	Required bool     `json:"required"`
	// Visible says that the host application is told of it.
	Visible bool `json:"visible"`
	BuiltIn bool `json:"built_in"`
	Changed bool `json:"changed,omitempty"` // a built-in one that the workspace defines otherwise
}

// TableView is the table of one directory or connection.
type TableView struct {
	Kind string    `json:"kind"` // "directory" or "connection"
	ID   string    `json:"id"`
	Name string    `json:"name"`
	Rows []RowView `json:"rows"` // those with sources
	Word string    `json:"word"` // changes with the table
}

// RowView is one line of a table.
type RowView struct {
	Attribute string   `json:"attribute"`
	Label     string   `json:"label"`
	Sources   []string `json:"sources"`
	Default   bool     `json:"default,omitempty"` // as in every directory
}

// AttributesView is everything about attributes of a workspace's people.
type AttributesView struct {
	Attributes []AttributeView `json:"attributes"`
	Tables     []TableView     `json:"tables"`
}

// Kinds of a TableView.
const (
	TableOfDirectory  = "directory"
	TableOfConnection = "connection"
)

// Attributes shows the attributes of a workspace's people and where directories and connections have their values.
func (s *Service) Attributes(ctx context.Context, slug string) (AttributesView, error) {
	var view AttributesView
	err := s.readWorkspace(ctx, slug, func(_ *store.Tx, cfg *directory.Config) error {
		view = viewAttributes(cfg)
		return nil
	})
	return view, err
}

func viewAttributes(cfg *directory.Config) AttributesView {
	view := AttributesView{Attributes: []AttributeView{}, Tables: []TableView{}}
	for _, a := range cfg.AllAttributes() {
		view.Attributes = append(view.Attributes, viewAttribute(cfg, a))
	}
	for _, d := range cfg.Directories {
		view.Tables = append(view.Tables, viewTable(cfg, TableOfDirectory, d.ID, d.Name, d.Map))
	}
	for _, c := range cfg.Connections {
		view.Tables = append(view.Tables, viewTable(cfg, TableOfConnection, c.ID, c.Name, c.Map))
	}
	return view
}

func viewAttribute(cfg *directory.Config, a directory.Attribute) AttributeView {
	return AttributeView{Name: a.Name, Label: a.Title(), Type: string(a.Type), Choices: a.Choices, Required: a.Required, Visible: !a.Hidden, BuiltIn: a.BuiltIn,
		Changed: a.BuiltIn && slices.ContainsFunc(cfg.Attributes, func(o directory.Attribute) bool { return strings.EqualFold(o.Name, a.Name) })}
}

func viewTable(cfg *directory.Config, kind, id, name string, own directory.AttributeMap) TableView {
	t := TableView{Kind: kind, ID: id, Name: name, Rows: []RowView{}, Word: tableWord(own)}
	for _, row := range cfg.AttributeTable(own, kind == TableOfDirectory) {
		t.Rows = append(t.Rows, RowView{row.Attribute.Name, row.Attribute.Title(), row.Sources, row.Default})
	}
	return t
}

func tableWord(m directory.AttributeMap) string {
	text, _ := json.Marshal(m) // texts, which always encode, in the order of their names
	return keys.HashToken(string(text))[:16]
}

// DefineAttribute makes an attribute of people, or changes what one is: with fresh, one of that name is a conflict,
// attribute_taken; a built-in one can be changed only. Whoever has a value that is none of the new kind loses it, but what a
// directory sent is read again.
func (s *Service) DefineAttribute(ctx context.Context, slug string, a directory.Attribute, fresh bool, actor audit.Party) (AttributeView, error) {
	a.Name, a.Label = strings.TrimSpace(a.Name), strings.TrimSpace(a.Label)
	if at, wrong := directory.CheckAttribute(a); wrong != "" {
		return AttributeView{}, errs.Invalid("attribute_invalid", "%s: %s", at, wrong)
	}
	var view AttributeView
	err := s.edit(ctx, slug, actor, func(p *plan) error {
		had, known := p.after.Attribute(a.Name)
		switch {
		case fresh && known:
			return errs.Conflict("attribute_taken", "There is an attribute %q already.", had.Name)
		case !fresh && !known:
			return unknownAttribute(p.after, a.Name)
		case known:
			a.Name = had.Name
		}
		i := slices.IndexFunc(p.after.Attributes, func(o directory.Attribute) bool { return strings.EqualFold(o.Name, a.Name) })
		switch {
		case i >= 0:
			p.after.Attributes[i] = plainAttribute(a)
		default:
			if err := enough("attributes", len(p.after.Attributes), directory.MaxAttributes); err != nil {
				return err
			}
			p.after.Attributes = append(p.after.Attributes, plainAttribute(a))
			sortAttributes(p.after.Attributes)
		}
		is, _ := p.after.Attribute(a.Name)
		view = viewAttribute(p.after, is)
		return nil
	})
	return view, err
}

func unknownAttribute(cfg *directory.Config, name string) error {
	var names []string
	for _, a := range cfg.AllAttributes() {
		names = append(names, a.Name)
	}
	return errs.NotFound("attribute_unknown", "There is no attribute %s%s", quote(name), orMeant(name, names))
}

// RemoveAttribute takes an attribute of the workspace away, and with it everybody's value; a built-in one becomes again
// what it is everywhere. While a table names it that is a conflict, attribute_mapped.
func (s *Service) RemoveAttribute(ctx context.Context, slug, name string, actor audit.Party) error {
	return s.edit(ctx, slug, actor, func(p *plan) error {
		i := slices.IndexFunc(p.after.Attributes, func(o directory.Attribute) bool { return strings.EqualFold(o.Name, name) })
		if i < 0 && directory.IsBuiltIn(name) {
			return errs.Conflict("attribute_built_in", "The attribute %q is one that every workspace has.", clip(name))
		}
		if i < 0 {
			return unknownAttribute(p.after, name)
		}
		is := p.after.Attributes[i]
		p.after.Attributes = slices.Delete(p.after.Attributes, i, i+1)
		if wrong := wrongTable(p.after); wrong != "" {
			return errs.Conflict("attribute_mapped", "The attribute %q is still mapped (%s). Take it out of that table first.", is.Name, firstWords(wrong))
		}
		return nil
	})
}

// firstWords is the key at which wrongTable begins.
func firstWords(wrong string) string {
	key, _, _ := strings.Cut(wrong, ": ")
	return key
}

// SetAttributeMap says where a directory or a connection, by name or id, has the values of attributes. An attribute that m
// does not name is as in every directory, of a connection nowhere. seen is the TableView.Word that the change was made on,
// "" for any; where somebody has changed the table since, that is a conflict, changed_meanwhile.
func (s *Service) SetAttributeMap(ctx context.Context, slug, kind, nameOrID string, m directory.AttributeMap, seen string, actor audit.Party) (TableView, error) {
	var view TableView
	err := s.edit(ctx, slug, actor, func(p *plan) error {
		t, err := tableOf(p.after, kind, nameOrID)
		if err != nil {
			return err
		}
		if seen != "" && seen != tableWord(t.own) {
			return errs.Conflict("changed_meanwhile", "Somebody changed this table after the page was shown. Look at it as it is now.")
		}
		checked, err := checkMap(p.after, m, t.kind)
		if err != nil {
			return err
		}
		t.set(checked)
		view = viewTable(p.after, t.kind, t.id, t.name, checked)
		return nil
	})
	return view, err
}

func checkMap(cfg *directory.Config, m directory.AttributeMap, kind string) (directory.AttributeMap, error) {
	checked, at, wrong := cfg.CheckAttributeMap(m, kind == TableOfDirectory)
	if wrong != "" {
		return nil, errs.Invalid("attribute_map_invalid", "%s: %s", clip(at), wrong)
	}
	return checked, nil
}

// table is the table of a directory or connection in a configuration.
type table struct {
	kind, id, name string
	own            directory.AttributeMap
	set            func(directory.AttributeMap)
}

func tableOf(cfg *directory.Config, kind, nameOrID string) (table, error) {
	switch kind {
	case TableOfDirectory:
		d, err := directoryOf(cfg, nameOrID)
		if err != nil {
			return table{}, err
		}
		i := slices.IndexFunc(cfg.Directories, func(o directory.Directory) bool { return o.ID == d.ID })
		return table{kind, d.ID, d.Name, d.Map, func(m directory.AttributeMap) { cfg.Directories[i].Map = m }}, nil
	case TableOfConnection:
		c, err := connectionOf(cfg, nameOrID)
		if err != nil {
			return table{}, err
		}
		i := slices.IndexFunc(cfg.Connections, func(o directory.Connection) bool { return o.ID == c.ID })
		return table{kind, c.ID, c.Name, c.Map, func(m directory.AttributeMap) { cfg.Connections[i].Map = m }}, nil
	}
	return table{}, errs.Invalid("kind_unknown", "Expected directory or connection, received %s.", quote(kind))
}
