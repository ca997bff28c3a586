package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/scim/scimtest"
)

type scimCommand struct {
	Probe probeCommand `cmd:"" help:"Hold a SCIM 2.0 server against the standard, case by case."`
}

type probeCommand struct {
	URL      string        `arg:"" name:"URL" help:"The server's SCIM base URL."`
	TokenEnv string        `placeholder:"NAME" help:"The environment variable that holds the bearer token."`
	Domain   string        `placeholder:"DOMAIN" help:"The part after the @ of the addresses it makes; one that the server accepts (default example.com)."`
	Only     []string      `placeholder:"CASE" help:"Only these cases, such as create.location, or create for all that begin so."`
	Timeout  time.Duration `default:"5m" placeholder:"TIME" help:"End after this time at the latest (default 5m)."`
}

func (probeCommand) Help() string {
	return `Reads what the server offers, then checks it as an identity provider would use it. It makes people
and groups whose names begin with scimtest-, and removes them again, also when it is interrupted; it
touches nothing else. Use a workspace for tests all the same: the server's log keeps what happened.

The exit code is 0 where every case passed, 1 where one did not, 2 for wrong usage. What the server
does not offer is no failure. The token is never printed, and cannot be an argument, which everybody
on the machine could read.

Examples:

  gatehouse scim probe https://api.example.com/scim/v2 --token-env SCIM_TOKEN --domain acme.test
  gatehouse scim probe https://api.example.com/scim/v2 --token-env SCIM_TOKEN --only create,filter --output json`
}

func (c *probeCommand) Run(ctx context.Context, p *program) error {
	probe := scimtest.Probe{BaseURL: c.URL, Domain: c.Domain, Only: c.Only, Timeout: c.Timeout}
	if c.TokenEnv != "" {
		if probe.Token = lookup(p.environ, c.TokenEnv); probe.Token == "" {
			return usagef("token-env: the environment has no variable %q, or an empty one", c.TokenEnv)
		}
	}
	if !p.json {
		probe.Each = func(r scimtest.Result) { fmt.Fprint(p.out, probeLine(r)) }
	}
	report, err := probe.Run(ctx)
	switch {
	case errors.Is(err, scimtest.ErrBaseURL):
		return usagef("URL: %v", err)
	case err != nil:
		return errs.Unavailable("no_answer", "The server could not be asked: %s.", err).With(err)
	case len(report.Results) == 0:
		return usagef("only: no case is called %s", strings.Join(c.Only, " or "))
	}
	if err := p.show(report, func(w io.Writer) { fmt.Fprint(w, probeSummary(report)) }); err != nil {
		return err
	}
	if !report.OK() {
		return errs.Invalid("probe_failed", "The server did not pass: %s.", probeCounts(report))
	}
	return nil
}

// probeLine is one case, and what was wrong with it. Words of the server's may be in it.
func probeLine(r scimtest.Result) string {
	line := fmt.Sprintf("%-8s %-28s %s (%s)\n", r.Outcome, r.ID, r.Title, r.Section)
	switch r.Outcome {
	case scimtest.Failed:
		line += "         expected " + strings.Map(visible, r.Expected) + "\n         got " + strings.Map(visible, r.Got) + "\n"
	case scimtest.NotOffered:
		line += "         would need " + strings.Map(visible, r.Expected) + "\n"
	case scimtest.NotRun:
		line += "         " + strings.Map(visible, r.Got) + "\n"
	}
	return line
}

func probeCounts(r scimtest.Report) string {
	text := fmt.Sprintf("%d passed, %d failed, %d not offered", r.Count(scimtest.Passed), r.Count(scimtest.Failed), r.Count(scimtest.NotOffered))
	if n := r.Count(scimtest.NotRun); n > 0 {
		text += fmt.Sprintf(", %d not run", n)
	}
	if n := len(r.Left); n > 0 {
		text += fmt.Sprintf(", %d left behind", n)
	}
	return text
}

func probeSummary(r scimtest.Report) string {
	text := fmt.Sprintf("%s (%d requests)\n", probeCounts(r), r.Requests)
	for _, path := range r.Left {
		text += "could not be removed: " + strings.Map(visible, path) + "\n"
	}
	return text
}
