package settings

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// PreviewAsk is a question what a table would make of one person.
type PreviewAsk struct {
	Kind string // TableOfDirectory or TableOfConnection
	Of   string // name or id
	// Map is the table to try; nil for the one that is.
	Map *directory.AttributeMap
	// Who is a person of the directory, by id or address of the member.
	Who string
	// Attempt is the id of an attempt to sign in, or test, whose message the connection kept; "" for its newest.
	Attempt string
}

// AttributePreview is what a table would give one person. Nothing is changed by it.
type AttributePreview struct {
	Kind string `json:"kind"`
	Of   string `json:"of"`   // name
	From string `json:"from"` // whose document or message it is
	// Attempt is the one whose message was read, "" for a directory.
	Attempt string        `json:"attempt,omitempty"`
	Member  string        `json:"member,omitempty"` // id of whom it is about, where known
	Note    string        `json:"note,omitempty"`
	Lines   []PreviewLine `json:"lines"`
}

// PreviewLine is what one attribute would get.
type PreviewLine struct {
	Attribute string           `json:"attribute"`
	Label     string           `json:"label"`
	Source    string           `json:"source,omitempty"` // of those asked, the one that had it
	Given     string           `json:"given,omitempty"`  // as it came
	Now       string           `json:"now"`              // what the member has
	Becomes   string           `json:"becomes"`
	Why       string           `json:"why,omitempty"` // where becomes is not what the source gives
	Dropped   []PreviewDropped `json:"dropped,omitempty"`
	Changes   bool             `json:"changes"`
}

// PreviewDropped is a value that would not be taken.
type PreviewDropped struct {
	Source string `json:"source"`
	Value  string `json:"value"`
	Why    string `json:"why"`
}

// PreviewAttributes shows what a table would make of a real person of a directory, or of a message that a connection
// kept, before it is saved.
func (s *Service) PreviewAttributes(ctx context.Context, slug string, ask PreviewAsk) (AttributePreview, error) {
	var out AttributePreview
	err := s.readWorkspace(ctx, slug, func(tx *store.Tx, cfg *directory.Config) error {
		cfg = clone(cfg)
		t, err := tableOf(cfg, ask.Kind, ask.Of)
		if err != nil {
			return err
		}
		if ask.Map != nil {
			checked, err := checkMap(cfg, *ask.Map, t.kind)
			if err != nil {
				return err
			}
			t.set(checked)
			t.own = checked
		}
		out = AttributePreview{Kind: t.kind, Of: t.name, Lines: []PreviewLine{}}
		if t.kind == TableOfDirectory {
			return previewPerson(tx, cfg, t, ask.Who, &out)
		}
		return previewMessage(tx, cfg, t, ask.Attempt, &out)
	})
	return out, err
}

func previewPerson(tx *store.Tx, cfg *directory.Config, t table, who string, out *AttributePreview) error {
	if strings.TrimSpace(who) == "" {
		return errs.Invalid("who_missing", "Expected a person of the directory, by address or id.")
	}
	m, err := tx.Member(who)
	if errs.Is(err, errs.KindNotFound) {
		m, err = tx.MemberByEmail(who)
	}
	if err != nil {
		return err
	}
	resources, err := tx.SCIMUsersOfMember(m.ID)
	if err != nil {
		return err
	}
	u := provision.ResourceOf(m, resources)
	if m.Directory != t.id || u == nil {
		return errs.NotFound("not_of_directory", "The directory %q does not own %s. Choose one of its people.", t.name, m.Email)
	}
	d, _ := cfg.Directory(t.id)
	given := provision.Reading(cfg, d, u)
	out.From, out.Member = u.UserName, m.ID
	after := *m
	after.Attributes = cfg.EffectiveAttributes(m, directory.ValuesOf(given))
	out.lines(cfg, given, m, &after, "")
	if name, _ := directory.Lacking(given); name != "" {
		out.Note = name + " is required: the directory's next change of this person would be refused until it is given."
	}
	return nil
}

func previewMessage(tx *store.Tx, cfg *directory.Config, t table, attempt string, out *AttributePreview) error {
	a, err := messageOf(tx, t, attempt)
	if err != nil {
		return err
	}
	e, err := tx.Event(a.Event)
	if err != nil {
		return err
	}
	said, note, err := saidIn(e.Payload)
	if err != nil {
		return err
	}
	out.Attempt, out.From, out.Note = a.ID, a.Name, note
	given := directory.Ask(cfg.AttributeTable(t.own, false), said)
	before, after := &directory.Member{}, &directory.Member{}
	if a.Member != "" {
		if before, err = tx.Member(a.Member); err != nil {
			return err
		}
		if after, err = provision.Supposing(tx, cfg, before, t.id, given); err != nil {
			return err
		}
		out.Member, out.From = before.ID, before.Email
	} else {
		after.Attributes = directory.ValuesOf(given)
	}
	owner := ""
	if d, ok := cfg.Directory(before.Directory); ok && before.Directory != "" {
		owner = d.Name
	}
	out.lines(cfg, given, before, after, owner)
	return nil
}

