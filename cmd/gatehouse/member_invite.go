package main

import (
	"context"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/provision"
)

type memberInviteCommand struct {
	workspaceFlag
	Email string `arg:"" help:"The e-mail address."`
	Name  string `help:"The person's name (default the address)."`
	Role  string `help:"A role, which is then theirs by hand (default: groups and role mappings decide)."`
}

func (memberInviteCommand) Help() string {
	return `A letter with a link goes to the address. The link works once, for seven days. Whoever has it sets a
password, or signs in with their organisation's account where single sign-on is required.

Example:

  gatehouse member invite --workspace acme ada@acme.test --role Admin`
}

type inviteArgs struct {
	Workspace string `json:"workspace"` // slug
	Email     string `json:"email"`
	Name      string `json:"name"`
	Role      string `json:"role"` // name, "" for none
}

func (c *memberInviteCommand) Run(ctx context.Context, p *program) error {
	return p.act(ctx, "member.invite", inviteArgs{c.Workspace, c.Email, c.Name, c.Role})
}

func inviteMember(ctx context.Context, a *app, by audit.Party, args inviteArgs) (memberView, error) {
	workspace, err := a.workspace(ctx, args.Workspace)
	if err != nil {
		return memberView{}, err
	}
	m, _, err := a.provision.Invite(ctx, scope(workspace, by), provision.Invitee{Email: args.Email, Name: args.Name, Role: args.Role})
	if err != nil {
		return memberView{}, err
	}
	return a.member(ctx, workspace, provision.Who(m.ID))
}

type memberResendCommand struct{ whoArg }

func (memberResendCommand) Help() string {
	return `A new letter with a new link. Links that were sent before stop working.`
}

func (c *memberResendCommand) Run(ctx context.Context, p *program) error {
	return p.act(ctx, "member.resend", c.args())
}

func resendInvitation(ctx context.Context, a *app, by audit.Party, args memberArgs) (memberView, error) {
	return a.change(ctx, args, by, a.provision.Resend)
}

type memberRevokeCommand struct{ whoArg }

func (memberRevokeCommand) Help() string {
	return `The link stops working and the person is out. They can be invited again.`
}

func (c *memberRevokeCommand) Run(ctx context.Context, p *program) error {
	return p.act(ctx, "member.revoke", c.args())
}

func revokeInvitation(ctx context.Context, a *app, by audit.Party, args memberArgs) (memberView, error) {
	return a.change(ctx, args, by, a.provision.Revoke)
}

type memberEditCommand struct {
	whoArg
	Email      *string `help:"A new e-mail address. Links that were sent to the old one stop working."`
	Name       *string `help:"The display name."`
	GivenName  *string `help:"The given name."`
	FamilyName *string `help:"The family name."`

	Attribute []string `sep:"none" placeholder:"NAME=VALUE" help:"An attribute (gatehouse attribute list); with nothing behind the = it is taken away. A list is a JSON array."`
}

func (memberEditCommand) Help() string {
	return `Only what no directory and no connection has the say over can be edited; member show says who has
the say over which field.

Example:

  gatehouse member edit --workspace acme ada@acme.test --name "Ada Lovelace"`
}

type editArgs struct {
	memberArgs
	Values map[string]string `json:"values"`
}

func (c *memberEditCommand) Run(ctx context.Context, p *program) error {
	values := map[string]string{}
	for name, v := range map[string]*string{provision.FieldEmail: c.Email, provision.FieldName: c.Name, provision.FieldGivenName: c.GivenName, provision.FieldFamilyName: c.FamilyName} {
		if v != nil {
			values[name] = *v
		}
	}
	for _, line := range c.Attribute {
		name, value, ok := strings.Cut(line, "=")
		if !ok || name == "" {
			return usagef("member edit: expected --attribute NAME=VALUE, received %q", line)
		}
		values[name] = value
	}
	if len(values) == 0 {
		return usagef("member edit: expected at least one of --email, --name, --given-name, --family-name, --attribute")
	}
	return p.act(ctx, "member.edit", editArgs{c.args(), values})
}

func editMember(ctx context.Context, a *app, by audit.Party, args editArgs) (memberView, error) {
	return a.change(ctx, args.memberArgs, by, func(ctx context.Context, scope provision.Scope, find finder) (directory.Member, error) {
		return a.provision.Edit(ctx, scope, find, args.Values)
	})
}
