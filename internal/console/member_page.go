package console

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// memberData is the page of one member.
type memberData struct {
	common
	memberLine
	Out         string // why they are out, or ""
	Why         string // how they got the role
	Mapping     string // that gave it, in words, "" where none did
	MappingGone bool   // one gave it that is not there any more
	RoleSince   time.Time
	Groups      []string
	Fields      []provision.Field
	Edits       bool // some field can be edited
	Sessions    int
	BreakGlass  bool
	Self        bool // it is the visitor
	May         bool // their role is not above the visitor's
	Owned       bool // by a directory
	ByHand      bool // the role is set by hand
	Roles       []choice
	Invitation  *store.Invitation
	Mail        bool
	EventsURL   string
	AgainstWord bool // an owner restored them against the directory
}

func (d *Door) memberPage(v *visit) error { return d.showMember(v, told{}) }

func (d *Door) showMember(v *visit, t told) error {
	data := memberData{Mail: d.Provision.Mail}
	var m *directory.Member
	var cfg *directory.Config
	err := d.DB.Read(v.r.Context(), v.live.Workspace, func(tx *store.Tx) (err error) {
		data.Invitation, data.AgainstWord = nil, false
		if cfg, err = tx.Config(); err != nil {
			return err
		}
		if m, err = tx.Member(v.r.PathValue("member")); err != nil {
			return err
		}
		if data.Groups, err = tx.GroupNames(m.ID); err != nil {
			return err
		}
		if data.Fields, err = provision.Fields(tx, cfg, m); err != nil {
			return err
		}
		live, err := tx.Sessions(m.ID)
		if err != nil {
			return err
		}
		data.Sessions = len(live)
		resources, err := tx.SCIMUsersOfMember(m.ID)
		if err != nil {
			return err
		}
		for _, u := range resources {
			data.AgainstWord = data.AgainstWord || u.RetiredAt.IsZero() && m.AgainstDirectory(u.Active)
		}
		data.Invitation, err = tx.Invitation(m.ID)
		if errs.Is(err, errs.KindNotFound) {
			data.Invitation = nil
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	return d.show(v, "member", nameOf(m), "/members", t, func(c common) any {
		data.common, data.memberLine = c, lineOfMember(m, cfg, c.Base)
		data.Out, data.Why, data.BreakGlass = m.OutSentence(), m.RoleReason.Sentence(), m.BreakGlass
		var there bool
		data.Mapping, there = cfg.MappingText(m.RoleReason.Mapping)
		data.MappingGone, data.RoleSince = !there && m.RoleReason.Mapping != "", m.RoleReason.At
		data.Self, data.Owned, data.ByHand = m.ID == v.live.Member.ID, m.Directory != "", m.ManualRole != ""
		own, _ := cfg.Roles.ByID(v.live.Member.Role)
		theirs, known := cfg.Roles.ByID(m.Role)
		data.May = (!known || own.CheckGives(theirs) == nil) && m.Stage != directory.StageErased
		for i, f := range data.Fields {
			data.Edits = data.Edits || f.Editable()
			if typed, ok := c.Typed["edit-"+f.Name]; ok {
				data.Fields[i].Value = typed
			}
		}
		data.Roles = giveable(v, cfg)
		data.EventsURL = c.Base + "/events?" + url.Values{"who": {m.ID}}.Encode()
		return data
	})
}

// acted is one of people's acts on the member of the path. done is told when it went well.
func (d *Door) acted(field, done string, act func(ctx context.Context, s provision.Scope, find func(*store.Tx) (*directory.Member, error)) (directory.Member, error)) handler {
	return func(v *visit) error {
		_, err := act(v.r.Context(), v.acts(), byID(v.r.PathValue("member")))
		if forTheForm(err) {
			return d.showMember(v, told{field: field, err: err})
		}
		if err != nil {
			return err
		}
		return v.to("/members/" + url.PathEscape(v.r.PathValue("member")) + "?done=" + done)
	}
}

// byID finds a member by id alone: an address in a path is nobody.
func byID(id string) func(*store.Tx) (*directory.Member, error) {
	return func(tx *store.Tx) (*directory.Member, error) { return tx.Member(id) }
}

func (d *Door) setMemberRole(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	return d.acted("member-role", "role-set", func(ctx context.Context, s provision.Scope, find func(*store.Tx) (*directory.Member, error)) (directory.Member, error) {
		return d.Provision.SetRole(ctx, s, find, form.Get("role"))
	})(v)
}

func (d *Door) editMember(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	values, typed := map[string]string{}, map[string]string{}
	for name := range form {
		if field, ok := strings.CutPrefix(name, "edit-"); ok {
			values[field] = form.Get(name)
			typed[name] = form.Get(name)
		}
	}
	_, err = d.Provision.Edit(v.r.Context(), v.acts(), byID(v.r.PathValue("member")), values)
	if forTheForm(err) {
		return d.showMember(v, told{field: "save-member", err: err, typed: typed})
	}
	if err != nil {
		return err
	}
	return v.to("/members/" + url.PathEscape(v.r.PathValue("member")) + "?done=member-saved")
}
