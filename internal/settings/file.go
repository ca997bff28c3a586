package settings

import (
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// File is an apply file as read: what it sets, and where in it each part stands. A key that the
// file does not have is nil.
type File struct {
	// Workspace is the slug of the workspace that the file is about.
	Workspace string

	dir          string // relative paths are taken from here
	name         *string
	preset       *string
	policy       policyPart
	domains      *[]string // directory.DomainName
	owners       []ownerPart
	mappings     *[]mappingPart
	connections  *[]connectionPart
	directories  *[]directoryPart
	enforcement  *enforcementPart
	applications *[]applicationPart
	schemas      *[]schemaPart
	attributes   *[]attributePart
}

type policyPart struct {
	words    map[string]string // by name of the policyKey
	required *[]string
	roles    *[]rolePart // highest first
}

// rolePart is a role of the file: its name, or name and permissions.
type rolePart struct {
	line
	permissions *[]string // tidy; nil keeps what is there
}

type ownerPart struct {
	line         int
	path         string
	email, name  string
	passwordEnv  string
	passwordFile string
	breakGlass   *bool
}

type mappingPart struct {
	line        int
	path        string
	directory   string // name, "" for any
	connection  string // name, "" for any
	group, role string
}

type connectionPart struct {
	line     int
	path     string
	name     string
	provider *string
	protocol *directory.Protocol
	status   *directory.ConnectionStatus
	samlPart
	oidcPart
	// What both protocols have.
	idpInitiated *bool
	convert      *bool             // idp_initiated: convert
	attributes   map[string]string // by name of the attributeKey; "" reads none
	domains      *[]string         // folded
	sessionsRun  *bool             // with status disabled
	attributeMap *mapPart          // nil to keep what is there
}

type directoryPart struct {
	line         int
	path         string
	name         string
	connection   *string // name, "" for none
	enabled      *bool
	status       *directory.DirectoryStatus
	pilot        *[]string
	mode         *directory.Mode
	override     map[string]string // by name of the policyKey; inherit takes back
	attributeMap *mapPart          // nil to keep what is there
}

type enforcementPart struct {
	line    int
	require *directory.Require
	domains *[]string // directory.DomainName
}

var (
	slugForm = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$`)
	nameForm = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9 _-]{0,61}[A-Za-z0-9_-])?$`)
)

// ParseFile reads an apply file. dir is the folder that relative paths in it are taken from. Every
// mistake is named with its line and key in one error of kind invalid, a sentence a line: unknown
// and repeated keys, wrong types, unknown words, keys that have no behaviour in this version.
func ParseFile(text []byte, dir string) (*File, error) {
	if len(text) > MaxFileBytes {
		return nil, errs.Invalid("apply_file_too_long", "The file is longer than %d bytes.", MaxFileBytes)
	}
	root, err := parseYAML(text)
	if err != nil {
		return nil, err
	}
	r := &reader{}
	f := &File{dir: dir}
	r.file(f, root)
	if err := r.err(); err != nil {
		return nil, err
	}
	return f, nil
}

func (r *reader) file(f *File, root *yaml.Node) {
	parts, ok := r.object(root, "", []string{"workspace", "name", "preset", "policy", "domains", "owners", "role_mappings", "connections", "directories", "schemas", "attributes", "enforcement", "applications"})
	if !ok {
		return
	}
	r.head(f, parts, root.Line)
	if n := parts["policy"]; n != nil {
		f.policy = r.policy(n)
	}
	if n := parts["domains"]; n != nil {
		f.domains = r.domains(n, "domains")
	}
	if n := parts["owners"]; n != nil {
		f.owners = r.owners(n)
	}
	if n := parts["connections"]; n != nil {
		f.connections = r.connections(n)
	}
	if n := parts["directories"]; n != nil {
		f.directories = r.directories(n)
	}
	if n := parts["schemas"]; n != nil {
		f.schemas = r.schemas(n)
	}
	if n := parts["attributes"]; n != nil {
		f.attributes = r.peopleAttributes(n)
	}
	if n := parts["role_mappings"]; n != nil {
		f.mappings = r.mappings(n)
	}
	if n := parts["enforcement"]; n != nil {
		f.enforcement = r.enforcement(n)
	}
	if n := parts["applications"]; n != nil {
		f.applications = r.applications(n)
	}
}

func (r *reader) head(f *File, parts map[string]*yaml.Node, top int) {
	if n := parts["workspace"]; n == nil {
		r.add(top, "workspace: expected the name of a workspace, found none")
	} else if slug, ok := r.text(n, "workspace"); ok {
		f.Workspace = slug
		if !slugForm.MatchString(slug) {
			r.add(n.Line, "workspace: expected up to 63 lower-case letters, digits and inner hyphens, received %s", quote(slug))
		}
	}
	if n := parts["name"]; n != nil {
		if name, ok := r.text(n, "name"); ok {
			f.name = &name
		}
	}
	if n := parts["preset"]; n != nil {
		if preset, ok := r.word(n, "preset", directory.PresetNames()); ok {
			f.preset = &preset
		}
	}
}

