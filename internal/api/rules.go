package api

import (
	"context"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/settings"
)

// Role is a ranked set of permissions.
type Role struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Rank        int      `json:"rank" doc:"0 is the owner role; a smaller rank is higher"`
	Permissions []string `json:"permissions"`
}

// RoleList is every role, the highest first.
type RoleList struct {
	Roles []Role `json:"roles"`
}

// Mapping gives a role to the members of a group.
type Mapping struct {
	ID         string `json:"id"`
	Group      string `json:"group" doc:"Display name or external id of a group, or the value of a group claim"`
	Role       string `json:"role" doc:"By name"`
	Directory  string `json:"directory,omitempty" doc:"Id, where it is for the groups of one directory alone"`
	Connection string `json:"connection,omitempty" doc:"Id, where it is for the claims of one connection alone"`
}

// MappingList is every role mapping.
type MappingList struct {
	Mappings []Mapping `json:"mappings"`
	InEffect bool      `json:"in_effect" doc:"False while the policy role_source is default_role"`
}

// Policy is what the workspace chose.
type Policy struct {
	Preset             string   `json:"preset"`
	ProvisionOn        string   `json:"provision_on" enum:"scim,first_login,both"`
	Reactivation       string   `json:"reactivation" enum:"restore,new_identity"`
	GroupLoss          string   `json:"group_loss" enum:"keep,deactivate"`
	RoleSource         string   `json:"role_source" enum:"mapping,default_role"`
	SCIMRequiresSSO    bool     `json:"scim_requires_sso"`
	SCIMAllowed        bool     `json:"scim_allowed" doc:"The operator's switch"`
	InviteOnCreate     bool     `json:"invite_on_create"`
	Adoption           string   `json:"adoption" enum:"link,ask_owner,ask_admin,refuse"`
	RequiredAttributes []string `json:"required_attributes"`
}

// Directory is a provisioning feed.
type Directory struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"`
	BaseURL    string   `json:"base_url"`
	Connection string   `json:"connection" doc:"Id, empty for none"`
	Status     string   `json:"status"`
	Mode       string   `json:"mode" enum:"lenient,strict"`
	Pilot      []string `json:"pilot" doc:"Who takes effect while it is testing"`
}

type (
	roleListAnswer    struct{ Body RoleList }
	mappingListAnswer struct{ Body MappingList }
	mappingAnswer     struct{ Body Mapping }
	policyAnswer      struct {
		ETag string `header:"ETag" doc:"The version of the workspace's settings, for If-Match"`
		Body Policy
	}
	connectionListAnswer struct {
		Body struct {
			Connections []settings.ConnectionView `json:"connections"`
		}
	}
	connectionAnswer    struct{ Body settings.ConnectionView }
	directoryListAnswer struct {
		Body struct {
			Directories []Directory `json:"directories"`
		}
	}
	directoryAnswer struct{ Body Directory }
)

