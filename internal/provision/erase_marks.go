package provision

import (
	"bytes"
	"encoding/json"
	"html"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// marks are what an erased member is looked for by, in what is not theirs alone.
type marks struct {
	Member    string   `json:"-"`
	Resources []string `json:"resources"` // SCIM ids
	// Names are addresses, user names and other names that are one person's, folded.
	Names []string `json:"names"`
	// Called are names as people have them, folded: looked for in texts, and not taken for what somebody is
	// identified by.
	Called []string `json:"called"`
}

// Erased stands where a personal value stood.
const Erased = "[erased]"

// formerEvents is how many events are asked for former names.
const formerEvents = 500

func marksOf(tx *store.Tx, m *directory.Member) (marks, error) {
	out := marks{Member: m.ID}
	out.name(m.Email)
	out.called(m.Name, m.GivenName+" "+m.FamilyName, m.FamilyName+", "+m.GivenName)
	for _, v := range m.Attributes {
		if directory.IsAddress(v) {
			out.name(v)
		}
	}
	links, err := tx.IdentitiesOf(m.ID)
	if err != nil {
		return out, err
	}
	for _, l := range links {
		out.name(l.Shown, l.Email)
	}
	resources, err := tx.SCIMUsersOfMember(m.ID)
	if err != nil {
		return out, err
	}
	subjects := []string{m.ID}
	for _, u := range resources {
		out.Resources = append(out.Resources, u.ID)
		subjects = append(subjects, u.ID)
		out.name(u.UserName, u.ExternalID)
		out.document(u.Document)
	}
	for _, subject := range subjects {
		events, err := tx.EventsOf(subject, formerEvents)
		if err != nil {
			return out, err
		}
		for _, e := range events {
			if directory.IsAddress(e.Subject.Name) {
				out.name(e.Subject.Name)
			}
			for _, c := range e.Changes {
				if slices.Contains(naming, c.Field) {
					out.name(c.From, c.To)
				}
			}
		}
	}
	for _, list := range []*[]string{&out.Names, &out.Called} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	err = out.share(tx, resources)
	return out, err
}

// share leaves out the names that are somebody else's as well: who took the member's place, or has come again, goes on
// with them.
func (m *marks) share(tx *store.Tx, resources []store.SCIMUser) error {
	shared := map[string]bool{}
	for _, name := range m.Names {
		others, err := tx.MembersByEmail(name)
		if err != nil {
			return err
		}
		shared[name] = slices.ContainsFunc(others, func(o directory.Member) bool { return o.ID != m.Member })
	}
	for _, u := range resources {
		claims, err := tx.SCIMUserClaims(u.Directory, u.UserName, u.ExternalID)
		if err != nil {
			return err
		}
		for _, c := range claims {
			if c.Member != m.Member {
				shared[directory.Fold(c.UserName)], shared[directory.Fold(c.ExternalID)] = true, true
			}
		}
	}
	m.Names = slices.DeleteFunc(m.Names, func(name string) bool { return shared[name] })
	return nil
}

// naming are the fields of changes whose values were names of the member.
var naming = []string{"email", "userName", "user_name", "externalId", "external_id", "address"}

func (m *marks) name(values ...string) {
	for _, v := range values {
		if v = directory.Fold(strings.TrimSpace(v)); v != "" {
			m.Names = append(m.Names, v)
		}
	}
}

// called takes names of two words and more: others share a single one.
func (m *marks) called(values ...string) {
	for _, v := range values {
		v = directory.Fold(strings.Join(strings.Fields(v), " "))
		if strings.Contains(strings.Trim(v, " ,"), " ") {
			m.Called = append(m.Called, strings.Trim(v, " ,"))
		}
	}
}

// document takes what a SCIM document has of addresses and names.
func (m *marks) document(text string) {
	var d struct {
		DisplayName string                     `json:"displayName"`
		Name        struct{ Formatted string } `json:"name"`
		Emails      []struct{ Value string }   `json:"emails"`
		Phones      []struct{ Value string }   `json:"phoneNumbers"`
	}
	if json.Unmarshal([]byte(text), &d) != nil {
		return
	}
	m.called(d.DisplayName, d.Name.Formatted)
	for _, v := range slices.Concat(d.Emails, d.Phones) {
		m.name(v.Value)
	}
}

// isName reports whether value is one of the names.
func (m *marks) isName(value string) bool {
	return slices.Contains(m.Names, directory.Fold(strings.TrimSpace(value)))
}

// theirs reports whether an id is the member's or one of their resources'.
func (m *marks) theirs(id string) bool {
	return id != "" && (id == m.Member || slices.Contains(m.Resources, id))
}

// shortName is below how many characters a name counts only where it is the whole of a value.
const shortName = 5

// inValue reports whether one value says who the member is: a name stands in it by itself.
func (m *marks) inValue(value string) bool {
	for _, v := range readings(value) {
		v = directory.Fold(v)
		for _, name := range m.Names {
			if v == name || utf8.RuneCountInString(name) >= shortName && standsIn(v, name) {
				return true
			}
		}
	}
	return false
}

// inSpeech reports whether a value has the name by which people call the member, which others may have too.
func (m *marks) inSpeech(value string) bool {
	for _, v := range readings(value) {
		v = directory.Fold(v)
		if slices.ContainsFunc(m.Called, func(name string) bool { return standsIn(v, name) }) {
			return true
		}
	}
	return false
}

// readings are what a text may mean: itself, and what it is unescaped.
func readings(value string) []string {
	out := []string{value}
	if strings.ContainsAny(value, "%+") {
		if v, err := url.QueryUnescape(value); err == nil && v != value {
			out = append(out, v)
		}
	}
	if strings.Contains(value, "&") {
		out = append(out, html.UnescapeString(value))
	}
	return out
}

// standsIn reports whether name is in text and no letter or digit is next to it.
func standsIn(text, name string) bool {
	for at := 0; ; {
		i := strings.Index(text[at:], name)
		if i < 0 {
			return false
		}
		before, _ := utf8.DecodeLastRuneInString(text[:at+i])
		after, _ := utf8.DecodeRuneInString(text[at+i+len(name):])
		if !wordly(before) && !wordly(after) {
			return true
		}
		at += i + len(name)
	}
}

func wordly(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

// inText reports whether any value of a text, JSON or not, says who the member is.
func (m *marks) inText(text string) bool {
	var value any
	if !decode(text, &value) {
		return m.inValue(text)
	}
	found := false
	eachString(value, func(s string) string {
		found = found || m.inValue(s)
		return s
	})
	return found
}

// without returns JSON with instead in the place of all values that names holds for, other text whole or not at all.
func without(names func(value string) bool, text, instead string) string {
	var value any
	if !decode(text, &value) {
		if names(text) {
			return instead
		}
		return text
	}
	found := false
	value = eachString(value, func(s string) string {
		if names(s) {
			found = true
			return instead
		}
		return s
	})
	if !found {
		return text
	}
	out, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	return string(out)
}

// decode reads JSON that is an object or a list, and leaves its numbers as they are.
func decode(text string, value *any) bool {
	if !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "[") {
		return false
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	return d.Decode(value) == nil
}

// eachString replaces every string of a decoded value, names of members too, by what fn makes of it. JSON in a string is
// one string.
func eachString(value any, fn func(string) string) any {
	switch v := value.(type) {
	case string:
		return fn(v)
	case []any:
		for i := range v {
			v[i] = eachString(v[i], fn)
		}
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, inner := range v {
			out[fn(key)] = eachString(inner, fn)
		}
		return out
	}
	return value
}

// plain are the fields of changes whose values are never personal.
var plain = []string{"role", "status", "deactivated_by", "role_source", "group", "active", "break_glass", "member", "session", "sessions", "ended", "until", "directory", "connection", "more"}

// leftOut stands in the place of a payload.
func leftOut(member string) string {
	return `{"erased":` + quoted(member) + `}`
}

func quoted(s string) string {
	out, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(out)
}

// scrub takes the member out of one row.
func (m *marks) scrub(tx *store.Tx, t *store.TraceTable, row store.TraceRow) {
	is := store.TraceRow{Key: row.Key, Read: row.Read, Columns: slices.Clone(row.Columns)}
	own := slices.ContainsFunc(row.Read, m.theirs)
	switch t.Name {
	case "event":
		if m.event(&is) {
			tx.ReplacePayload(row.Key[0], []byte(leftOut(m.Member)))
		}
	case "event_payload":
		if m.inText(is.Columns[0]) {
			is.Columns[0] = leftOut(m.Member)
		} else {
			is.Columns[0] = without(m.inSpeech, is.Columns[0], Erased)
		}
	case "sign_in_attempt", "import_row":
		if own || slices.ContainsFunc(is.Columns, m.inText) {
			is.Columns = make([]string, len(is.Columns))
		}
	case "session":
		if own {
			is.Columns = make([]string, len(is.Columns))
		}
	case "mail_once":
		if m.inText(is.Columns[0]) {
			tx.DeleteTrace(t, row)
			return
		}
	case "job":
		if strings.HasPrefix(row.Read[0], store.MailKind) && m.addressed(is.Columns[0]) {
			tx.DeleteTrace(t, row)
			return
		}
		m.each(&is, "")
	default:
		m.each(&is, Erased)
	}
	tx.ReplaceTrace(t, row, is)
}

func (m *marks) each(row *store.TraceRow, instead string) {
	for i, text := range row.Columns {
		row.Columns[i] = without(m.inValue, text, instead)
	}
}

// addressed reports whether a letter goes to the member.
func (m *marks) addressed(body string) bool {
	var to struct {
		Member string `json:"member"`
	}
	return json.Unmarshal([]byte(body), &to) == nil && to.Member == m.Member
}

// event takes the member out of an event, whose columns are subject_id, subject_name, actor, reason and changes, and
// reports whether it is about them, so that its payload goes as well. What remains is that it happened, when, in
// which place of the log, by whom and to whom by their ids.
func (m *marks) event(row *store.TraceRow) (about bool) {
	id, name, actorText, reason, changesText := &row.Columns[0], &row.Columns[1], &row.Columns[2], &row.Columns[3], &row.Columns[4]
	about = m.theirs(*id)
	if !about && !strings.HasPrefix(*id, "mem_") && (m.isName(*id) || m.inValue(*name)) {
		*id, about = m.Member, true
	}
	if about {
		*name = ""
	}
	var actor audit.Party
	if json.Unmarshal([]byte(*actorText), &actor) == nil {
		// Where a stranger came from who tried to be them says where they were.
		if actor.ID == m.Member || m.inValue(actor.Name) || about && actor.Kind == "stranger" {
			actor.Name = ""
			if out, err := json.Marshal(actor); err == nil {
				*actorText = string(out)
			}
		}
	}
	if m.inValue(*reason) {
		*reason = "erased"
	}
	var changes []audit.Change
	if json.Unmarshal([]byte(*changesText), &changes) != nil || len(changes) == 0 {
		return about
	}
	for i := range changes {
		c := &changes[i]
		if m.inValue(c.Field) {
			c.Field = Erased
		}
		for _, v := range []*string{&c.From, &c.To} {
			if *v != "" && !slices.Contains(plain, c.Field) && (about || m.inValue(*v)) {
				*v = Erased
			}
		}
	}
	if out, err := json.Marshal(changes); err == nil {
		*changesText = string(out)
	}
	return about
}
