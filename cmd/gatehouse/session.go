package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/signin"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

type sessionCommand struct {
	List   sessionListCommand   `cmd:"" help:"List the browsers in which somebody is signed in."`
	Revoke sessionRevokeCommand `cmd:"" help:"Sign somebody out, everywhere or in one browser."`
	Link   sessionLinkCommand   `cmd:"" help:"Print a one-time sign-in link for a member."`
}

type ownerCommand struct {
	Link ownerLinkCommand `cmd:"" help:"Print a one-time sign-in link for an owner."`
}

// sessionView is a live session as verbs show one.
type sessionView struct {
	ID         string           `json:"id"`
	Member     string           `json:"member"` // id
	Method     directory.Method `json:"method"`
	Connection string           `json:"connection"` // id or ""
	BreakGlass bool             `json:"break_glass"`
	Address    string           `json:"address"`
	UserAgent  string           `json:"user_agent"`
	CreatedAt  string           `json:"created_at"`
	LastUsedAt string           `json:"last_used_at"`
	ExpiresAt  string           `json:"expires_at"`
}

type sessionListCommand struct{ whoArg }

func (c *sessionListCommand) Run(ctx context.Context, p *program) error {
	list, err := call[[]sessionView](ctx, p, "session.list", c.args())
	if err != nil {
		return err
	}
	return p.show(list, func(w io.Writer) {
		if len(list) == 0 {
			fmt.Fprintln(w, "No live session.")
			return
		}
		fmt.Fprint(w, cells("ID", "METHOD", "ADDRESS", "CREATED", "LAST USED", "EXPIRES"))
		for _, s := range list {
			fmt.Fprint(w, cells(s.ID, string(s.Method), s.Address, s.CreatedAt, s.LastUsedAt, s.ExpiresAt))
		}
	})
}

func listSessions(ctx context.Context, a *app, _ audit.Party, args memberArgs) ([]sessionView, error) {
	workspace, m, err := a.find(ctx, args)
	if err != nil {
		return nil, err
	}
	live, err := a.signin.ListSessions(ctx, workspace, m.ID)
	views := []sessionView{}
	for _, s := range live {
		views = append(views, sessionView{s.ID, s.Member, s.Method, s.Connection, s.BreakGlass, s.Address, s.UserAgent,
			instant(s.CreatedAt), instant(s.LastUsedAt), instant(s.ExpiresAt)})
	}
	return views, err
}

// find returns the workspace's id and the member that args name.
func (a *app) find(ctx context.Context, args memberArgs) (workspace string, m *directory.Member, err error) {
	if workspace, err = a.workspace(ctx, args.Workspace); err != nil {
		return "", nil, err
	}
	err = a.db.Read(ctx, workspace, func(tx *store.Tx) error {
		m, err = provision.Who(args.Who)(tx)
		return err
	})
	return workspace, m, err
}

type sessionRevokeCommand struct {
	whoArg
	Session string `placeholder:"ID" help:"Only the session with this id; default all."`
	All     bool   `help:"Every session, which is the default; says so in scripts."`
}

type sessionRevokeArgs struct {
	memberArgs
	Session string `json:"session"` // id, "" for all
}

// revoked is how many sessions were ended.
type revoked struct {
	Ended int `json:"ended"`
}

func (c *sessionRevokeCommand) Run(ctx context.Context, p *program) error {
	if c.All && c.Session != "" {
		return usagef("session revoke: expected either --session or --all")
	}
	r, err := call[revoked](ctx, p, "session.revoke", sessionRevokeArgs{c.args(), c.Session})
	if err != nil {
		return err
	}
	return p.show(r, func(w io.Writer) { fmt.Fprintf(w, "Sessions ended: %d\n", r.Ended) })
}

func revokeSessions(ctx context.Context, a *app, by audit.Party, args sessionRevokeArgs) (revoked, error) {
	workspace, m, err := a.find(ctx, args.memberArgs)
	if err != nil {
		return revoked{}, err
	}
	if args.Session == "" {
		n, err := a.signin.EndAllSessions(ctx, workspace, m.ID, "", signin.EndedByOperator, by)
		return revoked{n}, err
	}
	live, err := a.signin.ListSessions(ctx, workspace, m.ID)
	if err != nil {
		return revoked{}, err
	}
	for _, s := range live {
		if s.ID == args.Session {
			return revoked{1}, a.signin.EndSession(ctx, workspace, s.ID, signin.EndedByOperator, by)
		}
	}
	return revoked{}, errs.NotFound("session_unknown", "%s has no live session %s.", m.Email, args.Session)
}

// link is a one-time sign-in link. It is a credential until it is used.
type link struct {
	URL       string `json:"url,omitempty"`        // "" for one that was sent by mail
	ExpiresAt string `json:"expires_at,omitempty"` // likewise
	Member    string `json:"member"`               // id
	Email     string `json:"email"`
}

