package scimtest

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// attribute is one that a server's /Schemas publishes (RFC 7643 section 7).
type attribute struct {
	urn        string // of an extension, "" for the core schema
	name, kind string
	many       bool
	required   bool
	mutability string
	returned   string
	words      []string // canonicalValues
	subs       []attribute
}

// path is how a PATCH names the attribute.
func (a attribute) path() string {
	if a.urn == "" {
		return a.name
	}
	return a.urn + ":" + a.name
}

// writable are attributes that a client may set and read again.
func (a attribute) writable() bool {
	return a.mutability != "readOnly" && a.mutability != "writeOnly" && a.returned != "never" && a.returned != "request" && !strings.HasPrefix(a.name, "$")
}

// fixed reports whether the attribute keeps its first value, or holds one that does.
func (a attribute) fixed() bool {
	return a.mutability == "immutable" || !a.many && slices.ContainsFunc(a.subs, attribute.fixed)
}

func attributesOf(urn string, list any) []attribute {
	var out []attribute
	all, _ := list.([]any)
	for _, v := range all {
		a := attribute{urn: urn, name: text(v, "name"), kind: text(v, "type"), many: dig(v, "multiValued") == true, required: dig(v, "required") == true,
			mutability: text(v, "mutability"), returned: text(v, "returned"), subs: attributesOf("", dig(v, "subAttributes"))}
		words, _ := dig(v, "canonicalValues").([]any)
		for _, w := range words {
			if s, ok := w.(string); ok {
				a.words = append(a.words, s)
			}
		}
		if a.writable() {
			out = append(out, a)
		}
	}
	return out
}

// published are the attributes of a resource type, its extensions included, as the server's own documents have them. Left out
// are those that other cases are about: what names the resource, schemas, active, members.
func (x *trial) published(endpoint string) (urns []any, all []attribute) {
	for _, t := range x.get("/ResourceTypes").list("Resources") {
		if text(t, "endpoint") != endpoint {
			continue
		}
		read := func(urn, as string) {
			a := x.get("/Schemas/" + url.PathEscape(urn))
			x.status(a, http.StatusOK)
			urns = append(urns, urn)
			all = append(all, attributesOf(as, a.at("attributes"))...)
		}
		read(text(t, "schema"), "")
		extensions, _ := dig(t, "schemaExtensions").([]any)
		for _, e := range extensions {
			read(text(e, "schema"), text(e, "schema"))
		}
	}
	return urns, slices.DeleteFunc(all, func(a attribute) bool {
		return a.urn == "" && (a.required || slices.Contains([]string{"schemas", "id", "externalId", "meta", "active", "members"}, a.name))
	})
}

// sample is a random value for an attribute, or an element of one. boss is somebody's id, for managers.
func (x *trial) sample(a attribute, boss string) any {
	switch a.kind {
	case "complex":
		o := object{}
		for _, s := range a.subs {
			switch {
			case s.name == "primary" || s.name == "display" && a.many:
				// One element of a list is primary, which other cases look at; a display may be the server's.
			case strings.EqualFold(a.name, "emails") && s.name == "value":
				o[s.name] = x.name("mail") + "@" + x.domain()
			case strings.EqualFold(a.name, "manager") && s.name == "value":
				o[s.name] = boss
			default:
				o[s.name] = x.sample(s, boss)
			}
		}
		return o
	case "boolean":
		return x.dice(2) == 0
	case "integer":
		return float64(x.dice(1 << 30))
	case "decimal":
		return float64(x.dice(1<<20)) + 0.25
	case "dateTime":
		return time.Unix(int64(x.dice(1<<31)), 0).UTC().Format(time.RFC3339)
	case "binary":
		b := make([]byte, 12)
		_, _ = rand.Read(b) // never fails
		return base64.StdEncoding.EncodeToString(b)
	case "reference":
		return "https://" + x.domain() + "/" + x.name("reference")
	}
	// What a standard says about some texts a server may hold us to.
	if known, ok := map[string][]string{"locale": {"en-US", "de-DE", "vi-VN"}, "preferredLanguage": {"en", "de", "vi"},
		"timezone": {"Europe/Berlin", "Asia/Ho_Chi_Minh", "America/New_York"}, "country": {"DE", "VN", "US"}}[a.name]; ok {
		return known[x.dice(len(known))]
	}
	if len(a.words) > 0 {
		return a.words[x.dice(len(a.words))]
	}
	return x.name("Zoë \"渡\" \\ " + a.name)
}

// kinds are two types that elements of a list may have.
func (a attribute) kinds() []string {
	for _, s := range a.subs {
		if s.name == "type" && len(s.words) > 1 {
			return s.words[:2]
		}
	}
	return []string{"work", "home"}
}

func (x *trial) dice(n int) int {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return int((uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])) % uint32(n))
}

// samples are values of all attributes, by path: a list of two where there may be many, of different types where they have one.
func (x *trial) samples(all []attribute, boss string) map[string]any {
	out := map[string]any{}
	for _, a := range all {
		if !a.many {
			out[a.path()] = x.sample(a, boss)
			continue
		}
		list := []any{x.sample(a, boss), x.sample(a, boss)}
		for i, v := range list {
			if o, ok := v.(object); ok && o["type"] != nil {
				o["type"] = a.kinds()[i]
			}
		}
		out[a.path()] = list
	}
	return out
}

// document puts samples into a resource.
func document(o object, all []attribute, values map[string]any) object {
	for _, a := range all {
		into := o
		if a.urn != "" {
			if o[a.urn] == nil {
				o[a.urn] = object{}
			}
			into = o[a.urn].(object)
		}
		into[a.name] = values[a.path()]
	}
	return o
}

// shows expects a resource to have the samples, each in full; nil expects no value at all.
func (x *trial) shows(p person, all []attribute, values map[string]any) {
	a := x.read(p)
	for _, attr := range all {
		got := a.at(attr.name)
		if attr.urn != "" {
			got = a.at(attr.urn, attr.name)
		}
		if want := values[attr.path()]; !agrees(attr, got, want) {
			x.is(false, fmt.Sprintf("%s as %s", attr.path(), inJSON(want)), a)
		}
	}
}

func inJSON(v any) string {
	b, _ := json.Marshal(v) // of maps, lists and simple values
	return string(b)
}

// agrees tells whether got says what want does. What is more in an object is the server's own.
func agrees(a attribute, got, want any) bool {
	switch want := want.(type) {
	case nil:
		list, isList := got.([]any)
		return got == nil || isList && len(list) == 0
	case []any:
		list, _ := got.([]any)
		one := a
		one.many = false
		return len(list) == len(want) && !slices.ContainsFunc(want, func(w any) bool {
			return !slices.ContainsFunc(list, func(g any) bool { return agrees(one, g, w) })
		})
	case object:
		o, _ := got.(object)
		for name, w := range want {
			i := slices.IndexFunc(a.subs, func(s attribute) bool { return s.name == name })
			if i < 0 || !agrees(a.subs[i], o[name], w) {
				return false
			}
		}
		return true
	case string:
		s, _ := got.(string)
		if a.kind == "dateTime" {
			g, err := time.Parse(time.RFC3339, s)
			w, _ := time.Parse(time.RFC3339, want)
			return err == nil && g.Equal(w)
		}
		return s == want
	}
	return got == want
}
