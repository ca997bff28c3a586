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
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/grants"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/outbound"
	"github.com/gatehouse-id/gatehouse/internal/provider"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty"
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
// never outlives the program that started it. masterFile is made where there is none. rate is how many
// requests a second each directory has, 0 for no limit.
func serve(ctx context.Context, database, masterFile string, rate int) error {
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
	master, err := keys.LoadMaster(masterFile, true)
	if err != nil {
		return err
	}
	handler, outbox, err := handler(ctx, db, driver, master, log, rate)
	if err != nil {
		return err
	}
	for _, helper := range []func(context.Context) error{
		outbox,
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

// handler makes the doors, and the runner of the outbox that belongs beside them.
func handler(ctx context.Context, db *store.DB, driver store.Driver, master *keys.Master, log *slog.Logger, rate int) (_ http.Handler, outbox func(context.Context) error, err error) {
	people := &provision.Service{DB: db}
	// Applications and IdPs of a measurement are on this machine, so the guard of outgoing calls is lifted.
	open := outbound.NewClient(outbound.Options{AllowPrivate: true})
	sign := &signin.Service{DB: db, Passwords: keys.NewPasswords(2), PublicURL: origin, Master: master, Outside: &relyingparty.RelyingParty{HTTP: open}}
	door, err := signin.NewDoor(sign)
	if err != nil {
		return nil, nil, err
	}
	given := &grants.Service{DB: db, Keys: &grants.KeyRing{DB: db, Master: master}, Issuer: origin, HTTP: open}
	if err := given.Keys.Tend(ctx); err != nil {
		return nil, nil, err
	}
	oidc, err := provider.New(provider.Options{DB: db, Grants: given, SignIn: sign, Issuer: origin, Leave: door.Leave})
	if err != nil {
		return nil, nil, err
	}
	scim := scimserver.New(scimserver.Options{DB: db, Provision: people, Origin: origin, Log: log, Rate: rate})
	// The load says by header which of many clients it is.
	site := web.Site{Log: log, Tolerant: []string{"/scim/"}, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}.Handler(door, oidc, web.Health{}, mounted(func(mux *http.ServeMux) {
		mux.Handle(scimserver.Prefix+"/", scim)
		mux.HandleFunc("GET /empty", empty)
	}))
	control := http.NewServeMux()
	(&controls{db: db, driver: driver, master: master}).mount(control)
	control.HandleFunc("/debug/pprof/profile", pprof.Profile)
	control.HandleFunc("/debug/pprof/", pprof.Index)
	control.HandleFunc("GET /bare", empty)
	control.Handle("/", site)
	runner := &jobs.Runner{DB: db, Log: log, Handlers: map[string]jobs.Handler{store.JobLogout: given.LogoutHandler()}}
	return control, runner.Run, nil
}

// empty is the handler that does nothing: the limit of what net/http and the loopback give.
func empty(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte("{}\n"))
}
