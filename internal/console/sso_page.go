package console

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// DomainText are the domains whose people are led to the connection.
func (l connectionLine) DomainText() string { return strings.Join(l.Domains, ", ") }

// ssoData is the page of connections and directories.
type ssoData struct {
	common
	Connections []connectionLine
	Directories []directoryLine
	Providers   []choice
	Enforced    string // "", or who must sign in through a connection
	Mappings    int
	Waiting     int // members whom a directory named, for people to decide about
}

type choice struct{ Value, Text string }

type connectionLine struct {
	settings.ConnectionView
	ProviderName string
	URL          string
	Warning      string // about certificates
}

type directoryLine struct {
	settings.DirectorySetup
	Enabled  bool
	URL      string
	LastUsed *time.Time
	HasToken bool
	// HasCredential is whether anything can speak for it: a token, or its OAuth client.
	HasCredential bool
}

func (d *Door) ssoPage(v *visit) error { return d.showSSO(v, told{}) }

func (d *Door) showSSO(v *visit, t told) error {
	waiting, err := d.waitingCount(v)
	if err != nil {
		return err
	}
	return d.show(v, "sso", "SSO & SCIM", "/sso", t, func(c common) any {
		data := ssoData{common: c, Waiting: waiting, Mappings: len(v.setup.RoleMappings), Enforced: enforced(v.setup.Enforcement)}
		for _, con := range v.setup.Connections {
			line := connectionLine{ConnectionView: con, ProviderName: providerName(con.Provider), URL: c.Base + "/sso/connections/" + con.ID}
			for _, cert := range certificates(con, d.DB.Now()) {
				if cert.Warning != "" {
					line.Warning = cert.Warning
				}
			}
			data.Connections = append(data.Connections, line)
		}
		for _, dir := range v.setup.Directories {
			data.Directories = append(data.Directories, lineOf(dir, c.Base))
		}
		for _, p := range v.setup.Providers {
			data.Providers = append(data.Providers, choice{p, providerName(p)})
		}
		return data
	})
}

func lineOf(dir settings.DirectorySetup, base string) directoryLine {
	line := directoryLine{DirectorySetup: dir, Enabled: dir.Status == directory.DirectoryEnabled, URL: base + "/sso/directories/" + dir.ID}
	_, line.HasToken = dir.LiveToken()
	line.HasCredential = line.HasToken
	used := func(at *time.Time) {
		if at != nil && (line.LastUsed == nil || at.After(*line.LastUsed)) {
			line.LastUsed = at
		}
	}
	for _, token := range dir.Tokens {
		used(token.LastUsedAt)
	}
	for _, secret := range dir.Secrets {
		used(secret.LastUsedAt)
		line.HasCredential = line.HasCredential || secret.RevokedAt == nil
	}
	return line
}

func enforced(e directory.Enforcement) string {
	switch e.RequireSSO {
	case directory.RequireAll:
		return "everybody"
	case directory.RequireDomains:
		return "people of " + strings.Join(e.Domains, ", ")
	}
	return ""
}

// createConnection makes a connection from a provider and, if given, a name.
func (d *Door) createConnection(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	provider, name := form.Get("provider"), strings.TrimSpace(form.Get("name"))
	if name == "" {
		name = freeName(shortName(provider, protocolOf(form.Get("protocol"))), v.setup.Connections, func(c settings.ConnectionView) string { return c.Name })
	}
	protocol := protocolOf(form.Get("protocol"))
	created, err := d.Settings.CreateConnectionOf(v.r.Context(), v.live.Slug, name, provider, protocol, v.actor)
	if forTheForm(err) {
		field := "connection-name"
		if errs.CodeOf(err) == "provider_unknown" {
			field = "provider"
		}
		return d.showSSO(v, told{field: field, err: err, typed: map[string]string{"connection-name": form.Get("name"), "provider": provider, "protocol": string(protocol)}})
	}
	if err != nil {
		return err
	}
	return v.to("/sso/connections/" + created.ID + "?done=connection-created")
}

// createDirectory makes a directory, beside the connection that the form names or alone.
func (d *Door) createDirectory(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	name, beside := "SCIM", ""
	if id := form.Get("connection"); id != "" {
		con, err := v.connection(id)
		if err != nil {
			return err
		}
		name, beside = con.Name, con.ID
	}
	name = freeName(name, v.setup.Directories, func(d settings.DirectorySetup) string { return d.Name })
	created, err := d.Settings.CreateDirectory(v.r.Context(), v.live.Slug, name, beside, v.actor)
	if forTheForm(err) {
		return d.showSSO(v, told{field: "new-directory", err: err})
	}
	if err != nil {
		return err
	}
	return v.to("/sso/directories/" + created.ID + "?done=directory-created")
}

// freeName is name, or name with the first number behind it that makes it one that nobody has.
func freeName[T any](name string, taken []T, nameOf func(T) string) string {
	free := name
	for i := 2; slices.ContainsFunc(taken, func(t T) bool { return strings.EqualFold(nameOf(t), free) }); i++ {
		free = name + " " + strconv.Itoa(i)
	}
	return free
}

// connection finds a connection of the visited workspace by its id.
func (v *visit) connection(id string) (settings.ConnectionView, error) {
	for _, c := range v.setup.Connections {
		if c.ID == id {
			return c, nil
		}
	}
	return settings.ConnectionView{}, errs.NotFound("connection_unknown", "There is no such connection.")
}

// directory finds a directory of the visited workspace by its id.
func (v *visit) directory(id string) (settings.DirectorySetup, error) {
	for _, d := range v.setup.Directories {
		if d.ID == id {
			return d, nil
		}
	}
	return settings.DirectorySetup{}, errs.NotFound("directory_unknown", "There is no such directory.")
}
