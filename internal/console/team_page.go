package console

import (
	"net/url"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// teamsData is the page of teams.
type teamsData struct {
	common
	Teams []teamLine
	Next  string
}

type teamLine struct {
	provision.Team
	URL string
}

// teamData is the page of one team.
type teamData struct {
	common
	teamLine
	Members []memberLine
	Next    string
}

const teamsPerPage = 100

func (d *Door) teamsPage(v *visit) error { return d.showTeams(v, told{}) }

func (d *Door) showTeams(v *visit, t told) error {
	teams, err := d.Provision.Teams(v.r.Context(), v.acts(), cutText(v.r.URL.Query().Get("after"), 1024), teamsPerPage+1)
	if err != nil {
		return err
	}
	return d.show(v, "teams", "Teams", "/members", t, func(c common) any {
		data := teamsData{common: c}
		if len(teams) > teamsPerPage {
			teams = teams[:teamsPerPage]
			data.Next = c.Base + "/teams?" + url.Values{"after": {teams[teamsPerPage-1].Name}}.Encode()
		}
		for _, team := range teams {
			data.Teams = append(data.Teams, teamLine{team, c.Base + "/teams/" + team.ID})
		}
		return data
	})
}

func (d *Door) createTeam(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	g, err := d.Provision.CreateTeam(v.r.Context(), v.acts(), form.Get("name"))
	if forTheForm(err) {
		return d.showTeams(v, told{field: "team-name", err: err, typed: map[string]string{"team-name": form.Get("name")}})
	}
	if err != nil {
		return err
	}
	return v.to("/teams/" + url.PathEscape(g.ID) + "?done=team-created")
}

func (d *Door) teamPage(v *visit) error { return d.showTeam(v, told{}) }

func (d *Door) showTeam(v *visit, t told) error {
	team, members, err := d.Provision.LookTeam(v.r.Context(), v.acts(), v.r.PathValue("team"), v.r.URL.Query().Get("after"), teamsPerPage+1)
	if err != nil {
		return err
	}
	cfg, err := d.Provision.Roles(v.r.Context(), v.acts())
	if err != nil {
		return err
	}
	return d.show(v, "team", team.Name, "/members", t, func(c common) any {
		data := teamData{common: c, teamLine: teamLine{team, c.Base + "/teams/" + team.ID}}
		if len(members) > teamsPerPage {
			members = members[:teamsPerPage]
			data.Next = data.URL + "?" + url.Values{"after": {members[teamsPerPage-1].ID}}.Encode()
		}
		for _, m := range members {
			data.Members = append(data.Members, lineOfMember(&m, cfg, c.Base))
		}
		return data
	})
}

func (d *Door) renameTeam(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	err = d.Provision.RenameTeam(v.r.Context(), v.acts(), v.r.PathValue("team"), form.Get("name"))
	return d.afterTeam(v, err, "team-name", map[string]string{"team-name": form.Get("name")}, "team-renamed")
}

func (d *Door) addToTeam(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	who := strings.TrimSpace(form.Get("who"))
	_, err = d.Provision.AddToTeam(v.r.Context(), v.acts(), v.r.PathValue("team"), provision.Who(who))
	if errs.CodeOf(err) == "member_unknown" {
		err = errs.Invalid("member_unknown", "Nobody here has the address %s.", cutText(who, 254))
	}
	return d.afterTeam(v, err, "team-who", map[string]string{"team-who": who}, "team-joined")
}

func (d *Door) removeFromTeam(v *visit) error {
	_, err := d.Provision.RemoveFromTeam(v.r.Context(), v.acts(), v.r.PathValue("team"), byID(v.r.PathValue("member")))
	return d.afterTeam(v, err, "team-members", nil, "team-left")
}

func (d *Door) deleteTeam(v *visit) error {
	err := d.Provision.DeleteTeam(v.r.Context(), v.acts(), v.r.PathValue("team"))
	if forTheForm(err) {
		return d.showTeam(v, told{field: "delete-team", err: err})
	}
	if err != nil {
		return err
	}
	return v.to("/teams?done=team-deleted")
}

func (d *Door) afterTeam(v *visit, err error, field string, typed map[string]string, done string) error {
	if forTheForm(err) {
		return d.showTeam(v, told{field: field, err: err, typed: typed})
	}
	if err != nil {
		return err
	}
	return v.to("/teams/" + url.PathEscape(v.r.PathValue("team")) + "?done=" + done)
}
