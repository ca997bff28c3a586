package settings

import (
	"cmp"
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Service reads and writes configuration.
type Service struct {
	DB        *store.DB
	Passwords *keys.Passwords
	// Getenv and ReadFile give the values that an apply file names and does not hold: password_env
	// and password_file. nil is an empty environment and a file system without files.
	Getenv   func(string) string
	ReadFile func(string) ([]byte, error)
	// PublicURL is the origin that browsers and IdPs see. SCIMPublicURL is that of provisioning, ""
	// for the same one (V12 of the seeds).
	PublicURL     string
	SCIMPublicURL string
	// Metadata fetches what an IdP publishes at a URL, MaxFetchedMetadata at most. nil fetches nothing.
	Metadata func(ctx context.Context, url string) ([]byte, error)
	// TXT asks DNS for the TXT records of a name (outbound.Resolver). nil asks nobody.
	TXT func(ctx context.Context, name string) ([]string, error)
	// DomainRecheck is how often a proven domain is looked at again, DomainLapse for how long its record may be
	// missing; 0 is a day and 30 days.
	DomainRecheck, DomainLapse time.Duration
	// Master gives the key that client secrets of connections are sealed with. nil seals none.
	Master func(ctx context.Context) (*keys.Master, error)
	// Mail says that mail can be sent: people who are invited when a directory is enabled are told.
	Mail bool
	// AllowPrivate accepts IdPs without https, for tests on one machine (--allow-private-networks).
	AllowPrivate bool
	// Plans is the room for plans of very many people; nil computes any number of them at once.
	Plans *provision.Room
	// Looks counts the answers of IdPs that wait for another one's look at metadata; nil lets any number wait.
	Looks *Looks
}

// Looks counts who waits. The zero value is ready.
type Looks struct{ waiting atomic.Int32 }

// enter takes a place and returns how to leave it; ok is false where there is none.
func (l *Looks) enter() (leave func(), ok bool) {
	if l == nil {
		return func() {}, true
	}
	return func() { l.waiting.Add(-1) }, l.waiting.Add(1) <= refreshWaiters
}

// SCIMBaseURL is what an IdP's administrator pastes as base URL or tenant URL. It is the same for
// all workspaces: the token names workspace and directory.
func (s *Service) SCIMBaseURL() string {
	return strings.TrimRight(cmp.Or(s.SCIMPublicURL, s.PublicURL), "/") + "/scim/v2"
}

// Workspace returns the id and the configuration of a workspace. An unknown slug is not found.
func (s *Service) Workspace(ctx context.Context, slug string) (id string, cfg *directory.Config, err error) {
	if id, err = s.DB.System().WorkspaceBySlug(ctx, slug); err != nil {
		return "", nil, err
	}
	err = s.DB.Read(ctx, id, func(tx *store.Tx) error {
		cfg, err = tx.Config()
		return err
	})
	return id, cfg, err
}

// Connections lists the connections of a workspace in the order of their creation.
func (s *Service) Connections(ctx context.Context, slug string) ([]ConnectionView, error) {
	id, cfg, err := s.Workspace(ctx, slug)
	if err != nil {
		return nil, err
	}
	out := make([]ConnectionView, 0, len(cfg.Connections))
	for _, c := range cfg.Connections {
		out = append(out, s.view(cfg, c))
	}
	return out, s.noticed(ctx, id, cfg, out)
}

// Connection returns one connection of a workspace by name or id.
func (s *Service) Connection(ctx context.Context, slug, nameOrID string) (ConnectionView, error) {
	id, cfg, err := s.Workspace(ctx, slug)
	if err != nil {
		return ConnectionView{}, err
	}
	c, err := connectionOf(cfg, nameOrID)
	if err != nil {
		return ConnectionView{}, err
	}
	out := []ConnectionView{s.view(cfg, c)}
	err = s.noticed(ctx, id, cfg, out)
	return out[0], err
}

// noticed says of connections that leavers are not noticed there where the directories beside them have no credential.
func (s *Service) noticed(ctx context.Context, workspace string, cfg *directory.Config, views []ConnectionView) error {
	return s.DB.Peek(ctx, workspace, func(tx *store.Tx) error {
		for i := range views {
			v := &views[i]
			heard, err := LeaversNoticed(tx, cfg, v.ID)
			if err != nil {
				return err
			}
			v.unheard, v.LeaversNoticed = cfg.NoticesLeavers(v.ID) && !heard, heard
		}
		return nil
	})
}
