package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/settings"
)

type attributeCommand struct {
	List    attributeListCommand    `cmd:"" help:"List the attributes of people, and where their values come from."`
	Define  attributeDefineCommand  `cmd:"" help:"Define an attribute, or change what one is."`
	Remove  attributeRemoveCommand  `cmd:"" help:"Remove an attribute, and everybody's value of it."`
	Map     attributeMapCommand     `cmd:"" help:"Say where a directory or a connection has values."`
	Preview attributePreviewCommand `cmd:"" help:"Show what a mapping would give somebody. Nothing is changed."`
}

type attributeArgs struct {
	Workspace string              `json:"workspace"` // slug
	Attribute directory.Attribute `json:"attribute"`
	Name      string              `json:"name,omitempty"` // of the attribute
	// Of the directory or connection, by name or id.
	Directory  string `json:"directory,omitempty"`
	Connection string `json:"connection,omitempty"`
	// Set are lines of the table to change.
	Set     directory.AttributeMap `json:"set,omitempty"`
	Who     string                 `json:"who,omitempty"`
	Attempt string                 `json:"attempt,omitempty"`
}

// source is the kind and the name of the table that is meant.
func (a attributeArgs) source() (kind, of string, err error) {
	switch {
	case (a.Directory == "") == (a.Connection == ""):
		return "", "", usagef("attribute: expected either --directory or --connection")
	case a.Directory != "":
		return settings.TableOfDirectory, a.Directory, nil
	}
	return settings.TableOfConnection, a.Connection, nil
}

type attributeListCommand struct{ workspaceFlag }

func (c *attributeListCommand) Run(ctx context.Context, p *program) error {
	return p.showAttributes(ctx, "attribute.list", attributeArgs{Workspace: c.Workspace})
}

func (p *program) showAttributes(ctx context.Context, verb string, args attributeArgs) error {
	v, err := call[settings.AttributesView](ctx, p, verb, args)
	if err != nil {
		return err
	}
	return p.show(v, func(w io.Writer) {
		for _, a := range v.Attributes {
			words := []string{a.Type}
			if len(a.Choices) > 0 {
				words = append(words, strings.Join(a.Choices, " | "))
			}
			if a.Required {
				words = append(words, "required")
			}
			if !a.Visible {
				words = append(words, "hidden from applications")
			}
			fmt.Fprint(w, cells(a.Name, a.Label, strings.Join(words, ", ")))
		}
		for _, t := range v.Tables {
			fmt.Fprintf(w, "\n%s %s\n", t.Kind, t.Name)
			for _, r := range t.Rows {
				fmt.Fprint(w, cells("  "+r.Attribute, strings.Join(r.Sources, ", ")))
			}
		}
	})
}

func listAttributes(ctx context.Context, a *app, _ audit.Party, args attributeArgs) (settings.AttributesView, error) {
	return a.settings.Attributes(ctx, args.Workspace)
}

type attributeDefineCommand struct {
	workspaceFlag
	Name     string   `arg:"" help:"The name, as applications see it."`
	Type     string   `default:"string" help:"string, integer, number, boolean, date, list or choice (default string)."`
	Label    string   `help:"What people see as its name."`
	Choice   []string `sep:"none" placeholder:"VALUE" help:"A value of a choice; give it several times."`
	Required bool     `help:"A source that gives it has to give a value."`
	Hidden   bool     `help:"Applications are not told of it."`
}

func (attributeDefineCommand) Help() string {
	return `An attribute that is there becomes what is said here, as a whole. A value that is none of the new kind
is lost; those of a directory are read again from what it sent.

Examples:

  gatehouse attribute define --workspace acme badgeNumber --type integer --label "Badge number"
  gatehouse attribute define --workspace acme shift --type choice --choice early --choice late`
}

func (c *attributeDefineCommand) Run(ctx context.Context, p *program) error {
	a := directory.Attribute{Label: c.Label, Type: directory.AttributeType(c.Type), Choices: c.Choice, Required: c.Required, Hidden: c.Hidden}
	return p.showAttributes(ctx, "attribute.define", attributeArgs{Workspace: c.Workspace, Name: c.Name, Attribute: a})
}

func defineAttribute(ctx context.Context, a *app, by audit.Party, args attributeArgs) (settings.AttributesView, error) {
	all, err := a.settings.Attributes(ctx, args.Workspace)
	if err != nil {
		return all, err
	}
	args.Attribute.Name = args.Name
	there := slices.ContainsFunc(all.Attributes, func(v settings.AttributeView) bool { return strings.EqualFold(v.Name, args.Name) })
	if _, err := a.settings.DefineAttribute(ctx, args.Workspace, args.Attribute, !there, by); err != nil {
		return all, err
	}
	return a.settings.Attributes(ctx, args.Workspace)
}

type attributeRemoveCommand struct {
	workspaceFlag
	Name string `arg:"" help:"The attribute."`
}

func (attributeRemoveCommand) Help() string {
	return `One that every workspace has becomes again what it is everywhere. While a mapping names it, it stays.`
}

func (c *attributeRemoveCommand) Run(ctx context.Context, p *program) error {
	return p.showAttributes(ctx, "attribute.remove", attributeArgs{Workspace: c.Workspace, Name: c.Name})
}

func removeAttribute(ctx context.Context, a *app, by audit.Party, args attributeArgs) (settings.AttributesView, error) {
	if err := a.settings.RemoveAttribute(ctx, args.Workspace, args.Name, by); err != nil {
		return settings.AttributesView{}, err
	}
	return a.settings.Attributes(ctx, args.Workspace)
}

