package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/config"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/grants"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/outbound"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/signin"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/postgres"
	"github.com/gatehouse-id/gatehouse/internal/store/sqlite"
)

// app is the rooms put together around one open database. Verbs run on it.
type app struct {
	db        *store.DB
	provision *provision.Service
	settings  *settings.Service
	signin    *signin.Service
	// grants is nil but in a server.
	grants  *grants.Service
	outside *http.Client // for addresses that customers choose
	cfg     config.Config
	log     *slog.Logger
	// serving says that a server runs on the same app: it numbers events and has the listeners.
	serving bool
}

// newApp opens the database that cfg names, migrated. make allows a SQLite file to be made.
func newApp(ctx context.Context, cfg config.Config, log *slog.Logger, make bool) (*app, error) {
	driver, err := openDriver(ctx, cfg, make)
	if err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, driver, store.Options{Log: log})
	if err != nil {
		return nil, errors.Join(unreachable(cfg, err), driver.Close())
	}
	passwords := keys.NewPasswords(0)
	outside := outbound.NewClient(outbound.Options{AllowPrivate: cfg.AllowPrivateNetworks})
	a := &app{
		db:        db,
		provision: &provision.Service{DB: db, Mail: cfg.MailServer != ""},
		settings: &settings.Service{DB: db, Plans: &provision.Room{}, Looks: &settings.Looks{}, Passwords: passwords, PublicURL: cfg.PublicURL, SCIMPublicURL: cfg.SCIMPublicURL, Mail: cfg.MailServer != "",
			TXT: outbound.NewResolver(cfg.DNSResolver).TXT, DomainRecheck: cfg.DomainRecheck, DomainLapse: cfg.DomainLapse,
			AllowPrivate: cfg.AllowPrivateNetworks, Metadata: func(ctx context.Context, url string) ([]byte, error) {
				return outbound.Get(ctx, outside, url, settings.MaxFetchedMetadata)
			}},
		signin: &signin.Service{DB: db, Passwords: passwords, PublicURL: cfg.PublicURL, Mail: cfg.MailServer != "",
			Artifacts: &signin.Artifacts{HTTP: outside}, Outside: &relyingparty.RelyingParty{HTTP: outside}},
		outside: outside,
		cfg:     cfg,
		log:     log,
	}
	a.signin.UnknownKey = a.settings.UnknownKey
	a.settings.Master = func(ctx context.Context) (*keys.Master, error) {
		ring, err := a.signingKeys(ctx)
		if err != nil {
			return nil, err
		}
		return ring.Master, nil
	}
	return a, nil
}

// give makes the app one that gives to applications. It needs the master key.
func (a *app) give(ctx context.Context) error {
	ring, err := a.signingKeys(ctx)
	if err != nil {
		return err
	}
	if err := ring.Tend(ctx); err != nil {
		return err
	}
	a.signin.Master, a.signin.Assert = ring.Master, ring.Assert
	a.grants = &grants.Service{DB: a.db, Keys: ring, Issuer: a.cfg.PublicURL, HTTP: a.outside}
	return nil
}

// close finishes what would otherwise be the server's work, numbers for events above all, and
// closes the database.
func (a *app) close(ctx context.Context) error {
	_, err := a.db.Sequence(ctx)
	return errors.Join(err, a.db.FlushMarks(ctx), a.db.Close())
}

func openDriver(ctx context.Context, cfg config.Config, make bool) (store.Driver, error) {
	path, ok := sqlitePath(cfg)
	if !ok {
		d, err := postgres.Open(ctx, cfg.Database)
		if err != nil {
			return nil, errs.Invalid("database_invalid", "The database address %s cannot be used: %s.", shownDatabase(cfg), scrub(cfg, innermost(err))).With(err)
		}
		return d, nil
	}
	if make {
		if err := makeDataDir(cfg.DataDir); err != nil {
			return nil, err
		}
	} else if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, errs.NotFound("database_missing",
			"There is no database at %s. Start one with gatehouse serve, or name another with --data-dir or --database.", path)
	}
	d, err := sqlite.Open(path)
	if err != nil {
		return nil, unreachable(cfg, err)
	}
	return d, nil
}