// lines fills in the lines: of each attribute that the table names, and of those that the person would lose.
func (p *AttributePreview) lines(cfg *directory.Config, given []directory.Given, before, after *directory.Member, owner string) {
	for _, a := range cfg.AllAttributes() {
		i := slices.IndexFunc(given, func(g directory.Given) bool { return g.Attribute.Name == a.Name })
		now, becomes := before.Attributes[a.Name], after.Attributes[a.Name]
		if i < 0 && now == becomes {
			continue
		}
		line := PreviewLine{Attribute: a.Name, Label: a.Title(), Now: a.Shown(now), Becomes: a.Shown(becomes), Changes: now != becomes}
		switch {
		case i < 0:
			line.Why = "the table does not name it any more"
		default:
			g := given[i]
			line.Source, line.Given = g.Source, a.Shown(g.Value)
			for _, d := range g.Dropped {
				line.Dropped = append(line.Dropped, PreviewDropped{d.Source, d.Value, d.Why})
			}
			if g.Value != becomes && becomes != "" && owner != "" {
				line.Why = "what the directory " + owner + " says comes first"
			} else if g.Value != becomes && becomes != "" {
				line.Why = "another source has it"
			}
		}
		p.Lines = append(p.Lines, line)
	}
}

// messageOf finds the attempt to read: one of the connection whose message was verified.
func messageOf(tx *store.Tx, t table, id string) (*store.Attempt, error) {
	none := errs.NotFound("no_message", "The connection %q has kept no verified message yet. Test it, or have somebody sign in; then look again.", t.name)
	if id != "" {
		a, err := tx.Attempt(id)
		if err != nil {
			return nil, err
		}
		if a.Connection != t.id || a.Event == "" || a.Loose {
			return nil, none
		}
		return a, nil
	}
	page, _, err := tx.Attempts(store.AttemptQuery{Connection: t.id, Limit: 50})
	if err != nil {
		return nil, err
	}
	for i := range page {
		if a := &page[i]; a.Event != "" && !a.Loose && !a.Open() {
			return a, nil
		}
	}
	return nil, none
}

// saidIn reads attributes or claims out of the message that an event kept. It was verified when it came; here it is only
// read, as far as it goes.
func saidIn(payload []byte) (said func(string) []any, note string, err error) {
	var p struct {
		XML    string              `json:"xml"`
		Claims relyingparty.Claims `json:"claims"`
	}
	if json.Unmarshal(payload, &p) == nil && len(p.Claims) > 0 {
		return p.Claims.Values, "", nil
	}
	if p.XML == "" {
		return nil, "", errs.NotFound("message_gone", "The message of this attempt is no longer kept, or was too long to be. Choose a newer one.")
	}
	values, whole, encrypted := samlAttributes(p.XML)
	switch {
	case encrypted && len(values) == 0:
		return nil, "", errs.Conflict("message_encrypted", "The message of this attempt was encrypted and is kept as it came, so that it cannot be read here.")
	case !whole:
		note = "The message was too long to be kept whole: attributes behind the cut are missing here."
	}
	return func(name string) []any { return values[name] }, note, nil
}

// samlAttributes collects the values of attributes by name.
func samlAttributes(text string) (values map[string][]any, whole, encrypted bool) {
	values = map[string][]any{}
	decoder := xml.NewDecoder(strings.NewReader(text))
	name, value, inside := "", "", false
	for {
		token, err := decoder.Token()
		if err != nil {
			return values, err.Error() == "EOF", encrypted
		}
		switch tok := token.(type) {
		case xml.StartElement:
			switch tok.Name.Local {
			case "EncryptedAssertion":
				encrypted = true
			case "Attribute":
				name = ""
				for _, a := range tok.Attr {
					if a.Name.Local == "Name" {
						name = a.Value
					}
				}
			case "AttributeValue":
				value, inside = "", true
			}
		case xml.CharData:
			if inside {
				value += string(tok)
			}
		case xml.EndElement:
			if tok.Name.Local == "AttributeValue" {
				inside = false
				if name != "" {
					values[name] = append(values[name], value)
				}
			}
		}
	}
}
