package api

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// MemberLine is a member in a list.
type MemberLine struct {
	ID            string    `json:"id" example:"mem_01k"`
	Email         string    `json:"email"`
	Name          string    `json:"name"`
	Status        string    `json:"status" enum:"invited,pending,active,deactivated,erased"`
	Role          string    `json:"role" doc:"By name"`
	Directory     string    `json:"directory" doc:"Id of the directory that owns the member, empty for none"`
	DeactivatedBy []string  `json:"deactivated_by" doc:"idp, group_loss, owner, safety_net: each of them suffices"`
	CreatedAt     time.Time `json:"created_at"`
	UpdatedAt     time.Time `json:"updated_at"`
}

// Member is a member in full.
type Member struct {
	MemberLine
	GivenName  string            `json:"given_name"`
	FamilyName string            `json:"family_name"`
	RoleReason RoleReason        `json:"role_reason"`
	Groups     []string          `json:"groups" doc:"Names of groups and teams"`
	Attributes map[string]string `json:"attributes"`
	BreakGlass bool              `json:"break_glass"`
	Fields     []Field           `json:"fields" doc:"Who has the say over what"`
}

// RoleReason is how a member got their role.
type RoleReason struct {
	Source   string    `json:"source" enum:"manual,mapping,claim,default,kept"`
	Group    string    `json:"group,omitempty" doc:"The group, or the claim's value, that won"`
	At       time.Time `json:"at"`
	Sentence string    `json:"sentence"`
}

// Field is one value of a member and who has the say over it.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Owner string `json:"owner" enum:"hand,directory,connection"`
	By    string `json:"by,omitempty" doc:"Name of that directory or connection"`
}

func lineOf(cfg *directory.Config, m *directory.Member) MemberLine {
	role, _ := cfg.Roles.ByID(m.Role)
	return MemberLine{ID: m.ID, Email: m.Email, Name: m.Name, Status: string(m.Status()), Role: role.Name, Directory: m.Directory,
		DeactivatedBy: m.Sources.Names(), CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt}
}

// memberAnswer is a member with their version.
type memberAnswer struct {
	ETag string `header:"ETag" doc:"The version, for If-Match"`
	Body Member
}

// member reads all that is shown of one.
func (d *Door) member(ctx context.Context, c *caller, id string) (*memberAnswer, error) {
	var out *memberAnswer
	err := d.DB.Read(ctx, c.Workspace, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		m, err := tx.Member(id)
		if err != nil {
			return err
		}
		fields, err := provision.Fields(tx, cfg, m)
		if err != nil {
			return err
		}
		groups, err := tx.GroupNames(m.ID)
		if err != nil {
			return err
		}
		out = &memberAnswer{ETag: version(m.UpdatedAt), Body: Member{MemberLine: lineOf(cfg, m), GivenName: m.GivenName, FamilyName: m.FamilyName,
			RoleReason: RoleReason{string(m.RoleReason.Source), m.RoleReason.Group, m.RoleReason.At, m.RoleReason.Sentence()},
			Groups:     append([]string{}, groups...), Attributes: map[string]string{}, BreakGlass: m.BreakGlass, Fields: []Field{}}}
		maps.Copy(out.Body.Attributes, m.Attributes)
		for _, f := range fields {
			out.Body.Fields = append(out.Body.Fields, Field{f.Name, f.Value, string(f.Owner), f.By})
		}
		return nil
	})
	return out, err
}

// MemberInput names a member, and perhaps the version that the caller read.
type MemberInput struct {
	Member  string `path:"member" maxLength:"100"`
	IfMatch string `header:"If-Match" maxLength:"1000" doc:"Change nothing unless the member still has this version"`
}

