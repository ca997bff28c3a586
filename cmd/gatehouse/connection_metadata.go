package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/settings"
)

type connectionMetadataCommand struct {
	Show    metadataShowCommand    `cmd:"" help:"Show what is known of the IdP, its keys, how looking at its metadata goes, and what is proposed."`
	Import  metadataImportCommand  `cmd:"" help:"Show what importing metadata would change, and carry out exactly that."`
	Refresh metadataRefreshCommand `cmd:"" help:"Look at the IdP's metadata now."`
	Accept  metadataAcceptCommand  `cmd:"" help:"Take over what was found there and is not taken over by itself."`
	Decline metadataDeclineCommand `cmd:"" help:"Turn that down."`
	Forget  metadataForgetCommand  `cmd:"" help:"Look at the metadata no longer. The keys stay."`
}

// connectionArg names a connection.
type connectionArg struct {
	Workspace  string `arg:"" help:"The workspace."`
	Connection string `arg:"" help:"The connection's name or id."`
}

// metadataArgs ask for one act on a connection's metadata.
type metadataArgs struct {
	Workspace  string `json:"workspace"`
	Connection string `json:"connection"`
	// Act is "show", "import", "refresh", "accept", "decline" or "forget".
	Act  string `json:"act"`
	Word string `json:"word,omitempty"` // of the plan to carry out

	XML      string           `json:"xml,omitempty"`
	URL      string           `json:"url,omitempty"`
	EntityID string           `json:"entity_id,omitempty"` // of several
	Fields   *settings.Fields `json:"fields,omitempty"`
	Signer   string           `json:"signer,omitempty"`
}

// metadataResult is what came of it.
type metadataResult struct {
	// Plan is set where a difference is shown, and Applied says that it was carried out.
	Plan    *settings.MetadataPlan `json:"plan,omitempty"`
	Applied bool                   `json:"applied"`

	Connection settings.ConnectionView `json:"connection"`
	Metadata   settings.MetadataState  `json:"metadata"`
}

func (c connectionArg) metadata(act string) metadataArgs {
	return metadataArgs{Workspace: c.Workspace, Connection: c.Connection, Act: act}
}

// runMetadata performs an act and shows the connection after it.
func runMetadata(ctx context.Context, p *program, args metadataArgs) error {
	r, err := call[metadataResult](ctx, p, "connection.metadata", args)
	if err != nil {
		return err
	}
	return p.show(r, func(w io.Writer) {
		if r.Plan != nil {
			writeMetadataPlan(w, *r.Plan)
			switch {
			case r.Applied:
				fmt.Fprintln(w, "This was carried out.")
			case len(r.Plan.Changes) > 0:
				fmt.Fprintf(w, "Nothing was changed. To carry out exactly this, give the same source and --plan %s\n", r.Plan.Word)
			}
			return
		}
		fmt.Fprint(w, cells("connection", r.Connection.Name), cells("verified", orNever(r.Connection.VerifiedAt)))
		showIdPKeys(w, r.Connection)
		m := r.Metadata
		if m.URL == "" {
			fmt.Fprintln(w, "Its metadata is looked at nowhere. Import it by its address, and it is looked after by itself.")
			return
		}
		fmt.Fprint(w, cells("metadata", m.URL), cells("last good", orNever(m.GoodAt)), cells("looked at", orNever(m.TriedAt)), cells("next look", orNever(m.NextAt)))
		if m.Signer != "" {
			fmt.Fprint(w, cells("signed by", "sha256:"+m.Signer))
		}
		if m.Failures > 0 {
			fmt.Fprint(w, cells("failures in a row", fmt.Sprint(m.Failures)), cells("last error", m.Error))
		}
		if m.Proposal != nil {
			fmt.Fprintln(w, "The IdP publishes what is not taken over by itself:")
			writeMetadataPlan(w, *m.Proposal)
			fmt.Fprintf(w, "To decide: gatehouse connection metadata accept (or decline) %s %s --plan %s\n", args.Workspace, args.Connection, m.Proposal.Word)
		}
	})
}