func (r *reader) policy(n *yaml.Node) policyPart {
	known := []string{"roles", "required_attributes"}
	for _, k := range policyKeys() {
		known = append(known, k.name)
	}
	parts, _ := r.object(n, "policy", known)
	p := policyPart{words: map[string]string{}}
	for _, k := range policyKeys() {
		if n := parts[k.name]; n != nil {
			if word, ok := r.policyWord(n, join("policy", k.name), k); ok {
				p.words[k.name] = word
			}
		}
	}
	if n := parts["required_attributes"]; n != nil {
		if lines, ok := r.texts(n, "policy.required_attributes"); ok {
			required := []string{}
			for _, l := range lines {
				required = append(required, l.text)
				// The words are the noun's to know; the rest of the policy is made valid here.
				preset, _ := directory.FindPreset("")
				preset.Policy.RequiredAttributes = []string{l.text}
				for _, bad := range preset.Policy.Check() {
					r.add(l.at, "policy.%s", bad)
				}
			}
			p.required = &required
		}
	}
	if n := parts["roles"]; n != nil {
		p.roles = r.roles(n)
	}
	return p
}

func (r *reader) policyWord(n *yaml.Node, path string, k policyKey, more ...string) (string, bool) {
	if k.words[0] != "yes" {
		return r.word(n, path, append(k.words[:len(k.words):len(k.words)], more...))
	}
	if n.Kind == yaml.ScalarNode && len(more) > 0 && n.Value == more[0] {
		return n.Value, true
	}
	on, ok := r.boolean(n, path)
	return yesNo(on), ok
}

// roles reads the ranked list of roles: a name each, or a name with permissions.
func (r *reader) roles(n *yaml.Node) *[]rolePart {
	nodes, ok := r.list(n, "policy.roles", maxRoles)
	if !ok {
		return nil
	}
	if len(n.Content) < 2 {
		r.add(n.Line, "policy.roles: expected the owner role and at least one more, received %d; everybody would be an owner", len(n.Content))
	}
	out, first := []rolePart{}, map[string]int{}
	for i, item := range nodes {
		at := indexed("policy.roles", i)
		part, ok := r.role(item, at, i == 0)
		if !ok {
			continue
		}
		if before := first[directory.Fold(part.text)]; before > 0 {
			r.add(item.Line, "%s: %s is listed twice, first in line %d", at, quote(part.text), before)
			continue
		}
		first[directory.Fold(part.text)] = item.Line
		if strings.Contains(part.text, ",") || len(part.text) > maxRoleName {
			r.add(part.at, "policy.roles: expected names of at most %d bytes without commas, received %s", maxRoleName, quote(part.text))
		}
		out = append(out, part)
	}
	return &out
}

func (r *reader) role(n *yaml.Node, path string, owner bool) (part rolePart, ok bool) {
	part.at = n.Line
	if n.Kind != yaml.MappingNode {
		part.text, ok = r.text(n, path)
		return part, ok
	}
	parts, ok := r.object(n, path, []string{"name", "permissions"})
	if !ok {
		return part, false
	}
	if r.required(parts["name"], path+".name", n.Line, &part.text); part.text == "" {
		return part, false
	}
	list := parts["permissions"]
	if list == nil {
		return part, true
	}
	lines, ok := r.texts(list, path+".permissions")
	if !ok {
		return part, false
	}
	names := []string{}
	for _, l := range lines {
		names = append(names, l.text)
	}
	if owner {
		if len(names) != 1 || names[0] != directory.PermissionAll {
			r.add(list.Line, "%s.permissions: the owner role always allows everything: expected [%s], or leave the key out", path, directory.PermissionAll)
		}
		return part, true
	}
	tidy, err := directory.TidyPermissions(names)
	if err != nil {
		r.add(list.Line, "%s.permissions: %s", path, err)
	}
	part.permissions = &tidy
	return part, true
}

func (r *reader) domains(n *yaml.Node, path string) *[]string {
	lines, ok := r.texts(n, path)
	if !ok {
		return nil
	}
	out := []string{}
	for _, l := range lines {
		domain, ok := directory.DomainName(l.text)
		if !ok {
			r.add(l.at, "%s: expected a domain such as acme.test, received %s", path, quote(l.text))
			continue
		}
		out = append(out, domain)
	}
	return &out
}

func (r *reader) enforcement(n *yaml.Node) *enforcementPart {
	parts, ok := r.object(n, "enforcement", []string{"require_sso", "domains"})
	if !ok {
		return nil
	}
	e := &enforcementPart{line: n.Line}
	if n := parts["require_sso"]; n != nil {
		words := []string{string(directory.RequireNone), string(directory.RequireAll), string(directory.RequireDomains)}
		if word, ok := r.word(n, "enforcement.require_sso", words); ok {
			require := directory.Require(word)
			e.require = &require
		}
	}
	if n := parts["domains"]; n != nil {
		e.domains = r.domains(n, "enforcement.domains")
	}
	return e
}

// named checks the name of a connection or directory.
func (r *reader) named(parts map[string]*yaml.Node, path string, top int, first map[string]int) (string, bool) {
	n := parts["name"]
	if n == nil {
		r.add(top, "%s.name: expected a name, found none", path)
		return "", false
	}
	name, ok := r.text(n, path+".name")
	if !ok {
		return "", false
	}
	if !nameForm.MatchString(name) {
		r.add(n.Line, "%s.name: expected up to 63 letters, digits, spaces, - and _, received %s", path, quote(name))
		return "", false
	}
	if before := first[directory.Fold(name)]; before > 0 {
		r.add(n.Line, "%s.name: %s is given twice, first in line %d", path, quote(name), before)
		return "", false
	}
	first[directory.Fold(name)] = n.Line
	return name, true
}

func indexed(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
