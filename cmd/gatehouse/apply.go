package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/settings"
)

type applyCommand struct {
	urlFlags
	File   []string `short:"f" required:"" sep:"none" placeholder:"FILE" help:"The file, - for standard input. Several are applied one after the other."`
	DryRun bool     `help:"Say what would change, and change nothing."`
	Plan   string   `placeholder:"WORD" help:"Apply exactly what a dry run showed under that word, or nothing."`
	Prune  bool     `help:"Remove connections and directories that the file does not list."`
	Force  bool     `help:"Overwrite what was changed elsewhere since the last apply."`
	People string   `placeholder:"FILE" help:"With --dry-run: write everybody whom the file would change into this CSV file."`
}

func (applyCommand) Help() string {
	return `Creates the workspace or changes it to match. What the file does not mention stays. Applying
the same file again changes nothing.

Example: a file workspace.yaml

  workspace: acme
  name: Acme Inc
  preset: default
  owners:
    - {email: root@acme.test, password_env: ACME_ROOT_PASSWORD, break_glass: true}
  connections:
    - {name: okta, provider: okta, protocol: saml, metadata_file: okta.xml, status: active, domains: [acme.test]}
    - {name: entra, provider: entra, protocol: oidc, issuer: https://login.microsoftonline.com/TENANT/v2.0,
       client_id: CLIENT, client_secret_env: ENTRA_SECRET}
  directories:
    - {name: okta, connection: okta}
  role_mappings:
    - {group: Acme-Admins, role: Admin}
  applications:
    - {name: app, redirect_uris: [https://app.acme.test/callback]}

applied with

  gatehouse apply -f workspace.yaml --dry-run
  gatehouse apply -f workspace.yaml

A dry run says whom among the people of the workspace the file would change, and how: their number, the
first of them, and with --people all of them in a file. --plan with its word applies exactly that: where
the workspace or one of those people was changed meanwhile, nothing is applied.

Passwords and client secrets that the file names by environment variable or by file, and IdPs' metadata
in files, are read here and not by the server. Paths are taken from the file's folder. Instead of metadata_file a
connection may have metadata_url, which is fetched by whoever applies the file, or the XML itself
under metadata. Before it is active a connection needs one of them; its addresses for the IdP are
printed from the first apply on. domains are those whose people the sign-in page leads to the connection. With status: disabled
open_sessions: end or keep says what becomes of the sessions that it made. The secret of an application is printed once, when it is made.`
}

type applyArgs struct {
	Text    string  `json:"text"`
	Dir     string  `json:"dir"` // absolute, of the file
	DryRun  bool    `json:"dry_run"`
	Prune   bool    `json:"prune"`
	Force   bool    `json:"force"`
	Word    string  `json:"word,omitempty"`
	Skip    int     `json:"skip,omitempty"` // people who are not shown, and how many are then
	Limit   int     `json:"limit,omitempty"`
	Secrets secrets `json:"secrets"`
}

// applied is the outcome of an apply, or what is missing for it: names of variables and paths of
// files whose content the command is to send along. Nothing was changed then.
type applied struct {
	Result     settings.Result `json:"result"`
	NeedsEnv   []string        `json:"needs_env,omitempty"`
	NeedsFiles []string        `json:"needs_files,omitempty"`
}

func applyFile(ctx context.Context, a *app, by audit.Party, args applyArgs) (applied, error) {
	file, err := settings.ParseFile([]byte(args.Text), args.Dir)
	if err != nil {
		return applied{}, err
	}
	var out applied
	var mu sync.Mutex
	service := *a.settings
	service.Getenv = func(name string) string {
		value, ok := args.Secrets.Env[name]
		if !ok {
			mu.Lock()
			defer mu.Unlock()
			out.NeedsEnv = append(out.NeedsEnv, name)
		}
		return value
	}
	service.ReadFile = func(path string) ([]byte, error) {
		f, ok := args.Secrets.Files[path]
		switch {
		case !ok:
			mu.Lock()
			defer mu.Unlock()
			out.NeedsFiles = append(out.NeedsFiles, path)
			return nil, errors.New("not sent along")
		case f.Error != "":
			return nil, errors.New(f.Error)
		}
		return f.Text, nil
	}
	out.Result, err = service.Apply(ctx, file, settings.ApplyOptions{DryRun: args.DryRun, Prune: args.Prune, Force: args.Force, Word: args.Word,
		Page: settings.Page{Skip: args.Skip, Limit: args.Limit}, Actor: by})
	if err != nil && len(out.NeedsEnv)+len(out.NeedsFiles) > 0 {
		return out, nil // a secret that is missing is a mistake in the file, and so nothing was applied
	}
	return out, err
}

