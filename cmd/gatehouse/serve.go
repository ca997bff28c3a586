package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"

	"github.com/gatehouse-id/gatehouse/internal/config"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

type serveCommand struct {
	serverFlags
}

// serverFlags are the settings of a server; the common ones stand with the other verbs' flags.
type serverFlags struct {
	Listen               string `placeholder:"HOST:PORT" help:"${help_listen}"`
	MetricsListen        string `placeholder:"HOST:PORT" help:"${help_metrics_listen}"`
	PublicURL            string `name:"public-url" placeholder:"ORIGIN" help:"${help_public_url}"`
	SCIMPublicURL        string `name:"scim-public-url" placeholder:"ORIGIN" help:"${help_scim_public_url}"`
	TrustedProxies       string `placeholder:"NETWORKS" help:"${help_trusted_proxies}"`
	MasterKeyFile        string `placeholder:"FILE" help:"${help_master_key_file}"`
	AllowPrivateNetworks bool   `help:"${help_allow_private_networks}"`
	MailServer           string `placeholder:"URL" help:"${help_mail_server}"`
	MailFrom             string `placeholder:"MAILBOX" help:"${help_mail_from}"`
	DNSResolver          string `name:"dns-resolver" placeholder:"ADDRESS" help:"${help_dns_resolver}"`
	DomainRecheck        string `placeholder:"TIME" help:"${help_domain_recheck}"`
	DomainLapse          string `placeholder:"TIME" help:"${help_domain_lapse}"`
	SCIMRate             string `name:"scim-rate" placeholder:"NUMBER" help:"${help_scim_rate}"`
	LogFormat            string `placeholder:"WORD" help:"${help_log_format}"`
	LogLevel             string `placeholder:"WORD" help:"${help_log_level}"`
	EventRetention       string `placeholder:"DAYS" help:"${help_event_retention}"`
	PayloadRetention     string `placeholder:"DAYS" help:"${help_payload_retention}"`
	RequestRetention     string `placeholder:"DAYS" help:"${help_request_retention}"`
	SessionRetention     string `placeholder:"DAYS" help:"${help_session_retention}"`
	WorkRetention        string `placeholder:"DAYS" help:"${help_work_retention}"`
}

func (serveCommand) Help() string {
	return `Opens the database, brings it to this binary's schema and answers until it is told to stop
(Ctrl-C, or SIGTERM). Requests under way are finished first; a second signal ends it at once.

Examples:

  gatehouse serve
  gatehouse serve --data-dir /var/lib/gatehouse --public-url https://id.example.com
  gatehouse serve --database postgres://gatehouse@db.internal/gatehouse`
}

// ready is what serve prints once it accepts connections.
type ready struct {
	URL       string `json:"url"`        // where it listens
	PublicURL string `json:"public_url"` // what browsers and IdPs use
	Database  string `json:"database"`   // without password
	PID       int    `json:"pid"`
}

func (c *serveCommand) Run(ctx context.Context, p *program) error {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	log := newLog(p.err, cfg)
	for _, warning := range cfg.Warnings() {
		log.Warn(warning)
	}
	s, err := startServer(ctx, cfg, log)
	if err != nil {
		return err
	}
	r := ready{URL: "http://" + s.listener.Addr().String(), PublicURL: s.cfg.PublicURL, Database: shownDatabase(cfg), PID: os.Getpid()}
	return errors.Join(p.show(r, func(w io.Writer) {
		fmt.Fprintf(w, "gatehouse is ready on %s (%s)\n", r.URL, r.Database)
		if r.PublicURL != r.URL {
			fmt.Fprintf(w, "public URL: %s\n", r.PublicURL)
		}
	}), s.wait())
}

func newLog(w io.Writer, cfg config.Config) *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.LogLevel}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// server is a running Gatehouse: it accepts connections from startServer on, and has let go of
// everything when wait returns.
type server struct {
	cfg      config.Config // with PublicURL filled in
	app      *app
	mailer   jobs.Mailer // nil where no mail is sent
	log      *slog.Logger
	listener net.Listener
	socket   net.Listener
	metrics  net.Listener // nil where none answer
	unlock   func() error
	done     chan error
}

