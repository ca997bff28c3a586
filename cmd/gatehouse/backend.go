package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/config"
	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// backend is where verbs run: a server behind its socket, or the database opened here.
type backend interface {
	perform(ctx context.Context, name string, r request) (json.RawMessage, error)
	close() error
}

// open returns where this program's verbs run, the same for all of them.
func (p *program) open(ctx context.Context) (backend, error) { return p.openAt(ctx, false) }

// openAt is open; with make, a SQLite database that does not exist is made.
func (p *program) openAt(ctx context.Context, make bool) (backend, error) {
	if p.backend != nil {
		return p.backend, nil
	}
	cfg, err := p.config()
	if err != nil {
		return nil, err
	}
	if server, ok := dialServer(ctx, cfg); ok {
		p.backend = server
		return server, nil
	}
	local, err := p.openHere(ctx, cfg, make)
	if err != nil {
		return nil, err
	}
	p.backend = local
	return local, nil
}

func (p *program) openHere(ctx context.Context, cfg config.Config, make bool) (*localBackend, error) {
	// What is worth a word to the operator comes back as an error; the rest is the server's log.
	log := slog.New(slog.NewTextHandler(p.err, &slog.HandlerOptions{Level: max(cfg.LogLevel, slog.LevelError)}))
	a, err := newApp(ctx, cfg, log, make)
	if err != nil {
		return nil, err
	}
	return &localBackend{a}, nil
}

// localBackend runs verbs in this process.
type localBackend struct{ app *app }

// printsAddresses are the verbs whose answer holds addresses of the server.
var printsAddresses = []string{"apply", "connection.list", "connection.show", "connection.test", "connection.metadata", "connection.idp-key", "connection.sp-key", "directory.show", "scim-token.rotate", "api-key.create", "session.link", "owner.link"}

func (b *localBackend) perform(ctx context.Context, name string, r request) (json.RawMessage, error) {
	if b.app.signin.PublicURL == "" && slices.Contains(printsAddresses, name) {
		return nil, errs.Invalid("public_url_needed",
			"The server's address, which is to be printed, is not known: no server is running, and it is to listen on any free port. Say it with --public-url.")
	}
	return perform(ctx, b.app, name, r)
}

// closeTimeout bounds the work that is left when a verb is done.
const closeTimeout = 10 * time.Second

func (b *localBackend) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return b.app.close(ctx)
}
