package settings

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/keys"
)

// plan is what a file makes of a configuration. It does no I/O; what only the database knows (who
// has a role, whose password was proven) is checked when it is carried out.
type plan struct {
	mistakes
	file  *File
	prune bool
	now   time.Time
	idps  identities // of the file's connections
	// secrets are the client secrets of the file's connections.
	secrets clientSecrets
	// spKeys are new ones for connections, by folded name, and stale says that one was missing.
	spKeys map[string]*spKey
	stale  bool
	// allowPrivate accepts IdPs that are reached by plain http.
	allowPrivate bool
	// byOwner says that an owner or the operator acts.
	byOwner bool
	// who is the role of the member who acts, nil for an operator and for what happens by itself.
	who *directory.Role
	// instead are the roles that take the place of those which go, by id.
	instead map[string]string

	before *directory.Config // nil for a workspace that does not exist
	after  *directory.Config
	notes  []string
}

// newPlan computes the configuration that the file of p asks for. Mistakes that need the present one to be
// seen are returned as one error, like those of ParseFile.
func newPlan(p *plan, id string) (*plan, error) {
	p.after = &directory.Config{}
	if before := p.before; before != nil {
		p.after = clone(before)
	} else {
		p.fill(id)
	}
	p.workspace()
	p.roles()
	p.connections()
	p.directories()
	p.schemas()
	p.peopleAttributes()
	p.mappings()
	p.domains()
	p.enforcement()
	p.applications()
	if err := p.err(); err != nil || !p.stale {
		return p, err
	}
	return p, errStale
}

// clone copies c as deep as a plan changes it: a configuration may be shared with others.
func clone(c *directory.Config) *directory.Config {
	out := *c
	out.Workspace.Policy.RequiredAttributes = slices.Clone(c.Workspace.Policy.RequiredAttributes)
	out.Workspace.Enforcement.Domains = slices.Clone(c.Workspace.Enforcement.Domains)
	out.Roles = slices.Clone(c.Roles)
	out.Mappings = slices.Clone(c.Mappings)
	out.Connections = slices.Clone(c.Connections) // their lists are replaced, never written into
	out.Directories = slices.Clone(c.Directories)
	out.Applications = slices.Clone(c.Applications)
	out.Domains = slices.Clone(c.Domains)
	out.Schemas = slices.Clone(c.Schemas)
	out.Attributes = slices.Clone(c.Attributes)
	return &out
}

// fill makes a workspace that has only its preset yet.
func (p *plan) fill(id string) {
	name := ""
	if p.file.preset != nil {
		name = *p.file.preset
	}
	preset, _ := directory.FindPreset(name)
	p.after.Workspace = directory.Workspace{ID: id, Slug: p.file.Workspace, Name: p.file.Workspace, Preset: preset.Name,
		Policy: preset.Policy, Enforcement: directory.Enforcement{RequireSSO: directory.RequireNone}}
	for i, role := range preset.Roles {
		p.after.Roles = append(p.after.Roles, directory.Role{ID: keys.ID("rol_", p.now), Name: role, Rank: i,
			Permissions: directory.RolePermissions(role, i)})
	}
}

func (p *plan) workspace() {
	w := &p.after.Workspace
	if p.file.name != nil {
		w.Name = *p.file.name
	}
	if p.file.preset != nil && *p.file.preset != w.Preset {
		// Roles stay: people have them. A file that wants the preset's roles lists them.
		preset, _ := directory.FindPreset(*p.file.preset)
		w.Preset, w.Policy = preset.Name, preset.Policy
	}
	for _, k := range policyKeys() {
		if word := p.file.policy.words[k.name]; word != "" {
			k.set(&w.Policy, word)
		}
	}
	if p.file.policy.required != nil {
		w.Policy.RequiredAttributes = *p.file.policy.required
	}
}