// startServer opens the database of cfg and serves until ctx ends.
func startServer(ctx context.Context, cfg config.Config, log *slog.Logger) (*server, error) {
	s := &server{cfg: cfg, log: log, done: make(chan error, 1)}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.release())
	}
	site, err := newSite(s.app, s.cfg, log)
	if err != nil {
		return nil, errors.Join(err, s.release())
	}
	outside := web.Server{Listener: s.listener, Handler: site, Log: log}
	servers := []web.Server{outside}
	if s.metrics != nil {
		servers = append(servers, web.Server{Listener: s.metrics, Handler: metricsSite(s.app.settings, log), Log: log})
		log.Info("metrics answer", "address", s.metrics.Addr().String())
	}
	inside := web.Server{Listener: s.socket, Log: log, Handler: (&localDoor{app: s.app, hello: s.hello()}).handler(log)}
	go func() { s.done <- s.run(ctx, append(servers, inside)...) }()
	return s, nil
}

// open takes what a server needs, in an order in which nothing is changed before it is known that
// no other server does.
func (s *server) open(ctx context.Context) error {
	if err := makeDataDir(s.cfg.DataDir); err != nil {
		return err
	}
	var err error
	if s.unlock, err = lockServer(s.cfg); err != nil {
		return err
	}
	if s.listener, err = net.Listen("tcp", s.cfg.Listen); err != nil {
		return errs.Unavailable("address_unusable", "The address %s cannot be listened on: %s.", s.cfg.Listen, innermost(err)).With(err)
	}
	if s.cfg.MetricsListen != "" {
		if s.metrics, err = net.Listen("tcp", s.cfg.MetricsListen); err != nil {
			return errs.Unavailable("address_unusable", "The address %s cannot be listened on: %s.", s.cfg.MetricsListen, innermost(err)).With(err)
		}
	}
	if s.cfg.PublicURL == "" {
		s.cfg.PublicURL = "http://" + s.listener.Addr().String()
	}
	if s.cfg.SCIMPublicURL == "" {
		s.cfg.SCIMPublicURL = s.cfg.PublicURL
	}
	if s.app, err = newApp(ctx, s.cfg, s.log, true); err != nil {
		return err
	}
	s.app.serving = true
	if err := s.app.give(ctx); err != nil {
		return err
	}
	if s.mailer, err = mailerOf(s.cfg); err != nil {
		return err
	}
	s.socket, err = listenSocket(s.cfg.DataDir)
	return err
}

// mailerOf returns what takes mail, nil where none is sent.
func mailerOf(cfg config.Config) (jobs.Mailer, error) {
	if cfg.MailServer == "" {
		return nil, nil
	}
	if path, ok := strings.CutPrefix(cfg.MailServer, "folder:"); ok {
		return jobs.Folder{Path: path, From: cfg.MailFrom}, nil
	}
	m, err := jobs.NewSMTP(cfg.MailServer, cfg.MailFrom)
	if err != nil {
		return nil, errs.Invalid("mail_server_unusable", "%v", err)
	}
	return m, nil
}

func (s *server) hello() hello {
	return hello{Database: databaseName(s.cfg), Address: s.listener.Addr().String(), PublicURL: s.cfg.PublicURL,
		Version: buildVersion().Version, PID: os.Getpid()}
}

// run serves until ctx ends or a listener breaks, finishes requests, then what goes on beside them.
func (s *server) run(ctx context.Context, servers ...web.Server) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	beside, stopBeside := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBeside()
	background := s.background(beside)

	failures := make([]error, len(servers))
	var serving sync.WaitGroup
	for i, web := range servers {
		serving.Go(func() {
			defer stop() // one that ends takes the others along
			failures[i] = web.Run(ctx)
		})
	}
	serving.Wait()
	stopBeside()
	background.Wait()
	return errors.Join(errors.Join(failures...), s.release())
}

// wait returns when the server has ended.
func (s *server) wait() error { return <-s.done }

// release lets go of what open took; listeners that served are closed already.
func (s *server) release() error {
	var all []error
	if s.app != nil {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		all = append(all, s.app.close(ctx))
	}
	for _, l := range []net.Listener{s.listener, s.socket, s.metrics} {
		if l != nil {
			if err := l.Close(); !errors.Is(err, net.ErrClosed) {
				all = append(all, err)
			}
		}
	}
	if s.unlock != nil {
		all = append(all, s.unlock())
	}
	return errors.Join(all...)
}