func writeMetadataPlan(w io.Writer, plan settings.MetadataPlan) {
	if len(plan.Changes) == 0 {
		fmt.Fprintln(w, "It changes nothing.")
	}
	for _, line := range plan.Changes {
		fmt.Fprintln(w, line.What)
		for _, part := range [][2]string{{"  - ", line.From}, {"  + ", line.To}} {
			if part[1] == "" {
				continue
			}
			for _, text := range strings.Split(part[1], "\n") {
				fmt.Fprint(w, part[0], cells(text))
			}
		}
	}
	if plan.OtherIdP {
		fmt.Fprintln(w, "! It is another IdP: everybody who signed in through the connection is signed out.")
	}
	if plan.Unverified {
		fmt.Fprintln(w, "! The connection is not verified any more until somebody signs in through it.")
	}
	for _, remark := range plan.Remarks {
		fmt.Fprintln(w, "! "+remark)
	}
}

// metadataOfConnection performs the acts.
func metadataOfConnection(ctx context.Context, a *app, by audit.Party, args metadataArgs) (metadataResult, error) {
	r, err := actOnMetadata(ctx, a.settings, by, args)
	return r, a.nearestWorkspace(ctx, args.Workspace, err)
}

func actOnMetadata(ctx context.Context, s *settings.Service, by audit.Party, args metadataArgs) (r metadataResult, err error) {
	switch args.Act {
	case "show":
	case "import":
		from := settings.Source{XML: []byte(args.XML), URL: args.URL, EntityID: args.EntityID, Fields: args.Fields, Signer: args.Signer}
		var plan settings.MetadataPlan
		if plan, err = s.PlanMetadata(ctx, args.Workspace, args.Connection, from); err != nil {
			return r, err
		}
		r.Plan = &plan
		if args.Word != "" {
			if from.Fields == nil { // what was read a moment ago, not what is published by now
				from = settings.Source{XML: plan.XML, URL: plan.URL, Signer: plan.Signer}
			}
			_, err = s.ApplyMetadata(ctx, args.Workspace, args.Connection, from, args.Word, by)
			r.Applied = err == nil
		}
	case "refresh":
		_, err = s.RefreshNow(ctx, args.Workspace, args.Connection)
	case "accept":
		_, err = s.AcceptProposal(ctx, args.Workspace, args.Connection, args.Word, by)
	case "decline":
		err = s.DeclineProposal(ctx, args.Workspace, args.Connection, args.Word, by)
	case "forget":
		_, err = s.ForgetMetadataURL(ctx, args.Workspace, args.Connection, by)
	default:
		err = errs.NotFound("version_skew", "The server that runs does not know this act on metadata. Use the server's own version of gatehouse.")
	}
	if err != nil {
		return r, err
	}
	if r.Connection, err = s.Connection(ctx, args.Workspace, args.Connection); err != nil {
		return r, err
	}
	r.Metadata, err = s.MetadataState(ctx, args.Workspace, args.Connection)
	return r, err
}

type metadataShowCommand struct{ connectionArg }

func (c *metadataShowCommand) Run(ctx context.Context, p *program) error {
	return runMetadata(ctx, p, c.metadata("show"))
}

type metadataRefreshCommand struct{ connectionArg }

func (metadataRefreshCommand) Help() string {
	return `Looks at the address that was imported from, as it is done once a day by itself. New keys are staged; anything else
is proposed and changes nothing.`
}

func (c *metadataRefreshCommand) Run(ctx context.Context, p *program) error {
	return runMetadata(ctx, p, c.metadata("refresh"))
}

type metadataForgetCommand struct{ connectionArg }

func (c *metadataForgetCommand) Run(ctx context.Context, p *program) error {
	return runMetadata(ctx, p, c.metadata("forget"))
}

type metadataAcceptCommand struct {
	connectionArg
	Plan string `required:"" placeholder:"WORD" help:"The word of the proposal, as show prints it."`
}