// roles makes the ranked list what the file says. A role is the one of its name; the owner role is
// the first, whatever it is called, because people would otherwise be made owners by a reordering.
func (p *plan) roles() {
	if p.file.policy.roles == nil {
		return
	}
	had := p.after.Roles
	var out directory.Roles
	for i, want := range *p.file.policy.roles {
		role, known := had.ByName(want.text)
		switch {
		case i == 0 && known && !role.IsOwner():
			p.add(want.at, "policy.roles: the owner role %q stands first; it can be renamed, not exchanged for %q", had.Owner().Name, role.Name)
		case i > 0 && known && role.IsOwner():
			p.add(want.at, "policy.roles: the owner role %q stands first", role.Name)
		case i == 0:
			role = had.Owner()
		case !known:
			role = directory.Role{ID: keys.ID("rol_", p.now), Permissions: directory.RolePermissions(want.text, i)}
		}
		role.Name, role.Rank = want.text, i
		if want.permissions != nil {
			role.Permissions = *want.permissions
		}
		out = append(out, role)
	}
	if len(p.list) == 0 {
		p.after.Roles = out
	}
}

// keep decides about a connection or directory that is there: listed ones stay, others go only with
// prune and are noted without.
func (p *plan) keep(key string, listed bool) bool {
	if listed {
		return true
	}
	if !p.prune {
		p.notes = append(p.notes, key+": is not in the file and was kept; --prune removes it")
	}
	return !p.prune
}

func (p *plan) directories() {
	if p.file.directories != nil {
		p.listedDirectories(*p.file.directories)
	}
	for _, d := range p.after.Directories {
		if _, ok := p.after.Connection(d.Connection); d.Connection != "" && !ok {
			con, _ := p.before.Connection(d.Connection)
			p.add(0, "connections.%s: cannot be removed while the directory %q names it", con.Name, d.Name)
		}
	}
	p.besideGeneric()
}

func (p *plan) listedDirectories(parts []directoryPart) {
	listed := map[string]bool{}
	for _, part := range parts {
		listed[directory.Fold(part.name)] = true
		i := slices.IndexFunc(p.after.Directories, func(d directory.Directory) bool { return strings.EqualFold(d.Name, part.name) })
		if i < 0 {
			p.after.Directories = append(p.after.Directories,
				directory.Directory{ID: keys.ID("dir_", p.now), Name: part.name, Mode: directory.ModeLenient})
			i = len(p.after.Directories) - 1
		}
		p.directory(&p.after.Directories[i], part)
	}
	p.after.Directories = slices.DeleteFunc(p.after.Directories, func(d directory.Directory) bool {
		return !p.keep("directories."+d.Name, listed[directory.Fold(d.Name)])
	})
}

func (p *plan) directory(d *directory.Directory, part directoryPart) {
	if part.connection != nil {
		d.Connection = ""
		if *part.connection != "" {
			con, ok := findConnection(p.after, *part.connection)
			if !ok {
				p.add(part.line, "%s.connection: there is no connection %s%s", part.path, quote(*part.connection), didYouMean(*part.connection, connectionNames(p.after)))
			}
			d.Connection = con.ID
		}
	}
	d.Status = part.statusFrom(d.Status)
	if part.pilot != nil {
		d.Pilot = *part.pilot
	}
	if part.mode != nil {
		d.Mode = *part.mode
	}
	for _, k := range policyKeys() {
		switch word := part.override[k.name]; word {
		case "":
		case inherit:
			k.setOver(&d.Override, "")
		default:
			k.setOver(&d.Override, word)
		}
	}
}

func (p *plan) domains() {
	if p.file.domains == nil {
		return
	}
	p.after.Domains = slices.Sorted(slices.Values(*p.file.domains))
}

func (p *plan) enforcement() {
	part := p.file.enforcement
	if part == nil {
		return
	}
	e := &p.after.Workspace.Enforcement
	was := *e
	defer func() {
		if was.RequireSSO != e.RequireSSO || !slices.Equal(was.Domains, e.Domains) {
			e.Relaxed = nil
		}
	}()
	if part.require != nil {
		e.RequireSSO = *part.require
	}
	if part.domains != nil {
		e.Domains = slices.Sorted(slices.Values(*part.domains))
	}
	if e.RequireSSO != directory.RequireDomains {
		if part.domains != nil && len(*part.domains) > 0 {
			p.add(part.line, "enforcement.domains: expected only with require_sso: domains")
		}
		e.Domains = nil
	}
	for _, d := range e.Domains {
		if err := p.after.CheckDomain(was, d); err != nil {
			p.add(part.line, "enforcement.domains: %s An operator may vouch for it instead: domains: [%s].", err, d)
		}
	}
	for _, d := range p.after.Unproven(*e) {
		p.notes = append(p.notes, fmt.Sprintf("enforcement.domains: %s is not proven any more; single sign-on is required by it all the same", d))
	}
}