func (d *Door) addPeople() {
	add(d, route{method: http.MethodGet, path: "/whoami", id: "whoami", tag: "Key", summary: "Whose key this is, and what it can do now", needs: anyKey}, d.whoami)
	add(d, route{method: http.MethodGet, path: "/members", id: "list-members", tag: "Members", summary: "List members", needs: directory.PermissionMembersRead,
		says: "In the order of their ids, which is that of their creation."}, d.listMembers)
	add(d, route{method: http.MethodGet, path: "/members/{member}", id: "show-member", tag: "Members", summary: "Show a member: role and why, groups, what keeps them out", needs: directory.PermissionMembersRead},
		func(ctx context.Context, c *caller, in *struct {
			Member string `path:"member" maxLength:"100"`
		}) (*memberAnswer, error) {
			return d.member(ctx, c, in.Member)
		})
	add(d, route{method: http.MethodPost, path: "/members", id: "invite-member", tag: "Members", summary: "Invite somebody by a letter", needs: directory.PermissionMembers, made: true,
		says: "Whoever gives a role with the invitation needs the scope roles as well, and all that the role allows.", twice: "409 already_invited."}, d.invite)
	add(d, route{method: http.MethodPatch, path: "/members/{member}", id: "edit-member", tag: "Members", summary: "Edit what no directory or connection has the say over", needs: directory.PermissionMembers,
		says: "The address of somebody whose role allows what the key does not cannot be changed with it.", twice: "the same answer; nothing changes."}, d.editMember)
	add(d, route{method: http.MethodPut, path: "/members/{member}/role", id: "set-role", tag: "Members", summary: "Set a role by hand, which wins until it is cleared", needs: directory.PermissionRoles,
		says: "The key must have all that the role allows.", twice: "the same answer; nothing changes."}, d.setRole)
	add(d, route{method: http.MethodDelete, path: "/members/{member}/role", id: "clear-role", tag: "Members", summary: "Let groups and mappings decide the role again", needs: directory.PermissionRoles,
		twice: "the same answer; nothing changes."}, d.clearRole)
	for _, act := range []struct {
		id, summary, twice string
		do                 func(context.Context, provision.Scope, func(*store.Tx) (*directory.Member, error)) (directory.Member, error)
	}{
		{"deactivate", "Take somebody's access away: sessions and keys end at once, data stay", "the same answer; nothing changes.", d.Provision.Deactivate},
		{"restore", "Give somebody's access back, whatever had taken it", "the same answer; nothing changes.", d.Provision.Restore},
		{"resend-invitation", "Send an invitation again; earlier links end", "another letter, and the link of the one before ends.", d.Provision.Resend},
		{"revoke-invitation", "Take back an invitation that was not accepted", "409 not_invited.", d.Provision.Revoke},
	} {
		add(d, route{method: http.MethodPost, path: "/members/{member}/" + act.id, id: act.id + "-of-member", tag: "Members", summary: act.summary, needs: directory.PermissionMembers, twice: act.twice},
			func(ctx context.Context, c *caller, in *MemberInput) (*memberAnswer, error) {
				find := byID(in.Member)
				if act.id == "restore" {
					find = c.covered(in.Member)
				}
				return d.act(ctx, c, in, find, act.do)
			})
	}
}

// byID finds a member by id alone: an address in a path is nobody.
func byID(id string) func(*store.Tx) (*directory.Member, error) {
	return func(tx *store.Tx) (*directory.Member, error) { return tx.Member(id) }
}

// act runs one of people's acts on a member and shows them afterwards.
func (d *Door) act(ctx context.Context, c *caller, in *MemberInput, find func(*store.Tx) (*directory.Member, error),
	do func(context.Context, provision.Scope, func(*store.Tx) (*directory.Member, error)) (directory.Member, error)) (*memberAnswer, error) {
	scope := c.scope()
	scope.Precondition = unless(in.IfMatch)
	if _, err := do(ctx, scope, find); err != nil {
		return nil, err
	}
	return d.member(ctx, c, in.Member)
}

// WhoAmI is what a key is told of itself.
type WhoAmI struct {
	Workspace string        `json:"workspace" doc:"Slug"`
	Member    MemberLine    `json:"member"`
	Key       KeyOfSelf     `json:"key"`
	Allowed   []AllowedLine `json:"allowed" doc:"What it can do now: what its scopes and its owner's role both allow"`
}

// KeyOfSelf is the key that asks.
type KeyOfSelf struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Scopes    []string  `json:"scopes"`
	ExpiresAt time.Time `json:"expires_at"`
}

// AllowedLine is one permission.
type AllowedLine struct {
	Permission string `json:"permission"`
	Says       string `json:"says"`
}

type whoamiAnswer struct{ Body WhoAmI }

func (d *Door) whoami(_ context.Context, c *caller, _ *struct{}) (*whoamiAnswer, error) {
	out := &whoamiAnswer{WhoAmI{Workspace: c.Slug, Member: lineOf(c.cfg, &c.Owner), Key: KeyOfSelf{c.ID, c.Name, c.Scopes, c.ExpiresAt}, Allowed: []AllowedLine{}}}
	for _, p := range directory.Permissions() {
		if c.may(p.Name) {
			out.Body.Allowed = append(out.Body.Allowed, AllowedLine{p.Name, p.Says})
		}
	}
	return out, nil
}