func (c *metadataAcceptCommand) Run(ctx context.Context, p *program) error {
	args := c.metadata("accept")
	args.Word = c.Plan
	return runMetadata(ctx, p, args)
}

type metadataDeclineCommand struct {
	connectionArg
	Plan string `required:"" placeholder:"WORD" help:"The word of the proposal, as show prints it."`
}

func (c *metadataDeclineCommand) Run(ctx context.Context, p *program) error {
	args := c.metadata("decline")
	args.Word = c.Plan
	return runMetadata(ctx, p, args)
}

type metadataImportCommand struct {
	connectionArg
	URL         string `name:"url" placeholder:"ADDRESS" help:"Where the IdP publishes its metadata; looked at each day from then on."`
	File        string `placeholder:"FILE" help:"A file with the metadata; - is the standard input."`
	Choose      string `placeholder:"ENTITY-ID" help:"Which IdP of several in one document."`
	Signer      string `placeholder:"FILE" help:"The certificate whose key must have signed what the address answers."`
	EntityID    string `name:"entity-id" placeholder:"TEXT" help:"The IdP's entity ID (issuer), where there is no metadata."`
	SSOURL      string `name:"sso-url" placeholder:"ADDRESS" help:"Where people sign in at the IdP; with --entity-id."`
	Binding     string `placeholder:"WORD" help:"redirect or post (default redirect); with --entity-id."`
	Certificate string `placeholder:"FILE" help:"The IdP's signing certificate, or several in PEM; with --entity-id."`
	Plan        string `placeholder:"WORD" help:"Carry out the plan of that word. Without it nothing is changed."`
	DryRun      bool   `name:"dry-run" help:"Change nothing, whatever else is given."`
}

func (metadataImportCommand) Help() string {
	return `Shows what would change: entity ID, addresses, keys by their fingerprints, their dates, NameID formats. With the word
that it prints, exactly that is carried out; a plan that is another one by then is refused and nothing is done.
New keys of the same IdP count beside those that have signed, until one of them signs.

Examples:

  gatehouse connection metadata import acme okta --url https://acme.okta.com/app/exk1/sso/saml/metadata
  gatehouse connection metadata import acme okta --url https://acme.okta.com/app/exk1/sso/saml/metadata --plan 3f0c9a2b11d4e756
  gatehouse connection metadata import acme okta --file idp.xml
  gatehouse connection metadata import acme okta --entity-id https://idp.test/ --sso-url https://idp.test/sso --certificate idp.pem`
}

func (c *metadataImportCommand) Run(ctx context.Context, p *program) error {
	args := c.metadata("import")
	args.URL, args.EntityID = c.URL, c.Choose
	if !c.DryRun {
		args.Word = c.Plan
	}
	fields := c.EntityID != "" || c.SSOURL != "" || c.Certificate != ""
	n := 0
	for _, given := range []bool{c.URL != "", c.File != "", fields} {
		if given {
			n++
		}
	}
	if n != 1 {
		return usagef("connection metadata import: expected one of --url, --file, or --entity-id with --sso-url and --certificate")
	}
	read := func(name string) (string, error) {
		switch name {
		case "":
			return "", nil
		case "-":
			text, err := io.ReadAll(io.LimitReader(p.in, settings.MaxMetadataBytes+1))
			return string(text), err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return "", errs.Invalid("file_unreadable", "The file cannot be read: %s.", innermost(err))
		}
		return string(text), nil
	}
	var err error
	if args.Signer, err = read(c.Signer); err != nil {
		return err
	}
	if args.XML, err = read(c.File); err != nil {
		return err
	}
	if fields {
		f := settings.Fields{EntityID: c.EntityID, SSO: c.SSOURL, Binding: c.Binding}
		if f.Certificates, err = read(c.Certificate); err != nil {
			return err
		}
		args.Fields = &f
	}
	return runMetadata(ctx, p, args)
}