// makeDataDir makes the folder for database and socket, for its owner only.
func makeDataDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return errs.Invalid("data_dir_unusable", "The data dir %s cannot be made: %s.", dir, innermost(err)).With(err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return errs.Invalid("data_dir_unusable", "The data dir %s cannot be read: %s.", dir, innermost(err)).With(err)
	}
	// Who may write there can put another database in the place of ours.
	if info.Mode().Perm()&0o002 != 0 {
		return errs.Invalid("data_dir_unsafe", "Everybody may write to the data dir %s (%s). Take that away (chmod o-w), or name another with --data-dir.", dir, info.Mode().Perm())
	}
	return nil
}

// sqlitePath returns the path of a SQLite database; ok is false for PostgreSQL.
func sqlitePath(cfg config.Config) (path string, ok bool) {
	return strings.CutPrefix(cfg.Database, "sqlite:")
}

// unreachable names the database that does not answer, without its password.
func unreachable(cfg config.Config, err error) error {
	if e := errs.As(err); e != nil && e.Kind != errs.KindUnavailable {
		return err
	}
	return errs.Unavailable("database_unreachable", "The database %s cannot be reached: %s.", shownDatabase(cfg), scrub(cfg, innermost(err))).With(err)
}

// innermost is the text of the cause at the root of err: "connection refused".
func innermost(err error) string {
	for {
		next := errors.Unwrap(err)
		if many, ok := err.(interface{ Unwrap() []error }); ok && len(many.Unwrap()) > 0 {
			list := many.Unwrap()
			next = list[len(list)-1]
		}
		if next == nil {
			return err.Error()
		}
		err = next
	}
}

// shownDatabase is the address of the database with its password masked.
func shownDatabase(cfg config.Config) string {
	for _, s := range cfg.Settings() {
		if s.Name == "database" {
			return s.Value
		}
	}
	return ""
}

// scrub takes the database's password out of a text that a driver wrote.
func scrub(cfg config.Config, text string) string {
	u, err := url.Parse(cfg.Database)
	if err != nil || u.User == nil {
		return text
	}
	if password, ok := u.User.Password(); ok && password != "" {
		text = strings.ReplaceAll(text, password, "xxxxx")
	}
	return text
}

// databaseName tells databases apart: two settings with the same name mean the same data. It has
// no credentials in it.
func databaseName(cfg config.Config) string {
	if path, ok := sqlitePath(cfg); ok {
		return "sqlite:" + realPath(path)
	}
	u, err := url.Parse(cfg.Database)
	if err != nil {
		return "postgres:"
	}
	q := u.Query()
	host, port := cmp.Or(q.Get("host"), u.Hostname()), cmp.Or(q.Get("port"), u.Port(), "5432")
	return fmt.Sprintf("postgres:%s:%s/%s", host, port, cmp.Or(q.Get("dbname"), strings.Trim(u.Path, "/")))
}

// realPath is the absolute path without symbolic links, as far as the file or its folder exists.
func realPath(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		return filepath.Join(dir, filepath.Base(path))
	}
	return path
}

// workspace returns the id of a workspace; an unknown slug is refused with the nearest known one.
func (a *app) workspace(ctx context.Context, slug string) (string, error) {
	id, err := a.db.System().WorkspaceBySlug(ctx, slug)
	if err != nil {
		return "", a.nearestWorkspace(ctx, slug, err)
	}
	return id, nil
}

// nearestWorkspace adds the slug that was probably meant to an error about an unknown workspace.
func (a *app) nearestWorkspace(ctx context.Context, slug string, err error) error {
	if errs.CodeOf(err) != "workspace_unknown" {
		return err
	}
	all, listErr := a.db.System().Workspaces(ctx)
	if listErr != nil {
		return errors.Join(err, listErr)
	}
	var slugs []string
	for _, w := range all {
		slugs = append(slugs, w.Slug)
	}
	return errs.NotFound("workspace_unknown", "There is no workspace %q%s", slug, cmp.Or(config.DidYouMean(slug, slugs), "."))
}

// scope is on whose behalf an operator's verb changes people.
func scope(workspace string, by audit.Party) provision.Scope {
	return provision.Scope{Workspace: workspace, Actor: by}
}
