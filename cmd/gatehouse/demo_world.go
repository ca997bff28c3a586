package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/config"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/idpsim"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// world is a demonstration under way: a real server in a throw-away folder, the simulated IdPs,
// and the operator, who speaks to the server through its socket as every verb does.
type world struct {
	dir       string
	origin    string // of Gatehouse, on 127.0.0.1
	idpOrigin string // of the IdPs, on localhost: another site to a browser
	idps      *idpsim.Server
	wire      *wire
	tenants   []*tenant // one for each client
	neighbour *tenant   // must see nothing of the others
	operator  *program
	browsers  []*browser
	end       context.CancelFunc
	servers   int        // that have not ended
	ended     chan error // gets a value from each that ends
}

// tenant is one workspace, with the IdP that fills it.
type tenant struct {
	slug, name string
	kind       idpsim.Kind // "" for the neighbour
	idp        *idpsim.IdP
	directory  string // id
	token      string
}

// newTenants are the workspaces of the four clients.
func newTenants() []*tenant {
	return []*tenant{
		{slug: "acme", name: "Acme Inc", kind: idpsim.Okta},
		{slug: "initech", name: "Initech", kind: idpsim.OktaCustom},
		{slug: "globex", name: "Globex Corporation", kind: idpsim.Entra},
		{slug: "umbrella", name: "Umbrella Corporation", kind: idpsim.EntraFlag},
	}
}

