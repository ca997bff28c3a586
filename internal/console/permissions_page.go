package console

import (
	"fmt"
	"net/url"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// permissionsData is the page of roles and what they allow.
type permissionsData struct {
	common
	Roles       []roleLine
	Permissions []choice // of a new role
	Above       []choice
	AboveChosen string
}

// roleLine is a role with what the visitor may do to it.
type roleLine struct {
	settings.RoleLine
	URL     string
	Size    string
	Says    []string     // what it allows
	Choices []permission // nil where they may not be changed
	Mine    bool         // the visitor's own
	Edits   bool         // the visitor may change it
	Up      bool
	Down    bool
	// Bottom says that a move makes another role the lowest, and Then which one.
	UpBottom, DownBottom bool
	Then                 string
	Instead              []choice // roles for those who have it, where it can be removed
}

type permission struct {
	directory.Permission
	Has bool
	May bool // the visitor may give it
}

func (d *Door) mountRoles(on mounter, workspace string) {
	roles := workspace + "/permissions"
	on("GET "+roles, directory.PermissionRolesRead, d.permissionsPage)
	on("POST "+roles, directory.PermissionRoles, d.addRole)
	role := roles + "/{role}"
	on("POST "+role+"/rename", directory.PermissionRoles, d.onRole("role-renamed", "name", func(v *visit, role string, form url.Values) error {
		return d.Settings.RenameRole(v.r.Context(), v.live.Slug, role, form.Get("name"), v.actor)
	}))
	on("POST "+role+"/allow", directory.PermissionRoles, d.onRole("role-saved", "allow", func(v *visit, role string, form url.Values) error {
		return d.Settings.SetRolePermissions(v.r.Context(), v.live.Slug, role, form["permission"], v.actor)
	}))
	on("POST "+role+"/move", directory.PermissionRoles, d.onRole("role-moved", "move", func(v *visit, role string, form url.Values) error {
		where := form.Get("where")
		if where != "up" && where != "down" {
			return errs.Invalid("where_unknown", "A role moves up or down.")
		}
		return d.Settings.MoveRole(v.r.Context(), v.live.Slug, role, where == "up", v.actor)
	}))
	on("POST "+role+"/remove", directory.PermissionRoles, d.onRole("role-removed", "remove", func(v *visit, role string, form url.Values) error {
		return d.Settings.RemoveRole(v.r.Context(), v.live.Slug, role, form.Get("instead"), v.actor)
	}))
}

func (d *Door) permissionsPage(v *visit) error { return d.showRoleEditor(v, told{}) }

func (d *Door) showRoleEditor(v *visit, t told) error {
	all, err := d.Settings.Roles(v.r.Context(), v.live.Slug)
	if err != nil {
		return err
	}
	return d.show(v, "permissions", "Roles & Permissions", "/permissions", t, func(c common) any {
		data := permissionsData{common: c, AboveChosen: c.Typed["role-above"]}
		for _, p := range directory.Permissions() {
			if v.may(p.Name) {
				data.Permissions = append(data.Permissions, choice{p.Name, p.Says})
			}
		}
		for i := range all {
			data.Roles = append(data.Roles, v.roleLine(all, i, c))
			if !all[i].Owner && (v.owner || all[i].Rank > v.role.Rank) {
				data.Above = append([]choice{{all[i].ID, all[i].Name}}, data.Above...)
			}
		}
		return data
	})
}

// roleLine is one of the roles for the visitor: what they may not do is not offered.
func (v *visit) roleLine(all []settings.RoleLine, i int, c common) roleLine {
	as := func(r settings.RoleLine) directory.Role {
		return directory.Role{ID: r.ID, Name: r.Name, Rank: r.Rank, Permissions: r.Permissions}
	}
	gives := func(r settings.RoleLine) bool { return v.role.CheckGives(as(r)) == nil }
	r, last := all[i], len(all)-1
	line := roleLine{RoleLine: r, URL: c.Base + "/permissions/" + url.PathEscape(r.ID), Size: fmt.Sprint(r.Members), Mine: r.ID == v.role.ID}
	if r.Members > store.MaxRoleCount {
		line.Size = fmt.Sprintf("more than %d", store.MaxRoleCount)
	}
	for _, p := range directory.Permissions() {
		has := as(r).May(p.Name)
		// What a whole permission contains goes without saying.
		if has && slices.Contains(r.Permissions, p.Name) {
			line.Says = append(line.Says, p.Says)
		}
		if !r.Owner {
			line.Choices = append(line.Choices, permission{p, slices.Contains(r.Permissions, p.Name), v.may(p.Name)})
		}
	}
	if line.Edits = v.may(directory.PermissionRoles) && gives(r); !line.Edits || r.Owner {
		return line
	}
	line.Up = i > 1 && gives(all[i-1]) && !line.Mine && all[i-1].ID != v.role.ID
	line.Down = i < last && gives(all[i+1]) && !line.Mine && all[i+1].ID != v.role.ID
	switch {
	case i == last:
		line.UpBottom, line.Then = true, all[max(last-1, 0)].Name
	case i+1 == last:
		line.DownBottom, line.Then = true, r.Name
	}
	if last < 2 || line.Mine {
		return line
	}
	for k, other := range all {
		if k != i && !other.Owner && gives(other) && (i != last || k == last-1) {
			line.Instead = append([]choice{{other.ID, other.Name}}, line.Instead...)
		}
	}
	return line
}

// addRole makes a role.
func (d *Door) addRole(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	n := settings.NewRole{Name: form.Get("name"), Permissions: form["permission"], Above: form.Get("above")}
	err = d.Settings.AddRole(v.r.Context(), v.live.Slug, n, v.actor)
	if forTheForm(err) || errs.Is(err, errs.KindNotFound) {
		typed := map[string]string{"role-name": n.Name, "role-above": n.Above}
		for _, p := range n.Permissions {
			typed["new-"+p] = "on"
		}
		return d.showRoleEditor(v, told{field: "role-name", err: err, typed: typed})
	}
	if err != nil {
		return err
	}
	return v.to("/permissions?done=role-added")
}

// onRole does something to the role of the path. What is wrong stands beside the button.
func (d *Door) onRole(done, field string, act func(v *visit, role string, form url.Values) error) handler {
	return func(v *visit) error {
		form, err := web.Form(v.r)
		if err != nil {
			return err
		}
		role := v.r.PathValue("role")
		if _, ok := v.cfg.Roles.ByID(role); !ok {
			return errs.NotFound("role_unknown", "There is no such role.")
		}
		err = act(v, role, form)
		if forTheForm(err) {
			return d.showRoleEditor(v, told{field: field + "-" + role, err: err})
		}
		if err != nil {
			return err
		}
		return v.to("/permissions?done=" + done + "#" + url.PathEscape(role))
	}
}
