package guide

import (
	"fmt"
	"strings"
)

// Markdown is the guide as a text, for people and for machines.
func (g Guide) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", g.Title)
	list(&b, "What you need", g.Needs)
	b.WriteString("## Steps\n\n")
	for i, s := range g.Steps {
		fmt.Fprintf(&b, "%d. %s\n", i+1, s.Do)
		for _, f := range s.Fields {
			b.WriteString("   - " + f.line() + "\n")
		}
	}
	if len(g.Bring) > 0 {
		b.WriteString("\n## What to bring back to Gatehouse\n\n")
		for _, f := range g.Bring {
			fmt.Fprintf(&b, "- **%s**: %s%s\n", f.What, f.Where, dotted(f.Note))
		}
	}
	if g.Groups != "" {
		fmt.Fprintf(&b, "\n## Groups\n\n%s\n", g.Groups)
	}
	if len(g.Warnings) > 0 {
		b.WriteString("\n")
		list(&b, "Mind", g.Warnings)
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// line is a field in one line.
func (f Field) line() string {
	switch {
	case f.Choose:
		return fmt.Sprintf("**%s**: %s%s", f.Name, f.Value, dotted(f.Note))
	case f.Value == "":
		return fmt.Sprintf("**%s**: leave it empty%s", f.Name, dotted(f.Note))
	}
	return fmt.Sprintf("**%s**: `%s`%s", f.Name, f.Value, dotted(f.Note))
}

func dotted(note string) string {
	if note == "" {
		return ""
	}
	return ". " + note
}

func list(b *strings.Builder, title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(b, "## %s\n\n", title)
	for _, line := range lines {
		b.WriteString("- " + line + "\n")
	}
	b.WriteString("\n")
}

// Index is llms.txt: where each guide is, at address(guide).
func Index(address func(Guide) string) string {
	var b strings.Builder
	b.WriteString("# Gatehouse\n\n> Single sign-on by SAML 2.0 and OpenID Connect, and provisioning by SCIM 2.0, for the workspaces of a product. These are the guides for the administrators of identity providers; an address with CONNECTION in it is that of one connection, and its page in the console has the real one.\n\n")
	b.WriteString("## Set-up guides\n\n")
	for _, g := range All() {
		fmt.Fprintf(&b, "- [%s](%s)\n", g.Title, address(g))
	}
	return b.String()
}

// Table is the table of IdPs: which protocol each of them offers.
func Table() string {
	var b strings.Builder
	b.WriteString("| IdP | SAML | OIDC | SCIM |\n|---|---|---|---|\n")
	for _, row := range IdPs() {
		fmt.Fprintf(&b, "| %s |", row.Title)
		for _, p := range Protocols() {
			cell := "not offered"
			for _, yes := range row.Protocols {
				if yes == p {
					g := Guide{IdP: row.Name, Protocol: p}
					cell = fmt.Sprintf("[%s](%s.md)", g.ID(), g.ID())
				}
			}
			fmt.Fprintf(&b, " %s |", cell)
		}
		b.WriteString("\n")
	}
	return b.String()
}
