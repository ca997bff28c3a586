package settings

import (
	"context"
	"slices"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/guide"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Setup is all that an administrator sees and copies when setting up sign-in and provisioning.
type Setup struct {
	Workspace    WorkspaceRef
	Name         string
	Connections  []ConnectionView // in the order of their creation, as the other lists
	Directories  []DirectorySetup
	RoleMappings []MappingView
	Roles        []RoleView // highest first
	Applications []ApplicationSetup
	Enforcement  directory.Enforcement
	Domains      []string
	Schemas      []directory.Schema   // of its own, beside the standard's
	RoleSource   directory.RoleSource // with default_role the mappings are without effect
	SCIMBaseURL  string
	Providers    []string // for a new connection
	Banners      []Banner // what stands above every page for a while
}

// Banner is a sentence that every administrator is shown.
type Banner struct {
	At   *time.Time // of what it tells, nil for what goes on
	Text string
}

// Uses of emergency access are shown for a week, three at the most.
const (
	bannerAge  = 7 * 24 * time.Hour
	maxBanners = 3
)

func banners(tx *store.Tx, cfg *directory.Config) (out []Banner, err error) {
	if e := cfg.Workspace.Enforcement; e.RelaxedAt(tx.Now()) {
		out = append(out, Banner{Text: "The requirement of single sign-on is relaxed by emergency access until " + e.Relaxed.Until.UTC().Format("2 January 2006, 15:04 MST") + "."})
	}
	for _, domain := range cfg.Unproven(cfg.Workspace.Enforcement) {
		out = append(out, Banner{Text: "Single sign-on is required of people with addresses in " + directory.ShownDomain(domain) + ", and the domain is not proven any more. It goes on; prove the domain again, or do not require it there."})
	}
	events, err := tx.EventsForOwners(tx.Now().Add(-bannerAge), 10*maxBanners)
	uses := 0
	for _, e := range events {
		if e.Type == audit.BreakGlassUsed && uses < maxBanners {
			uses++
			out = append(out, Banner{At: &e.Time, Text: e.Subject.Name + " signed in by emergency access."})
		}
	}
	return out, err
}

// DirectorySetup is a directory with its tokens.
type DirectorySetup struct {
	DirectoryView
	Connection     string // id, "" for none
	ConnectionName string
	Status         directory.DirectoryStatus
	Pilot          []string
	Mode           directory.Mode
	Tokens         []TokenView  // dead ones included, oldest first
	Secrets        []SecretView // of its OAuth client, dead ones included, oldest first
	TokenURL       string       // where its client asks for access tokens
	// Guide is how the IdP's administrator sets it up; nil where no IdP is known that offers SCIM.
	Guide *guide.Guide
	// TokenRefused says why RotateToken would refuse now; "" when it would not.
	TokenRefused string
}

// LiveToken returns the newest token that works, if there is one.
func (d DirectorySetup) LiveToken() (TokenView, bool) {
	for _, t := range slices.Backward(d.Tokens) {
		if t.RevokedAt == nil {
			return t, true
		}
	}
	return TokenView{}, false
}

// NewestToken is the id of the newest token, living or dead, "" for none: what RotateTokenOnce asks.
func (d DirectorySetup) NewestToken() string {
	if len(d.Tokens) == 0 {
		return ""
	}
	return d.Tokens[len(d.Tokens)-1].ID
}

// MappingView is a role mapping with the names behind its ids. Directory and Connection are "" where
// it is for all.
type MappingView struct {
	ID                       string
	Group                    string
	RoleID, Role             string
	DirectoryID, Directory   string
	ConnectionID, Connection string
}

// RoleView is a role that can be chosen; the owner role cannot be mapped.
type RoleView struct {
	ID, Name string
	Owner    bool
}

// ApplicationSetup is a host application without its secret.
type ApplicationSetup struct {
	ClientID string
	directory.Application
}

// ConnectionSetup returns what the page Settings → SSO & SCIM shows of a workspace.
func (s *Service) ConnectionSetup(ctx context.Context, slug string) (*Setup, error) {
	id, err := s.DB.System().WorkspaceBySlug(ctx, slug)
	if err != nil {
		return nil, err
	}
	var out *Setup
	err = s.DB.Read(ctx, id, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		out = s.setup(cfg)
		if out.Banners, err = banners(tx, cfg); err != nil {
			return err
		}
		for _, d := range cfg.Directories {
			view, err := s.directorySetup(tx, cfg, d)
			if err != nil {
				return err
			}
			out.Directories = append(out.Directories, view)
		}
		return nil
	})
	return out, err
}

func (s *Service) setup(cfg *directory.Config) *Setup {
	w := &cfg.Workspace
	out := &Setup{Workspace: WorkspaceRef{ID: w.ID, Slug: w.Slug}, Name: w.Name, Enforcement: w.Enforcement, Domains: cfg.Domains, Schemas: cfg.Schemas,
		RoleSource: w.Policy.RoleSource, SCIMBaseURL: s.SCIMBaseURL(), Providers: directory.Providers()}
	for _, c := range cfg.Connections {
		out.Connections = append(out.Connections, s.view(cfg, c))
	}
	for _, m := range cfg.Mappings {
		out.RoleMappings = append(out.RoleMappings, viewMapping(cfg, m))
	}
	for _, r := range cfg.Roles {
		out.Roles = append(out.Roles, RoleView{ID: r.ID, Name: r.Name, Owner: r.IsOwner()})
	}
	for _, a := range cfg.Applications {
		out.Applications = append(out.Applications, ApplicationSetup{a.ID, a})
	}
	return out
}

func (s *Service) directorySetup(tx *store.Tx, cfg *directory.Config, d directory.Directory) (DirectorySetup, error) {
	con, _ := cfg.Connection(d.Connection)
	out := DirectorySetup{DirectoryView: s.viewDirectory(d), Connection: d.Connection, ConnectionName: con.Name, Status: d.Status, Pilot: d.Pilot, Mode: d.Mode, TokenURL: s.SCIMTokenURL()}
	if g, ok := s.scimGuideOf(con); ok {
		out.Guide = &g
	}
	if err := mayIssue(cfg, d); err != nil {
		out.TokenRefused = err.Error()
	}
	tokens, err := tx.Tokens(d.ID)
	if err != nil {
		return out, err
	}
	for _, t := range tokens {
		out.Tokens = append(out.Tokens, viewToken(t))
	}
	secrets, err := tx.ClientCredentials(d.ID)
	for _, c := range secrets {
		out.Secrets = append(out.Secrets, viewSecret(c))
	}
	return out, err
}

func viewMapping(cfg *directory.Config, m directory.RoleMapping) MappingView {
	role, _ := cfg.Roles.ByID(m.Role)
	d, _ := cfg.Directory(m.Directory)
	c, _ := cfg.Connection(m.Connection)
	return MappingView{ID: m.ID, Group: m.Match, RoleID: role.ID, Role: role.Name,
		DirectoryID: d.ID, Directory: d.Name, ConnectionID: c.ID, Connection: c.Name}
}
