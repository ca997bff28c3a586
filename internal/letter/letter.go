package letter

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"strings"
	"unicode"
)

// Letter is the content of one e-mail. All texts are plain; a Name in them was made by Name.
type Letter struct {
	Subject   string   `json:"subject"`
	Workspace string   `json:"workspace"` // its name, at the top
	Hello     string   `json:"hello"`     // name of whom it is to, or ""
	Lines     []string `json:"lines"`     // paragraphs before the button
	Button    string   `json:"button"`    // its words, "" for none
	// Link is where the button leads: an absolute address, or a path of ours.
	Link  string   `json:"link"`
	After []string `json:"after"` // paragraphs behind the button
	Why   string   `json:"why"`   // small print: why somebody gets this
}

//go:embed letter.html
var files embed.FS

var page = template.Must(template.ParseFS(files, "letter.html"))

// HTML is the letter as a page that loads nothing.
func (l Letter) HTML() (string, error) {
	var out bytes.Buffer
	if err := page.Execute(&out, l); err != nil {
		return "", fmt.Errorf("write letter: %w", err)
	}
	return out.String(), nil
}

// Text is the letter as plain text.
func (l Letter) Text() string {
	var b strings.Builder
	b.WriteString("Hello")
	if l.Hello != "" {
		b.WriteString(" " + l.Hello)
	}
	b.WriteString(",\n")
	for _, line := range l.Lines {
		b.WriteString("\n" + line + "\n")
	}
	if l.Button != "" {
		b.WriteString("\n" + l.Button + ":\n" + l.Link + "\n")
	}
	for _, line := range l.After {
		b.WriteString("\n" + line + "\n")
	}
	b.WriteString("\n-- \n" + l.Workspace + "\n")
	if l.Why != "" {
		b.WriteString(l.Why + "\n")
	}
	return b.String()
}

// maxName is how much of a name is written, in characters.
const maxName = 80

// Name is a name as it can stand in a letter: one line of at most 80 characters, none of which controls anything.
// A name that runs from right to left is isolated, so that it does not turn what follows.
func Name(s string) string {
	var b strings.Builder
	n, space, rightToLeft := 0, false, false
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case unicode.IsSpace(r) || r == '\u2028' || r == '\u2029':
			space = n > 0
			continue
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && r != '\u200c' && r != '\u200d':
			continue // directional overrides above all; joiners belong to the spelling of names
		}
		if n >= maxName {
			b.WriteRune('…')
			break
		}
		if space {
			b.WriteByte(' ')
			n++
			space = false
		}
		b.WriteRune(r)
		n++
		rightToLeft = rightToLeft || unicode.In(r, unicode.Arabic, unicode.Hebrew, unicode.Syriac, unicode.Thaana, unicode.Nko)
	}
	if rightToLeft {
		return "\u2068" + b.String() + "\u2069" // first strong isolate, pop
	}
	return b.String()
}