func (d *Door) addRules() {
	add(d, route{method: http.MethodGet, path: "/roles", id: "list-roles", tag: "Roles", summary: "List roles, the highest first", needs: directory.PermissionRolesRead},
		func(_ context.Context, c *caller, _ *struct{}) (*roleListAnswer, error) {
			out := &roleListAnswer{RoleList{Roles: []Role{}}}
			for _, r := range c.cfg.Roles {
				out.Body.Roles = append(out.Body.Roles, Role{r.ID, r.Name, r.Rank, append([]string{}, r.Permissions...)})
			}
			return out, nil
		})
	add(d, route{method: http.MethodGet, path: "/role-mappings", id: "list-role-mappings", tag: "Roles", summary: "List role mappings", needs: directory.PermissionSettingsRead}, d.listMappings)
	add(d, route{method: http.MethodPost, path: "/role-mappings", id: "add-role-mapping", tag: "Roles", summary: "Give the members of a group a role, at once", needs: directory.PermissionSettings, made: true,
		says: "The key must have all that the role allows. The owner role cannot be mapped.", twice: "409 mapping_taken."}, d.addMapping)
	add(d, route{method: http.MethodDelete, path: "/role-mappings/{mapping}", id: "remove-role-mapping", tag: "Roles", summary: "Take a role mapping away; roles are decided again, and nobody goes out", needs: directory.PermissionSettings, twice: "404 mapping_unknown."},
		func(ctx context.Context, c *caller, in *struct {
			Mapping string `path:"mapping" maxLength:"100"`
		}) (*struct{}, error) {
			return nil, d.Settings.RemoveRoleMapping(ctx, c.Slug, in.Mapping, c.actor())
		})
	add(d, route{method: http.MethodGet, path: "/policy", id: "show-policy", tag: "Policy", summary: "Show the policy", needs: directory.PermissionSettingsRead},
		func(ctx context.Context, c *caller, _ *struct{}) (*policyAnswer, error) { return d.policy(ctx, c) })
	add(d, route{method: http.MethodPatch, path: "/policy", id: "change-policy", tag: "Policy", summary: "Change the policy; what is left out stays", needs: directory.PermissionSettings,
		says: "Roles are decided again where it has a say in them. Only an owner's key changes adoption.", twice: "the same answer; nothing changes."}, d.changePolicy)
	add(d, route{method: http.MethodGet, path: "/connections", id: "list-connections", tag: "SSO & SCIM", summary: "List connections", needs: directory.PermissionSettingsRead},
		func(ctx context.Context, c *caller, _ *struct{}) (out *connectionListAnswer, err error) {
			out = &connectionListAnswer{}
			out.Body.Connections, err = d.Settings.Connections(ctx, c.Slug)
			return out, err
		})
	add(d, route{method: http.MethodGet, path: "/connections/{connection}", id: "show-connection", tag: "SSO & SCIM", summary: "Show a connection", needs: directory.PermissionSettingsRead},
		func(ctx context.Context, c *caller, in *struct {
			Connection string `path:"connection" maxLength:"100"`
		}) (*connectionAnswer, error) {
			if _, ok := c.cfg.Connection(in.Connection); !ok {
				return nil, errs.NotFound("connection_unknown", "There is no connection %s.", clip(in.Connection))
			}
			view, err := d.Settings.Connection(ctx, c.Slug, in.Connection)
			return &connectionAnswer{view}, err
		})
	add(d, route{method: http.MethodGet, path: "/directories", id: "list-directories", tag: "SSO & SCIM", summary: "List directories", needs: directory.PermissionSettingsRead},
		func(_ context.Context, c *caller, _ *struct{}) (*directoryListAnswer, error) {
			out := &directoryListAnswer{}
			out.Body.Directories = []Directory{}
			for _, dir := range c.cfg.Directories {
				out.Body.Directories = append(out.Body.Directories, d.directoryOf(dir))
			}
			return out, nil
		})
	add(d, route{method: http.MethodGet, path: "/directories/{directory}", id: "show-directory", tag: "SSO & SCIM", summary: "Show a directory", needs: directory.PermissionSettingsRead},
		func(_ context.Context, c *caller, in *struct {
			Directory string `path:"directory" maxLength:"100"`
		}) (*directoryAnswer, error) {
			dir, ok := c.cfg.Directory(in.Directory)
			if !ok {
				return nil, errs.NotFound("directory_unknown", "There is no directory %s.", clip(in.Directory))
			}
			return &directoryAnswer{d.directoryOf(dir)}, nil
		})
}

func (d *Door) directoryOf(dir directory.Directory) Directory {
	return Directory{ID: dir.ID, Name: dir.Name, BaseURL: d.Settings.SCIMBaseURL(), Connection: dir.Connection, Status: string(dir.Status), Mode: string(dir.Mode), Pilot: append([]string{}, dir.Pilot...)}
}

func (d *Door) listMappings(_ context.Context, c *caller, _ *struct{}) (*mappingListAnswer, error) {
	out := &mappingListAnswer{MappingList{Mappings: []Mapping{}, InEffect: c.cfg.Workspace.Policy.RoleSource == directory.RoleSourceMapping}}
	for _, m := range c.cfg.Mappings {
		role, _ := c.cfg.Roles.ByID(m.Role)
		out.Body.Mappings = append(out.Body.Mappings, Mapping{m.ID, m.Match, role.Name, m.Directory, m.Connection})
	}
	return out, nil
}

