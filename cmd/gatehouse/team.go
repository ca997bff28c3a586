package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/provision"
)

type teamCommand struct {
	List   teamListCommand   `cmd:"" help:"List the teams."`
	Show   teamShowCommand   `cmd:"" help:"Show a team and who is in it."`
	Create teamCreateCommand `cmd:"" help:"Make a team."`
	Rename teamRenameCommand `cmd:"" help:"Give a team another name."`
	Delete teamDeleteCommand `cmd:"" help:"Remove a team; its members stay members."`
	Add    teamAddCommand    `cmd:"" help:"Put somebody into a team."`
	Remove teamRemoveCommand `cmd:"" help:"Take somebody out of a team."`
}

// teamArg names a team.
type teamArg struct {
	workspaceFlag
	Team string `arg:"" help:"The team's id (grp_...) or name."`
}

type teamArgs struct {
	Workspace string `json:"workspace"` // slug
	Team      string `json:"team"`      // id or name
	Name      string `json:"name,omitempty"`
	Who       string `json:"who,omitempty"` // id or address
}

// teamPage is how many teams, or members of one, come at a time.
const teamPage = 1000

// teamView is a team with those who are in it, the first of them.
type teamView struct {
	provision.Team
	Members []memberLine `json:"members"`
}

// teamID finds a team by id or name.
func (a *app) teamID(ctx context.Context, s provision.Scope, named string) (string, error) {
	if len(named) > 4 && named[:4] == "grp_" {
		return named, nil
	}
	t, err := a.provision.TeamNamed(ctx, s, named)
	return t.ID, err
}

func (a *app) teamScope(ctx context.Context, by audit.Party, args teamArgs) (s provision.Scope, id string, err error) {
	workspace, err := a.workspace(ctx, args.Workspace)
	if err != nil {
		return s, "", err
	}
	s = scope(workspace, by)
	id, err = a.teamID(ctx, s, args.Team)
	return s, id, err
}

func (a *app) lookTeam(ctx context.Context, s provision.Scope, id string) (teamView, error) {
	t, members, err := a.provision.LookTeam(ctx, s, id, "", teamPage)
	v := teamView{Team: t, Members: []memberLine{}}
	if err != nil {
		return v, err
	}
	cfg, err := a.provision.Roles(ctx, s)
	for _, m := range members {
		v.Members = append(v.Members, memberLine{m.ID, m.Email, m.Name, m.Status(), roleName(cfg, m.Role), m.Sources.Names()})
	}
	return v, err
}

func (p *program) showTeam(ctx context.Context, verb string, args teamArgs) error {
	v, err := call[teamView](ctx, p, verb, args)
	if err != nil {
		return err
	}
	return p.show(v, func(w io.Writer) {
		fmt.Fprintf(w, "%s  %s, %d members\n", v.ID, v.Name, v.Size)
		for _, m := range v.Members {
			fmt.Fprint(w, cells(m.ID, m.Email, string(m.Status), m.Role))
		}
	})
}

type teamListCommand struct{ workspaceFlag }

func (c *teamListCommand) Run(ctx context.Context, p *program) error {
	var all []provision.Team
	for args := (teamArgs{Workspace: c.Workspace}); ; args.Name = all[len(all)-1].Name {
		page, err := call[[]provision.Team](ctx, p, "team.page", args)
		if err != nil {
			return err
		}
		if all = append(all, page...); len(page) < teamPage {
			break
		}
	}
	if all == nil {
		all = []provision.Team{}
	}
	return p.show(all, func(w io.Writer) {
		if len(all) == 0 {
			fmt.Fprintln(w, "There is no team.")
			return
		}
		fmt.Fprint(w, cells("ID", "NAME", "MEMBERS"))
		for _, t := range all {
			fmt.Fprint(w, cells(t.ID, t.Name, strconv.Itoa(t.Size)))
		}
	})
}

func pageTeams(ctx context.Context, a *app, by audit.Party, args teamArgs) ([]provision.Team, error) {
	workspace, err := a.workspace(ctx, args.Workspace)
	if err != nil {
		return nil, err
	}
	return a.provision.Teams(ctx, scope(workspace, by), args.Name, teamPage)
}

type teamShowCommand struct{ teamArg }

