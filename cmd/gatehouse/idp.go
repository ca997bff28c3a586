package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

type idpCommand struct {
	Listen string `default:"127.0.0.1:8090" placeholder:"HOST:PORT" help:"Loopback address to listen on (default 127.0.0.1:8090)."`
}

func (idpCommand) Help() string {
	return `They send what the clients of Okta, Entra, OneLogin, JumpCloud, Google, PingOne and CyberArk
send, each with a page of people and groups and buttons for what an administrator does. For provisioning, paste the base URL and the token of gatehouse
scim-token rotate into one of them. For single sign-on, give its Sign-in page the connection's
metadata URL and the connection its metadata; each person there has a tile.`
}

const (
	idpHeaderTimeout = 10 * time.Second
	idpGrace         = 5 * time.Second
)

func (c *idpCommand) Run(ctx context.Context, p *program) error {
	if !isLoopback(c.Listen) {
		return usagef("idp: expected a loopback address such as 127.0.0.1:8090, got %q: the simulated identity providers ask nobody who they are", c.Listen)
	}
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return errs.Unavailable("address_unusable", "The address %s cannot be listened on: %s.", c.Listen, innermost(err)).With(err)
	}
	idps := idpsim.New(idpsim.Options{})
	defer idps.Close()
	// No limit on answers: a sync of many people takes its time.
	server := &http.Server{Handler: idps.Handler(), ReadHeaderTimeout: idpHeaderTimeout}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	v := struct {
		URL string `json:"url"`
	}{"http://" + l.Addr().String()}
	if err := p.show(v, func(w io.Writer) { fmt.Fprintf(w, "simulated identity providers are ready on %s\n", v.URL) }); err != nil {
		return errors.Join(err, server.Close())
	}
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), idpGrace)
	defer cancel()
	if server.Shutdown(end) != nil {
		return server.Close() // a sync under way is cut off: nothing of it is ours
	}
	return nil
}

// isLoopback reports whether an address to listen on can be reached from this machine only.
func isLoopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