func (c *applyCommand) Run(ctx context.Context, p *program) error {
	if c.Plan != "" && len(c.File) > 1 {
		return usagef("apply: --plan is the word of one file, received %d files", len(c.File))
	}
	if c.People != "" && (len(c.File) > 1 || !c.DryRun) {
		return usagef("apply: --people is for the dry run of one file")
	}
	if _, err := p.openAt(ctx, !c.DryRun); err != nil {
		return err
	}
	var results []settings.Result
	for _, name := range c.File {
		r, err := c.apply(ctx, p, name)
		if err != nil {
			return errors.Join(p.showResults(c, results), inFile(name, err))
		}
		results = append(results, r)
	}
	return p.showResults(c, results)
}

// inFile says in which file a mistake is.
func inFile(name string, err error) error {
	if e := errs.As(err); e != nil && e.Kind == errs.KindInvalid {
		c := *e
		c.Message = name + ": " + e.Message
		return &c
	}
	return err
}

func (c *applyCommand) apply(ctx context.Context, p *program, name string) (settings.Result, error) {
	text, dir, err := p.readApplyFile(name)
	if err != nil {
		return settings.Result{}, err
	}
	args := applyArgs{Text: text, Dir: dir, DryRun: c.DryRun, Prune: c.Prune, Force: c.Force, Word: c.Plan}
	if c.People != "" {
		args.Limit = settings.MaxRows
	}
	out, err := call[applied](ctx, p, "apply", args)
	if err == nil && len(out.NeedsEnv)+len(out.NeedsFiles) > 0 {
		args.Secrets = readSecrets(p.environ, out)
		out, err = call[applied](ctx, p, "apply", args)
	}
	if err == nil && len(out.NeedsEnv)+len(out.NeedsFiles) > 0 {
		err = errs.Conflict("changed_meanwhile", "The workspace was changed while the file was being applied. Nothing was changed by it; try again.")
	}
	if err != nil || c.People == "" {
		return out.Result, err
	}
	err = writePeople(c.People, out.Result, func(skip int) (settings.Result, error) {
		args.Skip = skip
		more, err := call[applied](ctx, p, "apply", args)
		return more.Result, err
	})
	if a := out.Result.Affects; a != nil && len(a.Changes) > settings.DefaultRows { // the rest stands in the file
		a.Changes, a.More = a.Changes[:settings.DefaultRows], true
	}
	return out.Result, err
}

// readApplyFile returns the text of a file and the absolute path of its folder.
func (p *program) readApplyFile(name string) (text, dir string, err error) {
	in, dir := p.in, "."
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return "", "", errs.Invalid("file_unreadable", "The file %s cannot be read: %s.", name, innermost(err)).With(err)
		}
		defer f.Close()
		in, dir = f, filepath.Dir(name)
	}
	// One byte more than is accepted: a file that is too long is refused by its reader.
	body, err := io.ReadAll(io.LimitReader(in, settings.MaxFileBytes+1))
	if err != nil {
		return "", "", errs.Invalid("file_unreadable", "The file %s cannot be read: %s.", name, innermost(err)).With(err)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", "", fmt.Errorf("find the folder of %s: %w", name, err)
	}
	return string(body), dir, nil
}

// showResults prints what was done: the result of one file, or a list of several.
func (p *program) showResults(c *applyCommand, results []settings.Result) error {
	if len(results) == 0 {
		return nil
	}
	var document any = results
	if len(c.File) == 1 {
		document = results[0]
	}
	return p.show(document, func(w io.Writer) {
		for _, r := range results {
			showResult(w, r, c.DryRun)
		}
	})
}

func showResult(w io.Writer, r settings.Result, dry bool) {
	switch {
	case len(r.Changes) == 0:
		fmt.Fprintf(w, "workspace %s: nothing to change\n", r.Workspace.Slug)
	case dry:
		fmt.Fprintf(w, "workspace %s would change:\n", r.Workspace.Slug)
	default:
		fmt.Fprintf(w, "workspace %s (%s) changed:\n", r.Workspace.Slug, r.Workspace.ID)
	}
	for _, change := range r.Changes {
		fmt.Fprintln(w, "  "+change)
	}
	for _, note := range r.Notes {
		fmt.Fprintln(w, "note: "+note)
	}
	showPeople(w, r, dry)
	if dry && len(r.Changes) > 0 {
		fmt.Fprintf(w, "To apply exactly this, add --plan %s\n", r.Word)
	}
	for _, c := range r.Connections {
		fmt.Fprintf(w, "connection %s (%s)\n", c.Name, c.Status)
		showAddresses(w, c)
	}
	for _, d := range r.Directories {
		fmt.Fprintf(w, "directory %s\n", d.Name)
		fmt.Fprint(w, cells("  SCIM base URL", d.BaseURL))
	}
	for _, a := range r.Applications {
		fmt.Fprintf(w, "application %s\n", a.Name)
		showApplication(w, a)
	}
}

func showApplication(w io.Writer, a settings.ApplicationView) {
	if a.ClientID != "" {
		fmt.Fprint(w, cells("  client ID", a.ClientID))
	}
	if a.ClientSecret != "" {
		fmt.Fprint(w, cells("  client secret", a.ClientSecret))
		fmt.Fprintln(w, "  The secret is shown this once.")
	}
}
