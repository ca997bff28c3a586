package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

type roleCommand struct {
	List        roleListCommand        `cmd:"" help:"List the roles, highest first, and what permissions there are."`
	Show        roleShowCommand        `cmd:"" help:"Show a role: what it allows, who has it, which mappings give it."`
	Add         roleAddCommand         `cmd:"" help:"Make a role, directly above the lowest or above another one."`
	Rename      roleRenameCommand      `cmd:"" help:"Give a role another name. Whoever has it keeps it."`
	Move        roleMoveCommand        `cmd:"" help:"Move a role one place up or down. Of several mapped roles the highest wins."`
	Permissions rolePermissionsCommand `cmd:"" help:"Say what a role allows, in place of what it allowed."`
	Remove      roleRemoveCommand      `cmd:"" help:"Remove a role. Whoever has it, and whatever mapping gives it, gets another one."`
}

// roleNameArg names a role.
type roleNameArg struct {
	workspaceFlag
	Role string `arg:"" help:"The role's name or id (rol_...)."`
}

type roleActArgs struct {
	Workspace   string   `json:"workspace"` // slug
	Role        string   `json:"role"`      // name or id
	Name        string   `json:"name,omitempty"`
	Other       string   `json:"other,omitempty"` // the role below, or instead
	Permissions []string `json:"permissions,omitempty"`
	Up          bool     `json:"up,omitempty"`
}

// roleWords is a role for people.
func roleWords(w io.Writer, r settings.RoleLine) {
	fmt.Fprint(w, cells("id", r.ID), cells("role", r.Name), cells("rank", strconv.Itoa(r.Rank+1)))
	switch {
	case r.Owner:
		fmt.Fprint(w, cells("", "the owner role: everything, always"))
	case r.Lowest:
		fmt.Fprint(w, cells("", "the lowest: everybody has it to whom nothing gives another"))
	}
	fmt.Fprint(w, cells("allows", allows(r)), cells("members", roleSize(r.Members)))
	for _, m := range r.Mappings {
		fmt.Fprint(w, cells("mapping", m))
	}
}

func allows(r settings.RoleLine) string {
	if len(r.Permissions) == 0 {
		return "nothing"
	}
	return strings.Join(r.Permissions, ", ")
}

func roleSize(n int) string {
	if n > store.MaxRoleCount {
		return fmt.Sprintf("more than %d", store.MaxRoleCount)
	}
	return strconv.Itoa(n)
}

func (p *program) showRole(ctx context.Context, verb string, args roleActArgs) error {
	v, err := call[settings.RoleLine](ctx, p, verb, args)
	if err != nil {
		return err
	}
	return p.show(v, func(w io.Writer) { roleWords(w, v) })
}

type roleListCommand struct{ workspaceFlag }

func (c *roleListCommand) Run(ctx context.Context, p *program) error {
	all, err := call[[]settings.RoleLine](ctx, p, "role.list", roleActArgs{Workspace: c.Workspace})
	if err != nil {
		return err
	}
	return p.show(all, func(w io.Writer) {
		fmt.Fprint(w, cells("ROLE", "MEMBERS", "ALLOWS"))
		for _, r := range all {
			fmt.Fprint(w, cells(r.Name, roleSize(r.Members), allows(r)))
		}
		fmt.Fprint(w, "\n", cells("PERMISSION", "", "WHAT IT IS"))
		for _, one := range directory.Permissions() {
			fmt.Fprint(w, cells(one.Name, "", one.Says))
		}
	})
}

func listRoles(ctx context.Context, a *app, _ audit.Party, args roleActArgs) ([]settings.RoleLine, error) {
	return a.settings.Roles(ctx, args.Workspace)
}

type roleShowCommand struct{ roleNameArg }

func (c *roleShowCommand) Run(ctx context.Context, p *program) error {
	return p.showRole(ctx, "role.show", roleActArgs{Workspace: c.Workspace, Role: c.Role})
}

func showRole(ctx context.Context, a *app, _ audit.Party, args roleActArgs) (settings.RoleLine, error) {
	return a.settings.Role(ctx, args.Workspace, args.Role)
}

