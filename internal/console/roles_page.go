package console

import (
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// rolesData is the page of role mappings.
type rolesData struct {
	common
	Mappings  []mappingLine
	Roles     []settings.RoleView // that can be given
	Sources   []choice
	Source    string // chosen
	Role      string // chosen
	Lowest    string
	Groups    []string // that directories pushed, some of them
	Ignored   bool     // the policy does not ask mappings
	OwnerRole string
}

type mappingLine struct {
	settings.MappingView
	Source string
	URL    string
}

// maxSuggested is how many of the known groups a field offers.
const maxSuggested = 200

func (d *Door) rolesPage(v *visit) error { return d.showRoles(v, told{}) }

func (d *Door) showRoles(v *visit, t told) error {
	groups, err := d.groupNames(v)
	if err != nil {
		return err
	}
	return d.show(v, "roles", "Role mappings", "/roles", t, func(c common) any {
		data := rolesData{common: c, Groups: groups, Ignored: v.setup.RoleSource == directory.RoleSourceDefault,
			Source: c.Typed["mapping-source"], Role: c.Typed["mapping-role"],
			Sources: []choice{{"", "Any directory or connection"}}}
		for _, m := range v.setup.RoleMappings {
			data.Mappings = append(data.Mappings, mappingLine{m, sourceOf(m), c.Base + "/roles/" + m.ID})
		}
		for _, r := range v.setup.Roles {
			if r.Owner {
				data.OwnerRole = r.Name
				continue
			}
			if role, ok := v.cfg.Roles.ByID(r.ID); ok && v.role.CheckGives(role) == nil {
				data.Roles = append(data.Roles, r)
			}
		}
		data.Lowest = v.setup.Roles[len(v.setup.Roles)-1].Name
		for _, dir := range v.setup.Directories {
			data.Sources = append(data.Sources, choice{"directory:" + dir.ID, "Groups of the directory " + dir.Name})
		}
		for _, con := range v.setup.Connections {
			data.Sources = append(data.Sources, choice{"connection:" + con.ID, "Group claims of the connection " + con.Name})
		}
		return data
	})
}

func sourceOf(m settings.MappingView) string {
	switch {
	case m.DirectoryID != "":
		return "Groups of the directory " + m.Directory
	case m.ConnectionID != "":
		return "Group claims of the connection " + m.Connection
	}
	return "Any directory or connection"
}

// groupNames are names to choose from.
func (d *Door) groupNames(v *visit) (names []string, err error) {
	err = d.DB.Read(v.r.Context(), v.live.Workspace, func(tx *store.Tx) error {
		names = nil
		groups, err := tx.GroupsAfter("", maxSuggested)
		for _, g := range groups {
			if g.Directory != "" { // a team gives no mapped role
				names = append(names, g.DisplayName)
			}
		}
		return err
	})
	return names, err
}

// addMapping gives a group a role, once whoever asks has seen whom it changes.
func (d *Door) addMapping(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	n := settings.NewMapping{Match: strings.TrimSpace(form.Get("group")), Role: form.Get("role")}
	switch kind, id, _ := strings.Cut(form.Get("source"), ":"); {
	case kind == "directory":
		dir, err := v.directory(id)
		if err != nil {
			return err
		}
		n.Directory = dir.ID
	case kind == "connection":
		con, err := v.connection(id)
		if err != nil {
			return err
		}
		n.Connection = con.ID
	}
	err = d.reviewed(v, settings.Change{AddMappings: []settings.NewMapping{n}}, "mapping-added")
	if forTheForm(err) {
		field := "mapping-group"
		switch errs.CodeOf(err) {
		case "role_unknown", "owner_role", "rank_too_high", "permission_beyond":
			field = "mapping-role"
		case "group_missing", "mapping_taken", "text_too_long", "text_invalid":
		default: // what deciding the roles again brought up
			field = "add-mapping"
		}
		return d.showRoles(v, told{field: field, err: err, typed: map[string]string{
			"mapping-group": form.Get("group"), "mapping-source": form.Get("source"), "mapping-role": form.Get("role")}})
	}
	return err
}

func (d *Door) removeMapping(v *visit) error {
	err := d.reviewed(v, settings.Change{RemoveMappings: []string{v.r.PathValue("mapping")}}, "mapping-removed")
	if forTheForm(err) {
		return d.showRoles(v, told{field: "mappings", err: err})
	}
	return err
}
