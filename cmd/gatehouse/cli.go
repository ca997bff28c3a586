package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/gatehouse-id/gatehouse/internal/config"
)

// commandLine is the grammar: one field a verb. Flags at this level work with every verb.
type commandLine struct {
	Config   string `placeholder:"FILE" help:"Read settings from this YAML file. A flag beats GATEHOUSE_* in the environment, which beats the file."`
	Database string `placeholder:"ADDRESS" help:"${help_database}"`
	DataDir  string `placeholder:"DIR" help:"${help_data_dir}"`
	Output   string `placeholder:"WORD" help:"text for people, json for programs: one document (default text; also GATEHOUSE_OUTPUT)."`

	Serve serveCommand `cmd:"" help:"Run the server."`
	demoVerbs

	Apply      applyCommand       `cmd:"" help:"Make a workspace match a YAML file."`
	Export     exportCommand      `cmd:"" help:"Print a workspace as such a file."`
	Connection connectionCommand  `cmd:"" help:"SSO connections of a workspace."`
	Guide      guideCommand       `cmd:"" help:"How an identity provider is set up, with the values to copy."`
	Domain     domainCommand      `cmd:"" help:"Domains of a workspace: claim, prove by DNS, list, remove."`
	Directory  directoryCommand   `cmd:"" help:"A directory's life: test sync, plan, pilot, enable, pause; what was last heard."`
	SCIMToken  scimTokenCommand   `cmd:"" name:"scim-token" help:"Credentials of an IdP's provisioning client."`
	SCIMSecret scimSecretCommand  `cmd:"" name:"scim-secret" help:"Secrets of an IdP's OAuth client for provisioning."`
	APIKey     apiKeyCommand      `cmd:"" name:"api-key" help:"Keys for the REST API."`
	SCIM       scimCommand        `cmd:"" name:"scim" help:"Check a SCIM server, this one or any other."`
	Member     memberCommand      `cmd:"" help:"People of a workspace."`
	Role       roleCommand        `cmd:"" help:"Roles: which there are, their order, and what each allows."`
	Team       teamCommand        `cmd:"" help:"Teams: groups that are made by hand, beside those of a directory."`
	Attribute  attributeCommand   `cmd:"" help:"Attributes of people: define them, and map them from directories and connections."`
	Mail       mailCommand        `cmd:"" help:"Letters that were not sent yet, or were given up."`
	Adoption   adoptionCommand    `cmd:"" help:"Directories that name people who are members already: decide, and undo."`
	Session    sessionCommand     `cmd:"" help:"Signed-in browsers, and one-time sign-in links."`
	Owner      ownerCommand       `cmd:"" help:"Ways in for an owner."`
	Explain    explainCommand     `cmd:"" help:"Why somebody could not sign in, or has their role."`
	Enforce    enforcementCommand `cmd:"" name:"enforcement" help:"Who must use single sign-on, and emergency access."`
	Audit      auditCommand       `cmd:"" help:"The event log."`

	IdP          idpCommand         `cmd:"" name:"idp" help:"Run simulated identity providers, to try signing in and provisioning with."`
	Migrate      migrateCommand     `cmd:"" help:"Bring the database to this binary's schema and end."`
	Keys         keysCommand        `cmd:"" help:"The keys that sign ID tokens."`
	ShowConfig   configCommand      `cmd:"" name:"config" help:"Settings."`
	Healthcheck  healthcheckCommand `cmd:"" help:"Ask a running server whether it is ready; exit 0 or 1."`
	VersionPrint versionCommand     `cmd:"" name:"version" help:"Print the version of this binary."`
}

const description = `Gatehouse: single sign-on, provisioning and members for a SaaS product.

Start with:

  gatehouse serve

and in another terminal:

  gatehouse apply -f workspace.yaml`

// outputVariable is read by the grammar and not by config.
const outputVariable = "GATEHOUSE_OUTPUT"