// openWorld starts everything in dir and connects the IdPs of tenants. Gatehouse listens on listen,
// the IdPs on the next port, or on a free one where that is taken or the port is 0.
func openWorld(ctx context.Context, dir, listen string, tenants []*tenant, log io.Writer) (*world, error) {
	w := &world{dir: dir, wire: newWire(), tenants: tenants, neighbour: &tenant{slug: "hooli", name: "Hooli"},
		ended: make(chan error, 2)}
	ctx, w.end = context.WithCancel(ctx)
	if err := w.open(ctx, listen, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelError}))); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *world) open(ctx context.Context, listen string, log *slog.Logger) error {
	// The settings of a real installation, in the environment or a file, are not for a demonstration.
	cfg, err := config.Load(map[string]string{"listen": listen, "data-dir": w.dir}, nil, "")
	if err != nil {
		return err
	}
	s, err := startServer(ctx, cfg, log)
	if err != nil {
		return err
	}
	w.running(s.wait)
	w.origin = s.cfg.PublicURL
	if err := w.openIdPs(ctx, s.listener.Addr().String(), log); err != nil {
		return err
	}
	socket, ok := dialServer(ctx, s.cfg)
	if !ok {
		return errs.Unavailable("demo_socket", "The server does not answer on its socket in %s.", w.dir)
	}
	w.operator = &program{streams: streams{in: strings.NewReader(""), out: io.Discard, err: io.Discard}, backend: socket}
	for _, t := range w.everybody() {
		if err := w.connect(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// running notes a server that close waits for.
func (w *world) running(wait func() error) {
	w.servers++
	go func() { w.ended <- wait() }() // it has room for all of them
}

// openIdPs serves the simulated IdPs beside Gatehouse.
func (w *world) openIdPs(ctx context.Context, beside string, log *slog.Logger) error {
	at, err := netip.ParseAddrPort(beside)
	if err != nil {
		return fmt.Errorf("find a port for the IdPs: %w", err)
	}
	listener, err := net.Listen("tcp", netip.AddrPortFrom(at.Addr(), at.Port()+1).String())
	if err != nil {
		if listener, err = net.Listen("tcp", netip.AddrPortFrom(at.Addr(), 0).String()); err != nil {
			return fmt.Errorf("find a port for the IdPs: %w", err)
		}
	}
	w.idpOrigin = "http://localhost:" + strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	w.idps = idpsim.New(idpsim.Options{OnExchange: w.wire.exchanged, Password: func() string { return w.wire.secret(rand.Text()) }})
	pages := web.Server{Listener: listener, Handler: w.idps.Handler(), Log: log}
	w.running(func() error { return pages.Run(ctx) })
	return nil
}

// everybody is all workspaces, the neighbour last.
func (w *world) everybody() []*tenant { return append(slices.Clone(w.tenants), w.neighbour) }

// connect makes a workspace by an apply file, and gives its IdP base URL and token.
func (w *world) connect(ctx context.Context, t *tenant) error {
	out, err := call[applied](ctx, w.operator, "apply", applyArgs{Text: t.file()})
	if err != nil {
		return fmt.Errorf("make workspace %s: %w", t.slug, err)
	}
	issued, err := call[settings.Issued](ctx, w.operator, "scim-token.rotate", tokenArgs{Workspace: t.slug, Directory: out.Result.Directories[0].ID})
	if err != nil {
		return fmt.Errorf("make a token for %s: %w", t.slug, err)
	}
	t.directory, t.token = issued.Directory, w.wire.secret(issued.Token)
	if t.kind == "" {
		return nil
	}
	t.idp = w.idps.IdP(t.kind)
	return t.idp.Connect(ctx, idpsim.Connection{BaseURL: issued.BaseURL, Token: issued.Token, ImportPastEnd: true})
}

// file is the workspace as an operator writes it down.
func (t *tenant) file() string {
	var b strings.Builder
	fmt.Fprintf(&b, "workspace: %s\nname: %s\npreset: omniflow\nowners:\n  - {email: root@%s.test, name: Root, break_glass: true}\n", t.slug, t.name, t.slug)
	fmt.Fprint(&b, "directories:\n  - {name: idp}\nrole_mappings:\n")
	for _, m := range demoRoles {
		fmt.Fprintf(&b, "  - {group: %s, role: %s}\n", m.group, m.role)
	}
	return b.String()
}

// close ends everything and waits for it. Interruption is how a demonstration ends, and no error.
func (w *world) close() error {
	w.end()
	var all []error
	if w.operator != nil {
		all = append(all, w.operator.close())
	}
	if w.idps != nil {
		w.idps.Close()
	}
	for _, b := range w.browsers {
		b.close()
	}
	for ; w.servers > 0; w.servers-- {
		all = append(all, <-w.ended)
	}
	return errors.Join(all...)
}

// people returns those whom the workspace's directory brought, by address in lower case, as the
// verb "member show" shows them.
func (w *world) people(ctx context.Context, t *tenant) (map[string]person, error) {
	out := map[string]person{}
	for after := ""; ; {
		page, err := call[[]memberLine](ctx, w.operator, "member.page", memberPageArgs{t.slug, after})
		if err != nil {
			return nil, err
		}
		for _, line := range page {
			after = line.ID
			m, err := call[memberView](ctx, w.operator, "member.show", memberArgs{t.slug, line.ID})
			if err != nil {
				return nil, err
			}
			if m.Directory == t.directory {
				out[strings.ToLower(m.Email)] = personOf(m)
			}
		}
		if len(page) < memberPage {
			return out, nil
		}
	}
}

// loggedEvent is an event as "audit export" shows it, with the bytes that it came as.
type loggedEvent struct {
	Seq       int64               `json:"seq"`
	Type      string              `json:"type"`
	Outcome   string              `json:"outcome"`
	Subject   struct{ ID string } `json:"subject"`
	Directory string              `json:"directory"`
	Changes   []fieldChange       `json:"changes"`
	Payload   json.RawMessage     `json:"payload"`
	raw       json.RawMessage
}

type fieldChange struct{ Field, From, To string }

// change returns what the event says of one field.
func (e loggedEvent) change(field string) fieldChange {
	for _, c := range e.Changes {
		if c.Field == field {
			return c
		}
	}
	return fieldChange{}
}

// events returns the whole log of a workspace, oldest first.
func (w *world) events(ctx context.Context, t *tenant) ([]loggedEvent, error) {
	var out []loggedEvent
	for after := int64(0); ; {
		page, err := call[[]json.RawMessage](ctx, w.operator, "audit.page", eventPageArgs{t.slug, after})
		if err != nil {
			return nil, err
		}
		for _, raw := range page {
			e := loggedEvent{raw: raw}
			if err := json.Unmarshal(raw, &e); err != nil {
				return nil, fmt.Errorf("read event of %s: %w", t.slug, err)
			}
			out, after = append(out, e), e.Seq
		}
		if len(page) < eventPage {
			return out, nil
		}
	}
}

// link makes a one-time sign-in link for a member, as the operator does.
func (w *world) link(ctx context.Context, t *tenant, who string) (string, error) {
	l, err := call[link](ctx, w.operator, "session.link", memberArgs{t.slug, who})
	return l.URL, err
}

// cards lists the workspaces with a way in for each owner.
func (w *world) cards(ctx context.Context) ([]card, error) {
	var out []card
	for _, t := range w.everybody() {
		l, err := call[link](ctx, w.operator, "owner.link", memberArgs{Workspace: t.slug})
		if err != nil {
			return nil, err
		}
		c := card{Workspace: t.slug, IdP: string(t.kind), OwnerLink: l.URL}
		if t.kind != "" {
			c.Page = w.idpOrigin + "/" + string(t.kind)
		}
		out = append(out, c)
	}
	return out, nil
}

// wait returns when the demonstration was interrupted, or with the error of a server that ended.
func (w *world) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-w.ended:
		w.servers--
		return err
	}
}
