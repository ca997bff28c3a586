package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// lookup returns the value of a variable in an environment, "" where it is not set.
func lookup(environ []string, name string) string {
	value := ""
	for _, pair := range environ {
		if k, v, ok := strings.Cut(pair, "="); ok && k == name {
			value = v
		}
	}
	return value
}

type migrateCommand struct{}

func (migrateCommand) Help() string {
	return `serve does this by itself; migrate is for those who want it done before. A database that is
ahead of this binary is left as it is.`
}

func (c *migrateCommand) Run(ctx context.Context, p *program) error {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	b, err := p.openHere(ctx, cfg, true) // opening migrates
	if err != nil {
		return err
	}
	p.backend = b
	v := struct {
		Database    string `json:"database"`
		SchemaLevel int    `json:"schema_level"`
	}{shownDatabase(cfg), store.SchemaLevel}
	return p.show(v, func(w io.Writer) { fmt.Fprintf(w, "%s serves schema level %d\n", v.Database, v.SchemaLevel) })
}

type configCommand struct {
	Print configPrintCommand `cmd:"" help:"Print every setting, its value and where that comes from. Passwords are masked."`
}

type configPrintCommand struct{ serverFlags }

func (c *configPrintCommand) Run(p *program) error {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	list := cfg.Settings()
	return p.show(list, func(w io.Writer) {
		fmt.Fprint(w, cells("SETTING", "VALUE", "FROM"))
		for _, s := range list {
			fmt.Fprint(w, cells(s.Name, s.Value, s.Source))
		}
	})
}

type versionCommand struct{}

// version is what this binary is.
type version struct {
	Version     string `json:"version"`
	Revision    string `json:"revision,omitempty"`
	Time        string `json:"time,omitempty"` // of the revision
	Modified    bool   `json:"modified,omitempty"`
	Go          string `json:"go"`
	SchemaLevel int    `json:"schema_level"`
}

func buildVersion() version {
	v := version{Version: "unknown", SchemaLevel: store.SchemaLevel}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Go = info.GoVersion
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

func (versionCommand) Run(p *program) error {
	v := buildVersion()
	return p.show(v, func(w io.Writer) {
		fmt.Fprintf(w, "gatehouse %s, schema level %d, %s\n", v.Version, v.SchemaLevel, v.Go)
		if v.Revision != "" {
			fmt.Fprintf(w, "revision %s %s\n", v.Revision, v.Time)
		}
	})
}

type healthcheckCommand struct {
	Listen string `placeholder:"HOST:PORT" help:"Where the server listens, when it is not found by its data dir (default as for serve)."`
}

func (healthcheckCommand) Help() string {
	return `Asks /readyz, for container health checks. The server is found by its local socket, else by the
address that it is configured to listen on.`
}

// healthTimeout is how long a server may take to say that it is ready.
const healthTimeout = 5 * time.Second

func (c *healthcheckCommand) Run(ctx context.Context, p *program) error {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	address := reachable(cfg.Listen)
	if b, ok := dialServer(ctx, cfg); ok && cfg.Sources["listen"] != "flag --listen" {
		address = reachable(b.hello.Address)
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		return errs.Unavailable("not_running", "No server answers on %s: %s.", address, innermost(err)).With(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		return errs.Unavailable("not_ready", "The server on %s did not finish its answer: %s.", address, innermost(err)).With(err)
	}
	if resp.StatusCode != http.StatusOK {
		return errs.Unavailable("not_ready", "The server on %s is not ready (%s).", address, strings.ReplaceAll(strings.TrimSpace(string(body)), "\n", ", "))
	}
	v := struct {
		Ready   bool   `json:"ready"`
		Address string `json:"address"`
	}{true, address}
	return p.show(v, func(w io.Writer) { fmt.Fprintf(w, "ready on %s\n", address) })
}

// reachable is a listening address as a client on this machine dials it.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if host == "" || host == "0.0.0.0" {
		host = "127.0.0.1"
	}
	if host == "::" {
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}
