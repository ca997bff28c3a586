package directory

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// AttributePath leads to values in a SCIM resource, in the notation of RFC 7644 section 3.5.2 as far as mappings need it:
// "title", "name.givenName", "emails[type eq \"work\"].value", "urn:...:User:department". Letter case makes no
// difference to names, nor to the value of the filter.
type AttributePath struct {
	URN       string // of an extension, or ""
	Attribute string
	// FilterBy and FilterValue pick elements of a list by one equality; "" takes all.
	FilterBy, FilterValue string
	Sub                   string // sub-attribute, or ""
}

// maxPath bounds a source, in bytes.
const maxPath = 500

var (
	pathTail = regexp.MustCompile(`^([^\[\].]+)(?:\[([^\]]*)\])?(?:\.([^\[\].]+))?$`)
	pathPick = regexp.MustCompile(`^\s*([A-Za-z$][A-Za-z0-9$_-]*)\s+(?i:eq)\s+(?:"([^"\\]*)"|(?i:(true|false)))\s*$`)
)

// ParseAttributePath reads a path. The error is a clause for people.
func ParseAttributePath(text string) (AttributePath, error) {
	var p AttributePath
	if text == "" || len(text) > maxPath || badText(text) != "" {
		return p, fmt.Errorf("expected a path of at most %d bytes without control characters", maxPath)
	}
	rest := text
	if len(text) > 4 && strings.EqualFold(text[:4], "urn:") {
		// The name behind the last colon that is not in a filter belongs to the extension before it.
		head, _, _ := strings.Cut(text, "[")
		colon := strings.LastIndexByte(head, ':')
		p.URN, rest = text[:colon], text[colon+1:]
		if strings.Count(p.URN, ":") < 2 || strings.ContainsAny(p.URN, " []\"") {
			return p, fmt.Errorf("expected an attribute behind the URN of a schema, such as urn:example:2.0:User:department, received %s", Shown(text))
		}
		if Fold(p.URN) == Fold("urn:ietf:params:scim:schemas:core:2.0:User") {
			p.URN = ""
		}
	}
	parts := tail(rest)
	if parts == nil {
		return p, fmt.Errorf("expected a path such as title, name.givenName, emails[type eq \"work\"].value or urn:...:User:department, received %s", Shown(text))
	}
	p.Attribute, p.Sub = parts[1], parts[3]
	if !isPathName(p.Attribute) || p.Sub != "" && !isPathName(p.Sub) {
		return p, fmt.Errorf("expected names of letters, digits, - and _, received %s", Shown(text))
	}
	if strings.Contains(rest, "[") {
		pick := pathPick.FindStringSubmatch(parts[2])
		if pick == nil {
			return p, fmt.Errorf("expected one comparison by eq in the brackets, such as [type eq \"work\"], received %s", Shown(text))
		}
		p.FilterBy, p.FilterValue = pick[1], pick[2]+strings.ToLower(pick[3])
	}
	if slices.ContainsFunc([]string{"password", "schemas", "meta", "groups"}, func(s string) bool { return p.URN == "" && strings.EqualFold(s, p.Attribute) }) {
		return p, fmt.Errorf("%s is no source of an attribute", Shown(p.Attribute))
	}
	return p, nil
}

// tail parts what is behind the URN into attribute, filter and sub-attribute; nil where it has another form. Paths are
// read for every request of a directory, and few have a filter.
func tail(text string) []string {
	if strings.ContainsAny(text, "[]") {
		return pathTail.FindStringSubmatch(text)
	}
	attribute, sub, dotted := strings.Cut(text, ".")
	if attribute == "" || dotted && sub == "" {
		return nil
	}
	return []string{text, attribute, "", sub}
}

// isPathName reports a name of letters, digits, $, - and _, a letter or $ first (RFC 7643 section 2.1).
func isPathName(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '$':
		case i > 0 && (c >= '0' && c <= '9' || c == '-' || c == '_'):
		default:
			return false
		}
	}
	return name != ""
}

// String is the path as ParseAttributePath reads it.
func (p AttributePath) String() string {
	out := p.Attribute
	if p.URN != "" {
		out = p.URN + ":" + out
	}
	switch {
	case p.FilterBy == "":
	case p.FilterValue == "true" || p.FilterValue == "false":
		out += "[" + p.FilterBy + " eq " + p.FilterValue + "]"
	default:
		out += "[" + p.FilterBy + " eq \"" + p.FilterValue + "\"]"
	}
	if p.Sub != "" {
		out += "." + p.Sub
	}
	return out
}

// Values are what stands at the path in a resource, JSON as decoded. Where that is a list of objects, their value
// (RFC 7643 section 2.4) counts unless the path names another part; the primary one comes first.
func (p AttributePath) Values(resource map[string]any) []any {
	from := resource
	if p.URN != "" {
		from, _ = member(resource, p.URN).(map[string]any)
	}
	at := member(from, p.Attribute)
	if at == nil {
		return nil
	}
	list, many := at.([]any)
	if !many {
		list = []any{at}
	}
	var out []any
	for _, v := range list {
		object, complex := v.(map[string]any)
		if p.FilterBy != "" && (!complex || !picks(member(object, p.FilterBy), p.FilterValue)) {
			continue
		}
		picked := v
		if p.Sub != "" {
			picked = nil // a simple value has no parts
			if complex {
				picked = member(object, p.Sub)
			}
		}
		if picked == nil {
			continue
		}
		if inner, ok := picked.([]any); ok && p.Sub != "" {
			out = append(out, inner...)
			continue
		}
		if primary, _ := member(object, "primary").(bool); primary {
			out = slices.Insert(out, 0, picked)
			continue
		}
		out = append(out, picked)
	}
	return out
}

// picks compares as RFC 7644 does what is not case exact.
func picks(v any, with string) bool {
	text, wrong := textOf(v)
	return wrong == "" && Fold(text) == Fold(with)
}

// member is the value of a key, whatever its letter case.
func member(object map[string]any, key string) any {
	if v, ok := object[key]; ok {
		return v
	}
	for k, v := range object {
		if strings.EqualFold(k, key) {
			return v
		}
	}
	return nil
}
