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
	Attributes  []memberAttribute
	Edits       bool // some field can be edited
	Sessions    []sessionLine
	BreakGlass  bool
	Self        bool // it is the visitor
	May         bool // their role is not above the visitor's
	Owned       bool // by a directory
	ByHand      bool // the role is set by hand
	Roles       []choice
	Invitation  *store.Invitation
	Mail        bool
	EventsURL   string
	Account     string // the visitor's own page
	Word        string // to type before they are erased
	AgainstWord bool   // an owner restored them against the directory
}

// memberAttribute is an attribute of the member, as a field of a form.
type memberAttribute struct {
	provision.Field
	Label, Type string
	Choices     []string
	Shown       string
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
		data.Sessions = sessionLines(cfg, live)
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
		fields := data.Fields
		data.Fields = nil
		for _, f := range fields {
			data.Edits = data.Edits || f.Editable()
			typed, ok := c.Typed["edit-"+f.Name]
			switch {
			case f.Attribute != nil:
				data.Attributes = append(data.Attributes, fieldOfAttribute(f, typed, ok))
				continue
			case ok:
				f.Value = typed
			}
			data.Fields = append(data.Fields, f)
		}
		data.Roles = giveable(v, cfg)
		data.Word = wordFor(m)
		data.Account = "/w/" + url.PathEscape(v.live.Slug)
		data.EventsURL = c.Base + "/events?" + url.Values{"who": {m.ID}}.Encode()
		return data
	})
}

// fieldOfAttribute is an attribute as a field of a form.
func fieldOfAttribute(f provision.Field, typed string, ok bool) memberAttribute {
	out := memberAttribute{Field: f, Label: f.Attribute.Title(), Type: string(f.Attribute.Type), Choices: f.Attribute.Choices, Shown: f.Attribute.Shown(f.Value)}
	if f.Attribute.Type == directory.AttributeList {
		out.Value = strings.Join(f.Attribute.Items(f.Value), "\n")
	}
	if ok {
		out.Value = typed
	}
	return out
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

// eraseMember erases somebody who is out, once their address, or id, was typed.
func (d *Door) eraseMember(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	return d.acted("erase", "member-erased", func(ctx context.Context, s provision.Scope, find func(*store.Tx) (*directory.Member, error)) (directory.Member, error) {
		return d.Provision.Erase(ctx, s, func(tx *store.Tx) (*directory.Member, error) {
			m, err := find(tx)
			if err != nil || m.Stage == directory.StageErased {
				return m, err
			}
			if m.Sources == 0 {
				return nil, errs.Conflict("not_deactivated", "Deactivate them first: only somebody who is out can be erased here.")
			}
			if typed := strings.TrimSpace(form.Get("confirm")); !strings.EqualFold(typed, wordFor(m)) {
				return nil, errs.Invalid("confirmation_wrong", "That is not %s. Nothing was done.", wordFor(m))
			}
			return m, nil
		})
	})(v)
}

// wordFor is what is typed so that m and nobody else is erased.
func wordFor(m *directory.Member) string {
	if m.Email != "" {
		return m.Email
	}
	return m.ID
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