type addMappingInput struct {
	Body struct {
		Group      string `json:"group" minLength:"1" maxLength:"1000" doc:"Display name or external id of a group, or the value of a group claim"`
		Role       string `json:"role" minLength:"1" maxLength:"256" doc:"Name of a role"`
		Directory  string `json:"directory,omitempty" maxLength:"100" doc:"Name or id: for the groups of one directory alone"`
		Connection string `json:"connection,omitempty" maxLength:"100" doc:"Name or id: for the claims of one connection alone"`
	}
}

func (d *Door) addMapping(ctx context.Context, c *caller, in *addMappingInput) (*mappingAnswer, error) {
	role, ok := c.cfg.Roles.ByName(in.Body.Role)
	if !ok {
		role, ok = c.cfg.Roles.ByID(in.Body.Role)
	}
	if ok && !role.IsOwner() {
		if err := c.gives(role); err != nil {
			return nil, err
		}
	}
	m, err := d.Settings.AddRoleMapping(ctx, c.Slug, settings.NewMapping{Match: in.Body.Group, Role: in.Body.Role, Directory: in.Body.Directory, Connection: in.Body.Connection}, c.actor())
	if err != nil {
		return nil, err
	}
	return &mappingAnswer{Mapping{m.ID, m.Group, m.Role, m.DirectoryID, m.ConnectionID}}, nil
}

func (d *Door) policy(ctx context.Context, c *caller) (*policyAnswer, error) {
	_, cfg, err := d.Settings.Workspace(ctx, c.Slug)
	if err != nil {
		return nil, err
	}
	p := cfg.Workspace.Policy
	return &policyAnswer{ETag: tag(cfg.Workspace.Version), Body: Policy{Preset: cfg.Workspace.Preset, ProvisionOn: string(p.ProvisionOn), Reactivation: string(p.Reactivation), GroupLoss: string(p.GroupLoss),
		RoleSource: string(p.RoleSource), SCIMRequiresSSO: p.SCIMRequiresSSO, SCIMAllowed: p.SCIMAllowed, InviteOnCreate: p.InviteOnCreate, Adoption: string(p.AdoptionMode()),
		RequiredAttributes: append([]string{}, p.RequiredAttributes...)}}, nil
}

type changePolicyInput struct {
	IfMatch string `header:"If-Match" maxLength:"1000" doc:"Change nothing unless the settings still have this version"`
	Body    struct {
		ProvisionOn        *string   `json:"provision_on,omitempty" enum:"scim,first_login,both"`
		Reactivation       *string   `json:"reactivation,omitempty" enum:"restore,new_identity"`
		GroupLoss          *string   `json:"group_loss,omitempty" enum:"keep,deactivate"`
		RoleSource         *string   `json:"role_source,omitempty" enum:"mapping,default_role"`
		SCIMRequiresSSO    *bool     `json:"scim_requires_sso,omitempty"`
		InviteOnCreate     *bool     `json:"invite_on_create,omitempty"`
		Adoption           *string   `json:"adoption,omitempty" enum:"link,ask_owner,ask_admin,refuse"`
		RequiredAttributes *[]string `json:"required_attributes,omitempty" maxItems:"20"`
	}
}

func (d *Door) changePolicy(ctx context.Context, c *caller, in *changePolicyInput) (*policyAnswer, error) {
	b := &in.Body
	to := settings.NewPolicy{Words: map[string]string{}, Required: b.RequiredAttributes, If: func(version int64) error {
		if !matches(in.IfMatch, tag(version)) {
			return errVersion()
		}
		return nil
	}}
	for name, word := range map[string]*string{"provision_on": b.ProvisionOn, "reactivation": b.Reactivation, "group_loss": b.GroupLoss, "role_source": b.RoleSource, "adoption": b.Adoption} {
		if word != nil {
			to.Words[name] = *word
		}
	}
	for name, on := range map[string]*bool{"scim_requires_sso": b.SCIMRequiresSSO, "invite_on_create": b.InviteOnCreate} {
		if on != nil {
			to.Words[name] = map[bool]string{true: "yes", false: "no"}[*on]
		}
	}
	if err := c.givesSource(to.Words["role_source"]); err != nil {
		return nil, err
	}
	if err := d.Settings.ChangePolicy(ctx, c.Slug, to, c.actor()); err != nil {
		return nil, err
	}
	return d.policy(ctx, c)
}
