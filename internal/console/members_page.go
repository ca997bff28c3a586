package console

import (
	"net/url"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// membersData is the page of members.
type membersData struct {
	common
	Members []memberLine
	Sought  string // the beginning of an address that was asked for
	Next    string // address of the next page, or ""
	First   string // address of the first, "" on it
	Roles   []choice
	Role    string // chosen
	Mail    bool   // invitations can be sent
	Letters int    // that were given up, as far as the newest show
	MailURL string
}

type memberLine struct {
	ID, Name, Email, URL string
	Status               directory.Status
	Role, RoleReason     string
	Source               string // the directory that owns them, or how else they came
}

const (
	membersPerPage = 50
	// lettersSeen is how many of the newest letters are looked at for those that were given up.
	lettersSeen = 200
)

func (d *Door) membersPage(v *visit) error { return d.showMembers(v, told{}) }

func (d *Door) showMembers(v *visit, t told) error {
	q := v.r.URL.Query()
	data := membersData{Sought: cutText(strings.TrimSpace(q.Get("who")), 254), Mail: d.Provision.Mail, Role: t.typed["invite-role"]}
	after := q.Get("after")
	var members []directory.Member
	var cfg *directory.Config
	err := d.DB.Read(v.r.Context(), v.live.Workspace, func(tx *store.Tx) (err error) {
		if cfg, err = tx.Config(); err != nil {
			return err
		}
		if data.Sought != "" {
			members, err = tx.MembersNamed(data.Sought, membersPerPage)
			return err
		}
		members, err = tx.MembersAfter(after, membersPerPage+1)
		return err
	})
	if err != nil {
		return err
	}
	letters, err := jobs.Outbox(v.r.Context(), d.DB, v.live.Workspace, "", lettersSeen)
	if err != nil {
		return err
	}
	return d.show(v, "members", "Members", "/members", t, func(c common) any {
		data.common, data.MailURL = c, c.Base+"/mail"
		for _, l := range letters {
			if l.State == jobs.LetterGivenUp {
				data.Letters++
			}
		}
		if len(members) > membersPerPage {
			members = members[:membersPerPage]
			data.Next = c.Base + "/members?" + url.Values{"after": {members[membersPerPage-1].ID}}.Encode()
		}
		if after != "" || data.Sought != "" {
			data.First = c.Base + "/members"
		}
		data.Roles = giveable(v, cfg)
		for _, m := range members {
			data.Members = append(data.Members, lineOfMember(&m, cfg, c.Base))
		}
		return data
	})
}

func lineOfMember(m *directory.Member, cfg *directory.Config, base string) memberLine {
	role, _ := cfg.Roles.ByID(m.Role)
	line := memberLine{ID: m.ID, Name: nameOf(m), Email: m.Email, URL: base + "/members/" + url.PathEscape(m.ID), Status: m.Status(), Role: role.Name, Source: "by hand or sign-in"}
	switch m.RoleReason.Source {
	case directory.RoleByHand:
		line.RoleReason = "by hand"
	case directory.RoleByMapping, directory.RoleByClaim:
		line.RoleReason = "from " + m.RoleReason.Group
	}
	if dir, ok := cfg.Directory(m.Directory); ok && m.Directory != "" {
		line.Source = dir.Name
	}
	return line
}

// giveable are the roles that a visitor may give: none above their own, or with a permission that they lack.
func giveable(v *visit, cfg *directory.Config) (roles []choice) {
	own, _ := cfg.Roles.ByID(v.live.Member.Role)
	for _, r := range cfg.Roles {
		if own.May(directory.PermissionRoles) && own.CheckGives(r) == nil {
			roles = append(roles, choice{r.Name, r.Name})
		}
	}
	return roles
}

// cutText is at most limit bytes of what somebody typed.
func cutText(s string, limit int) string {
	s = strings.ToValidUTF8(s, "")
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "")
	}
	return s
}

// invite sends an invitation.
func (d *Door) invite(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	in := provision.Invitee{Email: form.Get("email"), Name: form.Get("name"), Role: form.Get("role")}
	m, _, err := d.Provision.Invite(v.r.Context(), v.acts(), in)
	if forTheForm(err) {
		field := "invite-email"
		switch errs.CodeOf(err) {
		case "role_unknown", "rank_too_high", "permission_beyond":
			field = "invite-role"
		case "too_large", "text_invalid":
			field = "invite-name"
		}
		return d.showMembers(v, told{field: field, err: err, typed: map[string]string{"invite-email": in.Email, "invite-name": in.Name, "invite-role": in.Role}})
	}
	if err != nil {
		return err
	}
	return v.to("/members/" + url.PathEscape(m.ID) + "?done=invited")
}
