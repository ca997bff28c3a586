package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/scimserver"
	"github.com/gatehouse-id/gatehouse/internal/signin"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/postgres"
	"github.com/gatehouse-id/gatehouse/internal/store/sqlite"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// origin is the public address that the measured server believes to have.
const origin = "http://gatehouse.test"

// serve is the child: the doors as `gatehouse serve` mounts them, with the same helpers running
// beside them, and the endpoints of control. It ends when its standard input does, so that it
// never outlives the program that started it.
func serve(ctx context.Context, database string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	driver, err := openDriver(ctx, database)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	db, err := store.Open(ctx, driver, store.Options{Log: log})
	if err != nil {
		return errors.Join(err, driver.Close())
	}
	defer db.Close()
	for _, helper := range []func(context.Context) error{
		func(ctx context.Context) error { return db.RunSequencer(ctx, 250*time.Millisecond) },
		func(ctx context.Context) error { return db.RunMarks(ctx, time.Second) },
		db.Listen,
	} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := helper(ctx); err != nil && ctx.Err() == nil {
				log.Error("helper ended", "error", err)
			}
		}()
		defer func() { <-done }()
		defer cancel()
	}
	handler, err := handler(db, log)
	if err != nil {
		return err
	}
	return web.Server{Listen: "127.0.0.1:0", Handler: handler, Log: log, Ready: func(a net.Addr) {
		fmt.Printf("ready on http://%s\n", a)
	}}.Run(ctx)
}

func openDriver(ctx context.Context, database string) (store.Driver, error) {
	if path, ok := strings.CutPrefix(database, "sqlite:"); ok {
		return sqlite.Open(path)
	}
	return postgres.Open(ctx, database)
}

// mounted makes a Mounter of a function.
type mounted func(*http.ServeMux)

func (m mounted) Mount(mux *http.ServeMux) { m(mux) }

func handler(db *store.DB, log *slog.Logger) (http.Handler, error) {
	people := &provision.Service{DB: db}
	door, err := signin.NewDoor(&signin.Service{DB: db, Passwords: keys.NewPasswords(2), PublicURL: origin})
	if err != nil {
		return nil, err
	}
	scim := scimserver.New(scimserver.Options{DB: db, Provision: people, Origin: origin, Log: log})
	site := web.Site{Log: log, Tolerant: []string{"/scim/"}}.Handler(door, web.Health{}, mounted(func(mux *http.ServeMux) {
		mux.Handle(scimserver.Prefix+"/", scim)
		mux.HandleFunc("GET /empty", empty)
	}))
	control := http.NewServeMux()
	(&controls{db: db}).mount(control)
	control.HandleFunc("/debug/pprof/profile", pprof.Profile)
	control.HandleFunc("/debug/pprof/", pprof.Index)
	control.HandleFunc("GET /bare", empty)
	control.Handle("/", site)
	return control, nil
}

// empty is the handler that does nothing: the limit of what net/http and the loopback give.
func empty(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte("{}\n"))
}
