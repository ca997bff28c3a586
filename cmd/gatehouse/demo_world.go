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
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/config"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/hostapp"
	"github.com/gatehouse-id/gatehouse/internal/idpsim"
	"github.com/gatehouse-id/gatehouse/internal/mailsink"
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
	mail      *mailsink.Sink
	// host is the product behind Gatehouse, at an origin and with a cookie of its own.
	host       *hostapp.App
	hostOrigin string
	tenants    []*tenant // one for each client
	neighbour  *tenant   // must see nothing of the others
	operator   *program
	app        *app // of the server, for what is followed and not asked
	browsers   []*browser
	transport  *http.Transport // of browsers and of the product
	beside     netip.AddrPort  // where Gatehouse listens
	life       context.Context // of everything that runs
	end        context.CancelFunc
	unfollow   func()     // ends the reading of the event log and waits for it; may be nil
	servers    int        // that have not ended
	ended      chan error // gets a value from each that ends

	mu    sync.Mutex
	given map[string]hostapp.SignIn // by session: what the product got
	watch func(moment)              // is told of the ends of sessions; may be nil
}

// openWorld starts everything in dir and connects the IdPs of tenants. Gatehouse listens on listen,
// the others on the next ports, or on free ones where those are taken or the port is 0.
func openWorld(ctx context.Context, dir, listen string, tenants []*tenant, log io.Writer) (*world, error) {
	w := &world{dir: dir, wire: newWire(), tenants: tenants, neighbour: &tenant{slug: "hooli", name: "Hooli"},
		given: map[string]hostapp.SignIn{}, ended: make(chan error, 6)}
	w.transport = http.DefaultTransport.(*http.Transport).Clone()
	// An interruption ends all of it in order, by close, and not each part on its own.
	w.life, w.end = context.WithCancel(context.WithoutCancel(ctx))
	if err := w.open(w.life, listen, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelError}))); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *world) open(ctx context.Context, listen string, log *slog.Logger) error {
	mail, err := w.openMail(ctx)
	if err != nil {
		return err
	}
	// The settings of a real installation, in the environment or a file, are not for a demonstration. Its IdPs
	// bring whole companies over as fast as they are answered.
	cfg, err := config.Load(map[string]string{"listen": listen, "data-dir": w.dir, "allow-private-networks": "yes", "scim-rate": "none",
		"mail-server": "smtp://" + mail, "mail-from": "Gatehouse <no-reply@gatehouse.test>"}, nil, "")
	if err != nil {
		return err
	}
	s, err := startServer(ctx, cfg, log)
	if err != nil {
		return err
	}
	w.running(s.wait)
	w.origin, w.app = s.cfg.PublicURL, s.app
	socket, ok := dialServer(ctx, s.cfg)
	if !ok {
		return errs.Unavailable("demo_socket", "The server does not answer on its socket in %s.", w.dir)
	}
	w.operator = &program{streams: streams{in: strings.NewReader(""), out: io.Discard, err: io.Discard}, backend: socket}
	w.beside, err = netip.ParseAddrPort(s.listener.Addr().String())
	if err != nil {
		return fmt.Errorf("find ports beside Gatehouse: %w", err)
	}
	if err := w.openIdPs(ctx, log); err != nil {
		return err
	}
	return w.openHost(ctx, log)
}

// listen takes the port that many after Gatehouse's, or a free one. What stands there is called
// localhost: another site to a browser than Gatehouse, which is called by its address.
func (w *world) listen(after uint16) (listener net.Listener, origin string, err error) {
	listener, err = net.Listen("tcp", netip.AddrPortFrom(w.beside.Addr(), w.beside.Port()+after).String())
	if err != nil {
		if listener, err = net.Listen("tcp", netip.AddrPortFrom(w.beside.Addr(), 0).String()); err != nil {
			return nil, "", fmt.Errorf("find a port beside Gatehouse: %w", err)
		}
	}
	return listener, "http://localhost:" + strconv.Itoa(listener.Addr().(*net.TCPAddr).Port), nil
}

// serve answers on a listener until ctx ends.
func (w *world) serve(ctx context.Context, listener net.Listener, h http.Handler, log *slog.Logger) {
	server := web.Server{Listener: listener, Handler: h, Log: log}
	w.running(func() error { return server.Run(ctx) })
}

// running notes a server that close waits for.
func (w *world) running(wait func() error) {
	w.servers++
	go func() { w.ended <- wait() }() // it has room for all of them
}

// openMail starts the mail server, to which Gatehouse sends, and returns its address.
func (w *world) openMail(ctx context.Context) (address string, err error) {
	if w.mail, err = mailsink.New(mailsink.Options{Name: "demo.test", Base: mailBase}); err != nil {
		return "", err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a port for mail: %w", err)
	}
	w.running(func() error { return w.mail.Serve(ctx, listener) })
	return listener.Addr().String(), nil
}

// openIdPs serves the simulated IdPs.
func (w *world) openIdPs(ctx context.Context, log *slog.Logger) error {
	listener, origin, err := w.listen(1)
	if err != nil {
		return err
	}
	w.idpOrigin = origin
	client := &http.Client{Timeout: time.Minute, Transport: watched{&http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}, w.wire}}
	w.idps = idpsim.New(idpsim.Options{OnExchange: w.wire.exchanged, Password: func() string { return w.wire.secret(rand.Text()) },
		HTTPClient: client, BaseURL: origin})
	w.serve(ctx, listener, w.idps.Handler(), log)
	return nil
}

// openHost makes the workspaces, whose applications the product signs people in with, and serves it.
func (w *world) openHost(ctx context.Context, log *slog.Logger) error {
	listener, origin, err := w.listen(2)
	if err != nil {
		return err
	}
	w.hostOrigin = origin
	var companies []hostapp.Company
	for _, t := range w.everybody() {
		if err := w.connect(ctx, t); err != nil {
			return errors.Join(err, listener.Close())
		}
		if t.client != "" {
			companies = append(companies, hostapp.Company{Slug: t.slug, Name: t.name, Issuer: w.origin, ClientID: t.client, ClientSecret: t.secret})
		}
	}
	w.host, err = hostapp.New(hostapp.Options{Origin: origin, Companies: companies, HTTP: &http.Client{Timeout: 10 * time.Second, Transport: w.transport},
		Cause: w.cause, OnSignIn: w.signedIn, OnEnded: w.sessionEnded, OnShown: w.endShown})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	w.serve(ctx, listener, w.host.Handler(), log)
	return nil
}

// everybody is all workspaces, the neighbour last.
func (w *world) everybody() []*tenant { return append(slices.Clone(w.tenants), w.neighbour) }

// close ends everything and waits for it. Interruption is how a demonstration ends, and no error.
func (w *world) close() error {
	if w.unfollow != nil {
		w.unfollow() // before the database goes
	}
	w.end()
	var all []error
	if w.operator != nil {
		all = append(all, w.operator.close())
	}
	if w.idps != nil {
		w.idps.Close()
	}
	if w.host != nil {
		w.host.Close()
	}
	w.transport.CloseIdleConnections()
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
	ID        string              `json:"id"`
	Reason    string              `json:"reason"`
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
	return w.eventsAfter(ctx, t, 0)
}

// eventsAfter returns the log of a workspace behind a number, oldest first.
func (w *world) eventsAfter(ctx context.Context, t *tenant, after int64) ([]loggedEvent, error) {
	var out []loggedEvent
	for {
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
		if t.signsIn {
			c.Product = w.hostOrigin + "/signin/" + t.slug
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
