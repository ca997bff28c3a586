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

	signRequests  *bool
	encryption    *string // one of directory.Encryptions
	sha1Until     *string // "" for never
	forceAuthn    *bool
	authnContexts *[]string
	singleLogout  *bool
	artifact      *bool

	firstOption string // the first of samlOptionKeys that the file has, or ""
}

// samlOptionKeys are the choices of a SAML connection as the file spells them.
var samlOptionKeys = []string{"sign_requests", "encryption", "sha1_until", "force_authn", "authn_contexts", "single_logout", "artifact"}

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
	return p.firstOption
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
	for _, key := range samlOptionKeys {
		if parts[key] != nil && p.firstOption == "" {
			p.firstOption = key
		}
	}
	p.signRequests = r.optionalBool(parts["sign_requests"], path+".sign_requests")
	p.encryption = r.oneWord(unquoted(parts["encryption"]), path+".encryption", directory.Encryptions())
	p.sha1Until = r.textOrNone(unquoted(parts["sha1_until"]), path+".sha1_until")
	if p.sha1Until != nil && *p.sha1Until == "none" {
		*p.sha1Until = ""
	}
	p.forceAuthn = r.optionalBool(parts["force_authn"], path+".force_authn")
	p.authnContexts = r.words(parts["authn_contexts"], path+".authn_contexts", nil)
	p.singleLogout = r.optionalBool(parts["single_logout"], path+".single_logout")
	p.artifact = r.optionalBool(parts["artifact"], path+".artifact")
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

// unquoted makes a text of what YAML would rather read as a switch (on, off) or a date.
func unquoted(n *yaml.Node) *yaml.Node {
	if n == nil || n.Kind != yaml.ScalarNode || n.Tag != "!!bool" && n.Tag != "!!timestamp" {
		return n
	}
	text := *n
	text.Tag = "!!str"
	return &text
}
