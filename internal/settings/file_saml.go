package settings

import (
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/gatehouse-id/gatehouse/internal/directory"
)

// samlPart are the keys of a connection that only SAML has.
type samlPart struct {
	metadata     string // the XML itself
	metadataFile string
	metadataURL  string
}

// given returns the first of its keys that the file has, or "".
func (p samlPart) given() string {
	switch {
	case p.metadata != "":
		return "metadata"
	case p.metadataFile != "":
		return "metadata_file"
	case p.metadataURL != "":
		return "metadata_url"
	}
	return ""
}

// attributeKey is one field of directory.Attributes as the file spells it.
type attributeKey struct {
	name string
	at   func(*directory.Attributes) *string
}

func attributeKeys() []attributeKey {
	return []attributeKey{
		{"email", func(a *directory.Attributes) *string { return &a.Email }},
		{"firstName", func(a *directory.Attributes) *string { return &a.FirstName }},
		{"lastName", func(a *directory.Attributes) *string { return &a.LastName }},
		{"name", func(a *directory.Attributes) *string { return &a.Name }},
		{"groups", func(a *directory.Attributes) *string { return &a.Groups }},
		{"subject", func(a *directory.Attributes) *string { return &a.Subject }},
	}
}

func (r *reader) saml(parts map[string]*yaml.Node, path string, top int) samlPart {
	var p samlPart
	if n := parts["metadata"]; n != nil {
		p.metadata = r.xml(n, path+".metadata")
	}
	r.optional(parts["metadata_file"], path+".metadata_file", &p.metadataFile)
	r.optional(parts["metadata_url"], path+".metadata_url", &p.metadataURL)
	sources := 0
	for _, key := range []string{"metadata", "metadata_file", "metadata_url"} {
		if parts[key] != nil {
			sources++
		}
	}
	if sources > 1 {
		r.add(top, "%s: expected one of metadata, metadata_file and metadata_url, received %d", path, sources)
	}
	return p
}

// xml returns a value of several lines. Whether it is metadata is for its own parser to say.
func (r *reader) xml(n *yaml.Node, path string) string {
	switch {
	case !r.plain(n, path):
	case n.Kind != yaml.ScalarNode || n.Tag != "!!str" || strings.TrimSpace(n.Value) == "":
		r.add(n.Line, "%s: expected the IdP's metadata as XML, received %s", path, describe(n))
	case !utf8.ValidString(n.Value):
		r.add(n.Line, "%s: expected UTF-8", path)
	default:
		return n.Value
	}
	return ""
}

func (r *reader) attributes(n *yaml.Node, path string) map[string]string {
	var known []string
	for _, k := range attributeKeys() {
		known = append(known, k.name)
	}
	parts, ok := r.object(n, path, known)
	if !ok {
		return nil
	}
	out := map[string]string{}
	for _, k := range attributeKeys() {
		if s := r.textOrNone(parts[k.name], join(path, k.name)); s != nil {
			out[k.name] = *s
		}
	}
	return out
}
