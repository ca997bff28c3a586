package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

type memberCommand struct {
	List       memberListCommand       `cmd:"" help:"List everybody, with status and role."`
	Show       memberShowCommand       `cmd:"" help:"Show one person: role and why, groups, attributes, what keeps them out."`
	Invite     memberInviteCommand     `cmd:"" help:"Invite somebody by a letter with a link."`
	Resend     memberResendCommand     `cmd:"" help:"Send an invitation again."`
	Revoke     memberRevokeCommand     `cmd:"" help:"Take back an invitation that was not accepted."`
	Import     memberImportCommand     `cmd:"" help:"Invite a list of people from a CSV file; says first what would become of each."`
	Edit       memberEditCommand       `cmd:"" help:"Change a name or an address that no directory has the say over."`
	Deactivate memberDeactivateCommand `cmd:"" help:"Take somebody's access away. Sessions end at once, data stay."`
	Restore    memberRestoreCommand    `cmd:"" help:"Give somebody's access back, whatever had taken it."`
	SetRole    memberSetRoleCommand    `cmd:"" help:"Set somebody's role by hand. It wins over groups until it is cleared."`
	Erase      memberEraseCommand      `cmd:"" help:"Take somebody's personal data away for good; says first what that does."`
}

// workspaceFlag says in which workspace people are looked for.
type workspaceFlag struct {
	Workspace string `required:"" placeholder:"SLUG" help:"The workspace."`
}

// whoArg says about whom a verb is.
type whoArg struct {
	workspaceFlag
	Who string `arg:"" help:"A member's id (mem_...) or e-mail address."`
}

// memberArgs name one member.
type memberArgs struct {
	Workspace string `json:"workspace"` // slug
	Who       string `json:"who"`       // id or address
}

func (w whoArg) args() memberArgs { return memberArgs{w.Workspace, w.Who} }

// memberView is a member as verbs show one.
type memberView struct {
	ID         string            `json:"id"`
	Email      string            `json:"email"`
	Name       string            `json:"name"`
	Status     directory.Status  `json:"status"`
	Role       string            `json:"role"` // name
	RoleReason roleReason        `json:"role_reason"`
	Groups     []string          `json:"groups"` // names
	Attributes map[string]string `json:"attributes"`
	Directory  string            `json:"directory"` // id of the owning directory, or ""
	// DeactivatedBy lists idp, group_loss, owner, safety_net.
	DeactivatedBy []string `json:"deactivated_by"`
	BreakGlass    bool     `json:"break_glass"`
	CreatedAt     string   `json:"created_at"`
	// Fields say who has the say over what is known of them.
	Fields []provision.Field `json:"fields"`
	// Invitation is the standing invitation by hand, or nil.
	Invitation *invitationView `json:"invitation,omitempty"`
}

// invitationView is a standing invitation.
type invitationView struct {
	By        string `json:"by"`
	SentAt    string `json:"sent_at"` // "" until a mail server took it
	ExpiresAt string `json:"expires_at"`
}

// roleReason says how a member got their role.
type roleReason struct {
	Source directory.RoleSourceKind `json:"source"`
	Group  string                   `json:"group,omitempty"` // name of the group that won
	// Mapping is the role mapping that gave it, in words, "" where none did.
	Mapping   string `json:"mapping,omitempty"`
	MappingID string `json:"mapping_id,omitempty"`
	At        string `json:"at"`
	Sentence  string `json:"sentence"`
}

func reasonOf(cfg *directory.Config, r directory.RoleReason) roleReason {
	mapping, _ := cfg.MappingText(r.Mapping)
	return roleReason{Source: r.Source, Group: r.Group, Mapping: mapping, MappingID: r.Mapping, At: instant(r.At), Sentence: r.Sentence()}
}

// memberLine is a member in a list.
type memberLine struct {
	ID            string           `json:"id"`
	Email         string           `json:"email"`
	Name          string           `json:"name"`
	Status        directory.Status `json:"status"`
	Role          string           `json:"role"`
	DeactivatedBy []string         `json:"deactivated_by"`
}