func (c *teamShowCommand) Run(ctx context.Context, p *program) error {
	return p.showTeam(ctx, "team.show", teamArgs{Workspace: c.Workspace, Team: c.Team})
}

func showTeam(ctx context.Context, a *app, by audit.Party, args teamArgs) (teamView, error) {
	s, id, err := a.teamScope(ctx, by, args)
	if err != nil {
		return teamView{}, err
	}
	return a.lookTeam(ctx, s, id)
}

type teamCreateCommand struct {
	workspaceFlag
	Name string `arg:"" help:"Its name."`
}

func (c *teamCreateCommand) Run(ctx context.Context, p *program) error {
	return p.showTeam(ctx, "team.create", teamArgs{Workspace: c.Workspace, Name: c.Name})
}

func createTeam(ctx context.Context, a *app, by audit.Party, args teamArgs) (teamView, error) {
	workspace, err := a.workspace(ctx, args.Workspace)
	if err != nil {
		return teamView{}, err
	}
	g, err := a.provision.CreateTeam(ctx, scope(workspace, by), args.Name)
	if err != nil {
		return teamView{}, err
	}
	return a.lookTeam(ctx, scope(workspace, by), g.ID)
}

type teamRenameCommand struct {
	teamArg
	Name string `arg:"" help:"Its new name."`
}

func (c *teamRenameCommand) Run(ctx context.Context, p *program) error {
	return p.showTeam(ctx, "team.rename", teamArgs{Workspace: c.Workspace, Team: c.Team, Name: c.Name})
}

func renameTeam(ctx context.Context, a *app, by audit.Party, args teamArgs) (teamView, error) {
	s, id, err := a.teamScope(ctx, by, args)
	if err == nil {
		err = a.provision.RenameTeam(ctx, s, id, args.Name)
	}
	if err != nil {
		return teamView{}, err
	}
	return a.lookTeam(ctx, s, id)
}

type teamDeleteCommand struct{ teamArg }

func (c *teamDeleteCommand) Run(ctx context.Context, p *program) error {
	t, err := call[provision.Team](ctx, p, "team.delete", teamArgs{Workspace: c.Workspace, Team: c.Team})
	if err != nil {
		return err
	}
	return p.show(t, func(w io.Writer) { fmt.Fprintf(w, "The team %s is gone.\n", t.Name) })
}

func deleteTeam(ctx context.Context, a *app, by audit.Party, args teamArgs) (provision.Team, error) {
	s, id, err := a.teamScope(ctx, by, args)
	if err != nil {
		return provision.Team{}, err
	}
	t, _, err := a.provision.LookTeam(ctx, s, id, "", 0)
	if err != nil {
		return t, err
	}
	return t, a.provision.DeleteTeam(ctx, s, id)
}

// teamWhoArg names a team and a member.
type teamWhoArg struct {
	teamArg
	Who string `arg:"" help:"A member's id (mem_...) or e-mail address."`
}

type teamAddCommand struct{ teamWhoArg }

func (c *teamAddCommand) Run(ctx context.Context, p *program) error {
	return p.showTeam(ctx, "team.add", teamArgs{Workspace: c.Workspace, Team: c.Team, Who: c.Who})
}

func addToTeam(ctx context.Context, a *app, by audit.Party, args teamArgs) (teamView, error) {
	s, id, err := a.teamScope(ctx, by, args)
	if err == nil {
		_, err = a.provision.AddToTeam(ctx, s, id, provision.Who(args.Who))
	}
	if err != nil {
		return teamView{}, err
	}
	return a.lookTeam(ctx, s, id)
}

type teamRemoveCommand struct{ teamWhoArg }

func (c *teamRemoveCommand) Run(ctx context.Context, p *program) error {
	return p.showTeam(ctx, "team.remove", teamArgs{Workspace: c.Workspace, Team: c.Team, Who: c.Who})
}

func removeFromTeam(ctx context.Context, a *app, by audit.Party, args teamArgs) (teamView, error) {
	s, id, err := a.teamScope(ctx, by, args)
	if err == nil {
		_, err = a.provision.RemoveFromTeam(ctx, s, id, provision.Who(args.Who))
	}
	if err != nil {
		return teamView{}, err
	}
	return a.lookTeam(ctx, s, id)
}
