package directory

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// AttributeType is what values of an attribute of people are.
type AttributeType string

const (
	AttributeString  AttributeType = "string"
	AttributeInteger AttributeType = "integer" // within what JSON keeps exactly, 2^53 either side of zero
	AttributeNumber  AttributeType = "number"
	AttributeBoolean AttributeType = "boolean"
	AttributeDate    AttributeType = "date"   // 2026-12-31
	AttributeList    AttributeType = "list"   // of strings
	AttributeChoice  AttributeType = "choice" // one of Choices
)

// AttributeTypes lists them.
func AttributeTypes() []AttributeType {
	return []AttributeType{AttributeString, AttributeInteger, AttributeNumber, AttributeBoolean, AttributeDate, AttributeList, AttributeChoice}
}

// Attribute is something that a workspace knows of its people beside address, names and role.
type Attribute struct {
	Name  string        `json:"-"`
	Label string        `json:"label,omitempty"`
	Type  AttributeType `json:"type"`
	// Choices are the values of a choice, as they are spelt.
	Choices []string `json:"choices,omitempty"`
	// Required says that a source which maps it has to give a value of its type.
	Required bool `json:"required,omitempty"`
	// Hidden keeps it from the host application.
	Hidden bool `json:"hidden,omitempty"`
	// BuiltIn says that every workspace has it; one that defines it by the same name changes what it is there.
	BuiltIn bool `json:"-"`
}

// Limits of attributes. A person's values travel in tokens and stand in lists of people.
const (
	MaxAttributes      = 50       // that a workspace defines
	MaxAttributeName   = 64       // bytes
	MaxAttributeLabel  = 100      // bytes
	MaxChoices         = 100      // of one attribute
	MaxAttributeValue  = 1000     // bytes of one value, of each item of a list
	MaxAttributeItems  = 50       // of a list
	MaxAttributesTotal = 16 << 10 // bytes of everything that one source says of one person
	MaxAttributeSource = 5        // alternatives for one attribute
)

// builtIns are the attributes of SCIM's User and of its enterprise extension that are a plain text (RFC 7643 sections
// 4.1 and 4.3), with the labels that IdPs give them.
var builtIns = []struct{ name, label, path string }{
	{"title", "Title", "title"},
	{"department", "Department", enterpriseUser + ":department"},
	{"division", "Division", enterpriseUser + ":division"},
	{"organization", "Organization", enterpriseUser + ":organization"},
	{"costCenter", "Cost center", enterpriseUser + ":costCenter"},
	{"employeeNumber", "Employee number", enterpriseUser + ":employeeNumber"},
	{"userType", "User type", "userType"},
	{"nickName", "Nickname", "nickName"},
	{"preferredLanguage", "Preferred language", "preferredLanguage"},
	{"locale", "Locale", "locale"},
	{"timezone", "Time zone", "timezone"},
}

const enterpriseUser = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

// reservedAttributes mean something else wherever attributes are named.
var reservedAttributes = []string{"id", "sub", "email", "emails", "name", "firstName", "lastName", "given_name", "family_name", "displayName", "userName",
	"externalId", "role", "groups", "groups_delimiter", "subject", "active", "status", "password", "schemas", "meta", "workspace"}

var attributeName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

// CheckAttribute says in a clause what is wrong with a definition, "" for nothing. at is the part that is meant:
// "name", "label", "type" or "choices".
func CheckAttribute(a Attribute) (at, wrong string) {
	switch {
	case a.Name == "":
		return "name", "expected a name, received none"
	case len(a.Name) > MaxAttributeName || !attributeName.MatchString(a.Name):
		return "name", fmt.Sprintf("expected at most %d letters, digits and _, a letter first, received %s", MaxAttributeName, Shown(a.Name))
	case slices.ContainsFunc(reservedAttributes, func(s string) bool { return strings.EqualFold(s, a.Name) }):
		return "name", fmt.Sprintf("%q means something else already; choose another name", a.Name)
	case len(a.Label) > MaxAttributeLabel || badText(a.Label) != "":
		return "label", fmt.Sprintf("expected at most %d bytes without control characters", MaxAttributeLabel)
	case !slices.Contains(AttributeTypes(), a.Type):
		return "type", "expected one of string, integer, number, boolean, date, list, choice, received " + Shown(string(a.Type))
	case a.Type == AttributeChoice && len(a.Choices) == 0:
		return "choices", "expected the values of the choice, received none"
	case a.Type != AttributeChoice && len(a.Choices) > 0:
		return "choices", "expected only with the type choice"
	case len(a.Choices) > MaxChoices:
		return "choices", fmt.Sprintf("expected at most %d, received %d", MaxChoices, len(a.Choices))
	}
	for i, c := range a.Choices {
		switch {
		case strings.TrimSpace(c) == "" || c != strings.TrimSpace(c) || len(c) > MaxAttributeLabel || badText(c) != "":
			return "choices", fmt.Sprintf("expected values of at most %d bytes without control characters or spaces around them, received %s", MaxAttributeLabel, Shown(c))
		case slices.ContainsFunc(a.Choices[:i], func(other string) bool { return Fold(other) == Fold(c) }):
			return "choices", fmt.Sprintf("%s is there twice; letter case makes no difference", Shown(c))
		}
	}
	return "", ""
}

