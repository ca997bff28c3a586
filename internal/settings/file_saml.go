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
	idp          *fieldsPart
	// metadataURL is fetched where none of those above is given, and looked at each day from then on.
	metadataURL      string
	noMetadataURL    bool   // none: nothing is looked at any more
	metadataEntityID string // of several in one document
	// The certificate, PEM, of the key that must have signed what is published.
	metadataSigner     string
	metadataSignerFile string

	signRequests  *bool
	encryption    *string // one of directory.Encryptions
	sha1Until     *string // "" for never
	forceAuthn    *bool
	authnContexts *[]string
	singleLogout  *bool
	artifact      *bool

	firstOption string // the first of samlOptionKeys that the file has, or ""
}

// fieldsPart is an IdP whose administrator copies single values.
type fieldsPart struct {
	entityID, ssoURL, binding    string
	certificate, certificateFile string
}

// metadataKeys say where the IdP's side of a SAML connection comes from.
var metadataKeys = []string{"metadata", "metadata_file", "idp", "metadata_url", "metadata_entity_id", "metadata_signer", "metadata_signer_file"}

// inline reports whether the file says itself who the IdP is, or names a file that does.
func (p samlPart) inline() bool { return p.metadata != "" || p.metadataFile != "" || p.idp != nil }

// source is where the keys of this part come from.
func (p samlPart) source() string {
	switch {
	case p.idp != nil:
		return directory.FromField
	case p.inline():
		return directory.FromFile
	}
	return directory.FromURL
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
	case p.idp != nil:
		return "idp"
	case p.metadataURL != "" || p.noMetadataURL:
		return "metadata_url"
	case p.metadataEntityID != "":
		return "metadata_entity_id"
	case p.metadataSigner != "" || p.metadataSignerFile != "":
		return "metadata_signer"
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
		{"groups_delimiter", func(a *directory.Attributes) *string { return &a.GroupsDelimiter }},
		{"subject", func(a *directory.Attributes) *string { return &a.Subject }},
	}
}

func (r *reader) saml(parts map[string]*yaml.Node, path string, top int) samlPart {
	var p samlPart
	if n := parts["metadata"]; n != nil {
		p.metadata = r.xml(n, path+".metadata")
	}
	r.optional(parts["metadata_file"], path+".metadata_file", &p.metadataFile)
	p.idp = r.idpFields(parts["idp"], path+".idp", top)
	r.optional(parts["metadata_url"], path+".metadata_url", &p.metadataURL)
	if p.metadataURL == "none" {
		p.metadataURL, p.noMetadataURL = "", true
	}
	r.optional(parts["metadata_entity_id"], path+".metadata_entity_id", &p.metadataEntityID)
	if n := parts["metadata_signer"]; n != nil {
		p.metadataSigner = r.lines(n, path+".metadata_signer", "a certificate in PEM")
	}
	r.optional(parts["metadata_signer_file"], path+".metadata_signer_file", &p.metadataSignerFile)
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
	r.atMostOne(parts, path, top, "metadata", "metadata_file", "idp")
	r.atMostOne(parts, path, top, "metadata_signer", "metadata_signer_file")
	return p
}

// atMostOne refuses several keys that say the same.
func (r *reader) atMostOne(parts map[string]*yaml.Node, path string, top int, keys ...string) {
	n := 0
	for _, key := range keys {
		if parts[key] != nil {
			n++
		}
	}
	if n > 1 {
		r.add(top, "%s: expected one of %s, received %d", path, strings.Join(keys, ", "), n)
	}
}

// idpFields reads the values of an IdP one by one.
func (r *reader) idpFields(n *yaml.Node, path string, top int) *fieldsPart {
	if n == nil {
		return nil
	}
	parts, ok := r.object(n, path, []string{"entity_id", "sso_url", "binding", "certificate", "certificate_file"})
	if !ok {
		return nil
	}
	p := fieldsPart{binding: "redirect"}
	r.required(parts["entity_id"], path+".entity_id", top, &p.entityID)
	r.required(parts["sso_url"], path+".sso_url", top, &p.ssoURL)
	if n := parts["binding"]; n != nil {
		p.binding, _ = r.word(n, path+".binding", []string{"redirect", "post"})
	}
	if n := parts["certificate"]; n != nil {
		p.certificate = r.lines(n, path+".certificate", "a certificate in PEM")
	}
	r.optional(parts["certificate_file"], path+".certificate_file", &p.certificateFile)
	r.atMostOne(parts, path, top, "certificate", "certificate_file")
	if parts["certificate"] == nil && parts["certificate_file"] == nil {
		r.add(top, "%s: expected certificate or certificate_file, found neither", path)
	}
	return &p
}

// xml returns a value of several lines. Whether it is metadata is for its own parser to say.
func (r *reader) xml(n *yaml.Node, path string) string {
	return r.lines(n, path, "the IdP's metadata as XML")
}

func (r *reader) lines(n *yaml.Node, path, what string) string {
	switch {
	case !r.plain(n, path):
	case n.Kind != yaml.ScalarNode || n.Tag != "!!str" || strings.TrimSpace(n.Value) == "":
		r.add(n.Line, "%s: expected %s, received %s", path, what, describe(n))
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