func instant(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func roleName(cfg *directory.Config, id string) string {
	r, _ := cfg.Roles.ByID(id)
	return r.Name
}

func showMember(ctx context.Context, a *app, _ audit.Party, args memberArgs) (memberView, error) {
	workspace, err := a.workspace(ctx, args.Workspace)
	if err != nil {
		return memberView{}, err
	}
	return a.member(ctx, workspace, provision.Who(args.Who))
}

// member reads all that is shown of one member.
func (a *app) member(ctx context.Context, workspace string, find func(*store.Tx) (*directory.Member, error)) (memberView, error) {
	var view memberView
	err := a.db.Read(ctx, workspace, func(tx *store.Tx) error {
		m, err := find(tx)
		if err != nil {
			return err
		}
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		groups, err := tx.GroupNames(m.ID)
		if err != nil {
			return err
		}
		view = memberView{ID: m.ID, Email: m.Email, Name: m.Name, Status: m.Status(), Role: roleName(cfg, m.Role),
			RoleReason: reasonOf(cfg, m.RoleReason),
			Groups:     append([]string{}, groups...), Attributes: map[string]string{}, Directory: m.Directory,
			DeactivatedBy: m.Sources.Names(), BreakGlass: m.BreakGlass, CreatedAt: instant(m.CreatedAt)}
		maps.Copy(view.Attributes, m.Attributes)
		if view.Fields, err = provision.Fields(tx, cfg, m); err != nil {
			return err
		}
		stands, err := tx.Invitation(m.ID)
		if errs.Is(err, errs.KindNotFound) || err == nil && m.Status() != directory.StatusInvited {
			return nil
		} else if err != nil {
			return err
		}
		view.Invitation = &invitationView{By: stands.By.Name, ExpiresAt: instant(stands.ExpiresAt)}
		if !stands.SentAt.IsZero() {
			view.Invitation.SentAt = instant(stands.SentAt)
		}
		return nil
	})
	return view, err
}

func (p *program) showMember(v memberView) error {
	return p.show(v, func(w io.Writer) {
		rows := [][2]string{{"id", v.ID}, {"email", v.Email}, {"name", v.Name}, {"status", string(v.Status)}}
		if len(v.DeactivatedBy) > 0 {
			rows = append(rows, [2]string{"deactivated by", strings.Join(v.DeactivatedBy, ", ")})
		}
		rows = append(rows, [2]string{"role", v.Role}, [2]string{"", v.RoleReason.Sentence})
		if v.RoleReason.Mapping != "" {
			rows = append(rows, [2]string{"by mapping", v.RoleReason.Mapping})
		}
		rows = append(rows, [2]string{"role since", v.RoleReason.At}, [2]string{"groups", strings.Join(v.Groups, ", ")},
			[2]string{"directory", v.Directory}, [2]string{"created", v.CreatedAt})
		if v.BreakGlass {
			rows = append(rows, [2]string{"break-glass", "yes"})
		}
		for _, name := range slices.Sorted(maps.Keys(v.Attributes)) {
			rows = append(rows, [2]string{name, v.Attributes[name]})
		}
		for _, f := range v.Fields {
			if !f.Editable() {
				rows = append(rows, [2]string{f.Name, "is the " + string(f.Owner) + "'s, " + f.By})
			}
		}
		if i := v.Invitation; i != nil {
			sent := "not sent yet"
			if i.SentAt != "" {
				sent = "sent " + i.SentAt
			}
			rows = append(rows, [2]string{"invitation", sent + ", until " + i.ExpiresAt})
		}
		for _, r := range rows {
			fmt.Fprint(w, cells(r[0], r[1]))
		}
	})
}

type memberShowCommand struct{ whoArg }

func (memberShowCommand) Help() string {
	return `WHO is an id or an address. Of several people with one address it is the one who is not
deactivated, else the newest.

Example:

  gatehouse member show --workspace acme ada@acme.test`
}

func (c *memberShowCommand) Run(ctx context.Context, p *program) error {
	return p.act(ctx, "member.show", c.args())
}

// act runs a verb that answers with a member, and shows them.
func (p *program) act(ctx context.Context, name string, args any) error {
	v, err := call[memberView](ctx, p, name, args)
	if err != nil {
		return err
	}
	return p.showMember(v)
}

type memberDeactivateCommand struct{ whoArg }

func (memberDeactivateCommand) Help() string {
	return `The person stays out until an owner or an operator restores them, whatever their directory
says. The last owner and the break-glass administrator are refused.`
}

func (c *memberDeactivateCommand) Run(ctx context.Context, p *program) error {
	return p.act(ctx, "member.deactivate", c.args())
}

func deactivateMember(ctx context.Context, a *app, by audit.Party, args memberArgs) (memberView, error) {
	return a.change(ctx, args, by, a.provision.Deactivate)
}

type memberRestoreCommand struct{ whoArg }

func (c *memberRestoreCommand) Run(ctx context.Context, p *program) error {
	return p.act(ctx, "member.restore", c.args())
}

func restoreMember(ctx context.Context, a *app, by audit.Party, args memberArgs) (memberView, error) {
	return a.change(ctx, args, by, a.provision.Restore)
}

type memberSetRoleCommand struct {
	whoArg
	Role  string `arg:"" optional:"" help:"Name of the role."`
	Clear bool   `help:"Let the role follow groups and role mappings again."`
}

func (memberSetRoleCommand) Help() string {
	return `Examples:

  gatehouse member set-role --workspace acme ada@acme.test Admin
  gatehouse member set-role --workspace acme ada@acme.test --clear`
}

// roleArgs name a member and a role; "" clears it.
type roleArgs struct {
	memberArgs
	Role string `json:"role"`
}

func (c *memberSetRoleCommand) Run(ctx context.Context, p *program) error {
	if (c.Role == "") != c.Clear {
		return usagef("member set-role: expected either a role or --clear")
	}
	return p.act(ctx, "member.set-role", roleArgs{c.args(), c.Role})
}

func setRole(ctx context.Context, a *app, by audit.Party, args roleArgs) (memberView, error) {
	return a.change(ctx, args.memberArgs, by, func(ctx context.Context, scope provision.Scope, find finder) (directory.Member, error) {
		return a.provision.SetRole(ctx, scope, find, args.Role)
	})
}

// finder finds a member inside a transaction.
type finder = func(*store.Tx) (*directory.Member, error)

// change runs a manual change of one member and returns them as they are then.
func (a *app) change(ctx context.Context, args memberArgs, by audit.Party, fn func(context.Context, provision.Scope, finder) (directory.Member, error)) (memberView, error) {
	workspace, err := a.workspace(ctx, args.Workspace)
	if err != nil {
		return memberView{}, err
	}
	m, err := fn(ctx, scope(workspace, by), provision.Who(args.Who))
	if err != nil {
		return memberView{}, err
	}
	return a.member(ctx, workspace, provision.Who(m.ID))
}