// sourceFlags name the table that is meant, and lines of it.
type sourceFlags struct {
	workspaceFlag
	Directory  string   `placeholder:"NAME" help:"The directory, by name or id."`
	Connection string   `placeholder:"NAME" help:"Or the connection."`
	Set        []string `sep:"none" placeholder:"ATTRIBUTE=SOURCE" help:"Where an attribute is: a path of SCIM, or an attribute or claim; given again for the same attribute, a further source, asked where those before have nothing. With nothing behind the = the attribute is not taken from here."`
}

// args reads the lines that are set.
func (c sourceFlags) args() (attributeArgs, error) {
	out := attributeArgs{Workspace: c.Workspace, Directory: c.Directory, Connection: c.Connection}
	for _, line := range c.Set {
		name, source, ok := strings.Cut(line, "=")
		if !ok || name == "" {
			return out, usagef("attribute: expected --set ATTRIBUTE=SOURCE, received %q", line)
		}
		if out.Set == nil {
			out.Set = directory.AttributeMap{}
		}
		list := out.Set[name]
		if list == nil {
			list = []string{}
		}
		if source != "" {
			list = append(list, source)
		}
		out.Set[name] = list
	}
	_, _, err := out.source()
	return out, err
}

type attributeMapCommand struct{ sourceFlags }

func (attributeMapCommand) Help() string {
	return `Lines that are not named stay. See first what a mapping would give: gatehouse attribute preview.

Examples:

  gatehouse attribute map --workspace acme --directory okta \
    --set badgeNumber=urn:ietf:params:scim:schemas:extension:acme:2.0:User:badgeNumber
  gatehouse attribute map --workspace acme --connection entra --set department=department --set department=dept`
}

func (c *attributeMapCommand) Run(ctx context.Context, p *program) error {
	args, err := c.args()
	if err != nil {
		return err
	}
	if len(args.Set) == 0 {
		return usagef("attribute map: expected at least one --set ATTRIBUTE=SOURCE")
	}
	return p.showAttributes(ctx, "attribute.map", args)
}

// changed is a table as it is, with the lines that are set.
func changedTable(ctx context.Context, a *app, args attributeArgs) (m directory.AttributeMap, seen string, err error) {
	kind, of, err := args.source()
	if err != nil {
		return nil, "", err
	}
	all, err := a.settings.Attributes(ctx, args.Workspace)
	if err != nil {
		return nil, "", err
	}
	m = directory.AttributeMap{}
	for _, t := range all.Tables {
		if t.Kind != kind || t.ID != of && !strings.EqualFold(t.Name, of) {
			continue
		}
		seen = t.Word
		for _, v := range all.Attributes {
			m[v.Name] = []string{}
		}
		for _, r := range t.Rows {
			m[r.Attribute] = r.Sources
		}
	}
	for name, sources := range args.Set {
		for _, v := range all.Attributes {
			if strings.EqualFold(v.Name, name) {
				name = v.Name
			}
		}
		m[name] = sources
	}
	return m, seen, nil
}

func mapAttributes(ctx context.Context, a *app, by audit.Party, args attributeArgs) (settings.AttributesView, error) {
	m, seen, err := changedTable(ctx, a, args)
	if err != nil {
		return settings.AttributesView{}, err
	}
	kind, of, _ := args.source()
	if _, err := a.settings.SetAttributeMap(ctx, args.Workspace, kind, of, m, seen, by); err != nil {
		return settings.AttributesView{}, err
	}
	return a.settings.Attributes(ctx, args.Workspace)
}

type attributePreviewCommand struct {
	sourceFlags
	Who     string `arg:"" optional:"" help:"Of a directory, somebody of it: an id or an address."`
	Attempt string `placeholder:"ID" help:"Of a connection, the attempt to sign in whose message is read (default the newest)."`
}

func (attributePreviewCommand) Help() string {
	return `Examples:

  gatehouse attribute preview --workspace acme --directory okta ada@acme.com --set title=userType
  gatehouse attribute preview --workspace acme --connection entra --set department=dept`
}

func (c *attributePreviewCommand) Run(ctx context.Context, p *program) error {
	args, err := c.args()
	if err != nil {
		return err
	}
	args.Who, args.Attempt = c.Who, c.Attempt
	v, err := call[settings.AttributePreview](ctx, p, "attribute.preview", args)
	if err != nil {
		return err
	}
	return p.show(v, func(w io.Writer) {
		fmt.Fprintf(w, "%s %s, %s\n", v.Kind, v.Of, v.From)
		if v.Note != "" {
			fmt.Fprintln(w, v.Note)
		}
		for _, l := range v.Lines {
			word := "stays"
			if l.Changes {
				word = fmt.Sprintf("%q becomes", l.Now)
			}
			fmt.Fprint(w, cells(l.Attribute, fmt.Sprintf("%s %q", word, l.Becomes), l.Source))
			if l.Why != "" {
				fmt.Fprint(w, cells("", l.Why))
			}
			for _, d := range l.Dropped {
				fmt.Fprint(w, cells("", "left out, from "+d.Source+": "+d.Why))
			}
		}
	})
}

func previewAttributes(ctx context.Context, a *app, _ audit.Party, args attributeArgs) (settings.AttributePreview, error) {
	kind, of, err := args.source()
	if err != nil {
		return settings.AttributePreview{}, err
	}
	ask := settings.PreviewAsk{Kind: kind, Of: of, Who: args.Who, Attempt: args.Attempt}
	if args.Set != nil {
		m, _, err := changedTable(ctx, a, args)
		if err != nil {
			return settings.AttributePreview{}, err
		}
		ask.Map = &m
	}
	return a.settings.PreviewAttributes(ctx, args.Workspace, ask)
}