// PageInput is how a page of a list is asked for.
type PageInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor string `query:"cursor" maxLength:"600" doc:"next of the page before"`
}

// MemberPage is a page of members.
type MemberPage struct {
	Members []MemberLine `json:"members"`
	Next    string       `json:"next,omitempty"`
}

type listMembersInput struct {
	PageInput
	Status string `query:"status" enum:"invited,pending,active,deactivated,erased"`
	Role   string `query:"role" maxLength:"256" doc:"Name of a role"`
	Email  string `query:"email" maxLength:"320" doc:"The whole address"`
}

type memberPageAnswer struct{ Body MemberPage }

const (
	memberCursor cursorKind = "member"
	// maxLooked is how many rows one request looks at for those that it asks for.
	maxLooked = 5000
	lookStep  = 500
)

func (d *Door) listMembers(ctx context.Context, c *caller, in *listMembersInput) (*memberPageAnswer, error) {
	after, err := place(memberCursor, in.Cursor)
	if err != nil {
		return nil, err
	}
	role, known := c.cfg.Roles.ByName(in.Role)
	if in.Role != "" && !known {
		return nil, errs.Invalid("role_unknown", "There is no role %q. The roles are %s.", clip(in.Role), strings.Join(c.cfg.Roles.Names(), ", "))
	}
	wanted := func(m *directory.Member) bool {
		return (in.Status == "" || string(m.Status()) == in.Status) && (in.Role == "" || m.Role == role.ID)
	}
	var out *memberPageAnswer
	err = d.DB.Read(ctx, c.Workspace, func(tx *store.Tx) error {
		out = &memberPageAnswer{MemberPage{Members: []MemberLine{}}}
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		var at string
		at, err = walk(after, in.Limit, func(after string, n int) ([]directory.Member, error) {
			if in.Email == "" {
				return tx.MembersAfter(after, n)
			}
			return membersWithAddress(tx, in.Email, after)
		}, func(m *directory.Member) string { return m.ID }, func(m *directory.Member) bool {
			if !wanted(m) {
				return false
			}
			out.Body.Members = append(out.Body.Members, lineOf(cfg, m))
			return true
		})
		if at != "" {
			out.Body.Next = cursor(memberCursor, at)
		}
		return err
	})
	return out, err
}

// membersWithAddress are those with an address, in id order, behind an id.
func membersWithAddress(tx *store.Tx, address, after string) ([]directory.Member, error) {
	found, err := tx.MembersByEmail(address)
	var out []directory.Member
	for _, m := range found {
		if m.ID > after {
			out = append(out, m)
		}
	}
	return out, err
}

// walk looks at rows in the order of their ids, behind after, until it has taken limit of them, has looked at maxLooked or
// there are no more. It returns behind which one the next page begins, "" where there is none.
func walk[T any](after string, limit int, read func(after string, n int) ([]T, error), id func(*T) string, take func(*T) bool) (next string, err error) {
	taken, looked := 0, 0
	for {
		step := lookStep
		if looked == 0 {
			step = limit + 1 // mostly enough
		}
		rows, err := read(after, step)
		if err != nil {
			return "", err
		}
		for i := range rows {
			if taken == limit || looked == maxLooked {
				return after, nil
			}
			looked++
			after = id(&rows[i])
			if take(&rows[i]) {
				taken++
			}
		}
		if len(rows) < step {
			return "", nil
		}
	}
}

type inviteInput struct {
	Body struct {
		Email      string `json:"email" maxLength:"320"`
		Name       string `json:"name,omitempty" maxLength:"256"`
		GivenName  string `json:"given_name,omitempty" maxLength:"256"`
		FamilyName string `json:"family_name,omitempty" maxLength:"256"`
		Role       string `json:"role,omitempty" maxLength:"256" doc:"Name of the role that the person has by hand; without it groups and mappings decide"`
	}
}

func (d *Door) invite(ctx context.Context, c *caller, in *inviteInput) (*memberAnswer, error) {
	b := in.Body
	if b.Role != "" {
		if err := c.permit(directory.PermissionRoles); err != nil {
			return nil, err
		}
		if err := c.givesNamed(b.Role); err != nil {
			return nil, err
		}
	}
	m, _, err := d.Provision.Invite(ctx, c.scope(), provision.Invitee{Email: b.Email, Name: b.Name, GivenName: b.GivenName, FamilyName: b.FamilyName, Role: b.Role})
	if err != nil {
		return nil, err
	}
	return d.member(ctx, c, m.ID)
}