func (p *program) showLink(ctx context.Context, verb string, args memberArgs) error {
	l, err := call[link](ctx, p, verb, args)
	if err != nil {
		return err
	}
	return p.show(l, func(w io.Writer) {
		fmt.Fprintf(w, "%s\n\nIt signs in %s, once, until %s. Whoever has it is them: hand it over with care.\n", l.URL, l.Email, l.ExpiresAt)
	})
}

// urlFlags are the origins in addresses that a verb prints; a running server uses its own.
type urlFlags struct {
	PublicURL     string `name:"public-url" placeholder:"ORIGIN" help:"Origin of printed addresses when no server is running (default as for serve)."`
	SCIMPublicURL string `name:"scim-public-url" placeholder:"ORIGIN" help:"Origin of the SCIM base URL when no server is running (default the public URL)."`
}

type sessionLinkCommand struct {
	whoArg
	urlFlags
	Mail bool `help:"Send it to the member by e-mail instead of printing it."`
}

func (sessionLinkCommand) Help() string {
	return `The link works once, for ten minutes, and is recorded as the operator's act. Use it to let
somebody in whose identity provider is not connected yet.

Example:

  gatehouse session link --workspace acme ada@acme.test`
}

func (c *sessionLinkCommand) Run(ctx context.Context, p *program) error {
	if c.Mail {
		to, err := call[link](ctx, p, "session.mail", c.args())
		if err != nil {
			return err
		}
		return p.show(to, func(w io.Writer) { fmt.Fprintf(w, "A sign-in link is on its way to %s.\n", to.Email) })
	}
	return p.showLink(ctx, "session.link", c.args())
}

func mailLink(ctx context.Context, a *app, by audit.Party, args memberArgs) (link, error) {
	workspace, m, err := a.find(ctx, args)
	if err != nil {
		return link{}, err
	}
	return link{Member: m.ID, Email: m.Email}, a.signin.MailLink(ctx, workspace, m.ID, by)
}

func makeLink(ctx context.Context, a *app, by audit.Party, args memberArgs) (link, error) {
	workspace, m, err := a.find(ctx, args)
	if err != nil {
		return link{}, err
	}
	return a.link(ctx, workspace, m, false, by)
}

func (a *app) link(ctx context.Context, workspace string, m *directory.Member, ownerOnly bool, by audit.Party) (link, error) {
	url, expires, err := a.signin.MakeLink(ctx, workspace, m.ID, ownerOnly, by)
	if err != nil {
		return link{}, err
	}
	return link{url, instant(expires), m.ID, m.Email}, nil
}

type ownerLinkCommand struct {
	workspaceFlag
	urlFlags
	Who string `arg:"" optional:"" help:"Which owner, by id or e-mail address; needed where there are several."`
}

func (ownerLinkCommand) Help() string {
	return `The link works once, for ten minutes, and is recorded as the operator's act.

Example:

  gatehouse owner link --workspace acme`
}

func (c *ownerLinkCommand) Run(ctx context.Context, p *program) error {
	return p.showLink(ctx, "owner.link", memberArgs{c.Workspace, c.Who})
}

func makeOwnerLink(ctx context.Context, a *app, by audit.Party, args memberArgs) (link, error) {
	if args.Who != "" {
		workspace, m, err := a.find(ctx, args)
		if err != nil {
			return link{}, err
		}
		return a.link(ctx, workspace, m, true, by)
	}
	workspace, err := a.workspace(ctx, args.Workspace)
	if err != nil {
		return link{}, err
	}
	m, err := a.onlyOwner(ctx, workspace)
	if err != nil {
		return link{}, err
	}
	return a.link(ctx, workspace, m, true, by)
}

// maxOwners is how many owners are looked at and named.
const maxOwners = 100

// onlyOwner returns the owner of a workspace that has one, and names them where there are several.
func (a *app) onlyOwner(ctx context.Context, workspace string) (*directory.Member, error) {
	var in []directory.Member
	err := a.db.Read(ctx, workspace, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		owners, err := tx.MembersByRole(cfg.Roles.Owner().ID, maxOwners)
		in = in[:0]
		for _, m := range owners {
			if m.In() {
				in = append(in, m)
			}
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case len(in) == 0:
		return nil, errs.NotFound("no_owner", "This workspace has no owner. Name one under owners in an apply file.")
	case len(in) > 1:
		var names []string
		for _, m := range in {
			names = append(names, m.Email)
		}
		return nil, errs.Invalid("which_owner", "This workspace has several owners. Say which one: %s.", strings.Join(names, ", "))
	}
	return &in[0], nil
}