// mappings makes the mappings what the file says, or, where it does not list any, drops those of
// directories and connections that go.
func (p *plan) mappings() {
	if p.file.mappings == nil {
		p.dropOrphans()
		for _, m := range p.after.Mappings {
			if _, ok := p.after.Roles.ByID(m.Role); !ok {
				role, _ := p.before.Roles.ByID(m.Role)
				p.add(0, "policy.roles: the role %q cannot be removed while %s names it", role.Name, mappingKey(p.before, m))
			}
		}
		return
	}
	had := map[directory.RoleMapping]string{} // ids by the rest
	for _, m := range p.after.Mappings {
		id := m.ID
		m.ID = ""
		had[m] = id
	}
	p.after.Mappings = nil
	for _, part := range *p.file.mappings {
		m, ok := p.mapping(part)
		if !ok {
			continue
		}
		id := had[m]
		if id == "" {
			id = keys.ID("map_", p.now)
		}
		m.ID = id
		p.after.Mappings = append(p.after.Mappings, m)
	}
}

// dropOrphans takes away the mappings of directories and connections that are not there.
func (p *plan) dropOrphans() {
	p.after.Mappings = slices.DeleteFunc(p.after.Mappings, func(m directory.RoleMapping) bool {
		_, dir := p.after.Directory(m.Directory)
		_, con := p.after.Connection(m.Connection)
		return m.Directory != "" && !dir || m.Connection != "" && !con
	})
}

func (p *plan) mapping(part mappingPart) (directory.RoleMapping, bool) {
	m := directory.RoleMapping{Match: part.group}
	ok := true
	if part.directory != "" {
		d, found := findDirectory(p.after, part.directory)
		if !found {
			p.add(part.line, "%s.directory: there is no directory %s%s", part.path, quote(part.directory), didYouMean(part.directory, directoryNames(p.after)))
			ok = false
		}
		m.Directory = d.ID
	}
	if part.connection != "" {
		c, found := findConnection(p.after, part.connection)
		if !found {
			p.add(part.line, "%s.connection: there is no connection %s%s", part.path, quote(part.connection), didYouMean(part.connection, connectionNames(p.after)))
			ok = false
		}
		m.Connection = c.ID
	}
	role, found := p.after.Roles.ByName(part.role)
	switch {
	case !found:
		p.add(part.line, "%s.role: there is no role %s%s", part.path, quote(part.role), didYouMean(part.role, p.after.Roles.Names()))
		ok = false
	case role.IsOwner():
		p.add(part.line, "%s.role: the owner role %q cannot be mapped; owners are named by hand", part.path, role.Name)
		ok = false
	}
	m.Role = role.ID
	return m, ok
}

func findDirectory(c *directory.Config, name string) (directory.Directory, bool) {
	i := slices.IndexFunc(c.Directories, func(d directory.Directory) bool { return strings.EqualFold(d.Name, name) || d.ID == name })
	if i < 0 {
		return directory.Directory{}, false
	}
	return c.Directories[i], true
}

func findConnection(c *directory.Config, name string) (directory.Connection, bool) {
	i := slices.IndexFunc(c.Connections, func(c directory.Connection) bool { return strings.EqualFold(c.Name, name) || c.ID == name })
	if i < 0 {
		return directory.Connection{}, false
	}
	return c.Connections[i], true
}

func findApplication(c *directory.Config, name string) (directory.Application, bool) {
	i := slices.IndexFunc(c.Applications, func(a directory.Application) bool { return strings.EqualFold(a.Name, name) || a.ID == name })
	if i < 0 {
		return directory.Application{}, false
	}
	return c.Applications[i], true
}

func directoryNames(c *directory.Config) (names []string) {
	for _, d := range c.Directories {
		names = append(names, d.Name)
	}
	return names
}

func connectionNames(c *directory.Config) (names []string) {
	for _, con := range c.Connections {
		names = append(names, con.Name)
	}
	return names
}