// Title is what people are shown as its name.
func (a Attribute) Title() string {
	if a.Label != "" {
		return a.Label
	}
	return a.Name
}

// AllAttributes are the built-in attributes, each as the workspace changed it, and then its own by name.
func (c *Config) AllAttributes() []Attribute {
	out := make([]Attribute, 0, len(builtIns)+len(c.Attributes))
	for _, b := range builtIns {
		a := Attribute{Name: b.name, Label: b.label, Type: AttributeString}
		if i := slices.IndexFunc(c.Attributes, func(own Attribute) bool { return strings.EqualFold(own.Name, b.name) }); i >= 0 {
			a = c.Attributes[i]
			a.Name = b.name
		}
		a.BuiltIn = true
		out = append(out, a)
	}
	for _, own := range c.Attributes {
		if !IsBuiltIn(own.Name) {
			out = append(out, own)
		}
	}
	return out
}

// IsBuiltIn reports a name that every workspace knows.
func IsBuiltIn(name string) bool {
	return slices.ContainsFunc(builtIns, func(b struct{ name, label, path string }) bool { return strings.EqualFold(b.name, name) })
}

// Attribute returns the attribute of that name, whatever its letter case.
func (c *Config) Attribute(name string) (Attribute, bool) {
	all := c.AllAttributes()
	i := slices.IndexFunc(all, func(a Attribute) bool { return strings.EqualFold(a.Name, name) })
	if i < 0 {
		return Attribute{}, false
	}
	return all[i], true
}

// Read makes a value of the attribute out of what a source gave, in the form in which values are kept: one text
// (a list's is a JSON array), "" where the source gave nothing. wrong says in a clause why there is none.
func (a Attribute) Read(given []any) (value, wrong string) {
	var texts []string
	for _, g := range given {
		text, why := textOf(g)
		if why != "" {
			return "", why
		}
		if text = strings.TrimSpace(text); text != "" {
			texts = append(texts, text)
		}
		if len(texts) > MaxAttributeItems {
			return "", fmt.Sprintf("it has more than %d values", MaxAttributeItems)
		}
	}
	if len(texts) == 0 {
		return "", ""
	}
	if a.Type == AttributeList {
		return listOf(texts)
	}
	// Of several values the first counts, as for the address.
	return a.one(texts[0])
}

func listOf(texts []string) (value, wrong string) {
	var out []string
	for _, text := range texts {
		if why := badText(text); why != "" {
			return "", why
		}
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return toJSON(out), ""
}

func (a Attribute) one(text string) (value, wrong string) {
	if why := badText(text); why != "" {
		return "", why
	}
	expected := func(what string) (string, string) { return "", "expected " + what + ", received " + Shown(text) }
	switch a.Type {
	case AttributeInteger:
		// 42.0 is how some IdPs write a whole number.
		n, err := strconv.ParseInt(strings.TrimSuffix(text, ".0"), 10, 64)
		if err != nil || n > 1<<53 || n < -(1<<53) {
			return expected("a whole number")
		}
		return strconv.FormatInt(n, 10), ""
	case AttributeNumber:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsInf(n, 0) || math.IsNaN(n) || strings.ContainsAny(text, "xXpP_") {
			return expected("a number")
		}
		return toJSON(n), ""
	case AttributeBoolean:
		switch strings.ToLower(text) {
		case "true", "1":
			return "true", ""
		case "false", "0":
			return "false", ""
		}
		return expected("true or false")
	case AttributeDate:
		if day, ok := dayOf(text); ok {
			return day, ""
		}
		return expected("a date such as 2026-12-31")
	case AttributeChoice:
		for _, c := range a.Choices {
			if Fold(c) == Fold(text) {
				return c, ""
			}
		}
		return expected("one of " + strings.Join(clippedChoices(a.Choices), ", "))
	}
	return text, ""
}

func clippedChoices(list []string) []string {
	const named = 10
	if len(list) > named {
		return append(slices.Clone(list[:named]), fmt.Sprintf("and %d more", len(list)-named))
	}
	return list
}

// dayOf reads a date, or the date of an instant as it is written there (SCIM's dateTime).
func dayOf(text string) (string, bool) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day.Format(time.DateOnly), day.Year() > 0
	}
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if at, err := time.Parse(form, text); err == nil {
			return at.Format(time.DateOnly), at.Year() > 0
		}
	}
	return "", false
}