type editMemberInput struct {
	MemberInput
	Body struct {
		Email      *string `json:"email,omitempty" maxLength:"320"`
		Name       *string `json:"name,omitempty" maxLength:"256"`
		GivenName  *string `json:"given_name,omitempty" maxLength:"256"`
		FamilyName *string `json:"family_name,omitempty" maxLength:"256"`
	}
}

func (d *Door) editMember(ctx context.Context, c *caller, in *editMemberInput) (*memberAnswer, error) {
	values := map[string]string{}
	for name, value := range map[string]*string{provision.FieldEmail: in.Body.Email, provision.FieldName: in.Body.Name,
		provision.FieldGivenName: in.Body.GivenName, provision.FieldFamilyName: in.Body.FamilyName} {
		if value != nil {
			values[name] = *value
		}
	}
	find := byID(in.Member)
	if in.Body.Email != nil {
		find = c.covered(in.Member)
	}
	return d.act(ctx, c, &in.MemberInput, find, func(ctx context.Context, s provision.Scope, find func(*store.Tx) (*directory.Member, error)) (directory.Member, error) {
		return d.Provision.Edit(ctx, s, find, values)
	})
}

// covered finds a member and refuses one whose role allows what the key does not, for what could make somebody else of
// them: letters go to the address, those with which a password is set too, and who is let in again has the role again.
func (c *caller) covered(id string) func(*store.Tx) (*directory.Member, error) {
	return func(tx *store.Tx) (*directory.Member, error) {
		m, err := tx.Member(id)
		if err != nil {
			return nil, err
		}
		cfg, err := tx.Config()
		if err != nil {
			return nil, err
		}
		if role, _ := cfg.Roles.ByID(m.Role); !c.covers(role) {
			return nil, errs.Forbidden("beyond_key", "The role of this member, %s, allows what this API key does not, so it neither changes their address nor lets them in again. Do it in the console.", role.Name)
		}
		return m, nil
	}
}

type setRoleInput struct {
	MemberInput
	Body struct {
		Role string `json:"role" minLength:"1" maxLength:"256" doc:"Name of a role"`
	}
}

func (d *Door) setRole(ctx context.Context, c *caller, in *setRoleInput) (*memberAnswer, error) {
	if err := c.givesNamed(in.Body.Role); err != nil {
		return nil, err
	}
	return d.role(ctx, c, &in.MemberInput, in.Body.Role)
}

func (d *Door) clearRole(ctx context.Context, c *caller, in *MemberInput) (*memberAnswer, error) {
	return d.role(ctx, c, in, "")
}

func (d *Door) role(ctx context.Context, c *caller, in *MemberInput, name string) (*memberAnswer, error) {
	return d.act(ctx, c, in, byID(in.Member), func(ctx context.Context, s provision.Scope, find func(*store.Tx) (*directory.Member, error)) (directory.Member, error) {
		return d.Provision.SetRole(ctx, s, find, name)
	})
}

// KeyPage is a page of API keys.
type KeyPage struct {
	Keys []settings.APIKeyView `json:"keys"`
	Next string                `json:"next,omitempty"`
}

type keyPageAnswer struct{ Body KeyPage }

const keyCursor cursorKind = "key"

func (d *Door) addKeys() {
	add(d, route{method: http.MethodGet, path: "/api-keys", id: "list-api-keys", tag: "Key", summary: "List API keys, the newest first, ended ones included", needs: directory.PermissionKeysRead,
		says: "Keys are made by people, in the console or on the command line, and not by keys."},
		func(ctx context.Context, c *caller, in *struct {
			Cursor string `query:"cursor" maxLength:"600" doc:"next of the page before"`
		}) (*keyPageAnswer, error) {
			after, err := place(keyCursor, in.Cursor)
			if err != nil {
				return nil, err
			}
			found, err := d.Settings.ListAPIKeys(ctx, c.Slug, "", after, c.actor())
			if err != nil {
				return nil, err
			}
			out := &keyPageAnswer{KeyPage{Keys: found}}
			if len(found) == settings.KeyPage {
				out.Body.Next = cursor(keyCursor, found[len(found)-1].ID)
			}
			return out, nil
		})
	add(d, route{method: http.MethodDelete, path: "/api-keys/{key}", id: "revoke-api-key", tag: "Key", summary: "End an API key", needs: directory.PermissionKeys, twice: "409 api_key_ended."},
		func(ctx context.Context, c *caller, in *struct {
			Key string `path:"key" maxLength:"100"`
		}) (*struct{}, error) {
			return nil, d.Settings.RevokeAPIKey(ctx, c.Slug, in.Key, c.actor())
		})
}