type roleAddCommand struct {
	workspaceFlag
	Name       string   `arg:"" help:"Its name."`
	Permission []string `placeholder:"NAME" help:"A permission that it has; several times, or with commas. See role list."`
	Above      string   `placeholder:"ROLE" help:"The role that it stands directly above (default: the lowest)."`
}

func (c *roleAddCommand) Run(ctx context.Context, p *program) error {
	return p.showRole(ctx, "role.add", roleActArgs{Workspace: c.Workspace, Name: c.Name, Permissions: c.Permission, Other: c.Above})
}

func addRole(ctx context.Context, a *app, by audit.Party, args roleActArgs) (settings.RoleLine, error) {
	err := a.settings.AddRole(ctx, args.Workspace, settings.NewRole{Name: args.Name, Permissions: args.Permissions, Above: args.Other}, by)
	if err != nil {
		return settings.RoleLine{}, err
	}
	return a.settings.Role(ctx, args.Workspace, strings.Join(strings.Fields(args.Name), " "))
}

type roleRenameCommand struct {
	roleNameArg
	Name string `arg:"" help:"Its new name."`
}

func (c *roleRenameCommand) Run(ctx context.Context, p *program) error {
	return p.showRole(ctx, "role.rename", roleActArgs{Workspace: c.Workspace, Role: c.Role, Name: c.Name})
}

// onRole does something to a role and shows it as it is then.
func onRole(act func(ctx context.Context, a *app, by audit.Party, args roleActArgs) error) func(context.Context, *app, audit.Party, roleActArgs) (settings.RoleLine, error) {
	return func(ctx context.Context, a *app, by audit.Party, args roleActArgs) (settings.RoleLine, error) {
		r, err := a.settings.Role(ctx, args.Workspace, args.Role)
		if err == nil {
			err = act(ctx, a, by, args)
		}
		if err != nil {
			return r, err
		}
		return a.settings.Role(ctx, args.Workspace, r.ID)
	}
}

func renameRole(ctx context.Context, a *app, by audit.Party, args roleActArgs) error {
	return a.settings.RenameRole(ctx, args.Workspace, args.Role, args.Name, by)
}

type roleMoveCommand struct {
	roleNameArg
	Where string `arg:"" enum:"up,down" help:"up or down."`
}

func (c *roleMoveCommand) Run(ctx context.Context, p *program) error {
	return p.showRole(ctx, "role.move", roleActArgs{Workspace: c.Workspace, Role: c.Role, Up: c.Where == "up"})
}

func moveRole(ctx context.Context, a *app, by audit.Party, args roleActArgs) error {
	return a.settings.MoveRole(ctx, args.Workspace, args.Role, args.Up, by)
}

type rolePermissionsCommand struct {
	roleNameArg
	Permissions []string `arg:"" optional:"" help:"All that it shall allow; see role list."`
	None        bool     `help:"Nothing."`
}

func (c *rolePermissionsCommand) Run(ctx context.Context, p *program) error {
	if c.None == (len(c.Permissions) > 0) {
		return errs.Invalid("permissions_missing", "Give the permissions that the role shall have, or --none.")
	}
	return p.showRole(ctx, "role.permissions", roleActArgs{Workspace: c.Workspace, Role: c.Role, Permissions: c.Permissions})
}

func setRolePermissions(ctx context.Context, a *app, by audit.Party, args roleActArgs) error {
	return a.settings.SetRolePermissions(ctx, args.Workspace, args.Role, args.Permissions, by)
}

type roleRemoveCommand struct {
	roleNameArg
	Instead string `required:"" placeholder:"ROLE" help:"The role that whoever has it gets, and that mappings which give it give."`
}

func (c *roleRemoveCommand) Run(ctx context.Context, p *program) error {
	return p.showRole(ctx, "role.remove", roleActArgs{Workspace: c.Workspace, Role: c.Role, Other: c.Instead})
}

// removeRole shows the role that took the place of the removed one.
func removeRole(ctx context.Context, a *app, by audit.Party, args roleActArgs) (settings.RoleLine, error) {
	if err := a.settings.RemoveRole(ctx, args.Workspace, args.Role, args.Other, by); err != nil {
		return settings.RoleLine{}, err
	}
	return a.settings.Role(ctx, args.Workspace, args.Other)
}