// run is the whole program: it returns the exit code, 0 for done, 1 for refused or failed, 2 for
// wrong usage.
func run(ctx context.Context, args []string, std streams, environ []string) int {
	if len(args) == 0 {
		args = []string{"--help"}
	}
	p := &program{streams: std, environ: environ, json: wantsJSON(args, environ)}
	var cl commandLine
	code, ended := 0, false
	parser, err := kong.New(&cl, kong.Name("gatehouse"), kong.Description(description), helpVars(),
		kong.Writers(std.out, std.err), kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		// --help prints and asks for the end; the grammar has nothing else that does.
		kong.Exit(func(c int) { code, ended = c, true }))
	if err != nil {
		return p.fail(fmt.Errorf("read the command line: %w", err))
	}
	parsed, err := parser.Parse(args)
	if ended {
		return code
	}
	if err != nil {
		return p.fail(usageOf(parser, err))
	}
	output := cmp.Or(cl.Output, lookup(environ, outputVariable), "text")
	if output != "text" && output != "json" {
		return p.fail(usagef("output: expected text or json, got %q", output))
	}
	p.flags = settingFlags(parsed)
	p.configFile = cl.Config
	parsed.BindTo(ctx, (*context.Context)(nil))
	err = parsed.Run(p)
	return p.fail(errors.Join(err, p.close()))
}

// helpVars are the descriptions of settings, which config has.
func helpVars() kong.Vars {
	vars := kong.Vars{}
	for _, name := range config.Names() {
		vars["help_"+strings.ReplaceAll(name, "-", "_")] = config.Help(name)
	}
	return vars
}

// settingFlags returns the flags that are settings, by name.
func settingFlags(parsed *kong.Context) map[string]string {
	names, given := config.Names(), map[string]string{}
	for _, flag := range parsed.Flags() {
		if slices.Contains(names, flag.Name) {
			given[flag.Name] = flag.Target.String()
			if flag.IsBool() {
				given[flag.Name] = switchText(flag.Target.Bool())
			}
		}
	}
	return given
}

// switchText is a switch as a setting's value; one that was not given sets nothing.
func switchText(on bool) string {
	if on {
		return "yes"
	}
	return ""
}

// wantsJSON tells how things are to be shown, whether or not the command line can be understood.
func wantsJSON(args, environ []string) bool {
	for i, a := range args {
		switch {
		case a == "--output" && i+1 < len(args):
			return args[i+1] == "json"
		case strings.HasPrefix(a, "--output="):
			return a == "--output=json"
		}
	}
	return lookup(environ, outputVariable) == "json"
}

// usageError is a command line that cannot be understood.
type usageError struct{ sentence string }

func (e *usageError) Error() string { return e.sentence }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// usageOf says what is wrong with the command line, with the name that was probably meant.
func usageOf(parser *kong.Kong, err error) error {
	var wrong *kong.ParseError
	if !errors.As(err, &wrong) {
		return &usageError{err.Error()}
	}
	node := parser.Model.Node
	if selected := wrong.Context.Selected(); selected != nil {
		node = selected
	}
	text, _, _ := strings.Cut(err.Error(), ", did you mean")
	verb := strings.TrimSpace(strings.TrimPrefix(node.Path(), parser.Model.Name))
	if word, ok := strings.CutPrefix(text, "unexpected argument "); ok && len(node.Children) > 0 {
		return usagef("unknown verb %q%s", strings.TrimSpace(verb+" "+word), config.DidYouMean(word, childNames(node)))
	}
	if word, ok := strings.CutPrefix(text, "unknown flag "); ok {
		return usagef("unknown flag %s%s", word, config.DidYouMean(word, flagNames(node)))
	}
	if len(node.Children) > 0 && strings.HasPrefix(text, "expected ") {
		return usagef("%sexpected a verb: %s", prefixed(verb), strings.Join(childNames(node), ", "))
	}
	return usagef("%s%s; see gatehouse %s", prefixed(verb), text, strings.TrimSpace(verb+" --help"))
}

func prefixed(verb string) string {
	if verb == "" {
		return ""
	}
	return verb + ": "
}

func childNames(node *kong.Node) []string {
	var names []string
	for _, c := range node.Children {
		names = append(names, c.Name)
	}
	return names
}

func flagNames(node *kong.Node) []string {
	var names []string
	for _, group := range node.AllFlags(true) {
		for _, f := range group {
			names = append(names, "--"+f.Name)
		}
	}
	return names
}
