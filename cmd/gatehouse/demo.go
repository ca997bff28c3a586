package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// demoVerbs is the demonstration's place in the command line.
type demoVerbs struct {
	Demo demoCommand `cmd:"" help:"Try it out: a server with made-up data, and simulated IdPs beside it."`
}

// demoCommand is "gatehouse demo".
type demoCommand struct {
	Listen string `placeholder:"ADDRESS" help:"Loopback address for Gatehouse; IdPs, product and start page take the next ports (default 127.0.0.1:8080; free ports with --script)."`
	Script bool   `help:"Play the story without a browser, one line a step, and exit 0 or 1."`
}

// Help is what "gatehouse demo --help" shows below the usage.
func (demoCommand) Help() string {
	return `Everything lives in a throw-away folder and ends with the program. Nothing of it is
reachable from another machine.

  gatehouse demo                          look around in a browser
  gatehouse demo --script                 see that all of it works
  gatehouse demo --script --output json   the same, one JSON object a line`
}

// demoListen is where the demonstration is found when nothing else is asked for.
const demoListen = "127.0.0.1:8080"

// Run starts the demonstration and plays the script or waits for an interruption.
func (c *demoCommand) Run(ctx context.Context, p *program) (err error) {
	listen, err := c.listen(p)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "gatehouse-demo-")
	if err != nil {
		return fmt.Errorf("make the throw-away folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	w, err := openWorld(ctx, dir, listen, newTenants(), p.err)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	if c.Script {
		return runScript(ctx, w, p)
	}
	if err := w.welcome(ctx, p); err != nil {
		return err
	}
	return w.wait(ctx)
}

// listen returns the address for Gatehouse. The data are made up and the links stand on the
// screen, so nobody but this machine is let in.
func (c *demoCommand) listen(p *program) (string, error) {
	for _, name := range []string{"database", "data-dir"} {
		if p.flags[name] != "" {
			return "", usagef("demo: --%s is not for the demonstration, which keeps its data in a throw-away folder; use gatehouse serve", name)
		}
	}
	address := c.Listen
	switch {
	case address == "" && c.Script:
		return "127.0.0.1:0", nil
	case address == "":
		return demoListen, nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return "", usagef("demo: --listen: expected host:port such as %s, got %q", demoListen, address)
	}
	if ip, err := netip.ParseAddr(host); err != nil || !ip.IsLoopback() {
		return "", usagef("demo: --listen: expected a loopback address such as %s, got %q: the demonstration is for this machine only", demoListen, address)
	}
	return address, nil
}

// runScript plays the story and sums it up.
func runScript(ctx context.Context, w *world, p *program) error {
	r := &report{out: p.out, json: p.json}
	if err := r.play(ctx, w.script()); err != nil {
		return err
	}
	if r.failed > 0 {
		return fmt.Errorf("%d of %d steps failed, %d were left out after them", r.failed, r.played, r.skipped)
	}
	if p.json {
		return nil
	}
	_, err := fmt.Fprintf(p.out, "%d steps ok\n", r.played)
	return err
}

// card is one workspace of the demonstration as it is shown.
type card struct {
	Workspace string `json:"workspace"`
	IdP       string `json:"idp,omitempty"`
	Page      string `json:"idp_page,omitempty"`
	Product   string `json:"product_sign_in,omitempty"` // where its people begin
	OwnerLink string `json:"owner_link"`
}

// welcome opens the start page and prints where everything is and what to do there. The first
// company has been sent already, so that there is somebody to sign in as.
func (w *world) welcome(ctx context.Context, p *program) error {
	first := w.tenants[0]
	if _, err := (&chapter{world: w, t: first}).sync(ctx); err != nil {
		return err
	}
	start, err := w.openStart(w.life, slog.New(slog.NewTextHandler(p.err, &slog.HandlerOptions{Level: slog.LevelError})))
	if err != nil {
		return err
	}
	cards, err := w.cards(ctx)
	if err != nil {
		return err
	}
	if p.json {
		return writeJSON(p.out, map[string]any{"demo_data": true, "start": start.origin, "gatehouse": w.origin, "idps": w.idpOrigin, "product": w.hostOrigin,
			"mail": start.origin + mailBase + "/", "data_dir": w.dir, "workspaces": cards, "member": start.admin()})
	}
	return p.show(nil, func(out io.Writer) {
		fmt.Fprintf(out, "DEMO DATA: people and companies are made up, and all of it goes when this program ends.\n\n")
		fmt.Fprintf(out, "Start here      %s\n\n", start.origin)
		fmt.Fprintf(out, "Gatehouse       %s\nSimulated IdPs  %s\nThe product     %s\nMail            %s\n\n", w.origin, w.idpOrigin, w.hostOrigin, start.origin+mailBase+"/")
		fmt.Fprint(out, cells("workspace", "IdP page", "owner's sign-in link (once, ten minutes)"))
		for _, c := range cards {
			page := c.Page
			if page == "" {
				page = "none: the neighbour"
			}
			fmt.Fprint(out, cells(c.Workspace, page, c.OwnerLink))
		}
		fmt.Fprint(out, story(first, w.operatorCommand()))
	})
}

// story is what to click, in order.
func story(first *tenant, command string) string {
	return strings.NewReplacer("{idp}", string(first.kind), "{workspace}", first.slug, "{command}", command).Replace(`
What to do on the start page
  1. Sign in with SAML: choose Zoë Müller on the IdP's page. She lands in the product as Admin. Leave that tab open.
  2. Run the SCIM sync: 25 people and 6 groups of another company stream in, and each gets an invitation by mail.
  3. Fire Zoë in the IdP: the open tab says so, and the start page shows the measured time.
Then
  4. Bring her back, and on the page of {idp} move her from Omniflow-Admins to Omniflow-Trainees ("Edit, manager, groups,
     delete" beside her name): after "Ask again" the product says Supervisor, by the highest group that is left.
  5. On the IdP's sign-in page open "Break something", and read what Gatehouse says.
  6. A sign-in link for anybody, and the event log, in another terminal:
     {command} session link --workspace {workspace} ann.lee@{workspace}.test
     {command} audit export --workspace {workspace}

Press Ctrl-C to end.
`)
}

// operatorCommand is how verbs reach this server from another terminal.
func (w *world) operatorCommand() string {
	name := "gatehouse"
	if exe, err := os.Executable(); err == nil {
		name = exe
		if strings.Contains(exe, string(filepath.Separator)+"go-build") {
			name = "go run ./cmd/gatehouse"
		}
	}
	return name + " --data-dir " + w.dir
}