// textOf is one value of a source as text. An object counts for its value, as SCIM's complex attributes have one.
func textOf(v any) (text, wrong string) {
	switch v := v.(type) {
	case nil:
		return "", ""
	case string:
		return v, ""
	case bool:
		return strconv.FormatBool(v), ""
	case json.Number:
		return v.String(), ""
	case float64:
		return toJSON(v), ""
	case map[string]any:
		switch inner := v["value"].(type) {
		case string, bool, json.Number, float64:
			return textOf(inner)
		}
		return "", "expected a simple value, received an object; name the part of it that is meant"
	case []any:
		return "", "expected a simple value, received a list in a list"
	}
	return "", "expected a simple value"
}

// badText says what keeps a text from being kept, "" for nothing.
func badText(text string) string {
	switch {
	case len(text) > MaxAttributeValue:
		return fmt.Sprintf("it has %d bytes; at most %d are kept", len(text), MaxAttributeValue)
	case !utf8.ValidString(text):
		return "it is not UTF-8"
	case strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }):
		return "it has control characters"
	}
	return ""
}

// Holds reports whether value is one that Read gives for the attribute as it is now.
func (a Attribute) Holds(value string) bool {
	if a.Type == AttributeList {
		var list []string
		if json.Unmarshal([]byte(value), &list) != nil || len(list) == 0 || len(list) > MaxAttributeItems {
			return false
		}
		again, wrong := listOf(list)
		return wrong == "" && again == value
	}
	again, wrong := a.one(value)
	return wrong == "" && again == value
}

// Typed is a kept value as JSON has it: a string, a number, a boolean or a list. A value that is not of the attribute's
// type, left from before a change of it, is nil.
func (a Attribute) Typed(value string) any {
	if !a.Holds(value) {
		return nil
	}
	switch a.Type {
	case AttributeInteger, AttributeNumber, AttributeBoolean, AttributeList:
		return json.RawMessage(value)
	}
	return value
}

// Shown is a kept value for people: the items of a list behind each other.
func (a Attribute) Shown(value string) string {
	if a.Type == AttributeList {
		return strings.Join(a.Items(value), ", ")
	}
	return value
}

// Items are the items of a kept list; one text is a list of one.
func (a Attribute) Items(value string) []string {
	var list []string
	if json.Unmarshal([]byte(value), &list) != nil && value != "" {
		return []string{value}
	}
	return list
}

// Shown is a value that somebody else gave, quoted and short enough for a sentence.
func Shown(text string) string {
	const most = 80
	cut := text
	if len(cut) > most {
		cut = strings.ToValidUTF8(cut[:most], "") + "..."
	}
	return strconv.Quote(cut)
}

// HostAttributes is what the host application is told of a member: the attributes that are not hidden, typed, by name.
// It is never nil.
func (c *Config) HostAttributes(m *Member) map[string]any {
	out := map[string]any{}
	if len(m.Attributes) == 0 {
		return out
	}
	for _, a := range c.AllAttributes() {
		if value, ok := m.Attributes[a.Name]; ok && !a.Hidden {
			if typed := a.Typed(value); typed != nil {
				out[a.Name] = typed
			}
		}
	}
	return out
}

func toJSON(v any) string {
	text, _ := json.Marshal(v) // strings and numbers, which always encode
	return string(text)
}
